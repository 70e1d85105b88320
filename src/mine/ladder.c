/*-------------------------------------------------------------------------
 *
 * ladder.c
 *		One combination by the numbers of one dimension, rung by rung.
 *
 * What fp_patterns tells as "6+" is seen here position by position, with how
 * well each cut would do.
 *
 * Memory: the result in the caller's arena, the rest in a child of it that is
 * gone on return.  No locks.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#include "mine/ladder.h"

#include <math.h>

#include "mine/gates.h"
#include "stats/interval.h"
#include "stats/multiplicity.h"

/* Half of the 95 % quantile of chi squared with one degree of freedom. */
#define PLAUSIBLE_LLR 1.92

static void
compare(FpRung *rung, double confidence)
{
	FpInterval interval = fp_binomial_interval(rung->failures, rung->trials,
											   confidence, FP_WILSON);

	rung->rate = (double) rung->failures / (double) rung->trials;
	rung->lower = interval.lower;
	rung->upper = interval.upper;
	rung->ratio =
		fp_risk_ratio(rung->failures, rung->trials, rung->other_failures,
					  rung->other_trials, confidence);
	rung->p = NAN;
	rung->p_adjusted = NAN;
	if (rung->other_trials > 0)
		rung->p =
			exp(fp_fisher_log_two_sided(rung->failures, rung->trials,
										rung->failures + rung->other_failures,
										rung->trials + rung->other_trials));
}

static void
adjust(FpLadder *ladder, FpArena scratch)
{
	double *p = fp_alloc_array(scratch, double, ladder->n + 1);
	int		n = 0;

	for (int i = 0; i < ladder->n; i++)
		if (!isnan(ladder->rungs[i].p))
			p[n++] = fmin(ladder->rungs[i].p, 1);
	fp_adjust_holm(scratch, p, n, n);
	n = 0;
	for (int i = 0; i < ladder->n; i++)
		if (!isnan(ladder->rungs[i].p))
			ladder->rungs[i].p_adjusted = p[n++];
}

static void
find_cuts(FpLadder *ladder)
{
	FpCount whole = {0, 0};
	FpCount from;
	double	best = 0;

	for (int i = 0; i < ladder->n; i++)
	{
		whole.n += ladder->rungs[i].trials;
		whole.f += ladder->rungs[i].failures;
	}
	from = whole;
	for (int i = 0; i < ladder->n; i++)
	{
		FpRung *rung = &ladder->rungs[i];

		rung->evidence = i == 0 ? NAN : fp_gate_llr(FP_WORSE, from, whole);
		from.n -= rung->trials;
		from.f -= rung->failures;
		if (i > 0)
			best = fmax(best, rung->evidence);
	}
	for (int i = 1; i < ladder->n; i++)
		ladder->rungs[i].plausible =
			ladder->rungs[i].evidence > 0 &&
			ladder->rungs[i].evidence >= best - PLAUSIBLE_LLR;
}

FpLadder *
fp_ladder(const FpCube *cube, const int64 *fails, const bool *in, bool whole,
		  int dim, double confidence, FpArena arena)
{
	FpLadder	*ladder = fp_alloc0_array(arena, FpLadder, 1);
	FpArena		 scratch = fp_arena_create(arena, "failpat ladder");
	const FpDim *by = &cube->dims[dim];
	bool		 members = by->kind == FP_SET;
	uint32		 n = members ? FP_MAX_SET_MEMBERS + 1 : by->nvalues;
	FpCount		*inside = fp_alloc0_array(scratch, FpCount, (uint64) n + 1);
	FpCount		*outside = fp_alloc0_array(scratch, FpCount, (uint64) n + 1);
	FpCount		 all = {0, 0};

	Assert(members || by->kind == FP_ORDINAL);
	for (uint64 c = 0; c < cube->ncells; c++)
	{
		uint32	 code = cube->codes[dim][c];
		FpCount *to;

		if ((c & 0xffff) == 0)
			FP_CHECK_INTERRUPTS();
		if (code == 0)
			continue;
		to = (in[c] ? inside : outside) +
			 (members ? fp_set_size(by, code) : code - 1);
		to->n += cube->trials[c];
		to->f += fails[c];
		all.n += cube->trials[c];
		all.f += fails[c];
	}
	ladder->rungs = fp_alloc0_array(arena, FpRung, (uint64) n + 1);
	for (uint32 v = 0; v < n; v++)
	{
		FpRung *rung = &ladder->rungs[ladder->n];

		if (inside[v].n == 0)
			continue;
		ladder->n++;
		rung->value = members ? v : by->numbers[v];
		rung->trials = inside[v].n;
		rung->failures = inside[v].f;
		rung->other_trials = whole ? all.n - inside[v].n : outside[v].n;
		rung->other_failures = whole ? all.f - inside[v].f : outside[v].f;
		compare(rung, confidence);
	}
	adjust(ladder, scratch);
	find_cuts(ladder);
	fp_arena_delete(scratch);
	return ladder;
}
