/*-------------------------------------------------------------------------
 *
 * schedule.c
 *		When which source is refreshed by a background worker.
 *
 * A transaction that captured something asks, once it is committed and others
 * can see it, for a refresh of its source.  What it then promises or finds
 * promised is kept in a table of jobs in shared memory, one for each database
 * and source that was written since the server started:
 *
 *	 idle		nobody is at it; who commits something schedules it and has a
 *				worker started
 *	 waiting	a worker waits until it is due, and begins then: what commits
 *				before that need do nothing
 *	 running	a worker is at it; what commits now may be too late for it, so
 *				it is marked to be done again
 *
 * A job is due at once if its last refresh began failpat.refresh_interval ago,
 * else when it did.  After an error that is doubled with each more in a row,
 * up to sixteenfold.  A worker that leaves something behind (keys that an open
 * transaction holds, an error, a lock that it did not get), or is told to end,
 * comes again by itself: some times in a row in which nothing was committed,
 * for what is committed brings it anyway.  After that the next commit does,
 * also one of which nothing has to be counted; so does the first after the
 * server started.
 *
 * A backend remembers until when what it commits is seen to, and asks nobody
 * before that.  Where such a promise is not kept (the job begins earlier than
 * was said, or its worker ends) the table's generation grows, by which every
 * backend knows that it has to ask again.
 *
 * Nothing here decides what a refresh does: that says fp_dirty and fp_pending,
 * in tables, so all of this may be lost at any moment and nothing is but time.
 *
 * Memory: the table is made by whoever comes first, out of what every server
 * has to spare (no preload), or in the registry of PostgreSQL 17; a hash of the
 * sources that this backend wrote lasts as long as the backend.  Locks: one
 * LWLock for the table, held for moments; nothing but BackgroundWorkerLock is
 * taken under it.  No errors may occur in what runs after the commit, so no
 * memory is allocated there.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/pg_authid.h"
#include "fmgr.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/hsearch.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/syscache.h"
#if PG_VERSION_NUM >= 170000
#include "storage/dsm_registry.h"
#endif

#include "capture.h"
#include "worker.h"

#define NJOBS 64
#define ERROR_LENGTH 160
#define BACK_OFF 4	 /* most doublings of the interval */
#define MORE_TRIES 8 /* a worker's own, in a row */
#define LOST_AFTER \
	30 /* s after which a worker that was to start is given up */
#define SLOT_AFTER 100 /* ms between two attempts to get a worker's slot */

typedef enum JobState
{
	JOB_IDLE,
	JOB_WAITING,
	JOB_RUNNING
} JobState;

typedef struct Job
{
	Oid			database; /* InvalidOid: free */
	Oid			schema;
	char		source[NAMEDATALEN];
	JobState	state;
	pid_t		pid;	  /* of the worker; 0 while it starts */
	bool		again;	  /* something was committed since it began */
	bool		prepared; /* something was prepared since it last ended */
	bool		asked;	  /* somebody asked for it since it last began */
	int			failures; /* in a row */
	int			tries;	  /* in a row that left something behind */
	bool		left_so;  /* no worker comes again for that by itself */
	bool		left;	  /* it is idle, and something may be left */
	TimestampTz since;	  /* of this state */
	TimestampTz due;	  /* while waiting */
	TimestampTz began;	  /* the last refresh; 0: never */
	TimestampTz slot_at;  /* when there was no slot for a worker */
	TimestampTz error_at;
	char		error[ERROR_LENGTH]; /* of the last, empty if it had none */
} Job;

typedef struct Jobs
{
	LWLock			 lock;
	pg_atomic_uint32 generation; /* written under the lock, read without it */
	Job				 jobs[NJOBS];
} Jobs;

/* A source that this backend captured for. */
typedef struct Known
{
	struct
	{
		Oid	 schema;
		char source[NAMEDATALEN];
	} key;
	Oid			  owner;
	bool		  login;
	bool		  wanted;	  /* by this transaction */
	bool		  urgent;	  /* whatever errors there were */
	TimestampTz	  asked;	  /* when it was last scheduled */
	TimestampTz	  covered;	  /* what commits from then to this is seen to, */
	uint32		  generation; /* as long as the table's is this */
	bool		  looked;	  /* nothing was left, */
	uint32		  looked_at;  /* while the table's generation was this */
	struct Known *next;		  /* of those wanted */
} Known;

static Jobs	 *shared = NULL;
static bool	  no_shared = false; /* it could not be had */
static HTAB	 *known = NULL;
static Known *wanted = NULL;

static bool async = true;
static int	refresh_interval = 10000;

bool failpat_is_worker = false;
bool failpat_quiet = false;

PG_FUNCTION_INFO_V1(failpat_ask_worker);
PG_FUNCTION_INFO_V1(failpat_worker_state);

/* Makes the table, where it is new. */
static void
init_jobs(void *where)
{
	Jobs *table = where;

	memset(table, 0, sizeof(Jobs));
	LWLockInitialize(&table->lock, LWLockNewTrancheId());
	pg_atomic_init_u32(&table->generation, 0);
}

/* Finds or makes the table; may raise an error. */
static void
attach(void *arg)
{
	bool  found;
	Jobs *table;

#if PG_VERSION_NUM >= 170000
	table = GetNamedDSMSegment("failpat", sizeof(Jobs), init_jobs, &found);
#else
	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	table = ShmemInitStruct("failpat", sizeof(Jobs), &found);
	if (!found)
		init_jobs(table);
	LWLockRelease(AddinShmemInitLock);
#endif
	LWLockRegisterTranche(table->lock.tranche, "failpat");
	shared = table;
}

/* Whether there is a table; never raises an error within a transaction. */
static bool
have_jobs(void)
{
	ErrorData *error = NULL;

	if (shared != NULL || no_shared)
		return shared != NULL;
	if (!IsTransactionState())
		attach(NULL); /* a worker that starts */
	else if (!failpat_contained(attach, NULL, &error))
	{
		no_shared = true;
		ereport(LOG,
				(errmsg("failpat cannot start workers: %s",
						error->message ? error->message : "unknown error"),
				 errhint("Use refresh mode \"manual\" or \"sync\".")));
	}
	return shared != NULL;
}

/*
 * The job of an order; made if there is none and create is set.  NULL where
 * there is none, or no place for one.  The caller holds the lock.
 */
static Job *
find_job(Oid database, Oid schema, const char *source, bool create)
{
	Job *free = NULL;

	for (int i = 0; i < NJOBS; i++)
	{
		Job *job = &shared->jobs[i];

		if (job->database == database && job->schema == schema &&
			strcmp(job->source, source) == 0)
			return job;
		/* a place never used, or else the one idle for longest */
		if (!OidIsValid(job->database))
		{
			if (free == NULL || OidIsValid(free->database))
				free = job;
		}
		else if (job->state == JOB_IDLE &&
				 (free == NULL ||
				  (OidIsValid(free->database) && job->since < free->since)))
			free = job;
	}
	if (!create || free == NULL)
		return NULL;
	memset(free, 0, sizeof(Job));
	free->database = database;
	free->schema = schema;
	strlcpy(free->source, source, NAMEDATALEN);
	return free;
}

static void
set_state(Job *job, JobState state, pid_t pid)
{
	job->state = state;
	job->pid = pid;
	job->since = GetCurrentTimestamp();
}

static void
set_error(Job *job, const char *error)
{
	strlcpy(job->error, error, ERROR_LENGTH);
	job->error[pg_mbcliplen(error, strlen(error), ERROR_LENGTH - 1)] = '\0';
	job->error_at = GetCurrentTimestamp();
}

/* What was promised may not be kept: backends ask again.  Under the lock. */
static void
break_promises(void)
{
	(void) pg_atomic_fetch_add_u32(&shared->generation, 1);
}

/*
 * A job is left with nobody at it, and whoever captures next is to bring it
 * back.  Under the lock.
 */
static void
leave(Job *job)
{
	if (!job->left)
		break_promises();
	job->left = true;
}

/* When a job may begin that was so many times not done. */
static TimestampTz
may_begin(Job *job, int interval, int times)
{
	TimestampTz at;

	if (job->began == 0)
		return GetCurrentTimestamp();
	at = TimestampTzPlusMilliseconds(job->began,
									 (int64) interval << Min(times, BACK_OFF));
	return Max(at, GetCurrentTimestamp());
}

/* Has a worker started; false where there is no slot for one. */
static bool
start_worker(FailpatOrder *order)
{
	BackgroundWorker worker;

	StaticAssertStmt(sizeof(FailpatOrder) <= BGW_EXTRALEN,
					 "an order must fit into bgw_extra");
	memset(&worker, 0, sizeof(worker));
	snprintf(worker.bgw_name, BGW_MAXLEN, "failpat refresh of %s",
			 order->source);
	strlcpy(worker.bgw_type, "failpat refresh", BGW_MAXLEN);
	worker.bgw_flags =
		BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
#ifdef BGWORKER_INTERRUPTIBLE
	worker.bgw_flags |= BGWORKER_INTERRUPTIBLE;
#endif
	worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker.bgw_restart_time = BGW_NEVER_RESTART;
	strlcpy(worker.bgw_library_name, "failpat", BGW_MAXLEN);
	strlcpy(worker.bgw_function_name, "failpat_worker_main", BGW_MAXLEN);
	memcpy(worker.bgw_extra, order, sizeof(FailpatOrder));
	return RegisterDynamicBackgroundWorker(&worker, NULL);
}

/*
 * Sees to it that a refresh of the source begins after now, and notes until
 * when whatever commits is seen to by it (0: not at all).  Raises no error and
 * allocates nothing.
 */
static void
schedule(Known *one, FailpatOrder *order)
{
	Job		   *job;
	TimestampTz now = GetCurrentTimestamp();
	TimestampTz due;

	one->asked = now;
	one->covered = 0;
	LWLockAcquire(&shared->lock, LW_EXCLUSIVE);
	job = find_job(order->database, order->schema, order->source, true);
	if (job != NULL)
	{
		if (one->urgent)
		{
			job->failures = 0;
			job->asked = true;
		}
		job->prepared |= order->prepared;
		if (job->state == JOB_WAITING && job->pid == 0 &&
			TimestampDifferenceExceeds(job->since, now, LOST_AFTER * 1000))
		{
			set_error(job, "the background worker did not start");
			set_state(job, JOB_IDLE, 0);
			break_promises();
		}
		due = may_begin(job, order->interval, job->failures);
		switch (job->state)
		{
			case JOB_RUNNING:
				job->again = true;
				break;
			case JOB_WAITING:
				/* a worker looks whether it is due more often than once */
				if (due < job->due)
				{
					job->due = due;
					break_promises();
				}
				one->covered = job->due;
				break;
			case JOB_IDLE:
				if (job->slot_at != 0 &&
					!TimestampDifferenceExceeds(job->slot_at, now, SLOT_AFTER))
					break;
				job->due = one->covered = due;
				job->tries = 0;
				job->left_so = false;
				set_state(job, JOB_WAITING, 0);
				job->slot_at = 0;
				if (start_worker(order))
					job->left = false;
				else
				{
					leave(job);
					set_error(job, "no free slot for a background worker "
								   "(max_worker_processes)");
					set_state(job, JOB_IDLE, 0);
					job->slot_at = now;
					one->covered = 0;
				}
				break;
		}
	}
	one->generation = pg_atomic_read_u32(&shared->generation);
	LWLockRelease(&shared->lock);
}

/* Whether what commits now is in what this backend asked for last. */
static bool
is_seen_to(Known *one)
{
	TimestampTz now;

	if (one->covered == 0)
		return false;
	now = GetCurrentTimestamp();
	return one->asked <= now && now < one->covered &&
		   one->generation == pg_atomic_read_u32(&shared->generation);
}

/*
 * After a transaction: what it wanted is scheduled if it was committed.  One
 * that was prepared may be committed later, unseen by us; the worker then
 * looks some times.
 */
static void
transaction_ended(XactEvent event, void *arg)
{
	Known *one;

	if (event != XACT_EVENT_COMMIT && event != XACT_EVENT_ABORT &&
		event != XACT_EVENT_PREPARE)
		return;
	/* an error came in between where it should have been reset */
	failpat_quiet = false;
	while ((one = wanted) != NULL)
	{
		FailpatOrder order;

		wanted = one->next;
		one->wanted = false;
		if (event == XACT_EVENT_ABORT || !async)
			continue;
		if (event == XACT_EVENT_COMMIT && !one->urgent && is_seen_to(one))
			continue;
		memset(&order, 0, sizeof(order));
		order.database = MyDatabaseId;
		order.schema = one->key.schema;
		order.owner = one->owner;
		order.login = one->login;
		order.prepared = event == XACT_EVENT_PREPARE;
		order.interval = refresh_interval;
		strlcpy(order.source, one->key.source, NAMEDATALEN);
		schedule(one, &order);
	}
}

/* Whether a role may log in; true where there is none. */
bool
failpat_may_login(Oid role)
{
	HeapTuple tuple = SearchSysCache1(AUTHOID, ObjectIdGetDatum(role));
	bool	  result = true;

	if (HeapTupleIsValid(tuple))
	{
		result = ((Form_pg_authid) GETSTRUCT(tuple))->rolcanlogin;
		ReleaseSysCache(tuple);
	}
	return result;
}

/* The entry of a source; NULL where no worker can be. */
static Known *
known_source(Oid schema, const char *source)
{
	Known *one;
	Known  sought;
	bool   found;

	if (!async || failpat_quiet || failpat_is_worker || IsBinaryUpgrade ||
		!IsUnderPostmaster || RecoveryInProgress() || !have_jobs())
		return NULL;
	if (known == NULL)
	{
		HASHCTL ctl;

		memset(&ctl, 0, sizeof(ctl));
		ctl.keysize = sizeof(sought.key);
		ctl.entrysize = sizeof(Known);
		ctl.hcxt = TopMemoryContext;
		known = hash_create("failpat sources written", 8, &ctl,
							HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	}
	memset(&sought.key, 0, sizeof(sought.key));
	sought.key.schema = schema;
	strlcpy(sought.key.source, source, NAMEDATALEN);
	one = hash_search(known, &sought.key, HASH_ENTER, &found);
	if (!found)
		memset((char *) one + sizeof(one->key), 0,
			   sizeof(Known) - sizeof(one->key));
	return one;
}

/* The entry of a source, marked as wanted; NULL where no worker can be. */
static Known *
want(Oid schema, const char *source, Oid owner)
{
	Known *one = known_source(schema, source);

	if (one != NULL && !one->wanted)
	{
		one->owner = owner;
		one->login = failpat_may_login(owner);
		one->wanted = true;
		one->urgent = false;
		one->next = wanted;
		wanted = one;
	}
	return one;
}

/*
 * What was captured changes nothing, so there is nothing to refresh on its
 * account; but where nobody has looked since the server started, or something
 * was left, this is the occasion.  No error comes of it.
 */
void
failpat_want_left(Oid schema, const char *source, Oid owner)
{
	Known *one = known_source(schema, source);
	Job	  *job;
	bool   left;

	if (one == NULL || one->wanted ||
		(one->looked &&
		 one->looked_at == pg_atomic_read_u32(&shared->generation)))
		return;
	LWLockAcquire(&shared->lock, LW_SHARED);
	job = find_job(MyDatabaseId, schema, source, false);
	left = job == NULL || job->left;
	one->looked = !left;
	one->looked_at = pg_atomic_read_u32(&shared->generation);
	LWLockRelease(&shared->lock);
	if (left)
		(void) want(schema, source, owner);
}

/*
 * Asks for a refresh of a source once this transaction has committed.  Owner
 * is that of failpat's tables.  No error comes of it.
 */
void
failpat_want_refresh(Oid schema, const char *source, Oid owner)
{
	(void) want(schema, source, owner);
}

/* Whether there is a place for one more job.  Under the lock. */
static bool
has_place(void)
{
	for (int i = 0; i < NJOBS; i++)
	{
		if (!OidIsValid(shared->jobs[i].database) ||
			shared->jobs[i].state == JOB_IDLE)
			return true;
	}
	return false;
}

/* fp_ask_worker(source text) */
Datum
failpat_ask_worker(PG_FUNCTION_ARGS)
{
	char  *source = text_to_cstring(PG_GETARG_TEXT_PP(0));
	Oid	   schema = get_func_namespace(fcinfo->flinfo->fn_oid);
	Oid	   relid = get_relname_relid("fp_observations", schema);
	Known *one;

	if (strlen(source) >= NAMEDATALEN)
		PG_RETURN_BOOL(false);
	one =
		want(schema, source, failpat_relation_owner(relid, "fp_observations"));
	if (one != NULL)
		one->urgent = true;
	PG_RETURN_BOOL(one != NULL);
}

/*
 * fp_worker(source text, OUT state text, OUT since timestamptz,
 *			 OUT due timestamptz, OUT error text, OUT error_at timestamptz)
 */
Datum
failpat_worker_state(PG_FUNCTION_ARGS)
{
	static const char *const names[] = {"idle", "waiting", "running"};
	char					*source = text_to_cstring(PG_GETARG_TEXT_PP(0));
	Oid		  schema = get_func_namespace(fcinfo->flinfo->fn_oid);
	TupleDesc desc;
	Datum	  values[5];
	bool	  isnull[5] = {true, true, true, true, true};
	Job		  job;
	bool	  found = false;

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	if (have_jobs())
	{
		Job *at;

		LWLockAcquire(&shared->lock, LW_SHARED);
		at = find_job(MyDatabaseId, schema, source, false);
		if (at != NULL)
		{
			job = *at;
			found = true;
		}
		else if (!has_place())
		{
			/* it may come between two looks, so nobody keeps it */
			memset(&job, 0, sizeof(job));
			set_state(&job, JOB_IDLE, 0);
			set_error(&job, "workers are at as many other sources of this "
							"server as can be kept track of");
			found = true;
		}
		LWLockRelease(&shared->lock);
	}
	if (found)
	{
		values[0] = CStringGetTextDatum(names[job.state]);
		values[1] = TimestampTzGetDatum(job.since);
		isnull[0] = isnull[1] = false;
		if (job.state == JOB_WAITING)
		{
			values[2] = TimestampTzGetDatum(job.due);
			isnull[2] = false;
		}
		if (job.error[0] != '\0')
		{
			/* it may have been cut where the encoding was not known */
			while (!pg_verifymbstr(job.error, strlen(job.error), true))
				job.error[strlen(job.error) - 1] = '\0';
			values[3] = CStringGetTextDatum(job.error);
			values[4] = TimestampTzGetDatum(job.error_at);
			isnull[3] = isnull[4] = false;
		}
	}
	PG_RETURN_DATUM(HeapTupleGetDatum(
		heap_form_tuple(BlessTupleDesc(desc), values, isnull)));
}

/*
 * What follows is called by workers only, for jobs that are theirs.
 */

/* Takes the job that this worker was started for; false where it has gone. */
bool
failpat_job_claim(FailpatOrder *order)
{
	Job *job;
	bool mine;

	(void) have_jobs();
	LWLockAcquire(&shared->lock, LW_EXCLUSIVE);
	job = find_job(order->database, order->schema, order->source, false);
	mine = job != NULL && job->state == JOB_WAITING && job->pid == 0;
	if (mine)
		set_state(job, JOB_WAITING, MyProcPid);
	LWLockRelease(&shared->lock);
	return mine;
}

/*
 * Sees to a source that has something to refresh and that nobody is at, unless
 * that was tried often enough since the last commit: this worker does it
 * (true), unless it is due later and another can wait for that.
 */
bool
failpat_job_adopt(FailpatOrder *order)
{
	Job *job;
	bool mine = false;

	LWLockAcquire(&shared->lock, LW_EXCLUSIVE);
	job = find_job(order->database, order->schema, order->source, true);
	if (job != NULL && job->state == JOB_IDLE && !job->left_so)
	{
		job->due = may_begin(job, order->interval, job->failures);
		job->left = false;
		mine = job->due <= GetCurrentTimestamp() || !start_worker(order);
		set_state(job, JOB_WAITING, mine ? MyProcPid : 0);
	}
	LWLockRelease(&shared->lock);
	return mine;
}

/* When a job is due that waits for this worker; 0 where it does not. */
TimestampTz
failpat_job_due(FailpatOrder *order)
{
	Job		   *job;
	TimestampTz due = 0;

	LWLockAcquire(&shared->lock, LW_SHARED);
	job = find_job(order->database, order->schema, order->source, false);
	if (job != NULL && job->state == JOB_WAITING && job->pid == MyProcPid)
		due = job->due;
	LWLockRelease(&shared->lock);
	return due;
}

/* A refresh begins: what commits from now on asks for another. */
void
failpat_job_begin(FailpatOrder *order)
{
	Job *job;

	LWLockAcquire(&shared->lock, LW_EXCLUSIVE);
	job = find_job(order->database, order->schema, order->source, false);
	if (job != NULL)
	{
		job->again = false;
		order->prepared |= job->prepared;
		job->prepared = false;
		order->asked = job->asked;
		job->asked = false;
		set_state(job, JOB_RUNNING, MyProcPid);
		job->began = job->since;
	}
	LWLockRelease(&shared->lock);
}

/*
 * A refresh has ended.  Where there is reason for another, a worker is ordered
 * for that; true where there is no slot for it, so that this one has to stay.
 */
bool
failpat_job_end(FailpatOrder *order, FailpatOutcome outcome, const char *error)
{
	Job *job;
	bool stay = false;

	LWLockAcquire(&shared->lock, LW_EXCLUSIVE);
	job = find_job(order->database, order->schema, order->source, false);
	if (job != NULL && job->state == JOB_RUNNING && job->pid == MyProcPid)
	{
		bool more = job->again;
		int	 times;

		job->failures = outcome == FAILPAT_FAILED ? job->failures + 1 : 0;

		/*
		 * What leaves something because others go on writing is no try in
		 * vain, and what was committed meanwhile does not wait for what is
		 * left.
		 */
		job->tries =
			outcome == FAILPAT_DONE || job->again ? 0 : job->tries + 1;
		if (error != NULL)
			set_error(job, error);
		else
			job->error[0] = '\0';
		if (outcome == FAILPAT_LEFT || outcome == FAILPAT_FAILED)
			more |= job->tries <= MORE_TRIES;
		times = Max(job->failures, job->tries - 1);
		job->again = false;
		if (outcome == FAILPAT_GONE)
			memset(job, 0, sizeof(Job));
		else if (!more)
		{
			set_state(job, JOB_IDLE, 0);
			job->tries = 0;
			job->left_so = outcome != FAILPAT_DONE;
			if (job->left_so)
				leave(job);
		}
		else
		{
			job->due = may_begin(job, order->interval, times);
			set_state(job, JOB_WAITING, 0);
			if (!start_worker(order))
			{
				job->pid = MyProcPid;
				stay = true;
			}
		}
	}
	LWLockRelease(&shared->lock);
	return stay;
}

/*
 * This worker ends.  Whatever it had promised is given to another one where
 * again is set (it was told to end, or there were too many connections), some
 * times in a row; else it is idle again.  With an error, that one is later.
 */
void
failpat_job_abandon(FailpatOrder *order, const char *error, bool again)
{
	if (shared == NULL)
		return;
	LWLockAcquire(&shared->lock, LW_EXCLUSIVE);
	for (int i = 0; i < NJOBS; i++)
	{
		Job			*job = &shared->jobs[i];
		FailpatOrder next = *order;
		bool		 more;

		if (!OidIsValid(job->database) || job->state == JOB_IDLE ||
			job->pid != MyProcPid)
			continue;
		break_promises();
		if (error != NULL)
		{
			/* it did not come to begin, or not to end */
			job->began = GetCurrentTimestamp();
			job->failures++;
			job->due = may_begin(job, order->interval, job->failures);
			set_error(job, error);
		}
		job->tries = job->again ? 0 : job->tries + 1;
		more = again && job->tries <= MORE_TRIES;
		job->again = false;
		job->left_so = again && !more;
		strlcpy(next.source, job->source, NAMEDATALEN);
		set_state(job, JOB_WAITING, 0);
		if (!more || !start_worker(&next))
		{
			set_state(job, JOB_IDLE, 0);
			leave(job);
		}
	}
	LWLockRelease(&shared->lock);
}

/* Settings; called by _PG_init. */
void
failpat_schedule_init(void)
{
	DefineCustomBoolVariable(
		"failpat.async",
		"Whether what is written starts background workers that refresh.",
		"It concerns sources in refresh mode async.", &async, true, PGC_SUSET,
		0, NULL, NULL, NULL);
	DefineCustomIntVariable(
		"failpat.refresh_interval",
		"Least time between two refreshes of a source by background workers.",
		NULL, &refresh_interval, 10000, 100, 24 * 60 * 60 * 1000, PGC_SUSET,
		GUC_UNIT_MS, NULL, NULL, NULL);
	RegisterXactCallback(transaction_ended, NULL);
}
