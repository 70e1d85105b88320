/*
 * What to use instead: what is offered, what never is, and counts against
 * counting by hand over random cubes.
 */
#include <math.h>

#include "cube/build.h"
#include "mine/alternatives.h"
#include "stats/interval.h"
#include "stats/special.h"
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

static void
members(const FpCube *cube, FpKnownPattern *p, double min, double max)
{
	FpKnownRange *r = &p->ranges[p->nranges++];

	r->dim = dim_of(cube, "lora");
	r->count = true;
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
		if (all->list[i].pattern == 0 && all->list[i].item >= 0 &&
			all->list[i].value == code)
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

/* what is offered in the place of pattern 0's only range, or NULL */
static const FpAlternative *
outside(const FpCube *cube, const FpKnownPattern *known, int n,
		const char *choosable)
{
	FpAlternativeOptions options;
	FpAlternatives		*all;

	fp_alternative_defaults(&options);
	all = fp_alternatives(cube, known, n, choose(cube, choosable, NULL),
						  &options, arena);
	for (int i = 0; i < all->n; i++)
		if (all->list[i].pattern == 0 && all->list[i].item == -1)
			return &all->list[i];
	return NULL;
}

/* LoRA 3 + character 5 fails at segment 6+: an end before that */
static void
test_end(void)
{
	FpCubeBuilder *b = fp_builder_create(fp_arena_create(arena, "builder"), 0);
	FpCube		  *cube;
	FpKnownPattern known[2] = {0};
	const FpAlternative *one;

	row(b, "3", "5", "1", 1, 10, 200);
	row(b, "3,8", "5", "1", 5.5, 20, 140);
	row(b, "3", "5", "1", 6, 50, 80);
	row(b, "3", "5", "2", 9, 24, 40);
	row(b, "3", "6", "1", 2, 90, 100); /* another character */
	row(b, "4", "5", "1", 2, 90, 100); /* another LoRA */
	row(b, "3", "7", "1", 1, 1, 9);	   /* too little below 6 */
	row(b, "3", "7", "1", 6, 60, 90);
	row(b, "3", "8", "1", 1, 60, 90); /* no better below 6 */
	row(b, "3", "8", "1", 6, 62, 90);
	cube = fp_builder_freeze(b, arena);

	item(cube, &known[0], "lora", "3");
	item(cube, &known[0], "character", "5");
	range(cube, &known[0], 6, INFINITY);
	one = outside(cube, known, 1, "segment_position");
	ok(one && one->pattern == 0 && one->range == 0 && one->max == 6 &&
		   isinf(one->min) && !one->predicted && one->trials == 340 &&
		   one->failures == 30 && near(one->rate, 30.0 / 340, 1e-12) &&
		   one->lower < one->rate && one->upper > one->rate,
	   "an end before the range, by what was observed before it");
	ok(!outside(cube, known, 1, "lora"),
	   "not where the length cannot be chosen");

	known[0].ranges[0].max = 9;
	ok(!outside(cube, known, 1, "segment_position"),
	   "not before a range that ends by itself");
	known[0].ranges[0].max = INFINITY;
	known[0].ranges[0].min = -INFINITY;
	ok(!outside(cube, known, 1, "segment_position"),
	   "not before a range that begins with the first");
	known[0].ranges[0].min = 1;
	ok(!outside(cube, known, 1, "segment_position"),
	   "nor where nothing would be left");
	known[0].ranges[0].min = 6;
	known[0].items[1].code =
		fp_cube_find_value(&cube->dims[dim_of(cube, "character")], "7", 1);
	ok(!outside(cube, known, 1, "segment_position"),
	   "nor where what is left was hardly ever used");
	known[0].items[1].code =
		fp_cube_find_value(&cube->dims[dim_of(cube, "character")], "8", 1);
	ok(!outside(cube, known, 1, "segment_position"),
	   "nor where what is left fails as often");
	known[0].items[1].code =
		fp_cube_find_value(&cube->dims[dim_of(cube, "character")], "5", 1);

	/* beside another known pattern */
	item(cube, &known[1], "lora", "3");
	range(cube, &known[1], -INFINITY, 2);
	ok(!outside(cube, known, 2, "segment_position"),
	   "nor where a part of what is left is known to be bad");
	known[1].ranges[0].min = 5;
	known[1].ranges[0].max = 5.9;
	ok(!outside(cube, known, 2, "segment_position"), "be it the last of it");
	known[1].ranges[0].min = 6;
	known[1].ranges[0].max = 7;
	ok(outside(cube, known, 2, "segment_position") != NULL,
	   "what is bad from there on is no matter");
	known[1].ranges[0].min = 1;
	known[1].items[0].code =
		fp_cube_find_value(&cube->dims[dim_of(cube, "lora")], "4", 1);
	ok(outside(cube, known, 2, "segment_position") != NULL,
	   "nor is what is bad of another LoRA");
	known[1].nitems = 0;
	ok(!outside(cube, known, 2, "segment_position"),
	   "what is bad of all is bad of this too");
	known[1].nranges = 0;
	item(cube, &known[1], "lora", "3");
	known[1].items[0].code = known[0].items[0].code;
	ok(outside(cube, known, 2, "segment_position") != NULL,
	   "a LoRA that is bad everywhere is not bad through the end");
}

/* three LoRAs and more fail: fewer; and no LoRA at all in the place of one */
static void
test_numbers(void)
{
	FpCubeBuilder *b = fp_builder_create(fp_arena_create(arena, "builder"), 0);
	FpCube		  *cube;
	FpKnownPattern known[2] = {0};
	FpAlternativeOptions options;
	FpAlternatives		*all;
	const FpAlternative *one;

	row(b, "", "5", "1", 1, 4, 100);
	row(b, "1,2", "5", "1", 1, 8, 100);
	row(b, "1,2,3", "5", "1", 1, 40, 100);
	row(b, "1,2,3,4", "5", "1", 1, 40, 100);
	row(b, "7", "5", "1", 1, 50, 100);
	cube = fp_builder_freeze(b, arena);
	members(cube, &known[0], 3, INFINITY);
	one = outside(cube, known, 1, "lora");
	ok(one && one->max == 2 && isinf(one->min) && one->trials == 300 &&
		   one->failures == 62,
	   "fewer members: at most 2, as used");
	members(cube, &known[1], 0, 0);
	ok(!outside(cube, known, 2, "lora"), "not where none is known to be bad");

	/* instead of LoRA 7: none, unless that is known to be bad */
	memset(known, 0, sizeof(known));
	item(cube, &known[0], "lora", "7");
	members(cube, &known[1], 0, 0);
	fp_alternative_defaults(&options);
	all = fp_alternatives(cube, known, 1, choose(cube, "lora", NULL), &options,
						  arena);
	ok(offered(cube, all, "lora", "") != NULL, "no LoRA in the place of one");
	all = fp_alternatives(cube, known, 2, choose(cube, "lora", NULL), &options,
						  arena);
	ok(!offered(cube, all, "lora", "") && offered(cube, all, "lora", "1"),
	   "never where using none is known to be bad");
}

static uint64 state = 7;

static uint32
draw(uint32 n)
{
	state = state * UINT64CONST(6364136223846793005) + 1442695040888963407;
	return (uint32) ((state >> 33) % n);
}

/* ids of values that random cubes have */
static const char *const ids[] = {"1", "2", "3", "4", "5", "6", "7", "8"};

/* n random rows of so many LoRAs, characters and models */
static FpCube *
random_cube(int n, int loras, int characters, int models)
{
	FpCubeBuilder *b = fp_builder_create(fp_arena_create(arena, "builder"), 0);

	for (int i = 0; i < n; i++)
	{
		char set[32] = "";

		for (int j = 0; j < loras; j++)
			if (draw(loras / 2) == 0)
				sprintf(set + strlen(set), "%s%s", *set ? "," : "", ids[j]);
		row(b, draw(20) ? set : NULL, draw(9) ? ids[draw(characters)] : NULL,
			draw(9) ? ids[draw(models)] : NULL, draw(8), draw(4), 3 + draw(6));
	}
	for (int j = 0; j < loras; j++) /* so that all values are there */
		row(b, ids[j], ids[j % characters], ids[j % models], j, 0, 1);
	return fp_builder_freeze(b, arena);
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

/* is a cell in the pattern's context of one of its ranges? */
static bool
in_context(const FpCube *cube, const FpKnownPattern *p, int range, uint64 cell)
{
	if (cube->codes[p->ranges[range].dim][cell] == 0)
		return false;
	for (int i = 0; i < p->nitems; i++)
		if (!holds(cube, cell, p->items[i].dim, p->items[i].code))
			return false;
	for (int i = 0; i < p->nranges; i++)
		if (i != range && !fp_known_range_met(cube, &p->ranges[i], cell))
			return false;
	return true;
}

/* would another known pattern be met through values from min to max? */
static bool
bad_by_hand(const FpKnownPattern *known, int n, const FpKnownPattern *p,
			int range, double min, double max)
{
	for (int k = 0; k < n; k++)
	{
		const FpKnownPattern *other = &known[k];
		bool				  through = false;
		bool				  met = true;

		for (int i = 0; i < other->nitems; i++)
		{
			bool found = false;

			for (int j = 0; j < p->nitems; j++)
				found |= p->items[j].dim == other->items[i].dim &&
						 p->items[j].code == other->items[i].code;
			met &= found;
		}
		for (int i = 0; i < other->nranges; i++)
		{
			const FpKnownRange *r = &other->ranges[i];

			for (int j = 0; j < p->nranges; j++)
				if (j != range && p->ranges[j].dim == r->dim &&
					p->ranges[j].count == r->count)
					met &= p->ranges[j].min <= r->max &&
						   r->min <= p->ranges[j].max;
			if (r->dim == p->ranges[range].dim &&
				r->count == p->ranges[range].count)
			{
				through = true;
				met &= min <= r->max && r->min <= max;
			}
		}
		if (through && met)
			return true;
	}
	return false;
}

/* what should be offered on one side of a range, by hand; else trials is 0 */
static FpAlternative
side_by_hand(const FpCube *cube, const FpKnownPattern *known, int n, int k,
			 int range, bool above, const FpAlternativeOptions *options)
{
	const FpKnownPattern *p = &known[k];
	const FpKnownRange	 *r = &p->ranges[range];
	FpAlternative		  side = {0};
	int64				  own_n = 0, own_f = 0;
	double				  z = fp_normal_two_sided(options->confidence);
	double				  mean, own_mean, variance;

	for (uint64 cell = 0; cell < cube->ncells; cell++)
	{
		uint32 code = cube->codes[r->dim][cell];
		double at;

		if (!in_context(cube, p, range, cell))
			continue;
		at = r->count ? fp_set_size(&cube->dims[r->dim], code)
					  : cube->dims[r->dim].numbers[code - 1];
		if (at >= r->min && at <= r->max)
		{
			own_n += cube->trials[cell];
			own_f += cube->failures[cell];
		}
		else if (above == (at > r->max))
		{
			side.trials += cube->trials[cell];
			side.failures += cube->failures[cell];
		}
	}
	if (own_n > 0 && side.trials >= options->min_trials)
	{
		mean = (side.failures + 0.5) / (side.trials + 1.0);
		own_mean = (own_f + 0.5) / (own_n + 1.0);
		variance = mean * (1 - mean) / (side.trials + 2.0) +
				   own_mean * (1 - own_mean) / (own_n + 2.0);
		if ((double) side.failures / side.trials * options->min_ratio <=
				(double) own_f / own_n &&
			(fp_wilson_interval(side.failures, side.trials, z).upper <
				 fp_wilson_interval(own_f, own_n, z).lower ||
			 fp_normal_cdf((own_mean - mean) / sqrt(variance)) >=
				 options->better) &&
			!bad_by_hand(known, n, p, range,
						 above ? floor(r->max) + 1 : -INFINITY,
						 above ? INFINITY : r->min - 0.5))
			return side;
	}
	side.trials = 0;
	return side;
}

/* alternatives to ranges, all of them, as by hand */
static void
test_random_ranges(void)
{
	int expected = 0;
	int wrong = 0;

	for (int round = 0; round < 60; round++)
	{
		FpCube				*cube;
		FpKnownPattern		 known[30];
		FpAlternativeOptions options;
		FpAlternatives		*all;
		bool				*choosable;
		int					 found = 0;

		cube = random_cube(300, 6, 3, 3);
		memset(known, 0, sizeof(known));
		for (int i = 0; i < 30; i++)
		{
			FpKnownPattern *p = &known[i];
			bool			many = draw(2);

			if (!many && draw(2))
				item(cube, p, "lora", ids[draw(6)]);
			if (draw(2))
				item(cube, p, "character", ids[draw(3)]);
			if (draw(4) == 0)
				item(cube, p, "model", ids[draw(3)]);
			if (many)
				members(cube, p, draw(3), draw(2) ? INFINITY : 3);
			if (!many || draw(3) == 0)
				range(cube, p, 2 + draw(5), draw(3) ? INFINITY : 6);
		}
		fp_alternative_defaults(&options);
		options.better = 0.4; /* many */
		options.min_ratio = 1;
		choosable = choose(cube, "segment_position", "lora");
		all = fp_alternatives(cube, known, 30, choosable, &options, arena);
		for (int k = 0; k < 30; k++)
			for (int i = 0; i < known[k].nranges; i++)
				for (int above = 0; above <= known[k].ranges[i].count; above++)
				{
					const FpKnownRange *r = &known[k].ranges[i];
					FpAlternative		want =
						side_by_hand(cube, known, 30, k, i, above, &options);
					const FpAlternative *got = NULL;

					if (!r->count && !isinf(r->max))
						continue;
					for (int j = 0; j < all->n; j++)
						if (all->list[j].pattern == k &&
							all->list[j].item < 0 && all->list[j].range == i &&
							isinf(all->list[j].max) == above)
							got = &all->list[j];
					expected += want.trials > 0;
					found += got != NULL;
					if (want.trials > 0)
						wrong += got == NULL || got->trials != want.trials ||
								 got->failures != want.failures;
					else
						wrong += got != NULL;
				}
		for (int j = 0; j < all->n; j++)
			found -= all->list[j].item < 0;
		wrong += found != 0;
	}
	ok(expected > 100 && wrong == 0,
	   "in the place of ranges: %d expected by hand, %d otherwise", expected,
	   wrong);
}

static void
test_random(void)
{
	int checked = 0;
	int wrong = 0;

	for (int round = 0; round < 40; round++)
	{
		FpCube				*cube;
		FpKnownPattern		 known[30];
		FpAlternativeOptions options;
		FpAlternatives		*all;

		cube = random_cube(400, 8, 4, 5);
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
			if (!all->list[i].predicted && all->list[i].item >= 0)
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
	test_end();
	test_numbers();
	test_random();
	test_random_ranges();
	fp_arena_delete(arena);
	return unit_done();
}
