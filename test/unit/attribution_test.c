/* Causes of a change, and changes of the mix of work. */
#include "stats/attribution.h"
#include "stats/mix_shift.h"
#include "unit.h"

static void
posterior(void)
{
	int		buckets[40];
	double	gains[40];
	FpCause causes[4] = {{10, 1, 0}, {25, 1, 0}, {99, 1, 0}, {-9, 1, 0}};
	double	none;
	double	even;

	for (int i = 0; i < 40; i++)
	{
		buckets[i] = i + 1;
		gains[i] = i + 1 == 10 ? 40 : 10;
	}
	none = fp_attribute(buckets, gains, 40, causes, 4, FP_NO_CAUSE_PRIOR);
	ok(causes[0].posterior > 0.9 && causes[1].posterior < 0.01,
	   "the event at the change is its cause");
	ok(causes[2].posterior == 0 && causes[3].posterior == 0,
	   "events out of reach are none");
	ok(near(none + causes[0].posterior + causes[1].posterior, 1, 1e-12),
	   "probabilities sum up to 1");
	/*
	 * by hand: L is 1 at the change and exp(-15) elsewhere; the event at 10
	 * has weight .55 there
	 */
	ok(near(none, 0.3 / 40 / (0.3 / 40 + 0.35 * 0.55), 1e-4),
	   "the posterior of none, by hand");

	for (int i = 0; i < 40; i++)
		gains[i] = 10;
	causes[1].weight = 0;
	even = fp_attribute(buckets, gains, 40, causes, 2, 0.3);
	ok(near(even, 0.3, 1e-12) && near(causes[0].posterior, 0.7, 1e-12),
	   "a profile that says nothing leaves the prior");
	ok(fp_attribute(buckets, gains, 40, causes, 0, 0.3) == 1,
	   "no event, no cause");
	ok(fp_attribute(buckets, gains, 0, causes, 2, 0.3) == 1,
	   "no place, no cause");
	/* a gain that would overflow exp() */
	gains[9] = 1e6;
	fp_attribute(buckets, gains, 40, causes, 1, 0.3);
	ok(causes[0].posterior > 0.95, "huge gains");
}

static void
coincidence(void)
{
	ok(near(exp(fp_coincidence_log_p(2, 3, 0.25)),
			3 * 0.0625 * 0.75 + 0.015625, 1e-12),
	   "tail of the binomial");
	ok(fp_coincidence_log_p(0, 3, 0.25) == 0 &&
		   isinf(fp_coincidence_log_p(1, 3, 0)) &&
		   fp_coincidence_log_p(1, 3, 1) == 0,
	   "its ends");
}

static void
did(void)
{
	FpDidCells treated = {100, 1000, 200, 1000};
	FpDidCells control = {100, 1000, 200, 1000};
	FpDidCells quiet = {100, 1000, 100, 1000};
	double	   p;
	FpEstimate e =
		fp_difference_in_differences(&treated, &control, 1, 0.95, &p);

	ok(near(e.estimate, 1, 1e-12) && p > 0.99,
	   "what moved everywhere is no effect");
	e = fp_difference_in_differences(&treated, &quiet, 1, 0.95, &p);
	ok(near(e.estimate, 2.25, 0.01) && e.lower > 1.5 && p < 1e-4,
	   "what moved here only is one");
	e = fp_difference_in_differences(&treated, &quiet, 25, 0.95, &p);
	ok(e.lower < 1 && p > 0.1, "not under strong dispersion");
}

static double
parts(const FpMixShift *m, int count)
{
	double sum = 0;

	for (int j = 0; j < count; j++)
		sum += m->parts[j].rate + m->parts[j].mix;
	return sum;
}

static void
mix(void)
{
	FpArena		 arena = fp_arena_create(NULL, "test");
	FpMixShift	 m;
	FpMixStratum moved[] = {{20, 200, 90, 900}, {400, 800, 50, 100}};
	FpMixStratum worse[] = {{50, 500, 100, 500}, {100, 500, 150, 500}};
	/* every stratum better, the total worse */
	FpMixStratum simpson[] = {{900, 9000, 50, 1000}, {600, 1000, 4500, 9000}};
	FpMixStratum both[] = {{500, 5000, 300, 2000}, {2000, 5000, 3600, 8000}};
	FpMixStratum news[] = {{50, 500, 50, 500},
						   {0, 0, 300, 700},
						   {10, 100, 0, 0}};
	FpMixStratum empty[] = {{1, 2, 0, 0}};
	FpMixStratum bad[] = {{3, 2, 0, 1}};

	fp_mix_shift(arena, moved, 2, 1, 0.01, &m);
	ok(m.verdict == FP_MIX_MIX && near(m.rate_effect, 0, 1e-12) &&
		   near(m.mix_effect, m.total, 1e-12),
	   "shares moved, rates did not");
	fp_mix_shift(arena, worse, 2, 1, 0.01, &m);
	ok(m.verdict == FP_MIX_RATE && near(m.rate_effect, 0.1, 1e-12) &&
		   near(m.mix_effect, 0, 1e-12) && m.rate_error > 0.01,
	   "rates moved, shares did not");
	fp_mix_shift(arena, simpson, 2, 1, 0.01, &m);
	ok(m.verdict == FP_MIX_REVERSAL && m.total > 0 && m.rate_effect < 0 &&
		   near(parts(&m, 2), m.total, 1e-12),
	   "Simpson's reversal");
	fp_mix_shift(arena, both, 2, 1, 0.01, &m);
	ok(m.verdict == FP_MIX_BOTH && near(parts(&m, 2), m.total, 1e-12), "both");
	fp_mix_shift(arena, news, 3, 1, 0.01, &m);
	ok(m.verdict == FP_MIX_MIX && near(parts(&m, 3), m.total, 1e-12) &&
		   m.parts[1].rate == 0,
	   "new and vanished strata: the parts still add up");
	fp_mix_shift(arena, worse, 2, 100, 0.01, &m);
	ok(m.verdict == FP_MIX_MIX, "under strong dispersion nothing is sure");
	fp_mix_shift(arena, empty, 1, 1, 0.01, &m);
	ok(m.verdict == FP_MIX_NONE && fp_mix_verdict_name(m.verdict) == NULL,
	   "one side holds nothing");
	ok(RAISES(FP_ERR_DATA, fp_mix_shift(arena, bad, 1, 1, 0.01, &m)),
	   "impossible counts");
	fp_arena_delete(arena);
}

int
main(void)
{
	posterior();
	coincidence();
	did();
	mix();
	return unit_done();
}
