/*-------------------------------------------------------------------------
 *
 * cube_fuzz.c
 *		Bytes from anywhere as a stored cube: binary input, a state that was
 *		handed to a combine function, a page that rotted.  Half of the inputs
 *		are a true cube with a few bytes changed.
 *
 * What the decoder accepts is canonical: encoding it again gives the same
 * bytes.  It then has to bear everything that reads a cube.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#include "draw_cube.h"

#include "cube/crosstab.h"
#include "cube/format.h"

static void
fuzz(Input *input, FpArena arena)
{
	bool		   damaged = draw_below(input, 2) == 1;
	int			   flips = damaged ? draw_below(input, 4) : 0;
	size_t		   len = input->len;
	char		  *bytes;
	FpCube		  *cube;
	size_t		   again_len;
	char		  *again;
	int64		   trials = 0;
	int64		   failures = 0;
	FpCubeBuilder *builder;
	FpCube		  *merged;

	if (damaged)
		bytes = fp_cube_encode(arena, draw_cube(input, arena), 0, &len);
	else
		bytes = memcpy(fp_alloc(arena, len + 1), input->bytes, len);
	for (int i = 0; i < flips && len > 0; i++)
		bytes[draw(input, 4) % len] ^= (char) (1 + draw_below(input, 255));
	cube = fp_cube_decode_limited(arena, bytes, len, 16 << 20);
	again = fp_cube_encode(arena, cube, 0, &again_len);
	MUST(again_len == len && memcmp(again, bytes, len) == 0);

	for (uint64 cell = 0; cell < cube->ncells; cell++)
	{
		MUST(cube->trials[cell] > 0);
		MUST(cube->failures[cell] >= 0);
		MUST(cube->failures[cell] <= cube->trials[cell]);
		trials += cube->trials[cell];
		failures += cube->failures[cell];
	}
	MUST(trials == cube->total_trials && failures == cube->total_failures);

	/* a cube and nothing is that cube */
	builder = fp_builder_create(fp_arena_create(arena, "builder"), 16 << 20);
	fp_builder_merge(builder, arena, cube, NULL);
	merged = fp_builder_freeze(builder, arena);
	MUST(merged->total_trials == trials && merged->ncells == cube->ncells);

	if (cube->ndims >= 2)
	{
		FpAxisSpec	 row = {"row", 0, 0, NULL};
		FpAxisSpec	 col = {"col", 3, 0, NULL};
		int			 dims[] = {0, cube->ndims - 1};
		FpPackedCube packed;
		FpScan		*scans[2];
		FpCrosstab	*table;
		FpCrosstab	*from_bytes;
		FpCube		*unpacked;

		fp_cube_open(arena, bytes, len, 16 << 20, &packed);
		scans[0] = fp_scan_cube(arena, cube, NULL, 0, dims, true);
		scans[1] = fp_scan_packed(arena, &packed, NULL, 0, dims, true);
		table = fp_crosstab(arena, &scans[0], 1, &row, &col, cube->checks);
		from_bytes =
			fp_crosstab(arena, &scans[1], 1, &row, &col, cube->checks);
		MUST(table->total_trials == trials);
		fp_cube_open_plain(arena, bytes, len, 16 << 20, &packed);
		fp_packed_total(&packed);
		MUST(packed.head->total_trials == trials);
		MUST(packed.head->total_failures == failures);
		unpacked = fp_cube_unpack(arena, &packed);
		MUST(unpacked->total_failures == failures);
		for (uint64 cell = 0; cell < cube->ncells; cell++)
			for (int d = 0; d < cube->ndims; d++)
				MUST(unpacked->codes[d][cell] == cube->codes[d][cell]);
		MUST(table->col.nmembers <= 3);
		MUST(from_bytes->ncells == table->ncells);
		for (uint32 i = 0; i < table->ncells; i++)
		{
			MUST(from_bytes->trials[i] == table->trials[i]);
			MUST(from_bytes->failures[i] == table->failures[i]);
		}
	}
}
