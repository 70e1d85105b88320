/*-------------------------------------------------------------------------
 *
 * worker.c
 *		The background worker that refreshes a source.
 *
 * It is started on demand (schedule.c), waits until its job is due without a
 * connection to any database, connects, refreshes, and ends.  If another
 * refresh is wanted by then another worker waits for it; only where there is
 * no slot for that, it waits itself.  So DROP DATABASE and CREATE DATABASE ...
 * TEMPLATE meet it in the moments of a refresh only.
 *
 * Rights: it connects as the owner of failpat's tables, whoever wrote.  Each
 * step runs with the restrictions of an operation on behalf of somebody else
 * (no SET ROLE, no deferred triggers), with a safe search_path and settings
 * that are undone, because it evaluates what others defined: the source view
 * (as its owner, see capture.c), and tables of labels.
 *
 * Each step is a transaction, so no lock and no snapshot is kept for long.  It
 * waits for a lock for less than anybody's deadlock_timeout, so that nobody is
 * the victim of a deadlock with it; where it does not get one it comes again.
 * Any other error ends the refresh too, is put down in fp_source_state, and
 * comes into the server's log.
 *
 * Memory: the transactions'.  Locks: the source's refresh lock and those of
 * the steps.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "commands/extension.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/proc.h"
#include "tcop/tcopprot.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#if PG_VERSION_NUM >= 170000
#include "utils/wait_event.h"
#endif

#include "capture.h"
#include "worker.h"

/* Something that is done in a transaction of its own. */
typedef struct Task
{
	FailpatOrder  *order;
	const char	  *home; /* the extension's schema, quoted */
	const char	  *error;
	FailpatRefresh at;	 /* how far the refresh has come */
	bool		   more; /* there are steps left */
	bool		   todo; /* there is something to refresh */
	FailpatOutcome outcome;
	List		  *others; /* sources that have something to refresh too */
	MemoryContext  cx;	   /* for what outlives the transaction */
} Task;

/*
 * Whether a source s has something to refresh, as SQL.  Keys whose reading
 * raised an error are none: they will raise it again.
 */
#define SOMETHING                                                         \
	"(EXISTS (SELECT FROM %1$s.fp_dirty d WHERE d.source = s.source)"     \
	" OR EXISTS (SELECT FROM %1$s.fp_pending p WHERE p.source = s.source" \
	"            AND (p.error IS NULL OR p.tried_at IS NULL))"            \
	" OR EXISTS (SELECT FROM %1$s.fp_missed m WHERE m.source = s.source"  \
	"            AND m.source_keys IS NOT NULL))"

/* the message of a FATAL error, for whoever asks why we ended */
static char last_words[256];
static bool for_now; /* that error is none of the next worker's */

static emit_log_hook_type next_log_hook = NULL;

static void
keep_last_words(ErrorData *error)
{
	if (error->elevel >= FATAL && error->message != NULL)
	{
		strlcpy(last_words, error->message, sizeof(last_words));
		for_now = error->sqlerrcode == ERRCODE_TOO_MANY_CONNECTIONS ||
				  error->sqlerrcode == ERRCODE_ADMIN_SHUTDOWN;
	}
	if (next_log_hook)
		next_log_hook(error);
}

static void
worker_ends(int code, Datum arg)
{
	FailpatOrder order;

	memcpy(&order, MyBgworkerEntry->bgw_extra, sizeof(order));
	if (last_words[0] != '\0')
		failpat_job_abandon(&order, last_words, for_now);
	else
		failpat_job_abandon(&order,
							code != 0 ? "the background worker ended early"
									  : NULL,
							true);
}

/* Waits until a job is due; ends the worker where it was told to. */
static void
wait_until_due(FailpatOrder *order)
{
	static uint32 event = 0;
	TimestampTz	  due;

#if PG_VERSION_NUM >= 170000
	if (event == 0)
		event = WaitEventExtensionNew("FailpatRefreshDelay");
#else
	event = PG_WAIT_EXTENSION;
#endif
	while ((due = failpat_job_due(order)) != 0)
	{
		long left =
			TimestampDifferenceMilliseconds(GetCurrentTimestamp(), due);

		CHECK_FOR_INTERRUPTS();
		if (ShutdownRequestPending)
			proc_exit(0);
		if (left <= 0)
			return;
		/* due may be brought forward, so look again now and then */
		(void) WaitLatch(MyLatch,
						 WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 Min(left, 1000), event);
		ResetLatch(MyLatch);
	}
	proc_exit(0);
}

/*
 * Connects as the owner of failpat's tables.  Before PostgreSQL 17 a role that
 * may not log in cannot be connected as; there the session becomes that role's
 * before anything is read that others can define.
 */
static void
connect_as(FailpatOrder *order)
{
#if PG_VERSION_NUM >= 170000
	BackgroundWorkerInitializeConnectionByOid(order->database, order->owner,
											  BGWORKER_BYPASS_ROLELOGINCHECK);
#else
	if (order->login)
		BackgroundWorkerInitializeConnectionByOid(order->database,
												  order->owner, 0);
	else
	{
		bool superuser;

		BackgroundWorkerInitializeConnectionByOid(order->database, InvalidOid,
												  0);
		StartTransactionCommand();
		(void) GetUserNameFromId(order->owner, false);
		superuser = superuser_arg(order->owner);
		CommitTransactionCommand();
		SetSessionAuthorization(order->owner, superuser);
	}
#endif
}

/* Settings of role or database that a refresh must not depend on. */
static void
settle_settings(void)
{
	static const char *const settings[][2] = {
		{"application_name", "failpat refresh"},
		{"default_transaction_isolation", "read committed"},
		{"default_transaction_read_only", "off"},
		{"deadlock_timeout", "1"},
		{"search_path", "pg_catalog, pg_temp"},
		/* what is lost in a failover is refreshed again */
		{"synchronous_commit", "local"},
#if PG_VERSION_NUM >= 170000
		{"transaction_timeout", "0"},
#endif
	};

	char wait[32];

	/* nobody may become the victim of a deadlock with us; see keylock.c */
	snprintf(wait, sizeof(wait), "%d", Max(DeadlockTimeout / 2, 1));
	SetConfigOption("lock_timeout", wait, PGC_SUSET, PGC_S_OVERRIDE);
	for (int i = 0; i < lengthof(settings); i++)
		SetConfigOption(settings[i][0], settings[i][1], PGC_SUSET,
						PGC_S_OVERRIDE);
}

/*
 * Does a task in a transaction, as the owner of failpat's tables and with
 * restrictions.  SPI is connected.
 */
static void
in_transaction(void (*task)(Task *), Task *arg)
{
	Oid user;
	int context;
	int nest;

	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	PushActiveSnapshot(GetTransactionSnapshot());
	GetUserIdAndSecContext(&user, &context);
	nest = NewGUCNestLevel();
	SetUserIdAndSecContext(arg->order->owner,
						   context | SECURITY_LOCAL_USERID_CHANGE |
							   SECURITY_RESTRICTED_OPERATION);
	task(arg);
	AtEOXact_GUC(false, nest);
	SetUserIdAndSecContext(user, context);
	SPI_finish();
	PopActiveSnapshot();
	CommitTransactionCommand();
}

/* Runs a query with the source as $1 (and a text as $2). */
static void
query(Task *task, const char *sql, const char *text, int expected)
{
	Oid	  types[2] = {TEXTOID, TEXTOID};
	Datum args[2];

	args[0] = CStringGetTextDatum(task->order->source);
	args[1] = text != NULL ? CStringGetTextDatum(text) : (Datum) 0;
	if (SPI_execute_with_args(sql, text != NULL ? 2 : 1, types, args, NULL,
							  false, 0) != expected)
		elog(ERROR, "SPI_execute_with_args failed");
}

/* The boolean in a column of the only row; false where it is NULL. */
static bool
flag(int column)
{
	bool  isnull;
	Datum value = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc,
								column, &isnull);

	return !isnull && DatumGetBool(value);
}

/*
 * Whether there is something to refresh.  The extension may have been dropped
 * since the worker was ordered, and its tables may have got another owner.
 */
static void
look(Task *task)
{
	FailpatOrder *order = task->order;
	Oid			  extension = get_extension_oid("failpat", true);
	Oid			  observations;
	Oid			  owner;

	task->outcome = FAILPAT_GONE;
	if (!OidIsValid(extension))
		return;
	query(task,
		  psprintf("SELECT extnamespace = %u FROM pg_catalog.pg_extension "
				   "WHERE oid = %u",
				   order->schema, extension),
		  NULL, SPI_OK_SELECT);
	if (SPI_processed != 1 || !flag(1))
		return;
	observations = get_relname_relid("fp_observations", order->schema);
	owner = failpat_relation_owner(observations, "fp_observations");
	if (owner != order->owner)
	{
		/* the next worker connects as that one */
		order->owner = owner;
		order->login = failpat_may_login(owner);
		task->outcome = FAILPAT_LEFT;
		return;
	}
	task->home =
		MemoryContextStrdup(task->cx, quote_identifier(
										  get_namespace_name(order->schema)));
	/* keys with errors are tried with the others, or when somebody asks */
	query(task,
		  psprintf("SELECT " SOMETHING " OR EXISTS "
				   "(SELECT FROM %1$s.fp_pending p WHERE p.source = s.source)"
				   " OR %2$s AND s.capture = 'poll'"
				   " FROM %1$s.fp_sources s "
				   "WHERE s.source = $1 AND s.refresh = 'async'",
				   task->home, order->asked ? "true" : "false"),
		  NULL, SPI_OK_SELECT);
	if (SPI_processed != 1)
		return;
	task->outcome = FAILPAT_DONE;
	if (!flag(1))
		return;

	/* where another session is at it, waiting would only hold a snapshot */
	query(task, psprintf("SELECT %s.fp_refresh_lock($1, false)", task->home),
		  NULL, SPI_OK_SELECT);
	task->todo = flag(1);
	if (!task->todo)
		task->outcome = FAILPAT_LEFT;
}

/* A step of the refresh. */
static void
refresh_some(Task *task)
{
	task->more =
		failpat_refresh_step(task->home, task->order->source, &task->at);
}

/*
 * What a refresh left behind: buckets whose counting failed (the refresh has
 * put that error down), keys that others held, and what a prepared transaction
 * may still commit.
 */
static void
look_again(Task *task)
{
	query(task,
		  psprintf("SELECT " SOMETHING " OR %2$s AND EXISTS "
				   "(SELECT FROM pg_catalog.pg_prepared_xacts x"
				   " WHERE x.database = pg_catalog.current_database())"
				   " FROM %1$s.fp_sources s WHERE s.source = $1",
				   task->home, task->order->prepared ? "true" : "false"),
		  NULL, SPI_OK_SELECT);
	task->outcome =
		SPI_processed == 1 && flag(1) ? FAILPAT_LEFT : FAILPAT_DONE;
}

/* Puts an error of the refresh down. */
static void
put_down(Task *task)
{
	query(task,
		  psprintf("UPDATE %s.fp_source_state SET error = $2, "
				   "error_at = pg_catalog.clock_timestamp() "
				   "WHERE source = $1",
				   task->home),
		  task->error, SPI_OK_UPDATE);
}

/*
 * Which other sources have something to refresh: of transactions that were
 * prepared, that found no slot for a worker, or that committed before a crash.
 */
static void
look_around(Task *task)
{
	MemoryContext old;

	query(task,
		  psprintf("SELECT s.source FROM %1$s.fp_sources s "
				   "WHERE s.source <> $1 AND s.refresh = 'async' "
				   "AND " SOMETHING " ORDER BY s.source",
				   task->home),
		  NULL, SPI_OK_SELECT);
	old = MemoryContextSwitchTo(task->cx);
	for (uint64 i = 0; i < SPI_processed; i++)
		task->others =
			lappend(task->others, SPI_getvalue(SPI_tuptable->vals[i],
											   SPI_tuptable->tupdesc, 1));
	MemoryContextSwitchTo(old);
}

/* Does a task; where it fails the error is logged, and kept in the task. */
static bool
attempt(void (*task)(Task *), Task *arg)
{
	volatile bool done = false;

	PG_TRY();
	{
		in_transaction(task, arg);
		done = true;
	}
	PG_CATCH();
	{
		ErrorData *error;

		HOLD_INTERRUPTS();
		MemoryContextSwitchTo(arg->cx);
		error = CopyErrorData();
		EmitErrorReport();
		FlushErrorState();
		AbortCurrentTransaction();
		arg->error = error->message ? error->message : "unknown error";
		/* somebody being in the way is no error of the source */
		if (error->sqlerrcode == ERRCODE_LOCK_NOT_AVAILABLE ||
			error->sqlerrcode == ERRCODE_T_R_DEADLOCK_DETECTED)
			arg->outcome = FAILPAT_LEFT;
		else
			arg->outcome = FAILPAT_FAILED;
		RESUME_INTERRUPTS();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(arg->cx);
	return done;
}

/*
 * Refreshes a source whose job is ours; true where this worker has to wait
 * for the next time itself.  Adds other sources with something to do to the
 * list.
 */
static bool
refresh(FailpatOrder *order, List **others)
{
	MemoryContext cx =
		AllocSetContextCreate(TopMemoryContext, "failpat refresh",
							  ALLOCSET_DEFAULT_SIZES);
	MemoryContext outer = MemoryContextSwitchTo(cx);
	Task		  task;
	bool		  stay;
	ListCell	 *cell;

	memset(&task, 0, sizeof(task));
	task.order = order;
	task.cx = cx;
	failpat_job_begin(order);
	task.at.poll = order->asked;
	pgstat_report_activity(STATE_RUNNING, psprintf("refresh of source \"%s\"",
												   order->source));
	elog(DEBUG1, "failpat: refresh of source \"%s\"", order->source);
	if (attempt(look, &task) && task.todo)
	{
		bool ok;

		do
		{
			CHECK_FOR_INTERRUPTS();
			ok = attempt(refresh_some, &task);
		} while (ok && task.more);
		if (ok)
			(void) attempt(look_again, &task);
		else if (task.outcome == FAILPAT_FAILED)
		{
			const char *error = task.error;

			/* unless the extension or the source has just been dropped */
			if (attempt(look, &task) && task.outcome != FAILPAT_GONE)
			{
				task.error = error;
				(void) attempt(put_down, &task);
				task.error = error;
				task.outcome = FAILPAT_FAILED;
			}
		}
	}
	else if (task.outcome == FAILPAT_DONE && order->prepared)
		(void) attempt(look_again, &task);
	if (task.outcome != FAILPAT_GONE && task.home != NULL &&
		attempt(look_around, &task))
	{
		MemoryContextSwitchTo(TopMemoryContext);
		foreach (cell, task.others)
			*others = lappend(*others, pstrdup(lfirst(cell)));
		MemoryContextSwitchTo(cx);
	}
	/* once the job has ended another may begin, and two would seem to be at it */
	pgstat_report_activity(STATE_IDLE, NULL);
	stay = failpat_job_end(order, task.outcome, task.error);
	MemoryContextSwitchTo(outer);
	MemoryContextDelete(cx);
	return stay;
}

/* A worker begins here. */
void
failpat_worker_main(Datum arg)
{
	FailpatOrder *order = palloc(sizeof(FailpatOrder));
	List		 *promised = list_make1(order); /* jobs that are ours */

	memcpy(order, MyBgworkerEntry->bgw_extra, sizeof(FailpatOrder));
	failpat_is_worker = true;
	pqsignal(SIGTERM, SignalHandlerForShutdownRequest);
	BackgroundWorkerUnblockSignals();
	if (!failpat_job_claim(order))
		proc_exit(0);
	before_shmem_exit(worker_ends, (Datum) 0);
	next_log_hook = emit_log_hook;
	emit_log_hook = keep_last_words;
	wait_until_due(order);

	/* from here on SIGTERM is an error of the transaction */
	pqsignal(SIGTERM, die);
	if (ShutdownRequestPending)
		proc_exit(0);
	connect_as(order);
	settle_settings();
	while (promised != NIL)
	{
		FailpatOrder *next = linitial(promised);
		List		 *others = NIL;
		ListCell	 *cell;

		foreach (cell, promised)
			if (failpat_job_due(lfirst(cell)) < failpat_job_due(next))
				next = lfirst(cell);
		wait_until_due(next);
		if (!refresh(next, &others))
			promised = list_delete_ptr(promised, next);
		foreach (cell, others)
		{
			FailpatOrder *other = palloc(sizeof(FailpatOrder));

			*other = *order;
			other->prepared = false;
			strlcpy(other->source, lfirst(cell), NAMEDATALEN);
			if (failpat_job_adopt(other))
				promised = lappend(promised, other);
			else
				pfree(other);
		}
		list_free_deep(others);
	}
	proc_exit(0);
}
