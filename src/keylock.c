/*-------------------------------------------------------------------------
 *
 * keylock.c
 *		Locks on keys, and work whose errors do not reach the writer.
 *
 * A capture locks the keys that it records, and a refresh its source: advisory
 * tags of a class of our own, held to the transaction's end.  No statement of
 * the platform's may become the victim of a deadlock because of us: so a wait
 * for a key looks for a deadlock at once (after 1 ms) and is its victim, and
 * it ends before half of deadlock_timeout has passed: whoever began to wait
 * for this transaction later looks only then.
 *
 * Memory: the caller's context; nothing lasts but a counter.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "common/hashfn.h"
#include "miscadmin.h"
#include "storage/lock.h"
#include "storage/proc.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

#include "capture.h"

/* key locks that this transaction has taken */
int failpat_key_locks = 0;

static void
transaction_ended(XactEvent event, void *arg)
{
	if (event == XACT_EVENT_COMMIT || event == XACT_EVENT_ABORT ||
		event == XACT_EVENT_PREPARE)
		failpat_key_locks = 0;
}

/* Called by _PG_init, through failpat_capture_init. */
void
failpat_keylock_init(void)
{
	RegisterXactCallback(transaction_ended, NULL);
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

/* A wait for one lock, for failpat_contained(). */
typedef struct LockWait
{
	LOCKTAG tag;
	int		wait; /* bound, in milliseconds */
} LockWait;

/*
 * Waits for a lock, with the settings under which the platform's statements
 * are safe from it (see the head of this file).
 */
static void
wait_for_lock(void *arg)
{
	LockWait *lock = arg;
	char	  wait[32];
	int		  nest = NewGUCNestLevel();

	snprintf(wait, sizeof(wait), "%d", lock->wait);
	(void) set_config_option("lock_timeout", wait, PGC_SUSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
	(void) set_config_option("deadlock_timeout", "1", PGC_SUSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
	(void) set_config_option("log_lock_waits", "off", PGC_SUSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
	(void) LockAcquire(&lock->tag, ExclusiveLock, false, false);
	AtEOXact_GUC(false, nest);
}

/*
 * Locks a key of a source to the end of the transaction; false where another
 * transaction has it for longer than the wait, in milliseconds (0: do not
 * wait), or where waiting would be a deadlock.  With a wait below 0 it waits
 * as any statement does, and fails as any does.
 */
bool
failpat_lock(uint16 class, const char *source, const char *key, int wait)
{
	LockWait   lock;
	uint64	   hash;
	ErrorData *error = NULL;

	hash = hash_bytes_extended((const unsigned char *) source,
							   (int) strlen(source), 0);
	hash = hash_bytes_extended((const unsigned char *) key, (int) strlen(key),
							   hash);
	SET_LOCKTAG_ADVISORY(lock.tag, MyDatabaseId, (uint32) (hash >> 32),
						 (uint32) hash, class);
	switch (LockAcquire(&lock.tag, ExclusiveLock, false, true))
	{
		case LOCKACQUIRE_OK:
			failpat_key_locks += class == FAILPAT_LOCK_KEY;
			return true;
		case LOCKACQUIRE_ALREADY_HELD:
		case LOCKACQUIRE_ALREADY_CLEAR:
			return true;
		case LOCKACQUIRE_NOT_AVAIL:
			break;
	}

	if (wait < 0)
	{
		(void) LockAcquire(&lock.tag, ExclusiveLock, false, false);
		return true;
	}
	lock.wait = Min(wait, DeadlockTimeout / 2);
	if (lock.wait <= 0)
		return false;
	if (failpat_contained(wait_for_lock, &lock, &error))
	{
		failpat_key_locks++;
		return true;
	}
	if (error->sqlerrcode != ERRCODE_LOCK_NOT_AVAILABLE &&
		error->sqlerrcode != ERRCODE_T_R_DEADLOCK_DETECTED)
		ReThrowError(error);
	FreeErrorData(error);
	return false;
}
