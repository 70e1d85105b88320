/*-------------------------------------------------------------------------
 *
 * score.c
 *		From a model to probabilities.
 *
 * Results are in the caller's arena, working memory in a child of it that is
 * gone on return.  No locks.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#include <math.h>

#include "predict/fit.h"

#define NODES 24 /* on each side of the mean */

/* mean of 1 / (1 + exp(-x)), x normal: the trapezoid rule over 6 deviations */
static double
mean_logistic(double mean, double variance)
{
	double deviation = sqrt(variance);
	double sum = 0;
	double weights = 0;

	if (!(deviation > 1e-6))
		return 1 / (1 + exp(-mean));
	for (int i = -NODES; i <= NODES; i++)
	{
		double u = 6.0 * i / NODES;
		double w = exp(-u * u / 2);

		sum += w / (1 + exp(-(mean + u * deviation)));
		weights += w;
	}
	return sum / weights;
}

FpPrediction
fp_predict_from(double log_odds, double known, double mixed, double z)
{
	FpPrediction result;
	double		 reach = z * sqrt(Max(known, 0));

	result.probability = mean_logistic(log_odds, known + mixed);
	result.lower = mean_logistic(log_odds - reach, mixed);
	result.upper = mean_logistic(log_odds + reach, mixed);
	return result;
}

/*
 * The model's terms in the codes of another cube, whose observations are
 * taken as more recent than all.
 */
static FpModel *
translate(FpArena arena, const FpModel *model, const FpCube *cube)
{
	FpModel *other = fp_alloc0(arena, sizeof(FpModel));
	int		*dim_of = fp_alloc_array(arena, int, model->cube->ndims + 1);
	double	 base = 0;

	other->cube = cube;
	other->time_dim = -1;
	other->trials = model->trials;
	for (int d = 0; d < model->cube->ndims; d++)
	{
		const FpDim *own = &model->cube->dims[d];

		dim_of[d] = fp_cube_find_dim(cube, own->name.data, own->name.len);
		if (dim_of[d] >= 0 && cube->dims[dim_of[d]].kind != own->kind)
			dim_of[d] = -1;
		if (dim_of[d] < 0 && d != model->time_dim)
			base += model->use[d].mean;
	}
	for (uint32 b = 0; b < model->nblocks; b++)
	{
		const FpBlock *block = &model->blocks[b];

		fp_add_block(arena, other, block->kind, block->dim, block->spread);
		for (uint32 t = block->first; t < block->first + block->n; t++)
		{
			const FpTerm *term = &model->terms[t];
			FpPart *parts = fp_alloc_array(arena, FpPart, term->nparts + 1);
			int		n = 0;
			bool	known = true;

			for (int p = 0; p < term->nparts && known; p++)
			{
				const FpDim *own = &model->cube->dims[term->parts[p].dim];
				FpPart		*part = &parts[n];

				*part = term->parts[p];
				if (part->kind == FP_PART_SINCE)
					continue;
				part->dim = dim_of[part->dim];
				known = part->dim >= 0;
				if (known && (part->kind == FP_PART_VALUE ||
							  part->kind == FP_PART_MEMBER))
				{
					const FpText *value = &own->values[part->code - 1];

					part->code = fp_cube_find_value(&cube->dims[part->dim],
													value->data, value->len);
					known = part->code != 0;
				}
				n++;
			}
			if (!known)
				continue;
			if (n == 0 && t > 0)
				base += term->effect;
			else
			{
				FpTerm *copy = fp_add_term(arena, other, n, parts);

				copy->effect = term->effect;
				copy->trials = term->trials;
			}
		}
	}
	other->terms[0].effect += base;
	return other;
}

double *
fp_model_cells(FpArena result, const FpModel *model, const FpCube *cube)
{
	double	*probability = fp_alloc_array(result, double, cube->ncells + 1);
	FpArena	 arena = fp_arena_create(result, "failpat scores");
	FpModel *other = translate(arena, model, cube);
	FpTermIndex *index = fp_index_terms(arena, other);
	FpRows		 rows = {0};

	rows.n = cube->ncells;
	rows.codes = cube->codes;
	rows.trials = cube->trials;
	rows.failures = cube->failures;
	rows.share = 1;
	fp_index_rows(arena, other, index, &rows);
	fp_row_log_odds(arena, other, index, &rows, probability);
	for (uint64 c = 0; c < cube->ncells; c++)
		probability[c] = 1 / (1 + exp(-probability[c]));
	fp_arena_delete(arena);
	return probability;
}
