/*-------------------------------------------------------------------------
 *
 * rows.c
 *		The cells that combinations cover, for many of them in one pass.
 *
 * Block by block, each code that a combination asks for gets a bit for each
 * cell of the block that has it, and each bin of an axis one for each cell that
 * has it or a lower one; what a combination covers is the intersection.  Who
 * asks a second time will ask again: then the bits of all codes are made, once,
 * where they are not too much.
 *
 * Memory: the lists lie in the arena given, bits that are kept in the tally's,
 * the rest in a child of it.  No locks.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#include "mine/counthash.h"

/* Cells of a block, and words of as many bits. */
#define BLOCK_ROWS 8192
#define WORDS (BLOCK_ROWS / 64)

typedef struct Bits
{
	uint64 some[WORDS / 64]; /* which words are not 0 */
	uint64 word[WORDS];
} Bits;

/* What a combination asks for: all of these, and none of those. */
typedef struct Sources
{
	int			n;
	int			nnot;
	const Bits *bits[FP_MAX_ARITY + FP_MAX_AXES_AT_ONCE];
	const Bits *none[FP_MAX_AXES_AT_ONCE];
} Sources;

typedef struct FpFinder
{
	const FpTally *tally;
	uint32 *place[FP_MAX_SLOTS]; /* by slot, code: its number + 1, or 0 */
	uint32	nplaces;
	uint32	axis_place[FP_MAX_SLOTS]; /* number + 1 of its bin 0, or 0 */
	bool	whole;					  /* bits are of all blocks */
	Bits   *bits; /* by block, by number; one more, of all cells of it */
} FpFinder;

/* Bits that are kept take so much of the memory at most. */
#define KEPT_SHARE 16
#define KEPT_BYTES (64 * 1024 * 1024) /* without a limit */

/* --- what is asked for -------------------------------------------------- */

static void
want_probe(FpFinder *finder, const FpProbe *probe, FpArena arena)
{
	const FpTally *tally = finder->tally;

	for (int s = 0; s < probe->nslots; s++)
	{
		int		slot = probe->slots[s];
		uint32 *place;

		if (finder->place[slot] == NULL)
		{
			fp_tally_reserve(tally, ((uint64) tally->slots[slot].card + 1) *
										sizeof(uint32));
			finder->place[slot] =
				fp_alloc0_array(arena, uint32,
								(uint64) tally->slots[slot].card + 1);
		}
		place = &finder->place[slot][probe->codes[s]];
		if (*place == 0)
			*place = ++finder->nplaces;
	}
	for (int a = 0; a < probe->naxes; a++)
	{
		int axis = probe->axes[a];

		if (finder->axis_place[axis] != 0)
			continue;
		finder->axis_place[axis] = finder->nplaces + 1;
		finder->nplaces += tally->axes[axis].nbins + 1;
	}
}

/* Contexts that are not frequent have no cells. */
static bool
is_frequent(const FpTally *tally, const FpProbe *probe)
{
	int		n = probe->nslots;
	FpNode *node = fp_tally_node(tally, probe->slots, n);

	/* those of the highest order have no numbers: go by the parent */
	if (node == NULL || node->nids == 0)
		node = fp_tally_node(tally, probe->slots, --n);
	Assert(node != NULL);
	return fp_tally_context(tally, node, probe->codes) >= 0;
}

/* --- a block ------------------------------------------------------------ */

static inline void
set_bit(Bits *bits, uint32 row)
{
	bits->word[row >> 6] |= UINT64CONST(1) << (row & 63);
}

static void
mark_slot(const FpFinder *finder, Bits *block, int s, uint64 first,
		  uint32 nrows)
{
	const FpSlot *slot = &finder->tally->slots[s];
	const uint32 *codes = finder->tally->cube->codes[slot->dim] + first;
	const uint32 *place = finder->place[s];

	if (slot->kind == FP_COND_VALUE)
	{
		for (uint32 r = 0; r < nrows; r++)
		{
			uint32 p = place[slot->remap[codes[r]]];

			if (p != 0)
				set_bit(&block[p - 1], r);
		}
		return;
	}
	for (uint32 r = 0; r < nrows; r++)
	{
		uint32 set = codes[r];

		for (uint64 m = set == 0 ? 0 : slot->offsets[set];
			 set != 0 && m < slot->offsets[set + 1]; m++)
		{
			uint32 p = place[slot->lists[m]];

			if (p != 0)
				set_bit(&block[p - 1], r);
		}
	}
}

static void
mark_axis(const FpFinder *finder, Bits *block, int a, uint64 first,
		  uint32 nrows)
{
	const FpAxis *axis = &finder->tally->axes[a];
	const uint32 *codes = finder->tally->cube->codes[axis->dim] + first;
	Bits		 *bits = &block[finder->axis_place[a] - 1];

	for (uint32 r = 0; r < nrows; r++)
	{
		uint32 bin = axis->bin_of[codes[r]];

		/* bin 0, not recorded, is in no range */
		if (bin != 0)
			set_bit(&bits[bin], r);
	}
	for (uint32 b = 1; b <= axis->nbins; b++)
		for (int w = 0; w < WORDS; w++)
			bits[b].word[w] |= bits[b - 1].word[w];
}

static void
mark_block(const FpFinder *finder, Bits *block, uint64 first, uint32 nrows)
{
	memset(block, 0, ((uint64) finder->nplaces + 1) * sizeof(Bits));
	for (uint32 r = 0; r < nrows; r++)
		set_bit(&block[finder->nplaces], r);
	for (int s = 0; s < finder->tally->nslots; s++)
		if (finder->place[s] != NULL)
			mark_slot(finder, block, s, first, nrows);
	for (int a = 0; a < finder->tally->naxes; a++)
		if (finder->axis_place[a] != 0)
			mark_axis(finder, block, a, first, nrows);
	for (uint32 p = 0; p <= finder->nplaces; p++)
	{
		Bits *bits = &block[p];

		for (int w = 0; w < WORDS; w++)
			bits->some[w >> 6] |= (uint64) (bits->word[w] != 0) << (w & 63);
	}
}

static void
find_sources(const FpFinder *finder, const Bits *block, const FpProbe *probe,
			 Sources *sources)
{
	sources->n = sources->nnot = 0;
	for (int s = 0; s < probe->nslots; s++)
		sources->bits[sources->n++] =
			&block[finder->place[probe->slots[s]][probe->codes[s]] - 1];
	for (int a = 0; a < probe->naxes; a++)
	{
		const Bits *bins = &block[finder->axis_place[probe->axes[a]] - 1];

		sources->bits[sources->n++] = &bins[probe->high[a]];
		if (probe->low[a] > 1)
			sources->none[sources->nnot++] = &bins[probe->low[a] - 1];
	}
	/* of no conditions: everything */
	if (sources->n == 0)
		sources->bits[sources->n++] = &block[finder->nplaces];
}

static void
add_rows(const FpFinder *finder, const Bits *block, FpProbe *probe,
		 uint64 first, FpArena arena)
{
	Sources sources;

	find_sources(finder, block, probe, &sources);
	for (int i = 0; i < WORDS / 64; i++)
	{
		uint64 some = sources.bits[0]->some[i];

		for (int s = 1; s < sources.n; s++)
			some &= sources.bits[s]->some[i];
		for (; some != 0; some &= some - 1)
		{
			int	   w = i * 64 + __builtin_ctzll(some);
			uint64 word = sources.bits[0]->word[w];

			for (int s = 1; s < sources.n; s++)
				word &= sources.bits[s]->word[w];
			for (int s = 0; s < sources.nnot; s++)
				word &= ~sources.none[s]->word[w];
			if (word == 0)
				continue;
			if (probe->nrows + 64 > probe->capacity)
			{
				uint64 grown = probe->capacity ? probe->capacity * 2 : 256;

				fp_tally_reserve(finder->tally, grown * sizeof(uint32));
				probe->rows =
					probe->capacity
						? fp_realloc_array(arena, probe->rows, uint32,
										   probe->capacity, grown)
						: fp_alloc_array(arena, uint32, grown);
				probe->capacity = grown;
			}
			for (; word != 0; word &= word - 1)
				probe->rows[probe->nrows++] =
					(uint32) (first + w * 64 + __builtin_ctzll(word));
		}
	}
}

/* --- the whole ---------------------------------------------------------- */

/* The bits of all codes of all cells; NULL where that would be too much. */
static FpFinder *
find_all(const FpTally *tally)
{
	FpArena	  arena = tally->arena;
	FpFinder *finder = fp_alloc0_array(arena, FpFinder, 1);
	uint64	  ncells = tally->cube->ncells;
	uint64	  nblocks = (ncells + BLOCK_ROWS - 1) / BLOCK_ROWS;
	uint64	  most = tally->memory_limit > 0 ? tally->memory_limit / KEPT_SHARE
											 : KEPT_BYTES;
	uint64	  n = 1;

	for (int s = 0; s < tally->nslots; s++)
		n += (uint64) tally->slots[s].card + 1;
	for (int a = 0; a < tally->naxes; a++)
		n += tally->axes[a].nbins + 1;
	if (n > most / (nblocks * sizeof(Bits)))
		return NULL;
	fp_tally_reserve(tally, n * (nblocks * sizeof(Bits) + sizeof(uint32)));
	finder->tally = tally;
	finder->whole = true;
	for (int s = 0; s < tally->nslots; s++)
	{
		uint32 card = tally->slots[s].card;

		finder->place[s] = fp_alloc_array(arena, uint32, (uint64) card + 1);
		for (uint32 code = 0; code <= card; code++)
			finder->place[s][code] = ++finder->nplaces;
	}
	for (int a = 0; a < tally->naxes; a++)
	{
		finder->axis_place[a] = finder->nplaces + 1;
		finder->nplaces += tally->axes[a].nbins + 1;
	}
	finder->bits = fp_alloc_array(arena, Bits, n * nblocks);
	for (uint64 b = 0; b < nblocks; b++)
	{
		FP_CHECK_INTERRUPTS();
		mark_block(finder, finder->bits + b * n, b * BLOCK_ROWS,
				   (uint32) Min(BLOCK_ROWS, ncells - b * BLOCK_ROWS));
	}
	return finder;
}

/* Lists the cells that each probe covers, allocated in arena. */
void
fp_tally_rows(FpTally *tally, FpProbe **probes, int nprobes, FpArena arena)
{
	FpArena	  scratch = fp_arena_create(tally->arena, "failpat probes");
	FpFinder  own;
	FpFinder *finder;
	FpProbe **list = fp_alloc_array(scratch, FpProbe *, nprobes + 1);
	uint64	  ncells = tally->cube->ncells;
	int		  n = 0;

	if (ncells > PG_UINT32_MAX)
		fp_error(FP_ERR_LIMIT, NULL, NULL, "the cube has too many cells");
	if (ncells > 0 && tally->nlisted++ == 1)
		tally->finder = find_all(tally);
	finder = tally->finder;
	if (finder == NULL)
	{
		finder = &own;
		memset(finder, 0, sizeof(FpFinder));
		finder->tally = tally;
	}
	for (int p = 0; p < nprobes; p++)
	{
		probes[p]->nrows = 0;
		if (!is_frequent(tally, probes[p]))
			continue;
		if (!finder->whole)
			want_probe(finder, probes[p], scratch);
		list[n++] = probes[p];
	}
	if (!finder->whole)
	{
		fp_tally_reserve(tally, ((uint64) finder->nplaces + 1) * sizeof(Bits));
		finder->bits =
			fp_alloc_array(scratch, Bits, (uint64) finder->nplaces + 1);
	}
	for (uint64 first = 0; n > 0 && first < ncells; first += BLOCK_ROWS)
	{
		Bits *block = finder->bits;

		FP_CHECK_INTERRUPTS();
		if (finder->whole)
			block += first / BLOCK_ROWS * ((uint64) finder->nplaces + 1);
		else
			mark_block(finder, block, first,
					   (uint32) Min(BLOCK_ROWS, ncells - first));
		for (int p = 0; p < n; p++)
			add_rows(finder, block, list[p], first, arena);
	}
	fp_arena_delete(scratch);
}
