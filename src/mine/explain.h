/*-------------------------------------------------------------------------
 *
 * explain.h
 *		Why a combination is, or is not, a pattern: every gate, one by one.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef FAILPAT_EXPLAIN_H
#define FAILPAT_EXPLAIN_H

#include "mine/mine.h"

/* One condition, as the cells that meet it. */
typedef struct FpExplainItem
{
	int			dim;	/* of the cube */
	bool		counts; /* a range of the number of its members */
	const bool *cells;
	/* a range with both bounds: with one of them only; else NULL */
	const bool *wider[2];
} FpExplainItem;

typedef enum FpStep
{
	FP_STEP_SIZE,		   /* enough trials? */
	FP_STEP_MARGINAL,	   /* A: against all others */
	FP_STEP_PRODUCTIVE,	   /* B: within the combination without "item" */
	FP_STEP_WIDER,		   /* B: within a wider range of "item" */
	FP_STEP_INTERACTION,   /* E: beyond its parts, of which "items" is one */
	FP_STEP_REDUNDANT,	   /* D: within what is accepted, see "pattern" */
	FP_STEP_REDUNDANT_ALL, /* D: within all of it at once; "item" >= 0: and
							* within the combination without it, or wider */
	FP_STEP_CONFOUNDER,	   /* C: within the values of "dim" */
	FP_STEP_RESULT		   /* is it in the list? */
} FpStep;

/* Results of FP_STEP_RESULT. */
typedef enum FpExplained
{
	FP_REPORTED,
	FP_REPORTED_AS_OTHER, /* "pattern" stands for the same observations */
	FP_REPORTED_RANGE,	  /* "pattern" is the range of the same context */
	FP_NOT_REPORTED
} FpExplained;

typedef struct FpExplainRow
{
	FpStep step;
	bool   passed;
	int	   item;	/* _PRODUCTIVE, _WIDER: number; */
	int	   which;	/* _WIDER: 0 or 1, the one of wider[] */
	int	   stopped; /* _RESULT: the first row not passed, or -1 */
	uint32 items;	/* _INTERACTION: mask of one of the parts */
	int	   dim;		/* _CONFOUNDER */
	int	   pattern; /* of the patterns returned, or -1 */

	/* the combination, and what it was compared with */
	int64		trials, failures;
	int64		other_trials, other_failures;
	double		risk_ratio, rr_lower, rr_upper; /* NaN: none */
	double		log_p;							/* NaN: none */
	double		log_level;
	FpVerdict	verdict; /* _CONFOUNDER */
	FpExplained explained;
} FpExplainRow;

typedef struct FpExplanation
{
	int			   nrows;
	FpExplainRow  *rows;
	int			   npatterns; /* those that are referred to, and all others */
	FpPatternName *patterns;
} FpExplanation;

/*
 * Explains the combination of all items (1 .. FP_MAX_ARITY of them) in the
 * direction of options, which must be one.  Mines the cube for it.  Result in
 * arena.  Errors as fp_mine.
 */
extern FpExplanation *fp_explain(const FpCube		 *cube,
								 const FpMineOptions *options,
								 const FpExplainItem *items, int nitems,
								 FpArena arena);

#endif /* FAILPAT_EXPLAIN_H */
