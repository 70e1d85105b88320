/*-------------------------------------------------------------------------
 *
 * evalue.h
 *		Evidence that may be looked at as often as one likes.
 *
 * The e-value of a stratum (see stratified.h: a of n drawn trials failed, F
 * of all N) is the likelihood ratio of "the odds of failure of the drawn are
 * so many times those of the others" against "they are the same", given the
 * margins: Fisher's noncentral against the central hypergeometric
 * distribution.  Its expectation is 1 when they are the same.  A product over
 * strata that were chosen before their outcomes were seen is a test
 * martingale: the probability that it *ever* reaches 1 / alpha is at most
 * alpha (Ville 1939; Shafer 2021, Gruenwald et al. 2024).  Only comparisons
 * within strata count, so what differs between them does not confound.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef FAILPAT_STATS_EVALUE_H
#define FAILPAT_STATS_EVALUE_H

#include "pure.h"
#include "stats/stratified.h"

/* the odds ratios that are bet on, in equal parts: 1.25, 1.5, 2, 3, 5, 10 */
#define FP_E_RATIOS 6
extern const double fp_e_ratios[FP_E_RATIOS];

/*
 * ln of the mean of ratio^X for X failures among n drawn from N with F
 * failures; ratio > 0.  Summed out from the largest term: some ten standard
 * deviations of X are looked at.
 */
extern double fp_hyper_log_mean_power(int64 n, int64 F, int64 N, double ratio);

/*
 * ln of a stratum's e-value for odds that are ratio times as high.  Its
 * negative is the one against "at least ratio times as high", in favour of
 * "the same": evidence that something is no longer elevated.
 *
 * Raises FP_ERR_DATA unless the stratum is a possible table.
 */
extern double fp_e_log(const FpStratum *stratum, double ratio);

/* What was won for each ratio so far, in logarithms; start from zeroes. */
typedef struct FpWealth
{
	double log_e[FP_E_RATIOS];
} FpWealth;

/*
 * Adds a stratum.  Where outcomes come in clusters, inflation >= 1 is by how
 * much they inflate variances: the logarithm is divided by it.  By Jensen's
 * inequality the result stays an e-value without clusters.
 */
extern void fp_wealth_add(FpWealth *wealth, const FpStratum *stratum,
						  double inflation);

/* ln of the mean over the ratios: the e-value */
extern double fp_wealth_log_e(const FpWealth *wealth);

/*
 * ln of what the e-value of the rank-th candidate (1, 2, ...) must reach: of
 * all candidates ever, one that is not elevated does with probability alpha
 * at most.  The levels are alpha 6 / (pi^2 rank^2), which add up to alpha.
 */
extern double fp_e_log_threshold(double alpha, int64 rank);

/* A combination over strata in order of time. */
typedef struct FpCourse
{
	FpCmh	cmh;		 /* z divided by the root of the inflation */
	FpRatio rr;			 /* Mantel-Haenszel, its interval widened likewise */
	int64	informative; /* strata that can tell something */

	/*
	 * The run of strata up to the last that speaks most clearly against "at
	 * least ratio times": ln of its e-value, divided by the number of runs
	 * that there are (informative), so that one decline of all is found
	 * with probability 1 / e at most where there is none; the number of its
	 * first stratum (-1: no run speaks against it), and the risk ratio in it.
	 */
	double	decline_log_e;
	int64	decline_from;
	FpRatio decline_rr;
} FpCourse;

/* ratio > 1, inflation >= 1, confidence in (0, 1): of both risk ratios */
extern FpCourse fp_course(const FpStratum *strata, int64 count, double ratio,
						  double inflation, double confidence);

#endif /* FAILPAT_STATS_EVALUE_H */
