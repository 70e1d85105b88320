/*-------------------------------------------------------------------------
 *
 * effects.h
 *		Counting what a fix did: observations of a pattern with and without it.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef FAILPAT_MINE_EFFECTS_H
#define FAILPAT_MINE_EFFECTS_H

#include "pure.h"

#include "cube/cube.h"
#include "mine/alternatives.h"

/*
 * A fix.  Where its parameters can be seen (they are dimensions), context is
 * the pattern without the dimensions that the parameters set, and an
 * observation used the fix when it meets context and parameters.
 */
typedef struct FpFix
{
	bool		   pattern_known; /* the cube has all its values */
	FpKnownPattern pattern;
	bool		   visible;	   /* the parameters can be seen, */
	bool		   with_known; /* and the cube has all their values */
	bool		   instead;	   /* they replace something of the pattern */
	FpKnownPattern context;	   /* if visible */
	FpKnownPattern with;	   /* if visible */
	int			   nempty;	   /* sets that the fix wants to be empty */
	int			   empty[FP_KNOWN_MAX_ITEMS];
} FpFix;

typedef struct FpFixCounts
{
	int64 without_trials;
	int64 without_failures;
	int64 with_trials;
	int64 with_failures;
} FpFixCounts;

/* does a cell have all items and lie in all ranges? */
extern bool fp_cell_meets(const FpCube *cube, const FpKnownPattern *pattern,
						  uint64 cell);

/*
 * Counts of each of n fixes, one pass over the cube.  An observation that
 * meets the pattern and has the fix's value in its stead as well (both LoRAs at
 * once) tells nothing of either and is left out.  rest: observations that meet
 * none of the patterns and use none of the fixes, so that what one fix did is
 * not held against another; only its trials and failures "without" are set.
 * Codes must fit the cube.
 */
extern void fp_fix_counts(const FpCube *cube, const FpFix *fixes, int n,
						  FpFixCounts *counts, FpFixCounts *rest);

#endif /* FAILPAT_MINE_EFFECTS_H */
