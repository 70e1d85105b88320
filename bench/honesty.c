/*-------------------------------------------------------------------------
 *
 * honesty.c
 *		What the miner reports where the truth is known: pure noise of several
 *		kinds, and planted patterns.
 *
 * usage: honesty noise RUNS | honesty planted RUNS
 *
 * Prints tables in Markdown, which doc/statistics.md shows.  Everything is
 * seeded; the server has no part in it.  bench/honesty compiles and runs it.
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

static const FpDimKind kinds[NDIMS] = {FP_NOMINAL, FP_NOMINAL, FP_SET,
									   FP_NOMINAL, FP_NOMINAL, FP_ORDINAL,
									   FP_STRATUM, FP_STRATUM};

typedef enum Noise
{
	NOISE_SHUFFLED, /* one rate for all */
	NOISE_DRIFT,	/* the rate drifts, with incidents; usage is lumpy */
	NOISE_JOBS		/* each job has a rate of its own */
} Noise;

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

static void
make_noise(FpCube *cube, Random *r, Noise kind, double rate, double sd)
{
	double logit = log(rate / (1 - rate));
	double incident[NDAYS];
	double job = 0;

	for (int day = 0; day < NDAYS; day++)
		incident[day] = random_unit(r) < 0.07 ? 1.5 : 0;
	for (uint64 i = 0; i < cube->ncells; i++)
	{
		double x = logit;

		if (i % SEGMENTS == 0)
			job = random_normal(r);
		if (kind == NOISE_DRIFT)
		{
			uint32 day = cube->codes[DAY][i] - 1;

			x += 1.2 * ((double) day / NDAYS - 0.5) * 2 + incident[day];
		}
		else if (kind == NOISE_JOBS)
			x += sd * job;
		cube->failures[i] = random_unit(r) < logistic(x);
	}
	data_finish(cube);
}

static FpCube *
without(FpCube *cube, int dim)
{
	if (dim == cube->ndims - 1)
		cube->ndims--;
	else
		for (uint64 i = 0; i < cube->ncells; i++)
			cube->codes[dim][i] = 0;
	return cube;
}

static void
noise_row(const char *name, Noise kind, bool use_day, bool use_job,
		  uint64 nrows, double rate, double sd, double lift, int runs)
{
	int found = 0;
	int patterns = 0;

	for (int run = 0; run < runs; run++)
	{
		FpArena		  arena = fp_arena_create(NULL, "run");
		Random		  r = {(uint64) run * 1000003 + nrows + kind};
		FpCube		 *cube = make_usage(arena, &r, nrows, kind == NOISE_DRIFT);
		FpMineOptions options;
		FpMineResult *result;

		make_noise(cube, &r, kind, rate, sd);
		if (!use_job)
			without(cube, JOB);
		if (!use_day)
			without(cube, DAY);
		fp_mine_defaults(&options);
		options.min_risk_ratio = lift;
		result = fp_mine(cube, &options, arena);
		found += result->npatterns > 0;
		patterns += result->npatterns;
		fp_arena_delete(arena);
	}
	printf("| %s | %llu | %g | %g | %d | %.4f | %.4f | %.2f |\n", name,
		   (unsigned long long) nrows, rate, lift, runs, (double) found / runs,
		   0.05 + 2 * sqrt(0.05 * 0.95 / runs), (double) patterns / runs);
	fflush(stdout);
}

static void
noise_table(int runs)
{
	static const double rates[] = {0.01, 0.086, 0.3, 0.6};
	static const uint64 sizes[] = {500, 10000, 100000, 1000000};

	printf("| noise | observations | rate | least ratio | runs | share that "
		   "report anything | allowed | patterns per run |\n"
		   "|---|---|---|---|---|---|---|---|\n");
	for (size_t s = 0; s < lengthof(sizes); s++)
		for (size_t i = 0; i < lengthof(rates); i++)
		{
			int n = sizes[s] > 500000  ? Max(runs / 50, 1)
					: sizes[s] > 50000 ? Max(runs / 10, 1)
									   : runs;

			for (int lift = 0; lift < 2; lift++)
				noise_row("shuffled", NOISE_SHUFFLED, false, false, sizes[s],
						  rates[i], 0, lift ? 1.2 : 1, n);
			noise_row("drift, incidents, lumpy use; by day", NOISE_DRIFT, true,
					  false, sizes[s], rates[i], 0, 1.2, n);
			noise_row("the same, days not given", NOISE_DRIFT, false, false,
					  sizes[s], rates[i], 0, 1.2, Max(n / 10, 1));
			noise_row("jobs, sd 1; job given", NOISE_JOBS, false, true,
					  sizes[s], rates[i], 1, 1.2, n);
			noise_row("jobs, sd 1.5; job given", NOISE_JOBS, false, true,
					  sizes[s], rates[i], 1.5, 1.2, n);
			noise_row("jobs, sd 1; job not given", NOISE_JOBS, false, false,
					  sizes[s], rates[i], 1, 1.2, Max(n / 10, 1));
		}
}

/* -------------------------------------------------------------- planted */

typedef enum Plant
{
	PLANT_SINGLE,
	PLANT_PAIR,
	PLANT_TRIPLE,
	PLANT_RANGE,
	PLANT_MEMBERS,
	PLANT_KINDS
} Plant;

static const char *const plant_names[PLANT_KINDS] = {
	"one LoRA", "LoRA + character", "LoRA + character at segment 6+",
	"segment 6+", "two LoRAs together"};

/*
 * Independent observations; the planted combination is made to have exactly
 * so many of them.
 */
static bool
planted_run(Plant plant, uint64 nrows, uint64 support, double ratio,
			double base, uint64 seed, int *echoes, bool *near, bool *coarser)
{
	FpArena		  arena = fp_arena_create(NULL, "run");
	Random		  r = {seed};
	uint32		  cards[NDIMS] = {6, 8, 20, 30, 10, SEGMENTS, 1, 1};
	FpCube		 *cube = data_cube(arena, NDIMS, kinds, cards, nrows);
	uint64		  members = 0;
	FpMineOptions options;
	FpMineResult *result;
	bool		  exact = false;

	data_sets(arena, &cube->dims[LORA]);
	*echoes = 0;
	*near = false;
	*coarser = false;
	for (uint64 i = 0; i < nrows; i++)
	{
		bool wanted = i < support;
		bool is;

		do
		{
			uint32 a, b;
			double u = random_unit(&r);

			for (int d = 0; d < DAY; d++)
				cube->codes[d][i] = 1 + random_below(&r, cards[d]);
			a = 1 + random_below(&r, cards[LORA]);
			b = 1 + random_below(&r, cards[LORA]);
			if (wanted)
			{
				a = 3;
				if (plant == PLANT_MEMBERS)
				{
					b = 7;
					u = 0.9;
				}
				if (plant == PLANT_PAIR || plant == PLANT_TRIPLE)
					cube->codes[CHARACTER][i] = 5;
				if (plant == PLANT_TRIPLE || plant == PLANT_RANGE)
					cube->codes[SEGMENT][i] = 6 + random_below(&r, 7);
			}
			if (wanted && plant == PLANT_RANGE)
				a = 1 + random_below(&r, cards[LORA]);
			cube->codes[LORA][i] = u < 0.1 ? 1
								   : u < 0.75 || a == b
									   ? 1 + a
									   : data_pair(&cube->dims[LORA], a, b);
			if (wanted && cube->codes[LORA][i] == 1 && plant != PLANT_RANGE)
				cube->codes[LORA][i] = 1 + a;
			switch (plant)
			{
				case PLANT_SINGLE:
					is = data_has(cube, LORA, i, 3);
					break;
				case PLANT_PAIR:
					is = data_has(cube, LORA, i, 3) &&
						 cube->codes[CHARACTER][i] == 5;
					break;
				case PLANT_TRIPLE:
					is = data_has(cube, LORA, i, 3) &&
						 cube->codes[CHARACTER][i] == 5 &&
						 cube->codes[SEGMENT][i] >= 6;
					break;
				case PLANT_RANGE:
					is = cube->codes[SEGMENT][i] >= 6;
					break;
				default:
					is = data_has(cube, LORA, i, 3) &&
						 data_has(cube, LORA, i, 7);
					break;
			}
		} while (is != wanted);
		members += is;
		cube->failures[i] = random_unit(&r) < (is ? base * ratio : base);
	}
	data_finish(cube);
	fp_mine_defaults(&options);
	result = fp_mine(cube, &options, arena);
	for (int p = 0; p < result->npatterns; p++)
	{
		const FpPattern *found = &result->patterns[p];

		if ((uint64) found->trials == support && members == support)
			exact = true;
		else
		{
			/* threshold one off is near, anything else an echo */
			bool shape = plant == PLANT_TRIPLE && found->nconditions == 3 &&
						 found->conditions[0].dim == LORA &&
						 found->conditions[0].code[0] == 3 &&
						 found->conditions[1].dim == CHARACTER &&
						 found->conditions[1].code[0] == 5;

			shape |= plant == PLANT_RANGE && found->nconditions == 1 &&
					 found->conditions[0].dim == SEGMENT;
			/* truth less a condition, where the rest of it is too rare */
			if (shape)
				*near = true;
			else if (found->nconditions < (plant == PLANT_TRIPLE ? 3 : 2) &&
					 plant != PLANT_SINGLE && plant != PLANT_RANGE &&
					 found->failures > (int64) (support * base * ratio) / 2)
				*coarser = true;
			else
				(*echoes)++;
		}
	}
	fp_arena_delete(arena);
	return exact;
}

static void
planted_table(int runs, uint64 nrows)
{
	static const uint64 supports[] = {30, 70, 140, 300, 1000, 3000, 10000};
	static const double ratios[] = {1.5, 2, 3, 5, 10};
	double				base = 0.086;

	printf("| planted in %llu, base rate %g | support | ratio | exact | other "
		   "threshold | less one condition | echoes per run |\n"
		   "|---|---|---|---|---|---|---|\n",
		   (unsigned long long) nrows, base);
	for (int plant = 0; plant < PLANT_KINDS; plant++)
		for (size_t s = 0; s < lengthof(supports); s++)
			for (size_t i = 0; i < lengthof(ratios); i++)
			{
				int exact = 0, near = 0, coarser = 0, echoes = 0;

				if (supports[s] > nrows / 4)
					continue;
				for (int run = 0; run < runs; run++)
				{
					int	 e;
					bool n, c;

					exact += planted_run(plant, nrows, supports[s], ratios[i],
										 base, run + 1, &e, &n, &c);
					near += n;
					coarser += c;
					echoes += e;
				}
				printf("| %s | %llu | %g | %.2f | %.2f | %.2f | %.2f |\n",
					   plant_names[plant], (unsigned long long) supports[s],
					   ratios[i], (double) exact / runs, (double) near / runs,
					   (double) coarser / runs, (double) echoes / runs);
				fflush(stdout);
			}
}

int
main(int argc, char **argv)
{
	int runs = argc > 2 ? atoi(argv[2]) : 0;

	if (argc < 3 || runs < 1)
	{
		fprintf(stderr, "usage: %s noise|planted RUNS [OBSERVATIONS]\n",
				argv[0]);
		return 2;
	}
	if (strcmp(argv[1], "noise") == 0)
		noise_table(runs);
	else
		planted_table(runs, argc > 3 ? (uint64) atoll(argv[3]) : 200000);
	return 0;
}
