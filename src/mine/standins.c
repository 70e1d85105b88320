/*-------------------------------------------------------------------------
 *
 * standins.c
 *		Which of the values that were counted in a context are alternatives.
 *
 * What is gathered lies in the work's arena; room for the peers of a task in a
 * child of it, deleted on return.  No locks.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#include "mine/standins.h"

#include <math.h>

#include "stats/interval.h"
#include "stats/shrink.h"
#include "stats/special.h"

#define CHECK_EVERY 8192 /* values between looks at interrupts */

bool
fp_context_meets(const FpContext *own, uint32 value,
				 const FpKnownPattern *pattern)
{
	bool met = true;

	for (int i = 0; i < pattern->nitems && met; i++)
	{
		met = pattern->items[i].dim == own->dim &&
			  pattern->items[i].code == value;
		for (int j = 0; j < own->nitems && !met; j++)
			met = fp_compare_items(&pattern->items[i], &own->items[j]) == 0;
	}
	for (int i = 0; i < pattern->nranges && met; i++)
		for (int j = 0; j < own->nranges && met; j++)
			if (own->ranges[j].dim == pattern->ranges[i].dim &&
				own->ranges[j].count == pattern->ranges[i].count)
				met = own->ranges[j].min <= pattern->ranges[i].max &&
					  pattern->ranges[i].min <= own->ranges[j].max;
	return met;
}

/* Is a known pattern met through this value, in the place of the task's item? */
static bool
known_bad(const FpStandWork *work, const FpContext *own, uint32 value)
{
	uint32 at;

	if (value == 0)
	{
		/* none of the set but what the context has of it */
		int members = 0;

		for (int i = 0; i < own->nitems; i++)
			members += own->items[i].dim == own->dim;
		return fp_known_bad_range(work, own, true, members, members);
	}
	at = fp_words_find(&work->holder_of, (uint64) own->dim << 32 | value);
	for (; at != 0; at = work->holders[at - 1].next)
		if (fp_context_meets(own, value,
							 &work->patterns[work->holders[at - 1].pattern]))
			return true;
	return false;
}

static double
log_odds(int64 failures, int64 trials, double *variance)
{
	double f = (double) failures + 0.5;
	double p = (double) (trials - failures) + 0.5;

	*variance += 1 / f + 1 / p;
	return log(f / p);
}

static double
from_log_odds(double x)
{
	return 1 / (1 + exp(-x));
}

/* a value that was not, or hardly, used in the context */
static bool
predict(const FpStandWork *work, const FpContext *context, int64 rest_failures,
		int64 rest_trials, uint32 value, double z, FpAlternative *result)
{
	int64  trials = work->used_trials[context->dim][value];
	int64  failures = work->used_failures[context->dim][value];
	double variance = 0;
	double x;

	if (trials < work->options->min_trials ||
		rest_trials < work->options->min_trials)
		return false;
	x = log_odds(rest_failures, rest_trials, &variance) +
		log_odds(failures, trials, &variance) -
		log_odds(work->cube->total_failures, work->cube->total_trials,
				 &variance);
	result->predicted = true;
	result->trials = trials;
	result->failures = failures;
	result->rate = from_log_odds(x);
	result->lower = from_log_odds(x - z * sqrt(variance));
	result->upper = from_log_odds(x + z * sqrt(variance));
	return true;
}

int
fp_compare_alternatives(const void *left, const void *right)
{
	const FpAlternative *a = left;
	const FpAlternative *b = right;

	if (a->pattern != b->pattern)
		return a->pattern < b->pattern ? -1 : 1;
	if (a->predicted != b->predicted)
		return a->predicted ? 1 : -1;
	if (a->upper != b->upper)
		return a->upper < b->upper ? -1 : 1;
	if (a->trials != b->trials)
		return a->trials > b->trials ? -1 : 1;
	if (a->item != b->item)
		return a->item < b->item ? -1 : 1;
	if (a->range != b->range)
		return a->range < b->range ? -1 : 1;
	if (a->max != b->max)
		return a->max < b->max ? -1 : 1;
	return a->value < b->value ? -1 : a->value > b->value;
}

void
fp_gather(FpStandWork *work, FpGather *all, const FpAlternative *one)
{
	if (all->n == all->cap)
	{
		uint32 cap = Max(256, all->cap * 2);

		all->list = all->list
						? fp_realloc_array(work->arena, all->list,
										   FpAlternative, all->cap, cap)
						: fp_alloc_array(work->arena, FpAlternative, cap);
		all->cap = cap;
	}
	all->list[all->n++] = *one;
}

/* drop all but the best of what was gathered since "from" */
static void
keep_best(FpGather *all, uint32 from, int keep)
{
	if (all->n - from > 1)
		qsort(all->list + from, all->n - from, sizeof(FpAlternative),
			  fp_compare_alternatives);
	if (all->n - from > (uint32) keep)
		all->n = from + (uint32) keep;
}

void
fp_judge_task(FpStandWork *work, uint32 number, const FpValueCount *seen,
			  uint32 nseen, FpValueCount *peers, FpGather *all)
{
	const FpTask			   *task = &work->tasks[number];
	const FpContext			   *context = &work->contexts[task->context];
	const FpAlternativeOptions *options = work->options;
	const FpValueCount		   *own =
		fp_counted(&work->seen, task->context, task->code);
	uint32		owner = fp_words_find(&work->task_of,
									  (uint64) task->context << 32 | task->code);
	uint32		nvalues = work->cube->dims[context->dim].nvalues;
	FpArena		arena;
	int64	   *trials;
	int64	   *failures;
	uint32		npeers = 0;
	uint32		start = all->n;
	int64		n;
	int64		f;
	double		z = fp_normal_two_sided(options->confidence);
	double		bad_mean;
	double		bad_variance;
	FpInterval	bad;
	FpRatePrior prior;
	bool	   *in_context;

	if (own == NULL)
		return; /* nothing to be better than */
	n = own->trials;
	f = own->failures;
	arena = fp_arena_create(work->arena, "failpat peers");
	trials = fp_alloc_array(arena, int64, (uint64) nseen + 1);
	failures = fp_alloc_array(arena, int64, (uint64) nseen + 1);
	in_context = fp_alloc0_array(arena, bool, (uint64) nvalues + 1);
	for (uint32 i = 0; i < nseen; i++)
	{
		const FpValueCount *both =
			fp_counted(&work->beside, owner - 1, seen[i].value);
		FpValueCount *peer = &peers[npeers];

		*peer = seen[i];
		if (both)
		{
			peer->trials -= both->trials;
			peer->failures -= both->failures;
		}
		if (peer->value == task->code || peer->trials == 0)
			continue;
		trials[npeers] = peer->trials;
		failures[npeers++] = peer->failures;
	}
	bad = fp_wilson_interval(f, n, z);
	bad_mean = ((double) f + 0.5) / ((double) n + 1);
	bad_variance = bad_mean * (1 - bad_mean) / ((double) n + 2);
	prior = fp_shrink_prior(failures, trials, npeers);

	for (uint32 i = 0; i < npeers; i++)
	{
		FpAlternative one = {0};
		FpInterval	  interval;
		double		  mean;
		double		  variance;

		if (peers[i].trials < options->min_trials)
			continue; /* too little: perhaps it can be predicted */
		in_context[peers[i].value] = true;
		one.pattern = task->pattern;
		one.item = task->item;
		one.value = peers[i].value;
		one.trials = peers[i].trials;
		one.failures = peers[i].failures;
		one.rate = (double) one.failures / (double) one.trials;
		interval = fp_wilson_interval(one.failures, one.trials, z);
		one.lower = interval.lower;
		one.upper = interval.upper;
		if (one.rate * options->min_ratio > (double) f / (double) n)
			continue;
		mean = fp_shrink_rate(prior, one.failures, one.trials);
		variance =
			mean * (1 - mean) / (prior.strength + (double) one.trials + 1);
		if (one.upper >= bad.lower &&
			fp_normal_cdf((bad_mean - mean) / sqrt(bad_variance + variance)) <
				options->better)
			continue;
		if (!known_bad(work, context, one.value))
			fp_gather(work, all, &one);
	}
	keep_best(all, start, options->keep);

	/* "none at all" is not predicted: there is no rate of it elsewhere that
	 * would speak of this context */
	in_context[0] = true;
	in_context[task->code] = true;
	for (int i = 0; i < context->nitems; i++)
		if (context->items[i].dim == context->dim)
			in_context[context->items[i].code] = true;
	if (context->nitems + context->nranges > 0 &&
		all->n - start < (uint32) options->keep)
	{
		for (uint32 v = 1; v <= nvalues; v++)
		{
			FpAlternative one = {0};

			if (v % CHECK_EVERY == 0)
				FP_CHECK_INTERRUPTS();
			one.pattern = task->pattern;
			one.item = task->item;
			one.value = v;
			if (!in_context[v] &&
				predict(work, context, context->failures - f,
						context->trials - n, v, z, &one) &&
				one.upper < bad.lower &&
				one.rate * options->min_ratio <= (double) f / (double) n &&
				!known_bad(work, context, v))
				fp_gather(work, all, &one);
		}
		keep_best(all, start, options->keep);
	}
	fp_arena_delete(arena);
}
