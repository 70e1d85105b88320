/*-------------------------------------------------------------------------
 *
 * alternatives.c
 *		What to use instead: values with evidence that they fail less.
 *
 * A task is one item of one pattern whose dimension can be chosen; what is
 * left of the pattern is its context.  Contexts of the same dimensions form a
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
#include "mine/alternatives.h"

#include <math.h>

#include "cube/dict.h"
#include "stats/interval.h"
#include "stats/shrink.h"
#include "stats/special.h"

#define NO_CONTEXT 0xffffffffU
#define CHECK_EVERY 8192 /* cells between looks at interrupts */

/* What is left of some patterns without one item each. */
typedef struct Context
{
	int			 dim; /* of the items that are left out */
	int			 nitems;
	FpKnownItem	 items[FP_KNOWN_MAX_ITEMS]; /* by dim, code */
	int			 nranges;
	FpKnownRange ranges[FP_KNOWN_MAX_RANGES]; /* by dim */
	uint32		 next; /* context at the same trie node */

	/* observations that meet it, with dim recorded */
	int64 trials;
	int64 failures;
} Context;

/* The pattern's item whose stand-in is looked for. */
typedef struct Task
{
	int		pattern;
	int		item;
	uint32	code;
	uint32	context; /* number of its context */
	Context raw;	 /* until contexts are numbered */
} Task;

/* What was seen of one value (0: none) in a context, or beside a task. */
typedef struct Count
{
	uint32 owner;
	uint32 value;
	int64  trials;
	int64  failures;
} Count;

/* Counts by owner and value. */
typedef struct Counts
{
	FpWordMap at; /* owner << 32 | value -> number + 1 */
	uint32	  n;
	uint32	  cap;
	Count	 *list;
} Counts;

/* a pattern in the list of those that have an item */
typedef struct Holder
{
	int	   pattern;
	uint32 next; /* + 1; 0: the last */
} Holder;

/* One computation. */
typedef struct Work
{
	FpArena						arena;
	const FpCube			   *cube;
	const FpKnownPattern	   *patterns;
	const FpAlternativeOptions *options;

	uint32	  ntasks;
	Task	 *tasks;
	uint32	  ncontexts;
	Context	 *contexts;
	FpWordMap task_of; /* context << 32 | code -> number of the task + 1 */

	Counts seen;   /* by context */
	Counts beside; /* by task: values of a set used together with its code */

	/* per choosable dimension and value (0: none): over the whole cube */
	int64 **used_trials;
	int64 **used_failures;

	FpWordMap holder_of; /* dim << 32 | code -> first holder + 1 */
	Holder	 *holders;

	/* the group under way */
	FpWordMap trie;	 /* node << 32 | code -> child node */
	uint32	 *first; /* of a node, its first context */
} Work;

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
compare_items(const FpKnownItem *a, const FpKnownItem *b)
{
	if (a->dim != b->dim)
		return a->dim < b->dim ? -1 : 1;
	return a->code < b->code ? -1 : a->code > b->code;
}

static int
compare_doubles(double a, double b)
{
	return a < b ? -1 : a > b;
}

/* by what makes a group (dimensions), then by codes, then by ranges */
static int
compare_contexts(const Context *a, const Context *b)
{
	int order = 0;

	if (a->dim != b->dim)
		return a->dim < b->dim ? -1 : 1;
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
	const Task *a = left;
	const Task *b = right;
	int			order = compare_contexts(&a->raw, &b->raw);

	if (order != 0)
		return order;
	if (a->code != b->code)
		return a->code < b->code ? -1 : 1;
	if (a->pattern != b->pattern)
		return a->pattern < b->pattern ? -1 : 1;
	return a->item < b->item ? -1 : a->item > b->item;
}

static bool
same_group(const Context *a, const Context *b)
{
	if (a->dim != b->dim || a->nitems != b->nitems)
		return false;
	for (int i = 0; i < a->nitems; i++)
		if (a->items[i].dim != b->items[i].dim)
			return false;
	return true;
}

static void
make_tasks(Work *work, int n, const bool *choosable)
{
	uint64 items = 0;

	for (int p = 0; p < n; p++)
		items += work->patterns[p].nitems;
	work->tasks = fp_alloc_array(work->arena, Task, items + 1);
	work->holders = fp_alloc_array(work->arena, Holder, items + 1);
	items = 0;
	for (int p = 0; p < n; p++)
	{
		const FpKnownPattern *pattern = &work->patterns[p];

		if (p % CHECK_EVERY == 0)
			FP_CHECK_INTERRUPTS();
		check_pattern(work->cube, pattern);
		for (int i = 0; i < pattern->nitems; i++)
		{
			const FpKnownItem *item = &pattern->items[i];
			uint64			   key = (uint64) item->dim << 32 | item->code;
			uint32			   head = fp_words_find(&work->holder_of, key);
			Task			  *task;

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

			if (!choosable[item->dim])
				continue;
			task = &work->tasks[work->ntasks++];
			memset(task, 0, sizeof(*task));
			task->pattern = p;
			task->item = i;
			task->code = item->code;
			task->raw.dim = item->dim;
			for (int j = 0; j < pattern->nitems; j++)
			{
				int at = task->raw.nitems;

				if (j == i)
					continue;
				while (at > 0 && compare_items(&task->raw.items[at - 1],
											   &pattern->items[j]) > 0)
				{
					task->raw.items[at] = task->raw.items[at - 1];
					at--;
				}
				task->raw.items[at] = pattern->items[j];
				task->raw.nitems++;
			}
			for (int j = 0; j < pattern->nranges; j++)
			{
				int at = task->raw.nranges;

				while (at > 0 &&
					   task->raw.ranges[at - 1].dim > pattern->ranges[j].dim)
				{
					task->raw.ranges[at] = task->raw.ranges[at - 1];
					at--;
				}
				task->raw.ranges[at] = pattern->ranges[j];
				task->raw.nranges++;
			}
		}
	}
	if (work->ntasks > 1)
		qsort(work->tasks, work->ntasks, sizeof(Task), compare_tasks);

	/* tasks of the same context are together now */
	work->contexts =
		fp_alloc_array(work->arena, Context, (uint64) work->ntasks + 1);
	for (uint32 t = 0; t < work->ntasks; t++)
	{
		Task  *task = &work->tasks[t];
		uint64 key;

		if (t == 0 ||
			compare_contexts(&task->raw, &work->tasks[t - 1].raw) != 0)
			work->contexts[work->ncontexts++] = task->raw;
		task->context = work->ncontexts - 1;
		/* of two patterns alike the first one's task counts for both */
		key = (uint64) task->context << 32 | task->code;
		if (fp_words_find(&work->task_of, key) == 0)
			fp_words_add(work->arena, &work->task_of, key, t + 1);
	}
}

static void
count(Work *work, Counts *counts, uint32 owner, uint32 value, uint64 cell)
{
	uint64 key = (uint64) owner << 32 | value;
	uint32 at = fp_words_find(&counts->at, key);
	Count *entry;

	if (at == 0)
	{
		if (counts->n == counts->cap)
		{
			uint32 cap = Max(1024, counts->cap * 2);

			if (cap > 0x40000000)
				fp_error(FP_ERR_LIMIT, NULL, NULL,
						 "too many alternatives to count");
			counts->list = counts->list
							   ? fp_realloc_array(work->arena, counts->list,
												  Count, counts->cap, cap)
							   : fp_alloc_array(work->arena, Count, cap);
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

/* what was counted of a value, or NULL */
static const Count *
counted(const Counts *counts, uint32 owner, uint32 value)
{
	uint32 at = fp_words_find(&counts->at, (uint64) owner << 32 | value);

	return at == 0 ? NULL : &counts->list[at - 1];
}

/* is the value one of the context's own of the same set? */
static bool
in_items(const Context *context, uint32 value)
{
	for (int i = 0; i < context->nitems; i++)
		if (context->items[i].dim == context->dim &&
			context->items[i].code == value)
			return true;
	return false;
}

/* a cell that has all items of a context */
static void
visit(Work *work, uint32 number, uint64 cell)
{
	const FpCube *cube = work->cube;
	Context		 *context = &work->contexts[number];
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
	if (dim->kind == FP_NOMINAL)
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
walk(Work *work, const Context *shape, int depth, uint32 node, uint64 from,
	 uint64 cell)
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
run_group(Work *work, uint32 from, uint32 to)
{
	FpArena		   arena = fp_arena_create(work->arena, "failpat contexts");
	const Context *shape = &work->contexts[from];
	uint32		   nnodes = 1; /* the root is 0 */

	memset(&work->trie, 0, sizeof(work->trie));
	work->first =
		fp_alloc_array(arena, uint32,
					   (uint64) (to - from) * (uint64) Max(shape->nitems, 1) +
						   1);
	work->first[0] = NO_CONTEXT;
	for (uint32 c = from; c < to; c++)
	{
		Context *context = &work->contexts[c];
		uint32	 node = 0;

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
count_use(Work *work, const bool *choosable)
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

/*
 * Is a known pattern met through this value, in the place of the task's item?
 * Where ranges overlap only in part it is still bad in that part.
 */
static bool
known_bad(const Work *work, const Context *own, uint32 value)
{
	uint32 at;

	if (value == 0)
		return false; /* no pattern is of using nothing */
	at = fp_words_find(&work->holder_of, (uint64) own->dim << 32 | value);
	for (; at != 0; at = work->holders[at - 1].next)
	{
		const FpKnownPattern *other =
			&work->patterns[work->holders[at - 1].pattern];
		bool met = true;

		for (int i = 0; i < other->nitems && met; i++)
		{
			met = other->items[i].dim == own->dim &&
				  other->items[i].code == value;
			for (int j = 0; j < own->nitems && !met; j++)
				met = compare_items(&other->items[i], &own->items[j]) == 0;
		}
		for (int i = 0; i < other->nranges && met; i++)
			for (int j = 0; j < own->nranges && met; j++)
				if (own->ranges[j].dim == other->ranges[i].dim)
					met = own->ranges[j].min <= other->ranges[i].max &&
						  other->ranges[i].min <= own->ranges[j].max;
		if (met)
			return true;
	}
	return false;
}

static double
log_odds(int64 failures, int64 trials, double *variance)
{
	double f = (double) failures + 0.5;
	double p = (double) (trials - failures) + 0.5;

	*variance += 1 / f + 1 / p;
	return log(f / p);
}

static double
from_log_odds(double x)
{
	return 1 / (1 + exp(-x));
}

/* a value that was not, or hardly, used in the context */
static bool
predict(const Work *work, const Context *context, int64 rest_failures,
		int64 rest_trials, uint32 value, double z, FpAlternative *result)
{
	int64  trials = work->used_trials[context->dim][value];
	int64  failures = work->used_failures[context->dim][value];
	double variance = 0;
	double x;

	if (trials < work->options->min_trials ||
		rest_trials < work->options->min_trials)
		return false;
	x = log_odds(rest_failures, rest_trials, &variance) +
		log_odds(failures, trials, &variance) -
		log_odds(work->cube->total_failures, work->cube->total_trials,
				 &variance);
	result->predicted = true;
	result->trials = trials;
	result->failures = failures;
	result->rate = from_log_odds(x);
	result->lower = from_log_odds(x - z * sqrt(variance));
	result->upper = from_log_odds(x + z * sqrt(variance));
	return true;
}

static int
compare_alternatives(const void *left, const void *right)
{
	const FpAlternative *a = left;
	const FpAlternative *b = right;

	if (a->pattern != b->pattern)
		return a->pattern < b->pattern ? -1 : 1;
	if (a->predicted != b->predicted)
		return a->predicted ? 1 : -1;
	if (a->upper != b->upper)
		return a->upper < b->upper ? -1 : 1;
	if (a->trials != b->trials)
		return a->trials > b->trials ? -1 : 1;
	if (a->item != b->item)
		return a->item < b->item ? -1 : 1;
	return a->value < b->value ? -1 : a->value > b->value;
}

/* what is being gathered: the result of all tasks, to be sorted and cut */
typedef struct Gather
{
	FpAlternative *list;
	uint32		   n;
	uint32		   cap;
} Gather;

static void
gather(Work *work, Gather *all, const FpAlternative *one)
{
	if (all->n == all->cap)
	{
		uint32 cap = Max(256, all->cap * 2);

		all->list = all->list
						? fp_realloc_array(work->arena, all->list,
										   FpAlternative, all->cap, cap)
						: fp_alloc_array(work->arena, FpAlternative, cap);
		all->cap = cap;
	}
	all->list[all->n++] = *one;
}

/* drop all but the best of what was gathered since "from" */
static void
keep_best(Gather *all, uint32 from, int keep)
{
	if (all->n - from > 1)
		qsort(all->list + from, all->n - from, sizeof(FpAlternative),
			  compare_alternatives);
	if (all->n - from > (uint32) keep)
		all->n = from + (uint32) keep;
}

/*
 * The alternatives of a task, from what was counted for its context.  peers
 * has room for those counts.
 */
static void
judge(Work *work, uint32 number, const Count *seen, uint32 nseen, Count *peers,
	  Gather *all)
{
	const Task				   *task = &work->tasks[number];
	const Context			   *context = &work->contexts[task->context];
	const FpAlternativeOptions *options = work->options;
	const Count *own = counted(&work->seen, task->context, task->code);
	uint32		 owner = fp_words_find(&work->task_of,
									   (uint64) task->context << 32 | task->code);
	uint32		 nvalues = work->cube->dims[context->dim].nvalues;
	FpArena		 arena;
	int64		*trials;
	int64		*failures;
	uint32		 npeers = 0;
	uint32		 start = all->n;
	int64		 n;
	int64		 f;
	double		 z = fp_normal_two_sided(options->confidence);
	double		 bad_mean;
	double		 bad_variance;
	FpInterval	 bad;
	FpRatePrior	 prior;
	bool		*in_context;

	if (own == NULL)
		return; /* nothing to be better than */
	n = own->trials;
	f = own->failures;
	arena = fp_arena_create(work->arena, "failpat peers");
	trials = fp_alloc_array(arena, int64, (uint64) nseen + 1);
	failures = fp_alloc_array(arena, int64, (uint64) nseen + 1);
	in_context = fp_alloc0_array(arena, bool, (uint64) nvalues + 1);
	for (uint32 i = 0; i < nseen; i++)
	{
		const Count *both = counted(&work->beside, owner - 1, seen[i].value);
		Count		*peer = &peers[npeers];

		*peer = seen[i];
		if (both)
		{
			peer->trials -= both->trials;
			peer->failures -= both->failures;
		}
		if (peer->value == task->code || peer->trials == 0)
			continue;
		trials[npeers] = peer->trials;
		failures[npeers++] = peer->failures;
	}
	bad = fp_wilson_interval(f, n, z);
	bad_mean = ((double) f + 0.5) / ((double) n + 1);
	bad_variance = bad_mean * (1 - bad_mean) / ((double) n + 2);
	prior = fp_shrink_prior(failures, trials, npeers);

	for (uint32 i = 0; i < npeers; i++)
	{
		FpAlternative one = {0};
		FpInterval	  interval;
		double		  mean;
		double		  variance;

		if (peers[i].trials < options->min_trials)
			continue; /* too little: perhaps it can be predicted */
		in_context[peers[i].value] = true;
		one.pattern = task->pattern;
		one.item = task->item;
		one.value = peers[i].value;
		one.trials = peers[i].trials;
		one.failures = peers[i].failures;
		one.rate = (double) one.failures / (double) one.trials;
		interval = fp_wilson_interval(one.failures, one.trials, z);
		one.lower = interval.lower;
		one.upper = interval.upper;
		if (one.rate * options->min_ratio > (double) f / (double) n)
			continue;
		mean = fp_shrink_rate(prior, one.failures, one.trials);
		variance =
			mean * (1 - mean) / (prior.strength + (double) one.trials + 1);
		if (one.upper >= bad.lower &&
			fp_normal_cdf((bad_mean - mean) / sqrt(bad_variance + variance)) <
				options->better)
			continue;
		if (!known_bad(work, context, one.value))
			gather(work, all, &one);
	}
	keep_best(all, start, options->keep);

	/* "none at all" is not predicted: there is no rate of it elsewhere that
	 * would speak of this context */
	in_context[0] = true;
	in_context[task->code] = true;
	for (int i = 0; i < context->nitems; i++)
		if (context->items[i].dim == context->dim)
			in_context[context->items[i].code] = true;
	if (context->nitems + context->nranges > 0 &&
		all->n - start < (uint32) options->keep)
	{
		for (uint32 v = 1; v <= nvalues; v++)
		{
			FpAlternative one = {0};

			if (v % CHECK_EVERY == 0)
				FP_CHECK_INTERRUPTS();
			one.pattern = task->pattern;
			one.item = task->item;
			one.value = v;
			if (!in_context[v] &&
				predict(work, context, context->failures - f,
						context->trials - n, v, z, &one) &&
				one.upper < bad.lower &&
				one.rate * options->min_ratio <= (double) f / (double) n &&
				!known_bad(work, context, v))
				gather(work, all, &one);
		}
		keep_best(all, start, options->keep);
	}
	fp_arena_delete(arena);
}

FpAlternatives *
fp_alternatives(const FpCube *cube, const FpKnownPattern *patterns, int n,
				const bool *choosable, const FpAlternativeOptions *options,
				FpArena arena)
{
	FpAlternatives *result = fp_alloc0(arena, sizeof(FpAlternatives));
	Work			work;
	Gather			all = {0};
	uint32		   *starts;
	Count		   *by_context;
	Count		   *peers;

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
	by_context = fp_alloc_array(work.arena, Count, (uint64) work.seen.n + 1);
	peers = fp_alloc_array(work.arena, Count, (uint64) work.seen.n + 1);
	for (uint32 i = 0; i < work.seen.n; i++)
		starts[work.seen.list[i].owner + 2]++;
	for (uint32 c = 0; c < work.ncontexts; c++)
		starts[c + 2] += starts[c + 1];
	for (uint32 i = 0; i < work.seen.n; i++)
		by_context[starts[work.seen.list[i].owner + 1]++] = work.seen.list[i];
	for (uint32 t = 0; t < work.ntasks; t++)
	{
		uint32 c = work.tasks[t].context;

		FP_CHECK_INTERRUPTS();
		judge(&work, t, by_context + starts[c], starts[c + 1] - starts[c],
			  peers, &all);
	}

	/* the best of each pattern, over its items */
	if (all.n > 0)
	{
		int run = 0;

		qsort(all.list, all.n, sizeof(FpAlternative), compare_alternatives);
		result->list = fp_alloc_array(arena, FpAlternative, all.n);
		for (uint32 i = 0; i < all.n; i++)
		{
			run = i > 0 && all.list[i].pattern == all.list[i - 1].pattern
					  ? run + 1
					  : 0;
			if (run < options->keep)
				result->list[result->n++] = all.list[i];
		}
	}
	fp_arena_delete(work.arena);
	return result;
}
