/*-------------------------------------------------------------------------
 *
 * clusters_join.h
 *		Clusters of buckets of time that are counted one by one.
 *
 * A cluster may lie in several buckets.  Those that do are told apart: what a
 * bucket has of all others adds up.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef FAILPAT_CLUSTERS_JOIN_H
#define FAILPAT_CLUSTERS_JOIN_H

#include "mine/mine.h"

/* The clusters of a bucket, by a hash that tells them apart, ascending. */
typedef struct FpBucketClusters
{
	uint32		  n;
	const uint64 *hashes;
	const int64	 *trials;
	const int64	 *failures;
} FpBucketClusters;

/* hashes, ascending */
typedef struct FpHashes
{
	uint32	n;
	uint64 *hashes;
} FpHashes;

typedef struct FpClusters
{
	uint32		   nkinds; /* what FpBuckets wants to know */
	FpClusterKind *kinds;
	FpHashes	  *shared; /* by bucket: those that are in others too */
} FpClusters;

/* What the clusters of n buckets are together; the result in arena. */
extern FpClusters *fp_clusters_join(const FpBucketClusters *buckets, uint32 n,
									FpArena arena);

#endif /* FAILPAT_CLUSTERS_JOIN_H */
