/*-------------------------------------------------------------------------
 *
 * alternatives.c
 *		What to use instead: values with evidence that they fail less.
 *
 * A task is one item or one range of one pattern whose dimension can be chosen;
 * what is left of the pattern is its context.  Contexts of the same dimensions form a
 * group; one pass over the cube serves a group, finding the contexts that a
 * cell meets by a trie over their codes.  So the work grows with groups (some
 * dozens) times cells, not with patterns times cells.
 *
 * A context counts its values once for all of its tasks.  An alternative of
 * member v of a set must not be used together with v: what was is counted for
 * v's task besides, and taken off.
 *
 * Everything but the result lives in a child of the caller's arena, deleted
 * on return; the trie of a group in a child of that.  No locks.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#include "mine/standins.h"

#include <math.h>

#include "stats/interval.h"

#define NO_CONTEXT 0xffffffffU
#define CHECK_EVERY 8192 /* cells between looks at interrupts */

void
fp_alternative_defaults(FpAlternativeOptions *options)
{
	options->min_trials = 10;
	options->confidence = FP_DEFAULT_CONFIDENCE;
	options->better = 0.95;
	options->min_ratio = 1.2;
	options->keep = 5;
}

static void
check_pattern(const FpCube *cube, const FpKnownPattern *p)
{
	if (p->nitems < 0 || p->nitems > FP_KNOWN_MAX_ITEMS || p->nranges < 0 ||
		p->nranges > FP_KNOWN_MAX_RANGES)
		fp_error(FP_ERR_DATA, NULL, NULL, "pattern has %d items and %d ranges",
				 p->nitems, p->nranges);
	for (int i = 0; i < p->nitems; i++)
	{
		const FpKnownItem *item = &p->items[i];
		FpDimKind		   kind;

		if (item->dim < 0 || item->dim >= cube->ndims)
			fp_error(FP_ERR_DATA, NULL, NULL,
					 "pattern is of dimension %d of %d", item->dim,
					 cube->ndims);
		kind = cube->dims[item->dim].kind;
		if ((kind != FP_NOMINAL && kind != FP_SET) || item->code == 0 ||
			item->code > cube->dims[item->dim].nvalues)
			fp_error(FP_ERR_DATA, NULL, NULL,
					 "pattern has code %u of %s dimension %d", item->code,
					 fp_dim_kind_name(kind), item->dim);
		for (int j = 0; j < i; j++)
			if (p->items[j].dim == item->dim &&
				(kind == FP_NOMINAL || p->items[j].code == item->code))
				fp_error(FP_ERR_DATA, NULL, NULL,
						 "pattern has two items of dimension %d", item->dim);
	}
	for (int i = 0; i < p->nranges; i++)
		if (p->ranges[i].dim < 0 || p->ranges[i].dim >= cube->ndims ||
			cube->dims[p->ranges[i].dim].kind !=
				(p->ranges[i].count ? FP_SET : FP_ORDINAL))
			fp_error(FP_ERR_DATA, NULL, NULL,
					 "pattern has a range of dimension %d", p->ranges[i].dim);
}

static int
compare_doubles(double a, double b)
{
	return a < b ? -1 : a > b;
}

/* by what makes a group (dimensions), then by codes, then by ranges */
static int
compare_contexts(const FpContext *a, const FpContext *b)
{
	int order = 0;

	if (a->dim != b->dim)
		return a->dim < b->dim ? -1 : 1;
	if (a->numbers != b->numbers)
		return a->numbers ? 1 : -1;
	if (a->nitems != b->nitems)
		return a->nitems < b->nitems ? -1 : 1;
	for (int i = 0; i < a->nitems; i++)
		if (a->items[i].dim != b->items[i].dim)
			return a->items[i].dim < b->items[i].dim ? -1 : 1;
	for (int i = 0; i < a->nitems; i++)
		if (a->items[i].code != b->items[i].code)
			return a->items[i].code < b->items[i].code ? -1 : 1;
	if (a->nranges != b->nranges)
		return a->nranges < b->nranges ? -1 : 1;
	for (int i = 0; i < a->nranges && order == 0; i++)
	{
		order = a->ranges[i].dim - b->ranges[i].dim;
		if (order == 0)
			order = a->ranges[i].count - b->ranges[i].count;
		if (order == 0)
			order = compare_doubles(a->ranges[i].min, b->ranges[i].min);
		if (order == 0)
			order = compare_doubles(a->ranges[i].max, b->ranges[i].max);
	}
	return order;
}

static int
compare_tasks(const void *left, const void *right)
{
	const FpTask *a = left;
	const FpTask *b = right;
	int			  order = compare_contexts(&a->raw, &b->raw);

	if (order != 0)
		return order;
	if (a->code != b->code)
		return a->code < b->code ? -1 : 1;
	if (a->pattern != b->pattern)
		return a->pattern < b->pattern ? -1 : 1;
	if (a->item != b->item)
		return a->item < b->item ? -1 : 1;
	return a->range < b->range ? -1 : a->range > b->range;
}

static bool
same_group(const FpContext *a, const FpContext *b)
{
	if (a->dim != b->dim || a->numbers != b->numbers || a->nitems != b->nitems)
		return false;
	for (int i = 0; i < a->nitems; i++)
		if (a->items[i].dim != b->items[i].dim)
			return false;
	return true;
}

/* the task of an item of a pattern, or (item is -1) of a range */
static void
add_task(FpStandWork *work, int number, int item, int range)
{
	const FpKnownPattern *pattern = &work->patterns[number];
	FpTask				 *task = &work->tasks[work->ntasks++];
	FpContext			 *raw = &task->raw;

	memset(task, 0, sizeof(*task));
	task->pattern = number;
	task->item = item;
	task->range = range;
	if (item >= 0)
	{
		raw->dim = pattern->items[item].dim;
		task->code = pattern->items[item].code;
	}
	else
	{
		raw->dim = pattern->ranges[range].dim;
		raw->numbers = pattern->ranges[range].count;
	}
	for (int j = 0; j < pattern->nitems; j++)
	{
		int at = raw->nitems;

		if (j == item)
			continue;
		while (at > 0 &&
			   fp_compare_items(&raw->items[at - 1], &pattern->items[j]) > 0)
		{
			raw->items[at] = raw->items[at - 1];
			at--;
		}
		raw->items[at] = pattern->items[j];
		raw->nitems++;
	}
	for (int j = 0; j < pattern->nranges; j++)
	{
		int at = raw->nranges;

		if (j == range)
			continue;
		while (at > 0 && raw->ranges[at - 1].dim > pattern->ranges[j].dim)
		{
			raw->ranges[at] = raw->ranges[at - 1];
			at--;
		}
		raw->ranges[at] = pattern->ranges[j];
		raw->nranges++;
	}
}

/* can something outside of the range be chosen? */
static bool
range_is_choosable(const FpKnownRange *range, const bool *choosable)
{
	return choosable[range->dim] &&
		   (range->count || (isinf(range->max) && !isinf(range->min)));
}

static void
make_tasks(FpStandWork *work, int n, const bool *choosable)
{
	uint64 items = 0;
	uint64 ranges = 0;

	for (int p = 0; p < n; p++)
	{
		items += work->patterns[p].nitems;
		ranges += work->patterns[p].nranges;
	}
	work->tasks = fp_alloc_array(work->arena, FpTask, items + ranges + 1);
	work->holders = fp_alloc_array(work->arena, FpHolder, items + 1);
	work->bare = fp_alloc_array(work->arena, int, n + 1);
	items = 0;
	for (int p = 0; p < n; p++)
	{
		const FpKnownPattern *pattern = &work->patterns[p];

		if (p % CHECK_EVERY == 0)
			FP_CHECK_INTERRUPTS();
		check_pattern(work->cube, pattern);
		if (pattern->nitems == 0)
			work->bare[work->nbare++] = p;
		for (int i = 0; i < pattern->nitems; i++)
		{
			const FpKnownItem *item = &pattern->items[i];
			uint64			   key = (uint64) item->dim << 32 | item->code;
			uint32			   head = fp_words_find(&work->holder_of, key);

			/* in the list of the item's holders, after its head */
			work->holders[items].pattern = p;
			work->holders[items].next = 0;
			if (head == 0)
				fp_words_add(work->arena, &work->holder_of, key,
							 (uint32) items + 1);
			else
			{
				work->holders[items].next = work->holders[head - 1].next;
				work->holders[head - 1].next = (uint32) items + 1;
			}
			items++;
			if (choosable[item->dim])
				add_task(work, p, i, -1);
		}
		for (int i = 0; i < pattern->nranges; i++)
			if (range_is_choosable(&pattern->ranges[i], choosable))
				add_task(work, p, -1, i);
	}
	if (work->ntasks > 1)
		qsort(work->tasks, work->ntasks, sizeof(FpTask), compare_tasks);

	/* tasks of the same context are together now */
	work->contexts =
		fp_alloc_array(work->arena, FpContext, (uint64) work->ntasks + 1);
	for (uint32 t = 0; t < work->ntasks; t++)
	{
		FpTask *task = &work->tasks[t];
		uint64	key;

		if (t == 0 ||
			compare_contexts(&task->raw, &work->tasks[t - 1].raw) != 0)
			work->contexts[work->ncontexts++] = task->raw;
		task->context = work->ncontexts - 1;
		if (task->item < 0)
			continue;
		/* of two patterns alike the first one's task counts for both */
		key = (uint64) task->context << 32 | task->code;
		if (fp_words_find(&work->task_of, key) == 0)
			fp_words_add(work->arena, &work->task_of, key, t + 1);
	}
}

static void
count(FpStandWork *work, FpValueCounts *counts, uint32 owner, uint32 value,
	  uint64 cell)
{
	uint64		  key = (uint64) owner << 32 | value;
	uint32		  at = fp_words_find(&counts->at, key);
	FpValueCount *entry;

	if (at == 0)
	{
		if (counts->n == counts->cap)
		{
			uint32 cap = Max(1024, counts->cap * 2);

			if (cap > 0x40000000)
				fp_error(FP_ERR_LIMIT, NULL, NULL,
						 "too many alternatives to count");
			counts->list =
				counts->list ? fp_realloc_array(work->arena, counts->list,
												FpValueCount, counts->cap, cap)
							 : fp_alloc_array(work->arena, FpValueCount, cap);
			counts->cap = cap;
		}
		entry = &counts->list[counts->n++];
		entry->owner = owner;
		entry->value = value;
		entry->trials = entry->failures = 0;
		fp_words_add(work->arena, &counts->at, key, counts->n);
	}
	else
		entry = &counts->list[at - 1];
	/* sums of counts of one cube, whose total does not overflow */
	entry->trials += work->cube->trials[cell];
	entry->failures += work->cube->failures[cell];
}

/* is the value one of the context's own of the same set? */
static bool
in_items(const FpContext *context, uint32 value)
{
	for (int i = 0; i < context->nitems; i++)
		if (context->items[i].dim == context->dim &&
			context->items[i].code == value)
			return true;
	return false;
}

/* a cell that has all items of a context */
static void
visit(FpStandWork *work, uint32 number, uint64 cell)
{
	const FpCube *cube = work->cube;
	FpContext	 *context = &work->contexts[number];
	const FpDim	 *dim = &cube->dims[context->dim];
	uint32		  code = cube->codes[context->dim][cell];
	uint64		  from;
	uint64		  to;
	bool		  any = false;

	/* not recorded: neither this nor that */
	if (code == 0)
		return;
	for (int i = 0; i < context->nranges; i++)
		if (!fp_known_range_met(cube, &context->ranges[i], cell))
			return;
	context->trials += cube->trials[cell];
	context->failures += cube->failures[cell];
	if (context->numbers)
	{
		count(work, &work->seen, number, fp_set_size(dim, code), cell);
		return;
	}
	if (dim->kind != FP_SET)
	{
		count(work, &work->seen, number, code, cell);
		return;
	}
	from = dim->set_offsets[code - 1];
	to = dim->set_offsets[code];
	for (uint64 m = from; m < to; m++)
	{
		uint32 value = dim->set_members[m];
		uint32 task;

		if (in_items(context, value))
			continue;
		any = true;
		count(work, &work->seen, number, value, cell);
		task = fp_words_find(&work->task_of, (uint64) number << 32 | value);
		for (uint64 o = from; o < to && task != 0; o++)
			if (o != m && !in_items(context, dim->set_members[o]))
				count(work, &work->beside, task - 1, dim->set_members[o],
					  cell);
	}
	if (!any)
		count(work, &work->seen, number, 0, cell);
}

/*
 * From a node of the trie, depth items of the context being found: all ways
 * to find the others in a cell.  from: where to go on in the set that the item
 * before came from.
 */
static void
walk(FpStandWork *work, const FpContext *shape, int depth, uint32 node,
	 uint64 from, uint64 cell)
{
	const FpCube *cube = work->cube;
	const FpDim	 *dim;
	uint32		  code;
	int			  d;

	if (depth == shape->nitems)
	{
		for (uint32 c = work->first[node]; c != NO_CONTEXT;
			 c = work->contexts[c].next)
			visit(work, c, cell);
		return;
	}
	d = shape->items[depth].dim;
	dim = &cube->dims[d];
	code = cube->codes[d][cell];
	if (code == 0)
		return;
	if (dim->kind == FP_NOMINAL)
	{
		node = fp_words_find(&work->trie, (uint64) node << 32 | code);
		if (node != 0)
			walk(work, shape, depth + 1, node, 0, cell);
		return;
	}
	if (depth == 0 || shape->items[depth - 1].dim != d)
		from = dim->set_offsets[code - 1];
	for (uint64 m = from; m < dim->set_offsets[code]; m++)
	{
		uint32 child = fp_words_find(&work->trie, (uint64) node << 32 |
													  dim->set_members[m]);

		if (child != 0)
			walk(work, shape, depth + 1, child, m + 1, cell);
	}
}

/* contexts from .. to - 1, a group: the trie, then the cells */
static void
run_group(FpStandWork *work, uint32 from, uint32 to)
{
	FpArena			 arena = fp_arena_create(work->arena, "failpat contexts");
	const FpContext *shape = &work->contexts[from];
	uint32			 nnodes = 1; /* the root is 0 */

	memset(&work->trie, 0, sizeof(work->trie));
	work->first =
		fp_alloc_array(arena, uint32,
					   (uint64) (to - from) * (uint64) Max(shape->nitems, 1) +
						   1);
	work->first[0] = NO_CONTEXT;
	for (uint32 c = from; c < to; c++)
	{
		FpContext *context = &work->contexts[c];
		uint32	   node = 0;

		for (int i = 0; i < context->nitems; i++)
		{
			uint64 key = (uint64) node << 32 | context->items[i].code;

			node = fp_words_find(&work->trie, key);
			if (node == 0)
			{
				node = nnodes++;
				work->first[node] = NO_CONTEXT;
				fp_words_add(arena, &work->trie, key, node);
			}
		}
		context->next = work->first[node];
		work->first[node] = c;
	}
	for (uint64 cell = 0; cell < work->cube->ncells; cell++)
	{
		if (cell % CHECK_EVERY == 0)
			FP_CHECK_INTERRUPTS();
		walk(work, shape, 0, 0, 0, cell);
	}
	fp_arena_delete(arena);
}

/* how often each value of the choosable dimensions was used, by anyone */
static void
count_use(FpStandWork *work, const bool *choosable)
{
	const FpCube *cube = work->cube;

	work->used_trials = fp_alloc0_array(work->arena, int64 *, cube->ndims);
	work->used_failures = fp_alloc0_array(work->arena, int64 *, cube->ndims);
	for (int d = 0; d < cube->ndims; d++)
	{
		const FpDim *dim = &cube->dims[d];
		int64		*trials;
		int64		*failures;

		if (!choosable[d] || (dim->kind != FP_NOMINAL && dim->kind != FP_SET))
			continue;
		trials =
			fp_alloc0_array(work->arena, int64, (uint64) dim->nvalues + 1);
		failures =
			fp_alloc0_array(work->arena, int64, (uint64) dim->nvalues + 1);
		for (uint64 cell = 0; cell < cube->ncells; cell++)
		{
			uint32 code = cube->codes[d][cell];
			uint64 m = 0;
			uint64 to = 1;

			if (cell % CHECK_EVERY == 0)
				FP_CHECK_INTERRUPTS();
			if (code == 0)
				continue;
			if (dim->kind == FP_SET)
			{
				m = dim->set_offsets[code - 1];
				to = dim->set_offsets[code];
				if (m == to)
				{
					trials[0] += cube->trials[cell];
					failures[0] += cube->failures[cell];
				}
			}
			for (; m < to; m++)
			{
				uint32 v = dim->kind == FP_SET ? dim->set_members[m] : code;

				trials[v] += cube->trials[cell];
				failures[v] += cube->failures[cell];
			}
		}
		work->used_trials[d] = trials;
		work->used_failures[d] = failures;
	}
}

FpAlternatives *
fp_alternatives(const FpCube *cube, const FpKnownPattern *patterns, int n,
				const bool *choosable, const FpAlternativeOptions *options,
				FpArena arena)
{
	FpAlternatives *result = fp_alloc0(arena, sizeof(FpAlternatives));
	FpStandWork		work;
	FpGather		all = {0};
	uint32		   *starts;
	FpValueCount   *by_context;
	FpValueCount   *peers;

	if (options->min_trials < 1 || options->keep < 1 ||
		!(options->min_ratio >= 1) ||
		!(options->better > 0 && options->better < 1))
		fp_error(FP_ERR_DATA, NULL, NULL,
				 "options of alternatives are out of range");
	fp_check_confidence(options->confidence);
	memset(&work, 0, sizeof(work));
	work.arena = fp_arena_create(arena, "failpat alternatives");
	work.cube = cube;
	work.patterns = patterns;
	work.options = options;
	make_tasks(&work, n, choosable);
	for (uint32 from = 0, to; from < work.ncontexts; from = to)
	{
		for (to = from + 1;
			 to < work.ncontexts &&
			 same_group(&work.contexts[from], &work.contexts[to]);
			 to++)
			;
		run_group(&work, from, to);
	}
	count_use(&work, choosable);

	/* the counts of each context together */
	starts = fp_alloc0_array(work.arena, uint32, (uint64) work.ncontexts + 2);
	by_context =
		fp_alloc_array(work.arena, FpValueCount, (uint64) work.seen.n + 1);
	peers = fp_alloc_array(work.arena, FpValueCount, (uint64) work.seen.n + 1);
	for (uint32 i = 0; i < work.seen.n; i++)
		starts[work.seen.list[i].owner + 2]++;
	for (uint32 c = 0; c < work.ncontexts; c++)
		starts[c + 2] += starts[c + 1];
	for (uint32 i = 0; i < work.seen.n; i++)
		by_context[starts[work.seen.list[i].owner + 1]++] = work.seen.list[i];
	for (uint32 t = 0; t < work.ntasks; t++)
	{
		uint32		  c = work.tasks[t].context;
		FpValueCount *counted = by_context + starts[c];
		uint32		  n_counted = starts[c + 1] - starts[c];

		FP_CHECK_INTERRUPTS();
		if (work.tasks[t].item >= 0)
			fp_judge_task(&work, t, counted, n_counted, peers, &all);
		else
			fp_judge_range(&work, t, counted, n_counted, &all);
	}

	/* the best values of each pattern, over its items, among its ranges' */
	if (all.n > 0)
	{
		int kept = 0;

		qsort(all.list, all.n, sizeof(FpAlternative), fp_compare_alternatives);
		result->list = fp_alloc_array(arena, FpAlternative, all.n);
		for (uint32 i = 0; i < all.n; i++)
		{
			if (i == 0 || all.list[i].pattern != all.list[i - 1].pattern)
				kept = 0;
			if (all.list[i].item < 0 || kept++ < options->keep)
				result->list[result->n++] = all.list[i];
		}
	}
	fp_arena_delete(work.arena);
	return result;
}
