/*-------------------------------------------------------------------------
 *
 * training.c
 *		One cube to learn from, of cubes in order of time.
 *
 * The cube is in the caller's arena, working memory in a child of it that is
 * gone on return.  No locks.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#include "cube/build.h"
#include "predict/model.h"

FpCube *
fp_training_cube(FpArena result, FpCube *const *cubes, int n,
				 int64 min_failures, int *first_of, int *nperiods)
{
	FpArena	 arena = fp_arena_create(result, "failpat training");
	FpCube **views = fp_alloc_array(arena, FpCube *, n + 1);
	int		*period = fp_alloc_array(arena, int, n + 1);
	int64	 total = 0;
	int64	 after = 0;
	int64	 failures = 0;
	int		 periods = 1;
	int		 starts[FP_MAX_PERIODS];
	FpCube	*cube;

	for (int i = 0; i < n; i++)
		if (pg_add_s64_overflow(total, cubes[i]->total_trials, &total))
			fp_error(FP_ERR_RANGE, NULL, NULL, "too many trials to count");

	/*
	 * Cubes from the last backwards: the longest tails that have a half, a
	 * quarter, ... of the trials at most, and failures enough beside the next
	 * shorter one; the shortest comes first.
	 */
	for (int p = FP_MAX_PERIODS - 1, i = n; p >= 1; p--)
	{
		int start = i;

		while (start > 0 && after + cubes[start - 1]->total_trials <=
								total / ((int64) 1 << p))
		{
			start--;
			after += cubes[start]->total_trials;
			failures += cubes[start]->total_failures;
		}
		if (start < i && start > 0 && failures >= min_failures)
		{
			starts[periods++ - 1] = start;
			failures = 0;
		}
		i = start;
	}
	/* starts[] is from the last period to the second */
	first_of[0] = 0;
	for (int p = 1; p < periods; p++)
		first_of[p] = starts[periods - 1 - p];
	*nperiods = periods;
	for (int i = 0, p = 0; i < n; i++)
	{
		while (p + 1 < periods && first_of[p + 1] <= i)
			p++;
		period[i] = p + 1;
	}

	/* not canonical, several cells may be alike: stacking adds them up */
	for (int i = 0; i < n; i++)
	{
		FpCube *view = fp_alloc_array(arena, FpCube, 1);

		*view = *cubes[i];
		view->nchecks = 0;
		view->ndims = 0;
		view->dims = fp_alloc_array(arena, FpDim, cubes[i]->ndims + 1);
		view->codes = fp_alloc_array(arena, uint32 *, cubes[i]->ndims + 1);
		for (int d = 0; d < cubes[i]->ndims; d++)
			if (cubes[i]->dims[d].kind != FP_STRATUM)
			{
				view->dims[view->ndims] = cubes[i]->dims[d];
				view->codes[view->ndims++] = cubes[i]->codes[d];
			}
		views[i] = view;
	}
	cube = fp_cube_stack_by(result, views, period, n,
							periods > 1 ? "since" : NULL);
	fp_arena_delete(arena);
	return cube;
}
