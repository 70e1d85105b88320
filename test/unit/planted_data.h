/*-------------------------------------------------------------------------
 *
 * planted_data.h
 *		Observations in which some combinations fail more often, and what the
 *		miner makes of them.
 *
 * Observations are independent; each has a workflow, a model, a set of no,
 * one or two LoRAs, a character, a scene type and a segment.  A planted
 * combination gets exactly as many observations as asked for: all others are
 * drawn so that they do not meet it.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef FAILPAT_PLANTED_DATA_H
#define FAILPAT_PLANTED_DATA_H

#include "mine/mine.h"
#include "mine_data.h"

enum
{
	WORKFLOW,
	MODEL,
	LORA,
	CHARACTER,
	SCENE,
	SEGMENT,
	PLANTED_DIMS
};

#define LORAS 24
#define SEGMENTS 12
#define BASE_RATE 0.086
#define MAX_PLANTS 16

typedef enum PlantKind
{
	PLANT_SINGLE,
	PLANT_PAIR,
	PLANT_MEMBERS,
	PLANT_TRIPLE,
	PLANT_LATE, /* at segment t+ */
	PLANT_RANGE,
	PLANT_KINDS
} PlantKind;

static const char *const plant_names[PLANT_KINDS] = {"one LoRA",
													 "LoRA + character",
													 "two LoRAs together",
													 "workflow + LoRA + "
													 "character",
													 "LoRA + character at "
													 "segment 6+",
													 "segment 6+"};

typedef struct Plant
{
	PlantKind		   kind;
	int				   n;
	FpPatternCondition conditions[3]; /* by dimension */
	uint64			   support;
	double			   rate;
} Plant;

/* one observation as it is drawn: members, not sets */
typedef struct Drawn
{
	uint32 code[PLANTED_DIMS];
	uint32 members[2]; /* 0: none */
} Drawn;

/* The i-th plant of a kind; those of a run have no value in common. */
static inline Plant
make_plant(PlantKind kind, int i, uint64 support, double rate)
{
	Plant				plant = {0};
	FpPatternCondition *c = plant.conditions;

	plant.kind = kind;
	plant.support = support;
	plant.rate = rate;
	if (kind == PLANT_TRIPLE)
		*c++ = (FpPatternCondition){WORKFLOW, FP_COND_VALUE, {1 + i % 6, 0}};
	if (kind == PLANT_MEMBERS)
		*c++ = (FpPatternCondition){LORA, FP_COND_PAIR, {3 + i, 14 + i}};
	else if (kind != PLANT_RANGE)
		*c++ = (FpPatternCondition){LORA, FP_COND_MEMBER, {3 + i, 0}};
	if (kind == PLANT_PAIR || kind == PLANT_TRIPLE || kind == PLANT_LATE)
		*c++ = (FpPatternCondition){CHARACTER, FP_COND_VALUE, {5 + i, 0}};
	if (kind == PLANT_LATE || kind == PLANT_RANGE)
		*c++ = (FpPatternCondition){SEGMENT, FP_COND_RANGE, {6, 0}};
	plant.n = (int) (c - plant.conditions);
	return plant;
}

/*
 * Of a triple, the condition without which the rest is used as well, in
 * proportion: a job has early segments too, a character other workflows.
 */
static inline int
loose_condition(const Plant *plant)
{
	return plant->kind == PLANT_TRIPLE ? 0
		   : plant->kind == PLANT_LATE ? 2
									   : -1;
}

/* does it meet all conditions but one (or none, -1)? */
static inline bool
drawn_meets(const Drawn *drawn, const Plant *plant, int but)
{
	for (int i = 0; i < plant->n; i++)
	{
		const FpPatternCondition *c = &plant->conditions[i];
		const uint32			 *m = drawn->members;

		if (i == but)
			continue;
		switch (c->kind)
		{
			case FP_COND_VALUE:
				if (drawn->code[c->dim] != c->code[0])
					return false;
				break;
			case FP_COND_MEMBER:
				if (m[0] != c->code[0] && m[1] != c->code[0])
					return false;
				break;
			case FP_COND_PAIR:
				if ((m[0] != c->code[0] || m[1] != c->code[1]) &&
					(m[1] != c->code[0] || m[0] != c->code[1]))
					return false;
				break;
			case FP_COND_RANGE:
				if (drawn->code[c->dim] < c->code[0])
					return false;
				break;
			default: /* none of the plants' */
				break;
		}
	}
	return true;
}

static inline void
draw_any(Random *r, const uint32 *cards, Drawn *drawn)
{
	double u = random_unit(r);

	for (int d = 0; d < PLANTED_DIMS; d++)
		drawn->code[d] = 1 + random_below(r, cards[d]);
	/* one in ten without a LoRA, one in four with two */
	drawn->members[0] = u < 0.1 ? 0 : 1 + random_below(r, LORAS);
	drawn->members[1] = u < 0.75 ? 0 : 1 + random_below(r, LORAS);
	if (drawn->members[1] == drawn->members[0])
		drawn->members[1] = 0;
}

/* Makes it meet all conditions, but not that one. */
static inline void
draw_into(Random *r, const Plant *plant, int but, Drawn *drawn)
{
	for (int i = 0; i < plant->n; i++)
	{
		const FpPatternCondition *c = &plant->conditions[i];

		if (i == but && c->kind == FP_COND_RANGE)
			drawn->code[c->dim] = 1 + random_below(r, c->code[0] - 1);
		else if (i == but)
			drawn->code[c->dim] += drawn->code[c->dim] != c->code[0] ? 0
								   : c->code[0] > 1					 ? -1
																	 : 1;
		else if (c->kind == FP_COND_RANGE)
			drawn->code[c->dim] =
				c->code[0] + random_below(r, SEGMENTS + 1 - c->code[0]);
		else if (c->kind == FP_COND_VALUE)
			drawn->code[c->dim] = c->code[0];
		else
		{
			drawn->members[0] = c->code[0];
			if (c->kind == FP_COND_PAIR)
				drawn->members[1] = c->code[1];
			else if (drawn->members[1] == c->code[0])
				drawn->members[1] = 0;
		}
	}
}

static inline void
put_drawn(FpCube *cube, uint64 cell, const Drawn *drawn)
{
	const uint32 *m = drawn->members;

	for (int d = 0; d < PLANTED_DIMS; d++)
		cube->codes[d][cell] = drawn->code[d];
	cube->codes[LORA][cell] = m[0] == 0 ? 1
							  : m[1] == 0
								  ? 1 + m[0]
								  : data_pair(&cube->dims[LORA], m[0], m[1]);
}

static inline FpCube *
planted_cube(FpArena arena, uint64 nrows, uint32 *cards)
{
	static const FpDimKind kinds[PLANTED_DIMS] = {FP_NOMINAL, FP_NOMINAL,
												  FP_SET,	  FP_NOMINAL,
												  FP_NOMINAL, FP_ORDINAL};
	static const uint32	   numbers[PLANTED_DIMS] = {6,	8,	LORAS,
													30, 10, SEGMENTS};
	FpCube				  *cube;

	memcpy(cards, numbers, sizeof(numbers));
	cube = data_cube(arena, PLANTED_DIMS, kinds, cards, nrows);
	data_sets(arena, &cube->dims[LORA]);
	return cube;
}

/* does it meet one of the plants but number self, or nearly? */
static inline bool
meets_another(const Drawn *drawn, const Plant *plants, int n, int self)
{
	for (int p = 0; p < n; p++)
		if (p != self &&
			drawn_meets(drawn, &plants[p], loose_condition(&plants[p])))
			return true;
	return false;
}

static inline FpCube *
plant_cube(FpArena arena, Random *r, uint64 nrows, const Plant *plants,
		   int nplants)
{
	uint32	cards[PLANTED_DIMS];
	FpCube *cube = planted_cube(arena, nrows, cards);
	uint64	at = 0;
	Drawn	drawn;

	for (int p = 0; p < nplants; p++)
	{
		const Plant *plant = &plants[p];
		int			 loose = loose_condition(plant);
		uint64		 rest = loose >= 0 ? plant->support * 5 / 7 : 0;

		for (uint64 i = 0; i < plant->support + rest && at < nrows; i++)
		{
			bool in = i < plant->support;

			do
			{
				draw_any(r, cards, &drawn);
				draw_into(r, plant, in ? -1 : loose, &drawn);
			} while (meets_another(&drawn, plants, nplants, p));
			put_drawn(cube, at, &drawn);
			cube->failures[at++] =
				random_unit(r) < (in ? plant->rate : BASE_RATE);
		}
	}
	for (; at < nrows; at++)
	{
		do
			draw_any(r, cards, &drawn);
		while (meets_another(&drawn, plants, nplants, -1));
		put_drawn(cube, at, &drawn);
		cube->failures[at] = random_unit(r) < BASE_RATE;
	}
	data_finish(cube);
	return cube;
}

/* What was found of the plants. */
typedef struct Score
{
	int plants;
	int reported;
	int exact;
	int threshold; /* the same but for the bounds of a range */
	int off;	   /* .. by so many segments, in all */
	int coarser;   /* some of its conditions only */
	int echoes;	   /* anything else */
} Score;

static inline bool
same_condition(const FpPatternCondition *a, const FpPatternCondition *b)
{
	return a->dim == b->dim && a->kind == b->kind &&
		   a->code[0] == b->code[0] && a->code[1] == b->code[1];
}

/* conditions that both have, and those that differ by their bounds only */
static inline int
common_conditions(const FpPattern *found, const Plant *plant, int *bounds)
{
	int same = 0;

	*bounds = 0;
	for (int i = 0; i < found->nconditions; i++)
		for (int j = 0; j < plant->n; j++)
		{
			const FpPatternCondition *a = &found->conditions[i];
			const FpPatternCondition *b = &plant->conditions[j];

			if (same_condition(a, b))
				same++;
			else if (a->kind == FP_COND_RANGE && b->kind == FP_COND_RANGE)
				(*bounds)++;
			/* one member of two */
			else if (b->kind == FP_COND_PAIR && a->kind == FP_COND_MEMBER &&
					 (a->code[0] == b->code[0] || a->code[0] == b->code[1]))
				same++;
		}
	return same;
}

static inline int
bounds_off(const FpPattern *found)
{
	for (int i = 0; i < found->nconditions; i++)
	{
		const FpPatternCondition *c = &found->conditions[i];

		if (c->kind == FP_COND_RANGE)
			return abs((int) c->code[0] - 6) +
				   (c->code[1] > 0 ? SEGMENTS - (int) c->code[1] : 0);
	}
	return 0;
}

static inline bool
is_exact(const FpPattern *found, const Plant *plant)
{
	bool same = found->nconditions == plant->n;

	for (int i = 0; same && i < plant->n; i++)
		same = same_condition(&found->conditions[i], &plant->conditions[i]);
	return same;
}

static inline void
score_patterns(const FpMineResult *result, const Plant *plants, int nplants,
			   Score *score)
{
	score->plants += nplants;
	for (int i = 0; i < result->npatterns; i++)
	{
		const FpPattern *found = &result->patterns[i];
		bool			 known = false;

		score->reported++;
		for (int p = 0; p < nplants && !known; p++)
		{
			int bounds;
			int same = common_conditions(found, &plants[p], &bounds);

			known = true;
			if (is_exact(found, &plants[p]))
				score->exact++;
			else if (bounds > 0 && found->nconditions == plants[p].n &&
					 same + bounds == plants[p].n)
			{
				score->threshold++;
				score->off += bounds_off(found);
			}
			else if (same > 0 && same == found->nconditions)
				score->coarser++;
			else
				known = false;
		}
		score->echoes += !known;
	}
}

#endif /* FAILPAT_PLANTED_DATA_H */
