/*-------------------------------------------------------------------------
 *
 * alert_lookup.c
 *		The patterns that a combination may meet, by an index.
 *
 * The patterns are looked up by the match keys (combo.h) of the subsets of the
 * combination's items: the work grows with the number of patterns that match,
 * not of all.
 *
 * The plans are saved per backend and live as long as it.  Everything else is
 * of the call: the SPI context of the look-up.  No locks but those of reading;
 * nothing is written.  The callers are SECURITY DEFINER: all names in the
 * statements are qualified, operators too.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#if PG_VERSION_NUM >= 160000
#include "varatt.h"
#endif

#include "alert_lookup.h"
#include "saved_plan.h"

/* --- statements -------------------------------------------------------- */

static SPIPlanPtr plan_size;
static SPIPlanPtr plan_match;
static SPIPlanPtr plan_scan;
static SPIPlanPtr plan_fixes;

static FailpatPlans plans = {
	.plans = {&plan_size, &plan_match, &plan_scan, &plan_fixes}};

static void
make_plans(Oid schema)
{
	const char *s = failpat_plans_wanted(&plans, schema);
	Oid			match_types[] = {INT8ARRAYOID, TEXTOID, INT8OID};
	Oid			fix_types[] = {INT8ARRAYOID, INT8ARRAYOID};
	char	   *columns;

	if (s == NULL)
		return;
	plan_size = failpat_prepare(
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
		"   WHERE a.pattern_id " FAILPAT_EQ " p.id),"
		" EXISTS (SELECT FROM %1$s.fp_mutes m"
		"   WHERE m.pattern_id " FAILPAT_EQ " p.id"
		"     AND (m.user_id IS NULL OR m.user_id " FAILPAT_EQ " $3)"
		"     AND (m.until IS NULL"
		"          OR m.until OPERATOR(pg_catalog.>) pg_catalog.now())),"
		" EXISTS (SELECT FROM %1$s.fp_dimensions d"
		"   WHERE d.source " FAILPAT_EQ " p.source AND d.name " FAILPAT_EQ
		"     'segment_position'), p.caveat"
		" FROM %1$s.failure_patterns p"
		/* a row that failpat did not find itself may have none */
		" WHERE p.conditions IS NOT NULL"
		" AND ($2 IS NULL OR p.source " FAILPAT_EQ " $2)",
		s);
	plan_match = failpat_prepare(
		psprintf("%s AND %s.fp_match_key(p.conditions) " FAILPAT_EQ
				 " ANY ($1)",
				 columns, s),
		3, match_types);
	plan_scan = failpat_prepare(psprintf("%s AND $1 IS NULL", columns), 3,
								match_types);
	plan_fixes = failpat_prepare(
		psprintf("SELECT f.told, f.fixes FROM %s.fp_fixes_told($1, $2) f", s),
		2, fix_types);
	failpat_plans_made(&plans, schema);
}

/* --- look-ups ---------------------------------------------------------- */

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
read_match(FailpatMatch *m, HeapTuple row)
{
	bool   isnull;
	Datum  d;
	double ratio;

	memset(m, 0, sizeof(*m));
	m->id = DatumGetInt64(column(row, 1, &isnull));
	m->source = column_text(row, 2);
	m->status = column_text(row, 3);
	m->active = m->known_bad = text_is(m->status, "active");
	m->resolved = text_is(m->status, "resolved");
	d = column(row, 4, &isnull);
	m->description = isnull ? pstrdup("") : TextDatumGetCString(d);
	d = column(row, 5, &isnull);
	if (isnull)
		elog(ERROR, "a pattern without conditions was looked up");
	m->conditions = DatumGetJsonbPCopy(d);
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
	d = column(row, 17, &isnull);
	m->caveat = isnull ? NULL : TextDatumGetCString(d);
	for (int i = 0; i < m->combo.nitems; i++)
		m->key += (int64) m->combo.items[i].hash;
	m->key = failpat_match_key((uint64) m->key);
}

int64
failpat_count_subsets(int n, int k)
{
	double sum = 1;
	double ways = 1;

	for (int i = 1; i <= k && i <= n; i++)
	{
		ways = ways * (n - i + 1) / i;
		sum += ways;
	}
	return sum > FAILPAT_MAX_KEYS ? FAILPAT_MAX_KEYS + 1 : (int64) (sum + 0.5);
}

void
failpat_add_keys(const FailpatCombo *combo, int from, int left, uint64 sum,
				 Datum *keys, int *n)
{
	keys[(*n)++] = Int64GetDatum(failpat_match_key(sum));
	if (left > 0)
		for (int i = from; i < combo->nitems; i++)
			failpat_add_keys(combo, i + 1, left - 1,
							 sum + combo->items[i].hash, keys, n);
}

FailpatMatch *
failpat_look_up(const FailpatCheck *check, Datum *keys, int nkeys, int *n)
{
	Datum		  args[3];
	char		  nulls[3] = {' ', ' ', ' '};
	FailpatMatch *list;

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
	list = palloc_array(FailpatMatch, *n + 1);
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

void
failpat_check_begin(FailpatCheck *check)
{
	make_plans(check->schema);
	check->max_items = max_items();
}

FailpatMatch *
failpat_find_matches(const FailpatCheck *check, const FailpatCombo *combo,
					 int *n)
{
	int64  nkeys = failpat_count_subsets(combo->nitems, check->max_items);
	Datum *keys;
	int	   filled = 0;

	if (nkeys > FAILPAT_MAX_KEYS)
		return failpat_look_up(check, NULL, 0, n);
	keys = palloc_array(Datum, nkeys);
	failpat_add_keys(combo, 0, check->max_items, 0, keys, &filled);
	return failpat_look_up(check, keys, filled, n);
}

bool
failpat_same_source(const FailpatMatch *a, const FailpatMatch *b)
{
	text *x = DatumGetTextPP(a->source);
	text *y = DatumGetTextPP(b->source);

	return VARSIZE_ANY_EXHDR(x) == VARSIZE_ANY_EXHDR(y) &&
		   memcmp(VARDATA_ANY(x), VARDATA_ANY(y), VARSIZE_ANY_EXHDR(x)) == 0;
}

void
failpat_read_fixes(FailpatMatch **told, int ntold, FailpatMatch *all, int nall)
{
	Datum *ids = palloc_array(Datum, (Size) ntold * nall + 1);
	Datum *relatives = palloc_array(Datum, (Size) ntold * nall + 1);
	Datum  args[2];
	int	   n = 0;

	for (int t = 0; t < ntold; t++)
		for (int i = 0; i < nall; i++)
			/* patterns of ranges alone have one key, whatever they are of */
			if (all[i].key == told[t]->key &&
				failpat_same_source(&all[i], told[t]) &&
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
