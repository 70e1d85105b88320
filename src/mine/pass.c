/*-------------------------------------------------------------------------
 *
 * pass.c
 *		One run over the cells, block by block.
 *
 * For each block, the tree of contexts is walked depth first; a node's list
 * holds the rows of the block that lie in a frequent context, with the
 * context's number, and a table below the node is filled by running over that
 * list.
 *
 * Memory: columns and lists lie in the arena of the pass.  No locks.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#include "mine/pass.h"

/* id + 1 of a child's context, or 0 */
uint32
fp_node_child(const FpTally *tally, const FpNode *child, uint32 parent_id,
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
	for (uint64 i = fp_hash_key(key) & child->hash_mask;;
		 i = (i + 1) & child->hash_mask)
	{
		if (child->hash_keys[i] == key + 1)
			return child->hash_ids[i];
		if (child->hash_keys[i] == 0)
			return 0;
	}
}


int
fp_pass_axis_column(const FpTally *tally, const int *axes, int naxes)
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

FpPass *
fp_pass_create(FpTally *tally, FpArena arena)
{
	FpPass *pass = fp_alloc0_array(arena, FpPass, 1);
	int		ncolumns =
		tally->nslots + tally->naxes + tally->naxes * tally->naxes / 2;

	pass->tally = tally;
	pass->arena = arena;
	pass->packed = tally->total.n <= (int64) PG_UINT32_MAX;
	pass->columns = fp_alloc0_array(arena, uint32 *, ncolumns + 1);
	pass->weights = fp_alloc_array(arena, uint64, FP_BLOCK_ROWS);
	pass->counts = fp_alloc_array(arena, FpCount, FP_BLOCK_ROWS);
	return pass;
}

/* Asks for a column: of a single-valued slot, an axis or a pair of axes. */
void
fp_pass_want_column(FpPass *pass, int column)
{
	if (column >= 0 && pass->columns[column] == NULL)
		pass->columns[column] =
			fp_alloc_array(pass->arena, uint32, FP_BLOCK_ROWS);
}

static void
load_block(FpPass *pass, uint64 first, uint32 nrows)
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
list_reserve(FpPass *pass, FpRowList *list, uint64 n)
{
	if (n <= list->capacity)
		return;
	if (n > PG_UINT32_MAX / 2)
		fp_error(FP_ERR_LIMIT, NULL, NULL, "sets are too large to be mined");
	fp_tally_reserve(pass->tally, n * 8);
	list->capacity = n;
	list->rows = fp_alloc_array(pass->arena, uint32, n);
	list->ids = fp_alloc_array(pass->arena, uint32, n);
}

/* the rows of list, the parent's, that lie in a frequent context of child */
static void
extend(FpPass *pass, const FpRowList *list, const FpNode *child,
	   FpRowList *out)
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
				id = fp_node_child(tally, child, list->ids[i], column[row]);
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
					fp_node_child(tally, child, list->ids[i], slot->lists[m]);

				out->rows[n] = row;
				out->ids[n] = id - 1;
				n += id != 0;
			}
		}
	}
	out->n = n;
}

static inline void
add_to_table(FpPass *pass, FpJob *job, uint32 id, uint32 code, uint32 row)
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
		fp_hash_add(pass->tally, job->hash, pass->arena,
					(uint64) id << 32 | code, pass->counts[row]);
}

static void
run_job(FpPass *pass, const FpRowList *list, FpJob *job)
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

void
fp_pass_walk(FpPass *pass, FpNode *node)
{
	FpRowList *list = &pass->lists[node->depth];

	for (FpJob *job = node->jobs; job != NULL; job = job->next)
		run_job(pass, list, job);
	for (FpNode *child = node->first_child; child != NULL;
		 child = child->next_sibling)
		if (child->wanted && list->n > 0)
		{
			FP_CHECK_INTERRUPTS();
			extend(pass, list, child, &pass->lists[node->depth + 1]);
			fp_pass_walk(pass, child);
		}
}

void
fp_pass_start_block(FpPass *pass, uint64 first, uint32 nrows)
{
	FpRowList *list = &pass->lists[0];

	load_block(pass, first, nrows);
	list_reserve(pass, list, FP_BLOCK_ROWS);
	for (uint32 r = 0; r < nrows; r++)
	{
		list->rows[r] = r;
		list->ids[r] = 0;
	}
	list->n = nrows;
}

/* a node and all above it are to be walked, and their columns loaded */
void
fp_pass_want_node(FpPass *pass, FpNode *node)
{
	for (; node->parent != NULL; node = node->parent)
	{
		node->wanted = true;
		if (pass->tally->slots[node->slot].kind == FP_COND_VALUE)
			fp_pass_want_column(pass, node->slot);
	}
}

void
fp_pass_end(FpNode *node)
{
	node->wanted = false;
	node->jobs = NULL;
	for (FpNode *child = node->first_child; child; child = child->next_sibling)
		fp_pass_end(child);
}
