/*-------------------------------------------------------------------------
 *
 * slots.c
 *		What conditions can be put on: slots and axes of a cube.
 *
 * Counts the margins of each dimension, numbers what is frequent, finds the
 * pairs of members of sets, and cuts ordinal dimensions into bins.
 *
 * Memory: everything lies in the tally's arena.  No locks.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#include "mine/counthash.h"
#include "mine/cover.h"

static void
count_margins(FpTally *tally)
{
	const FpCube *cube = tally->cube;

	for (int d = 0; d < cube->ndims; d++)
	{
		const FpDim	 *dim = &tally->cube->dims[d];
		bool		  folded = tally->fold && dim->kind == FP_STRATUM;
		const int64	 *fails = folded ? tally->fold->part_fails : tally->fails;
		const uint32 *codes;
		uint32 n = (dim->kind == FP_SET ? dim->nsets : dim->nvalues) + 1;

		fp_tally_reserve(tally, (uint64) n * sizeof(FpCount));
		if (folded && fp_counted_by_bucket(tally))
		{
			const FpBuckets *buckets = tally->fold->buckets;

			tally->ncodes[d] = buckets->n + 1;
			tally->margins[d] =
				fp_alloc0_array(tally->arena, FpCount, buckets->n + 1);
			for (uint32 b = 0; b < buckets->n; b++)
			{
				tally->margins[d][b + 1].n = buckets->total.trials[b];
				tally->margins[d][b + 1].f = buckets->total.failures[b];
			}
			continue;
		}
		cube = folded ? tally->fold->parts : tally->cube;
		codes = cube->codes[d];
		tally->ncodes[d] = n;
		tally->margins[d] = fp_alloc0_array(tally->arena, FpCount, n);
		for (uint64 c = 0; c < cube->ncells; c++)
		{
			FpCount *count = &tally->margins[d][codes[c]];

			if ((c & 0xffff) == 0)
				FP_CHECK_INTERRUPTS();
			count->n += cube->trials[c];
			count->f += fails[c];
		}
	}
	cube = tally->cube;
	for (uint64 c = 0; c < cube->ncells; c++)
	{
		tally->total.n += cube->trials[c];
		tally->total.f += tally->fails[c];
	}
}

static void
make_value_slot(FpTally *tally, int d)
{
	const FpDim *dim = &tally->cube->dims[d];
	FpSlot		*slot = &tally->slots[tally->nslots];
	FpCount		*margin = tally->margins[d];
	uint32		 card = 0;

	slot->dim = d;
	slot->kind = FP_COND_VALUE;
	slot->weight = 1;
	slot->remap = fp_alloc0_array(tally->arena, uint32, dim->nvalues + 1);
	for (uint32 v = 1; v <= dim->nvalues; v++)
		if (margin[v].n >= tally->min_trials)
			slot->remap[v] = ++card;
	if (card == 0)
		return;
	slot->card = card;
	slot->counts = fp_alloc0_array(tally->arena, FpCount, card + 1);
	slot->values =
		fp_alloc0(tally->arena, fp_array_size(card + 1, sizeof(uint32[2])));
	for (uint32 v = 1; v <= dim->nvalues; v++)
	{
		if (slot->remap[v] == 0)
			continue;
		slot->counts[slot->remap[v]] = margin[v];
		slot->values[slot->remap[v]][0] = v;
	}
	tally->nslots++;
}

static int
compare_keys(const void *a, const void *b)
{
	uint64 x = *(const uint64 *) a;
	uint64 y = *(const uint64 *) b;

	return x < y ? -1 : x > y;
}

/* Members of sets, and pairs of members. */
static void
make_set_slots(FpTally *tally, int d)
{
	const FpDim *dim = &tally->cube->dims[d];
	FpCount		*margin = tally->margins[d];
	FpSlot		*slot = &tally->slots[tally->nslots];
	FpSlot		*pairs = slot + 1;
	uint32		*remap;
	uint64		 total = dim->nsets ? dim->set_offsets[dim->nsets] : 0;
	uint64		 npairs = 0;
	uint64		 at;
	FpCountHash *hash;
	uint64		*keys;
	FpArena		 scratch;

	/* members */
	fp_tally_reserve(tally,
					 (uint64) dim->nvalues * (sizeof(FpCount) * 2 + 12) +
						 total * 4 + dim->nsets * 8);
	slot->dim = d;
	slot->kind = FP_COND_MEMBER;
	slot->weight = 1;
	slot->counts = fp_alloc0_array(tally->arena, FpCount, dim->nvalues + 1);
	for (uint32 s = 1; s <= dim->nsets; s++)
		for (uint64 i = dim->set_offsets[s - 1]; i < dim->set_offsets[s]; i++)
		{
			slot->counts[dim->set_members[i]].n += margin[s].n;
			slot->counts[dim->set_members[i]].f += margin[s].f;
		}
	remap = fp_alloc0_array(tally->arena, uint32, dim->nvalues + 1);
	slot->values = fp_alloc0(tally->arena, fp_array_size(dim->nvalues + 1,
														 sizeof(uint32[2])));
	for (uint32 v = 1; v <= dim->nvalues; v++)
	{
		if (slot->counts[v].n < tally->min_trials)
			continue;
		remap[v] = ++slot->card;
		slot->counts[slot->card] = slot->counts[v];
		slot->values[slot->card][0] = v;
	}
	if (slot->card == 0)
		return;
	slot->offsets =
		fp_alloc0_array(tally->arena, uint64, (uint64) dim->nsets + 2);
	slot->lists = fp_alloc_array(tally->arena, uint32, total + 1);
	at = 0;
	for (uint32 s = 1; s <= dim->nsets; s++)
	{
		slot->offsets[s] = at;
		for (uint64 i = dim->set_offsets[s - 1]; i < dim->set_offsets[s]; i++)
			if (remap[dim->set_members[i]] != 0)
				slot->lists[at++] = remap[dim->set_members[i]];
		slot->longest = Max(slot->longest, (uint32) (at - slot->offsets[s]));
	}
	slot->offsets[dim->nsets + 1] = at;
	tally->nslots++;

	/* pairs of frequent members */
	if (slot->longest < 2 || tally->max_order < 2)
		return;
	scratch = fp_arena_create(tally->arena, "failpat pairs");
	hash = fp_hash_create(scratch);
	for (uint32 s = 1; s <= dim->nsets; s++)
	{
		FP_CHECK_INTERRUPTS();
		for (uint64 i = slot->offsets[s]; i < slot->offsets[s + 1]; i++)
			for (uint64 j = i + 1; j < slot->offsets[s + 1]; j++)
				fp_hash_add(tally, hash, scratch,
							(uint64) slot->lists[i] << 32 | slot->lists[j],
							margin[s]);
	}
	keys = fp_alloc_array(scratch, uint64, hash->used + 1);
	for (uint64 i = 0; i <= hash->mask; i++)
		if (hash->keys[i] != 0 && hash->counts[i].n >= tally->min_trials)
			keys[npairs++] = hash->keys[i] - 1;
	if (npairs > 0)
	{
		qsort(keys, npairs, sizeof(uint64), compare_keys);
		fp_tally_reserve(tally, npairs * (sizeof(FpCount) + 8));
		pairs->dim = d;
		pairs->kind = FP_COND_PAIR;
		pairs->weight = 2;
		pairs->card = npairs;
		pairs->counts = fp_alloc0_array(tally->arena, FpCount, npairs + 1);
		pairs->values =
			fp_alloc0(tally->arena,
					  fp_array_size(npairs + 1, sizeof(uint32[2])));

		/* the hash now holds the number of each pair, and 0 for the others */
		for (uint64 i = 0; i <= hash->mask; i++)
		{
			uint64 *found;
			uint64	key = hash->keys[i] - 1;

			if (hash->keys[i] == 0)
				continue;
			found = bsearch(&key, keys, npairs, sizeof(uint64), compare_keys);
			if (found != NULL)
			{
				uint32 p = (uint32) (found - keys) + 1;

				pairs->counts[p] = hash->counts[i];
				pairs->values[p][0] = slot->values[key >> 32][0];
				pairs->values[p][1] = slot->values[(uint32) key][0];
			}
			hash->counts[i].n = found ? (found - keys) + 1 : 0;
		}
		pairs->offsets =
			fp_alloc0_array(tally->arena, uint64, (uint64) dim->nsets + 2);
		for (int round = 0; round < 2; round++)
		{
			at = 0;
			for (uint32 s = 1; s <= dim->nsets; s++)
			{
				FP_CHECK_INTERRUPTS();
				pairs->offsets[s] = at;
				for (uint64 i = slot->offsets[s]; i < slot->offsets[s + 1];
					 i++)
					for (uint64 j = i + 1; j < slot->offsets[s + 1]; j++)
					{
						uint64 key =
							(uint64) slot->lists[i] << 32 | slot->lists[j];
						uint64 h = fp_hash_key(key) & hash->mask;

						while (hash->keys[h] != key + 1)
							h = (h + 1) & hash->mask;
						if (hash->counts[h].n == 0)
							continue;
						if (round == 1)
							pairs->lists[at] = (uint32) hash->counts[h].n;
						at++;
					}
				pairs->longest =
					Max(pairs->longest, (uint32) (at - pairs->offsets[s]));
			}
			pairs->offsets[dim->nsets + 1] = at;
			if (round == 0)
			{
				fp_tally_reserve(tally, at * 4);
				pairs->lists = fp_alloc_array(tally->arena, uint32, at + 1);
			}
		}
		tally->nslots++;
	}
	fp_arena_delete(scratch);
}

/* The number of members of a set, as FP_COND_COUNT has it. */
static void
make_count_axis(FpTally *tally, int d)
{
	const FpDim *dim = &tally->cube->dims[d];
	FpAxis		*axis = &tally->axes[tally->naxes];
	uint32		 bins[FP_MAX_SET_MEMBERS + 1] = {0};
	uint32		 bin = 0;

	for (uint32 s = 1; s <= dim->nsets; s++)
		bins[fp_set_size(dim, s)] = 1;
	for (int n = 0; n <= FP_MAX_SET_MEMBERS; n++)
		bin += bins[n];
	if (bin < 2)
		return; /* always as many */
	axis->dim = d;
	axis->counts = true;
	axis->first_code = fp_alloc0_array(tally->arena, uint32, bin + 1);
	axis->last_code = fp_alloc0_array(tally->arena, uint32, bin + 1);
	for (uint32 n = 0; n <= FP_MAX_SET_MEMBERS; n++)
		if (bins[n] != 0)
		{
			bins[n] = ++axis->nbins;
			axis->first_code[axis->nbins] = n + 1;
			axis->last_code[axis->nbins] = n + 1;
		}
	fp_tally_reserve(tally, (uint64) dim->nsets * sizeof(uint32));
	axis->bin_of = fp_alloc0_array(tally->arena, uint32, dim->nsets + 1);
	for (uint32 s = 1; s <= dim->nsets; s++)
		axis->bin_of[s] = bins[fp_set_size(dim, s)];
	tally->naxes++;
}

static void
make_axis(FpTally *tally, int d)
{
	const FpDim *dim = &tally->cube->dims[d];
	FpAxis		*axis = &tally->axes[tally->naxes];
	FpCount		*margin = tally->margins[d];
	int64		 known = 0;
	int64		 below = 0;
	uint32		 bin = 0;

	if (dim->nvalues < 2)
		return; /* no range that says more than "recorded" */
	axis->dim = d;
	axis->bin_of = fp_alloc0_array(tally->arena, uint32, dim->nvalues + 1);
	axis->first_code = fp_alloc0_array(tally->arena, uint32, FP_MAX_BINS + 1);
	axis->last_code = fp_alloc0_array(tally->arena, uint32, FP_MAX_BINS + 1);
	for (uint32 v = 1; v <= dim->nvalues; v++)
		known += margin[v].n;
	for (uint32 v = 1; v <= dim->nvalues; v++)
	{
		/* bins of about the same number of trials, where there are many */
		bool fresh = bin == 0 || dim->nvalues <= FP_MAX_BINS ||
					 (double) below >= (double) known * bin / FP_MAX_BINS;

		if (fresh && bin < FP_MAX_BINS)
			axis->first_code[++bin] = v;
		axis->last_code[bin] = v;
		axis->bin_of[v] = bin;
		below += margin[v].n;
	}
	axis->nbins = bin;
	if (bin >= 2)
		tally->naxes++;
}

/*
 * Prepares the counting of cube, with fails[cell] as the failures; counts the
 * margins.  Everything lies in arena.
 */
FpTally *
fp_tally_create(const FpCube *cube, const int64 *fails, const FpFold *fold,
				int64 min_trials, int max_order, size_t memory_limit,
				FpArena arena)
{
	FpTally *tally = fp_alloc0_array(arena, FpTally, 1);

	tally->cube = cube;
	tally->fails = fails;
	tally->fold = fold;
	tally->min_trials = min_trials;
	tally->max_order = max_order;
	tally->memory_limit = memory_limit;
	tally->arena = arena;
	count_margins(tally);
	tally->slots = fp_alloc0_array(arena, FpSlot, FP_MAX_SLOTS);
	tally->axes = fp_alloc0_array(arena, FpAxis, FP_MAX_DIMS);
	for (int d = 0; d < cube->ndims; d++)
		switch (cube->dims[d].kind)
		{
			case FP_NOMINAL:
				make_value_slot(tally, d);
				break;
			case FP_SET:
				make_set_slots(tally, d);
				make_count_axis(tally, d);
				break;
			case FP_ORDINAL:
				make_axis(tally, d);
				break;
			case FP_STRATUM:
				break;
		}
	tally->root = fp_alloc0_array(arena, FpNode, 1);
	tally->root->nids = 1;
	tally->root->slot = -1;
	tally->root->counts = fp_alloc0_array(arena, FpCount, 1);
	tally->root->counts[0] = tally->total;
	return tally;
}

void
fp_probe_name(const FpTally *tally, const FpProbe *probe, FpPatternName *name)
{
	name->nconditions = 0;
	for (int s = 0; s < probe->nslots; s++)
	{
		const FpSlot	   *slot = &tally->slots[probe->slots[s]];
		FpPatternCondition *to = &name->conditions[name->nconditions++];

		to->dim = slot->dim;
		to->kind = slot->kind;
		to->code[0] = slot->values[probe->codes[s]][0];
		to->code[1] = slot->values[probe->codes[s]][1];
	}
	for (int a = 0; a < probe->naxes; a++)
	{
		const FpAxis	  *axis = &tally->axes[probe->axes[a]];
		FpPatternCondition to;
		int				   at = name->nconditions++;

		to.dim = axis->dim;
		to.kind = axis->counts ? FP_COND_COUNT : FP_COND_RANGE;
		to.code[0] = probe->low[a] > 1 ? axis->first_code[probe->low[a]] : 0;
		to.code[1] =
			probe->high[a] < axis->nbins ? axis->last_code[probe->high[a]] : 0;
		/* conditions are in the order of the dimensions */
		for (; at > 0 && name->conditions[at - 1].dim > to.dim; at--)
			name->conditions[at] = name->conditions[at - 1];
		name->conditions[at] = to;
	}
}
