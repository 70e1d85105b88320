/*-------------------------------------------------------------------------
 *
 * celltable.h
 *		A hash table "codes of some dimensions -> (trials, failures)".
 *
 * The codes of a row are packed into as few 64-bit words as they need.  How
 * many bits a dimension has is a property of the table that may grow, which
 * rewrites all cells.  Cells are numbered 0, 1, 2, ... in order of their first
 * appearance, and keep their number.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef FAILPAT_CUBE_CELLTABLE_H
#define FAILPAT_CUBE_CELLTABLE_H

#include "cube/dict.h"

/*
 * Rows wait in a small batch, so that the memory they need has been fetched
 * from afar when they are counted.
 */
#define FP_BATCH 16

typedef struct FpPending
{
	uint64	key;
	uint64	hash;
	int64	trials;
	int64	failures;
	uint32 *number; /* gets the number of the cell, or NULL */
} FpPending;

typedef struct FpCellTable
{
	int		  ndims;
	int		  nwords; /* words of a key, at least 1 */
	uint8	  bits[FP_MAX_DIMS];
	uint8	  shift[FP_MAX_DIMS];
	uint8	  word[FP_MAX_DIMS];
	uint64	  ncells;
	uint64	  cap;
	uint64	 *entries; /* per cell: key words, trials, failures */
	uint32	  mask;	   /* slots - 1, or 0 before the first use */
	FpSlot	 *slots;   /* hash: its upper half; code: cell number + 1 */
	int64	  total_trials;
	int64	  total_failures;
	size_t	  limit; /* bytes that the arena may hold; 0: any */
	int		  npending;
	FpPending pending[FP_BATCH];
} FpCellTable;

#define FP_CELL(table, cell) \
	((table)->entries + (cell) * ((table)->nwords + 2))
#define FP_CELL_TRIALS(table, entry) ((int64) (entry)[(table)->nwords])
#define FP_CELL_FAILURES(table, entry) ((int64) (entry)[(table)->nwords + 1])

static inline uint32
fp_cell_code(const FpCellTable *table, const uint64 *entry, int dim)
{
	/* bits <= 30, so the mask is safe; 0 bits give code 0 */
	return (uint32) (entry[table->word[dim]] >> table->shift[dim]) &
		   (((uint32) 1 << table->bits[dim]) - 1);
}

/*
 * Set the number of dimensions and the bits of each (0 to 30, not fewer than
 * it had); dimensions beyond those that the table had are 0 in all cells.
 */
extern void fp_cells_layout(FpArena arena, FpCellTable *table, int ndims,
							const uint8 *bits);

/* count what waits */
extern void fp_cells_flush(FpArena arena, FpCellTable *table);

/* flush, and give back the memory of the slots; the next row makes them anew */
extern void fp_cells_rest(FpArena arena, FpCellTable *table);

/*
 * Count a row at once and return the number of its cell.  trials > 0,
 * 0 <= failures <= trials; FP_ERR_RANGE when the sum of trials overflows.
 */
extern uint64 fp_cells_count(FpArena arena, FpCellTable *table,
							 const uint32 *codes, int64 trials,
							 int64 failures);

/* make the error of a memory limit that is exceeded */
extern void fp_cells_check_limit(FpArena arena, size_t limit, size_t more);

extern void fp_cells_overflow(void) __attribute__((noreturn));

/*
 * Count a row, now or later; as fp_cells_count.  *number, unless it is NULL,
 * has the number of its cell once the table has been flushed.
 */
static inline void
fp_cells_add_numbered(FpArena arena, FpCellTable *table, const uint32 *codes,
					  int64 trials, int64 failures, uint32 *number)
{
	FpPending *pending;
	uint64	   key = 0;

	if (unlikely(table->nwords > 1 || table->mask == 0))
	{
		uint64 cell = fp_cells_count(arena, table, codes, trials, failures);

		if (number)
			*number = (uint32) cell;
		return;
	}
	if (unlikely(pg_add_s64_overflow(table->total_trials, trials,
									 &table->total_trials)))
		fp_cells_overflow();
	table->total_failures += failures;
	for (int d = 0; d < table->ndims; d++)
		key |= (uint64) codes[d] << table->shift[d];

	pending = &table->pending[table->npending++];
	pending->key = key;
	pending->hash = fp_hash_word(key);
	pending->trials = trials;
	pending->failures = failures;
	pending->number = number;
	__builtin_prefetch(&table->slots[pending->hash & table->mask]);
	if (table->npending == FP_BATCH)
		fp_cells_flush(arena, table);
}

static inline void
fp_cells_add(FpArena arena, FpCellTable *table, const uint32 *codes,
			 int64 trials, int64 failures)
{
	fp_cells_add_numbered(arena, table, codes, trials, failures, NULL);
}

#endif /* FAILPAT_CUBE_CELLTABLE_H */
