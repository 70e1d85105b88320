/*-------------------------------------------------------------------------
 *
 * tally.c
 *		Counts every combination that is used often enough.
 *
 * Cells are read in blocks that stay in the processor's cache.  For each
 * block, the tree of contexts is walked depth first; a node's list holds the
 * rows of the block that lie in a frequent context, with the context's number,
 * and a table below the node is filled by running over that list.  A table is
 * an array over (context, code), as contexts are numbered densely, or a hash
 * table where the array would be large and empty.
 *
 * Memory: what lasts (nodes, kept tables) lies in tally->arena; the tables and
 * lists of one pass lie in a child of it that goes at the pass's end.  Where
 * the tables of an order do not fit into half of what the limit leaves, they
 * are counted in several passes.  No locks.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#include "mine/tally.h"

#define BLOCK_ROWS 8192

/* Arrays with more entries are replaced by hash tables. */
#define MAX_DENSE_TABLE (UINT64CONST(1) << 26)
#define MAX_DENSE_MAP (UINT64CONST(1) << 24)

#define MAX_NODES 200000

/* (key -> count), open addressing; a key is stored + 1, 0 is empty */
typedef struct CountHash
{
	uint64	*keys;
	FpCount *counts;
	uint64	 mask;
	uint64	 used;
} CountHash;

typedef struct FpJob
{
	struct FpJob *next; /* of the same node */
	FpNode		 *from;
	FpNode		 *to;	  /* the node to be counted, or */
	FpVector	 *vector; /* the vector table */
	int			  column; /* of the block, or -1 for a multi-valued slot */
	uint32		  stride;
	uint32		  first_id; /* the contexts of from that the table covers */
	uint32		  nids;
	uint64		 *packed;
	FpCount		 *wide;
	CountHash	 *hash;
} FpJob;

/* rows of a block in a node's frequent contexts */
typedef struct RowList
{
	uint32 *rows;
	uint32 *ids;
	uint32	n;
	uint32	capacity;
} RowList;

typedef struct Pass
{
	FpTally *tally;
	FpArena	 arena;
	uint64	 first; /* of the block */
	uint32	 nrows;
	uint32 **columns; /* by slot, then axis, then pair of axes */
	uint64	*weights; /* packed */
	FpCount *counts;
	bool	 packed;
	RowList	 lists[FP_MAX_ARITY + 1];
} Pass;

static uint64
hash_key(uint64 key)
{
	key ^= key >> 32;
	key *= UINT64CONST(0x9E3779B97F4A7C15);
	key ^= key >> 29;
	key *= UINT64CONST(0xBF58476D1CE4E5B9);
	key ^= key >> 32;
	return key;
}

/* Fails where so many more bytes would exceed the limit of the run. */
static void
reserve(const FpTally *tally, uint64 bytes)
{
	if (tally->memory_limit == 0)
		return;
	if (bytes > tally->memory_limit ||
		fp_arena_used(tally->arena) > tally->memory_limit - bytes)
		fp_error(FP_ERR_LIMIT, NULL,
				 "Raise failpat.memory_limit, lower max_arity, or raise "
				 "min_trials.",
				 "mining needs more memory than the %zu MB that it may use",
				 tally->memory_limit / (1024 * 1024));
}

static CountHash *
hash_create(FpArena arena)
{
	CountHash *hash = fp_alloc0_array(arena, CountHash, 1);

	hash->mask = 1023;
	hash->keys = fp_alloc0_array(arena, uint64, hash->mask + 1);
	hash->counts = fp_alloc0_array(arena, FpCount, hash->mask + 1);
	return hash;
}

static void hash_add(const FpTally *tally, CountHash *hash, FpArena arena,
					 uint64 key, FpCount count);

static void
hash_grow(const FpTally *tally, CountHash *hash, FpArena arena)
{
	uint64	 size = hash->mask + 1;
	uint64	*keys = hash->keys;
	FpCount *counts = hash->counts;

	/* the old arrays go with the arena; sizes double, so as much again */
	reserve(tally, size * 2 * (sizeof(uint64) + sizeof(FpCount)));
	hash->mask = size * 2 - 1;
	hash->used = 0;
	hash->keys = fp_alloc0_array(arena, uint64, size * 2);
	hash->counts = fp_alloc0_array(arena, FpCount, size * 2);
	for (uint64 i = 0; i < size; i++)
	{
		if ((i & 0xffff) == 0)
			FP_CHECK_INTERRUPTS();
		if (keys[i] != 0)
			hash_add(tally, hash, arena, keys[i] - 1, counts[i]);
	}
}

static void
hash_add(const FpTally *tally, CountHash *hash, FpArena arena, uint64 key,
		 FpCount count)
{
	uint64 i = hash_key(key) & hash->mask;

	while (hash->keys[i] != 0 && hash->keys[i] != key + 1)
		i = (i + 1) & hash->mask;
	if (hash->keys[i] == 0)
	{
		hash->keys[i] = key + 1;
		hash->used++;
	}
	hash->counts[i].n += count.n;
	hash->counts[i].f += count.f;
	if (hash->used * 3 > hash->mask * 2)
		hash_grow(tally, hash, arena);
}

/* ---------------------------------------------------------------- set-up */

static void
count_margins(FpTally *tally)
{
	const FpCube *cube = tally->cube;

	for (int d = 0; d < cube->ndims; d++)
	{
		const FpDim	 *dim = &cube->dims[d];
		const uint32 *codes = cube->codes[d];
		uint32 n = (dim->kind == FP_SET ? dim->nsets : dim->nvalues) + 1;

		reserve(tally, (uint64) n * sizeof(FpCount));
		tally->ncodes[d] = n;
		tally->margins[d] = fp_alloc0_array(tally->arena, FpCount, n);
		for (uint64 c = 0; c < cube->ncells; c++)
		{
			FpCount *count = &tally->margins[d][codes[c]];

			if ((c & 0xffff) == 0)
				FP_CHECK_INTERRUPTS();
			count->n += cube->trials[c];
			count->f += tally->fails[c];
		}
	}
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
	CountHash	*hash;
	uint64		*keys;
	FpArena		 scratch;

	/* members */
	reserve(tally, (uint64) dim->nvalues * (sizeof(FpCount) * 2 + 12) +
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
	hash = hash_create(scratch);
	for (uint32 s = 1; s <= dim->nsets; s++)
	{
		FP_CHECK_INTERRUPTS();
		for (uint64 i = slot->offsets[s]; i < slot->offsets[s + 1]; i++)
			for (uint64 j = i + 1; j < slot->offsets[s + 1]; j++)
				hash_add(tally, hash, scratch,
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
		reserve(tally, npairs * (sizeof(FpCount) + 8));
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
						uint64 h = hash_key(key) & hash->mask;

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
				reserve(tally, at * 4);
				pairs->lists = fp_alloc_array(tally->arena, uint32, at + 1);
			}
		}
		tally->nslots++;
	}
	fp_arena_delete(scratch);
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
fp_tally_create(const FpCube *cube, const int64 *fails, int64 min_trials,
				int max_order, size_t memory_limit, FpArena arena)
{
	FpTally *tally = fp_alloc0_array(arena, FpTally, 1);

	tally->cube = cube;
	tally->fails = fails;
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

/* ----------------------------------------------------------- look-ups */

FpNode *
fp_tally_node(const FpTally *tally, const int *slots, int n)
{
	FpNode *node = tally->root;

	for (int i = 0; i < n && node != NULL; i++)
	{
		node = node->first_child;
		while (node != NULL && node->slot != slots[i])
			node = node->next_sibling;
	}
	return node;
}

/* id + 1 of a child's context, or 0 */
static inline uint32
child_id(const FpTally *tally, const FpNode *child, uint32 parent_id,
		 uint32 code)
{
	uint64 key;

	if (child->dense != NULL)
	{
		uint64 stride = (uint64) tally->slots[child->slot].card + 1;

		return child->dense[parent_id * stride + code];
	}
	if (child->hash_keys == NULL)
		return 0;
	key = (uint64) parent_id << 32 | code;
	for (uint64 i = hash_key(key) & child->hash_mask;;
		 i = (i + 1) & child->hash_mask)
	{
		if (child->hash_keys[i] == key + 1)
			return child->hash_ids[i];
		if (child->hash_keys[i] == 0)
			return 0;
	}
}

int64
fp_tally_context(const FpTally *tally, const FpNode *node, const uint32 *codes)
{
	const FpNode *path[FP_MAX_ARITY + 1];
	uint32		  id = 0;

	for (const FpNode *at = node; at->parent != NULL; at = at->parent)
		path[at->depth] = at;
	for (int i = 1; i <= node->depth; i++)
	{
		uint32 next = child_id(tally, path[i], id, codes[i - 1]);

		if (next == 0)
			return -1;
		id = next - 1;
	}
	return id;
}

void
fp_tally_codes(const FpNode *node, uint32 id, uint32 *codes)
{
	for (; node->parent != NULL; node = node->parent)
	{
		codes[node->depth - 1] = node->code[id];
		id = node->parent_id[id];
	}
}

const FpVector *
fp_tally_vector(const FpNode *node, const int *axes, int naxes)
{
	for (const FpVector *v = node->first_vector; v != NULL; v = v->next)
		if (v->naxes == naxes && v->axes[0] == axes[0] &&
			(naxes < 2 || v->axes[1] == axes[1]))
			return v;
	return NULL;
}

/* the counts of a context by bins (stride of them) */
void
fp_vector_read(const FpVector *vector, uint32 id, FpCount *counts)
{
	uint64 at = (uint64) (id - vector->first_id) * vector->stride;

	if (vector->packed == NULL)
	{
		memcpy(counts, vector->wide + at, vector->stride * sizeof(FpCount));
		return;
	}
	for (uint32 b = 0; b < vector->stride; b++)
	{
		counts[b].n = vector->packed[at + b] & PG_UINT32_MAX;
		counts[b].f = vector->packed[at + b] >> 32;
	}
}

/* ------------------------------------------------------------- one pass */

static int
axis_column(const FpTally *tally, const int *axes, int naxes)
{
	int column = tally->nslots;

	if (naxes == 1)
		return column + axes[0];
	column += tally->naxes;
	for (int a = 0; a < tally->naxes; a++)
		for (int b = a + 1; b < tally->naxes; b++, column++)
			if (axes[0] == a && axes[1] == b)
				return column;
	return -1;
}

static Pass *
pass_create(FpTally *tally, FpArena arena)
{
	Pass *pass = fp_alloc0_array(arena, Pass, 1);
	int	  ncolumns =
		tally->nslots + tally->naxes + tally->naxes * tally->naxes / 2;

	pass->tally = tally;
	pass->arena = arena;
	pass->packed = tally->total.n <= (int64) PG_UINT32_MAX;
	pass->columns = fp_alloc0_array(arena, uint32 *, ncolumns + 1);
	pass->weights = fp_alloc_array(arena, uint64, BLOCK_ROWS);
	pass->counts = fp_alloc_array(arena, FpCount, BLOCK_ROWS);
	return pass;
}

/* Asks for a column: of a single-valued slot, an axis or a pair of axes. */
static void
want_column(Pass *pass, int column)
{
	if (column >= 0 && pass->columns[column] == NULL)
		pass->columns[column] =
			fp_alloc_array(pass->arena, uint32, BLOCK_ROWS);
}

static void
load_block(Pass *pass, uint64 first, uint32 nrows)
{
	FpTally		 *tally = pass->tally;
	const FpCube *cube = tally->cube;
	int			  column = 0;

	pass->first = first;
	pass->nrows = nrows;
	for (uint32 r = 0; r < nrows; r++)
	{
		pass->counts[r].n = cube->trials[first + r];
		pass->counts[r].f = tally->fails[first + r];
		pass->weights[r] =
			(uint64) pass->counts[r].n | (uint64) pass->counts[r].f << 32;
	}
	for (int s = 0; s < tally->nslots; s++, column++)
	{
		const uint32 *codes = cube->codes[tally->slots[s].dim] + first;
		const uint32 *remap = tally->slots[s].remap;
		uint32		 *to = pass->columns[column];

		if (to != NULL)
			for (uint32 r = 0; r < nrows; r++)
				to[r] = remap[codes[r]];
	}
	for (int a = 0; a < tally->naxes; a++, column++)
	{
		const uint32 *codes = cube->codes[tally->axes[a].dim] + first;
		const uint32 *bin_of = tally->axes[a].bin_of;
		uint32		 *to = pass->columns[column];

		if (to != NULL)
			for (uint32 r = 0; r < nrows; r++)
				to[r] = bin_of[codes[r]];
	}
	for (int a = 0; a < tally->naxes; a++)
		for (int b = a + 1; b < tally->naxes; b++, column++)
		{
			const FpAxis *x = &tally->axes[a];
			const FpAxis *y = &tally->axes[b];
			const uint32 *xs = cube->codes[x->dim] + first;
			const uint32 *ys = cube->codes[y->dim] + first;
			uint32		 *to = pass->columns[column];

			if (to != NULL)
				for (uint32 r = 0; r < nrows; r++)
					to[r] =
						x->bin_of[xs[r]] * (y->nbins + 1) + y->bin_of[ys[r]];
		}
}

static void
list_reserve(Pass *pass, RowList *list, uint64 n)
{
	if (n <= list->capacity)
		return;
	if (n > PG_UINT32_MAX / 2)
		fp_error(FP_ERR_LIMIT, NULL, NULL, "sets are too large to be mined");
	reserve(pass->tally, n * 8);
	list->capacity = n;
	list->rows = fp_alloc_array(pass->arena, uint32, n);
	list->ids = fp_alloc_array(pass->arena, uint32, n);
}

/* the rows of list, the parent's, that lie in a frequent context of child */
static void
extend_list(Pass *pass, const RowList *list, const FpNode *child, RowList *out)
{
	const FpTally *tally = pass->tally;
	const FpSlot  *slot = &tally->slots[child->slot];
	uint32		   n = 0;

	if (slot->kind == FP_COND_VALUE)
	{
		const uint32 *column = pass->columns[child->slot];
		uint64		  stride = (uint64) slot->card + 1;

		list_reserve(pass, out, list->n);
		if (child->dense != NULL)
			for (uint32 i = 0; i < list->n; i++)
			{
				uint32 row = list->rows[i];
				uint32 id = child->dense[list->ids[i] * stride + column[row]];

				out->rows[n] = row;
				out->ids[n] = id - 1;
				n += id != 0;
			}
		else
			for (uint32 i = 0; i < list->n; i++)
			{
				uint32 row = list->rows[i];
				uint32 id;

				if (column[row] == 0)
					continue;
				id = child_id(tally, child, list->ids[i], column[row]);
				out->rows[n] = row;
				out->ids[n] = id - 1;
				n += id != 0;
			}
	}
	else
	{
		const uint32 *sets = tally->cube->codes[slot->dim] + pass->first;

		/* a row can be there once for each member or pair */
		list_reserve(pass, out, (uint64) list->n * slot->longest);
		for (uint32 i = 0; i < list->n; i++)
		{
			uint32 row = list->rows[i];

			if (sets[row] == 0)
				continue;
			for (uint64 m = slot->offsets[sets[row]];
				 m < slot->offsets[sets[row] + 1]; m++)
			{
				uint32 id =
					child_id(tally, child, list->ids[i], slot->lists[m]);

				out->rows[n] = row;
				out->ids[n] = id - 1;
				n += id != 0;
			}
		}
	}
	out->n = n;
}

static inline void
add_to_table(Pass *pass, FpJob *job, uint32 id, uint32 code, uint32 row)
{
	if (job->packed != NULL)
		job->packed[(uint64) id * job->stride + code] += pass->weights[row];
	else if (job->wide != NULL)
	{
		FpCount *count = &job->wide[(uint64) id * job->stride + code];

		count->n += pass->counts[row].n;
		count->f += pass->counts[row].f;
	}
	else
		hash_add(pass->tally, job->hash, pass->arena, (uint64) id << 32 | code,
				 pass->counts[row]);
}

static void
run_job(Pass *pass, const RowList *list, FpJob *job)
{
	const FpTally *tally = pass->tally;

	if (job->column >= 0)
	{
		const uint32 *column = pass->columns[job->column];

		if (job->packed != NULL && job->nids == job->from->nids)
		{
			uint64		 *table = job->packed;
			const uint64 *weights = pass->weights;
			uint64		  stride = job->stride;

			for (uint32 i = 0; i < list->n; i++)
			{
				uint32 row = list->rows[i];

				table[list->ids[i] * stride + column[row]] += weights[row];
			}
		}
		else
			for (uint32 i = 0; i < list->n; i++)
			{
				uint32 row = list->rows[i];
				uint32 id = list->ids[i] - job->first_id;

				/* bin 0 counts in vectors, code 0 in no combination */
				if (id < job->nids && (job->to == NULL || column[row] != 0))
					add_to_table(pass, job, id, column[row], row);
			}
	}
	else
	{
		const FpSlot *slot = &tally->slots[job->to->slot];
		const uint32 *sets = tally->cube->codes[slot->dim] + pass->first;

		for (uint32 i = 0; i < list->n; i++)
		{
			uint32 row = list->rows[i];

			if (sets[row] == 0)
				continue;
			for (uint64 m = slot->offsets[sets[row]];
				 m < slot->offsets[sets[row] + 1]; m++)
				add_to_table(pass, job, list->ids[i], slot->lists[m], row);
		}
	}
}

static void
walk(Pass *pass, FpNode *node)
{
	RowList *list = &pass->lists[node->depth];

	for (FpJob *job = node->jobs; job != NULL; job = job->next)
		run_job(pass, list, job);
	for (FpNode *child = node->first_child; child != NULL;
		 child = child->next_sibling)
		if (child->wanted && list->n > 0)
		{
			FP_CHECK_INTERRUPTS();
			extend_list(pass, list, child, &pass->lists[node->depth + 1]);
			walk(pass, child);
		}
}

static void
start_block(Pass *pass, uint64 first, uint32 nrows)
{
	RowList *list = &pass->lists[0];

	load_block(pass, first, nrows);
	list_reserve(pass, list, BLOCK_ROWS);
	for (uint32 r = 0; r < nrows; r++)
	{
		list->rows[r] = r;
		list->ids[r] = 0;
	}
	list->n = nrows;
}

/* a node and all above it are to be walked, and their columns loaded */
static void
want_node(Pass *pass, FpNode *node)
{
	for (; node->parent != NULL; node = node->parent)
	{
		node->wanted = true;
		if (pass->tally->slots[node->slot].kind == FP_COND_VALUE)
			want_column(pass, node->slot);
	}
}

static void
unwant_all(FpNode *node)
{
	node->wanted = false;
	node->jobs = NULL;
	for (FpNode *child = node->first_child; child; child = child->next_sibling)
		unwant_all(child);
}

/* ------------------------------------------------------- after the pass */

static inline FpCount
table_entry(const FpJob *job, uint64 at)
{
	FpCount count;

	if (job->packed == NULL)
		return job->wide[at];
	count.n = job->packed[at] & PG_UINT32_MAX;
	count.f = job->packed[at] >> 32;
	return count;
}

/* Runs over the frequent contexts of a node's table. */
#define FOR_EACH_CONTEXT(tally, job, parent_id, code_, count, body)          \
	do                                                                       \
	{                                                                        \
		if ((job)->hash != NULL)                                             \
		{                                                                    \
			for (uint64 i_ = 0; i_ <= (job)->hash->mask; i_++)               \
			{                                                                \
				FpCount count = (job)->hash->counts[i_];                     \
				if ((i_ & 0xffff) == 0)                                      \
					FP_CHECK_INTERRUPTS();                                   \
				if ((job)->hash->keys[i_] != 0 &&                            \
					count.n >= (tally)->min_trials)                          \
				{                                                            \
					uint32 parent_id =                                       \
						(uint32) (((job)->hash->keys[i_] - 1) >> 32);        \
					uint32 code_ = (uint32) ((job)->hash->keys[i_] - 1);     \
					body                                                     \
				}                                                            \
			}                                                                \
		}                                                                    \
		else                                                                 \
		{                                                                    \
			for (uint32 parent_id = 0; parent_id < (job)->nids; parent_id++) \
			{                                                                \
				uint64 at_ = (uint64) parent_id * (job)->stride;             \
				if ((parent_id & 0xff) == 0)                                 \
					FP_CHECK_INTERRUPTS();                                   \
				for (uint32 code_ = 1; code_ < (job)->stride; code_++)       \
				{                                                            \
					FpCount count = table_entry(job, at_ + code_);           \
					if (count.n >= (tally)->min_trials)                      \
					{                                                        \
						body                                                 \
					}                                                        \
				}                                                            \
			}                                                                \
		}                                                                    \
	} while (0)

/* Numbers the frequent contexts of a node and makes them findable. */
static void
keep_node(FpTally *tally, const FpJob *job)
{
	FpNode *node = job->to;
	uint64	slots = (uint64) job->nids * job->stride;
	uint64	n = 0;
	uint32	id = 0;

	FOR_EACH_CONTEXT(tally, job, parent, code, count, {
		(void) parent;
		(void) code;
		n++;
	});
	if (n == 0)
		return;
	if (n >= PG_UINT32_MAX / 2)
		fp_error(FP_ERR_LIMIT, NULL, "Raise min_trials or lower max_arity.",
				 "there are too many combinations");
	reserve(tally, n * (8 + sizeof(FpCount)));
	node->parent_id = fp_alloc_array(tally->arena, uint32, n);
	node->code = fp_alloc_array(tally->arena, uint32, n);
	node->counts = fp_alloc_array(tally->arena, FpCount, n);
	if (job->hash == NULL && (slots <= MAX_DENSE_MAP || slots <= n * 8))
	{
		reserve(tally, slots * sizeof(uint32));
		node->dense = fp_alloc0_array(tally->arena, uint32, slots);
	}
	else
	{
		uint64 size = 64;

		while (size < n * 2)
			size *= 2;
		reserve(tally, size * 12);
		node->hash_mask = size - 1;
		node->hash_keys = fp_alloc0_array(tally->arena, uint64, size);
		node->hash_ids = fp_alloc0_array(tally->arena, uint32, size);
	}
	FOR_EACH_CONTEXT(tally, job, parent, code, count, {
		node->parent_id[id] = parent;
		node->code[id] = code;
		node->counts[id] = count;
		id++;
		if (node->dense != NULL)
			node->dense[(uint64) parent * job->stride + code] = id;
		else
		{
			uint64 key = (uint64) parent << 32 | code;
			uint64 i = hash_key(key) & node->hash_mask;

			while (node->hash_keys[i] != 0)
				i = (i + 1) & node->hash_mask;
			node->hash_keys[i] = key + 1;
			node->hash_ids[i] = id;
		}
	});
	node->nids = id;
}

static void
show_job(FpTally *tally, FpJob *job, bool screen, FpTallyVisitor *visitor,
		 FpArena arena)
{
	if (job->to != NULL)
	{
		FOR_EACH_CONTEXT(tally, job, parent, code, count, {
			visitor->context(visitor->arg, screen, job->to, parent, code,
							 count);
		});
	}
	else
	{
		FpVector *vector = job->vector;
		FpCount	 *counts = fp_alloc_array(arena, FpCount, vector->stride);

		for (uint32 id = 0; id < job->nids; id++)
		{
			if ((id & 0xff) == 0)
				FP_CHECK_INTERRUPTS();
			fp_vector_read(vector, job->first_id + id, counts);
			visitor->vector(visitor->arg, screen, vector, job->first_id + id,
							counts);
		}
	}
}

/* --------------------------------------------------------------- orders */

static FpNode *
add_child(FpTally *tally, FpNode *parent, int slot)
{
	FpNode	*node = fp_alloc0_array(tally->arena, FpNode, 1);
	FpNode **link = &parent->first_child;

	node->parent = parent;
	node->slot = slot;
	node->depth = parent->depth + 1;
	node->weight = parent->weight + tally->slots[slot].weight;
	memcpy(node->slots, parent->slots, sizeof(node->slots));
	node->slots[parent->depth] = slot;
	while (*link != NULL)
		link = &(*link)->next_sibling;
	*link = node;
	return node;
}

static bool
has_dim(const FpTally *tally, const FpNode *node, int dim)
{
	for (int i = 0; i < node->depth; i++)
		if (tally->slots[node->slots[i]].dim == dim)
			return true;
	return false;
}

typedef struct JobList
{
	FpJob *jobs;
	int	   n;
	int	   capacity;
} JobList;

static FpJob *
add_job(JobList *list, FpArena arena)
{
	if (list->n == list->capacity)
	{
		int grown = list->capacity ? list->capacity * 2 : 64;

		if (grown > MAX_NODES)
			fp_error(FP_ERR_LIMIT, NULL, "Lower max_arity.",
					 "there are too many combinations of dimensions");
		list->jobs = list->capacity
						 ? fp_realloc_array(arena, list->jobs, FpJob,
											list->capacity, grown)
						 : fp_alloc_array(arena, FpJob, grown);
		list->capacity = grown;
	}
	memset(&list->jobs[list->n], 0, sizeof(FpJob));
	return &list->jobs[list->n++];
}

/* Lists what is to be counted at an order, below and at node. */
static void
list_jobs(FpTally *tally, FpNode *node, int order, JobList *list,
		  FpArena arena)
{
	int missing = order - node->weight;

	if (node->nids == 0)
		return;
	for (FpNode *child = node->first_child; child; child = child->next_sibling)
		if (child->weight < order)
			list_jobs(tally, child, order, list, arena);

	/* ranges below this context */
	for (int a = 0; a < tally->naxes; a++)
	{
		if (missing == 1)
		{
			FpJob *job = add_job(list, arena);

			job->from = node;
			job->vector = fp_alloc0_array(tally->arena, FpVector, 1);
			job->vector->naxes = 1;
			job->vector->axes[0] = a;
			job->stride = tally->axes[a].nbins + 1;
			job->column = axis_column(tally, job->vector->axes, 1);
		}
		for (int b = a + 1; missing == 2 && b < tally->naxes; b++)
		{
			FpJob *job = add_job(list, arena);

			job->from = node;
			job->vector = fp_alloc0_array(tally->arena, FpVector, 1);
			job->vector->naxes = 2;
			job->vector->axes[0] = a;
			job->vector->axes[1] = b;
			job->stride =
				(tally->axes[a].nbins + 1) * (tally->axes[b].nbins + 1);
			job->column = axis_column(tally, job->vector->axes, 2);
		}
	}

	/* one slot more */
	for (int s = node->slot + 1; s < tally->nslots; s++)
	{
		FpSlot *slot = &tally->slots[s];
		FpJob  *job;

		if (slot->weight != missing || has_dim(tally, node, slot->dim))
			continue;
		job = add_job(list, arena);
		job->from = node;
		job->to = add_child(tally, node, s);
		job->stride = slot->card + 1;
		job->column = slot->kind == FP_COND_VALUE ? s : -1;
	}
}

static void
run_pass(Pass *pass)
{
	FpTally *tally = pass->tally;
	uint64	 ncells = tally->cube->ncells;

	for (uint64 first = 0; first < ncells; first += BLOCK_ROWS)
	{
		FP_CHECK_INTERRUPTS();
		start_block(pass, first, Min(BLOCK_ROWS, ncells - first));
		walk(pass, tally->root);
		if (tally->progress && first % (BLOCK_ROWS * 64) == 0)
			tally->progress(tally->progress_arg,
							tally->progress_from +
								(tally->progress_to - tally->progress_from) *
									((double) first / (double) ncells));
	}
}

/*
 * Allocates the job's table; false where it does not fit into this pass.  With
 * alone, the first of a pass, it must: contexts then go by a hash table, and a
 * vector table that need not be kept is cut.
 */
static bool
allot(FpTally *tally, FpJob *job, Pass *pass, uint32 done_ids, bool alone,
	  uint64 *budget)
{
	uint64 entry = pass->packed ? sizeof(uint64) : sizeof(FpCount);
	uint64 row = job->stride * entry;
	uint32 left = job->from->nids - done_ids;
	bool   kept = job->vector &&
				job->from->weight + job->vector->naxes < tally->max_order;
	FpArena arena = kept ? tally->arena : pass->arena;

	job->first_id = done_ids;
	job->nids = left;
	if (job->to != NULL && (left * row > MAX_DENSE_TABLE * entry ||
							(alone && left * row > *budget)))
	{
		if (!alone)
			return false;
		job->hash = hash_create(arena);
		*budget = 0;
		return true;
	}
	if (left * row > *budget)
	{
		if (!alone)
			return false;
		if (!kept)
			job->nids = Max(1, Min(left, *budget / row));
	}
	reserve(tally, job->nids * row);
	*budget -= Min(*budget, job->nids * row);
	if (pass->packed)
		job->packed =
			fp_alloc0_array(arena, uint64, (uint64) job->nids * job->stride);
	else
		job->wide =
			fp_alloc0_array(arena, FpCount, (uint64) job->nids * job->stride);
	if (job->vector)
	{
		job->vector->node = job->from;
		job->vector->stride = job->stride;
		job->vector->first_id = done_ids;
		job->vector->nids = job->nids;
		job->vector->packed = job->packed;
		job->vector->wide = job->wide;
	}
	return true;
}

static uint64
pass_budget(const FpTally *tally)
{
	size_t used = fp_arena_used(tally->arena);

	if (tally->memory_limit == 0)
		return UINT64CONST(1) << 29;
	return used < tally->memory_limit ? (tally->memory_limit - used) / 2 : 0;
}

/*
 * Counts all combinations of an order and shows them to visitor.  Contexts
 * and tables of orders below max_order are kept for look-ups.
 */
void
fp_tally_order(FpTally *tally, int order, FpTallyVisitor *visitor)
{
	FpArena scratch = fp_arena_create(tally->arena, "failpat jobs");
	JobList list = {0};
	int		next = 0;
	uint32	done_ids = 0;

	list_jobs(tally, tally->root, order, &list, scratch);
	while (next < list.n)
	{
		FpArena arena = fp_arena_create(tally->arena, "failpat pass");
		Pass   *pass = pass_create(tally, arena);
		uint64	budget = pass_budget(tally);
		int		first = next;
		bool	counting = false;

		for (; next < list.n; next++)
		{
			FpJob *job = &list.jobs[next];

			/* slots alone are known from the margins */
			if (job->from == tally->root && job->to != NULL)
			{
				FpSlot *slot = &tally->slots[job->to->slot];

				job->nids = 1;
				job->wide = slot->counts;
				continue;
			}
			if (!allot(tally, job, pass, done_ids, !counting, &budget))
				break;
			want_node(pass, job->from);
			want_column(pass, job->column);
			job->next = job->from->jobs;
			job->from->jobs = job;
			counting = true;
			if (job->first_id + job->nids < job->from->nids)
			{
				/* the rest of this table in the next pass */
				done_ids = job->first_id + job->nids;
				next++;
				break;
			}
			done_ids = 0;
		}
		if (counting)
			run_pass(pass);
		unwant_all(tally->root);

		for (int phase = 0; phase < 2; phase++)
		{
			for (int j = first; j < next; j++)
				show_job(tally, &list.jobs[j], phase == 1, visitor, arena);
			visitor->table_done(visitor->arg, phase == 1);
		}
		if (order < tally->max_order)
			for (int j = first; j < next; j++)
			{
				FpJob *job = &list.jobs[j];

				if (job->to != NULL)
					keep_node(tally, job);
				else
				{
					job->vector->next = job->from->first_vector;
					job->from->first_vector = job->vector;
				}
			}
		/* a table that was cut goes on where it stopped */
		if (done_ids > 0)
		{
			next--;
			list.jobs[next].packed = NULL;
			list.jobs[next].wide = NULL;
			list.jobs[next].next = NULL;
		}
		fp_arena_delete(arena);
	}
	fp_arena_delete(scratch);
}

/* --------------------------------------------------------------- probes */

/* Is the row of the block in the bounds of the probe's axes? */
static bool
in_bounds(const Pass *pass, const FpProbe *probe, uint32 row)
{
	const FpTally *tally = pass->tally;

	for (int a = 0; a < probe->naxes; a++)
	{
		uint32 bin = pass->columns[tally->nslots + probe->axes[a]][row];

		if (bin < probe->low[a] || bin > probe->high[a])
			return false;
	}
	return true;
}

static bool
holds_code(const Pass *pass, int s, uint32 code, uint32 row)
{
	const FpSlot *slot = &pass->tally->slots[s];
	uint32		  set;

	if (slot->kind == FP_COND_VALUE)
		return pass->columns[s][row] == code;
	set = pass->tally->cube->codes[slot->dim][pass->first + row];
	if (set == 0)
		return false;
	for (uint64 m = slot->offsets[set]; m < slot->offsets[set + 1]; m++)
		if (slot->lists[m] == code)
			return true;
	return false;
}

typedef struct NodeProbes
{
	uint32			  *head; /* by context: first probe + 1 */
	FpNode			  *node;
	struct NodeProbes *next;
} NodeProbes;

static void
collect_rows(Pass *pass, FpNode *node, NodeProbes *tables, FpProbe **probes,
			 const uint32 *links, FpArena arena)
{
	RowList	   *list = &pass->lists[node->depth];
	NodeProbes *table = tables;

	while (table != NULL && table->node != node)
		table = table->next;
	for (uint32 i = 0; table != NULL && i < list->n; i++)
	{
		uint32 row = list->rows[i];

		for (uint32 p = table->head[list->ids[i]]; p != 0; p = links[p - 1])
		{
			FpProbe *probe = probes[p - 1];

			if (!in_bounds(pass, probe, row))
				continue;
			if (probe->nslots > node->depth &&
				!holds_code(pass, probe->slots[node->depth],
							probe->codes[node->depth], row))
				continue;
			if (probe->nrows == probe->capacity)
			{
				uint64 grown = probe->capacity ? probe->capacity * 2 : 256;

				reserve(pass->tally, grown * 4);
				probe->rows =
					probe->capacity
						? fp_realloc_array(arena, probe->rows, uint32,
										   probe->capacity, grown)
						: fp_alloc_array(arena, uint32, grown);
				probe->capacity = grown;
			}
			probe->rows[probe->nrows++] = (uint32) (pass->first + row);
		}
	}
	for (FpNode *child = node->first_child; child != NULL;
		 child = child->next_sibling)
		if (child->wanted && list->n > 0)
		{
			FP_CHECK_INTERRUPTS();
			extend_list(pass, list, child, &pass->lists[node->depth + 1]);
			collect_rows(pass, child, tables, probes, links, arena);
		}
}

/* Lists the cells that each probe covers, allocated in arena. */
void
fp_tally_rows(FpTally *tally, FpProbe **probes, int nprobes, FpArena arena)
{
	FpArena		scratch = fp_arena_create(tally->arena, "failpat probes");
	Pass	   *pass = pass_create(tally, scratch);
	NodeProbes *tables = NULL;
	uint32	   *links = fp_alloc0_array(scratch, uint32, nprobes + 1);

	if (tally->cube->ncells > PG_UINT32_MAX)
		fp_error(FP_ERR_LIMIT, NULL, NULL, "the cube has too many cells");
	for (int p = 0; p < nprobes; p++)
	{
		FpProbe	   *probe = probes[p];
		int			n = probe->nslots;
		FpNode	   *node = fp_tally_node(tally, probe->slots, n);
		NodeProbes *table = tables;
		int64		id;

		/* contexts of the highest order have no numbers: go by the parent */
		if (node == NULL || node->nids == 0)
			node = fp_tally_node(tally, probe->slots, --n);
		Assert(node != NULL);
		for (int s = n; s < probe->nslots; s++)
			if (tally->slots[probe->slots[s]].kind == FP_COND_VALUE)
				want_column(pass, probe->slots[s]);
		for (int a = 0; a < probe->naxes; a++)
			want_column(pass, tally->nslots + probe->axes[a]);
		id = fp_tally_context(tally, node, probe->codes);
		probe->nrows = 0;
		if (id < 0)
			continue;
		while (table != NULL && table->node != node)
			table = table->next;
		if (table == NULL)
		{
			table = fp_alloc0_array(scratch, NodeProbes, 1);
			table->node = node;
			table->head = fp_alloc0_array(scratch, uint32, node->nids);
			table->next = tables;
			tables = table;
			want_node(pass, node);
		}
		links[p] = table->head[id];
		table->head[id] = p + 1;
	}
	for (uint64 first = 0; first < tally->cube->ncells; first += BLOCK_ROWS)
	{
		FP_CHECK_INTERRUPTS();
		start_block(pass, first, Min(BLOCK_ROWS, tally->cube->ncells - first));
		collect_rows(pass, tally->root, tables, probes, links, arena);
	}
	unwant_all(tally->root);
	fp_arena_delete(scratch);
}
