/*-------------------------------------------------------------------------
 *
 * trends.c
 *		The aggregates change_points and fp_segments, and the window function
 *		fp_bh.
 *
 * Both aggregates collect a series in the same state, a plain bigint array,
 * so that it can be combined across workers and across the nodes of a
 * distributed server:
 *
 *		{version, used, alpha, confidence, dispersion, max_spike, min_segment,
 *		 at, failures, trials,  at, failures, trials, ... }
 *
 * with "used" buckets in any order, perhaps the same one repeatedly, and
 * zeroes behind them; alpha, confidence and dispersion are the bits of a
 * float8.  Room for buckets is doubled when it runs out, after equal buckets
 * have been added up.
 *
 * The support functions can be called from SQL with any array, so each checks
 * what it reads.  A state is changed in place only when the aggregate
 * machinery calls; otherwise in a copy.  The search works in an arena of its
 * own below the caller's context, gone on return; descriptors of the results
 * and the last options are kept per call site (in fn_mcxt).  No locks.
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
#include "mb/pg_wchar.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"
#include "utils/typcache.h"
#include "windowapi.h"
#if PG_VERSION_NUM >= 160000
#include "varatt.h"
#endif

#include "cube/cube.h"
#include "stats/change_point.h"
#include "stats/interval.h"
#include "stats/multiplicity.h"
#include "trends.h"

PG_FUNCTION_INFO_V1(failpat_series_accum);
PG_FUNCTION_INFO_V1(failpat_series_combine);
PG_FUNCTION_INFO_V1(failpat_change_points_final);
PG_FUNCTION_INFO_V1(failpat_segments_final);
PG_FUNCTION_INFO_V1(failpat_bh);

/* elements of the state */
#define VERSION 0
#define USED 1
#define ALPHA 2
#define CONFIDENCE 3
#define DISPERSION 4
#define MAX_SPIKE 5
#define MIN_SEGMENT 6
#define HEADER 7

#define STATE_VERSION 1
#define FIRST_ROOM 16

#define MOST_SPIKE 1000
#define MOST_SEGMENT 1000000

StaticAssertDecl(sizeof(FpBucket) == 3 * sizeof(int64),
				 "buckets of a state are read as FpBucket");

static inline int64
float_bits(float8 value)
{
	int64 bits;

	memcpy(&bits, &value, sizeof(bits));
	return bits;
}

static inline float8
bits_float(int64 bits)
{
	float8 value;

	memcpy(&value, &bits, sizeof(value));
	return value;
}

/* ---------- the state ---------- */

static void
bad_state(const char *detail)
{
	ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					errmsg("not a state of the aggregate change_points"),
					errdetail("%s", detail)));
}

/* A state, its shape checked; *room becomes the buckets it has room for. */
static inline int64 *
check_state(ArrayType *array, int64 *room)
{
	int64 *state;
	int	   length;

	if (unlikely(ARR_NDIM(array) != 1 || ARR_HASNULL(array) ||
				 ARR_ELEMTYPE(array) != INT8OID))
		bad_state("It must be an array of bigint that are not null.");
	length = ARR_DIMS(array)[0];
	if (unlikely(length < HEADER || (length - HEADER) % 3 != 0 ||
				 VARSIZE(array) !=
					 ARR_OVERHEAD_NONULLS(1) + length * sizeof(int64)))
		bad_state("Its length must be 7, and 3 for each bucket.");
	state = (int64 *) ARR_DATA_PTR(array);
	*room = (length - HEADER) / 3;
	if (unlikely(state[VERSION] != STATE_VERSION || state[USED] < 0 ||
				 state[USED] > *room))
		bad_state("It must be of this version and hold its buckets.");
	return state;
}

/* The settings of a state, checked. */
static FpChangeOptions
state_options(const int64 *state)
{
	FpChangeOptions options;

	options.alpha = bits_float(state[ALPHA]);
	options.confidence = bits_float(state[CONFIDENCE]);
	options.dispersion = bits_float(state[DISPERSION]);
	if (!(options.alpha > 0 && options.alpha < 1) ||
		!(options.confidence > 0 && options.confidence < 1) ||
		!(options.dispersion == 0 ||
		  (options.dispersion >= 1 && options.dispersion <= 1000000)) ||
		state[MAX_SPIKE] < 0 || state[MAX_SPIKE] > MOST_SPIKE ||
		state[MIN_SEGMENT] < 1 || state[MIN_SEGMENT] > MOST_SEGMENT)
		bad_state("Its settings must be possible ones.");
	options.max_spike = (int) state[MAX_SPIKE];
	options.min_segment = (int) state[MIN_SEGMENT];
	return options;
}

static inline FpBucket *
state_buckets(int64 *state)
{
	return (FpBucket *) (state + HEADER);
}

static ArrayType *
make_state(int64 room, int64 **state)
{
	int64	   length = HEADER + 3 * room;
	Size	   size = ARR_OVERHEAD_NONULLS(1) + length * sizeof(int64);
	ArrayType *array = (ArrayType *) palloc0(size);

	SET_VARSIZE(array, size);
	array->ndim = 1;
	array->dataoffset = 0;
	array->elemtype = INT8OID;
	ARR_DIMS(array)[0] = (int) length;
	ARR_LBOUND(array)[0] = 1;
	*state = (int64 *) ARR_DATA_PTR(array);
	(*state)[VERSION] = STATE_VERSION;
	return array;
}

/*
 * A state with room for so many buckets more than it has: the same one, or a
 * larger one.  *state follows.
 */
static ArrayType *
make_room(ArrayType *array, int64 **state, int64 room, int64 more)
{
	int64	  *old = *state;
	int64	   kept;
	int64	   needed;
	ArrayType *larger;

	if (old[USED] + more <= room)
		return array;
	kept = fp_buckets_merge(state_buckets(old), old[USED]);
	memset(state_buckets(old) + kept, 0,
		   (old[USED] - kept) * sizeof(FpBucket));
	old[USED] = kept;
	needed = kept + more;
	if (needed <= room - room / 4)
		return array;
	if (needed > 2 * FP_MAX_BUCKETS)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("series has more than %d buckets", FP_MAX_BUCKETS),
				 errhint("Use wider buckets of time.")));
	room = Max(needed, Min(2 * Max(room, FIRST_ROOM / 2), 2 * FP_MAX_BUCKETS));
	larger = make_state(room, state);
	memcpy(*state, old, (HEADER + 3 * kept) * sizeof(int64));
	return larger;
}

static inline void
add_bucket(int64 *state, int64 at, int64 failures, int64 trials)
{
	FpBucket *buckets = state_buckets(state);
	int64	  used = state[USED];

	if (used > 0 && buckets[used - 1].at == at)
	{
		FpBucket *last = &buckets[used - 1];

		if (pg_add_s64_overflow(last->trials, trials, &last->trials) ||
			pg_add_s64_overflow(last->failures, failures, &last->failures))
			ereport(ERROR,
					(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
					 errmsg("number of trials is out of range of bigint")));
		return;
	}
	buckets[used].at = at;
	buckets[used].failures = failures;
	buckets[used].trials = trials;
	state[USED] = used + 1;
}

/* ---------- options ---------- */

#define OPTIONS_HINT                                                \
	"Options are alpha, confidence, overdispersion, max_spike and " \
	"min_segment."

static void
bad_option(const char *name, JsonbValue *value, const char *allowed)
{
	char *text;

	switch (value->type)
	{
		case jbvNumeric:
			text = DatumGetCString(
				DirectFunctionCall1(numeric_out,
									NumericGetDatum(value->val.numeric)));
			break;
		case jbvString:
			text = psprintf("\"%s\"", pnstrdup(value->val.string.val,
											   value->val.string.len));
			break;
		case jbvBool:
			text = value->val.boolean ? "true" : "false";
			break;
		case jbvNull:
			text = "null";
			break;
		default:
			text = "an array or object";
			break;
	}
	/* numbers of thousands of digits are possible */
	if (strlen(text) > 40)
		text = psprintf("%s...",
						pnstrdup(text, pg_mbcliplen(text, strlen(text), 40)));
	ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					errmsg("option %s cannot be %s", name, text),
					errhint("It must be %s.", allowed)));
}

/* A number from .. to, or an error; open: neither end is allowed. */
static float8
number_option(const char *name, JsonbValue *value, float8 from, float8 to,
			  bool open, const char *allowed)
{
	float8 number = 0;

	if (value->type == jbvNumeric)
		number = DatumGetFloat8(
			DirectFunctionCall1(numeric_float8_no_overflow,
								NumericGetDatum(value->val.numeric)));
	if (value->type != jbvNumeric || !(open ? number > from && number < to
											: number >= from && number <= to))
		bad_option(name, value, allowed);
	return number;
}

static int
integer_option(const char *name, JsonbValue *value, int from, int to,
			   const char *allowed)
{
	float8 number = number_option(name, value, from, to, false, allowed);

	if (number != floor(number))
		bad_option(name, value, allowed);
	return (int) number;
}

static bool
is_key(const JsonbValue *key, const char *name)
{
	return key->val.string.len == (int) strlen(name) &&
		   memcmp(key->val.string.val, name, key->val.string.len) == 0;
}

static FpChangeOptions
parse_options(Jsonb *json)
{
	FpChangeOptions	   options = FP_CHANGE_DEFAULTS;
	JsonbIterator	  *it;
	JsonbIteratorToken token;
	JsonbValue		   key;
	JsonbValue		   value;

	if (!JB_ROOT_IS_OBJECT(json))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("options must be a JSON object"),
						errhint(OPTIONS_HINT)));
	it = JsonbIteratorInit(&json->root);
	while ((token = JsonbIteratorNext(&it, &key, true)) != WJB_DONE)
	{
		if (token != WJB_KEY)
			continue;
		JsonbIteratorNext(&it, &value, true);
		if (is_key(&key, "alpha"))
			options.alpha = number_option("alpha", &value, 0, 1, true,
										  "a number between 0 and 1");
		else if (is_key(&key, "confidence"))
			options.confidence =
				number_option("confidence", &value, 0, 1, true,
							  "a number between 0 and 1, such as 0.95");
		else if (is_key(&key, "max_spike"))
			options.max_spike =
				integer_option("max_spike", &value, 0, MOST_SPIKE,
							   "a whole number of buckets, 0 to 1000");
		else if (is_key(&key, "min_segment"))
			options.min_segment =
				integer_option("min_segment", &value, 1, MOST_SEGMENT,
							   "a whole number of buckets, 1 to 1000000");
		else if (is_key(&key, "overdispersion"))
		{
			const char *allowed =
				"\"auto\", \"none\", or by how much the variance exceeds the "
				"binomial one, a number from 1 to 1000000";

			if (value.type == jbvString && value.val.string.len == 4 &&
				memcmp(value.val.string.val, "auto", 4) == 0)
				options.dispersion = 0;
			else if (value.type == jbvString && value.val.string.len == 4 &&
					 memcmp(value.val.string.val, "none", 4) == 0)
				options.dispersion = 1;
			else
				options.dispersion = number_option("overdispersion", &value, 1,
												   1000000, false, allowed);
		}
		else
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("unknown option \"%.*s\"",
							fp_clip(key.val.string.val, key.val.string.len),
							key.val.string.val),
					 errhint(OPTIONS_HINT)));
	}
	return options;
}

/* The options of the last row of a call site: mostly those of the next. */
typedef struct LastOptions
{
	Size  size;
	char *bytes; /* of the jsonb */
	int64 fields[HEADER];
} LastOptions;

static void
fields_of(const FpChangeOptions *options, int64 *fields)
{
	fields[ALPHA] = float_bits(options->alpha);
	fields[CONFIDENCE] = float_bits(options->confidence);
	fields[DISPERSION] = float_bits(options->dispersion);
	fields[MAX_SPIKE] = options->max_spike;
	fields[MIN_SEGMENT] = options->min_segment;
}

/* Fields of the state as the options argument wants them. */
static const int64 *
wanted_fields(FunctionCallInfo fcinfo)
{
	LastOptions *last = (LastOptions *) fcinfo->flinfo->fn_extra;
	Jsonb		*json = NULL;

	if (PG_NARGS() > 4 && !PG_ARGISNULL(4))
		json = PG_GETARG_JSONB_P(4);
	if (last == NULL)
	{
		last = (LastOptions *) MemoryContextAllocZero(fcinfo->flinfo->fn_mcxt,
													  sizeof(LastOptions));
		fcinfo->flinfo->fn_extra = last;
	}
	else if (json == NULL
				 ? last->bytes == NULL
				 : last->bytes != NULL && last->size == VARSIZE(json) &&
					   memcmp(last->bytes, json, last->size) == 0)
		return last->fields;
	{
		FpChangeOptions defaults = FP_CHANGE_DEFAULTS;
		FpChangeOptions options = json ? parse_options(json) : defaults;

		fields_of(&options, last->fields);
	}
	if (last->bytes)
		pfree(last->bytes);
	last->bytes = NULL;
	if (json)
	{
		last->size = VARSIZE(json);
		last->bytes =
			(char *) MemoryContextAlloc(fcinfo->flinfo->fn_mcxt, last->size);
		memcpy(last->bytes, json, last->size);
	}
	return last->fields;
}

static void
options_differ(void)
{
	ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					errmsg("options must be the same in all rows of a "
						   "series")));
}

/* ---------- transition ---------- */

static void
not_null(FunctionCallInfo fcinfo, int argument, const char *name)
{
	if (unlikely(PG_ARGISNULL(argument)))
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
						errmsg("%s must not be null", name),
						errhint("A bucket without trials has 0 failures and "
								"0 trials; leave rows out by FILTER.")));
}

/*
 * fp_series_accum(state, bucket timestamptz, failures bigint, trials bigint
 * [, options jsonb])
 */
Datum
failpat_series_accum(PG_FUNCTION_ARGS)
{
	const int64 *wanted;
	ArrayType	*array;
	int64		*state;
	int64		 room = FIRST_ROOM;
	TimestampTz	 at;
	int64		 failures;
	int64		 trials;

	not_null(fcinfo, 1, "bucket");
	not_null(fcinfo, 2, "failures");
	not_null(fcinfo, 3, "trials");
	at = PG_GETARG_TIMESTAMPTZ(1);
	failures = PG_GETARG_INT64(2);
	trials = PG_GETARG_INT64(3);
	if (unlikely(TIMESTAMP_NOT_FINITE(at)))
		ereport(ERROR, (errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
						errmsg("bucket must be a finite time")));
	fp_check_counts(failures, trials);

	wanted = wanted_fields(fcinfo);
	if (PG_ARGISNULL(0))
	{
		array = make_state(room, &state);
		memcpy(state + ALPHA, wanted + ALPHA,
			   (HEADER - ALPHA) * sizeof(int64));
	}
	else
	{
		if (AggCheckCallContext(fcinfo, NULL))
			array = PG_GETARG_ARRAYTYPE_P(0);
		else
			array = PG_GETARG_ARRAYTYPE_P_COPY(0);
		state = check_state(array, &room);
		if (unlikely(memcmp(state + ALPHA, wanted + ALPHA,
							(HEADER - ALPHA) * sizeof(int64)) != 0))
			options_differ();
		if (unlikely(state[USED] == room))
			array = make_room(array, &state, room, 1);
	}
	add_bucket(state, at, failures, trials);
	PG_RETURN_ARRAYTYPE_P(array);
}

/* fp_series_combine(state, state): strict */
Datum
failpat_series_combine(PG_FUNCTION_ARGS)
{
	ArrayType *array;
	ArrayType *other = PG_GETARG_ARRAYTYPE_P(1);
	int64	  *state;
	int64	  *from;
	int64	   room;
	int64	   other_room;

	if (AggCheckCallContext(fcinfo, NULL))
		array = PG_GETARG_ARRAYTYPE_P(0);
	else
		array = PG_GETARG_ARRAYTYPE_P_COPY(0);
	state = check_state(array, &room);
	from = check_state(other, &other_room);
	state_options(from);
	if (memcmp(state + ALPHA, from + ALPHA,
			   (HEADER - ALPHA) * sizeof(int64)) != 0)
		options_differ();
	array = make_room(array, &state, room, from[USED]);
	memcpy(state_buckets(state) + state[USED], state_buckets(from),
		   from[USED] * sizeof(FpBucket));
	state[USED] += from[USED];
	PG_RETURN_ARRAYTYPE_P(array);
}

/* ---------- results ---------- */

/* What a final function knows of its result; per call site. */
typedef struct ResultType
{
	Oid		  type; /* of an element */
	int16	  length;
	bool	  by_value;
	char	  align;
	TupleDesc desc;
} ResultType;

static ResultType *
result_type(FunctionCallInfo fcinfo, int columns)
{
	ResultType	 *result = (ResultType *) fcinfo->flinfo->fn_extra;
	MemoryContext old;
	TupleDesc	  desc;
	Oid			  array;

	if (result)
		return result;
	array = get_fn_expr_rettype(fcinfo->flinfo);
	if (!OidIsValid(array))
		array = get_func_rettype(fcinfo->flinfo->fn_oid);
	old = MemoryContextSwitchTo(fcinfo->flinfo->fn_mcxt);
	result = (ResultType *) palloc0(sizeof(ResultType));
	result->type = get_element_type(array);
	if (!OidIsValid(result->type))
		elog(ERROR, "internal error: result is not an array");
	get_typlenbyvalalign(result->type, &result->length, &result->by_value,
						 &result->align);
	desc = lookup_rowtype_tupdesc(result->type, -1);
	result->desc = CreateTupleDescCopyConstr(desc);
	ReleaseTupleDesc(desc);
	if (result->desc->natts != columns)
		elog(ERROR, "internal error: result is not of %d columns", columns);
	result->desc = BlessTupleDesc(result->desc);
	MemoryContextSwitchTo(old);
	fcinfo->flinfo->fn_extra = result;
	return result;
}

static Datum
result_array(const ResultType *result, Datum *rows, int count)
{
	if (count == 0)
		return PointerGetDatum(construct_empty_array(result->type));
	return PointerGetDatum(construct_array(rows, count, result->type,
										   result->length, result->by_value,
										   result->align));
}

void
failpat_search_series(ArrayType *array, FpArena arena, FpTrend *trend,
					  FpBucket **all, int64 *nall, FpBucket **buckets)
{
	int64			room;
	int64		   *state = check_state(array, &room);
	FpChangeOptions options = state_options(state);
	int64			n;

	*all = fp_alloc_array(arena, FpBucket, state[USED] + 1);
	memcpy(*all, state_buckets(state), state[USED] * sizeof(FpBucket));
	for (int64 i = 0; i < state[USED]; i++)
		if (TIMESTAMP_NOT_FINITE((*all)[i].at))
			bad_state("Its buckets must be finite times.");
	*nall = fp_buckets_merge(*all, state[USED]);
	if (*nall > FP_MAX_BUCKETS)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("series has more than %d buckets", FP_MAX_BUCKETS),
				 errhint("Use wider buckets of time.")));
	*buckets = fp_alloc_array(arena, FpBucket, *nall + 1);
	memcpy(*buckets, *all, *nall * sizeof(FpBucket));
	n = fp_buckets_drop_empty(*buckets, *nall);
	fp_change_points(arena, *buckets, (int) n, &options, trend);
}

static int
int64_cmp(const void *a, const void *b)
{
	int64 x = *(const int64 *) a;
	int64 y = *(const int64 *) b;

	return x < y ? -1 : x > y;
}

/*
 * The longest distance of two neighbouring buckets that is none of a missing
 * one: half as much again as the usual.  So it is never a day of 25 hours or
 * a month of 31 days, and always a week-end without work.
 */
static int64
longest_step(FpArena arena, const FpBucket *all, int64 n)
{
	int64 *steps;

	if (n < 2)
		return PG_INT64_MAX;
	steps = fp_alloc_array(arena, int64, n);
	for (int64 i = 0; i + 1 < n; i++)
		if (pg_sub_s64_overflow(all[i + 1].at, all[i].at, &steps[i]))
			steps[i] = PG_INT64_MAX;
	qsort(steps, n - 1, sizeof(int64), int64_cmp);
	return steps[(n - 1) / 2] > PG_INT64_MAX / 2
			   ? PG_INT64_MAX
			   : steps[(n - 1) / 2] + steps[(n - 1) / 2] / 2;
}

/* Do buckets without trials, or no buckets at all, lie between these two? */
static bool
is_gap(const FpBucket *all, int64 n, int64 before, int64 at, int64 step)
{
	int64 low = 0;
	int64 high = n;
	int64 distance;

	/* the first one after "before" */
	while (low < high)
	{
		int64 middle = low + (high - low) / 2;

		if (all[middle].at <= before)
			low = middle + 1;
		else
			high = middle;
	}
	if (low < n && all[low].at < at && all[low].trials == 0)
		return true;
	return low < n && all[low].at == at &&
		   (pg_sub_s64_overflow(at, before, &distance) || distance > step);
}

static void
put_rate(Datum *values, int64 failures, int64 trials, FpEstimate rate)
{
	values[0] = Int64GetDatum(failures);
	values[1] = Int64GetDatum(trials);
	values[2] = Float8GetDatum(rate.estimate);
	values[3] = Float8GetDatum(rate.lower);
	values[4] = Float8GetDatum(rate.upper);
}

static void
put_estimate(Datum *values, bool *nulls, FpEstimate estimate)
{
	nulls[0] = isnan(estimate.estimate);
	values[0] = Float8GetDatum(estimate.estimate);
	nulls[1] = isnan(estimate.lower);
	values[1] = Float8GetDatum(estimate.lower);
	nulls[2] = isnan(estimate.upper);
	values[2] = Float8GetDatum(estimate.upper);
}

/* columns of the type change_point */
#define CHANGE_COLUMNS 32

/* fp_change_points_final(state) */
Datum
failpat_change_points_final(PG_FUNCTION_ARGS)
{
	ResultType *result = result_type(fcinfo, CHANGE_COLUMNS);
	FpArena		arena;
	FpTrend		trend;
	FpBucket   *all;
	FpBucket   *buckets;
	int64		nall;
	int64		step = 0;
	Datum	   *rows;
	Datum		array;

	if (PG_ARGISNULL(0))
		PG_RETURN_DATUM(result_array(result, NULL, 0));
	arena = fp_arena_create(CurrentMemoryContext, "failpat change points");
	failpat_search_series(PG_GETARG_ARRAYTYPE_P(0), arena, &trend, &all, &nall,
						  &buckets);
	if (trend.nchanges > 0)
		step = longest_step(arena, all, nall);
	rows = (Datum *) palloc((trend.nchanges + 1) * sizeof(Datum));
	for (int i = 0; i < trend.nchanges; i++)
	{
		const FpChange *change = &trend.changes[i];
		Datum			values[CHANGE_COLUMNS];
		bool			nulls[CHANGE_COLUMNS];
		int				c = 0;
		int64			at = buckets[change->at].at;
		bool			worse = change->difference.estimate > 0;

		CHECK_FOR_INTERRUPTS();
		memset(nulls, 0, sizeof(nulls));
		values[c++] =
			CStringGetTextDatum(change->kind == FP_SPIKE ? "spike" : "shift");
		values[c++] =
			CStringGetTextDatum(worse ? "regression" : "improvement");
		values[c++] = TimestampTzGetDatum(at);
		values[c++] = TimestampTzGetDatum(buckets[change->at_lower].at);
		values[c++] = TimestampTzGetDatum(buckets[change->at_upper].at);
		if (change->last_before >= 0)
			values[c++] = TimestampTzGetDatum(buckets[change->last_before].at);
		else
			nulls[c++] = true;
		put_rate(values + c, change->failures_before, change->trials_before,
				 change->before);
		c += 5;
		put_rate(values + c, change->failures_after, change->trials_after,
				 change->after);
		c += 5;
		put_estimate(values + c, nulls + c, change->difference);
		c += 3;
		put_estimate(values + c, nulls + c, change->ratio);
		c += 3;
		put_estimate(values + c, nulls + c, change->odds_ratio);
		c += 3;
		values[c++] = Float8GetDatum(change->gain);
		values[c++] = Float8GetDatum(change->p_value);
		values[c++] = Float8GetDatum(trend.dispersion);
		values[c++] = Int32GetDatum(trend.nbuckets);
		values[c++] = BoolGetDatum(
			change->last_before >= 0 &&
			is_gap(all, nall, buckets[change->last_before].at, at, step));
		values[c++] = BoolGetDatum(change->low_counts);
		values[c++] = BoolGetDatum(change->provisional);
		Assert(c == CHANGE_COLUMNS);
		rows[i] =
			HeapTupleGetDatum(heap_form_tuple(result->desc, values, nulls));
	}
	array = result_array(result, rows, trend.nchanges);
	fp_arena_delete(arena);
	PG_RETURN_DATUM(array);
}

/* columns of the type fp_segment */
#define SEGMENT_COLUMNS 8

/* fp_segments_final(state) */
Datum
failpat_segments_final(PG_FUNCTION_ARGS)
{
	ResultType *result = result_type(fcinfo, SEGMENT_COLUMNS);
	FpArena		arena;
	FpTrend		trend;
	FpBucket   *all;
	FpBucket   *buckets;
	int64		nall;
	Datum	   *rows;
	Datum		array;

	if (PG_ARGISNULL(0))
		PG_RETURN_DATUM(result_array(result, NULL, 0));
	arena = fp_arena_create(CurrentMemoryContext, "failpat segments");
	failpat_search_series(PG_GETARG_ARRAYTYPE_P(0), arena, &trend, &all, &nall,
						  &buckets);
	rows = (Datum *) palloc((trend.nstretches + 1) * sizeof(Datum));
	for (int i = 0; i < trend.nstretches; i++)
	{
		const FpStretch *stretch = &trend.stretches[i];
		Datum			 values[SEGMENT_COLUMNS];
		bool			 nulls[SEGMENT_COLUMNS];

		CHECK_FOR_INTERRUPTS();
		memset(nulls, 0, sizeof(nulls));
		values[0] = TimestampTzGetDatum(buckets[stretch->from].at);
		values[1] = TimestampTzGetDatum(buckets[stretch->to].at);
		values[2] = Int32GetDatum(stretch->buckets);
		put_rate(values + 3, stretch->failures, stretch->trials,
				 stretch->rate);
		rows[i] =
			HeapTupleGetDatum(heap_form_tuple(result->desc, values, nulls));
	}
	array = result_array(result, rows, trend.nstretches);
	fp_arena_delete(arena);
	PG_RETURN_DATUM(array);
}

/* ---------- false discoveries across series ---------- */

/* One partition's adjusted p-values, kept while its rows are returned. */
typedef struct Adjusted
{
	bool   done;
	double q[FLEXIBLE_ARRAY_MEMBER];
} Adjusted;

/*
 * fp_bh(p float8) OVER (...): p-values of a partition adjusted by Benjamini
 * and Hochberg.  NULL is a test that found nothing: it counts, with p = 1,
 * and its own result is NULL.
 */
Datum
failpat_bh(PG_FUNCTION_ARGS)
{
	WindowObject winobj = PG_WINDOW_OBJECT();
	int64		 rows = WinGetPartitionRowCount(winobj);
	int64		 current = WinGetCurrentPosition(winobj);
	Adjusted	*adjusted;

	if (rows >
		(int64) ((MaxAllocSize - offsetof(Adjusted, q)) / sizeof(double)))
		ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
						errmsg("too many rows to adjust their p-values")));
	adjusted = (Adjusted *) WinGetPartitionLocalMemory(
		winobj, offsetof(Adjusted, q) + rows * sizeof(double));
	if (!adjusted->done)
	{
		FpArena arena = fp_arena_create(CurrentMemoryContext, "failpat fp_bh");
		double *p = fp_alloc_array(arena, double, rows);
		int64	count = 0;
		int64	k = 0;

		for (int64 i = 0; i < rows; i++)
		{
			bool  isnull;
			bool  isout;
			Datum value =
				WinGetFuncArgInPartition(winobj, 0, (int) i, WINDOW_SEEK_HEAD,
										 false, &isnull, &isout);

			if ((i & 1023) == 0)
				CHECK_FOR_INTERRUPTS();
			adjusted->q[i] = isnull ? -1 : 0;
			if (!isnull)
				p[count++] = DatumGetFloat8(value);
		}
		fp_adjust_bh(arena, p, count, rows);
		for (int64 i = 0; i < rows; i++)
			if (adjusted->q[i] == 0)
				adjusted->q[i] = p[k++];
		adjusted->done = true;
		fp_arena_delete(arena);
	}
	if (adjusted->q[current] < 0)
		PG_RETURN_NULL();
	PG_RETURN_FLOAT8(adjusted->q[current]);
}
