/*-------------------------------------------------------------------------
 *
 * two_by_two.h
 *		Tests and measures for two counts of failures among two of trials.
 *
 * The exact tests speak of n trials drawn without replacement from N, F of
 * which failed: a of the drawn ones failed.  As a table of two rows,
 *
 *					failed		passed			   sum
 *		drawn		a			n - a			   n
 *		others		F - a		N - n - F + a	   N - n
 *		sum			F			N - F			   N
 *
 * All results of exact tests are natural logarithms, so that they neither
 * underflow nor lose digits, right to 3e-12 of the logarithm, for N up
 * to 2^53 (2^63 with an error of one part in 2^53 in the counts).  Arguments
 * outside 0 <= n <= N, 0 <= F <= N raise FP_ERR_DATA; an impossible a
 * gets the probability that it has: none.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef FAILPAT_STATS_TWO_BY_TWO_H
#define FAILPAT_STATS_TWO_BY_TWO_H

#include "pure.h"

/* ln P(X = a); near P = 1 right to 1e-14 in absolute terms only */
extern double fp_hyper_log_pmf(int64 a, int64 n, int64 F, int64 N);

/* ln P(X >= a), ln P(X <= a): one-sided Fisher tests */
extern double fp_hyper_log_upper(int64 a, int64 n, int64 F, int64 N);
extern double fp_hyper_log_lower(int64 a, int64 n, int64 F, int64 N);

/* the same with half of P(X = a): mid-p; information, not a guarantee */
extern double fp_hyper_log_upper_mid(int64 a, int64 n, int64 F, int64 N);
extern double fp_hyper_log_lower_mid(int64 a, int64 n, int64 F, int64 N);

/* ln of the sum of all P(X = k) that are at most P(X = a): Fisher's test */
extern double fp_fisher_log_two_sided(int64 a, int64 n, int64 F, int64 N);

/*
 * Is fp_hyper_log_upper(a, n, F, N) <= log_level?  Decided from bounds where
 * they suffice, so it costs a fraction of the probability itself.
 */
extern bool fp_hyper_log_upper_below(int64 a, int64 n, int64 F, int64 N,
									 double log_level);

/*
 * ln of the smallest P(X >= a) that any a can have given n, F and N: what a
 * test of these margins can reach at best (Tarone 1990).
 */
extern double fp_hyper_log_min_upper(int64 n, int64 F, int64 N);

/*
 * Two rates, f1 failures in n1 trials against f2 in n2, compared.  Each has
 * an interval of the given confidence.  Raise FP_ERR_DATA unless 0 <= f <= n
 * for both and 0 < confidence < 1.  A measure that the counts do not define
 * (0 / 0) is NaN, x / 0 is infinity; a bound about which they say nothing is
 * the measure's own (0, infinity; -1, 1).
 */
typedef struct FpEstimate
{
	double estimate;
	double lower;
	double upper;
} FpEstimate;

typedef FpEstimate FpRatio;

/*
 * (f1 / n1) / (f2 / n2), with the score interval of Miettinen and Nurminen
 * (1985; Koopman's of 1984 with their factor N / (N - 1) on the variance).
 */
extern FpRatio fp_risk_ratio(int64 f1, int64 n1, int64 f2, int64 n2,
							 double confidence);

/*
 * f1 / n1 - f2 / n2, with the interval of Newcombe (1998), method 10, made of
 * the two Wilson intervals.
 */
extern FpEstimate fp_risk_difference(int64 f1, int64 n1, int64 f2, int64 n2,
									 double confidence);

/*
 * f1 (n2 - f2) / (f2 (n1 - f1)), with the score interval of Cornfield (1956)
 * without continuity correction, variance by Miettinen and Nurminen (1985).
 */
extern FpRatio fp_odds_ratio(int64 f1, int64 n1, int64 f2, int64 n2,
							 double confidence);

/* Is the lower bound of fp_risk_ratio at least so much (> 0)?  No search. */
extern bool fp_risk_ratio_at_least(int64 f1, int64 n1, int64 f2, int64 n2,
								   double ratio, double z);

#endif /* FAILPAT_STATS_TWO_BY_TWO_H */
