/*-------------------------------------------------------------------------
 *
 * worker.h
 *		What the schedule of refreshes and the worker that does them share.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef FAILPAT_WORKER_H
#define FAILPAT_WORKER_H

#include "failpat.h"

#include "utils/timestamp.h"

/* How a refresh by a worker ended. */
typedef enum FailpatOutcome
{
	FAILPAT_DONE,	/* nothing is left, or nothing was to do */
	FAILPAT_LEFT,	/* something could not be done yet: somebody has it */
	FAILPAT_FAILED, /* an error */
	FAILPAT_GONE	/* there is no such source any more */
} FailpatOutcome;

/* What a worker is told when it is started (in bgw_extra). */
typedef struct FailpatOrder
{
	Oid	 database;
	Oid	 schema;   /* the extension's */
	Oid	 owner;	   /* of failpat's tables: the worker's role */
	bool login;	   /* whether that role may log in */
	bool prepared; /* a prepared transaction captured something */
	bool asked;	   /* somebody asked for this refresh, not a commit */
	int	 interval; /* failpat.refresh_interval, ms */
	char source[NAMEDATALEN];
} FailpatOrder;

/* schedule.c */
extern void failpat_schedule_init(void);
extern void failpat_want_refresh(Oid schema, const char *source, Oid owner);
extern void failpat_want_left(Oid schema, const char *source, Oid owner);
extern bool failpat_may_login(Oid role);
extern bool failpat_quiet;	   /* nothing is asked for */
extern bool failpat_is_worker; /* this process is a worker of ours */

extern bool		   failpat_job_claim(FailpatOrder *order);
extern bool		   failpat_job_adopt(FailpatOrder *order);
extern TimestampTz failpat_job_due(FailpatOrder *order);
extern void		   failpat_job_begin(FailpatOrder *order);
extern bool		   failpat_job_end(FailpatOrder *order, FailpatOutcome outcome,
								   const char *error);
extern void		   failpat_job_abandon(FailpatOrder *order, const char *error,
									   bool again);

/* worker.c */
extern PGDLLEXPORT void failpat_worker_main(Datum arg);

#endif /* FAILPAT_WORKER_H */
