/*-------------------------------------------------------------------------
 *
 * tally.h
 *		Counts of every combination that is used often enough.
 *
 * A *slot* is something that a condition can be put on by equality: a nominal
 * dimension, the members of a set-valued one, or its pairs of members.  An
 * *axis* is an ordinal dimension, cut into bins, or the number of members of a
 * set-valued one; conditions on it are ranges.  The number of members never
 * goes together with a member of the same set.
 *
 * A *context* is a set of slots (a node of a tree, slots ascending) with one
 * code each; contexts that reach the least number of trials are numbered from
 * 0 within their node.  A *vector table* holds, for each context of a node,
 * the counts by the bins of one or two axes.
 *
 * Counting goes by order, the number of conditions: what does not reach the
 * least number of trials at one order is not extended at the next (no
 * combination is more frequent than its parts).  Sets are never summed out:
 * each table is counted from the cells.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef FAILPAT_TALLY_H
#define FAILPAT_TALLY_H

#include "cube/fold.h"
#include "mine/mine.h"

#define FP_MAX_SLOTS (2 * FP_MAX_DIMS)
#define FP_MAX_AXES_AT_ONCE 2

typedef struct FpCount
{
	int64 n; /* trials */
	int64 f; /* failures */
} FpCount;

typedef struct FpSlot
{
	int				dim;
	FpConditionKind kind;	/* FP_COND_VALUE, _MEMBER or _PAIR */
	int				weight; /* conditions that it counts for: a pair 2 */
	uint32			card;	/* frequent codes are 1..card; 0 = any other */
	FpCount		   *counts; /* card + 1, of the whole cube; [0] not used */
	uint32 (*values)[2];	/* card + 1: the dimension's codes */
	uint32 *remap;			/* _VALUE: raw code -> frequent code or 0 */
	uint64 *offsets;		/* _MEMBER, _PAIR: by set code, into lists */
	uint32 *lists;
	uint32	longest; /* longest list */
} FpSlot;

typedef struct FpAxis
{
	int		dim;
	bool	counts;		/* of the number of members of a set */
	uint32	nbins;		/* bins 1..nbins, by number; 0 = not recorded */
	uint32 *bin_of;		/* raw code -> bin */
	uint32 *first_code; /* bin -> least and greatest code in it (counts: the
						 * number of members + 1) */
	uint32 *last_code;
} FpAxis;

typedef struct FpVector FpVector;
typedef struct FpNode	FpNode;

struct FpNode
{
	FpNode *parent; /* NULL for the root, which has the one context 0 */
	int		slot;
	int		depth;
	int		weight;
	int		slots[FP_MAX_ARITY];

	uint32	 nids;
	uint32	*parent_id; /* by id */
	uint32	*code;		/* by id: the slot's code */
	FpCount *counts;	/* by id */

	/* (parent id, code) -> id + 1, or 0; one of the two, by size */
	uint32 *dense;
	uint64 *hash_keys;
	uint32 *hash_ids;
	uint64	hash_mask;

	FpNode	 *first_child;
	FpNode	 *next_sibling;
	FpVector *first_vector;

	/* of the pass that is running */
	struct FpJob *jobs;
	bool		  wanted;
};

struct FpVector
{
	FpNode	 *node;
	int		  naxes;
	int		  axes[FP_MAX_AXES_AT_ONCE]; /* ascending */
	uint32	  stride;	/* bins of a context, bin 0 included */
	uint32	  first_id; /* of a slice; 0 where kept */
	uint32	  nids;
	uint64	 *packed; /* n in the low 32 bits, f in the high, or */
	FpCount	 *wide;
	FpVector *next;
};

typedef struct FpTally FpTally;

/*
 * What the tally shows, each table twice: with screen = false (sizes may be
 * looked at, to know how many hypotheses there are), then with true.
 */
typedef struct FpTallyVisitor
{
	void *arg;
	void (*context)(void *arg, bool screen, const FpNode *node,
					uint32 parent_id, uint32 code, FpCount count);
	void (*vector)(void *arg, bool screen, const FpVector *vector, uint32 id,
				   FpCount *counts); /* scratch */
	void (*table_done)(void *arg, bool screen);
} FpTallyVisitor;

struct FpTally
{
	const FpCube *cube;
	const int64	 *fails; /* by cell: failures of what is mined */
	const FpFold *fold;	 /* where the cube's strata are, or NULL */
	FpCount		  total;
	int64		  min_trials;
	int			  max_order;
	size_t		  memory_limit;
	FpArena		  arena;

	int		 nslots;
	FpSlot	*slots;
	int		 naxes;
	FpAxis	*axes;
	FpCount *margins[FP_MAX_DIMS]; /* by raw code (sets: by set) */
	uint32	 ncodes[FP_MAX_DIMS];  /* entries of margins */

	FpNode *root;

	/* of fp_tally_rows */
	int				 nlisted; /* how often */
	struct FpFinder *finder;

	void (*progress)(void *arg, double done);
	void  *progress_arg;
	double progress_from;
	double progress_to;
};

/* fold: of which cube is the cube, or NULL */
extern FpTally *fp_tally_create(const FpCube *cube, const int64 *fails,
								const FpFold *fold, int64 min_trials,
								int max_order, size_t memory_limit,
								FpArena arena);

/* counts everything of that order; orders must be counted 1, 2, 3 ... */
extern void fp_tally_order(FpTally *tally, int order, FpTallyVisitor *visitor);

/* the node over these slots (ascending), or NULL */
extern FpNode *fp_tally_node(const FpTally *tally, const int *slots, int n);

/* the context of a node with these codes, or -1 if it is not frequent */
extern int64 fp_tally_context(const FpTally *tally, const FpNode *node,
							  const uint32 *codes);

/* codes of a context, one for each of node->slots */
extern void fp_tally_codes(const FpNode *node, uint32 id, uint32 *codes);

extern const FpVector *fp_tally_vector(const FpNode *node, const int *axes,
									   int naxes);
extern void fp_vector_read(const FpVector *vector, uint32 id, FpCount *counts);

/*
 * A conjunction to look up: codes of slots (ascending), bounds of bins.  The
 * same place is where fp_tally_rows puts the cells that it covers.
 */
typedef struct FpProbe
{
	int		nslots;
	int		slots[FP_MAX_ARITY];
	uint32	codes[FP_MAX_ARITY];
	int		naxes;
	int		axes[FP_MAX_AXES_AT_ONCE];
	uint32	low[FP_MAX_AXES_AT_ONCE]; /* bins 1 .. nbins, inclusive */
	uint32	high[FP_MAX_AXES_AT_ONCE];
	uint32 *rows; /* cells, ascending */
	uint64	nrows;
	uint64	capacity;
} FpProbe;

/* the probe's conditions, in the order of the dimensions */
extern void fp_probe_name(const FpTally *tally, const FpProbe *probe,
						  FpPatternName *name);

/* lists the cells of each probe, in one pass */
extern void fp_tally_rows(FpTally *tally, FpProbe **probes, int nprobes,
						  FpArena arena);

#endif /* FAILPAT_TALLY_H */
