/*-------------------------------------------------------------------------
 *
 * relooks.c
 *		How often pure noise is confirmed when it is looked at every day.
 *
 * usage: relooks miner RUNS | relooks picked RUNS
 *
 * 200 days, a look at all of them so far after each.  What a look finds that
 * is new becomes a candidate, and later days bear evidence for or against it:
 * the rules of sql/install/52_list.sql, on the pure parts alone.  Candidates
 * of the miner are few, so "picked" makes them otherwise: every fifth day the
 * worst-looking of 50 combinations at random.  The promise for confirmed
 * patterns must hold whatever makes the candidates.  Prints a table in
 * Markdown; seeded.
 *
 * bench/relooks compiles and runs it.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#include "cube/cube.h"
#include "mine/mine.h"
#include "mine_data.h"
#include "stats/evalue.h"

enum
{
	WORKFLOW,
	LORA,
	CHARACTER,
	SEGMENT,
	DAY,
	JOB,
	NDIMS
};

#define NDAYS 200
#define SEGMENTS 6
#define PER_DAY 42 /* whole jobs */
#define ALPHA 0.05
#define MAX_CANDIDATES 2000

static const FpDimKind kinds[NDIMS] = {FP_NOMINAL, FP_SET,	   FP_NOMINAL,
									   FP_ORDINAL, FP_STRATUM, FP_STRATUM};

typedef enum Noise
{
	SHUFFLED,
	DRIFT, /* the rate drifts, with incidents; use follows them */
	JOBS   /* each job has a rate of its own, sd 1 */
} Noise;

typedef struct Candidate
{
	int				   nconditions;
	FpPatternCondition now[FP_MAX_ARITY];
	double			   inflation;
	FpWealth		   wealth;
} Candidate;

static FpCube *
make(FpArena arena, Random *r, Noise noise, double rate)
{
	uint32	nrows = NDAYS * PER_DAY;
	uint32	cards[NDIMS] = {5, 8, 12, SEGMENTS, NDAYS, nrows / SEGMENTS};
	FpCube *cube = data_cube(arena, NDIMS, kinds, cards, nrows);
	double	incident = 0;
	double	job = 0;
	uint32	code[NDIMS] = {0};
	uint32	favourite[NDIMS] = {0};

	cube->dims[JOB].name.data = "job";
	cube->dims[JOB].name.len = 3;
	data_sets(arena, &cube->dims[LORA]);
	for (uint32 i = 0; i < nrows; i++)
	{
		uint32 day = i / PER_DAY;
		double x = log(rate / (1 - rate));

		if (i % PER_DAY == 0)
		{
			incident = random_unit(r) < 0.1 ? 1.5 : 0;
			for (int d = 0; d < SEGMENT; d++)
				favourite[d] = 1 + random_below(r, cards[d]);
		}
		if (i % SEGMENTS == 0)
		{
			job = random_normal(r);
			for (int d = 0; d < SEGMENT; d++)
			{
				bool fixed = noise == DRIFT && random_unit(r) < 0.4;

				code[d] = fixed ? favourite[d] : 1 + random_below(r, cards[d]);
				/* the first of each is used when things go wrong */
				if (noise == DRIFT && incident > 0 && random_unit(r) < 0.3)
					code[d] = 1;
			}
			code[LORA]++; /* the set of that one */
			code[DAY] = day + 1;
			code[JOB] = i / SEGMENTS + 1;
		}
		code[SEGMENT] = i % SEGMENTS + 1;
		for (int d = 0; d < NDIMS; d++)
			cube->codes[d][i] = code[d];
		if (noise == DRIFT)
			x += 1.2 * ((double) day / NDAYS - 0.5) * 2 + incident;
		else if (noise == JOBS)
			x += job;
		cube->failures[i] = random_unit(r) < 1 / (1 + exp(-x));
	}
	return cube;
}

static bool
meets(const FpCube *cube, uint64 cell, const FpPatternCondition *c, int n)
{
	for (int i = 0; i < n; i++, c++)
	{
		uint32 code = cube->codes[c->dim][cell];

		switch (c->kind)
		{
			case FP_COND_VALUE:
				if (code != c->code[0])
					return false;
				break;
			case FP_COND_MEMBER:
			case FP_COND_PAIR:
				if (!data_has(cube, c->dim, cell, c->code[0]) ||
					(c->kind == FP_COND_PAIR &&
					 !data_has(cube, c->dim, cell, c->code[1])))
					return false;
				break;
			case FP_COND_COUNT:
			{
				const uint64 *at = cube->dims[c->dim].set_offsets;
				uint64		  n = code > 0 ? 1 + at[code] - at[code - 1] : 0;

				/* their number has a code one more than it */
				if (n == 0 || n < c->code[0] ||
					(c->code[1] != 0 && n > c->code[1]))
					return false;
				break;
			}
			case FP_COND_RANGE:
				if (code == 0 || code < c->code[0] ||
					(c->code[1] != 0 && code > c->code[1]))
					return false;
		}
	}
	return true;
}

/* the same but for the bounds of ranges */
static bool
same(const Candidate *c, const FpPattern *p)
{
	if (c->nconditions != p->nconditions)
		return false;
	for (int i = 0; i < c->nconditions; i++)
	{
		const FpPatternCondition *x = &c->now[i];
		const FpPatternCondition *y = &p->conditions[i];

		if (x->dim != y->dim || x->kind != y->kind ||
			(x->kind != FP_COND_RANGE && x->code[0] != y->code[0]) ||
			(x->kind == FP_COND_PAIR && x->code[1] != y->code[1]))
			return false;
	}
	return true;
}

static void
count_day(const FpCube *cube, int day, Candidate *c)
{
	FpStratum s = {0, 0, 0, PER_DAY};

	for (uint64 i = (uint64) day * PER_DAY; i < (uint64) (day + 1) * PER_DAY;
		 i++)
	{
		bool drawn = meets(cube, i, c->now, c->nconditions);

		s.n += drawn;
		s.F += cube->failures[i];
		s.a += drawn ? cube->failures[i] : 0;
	}
	fp_wealth_add(&c->wealth, &s, c->inflation);
}

/* correlation of outcomes within a job, by the variance of sums over jobs */
static double
icc_of(const FpCube *cube)
{
	double p = (double) cube->total_failures / (double) cube->total_trials;
	double sum = 0;

	for (uint64 i = 0; i < cube->ncells; i += SEGMENTS)
	{
		double f = 0;

		for (int k = 0; k < SEGMENTS; k++)
			f += cube->failures[i + k];
		sum += (f - SEGMENTS * p) * (f - SEGMENTS * p);
	}
	sum /= (double) cube->ncells * p * (1 - p) + 1e-9;
	return fmax(0, (sum - 1) / (SEGMENTS - 1));
}

/* of 50 combinations at random the one that looks worst so far */
static FpMineResult *
worst_of(const FpCube *cube, Random *r, FpArena arena)
{
	FpMineResult *result = fp_alloc0_array(arena, FpMineResult, 1);
	double		  worst = 0;
	double		  icc = icc_of(cube);

	result->patterns = fp_alloc0_array(arena, FpPattern, 1);
	for (int i = 0; i < 50; i++)
	{
		FpPatternCondition c[FP_MAX_ARITY] = {{0}};
		int				   n = 0;
		int64			   trials = 0;
		int64			   failures = 0;
		double p = (double) cube->total_failures / (double) cube->total_trials;
		double z;
		double squares = 0;
		double in_job = 0;
		uint64 job = 0;

		for (int d = 0; d < DAY; d++)
			if (random_unit(r) < 0.4)
			{
				c[n].dim = d;
				c[n].kind = d == LORA	   ? FP_COND_MEMBER
							: d == SEGMENT ? FP_COND_RANGE
										   : FP_COND_VALUE;
				c[n].code[0] = 1 + random_below(r, cube->dims[d].nvalues);
				n++;
			}
		for (uint64 cell = 0; cell < cube->ncells; cell++)
			if (meets(cube, cell, c, n))
			{
				/* trials of jobs, squared: 1 + 3 + 5 + ... */
				if (in_job == 0 || cell / SEGMENTS != job)
					in_job = 0;
				job = cell / SEGMENTS;
				squares += 2 * in_job++ + 1;
				trials++;
				failures += cube->failures[cell];
			}
		z = (failures - p * trials) / sqrt(p * (1 - p) * trials + 1e-9);
		if (n > 0 && trials >= 20 && z > worst)
		{
			worst = z;
			result->npatterns = 1;
			memcpy(result->patterns[0].conditions, c, sizeof(c));
			result->patterns[0].nconditions = n;
			result->patterns[0].inflation =
				1 + fmax(0, squares / trials - 1) * icc;
		}
	}
	return result;
}

static void
row(const char *name, Noise noise, double rate, bool pick, int runs)
{
	static Candidate list[MAX_CANDIDATES];
	int				 any_candidate = 0;
	int				 any_confirmed = 0;
	int64			 candidates = 0;

	for (int run = 0; run < runs; run++)
	{
		FpArena arena = fp_arena_create(NULL, "run");
		Random	r = {(uint64) run * 1000003 + noise * 77 + pick};
		FpCube *cube = make(arena, &r, noise, rate);
		int		n = 0;
		bool	confirmed = false;

		for (int day = 0; day < NDAYS; day++)
		{
			FpArena		  look = fp_arena_create(arena, "look");
			FpMineOptions options;
			FpMineResult *result;

			for (int c = 0; c < n; c++)
			{
				count_day(cube, day, &list[c]);
				confirmed |= fp_wealth_log_e(&list[c].wealth) >=
							 fp_e_log_threshold(ALPHA, c + 1);
			}
			cube->ncells = (uint64) (day + 1) * PER_DAY;
			cube->total_trials = (int64) cube->ncells;
			data_finish(cube);
			if (pick)
				result = day % 5 == 4 ? worst_of(cube, &r, look)
									  : fp_alloc0_array(look, FpMineResult, 1);
			else
			{
				fp_mine_defaults(&options);
				result = fp_mine(cube, &options, look);
			}
			for (int p = 0; p < result->npatterns; p++)
			{
				const FpPattern *found = &result->patterns[p];
				int				 c = 0;

				while (c < n && !same(&list[c], found))
					c++;
				if (c == MAX_CANDIDATES)
					break;
				if (c == n)
				{
					memset(&list[n], 0, sizeof(list[n]));
					list[n].nconditions = found->nconditions;
					list[n].inflation = fmax(1, found->inflation);
					n++;
				}
				memcpy(list[c].now, found->conditions, sizeof(list[c].now));
			}
			fp_arena_delete(look);
		}
		any_candidate += n > 0;
		any_confirmed += confirmed;
		candidates += n;
		fp_arena_delete(arena);
	}
	printf("| %s | %g | %s | %d | %.3f | %.1f | %.4f | %.4f |\n", name, rate,
		   pick ? "worst of 50" : "miner", runs, (double) any_candidate / runs,
		   (double) candidates / runs, (double) any_confirmed / runs,
		   ALPHA + 2 * sqrt(ALPHA * (1 - ALPHA) / runs));
	fflush(stdout);
}

int
main(int argc, char **argv)
{
	int	 runs = argc > 2 ? atoi(argv[2]) : 0;
	bool pick;

	if (argc < 3 || runs < 1)
	{
		fprintf(stderr, "usage: %s miner|picked RUNS\n", argv[0]);
		return 2;
	}
	pick = strcmp(argv[1], "picked") == 0;
	printf("| noise, 200 looks | rate | candidates by | runs | any candidate "
		   "| candidates per run | any confirmed | allowed |\n"
		   "|---|---|---|---|---|---|---|---|\n");
	row("shuffled", SHUFFLED, 0.086, pick, runs);
	row("shuffled", SHUFFLED, 0.3, pick, runs);
	row("drift, incidents, use that follows them", DRIFT, 0.086, pick, runs);
	row("drift, incidents, use that follows them", DRIFT, 0.3, pick, runs);
	row("jobs, sd 1", JOBS, 0.086, pick, runs);
	row("jobs, sd 1", JOBS, 0.3, pick, runs);
	return 0;
}
