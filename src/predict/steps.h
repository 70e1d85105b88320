/*-------------------------------------------------------------------------
 *
 * steps.h
 *		Which of the changes that many series show are causes of their own.
 *
 * Each change is a step of the log odds of failure of all observations of its
 * series.  A change is explained where the steps of others leave it no gain.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef FAILPAT_PREDICT_STEPS_H
#define FAILPAT_PREDICT_STEPS_H

#include "cube/celltable.h"

/*
 * A change that keeps this part of its gain beside the others is not explained
 * by them: it counts as much as it does alone.
 */
#define FP_STEP_KEPT 0.8

/* what a step is that is not part of another */
#define FP_STEP_TOLD (-1)	/* a cause of its own */
#define FP_STEP_CHANCE (-2) /* nothing explains it, and it is too weak */

/* series in a code of a row */
#define FP_STEP_SERIES 30

typedef struct FpStep
{
	int	   series;	  /* -1: none that is known; it is told */
	int	   first;	  /* period from which on it is looked at, */
	int	   from;	  /* that of the new rate, */
	int	   last;	  /* the first one that is not looked at, */
	int	   to;		  /* and the first one without the new rate */
	int	   direction; /* 1: the rate rose; -1: it fell */
	double gain;	  /* that it has alone; the order of search */
	double p_value;	  /* of that */
	double dispersion;
	int	   nbuckets; /* that its series has */
} FpStep;

/*
 * rows: per combination of a period (code 0) and of series (code 1 + series /
 * FP_STEP_SERIES, bit series % FP_STEP_SERIES), trials and failures; flushed.
 * level: what the p-value of a change that is told must not exceed.
 *
 * parents[i] becomes the step that explains most of step i, or one of the
 * above.  1890 steps can be told, each looked at beside at most 959 of the
 * others; what comes after them is a cause of its own if it is significant.
 */
extern void fp_steps_merge(FpArena arena, const FpCellTable *rows,
						   const FpStep *steps, int n, double level,
						   int *parents);

#endif /* FAILPAT_PREDICT_STEPS_H */
