/*-------------------------------------------------------------------------
 *
 * training.c
 *		Cells to learn from, of cubes in order of time.
 *
 * The cubes are unpacked one after the other.
 * Cells that are alike are added up as long as that makes them fewer by much: it
 * costs more than it saves where nearly every combination is another.
 *
 * The result is in the caller's arena, working memory in a child of it that is
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
			/* a head has none */
			view->codes[view->ndims++] = cube->codes ? cube->codes[d] : NULL;
		}
	return view;
}

/* Where the codes of a cube's dimensions go. */
typedef struct Way
{
	int		ndims;
	int		to[FP_MAX_DIMS];   /* dimension of the builder */
	uint32 *code[FP_MAX_DIMS]; /* its code */
} Way;

/* the builder learns all values of a cube */
static void
learn_values(FpArena arena, FpCubeBuilder *builder, const FpCube *view,
			 Way *way)
{
	way->ndims = view->ndims;
	for (int d = 0; d < view->ndims; d++)
	{
		const FpDim *dim = &view->dims[d];
		uint32		 n = fp_ncodes(dim);
		int			 to =
			fp_builder_dim(builder, dim->name.data, dim->name.len, dim->kind);

		way->to[d] = to;
		way->code[d] = fp_alloc0_array(arena, uint32, n);
		for (uint32 c = 1; c < n; c++)
		{
			if (c % CHECK_EVERY == 0)
				FP_CHECK_INTERRUPTS();
			way->code[d][c] = fp_builder_code(builder, to, dim, c);
		}
	}
}

/* the builder's cells */
static void
take_added(FpArena scratch, FpColumns *columns, FpCubeBuilder *builder,
		   const int *order, uint32 *const *remap)
{
	FpCellTable *table = &builder->cells;
	FpArena		 arena = fp_arena_create(scratch, "failpat added");
	uint32		*codes[FP_MAX_DIMS];
	int64		*trials = fp_alloc_array(arena, int64, CHECK_EVERY);
	int64		*failures = fp_alloc_array(arena, int64, CHECK_EVERY);
	FpCells		 cells = {0, codes, remap, NULL, trials, failures};

	for (int d = 0; d < columns->ndims; d++)
		codes[d] = fp_alloc_array(arena, uint32, CHECK_EVERY);
	for (uint64 first = 0; first < table->ncells; first += CHECK_EVERY)
	{
		cells.n = Min(table->ncells - first, CHECK_EVERY);
		for (uint64 i = 0; i < cells.n; i++)
		{
			const uint64 *entry = FP_CELL(table, first + i);

			for (int d = 0; d < columns->ndims; d++)
				codes[d][i] = fp_cell_code(table, entry, order[d]);
			trials[i] = FP_CELL_TRIALS(table, entry);
			failures[i] = FP_CELL_FAILURES(table, entry);
		}
		fp_columns_add(columns, &cells, false);
	}
	fp_arena_delete(arena);
}

/* a cube's cells as they are, but that neighbours may be alike in all but the
 * job */
static void
append(FpArena arena, FpColumns *columns, const FpCube *view, const Way *way,
	   const FpCubeBuilder *builder, const int *order, uint32 *const *remap,
	   uint32 period)
{
	uint32 *codes[FP_MAX_DIMS] = {0};
	uint32 *ways[FP_MAX_DIMS] = {0};
	uint32	fixed[FP_MAX_DIMS] = {0};
	FpCells cells = {view->ncells, codes,		 ways,
					 fixed,		   view->trials, view->failures};

	for (int to = 0; to < columns->ndims; to++)
	{
		/* a dimension that the cube does not have is 0, not recorded */
		if (order[to] == builder->stratum)
			fixed[to] = remap[to][period];
		for (int d = 0; d < way->ndims; d++)
			if (way->to[d] == order[to])
			{
				uint32 n = fp_ncodes(&view->dims[d]);

				codes[to] = view->codes[d];
				ways[to] = fp_alloc_array(arena, uint32, n);
				for (uint32 c = 0; c < n; c++)
					ways[to][c] = remap[to][way->code[d][c]];
			}
	}
	fp_columns_add(columns, &cells, true);
}

/* one training set; periods: how many there are, 0: they are left out */
static FpTraining *
fill(FpArena arena, FpArena result, const FpPackedCube *cubes,
	 const int *period, int n, int periods)
{
	FpCubeBuilder *builder =
		fp_builder_create(fp_arena_create(arena, "failpat build"), 0);
	FpArena		one = fp_arena_create(arena, "failpat one cube");
	FpTraining *training = fp_alloc0(result, sizeof(FpTraining));
	FpCube	  **views = fp_alloc_array(arena, FpCube *, n + 1);
	Way		   *ways = fp_alloc_array(arena, Way, n + 1);
	uint32		code_of[FP_MAX_PERIODS + 1] = {0};
	int			order[FP_MAX_DIMS];
	uint32	   *remap[FP_MAX_DIMS];
	FpCube	   *cube;
	uint64		seen = 0;
	uint64		rest = 0;
	int			added = 0; /* cubes */
	int			time_dim = -1;

	for (int i = 0; i < n; i++)
		views[i] = without_strata(arena, cubes[i].head);
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
		learn_values(arena, builder, views[i], &ways[i]);
	while (added < n)
	{
		const FpCube *whole = fp_cube_unpack(one, &cubes[added]);

		fp_builder_merge_as(builder, one, without_strata(one, whole),
							code_of[period[added]]);
		seen += whole->ncells;
		fp_arena_reset(one);
		added++;
		if (seen < ENOUGH_CELLS)
			continue;
		fp_cells_flush(builder->arena, &builder->cells);
		if ((double) builder->cells.ncells >= WORTH_ADDING * (double) seen)
			break;
	}
	if (builder->relayout)
		fp_builder_relayout(builder);
	fp_cells_rest(builder->arena, &builder->cells);
	cube = fp_builder_freeze_dims(builder, result, order, remap);
	for (int d = 0; d < cube->ndims; d++)
		if (order[d] == builder->stratum)
			time_dim = d;
	for (int i = added; i < n; i++)
		rest += cubes[i].head->ncells;
	training->cube = cube;
	training->time_dim = time_dim;
	training->rows = fp_columns_create(result, cube, time_dim,
									   builder->cells.ncells + rest);
	take_added(arena, training->rows, builder, order, remap);
	for (int i = added; i < n; i++)
	{
		const FpCube *whole = fp_cube_unpack(one, &cubes[i]);

		append(one, training->rows, without_strata(one, whole), &ways[i],
			   builder, order, remap, code_of[period[i]]);
		fp_arena_reset(one);
	}
	fp_columns_total(training->rows);
	return training;
}

FpTraining *
fp_training(FpArena result, const FpPackedCube *cubes, int n,
			int64 min_failures, int *first_of, int *nperiods)
{
	FpArena		arena = fp_arena_create(result, "failpat training");
	int		   *period = fp_alloc_array(arena, int, n + 1);
	int64		total = 0;
	int64		after = 0;
	int64		failures = 0;
	int			periods = 1;
	int			starts[FP_MAX_PERIODS];
	FpTraining *training;

	for (int i = 0; i < n; i++)
		if (pg_add_s64_overflow(total, cubes[i].head->total_trials, &total))
			fp_error(FP_ERR_RANGE, NULL, NULL, "too many trials to count");

	/*
	 * Cubes from the last backwards: the longest tails that have a half, a
	 * quarter, ... of the trials at most, and failures enough beside the next
	 * shorter one; the shortest comes first.
	 */
	for (int p = FP_MAX_PERIODS - 1, i = n; p >= 1; p--)
	{
		int start = i;

		while (start > 0 && after + cubes[start - 1].head->total_trials <=
								total / ((int64) 1 << p))
		{
			start--;
			after += cubes[start].head->total_trials;
			failures += cubes[start].head->total_failures;
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

	training =
		fill(arena, result, cubes, period, n, periods > 1 ? periods : 0);
	training->cube->total_trials = total;
	for (int i = 0; i < n; i++)
		training->cube->total_failures += cubes[i].head->total_failures;
	fp_arena_delete(arena);
	return training;
}
