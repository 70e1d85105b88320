/*-------------------------------------------------------------------------
 *
 * change_point.h
 *		Changes of a failure rate over time, with honest significance.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef FAILPAT_CHANGE_POINT_H
#define FAILPAT_CHANGE_POINT_H

#include "pure.h"
#include "stats/segment.h"
#include "stats/two_by_two.h"

typedef struct FpChangeOptions
{
	double alpha;		/* chance of any shift in a quiet series, 0 .. 1 */
	double confidence;	/* of every interval, 0 .. 1 */
	double dispersion;	/* variance as a multiple of the binomial one, >= 1;
						* 0: estimate it */
	int	   max_spike;	/* buckets of the longest transient; 0: none */
	int	   min_segment; /* buckets of the shortest stretch, >= 1 */
} FpChangeOptions;

#define FP_CHANGE_DEFAULTS    \
	{                         \
		0.01, 0.95, 0.0, 2, 1 \
	}

typedef enum FpChangeKind
{
	FP_SHIFT, /* the rate stays where it went */
	FP_SPIKE  /* it comes back within max_spike buckets */
} FpChangeKind;

/*
 * One change.  Buckets are indices into the array that was searched.  For a
 * spike "after" is the spike itself and "before" what surrounds it.
 */
typedef struct FpChange
{
	FpChangeKind kind;
	int			 at;	   /* first bucket of the new rate */
	int			 at_lower; /* it lies between these two, both included */
	int			 at_upper;
	int			 last_before; /* last bucket of the old rate, or -1 */
	int			 window_from; /* the stretches before and after, together: */
	int			 window_to;	  /* window_from .. window_to - 1 */
	int64		 failures_before;
	int64		 trials_before;
	int64		 failures_after;
	int64		 trials_after;
	FpEstimate	 before; /* rates */
	FpEstimate	 after;
	FpEstimate	 difference; /* after - before */
	FpRatio		 ratio;		 /* after / before */
	FpRatio		 odds_ratio;
	double		 gain;	  /* twice the log likelihood ratio, c.f. dispersion */
	double		 p_value; /* corrected for the search over the series */
	bool		 low_counts;  /* fewer than 5 of an outcome on a side */
	bool		 provisional; /* a shift so near to the end that it may yet
							   * turn out to be a spike */
} FpChange;

/* a stretch of equal rate; spikes are not part of it */
typedef struct FpStretch
{
	int		   from; /* first and last bucket */
	int		   to;
	int		   buckets;
	int64	   failures;
	int64	   trials;
	FpEstimate rate;
} FpStretch;

typedef struct FpTrend
{
	int		   nbuckets;
	double	   correlation; /* rho, of two trials in one bucket */
	double	   dispersion;	/* phi, mean variance factor of a bucket */
	int		   nchanges;
	FpChange  *changes; /* in order of time */
	int		   nstretches;
	FpStretch *stretches;
	/* as searched: effective counts of the buckets that are no spike */
	FpSeries series;
	int		*bucket; /* their indices */
} FpTrend;

extern void fp_change_points(FpArena arena, const FpBucket *buckets, int n,
							 const FpChangeOptions *options, FpTrend *trend);
extern int	fp_change_profile(FpArena arena, const FpTrend *trend,
							  const FpChange *change, int **buckets,
							  double **gains);

extern double fp_change_p(double gain, int nbuckets);
extern double fp_change_pair_p(double gain, int nbuckets);
extern double fp_change_penalty(double alpha, int nbuckets);
extern double fp_bucket_correlation(FpArena arena, const FpBucket *buckets,
									int n);

#endif /* FAILPAT_CHANGE_POINT_H */
