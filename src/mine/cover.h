/*-------------------------------------------------------------------------
 *
 * cover.h
 *		The cells that a combination covers, and their counts by stratum.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef FAILPAT_COVER_H
#define FAILPAT_COVER_H

#include "mine/screen.h"

/* Counts by stratum, sparse: in the order in which strata were met. */
typedef struct FpTallied
{
	uint32	 n;
	uint32	*strata;
	FpCount *counts;
} FpTallied;

/* A combination with the cells that it covers. */
typedef struct FpCover
{
	FpProbe	  probe;
	FpTallied by_class; /* by accepted patterns, of class_version */
	int64	  class_version;
} FpCover;

/* Makes tallies; reuses its memory between them. */
typedef struct FpTallier
{
	const FpTally *tally;
	FpArena		   arena;
	FpCount		  *sums; /* by stratum; zero between uses */
	uint32		   nsums;
} FpTallier;

/*
 * Counts of the cells of cover by strata[cell], each below nstrata; the
 * result in arena.
 */
extern void fp_cover_tally(FpTallier *tallier, const FpCover *cover,
						   const uint32 *strata, uint32 nstrata,
						   FpTallied *out, FpArena arena);

/* the same by the codes of dimension d */
extern void fp_cover_tally_dim(FpTallier *tallier, const FpCover *cover, int d,
							   FpTallied *out, FpArena arena);

/* Are strata counted by who knows the buckets (see FpBuckets)? */
extern bool fp_counted_by_bucket(const FpTally *tally);

/*
 * Says that counts by bucket of cover and of n others will be asked for, so
 * that they are counted at once where they have to be; those of cover go to
 * *counts, unless that is NULL.  False where they are not known yet.
 */
extern bool fp_cover_ask(const FpTallier *tallier, const FpCover *cover,
						 FpCover **others, int n, FpBucketCounts *counts,
						 FpArena scratch);

/* trials and failures of the cells of cover */
extern FpCount fp_cover_count(const FpTally *tally, const FpCover *cover);

/* the dimensions that items speak of, as a mask */
extern uint64 fp_items_dims(const FpTally *tally, const FpItems *items);

/* The cover of that combination among n, or a new one, without its cells. */
extern FpCover *fp_cover_find(FpCover **covers, int *n, const FpProbe *probe,
							  FpArena arena);

/* makes kept a copy of cover, with cells that live in arena */
extern void fp_cover_keep(FpCover *kept, const FpCover *cover, FpArena arena);

#endif /* FAILPAT_COVER_H */
