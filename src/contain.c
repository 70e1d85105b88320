/*-------------------------------------------------------------------------
 *
 * contain.c
 *		Work for the writer's statement whose errors, waits and time are ours.
 *
 * Work is done in a subtransaction: an error undoes what it did, and goes no
 * further.  What is done on a writer's path is bounded as well:
 *
 * - A wait for any lock (somebody runs VACUUM FULL on one of our tables, or
 *   ALTER TABLE on one that the view reads) ends as a wait for a key does: it
 *   looks for a deadlock at once (after 1 ms) and is its victim, and it ends
 *   after failpat.lock_wait, and before half of deadlock_timeout has passed:
 *   whoever began to wait for this transaction later looks only then.
 *
 * - All of it ends after failpat.capture_timeout.
 *
 * The waits' settings are the server's own variables, set and restored here
 * directly: they have no hooks, the work is wholly between the two, and this
 * is done for each statement.  The timer cancels as statement_timeout does.
 * What then cannot be told is our timer from a user's cancel that comes in the
 * same instant; it is taken for ours.
 *
 * Memory: the caller's context.  Locks: those of the work.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <signal.h>

#include "access/xact.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "storage/lock.h"
#include "storage/proc.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/timeout.h"

#include "capture.h"

/*
 * Ms that a wait for any other lock than one on a key may last at least, also
 * where failpat.lock_wait is less: tables are extended under a lock.
 */
#define LEAST_WAIT 100

/* bytes of an error that are told and kept, as fp_told has it for SQL */
#define LONGEST_TOLD 500

int failpat_lock_wait = 500;
int failpat_capture_timeout = 10000;

/* deadlock_timeout as the user has it, while we have set it; else 0 */
static int users_deadlock_timeout = 0;

/* our timer, once it is registered, and whether it went off */
static bool					 timer_known = false;
static TimeoutId			 timer;
static volatile sig_atomic_t timer_went_off = false;

/* Called by _PG_init, through failpat_capture_init. */
void
failpat_contain_init(void)
{
	DefineCustomIntVariable(
		"failpat.lock_wait",
		"How long a capture waits for keys that another transaction writes, "
		"and for any other lock.",
		"Then what it would have recorded is left to the next refresh.",
		&failpat_lock_wait, 500, 0, 60000, PGC_USERSET, GUC_UNIT_MS, NULL,
		NULL, NULL);
	DefineCustomIntVariable(
		"failpat.capture_timeout",
		"How long a capture may take of a writer's statement.",
		"Then its keys are left to the next refresh. 0 means no limit.",
		&failpat_capture_timeout, 10000, 0, INT_MAX, PGC_USERSET, GUC_UNIT_MS,
		NULL, NULL, NULL);
}

/*
 * Whether an error is somebody's wish that the statement should end.  A
 * statement_timeout has the same code as a cancel, but what the user bounds
 * by it is the statement, which is done but for us.
 */
bool
failpat_is_wish(ErrorData *error)
{
	if (error->sqlerrcode == ERRCODE_QUERY_CANCELED)
		return error->message == NULL ||
			   strcmp(error->message,
					  _("canceling statement due to statement timeout")) != 0;
	return error->sqlerrcode == ERRCODE_ADMIN_SHUTDOWN ||
		   error->sqlerrcode == ERRCODE_CRASH_SHUTDOWN;
}

/*
 * An error as it is told and kept, cut short: the server's wording may have a
 * value of any length in it.
 */
const char *
failpat_told(const char *message)
{
	int keep;

	if (message == NULL)
		return "unknown error";
	if (strlen(message) <= LONGEST_TOLD)
		return message;
	keep = pg_mbcliplen(message, strlen(message), LONGEST_TOLD);
	return psprintf("%.*s...", keep, message);
}

/* The longest wait for a lock, in ms, that is safe for those who wait for us. */
int
failpat_safe_wait(int wait)
{
	return Min(wait, (users_deadlock_timeout > 0 ? users_deadlock_timeout
												 : DeadlockTimeout) /
						 2);
}

/* The longest wait for a lock that is not one on a key, in ms. */
int
failpat_table_wait(void)
{
	return Max(failpat_lock_wait, LEAST_WAIT);
}

/* In a signal handler. */
static void
timer_handler(void)
{
	timer_went_off = true;
	InterruptPending = true;
	QueryCancelPending = true;
}

/*
 * Does some work in a subtransaction; true if it succeeded.  Where it raised
 * an error its changes and locks are undone, and the error is in *error.
 */
bool
failpat_contained(void (*work)(void *), void *arg, ErrorData **error)
{
	MemoryContext cx = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	volatile bool done = false;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(cx);
	PG_TRY();
	{
		work(arg);
		ReleaseCurrentSubTransaction();
		done = true;
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(cx);
		*error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(cx);
	CurrentResourceOwner = owner;
	return done;
}

/*
 * The same, with no wait for a lock that is longer than wait, in ms (0: as
 * short as possible).
 */
bool
failpat_contained_wait(void (*work)(void *), void *arg, int wait,
					   ErrorData **error)
{
	int	 lock_timeout = LockTimeout;
	int	 deadlock_timeout = DeadlockTimeout;
	bool log_waits = log_lock_waits;
	int	 users = users_deadlock_timeout;
	bool done;

	wait = Max(failpat_safe_wait(wait), 1);
	if (users == 0)
		users_deadlock_timeout = deadlock_timeout;
	LockTimeout = lock_timeout > 0 ? Min(lock_timeout, wait) : wait;
	DeadlockTimeout = 1;
	log_lock_waits = false;
	/* no error leaves it, and what ends the process needs no restoring */
	done = failpat_contained(work, arg, error);
	LockTimeout = lock_timeout;
	DeadlockTimeout = deadlock_timeout;
	log_lock_waits = log_waits;
	users_deadlock_timeout = users;
	return done;
}

/*
 * The same for all that is done on a writer's path: with waits bounded by
 * failpat.lock_wait, and all of it by failpat.capture_timeout.
 */
bool
failpat_bounded(void (*work)(void *), void *arg, ErrorData **error)
{
	bool timed = failpat_capture_timeout > 0;
	bool done;

	if (timed && !timer_known)
	{
		timer = RegisterTimeout(USER_TIMEOUT, timer_handler);
		timer_known = true;
	}
	/* a capture within a capture (a function in the view writes) has the
	 * outer one's time */
	if (timed && get_timeout_active(timer))
		timed = false;
	if (timed)
	{
		timer_went_off = false;
		enable_timeout_after(timer, failpat_capture_timeout);
	}
	done = failpat_contained_wait(work, arg, failpat_table_wait(), error);
	if (timed)
	{
		disable_timeout(timer, false);
		if (timer_went_off)
		{
			if (done || (*error)->sqlerrcode != ERRCODE_QUERY_CANCELED)
				QueryCancelPending = false; /* it came too late */
			else
			{
				(*error)->sqlerrcode = ERRCODE_CONFIGURATION_LIMIT_EXCEEDED;
				(*error)->message =
					psprintf("it took longer than failpat.capture_timeout "
							 "(%d ms)",
							 failpat_capture_timeout);
			}
			timer_went_off = false;
		}
	}
	return done;
}
