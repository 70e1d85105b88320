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

#include "predict/terms.h"

/* Sums over rows at some effects: what a Newton step needs. */
typedef struct FpSums
{
	double *gradient;  /* of the log-likelihood, by term */
	double *curvature; /* diagonal of its negative Hessian */
	double	log_likelihood;
} FpSums;

/* log-odds of each row at the model's effects */
extern void fp_row_log_odds(FpArena scratch, const FpModel *model,
							const FpTermIndex *index, const FpRows *rows,
							double *log_odds);

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

/*
 * Variance s of effects, of which z[i] is measured with the variance v[i]:
 * maximum of their marginal likelihood, z ~ N(0, s + v), times the prior
 * sqrt(s) exp(-s / 2), which keeps it from 0 where few tell of it (Chung and
 * others, Psychometrika 78, 2013).
 */
extern double fp_spread_of(const double *z, const double *v, uint32 n);

#endif /* FAILPAT_PREDICT_FIT_H */
