/*-------------------------------------------------------------------------
 *
 * scan.c
 *		The cells of a cube that meet conditions, some hundred at a time.
 *
 * Of a cube as it is stored, a block of cells is read column by column, each in
 * a loop of its own that takes eight bytes at once where it can: first those
 * that conditions are on, then, unless no cell of the block is left, the
 * counts, and of the cells that are left the columns that are told.
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

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define WORDS_AT_ONCE true
#else
#define WORDS_AT_ONCE false
#endif

/* eight bytes, the lowest first */
static inline uint64
get_word(const uint8 *from)
{
	uint64 word;

	memcpy(&word, from, 8);
	return word;
}

/* one code, anywhere */
static uint32
get_code(const FpColumn *column, const uint8 *end, uint64 cell)
{
	uint64		 bit = cell * column->bits;
	const uint8 *from = column->at + (bit >> 3);
	uint64		 word = 0;

	for (int i = 0; i < 8 && from + i < end; i++)
		word |= (uint64) from[i] << (8 * i);
	return (uint32) (word >> (bit & 7) & column->mask);
}

/*
 * The codes of some cells of a block that begins at a cell: of all n, or of
 * those that picked numbers.
 */
static void
get_codes(const FpColumn *column, const uint8 *end, uint64 first,
		  const uint16 *picked, uint32 n, uint32 *codes)
{
	uint64		 last = first + (picked ? FP_SCAN_CELLS : n);
	const uint8 *at = column->at;
	uint64		 bits = column->bits;
	uint64		 mask = column->mask;
	uint32		 most = 0;

	if (!WORDS_AT_ONCE || end - at < (ptrdiff_t) (last * bits >> 3) + 8)
		for (uint32 i = 0; i < n; i++)
			codes[i] = get_code(column, end, first + (picked ? picked[i] : i));
	else if (picked)
		for (uint32 i = 0; i < n; i++)
		{
			uint64 bit = (first + picked[i]) * bits;

			codes[i] =
				(uint32) (get_word(at + (bit >> 3)) >> (bit & 7) & mask);
		}
	else
		for (uint32 i = 0; i < n; i++)
		{
			uint64 bit = (first + i) * bits;

			codes[i] =
				(uint32) (get_word(at + (bit >> 3)) >> (bit & 7) & mask);
		}
	for (uint32 i = 0; i < n; i++)
		most = Max(most, codes[i]);
	if (unlikely(most > column->max))
		corrupt();
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

/*
 * n varints.  Mostly they take a byte, some two; so eight of a byte are taken
 * at once, and whether one takes one byte or two is not branched upon.
 */
static const uint8 *
get_varints(const uint8 *at, const uint8 *end, uint32 n, uint64 *values)
{
	uint32 i = 0;

	while (n - i >= 8 && end - at >= 16)
	{
		if ((get_word(at) & UINT64CONST(0x8080808080808080)) == 0)
		{
			for (int k = 0; k < 8; k++)
				values[i + k] = at[k];
			at += 8;
			i += 8;
			continue;
		}
		for (int k = 0; k < 8; k++, i++)
		{
			uint64 low = at[0];
			uint64 two = low >> 7;
			uint64 high = at[1] & -two;

			if (unlikely(high >= 0x80))
			{
				values[i++] = get_varint(&at, end);
				break;
			}
			values[i] = (low & 0x7f) | high << 7;
			at += 1 + two;
		}
	}
	for (; i < n; i++)
		values[i] = get_varint(&at, end);
	return at;
}

/* pass over n varints: as many bytes that end one */
static const uint8 *
skip_varints(const uint8 *at, const uint8 *end, uint64 n)
{
	while (n >= 8 && end - at >= 8)
	{
		n -= 8 - (uint64) __builtin_popcountll(
					 get_word(at) & UINT64CONST(0x8080808080808080));
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

/*
 * The checks of a cell that failed so often; kept, where it is to be told, as
 * those of cell number k of those at hand.
 */
static void
read_checks(FpScan *scan, int64 failures, uint32 k, bool keep)
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
		scan->entry_cells[scan->nentries] = k;
		scan->entry_checks[scan->nentries] = (uint32) check;
		scan->entry_failures[scan->nentries++] = (int64) of_check + 1;
	}
}

/* which cells of a block meet all conditions, in order; returns how many */
static uint32
pick(FpScan *scan, uint32 n, uint16 *picked)
{
	uint32 codes[FP_SCAN_CELLS];
	uint32 left = 0;

	for (int f = 0; f < scan->nfilters; f++)
	{
		const FpFilter *filter = &scan->filters[f];
		const bool	   *meets = filter->meets;
		uint32			before = f == 0 ? n : left;

		get_codes(&filter->column, scan->packed->end, scan->next,
				  f == 0 ? NULL : picked, before, codes);
		left = 0;
		/* written always, so that nothing is branched upon */
		for (uint32 i = 0; i < before; i++)
		{
			picked[left] = f == 0 ? (uint16) i : picked[i];
			left += meets[codes[i]];
		}
		if (left == 0)
			break;
	}
	return left;
}

/* The next block of cells. */
static void
next_packed(FpScan *scan)
{
	const uint8 *end = scan->packed->end;
	uint32	n = (uint32) Min(FP_SCAN_CELLS, scan->cube->ncells - scan->next);
	uint32	left = n;
	uint16	picked[FP_SCAN_CELLS];
	bool	all = scan->nfilters == 0;
	uint64 *trials = (uint64 *) scan->trials;
	uint64 *failures = (uint64 *) scan->failures;

	FP_CHECK_INTERRUPTS();
	if (!all)
		left = pick(scan, n, picked);
	if (left == 0 && !scan->checks)
	{
		scan->trials_at = skip_varints(scan->trials_at, end, n);
		scan->failures_at = skip_varints(scan->failures_at, end, n);
		scan->next += n;
		return;
	}
	scan->trials_at = get_varints(scan->trials_at, end, n, trials);
	scan->failures_at = get_varints(scan->failures_at, end, n, failures);
	for (uint32 i = 0; i < n; i++)
	{
		/* what is stored is one less */
		trials[i]++;
		if (trials[i] - 1 >= PG_INT64_MAX || failures[i] > trials[i] ||
			pg_add_s64_overflow(scan->total, (int64) trials[i], &scan->total))
			corrupt();
	}
	if (scan->checks)
		for (uint32 i = 0, k = 0; i < n; i++)
		{
			bool meets = all || (k < left && picked[k] == i);

			if (failures[i] > 0)
				read_checks(scan, (int64) failures[i], k, meets);
			k += meets;
		}
	if (!all)
		for (uint32 k = 0; k < left; k++)
		{
			trials[k] = trials[picked[k]];
			failures[k] = failures[picked[k]];
		}
	for (int d = 0; d < FP_SCAN_DIMS; d++)
		if (d > 0 && scan->dims[d] == scan->dims[0])
			memcpy(scan->codes[d], scan->codes[0], left * sizeof(uint32));
		else if (scan->dims[d])
			get_codes(&scan->columns[d], end, scan->next, all ? NULL : picked,
					  left, scan->codes[d]);
	scan->next += n;
	scan->n = left;
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
	if (!scan->packed)
		next_in_memory(scan);
	while (scan->packed && scan->n == 0 && scan->next < scan->cube->ncells)
	{
		scan->nentries = 0;
		next_packed(scan);
	}
	return scan->n > 0;
}

/* code of a check in a cube, or the number of checks where it never failed */
static uint32
find_check(const FpCube *cube, const FpText *check)
{
	uint32 c = 0;

	while (c < cube->nchecks &&
		   (cube->checks[c].len != check->len ||
			memcmp(cube->checks[c].data, check->data, check->len) != 0))
		c++;
	return c;
}

bool
fp_scan_next_of(FpScan *scan, const FpText *check)
{
	uint32 code;

	if (!fp_scan_next(scan))
		return false;
	if (!check)
		return true;
	memset(scan->failures, 0, scan->n * sizeof(int64));
	code = find_check(scan->cube, check);
	for (uint32 e = 0; e < scan->nentries; e++)
		if (scan->entry_checks[e] == code)
			scan->failures[scan->entry_cells[e]] = scan->entry_failures[e];
	return true;
}
