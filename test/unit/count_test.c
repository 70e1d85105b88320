/* The number of members of a set as a condition: planted, noise, echoes. */
#include "unit.h"

#include "mine/mine.h"
#include "mine_data.h"

#define NSETS 2000
#define LORA 2

/*
 * Observations over 6 models x 8 scene types x sets of up to 5 of 20 x 10
 * positions: half of them with one member, fewer with more.
 */
static FpCube *
usage(FpArena arena, Random *r, uint64 nrows)
{
	FpDimKind kinds[] = {FP_NOMINAL, FP_NOMINAL, FP_SET, FP_ORDINAL};
	uint32	  cards[] = {6, 8, 20, 10};
	FpCube	 *cube = data_cube(arena, 4, kinds, cards, nrows);
	FpDim	 *dim = &cube->dims[LORA];
	uint64	  at = 0;

	dim->nsets = NSETS;
	dim->set_offsets = fp_alloc0_array(arena, uint64, NSETS + 1);
	dim->set_members = fp_alloc0_array(arena, uint32, NSETS * 5);
	for (uint32 s = 1; s <= NSETS; s++)
	{
		double u = random_unit(r);
		uint32 n = u < 0.15	  ? 0
				   : u < 0.65 ? 1
				   : u < 0.85 ? 2
				   : u < 0.93 ? 3
				   : u < 0.97 ? 4
							  : 5;
		bool   has[21] = {false};

		for (uint32 m = 0; m < n;)
		{
			uint32 v = 1 + random_below(r, 20);

			m += !has[v];
			has[v] = true;
		}
		for (uint32 v = 1; v <= 20; v++)
			if (has[v])
				dim->set_members[at++] = v;
		dim->set_offsets[s] = at;
	}
	for (uint64 i = 0; i < nrows; i++)
	{
		for (int d = 0; d < 4; d++)
			cube->codes[d][i] = 1 + random_below(r, cards[d]);
		/* some are not recorded */
		cube->codes[LORA][i] = random_below(r, NSETS + 100);
		if (cube->codes[LORA][i] > NSETS)
			cube->codes[LORA][i] = 0;
	}
	return cube;
}

static int
size_of(const FpCube *cube, uint64 i)
{
	uint32 set = cube->codes[LORA][i];

	return set == 0 ? -1 : (int) fp_set_size(&cube->dims[LORA], set);
}

static double
three_or_more(const FpCube *cube, uint64 i)
{
	return size_of(cube, i) >= 3 ? 0.25 : 0.08;
}

static double
two_with_model(const FpCube *cube, uint64 i)
{
	return size_of(cube, i) >= 2 && cube->codes[0][i] == 4 ? 0.3 : 0.08;
}

static double
none(const FpCube *cube, uint64 i)
{
	return size_of(cube, i) == 0 ? 0.2 : 0.08;
}

static double
exactly_two(const FpCube *cube, uint64 i)
{
	return size_of(cube, i) == 2 ? 0.25 : 0.08;
}

static double
late_and_many(const FpCube *cube, uint64 i)
{
	return size_of(cube, i) >= 3 && cube->codes[3][i] >= 6 ? 0.35 : 0.08;
}

static double
pair(const FpCube *cube, uint64 i)
{
	return data_has(cube, LORA, i, 7) && data_has(cube, LORA, i, 9) ? 0.7
																	: 0.08;
}

static double
member(const FpCube *cube, uint64 i)
{
	return data_has(cube, LORA, i, 7) ? 0.3 : 0.08;
}

static double
member_and_many(const FpCube *cube, uint64 i)
{
	return (data_has(cube, LORA, i, 7) ? 0.15 : 0) +
		   (size_of(cube, i) >= 3 ? 0.2 : 0.08);
}

static void
check_planted(const char *name, double (*rate)(const FpCube *, uint64),
			  FpDirection direction, const char *expected)
{
	for (uint64 seed = 1; seed <= 3; seed++)
	{
		FpArena		  arena = fp_arena_create(NULL, "test");
		Random		  r = {seed};
		FpCube		 *cube = usage(arena, &r, 60000);
		FpMineOptions options;
		FpMineResult *result;

		for (uint64 i = 0; i < cube->ncells; i++)
			cube->failures[i] = random_unit(&r) < rate(cube, i);
		data_finish(cube);
		fp_mine_defaults(&options);
		options.direction = direction;
		result = fp_mine(cube, &options, arena);
		ok(strcmp(told(result), expected) == 0, "%s, seed %d: %s", name,
		   (int) seed, told(result));
		fp_arena_delete(arena);
	}
}

/* Two members together are always the same two: the pair is what is told. */
static void
check_alias(void)
{
	FpArena		  arena = fp_arena_create(NULL, "test");
	Random		  r = {1};
	FpDimKind	  kinds[] = {FP_NOMINAL, FP_SET};
	uint32		  cards[] = {6, 20};
	FpCube		 *cube = data_cube(arena, 2, kinds, cards, 20000);
	FpMineOptions options;
	FpMineResult *result;
	bool		  counted = false;

	data_sets(arena, &cube->dims[1]);
	for (uint64 i = 0; i < cube->ncells; i++)
	{
		bool both = random_unit(&r) < 0.1;

		cube->codes[0][i] = 1 + random_below(&r, 6);
		cube->codes[1][i] =
			both ? data_pair(&cube->dims[1], 7, 9) : 1 + random_below(&r, 21);
		cube->failures[i] = random_unit(&r) < (both ? 0.3 : 0.1);
	}
	data_finish(cube);
	fp_mine_defaults(&options);
	result = fp_mine(cube, &options, arena);
	if (result->npatterns == 1)
		for (int i = 0; i < result->patterns[0].nsame; i++)
			counted |= result->patterns[0].same[i].conditions[0].kind ==
					   FP_COND_COUNT;
	ok(strcmp(told(result), "1=7+9") == 0 && counted,
	   "a pair that is the only one is told as the pair: %s", told(result));
	fp_arena_delete(arena);
}

static void
check_noise(int runs)
{
	int found = 0;

	for (int seed = 1; seed <= runs; seed++)
	{
		FpArena		  arena = fp_arena_create(NULL, "test");
		Random		  r = {(uint64) seed * 977};
		FpCube		 *cube = usage(arena, &r, 4000);
		FpMineOptions options;

		for (uint64 i = 0; i < cube->ncells; i++)
			cube->failures[i] = random_unit(&r) < 0.15;
		data_finish(cube);
		fp_mine_defaults(&options);
		found += fp_mine(cube, &options, arena)->npatterns > 0;
		fp_arena_delete(arena);
	}
	ok(found <= runs / 10, "pure noise: %d of %d runs find anything", found,
	   runs);
}

int
main(void)
{
	check_planted("3 or more", three_or_more, FP_WORSE, "2#4-0");
	check_planted("2 or more with a model", two_with_model, FP_WORSE,
				  "0=4 2#3-0");
	check_planted("none", none, FP_WORSE, "2#0-1");
	check_planted("exactly 2", exactly_two, FP_WORSE, "2#3-3");
	check_planted("many and late", late_and_many, FP_WORSE, "2#4-0 3:6-0");
	check_planted("a pair is no number", pair, FP_WORSE, "2=7+9");
	check_planted("a member is no number", member, FP_WORSE, "2=7");
	check_planted("both effects", member_and_many, FP_WORSE, "2#4-0; 2=7");
	check_alias();
	check_noise(60);
	return unit_done();
}
