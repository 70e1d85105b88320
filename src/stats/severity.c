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

FpSeverityBands fp_severity_bands = {5, 0.5, 0.2, 4, 0.2, 2, 0.05};

/*
 * Every comparison is false for NaN, so an unknown baseline leaves the bands
 * of the rate itself, and an unknown bound is low.
 */
FpSeverity
fp_severity(int64 trials, double lower, double baseline)
{
	const FpSeverityBands *bands = &fp_severity_bands;

	if (trials < bands->min_trials)
		return FP_SEVERITY_LOW;
	if (lower >= bands->high_rate || (lower >= bands->high_ratio_rate &&
									  lower >= bands->high_ratio * baseline))
		return FP_SEVERITY_HIGH;
	if (lower >= bands->medium_rate ||
		(lower >= bands->medium_ratio_rate &&
		 lower >= bands->medium_ratio * baseline))
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
