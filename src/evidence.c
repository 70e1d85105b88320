/*-------------------------------------------------------------------------
 *
 * evidence.c
 *		Evidence for patterns over time: counting them in a bucket's cube,
 *		e-values, and whether they still hold.
 *
 * What refresh calls to keep failure_patterns (sql/install/52_list.sql).  The
 * mathematics is stats/evalue.c's.  Cubes and flags live in a context of the
 * call that is deleted before it returns; no locks, no catalog.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <float.h>
#include <math.h>

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"

#include "condition_read.h"
#include "cubes.h"
#include "failpat.h"
#include "stats/evalue.h"

/* --- counting ---------------------------------------------------------- */

bool
failpat_conditions_fit(const FpCube *cube, const FailpatCondition *conditions,
					   int n)
{
	for (int i = 0; i < n; i++)
	{
		const FailpatText *name = &conditions[i].name;
		int				   d = fp_cube_find_dim(cube, name->data, name->len);

		if (d < 0 ||
			!failpat_condition_fits(&conditions[i], cube->dims[d].kind))
			return false;
	}
	return true;
}

/* the elements of an array of conditions; no NULLs */
static Datum *
elements_of(ArrayType *array, const char *name, int *n)
{
	Datum *elements;
	bool  *nulls;

	deconstruct_array(array, JSONBOID, -1, false, TYPALIGN_INT, &elements,
					  &nulls, n);
	for (int i = 0; i < *n; i++)
		if (nulls[i])
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("argument \"%s\" must not contain nulls", name)));
	return elements;
}

/* fp_pattern_counts(cube failure_cube, conditions jsonb[], outside jsonb[]) */
PG_FUNCTION_INFO_V1(failpat_sql_pattern_counts);
Datum
failpat_sql_pattern_counts(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	MemoryContext  cx;
	MemoryContext  one_cx;
	MemoryContext  old;
	FpCube		  *cube;
	Datum		  *conditions;
	Datum		  *outside;
	int			   n;
	int			   noutside;
	bool		  *left_out;
	int64		   all_trials = 0;
	int64		   all_failures = 0;

	InitMaterializedSRF(fcinfo, 0);
	cx = AllocSetContextCreate(CurrentMemoryContext, "failpat counts",
							   ALLOCSET_DEFAULT_SIZES);
	one_cx = AllocSetContextCreate(cx, "failpat counts of one",
								   ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(cx);
	cube = failpat_cube_from_datum(PG_GETARG_DATUM(0), cx);
	conditions = elements_of(PG_GETARG_ARRAYTYPE_P(1), "conditions", &n);
	outside = elements_of(PG_GETARG_ARRAYTYPE_P(2), "outside", &noutside);

	left_out = fp_alloc0_array(cx, bool, cube->ncells + 1);
	MemoryContextSwitchTo(one_cx);
	for (int i = 0; i < noutside; i++)
	{
		int				  nasked;
		FailpatCondition *asked =
			failpat_read_conditions(DatumGetJsonbP(outside[i]), "outside",
									false, &nasked);
		bool *met;

		CHECK_FOR_INTERRUPTS();
		if (!failpat_conditions_fit(cube, asked, nasked))
			continue;
		met = failpat_cube_match_read(cube, asked, nasked, one_cx);
		for (uint64 c = 0; c < cube->ncells; c++)
			left_out[c] |= met[c];
		MemoryContextReset(one_cx);
	}
	for (uint64 c = 0; c < cube->ncells; c++)
		if (!left_out[c])
		{
			all_trials += cube->trials[c];
			all_failures += cube->failures[c];
		}
	for (int i = 0; i < n; i++)
	{
		int				  nasked;
		FailpatCondition *asked =
			failpat_read_conditions(DatumGetJsonbP(conditions[i]),
									"conditions", false, &nasked);
		int64 trials = 0;
		int64 failures = 0;
		Datum values[5];
		bool  nulls[5] = {false};

		CHECK_FOR_INTERRUPTS();
		if (failpat_conditions_fit(cube, asked, nasked))
		{
			bool *met = failpat_cube_match_read(cube, asked, nasked, one_cx);

			for (uint64 c = 0; c < cube->ncells; c++)
				if (met[c] && !left_out[c])
				{
					trials += cube->trials[c];
					failures += cube->failures[c];
				}
		}
		values[0] = Int32GetDatum(i + 1);
		values[1] = Int64GetDatum(trials);
		values[2] = Int64GetDatum(failures);
		values[3] = Int64GetDatum(all_trials);
		values[4] = Int64GetDatum(all_failures);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values,
							 nulls);
		MemoryContextReset(one_cx);
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(cx);
	return (Datum) 0;
}

/* --- strata ------------------------------------------------------------ */

/* strata from four arrays of counts that start with argument first */
static FpStratum *
strata_of(FunctionCallInfo fcinfo, int first, int64 *count)
{
	static const char *const names[4] = {"trials", "failures", "all_trials",
										 "all_failures"};
	FpStratum				*strata = NULL;
	int						 n = 0;

	for (int i = 0; i < 4; i++)
	{
		Datum *items;
		bool  *nulls;
		int	   len;

		deconstruct_array(PG_GETARG_ARRAYTYPE_P(first + i), INT8OID, 8,
						  FLOAT8PASSBYVAL, TYPALIGN_DOUBLE, &items, &nulls,
						  &len);
		if (i == 0)
		{
			n = len;
			strata = palloc0_array(FpStratum, (Size) n + 1);
		}
		else if (len != n)
			ereport(ERROR, (errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
							errmsg("argument \"%s\" has %d elements, but "
								   "\"trials\" has %d",
								   names[i], len, n)));
		for (int j = 0; j < n; j++)
		{
			int64 value;

			if (nulls[j])
				ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
								errmsg("argument \"%s\" must not contain "
									   "nulls",
									   names[i])));
			value = DatumGetInt64(items[j]);
			switch (i)
			{
				case 0:
					strata[j].n = value;
					break;
				case 1:
					strata[j].a = value;
					break;
				case 2:
					strata[j].N = value;
					break;
				default:
					strata[j].F = value;
			}
		}
	}
	*count = n;
	return strata;
}

static double
inflation_of(FunctionCallInfo fcinfo, int number)
{
	double inflation = PG_GETARG_FLOAT8(number);

	if (!(inflation >= 1) || isinf(inflation))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("argument \"inflation\" must be 1 or more, not "
							   "%g",
							   inflation)));
	return inflation;
}

static void
wealth_of(ArrayType *array, FpWealth *wealth)
{
	Datum *items;
	bool  *nulls;
	int	   n;

	deconstruct_array(array, FLOAT8OID, 8, FLOAT8PASSBYVAL, TYPALIGN_DOUBLE,
					  &items, &nulls, &n);
	memset(wealth, 0, sizeof(*wealth));
	/* the empty array is what one starts with */
	if (n == 0)
		return;
	if (n != FP_E_RATIOS)
		ereport(ERROR, (errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
						errmsg("argument \"wealth\" must have %d elements, "
							   "not %d",
							   FP_E_RATIOS, n)));
	for (int i = 0; i < n; i++)
	{
		wealth->log_e[i] = nulls[i] ? NAN : DatumGetFloat8(items[i]);
		if (isnan(wealth->log_e[i]))
			ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
							errmsg("argument \"wealth\" must hold numbers")));
	}
}

/*
 * fp_wealth(wealth float8[], trials, failures, all_trials, all_failures
 * bigint[], inflation float8): the wealth after these strata
 */
PG_FUNCTION_INFO_V1(failpat_sql_wealth);
Datum
failpat_sql_wealth(PG_FUNCTION_ARGS)
{
	FpWealth   wealth;
	int64	   count;
	FpStratum *strata = strata_of(fcinfo, 1, &count);
	double	   inflation = inflation_of(fcinfo, 5);
	Datum	   items[FP_E_RATIOS];

	wealth_of(PG_GETARG_ARRAYTYPE_P(0), &wealth);
	for (int64 i = 0; i < count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		fp_wealth_add(&wealth, &strata[i], inflation);
	}
	for (int i = 0; i < FP_E_RATIOS; i++)
		items[i] = Float8GetDatum(wealth.log_e[i]);
	PG_RETURN_ARRAYTYPE_P(construct_array(items, FP_E_RATIOS, FLOAT8OID, 8,
										  FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
}

/* a logarithm as a number that is finite */
static double
finite_exp(double log_value)
{
	return log_value >= log(DBL_MAX) ? DBL_MAX : exp(log_value);
}

/* fp_e_value(wealth float8[]) */
PG_FUNCTION_INFO_V1(failpat_sql_e_value);
Datum
failpat_sql_e_value(PG_FUNCTION_ARGS)
{
	FpWealth wealth;

	wealth_of(PG_GETARG_ARRAYTYPE_P(0), &wealth);
	PG_RETURN_FLOAT8(finite_exp(fp_wealth_log_e(&wealth)));
}

/* fp_e_threshold(alpha float8, rank bigint) */
PG_FUNCTION_INFO_V1(failpat_sql_e_threshold);
Datum
failpat_sql_e_threshold(PG_FUNCTION_ARGS)
{
	double alpha = PG_GETARG_FLOAT8(0);
	int64  rank = PG_GETARG_INT64(1);

	if (!(alpha > 0 && alpha < 1))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("argument \"alpha\" must be between 0 and 1, "
							   "not %g",
							   alpha)));
	if (rank < 1)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("argument \"rank\" must be 1 or more, not %lld",
							   (long long) rank)));
	PG_RETURN_FLOAT8(finite_exp(fp_e_log_threshold(alpha, rank)));
}

/* NaN where there is no such figure becomes NULL */
static void
put(Datum *values, bool *nulls, int i, double value)
{
	nulls[i] = isnan(value);
	values[i] = Float8GetDatum(value);
}

/*
 * fp_course(trials, failures, all_trials, all_failures bigint[],
 * ratio, inflation, confidence float8)
 */
PG_FUNCTION_INFO_V1(failpat_sql_course);
Datum
failpat_sql_course(PG_FUNCTION_ARGS)
{
	int64	   count;
	FpStratum *strata = strata_of(fcinfo, 0, &count);
	double	   ratio = PG_GETARG_FLOAT8(4);
	double	   inflation = inflation_of(fcinfo, 5);
	double	   confidence = PG_GETARG_FLOAT8(6);
	FpCourse   course;
	TupleDesc  desc;
	Datum	   values[8] = {0};
	bool	   nulls[8] = {false};
	bool	   declined;

	if (!(ratio > 1) || isinf(ratio))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("argument \"ratio\" must be greater than 1, "
							   "not %g",
							   ratio)));
	if (!(confidence > 0 && confidence < 1))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("argument \"confidence\" must be between 0 "
							   "and 1, not %g",
							   confidence)));
	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	course = fp_course(strata, count, ratio, inflation, confidence);
	declined = course.decline_from >= 0;
	values[0] = Float8GetDatum(exp(course.cmh.log_p_upper));
	put(values, nulls, 1, course.rr.estimate);
	put(values, nulls, 2, course.rr.lower);
	put(values, nulls, 3, course.rr.upper);
	values[4] = Int64GetDatum(course.informative);
	values[5] =
		Float8GetDatum(declined ? finite_exp(course.decline_log_e) : 0);
	nulls[6] = !declined;
	values[6] = Int32GetDatum((int32) course.decline_from + 1);
	put(values, nulls, 7, declined ? course.decline_rr.estimate : NAN);
	PG_RETURN_DATUM(HeapTupleGetDatum(
		heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}
