/*-------------------------------------------------------------------------
 *
 * standins.h
 *		What the search for alternatives counts, and who judges it.
 *
 * Shared by alternatives.c, which finds contexts and counts what was used in
 * them, and those who judge the counts: standins.c of values, fewer.c of what
 * lies outside of ranges.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef FAILPAT_MINE_STANDINS_H
#define FAILPAT_MINE_STANDINS_H

#include "cube/dict.h"
#include "mine/alternatives.h"

/* What is left of some patterns without one item, or one range, each. */
typedef struct FpContext
{
	int			 dim;	  /* of the items or ranges that are left out */
	bool		 numbers; /* a set: they are of how many members it has */
	int			 nitems;
	FpKnownItem	 items[FP_KNOWN_MAX_ITEMS]; /* by dim, code */
	int			 nranges;
	FpKnownRange ranges[FP_KNOWN_MAX_RANGES]; /* by dim */
	uint32		 next; /* context at the same trie node */

	/* observations that meet it, with dim recorded */
	int64 trials;
	int64 failures;
} FpContext;

/* The pattern's item whose stand-in is looked for, or its range. */
typedef struct FpTask
{
	int		  pattern;
	int		  item;	   /* or -1 */
	int		  range;   /* if item is -1 */
	uint32	  code;	   /* of the item; 0 */
	uint32	  context; /* number of its context */
	FpContext raw;	   /* until contexts are numbered */
} FpTask;

/* What was seen of one value in a context, or beside a task. */
typedef struct FpValueCount
{
	uint32 owner;
	uint32 value; /* code, 0: none; or number of members */
	int64  trials;
	int64  failures;
} FpValueCount;

/* Counts by owner and value. */
typedef struct FpValueCounts
{
	FpWordMap	  at; /* owner << 32 | value -> number + 1 */
	uint32		  n;
	uint32		  cap;
	FpValueCount *list;
} FpValueCounts;

/* a pattern in the list of those that have an item */
typedef struct FpHolder
{
	int	   pattern;
	uint32 next; /* + 1; 0: the last */
} FpHolder;

/* One computation. */
typedef struct FpStandWork
{
	FpArena						arena;
	const FpCube			   *cube;
	const FpKnownPattern	   *patterns;
	const FpAlternativeOptions *options;

	uint32	   ntasks;
	FpTask	  *tasks;
	uint32	   ncontexts;
	FpContext *contexts;
	FpWordMap
		task_of; /* context << 32 | code -> number of the item's task + 1 */

	FpValueCounts seen; /* by context */
	FpValueCounts
		beside; /* by task: values of a set used together with its code */

	/* per choosable dimension and value (0: none): over the whole cube */
	int64 **used_trials;
	int64 **used_failures;

	FpWordMap holder_of; /* dim << 32 | code -> first holder + 1 */
	FpHolder *holders;
	int		  nbare; /* patterns without items */
	int		 *bare;

	/* the group under way */
	FpWordMap trie;	 /* node << 32 | code -> child node */
	uint32	 *first; /* of a node, its first context */
} FpStandWork;

/* what is being gathered: the result of all tasks, to be sorted and cut */
typedef struct FpGather
{
	FpAlternative *list;
	uint32		   n;
	uint32		   cap;
} FpGather;

/* by dimension, then by code */
static inline int
fp_compare_items(const FpKnownItem *a, const FpKnownItem *b)
{
	if (a->dim != b->dim)
		return a->dim < b->dim ? -1 : 1;
	return a->code < b->code ? -1 : a->code > b->code;
}

/* what was counted of a value, or NULL */
static inline const FpValueCount *
fp_counted(const FpValueCounts *counts, uint32 owner, uint32 value)
{
	uint32 at = fp_words_find(&counts->at, (uint64) owner << 32 | value);

	return at == 0 ? NULL : &counts->list[at - 1];
}

/*
 * Is a pattern met by a context, with this value (0: none) of its dimension
 * besides?  Where ranges overlap only in part it is met in that part.
 */
extern bool fp_context_meets(const FpContext *own, uint32 value,
							 const FpKnownPattern *pattern);

/*
 * Is a known pattern met through these values of the context's dimension, or
 * these numbers of its members, in the place of a range or of an item?
 */
extern bool fp_known_bad_range(const FpStandWork *work, const FpContext *own,
							   bool numbers, double min, double max);

/* adds one to what is being gathered, which lies in the work's arena */
extern void fp_gather(FpStandWork *work, FpGather *all,
					  const FpAlternative *one);

/*
 * The alternatives of a task of an item, from what was counted for its
 * context; the best of them are added to "all".  peers has room for those
 * counts.
 */
extern void fp_judge_task(FpStandWork *work, uint32 number,
						  const FpValueCount *seen, uint32 nseen,
						  FpValueCount *peers, FpGather *all);

/* the same of a task of a range */
extern void fp_judge_range(FpStandWork *work, uint32 number,
						   const FpValueCount *seen, uint32 nseen,
						   FpGather *all);

/* by pattern, best first: for qsort */
extern int fp_compare_alternatives(const void *left, const void *right);

#endif /* FAILPAT_MINE_STANDINS_H */
