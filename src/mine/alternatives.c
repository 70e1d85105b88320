/*-------------------------------------------------------------------------
 *
 * alternatives.c
 *		What to use instead: values with evidence that they fail less.
 *
 * A task is one item of one pattern whose dimension can be chosen.  Tasks
 * with the same dimensions in their context form a group; one pass over the
 * cube serves a group, finding the tasks whose context a cell meets by a trie
 * over the context's codes.  So the work grows with groups (some dozens) times
 * cells, not with patterns times cells.
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

#define NO_TASK 0xffffffffU
#define CHECK_EVERY 8192 /* cells between looks at interrupts */

/* The pattern's item whose stand-in is looked for, and what was counted. */
typedef struct Task
{
	int			pattern;
	int			item;
	int			dim;
	uint32		code;
	int			ncontext;
	FpKnownItem context[FP_KNOWN_MAX_ITEMS]; /* by dim, code */
	uint32		next;						 /* task at the same trie node */

	/* cells that meet the context but do not have the item, each once */
	int64 rest_trials;
	int64 rest_failures;
} Task;

/* What was seen of one value in the context of one task. */
typedef struct Count
{
	uint32 task;
	uint32 value;
	int64  trials;
	int64  failures;
} Count;

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

	uint32 ntasks;
	Task  *tasks;

	FpWordMap count_of; /* task << 32 | value -> number of its count + 1 */
	uint32	  ncounts;
	uint32	  counts_cap;
	Count	 *counts;

	/* per choosable dimension and value (0: none): over the whole cube */
	int64 **used_trials;
	int64 **used_failures;

	FpWordMap holder_of; /* dim << 32 | code -> first holder + 1 */
	Holder	 *holders;

	/* the group under way */
	FpWordMap trie;	 /* node << 32 | code -> child node */
	uint32	 *first; /* of a node, its first task */
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
			cube->dims[p->ranges[i].dim].kind != FP_ORDINAL)
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

/* by what makes a group (dimension, context's dimensions), then by number */
static int
compare_tasks(const void *left, const void *right)
{
	const Task *a = left;
	const Task *b = right;

	if (a->dim != b->dim)
		return a->dim < b->dim ? -1 : 1;
	if (a->ncontext != b->ncontext)
		return a->ncontext < b->ncontext ? -1 : 1;
	for (int i = 0; i < a->ncontext; i++)
		if (a->context[i].dim != b->context[i].dim)
			return a->context[i].dim < b->context[i].dim ? -1 : 1;
	if (a->pattern != b->pattern)
		return a->pattern < b->pattern ? -1 : 1;
	return a->item < b->item ? -1 : a->item > b->item;
}

static bool
same_group(const Task *a, const Task *b)
{
	if (a->dim != b->dim || a->ncontext != b->ncontext)
		return false;
	for (int i = 0; i < a->ncontext; i++)
		if (a->context[i].dim != b->context[i].dim)
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
			task->dim = item->dim;
			task->code = item->code;
			for (int j = 0; j < pattern->nitems; j++)
			{
				int at = task->ncontext;

				if (j == i)
					continue;
				while (at > 0 && compare_items(&task->context[at - 1],
											   &pattern->items[j]) > 0)
				{
					task->context[at] = task->context[at - 1];
					at--;
				}
				task->context[at] = pattern->items[j];
				task->ncontext++;
			}
		}
	}
	qsort(work->tasks, work->ntasks, sizeof(Task), compare_tasks);
}

static void
count(Work *work, uint32 task, uint32 value, uint64 cell)
{
	uint64 key = (uint64) task << 32 | value;
	uint32 at = fp_words_find(&work->count_of, key);
	Count *entry;

	if (at == 0)
	{
		if (work->ncounts == work->counts_cap)
		{
			uint32 cap = Max(1024, work->counts_cap * 2);

			if (cap < work->counts_cap || work->ncounts >= 0x40000000)
				fp_error(FP_ERR_LIMIT, NULL, NULL,
						 "too many alternatives to count");
			work->counts = work->counts
							   ? fp_realloc_array(work->arena, work->counts,
												  Count, work->counts_cap, cap)
							   : fp_alloc_array(work->arena, Count, cap);
			work->counts_cap = cap;
		}
		entry = &work->counts[work->ncounts++];
		entry->task = task;
		entry->value = value;
		entry->trials = entry->failures = 0;
		fp_words_add(work->arena, &work->count_of, key, work->ncounts);
	}
	else
		entry = &work->counts[at - 1];
	/* sums of counts of one cube, whose total does not overflow */
	entry->trials += work->cube->trials[cell];
	entry->failures += work->cube->failures[cell];
}

static bool
in_ranges(const FpCube *cube, const FpKnownPattern *pattern, uint64 cell)
{
	for (int i = 0; i < pattern->nranges; i++)
	{
		const FpKnownRange *range = &pattern->ranges[i];
		uint32				code = cube->codes[range->dim][cell];
		double				at;

		if (code == 0)
			return false;
		at = cube->dims[range->dim].numbers[code - 1];
		if (at < range->min || at > range->max)
			return false;
	}
	return true;
}

/* a cell that has all items of a task's context */
static void
visit(Work *work, uint32 number, uint64 cell)
{
	const FpCube *cube = work->cube;
	Task		 *task = &work->tasks[number];
	const FpDim	 *dim = &cube->dims[task->dim];
	uint32		  code = cube->codes[task->dim][cell];
	bool		  has = false;

	/* not recorded: neither this nor that */
	if (code == 0 || !in_ranges(cube, &work->patterns[task->pattern], cell))
		return;
	if (dim->kind == FP_NOMINAL)
	{
		has = code == task->code;
		count(work, number, code, cell);
	}
	else
	{
		uint64 from = dim->set_offsets[code - 1];
		uint64 to = dim->set_offsets[code];
		bool   others = false;

		for (uint64 m = from; m < to && !has; m++)
			has = dim->set_members[m] == task->code;
		if (has)
			count(work, number, task->code, cell);
		for (uint64 m = from; m < to && !has; m++)
		{
			bool in_context = false;

			for (int i = 0; i < task->ncontext && !in_context; i++)
				in_context = task->context[i].dim == task->dim &&
							 task->context[i].code == dim->set_members[m];
			if (in_context)
				continue;
			others = true;
			count(work, number, dim->set_members[m], cell);
		}
		if (!has && !others)
			count(work, number, 0, cell);
	}
	if (!has)
	{
		task->rest_trials += cube->trials[cell];
		task->rest_failures += cube->failures[cell];
	}
}

/*
 * From a node of the trie, depth items of the context being found: all ways
 * to find the others in a cell.  from: where to go on in the set that the item
 * before came from.
 */
static void
walk(Work *work, const Task *shape, int depth, uint32 node, uint64 from,
	 uint64 cell)
{
	const FpCube *cube = work->cube;
	const FpDim	 *dim;
	uint32		  code;
	int			  d;

	if (depth == shape->ncontext)
	{
		for (uint32 t = work->first[node]; t != NO_TASK;
			 t = work->tasks[t].next)
			visit(work, t, cell);
		return;
	}
	d = shape->context[depth].dim;
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
	if (depth == 0 || shape->context[depth - 1].dim != d)
		from = dim->set_offsets[code - 1];
	for (uint64 m = from; m < dim->set_offsets[code]; m++)
	{
		uint32 child = fp_words_find(&work->trie, (uint64) node << 32 |
													  dim->set_members[m]);

		if (child != 0)
			walk(work, shape, depth + 1, child, m + 1, cell);
	}
}

/* tasks from .. to - 1, a group: the trie, then the cells */
static void
run_group(Work *work, uint32 from, uint32 to)
{
	FpArena		arena = fp_arena_create(work->arena, "failpat contexts");
	const Task *shape = &work->tasks[from];
	uint32		nnodes = 1; /* the root is 0 */

	memset(&work->trie, 0, sizeof(work->trie));
	work->first = fp_alloc_array(arena, uint32,
								 (uint64) (to - from) *
										 (uint64) Max(shape->ncontext, 1) +
									 1);
	work->first[0] = NO_TASK;
	for (uint32 t = from; t < to; t++)
	{
		Task  *task = &work->tasks[t];
		uint32 node = 0;

		for (int i = 0; i < task->ncontext; i++)
		{
			uint64 key = (uint64) node << 32 | task->context[i].code;

			node = fp_words_find(&work->trie, key);
			if (node == 0)
			{
				node = nnodes++;
				work->first[node] = NO_TASK;
				fp_words_add(arena, &work->trie, key, node);
			}
		}
		task->next = work->first[node];
		work->first[node] = t;
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
known_bad(const Work *work, const Task *task, uint32 value)
{
	const FpKnownPattern *own = &work->patterns[task->pattern];
	uint32				  at;

	if (value == 0)
		return false; /* no pattern is of using nothing */
	at = fp_words_find(&work->holder_of, (uint64) task->dim << 32 | value);
	for (; at != 0; at = work->holders[at - 1].next)
	{
		const FpKnownPattern *other =
			&work->patterns[work->holders[at - 1].pattern];
		bool met = true;

		for (int i = 0; i < other->nitems && met; i++)
		{
			met = other->items[i].dim == task->dim &&
				  other->items[i].code == value;
			for (int j = 0; j < task->ncontext && !met; j++)
				met = compare_items(&other->items[i], &task->context[j]) == 0;
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
predict(const Work *work, const Task *task, uint32 value, double z,
		FpAlternative *result)
{
	int64  trials = work->used_trials[task->dim][value];
	int64  failures = work->used_failures[task->dim][value];
	double variance = 0;
	double x;

	if (trials < work->options->min_trials ||
		task->rest_trials < work->options->min_trials)
		return false;
	x = log_odds(task->rest_failures, task->rest_trials, &variance) +
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

/* the alternatives of a task, from what was counted for it */
static void
judge(Work *work, uint32 number, const Count *seen, uint32 nseen, Gather *all)
{
	const Task				   *task = &work->tasks[number];
	const FpAlternativeOptions *options = work->options;
	const FpKnownPattern	   *own = &work->patterns[task->pattern];
	FpArena						arena;
	int64					   *trials;
	int64					   *failures;
	uint32						npeers = 0;
	uint32						start = all->n;
	int64						n = 0;
	int64						f = 0;
	double						z = fp_normal_two_sided(options->confidence);
	double						bad_mean;
	double						bad_variance;
	FpInterval					bad;
	FpRatePrior					prior;
	bool					   *in_context;

	arena = fp_arena_create(work->arena, "failpat peers");
	trials = fp_alloc_array(arena, int64, nseen + 1);
	failures = fp_alloc_array(arena, int64, nseen + 1);
	in_context =
		fp_alloc0_array(arena, bool,
						(uint64) work->cube->dims[task->dim].nvalues + 1);
	for (uint32 i = 0; i < nseen; i++)
		if (seen[i].value == task->code)
		{
			n = seen[i].trials;
			f = seen[i].failures;
		}
		else
		{
			trials[npeers] = seen[i].trials;
			failures[npeers++] = seen[i].failures;
		}
	if (n == 0)
	{
		fp_arena_delete(arena);
		return; /* nothing to be better than */
	}
	bad = fp_wilson_interval(f, n, z);
	bad_mean = ((double) f + 0.5) / ((double) n + 1);
	bad_variance = bad_mean * (1 - bad_mean) / ((double) n + 2);
	prior = fp_shrink_prior(failures, trials, npeers);

	for (uint32 i = 0; i < nseen; i++)
	{
		FpAlternative one = {0};
		FpInterval	  interval;
		double		  mean;
		double		  variance;

		if (seen[i].trials < options->min_trials)
			continue; /* too little: perhaps it can be predicted */
		in_context[seen[i].value] = true;
		if (seen[i].value == task->code)
			continue;
		one.pattern = task->pattern;
		one.item = task->item;
		one.value = seen[i].value;
		one.trials = seen[i].trials;
		one.failures = seen[i].failures;
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
		if (!known_bad(work, task, one.value))
			gather(work, all, &one);
	}
	keep_best(all, start, options->keep);

	/* "none at all" is not predicted: there is no rate of it elsewhere that
	 * would speak of this context */
	in_context[0] = true;
	in_context[task->code] = true;
	for (int i = 0; i < task->ncontext; i++)
		if (task->context[i].dim == task->dim)
			in_context[task->context[i].code] = true;
	if (task->ncontext + own->nranges > 0 &&
		all->n - start < (uint32) options->keep)
	{
		for (uint32 v = 1; v <= work->cube->dims[task->dim].nvalues; v++)
		{
			FpAlternative one = {0};

			if (v % CHECK_EVERY == 0)
				FP_CHECK_INTERRUPTS();
			one.pattern = task->pattern;
			one.item = task->item;
			one.value = v;
			if (!in_context[v] && predict(work, task, v, z, &one) &&
				one.upper < bad.lower &&
				one.rate * options->min_ratio <= (double) f / (double) n &&
				!known_bad(work, task, v))
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
	Count		   *by_task;

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
	for (uint32 from = 0, to; from < work.ntasks; from = to)
	{
		for (to = from + 1; to < work.ntasks &&
							same_group(&work.tasks[from], &work.tasks[to]);
			 to++)
			;
		run_group(&work, from, to);
	}
	count_use(&work, choosable);

	/* the counts of each task together */
	starts = fp_alloc0_array(work.arena, uint32, (uint64) work.ntasks + 2);
	by_task = fp_alloc_array(work.arena, Count, (uint64) work.ncounts + 1);
	for (uint32 i = 0; i < work.ncounts; i++)
		starts[work.counts[i].task + 2]++;
	for (uint32 t = 0; t < work.ntasks; t++)
		starts[t + 2] += starts[t + 1];
	for (uint32 i = 0; i < work.ncounts; i++)
		by_task[starts[work.counts[i].task + 1]++] = work.counts[i];
	for (uint32 t = 0; t < work.ntasks; t++)
	{
		FP_CHECK_INTERRUPTS();
		judge(&work, t, by_task + starts[t], starts[t + 1] - starts[t], &all);
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
