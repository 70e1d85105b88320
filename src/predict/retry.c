/*-------------------------------------------------------------------------
 *
 * retry.c
 *		Does it fail again?  How alike attempts at the same thing are.
 *
 * Units are kept as a histogram over (trials, failures, log-odds of p in
 * steps of 0.1), so millions of them cost a few thousand evaluations of the
 * beta-binomial likelihood.
 *
 * The histogram is in the arena that the units were given; the rest allocates
 * nothing.  No locks.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#include "predict/retry.h"

#include <math.h>

#define STEP 0.1		 /* of log-odds, in the histogram */
#define STEPS 240		 /* -12 .. 12 */
#define NODES 9			 /* values of p in an interval */
#define MAX_TRIALS 65535 /* of a unit; one of more is cut down to it */

const double fp_rho_edges[FP_RHO_CELLS + 1] = {0,	 0.001, 0.002, 0.005, 0.01,
											   0.02, 0.03,	0.05,  0.07,  0.1,
											   0.13, 0.17,	0.21,  0.26,  0.32,
											   0.38, 0.45,	0.52,  0.60,  0.68,
											   0.76, 0.84,	0.92,  0.97,  1};

double
fp_rho_middle(int cell)
{
	return (fp_rho_edges[cell] + fp_rho_edges[cell + 1]) / 2;
}

void
fp_units_init(FpUnits *units, FpArena arena)
{
	memset(units, 0, sizeof(*units));
	units->arena = arena;
}

void
fp_units_add(FpUnits *units, int64 trials, int64 failures, double p)
{
	double x = log(p / (1 - p)) / STEP;
	uint64 bin = (uint64) Max(0, Min(STEPS - 1, floor(x) + STEPS / 2));
	double off = (double) failures - (double) trials * p;
	uint64 key;
	uint32 at;

	units->pearson += off * off;
	units->variance += (double) trials * p * (1 - p);
	units->units++;
	units->repeated += trials > 1;
	if (trials > MAX_TRIALS)
	{
		failures = (int64) ((double) failures / (double) trials * MAX_TRIALS);
		trials = MAX_TRIALS;
	}
	key = ((uint64) trials << 16 | (uint64) failures) << 16 | bin;
	at = fp_words_find(&units->at, key);
	if (at == 0)
	{
		if (units->n == units->cap)
		{
			uint32 cap = Max(256, units->cap * 2);

			units->keys = units->keys
							  ? fp_realloc_array(units->arena, units->keys,
												 uint64, units->cap, cap)
							  : fp_alloc_array(units->arena, uint64, cap);
			units->counts = units->counts
								? fp_realloc_array(units->arena, units->counts,
												   int64, units->cap, cap)
								: fp_alloc_array(units->arena, int64, cap);
			units->cap = cap;
		}
		units->keys[units->n] = key;
		units->counts[units->n] = 0;
		at = ++units->n;
		fp_words_add(units->arena, &units->at, key, at);
	}
	units->counts[at - 1]++;
}

/* ln of a (a + 1) ... (a + n - 1) */
static double
log_rising(double a, int64 n)
{
	double sum = 0;

	if (n > 32)
		return lgamma(a + (double) n) - lgamma(a);
	for (int64 i = 0; i < n; i++)
		sum += log(a + (double) i);
	return sum;
}

static double
log_likelihood(const FpUnits *units, double rho, double shift)
{
	double s = 1 / rho - 1;
	double sum = 0;

	for (uint32 i = 0; i < units->n; i++)
	{
		int64  bin = (int64) (units->keys[i] & 0xffff);
		int64  f = (int64) (units->keys[i] >> 16 & 0xffff);
		int64  n = (int64) (units->keys[i] >> 32);
		double x = ((double) bin + 0.5 - STEPS / 2) * STEP + shift;
		double p = 1 / (1 + exp(-x));

		if (i % 1024 == 0)
			FP_CHECK_INTERRUPTS();
		sum += (double) units->counts[i] *
			   (log_rising(p * s, f) + log_rising((1 - p) * s, n - f) -
				log_rising(s, n));
	}
	return sum;
}

void
fp_units_rho(const FpUnits *units, const double *prior, double *weights,
			 double *shift)
{
	double best = -INFINITY;
	double shifts[FP_RHO_CELLS];
	double total = 0;

	*shift = 0;
	for (int c = 0; c < FP_RHO_CELLS; c++)
	{
		double rho = fp_rho_middle(c);
		double low = -3;
		double high = 3;
		/* golden section: the likelihood has one maximum in the shift */
		double ratio = (sqrt(5) - 1) / 2;
		double a = high - ratio * (high - low);
		double b = low + ratio * (high - low);
		double at_a = log_likelihood(units, rho, a);
		double at_b = log_likelihood(units, rho, b);

		while (units->n > 0 && high - low > 0.005)
		{
			if (at_a > at_b)
			{
				high = b;
				b = a;
				at_b = at_a;
				a = high - ratio * (high - low);
				at_a = log_likelihood(units, rho, a);
			}
			else
			{
				low = a;
				a = b;
				at_a = at_b;
				b = low + ratio * (high - low);
				at_b = log_likelihood(units, rho, b);
			}
		}
		shifts[c] = units->n > 0 ? (low + high) / 2 : 0;
		weights[c] =
			log(prior ? prior[c] : fp_rho_edges[c + 1] - fp_rho_edges[c]) +
			log_likelihood(units, rho, shifts[c]);
		best = Max(best, weights[c]);
	}
	for (int c = 0; c < FP_RHO_CELLS; c++)
	{
		weights[c] = isfinite(best) ? exp(weights[c] - best) : 0;
		total += weights[c];
	}
	for (int c = 0; c < FP_RHO_CELLS; c++)
	{
		weights[c] = total > 0 ? weights[c] / total
							   : fp_rho_edges[c + 1] - fp_rho_edges[c];
		*shift += weights[c] * shifts[c];
	}
}

/* a probability that the next attempt passes, and its weight */
typedef struct Chance
{
	double pass;
	double weight;
} Chance;

static int
compare_chances(const void *left, const void *right)
{
	double a = ((const Chance *) left)->pass;
	double b = ((const Chance *) right)->pass;

	return a < b ? -1 : a > b;
}

/* quantile of weighted values in order, whose weights add up to total */
static double
quantile(const Chance *list, int n, double total, double q)
{
	double sum = 0;

	for (int i = 0; i < n; i++)
	{
		sum += list[i].weight;
		if (sum >= q * total)
			return list[i].pass;
	}
	return list[n - 1].pass;
}

FpRetry
fp_retry(double p, double se, const double *weights, int failures, int more)
{
	FpRetry result = {0};
	Chance	chances[FP_RHO_CELLS * NODES];
	double	total = 0;
	double	all = 0;
	int		n = 0;

	for (int c = 0; c < FP_RHO_CELLS; c++)
	{
		double s = 1 / fp_rho_middle(c) - 1;
		/* what the failures so far say of rho */
		double after = weights[c] * exp(log_rising(p * s, failures) -
										log_rising(s, failures));
		double bad = p * s + failures;
		double good = (1 - p) * s;
		double still = 1; /* none has passed yet */

		result.rho += weights[c] * fp_rho_middle(c);
		total += after;
		result.pass += after * good / (bad + good);
		for (int i = 0; i < more; i++)
			still *= (bad + i) / (bad + good + i);
		result.within += after * (1 - still);
		/* mean of 1 / (1 - theta) */
		if (after > 0)
			result.until +=
				after * (good > 1 ? (bad + good - 1) / (good - 1) : INFINITY);
		/* the same at other values of p */
		for (int i = 0; i < NODES; i++)
		{
			double u = 3.0 * (2 * i - NODES + 1) / (NODES - 1);
			double x = log(p / (1 - p)) + se * u;
			double q = 1 / (1 + exp(-x));

			chances[n].weight =
				weights[c] * exp(-u * u / 2) *
				exp(log_rising(q * s, failures) - log_rising(s, failures));
			chances[n].pass = (1 - q) * s / (s + failures);
			all += chances[n++].weight;
		}
	}
	qsort(chances, n, sizeof(Chance), compare_chances);
	result.lower = quantile(chances, n, all, 0.025);
	result.upper = quantile(chances, n, all, 0.975);
	result.pass /= total;
	result.within /= total;
	result.until /= total;
	result.lower = Min(result.lower, result.pass);
	result.upper = Max(result.upper, result.pass);
	return result;
}

double
fp_all_pass(double p, const double *weights, int n)
{
	double sum = 0;

	for (int c = 0; c < FP_RHO_CELLS; c++)
	{
		double s = 1 / fp_rho_middle(c) - 1;

		if (weights[c] > 0)
			sum += weights[c] *
				   exp(log_rising((1 - p) * s, n) - log_rising(s, n));
	}
	return sum;
}
