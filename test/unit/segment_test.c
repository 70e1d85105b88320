/* The exact segmentation, against the quadratic recursion it replaces. */
#include "stats/segment.h"
#include "unit.h"

#include <time.h>

static uint64 state = 0x2545F4914F6CDD1DULL;

static double
uniform(void)
{
	uint64 z = (state += 0x9E3779B97F4A7C15ULL);

	z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
	z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
	return ((z ^ (z >> 31)) >> 11) * 0x1p-53;
}

static int
pick(int n)
{
	return (int) (uniform() * n);
}

/* binomial deviance, as defined, less the part that no cut changes */
static double
deviance(double N, double F, double theta0)
{
	double G = N - F;
	double sum = 0;

	if (F > 0)
		sum -= F * (log(F / N) - log(theta0));
	if (G > 0)
		sum -= G * (log(G / N) - log(1 - theta0));
	return 2 * sum;
}

/* least cost over all divisions, by trying every last change */
static double
oracle(const double *f, const double *n, int T, double penalty, int L)
{
	double best[200];
	double SF[200] = {0};
	double SN[200] = {0};

	for (int t = 0; t < T; t++)
	{
		SF[t + 1] = SF[t] + f[t];
		SN[t + 1] = SN[t] + n[t];
	}
	if (SF[T] <= 0 || SF[T] >= SN[T])
		return 0;
	for (int t = 0; t <= T; t++)
	{
		best[t] = t == 0 ? -penalty : INFINITY;
		for (int s = 0; s + L <= t; s++)
			if (best[s] < INFINITY)
				best[t] =
					fmin(best[t], best[s] + penalty +
									  deviance(SN[t] - SN[s], SF[t] - SF[s],
											   SF[T] / SN[T]));
	}
	return best[T];
}

static double
run(const double *f, const double *n, int T, double penalty, int L,
	int *changes, int *count)
{
	FpArena	 arena = fp_arena_create(NULL, "test");
	FpSeries series;
	int		*found;
	double	 cost;

	fp_series_init(&series, arena, f, n, T);
	*count = fp_segment(arena, &series, penalty, L, &found, &cost);
	for (int i = 0; i < *count; i++)
		changes[i] = found[i];
	fp_arena_delete(arena);
	return cost;
}

static void
draw(double *f, double *n, int T, int kind)
{
	double p = 0.3;

	for (int t = 0; t < T; t++)
	{
		if (pick(10) == 0)
			p = uniform();
		switch (kind)
		{
			case 0: /* small counts, many ties */
				n[t] = 1 + pick(3);
				f[t] = pick((int) n[t] + 1);
				break;
			case 1: /* steps */
				n[t] = 1 + pick(50);
				f[t] = floor(n[t] * p + 0.5);
				break;
			case 2: /* all or nothing */
				n[t] = 1 + pick(5);
				f[t] = pick(3) ? 0 : n[t];
				break;
			case 3: /* effective counts */
				n[t] = 0.01 + 30 * uniform();
				f[t] = n[t] * uniform();
				break;
			case 4: /* rare */
				n[t] = 1000;
				f[t] = pick(20) == 0;
				break;
			default: /* equal buckets */
				n[t] = 4;
				f[t] = 2 * pick(2) + 1;
				break;
		}
	}
}

static void
against_oracle(void)
{
	static const double penalties[] = {0, 0.5, 3, 8, 20};
	double				f[200];
	double				n[200];
	int					changes[200];

	for (int kind = 0; kind < 6; kind++)
	{
		int wrong = 0;
		int unordered = 0;
		int cases = 0;

		for (int i = 0; i < 600; i++)
		{
			int	   T = 1 + pick(60);
			int	   L = 1 + pick(4);
			double penalty = penalties[pick(lengthof(penalties))];
			int	   count;
			double cost;

			draw(f, n, T, kind);
			cost = run(f, n, T, penalty, L, changes, &count);
			if (T >= 2 * L && fabs(cost - oracle(f, n, T, penalty, L)) > 1e-7)
				wrong++;
			for (int k = 0; k <= count; k++)
				if ((k < count ? changes[k] : T) -
						(k > 0 ? changes[k - 1] : 0) <
					(count ? L : 0))
					unordered++;
			cases++;
		}
		ok(wrong == 0, "kind %d: the cost is the oracle's in %d of %d cases",
		   kind, cases - wrong, cases);
		ok(unordered == 0, "kind %d: no stretch is shorter than asked", kind);
	}
}

static void
symmetries(void)
{
	double f[256], n[256], g[256], m[256];
	int	   a[200], b[200];
	int	   na, nb;
	int	   mirrored = 0, swapped = 0, merged = 0, some = 0;

	for (int i = 0; i < 300; i++)
	{
		int	 T = 10 + pick(100);
		bool same = true;

		draw(f, n, T, 1);
		run(f, n, T, 6, 1, a, &na);
		some += na > 0;
		for (int t = 0; t < T; t++)
		{
			g[t] = f[T - 1 - t];
			m[t] = n[T - 1 - t];
		}
		run(g, m, T, 6, 1, b, &nb);
		same = na == nb;
		for (int k = 0; same && k < na; k++)
			same = a[k] == T - b[nb - 1 - k];
		mirrored += same;

		for (int t = 0; t < T; t++)
			g[t] = n[t] - f[t];
		run(g, n, T, 6, 1, b, &nb);
		same = na == nb;
		for (int k = 0; same && k < na; k++)
			same = a[k] == b[k];
		swapped += same;

		/* every bucket doubled into two of the same rate */
		for (int t = 0; t < T; t++)
		{
			g[2 * t] = g[2 * t + 1] = f[t] / 2;
			m[2 * t] = m[2 * t + 1] = n[t] / 2;
		}
		run(g, m, 2 * T, 6, 1, b, &nb);
		same = na == nb;
		for (int k = 0; same && k < na; k++)
			same = 2 * a[k] == b[k];
		merged += same;
	}
	ok(some > 200, "the cases of the symmetry tests have changes");
	ok(mirrored == 300, "time reversed, the changes are mirrored: %d of 300",
	   mirrored);
	ok(swapped == 300, "failures and successes swapped: the same changes, %d",
	   swapped);
	ok(merged == 300, "buckets of equal rate split: the same changes, %d",
	   merged);
}

static void
extremes(void)
{
	static double f[100000], n[100000];
	int			  changes[200];
	int			  count;

	n[0] = 7;
	f[0] = 3;
	run(f, n, 1, 1, 1, changes, &count);
	ok(count == 0, "one bucket has no change");
	run(f, n, 0, 1, 1, changes, &count);
	ok(count == 0, "no bucket has no change");
	for (int t = 0; t < 100; t++)
	{
		n[t] = 5;
		f[t] = 0;
	}
	run(f, n, 100, 1, 1, changes, &count);
	ok(count == 0, "no failures, no change");
	run(n, n, 100, 1, 1, changes, &count);
	ok(count == 0, "only failures, no change");

	/* a billion trials per bucket, a change of one part in a thousand */
	for (int t = 0; t < 100; t++)
	{
		n[t] = 1e9;
		f[t] = t < 40 ? 100000000 : 100100000;
	}
	run(f, n, 100, 15, 1, changes, &count);
	ok(count == 1 && changes[0] == 40, "a billion trials per bucket");
	for (int t = 0; t < 100000; t++)
	{
		n[t] = 1e9;
		f[t] = t < 70000 ? 100000000 : 100001000;
	}
	run(f, n, 100000, 15, 1, changes, &count);
	ok(count == 1 && changes[0] == 70000,
	   "a change of one part in 10^5 within 10^14 trials");
	for (int t = 0; t < 100; t++)
	{
		n[t] = 1e9;
		f[t] = t < 40 ? 0 : 1;
	}
	run(f, n, 100, 15, 1, changes, &count);
	ok(count == 1 && changes[0] == 40, "rates of 10^-9");
}

static int hooks;

static void
count_hook(void)
{
	hooks++;
}

static void
interrupts(void)
{
	static double f[20000], n[20000];
	int			  changes[200];
	int			  count;

	for (int t = 0; t < 20000; t++)
	{
		n[t] = 20;
		f[t] = pick(5);
	}
	fp_interrupt_hook = count_hook;
	run(f, n, 20000, 30, 1, changes, &count);
	fp_interrupt_hook = NULL;
	ok(hooks >= 20000 / 1024, "the solver can be interrupted");
}

static void
preparation(void)
{
	FpBucket b[] = {{5, 1, 2}, {3, 0, 4}, {5, 2, 2}, {4, 0, 0}, {-7, 1, 1}};
	FpBucket big[] = {{1, 0, PG_INT64_MAX}, {2, 0, 1}};
	FpBucket bad[] = {{1, 3, 2}};
	FpBucket negative[] = {{1, -1, 2}};
	int64	 n = fp_buckets_merge(b, lengthof(b));

	ok(n == 4 && b[0].at == -7 && b[1].at == 3 && b[2].at == 4 &&
		   b[3].at == 5 && b[3].failures == 3 && b[3].trials == 4,
	   "buckets are ordered, equal ones added up");
	n = fp_buckets_drop_empty(b, n);
	ok(n == 3 && b[2].at == 5, "empty buckets are dropped");
	ok(RAISES(FP_ERR_RANGE, fp_buckets_merge(big, 2)),
	   "totals beyond 64 bits are an error");
	ok(RAISES(FP_ERR_DATA, fp_buckets_merge(bad, 1)),
	   "more failures than trials are an error");
	ok(RAISES(FP_ERR_DATA, fp_buckets_merge(negative, 1)),
	   "negative counts are an error");
}

int
main(void)
{
	against_oracle();
	symmetries();
	extremes();
	interrupts();
	preparation();
	return unit_done();
}
