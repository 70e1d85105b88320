/*-------------------------------------------------------------------------
 *
 * alert_lookup.h
 *		The patterns that a combination may meet.
 *
 * Shared by alert.c, which tells of them, and instead.c, which looks up what a
 * combination would meet if it were changed.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef FAILPAT_ALERT_LOOKUP_H
#define FAILPAT_ALERT_LOOKUP_H

#include "postgres.h"

#include "utils/jsonb.h"

#include "combo.h"
#include "stats/severity.h"

/*
 * With more subsets than this a combination is compared with all active
 * patterns instead (20 LoRAs at once and patterns of six conditions).
 */
#define FAILPAT_MAX_KEYS 4096

/* A pattern whose items are all in the combination. */
typedef struct FailpatMatch
{
	int64		 id;
	Datum		 source; /* text */
	Datum		 status; /* text */
	char		*description;
	char		*caveat; /* or NULL */
	Jsonb		*conditions;
	FailpatCombo combo;
	int64		 key;
	bool		 known_bad; /* active, confirmed or not */
	bool		 active;	/* to be told */
	bool		 resolved;
	bool		 met; /* its ranges too */
	bool		 muted;
	bool		 told;
	bool		 candidate;
	bool		 of_segments; /* the source has segments */

	FpSeverity severity;
	double	   rate;
	double	   lower;
	double	   upper;
	int64	   trials;
	double	   baseline; /* NaN: unknown */
	double	   elsewhere;
	Jsonb	  *alternatives;
	Jsonb	  *fixes;

	int	   nfolded;
	Datum *folded;
} FailpatMatch;

/* One call. */
typedef struct FailpatCheck
{
	Oid	  schema;
	Datum source; /* 0: any */
	Datum user;
	bool  user_isnull;
	bool  include_resolved;
	int	  max_items;
} FailpatCheck;


/*
 * Within SPI: fills check->schema's plans (once per backend) and
 * check->max_items.
 */
extern void failpat_check_begin(FailpatCheck *check);

/* number of subsets of n things with at most k; FAILPAT_MAX_KEYS + 1: more */
extern int64 failpat_count_subsets(int n, int k);

/*
 * Keys of the subsets of combo's items from number "from" on, with up to
 * "left" items, each besides items whose hashes have this sum; added to
 * keys[*n ..].
 */
extern void failpat_add_keys(const FailpatCombo *combo, int from, int left,
							 uint64 sum, Datum *keys, int *n);

/*
 * The patterns of any status that have one of these keys (NULL: all that there
 * are), palloc'd.
 */
extern FailpatMatch *failpat_look_up(const FailpatCheck *check, Datum *keys,
									 int nkeys, int *n);

/* the patterns of any status whose items the combination has */
extern FailpatMatch *failpat_find_matches(const FailpatCheck *check,
										  const FailpatCombo *combo, int *n);

/* are both of the same source? */
extern bool failpat_same_source(const FailpatMatch *a, const FailpatMatch *b);

/* to each told pattern its fixes, and those of its relatives among all */
extern void failpat_read_fixes(FailpatMatch **told, int ntold,
							   FailpatMatch *all, int nall);

/*
 * instead.c: drop from the told patterns' alternatives what makes no sense of
 * this combination, and those which in the place of what they stand in for
 * make it meet a pattern that is known to be bad.  all: what find_matches
 * found for it.
 */
extern void failpat_sift_alternatives(const FailpatCheck *check,
									  const FailpatCombo *combo,
									  FailpatMatch **told, int ntold,
									  const FailpatMatch *all, int nall);

#endif /* FAILPAT_ALERT_LOOKUP_H */
