/*-------------------------------------------------------------------------
 *
 * alternatives.h
 *		What to use instead: values with evidence that they fail less.
 *
 * For a pattern "LoRA 3 + character 5 at segment 6+" the context of its LoRA
 * is "character 5 at segment 6+".  Another LoRA is an alternative when what
 * was observed of it in that context shows that it fails less often; so is
 * "no LoRA".  And so is an end before segment 6, where what was observed of LoRA
 * 3 + character 5 before segment 6 shows that.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef FAILPAT_MINE_ALTERNATIVES_H
#define FAILPAT_MINE_ALTERNATIVES_H

#include "pure.h"

#include "cube/cube.h"

/* Most conditions on values and on ranges that a known pattern may have. */
#define FP_KNOWN_MAX_ITEMS 12
#define FP_KNOWN_MAX_RANGES 4

/* A value of a nominal dimension, or a member of a set. */
typedef struct FpKnownItem
{
	int	   dim;
	uint32 code; /* 1 .. nvalues */
} FpKnownItem;

/*
 * min <= value <= max, or number of members of a set; either may be infinite.
 */
typedef struct FpKnownRange
{
	int	   dim;	  /* ordinal, or */
	bool   count; /* a set: how many members it has */
	double min;
	double max;
} FpKnownRange;

/*
 * A pattern that is known to be bad.  Of a nominal dimension it has one item
 * at most, of a set dimension any number: members used together.
 */
typedef struct FpKnownPattern
{
	int			 nitems;
	int			 nranges;
	FpKnownItem	 items[FP_KNOWN_MAX_ITEMS];
	FpKnownRange ranges[FP_KNOWN_MAX_RANGES];
} FpKnownPattern;

typedef struct FpAlternativeOptions
{
	int64  min_trials; /* >= 1: of an alternative, in the context; 10 */
	double confidence; /* of intervals, in (0, 1); 0.95 */
	double better;	   /* posterior probability that suffices; 0.95 */
	double min_ratio;  /* >= 1: how many times less it must fail; 1.2 */
	int	   keep;	   /* most values of one pattern; 5 */
} FpAlternativeOptions;

typedef struct FpAlternative
{
	int pattern; /* number of the pattern */

	/* in the place of an item another value of the same dimension */
	int	   item;  /* its number, or -1 */
	uint32 value; /* 0: none at all */

	/*
	 * In the place of a range (item is -1) what lies outside of it: so many
	 * members of a set, or the values of an ordinal dimension below max.
	 */
	int	   range;
	double min; /* may be -infinity */
	double max; /* may be infinity */

	/*
	 * Observed: counts in the context, rate with Wilson's interval.
	 * Predicted (there is too little data in the context): from the rate of
	 * the context without the pattern and of the value elsewhere, whose
	 * counts these are, as if both acted by themselves on the odds.
	 */
	bool   predicted;
	int64  trials;
	int64  failures;
	double rate, lower, upper;
} FpAlternative;

typedef struct FpAlternatives
{
	int			   n;
	FpAlternative *list; /* by pattern, best first */
} FpAlternatives;

/* is the range met by a cell?  Not where the dimension is not recorded. */
static inline bool
fp_known_range_met(const FpCube *cube, const FpKnownRange *range, uint64 cell)
{
	const FpDim *dim = &cube->dims[range->dim];
	uint32		 code = cube->codes[range->dim][cell];
	double		 at;

	if (code == 0)
		return false;
	at = range->count ? fp_set_size(dim, code) : dim->numbers[code - 1];
	return at >= range->min && at <= range->max;
}

extern void fp_alternative_defaults(FpAlternativeOptions *options);

/*
 * Alternatives of each of n known patterns for each of their items and ranges
 * whose dimension is choosable[dim] (one flag per dimension of the cube).  Of
 * an ordinal dimension that says that one may stop before a range which has no
 * upper end.
 *
 * An alternative
 *	- was used, min_trials times at least, in the context itself, or (then
 *	  predicted; values only) elsewhere;
 *	- fails less: its upper bound lies below the lower bound of the pattern's
 *	  own rate, or its rate, drawn towards those of its peers (shrink.h; of a
 *	  range there are none), is lower with probability "better"; and the rate
 *	  itself is lower by min_ratio at least; of a predicted one, the bounds
 *	  decide alone;
 *	- is not bad itself: with it in place, none of the known patterns is met
 *	  through it, wherever their ranges and the context's overlap.
 * Ordered by upper bound, observed before predicted; "keep" of those that are
 * values, and all that are in the place of ranges (two of a range at most).
 *
 * The result is in arena, working memory in a child that is gone on return.
 * Errors: FP_ERR_DATA where a pattern does not fit the cube.
 */
extern FpAlternatives *fp_alternatives(const FpCube			*cube,
									   const FpKnownPattern *patterns, int n,
									   const bool				  *choosable,
									   const FpAlternativeOptions *options,
									   FpArena					   arena);

#endif /* FAILPAT_MINE_ALTERNATIVES_H */
