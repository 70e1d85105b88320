/*-------------------------------------------------------------------------
 *
 * alert.c
 *		fp_check_combo, fp_check_combos: known-bad combinations, before use.
 *
 * The patterns that a combination may meet are looked up by the match keys
 * (combo.h) of the subsets of its items, in an index: the work grows with the
 * number of patterns that match, not of all.  A second look-up of the same
 * kind drops alternatives which, in this very combination, are known to be bad
 * themselves; a third statement reads the fixes of what is told.
 *
 * The plans are saved per backend and live as long as it.  Everything else is
 * of the call: the SPI context of the look-up.  No locks but those of reading;
 * nothing is written, so this works in a READ ONLY transaction and on a
 * standby.  The functions are SECURITY DEFINER: all names in the statements
 * are qualified, operators too.
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
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#if PG_VERSION_NUM >= 160000
#include "varatt.h"
#endif

#include "alert.h"
#include "combo.h"
#include "stats/severity.h"

PG_FUNCTION_INFO_V1(failpat_check_combo);
PG_FUNCTION_INFO_V1(failpat_check_combos);

/*
 * With more subsets than this a combination is compared with all active
 * patterns instead (20 LoRAs at once and patterns of six conditions).
 */
#define MAX_KEYS 4096

/* Arguments of fp_check_combo. */
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
	ARG_USER,
	ARG_RESOLVED,
	ARG_AVATAR
};

/* Columns of the result, after the ordinal number of fp_check_combos. */
enum
{
	COL_PATTERN_ID,
	COL_SEVERITY,
	COL_MESSAGE,
	COL_RATE,
	COL_LOWER,
	COL_UPPER,
	COL_TRIALS,
	COL_BASELINE,
	COL_CONDITIONS,
	COL_ALTERNATIVES,
	COL_FIXES,
	COL_STATUS,
	COL_CANDIDATE,
	COL_FROM_SEGMENT,
	COL_FOLDED,
	COL_SOURCE,
	NCOLS
};

/* A pattern whose items are all in the combination. */
typedef struct Match
{
	int64		 id;
	Datum		 source; /* text */
	Datum		 status; /* text */
	char		*description;
	Jsonb		*conditions;
	FailpatCombo combo;
	int64		 key;
	bool		 active;
	bool		 resolved;
	bool		 met; /* its ranges too */
	bool		 muted;
	bool		 told;
	bool		 candidate;
	bool		 of_segments; /* the source has segments */

	FpSeverity severity;
	double	   rate;
	double	   lower;
	double	   upper;
	int64	   trials;
	double	   baseline; /* NaN: unknown */
	double	   elsewhere;
	Jsonb	  *alternatives;
	Jsonb	  *fixes;

	int	   nfolded;
	Datum *folded;
} Match;

/* One call. */
typedef struct Check
{
	Oid	  schema;
	Datum source; /* 0: any */
	Datum user;
	bool  user_isnull;
	bool  include_resolved;
	int	  max_items;
} Check;

/* --- statements -------------------------------------------------------- */

static SPIPlanPtr plan_size;
static SPIPlanPtr plan_match;
static SPIPlanPtr plan_scan;
static SPIPlanPtr plan_fixes;
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
	Oid			match_types[] = {INT8ARRAYOID, TEXTOID, INT8OID};
	Oid			fix_types[] = {INT8ARRAYOID, INT8ARRAYOID};
	char	   *columns;

	if (plans_schema == schema)
		return;
	plans_schema = InvalidOid; /* as long as one of them is missing */
	plan_size = prepare(
		psprintf("SELECT pg_catalog.max(%1$s.fp_match_size(p.conditions))"
				 " FROM %1$s.failure_patterns p",
				 s),
		0, NULL);
	columns = psprintf(
		"SELECT p.id, p.source, p.status, p.description, p.conditions,"
		" p.failure_rate, p.rate_lower, p.rate_upper, p.total_count,"
		" p.baseline_rate, p.risk_ratio, p.confirmed_at IS NULL,"
		" p.severity,"
		" (SELECT a.alternatives FROM %1$s.fp_alternatives a"
		"   WHERE a.pattern_id " EQ " p.id),"
		" EXISTS (SELECT FROM %1$s.fp_mutes m"
		"   WHERE m.pattern_id " EQ " p.id"
		"     AND (m.user_id IS NULL OR m.user_id " EQ " $3)"
		"     AND (m.until IS NULL"
		"          OR m.until OPERATOR(pg_catalog.>) pg_catalog.now())),"
		" EXISTS (SELECT FROM %1$s.fp_dimensions d"
		"   WHERE d.source " EQ " p.source AND d.name " EQ
		"     'segment_position')"
		" FROM %1$s.failure_patterns p"
		" WHERE ($2 IS NULL OR p.source " EQ " $2)",
		s);
	plan_match = prepare(psprintf("%s AND %s.fp_match_key(p.conditions) " EQ
								  " ANY ($1)",
								  columns, s),
						 3, match_types);
	plan_scan =
		prepare(psprintf("%s AND $1 IS NULL", columns), 3, match_types);
	plan_fixes = prepare(
		psprintf("SELECT f.told, f.fixes FROM %s.fp_fixes_told($1, $2) f", s),
		2, fix_types);
	plans_schema = schema;
}

/* --- look-ups ---------------------------------------------------------- */

/* column of the row, NULL as given */
static Datum
column(HeapTuple row, int number, bool *isnull)
{
	return SPI_getbinval(row, SPI_tuptable->tupdesc, number, isnull);
}

static double
column_float(HeapTuple row, int number)
{
	bool  isnull;
	Datum d = column(row, number, &isnull);

	return isnull ? NAN : DatumGetFloat8(d);
}

/* a copy of a text, "" for NULL */
static Datum
column_text(HeapTuple row, int number)
{
	bool  isnull;
	Datum d = column(row, number, &isnull);

	return isnull ? CStringGetTextDatum("")
				  : PointerGetDatum(DatumGetTextPCopy(d));
}

static bool
text_is(Datum datum, const char *word)
{
	text *t = DatumGetTextPP(datum);

	return VARSIZE_ANY_EXHDR(t) == strlen(word) &&
		   memcmp(VARDATA_ANY(t), word, strlen(word)) == 0;
}

static FpSeverity
severity_of(Datum word)
{
	if (text_is(word, "high"))
		return FP_SEVERITY_HIGH;
	return text_is(word, "medium") ? FP_SEVERITY_MEDIUM : FP_SEVERITY_LOW;
}

static void
read_match(Match *m, HeapTuple row)
{
	bool   isnull;
	Datum  d;
	double ratio;

	memset(m, 0, sizeof(*m));
	m->id = DatumGetInt64(column(row, 1, &isnull));
	m->source = column_text(row, 2);
	m->status = column_text(row, 3);
	m->active = text_is(m->status, "active");
	m->resolved = text_is(m->status, "resolved");
	d = column(row, 4, &isnull);
	m->description = isnull ? pstrdup("") : TextDatumGetCString(d);
	m->conditions = DatumGetJsonbPCopy(column(row, 5, &isnull));
	failpat_combo_read(&m->combo, m->conditions, true, "conditions");
	m->rate = column_float(row, 6);
	m->lower = column_float(row, 7);
	m->upper = column_float(row, 8);
	m->trials = DatumGetInt32(column(row, 9, &isnull));
	m->baseline = column_float(row, 10);
	ratio = column_float(row, 11);
	/* baseline: of all observations; elsewhere: of all others */
	m->elsewhere =
		ratio > 0 && isfinite(ratio) ? m->rate / ratio : m->baseline;
	m->candidate = DatumGetBool(column(row, 12, &isnull));
	if (m->candidate && failpat_require_confirmed)
		m->active = m->resolved = false;
	d = column(row, 13, &isnull);
	m->severity = isnull ? FP_SEVERITY_LOW : severity_of(d);
	d = column(row, 14, &isnull);
	m->alternatives = isnull ? NULL : DatumGetJsonbPCopy(d);
	m->muted = DatumGetBool(column(row, 15, &isnull));
	m->of_segments = DatumGetBool(column(row, 16, &isnull));
	for (int i = 0; i < m->combo.nitems; i++)
		m->key += (int64) m->combo.items[i].hash;
	m->key = failpat_match_key((uint64) m->key);
}

/* number of subsets of n things with at most k; MAX_KEYS + 1: more than that */
static int64
count_subsets(int n, int k)
{
	double sum = 1;
	double ways = 1;

	for (int i = 1; i <= k && i <= n; i++)
	{
		ways = ways * (n - i + 1) / i;
		sum += ways;
	}
	return sum > MAX_KEYS ? MAX_KEYS + 1 : (int64) (sum + 0.5);
}

/* keys of the subsets of items[from..] with up to "left" more items */
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

/*
 * The patterns of any status that have one of these keys (NULL: all that there
 * are), in the current memory context.
 */
static Match *
look_up(const Check *check, Datum *keys, int nkeys, int *n)
{
	Datum  args[3];
	char   nulls[3] = {' ', ' ', ' '};
	Match *list;

	args[0] = (Datum) 0;
	if (keys != NULL)
		args[0] =
			PointerGetDatum(construct_array(keys, nkeys, INT8OID, 8,
											FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
	else
		nulls[0] = 'n';
	args[1] = check->source;
	if (check->source == (Datum) 0)
		nulls[1] = 'n';
	args[2] = check->user;
	if (check->user_isnull)
		nulls[2] = 'n';
	if (SPI_execute_plan(keys ? plan_match : plan_scan, args, nulls, true,
						 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read failure patterns");
	*n = (int) SPI_processed;
	list = palloc_array(Match, *n + 1);
	for (int i = 0; i < *n; i++)
		read_match(&list[i], SPI_tuptable->vals[i]);
	SPI_freetuptable(SPI_tuptable);
	return list;
}

/* most items that any pattern has: subsets of more need not be looked for */
static int
max_items(void)
{
	bool  isnull = true;
	Datum d = (Datum) 0;

	if (SPI_execute_plan(plan_size, NULL, NULL, true, 1) != SPI_OK_SELECT)
		elog(ERROR, "could not read failure patterns");
	if (SPI_processed == 1)
		d = column(SPI_tuptable->vals[0], 1, &isnull);
	SPI_freetuptable(SPI_tuptable);
	return isnull ? 0 : DatumGetInt32(d);
}

static Match *
find_matches(const Check *check, const FailpatCombo *combo, int *n)
{
	int64  nkeys = count_subsets(combo->nitems, check->max_items);
	Datum *keys;
	int	   filled = 0;

	if (nkeys > MAX_KEYS)
		return look_up(check, NULL, 0, n);
	keys = palloc_array(Datum, nkeys);
	add_keys(combo, 0, check->max_items, 0, keys, &filled);
	return look_up(check, keys, filled, n);
}

/* --- alternatives ------------------------------------------------------ */

/* An alternative of a told pattern, as it would be in this combination. */
typedef struct Option
{
	FailpatCombo combo; /* with the alternative in place */
	int			 item;	/* its item there; -1: nothing takes the place */
	bool		 bad;
} Option;

static bool
text_member(JsonbContainer *object, const char *name, const char **text,
			int *len)
{
	JsonbValue	buffer;
	JsonbValue *value =
		getKeyJsonValueFromContainer(object, name, strlen(name), &buffer);

	if (value == NULL || value->type != jbvString)
		return false;
	*text = value->val.string.val;
	*len = value->val.string.len;
	return true;
}

static bool
make_option(Option *option, const FailpatCombo *combo,
			JsonbContainer *alternative)
{
	const char *dim;
	const char *old;
	const char *new;
	int			 dim_len;
	int			 old_len;
	int			 new_len;
	FailpatCombo replaced = {0};
	JsonbValue	 number;

	option->bad = false;
	option->item = -1;
	option->combo = *combo;
	option->combo.nitems = option->combo.items_cap = 0;
	option->combo.items = NULL;
	/* fewer or more values of a set: nothing new is used */
	if (getKeyJsonValueFromContainer(alternative, "count", 5, &number))
		return true;
	if (!text_member(alternative, "dimension", &dim, &dim_len) ||
		!text_member(alternative, "instead_of", &old, &old_len))
		return false;
	failpat_combo_add(&replaced, dim, dim_len, old, old_len);
	for (int i = 0; i < combo->nitems; i++)
	{
		const FailpatItem *item = &combo->items[i];

		if (item->hash != replaced.items[0].hash)
			failpat_combo_add(&option->combo, item->dim, item->dim_len,
							  item->value, item->value_len);
	}
	if (text_member(alternative, "value", &new, &new_len))
	{
		int before = option->combo.nitems;

		failpat_combo_add(&option->combo, dim, dim_len, new, new_len);
		/* it is in use already: leaving the other out is another matter */
		if (option->combo.nitems == before)
			option->bad = true;
		else
			option->item = before;
	}
	return true;
}

/*
 * Drop from the told patterns' alternatives those which, in the place of what
 * they stand in for, make the combination meet an active pattern themselves.
 */
static void
sift_alternatives(const Check *check, const FailpatCombo *combo, Match **told,
				  int ntold)
{
	int		cap = 16;
	int		n = 0;
	Option *options = palloc_array(Option, cap);
	int64	nkeys = 0;
	int		filled = 0;
	Datum  *keys;
	Match  *others = NULL;
	int		nothers = 0;
	int		at = 0;

	for (int t = 0; t < ntold; t++)
	{
		JsonbContainer *list;

		if (told[t]->alternatives == NULL ||
			!JB_ROOT_IS_ARRAY(told[t]->alternatives))
			continue;
		list = &told[t]->alternatives->root;
		for (uint32 i = 0; i < JsonContainerSize(list); i++)
		{
			JsonbValue *one = getIthJsonbValueFromContainer(list, i);

			if (n == cap)
			{
				cap *= 2;
				options = repalloc(options, cap * sizeof(Option));
			}
			memset(&options[n], 0, sizeof(Option));
			if (one->type != jbvBinary ||
				!make_option(&options[n], combo, one->val.binary.data))
				options[n].bad = true;
			if (!options[n].bad && options[n].item >= 0)
				nkeys += count_subsets(options[n].combo.nitems - 1,
									   check->max_items - 1);
			n++;
		}
	}
	if (n == 0)
		return;
	if (nkeys > MAX_KEYS)
		others = look_up(check, NULL, 0, &nothers);
	else if (nkeys > 0)
	{
		keys = palloc_array(Datum, nkeys);
		for (int i = 0; i < n; i++)
			if (!options[i].bad && options[i].item >= 0)
			{
				/* the new item is the last; subsets that have it */
				FailpatCombo rest = options[i].combo;

				rest.nitems--;
				add_keys(&rest, 0, check->max_items - 1,
						 options[i].combo.items[options[i].item].hash, keys,
						 &filled);
			}
		others = look_up(check, keys, filled, &nothers);
	}
	for (int i = 0; i < n; i++)
		for (int j = 0; j < nothers && !options[i].bad; j++)
		{
			const FailpatCombo *other = &others[j].combo;
			bool				through = false;

			if (!others[j].active || options[i].item < 0)
				continue;
			for (int k = 0; k < other->nitems && !through; k++)
				through = other->items[k].hash ==
						  options[i].combo.items[options[i].item].hash;
			options[i].bad =
				through && failpat_combo_meets(&options[i].combo, other, true);
		}

	/* write the lists anew, where something is dropped */
	for (int t = 0; t < ntold; t++)
	{
		JsonbContainer	*list;
		JsonbParseState *state = NULL;
		JsonbValue		*result;
		uint32			 size;

		if (told[t]->alternatives == NULL ||
			!JB_ROOT_IS_ARRAY(told[t]->alternatives))
			continue;
		list = &told[t]->alternatives->root;
		size = JsonContainerSize(list);
		pushJsonbValue(&state, WJB_BEGIN_ARRAY, NULL);
		for (uint32 i = 0; i < size; i++, at++)
			if (!options[at].bad)
				pushJsonbValue(&state, WJB_ELEM,
							   getIthJsonbValueFromContainer(list, i));
		result = pushJsonbValue(&state, WJB_END_ARRAY, NULL);
		told[t]->alternatives = JsonbValueToJsonb(result);
	}
}

/* --- what is told ------------------------------------------------------ */

/* active ones first, then by severity, bounds, rate, age: worst first */
static int
compare_matches(const void *left, const void *right)
{
	const Match *a = *(Match *const *) left;
	const Match *b = *(Match *const *) right;

	if (a->active != b->active)
		return a->active ? -1 : 1;
	if (a->severity != b->severity)
		return a->severity > b->severity ? -1 : 1;
	if (a->lower != b->lower && !isnan(a->lower) && !isnan(b->lower))
		return a->lower > b->lower ? -1 : 1;
	if (a->rate != b->rate)
		return a->rate > b->rate ? -1 : 1;
	return a->id < b->id ? -1 : a->id > b->id;
}

static bool
same_source(const Match *a, const Match *b)
{
	text *x = DatumGetTextPP(a->source);
	text *y = DatumGetTextPP(b->source);

	return VARSIZE_ANY_EXHDR(x) == VARSIZE_ANY_EXHDR(y) &&
		   memcmp(VARDATA_ANY(x), VARDATA_ANY(y), VARSIZE_ANY_EXHDR(x)) == 0;
}

/*
 * Fold what another alert says more about.  A resolved pattern never hides an
 * active one.  Of two that say the same (which differ in nothing but their
 * ids) the first is told.
 */
static void
fold(Match **list, int n)
{
	for (int i = 0; i < n; i++)
		for (int j = 0; j < n && list[i]->told; j++)
		{
			Match *m = list[i];
			Match *by = list[j];

			if (i == j || (m->active && !by->active) || !same_source(m, by) ||
				!failpat_combo_says_more(&by->combo, &m->combo))
				continue;
			if (failpat_combo_says_more(&m->combo, &by->combo) && i < j)
				continue;
			m->told = false;
		}
	/* to each that is told, the ids of what it says more about */
	for (int i = 0; i < n; i++)
	{
		list[i]->folded = palloc_array(Datum, n);
		for (int j = 0; j < n; j++)
			if (list[i]->told && !list[j]->told &&
				same_source(list[i], list[j]) &&
				failpat_combo_says_more(&list[i]->combo, &list[j]->combo))
				list[i]->folded[list[i]->nfolded++] =
					Int64GetDatum(list[j]->id);
	}
}

/* fixes of the told patterns, and of their relatives among all matches */
static void
read_fixes(Match **told, int ntold, Match *all, int nall)
{
	Datum *ids = palloc_array(Datum, (Size) ntold * nall + 1);
	Datum *relatives = palloc_array(Datum, (Size) ntold * nall + 1);
	Datum  args[2];
	int	   n = 0;

	for (int t = 0; t < ntold; t++)
		for (int i = 0; i < nall; i++)
			/* patterns of ranges alone have one key, whatever they are of */
			if (all[i].key == told[t]->key && same_source(&all[i], told[t]) &&
				(told[t]->combo.nitems > 0 ||
				 failpat_combo_same_ranges(&all[i].combo, &told[t]->combo)))
			{
				ids[n] = Int64GetDatum(told[t]->id);
				relatives[n++] = Int64GetDatum(all[i].id);
			}
	args[0] = PointerGetDatum(
		construct_array(ids, n, INT8OID, 8, FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
	args[1] =
		PointerGetDatum(construct_array(relatives, n, INT8OID, 8,
										FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
	if (SPI_execute_plan(plan_fixes, args, NULL, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read fixes");
	for (uint64 r = 0; r < SPI_processed; r++)
	{
		bool  isnull;
		int64 id = DatumGetInt64(column(SPI_tuptable->vals[r], 1, &isnull));
		Datum fixes = column(SPI_tuptable->vals[r], 2, &isnull);

		for (int t = 0; t < ntold; t++)
			if (told[t]->id == id && !isnull)
				told[t]->fixes = DatumGetJsonbPCopy(fixes);
	}
	SPI_freetuptable(SPI_tuptable);
}

/*
 * First segment of the combination at which the pattern is met; false where
 * the pattern has no such range.
 */
static bool
from_segment(const Match *m, const FailpatCombo *combo, double *from)
{
	const FailpatInterval *range =
		failpat_combo_interval(&m->combo, FAILPAT_POSITION,
							   strlen(FAILPAT_POSITION));
	const FailpatInterval *given =
		failpat_combo_interval(combo, FAILPAT_POSITION,
							   strlen(FAILPAT_POSITION));

	if (range == NULL)
		return false;
	*from = given ? Max(given->min, range->min) : range->min;
	return isfinite(*from);
}

static Datum
empty_array(void)
{
	JsonbParseState *state = NULL;

	pushJsonbValue(&state, WJB_BEGIN_ARRAY, NULL);
	return JsonbPGetDatum(
		JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_ARRAY, NULL)));
}

static void
set_float(Datum *values, bool *nulls, int at, double number)
{
	values[at] = Float8GetDatum(number);
	nulls[at] = isnan(number);
}

static void
put_alert(ReturnSetInfo *rsinfo, const Match *m, const FailpatCombo *combo,
		  int64 ordinal)
{
	Datum  all_values[NCOLS + 1];
	bool   all_nulls[NCOLS + 1] = {0};
	Datum *values = all_values;
	bool  *nulls = all_nulls;
	double from;

	if (ordinal > 0)
	{
		*values++ = Int64GetDatum(ordinal);
		*nulls++ = false;
	}
	values[COL_PATTERN_ID] = Int64GetDatum(m->id);
	values[COL_SEVERITY] = CStringGetTextDatum(fp_severity_name(m->severity));
	values[COL_MESSAGE] = CStringGetTextDatum(
		failpat_alert_message(m->description, m->resolved, m->of_segments,
							  m->trials, m->rate, m->lower, m->upper,
							  m->elsewhere));
	set_float(values, nulls, COL_RATE, m->rate);
	set_float(values, nulls, COL_LOWER, m->lower);
	set_float(values, nulls, COL_UPPER, m->upper);
	values[COL_TRIALS] = Int64GetDatum(m->trials);
	set_float(values, nulls, COL_BASELINE, m->baseline);
	values[COL_CONDITIONS] = JsonbPGetDatum(m->conditions);
	values[COL_ALTERNATIVES] =
		m->alternatives ? JsonbPGetDatum(m->alternatives) : empty_array();
	values[COL_FIXES] = m->fixes ? JsonbPGetDatum(m->fixes) : empty_array();
	values[COL_STATUS] = m->status;
	values[COL_CANDIDATE] = BoolGetDatum(m->candidate);
	nulls[COL_FROM_SEGMENT] = !from_segment(m, combo, &from);
	if (!nulls[COL_FROM_SEGMENT])
		values[COL_FROM_SEGMENT] = Float8GetDatum(from);
	values[COL_FOLDED] =
		PointerGetDatum(construct_array(m->folded, m->nfolded, INT8OID, 8,
										FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
	values[COL_SOURCE] = m->source;
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, all_values,
						 all_nulls);
}

/* check one combination; ordinal: its number in a batch, or 0 */
static void
check_one(const Check *check, const FailpatCombo *combo, int64 ordinal,
		  ReturnSetInfo *rsinfo)
{
	int		n;
	Match  *all = find_matches(check, combo, &n);
	Match **met = palloc_array(Match *, n + 1);
	int		nmet = 0;
	int		ntold = 0;

	for (int i = 0; i < n; i++)
		if ((all[i].active || (check->include_resolved && all[i].resolved)) &&
			!all[i].muted && failpat_combo_meets(combo, &all[i].combo, true))
		{
			all[i].told = true;
			met[nmet++] = &all[i];
		}
	if (nmet == 0)
		return;
	qsort(met, nmet, sizeof(Match *), compare_matches);
	fold(met, nmet);
	for (int i = 0; i < nmet; i++)
		if (met[i]->told)
			met[ntold++] = met[i];
	sift_alternatives(check, combo, met, ntold);
	read_fixes(met, ntold, all, n);
	for (int i = 0; i < ntold; i++)
		put_alert(rsinfo, met[i], combo, ordinal);
}

/* --- SQL --------------------------------------------------------------- */

static void
start(FunctionCallInfo fcinfo, Check *check, int source_arg)
{
	memset(check, 0, sizeof(*check));
	InitMaterializedSRF(fcinfo, 0);
	check->schema = get_func_namespace(fcinfo->flinfo->fn_oid);
	if (!PG_ARGISNULL(source_arg))
		check->source = PG_GETARG_DATUM(source_arg);
	check->user_isnull = PG_ARGISNULL(source_arg + 1);
	if (!check->user_isnull)
		check->user = PG_GETARG_DATUM(source_arg + 1);
	check->include_resolved =
		!PG_ARGISNULL(source_arg + 2) && PG_GETARG_BOOL(source_arg + 2);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	make_plans(check->schema);
	check->max_items = max_items();
}

/* fp_check_combo(combo, workflow, ...): see 70_alerts.sql */
Datum
failpat_check_combo(PG_FUNCTION_ARGS)
{
	static const struct
	{
		int			arg;
		const char *dim;
	} named[] = {{ARG_WORKFLOW, "workflow"}, {ARG_MODEL, "model"},
				 {ARG_LORA, "lora"},		 {ARG_CHARACTER, "character"},
				 {ARG_AVATAR, "character"},	 {ARG_SCENE_TYPE, "scene_type"}};
	Check		 check;
	FailpatCombo combo = {0};

	start(fcinfo, &check, ARG_SOURCE);
	if (!PG_ARGISNULL(ARG_COMBO))
		failpat_combo_read(&combo, PG_GETARG_JSONB_P(ARG_COMBO), false,
						   "combo");
	for (int i = 0; i < lengthof(named); i++)
	{
		Datum *values;
		bool  *nulls;
		int	   n;

		if (PG_ARGISNULL(named[i].arg))
			continue;
		deconstruct_array(PG_GETARG_ARRAYTYPE_P(named[i].arg), TEXTOID, -1,
						  false, TYPALIGN_INT, &values, &nulls, &n);
		/* an empty set: known to be none */
		if (n == 0)
			failpat_combo_add_count(&combo, named[i].dim, strlen(named[i].dim),
									0, 0);
		for (int v = 0; v < n; v++)
			if (!nulls[v])
			{
				text *t = DatumGetTextPP(values[v]);

				failpat_combo_add(&combo, named[i].dim, strlen(named[i].dim),
								  VARDATA_ANY(t), VARSIZE_ANY_EXHDR(t));
			}
	}
	if (!PG_ARGISNULL(ARG_POSITION) && !isnan(PG_GETARG_FLOAT8(ARG_POSITION)))
		failpat_combo_add_interval(&combo, FAILPAT_POSITION,
								   strlen(FAILPAT_POSITION),
								   PG_GETARG_FLOAT8(ARG_POSITION),
								   PG_GETARG_FLOAT8(ARG_POSITION));
	else if (!PG_ARGISNULL(ARG_LENGTH) &&
			 failpat_combo_interval(&combo, FAILPAT_POSITION,
									strlen(FAILPAT_POSITION)) == NULL)
		failpat_combo_add_interval(&combo, FAILPAT_POSITION,
								   strlen(FAILPAT_POSITION), -INFINITY,
								   PG_GETARG_INT32(ARG_LENGTH));
	check_one(&check, &combo, 0, (ReturnSetInfo *) fcinfo->resultinfo);
	SPI_finish();
	PG_RETURN_NULL();
}

/* fp_check_combos(combos jsonb[], source, for_user, include_resolved) */
Datum
failpat_check_combos(PG_FUNCTION_ARGS)
{
	Check		  check;
	Datum		 *values;
	bool		 *nulls;
	int			  n;
	MemoryContext one;

	if (PG_ARGISNULL(0))
	{
		InitMaterializedSRF(fcinfo, 0);
		PG_RETURN_NULL();
	}
	start(fcinfo, &check, 1);
	deconstruct_array(PG_GETARG_ARRAYTYPE_P(0), JSONBOID, -1, false,
					  TYPALIGN_INT, &values, &nulls, &n);
	one = AllocSetContextCreate(CurrentMemoryContext, "failpat check",
								ALLOCSET_DEFAULT_SIZES);
	for (int i = 0; i < n; i++)
	{
		FailpatCombo  combo = {0};
		MemoryContext old;

		CHECK_FOR_INTERRUPTS();
		if (nulls[i])
			continue;
		old = MemoryContextSwitchTo(one);
		failpat_combo_read(&combo, DatumGetJsonbP(values[i]), false, "combos");
		check_one(&check, &combo, i + 1, (ReturnSetInfo *) fcinfo->resultinfo);
		MemoryContextSwitchTo(old);
		MemoryContextReset(one);
	}
	SPI_finish();
	PG_RETURN_NULL();
}
