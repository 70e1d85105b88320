/*-------------------------------------------------------------------------
 *
 * multiplicity.h
 *		Many tests at once: adjusted p-values, and Tarone's rule.
 *
 * The adjusted p-value of a test is the smallest level at which its
 * procedure rejects it.  The arrays are adjusted in place and keep their
 * order; equal p-values get equal results.  "tests" is the number of
 * hypotheses, count of which are in the array; the others have p = 1.  The
 * arena holds the order while it works; some 16 bytes a test.
 *
 * Functions come in two forms: of probabilities, and of their natural
 * logarithms (fp_adjust_log_...), where p-values underflow.  NaN, p outside
 * 0..1 and tests < count raise FP_ERR_DATA.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef FAILPAT_STATS_MULTIPLICITY_H
#define FAILPAT_STATS_MULTIPLICITY_H

#include "pure.h"

/* Benjamini and Hochberg (1995): false discovery rate */
extern void fp_adjust_bh(FpArena arena, double *p, int64 count, int64 tests);
extern void fp_adjust_log_bh(FpArena arena, double *log_p, int64 count,
							 int64 tests);

/* Benjamini and Yekutieli (2001): the same under any dependence */
extern void fp_adjust_by(FpArena arena, double *p, int64 count, int64 tests);
extern void fp_adjust_log_by(FpArena arena, double *log_p, int64 count,
							 int64 tests);

/* Holm (1979): family-wise error rate */
extern void fp_adjust_holm(FpArena arena, double *p, int64 count, int64 tests);
extern void fp_adjust_log_holm(FpArena arena, double *log_p, int64 count,
							   int64 tests);

/*
 * Tarone (1990): the smallest k >= 1 such that at most k tests can reach the
 * level alpha / k at all; the others need not be tested, and those are
 * tested at alpha / k.  log_min_p[i] is what weight[i] tests reach at best
 * (ln); weight may be NULL for one each.
 */
extern int64 fp_tarone_factor(FpArena arena, const double *log_min_p,
							  const int64 *weight, int64 count,
							  double log_alpha);

#endif /* FAILPAT_STATS_MULTIPLICITY_H */
