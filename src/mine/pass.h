/*-------------------------------------------------------------------------
 *
 * pass.h
 *		One run over the cells, block by block.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef FAILPAT_PASS_H
#define FAILPAT_PASS_H

#include "mine/counthash.h"

/* Cells that are read at a time: their columns stay in the cache. */
#define FP_BLOCK_ROWS 8192

/* a table to be filled */
typedef struct FpJob
{
	struct FpJob *next; /* of the same node */
	FpNode		 *from;
	FpNode		 *to;	  /* the node to be counted, or */
	FpVector	 *vector; /* the vector table */
	int			  column; /* of the block, or -1 for a multi-valued slot */
	uint32		  stride;
	uint32		  first_id; /* the contexts of from that the table covers */
	uint32		  nids;
	uint64		 *packed;
	FpCount		 *wide;
	FpCountHash	 *hash;
} FpJob;

/* rows of a block in a node's frequent contexts */
typedef struct FpRowList
{
	uint32 *rows;
	uint32 *ids;
	uint32	n;
	uint32	capacity;
} FpRowList;

typedef struct FpPass
{
	FpTally	 *tally;
	FpArena	  arena;
	uint64	  first; /* of the block */
	uint32	  nrows;
	uint32	**columns; /* by slot, then axis, then pair of axes */
	uint64	 *weights; /* packed */
	FpCount	 *counts;
	bool	  packed;
	FpRowList lists[FP_MAX_ARITY + 1];
} FpPass;

extern FpPass *fp_pass_create(FpTally *tally, FpArena arena);

/* the column of an axis, or of two of them together */
extern int fp_pass_axis_column(const FpTally *tally, const int *axes,
							   int naxes);

/* asks for a column to be loaded (none for -1), for a node to be walked */
extern void fp_pass_want_column(FpPass *pass, int column);
extern void fp_pass_want_node(FpPass *pass, FpNode *node);

/* loads a block; its rows are the list of the root */
extern void fp_pass_start_block(FpPass *pass, uint64 first, uint32 nrows);

/* fills the tables of node and of all wanted nodes below it */
extern void fp_pass_walk(FpPass *pass, FpNode *node);

/* forgets what was wanted at and below node */
extern void fp_pass_end(FpNode *node);

/* id + 1 of a child's context, or 0 */
extern uint32 fp_node_child(const FpTally *tally, const FpNode *child,
							uint32 parent_id, uint32 code);

#endif /* FAILPAT_PASS_H */
