/*-------------------------------------------------------------------------
 *
 * patterns.c
 *		fp_patterns: mining a cube from SQL.
 *
 * Arguments are checked here, the work is done by mine/, and the patterns
 * come back as rows.  The cube and the run live in a memory context of the
 * call that is deleted before it returns; the rows are in a tuplestore.  No
 * locks, no catalog.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

#include "cubes.h"
#include "failpat.h"
#include "pattern_text.h"
#include "patterns.h"
#include "stats/severity.h"

/* subsets times cells that take minutes: some nanoseconds each */
#define MUCH_WORK 2e10

/* the columns of a row of fp_patterns, in order */
enum
{
	COL_CONDITIONS,
	COL_KEY,
	COL_DESCRIPTION,
	COL_DIRECTION,
	COL_CHECK,
	COL_ARITY,
	COL_FAILURES,
	COL_TRIALS,
	COL_RATE,
	COL_LOWER,
	COL_UPPER,
	COL_BASELINE,
	COL_RISK_RATIO,
	COL_RR_LOWER,
	COL_RR_UPPER,
	COL_P,
	COL_Q,
	COL_SEVERITY,
	COL_Q_BY,
	COL_ADJUSTED,
	COL_ADJUSTED_LOWER,
	COL_ADJUSTED_UPPER,
	COL_EXPECTED,
	COL_EXCESS,
	COL_EXCESS_BOUND,
	COL_CONFOUNDERS,
	COL_SAME,
	COL_INFLATION,
	COL_P_MARGINAL,
	COL_FOLDED,
	NCOLS
};

PG_FUNCTION_INFO_V1(failpat_sql_patterns);
PG_FUNCTION_INFO_V1(failpat_sql_patterns_stacked);

/* Positions of the arguments after the cube or cubes and what follows them. */
enum
{
	ARG_MAX_ARITY,
	ARG_ALPHA,
	ARG_MIN_TRIALS,
	ARG_MIN_RISK_RATIO,
	ARG_DIRECTION,
	ARG_CHECK
};

static FpDirection
read_direction(const char *text)
{
	if (strcmp(text, "worse") == 0)
		return FP_WORSE;
	if (strcmp(text, "better") == 0)
		return FP_BETTER;
	if (strcmp(text, "both") == 0)
		return FP_BOTH;
	ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					errmsg("unknown direction \"%.*s\"",
						   fp_clip(text, strlen(text)), text),
					errhint("Directions are worse, better and both.")));
	return 0;
}

int
failpat_find_check(const FpCube *cube, const char *name)
{
	StringInfoData list;

	if (strcmp(name, "*") == 0)
		return FP_EACH_CHECK;
	for (uint32 c = 0; c < cube->nchecks; c++)
		if (strlen(name) == cube->checks[c].len &&
			memcmp(name, cube->checks[c].data, cube->checks[c].len) == 0)
			return c;
	initStringInfo(&list);
	for (uint32 c = 0; c < Min(cube->nchecks, 20); c++)
		appendStringInfo(&list, "%s\"%.*s\"", c ? ", " : "",
						 fp_clip(cube->checks[c].data, cube->checks[c].len),
						 cube->checks[c].data);
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("no failure of a check \"%.*s\" is in the cube",
					fp_clip(name, strlen(name)), name),
			 cube->nchecks ? errhint("Checks that failed are %s%s.", list.data,
									 cube->nchecks > 20 ? ", ..." : "")
						   : errhint("The cube was built without checks.")));
	return -1;
}

void
failpat_mine_options(FunctionCallInfo fcinfo, int first, const FpCube *cube,
					 FpMineOptions *options)
{
	fp_mine_defaults(options);
	if (!PG_ARGISNULL(first + ARG_MAX_ARITY))
		options->max_arity = PG_GETARG_INT32(first + ARG_MAX_ARITY);
	if (!PG_ARGISNULL(first + ARG_ALPHA))
		options->alpha = PG_GETARG_FLOAT8(first + ARG_ALPHA);
	if (!PG_ARGISNULL(first + ARG_MIN_TRIALS))
		options->min_trials = PG_GETARG_INT32(first + ARG_MIN_TRIALS);
	if (!PG_ARGISNULL(first + ARG_MIN_RISK_RATIO))
		options->min_risk_ratio = PG_GETARG_FLOAT8(first + ARG_MIN_RISK_RATIO);
	if (!PG_ARGISNULL(first + ARG_DIRECTION))
		options->direction = read_direction(
			text_to_cstring(PG_GETARG_TEXT_PP(first + ARG_DIRECTION)));
	if (!PG_ARGISNULL(first + ARG_CHECK))
		options->check =
			failpat_find_check(cube, text_to_cstring(PG_GETARG_TEXT_PP(
										 first + ARG_CHECK)));

	/* what the cube leaves; 0 would be no limit */
	options->memory_limit = (size_t) failpat_memory_limit * 1024;
	options->memory_limit -=
		Min(options->memory_limit - 1, fp_cube_bytes(cube));
	fp_mine_check_options(cube, options);
}

/* conditions as everywhere in failpat: {"lora": ["3", "7"], ...} */
static void
append_conditions(StringInfo json, const FpCube *cube,
				  const FpPatternCondition *conditions, int nconditions)
{
	appendStringInfoChar(json, '{');
	for (int i = 0; i < nconditions; i++)
	{
		const FpPatternCondition *condition = &conditions[i];
		const FpDim				 *dim = &cube->dims[condition->dim];
		const FpText			 *values = dim->values;
		const uint32			 *code = condition->code;

		if (i > 0)
			appendStringInfoString(json, ", ");
		escape_json(json, dim->name.data);
		appendStringInfoString(json, ": ");
		switch (condition->kind)
		{
			case FP_COND_VALUE:
			case FP_COND_MEMBER:
				escape_json(json, values[code[0] - 1].data);
				break;
			case FP_COND_PAIR:
				appendStringInfoChar(json, '[');
				escape_json(json, values[code[0] - 1].data);
				appendStringInfoString(json, ", ");
				escape_json(json, values[code[1] - 1].data);
				appendStringInfoChar(json, ']');
				break;
			case FP_COND_RANGE:
				/* the text of an ordinal value is a JSON number */
				appendStringInfoChar(json, '{');
				if (code[0] != 0)
					appendStringInfo(json, "\"min\": %s",
									 values[code[0] - 1].data);
				if (code[1] != 0)
					appendStringInfo(json, "%s\"max\": %s",
									 code[0] != 0 ? ", " : "",
									 values[code[1] - 1].data);
				appendStringInfoChar(json, '}');
				break;
			case FP_COND_COUNT:
				appendStringInfoString(json, "{\"count\": {");
				if (code[0] != 0)
					appendStringInfo(json, "\"min\": %u", code[0] - 1);
				if (code[1] != 0)
					appendStringInfo(json, "%s\"max\": %u",
									 code[0] != 0 ? ", " : "", code[1] - 1);
				appendStringInfoString(json, "}}");
				break;
		}
	}
	appendStringInfoChar(json, '}');
}

static Datum
jsonb_of(StringInfo json)
{
	return DirectFunctionCall1(jsonb_in, CStringGetDatum(json->data));
}

Jsonb *
failpat_conditions(const FpCube *cube, const FpPatternCondition *conditions,
				   int nconditions)
{
	StringInfoData json;

	initStringInfo(&json);
	append_conditions(&json, cube, conditions, nconditions);
	return DatumGetJsonbP(jsonb_of(&json));
}

/* a number, or null where it is none */
static void
append_number(StringInfo json, const char *name, double value)
{
	appendStringInfo(json, ", \"%s\": ", name);
	if (isfinite(value))
		appendStringInfo(json, "%.6g", value);
	else
		appendStringInfoString(json, "null");
}

/*
 * [{"dimension": ..., "verdict": ..., ...}]: what the other dimensions have to
 * do with it.  "value" and "share" tell which value most of its trials have.
 */
static Datum
confounders_of(const FpCube *cube, const FpPattern *pattern)
{
	static const char *const verdicts[] = {"supported", "not identifiable",
										   "explained"};
	StringInfoData			 json;

	initStringInfo(&json);
	appendStringInfoChar(&json, '[');
	for (int i = 0; i < pattern->nconfounders; i++)
	{
		const FpConfounder *confounder = &pattern->confounders[i];
		const FpDim		   *dim = &cube->dims[confounder->dim];

		appendStringInfoString(&json,
							   i ? ", {\"dimension\": " : "{\"dimension\": ");
		escape_json(&json, dim->name.data);
		appendStringInfo(&json, ", \"verdict\": \"%s\"",
						 verdicts[confounder->verdict]);
		append_number(&json, "risk_ratio", confounder->risk_ratio);
		append_number(&json, "lower", confounder->rr_lower);
		append_number(&json, "upper", confounder->rr_upper);
		append_number(&json, "p_value", exp(confounder->log_p));
		append_number(&json, "information", confounder->information);
		if (confounder->verdict == FP_NOT_IDENTIFIABLE &&
			dim->kind != FP_STRATUM)
		{
			appendStringInfoString(&json, ", \"value\": ");
			if (confounder->code == 0)
				appendStringInfoString(&json, "null");
			else if (dim->kind == FP_SET)
			{
				uint64 first = dim->set_offsets[confounder->code - 1];
				uint64 end = dim->set_offsets[confounder->code];

				appendStringInfoChar(&json, '[');
				for (uint64 m = first; m < end; m++)
				{
					if (m > first)
						appendStringInfoString(&json, ", ");
					escape_json(&json,
								dim->values[dim->set_members[m] - 1].data);
				}
				appendStringInfoChar(&json, ']');
			}
			else
				escape_json(&json, dim->values[confounder->code - 1].data);
			append_number(&json, "share", confounder->share);
		}
		appendStringInfoChar(&json, '}');
	}
	appendStringInfoChar(&json, ']');
	return jsonb_of(&json);
}

/* [conditions, ...] */
static Datum
names_of(const FpCube *cube, const FpPatternName *names, int n)
{
	StringInfoData json;

	initStringInfo(&json);
	appendStringInfoChar(&json, '[');
	for (int i = 0; i < n; i++)
	{
		if (i > 0)
			appendStringInfoString(&json, ", ");
		append_conditions(&json, cube, names[i].conditions,
						  names[i].nconditions);
	}
	appendStringInfoChar(&json, ']');
	return jsonb_of(&json);
}

/* NaN where there is no such figure becomes NULL */
static void
put_float(Datum *values, bool *nulls, int column, double value)
{
	nulls[column] = isnan(value);
	values[column] = Float8GetDatum(value);
}

static void
put_pattern(ReturnSetInfo *rsinfo, const FpCube *cube,
			const FpPattern *pattern)
{
	const char *check =
		pattern->check >= 0 ? cube->checks[pattern->check].data : NULL;
	Datum  values[NCOLS] = {0};
	bool   nulls[NCOLS] = {0};
	Jsonb *conditions;
	bool   better = pattern->direction == FP_BETTER;

	conditions =
		failpat_conditions(cube, pattern->conditions, pattern->nconditions);


	values[COL_CONDITIONS] = JsonbPGetDatum(conditions);
	values[COL_KEY] =
		CStringGetTextDatum(failpat_pattern_key(conditions, NULL));
	values[COL_DESCRIPTION] = CStringGetTextDatum(
		failpat_pattern_text(conditions, NULL, better, check));
	values[COL_DIRECTION] = CStringGetTextDatum(better ? "better" : "worse");
	nulls[COL_CHECK] = check == NULL;
	if (check != NULL)
		values[COL_CHECK] = CStringGetTextDatum(check);
	values[COL_ARITY] = Int32GetDatum(pattern->arity);
	values[COL_FAILURES] = Int64GetDatum(pattern->failures);
	values[COL_TRIALS] = Int64GetDatum(pattern->trials);
	put_float(values, nulls, COL_RATE, pattern->rate);
	put_float(values, nulls, COL_LOWER, pattern->lower);
	put_float(values, nulls, COL_UPPER, pattern->upper);
	put_float(values, nulls, COL_BASELINE, pattern->baseline_rate);
	put_float(values, nulls, COL_RISK_RATIO, pattern->risk_ratio);
	put_float(values, nulls, COL_RR_LOWER, pattern->rr_lower);
	put_float(values, nulls, COL_RR_UPPER, pattern->rr_upper);
	put_float(values, nulls, COL_P, pattern->p_value);
	put_float(values, nulls, COL_Q, pattern->q_value);
	values[COL_SEVERITY] = CStringGetTextDatum(fp_severity_name(
		fp_severity(pattern->trials, pattern->lower, pattern->baseline_rate)));
	put_float(values, nulls, COL_Q_BY, pattern->q_by_value);
	put_float(values, nulls, COL_ADJUSTED, pattern->adjusted_ratio);
	put_float(values, nulls, COL_ADJUSTED_LOWER, pattern->adjusted_lower);
	put_float(values, nulls, COL_ADJUSTED_UPPER, pattern->adjusted_upper);
	put_float(values, nulls, COL_EXPECTED, pattern->expected_failures);
	put_float(values, nulls, COL_EXCESS, pattern->excess_failures);
	put_float(values, nulls, COL_EXCESS_BOUND, pattern->excess_bound);
	values[COL_CONFOUNDERS] = confounders_of(cube, pattern);
	values[COL_SAME] = names_of(cube, pattern->same, pattern->nsame);
	put_float(values, nulls, COL_INFLATION, pattern->inflation);
	put_float(values, nulls, COL_P_MARGINAL, pattern->p_marginal);
	values[COL_FOLDED] = names_of(cube, pattern->folded, pattern->nfolded);
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

/* how far it is, where the system shows what processes do */
static void
show_progress(void *arg, double done)
{
	(void) arg;
	failpat_show_progress("mining", done);
}

/*
 * Says beforehand that there is a lot to count: each subset of dimensions
 * looks at each cell, once for each member of a set and for each pair of
 * them, unless its values turn out to be too rare. The arity has been
 * checked, as it is the length of an array here.
 */
static void
warn_of_work(const FpCube *cube, int max_arity)
{
	/* combinations that a cell is in, by the number of conditions */
	double ways[FP_MAX_ARITY + 1] = {1};
	double all = 0;
	int	   ndims = 0;

	for (int d = 0; d < cube->ndims; d++)
	{
		const FpDim *dim = &cube->dims[d];
		double		 members = 1;
		double		 pairs = 0;

		if (dim->kind == FP_STRATUM)
			continue;
		ndims++;
		if (dim->kind == FP_SET && dim->nsets > 0)
		{
			members = (double) dim->set_offsets[dim->nsets] / dim->nsets;
			pairs = Max(0, members * (members - 1) / 2);
		}
		for (int k = max_arity; k >= 1; k--)
			ways[k] +=
				ways[k - 1] * members + (k >= 2 ? ways[k - 2] * pairs : 0);
	}
	for (int k = 1; k <= max_arity; k++)
		all += ways[k];
	if (all * (double) cube->ncells < MUCH_WORK)
		return;
	ereport(
		NOTICE,
		(errmsg("there are %.0f combinations of up to %d of %d dimensions to "
				"count in each of %llu cells, which may take minutes",
				all, max_arity, ndims, (unsigned long long) cube->ncells),
		 errhint("A lower max_arity, a higher min_trials or fewer dimensions "
				 "make it faster; it can be cancelled at any time.")));
}

void
failpat_mine(FunctionCallInfo fcinfo, int first, const FpCube *cube,
			 const FpFold *fold, MemoryContext cx)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	FpMineOptions  options;
	FpMineResult  *result;

	failpat_mine_options(fcinfo, first, cube, &options);
	options.progress = show_progress;
	if (fold != NULL && fold->parts != NULL)
		options.memory_limit -=
			Min(options.memory_limit - 1,
				fp_cube_bytes(fold->parts) + cube->ncells * sizeof(uint64));
	warn_of_work(cube, options.max_arity);
	result =
		fold ? fp_mine_fold(fold, &options, cx) : fp_mine(cube, &options, cx);
	for (int i = 0; i < result->npatterns; i++)
	{
		const FpPattern *pattern = &result->patterns[i];
		const FpDim		*dim = &cube->dims[pattern->conditions[0].dim];

		put_pattern(rsinfo, cube, pattern);
		/* a whole row as dims has the outcome in it */
		if (pattern->arity == 1 && dim->kind == FP_NOMINAL &&
			pattern->failures == pattern->trials &&
			pattern->rest_failures == 0)
			ereport(NOTICE,
					(errmsg("dimension \"%.*s\" tells every failure by itself",
							fp_clip(dim->name.data, dim->name.len),
							dim->name.data),
					 errhint("Where it is the outcome, or known only after "
							 "it, leave it out of the cube's dimensions.")));
	}
}

/* fp_patterns(failure_cube, ...) */
Datum
failpat_sql_patterns(PG_FUNCTION_ARGS)
{
	MemoryContext cx;
	MemoryContext old;

	InitMaterializedSRF(fcinfo, 0);
	if (PG_ARGISNULL(0))
		return (Datum) 0;
	cx = AllocSetContextCreate(CurrentMemoryContext, "failpat patterns",
							   ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(cx);
	failpat_mine(fcinfo, 1, failpat_cube_from_datum(PG_GETARG_DATUM(0), cx),
				 NULL, cx);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(cx);
	return (Datum) 0;
}

static int
elements_of(Datum datum, Datum **elements, bool **nulls)
{
	ArrayType *array = DatumGetArrayTypeP(datum);
	int16	   typlen;
	bool	   typbyval;
	char	   typalign;
	int		   n;

	get_typlenbyvalalign(ARR_ELEMTYPE(array), &typlen, &typbyval, &typalign);
	deconstruct_array(array, ARR_ELEMTYPE(array), typlen, typbyval, typalign,
					  elements, nulls, &n);
	return n;
}

/*
 * The cubes of an array as one, with a stratum for each; NULL where there is
 * none.  NULL elements have no observations.
 */
FpCube *
failpat_cube_from_array(Datum datum, MemoryContext cx)
{
	Datum		  *elements;
	bool		  *nulls;
	int			   n = elements_of(datum, &elements, &nulls);
	int			   used = 0;
	FpCube		 **cubes;
	FpCube		  *stacked;
	const char	  *stratum = "time";
	size_t		   limit = (size_t) failpat_memory_limit * 1024;
	size_t		   taken = 0;
	MemoryContext  parts;
	MemoryContext  building;
	FpCubeBuilder *builder;

	cubes = palloc(sizeof(FpCube *) * ((Size) n + 1));
	parts = AllocSetContextCreate(cx, "failpat parts", ALLOCSET_DEFAULT_SIZES);
	for (int i = 0; i < n; i++)
		if (!nulls[i])
		{
			cubes[used] =
				failpat_cube_from_datum_limited(elements[i], parts,
												limit - Min(limit, taken));
			taken += fp_cube_bytes(cubes[used++]);
		}
	/* a name for what tells them apart that is free */
	for (int i = 0; i < used; i++)
		if (fp_cube_find_dim(cubes[i], stratum, strlen(stratum)) >= 0)
			stratum = "fp_stratum";
	if (used == 0)
		return NULL;
	building =
		AllocSetContextCreate(cx, "failpat stack", ALLOCSET_DEFAULT_SIZES);
	builder = fp_stack_builder(building, limit - Min(limit - 1, taken), cubes,
							   NULL, used, stratum);
	/* their memory is needed for the whole */
	MemoryContextDelete(parts);
	builder->cells.limit = limit;
	stacked = fp_builder_freeze(builder, cx);
	MemoryContextDelete(building);
	return stacked;
}

FpFold *
failpat_fold_array(Datum datum, uint32 nstrata, MemoryContext cx)
{
	FpFolder	 *folder = fp_folder_create(cx, nstrata == 0);
	const char	 *stratum = "time";
	MemoryContext one_cx =
		AllocSetContextCreate(cx, "failpat cube", ALLOCSET_DEFAULT_SIZES);
	Datum  *elements;
	bool   *nulls;
	int		n = elements_of(datum, &elements, &nulls);
	FpFold *fold;

	for (int i = 0; i < n; i++)
	{
		MemoryContext old = MemoryContextSwitchTo(one_cx);
		FpCube		 *cube;

		CHECK_FOR_INTERRUPTS();
		if (!nulls[i])
		{
			cube = failpat_cube_from_datum(elements[i], one_cx);
			if (fp_cube_find_dim(cube, stratum, strlen(stratum)) >= 0)
				stratum = "fp_stratum";
			fp_folder_add(folder, cube);
			fp_cells_check_limit(cx, (size_t) failpat_memory_limit * 1024, 0);
		}
		MemoryContextSwitchTo(old);
		MemoryContextReset(one_cx);
	}
	fold = nstrata == 0 ? fp_folder_finish(folder, stratum, cx)
						: fp_folder_base(folder, stratum, nstrata, cx);
	MemoryContextDelete(one_cx);
	return fold;
}

/* fp_patterns(failure_cube[], ...): one cube for each bucket of time, say */
Datum
failpat_sql_patterns_stacked(PG_FUNCTION_ARGS)
{
	MemoryContext cx;
	MemoryContext old;

	InitMaterializedSRF(fcinfo, 0);
	if (PG_ARGISNULL(0))
		return (Datum) 0;
	cx = AllocSetContextCreate(CurrentMemoryContext, "failpat patterns",
							   ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(cx);
	if (PG_ARGISNULL(1 + ARG_CHECK))
	{
		FpFold *fold = failpat_fold_array(PG_GETARG_DATUM(0), 0, cx);

		failpat_mine(fcinfo, 1, &fold->cube, fold, cx);
	}
	else
	{
		FpCube *cube = failpat_cube_from_array(PG_GETARG_DATUM(0), cx);

		if (cube != NULL)
			failpat_mine(fcinfo, 1, cube, NULL, cx);
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(cx);
	return (Datum) 0;
}
