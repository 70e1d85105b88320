/* Intervals of one rate against 50-digit references, and their edges. */
#include "fixture.h"

#include "stats/interval.h"
#include "stats/special.h"

static void
against_references(void)
{
	Fixture f = fixture_open("interval");
	Worst	lower[FP_INTERVAL_METHODS] = {0};
	Worst	upper[FP_INTERVAL_METHODS] = {0};
	double	rest[FP_INTERVAL_METHODS] = {0};
	int		rest_row[FP_INTERVAL_METHODS] = {0};

	while (fixture_next(&f))
	{
		FpIntervalMethod method =
			fp_interval_method(f.text[3], strlen(f.text[3]));
		FpInterval got =
			fp_binomial_interval(fixture_count(&f, 0), fixture_count(&f, 1),
								 fixture_number(&f, 2), method);
		double expected = fixture_number(&f, 6);
		double error;

		worst_add(&lower[method], got.lower, fixture_number(&f, 4), f.row);
		worst_add(&upper[method], got.upper, fixture_number(&f, 5), f.row);
		/* 1 - upper, as far as a double near 1 can carry it */
		error = fabs((1.0 - got.upper) - expected) - 1.2e-16;
		if (error > 0)
			error = expected == 0 ? INFINITY : error / expected;
		if (error > rest[method])
		{
			rest[method] = error;
			rest_row[method] = f.row;
		}
	}
	for (int m = 0; m < FP_INTERVAL_METHODS; m++)
	{
		const char *name = fp_interval_method_name((FpIntervalMethod) m);

		/* agresti-coull's bound crosses 0: its digits go there */
		lower[m].what = upper[m].what = name;
		worst_ok(&lower[m], m == FP_AGRESTI_COULL ? 1e-11 : 1e-13);
		worst_ok(&upper[m], 1e-13);
		ok(rest[m] <= 1e-11,
		   "%s: 1 - upper, worst relative error %.2g (row %d)", name, rest[m],
		   rest_row[m]);
	}
}

static void
shape(void)
{
	bool ordered = true;
	bool inside = true;
	bool mirrored = true;

	for (int m = 0; m < FP_INTERVAL_METHODS; m++)
		for (double c = 0.01; c < 1; c += 0.07)
			for (int64 n = 1; n <= 30; n++)
				for (int64 k = 0; k <= n; k++)
				{
					FpInterval x = fp_binomial_interval(k, n, c, m);
					FpInterval y = fp_binomial_interval(n - k, n, c, m);

					inside &=
						x.lower >= 0 && x.lower <= x.upper && x.upper <= 1;
					mirrored &= near(1 - x.upper, y.lower, 1e-12) ||
								fabs(1 - x.upper - y.lower) < 1e-15;
					if (k > 0)
						ordered &= x.lower >=
								   fp_binomial_interval(k - 1, n, c, m).lower;
				}
	ok(inside, "0 <= lower <= upper <= 1");
	ok(mirrored, "passes mirror failures");
	ok(ordered, "more failures, higher bound");
}

static void
edges(void)
{
	bool empty = true;
	bool ends = true;

	for (int m = 0; m < FP_INTERVAL_METHODS; m++)
	{
		FpInterval none = fp_binomial_interval(0, 0, 0.95, m);
		FpInterval huge = fp_binomial_interval(0, INT64_MAX, 0.95, m);

		empty &= none.lower == 0 && none.upper == 1;
		ends &= huge.lower == 0 && huge.upper > 0 && huge.upper < 1e-18;
		huge = fp_binomial_interval(INT64_MAX, INT64_MAX, 0.95, m);
		ends &= huge.upper == 1 && huge.lower > 1 - 1e-15;
		huge = fp_binomial_interval(INT64_MAX / 2, INT64_MAX, 0.95, m);
		ends &= huge.lower <= 0.5 && huge.lower > 0.4999999 &&
				huge.upper >= 0.5 && huge.upper < 0.5000001;
	}
	ok(empty, "no trials: 0 to 1");
	ok(ends, "2^63 - 1 trials");
	ok(RAISES(FP_ERR_DATA, fp_binomial_interval(3, 2, 0.95, FP_WILSON)),
	   "failures > trials");
	ok(strstr(fp_error_message, "3 > 2") != NULL,
	   "the message has the values");
	ok(RAISES(FP_ERR_DATA, fp_binomial_interval(-1, 2, 0.95, FP_WILSON)),
	   "negative failures");
	ok(RAISES(FP_ERR_DATA, fp_binomial_interval(0, -2, 0.95, FP_WILSON)),
	   "negative trials");
	for (volatile int i = 0; i < 6; i++)
	{
		const double bad[] = {0, 1, -0.5, 95, NAN, INFINITY};

		ok(RAISES(FP_ERR_DATA, fp_binomial_interval(1, 2, bad[i], FP_WILSON)),
		   "confidence %g", bad[i]);
	}
	ok(RAISES(FP_ERR_DATA,
			  fp_binomial_interval(1, 2, 0.95, (FpIntervalMethod) 6)),
	   "a method that is none");
	ok(RAISES(FP_ERR_DATA, fp_interval_method("Wilson", 6)),
	   "names of methods are lower case");
	ok(RAISES(FP_ERR_DATA, fp_interval_method("wilson-", 7)), "wilson-");
	ok(fp_interval_method("mid-p and more", 5) == FP_MID_P,
	   "a name that ends by its length");
}

static void
normal(void)
{
	double worst = 0;
	double small = 0;

	for (double z = -37; z < 1e8; z += 0.05 + fabs(z) / 20)
	{
		double log_p = fp_normal_log_upper(z);
		double back = fp_normal_upper_quantile(log_p);

		if (z > -5)
			worst = fmax(worst, fabs(back - z) / fmax(fabs(z), 1));
	}
	ok(worst < 1e-11, "normal quantile inverts the tail (%.2g)", worst);
	for (double c = 1e-12; c < 0.9; c *= 1.7)
		small =
			fmax(small, fabs(erf(fp_normal_two_sided(c) / sqrt(2)) / c - 1));
	ok(small < 1e-14, "two-sided z of small confidences (%.2g)", small);
	ok(near(fp_normal_two_sided(0.95), 1.959963984540054235524594, 1e-15),
	   "1.96");
	ok(near(fp_normal_log_upper(25), -316.63940800802025894, 1e-14) &&
		   near(fp_normal_log_upper(24.999999999), -316.63940798298038592,
				1e-14),
	   "the tail is seamless where its form changes");
	ok(near(fp_normal_log_upper(-10), -7.619853024160526e-24, 1e-13),
	   "ln of a tail near 1");
	ok(fp_normal_upper_quantile(-INFINITY) == INFINITY &&
		   fp_normal_upper_quantile(0) == -INFINITY,
	   "quantiles of 0 and 1");
}

int
main(void)
{
	against_references();
	shape();
	edges();
	normal();
	/* counts so large that 255 of them do not show in a double: Poisson's bounds */
	{
		FpInterval i =
			fp_binomial_interval(255, INT64_MAX, 0.95, FP_CLOPPER_PEARSON);

		ok(near(i.lower * (double) INT64_MAX, 224.65953075697, 1e-9) &&
			   near(i.upper * (double) INT64_MAX, 288.29557111330, 1e-9),
		   "255 of 2^63 - 1");
	}
	for (int m = 0; m < FP_INTERVAL_METHODS; m++)
	{
		FpInterval i =
			fp_binomial_interval(46, 255, 1.26e-321, (FpIntervalMethod) m);

		ok(i.lower <= i.upper,
		   "%s: bounds do not cross at a confidence next to 0",
		   fp_interval_method_name((FpIntervalMethod) m));
	}
	{
		FpInterval i = fp_binomial_interval(182, 247, 5e-324, FP_WILSON);

		ok(i.lower <= 182.0 / 247 && 182.0 / 247 <= i.upper,
		   "wilson: the rate is within, at a confidence next to 0 too");
	}
	return unit_done();
}
