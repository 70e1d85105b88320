/*-------------------------------------------------------------------------
 *
 * explain.c
 *		fp_explain: why a combination is, or is not, a pattern.
 *
 * Takes the conditions apart, has mine/explain.c put them through the gates,
 * and tells each step as a row.  Everything lives in a memory context of the
 * call; no locks, no catalog.
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
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"

#include "cubes.h"
#include "failpat.h"
#include "mine/explain.h"
#include "pattern_text.h"
#include "patterns.h"

PG_FUNCTION_INFO_V1(failpat_sql_explain);
PG_FUNCTION_INFO_V1(failpat_sql_explain_stacked);

enum
{
	COL_STEP,
	COL_GATE,
	COL_PASSED,
	COL_AGAINST,
	COL_FAILURES,
	COL_TRIALS,
	COL_RATE,
	COL_OTHER_FAILURES,
	COL_OTHER_TRIALS,
	COL_OTHER_RATE,
	COL_RISK_RATIO,
	COL_RR_LOWER,
	COL_RR_UPPER,
	COL_P,
	COL_LEVEL,
	COL_NOTE,
	NCOLS
};

/* One condition: its dimension and its value as JSON text. */
typedef struct Part
{
	char *name;
	char *value;
	bool  member; /* of a set */
	char *wider[2];
} Part;

static const char *const gate_names[] = {"size",		"marginal",
										 "productive",	"productive",
										 "interaction", "redundant",
										 "confounder",	"result"};

static Jsonb *
parse_json(const char *text)
{
	return DatumGetJsonbP(
		DirectFunctionCall1(jsonb_in, CStringGetDatum(text)));
}

static char *
json_text(JsonbValue *value)
{
	Jsonb *json = JsonbValueToJsonb(value);

	return JsonbToCString(NULL, &json->root, VARSIZE(json));
}

/* the cells of the cube that meet one condition */
static bool *
cells_of(const FpCube *cube, const char *name, const char *value,
		 MemoryContext cx)
{
	StringInfoData json;

	initStringInfo(&json);
	appendStringInfoChar(&json, '{');
	escape_json(&json, name);
	appendStringInfo(&json, ": %s}", value);
	return failpat_cube_match(cube, parse_json(json.data), cx);
}

static void
not_a_pattern(const char *name)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("condition on dimension \"%s\" is not one of a pattern",
					name),
			 errdetail("A pattern has values, arrays of values used together, "
					   "and ranges of ordinal dimensions.")));
}

/* Takes the conditions apart; returns how many there are. */
static int
read_parts(Jsonb *conditions, Part *parts)
{
	JsonbIterator *it;
	JsonbValue	   item;
	int			   n = 0;

	if (!JB_ROOT_IS_OBJECT(conditions) || JB_ROOT_COUNT(conditions) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("conditions must be a JSON object, and not empty")));
	it = JsonbIteratorInit(&conditions->root);
	(void) JsonbIteratorNext(&it, &item, true);
	while (JsonbIteratorNext(&it, &item, true) == WJB_KEY)
	{
		char  *name = pnstrdup(item.val.string.val, item.val.string.len);
		Jsonb *inner;
		int	   first = n;

		(void) JsonbIteratorNext(&it, &item, true);
		if (item.type == jbvNull)
			not_a_pattern(name);
		if (item.type == jbvBinary &&
			JsonContainerIsArray(item.val.binary.data))
		{
			JsonbIterator *in;
			JsonbValue	   member;

			inner = JsonbValueToJsonb(&item);
			in = JsonbIteratorInit(&inner->root);
			(void) JsonbIteratorNext(&in, &member, true);
			while (JsonbIteratorNext(&in, &member, true) == WJB_ELEM)
			{
				char *value = json_text(&member);
				bool  known = false;

				for (int i = first; i < n; i++)
					known |= strcmp(parts[i].value, value) == 0;
				if (known)
					continue;
				if (n == FP_MAX_ARITY)
					goto too_many;
				memset(&parts[n], 0, sizeof(Part));
				parts[n].name = name;
				parts[n].member = true;
				parts[n++].value = value;
			}
			if (n == first)
				not_a_pattern(name);
			continue;
		}
		if (n == FP_MAX_ARITY)
			goto too_many;
		memset(&parts[n], 0, sizeof(Part));
		parts[n].name = name;
		parts[n].value = json_text(&item);
		if (item.type == jbvBinary)
		{
			JsonbValue	buffer[2];
			JsonbValue *bound[2];

			inner = JsonbValueToJsonb(&item);
			bound[0] = getKeyJsonValueFromContainer(&inner->root, "max", 3,
													&buffer[0]);
			bound[1] = getKeyJsonValueFromContainer(&inner->root, "min", 3,
													&buffer[1]);
			if (bound[0] && bound[1])
			{
				parts[n].wider[0] =
					psprintf("{\"max\": %s}", json_text(bound[0]));
				parts[n].wider[1] =
					psprintf("{\"min\": %s}", json_text(bound[1]));
			}
		}
		n++;
	}
	return n;

too_many:
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("a pattern has at most %d conditions", FP_MAX_ARITY)));
	return 0;
}

/* the key of the parts in mask; which >= 0: part item in its wider form */
static char *
key_of(const Part *parts, int n, uint32 mask, int item, int which)
{
	StringInfoData json;
	bool		   first = true;

	initStringInfo(&json);
	appendStringInfoChar(&json, '{');
	for (int i = 0; i < n; i++)
	{
		if ((mask & (1u << i)) == 0)
			continue;
		if (!first)
			appendStringInfoString(&json, ", ");
		first = false;
		escape_json(&json, parts[i].name);
		appendStringInfoString(&json, ": ");
		if (!parts[i].member)
		{
			appendStringInfoString(&json, i == item && which >= 0
											  ? parts[i].wider[which]
											  : parts[i].value);
			continue;
		}
		/* all members of the set at once */
		appendStringInfo(&json, "[%s", parts[i].value);
		for (int j = i + 1; j < n; j++)
			if (parts[j].member && parts[j].name == parts[i].name &&
				(mask & (1u << j)) != 0)
			{
				appendStringInfo(&json, ", %s", parts[j].value);
				mask &= ~(1u << j);
			}
		appendStringInfoChar(&json, ']');
	}
	appendStringInfoChar(&json, '}');
	return failpat_pattern_key(parse_json(json.data), NULL);
}

static char *
key_of_pattern(const FpCube *cube, const FpPatternName *name)
{
	return failpat_pattern_key(failpat_conditions(cube, name->conditions,
												  name->nconditions),
							   NULL);
}

static void
put_row(ReturnSetInfo *rsinfo, const FpCube *cube, const Part *parts, int n,
		const FpExplanation *explanation, int number)
{
	static const char *const verdicts[] = {"supported", "not identifiable",
										   "explained"};
	const FpExplainRow		*row = &explanation->rows[number];
	Datum					 values[NCOLS] = {0};
	bool					 nulls[NCOLS] = {0};
	uint32					 all = (1u << n) - 1;
	char					*against = NULL;
	const char				*note = NULL;
	bool					 compared = true;
	double					 figures[NCOLS];

	switch (row->step)
	{
		case FP_STEP_SIZE:
			against = psprintf("at least " INT64_FORMAT " trials",
							   row->other_trials);
			compared = false;
			break;
		case FP_STEP_MARGINAL:
			against = "all others";
			break;
		case FP_STEP_PRODUCTIVE:
			against = key_of(parts, n, all & ~(1u << row->item), -1, -1);
			note = "compared with the rest of the more general combination";
			break;
		case FP_STEP_WIDER:
			against = key_of(parts, n, all, row->item, row->which);
			note = "compared with the rest of the wider range";
			break;
		case FP_STEP_INTERACTION:
			against =
				psprintf("%s and %s", key_of(parts, n, row->items, -1, -1),
						 key_of(parts, n, all & ~row->items, -1, -1));
			note = "compared with what the two parts let expect";
			break;
		case FP_STEP_REDUNDANT:
			against =
				key_of_pattern(cube, &explanation->patterns[row->pattern]);
			note = "compared within and without that pattern";
			break;
		case FP_STEP_CONFOUNDER:
			against = pstrdup(cube->dims[row->dim].name.data);
			note = verdicts[row->verdict];
			compared = false;
			break;
		case FP_STEP_RESULT:
			compared = false;
			if (row->pattern >= 0)
				against =
					key_of_pattern(cube, &explanation->patterns[row->pattern]);
			switch (row->explained)
			{
				case FP_REPORTED:
					note = "it is reported";
					break;
				case FP_REPORTED_AS_OTHER:
					note = "reported under another name of the same "
						   "observations";
					break;
				case FP_REPORTED_RANGE:
					note = "another range of the same combination is reported";
					break;
				case FP_NOT_REPORTED:
					note = "it is not reported";
					break;
			}
			break;
	}
	values[COL_STEP] = Int32GetDatum(number + 1);
	values[COL_GATE] = CStringGetTextDatum(gate_names[row->step]);
	values[COL_PASSED] = BoolGetDatum(row->passed);
	nulls[COL_AGAINST] = against == NULL;
	if (against)
		values[COL_AGAINST] = CStringGetTextDatum(against);
	values[COL_FAILURES] = Int64GetDatum(row->failures);
	values[COL_TRIALS] = Int64GetDatum(row->trials);
	nulls[COL_OTHER_FAILURES] = nulls[COL_OTHER_TRIALS] = !compared;
	values[COL_OTHER_FAILURES] = Int64GetDatum(row->other_failures);
	values[COL_OTHER_TRIALS] = Int64GetDatum(row->other_trials);
	for (int i = 0; i < NCOLS; i++)
		figures[i] = NAN;
	if (row->trials > 0)
		figures[COL_RATE] = (double) row->failures / (double) row->trials;
	if (compared && row->other_trials > 0)
		figures[COL_OTHER_RATE] =
			(double) row->other_failures / (double) row->other_trials;
	figures[COL_RISK_RATIO] = row->risk_ratio;
	figures[COL_RR_LOWER] = row->rr_lower;
	figures[COL_RR_UPPER] = row->rr_upper;
	figures[COL_P] = exp(row->log_p);
	figures[COL_LEVEL] = exp(row->log_level);
	for (int i = COL_RATE; i <= COL_LEVEL; i++)
	{
		if (i == COL_OTHER_FAILURES || i == COL_OTHER_TRIALS)
			continue;
		nulls[i] = isnan(figures[i]);
		values[i] = Float8GetDatum(figures[i]);
	}
	nulls[COL_NOTE] = note == NULL;
	if (note)
		values[COL_NOTE] = CStringGetTextDatum(note);
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

static Datum
explain_cubes(FunctionCallInfo fcinfo, bool stacked)
{
	MemoryContext  cx;
	MemoryContext  old;
	FpCube		  *cube;
	FpMineOptions  options;
	Part		   parts[FP_MAX_ARITY];
	FpExplainItem  items[FP_MAX_ARITY];
	FpExplanation *explanation;
	int			   n;

	InitMaterializedSRF(fcinfo, 0);
	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		return (Datum) 0;
	cx = AllocSetContextCreate(CurrentMemoryContext, "failpat explanation",
							   ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(cx);
	cube = stacked ? failpat_cube_from_array(PG_GETARG_DATUM(0), cx)
				   : failpat_cube_from_datum(PG_GETARG_DATUM(0), cx);
	if (cube == NULL)
	{
		MemoryContextSwitchTo(old);
		MemoryContextDelete(cx);
		return (Datum) 0;
	}
	n = read_parts(PG_GETARG_JSONB_P(1), parts);
	failpat_mine_options(fcinfo, 2, cube, &options);
	if (options.direction == FP_BOTH)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("direction \"both\" cannot be explained"),
						errhint("Ask for worse or better.")));
	if (options.check == FP_EACH_CHECK)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("check \"*\" cannot be explained"),
						errhint("Ask for one check, or for NULL.")));
	memset(items, 0, sizeof(items));
	for (int i = 0; i < n; i++)
	{
		items[i].dim =
			failpat_cube_dim(cube, parts[i].name, strlen(parts[i].name));
		if (cube->dims[items[i].dim].kind == FP_STRATUM)
			not_a_pattern(parts[i].name);
		items[i].cells = cells_of(cube, parts[i].name, parts[i].value, cx);
		for (int w = 0; w < 2; w++)
			if (parts[i].wider[w] != NULL)
				items[i].wider[w] =
					cells_of(cube, parts[i].name, parts[i].wider[w], cx);
	}
	explanation = fp_explain(cube, &options, items, n, cx);
	for (int i = 0; i < explanation->nrows; i++)
		put_row((ReturnSetInfo *) fcinfo->resultinfo, cube, parts, n,
				explanation, i);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(cx);
	return (Datum) 0;
}

/* fp_explain(cube, conditions, max_arity, alpha, ...) */
Datum
failpat_sql_explain(PG_FUNCTION_ARGS)
{
	return explain_cubes(fcinfo, false);
}

/* fp_explain(cubes, conditions, ...): as fp_patterns of an array */
Datum
failpat_sql_explain_stacked(PG_FUNCTION_ARGS)
{
	return explain_cubes(fcinfo, true);
}
