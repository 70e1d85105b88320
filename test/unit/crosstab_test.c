/*
 * Cross-tabulation, against counting by hand: every pair of dimensions of
 * random cubes, with and without a check, bins and limits; of one cube in
 * memory, and of the same cells in several that are read from their bytes.
 */
#include "cube/build.h"
#include "cube/crosstab.h"
#include "unit.h"

static uint64 state = 42;

static uint32
draw(uint32 n)
{
	state = state * UINT64CONST(6364136223846793005) + 1442695040888963407;
	return (uint32) ((state >> 33) % n);
}

/* mostly small, as bytes are; some of two, three or more bytes */
static int64
draw_count(void)
{
	switch (draw(16))
	{
		case 0:
			return 1 + (int64) draw(100000);
		case 1:
		case 2:
			return 1 + (int64) draw(300);
		case 3:
			return draw(8) ? 127 + (int64) draw(4)
						   : (int64) (1 + draw(1 << 30)) << 12;
		default:
			return 1 + (int64) draw(20);
	}
}

static int64
draw_up_to(int64 most)
{
	int64 count = draw_count();

	return Min(count, most);
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

		cube->trials[c] = draw_count();
		cube->failures[c] = draw_up_to(cube->trials[c] + 1) - 1;
		cube->total_trials += cube->trials[c];
		cube->total_failures += cube->failures[c];
		for (uint32 check = 0; check < 2; check++)
			if (cube->failures[c] > 0 && draw(2))
			{
				cube->check_codes[e] = check;
				cube->check_failures[e++] = draw_up_to(cube->failures[c]);
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
agrees(const FpCube *cube, const FpCrosstab *table, int row, int col,
	   int check)
{
	uint32 next = 0;

	for (uint32 r = 0; r < table->row.nmembers; r++)
		for (uint32 k = 0; k < table->col.nmembers; k++)
		{
			int64 n = 0, f = 0, rn = 0, rf = 0;

			for (uint64 c = 0; c < cube->ncells; c++)
				if (has(cube, c, row, &table->row.members[r]))
				{
					rn += cube->trials[c];
					rf += failed(cube, c, check);
					if (has(cube, c, col, &table->col.members[k]))
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

/* by its name: a cube in which it never failed does not have it */
static const FpText *
check_of(FpArena arena, int check)
{
	FpText *name = fp_alloc0_array(arena, FpText, 1);

	if (check < 0)
		return NULL;
	*name = text(arena, checks[check]);
	return name;
}

/* of one cube in memory */
static FpCrosstab *
tabulate(FpArena arena, const FpCube *cube, int row_dim, int col_dim,
		 const FpAxisSpec *row, const FpAxisSpec *col, int check)
{
	int		dims[] = {row_dim, col_dim};
	FpScan *scan = fp_scan_cube(arena, cube, NULL, 0, dims, check >= 0);

	return fp_crosstab(arena, &scan, 1, row, col, check_of(arena, check));
}

/* a condition that each kind of dimension of make_cube() can have */
static FpCondition
condition_on(FpArena arena, const FpCube *cube, int d, int number)
{
	FpCondition condition = {.dim = d, .min = 2, .max = 8};
	uint32	   *values = fp_alloc0_array(arena, uint32, 1);
	const char *value = d == LORA	 ? loras[number % 4]
						: d == LIGHT ? names[number % 2]
									 : ids[number % 5];

	condition.test =
		cube->dims[d].kind == FP_ORDINAL ? FP_TEST_RANGE : FP_TEST_VALUES;
	condition.nvalues = 1;
	condition.values = values;
	values[0] = fp_cube_find_value(&cube->dims[d], value, strlen(value));
	if (condition.test == FP_TEST_VALUES && values[0] == 0)
		condition.test = FP_TEST_NEVER;
	return condition;
}

/* the same cells, as cubes are stored: no two alike, no value without any */
static FpCube *
canonical(FpArena arena, const FpCube *cube)
{
	FpArena		   building = fp_arena_create(arena, "builder");
	FpCubeBuilder *builder = fp_builder_create(building, 0);

	fp_builder_merge(builder, arena, cube, NULL);
	return fp_builder_freeze(builder, arena);
}

#define MAX_PIECES 7

/* the cells of a cube in several, each as bytes; some may have none */
static int
cut(FpArena arena, const FpCube *cube, FpPackedCube *pieces)
{
	int	   n = 1 + draw(MAX_PIECES);
	uint8 *piece_of = fp_alloc_array(arena, uint8, cube->ncells + 1);

	for (uint64 c = 0; c < cube->ncells; c++)
		piece_of[c] = draw(n);
	for (int i = 0; i < n; i++)
	{
		FpArena		   building = fp_arena_create(arena, "builder");
		FpCubeBuilder *builder = fp_builder_create(building, 0);
		bool		  *keep = fp_alloc_array(arena, bool, cube->ncells + 1);
		size_t		   len;
		char		  *bytes;

		for (uint64 c = 0; c < cube->ncells; c++)
			keep[c] = piece_of[c] == i;
		fp_builder_merge(builder, arena, cube, keep);
		bytes =
			fp_cube_encode(arena, fp_builder_freeze(builder, arena), 0, &len);
		fp_cube_open(arena, bytes, len, SIZE_MAX, &pieces[i]);
	}
	return n;
}

static bool
same_text(const FpText *a, const FpText *b)
{
	return a->len == b->len && memcmp(a->data, b->data, a->len) == 0;
}

static bool
same_axis(const FpAxis *a, const FpAxis *b)
{
	if (a->nmembers != b->nmembers || a->dim.kind != b->dim.kind ||
		!same_text(&a->dim.name, &b->dim.name))
		return false;
	for (uint32 m = 0; m < a->nmembers; m++)
	{
		const FpAxisMember *x = &a->members[m];
		const FpAxisMember *y = &b->members[m];

		if (!same_text(&x->label, &y->label) || x->trials != y->trials ||
			x->failures != y->failures || (x->code == 0) != (y->code == 0) ||
			(a->dim.kind == FP_ORDINAL &&
			 (x->min != y->min || x->max != y->max)))
			return false;
	}
	return true;
}

static bool
same_table(const FpCrosstab *a, const FpCrosstab *b)
{
	return same_axis(&a->row, &b->row) && same_axis(&a->col, &b->col) &&
		   a->ncells == b->ncells && a->total_trials == b->total_trials &&
		   a->total_failures == b->total_failures &&
		   memcmp(a->cell_row, b->cell_row, a->ncells * sizeof(uint32)) == 0 &&
		   memcmp(a->cell_col, b->cell_col, a->ncells * sizeof(uint32)) == 0 &&
		   memcmp(a->trials, b->trials, a->ncells * sizeof(int64)) == 0 &&
		   memcmp(a->failures, b->failures, a->ncells * sizeof(int64)) == 0;
}

/*
 * Random cubes, whole and in pieces, with up to two conditions: the same table,
 * and as many observations in all as meet them.
 */
static void
test_pieces(FpArena arena)
{
	static const uint64 sizes[] = {1, 3, 20, 300, 2000, 6000};
	static double		bounds[] = {2, 7};
	int					differ = 0;
	int					wrong = 0;

	for (int round = 0; round < 400; round++)
	{
		FpArena cx = fp_arena_create(arena, "round");
		FpCube *cube =
			canonical(cx, make_cube(cx, sizes[round % lengthof(sizes)]));
		FpPackedCube pieces[MAX_PIECES];
		FpScan		*scans[MAX_PIECES];
		FpScan		*whole;
		int			 n = cut(cx, cube, pieces);
		int			 dims[2] = {(int) draw(NDIMS), (int) draw(NDIMS)};
		int			 check = (int) draw(3) - 1;
		int			 nconditions = draw(3);
		int			 number = draw(20);
		int			 on[2] = {(int) draw(NDIMS), 0};
		FpCondition	 list[2];
		FpAxisSpec	 row = {.axis = "row", .limit = draw(2) * draw(4)};
		FpAxisSpec	 col = {.axis = "col"};
		FpCrosstab	*one;
		FpCrosstab	*many;
		int64		 met = 0;

		on[1] = (on[0] + 1 + (int) draw(NDIMS - 1)) % NDIMS;
		if (dims[0] == dims[1])
			dims[0] = dims[1] = LORA;
		if (cube->dims[dims[1]].kind == FP_ORDINAL && draw(2))
		{
			col.nbounds = 2;
			col.bounds = bounds;
		}
		for (int k = 0; k < nconditions; k++)
			list[k] = condition_on(cx, cube, on[k], number);
		whole = fp_scan_cube(cx, cube, list, nconditions, dims, check >= 0);
		while (fp_scan_next(whole))
			for (uint32 i = 0; i < whole->n; i++)
				met += whole->trials[i];
		fp_scan_rewind(whole);
		one = fp_crosstab(cx, &whole, 1, &row, &col, check_of(cx, check));
		for (int i = 0; i < n; i++)
		{
			FpCube *head = pieces[i].head;
			int		told[2];

			for (int k = 0; k < 2; k++)
				told[k] = fp_cube_find_dim(head, cube->dims[dims[k]].name.data,
										   cube->dims[dims[k]].name.len);
			for (int k = 0; k < nconditions; k++)
				list[k] = condition_on(cx, head, on[k], number);
			scans[i] = fp_scan_packed(cx, &pieces[i], list, nconditions, told,
									  check >= 0);
		}
		many = fp_crosstab(cx, scans, n, &row, &col, check_of(cx, check));
		wrong += one->total_trials != met;
		differ += !same_table(one, many);
		fp_arena_delete(cx);
	}
	ok(wrong == 0, "all that meets conditions is counted (%d)", wrong);
	ok(differ == 0, "one cube or its pieces: the same table (%d)", differ);
}

/* What the cubes of some buckets may look like beside those of others. */
static void
test_kinds(FpArena arena)
{
	static const char *const other[] = {"5", "a"};
	FpCube					*sets = make_cube(arena, 50);
	FpCube					*values = make_cube(arena, 50);
	FpCube					*nothing = make_cube(arena, 50);
	FpCube					*numbers = make_cube(arena, 50);
	FpAxisSpec				 row = {.axis = "row"};
	FpAxisSpec				 col = {.axis = "col"};
	int						 dims[] = {LORA, SCENE};
	int						 lacking[] = {LORA, -1};
	FpScan					*scans[3];
	FpCrosstab				*t;
	int64					 expected = 0;
	int64					 got = 0;

	make_dim(arena, &values->dims[LORA], "lora", FP_NOMINAL, 2, other);
	make_dim(arena, &numbers->dims[LORA], "lora", FP_ORDINAL, 1, other);
	make_dim(arena, &nothing->dims[LORA], "lora", FP_NOMINAL, 0, NULL);
	for (uint64 c = 0; c < 50; c++)
	{
		values->codes[LORA][c] = draw(3);
		numbers->codes[LORA][c] = draw(2);
		nothing->codes[LORA][c] = 0;
		if (values->codes[LORA][c] == 1 && values->codes[SCENE][c] == 1)
			expected += values->trials[c];
		if (sets->codes[LORA][c] > 0 &&
			((sets->codes[LORA][c] - 1) & 2) != 0 &&
			sets->codes[SCENE][c] == 1)
			expected += sets->trials[c];
	}
	scans[0] = fp_scan_cube(arena, nothing, NULL, 0, dims, false);
	scans[1] = fp_scan_cube(arena, values, NULL, 0, dims, false);
	scans[2] = fp_scan_cube(arena, sets, NULL, 0, dims, false);
	t = fp_crosstab(arena, scans, 3, &row, &col, NULL);
	ok(labels(&t->row, "3 5 7 a x") && t->row.dim.kind == FP_SET,
	   "values, sets and nothing: sets of all their values");
	for (uint32 i = 0; i < t->ncells; i++)
		if (strcmp(t->row.members[t->cell_row[i]].label.data, "5") == 0 &&
			strcmp(t->col.members[t->cell_col[i]].label.data, "1") == 0)
			got = t->trials[i];
	ok(got == expected, "what both count");
	ok(t->total_trials ==
		   nothing->total_trials + values->total_trials + sets->total_trials,
	   "and all that there is in all");

	scans[1] = fp_scan_cube(arena, numbers, NULL, 0, dims, false);
	ok(RAISES(FP_ERR_DATA, fp_crosstab(arena, scans, 3, &row, &col, NULL)) &&
		   strstr(fp_error_message, "both ordinal and set"),
	   "numbers and sets do not go together");

	scans[0] = fp_scan_cube(arena, sets, NULL, 0, lacking, false);
	ok(fp_crosstab(arena, scans, 1, &row, &col, NULL) == NULL,
	   "no table of a dimension that no cube has");
	scans[1] = fp_scan_cube(arena, sets, NULL, 0, dims, false);
	t = fp_crosstab(arena, scans, 2, &row, &col, NULL);
	ok(t->row.members[0].trials % 2 == 0 &&
		   t->total_trials == 2 * sets->total_trials,
	   "a cube that lacks one counts on the other axis");
}

static int interrupts;

static void
count_interrupt(void)
{
	interrupts++;
}

/* another dimension of so many values in place of one */
static void
widen(FpArena arena, FpCube *cube, int d, uint32 nvalues)
{
	FpDim *dim = &cube->dims[d];

	dim->nvalues = nvalues;
	dim->values = fp_alloc_array(arena, FpText, nvalues);
	for (uint32 v = 0; v < nvalues; v++)
	{
		char name[16];

		snprintf(name, sizeof(name), "v%05u", v);
		dim->values[v] = text(arena, name);
	}
	for (uint64 c = 0; c < cube->ncells; c++)
		cube->codes[d][c] = draw(nvalues + 1);
}

/* so many of the cells, evenly, and the margins of these; all are in order */
static bool
some_agree(const FpCube *cube, const FpCrosstab *t, int row, int col,
		   int check, uint32 many)
{
	for (uint32 i = 1; i < t->ncells; i++)
		if (t->cell_row[i] < t->cell_row[i - 1] ||
			(t->cell_row[i] == t->cell_row[i - 1] &&
			 t->cell_col[i] <= t->cell_col[i - 1]))
			return false;
	for (uint32 i = 0; i < t->ncells; i += 1 + t->ncells / many)
	{
		const FpAxisMember *r = &t->row.members[t->cell_row[i]];
		const FpAxisMember *k = &t->col.members[t->cell_col[i]];
		int64				n = 0, f = 0, rn = 0, kf = 0;

		for (uint64 c = 0; c < cube->ncells; c++)
		{
			bool has_row = has(cube, c, row, r);
			bool has_col = has(cube, c, col, k);

			rn += has_row ? cube->trials[c] : 0;
			kf += has_col ? failed(cube, c, check) : 0;
			n += has_row && has_col ? cube->trials[c] : 0;
			f += has_row && has_col ? failed(cube, c, check) : 0;
		}
		if (n != t->trials[i] || f != t->failures[i] || rn != r->trials ||
			kf != k->failures)
			return false;
	}
	return t->ncells > 0;
}

/*
 * Axes of so many values that a grid of them all would be large: two passes,
 * and a table that is large (nine million slots, few of them used) or not.
 */
static void
test_wide(FpArena arena)
{
	FpCube	   *wide = make_cube(arena, 40000);
	double		bounds[] = {4, 7};
	FpAxisSpec	row = {.axis = "row"};
	FpAxisSpec	col = {.axis = "col"};
	FpCrosstab *t;
	int64		sum = 0, expected = 0;

	widen(arena, wide, SCENE, 3000);
	widen(arena, wide, LIGHT, 3000);
	fp_interrupt_hook = count_interrupt;
	t = tabulate(arena, wide, SCENE, LIGHT, &row, &col, -1);
	fp_interrupt_hook = NULL;
	ok(interrupts >= 2 * 4, "can be interrupted in every pass");
	for (uint32 i = 0; i < t->ncells; i++)
		sum += t->trials[i];
	for (uint64 c = 0; c < wide->ncells; c++)
		if (wide->codes[SCENE][c] && wide->codes[LIGHT][c])
			expected += wide->trials[c];
	ok(sum == expected, "a large, sparse table");
	ok(some_agree(wide, t, SCENE, LIGHT, -1, 10), "its cells");
	row.limit = 50;
	ok(some_agree(wide, tabulate(arena, wide, SCENE, LIGHT, &row, &col, 0),
				  SCENE, LIGHT, 0, 50),
	   "a limited one");
	row.limit = 0;

	widen(arena, wide, SCENE, 50000);
	ok(some_agree(wide, tabulate(arena, wide, LORA, SCENE, &row, &col, -1),
				  LORA, SCENE, -1, 50),
	   "sets by many values");
	col.nbounds = 2;
	col.bounds = bounds;
	ok(some_agree(wide, tabulate(arena, wide, SCENE, POSITION, &row, &col, 1),
				  SCENE, POSITION, 1, 50),
	   "many values by bins");
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
				FpAxisSpec row = {.axis = "row"};
				FpAxisSpec col = {.axis = "col"};

				if (r == c && r != LORA)
				{
					ok(RAISES(FP_ERR_DATA,
							  tabulate(arena, cube, r, c, &row, &col, check)),
					   "dimension %d with itself", r);
					continue;
				}
				ok(agrees(cube, tabulate(arena, cube, r, c, &row, &col, check),
						  r, c, check),
				   "dimensions %d, %d, check %d", r, c, check);
			}

	{
		FpAxisSpec	row = {.axis = "row"};
		FpAxisSpec	col = {.axis = "col"};
		FpCrosstab *t = tabulate(arena, cube, SCENE, POSITION, &row, &col, -1);
		int64		worst[5];

		ok(labels(&t->row, "1 2 3 10 11"), "ids are in numeric order");
		ok(labels(&t->col, "1 2 3 4 6 9 12"), "numbers are in their order");
		ok(t->total_trials == cube->total_trials &&
			   t->total_failures == cube->total_failures,
		   "totals of the cube");
		for (int m = 0; m < 5; m++)
			worst[m] = t->row.members[m].failures;
		row.limit = 2;
		t = tabulate(arena, cube, SCENE, POSITION, &row, &col, -1);
		ok(t->row.nmembers == 2 && agrees(cube, t, SCENE, POSITION, -1),
		   "a limited axis");
		for (int m = 0; m < 5; m++)
		{
			int above = 0;

			for (int o = 0; o < 5; o++)
				above += worst[o] > worst[m];
			ok((above < 2) == (worst[m] == t->row.members[0].failures ||
							   worst[m] == t->row.members[1].failures),
			   "the limit keeps the most failures (%d)", m);
		}
		t = tabulate(arena, empty, SCENE, POSITION, &row, &col, -1);
		ok(t->ncells == 0 && t->row.nmembers == 0 && t->col.nmembers == 0,
		   "an empty cube gives an empty table");
	}

	{
		FpAxisSpec	row = {.axis = "row", .nbounds = 2, .bounds = bounds};
		FpAxisSpec	col = {.axis = "col", .nbounds = 2, .bounds = halves};
		FpCrosstab *t =
			tabulate(arena, cube, POSITION, SECONDS, &row, &col, 1);

		ok(labels(&t->row, "<4 4-6 7+"), "bins of whole numbers");
		ok(labels(&t->col, "<0.5 0.5-<4 4+"), "bins of other numbers");
		ok(agrees(cube, t, POSITION, SECONDS, 1),
		   "binned: each bin's bounds select its trials");
		ok(t->row.members[1].min == 4 && t->row.members[1].max == 6 &&
			   t->col.members[1].max == 2.5 && isinf(t->col.members[2].max) &&
			   isinf(t->row.members[0].min),
		   "a bin's bounds are inclusive");
		row.bounds = units;
		ok(labels(
			   &tabulate(arena, cube, POSITION, SECONDS, &row, &col, 1)->row,
			   "<2 2 3+"),
		   "a bin of one whole number is that number");
		row.bounds = bad;
		ok(RAISES(FP_ERR_DATA,
				  tabulate(arena, cube, POSITION, SECONDS, &row, &col, -1)),
		   "bounds must ascend");
		row.bounds = nan;
		row.nbounds = 1;
		ok(RAISES(FP_ERR_DATA,
				  tabulate(arena, cube, POSITION, SECONDS, &row, &col, -1)),
		   "bounds must be numbers");
		row.bounds = bounds;
		ok(RAISES(FP_ERR_DATA,
				  tabulate(arena, cube, SCENE, SECONDS, &row, &col, -1)) &&
			   strstr(fp_error_message, "row_bins") &&
			   strstr(fp_error_message, "scene"),
		   "bins only for ordinal dimensions");
	}

	test_wide(arena);
	test_pieces(arena);
	test_kinds(arena);
	fp_arena_delete(arena);
	return unit_done();
}
