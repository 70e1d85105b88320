/*-------------------------------------------------------------------------
 *
 * mine.h
 *		From a failure cube to the list of failure patterns.
 *
 * A pattern is a conjunction of conditions on different dimensions: a value
 * of a nominal dimension, one or two members of a set-valued dimension or a
 * range of their number, a range of an ordinal one.  Its order (arity) is the
 * number of conditions, a pair of members counting as two.
 *
 * What is promised (doc/statistics.md): with the outcomes shuffled at random
 * over the observations, the probability that a run reports anything is at
 * most alpha.  Given the margins (how often each combination was used, how
 * many failures there were), each test is exact.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef FAILPAT_MINE_H
#define FAILPAT_MINE_H

#include "pure.h"
#include "cube/cube.h"
#include "cube/fold.h"

#define FP_MAX_ARITY 6

/* Ordinal dimensions with more distinct numbers are cut into so many bins. */
#define FP_MAX_BINS 64

#define FP_ANY_CHECK (-1)
#define FP_EACH_CHECK (-2)

typedef enum FpDirection
{
	FP_WORSE = 1,
	FP_BETTER = 2,
	FP_BOTH = 3
} FpDirection;

/* What to mine for; fp_mine_defaults() fills it in. */
typedef struct FpMineOptions
{
	int			max_arity;		/* 1 .. FP_MAX_ARITY; 3 */
	double		alpha;			/* in (0, 1); 0.05 */
	int64		min_trials;		/* >= 1; 20: a floor for sense, not validity */
	double		min_risk_ratio; /* >= 1; 1.2: what the lower bound of the risk
								 * ratio must reach (its inverse for better) */
	FpDirection direction;		/* FP_WORSE */
	double		confidence;		/* of all intervals, in (0, 1); 0.95 */

	/*
	 * A code of cube->checks, FP_ANY_CHECK for "failed", or FP_EACH_CHECK for
	 * all checks one by one, which share alpha.  A failure of the check is
	 * then what is counted; trials stay all observations.
	 */
	int check;

	size_t memory_limit; /* bytes that a run may use; 0: no limit */

	/* Called now and then with the share that is done (0..1); may be NULL. */
	void (*progress)(void *arg, double done);
	void *progress_arg;
} FpMineOptions;

typedef enum FpConditionKind
{
	FP_COND_VALUE,	/* nominal: equals values[code[0]] */
	FP_COND_MEMBER, /* set: holds code[0] */
	FP_COND_PAIR,	/* set: holds code[0] and code[1], used together */
	FP_COND_RANGE,	/* ordinal: code[0] <= value <= code[1], by codes, which
					 * are in the order of the numbers */
	FP_COND_COUNT	/* set: the same of the number of members, whose code is
					 * one more than it: "no member" has the code 1 */
} FpConditionKind;

typedef struct FpPatternCondition
{
	int				dim; /* of the cube */
	FpConditionKind kind;

	/*
	 * Codes of the dimension's values (1..nvalues).  Of a range either may be
	 * 0: no bound on that side.
	 */
	uint32 code[2];
} FpPatternCondition;

/* What the other dimensions have to do with a pattern, worst last. */
typedef enum FpVerdict
{
	FP_SUPPORTED,		 /* it holds within the values of the dimension */
	FP_NOT_IDENTIFIABLE, /* they go together too much to tell them apart */
	FP_EXPLAINED		 /* it does not hold: the dimension explains it */
} FpVerdict;

typedef struct FpConfounder
{
	int		  dim; /* of the cube */
	FpVerdict verdict;

	/* of the test stratified by the dimension's values */
	double log_p;
	double risk_ratio; /* Mantel-Haenszel */
	double rr_lower;
	double rr_upper;
	double information; /* share that the strata leave, 1 = all */

	/* the value (a set: the set) that most of the pattern's trials have */
	uint32 code;
	double share;
} FpConfounder;

/* A combination by its conditions. */
typedef struct FpPatternName
{
	int				   nconditions;
	FpPatternCondition conditions[FP_MAX_ARITY];
} FpPatternName;

typedef struct FpPattern
{
	int				   nconditions;
	FpPatternCondition conditions[FP_MAX_ARITY]; /* by dim */
	int				   arity;
	FpDirection		   direction; /* FP_WORSE or FP_BETTER */
	int				   check;	  /* that fails, or FP_ANY_CHECK */

	int64 trials;
	int64 failures;
	int64 rest_trials; /* the complement: all observations but these */
	int64 rest_failures;

	double rate, lower, upper; /* Wilson */
	double baseline_rate;	   /* of all observations */
	double risk_ratio;		   /* against the complement, */
	double rr_lower, rr_upper; /* score interval */
	double p_marginal;		   /* exact, against the complement */
	double p_value;			   /* largest of all gates' */
	double log_p_value;
	double q_value; /* Benjamini-Hochberg, over all tests */
	double llr;		/* log likelihood ratio (G^2 / 2) */

	/* gate C: dimensions that the pattern does not speak of */
	int			  nconfounders;
	FpConfounder *confounders;

	/*
	 * The risk ratio within the values of the dimension, of all that support
	 * it, that takes most of it away; the raw one where there is none.
	 */
	double adjusted_ratio;
	double adjusted_lower;
	double adjusted_upper;

	double inflation; /* of variances, by clusters; 1: none */

	/*
	 * Failures that its parts let expect, by themselves, added up or
	 * multiplied, whichever is more (less, for FP_BETTER); and failures
	 * beyond those at the rate of the rest, with a bound (0 or beyond) that
	 * holds with the confidence asked for.
	 */
	double expected_failures;
	double excess_failures;
	double excess_bound;

	double q_by_value; /* Benjamini-Yekutieli: under any dependence */

	/* other combinations of (nearly) the same observations */
	int			   nsame;
	FpPatternName *same;

	/*
	 * Combinations that are significant by themselves, and of which nothing is
	 * left but for this one: the strongest
	 */
	int			   nfolded;
	FpPatternName *folded;
} FpPattern;

/* Counts by bucket of time, in arrays of as many as there are. */
typedef struct FpBucketCounts
{
	const int64 *trials;
	const int64 *failures;

	/*
	 * In all buckets together: in how many clusters (jobs) the trials are, a
	 * trial without one counting as one, and the sum of the squares of how
	 * many each has.
	 */
	int64  clusters;
	double squares;
} FpBucketCounts;

/* Clusters that have as many trials and as many failures as one another. */
typedef struct FpClusterKind
{
	int64 trials; /* at least 1 */
	int64 failures;
	int64 number; /* of such clusters */
} FpClusterKind;

/*
 * The buckets of a folded cube that are counted where they are asked for.
 * Only combinations that have passed all else are.
 */
typedef struct FpBuckets
{
	uint32		   n; /* codes of the stratum are 1 .. n, in order of time */
	FpBucketCounts total; /* of all observations */

	/* the clusters in all buckets together, in order; none: not clustered */
	uint32				 nkinds;
	const FpClusterKind *kinds;

	/*
	 * Counts so many combinations, which are in terms of the cube; the result
	 * stays until the run has ended.  It may return false and count nothing:
	 * then the run goes on as if time and clusters spoke for them, to see
	 * what else will be asked for.
	 */
	bool (*count)(void *arg, const FpPatternName *names, int nnames,
				  FpBucketCounts *counts);

	/*
	 * At the end of a run: counts what it did not, if anything, and returns
	 * whether it did, so that the run must be made again.  May be NULL.
	 */
	bool (*count_rest)(void *arg);
	void *arg;
} FpBuckets;

typedef struct FpMineResult
{
	int		   npatterns;
	int		   capacity;
	FpPattern *patterns; /* strongest evidence first */

	/* what was done (of levels: of the last check) */
	int	   norders;					/* max_arity */
	double level[FP_MAX_ARITY + 1]; /* p a pattern must reach, by arity */
	double interval_level[FP_MAX_ARITY + 1]; /* the same for "3-5" ranges */
	int64  ntests[FP_MAX_ARITY + 1];		 /* hypotheses counted, by arity */
	int64  ncandidates; /* passed gates A, B and E in a single step */
} FpMineResult;

/* failures by cell of a check, or of FP_ANY_CHECK; not to be changed */
extern const int64 *fp_failures_of(const FpCube *cube, int check,
								   FpArena arena);

extern void fp_mine_defaults(FpMineOptions *options);

/*
 * An error (FP_ERR_DATA) where an option is out of its range, or the cube has
 * no such check.  Whoever counts by an option's value calls it first.
 */
extern void fp_mine_check_options(const FpCube		  *cube,
								  const FpMineOptions *options);

/*
 * Mines a cube.
 *
 * The result and all that it points to are allocated in arena; working memory
 * is a child of it that is gone on return.  The same cube and options give
 * the same result to the bit.
 *
 * Errors: FP_ERR_DATA where an option is out of its range; FP_ERR_LIMIT where
 * memory_limit is too small for the cube.
 */
extern FpMineResult *fp_mine(const FpCube *cube, const FpMineOptions *options,
							 FpArena arena);

/*
 * The same for a cube that is folded; for FP_ANY_CHECK only, as folds know no
 * checks.  What is found is in terms of fold->cube.
 */
extern FpMineResult *fp_mine_fold(const FpFold		  *fold,
								  const FpMineOptions *options, FpArena arena);

#endif /* FAILPAT_MINE_H */
