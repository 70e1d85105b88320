/*-------------------------------------------------------------------------
 *
 * fewer.c
 *		What to do about a range: use fewer members of a set, or more, or stop
 *		before it begins.
 *
 * What lies below the range, and for numbers of members what lies above it, is
 * judged by what was observed of it in the same context; there are no peers to
 * draw its rate to, and nothing is predicted.
 *
 * Memory: what is gathered lies in the work's arena.  No locks.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#include "mine/standins.h"

#include <math.h>

#include "stats/interval.h"
#include "stats/special.h"

/* has the pattern a range of the context's dimension that overlaps? */
static bool
overlaps(const FpKnownPattern *pattern, int dim, bool numbers, double min,
		 double max)
{
	for (int i = 0; i < pattern->nranges; i++)
		if (pattern->ranges[i].dim == dim &&
			pattern->ranges[i].count == numbers &&
			pattern->ranges[i].min <= max && min <= pattern->ranges[i].max)
			return true;
	return false;
}

bool
fp_known_bad_range(const FpStandWork *work, const FpContext *own, bool numbers,
				   double min, double max)
{
	for (int i = 0; i < work->nbare; i++)
	{
		const FpKnownPattern *other = &work->patterns[work->bare[i]];

		if (overlaps(other, own->dim, numbers, min, max) &&
			fp_context_meets(own, 0, other))
			return true;
	}
	/* who has items has one of the context's, or is not met */
	for (int i = 0; i < own->nitems; i++)
	{
		uint64 key = (uint64) own->items[i].dim << 32 | own->items[i].code;
		uint32 at = fp_words_find(&work->holder_of, key);

		for (; at != 0; at = work->holders[at - 1].next)
		{
			const FpKnownPattern *other =
				&work->patterns[work->holders[at - 1].pattern];

			if (overlaps(other, own->dim, numbers, min, max) &&
				fp_context_meets(own, 0, other))
				return true;
		}
	}
	return false;
}

/* a part of the context, with its rate once it is counted */
static void
finish(FpAlternative *part, double z)
{
	FpInterval interval;

	if (part->trials == 0)
		return;
	part->rate = (double) part->failures / (double) part->trials;
	interval = fp_wilson_interval(part->failures, part->trials, z);
	part->lower = interval.lower;
	part->upper = interval.upper;
}

/* mean and variance of the rate, given Jeffreys's prior */
static double
posterior(const FpAlternative *part, double *variance)
{
	double mean =
		((double) part->failures + 0.5) / ((double) part->trials + 1);

	*variance += mean * (1 - mean) / ((double) part->trials + 2);
	return mean;
}

static bool
is_better(const FpAlternative *other, const FpAlternative *own,
		  const FpAlternativeOptions *options)
{
	double variance = 0;
	double difference;

	if (other->trials < options->min_trials || own->trials == 0 ||
		other->rate * options->min_ratio > own->rate)
		return false;
	difference = posterior(own, &variance) - posterior(other, &variance);
	return other->upper < own->lower ||
		   fp_normal_cdf(difference / sqrt(variance)) >= options->better;
}

void
fp_judge_range(FpStandWork *work, uint32 number, const FpValueCount *seen,
			   uint32 nseen, FpGather *all)
{
	const FpTask	   *task = &work->tasks[number];
	const FpContext	   *context = &work->contexts[task->context];
	const FpDim		   *dim = &work->cube->dims[context->dim];
	const FpKnownRange *range =
		&work->patterns[task->pattern].ranges[task->range];
	double		  z = fp_normal_two_sided(work->options->confidence);
	FpAlternative below = {0};
	FpAlternative own = {0};
	FpAlternative above = {0};
	double		  last;

	below.pattern = above.pattern = task->pattern;
	below.item = above.item = -1;
	below.range = above.range = task->range;
	for (uint32 i = 0; i < nseen; i++)
	{
		double		   value = context->numbers ? (double) seen[i].value
												: dim->numbers[seen[i].value - 1];
		FpAlternative *part = value < range->min   ? &below
							  : value > range->max ? &above
												   : &own;

		/* sums of counts of one cube, whose total does not overflow */
		part->trials += seen[i].trials;
		part->failures += seen[i].failures;
	}
	finish(&below, z);
	finish(&own, z);
	finish(&above, z);

	below.min = -INFINITY;
	if (context->numbers)
	{
		/* "at most 2" where the range is "3 or more" */
		below.max = last = ceil(range->min) - 1;
		above.min = floor(range->max) + 1;
		above.max = INFINITY;
	}
	else
	{
		below.max = range->min;
		last = nextafter(range->min, -INFINITY);
	}
	if (is_better(&below, &own, work->options) &&
		!fp_known_bad_range(work, context, context->numbers, below.min, last))
		fp_gather(work, all, &below);
	if (context->numbers && is_better(&above, &own, work->options) &&
		!fp_known_bad_range(work, context, true, above.min, above.max))
		fp_gather(work, all, &above);
}
