/* The miner: counts against brute force, planted truth, pure noise. */
#include "unit.h"

#include "mine/gates.h"
#include "mine/mine.h"
#include "mine/tally.h"
#include "mine_data.h"

/* ------------------------------------------------ counts, brute force */

/* a combination as text, and its counts */
typedef struct Entry
{
	char	key[200];
	FpCount count;
} Entry;

typedef struct Entries
{
	Entry		  *entries;
	int			   n;
	int			   capacity;
	const FpTally *tally;
} Entries;

static void
add_entry(Entries *list, const char *key, FpCount count)
{
	if (list->n == list->capacity)
	{
		list->capacity = list->capacity ? list->capacity * 2 : 1024;
		list->entries = realloc(list->entries, sizeof(Entry) * list->capacity);
	}
	snprintf(list->entries[list->n].key, sizeof(list->entries[0].key), "%s",
			 key);
	list->entries[list->n++].count = count;
}

static int
compare_entries(const void *a, const void *b)
{
	return strcmp(((const Entry *) a)->key, ((const Entry *) b)->key);
}

static void
show_context(void *arg, bool screen, const FpNode *node, uint32 parent_id,
			 uint32 code, FpCount count)
{
	Entries		  *list = arg;
	const FpTally *tally = list->tally;
	uint32		   codes[FP_MAX_ARITY];
	char		   key[120] = "";

	if (!screen)
		return;
	fp_tally_codes(node->parent, parent_id, codes);
	codes[node->depth - 1] = code;
	for (int i = 0; i < node->depth; i++)
	{
		const FpSlot *slot = &tally->slots[node->slots[i]];
		uint32		 *value = slot->values[codes[i]];

		snprintf(key + strlen(key), sizeof(key) - strlen(key), "%d:%u+%u ",
				 slot->dim, value[0],
				 slot->kind == FP_COND_PAIR ? value[1] : 0);
	}
	add_entry(list, key, count);
}

static void
show_vector(void *arg, bool screen, const FpVector *vector, uint32 id,
			FpCount *counts)
{
	Entries		  *list = arg;
	const FpTally *tally = list->tally;
	const FpNode  *node = vector->node;
	uint32		   codes[FP_MAX_ARITY];
	char		   context[120] = "";
	const FpAxis  *x = &tally->axes[vector->axes[0]];
	const FpAxis  *y =
		 vector->naxes == 2 ? &tally->axes[vector->axes[1]] : NULL;

	if (!screen)
		return;
	fp_tally_codes(node, id, codes);
	for (int i = 0; i < node->depth; i++)
	{
		const FpSlot *slot = &tally->slots[node->slots[i]];
		uint32		 *value = slot->values[codes[i]];

		snprintf(context + strlen(context), sizeof(context) - strlen(context),
				 "%d:%u+%u ", slot->dim, value[0],
				 slot->kind == FP_COND_PAIR ? value[1] : 0);
	}
	for (uint32 a = 1; a <= x->nbins; a++)
		for (uint32 b = 1; b <= (y ? y->nbins : 1); b++)
		{
			char	key[200];
			FpCount count = counts[y ? a * (y->nbins + 1) + b : a];

			if (count.n == 0)
				continue;
			snprintf(key, sizeof(key), "%s|%d%s=%u", context, x->dim,
					 x->counts ? "#" : "", x->first_code[a]);
			if (y)
				snprintf(key + strlen(key), sizeof(key) - strlen(key),
						 "|%d%s=%u", y->dim, y->counts ? "#" : "",
						 y->first_code[b]);
			add_entry(list, key, count);
		}
}

static void
table_done(void *arg, bool screen)
{
	(void) arg;
	(void) screen;
}

static FpCount
count_cells(const FpCube *cube, const bool *cells)
{
	FpCount count = {0, 0};

	for (uint64 i = 0; i < cube->ncells; i++)
		if (cells[i])
		{
			count.n += cube->trials[i];
			count.f += cube->failures[i];
		}
	return count;
}

static int
count_ranges(const char *ranges)
{
	int n = 0;

	for (; *ranges != '\0'; ranges++)
		n += *ranges == '|';
	return n;
}

/*
 * All combinations from dimension d on, of the cells whose flag is set; those
 * of the context alone, without its ranges, are flagged in within.
 */
static void
brute(const FpCube *cube, int d, int order, int max_order, int min_trials,
	  const char *context, const char *ranges, const bool *cells,
	  const bool *within, Entries *list)
{
	const FpDim *dim = &cube->dims[d];
	bool		*next;
	bool		*narrower;
	char		 key[200];

	if (count_cells(cube, within).n < min_trials ||
		count_ranges(ranges) > FP_MAX_AXES_AT_ONCE)
		return;
	if (d == cube->ndims)
	{
		FpCount count = count_cells(cube, cells);

		if (order == 0 || count.n == 0)
			return;
		snprintf(key, sizeof(key), "%s%s", context, ranges);
		add_entry(list, key, count);
		return;
	}
	brute(cube, d + 1, order, max_order, min_trials, context, ranges, cells,
		  within, list);
	if (dim->kind == FP_STRATUM || order == max_order)
		return;
	next = malloc(cube->ncells);
	narrower = malloc(cube->ncells);
	for (uint32 code = 1; dim->kind == FP_SET && code <= 3; code++)
	{
		char more[200];

		for (uint64 i = 0; i < cube->ncells; i++)
			next[i] = cells[i] && cube->codes[d][i] != 0 &&
					  fp_set_size(dim, cube->codes[d][i]) == code - 1;
		snprintf(more, sizeof(more), "%s|%d#=%u", ranges, d, code);
		brute(cube, d + 1, order + 1, max_order, min_trials, context, more,
			  next, within, list);
	}
	for (uint32 v = 1; v <= dim->nvalues; v++)
	{
		for (uint32 w = 0; w <= dim->nvalues; w++)
		{
			char more[200];

			if (w > 0 &&
				(dim->kind != FP_SET || w <= v || order + 2 > max_order))
				continue;
			for (uint64 i = 0; i < cube->ncells; i++)
			{
				narrower[i] =
					within[i] && (dim->kind == FP_SET
									  ? data_has(cube, d, i, v) &&
											(w == 0 || data_has(cube, d, i, w))
									  : cube->codes[d][i] == v);
				next[i] = cells[i] && narrower[i];
			}
			if (dim->kind == FP_ORDINAL)
			{
				snprintf(more, sizeof(more), "%s|%d=%u", ranges, d, v);
				brute(cube, d + 1, order + 1, max_order, min_trials, context,
					  more, next, within, list);
			}
			else
			{
				snprintf(more, sizeof(more), "%s%d:%u+%u ", context, d, v, w);
				brute(cube, d + 1, order + 1 + (w > 0), max_order, min_trials,
					  more, ranges, next, narrower, list);
			}
		}
	}
	free(next);
	free(narrower);
}

static FpCube *
random_cube(FpArena arena, uint64 seed, uint64 nrows, int scale)
{
	FpDimKind kinds[] = {FP_NOMINAL, FP_SET,	 FP_STRATUM,
						 FP_NOMINAL, FP_ORDINAL, FP_ORDINAL};
	uint32	  cards[] = {3, 4, 5, 7, 4, 3};
	Random	  r = {seed};
	FpCube	 *cube = data_cube(arena, 6, kinds, cards, nrows);

	data_sets(arena, &cube->dims[1]);
	for (uint64 i = 0; i < nrows; i++)
	{
		for (int d = 0; d < 6; d++)
		{
			uint32 n = d == 1 ? cube->dims[1].nsets : cards[d];

			/* skewed, with nulls */
			cube->codes[d][i] =
				(uint32) (random_unit(&r) * random_unit(&r) * (n + 1));
		}
		cube->trials[i] = 1 + random_below(&r, 3) * scale;
		cube->failures[i] = random_below(&r, cube->trials[i] + 1);
	}
	cube->total_trials = 0;
	for (uint64 i = 0; i < nrows; i++)
		cube->total_trials += cube->trials[i];
	data_finish(cube);
	return cube;
}

static void
check_counts(uint64 seed, int max_order, int min_trials, size_t limit,
			 int scale)
{
	FpArena		   arena = fp_arena_create(NULL, "test");
	FpCube		  *cube = random_cube(arena, seed, 400, scale);
	Entries		   expected = {0};
	Entries		   got = {0};
	bool		  *all = malloc(cube->ncells);
	FpTallyVisitor visitor = {&got, show_context, show_vector, table_done};
	FpTally		  *tally;
	bool		   same;

	memset(all, 1, cube->ncells);
	brute(cube, 0, 0, max_order, min_trials, "", "", all, all, &expected);
	tally = fp_tally_create(cube, cube->failures, NULL, min_trials, max_order,
							limit, arena);
	got.tally = tally;
	for (int order = 1; order <= max_order; order++)
		fp_tally_order(tally, order, &visitor);
	qsort(expected.entries, expected.n, sizeof(Entry), compare_entries);
	qsort(got.entries, got.n, sizeof(Entry), compare_entries);
	same = expected.n == got.n;
	for (int i = 0; same && i < got.n; i++)
		same = strcmp(got.entries[i].key, expected.entries[i].key) == 0 &&
			   got.entries[i].count.n == expected.entries[i].count.n &&
			   got.entries[i].count.f == expected.entries[i].count.f;
	ok(same && got.n > 50,
	   "seed %d, order %d, min %d, limit %zu, scale %d: counts are those of "
	   "brute force (%d, %d)",
	   (int) seed, max_order, min_trials, limit, scale, got.n, expected.n);
	free(all);
	free(expected.entries);
	free(got.entries);
	fp_arena_delete(arena);
}

/* ------------------------------------------------------ planted truth */

/* observations over 6 x 8 x sets of 20 x 30 x 12 positions */
static FpCube *
usage(FpArena arena, Random *r, uint64 nrows)
{
	FpDimKind kinds[] = {FP_NOMINAL, FP_NOMINAL, FP_SET, FP_NOMINAL,
						 FP_ORDINAL};
	uint32	  cards[] = {6, 8, 20, 30, 12};
	FpCube	 *cube = data_cube(arena, 5, kinds, cards, nrows);

	data_sets(arena, &cube->dims[2]);
	for (uint64 i = 0; i < nrows; i++)
	{
		for (int d = 0; d < 5; d++)
			cube->codes[d][i] = 1 + random_below(r, cards[d]);
		if (random_unit(r) < 0.3)
		{
			uint32 a = 1 + random_below(r, 20);
			uint32 b = 1 + random_below(r, 20);

			if (a != b)
				cube->codes[2][i] = data_pair(&cube->dims[2], a, b);
		}
	}
	return cube;
}

static void
fail_by(FpCube *cube, Random *r, double (*rate)(const FpCube *, uint64))
{
	for (uint64 i = 0; i < cube->ncells; i++)
		cube->failures[i] = random_unit(r) < rate(cube, i);
	data_finish(cube);
}

static double
triple(const FpCube *cube, uint64 i)
{
	return data_has(cube, 2, i, 3) && cube->codes[3][i] == 5 &&
				   cube->codes[4][i] >= 6
			   ? 0.5
			   : 0.08;
}

static double
pair_of_members(const FpCube *cube, uint64 i)
{
	return data_has(cube, 2, i, 7) && data_has(cube, 2, i, 9) ? 0.6 : 0.08;
}

static double
two_effects(const FpCube *cube, uint64 i)
{
	return 0.08 * (cube->codes[1][i] == 4 ? 2.5 : 1) *
		   (cube->codes[4][i] >= 9 ? 2 : 1);
}

static double
interval(const FpCube *cube, uint64 i)
{
	return cube->codes[4][i] >= 4 && cube->codes[4][i] <= 6 ? 0.16 : 0.08;
}

static double
good_one(const FpCube *cube, uint64 i)
{
	return cube->codes[3][i] == 11 ? 0.1 : 0.3;
}

static double
alias(const FpCube *cube, uint64 i)
{
	return cube->codes[0][i] == 2 ? 0.3 : 0.1;
}

static void
check_planted(const char *name, double (*rate)(const FpCube *, uint64),
			  uint64 nrows, FpDirection direction, const char *expected)
{
	for (uint64 seed = 1; seed <= 3; seed++)
	{
		FpArena		  arena = fp_arena_create(NULL, "test");
		Random		  r = {seed};
		FpCube		 *cube = usage(arena, &r, nrows);
		FpMineOptions options;
		FpMineResult *result;

		if (rate == alias)
			/* dimension 1 says the same as dimension 0 */
			for (uint64 i = 0; i < nrows; i++)
				cube->codes[1][i] = cube->codes[0][i] + 1;
		fail_by(cube, &r, rate);
		fp_mine_defaults(&options);
		options.direction = direction;
		result = fp_mine(cube, &options, arena);
		ok(strcmp(told(result), expected) == 0,
		   "%s, seed %d: exactly that is found (%s)", name, (int) seed,
		   told(result));
		fp_arena_delete(arena);
	}
}

/* -------------------------------------------------------- confounding */

/* the verdict on a dimension for the first pattern, or -1 */
static int
verdict_on(const FpMineResult *result, int dim)
{
	if (result->npatterns > 0)
		for (int i = 0; i < result->patterns[0].nconfounders; i++)
			if (result->patterns[0].confounders[i].dim == dim)
				return (int) result->patterns[0].confounders[i].verdict;
	return -1;
}

static void
check_confounding(void)
{
	for (int kind = 0; kind < 4; kind++)
		for (uint64 seed = 1; seed <= 2; seed++)
		{
			FpArena		  arena = fp_arena_create(NULL, "test");
			Random		  r = {seed};
			FpCube		 *cube = usage(arena, &r, 60000);
			FpMineOptions options;
			FpMineResult *result;

			for (uint64 i = 0; i < cube->ncells; i++)
			{
				uint32 *workflow = &cube->codes[0][i];
				uint32 *character = &cube->codes[3][i];
				double	rate = 0.1;

				switch (kind)
				{
					case 0:
						/* character 5 mostly with the bad workflow 2 */
						if (*character == 5 && random_unit(&r) < 0.7)
							*workflow = 2;
						rate = *workflow == 2 ? 0.3 : 0.1;
						break;
					case 1:
						/* bad character 5, with workflow 2 only */
						if (*character == 5)
							*workflow = 2;
						rate = *character == 5 ? 0.3 : 0.1;
						break;
					case 2:
						/* character 5 is good in each workflow, and used in
						 * the bad ones: bad on the whole */
						if (*character == 5)
							*workflow = 5 + random_below(&r, 2);
						rate = *workflow >= 5 ? 0.4 : 0.05;
						if (*character == 5)
							rate *= 0.8;
						break;
					default:
						/* nobody else uses workflow 2, nor it another */
						if (*character == 5)
							*workflow = 2;
						else if (*workflow == 2)
							*workflow = 3;
						rate = *character == 5 ? 0.3 : 0.1;
						break;
				}
				cube->failures[i] = random_unit(&r) < rate;
			}
			data_finish(cube);
			fp_mine_defaults(&options);
			result = fp_mine(cube, &options, arena);
			if (kind == 0)
				ok(strcmp(told(result), "0=2") == 0,
				   "what goes with a bad workflow is not blamed: %s",
				   told(result));
			else if (kind == 1)
				ok(strcmp(told(result), "3=5") == 0 &&
					   verdict_on(result, 0) == FP_SUPPORTED,
				   "what is bad within its only workflow is supported: %s",
				   told(result));
			else if (kind == 2)
				ok(strstr(told(result), "3=5") == NULL &&
					   result->npatterns == 2,
				   "Simpson: good everywhere, bad on the whole, is not bad: "
				   "%s",
				   told(result));
			else
				ok(result->npatterns == 1 && result->patterns[0].nsame == 1 &&
					   (verdict_on(result, 0) == FP_NOT_IDENTIFIABLE ||
						verdict_on(result, 3) == FP_NOT_IDENTIFIABLE),
				   "two that always go together are one pattern: %s",
				   told(result));
			fp_arena_delete(arena);
		}
}

/* ----------------------------------------------- noise with structure */

/*
 * Days that have rates and favourites of their own, or jobs that have rates
 * of their own: with the dimension given, (nearly) nothing is found; without
 * it a lot, so the data would show an engine that does not look.
 */
static void
check_structured_noise(bool jobs, int runs)
{
	int found[2] = {0, 0};

	for (int seed = 0; seed < runs; seed++)
		for (int given = 0; given < 2; given++)
		{
			FpArena	  arena = fp_arena_create(NULL, "test");
			FpDimKind kinds[] = {FP_NOMINAL, FP_NOMINAL, FP_ORDINAL,
								 FP_STRATUM};
			uint32	  cards[] = {8, 30, 12, jobs ? 500 : 30};
			Random	  r = {(uint64) seed + 77};
			FpCube *cube = data_cube(arena, given ? 4 : 3, kinds, cards, 6000);
			double	effect = 0;
			FpMineOptions options;
			uint32		  code[4] = {0};

			cube->ndims = 3;
			for (uint64 i = 0; i < cube->ncells; i++)
			{
				uint32 stratum = 1 + (uint32) (i * cards[3] / 6000);

				if (stratum != code[3])
				{
					effect = random_normal(&r);
					for (int d = 0; d < 2; d++)
						code[d] = 1 + random_below(&r, cards[d]);
					code[3] = stratum;
				}
				for (int d = 0; d < 2; d++)
					cube->codes[d][i] = jobs || random_unit(&r) < 0.4
											? code[d]
											: 1 + random_below(&r, cards[d]);
				cube->codes[2][i] = 1 + (uint32) (i % 12);
				if (given)
					cube->codes[3][i] = stratum;
				cube->failures[i] =
					random_unit(&r) < 1 / (1 + exp(1.5 - effect));
			}
			if (given)
			{
				cube->ndims = 4;
				if (jobs)
				{
					cube->dims[3].name.data = "job";
					cube->dims[3].name.len = 3;
				}
			}
			data_finish(cube);
			fp_mine_defaults(&options);
			found[given] += fp_mine(cube, &options, arena)->npatterns > 0;
			fp_arena_delete(arena);
		}
	ok(found[1] <= runs * 0.05 + 2 * sqrt(runs * 0.05 * 0.95),
	   "%s given: %d of %d runs of noise find something",
	   jobs ? "jobs" : "days", found[1], runs);
	ok(found[0] > runs / 2, "not given: %d", found[0]);
}

static double noise_rate;

static double
noise(const FpCube *cube, uint64 i)
{
	(void) cube;
	(void) i;
	return noise_rate;
}

/* Runs of pure noise that report anything: at most alpha + 2 se of them. */
static void
check_noise(uint64 nrows, double rate, int runs, FpDirection direction)
{
	int found = 0;

	noise_rate = rate;
	for (int seed = 0; seed < runs; seed++)
	{
		FpArena		  arena = fp_arena_create(NULL, "test");
		Random		  r = {(uint64) seed * 7919 + nrows};
		FpCube		 *cube = usage(arena, &r, nrows);
		FpMineOptions options;

		fail_by(cube, &r, noise);
		fp_mine_defaults(&options);
		/* no lift asked for, so that the test alone must hold */
		options.min_risk_ratio = 1;
		options.direction = direction;
		found += fp_mine(cube, &options, arena)->npatterns > 0;
		fp_arena_delete(arena);
	}
	ok(found <= runs * 0.05 + 2 * sqrt(runs * 0.05 * 0.95),
	   "%d observations of noise failing at %g: %d of %d runs find something",
	   (int) nrows, rate, found, runs);
}

static void
check_options(void)
{
	FpArena		  arena = fp_arena_create(NULL, "test");
	FpCube		 *cube = random_cube(arena, 1, 100, 1);
	FpMineOptions options;

#define REFUSES(field, value)                                         \
	do                                                                \
	{                                                                 \
		fp_mine_defaults(&options);                                   \
		options.field = (value);                                      \
		ok(RAISES(FP_ERR_DATA, fp_mine(cube, &options, arena)),       \
		   #field " = " #value " is refused");                        \
		ok(strstr(fp_error_message, #field) != NULL, "and named: %s", \
		   fp_error_message);                                         \
	} while (0)
	REFUSES(max_arity, 0);
	REFUSES(max_arity, 7);
	REFUSES(alpha, 0);
	REFUSES(alpha, 1);
	REFUSES(alpha, NAN);
	REFUSES(min_trials, 0);
	REFUSES(min_risk_ratio, 0.9);
	REFUSES(min_risk_ratio, NAN);
	REFUSES(direction, 0);
	REFUSES(check, 0);
	fp_mine_defaults(&options);
	options.memory_limit = 1000;
	ok(RAISES(FP_ERR_LIMIT, fp_mine(cube, &options, arena)),
	   "a memory limit that is too small is an error: %s", fp_error_message);
	fp_arena_delete(arena);
}

/* Everything fails, nothing fails, no cells: no patterns, no error. */
static void
check_degenerate(void)
{
	FpArena		  arena = fp_arena_create(NULL, "test");
	FpCube		 *cube = random_cube(arena, 1, 100, 1);
	FpMineOptions options;

	fp_mine_defaults(&options);
	for (uint64 i = 0; i < cube->ncells; i++)
		cube->failures[i] = 0;
	data_finish(cube);
	ok(fp_mine(cube, &options, arena)->npatterns == 0, "nothing fails");
	for (uint64 i = 0; i < cube->ncells; i++)
		cube->failures[i] = cube->trials[i];
	data_finish(cube);
	ok(fp_mine(cube, &options, arena)->npatterns == 0, "everything fails");
	cube->ncells = 0;
	cube->total_trials = 0;
	data_finish(cube);
	ok(fp_mine(cube, &options, arena)->npatterns == 0, "no cells");
	fp_arena_delete(arena);
}

/* Stratified tails against exact ones: the p within a tenth. */
static void
check_strata(void)
{
	FILE	   *file = fopen("test/fixtures/strata_tail.txt", "r");
	static char line[4096];
	int			cases = 0;

	while (file && fgets(line, sizeof(line), file))
	{
		FpCount		 part[100], whole[100];
		const char	*at = line;
		double		 expected;
		uint32		 n = 0;
		int			 used = 0;
		FpStrataTest test;

		if (sscanf(at, "%lf%n", &expected, &used) != 1)
			continue;
		at += used;
		while (n < 100 &&
			   sscanf(at, "%ld,%ld,%ld,%ld%n", &part[n].f, &part[n].n,
					  &whole[n].f, &whole[n].n, &used) == 4)
		{
			at += used;
			n++;
		}
		for (int direction = FP_WORSE; direction <= FP_BETTER; direction++)
		{
			FpCount p[100], w[100];

			/* for the other direction, passes become failures */
			for (uint32 k = 0; k < n; k++)
			{
				p[k] = part[k];
				w[k] = whole[k];
				if (direction == FP_BETTER)
				{
					p[k].f = p[k].n - p[k].f;
					w[k].f = w[k].n - w[k].f;
				}
			}
			test = fp_strata_test(direction, p, w, n, 1.96);
			ok(fabs(test.log_p - expected) < 0.1,
			   "%d strata: ln p is %.4f, exactly %.4f", (int) n, test.log_p,
			   expected);
		}
		cases++;
	}
	ok(cases == 8, "all cases were read");
	if (file)
		fclose(file);
}

static int countdown;

static void
interrupt(void)
{
	if (countdown-- == 0)
		fp_error(FP_ERR_LIMIT, NULL, NULL, "interrupted");
}

int
main(void)
{
	for (int seed = 1; seed <= 4; seed++)
	{
		check_counts(seed, 3, 20, 0, 1);
		check_counts(seed, 4, 1, 0, 1);
	}
	check_counts(5, 6, 10, 0, 1);
	/* too little memory for all tables at once: more passes, and hashing */
	check_counts(6, 3, 5, 600000, 1);
	check_counts(6, 4, 5, 1200000, 1);
	/* counts beyond 32 bits */
	check_counts(7, 3, 100, 0, 50000000);

	check_planted("triple", triple, 200000, FP_WORSE, "2=3 3=5 4:6-0");
	check_planted("pair of members", pair_of_members, 100000, FP_WORSE,
				  "2=7+9");
	check_planted("two effects, no echo of both", two_effects, 100000,
				  FP_WORSE, "1=4; 4:9-0");
	check_planted("interval", interval, 100000, FP_WORSE, "4:4-6");
	check_planted("better", good_one, 50000, FP_BETTER, "3=11");
	check_planted("worse does not see what is better", good_one, 50000,
				  FP_WORSE, "");
	check_planted("both", good_one, 50000, FP_BOTH, "3=11");
	check_planted("the same by two names is told once", alias, 20000, FP_WORSE,
				  "0=2");

	check_noise(500, 0.3, 200, FP_WORSE);
	check_noise(500, 0.6, 100, FP_BOTH);
	check_noise(5000, 0.02, 100, FP_WORSE);
	check_noise(5000, 0.1, 100, FP_BETTER);

	check_strata();
	check_confounding();
	check_structured_noise(false, 40);
	check_structured_noise(true, 40);
	check_options();
	check_degenerate();

	{
		FpArena		  arena = fp_arena_create(NULL, "test");
		Random		  r = {1};
		FpCube		 *cube = usage(arena, &r, 20000);
		FpMineOptions options;

		fail_by(cube, &r, triple);
		fp_mine_defaults(&options);
		fp_interrupt_hook = interrupt;
		countdown = 40;
		ok(RAISES(FP_ERR_LIMIT, fp_mine(cube, &options, arena)),
		   "mining can be interrupted");
		fp_interrupt_hook = NULL;
		fp_arena_delete(arena);
	}
	return unit_done();
}
