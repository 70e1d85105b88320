/*-------------------------------------------------------------------------
 *
 * fold_test.c
 *		Unit test: mining without strata in the cells finds what mining with
 *		them does.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#include "unit.h"

#include <math.h>

#include "cube/build.h"
#include "mine/clusters_join.h"
#include "mine/mine.h"
#include "mine_data.h"

#define NDAYS 12

static uint32
text_code(FpCubeBuilder *builder, int dim, const char *prefix, uint32 value)
{
	char text[32];

	snprintf(text, sizeof(text), "%s%u", prefix, value);
	return fp_builder_value(builder, dim, text, strlen(text));
}

/*
 * A day: three nominal dimensions, an ordinal one, jobs where asked for.  One
 * pair fails; one value is used on bad days, and there is nothing else to it.
 */
static FpCube *
day(FpArena arena, int number, bool jobs, Random *r)
{
	FpCubeBuilder *builder = fp_builder_create(arena, 0);
	bool		   bad = number % 4 == 1;
	double		   job_rate = 0;

	for (int i = 0; i < 4000; i++)
	{
		uint32 values[4] = {random_below(r, 4), random_below(r, 12),
							random_below(r, 20), 1 + random_below(r, 6)};
		uint32 codes[5] = {0};
		double rate = bad ? 0.25 : 0.1;
		int	   dims[5];

		if (jobs && i % 20 == 0)
			job_rate = 0.1 * (random_unit(r) - 0.5);
		rate += job_rate;
		if (bad && random_unit(r) < 0.5)
			values[2] = 7;
		if (values[0] == 2 && values[1] == 5 && values[3] >= 3)
			rate += 0.3;
		/* the first is given in another place on some days */
		for (int k = 0; k < 3; k++)
		{
			static const char *const names[] = {"a", "b", "c"};
			int						 d = number % 3 == 2 ? 2 - k : k;

			dims[d] = fp_builder_dim(builder, names[d], 1, FP_NOMINAL);
			codes[dims[d]] = text_code(builder, dims[d], names[d], values[d]);
		}
		dims[3] = fp_builder_dim(builder, "position", 8, FP_ORDINAL);
		codes[dims[3]] = fp_builder_number(builder, dims[3], values[3]);
		if (jobs)
		{
			dims[4] = fp_builder_dim(builder, "job", 3, FP_STRATUM);
			codes[dims[4]] =
				i % 50 ? text_code(builder, dims[4], "job ", 300 - i / 20) : 0;
		}
		fp_builder_add(builder, codes, 1, random_unit(r) < rate);
	}
	return fp_builder_freeze(builder, arena);
}

/* the same cells in no order: nothing can be folded */
static FpCube *
in_disorder(const FpCube *cube, FpArena arena)
{
	FpCube *other = fp_alloc0_array(arena, FpCube, 1);

	*other = *cube;
	other->codes = fp_alloc0_array(arena, uint32 *, cube->ndims);
	for (int d = 0; d < cube->ndims; d++)
		other->codes[d] = fp_alloc_array(arena, uint32, cube->ncells);
	other->trials = fp_alloc_array(arena, int64, cube->ncells);
	other->failures = fp_alloc_array(arena, int64, cube->ncells);
	for (uint64 c = 0; c < cube->ncells; c++)
	{
		uint64 from = c * 104729 % cube->ncells;

		for (int d = 0; d < cube->ndims; d++)
			other->codes[d][c] = cube->codes[d][from];
		other->trials[c] = cube->trials[from];
		other->failures[c] = cube->failures[from];
	}
	return other;
}

/* "" where both found the same, or what differs */
static const char *
difference(const FpMineResult *x, const FpMineResult *y)
{
	if (x->npatterns != y->npatterns)
		return "number of patterns";
	if (x->ncandidates != y->ncandidates)
		return "number of candidates";
	for (int i = 0; i < x->npatterns; i++)
	{
		const FpPattern *p = &x->patterns[i];
		const FpPattern *q = &y->patterns[i];

		if (p->nconditions != q->nconditions ||
			memcmp(p->conditions, q->conditions,
				   p->nconditions * sizeof(FpPatternCondition)) != 0)
			return "conditions";
		if (p->trials != q->trials || p->failures != q->failures ||
			p->nsame != q->nsame)
			return "counts";
		if (!near(p->log_p_value, q->log_p_value, 1e-9) ||
			!near(p->inflation, q->inflation, 1e-9) ||
			!near(p->adjusted_ratio, q->adjusted_ratio, 1e-9))
			return "figures";
		if (p->nconfounders != q->nconfounders)
			return "number of confounders";
		for (int c = 0; c < p->nconfounders; c++)
			if (p->confounders[c].dim != q->confounders[c].dim ||
				p->confounders[c].verdict != q->confounders[c].verdict ||
				!near(p->confounders[c].log_p, q->confounders[c].log_p,
					  1e-9) ||
				!near(p->confounders[c].information,
					  q->confounders[c].information, 1e-9))
				return "confounders";
	}
	return "";
}

/* Who knows the counts by day: all cells, as long as they are asked for. */
typedef struct Knower
{
	FpArena		  arena;
	const FpFold *fold; /* with parts */
	int			  nasked;
	int			  most;	 /* at once */
	bool		  tells; /* in this run */
	int			  nruns;
} Knower;

static bool
cell_meets(const FpCube *cube, const FpPatternName *name, uint64 cell)
{
	for (int i = 0; i < name->nconditions; i++)
	{
		const FpPatternCondition *condition = &name->conditions[i];
		uint32					  code = cube->codes[condition->dim][cell];
		bool					  range = condition->kind == FP_COND_RANGE;

		if (!range && code != condition->code[0])
			return false;
		if (range && (code == 0 || code < condition->code[0] ||
					  (condition->code[1] != 0 && code > condition->code[1])))
			return false;
	}
	return true;
}

static bool
count_by_day(void *arg, const FpPatternName *names, int nnames,
			 FpBucketCounts *counts)
{
	Knower		 *knower = arg;
	const FpCube *cube = &knower->fold->cube;
	const FpCube *parts = knower->fold->parts;
	const uint32 *days = parts->codes[parts->ndims - 1];
	int			  job = fp_cube_find_dim(parts, "job", 3);

	knower->nasked += nnames;
	knower->most = Max(knower->most, nnames);
	if (!knower->tells)
		return false;
	for (int n = 0; n < nnames; n++)
	{
		uint32 njobs = job < 0 ? 0 : parts->dims[job].nvalues;
		int64 *sizes =
			fp_alloc0_array(knower->arena, int64, (uint64) njobs + 1);
		int64 *trials = fp_alloc0_array(knower->arena, int64, NDAYS);
		int64 *failures = fp_alloc0_array(knower->arena, int64, NDAYS);

		for (uint64 c = 0; c < cube->ncells; c++)
			for (uint64 i = knower->fold->first[c];
				 i < knower->fold->first[c + 1] &&
				 cell_meets(cube, &names[n], c);
				 i++)
			{
				trials[days[i] - 1] += parts->trials[i];
				failures[days[i] - 1] += parts->failures[i];
				sizes[job < 0 ? 0 : parts->codes[job][i]] += parts->trials[i];
			}
		counts[n].trials = trials;
		counts[n].failures = failures;
		counts[n].clusters = sizes[0];
		counts[n].squares = (double) sizes[0];
		for (uint32 j = 1; j <= njobs; j++)
		{
			counts[n].clusters += sizes[j] > 0;
			counts[n].squares += (double) sizes[j] * (double) sizes[j];
		}
	}
	return true;
}

/* The first run is told nothing. */
static bool
tell_next(void *arg)
{
	Knower *knower = arg;

	knower->nruns++;
	if (knower->tells || knower->nasked == 0)
		return false;
	return knower->tells = true;
}

/* The clusters of the days, joined as those of buckets are. */
static FpClusters *
join_days(const FpFold *fold, FpArena arena)
{
	const FpCube	*parts = fold->parts;
	const uint32	*days = parts->codes[parts->ndims - 1];
	int				 job = fp_cube_find_dim(parts, "job", 3);
	uint32			 njobs = job < 0 ? 0 : parts->dims[job].nvalues;
	FpBucketClusters lists[NDAYS] = {{0}};
	FpClusters		*joined;
	bool			 shared_right = true;

	for (uint32 t = 0; t < NDAYS; t++)
	{
		int64  *trials = fp_alloc0_array(arena, int64, (uint64) njobs + 1);
		int64  *failures = fp_alloc0_array(arena, int64, (uint64) njobs + 1);
		uint64 *hashes = fp_alloc0_array(arena, uint64, (uint64) njobs + 1);
		uint32	n = 0;

		for (uint64 i = 0; i < parts->ncells && job >= 0; i++)
			if (days[i] == t + 1)
			{
				trials[parts->codes[job][i]] += parts->trials[i];
				failures[parts->codes[job][i]] += parts->failures[i];
			}
		/* hashes that are spread, and ascend as the codes do */
		for (uint32 j = 1; j <= njobs; j++)
			if (trials[j] > 0)
			{
				hashes[n] = (UINT64CONST(0xffffffffffffffff) / njobs) * j;
				trials[n] = trials[j];
				failures[n++] = failures[j];
			}
		lists[t].n = n;
		lists[t].hashes = hashes;
		lists[t].trials = trials;
		lists[t].failures = failures;
	}
	joined = fp_clusters_join(lists, NDAYS, arena);
	for (int t = 0; t < NDAYS; t++)
	{
		uint32 s = 0;

		for (uint32 i = 0; i < lists[t].n; i++)
		{
			int ndays = 0;

			for (int u = 0; u < NDAYS; u++)
				for (uint32 k = 0; k < lists[u].n; k++)
					ndays += lists[u].hashes[k] == lists[t].hashes[i];
			if (ndays > 1)
				shared_right &=
					s < joined->shared[t].n &&
					joined->shared[t].hashes[s++] == lists[t].hashes[i];
		}
		shared_right &= s == joined->shared[t].n;
	}
	ok(shared_right, "jobs of several days are told from the others");
	return joined;
}

/* Numbers dimensions as if there was one more, before number d. */
static FpMineResult *
renumbered(FpMineResult *result, int d)
{
	for (int i = 0; d >= 0 && i < result->npatterns; i++)
	{
		FpPattern *pattern = &result->patterns[i];

		for (int c = 0; c < pattern->nconditions; c++)
			pattern->conditions[c].dim += pattern->conditions[c].dim >= d;
		for (int c = 0; c < pattern->nconfounders; c++)
			pattern->confounders[c].dim += pattern->confounders[c].dim >= d;
	}
	return result;
}

/* Counts by day are asked for: what is found is the same. */
static void
check_asked(FpCube **cubes, const FpFold *fold, const FpMineOptions *options,
			const FpMineResult *expected, bool jobs, FpArena arena)
{
	Knower		  knower = {arena, fold, 0, 0, true, 0};
	FpClusters	 *clusters = join_days(fold, arena);
	FpBuckets	  buckets = {NDAYS,			  {0},			clusters->nkinds,
							 clusters->kinds, count_by_day, tell_next,
							 &knower};
	FpPatternName all = {0};
	int			  job = fp_cube_find_dim(&fold->cube, "job", 3);
	FpFolder	 *folder = fp_folder_create(arena, false);
	FpFold		 *base;
	FpMineResult *found;

	/* some days have been added up before */
	fp_folder_add(folder, fp_cube_stack(arena, cubes, 5, NULL));
	for (int t = 5; t < NDAYS; t++)
		fp_folder_add(folder, cubes[t]);
	base = fp_folder_base(folder, "time", NDAYS, arena);
	ok(base->cube.ncells == fold->cube.ncells &&
		   base->cube.ndims == fold->cube.ndims - jobs &&
		   base->cube.total_failures == fold->cube.total_failures,
	   "the sum of sums is the sum");
	count_by_day(&knower, &all, 1, &buckets.total);
	knower.nasked = 0;
	base->buckets = &buckets;
	found = renumbered(fp_mine_fold(base, options, arena), job);
	ok(difference(expected, found)[0] == '\0', "the same, by asking: %s",
	   difference(expected, found));
	ok(knower.nasked > 0 && knower.most > 1,
	   "asked for %d, %d of them at once", knower.nasked, knower.most);
	knower.tells = false;
	knower.nasked = knower.nruns = 0;
	found = renumbered(fp_mine_fold(base, options, arena), job);
	ok(difference(expected, found)[0] == '\0' && knower.nruns == 2,
	   "the same, by a run that is told nothing and one that is told all: %s",
	   difference(expected, found));
}

static void
check(uint64 seed, bool jobs)
{
	FpArena		  arena = fp_arena_create(NULL, "test");
	Random		  r = {seed};
	FpCube		 *cubes[NDAYS];
	FpFolder	 *folder = fp_folder_create(arena, true);
	FpCube		 *stack;
	FpCube		 *apart;
	FpFold		 *fold;
	FpMineOptions options;
	FpMineResult *found[4];
	int64		  sum = 0;

	for (int t = 0; t < NDAYS; t++)
	{
		cubes[t] = day(arena, t, jobs, &r);
		fp_folder_add(folder, cubes[t]);
	}
	stack = fp_cube_stack(arena, cubes, NDAYS, "time");
	apart = in_disorder(stack, arena);
	fold = fp_folder_finish(folder, "time", arena);

	ok(fold->cube.ndims == stack->ndims &&
		   fold->cube.ncells < stack->ncells / 2 &&
		   fold->parts->ncells == stack->ncells &&
		   fold->cube.total_trials == stack->total_trials &&
		   fold->cube.total_failures == stack->total_failures,
	   "%llu cells are %llu without strata",
	   (unsigned long long) stack->ncells,
	   (unsigned long long) fold->cube.ncells);
	for (uint64 c = 0; c < fold->cube.ncells; c++)
		for (uint64 i = fold->first[c]; i < fold->first[c + 1]; i++)
			sum += fold->parts->trials[i];
	ok(sum == stack->total_trials, "the parts are all");
	ok(fp_fold(apart, apart->failures, arena) == NULL,
	   "cells in no order are left as they are");
	ok(fp_fold(stack, stack->failures, arena) != NULL,
	   "cells that differ in strata side by side are folded");

	fp_mine_defaults(&options);
	found[0] = fp_mine(apart, &options, arena);
	found[1] = fp_mine(stack, &options, arena);
	found[2] = fp_mine_fold(fold, &options, arena);
	ok(found[0]->npatterns == 1 && found[0]->patterns[0].arity == 3,
	   "what is planted is found, bad days are not: %d", found[0]->npatterns);
	ok(jobs == (found[0]->patterns[0].inflation > 1), "jobs are looked at");
	ok(difference(found[0], found[1])[0] == '\0', "the same, folded: %s",
	   difference(found[0], found[1]));
	ok(difference(found[0], found[2])[0] == '\0', "the same, of many: %s",
	   difference(found[0], found[2]));
	check_asked(cubes, fold, &options, found[2], jobs, arena);
	/* without time they are: the data would show an engine that forgets it */
	stack->ndims--;
	found[3] = fp_mine(stack, &options, arena);
	ok(found[3]->npatterns > 1, "without time: %d", found[3]->npatterns);
	fp_arena_delete(arena);
}

int
main(void)
{
	FpArena		  arena = fp_arena_create(NULL, "test");
	FpMineOptions options;
	FpFold		 *none =
		fp_folder_finish(fp_folder_create(arena, true), "time", arena);

	fp_mine_defaults(&options);
	ok(fp_mine_fold(none, &options, arena)->npatterns == 0, "no cubes at all");
	fp_arena_delete(arena);
	for (uint64 seed = 1; seed <= 3; seed++)
	{
		check(seed, false);
		check(seed, true);
	}
	return unit_done();
}
