/*-------------------------------------------------------------------------
 *
 * segment_fuzz.c
 *		Any series of buckets, any options, through change points.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#include "fuzz.h"

#include "stats/change_point.h"

#define MAX_N 200

static void
fuzz(Input *input, FpArena arena)
{
	FpChangeOptions options = FP_CHANGE_DEFAULTS;
	FpBucket		buckets[MAX_N];
	int64			n = draw_below(input, MAX_N + 1);
	int64			total = 0;
	FpTrend			trend;

	for (int64 i = 0; i < n; i++)
	{
		buckets[i].at = draw_below(input, 8) == 0 ? draw_int64(input) : i;
		if (draw_below(input, 16) == 0)
		{
			/* as a caller who checked them would hand them over */
			buckets[i].trials = draw_int64(input) & (((int64) 1 << 50) - 1);
			buckets[i].failures = draw_int64(input) & (((int64) 1 << 50) - 1);
			if (buckets[i].failures > buckets[i].trials)
				buckets[i].failures = buckets[i].trials;
		}
		else
		{
			buckets[i].trials = draw_below(input, 256);
			buckets[i].failures =
				draw_below(input, 256) % (buckets[i].trials + 1);
		}
	}
	if (draw_below(input, 4) == 0)
		options.alpha = draw_double(input);
	if (draw_below(input, 4) == 0)
		options.confidence = draw_double(input);
	if (draw_below(input, 2) == 0)
		options.dispersion =
			draw_below(input, 2) == 0 ? 1.0 : draw_double(input);
	/* up to what SQL allows, src/trends.c */
	options.max_spike = draw_below(input, draw_below(input, 4) ? 5 : 1001);
	options.min_segment =
		1 + draw_below(input, draw_below(input, 4) ? 5 : 1000000);

	n = fp_buckets_merge(buckets, n);
	for (int64 i = 1; i < n; i++)
		MUST(buckets[i - 1].at < buckets[i].at);
	n = fp_buckets_drop_empty(buckets, n);
	for (int64 i = 0; i < n; i++)
		total += buckets[i].trials;
	fp_change_points(arena, buckets, (int) n, &options, &trend);

	MUST(!isnan(trend.dispersion));
	for (int i = 0; i < trend.nchanges; i++)
	{
		const FpChange *change = &trend.changes[i];

		MUST(change->at >= 0 && change->at < n);
		MUST(change->at_lower >= 0 && change->at_lower <= change->at);
		MUST(change->at_upper < n && change->at_upper >= change->at);
		MUST(change->failures_before >= 0 &&
			 change->failures_before <= change->trials_before);
		MUST(change->failures_after >= 0 &&
			 change->failures_after <= change->trials_after);
		MUST(change->trials_before + change->trials_after <= total);
		MUST(change->p_value >= 0 && change->p_value <= 1);
		/* to the last digit or so, at a confidence next to 0 */
		MUST(change->after.lower <= change->after.estimate + 1e-12 &&
			 change->after.estimate - 1e-12 <= change->after.upper);
	}
	for (int i = 0; i < trend.nstretches; i++)
	{
		MUST(trend.stretches[i].from <= trend.stretches[i].to);
		MUST(trend.stretches[i].failures <= trend.stretches[i].trials);
	}
}
