/*-------------------------------------------------------------------------
 *
 * dense.c
 *		Symmetric positive definite matrices: factor, solve, invert.
 *
 * A model has some hundred to a thousand terms, so these take a fraction of a
 * second; each row checks for interrupts.  Products run over rows in sums of
 * their own, which the compiler keeps in registers, two in each.
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

/* two numbers in one register */
typedef double Two __attribute__((vector_size(16)));

static inline Two
two(const double *at)
{
	Two x;

	memcpy(&x, at, sizeof(x));
	return x;
}

static inline double
dot(const double *a, const double *b, uint32 n)
{
	Two	   s0 = {0, 0};
	Two	   s1 = {0, 0};
	Two	   s2 = {0, 0};
	Two	   s3 = {0, 0};
	double rest = 0;
	uint32 i = 0;

	for (; i + 8 <= n; i += 8)
	{
		s0 += two(a + i) * two(b + i);
		s1 += two(a + i + 2) * two(b + i + 2);
		s2 += two(a + i + 4) * two(b + i + 4);
		s3 += two(a + i + 6) * two(b + i + 6);
	}
	for (; i < n; i++)
		rest += a[i] * b[i];
	s0 += s1;
	s2 += s3;
	s0 += s2;
	return s0[0] + s0[1] + rest;
}

#define BAND 4 /* rows that are factored together */

/*
 * Products of BAND rows with a and with b, of an even number of numbers: what
 * is read is used for several of them.
 */
static inline void
dots(double *const *rows, const double *a, const double *b, uint32 n,
	 double sums[BAND][2])
{
	/* by themselves, not in an array: then they are kept in registers */
	Two	   a0 = {0, 0}, a1 = a0, a2 = a0, a3 = a0;
	Two	   b0 = a0, b1 = a0, b2 = a0, b3 = a0;
	uint32 i = 0;

	for (; i + 2 <= n; i += 2)
	{
		Two x = two(a + i);
		Two y = two(b + i);
		Two r0 = two(rows[0] + i);
		Two r1 = two(rows[1] + i);
		Two r2 = two(rows[2] + i);
		Two r3 = two(rows[3] + i);

		a0 += r0 * x;
		b0 += r0 * y;
		a1 += r1 * x;
		b1 += r1 * y;
		a2 += r2 * x;
		b2 += r2 * y;
		a3 += r3 * x;
		b3 += r3 * y;
	}
	sums[0][0] = a0[0] + a0[1];
	sums[0][1] = b0[0] + b0[1];
	sums[1][0] = a1[0] + a1[1];
	sums[1][1] = b1[0] + b1[1];
	sums[2][0] = a2[0] + a2[1];
	sums[2][1] = b2[0] + b2[1];
	sums[3][0] = a3[0] + a3[1];
	sums[3][1] = b3[0] + b3[1];
}

/* the factor of the BAND rows from "first" on, left of column "first" */
static void
factor_band(double *a, uint32 n, uint32 first)
{
	double *rows[BAND];
	double	sums[BAND][2];

	for (int k = 0; k < BAND; k++)
		rows[k] = a + (size_t) (first + k) * n;
	/* first is a multiple of BAND, so columns come in twos */
	for (uint32 j = 0; j < first; j += 2)
	{
		const double *one = a + (size_t) j * n;
		const double *next = one + n;

		dots(rows, one, next, j, sums);
		for (int k = 0; k < BAND; k++)
		{
			double *row = rows[k];

			row[j] = (row[j] - sums[k][0]) / one[j];
			row[j + 1] =
				(row[j + 1] - sums[k][1] - row[j] * next[j]) / next[j + 1];
		}
	}
}

bool
fp_dense_factor(double *a, uint32 n)
{
	uint32 done = 0; /* columns of the rows that are looked at */

	for (uint32 i = 0; i < n; i++)
	{
		double *row = a + (size_t) i * n;
		double	pivot;

		FP_CHECK_INTERRUPTS();
		if (i % BAND == 0)
		{
			done = i + BAND <= n ? i : 0;
			if (done > 0)
				factor_band(a, n, i);
		}
		for (uint32 j = done; j < i; j++)
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
