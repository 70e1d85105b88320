/*-------------------------------------------------------------------------
 *
 * ladder.c
 *		fp_ladder: a combination position by position.
 *
 * Arguments in, tuples out; the work is mine/ladder.c's.  Everything lives in
 * a memory context of the call; no locks, no catalog.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "fmgr.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "condition_read.h"
#include "cube/format.h"
#include "cubes.h"
#include "failpat.h"
#include "mine/ladder.h"
#include "patterns.h"
#include "stats/interval.h"

PG_FUNCTION_INFO_V1(failpat_sql_ladder);

enum
{
	COL_VALUE,
	COL_IN_RANGE,
	COL_FAILURES,
	COL_TRIALS,
	COL_RATE,
	COL_LOWER,
	COL_UPPER,
	COL_OTHER_FAILURES,
	COL_OTHER_TRIALS,
	COL_OTHER_RATE,
	COL_RISK_RATIO,
	COL_RR_LOWER,
	COL_RR_UPPER,
	COL_P,
	COL_P_ADJUSTED,
	COL_EVIDENCE,
	COL_PLAUSIBLE,
	NCOLS
};

static void
set_number(Datum *values, bool *nulls, int at, double number)
{
	values[at] = Float8GetDatum(number);
	nulls[at] = isnan(number);
}

static void
put_rung(ReturnSetInfo *rsinfo, const FpRung *rung,
		 const FailpatCondition *range)
{
	Datum values[NCOLS] = {0};
	bool  nulls[NCOLS] = {0};

	values[COL_VALUE] = Float8GetDatum(rung->value);
	nulls[COL_IN_RANGE] = range == NULL;
	if (range)
		values[COL_IN_RANGE] = BoolGetDatum(rung->value >= range->min &&
											rung->value <= range->max);
	values[COL_FAILURES] = Int64GetDatum(rung->failures);
	values[COL_TRIALS] = Int64GetDatum(rung->trials);
	set_number(values, nulls, COL_RATE, rung->rate);
	set_number(values, nulls, COL_LOWER, rung->lower);
	set_number(values, nulls, COL_UPPER, rung->upper);
	values[COL_OTHER_FAILURES] = Int64GetDatum(rung->other_failures);
	values[COL_OTHER_TRIALS] = Int64GetDatum(rung->other_trials);
	set_number(values, nulls, COL_OTHER_RATE,
			   rung->other_trials > 0 ? (double) rung->other_failures /
											(double) rung->other_trials
									  : NAN);
	set_number(values, nulls, COL_RISK_RATIO, rung->ratio.estimate);
	set_number(values, nulls, COL_RR_LOWER, rung->ratio.lower);
	set_number(values, nulls, COL_RR_UPPER, rung->ratio.upper);
	set_number(values, nulls, COL_P, rung->p);
	set_number(values, nulls, COL_P_ADJUSTED, rung->p_adjusted);
	set_number(values, nulls, COL_EVIDENCE, rung->evidence);
	values[COL_PLAUSIBLE] = BoolGetDatum(rung->plausible);
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

/*
 * Takes the range of the ladder's own dimension out of the conditions and
 * returns it, or NULL: the ladder shows what lies beyond it too.  Members of a
 * set stay, whose number is asked for.
 */
static FailpatCondition *
take_range(FailpatCondition *list, int *n, const FpDim *dim)
{
	FailpatCondition *range = NULL;
	int				  kept = 0;

	for (int i = 0; i < *n; i++)
	{
		bool own =
			list[i].name.len == (int) dim->name.len &&
			memcmp(list[i].name.data, dim->name.data, dim->name.len) == 0 &&
			(list[i].test == FAILPAT_RANGE || list[i].test == FAILPAT_COUNT ||
			 (list[i].test == FAILPAT_VALUES && dim->kind == FP_ORDINAL));

		if (!own)
		{
			list[kept++] = list[i];
			continue;
		}
		failpat_condition_check(&list[i], dim->kind, true);
		range = palloc_array(FailpatCondition, 1);
		*range = list[i];
		if (range->test == FAILPAT_VALUES)
		{
			/* one number, which has been checked to be one */
			(void) fp_number_parse(range->values[0].data, range->values[0].len,
								   &range->min);
			range->max = range->min;
		}
	}
	*n = kept;
	return range;
}

/* fp_ladder(cube, conditions jsonb, dim text, check text, confidence) */
Datum
failpat_sql_ladder(PG_FUNCTION_ARGS)
{
	ReturnSetInfo	 *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	MemoryContext	  cx;
	MemoryContext	  old;
	FpCube			 *cube;
	FailpatCondition *list;
	FailpatCondition *range;
	FpLadder		 *ladder;
	text			 *name;
	int				  check = FP_ANY_CHECK;
	int				  n;
	int				  d;
	double			  confidence = FP_DEFAULT_CONFIDENCE;

	InitMaterializedSRF(fcinfo, 0);
	if (PG_ARGISNULL(0) || PG_ARGISNULL(1) || PG_ARGISNULL(2))
		return (Datum) 0;
	if (!PG_ARGISNULL(4))
		confidence = PG_GETARG_FLOAT8(4);
	fp_check_confidence(confidence);
	cx = AllocSetContextCreate(CurrentMemoryContext, "failpat ladder",
							   ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(cx);
	cube = failpat_cube_from_datum(PG_GETARG_DATUM(0), cx);
	list =
		failpat_read_conditions(PG_GETARG_JSONB_P(1), "conditions", false, &n);
	name = PG_GETARG_TEXT_PP(2);

	/* the cube of no rows knows no dimensions, and need not */
	if (cube->ndims > 0 || cube->ncells > 0)
	{
		d = failpat_cube_dim(cube, VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name));
		if (cube->dims[d].kind != FP_ORDINAL && cube->dims[d].kind != FP_SET)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("%s dimension \"%.*s\" has no ladder",
							fp_dim_kind_name(cube->dims[d].kind),
							fp_clip(cube->dims[d].name.data,
									cube->dims[d].name.len),
							cube->dims[d].name.data),
					 errhint("A ladder goes by the numbers of an ordinal "
							 "dimension, or by how many values a set has.")));
		if (!PG_ARGISNULL(3))
			check = failpat_find_check(cube,
									   text_to_cstring(PG_GETARG_TEXT_PP(3)));
		if (check == FP_EACH_CHECK)
			ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
							errmsg("check \"*\" has no ladder"),
							errhint("Ask for one check, or for NULL.")));
		range = take_range(list, &n, &cube->dims[d]);
		ladder = fp_ladder(cube, fp_failures_of(cube, check, cx),
						   failpat_cube_match_read(cube, list, n, cx), n == 0,
						   d, confidence, cx);
		for (int i = 0; i < ladder->n; i++)
			put_rung(rsinfo, &ladder->rungs[i], range);
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(cx);
	return (Datum) 0;
}
