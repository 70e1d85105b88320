/*-------------------------------------------------------------------------
 *
 * evalue.c
 *		Evidence that may be looked at as often as one likes.
 *
 * Pure functions: nothing is allocated, no locks.
 *
 * Statistics.md proposes a bound on the mean of ratio^X, the smaller of two
 * binomial ones (Hoeffding 1963).  Here the mean itself is summed, which costs
 * microseconds, needs fewer observations for the same evidence, and lets the
 * same figure serve the mirror test, where a bound from above would be wrong.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#include "stats/evalue.h"

#include <math.h>

#include "stats/special.h"

const double fp_e_ratios[FP_E_RATIOS] = {1.25, 1.5, 2, 3, 5, 10};

/* terms smaller than this share of the sum are left out */
#define NEGLIGIBLE 1e-18

/*
 * The most likely X when the odds ratio is so much: where the ratio of
 * neighbouring terms passes 1, the root of a quadratic (Liao and Rosen 2001).
 */
static int64
mode(int64 n, int64 F, int64 N, double ratio, int64 low, int64 high)
{
	double a = ratio - 1;
	double b = -(((double) n + (double) F + 2) * ratio + ((double) N - n - F));
	double c = ((double) n + 1) * ((double) F + 1) * ratio;
	double root = sqrt(fmax(0, b * b - 4 * a * c));
	double x = 2 * c / (-b + root);

	if (!(x > low))
		return low;
	if (x >= high)
		return high;
	return (int64) x;
}

double
fp_hyper_log_mean_power(int64 n, int64 F, int64 N, double ratio)
{
	int64  low = Max((int64) 0, n + F - N);
	int64  high = Min(n, F);
	int64  top;
	double sum = 1;
	double term;
	double log_ratio = log(ratio);

	/* X is known */
	if (low == high)
		return low * log_ratio;
	top = mode(n, F, N, ratio, low, high);
	term = 1;
	for (int64 k = top; k < high; k++)
	{
		if ((k & 0xffff) == 0)
			FP_CHECK_INTERRUPTS();
		term *= ratio * ((double) (n - k) / (k + 1)) *
				((double) (F - k) / (N - n - F + k + 1));
		sum += term;
		if (term < NEGLIGIBLE * sum)
			break;
	}
	term = 1;
	for (int64 k = top; k > low; k--)
	{
		if ((k & 0xffff) == 0)
			FP_CHECK_INTERRUPTS();
		term *= ((double) k / (n - k + 1)) *
				((double) (N - n - F + k) / (F - k + 1)) / ratio;
		sum += term;
		if (term < NEGLIGIBLE * sum)
			break;
	}
	return fp_hyper_log_pmf(top, n, F, N) + top * log_ratio + log(sum);
}

static void
check(const FpStratum *s)
{
	/* beyond 2^53 counts are not what doubles say they are */
	if (s->N < 0 || s->N > INT64CONST(1) << 53 || s->n < 0 || s->n > s->N ||
		s->F < 0 || s->F > s->N || s->a < 0 || s->a > s->n || s->a > s->F ||
		s->F - s->a > s->N - s->n)
		fp_error(FP_ERR_DATA, NULL, NULL,
				 "a stratum of %lld trials with %lld failures cannot have "
				 "%lld failures in %lld trials",
				 (long long) s->N, (long long) s->F, (long long) s->a,
				 (long long) s->n);
}

/* can its outcome be anything but what it is, given the margins? */
static bool
informative(const FpStratum *s)
{
	return Max((int64) 0, s->n + s->F - s->N) < Min(s->n, s->F);
}

double
fp_e_log(const FpStratum *stratum, double ratio)
{
	check(stratum);
	if (!informative(stratum))
		return 0;
	return stratum->a * log(ratio) -
		   fp_hyper_log_mean_power(stratum->n, stratum->F, stratum->N, ratio);
}

void
fp_wealth_add(FpWealth *wealth, const FpStratum *stratum, double inflation)
{
	for (int i = 0; i < FP_E_RATIOS; i++)
		wealth->log_e[i] += fp_e_log(stratum, fp_e_ratios[i]) / inflation;
}

double
fp_wealth_log_e(const FpWealth *wealth)
{
	double sum = -INFINITY;

	for (int i = 0; i < FP_E_RATIOS; i++)
		sum = fp_logaddexp(sum, wealth->log_e[i]);
	return sum - log(FP_E_RATIOS);
}

double
fp_e_log_threshold(double alpha, int64 rank)
{
	static const double pi = 3.14159265358979323846;

	return log(pi * pi / 6) + 2 * log((double) rank) - log(alpha);
}

/* the confidence whose quantile is root times smaller, for a wider interval */
static double
widened(double confidence, double root)
{
	double z = fp_normal_two_sided(confidence) * root;

	return fmin(1 - 1e-15, fmax(1e-9, 1 - 2 * exp(fp_normal_log_upper(z))));
}

FpCourse
fp_course(const FpStratum *strata, int64 count, double ratio, double inflation,
		  double confidence)
{
	FpCourse	 course;
	FpStratified all = FP_STRATIFIED_EMPTY;
	double		 root = sqrt(inflation);
	double		 wide = widened(confidence, root);
	double		 run = 0;

	memset(&course, 0, sizeof(course));
	course.decline_from = -1;
	course.decline_log_e = 0;
	for (int64 i = count - 1; i >= 0; i--)
	{
		FP_CHECK_INTERRUPTS();
		fp_stratified_add(&all, strata[i].a, strata[i].n, strata[i].F,
						  strata[i].N);
		if (!informative(&strata[i]))
			continue;
		course.informative++;
		run -= fp_e_log(&strata[i], ratio) / inflation;
		if (run > course.decline_log_e)
		{
			course.decline_log_e = run;
			course.decline_from = i;
			course.decline_rr = fp_stratified_rr(&all, wide);
		}
	}
	if (course.decline_from >= 0)
		course.decline_log_e -= log((double) course.informative);
	course.cmh = fp_stratified_cmh(&all);
	course.cmh.z /= root;
	course.cmh.chi_square /= inflation;
	course.cmh.log_p_upper = fp_normal_log_upper(course.cmh.z);
	course.cmh.log_p_lower = fp_normal_log_upper(-course.cmh.z);
	course.cmh.log_p_two_sided =
		log(2) + fp_normal_log_upper(fabs(course.cmh.z));
	course.rr = fp_stratified_rr(&all, wide);
	return course;
}
