/*-------------------------------------------------------------------------
 *
 * run.h
 *		One run of the miner, before it is told.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef FAILPAT_RUN_H
#define FAILPAT_RUN_H

#include "mine/select.h"

typedef struct FpRun
{
	FpTally		*tally;
	FpScreen	*screen;
	FpSelection *selections[2]; /* by direction, as screen->directions */
	int64		 ncandidates;
	int64		 ntests;
} FpRun;

/*
 * fold: what cube is the cube of, or NULL; it may then be folded, if may_fold,
 * and what is found is in terms of another cube, with the same dimensions.
 */
extern bool fp_run(const FpCube *cube, const FpFold *fold, bool may_fold,
				   const FpMineOptions *options, FpArena arena, FpRun *run);

/* items in terms of the cube */
extern void fp_tell_items(const FpTally *tally, const FpItems *items,
						  FpPatternName *name);

#endif /* FAILPAT_RUN_H */
