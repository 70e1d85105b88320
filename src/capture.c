/*-------------------------------------------------------------------------
 *
 * capture.c
 *		The trigger that turns written rows into observations.
 *
 * A statement trigger takes the keys that the statement touched, reads the
 * source view for them, and records what it shows (observe.c), in the writer's
 * transaction and out of the writer's way:
 *
 * - Whatever goes wrong or takes too long (contain.c) is rolled back to where
 *   capture began, its keys are put into fp_pending (missed.c), and it is
 *   reported as a warning; the writer's statement goes on.
 *
 * - Two transactions that write rows of the same key see each its own rows
 *   only, so neither could tell the outcome.  Each takes a lock on the key,
 *   to the end of its transaction, and reads with a snapshot taken under it,
 *   whatever the isolation level: the second sees what the first committed.
 *
 * - No statement of the platform's may become the victim of a deadlock because
 *   of us, so waits are short (contain.c).  Keys that stay locked, and those
 *   beyond a number that could exhaust the lock table, go to fp_pending, with
 *   what was seen of them.
 *
 * - A SERIALIZABLE transaction fails where its reads and another's writes meet,
 *   in a page of an index, say.  The reads would be ours, so there are none:
 *   what it wrote goes to fp_pending.
 *
 * - The view is read as its owner (reading.c), our tables are written as
 *   theirs: whoever may write scores needs no other right.
 *
 * Memory: in the trigger's context and SPI's, gone with the statement.
 * Locks: advisory tags of a class of our own, held to the transaction's end.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "executor/executor.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/tuplestore.h"

#include "capture.h"
#include "worker.h"

/* keys per reading of the view: bounds memory, not what a statement may do */
#define BATCH 500

int failpat_capture_errors = FAILPAT_ERRORS_WARN;
int failpat_max_key_locks = 256;

static const struct config_enum_entry capture_errors_options[] = {
	{"warn", FAILPAT_ERRORS_WARN, false},
	{"raise", FAILPAT_ERRORS_RAISE, false},
	{NULL, 0, false}};

PG_FUNCTION_INFO_V1(failpat_capture);
PG_FUNCTION_INFO_V1(failpat_capture_keys);

/* Why a key could not be settled. */
typedef enum KeyState
{
	KEY_SETTLED,
	KEY_BUSY, /* another transaction has it locked */
	KEY_MANY  /* this transaction has too many locks */
} KeyState;

/* Keys as they are captured: values of the view's type, ascending. */
typedef struct KeyList
{
	Datum *values;
	int	   n;
	int	   space;
} KeyList;

/* What one trigger call is about. */
typedef struct CaptureCall
{
	Oid			 schema; /* the extension's */
	const char	*source;
	TriggerData *trigger;
	int			 column; /* of the key, in the trigger's table */
	KeyList		 texts;	 /* the keys, where the source cannot be used */
	bool		 sync;	 /* the source is refreshed by its writers */
} CaptureCall;

/* Settings; called by _PG_init. */
void
failpat_capture_init(void)
{
	DefineCustomEnumVariable(
		"failpat.capture_errors",
		"What becomes of an error while rows are captured.",
		"warn: it is put down and the writer's statement goes on; raise: "
		"the statement fails.",
		&failpat_capture_errors, FAILPAT_ERRORS_WARN, capture_errors_options,
		PGC_SUSET, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("failpat.max_key_locks",
							"Most keys that one transaction locks.",
							"Those beyond it are left to the next refresh.",
							&failpat_max_key_locks, 256, 1, 100000, PGC_SUSET,
							0, NULL, NULL, NULL);
	failpat_contain_init();
	failpat_keylock_init();
}

static void
add_key(KeyList *keys, Datum value)
{
	if (keys->n == keys->space)
	{
		keys->space = Max(64, keys->space * 2);
		if (keys->values == NULL)
			keys->values = palloc_array(Datum, keys->space);
		else
			keys->values = repalloc_huge(keys->values,
										 mul_size(keys->space, sizeof(Datum)));
	}
	keys->values[keys->n++] = value;
}

static int
compare_keys(const void *a, const void *b, void *arg)
{
	FailpatSource *source = arg;

	return DatumGetInt32(
		FunctionCall2Coll(&source->key_cmp, source->key_collation,
						  *(const Datum *) a, *(const Datum *) b));
}

/* Sorts keys and drops repeats. */
static void
sort_keys(KeyList *keys, FailpatSource *source)
{
	int n = 0;

	if (keys->n < 2)
		return;
	qsort_arg(keys->values, keys->n, sizeof(Datum), compare_keys, source);
	for (int i = 0; i < keys->n; i++)
		if (n == 0 ||
			compare_keys(&keys->values[n - 1], &keys->values[i], source) != 0)
			keys->values[n++] = keys->values[i];
	keys->n = n;
}

/*
 * Adds the keys of a transition table.  Without a source (it could not be
 * read) they are text, as the table's own type prints them.
 */
static void
collect_keys(CaptureCall *call, Tuplestorestate *rows, FailpatSource *source,
			 KeyList *keys)
{
	TupleDesc		  desc = RelationGetDescr(call->trigger->tg_relation);
	Form_pg_attribute attr = TupleDescAttr(desc, call->column - 1);
	TupleTableSlot	 *slot;
	int				  pointer;
	Oid				  out;
	bool			  is_varlena;
	bool			  same;
	FmgrInfo		  out_function;
	Datum			  last = (Datum) 0;
	bool			  has_last = false;

	if (rows == NULL || tuplestore_tuple_count(rows) == 0)
		return;
	same = source != NULL && getBaseType(attr->atttypid) == source->key_type;
	if (!same)
	{
		getTypeOutputInfo(attr->atttypid, &out, &is_varlena);
		fmgr_info(out, &out_function);
	}

	/* A read pointer of our own: the first belongs to others. */
	pointer = tuplestore_alloc_read_pointer(rows, EXEC_FLAG_REWIND);
	tuplestore_select_read_pointer(rows, pointer);
	tuplestore_rescan(rows);
	slot = MakeSingleTupleTableSlot(desc, &TTSOpsMinimalTuple);
	while (tuplestore_gettupleslot(rows, true, false, slot))
	{
		bool  isnull;
		Datum value = slot_getattr(slot, call->column, &isnull);

		CHECK_FOR_INTERRUPTS();
		if (isnull)
			continue;
		if (same)
		{
			/* rows of one key mostly stand together */
			if (has_last && source->key_byval && value == last)
				continue;
			if (!source->key_byval)
				value = datumCopy(value, false, source->key_len);
		}
		else
		{
			char *text = OutputFunctionCall(&out_function, value);

			value = source != NULL ? InputFunctionCall(&source->key_in, text,
													   source->key_ioparam, -1)
								   : CStringGetTextDatum(text);
		}
		last = value;
		has_last = true;
		add_key(keys, value);
	}
	ExecDropSingleTupleTableSlot(slot);
	tuplestore_select_read_pointer(rows, 0);
}

static int
compare_strings(const void *a, const void *b)
{
	return strcmp(*(char *const *) a, *(char *const *) b);
}

/*
 * Records the last outcome of those of the keys that the view does not show
 * any more; keys are also given as texts, those not settled (sorted) as open.
 *
 * A pending row of the same key could be taken for newer by refresh, so where
 * there may be any, what is found is put there too, marked "gone".
 */
static void
capture_gone(FailpatSource *source, Datum *keys, char **texts, int n,
			 FailpatSeen *seen, int nseen, char **open, int nopen,
			 List **tables)
{
	char	   **shown = palloc_array(char *, nseen + 1);
	Datum		*lost = palloc_array(Datum, n);
	int			 nlost = 0;
	FailpatSeen *gone = NULL;
	int			 ngone;

	for (int i = 0; i < nseen; i++)
		shown[i] = TextDatumGetCString(seen[i].source_key);
	qsort(shown, nseen, sizeof(char *), compare_strings);
	for (int i = 0; i < n; i++)
		if (nseen == 0 || bsearch(&texts[i], shown, nseen, sizeof(char *),
								  compare_strings) == NULL)
			lost[nlost++] = keys[i];
	if (nlost == 0)
		return;

	ngone = failpat_see(source, &source->full, lost, nlost, &gone, 0, true,
						tables);
	for (int i = 0; i < ngone && nopen > 0; i++)
	{
		char *key = TextDatumGetCString(gone[i].source_key);

		gone[i].settled = bsearch(&key, open, nopen, sizeof(char *),
								  compare_strings) == NULL;
	}
	(void) failpat_observe(source, gone, ngone);
	if (nopen > 0 || failpat_any_pending(source))
	{
		for (int i = 0; i < ngone; i++)
			gone[i].settled = false;
		failpat_put_pending(source, gone, ngone, "gone");
	}
}

/*
 * Records what the view shows of n keys (ascending), a batch at a time.
 *
 * Without take_locks the caller vouches that nobody writes.  Where shown is
 * not NULL (that is, not for a trigger) the obs_keys seen are added to it and
 * the keys that were not settled to busy; else those go to fp_pending.
 *
 * Where rows were removed, keys may have none left.  Their observations stay,
 * with the outcome that the rows had: it is read once more, as it was before
 * this transaction, as it may never have been recorded (history that is not
 * loaded yet) or is still pending.
 */
static void
capture(Oid schema, FailpatSource *source, Datum *keys, int n, bool take_locks,
		bool removed, ArrayBuildState **shown, ArrayBuildState **busy)
{
	MemoryContext outer = CurrentMemoryContext;
	MemoryContext batch =
		AllocSetContextCreate(outer, "failpat batch", ALLOCSET_DEFAULT_SIZES);
	int wait = failpat_lock_wait;
	Oid save_user;
	int save_context;

	GetUserIdAndSecContext(&save_user, &save_context);
	SetUserIdAndSecContext(source->owner, save_context |
											  SECURITY_LOCAL_USERID_CHANGE |
											  SECURITY_RESTRICTED_OPERATION);
	for (int start = 0; start < n; start += BATCH)
	{
		int			 count = Min(BATCH, n - start);
		char	   **open = NULL; /* keys not settled, sorted as strings */
		bool		*open_seen = NULL;
		int			 nopen = 0;
		bool		 many = false;
		FailpatSeen *seen;
		int			 nseen;
		char	   **texts;	 /* the keys, as text */
		bool		*unread; /* keys that are not to be read */
		bool		*recorded;
		Datum		*known; /* keys of which the outcome is enough */
		Datum		*others;
		int			 nknown = 0;
		int			 nothers = 0;
		List		*tables = NIL; /* results that seen points into */
		ListCell	*cell;

		MemoryContextSwitchTo(batch);
		texts = palloc_array(char *, count);
		unread = palloc0_array(bool, count);
		recorded = palloc0_array(bool, count);
		known = palloc_array(Datum, count);
		others = palloc_array(Datum, count);
		for (int i = 0; i < count; i++)
			texts[i] = OutputFunctionCall(&source->key_out, keys[start + i]);
		for (int i = 0; take_locks && i < count; i++)
		{
			KeyState state = KEY_SETTLED;

			if (failpat_key_locks >= failpat_max_key_locks)
				state = KEY_MANY;
			else
			{
				TimestampTz before = GetCurrentTimestamp();

				if (!failpat_lock(FAILPAT_LOCK_KEY, source->name, texts[i],
								  wait))
					state = KEY_BUSY;
				/* the bound is one for the whole statement */
				wait -= Min(wait, (int) TimestampDifferenceMilliseconds(
									  before, GetCurrentTimestamp()));
			}
			if (state != KEY_SETTLED)
			{
				if (open == NULL)
					open = palloc_array(char *, count);
				open[nopen++] = texts[i];

				/*
				 * A serializable transaction that reads what another is
				 * writing fails, or fails that other.
				 */
				unread[i] = IsolationIsSerializable();
				many |= state == KEY_MANY;
			}
		}

		/* of what may not be written, all must be seen */
		if (nopen == 0)
			failpat_find_recorded(source, texts, count, recorded);
		for (int i = 0; i < count; i++)
		{
			if (unread[i])
				continue;
			if (recorded[i])
				known[nknown++] = keys[start + i];
			else
				others[nothers++] = keys[start + i];
		}
		seen = NULL;
		nseen = 0;
		if (nknown > 0)
			nseen = failpat_see(source, &source->outcome, known, nknown, &seen,
								nseen, false, &tables);
		if (nothers > 0)
			nseen = failpat_see(source, &source->full, others, nothers, &seen,
								nseen, false, &tables);
		if (nopen > 0)
		{
			qsort(open, nopen, sizeof(char *), compare_strings);
			open_seen = palloc0_array(bool, nopen);
			for (int i = 0; i < nseen; i++)
			{
				char  *key = TextDatumGetCString(seen[i].source_key);
				char **at = bsearch(&key, open, nopen, sizeof(char *),
									compare_strings);

				seen[i].settled = at == NULL;
				if (at != NULL)
					open_seen[at - open] = true;
			}
		}
		if (!failpat_observe(source, seen, nseen))
		{
			/* a key with more observations than the one of its own name */
			nseen = failpat_see(source, &source->full, keys + start, count,
								&seen, 0, false, &tables);
			(void) failpat_observe(source, seen, nseen);
		}
		if (removed)
			capture_gone(source, keys + start, texts, count, seen, nseen, open,
						 nopen, &tables);
		if (shown != NULL)
		{
			for (int i = 0; i < nseen; i++)
				*shown = accumArrayResult(*shown, seen[i].obs_key, false,
										  TEXTOID, outer);
			for (int i = 0; i < nopen; i++)
				*busy = accumArrayResult(*busy, CStringGetTextDatum(open[i]),
										 false, TEXTOID, outer);
		}
		else if (nopen > 0)
		{
			const char *reason = many ? "many" : "locked";
			Datum	   *unseen = palloc_array(Datum, nopen);
			int			nunseen = 0;

			failpat_put_pending(source, seen, nseen, reason);
			for (int i = 0; i < nopen; i++)
				if (!open_seen[i])
					unseen[nunseen++] = CStringGetTextDatum(open[i]);
			failpat_put_pending_keys(schema, source->name, unseen, nunseen,
									 reason, NULL);
		}
		foreach (cell, tables)
			SPI_freetuptable(lfirst(cell));
		MemoryContextSwitchTo(outer);
		MemoryContextReset(batch);
	}
	MemoryContextDelete(batch);
	if (source->async && n > 0)
		failpat_want_left(schema, source->name, source->owner);
	SetUserIdAndSecContext(save_user, save_context);
}

/*
 * What a SERIALIZABLE transaction wrote: keys that got rows, and keys that
 * lost some (both ascending).  All are for refresh to read.
 *
 * Keys that only lost rows may have none by then, so what they were is read
 * here after all, unless it is recorded and nothing waits that is newer.
 */
static void
defer(Oid schema, FailpatSource *source, KeyList *written, KeyList *removed)
{
	Datum	   *texts;
	int			ntexts = 0;
	Datum	   *lost = palloc_array(Datum, Max(removed->n, 1));
	int			nlost = 0;
	bool		pending;
	const char *reason = "serializable";
	Oid			save_user;
	int			save_context;

	GetUserIdAndSecContext(&save_user, &save_context);
	SetUserIdAndSecContext(source->owner, save_context |
											  SECURITY_LOCAL_USERID_CHANGE |
											  SECURITY_RESTRICTED_OPERATION);
	texts = palloc_array(Datum, Max(written->n + removed->n, 1));
	for (int i = 0; i < removed->n; i++)
		if (written->n == 0 ||
			bsearch_arg(&removed->values[i], written->values, written->n,
						sizeof(Datum), compare_keys, source) == NULL)
			lost[nlost++] = removed->values[i];
	for (int i = 0; i < written->n + nlost; i++)
		texts[ntexts++] = CStringGetTextDatum(
			OutputFunctionCall(&source->key_out, i < written->n
													 ? written->values[i]
													 : lost[i - written->n]));
	pending = nlost > 0 && failpat_any_pending(source);
	failpat_put_pending_keys(schema, source->name, texts, ntexts, reason,
							 NULL);
	for (int start = 0; start < nlost; start += BATCH)
	{
		int			 count = Min(BATCH, nlost - start);
		char	   **keys = palloc_array(char *, count);
		bool		*recorded = palloc0_array(bool, count);
		FailpatSeen *gone = NULL;
		int			 ngone;
		int			 nread = 0;
		List		*tables = NIL;

		for (int i = 0; i < count; i++)
			keys[i] = TextDatumGetCString(texts[written->n + start + i]);
		if (!pending)
			failpat_find_recorded(source, keys, count, recorded);
		for (int i = 0; i < count; i++)
			if (!recorded[i])
				lost[start + nread++] = lost[start + i];
		if (nread == 0)
			continue;
		ngone = failpat_see(source, &source->full, lost + start, nread, &gone,
							0, true, &tables);
		for (int i = 0; i < ngone; i++)
			gone[i].settled = false;
		failpat_put_pending(source, gone, ngone, "gone");
		SPI_freetuptable(linitial(tables));
	}
	SetUserIdAndSecContext(save_user, save_context);
}

/* The capture of one trigger call; any error is the caller's to handle. */
static void
capture_rows(void *arg)
{
	CaptureCall	  *call = arg;
	bool		   serializable = IsolationIsSerializable();
	FailpatSource *source;
	KeyList		   keys = {NULL, 0, 0};
	KeyList		   removed = {NULL, 0, 0};

	if (call->column <= 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("table %s has no column %s",
						RelationGetRelationName(call->trigger->tg_relation),
						call->trigger->tg_trigger->tgargs[1]),
				 errhint("fp_detach the source and fp_attach it again, then "
						 "CALL fp_backfill.")));
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	source = failpat_source(call->schema, call->source);
	source->in_use++;
	failpat_print_alike(source->zone);
	collect_keys(call, call->trigger->tg_newtable, source, &keys);
	collect_keys(call, call->trigger->tg_oldtable, source,
				 serializable ? &removed : &keys);
	sort_keys(&keys, source);
	sort_keys(&removed, source);
	if (serializable)
		defer(call->schema, source, &keys, &removed);
	else if (keys.n > 0)
		capture(call->schema, source, keys.values, keys.n, true,
				call->trigger->tg_oldtable != NULL, NULL, NULL);
	source->in_use--;
	/* a refresh reads far more than a capture does */
	call->sync = source->sync && !serializable;
	SPI_finish();
}

static int
compare_texts(const void *a, const void *b)
{
	text *x = DatumGetTextPP(*(const Datum *) a);
	text *y = DatumGetTextPP(*(const Datum *) b);
	int	  lx = VARSIZE_ANY_EXHDR(x);
	int	  ly = VARSIZE_ANY_EXHDR(y);
	int	  result = memcmp(VARDATA_ANY(x), VARDATA_ANY(y), Min(lx, ly));

	return result != 0 ? result : (lx > ly) - (lx < ly);
}

/* The keys of a call whose source could not be used, as texts, each once. */
static void
collect_texts(void *arg)
{
	CaptureCall *call = arg;
	KeyList		*keys = &call->texts;
	int			 n = 0;

	failpat_print_alike(NULL);
	collect_keys(call, call->trigger->tg_newtable, NULL, keys);
	collect_keys(call, call->trigger->tg_oldtable, NULL, keys);
	qsort(keys->values, keys->n, sizeof(Datum), compare_texts);
	for (int i = 0; i < keys->n; i++)
		if (n == 0 ||
			compare_texts(&keys->values[n - 1], &keys->values[i]) != 0)
			keys->values[n++] = keys->values[i];
	keys->n = n;
}

/*
 * Refreshes the source at the end of the statement, as our tables' owner;
 * where another session is at it, what was marked is left to the next one.
 */
static void
refresh_source(void *arg)
{
	CaptureCall *call = arg;
	Oid			 types[1] = {TEXTOID};
	Datum		 args[1] = {CStringGetTextDatum(call->source)};
	Oid			 observations;
	Oid			 save_user;
	int			 save_context;
	char		*sql;

	observations = get_relname_relid("fp_observations", call->schema);
	GetUserIdAndSecContext(&save_user, &save_context);
	SetUserIdAndSecContext(failpat_relation_owner(observations,
												  "fp_observations"),
						   save_context | SECURITY_LOCAL_USERID_CHANGE |
							   SECURITY_RESTRICTED_OPERATION);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	sql = psprintf("SELECT %s.fp_refresh_now($1)",
				   quote_identifier(get_namespace_name(call->schema)));
	if (SPI_execute_with_args(sql, 1, types, args, NULL, false, 0) !=
		SPI_OK_SELECT)
		elog(ERROR, "SPI_execute_with_args failed");
	SPI_finish();
	SetUserIdAndSecContext(save_user, save_context);
}

/* Puts the keys of a failed capture down and warns of it, or raises it. */
static void
report(CaptureCall *call, ErrorData *error)
{
	const char *message = failpat_told(error->message);
	const char *problem = NULL;
	ErrorData  *second = NULL;
	bool		known;
	FailpatKept kept;
	char	   *detail;
	const char *hint;

	if (failpat_is_wish(error) ||
		failpat_capture_errors == FAILPAT_ERRORS_RAISE)
		ReThrowError(error);
	known =
		call->column > 0 && failpat_contained(collect_texts, call, &second);
	if (second != NULL && failpat_is_wish(second))
		ReThrowError(second);
	kept = failpat_keep(call->schema, call->source,
						known ? call->texts.values : NULL, call->texts.n,
						message, &problem);
	detail =
		kept == FAILPAT_KEPT_SESSION
			? psprintf("That cannot be noted either, but by this session, "
					   "until it writes again: %s",
					   problem)
		: !known ? psprintf("Its keys are not known; fp_missed notes it.")
		: kept == FAILPAT_KEPT_MISSED
			? psprintf("Their keys are kept in fp_missed, as fp_pending "
					   "could not be written: %s",
					   problem)
			: psprintf("Their keys are kept in fp_pending.");
	hint = error->hint != NULL ? failpat_told(error->hint)
		   : kept == FAILPAT_KEPT_SESSION || !known
			   ? "Mend this, then CALL fp_backfill(source, restart => true)."
			   : "The next refresh reads them again.";
	ereport(WARNING,
			(errcode(error->sqlerrcode),
			 errmsg("failpat could not capture rows of source \"%s\": %s",
					call->source, message),
			 errdetail_internal("%s", detail), errhint("%s", hint)));
}

/*
 * fp_capture(source, key column): trigger AFTER a statement.
 */
Datum
failpat_capture(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;
	CaptureCall	 call;
	ErrorData	*error = NULL;
	int64		 rows = 0;

	if (!CALLED_AS_TRIGGER(fcinfo) ||
		!TRIGGER_FIRED_AFTER(trigger->tg_event) ||
		!TRIGGER_FIRED_FOR_STATEMENT(trigger->tg_event) ||
		trigger->tg_trigger->tgnargs != 2)
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("fp_capture must be called as a trigger AFTER a "
						"statement, with a source and a key column"),
				 errhint("fp_attach creates the triggers.")));
	if (trigger->tg_newtable != NULL)
		rows += tuplestore_tuple_count(trigger->tg_newtable);
	if (trigger->tg_oldtable != NULL)
		rows += tuplestore_tuple_count(trigger->tg_oldtable);
	if (rows == 0)
		return PointerGetDatum(NULL);

	memset(&call, 0, sizeof(call));
	call.schema = get_func_namespace(fcinfo->flinfo->fn_oid);
	call.source = trigger->tg_trigger->tgargs[0];
	call.trigger = trigger;
	/* dropped or renamed: 0 or less */
	call.column = SPI_fnumber(RelationGetDescr(trigger->tg_relation),
							  trigger->tg_trigger->tgargs[1]);
	failpat_keep_remembered();
	if (!failpat_bounded(capture_rows, &call, &error))
		report(&call, error);
	else if (call.sync && !failpat_bounded(refresh_source, &call, &error))
	{
		if (failpat_is_wish(error) ||
			failpat_capture_errors == FAILPAT_ERRORS_RAISE)
			ReThrowError(error);
		ereport(WARNING, (errcode(error->sqlerrcode),
						  errmsg("failpat could not refresh source \"%s\": %s",
								 call.source, failpat_told(error->message)),
						  errdetail("What was written is captured.")));
	}
	return PointerGetDatum(NULL);
}

/*
 * fp_capture_keys(source text, keys text[], take_locks boolean,
 *				   OUT shown text[], OUT busy text[])
 */
Datum
failpat_capture_keys(PG_FUNCTION_ARGS)
{
	char			*name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	ArrayType		*array = PG_GETARG_ARRAYTYPE_P(1);
	bool			 take_locks = PG_GETARG_BOOL(2);
	Oid				 schema = get_func_namespace(fcinfo->flinfo->fn_oid);
	MemoryContext	 cx = CurrentMemoryContext;
	FailpatSource	*source;
	Datum			*texts;
	bool			*nulls;
	int				 n;
	KeyList			 keys = {NULL, 0, 0};
	ArrayBuildState *shown;
	ArrayBuildState *busy;
	TupleDesc		 desc;
	Datum			 values[2];
	bool			 isnull[2] = {false, false};
	int				 nest;

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	desc = BlessTupleDesc(desc);
	deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT, &texts, &nulls,
					  &n);
	shown = initArrayResult(TEXTOID, cx, true);
	busy = initArrayResult(TEXTOID, cx, true);

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	source = failpat_source(schema, name);
	source->in_use++;
	nest = NewGUCNestLevel();
	failpat_print_alike(source->zone);
	for (int i = 0; i < n; i++)
		if (!nulls[i])
			add_key(&keys, InputFunctionCall(&source->key_in,
											 TextDatumGetCString(texts[i]),
											 source->key_ioparam, -1));
	sort_keys(&keys, source);
	if (keys.n > 0)
		capture(schema, source, keys.values, keys.n, take_locks, false, &shown,
				&busy);
	AtEOXact_GUC(false, nest);
	source->in_use--;
	SPI_finish();
	values[0] = makeArrayResult(shown, cx);
	values[1] = makeArrayResult(busy, cx);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(desc, values, isnull)));
}
