/*-------------------------------------------------------------------------
 *
 * explain.c
 *		Why a combination is, or is not, a pattern: every gate, one by one.
 *
 * The combination is given by the cells that meet each of its conditions, so
 * it may be any, also one that is too rare to have been looked at.  All gates
 * are shown, also those behind the first that it did not pass.
 *
 * Memory: as fp_mine; the result lies in the caller's arena.  No locks.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#include "mine/explain.h"

#include <math.h>

#include "mine/run.h"
#include "stats/special.h"
#include "stats/two_by_two.h"

/* Two thirds of the observations in common: the same but for the range. */
#define RANGE_JACCARD 0.3

typedef struct Explainer
{
	const FpCube		*cube;
	const FpMineOptions *options;
	const FpExplainItem *items;
	int					 nitems;
	FpRun				 run;
	FpSelection			*selection;
	FpArena				 scratch;
	FpCandidate			 candidate; /* order, direction, level */
	FpGate				 gate;
	FpCover				*cover;
	FpCount				 count;
	FpExplanation		*result;

	/* as in fp_items_generalise; refines: at the level of refinements */
	FpCover *general[FP_MAX_GENERALISATIONS];
	int		 item[FP_MAX_GENERALISATIONS];
	int		 which[FP_MAX_GENERALISATIONS]; /* wider[], or -1: without it */
	int		 ngeneral;
	uint32	 refines;
} Explainer;

static FpExplainRow *
add_row(Explainer *ex, FpStep step)
{
	FpExplainRow *row = &ex->result->rows[ex->result->nrows++];

	memset(row, 0, sizeof(FpExplainRow));
	row->step = step;
	row->pattern = -1;
	row->trials = ex->count.n;
	row->failures = ex->count.f;
	row->risk_ratio = row->rr_lower = row->rr_upper = NAN;
	row->log_p = NAN;
	row->log_level = NAN;
	return row;
}

/* the cells that meet the items in mask, and in wider (or NULL) */
static FpCover *
cover_of(Explainer *ex, uint32 mask, const bool *wider)
{
	FpCover *cover = fp_alloc0_array(ex->scratch, FpCover, 1);
	uint64	 n = 0;

	for (int round = 0; round < 2; round++)
	{
		n = 0;
		for (uint64 c = 0; c < ex->cube->ncells; c++)
		{
			bool in = wider == NULL || wider[c];

			if ((c & 0xffff) == 0)
				FP_CHECK_INTERRUPTS();
			for (int i = 0; in && i < ex->nitems; i++)
				in = (mask & (1u << i)) == 0 || ex->items[i].cells[c];
			if (in && round == 1)
				cover->probe.rows[n] = (uint32) c;
			n += in;
		}
		if (round == 0)
			cover->probe.rows = fp_alloc_array(ex->scratch, uint32, n + 1);
	}
	cover->probe.nrows = n;
	cover->class_version = -1;
	return cover;
}

/* Does a combination of the order below, with these counts, pass by itself? */
static bool
is_refined(const Explainer *ex, FpCount whole)
{
	const FpScreen *screen = ex->run.screen;

	for (int64 i = 0; i < screen->ncandidates; i++)
	{
		const FpCandidate *candidate = &screen->candidates[i];

		if (candidate->order == ex->candidate.order - 1 &&
			candidate->direction == ex->candidate.direction &&
			candidate->count.n == whole.n && candidate->count.f == whole.f &&
			fp_screen_passes_first(screen, candidate))
			return true;
	}
	return false;
}

static double
refine_shift(const Explainer *ex)
{
	return fp_screen_refine_shift(ex->run.screen, &ex->candidate);
}

/* Lists the generalisations. */
static void
find_general(Explainer *ex)
{
	uint32 all = (1u << ex->nitems) - 1;

	for (int i = 0; i < ex->nitems; i++)
		for (int w = -1; w < 2; w++)
		{
			int n = ex->ngeneral;

			if (w < 0 ? ex->nitems == 1 : ex->items[i].wider[w] == NULL)
				continue;
			ex->general[n] = cover_of(ex, all & ~(1u << i),
									  w < 0 ? NULL : ex->items[i].wider[w]);
			ex->item[n] = i;
			ex->which[n] = w;
			if (w < 0 &&
				is_refined(ex, fp_cover_count(ex->run.tally, ex->general[n])))
				ex->refines |= 1u << n;
			ex->ngeneral++;
		}
}

/* one test of part against the rest of whole */
static void
test_row(Explainer *ex, FpExplainRow *row, FpCount whole, double shift,
		 double inflation)
{
	FpCount rest = {whole.n - ex->count.n, whole.f - ex->count.f};
	FpGate	gate = ex->gate;
	double	log_p = -INFINITY;
	FpRatio ratio;

	row->other_trials = rest.n;
	row->other_failures = rest.f;
	row->log_level = gate.log_level / inflation + shift;
	gate.log_level += shift * inflation;
	if (ex->count.n > 0 && rest.n > 0)
	{
		ratio = fp_risk_ratio(ex->count.f, ex->count.n, rest.f, rest.n,
							  1 - 2 * exp(fp_normal_log_upper(gate.z)));
		row->risk_ratio = ratio.estimate;
		row->rr_lower = ratio.lower;
		row->rr_upper = ratio.upper;
		row->log_p =
			fp_gate_log_p(gate.direction, ex->count, whole) / inflation;
		row->passed = fp_gate_pass(&gate, ex->count, whole, &log_p);
	}
}

static void
explain_parts(Explainer *ex, double inflation)
{
	uint32 all = (1u << ex->nitems) - 1;

	for (int g = 0; g < ex->ngeneral; g++)
	{
		FpExplainRow *row =
			add_row(ex, ex->which[g] < 0 ? FP_STEP_PRODUCTIVE : FP_STEP_WIDER);

		row->item = ex->item[g];
		row->which = ex->which[g];
		test_row(ex, row, fp_cover_count(ex->run.tally, ex->general[g]),
				 ex->refines & (1u << g) ? refine_shift(ex) : 0, inflation);
	}
	for (uint32 mask = 1; mask < all; mask += 2)
	{
		FpExplainRow *row = add_row(ex, FP_STEP_INTERACTION);
		FpCount x = fp_cover_count(ex->run.tally, cover_of(ex, mask, NULL));
		FpCount y =
			fp_cover_count(ex->run.tally, cover_of(ex, all & ~mask, NULL));
		FpGate gate = ex->gate;
		double log_p = -INFINITY;
		int	   conditions = 0;
		double expected = fp_expected_rate(gate.direction, ex->count, x, y,
										   ex->run.tally->total);

		for (uint32 m = mask; m != 0; m &= m - 1)
			conditions++;
		gate.log_level +=
			fp_screen_interaction_shift(ex->run.screen, &ex->candidate,
										conditions) *
			inflation;
		row->items = mask;
		row->passed = fp_gate_interaction(&gate, ex->count, x, y,
										  ex->run.tally->total, &log_p);
		row->log_level = gate.log_level / inflation;
		if (isfinite(log_p))
			row->log_p = log_p / inflation;
		/* what the parts let expect, as failures of as many trials */
		row->other_trials = ex->count.n;
		row->other_failures = (int64) (expected * (double) ex->count.n + 0.5);
	}
}

/* the first row that is not passed, or -1 */
static int
first_failed(const Explainer *ex)
{
	for (int i = 0; i < ex->result->nrows; i++)
		if (!ex->result->rows[i].passed)
			return i;
	return -1;
}

/* within what those patterns cut out; whole is NULL for all */
static bool
test_within(Explainer *ex, FpExplainRow *row, FpCover *whole, bool refined,
			const FpOverlap *relevant, int n, double inflation)
{
	FpStrataTest test = fp_select_within(ex->selection, &ex->gate, ex->cover,
										 whole, relevant, n, ex->scratch);

	row->risk_ratio = test.risk_ratio;
	row->rr_lower = test.rr_lower;
	row->rr_upper = test.rr_upper;
	row->log_p = test.log_p / inflation;
	row->log_level =
		ex->gate.log_level / inflation + (refined ? refine_shift(ex) : 0);
	row->passed = row->log_p <= row->log_level &&
				  (ex->gate.direction == FP_BETTER
					   ? test.rr_upper * ex->gate.min_risk_ratio <= 1
					   : test.rr_lower >= ex->gate.min_risk_ratio);
	return row->passed;
}

static void
explain_redundant(Explainer *ex, double inflation)
{
	FpOverlap relevant[FP_MAX_RELEVANT], beside[FP_MAX_RELEVANT];
	int		  nbeside = 0, nother = 0;
	bool	  refines_one = false;
	int		  n =
		fp_select_relevant(ex->selection, ex->cover, relevant, ex->scratch);

	for (int i = 0; i < n; i++)
	{
		FpSelected	 *other = ex->selection->patterns[relevant[i].pattern];
		FpCount		  theirs = other->candidate.count;
		FpExplainRow *row;
		bool		  refined = false;
		double		  shared = (double) relevant[i].count.n;

		/* itself, or another name of it: see the result */
		if (shared >= 0.98 * (double) (ex->count.n + theirs.n) - 0.98 * shared)
			continue;
		for (int g = 0; g < ex->ngeneral; g++)
		{
			FpCount whole = fp_cover_count(ex->run.tally, ex->general[g]);

			refined |= (ex->refines & (1u << g)) != 0 && whole.n == theirs.n &&
					   whole.f == theirs.f;
		}
		refines_one |= refined;
		if (shared < 0.98 * (double) ex->count.n)
			beside[nbeside++] = relevant[i];
		relevant[nother++] = relevant[i];
		row = add_row(ex, FP_STEP_REDUNDANT);
		row->pattern = relevant[i].pattern;
		row->other_trials = theirs.n;
		row->other_failures = theirs.f;
		test_within(ex, row, NULL, refined, &relevant[i], 1, inflation);
	}

	/*
	 * What counts is how it stands within all of them at once, also against
	 * its generalisations.  That is told where nothing else has stopped it.
	 */
	if (first_failed(ex) >= 0)
		return;
	for (int g = nother > 1 ? -1 : 0; nother > 0 && g < ex->ngeneral; g++)
	{
		FpExplainRow *row = add_row(ex, FP_STEP_REDUNDANT_ALL);

		row->item = g < 0 ? -1 : ex->item[g];
		row->which = g < 0 ? -1 : ex->which[g];
		if (test_within(ex, row, g < 0 ? NULL : ex->general[g],
						g < 0 ? refines_one : (ex->refines & (1u << g)) != 0,
						g < 0 ? relevant : beside, g < 0 ? nother : nbeside,
						inflation))
			ex->result->nrows--;
	}
}

static void
explain_confounders(Explainer *ex, FpTallier *tallier, FpCluster *cluster,
					double inflation)
{
	uint64		  dims = 0;
	double		  log_p = -INFINITY;
	FpConfounder *confounders;
	int			  n;

	for (int i = 0; i < ex->nitems; i++)
		dims |= UINT64CONST(1) << ex->items[i].dim;
	fp_confound(tallier, &ex->gate, refine_shift(ex) * inflation, ex->refines,
				cluster, dims, ex->cover, ex->general, ex->ngeneral, &log_p,
				&confounders, &n, ex->scratch, ex->scratch);
	for (int i = 0; i < n; i++)
	{
		const FpConfounder *confounder = &confounders[i];
		FpExplainRow	   *row = add_row(ex, FP_STEP_CONFOUNDER);
		bool time = ex->cube->dims[confounder->dim].kind == FP_STRATUM;

		row->dim = confounder->dim;
		row->verdict = confounder->verdict;
		row->risk_ratio = confounder->risk_ratio;
		row->rr_lower = confounder->rr_lower;
		row->rr_upper = confounder->rr_upper;
		row->log_p = confounder->log_p / inflation;
		row->log_level = ex->gate.log_level / inflation;
		row->passed = confounder->verdict == FP_SUPPORTED ||
					  (confounder->verdict == FP_NOT_IDENTIFIABLE && !time);
	}
}

static void
explain_result(Explainer *ex)
{
	FpExplainRow *row = add_row(ex, FP_STEP_RESULT);
	FpOverlap	  relevant[FP_MAX_RELEVANT];
	int n = ex->count.n > 0 ? fp_select_relevant(ex->selection, ex->cover,
												 relevant, ex->scratch)
							: 0;

	row->explained = FP_NOT_REPORTED;
	for (int i = 0; i < n; i++)
	{
		const FpSelected *other = ex->selection->patterns[relevant[i].pattern];
		double			  shared = (double) relevant[i].count.n;
		double			  either =
			(double) (ex->count.n + other->candidate.count.n) - shared;
		bool same_order = other->candidate.items.n == ex->nitems;
		bool same_dims = same_order;

		for (int j = 0; same_dims && j < ex->nitems; j++)
		{
			const FpItem *item = &other->candidate.items.item[j];
			int	 dim = item->slot < 0 ? ex->run.tally->axes[item->axis].dim
									  : ex->run.tally->slots[item->slot].dim;
			bool counts =
				item->slot < 0 && ex->run.tally->axes[item->axis].counts;
			bool found = false;

			for (int k = 0; k < ex->nitems; k++)
				found |=
					ex->items[k].dim == dim && ex->items[k].counts == counts;
			same_dims = found;
		}
		if (shared == either && same_dims)
			row->explained = FP_REPORTED;
		else if (shared >= 0.98 * either && !same_dims)
			row->explained = FP_REPORTED_AS_OTHER;
		else if (same_dims && shared >= RANGE_JACCARD * either)
			row->explained = FP_REPORTED_RANGE;
		else
			continue;
		row->pattern = relevant[i].pattern;
		break;
	}
	row->passed = row->explained == FP_REPORTED ||
				  row->explained == FP_REPORTED_AS_OTHER;
	/* this row itself is the last one */
	row->stopped = row->passed ? -1 : first_failed(ex);
	if (row->stopped == ex->result->nrows - 1)
		row->stopped = -1;
}

FpExplanation *
fp_explain(const FpCube *cube, const FpMineOptions *options,
		   const FpExplainItem *items, int nitems, FpArena arena)
{
	FpArena		   working = fp_arena_create(arena, "failpat explanation");
	Explainer	  *ex = fp_alloc0_array(working, Explainer, 1);
	FpExplainRow  *row;
	FpExplanation *result;

	if (options->direction == FP_BOTH)
		fp_error(FP_ERR_DATA, NULL, NULL,
				 "one direction can be explained at a time");
	ex->cube = cube;
	ex->options = options;
	ex->items = items;
	ex->nitems = nitems;
	ex->scratch = working;
	ex->result = fp_alloc0_array(arena, FpExplanation, 1);
	ex->result->rows = fp_alloc0_array(arena, FpExplainRow,
									   2 + 2 * FP_MAX_GENERALISATIONS + 1 +
										   (1 << FP_MAX_ARITY) +
										   FP_MAX_RELEVANT + FP_MAX_DIMS + 1);
	if (fp_run(cube, NULL, false, options, working, &ex->run))
	{
		FpCluster  cluster;
		FpTallier *tallier;
		double	   inflation;
		bool	   effect;

		ex->selection = ex->run.selections[0];
		tallier = fp_select_tallier(ex->selection, &cluster);
		ex->cover = cover_of(ex, (1u << nitems) - 1, NULL);
		ex->count = fp_cover_count(ex->run.tally, ex->cover);
		ex->candidate.direction = options->direction;
		ex->candidate.order = Min(nitems, options->max_arity);
		for (int i = 0; i < nitems; i++)
			ex->candidate.interval |= items[i].wider[0] != NULL;
		ex->gate = fp_screen_gate(ex->run.screen, &ex->candidate);

		row = add_row(ex, FP_STEP_SIZE);
		row->other_trials = ex->run.tally->min_trials;
		row->passed = ex->count.n >= ex->run.tally->min_trials &&
					  nitems <= options->max_arity;
		if (ex->count.n > 0)
		{
			inflation = fp_cluster_inflation(tallier, &cluster, ex->cover,
											 ex->gate.log_level, working);
			inflation = fmax(inflation, 1);
			fp_gate_inflate(&ex->gate, inflation);
			row = add_row(ex, FP_STEP_MARGINAL);
			test_row(ex, row, ex->run.tally->total, 0, inflation);
			effect = row->passed;
			find_general(ex);
			explain_parts(ex, inflation);
			explain_redundant(ex, inflation);
			/* where there is no effect, nothing needs to explain it */
			if (effect)
				explain_confounders(ex, tallier, &cluster, inflation);
		}
		explain_result(ex);

		ex->result->npatterns = ex->selection->n;
		ex->result->patterns =
			fp_alloc0_array(arena, FpPatternName, ex->selection->n + 1);
		for (int i = 0; i < ex->selection->n; i++)
			fp_tell_items(ex->run.tally,
						  &ex->selection->patterns[i]->candidate.items,
						  &ex->result->patterns[i]);
	}
	else
	{
		row = add_row(ex, FP_STEP_RESULT);
		row->explained = FP_NOT_REPORTED;
	}
	result = ex->result;
	fp_arena_delete(working);
	return result;
}
