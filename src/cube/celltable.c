/*-------------------------------------------------------------------------
 *
 * celltable.c
 *		The hash table of cells.
 *
 * Slots (8 bytes each, at most half of them used) hold half of the hash and
 * the number of a cell; the cells themselves lie side by side in the order in
 * which they came.  So a look-up costs two distant reads, and both are
 * prefetched for a batch of rows at a time.
 *
 * All memory comes from the arena that the caller names, always the same for
 * one table.  No locks.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#include "cube/celltable.h"

#define FIRST_CELLS 8
#define FIRST_SLOTS 32
#define MAX_CELLS UINT64CONST(0x3fffffff)

void
fp_cells_overflow(void)
{
	fp_error(
		FP_ERR_RANGE, NULL, NULL,
		"the number of trials in a failure cube exceeds the range of bigint");
}

void
fp_cells_check_limit(FpArena arena, size_t limit, size_t more)
{
	if (limit != 0 && (more > limit || fp_arena_used(arena) > limit - more))
	{
		char detail[128];

		snprintf(detail, sizeof(detail),
				 "The limit is %zu kB (failpat.memory_limit).", limit / 1024);
		fp_error(
			FP_ERR_LIMIT, detail,
			"Raise failpat.memory_limit, aggregate fewer rows at a time, "
			"or leave out dimensions that have a value of their own in almost every row.",
			"a failure cube needs more memory than is allowed");
	}
}

static inline uint64
hash_key(const uint64 *key, int nwords)
{
	uint64 hash = fp_hash_word(key[0]);

	for (int w = 1; w < nwords; w++)
		hash = fp_hash_word(hash ^ key[w]);
	return hash;
}

/* insert all cells into slots that are empty */
static void
fill_slots(FpCellTable *table)
{
	size_t width = table->nwords + 2;

	for (uint64 c = 0; c < table->ncells; c++)
	{
		uint64 hash = hash_key(table->entries + c * width, table->nwords);
		uint32 pos;

		for (pos = (uint32) hash & table->mask; table->slots[pos].code != 0;
			 pos = (pos + 1) & table->mask)
			;
		table->slots[pos].hash = (uint32) (hash >> 32);
		table->slots[pos].code = (uint32) (c + 1);
		if ((c & 0xffff) == 0)
			FP_CHECK_INTERRUPTS();
	}
}

/* make room for "more" cells */
static void
reserve(FpArena arena, FpCellTable *table, uint64 more)
{
	size_t width = table->nwords + 2;
	uint64 need = table->ncells + more;

	if (need > MAX_CELLS)
		fp_error(FP_ERR_LIMIT, NULL, NULL,
				 "a failure cube has more than %llu cells",
				 (unsigned long long) MAX_CELLS);
	if (need > table->cap)
	{
		uint64 cap = table->cap ? table->cap : FIRST_CELLS;

		/* twice as many, later half as many more: the copy is cheap */
		while (cap < need)
			cap += cap < 1024 * 1024 ? cap : cap / 2;
		fp_cells_check_limit(arena, table->limit,
							 (cap - table->cap) * width * sizeof(uint64));
		table->entries =
			table->entries ? fp_realloc_array(arena, table->entries, uint64,
											  table->cap * width, cap * width)
						   : fp_alloc_array(arena, uint64, cap * width);
		table->cap = cap;
	}
	if (table->mask == 0 || need > ((uint64) table->mask + 1) / 2)
	{
		uint64 nslots = table->mask ? (uint64) table->mask + 1 : FIRST_SLOTS;

		while (need > nslots / 2)
			nslots *= 2;
		fp_cells_check_limit(arena, table->limit, nslots * sizeof(FpSlot));
		fp_free(arena, table->slots);
		table->slots = NULL;
		table->mask = 0;
		table->slots = fp_alloc0_array(arena, FpSlot, nslots);
		table->mask = (uint32) (nslots - 1);
		fill_slots(table);
	}
}

/* the cell of a key, which is added if it is new; there must be room */
static inline uint64
find_cell(FpCellTable *table, const uint64 *key, uint64 hash)
{
	int	   nwords = table->nwords;
	size_t width = nwords + 2;
	uint32 upper = (uint32) (hash >> 32);
	uint64 cell;

	for (uint32 pos = (uint32) hash & table->mask;;
		 pos = (pos + 1) & table->mask)
	{
		FpSlot *slot = &table->slots[pos];

		if (slot->code == 0)
		{
			uint64 *entry;

			cell = table->ncells++;
			entry = table->entries + cell * width;
			memcpy(entry, key, nwords * sizeof(uint64));
			entry[nwords] = 0;
			entry[nwords + 1] = 0;
			slot->hash = upper;
			slot->code = (uint32) (cell + 1);
			return cell;
		}
		if (slot->hash == upper)
		{
			cell = slot->code - 1;
			/* of one word nearly always */
			if (table->entries[cell * width] == key[0] &&
				(nwords == 1 || memcmp(table->entries + cell * width, key,
									   nwords * sizeof(uint64)) == 0))
				return cell;
		}
	}
}

void
fp_cells_flush(FpArena arena, FpCellTable *table)
{
	int n = table->npending;

	if (n == 0)
		return;
	Assert(table->nwords == 1);
	/* first, so that an error does not leave them for a second time */
	table->npending = 0;
	reserve(arena, table, n);
	for (int i = 0; i < n; i++)
	{
		uint32 code =
			table->slots[(uint32) table->pending[i].hash & table->mask].code;

		if (code != 0)
			__builtin_prefetch(table->entries + (uint64) (code - 1) * 3, 1);
	}
	for (int i = 0; i < n; i++)
	{
		FpPending *pending = &table->pending[i];
		uint64	   cell = find_cell(table, &pending->key, pending->hash);
		uint64	  *entry = table->entries + cell * 3;

		/* the total of trials did not overflow, so neither can these */
		entry[1] += pending->trials;
		entry[2] += pending->failures;
		if (pending->number)
			*pending->number = (uint32) cell;
	}
}

void
fp_cells_rest(FpArena arena, FpCellTable *table)
{
	fp_cells_flush(arena, table);
	fp_free(arena, table->slots);
	table->slots = NULL;
	table->mask = 0;
}

uint64
fp_cells_count(FpArena arena, FpCellTable *table, const uint32 *codes,
			   int64 trials, int64 failures)
{
	uint64	key[FP_MAX_DIMS] = {0};
	uint64	cell;
	uint64 *entry;

	if (pg_add_s64_overflow(table->total_trials, trials, &table->total_trials))
		fp_cells_overflow();
	table->total_failures += failures;
	if (table->nwords == 0)
		table->nwords = 1;
	for (int d = 0; d < table->ndims; d++)
		key[table->word[d]] |= (uint64) codes[d] << table->shift[d];
	reserve(arena, table, 1);
	cell = find_cell(table, key, hash_key(key, table->nwords));
	entry = FP_CELL(table, cell);
	entry[table->nwords] += trials;
	entry[table->nwords + 1] += failures;
	return cell;
}

void
fp_cells_layout(FpArena arena, FpCellTable *table, int ndims,
				const uint8 *bits)
{
	FpCellTable old;
	size_t		width;
	int			used = 0;

	if (ndims > FP_MAX_DIMS)
		fp_error(FP_ERR_LIMIT, NULL, NULL, "%d codes are more than %d", ndims,
				 FP_MAX_DIMS);
	fp_cells_flush(arena, table);
	old = *table;
	table->ndims = ndims;
	table->nwords = 1;
	for (int d = 0; d < ndims; d++)
	{
		if (used + bits[d] > 64)
		{
			table->nwords++;
			used = 0;
		}
		table->bits[d] = bits[d];
		table->word[d] = (uint8) (table->nwords - 1);
		/* a shift by 64 is undefined; where there are no bits, any will do */
		table->shift[d] = bits[d] ? (uint8) used : 0;
		used += bits[d];
	}
	if (table->ncells == 0)
	{
		/* entries may have another width now */
		fp_free(arena, table->entries);
		table->entries = NULL;
		table->cap = 0;
		return;
	}

	width = table->nwords + 2;
	if (table->nwords != old.nwords)
	{
		fp_cells_check_limit(arena, table->limit,
							 table->cap * width * sizeof(uint64));
		table->entries = fp_alloc_array(arena, uint64, table->cap * width);
	}
	for (uint64 c = 0; c < table->ncells; c++)
	{
		uint64 *from = FP_CELL(&old, c);
		uint64 *to = table->entries + c * width;
		uint64	key[FP_MAX_DIMS] = {0};
		int64	trials = FP_CELL_TRIALS(&old, from);
		int64	failures = FP_CELL_FAILURES(&old, from);

		for (int d = 0; d < old.ndims; d++)
			key[table->word[d]] |= (uint64) fp_cell_code(&old, from, d)
								   << table->shift[d];
		memcpy(to, key, table->nwords * sizeof(uint64));
		to[table->nwords] = trials;
		to[table->nwords + 1] = failures;
		if ((c & 0xffff) == 0)
			FP_CHECK_INTERRUPTS();
	}
	if (table->entries != old.entries)
		fp_free(arena, old.entries);
	if (table->slots == NULL)
		return;
	memset(table->slots, 0, ((size_t) table->mask + 1) * sizeof(FpSlot));
	fill_slots(table);
}
