/*-------------------------------------------------------------------------
 *
 * stats_fuzz.c
 *		Any counts and any confidence through intervals, measures and tests.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#include "fuzz.h"

#include <inttypes.h>

#include "cube/format.h"
#include "stats/interval.h"
#include "stats/two_by_two.h"

static void
check_log_p(double log_p)
{
	MUST(!isnan(log_p) && log_p <= 1e-9);
}

static void
check_estimate(FpEstimate e)
{
	MUST(!isnan(e.lower) && !isnan(e.upper));
	/* bounds are right to some 1e-9 of themselves, which shows near confidence 0 */
	MUST(e.lower <= e.upper || e.lower - e.upper <= 1e-8 * fabs(e.upper));
	if (isfinite(e.estimate))
	{
		double slack = 1e-8 * fabs(e.estimate);

		MUST(e.lower <= e.estimate + slack && e.estimate - slack <= e.upper);
	}
}

static void
check_number(Input *input)
{
	double number;
	double again;
	char   text[FP_NUMBER_LEN];
	size_t len = input->len < 40 ? input->len : 40;

	if (!fp_number_parse((const char *) input->bytes, len, &number))
		return;
	MUST(isfinite(number));
	len = fp_number_text(number, text);
	MUST(len < FP_NUMBER_LEN && fp_number_parse(text, len, &again));
	MUST(again == number);
}

static void
fuzz(Input *input, FpArena arena)
{
	int				 which = draw_below(input, 8);
	int64			 f1 = draw_int64(input);
	int64			 n1 = draw_int64(input);
	int64			 f2 = draw_int64(input);
	int64			 n2 = draw_int64(input);
	double			 confidence = draw_double(input);
	FpInterval		 interval;
	FpIntervalMethod method;

	(void) arena;
	if (getenv("FUZZ_VERBOSE"))
		fprintf(stderr,
				"which %d f1 %" PRId64 " n1 %" PRId64 " f2 %" PRId64
				" n2 %" PRId64 " confidence %.17g\n",
				which, f1, n1, f2, n2, confidence);
	switch (which)
	{
		case 0:
			method = (FpIntervalMethod) draw_below(input, FP_INTERVAL_METHODS);
			interval = fp_binomial_interval(f1, n1, confidence, method);
			if (getenv("FUZZ_VERBOSE"))
				fprintf(stderr, "%s %.17g %.17g\n",
						fp_interval_method_name(method), interval.lower,
						interval.upper);
			MUST(interval.lower >= 0 && interval.lower <= interval.upper &&
				 interval.upper <= 1);
			/* the two that are centred on a median need not hold the rate */
			if (n1 > 0 && method != FP_JEFFREYS && method != FP_MID_P)
			{
				double rate = (double) f1 / (double) n1;

				MUST(interval.lower <= rate * (1 + 1e-9) &&
					 interval.upper >= rate * (1 - 1e-9));
			}
			break;
		case 1:
			check_estimate(fp_risk_ratio(f1, n1, f2, n2, confidence));
			break;
		case 2:
			check_estimate(fp_risk_difference(f1, n1, f2, n2, confidence));
			break;
		case 3:
			check_estimate(fp_odds_ratio(f1, n1, f2, n2, confidence));
			break;
		case 4:
			check_log_p(fp_hyper_log_upper(f1, n1, f2, n2));
			check_log_p(fp_hyper_log_lower(f1, n1, f2, n2));
			break;
		case 5:
			check_log_p(fp_fisher_log_two_sided(f1, n1, f2, n2));
			break;
		case 6:
			check_log_p(fp_hyper_log_min_upper(n1, f2, n2));
			break;
		default:
			check_number(input);
			break;
	}
}
