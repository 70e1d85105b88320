/*-------------------------------------------------------------------------
 *
 * dense.h
 *		Symmetric positive definite matrices: factor, solve, invert.
 *
 * Matrices are n x n, row by row; only the lower triangle is read.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef FAILPAT_PREDICT_DENSE_H
#define FAILPAT_PREDICT_DENSE_H

#include "pure.h"

/* Cholesky factor in place of the lower triangle; false: not positive */
extern bool fp_dense_factor(double *a, uint32 n);

/* solve with a factor: x is the right side, and then the solution */
extern void fp_dense_solve(const double *factor, uint32 n, double *x);

/* the inverse of a factored matrix, in full, over the factor */
extern void fp_dense_invert(FpArena scratch, double *factor, uint32 n);

#endif /* FAILPAT_PREDICT_DENSE_H */
