/*
 * What to use instead: what is offered, what never is, and counts against
 * counting by hand over random cubes.
 */
#include "cube/build.h"
#include "mine/alternatives.h"
#include "unit.h"

static FpArena arena;

/* a row: LoRAs as "3,7" ("" is none, NULL not recorded), character, model */
static void
row(FpCubeBuilder *b, const char *loras, const char *character,
	const char *model, double position, int64 failures, int64 trials)
{
	uint32 codes[4] = {0, 0, 0, 0};
	FpText members[FP_MAX_SET_MEMBERS];
	uint32 n = 0;
	int	   lora = fp_builder_dim(b, "lora", 4, FP_SET);
	int	   who = fp_builder_dim(b, "character", 9, FP_NOMINAL);
	int	   what = fp_builder_dim(b, "model", 5, FP_NOMINAL);
	int	   where = fp_builder_dim(b, "segment_position", 16, FP_ORDINAL);

	while (loras && *loras)
	{
		members[n].data = loras;
		members[n].len = (uint32) strcspn(loras, ",");
		loras += members[n].len;
		loras += *loras == ',';
		n++;
	}
	if (loras)
		codes[lora] = fp_builder_set(b, lora, members, n);
	if (character)
		codes[who] = fp_builder_value(b, who, character, strlen(character));
	if (model)
		codes[what] = fp_builder_value(b, what, model, strlen(model));
	codes[where] = fp_builder_number(b, where, position);
	fp_builder_add_checks(b, codes, trials, failures, NULL, NULL, 0);
}

static int
dim_of(const FpCube *cube, const char *name)
{
	return fp_cube_find_dim(cube, name, strlen(name));
}

static void
item(const FpCube *cube, FpKnownPattern *p, const char *dim, const char *value)
{
	FpKnownItem *i = &p->items[p->nitems++];

	i->dim = dim_of(cube, dim);
	i->code = fp_cube_find_value(&cube->dims[i->dim], value, strlen(value));
}

static void
range(const FpCube *cube, FpKnownPattern *p, double min, double max)
{
	FpKnownRange *r = &p->ranges[p->nranges++];

	r->dim = dim_of(cube, "segment_position");
	r->min = min;
	r->max = max;
}

static bool *
choose(const FpCube *cube, const char *a, const char *b)
{
	bool *flags = fp_alloc0_array(arena, bool, cube->ndims);

	flags[dim_of(cube, a)] = true;
	if (b)
		flags[dim_of(cube, b)] = true;
	return flags;
}

/* the alternative of pattern 0 with that value ("" is none), or NULL */
static const FpAlternative *
offered(const FpCube *cube, const FpAlternatives *all, const char *dim,
		const char *value)
{
	int	   d = dim_of(cube, dim);
	uint32 code =
		*value ? fp_cube_find_value(&cube->dims[d], value, strlen(value)) : 0;

	for (int i = 0; i < all->n; i++)
		if (all->list[i].pattern == 0 && all->list[i].value == code)
			return &all->list[i];
	return NULL;
}

static void
test_headline(void)
{
	FpCubeBuilder *b = fp_builder_create(fp_arena_create(arena, "builder"), 0);
	FpCube		  *cube;
	FpKnownPattern known[3] = {0};
	FpAlternativeOptions options;
	FpAlternatives		*all;
	const FpAlternative *one;
	bool				 sorted = true;

	row(b, "3", "5", "1", 6, 50, 80); /* the pattern: 74 of 120 */
	row(b, "3,8", "5", "1", 9, 24, 40);
	row(b, "3", "5", "1", 2, 10, 90);	 /* not at 6+ */
	row(b, "4", "5", "1", 7, 29, 240);	 /* the alternative */
	row(b, "4", "5", NULL, 1, 100, 100); /* not at 6+ either */
	row(b, "", "5", "1", 6, 10, 100);	 /* no LoRA */
	row(b, "9", "5", "1", 6, 2, 100);	 /* good here, bad in general */
	row(b, "9", "6", "1", 6, 90, 100);
	row(b, "11", "5", "1", 6, 0, 3);	/* too little, and nothing elsewhere */
	row(b, "12", "6", "1", 6, 8, 400);	/* elsewhere only */
	row(b, "13", "5", "1", 6, 62, 120); /* no better */
	row(b, "14", "5", "1", 8, 5, 100);	/* good at 8, bad from 10 on */
	row(b, "14", "5", "1", 10, 70, 80);
	row(b, NULL, "5", "1", 6, 0, 500); /* not recorded is not "none" */
	row(b, "2", "6", "1", 6, 300, 3000);
	cube = fp_builder_freeze(b, arena);

	item(cube, &known[0], "lora", "3");
	item(cube, &known[0], "character", "5");
	range(cube, &known[0], 6, INFINITY);
	item(cube, &known[1], "lora", "9");
	item(cube, &known[2], "character", "5");
	item(cube, &known[2], "lora", "14");
	range(cube, &known[2], 10, INFINITY);
	fp_alternative_defaults(&options);
	options.keep = 10;
	all = fp_alternatives(cube, known, 3, choose(cube, "lora", NULL), &options,
						  arena);

	one = offered(cube, all, "lora", "4");
	ok(one && !one->predicted && one->trials == 240 && one->failures == 29 &&
		   near(one->rate, 29.0 / 240, 1e-12) && one->lower < one->rate &&
		   one->upper > one->rate,
	   "another LoRA, by its counts in the same context");
	one = offered(cube, all, "lora", "");
	ok(one && !one->predicted && one->trials == 100 && one->failures == 10,
	   "no LoRA at all");
	ok(!offered(cube, all, "lora", "9"),
	   "never what is known to be bad, however good here");
	ok(!offered(cube, all, "lora", "14"),
	   "nor what is known to be bad in a part of the range");
	ok(!offered(cube, all, "lora", "11"), "nor what was hardly ever used");
	ok(!offered(cube, all, "lora", "13"), "nor what fails as often");
	ok(!offered(cube, all, "lora", "3"), "nor the same again");
	one = offered(cube, all, "lora", "12");
	ok(one && one->predicted && one->trials == 400 && one->failures == 8 &&
		   one->rate > 0.01 && one->rate < 0.1,
	   "what was used elsewhere, by a prediction that is marked");
	for (int i = 1; i < all->n; i++)
		sorted =
			sorted && (all->list[i - 1].pattern < all->list[i].pattern ||
					   all->list[i - 1].predicted < all->list[i].predicted ||
					   (all->list[i - 1].predicted == all->list[i].predicted &&
						all->list[i - 1].upper <= all->list[i].upper));
	ok(sorted, "by pattern, observed first, best upper bound first");

	options.keep = 1;
	all = fp_alternatives(cube, known, 1, choose(cube, "lora", NULL), &options,
						  arena);
	ok(all->n == 1, "as many as asked for");
	options.keep = 10;
	all = fp_alternatives(cube, known, 1, choose(cube, "model", NULL),
						  &options, arena);
	ok(all->n == 0, "nothing where the pattern has no choosable dimension");
	all = fp_alternatives(cube, known, 0, choose(cube, "lora", NULL), &options,
						  arena);
	ok(all->n == 0, "nothing for no patterns");
	ok(RAISES(FP_ERR_DATA,
			  (known[0].items[0].code = 99,
			   fp_alternatives(cube, known, 1, choose(cube, "lora", NULL),
							   &options, arena))),
	   "a code that the cube does not have");
}

static void
test_pair(void)
{
	FpCubeBuilder *b = fp_builder_create(fp_arena_create(arena, "builder"), 0);
	FpCube		  *cube;
	FpKnownPattern known[1] = {0};
	FpAlternativeOptions options;
	FpAlternatives		*all;
	const FpAlternative *one;
	const FpAlternative *alone = NULL;

	row(b, "3,7", "5", "1", 1, 80, 100);
	row(b, "3", "5", "1", 1, 20, 200); /* 3 without 7 */
	row(b, "7", "5", "1", 1, 10, 200); /* 7 without 3 */
	row(b, "3,4", "5", "1", 1, 5, 200);
	row(b, "4", "5", "1", 1, 1, 500); /* has neither: not in any context */
	cube = fp_builder_freeze(b, arena);
	item(cube, &known[0], "lora", "3");
	item(cube, &known[0], "lora", "7");
	fp_alternative_defaults(&options);
	all = fp_alternatives(cube, known, 1, choose(cube, "lora", "model"),
						  &options, arena);
	one = offered(cube, all, "lora", "4");
	ok(one && one->trials == 200 && one->failures == 5 &&
		   known[0].items[one->item].code ==
			   fp_cube_find_value(&cube->dims[dim_of(cube, "lora")], "7", 1),
	   "of a pair: another LoRA beside the one that stays");
	for (int i = 0; i < all->n; i++)
		if (all->list[i].value == 0 && all->list[i].item == 0)
			alone = &all->list[i];
	ok(alone && alone->trials == 200 && alone->failures == 10,
	   "of a pair: leaving one out keeps the other");
}

static uint64 state = 7;

static uint32
draw(uint32 n)
{
	state = state * UINT64CONST(6364136223846793005) + 1442695040888963407;
	return (uint32) ((state >> 33) % n);
}

static bool
holds(const FpCube *cube, uint64 cell, int d, uint32 value)
{
	const FpDim *dim = &cube->dims[d];
	uint32		 code = cube->codes[d][cell];

	if (dim->kind != FP_SET || code == 0)
		return code == value;
	for (uint64 m = dim->set_offsets[code - 1]; m < dim->set_offsets[code];
		 m++)
		if (dim->set_members[m] == value)
			return true;
	return false;
}

/* the counts of an observed alternative, cell by cell */
static bool
by_hand(const FpCube *cube, const FpKnownPattern *p, const FpAlternative *one)
{
	int	  d = p->items[one->item].dim;
	int64 n = 0, f = 0;

	for (uint64 cell = 0; cell < cube->ncells; cell++)
	{
		bool met = cube->codes[d][cell] != 0 &&
				   !holds(cube, cell, d, p->items[one->item].code);
		uint32 inside = 0;

		for (int i = 0; i < p->nitems && met; i++)
			if (i != one->item)
			{
				met = holds(cube, cell, p->items[i].dim, p->items[i].code);
				inside += p->items[i].dim == d;
			}
		for (int i = 0; i < p->nranges && met; i++)
		{
			uint32 code = cube->codes[p->ranges[i].dim][cell];

			met = code != 0 &&
				  cube->dims[p->ranges[i].dim].numbers[code - 1] >=
					  p->ranges[i].min &&
				  cube->dims[p->ranges[i].dim].numbers[code - 1] <=
					  p->ranges[i].max;
		}
		if (met && one->value != 0)
			met = holds(cube, cell, d, one->value);
		else if (met)
		{
			uint32 code = cube->codes[d][cell];

			met = cube->dims[d].kind == FP_SET &&
				  cube->dims[d].set_offsets[code] -
						  cube->dims[d].set_offsets[code - 1] ==
					  inside;
		}
		if (met)
		{
			n += cube->trials[cell];
			f += cube->failures[cell];
		}
	}
	return n == one->trials && f == one->failures;
}

static void
test_random(void)
{
	static const char *const ids[] = {"1", "2", "3", "4", "5", "6", "7", "8"};
	int						 checked = 0;
	int						 wrong = 0;

	for (int round = 0; round < 40; round++)
	{
		FpCubeBuilder *b =
			fp_builder_create(fp_arena_create(arena, "builder"), 0);
		FpCube				*cube;
		FpKnownPattern		 known[30];
		FpAlternativeOptions options;
		FpAlternatives		*all;

		for (int i = 0; i < 400; i++)
		{
			char loras[32] = "";

			for (int j = 0; j < 8; j++)
				if (draw(4) == 0)
					sprintf(loras + strlen(loras), "%s%s", *loras ? "," : "",
							ids[j]);
			row(b, draw(20) ? loras : NULL, draw(9) ? ids[draw(4)] : NULL,
				draw(9) ? ids[draw(5)] : NULL, draw(8), draw(4), 3 + draw(6));
		}
		for (int j = 0; j < 8; j++) /* so that all values are there */
			row(b, ids[j], ids[j % 4], ids[j % 5], j, 0, 1);
		cube = fp_builder_freeze(b, arena);
		memset(known, 0, sizeof(known));
		for (int i = 0; i < 30; i++)
		{
			FpKnownPattern *p = &known[i];
			uint32			first = draw(8);

			if (draw(3))
				item(cube, p, "lora", ids[first]);
			if (p->nitems && draw(3) == 0)
				item(cube, p, "lora", ids[(first + 1 + draw(7)) % 8]);
			if (draw(2))
				item(cube, p, "character", ids[draw(4)]);
			if (p->nitems == 0 || draw(3) == 0)
				item(cube, p, "model", ids[draw(5)]);
			if (draw(2))
				range(cube, p, draw(6), draw(2) ? INFINITY : 6);
		}
		fp_alternative_defaults(&options);
		options.better = 0.3; /* many */
		options.min_ratio = 1;
		options.keep = 100;
		all = fp_alternatives(cube, known, 30, choose(cube, "lora", "model"),
							  &options, arena);
		for (int i = 0; i < all->n; i++)
			if (!all->list[i].predicted)
			{
				checked++;
				wrong += !by_hand(cube, &known[all->list[i].pattern],
								  &all->list[i]);
			}
	}
	ok(checked > 500 && wrong == 0, "%d counted by hand, %d otherwise",
	   checked, wrong);
}

int
main(void)
{
	arena = fp_arena_create(NULL, "test");
	test_headline();
	test_pair();
	test_random();
	fp_arena_delete(arena);
	return unit_done();
}
