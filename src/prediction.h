/*-------------------------------------------------------------------------
 *
 * prediction.h
 *		A combination, the terms of a model that it may meet, and their sum.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef FAILPAT_PREDICTION_H
#define FAILPAT_PREDICTION_H

#include "combo.h"

#include "lib/stringinfo.h"
#include "utils/timestamp.h"

#include "predict/model.h"

/* What is known of a dimension, and what the combination says of it. */
typedef struct FailpatPredictionDim
{
	char  *name;
	int	   len;
	bool   set;
	bool   ordinal;
	double mean;
	double variance;
	double spread;

	bool   told;
	bool   missing; /* it says that there is none recorded */
	int	   nitems;	/* values that are told */
	int	   nknown;	/* of them, those that have a term */
	double number;	/* ordinal: what is told, */
	bool   ranged;	/* or else a range */
	double min;
	double max;
} FailpatPredictionDim;

typedef struct FailpatPredictionTerm
{
	int			 number;
	char		*kind;
	Jsonb		*conditions;
	FailpatCombo combo;
	bool		 has_null; /* a dimension that is not recorded */
	bool		 has_since;
	TimestampTz	 since;
	char		*label; /* NULL: none */
	double		 effect;
	double		 variance;
	int64		 trials;
	int64		 failures;
	int			 nneighbours;
	Datum		*neighbours;
	Datum		*covariances;
	bool		 simple; /* of one dimension, and no pattern */
	int			 dim;	 /* then: which, -1: none */
	bool		 met;	 /* by what is told */
	double		 chance; /* that it is, where something it asks is not told */
} FailpatPredictionTerm;

typedef struct FailpatPrediction
{
	FailpatCombo		   combo;
	int					   ndims;
	FailpatPredictionDim  *dims;
	int					   nterms;
	FailpatPredictionTerm *terms;
	double				   unmodelled;
	double				   trials;
	double				   z;
} FailpatPrediction;

/* log-odds with the parts of their variance */
typedef struct FailpatPredictionSum
{
	double log_odds;
	double known;
	double mixed;
} FailpatPredictionSum;

/* is this the dimension's name, "avatar" being "character"? */
extern bool failpat_prediction_named(const FailpatPredictionDim *dim,
									 const char *name, int len);

/* number of the dimension of a name, or -1 */
extern int failpat_prediction_dim(const FailpatPrediction *work,
								  const char *name, int len);

/* is the value one that is told? */
extern bool failpat_prediction_told(const FailpatPrediction *work,
									const FailpatItem		*item);

/* decide which terms are met, with which chance; after any change */
extern void failpat_prediction_weigh(FailpatPrediction *work);

/* values of a dimension that are told and have no term */
extern int failpat_prediction_unseen(const FailpatPredictionDim *dim);

/* of the terms that are met for certain */
extern FailpatPredictionSum failpat_prediction_sum(
	const FailpatPrediction *work);

/* of what is told */
extern FpPrediction failpat_prediction(const FailpatPrediction *work);

/* of the segments 1 .. length of a scene; see prediction.c */
extern void failpat_prediction_scene(FailpatPrediction *work, int length,
									 Jsonb *jobs, double *any,
									 double *expected);

/* contributions, as JSON: prediction_text.c */
extern Datum failpat_prediction_drivers(const FailpatPrediction *work);

/* ', "rarest": ..., "never_seen": [...], "not_told": [...]' */
extern void failpat_prediction_support(StringInfo				json,
									   const FailpatPrediction *work);

#endif /* FAILPAT_PREDICTION_H */
