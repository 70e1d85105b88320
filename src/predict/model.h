/*-------------------------------------------------------------------------
 *
 * model.h
 *		How likely a combination fails: a model of all observations.
 *
 * Log-odds of a failure are a sum of terms.  A term is a condition on an
 * observation with an effect: a value of a dimension, a member of a set, how
 * many members a set has, where an ordinal value lies, that it is recent, two
 * of these together, a known pattern.  Effects are drawn towards zero, each
 * block of like terms by as much as its own data ask for (fit.c).
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef FAILPAT_PREDICT_MODEL_H
#define FAILPAT_PREDICT_MODEL_H

#include "cube/format.h"
#include "predict/columns.h"

typedef enum FpPartKind
{
	FP_PART_VALUE,	 /* nominal: has this code */
	FP_PART_MEMBER,	 /* set: has this member */
	FP_PART_RANGE,	 /* ordinal: min <= value <= max */
	FP_PART_COUNT,	 /* set: min to max members */
	FP_PART_MISSING, /* not recorded */
	FP_PART_SINCE	 /* as recent as the period "code" or more (1: always) */
} FpPartKind;

typedef struct FpPart
{
	FpPartKind kind;
	int		   dim; /* of the cube */
	uint32	   code;
	double	   min;
	double	   max;
} FpPart;

typedef enum FpBlockKind
{
	FP_BLOCK_INTERCEPT,
	FP_BLOCK_VALUES,   /* of a nominal dimension, "not recorded" too */
	FP_BLOCK_MEMBERS,  /* of a set */
	FP_BLOCK_COUNTS,   /* of a set's members; neighbours are alike */
	FP_BLOCK_LEVELS,   /* of an ordinal dimension; neighbours are alike */
	FP_BLOCK_RECENT,   /* periods, each to the end */
	FP_BLOCK_PATTERNS, /* known patterns */
	FP_BLOCK_PAIRS	   /* two terms of the blocks before, together */
} FpBlockKind;

/* Terms that are drawn to zero alike. */
typedef struct FpBlock
{
	FpBlockKind kind;
	int			dim; /* -1 where it has none */
	uint32		first;
	uint32		n;

	/*
	 * Prior variance of an effect; of counts and levels, of the difference of
	 * two neighbours.
	 */
	double spread;
} FpBlock;

typedef struct FpTerm
{
	uint32		  block;
	int			  nparts; /* all must be met; 0: the intercept */
	const FpPart *parts;
	double		  effect;	/* on the log-odds */
	double		  variance; /* of the effect, posterior */
	int64		  trials;	/* observations that meet it */
	int64		  failures;
} FpTerm;

/* What a dimension contributes where its value is not told. */
typedef struct FpDimUse
{
	bool   used;	 /* it has terms */
	double mean;	 /* of its effects over all observations, */
	double variance; /* and their variance */
	double spread;	 /* prior variance of a value that was never seen */
} FpDimUse;

typedef struct FpModel
{
	const FpCube *cube;
	int			  time_dim; /* FP_STRATUM of the cube with periods, or -1 */
	uint32		  nblocks;
	FpBlock		 *blocks;
	uint32		  nterms;
	FpTerm		 *terms;
	FpDimUse	 *use; /* by dimension of the cube */
	int64		  trials;
	int64		  failures;

	/* by how much clusters inflate variances; >= 1 */
	double dispersion;

	/* variance, on the log-odds, of what pairs do that has no term */
	double unmodelled;

	/*
	 * Covariances of the effects of dense[0 .. ndense - 1], row by row; other
	 * terms are taken as independent.
	 */
	uint32	ndense;
	uint32 *dense;
	double *covariance;
} FpModel;

typedef struct FpModelOptions
{
	int	   max_pairs;  /* most pairs that get a term; 200 */
	double pair_fdr;   /* expected share of chance among them; 0.1 */
	double dispersion; /* >= 1; 1 */
	bool   tune;	   /* spreads from the data; true */
	double spread;	   /* what they start with; 0.25 */

	uint64 sample; /* cells that the curvature is taken from; 300000 */

	/*
	 * Not NULL: tells the dispersion from a first model, whose effects are
	 * those of the sample; from 1.1 on the model is fitted with it instead.
	 */
	double (*measure)(void *arg, const FpModel *model, FpArena scratch);
	void *measure_arg;
} FpModelOptions;

/* A known pattern; parts of kinds VALUE, MEMBER, RANGE, COUNT. */
typedef struct FpModelPattern
{
	int			  nparts;
	const FpPart *parts;
} FpModelPattern;

extern void fp_model_defaults(FpModelOptions *options);

/* What a model learns from. */
typedef struct FpTraining
{
	FpCube	  *cube;	 /* dimensions and totals; its cells are rows: */
	int		   time_dim; /* FP_STRATUM of the cube with periods, or -1 */
	FpColumns *rows;
} FpTraining;

/*
 * What to learn from, of cubes in order of time whose heads have totals
 * (fp_packed_total): dimensions of kind FP_STRATUM (jobs) are left out, and
 * where there are several cubes, a stratum "since" tells FP_MAX_PERIODS periods
 * at most: the last half of the observations, the last quarter, and so on, as
 * long as a period has min_failures failures.  first_of[p - 1] is the number of
 * the first cube of period p, 1 .. *nperiods; the first is everything before
 * the last half.  In arena.
 */
#define FP_MAX_PERIODS 6 /* of one digit */
extern FpTraining *fp_training(FpArena arena, const FpPackedCube *cubes, int n,
							   int64 min_failures, int *first_of,
							   int *nperiods);

/*
 * Fits the model.  What it learns from and the patterns must outlive it, and it
 * is in arena, working memory in a child of that which is gone on return.
 *
 * The posterior mode of a logistic regression with normal priors; spreads by
 * restricted maximum likelihood, term by term (empirical Bayes); pairs are
 * those whose residual (observed less expected) is beyond chance, by
 * Benjamini-Hochberg at pair_fdr.  Above "sample" cells the curvature, the
 * spreads and the pairs come from a systematic sample of them, the effects
 * from all.
 *
 * Errors: FP_ERR_DATA where an option or a pattern is out of range.
 */
extern FpModel *fp_model_fit(FpArena arena, const FpTraining *training,
							 const FpModelPattern *patterns, int npatterns,
							 const FpModelOptions *options);

/* does an observation with this code meet the part? */
extern bool fp_part_met(const FpCube *cube, const FpPart *part, uint32 code);

/* --- predictions ------------------------------------------------------- */

typedef struct FpPrediction
{
	double probability;
	double lower;
	double upper;
} FpPrediction;

/*
 * From log-odds with its parts of variance: "known" is the uncertainty of the
 * very combination, which the interval shows; "mixed" is that of what was not
 * told, over which the probability is an average.  z: of the interval.
 */
extern FpPrediction fp_predict_from(double log_odds, double known,
									double mixed, double z);

/*
 * Probability of each cell of a cube that has the dimensions of the model's
 * (others are passed over), by its values; unknown ones count as unseen.
 * In arena.
 */
extern double *fp_model_cells(FpArena arena, const FpModel *model,
							  const FpCube *cube);

#endif /* FAILPAT_PREDICT_MODEL_H */
