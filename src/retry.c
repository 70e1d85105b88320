/*-------------------------------------------------------------------------
 *
 * retry.c
 *		fp_retry_curve: what attempts so far tell of the next.
 *
 * Everything is palloc'd in the caller's context.  No locks.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "utils/array.h"

#include "failpat.h"
#include "predict/retry.h"
#include "stats/special.h"

PG_FUNCTION_INFO_V1(failpat_retry_curve);

static double
probability_argument(double p, const char *name)
{
	if (!(p >= 0 && p <= 1))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("%s must be from 0 to 1, not %g", name, p)));
	return Min(Max(p, 1e-9), 1 - 1e-9);
}

/* fp_retry_curve(probability, lower, upper, weights, ...) */
Datum
failpat_retry_curve(PG_FUNCTION_ARGS)
{
	double	  p = probability_argument(PG_GETARG_FLOAT8(0), "probability");
	double	  lower = probability_argument(PG_GETARG_FLOAT8(1), "lower");
	double	  upper = probability_argument(PG_GETARG_FLOAT8(2), "upper");
	double	  shift = PG_GETARG_FLOAT8(4);
	int		  failures = PG_GETARG_INT32(5);
	int		  more = PG_GETARG_INT32(6);
	double	  cost = PG_GETARG_FLOAT8(7);
	Datum	 *given;
	bool	 *given_nulls;
	int		  n;
	double	  weights[FP_RHO_CELLS];
	double	  se;
	int		  stop = 0;
	FpRetry	  now;
	TupleDesc tupdesc;
	Datum	  values[7];
	bool	  nulls[7] = {0};

	deconstruct_array(PG_GETARG_ARRAYTYPE_P(3), FLOAT8OID, 8, FLOAT8PASSBYVAL,
					  TYPALIGN_DOUBLE, &given, &given_nulls, &n);
	if (n != FP_RHO_CELLS)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("weights must be %d numbers, not %d",
							   FP_RHO_CELLS, n)));
	for (int i = 0; i < n; i++)
	{
		weights[i] = given_nulls[i] ? 0 : DatumGetFloat8(given[i]);
		if (!(weights[i] >= 0) || !isfinite(weights[i]))
			ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
							errmsg("weights must not be negative")));
	}
	if (failures < 0 || failures > 1000 || more < 0 || more > 1000)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("failures and more must be from 0 to 1000")));
	if (!(fabs(shift) <= 10))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("shift must be from -10 to 10")));
	/* the interval is taken as normal on the log-odds */
	se = (log(upper / (1 - upper)) - log(lower / (1 - lower))) /
		 (2 * fp_normal_two_sided(0.95));
	se = Max(se, 0);
	p = 1 / (1 + exp(-(log(p / (1 - p)) + shift)));
	now = fp_retry(p, se, weights, failures, more);
	while (stop <= 1000 && fp_retry(p, 0, weights, stop, 0).pass >= cost)
		stop++;

	if (get_call_result_type(fcinfo, NULL, &tupdesc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	values[0] = Float8GetDatum(now.pass);
	values[1] = Float8GetDatum(now.lower);
	values[2] = Float8GetDatum(now.upper);
	values[3] = Float8GetDatum(now.within);
	values[4] = Float8GetDatum(now.until);
	values[5] = Int32GetDatum(stop);
	nulls[5] = stop > 1000; /* it always pays */
	values[6] = Float8GetDatum(now.rho);
	PG_RETURN_DATUM(HeapTupleGetDatum(
		heap_form_tuple(BlessTupleDesc(tupdesc), values, nulls)));
}
