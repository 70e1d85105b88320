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
#include "utils/jsonb.h"
#include "utils/memutils.h"

#include "condition_read.h"
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

/* One condition that is tested by itself: a value, a member, a range. */
typedef struct Part
{
	FailpatCondition condition;
	bool			 member; /* one of an array, whose name it has */
	FailpatCondition wider[2];
	bool			 has_wider;
} Part;

static const char *const gate_names[] = {"size",		"marginal",
										 "productive",	"productive",
										 "interaction", "redundant",
										 "redundant",	"confounder",
										 "result"};

static void
not_a_pattern(FailpatText name)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("condition on dimension \"%.*s\" is not one of a pattern",
					fp_clip(name.data, name.len), name.data),
			 errdetail(
				 "A pattern has values, arrays of values used together, "
				 "ranges of ordinal dimensions, and numbers of values of "
				 "sets.")));
}

static Part *
add_part(Part *parts, int *n)
{
	if (*n == FP_MAX_ARITY)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a pattern has at most %d conditions", FP_MAX_ARITY)));
	memset(&parts[*n], 0, sizeof(Part));
	return &parts[(*n)++];
}

/* Takes the conditions apart; returns how many there are. */
static int
read_parts(Jsonb *conditions, Part *parts)
{
	int				  nread;
	FailpatCondition *read =
		failpat_read_conditions(conditions, "conditions", false, &nread);
	int n = 0;

	if (nread == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("conditions must be a JSON object, and not empty")));
	for (int c = 0; c < nread; c++)
	{
		int	  first = n;
		Part *part;

		if (read[c].test == FAILPAT_NULL ||
			(read[c].test == FAILPAT_VALUES && read[c].nvalues == 0))
			not_a_pattern(read[c].name);
		for (int v = 0; v < read[c].nvalues; v++)
		{
			bool known = false;

			for (int i = first; i < n; i++)
				known |= failpat_same_text(*parts[i].condition.values,
										   read[c].values[v]);
			if (known)
				continue;
			part = add_part(parts, &n);
			part->condition = read[c];
			part->condition.values = &read[c].values[v];
			part->condition.nvalues = 1;
			part->member = read[c].array;
		}
		if (read[c].test == FAILPAT_VALUES)
			continue;
		part = add_part(parts, &n);
		part->condition = read[c];
		part->has_wider =
			read[c].min_text.data != NULL && read[c].max_text.data != NULL;
		part->wider[0] = part->wider[1] = read[c];
		part->wider[0].min_text.data = NULL;
		part->wider[0].min = -INFINITY;
		part->wider[1].max_text.data = NULL;
		part->wider[1].max = INFINITY;
	}
	return n;
}

/* the key of the parts in mask; which >= 0: part item in its wider form */
static char *
key_of(const Part *parts, int n, uint32 mask, int item, int which)
{
	FailpatCondition list[FP_MAX_ARITY];
	int				 nlist = 0;

	for (int i = 0; i < n; i++)
	{
		FailpatCondition *to = &list[nlist];

		if ((mask & (1u << i)) == 0)
			continue;
		*to = i == item && which >= 0 ? parts[i].wider[which]
									  : parts[i].condition;
		nlist++;
		if (!parts[i].member)
			continue;
		/* all members of the set at once */
		to->values = palloc_array(FailpatText, n);
		to->nvalues = 0;
		for (int j = i; j < n; j++)
			if (parts[j].member && (mask & (1u << j)) != 0 &&
				failpat_same_text(parts[j].condition.name, to->name))
			{
				to->values[to->nvalues++] = *parts[j].condition.values;
				mask &= ~(1u << j);
			}
	}
	return failpat_pattern_key_read(list, nlist, NULL);
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
		case FP_STEP_REDUNDANT_ALL:
			if (row->item < 0)
				against = "all others";
			else if (row->which < 0)
				against = key_of(parts, n, all & ~(1u << row->item), -1, -1);
			else
				against = key_of(parts, n, all, row->item, row->which);
			note = "compared within and without all those patterns at once";
			compared = false;
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
					if (row->stopped >= 0)
						note = psprintf(
							"it is not reported: it stopped at gate %s, "
							"step %d",
							gate_names[explanation->rows[row->stopped].step],
							row->stopped + 1);
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
		const FailpatText *name = &parts[i].condition.name;

		items[i].dim = failpat_cube_dim(cube, name->data, name->len);
		if (cube->dims[items[i].dim].kind == FP_STRATUM)
			not_a_pattern(*name);
		items[i].counts = parts[i].condition.test == FAILPAT_COUNT;
		items[i].cells =
			failpat_cube_match_read(cube, &parts[i].condition, 1, cx);
		for (int w = 0; w < 2 && parts[i].has_wider; w++)
			items[i].wider[w] =
				failpat_cube_match_read(cube, &parts[i].wider[w], 1, cx);
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
