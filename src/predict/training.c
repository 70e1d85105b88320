/*-------------------------------------------------------------------------
 *
 * training.c
 *		One cube to learn from, of cubes in order of time.
 *
 * Cells that are alike are added up as long as that makes them fewer by much: it
 * costs more than it saves where nearly every combination is another.
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

#define CHECK_EVERY 8192	/* cells between looks at interrupts */
#define ENOUGH_CELLS 500000 /* that tell whether they are alike, */
#define WORTH_ADDING 0.7	/* and this is not */

/* Cells as they come, of which neighbours may be alike in all but the job. */
typedef struct Plain
{
	uint64	n;
	uint32 *codes[FP_MAX_DIMS]; /* by dimension of the builder */
	int64  *trials;
	int64  *failures;
} Plain;

/* a cube without its strata; several cells may then be alike */
static FpCube *
without_strata(FpArena arena, const FpCube *cube)
{
	FpCube *view = fp_alloc_array(arena, FpCube, 1);

	*view = *cube;
	view->nchecks = 0;
	view->ndims = 0;
	view->dims = fp_alloc_array(arena, FpDim, cube->ndims + 1);
	view->codes = fp_alloc_array(arena, uint32 *, cube->ndims + 1);
	for (int d = 0; d < cube->ndims; d++)
		if (cube->dims[d].kind != FP_STRATUM)
		{
			view->dims[view->ndims] = cube->dims[d];
			view->codes[view->ndims++] = cube->codes[d];
		}
	return view;
}

static void
append(FpArena scratch, FpCubeBuilder *builder, Plain *plain,
	   const FpCube *cube, uint32 period)
{
	FpArena arena = fp_arena_create(scratch, "failpat append");
	int		to[FP_MAX_DIMS];
	uint32 *remap[FP_MAX_DIMS];

	for (int d = 0; d < cube->ndims; d++)
	{
		const FpDim *dim = &cube->dims[d];
		uint32		 last = dim->kind == FP_SET ? dim->nsets : dim->nvalues;

		to[d] =
			fp_builder_dim(builder, dim->name.data, dim->name.len, dim->kind);
		remap[d] = fp_alloc0_array(arena, uint32, (uint64) last + 1);
		for (uint32 c = 1; c <= last; c++)
		{
			if (c % CHECK_EVERY == 0)
				FP_CHECK_INTERRUPTS();
			remap[d][c] = fp_builder_code(builder, to[d], dim, c);
		}
	}
	for (uint64 c = 0; c < cube->ncells; c++)
	{
		uint64 at = plain->n;
		bool   alike = c > 0;

		if (c % CHECK_EVERY == 0)
			FP_CHECK_INTERRUPTS();
		for (int d = 0; d < cube->ndims && alike; d++)
			alike = cube->codes[d][c] == cube->codes[d][c - 1];
		if (alike)
		{
			plain->trials[at - 1] += cube->trials[c];
			plain->failures[at - 1] += cube->failures[c];
			continue;
		}
		/* a dimension that the cube does not have is 0, not recorded */
		for (int d = 0; d < cube->ndims; d++)
			plain->codes[to[d]][at] = remap[d][cube->codes[d][c]];
		if (builder->stratum >= 0)
			plain->codes[builder->stratum][at] = period;
		plain->trials[at] = cube->trials[c];
		plain->failures[at] = cube->failures[c];
		plain->n++;
	}
	fp_arena_delete(arena);
}

/* all cells, of the builder and plain ones, in one cube */
static FpCube *
join(FpArena result, FpCubeBuilder *builder, const Plain *plain)
{
	FpCellTable *cells = &builder->cells;
	int			 order[FP_MAX_DIMS];
	uint32		*remap[FP_MAX_DIMS];
	FpCube		*cube;
	uint64		 added;

	if (builder->relayout)
		fp_builder_relayout(builder);
	fp_cells_rest(builder->arena, cells);
	cube = fp_builder_freeze_dims(builder, result, order, remap);
	added = cells->ncells;
	cube->ncells = added + plain->n;
	cube->trials = fp_alloc_array(result, int64, cube->ncells + 1);
	cube->failures = fp_alloc_array(result, int64, cube->ncells + 1);
	for (int d = 0; d < cube->ndims; d++)
		cube->codes[d] = fp_alloc_array(result, uint32, cube->ncells + 1);
	for (uint64 c = 0; c < added; c++)
	{
		const uint64 *entry = FP_CELL(cells, c);

		if (c % CHECK_EVERY == 0)
			FP_CHECK_INTERRUPTS();
		for (int d = 0; d < cube->ndims; d++)
			cube->codes[d][c] = remap[d][fp_cell_code(cells, entry, order[d])];
		cube->trials[c] = FP_CELL_TRIALS(cells, entry);
		cube->failures[c] = FP_CELL_FAILURES(cells, entry);
	}
	for (int d = 0; d < cube->ndims && plain->n > 0; d++)
		for (uint64 c = 0; c < plain->n; c++)
		{
			if (c % CHECK_EVERY == 0)
				FP_CHECK_INTERRUPTS();
			cube->codes[d][added + c] = remap[d][plain->codes[order[d]][c]];
		}
	for (uint64 c = 0; c < plain->n; c++)
	{
		cube->trials[added + c] = plain->trials[c];
		cube->failures[added + c] = plain->failures[c];
	}
	for (uint64 c = 0; c < cube->ncells; c++)
	{
		/* their sum has been checked */
		cube->total_trials += cube->trials[c];
		cube->total_failures += cube->failures[c];
	}
	return cube;
}

/* one cube; periods: how many there are, 0: they are left out */
static FpCube *
fill(FpArena arena, FpArena result, FpCube *const *cubes, const int *period,
	 int n, int periods)
{
	FpCubeBuilder *builder =
		fp_builder_create(fp_arena_create(arena, "failpat build"), 0);
	FpCube **views = fp_alloc_array(arena, FpCube *, n + 1);
	uint32	 code_of[FP_MAX_PERIODS + 1] = {0};
	Plain	 plain = {0};
	uint64	 seen = 0;
	bool	 adding = true;

	for (int i = 0; i < n; i++)
		views[i] = without_strata(arena, cubes[i]);
	fp_builder_dims(builder, views, n);
	if (periods > 0)
	{
		int ndims = builder->ndims;

		builder->stratum = fp_builder_dim(builder, "since", 5, FP_STRATUM);
		if (builder->ndims == ndims)
			fp_error(FP_ERR_DATA, NULL, NULL,
					 "the cubes have a dimension \"since\" already");
		for (int p = 1; p <= periods; p++)
			code_of[p] = fp_builder_value(builder, builder->stratum,
										  &"123456"[p - 1], 1);
	}
	for (int i = 0; i < n; i++)
	{
		if (adding)
			fp_builder_merge_as(builder, arena, views[i], code_of[period[i]]);
		else
			append(arena, builder, &plain, views[i], code_of[period[i]]);
		seen += views[i]->ncells;
		if (adding && seen >= ENOUGH_CELLS && i + 1 < n)
		{
			uint64 rest = 0;

			fp_cells_flush(builder->arena, &builder->cells);
			adding =
				(double) builder->cells.ncells < WORTH_ADDING * (double) seen;
			if (adding)
				continue;
			for (int j = i + 1; j < n; j++)
				rest += views[j]->ncells;
			for (int d = 0; d < builder->ndims; d++)
				plain.codes[d] = fp_alloc0_array(arena, uint32, rest + 1);
			plain.trials = fp_alloc_array(arena, int64, rest + 1);
			plain.failures = fp_alloc_array(arena, int64, rest + 1);
		}
	}
	return join(result, builder, &plain);
}

FpCube *
fp_training_cube(FpArena result, FpCube *const *cubes, int n,
				 int64 min_failures, int *first_of, int *nperiods)
{
	FpArena arena = fp_arena_create(result, "failpat training");
	int	   *period = fp_alloc_array(arena, int, n + 1);
	int64	total = 0;
	int64	after = 0;
	int64	failures = 0;
	int		periods = 1;
	int		starts[FP_MAX_PERIODS];
	FpCube *cube;

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

	cube = fill(arena, result, cubes, period, n, periods > 1 ? periods : 0);
	fp_arena_delete(arena);
	return cube;
}
