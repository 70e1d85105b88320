/*-------------------------------------------------------------------------
 *
 * screen.h
 *		From tables of counts to candidates.
 *
 * Counts the hypotheses of each order, sets the level, and puts every
 * combination through the gates that need tables only: marginal (A),
 * productive (B) and interaction (E).  Of each context one range is left.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef FAILPAT_SCREEN_H
#define FAILPAT_SCREEN_H

#include "mine/gates.h"

/* At most so many patterns are kept in one direction. */
#define FP_MAX_PATTERNS 1024

/*
 * The conditions of a combination one by one; a pair of members is two items
 * that know of each other.  Any subset of them is a combination too.
 */
typedef struct FpItem
{
	int	   slot; /* or -1: a range */
	uint32 code;
	int	   mate;	  /* the other member of a pair, or -1 */
	int	   pair_slot; /* what both together are */
	uint32 pair_code;
	int	   axis;
	uint32 low; /* bins */
	uint32 high;
} FpItem;

typedef struct FpItems
{
	int	   n;
	FpItem item[FP_MAX_ARITY];
} FpItems;

typedef struct FpCandidate
{
	FpItems		items;
	int			order;
	FpDirection direction;
	bool		interval; /* a range with both bounds */
	bool		counts;	  /* one of the ranges is of a number of members */
	FpCount		count;
	double		log_p; /* the largest of its gates */

	/*
	 * Of the tests that passed at a level of their own (of refinements and of
	 * echoes): how much their p is below it, the least of them; -INFINITY:
	 * there are none.
	 */
	double log_eased;

	/*
	 * Generalisations (by their number in fp_items_generalise) against which
	 * it passes as a refinement only.
	 */
	uint32 refines;
	double llr;		 /* against the complement */
	double expected; /* rate that its parts let expect */
} FpCandidate;

typedef struct FpScreen
{
	FpTally				*tally;
	const FpMineOptions *options;
	FpArena				 arena;
	double				 z; /* of the confidence */
	int					 ndirections;
	FpDirection			 directions[2];
	double				*attainable[2];
	double				 alpha[2]; /* of an order: thresholds, intervals */

	/* by order; [0] contexts and thresholds, [1] intervals */
	FpSizes *sizes[FP_MAX_ARITY + 1][2];
	int64	 ntests[FP_MAX_ARITY + 1];

	/*
	 * .. and by direction: the level of a single step, that of Holm's steps
	 * so far, and what those can reach at most
	 */
	double	 log_first[FP_MAX_ARITY + 1][2][2];
	double	 log_level[FP_MAX_ARITY + 1][2][2];
	double	 log_most[FP_MAX_ARITY + 1][2][2];
	FpSizes *gone[FP_MAX_ARITY + 1][2][2]; /* rejected, or NULL */

	/* the level of refinements, by order and direction (see screen.c) */
	double			log_refine[FP_MAX_ARITY + 1][2];
	double			refine_alpha;
	const FpItems **parents[2]; /* of this order, sorted */
	int64			nparents[2];
	int64			npassed[FP_MAX_ARITY + 1][2]; /* by order, direction */

	int				order;	/* that is being counted */
	const FpVector *vector; /* .. and the ranges of which context */
	uint32			vector_id;
	FpCandidate	   *candidates;
	int64			ncandidates;
	int64			capacity;
} FpScreen;

extern FpScreen *fp_screen_create(FpTally *tally, const FpMineOptions *options,
								  FpArena arena);

/* counts an order and adds its candidates */
extern void fp_screen_order(FpScreen *screen, int order);

/* the level that a candidate must reach, once its order is counted */
extern double fp_screen_level(const FpScreen	*screen,
							  const FpCandidate *candidate);

/* does it pass in a single step, so that others can be its refinements? */
extern bool fp_screen_passes_first(const FpScreen	 *screen,
								   const FpCandidate *candidate);

/* what Holm's steps can make of its level */
extern double fp_screen_most(const FpScreen	   *screen,
							 const FpCandidate *candidate);

/*
 * Holm's step: the candidate is accepted, all others of its family have one
 * hypothesis less to share the level with.
 */
extern void	  fp_screen_step(FpScreen *screen, const FpCandidate *accepted);
extern FpGate fp_screen_gate(const FpScreen	   *screen,
							 const FpCandidate *candidate);

/*
 * How much higher (as a logarithm) the level of a refinement of what has
 * passed all gates by itself is.  A p of such a test counts as p less that,
 * so that it can be compared with others.
 */
extern double fp_screen_refine_shift(const FpScreen	   *screen,
									 const FpCandidate *candidate);
extern double fp_screen_interaction_shift(const FpScreen	*screen,
										  const FpCandidate *candidate,
										  int				 conditions);
extern int	  fp_items_compare(const FpItems *x, const FpItems *y);

/* the combination of the items in mask */
extern void fp_items_probe(const FpItems *items, uint32 mask, FpProbe *probe);

/* counts of a combination of an order below the last; n = 0: not frequent */
extern FpCount fp_probe_count(const FpTally *tally, const FpProbe *probe);

/*
 * The immediate generalisations of items, each less general than the whole
 * cube; at most FP_MAX_ARITY + 2 * FP_MAX_AXES_AT_ONCE.
 */
#define FP_MAX_GENERALISATIONS (FP_MAX_ARITY + 2 * FP_MAX_AXES_AT_ONCE)
extern int fp_items_generalise(const FpTally *tally, const FpItems *items,
							   FpItems *out);

#endif /* FAILPAT_SCREEN_H */
