/*-------------------------------------------------------------------------
 *
 * capture.h
 *		What capture, its source cache, its writer and refresh share.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef FAILPAT_CAPTURE_H
#define FAILPAT_CAPTURE_H

#include "failpat.h"

#include "executor/spi.h"
#include "fmgr.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

/*
 * The fourth field of our advisory lock tags.  Users' advisory locks have 1
 * (one bigint) or 2 (two integers) there, so theirs and ours never meet; in
 * pg_locks it is the column objsubid.
 */
#define FAILPAT_LOCK_KEY 18000	   /* one key of one source */
#define FAILPAT_LOCK_REFRESH 18001 /* the refresh of one source */

/* failpat.capture_errors */
typedef enum FailpatCaptureErrors
{
	FAILPAT_ERRORS_WARN,
	FAILPAT_ERRORS_RAISE
} FailpatCaptureErrors;

extern int failpat_capture_errors;
extern int failpat_lock_wait;		/* failpat.lock_wait, ms */
extern int failpat_capture_timeout; /* failpat.capture_timeout, ms; 0: none */
extern int failpat_max_key_locks;	/* failpat.max_key_locks */

typedef struct FailpatPlan
{
	SPIPlanPtr plan;
	bool	   planned; /* has been run, so has its generic plan */
} FailpatPlan;

/* A source as a backend knows it; see source.c. */
typedef struct FailpatSource
{
	char name[NAMEDATALEN]; /* hash key */
	bool valid;				/* false: read the configuration again */
	bool changed;			/* invalidated since the last reading began */
	int	 in_use;			/* captures under way in this transaction */

	MemoryContext cx; /* holds what the pointers below lead to */
	Oid			  observations;
	Oid			  observations_pk;
	Oid			  dirty;
	Oid			  pending;
	Oid			  owner; /* of our tables */

	Oid	 view;
	Oid	 view_owner;
	bool sync;	/* refresh at the end of each writing statement */
	bool async; /* a background worker refreshes after the commit */

	Interval bucket;
	text	*zone;
	int		 ndims;
	bool	 has_job;

	/*
	 * Two readings of the view for an array of keys, $1: all of it, and the
	 * outcome alone, for observations of which nothing else can change.
	 */
	FailpatPlan full;
	FailpatPlan outcome;
	char	   *columns; /* what the first of them selects from the view v */

	Oid		 key_type;
	int16	 key_len;
	bool	 key_byval;
	char	 key_align;
	FmgrInfo key_out;
	FmgrInfo key_in;
	Oid		 key_ioparam;
	FmgrInfo key_cmp;
	Oid		 key_collation;
} FailpatSource;

/* One row of the source view. */
typedef struct FailpatSeen
{
	Datum source_key; /* text */
	Datum obs_key;	  /* text */
	Datum observed_at;
	bool  failed;
	Datum failed_checks; /* text[] */
	Datum job;			 /* text */
	bool  job_isnull;
	Datum dims;			/* jsonb, without nulls */
	bool  outcome_only; /* time, job and dims were not read */
	bool  settled;		/* its key is locked by us: may be written */
} FailpatSeen;

/* source.c */
extern FailpatSource *failpat_source(Oid schema, const char *name);
extern Oid			  failpat_relation_owner(Oid relid, const char *what);
extern char			 *failpat_key_operator(Oid type, int which);

/* reading.c */

/* Who the caller is, to be restored; an error restores it by itself. */
typedef struct FailpatCaller
{
	Oid user;
	int context;
	int nest;
} FailpatCaller;

extern void failpat_print_alike(text *zone);
extern void failpat_become_owner(Oid owner, text *zone, FailpatCaller *caller);
extern void failpat_become_caller(FailpatCaller *caller);
extern char *failpat_relation_name(Oid relid);
extern int	 failpat_take_rows(FailpatSource *source, SPITupleTable *rows,
							   uint64 nrows, bool outcome_only,
							   FailpatSeen *seen, int n);
extern int	 failpat_see(FailpatSource *source, FailpatPlan *plan, Datum *keys,
						 int nkeys, FailpatSeen **result, int n, bool before,
						 List **tables);
extern bool	 failpat_maybe_async(const char *name);

/* observe.c */
extern void	 failpat_check_columns(Relation rel, const char *columns);
extern void	 failpat_check_tables(Oid observations, Oid dirty, Oid pending);
extern bool	 failpat_observe(FailpatSource *source, FailpatSeen *seen, int n);
extern void	 failpat_find_recorded(FailpatSource *source, char **keys, int n,
								   bool *recorded);
extern Datum failpat_text_set(Datum *texts, int n);
extern bool	 failpat_any_pending(FailpatSource *source);
extern void	 failpat_put_pending(FailpatSource *source, FailpatSeen *seen,
								 int n, const char *reason);
extern void failpat_put_pending_keys(Oid schema, const char *name, Datum *keys,
									 int n, const char *reason,
									 const char *error);
extern Datum failpat_bucket_start(Datum at, Interval *width, text *zone);

/* capture.c */
extern void failpat_capture_init(void);

/* refresh.c */

/* How far a refresh has come; all zero at its begin, but for poll. */
typedef struct FailpatRefresh
{
	int			at;	   /* step */
	bool		poll;  /* a source that is polled is to be */
	bool		begun; /* the poll has done a step, and goes on at since */
	TimestampTz since;
} FailpatRefresh;

extern bool failpat_refresh_step(const char *home, const char *source,
								 FailpatRefresh *refresh);

/* missed.c */
typedef enum FailpatKept
{
	FAILPAT_KEPT_PENDING, /* in fp_pending */
	FAILPAT_KEPT_MISSED,  /* in fp_missed */
	FAILPAT_KEPT_SESSION  /* in this session's memory */
} FailpatKept;

extern FailpatKept failpat_keep(Oid schema, const char *source, Datum *keys,
								int n, const char *error,
								const char **problem);
extern void		   failpat_keep_remembered(void);

/* contain.c */
extern bool		   failpat_is_wish(ErrorData *error);
extern const char *failpat_told(const char *message);
extern void		   failpat_contain_init(void);
extern int		   failpat_safe_wait(int wait);
extern int		   failpat_table_wait(void);
extern bool		   failpat_contained(void (*work)(void *), void *arg,
									 ErrorData **error);
extern bool failpat_contained_wait(void (*work)(void *), void *arg, int wait,
								   ErrorData **error);
extern bool failpat_bounded(void (*work)(void *), void *arg,
							ErrorData **error);

/* keylock.c */
extern int	failpat_key_locks;
extern void failpat_keylock_init(void);
extern bool failpat_lock(uint16 class, const char *source, const char *key,
						 int wait);

#endif /* FAILPAT_CAPTURE_H */
