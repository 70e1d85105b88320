/*-------------------------------------------------------------------------
 *
 * special.h
 *		Special functions on which the statistics stand.
 *
 * All are pure functions of their arguments, allocate nothing and raise no
 * errors; ranges are the caller's duty.  Logarithms are natural.  Counts may
 * go up to 2^53 without loss.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef FAILPAT_STATS_SPECIAL_H
#define FAILPAT_STATS_SPECIAL_H

#include "pure.h"

/* ln(1 - exp(x)) for x <= 0, right at both ends; -inf for x = 0 */
extern double fp_log1mexp(double x);

/* ln(exp(x) + exp(y)); either may be -inf */
extern double fp_logaddexp(double x, double y);

/*
 * Error of Stirling's formula: ln x! - [x ln x - x + ln(2 pi x) / 2], for
 * x > 0; 0 for x = 0, where the formula's terms are taken as 0 as well.
 */
extern double fp_stirling_error(double x);

/*
 * Deviance part x ln(x / e) - (x - e) >= 0, for x >= 0 observed and e > 0
 * expected.  d is x - e, which the caller often knows more exactly than the
 * subtraction gives it.
 */
extern double fp_deviance(double x, double e, double d);

/* ln of "n choose k"; -inf unless 0 <= k <= n */
extern double fp_log_choose(int64 n, int64 k);

/* ln P(Z > z) and the inverse: the z at which it is log_p (<= 0) */
extern double fp_normal_log_upper(double z);
extern double fp_normal_upper_quantile(double log_p);

/* P(Z <= z) */
extern double fp_normal_cdf(double z);

/* The z with P(|Z| <= z) = confidence, 0 < confidence < 1 */
extern double fp_normal_two_sided(double confidence);

/*
 * Regularised incomplete beta function for a, b >= 0.5: ln I_x(a, b) and
 * ln (1 - I_x(a, b)), either of which may be asked for by a non-null
 * pointer.  y must be 1 - x; both are given so that neither loses digits.
 * Returns ln of x^a y^b / B(a, b), the density's kernel.
 */
extern double fp_log_beta_cdf(double a, double b, double x, double y,
							  double *log_lower, double *log_upper);

/*
 * Integral of exp(-drop(t)) over 0..end, for a smooth, increasing and convex
 * drop with drop(0) = 0 that reaches some 40 to 90 at end (or less, where the
 * integral ends there).  32 nodes; relative error below 1e-14.
 */
typedef double (*FpDrop)(double t, const void *arg);
extern double fp_integrate_decay(FpDrop drop, const void *arg, double end);

#endif /* FAILPAT_STATS_SPECIAL_H */
