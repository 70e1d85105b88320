/*
 * Cross-tabulation, against counting by hand: every pair of dimensions of
 * random cubes, with and without a check, bins and limits.
 */
#include "cube/crosstab.h"
#include "unit.h"

static uint64 state = 42;

static uint32
draw(uint32 n)
{
	state = state * UINT64CONST(6364136223846793005) + 1442695040888963407;
	return (uint32) ((state >> 33) % n);
}

static FpText
text(FpArena arena, const char *s)
{
	FpText t;
	char  *copy = fp_alloc(arena, strlen(s) + 1);

	strcpy(copy, s);
	t.data = copy;
	t.len = strlen(s);
	return t;
}

/* values by their bytes for a nominal dimension, numbers for an ordinal one */
static void
make_dim(FpArena arena, FpDim *dim, const char *name, FpDimKind kind,
		 int nvalues, const char *const *values)
{
	memset(dim, 0, sizeof(*dim));
	dim->name = text(arena, name);
	dim->kind = kind;
	dim->nvalues = nvalues;
	dim->values = fp_alloc_array(arena, FpText, nvalues + 1);
	dim->numbers =
		kind == FP_ORDINAL ? fp_alloc_array(arena, double, nvalues) : NULL;
	for (int v = 0; v < nvalues; v++)
	{
		dim->values[v] = text(arena, values[v]);
		if (kind == FP_ORDINAL)
			dim->numbers[v] = atof(values[v]);
	}
}

static const char *const ids[] = {"1", "10", "11", "2", "3"};
static const char *const names[] = {"dusk", "noon"};
static const char *const positions[] = {"1", "2", "3", "4", "6", "9", "12"};
static const char *const seconds[] = {"-1", "0.5", "2.5", "4"};
static const char *const loras[] = {"3", "5", "7", "x"};
static const char *const checks[] = {"face", "motion"};

enum
{
	SCENE,
	LIGHT,
	POSITION,
	SECONDS,
	LORA,
	NDIMS
};

static FpCube *
make_cube(FpArena arena, uint64 ncells)
{
	FpCube *cube = fp_alloc0(arena, sizeof(FpCube));
	FpDim  *lora;

	cube->ndims = NDIMS;
	cube->dims = fp_alloc0_array(arena, FpDim, NDIMS);
	make_dim(arena, &cube->dims[SCENE], "scene", FP_NOMINAL, 5, ids);
	make_dim(arena, &cube->dims[LIGHT], "light", FP_STRATUM, 2, names);
	make_dim(arena, &cube->dims[POSITION], "position", FP_ORDINAL, 7,
			 positions);
	make_dim(arena, &cube->dims[SECONDS], "seconds", FP_ORDINAL, 4, seconds);
	lora = &cube->dims[LORA];
	make_dim(arena, lora, "lora", FP_SET, 4, loras);
	/* all subsets of the four, in whatever order */
	lora->nsets = 16;
	lora->set_offsets = fp_alloc0_array(arena, uint64, 17);
	lora->set_members = fp_alloc0_array(arena, uint32, 32);
	for (uint32 s = 0; s < 16; s++)
	{
		lora->set_offsets[s + 1] = lora->set_offsets[s];
		for (uint32 v = 0; v < 4; v++)
			if (s & (1 << v))
				lora->set_members[lora->set_offsets[s + 1]++] = v + 1;
	}

	cube->ncells = ncells;
	cube->codes = fp_alloc_array(arena, uint32 *, NDIMS);
	cube->trials = fp_alloc_array(arena, int64, ncells + 1);
	cube->failures = fp_alloc_array(arena, int64, ncells + 1);
	cube->nchecks = 2;
	cube->checks = fp_alloc_array(arena, FpText, 2);
	cube->checks[0] = text(arena, checks[0]);
	cube->checks[1] = text(arena, checks[1]);
	cube->check_offsets = fp_alloc0_array(arena, uint64, ncells + 1);
	cube->check_codes = fp_alloc_array(arena, uint32, 2 * ncells + 1);
	cube->check_failures = fp_alloc_array(arena, int64, 2 * ncells + 1);
	for (int d = 0; d < NDIMS; d++)
	{
		uint32 ncodes =
			d == LORA ? cube->dims[d].nsets : cube->dims[d].nvalues;

		cube->codes[d] = fp_alloc_array(arena, uint32, ncells + 1);
		for (uint64 c = 0; c < ncells; c++)
			cube->codes[d][c] = draw(ncodes + 1);
	}
	for (uint64 c = 0; c < ncells; c++)
	{
		uint64 e = cube->check_offsets[c];

		cube->trials[c] = 1 + draw(20);
		cube->failures[c] = draw(cube->trials[c] + 1);
		cube->total_trials += cube->trials[c];
		cube->total_failures += cube->failures[c];
		for (uint32 check = 0; check < 2; check++)
			if (cube->failures[c] > 0 && draw(2))
			{
				cube->check_codes[e] = check;
				cube->check_failures[e++] = 1 + draw(cube->failures[c]);
			}
		cube->check_offsets[c + 1] = e;
	}
	return cube;
}

static bool
has(const FpCube *cube, uint64 cell, int d, const FpAxisMember *member)
{
	const FpDim *dim = &cube->dims[d];
	uint32		 code = cube->codes[d][cell];

	if (code == 0)
		return false;
	if (dim->kind == FP_ORDINAL)
		return dim->numbers[code - 1] >= member->min &&
			   dim->numbers[code - 1] <= member->max;
	if (dim->kind != FP_SET)
		return code == member->code;
	for (uint64 m = dim->set_offsets[code - 1]; m < dim->set_offsets[code];
		 m++)
		if (dim->set_members[m] == member->code)
			return true;
	return false;
}

static int64
failed(const FpCube *cube, uint64 cell, int check)
{
	if (check < 0)
		return cube->failures[cell];
	for (uint64 e = cube->check_offsets[cell];
		 e < cube->check_offsets[cell + 1]; e++)
		if (cube->check_codes[e] == (uint32) check)
			return cube->check_failures[e];
	return 0;
}

/* every cell of the table, those that are not there too, and the margins */
static bool
agrees(const FpCube *cube, const FpCrosstab *table, int check)
{
	uint32 next = 0;

	for (uint32 r = 0; r < table->row.nmembers; r++)
		for (uint32 k = 0; k < table->col.nmembers; k++)
		{
			int64 n = 0, f = 0, rn = 0, rf = 0;

			for (uint64 c = 0; c < cube->ncells; c++)
				if (has(cube, c, table->row.dim, &table->row.members[r]))
				{
					rn += cube->trials[c];
					rf += failed(cube, c, check);
					if (has(cube, c, table->col.dim, &table->col.members[k]))
					{
						n += cube->trials[c];
						f += failed(cube, c, check);
					}
				}
			if (rn != table->row.members[r].trials ||
				rf != table->row.members[r].failures)
				return false;
			if (n == 0)
				continue;
			if (next >= table->ncells || table->cell_row[next] != r ||
				table->cell_col[next] != k || table->trials[next] != n ||
				table->failures[next] != f)
				return false;
			next++;
		}
	return next == table->ncells;
}

static bool
labels(const FpAxis *axis, const char *expected)
{
	char got[1000] = "";

	for (uint32 m = 0; m < axis->nmembers; m++)
	{
		strcat(got, m ? " " : "");
		strcat(got, axis->members[m].label.data);
	}
	if (strcmp(got, expected) != 0)
		printf("# got %s, expected %s\n", got, expected);
	return strcmp(got, expected) == 0;
}

static int interrupts;

static void
count_interrupt(void)
{
	interrupts++;
}

int
main(void)
{
	FpArena arena = fp_arena_create(NULL, "test");
	FpCube *cube = make_cube(arena, 2000);
	FpCube *empty = make_cube(arena, 0);
	double	bounds[] = {4, 7};
	double	halves[] = {0.5, 4};
	double	units[] = {2, 3};
	double	bad[] = {4, 4};
	double	nan[] = {NAN};

	for (int r = 0; r < NDIMS; r++)
		for (int c = 0; c < NDIMS; c++)
			for (int check = -1; check < 2; check++)
			{
				FpAxisSpec row = {.axis = "row", .dim = r};
				FpAxisSpec col = {.axis = "col", .dim = c};

				if (r == c && r != LORA)
				{
					ok(RAISES(FP_ERR_DATA,
							  fp_crosstab(arena, cube, &row, &col, check)),
					   "dimension %d with itself", r);
					continue;
				}
				ok(agrees(cube, fp_crosstab(arena, cube, &row, &col, check),
						  check),
				   "dimensions %d, %d, check %d", r, c, check);
			}

	{
		FpAxisSpec	row = {.axis = "row", .dim = SCENE};
		FpAxisSpec	col = {.axis = "col", .dim = POSITION};
		FpCrosstab *t = fp_crosstab(arena, cube, &row, &col, -1);
		int64		worst[5];

		ok(labels(&t->row, "1 2 3 10 11"), "ids are in numeric order");
		ok(labels(&t->col, "1 2 3 4 6 9 12"), "numbers are in their order");
		ok(t->total_trials == cube->total_trials &&
			   t->total_failures == cube->total_failures,
		   "totals of the cube");
		for (int m = 0; m < 5; m++)
			worst[m] = t->row.members[m].failures;
		row.limit = 2;
		t = fp_crosstab(arena, cube, &row, &col, -1);
		ok(t->row.nmembers == 2 && agrees(cube, t, -1), "a limited axis");
		for (int m = 0; m < 5; m++)
		{
			int above = 0;

			for (int o = 0; o < 5; o++)
				above += worst[o] > worst[m];
			ok((above < 2) == (worst[m] == t->row.members[0].failures ||
							   worst[m] == t->row.members[1].failures),
			   "the limit keeps the most failures (%d)", m);
		}
		t = fp_crosstab(arena, empty, &row, &col, -1);
		ok(t->ncells == 0 && t->row.nmembers == 0 && t->col.nmembers == 0,
		   "an empty cube gives an empty table");
	}

	{
		FpAxisSpec	row = {.axis = "row",
						   .dim = POSITION,
						   .nbounds = 2,
						   .bounds = bounds};
		FpAxisSpec	col = {.axis = "col",
						   .dim = SECONDS,
						   .nbounds = 2,
						   .bounds = halves};
		FpCrosstab *t = fp_crosstab(arena, cube, &row, &col, 1);

		ok(labels(&t->row, "<4 4-6 7+"), "bins of whole numbers");
		ok(labels(&t->col, "<0.5 0.5-<4 4+"), "bins of other numbers");
		ok(agrees(cube, t, 1), "binned: each bin's bounds select its trials");
		ok(t->row.members[1].min == 4 && t->row.members[1].max == 6 &&
			   t->col.members[1].max == 2.5 && isinf(t->col.members[2].max) &&
			   isinf(t->row.members[0].min),
		   "a bin's bounds are inclusive");
		row.bounds = units;
		ok(labels(&fp_crosstab(arena, cube, &row, &col, 1)->row, "<2 2 3+"),
		   "a bin of one whole number is that number");
		row.bounds = bad;
		ok(RAISES(FP_ERR_DATA, fp_crosstab(arena, cube, &row, &col, -1)),
		   "bounds must ascend");
		row.bounds = nan;
		row.nbounds = 1;
		ok(RAISES(FP_ERR_DATA, fp_crosstab(arena, cube, &row, &col, -1)),
		   "bounds must be numbers");
		row.bounds = bounds;
		row.dim = SCENE;
		ok(RAISES(FP_ERR_DATA, fp_crosstab(arena, cube, &row, &col, -1)) &&
			   strstr(fp_error_message, "row_bins") &&
			   strstr(fp_error_message, "scene"),
		   "bins only for ordinal dimensions");
	}

	/* two dimensions of 3,000 values: nine million slots, few of them used */
	{
		FpCube	   *wide = make_cube(arena, 40000);
		FpAxisSpec	row = {.axis = "row", .dim = SCENE};
		FpAxisSpec	col = {.axis = "col", .dim = LIGHT};
		FpCrosstab *t;
		int64		sum = 0, expected = 0;
		bool		exact = true;

		for (int d = SCENE; d <= LIGHT; d++)
		{
			FpDim *dim = &wide->dims[d];

			dim->nvalues = 3000;
			dim->values = fp_alloc_array(arena, FpText, 3000);
			for (int v = 0; v < 3000; v++)
			{
				char name[16];

				snprintf(name, sizeof(name), "v%04d", v);
				dim->values[v] = text(arena, name);
			}
			for (uint64 c = 0; c < wide->ncells; c++)
				wide->codes[d][c] = draw(3001);
		}
		fp_interrupt_hook = count_interrupt;
		t = fp_crosstab(arena, wide, &row, &col, -1);
		fp_interrupt_hook = NULL;
		ok(interrupts >= 3 * 4, "can be interrupted in every pass");
		for (uint32 i = 0; i < t->ncells; i++)
		{
			sum += t->trials[i];
			if (i > 0)
				exact = exact && (t->cell_row[i] > t->cell_row[i - 1] ||
								  (t->cell_row[i] == t->cell_row[i - 1] &&
								   t->cell_col[i] > t->cell_col[i - 1]));
		}
		for (uint64 c = 0; c < wide->ncells; c++)
			if (wide->codes[SCENE][c] && wide->codes[LIGHT][c])
				expected += wide->trials[c];
		ok(sum == expected && exact, "a large, sparse table");
		for (uint32 i = 0; i < t->ncells; i += 4001)
		{
			int64 n = 0;

			for (uint64 c = 0; c < wide->ncells; c++)
				if (has(wide, c, SCENE, &t->row.members[t->cell_row[i]]) &&
					has(wide, c, LIGHT, &t->col.members[t->cell_col[i]]))
					n += wide->trials[c];
			ok(n == t->trials[i], "its cell %u", i);
		}
	}
	fp_arena_delete(arena);
	return unit_done();
}
