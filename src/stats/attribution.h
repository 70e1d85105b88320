/*-------------------------------------------------------------------------
 *
 * attribution.h
 *		Which event a change is due to, and whether events of a kind matter.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef FAILPAT_STATS_ATTRIBUTION_H
#define FAILPAT_STATS_ATTRIBUTION_H

#include "pure.h"
#include "stats/two_by_two.h"

/* Something that happened and may have moved a rate. */
typedef struct FpCause
{
	int	   bucket;	  /* the first bucket that it can act on */
	double weight;	  /* prior, by how well its scope fits; 1 is usual, >= 0 */
	double posterior; /* result */
} FpCause;

/* prior probability that no recorded event is the cause */
#define FP_NO_CAUSE_PRIOR 0.3

extern double fp_attribute(const int *buckets, const double *gains, int places,
						   FpCause *causes, int ncauses, double none_prior);
extern double fp_coincidence_log_p(int64 near, int64 changes, double covered);

/* the four cells of a comparison around an event */
typedef struct FpDidCells
{
	int64 failures_before;
	int64 trials_before;
	int64 failures_after;
	int64 trials_after;
} FpDidCells;

extern FpEstimate fp_difference_in_differences(const FpDidCells *treated,
											   const FpDidCells *control,
											   double			 dispersion,
											   double			 confidence,
											   double			*p_value);

#endif /* FAILPAT_STATS_ATTRIBUTION_H */
