/*-------------------------------------------------------------------------
 *
 * multiplicity.c
 *		Many tests at once: adjusted p-values, and Tarone's rule.
 *
 * The order of the p-values lives in a child of the caller's arena that goes
 * before the function returns.  Takes no locks.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#include "stats/multiplicity.h"

#include <math.h>

typedef struct Ranked
{
	double log_p;
	int64  index;
} Ranked;

typedef enum Procedure
{
	HOLM,
	HOCHBERG,
	YEKUTIELI
} Procedure;

static int
ranked_cmp(const void *x, const void *y)
{
	double a = ((const Ranked *) x)->log_p;
	double b = ((const Ranked *) y)->log_p;

	return a < b ? -1 : a > b;
}

/* 1 + 1/2 + ... + 1/n; the sum of many by the asymptotic series */
static double
harmonic(int64 n)
{
	double sum = 0.0;
	double x = (double) n;

	if (n > 1000)
		return log(x) + 0.577215664901532860606512090082 + 0.5 / x -
			   1.0 / (12.0 * x * x);
	for (int64 i = n; i > 0; i--)
		sum += 1.0 / (double) i;
	return sum;
}

static Ranked *
rank(FpArena arena, const double *log_p, int64 count)
{
	Ranked *ranked = fp_alloc_array(arena, Ranked, (uint64) count);

	for (int64 i = 0; i < count; i++)
	{
		if (!(log_p[i] <= 0.0))
			fp_error(FP_ERR_DATA, NULL, NULL,
					 "not the logarithm of a p-value: %g", log_p[i]);
		ranked[i].log_p = log_p[i];
		ranked[i].index = i;
	}
	FP_CHECK_INTERRUPTS();
	qsort(ranked, (size_t) count, sizeof(Ranked), ranked_cmp);
	return ranked;
}

static void
adjust(FpArena arena, double *log_p, int64 count, int64 tests,
	   Procedure procedure)
{
	FpArena work;
	Ranked *ranked;
	double	best;
	double	constant = 0.0;

	if (count < 0 || tests < count)
		fp_error(FP_ERR_DATA, NULL, NULL,
				 "number of tests must be at least %lld: %lld",
				 (long long) count, (long long) tests);
	if (count == 0)
		return;
	work = fp_arena_create(arena, "failpat multiplicity");
	ranked = rank(work, log_p, count);
	if (procedure == HOLM)
	{
		/* the i-th smallest times what is left, never less than before it */
		best = -INFINITY;
		for (int64 i = 0; i < count; i++)
		{
			if ((i & 0xffff) == 0)
				FP_CHECK_INTERRUPTS();
			best = Max(best, ranked[i].log_p + log((double) (tests - i)));
			log_p[ranked[i].index] = Min(best, 0.0);
		}
	}
	else
	{
		/* the i-th smallest times tests / i, never more than after it */
		if (procedure == YEKUTIELI)
			constant = log(harmonic(tests));
		best = 0.0;
		for (int64 i = count - 1; i >= 0; i--)
		{
			double factor = (double) tests / (double) (i + 1);

			if ((i & 0xffff) == 0)
				FP_CHECK_INTERRUPTS();
			best = Min(best, ranked[i].log_p + log(factor) + constant);
			log_p[ranked[i].index] = best;
		}
	}
	fp_arena_delete(work);
}

static void
adjust_p(FpArena arena, double *p, int64 count, int64 tests,
		 Procedure procedure)
{
	for (int64 i = 0; i < count; i++)
	{
		if (!(p[i] >= 0.0 && p[i] <= 1.0))
			fp_error(FP_ERR_DATA, NULL, NULL,
					 "p-value must be between 0 and 1: %g", p[i]);
		p[i] = log(p[i]);
	}
	adjust(arena, p, count, tests, procedure);
	for (int64 i = 0; i < count; i++)
		p[i] = exp(p[i]);
}

void
fp_adjust_bh(FpArena arena, double *p, int64 count, int64 tests)
{
	adjust_p(arena, p, count, tests, HOCHBERG);
}

void
fp_adjust_log_bh(FpArena arena, double *log_p, int64 count, int64 tests)
{
	adjust(arena, log_p, count, tests, HOCHBERG);
}

void
fp_adjust_by(FpArena arena, double *p, int64 count, int64 tests)
{
	adjust_p(arena, p, count, tests, YEKUTIELI);
}

void
fp_adjust_log_by(FpArena arena, double *log_p, int64 count, int64 tests)
{
	adjust(arena, log_p, count, tests, YEKUTIELI);
}

void
fp_adjust_holm(FpArena arena, double *p, int64 count, int64 tests)
{
	adjust_p(arena, p, count, tests, HOLM);
}

void
fp_adjust_log_holm(FpArena arena, double *log_p, int64 count, int64 tests)
{
	adjust(arena, log_p, count, tests, HOLM);
}

int64
fp_tarone_factor(FpArena arena, const double *log_min_p, const int64 *weight,
				 int64 count, double log_alpha)
{
	FpArena work;
	Ranked *ranked;
	int64	k = 1;
	int64	reach = 0; /* tests that reach the level so far considered */

	if (count <= 0)
		return 1;
	work = fp_arena_create(arena, "failpat multiplicity");
	ranked = rank(work, log_min_p, count);

	/*
	 * As k grows the level falls and fewer tests reach it.  From the most
	 * sensitive test on: with the first i groups, reach tests in all, a
	 * factor k = max(reach, 1) is enough if the next group cannot reach
	 * alpha / k.  The smallest k that fits lies where the two lines cross.
	 */
	for (int64 i = 0; i < count; i++)
	{
		int64 next;

		if ((i & 0xffff) == 0)
			FP_CHECK_INTERRUPTS();
		/* this group is out of reach at alpha / k: k is enough */
		if (ranked[i].log_p > log_alpha - log((double) k))
			break;
		if (pg_add_s64_overflow(reach, weight ? weight[ranked[i].index] : 1,
								&next))
			fp_error(FP_ERR_RANGE, NULL, NULL, "number of tests out of range");
		reach = next;
		if (reach > k)
		{
			/*
			 * A larger factor is needed: at most reach, or less where it
			 * already puts this group out of reach.
			 */
			double limit = exp(log_alpha - ranked[i].log_p);

			if (limit < (double) reach)
			{
				/* smallest k with alpha / k below this group's best */
				k = Max(k, (int64) floor(limit) + 1);
				break;
			}
			k = reach;
		}
	}
	fp_arena_delete(work);
	return k;
}
