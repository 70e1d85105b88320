/*-------------------------------------------------------------------------
 *
 * columns.c
 *		Cells to learn from, in few bytes each.
 *
 * Everything is in the arena that the columns were made in, working memory in
 * a child of it that is gone on return.  Room is taken for all rows at once;
 * pages that are not written to cost nothing.  No locks.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#include "predict/columns.h"

#define MOST_CODES 4096 /* of a column that several dimensions share */
#define MOST_COUNT 255	/* that fits into a byte */
#define CHUNK 1024		/* cells that are added together */

/* dimensions, largest first, each to the first column that has room */
static void
place_dims(FpColumns *columns, const FpCube *cube, int time_dim)
{
	for (int d = 0; d < cube->ndims; d++)
	{
		columns->places[d].column = -1;
		columns->places[d].ncodes = fp_ncodes(&cube->dims[d]);
	}
	for (;;)
	{
		FpPlace *next = NULL;
		int		 c = 0;

		for (int d = 0; d < cube->ndims; d++)
			if (columns->places[d].column < 0 &&
				(cube->dims[d].kind != FP_STRATUM || d == time_dim) &&
				(next == NULL || columns->places[d].ncodes > next->ncodes))
				next = &columns->places[d];
		if (next == NULL)
			break;
		while (c < columns->ncolumns &&
			   (uint64) columns->columns[c].size * next->ncodes > MOST_CODES)
			c++;
		if (c == columns->ncolumns)
			columns->columns[columns->ncolumns++].size = 1;
		next->column = c;
		next->stride = columns->columns[c].size;
		columns->columns[c].size *= next->ncodes;
	}
	/* there is one always */
	if (columns->ncolumns == 0)
		columns->columns[columns->ncolumns++].size = 1;
}

FpColumns *
fp_columns_create(FpArena arena, const FpCube *cube, int time_dim, uint64 cap)
{
	FpColumns *columns = fp_alloc0(arena, sizeof(FpColumns));

	columns->arena = arena;
	columns->ndims = cube->ndims;
	columns->places =
		fp_alloc0_array(arena, FpPlace, (uint64) cube->ndims + 1);
	columns->columns =
		fp_alloc0_array(arena, FpColumn, (uint64) cube->ndims + 1);
	columns->last = fp_alloc0_array(arena, uint32, (uint64) cube->ndims + 1);
	place_dims(columns, cube, time_dim);
	for (int c = 0; c < columns->ncolumns; c++)
	{
		FpColumn *column = &columns->columns[c];

		column->width = column->size <= 256		? 1
						: column->size <= 65536 ? 2
												: 4;
		column->codes =
			fp_alloc(arena, fp_array_size(cap + 1, (size_t) column->width));
	}
	columns->trials = fp_alloc_array(arena, uint8, cap + 1);
	columns->failures = fp_alloc_array(arena, uint8, cap + 1);
	return columns;
}

static void
put_counts(FpColumns *columns, uint64 row, int64 trials, int64 failures)
{
	FpLargeRow *large;

	if (trials <= MOST_COUNT)
	{
		columns->trials[row] = (uint8) trials;
		columns->failures[row] = (uint8) failures;
		return;
	}
	columns->trials[row] = columns->failures[row] = 0;
	if (columns->nlarge == columns->large_cap)
	{
		uint64 cap = Max(1024, columns->large_cap * 2);

		columns->large =
			columns->large
				? fp_realloc_array(columns->arena, columns->large, FpLargeRow,
								   columns->large_cap, cap)
				: fp_alloc_array(columns->arena, FpLargeRow, cap);
		columns->large_cap = cap;
	}
	large = &columns->large[columns->nlarge++];
	large->row = row;
	large->trials = trials;
	large->failures = failures;
}

static inline void
put_code(FpColumn *column, uint64 row, uint32 code)
{
	if (column->width == 1)
		((uint8 *) column->codes)[row] = (uint8) code;
	else if (column->width == 2)
		((uint16 *) column->codes)[row] = (uint16) code;
	else
		((uint32 *) column->codes)[row] = code;
}

/* codes of a column, of n <= CHUNK cells from "first" on */
static void
make_codes(const FpColumns *columns, int c, const FpCells *cells, uint64 first,
		   uint32 n, uint32 *to)
{
	uint32 base = 0;

	for (int d = 0; d < columns->ndims; d++)
		if (columns->places[d].column == c && cells->codes[d] == NULL)
			base += cells->fixed[d] * columns->places[d].stride;
	for (uint32 i = 0; i < n; i++)
		to[i] = base;
	for (int d = 0; d < columns->ndims; d++)
	{
		const uint32  stride = columns->places[d].stride;
		const uint32 *codes = cells->codes[d];
		const uint32 *remap = cells->remap ? cells->remap[d] : NULL;

		if (columns->places[d].column != c || codes == NULL)
			continue;
		codes += first;
		if (remap)
			for (uint32 i = 0; i < n; i++)
				to[i] += remap[codes[i]] * stride;
		else
			for (uint32 i = 0; i < n; i++)
				to[i] += codes[i] * stride;
	}
}

void
fp_columns_add(FpColumns *columns, const FpCells *cells, bool fold)
{
	FpArena arena = fp_arena_create(columns->arena, "failpat columns");
	uint32(*codes)[CHUNK] =
		fp_alloc(arena, ((size_t) columns->ncolumns + 1) * sizeof(*codes));
	int64 trials = 0; /* of the row that is not finished */
	int64 failures = 0;

	for (uint64 first = 0; first < cells->n; first += CHUNK)
	{
		uint32 n = (uint32) Min(cells->n - first, CHUNK);

		FP_CHECK_INTERRUPTS();
		for (int c = 0; c < columns->ncolumns; c++)
			make_codes(columns, c, cells, first, n, codes[c]);
		for (uint32 i = 0; i < n; i++)
		{
			bool alike = fold && trials > 0;

			for (int c = 0; c < columns->ncolumns && alike; c++)
				alike = codes[c][i] == columns->last[c];
			if (!alike)
			{
				if (trials > 0)
					put_counts(columns, columns->n - 1, trials, failures);
				trials = failures = 0;
				for (int c = 0; c < columns->ncolumns; c++)
				{
					columns->last[c] = codes[c][i];
					put_code(&columns->columns[c], columns->n, codes[c][i]);
				}
				columns->n++;
			}
			/* the sum of all has been checked */
			trials += cells->trials[first + i];
			failures += cells->failures[first + i];
		}
	}
	if (trials > 0)
		put_counts(columns, columns->n - 1, trials, failures);
	fp_arena_delete(arena);
}

void
fp_columns_read(const FpColumns *columns, int c, uint64 row, uint32 n,
				uint32 *codes)
{
	const FpColumn *column = &columns->columns[c];

	if (column->width == 1)
		for (uint32 i = 0; i < n; i++)
			codes[i] = ((const uint8 *) column->codes)[row + i];
	else if (column->width == 2)
		for (uint32 i = 0; i < n; i++)
			codes[i] = ((const uint16 *) column->codes)[row + i];
	else
		memcpy(codes, (const uint32 *) column->codes + row,
			   n * sizeof(uint32));
}

void
fp_columns_counts(const FpColumns *columns, uint64 row, uint32 n,
				  uint64 *large, int64 *trials, int64 *failures)
{
	for (uint32 i = 0; i < n; i++)
	{
		trials[i] = columns->trials[row + i];
		failures[i] = columns->failures[row + i];
	}
	while (*large < columns->nlarge && columns->large[*large].row < row)
		(*large)++;
	for (; *large < columns->nlarge && columns->large[*large].row < row + n;
		 (*large)++)
	{
		const FpLargeRow *one = &columns->large[*large];

		trials[one->row - row] = one->trials;
		failures[one->row - row] = one->failures;
	}
}

void
fp_columns_total(FpColumns *columns)
{
	FpArena arena = fp_arena_create(columns->arena, "failpat totals");
	int64 **sums = fp_alloc_array(arena, int64 *, columns->ncolumns + 1);
	uint32	codes[CHUNK];
	int64	trials[CHUNK];
	int64	failures[CHUNK];
	uint64	large = 0;

	for (int c = 0; c < columns->ncolumns; c++)
		sums[c] = fp_alloc0_array(arena, int64,
								  2 * (uint64) columns->columns[c].size);
	for (uint64 row = 0; row < columns->n; row += CHUNK)
	{
		uint32 n = (uint32) Min(columns->n - row, CHUNK);

		FP_CHECK_INTERRUPTS();
		fp_columns_counts(columns, row, n, &large, trials, failures);
		for (int c = 0; c < columns->ncolumns; c++)
		{
			fp_columns_read(columns, c, row, n, codes);
			for (uint32 i = 0; i < n; i++)
			{
				sums[c][2 * (size_t) codes[i]] += trials[i];
				sums[c][2 * (size_t) codes[i] + 1] += failures[i];
			}
		}
	}
	for (int d = 0; d < columns->ndims; d++)
	{
		FpPlace *place = &columns->places[d];

		if (place->column < 0)
			continue;
		place->trials = fp_alloc0_array(columns->arena, int64, place->ncodes);
		place->failures =
			fp_alloc0_array(columns->arena, int64, place->ncodes);
		for (uint32 j = 0; j < columns->columns[place->column].size; j++)
		{
			uint32 code = j / place->stride % place->ncodes;

			place->trials[code] += sums[place->column][2 * (size_t) j];
			place->failures[code] += sums[place->column][2 * (size_t) j + 1];
		}
	}
	fp_arena_delete(arena);
}
