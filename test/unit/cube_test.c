/*-------------------------------------------------------------------------
 *
 * cube_test.c
 *		Builder, canonical bytes, decoder, merging and stacking.
 *
 * Random rows (a fixed seed) are counted by the builder, and by a plain list
 * of rows that is searched from its beginning.
 *
 *-------------------------------------------------------------------------
 */
#include "unit.h"

#include "cube/build.h"
#include "cube/format.h"

#define NDIMS 4

static uint64 seed = 42;

static uint32
rnd(uint32 n)
{
	seed = seed * UINT64CONST(6364136223846793005) +
		   UINT64CONST(1442695040888963407);
	return (uint32) ((seed >> 33) % n);
}

/* one row of: model (nominal), lora (set), position (ordinal), job (stratum) */
typedef struct Row
{
	int	  model; /* -1: NULL */
	int	  nlora; /* -1: NULL */
	int	  lora[4];
	int	  position; /* -1: NULL */
	int	  job;		/* -1: NULL */
	int64 trials;
	int64 failures;
	int	  ncheck;
	int	  check[2];
} Row;

static void
random_rows(Row *rows, int n, int card)
{
	for (int i = 0; i < n; i++)
	{
		Row *row = &rows[i];

		row->model = (int) rnd(card) - 1;
		row->nlora = (int) rnd(5) - 1;
		for (int k = 0; k < row->nlora; k++)
			row->lora[k] = (int) rnd(card);
		row->position = (int) rnd(card) - 1;
		row->job = (int) rnd(card) - 1;
		row->trials = 1 + (rnd(10) == 0 ? rnd(1000000) : 0);
		row->failures = rnd(2) ? 0 : 1 + rnd((uint32) row->trials);
		row->ncheck = row->failures ? (int) rnd(3) : 0;
		row->check[0] = (int) rnd(5);
		row->check[1] = (row->check[0] + 1) % 5;
		if (row->failures > row->trials)
			row->failures = row->trials;
	}
}

static uint32
text_code(FpCubeBuilder *builder, int dim, const char *prefix, int value)
{
	char text[32];

	if (value < 0)
		return 0;
	snprintf(text, sizeof(text), "%s%d", prefix, value);
	return fp_builder_value(builder, dim, text, strlen(text));
}

static void
add_row(FpCubeBuilder *builder, const Row *row)
{
	uint32 codes[NDIMS];
	uint32 checks[2];
	int64  counts[2];
	char   text[4][8];
	FpText members[4];
	int	   dims[NDIMS] = {
		   fp_builder_dim(builder, "model", 5, FP_NOMINAL),
		   fp_builder_dim(builder, "lora", 4, FP_SET),
		   fp_builder_dim(builder, "position", 8, FP_ORDINAL),
		   fp_builder_dim(builder, "job", 3, FP_STRATUM),
	   };

	fp_builder_order(builder, dims, NDIMS, false);
	codes[dims[0]] = text_code(builder, dims[0], "m", row->model);
	codes[dims[1]] = 0;
	if (row->nlora >= 0)
	{
		for (int k = 0; k < row->nlora; k++)
		{
			members[k].len = snprintf(text[k], 8, "%d", row->lora[k]);
			members[k].data = text[k];
		}
		codes[dims[1]] = fp_builder_set(builder, dims[1], members, row->nlora);
	}
	codes[dims[2]] = text_code(builder, dims[2], "", row->position);
	codes[dims[3]] = text_code(builder, dims[3], "job ", row->job);
	if (row->ncheck == 0)
	{
		fp_builder_add(builder, codes, row->trials, row->failures);
		return;
	}
	for (int k = 0; k < row->ncheck; k++)
	{
		snprintf(text[0], 8, "c%d", row->check[k]);
		checks[k] = fp_builder_check(builder, text[0], strlen(text[0]));
		counts[k] = row->failures;
	}
	fp_builder_add_checks(builder, codes, row->trials, row->failures, checks,
						  counts, row->ncheck);
}

static char *
encode_rows(FpArena arena, const Row *rows, int n, size_t *len)
{
	FpCubeBuilder *builder =
		fp_builder_create(fp_arena_create(arena, "builder"), 0);

	for (int i = 0; i < n; i++)
		add_row(builder, &rows[i]);
	return fp_cube_encode(arena, fp_builder_freeze(builder, arena), 0, len);
}

/* does a cell have exactly the values of a row? */
static bool
cell_is_row(const FpCube *cube, uint64 cell, const Row *row)
{
	char   text[32];
	uint32 code;
	uint32 members = 0;

	code = 0;
	if (row->model >= 0)
	{
		snprintf(text, sizeof(text), "m%d", row->model);
		code = fp_cube_find_value(&cube->dims[0], text, strlen(text));
	}
	if (cube->codes[0][cell] != code)
		return false;

	code = cube->codes[1][cell];
	if ((code == 0) != (row->nlora < 0))
		return false;
	for (int k = 0; k < row->nlora; k++)
	{
		const FpDim *dim = &cube->dims[1];
		uint32		 value;
		bool		 found = false;
		bool		 again = false;

		for (int before = 0; before < k; before++)
			again |= row->lora[before] == row->lora[k];
		members += !again;
		snprintf(text, sizeof(text), "%d", row->lora[k]);
		value = fp_cube_find_value(dim, text, strlen(text));
		for (uint64 m = dim->set_offsets[code - 1]; m < dim->set_offsets[code];
			 m++)
			found |= dim->set_members[m] == value;
		if (!found)
			return false;
	}
	if (code > 0 && cube->dims[1].set_offsets[code] -
							cube->dims[1].set_offsets[code - 1] !=
						members)
		return false;

	code = cube->codes[2][cell];
	if ((code == 0) != (row->position < 0) ||
		(code > 0 && cube->dims[2].numbers[code - 1] != row->position))
		return false;
	code = 0;
	if (row->job >= 0)
	{
		snprintf(text, sizeof(text), "job %d", row->job);
		code = fp_cube_find_value(&cube->dims[3], text, strlen(text));
	}
	return cube->codes[3][cell] == code;
}

static bool
cube_is_rows(const FpCube *cube, const Row *rows, int n)
{
	int64 trials = 0;

	for (uint64 c = 0; c < cube->ncells; c++)
	{
		int64 sum = 0;
		int64 failures = 0;
		int64 checks[5] = {0};

		for (int i = 0; i < n; i++)
		{
			if (!cell_is_row(cube, c, &rows[i]))
				continue;
			sum += rows[i].trials;
			failures += rows[i].failures;
			for (int k = 0; k < rows[i].ncheck; k++)
				checks[rows[i].check[k]] += rows[i].failures;
		}
		if (cube->trials[c] != sum || cube->failures[c] != failures)
			return false;
		for (uint64 k = cube->nchecks ? cube->check_offsets[c] : 0;
			 cube->nchecks && k < cube->check_offsets[c + 1]; k++)
		{
			int name = cube->checks[cube->check_codes[k]].data[1] - '0';

			if (checks[name] != cube->check_failures[k])
				return false;
			checks[name] = 0;
		}
		for (int k = 0; k < 5; k++)
			if (checks[k] != 0)
				return false;
		trials += sum;
	}
	for (int i = 0; i < n; i++)
		trials -= rows[i].trials;
	return trials == 0;
}

static bool
same(const char *a, size_t alen, const char *b, size_t blen)
{
	return alen == blen && memcmp(a, b, alen) == 0;
}

/* encode(decode(bytes)) */
static bool
round_trip(FpArena arena, const char *bytes, size_t len)
{
	size_t len2;
	char  *again =
		fp_cube_encode(arena, fp_cube_decode(arena, bytes, len), 0, &len2);

	return same(bytes, len, again, len2);
}

/* bytes that are accepted must be canonical; all others must raise */
static __attribute__((noinline)) bool
hostile(FpArena arena, const char *bytes, size_t len, bool *accepted)
{
	/* a copy of just that length, so that ASan sees each overrun */
	char   *copy = malloc(len ? len : 1);
	bool	good = true;
	FpArena child = fp_arena_create(arena, "hostile");
	FpCube *volatile cube = NULL;
	bool raised;

	memcpy(copy, bytes, len);
	raised = RAISES(FP_ERR_CORRUPT, cube = fp_cube_decode(child, copy, len));
	*accepted = cube != NULL;
	if (cube)
	{
		size_t len2;
		char  *again = fp_cube_encode(child, cube, 0, &len2);

		good = same(copy, len, again, len2);
	}
	else
		good = raised;
	fp_arena_delete(child);
	free(copy);
	return good;
}

static void
test_random(FpArena top)
{
	Row rows[400];

	for (int round = 0; round < 30; round++)
	{
		FpArena arena = fp_arena_create(top, "round");
		int		n = (int) rnd(400);
		size_t	len;
		size_t	len2;
		char   *bytes;
		char   *bytes2;
		FpCube *cube;
		FpCube *parts[3];
		FpCube *stack;

		random_rows(rows, n, 2 + rnd(round < 15 ? 4 : 200));
		bytes = encode_rows(arena, rows, n, &len);
		cube = fp_cube_decode(arena, bytes, len);
		ok(cube_is_rows(cube, rows, n), "round %d: %d rows, %zu bytes, counts",
		   round, n, len);
		ok(round_trip(arena, bytes, len), "round %d: round trip", round);

		/* in another order */
		for (int i = n - 1; i > 0; i--)
		{
			int j = (int) rnd(i + 1);
			Row swap = rows[i];

			rows[i] = rows[j];
			rows[j] = swap;
		}
		bytes2 = encode_rows(arena, rows, n, &len2);
		ok(same(bytes, len, bytes2, len2), "round %d: order does not matter",
		   round);

		/* in pieces */
		for (int p = 0; p < 3; p++)
		{
			bytes2 = encode_rows(arena, rows + n * p / 3,
								 n * (p + 1) / 3 - n * p / 3, &len2);
			parts[p] = fp_cube_decode(arena, bytes2, len2);
		}
		if (n >= 3)
		{
			stack = fp_cube_stack(arena, parts, 3, NULL);
			bytes2 = fp_cube_encode(arena, stack, 0, &len2);
			ok(same(bytes, len, bytes2, len2), "round %d: sum of pieces",
			   round);
			stack = fp_cube_stack(arena, parts, 3, "part");
			ok(stack->ndims == NDIMS + 1 &&
				   stack->dims[NDIMS].kind == FP_STRATUM &&
				   stack->dims[NDIMS].nvalues == 3 &&
				   stack->total_trials == cube->total_trials,
			   "round %d: stack has a stratum per piece", round);
			bytes2 = fp_cube_encode(arena, stack, 0, &len2);
			ok(round_trip(arena, bytes2, len2), "round %d: stack round trip",
			   round);
		}
		fp_arena_delete(arena);
	}
}

static void
test_hostile(FpArena top)
{
	Row rows[60];
	int bad = 0;
	int tried = 0;
	int accepted = 0;

	for (int round = 0; round < 4; round++)
	{
		size_t len;
		char  *bytes;
		char  *copy;
		bool   yes;

		random_rows(rows, 60, 2 + round * 5);
		bytes = encode_rows(top, rows, round == 0 ? 0 : 10 * round, &len);
		copy = fp_alloc(top, len + 1);
		for (size_t cut = 0; cut < len; cut++)
		{
			tried++;
			bad += !hostile(top, bytes, cut, &yes) || yes;
		}
		memcpy(copy, bytes, len);
		copy[len] = 0;
		bad += !hostile(top, copy, len + 1, &yes) || yes;
		for (size_t i = 0; i < len; i++)
		{
			for (int value = 0; value < 256; value++)
			{
				memcpy(copy, bytes, len);
				copy[i] = (char) value;
				tried++;
				bad += !hostile(top, copy, len, &yes);
				accepted += yes;
			}
		}
		/* two bytes at once */
		for (int k = 0; k < 5000; k++)
		{
			memcpy(copy, bytes, len);
			copy[rnd((uint32) len)] = (char) rnd(256);
			copy[rnd((uint32) len)] = (char) rnd(256);
			tried++;
			bad += !hostile(top, copy, len, &yes);
			accepted += yes;
		}
	}
	ok(bad == 0, "%d hostile encodings: %d are cubes, %d went wrong", tried,
	   accepted, bad);
	ok(accepted > 100, "some changed encodings are cubes all the same");

	/* a few bytes that claim millions of cells */
	{
		Row	   row = {0, -1, {0}, 0, 0, 1, 0, 0, {0}};
		size_t len;
		char  *bytes = encode_rows(top, &row, 1, &len);
		char  *large = fp_alloc0(top, 4000000);

		memcpy(large, "\xfc\x01\x40\x80\x80\x3d\x00", 7);
		ok(RAISES(FP_ERR_CORRUPT, fp_cube_decode(top, large, 4000000)),
		   "many empty dimensions are refused");
		memset(large + 7, 0, 1000);
		for (int d = 0; d < 64; d++)
		{
			/* nominal, a name of one byte, no values */
			large[7 + d * 4 + 1] = 1;
			large[7 + d * 4 + 2] = (char) (d + 1);
		}
		ok(RAISES(FP_ERR_LIMIT,
				  fp_cube_decode_limited(top, large, 4000000, 1000000)),
		   "a limit of memory holds");
		ok(RAISES(FP_ERR_LIMIT, fp_cube_decode_limited(top, bytes, len, 50)),
		   "a limit of memory holds for a small cube");
	}
}

/* many dimensions (several words per key), dictionaries that grow */
static void
test_wide(FpArena top)
{
	FpCubeBuilder *builder =
		fp_builder_create(fp_arena_create(top, "wide"), 0);
	FpCubeBuilder *backwards =
		fp_builder_create(fp_arena_create(top, "wide"), 0);
	uint32	   codes[FP_MAX_DIMS];
	char	   text[32];
	static int values[3000][FP_MAX_DIMS];
	size_t	   len;
	size_t	   len2;
	char	  *bytes;
	char	  *bytes2;
	FpCube	  *cube;
	bool	   right = true;

	for (int i = 0; i < 3000; i++)
		for (int d = 0; d < FP_MAX_DIMS; d++)
			values[i][d] = (int) rnd(d % 7 == 0 ? 3000 : 2 + d % 5);
	for (int pass = 0; pass < 2; pass++)
	{
		FpCubeBuilder *to = pass ? backwards : builder;

		for (int i = 0; i < 3000; i++)
		{
			int row = pass ? 2999 - i : i;
			/* dimensions come one after the other, in another order */
			int ndims = Min(FP_MAX_DIMS, 1 + i / 10);

			for (int d = 0; d < (pass ? FP_MAX_DIMS : ndims); d++)
			{
				int name = pass ? FP_MAX_DIMS - 1 - d : d;

				snprintf(text, sizeof(text), "d%02d", name);
				(void) fp_builder_dim(to, text, 3, FP_NOMINAL);
			}
			for (int d = 0; d < to->ndims; d++)
			{
				int name = atoi(to->dims[d]->name.data + 1);

				codes[d] = 0;
				if (name < Min(FP_MAX_DIMS, 1 + row / 10))
					codes[d] = text_code(to, d, "", values[row][name]);
			}
			fp_builder_add(to, codes, 1, row % 2);
		}
		to->sorted = true;
	}
	cube = fp_builder_freeze(builder, top);
	bytes = fp_cube_encode(top, cube, 0, &len);
	bytes2 = fp_cube_encode(top, fp_builder_freeze(backwards, top), 0, &len2);
	ok(cube->ndims == FP_MAX_DIMS && cube->total_trials == 3000 &&
		   cube->total_failures == 1500,
	   "64 dimensions, %llu cells", (unsigned long long) cube->ncells);
	ok(same(bytes, len, bytes2, len2), "wide: order does not matter");
	ok(round_trip(top, bytes, len), "wide: round trip");

	/* the last rows have all dimensions, and values of their own */
	for (int row = 2900; row < 3000; row++)
	{
		int found = 0;

		for (uint64 c = 0; c < cube->ncells; c++)
		{
			int d = 0;

			for (; d < FP_MAX_DIMS; d++)
			{
				uint32 code = cube->codes[d][c];

				if (code == 0 || atoi(cube->dims[d].values[code - 1].data) !=
									 values[row][d])
					break;
			}
			found += d == FP_MAX_DIMS;
		}
		right &= found == 1;
	}
	ok(right, "wide: cells have their values");
	ok(RAISES(FP_ERR_LIMIT, fp_builder_dim(builder, "x", 1, FP_NOMINAL)),
	   "a 65th dimension is refused");
}

static void
test_kinds(FpArena top)
{
	FpCubeBuilder *builder =
		fp_builder_create(fp_arena_create(top, "kinds"), 0);
	int		a = fp_builder_dim(builder, "a", 1, FP_NOMINAL);
	uint32	codes[2] = {fp_builder_value(builder, a, "x", 1), 0};
	FpText	members[2] = {{"y", 1}, {"x", 1}};
	FpCube *cube;
	FpText	many[17];
	char	names[17][4];

	fp_builder_add(builder, codes, 2, 1);
	ok(RAISES(FP_ERR_DATA, fp_builder_dim(builder, "a", 1, FP_ORDINAL)),
	   "nominal is not ordinal");
	ok(RAISES(FP_ERR_DATA, fp_builder_dim(builder, "a", 1, FP_STRATUM)),
	   "nominal is not a stratum");
	ok(fp_builder_dim(builder, "a", 1, FP_SET) == a, "nominal becomes a set");
	codes[0] = fp_builder_set(builder, a, members, 2);
	fp_builder_add(builder, codes, 1, 1);
	codes[0] = fp_builder_value(builder, a, "x", 1);
	fp_builder_add(builder, codes, 1, 0);
	codes[0] = fp_builder_set(builder, a, members, 0);
	fp_builder_add(builder, codes, 1, 0);
	codes[0] = 0;
	fp_builder_add(builder, codes, 1, 0);
	cube = fp_builder_freeze(builder, top);
	ok(cube->ncells == 4 && cube->dims[0].nsets == 3 &&
		   cube->dims[0].nvalues == 2 && cube->trials[2] == 3,
	   "a scalar is a set of one");
	ok(RAISES(FP_ERR_DATA, fp_builder_dim(builder, "a", 1, FP_ORDINAL)),
	   "a set is not ordinal");
	for (int i = 0; i < 17; i++)
	{
		many[i].len = snprintf(names[i], 4, "%d", i);
		many[i].data = names[i];
	}
	ok(!RAISES(FP_ERR_DATA, fp_builder_set(builder, a, many, 16)),
	   "16 values at once");
	ok(RAISES(FP_ERR_DATA, fp_builder_set(builder, a, many, 17)),
	   "17 values at once are too many");
	many[16] = many[0];
	ok(!RAISES(FP_ERR_DATA, fp_builder_set(builder, a, many, 17)),
	   "17 with one twice are 16");

	(void) fp_builder_dim(builder, "b", 1, FP_NOMINAL);
	ok(fp_builder_dim(builder, "b", 1, FP_ORDINAL) == 1,
	   "without values, a dimension takes any kind");
	ok(RAISES(FP_ERR_DATA, fp_builder_value(builder, 1, "six", 3)),
	   "an ordinal value must be a number");
	ok(fp_builder_value(builder, 1, "6", 1) ==
		   fp_builder_value(builder, 1, "6.00", 4),
	   "6 is 6.00 in an ordinal dimension");

	/* counts that overflow */
	memset(codes, 0, sizeof(codes));
	fp_builder_add(builder, codes, PG_INT64_MAX - 10, 0);
	ok(RAISES(FP_ERR_RANGE, fp_builder_add(builder, codes, 10, 0)),
	   "trials that overflow are an error");
}

static void
many_values(FpCubeBuilder *builder, int dim)
{
	for (int i = 0; i < 1000000; i++)
	{
		uint32 code = text_code(builder, dim, "value ", i);

		fp_builder_add(builder, &code, 1, 0);
	}
}

static void
test_limit(FpArena top)
{
	FpCubeBuilder *builder =
		fp_builder_create(fp_arena_create(top, "limit"), 1 << 20);
	int dim = fp_builder_dim(builder, "id", 2, FP_NOMINAL);

	ok(RAISES(FP_ERR_LIMIT, many_values(builder, dim)),
	   "a builder minds its limit");
	ok(fp_arena_used(builder->arena) <= 1 << 20, "and does not exceed it");
}

/* the miner may be given cubes with different dimensions */
static void
test_stack(FpArena top)
{
	FpCube		  *cubes[2];
	FpCube		  *stack;
	static char	   names[2][2] = {"b", "a"};
	FpCubeBuilder *builder;

	for (int i = 0; i < 2; i++)
	{
		uint32 code;

		builder = fp_builder_create(fp_arena_create(top, "part"), 0);
		code =
			fp_builder_value(builder,
							 fp_builder_dim(builder, names[i], 1, FP_NOMINAL),
							 "v", 1);
		fp_builder_add(builder, &code, 10, i);
		cubes[i] = fp_builder_freeze(builder, top);
	}
	stack = fp_cube_stack(top, cubes, 2, "0");
	ok(stack->ndims == 3 && strcmp(stack->dims[0].name.data, "a") == 0 &&
		   strcmp(stack->dims[1].name.data, "b") == 0 &&
		   strcmp(stack->dims[2].name.data, "0") == 0,
	   "dimensions by name, the stratum last");
	ok(stack->ncells == 2 && stack->codes[0][0] == 0 &&
		   stack->codes[1][0] == 1 && stack->codes[2][0] == 1 &&
		   stack->failures[1] == 1,
	   "a dimension that a cube lacks is not recorded");
	ok(RAISES(FP_ERR_DATA, fp_cube_stack(top, cubes, 2, "a")),
	   "the stratum needs a name of its own");
	stack = fp_cube_stack(top, cubes, 0, "0");
	ok(stack->ncells == 0 && stack->ndims == 1, "a stack of nothing");
}

static void
test_numbers(void)
{
	static const struct
	{
		const char *text;
		bool		good;
		double		number;
		const char *shortest;
	} cases[] = {
		{"6", true, 6, "6"},
		{" -6.50 ", true, -6.5, "-6.5"},
		{"+.5", true, .5, "0.5"},
		{"5.", true, 5, "5"},
		{"-0", true, 0, "0"},
		{"1e3", true, 1000, "1000"},
		{"0.1", true, .1, "0.1"},
		{"0.30000000000000004", true, .1 + .2, "0.30000000000000004"},
		{"123456789012345678", true, 123456789012345678.0,
		 "1.2345678901234568e+17"},
		{"1.7976931348623157e308", true, 1.7976931348623157e308,
		 "1.7976931348623157e+308"},
		{"1e309", false, 0, ""},
		{"", false, 0, ""},
		{" ", false, 0, ""},
		{".", false, 0, ""},
		{"1e", false, 0, ""},
		{"1e+", false, 0, ""},
		{"1 2", false, 0, ""},
		{"0x10", false, 0, ""},
		{"nan", false, 0, ""},
		{"Infinity", false, 0, ""},
		{"six", false, 0, ""},
	};
	char   buf[FP_NUMBER_LEN];
	double number;

	for (size_t i = 0; i < lengthof(cases); i++)
	{
		bool good =
			fp_number_parse(cases[i].text, strlen(cases[i].text), &number);

		ok(good == cases[i].good &&
			   (!good ||
				(number == cases[i].number &&
				 fp_number_text(number, buf) == strlen(cases[i].shortest) &&
				 strcmp(buf, cases[i].shortest) == 0)),
		   "number \"%s\"", cases[i].text);
	}
}

int
main(void)
{
	FpArena top = fp_arena_create(NULL, "top");

	test_numbers();
	test_kinds(top);
	test_stack(top);
	test_limit(top);
	test_wide(top);
	test_random(top);
	test_hostile(top);
	fp_arena_delete(top);
	return unit_done();
}
