/*-------------------------------------------------------------------------
 *
 * screen.c
 *		Levels, candidates, and one range for each context.
 *
 * The level of an order is known only when all its tables are counted.  A
 * table is therefore first counted as sizes (which do not look at outcomes)
 * and then screened at the level so far, which can only be more generous than
 * the last one; candidates are checked again at that.  (Holm's steps raise it
 * again, once for each pattern that is accepted: see fp_screen_step.)
 *
 * A context has one range: of those that pass, the one whose weakest evidence
 * against any of its generalisations (wider ranges of the same context left
 * aside) is strongest.  All ranges that were looked at are counted as
 * hypotheses, so the choice is free.
 *
 * A combination S must be significant within each generalisation G.  Where G
 * itself has passed all gates, S is a *refinement* of G: which of the rows of
 * G fail is not known from G having passed (given its margins, the split of G
 * is independent of G against the rest), so that it is tested among the
 * refinements of the few G that passed, and not among all combinations of its
 * order.  Refinements have a share of alpha of their own.
 *
 * Memory: candidates in screen->arena.  No locks.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#include "mine/screen.h"

#include <math.h>

#include "mine/counthash.h"
#include "stats/special.h"

/* Of the alpha of an order, thresholds ("6+") get so much, intervals the rest */
#define THRESHOLD_SHARE 0.9

/* Of the alpha of an order, refinements get so much */
#define REFINE_SHARE 0.5

/*
 * Holm's steps raise a level by this factor at most, so that what they may
 * let pass can be kept while counting.  Each step takes one of the k tests
 * from alpha / k, so that there are few of them where it matters.
 */
#define HOLM_MOST 4

/* An interval must explain more than the best threshold by so much (in LLR) */
#define INTERVAL_PENALTY 2.0

/* ------------------------------------------------------- combinations */

void
fp_items_probe(const FpItems *items, uint32 mask, FpProbe *probe)
{
	probe->nslots = 0;
	probe->naxes = 0;
	probe->rows = NULL;
	probe->nrows = probe->capacity = 0;
	for (int i = 0; i < items->n; i++)
	{
		const FpItem *item = &items->item[i];

		if ((mask & (1u << i)) == 0)
			continue;
		if (item->slot < 0)
		{
			probe->axes[probe->naxes] = item->axis;
			probe->low[probe->naxes] = item->low;
			probe->high[probe->naxes++] = item->high;
		}
		else if (item->mate >= 0 && (mask & (1u << item->mate)) != 0)
		{
			/* both members are there: the pair, once */
			if (i > item->mate)
				continue;
			probe->slots[probe->nslots] = item->pair_slot;
			probe->codes[probe->nslots++] = item->pair_code;
		}
		else
		{
			probe->slots[probe->nslots] = item->slot;
			probe->codes[probe->nslots++] = item->code;
		}
	}
}

static void
add_slot_item(const FpTally *tally, FpItems *items, int s, uint32 code)
{
	const FpSlot *slot = &tally->slots[s];
	FpItem		 *item = &items->item[items->n];

	memset(item, 0, sizeof(FpItem) * slot->weight);
	item->slot = s;
	item->code = code;
	item->mate = -1;
	items->n++;
	if (slot->kind != FP_COND_PAIR)
		return;

	/* the members' slot comes right before that of the pairs */
	items->n++;
	for (int m = 0; m < 2; m++)
	{
		const FpSlot *members = slot - 1;
		uint32		  low = 1, high = members->card;

		item[m].slot = s - 1;
		item[m].pair_slot = s;
		item[m].pair_code = code;
		item[m].mate = items->n - 1 - m;
		while (low < high)
		{
			uint32 mid = low + (high - low) / 2;

			if (members->values[mid][0] < slot->values[code][m])
				low = mid + 1;
			else
				high = mid;
		}
		item[m].code = low;
	}
}

static void
add_range_item(FpItems *items, int axis, uint32 low, uint32 high)
{
	FpItem *item = &items->item[items->n++];

	memset(item, 0, sizeof(FpItem));
	item->slot = -1;
	item->mate = -1;
	item->axis = axis;
	item->low = low;
	item->high = high;
}

static void
remove_item(const FpItems *items, int gone, FpItems *out)
{
	out->n = 0;
	for (int i = 0; i < items->n; i++)
	{
		if (i == gone)
			continue;
		out->item[out->n] = items->item[i];
		if (items->item[i].mate == gone)
			out->item[out->n].mate = -1;
		else if (items->item[i].mate > gone)
			out->item[out->n].mate--;
		out->n++;
	}
}

int
fp_items_generalise(const FpTally *tally, const FpItems *items, FpItems *out)
{
	int n = 0;

	for (int i = 0; i < items->n; i++)
	{
		const FpItem *item = &items->item[i];

		if (items->n > 1)
			remove_item(items, i, &out[n++]);
		if (item->slot < 0 && item->low > 1 &&
			item->high < tally->axes[item->axis].nbins)
		{
			/* of "3-5" also "up to 5" and "3+" */
			out[n] = *items;
			out[n++].item[i].low = 1;
			out[n] = *items;
			out[n++].item[i].high = tally->axes[item->axis].nbins;
		}
	}
	return n;
}

static FpCount
vector_sum(const FpTally *tally, const FpVector *vector, uint32 id,
		   const FpProbe *probe)
{
	uint64	at = (uint64) (id - vector->first_id) * vector->stride;
	uint32	width = 1;
	FpCount sum = {0, 0};

	if (vector->naxes == 2)
		width = tally->axes[vector->axes[1]].nbins + 1;
	for (uint32 x = probe->low[0]; x <= probe->high[0]; x++)
		for (uint32 y = vector->naxes == 2 ? probe->low[1] : 0;
			 y <= (vector->naxes == 2 ? probe->high[1] : 0); y++)
		{
			uint64 i = at + x * width + y;

			if (vector->packed != NULL)
			{
				sum.n += vector->packed[i] & PG_UINT32_MAX;
				sum.f += vector->packed[i] >> 32;
			}
			else
			{
				sum.n += vector->wide[i].n;
				sum.f += vector->wide[i].f;
			}
		}
	return sum;
}

FpCount
fp_probe_count(const FpTally *tally, const FpProbe *probe)
{
	FpNode		   *node = fp_tally_node(tally, probe->slots, probe->nslots);
	const FpVector *vector;
	FpCount			none = {0, 0};
	int64			id;

	if (node == NULL)
		return none;
	id = fp_tally_context(tally, node, probe->codes);
	if (id < 0)
		return none;
	if (probe->naxes == 0)
		return node->counts[id];
	vector = fp_tally_vector(node, probe->axes, probe->naxes);
	if (vector == NULL)
		return none;
	return vector_sum(tally, vector, id, probe);
}

static FpCount
items_count(const FpTally *tally, const FpItems *items, uint32 mask)
{
	FpProbe probe;

	fp_items_probe(items, mask, &probe);
	if (probe.nslots == 0 && probe.naxes == 0)
		return tally->total;
	return fp_probe_count(tally, &probe);
}

/* in a total order */
int
fp_items_compare(const FpItems *x, const FpItems *y)
{
	for (int i = 0; i < Min(x->n, y->n); i++)
	{
		const FpItem *p = &x->item[i];
		const FpItem *q = &y->item[i];

		if (p->slot != q->slot)
			return p->slot < q->slot ? -1 : 1;
		if (p->code != q->code)
			return p->code < q->code ? -1 : 1;
		if (p->axis != q->axis)
			return p->axis < q->axis ? -1 : 1;
		if (p->low != q->low)
			return p->low < q->low ? -1 : 1;
		if (p->high != q->high)
			return p->high < q->high ? -1 : 1;
	}
	return x->n - y->n;
}

/* -------------------------------------------------------------- gates */

static int
direction_index(const FpScreen *screen, const FpCandidate *candidate)
{
	return candidate->direction == screen->directions[0] ? 0 : 1;
}

double
fp_screen_level(const FpScreen *screen, const FpCandidate *candidate)
{
	return screen->log_level[candidate->order][candidate->interval]
							[direction_index(screen, candidate)];
}

bool
fp_screen_passes_first(const FpScreen *screen, const FpCandidate *candidate)
{
	return candidate->log_p <=
		   screen->log_first[candidate->order][candidate->interval]
							[direction_index(screen, candidate)];
}

double
fp_screen_most(const FpScreen *screen, const FpCandidate *candidate)
{
	return screen->log_most[candidate->order][candidate->interval]
						   [direction_index(screen, candidate)];
}

void
fp_screen_step(FpScreen *screen, const FpCandidate *accepted)
{
	int		  d = direction_index(screen, accepted);
	int		  c = accepted->interval;
	int		  order = accepted->order;
	FpSizes **gone = &screen->gone[order][c][d];
	int64	  ntests;

	if (*gone == NULL)
		*gone = fp_alloc0_array(screen->arena, FpSizes, 1);
	fp_sizes_add(*gone, accepted->count.n);
	screen->log_level[order][c][d] =
		fmin(fp_tarone_level(screen->sizes[order][c], *gone,
							 screen->attainable[d], screen->alpha[c], &ntests),
			 screen->log_most[order][c][d]);
}

FpGate
fp_screen_gate(const FpScreen *screen, const FpCandidate *candidate)
{
	FpGate gate;

	gate.direction = candidate->direction;
	gate.log_level = fp_screen_level(screen, candidate);
	gate.min_risk_ratio = screen->options->min_risk_ratio;
	gate.z = screen->z;
	return gate;
}

double
fp_screen_refine_shift(const FpScreen *screen, const FpCandidate *candidate)
{
	int	   d = direction_index(screen, candidate);
	double shift = screen->log_refine[candidate->order][d] -
				   fp_screen_level(screen, candidate);

	return fmax(shift, 0);
}

static int
compare_parents(const void *a, const void *b)
{
	return fp_items_compare(*(const FpItems *const *) a,
							*(const FpItems *const *) b);
}

static bool
is_parent(const FpScreen *screen, FpDirection direction, const FpItems *items)
{
	int d = direction == screen->directions[0] ? 0 : 1;

	return screen->nparents[d] > 0 &&
		   bsearch(&items, screen->parents[d], screen->nparents[d],
				   sizeof(const FpItems *), compare_parents) != NULL;
}

static inline int
count_bits(uint32 mask)
{
	int n = 0;

	for (; mask != 0; mask &= mask - 1)
		n++;
	return n;
}

/*
 * How much higher the level is at which gate E looks at a candidate with so
 * many conditions in one part.  An echo of two effects needs two parts that
 * have an effect, and there are only so many that passed.
 */
static double
interaction_level(const FpScreen *screen, const FpCandidate *candidate,
				  int conditions)
{
	int	  d = direction_index(screen, candidate);
	int64 one = screen->npassed[conditions][d];
	int64 other = screen->npassed[candidate->order - conditions][d];

	return log(screen->refine_alpha) - log(fmax(1, (double) one)) -
		   log(fmax(1, (double) other));
}

double
fp_screen_interaction_shift(const FpScreen	  *screen,
							const FpCandidate *candidate, int conditions)
{
	return fmax(interaction_level(screen, candidate, conditions) -
					fp_screen_level(screen, candidate),
				0);
}

/*
 * A test has passed with log_p, at the level of the order or at the one given.
 * What reaches the latter need not reach the former.
 */
static void
take_eased(FpCandidate *candidate, double log_p, double log_level)
{
	if (log_p <= log_level)
		candidate->log_eased = fmax(candidate->log_eased, log_p - log_level);
	else
		candidate->log_p = fmax(candidate->log_p, log_p);
}

/*
 * The gate while counting: at the level so far, or what Holm's steps could
 * make of it.
 */
static FpGate
counting_gate(const FpScreen *screen, const FpCandidate *candidate)
{
	FpGate gate = fp_screen_gate(screen, candidate);

	gate.log_level = fp_screen_most(screen, candidate);
	return gate;
}

/*
 * Gates B and E for what has passed gate A.  On success candidate->log_p is
 * the largest p and *score the weakest evidence of all.
 */
static bool
productive(const FpScreen *screen, FpCandidate *candidate, double *score)
{
	const FpTally *tally = screen->tally;
	FpGate		   gate = counting_gate(screen, candidate);
	FpItems		   general[FP_MAX_GENERALISATIONS];
	int			   n = fp_items_generalise(tally, &candidate->items, general);
	uint32		   all = (1u << candidate->items.n) - 1;
	double		   log_refine =
		screen
			->log_refine[candidate->order][direction_index(screen, candidate)];

	FP_CHECK_INTERRUPTS();
	candidate->refines = 0;
	candidate->log_eased = -INFINITY;
	candidate->expected = (double) (tally->total.f - candidate->count.f) /
						  (double) (tally->total.n - candidate->count.n);
	*score = candidate->llr;
	for (int i = 0; i < n; i++)
	{
		bool	wider = general[i].n == candidate->items.n;
		bool	refined = false;
		FpGate	within = gate;
		double	log_p = -INFINITY;
		FpCount whole;
		FpProbe probe;

		fp_items_probe(&general[i], (1u << general[i].n) - 1, &probe);
		/* a wider range of the context that is looked at is not kept yet */
		if (wider)
			whole =
				vector_sum(tally, screen->vector, screen->vector_id, &probe);
		else
			whole = fp_probe_count(tally, &probe);

		/* used in no other way: the more general one says it all */
		if (whole.n == candidate->count.n)
			return false;
		if (!wider && is_parent(screen, gate.direction, &general[i]))
		{
			candidate->refines |= 1u << i;
			refined = true;
			within.log_level = fmax(within.log_level, log_refine);
		}
		if (!fp_gate_pass(&within, candidate->count, whole, &log_p))
			return false;
		take_eased(candidate, log_p, refined ? log_refine : -INFINITY);

		/*
		 * Ranges of one context are compared by what they explain of it: one
		 * within a wider one need not beat it within itself by as much as the
		 * wider beats the rest.
		 */
		if (!wider)
			*score = fmin(*score, fp_gate_llr(gate.direction, candidate->count,
											  whole));
	}

	/* every way to part the items in two, each once */
	for (uint32 mask = 1; mask < all; mask += 2)
	{
		FpCount x = items_count(tally, &candidate->items, mask);
		FpCount y = items_count(tally, &candidate->items, all & ~mask);
		FpGate	within = gate;
		double	log_p = -INFINITY;
		double	log_echo =
			interaction_level(screen, candidate, count_bits(mask));
		double rate = fp_expected_rate(gate.direction, candidate->count, x, y,
									   tally->total);

		candidate->expected = gate.direction == FP_BETTER
								  ? fmin(candidate->expected, rate)
								  : fmax(candidate->expected, rate);
		within.log_level = fmax(within.log_level, log_echo);
		if (!fp_gate_interaction(&within, candidate->count, x, y, tally->total,
								 &log_p))
			return false;
		take_eased(candidate, log_p, log_echo);
	}
	return true;
}

static void
add_candidate(FpScreen *screen, const FpCandidate *candidate)
{
	if (screen->ncandidates == screen->capacity)
	{
		int64 grown = screen->capacity ? screen->capacity * 2 : 64;

		fp_tally_reserve(screen->tally, grown * sizeof(FpCandidate));
		screen->candidates =
			screen->capacity
				? fp_realloc_array(screen->arena, screen->candidates,
								   FpCandidate, screen->capacity, grown)
				: fp_alloc_array(screen->arena, FpCandidate, grown);
		screen->capacity = grown;
	}
	screen->candidates[screen->ncandidates++] = *candidate;
}

static void
show_context(void *arg, bool screening, const FpNode *node, uint32 parent_id,
			 uint32 code, FpCount count)
{
	FpScreen *screen = arg;

	if (!screening)
	{
		fp_sizes_add(screen->sizes[screen->order][0], count.n);
		return;
	}
	for (int d = 0; d < screen->ndirections; d++)
	{
		FpCandidate candidate;
		FpGate		gate;
		uint32		codes[FP_MAX_ARITY];
		double		score;

		candidate.direction = screen->directions[d];
		candidate.order = screen->order;
		candidate.interval = false;
		candidate.counts = false;
		candidate.count = count;
		candidate.log_p = -INFINITY;
		gate = counting_gate(screen, &candidate);
		if (!fp_gate_pass(&gate, count, screen->tally->total,
						  &candidate.log_p))
			continue;
		fp_tally_codes(node->parent, parent_id, codes);
		codes[node->depth - 1] = code;
		candidate.items.n = 0;
		for (int i = 0; i < node->depth; i++)
			add_slot_item(screen->tally, &candidate.items, node->slots[i],
						  codes[i]);
		candidate.llr =
			fp_gate_llr(candidate.direction, count, screen->tally->total);
		if (productive(screen, &candidate, &score))
			add_candidate(screen, &candidate);
	}
}

typedef struct RangeSearch
{
	FpScreen	   *screen;
	const FpVector *vector;
	uint32			id;
	bool			screening;
	bool			counts; /* one of the axes is a number of members */
	bool			have_items;
	FpItems			context;
	/* best by direction; thresholds, intervals */
	FpCandidate best[2][2];
	double		score[2][2]; /* -1: none */
} RangeSearch;

static void
try_range(RangeSearch *search, FpCount count, uint32 low, uint32 high,
		  uint32 low2, uint32 high2, bool interval)
{
	FpScreen	   *screen = search->screen;
	const FpVector *vector = search->vector;

	if (count.n < screen->tally->min_trials)
		return;
	if (!search->screening)
	{
		fp_sizes_add(screen->sizes[screen->order][interval], count.n);
		return;
	}
	for (int d = 0; d < screen->ndirections; d++)
	{
		FpCandidate candidate;
		FpGate		gate;
		double		score;

		candidate.direction = screen->directions[d];
		candidate.order = screen->order;
		candidate.interval = interval;
		candidate.counts = search->counts;
		candidate.count = count;
		candidate.log_p = -INFINITY;
		gate = counting_gate(screen, &candidate);
		if (!fp_gate_pass(&gate, count, screen->tally->total,
						  &candidate.log_p))
			continue;
		if (!search->have_items)
		{
			uint32 codes[FP_MAX_ARITY];

			search->have_items = true;
			search->context.n = 0;
			fp_tally_codes(vector->node, search->id, codes);
			for (int i = 0; i < vector->node->depth; i++)
				add_slot_item(screen->tally, &search->context,
							  vector->node->slots[i], codes[i]);
		}
		candidate.items = search->context;
		add_range_item(&candidate.items, vector->axes[0], low, high);
		if (vector->naxes == 2)
			add_range_item(&candidate.items, vector->axes[1], low2, high2);
		candidate.llr =
			fp_gate_llr(candidate.direction, count, screen->tally->total);
		if (productive(screen, &candidate, &score) &&
			score > search->score[d][interval])
		{
			search->score[d][interval] = score;
			search->best[d][interval] = candidate;
		}
	}
}

static inline FpCount
minus(FpCount a, FpCount b)
{
	a.n -= b.n;
	a.f -= b.f;
	return a;
}

/* all "t+", "up to t" and intervals of one axis; counts are made sums */
static void
search_one_axis(RangeSearch *search, FpCount *sums, uint32 nbins)
{
	sums[0].n = sums[0].f = 0;
	for (uint32 b = 1; b <= nbins; b++)
	{
		sums[b].n += sums[b - 1].n;
		sums[b].f += sums[b - 1].f;
	}
	for (uint32 b = 1; b < nbins; b++)
	{
		try_range(search, sums[b], 1, b, 0, 0, false);
		try_range(search, minus(sums[nbins], sums[b]), b + 1, nbins, 0, 0,
				  false);
	}
	for (uint32 low = 2; low < nbins; low++)
		for (uint32 high = low; high < nbins; high++)
			try_range(search, minus(sums[high], sums[low - 1]), low, high, 0,
					  0, true);
}

/* all corners of a plane of two axes: a threshold on each */
static void
search_two_axes(RangeSearch *search, FpCount *sums, uint32 nx, uint32 ny)
{
	uint32 width = ny + 1;

	for (uint32 x = 0; x <= nx; x++)
		for (uint32 y = 0; y <= ny; y++)
		{
			FpCount *at = &sums[x * width + y];

			if (x == 0 || y == 0)
			{
				at->n = at->f = 0;
				continue;
			}
			at->n += at[-1].n + at[-(int) width].n - at[-(int) width - 1].n;
			at->f += at[-1].f + at[-(int) width].f - at[-(int) width - 1].f;
		}
	for (uint32 x = 1; x < nx; x++)
		for (uint32 y = 1; y < ny; y++)
		{
			FpCount ll = sums[x * width + y];
			FpCount l_all = sums[x * width + ny];
			FpCount all_l = sums[nx * width + y];
			FpCount lh = minus(l_all, ll);
			FpCount hl = minus(all_l, ll);
			FpCount hh = minus(minus(sums[nx * width + ny], l_all), hl);

			try_range(search, ll, 1, x, 1, y, false);
			try_range(search, lh, 1, x, y + 1, ny, false);
			try_range(search, hl, x + 1, nx, 1, y, false);
			try_range(search, hh, x + 1, nx, y + 1, ny, false);
		}
}

static void
show_vector(void *arg, bool screening, const FpVector *vector, uint32 id,
			FpCount *counts)
{
	RangeSearch search;
	FpScreen   *screen = arg;
	FpTally	   *tally = screen->tally;

	screen->vector = vector;
	screen->vector_id = id;
	search.screen = screen;
	search.vector = vector;
	search.id = id;
	search.screening = screening;
	search.have_items = false;
	search.counts = false;
	for (int a = 0; a < vector->naxes; a++)
		search.counts |= tally->axes[vector->axes[a]].counts;
	for (int d = 0; d < 2; d++)
		search.score[d][0] = search.score[d][1] = -1;
	if (vector->naxes == 1)
		search_one_axis(&search, counts, tally->axes[vector->axes[0]].nbins);
	else
		search_two_axes(&search, counts, tally->axes[vector->axes[0]].nbins,
						tally->axes[vector->axes[1]].nbins);
	for (int d = 0; screening && d < screen->ndirections; d++)
	{
		bool interval =
			search.score[d][1] >= 0 &&
			(search.score[d][0] < 0 ||
			 search.score[d][1] > search.score[d][0] + INTERVAL_PENALTY);

		if (search.score[d][interval] >= 0)
			add_candidate(screen, &search.best[d][interval]);
	}
}

/* Levels from the sizes so far. */
static void
set_levels(FpScreen *screen)
{
	int order = screen->order;

	screen->ntests[order] = 0;
	for (int d = 0; d < screen->ndirections; d++)
		for (int c = 0; c < 2; c++)
		{
			double alpha = screen->alpha[c];
			double level = -INFINITY;
			double most = -INFINITY;
			int64  ntests = 0;

			if (alpha > 0)
			{
				double k;

				level = fp_tarone_level(screen->sizes[order][c], NULL,
										screen->attainable[d], alpha, &ntests);
				k = exp(log(alpha) - level);
				most = log(alpha) -
					   log(fmax(1, fmax(k / HOLM_MOST, k - FP_MAX_PATTERNS)));
				most = fmax(most, level);
			}
			screen->log_first[order][c][d] = level;
			screen->log_level[order][c][d] = level;
			screen->log_most[order][c][d] = most;
			screen->ntests[order] += ntests;
		}
}

static void
table_done(void *arg, bool screening)
{
	if (!screening)
		set_levels(arg);
}

FpScreen *
fp_screen_create(FpTally *tally, const FpMineOptions *options, FpArena arena)
{
	FpScreen *screen = fp_alloc0_array(arena, FpScreen, 1);
	int		  orders = 0;
	int		  axes = 0;
	bool	  intervals = false;
	double	  alpha;

	screen->tally = tally;
	screen->options = options;
	screen->z = fp_normal_two_sided(options->confidence);
	screen->arena = arena;
	for (FpDirection d = FP_WORSE; d <= FP_BETTER; d++)
	{
		int64 hits =
			d == FP_WORSE ? tally->total.f : tally->total.n - tally->total.f;

		if ((options->direction & d) == 0)
			continue;
		screen->attainable[screen->ndirections] =
			fp_sizes_attainable(hits, tally->total.n, arena);
		screen->directions[screen->ndirections++] = d;
	}

	/*
	 * Orders that can exist share alpha alike; so do directions.  Which exist
	 * is known from the dimensions, without a look at outcomes.
	 */
	for (int s = 0; s < tally->nslots; s++)
		orders++; /* members and pairs: one each */
	for (int a = 0; a < tally->naxes; a++)
	{
		bool instead = false; /* of members of the same set, not beside */

		for (int s = 0; s < tally->nslots && tally->axes[a].counts; s++)
			instead |= tally->slots[s].dim == tally->axes[a].dim;
		axes += !instead;
	}
	orders += Min(axes, FP_MAX_AXES_AT_ONCE);
	orders = Max(1, Min(orders, options->max_arity));
	for (int a = 0; a < tally->naxes; a++)
		intervals |= tally->axes[a].nbins > 2;
	alpha = options->alpha / orders / screen->ndirections;
	screen->refine_alpha = alpha * REFINE_SHARE / 2; /* refinements, echoes */
	if (orders > 1)
		alpha *= 1 - REFINE_SHARE;
	screen->alpha[0] = intervals ? alpha * THRESHOLD_SHARE : alpha;
	screen->alpha[1] = intervals ? alpha * (1 - THRESHOLD_SHARE) : 0;
	return screen;
}

/*
 * What has passed at the order before, and the level of its refinements: no
 * combination has more of them than there are items, so this is on the safe
 * side.
 */
static void
find_parents(FpScreen *screen, int order)
{
	FpTally *tally = screen->tally;
	double	 refinements = 0;

	for (int s = 0; s < tally->nslots; s++)
		if (tally->slots[s].kind != FP_COND_PAIR)
			refinements += tally->slots[s].card;
	for (int a = 0; a < tally->naxes; a++)
		refinements +=
			(double) tally->axes[a].nbins * (tally->axes[a].nbins + 1) / 2;
	for (int d = 0; d < screen->ndirections; d++)
	{
		int64 n = 0;

		screen->parents[d] = fp_alloc_array(screen->arena, const FpItems *,
											screen->ncandidates + 1);
		for (int64 i = 0; i < screen->ncandidates; i++)
		{
			const FpCandidate *candidate = &screen->candidates[i];

			if (candidate->order == order - 1 &&
				candidate->direction == screen->directions[d] &&
				fp_screen_passes_first(screen, candidate))
			{
				FpItems *copy = fp_alloc_array(screen->arena, FpItems, 1);

				*copy = candidate->items;
				screen->parents[d][n++] = copy;
			}
		}
		qsort(screen->parents[d], n, sizeof(const FpItems *), compare_parents);
		screen->nparents[d] = n;
		screen->npassed[order - 1][d] = n;
		screen->log_refine[order][d] =
			n > 0 ? log(screen->refine_alpha) - log(n * refinements)
				  : -INFINITY;
	}
}

void
fp_screen_order(FpScreen *screen, int order)
{
	FpTallyVisitor visitor;

	for (int c = 0; c < 2; c++)
		screen->sizes[order][c] = fp_alloc0_array(screen->arena, FpSizes, 1);
	screen->order = order;
	find_parents(screen, order);
	visitor.arg = screen;
	visitor.context = show_context;
	visitor.vector = show_vector;
	visitor.table_done = table_done;
	set_levels(screen);
	fp_tally_order(screen->tally, order, &visitor);
	set_levels(screen);
}
