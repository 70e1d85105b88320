/*-------------------------------------------------------------------------
 *
 * alert.c
 *		fp_check_combo, fp_check_combos: known-bad combinations, before use.
 *
 * The patterns that a combination may meet are looked up in an index
 * (alert_lookup.c).  Of those that are met the ones that say most are told, with
 * the alternatives that make sense of the combination (instead.c) and the
 * fixes that are known.
 *
 * Everything is of the call: the SPI context of the look-up.  No locks but those
 * of reading; nothing is written, so this works in a READ ONLY transaction and
 * on a standby.
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
#include "alert_lookup.h"

PG_FUNCTION_INFO_V1(failpat_check_combo);
PG_FUNCTION_INFO_V1(failpat_check_combos);

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

/* --- what is told ------------------------------------------------------ */

/* active ones first, then by severity, bounds, rate, age: worst first */
static int
compare_matches(const void *left, const void *right)
{
	const FailpatMatch *a = *(FailpatMatch *const *) left;
	const FailpatMatch *b = *(FailpatMatch *const *) right;

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

/*
 * Fold what another alert says more about.  A resolved pattern never hides an
 * active one.  Of two that say the same (which differ in nothing but their
 * ids) the first is told.
 */
static void
fold(FailpatMatch **list, int n)
{
	for (int i = 0; i < n; i++)
		for (int j = 0; j < n && list[i]->told; j++)
		{
			FailpatMatch *m = list[i];
			FailpatMatch *by = list[j];

			if (i == j || (m->active && !by->active) ||
				!failpat_same_source(m, by) ||
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
				failpat_same_source(list[i], list[j]) &&
				failpat_combo_says_more(&list[i]->combo, &list[j]->combo))
				list[i]->folded[list[i]->nfolded++] =
					Int64GetDatum(list[j]->id);
	}
}

/*
 * First segment of the combination at which the pattern is met; false where
 * the pattern has no such range.
 */
static bool
from_segment(const FailpatMatch *m, const FailpatCombo *combo, double *from)
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
put_alert(ReturnSetInfo *rsinfo, const FailpatMatch *m,
		  const FailpatCombo *combo, int64 ordinal)
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
							  m->elsewhere, m->caveat));
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
check_one(const FailpatCheck *check, const FailpatCombo *combo, int64 ordinal,
		  ReturnSetInfo *rsinfo)
{
	int			   n;
	FailpatMatch  *all = failpat_find_matches(check, combo, &n);
	FailpatMatch **met = palloc_array(FailpatMatch *, n + 1);
	int			   nmet = 0;
	int			   ntold = 0;

	for (int i = 0; i < n; i++)
		if ((all[i].active || (check->include_resolved && all[i].resolved)) &&
			!all[i].muted && failpat_combo_meets(combo, &all[i].combo, true))
		{
			all[i].told = true;
			met[nmet++] = &all[i];
		}
	if (nmet == 0)
		return;
	qsort(met, nmet, sizeof(FailpatMatch *), compare_matches);
	fold(met, nmet);
	for (int i = 0; i < nmet; i++)
		if (met[i]->told)
			met[ntold++] = met[i];
	failpat_sift_alternatives(check, combo, met, ntold, all, n);
	failpat_read_fixes(met, ntold, all, n);
	for (int i = 0; i < ntold; i++)
		put_alert(rsinfo, met[i], combo, ordinal);
}

/* --- SQL --------------------------------------------------------------- */

static void
start(FunctionCallInfo fcinfo, FailpatCheck *check, int source_arg)
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
	failpat_check_begin(check);
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
	FailpatCheck check;
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
	FailpatCheck  check;
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
