/*-------------------------------------------------------------------------
 *
 * interval.c
 *		Confidence intervals of one failure rate.
 *
 * Every method is symmetric: the upper bound for the failures is 1 less the
 * lower bound for the passes.  So each has one function for the lower bound,
 * in a form that loses no digits near 0; a bound near 1 comes from the other
 * side.
 *
 * Allocates nothing, takes no locks.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#include "stats/interval.h"

#include <math.h>

#include "stats/special.h"

static const char *const method_names[FP_INTERVAL_METHODS] = {
	"wilson",	"wilson-cc",	 "clopper-pearson",
	"jeffreys", "agresti-coull", "mid-p",
};

#define METHOD_HINT                                                      \
	"Methods are wilson, wilson-cc, clopper-pearson, jeffreys, agresti-" \
	"coull and mid-p."

const char *
fp_interval_method_name(FpIntervalMethod method)
{
	Assert((int) method >= 0 && (int) method < FP_INTERVAL_METHODS);
	return method_names[method];
}

FpIntervalMethod
fp_interval_method(const char *name, size_t len)
{
	for (int i = 0; i < FP_INTERVAL_METHODS; i++)
		if (strlen(method_names[i]) == len &&
			memcmp(method_names[i], name, len) == 0)
			return (FpIntervalMethod) i;
	fp_error(FP_ERR_DATA, NULL, METHOD_HINT,
			 "unknown interval method \"%.*s\"", (int) Min(len, 64), name);
}

void
fp_check_confidence(double confidence)
{
	/* written so that NaN fails */
	if (!(confidence > 0.0 && confidence < 1.0))
		fp_error(FP_ERR_DATA, NULL,
				 "A confidence of 95 percent is written 0.95.",
				 "confidence must be between 0 and 1, both exclusive: %.15g",
				 confidence);
}

void
fp_check_counts(int64 failures, int64 trials)
{
	if (trials < 0)
		fp_error(FP_ERR_DATA, NULL, NULL, "trials must not be negative: %lld",
				 (long long) trials);
	if (failures < 0)
		fp_error(FP_ERR_DATA, NULL, NULL,
				 "failures must not be negative: %lld", (long long) failures);
	if (failures > trials)
		fp_error(FP_ERR_DATA, NULL, NULL,
				 "failures must not exceed trials: %lld > %lld",
				 (long long) failures, (long long) trials);
}

/*
 * Wilson's bounds are the roots of (n + z^2) p^2 - (2f + z^2) p + f^2 / n;
 * the smaller one by way of their product.  The continuity correction is the
 * same with f - 1/2 for the lower and f + 1/2 for the upper bound.
 */
static double
wilson_lower(double f, double n, double z)
{
	double z2 = z * z;

	if (f <= 0.0)
		return 0.0;
	return 2.0 * f * (f / n) /
		   (2.0 * f + z2 + z * sqrt(z2 + 4.0 * f * ((n - f) / n)));
}

static double
wilson_upper(double f, double n, double z)
{
	double z2 = z * z;

	if (2.0 * f > n)
		return 1.0 - wilson_lower(n - f, n, z);
	return (2.0 * f + z2 + z * sqrt(z2 + 4.0 * f * ((n - f) / n))) /
		   (2.0 * (n + z2));
}

/*
 * Agresti and Coull: p +- z sqrt(p (1 - p) / m) with m = n + z^2 and
 * p = (f + z^2 / 2) / m; the lower one by p^2 - z^2 p (1 - p) / m, whose
 * difference is written out in f and n.
 */
static double
agresti_coull_lower(double f, double n, double z)
{
	double z2 = z * z;
	double m = n + z2;
	double p = (f + 0.5 * z2) / m;
	double q = (n - f + 0.5 * z2) / m;
	double difference = (n * (f - 0.5 * z2) + 2.0 * f * z2) / m / m;

	if (difference <= 0.0)
		return 0.0;
	return p * difference / (p + z * sqrt(p * q / m));
}

static double
agresti_coull_upper(double f, double n, double z)
{
	double z2 = z * z;
	double m = n + z2;
	double p = (f + 0.5 * z2) / m;
	double q = (n - f + 0.5 * z2) / m;

	if (2.0 * f > n)
		return 1.0 - agresti_coull_lower(n - f, n, z);
	return Min(p + z * sqrt(p * q / m), 1.0);
}

/*
 * Lower bound of the exact methods, for f failures and s that did not fail: the
 * p at which the upper tail, from f failures on, has the probability
 * exp(log_level); *complement is 1 - p.
 *
 * By Newton's method in the logit of p, on the logarithm of the tail, with
 * Halley's correction: the kernel's logarithm has the slope a q - b p, so the
 * tail's curvature comes for nothing, and three evaluations do where Newton's
 * would need six.  For mid-p, whose curvature is another, by Newton's alone.
 * The residual is right to some 1e-15, so p and 1 - p are.
 */
static double
exact_lower(double f, double s, double log_level, FpIntervalMethod method,
			double *complement)
{
	double n = f + s;
	double a = f;
	double b = s + 1.0;
	double theta;
	double last = INFINITY;
	double small;
	double z = Max(fp_normal_upper_quantile(log_level), 0.0);

	if (complement)
		*complement = 1.0;
	if (f <= 0.0)
		return 0.0;
	if (method == FP_JEFFREYS)
	{
		a = f + 0.5;
		b = s + 0.5;
	}

	/* the first guess is Wilson's bound, its complement by the larger root */
	theta = log(wilson_lower(f, n, z) / wilson_upper(s, n, z));
	if (!isfinite(theta))
		theta = log(2.0 * n);

	for (int i = 0; i < 100; i++)
	{
		double p;
		double q;
		double kernel;
		double log_tail;
		double slope;
		double step;
		double bend = 0.0;

		small = exp(-fabs(theta));
		small /= 1.0 + small;
		p = theta < 0.0 ? small : 1.0 - small;
		q = theta < 0.0 ? 1.0 - small : small;
		kernel = fp_log_beta_cdf(a, b, p, q, &log_tail, NULL);
		/* by the logit, the tail's derivative is the kernel */
		slope = exp(kernel - log_tail);
		if (method == FP_MID_P)
		{
			/* less half of P(X = f), in units of P(X >= f) */
			double half = 0.5 * slope / (f * q);

			slope = (slope - half * (f * q - s * p)) / (1.0 - half);
			log_tail += log1p(-half);
		}
		step = (log_level - log_tail) / slope;
		if (method != FP_MID_P)
		{
			/* by how much of itself the slope changes within the step */
			bend = step * (a * q - b * p - slope);
			step /= Max(1.0 + 0.5 * bend, 0.5);
		}
		step = Max(Min(step, 4.0), -4.0);
		theta += step;
		/*
		 * Done when what is left, of the order of the step's cube, is
		 * nothing, or when it no longer gets better.
		 */
		if (fabs(step) <= 1e-16 * fabs(theta) ||
			(method != FP_MID_P && fabs(bend) < 1e-3 &&
			 fabs(step) * bend * bend < 1e-17) ||
			(fabs(step) < 1e-9 && fabs(step) >= last))
			break;
		last = fabs(step);
	}
	small = exp(-fabs(theta));
	small /= 1.0 + small;
	if (complement)
		*complement = theta < 0.0 ? 1.0 - small : small;
	return theta < 0.0 ? small : 1.0 - small;
}

FpInterval
fp_wilson_interval(int64 failures, int64 trials, double z)
{
	FpInterval result = {0.0, 1.0};

	if (trials > 0)
	{
		result.lower = wilson_lower((double) failures, (double) trials, z);
		result.upper = wilson_upper((double) failures, (double) trials, z);
	}
	return result;
}

FpInterval
fp_wilson_distances(int64 failures, int64 trials, double z)
{
	FpInterval bounds = fp_wilson_interval(failures, trials, z);
	double	   n = (double) trials;
	double	   rest = wilson_lower((double) (trials - failures), n, z);
	FpInterval result = {0.0, 0.0};

	/* a bound p is where |rate - p| = z sqrt(p (1 - p) / n) */
	if (trials > 0)
	{
		result.lower = z * sqrt(bounds.lower * (1.0 - bounds.lower) / n);
		result.upper = z * sqrt(bounds.upper * rest / n);
	}
	return result;
}

/* At a confidence next to 0 both bounds are one number, but for rounding. */
static FpInterval
ordered(FpInterval interval)
{
	if (interval.lower > interval.upper)
		interval.lower = interval.upper;
	return interval;
}

FpInterval
fp_binomial_interval(int64 failures, int64 trials, double confidence,
					 FpIntervalMethod method)
{
	FpInterval result = {0.0, 1.0};
	double	   f = (double) failures;
	double	   n = (double) trials;
	double	   z;
	double	   log_level;
	double	   rest;

	fp_check_counts(failures, trials);
	fp_check_confidence(confidence);
	if (trials == 0)
		return result;

	switch (method)
	{
		case FP_WILSON:
			result = fp_wilson_interval(failures, trials,
										fp_normal_two_sided(confidence));
			/* the rate is in it: beyond that is rounding */
			result.lower = Min(result.lower, f / n);
			result.upper = Max(result.upper, f / n);
			return result;
		case FP_WILSON_CC:
			z = fp_normal_two_sided(confidence);
			if (failures > 0)
				result.lower = wilson_lower(f - 0.5, n, z);
			if (failures < trials)
				result.upper = wilson_upper(f + 0.5, n, z);
			return ordered(result);
		case FP_AGRESTI_COULL:
			z = fp_normal_two_sided(confidence);
			result.lower = agresti_coull_lower(f, n, z);
			result.upper = agresti_coull_upper(f, n, z);
			return ordered(result);
		case FP_CLOPPER_PEARSON:
		case FP_JEFFREYS:
		case FP_MID_P:
			log_level = log(0.5 * (1.0 - confidence));
			rest = (double) (trials - failures);
			result.lower = exact_lower(f, rest, log_level, method, NULL);
			exact_lower(rest, f, log_level, method, &result.upper);
			return ordered(result);
	}
	fp_error(FP_ERR_DATA, NULL, METHOD_HINT, "unknown interval method %d",
			 (int) method);
}
