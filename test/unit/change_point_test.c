/*
 * Changes of a rate: significance, spikes, dispersion, report; and a small
 * part of the simulations that test/tools/change-sim runs in full.
 */
#include "stats/change_point.h"
#include "unit.h"

static FpArena	arena;
static FpBucket b[2000];
static uint64	state;

static double
uniform(void)
{
	uint64 z = (state += 0x9E3779B97F4A7C15ULL);

	z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
	z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
	return (((z ^ (z >> 31)) >> 11) + 0.5) * 0x1p-53;
}

static int64
binomial(int64 n, double p)
{
	int64 k = 0;

	while (n-- > 0)
		k += uniform() < p;
	return k;
}

/* buckets from .. to - 1 at this rate, as even as whole numbers allow */
static void
level(int from, int to, int64 n, double p)
{
	double owed = 0.5;

	for (int t = from; t < to; t++)
	{
		owed += n * p;
		b[t].at = t;
		b[t].trials = n;
		b[t].failures = (int64) owed;
		owed -= b[t].failures;
	}
}

static FpTrend
search(int T, const FpChangeOptions *options)
{
	FpChangeOptions defaults = FP_CHANGE_DEFAULTS;
	FpTrend			trend;

	fp_change_points(arena, b, T, options ? options : &defaults, &trend);
	return trend;
}

static void
significance(void)
{
	static const struct
	{
		int	   T;
		double at5;
		double at1;
	} table[] = {{20, 10.0, 13.5},	  {50, 10.6, 14.1},	   {100, 11.0, 14.4},
				 {300, 11.6, 14.9},	  {1000, 12.3, 15.4},  {3000, 13.0, 15.8},
				 {10000, 13.8, 16.4}, {100000, 15.9, 17.9}};
	bool falls = true;
	bool rises = true;
	bool right = true;

	for (int T = 3; T < 1000000; T = T * 3 / 2 + 1)
		for (double g = 0; g < 60; g += 0.01)
		{
			falls = falls && fp_change_p(g + 0.01, T) <= fp_change_p(g, T);
			falls = falls &&
					fp_change_pair_p(g + 0.01, T) <= fp_change_pair_p(g, T);
			rises = rises && fp_change_p(g, T + 1) >= fp_change_p(g, T);
		}
	ok(falls, "p falls as the gain grows");
	ok(rises, "p rises with the number of buckets");
	ok(fp_change_p(0, 10) == 1 && fp_change_p(1e6, 10) == 0 &&
		   fp_change_p(NAN, 10) == 1,
	   "p at the ends");
	for (size_t i = 0; i < lengthof(table); i++)
		right =
			right &&
			fabs(fp_change_penalty(0.05, table[i].T) - table[i].at5) < 0.06 &&
			fabs(fp_change_penalty(0.01, table[i].T) - table[i].at1) < 0.06;
	ok(right, "penalties are those of the calibration");
	ok(near(fp_change_p(fp_change_penalty(1e-12, 50), 50), 1e-12, 1e-6),
	   "penalty and p are inverse");
}

static void
one_shift(void)
{
	FpTrend			trend;
	const FpChange *c;
	int			   *places;
	double		   *gains;
	double			best = 0;
	int				at = -1;
	int				count;

	level(0, 60, 100, 0.1);
	level(60, 100, 100, 0.3);
	trend = search(100, NULL);
	c = trend.changes;
	ok(trend.nchanges == 1 && c->kind == FP_SHIFT && c->at == 60 &&
		   c->last_before == 59,
	   "a plain step is found where it is");
	ok(c->at_lower <= 60 && c->at_upper >= 60 && c->at_upper - c->at_lower < 5,
	   "its place has an interval");
	ok(c->failures_before == 600 && c->trials_before == 6000 &&
		   c->failures_after == 1200 && c->trials_after == 4000,
	   "counts of both sides");
	ok(near(c->difference.estimate, 0.2, 1e-12) &&
		   near(c->ratio.estimate, 3, 1e-12) &&
		   near(c->odds_ratio.estimate, 27.0 / 7, 1e-12),
	   "difference, ratio, odds ratio");
	ok(c->before.lower < 0.1 && c->before.upper > 0.1 &&
		   c->difference.lower > 0.18 && c->difference.upper < 0.22 &&
		   c->ratio.lower > 2.7 && c->ratio.upper < 3.3,
	   "their intervals");
	ok(near(c->gain,
			2 * (600 * log(0.1 / 0.18) + 5400 * log(0.9 / 0.82) +
				 1200 * log(0.3 / 0.18) + 2800 * log(0.7 / 0.82)),
			1e-9),
	   "gain is twice the log likelihood ratio");
	ok(c->p_value < 1e-50 && !c->low_counts, "it is sure");
	ok(trend.nstretches == 2 && trend.stretches[1].from == 60 &&
		   trend.stretches[1].to == 99 && trend.stretches[1].buckets == 40,
	   "two stretches");
	count = fp_change_profile(arena, &trend, c, &places, &gains);
	for (int i = 0; i < count; i++)
		if (gains[i] > best)
		{
			best = gains[i];
			at = places[i];
		}
	ok(count == 99 && at == 60 && near(best, c->gain, 1e-12),
	   "the profile has its top at the change");

	/* the other outcome: same places and sureness, other direction */
	for (int t = 0; t < 100; t++)
		b[t].failures = b[t].trials - b[t].failures;
	{
		FpTrend other = search(100, NULL);

		ok(other.nchanges == 1 && other.changes[0].at == 60 &&
			   near(other.changes[0].gain, c->gain, 1e-9) &&
			   near(other.changes[0].difference.estimate, -0.2, 1e-12) &&
			   near(other.changes[0].difference.lower, -c->difference.upper,
					1e-9) &&
			   other.changes[0].at_lower == c->at_lower,
		   "failures and successes swapped: only the direction turns");
	}
}

static void
spikes(void)
{
	FpTrend trend;

	FpChangeOptions none = FP_CHANGE_DEFAULTS;

	level(0, 100, 50, 0.1);
	b[30].failures = 30;
	b[70].failures = 35;
	b[71].failures = 33;
	trend = search(100, NULL);
	ok(trend.nchanges == 2 && trend.changes[0].kind == FP_SPIKE &&
		   trend.changes[0].at == 30 && trend.changes[0].at_upper == 30 &&
		   trend.changes[1].kind == FP_SPIKE && trend.changes[1].at == 70 &&
		   trend.changes[1].at_upper == 71,
	   "spikes of one and two buckets");
	ok(trend.changes[1].failures_after == 68 &&
		   trend.changes[1].trials_after == 100 &&
		   near(trend.changes[1].before.estimate, 0.1, 0.01),
	   "a spike against what surrounds it");
	ok(trend.nstretches == 1 && trend.stretches[0].buckets == 97,
	   "they are no part of the stretch");
	none.max_spike = 0;
	trend = search(100, &none);
	ok(trend.nchanges == 4 && trend.changes[0].kind == FP_SHIFT,
	   "max_spike 0: all are shifts");

	/* where the rate shifts at the same time */
	level(0, 50, 50, 0.1);
	level(50, 100, 50, 0.2);
	b[50].failures = 40;
	trend = search(100, NULL);
	ok(trend.nchanges == 2 && trend.changes[0].kind == FP_SPIKE &&
		   trend.changes[0].at == 50 && trend.changes[1].kind == FP_SHIFT &&
		   near(trend.changes[1].before.estimate, 0.1, 0.01) &&
		   near(trend.changes[1].after.estimate, 0.2, 0.01) &&
		   near(trend.changes[0].before.estimate, 0.1, 0.01),
	   "a spike at a shift does not blur it");

	/* the last buckets: nobody knows yet */
	level(0, 100, 50, 0.1);
	b[99].failures = 40;
	trend = search(100, NULL);
	ok(trend.nchanges == 1 && trend.changes[0].kind == FP_SHIFT &&
		   trend.changes[0].at == 99,
	   "a new rate in the last bucket is a shift, for now");
}

static void
extremes(void)
{
	FpTrend			trend;
	FpChangeOptions options = FP_CHANGE_DEFAULTS;

	trend = search(0, NULL);
	ok(trend.nchanges == 0 && trend.nstretches == 0, "no bucket");
	level(0, 2, 1000000, 0.1);
	b[1].failures = 900000;
	trend = search(1, NULL);
	ok(trend.nchanges == 0 && trend.nstretches == 1, "one bucket");
	trend = search(2, NULL);
	ok(trend.nchanges == 0 && trend.nstretches == 1, "two buckets");
	level(0, 50, 20, 0);
	trend = search(50, NULL);
	ok(trend.nchanges == 0 && trend.stretches[0].rate.lower == 0,
	   "no failures");
	level(0, 50, 20, 1);
	trend = search(50, NULL);
	ok(trend.nchanges == 0 && trend.stretches[0].rate.upper == 1,
	   "only failures");
	level(0, 25, 20, 0);
	level(25, 50, 20, 1);
	trend = search(50, NULL);
	ok(trend.nchanges == 1 && trend.changes[0].at == 25 &&
		   isinf(trend.changes[0].ratio.estimate) &&
		   trend.changes[0].difference.estimate == 1 &&
		   trend.changes[0].low_counts,
	   "from none to all");
	level(0, 50, 1000000000, 0.1);
	level(50, 100, 1000000000, 0.1001);
	options.dispersion = 1;
	trend = search(100, &options);
	ok(trend.nchanges == 1 && trend.changes[0].at == 50 &&
		   trend.changes[0].difference.lower > 0.000096,
	   "a billion trials per bucket");
	level(0, 50, INT64_C(90000000000000000), 0.1);
	level(50, 100, INT64_C(90000000000000000), 0.2);
	trend = search(100, &options);
	ok(trend.nchanges == 1 && trend.changes[0].at == 50,
	   "9 * 10^16 trials per bucket");
	level(0, 50, 1, 0);
	level(50, 100, 1, 1);
	trend = search(100, NULL);
	ok(trend.nchanges == 1 && trend.changes[0].at == 50,
	   "one trial per bucket");
}

static void
dispersion(void)
{
	FpChangeOptions given = FP_CHANGE_DEFAULTS;
	FpTrend			trend;
	FpTrend			plain;

	/* days of 5 % and 15 % in no order: ten times the variance or so */
	state = 11;
	for (int t = 0; t < 400; t++)
	{
		b[t].at = t;
		b[t].trials = 400;
		b[t].failures = binomial(400, uniform() < 0.5 ? 0.05 : 0.15);
	}
	trend = search(400, NULL);
	ok(trend.nchanges == 0 && trend.dispersion > 8 && trend.dispersion < 16,
	   "days that differ are no changes (phi %.1f)", trend.dispersion);
	given.dispersion = 1;
	trend = search(400, &given);
	ok(trend.nchanges > 20, "but would be, were they binomial");

	level(0, 60, 400, 0.1);
	level(60, 100, 400, 0.2);
	given.dispersion = 1;
	plain = search(100, &given);
	given.dispersion = 4;
	trend = search(100, &given);
	ok(trend.dispersion == 4 && trend.nchanges == 1 &&
		   near(trend.changes[0].gain, plain.changes[0].gain / 4, 1e-9),
	   "a given dispersion divides the gain");
	ok(near((trend.changes[0].after.upper - trend.changes[0].after.lower) /
				(plain.changes[0].after.upper - plain.changes[0].after.lower),
			2, 0.01) &&
		   near((trend.changes[0].difference.upper -
				 trend.changes[0].difference.lower) /
					(plain.changes[0].difference.upper -
					 plain.changes[0].difference.lower),
				2, 0.01),
	   "and widens intervals by its root");
	given.dispersion = 400;
	level(0, 60, 400000, 0.1);
	level(60, 100, 400000, 0.2);
	trend = search(100, &given);
	ok(near((trend.changes[0].ratio.upper - trend.changes[0].ratio.lower) /
				(plain.changes[0].ratio.upper - plain.changes[0].ratio.lower),
			sqrt(400.0 / 1000), 0.02),
	   "a large one too");
}

/* ---------- simulations, in small ---------- */

static int
series_with_alarm(int series, int T, double alpha, bool noisy)
{
	FpChangeOptions options = FP_CHANGE_DEFAULTS;
	int				alarms = 0;

	options.alpha = alpha;
	for (int i = 0; i < series; i++)
	{
		FpTrend trend;
		int		shifts = 0;

		for (int t = 0; t < T; t++)
		{
			/* rates .1 +- .06: phi = 1 + 49 * .0036 / .09 = 2.96 */
			double p = !noisy ? 0.1 : 0.1 + 0.06 * (uniform() < 0.5 ? 1 : -1);

			b[t].at = t;
			b[t].trials = 50;
			b[t].failures = binomial(50, p);
		}
		trend = search(T, &options);
		for (int c = 0; c < trend.nchanges; c++)
			shifts += trend.changes[c].kind == FP_SHIFT;
		alarms += shifts > 0;
		fp_arena_reset(arena);
	}
	return alarms;
}

static void
simulations(void)
{
	int found = 0, reported = 0, covered = 0, placed = 0, shifts = 0;
	int alarms;

	state = 1;
	/* bounds: three standard errors above 1.5 times nominal */
	alarms = series_with_alarm(200, 100, 0.05, false);
	ok(alarms <= 27, "quiet at 5%%: %d alarms in 200 series", alarms);
	alarms = series_with_alarm(200, 100, 0.05, true);
	ok(alarms <= 27, "quiet at 5%%, phi 3: %d alarms in 200 series", alarms);
	alarms = series_with_alarm(200, 100, 0.01, true);
	ok(alarms <= 9, "quiet at 1%%, phi 3: %d alarms in 200 series", alarms);

	for (int i = 0; i < 100; i++)
	{
		static const int true_at[] = {75, 150, 225};
		FpTrend			 trend;

		for (int t = 0; t < 300; t++)
		{
			b[t].at = t;
			b[t].trials = 50;
			b[t].failures = binomial(50, (t / 75) % 2 ? 0.2 : 0.1);
		}
		trend = search(300, NULL);
		for (int c = 0; c < trend.nchanges; c++)
		{
			const FpChange *change = &trend.changes[c];

			if (change->kind != FP_SHIFT)
				continue;
			reported++;
			for (int k = 0; k < 3; k++)
			{
				found += abs(change->at - true_at[k]) <= 3;
				if (abs(change->at - true_at[k]) <= 20)
				{
					placed++;
					covered += change->at_lower <= true_at[k] &&
							   change->at_upper >= true_at[k];
				}
			}
		}
		fp_arena_reset(arena);
	}
	/* .965 over 400 series; this is a tenth of them */
	ok(2.0 * found / (300 + reported) >= 0.93,
	   "planted changes: F1 %.3f of 100 series",
	   2.0 * found / (300 + reported));
	ok(covered >= 0.93 * placed && covered <= 0.99 * placed,
	   "intervals of place cover %.3f", (double) covered / placed);

	for (int i = 0; i < 100; i++)
	{
		FpTrend trend;
		int		at = (int) (uniform() * 300);

		for (int t = 0; t < 300; t++)
		{
			b[t].at = t;
			b[t].trials = 50;
			b[t].failures = binomial(50, t == at ? 0.5 : 0.1);
		}
		trend = search(300, NULL);
		for (int c = 0; c < trend.nchanges; c++)
			shifts += trend.changes[c].kind == FP_SHIFT &&
					  abs(trend.changes[c].at - at) <= 1;
		fp_arena_reset(arena);
	}
	ok(shifts <= 3, "%d of 100 spikes became shifts", shifts);
}

int
main(void)
{
	arena = fp_arena_create(NULL, "test");
	significance();
	one_shift();
	spikes();
	extremes();
	dispersion();
	simulations();
	fp_arena_delete(arena);
	return unit_done();
}
