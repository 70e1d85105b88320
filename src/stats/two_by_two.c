/*-------------------------------------------------------------------------
 *
 * two_by_two.c
 *		Measures that compare two rates, with their intervals.
 *
 * The score intervals hold those values of the measure that a score test
 * does not reject; the tests' statistics fall steadily as the value grows, so
 * a bound is the one root of a function of one variable, always sought on
 * a scale without ends (logarithm or logit).
 *
 * Allocates nothing, takes no locks.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#include "stats/two_by_two.h"

#include <math.h>

#include "stats/interval.h"
#include "stats/special.h"

/* the counts of two rates, as doubles */
typedef struct Rates
{
	double f1;
	double n1;
	double f2;
	double n2;
	double target; /* the statistic's value at the bound that is sought */
} Rates;

typedef double (*RootFunction)(double x, const Rates *rates);

static Rates
check_rates(int64 f1, int64 n1, int64 f2, int64 n2, double confidence)
{
	Rates rates = {(double) f1, (double) n1, (double) f2, (double) n2, 0.0};
	int64 sum;

	fp_check_counts(f1, n1);
	fp_check_counts(f2, n2);
	fp_check_confidence(confidence);
	if (pg_add_s64_overflow(n1, n2, &sum))
		fp_error(FP_ERR_RANGE, NULL, NULL,
				 "sum of trials out of range: %lld + %lld", (long long) n1,
				 (long long) n2);
	return rates;
}

/*
 * Root of a falling function, positive at low and negative at high, by the
 * method of Ridders (1979): never worse than bisection.
 */
static double
find_root(RootFunction function, const Rates *rates, double low, double high)
{
	double at_low = function(low, rates);
	double at_high = function(high, rates);
	double last = INFINITY;

	for (int i = 0; i < 200 && at_low > 0.0 && at_high < 0.0; i++)
	{
		double mid = low + 0.5 * (high - low);
		double at_mid = function(mid, rates);
		double next;
		double at_next;

		if (at_mid == 0.0 || mid <= low || mid >= high)
			return mid;
		next = mid +
			   (mid - low) * at_mid / sqrt(at_mid * at_mid - at_low * at_high);
		next = Min(Max(next, low), high);
		at_next = function(next, rates);
		if (at_next == 0.0 ||
			fabs(next - last) <= 4e-16 * Max(fabs(next), 1e-8))
			return next;
		last = next;
		/* the tightest bracket that the four points give */
		if (at_mid > 0.0)
		{
			low = mid;
			at_low = at_mid;
		}
		else
		{
			high = mid;
			at_high = at_mid;
		}
		if (next > low && next < high)
		{
			if (at_next > 0.0)
			{
				low = next;
				at_low = at_next;
			}
			else
			{
				high = next;
				at_high = at_next;
			}
		}
	}
	return at_low <= 0.0 ? low : at_high >= 0.0 ? high : low;
}

/*
 * Score statistic for "the risk ratio is r", as a z.  The second rate's
 * estimate given r is the smaller root of
 *
 *		(n1 + n2) r p^2 - (r (n1 + f2) + f1 + n2) p + f1 + f2,
 *
 * whose discriminant is written without differences of large numbers.
 */
static double
ratio_score(double r, const Rates *t)
{
	double n = t->n1 + t->n2;
	double x = r * (t->n1 + t->f2);
	double y = t->f1 + t->n2;
	double root =
		sqrt((x - y) * (x - y) + 4.0 * r * (t->n1 - t->f1) * (t->n2 - t->f2));
	double p2 = 2.0 * (t->f1 + t->f2) / (x + y + root);
	double p1 = Min(r * p2, 1.0);
	double variance =
		p1 * (1.0 - p1) / t->n1 + r * r * p2 * (1.0 - Min(p2, 1.0)) / t->n2;
	double difference = t->f1 / t->n1 - r * t->f2 / t->n2;

	if (difference == 0.0)
		return 0.0;
	return difference / sqrt(variance * n / (n - 1.0));
}

static double
ratio_excess(double log_r, const Rates *t)
{
	return ratio_score(exp(log_r), t) - t->target;
}

bool
fp_risk_ratio_at_least(int64 f1, int64 n1, int64 f2, int64 n2, double ratio,
					   double z)
{
	Rates rates = {(double) f1, (double) n1, (double) f2, (double) n2, 0.0};

	if (f1 == 0 || n1 == 0 || n2 == 0)
		return false;
	return ratio_score(ratio, &rates) >= z;
}

FpRatio
fp_risk_ratio(int64 f1, int64 n1, int64 f2, int64 n2, double confidence)
{
	Rates	rates = check_rates(f1, n1, f2, n2, confidence);
	FpRatio result = {NAN, 0.0, INFINITY};
	double	z = fp_normal_two_sided(confidence);
	double	middle;
	double	width;

	if (n1 == 0 || n2 == 0 || (f1 == 0 && f2 == 0))
		return result;
	result.estimate =
		f2 == 0 ? INFINITY : (rates.f1 / rates.f2) * (rates.n2 / rates.n1);

	/* brackets from the log-normal interval with half a failure more */
	middle = log((rates.f1 + 0.5) / (rates.f2 + 0.5) * (rates.n2 + 0.5) /
				 (rates.n1 + 0.5));
	width = 0.1 +
			(z + 1.0) * sqrt(1.0 / (rates.f1 + 0.5) + 1.0 / (rates.f2 + 0.5));
	if (rates.f1 > 0.0 && rates.f2 > 0.0)
		middle = log(result.estimate);
	if (f1 > 0)
	{
		double step = width;
		double low = middle - step;
		double high = middle;

		rates.target = z;
		while (ratio_excess(low, &rates) < 0.0 && step < 1e4)
			low -= (step *= 2.0);
		for (step = width; ratio_excess(high, &rates) > 0.0 && step < 1e4;)
			high += (step *= 2.0);
		result.lower = exp(find_root(ratio_excess, &rates, low, high));
	}
	if (f2 > 0)
	{
		double step = width;
		double low = middle;
		double high = middle + step;

		rates.target = -z;
		while (ratio_excess(high, &rates) > 0.0 && step < 1e4)
			high += (step *= 2.0);
		for (step = width; ratio_excess(low, &rates) < 0.0 && step < 1e4;)
			low -= (step *= 2.0);
		result.upper = exp(find_root(ratio_excess, &rates, low, high));
	}
	/* the score at the estimate is 0: what is beyond it is rounding */
	result.lower = Min(result.lower, result.estimate);
	result.upper = Max(result.upper, result.estimate);
	return result;
}

/* f1 / n1 - f2 / n2 without loss of digits */
static double
difference_of_rates(int64 f1, int64 n1, int64 f2, int64 n2)
{
#ifdef __SIZEOF_INT128__
	return (double) ((__int128) f1 * n2 - (__int128) f2 * n1) /
		   ((double) n1 * (double) n2);
#else
	double product = (double) f2 * (double) n1;

	return (fma((double) f1, (double) n2, -product) +
			fma(-(double) f2, (double) n1, product)) /
		   ((double) n1 * (double) n2);
#endif
}

FpEstimate
fp_risk_difference(int64 f1, int64 n1, int64 f2, int64 n2, double confidence)
{
	FpEstimate result = {NAN, -1.0, 1.0};
	double	   z;
	FpInterval first;
	FpInterval second;

	check_rates(f1, n1, f2, n2, confidence);
	if (n1 == 0 || n2 == 0)
		return result;
	z = fp_normal_two_sided(confidence);
	first = fp_wilson_distances(f1, n1, z);
	second = fp_wilson_distances(f2, n2, z);
	result.estimate = difference_of_rates(f1, n1, f2, n2);
	result.lower = result.estimate - hypot(first.lower, second.upper);
	result.upper = result.estimate + hypot(first.upper, second.lower);
	return result;
}

/*
 * Odds ratios.  Given the margins, a value of the odds ratio fits cells that
 * are moved by some t from the observed ones; the score test rejects it where
 * t^2 (1/a + 1/b + 1/c + 1/d), of the moved cells, exceeds z^2 N / (N - 1).
 * Here f1 and f2 hold the two cells that shrink, n1 and n2 those that grow;
 * x is the logit of t as a share of the most that can be moved.
 */
static double
cornfield(double x, const Rates *t, double *log_odds)
{
	double most = Min(t->f1, t->f2);
	double moved = most / (1.0 + exp(-x));
	double rest = most / (1.0 + exp(x));
	double a = (t->f1 - most) + rest;
	double d = (t->f2 - most) + rest;
	double b = t->n1 + moved;
	double c = t->n2 + moved;

	if (log_odds)
		*log_odds = log(a / b) + log(d / c);
	return 2.0 * log(moved) + log(1.0 / a + 1.0 / b + 1.0 / c + 1.0 / d);
}

static double
cornfield_excess(double x, const Rates *t)
{
	return t->target - cornfield(x, t, NULL);
}

/* ln of the odds ratio that is just rejected, of the moved cells */
static double
odds_bound(double shrink1, double shrink2, double grow1, double grow2,
		   double target)
{
	Rates  t = {shrink1, grow1, shrink2, grow2, target};
	double log_odds;

	cornfield(find_root(cornfield_excess, &t, -200.0, 200.0), &t, &log_odds);
	return log_odds;
}

FpRatio
fp_odds_ratio(int64 f1, int64 n1, int64 f2, int64 n2, double confidence)
{
	Rates	t = check_rates(f1, n1, f2, n2, confidence);
	double	p1 = t.n1 - t.f1;
	double	p2 = t.n2 - t.f2;
	double	n = t.n1 + t.n2;
	double	z = fp_normal_two_sided(confidence);
	double	target;
	FpRatio result = {NAN, 0.0, INFINITY};

	if (n1 == 0 || n2 == 0 || t.f1 + t.f2 == 0.0 || p1 + p2 == 0.0)
		return result;
	target = 2.0 * log(z) - log1p(-1.0 / n);
	result.estimate = (t.f1 / p1) * (p2 / t.f2);
	if (p1 == 0.0 || t.f2 == 0.0)
		result.estimate = INFINITY;
	if (t.f1 > 0.0 && p2 > 0.0)
		result.lower = exp(odds_bound(t.f1, p2, p1, t.f2, target));
	if (p1 > 0.0 && t.f2 > 0.0)
		result.upper = exp(-odds_bound(p1, t.f2, t.f1, p2, target));
	return result;
}
