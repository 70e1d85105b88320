/*-------------------------------------------------------------------------
 *
 * gates.h
 *		The tests that a combination must pass: levels, and the gates that
 *		need counts only.
 *
 * Everything is told in terms of "hits": failures when looking for what fails
 * more often, passes when looking for what fails less often.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef FAILPAT_GATES_H
#define FAILPAT_GATES_H

#include "mine/tally.h"

/*
 * How many hypotheses there are, by number of trials: exact below
 * FP_SIZES_EXACT, in steps of a twentieth above.
 */
#define FP_SIZES_EXACT 4096
#define FP_SIZES (FP_SIZES_EXACT + 800)

typedef struct FpSizes
{
	int64 tests[FP_SIZES];
} FpSizes;

extern void fp_sizes_add(FpSizes *sizes, int64 n);

/* ln of the best p that tests of those sizes can have; by the same index */
extern double *fp_sizes_attainable(int64 hits, int64 trials, FpArena arena);

/*
 * The level of Tarone (1990): alpha / k for the least k such that at most k
 * tests can reach alpha / k at all.  Returns its logarithm, and the number of
 * such tests in *ntests.
 *
 * Of them those in gone (or NULL) are rejected already.  Fewer tests never
 * have a lower level, so that rejecting one by one, each at the level of what
 * is left, in any order, is Holm's step-down of Tarone's rule, and as valid
 * as a single step (Hommel and Krummenauer, Biometrics 54 (1998); Goeman and
 * Solari, Annals of Statistics 38 (2010)): until the first true hypothesis is
 * rejected all true ones are among what is left, so that the level is at most
 * that of the true ones by themselves.
 */
extern double fp_tarone_level(const FpSizes *sizes, const FpSizes *gone,
							  const double *attainable, double alpha,
							  int64 *ntests);

/* One test: a part of a whole, with a level and a least risk ratio. */
typedef struct FpGate
{
	FpDirection direction;
	double		log_level;
	double		min_risk_ratio;
	double		z; /* of the confidence, two-sided */
} FpGate;

/*
 * The gate for counts whose variance is so many times the binomial one: z^2,
 * and with it about the logarithm of p, must be so many times larger.  The p
 * that the gate gives is then to be taken to the power of 1 / inflation.
 */
extern void fp_gate_inflate(FpGate *gate, double inflation);

/*
 * Does part fail more (less) often than the rest of whole: exact p at most
 * the level, and the lower bound of the risk ratio at least the least (for
 * less often: the upper bound at most its inverse)?  log_p is set only where
 * it passes, to the greater of itself and the p found.
 */
extern bool fp_gate_pass(const FpGate *gate, FpCount part, FpCount whole,
						 double *log_p);

/* ln p of that test, one-sided and exact */
extern double fp_gate_log_p(FpDirection direction, FpCount part,
							FpCount whole);

/* G^2 / 2 of part against the rest of whole; negative for the other side */
extern double fp_gate_llr(FpDirection direction, FpCount part, FpCount whole);

/*
 * Does the part that lies in both x and y fail more often than x and y by
 * themselves let expect, added up or multiplied, whichever is more?  True
 * also where x and y are not both elevated by themselves.
 */
extern bool fp_gate_interaction(const FpGate *gate, FpCount both, FpCount x,
								FpCount y, FpCount all, double *log_p);

/*
 * The rate that x and y by themselves let expect where both are; rates of few
 * trials are drawn towards that of neither.
 */
extern double fp_expected_rate(FpDirection direction, FpCount both, FpCount x,
							   FpCount y, FpCount all);

/*
 * A test over strata: part[k] of whole[k].  Result by saddle point of the
 * exact conditional distribution of the hits, Mantel-Haenszel risk ratio with
 * Greenland and Robins's interval, and the information: the variance of the
 * hits given the margins.  The arrays are consumed.
 */
typedef struct FpStrataTest
{
	double log_p;
	double risk_ratio;
	double rr_lower;
	double rr_upper;
	double information;
	double expected;
	double observed;
	int	   nstrata; /* that tell anything */
	/* observed and expected are of hits, the risk ratio of failures */
} FpStrataTest;

extern FpStrataTest fp_strata_test(FpDirection direction, FpCount *part,
								   FpCount *whole, uint32 n, double z);

#endif /* FAILPAT_GATES_H */
