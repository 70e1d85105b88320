/*-------------------------------------------------------------------------
 *
 * rows_fuzz.c
 *		Bytes from anywhere as an index of observations (fp_cubes.rows, or
 *		what was handed to fp_rows_find): from nowhere, or a true one with a
 *		few bytes changed, or a true one, in which the times of a value are
 *		those of its rows.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#include "fuzz.h"

#include "cube/rowindex.h"

#define MAX_ROWS 200

typedef struct Bytes
{
	const char *data;
	size_t		len;
	FpArena		arena;
} Bytes;

/* a copy of its own size, so that what is read beyond it is seen */
static const uint8 *
read_bytes(void *value, size_t offset, size_t length)
{
	Bytes *bytes = value;
	uint8 *copy;

	if (offset > bytes->len || length > bytes->len - offset)
		return NULL;
	copy = fp_alloc(bytes->arena, length + 1);
	memcpy(copy, bytes->data + offset, length);
	return copy;
}

static FpText
text(const char *data)
{
	return (FpText){data, (uint32) strlen(data)};
}

static void
fuzz(Input *input, FpArena arena)
{
	int		   source = draw_below(input, 4);
	int		   flips = source == 1 ? 1 + draw_below(input, 4) : 0;
	int64	   at[MAX_ROWS];
	int		   value[MAX_ROWS];
	bool	   failed[MAX_ROWS];
	int		   n = 0;
	char	   name[16];
	FpText	   keys[3];
	int		   nkeys = 0;
	FpRowRange range = {text("b"), draw_double(input), draw_double(input)};
	bool	   ranged = draw_below(input, 2) == 1;
	int		   a = draw_below(input, 6);
	bool	   of_failures = draw_below(input, 2) == 1;
	int64	   until = draw_below(input, 2) ? PG_INT64_MAX : draw_int64(input);
	int64	   wanted = draw_int_near(input, 1, 64);
	Bytes	   bytes = {(const char *) input->bytes, input->len, arena};
	int64	  *times;
	int64	   found;

	snprintf(name, sizeof(name), "v1:a%d", a);
	keys[nkeys++] = text(name);
	if (of_failures)
		keys[nkeys++] = text("f");
	if (source > 0)
	{
		FpRowIndexBuilder *builder = fp_rowindex_create(arena, 0);
		char			  *made;
		int				   dim_a = fp_rowindex_dim(builder, "a", 1, false);
		int				   dim_b = fp_rowindex_dim(builder, "b", 1, true);
		int64			   now = draw_int64(input);

		n = draw_below(input, MAX_ROWS);
		for (int r = 0; r < n; r++)
		{
			int what = draw_below(input, 256);

			/* not in order, and not past the end of time */
			now = (int64) ((uint64) now + (uint64) (what % 7) * 1000 - 1000);
			at[r] = now;
			value[r] = what % 5;
			failed[r] = what % 3 == 0;
			fp_rowindex_row(builder, at[r]);
			snprintf(name + 8, 8, "%d", value[r]);
			fp_rowindex_value(builder, dim_a, name + 8, strlen(name + 8));
			if (what % 11)
				fp_rowindex_number(builder, dim_b, what % 13);
			if (failed[r])
				fp_rowindex_failed(builder);
		}
		made = fp_rowindex_encode(builder, arena, 0, &bytes.len);
		if (made == NULL)
			return;
		for (int i = 0; i < flips && bytes.len > 0; i++)
			made[draw(input, 4) % bytes.len] ^=
				(char) (1 + draw_below(input, 255));
		bytes.data = made;
	}
	found = fp_rowindex_find(arena, read_bytes, &bytes, bytes.len, keys, nkeys,
							 ranged ? &range : NULL, ranged, until, wanted,
							 &times);
	MUST(found >= -1);
	for (int64 i = 1; i < found; i++)
		MUST(times[i - 1] >= times[i]);
	if (source < 2)
		return;

	/* by hand; where there is no range, each time is that of a row with it */
	for (int64 i = 0; i < found; i++)
	{
		bool there = false;

		for (int r = 0; r < n; r++)
			there |= at[r] == times[i] && value[r] == a &&
					 (failed[r] || !of_failures) && at[r] <= until;
		MUST(there);
	}
	if (!ranged && n > 0 && found >= 0)
	{
		int64 expected = 0;
		int64 told = 0;

		/* rows before "until", all there are and those at the times found */
		for (int r = 0; r < n; r++)
			if (at[r] < until && value[r] == a && (failed[r] || !of_failures))
			{
				expected++;
				told += found > 0 && at[r] >= times[found - 1];
			}
		MUST(told >= Min(expected, wanted));
	}
}
