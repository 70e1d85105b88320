/*-------------------------------------------------------------------------
 *
 * mix_shift.h
 *		Did the rate move because things got worse, or because the mix of
 *		work changed?
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef FAILPAT_STATS_MIX_SHIFT_H
#define FAILPAT_STATS_MIX_SHIFT_H

#include "pure.h"

/* One kind of work before and after a change. */
typedef struct FpMixStratum
{
	int64 failures_before;
	int64 trials_before;
	int64 failures_after;
	int64 trials_after;
} FpMixStratum;

typedef enum FpMixVerdict
{
	FP_MIX_NONE,	/* one side holds nothing */
	FP_MIX_RATE,	/* the rates within strata moved */
	FP_MIX_MIX,		/* only the shares of the strata moved */
	FP_MIX_BOTH,	/* both did */
	FP_MIX_REVERSAL /* rates within strata moved against the total (Simpson) */
} FpMixVerdict;

/* what one stratum contributes to the difference of the totals */
typedef struct FpMixPart
{
	double rate;
	double mix;
} FpMixPart;

typedef struct FpMixShift
{
	double		 total;		  /* rate after - rate before */
	double		 rate_effect; /* the sum of both effects is the total */
	double		 rate_error;  /* standard error of the rate effect */
	double		 mix_effect;
	double		 p_value; /* of no change within any stratum */
	FpMixVerdict verdict;
	FpMixPart	*parts; /* one per stratum */
} FpMixShift;

extern void fp_mix_shift(FpArena arena, const FpMixStratum *strata, int count,
						 double dispersion, double alpha, FpMixShift *result);
extern const char *fp_mix_verdict_name(FpMixVerdict verdict);

#endif /* FAILPAT_STATS_MIX_SHIFT_H */
