/*-------------------------------------------------------------------------
 *
 * dense.c
 *		Symmetric positive definite matrices: factor, solve, invert.
 *
 * A model has some hundred to a thousand terms, so these take a fraction of a
 * second; each row checks for interrupts.  Products run over rows in four
 * sums of their own, which the compiler keeps in registers.
 *
 * fp_dense_invert has an n x n copy in a child of the arena it is given, gone
 * on return; the others allocate nothing.  No locks.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#include "predict/dense.h"

#include <math.h>

static inline double
dot(const double *a, const double *b, uint32 n)
{
	double s0 = 0;
	double s1 = 0;
	double s2 = 0;
	double s3 = 0;
	uint32 i = 0;

	for (; i + 4 <= n; i += 4)
	{
		s0 += a[i] * b[i];
		s1 += a[i + 1] * b[i + 1];
		s2 += a[i + 2] * b[i + 2];
		s3 += a[i + 3] * b[i + 3];
	}
	for (; i < n; i++)
		s0 += a[i] * b[i];
	return (s0 + s1) + (s2 + s3);
}

bool
fp_dense_factor(double *a, uint32 n)
{
	for (uint32 i = 0; i < n; i++)
	{
		double *row = a + (size_t) i * n;
		double	pivot;

		FP_CHECK_INTERRUPTS();
		for (uint32 j = 0; j < i; j++)
		{
			const double *other = a + (size_t) j * n;

			row[j] = (row[j] - dot(row, other, j)) / other[j];
		}
		pivot = row[i] - dot(row, row, i);
		if (!(pivot > 0))
			return false;
		row[i] = sqrt(pivot);
	}
	return true;
}

void
fp_dense_solve(const double *factor, uint32 n, double *x)
{
	for (uint32 i = 0; i < n; i++)
	{
		const double *row = factor + (size_t) i * n;

		x[i] = (x[i] - dot(row, x, i)) / row[i];
	}
	for (uint32 i = n; i-- > 0;)
	{
		const double *row = factor + (size_t) i * n;

		x[i] /= row[i];
		for (uint32 j = 0; j < i; j++)
			x[j] -= row[j] * x[i];
	}
}

void
fp_dense_invert(FpArena scratch, double *factor, uint32 n)
{
	FpArena arena = fp_arena_create(scratch, "failpat inverse");
	double *lower = fp_alloc0_array(arena, double, (uint64) n *n);

	/*
	 * The columns of the factor's inverse, as rows: column j of L^-1 begins at
	 * its element j.
	 */
	for (uint32 j = 0; j < n; j++)
	{
		double *column = lower + (size_t) j * n;

		FP_CHECK_INTERRUPTS();
		column[j] = 1 / factor[(size_t) j * n + j];
		for (uint32 i = j + 1; i < n; i++)
		{
			const double *row = factor + (size_t) i * n;

			column[i] = -dot(row + j, column + j, i - j) / row[i];
		}
	}
	for (uint32 i = 0; i < n; i++)
	{
		FP_CHECK_INTERRUPTS();
		for (uint32 j = 0; j <= i; j++)
		{
			double v = dot(lower + (size_t) i * n + i,
						   lower + (size_t) j * n + i, n - i);

			factor[(size_t) i * n + j] = v;
			factor[(size_t) j * n + i] = v;
		}
	}
	fp_arena_delete(arena);
}
