/* Two rates compared, strata, many tests: against references. */
#include "fixture.h"

#include "stats/multiplicity.h"
#include "stats/stratified.h"
#include "stats/two_by_two.h"

static void
measures(void)
{
	Fixture f = fixture_open("measures");
	Worst	ratio = {.what = "risk ratio"};
	Worst	odds = {.what = "odds ratio"};
	double	difference = 0;

	while (fixture_next(&f))
	{
		int64	   f1 = fixture_count(&f, 0);
		int64	   n1 = fixture_count(&f, 1);
		int64	   f2 = fixture_count(&f, 2);
		int64	   n2 = fixture_count(&f, 3);
		double	   c = fixture_number(&f, 4);
		FpEstimate d = fp_risk_difference(f1, n1, f2, n2, c);
		FpRatio	   r = fp_risk_ratio(f1, n1, f2, n2, c);
		FpRatio	   o = fp_odds_ratio(f1, n1, f2, n2, c);
		double	   width = fixture_number(&f, 7) - fixture_number(&f, 6);

		/* a bound of a difference may lie near 0: measure by the width */
		difference =
			fmax(difference, fabs(d.estimate - fixture_number(&f, 5)) / width);
		difference =
			fmax(difference, fabs(d.lower - fixture_number(&f, 6)) / width);
		difference =
			fmax(difference, fabs(d.upper - fixture_number(&f, 7)) / width);
		worst_add(&ratio, r.estimate, fixture_number(&f, 8), f.row);
		worst_add(&ratio, r.lower, fixture_number(&f, 9), f.row);
		worst_add(&ratio, r.upper, fixture_number(&f, 10), f.row);
		worst_add(&odds, o.estimate, fixture_number(&f, 11), f.row);
		worst_add(&odds, o.lower, fixture_number(&f, 12), f.row);
		worst_add(&odds, o.upper, fixture_number(&f, 13), f.row);
	}
	ok(f.row > 0 && difference < 1e-10,
	   "risk difference: %d rows, worst error %.2g of the width", f.row,
	   difference);
	worst_ok(&ratio, 1e-10);
	worst_ok(&odds, 1e-12);
}

static bool
is(FpEstimate x, double estimate, double lower, double upper)
{
	return (isnan(estimate) ? isnan(x.estimate) : x.estimate == estimate) &&
		   x.lower == lower && x.upper == upper;
}

static void
edges(void)
{
	bool sides = true;
	bool quick = true;

	ok(is(fp_risk_ratio(0, 0, 3, 9, 0.95), NAN, 0, INFINITY) &&
		   is(fp_risk_ratio(0, 5, 0, 9, 0.95), NAN, 0, INFINITY),
	   "risk ratio of nothing");
	ok(is(fp_risk_difference(0, 0, 3, 9, 0.95), NAN, -1, 1),
	   "risk difference of nothing");
	ok(is(fp_odds_ratio(0, 0, 3, 9, 0.95), NAN, 0, INFINITY) &&
		   is(fp_odds_ratio(5, 5, 9, 9, 0.95), NAN, 0, INFINITY) &&
		   is(fp_odds_ratio(0, 5, 0, 9, 0.95), NAN, 0, INFINITY),
	   "odds ratio of nothing");

	/* swapping the two rates inverts ratios and negates differences */
	for (int64 f1 = 0; f1 <= 12; f1++)
		for (int64 f2 = 0; f2 <= 9; f2++)
		{
			FpRatio	   r = fp_risk_ratio(f1, 12, f2, 9, 0.9);
			FpRatio	   s = fp_risk_ratio(f2, 9, f1, 12, 0.9);
			FpRatio	   o = fp_odds_ratio(f1, 12, f2, 9, 0.9);
			FpRatio	   p = fp_odds_ratio(f2, 9, f1, 12, 0.9);
			FpEstimate d = fp_risk_difference(f1, 12, f2, 9, 0.9);
			FpEstimate e = fp_risk_difference(f2, 9, f1, 12, 0.9);

			sides &= near(r.lower, 1 / s.upper, 1e-12) &&
					 near(r.upper, 1 / s.lower, 1e-12) &&
					 near(o.lower, 1 / p.upper, 1e-12) &&
					 near(o.upper, 1 / p.lower, 1e-12) &&
					 near(d.lower, -e.upper, 1e-12) &&
					 near(d.estimate, -e.estimate, 1e-12);
			if (!isnan(r.estimate))
				sides &= r.lower <= r.estimate && r.estimate <= r.upper;
			sides &= d.lower >= -1 && d.lower <= d.estimate &&
					 d.estimate <= d.upper && d.upper <= 1;
			for (double at = 0.3; at < 4; at *= 1.3)
				quick &= fp_risk_ratio_at_least(f1, 12, f2, 9, at,
												1.6448536269514722) ==
						 (r.lower >= at);
		}
	ok(sides, "two rates swapped, and bounds around estimates");
	ok(quick, "lower bound of the ratio at least so much");
	/* next to no confidence: no wider than what rounds */
	{
		FpRatio r = fp_risk_ratio(252, 253, 69, 376832, 1e-300);
		bool	inside = r.lower <= r.estimate && r.estimate <= r.upper;

		for (int f1 = 1; f1 < 40; f1++)
			for (int f2 = 1; f2 < 37; f2++)
			{
				r = fp_risk_ratio(f1, 41, f2, 37, 1e-300);
				inside &= r.lower <= r.estimate && r.estimate <= r.upper;
			}
		ok(inside, "the interval of a ratio holds its estimate");
	}
	ok(RAISES(FP_ERR_DATA, fp_risk_ratio(3, 2, 1, 2, 0.95)), "f1 > n1");
	ok(RAISES(FP_ERR_DATA, fp_odds_ratio(1, 2, 3, 2, 0.95)), "f2 > n2");
	ok(RAISES(FP_ERR_DATA, fp_risk_difference(1, 2, 1, 2, NAN)),
	   "confidence NaN");
	ok(RAISES(FP_ERR_RANGE, fp_risk_ratio(1, INT64_MAX, 1, INT64_MAX, 0.95)),
	   "more trials than an int8 holds");
}

static int64
parse(char *text, FpStratum *strata)
{
	int64 count = 0;

	for (char *at = text; at; count++)
	{
		long long v[4];
		char	 *one = strsep(&at, ";");

		if (sscanf(one, "%lld:%lld:%lld:%lld", &v[0], &v[1], &v[2], &v[3]) !=
			4)
			abort();
		strata[count] = (FpStratum){v[0], v[1], v[2], v[3]};
	}
	return count;
}

static void
strata(void)
{
	Fixture	  f = fixture_open("strata");
	Worst	  z = {.what = "z of Cochran, Mantel and Haenszel"};
	Worst	  p = {.what = "its ln p"};
	Worst	  ratio = {.what = "pooled risk ratio"};
	FpStratum table[100];

	while (fixture_next(&f))
	{
		int64	count = parse(f.text[0], table);
		FpCmh	cmh = fp_cmh(table, count);
		FpRatio rr = fp_mantel_haenszel_rr(table, count, 0.95);

		worst_add(&z, cmh.z, fixture_number(&f, 1), f.row);
		worst_add(&p, cmh.log_p_upper, fixture_number(&f, 2), f.row);
		worst_add(&p, cmh.log_p_lower, fixture_number(&f, 3), f.row);
		worst_add(&p, exp(cmh.log_p_two_sided), exp(fixture_number(&f, 4)),
				  f.row);
		worst_add(&ratio, rr.estimate, fixture_number(&f, 5), f.row);
		worst_add(&ratio, rr.lower, fixture_number(&f, 6), f.row);
		worst_add(&ratio, rr.upper, fixture_number(&f, 7), f.row);
	}
	worst_ok(&z, 1e-12);
	worst_ok(&p, 1e-11);
	worst_ok(&ratio, 1e-12);
	table[0] = (FpStratum){1, 2, 3, 3};
	ok(isnan(fp_mantel_haenszel_rr(NULL, 0, 0.95).estimate) &&
		   fp_cmh(NULL, 0).log_p_upper == log(0.5),
	   "no strata");
	table[0] = (FpStratum){3, 2, 3, 9};
	ok(RAISES(FP_ERR_DATA, fp_cmh(table, 1)), "more failures than drawn");
	table[0] = (FpStratum){1, 8, 4, 9};
	ok(RAISES(FP_ERR_DATA, fp_cmh(table, 1)), "more failures than the others");
}

static void
multiplicity(void)
{
	Fixture f = fixture_open("multiplicity");
	FpArena arena = fp_arena_create(NULL, "test");
	Worst	worst[3] = {
		  {.what = "Benjamini-Hochberg"},
		  {.what = "Benjamini-Yekutieli"},
		  {.what = "Holm"},
	  };
	Worst  logs = {.what = "of logarithms"};
	double p[300];
	double log_p[300];
	double got[3][300];
	double expected[3][300];
	int64  filled = 0;

	while (fixture_next(&f))
	{
		int64 count = fixture_count(&f, 1);
		int64 tests = fixture_count(&f, 2);

		p[filled] = fixture_number(&f, 3);
		for (int m = 0; m < 3; m++)
			expected[m][filled] = fixture_number(&f, 4 + m);
		if (++filled < count)
			continue;
		for (int m = 0; m < 3; m++)
		{
			memcpy(got[m], p, sizeof(p));
			for (int64 i = 0; i < count; i++)
				log_p[i] = log(p[i]);
			if (m == 0)
			{
				fp_adjust_bh(arena, got[m], count, tests);
				fp_adjust_log_bh(arena, log_p, count, tests);
			}
			else if (m == 1)
			{
				fp_adjust_by(arena, got[m], count, tests);
				fp_adjust_log_by(arena, log_p, count, tests);
			}
			else
			{
				fp_adjust_holm(arena, got[m], count, tests);
				fp_adjust_log_holm(arena, log_p, count, tests);
			}
			for (int64 i = 0; i < count; i++)
			{
				worst_add(&worst[m], got[m][i], expected[m][i], f.row);
				worst_add(&logs, exp(log_p[i]), expected[m][i], f.row);
			}
		}
		filled = 0;
	}
	for (int m = 0; m < 3; m++)
		worst_ok(&worst[m], 1e-11);
	worst_ok(&logs, 1e-11);
	p[0] = NAN;
	ok(RAISES(FP_ERR_DATA, fp_adjust_bh(arena, p, 1, 1)), "p is NaN");
	p[0] = 1.5;
	ok(RAISES(FP_ERR_DATA, fp_adjust_holm(arena, p, 1, 1)), "p > 1");
	p[0] = 0.5;
	ok(RAISES(FP_ERR_DATA, fp_adjust_by(arena, p, 1, 0)),
	   "fewer tests than p");
	ok(fp_arena_used(arena) == 0, "nothing is left in the arena");
	fp_arena_delete(arena);
}

/* Tarone's factor by its definition */
static void
tarone(void)
{
	FpArena arena = fp_arena_create(NULL, "test");
	int		wrong = 0;
	uint64	seed = 1;

	for (int trial = 0; trial < 2000; trial++)
	{
		double best[12];
		int64  weight[12];
		int64  count = trial % 12 + 1;
		int64  k = 0;
		int64  reach;

		for (int64 i = 0; i < count; i++)
		{
			seed = seed * 6364136223846793005 + 1442695040888963407;
			best[i] = -(double) (seed >> 60) / (1 + trial % 3);
			weight[i] = trial % 2 ? 1 : (int64) (seed >> 50 & 31);
		}
		do
		{
			k++;
			reach = 0;
			for (int64 i = 0; i < count; i++)
				if (best[i] <= log(0.05) - log((double) k))
					reach += weight[i];
		} while (reach > k);
		wrong += fp_tarone_factor(arena, best, trial % 2 ? NULL : weight,
								  count, log(0.05)) != k;
	}
	ok(wrong == 0, "Tarone's factor is the smallest (%d wrong)", wrong);
	ok(fp_tarone_factor(arena, NULL, NULL, 0, -3) == 1, "Tarone: no tests");
	fp_arena_delete(arena);
}

int
main(void)
{
	measures();
	edges();
	strata();
	multiplicity();
	tarone();
	return unit_done();
}
