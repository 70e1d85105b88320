/*-------------------------------------------------------------------------
 *
 * rates.c
 *		failure_rate_ci, fp_rate_ci and fp_compare_rates.
 *
 * The aggregate's state is a plain bigint array, so that it can be combined
 * across workers and across the nodes of a distributed server:
 *
 *		{trials, failures}									confidence and
 *															method default
 *		{trials, failures, rows, confidence, method}		given by the rows
 *
 * confidence holds the bits of the float8, method an FpIntervalMethod; rows
 * counts the rows that were aggregated, so that a moving frame that has run
 * empty forgets them.  Both must be the same in all rows; before the first
 * row they are 0.
 *
 * The support functions can be called from SQL with any array, so each
 * checks the state it is given, whole.  A state is changed in place only when
 * the aggregate machinery calls (the state then lives in its context);
 * otherwise in a copy.  Nothing else is allocated but the result tuple and,
 * once per call site, its descriptor (in fn_mcxt).  No locks.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "common/int.h"
#include "fmgr.h"
#include "funcapi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/float.h"
#if PG_VERSION_NUM >= 160000
#include "varatt.h"
#endif

#include "stats/interval.h"
#include "stats/special.h"
#include "stats/two_by_two.h"

PG_FUNCTION_INFO_V1(failpat_rate_accum);
PG_FUNCTION_INFO_V1(failpat_rate_accum_inv);
PG_FUNCTION_INFO_V1(failpat_rate_accum_counts);
PG_FUNCTION_INFO_V1(failpat_rate_accum_counts_inv);
PG_FUNCTION_INFO_V1(failpat_rate_accum_as);
PG_FUNCTION_INFO_V1(failpat_rate_accum_as_inv);
PG_FUNCTION_INFO_V1(failpat_rate_accum_counts_as);
PG_FUNCTION_INFO_V1(failpat_rate_accum_counts_as_inv);
PG_FUNCTION_INFO_V1(failpat_rate_combine);
PG_FUNCTION_INFO_V1(failpat_rate_final);
PG_FUNCTION_INFO_V1(failpat_rate_ci);
PG_FUNCTION_INFO_V1(failpat_compare_rates);

/* elements of the state */
#define TRIALS 0
#define FAILURES 1
#define ROWS 2
#define CONFIDENCE 3
#define METHOD 4

#define SHORT_STATE 2
#define LONG_STATE 5

static void
bad_state(const char *detail)
{
	ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					errmsg("not a state of the aggregate failure_rate_ci"),
					errdetail("%s", detail)));
}

static inline int64
confidence_bits(float8 confidence)
{
	int64 bits;

	memcpy(&bits, &confidence, sizeof(bits));
	return bits;
}

static inline float8
confidence_of(int64 bits)
{
	float8 confidence;

	memcpy(&confidence, &bits, sizeof(confidence));
	return confidence;
}

/* Check a whole state of so many elements; returns them. */
static inline int64 *
check_state(ArrayType *array, int length)
{
	int64 *state;

	if (unlikely(VARSIZE(array) !=
					 ARR_OVERHEAD_NONULLS(1) + length * sizeof(int64) ||
				 ARR_NDIM(array) != 1 || ARR_DIMS(array)[0] != length ||
				 ARR_HASNULL(array) || ARR_ELEMTYPE(array) != INT8OID))
		bad_state(length == SHORT_STATE
					  ? "It must be an array of 2 bigint that are not null."
					  : "It must be an array of 5 bigint that are not null.");
	state = (int64 *) ARR_DATA_PTR(array);
	if (unlikely(state[FAILURES] < 0 || state[TRIALS] < state[FAILURES]))
		bad_state("It must have 0 <= failures <= trials.");
	if (length == LONG_STATE)
	{
		float8 confidence = confidence_of(state[CONFIDENCE]);

		if (unlikely(state[ROWS] < 0 ||
					 (state[ROWS] == 0 && (state[TRIALS] | state[CONFIDENCE] |
										   state[METHOD]) != 0)))
			bad_state("It must be all zeroes while it has no rows.");
		if (unlikely(state[ROWS] > 0 &&
					 !(confidence > 0.0 && confidence < 1.0)))
			bad_state("Its confidence must be between 0 and 1.");
		if (unlikely(state[METHOD] < 0 ||
					 state[METHOD] >= FP_INTERVAL_METHODS))
			bad_state("Its method must be one of the interval methods.");
	}
	return state;
}

/* The state in argument 0, which may be changed. */
static inline ArrayType *
writable_state(FunctionCallInfo fcinfo, int length, int64 **state)
{
	ArrayType *array;

	if (likely(AggCheckCallContext(fcinfo, NULL)))
		array = PG_GETARG_ARRAYTYPE_P(0);
	else
		array = PG_GETARG_ARRAYTYPE_P_COPY(0);
	*state = check_state(array, length);
	return array;
}

static void
out_of_range(const char *what)
{
	ereport(ERROR, (errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
					errmsg("number of %s is out of range of bigint", what)));
}

static inline void
add_counts(int64 *state, int64 failures, int64 trials)
{
	/* failures cannot overflow where trials do not */
	if (unlikely(pg_add_s64_overflow(state[TRIALS], trials, &state[TRIALS])))
		out_of_range("trials");
	state[FAILURES] += failures;
}

static inline void
subtract_counts(int64 *state, int64 failures, int64 trials)
{
	if (unlikely(state[FAILURES] < failures ||
				 state[TRIALS] - state[FAILURES] < trials - failures))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("cannot remove from a failure rate what was not "
						"added to it")));
	state[FAILURES] -= failures;
	state[TRIALS] -= trials;
}

/*
 * Forms with default confidence and method: strict, so rows with a NULL never
 * come here.
 */
Datum
failpat_rate_accum(PG_FUNCTION_ARGS)
{
	int64	  *state;
	ArrayType *array = writable_state(fcinfo, SHORT_STATE, &state);

	add_counts(state, PG_GETARG_BOOL(1), 1);
	PG_RETURN_ARRAYTYPE_P(array);
}

Datum
failpat_rate_accum_inv(PG_FUNCTION_ARGS)
{
	int64	  *state;
	ArrayType *array = writable_state(fcinfo, SHORT_STATE, &state);

	subtract_counts(state, PG_GETARG_BOOL(1), 1);
	PG_RETURN_ARRAYTYPE_P(array);
}

Datum
failpat_rate_accum_counts(PG_FUNCTION_ARGS)
{
	int64	   failures = PG_GETARG_INT64(1);
	int64	   trials = PG_GETARG_INT64(2);
	int64	  *state;
	ArrayType *array = writable_state(fcinfo, SHORT_STATE, &state);

	fp_check_counts(failures, trials);
	add_counts(state, failures, trials);
	PG_RETURN_ARRAYTYPE_P(array);
}

Datum
failpat_rate_accum_counts_inv(PG_FUNCTION_ARGS)
{
	int64	   failures = PG_GETARG_INT64(1);
	int64	   trials = PG_GETARG_INT64(2);
	int64	  *state;
	ArrayType *array = writable_state(fcinfo, SHORT_STATE, &state);

	fp_check_counts(failures, trials);
	subtract_counts(state, failures, trials);
	PG_RETURN_ARRAYTYPE_P(array);
}

/*
 * Forms with a confidence, and perhaps a method, beside the counts.  first is
 * the number of the confidence's argument.
 */
static inline bool
same_method(const text *name, int64 method)
{
	const char *known = fp_interval_method_name((FpIntervalMethod) method);
	size_t		len = VARSIZE_ANY_EXHDR(name);

	return strlen(known) == len && memcmp(known, VARDATA_ANY(name), len) == 0;
}

static void
differs(const char *what, const char *one, const char *other)
{
	ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					errmsg("%s must be the same in all rows: %s, then %s",
						   what, one, other)));
}

static void
add_settings(FunctionCallInfo fcinfo, int first, int64 *state)
{
	bool   with_method = PG_NARGS() > first + 1;
	float8 confidence;
	text  *name = NULL;

	if (PG_ARGISNULL(first))
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
						errmsg("confidence must not be null")));
	confidence = PG_GETARG_FLOAT8(first);
	if (with_method)
	{
		if (PG_ARGISNULL(first + 1))
			ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
							errmsg("method must not be null")));
		name = PG_GETARG_TEXT_PP(first + 1);
	}

	if (state[ROWS] == 0)
	{
		fp_check_confidence(confidence);
		state[CONFIDENCE] = confidence_bits(confidence);
		state[METHOD] = name ? fp_interval_method(VARDATA_ANY(name),
												  VARSIZE_ANY_EXHDR(name))
							 : FP_WILSON;
	}
	else
	{
		if (unlikely(confidence_bits(confidence) != state[CONFIDENCE]))
		{
			fp_check_confidence(confidence);
			differs("confidence",
					float8out_internal(confidence_of(state[CONFIDENCE])),
					float8out_internal(confidence));
		}
		if (unlikely(name ? !same_method(name, state[METHOD])
						  : state[METHOD] != FP_WILSON))
			differs("method",
					fp_interval_method_name((FpIntervalMethod) state[METHOD]),
					fp_interval_method_name(
						name ? fp_interval_method(VARDATA_ANY(name),
												  VARSIZE_ANY_EXHDR(name))
							 : FP_WILSON));
	}
	/* rows of zero trials count too, so this can overflow by itself */
	if (unlikely(pg_add_s64_overflow(state[ROWS], 1, &state[ROWS])))
		out_of_range("rows");
}

/*
 * A row whose counts are NULL is skipped, but not with settings that are wrong:
 * whether those are told must not depend on the data.  That they are NULL too,
 * as in a row that an outer join made up, is no error.
 */
static void
check_skipped_settings(FunctionCallInfo fcinfo, int first)
{
	if (!PG_ARGISNULL(first))
		fp_check_confidence(PG_GETARG_FLOAT8(first));
	if (PG_NARGS() > first + 1 && !PG_ARGISNULL(first + 1))
	{
		text *name = PG_GETARG_TEXT_PP(first + 1);

		(void) fp_interval_method(VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name));
	}
}

static void
subtract_row(int64 *state)
{
	if (state[ROWS] == 0 || (state[ROWS] == 1 && state[TRIALS] != 0))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("cannot remove from a failure rate what was not "
						"added to it")));
	if (--state[ROWS] == 0)
		state[CONFIDENCE] = state[METHOD] = 0;
}

static void
state_not_null(FunctionCallInfo fcinfo)
{
	if (PG_ARGISNULL(0))
		bad_state("It must not be null.");
}

Datum
failpat_rate_accum_as(PG_FUNCTION_ARGS)
{
	int64	  *state;
	ArrayType *array;

	state_not_null(fcinfo);
	if (PG_ARGISNULL(1))
	{
		check_skipped_settings(fcinfo, 2);
		PG_RETURN_DATUM(PG_GETARG_DATUM(0));
	}
	array = writable_state(fcinfo, LONG_STATE, &state);
	add_settings(fcinfo, 2, state);
	add_counts(state, PG_GETARG_BOOL(1), 1);
	PG_RETURN_ARRAYTYPE_P(array);
}

Datum
failpat_rate_accum_as_inv(PG_FUNCTION_ARGS)
{
	int64	  *state;
	ArrayType *array;

	state_not_null(fcinfo);
	if (PG_ARGISNULL(1))
		PG_RETURN_DATUM(PG_GETARG_DATUM(0));
	array = writable_state(fcinfo, LONG_STATE, &state);
	subtract_counts(state, PG_GETARG_BOOL(1), 1);
	subtract_row(state);
	PG_RETURN_ARRAYTYPE_P(array);
}

Datum
failpat_rate_accum_counts_as(PG_FUNCTION_ARGS)
{
	int64	  *state;
	ArrayType *array;

	state_not_null(fcinfo);
	if (PG_ARGISNULL(1) || PG_ARGISNULL(2))
	{
		check_skipped_settings(fcinfo, 3);
		PG_RETURN_DATUM(PG_GETARG_DATUM(0));
	}
	array = writable_state(fcinfo, LONG_STATE, &state);
	fp_check_counts(PG_GETARG_INT64(1), PG_GETARG_INT64(2));
	add_settings(fcinfo, 3, state);
	add_counts(state, PG_GETARG_INT64(1), PG_GETARG_INT64(2));
	PG_RETURN_ARRAYTYPE_P(array);
}

Datum
failpat_rate_accum_counts_as_inv(PG_FUNCTION_ARGS)
{
	int64	  *state;
	ArrayType *array;

	state_not_null(fcinfo);
	if (PG_ARGISNULL(1) || PG_ARGISNULL(2))
		PG_RETURN_DATUM(PG_GETARG_DATUM(0));
	array = writable_state(fcinfo, LONG_STATE, &state);
	fp_check_counts(PG_GETARG_INT64(1), PG_GETARG_INT64(2));
	subtract_counts(state, PG_GETARG_INT64(1), PG_GETARG_INT64(2));
	subtract_row(state);
	PG_RETURN_ARRAYTYPE_P(array);
}

/* A state's length says which of the two forms it is. */
static int
state_length(ArrayType *array)
{
	return ARR_NDIM(array) == 1 && ARR_DIMS(array)[0] == SHORT_STATE
			   ? SHORT_STATE
			   : LONG_STATE;
}

Datum
failpat_rate_combine(PG_FUNCTION_ARGS)
{
	ArrayType *other = PG_GETARG_ARRAYTYPE_P(1);
	int		   length = state_length(other);
	int64	  *from = check_state(other, length);
	int64	  *state;
	ArrayType *array = writable_state(fcinfo, length, &state);

	if (length == LONG_STATE && from[ROWS] > 0)
	{
		if (state[ROWS] == 0)
		{
			state[CONFIDENCE] = from[CONFIDENCE];
			state[METHOD] = from[METHOD];
		}
		if (state[CONFIDENCE] != from[CONFIDENCE])
			differs("confidence",
					float8out_internal(confidence_of(state[CONFIDENCE])),
					float8out_internal(confidence_of(from[CONFIDENCE])));
		if (state[METHOD] != from[METHOD])
			differs("method",
					fp_interval_method_name((FpIntervalMethod) state[METHOD]),
					fp_interval_method_name((FpIntervalMethod) from[METHOD]));
		if (pg_add_s64_overflow(state[ROWS], from[ROWS], &state[ROWS]))
			out_of_range("rows");
	}
	add_counts(state, from[FAILURES], from[TRIALS]);
	PG_RETURN_ARRAYTYPE_P(array);
}

/* descriptor of the result, looked up once per call site */
static TupleDesc
result_descriptor(FunctionCallInfo fcinfo, int columns)
{
	TupleDesc desc = (TupleDesc) fcinfo->flinfo->fn_extra;

	if (desc == NULL)
	{
		MemoryContext old;

		if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE ||
			desc->natts != columns)
			elog(ERROR, "internal error: result is not a row of %d columns",
				 columns);
		old = MemoryContextSwitchTo(fcinfo->flinfo->fn_mcxt);
		desc = BlessTupleDesc(CreateTupleDescCopy(desc));
		MemoryContextSwitchTo(old);
		fcinfo->flinfo->fn_extra = desc;
	}
	return desc;
}

/* The value of type failure_rate for checked counts and settings. */
static Datum
make_rate(FunctionCallInfo fcinfo, int64 failures, int64 trials,
		  float8 confidence, FpIntervalMethod method)
{
	/* the z of the last confidence: results come in series of the same */
	static float8 last_confidence = 0.0;
	static float8 last_z = 0.0;
	TupleDesc	  desc = result_descriptor(fcinfo, 5);
	FpInterval	  interval;
	Datum		  values[5];
	bool		  nulls[5] = {false, false, false, false, false};

	if (method == FP_WILSON)
	{
		if (confidence != last_confidence)
		{
			last_z = fp_normal_two_sided(confidence);
			last_confidence = confidence;
		}
		interval = fp_wilson_interval(failures, trials, last_z);
	}
	else
		interval = fp_binomial_interval(failures, trials, confidence, method);

	values[0] = Int64GetDatum(failures);
	values[1] = Int64GetDatum(trials);
	nulls[2] = trials == 0;
	values[2] =
		Float8GetDatum(nulls[2] ? 0.0 : (float8) failures / (float8) trials);
	values[3] = Float8GetDatum(interval.lower);
	values[4] = Float8GetDatum(interval.upper);
	return HeapTupleGetDatum(heap_form_tuple(desc, values, nulls));
}

Datum
failpat_rate_final(PG_FUNCTION_ARGS)
{
	ArrayType *array = PG_GETARG_ARRAYTYPE_P(0);
	int		   length = state_length(array);
	int64	  *state = check_state(array, length);
	float8	   confidence = FP_DEFAULT_CONFIDENCE;
	int64	   method = FP_WILSON;

	if (length == LONG_STATE && state[ROWS] > 0)
	{
		confidence = confidence_of(state[CONFIDENCE]);
		method = state[METHOD];
	}
	return make_rate(fcinfo, state[FAILURES], state[TRIALS], confidence,
					 (FpIntervalMethod) method);
}

/* fp_rate_ci(failures bigint, trials bigint, confidence float8, method text) */
Datum
failpat_rate_ci(PG_FUNCTION_ARGS)
{
	int64			 failures = PG_GETARG_INT64(0);
	int64			 trials = PG_GETARG_INT64(1);
	float8			 confidence = PG_GETARG_FLOAT8(2);
	text			*name = PG_GETARG_TEXT_PP(3);
	FpIntervalMethod method =
		fp_interval_method(VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name));

	fp_check_counts(failures, trials);
	fp_check_confidence(confidence);
	return make_rate(fcinfo, failures, trials, confidence, method);
}

static void
put_estimate(FpEstimate estimate, Datum *values, bool *nulls)
{
	nulls[0] = isnan(estimate.estimate);
	values[0] = Float8GetDatum(estimate.estimate);
	values[1] = Float8GetDatum(estimate.lower);
	values[2] = Float8GetDatum(estimate.upper);
}

/*
 * fp_compare_rates(failures1 bigint, trials1 bigint, failures2 bigint,
 * trials2 bigint, confidence float8)
 */
Datum
failpat_compare_rates(PG_FUNCTION_ARGS)
{
	int64	  f1 = PG_GETARG_INT64(0);
	int64	  n1 = PG_GETARG_INT64(1);
	int64	  f2 = PG_GETARG_INT64(2);
	int64	  n2 = PG_GETARG_INT64(3);
	float8	  confidence = PG_GETARG_FLOAT8(4);
	TupleDesc desc = result_descriptor(fcinfo, 10);
	Datum	  values[10];
	bool	  nulls[10];

	memset(nulls, 0, sizeof(nulls));
	put_estimate(fp_risk_difference(f1, n1, f2, n2, confidence), values,
				 nulls);
	put_estimate(fp_risk_ratio(f1, n1, f2, n2, confidence), values + 3,
				 nulls + 3);
	put_estimate(fp_odds_ratio(f1, n1, f2, n2, confidence), values + 6,
				 nulls + 6);
	values[9] =
		Float8GetDatum(exp(fp_fisher_log_two_sided(f1, n1, f1 + f2, n1 + n2)));
	return HeapTupleGetDatum(heap_form_tuple(desc, values, nulls));
}
