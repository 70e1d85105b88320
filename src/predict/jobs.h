/*-------------------------------------------------------------------------
 *
 * jobs.h
 *		How alike outcomes are within jobs, beyond what a model says.
 *
 * A job is a value of the first stratum of a cube; one that goes over the end
 * of a cube counts as two.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef FAILPAT_PREDICT_JOBS_H
#define FAILPAT_PREDICT_JOBS_H

#include "predict/model.h"
#include "predict/retry.h"

typedef struct FpJobs
{
	const FpPackedCube *cubes;
	int					ncubes;
	int					stride;	  /* one of so many cubes is looked at */
	FpUnits				jobs;	  /* outcomes of a job */
	FpUnits				attempts; /* of a combination within a job */
} FpJobs;

/* The cubes must outlive it. */
extern void fp_jobs_init(FpJobs *jobs, const FpPackedCube *cubes, int ncubes);

/* Counts anew, in arena, beside the model's probabilities. */
extern void fp_jobs_count(FpJobs *jobs, FpArena arena, const FpModel *model);

/*
 * For FpModelOptions.measure: Pearson's chi-squared over jobs, over its
 * expectation; 1 at least.
 */
extern double fp_jobs_measure(void *jobs, const FpModel *model,
							  FpArena scratch);

#endif /* FAILPAT_PREDICT_JOBS_H */
