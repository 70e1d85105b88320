/*
 * Shrunken rates: against references computed another way (rho by bisection
 * in 50 digits, quantiles by R), and what they are for.
 */
#include "fixture.h"

#include "stats/shrink.h"

#define MAX_CELLS 1000

static void
against_references(void)
{
	Fixture f = fixture_open("shrink");
	int64	failures[MAX_CELLS];
	int64	trials[MAX_CELLS];
	double	expected[MAX_CELLS][6]; /* mean to upper, as in the file */
	int		rows[MAX_CELLS];
	int		n = 0;
	int64	current = 0;
	Worst	mean = {.what = "prior mean"};
	Worst	strength = {.what = "prior strength"};
	Worst	rate = {.what = "shrunken rate"};
	Worst	lower = {.what = "lower"};
	Worst	upper = {.what = "upper"};
	bool	more = true;

	while (more)
	{
		more = fixture_next(&f);
		if (!more || fixture_count(&f, 0) != current)
		{
			FpRatePrior prior = fp_shrink_prior(failures, trials, n);

			for (int i = 0; i < n; i++)
			{
				FpInterval got = fp_shrink_interval(prior, failures[i],
													trials[i], expected[i][3]);

				worst_add(&mean, prior.mean, expected[i][0], rows[i]);
				worst_add(&strength, prior.strength, expected[i][1], rows[i]);
				worst_add(&rate, fp_shrink_rate(prior, failures[i], trials[i]),
						  expected[i][2], rows[i]);
				worst_add(&upper, got.upper, expected[i][5], rows[i]);
				if (expected[i][4] > 1e-200)
					worst_add(&lower, got.lower, expected[i][4], rows[i]);
				else if (got.lower > 1e-200)
					worst_add(&lower, got.lower, 0, rows[i]);
			}
			n = 0;
		}
		if (!more)
			break;
		current = fixture_count(&f, 0);
		failures[n] = fixture_count(&f, 1);
		trials[n] = fixture_count(&f, 2);
		rows[n] = f.row;
		for (int c = 0; c < 6; c++)
			expected[n][c] = fixture_number(&f, 3 + c);
		n++;
	}
	worst_ok(&mean, 1e-10);
	worst_ok(&strength, 1e-9);
	worst_ok(&rate, 1e-10);
	worst_ok(&lower, 1e-8);
	worst_ok(&upper, 1e-9);
}

static uint64 state = 7;

static double
uniform(void)
{
	state = state * UINT64CONST(6364136223846793005) + 1442695040888963407;
	return (double) (state >> 11) / 9007199254740992.0;
}

/*
 * 200 maps of 60 cells whose true rates are known: shrinking must come nearer
 * to them than the plain rates, and its intervals must cover them.
 */
static void
recovers_truth(void)
{
	double	   plain = 0, shrunken = 0;
	int		   covered = 0, cells = 0;
	FpInterval interval;

	for (int map = 0; map < 200; map++)
	{
		int64		failures[60], trials[60];
		double		truth[60];
		FpRatePrior prior;

		for (int i = 0; i < 60; i++)
		{
			/* the 2nd smallest of 9 uniforms is Beta(2, 8) */
			double least = 2, second = 2;

			for (int j = 0; j < 9; j++)
			{
				double u = uniform();

				if (u < least)
				{
					second = least;
					least = u;
				}
				else if (u < second)
					second = u;
			}
			truth[i] = second;
			trials[i] = 1 + (int64) (40 * uniform() * uniform());
			failures[i] = 0;
			for (int t = 0; t < trials[i]; t++)
				failures[i] += uniform() < truth[i];
		}
		prior = fp_shrink_prior(failures, trials, 60);
		for (int i = 0; i < 60; i++)
		{
			double p = (double) failures[i] / (double) trials[i];
			double s = fp_shrink_rate(prior, failures[i], trials[i]);

			plain += (p - truth[i]) * (p - truth[i]);
			shrunken += (s - truth[i]) * (s - truth[i]);
			interval = fp_shrink_interval(prior, failures[i], trials[i], 0.95);
			covered +=
				interval.lower <= truth[i] && truth[i] <= interval.upper;
			cells++;
		}
	}
	ok(shrunken < 0.5 * plain,
	   "mean squared error %.5f, that of plain rates %.5f", shrunken / cells,
	   plain / cells);
	ok(covered >= 0.92 * cells && covered <= 0.97 * cells,
	   "95 %% intervals cover %.3f of the true rates",
	   (double) covered / cells);
}

int
main(void)
{
	int64 failures[] = {1, 0, 3, 30, 200, 18};
	int64 trials[] = {1, 2, 40, 400, 500, 200};
	int64 bad[] = {2, 0};
	/* static: RAISES must not lose it */
	static FpRatePrior prior;
	int64			   same_f[12], same_n[12];

	prior = fp_shrink_prior(failures, trials, 6);
	against_references();
	recovers_truth();

	ok(fp_shrink_rate(prior, 1, 1) < fp_shrink_rate(prior, 200, 500),
	   "1 of 1 is not worse than 200 of 500");
	ok(fabs(fp_shrink_rate(prior, 200, 500) - 0.4) < 0.01,
	   "many trials speak for themselves");
	ok(fp_shrink_rate(prior, 0, 0) == prior.mean, "no trials: what peers say");

	for (int i = 0; i < 12; i++)
	{
		same_f[i] = 1000 + 3 * (i % 2);
		same_n[i] = 10000;
	}
	prior = fp_shrink_prior(same_f, same_n, 12);
	ok(prior.strength > 10000 && prior.strength < 1e6,
	   "cells that are all alike are pooled, no more firmly than they can "
	   "show (%.0f)",
	   prior.strength);
	prior = fp_shrink_prior(NULL, NULL, 0);
	ok(prior.mean == 0.5 && prior.strength == 1, "no cells");
	ok(RAISES(FP_ERR_DATA, fp_shrink_prior(bad, trials, 1)),
	   "more failures than trials");
	ok(RAISES(FP_ERR_DATA, fp_shrink_interval(prior, 1, 2, 1.0)),
	   "confidence of 1");
	return unit_done();
}
