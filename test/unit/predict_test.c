/*
 * The model behind predictions: against scipy, on data with known truth, and
 * what its intervals hold; and attempts at the same thing.
 */
#include "cube/build.h"
#include "fixture.h"
#include "predict/dense.h"
#include "predict/fit.h"
#include "predict/model.h"
#include "predict/retry.h"
#include "unit.h"

static FpArena arena;
static uint64  seed = 88172645463325252ULL;

static double
uniform(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (double) (seed >> 11) / 9007199254740992.0;
}

static double
normal(void)
{
	return sqrt(-2 * log(1 - uniform())) * cos(6.283185307179586 * uniform());
}

static double
logistic(double x)
{
	return 1 / (1 + exp(-x));
}

/* what to learn of cubes, as they are stored */
static FpTraining *
training_of(FpArena own, FpCube *const *cubes, int n, int64 min_failures,
			int *first_of, int *nperiods)
{
	FpPackedCube *packed = fp_alloc_array(own, FpPackedCube, n);

	for (int i = 0; i < n; i++)
	{
		size_t len;
		char  *bytes = fp_cube_encode(own, cubes[i], 0, &len);

		fp_cube_open_plain(own, bytes, len, SIZE_MAX, &packed[i]);
		fp_packed_total(&packed[i]);
	}
	return fp_training(own, packed, n, min_failures, first_of, nperiods);
}

static FpModel *
fit_cube(FpArena own, FpCube *cube, const FpModelOptions *options)
{
	int first_of[FP_MAX_PERIODS];
	int n;

	return fp_model_fit(own, training_of(own, &cube, 1, 100, first_of, &n),
						NULL, 0, options);
}

/* the term of one part, or NULL */
static const FpTerm *
find_term(const FpModel *model, FpPartKind kind, const char *dim, double at)
{
	int d = fp_cube_find_dim(model->cube, dim, strlen(dim));

	for (uint32 t = 0; t < model->nterms; t++)
	{
		const FpPart *part = model->terms[t].parts;

		if (model->terms[t].nparts == 1 && part->dim == d &&
			part->kind == kind &&
			(kind == FP_PART_VALUE || kind == FP_PART_MEMBER
				 ? atof(model->cube->dims[d].values[part->code - 1].data) == at
				 : part->min == at))
			return &model->terms[t];
	}
	return NULL;
}

static void
test_reference(void)
{
	FpCubeBuilder *b = fp_builder_create(fp_arena_create(arena, "builder"), 0);
	Fixture		   f = fixture_open("predict_cells");
	FpModelOptions options;
	FpModel		  *model;
	double		   worst = 0;
	double		   worst_variance = 0;
	int			   rows = 0;

	while (fixture_next(&f))
	{
		int	   a = fp_builder_dim(b, "a", 1, FP_NOMINAL);
		int	   lora = fp_builder_dim(b, "lora", 4, FP_SET);
		int	   at = fp_builder_dim(b, "at", 2, FP_ORDINAL);
		FpText members[4];
		uint32 n = 0;
		uint32 codes[3];

		for (int i = 0; i < 4; i++)
			if (fixture_count(&f, 1 + i))
				members[n++] =
					(FpText){(const char *[]){"1", "2", "3", "4"}[i], 1};
		codes[a] = fp_builder_value(b, a, f.text[0], strlen(f.text[0]));
		codes[lora] = fp_builder_set(b, lora, members, n);
		codes[at] = fp_builder_number(b, at, fixture_number(&f, 5));
		fp_builder_add(b, codes, fixture_count(&f, 7), fixture_count(&f, 6));
	}
	fp_model_defaults(&options);
	options.tune = false;
	options.max_pairs = 0;
	model = fit_cube(arena, fp_builder_freeze(b, arena), &options);
	f = fixture_open("predict_effects");
	while (fixture_next(&f))
	{
		const FpTerm *term;
		double		  at = fixture_number(&f, 1);

		if (strcmp(f.text[0], "intercept") == 0)
			term = &model->terms[0];
		else if (strcmp(f.text[0], "count") == 0)
			term = find_term(model, FP_PART_COUNT, "lora", at);
		else if (strcmp(f.text[0], "at") == 0)
			term = find_term(model, FP_PART_RANGE, "at", at);
		else if (strcmp(f.text[0], "a") == 0)
			term = find_term(model, FP_PART_VALUE, "a", at);
		else
			term = find_term(model, FP_PART_MEMBER, "lora", at);
		if (term == NULL)
			continue;
		rows++;
		worst = fmax(worst, fabs(term->effect - fixture_number(&f, 2)));
		worst_variance =
			fmax(worst_variance,
				 fabs(term->variance / fixture_number(&f, 3) - 1));
	}
	ok(rows == 16 && worst < 1e-6,
	   "effects are scipy's (%d, largest difference %.1e)", rows, worst);
	ok(worst_variance < 1e-5, "so are their variances (%.1e)", worst_variance);
}

/* exp() of our own is as good as that of the library */
static void
test_exp(void)
{
	double worst = 0;

	for (int i = 0; i <= 700000; i++)
	{
		double x[2] = {-1e-3 * i, -1e-9 * i * i};
		FpTwo  y = fp_two_exp((FpTwo){x[0], x[1]});

		for (int k = 0; k < 2; k++)
			worst = fmax(worst, fabs(y[k] / exp(x[k]) - 1));
	}
	ok(worst < 5e-16 && fp_two_exp(fp_two(-1e9))[1] == exp(-700) &&
		   fp_two_exp(fp_two(0))[0] == 1,
	   "exp() of two numbers is that of the library (%.1e)", worst);
}

/* --- simulated observations -------------------------------------------- */

#define VALUES 12

typedef struct World
{
	double	effect[3][VALUES];
	double	pair; /* of value 1 of dimension 0 with value 2 of dimension 1 */
	FpCube *cube;
} World;

static double
truth(const World *world, const int *v)
{
	double x = -2;

	for (int d = 0; d < 3; d++)
		x += world->effect[d][v[d]];
	return x + (v[0] == 1 && v[1] == 2 ? world->pair : 0);
}

static void
make_world(World *world, FpArena own, double spread, double pair, int n)
{
	FpCubeBuilder *b = fp_builder_create(fp_arena_create(own, "builder"), 0);

	world->pair = pair;
	for (int d = 0; d < 3; d++)
		for (int v = 0; v < VALUES; v++)
			world->effect[d][v] = spread * normal();
	for (int i = 0; i < n; i++)
	{
		uint32 codes[3];
		int	   v[3];

		for (int d = 0; d < 3; d++)
		{
			char text[8];
			int	 dim = fp_builder_dim(b, (const char *[]){"a", "b", "c"}[d], 1,
									  FP_NOMINAL);

			v[d] = (int) (VALUES * pow(uniform(), 1.5));
			snprintf(text, sizeof(text), "%d", v[d]);
			codes[dim] = fp_builder_value(b, dim, text, strlen(text));
		}
		fp_builder_add(b, codes, 1, uniform() < logistic(truth(world, v)));
	}
	world->cube = fp_builder_freeze(b, own);
}

static double
codes_value(const FpCube *cube, int d, uint64 cell)
{
	return atof(cube->dims[d].values[cube->codes[d][cell] - 1].data);
}

/* log-odds of a cell and their variance, from the dense covariances */
static void
score(const FpModel *model, const FpCube *cube, uint64 cell, double *x,
	  double *variance)
{
	uint32 terms[8];
	uint32 n = 0;

	*x = 0;
	*variance = 0;
	for (uint32 i = 0; i < model->ndense; i++)
	{
		const FpTerm *term = &model->terms[model->dense[i]];
		bool		  met = true;

		for (int p = 0; p < term->nparts; p++)
			met = met && fp_part_met(cube, &term->parts[p],
									 cube->codes[term->parts[p].dim][cell]);
		if (met && n < 8)
		{
			*x += term->effect;
			terms[n++] = i;
		}
	}
	for (uint32 i = 0; i < n; i++)
		for (uint32 j = 0; j < n; j++)
			*variance +=
				model
					->covariance[(size_t) terms[i] * model->ndense + terms[j]];
}

static void
test_coverage(double spread, double pair, int n, double least)
{
	int	   inside = 0;
	int	   all = 0;
	double width = 0;

	for (int round = 0; round < 12; round++)
	{
		FpArena		   own = fp_arena_create(arena, "round");
		World		   world;
		FpModelOptions options;
		FpModel		  *model;

		make_world(&world, own, spread, pair, n);
		fp_model_defaults(&options);
		model = fit_cube(own, world.cube, &options);
		for (uint64 c = 0; c < world.cube->ncells; c += 3)
		{
			int			 v[3];
			double		 x;
			double		 variance;
			FpPrediction p;

			for (int d = 0; d < 3; d++)
				v[d] = (int) codes_value(world.cube, d, c);
			score(model, world.cube, c, &x, &variance);
			p = fp_predict_from(x, variance + model->unmodelled, 0, 1.96);
			inside += logistic(truth(&world, v)) >= p.lower &&
					  logistic(truth(&world, v)) <= p.upper;
			width += p.upper - p.lower;
			all++;
		}
		fp_arena_delete(own);
	}
	ok((double) inside / all >= least && (double) inside / all < 0.995,
	   "spread %.1f, pair %.1f, %d observations: 95 %% intervals hold %.1f %% "
	   "of the true probabilities (width %.3f)",
	   spread, pair, n, 100.0 * inside / all, width / all);
}

static void
test_pairs(void)
{
	World		   world;
	FpModelOptions options;
	FpModel		  *model;
	bool		   found = false;
	int			   others = 0;
	double		  *p;
	double		   again = 0;
	int			   cells = 0;

	make_world(&world, arena, 0.5, 1.5, 40000);
	fp_model_defaults(&options);
	model = fit_cube(arena, world.cube, &options);
	for (uint32 t = 0; t < model->nterms; t++)
	{
		const FpTerm *term = &model->terms[t];
		const FpDim	 *dims = model->cube->dims;

		if (model->blocks[term->block].kind != FP_BLOCK_PAIRS)
			continue;
		if (term->parts[0].dim == 0 && term->parts[1].dim == 1 &&
			atoi(dims[0].values[term->parts[0].code - 1].data) == 1 &&
			atoi(dims[1].values[term->parts[1].code - 1].data) == 2)
			found = fabs(term->effect - 1.5) < 4 * sqrt(term->variance);
		else
			others++;
	}
	ok(found, "a planted pair is found, and its size");
	ok(others <= 3, "and few others (%d)", others);

	/* the same by the other way, as for cubes of jobs */
	p = fp_model_cells(arena, model, world.cube);
	for (uint64 c = 0; c < world.cube->ncells; c++)
	{
		double x;
		double variance;

		score(model, world.cube, c, &x, &variance);
		again = fmax(again, fabs(p[c] - logistic(x)));
		cells++;
	}
	ok(cells > 100 && again < 1e-9,
	   "cells of a cube are scored as combinations are (%.1e)", again);

	/* a sample of the cells leads to the same effects */
	{
		FpModelOptions few = options;
		FpModel		  *sampled;
		double		   worst = 0;

		options.max_pairs = few.max_pairs = 0;
		model = fit_cube(arena, world.cube, &options);
		few.sample = world.cube->ncells / 2;
		few.tune = options.tune = false;
		few.spread = options.spread = 0.25;
		model = fit_cube(arena, world.cube, &options);
		sampled = fit_cube(arena, world.cube, &few);
		for (uint32 t = 0; t < model->nterms; t++)
			worst = fmax(worst, fabs(model->terms[t].effect -
									 sampled->terms[t].effect));
		ok(worst < 0.02,
		   "with curvature from half of the cells, effects are those of all "
		   "(%.4f)",
		   worst);
	}
	options.spread = -1;
	ok(RAISES(FP_ERR_DATA, fit_cube(arena, world.cube, &options)),
	   "a spread below zero is refused");
}

/* sums over rows by two terms, of which one may be the intercept */
typedef struct Sums
{
	uint32	n;
	double *of[2];
} Sums;

static void
add_sum(void *arg, uint32 a, uint32 b, FpTwo sum)
{
	Sums *sums = arg;

	for (int k = 0; k < 2; k++)
		sums->of[k][Min(a, b) * sums->n + Max(a, b)] += sum[k];
}

/* as told, and as counted row by row, where dimensions have few or many codes
 * for the number of rows */
static void
test_cross(int n)
{
	World		   world;
	FpModelOptions options;
	FpModel		  *model;
	FpTermIndex	  *index;
	FpRows		   rows = {0};
	FpTwoStored	  *values;
	Sums		   told;
	Sums		   counted;
	double		   worst = 0;
	bool		   others = false;

	make_world(&world, arena, 0.5, 2.5, n);
	fp_model_defaults(&options);
	model = fit_cube(arena, world.cube, &options);
	index = fp_index_terms(arena, model);
	rows.n = world.cube->ncells;
	rows.codes = world.cube->codes;
	fp_index_rows(arena, model, index, &rows);
	values = fp_alloc_array(arena, FpTwoStored, rows.n);
	told.n = counted.n = model->nterms;
	for (int k = 0; k < 2; k++)
	{
		told.of[k] = fp_alloc0_array(arena, double, told.n *told.n);
		counted.of[k] = fp_alloc0_array(arena, double, told.n *told.n);
	}
	for (uint64 r = 0; r < rows.n; r++)
	{
		uint32 terms[FP_ROW_TERMS];
		uint32 many = fp_row_terms(index, &rows, r, terms);

		values[r] = (FpTwo){1.0 + (double) (r % 7), (double) r - 100.5};
		for (uint32 i = 0; i < many; i++)
			for (uint32 j = i; j < many; j++)
				add_sum(&counted, terms[i], terms[j], values[r]);
		others = others || (rows.offsets && rows.offsets[r + 1] > 0);
	}
	fp_cross_terms(arena, index, &rows, false, values, add_sum, &told);
	for (uint32 i = 0; i < told.n * told.n; i++)
		for (int k = 0; k < 2; k++)
			worst = fmax(worst, fabs(told.of[k][i] - counted.of[k][i]));
	ok(worst == 0 && (n < 1000 || others),
	   "sums by two terms are those of the %d rows that meet both (%.1e)",
	   (int) rows.n, worst);
}

static void
test_pure_noise(void)
{
	World		   world;
	FpModelOptions options;
	FpModel		  *model;
	double		   largest = 0;

	make_world(&world, arena, 0, 0, 20000);
	fp_model_defaults(&options);
	model = fit_cube(arena, world.cube, &options);
	for (uint32 t = 1; t < model->nterms; t++)
		largest = fmax(largest, fabs(model->terms[t].effect));
	ok(largest < 0.15, "where nothing is there, effects are small (%.3f)",
	   largest);
}

/* n observations of value v of "a", f of them failed */
static FpCube *
one_cube(const char *v, int64 n, int64 f)
{
	FpCubeBuilder *b = fp_builder_create(fp_arena_create(arena, "builder"), 0);
	uint32		   codes[1];
	int			   a = fp_builder_dim(b, "a", 1, FP_NOMINAL);

	codes[a] = fp_builder_value(b, a, v, strlen(v));
	fp_builder_add(b, codes, n, f);
	return fp_builder_freeze(b, arena);
}

static void
test_periods(void)
{
	FpCube		  *cubes[16];
	FpTraining	  *training;
	FpModel		  *model;
	FpModelOptions options;
	int			   first_of[FP_MAX_PERIODS];
	int			   n;
	double		  *p;

	for (int i = 0; i < 16; i++)
		cubes[i] = one_cube("x", 1000, i < 12 ? 100 : 300);
	training = training_of(arena, cubes, 16, 100, first_of, &n);
	ok(n == 5 && first_of[0] == 0 && first_of[1] == 8 && first_of[2] == 12 &&
		   first_of[3] == 14 && first_of[4] == 15,
	   "periods are the last half, quarter, eighth, sixteenth (%d)", n);
	ok(training->cube->total_trials == 16000 && training->rows->n == 5,
	   "the cube counts each period once");
	fp_model_defaults(&options);
	model = fp_model_fit(arena, training, NULL, 0, &options);
	p = fp_model_cells(arena, model, cubes[0]);
	ok(p[0] > 0.26 && p[0] < 0.31,
	   "a level that has risen is predicted as it is now (%.3f)", p[0]);
	training = training_of(arena, cubes, 16, 5000, first_of, &n);
	ok(n == 1 && training->cube->ndims == 1 && training->rows->n == 1,
	   "too few failures: no periods");
}

/*
 * Cubes of which the first has nothing but different combinations, so that the
 * second's are not looked for among them: observations and values must be all
 * there, ordinals in order, what the second does not record not recorded.
 */
static void
test_many_combinations(void)
{
	FpCube		  *cubes[2];
	FpTraining	  *training;
	const FpCube  *cube;
	uint64		   large = 0;
	int			   first_of[FP_MAX_PERIODS];
	int			   n;
	uint32		   codes[4] = {0};
	FpCubeBuilder *b = fp_builder_create(fp_arena_create(arena, "builder"), 0);
	int			   at = fp_builder_dim(b, "at", 2, FP_ORDINAL);
	int			   x = fp_builder_dim(b, "x", 1, FP_ORDINAL);
	int			   d_at;
	int			   d_x;
	int			   d_l;
	int64		   old = 0;
	int64		   of_seven = 0;
	int64		   failed_seven = 0;
	uint64		   fresh = 0;
	bool		   ascending = true;

	for (int i = 0; i < 800; i++)
		for (int j = 0; j < 640; j++)
		{
			codes[at] = fp_builder_number(b, at, i);
			codes[x] = fp_builder_number(b, x, j);
			fp_builder_add(b, codes, 1, j == 7);
		}
	cubes[0] = fp_builder_freeze(b, arena);
	b = fp_builder_create(fp_arena_create(arena, "builder"), 0);
	x = fp_builder_dim(b, "x", 1, FP_ORDINAL);
	at = fp_builder_dim(b, "lora", 4, FP_SET);
	n = fp_builder_dim(b, "job", 3, FP_STRATUM);
	for (int i = 0; i < 3000; i++)
	{
		char   job[16];
		FpText members[2] = {{"3", 1}, {"7", 1}};

		snprintf(job, sizeof(job), "%d", i / 3);
		codes[x] = fp_builder_number(b, x, i % 3 - 1);
		codes[at] = fp_builder_set(b, at, members, 1 + i % 3 % 2);
		codes[n] = fp_builder_value(b, n, job, strlen(job));
		fp_builder_add(b, codes, 2, 1);
	}
	cubes[1] = fp_builder_freeze(b, arena);
	training = training_of(arena, cubes, 2, 100, first_of, &n);
	cube = training->cube;
	ok(n == 2 && cube->ndims == 4 && cube->total_trials == 518000 &&
		   cube->total_failures == 3800 && training->rows->n == 512003,
	   "observations of many combinations, and few of many jobs, in one cube");
	d_at = fp_cube_find_dim(cube, "at", 2);
	d_x = fp_cube_find_dim(cube, "x", 1);
	d_l = fp_cube_find_dim(cube, "lora", 4);
	for (uint32 v = 1; v < cube->dims[d_x].nvalues; v++)
		ascending = ascending && cube->dims[d_x].numbers[v - 1] <
									 cube->dims[d_x].numbers[v];
	for (uint64 r = 0; r < training->rows->n; r++)
	{
		const FpDim *since = &cube->dims[cube->ndims - 1];
		uint32		 code[4];
		double		 v;
		bool		 last;
		int64		 trials;
		int64		 failures;

		for (int d = 0; d < 4; d++)
			code[d] = fp_columns_code(training->rows, d, r);
		fp_columns_counts(training->rows, r, 1, &large, &trials, &failures);
		last = since->values[code[3] - 1].data[0] == '2';
		v = cube->dims[d_x].numbers[code[d_x] - 1];
		if (v == 7)
		{
			of_seven += trials;
			failed_seven += failures;
		}
		if (!last)
			old += trials;
		else if (code[d_at] == 0 && code[d_l] != 0 && trials == 2000 &&
				 failures == 1000 &&
				 fp_set_size(&cube->dims[d_l], code[d_l]) == 1 + (v == 0))
			fresh++;
	}
	ok(ascending && cube->dims[d_x].nvalues == 641 && old == 512000 &&
		   of_seven == 800 && failed_seven == 800 && fresh == 3,
	   "each with its values and period");
}

/* --- attempts ---------------------------------------------------------- */

static void
test_rho(double rho, bool stops)
{
	FpUnits units;
	double	weights[FP_RHO_CELLS];
	double	shift;
	double	mean = 0;
	double	again = 0;
	double	n = 0;

	fp_units_init(&units, arena);
	for (int i = 0; i < 20000; i++)
	{
		double p = 0.1 + 0.3 * uniform();
		/* bad or good through and through with probability rho: the same
		 * correlation of two attempts as a beta distribution's */
		bool   sticky = uniform() < rho;
		double theta = sticky ? (uniform() < p) : p;
		int	   trials = 0;
		int	   failures = 0;

		while (trials < 2)
		{
			bool failed = uniform() < theta;

			trials++;
			failures += failed;
			if (stops && !failed)
				break;
		}
		again += failures == 2;
		n += failures >= 1 && (trials == 2);
		fp_units_add(&units, trials, failures, p);
	}
	fp_units_rho(&units, NULL, weights, &shift);
	for (int c = 0; c < FP_RHO_CELLS; c++)
		mean += weights[c] * fp_rho_middle(c);
	ok(fabs(mean - rho) < 0.04, "correlation %.2f, %s: %.3f, shift %.3f", rho,
	   stops ? "attempts stop when one passes" : "two attempts each", mean,
	   shift);
	if (stops)
	{
		/* of those that have failed once, the mean of p */
		FpRetry retry = fp_retry(0.28, 0.1, weights, 1, 2);

		ok(fabs((1 - retry.pass) - again / n) < 0.03,
		   "after a failure the next fails with %.3f (seen: %.3f)",
		   1 - retry.pass, again / n);
	}
}

static void
test_retry(void)
{
	double	weights[FP_RHO_CELLS] = {0};
	FpRetry retry;

	weights[0] = 1; /* pure luck */
	retry = fp_retry(0.2, 0, weights, 3, 2);
	ok(near(retry.pass, 0.8, 2e-3) && near(retry.until, 1.25, 3e-3) &&
		   near(retry.within, 0.96, 2e-3),
	   "without correlation failures so far say nothing");
	weights[0] = 0;
	weights[FP_RHO_CELLS - 1] = 1; /* what failed fails again */
	retry = fp_retry(0.2, 0, weights, 1, 2);
	ok(retry.pass < 0.02 && isinf(retry.until),
	   "with it, what failed fails again");
	weights[FP_RHO_CELLS - 1] = 0.5;
	weights[0] = 0.5;
	ok(fp_retry(0.2, 0, weights, 1, 1).pass >
		   fp_retry(0.2, 0, weights, 3, 1).pass,
	   "each failure speaks for the systematic");
	retry = fp_retry(0.2, 0.3, weights, 1, 1);
	ok(retry.lower <= retry.pass && retry.pass <= retry.upper &&
		   retry.lower < retry.upper,
	   "an interval");
	ok(near(fp_all_pass(0.2, weights, 1), 0.8, 1e-9),
	   "one attempt passes as often as it does not fail");
}

/* largest difference of a matrix and the square of its factor */
static double
factor_error(uint32 n)
{
	double *a = fp_alloc0_array(arena, double, n *n);
	double *l = fp_alloc0_array(arena, double, n *n);
	double	worst = 0;

	for (uint32 i = 0; i < n; i++)
		for (uint32 j = 0; j <= i; j++)
			a[i * n + j] = l[i * n + j] =
				i == j ? 2 + i : sin(1 + 3 * i + 7 * j) / 2;
	if (!fp_dense_factor(l, n))
		return 1;
	for (uint32 i = 0; i < n; i++)
		for (uint32 j = 0; j <= i; j++)
		{
			double sum = 0;

			for (uint32 k = 0; k <= j; k++)
				sum += l[i * n + k] * l[j * n + k];
			worst = fmax(worst, fabs(sum - a[i * n + j]));
		}
	return worst;
}

static void
test_dense(void)
{
	double worst = 0;
	double a[9] = {4, 0, 0, 2, 5, 0, 1, 3, 6};
	double x[3] = {7, 10, 10};

	ok(fp_dense_factor(a, 3), "a positive matrix has a factor");
	fp_dense_solve(a, 3, x);
	ok(near(x[0], 1, 1e-12) && near(x[1], 1, 1e-12) && near(x[2], 1, 1e-12),
	   "which solves");
	fp_dense_invert(arena, a, 3);
	ok(near(4 * a[0] + 2 * a[3] + a[6], 1, 1e-12) && near(a[1], a[3], 1e-12) &&
		   near(2 * a[0] + 5 * a[3] + 3 * a[6], 0, 1e-12),
	   "and inverts");
	a[0] = -1;
	ok(!fp_dense_factor(a, 3), "one that is not positive has none");
	/* sizes about those of the bands in which rows are factored */
	for (uint32 n = 1; n <= 23; n++)
		worst = fmax(worst, factor_error(n));
	ok(worst < 1e-13, "a factor times itself is the matrix (%.1e)", worst);
}

int
main(void)
{
	arena = fp_arena_create(NULL, "test");
	test_dense();
	test_reference();
	test_exp();
	test_coverage(0.5, 0, 6000, 0.92);
	test_coverage(0.5, 1.5, 30000, 0.92);
	test_coverage(0.1, 0, 3000, 0.92);
	test_pairs();
	test_pure_noise();
	test_periods();
	test_many_combinations();
	test_rho(0.02, false);
	test_rho(0.3, false);
	test_rho(0.3, true);
	test_rho(0.6, true);
	test_retry();
	test_cross(120);
	test_cross(20000);
	fp_arena_delete(arena);
	return unit_done();
}
