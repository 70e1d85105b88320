/* E-values: against direct summation, and what they promise, by simulation. */
#include "unit.h"

#include "mine_data.h"
#include "stats/evalue.h"
#include "stats/special.h"
#include "stats/two_by_two.h"

/* ln E(ratio^X), term by term from the definition */
static double
direct(int64 n, int64 F, int64 N, double ratio)
{
	double sum = -INFINITY;

	for (int64 k = Max((int64) 0, n + F - N); k <= Min(n, F); k++)
		sum = fp_logaddexp(sum, fp_log_choose(F, k) +
									fp_log_choose(N - F, n - k) -
									fp_log_choose(N, n) + k * log(ratio));
	return sum;
}

/* Hoeffding's bound of statistics.md: never below the mean itself */
static double
bound(int64 n, int64 F, int64 N, double ratio)
{
	return fmin(n * log1p((double) F / N * (ratio - 1)),
				F * log1p((double) n / N * (ratio - 1)));
}

static void
exactness(void)
{
	Random r = {7};
	double worst = 0;
	double worst_ratio = 0;
	double worst_sum = 0;
	bool   below = true;

	for (int i = 0; i < 4000; i++)
	{
		int64  N = 1 + random_below(&r, i % 2 ? 60 : 5000);
		int64  n = random_below(&r, (uint32) N + 1);
		int64  F = random_below(&r, (uint32) N + 1);
		double ratio =
			i % 7 == 0 ? 0.3 : fp_e_ratios[random_below(&r, FP_E_RATIOS)];
		double got = fp_hyper_log_mean_power(n, F, N, ratio);

		worst =
			fmax(worst, fabs(got - direct(n, F, N, ratio)) / (1 + fabs(got)));
		if (ratio > 1)
			below &= got <= bound(n, F, N, ratio) * (1 + 1e-12) + 1e-12;
		/* n = 1 and F = 1: a coin */
		got = fp_hyper_log_mean_power(1, F, N, ratio);
		worst_ratio =
			fmax(worst_ratio, fabs(got - log1p((double) F / N * (ratio - 1))));
		got = fp_hyper_log_mean_power(n, 1, N, ratio);
		worst_ratio =
			fmax(worst_ratio, fabs(got - log1p((double) n / N * (ratio - 1))));
		if (N <= 60)
		{
			double	  mean = 0;
			FpStratum s = {0, n, F, N};

			for (s.a = Max((int64) 0, n + F - N); s.a <= Min(n, F); s.a++)
				mean +=
					exp(fp_hyper_log_pmf(s.a, n, F, N) + fp_e_log(&s, ratio));
			worst_sum = fmax(worst_sum, fabs(mean - 1));
		}
	}
	ok(worst < 1e-11, "mean of ratio^X as summed term by term, off by %.2g",
	   worst);
	ok(worst_ratio < 1e-12, "n = 1 and F = 1 as a coin, off by %.2g",
	   worst_ratio);
	ok(worst_sum < 1e-11, "the mean of an e-value is 1, off by %.2g",
	   worst_sum);
	ok(below, "never above Hoeffding's bound");
	/* large: as a normal approximation would have it */
	{
		int64  N = INT64CONST(4000000000), n = N / 2, F = N / 10;
		double t = 1e-6;
		double v =
			(double) n * (N - n) / N * ((double) F * (N - F) / N) / (N - 1);
		double want = (double) n / N * F * t + v * t * t / 2;

		ok(near(fp_hyper_log_mean_power(n, F, N, exp(t)), want, 1e-6),
		   "four thousand million trials");
	}
}

static void
edges(void)
{
	static const FpStratum sure[] = {
		{0, 0, 5, 10}, {5, 10, 5, 10}, {0, 3, 0, 10}, {3, 3, 10, 10}, {0}};
	bool	  nothing = true;
	FpWealth  wealth = {{0}};
	FpWealth  half = {{0}};
	FpStratum s = {9, 12, 40, 300};

	for (size_t i = 0; i < lengthof(sure); i++)
		nothing &= fp_e_log(&sure[i], 3) == 0;
	ok(nothing, "strata that cannot tell anything say nothing");
	ok(RAISES(FP_ERR_DATA, fp_e_log(&(FpStratum){3, 2, 5, 10}, 2)) &&
		   RAISES(FP_ERR_DATA, fp_e_log(&(FpStratum){0, 8, 5, 10}, 2)) &&
		   RAISES(FP_ERR_DATA, fp_e_log(&(FpStratum){0, 1, 1, INT64_MAX}, 2)),
	   "impossible strata are refused");
	ok(fp_wealth_log_e(&wealth) == 0, "it starts at 1");
	fp_wealth_add(&wealth, &s, 1);
	fp_wealth_add(&half, &s, 2);
	ok(near(half.log_e[3], wealth.log_e[3] / 2, 1e-14),
	   "inflation divides the logarithm");
	{
		double sum = 0;

		for (int i = 0; i < FP_E_RATIOS; i++)
			sum += exp(wealth.log_e[i]);
		ok(near(fp_wealth_log_e(&wealth), log(sum / FP_E_RATIOS), 1e-13),
		   "the e-value is the mean over the ratios");
	}
	{
		double levels = 0;

		for (int64 i = 1; i <= 1000000; i++)
			levels += exp(-fp_e_log_threshold(0.05, i));
		ok(levels < 0.05 && levels > 0.0499999,
		   "levels of all candidates add up to alpha");
	}
}

typedef enum World
{
	SAME,	 /* one rate */
	DRIFT,	 /* a rate that drifts, with incidents */
	LUMPY,	 /* .. and the drawn are used most when it is high */
	ELEVATED /* risk ratio 1.5 */
} World;

/* a day of nrows; the share of the drawn and the rate may depend on the day */
static FpStratum
day_of(Random *r, World world, int day, int nrows, double share, double base,
	   double *incident)
{
	FpStratum s = {0, 0, 0, nrows};
	double	  rate = base;

	if (world == DRIFT || world == LUMPY)
	{
		if (random_unit(r) < 0.07)
			*incident = 3;
		else if (random_unit(r) < 0.3)
			*incident = 1;
		rate = fmin(0.9, base * (0.4 + 1.2 * day / 200) * *incident);
	}
	if (world == LUMPY && *incident > 1)
		share = fmin(0.8, share * 6);
	for (int i = 0; i < nrows; i++)
	{
		bool drawn = random_unit(r) < share;
		bool failed =
			random_unit(r) < (drawn && world == ELEVATED ? 1.5 * rate : rate);

		s.n += drawn;
		s.F += failed;
		s.a += drawn && failed;
	}
	return s;
}

/* share of runs in which the e-value ever passed 1 / alpha in 200 looks */
static void
null_world(World world, const char *name, double alpha, int runs)
{
	int crossed = 0;
	int pooled = 0;

	for (int run = 0; run < runs; run++)
	{
		Random	  r = {(uint64) run * 7919 + world};
		FpWealth  wealth = {{0}};
		double	  incident = 1;
		bool	  ever = false;
		FpStratum all = {0};

		for (int day = 0; day < 200; day++)
		{
			FpStratum s = day_of(&r, world, day, 60, 0.1, 0.12, &incident);

			fp_wealth_add(&wealth, &s, 1);
			ever |= fp_wealth_log_e(&wealth) >= -log(alpha);
			all.a += s.a;
			all.n += s.n;
			all.F += s.F;
			all.N += s.N;
		}
		crossed += ever;
		pooled += fp_hyper_log_upper(all.a, all.n, all.F, all.N) <= log(alpha);
	}
	ok(crossed <= runs * alpha + 2 * sqrt(runs * alpha * (1 - alpha)),
	   "%s: %.4f of %d runs ever pass 1 / %g in 200 looks (one pooled test: "
	   "%.4f)",
	   name, (double) crossed / runs, runs, alpha, (double) pooled / runs);
	if (world == LUMPY)
		ok(pooled > runs / 2, "where pooled data mislead");
}

static int
compare(const void *x, const void *y)
{
	return *(const int *) x - *(const int *) y;
}

static void
power(void)
{
	int rows[21];

	for (int run = 0; run < 21; run++)
	{
		Random	 r = {(uint64) run + 1};
		FpWealth wealth = {{0}};
		double	 incident = 1;

		rows[run] = 0;
		while (rows[run] < 500000 && fp_wealth_log_e(&wealth) < -log(1e-6))
		{
			FpStratum s =
				day_of(&r, ELEVATED, 0, 1000, 0.01, 0.086, &incident);

			fp_wealth_add(&wealth, &s, 1);
			rows[run] += 1000;
		}
	}
	qsort(rows, 21, sizeof(int), compare);
	/* statistics.md: 162,000 by the bound, 110,000 by a naive test */
	ok(rows[10] < 185000 && rows[10] > 80000,
	   "risk ratio 1.5, share 1 %%, level 1e-6: median %d rows", rows[10]);
}

/* rate of wrong declines, and how soon a right one is seen */
static void
decline(void)
{
	int		  wrong = 0;
	int		  seen = 0;
	int		  days = 0;
	FpStratum strata[90];

	for (int run = 0; run < 300; run++)
	{
		Random	 r = {(uint64) run + 99};
		double	 none = 1;
		FpCourse course;

		for (int day = 0; day < 90; day++)
			strata[day] = day_of(&r, ELEVATED, day, 300, 0.1, 0.1, &none);
		course = fp_course(strata, 90, 1.5, 1, 0.95);
		wrong += course.decline_log_e >= log(20);
		for (int day = 30; day < 90; day++)
			strata[day] = day_of(&r, SAME, day, 300, 0.1, 0.1, &none);
		course = fp_course(strata, 90, 1.5, 1, 0.95);
		if (course.decline_log_e >= log(20))
		{
			seen++;
			days += (int) course.decline_from;
		}
	}
	ok(wrong <= 300 * 0.05 + 2 * sqrt(300 * 0.05 * 0.95),
	   "still elevated: %.3f of runs are called resolved", wrong / 300.0);
	ok(seen > 240, "mended 60 days ago: seen in %.2f of runs", seen / 300.0);
	ok(seen > 0 && fabs((double) days / seen - 30) < 8,
	   "since day %.1f, by the mean", (double) days / Max(seen, 1));
	{
		Random	 r = {5};
		double	 none = 1;
		FpCourse one, two;
		FpCmh	 cmh;

		for (int day = 0; day < 90; day++)
			strata[day] = day_of(&r, ELEVATED, day, 300, 0.1, 0.1, &none);
		one = fp_course(strata, 90, 1.5, 1, 0.95);
		two = fp_course(strata, 90, 1.5, 4, 0.95);
		cmh = fp_cmh(strata, 90);
		ok(near(one.cmh.z, cmh.z, 1e-14) && near(two.cmh.z, cmh.z / 2, 1e-14),
		   "the course's test is that of Cochran, Mantel and Haenszel");
		ok(near(log(two.rr.upper / two.rr.lower),
				2 * log(one.rr.upper / one.rr.lower), 1e-6),
		   "inflation widens the interval");
		ok(fp_course(strata, 0, 2, 1, 0.95).decline_from == -1,
		   "no strata, no decline");
	}
}

int
main(void)
{
	exactness();
	edges();
	null_world(SAME, "one rate", 0.05, 1500);
	null_world(SAME, "one rate", 0.001, 1500);
	null_world(DRIFT, "drifting rate, incidents", 0.05, 1500);
	null_world(LUMPY, "use that follows incidents", 0.05, 1500);
	power();
	decline();
	return unit_done();
}
