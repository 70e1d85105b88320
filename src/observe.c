/*-------------------------------------------------------------------------
 *
 * observe.c
 *		Writes observations, dirty buckets and pending keys.
 *
 * This is on the writer's path, so it writes the tables itself rather than
 * through SQL: three plans and executors would cost several times what the
 * rows do.  Rows are looked up, inserted and updated as the apply worker of
 * logical replication does it (executor/execReplication.c): constraints,
 * indexes and triggers are served as by the executor.
 *
 * Observations are written under the lock of their key only (capture.c), so
 * no other capture can be writing the same row, and no two captures can wait
 * for one another here.  fp_dirty and fp_pending have no keys: appending never
 * waits.  Columns are numbered as sql/install/40_sources.sql creates them.
 *
 * All memory comes from the current context, which the caller resets.
 * Takes RowExclusiveLock on the tables, held to the end of the transaction.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/relscan.h"
#include "access/stratnum.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "storage/bufmgr.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/fmgroids.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "capture.h"
#include "worker.h"

/* columns of fp_observations, from 0 */
enum
{
	OBS_SOURCE,
	OBS_KEY,
	OBS_SOURCE_KEY,
	OBS_AT,
	OBS_FAILED,
	OBS_CHECKS,
	OBS_JOB,
	OBS_DIMS,
	OBS_CHANGED,
	OBS_NATTS
};

/* columns of fp_pending, from 0 */
enum
{
	PEND_SOURCE,
	PEND_SOURCE_KEY,
	PEND_OBS_KEY,
	PEND_AT,
	PEND_FAILED,
	PEND_CHECKS,
	PEND_JOB,
	PEND_DIMS,
	PEND_REASON,
	PEND_ERROR,
	PEND_PUT_AT,
	PEND_TRIED_AT,
	PEND_NATTS
};

#define PENDING_COLUMNS                                                       \
	"source text, source_key text, obs_key text, observed_at timestamp with " \
	"time zone, failed boolean, failed_checks text[], job text, dims jsonb, " \
	"reason text, error text, at timestamp with time zone, tried_at "         \
	"timestamp with time zone"

/* columns of fp_dirty, from 0 */
enum
{
	DIRTY_SOURCE,
	DIRTY_BUCKET,
	DIRTY_AT,
	DIRTY_NATTS
};

/* The moment, or the first of the two, at which clocks show a local time. */
static TimestampTz
first_of_local(Timestamp local, text *zone)
{
	TimestampTz at = DatumGetTimestampTz(
		DirectFunctionCall2(timestamp_zone, PointerGetDatum(zone),
							TimestampGetDatum(local)));
	Timestamp before;

	if (TIMESTAMP_NOT_FINITE(at) || at <= MIN_TIMESTAMP + USECS_PER_DAY)
		return at;
	/* what clocks showed just before: that time or later, if they were put back */
	before = DatumGetTimestamp(
		DirectFunctionCall2(timestamptz_zone, PointerGetDatum(zone),
							TimestampTzGetDatum(at - 1)));
	return before < local ? at : at - (before + 1 - local);
}

PG_FUNCTION_INFO_V1(failpat_bucket);

/*
 * Start of the bucket that a moment lies in.
 *
 * Buckets of hours and less are cut from the zone's 1 January 2001 on, in
 * real time, so that the hour that a zone has twice a year makes two buckets.
 * Those of whole days are cut in local time from that Monday on, and those of
 * months from that January on.  Months and days do not mix.
 *
 * Where clocks are put back to midnight (Havana), a day begins at the first of
 * its two midnights: no bucket begins after what lies in it.
 */
Datum
failpat_bucket_start(Datum at, Interval *width, text *zone)
{
	Timestamp local;
	Timestamp origin = (Timestamp) 366 * USECS_PER_DAY; /* 2001-01-01 */
	/* there both kinds of timestamps are the same number */
	bool utc = VARSIZE_ANY_EXHDR(zone) == 3 &&
			   memcmp(VARDATA_ANY(zone), "UTC", 3) == 0;

	if (width->month == 0 && width->day == 0 && width->time > 0)
	{
		TimestampTz zero = DatumGetTimestampTz(
			DirectFunctionCall2(timestamp_zone, PointerGetDatum(zone),
								TimestampGetDatum(origin)));

		return DirectFunctionCall3(timestamptz_bin, IntervalPGetDatum(width),
								   at, TimestampTzGetDatum(zero));
	}
	local = utc ? (Timestamp) DatumGetTimestampTz(at)
				: DatumGetTimestamp(DirectFunctionCall2(timestamptz_zone,
														PointerGetDatum(zone),
														at));
	if (TIMESTAMP_NOT_FINITE(local))
		return at;
	if (width->month == 0 && width->day > 0 && width->time == 0)
	{
		int64 days = width->day;
		int64 since = (local - origin) / USECS_PER_DAY;

		if ((local - origin) % USECS_PER_DAY < 0)
			since--;
		since -= ((since % days) + days) % days;
		local = origin + since * USECS_PER_DAY;
	}
	else if (width->month > 0 && width->day == 0 && width->time == 0)
	{
		struct pg_tm tm;
		fsec_t		 fsec;
		int64		 months;

		if (timestamp2tm(local, NULL, &tm, &fsec, NULL, NULL) != 0)
			ereport(ERROR, (errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
							errmsg("timestamp out of range")));
		months = (int64) (tm.tm_year - 2001) * 12 + tm.tm_mon - 1;
		months -= ((months % width->month) + width->month) % width->month;
		tm.tm_mon = (int) (((months % 12) + 12) % 12);
		tm.tm_year = 2001 + (int) ((months - tm.tm_mon) / 12);
		tm.tm_mon++;
		tm.tm_mday = 1;
		tm.tm_hour = tm.tm_min = tm.tm_sec = 0;
		if (tm2timestamp(&tm, 0, NULL, &local) != 0)
			ereport(ERROR, (errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
							errmsg("timestamp out of range")));
	}
	else
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("bucket width must be positive, and of months, days "
						"or a time alone"),
				 errhint("For example 1 hour, 1 day, 7 days, 1 month.")));
	return TimestampTzGetDatum(utc && IS_VALID_TIMESTAMP(local)
								   ? (TimestampTz) local
								   : first_of_local(local, zone));
}

/* fp_bucket(at timestamptz, width interval, zone text) */
Datum
failpat_bucket(PG_FUNCTION_ARGS)
{
	return failpat_bucket_start(PG_GETARG_DATUM(0), PG_GETARG_INTERVAL_P(1),
								PG_GETARG_TEXT_PP(2));
}

static int
by_value(const void *a, const void *b)
{
	int64 x = *(const int64 *) a;
	int64 y = *(const int64 *) b;

	return (x > y) - (x < y);
}

static int
by_bytes(const void *a, const void *b)
{
	text *x = DatumGetTextPP(*(const Datum *) a);
	text *y = DatumGetTextPP(*(const Datum *) b);
	int	  lx = VARSIZE_ANY_EXHDR(x);
	int	  ly = VARSIZE_ANY_EXHDR(y);
	int	  result = memcmp(VARDATA_ANY(x), VARDATA_ANY(y), Min(lx, ly));

	return result != 0 ? result : (lx > ly) - (lx < ly);
}

static int
by_obs_key(const void *a, const void *b)
{
	return by_bytes(&((const FailpatSeen *) a)->obs_key,
					&((const FailpatSeen *) b)->obs_key);
}

/* n texts as an array, by their bytes, each once; reorders them. */
Datum
failpat_text_set(Datum *texts, int n)
{
	int kept = 0;

	qsort(texts, n, sizeof(Datum), by_bytes);
	for (int i = 0; i < n; i++)
		if (kept == 0 || by_bytes(&texts[kept - 1], &texts[i]) != 0)
			texts[kept++] = texts[i];
	return PointerGetDatum(
		construct_array(texts, kept, TEXTOID, -1, false, TYPALIGN_INT));
}

/* one mark per bucket, once per statement; sorts and uses up buckets */
static void
mark_dirty(FailpatSource *source, int64 *buckets, int n)
{
	Relation		rel;
	TupleTableSlot *slot;

	if (n == 0)
		return;
	qsort(buckets, n, sizeof(int64), by_value);
	rel = table_open(source->dirty, RowExclusiveLock);
	slot = table_slot_create(rel, NULL);
	for (int i = 0; i < n; i++)
	{
		if (i > 0 && buckets[i] == buckets[i - 1])
			continue;
		ExecClearTuple(slot);
		slot->tts_values[DIRTY_SOURCE] = CStringGetTextDatum(source->name);
		slot->tts_values[DIRTY_BUCKET] = TimestampTzGetDatum(buckets[i]);
		slot->tts_values[DIRTY_AT] =
			TimestampTzGetDatum(GetCurrentStatementStartTimestamp());
		memset(slot->tts_isnull, false, DIRTY_NATTS * sizeof(bool));
		for (int k = DIRTY_NATTS; k < slot->tts_tupleDescriptor->natts; k++)
			slot->tts_isnull[k] = true;
		ExecStoreVirtualTuple(slot);
		simple_table_tuple_insert(rel, slot);
	}
	ExecDropSingleTupleTableSlot(slot);
	if (source->async)
		failpat_want_refresh(RelationGetNamespace(rel), source->name,
							 source->owner);
	table_close(rel, NoLock);
}

/*
 * A scan of fp_observations by its primary key.
 *
 * SnapshotSelf: what is committed now, and our own rows, whatever the
 * isolation level; and unlike an MVCC snapshot it takes no predicate locks,
 * by which serializable writers would fail one another.
 */
static IndexScanDesc
begin_lookup(Relation rel, Relation pk)
{
	return index_beginscan(rel, pk, SnapshotSelf,
#if PG_VERSION_NUM >= 180000
						   NULL,
#endif
						   2, 0);
}

/* Whether nothing but its outcome can change in an observation. */
static bool
is_complete(FailpatSource *source, TupleTableSlot *slot)
{
	Jsonb *dims;

	slot_getallattrs(slot);
	if (source->has_job && slot->tts_isnull[OBS_JOB])
		return false;
	dims = DatumGetJsonbP(slot->tts_values[OBS_DIMS]);
	return JB_ROOT_IS_OBJECT(dims) &&
		   JB_ROOT_COUNT(dims) >= (uint32) source->ndims;
}

/*
 * Tells which keys have an observation of which only the outcome can change,
 * as far as that can be told without the view: where obs_key is source_key.
 */
void
failpat_find_recorded(FailpatSource *source, char **keys, int n,
					  bool *recorded)
{
	Relation		rel = table_open(source->observations, AccessShareLock);
	Relation		pk = index_open(source->observations_pk, AccessShareLock);
	TupleTableSlot *slot = table_slot_create(rel, NULL);
	IndexScanDesc	scan = begin_lookup(rel, pk);
	ScanKeyData		scankeys[2];

	ScanKeyInit(&scankeys[0], 1, BTEqualStrategyNumber, F_TEXTEQ,
				CStringGetTextDatum(source->name));
	for (int i = 0; i < n; i++)
	{
		ScanKeyInit(&scankeys[1], 2, BTEqualStrategyNumber, F_TEXTEQ,
					CStringGetTextDatum(keys[i]));
		index_rescan(scan, scankeys, 2, NULL, 0);
		recorded[i] = index_getnext_slot(scan, ForwardScanDirection, slot) &&
					  is_complete(source, slot);
	}
	index_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	index_close(pk, AccessShareLock);
	table_close(rel, AccessShareLock);
}

/*
 * Fills new_slot with what an existing observation becomes, given what the
 * view shows now; false where nothing changes.
 *
 * The outcome is the newest; time, job and parameters stay as first recorded,
 * and only what was not recorded is added.
 */
static bool
merge(TupleTableSlot *old_slot, FailpatSeen *seen, TupleTableSlot *new_slot)
{
	Datum *old;
	Datum  dims;
	bool   complete;
	int	   natts = old_slot->tts_tupleDescriptor->natts;

	slot_getallattrs(old_slot);
	old = old_slot->tts_values;
	dims = PointerGetDatum(PG_DETOAST_DATUM(old[OBS_DIMS]));
	complete = seen->outcome_only || datumIsEqual(dims, seen->dims, false, -1);
	if (!complete && !JB_ROOT_IS_OBJECT(DatumGetJsonbP(dims)))
		dims = seen->dims; /* nothing that capture wrote */
	else if (!complete)
	{
		/* the right-hand side wins, and it is what was there first */
		Datum both = DirectFunctionCall2(jsonb_concat, seen->dims, dims);

		complete = compareJsonbContainers(&DatumGetJsonbP(both)->root,
										  &DatumGetJsonbP(dims)->root) == 0;
		dims = both;
	}
	if (complete && DatumGetBool(old[OBS_FAILED]) == seen->failed &&
		(seen->outcome_only || !old_slot->tts_isnull[OBS_JOB] ||
		 seen->job_isnull) &&
		datumIsEqual(PointerGetDatum(PG_DETOAST_DATUM(old[OBS_CHECKS])),
					 seen->failed_checks, false, -1))
		return false;

	ExecClearTuple(new_slot);
	memcpy(new_slot->tts_values, old, natts * sizeof(Datum));
	memcpy(new_slot->tts_isnull, old_slot->tts_isnull, natts * sizeof(bool));
	new_slot->tts_values[OBS_FAILED] = BoolGetDatum(seen->failed);
	new_slot->tts_values[OBS_CHECKS] = seen->failed_checks;
	if (!complete)
		new_slot->tts_values[OBS_DIMS] = dims;
	if (old_slot->tts_isnull[OBS_JOB] && !seen->outcome_only)
	{
		new_slot->tts_values[OBS_JOB] = seen->job;
		new_slot->tts_isnull[OBS_JOB] = seen->job_isnull;
	}
	new_slot->tts_values[OBS_CHANGED] =
		TimestampTzGetDatum(GetCurrentStatementStartTimestamp());
	ExecStoreVirtualTuple(new_slot);
	return true;
}

/*
 * Records what the source view showed, and marks the buckets that changed.
 *
 * Only those of the n rows that are settled (their keys locked by us) are
 * written.  Raises an error where the view shows an obs_key twice, or where a
 * row meets a lock or a unique key of somebody who writes fp_observations by
 * hand.  The array is sorted by obs_key.
 *
 * False where some row showed its outcome only and there is more to record:
 * the caller reads the view again, in full.
 */
bool
failpat_observe(FailpatSource *source, FailpatSeen *seen, int n)
{
	Relation		rel;
	Relation		pk;
	EState		   *estate = NULL; /* made when there is something to write */
	ResultRelInfo  *info = NULL;
	EPQState		epq;
	TupleTableSlot *old_slot;
	TupleTableSlot *new_slot;
	IndexScanDesc	scan;
	ScanKeyData		keys[2];
	Datum			name = CStringGetTextDatum(source->name);
	int64		   *buckets = palloc_array(int64, Max(n, 1));
	int				nbuckets = 0;
	int				natts;
	bool			complete = true;

	if (n == 0)
		return true;
	qsort(seen, n, sizeof(FailpatSeen), by_obs_key);
	for (int i = 1; i < n; i++)
		if (by_obs_key(&seen[i - 1], &seen[i]) == 0)
			ereport(ERROR,
					(errcode(ERRCODE_CARDINALITY_VIOLATION),
					 errmsg("the view of source \"%s\" shows an obs_key more "
							"than once",
							source->name),
					 errhint("Group by it, or make it part of the key.")));

	rel = table_open(source->observations, RowExclusiveLock);
	natts = RelationGetNumberOfAttributes(rel);
	pk = index_open(source->observations_pk, RowExclusiveLock);
	old_slot = table_slot_create(rel, NULL);
	new_slot = table_slot_create(rel, NULL);
	scan = begin_lookup(rel, pk);
	ScanKeyInit(&keys[0], 1, BTEqualStrategyNumber, F_TEXTEQ, name);

	for (int i = 0; i < n; i++)
	{
		bool  exists;
		Datum at;

		if (!seen[i].settled)
			continue;
		ScanKeyInit(&keys[1], 2, BTEqualStrategyNumber, F_TEXTEQ,
					seen[i].obs_key);
		index_rescan(scan, keys, 2, NULL, 0);
		exists = index_getnext_slot(scan, ForwardScanDirection, old_slot);
		if (seen[i].outcome_only && !(exists && is_complete(source, old_slot)))
		{
			complete = false;
			continue;
		}
		if (exists && !merge(old_slot, &seen[i], new_slot))
			continue;
		if (estate == NULL)
		{
			estate = CreateExecutorState();
			info = makeNode(ResultRelInfo);
			InitResultRelInfo(info, rel, 0, NULL, 0);
			ExecOpenIndices(info, false);
			estate->es_output_cid = GetCurrentCommandId(true);
			EvalPlanQualInit(&epq, estate, NULL, NIL, -1
#if PG_VERSION_NUM >= 160000
							 ,
							 NIL
#endif
			);
		}
		if (exists)
		{
			at = old_slot->tts_values[OBS_AT];
			ExecSimpleRelationUpdate(info, estate, &epq, old_slot, new_slot);
		}
		else
		{
			Datum *values = new_slot->tts_values;
			bool  *nulls = new_slot->tts_isnull;

			at = seen[i].observed_at;
			ExecClearTuple(new_slot);
			memset(nulls, false, OBS_NATTS * sizeof(bool));
			for (int k = OBS_NATTS; k < natts; k++)
				nulls[k] = true;
			values[OBS_SOURCE] = name;
			values[OBS_KEY] = seen[i].obs_key;
			values[OBS_SOURCE_KEY] = seen[i].source_key;
			values[OBS_AT] = at;
			values[OBS_FAILED] = BoolGetDatum(seen[i].failed);
			values[OBS_CHECKS] = seen[i].failed_checks;
			values[OBS_JOB] = seen[i].job;
			nulls[OBS_JOB] = seen[i].job_isnull;
			values[OBS_DIMS] = seen[i].dims;
			values[OBS_CHANGED] =
				TimestampTzGetDatum(GetCurrentStatementStartTimestamp());
			ExecStoreVirtualTuple(new_slot);
			ExecSimpleRelationInsert(info, estate, new_slot);
		}
		buckets[nbuckets++] = DatumGetTimestampTz(
			failpat_bucket_start(at, &source->bucket, source->zone));
	}

	index_endscan(scan);
	ExecDropSingleTupleTableSlot(old_slot);
	ExecDropSingleTupleTableSlot(new_slot);
	index_close(pk, NoLock);
	if (estate != NULL)
	{
		ExecCloseIndices(info);
		EvalPlanQualEnd(&epq);
		FreeExecutorState(estate);
	}
	table_close(rel, NoLock);
	mark_dirty(source, buckets, nbuckets);
	CommandCounterIncrement();
	return complete;
}

/*
 * Raises an error where a table does not begin with these columns, given as
 * "name type, name type": they are written by number, and a table of another
 * version (an upgrade under way, or only half done) may have others.
 */
void
failpat_check_columns(Relation rel, const char *columns)
{
	TupleDesc	   desc = RelationGetDescr(rel);
	StringInfoData is;
	size_t		   length = strlen(columns);

	initStringInfo(&is);
	for (int i = 0; i < desc->natts && (size_t) is.len < length; i++)
		appendStringInfo(&is, "%s%s %s", i > 0 ? ", " : "",
						 NameStr(TupleDescAttr(desc, i)->attname),
						 format_type_be(TupleDescAttr(desc, i)->atttypid));
	if (strcmp(is.data, columns) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("failpat's table %s is not that of this version",
						RelationGetRelationName(rel)),
				 errdetail("It should begin with the columns: %s.", columns),
				 errhint("ALTER EXTENSION failpat UPDATE; see fp_status().")));
	pfree(is.data);
}

/* The same for the tables that every capture writes. */
void
failpat_check_tables(Oid observations, Oid dirty, Oid pending)
{
	static const char *const columns[] = {
		"source text, obs_key text, source_key text, observed_at timestamp "
		"with time zone, failed boolean, failed_checks text[], job text, dims "
		"jsonb, changed_at timestamp with time zone",
		"source text, bucket timestamp with time zone, at timestamp with time "
		"zone",
		PENDING_COLUMNS};
	Oid relids[] = {observations, dirty, pending};

	for (int i = 0; i < lengthof(relids); i++)
	{
		Relation rel = table_open(relids[i], AccessShareLock);

		failpat_check_columns(rel, columns[i]);
		table_close(rel, AccessShareLock);
	}
}

/* Opens fp_pending in the extension's schema. */
static Relation
open_pending(Oid schema)
{
	Oid		 relid = get_relname_relid("fp_pending", schema);
	Relation rel;

	if (!OidIsValid(relid))
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_TABLE),
						errmsg("failpat's table fp_pending is missing")));
	rel = table_open(relid, RowExclusiveLock);
	failpat_check_columns(rel, PENDING_COLUMNS);
	return rel;
}

/*
 * Puts what was seen of keys that are not settled into fp_pending: refresh
 * reads them again, and falls back on this where the rows have gone by then.
 */
void
failpat_put_pending(FailpatSource *source, FailpatSeen *seen, int n,
					const char *reason)
{
	Relation		rel = table_open(source->pending, RowExclusiveLock);
	TupleTableSlot *slot = table_slot_create(rel, NULL);
	TimestampTz		now = GetCurrentStatementStartTimestamp();

	for (int i = 0; i < n; i++)
	{
		Datum *values = slot->tts_values;
		bool  *nulls = slot->tts_isnull;

		if (seen[i].settled)
			continue;
		ExecClearTuple(slot);
		memset(nulls, true, slot->tts_tupleDescriptor->natts * sizeof(bool));
		memset(nulls, false, PEND_NATTS * sizeof(bool));
		values[PEND_SOURCE] = CStringGetTextDatum(source->name);
		values[PEND_SOURCE_KEY] = seen[i].source_key;
		values[PEND_OBS_KEY] = seen[i].obs_key;
		values[PEND_AT] = seen[i].observed_at;
		values[PEND_FAILED] = BoolGetDatum(seen[i].failed);
		values[PEND_CHECKS] = seen[i].failed_checks;
		values[PEND_JOB] = seen[i].job;
		nulls[PEND_JOB] = seen[i].job_isnull;
		values[PEND_DIMS] = seen[i].dims;
		values[PEND_REASON] = CStringGetTextDatum(reason);
		nulls[PEND_ERROR] = true;
		values[PEND_PUT_AT] = TimestampTzGetDatum(now);
		nulls[PEND_TRIED_AT] = true;
		ExecStoreVirtualTuple(slot);
		simple_table_tuple_insert(rel, slot);
	}
	if (source->async)
		failpat_want_refresh(RelationGetNamespace(rel), source->name,
							 source->owner);
	ExecDropSingleTupleTableSlot(slot);
	table_close(rel, NoLock);
	CommandCounterIncrement();
}

/* Whether there may be rows in fp_pending: whether it has any pages. */
bool
failpat_any_pending(FailpatSource *source)
{
	Relation	rel = table_open(source->pending, AccessShareLock);
	BlockNumber pages = RelationGetNumberOfBlocks(rel);

	table_close(rel, AccessShareLock);
	return pages > 0;
}

/*
 * Puts n keys (text) into fp_pending of which nothing is known, with the
 * reason and, unless NULL, the error.  Needs no more of a source than its
 * name, as it is where captures end that could not even find their source.
 */
void
failpat_put_pending_keys(Oid schema, const char *name, Datum *keys, int n,
						 const char *reason, const char *error)
{
	Relation		rel = open_pending(schema);
	TupleTableSlot *slot = table_slot_create(rel, NULL);
	TimestampTz		now = GetCurrentStatementStartTimestamp();

	for (int i = 0; i < n; i++)
	{
		Datum *values = slot->tts_values;
		bool  *nulls = slot->tts_isnull;

		ExecClearTuple(slot);
		memset(nulls, true, slot->tts_tupleDescriptor->natts * sizeof(bool));
		values[PEND_SOURCE] = CStringGetTextDatum(name);
		values[PEND_SOURCE_KEY] = keys[i];
		values[PEND_REASON] = CStringGetTextDatum(reason);
		values[PEND_PUT_AT] = TimestampTzGetDatum(now);
		nulls[PEND_SOURCE] = nulls[PEND_SOURCE_KEY] = false;
		nulls[PEND_REASON] = nulls[PEND_PUT_AT] = false;
		if (error != NULL)
		{
			values[PEND_ERROR] = CStringGetTextDatum(error);
			nulls[PEND_ERROR] = false;
		}
		ExecStoreVirtualTuple(slot);
		simple_table_tuple_insert(rel, slot);
	}
	if (failpat_maybe_async(name))
		failpat_want_refresh(schema, name, rel->rd_rel->relowner);
	ExecDropSingleTupleTableSlot(slot);
	table_close(rel, NoLock);
	CommandCounterIncrement();
}
