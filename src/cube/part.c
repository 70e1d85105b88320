/*-------------------------------------------------------------------------
 *
 * part.c
 *		A part of a cube, straight from its bytes.
 *
 * A heatmap with a filter looks at many cubes, and of each at two dimensions
 * and those of the filter: so only these columns are unpacked, cell by cell,
 * and nothing is kept of a cell but its counts.
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
#include "cube/read.h"

#define MAX_SLOTS (1024 * 1024) /* pairs of codes that are counted */

static void corrupt(void) __attribute__((noreturn));

static void
corrupt(void)
{
	fp_error(FP_ERR_CORRUPT, NULL, NULL,
			 "invalid failure_cube: its cells are malformed");
}

/* A column: code of a cell = get_code(). */
typedef struct Column
{
	const uint8 *at;
	const uint8 *end; /* of the whole value */
	int			 bits;
	uint32		 max;
	uint64		 mask;
	const bool	*meets; /* per code, of a filter */
} Column;

static Column
open_column(const FpPackedCube *packed, int d)
{
	const FpDim *dim = &packed->head->dims[d];
	Column		 column = {packed->columns[d],
						   packed->end,
						   packed->bits[d],
					   dim->kind == FP_SET ? dim->nsets : dim->nvalues,
						   0,
						   NULL};

	column.mask = (UINT64CONST(1) << column.bits) - 1;
	return column;
}

static inline uint32
get_code(const Column *column, uint64 cell)
{
	uint64		 bit = cell * column->bits;
	const uint8 *from = column->at + (bit >> 3);
	uint64		 word = 0;
	uint32		 code;

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	if (likely(column->end - from >= 8))
		memcpy(&word, from, 8);
	else
#endif
		for (int i = 0; i < 8 && from + i < column->end; i++)
			word |= (uint64) from[i] << (8 * i);
	code = (uint32) (word >> (bit & 7) & column->mask);
	if (unlikely(code > column->max))
		corrupt();
	return code;
}

static inline uint64
get_varint(const uint8 **at, const uint8 *end)
{
	const uint8 *from = *at;
	uint64		 value = 0;

	if (likely(from < end && *from < 0x80))
	{
		*at = from + 1;
		return *from;
	}
	for (int shift = 0; shift < 64 && from < end; shift += 7)
	{
		uint8 byte = *from++;

		value |= (uint64) (byte & 0x7f) << shift;
		if (byte < 0x80)
		{
			*at = from;
			return value;
		}
	}
	corrupt();
}

/* pass over n varints: as many bytes that end one */
static const uint8 *
skip_varints(const uint8 *at, const uint8 *end, uint64 n)
{
	while (n >= 8 && end - at >= 8)
	{
		uint64 word;

		memcpy(&word, at, 8);
		n -= 8 - (uint64) __builtin_popcountll(
					 word & UINT64CONST(0x8080808080808080));
		at += 8;
	}
	for (; n > 0; at++)
	{
		if (at == end)
			corrupt();
		n -= *at < 0x80;
	}
	return at;
}

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
	Column		  axes[2] = {{0}, {0}};
	Column		 *filters;
	Sums		 *sums;
	int64		 *check_sums = NULL;
	uint64		  nslots = 1;
	uint64		  stride;
	const uint8	 *trials_at = packed->counts;
	const uint8	 *failures_at;
	const uint8	 *checks_at;
	const uint8	 *end = packed->end;
	int64		  total = 0;
	FpCube		  view = *head;
	FpCube		 *result;
	int			  all[2] = {0, 1};
	uint64		  n = 0;
	uint64		  k = 0;

	if (ndims > 2)
		return NULL;
	for (int i = 0; i < ndims; i++)
	{
		axes[i] = open_column(packed, dims[i]);
		nslots *= (uint64) axes[i].max + 1;
	}
	if (nslots > MAX_SLOTS || nslots * (head->nchecks + 1) > MAX_SLOTS)
		return NULL;
	stride = ndims == 2 ? (uint64) axes[1].max + 1 : 1;
	scratch = fp_arena_create(arena, "failpat part");
	filters = fp_alloc_array(scratch, Column, nconditions + 1);
	for (int i = 0; i < nconditions; i++)
	{
		filters[i] = open_column(packed, conditions[i].dim);
		filters[i].meets =
			fp_condition_codes(scratch, &head->dims[conditions[i].dim],
							   &conditions[i]);
	}
	sums = fp_alloc0_array(scratch, Sums, nslots);
	if (head->nchecks > 0)
		check_sums = fp_alloc0_array(scratch, int64, nslots * head->nchecks);
	failures_at = skip_varints(trials_at, end, head->ncells);
	checks_at = skip_varints(failures_at, end, head->ncells);

	for (uint64 c = 0; c < head->ncells; c++)
	{
		uint64 trials = get_varint(&trials_at, end);
		uint64 failures = get_varint(&failures_at, end);
		uint64 entries = 0;
		uint64 slot = 0;
		bool   meets = true;

		if ((c & 0xffff) == 0)
			FP_CHECK_INTERRUPTS();
		if (trials >= PG_INT64_MAX || failures > trials + 1 ||
			pg_add_s64_overflow(total, (int64) trials + 1, &total))
			corrupt();
		if (head->nchecks > 0 && failures > 0)
			entries = get_varint(&checks_at, end);
		for (int i = 0; i < nconditions && meets; i++)
			meets = filters[i].meets[get_code(&filters[i], c)];
		if (!meets)
		{
			if (entries > head->nchecks)
				corrupt();
			checks_at = skip_varints(checks_at, end, entries * 2);
			continue;
		}
		if (ndims > 0)
			slot = get_code(&axes[0], c) * stride;
		if (ndims > 1)
			slot += get_code(&axes[1], c);
		sums[slot].trials += (int64) trials + 1;
		sums[slot].failures += (int64) failures;
		for (uint64 check = 0; entries > 0; entries--)
		{
			uint64 of_check;

			check += get_varint(&checks_at, end);
			of_check = get_varint(&checks_at, end) + 1;
			if (check >= head->nchecks || of_check > failures)
				corrupt();
			check_sums[slot * head->nchecks + check] += (int64) of_check;
			check++;
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
