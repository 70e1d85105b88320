/*-------------------------------------------------------------------------
 *
 * mix_shift.c
 *		The difference of two rates, divided into what happened within strata
 *		and what comes from their shares.
 *
 * Owns: the decomposition (Kitagawa 1955, in its symmetric form of Das Gupta
 * 1993) and the verdict.  Memory: the parts in the caller's arena.  No locks.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#include "stats/mix_shift.h"

#include <math.h>

#include "stats/special.h"
#include "stats/stratified.h"

/*
 * fp_mix_shift
 *		Divide a difference of rates by strata.
 *
 * With shares w and rates r of a stratum before (0) and after (1), and R the
 * totals,
 *
 *		rate part	(r1 - r0) (w0 + w1) / 2
 *		mix part	(w1 - w0) ((r0 + r1) / 2 - (R0 + R1) / 2)
 *
 * A stratum that is new or has vanished has a mix part only, with its one
 * rate.  All parts together are exactly R1 - R0.
 *
 * dispersion >= 1 is the variance as a multiple of the binomial one.  Whether
 * rates moved at all is tested by Cochran, Mantel and Haenszel at level alpha.
 * Counts must satisfy 0 <= failures <= trials; else FP_ERR_DATA.
 */
void
fp_mix_shift(FpArena arena, const FpMixStratum *strata, int count,
			 double dispersion, double alpha, FpMixShift *result)
{
	FpStratified sums = FP_STRATIFIED_EMPTY;
	double		 n0 = 0;
	double		 n1 = 0;
	double		 f0 = 0;
	double		 f1 = 0;
	double		 middle;
	double		 variance = 0;
	FpCmh		 test;

	memset(result, 0, sizeof(*result));
	result->p_value = 1;
	result->parts = fp_alloc0_array(arena, FpMixPart, (uint64) count + 1);
	for (int j = 0; j < count; j++)
	{
		const FpMixStratum *s = &strata[j];
		int64				failures;
		int64				trials;

		if (pg_add_s64_overflow(s->failures_before, s->failures_after,
								&failures) ||
			pg_add_s64_overflow(s->trials_before, s->trials_after, &trials))
			fp_error(FP_ERR_RANGE, NULL, NULL,
					 "number of trials of a stratum out of range");
		/* checks the counts too */
		fp_stratified_add(&sums, s->failures_after, s->trials_after, failures,
						  trials);
		n0 += s->trials_before;
		n1 += s->trials_after;
		f0 += s->failures_before;
		f1 += s->failures_after;
	}
	if (n0 == 0 || n1 == 0)
		return;

	result->total = f1 / n1 - f0 / n0;
	middle = (f1 / n1 + f0 / n0) / 2;
	for (int j = 0; j < count; j++)
	{
		const FpMixStratum *s = &strata[j];
		FpMixPart		   *part = &result->parts[j];
		double				w0 = s->trials_before / n0;
		double				w1 = s->trials_after / n1;
		double				r0, r1;

		if (w0 == 0 && w1 == 0)
			continue;
		r0 = w0 > 0 ? (double) s->failures_before / s->trials_before : 0;
		r1 = w1 > 0 ? (double) s->failures_after / s->trials_after : 0;
		if (w0 > 0 && w1 > 0)
		{
			double weight = (w0 + w1) / 2;

			part->rate = (r1 - r0) * weight;
			part->mix = (w1 - w0) * ((r0 + r1) / 2 - middle);
			variance += weight * weight *
						(r0 * (1 - r0) / s->trials_before +
						 r1 * (1 - r1) / s->trials_after);
		}
		else
			part->mix = w1 * (r1 - middle) - w0 * (r0 - middle);
		result->rate_effect += part->rate;
		result->mix_effect += part->mix;
	}
	result->rate_error = sqrt(variance * Max(dispersion, 1));

	test = fp_stratified_cmh(&sums);
	result->p_value =
		fmin(1, 2 * exp(fp_normal_log_upper(fabs(test.z) /
											sqrt(Max(dispersion, 1)))));
	if (result->p_value > alpha)
		result->verdict = FP_MIX_MIX;
	else if (result->rate_effect * result->total < 0)
		result->verdict = FP_MIX_REVERSAL;
	else if (fabs(result->rate_effect) > fabs(result->total) * 2 / 3)
		result->verdict = FP_MIX_RATE;
	else
		result->verdict = FP_MIX_BOTH;
}

/* as in SQL; NULL where there is no verdict */
const char *
fp_mix_verdict_name(FpMixVerdict verdict)
{
	switch (verdict)
	{
		case FP_MIX_NONE:
			return NULL;
		case FP_MIX_RATE:
			return "rate";
		case FP_MIX_MIX:
			return "mix";
		case FP_MIX_BOTH:
			return "both";
		case FP_MIX_REVERSAL:
			return "reversal";
	}
	return NULL;
}
