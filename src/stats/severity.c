/*-------------------------------------------------------------------------
 *
 * severity.c
 *		How bad a failure rate is.
 *
 * Owns the bands' use; allocates nothing, takes no locks.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#include "stats/severity.h"

/*
 * Every comparison is false for NaN, so an unknown baseline leaves the bands
 * of the rate itself, and an unknown bound is low.
 */
FpSeverity
fp_severity(int64 trials, double lower, double baseline)
{
	if (trials < FP_SEVERITY_MIN_TRIALS)
		return FP_SEVERITY_LOW;
	if (lower >= FP_SEVERITY_HIGH_RATE ||
		(lower >= FP_SEVERITY_HIGH_RATIO_FLOOR &&
		 lower >= FP_SEVERITY_HIGH_RATIO * baseline))
		return FP_SEVERITY_HIGH;
	if (lower >= FP_SEVERITY_MEDIUM_RATE ||
		(lower >= FP_SEVERITY_MEDIUM_RATIO_FLOOR &&
		 lower >= FP_SEVERITY_MEDIUM_RATIO * baseline))
		return FP_SEVERITY_MEDIUM;
	return FP_SEVERITY_LOW;
}

const char *
fp_severity_name(FpSeverity severity)
{
	switch (severity)
	{
		case FP_SEVERITY_LOW:
			return "low";
		case FP_SEVERITY_MEDIUM:
			return "medium";
		case FP_SEVERITY_HIGH:
			return "high";
	}
	return "low";
}
