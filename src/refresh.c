/*-------------------------------------------------------------------------
 *
 * refresh.c
 *		The procedures that work in steps, a transaction each.
 *
 * Each step is a call of an SQL function that is right on its own (see
 * sql/install/40_sources.sql and 50_refresh.sql); here they are repeated and
 * committed, so that no lock and no snapshot is kept for long, and what was
 * done stays done when the procedure is cancelled.  Called inside a
 * transaction block, all steps are part of that transaction.
 *
 * Memory: SPI's, gone with each step.  Locks: those of the steps.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "capture.h"
#include "worker.h"

PG_FUNCTION_INFO_V1(failpat_backfill);
PG_FUNCTION_INFO_V1(failpat_poll);
PG_FUNCTION_INFO_V1(failpat_refresh);
PG_FUNCTION_INFO_V1(failpat_refresh_lock);

/* Whether a procedure may commit: not in a function, not in a block. */
static bool
may_commit(FunctionCallInfo fcinfo)
{
	return fcinfo->context != NULL && IsA(fcinfo->context, CallContext) &&
		   !((CallContext *) fcinfo->context)->atomic;
}

/*
 * Runs a query with the source as $1 and, where since is not NULL, a time as
 * $2, and returns the value that it shows.  SPI is connected; but for that value
 * the result's memory is freed.
 */
static Datum
ask(const char *sql, const char *source, TimestampTz *since, bool *isnull)
{
	Oid	  types[2] = {TEXTOID, TIMESTAMPTZOID};
	Datum args[2];
	Datum result;
	int16 len;
	bool  byval;
	bool  pushed = false;

	args[0] = CStringGetTextDatum(source);
	args[1] = since != NULL ? TimestampTzGetDatum(*since) : (Datum) 0;
	if (!ActiveSnapshotSet())
	{
		/* after a commit there is none */
		PushActiveSnapshot(GetTransactionSnapshot());
		pushed = true;
	}
	if (SPI_execute_with_args(sql, since != NULL ? 2 : 1, types, args, NULL,
							  false, 0) != SPI_OK_SELECT)
		elog(ERROR, "SPI_execute_with_args failed");
	result =
		SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, isnull);
	if (!*isnull)
	{
		get_typlenbyval(SPI_gettypeid(SPI_tuptable->tupdesc, 1), &len, &byval);
		result = datumCopy(result, byval, len);
	}
	SPI_freetuptable(SPI_tuptable);
	if (pushed)
		PopActiveSnapshot();
	return result;
}

/* Runs SELECT schema.function(source) and returns its integer; NULL is 0. */
static int64
step(const char *home, const char *function, const char *source)
{
	bool  isnull;
	Datum result =
		ask(psprintf("SELECT %s.%s($1)::pg_catalog.int8", home, function),
			source, NULL, &isnull);

	return isnull ? 0 : DatumGetInt64(result);
}

/* Does the next piece of a poll; false when it was the last one. */
static bool
poll_some(const char *home, const char *source, FailpatRefresh *refresh)
{
	bool  isnull;
	Datum next =
		ask(psprintf(refresh->begun ? "SELECT %s.fp_refresh_poll($1, $2)"
									: "SELECT %s.fp_refresh_poll($1)",
					 home),
			source, refresh->begun ? &refresh->since : NULL, &isnull);

	if (isnull)
		return false;
	refresh->begun = true;
	refresh->since = DatumGetTimestampTz(next);
	return true;
}

/*
 * The source of a call, or, where that is NULL, all sources; SPI is connected.
 */
static List *
sources_of(FunctionCallInfo fcinfo, const char *home, const char *condition)
{
	List *sources = NIL;

	if (!PG_ARGISNULL(0))
		return list_make1(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	if (SPI_execute(psprintf("SELECT source FROM %s.fp_sources %s "
							 "ORDER BY source",
							 home, condition),
					true, 0) != SPI_OK_SELECT)
		elog(ERROR, "SPI_execute failed");
	for (uint64 i = 0; i < SPI_processed; i++)
		sources = lappend(sources, SPI_getvalue(SPI_tuptable->vals[i],
												SPI_tuptable->tupdesc, 1));
	return sources;
}

/*
 * Commits where that is allowed, and can be cancelled in any case.
 *
 * The next transaction is READ COMMITTED: each step is right by locks of our
 * own, and as a SERIALIZABLE one it would make writers fail, who meet what it
 * reads.
 */
static void
between(bool commit)
{
	if (commit)
	{
		SPI_commit();
		XactIsoLevel = XACT_READ_COMMITTED;
	}
	CHECK_FOR_INTERRUPTS();
}

/* fp_backfill(source text, restart boolean) */
Datum
failpat_backfill(PG_FUNCTION_ARGS)
{
	bool		commit = may_commit(fcinfo);
	bool		restart = !PG_ARGISNULL(1) && PG_GETARG_BOOL(1);
	Oid			schema = get_func_namespace(fcinfo->flinfo->fn_oid);
	const char *home;
	List	   *sources;
	ListCell   *cell;

	if (SPI_connect_ext(commit ? SPI_OPT_NONATOMIC : 0) != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect_ext failed");
	/* SPI's memory outlives the steps' transactions */
	home = quote_identifier(get_namespace_name(schema));
	sources = sources_of(fcinfo, home, "WHERE observations IS NOT NULL");
	between(commit);
	foreach (cell, sources)
	{
		char	   *source = lfirst(cell);
		int64		total = 0;
		TimestampTz told = GetCurrentTimestamp();
		Datum		next;
		bool		unknown;

		if (restart)
			(void) step(home, "fp_backfill_restart", source);
		for (;;)
		{
			int64 n;

			/* what is loaded in part is not refreshed on that account */
			failpat_quiet = true;
			n = step(home, "fp_backfill_step", source);
			failpat_quiet = false;
			if (n <= 0)
				break;
			total += n;
			between(commit);
			if (TimestampDifferenceExceeds(told, GetCurrentTimestamp(), 5000))
			{
				told = GetCurrentTimestamp();
				ereport(NOTICE, (errmsg("%lld keys loaded so far",
										(long long) total)));
			}
		}
		if (failpat_maybe_async(source))
			failpat_want_refresh(
				schema, source,
				failpat_relation_owner(get_relname_relid("fp_observations",
														 schema),
									   "fp_observations"));
		next = ask(psprintf("SELECT %s.fp_next_step($1)", home), source, NULL,
				   &unknown);
		ereport(NOTICE,
				(errmsg_plural("%lld key loaded", "%lld keys loaded",
							   (unsigned long) total, (long long) total),
				 unknown ? 0 : errhint("%s", TextDatumGetCString(next))));
		between(commit);
	}
	SPI_finish();
	return (Datum) 0;
}

/* fp_refresh_lock(source text, wait boolean) */
Datum
failpat_refresh_lock(PG_FUNCTION_ARGS)
{
	char *source = text_to_cstring(PG_GETARG_TEXT_PP(0));

	PG_RETURN_BOOL(failpat_lock(FAILPAT_LOCK_REFRESH, source, "",
								PG_GETARG_BOOL(1) ? -1 : 0));
}

/* The steps of a refresh: each is done until it says 0, or once. */
static const struct
{
	const char *function; /* fp_refresh_ and what fp_status calls the step */
	bool		repeated;
} refresh_steps[] = {
	{"fp_refresh_begin", false},	{"fp_refresh_poll", true},
	{"fp_refresh_pending", true},	{"fp_refresh_cubes", true},
	{"fp_refresh_spans", true},		{"fp_refresh_look", true},
	{"fp_refresh_patterns", false}, {"fp_refresh_model", false},
	{"fp_refresh_advice", false},	{"fp_refresh_changes", false},
};

/* That of a source that is polled; fp_refresh_begin says 1 of such. */
#define POLL_STEP 1

/* Others see what comes next as soon as this transaction has committed. */
static void
note_step(const char *home, const char *source, const char *name)
{
	Oid	  types[2] = {TEXTOID, TEXTOID};
	Datum args[2] = {CStringGetTextDatum(source),
					 name ? CStringGetTextDatum(name) : (Datum) 0};
	char *sql = psprintf("SELECT %s.fp_note_progress($1, $2)", home);
	bool  pushed = !ActiveSnapshotSet();

	if (pushed)
		PushActiveSnapshot(GetTransactionSnapshot());
	if (SPI_execute_with_args(sql, 2, types, args, name ? "  " : " n", false,
							  0) != SPI_OK_SELECT)
		elog(ERROR, "SPI_execute_with_args failed");
	SPI_freetuptable(SPI_tuptable);
	if (pushed)
		PopActiveSnapshot();
}

/*
 * Does the next piece of a refresh, in this transaction, and notes in *refresh
 * how far that is; home is the extension's schema, quoted.  SPI is connected.
 * False when the piece was the last one.
 */
bool
failpat_refresh_step(const char *home, const char *source,
					 FailpatRefresh *refresh)
{
	int64 left;
	bool  more;

	Assert(refresh->at >= 0 && refresh->at < lengthof(refresh_steps));
	if (refresh->at == POLL_STEP)
	{
		/* what it reads is refreshed by this refresh */
		failpat_quiet = true;
		more = poll_some(home, source, refresh);
		failpat_quiet = false;
	}
	else
	{
		left = step(home, refresh_steps[refresh->at].function, source);
		more = left > 0;
		if (refresh->at == 0)
			refresh->poll &= left > 0;
	}
	if (!more || !refresh_steps[refresh->at].repeated)
	{
		refresh->at++;
		if (refresh->at == POLL_STEP && !refresh->poll)
			refresh->at++;
		note_step(home, source,
				  refresh->at < lengthof(refresh_steps)
					  ? refresh_steps[refresh->at].function +
							strlen("fp_refresh_")
					  : NULL);
	}
	return refresh->at < lengthof(refresh_steps);
}

/* fp_poll(source text) */
Datum
failpat_poll(PG_FUNCTION_ARGS)
{
	bool		commit = may_commit(fcinfo);
	const char *home;
	List	   *sources;
	ListCell   *cell;

	if (SPI_connect_ext(commit ? SPI_OPT_NONATOMIC : 0) != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect_ext failed");
	home = quote_identifier(
		get_namespace_name(get_func_namespace(fcinfo->flinfo->fn_oid)));
	sources =
		sources_of(fcinfo, home,
				   "WHERE capture = 'poll' AND observations IS NOT NULL");
	between(commit);
	foreach (cell, sources)
	{
		FailpatRefresh poll = {0, true, false, 0};
		bool		   more;

		(void) step(home, "fp_poll_begin", lfirst(cell));
		do
		{
			more = poll_some(home, lfirst(cell), &poll);
			between(commit);
		} while (more);
	}
	SPI_finish();
	return (Datum) 0;
}

/* fp_refresh(source text) */
Datum
failpat_refresh(PG_FUNCTION_ARGS)
{
	bool		commit = may_commit(fcinfo);
	const char *home;
	List	   *sources;
	ListCell   *cell;

	if (SPI_connect_ext(commit ? SPI_OPT_NONATOMIC : 0) != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect_ext failed");
	home = quote_identifier(
		get_namespace_name(get_func_namespace(fcinfo->flinfo->fn_oid)));
	sources = sources_of(fcinfo, home, "");
	between(commit);
	foreach (cell, sources)
	{
		const char	  *source = lfirst(cell);
		FailpatRefresh refresh = {0, true, false, 0};
		bool		   more;

		do
		{
			more = failpat_refresh_step(home, source, &refresh);
			between(commit);
		} while (more);
	}
	SPI_finish();
	return (Datum) 0;
}
