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

/* Fewer trials than this are "low": too little to call anything bad. */
#define FP_SEVERITY_MIN_TRIALS 5

/*
 * Bands.  A rate is judged by its lower confidence bound, never by itself, so
 * that 3 failures of 4 are not worse than 300 of 600.  It is high or medium
 * because it is high in itself (the host platform's 0.5 and 0.2), or because
 * it is many times the baseline and not a trifle.
 */
#define FP_SEVERITY_HIGH_RATE 0.5
#define FP_SEVERITY_MEDIUM_RATE 0.2
#define FP_SEVERITY_HIGH_RATIO 4.0 /* with a lower bound of 0.2 */
#define FP_SEVERITY_HIGH_RATIO_FLOOR 0.2
#define FP_SEVERITY_MEDIUM_RATIO 2.0 /* with a lower bound of 0.05 */
#define FP_SEVERITY_MEDIUM_RATIO_FLOOR 0.05

/*
 * Severity of a rate.  trials: behind the rate, 0 or more; lower: lower bound
 * of its confidence interval (Wilson, 95 %, unless the user asked for
 * another); baseline: the rate of all observations, NaN where there is none.
 * Never raises an error; NaN bounds are low.
 */
extern FpSeverity fp_severity(int64 trials, double lower, double baseline);

/* "low", "medium", "high": the host platform's words */
extern const char *fp_severity_name(FpSeverity severity);

#endif /* FAILPAT_STATS_SEVERITY_H */
