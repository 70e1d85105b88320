/*-------------------------------------------------------------------------
 *
 * fit.h
 *		What the steps of a fit share.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef FAILPAT_PREDICT_FIT_H
#define FAILPAT_PREDICT_FIT_H

#include "predict/logistic.h"
#include "predict/terms.h"

/* Sums over rows at some effects: what a Newton step needs. */
typedef struct FpSums
{
	double *gradient;  /* of the log-likelihood, by term */
	double *curvature; /* diagonal of its negative Hessian */
	double	log_likelihood;
} FpSums;

/* effect of the simple terms by code, of each used dimension */
extern double **fp_effect_tables(FpArena arena, const FpModel *model,
								 const FpTermIndex *index);

/* the sums at the model's effects */
extern void fp_pass(FpArena scratch, const FpModel *model,
					const FpTermIndex *index, const FpColumns *columns,
					FpSums *sums);

/* log-odds of each row at the model's effects */
extern void fp_row_log_odds(FpArena scratch, const FpModel *model,
							const FpTermIndex *index, const FpRows *rows,
							double *log_odds);

/*
 * For each two terms that some rows meet, a term with itself and with the
 * intercept too: the sum of the rows' values, in parts, each part told by a call.
 * simple: of simple terms only.  Dimensions of few values come first.
 */
typedef void (*FpCrossed)(void *arg, uint32 a, uint32 b, FpTwo sum);
extern void fp_cross_terms(FpArena scratch, const FpTermIndex *index,
						   const FpRows *rows, bool simple,
						   const FpTwoStored *values, FpCrossed crossed,
						   void *arg);

/*
 * Pairs of simple terms whose failures differ from what the model expects of
 * the rows by more than chance, strongest first; no pair that is a term
 * already.  Each is two parts of one list.
 */
typedef struct FpPairs
{
	uint32	n;
	FpPart *parts;		/* 2 n */
	double	unmodelled; /* variance of the effects of those left out */
} FpPairs;

extern FpPairs fp_screen_pairs(FpArena arena, const FpModel *model,
							   const FpTermIndex *index, const FpRows *rows,
							   const FpModelOptions *options);

/* --- the prior (prior.c) ----------------------------------------------- */

#define FP_MEAN_SPREAD 1e-4 /* prior variance of the mean of all levels */

/* blocks whose neighbours are alike: a random walk whose mean is 0 */
static inline bool
fp_is_smooth(const FpBlock *block)
{
	return block->kind == FP_BLOCK_COUNTS || block->kind == FP_BLOCK_LEVELS;
}

/* share of the block's observations that term i of it has */
extern double fp_block_weight(const FpModel *model, const FpBlock *block,
							  uint32 i);

/* half of what the prior takes off the log-likelihood */
extern double fp_penalty(const FpModel *model);

/* the gradient, less the prior's */
extern void fp_penalise(const FpModel *model, double *gradient);

/* the prior's precision of term i of a block: its part of the diagonal */
extern double fp_precision(const FpModel *model, const FpBlock *block,
						   uint32 i);

/* each block's spread, from the sums at the model's effects; the largest
 * change of one, on the logarithm */
extern double fp_tune(FpArena scratch, FpModel *model, const FpSums *sums);

/*
 * Variance s of effects, of which z[i] is measured with the variance v[i]:
 * maximum of their marginal likelihood, z ~ N(0, s + v), times the prior
 * sqrt(s) exp(-s / 2), which keeps it from 0 where few tell of it (Chung and
 * others, Psychometrika 78, 2013).
 */
extern double fp_spread_of(const double *z, const double *v, uint32 n);

#endif /* FAILPAT_PREDICT_FIT_H */
