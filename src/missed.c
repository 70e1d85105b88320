/*-------------------------------------------------------------------------
 *
 * missed.c
 *		Where keys go whose capture failed.
 *
 * To fp_pending, from where the next refresh reads them.  Where that fails too
 * (it is locked, missing or cannot be written), to fp_missed, another table,
 * from where refresh moves them to fp_pending.  Where both fail, the session
 * remembers them, up to a bound, and puts them into fp_pending with its next
 * capture; what a session forgets because it ends is in the server's log only,
 * as the warning of the capture.
 *
 * A key that is read again once too often does no harm, so nothing here needs
 * to know whether the transaction that wrote the key was committed.
 *
 * Memory: what is remembered is in a context below TopMemoryContext.
 * Locks: RowExclusiveLock on the two tables; waits for them are bounded as in
 * contain.c.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "capture.h"
#include "worker.h"

/* keys in one row of fp_missed, and bytes of keys that a session remembers */
#define KEYS_PER_ROW 10000
#define REMEMBERED_BYTES (1024 * 1024)

/* columns of fp_missed, from 0 */
enum
{
	MISSED_SOURCE,
	MISSED_KEYS,
	MISSED_ERROR,
	MISSED_AT,
	MISSED_NATTS
};

/* What could not be captured of one statement. */
typedef struct Missed
{
	Oid			schema;
	const char *source;
	Datum	   *keys; /* text; NULL where they are not known */
	int			n;
	const char *error;
} Missed;

/* Statements whose keys this session remembers: Missed, in remembered_cx. */
static List			*remembered = NIL;
static MemoryContext remembered_cx = NULL;
static Size			 remembered_bytes = 0;
/* put down by this transaction, so forgotten once it has committed */
static bool remembered_put = false;

static void
transaction_ended(XactEvent event, void *arg)
{
	if (event == XACT_EVENT_COMMIT && remembered_put)
	{
		remembered = NIL;
		remembered_bytes = 0;
		MemoryContextReset(remembered_cx);
	}
	if (event == XACT_EVENT_COMMIT || event == XACT_EVENT_ABORT ||
		event == XACT_EVENT_PREPARE)
		remembered_put = false;
}

/* What was put down may have been undone: it is put down again. */
static void
subtransaction_ended(SubXactEvent event, SubTransactionId mine,
					 SubTransactionId parent, void *arg)
{
	if (event == SUBXACT_EVENT_ABORT_SUB)
		remembered_put = false;
}

/* Becomes the owner of our tables for as long as a work lasts. */
static void
become_tables_owner(Oid relid, const char *name, Oid *user, int *context)
{
	if (!OidIsValid(relid))
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_TABLE),
						errmsg("failpat's table %s is missing", name)));
	GetUserIdAndSecContext(user, context);
	SetUserIdAndSecContext(failpat_relation_owner(relid, name),
						   *context | SECURITY_LOCAL_USERID_CHANGE |
							   SECURITY_RESTRICTED_OPERATION);
}

static void
put_pending(void *arg)
{
	Missed *missed = arg;
	Oid		user;
	int		context;

	become_tables_owner(get_relname_relid("fp_pending", missed->schema),
						"fp_pending", &user, &context);
	failpat_put_pending_keys(missed->schema, missed->source, missed->keys,
							 missed->n, "error", missed->error);
	SetUserIdAndSecContext(user, context);
}

/* Whether fp_missed has a row of that source without keys already. */
static bool
known_unknown(Relation rel, const char *source)
{
	TupleTableSlot *slot = table_slot_create(rel, NULL);
	TableScanDesc	scan = table_beginscan(rel, SnapshotSelf, 0, NULL);
	bool			found = false;

	while (!found && table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		slot_getallattrs(slot);
		found = slot->tts_isnull[MISSED_KEYS] &&
				strcmp(TextDatumGetCString(slot->tts_values[MISSED_SOURCE]),
					   source) == 0;
	}
	table_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	return found;
}

static void
put_missed(void *arg)
{
	Missed		   *missed = arg;
	Oid				relid = get_relname_relid("fp_missed", missed->schema);
	Relation		rel;
	TupleTableSlot *slot;
	Oid				user;
	int				context;

	become_tables_owner(relid, "fp_missed", &user, &context);
	rel = table_open(relid, RowExclusiveLock);
	failpat_check_columns(rel, "source text, source_keys text[], error text, "
							   "at timestamp with time zone");
	slot = table_slot_create(rel, NULL);
	/* that some keys are not known is said once, not by each statement */
	if (missed->keys != NULL || !known_unknown(rel, missed->source))
		for (int start = 0; start == 0 || start < missed->n;
			 start += KEYS_PER_ROW)
		{
			Datum *values = slot->tts_values;
			bool  *nulls = slot->tts_isnull;

			ExecClearTuple(slot);
			memset(nulls, true,
				   slot->tts_tupleDescriptor->natts * sizeof(bool));
			memset(nulls, false, MISSED_NATTS * sizeof(bool));
			values[MISSED_SOURCE] = CStringGetTextDatum(missed->source);
			nulls[MISSED_KEYS] = missed->keys == NULL;
			if (missed->keys != NULL)
			{
				ArrayType *keys =
					construct_array(missed->keys + start,
									Min(missed->n - start, KEYS_PER_ROW),
									TEXTOID, -1, false, TYPALIGN_INT);

				values[MISSED_KEYS] = PointerGetDatum(keys);
			}
			values[MISSED_ERROR] = CStringGetTextDatum(missed->error);
			values[MISSED_AT] =
				TimestampTzGetDatum(GetCurrentStatementStartTimestamp());
			ExecStoreVirtualTuple(slot);
			simple_table_tuple_insert(rel, slot);
		}
	ExecDropSingleTupleTableSlot(slot);
	if (missed->keys != NULL && failpat_maybe_async(missed->source))
		failpat_want_refresh(missed->schema, missed->source,
							 rel->rd_rel->relowner);
	table_close(rel, NoLock);
	CommandCounterIncrement();
	SetUserIdAndSecContext(user, context);
}

/* Keeps a statement's keys for the session, or that there were some. */
static void
remember(Missed *missed)
{
	MemoryContext old;
	Missed		 *copy;
	Size		  bytes = 0;

	for (int i = 0; i < missed->n; i++)
		bytes += VARSIZE_ANY(DatumGetPointer(missed->keys[i])) + sizeof(Datum);
	if (remembered_cx == NULL)
	{
		remembered_cx =
			AllocSetContextCreate(TopMemoryContext, "failpat missed",
								  ALLOCSET_SMALL_SIZES);
		RegisterXactCallback(transaction_ended, NULL);
		RegisterSubXactCallback(subtransaction_ended, NULL);
	}
	remembered_put = false;
	if (remembered_bytes + bytes > REMEMBERED_BYTES || missed->keys == NULL)
	{
		ListCell *cell;

		/* too many to know: said once for each source */
		foreach (cell, remembered)
		{
			Missed *other = lfirst(cell);

			if (other->keys == NULL && other->schema == missed->schema &&
				strcmp(other->source, missed->source) == 0)
				return;
		}
		bytes = 0;
	}
	old = MemoryContextSwitchTo(remembered_cx);
	copy = palloc0_object(Missed);
	copy->schema = missed->schema;
	copy->source = pstrdup(missed->source);
	copy->error = pstrdup(missed->error);
	if (bytes > 0)
	{
		copy->n = missed->n;
		copy->keys = palloc_array(Datum, missed->n);
		for (int i = 0; i < missed->n; i++)
			copy->keys[i] = datumCopy(missed->keys[i], false, -1);
	}
	remembered = lappend(remembered, copy);
	remembered_bytes += bytes;
	MemoryContextSwitchTo(old);
}

/*
 * Keeps what could not be captured of a statement, as durably as may be.
 *
 * keys are texts, each once, NULL where they are not known.  Where they are
 * not kept in fp_pending, *problem says why.  Raises an error only where
 * somebody wants the statement to end.
 */
FailpatKept
failpat_keep(Oid schema, const char *source, Datum *keys, int n,
			 const char *error, const char **problem)
{
	Missed	   missed = {schema, source, keys, n, error};
	ErrorData *failure = NULL;

	if (keys != NULL)
	{
		if (failpat_contained_wait(put_pending, &missed, failpat_table_wait(),
								   &failure))
			return FAILPAT_KEPT_PENDING;
		if (failpat_is_wish(failure))
			ReThrowError(failure);
		*problem = failpat_told(failure->message);
	}
	if (failpat_contained_wait(put_missed, &missed, failpat_table_wait(),
							   &failure))
		return FAILPAT_KEPT_MISSED;
	if (failpat_is_wish(failure))
		ReThrowError(failure);
	*problem = failpat_told(failure->message);
	remember(&missed);
	return FAILPAT_KEPT_SESSION;
}

/* Puts what the session remembers where it belongs; all of it, or an error. */
static void
put_remembered(void *arg)
{
	ListCell *cell;

	foreach (cell, remembered)
	{
		Missed *missed = lfirst(cell);

		if (get_namespace_name(missed->schema) == NULL)
			continue; /* the extension has been dropped since */
		if (missed->keys != NULL)
			put_pending(missed);
		else
			put_missed(missed);
	}
}

/*
 * Tries once more to put down what earlier captures of this session could not.
 * Without such, it costs nothing.
 */
void
failpat_keep_remembered(void)
{
	ErrorData *failure = NULL;

	if (remembered == NIL || remembered_put)
		return;
	if (failpat_contained_wait(put_remembered, NULL, failpat_table_wait(),
							   &failure))
		remembered_put = true;
	else if (failpat_is_wish(failure))
		ReThrowError(failure);
}
