/*-------------------------------------------------------------------------
 *
 * project.c
 *		A cube with some of its dimensions only.
 *
 * The result lies in the caller's arena, all else in a child of it that is
 * gone on return.  Takes no locks.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#include "cube/project.h"

#include "cube/build.h"

FpCube *
fp_cube_project(FpArena arena, const FpCube *cube, const bool *keep,
				const int *dims, int ndims)
{
	FpArena		   scratch = fp_arena_create(arena, "failpat project");
	FpArena		   building = fp_arena_create(scratch, "failpat builder");
	FpCubeBuilder *builder = fp_builder_create(building, 0);
	FpCube		   view = *cube;
	FpCube		  *result;

	/* not canonical, several of its cells may be alike: merging adds them up */
	view.ndims = ndims;
	view.dims = fp_alloc_array(scratch, FpDim, ndims + 1);
	view.codes = fp_alloc_array(scratch, uint32 *, ndims + 1);
	for (int d = 0; d < ndims; d++)
	{
		view.dims[d] = cube->dims[dims[d]];
		view.codes[d] = cube->codes[dims[d]];
	}
	fp_builder_merge(builder, scratch, &view, keep);
	result = fp_builder_freeze(builder, arena);
	fp_arena_delete(scratch);
	return result;
}
