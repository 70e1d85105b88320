/*
 * Which of the changes that many series show are causes of their own.
 *
 * Counts are of series 0 (everything) and two values, 1 and 2, which occur
 * together in some of their uses; 40 periods of 1,000 observations.  What
 * fails is the expected number, rounded, so there is no chance in it.
 */
#include "predict/steps.h"
#include "unit.h"

#define PERIODS 40
#define LEVEL 1e-4

static FpArena arena;

/* of all observations the share with value 1 only, 2 only, both, none */
static const double shares[4] = {0.2, 0.2, 0.1, 0.5};
static const uint32 series_of[4] = {1 | 2, 1 | 4, 1 | 2 | 4, 1};

typedef struct Cause
{
	uint32 series; /* bits: all of them; 1: everything */
	int	   from;
	double log_odds;
} Cause;

static FpCellTable *
make_rows(const Cause *causes, int n)
{
	FpCellTable *rows = fp_alloc0(arena, sizeof(FpCellTable));
	const uint8	 bits[2] = {24, FP_STEP_SERIES};

	fp_cells_layout(arena, rows, 2, bits);
	for (int p = 0; p < PERIODS; p++)
		for (int k = 0; k < 4; k++)
		{
			uint32 codes[2] = {(uint32) p, series_of[k]};
			double eta = k == 3 ? -2.5 : -2.2;
			int64  trials = (int64) (1000 * shares[k]);

			for (int i = 0; i < n; i++)
				if (p >= causes[i].from &&
					(series_of[k] & causes[i].series) == causes[i].series)
					eta += causes[i].log_odds;
			/* the fractions over the periods are not lost */
			fp_cells_count(
				arena, rows, codes, trials,
				(int64) floor((p % 10 + 1) * trials / (1 + exp(-eta))) -
					(int64) floor((p % 10) * trials / (1 + exp(-eta))));
		}
	return rows;
}

static FpStep
step(int series, int from, double gain)
{
	FpStep s = {series, 0,	  from, PERIODS, PERIODS + 1,
				1,		gain, 1e-9, 1,		 PERIODS};

	return s;
}

static void
test_one(void)
{
	const Cause	 cause[] = {{2, 20, 1.0}};
	const FpStep steps[] = {step(0, 20, 90), step(1, 20, 300),
							step(2, 20, 60)};
	int			 parents[3];

	fp_steps_merge(arena, make_rows(cause, 1), steps, 3, LEVEL, parents);
	ok(parents[1] == FP_STEP_TOLD, "the value that changed is told");
	ok(parents[0] == 1, "everything is part of it");
	ok(parents[2] == 1, "so is a value that goes with it");
}

static void
test_everything(void)
{
	const Cause	 cause[] = {{1, 20, 0.8}};
	const FpStep steps[] = {step(0, 20, 900), step(1, 20, 300),
							step(2, 21, 280)};
	int			 parents[3];

	fp_steps_merge(arena, make_rows(cause, 1), steps, 3, LEVEL, parents);
	ok(parents[0] == FP_STEP_TOLD && parents[1] == 0 && parents[2] == 0,
	   "a change of everything is told by everything");
}

/*
 * 10 % more of all observations fail, also of those of value 1, of which more
 * failed before: its log odds move less, and those of the others more.
 */
static void
test_added(void)
{
	enum
	{
		N = 6
	};
	FpCellTable *rows = fp_alloc0(arena, sizeof(FpCellTable));
	const uint8	 bits[2] = {24, FP_STEP_SERIES};
	FpStep		 steps[N + 1];
	int			 parents[N + 1];
	bool		 parts = true;

	fp_cells_layout(arena, rows, 2, bits);
	for (int p = 0; p < PERIODS; p++)
		for (int v = 1; v <= N; v++)
		{
			uint32 codes[2] = {(uint32) p, 1 | (uint32) 1 << v};

			fp_cells_count(arena, rows, codes, 10000,
						   (v == 1 ? 1800 : 800) + (p < 20 ? 0 : 1000));
		}
	for (int v = 0; v <= N; v++)
		steps[v] = step(v, 20, v == 0 ? 90000 : 12000 - v);
	fp_steps_merge(arena, rows, steps, N + 1, LEVEL, parents);
	for (int v = 1; v <= N; v++)
		parts &= parents[v] == 0;
	ok(parents[0] == FP_STEP_TOLD && parts,
	   "everything, if not by the same odds, is told by everything");
}

/* more causes than a row of the sums has bits for, none beside another */
static void
test_very_many(void)
{
	enum
	{
		N = 1950
	};
	FpCellTable *rows = fp_alloc0(arena, sizeof(FpCellTable));
	const uint8	 bits[2] = {24, FP_STEP_SERIES};
	const uint32 codes[2] = {1, 1};
	FpStep		*steps = fp_alloc0_array(arena, FpStep, N);
	int			*parents = fp_alloc0_array(arena, int, N);
	int			 ntold = 0;

	fp_cells_layout(arena, rows, 2, bits);
	fp_cells_count(arena, rows, codes, 100, 10);
	for (int i = 0; i < N; i++)
	{
		FpStep s = {0, i * 4,		   i * 4 + 1, i * 4 + 3, i * 4 + 2,
					1, 100 - i * 0.01, 1e-9,	  1,		 PERIODS};

		steps[i] = s;
	}
	fp_steps_merge(arena, rows, steps, N, LEVEL, parents);
	for (int i = 0; i < N; i++)
		ntold += parents[i] == FP_STEP_TOLD;
	ok(ntold == N, "causes without number are all told");
}

static void
test_apart(void)
{
	const Cause causes[] = {{2, 14, 1.0}, {4, 26, 1.0}};
	/* everything is clearest by itself, with its change between the two */
	const FpStep steps[] = {step(0, 20, 400), step(1, 14, 300),
							step(2, 26, 290)};
	int			 parents[3];

	fp_steps_merge(arena, make_rows(causes, 2), steps, 3, LEVEL, parents);
	ok(parents[1] == FP_STEP_TOLD && parents[2] == FP_STEP_TOLD,
	   "two changes some periods apart are two");
	ok(parents[0] == 1 || parents[0] == 2,
	   "the change of everything between them is theirs, though it was the "
	   "clearest");
}

static void
test_both(void)
{
	const Cause	 causes[] = {{1, 20, 0.5}, {2, 20, 0.8}};
	const FpStep steps[] = {step(0, 20, 400), step(1, 20, 390)};
	int			 parents[2];

	fp_steps_merge(arena, make_rows(causes, 2), steps, 2, LEVEL, parents);
	ok(parents[0] == FP_STEP_TOLD && parents[1] == FP_STEP_TOLD,
	   "everything and more of one value are two changes");
}

static void
test_spike(void)
{
	const Cause causes[] = {{2, 14, 1.5}, {2, 16, -1.5}};
	FpStep		steps[] = {step(0, 14, 60), step(1, 14, 100)};
	int			parents[2];

	for (int i = 0; i < 2; i++)
		steps[i].last = steps[i].to = 16;
	fp_steps_merge(arena, make_rows(causes, 2), steps, 2, LEVEL, parents);
	ok(parents[0] == 1 && parents[1] == FP_STEP_TOLD,
	   "a spike is told by the value whose it is");
}

static void
test_weak(void)
{
	const Cause cause[] = {{2, 20, 1.0}};
	FpStep		steps[] = {step(1, 20, 300), step(0, 35, 16), step(-1, 3, 9)};
	int			parents[3];

	/* not looked at before the change, so nothing there explains it */
	steps[1].first = 20;
	steps[1].p_value = 1e-3;
	fp_steps_merge(arena, make_rows(cause, 1), steps, 3, LEVEL, parents);
	ok(parents[1] == FP_STEP_CHANCE,
	   "a weak change that nothing explains is chance");
	ok(parents[2] == FP_STEP_TOLD, "one of no known series is told");
	fp_steps_merge(arena, make_rows(cause, 1), steps, 3, 1e-2, parents);
	ok(parents[1] == FP_STEP_TOLD, "at a level that it meets it is told");
	fp_steps_merge(arena, make_rows(cause, 1), steps, 0, LEVEL, parents);
}

/* more told at once than a code has bits: each of a value of its own */
static void
test_many(void)
{
	enum
	{
		N = 70
	};
	FpCellTable *rows = fp_alloc0(arena, sizeof(FpCellTable));
	FpStep		 steps[N + 1];
	int			 parents[N + 1];
	uint8 bits[4] = {24, FP_STEP_SERIES, FP_STEP_SERIES, FP_STEP_SERIES};
	bool  all = true;

	fp_cells_layout(arena, rows, 4, bits);
	for (int p = 0; p < PERIODS; p++)
		for (int v = 1; v <= N; v++)
		{
			uint32 codes[4] = {(uint32) p, 1, 0, 0};

			codes[1 + v / FP_STEP_SERIES] |= (uint32) 1
											 << (v % FP_STEP_SERIES);
			/* from 5 % to 15, 16, 17 .. %, so that everything is no cause */
			fp_cells_count(arena, rows, codes, 1000,
						   p < 10 + v % 20 ? 50 : 150 + v * 4);
		}
	steps[0] = step(0, 20, 5000);
	for (int v = 1; v <= N; v++)
		steps[v] = step(v, 10 + v % 20, 400 + v);
	fp_steps_merge(arena, rows, steps, N + 1, LEVEL, parents);
	for (int v = 1; v <= N; v++)
		all &= parents[v] == FP_STEP_TOLD;
	ok(all && parents[0] >= 1,
	   "%d values that changed are told, and explain everything", N);
}

/*
 * A value that is rare before it changes, and frequent after.  Everything and
 * another value are told first, and leave it too little; but it explains what
 * is left of everything.
 */
static void
test_exchange(void)
{
	FpCellTable *rows = fp_alloc0(arena, sizeof(FpCellTable));
	const uint8	 bits[2] = {24, FP_STEP_SERIES};
	FpStep steps[] = {step(0, 20, 400), step(1, 20, 300), step(2, 20, 45)};
	int	   parents[3];

	fp_cells_layout(arena, rows, 2, bits);
	for (int p = 0; p < PERIODS; p++)
	{
		bool   later = p >= 20;
		uint32 codes[3][2] = {{p, 1}, {p, 1 | 2}, {p, 1 | 4}};

		fp_cells_count(arena, rows, codes[0], 10, 1);
		fp_cells_count(arena, rows, codes[1], 300, later ? 180 : 30);
		fp_cells_count(arena, rows, codes[2], later ? 300 : 10,
					   later ? 90 : 1);
	}
	fp_steps_merge(arena, rows, steps, 3, LEVEL, parents);
	ok(parents[1] == FP_STEP_TOLD && parents[2] == FP_STEP_TOLD,
	   "a change that was passed over is told in place of everything");
	ok(parents[0] > 0, "which is part of another then");
}

int
main(void)
{
	arena = fp_arena_create(NULL, "test");
	test_one();
	test_everything();
	test_added();
	test_very_many();
	test_apart();
	test_both();
	test_spike();
	test_weak();
	test_many();
	test_exchange();
	fp_arena_delete(arena);
	return unit_done();
}
