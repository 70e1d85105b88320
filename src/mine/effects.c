/*-------------------------------------------------------------------------
 *
 * effects.c
 *		Counting what a fix did: observations of a pattern with and without it.
 *
 * Allocates nothing; takes no locks.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#include "mine/effects.h"

#define CHECK_EVERY 8192 /* cells between looks at interrupts */

bool
fp_cell_meets(const FpCube *cube, const FpKnownPattern *pattern, uint64 cell)
{
	for (int i = 0; i < pattern->nitems; i++)
	{
		const FpKnownItem *item = &pattern->items[i];
		const FpDim		  *dim = &cube->dims[item->dim];
		uint32			   code = cube->codes[item->dim][cell];
		bool			   has = false;

		if (dim->kind == FP_SET && code != 0)
			for (uint64 m = dim->set_offsets[code - 1];
				 m < dim->set_offsets[code] && !has; m++)
				has = dim->set_members[m] == item->code;
		else
			has = code == item->code;
		if (!has)
			return false;
	}
	for (int i = 0; i < pattern->nranges; i++)
		if (!fp_known_range_met(cube, &pattern->ranges[i], cell))
			return false;
	return true;
}

static bool
uses_fix(const FpCube *cube, const FpFix *fix, uint64 cell)
{
	if (!fix->visible || !fix->with_known ||
		!fp_cell_meets(cube, &fix->context, cell) ||
		!fp_cell_meets(cube, &fix->with, cell))
		return false;
	for (int i = 0; i < fix->nempty; i++)
	{
		const FpDim *dim = &cube->dims[fix->empty[i]];
		uint32		 code = cube->codes[fix->empty[i]][cell];

		if (code == 0 || dim->set_offsets[code] != dim->set_offsets[code - 1])
			return false;
	}
	return true;
}

void
fp_fix_counts(const FpCube *cube, const FpFix *fixes, int n,
			  FpFixCounts *counts, FpFixCounts *rest)
{
	memset(rest, 0, sizeof(*rest));
	memset(counts, 0, (size_t) n * sizeof(FpFixCounts));
	for (uint64 cell = 0; cell < cube->ncells; cell++)
	{
		int64 trials = cube->trials[cell];
		int64 failures = cube->failures[cell];
		bool  touched = false;

		if (cell % CHECK_EVERY == 0)
			FP_CHECK_INTERRUPTS();
		for (int i = 0; i < n; i++)
		{
			const FpFix *fix = &fixes[i];
			bool		 bad =
				fix->pattern_known && fp_cell_meets(cube, &fix->pattern, cell);
			bool with = uses_fix(cube, fix, cell);

			touched = touched || bad || with;
			if (bad && with && fix->instead)
				continue;
			if (with)
			{
				counts[i].with_trials += trials;
				counts[i].with_failures += failures;
			}
			else if (bad)
			{
				counts[i].without_trials += trials;
				counts[i].without_failures += failures;
			}
		}
		if (!touched)
		{
			rest->without_trials += trials;
			rest->without_failures += failures;
		}
	}
}
