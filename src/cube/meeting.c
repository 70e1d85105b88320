/*-------------------------------------------------------------------------
 *
 * meeting.c
 *		The cells of a cube that meet conditions, of which many are asked for.
 *
 * Combinations have conditions in common: of each, a bit by cell is kept, and
 * combinations are intersections of these.
 *
 * Memory: all in the arena given; bits in a child of it, which is emptied when
 * there are too many of them.  No locks.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#include "cube/meeting.h"

/* Conditions of which bits are kept, and bytes of these. */
#define MOST_KEPT 512
#define MOST_BYTES (32 * 1024 * 1024)

typedef struct Kept
{
	FpCondition condition; /* values are a copy */
	uint64	   *words;
} Kept;

struct FpMeeting
{
	const FpCube *cube;
	FpArena		  kept_arena;
	uint64		  nwords;
	int			  nkept;
	int			  most; /* kept at a time; as many as a combination has */
	Kept		 *kept;
	uint64		 *words; /* of a combination */
	uint32		 *cells;
};

FpMeeting *
fp_meeting_create(FpArena arena, const FpCube *cube)
{
	FpMeeting *meeting = fp_alloc0_array(arena, FpMeeting, 1);

	if (cube->ncells > PG_UINT32_MAX)
		fp_error(FP_ERR_LIMIT, NULL, NULL, "the cube has too many cells");
	meeting->cube = cube;
	meeting->nwords = (cube->ncells + 63) / 64;
	meeting->most =
		(int) Min(MOST_BYTES / ((meeting->nwords + 1) * 8), MOST_KEPT);
	meeting->most = Max(meeting->most, FP_MAX_DIMS + 1);
	meeting->kept_arena = fp_arena_create(arena, "failpat conditions");
	meeting->kept = fp_alloc_array(arena, Kept, meeting->most);
	meeting->words = fp_alloc_array(arena, uint64, meeting->nwords + 1);
	meeting->cells = fp_alloc_array(arena, uint32, cube->ncells + 1);
	return meeting;
}

static bool
same_condition(const FpCondition *a, const FpCondition *b)
{
	if (a->dim != b->dim || a->test != b->test)
		return false;
	switch (a->test)
	{
		case FP_TEST_NEVER:
		case FP_TEST_NULL:
		case FP_TEST_EMPTY:
			return true;
		case FP_TEST_VALUES:
			return a->nvalues == b->nvalues &&
				   memcmp(a->values, b->values, a->nvalues * sizeof(uint32)) ==
					   0;
		case FP_TEST_RANGE:
		case FP_TEST_COUNT:
			return a->min == b->min && a->max == b->max;
	}
	return false;
}

/* a bit by cell: does it meet the condition? */
static const uint64 *
bits_of(FpMeeting *meeting, const FpCondition *condition)
{
	const FpCube *cube = meeting->cube;
	const uint32 *codes = cube->codes[condition->dim];
	FpArena		  arena = meeting->kept_arena;
	Kept		 *kept;
	bool		 *meets;

	for (int i = 0; i < meeting->nkept; i++)
		if (same_condition(&meeting->kept[i].condition, condition))
			return meeting->kept[i].words;
	kept = &meeting->kept[meeting->nkept++];
	kept->condition = *condition;
	if (condition->test == FP_TEST_VALUES)
	{
		uint32 *values =
			fp_alloc_array(arena, uint32, (uint64) condition->nvalues + 1);

		memcpy(values, condition->values, condition->nvalues * sizeof(uint32));
		kept->condition.values = values;
	}
	kept->words = fp_alloc_array(arena, uint64, meeting->nwords + 1);
	meets = fp_condition_codes(arena, &cube->dims[condition->dim], condition);
	for (uint64 w = 0; w < meeting->nwords; w++)
	{
		uint64 first = w * 64;
		int	   n = (int) Min(64, cube->ncells - first);
		uint64 word = 0;

		if ((w & 0x3ff) == 0)
			FP_CHECK_INTERRUPTS();
		for (int i = 0; i < n; i++)
			word |= (uint64) meets[codes[first + i]] << i;
		kept->words[w] = word;
	}
	fp_free(arena, meets);
	return kept->words;
}

const uint32 *
fp_meeting_cells(FpMeeting *meeting, const FpCondition *conditions,
				 int nconditions, uint32 *ncells)
{
	uint64 *words = meeting->words;
	uint32	n = 0;

	if (meeting->nkept + nconditions > meeting->most)
	{
		fp_arena_reset(meeting->kept_arena);
		meeting->nkept = 0;
	}
	memset(words, 0xff, meeting->nwords * sizeof(uint64));
	if (meeting->cube->ncells % 64 != 0)
		words[meeting->nwords - 1] =
			(UINT64CONST(1) << (meeting->cube->ncells % 64)) - 1;
	for (int i = 0; i < nconditions; i++)
	{
		const uint64 *bits = bits_of(meeting, &conditions[i]);

		for (uint64 w = 0; w < meeting->nwords; w++)
			words[w] &= bits[w];
	}
	for (uint64 w = 0; w < meeting->nwords; w++)
		for (uint64 word = words[w]; word != 0; word &= word - 1)
			meeting->cells[n++] =
				(uint32) (w * 64 + (uint64) __builtin_ctzll(word));
	*ncells = n;
	return meeting->cells;
}
