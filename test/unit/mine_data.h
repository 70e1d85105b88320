/*-------------------------------------------------------------------------
 *
 * mine_data.h
 *		Random observations with planted truth, as cubes, for tests and
 *		simulations of the miner.
 *
 * Everything is seeded: the same seed gives the same data on any machine.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef FAILPAT_MINE_DATA_H
#define FAILPAT_MINE_DATA_H

#include "cube/cube.h"
#include "mine/mine.h"

#include <math.h>

/* splitmix64 */
typedef struct Random
{
	uint64 state;
} Random;

static inline uint64
random_bits(Random *r)
{
	uint64 z = (r->state += UINT64CONST(0x9E3779B97F4A7C15));

	z = (z ^ (z >> 30)) * UINT64CONST(0xBF58476D1CE4E5B9);
	z = (z ^ (z >> 27)) * UINT64CONST(0x94D049BB133111EB);
	return z ^ (z >> 31);
}

/* in [0, 1) */
static inline double
random_unit(Random *r)
{
	return (double) (random_bits(r) >> 11) * 0x1p-53;
}

static inline uint32
random_below(Random *r, uint32 n)
{
	return (uint32) (random_unit(r) * n);
}

static inline double
random_normal(Random *r)
{
	double u = random_unit(r);

	return sqrt(-2 * log(u > 0 ? u : 1e-300)) *
		   cos(2 * 3.14159265358979323846 * random_unit(r));
}

static inline FpText
data_text(FpArena arena, const char *format, int number)
{
	char   buffer[64];
	FpText text;
	char  *copy;

	text.len = (uint32) snprintf(buffer, sizeof(buffer), format, number);
	copy = fp_alloc(arena, text.len + 1);
	memcpy(copy, buffer, text.len + 1);
	text.data = copy;
	return text;
}

/*
 * A cube with one cell for each observation, all of one trial.  Codes are to
 * be filled in by the caller; values are called v0001, v0002 ..., those of
 * ordinal dimensions 1, 2, 3 ...
 */
static inline FpCube *
data_cube(FpArena arena, int ndims, const FpDimKind *kinds,
		  const uint32 *cards, uint64 nrows)
{
	FpCube *cube = fp_alloc0_array(arena, FpCube, 1);

	cube->ndims = ndims;
	cube->dims = fp_alloc0_array(arena, FpDim, ndims);
	cube->ncells = nrows;
	cube->codes = fp_alloc0_array(arena, uint32 *, ndims);
	cube->trials = fp_alloc0_array(arena, int64, nrows);
	cube->failures = fp_alloc0_array(arena, int64, nrows);
	for (int d = 0; d < ndims; d++)
	{
		FpDim *dim = &cube->dims[d];

		dim->name = data_text(arena, "d%d", d);
		dim->kind = kinds[d];
		dim->nvalues = cards[d];
		dim->values = fp_alloc0_array(arena, FpText, cards[d]);
		if (dim->kind == FP_ORDINAL)
			dim->numbers = fp_alloc0_array(arena, double, cards[d]);
		for (uint32 v = 0; v < cards[d]; v++)
		{
			dim->values[v] =
				data_text(arena, dim->kind == FP_ORDINAL ? "%d" : "v%04d",
						  v + 1);
			if (dim->numbers)
				dim->numbers[v] = v + 1;
		}
		cube->codes[d] = fp_alloc0_array(arena, uint32, nrows);
	}
	for (uint64 i = 0; i < nrows; i++)
		cube->trials[i] = 1;
	cube->total_trials = (int64) nrows;
	return cube;
}

/*
 * Gives a set dimension all sets of at most two of its members: the empty set
 * is set 1, {a} is set 1 + a, then {a, b} with a < b, in order of data_pair.
 */
static inline uint32
data_pair(const FpDim *dim, uint32 a, uint32 b)
{
	uint32 n = dim->nvalues;

	if (a > b)
		return data_pair(dim, b, a);
	return 1 + n + (a - 1) * n - a * (a - 1) / 2 + (b - a);
}

static inline void
data_sets(FpArena arena, FpDim *dim)
{
	uint32 n = dim->nvalues;
	uint64 at = 0;
	uint32 s = 0;

	dim->nsets = 1 + n + n * (n - 1) / 2;
	dim->set_offsets = fp_alloc0_array(arena, uint64, dim->nsets + 1);
	dim->set_members = fp_alloc0_array(arena, uint32, n * n + 1);
	dim->set_offsets[++s] = 0;
	for (uint32 a = 1; a <= n; a++)
	{
		dim->set_members[at++] = a;
		dim->set_offsets[++s] = at;
	}
	for (uint32 a = 1; a <= n; a++)
		for (uint32 b = a + 1; b <= n; b++)
		{
			dim->set_members[at++] = a;
			dim->set_members[at++] = b;
			dim->set_offsets[++s] = at;
		}
}

/* does the cell hold this member? */
static inline bool
data_has(const FpCube *cube, int d, uint64 cell, uint32 member)
{
	const FpDim *dim = &cube->dims[d];
	uint32		 set = cube->codes[d][cell];

	if (set == 0)
		return false;
	for (uint64 i = dim->set_offsets[set - 1]; i < dim->set_offsets[set]; i++)
		if (dim->set_members[i] == member)
			return true;
	return false;
}

/* patterns as "2=3 3=5 4:6-0", pairs "2=3+7", numbers of members "2#4-0" */
static inline const char *
told(const FpMineResult *result)
{
	static char text[1000];

	text[0] = '\0';
	for (int i = 0; i < result->npatterns && i < 20; i++)
	{
		const FpPattern *p = &result->patterns[i];

		if (i > 0)
			strcat(text, "; ");
		for (int c = 0; c < p->nconditions; c++)
		{
			static const char		  signs[] = {'=', '=', '=', ':', '#'};
			const FpPatternCondition *to = &p->conditions[c];
			char					 *end = text + strlen(text);

			sprintf(end, "%s%d%c%u", c ? " " : "", to->dim, signs[to->kind],
					to->code[0]);
			if (to->kind >= FP_COND_PAIR)
				sprintf(end + strlen(end), "%c%u",
						to->kind == FP_COND_PAIR ? '+' : '-', to->code[1]);
		}
	}
	return text;
}

static inline void
data_finish(FpCube *cube)
{
	cube->total_failures = 0;
	for (uint64 i = 0; i < cube->ncells; i++)
		cube->total_failures += cube->failures[i];
}

#endif /* FAILPAT_MINE_DATA_H */
