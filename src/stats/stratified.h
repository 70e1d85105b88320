/*-------------------------------------------------------------------------
 *
 * stratified.h
 *		Two rates compared within strata: Cochran, Mantel and Haenszel.
 *
 * A stratum is a two-by-two table (see two_by_two.h): a of the n drawn trials
 * failed, F of all N.  Only comparisons within strata count, so what differs
 * between them (time, workflow) does not confound.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef FAILPAT_STATS_STRATIFIED_H
#define FAILPAT_STATS_STRATIFIED_H

#include "pure.h"
#include "stats/two_by_two.h"

typedef struct FpStratum
{
	int64 a; /* failures among the drawn */
	int64 n; /* drawn */
	int64 F; /* failures of all */
	int64 N; /* all */
} FpStratum;

/*
 * What the tests need of any number of strata; start from all zeroes (or
 * FP_STRATIFIED_EMPTY), add strata in any order.
 */
typedef struct FpStratified
{
	double excess;		/* sum of a - E(a) */
	double variance;	/* sum of Var(a): the information */
	double rr_drawn;	/* sum of a (N - n) / N */
	double rr_others;	/* sum of (F - a) n / N */
	double rr_variance; /* numerator of Greenland and Robins (1985) */
	int64  strata;		/* of them, those that tell something */
} FpStratified;

#define FP_STRATIFIED_EMPTY \
	{                       \
		0, 0, 0, 0, 0, 0    \
	}

/* Raises FP_ERR_DATA unless the stratum is a possible table. */
extern void fp_stratified_add(FpStratified *sums, int64 a, int64 n, int64 F,
							  int64 N);

typedef struct FpCmh
{
	double z;				/* > 0: the drawn fail more often; 0 without
							 * information */
	double chi_square;		/* z^2, one degree of freedom */
	double log_p_upper;		/* ln P(Z >= z) */
	double log_p_lower;		/* ln P(Z <= z) */
	double log_p_two_sided; /* ln P(|Z| >= |z|) */
} FpCmh;

/* The test of Cochran, Mantel and Haenszel, without continuity correction. */
extern FpCmh fp_stratified_cmh(const FpStratified *sums);

/*
 * Pooled risk ratio of Mantel and Haenszel with the variance of Greenland and
 * Robins (1985), log-normal interval.  Without failures on one side the
 * method has no variance: the interval is then 0 to infinity, the estimate 0
 * or infinity, NaN without failures on both.
 */
extern FpRatio fp_stratified_rr(const FpStratified *sums, double confidence);

/* The same over an array of strata. */
extern FpCmh   fp_cmh(const FpStratum *strata, int64 count);
extern FpRatio fp_mantel_haenszel_rr(const FpStratum *strata, int64 count,
									 double confidence);

#endif /* FAILPAT_STATS_STRATIFIED_H */
