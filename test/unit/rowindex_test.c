/*-------------------------------------------------------------------------
 *
 * rowindex_test.c
 *		The index of observations: against a search through all rows, and
 *		with bytes that are not its own.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#include "unit.h"

#include "cube/rowindex.h"

#define ROWS 3000

typedef struct Row
{
	int64 at;
	int	  a;   /* -1: not recorded */
	int	  b;   /* an ordinal value, -1: not recorded */
	int	  set; /* bits of members, -1: not recorded */
	bool  failed;
} Row;

typedef struct Bytes
{
	const char *data;
	size_t		len;
	FpArena		arena;
} Bytes;

static uint64 seed = 42;

static int
draw(int n)
{
	seed = seed * UINT64CONST(6364136223846793005) + 1442695040888963407u;
	return (int) ((seed >> 33) % (uint64) n);
}

/* an exact copy, so that a sanitizer sees every byte too many */
static const uint8 *
read_bytes(void *value, size_t offset, size_t length)
{
	Bytes *bytes = value;
	uint8 *copy;

	if (offset > bytes->len || length > bytes->len - offset)
		return NULL;
	copy = fp_alloc(bytes->arena, length);
	memcpy(copy, bytes->data + offset, length);
	return copy;
}

static FpText
text(const char *data)
{
	FpText result = {data, (uint32) strlen(data)};

	return result;
}

static char *
build(FpArena arena, const Row *rows, int n, int values, size_t *len)
{
	FpRowIndexBuilder *builder = fp_rowindex_create(arena, 0);
	int				   a = fp_rowindex_dim(builder, "a", 1, false);
	int				   b = fp_rowindex_dim(builder, "b", 1, true);
	int				   s = fp_rowindex_dim(builder, "s:1", 3, false);

	for (int r = 0; r < n; r++)
	{
		char buf[32];

		fp_rowindex_row(builder, rows[r].at);
		if (rows[r].failed)
		{
			fp_rowindex_failed(builder);
			fp_rowindex_check(builder, "dark", 4);
		}
		if (rows[r].a >= 0)
			fp_rowindex_value(builder, a, buf,
							  (size_t) snprintf(buf, sizeof(buf), "%d",
												rows[r].a));
		if (rows[r].b >= 0)
			fp_rowindex_number(builder, b, rows[r].b / 4.0 - values / 8.0);
		if (rows[r].set == 0)
			fp_rowindex_empty(builder, s);
		for (int m = 0; m < 4; m++)
			if (rows[r].set > 0 && (rows[r].set >> m & 1))
				fp_rowindex_value(builder, s, &"wxyz"[m], 1);
	}
	return fp_rowindex_encode(builder, arena, 0, len);
}

/* newest "wanted" distinct times that are not after "until", by hand */
static bool
same_as_by_hand(FpArena arena, const Row *rows, int n, Bytes *bytes, int a,
				int set, bool null_set, bool failed, double min, double max,
				bool range, int values, int64 until, int wanted)
{
	FpText	   keys[5];
	FpRowRange ranges[1] = {{text("b"), min, max}};
	int		   nkeys = 0;
	char	   buf[32];
	int64	  *times;
	int64	   found;
	int64	   expected = 0;
	int64	   counted = 0;
	int64	   last = PG_INT64_MAX;

	if (a >= 0)
	{
		snprintf(buf, sizeof(buf), "v1:a%d", a);
		keys[nkeys++] = text(buf);
	}
	for (int m = 0; m < 4; m++)
		if (set > 0 && (set >> m & 1) && nkeys < 3)
		{
			static const char *const members[] = {"v3:s:1w", "v3:s:1x",
												  "v3:s:1y", "v3:s:1z"};
			keys[nkeys++] = text(members[m]);
		}
		else
			set &= ~(1 << m);
	if (null_set)
		keys[nkeys++] = text("n3:s:1");
	if (failed)
		keys[nkeys++] = text("f");
	found = fp_rowindex_find(arena, read_bytes, bytes, bytes->len, keys, nkeys,
							 ranges, range ? 1 : 0, until, wanted, &times);
	/* the newest time below the last one that has a row, again and again */
	for (;;)
	{
		int64 next = PG_INT64_MIN;
		int	  many = 0;

		for (int r = 0; r < n; r++)
		{
			double number = rows[r].b / 4.0 - values / 8.0;

			if (rows[r].at > until || rows[r].at >= last ||
				(a >= 0 && rows[r].a != a) ||
				(set > 0 && (rows[r].set < 0 || (rows[r].set & set) != set)) ||
				(null_set && rows[r].set >= 0) ||
				(failed && !rows[r].failed) ||
				(range && (rows[r].b < 0 || number < min || number > max)))
				continue;
			if (rows[r].at > next)
				many = 0;
			if (rows[r].at >= next)
			{
				next = rows[r].at;
				many++;
			}
		}
		if (many == 0 || counted >= wanted)
			return expected == found;
		if (expected >= found || times[expected] != next)
			return false;
		expected++;
		counted += next < until ? many : 0;
		last = next;
	}
}

static void
test_search(FpArena arena, int values, int moments, bool sorted)
{
	Row	 *rows = fp_alloc_array(arena, Row, ROWS);
	Bytes bytes = {NULL, 0, arena};
	int	  wrong = 0;

	for (int r = 0; r < ROWS; r++)
	{
		rows[r].at =
			INT64CONST(800000000000000) +
			(int64) (sorted ? (int64) r * moments / ROWS : draw(moments)) *
				1000003;
		rows[r].a = draw(10) ? draw(values) : -1;
		rows[r].b = draw(10) ? draw(values) : -1;
		rows[r].set = draw(10) ? draw(16) : -1;
		rows[r].failed = draw(10) == 0;
	}
	bytes.data = build(arena, rows, ROWS, values, &bytes.len);
	for (int i = 0; i < 120; i++)
	{
		double min = draw(values) / 4.0 - values / 8.0;
		int64  until = i % 3 ? PG_INT64_MAX : rows[draw(ROWS)].at;

		wrong +=
			!same_as_by_hand(arena, rows, ROWS, &bytes,
							 i % 2 ? draw(values + 2) : -1,
							 i % 5 < 2 ? draw(16) : 0, i % 5 == 3, i % 4 == 0,
							 i % 7 ? min : -INFINITY, min + draw(values) / 4.0,
							 i % 6 > 3, values, until, 1 + draw(60));
	}
	ok(wrong == 0, "%d values, %d moments%s: as by hand", values, moments,
	   sorted ? " in order" : "");
}

/* is the value refused that is its first n bytes? */
static bool
refuses_cut(FpArena arena, const Bytes *whole, size_t n, const FpText *keys,
			const FpRowRange *range)
{
	FpArena scratch = fp_arena_create(arena, "cut");
	Bytes	cut = {whole->data, n, scratch};
	int64  *times;
	bool	refused =
		RAISES(FP_ERR_CORRUPT,
			   fp_rowindex_find(scratch, read_bytes, &cut, n, keys, 2, range,
								1, PG_INT64_MAX, 10, &times));

	fp_arena_delete(scratch);
	return refused;
}

/* of a value with some bytes changed: are the times that come newest first? */
static bool
keeps_order_changed(FpArena arena, const Bytes *whole, const FpText *keys,
					const FpRowRange *range)
{
	FpArena scratch = fp_arena_create(arena, "changed");
	char   *copy = fp_alloc(scratch, whole->len);
	Bytes	changed = {copy, whole->len, scratch};
	int64  *times = NULL;
	int64	found = 0;
	bool	in_order = true;

	memcpy(copy, whole->data, whole->len);
	for (int k = draw(3); k >= 0; k--)
		copy[draw((int) whole->len)] = (char) draw(256);
	if (RAISES(FP_ERR_CORRUPT,
			   found = fp_rowindex_find(scratch, read_bytes, &changed,
										whole->len, keys, 2, range, 1,
										draw(2) ? 100000 : PG_INT64_MAX, 10,
										&times)))
		found = 0;
	for (int64 i = 1; i < found; i++)
		in_order &= times[i - 1] >= times[i];
	fp_arena_delete(scratch);
	return in_order;
}

int
main(void)
{
	FpArena			   arena = fp_arena_create(NULL, "test");
	Row				   rows[200];
	Bytes			   whole = {NULL, 0, NULL};
	int				   refused = 0;
	int				   out_of_order = 0;
	FpText			   keys[2] = {text("v1:a7"), text("f")};
	FpRowRange		   range = {text("b"), -1, 1};
	int64			  *times;
	FpRowIndexBuilder *builder;
	size_t			   len;

	test_search(arena, 5, 1000000, true);
	test_search(arena, 5, 40, false);
	test_search(arena, 300, 1, true);
	/* more values than are read with the head */
	test_search(arena, 1500, 1000000000, false);

	/* a dimension of numbers that no row has */
	for (int r = 0; r < 200; r++)
		rows[r] = (Row){r * 1000, r % 9, -1, r % 16, r % 3 > 0};
	whole.arena = arena;
	whole.data = build(arena, rows, 200, 12, &whole.len);
	ok(fp_rowindex_find(arena, read_bytes, &whole, whole.len, keys, 1, NULL, 0,
						PG_INT64_MAX, 100, &times) == 22 &&
		   fp_rowindex_find(arena, read_bytes, &whole, whole.len, keys, 1,
							&range, 1, PG_INT64_MAX, 100, &times) == 0,
	   "no row has a number: rows are found without a range, none within one");
	whole.arena = NULL;

	for (int r = 0; r < 200; r++)
		rows[r] = (Row){r * 1000, r % 9, r % 12, r % 16, r % 3 > 0};
	whole.data = build(arena, rows, 200, 12, &whole.len);
	for (size_t n = 0; n < whole.len; n++)
		refused += refuses_cut(arena, &whole, n, keys, &range);
	ok(refused > (int) whole.len / 2, "most cut values are refused, none is "
									  "read beyond its end");
	for (int i = 0; i < 20000; i++)
		out_of_order += !keeps_order_changed(arena, &whole, keys, &range);
	ok(out_of_order == 0, "changed bytes are survived, or refused");

	/* dimensions of another kind, and unknown ones */
	keys[0] = text("v1:b1");
	whole.arena = arena;
	ok(fp_rowindex_find(arena, read_bytes, &whole, whole.len, keys, 1, NULL, 0,
						PG_INT64_MAX, 10, &times) == -1,
	   "a value of an ordinal dimension: it cannot tell");
	range.dim = text("a");
	ok(fp_rowindex_find(arena, read_bytes, &whole, whole.len, NULL, 0, &range,
						1, PG_INT64_MAX, 10, &times) == -1,
	   "a range of a nominal one: it cannot tell");
	range.dim = text("q");
	ok(fp_rowindex_find(arena, read_bytes, &whole, whole.len, NULL, 0, &range,
						1, PG_INT64_MAX, 10, &times) == 0,
	   "a range of an unknown one: none");
	keys[0] = text("n1:q");
	ok(fp_rowindex_find(arena, read_bytes, &whole, whole.len, keys, 1, NULL, 0,
						PG_INT64_MAX, 10, &times) == 10,
	   "of an unknown dimension nothing was recorded");

	builder = fp_rowindex_create(fp_arena_create(arena, "small"), 64 * 1024);
	for (int r = 0; r < 100000; r++)
		fp_rowindex_row(builder, r);
	ok(builder->given_up && !fp_rowindex_encode(builder, arena, 0, &len),
	   "beyond its limit there is no index");
	fp_arena_delete(arena);
	return unit_done();
}
