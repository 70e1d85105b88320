/*-------------------------------------------------------------------------
 *
 * confound.h
 *		Does a pattern hold within the values of what it does not speak of?
 *		(gate C)
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef FAILPAT_CONFOUND_H
#define FAILPAT_CONFOUND_H

#include "mine/cover.h"

/*
 * Outcomes within a cluster (the segments of one job, say) may be alike.
 * icc is their correlation; tests of a combination with clusters of sizes n_i
 * have 1 + (sum n_i^2 / sum n_i - 1) icc times the variance.
 */
typedef struct FpCluster
{
	int	   dim; /* or -1: none */
	double icc;
} FpCluster;

/* the stratum dimension that holds clusters, by its name, and its icc */
extern FpCluster fp_cluster_find(const FpTally *tally);

/*
 * By how much the clusters inflate the variance of what cover covers, for a
 * test at that level (a logarithm).  Where there are few of them, one bad
 * cluster is a large part of it, and tails are those of Student's t; that is
 * in the result too.
 */
extern double fp_cluster_inflation(FpTallier	   *tallier,
								   const FpCluster *cluster,
								   const FpCover *cover, double log_level,
								   FpArena scratch);

/*
 * Tests cover, a combination with conditions on the dimensions
 * of the mask spoken_of, within the values
 * of each dimension that it does not speak of; and, for strata, also each of
 * its generalisations.  *out has a row for each dimension that could confound
 * it, in arena.  Clusters are dealt with by the gate given (see fp_gate_inflate).
 * Generalisations whose bit
 * is set in refines are tested at a level that is higher by refine_shift.
 * Raises *log_p to the largest of the p of dimensions with the
 * verdict "supported".  Returns whether none explains it.
 */
extern bool fp_confound(FpTallier *tallier, const FpGate *gate,
						double refine_shift, uint32 refines,
						const FpCluster *cluster, uint64 spoken_of,
						const FpCover *cover, FpCover **general, int ngeneral,
						double *log_p, FpConfounder **out, int *nout,
						FpArena arena, FpArena scratch);

#endif /* FAILPAT_CONFOUND_H */
