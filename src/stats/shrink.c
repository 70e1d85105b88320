/*-------------------------------------------------------------------------
 *
 * shrink.c
 *		Rates drawn towards what their peers have in common.
 *
 * Pure functions of their arguments; allocates nothing, takes no locks.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#include "stats/shrink.h"

#include <math.h>

#include "stats/special.h"

#define CHECK_EVERY 8192 /* cells between looks at interrupts */
#define MAX_ROUNDS 60
#define MAX_RHO 0.99

/*
 * One round: the mean rate weighted for this rho, the rho that the distances
 * to it speak for, and that one's information, 2 / se^2.
 *
 * With h = w / sum w, a squared distance is expected to be
 * mean (1 - mean) (1 - h) (1 / n + rho (1 - 1 / n)), and its standard
 * deviation proportional to that.
 */
static double
round_of_moments(const int64 *failures, const int64 *trials, size_t n,
				 double rho, double *mean, double *information)
{
	double weight = 0;
	double weighted = 0;
	double slope = 0;
	double variance;

	*information = 0;
	for (size_t i = 0; i < n; i++)
	{
		double m = (double) trials[i];
		double w = m / (1 + (m - 1) * rho);

		if (i % CHECK_EVERY == 0)
			FP_CHECK_INTERRUPTS();
		if (m > 0)
		{
			weight += w;
			weighted += w * ((double) failures[i] / m);
		}
	}
	*mean = weighted / weight;
	variance = *mean * (1 - *mean);
	for (size_t i = 0; i < n; i++)
	{
		double m = (double) trials[i];
		double w = m / (1 + (m - 1) * rho);
		double rest = 1 - w / weight;
		double x = w * rest * (1 - 1 / m);
		double distance = (double) failures[i] / m - *mean;

		if (m > 0)
		{
			slope += x * w * (distance * distance / variance - rest / m);
			*information += x * x;
		}
	}
	if (!(*information > 0) || !(variance > 0))
		return 0;
	return slope / *information;
}

FpRatePrior
fp_shrink_prior(const int64 *failures, const int64 *trials, size_t n)
{
	FpRatePrior prior = {0.5, 1};
	double		total = 0;
	double		failed = 0;
	double		rho = 0;
	double		mean = 0.5;
	double		information = 0;
	double		se;

	for (size_t i = 0; i < n; i++)
	{
		if (i % CHECK_EVERY == 0)
			FP_CHECK_INTERRUPTS();
		fp_check_counts(failures[i], trials[i]);
		total += (double) trials[i];
		failed += (double) failures[i];
	}
	if (total == 0)
		return prior;

	/* weights go from the trials to even as rho grows; few rounds settle it */
	round_of_moments(failures, trials, n, 0, &mean, &information);
	se = information > 0 ? sqrt(2 / information) : INFINITY;
	for (int i = 0; i < MAX_ROUNDS; i++)
	{
		double last = rho;

		rho = round_of_moments(failures, trials, n, last, &mean, &information);
		rho = Min(Max(rho, 0), MAX_RHO);
		if (fabs(rho - last) <= 1e-13)
			break;
	}

	/* nothing or everything failed: the rate is near there, not there */
	if (failed == 0 || failed == total)
		mean = (failed + 0.5) / (total + 1);

	if (!(information > 0))
		rho = FP_SHRINK_DEFAULT_RHO;
	else
	{
		double ours = information / 2;
		double theirs = 1 / (FP_SHRINK_DEFAULT_SE * FP_SHRINK_DEFAULT_SE);

		rho = Min(Max(rho, se), MAX_RHO);
		rho = (rho * ours + FP_SHRINK_DEFAULT_RHO * theirs) / (ours + theirs);
	}
	prior.mean = mean;
	prior.strength = 1 / rho - 1;
	return prior;
}

double
fp_shrink_rate(FpRatePrior prior, int64 failures, int64 trials)
{
	return (prior.mean * prior.strength + (double) failures) /
		   (prior.strength + (double) trials);
}

/*
 * ln I_x(a, b) at x = 1 / (1 + exp(-theta)), and its slope by theta.
 *
 * fp_log_beta_cdf() wants a and b of at least a half; below, the recurrences
 * I(a, b) = I(a + 1, b) + k and 1 - I(a, b) = 1 - I(a, b + 1) + l are used,
 * which only add: k = kernel(a + 1, b) / ((a + b) x), l = kernel(a, b + 1) /
 * ((a + b) y), where kernel = x^a y^b / B(a, b).
 */
static double
log_beta_lower(double a, double b, double theta, double *slope)
{
	double log_x = theta < 0 ? theta - log1p(exp(theta)) : -log1p(exp(-theta));
	double log_y =
		theta < 0 ? -log1p(exp(theta)) : -theta - log1p(exp(-theta));
	double a_up = a < 0.5 ? a + 1 : a;
	double b_up = b < 0.5 ? b + 1 : b;
	double log_lower;
	double log_upper;
	double kernel = fp_log_beta_cdf(a_up, b_up, exp(log_x), exp(log_y),
									&log_lower, &log_upper);

	/* both are below a half where a prior is very weak: first b, then a */
	if (b_up > b)
	{
		double step = kernel - log(a_up + b) - log_y;

		log_lower = fp_log1mexp(Min(fp_logaddexp(log_upper, step), 0));
		kernel = step + log(b);
	}
	if (a_up > a)
	{
		double step = kernel - log(a + b) - log_x;

		log_lower = fp_logaddexp(log_lower, step);
		kernel = step + log(a);
	}
	*slope = exp(kernel - log_lower);
	return log_lower;
}

/* The x with I_x(a, b) = exp(log_level): Newton by the logit, in a bracket. */
static double
beta_quantile(double a, double b, double log_level)
{
	double low = -700;
	double high = 700;
	double theta = log(a / b);

	for (int i = 0; i < 200 && high - low > 1e-13 * (1 + fabs(low)); i++)
	{
		double slope;
		double distance;

		theta = Min(Max(theta, low), high);
		distance = log_level - log_beta_lower(a, b, theta, &slope);
		if (distance == 0)
			break;
		if (distance > 0)
			low = theta;
		else
			high = theta;
		theta += distance / slope;
		if (fabs(distance / slope) < 1e-14 * (1 + fabs(theta)))
			break;
		if (!(theta > low && theta < high))
			theta = low + (high - low) / 2;
	}
	return theta < 0 ? exp(theta) / (1 + exp(theta)) : 1 / (1 + exp(-theta));
}

FpInterval
fp_shrink_interval(FpRatePrior prior, int64 failures, int64 trials,
				   double confidence)
{
	double a = prior.mean * prior.strength + (double) failures;
	double b =
		(1 - prior.mean) * prior.strength + (double) (trials - failures);
	double	   log_level = log(0.5 * (1 - confidence));
	FpInterval result;

	fp_check_confidence(confidence);
	fp_check_counts(failures, trials);
	result.lower = beta_quantile(a, b, log_level);
	/* the upper tail is the lower tail of what passes */
	result.upper = 1 - beta_quantile(b, a, log_level);
	return result;
}
