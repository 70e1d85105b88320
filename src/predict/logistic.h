/*-------------------------------------------------------------------------
 *
 * logistic.h
 *		exp(x) of two numbers at once, for what is done to all cells.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef FAILPAT_PREDICT_LOGISTIC_H
#define FAILPAT_PREDICT_LOGISTIC_H

#include <math.h>

#include "pure.h"

/* two numbers in one register */
typedef double FpTwo __attribute__((vector_size(16)));
/* the same in memory of an arena, which is aligned to eight bytes */
typedef double FpTwoStored __attribute__((vector_size(16), aligned(8)));
typedef int64  FpTwoWords __attribute__((vector_size(16)));

static inline FpTwo
fp_two(double x)
{
	return (FpTwo){x, x};
}

/*
 * exp(x), -700 <= x <= 0; below that, exp(-700).  x = k ln 2 + r, |r| <= ln 2 /
 * 2, and exp(r) by its series, whose rest is below 2e-16.
 */
static inline FpTwo
fp_two_exp(FpTwo x)
{
	/* 2^52 + 2^51: what is added to it is rounded, to its lowest bits */
	const FpTwo magic = fp_two(6755399441055744.0);
	FpTwo		k;
	FpTwo		r;
	FpTwo		r2;
	FpTwo		r4;
	FpTwo		sum;
	FpTwo		rounded;

	x = (FpTwo) (((FpTwoWords) x & (x > fp_two(-700))) |
				 ((FpTwoWords) fp_two(-700) & (x <= fp_two(-700))));
#if defined(FLT_EVAL_METHOD) && FLT_EVAL_METHOD != 0
	/* no such rounding */
	(void) magic;
	return (FpTwo){exp(x[0]), exp(x[1])};
#endif
	rounded = x * fp_two(1.4426950408889634074) + magic;
	k = rounded - magic;
	/* ln 2 in two parts, the first of 32 bits: its product with k is exact */
	r = x - k * fp_two(6.93147180369123816490e-01);
	r -= k * fp_two(1.90821492927058770002e-10);
	r2 = r * r;
	r4 = r2 * r2;
	sum = (fp_two(1.0 / 40320) + r * fp_two(1.0 / 362880)) +
		  r2 * (fp_two(1.0 / 3628800) + r * fp_two(1.0 / 39916800)) +
		  r4 * fp_two(1.0 / 479001600);
	sum = (fp_two(1.0 / 24) + r * fp_two(1.0 / 120)) +
		  r2 * (fp_two(1.0 / 720) + r * fp_two(1.0 / 5040)) + r4 * sum;
	sum = r2 * (fp_two(0.5) + r * fp_two(1.0 / 6)) + r4 * sum;
	sum = fp_two(1) + (r + sum);
	/* times 2^k */
	return (FpTwo) ((FpTwoWords) sum + ((FpTwoWords) rounded << 52));
}

#endif /* FAILPAT_PREDICT_LOGISTIC_H */
