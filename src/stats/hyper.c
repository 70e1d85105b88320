/*-------------------------------------------------------------------------
 *
 * hyper.c
 *		Exact tests on a two-by-two table, in log space.
 *
 * Point probabilities come from the saddle point form: for a table with
 * cells x, margins m and expectations e,
 *
 *		ln p = - sum of deviances(x, e) + sum h(m) - sum h(x) - h(N),
 *		h(x) = ln(2 pi x) / 2 + the error of Stirling's formula, h(0) = 0;
 *
 * all x - e are the same number but for their sign, (ad - bc) / N, which is
 * taken from exact integers.  A tail is its first term times the sum of
 * ratios to it, which fall faster than a geometric series; where that takes
 * too many terms (a table of millions, near its mean), the sum becomes an
 * integral with the correction of Euler and Maclaurin.
 *
 * Allocates nothing, takes no locks.  The cost is bounded: some 0.2
 * microseconds for a point probability, 3 for a tail at the worst.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#include "stats/two_by_two.h"

#include <math.h>

#include "stats/special.h"

#define LN_2PI 1.837877066409345483560659472811

/* Terms of a tail that are added one by one; more are integrated. */
#define MAX_TERMS 1000.0

/* A tail is cut off where its terms have fallen by exp(-45). */
#define CUT 45.0

/* A table seen from the tail that is wanted: a and d grow along it. */
typedef struct Table
{
	double a;
	double b;
	double c;
	double d;
	double shift; /* a less its expectation, (ad - bc) / N */
	double drawn; /* margins: a + b, c + d, a + c, b + d and the sum */
	double others;
	double failed;
	double passed;
	double all;
} Table;

static void
check_margins(int64 n, int64 F, int64 N)
{
	if (N < 0)
		fp_error(FP_ERR_DATA, NULL, NULL,
				 "number of trials must not be negative: %lld", (long long) N);
	if (n < 0 || n > N)
		fp_error(FP_ERR_DATA, NULL, NULL,
				 "drawn trials must be between 0 and %lld: %lld",
				 (long long) N, (long long) n);
	if (F < 0 || F > N)
		fp_error(FP_ERR_DATA, NULL, NULL,
				 "failures must be between 0 and %lld: %lld", (long long) N,
				 (long long) F);
}

/* the range of a that is possible */
static inline int64
lowest(int64 n, int64 F, int64 N)
{
	/* n + F may overflow, N - n does not */
	return F > N - n ? F - (N - n) : 0;
}

static inline int64
highest(int64 n, int64 F)
{
	return Min(n, F);
}

static Table
make_table(int64 a, int64 n, int64 F, int64 N)
{
	Table t;

	t.a = (double) a;
	t.b = (double) (n - a);
	t.c = (double) (F - a);
	t.d = (double) (N - n - (F - a));
	t.drawn = (double) n;
	t.others = (double) (N - n);
	t.failed = (double) F;
	t.passed = (double) (N - F);
	t.all = (double) N;
#ifdef __SIZEOF_INT128__
	t.shift = (double) ((__int128) a * N - (__int128) n * F) / t.all;
#else
	{
		/* Kahan's ad - bc, right to 1.5 ulp */
		double bc = t.b * t.c;

		t.shift = (fma(t.a, t.d, -bc) + fma(-t.b, t.c, bc)) / t.all;
	}
#endif
	return t;
}

/* the same table with its passes called failures: upper becomes lower tail */
static Table
mirror(const Table *t)
{
	Table m = {t->b,	 t->a,		t->d,	   t->c,	  -t->shift,
			   t->drawn, t->others, t->passed, t->failed, t->all};

	return m;
}

/* sum of deviances at t->a + x */
static inline double
deviances(const Table *t, double x)
{
	double s = t->shift + x;
	double per_drawn = t->drawn / t->all;
	double per_other = t->others / t->all;

	return fp_deviance(t->a + x, per_drawn * t->failed, s) +
		   fp_deviance(t->b - x, per_drawn * t->passed, -s) +
		   fp_deviance(t->c - x, per_other * t->failed, -s) +
		   fp_deviance(t->d + x, per_other * t->passed, s);
}

/* ln P(X = a) of a possible table */
static double
log_pmf(const Table *t)
{
	const double cells[4] = {t->a, t->b, t->c, t->d};
	double		 errors;
	double		 product = t->all;
	int			 power = 3;

	if (t->drawn == 0 || t->others == 0 || t->failed == 0 || t->passed == 0)
		return 0.0;
	errors = fp_stirling_error(t->drawn) + fp_stirling_error(t->others) +
			 fp_stirling_error(t->failed) + fp_stirling_error(t->passed) -
			 fp_stirling_error(t->all);
	for (int i = 0; i < 4; i++)
	{
		if (cells[i] > 0)
		{
			errors -= fp_stirling_error(cells[i]);
			product *= cells[i];
			power--;
		}
	}
	return 0.5 * (power * LN_2PI + log(t->drawn * t->others * t->failed *
									   t->passed / product)) +
		   errors - deviances(t, 0.0);
}

typedef struct TailPoint
{
	Table  table;
	double start;	 /* of the integral, relative to table.a */
	double deviance; /* there */
	double cells;	 /* product of the four there */
	double errors;	 /* their Stirling errors' sum there */
} TailPoint;

/* how far ln P has fallen x beyond the start of the integral */
static double
tail_drop(double x, const void *arg)
{
	const TailPoint *p = arg;
	const Table		*t = &p->table;
	double			 at = p->start + x;
	double			 a = t->a + at;
	double			 b = t->b - at;
	double			 c = t->c - at;
	double			 d = t->d + at;

	return deviances(t, at) - p->deviance +
		   0.5 * log(a * b * c * d / p->cells) +
		   (1.0 / a + 1.0 / b + 1.0 / c + 1.0 / d) / 12.0 - p->errors;
}

/*
 * Sum of P(X = a + j) / P(X = a) over j >= 0, by Euler and Maclaurin from
 * the midpoint a - 1/2:
 *
 *		sum = integral + f' / 24 - 7 f''' / 5760 + 31 f''''' / 967680.
 *
 * Used only where a tail has more than MAX_TERMS terms, so one step changes
 * ln P by less than 0.05, its derivatives beyond the third do not matter, and
 * what is left out is below 1e-14.
 */
static double
tail_integral(const Table *t, double end)
{
	TailPoint p = {*t, -0.5, 0.0, 0.0, 0.0};
	double	  a = t->a - 0.5;
	double	  b = t->b + 0.5;
	double	  c = t->c + 0.5;
	double	  d = t->d - 0.5;
	double	  slope;
	double	  curve;
	double	  twist;
	double	  start;
	double	  s2;

	p.deviance = deviances(t, -0.5);
	p.cells = a * b * c * d;
	p.errors = (1.0 / a + 1.0 / b + 1.0 / c + 1.0 / d) / 12.0;
	slope = log1p((t->shift - 0.5) * t->all / (b * c)) +
			0.5 * (1.0 / a - 1.0 / b - 1.0 / c + 1.0 / d);
	curve = 1.0 / a + 1.0 / b + 1.0 / c + 1.0 / d;
	twist = 1.0 / (b * b) + 1.0 / (c * c) - 1.0 / (a * a) - 1.0 / (d * d);
	s2 = slope * slope;
	/* P there, in units of P(X = a) */
	start = exp(tail_drop(0.5, &p));
	return start * (fp_integrate_decay(tail_drop, &p, end) - slope / 24.0 +
					7.0 / 5760.0 * (slope * (s2 - 3.0 * curve) + twist) -
					31.0 / 967680.0 * slope *
						(s2 * s2 - 10.0 * s2 * curve + 15.0 * curve * curve));
}

/*
 * Sum of P(X = a + j) / P(X = a) over j >= 0, for a at or above the mean.
 * Stops early once the sum is known to exceed stop_above, or known to stay
 * below it; the result is then on the right side of it.
 */
static double
tail_ratio(const Table *t, double stop_above)
{
	double a = t->a;
	double b = t->b;
	double c = t->c;
	double d = t->d;
	double sum = 1.0;
	double term = 1.0;
	double last = Min(b, c);

	if (last > MAX_TERMS)
	{
		double slope = log1p(t->shift * t->all / (b * c));
		double curve = 1.0 / a + 1.0 / b + 1.0 / c + 1.0 / d;
		double end =
			2.0 * CUT / (slope + sqrt(slope * slope + 2.0 * CUT * curve));

		if (end > MAX_TERMS)
			return tail_integral(t, end);
	}

	while (b > 0.0 && c > 0.0)
	{
		double ratio;

		a += 1.0;
		d += 1.0;
		ratio = (b * c) / (a * d);
		b -= 1.0;
		c -= 1.0;
		term *= ratio;
		sum += term;
		if (sum > stop_above)
			break;
		/* the ratios fall, so the rest is below a geometric series */
		if (term * ratio <= (1.0 - ratio) * 1e-17 * sum)
			break;
		if (sum + term * ratio / (1.0 - ratio) <= stop_above &&
			stop_above < INFINITY)
			break;
	}
	return sum;
}

/* ln of [P(X >= a) - half * P(X = a)], for a possible a */
static double
log_upper(int64 a, int64 n, int64 F, int64 N, double half)
{
	Table  t = make_table(a, n, F, N);
	double other;

	if (t.shift > 0.0)
	{
		double p = log_pmf(&t) + log(tail_ratio(&t, INFINITY) - half);

		/* not a small one: its complement gives more digits */
		if (p < -0.5 || a <= lowest(n, F, N))
			return Min(p, 0.0);
	}
	if (half == 0.0)
	{
		if (a <= lowest(n, F, N))
			return 0.0;
		t = make_table(a - 1, n, F, N);
	}
	t = mirror(&t);
	other = log_pmf(&t) + log(tail_ratio(&t, INFINITY) - half);
	return fp_log1mexp(Min(other, 0.0));
}

double
fp_hyper_log_pmf(int64 a, int64 n, int64 F, int64 N)
{
	Table t;

	check_margins(n, F, N);
	if (a < lowest(n, F, N) || a > highest(n, F))
		return -INFINITY;
	t = make_table(a, n, F, N);
	return Min(log_pmf(&t), 0.0);
}

double
fp_hyper_log_upper(int64 a, int64 n, int64 F, int64 N)
{
	check_margins(n, F, N);
	if (a > highest(n, F))
		return -INFINITY;
	if (a <= lowest(n, F, N))
		return 0.0;
	return log_upper(a, n, F, N, 0.0);
}

double
fp_hyper_log_lower(int64 a, int64 n, int64 F, int64 N)
{
	check_margins(n, F, N);
	if (a < lowest(n, F, N))
		return -INFINITY;
	if (a >= highest(n, F))
		return 0.0;
	return log_upper(n - a, n, N - F, N, 0.0);
}

double
fp_hyper_log_upper_mid(int64 a, int64 n, int64 F, int64 N)
{
	check_margins(n, F, N);
	if (a > highest(n, F))
		return -INFINITY;
	if (a < lowest(n, F, N))
		return 0.0;
	return log_upper(a, n, F, N, 0.5);
}

double
fp_hyper_log_lower_mid(int64 a, int64 n, int64 F, int64 N)
{
	check_margins(n, F, N);
	if (a < lowest(n, F, N))
		return -INFINITY;
	if (a > highest(n, F))
		return 0.0;
	return log_upper(n - a, n, N - F, N, 0.5);
}

bool
fp_hyper_log_upper_below(int64 a, int64 n, int64 F, int64 N, double log_level)
{
	Table  t;
	double pmf;
	double ratio;

	check_margins(n, F, N);
	if (a > highest(n, F))
		return true;
	if (a <= lowest(n, F, N))
		return log_level >= 0.0;
	t = make_table(a, n, F, N);

	/*
	 * The median is the mean rounded down or up (Siegel 2001, "Median bounds
	 * and their application"), so up to the mean P(X >= a) >= 1/2.
	 */
	if (t.shift <= 0.0 && log_level < -0.7)
		return false;
	if (t.shift <= 0.0 || log_level > -0.6)
		return log_upper(a, n, F, N, 0.0) <= log_level;

	/* first term <= P <= first term / (1 - ratio) */
	pmf = log_pmf(&t);
	if (pmf > log_level)
		return false;
	ratio = t.b * t.c / ((t.a + 1.0) * (t.d + 1.0));
	if (pmf - log1p(-ratio) <= log_level)
		return true;
	ratio = exp(log_level - pmf);
	return tail_ratio(&t, ratio) <= ratio;
}

double
fp_hyper_log_min_upper(int64 n, int64 F, int64 N)
{
	check_margins(n, F, N);
	return fp_hyper_log_pmf(highest(n, F), n, F, N);
}

/*
 * Fisher's two-sided test, as R's fisher.test defines it.  Probabilities
 * that are equal but for rounding count as equal.
 */
double
fp_fisher_log_two_sided(int64 a, int64 n, int64 F, int64 N)
{
	int64  low;
	int64  high;
	double pmf;
	double limit;
	Table  t;
	bool   above;
	int64  near_side;
	int64  far_side;
	double own;
	double opposite;

	check_margins(n, F, N);
	low = lowest(n, F, N);
	high = highest(n, F);
	if (a < low || a > high)
		return -INFINITY;
	if (low == high)
		return 0.0;
	t = make_table(a, n, F, N);
	pmf = log_pmf(&t);
	limit = pmf + 2e-12 + 1e-14 * fabs(pmf);

	/*
	 * From a, P first rises towards the mode and then falls on the other
	 * side; look there for the first k with P(X = k) <= P(X = a).
	 */
	above = t.shift > 0.0;
	near_side = above ? a - 1 : a + 1;
	far_side = above ? low : high;
	if (above ? near_side < low : near_side > high)
		return 0.0;
	if (fp_hyper_log_pmf(near_side, n, F, N) <= limit)
		return 0.0; /* a is the mode, or beside one that is as high */
	if (fp_hyper_log_pmf(far_side, n, F, N) > limit)
		return above ? log_upper(a, n, F, N, 0.0)
					 : fp_hyper_log_lower(a, n, F, N);
	/* near_side is above the limit, far_side is not */
	while (above ? near_side - far_side > 1 : far_side - near_side > 1)
	{
		int64 mid = far_side + (near_side - far_side) / 2;

		if (fp_hyper_log_pmf(mid, n, F, N) <= limit)
			far_side = mid;
		else
			near_side = mid;
	}
	own = above ? fp_hyper_log_upper(a, n, F, N)
				: fp_hyper_log_lower(a, n, F, N);
	opposite = above ? fp_hyper_log_lower(far_side, n, F, N)
					 : fp_hyper_log_upper(far_side, n, F, N);
	return Min(fp_logaddexp(own, opposite), 0.0);
}
