/*-------------------------------------------------------------------------
 *
 * rows.c
 *		The cells that combinations cover, for many of them in one pass.
 *
 * Memory: the lists lie in the arena given, the rest in a child of the
 * tally's.  No locks.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#include "mine/pass.h"

/* Is the row of the block in the bounds of the probe's axes? */
static bool
in_bounds(const FpPass *pass, const FpProbe *probe, uint32 row)
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
holds_code(const FpPass *pass, int s, uint32 code, uint32 row)
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
collect_rows(FpPass *pass, FpNode *node, NodeProbes *tables, FpProbe **probes,
			 const uint32 *links, FpArena arena)
{
	FpRowList  *list = &pass->lists[node->depth];
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

				fp_tally_reserve(pass->tally, grown * 4);
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
			fp_pass_extend(pass, list, child, &pass->lists[node->depth + 1]);
			collect_rows(pass, child, tables, probes, links, arena);
		}
}

/* Lists the cells that each probe covers, allocated in arena. */
void
fp_tally_rows(FpTally *tally, FpProbe **probes, int nprobes, FpArena arena)
{
	FpArena		scratch = fp_arena_create(tally->arena, "failpat probes");
	FpPass	   *pass = fp_pass_create(tally, scratch);
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
				fp_pass_want_column(pass, probe->slots[s]);
		for (int a = 0; a < probe->naxes; a++)
			fp_pass_want_column(pass, tally->nslots + probe->axes[a]);
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
			fp_pass_want_node(pass, node);
		}
		links[p] = table->head[id];
		table->head[id] = p + 1;
	}
	for (uint64 first = 0; first < tally->cube->ncells; first += FP_BLOCK_ROWS)
	{
		FP_CHECK_INTERRUPTS();
		fp_pass_start_block(pass, first,
							Min(FP_BLOCK_ROWS, tally->cube->ncells - first));
		collect_rows(pass, tally->root, tables, probes, links, arena);
	}
	fp_pass_end(tally->root);
	fp_arena_delete(scratch);
}
