/*-------------------------------------------------------------------------
 *
 * select.c
 *		From candidates to the list: what is already explained is left out
 *		(gate D), and what goes with another condition (gate C).
 *
 * Candidates come in order of their evidence.  Each accepted pattern T cuts
 * the cells in two, inside and outside; together they cut them into classes.
 * A candidate S is tested against its complement and against each of its
 * generalisations *within* the classes, that is, by a test stratified by
 * membership in the accepted patterns that have a part in its excess.  This
 * is one rule for all cases:
 *	- S inside T: outside of T there is nothing of S, so S must be worse than
 *	  the rest of T;
 *	- S more general than T: inside T there is nothing but S, so S must be
 *	  bad on the cells outside T;
 *	- S beside T: both count.
 * When T is accepted, all that were accepted before and overlap with it are
 * tested again in the same way, and what falls is dropped; then what had been
 * refused is looked at once more, as its reason may have gone.  Each pattern
 * that is accepted also raises the level of those of its order (Holm's steps),
 * and what it then reaches is looked at again.
 *
 * Memory: patterns and their cells in the arena given; candidates are looked
 * at in batches, each in a child of it.  No locks.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#include "mine/select.h"

#include <math.h>

#include "mine/counthash.h"

/* Candidates whose cells are listed in one pass over the cube. */
#define BATCH 512

/* Patterns that have less than this part in an excess do not explain it. */
#define RELEVANT_SHARE 0.05


/* Combinations with this share of their observations in common are one. */
#define SAME_JACCARD 0.98

/* The list is gone through so many times at most. */
#define MOST_ROUNDS 8

#define CLASS_WORDS (FP_MAX_PATTERNS / 64)

/* Cells that lie in the same accepted patterns. */
typedef struct Class
{
	uint64	members[CLASS_WORDS];
	FpCount total;
	uint32	next;	 /* the class that its cells in the new pattern get */
	int64	next_of; /* .. when that is pattern number next_of */
} Class;

struct FpSelector
{
	FpScreen	  *screen;
	const FpTally *tally;
	FpArena		   arena;
	FpArena		   scratch;
	FpDirection	   direction;
	double		   base_rate; /* of hits */

	FpCover **kept; /* of accepted patterns and their generalisations */
	int		  nkept;
	int		  kept_capacity;

	FpSelection *selection;
	uint32		*class_of; /* by cell */
	Class		*classes;
	uint32		 nclasses;
	uint32		 class_capacity;
	int64		 class_version;

	FpTallier tallier;
	FpCluster cluster;

	/*
	 * Of the candidate that is looked at: was it refused by a p that Holm's
	 * steps may still let pass?
	 */
	bool near;
};

/* A p above a level, which clusters may have made stricter. */
static void
note_miss(FpSelector *sel, const FpCandidate *candidate, double log_p,
		  double log_level)
{
	double rise = fp_screen_most(sel->screen, candidate) /
				  fp_screen_level(sel->screen, candidate);

	if (log_p <= log_level * rise)
		sel->near = true;
}

/* ------------------------------------------------------------- tallies */

static const FpTallied *
by_class(FpSelector *sel, FpCover *cover)
{
	if (cover->class_version != sel->class_version)
	{
		fp_cover_tally(&sel->tallier, cover, sel->class_of, sel->nclasses,
					   &cover->by_class, sel->scratch);
		cover->class_version = sel->class_version;
	}
	return &cover->by_class;
}

/* -------------------------------------------------------------- gate D */

static inline bool
is_member(const Class *class, int pattern)
{
	return (class->members[pattern / 64] >> (pattern % 64)) & 1;
}

static double
excess_of(const FpSelector *sel, FpCount count)
{
	double excess = (double) count.f - (double) count.n *
										   (double) sel->tally->total.f /
										   (double) sel->tally->total.n;

	return sel->direction == FP_BETTER ? -excess : excess;
}

static int
compare_overlaps(const void *a, const void *b)
{
	const FpOverlap *x = a;
	const FpOverlap *y = b;

	if (x->excess != y->excess)
		return x->excess < y->excess ? 1 : -1;
	return x->pattern - y->pattern;
}

/* What each accepted pattern holds of what cover covers; and all of that. */
static FpOverlap *
find_overlaps(FpSelector *sel, FpCover *cover, FpCount *own)
{
	const FpTallied *tallied = by_class(sel, cover);
	int				 naccepted = sel->selection->n;
	int				 words = (naccepted + 63) / 64;
	FpOverlap		*overlaps;

	overlaps = fp_alloc0_array(sel->scratch, FpOverlap, naccepted + 1);
	own->n = own->f = 0;
	for (uint32 i = 0; i < tallied->n; i++)
	{
		const Class *class = &sel->classes[tallied->strata[i]];

		own->n += tallied->counts[i].n;
		own->f += tallied->counts[i].f;
		for (int w = 0; w < words; w++)
			for (uint64 bits = class->members[w]; bits != 0; bits &= bits - 1)
			{
				FpOverlap *to = &overlaps[w * 64 + __builtin_ctzll(bits)];

				to->count.n += tallied->counts[i].n;
				to->count.f += tallied->counts[i].f;
			}
	}
	return overlaps;
}

/*
 * The accepted patterns that have a part in the excess of what cover covers,
 * the strongest first; self is left out.
 */
static int
find_relevant(FpSelector *sel, FpCover *cover, int self, FpOverlap *relevant)
{
	FpCount	   own;
	FpOverlap *overlaps = find_overlaps(sel, cover, &own);
	int		   n = 0;

	for (int t = 0; t < sel->selection->n; t++)
	{
		double excess = excess_of(sel, overlaps[t].count);

		if (t == self || sel->selection->patterns[t]->dropped ||
			overlaps[t].count.n == 0 ||
			excess < RELEVANT_SHARE * excess_of(sel, own))
			continue;
		overlaps[n].count = overlaps[t].count;
		overlaps[n].excess = excess;
		overlaps[n++].pattern = t;
	}
	qsort(overlaps, n, sizeof(FpOverlap), compare_overlaps);
	n = Min(n, FP_MAX_RELEVANT);
	memcpy(relevant, overlaps, n * sizeof(FpOverlap));
	return n;
}

static uint32
stratum_of(const Class *class, const FpOverlap *relevant, int n)
{
	uint32 stratum = 0;

	for (int i = 0; i < n; i++)
		if (is_member(class, relevant[i].pattern))
			stratum |= 1u << i;
	return stratum;
}

/*
 * Tests cover against whole (NULL: all cells) within the classes that the
 * relevant patterns make.
 */
static FpStrataTest
test_within(FpSelector *sel, const FpGate *gate, FpCover *cover,
			FpCover *whole, const FpOverlap *relevant, int nrelevant)
{
	uint32			 nstrata = 1u << nrelevant;
	FpCount			*part_counts, *whole_counts;
	const FpTallied *tallied = by_class(sel, cover);

	part_counts = fp_alloc0_array(sel->scratch, FpCount, nstrata);
	whole_counts = fp_alloc0_array(sel->scratch, FpCount, nstrata);
	for (uint32 i = 0; i < tallied->n; i++)
	{
		FpCount *to =
			&part_counts[stratum_of(&sel->classes[tallied->strata[i]],
									relevant, nrelevant)];

		to->n += tallied->counts[i].n;
		to->f += tallied->counts[i].f;
	}
	tallied = whole ? by_class(sel, whole) : NULL;
	for (uint32 i = 0; i < (whole ? tallied->n : sel->nclasses); i++)
	{
		uint32	 c = whole ? tallied->strata[i] : i;
		FpCount	 count = whole ? tallied->counts[i] : sel->classes[c].total;
		FpCount *to =
			&whole_counts[stratum_of(&sel->classes[c], relevant, nrelevant)];

		to->n += count.n;
		to->f += count.f;
	}
	return fp_strata_test(gate->direction, part_counts, whole_counts, nstrata,
						  gate->z);
}

static bool
passes_within(FpSelector *sel, const FpGate *gate, const FpSelected *selected,
			  FpCover *whole, const FpOverlap *relevant, int nrelevant,
			  double *log_p)
{
	FpStrataTest test =
		test_within(sel, gate, selected->cover, whole, relevant, nrelevant);

	if (gate->direction == FP_BETTER ? test.rr_upper * gate->min_risk_ratio > 1
									 : test.rr_lower < gate->min_risk_ratio)
		return false;
	if (test.log_p > gate->log_level)
	{
		note_miss(sel, &selected->candidate, test.log_p, gate->log_level);
		return false;
	}
	*log_p = Max(*log_p, test.log_p);
	return true;
}

static FpGate
gate_of(const FpSelector *sel, const FpSelected *selected)
{
	FpGate gate = fp_screen_gate(sel->screen, &selected->candidate);

	fp_gate_inflate(&gate, selected->inflation);
	return gate;
}

/* Is one of the relevant patterns what the candidate refines? */
static bool
refines_relevant(const FpSelector *sel, const FpSelected *selected,
				 const FpOverlap *relevant, int nrelevant)
{
	FpItems general[FP_MAX_GENERALISATIONS];
	int		n =
		fp_items_generalise(sel->tally, &selected->candidate.items, general);

	for (int g = 0; g < n; g++)
		for (int i = 0; i < nrelevant; i++)
			if ((selected->candidate.refines & (1u << g)) != 0 &&
				fp_items_compare(&general[g],
								 &sel->selection->patterns[relevant[i].pattern]
									  ->candidate.items) == 0)
				return true;
	return false;
}

/* gate D for a candidate, or again for an accepted pattern */
static bool
not_explained(FpSelector *sel, FpSelected *selected, const FpOverlap *relevant,
			  int nrelevant)
{
	FpGate	  gate = gate_of(sel, selected);
	FpGate	  refining = gate;
	FpOverlap partial[FP_MAX_RELEVANT];
	int		  npartial = 0;
	double	  largest = -INFINITY;
	double shift = fp_screen_refine_shift(sel->screen, &selected->candidate) *
				   selected->inflation;

	refining.log_level += shift;
	if (nrelevant == 0)
		return true;

	/*
	 * A pattern that holds all of this one cannot tell it from its own
	 * generalisations: outside, nothing of it is left to compare.  Whether it
	 * is only an echo of that pattern's effect, gate E has asked.
	 */
	for (int i = 0; i < nrelevant; i++)
		if ((double) relevant[i].count.n <
			SAME_JACCARD * (double) selected->candidate.count.n)
			partial[npartial++] = relevant[i];

	for (int g = -1; g < selected->ngeneral; g++)
	{
		bool refined =
			g < 0 ? refines_relevant(sel, selected, relevant, nrelevant)
				  : (selected->candidate.refines & (1u << g)) != 0;
		double log_p = -INFINITY;

		if (!passes_within(sel, refined ? &refining : &gate, selected,
						   g < 0 ? NULL : selected->general[g],
						   g < 0 ? relevant : partial,
						   g < 0 ? nrelevant : npartial, &log_p))
			return false;
		largest = fmax(largest, refined ? log_p - shift : log_p);
	}
	selected->log_redundant = fmax(selected->log_redundant, largest);
	return true;
}

/*
 * Gates A and B once more, with the variance that outcomes alike within
 * clusters have.  Clusters are asked for only where all else has been passed,
 * as that may mean reading all buckets.
 */
static bool
passes_clustered(FpSelector *sel, FpSelected *selected)
{
	FpGate	gate, refining;
	FpCount count = selected->candidate.count;
	double	log_p = -INFINITY;

	selected->inflation =
		fp_cluster_inflation(&sel->tallier, &sel->cluster, selected->cover,
							 fp_screen_level(sel->screen,
											 &selected->candidate),
							 sel->scratch);
	if (selected->inflation <= 1)
		return true;
	gate = gate_of(sel, selected);
	if (selected->candidate.log_p > gate.log_level)
	{
		note_miss(sel, &selected->candidate, selected->candidate.log_p,
				  gate.log_level);
		return false;
	}
	if (!fp_gate_pass(&gate, count, sel->tally->total, &log_p))
		return false;
	refining = gate;
	refining.log_level +=
		fp_screen_refine_shift(sel->screen, &selected->candidate) *
		selected->inflation;
	for (int g = 0; g < selected->ngeneral; g++)
		if (!fp_gate_pass(selected->candidate.refines & (1u << g) ? &refining
																  : &gate,
						  count,
						  fp_cover_count(sel->tally, selected->general[g]),
						  &log_p))
			return false;
	return true;
}

/* gate C */
static bool
not_confounded(FpSelector *sel, FpSelected *selected)
{
	FpGate gate = gate_of(sel, selected);
	double shift = fp_screen_refine_shift(sel->screen, &selected->candidate) *
				   selected->inflation;
	bool passed;

	passed =
		fp_confound(&sel->tallier, &gate, shift, selected->candidate.refines,
					&sel->cluster,
					fp_items_dims(sel->tally, &selected->candidate.items),
					selected->cover, selected->general, selected->ngeneral,
					&selected->candidate.log_p, &selected->confounders,
					&selected->nconfounders, sel->arena, sel->scratch);
	for (int i = 0; !passed && i < selected->nconfounders; i++)
		if (selected->confounders[i].verdict != FP_SUPPORTED)
			note_miss(sel, &selected->candidate,
					  selected->confounders[i].log_p, gate.log_level);
	return passed;
}

/* ----------------------------------------------------------- acceptance */

/* A copy that lasts; patterns share those of their generalisations. */
static FpCover *
keep_cover(FpSelector *sel, const FpCover *cover)
{
	int		 known = sel->nkept;
	FpCover *kept;

	if (sel->nkept == sel->kept_capacity)
	{
		int		  grown = Max(2 * sel->kept_capacity, 256);
		FpCover **covers = fp_alloc0_array(sel->arena, FpCover *, grown);

		if (sel->nkept > 0)
			memcpy(covers, sel->kept, sel->nkept * sizeof(FpCover *));
		sel->kept = covers;
		sel->kept_capacity = grown;
	}
	kept = fp_cover_find(sel->kept, &sel->nkept, &cover->probe, sel->arena);
	if (sel->nkept > known)
	{
		fp_tally_reserve(sel->tally, cover->probe.nrows * sizeof(uint32));
		fp_cover_keep(kept, cover, sel->arena);
	}
	return kept;
}

/* Splits the classes by the new pattern. */
static void
split_classes(FpSelector *sel, const FpCover *cover, int number)
{
	const FpCube *cube = sel->tally->cube;

	for (uint64 i = 0; i < cover->probe.nrows; i++)
	{
		uint32 cell = cover->probe.rows[i];
		Class *class = &sel->classes[sel->class_of[cell]];

		if ((i & 0xffff) == 0)
			FP_CHECK_INTERRUPTS();
		if (class->next_of != number)
		{
			uint32 next = sel->nclasses;

			if (next == sel->class_capacity)
			{
				fp_tally_reserve(sel->tally,
								 sel->class_capacity * 2 * sizeof(Class));
				sel->classes = fp_realloc_array(sel->arena, sel->classes,
												Class, sel->class_capacity,
												sel->class_capacity * 2);
				sel->class_capacity *= 2;
				class = &sel->classes[sel->class_of[cell]];
			}
			class->next_of = number;
			class->next = next;
			sel->classes[next] = *class;
			sel->classes[next].members[number / 64] |= UINT64CONST(1)
													   << (number % 64);
			sel->classes[next].total.n = sel->classes[next].total.f = 0;
			sel->classes[next].next_of = -1;
			sel->nclasses++;
		}
		class->total.n -= cube->trials[cell];
		class->total.f -= sel->tally->fails[cell];
		sel->class_of[cell] = class->next;
		sel->classes[class->next].total.n += cube->trials[cell];
		sel->classes[class->next].total.f += sel->tally->fails[cell];
	}
	sel->class_version++;
}

/* Accepts; returns whether an earlier pattern fell by it. */
static bool
accept(FpSelector *sel, const FpSelected *chosen)
{
	FpSelection *selection = sel->selection;
	FpSelected	*kept = fp_alloc0_array(sel->arena, FpSelected, 1);
	int			 number = selection->n;
	bool		 fell = false;
	FpCount		 own;
	FpOverlap	*overlaps = find_overlaps(sel, chosen->cover, &own);

	*kept = *chosen;
	kept->cover = keep_cover(sel, chosen->cover);
	kept->general =
		fp_alloc0_array(sel->arena, FpCover *, FP_MAX_GENERALISATIONS);
	for (int g = 0; g < chosen->ngeneral; g++)
		kept->general[g] = keep_cover(sel, chosen->general[g]);
	selection->patterns[selection->n++] = kept;
	fp_screen_step(sel->screen, &kept->candidate);
	split_classes(sel, kept->cover, number);

	for (int t = 0; t < number; t++)
	{
		FpSelected *earlier = selection->patterns[t];
		FpOverlap	relevant[FP_MAX_RELEVANT];
		int			n;

		/* has the new one a part in its excess at all? */
		if (earlier->dropped || overlaps[t].count.n == 0 ||
			excess_of(sel, overlaps[t].count) <
				RELEVANT_SHARE * excess_of(sel, earlier->candidate.count))
			continue;
		n = find_relevant(sel, earlier->cover, t, relevant);
		for (int i = 0; i < n; i++)
			if (relevant[i].pattern == number &&
				!not_explained(sel, earlier, relevant, n))
			{
				earlier->dropped = true;
				earlier->dropped_for = number;
				fell = true;
				break;
			}
	}
	return fell;
}

static bool
is_alias(const FpSelector *sel, const FpSelected *chosen,
		 const FpOverlap *overlap)
{
	const FpSelected *other = sel->selection->patterns[overlap->pattern];
	int64 sum = chosen->candidate.count.n + other->candidate.count.n -
				overlap->count.n;

	return (double) overlap->count.n >= SAME_JACCARD * (double) sum;
}

static void
add_alias(FpSelector *sel, FpSelected *pattern, const FpItems *items)
{
	FpItems *grown =
		fp_alloc_array(sel->arena, FpItems, pattern->naliases + 1);

	if (pattern->naliases > 0)
		memcpy(grown, pattern->aliases, sizeof(FpItems) * pattern->naliases);
	grown[pattern->naliases++] = *items;
	pattern->aliases = grown;
}

/*
 * Strongest evidence first, then the simpler, then by content.  Of two names
 * of the same observations, the one that names a set's members says more than
 * the one that only counts them.
 */
static int
compare_candidates(const void *a, const void *b)
{
	const FpCandidate *x = a;
	const FpCandidate *y = b;

	FP_CHECK_INTERRUPTS();
	if (x->llr != y->llr)
		return x->llr < y->llr ? 1 : -1;
	if (x->counts != y->counts)
		return x->counts ? 1 : -1;
	if (x->order != y->order)
		return x->order - y->order;
	return fp_items_compare(&x->items, &y->items);
}

/*
 * A candidate until its fate is settled.  It is looked at again where what
 * refused it may have gone (a pattern that fell), or where the level has risen
 * to where it may pass.
 */
typedef struct Waiting
{
	FpCandidate *candidate;
	double		 log_level; /* at which it was looked at; -INFINITY: not yet */
	bool		 refused;	/* by accepted patterns */
	bool		 significant; /* by itself: to be told where it is folded */
	bool		 near;		  /* by a p that Holm's steps may still let pass */
	bool		 told;		  /* significant has been looked at */
	int			 folded_into; /* the one with the largest part in it */
} Waiting;

/* Is there a reason to look at it (again)? */
static bool
is_due(const FpSelector *sel, const Waiting *waiting, bool fell)
{
	double log_level = fp_screen_level(sel->screen, waiting->candidate);

	return waiting->candidate->log_p <= log_level &&
		   ((waiting->refused && fell) ||
			(waiting->near && log_level > waiting->log_level));
}

/*
 * How many candidates to look at next, so that the lists of their cells stay
 * within an eighth of the memory.
 */
static int
batch_size(const FpSelector *sel, Waiting *const *waiting, int64 nwaiting)
{
	double room = sel->tally->memory_limit > 0
					  ? (double) sel->tally->memory_limit / 8
					  : 128.0 * 1024 * 1024;
	int	   n = 0;

	while (n < Min(BATCH, nwaiting))
	{
		FpItems general[FP_MAX_GENERALISATIONS];
		int		ngeneral =
			fp_items_generalise(sel->tally, &waiting[n]->candidate->items,
								general);
		double cells = (double) waiting[n]->candidate->count.n;

		for (int g = 0; g < ngeneral; g++)
		{
			FpProbe probe;

			fp_items_probe(&general[g], (1u << general[g].n) - 1, &probe);
			cells += (double) fp_probe_count(sel->tally, &probe).n;
		}
		/* no more cells than trials; lists grow by doubling */
		room -= fmin(cells, (double) (ngeneral + 1) *
								(double) sel->tally->cube->ncells) *
				2 * sizeof(uint32);
		if (n > 0 && room < 0)
			break;
		n++;
	}
	return n;
}

/*
 * Refused for what is accepted.  The strongest for each pattern are told, if
 * they are significant with their clusters too.
 */
static void
refuse(FpSelector *sel, Waiting *waiting, FpSelected *chosen, int pattern)
{
	waiting->refused = true;
	waiting->folded_into = pattern;
	if (waiting->told)
		return;
	if (sel->selection->patterns[pattern]->nrefused >= FP_MAX_FOLDED)
		return;
	sel->selection->patterns[pattern]->nrefused++;
	waiting->told = true;
	waiting->significant = passes_clustered(sel, chosen);
}

/* Looks at a batch; returns whether an accepted pattern fell. */
static bool
select_batch(FpSelector *sel, Waiting **batch, int n)
{
	FpSelected *chosen = fp_alloc0_array(sel->scratch, FpSelected, n);
	FpCover	  **covers = fp_alloc0_array(sel->scratch, FpCover *,
										 n * (FP_MAX_GENERALISATIONS + 1));
	FpProbe	  **probes;
	int			ncovers = 0;
	bool		fell = false;

	for (int i = 0; i < n; i++)
	{
		FpItems general[FP_MAX_GENERALISATIONS];
		FpProbe probe;

		const FpCandidate *candidate = batch[i]->candidate;

		chosen[i].candidate = *candidate;
		chosen[i].log_redundant = -INFINITY;
		chosen[i].ngeneral =
			fp_items_generalise(sel->tally, &candidate->items, general);
		chosen[i].general =
			fp_alloc0_array(sel->scratch, FpCover *, FP_MAX_GENERALISATIONS);
		fp_items_probe(&candidate->items, (1u << candidate->items.n) - 1,
					   &probe);
		chosen[i].cover =
			fp_cover_find(covers, &ncovers, &probe, sel->scratch);
		for (int g = 0; g < chosen[i].ngeneral; g++)
		{
			fp_items_probe(&general[g], (1u << general[g].n) - 1, &probe);
			chosen[i].general[g] =
				fp_cover_find(covers, &ncovers, &probe, sel->scratch);
		}
	}
	probes = fp_alloc_array(sel->scratch, FpProbe *, ncovers + 1);
	for (int i = 0; i < ncovers; i++)
		probes[i] = &covers[i]->probe;
	fp_tally_rows((FpTally *) sel->tally, probes, ncovers, sel->scratch);

	for (int i = 0; i < n; i++)
	{
		FpOverlap relevant[FP_MAX_RELEVANT];
		int		  nrelevant;
		bool	  known = false;

		if (sel->selection->n == FP_MAX_PATTERNS)
			break;
		sel->near = false;
		batch[i]->refused = batch[i]->near = false;
		batch[i]->log_level =
			fp_screen_level(sel->screen, &chosen[i].candidate);
		nrelevant = find_relevant(sel, chosen[i].cover, -1, relevant);
		for (int t = 0; t < nrelevant && !known; t++)
			if (is_alias(sel, &chosen[i], &relevant[t]))
			{
				add_alias(sel, sel->selection->patterns[relevant[t].pattern],
						  &chosen[i].candidate.items);
				known = true;
			}
		if (known)
			continue;
		/* what falls without the variance of clusters falls with it */
		chosen[i].inflation = 1;
		if (!not_explained(sel, &chosen[i], relevant, nrelevant))
			refuse(sel, batch[i], &chosen[i], relevant[0].pattern);
		else if (passes_clustered(sel, &chosen[i]))
		{
			if (chosen[i].inflation > 1 &&
				!not_explained(sel, &chosen[i], relevant, nrelevant))
				refuse(sel, batch[i], &chosen[i], relevant[0].pattern);
			else if (not_confounded(sel, &chosen[i]))
			{
				fell |= accept(sel, &chosen[i]);
				continue;
			}
		}
		batch[i]->near = sel->near;
	}
	return fell;
}

/*
 * Patterns that fell are nothing that others must be told from any more: the p
 * of gate D is that against those that are left.
 */
static void
test_against_rest(FpSelector *sel)
{
	FpSelection *selection = sel->selection;
	bool		 fell = false;

	for (int t = 0; t < selection->n; t++)
		fell |= selection->patterns[t]->dropped;
	sel->scratch = fp_arena_create(sel->arena, "failpat last look");
	for (int t = 0; fell && t < selection->n; t++)
	{
		FpSelected *pattern = selection->patterns[t];
		double		before = pattern->log_redundant;
		FpOverlap	relevant[FP_MAX_RELEVANT];
		int			n;

		if (pattern->dropped || before == -INFINITY)
			continue;
		n = find_relevant(sel, pattern->cover, t, relevant);
		pattern->log_redundant = -INFINITY;
		if (!not_explained(sel, pattern, relevant, n))
			pattern->log_redundant = before;
	}
	for (int i = 0; i < sel->nkept; i++)
		sel->kept[i]->class_version = -1;
	fp_arena_delete(sel->scratch);
}

static void
add_folded(FpSelector *sel, int number, const FpItems *items)
{
	FpSelected *pattern = sel->selection->patterns[number];

	/* what it was folded into may itself have been: later ones explain it */
	while (pattern->dropped)
		pattern = sel->selection->patterns[pattern->dropped_for];
	if (pattern->folded == NULL)
		pattern->folded = fp_alloc_array(sel->arena, FpItems, FP_MAX_FOLDED);
	if (pattern->nfolded < FP_MAX_FOLDED)
		pattern->folded[pattern->nfolded++] = *items;
}

/* Tells each pattern of what it stands for. */
static void
fold(FpSelector *sel, const Waiting *waiting, int64 nwaiting)
{
	for (int t = 0; t < sel->selection->n; t++)
	{
		FpSelected *pattern = sel->selection->patterns[t];

		if (pattern->dropped)
			add_folded(sel, pattern->dropped_for, &pattern->candidate.items);
	}
	for (int64 i = 0; i < nwaiting; i++)
		if (waiting[i].refused && waiting[i].significant)
			add_folded(sel, waiting[i].folded_into,
					   &waiting[i].candidate->items);
}

FpSelection *
fp_select(FpScreen *screen, FpDirection direction, FpCandidate *candidates,
		  int64 ncandidates, FpArena arena)
{
	FpSelector *sel = fp_alloc0_array(arena, FpSelector, 1);
	Waiting	   *waiting;
	Waiting	  **due;
	bool		fell = false;

	sel->selection = fp_alloc0_array(arena, FpSelection, 1);
	sel->selection->patterns =
		fp_alloc0_array(arena, FpSelected *, FP_MAX_PATTERNS);
	sel->screen = screen;
	sel->tally = screen->tally;
	sel->arena = arena;
	sel->tallier.tally = screen->tally;
	sel->tallier.arena = arena;
	sel->cluster = fp_cluster_find(sel->tally, arena);
	sel->direction = direction;
	sel->selection->selector = sel;
	fp_tally_reserve(sel->tally, sel->tally->cube->ncells * sizeof(uint32));
	sel->class_of = fp_alloc0_array(arena, uint32, sel->tally->cube->ncells);
	sel->class_capacity = 64;
	sel->classes = fp_alloc0_array(arena, Class, sel->class_capacity);
	sel->classes[0].total = sel->tally->total;
	sel->classes[0].next_of = -1;
	sel->nclasses = 1;

	qsort(candidates, ncandidates, sizeof(FpCandidate), compare_candidates);
	fp_tally_reserve(sel->tally,
					 ncandidates * (sizeof(Waiting) + sizeof(Waiting *)));
	waiting = fp_alloc0_array(arena, Waiting, ncandidates);
	due = fp_alloc_array(arena, Waiting *, ncandidates);
	for (int64 i = 0; i < ncandidates; i++)
	{
		waiting[i].candidate = &candidates[i];
		waiting[i].log_level = -INFINITY;
		waiting[i].near = true;
	}

	/* again while something changes: twice is nearly always enough */
	for (int round = 0; round < MOST_ROUNDS; round++)
	{
		int64 ndue = 0;

		for (int64 i = 0; i < ncandidates; i++)
			if (is_due(sel, &waiting[i], fell))
				due[ndue++] = &waiting[i];
		if (ndue == 0)
			break;
		fell = false;
		for (int64 first = 0; first < ndue;)
		{
			int n = batch_size(sel, due + first, ndue - first);

			sel->scratch = fp_arena_create(arena, "failpat batch");
			fell |= select_batch(sel, due + first, n);
			/* their tallies lay in the scratch arena */
			for (int i = 0; i < sel->nkept; i++)
				sel->kept[i]->class_version = -1;
			fp_arena_delete(sel->scratch);
			first += n;
		}
	}
	test_against_rest(sel);
	fold(sel, waiting, ncandidates);
	return sel->selection;
}

/* ------------------------------------------------------- explanations */

int
fp_select_relevant(FpSelection *selection, FpCover *cover, FpOverlap *relevant,
				   FpArena arena)
{
	selection->selector->scratch = arena;
	return find_relevant(selection->selector, cover, -1, relevant);
}

FpStrataTest
fp_select_within(FpSelection *selection, const FpGate *gate, FpCover *cover,
				 FpCover *whole, const FpOverlap *relevant, int nrelevant,
				 FpArena arena)
{
	selection->selector->scratch = arena;
	return test_within(selection->selector, gate, cover, whole, relevant,
					   nrelevant);
}

FpTallier *
fp_select_tallier(FpSelection *selection, FpCluster *cluster)
{
	*cluster = selection->selector->cluster;
	return &selection->selector->tallier;
}
