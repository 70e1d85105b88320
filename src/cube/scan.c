/*-------------------------------------------------------------------------
 *
 * scan.c
 *		The cells of a cube that meet conditions, some hundred at a time.
 *
 * All that it needs lies in the caller's arena.  Takes no locks.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#include "cube/scan.h"

static void corrupt(void) __attribute__((noreturn));

static void
corrupt(void)
{
	fp_error(FP_ERR_CORRUPT, NULL, NULL,
			 "invalid failure_cube: its cells are malformed");
}

/* --- bytes ------------------------------------------------------------- */

static FpColumn
open_column(const FpPackedCube *packed, int d)
{
	const FpDim *dim = &packed->head->dims[d];
	FpColumn	 column = {packed->columns[d], packed->bits[d],
					   dim->kind == FP_SET ? dim->nsets : dim->nvalues, 0};

	column.mask = (UINT64CONST(1) << column.bits) - 1;
	return column;
}

static inline uint32
get_code(const FpColumn *column, const uint8 *end, uint64 cell)
{
	uint64		 bit = cell * column->bits;
	const uint8 *from = column->at + (bit >> 3);
	uint64		 word = 0;
	uint32		 code;

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	if (likely(end - from >= 8))
		memcpy(&word, from, 8);
	else
#endif
		for (int i = 0; i < 8 && from + i < end; i++)
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

/* --- beginning --------------------------------------------------------- */

static FpScan *
begin(FpArena arena, const FpCube *cube, const FpPackedCube *packed,
	  const FpCondition *conditions, int nconditions, const int *dims,
	  bool checks)
{
	FpScan *scan = fp_alloc(arena, sizeof(FpScan));

	/* the cells at hand need not be cleared */
	memset(scan->codes, 0, sizeof(scan->codes));
	scan->cube = cube;
	scan->packed = packed;
	scan->checks = checks && cube->nchecks > 0;
	scan->failures_begin = scan->checks_begin = NULL;
	scan->entry_cells = scan->entry_checks = NULL;
	scan->entry_failures = NULL;
	if (scan->checks)
	{
		uint64 n = (uint64) FP_SCAN_CELLS * cube->nchecks;

		scan->entry_cells = fp_alloc_array(arena, uint32, n);
		scan->entry_checks = fp_alloc_array(arena, uint32, n);
		scan->entry_failures = fp_alloc_array(arena, int64, n);
	}
	for (int i = 0; i < FP_SCAN_DIMS; i++)
	{
		scan->dims[i] = NULL;
		scan->memory[i] = NULL;
		if (dims[i] < 0)
			continue;
		scan->dims[i] = &cube->dims[dims[i]];
		if (packed)
			scan->columns[i] = open_column(packed, dims[i]);
		else
			scan->memory[i] = cube->codes[dims[i]];
	}
	scan->nfilters = nconditions;
	scan->filters = fp_alloc0_array(arena, FpFilter, nconditions + 1);
	for (int i = 0; i < nconditions; i++)
	{
		FpFilter *filter = &scan->filters[i];
		int		  d = conditions[i].dim;

		filter->meets =
			fp_condition_codes(arena, &cube->dims[d], &conditions[i]);
		if (packed)
			filter->column = open_column(packed, d);
		else
			filter->codes = cube->codes[d];
	}
	fp_scan_rewind(scan);
	return scan;
}

FpScan *
fp_scan_cube(FpArena arena, const FpCube *cube, const FpCondition *conditions,
			 int nconditions, const int dims[FP_SCAN_DIMS], bool checks)
{
	return begin(arena, cube, NULL, conditions, nconditions, dims, checks);
}

FpScan *
fp_scan_packed(FpArena arena, const FpPackedCube *packed,
			   const FpCondition *conditions, int nconditions,
			   const int dims[FP_SCAN_DIMS], bool checks)
{
	return begin(arena, packed->head, packed, conditions, nconditions, dims,
				 checks);
}

void
fp_scan_rewind(FpScan *scan)
{
	const FpPackedCube *packed = scan->packed;

	scan->n = 0;
	scan->nentries = 0;
	scan->next = 0;
	scan->total = 0;
	if (!packed)
		return;
	/* failures begin after the trials of all cells, and checks after those */
	if (!scan->failures_begin)
		scan->failures_begin =
			skip_varints(packed->counts, packed->end, scan->cube->ncells);
	if (scan->checks && !scan->checks_begin)
		scan->checks_begin = skip_varints(scan->failures_begin, packed->end,
										  scan->cube->ncells);
	scan->trials_at = packed->counts;
	scan->failures_at = scan->failures_begin;
	scan->checks_at = scan->checks_begin;
}

/* --- cells ------------------------------------------------------------- */

/* the checks of a cell that failed so often; kept where it is to be told */
static void
read_checks(FpScan *scan, int64 failures, bool keep)
{
	const uint8 *end = scan->packed->end;
	uint64		 entries = get_varint(&scan->checks_at, end);

	if (entries > scan->cube->nchecks)
		corrupt();
	if (!keep)
	{
		scan->checks_at = skip_varints(scan->checks_at, end, entries * 2);
		return;
	}
	for (uint64 check = 0; entries > 0; entries--, check++)
	{
		uint64 of_check;

		check += get_varint(&scan->checks_at, end);
		of_check = get_varint(&scan->checks_at, end);
		if (check >= scan->cube->nchecks || of_check >= (uint64) failures)
			corrupt();
		scan->entry_cells[scan->nentries] = scan->n;
		scan->entry_checks[scan->nentries] = (uint32) check;
		scan->entry_failures[scan->nentries++] = (int64) of_check + 1;
	}
}

static void
next_packed(FpScan *scan)
{
	const uint8 *end = scan->packed->end;
	uint64		 ncells = scan->cube->ncells;

	for (; scan->next < ncells && scan->n < FP_SCAN_CELLS; scan->next++)
	{
		uint64 trials = get_varint(&scan->trials_at, end);
		uint64 failures = get_varint(&scan->failures_at, end);
		bool   meets = true;

		if ((scan->next & 0x1fff) == 0)
			FP_CHECK_INTERRUPTS();
		/* what is stored is one less */
		if (trials >= PG_INT64_MAX || failures > trials + 1 ||
			pg_add_s64_overflow(scan->total, (int64) trials + 1, &scan->total))
			corrupt();
		for (int i = 0; i < scan->nfilters && meets; i++)
			meets = scan->filters[i].meets[get_code(&scan->filters[i].column,
													end, scan->next)];
		if (scan->checks && failures > 0)
			read_checks(scan, (int64) failures, meets);
		if (!meets)
			continue;
		for (int i = 0; i < FP_SCAN_DIMS; i++)
			if (scan->dims[i])
				scan->codes[i][scan->n] =
					get_code(&scan->columns[i], end, scan->next);
		scan->trials[scan->n] = (int64) trials + 1;
		scan->failures[scan->n++] = (int64) failures;
	}
}

static void
next_in_memory(FpScan *scan)
{
	const FpCube *cube = scan->cube;

	for (; scan->next < cube->ncells && scan->n < FP_SCAN_CELLS; scan->next++)
	{
		uint64 c = scan->next;
		bool   meets = true;

		if ((c & 0x1fff) == 0)
			FP_CHECK_INTERRUPTS();
		for (int i = 0; i < scan->nfilters && meets; i++)
			meets = scan->filters[i].meets[scan->filters[i].codes[c]];
		if (!meets)
			continue;
		for (int i = 0; i < FP_SCAN_DIMS; i++)
			if (scan->dims[i])
				scan->codes[i][scan->n] = scan->memory[i][c];
		for (uint64 e = scan->checks ? cube->check_offsets[c] : 0;
			 scan->checks && e < cube->check_offsets[c + 1]; e++)
		{
			scan->entry_cells[scan->nentries] = scan->n;
			scan->entry_checks[scan->nentries] = cube->check_codes[e];
			scan->entry_failures[scan->nentries++] = cube->check_failures[e];
		}
		scan->trials[scan->n] = cube->trials[c];
		scan->failures[scan->n++] = cube->failures[c];
	}
}

bool
fp_scan_next(FpScan *scan)
{
	scan->n = 0;
	scan->nentries = 0;
	if (scan->packed)
		next_packed(scan);
	else
		next_in_memory(scan);
	return scan->n > 0;
}
