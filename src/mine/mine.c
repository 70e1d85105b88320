/*-------------------------------------------------------------------------
 *
 * mine.c
 *		From a failure cube to the list of failure patterns.
 *
 * Counts order by order, screens, selects, and tells the result in terms of
 * the cube's dimensions.
 *
 * Memory: the run works in a child of the caller's arena that goes at its
 * end; the result lies in the caller's.  No locks.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#include "mine/mine.h"

#include <float.h>
#include <math.h>

#include "mine/counthash.h"
#include "mine/run.h"
#include "stats/interval.h"
#include "stats/multiplicity.h"
#include "stats/two_by_two.h"

void
fp_mine_defaults(FpMineOptions *options)
{
	memset(options, 0, sizeof(FpMineOptions));
	options->max_arity = 3;
	options->alpha = 0.05;
	options->min_trials = 20;
	options->min_risk_ratio = 1.2;
	options->direction = FP_WORSE;
	options->confidence = 0.95;
	options->check = FP_ANY_CHECK;
}

/* written so that NaN fails too */
void
fp_mine_check_options(const FpCube *cube, const FpMineOptions *options)
{
	if (options->max_arity < 1 || options->max_arity > FP_MAX_ARITY)
		fp_error(FP_ERR_DATA, NULL, NULL,
				 "max_arity must be between 1 and %d: %d", FP_MAX_ARITY,
				 options->max_arity);
	if (!(options->alpha > 0 && options->alpha < 1))
		fp_error(FP_ERR_DATA, NULL, NULL,
				 "alpha must be between 0 and 1, both excluded: %g",
				 options->alpha);
	if (options->min_trials < 1)
		fp_error(FP_ERR_DATA, NULL, NULL,
				 "min_trials must be at least 1: %lld",
				 (long long) options->min_trials);
	if (!(options->min_risk_ratio >= 1 && options->min_risk_ratio <= 1e6))
		fp_error(FP_ERR_DATA, NULL, NULL,
				 "min_risk_ratio must be between 1 and 1000000: %g",
				 options->min_risk_ratio);
	if (!(options->confidence > 0 && options->confidence < 1))
		fp_error(FP_ERR_DATA, NULL, NULL,
				 "confidence must be between 0 and 1, both excluded: %g",
				 options->confidence);
	if (options->direction < FP_WORSE || options->direction > FP_BOTH)
		fp_error(FP_ERR_DATA, NULL, NULL, "unknown direction %d",
				 (int) options->direction);
	if (options->check < FP_EACH_CHECK ||
		options->check >= (int) cube->nchecks)
		fp_error(FP_ERR_DATA, NULL, NULL, "the cube has no check number %d",
				 options->check);
}

const int64 *
fp_failures_of(const FpCube *cube, int check, FpArena arena)
{
	int64 *fails;

	if (check < 0)
		return cube->failures;
	fails = fp_alloc0_array(arena, int64, cube->ncells);
	for (uint64 c = 0; c < cube->ncells; c++)
	{
		if ((c & 0xffff) == 0)
			FP_CHECK_INTERRUPTS();
		for (uint64 i = cube->check_offsets[c]; i < cube->check_offsets[c + 1];
			 i++)
			if (cube->check_codes[i] == (uint32) check)
				fails[c] = cube->check_failures[i];
	}
	return fails;
}

/*
 * Combinations that are too rare to be significant whatever their outcome
 * need not be counted: the least n that could reach alpha at all.
 */
static int64
least_trials(const FpMineOptions *options, FpCount total)
{
	int64 least = PG_INT64_MAX;

	for (FpDirection d = FP_WORSE; d <= FP_BETTER; d++)
	{
		int64 hits = d == FP_WORSE ? total.f : total.n - total.f;
		int64 low = 1, high = Max(hits, 1);

		if ((options->direction & d) == 0)
			continue;
		while (low < high)
		{
			int64 n = low + (high - low) / 2;

			if (fp_hyper_log_min_upper(n, hits, total.n) <=
				log(options->alpha))
				high = n;
			else
				low = n + 1;
		}
		least = Min(least, low);
	}
	return Max(least, options->min_trials);
}

void
fp_tell_items(const FpTally *tally, const FpItems *items, FpPatternName *name)
{
	FpProbe probe;

	fp_items_probe(items, (1u << items->n) - 1, &probe);
	fp_probe_name(tally, &probe, name);
}

static void
tell_pattern(const FpScreen *screen, const FpSelected *selected,
			 FpPattern *pattern, FpArena arena)
{
	const FpMineOptions *options = screen->options;
	const FpCandidate	*candidate = &selected->candidate;
	FpCount				 total = screen->tally->total;
	FpCount				 count = candidate->count;
	FpInterval			 rate;
	FpRatio				 ratio;
	double				 rest;
	FpPatternName		 name;

	fp_tell_items(screen->tally, &candidate->items, &name);
	pattern->nconditions = name.nconditions;
	memcpy(pattern->conditions, name.conditions, sizeof(name.conditions));
	pattern->nsame = selected->naliases;
	pattern->same =
		fp_alloc_array(arena, FpPatternName, selected->naliases + 1);
	for (int i = 0; i < selected->naliases; i++)
		fp_tell_items(screen->tally, &selected->aliases[i], &pattern->same[i]);
	pattern->nfolded = selected->nfolded;
	pattern->folded =
		fp_alloc_array(arena, FpPatternName, selected->nfolded + 1);
	for (int i = 0; i < selected->nfolded; i++)
		fp_tell_items(screen->tally, &selected->folded[i],
					  &pattern->folded[i]);
	pattern->arity = candidate->order;
	pattern->direction = candidate->direction;
	pattern->trials = count.n;
	pattern->failures = count.f;
	pattern->rest_trials = total.n - count.n;
	pattern->rest_failures = total.f - count.f;
	pattern->rate = (double) count.f / (double) count.n;
	rate =
		fp_binomial_interval(count.f, count.n, options->confidence, FP_WILSON);
	pattern->lower = rate.lower;
	pattern->upper = rate.upper;
	pattern->baseline_rate = (double) total.f / (double) total.n;
	ratio = fp_risk_ratio(count.f, count.n, pattern->rest_failures,
						  pattern->rest_trials, options->confidence);
	pattern->risk_ratio = ratio.estimate;
	pattern->rr_lower = ratio.lower;
	pattern->rr_upper = ratio.upper;
	pattern->inflation = selected->inflation;
	pattern->log_p_value =
		fmax(candidate->log_p, selected->log_redundant) / selected->inflation;
	pattern->p_marginal =
		fmax(exp(fp_gate_log_p(candidate->direction, count, total) /
				 selected->inflation),
			 DBL_MIN);
	/* never 0: there is no such probability */
	pattern->p_value = fmax(exp(pattern->log_p_value), DBL_MIN);
	pattern->llr = candidate->llr;
	pattern->expected_failures = candidate->expected * (double) count.n;
	rest = (double) pattern->rest_failures / (double) pattern->rest_trials;
	pattern->excess_failures = (double) count.f - rest * (double) count.n;
	if (candidate->direction == FP_BETTER)
		pattern->excess_bound =
			fmin((rate.upper - rest) * (double) count.n, 0);
	else
		pattern->excess_bound =
			fmax((rate.lower - rest) * (double) count.n, 0);
	pattern->adjusted_ratio = pattern->risk_ratio;
	pattern->adjusted_lower = pattern->rr_lower;
	pattern->adjusted_upper = pattern->rr_upper;
	pattern->nconfounders = selected->nconfounders;
	pattern->confounders =
		fp_alloc_array(arena, FpConfounder, selected->nconfounders + 1);
	for (int i = 0; i < selected->nconfounders; i++)
	{
		FpConfounder *confounder = &pattern->confounders[i];

		*confounder = selected->confounders[i];
		confounder->log_p /= selected->inflation;
		if (confounder->verdict != FP_SUPPORTED)
			continue;
		if (candidate->direction == FP_BETTER
				? confounder->risk_ratio < pattern->adjusted_ratio
				: confounder->risk_ratio > pattern->adjusted_ratio)
			continue;
		pattern->adjusted_ratio = confounder->risk_ratio;
		pattern->adjusted_lower = confounder->rr_lower;
		pattern->adjusted_upper = confounder->rr_upper;
	}
}

static int
compare_patterns(const void *a, const void *b)
{
	const FpPattern *x = a;
	const FpPattern *y = b;

	if (x->llr != y->llr)
		return x->llr < y->llr ? 1 : -1;
	/* the same counts in both directions cannot be; keep it total anyway */
	if (x->check != y->check)
		return x->check - y->check;
	if (x->nconditions != y->nconditions)
		return x->nconditions - y->nconditions;
	return memcmp(x->conditions, y->conditions,
				  x->nconditions * sizeof(FpPatternCondition));
}

/*
 * Of a dimension with two values, "A fails" and "B fails less often" say the
 * same: the first is kept.
 */
static void
drop_mirrors(const FpTally *tally, const FpSelection *worse,
			 const FpSelection *better)
{
	for (int i = 0; i < better->n; i++)
		for (int j = 0; j < worse->n; j++)
		{
			const FpCandidate *b = &better->patterns[i]->candidate;
			const FpCandidate *w = &worse->patterns[j]->candidate;

			if (b->order == 1 && w->order == 1 &&
				!worse->patterns[j]->dropped &&
				b->items.item[0].slot == w->items.item[0].slot &&
				b->items.item[0].axis == w->items.item[0].axis &&
				b->count.n + w->count.n == tally->total.n &&
				b->count.f + w->count.f == tally->total.f)
				better->patterns[i]->dropped = true;
		}
}

static void
tell_q_values(FpMineResult *result, int64 ntests, FpArena scratch)
{
	double *q = fp_alloc_array(scratch, double, result->npatterns + 1);
	int64	tests = Max(ntests, result->npatterns);

	for (int round = 0; round < 2; round++)
	{
		for (int i = 0; i < result->npatterns; i++)
			q[i] = result->patterns[i].log_p_value;
		if (round == 0)
			fp_adjust_log_bh(scratch, q, result->npatterns, tests);
		else
			fp_adjust_log_by(scratch, q, result->npatterns, tests);
		for (int i = 0; i < result->npatterns; i++)
		{
			double value = fmax(exp(q[i]), DBL_MIN);

			if (round == 0)
				result->patterns[i].q_value = value;
			else
				result->patterns[i].q_by_value = value;
		}
	}
}

/*
 * Everything but the telling, in run.  Returns false where nothing varies, so
 * that there is nothing to be found.
 */
bool
fp_run(const FpCube *cube, const FpFold *fold, bool may_fold,
	   const FpMineOptions *options, FpArena arena, FpRun *run)
{
	FpCount		 total = {0, 0};
	const int64 *fails;
	FpTally		*tally;
	FpScreen	*screen;

	fp_mine_check_options(cube, options);
	memset(run, 0, sizeof(FpRun));
	fails = fp_failures_of(cube, options->check, arena);
	for (uint64 c = 0; c < cube->ncells; c++)
	{
		total.n += cube->trials[c];
		total.f += fails[c];
	}
	if (total.f == 0 || total.f == total.n)
		return false;
	if (fold == NULL && may_fold)
		fold = fp_fold(cube, fails, arena);
	if (fold != NULL)
	{
		cube = &fold->cube;
		fails = cube->failures;
	}
	tally = fp_tally_create(cube, fails, fold, least_trials(options, total),
							options->max_arity, options->memory_limit, arena);
	screen = fp_screen_create(tally, options, arena);
	run->tally = tally;
	run->screen = screen;
	tally->progress = options->progress;
	tally->progress_arg = options->progress_arg;
	for (int order = 1; order <= options->max_arity; order++)
	{
		tally->progress_from = (order - 1) / (options->max_arity + 1.0);
		tally->progress_to = order / (options->max_arity + 1.0);
		fp_screen_order(screen, order);
		run->ntests += screen->ntests[order];
	}

	/* the final levels are known now */
	for (int d = 0; d < screen->ndirections; d++)
	{
		FpCandidate *chosen;
		int64		 nchosen = 0;

		fp_tally_reserve(tally,
						 (screen->ncandidates + 1) * sizeof(FpCandidate));
		chosen = fp_alloc_array(arena, FpCandidate, screen->ncandidates + 1);

		for (int64 i = 0; i < screen->ncandidates; i++)
		{
			const FpCandidate *candidate = &screen->candidates[i];

			if (candidate->direction != screen->directions[d] ||
				candidate->log_p > fp_screen_most(screen, candidate))
				continue;
			chosen[nchosen] = *candidate;
			/* what passed at a level of its own, as if it were at this one */
			chosen[nchosen].log_p =
				fmax(candidate->log_p, candidate->log_eased +
										   fp_screen_level(screen, candidate));
			nchosen++;
		}
		for (int64 i = 0; i < nchosen; i++)
			run->ncandidates += fp_screen_passes_first(screen, &chosen[i]);
		run->selections[d] =
			fp_select(screen, screen->directions[d], chosen, nchosen, arena);
	}
	if (screen->ndirections == 2)
		drop_mirrors(tally, run->selections[0], run->selections[1]);
	return true;
}

/* Mines for one check (or any) and adds its patterns to the result. */
static int64
mine_one(const FpCube *cube, const FpFold *fold, const FpMineOptions *options,
		 FpMineResult *result, FpArena arena)
{
	const FpBuckets *buckets = fold != NULL ? fold->buckets : NULL;
	FpArena			 working = fp_arena_create(arena, "failpat mining");
	FpRun			 run;
	int				 n = result->npatterns + 1;
	bool			 found;

	while ((found = fp_run(cube, fold, true, options, working, &run)) &&
		   buckets != NULL && buckets->count_rest != NULL &&
		   buckets->count_rest(buckets->arg))
		fp_arena_reset(working);
	if (!found)
	{
		fp_arena_delete(working);
		return 0;
	}
	result->ncandidates += run.ncandidates;
	for (int order = 1; order <= options->max_arity; order++)
	{
		result->level[order] = exp(run.screen->log_level[order][0][0]);
		result->interval_level[order] =
			exp(run.screen->log_level[order][1][0]);
		result->ntests[order] += run.screen->ntests[order];
	}
	for (int d = 0; d < run.screen->ndirections; d++)
		n += run.selections[d]->n;
	if (result->patterns == NULL)
		result->patterns = fp_alloc_array(arena, FpPattern, n);
	else
		result->patterns = fp_realloc_array(arena, result->patterns, FpPattern,
											result->capacity, n);
	result->capacity = n;
	for (int d = 0; d < run.screen->ndirections; d++)
		for (int i = 0; i < run.selections[d]->n; i++)
			if (!run.selections[d]->patterns[i]->dropped)
			{
				FpPattern *pattern = &result->patterns[result->npatterns++];

				memset(pattern, 0, sizeof(FpPattern));
				pattern->check = options->check;
				tell_pattern(run.screen, run.selections[d]->patterns[i],
							 pattern, arena);
			}
	fp_arena_delete(working);
	return run.ntests;
}

static FpMineResult *
mine_all(const FpCube *cube, const FpFold *fold, const FpMineOptions *options,
		 FpArena arena)
{
	FpMineResult *result = fp_alloc0_array(arena, FpMineResult, 1);
	FpArena		  scratch;
	int64		  ntests = 0;

	fp_mine_check_options(cube, options);
	result->norders = options->max_arity;
	if (options->check == FP_EACH_CHECK)
		for (uint32 c = 0; c < cube->nchecks; c++)
		{
			FpMineOptions one = *options;

			one.check = (int) c;
			one.alpha = options->alpha / cube->nchecks;
			ntests += mine_one(cube, fold, &one, result, arena);
		}
	else
		ntests = mine_one(cube, fold, options, result, arena);
	if (result->npatterns > 0)
		qsort(result->patterns, result->npatterns, sizeof(FpPattern),
			  compare_patterns);
	scratch = fp_arena_create(arena, "failpat q-values");
	tell_q_values(result, ntests, scratch);
	fp_arena_delete(scratch);
	return result;
}

FpMineResult *
fp_mine(const FpCube *cube, const FpMineOptions *options, FpArena arena)
{
	return mine_all(cube, NULL, options, arena);
}

FpMineResult *
fp_mine_fold(const FpFold *fold, const FpMineOptions *options, FpArena arena)
{
	return mine_all(&fold->cube, fold, options, arena);
}
