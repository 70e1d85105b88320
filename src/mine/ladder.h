/*-------------------------------------------------------------------------
 *
 * ladder.h
 *		One combination by the numbers of one dimension, rung by rung.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef FAILPAT_LADDER_H
#define FAILPAT_LADDER_H

#include "mine/mine.h"
#include "stats/two_by_two.h"

typedef struct FpRung
{
	double	value; /* the number; of a set, how many members */
	int64	trials;
	int64	failures;
	double	rate, lower, upper; /* Wilson; rate NaN without trials */
	int64	other_trials;		/* what it is compared with */
	int64	other_failures;
	FpRatio ratio;		/* score interval */
	double	p;			/* Fisher's exact test, two-sided */
	double	p_adjusted; /* Holm, over the rungs that have both sides */

	/*
	 * Log likelihood ratio of "value and more" against less, within the
	 * combination; negative where it is the less that fails more.  NaN for the
	 * first.  plausible: within 1.92 of the largest of them, the set of cuts
	 * that the data cannot tell from the best (profile likelihood, 95 %).
	 */
	double evidence;
	bool   plausible;
} FpRung;

typedef struct FpLadder
{
	int		n;
	FpRung *rungs; /* by value */
} FpLadder;

/*
 * The rungs that the combination of the cells with in[cell] has, by an ordinal
 * dimension or the number of members of a set; each is compared with the
 * other observations of the same value, or, where all cells are in (whole),
 * with all other values.  fails: failures by cell.  Result in arena.
 */
extern FpLadder *fp_ladder(const FpCube *cube, const int64 *fails,
						   const bool *in, bool whole, int dim,
						   double confidence, FpArena arena);

#endif /* FAILPAT_LADDER_H */
