/*-------------------------------------------------------------------------
 *
 * stratified.c
 *		Two rates compared within strata: Cochran, Mantel and Haenszel.
 *
 * Every sum is of terms that come from exact integers or are not negative,
 * so none loses digits.  Allocates nothing, takes no locks.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#include "stats/stratified.h"

#include <math.h>

#include "stats/interval.h"
#include "stats/special.h"

void
fp_stratified_add(FpStratified *sums, int64 a, int64 n, int64 F, int64 N)
{
	double da = (double) a;
	double dn = (double) n;
	double dc = (double) (F - a);
	double all = (double) N;
	double others;
	double failed = (double) F;
	double product;

	if (N < 0 || n < 0 || n > N || F < 0 || F > N || a < 0 || a > n || a > F ||
		F - a > N - n)
		fp_error(FP_ERR_DATA, NULL, NULL,
				 "not a stratum: %lld of %lld failed, of all %lld of %lld",
				 (long long) a, (long long) n, (long long) F, (long long) N);

	/* one side empty: nothing to compare */
	others = (double) (N - n);
	if (n == 0 || n == N)
		return;

	sums->rr_drawn += da * (others / all);
	sums->rr_others += dc * (dn / all);
	/* n n0 (a + c) - a c N, written as a sum of two that are not negative */
	sums->rr_variance += (da / all) * (dn / all) * (others - dc) +
						 (dc / all) * (others / all) * (dn - da);
	if (F == 0 || F == N)
		return;

#ifdef __SIZEOF_INT128__
	sums->excess += (double) ((__int128) a * N - (__int128) n * F) / all;
#else
	product = dn * failed;
	sums->excess += (fma(da, all, -product) + fma(-dn, failed, product)) / all;
#endif
	product = (dn / all) * (others / all);
	sums->variance += product * failed * ((double) (N - F) / (double) (N - 1));
	sums->strata++;
}

FpCmh
fp_stratified_cmh(const FpStratified *sums)
{
	FpCmh result = {0.0, 0.0, 0.0, 0.0, 0.0};

	if (sums->variance > 0.0)
		result.z = sums->excess / sqrt(sums->variance);
	result.chi_square = result.z * result.z;
	result.log_p_upper = fp_normal_log_upper(result.z);
	result.log_p_lower = fp_normal_log_upper(-result.z);
	result.log_p_two_sided =
		Min(Min(result.log_p_upper, result.log_p_lower) + log(2.0), 0.0);
	return result;
}

FpRatio
fp_stratified_rr(const FpStratified *sums, double confidence)
{
	FpRatio result = {NAN, 0.0, INFINITY};

	fp_check_confidence(confidence);
	if (sums->rr_drawn > 0.0 && sums->rr_others > 0.0)
	{
		double width =
			fp_normal_two_sided(confidence) *
			sqrt(sums->rr_variance / sums->rr_drawn / sums->rr_others);

		result.estimate = sums->rr_drawn / sums->rr_others;
		result.lower = result.estimate * exp(-width);
		result.upper = result.estimate * exp(width);
	}
	else if (sums->rr_drawn > 0.0)
		result.estimate = INFINITY;
	else if (sums->rr_others > 0.0)
		result.estimate = 0.0;
	return result;
}

static FpStratified
add_all(const FpStratum *strata, int64 count)
{
	FpStratified sums = FP_STRATIFIED_EMPTY;

	for (int64 i = 0; i < count; i++)
	{
		FP_CHECK_INTERRUPTS();
		fp_stratified_add(&sums, strata[i].a, strata[i].n, strata[i].F,
						  strata[i].N);
	}
	return sums;
}

FpCmh
fp_cmh(const FpStratum *strata, int64 count)
{
	FpStratified sums = add_all(strata, count);

	return fp_stratified_cmh(&sums);
}

FpRatio
fp_mantel_haenszel_rr(const FpStratum *strata, int64 count, double confidence)
{
	FpStratified sums = add_all(strata, count);

	return fp_stratified_rr(&sums, confidence);
}
