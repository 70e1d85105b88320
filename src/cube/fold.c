/*-------------------------------------------------------------------------
 *
 * fold.c
 *		A cube without its strata, and where they are.
 *
 * Memory: results lie in the arena given, a folder in one of its own.  No
 * locks.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#include "cube/fold.h"

#include "cube/build.h"

/* A cube that keeps a larger part of its cells is left as it is. */
#define WORTH_FOLDING 0.8
/* Of the blocks that sheets are cut from, in bytes: the first, the greatest. */
#define FIRST_BLOCK ((size_t) 64 * 1024)
#define LAST_BLOCK ((size_t) 32 * 1024 * 1024)

FpFold *
fp_fold(const FpCube *cube, const int64 *fails, FpArena arena)
{
	uint32 *codes[FP_MAX_DIMS];
	int		ncodes = 0;
	bool   *begins;
	uint64	n = 0;
	FpFold *fold;

	for (int d = 0; d < cube->ndims; d++)
		if (cube->dims[d].kind != FP_STRATUM)
			codes[ncodes++] = cube->codes[d];
	if (ncodes == cube->ndims || cube->ncells == 0)
		return NULL;

	/* where a cell differs from the one before in more than strata */
	begins = fp_alloc0_array(arena, bool, cube->ncells);
	begins[0] = true;
	for (int d = 0; d < ncodes; d++)
	{
		const uint32 *code = codes[d];

		FP_CHECK_INTERRUPTS();
		for (uint64 c = 1; c < cube->ncells; c++)
			begins[c] |= code[c] != code[c - 1];
	}
	for (uint64 c = 0; c < cube->ncells; c++)
		n += begins[c];
	if ((double) n > WORTH_FOLDING * (double) cube->ncells)
	{
		fp_free(arena, begins);
		return NULL;
	}

	fold = fp_alloc0_array(arena, FpFold, 1);
	fold->parts = cube;
	fold->part_fails = fails;
	fold->cube = *cube;
	fold->cube.nchecks = 0;
	fold->cube.check_offsets = NULL;
	fold->cube.ncells = n;
	fold->cube.codes = fp_alloc0_array(arena, uint32 *, cube->ndims + 1);
	fold->cube.trials = fp_alloc0_array(arena, int64, n + 1);
	fold->cube.failures = fp_alloc0_array(arena, int64, n + 1);
	fold->first = fp_alloc_array(arena, uint64, n + 1);
	n = 0;
	for (uint64 c = 0; c < cube->ncells; c++)
	{
		if ((c & 0xffff) == 0)
			FP_CHECK_INTERRUPTS();
		if (begins[c])
			fold->first[n++] = c;
		fold->cube.trials[n - 1] += cube->trials[c];
		fold->cube.failures[n - 1] += fails[c];
	}
	fold->first[n] = cube->ncells;
	for (int d = 0; d < cube->ndims; d++)
	{
		if (cube->dims[d].kind == FP_STRATUM)
			continue;
		FP_CHECK_INTERRUPTS();
		fold->cube.codes[d] = fp_alloc_array(arena, uint32, n);
		for (uint64 c = 0; c < n; c++)
			fold->cube.codes[d][c] = cube->codes[d][fold->first[c]];
	}
	fp_free(arena, begins);
	return fold;
}

/* --- of many cubes ----------------------------------------------------- */

/* cells of one of the cubes */
typedef struct Sheet
{
	struct Sheet *next;
	uint32		  number; /* of the cube, from 1 */
	uint64		  ncells;
	uint32		 *cell;	  /* in the builder */
	uint32		**strata; /* by dimension of the builder, or NULL */
	int64		 *trials;
	int64		 *failures;
} Sheet;

struct FpFolder
{
	FpArena		   arena;
	FpCubeBuilder *builder;
	FpDict		   strata[FP_MAX_DIMS]; /* values, by the builder's dims */
	Sheet		  *first;
	Sheet		  *last;
	char		  *block; /* that the next sheet is cut from */
	size_t		   block_size;
	size_t		   block_used;
	uint32		   ncubes;
	uint64		   ncells;
	bool		   keep_parts;
};

FpFolder *
fp_folder_create(FpArena arena, bool keep_parts)
{
	FpArena	  own = fp_arena_create(arena, "failpat fold");
	FpFolder *folder = fp_alloc0_array(own, FpFolder, 1);

	folder->arena = own;
	folder->keep_parts = keep_parts;
	folder->builder =
		fp_builder_create(fp_arena_create(own, "failpat build"), 0);
	folder->builder->strata_last = true;
	return folder;
}

/* code of a value of a stratum that the cubes have */
static uint32
stratum_code(FpFolder *folder, int dim, const FpText *text)
{
	FpDict *dict = &folder->strata[dim];
	uint32	hash = fp_hash_bytes(text->data, text->len);
	uint32	code = fp_dict_find(dict, text->data, text->len, hash);

	return code
			   ? code
			   : fp_dict_add(folder->arena, dict, text->data, text->len, hash);
}

/*
 * Room for n items of a sheet.  Sheets are many and each is small, so they are
 * cut from blocks that are worth huge pages: given back as they come, in
 * pages of 4 kB, all sheets together are what a cancelled run waits for.
 */
static void *
cut(FpFolder *folder, uint64 n, size_t item)
{
	size_t size = (fp_array_size(n, item) + 7) & ~(size_t) 7; /* aligned */
	void  *room;

	if (folder->block == NULL ||
		size > folder->block_size - folder->block_used)
	{
		folder->block_size =
			Max(size,
				Min(LAST_BLOCK, Max(FIRST_BLOCK, 2 * folder->block_size)));
		folder->block = fp_alloc(folder->arena, folder->block_size);
		folder->block_used = 0;
	}
	room = folder->block + folder->block_used;
	folder->block_used += size;
	return room;
}

/* where the cells of a cube are to be noted */
static Sheet *
add_sheet(FpFolder *folder, const FpCube *cube)
{
	Sheet *sheet = fp_alloc0_array(folder->arena, Sheet, 1);
	uint64 n = cube->ncells;

	sheet->number = folder->ncubes;
	sheet->ncells = n;
	sheet->cell = cut(folder, n, sizeof(uint32));
	sheet->strata = fp_alloc0_array(folder->arena, uint32 *, FP_MAX_DIMS);
	sheet->trials = cut(folder, n, sizeof(int64));
	sheet->failures = cut(folder, n, sizeof(int64));
	memcpy(sheet->trials, cube->trials, n * sizeof(int64));
	memcpy(sheet->failures, cube->failures, n * sizeof(int64));
	folder->ncells += n;
	if (folder->last)
		folder->last->next = sheet;
	else
		folder->first = sheet;
	folder->last = sheet;
	return sheet;
}

void
fp_folder_add(FpFolder *folder, const FpCube *cube)
{
	FpCubeBuilder *builder = folder->builder;
	FpArena		   scratch = fp_arena_create(folder->arena, "failpat merge");
	Sheet		  *sheet = NULL;
	uint64		   n = cube->ncells;
	int			   to[FP_MAX_DIMS];
	int			   from[FP_MAX_DIMS]; /* those of its dimensions that count */
	int			   ndims = 0;
	uint32		  *remap[FP_MAX_DIMS];
	uint32		   codes[FP_MAX_DIMS] = {0};

	folder->ncubes++;
	if (folder->keep_parts)
		sheet = add_sheet(folder, cube);
	for (int d = 0; d < cube->ndims; d++)
	{
		const FpDim *dim = &cube->dims[d];
		uint64		 nvalues = dim->kind == FP_SET ? dim->nsets : dim->nvalues;

		/* without parts nothing is kept of strata */
		if (dim->kind == FP_STRATUM && !folder->keep_parts)
			continue;
		from[ndims] = d;
		to[ndims] =
			fp_builder_dim(builder, dim->name.data, dim->name.len, dim->kind);
		remap[d] = fp_alloc0_array(scratch, uint32, nvalues + 1);
		for (uint32 v = 1; v <= nvalues; v++)
		{
			const FpText *text = &dim->values[v - 1];

			if ((v & 0xffff) == 0)
				FP_CHECK_INTERRUPTS();
			if (dim->kind == FP_STRATUM)
				remap[d][v] = stratum_code(folder, to[ndims], text);
			else
				remap[d][v] = fp_builder_code(builder, to[ndims], dim, v);
		}
		if (dim->kind == FP_STRATUM)
		{
			uint32 *strata = cut(folder, n, sizeof(uint32));

			for (uint64 c = 0; c < n; c++)
				strata[c] = remap[d][cube->codes[d][c]];
			sheet->strata[to[ndims]] = strata;
			/* one cell, whatever the stratum */
			memset(remap[d], 0, (nvalues + 1) * sizeof(uint32));
		}
		ndims++;
	}
	fp_builder_order(builder, to, ndims, false);
	if (builder->relayout)
		fp_builder_relayout(builder);
	for (uint64 c = 0; c < n; c++)
	{
		if ((c & 0x3ff) == 0)
			FP_CHECK_INTERRUPTS();
		for (int i = 0; i < ndims; i++)
			codes[to[i]] = remap[from[i]][cube->codes[from[i]][c]];
		if (sheet != NULL)
			fp_cells_add_numbered(builder->arena, &builder->cells, codes,
								  cube->trials[c], cube->failures[c],
								  &sheet->cell[c]);
		else
			fp_cells_add(builder->arena, &builder->cells, codes,
						 cube->trials[c], cube->failures[c]);
	}
	fp_cells_flush(builder->arena, &builder->cells);
	fp_arena_delete(scratch);
}

/* The dimension of the number of the cube, of n, after all others. */
static void
add_stratum(uint32 n, const char *name, FpCube *cube, FpArena arena)
{
	FpDim *dims = fp_alloc0_array(arena, FpDim, cube->ndims + 2);
	FpDim *dim = &dims[cube->ndims];
	char   text[16];
	int	   digits = snprintf(text, sizeof(text), "%u", n);

	if (fp_cube_find_dim(cube, name, strlen(name)) >= 0 ||
		cube->ndims == FP_MAX_DIMS)
		fp_error(FP_ERR_DATA, NULL, NULL,
				 "the cubes have a dimension \"%s\" already, or too many",
				 name);
	memcpy(dims, cube->dims, cube->ndims * sizeof(FpDim));
	dim->name.data = name;
	dim->name.len = (uint32) strlen(name);
	dim->kind = FP_STRATUM;
	dim->nvalues = n;
	dim->values = fp_alloc0_array(arena, FpText, (uint64) n + 1);
	for (uint32 v = 0; v < n; v++)
	{
		char *copy = fp_alloc(arena, sizeof(text));

		dim->values[v].len =
			(uint32) snprintf(copy, sizeof(text), "%0*u", digits, v + 1);
		dim->values[v].data = copy;
	}
	cube->dims = dims;
	cube->ndims++;
}

FpFold *
fp_folder_finish(FpFolder *folder, const char *stratum_name, FpArena arena)
{
	FpFold *fold = fp_alloc0_array(arena, FpFold, 1);
	FpCube *parts = fp_alloc0_array(arena, FpCube, 1);
	int		from[FP_MAX_DIMS];
	uint32 *position;
	uint64 *fill;
	uint64	n;

	position = fp_alloc0_array(folder->arena, uint32,
							   folder->builder->cells.ncells + 1);
	fold->cube = *fp_builder_freeze_cells(folder->builder, arena, position);
	n = fold->cube.ncells;

	/* strata of the cubes themselves: their values are here */
	for (int d = 0; d < fold->cube.ndims; d++)
	{
		FpDim  *dim = &fold->cube.dims[d];
		FpDict *dict;

		if (dim->kind != FP_STRATUM)
			continue;
		for (from[d] = 0;
			 folder->builder->dims[from[d]]->name.len != dim->name.len ||
			 memcmp(folder->builder->dims[from[d]]->name.data, dim->name.data,
					dim->name.len) != 0;
			 from[d]++)
			;
		dict = &folder->strata[from[d]];
		dim->nvalues = dict->n;
		dim->values = fp_alloc0_array(arena, FpText, (uint64) dict->n + 1);
		for (uint32 v = 0; v < dict->n; v++)
		{
			char *copy = fp_alloc(arena, (size_t) dict->texts[v].len + 1);

			memcpy(copy, dict->texts[v].data, dict->texts[v].len);
			copy[dict->texts[v].len] = '\0';
			dim->values[v].data = copy;
			dim->values[v].len = dict->texts[v].len;
		}
	}
	add_stratum(folder->ncubes, stratum_name, &fold->cube, arena);

	fold->first = fp_alloc0_array(arena, uint64, n + 1);
	for (Sheet *sheet = folder->first; sheet; sheet = sheet->next)
	{
		for (uint64 c = 0; c < sheet->ncells; c++)
		{
			if ((c & 0x3ff) == 0)
				FP_CHECK_INTERRUPTS();
			fold->first[position[sheet->cell[c]] + 1]++;
		}
	}
	fill = fp_alloc_array(folder->arena, uint64, n + 1);
	for (uint64 c = 0; c < n; c++)
	{
		if ((c & 0x3fff) == 0)
			FP_CHECK_INTERRUPTS();
		fill[c] = fold->first[c];
		fold->first[c + 1] += fold->first[c];
	}

	*parts = fold->cube;
	parts->ncells = folder->ncells;
	parts->codes = fp_alloc0_array(arena, uint32 *, parts->ndims + 1);
	for (int d = 0; d < parts->ndims; d++)
		if (parts->dims[d].kind == FP_STRATUM)
			parts->codes[d] =
				fp_alloc0_array(arena, uint32, folder->ncells + 1);
	/* zeroed since the cells of a sheet are all over them */
	parts->trials = fp_alloc0_array(arena, int64, folder->ncells + 1);
	parts->failures = fp_alloc0_array(arena, int64, folder->ncells + 1);
	for (Sheet *sheet = folder->first; sheet; sheet = sheet->next)
	{
		uint32 *number = parts->codes[parts->ndims - 1];

		for (uint64 c = 0; c < sheet->ncells; c++)
		{
			uint64 at;

			if ((c & 0x3ff) == 0)
				FP_CHECK_INTERRUPTS();
			at = fill[position[sheet->cell[c]]]++;

			number[at] = sheet->number;
			parts->trials[at] = sheet->trials[c];
			parts->failures[at] = sheet->failures[c];
			for (int d = 0; d < parts->ndims - 1; d++)
				if (parts->codes[d] != NULL && sheet->strata[from[d]] != NULL)
					parts->codes[d][at] = sheet->strata[from[d]][c];
		}
	}
	fold->parts = parts;
	fold->part_fails = parts->failures;
	fp_arena_delete(folder->arena);
	return fold;
}

FpFold *
fp_folder_base(FpFolder *folder, const char *stratum_name, uint32 nstrata,
			   FpArena arena)
{
	FpFold *fold = fp_alloc0_array(arena, FpFold, 1);

	fold->cube = *fp_builder_freeze(folder->builder, arena);
	add_stratum(nstrata, stratum_name, &fold->cube, arena);
	fp_arena_delete(folder->arena);
	return fold;
}
