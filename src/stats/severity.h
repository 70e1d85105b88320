/*-------------------------------------------------------------------------
 *
 * severity.h
 *		How bad a failure rate is: the product's one definition.
 *
 * Patterns, heatmap cells and alerts all ask here, so that the same counts
 * never have two severities.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef FAILPAT_STATS_SEVERITY_H
#define FAILPAT_STATS_SEVERITY_H

#include "pure.h"

typedef enum FpSeverity
{
	FP_SEVERITY_LOW,
	FP_SEVERITY_MEDIUM,
	FP_SEVERITY_HIGH
} FpSeverity;

/*
 * Bands.  A rate is judged by its lower confidence bound, never by itself, so
 * that 3 failures of 4 are not worse than 300 of 600.  It is high or medium
 * because it is high in itself (the host platform's 0.5 and 0.2), or because
 * it is many times the baseline and not a trifle.
 */
typedef struct FpSeverityBands
{
	int min_trials;	  /* fewer are "low": too little to call anything bad; 5 */
	double high_rate; /* 0.5 */
	double medium_rate;		  /* 0.2 */
	double high_ratio;		  /* to the baseline: 4, */
	double high_ratio_rate;	  /* with a lower bound of 0.2 */
	double medium_ratio;	  /* 2, */
	double medium_ratio_rate; /* with a lower bound of 0.05 */
} FpSeverityBands;

/* those in force; the server's settings failpat.severity_... are kept here */
extern FpSeverityBands fp_severity_bands;

/*
 * Severity of a rate, by the bands in force.  trials: behind the rate, 0 or more; lower: lower bound
 * of its confidence interval (Wilson, 95 %, unless the user asked for
 * another); baseline: the rate of all observations, NaN where there is none.
 * Never raises an error; NaN bounds are low.
 */
extern FpSeverity fp_severity(int64 trials, double lower, double baseline);

/* "low", "medium", "high": the host platform's words */
extern const char *fp_severity_name(FpSeverity severity);

#endif /* FAILPAT_STATS_SEVERITY_H */
