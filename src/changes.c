/*-------------------------------------------------------------------------
 *
 * changes.c
 *		What fp_trend and fp_changes compute of a source: the counts of one
 *		time bucket, the causes of changes, the verdict on the mix.
 *
 * All memory is of the call, or in an arena below it that goes with it.
 * Takes no locks.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"

#include "changes.h"
#include "cubes.h"
#include "failpat.h"
#include "stats/attribution.h"
#include "stats/change_point.h"
#include "stats/mix_shift.h"
#include "trends.h"

PG_FUNCTION_INFO_V1(failpat_cube_counts);
PG_FUNCTION_INFO_V1(failpat_change_causes);
PG_FUNCTION_INFO_V1(failpat_mix_shift);

/* ---------- the counts of a bucket ---------- */

int
failpat_check_code(const FpCube *cube, const text *check)
{
	for (uint32 c = 0; c < cube->nchecks; c++)
		if (cube->checks[c].len == VARSIZE_ANY_EXHDR(check) &&
			memcmp(cube->checks[c].data, VARDATA_ANY(check),
				   cube->checks[c].len) == 0)
			return (int) c;
	return -1;
}

int64
failpat_cell_failures(const FpCube *cube, uint64 cell, bool by_check,
					  int check)
{
	if (!by_check)
		return cube->failures[cell];
	if (check < 0)
		return 0;
	for (uint64 i = cube->check_offsets[cell];
		 i < cube->check_offsets[cell + 1]; i++)
		if (cube->check_codes[i] == (uint32) check)
			return cube->check_failures[i];
	return 0;
}

static void
put_counts(ReturnSetInfo *rsinfo, const FpText *value, int64 failures,
		   int64 trials)
{
	Datum values[3];
	bool  nulls[3] = {value == NULL, false, false};

	values[0] = (Datum) 0;
	if (value)
		values[0] =
			PointerGetDatum(cstring_to_text_with_len(value->data, value->len));
	values[1] = Int64GetDatum(failures);
	values[2] = Int64GetDatum(trials);
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	if (value)
		pfree(DatumGetPointer(values[0]));
}

/*
 * fp_cube_counts(cube, conditions jsonb, dimension text, "check" text)
 *		-> (value, failures, trials)
 *
 * A row per value of the dimension, NULL for "not recorded"; one row in all
 * where dimension is NULL.  Members of sets count each.  What the cube does not
 * know was not recorded.  Sums cannot overflow: the cube's totals do not.
 */
Datum
failpat_cube_counts(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	MemoryContext  cx = CurrentMemoryContext;
	FpCube		  *cube;
	Jsonb		  *conditions;
	bool		  *keep = NULL;
	bool		   possible = true;
	bool		   by_check = !PG_ARGISNULL(3);
	int			   check = -1;
	const FpDim	  *dim = NULL;
	uint32		   nvalues = 0;
	int64		  *trials;
	int64		  *failures;

	InitMaterializedSRF(fcinfo, 0);
	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		return (Datum) 0;
	cube = failpat_cube_from_datum(PG_GETARG_DATUM(0), cx);
	conditions =
		failpat_known_conditions(cube, PG_GETARG_JSONB_P(1), &possible);
	if (!possible)
		return (Datum) 0;
	if (!JB_ROOT_IS_OBJECT(conditions) || JB_ROOT_COUNT(conditions) > 0)
		keep = failpat_cube_match(cube, conditions, cx);
	if (by_check)
		check = failpat_check_code(cube, PG_GETARG_TEXT_PP(3));
	if (!PG_ARGISNULL(2))
	{
		text *name = PG_GETARG_TEXT_PP(2);
		int	  d =
			fp_cube_find_dim(cube, VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name));

		if (d >= 0)
		{
			dim = &cube->dims[d];
			nvalues = dim->nvalues;
		}
	}

	trials = palloc0_array(int64, (Size) nvalues + 1);
	failures = palloc0_array(int64, (Size) nvalues + 1);
	for (uint64 c = 0; c < cube->ncells; c++)
	{
		int64  failed;
		uint32 code = 0;

		if ((c & 4095) == 0)
			CHECK_FOR_INTERRUPTS();
		if (keep && !keep[c])
			continue;
		failed = failpat_cell_failures(cube, c, by_check, check);
		if (dim)
			code = cube->codes[dim - cube->dims][c];
		if (dim && dim->kind == FP_SET && code > 0)
		{
			for (uint64 m = dim->set_offsets[code - 1];
				 m < dim->set_offsets[code]; m++)
			{
				trials[dim->set_members[m]] += cube->trials[c];
				failures[dim->set_members[m]] += failed;
			}
			continue;
		}
		trials[code] += cube->trials[c];
		failures[code] += failed;
	}
	for (uint32 v = 0; v <= nvalues; v++)
		if (trials[v] > 0)
			put_counts(rsinfo, v == 0 ? NULL : &dim->values[v - 1],
					   failures[v], trials[v]);
	return (Datum) 0;
}

/* ---------- causes ---------- */

/* A one-dimensional array of n elements that are not null, of a type. */
static char *
plain_array(ArrayType *array, Oid type, int n, const char *name)
{
	if ((n > 0 && ARR_NDIM(array) != 1) || ARR_HASNULL(array) ||
		ARR_ELEMTYPE(array) != type ||
		ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array)) != n)
		ereport(ERROR, (errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
						errmsg("argument \"%s\" must be an array of %d "
							   "elements that are not null",
							   name, n)));
	return ARR_DATA_PTR(array);
}

static int
element_count(ArrayType *array)
{
	return ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array));
}

/* Index of the first bucket that is not before a time, or n. */
static int
first_at(const FpBucket *buckets, int n, int64 at)
{
	int low = 0;
	int high = n;

	while (low < high)
	{
		int middle = low + (high - low) / 2;

		if (buckets[middle].at < at)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/*
 * fp_change_causes(series bigint[], at timestamptz[], weights float8[],
 * directions integer[]) -> (change, cause, posterior)
 *
 * For each change of the series, numbered from 1 as change_points() has them:
 * the posterior of each event that can have caused it, and with cause 0 that of
 * none of them.  at: the bucket in which each event happened; weights: 0 or
 * more, 1 is usual; directions: 1 where an event can only have raised the rate,
 * -1 where it can only have lowered it, 0 where both.
 *
 * A spike has one place only.
 */
Datum
failpat_change_causes(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	FpArena		   arena;
	FpTrend		   trend;
	FpBucket	  *all;
	FpBucket	  *buckets;
	int64		   nall;
	FpCause		  *causes;
	int			   n = element_count(PG_GETARG_ARRAYTYPE_P(1));
	int64		  *at;
	float8		  *weights;
	int32		  *directions;

	InitMaterializedSRF(fcinfo, 0);
	at = (int64 *) plain_array(PG_GETARG_ARRAYTYPE_P(1), TIMESTAMPTZOID, n,
							   "at");
	weights = (float8 *) plain_array(PG_GETARG_ARRAYTYPE_P(2), FLOAT8OID, n,
									 "weights");
	directions = (int32 *) plain_array(PG_GETARG_ARRAYTYPE_P(3), INT4OID, n,
									   "directions");
	for (int i = 0; i < n; i++)
		if (!(weights[i] >= 0) || isinf(weights[i]))
			ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
							errmsg("weight of an event must be 0 or more, "
								   "not %g",
								   weights[i])));
	arena = fp_arena_create(CurrentMemoryContext, "failpat causes");
	failpat_search_series(PG_GETARG_ARRAYTYPE_P(0), arena, &trend, &all, &nall,
						  &buckets);
	causes = palloc0_array(FpCause, (Size) n + 1);
	for (int c = 0; c < trend.nchanges; c++)
	{
		const FpChange *change = &trend.changes[c];
		int				way = change->difference.estimate > 0 ? 1 : -1;
		int				one_place = change->at;
		double			no_gain = 0;
		int			   *places = &one_place;
		double		   *gains = &no_gain;
		int				nplaces = 1;
		double			none;
		Datum			values[3];
		bool			nulls[3] = {false, false, false};

		CHECK_FOR_INTERRUPTS();
		if (change->kind == FP_SHIFT)
			nplaces =
				fp_change_profile(arena, &trend, change, &places, &gains);
		for (int i = 0; i < n; i++)
		{
			causes[i].bucket = first_at(buckets, trend.nbuckets, at[i]);
			causes[i].weight = directions[i] == -way ? 0 : weights[i];
		}
		none =
			fp_attribute(places, gains, nplaces, causes, n, FP_NO_CAUSE_PRIOR);
		for (int i = -1; i < n; i++)
		{
			double posterior = i < 0 ? none : causes[i].posterior;

			if (i >= 0 && posterior < 1e-6)
				continue;
			values[0] = Int32GetDatum(c + 1);
			values[1] = Int32GetDatum(i + 1);
			values[2] = Float8GetDatum(posterior);
			tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values,
								 nulls);
		}
	}
	fp_arena_delete(arena);
	return (Datum) 0;
}

/* ---------- mix ---------- */

/*
 * fp_mix_shift(failures_before bigint[], trials_before bigint[],
 * failures_after bigint[], trials_after bigint[], dispersion, alpha)
 *		-> (verdict, difference, rate_effect, rate_error, mix_effect, p_value)
 *
 * An element per stratum.  See stats/mix_shift.c.
 */
Datum
failpat_mix_shift(PG_FUNCTION_ARGS)
{
	static const char *const names[] = {"failures_before", "trials_before",
										"failures_after", "trials_after"};
	int						 n = element_count(PG_GETARG_ARRAYTYPE_P(0));
	float8					 dispersion = PG_GETARG_FLOAT8(4);
	float8					 alpha = PG_GETARG_FLOAT8(5);
	int64					*counts[4];
	FpMixStratum			*strata;
	FpMixShift				 shift;
	FpArena					 arena;
	TupleDesc				 desc;
	Datum					 values[6];
	bool		nulls[6] = {false, false, false, false, false, false};
	const char *verdict;

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "internal error: result is not a row");
	desc = BlessTupleDesc(desc);
	if (!(dispersion >= 1) || isinf(dispersion))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("dispersion must be 1 or more, not %g", dispersion)));
	if (!(alpha > 0 && alpha < 1))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("alpha must be between 0 and 1, not %g", alpha)));
	for (int i = 0; i < 4; i++)
		counts[i] = (int64 *) plain_array(PG_GETARG_ARRAYTYPE_P(i), INT8OID, n,
										  names[i]);
	strata = palloc_array(FpMixStratum, (Size) n + 1);
	for (int i = 0; i < n; i++)
	{
		strata[i].failures_before = counts[0][i];
		strata[i].trials_before = counts[1][i];
		strata[i].failures_after = counts[2][i];
		strata[i].trials_after = counts[3][i];
	}
	arena = fp_arena_create(CurrentMemoryContext, "failpat mix");
	fp_mix_shift(arena, strata, n, dispersion, alpha, &shift);
	fp_arena_delete(arena);
	verdict = fp_mix_verdict_name(shift.verdict);
	if (verdict == NULL)
		memset(nulls, true, sizeof(nulls));
	else
		values[0] = CStringGetTextDatum(verdict);
	values[1] = Float8GetDatum(shift.total);
	values[2] = Float8GetDatum(shift.rate_effect);
	values[3] = Float8GetDatum(shift.rate_error);
	values[4] = Float8GetDatum(shift.mix_effect);
	values[5] = Float8GetDatum(shift.p_value);
	return HeapTupleGetDatum(heap_form_tuple(desc, values, nulls));
}
