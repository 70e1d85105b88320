/*-------------------------------------------------------------------------
 *
 * predict.c
 *		fp_predict: how likely a combination fails.
 *
 * The terms of the model that a combination may meet are looked up by the
 * match keys (combo.h) of the subsets of its values, as patterns are by
 * alert.c; those without values (levels, counts) all have one key.  Nothing is
 * fitted, nothing is written: this works in a READ ONLY transaction, on a
 * standby, and in a parallel worker.
 *
 * The plans are saved per backend and live as long as it.  Everything else is
 * of the call: the SPI context of the look-up.  No locks but those of reading.
 * The function is SECURITY DEFINER: all names in the statements are
 * qualified, operators too.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"
#if PG_VERSION_NUM >= 160000
#include "varatt.h"
#endif

#include "json_member.h"
#include "prediction.h"
#include "saved_plan.h"
#include "stats/interval.h"
#include "stats/special.h"

PG_FUNCTION_INFO_V1(failpat_predict);

#define MAX_KEYS 4096
#define MAX_LENGTH 10000 /* of a scene */

/* Arguments of fp_predict. */
enum
{
	ARG_COMBO,
	ARG_WORKFLOW,
	ARG_MODEL,
	ARG_LORA,
	ARG_CHARACTER,
	ARG_SCENE_TYPE,
	ARG_POSITION,
	ARG_LENGTH,
	ARG_SOURCE,
	ARG_CONFIDENCE,
	ARG_AVATAR
};

/* Columns of its result. */
enum
{
	COL_PROBABILITY,
	COL_LOWER,
	COL_UPPER,
	COL_BASELINE,
	COL_CONTRIBUTIONS,
	COL_DATA,
	COL_SCENE,
	COL_EXPECTED,
	NCOLS
};

/* --- statements -------------------------------------------------------- */

static SPIPlanPtr plan_model;
static SPIPlanPtr plan_terms;  /* that have one of some keys, */
static SPIPlanPtr plan_more;   /* and all patterns and pairs; */
static SPIPlanPtr plan_simple; /* values by themselves only */

static FailpatPlans plans = {
	.plans = {&plan_model, &plan_terms, &plan_more, &plan_simple}};

static void
make_plans(Oid schema)
{
	const char *s = failpat_plans_wanted(&plans, schema);
	Oid			types[] = {TEXTOID, INT8ARRAYOID};
	char	   *columns;

	if (s == NULL)
		return;
	plan_model = failpat_prepare(
		psprintf("SELECT s.source, m.dimensions, m.max_items, m.unmodelled,"
				 " m.trials, m.failures, m.since, m.until, m.fitted_at,"
				 " m.jobs"
				 " FROM %1$s.fp_sources s"
				 " LEFT JOIN %1$s.fp_models m ON m.source " FAILPAT_EQ
				 " s.source"
				 " WHERE $1 IS NULL OR s.source " FAILPAT_EQ " $1"
				 " ORDER BY m.source IS NULL LIMIT 2",
				 s),
		1, types);
	columns =
		psprintf("SELECT t.term, t.kind, t.conditions, t.since, t.label,"
				 " t.effect, t.variance, t.trials, t.failures, t.neighbours,"
				 " t.covariances FROM %s.fp_model_terms t"
				 " WHERE t.source " FAILPAT_EQ " $1 AND (t.key " FAILPAT_EQ
				 " ANY ($2)",
				 s);
	plan_terms =
		failpat_prepare(psprintf("%s) ORDER BY t.term", columns), 2, types);
	plan_simple = failpat_prepare(psprintf("%s) AND t.kind " FAILPAT_EQ
										   " ANY ('{value,member}')"
										   " ORDER BY t.term",
										   columns),
								  2, types);
	plan_more = failpat_prepare(psprintf("%s OR t.kind " FAILPAT_EQ
										 " ANY ('{pattern,pair}'))"
										 " ORDER BY t.term",
										 columns),
								2, types);
	failpat_plans_made(&plans, schema);
}

static Datum
column(uint64 row, int number, bool *isnull)
{
	return SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc,
						 number, isnull);
}

static double
column_float(uint64 row, int number)
{
	bool  isnull;
	Datum d = column(row, number, &isnull);

	return isnull ? 0 : DatumGetFloat8(d);
}

static int64
column_int(uint64 row, int number)
{
	bool  isnull;
	Datum d = column(row, number, &isnull);

	return isnull ? 0 : DatumGetInt64(d);
}

/* --- what the combination says ----------------------------------------- */

static void
read_dims(FailpatPrediction *work, Jsonb *dimensions)
{
	JsonbIterator *it = JsonbIteratorInit(&dimensions->root);
	JsonbValue	   key;
	JsonbValue	   value;

	work->dims =
		palloc0_array(FailpatPredictionDim, JB_ROOT_COUNT(dimensions) + 1);
	(void) JsonbIteratorNext(&it, &key, true);
	while (JsonbIteratorNext(&it, &key, true) == WJB_KEY)
	{
		FailpatPredictionDim *dim = &work->dims[work->ndims];
		JsonbValue			  buffer;
		JsonbValue			 *kind;
		JsonbContainer		 *object;

		(void) JsonbIteratorNext(&it, &value, true);
		if (value.type != jbvBinary)
			continue;
		object = value.val.binary.data;
		dim->name = pnstrdup(key.val.string.val, key.val.string.len);
		dim->len = key.val.string.len;
		if (strcmp(dim->name, "avatar") == 0)
		{
			dim->name = pstrdup("character");
			dim->len = 9;
		}
		kind = failpat_json_member(object, "kind", &buffer);
		if (kind && kind->type == jbvString && kind->val.string.len > 0)
		{
			dim->set = kind->val.string.val[0] == 's';
			dim->ordinal = kind->val.string.val[0] == 'o';
		}
		dim->mean = failpat_json_number(object, "mean", 0);
		dim->variance = failpat_json_number(object, "variance", 0);
		dim->spread = failpat_json_number(object, "spread", 0);
		work->ndims++;
	}
}

/* nulls and empty sets, which a list of items does not show */
static void
read_absent(FailpatPrediction *work, Jsonb *combo)
{
	JsonbIterator *it = JsonbIteratorInit(&combo->root);
	JsonbValue	   key;
	JsonbValue	   value;

	(void) JsonbIteratorNext(&it, &key, true);
	while (JsonbIteratorNext(&it, &key, true) == WJB_KEY)
	{
		int d;

		(void) JsonbIteratorNext(&it, &value, true);
		d = failpat_prediction_dim(work, key.val.string.val,
								   key.val.string.len);
		if (d < 0)
			continue;
		if (value.type == jbvNull)
			work->dims[d].told = work->dims[d].missing = true;
		else if (value.type == jbvBinary &&
				 JsonContainerIsArray(value.val.binary.data) &&
				 JsonContainerSize(value.val.binary.data) == 0)
			work->dims[d].told = true;
	}
}

static void
read_told(FailpatPrediction *work)
{
	for (int i = 0; i < work->combo.nitems; i++)
	{
		int d = failpat_prediction_dim(work, work->combo.items[i].dim,
									   work->combo.items[i].dim_len);

		if (d >= 0 && !work->dims[d].ordinal)
		{
			work->dims[d].told = true;
			work->dims[d].nitems++;
		}
	}
	for (int i = 0; i < work->combo.nintervals; i++)
	{
		const FailpatInterval *interval = &work->combo.intervals[i];
		int d = failpat_prediction_dim(work, interval->dim, interval->dim_len);

		if (d < 0 || !work->dims[d].ordinal)
			continue;
		/* a range is not a place: it is averaged over */
		work->dims[d].told = interval->min == interval->max;
		work->dims[d].ranged = !work->dims[d].told;
		work->dims[d].number = interval->min;
		work->dims[d].min = interval->min;
		work->dims[d].max = interval->max;
	}
}

/* --- terms ------------------------------------------------------------- */

static void
add_keys(const FailpatCombo *combo, int from, int left, uint64 sum,
		 Datum *keys, int *n)
{
	keys[(*n)++] = Int64GetDatum(failpat_match_key(sum));
	if (left > 0)
		for (int i = from; i < combo->nitems; i++)
			add_keys(combo, i + 1, left - 1, sum + combo->items[i].hash, keys,
					 n);
}

/* as many subsets as there are keys for; of too many values, smaller ones */
static Datum
match_keys(const FailpatCombo *combo, int most)
{
	Datum *keys;
	int	   n = 0;
	double count;

	for (;; most--)
	{
		double ways = 1;

		count = 1;
		for (int i = 1; i <= most && i <= combo->nitems; i++)
		{
			ways = ways * (combo->nitems - i + 1) / i;
			count += ways;
		}
		if (count <= MAX_KEYS || most <= 1)
			break;
	}
	keys = palloc_array(Datum, (Size) count + 1);
	add_keys(combo, 0, most, 0, keys, &n);
	return PointerGetDatum(construct_array(keys, n, INT8OID, 8,
										   FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
}

static void
read_array(Datum d, Oid type, Datum **values, int *n)
{
	bool *nulls;

	deconstruct_array(DatumGetArrayTypePCopy(d), type, type == INT4OID ? 4 : 8,
					  type == INT4OID || FLOAT8PASSBYVAL,
					  type == INT4OID ? TYPALIGN_INT : TYPALIGN_DOUBLE, values,
					  &nulls, n);
}

/* the dimension of a term with one condition, and whether it is null */
static void
classify(const FailpatPrediction *work, FailpatPredictionTerm *term)
{
	JsonbIterator *it = JsonbIteratorInit(&term->conditions->root);
	JsonbValue	   key;
	JsonbValue	   value;
	int			   n = 0;

	term->dim = -1;
	(void) JsonbIteratorNext(&it, &key, true);
	while (JsonbIteratorNext(&it, &key, true) == WJB_KEY)
	{
		(void) JsonbIteratorNext(&it, &value, true);
		if (value.type == jbvNull)
			term->has_null = true;
		term->dim = failpat_prediction_dim(work, key.val.string.val,
										   key.val.string.len);
		n++;
	}
	term->simple =
		strcmp(term->kind, "pattern") != 0 && strcmp(term->kind, "pair") != 0;
	if (n != 1)
		term->dim = -1;
}

/* the terms of a source that a plan finds by keys, after those there are */
static void
append_terms(FailpatPrediction *work, SPIPlanPtr plan, Datum source,
			 Datum keys)
{
	Datum				   args[2];
	FailpatPredictionTerm *before = work->terms;
	int					   nbefore = work->nterms;

	args[0] = source;
	args[1] = keys;
	if (SPI_execute_plan(plan, args, NULL, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read the model");
	work->nterms += (int) SPI_processed;
	work->terms = palloc0_array(FailpatPredictionTerm, work->nterms + 1);
	if (before)
		memcpy(work->terms, before, nbefore * sizeof(FailpatPredictionTerm));
	for (int r = 0; r < work->nterms - nbefore; r++)
	{
		FailpatPredictionTerm *term = &work->terms[nbefore + r];
		bool				   isnull;
		Datum				   d;
		int					   n;

		term->number = DatumGetInt32(column(r, 1, &isnull));
		term->kind = TextDatumGetCString(column(r, 2, &isnull));
		term->conditions = DatumGetJsonbPCopy(column(r, 3, &isnull));
		d = column(r, 4, &isnull);
		term->has_since = !isnull;
		if (!isnull)
			term->since = DatumGetTimestampTz(d);
		d = column(r, 5, &isnull);
		if (!isnull)
			term->label = TextDatumGetCString(d);
		term->effect = column_float(r, 6);
		term->variance = column_float(r, 7);
		term->trials = column_int(r, 8);
		term->failures = column_int(r, 9);
		read_array(column(r, 10, &isnull), INT4OID, &term->neighbours,
				   &term->nneighbours);
		read_array(column(r, 11, &isnull), FLOAT8OID, &term->covariances, &n);
		if (n != term->nneighbours)
			term->nneighbours = 0;
		failpat_combo_read(&term->combo, term->conditions, true, "conditions");
		classify(work, term);
	}
	SPI_freetuptable(SPI_tuptable);
}

static void
read_terms(FailpatPrediction *work, Datum source, int max_items)
{
	bool   all_told = true;
	Datum *keys;
	int	   n = 0;
	int	   room = 1;

	/* patterns of values that are not told may be met as well */
	for (int d = 0; d < work->ndims; d++)
		all_told = all_told && (work->dims[d].told || work->dims[d].ordinal);
	append_terms(work, all_told ? plan_terms : plan_more, source,
				 match_keys(&work->combo, max_items));
	if (all_told)
		return;

	/* what their other values do by themselves */
	for (int t = 0; t < work->nterms; t++)
		room += work->terms[t].combo.nitems;
	keys = palloc_array(Datum, room);
	for (int t = 0; t < work->nterms; t++)
		for (int i = 0; i < work->terms[t].combo.nitems; i++)
		{
			const FailpatItem *item = &work->terms[t].combo.items[i];
			Datum key = Int64GetDatum(failpat_match_key(item->hash));
			bool  known = failpat_prediction_told(work, item);

			for (int k = 0; k < n && !known; k++)
				known = keys[k] == key;
			if (!known)
				keys[n++] = key;
		}
	if (n > 0)
		append_terms(work, plan_simple, source,
					 PointerGetDatum(construct_array(keys, n, INT8OID, 8,
													 FLOAT8PASSBYVAL,
													 TYPALIGN_DOUBLE)));
}

static void
put_time(StringInfo json, const char *name, Datum at)
{
	appendStringInfo(json, ", \"%s\": ", name);
	escape_json(json,
				DatumGetCString(DirectFunctionCall1(timestamptz_out, at)));
}

/* --- SQL --------------------------------------------------------------- */

static void
read_arguments(FunctionCallInfo fcinfo, FailpatPrediction *work)
{
	static const struct
	{
		int			arg;
		const char *dim;
	} names[] = {{ARG_WORKFLOW, "workflow"}, {ARG_MODEL, "model"},
				 {ARG_LORA, "lora"},		 {ARG_CHARACTER, "character"},
				 {ARG_AVATAR, "character"},	 {ARG_SCENE_TYPE, "scene_type"}};

	if (!PG_ARGISNULL(ARG_COMBO))
		failpat_combo_read(&work->combo, PG_GETARG_JSONB_P(ARG_COMBO), false,
						   "combo");
	for (int i = 0; i < lengthof(names); i++)
	{
		Datum *values;
		bool  *nulls;
		int	   n;
		int	   d =
			failpat_prediction_dim(work, names[i].dim, strlen(names[i].dim));

		if (PG_ARGISNULL(names[i].arg))
			continue;
		deconstruct_array(PG_GETARG_ARRAYTYPE_P(names[i].arg), TEXTOID, -1,
						  false, TYPALIGN_INT, &values, &nulls, &n);
		if (n == 0 && d >= 0)
			work->dims[d].told = true;
		for (int v = 0; v < n; v++)
			if (!nulls[v])
			{
				text *t = DatumGetTextPP(values[v]);

				failpat_combo_add(&work->combo, names[i].dim,
								  strlen(names[i].dim), VARDATA_ANY(t),
								  VARSIZE_ANY_EXHDR(t));
			}
	}
	if (!PG_ARGISNULL(ARG_POSITION) && !isnan(PG_GETARG_FLOAT8(ARG_POSITION)))
		failpat_combo_add_interval(&work->combo, FAILPAT_POSITION,
								   strlen(FAILPAT_POSITION),
								   PG_GETARG_FLOAT8(ARG_POSITION),
								   PG_GETARG_FLOAT8(ARG_POSITION));
	if (!PG_ARGISNULL(ARG_COMBO))
		read_absent(work, PG_GETARG_JSONB_P(ARG_COMBO));
	read_told(work);
}

/* the source, where there is one that has this name, or no name is needed */
static bool
read_model(FunctionCallInfo fcinfo, FailpatPrediction *work, Datum *source,
		   int *max_items)
{
	Datum args[1];
	char  nulls[2] = " ";
	bool  isnull;
	bool  other = true;
	Datum dimensions;

	args[0] = (Datum) 0;
	if (PG_ARGISNULL(ARG_SOURCE))
		nulls[0] = 'n';
	else
		args[0] = PG_GETARG_DATUM(ARG_SOURCE);
	if (SPI_execute_plan(plan_model, args, nulls, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read the model");
	if (SPI_processed == 0 && !PG_ARGISNULL(ARG_SOURCE))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("there is no source \"%s\"",
						text_to_cstring(PG_GETARG_TEXT_PP(ARG_SOURCE)))));
	if (SPI_processed > 1)
		(void) column(1, 2, &other);
	if (!other)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("source must be named where there are several")));
	if (SPI_processed == 0)
		return false;
	dimensions = column(0, 2, &isnull);
	if (isnull)
		return false;
	read_dims(work, DatumGetJsonbPCopy(dimensions));
	*source = PointerGetDatum(DatumGetTextPCopy(column(0, 1, &isnull)));
	*max_items = DatumGetInt32(column(0, 3, &isnull));
	work->unmodelled = column_float(0, 4);
	return true;
}

/* fp_predict(combo, workflow, ...): see 73_predict.sql */
Datum
failpat_predict(PG_FUNCTION_ARGS)
{
	ReturnSetInfo	 *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	FailpatPrediction work;
	Datum			  source;
	int				  max_items;
	int64			  trials;
	int64			  failures;
	Jsonb			 *jobs;
	bool			  isnull;
	StringInfoData	  data;
	FpPrediction	  result;
	Datum			  values[NCOLS];
	bool			  nulls[NCOLS] = {0};
	double			  confidence = PG_ARGISNULL(ARG_CONFIDENCE)
									   ? FP_DEFAULT_CONFIDENCE
									   : PG_GETARG_FLOAT8(ARG_CONFIDENCE);

	fp_check_confidence(confidence);
	if (!PG_ARGISNULL(ARG_LENGTH) &&
		(PG_GETARG_INT32(ARG_LENGTH) < 1 ||
		 PG_GETARG_INT32(ARG_LENGTH) > MAX_LENGTH))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("scene_length must be from 1 to %d, not %d",
							   MAX_LENGTH, PG_GETARG_INT32(ARG_LENGTH))));
	InitMaterializedSRF(fcinfo, 0);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	make_plans(get_func_namespace(fcinfo->flinfo->fn_oid));
	memset(&work, 0, sizeof(work));
	work.z = fp_normal_two_sided(confidence);
	if (!read_model(fcinfo, &work, &source, &max_items))
	{
		SPI_finish();
		PG_RETURN_NULL();
	}
	trials = column_int(0, 5);
	failures = column_int(0, 6);
	work.trials = (double) trials;
	initStringInfo(&data);
	appendStringInfoString(&data, "{\"source\": ");
	escape_json(&data, TextDatumGetCString(source));
	appendStringInfo(&data,
					 ", \"observations\": " INT64_FORMAT
					 ", \"failures\": " INT64_FORMAT,
					 trials, failures);
	put_time(&data, "since", column(0, 7, &isnull));
	put_time(&data, "until", column(0, 8, &isnull));
	put_time(&data, "fitted_at", column(0, 9, &isnull));
	jobs = DatumGetJsonbPCopy(column(0, 10, &isnull));
	SPI_freetuptable(SPI_tuptable);

	read_arguments(fcinfo, &work);
	read_terms(&work, source, max_items);
	failpat_prediction_weigh(&work);
	result = failpat_prediction(&work);
	failpat_prediction_support(&data, &work);
	appendStringInfoChar(&data, '}');

	values[COL_PROBABILITY] = Float8GetDatum(result.probability);
	values[COL_LOWER] = Float8GetDatum(result.lower);
	values[COL_UPPER] = Float8GetDatum(result.upper);
	values[COL_BASELINE] = Float8GetDatum((double) failures / (double) trials);
	values[COL_CONTRIBUTIONS] = failpat_prediction_drivers(&work);
	values[COL_DATA] =
		DirectFunctionCall1(jsonb_in, CStringGetDatum(data.data));
	nulls[COL_SCENE] = nulls[COL_EXPECTED] = PG_ARGISNULL(ARG_LENGTH);
	if (!PG_ARGISNULL(ARG_LENGTH))
	{
		double any;
		double expected;

		failpat_prediction_scene(&work, PG_GETARG_INT32(ARG_LENGTH), jobs,
								 &any, &expected);
		values[COL_SCENE] = Float8GetDatum(any);
		values[COL_EXPECTED] = Float8GetDatum(expected);
	}
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	SPI_finish();
	PG_RETURN_NULL();
}
