/*-------------------------------------------------------------------------
 *
 * honesty.c
 *		What the miner reports where there is nothing to be found: outcomes
 *		that were shuffled.
 *
 * usage: honesty RUNS [FILE]
 *
 * Three kinds of shuffling, each as fits how the data came about:
 *	- overall: which observations failed is drawn anew;
 *	- within each day: the rate drifts over the days, with incidents, and each
 *	  day has its favourites;
 *	- in blocks of a job: outcomes of a job are alike, and the jobs' outcomes
 *	  are dealt out to the jobs anew.
 * Seeds take turns in failing at 1, 5, 10, 30 and 60 %.  Each data set is
 * mined for what fails more often, and for both directions at once; the last
 * two kinds also without their days or jobs, to show what those are worth.
 *
 * Every run is a line in FILE (default build/honesty.runs), so that one can
 * stop and go on; at the end, tables of all of them in Markdown, which
 * doc/statistics.md shows.  Everything is seeded; the server has no part in
 * it.  bench/honesty compiles and runs it.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#include "cube/cube.h"
#include "mine/mine.h"
#include "mine_data.h"

/* dimensions of the data made here */
enum
{
	WORKFLOW,
	MODEL,
	LORA,
	CHARACTER,
	SCENE,
	SEGMENT,
	DAY,
	JOB,
	NDIMS
};

#define NDAYS 60
#define SEGMENTS 12
#define ALPHA 0.05

static const FpDimKind kinds[NDIMS] = {FP_NOMINAL, FP_NOMINAL, FP_SET,
									   FP_NOMINAL, FP_NOMINAL, FP_ORDINAL,
									   FP_STRATUM, FP_STRATUM};

typedef enum Noise
{
	OVERALL,
	WITHIN_DAY,
	IN_JOBS,
	NOISES
} Noise;

static const char *const noise_names[NOISES] = {
	"overall", "within each day; rates drift, use is lumpy",
	"in blocks of a job"};

static const uint64 sizes[] = {500, 10000, 1000000};
static const double rates[] = {0.01, 0.05, 0.1, 0.3, 0.6};

typedef enum Look
{
	LOOK_WORSE,
	LOOK_BOTH,
	LOOK_BLIND, /* without days, or jobs */
	LOOKS
} Look;

static const char *const look_names[LOOKS] = {
	"worse", "both", "worse, and days or jobs not given"};

static double
logistic(double x)
{
	return 1 / (1 + exp(-x));
}

/*
 * Usage: jobs of SEGMENTS segments, of one day, workflow, model, LoRA set,
 * character and scene type each.  lumpy: each day has favourites.
 */
static FpCube *
make_usage(FpArena arena, Random *r, uint64 nrows, bool lumpy)
{
	uint32	njobs = (uint32) (nrows / SEGMENTS) + 1;
	uint32	cards[NDIMS] = {6, 8, 20, 30, 10, SEGMENTS, NDAYS, njobs};
	FpCube *cube = data_cube(arena, NDIMS, kinds, cards, nrows);
	uint32	favourite[NDAYS][NDIMS];
	uint32	code[NDIMS] = {0};

	cube->dims[JOB].name.data = "job";
	cube->dims[JOB].name.len = 3;
	data_sets(arena, &cube->dims[LORA]);
	for (int day = 0; day < NDAYS; day++)
		for (int d = 0; d < SEGMENT; d++)
			favourite[day][d] = 1 + random_below(r, cards[d]);
	for (uint64 i = 0; i < nrows; i++)
	{
		if (i % SEGMENTS == 0)
		{
			uint32 day = (uint32) (i * NDAYS / nrows);

			code[DAY] = day + 1;
			code[JOB] = (uint32) (i / SEGMENTS) + 1;
			for (int d = 0; d < SEGMENT; d++)
			{
				code[d] = lumpy && random_unit(r) < 0.4
							  ? favourite[day][d]
							  : 1 + random_below(r, cards[d]);
				if (d == LORA)
				{
					uint32 a = code[d];
					uint32 b = 1 + random_below(r, cards[d]);
					double u = random_unit(r);

					/* one in ten jobs without, one in four with two */
					code[d] = u < 0.1 ? 1
							  : u < 0.75 || a == b
								  ? 1 + a
								  : data_pair(&cube->dims[LORA], a, b);
				}
			}
		}
		code[SEGMENT] = (uint32) (i % SEGMENTS) + 1;
		for (int d = 0; d < NDIMS; d++)
			cube->codes[d][i] = code[d];
	}
	return cube;
}

/* Marks exactly `failures` of the cells first .. last - 1 as failed. */
static void
deal(FpCube *cube, Random *r, uint64 first, uint64 last, uint64 failures)
{
	for (uint64 i = first; i < last; i++)
	{
		bool failed = random_unit(r) * (double) (last - i) < (double) failures;

		cube->failures[i] = failed;
		failures -= failed;
	}
}

static void
shuffle_within_days(FpCube *cube, Random *r, double rate)
{
	double logit = log(rate / (1 - rate));
	uint64 first = 0;

	while (first < cube->ncells)
	{
		uint32 day = cube->codes[DAY][first];
		double x = logit + 2.4 * ((double) day / NDAYS - 0.5) +
				   (random_unit(r) < 0.07 ? 1.5 : 0);
		uint64 last = first;
		uint64 failures = 0;

		for (; last < cube->ncells && cube->codes[DAY][last] == day; last++)
			failures += random_unit(r) < logistic(x);
		deal(cube, r, first, last, failures);
		first = last;
	}
}

/* sd 1 of the log odds between jobs; all jobs but the last are whole */
static void
shuffle_jobs(FpCube *cube, Random *r, double rate)
{
	uint64 njobs = cube->ncells / SEGMENTS;
	double job = 0;

	for (uint64 i = 0; i < cube->ncells; i++)
	{
		if (i % SEGMENTS == 0)
			job = random_normal(r);
		cube->failures[i] =
			random_unit(r) < logistic(log(rate / (1 - rate)) + job);
	}
	for (uint64 i = njobs; i > 1; i--)
	{
		int64 *a = &cube->failures[(i - 1) * SEGMENTS];
		int64 *b =
			&cube->failures[random_below(r, (uint32) i) * (uint64) SEGMENTS];

		for (int s = 0; s < SEGMENTS; s++)
		{
			int64 swap = a[s];

			a[s] = b[s];
			b[s] = swap;
		}
	}
}

/* the dimension is not recorded */
static void
without(FpCube *cube, int dim)
{
	memset(cube->codes[dim], 0, sizeof(uint32) * cube->ncells);
}

static void
run(FILE *file, Noise noise, uint64 nrows, int seed)
{
	FpArena		  arena = fp_arena_create(NULL, "run");
	Random		  r = {(uint64) seed * 1000003 + nrows + noise};
	double		  rate = rates[seed % lengthof(rates)];
	FpCube		 *cube = make_usage(arena, &r, nrows, noise == WITHIN_DAY);
	FpMineOptions options;

	if (noise == OVERALL)
		deal(cube, &r, 0, nrows, (uint64) ((double) nrows * rate + 0.5));
	else if (noise == WITHIN_DAY)
		shuffle_within_days(cube, &r, rate);
	else
		shuffle_jobs(cube, &r, rate);
	data_finish(cube);
	if (noise != WITHIN_DAY)
		without(cube, DAY);
	if (noise != IN_JOBS)
		without(cube, JOB);
	fp_mine_defaults(&options);
	options.alpha = ALPHA;
	for (Look look = LOOK_WORSE; look < LOOKS; look++)
	{
		FpMineResult *result;

		/* what a tool without strata says need not be known so well */
		if (look == LOOK_BLIND && (noise == OVERALL || seed % 50 >= 5))
			continue;
		if (look == LOOK_BLIND)
			without(cube, noise == WITHIN_DAY ? DAY : JOB);
		options.direction = look == LOOK_BOTH ? FP_BOTH : FP_WORSE;
		result = fp_mine(cube, &options, arena);
		fprintf(file, "%d %llu %d %d %d\n", noise, (unsigned long long) nrows,
				look, seed, result->npatterns);
	}
	fflush(file);
	fp_arena_delete(arena);
}

/* runs, and runs that reported anything, by rate */
typedef struct Tally
{
	int runs[lengthof(rates)];
	int found[lengthof(rates)];
	int last; /* seed + 1 */
} Tally;

static Tally tallies[NOISES][lengthof(sizes)][LOOKS];

static void
read_runs(const char *name)
{
	FILE			  *file = fopen(name, "r");
	int				   noise, look, seed, npatterns;
	unsigned long long nrows;

	memset(tallies, 0, sizeof(tallies));
	while (file != NULL && fscanf(file, "%d %llu %d %d %d", &noise, &nrows,
								  &look, &seed, &npatterns) == 5)
		for (size_t s = 0; s < lengthof(sizes); s++)
			if (sizes[s] == nrows && noise >= 0 && noise < NOISES &&
				look >= 0 && look < LOOKS && seed >= 0)
			{
				Tally *tally = &tallies[noise][s][look];

				tally->runs[seed % lengthof(rates)]++;
				tally->found[seed % lengthof(rates)] += npatterns > 0;
				tally->last = Max(tally->last, seed + 1);
			}
	if (file != NULL)
		fclose(file);
}

static void
print_table(void)
{
	printf("| shuffled | observations | looking for | runs |");
	for (size_t i = 0; i < lengthof(rates); i++)
		printf(" rate %g %% |", rates[i] * 100);
	printf(" all | allowed |\n|---|---|---|---|");
	for (size_t i = 0; i < lengthof(rates) + 2; i++)
		printf("---|");
	printf("\n");
	for (int look = 0; look < LOOKS; look++)
		for (int noise = 0; noise < NOISES; noise++)
			for (size_t s = 0; s < lengthof(sizes); s++)
			{
				const Tally *tally = &tallies[noise][s][look];
				int			 runs = 0, found = 0;

				for (size_t i = 0; i < lengthof(rates); i++)
				{
					runs += tally->runs[i];
					found += tally->found[i];
				}
				if (runs == 0)
					continue;
				printf("| %s | %llu | %s | %d |", noise_names[noise],
					   (unsigned long long) sizes[s], look_names[look], runs);
				for (size_t i = 0; i < lengthof(rates); i++)
					printf(" %.1f %% |",
						   100.0 * tally->found[i] / Max(1, tally->runs[i]));
				printf(" %.1f %% | %.1f %% |\n", 100.0 * found / runs,
					   100 * (ALPHA + 2 * sqrt(ALPHA * (1 - ALPHA) / runs)));
			}
}

int
main(int argc, char **argv)
{
	int			runs = argc > 1 ? atoi(argv[1]) : 0;
	const char *name = argc > 2 ? argv[2] : "build/honesty.runs";
	FILE	   *file;

	if (runs < 1 || argc > 3)
	{
		fprintf(stderr, "usage: %s RUNS [FILE]\n", argv[0]);
		return 2;
	}
	read_runs(name);
	file = fopen(name, "a");
	if (file == NULL)
	{
		perror(name);
		return 1;
	}
	for (size_t s = 0; s < lengthof(sizes); s++)
		for (int seed = 0; seed < runs; seed++)
			for (int noise = 0; noise < NOISES; noise++)
				if (seed >= tallies[noise][s][LOOK_WORSE].last)
					run(file, noise, sizes[s], seed);
	fclose(file);
	read_runs(name);
	print_table();
	return 0;
}
