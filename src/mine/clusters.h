/*-------------------------------------------------------------------------
 *
 * clusters.h
 *		Outcomes that are alike within clusters (the segments of one job).
 *
 * icc is the correlation of two outcomes of a cluster; tests of a combination
 * with clusters of sizes n_i have 1 + (sum n_i^2 / sum n_i - 1) icc times the
 * variance.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef FAILPAT_CLUSTERS_H
#define FAILPAT_CLUSTERS_H

#include "mine/cover.h"

typedef struct FpCluster
{
	int	   dim; /* of the strata that are clusters, or -1: none, or counted by
				 * who knows the buckets */
	double icc;
} FpCluster;

/* the stratum dimension that holds clusters, by its name, and its icc */
extern FpCluster fp_cluster_find(const FpTally *tally, FpArena scratch);

/*
 * By how much the clusters inflate the variance of what cover covers, for a
 * test at that level (a logarithm).  Where there are few of them, one bad
 * cluster is a large part of it, and tails are those of Student's t; that is
 * in the result too.  1 where who knows the buckets does not know it yet.
 */
extern double fp_cluster_inflation(FpTallier	   *tallier,
								   const FpCluster *cluster,
								   const FpCover *cover, double log_level,
								   FpArena scratch);

#endif /* FAILPAT_CLUSTERS_H */
