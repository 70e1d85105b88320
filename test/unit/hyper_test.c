/* Exact tests of a two-by-two table against 50-digit references. */
#include "fixture.h"

#include "stats/special.h"
#include "stats/two_by_two.h"

static void
against_references(void)
{
	Fixture f = fixture_open("hyper");
	Worst	pmf = {.what = "ln P(X = a)"};
	Worst	upper = {.what = "ln P(X >= a)"};
	Worst	lower = {.what = "ln P(X <= a)"};
	Worst	two = {.what = "two-sided p"};
	Worst	upper_mid = {.what = "upper mid-p"};
	Worst	lower_mid = {.what = "lower mid-p"};
	int		wrong = 0;

	while (fixture_next(&f))
	{
		int64  a = fixture_count(&f, 0);
		int64  n = fixture_count(&f, 1);
		int64  F = fixture_count(&f, 2);
		int64  N = fixture_count(&f, 3);
		double up = fixture_number(&f, 5);
		double low = fixture_number(&f, 6);

		/* near 1 its logarithm is right to 1e-14 only in absolute terms */
		{
			double expected = fixture_number(&f, 4);
			double got = fp_hyper_log_pmf(a, n, F, N);

			if (expected > -0.1)
				worst_add(&pmf, exp(got), exp(expected), f.row);
			else
				worst_add(&pmf, got, expected, f.row);
		}
		worst_add(&upper, fp_hyper_log_upper(a, n, F, N), up, f.row);
		worst_add(&lower, fp_hyper_log_lower(a, n, F, N), low, f.row);
		if (N <= 1000)
			worst_add(&two, exp(fp_fisher_log_two_sided(a, n, F, N)),
					  exp(fixture_number(&f, 7)), f.row);

		/* mid-p from the references, where doubles still hold it */
		if (up > -600)
			worst_add(&upper_mid, exp(fp_hyper_log_upper_mid(a, n, F, N)),
					  exp(up) - exp(fixture_number(&f, 4)) / 2, f.row);
		if (low > -600)
			worst_add(&lower_mid, exp(fp_hyper_log_lower_mid(a, n, F, N)),
					  exp(low) - exp(fixture_number(&f, 4)) / 2, f.row);

		/* the early decision, on both sides of the value and far off */
		for (double margin = 1e-9; margin < 1e4; margin *= 30)
		{
			double width = margin * Max(fabs(up), 1e-3);

			wrong += !fp_hyper_log_upper_below(a, n, F, N, up + width);
			wrong += fp_hyper_log_upper_below(a, n, F, N, up - width);
		}
	}
	worst_ok(&pmf, 1e-12);
	worst_ok(&upper, 1e-12);
	worst_ok(&lower, 3e-12);
	worst_ok(&two, 1e-10);
	worst_ok(&upper_mid, 1e-10);
	worst_ok(&lower_mid, 1e-10);
	ok(wrong == 0, "decisions by bounds agree with the value (%d wrong)",
	   wrong);
}

/* every table up to a size: tails are sums, and the tests fit together */
static void
small_tables(void)
{
	double worst = 0;
	bool   below = true;
	bool   smallest = true;

	for (int64 N = 0; N <= 24; N++)
		for (int64 n = 0; n <= N; n++)
			for (int64 F = 0; F <= N; F++)
			{
				double total = 0;
				double least = 0;

				for (int64 a = Min(n, F); a >= 0; a--)
				{
					double up;

					total += exp(fp_hyper_log_pmf(a, n, F, N));
					up = fp_hyper_log_upper(a, n, F, N);
					worst = fmax(worst, fabs(exp(up) - total));
					worst = fmax(worst,
								 fabs(exp(up) +
									  exp(fp_hyper_log_lower(a - 1, n, F, N)) -
									  1));
					for (double level = -6; level < 0.2; level += 0.21)
						if (fabs(up - level) > 1e-12)
							below &=
								fp_hyper_log_upper_below(a, n, F, N, level) ==
								(up <= level);
					least = fmin(least, up);
				}
				smallest &=
					near(fp_hyper_log_min_upper(n, F, N), least, 1e-13);
			}
	ok(worst < 1e-13, "tails of all small tables add up (%.2g)", worst);
	ok(below, "decisions by bounds, all small tables");
	ok(smallest, "the smallest attainable p, all small tables");
}

static void
edges(void)
{
	int64 big = INT64_MAX;

	ok(fp_hyper_log_upper(0, 0, 0, 0) == 0.0, "nothing drawn of nothing");
	ok(fp_hyper_log_upper(6, 5, 5, 10) == -INFINITY, "more than all: never");
	ok(fp_hyper_log_upper(-3, 5, 5, 10) == 0.0, "at least -3: always");
	ok(fp_hyper_log_lower(-1, 5, 5, 10) == -INFINITY, "at most -1: never");
	ok(fp_hyper_log_lower(5, 5, 5, 10) == 0.0, "at most all: always");
	ok(fp_fisher_log_two_sided(6, 5, 5, 10) == -INFINITY, "impossible table");
	ok(near(fp_hyper_log_upper(1, 1, 1, big), -log((double) big), 1e-13),
	   "one of 2^63 - 1");
	ok(near(fp_hyper_log_upper(big / 4, big / 2, big / 2, big), log(0.5),
			1e-6),
	   "half of 2^63 - 1");
	ok(fp_hyper_log_upper(big / 4 + 1000000000000, big / 2, big / 2, big) <
		   -400000,
	   "far tail at 2^63 - 1");
	ok(near(fp_log_choose(1000000000000, 2), log(1e12) + log((1e12 - 1) / 2),
			1e-14),
	   "ln of 1e12 choose 2");
	ok(fp_log_choose(5, 6) == -INFINITY && fp_log_choose(5, -1) == -INFINITY,
	   "choosing what is not there");
	ok(RAISES(FP_ERR_DATA, fp_hyper_log_upper(0, 11, 5, 10)), "n > N");
	ok(RAISES(FP_ERR_DATA, fp_hyper_log_lower(0, 5, 11, 10)), "F > N");
	ok(RAISES(FP_ERR_DATA, fp_hyper_log_pmf(0, -1, 5, 10)), "n < 0");
	ok(RAISES(FP_ERR_DATA, fp_fisher_log_two_sided(0, 5, -1, 10)), "F < 0");
	ok(RAISES(FP_ERR_DATA, fp_hyper_log_upper_below(0, 0, 0, -1, -1)),
	   "N < 0");
}

/* Fisher's test by definition, on tables too large for the fixture's sum */
static void
two_sided_large(void)
{
	double worst = 0;

	for (int64 a = 20; a <= 200; a += 3)
	{
		int64  n = 700;
		int64  F = 15000;
		int64  N = 100000;
		double limit = fp_hyper_log_pmf(a, n, F, N) + 1e-11;
		double sum = 0;
		double p = fp_fisher_log_two_sided(a, n, F, N);

		for (int64 k = 0; k <= n; k++)
		{
			double pmf = fp_hyper_log_pmf(k, n, F, N);

			if (pmf <= limit)
				sum += exp(pmf);
		}
		worst = fmax(worst, fabs(exp(p) / sum - 1));
	}
	ok(worst < 1e-11, "two-sided p of larger tables is the sum (%.2g)", worst);
}

int
main(void)
{
	against_references();
	small_tables();
	two_sided_large();
	edges();
	return unit_done();
}
