/*-------------------------------------------------------------------------
 *
 * predict.c
 *		fp_predict, fp_retry_curve: how likely a combination fails, and fails
 *		again.
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
#include "utils/date.h"
#include "utils/fmgrprotos.h"
#include "utils/json.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"
#if PG_VERSION_NUM >= 160000
#include "varatt.h"
#endif

#include "combo.h"
#include "predict/model.h"
#include "predict/retry.h"
#include "stats/interval.h"
#include "stats/special.h"

PG_FUNCTION_INFO_V1(failpat_predict);
PG_FUNCTION_INFO_V1(failpat_retry_curve);

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

/* What is known of a dimension, and what the combination says of it. */
typedef struct Dim
{
	char  *name;
	int	   len;
	bool   set;
	bool   ordinal;
	double mean;
	double variance;
	double spread;

	bool   told;
	bool   missing; /* it says that there is none recorded */
	int	   nitems;	/* values that are told */
	int	   nknown;	/* of them, those that have a term */
	double number;	/* ordinal: what is told, */
	bool   ranged;	/* or else a range */
	double min;
	double max;
} Dim;

typedef struct Term
{
	int			 number;
	char		*kind;
	Jsonb		*conditions;
	FailpatCombo combo;
	bool		 has_null; /* a dimension that is not recorded */
	bool		 has_since;
	TimestampTz	 since;
	char		*label; /* NULL: none */
	double		 effect;
	double		 variance;
	int64		 trials;
	int64		 failures;
	int			 nneighbours;
	Datum		*neighbours;
	Datum		*covariances;
	bool		 simple; /* of one dimension, and no pattern */
	int			 dim;	 /* then: which, -1: none */
	bool		 met;	 /* by what is told */
	double		 chance; /* that it is, where something it asks is not told */
} Term;

typedef struct Predict
{
	FailpatCombo combo;
	int			 ndims;
	Dim			*dims;
	int			 nterms;
	Term		*terms;
	double		 unmodelled;
	double		 trials;
	double		 z;
} Predict;

/* log-odds with the parts of their variance */
typedef struct Sum
{
	double log_odds;
	double known;
	double mixed;
} Sum;

/* --- statements -------------------------------------------------------- */

static SPIPlanPtr plan_model;
static SPIPlanPtr plan_terms;	/* that have one of some keys, */
static SPIPlanPtr plan_more;	/* and all patterns and pairs; */
static SPIPlanPtr plan_simple;	/* values by themselves only */
static Oid		  plans_schema; /* of the extension that they are for */

#define EQ "OPERATOR(pg_catalog.=)"

static SPIPlanPtr
prepare(const char *sql, int nargs, Oid *types)
{
	/* planned once: planning takes longer than running */
	SPIPlanPtr plan =
		SPI_prepare_cursor(sql, nargs, types, CURSOR_OPT_GENERIC_PLAN);

	if (plan == NULL)
		elog(ERROR, "SPI_prepare_cursor failed: %s",
			 SPI_result_code_string(SPI_result));
	SPI_keepplan(plan);
	return plan;
}

static void
make_plans(Oid schema)
{
	const char *s = quote_identifier(get_namespace_name(schema));
	Oid			types[] = {TEXTOID, INT8ARRAYOID};
	char	   *columns;

	if (plans_schema == schema)
		return;
	plans_schema = InvalidOid; /* as long as one of them is missing */
	plan_model = prepare(
		psprintf("SELECT s.source, m.dimensions, m.max_items, m.unmodelled,"
				 " m.trials, m.failures, m.since, m.until, m.fitted_at,"
				 " m.jobs"
				 " FROM %1$s.fp_sources s"
				 " LEFT JOIN %1$s.fp_models m ON m.source " EQ " s.source"
				 " WHERE $1 IS NULL OR s.source " EQ " $1"
				 " ORDER BY m.source IS NULL LIMIT 2",
				 s),
		1, types);
	columns =
		psprintf("SELECT t.term, t.kind, t.conditions, t.since, t.label,"
				 " t.effect, t.variance, t.trials, t.failures, t.neighbours,"
				 " t.covariances FROM %s.fp_model_terms t"
				 " WHERE t.source " EQ " $1 AND (t.key " EQ " ANY ($2)",
				 s);
	plan_terms = prepare(psprintf("%s) ORDER BY t.term", columns), 2, types);
	plan_simple =
		prepare(psprintf("%s) AND t.kind " EQ " ANY ('{value,member}')"
						 " ORDER BY t.term",
						 columns),
				2, types);
	plan_more = prepare(psprintf("%s OR t.kind " EQ " ANY ('{pattern,pair}'))"
								 " ORDER BY t.term",
								 columns),
						2, types);
	plans_schema = schema;
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

static bool
named(const Dim *dim, const char *name, int len)
{
	if (len == 6 && memcmp(name, "avatar", 6) == 0)
		return named(dim, "character", 9);
	return dim->len == len && memcmp(dim->name, name, len) == 0;
}

static int
find_dim(const Predict *work, const char *name, int len)
{
	for (int d = 0; d < work->ndims; d++)
		if (named(&work->dims[d], name, len))
			return d;
	return -1;
}

static double
member_number(JsonbContainer *object, const char *name)
{
	JsonbValue	buffer;
	JsonbValue *value =
		getKeyJsonValueFromContainer(object, name, strlen(name), &buffer);

	if (value == NULL || value->type != jbvNumeric)
		return 0;
	return DatumGetFloat8(
		DirectFunctionCall1(numeric_float8_no_overflow,
							NumericGetDatum(value->val.numeric)));
}

static void
read_dims(Predict *work, Jsonb *dimensions)
{
	JsonbIterator *it = JsonbIteratorInit(&dimensions->root);
	JsonbValue	   key;
	JsonbValue	   value;

	work->dims = palloc0_array(Dim, JB_ROOT_COUNT(dimensions) + 1);
	(void) JsonbIteratorNext(&it, &key, true);
	while (JsonbIteratorNext(&it, &key, true) == WJB_KEY)
	{
		Dim			   *dim = &work->dims[work->ndims];
		JsonbValue		buffer;
		JsonbValue	   *kind;
		JsonbContainer *object;

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
		kind = getKeyJsonValueFromContainer(object, "kind", 4, &buffer);
		dim->set = kind && kind->val.string.val[0] == 's';
		dim->ordinal = kind && kind->val.string.val[0] == 'o';
		dim->mean = member_number(object, "mean");
		dim->variance = member_number(object, "variance");
		dim->spread = member_number(object, "spread");
		work->ndims++;
	}
}

/* nulls and empty sets, which a list of items does not show */
static void
read_absent(Predict *work, Jsonb *combo)
{
	JsonbIterator *it = JsonbIteratorInit(&combo->root);
	JsonbValue	   key;
	JsonbValue	   value;

	(void) JsonbIteratorNext(&it, &key, true);
	while (JsonbIteratorNext(&it, &key, true) == WJB_KEY)
	{
		int d;

		(void) JsonbIteratorNext(&it, &value, true);
		d = find_dim(work, key.val.string.val, key.val.string.len);
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
read_told(Predict *work)
{
	for (int i = 0; i < work->combo.nitems; i++)
	{
		int d = find_dim(work, work->combo.items[i].dim,
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
		int d = find_dim(work, interval->dim, interval->dim_len);

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
classify(const Predict *work, Term *term)
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
		term->dim = find_dim(work, key.val.string.val, key.val.string.len);
		n++;
	}
	term->simple =
		strcmp(term->kind, "pattern") != 0 && strcmp(term->kind, "pair") != 0;
	if (n != 1)
		term->dim = -1;
}

/* the terms of a source that a plan finds by keys, after those there are */
static void
append_terms(Predict *work, SPIPlanPtr plan, Datum source, Datum keys)
{
	Datum args[2];
	Term *before = work->terms;
	int	  nbefore = work->nterms;

	args[0] = source;
	args[1] = keys;
	if (SPI_execute_plan(plan, args, NULL, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read the model");
	work->nterms += (int) SPI_processed;
	work->terms = palloc0_array(Term, work->nterms + 1);
	if (before)
		memcpy(work->terms, before, nbefore * sizeof(Term));
	for (int r = 0; r < work->nterms - nbefore; r++)
	{
		Term *term = &work->terms[nbefore + r];
		bool  isnull;
		Datum d;
		int	  n;

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

static bool
is_told(const Predict *work, const FailpatItem *item)
{
	for (int i = 0; i < work->combo.nitems; i++)
		if (work->combo.items[i].hash == item->hash)
			return true;
	return false;
}

static void
read_terms(Predict *work, Datum source, int max_items)
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
			bool  known = is_told(work, item);

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

/* the simple term of a value, or NULL */
static const Term *
item_term(const Predict *work, const FailpatItem *item)
{
	for (int t = 0; t < work->nterms; t++)
		if (work->terms[t].simple && !work->terms[t].has_since &&
			work->terms[t].combo.nitems == 1 &&
			work->terms[t].combo.items[0].hash == item->hash)
			return &work->terms[t];
	return NULL;
}

/* trials of the levels, or counts, of a dimension in a range */
static double
range_trials(const Predict *work, int d, double min, double max)
{
	double in = 0;

	for (int t = 0; t < work->nterms; t++)
	{
		const Term *term = &work->terms[t];

		if (term->simple && term->dim == d && term->combo.nintervals == 1 &&
			term->combo.intervals[0].min >= min &&
			term->combo.intervals[0].max <= max)
			in += (double) term->trials;
	}
	return in;
}

/*
 * Whether a term is met by what is told; where it is not ruled out, but asks
 * for something that is not told, how often it is met by observations that
 * have what is told (exactly so where that is one thing).
 */
static void
weigh_term(const Predict *work, Term *term)
{
	double told = work->trials; /* trials that have what is told of it */
	bool   open = false;

	term->met = false;
	term->chance = 0;
	if (term->simple && term->dim >= 0)
	{
		const Dim *dim = &work->dims[term->dim];

		if (!dim->told)
			return; /* the mean of the dimension is taken instead */
		if (term->has_null)
		{
			term->met = dim->missing;
			return;
		}
	}
	else if (term->has_null)
		return;
	for (int i = 0; i < term->combo.nitems; i++)
	{
		const FailpatItem *item = &term->combo.items[i];
		int				   d = find_dim(work, item->dim, item->dim_len);
		bool			   has = is_told(work, item);

		if (!has && (d < 0 || work->dims[d].told))
			return;
		if (has)
		{
			const Term *own = item_term(work, item);

			told *= own ? (double) own->trials / work->trials : 1;
		}
		else
			open = true;
	}
	for (int i = 0; i < term->combo.nintervals; i++)
	{
		const FailpatInterval *range = &term->combo.intervals[i];
		int					   d = find_dim(work, range->dim, range->dim_len);
		const Dim			  *dim;
		double				   at;

		if (d < 0 || work->dims[d].missing)
			return;
		dim = &work->dims[d];
		if (!dim->told)
		{
			if (dim->ranged)
			{
				if (range->max < dim->min || range->min > dim->max)
					return;
				/* observations in the range are all there are */
				told *= Min(range_trials(work, d, dim->min, dim->max) /
								work->trials,
							1);
				if (range->min <= dim->min && range->max >= dim->max)
					continue;
			}
			open = true;
			continue;
		}
		/* of the levels and counts one is chosen, by choose() */
		at = dim->set ? dim->nitems : dim->number;
		if (!term->simple && (at < range->min || at > range->max))
			return;
		if (!term->simple)
			told *= Min(range_trials(work, d, range->min, range->max) /
							work->trials,
						1);
	}
	term->met = !open;
	if (open && told > 0)
		term->chance = Min((double) term->trials / told, 1);
}

/*
 * Of the levels (or counts) of a dimension, the one that the number lies in;
 * of a number that was never seen, the next below, or the lowest.
 */
static void
choose(Predict *work, int d)
{
	const Dim *dim = &work->dims[d];
	double	   at = dim->set ? dim->nitems : dim->number;
	Term	  *best = NULL;

	for (int t = 0; t < work->nterms; t++)
	{
		Term  *term = &work->terms[t];
		double min;

		if (!term->simple || term->dim != d || term->combo.nintervals != 1 ||
			!dim->told || dim->missing)
			continue;
		term->met = false;
		min = term->combo.intervals[0].min;
		if (best == NULL)
			best = term;
		else if (best->combo.intervals[0].min > at
					 ? min < best->combo.intervals[0].min
					 : min <= at && min > best->combo.intervals[0].min)
			best = term;
	}
	if (best)
		best->met = true;
}

/* mean and variance of the levels of a dimension in a range; else of all */
static void
use_range(Predict *work, Dim *dim, int d)
{
	double n = 0;
	double sum = 0;
	double square = 0;

	for (int t = 0; t < work->nterms && dim->ranged; t++)
	{
		const Term *term = &work->terms[t];
		double		trials = (double) term->trials;

		if (!term->simple || term->dim != d || term->combo.nintervals != 1 ||
			term->combo.intervals[0].min < dim->min ||
			term->combo.intervals[0].max > dim->max)
			continue;
		n += trials;
		sum += trials * term->effect;
		square += trials * term->effect * term->effect;
	}
	if (n > 0)
	{
		dim->mean = sum / n;
		dim->variance = Max(square / n - dim->mean * dim->mean, 0);
	}
}

static void
weigh_terms(Predict *work)
{
	for (int d = 0; d < work->ndims; d++)
		work->dims[d].nknown = 0;
	for (int t = 0; t < work->nterms; t++)
	{
		Term *term = &work->terms[t];

		weigh_term(work, term);
		if (term->met && term->simple && term->dim >= 0 &&
			(term->combo.nitems == 1 || term->has_null))
			work->dims[term->dim].nknown++;
	}
	for (int d = 0; d < work->ndims; d++)
	{
		choose(work, d);
		use_range(work, &work->dims[d], d);
	}
}

/* values of a dimension that have no term */
static int
unseen(const Dim *dim)
{
	if (!dim->told || dim->ordinal)
		return 0;
	return Max(dim->nitems + dim->missing - dim->nknown, 0);
}

static Sum
add_up(const Predict *work)
{
	Sum sum = {0, work->unmodelled, 0};

	for (int t = 0; t < work->nterms; t++)
	{
		const Term *term = &work->terms[t];

		if (!term->met)
			continue;
		sum.log_odds += term->effect;
		sum.known += term->variance;
		for (int i = 0; i < term->nneighbours; i++)
		{
			int number = DatumGetInt32(term->neighbours[i]);

			/* terms are in order, and each pair of them is there twice */
			for (int o = 0; o < work->nterms; o++)
				if (work->terms[o].number == number && work->terms[o].met)
					sum.known += DatumGetFloat8(term->covariances[i]);
		}
	}
	for (int d = 0; d < work->ndims; d++)
	{
		const Dim *dim = &work->dims[d];

		if (!dim->told)
		{
			sum.log_odds += dim->mean;
			sum.mixed += dim->variance;
		}
		sum.known += unseen(dim) * dim->spread;
	}
	sum.known = Max(sum.known, 0);
	return sum;
}

/*
 * What is told is certain; a pattern that what is not told may meet is met
 * with its chance, in which its effect comes in whole.
 */
static FpPrediction
predict(const Predict *work)
{
	Sum			 sum = add_up(work);
	FpPrediction result =
		fp_predict_from(sum.log_odds, sum.known, sum.mixed, work->z);

	for (int t = 0; t < work->nterms; t++)
	{
		const Term	*term = &work->terms[t];
		FpPrediction with;
		FpPrediction without;
		Sum			 here = sum;

		if (term->chance == 0)
			continue;
		/* where it is met, what it asks for is there */
		for (int i = 0; i < term->combo.nitems; i++)
		{
			const FailpatItem *item = &term->combo.items[i];
			int				   d = find_dim(work, item->dim, item->dim_len);
			const Term		  *own = item_term(work, item);

			if (d < 0 || work->dims[d].told || own == NULL)
				continue;
			here.log_odds += own->effect - work->dims[d].mean;
			here.mixed = Max(here.mixed - work->dims[d].variance, 0);
		}
		without =
			fp_predict_from(here.log_odds, here.known, here.mixed, work->z);
		with =
			fp_predict_from(here.log_odds + term->effect,
							here.known + term->variance, here.mixed, work->z);
		result.probability +=
			term->chance * (with.probability - without.probability);
		result.lower += term->chance * (with.lower - without.lower);
		result.upper += term->chance * (with.upper - without.upper);
	}
	result.probability = Min(Max(result.probability, 0), 1);
	result.lower = Min(Max(result.lower, 0), result.probability);
	result.upper = Max(Min(result.upper, 1), result.probability);
	return result;
}

/* --- what drives it ---------------------------------------------------- */

/* One thing that makes a failure more or less likely than it is on average. */
typedef struct Driver
{
	int			dim;  /* -1: several, or none */
	const Term *term; /* a pattern, a pair, a period; else NULL */
	double		effect;
	double		ratio; /* of probabilities, with it and without */
	int64		trials;
	int64		failures;
	char	   *label;
} Driver;

static int
compare_drivers(const void *left, const void *right)
{
	const Driver *a = left;
	const Driver *b = right;

	if (fabs(a->effect) != fabs(b->effect))
		return fabs(a->effect) > fabs(b->effect) ? -1 : 1;
	if (a->dim != b->dim)
		return a->dim < b->dim ? -1 : 1;
	return a->term < b->term ? -1 : a->term > b->term;
}

static char *
with_since(const char *label, const Term *term)
{
	Datum day;

	if (!term->has_since)
		return pstrdup(label);
	day = DirectFunctionCall1(timestamptz_date,
							  TimestampTzGetDatum(term->since));
	return psprintf("%s since %s", label,
					DatumGetCString(DirectFunctionCall1(date_out, day)));
}

/* a dimension that is told: the sum of its terms, against its mean */
static bool
drive_dim(const Predict *work, int d, Driver *driver)
{
	const Dim	  *dim = &work->dims[d];
	StringInfoData label;

	if (!dim->told)
		return false;
	memset(driver, 0, sizeof(*driver));
	driver->dim = d;
	driver->effect = -dim->mean;
	initStringInfo(&label);
	for (int t = 0; t < work->nterms; t++)
	{
		const Term *term = &work->terms[t];

		if (!term->met || !term->simple || term->dim != d || term->has_since)
			continue;
		driver->effect += term->effect;
		/* of several values, what is known least of */
		if ((term->combo.nitems > 0 || term->has_null || dim->ordinal) &&
			(driver->trials == 0 || term->trials < driver->trials))
		{
			driver->trials = term->trials;
			driver->failures = term->failures;
		}
		if (term->label && (term->combo.nitems > 0 || dim->ordinal))
			appendStringInfo(&label, "%s%s", label.len ? " + " : "",
							 term->label);
	}
	for (int i = 0; i < work->combo.nitems && unseen(dim) > 0; i++)
	{
		const FailpatItem *item = &work->combo.items[i];
		bool			   known = false;

		for (int t = 0; t < work->nterms && !known; t++)
			known = work->terms[t].simple &&
					work->terms[t].combo.nitems == 1 &&
					work->terms[t].combo.items[0].hash == item->hash;
		if (!known && named(dim, item->dim, item->dim_len))
		{
			appendStringInfo(&label, "%s%s %.*s, never seen",
							 label.len ? " + " : "", dim->name,
							 item->value_len, item->value);
			driver->trials = driver->failures = 0;
		}
	}
	if (label.len == 0)
		appendStringInfo(&label, "%s%s", dim->name,
						 dim->missing ? " not recorded"
						 : dim->set	  ? " none"
									  : "");
	driver->label = label.data;
	return true;
}

static Datum
contributions(const Predict *work, double probability)
{
	Driver *drivers = palloc_array(Driver, work->ndims + work->nterms + 1);
	int		n = 0;
	Sum		sum = add_up(work);
	StringInfoData json;

	for (int d = 0; d < work->ndims; d++)
		if (drive_dim(work, d, &drivers[n]))
			n++;
	for (int t = 0; t < work->nterms; t++)
	{
		const Term *term = &work->terms[t];

		if (!term->met || (term->simple && !term->has_since))
			continue;
		memset(&drivers[n], 0, sizeof(Driver));
		drivers[n].dim = -1;
		drivers[n].term = term;
		drivers[n].effect = term->effect;
		drivers[n].trials = term->trials;
		drivers[n].failures = term->failures;
		drivers[n].label =
			with_since(term->label ? term->label : "Everything", term);
		n++;
	}
	if (n > 1)
		qsort(drivers, n, sizeof(Driver), compare_drivers);
	initStringInfo(&json);
	appendStringInfoChar(&json, '[');
	for (int i = 0; i < n; i++)
	{
		Driver *driver = &drivers[i];
		double	without = fp_predict_from(sum.log_odds - driver->effect,
										  sum.known, sum.mixed, work->z)
							 .probability;

		driver->ratio = without > 0 ? probability / without : 1;
		appendStringInfoString(&json, i ? ", {" : "{");
		if (driver->dim >= 0)
		{
			appendStringInfoString(&json, "\"dimension\": ");
			escape_json(&json, work->dims[driver->dim].name);
			appendStringInfoString(&json, ", ");
		}
		else
		{
			Jsonb *conditions = driver->term->conditions;

			appendStringInfo(&json, "\"kind\": \"%s\", \"conditions\": ",
							 driver->term->kind);
			(void) JsonbToCString(&json, &conditions->root,
								  VARSIZE(conditions));
			appendStringInfoString(&json, ", ");
		}
		appendStringInfoString(&json, "\"label\": ");
		escape_json(&json, driver->label);
		appendStringInfo(&json,
						 ", \"log_odds\": %.6g, \"risk_ratio\": %.6g"
						 ", \"trials\": " INT64_FORMAT
						 ", \"failures\": " INT64_FORMAT ", \"sentence\": ",
						 driver->effect, driver->ratio, driver->trials,
						 driver->failures);
		if (fabs(driver->ratio - 1) < 0.05)
			escape_json(&json, psprintf("%s makes next to no difference.",
										driver->label));
		else
			escape_json(&json,
						psprintf("%s makes a failure %.1f times as likely.",
								 driver->label, driver->ratio));
		appendStringInfoChar(&json, '}');
	}
	appendStringInfoChar(&json, ']');
	return DirectFunctionCall1(jsonb_in, CStringGetDatum(json.data));
}

static void
put_time(StringInfo json, const char *name, Datum at)
{
	appendStringInfo(json, ", \"%s\": ", name);
	escape_json(json,
				DatumGetCString(DirectFunctionCall1(timestamptz_out, at)));
}

/* of what was told: how much is known, and what is new */
static void
put_support(StringInfo json, const Predict *work)
{
	const Term *least = NULL;
	bool		first = true;

	for (int t = 0; t < work->nterms; t++)
	{
		const Term *term = &work->terms[t];

		if (term->met && term->simple && term->combo.nitems == 1 &&
			(least == NULL || term->trials < least->trials))
			least = term;
	}
	if (least)
	{
		appendStringInfoString(json, ", \"rarest\": {\"label\": ");
		escape_json(json, least->label ? least->label : "");
		appendStringInfo(json,
						 ", \"trials\": " INT64_FORMAT
						 ", \"failures\": " INT64_FORMAT "}",
						 least->trials, least->failures);
	}
	appendStringInfoString(json, ", \"never_seen\": [");
	for (int d = 0; d < work->ndims; d++)
		if (unseen(&work->dims[d]) > 0)
		{
			appendStringInfoString(json, first ? "" : ", ");
			escape_json(json, work->dims[d].name);
			first = false;
		}
	appendStringInfoString(json, "], \"not_told\": [");
	first = true;
	for (int d = 0; d < work->ndims; d++)
		if (!work->dims[d].told)
		{
			appendStringInfoString(json, first ? "" : ", ");
			escape_json(json, work->dims[d].name);
			first = false;
		}
	appendStringInfoChar(json, ']');
}

/* --- scenes ------------------------------------------------------------ */

static void
read_weights(Jsonb *units, double *weights)
{
	JsonbValue	buffer;
	JsonbValue *list =
		getKeyJsonValueFromContainer(&units->root, "weights", 7, &buffer);
	JsonbContainer *array;

	memset(weights, 0, sizeof(double) * FP_RHO_CELLS);
	weights[0] = 1;
	if (list == NULL || list->type != jbvBinary)
		return;
	array = list->val.binary.data;
	for (uint32 i = 0; i < JsonContainerSize(array) && i < FP_RHO_CELLS; i++)
	{
		JsonbValue *one = getIthJsonbValueFromContainer(array, i);

		if (one->type == jbvNumeric)
			weights[i] = DatumGetFloat8(
				DirectFunctionCall1(numeric_float8_no_overflow,
									NumericGetDatum(one->val.numeric)));
	}
}

/*
 * Segments 1 .. length of a scene: the expected number of failures, and the
 * probability of any, failures of one job being alike as jobs have shown.
 */
static void
predict_scene(Predict *work, int length, Jsonb *jobs, double *any,
			  double *expected)
{
	int	   d = find_dim(work, FAILPAT_POSITION, strlen(FAILPAT_POSITION));
	double weights[FP_RHO_CELLS];
	Dim	   before;

	if (d < 0 || !work->dims[d].ordinal)
	{
		*expected = length * predict(work).probability;
	}
	else
	{
		before = work->dims[d];
		*expected = 0;
		work->dims[d].told = true;
		for (int at = 1; at <= length; at++)
		{
			CHECK_FOR_INTERRUPTS();
			work->dims[d].number = at;
			weigh_terms(work);
			*expected += predict(work).probability;
		}
		work->dims[d] = before;
		weigh_terms(work);
	}
	read_weights(jobs, weights);
	/* none fails: as if none of so many attempts did */
	*any = 1 - fp_all_pass(*expected / length, weights, length);
}

/* --- SQL --------------------------------------------------------------- */

static void
read_arguments(FunctionCallInfo fcinfo, Predict *work)
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
		int	   d = find_dim(work, names[i].dim, strlen(names[i].dim));

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
read_model(FunctionCallInfo fcinfo, Predict *work, Datum *source,
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
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	Predict		   work;
	Datum		   source;
	int			   max_items;
	int64		   trials;
	int64		   failures;
	Jsonb		  *jobs;
	bool		   isnull;
	StringInfoData data;
	FpPrediction   result;
	Datum		   values[NCOLS];
	bool		   nulls[NCOLS] = {0};
	double		   confidence = PG_ARGISNULL(ARG_CONFIDENCE)
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
	weigh_terms(&work);
	result = predict(&work);
	put_support(&data, &work);
	appendStringInfoChar(&data, '}');

	values[COL_PROBABILITY] = Float8GetDatum(result.probability);
	values[COL_LOWER] = Float8GetDatum(result.lower);
	values[COL_UPPER] = Float8GetDatum(result.upper);
	values[COL_BASELINE] = Float8GetDatum((double) failures / (double) trials);
	values[COL_CONTRIBUTIONS] = contributions(&work, result.probability);
	values[COL_DATA] =
		DirectFunctionCall1(jsonb_in, CStringGetDatum(data.data));
	nulls[COL_SCENE] = nulls[COL_EXPECTED] = PG_ARGISNULL(ARG_LENGTH);
	if (!PG_ARGISNULL(ARG_LENGTH))
	{
		double any;
		double expected;

		predict_scene(&work, PG_GETARG_INT32(ARG_LENGTH), jobs, &any,
					  &expected);
		values[COL_SCENE] = Float8GetDatum(any);
		values[COL_EXPECTED] = Float8GetDatum(expected);
	}
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	SPI_finish();
	PG_RETURN_NULL();
}

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
