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
#include "mine/pass.h"

/* Arrays with more entries are replaced by hash tables. */
#define MAX_DENSE_TABLE (UINT64CONST(1) << 26)
#define MAX_DENSE_MAP (UINT64CONST(1) << 24)

#define MAX_NODES 200000

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

int64
fp_tally_context(const FpTally *tally, const FpNode *node, const uint32 *codes)
{
	const FpNode *path[FP_MAX_ARITY + 1];
	uint32		  id = 0;

	for (const FpNode *at = node; at->parent != NULL; at = at->parent)
		path[at->depth] = at;
	for (int i = 1; i <= node->depth; i++)
	{
		uint32 next = fp_node_child(tally, path[i], id, codes[i - 1]);

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
			uint64 looked_ = 0;                                              \
			for (uint32 parent_id = 0; parent_id < (job)->nids; parent_id++) \
			{                                                                \
				uint64 at_ = (uint64) parent_id * (job)->stride;             \
				looked_ += (job)->stride;                                    \
				if (looked_ > 0xffff)                                        \
				{                                                            \
					FP_CHECK_INTERRUPTS();                                   \
					looked_ = 0;                                             \
				}                                                            \
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
	fp_tally_reserve(tally, n * (8 + sizeof(FpCount)));
	node->parent_id = fp_alloc_array(tally->arena, uint32, n);
	node->code = fp_alloc_array(tally->arena, uint32, n);
	node->counts = fp_alloc_array(tally->arena, FpCount, n);
	if (job->hash == NULL && (slots <= MAX_DENSE_MAP || slots <= n * 8))
	{
		fp_tally_reserve(tally, slots * sizeof(uint32));
		node->dense = fp_alloc0_array(tally->arena, uint32, slots);
	}
	else
	{
		uint64 size = 64;

		while (size < n * 2)
			size *= 2;
		fp_tally_reserve(tally, size * 12);
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
			uint64 i = fp_hash_key(key) & node->hash_mask;

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
			FP_CHECK_INTERRUPTS();
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
		if (has_dim(tally, node, tally->axes[a].dim))
			continue; /* a set's members and their number */
		if (missing == 1)
		{
			FpJob *job = add_job(list, arena);

			job->from = node;
			job->vector = fp_alloc0_array(tally->arena, FpVector, 1);
			job->vector->naxes = 1;
			job->vector->axes[0] = a;
			job->stride = tally->axes[a].nbins + 1;
			job->column = fp_pass_axis_column(tally, job->vector->axes, 1);
		}
		for (int b = a + 1; missing == 2 && b < tally->naxes; b++)
		{
			FpJob *job;

			if (has_dim(tally, node, tally->axes[b].dim))
				continue;
			job = add_job(list, arena);

			job->from = node;
			job->vector = fp_alloc0_array(tally->arena, FpVector, 1);
			job->vector->naxes = 2;
			job->vector->axes[0] = a;
			job->vector->axes[1] = b;
			job->stride =
				(tally->axes[a].nbins + 1) * (tally->axes[b].nbins + 1);
			job->column = fp_pass_axis_column(tally, job->vector->axes, 2);
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
run_pass(FpPass *pass)
{
	FpTally *tally = pass->tally;
	uint64	 ncells = tally->cube->ncells;

	for (uint64 first = 0; first < ncells; first += FP_BLOCK_ROWS)
	{
		FP_CHECK_INTERRUPTS();
		fp_pass_start_block(pass, first, Min(FP_BLOCK_ROWS, ncells - first));
		fp_pass_walk(pass, tally->root);
		if (tally->progress && first % (FP_BLOCK_ROWS * 64) == 0)
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
allot(FpTally *tally, FpJob *job, FpPass *pass, uint32 done_ids, bool alone,
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
		job->hash = fp_hash_create(arena);
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
	fp_tally_reserve(tally, job->nids * row);
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
		FpPass *pass = fp_pass_create(tally, arena);
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
			fp_pass_want_node(pass, job->from);
			fp_pass_want_column(pass, job->column);
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
		fp_pass_end(tally->root);

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
