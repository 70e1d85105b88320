/*-------------------------------------------------------------------------
 *
 * read.c
 *		Conditions and totals over a cube in memory.
 *
 * What is needed meanwhile lives in a child arena that goes on return; the
 * result in the caller's arena.  No locks.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#include "cube/read.h"

#include "cube/celltable.h"

uint32
fp_cube_find_number(const FpDim *dim, double number)
{
	uint32 low = 0;
	uint32 high = dim->nvalues;

	while (low < high)
	{
		uint32 mid = low + (high - low) / 2;

		if (dim->numbers[mid] == number)
			return mid + 1;
		if (dim->numbers[mid] < number)
			low = mid + 1;
		else
			high = mid;
	}
	return 0;
}

/* does a code of a dimension meet a condition? */
static bool
code_meets(const FpDim *dim, uint32 code, const FpCondition *condition)
{
	switch (condition->test)
	{
		case FP_TEST_NEVER:
			return false;
		case FP_TEST_NULL:
			return code == 0;
		case FP_TEST_EMPTY:
			return code != 0 && dim->kind == FP_SET &&
				   dim->set_offsets[code - 1] == dim->set_offsets[code];
		case FP_TEST_RANGE:
			return code != 0 && dim->kind == FP_ORDINAL &&
				   dim->numbers[code - 1] >= condition->min &&
				   dim->numbers[code - 1] <= condition->max;
		case FP_TEST_COUNT:
			return code != 0 && dim->kind == FP_SET &&
				   (double) fp_set_size(dim, code) >= condition->min &&
				   (double) fp_set_size(dim, code) <= condition->max;
		case FP_TEST_VALUES:
			break;
	}
	if (code == 0)
		return false;
	for (uint32 v = 0; v < condition->nvalues; v++)
	{
		bool found = dim->kind != FP_SET && condition->values[v] == code;

		if (dim->kind == FP_SET)
			for (uint64 m = dim->set_offsets[code - 1];
				 m < dim->set_offsets[code] && !found; m++)
				found = dim->set_members[m] == condition->values[v];
		if (!found)
			return false;
	}
	return true;
}

bool *
fp_condition_codes(FpArena arena, const FpDim *dim,
				   const FpCondition *condition)
{
	uint64 n = dim->kind == FP_SET ? dim->nsets : dim->nvalues;
	bool  *meets = fp_alloc_array(arena, bool, n + 1);

	for (uint64 code = 0; code <= n; code++)
	{
		if ((code & 0xffff) == 0)
			FP_CHECK_INTERRUPTS();
		meets[code] = code_meets(dim, (uint32) code, condition);
	}
	return meets;
}

bool *
fp_cube_match(FpArena arena, const FpCube *cube, const FpCondition *conditions,
			  int nconditions)
{
	bool *match = fp_alloc_array(arena, bool, cube->ncells + 1);

	memset(match, 1, cube->ncells + 1);
	for (int i = 0; i < nconditions; i++)
	{
		const FpDim	 *dim = &cube->dims[conditions[i].dim];
		const uint32 *codes = cube->codes[conditions[i].dim];
		bool		 *meets = fp_condition_codes(arena, dim, &conditions[i]);

		FP_CHECK_INTERRUPTS();
		for (uint64 c = 0; c < cube->ncells; c++)
			match[c] &= meets[codes[c]];
		fp_free(arena, meets);
	}
	return match;
}

typedef struct Row
{
	const uint32 *order; /* codes, the empty set and 0 made the largest */
	int64		  trials;
	int64		  failures;
	int			  ndims;
} Row;

static int
compare_rows(const void *a, const void *b)
{
	const Row *x = a;
	const Row *y = b;

	for (int i = 0; i < x->ndims; i++)
		if (x->order[i] != y->order[i])
			return x->order[i] < y->order[i] ? -1 : 1;
	return 0;
}

FpTotals *
fp_cube_totals(FpArena arena, const FpCube *cube, const int *dims, int ndims,
			   size_t limit)
{
	FpArena		 scratch = fp_arena_create(arena, "failpat totals");
	FpCellTable *table = fp_alloc0(scratch, sizeof(FpCellTable));
	FpTotals	*totals = fp_alloc0(arena, sizeof(FpTotals));
	uint8		 bits[FP_MAX_DIMS];
	Row			*rows;
	uint32		*order;

	Assert(ndims <= FP_MAX_DIMS);
	table->limit = limit;
	for (int i = 0; i < ndims; i++)
		/* room for nvalues + 1, the empty set */
		bits[i] =
			(uint8) (32 - __builtin_clz(cube->dims[dims[i]].nvalues + 1));
	fp_cells_layout(scratch, table, ndims, bits);

	for (uint64 c = 0; c < cube->ncells; c++)
	{
		uint32		  codes[FP_MAX_DIMS];
		const uint32 *members[FP_MAX_DIMS];
		uint32		  nmembers[FP_MAX_DIMS];
		uint32		  at[FP_MAX_DIMS] = {0};
		int			  i;

		if ((c & 0xff) == 0)
			FP_CHECK_INTERRUPTS();
		for (i = 0; i < ndims; i++)
		{
			const FpDim *dim = &cube->dims[dims[i]];
			uint32		 code = cube->codes[dims[i]][c];

			nmembers[i] = 1;
			codes[i] = code;
			if (dim->kind != FP_SET || code == 0)
				continue;
			members[i] = dim->set_members + dim->set_offsets[code - 1];
			nmembers[i] =
				(uint32) (dim->set_offsets[code] - dim->set_offsets[code - 1]);
			codes[i] = nmembers[i] ? members[i][0] : dim->nvalues + 1;
		}
		/* every way to choose a member of each set, as an odometer counts */
		do
		{
			fp_cells_add(scratch, table, codes, cube->trials[c],
						 cube->failures[c]);
			FP_CHECK_INTERRUPTS();
			for (i = 0; i < ndims; i++)
			{
				if (nmembers[i] <= 1)
					continue;
				if (++at[i] == nmembers[i])
					at[i] = 0;
				codes[i] = members[i][at[i]];
				if (at[i] != 0)
					break;
			}
		} while (i < ndims);
	}
	fp_cells_flush(scratch, table);

	rows = fp_alloc_array(scratch, Row, table->ncells + 1);
	order = fp_alloc_array(scratch, uint32, table->ncells * ndims + 1);
	for (uint64 r = 0; r < table->ncells; r++)
	{
		const uint64 *entry = FP_CELL(table, r);

		rows[r].order = order;
		rows[r].ndims = ndims;
		rows[r].trials = FP_CELL_TRIALS(table, entry);
		rows[r].failures = FP_CELL_FAILURES(table, entry);
		for (int i = 0; i < ndims; i++)
		{
			uint32 code = fp_cell_code(table, entry, i);

			*order++ = code == 0 ? cube->dims[dims[i]].nvalues + 2 : code;
		}
	}
	FP_CHECK_INTERRUPTS();
	qsort(rows, table->ncells, sizeof(Row), compare_rows);

	/* a grand total is a row, of nothing too */
	totals->n = ndims == 0 ? 1 : table->ncells;
	totals->codes = fp_alloc_array(arena, uint32, totals->n * ndims + 1);
	totals->trials = fp_alloc0_array(arena, int64, totals->n + 1);
	totals->failures = fp_alloc0_array(arena, int64, totals->n + 1);
	for (uint64 r = 0; r < table->ncells; r++)
	{
		totals->trials[r] = rows[r].trials;
		totals->failures[r] = rows[r].failures;
		for (int i = 0; i < ndims; i++)
			totals->codes[r * ndims + i] =
				rows[r].order[i] == cube->dims[dims[i]].nvalues + 2
					? 0
					: rows[r].order[i];
	}
	fp_arena_delete(scratch);
	return totals;
}
