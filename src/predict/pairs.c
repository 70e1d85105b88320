/*-------------------------------------------------------------------------
 *
 * pairs.c
 *		Which two terms together do more than each by itself.
 *
 * For every pair of terms that meet in a cell, the failures observed less
 * those that the model expects, over the square root of their variance, are
 * compared with chance; all pairs count as tests.  A hash table has the pairs
 * that occur.
 *
 * Working memory is in a child of the arena given, deleted on return; the
 * table holds MAX_PAIRS pairs at most, those of dimensions of few values first.
 * No locks.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#include "predict/fit.h"

#include <math.h>

#include "cube/dict.h"
#include "stats/special.h"

#define CHECK_EVERY 2048	/* rows between looks at interrupts */
#define MAX_PAIRS 2000000	/* that are counted */
#define MIN_INFORMATION 1.0 /* sum of n p (1 - p) of a pair */

typedef struct Pair
{
	uint32 a;
	uint32 b;
	double residual;
	double variance;
} Pair;

typedef struct Table
{
	FpArena		   arena;
	const FpModel *model;
	bool		  *takes_part; /* by term */
	FpWordMap	   at;		   /* a << 32 | b -> number + 1 */
	Pair		  *list;
	uint32		   n;
	uint32		   cap;
} Table;

/* may this term be part of a pair? */
static bool
pairs_up(const FpModel *model, const FpTerm *term)
{
	FpBlockKind kind = model->blocks[term->block].kind;

	return term->nparts == 1 && term->parts[0].kind != FP_PART_MISSING &&
		   (kind == FP_BLOCK_VALUES || kind == FP_BLOCK_MEMBERS ||
			kind == FP_BLOCK_LEVELS || kind == FP_BLOCK_RECENT);
}

static void
add_pair(void *arg, uint32 a, uint32 b, FpTwo sum)
{
	Table		  *table = arg;
	const FpModel *model = table->model;
	const FpTerm  *term = &model->terms[Min(a, b)];
	uint64		   key = (uint64) Min(a, b) << 32 | Max(a, b);
	uint32		   at;
	Pair		  *pair;

	if (a == b || !table->takes_part[a] || !table->takes_part[b])
		return;
	/* periods lie in one another */
	if (model->blocks[term->block].kind == FP_BLOCK_RECENT &&
		model->terms[Max(a, b)].block == term->block)
		return;
	at = fp_words_find(&table->at, key);
	if (at == 0)
	{
		if (table->n == MAX_PAIRS)
			return;
		if (table->n == table->cap)
		{
			uint32 cap = Max(4096, table->cap * 2);

			table->list = table->list
							  ? fp_realloc_array(table->arena, table->list,
												 Pair, table->cap, cap)
							  : fp_alloc_array(table->arena, Pair, cap);
			table->cap = cap;
		}
		pair = &table->list[table->n++];
		pair->a = Min(a, b);
		pair->b = Max(a, b);
		pair->residual = pair->variance = 0;
		fp_words_add(table->arena, &table->at, key, table->n);
	}
	else
		pair = &table->list[at - 1];
	pair->residual += sum[0];
	pair->variance += sum[1];
}

static double
square_of(const Pair *pair)
{
	return pair->residual * pair->residual / pair->variance;
}

static int
compare_pairs(const void *left, const void *right)
{
	const Pair *a = left;
	const Pair *b = right;
	double		x = square_of(a);
	double		y = square_of(b);

	if (x != y)
		return x > y ? -1 : 1;
	if (a->a != b->a)
		return a->a < b->a ? -1 : 1;
	return a->b < b->b ? -1 : a->b > b->b;
}

/* is the pair a term already, or a known pattern of just these? */
static bool
known_pair(const FpModel *model, const Pair *pair)
{
	const FpPart *a = &model->terms[pair->a].parts[0];
	const FpPart *b = &model->terms[pair->b].parts[0];

	for (uint32 t = model->nterms; t-- > 0;)
	{
		const FpTerm *term = &model->terms[t];
		bool		  has_a = false;
		bool		  has_b = false;

		if (model->blocks[term->block].kind < FP_BLOCK_PATTERNS)
			break;
		for (int p = 0; p < term->nparts && term->nparts == 2; p++)
		{
			const FpPart *part = &term->parts[p];

			has_a = has_a || (part->kind == a->kind && part->dim == a->dim &&
							  part->code == a->code && part->min == a->min &&
							  part->max == a->max);
			has_b = has_b || (part->kind == b->kind && part->dim == b->dim &&
							  part->code == b->code && part->min == b->min &&
							  part->max == b->max);
		}
		if (has_a && has_b)
			return true;
	}
	return false;
}


FpPairs
fp_screen_pairs(FpArena result, const FpModel *model, const FpTermIndex *index,
				const FpRows *rows, const FpModelOptions *options)
{
	FpPairs		 pairs = {0};
	FpArena		 arena = fp_arena_create(result, "failpat pairs");
	Table		 table = {0};
	double		*log_odds = fp_alloc_array(arena, double, rows->n + 1);
	FpTwoStored *values = fp_alloc_array(arena, FpTwoStored, rows->n + 1);
	uint32		 tests = 0;
	uint32		 chosen = 0;
	double		 excess = 0;
	double		 weight = 0;
	double		 noise = 0;

	table.arena = arena;
	table.model = model;
	table.takes_part = fp_alloc_array(arena, bool, model->nterms);
	for (uint32 t = 0; t < model->nterms; t++)
		table.takes_part[t] = pairs_up(model, &model->terms[t]);
	fp_row_log_odds(arena, model, index, rows, log_odds);
	for (uint64 r = 0; r < rows->n; r++)
	{
		double n = (double) rows->trials[r];
		double p = 1 / (1 + exp(-log_odds[r]));

		if (r % CHECK_EVERY == 0)
			FP_CHECK_INTERRUPTS();
		values[r] = (FpTwo){(double) rows->failures[r] - n * p,
							n * p * (1 - p) * model->dispersion};
	}
	fp_cross_terms(arena, index, rows, true, values, add_pair, &table);
	for (uint32 i = 0; i < table.n; i++)
		if (table.list[i].variance >= MIN_INFORMATION * model->dispersion)
			table.list[tests++] = table.list[i];
	if (tests > 1)
		qsort(table.list, tests, sizeof(Pair), compare_pairs);

	/* Benjamini-Hochberg: the last that is below its line, and all before */
	for (uint32 i = 0; i < tests; i++)
	{
		double log_p =
			log(2) + fp_normal_log_upper(sqrt(square_of(&table.list[i])));

		if (log_p <= log(options->pair_fdr * (double) (i + 1) / tests))
			chosen = i + 1;
	}
	chosen = Min(chosen, (uint32) options->max_pairs);
	pairs.parts = fp_alloc_array(result, FpPart, 2 * (uint64) chosen + 1);
	for (uint32 i = 0; i < chosen; i++)
	{
		if (known_pair(model, &table.list[i]))
			continue;
		pairs.parts[2 * (size_t) pairs.n] =
			model->terms[table.list[i].a].parts[0];
		pairs.parts[2 * (size_t) pairs.n + 1] =
			model->terms[table.list[i].b].parts[0];
		pairs.n++;
	}

	/*
	 * What the others do on average, by moments, weighted by information: a
	 * pair's squared residual is v + v^2 s where its effect has the variance
	 * s.  An observation meets several pairs, of which each block of pairs
	 * has one: what is summed here counts for a pair, not for all of them.
	 */
	for (uint32 i = chosen; i < tests; i++)
	{
		double v = table.list[i].variance / model->dispersion;
		double r = table.list[i].residual;

		excess += r * r - table.list[i].variance;
		weight += v * v;
		noise += 2 * table.list[i].variance * table.list[i].variance;
	}
	if (weight > 0 && excess > 3 * sqrt(noise))
		pairs.unmodelled = excess / weight;
	fp_arena_delete(arena);
	return pairs;
}
