/*-------------------------------------------------------------------------
 *
 * draw_cube.h
 *		A small cube of any dimensions, drawn from fuzzed bytes.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef FAILPAT_DRAW_CUBE_H
#define FAILPAT_DRAW_CUBE_H

#include "fuzz.h"

#include "cube/build.h"

#define MAX_DIMS 9
#define MAX_CHECKS 3
#define MAX_ROWS 64

static uint32
draw_code(Input *input, FpCubeBuilder *builder, int dim, FpDimKind kind)
{
	static const char *const names[] = {"a",  "b", "c",		   "",
										"10", "9", "\xc3\xbc", "a b"};
	FpText					 members[4];
	uint32					 n;
	double					 number;

	if (draw_below(input, 16) == 0)
		return 0;
	switch (kind)
	{
		case FP_ORDINAL:
			number = draw_below(input, 80) - 8;
			if (number == 71)
				number = draw_double(input);
			/* as a caller who checked it would hand it over */
			return isfinite(number) ? fp_builder_number(builder, dim, number)
									: 0;
		case FP_SET:
			n = (uint32) draw_below(input, lengthof(members) + 1);
			for (uint32 i = 0; i < n; i++)
			{
				members[i].data = names[draw_below(input, lengthof(names))];
				members[i].len = (uint32) strlen(members[i].data);
			}
			return fp_builder_set(builder, dim, members, n);
		default:
			members[0].data = names[draw_below(input, lengthof(names))];
			return fp_builder_value(builder, dim, members[0].data,
									strlen(members[0].data));
	}
}

static FpCube *
draw_cube(Input *input, FpArena arena)
{
	static const char *const dims[MAX_DIMS] = {"d0", "d1", "d2", "d3", "job",
											   "d5", "d6", "d7", "d8"};
	FpCubeBuilder			*builder =
		fp_builder_create(fp_arena_create(arena, "builder"), 0);
	FpDimKind kind[MAX_DIMS];
	int		  ndims = 1 + draw_below(input, 5);
	int		  rows = 1 + draw_below(input, MAX_ROWS);
	uint32	  checks[MAX_CHECKS];
	uint32	  nchecks = 1;

	if (draw_below(input, 8) == 0)
	{
		/* what takes more time */
		ndims += draw_below(input, MAX_DIMS - ndims + 1);
		nchecks = (uint32) draw_below(input, MAX_CHECKS + 1);
	}
	for (int d = 0; d < ndims; d++)
	{
		kind[d] = (FpDimKind) draw_below(input, 4);
		MUST(fp_builder_dim(builder, dims[d], strlen(dims[d]), kind[d]) == d);
	}
	for (uint32 c = 0; c < nchecks; c++)
		checks[c] = fp_builder_check(builder, &"abc"[c], 1);
	for (int r = 0; r < rows; r++)
	{
		uint32 codes[MAX_DIMS];
		int64  trials = 1 + draw_below(input, 256);
		int64  failures = draw_below(input, 256) % (trials + 1);
		int64  of_check[MAX_CHECKS];
		uint32 failed = 0;

		if (draw_below(input, 32) == 0)
			trials *= (int64) 1 << draw_below(input, 48);
		for (int d = 0; d < ndims; d++)
			codes[d] = draw_code(input, builder, d, kind[d]);
		if (failures > 0 && nchecks > 0)
			failed = (uint32) draw_below(input, (int) nchecks + 1);
		for (uint32 c = 0; c < failed; c++)
			of_check[c] = c == 0 ? failures : 1 + failures / 2;
		fp_builder_add_checks(builder, codes, trials, failures, checks,
							  of_check, failed);
	}
	return fp_builder_freeze(builder, arena);
}

#endif /* FAILPAT_DRAW_CUBE_H */
