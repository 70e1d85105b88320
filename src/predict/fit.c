/*-------------------------------------------------------------------------
 *
 * fit.c
 *		Fitting the model: penalised Newton steps on the cells of a cube.
 *
 * Gradient and curvature come from passes over the cells (pass.c).  The
 * Hessian in full comes from a sample of the cells; with more cells than that
 * it preconditions steps whose gradient is that of all cells, so that the
 * effects are those of all data.  Up to MAX_DENSE terms, the most frequent, are
 * solved for together; the others step each by itself, by as much as is safe
 * when several of them meet in a cell.
 *
 * The model is in the caller's arena; everything else is in a child of it,
 * deleted on return: codes and counts of a sample, the Hessian (8 MB for
 * 1,024 terms), the terms of each cell that are not simple.  No locks.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#include "predict/fit.h"

#include <math.h>

#include "cube/build.h"
#include "predict/dense.h"

#define CHECK_EVERY 8192 /* cells between looks at interrupts */
#define MAX_DENSE 1024
#define MAX_TERMS 4096	   /* of a block */
#define MAX_STEPS 40	   /* on the sample */
#define FRESH 0.02		   /* log-odds that leave the Hessian as it is */
#define MAX_FULL_STEPS 5   /* on all cells */
#define PATTERN_SPREAD 1.0 /* prior variance of a pattern's effect */
#define PAIR_SPREAD 0.25   /* and of a pair's, before it is estimated */
#define SCREENS 2		   /* rounds of looking for pairs */
#define WORTH_DISPERSING 1.1

typedef struct Fit
{
	FpArena				  arena;
	FpArena				  work; /* of the terms as they are */
	FpModel				 *model;
	const FpModelOptions *options;
	FpTermIndex			 *index;
	FpColumns			 *all;
	FpColumns			 *few;	  /* those of the sample, or all */
	FpRows				  sample; /* all of them, where there are few */
	bool				  sampled;
	int32				 *dense_of; /* of a term: its row, or -1 */
	uint32				  most;		/* terms that are not dense, in a cell */
	double				 *hessian;	/* of the log-likelihood, sample's scale */
	double				 *factor;
	FpSums				  sums;
} Fit;

void
fp_model_defaults(FpModelOptions *options)
{
	options->max_pairs = 200;
	options->pair_fdr = 0.1;
	options->dispersion = 1;
	options->tune = true;
	options->spread = 0.25;
	options->sample = 300000;
	options->measure = NULL;
	options->measure_arg = NULL;
}

/* --- the Hessian ------------------------------------------------------- */

/* most terms that are not dense, in a row of the sample */
static uint32
count_sparse(Fit *fit)
{
	const FpTermIndex *index = fit->index;
	const FpRows	  *rows = &fit->sample;
	uint32			   most = 1;
	uint32			   terms[FP_ROW_TERMS];

	if (fit->model->ndense == fit->model->nterms)
		return most;
	for (uint64 r = 0; r < rows->n; r++)
	{
		uint32 n = fp_row_terms(index, rows, r, terms);
		uint32 sparse = 0;

		if (r % CHECK_EVERY == 0)
			FP_CHECK_INTERRUPTS();
		for (uint32 i = 0; i < n; i++)
			sparse += fit->dense_of[terms[i]] < 0;
		most = Max(most, sparse);
	}
	return most;
}

static void
add_weight(void *arg, uint32 a, uint32 b, FpTwo sum)
{
	const Fit *fit = arg;
	int32	   i = fit->dense_of[a];
	int32	   j = fit->dense_of[b];

	if (i >= 0 && j >= 0)
		fit->hessian[(size_t) Max(i, j) * fit->model->ndense + Min(i, j)] +=
			sum[0];
}

/* the dense terms' Hessian, from the sample */
static void
take_hessian(Fit *fit)
{
	FpModel		 *model = fit->model;
	uint32		  n = model->ndense;
	const FpRows *rows = &fit->sample;
	double		 *log_odds = fp_alloc_array(fit->arena, double, rows->n + 1);
	FpTwoStored	 *weights =
		fp_alloc_array(fit->arena, FpTwoStored, rows->n + 1);

	memset(fit->hessian, 0, (size_t) n * n * sizeof(double));
	fp_row_log_odds(fit->arena, model, fit->index, rows, log_odds);
	for (uint64 r = 0; r < rows->n; r++)
	{
		double e = exp(-fabs(log_odds[r]));

		if (r % CHECK_EVERY == 0)
			FP_CHECK_INTERRUPTS();
		weights[r] = (FpTwo){(double) rows->trials[r] * e /
								 ((1 + e) * (1 + e)) / model->dispersion,
							 0};
	}
	fp_free(fit->arena, log_odds);
	fp_cross_terms(fit->arena, fit->index, rows, false, weights, add_weight,
				   fit);
	fp_free(fit->arena, weights);
}

/* factor of the posterior's Hessian; scale: of all rows to those of it */
static void
take_factor(Fit *fit, double scale)
{
	FpModel *model = fit->model;
	uint32	 n = model->ndense;

	for (size_t i = 0; i < (size_t) n * n; i++)
		fit->factor[i] = fit->hessian[i] * scale;
	for (uint32 b = 0; b < model->nblocks; b++)
	{
		const FpBlock *block = &model->blocks[b];

		for (uint32 i = 0; i < block->n; i++)
		{
			int32 at = fit->dense_of[block->first + i];

			if (at < 0)
				continue;
			fit->factor[(size_t) at * n + at] += fp_precision(model, block, i);
			/* smooth blocks have a few dozen terms at most */
			for (uint32 j = 0; fp_is_smooth(block) && j < i; j++)
			{
				int32 other = fit->dense_of[block->first + j];

				if (other < 0)
					continue;
				fit->factor[(size_t) Max(at, other) * n + Min(at, other)] +=
					fp_block_weight(model, block, i) *
						fp_block_weight(model, block, j) / FP_MEAN_SPREAD -
					(j + 1 == i ? 1 / block->spread : 0);
			}
		}
	}
	if (!fp_dense_factor(fit->factor, n))
		fp_error(FP_ERR_DATA, NULL, NULL,
				 "the model's Hessian is not positive definite");
}

/* --- steps ------------------------------------------------------------- */

/* frequent terms, the intercept, and levels, whose mean is held together */
static bool
is_dense(const FpModel *model, uint32 t, int64 floor)
{
	return t == 0 || model->terms[t].trials >= floor ||
		   fp_is_smooth(&model->blocks[model->terms[t].block]);
}

/* what is dense, and room for it */
static void
prepare(Fit *fit)
{
	FpModel *model = fit->model;
	int64	 floor = 0;
	uint32	 n;

	fp_arena_reset(fit->work);
	fit->index = fp_index_terms(fit->work, model);
	fp_index_rows(fit->work, model, fit->index, &fit->sample);
	fp_index_columns(fit->work, model, fit->index, fit->few);
	fit->dense_of = fp_alloc_array(fit->work, int32, model->nterms);
	for (;;)
	{
		n = 0;
		for (uint32 t = 0; t < model->nterms; t++)
			n += is_dense(model, t, floor);
		if (n <= MAX_DENSE || floor > model->trials)
			break;
		floor = floor * 5 / 4 + 1;
	}
	model->ndense = 0;
	model->dense = fp_alloc_array(fit->work, uint32, n + 1);
	for (uint32 t = 0; t < model->nterms; t++)
	{
		fit->dense_of[t] = -1;
		if (!is_dense(model, t, floor))
			continue;
		fit->dense_of[t] = (int32) model->ndense;
		model->dense[model->ndense++] = t;
	}
	fit->most = count_sparse(fit);
	fit->hessian = fp_alloc_array(fit->work, double, (uint64) n *n + 1);
	fit->factor = fp_alloc_array(fit->work, double, (uint64) n *n + 1);
	fit->sums.gradient = fp_alloc_array(fit->work, double, model->nterms);
	fit->sums.curvature = fp_alloc_array(fit->work, double, model->nterms);
}

/* the gradient of the posterior, from the sums */
static void
take_gradient(const Fit *fit, double *g)
{
	memcpy(g, fit->sums.gradient, fit->model->nterms * sizeof(double));
	fp_penalise(fit->model, g);
}

/* the factor's inverse times g */
static void
precondition(Fit *fit, const double *g, double *step)
{
	FpModel *model = fit->model;
	double	*x = fp_alloc_array(fit->arena, double, model->ndense + 1);

	for (uint32 i = 0; i < model->ndense; i++)
		x[i] = g[model->dense[i]];
	fp_dense_solve(fit->factor, model->ndense, x);
	for (uint32 t = 0; t < model->nterms; t++)
	{
		const FpBlock *block = &model->blocks[model->terms[t].block];

		if (fit->dense_of[t] >= 0)
			step[t] = x[fit->dense_of[t]];
		else
			step[t] =
				g[t] / (fit->sums.curvature[t] * (double) (fit->most + 1) +
						fp_precision(model, block, t - block->first) * 2);
	}
	fp_free(fit->arena, x);
}

static double
product(const double *a, const double *b, uint32 n)
{
	double sum = 0;

	for (uint32 i = 0; i < n; i++)
		sum += a[i] * b[i];
	return sum;
}

/* from the sums and the factor: what each effect changes by */
static double
direction(Fit *fit, double *step)
{
	double *g = fp_alloc_array(fit->arena, double, fit->model->nterms);
	double	decrement;

	take_gradient(fit, g);
	precondition(fit, g, step);
	decrement = product(g, step, fit->model->nterms);
	fp_free(fit->arena, g);
	return decrement;
}

static void
move(FpModel *model, const double *step, double by)
{
	for (uint32 t = 0; t < model->nterms; t++)
		model->terms[t].effect += by * step[t];
}

static void
take_sums(Fit *fit, const FpColumns *columns)
{
	fp_pass(fit->arena, fit->model, fit->index, columns, &fit->sums);
}

/* to the mode for the sample, spreads along the way */
static void
fit_sample(Fit *fit)
{
	FpModel *model = fit->model;
	double	*step = fp_alloc_array(fit->arena, double, model->nterms);
	bool	 settled = !fit->options->tune;
	/* the rest of the observations count in the spreads, not in the mode */
	double accuracy = fit->sampled ? 1e-4 : 1e-13;
	double moved = INFINITY; /* log-odds, since the Hessian was taken */
	double last = INFINITY;

	take_sums(fit, fit->few);
	for (int round = 0; round < MAX_STEPS; round++)
	{
		double before;
		double decrement;
		double by = 1;

		bool tuned = !settled && round > 0;

		if (tuned)
			settled =
				fp_tune(fit->arena, model, &fit->sums) < 0.02 || round >= 12;
		/* what has moved little has much the same curvature */
		if (moved > FRESH)
			take_hessian(fit);
		if (moved > FRESH || tuned)
			take_factor(fit, 1);
		if (moved > FRESH)
			moved = 0;
		decrement = direction(fit, step);
		before = fit->sums.log_likelihood - fp_penalty(model);
		move(model, step, 1);
		for (;;)
		{
			take_sums(fit, fit->few);
			if (fit->sums.log_likelihood - fp_penalty(model) >=
					before - 1e-9 * fabs(before) ||
				by < 1e-4)
				break;
			move(model, step, -by / 2);
			by /= 2;
		}
		if (settled && by == 1 && decrement < accuracy)
			break;
		moved += sqrt(Max(decrement, 0) / fit->sums.curvature[0]);
		if (by < 1 || (!tuned && decrement > 0.2 * last))
			moved = INFINITY; /* but it does not get there */
		last = decrement;
	}
	fp_free(fit->arena, step);
}

/*
 * What the sample has too much or too little of a term: its Hessian gets the
 * diagonal of that of all cells, and keeps its correlations.
 */
static void
scale_hessian(Fit *fit)
{
	uint32	n = fit->model->ndense;
	double *scale = fp_alloc_array(fit->arena, double, n + 1);

	for (uint32 i = 0; i < n; i++)
	{
		double full =
			fit->sums.curvature[fit->model->dense[i]] * fit->sample.share;
		double *own = &fit->hessian[(size_t) i * n + i];

		if (!(*own > 0))
			*own = full; /* it has no correlations either */
		scale[i] = *own > 0 ? sqrt(full / *own) : 1;
	}
	for (uint32 i = 0; i < n; i++)
		for (uint32 j = 0; j <= i; j++)
			fit->hessian[(size_t) i * n + j] *= scale[i] * scale[j];
	fp_free(fit->arena, scale);
}

/*
 * From the sample's mode to that of all cells: limited-memory BFGS, from the
 * sample's Hessian on (Nocedal, Mathematics of Computation 35, 1980).
 */
static void
fit_all(Fit *fit)
{
	FpModel *model = fit->model;
	uint32	 n = model->nterms;
	double	*g[MAX_FULL_STEPS + 1]; /* gradients at each pass, */
	double	*s[MAX_FULL_STEPS];		/* and the moves between them */
	double	 of[MAX_FULL_STEPS];
	double	*q = fp_alloc_array(fit->arena, double, n);
	double	 before = -INFINITY;

	fp_index_columns(fit->work, model, fit->index, fit->all);
	take_hessian(fit);
	for (int round = 0; round < MAX_FULL_STEPS; round++)
	{
		double by = 1;

		take_sums(fit, fit->all);
		while (fit->sums.log_likelihood - fp_penalty(model) < before &&
			   by > 0.05)
		{
			/* too far: the sample's curvature is but a sample's */
			move(model, s[round - 1], -by / 2);
			by /= 2;
			take_sums(fit, fit->all);
		}
		before = fit->sums.log_likelihood - fp_penalty(model);
		if (round == 0)
		{
			scale_hessian(fit);
			take_factor(fit, 1 / fit->sample.share);
		}
		g[round] = fp_alloc_array(fit->arena, double, n);
		s[round] = fp_alloc_array(fit->arena, double, n);
		take_gradient(fit, g[round]);
		memcpy(q, g[round], n * sizeof(double));
		for (uint32 t = 0; round > 0 && t < n; t++)
		{
			s[round - 1][t] *= by;
			/* from here on, how the gradient fell on that move */
			g[round - 1][t] -= g[round][t];
		}
		for (int i = round - 1; i >= 0; i--)
		{
			of[i] = product(s[i], q, n) / product(s[i], g[i], n);
			for (uint32 t = 0; t < n; t++)
				q[t] -= of[i] * g[i][t];
		}
		precondition(fit, q, s[round]);
		for (int i = 0; i < round; i++)
		{
			double more =
				of[i] - product(g[i], s[round], n) / product(s[i], g[i], n);

			for (uint32 t = 0; t < n; t++)
				s[round][t] += more * s[i][t];
		}
		if (product(g[round], s[round], n) < 1e-2)
			break;
		move(model, s[round], 1);
	}
}

/* what the dimensions do where they are not told, on average over the rows */
static void
average(Fit *fit, FpArena arena, const FpColumns *rows)
{
	FpModel *model = fit->model;
	double **tables = fp_effect_tables(fit->arena, model, fit->index);

	model->use = fp_alloc0_array(arena, FpDimUse, model->cube->ndims + 1);
	for (int u = 0; u < fit->index->nused; u++)
	{
		int			   d = fit->index->used[u];
		const FpPlace *place = &rows->places[d];
		FpDimUse	  *use = &model->use[d];
		double		   n = 0;
		double		   sum = 0;
		double		   square = 0;

		use->used = true;
		for (uint32 c = 0; c < place->ncodes; c++)
		{
			double x = tables[d][c];

			n += (double) place->trials[c];
			sum += x * (double) place->trials[c];
			square += x * x * (double) place->trials[c];
		}
		use->mean = sum / n;
		use->variance = Max(0, square / n - use->mean * use->mean);
	}
	for (uint32 b = 0; b < model->nblocks; b++)
		if (model->blocks[b].dim >= 0 &&
			(model->blocks[b].kind == FP_BLOCK_VALUES ||
			 model->blocks[b].kind == FP_BLOCK_MEMBERS))
			model->use[model->blocks[b].dim].spread = model->blocks[b].spread;
}

/* posterior variances */
static void
finish(Fit *fit, FpArena arena)
{
	FpModel *model = fit->model;
	uint32	*dense = fp_alloc_array(arena, uint32, model->ndense + 1);
	uint32	 n = model->ndense;

	if (!fit->sampled)
		take_hessian(fit);
	take_factor(fit, 1 / fit->sample.share);
	fp_dense_invert(fit->arena, fit->factor, n);
	model->covariance = fp_alloc_array(arena, double, (uint64) n *n + 1);
	memcpy(model->covariance, fit->factor, (size_t) n * n * sizeof(double));
	memcpy(dense, model->dense, n * sizeof(uint32));
	model->dense = dense;
	for (uint32 t = 0; t < model->nterms; t++)
	{
		FpTerm		  *term = &model->terms[t];
		const FpBlock *block = &model->blocks[term->block];
		int32		   at = fit->dense_of[t];

		if (at >= 0)
			term->variance = fit->factor[(size_t) at * n + at];
		else
			term->variance =
				1 / (fit->sums.curvature[t] +
					 fp_precision(model, block, t - block->first));
	}
}

/* counts of the terms from block on, from the rows (of a share of all) */
static void
count_terms(Fit *fit, uint32 block)
{
	FpModel *model = fit->model;
	FpRows	*rows = &fit->sample;
	uint32	 first = model->blocks[block].first;
	double	*trials;
	double	*failures;

	fp_arena_reset(fit->work);
	fit->index = fp_index_terms(fit->work, model);
	fp_index_rows(fit->work, model, fit->index, rows);
	trials = fp_alloc0_array(fit->work, double, model->nterms);
	failures = fp_alloc0_array(fit->work, double, model->nterms);
	for (uint64 r = 0; r < rows->n && rows->offsets; r++)
		for (uint64 i = rows->offsets[r]; i < rows->offsets[r + 1]; i++)
		{
			trials[rows->terms[i]] += (double) rows->trials[r];
			failures[rows->terms[i]] += (double) rows->failures[r];
		}
	for (uint32 t = first; t < model->nterms; t++)
	{
		model->terms[t].trials = llround(trials[t] / rows->share);
		model->terms[t].failures = llround(failures[t] / rows->share);
	}
}

/* one of every so many cells; all of them where there are few */
static void
take_sample(Fit *fit, uint64 size)
{
	FpColumns *all = fit->all;
	int		   ndims = all->ndims;
	uint64	   n = Min(size, all->n);
	uint64	   large = 0;
	int64	  *trials = fp_alloc_array(fit->arena, int64, n + 1);
	int64	  *failures = fp_alloc_array(fit->arena, int64, n + 1);
	uint32	 **codes = fp_alloc0_array(fit->arena, uint32 *, ndims + 1);
	int64	   total = 0;

	fit->sampled = n < all->n;
	for (int d = 0; d < ndims; d++)
		if (all->places[d].column >= 0)
			codes[d] = fp_alloc_array(fit->arena, uint32, n + 1);
	for (uint64 r = 0; r < n; r++)
	{
		/* one of each stretch, but not always the same one: cells are in
		 * order, so every other cell may be of every other value */
		double within = (double) (fp_hash_word(r) >> 11) / 9007199254740992.0;
		uint64 cell =
			(uint64) (((double) r + within) * (double) all->n / (double) n);

		if (r % CHECK_EVERY == 0)
			FP_CHECK_INTERRUPTS();
		cell = fit->sampled ? Min(cell, all->n - 1) : r;
		fp_columns_counts(all, cell, 1, &large, &trials[r], &failures[r]);
		total += trials[r];
		for (int d = 0; d < ndims; d++)
			if (codes[d])
				codes[d][r] = fp_columns_code(all, d, cell);
	}
	fit->sample.n = n;
	fit->sample.codes = codes;
	fit->sample.trials = trials;
	fit->sample.failures = failures;
	fit->sample.share = (double) total / (double) fit->model->trials;
	fit->few = all;
	if (fit->sampled)
	{
		FpCells cells = {n, codes, NULL, NULL, trials, failures};

		fit->few = fp_columns_create(fit->arena, fit->model->cube,
									 fit->model->time_dim, n);
		fp_columns_add(fit->few, &cells, false);
		fp_columns_total(fit->few);
	}
}

static void
drop_pairs(FpModel *model)
{
	const FpBlock *last = &model->blocks[model->nblocks - 1];

	if (last->kind != FP_BLOCK_PAIRS)
		return;
	model->nterms = last->first;
	model->nblocks--;
}

/* a round of looking for pairs in the sample, and their effects: any? */
static bool
add_pairs(Fit *fit, FpArena arena)
{
	FpModel				 *model = fit->model;
	const FpModelOptions *options = fit->options;
	uint32				  block = model->nblocks - 1;
	FpPairs				  pairs;

	if (options->max_pairs == 0)
		return false;
	pairs =
		fp_screen_pairs(fit->arena, model, fit->index, &fit->sample, options);
	model->unmodelled = pairs.unmodelled;
	if (pairs.n == 0)
		return false;
	if (model->blocks[block].kind != FP_BLOCK_PAIRS)
		block = fp_add_block(arena, model, FP_BLOCK_PAIRS, -1,
							 options->tune ? PAIR_SPREAD : options->spread);
	for (uint32 i = 0;
		 i < pairs.n && model->blocks[block].n < (uint32) options->max_pairs;
		 i++)
		fp_add_term(arena, model, 2, pairs.parts + 2 * (size_t) i);
	count_terms(fit, block);
	prepare(fit);
	fit_sample(fit);
	return true;
}

FpModel *
fp_model_fit(FpArena arena, const FpTraining *training,
			 const FpModelPattern *patterns, int npatterns,
			 const FpModelOptions *options)
{
	FpModel *model = fp_alloc0(arena, sizeof(FpModel));
	int		 screens = SCREENS;
	Fit		 fit;

	if (!(options->pair_fdr > 0 && options->pair_fdr < 1) ||
		options->max_pairs < 0 || !(options->dispersion >= 1) ||
		!(options->spread > 0) || options->sample < 1)
		fp_error(FP_ERR_DATA, NULL, NULL,
				 "options of the model are out of range");
	memset(&fit, 0, sizeof(fit));
	fit.arena = fp_arena_create(arena, "failpat model");
	fit.work = fp_arena_create(fit.arena, "failpat terms");
	fit.model = model;
	fit.options = options;
	fit.all = training->rows;
	model->cube = training->cube;
	model->time_dim = training->time_dim;
	model->trials = training->cube->total_trials;
	model->failures = training->cube->total_failures;
	model->dispersion = options->dispersion;

	fp_make_terms(arena, model, fit.all, options->spread, MAX_TERMS);
	model->terms[0].effect =
		log(((double) model->failures + 0.5) /
			((double) (model->trials - model->failures) + 0.5));
	take_sample(&fit, options->sample);
	if (npatterns > 0)
	{
		uint32 block =
			fp_add_block(arena, model, FP_BLOCK_PATTERNS, -1, PATTERN_SPREAD);

		for (int i = 0; i < npatterns; i++)
			fp_add_term(arena, model, patterns[i].nparts, patterns[i].parts);
		count_terms(&fit, block);
	}
	prepare(&fit);
	fit_sample(&fit);
	if (options->measure)
	{
		bool   any = add_pairs(&fit, arena);
		double dispersion;

		screens = any ? SCREENS - 1 : 0;
		average(&fit, arena, fit.few);
		dispersion = options->measure(options->measure_arg, model, fit.arena);
		if (dispersion >= WORTH_DISPERSING)
		{
			/* observations tell less than as many apart: of the pairs, too */
			model->dispersion = dispersion;
			drop_pairs(model);
			prepare(&fit);
			fit_sample(&fit);
			screens = SCREENS;
		}
	}
	while (screens-- > 0 && add_pairs(&fit, arena))
		;
	if (fit.sampled)
		fit_all(&fit);
	average(&fit, arena, fit.all);
	finish(&fit, arena);
	fp_arena_delete(fit.arena);
	return model;
}
