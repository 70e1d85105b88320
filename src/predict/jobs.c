/*-------------------------------------------------------------------------
 *
 * jobs.c
 *		How alike outcomes are within jobs, beyond what a model says.
 *
 * Counts are in the arena given, working memory in a child of it that is gone
 * on return.  No locks.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#include "predict/jobs.h"

#define CHECK_EVERY 8192  /* cells between looks at interrupts */
#define MAX_CELLS 1000000 /* about so many are looked at, in whole cubes */

/* the dimension with the job, -1: none */
static int
job_dim(const FpCube *cube)
{
	for (int d = 0; d < cube->ndims; d++)
		if (cube->dims[d].kind == FP_STRATUM)
			return d;
	return -1;
}

static void
count(FpJobs *units, FpArena scratch, const FpModel *model,
	  const FpPackedCube *packed)
{
	int		d = job_dim(packed->head);
	FpArena arena;
	FpCube *cube;
	double *p;
	int64  *trials;
	int64  *failures;
	double *expected;
	uint32	n;

	if (d < 0 || packed->head->ncells == 0)
		return;
	arena = fp_arena_create(scratch, "failpat jobs");
	cube = fp_cube_unpack(arena, packed);
	p = fp_model_cells(arena, model, cube);
	n = cube->dims[d].nvalues;
	trials = fp_alloc0_array(arena, int64, (uint64) n + 1);
	failures = fp_alloc0_array(arena, int64, (uint64) n + 1);
	expected = fp_alloc0_array(arena, double, (uint64) n + 1);
	for (uint64 c = 0; c < cube->ncells; c++)
	{
		uint32 job = cube->codes[d][c];

		if (c % CHECK_EVERY == 0)
			FP_CHECK_INTERRUPTS();
		if (job == 0)
			continue; /* not known whose it is */
		p[c] = Min(Max(p[c], 1e-5), 1 - 1e-5);
		trials[job] += cube->trials[c];
		failures[job] += cube->failures[c];
		expected[job] += p[c] * (double) cube->trials[c];
		fp_units_add(&units->attempts, cube->trials[c], cube->failures[c],
					 p[c]);
	}
	for (uint32 job = 1; job <= n; job++)
		if (trials[job] > 0)
			fp_units_add(&units->jobs, trials[job], failures[job],
						 expected[job] / (double) trials[job]);
	fp_arena_delete(arena);
}

void
fp_jobs_init(FpJobs *jobs, const FpPackedCube *cubes, int ncubes)
{
	uint64 ncells = 0;

	memset(jobs, 0, sizeof(*jobs));
	for (int i = 0; i < ncubes; i++)
		ncells += cubes[i].head->ncells;
	jobs->cubes = cubes;
	jobs->ncubes = ncubes;
	jobs->stride = (int) Min(1 + ncells / MAX_CELLS, (uint64) Max(ncubes, 1));
}

void
fp_jobs_count(FpJobs *jobs, FpArena arena, const FpModel *model)
{
	fp_units_init(&jobs->jobs, arena);
	fp_units_init(&jobs->attempts, arena);
	for (int i = 0; i < jobs->ncubes; i += jobs->stride)
		count(jobs, arena, model, &jobs->cubes[i]);
}

double
fp_jobs_measure(void *arg, const FpModel *model, FpArena scratch)
{
	FpJobs *jobs = arg;

	fp_jobs_count(jobs, scratch, model);
	return jobs->jobs.variance > 0
			   ? Max(1, jobs->jobs.pearson / jobs->jobs.variance)
			   : 1;
}
