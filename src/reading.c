/*-------------------------------------------------------------------------
 *
 * reading.c
 *		Reads the view of a source, as the view's owner.
 *
 * What a view and the tables below it contain is their owners' to decide, and
 * some of it runs when it is read: functions in the view, policies, and what
 * the planner computes beforehand (expressions of indexes, of statistics).
 * None of that may run with the rights of whoever writes a score, calls
 * fp_backfill or refreshes, so every reading is done as the view's owner, with
 * the restrictions that keep a function from outliving it, and with a safe
 * search_path.
 *
 * Memory: the caller's context, and SPI's for the rows.
 * Locks: those of reading the view.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/rls.h"
#include "utils/snapmgr.h"
#include "utils/typcache.h"

#include "capture.h"

PG_FUNCTION_INFO_V1(failpat_source_keys);
PG_FUNCTION_INFO_V1(failpat_source_size);

/* Who the caller is, to be restored; an error restores it by itself. */
typedef struct Caller
{
	Oid user;
	int context;
	int nest;
} Caller;

/* Becomes the view's owner, with settings under which that is safe. */
static void
become_owner(FailpatSource *source, Caller *caller)
{
	GetUserIdAndSecContext(&caller->user, &caller->context);
	SetUserIdAndSecContext(source->view_owner,
						   caller->context | SECURITY_LOCAL_USERID_CHANGE |
							   SECURITY_RESTRICTED_OPERATION);
	caller->nest = NewGUCNestLevel();
	(void) set_config_option("search_path", "pg_catalog, pg_temp", PGC_USERSET,
							 PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	/* "off" makes an error of a reading that a policy restricts */
	if (!row_security)
		(void) set_config_option("row_security", "on", PGC_USERSET,
								 PGC_S_SESSION, GUC_ACTION_SAVE, true, 0,
								 false);
}

static void
become_caller(Caller *caller)
{
	AtEOXact_GUC(false, caller->nest);
	SetUserIdAndSecContext(caller->user, caller->context);
}

/*
 * Reads the view for some keys; sets SPI_tuptable.  The current user is the
 * view's owner.  Before: as if this transaction had done nothing yet.
 */
static void
read_view(FailpatSource *source, FailpatPlan *plan, Datum *keys, int n,
		  bool before)
{
	Datum	   array;
	Snapshot   snapshot;
	ArrayType *built;

	built = construct_array(keys, n, source->key_type, source->key_len,
							source->key_byval, source->key_align);
	array = PointerGetDatum(built);
	if (!plan->planned || !SPI_plan_is_valid(plan->plan))
	{
		/*
		 * The plan is made for a few keys and kept: it must go by indexes,
		 * also when it is made while the tables are small or have no
		 * statistics yet.
		 */
		static const char *const off[] = {"enable_seqscan", "enable_hashjoin",
										  "enable_mergejoin", "enable_memoize",
										  "jit"};

		for (int i = 0; i < lengthof(off); i++)
			(void) set_config_option(off[i], "off", PGC_USERSET, PGC_S_SESSION,
									 GUC_ACTION_SAVE, true, 0, false);
		plan->planned = true;
	}
	CommandCounterIncrement();
	snapshot = RegisterSnapshot(GetLatestSnapshot());
	if (before)
		snapshot->curcid = FirstCommandId; /* a copy, and ours */
	if (SPI_execute_snapshot(plan->plan, &array, NULL, snapshot,
							 InvalidSnapshot, true, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "SPI_execute_snapshot failed");
	UnregisterSnapshot(snapshot);
}

/* failed_checks in one form: by their bytes, each once, none NULL */
static Datum
canonical_checks(Datum array)
{
	ArrayType *checks = DatumGetArrayTypeP(array);
	Datum	  *texts;
	bool	  *nulls;
	int		   n;
	int		   kept = 0;

	if (ARR_NDIM(checks) == 0)
		return PointerGetDatum(construct_empty_array(TEXTOID));
	deconstruct_array(checks, TEXTOID, -1, false, TYPALIGN_INT, &texts, &nulls,
					  &n);
	for (int i = 0; i < n; i++)
		if (!nulls[i])
			texts[kept++] = texts[i];
	return failpat_text_set(texts, kept);
}

/*
 * Adds the rows of the view for some keys to the n in *result, and the SPI
 * result that they point into to *tables; returns the new number.
 *
 * plan is one of the source's two.  Before: as the rows were before this
 * transaction.  SPI is connected.  Raises whatever the view raises.
 */
int
failpat_see(FailpatSource *source, FailpatPlan *plan, Datum *keys, int nkeys,
			FailpatSeen **result, int n, bool before, List **tables)
{
	bool		   outcome_only = plan == &source->outcome;
	SPITupleTable *rows;
	FailpatSeen	  *seen;
	uint64		   nrows;
	Caller		   caller;

	become_owner(source, &caller);
	read_view(source, plan, keys, nkeys, before);
	rows = SPI_tuptable;
	nrows = SPI_processed;
	*tables = lappend(*tables, rows);
	seen = palloc_array(FailpatSeen, n + nrows + 1);
	if (n > 0)
		memcpy(seen, *result, n * sizeof(FailpatSeen));
	for (uint64 i = 0; i < nrows; i++)
	{
		FailpatSeen *row = &seen[n];
		Datum		 values[7];
		bool		 isnull[7];

		heap_deform_tuple(rows->vals[i], rows->tupdesc, values, isnull);
		/* no identity, or not judged yet */
		if (isnull[0] || isnull[1] || isnull[2])
			continue;
		row->source_key = CStringGetTextDatum(
			OutputFunctionCall(&source->key_out, values[0]));
		row->obs_key = values[1];
		row->failed = DatumGetBool(values[2]);
		row->failed_checks =
			isnull[3] ? PointerGetDatum(construct_empty_array(TEXTOID))
					  : canonical_checks(values[3]);
		row->outcome_only = outcome_only;
		row->job_isnull = true;
		if (!outcome_only)
		{
			row->observed_at =
				isnull[4]
					? TimestampTzGetDatum(GetCurrentStatementStartTimestamp())
					: values[4];
			row->job_isnull = isnull[5];
			row->job = isnull[5] ? (Datum) 0 : values[5];
			row->dims = PointerGetDatum(PG_DETOAST_DATUM(values[6]));
		}
		row->settled = true;
		n++;
	}
	become_caller(&caller);
	*result = seen;
	return n;
}

/* "schema.view" of a source */
static char *
view_name(FailpatSource *source)
{
	return quote_qualified_identifier(get_namespace_name(
										  get_rel_namespace(source->view)),
									  get_rel_name(source->view));
}

/*
 * fp_source_keys(source text, after text, at_most integer) -> text[]
 *
 * The next keys of the view, ascending, with repeats; NULL after starts with
 * the first.
 */
Datum
failpat_source_keys(PG_FUNCTION_ARGS)
{
	MemoryContext	 cx = CurrentMemoryContext;
	Oid				 schema = get_func_namespace(fcinfo->flinfo->fn_oid);
	ArrayBuildState *keys = initArrayResult(TEXTOID, cx, false);
	FailpatSource	*source;
	StringInfoData	 sql;
	Oid				 types[1];
	Datum			 args[1] = {(Datum) 0};
	bool			 first = PG_ARGISNULL(1);
	Caller			 caller;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(2))
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
						errmsg("source and at_most must not be NULL")));
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	source = failpat_source(schema, text_to_cstring(PG_GETARG_TEXT_PP(0)));
	source->in_use++;
	become_owner(source, &caller);
	types[0] = source->key_type;
	initStringInfo(&sql);
	appendStringInfo(&sql,
					 "SELECT v.source_key FROM %s v WHERE v.source_key %s "
					 "ORDER BY v.source_key LIMIT %d",
					 view_name(source),
					 first ? "IS NOT NULL"
						   : psprintf("OPERATOR(%s) $1",
									  failpat_key_operator(source->key_type,
														   TYPECACHE_GT_OPR)),
					 Max(PG_GETARG_INT32(2), 0));
	if (!first)
		args[0] = InputFunctionCall(&source->key_in,
									text_to_cstring(PG_GETARG_TEXT_PP(1)),
									source->key_ioparam, -1);
	if (SPI_execute_with_args(sql.data, first ? 0 : 1, types, args, NULL, true,
							  0) != SPI_OK_SELECT)
		elog(ERROR, "SPI_execute_with_args failed");
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		bool  isnull;
		Datum key = SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc,
								  1, &isnull);

		keys = accumArrayResult(keys,
								CStringGetTextDatum(
									OutputFunctionCall(&source->key_out, key)),
								false, TEXTOID, cx);
	}
	become_caller(&caller);
	source->in_use--;
	SPI_finish();
	PG_RETURN_DATUM(makeArrayResult(keys, cx));
}

/*
 * fp_source_size(source text, at_most integer) -> integer
 *
 * How many rows the view has; no more than at_most are looked at.
 */
Datum
failpat_source_size(PG_FUNCTION_ARGS)
{
	Oid			   schema = get_func_namespace(fcinfo->flinfo->fn_oid);
	FailpatSource *source;
	Caller		   caller;
	bool		   isnull;
	int64		   size;

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	source = failpat_source(schema, text_to_cstring(PG_GETARG_TEXT_PP(0)));
	source->in_use++;
	become_owner(source, &caller);
	if (SPI_execute(psprintf("SELECT pg_catalog.count(*) FROM "
							 "(SELECT FROM %s LIMIT %d) part",
							 view_name(source), Max(PG_GETARG_INT32(1), 0)),
					true, 0) != SPI_OK_SELECT)
		elog(ERROR, "SPI_execute failed");
	size = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0],
									   SPI_tuptable->tupdesc, 1, &isnull));
	become_caller(&caller);
	source->in_use--;
	SPI_finish();
	PG_RETURN_INT32((int32) size);
}
