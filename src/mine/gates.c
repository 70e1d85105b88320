/*-------------------------------------------------------------------------
 *
 * gates.c
 *		The tests that a combination must pass, on counts.
 *
 * Sources: Tarone, A modified Bonferroni method for discrete data, Biometrics
 * 46 (1990); Webb, Discovering significant patterns, Machine Learning 68
 * (2007), for productivity; Cochran-Mantel-Haenszel, with the tail by the
 * saddle point of the conditional distribution instead of the normal one, as
 * the latter is wrong by orders of magnitude at the levels used here (Strawderman
 * and Wells, JASA 93 (1998)); Greenland and Robins, Biometrics 41 (1985).
 *
 * Allocates only fp_sizes_attainable's result; takes no locks.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#include "mine/gates.h"

#include <math.h>

#include "stats/special.h"
#include "stats/two_by_two.h"

/* Strata with so few possible outcomes are summed exactly. */
#define SMALL_SUPPORT 48

/* ------------------------------------------------------------- levels */

static int
size_bin(int64 n)
{
	int bin;

	if (n < FP_SIZES_EXACT)
		return (int) Max(n, 0);
	bin =
		FP_SIZES_EXACT + (int) (log((double) n / FP_SIZES_EXACT) / log(1.05));
	return Min(bin, FP_SIZES - 1);
}

/* sizes of a bin, first and last */
static double
bin_edge(int bin)
{
	if (bin <= FP_SIZES_EXACT)
		return bin;
	return FP_SIZES_EXACT * pow(1.05, bin - FP_SIZES_EXACT);
}

void
fp_sizes_add(FpSizes *sizes, int64 n)
{
	sizes->tests[size_bin(n)]++;
}

double *
fp_sizes_attainable(int64 hits, int64 trials, FpArena arena)
{
	double *attainable = fp_alloc_array(arena, double, FP_SIZES);

	for (int bin = 0; bin < FP_SIZES; bin++)
	{
		double first = ceil(bin_edge(bin) * (1 - 1e-9));
		double last = bin < FP_SIZES_EXACT ? bin : bin_edge(bin + 1);

		/* the best p falls until n = hits and rises again after it */
		if (first > (double) trials)
		{
			attainable[bin] = 0;
			continue;
		}
		last = Min(last, (double) trials);
		if (first <= (double) hits && last >= (double) hits)
			attainable[bin] = fp_hyper_log_min_upper(hits, hits, trials);
		else
			attainable[bin] =
				fmin(fp_hyper_log_min_upper((int64) first, hits, trials),
					 fp_hyper_log_min_upper((int64) last, hits, trials));
	}
	return attainable;
}

static int64
tests_that_can_reach(const FpSizes *sizes, const FpSizes *gone,
					 const double *attainable, double log_level)
{
	int64 n = 0;

	for (int bin = 0; bin < FP_SIZES; bin++)
		if (attainable[bin] <= log_level)
			n += sizes->tests[bin] - (gone ? gone->tests[bin] : 0);
	return n;
}

double
fp_tarone_level(const FpSizes *sizes, const FpSizes *gone,
				const double *attainable, double alpha, int64 *ntests)
{
	int64 low = 1;
	int64 high = 1; /* more is enough */

	/* least k with: at most k tests can reach alpha / k */
	for (int bin = 0; bin < FP_SIZES; bin++)
		high += sizes->tests[bin];
	while (low < high)
	{
		int64 k = low + (high - low) / 2;

		if (tests_that_can_reach(sizes, gone, attainable,
								 log(alpha) - log((double) k)) <= k)
			high = k;
		else
			low = k + 1;
	}
	*ntests = tests_that_can_reach(sizes, gone, attainable,
								   log(alpha) - log((double) low));
	return log(alpha) - log((double) low);
}

/* -------------------------------------------------------------- one test */

static FpCount
rest_of(FpCount part, FpCount whole)
{
	whole.n -= part.n;
	whole.f -= part.f;
	return whole;
}

static double
rate_of(FpCount count)
{
	return count.n > 0 ? (double) count.f / (double) count.n : 0;
}

double
fp_gate_log_p(FpDirection direction, FpCount part, FpCount whole)
{
	if (direction == FP_BETTER)
		return fp_hyper_log_lower(part.f, part.n, whole.f, whole.n);
	return fp_hyper_log_upper(part.f, part.n, whole.f, whole.n);
}

void
fp_gate_inflate(FpGate *gate, double inflation)
{
	gate->log_level *= inflation;
	gate->z *= sqrt(inflation);
}

bool
fp_gate_pass(const FpGate *gate, FpCount part, FpCount whole, double *log_p)
{
	FpCount rest = rest_of(part, whole);
	double	lift = gate->min_risk_ratio;
	double	log_part;

	if (part.n <= 0 || rest.n <= 0)
		return false;
	if (gate->direction == FP_BETTER)
	{
		if (rate_of(part) * lift > rate_of(rest) || rest.f == 0)
			return false;
		if (!fp_hyper_log_upper_below(part.n - part.f, part.n,
									  whole.n - whole.f, whole.n,
									  gate->log_level))
			return false;
		if (!fp_risk_ratio_at_least(rest.f, rest.n, part.f, part.n, lift,
									gate->z))
			return false;
	}
	else
	{
		if (rate_of(part) < rate_of(rest) * lift || part.f == 0)
			return false;
		if (!fp_hyper_log_upper_below(part.f, part.n, whole.f, whole.n,
									  gate->log_level))
			return false;
		if (!fp_risk_ratio_at_least(part.f, part.n, rest.f, rest.n, lift,
									gate->z))
			return false;
	}
	log_part = fp_gate_log_p(gate->direction, part, whole);
	*log_p = Max(*log_p, log_part);
	return true;
}

static double
entropy_term(int64 f, int64 n)
{
	double sum = 0;

	if (f > 0)
		sum += (double) f * log((double) f / (double) n);
	if (n - f > 0)
		sum += (double) (n - f) * log((double) (n - f) / (double) n);
	return sum;
}

double
fp_gate_llr(FpDirection direction, FpCount part, FpCount whole)
{
	FpCount rest = rest_of(part, whole);
	double	llr = entropy_term(part.f, part.n) + entropy_term(rest.f, rest.n) -
				 entropy_term(whole.f, whole.n);
	bool above = rate_of(part) >= rate_of(rest);

	if (part.n == 0 || rest.n == 0)
		return 0;
	return above == (direction == FP_WORSE) ? llr : -llr;
}

/*
 * Wald tests of the interaction contrast, on the scale of the rates and on
 * that of their logarithms, with half a hit added to each cell.  The larger p
 * counts.
 */
bool
fp_gate_interaction(const FpGate *gate, FpCount both, FpCount x, FpCount y,
					FpCount all, double *log_p)
{
	FpCount only_x = rest_of(both, x);
	FpCount only_y = rest_of(both, y);
	FpCount neither;
	double	r[4], n[4], v_add = 0, v_mul = 0, add, mul, z;
	double	sign = gate->direction == FP_BETTER ? -1 : 1;
	double	log_tail;

	neither.n = all.n - x.n - y.n + both.n;
	neither.f = all.f - x.f - y.f + both.f;
	if (only_x.n <= 0 || only_y.n <= 0 || neither.n <= 0)
		return true; /* nothing is known of one part by itself */

	/* does each part do something where the other is not? */
	for (int i = 0; i < 2; i++)
	{
		FpCount part = i == 0 ? only_x : only_y;
		FpCount whole = {part.n + neither.n, part.f + neither.f};
		double	p = rate_of(whole);
		double	sd =
			sqrt(p * (1 - p) * (1 / (double) part.n + 1 / (double) neither.n));

		if (sign * (rate_of(part) - rate_of(neither)) <= 1.645 * sd)
			return true;
	}
	for (int i = 0; i < 4; i++)
	{
		FpCount c = i == 0	 ? both
					: i == 1 ? only_x
					: i == 2 ? only_y
							 : neither;

		n[i] = (double) c.n + 1;
		r[i] = ((double) c.f + 0.5) / n[i];
		v_add += r[i] * (1 - r[i]) / n[i];
		v_mul += (1 - r[i]) / (r[i] * n[i]);
	}
	add = sign * (r[0] - r[1] - r[2] + r[3]);
	mul = sign * (log(r[0]) - log(r[1]) - log(r[2]) + log(r[3]));
	z = fmin(add / sqrt(v_add), mul / sqrt(v_mul));
	if (z <= 0)
		return false;
	log_tail = fp_normal_log_upper(z);
	if (log_tail > gate->log_level)
		return false;
	*log_p = Max(*log_p, log_tail);
	return true;
}

/* Rates of the parts are taken with so many trials of neither. */
#define EXPECTED_PRIOR 10.0

double
fp_expected_rate(FpDirection direction, FpCount both, FpCount x, FpCount y,
				 FpCount all)
{
	FpCount only_x = rest_of(both, x);
	FpCount only_y = rest_of(both, y);
	FpCount neither;
	double	r0, rx, ry, add, mul;

	neither.n = all.n - x.n - y.n + both.n;
	neither.f = all.f - x.f - y.f + both.f;
	r0 = neither.n > 0 ? rate_of(neither) : rate_of(all);
	rx = ((double) only_x.f + r0 * EXPECTED_PRIOR) /
		 ((double) only_x.n + EXPECTED_PRIOR);
	ry = ((double) only_y.f + r0 * EXPECTED_PRIOR) /
		 ((double) only_y.n + EXPECTED_PRIOR);
	add = rx + ry - r0;
	mul = r0 > 0 ? rx * ry / r0 : 0;
	if (direction == FP_BETTER)
		return fmax(fmin(fmin(add, mul), fmin(rx, ry)), 0);
	return fmin(fmax(fmax(add, mul), fmax(rx, ry)), 1);
}

/* --------------------------------------------------------------- strata */

/*
 * The hypergeometric distribution tilted by exp(theta x): its cumulant
 * function K and the first two derivatives.
 */
static void
tilted(FpCount part, FpCount whole, double theta, double *K, double *mean,
	   double *variance)
{
	double n = (double) part.n;
	double F = (double) whole.f;
	double N = (double) whole.n;
	double low = fmax(0, n + F - N);
	double high = fmin(n, F);

	if (high - low < SMALL_SUPPORT)
	{
		/* by the terms themselves, scaled by the largest so far */
		double top = 0;
		double logs[SMALL_SUPPORT + 1];
		int	   terms = (int) (high - low) + 1;
		double sum = 0, first = 0, second = 0, base;

		logs[0] = 0;
		for (int i = 1; i < terms; i++)
		{
			double x = low + i - 1;

			logs[i] = logs[i - 1] + theta + log((n - x) * (F - x)) -
					  log((x + 1) * (N - n - F + x + 1));
			top = fmax(top, logs[i]);
		}
		for (int i = 0; i < terms; i++)
		{
			double w = exp(logs[i] - top);

			sum += w;
			first += w * i;
		}
		first /= sum;
		for (int i = 0; i < terms; i++)
			second += exp(logs[i] - top) * (i - first) * (i - first);
		base = fp_hyper_log_pmf((int64) low, part.n, whole.f, whole.n);
		*K = base + theta * low + top + log(sum);
		*mean = low + first;
		*variance = second / sum;
	}
	else
	{
		/*
		 * By its mode as the mean (Cornfield 1956) and the rate function of
		 * the four cells: K = theta x - G^2(x) / 2.
		 */
		double psi = exp(theta);
		double b = N - n - F + psi * (n + F);
		double c = psi * n * F;
		double a = psi - 1;
		double disc = sqrt(fmax(0, b * b - 4 * a * c));
		double x = 2 * c / (b + disc);
		double cells[4], margins[4], g = 0;

		x = fmin(fmax(x, low + 1e-9), high - 1e-9);
		cells[0] = x;
		cells[1] = n - x;
		cells[2] = F - x;
		cells[3] = N - n - F + x;
		margins[0] = n * F / N;
		margins[1] = n * (N - F) / N;
		margins[2] = (N - n) * F / N;
		margins[3] = (N - n) * (N - F) / N;
		*variance = 0;
		for (int i = 0; i < 4; i++)
		{
			g += cells[i] > 0 ? cells[i] * log(cells[i] / margins[i]) : 0;
			*variance += 1 / fmax(cells[i], 1e-9);
		}
		*K = theta * x - g;
		*mean = x;
		*variance = 1 / *variance * N / (N - 1);
	}
}

/*
 * ln P(sum of hits >= observed), given the margins of all strata: Lugannani
 * and Rice's formula with the lattice correction.
 */
static double
stratified_log_upper(const FpCount *part, const FpCount *whole, uint32 n,
					 double observed, double expected)
{
	double low = 0, high = 60;
	double theta = 0.5, K = 0, mean, variance, w, u, log_phi, ratio;
	double most = 0;

	for (uint32 k = 0; k < n; k++)
		most += (double) Min(part[k].n, whole[k].f);
	if (observed - 0.5 <= expected)
		return -0.1; /* not in the tail, and not asked for exactly */
	if (observed >= most)
	{
		/* the one outcome there is */
		double log_p = 0;

		for (uint32 k = 0; k < n; k++)
			log_p += fp_hyper_log_pmf(Min(part[k].n, whole[k].f), part[k].n,
									  whole[k].f, whole[k].n);
		return log_p;
	}
	for (int round = 0; round < 60; round++)
	{
		double step;

		FP_CHECK_INTERRUPTS();
		K = mean = variance = 0;
		for (uint32 k = 0; k < n; k++)
		{
			double K1, m1, v1;

			tilted(part[k], whole[k], theta, &K1, &m1, &v1);
			K += K1;
			mean += m1;
			variance += v1;
		}
		if (mean < observed)
			low = theta;
		else
			high = theta;
		if (fabs(mean - observed) < 1e-7 * observed)
			break;
		step = theta + (observed - mean) / fmax(variance, 1e-300);
		theta = step > low && step < high ? step : (low + high) / 2;
		if (high - low < 1e-10)
			break;
	}
	w = sqrt(fmax(2 * (theta * observed - K), 1e-12));
	u = (1 - exp(-theta)) * sqrt(variance);
	log_phi = -w * w / 2 - 0.5 * log(2 * M_PI);

	/* 1 - Phi(w) + phi(w) (1/u - 1/w), with phi(w) taken out */
	ratio = exp(fp_normal_log_upper(w) - log_phi) + 1 / u - 1 / w;
	if (!(ratio > 0))
		return fp_normal_log_upper(w);
	return fmin(log_phi + log(ratio), 0);
}

/* Consumes its arrays: they hold the strata that tell anything afterwards. */
FpStrataTest
fp_strata_test(FpDirection direction, FpCount *part, FpCount *whole, uint32 n,
			   double z)
{
	FpStrataTest result = {0};
	double		 top = 0, bottom = 0, spread = 0;
	double		 trials = 0, failed = 0, rest_trials = 0, rest_failed = 0;
	uint32		 used = 0;

	for (uint32 k = 0; k < n; k++)
	{
		double N = (double) whole[k].n;
		double n1 = (double) part[k].n;
		double n0 = N - n1;
		double F = (double) whole[k].f;
		double a = (double) part[k].f;
		double c = F - a;

		if (n1 <= 0 || n0 <= 0)
			continue;
		trials += n1;
		failed += a;
		rest_trials += n0;
		rest_failed += c;
		top += a * n0 / N;
		bottom += c * n1 / N;
		spread += (n1 * n0 * F - a * c * N) / (N * N);
		if (F <= 0 || F >= N)
			continue;
		part[used] = part[k];
		whole[used] = whole[k];
		if (direction == FP_BETTER)
		{
			part[used].f = part[k].n - part[k].f;
			whole[used].f = whole[k].n - whole[k].f;
			F = N - F;
		}
		result.observed += (double) part[used].f;
		result.expected += n1 * F / N;
		result.information += n1 * n0 * F * (N - F) / (N * N * (N - 1));
		used++;
	}
	result.nstrata = (int) used;
	if (top > 0 && bottom > 0)
	{
		double half = z * sqrt(fmax(0, spread / (top * bottom)));

		result.risk_ratio = top / bottom;
		result.rr_lower = result.risk_ratio * exp(-half);
		result.rr_upper = result.risk_ratio * exp(half);
	}
	else if (top > 0 || bottom > 0)
	{
		/*
		 * No failure on one side: of the pooled counts, as if there had been
		 * half a one.
		 */
		double a = fmax(failed, 0.5);
		double c = fmax(rest_failed, 0.5);
		double log_ratio = log(a / trials) - log(c / rest_trials);
		double half = z * sqrt(1 / a + 1 / c);

		result.risk_ratio = top > 0 ? INFINITY : 0;
		result.rr_lower = top > 0 ? exp(log_ratio - half) : 0;
		result.rr_upper = top > 0 ? INFINITY : exp(log_ratio + half);
	}
	else
	{
		result.risk_ratio = NAN;
		result.rr_upper = INFINITY;
	}
	if (used == 0)
		result.log_p = 0;
	else if (used == 1)
		result.log_p =
			fp_hyper_log_upper(part[0].f, part[0].n, whole[0].f, whole[0].n);
	else
		result.log_p = stratified_log_upper(part, whole, used, result.observed,
											result.expected);
	return result;
}
