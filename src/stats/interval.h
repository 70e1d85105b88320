/*-------------------------------------------------------------------------
 *
 * interval.h
 *		Confidence intervals of one failure rate.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef FAILPAT_STATS_INTERVAL_H
#define FAILPAT_STATS_INTERVAL_H

#include "pure.h"

typedef struct FpInterval
{
	double lower;
	double upper;
} FpInterval;

/* The numbers are stored in states of aggregates: add, never renumber. */
typedef enum FpIntervalMethod
{
	FP_WILSON = 0,			/* Wilson (1927) score interval */
	FP_WILSON_CC = 1,		/* the same, continuity corrected */
	FP_CLOPPER_PEARSON = 2, /* Clopper and Pearson (1934), "exact" */
	FP_JEFFREYS = 3,		/* equal-tailed, prior Beta(1/2, 1/2) */
	FP_AGRESTI_COULL = 4,	/* Agresti and Coull (1998), with z */
	FP_MID_P = 5			/* Clopper-Pearson with mid-p tails */
} FpIntervalMethod;

#define FP_INTERVAL_METHODS 6
#define FP_DEFAULT_CONFIDENCE 0.95

/*
 * The interval of the given confidence for the probability behind so many
 * failures in so many trials.  No trials: 0 to 1.  Otherwise 0 <= lower <=
 * upper <= 1, both right to 1e-9 of themselves and of their distance to 1.
 *
 * At failures = 0 the lower bound and at failures = trials the upper bound
 * are 0 and 1 with all methods, also wilson-cc (as Newcombe 1998, method 4)
 * and jeffreys (as Brown, Cai and DasGupta 2001, who keep the other bound at
 * the one-sided level alpha / 2); agresti-coull is cut to 0..1.
 *
 * Raises FP_ERR_DATA unless 0 <= failures <= trials, 0 < confidence < 1.
 */
extern FpInterval fp_binomial_interval(int64 failures, int64 trials,
									   double			confidence,
									   FpIntervalMethod method);

/* Wilson's interval by its z; no checks: for loops over many cells */
extern FpInterval fp_wilson_interval(int64 failures, int64 trials, double z);

/*
 * How far Wilson's bounds lie from the observed rate, {rate - lower, upper -
 * rate}, without the digits that the subtraction would lose; by z, no checks.
 */
extern FpInterval fp_wilson_distances(int64 failures, int64 trials, double z);

/* name of a method, and the method of a name (not terminated by zero) */
extern const char	   *fp_interval_method_name(FpIntervalMethod method);
extern FpIntervalMethod fp_interval_method(const char *name, size_t len);

/* the checks that the functions above and their callers share */
extern void fp_check_confidence(double confidence);
extern void fp_check_counts(int64 failures, int64 trials);

#endif /* FAILPAT_STATS_INTERVAL_H */
