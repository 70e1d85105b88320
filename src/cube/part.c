/*-------------------------------------------------------------------------
 *
 * part.c
 *		A part of a cube, straight from its bytes.
 *
 * Whoever needs two dimensions of many cubes, and of the cells those that meet
 * a filter, reads no more of each: scan.c tells the cells, and they are added
 * up by their two codes.
 *
 * The result lies in the caller's arena, all else in a child of it that is
 * gone on return.  Takes no locks.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#include "cube/format.h"
#include "cube/project.h"
#include "cube/scan.h"

#define MAX_SLOTS (1024 * 1024) /* pairs of codes that are counted */

typedef struct Sums
{
	int64 trials;
	int64 failures;
} Sums;

FpCube *
fp_cube_part(FpArena arena, const FpPackedCube *packed,
			 const FpCondition *conditions, int nconditions, const int *dims,
			 int ndims)
{
	const FpCube *head = packed->head;
	FpArena		  scratch;
	FpScan		 *scan;
	Sums		 *sums;
	int64		 *check_sums = NULL;
	uint64		  nslots = 1;
	uint64		  stride = 1;
	FpCube		  view = *head;
	FpCube		 *result;
	int			  told[FP_SCAN_DIMS] = {-1, -1};
	int			  all[2] = {0, 1};
	uint64		  n = 0;
	uint64		  k = 0;

	if (ndims > 2)
		return NULL;
	for (int i = 0; i < ndims; i++)
	{
		const FpDim *dim = &head->dims[dims[i]];

		told[i] = dims[i];
		stride =
			(uint64) (dim->kind == FP_SET ? dim->nsets : dim->nvalues) + 1;
		nslots *= stride;
	}
	if (nslots > MAX_SLOTS || nslots * (head->nchecks + 1) > MAX_SLOTS)
		return NULL;
	if (ndims < 2)
		stride = 1;
	scratch = fp_arena_create(arena, "failpat part");
	sums = fp_alloc0_array(scratch, Sums, nslots);
	if (head->nchecks > 0)
		check_sums = fp_alloc0_array(scratch, int64, nslots * head->nchecks);
	scan =
		fp_scan_packed(scratch, packed, conditions, nconditions, told, true);
	while (fp_scan_next(scan))
	{
		for (uint32 i = 0; i < scan->n; i++)
		{
			uint64 slot = scan->codes[0][i] * stride + scan->codes[1][i];

			sums[slot].trials += scan->trials[i];
			sums[slot].failures += scan->failures[i];
		}
		for (uint32 e = 0; e < scan->nentries; e++)
		{
			uint32 i = scan->entry_cells[e];
			uint64 slot = scan->codes[0][i] * stride + scan->codes[1][i];

			check_sums[slot * head->nchecks + scan->entry_checks[e]] +=
				scan->entry_failures[e];
		}
	}

	/* what was counted, as a cube; merging makes it canonical */
	view.ndims = ndims;
	view.ncells = 0;
	for (uint64 slot = 0; slot < nslots; slot++)
		view.ncells += sums[slot].trials > 0;
	view.dims = fp_alloc_array(scratch, FpDim, ndims + 1);
	view.codes = fp_alloc_array(scratch, uint32 *, ndims + 1);
	for (int i = 0; i < ndims; i++)
	{
		view.dims[i] = head->dims[dims[i]];
		view.codes[i] = fp_alloc_array(scratch, uint32, view.ncells + 1);
	}
	view.trials = fp_alloc_array(scratch, int64, view.ncells + 1);
	view.failures = fp_alloc_array(scratch, int64, view.ncells + 1);
	view.check_offsets = fp_alloc0_array(scratch, uint64, view.ncells + 1);
	view.check_codes =
		fp_alloc_array(scratch, uint32, view.ncells * head->nchecks + 1);
	view.check_failures =
		fp_alloc_array(scratch, int64, view.ncells * head->nchecks + 1);
	for (uint64 slot = 0; slot < nslots; slot++)
	{
		if (sums[slot].trials == 0)
			continue;
		if (ndims > 0)
			view.codes[0][n] = (uint32) (slot / stride);
		if (ndims > 1)
			view.codes[1][n] = (uint32) (slot % stride);
		view.trials[n] = sums[slot].trials;
		view.failures[n] = sums[slot].failures;
		for (uint32 check = 0; check < head->nchecks; check++)
			if (check_sums[slot * head->nchecks + check] > 0)
			{
				view.check_codes[k] = check;
				view.check_failures[k++] =
					check_sums[slot * head->nchecks + check];
			}
		view.check_offsets[++n] = k;
	}
	result = fp_cube_project(arena, &view, NULL, all, ndims);
	fp_arena_delete(scratch);
	return result;
}
