/*-------------------------------------------------------------------------
 *
 * attribution.c
 *		Probable causes of a change.
 *
 * Owns: the posterior of events for one change, the test whether changes
 * follow events of a kind more often than by chance, the comparison of series
 * in and out of an event's scope.  Allocates nothing.  No locks.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#include "stats/attribution.h"

#include <math.h>

#include "stats/interval.h"
#include "stats/special.h"

/* how probable it is that an event shows this many buckets later */
static const double lag_weights[] = {0.55, 0.25, 0.12, 0.08};

/* index of the first place not before bucket */
static int
find_place(const int *buckets, int places, int bucket)
{
	int low = 0;
	int high = places;

	while (low < high)
	{
		int middle = low + (high - low) / 2;

		if (buckets[middle] < bucket)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/*
 * fp_attribute
 *		Posterior probability of each event to be the cause of a change.
 *
 * buckets and gains: the places that the change could have, in order, and
 * twice the log likelihood ratio of each (fp_change_profile).  Events that can
 * act on none of them get 0.  Without an event a change is as likely at one
 * place as at another; an event acts on its bucket or one of the three next.
 * Returns the posterior of "none of these"; it and those of the causes sum up
 * to 1.
 */
double
fp_attribute(const int *buckets, const double *gains, int places,
			 FpCause *causes, int ncauses, double none_prior)
{
	double best = -INFINITY;
	double none = 0;
	double weights = 0;
	double sum;

	for (int i = 0; i < places; i++)
		best = fmax(best, gains[i]);
	for (int i = 0; i < places; i++)
		none += exp((gains[i] - best) / 2) / places;
	for (int c = 0; c < ncauses; c++)
	{
		FpCause *cause = &causes[c];

		FP_CHECK_INTERRUPTS();
		cause->posterior = 0;
		if (places == 0 || cause->bucket > buckets[places - 1] ||
			cause->bucket < buckets[0] - (int) lengthof(lag_weights) + 1)
			continue;
		weights += cause->weight;
		for (int k = 0; k < (int) lengthof(lag_weights); k++)
		{
			int place;

			if (cause->bucket + k < buckets[0])
				continue;
			/* where a spike was taken out, the next bucket */
			place = find_place(buckets, places, cause->bucket + k);
			if (place < places)
				cause->posterior +=
					lag_weights[k] * exp((gains[place] - best) / 2);
		}
		cause->posterior *= cause->weight;
	}
	if (weights <= 0 || none_prior >= 1)
	{
		for (int c = 0; c < ncauses; c++)
			causes[c].posterior = 0;
		return 1;
	}
	none *= none_prior;
	sum = none;
	for (int c = 0; c < ncauses; c++)
	{
		causes[c].posterior *= (1 - none_prior) / weights;
		sum += causes[c].posterior;
	}
	if (sum <= 0) /* no prior for none, and no event at a place that counts */
		return 1;
	for (int c = 0; c < ncauses; c++)
		causes[c].posterior /= sum;
	return none / sum;
}

/*
 * fp_coincidence_log_p
 *		ln of the chance that at least "near" of so many changes fall into
 *		windows that cover a share (0 .. 1) of the time: do events of a kind
 *		break things at all?
 */
double
fp_coincidence_log_p(int64 near, int64 changes, double covered)
{
	double log_p;

	if (near <= 0 || covered >= 1)
		return 0;
	if (covered <= 0 || near > changes)
		return -INFINITY;
	fp_log_beta_cdf((double) near, (double) (changes - near + 1), covered,
					1 - covered, &log_p, NULL);
	return log_p;
}

/* log odds of a change from before to after, and its variance */
static double
log_odds_change(const FpDidCells *cells, double *variance)
{
	double f0 = cells->failures_before + 0.5;
	double g0 = cells->trials_before - cells->failures_before + 0.5;
	double f1 = cells->failures_after + 0.5;
	double g1 = cells->trials_after - cells->failures_after + 0.5;

	*variance += 1 / f0 + 1 / g0 + 1 / f1 + 1 / g1;
	return log(f1 / g1) - log(f0 / g0);
}

/*
 * fp_difference_in_differences
 *		Odds ratio of the change around an event within its scope against that
 *		outside: what moved everywhere is not the event's doing.
 *
 * Halves are added to every count (Gart 1966).  dispersion >= 1 multiplies
 * the variance.  *p_value: two-sided, of no difference.  Raises FP_ERR_DATA
 * for impossible counts or a confidence outside 0 .. 1.
 */
FpEstimate
fp_difference_in_differences(const FpDidCells *treated,
							 const FpDidCells *control, double dispersion,
							 double confidence, double *p_value)
{
	FpEstimate result;
	double	   variance = 0;
	double	   change;
	double	   error;
	double	   z;

	fp_check_confidence(confidence);
	fp_check_counts(treated->failures_before, treated->trials_before);
	fp_check_counts(treated->failures_after, treated->trials_after);
	fp_check_counts(control->failures_before, control->trials_before);
	fp_check_counts(control->failures_after, control->trials_after);
	change = log_odds_change(treated, &variance);
	change -= log_odds_change(control, &variance);
	error = sqrt(variance * Max(dispersion, 1));
	z = fp_normal_two_sided(confidence);
	result.estimate = exp(change);
	result.lower = exp(change - z * error);
	result.upper = exp(change + z * error);
	*p_value = fmin(1, 2 * exp(fp_normal_log_upper(fabs(change) / error)));
	return result;
}
