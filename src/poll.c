/*-------------------------------------------------------------------------
 *
 * poll.c
 *		Reads what is new in a source that no trigger captures.
 *
 * A piece of a poll reads the view from a time on, in order of observed_at, by
 * a cursor, and records what it shows as capture does: what is known gets its
 * newest outcome, nothing is removed.  It ends with the view, or after about a
 * second, so that a poll of whatever length is made of short transactions;
 * where the view itself takes longer to begin, after twice that time, so that
 * a view that sorts or counts all it has is not read a hundred times over.
 *
 * The next piece begins with the time that the last one ended at, once more,
 * as there may be more rows of that time.
 *
 * Rights: the view is read as its owner (reading.c), our tables are written as
 * theirs.
 *
 * Memory: a context for each batch of rows, and SPI's.
 * Locks: those of reading the view and of writing; none on keys, as who else
 * could write them is kept out by the caller, who holds the source's refresh
 * lock and the row in fp_source_state (backfill's), and no trigger captures.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "capture.h"

#define BATCH 500

/* number of observed_at among FailpatSource's columns */
#define AT_COLUMN 5

PG_FUNCTION_INFO_V1(failpat_poll_read);

/* Opens the cursor; the current user is the view's owner. */
static Portal
open_view(FailpatSource *source, TimestampTz since)
{
	Oid	   types[1] = {TIMESTAMPTZOID};
	Datum  args[1] = {TimestampTzGetDatum(since)};
	Portal portal;

	/* planned for this time: it decides whether an index is of use */
	PushActiveSnapshot(GetLatestSnapshot());
	portal = SPI_cursor_open_with_args(
		NULL,
		psprintf("SELECT %s FROM %s v "
				 "WHERE v.observed_at OPERATOR(pg_catalog.>=) $1 "
				 "ORDER BY v.observed_at",
				 source->columns, failpat_relation_name(source->view)),
		1, types, args, NULL, true, 0);
	PopActiveSnapshot();
	return portal;
}

/* Records a batch of rows, as our tables' owner. */
static void
record(FailpatSource *source, FailpatSeen *seen, int n)
{
	Oid save_user;
	int save_context;

	GetUserIdAndSecContext(&save_user, &save_context);
	SetUserIdAndSecContext(source->owner, save_context |
											  SECURITY_LOCAL_USERID_CHANGE |
											  SECURITY_RESTRICTED_OPERATION);
	(void) failpat_observe(source, seen, n);
	SetUserIdAndSecContext(save_user, save_context);
}

/*
 * Whether a piece that began at start, and had its first rows when they were
 * shown, has had its time; with a work of 0 ms it has with any rows.
 */
static bool
is_enough(TimestampTz start, TimestampTz shown, int work)
{
	long wait = TimestampDifferenceMilliseconds(start, shown);

	return work <= 0 ||
		   TimestampDifferenceExceeds(shown, GetCurrentTimestamp(),
									  (int) Max((long) work, wait));
}

/*
 * fp_poll_read(source text, since timestamptz, work_ms integer,
 *				OUT through timestamptz, OUT newest timestamptz,
 *				OUT seen bigint, OUT more boolean)
 *
 * All rows before through are recorded, and, unless there are more, those of
 * that time; NULL where there are none from since on.  newest is the time of
 * the newest row that is not dated ahead of now; NULL where there is none.
 */
Datum
failpat_poll_read(PG_FUNCTION_ARGS)
{
	char		  *name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	TimestampTz	   since = PG_GETARG_TIMESTAMPTZ(1);
	int			   work = PG_GETARG_INT32(2);
	Oid			   schema = get_func_namespace(fcinfo->flinfo->fn_oid);
	TimestampTz	   through = since;
	TimestampTz	   newest = 0;
	bool		   none = true; /* that is not ahead */
	TimestampTz	   start = GetCurrentTimestamp();
	TimestampTz	   shown = 0; /* when the first rows had come */
	int64		   total = 0;
	bool		   more = false;
	MemoryContext  outer = CurrentMemoryContext;
	MemoryContext  batch;
	FailpatSource *source;
	FailpatCaller  caller;
	Portal		   portal;
	TupleDesc	   desc;
	Datum		   values[4];
	bool		   isnull[4] = {false, false, false, false};

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	desc = BlessTupleDesc(desc);
	batch =
		AllocSetContextCreate(outer, "failpat batch", ALLOCSET_DEFAULT_SIZES);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	source = failpat_source(schema, name);
	source->in_use++;
	failpat_become_owner(source->view_owner, source->zone, &caller);
	portal = open_view(source, since);
	failpat_become_caller(&caller);
	for (;;)
	{
		FailpatSeen *seen;
		int			 n;
		bool		 is_null;

		CHECK_FOR_INTERRUPTS();
		failpat_become_owner(source->view_owner, source->zone, &caller);
		SPI_cursor_fetch(portal, true, BATCH);
		if (SPI_processed == 0)
		{
			failpat_become_caller(&caller);
			break;
		}
		MemoryContextSwitchTo(batch);
		seen = palloc_array(FailpatSeen, SPI_processed);
		n = failpat_take_rows(source, SPI_tuptable, SPI_processed, false, seen,
							  0);
		failpat_become_caller(&caller);
		/* from the last row back to the first that is not ahead */
		for (uint64 i = SPI_processed; i-- > 0;)
		{
			TimestampTz at = DatumGetTimestampTz(
				SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc,
							  AT_COLUMN, &is_null));

			if (i == SPI_processed - 1)
				through = at;
			if (at <= start)
			{
				newest = at;
				none = false;
				break;
			}
		}
		total += SPI_processed;
		if (shown == 0)
			shown = GetCurrentTimestamp();
		record(source, seen, n);
		SPI_freetuptable(SPI_tuptable);
		MemoryContextSwitchTo(outer);
		MemoryContextReset(batch);
		/* rows of one time are not parted: the next piece would not get on */
		if (through > since && is_enough(start, shown, work))
		{
			more = true;
			break;
		}
	}
	SPI_cursor_close(portal);
	source->in_use--;
	SPI_finish();
	MemoryContextDelete(batch);
	values[0] = TimestampTzGetDatum(through);
	isnull[0] = total == 0;
	values[1] = TimestampTzGetDatum(newest);
	isnull[1] = none;
	values[2] = Int64GetDatum(total);
	values[3] = BoolGetDatum(more);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(desc, values, isnull)));
}
