/*-------------------------------------------------------------------------
 *
 * prior.c
 *		How effects are drawn to zero, and how strongly.
 *
 * Each block has a normal prior whose variance, its spread, comes from the
 * data.  Working memory is freed on return.  No locks.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#include "predict/fit.h"

#include <math.h>

#define SMOOTH_SPREAD 100.0 /* prior variance of a level by itself, */

/* share of the block's observations that a term of it has */
double
fp_block_weight(const FpModel *model, const FpBlock *block, uint32 i)
{
	double all = 0;

	for (uint32 j = 0; j < block->n; j++)
		all += (double) model->terms[block->first + j].trials;
	return (double) model->terms[block->first + i].trials / Max(all, 1);
}

/* the mean effect of a block, over its observations */
static double
mean_effect(const FpModel *model, const FpBlock *block)
{
	double sum = 0;

	for (uint32 i = 0; i < block->n; i++)
		sum += fp_block_weight(model, block, i) *
			   model->terms[block->first + i].effect;
	return sum;
}

/*
 * Half of what the prior takes off the log-likelihood.  Levels are a random
 * walk whose mean is 0 (their height is the intercept's).
 */
double
fp_penalty(const FpModel *model)
{
	double sum = 0;

	for (uint32 b = 0; b < model->nblocks; b++)
	{
		const FpBlock *block = &model->blocks[b];
		const FpTerm  *terms = model->terms + block->first;
		double alone = fp_is_smooth(block) ? SMOOTH_SPREAD : block->spread;

		for (uint32 i = 0; i < block->n; i++)
			sum += terms[i].effect * terms[i].effect / alone;
		for (uint32 i = 1; fp_is_smooth(block) && i < block->n; i++)
		{
			double step = terms[i].effect - terms[i - 1].effect;

			sum += step * step / block->spread;
		}
		if (fp_is_smooth(block))
		{
			double mean = mean_effect(model, block);

			sum += mean * mean / FP_MEAN_SPREAD;
		}
	}
	return sum / 2;
}

/* the gradient, less the prior's */
void
fp_penalise(const FpModel *model, double *gradient)
{
	for (uint32 b = 0; b < model->nblocks; b++)
	{
		const FpBlock *block = &model->blocks[b];
		const FpTerm  *terms = model->terms + block->first;
		double		  *g = gradient + block->first;
		double alone = fp_is_smooth(block) ? SMOOTH_SPREAD : block->spread;
		double mean = fp_is_smooth(block) ? mean_effect(model, block) : 0;

		for (uint32 i = 0; i < block->n; i++)
			g[i] -= terms[i].effect / alone;
		for (uint32 i = 0; fp_is_smooth(block) && i < block->n; i++)
		{
			g[i] -= fp_block_weight(model, block, i) * mean / FP_MEAN_SPREAD;
			if (i > 0)
			{
				double step =
					(terms[i].effect - terms[i - 1].effect) / block->spread;

				g[i] -= step;
				g[i - 1] += step;
			}
		}
	}
}

/* the prior's precision of a term: its part of the diagonal */
double
fp_precision(const FpModel *model, const FpBlock *block, uint32 i)
{
	double lambda;
	double weight;

	if (!fp_is_smooth(block))
		return 1 / block->spread;
	weight = fp_block_weight(model, block, i);
	lambda = 1 / SMOOTH_SPREAD + weight * weight / FP_MEAN_SPREAD;
	lambda += (i > 0) / block->spread;
	return lambda + (i + 1 < block->n) / block->spread;
}

/* --- spreads ----------------------------------------------------------- */

/* d log density / d s */
static double
spread_slope(const double *z, const double *v, uint32 n, double s)
{
	double slope = 0.5 / s - 0.5;

	for (uint32 i = 0; i < n; i++)
	{
		double t = s + v[i];

		slope += 0.5 * (z[i] * z[i] / (t * t) - 1 / t);
	}
	return slope;
}

double
fp_spread_of(const double *z, const double *v, uint32 n)
{
	double low = 1e-6;
	double high = 25;

	/* the slope may cross zero more than once: the search takes some root */
	for (int i = 0; i < 60; i++)
	{
		double middle = sqrt(low * high);

		if (spread_slope(z, v, n, middle) > 0)
			low = middle;
		else
			high = middle;
	}
	return sqrt(low * high);
}

/* each block's spread, from the sums at the model's effects; largest change */
double
fp_tune(FpArena scratch, FpModel *model, const FpSums *sums)
{
	double *z = fp_alloc_array(scratch, double, model->nterms);
	double *v = fp_alloc_array(scratch, double, model->nterms);
	double	change = 0;

	for (uint32 b = 0; b < model->nblocks; b++)
	{
		FpBlock *block = &model->blocks[b];
		uint32	 n = 0;
		double	 spread;

		if (block->kind == FP_BLOCK_INTERCEPT ||
			block->kind == FP_BLOCK_PATTERNS)
			continue;
		for (uint32 i = 0; i < block->n; i++)
		{
			uint32 t = block->first + i;
			double w = sums->curvature[t];

			if (!(w > 1e-3))
				continue;
			z[n] = model->terms[t].effect + sums->gradient[t] / w;
			v[n++] = 1 / w;
		}
		if (fp_is_smooth(block))
		{
			for (uint32 i = 1; i < n; i++)
			{
				z[i - 1] = z[i] - z[i - 1];
				v[i - 1] = v[i] + v[i - 1];
			}
			n = n > 0 ? n - 1 : 0;
		}
		if (n == 0)
			continue;
		spread = fp_spread_of(z, v, n);
		if (block->kind == FP_BLOCK_PAIRS)
			spread = Max(spread, 0.04);
		change = Max(change, fabs(log(spread / block->spread)));
		block->spread = spread;
	}
	fp_free(scratch, z);
	fp_free(scratch, v);
	return change;
}
