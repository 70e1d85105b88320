/*
 * What a fix did: who counts as with it, who as without, who as neither.
 */
#include "cube/build.h"
#include "mine/effects.h"
#include "unit.h"

static FpArena arena;

static void
row(FpCubeBuilder *b, const char *first, const char *second,
	const char *character, double position, int64 failures, int64 trials)
{
	uint32 codes[3];
	FpText members[2];
	uint32 n = 0;
	int	   lora = fp_builder_dim(b, "lora", 4, FP_SET);
	int	   who = fp_builder_dim(b, "character", 9, FP_NOMINAL);
	int	   where = fp_builder_dim(b, "segment_position", 16, FP_ORDINAL);

	if (first)
		members[n++] = (FpText){first, 1};
	if (second)
		members[n++] = (FpText){second, 1};
	codes[lora] = fp_builder_set(b, lora, members, n);
	codes[who] = fp_builder_value(b, who, character, 1);
	codes[where] = fp_builder_number(b, where, position);
	fp_builder_add_checks(b, codes, trials, failures, NULL, NULL, 0);
}

static FpKnownItem
item(const FpCube *cube, const char *dim, const char *value)
{
	FpKnownItem i;

	i.dim = fp_cube_find_dim(cube, dim, strlen(dim));
	i.code = fp_cube_find_value(&cube->dims[i.dim], value, 1);
	return i;
}

static bool
is(const FpFixCounts *c, int64 without_failures, int64 without,
   int64 with_failures, int64 with)
{
	return c->without_failures == without_failures &&
		   c->without_trials == without && c->with_failures == with_failures &&
		   c->with_trials == with;
}

int
main(void)
{
	FpCubeBuilder *b;
	FpCube		  *cube;
	FpFix		   fixes[4];
	FpFixCounts	   counts[4];
	FpFixCounts	   rest;

	arena = fp_arena_create(NULL, "test");
	b = fp_builder_create(fp_arena_create(arena, "builder"), 0);
	row(b, "3", NULL, "5", 6, 50, 100);	 /* the pattern */
	row(b, "3", "4", "5", 6, 7, 10);	 /* and the fix, at once */
	row(b, "4", NULL, "5", 7, 9, 90);	 /* the fix */
	row(b, "4", NULL, "6", 7, 20, 60);	 /* of another character */
	row(b, NULL, NULL, "5", 8, 3, 30);	 /* no LoRA */
	row(b, NULL, NULL, "5", 2, 11, 200); /* not at 6+ */
	cube = fp_builder_freeze(b, arena);

	memset(fixes, 0, sizeof(fixes));
	for (int i = 0; i < 4; i++)
	{
		FpKnownPattern *p = &fixes[i].pattern;

		fixes[i].pattern_known = true;
		p->nitems = 2;
		p->items[0] = item(cube, "lora", "3");
		p->items[1] = item(cube, "character", "5");
		p->nranges = 1;
		p->ranges[0].dim = fp_cube_find_dim(cube, "segment_position", 16);
		p->ranges[0].min = 6;
		p->ranges[0].max = INFINITY;
		fixes[i].context = *p;
		fixes[i].context.nitems = 1;
		fixes[i].context.items[0] = p->items[1];
	}
	/* 1: LoRA 4 instead; 2: no LoRA; 3: a value that the cube lacks */
	fixes[1].visible = fixes[2].visible = fixes[3].visible = true;
	fixes[1].instead = fixes[2].instead = fixes[3].instead = true;
	fixes[1].with_known = fixes[2].with_known = true;
	fixes[1].with.nitems = 1;
	fixes[1].with.items[0] = item(cube, "lora", "4");
	fixes[2].nempty = 1;
	fixes[2].empty[0] = fixes[1].with.items[0].dim;

	fp_fix_counts(cube, fixes, 4, counts, &rest);
	ok(is(&counts[0], 57, 110, 0, 0),
	   "a fix that cannot be seen: all of the pattern");
	ok(is(&counts[1], 50, 100, 9, 90),
	   "another LoRA in the same context; both at once are neither");
	ok(is(&counts[2], 57, 110, 3, 30), "no LoRA at all");
	ok(is(&counts[3], 57, 110, 0, 0), "what was never used");
	ok(is(&rest, 31, 260, 0, 0),
	   "the rest has met none of the patterns and used none of the fixes");
	fp_arena_delete(arena);
	return unit_done();
}
