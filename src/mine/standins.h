/*-------------------------------------------------------------------------
 *
 * standins.h
 *		What the search for alternatives counts, and who judges it.
 *
 * Shared by alternatives.c, which finds contexts and counts what was used in
 * them, and standins.c, which judges the counts.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef FAILPAT_MINE_STANDINS_H
#define FAILPAT_MINE_STANDINS_H

#include "cube/dict.h"
#include "mine/alternatives.h"

/* What is left of some patterns without one item each. */
typedef struct FpContext
{
	int			 dim; /* of the items that are left out */
	int			 nitems;
	FpKnownItem	 items[FP_KNOWN_MAX_ITEMS]; /* by dim, code */
	int			 nranges;
	FpKnownRange ranges[FP_KNOWN_MAX_RANGES]; /* by dim */
	uint32		 next; /* context at the same trie node */

	/* observations that meet it, with dim recorded */
	int64 trials;
	int64 failures;
} FpContext;

/* The pattern's item whose stand-in is looked for. */
typedef struct FpTask
{
	int		  pattern;
	int		  item;
	uint32	  code;
	uint32	  context; /* number of its context */
	FpContext raw;	   /* until contexts are numbered */
} FpTask;

/* What was seen of one value (0: none) in a context, or beside a task. */
typedef struct FpValueCount
{
	uint32 owner;
	uint32 value;
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
	FpWordMap  task_of; /* context << 32 | code -> number of the task + 1 */

	FpValueCounts seen; /* by context */
	FpValueCounts
		beside; /* by task: values of a set used together with its code */

	/* per choosable dimension and value (0: none): over the whole cube */
	int64 **used_trials;
	int64 **used_failures;

	FpWordMap holder_of; /* dim << 32 | code -> first holder + 1 */
	FpHolder *holders;

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
 * The alternatives of a task, from what was counted for its context; the best
 * of them are added to "all".  peers has room for those counts.
 */
extern void fp_judge_task(FpStandWork *work, uint32 number,
						  const FpValueCount *seen, uint32 nseen,
						  FpValueCount *peers, FpGather *all);

/* by pattern, best first: for qsort */
extern int fp_compare_alternatives(const void *left, const void *right);

#endif /* FAILPAT_MINE_STANDINS_H */
