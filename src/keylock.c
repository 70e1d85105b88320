/*-------------------------------------------------------------------------
 *
 * keylock.c
 *		Locks on keys.
 *
 * A capture locks the keys that it records, and a refresh its source: advisory
 * tags of a class of our own, held to the transaction's end.  Waits are bounded
 * as contain.c says.
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

/* A wait for one lock, for failpat_contained_wait(). */
static void
wait_for_lock(void *arg)
{
	(void) LockAcquire(arg, ExclusiveLock, false, false);
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
	LOCKTAG	   tag;
	uint64	   hash;
	ErrorData *error = NULL;

	hash = hash_bytes_extended((const unsigned char *) source,
							   (int) strlen(source), 0);
	hash = hash_bytes_extended((const unsigned char *) key, (int) strlen(key),
							   hash);
	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, (uint32) (hash >> 32),
						 (uint32) hash, class);
	switch (LockAcquire(&tag, ExclusiveLock, false, true))
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
		(void) LockAcquire(&tag, ExclusiveLock, false, false);
		return true;
	}
	if (failpat_safe_wait(wait) <= 0)
		return false;
	if (failpat_contained_wait(wait_for_lock, &tag, wait, &error))
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
