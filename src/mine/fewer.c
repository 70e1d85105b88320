/*-------------------------------------------------------------------------
 *
 * fewer.c
 *		What to do about a pattern of a number of members: use fewer, or more.
 *
 * Patterns of a number are few, so each is looked for in all cells, in one
 * pass over them.
 *
 * Memory: the result in the caller's arena, the rest in a child of it that is
 * gone on return.  No locks.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#include "mine/alternatives.h"

#include <math.h>

#include "mine/effects.h"
#include "stats/interval.h"
#include "stats/special.h"

/* One range of one pattern, and its context by number of members. */
typedef struct Numbers
{
	int			   pattern;
	int			   range;
	FpKnownPattern context; /* the pattern, whatever the number */
	int64		   trials[FP_MAX_SET_MEMBERS + 1];
	int64		   failures[FP_MAX_SET_MEMBERS + 1];
} Numbers;

/* the numbers from first to last together, as an alternative */
static FpCountAlternative
sum_up(const Numbers *numbers, int first, int last, double z)
{
	FpCountAlternative sum = {0};
	FpInterval		   interval;

	for (int k = Max(first, 0); k <= Min(last, FP_MAX_SET_MEMBERS); k++)
	{
		sum.trials += numbers->trials[k];
		sum.failures += numbers->failures[k];
	}
	sum.pattern = numbers->pattern;
	sum.range = numbers->range;
	sum.min = first > 0 ? first : -INFINITY;
	sum.max = last < FP_MAX_SET_MEMBERS ? last : INFINITY;
	if (sum.trials == 0)
		return sum;
	sum.rate = (double) sum.failures / (double) sum.trials;
	interval = fp_wilson_interval(sum.failures, sum.trials, z);
	sum.lower = interval.lower;
	sum.upper = interval.upper;
	return sum;
}

/* mean and variance of the rate, given Jeffreys's prior */
static double
posterior(const FpCountAlternative *sum, double *variance)
{
	double mean = ((double) sum->failures + 0.5) / ((double) sum->trials + 1);

	*variance += mean * (1 - mean) / ((double) sum->trials + 2);
	return mean;
}

static bool
is_better(const FpCountAlternative *other, const FpCountAlternative *own,
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

FpCountAlternatives *
fp_count_alternatives(const FpCube *cube, const FpKnownPattern *patterns,
					  int n, const bool *choosable,
					  const FpAlternativeOptions *options, FpArena arena)
{
	FpCountAlternatives *result =
		fp_alloc0_array(arena, FpCountAlternatives, 1);
	FpArena	 working = fp_arena_create(arena, "failpat numbers of members");
	int		 nnumbers = 0;
	Numbers *numbers;
	double	 z = fp_normal_two_sided(options->confidence);

	for (int p = 0; p < n; p++)
		for (int i = 0; i < patterns[p].nranges; i++)
			nnumbers += patterns[p].ranges[i].count;
	numbers = fp_alloc0_array(working, Numbers, nnumbers + 1);
	nnumbers = 0;
	for (int p = 0; p < n; p++)
		for (int i = 0; i < patterns[p].nranges; i++)
		{
			Numbers *one = &numbers[nnumbers];

			if (!patterns[p].ranges[i].count ||
				!choosable[patterns[p].ranges[i].dim])
				continue;
			one->pattern = p;
			one->range = i;
			one->context = patterns[p];
			one->context.ranges[i].min = -INFINITY;
			one->context.ranges[i].max = INFINITY;
			nnumbers++;
		}
	for (uint64 cell = 0; cell < cube->ncells && nnumbers > 0; cell++)
	{
		if ((cell & 0xfff) == 0)
			FP_CHECK_INTERRUPTS();
		for (int i = 0; i < nnumbers; i++)
		{
			int	   d = numbers[i].context.ranges[numbers[i].range].dim;
			uint32 members;

			if (!fp_cell_meets(cube, &numbers[i].context, cell))
				continue;
			members = fp_set_size(&cube->dims[d], cube->codes[d][cell]);
			numbers[i].trials[members] += cube->trials[cell];
			numbers[i].failures[members] += cube->failures[cell];
		}
	}
	result->list = fp_alloc_array(arena, FpCountAlternative, 2 * nnumbers + 1);
	for (int i = 0; i < nnumbers; i++)
	{
		const FpKnownRange *range =
			&patterns[numbers[i].pattern].ranges[numbers[i].range];
		int first = (int) ceil(fmin(fmax(range->min, 0), 1000));
		int last = (int) floor(fmin(fmax(range->max, -1), 1000));
		FpCountAlternative own = sum_up(&numbers[i], first, last, z);
		FpCountAlternative fewer = sum_up(&numbers[i], 0, first - 1, z);
		FpCountAlternative more =
			sum_up(&numbers[i], last + 1, FP_MAX_SET_MEMBERS, z);

		if (is_better(&fewer, &own, options))
			result->list[result->n++] = fewer;
		if (is_better(&more, &own, options))
			result->list[result->n++] = more;
	}
	fp_arena_delete(working);
	return result;
}
