/* Levels: Tarone's rule and Holm's steps against brute force. */
#include "unit.h"

#include "mine/gates.h"
#include "mine/mine.h"
#include "mine_data.h"
#include "stats/two_by_two.h"

#define MAX_TESTS 40

/* hypotheses: sizes, best p there can be, p (both as logarithms) */
typedef struct Family
{
	int	   n;
	int64  size[MAX_TESTS];
	double best[MAX_TESTS];
	double log_p[MAX_TESTS];
} Family;

/* ln(alpha / k), for the least k with at most k tests that can reach it */
static double
brute_level(const Family *family, const bool *gone, double alpha)
{
	for (int k = 1;; k++)
	{
		int can = 0;

		for (int i = 0; i < family->n; i++)
			can += !gone[i] && family->best[i] <= log(alpha) - log(k);
		if (can <= k)
			return log(alpha) - log(k);
	}
}

/* all that can be is rejected at once, then again at the level of the rest */
static void
brute_step_down(const Family *family, double alpha, bool *rejected)
{
	bool more = true;

	memset(rejected, 0, sizeof(bool) * MAX_TESTS);
	while (more)
	{
		double level = brute_level(family, rejected, alpha);

		more = false;
		for (int i = 0; i < family->n; i++)
			if (!rejected[i] && family->log_p[i] <= level)
				rejected[i] = more = true;
	}
}

/* one by one, in any order, as the miner does */
static void
one_by_one(const Family *family, Random *r, int64 F, int64 N, double alpha,
		   bool *rejected, FpArena arena)
{
	FpSizes *all = fp_alloc0_array(arena, FpSizes, 1);
	FpSizes *gone = fp_alloc0_array(arena, FpSizes, 1);
	double	*attainable = fp_sizes_attainable(F, N, arena);
	bool	 more = true;

	memset(rejected, 0, sizeof(bool) * MAX_TESTS);
	for (int i = 0; i < family->n; i++)
		fp_sizes_add(all, family->size[i]);
	while (more)
	{
		uint32 from = random_below(r, family->n);
		int64  ntests;
		double level = fp_tarone_level(all, gone, attainable, alpha, &ntests);

		more = false;
		for (int j = 0; j < family->n && !more; j++)
		{
			int i = (int) (from + j) % family->n;

			if (rejected[i] || family->log_p[i] > level)
				continue;
			rejected[i] = more = true;
			fp_sizes_add(gone, family->size[i]);
		}
	}
}

static void
check_steps(int64 N, int64 F, double alpha)
{
	Random r = {(uint64) (N * 31 + F)};
	int	   stepped = 0, wrong_level = 0, wrong_sets = 0, not_monotone = 0;

	for (int run = 0; run < 300; run++)
	{
		FpArena	 arena = fp_arena_create(NULL, "run");
		FpSizes *all = fp_alloc0_array(arena, FpSizes, 1);
		double	*attainable = fp_sizes_attainable(F, N, arena);
		Family	 family;
		bool	 none[MAX_TESTS] = {false};
		bool	 brute[MAX_TESTS], ours[MAX_TESTS];
		int		 first = 0, last = 0;
		int64	 ntests;
		double	 level;

		family.n = 1 + random_below(&r, MAX_TESTS);
		for (int i = 0; i < family.n; i++)
		{
			int64 n = 1 + random_below(&r, (uint32) Min(N / 2, 60));
			int64 most = Min(n, F);
			int64 a = most - random_below(&r, (uint32) Min(most, 8) + 1);

			/* most have no effect; of few trials none can be seen */
			if (random_unit(&r) < 0.5)
				a = Min(most, (int64) (n * F / N + 1));
			family.size[i] = n;
			family.best[i] = fp_hyper_log_min_upper(n, F, N);
			family.log_p[i] = fp_hyper_log_upper(a, n, F, N);
			fp_sizes_add(all, n);
		}
		level = fp_tarone_level(all, NULL, attainable, alpha, &ntests);
		wrong_level += !near(level, brute_level(&family, none, alpha), 1e-12);
		brute_step_down(&family, alpha, brute);
		one_by_one(&family, &r, F, N, alpha, ours, arena);
		wrong_sets += memcmp(brute, ours, sizeof(bool) * family.n) != 0;
		for (int i = 0; i < family.n; i++)
		{
			first += family.log_p[i] <= level;
			last += brute[i];
		}
		stepped += last > first;

		/* the level of fewer is never lower */
		for (int i = 0; i < family.n; i++)
		{
			bool   fewer[MAX_TESTS] = {false};
			double before = level;

			for (int j = 0; j < 5; j++)
			{
				double now;

				fewer[random_below(&r, family.n)] = true;
				now = brute_level(&family, fewer, alpha);
				not_monotone += now < before;
				before = now;
			}
		}
		fp_arena_delete(arena);
	}
	ok(wrong_level == 0, "level as by brute force, F = %d of N = %d", (int) F,
	   (int) N);
	ok(wrong_sets == 0,
	   "one by one, in any order, rejects what steps of all at once do");
	ok(not_monotone == 0, "fewer tests have no lower level");
	ok(stepped > 10, "steps reject more than one step does: in %d runs of 300",
	   stepped);
}

/*
 * Values 1 .. nstrong of a dimension fail nearly always, the next one some
 * more often than the other ones.
 */
static FpMineResult *
mine_values(int nstrong, int64 near_failures, FpDirection direction,
			FpArena arena)
{
	FpDimKind	  kinds[] = {FP_NOMINAL};
	uint32		  cards[] = {12};
	FpCube		 *cube = data_cube(arena, 1, kinds, cards, 12);
	FpMineOptions options;

	for (int i = 0; i < 12; i++)
	{
		bool strong = i < nstrong;

		cube->codes[0][i] = i + 1;
		cube->trials[i] = strong ? 30 : i == nstrong ? 100 : 1500;
		cube->failures[i] = strong ? 20 : i == nstrong ? near_failures : 150;
		if (direction == FP_BETTER)
			cube->failures[i] = cube->trials[i] - cube->failures[i];
	}
	fp_mine_defaults(&options);
	options.max_arity = 1;
	options.direction = direction;
	/* passes are never many times as frequent as passes */
	options.min_risk_ratio = direction == FP_BETTER ? 1 : 1.2;
	return fp_mine(cube, &options, arena);
}

static void
check_mined_steps(FpDirection direction)
{
	const char *name = direction == FP_BETTER ? "better" : "worse";
	FpArena		arena = fp_arena_create(NULL, "test");
	int64		f = 10;
	double		first = 0.05 / 12, log_p;
	int64		N = 5 * 30 + 100 + 6 * 1500, F = 5 * 20 + 6 * 150;

	/* a p between the level of one step and that after five of them */
	do
	{
		f++;
		log_p = fp_hyper_log_upper(f, 100, F + f, N);
	} while (exp(log_p) > 0.05 / 7);
	ok(exp(log_p) > first, "%s: the sixth does not pass in a single step",
	   name);
	ok(mine_values(5, f, direction, arena)->npatterns == 6,
	   "%s: it passes when five others have", name);
	ok(near(mine_values(5, f, direction, arena)->level[1], 0.05 / 6, 1e-9),
	   "%s: what is left shares alpha among six", name);
	ok(mine_values(5, f - 1, direction, arena)->npatterns == 5,
	   "%s: not with one failure less", name);
	fp_arena_delete(arena);
}

int
main(void)
{
	check_steps(200, 20, 0.05);
	check_steps(200, 100, 0.05);
	check_steps(3000, 250, 0.025);
	check_steps(500, 60, 0.2);
	check_mined_steps(FP_WORSE);
	check_mined_steps(FP_BETTER);
	return unit_done();
}
