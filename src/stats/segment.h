/*-------------------------------------------------------------------------
 *
 * segment.h
 *		A series of buckets of trials and failures, and its exact division
 *		into stretches of equal failure rate.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef FAILPAT_SEGMENT_H
#define FAILPAT_SEGMENT_H

#include "pure.h"

/* One bucket of time; "at" is its start, in any unit that grows with time. */
typedef struct FpBucket
{
	int64 at;
	int64 failures; /* 0 .. trials */
	int64 trials;	/* 0 .. */
} FpBucket;

/*
 * A series ready for segmentation: prefix sums over its buckets, of the rarer
 * of the two outcomes (so that failures and successes are treated exactly
 * alike), and a reference rate near which the sums are compared.
 */
typedef struct FpSeries
{
	int		n;		 /* buckets, none of them empty */
	double *trials;	 /* n + 1 prefix sums, trials[0] = 0 */
	double *events;	 /* n + 1 prefix sums of failures, or successes */
	bool	flipped; /* events are successes */
	double	centre;	 /* share of events in the whole series */
} FpSeries;

/* Most distinct buckets of one series; beyond, an error FP_ERR_LIMIT. */
#define FP_MAX_BUCKETS 2000000

extern int64 fp_buckets_merge(FpBucket *buckets, int64 n);
extern int64 fp_buckets_drop_empty(FpBucket *buckets, int64 n);

extern void	  fp_series_init(FpSeries *series, FpArena arena,
							 const double *failures, const double *trials,
							 int n);
extern double fp_segment_cost(const FpSeries *series, int from, int to);
extern double fp_split_gain(const FpSeries *series, int from, int at, int to);
extern int	  fp_segment(FpArena arena, const FpSeries *series, double penalty,
						 int min_segment, int **changes, double *total_cost);

#endif /* FAILPAT_SEGMENT_H */
