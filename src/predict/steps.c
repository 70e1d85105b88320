/*-------------------------------------------------------------------------
 *
 * steps.c
 *		Which of the changes that many series show are causes of their own.
 *
 * The change of one value shows in the series of everything, and in those of
 * the values that it is used with; two changes, some days apart, show there as
 * one between them.  So changes are searched for together: the log odds of a
 * failure are a level, which every combination of the series at hand has for
 * itself, and a step for each change, in the observations of its series, from
 * its time on.  The gain of a change beside others is how much more likely its
 * step makes the counts in which it can show, all levels and steps being
 * estimated anew with it and without it.
 *
 * Changes are taken up by their gains, the greatest first, and each again by
 * what is left of it; then those are given up that the rest explains, the
 * least first; until nothing changes.  With what has no observations in common
 * a change always keeps its gain, so it is never part of that.
 *
 * What is left must be significant as a change that was searched for; the day
 * of a change that others explain is where chance made most of it.
 *
 * A fit has as many levels as there are combinations, and few steps; the
 * levels are eliminated from Newton's equations, which then are of the steps.
 *
 * All is in an arena below the one given, gone on return; each fit has one of
 * its own.  No locks.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#include "predict/steps.h"

#include <math.h>

#include "predict/dense.h"
#include "stats/change_point.h"

/* codes of a group: so many words of what it is of, as many of what is on */
#define MAX_WORDS (FP_MAX_DIMS / 2)
#define MAX_STEPS (MAX_WORDS * FP_STEP_SERIES)

/* steps that can be told: a row of the sums has a bit for each */
#define MAX_TOLD ((FP_MAX_DIMS - 1) * FP_STEP_SERIES)

/* a step is a draw from a normal of this variance, so that it stays finite */
#define STEP_VARIANCE 100.0
#define MAX_MOVE 2.0
#define MAX_ROUNDS 40
#define MAX_PASSES 10

/* a gain that chance has in 1 of 100 tests of one side, by its place */
#define WORTH_TRYING 5.4

/*
 * Where all that a change is of changed by others as well, it must move by this
 * part of the whole: what befalls everything seldom moves all log odds alike.
 */
#define OWN_PART 0.25

/*
 * The rows, and what they are of: those of series s are list[start[s]] ..
 * list[start[s + 1] - 1].  Summed up by period and by which of members (some
 * steps, told or told lately) they are of, row r is in sum sum_of[r].
 */
typedef struct Search
{
	FpArena			   arena;
	const FpCellTable *rows;
	const FpStep	  *steps;
	int				   n;
	bool			  *told;
	double			   level; /* that a p-value must not exceed */
	uint64			  *start;
	uint32			  *list;
	FpArena			   sums_arena;
	int				   nmembers;
	int				  *members;
	int		   *member_of; /* per step: its place among members, or -1 */
	FpCellTable sums;
	uint32	   *sum_of;
} Search;

typedef struct Group
{
	uint32	level;
	uint32	non; /* steps that are on, of them */
	uint32 *on;
	bool	own; /* of the series that is asked about */
	double	trials;
	double	failures;
} Group;

/* what one fit is of */
typedef struct Problem
{
	uint32	ngroups;
	uint32	nlevels;
	uint32	nsteps;	 /* the last one is that which is asked about */
	bool	covered; /* all that it is of is of others too */
	Group  *groups;
	double *level; /* log odds */
	double *step;
	double *hessian;  /* of the steps, levels eliminated */
	double *gradient; /* and then the move of the steps */
	double *cross;	  /* per level and step: their second derivative */
	double *curve;	  /* per level: its own, */
	double *slope;	  /* and its first */
} Problem;

static inline bool
is_of(const FpCellTable *rows, const uint64 *row, int series)
{
	uint32 code = fp_cell_code(rows, row, 1 + series / FP_STEP_SERIES);

	return (code >> (series % FP_STEP_SERIES)) & 1;
}

static inline bool
is_on(const FpStep *step, int period)
{
	return period >= step->from && period < step->to;
}

/* do its steps, the first or the second, lie within what is looked at? */
static bool
changes_within(const FpStep *step, const FpStep *asked)
{
	return (step->from > asked->first && step->from < asked->last) ||
		   (step->to > asked->first && step->to < asked->last);
}

/* which rows are of which series */
static void
index_rows(Search *search)
{
	const FpCellTable *rows = search->rows;
	int				   nseries = (rows->ndims - 1) * FP_STEP_SERIES;
	uint64			   total = 0;
	uint64			  *next;

	search->start = fp_alloc0_array(search->arena, uint64, nseries + 1);
	next = fp_alloc0_array(search->arena, uint64, nseries + 1);
	for (int fill = 0; fill < 2; fill++)
	{
		for (uint64 r = 0; r < rows->ncells; r++)
		{
			const uint64 *row = FP_CELL(rows, r);

			if ((r & 0xfff) == 0)
				FP_CHECK_INTERRUPTS();
			for (int d = 1; d < rows->ndims; d++)
				for (uint32 code = fp_cell_code(rows, row, d); code != 0;
					 code &= code - 1)
				{
					int series =
						(d - 1) * FP_STEP_SERIES + __builtin_ctz(code);

					if (fill)
						search->list[next[series]] = (uint32) r;
					next[series]++;
				}
		}
		if (fill)
			break;
		for (int s = 0; s < nseries; s++)
		{
			search->start[s] = total;
			total += next[s];
			next[s] = search->start[s];
		}
		search->start[nseries] = total;
		search->list = fp_alloc_array(search->arena, uint32, total + 1);
	}
	fp_free(search->arena, next);
}

/* the sums by those that are told now */
static void
sum_rows(Search *search)
{
	const FpCellTable *rows = search->rows;
	FpArena			   arena = search->sums_arena;
	uint8			   bits[FP_MAX_DIMS];
	uint32			   codes[FP_MAX_DIMS];
	int				   words;

	fp_arena_reset(arena);
	memset(&search->sums, 0, sizeof(search->sums));
	search->nmembers = 0;
	for (int i = 0; i < search->n; i++)
	{
		search->member_of[i] = -1;
		if (search->told[i])
		{
			search->member_of[i] = search->nmembers;
			search->members[search->nmembers++] = i;
		}
	}
	words = (search->nmembers + FP_STEP_SERIES - 1) / FP_STEP_SERIES;
	memset(bits, FP_STEP_SERIES, sizeof(bits));
	fp_cells_layout(arena, &search->sums, 1 + words, bits);
	search->sum_of = fp_alloc_array(arena, uint32, rows->ncells + 1);
	for (uint64 r = 0; r < rows->ncells; r++)
	{
		const uint64 *row = FP_CELL(rows, r);

		if ((r & 0xfff) == 0)
			FP_CHECK_INTERRUPTS();
		memset(codes, 0, sizeof(uint32) * (words + 1));
		codes[0] = fp_cell_code(rows, row, 0);
		for (int m = 0; m < search->nmembers; m++)
			if (is_of(rows, row, search->steps[search->members[m]].series))
				codes[1 + m / FP_STEP_SERIES] |= (uint32) 1
												 << (m % FP_STEP_SERIES);
		search->sum_of[r] =
			(uint32) fp_cells_count(arena, &search->sums, codes,
									FP_CELL_TRIALS(rows, row),
									FP_CELL_FAILURES(rows, row));
	}
}

/* trials and failures of the sums, of those rows that are of a series */
static int64 *
sums_of_series(FpArena arena, const Search *search, int series)
{
	int64 *own = fp_alloc0_array(arena, int64, 2 * search->sums.ncells + 1);

	for (uint64 i = search->start[series]; i < search->start[series + 1]; i++)
	{
		uint32		  r = search->list[i];
		const uint64 *row = FP_CELL(search->rows, r);
		int64		 *sum = own + 2 * (uint64) search->sum_of[r];

		if ((i & 0xffff) == 0)
			FP_CHECK_INTERRUPTS();
		sum[0] += FP_CELL_TRIALS(search->rows, row);
		sum[1] += FP_CELL_FAILURES(search->rows, row);
	}
	return own;
}

/*
 * The groups of the rows in which steps (numbers, members but for the last,
 * the one asked about) can show.  A level without failures, or with nothing
 * else, says nothing of steps.
 */
static void
make_problem(FpArena arena, const Search *search, const int *numbers, int n,
			 Problem *p)
{
	const FpCellTable *sums = &search->sums;
	const FpStep	  *steps = search->steps;
	const FpStep	  *asked = &steps[numbers[n - 1]];
	int				   words = (n + FP_STEP_SERIES - 1) / FP_STEP_SERIES;
	int				   last_word = (n - 1) / FP_STEP_SERIES;
	uint32			   last_bit = (uint32) 1 << ((n - 1) % FP_STEP_SERIES);
	FpCellTable		   groups = {0};
	FpCellTable		   levels = {0};
	uint8			   bits[FP_MAX_DIMS];
	uint32			  *level_of;
	uint32			  *kept;
	int64			  *own = sums_of_series(arena, search, asked->series);

	p->covered = true;
	memset(bits, FP_STEP_SERIES, sizeof(bits));
	fp_cells_layout(arena, &groups, 2 * words, bits);
	fp_cells_layout(arena, &levels, words, bits);
	for (uint64 c = 0; c < sums->ncells; c++)
	{
		const uint64 *sum = FP_CELL(sums, c);
		int			  period = (int) fp_cell_code(sums, sum, 0);
		uint32		  codes[FP_MAX_DIMS] = {0};
		int64		  trials = FP_CELL_TRIALS(sums, sum) - own[2 * c];
		bool		  any = false;

		if (period < asked->first || period >= asked->last)
			continue;
		for (int i = 0; i < n - 1; i++)
			if (is_of(sums, sum, search->member_of[numbers[i]]))
			{
				uint32 bit = (uint32) 1 << (i % FP_STEP_SERIES);

				any = true;
				codes[i / FP_STEP_SERIES] |= bit;
				if (is_on(&steps[numbers[i]], period))
					codes[words + i / FP_STEP_SERIES] |= bit;
			}
		if (any && trials > 0)
			fp_cells_count(arena, &groups, codes, trials,
						   FP_CELL_FAILURES(sums, sum) - own[2 * c + 1]);
		if (own[2 * c] > 0)
		{
			p->covered &= any;
			codes[last_word] |= last_bit;
			if (is_on(asked, period))
				codes[words + last_word] |= last_bit;
			fp_cells_count(arena, &groups, codes, own[2 * c], own[2 * c + 1]);
		}
	}

	p->groups = fp_alloc0_array(arena, Group, groups.ncells + 1);
	level_of = fp_alloc_array(arena, uint32, groups.ncells + 1);
	for (uint64 g = 0; g < groups.ncells; g++)
	{
		const uint64 *cell = FP_CELL(&groups, g);
		uint32		  codes[MAX_WORDS];

		for (int w = 0; w < words; w++)
			codes[w] = fp_cell_code(&groups, cell, w);
		level_of[g] = (uint32) fp_cells_count(arena, &levels, codes,
											  FP_CELL_TRIALS(&groups, cell),
											  FP_CELL_FAILURES(&groups, cell));
	}
	kept = fp_alloc0_array(arena, uint32, levels.ncells + 1);
	p->nlevels = 0;
	for (uint64 l = 0; l < levels.ncells; l++)
	{
		const uint64 *cell = FP_CELL(&levels, l);
		int64		  failures = FP_CELL_FAILURES(&levels, cell);

		if (failures > 0 && failures < FP_CELL_TRIALS(&levels, cell))
			kept[l] = ++p->nlevels;
	}
	p->ngroups = 0;
	for (uint64 g = 0; g < groups.ncells; g++)
	{
		const uint64 *cell = FP_CELL(&groups, g);
		Group		 *group = &p->groups[p->ngroups];

		if (kept[level_of[g]] == 0)
			continue;
		p->ngroups++;
		group->level = kept[level_of[g]] - 1;
		group->trials = (double) FP_CELL_TRIALS(&groups, cell);
		group->failures = (double) FP_CELL_FAILURES(&groups, cell);
		group->on = fp_alloc_array(arena, uint32, n);
		for (int i = 0; i < n; i++)
			if (fp_cell_code(&groups, cell, words + i / FP_STEP_SERIES) >>
					(i % FP_STEP_SERIES) &
				1)
				group->on[group->non++] = i;
		group->own = (fp_cell_code(&groups, cell, last_word) & last_bit) != 0;
	}

	p->nsteps = n;
	p->level = fp_alloc0_array(arena, double, (uint64) p->nlevels + 1);
	p->step = fp_alloc0_array(arena, double, n);
	p->hessian = fp_alloc_array(arena, double, (uint64) n *n);
	p->gradient = fp_alloc_array(arena, double, n);
	p->cross = fp_alloc_array(arena, double, (uint64) p->nlevels *n + 1);
	p->curve = fp_alloc_array(arena, double, (uint64) p->nlevels + 1);
	p->slope = fp_alloc_array(arena, double, (uint64) p->nlevels + 1);
	for (uint64 l = 0; l < levels.ncells; l++)
		if (kept[l])
		{
			const uint64 *cell = FP_CELL(&levels, l);
			double		  failures = (double) FP_CELL_FAILURES(&levels, cell);

			p->level[kept[l] - 1] =
				log(failures /
					((double) FP_CELL_TRIALS(&levels, cell) - failures));
		}
}

static double
log_odds(const Problem *p, const Group *group, uint32 n)
{
	double eta = p->level[group->level];

	for (uint32 i = 0; i < group->non; i++)
		if (group->on[i] < n)
			eta += p->step[group->on[i]];
	return eta;
}

/* minus twice the log likelihood, with the first n steps */
static double
deviance(const Problem *p, uint32 n)
{
	double sum = 0;

	for (uint32 g = 0; g < p->ngroups; g++)
	{
		const Group *group = &p->groups[g];
		double		 eta = log_odds(p, group, n);
		/* log(1 + exp(eta)) */
		double tail = eta > 0 ? eta + log1p(exp(-eta)) : log1p(exp(eta));

		sum += group->trials * tail - group->failures * eta;
	}
	for (uint32 i = 0; i < n; i++)
		sum += p->step[i] * p->step[i] / (2 * STEP_VARIANCE);
	return 2 * sum;
}

/* Newton's equations at where the fit is, and the moves that solve them */
static void
newton_moves(Problem *p, uint32 n)
{
	memset(p->hessian, 0, sizeof(double) * p->nsteps * p->nsteps);
	memset(p->cross, 0, sizeof(double) * p->nlevels * p->nsteps);
	memset(p->curve, 0, sizeof(double) * p->nlevels);
	memset(p->slope, 0, sizeof(double) * p->nlevels);
	for (uint32 i = 0; i < n; i++)
	{
		p->gradient[i] = -p->step[i] / STEP_VARIANCE;
		p->hessian[i * n + i] = 1 / STEP_VARIANCE;
	}
	for (uint32 g = 0; g < p->ngroups; g++)
	{
		const Group *group = &p->groups[g];
		double		 rate = 1 / (1 + exp(-log_odds(p, group, n)));
		double		 weight = group->trials * rate * (1 - rate);
		double		 miss = group->failures - group->trials * rate;
		double		*cross = p->cross + (size_t) group->level * p->nsteps;

		p->curve[group->level] += weight;
		p->slope[group->level] += miss;
		for (uint32 i = 0; i < group->non && group->on[i] < n; i++)
		{
			cross[group->on[i]] += weight;
			p->gradient[group->on[i]] += miss;
			for (uint32 j = 0; j <= i; j++)
				p->hessian[group->on[i] * n + group->on[j]] += weight;
		}
	}
	for (uint32 l = 0; l < p->nlevels; l++)
	{
		const double *cross = p->cross + (size_t) l * p->nsteps;

		if (!(p->curve[l] > 0))
			continue;
		for (uint32 i = 0; i < n; i++)
		{
			if (cross[i] == 0)
				continue;
			p->gradient[i] -= cross[i] * p->slope[l] / p->curve[l];
			for (uint32 j = 0; j <= i; j++)
				p->hessian[i * n + j] -= cross[i] * cross[j] / p->curve[l];
		}
	}
	if (n > 0 && !fp_dense_factor(p->hessian, n))
		memset(p->gradient, 0, sizeof(double) * n);
	else if (n > 0)
		fp_dense_solve(p->hessian, n, p->gradient);
	for (uint32 l = 0; l < p->nlevels; l++)
	{
		const double *cross = p->cross + (size_t) l * p->nsteps;
		double		  move = p->slope[l];

		for (uint32 i = 0; i < n; i++)
			move -= cross[i] * p->gradient[i];
		p->slope[l] = p->curve[l] > 0 ? move / p->curve[l] : 0;
	}
}

/* fit levels and the first n steps, from where they are; the deviance */
static double
fit(Problem *p, uint32 n)
{
	double now = deviance(p, n);

	for (int round = 0; round < MAX_ROUNDS; round++)
	{
		double largest = 0;
		double scale = 1;
		double then = now;

		FP_CHECK_INTERRUPTS();
		newton_moves(p, n);
		for (uint32 i = 0; i < n; i++)
			largest = fmax(largest, fabs(p->gradient[i]));
		for (uint32 l = 0; l < p->nlevels; l++)
			largest = fmax(largest, fabs(p->slope[l]));
		if (largest > MAX_MOVE)
			scale = MAX_MOVE / largest;
		/* all of the move, or as much of it as is no step back */
		for (int halving = 0; halving < 20; halving++)
		{
			for (uint32 i = 0; i < n; i++)
				p->step[i] += scale * p->gradient[i];
			for (uint32 l = 0; l < p->nlevels; l++)
				p->level[l] += scale * p->slope[l];
			then = deviance(p, n);
			if (then <= now + 1e-9)
				break;
			for (uint32 i = 0; i < n; i++)
				p->step[i] -= scale * p->gradient[i];
			for (uint32 l = 0; l < p->nlevels; l++)
				p->level[l] -= scale * p->slope[l];
			then = now;
			scale /= 2;
		}
		if (now - then < 1e-4)
			return then;
		now = then;
	}
	return now;
}

/*
 * How much of a change of the log odds, from without the last step to with it,
 * each of the others makes: shares[i], in the direction of the last one.
 */
static void
share_out(const Problem *p, const FpStep *asked, double *shares)
{
	uint32 last = p->nsteps - 1;
	double trials[2] = {0, 0};

	memset(shares, 0, sizeof(double) * last);
	for (uint32 g = 0; g < p->ngroups; g++)
		if (p->groups[g].own)
		{
			const Group *group = &p->groups[g];

			trials[group->non > 0 && group->on[group->non - 1] == last] +=
				group->trials;
		}
	if (!(trials[0] > 0 && trials[1] > 0))
		return;
	for (uint32 g = 0; g < p->ngroups; g++)
		if (p->groups[g].own)
		{
			const Group *group = &p->groups[g];
			bool   on = group->non > 0 && group->on[group->non - 1] == last;
			double part = (on ? 1 : -1) * group->trials / trials[on];

			for (uint32 i = 0; i < group->non; i++)
				if (group->on[i] < last)
					shares[group->on[i]] +=
						asked->direction * part * p->step[group->on[i]];
		}
}

/*
 * The gain of step k beside those that are told, in its direction; *most, if
 * it is not NULL, becomes the one of them that makes most of it, or -1.
 */
static double
gain_beside(const Search *search, int k, int *most)
{
	const FpStep *steps = search->steps;
	FpArena		  scratch;
	Problem		  problem;
	int			 *numbers;
	int			  count = 0;
	double		 *shares;
	double		  without;
	double		  gain;
	double		  own;
	double		  whole;

	if (most)
		*most = -1;
	scratch = fp_arena_create(search->arena, "failpat step");
	numbers = fp_alloc_array(scratch, int, search->n);
	for (int m = 0; m < search->nmembers && count < MAX_STEPS - 1; m++)
	{
		int i = search->members[m];

		if (search->told[i] && i != k && changes_within(&steps[i], &steps[k]))
			numbers[count++] = i;
	}
	if (count == 0)
	{
		fp_arena_delete(scratch);
		return steps[k].gain;
	}
	numbers[count++] = k;
	make_problem(scratch, search, numbers, count, &problem);
	shares = fp_alloc_array(scratch, double, count);
	without = fit(&problem, count - 1);
	if (most)
	{
		double best = -HUGE_VAL;

		share_out(&problem, &steps[k], shares);
		for (int i = 0; i < count - 1; i++)
			if (shares[i] > best)
			{
				best = shares[i];
				*most = numbers[i];
			}
	}
	gain = without - fit(&problem, count);
	share_out(&problem, &steps[k], shares);
	own = problem.step[count - 1] * steps[k].direction;
	whole = own;
	for (int i = 0; i < count - 1; i++)
		whole += shares[i];
	if (own <= 0 || (problem.covered && own < OWN_PART * whole))
		gain = 0;
	fp_arena_delete(scratch);
	return gain / fmax(steps[k].dispersion, 1);
}

/* the p-value of a step that has a gain beside others */
static double
p_beside(const FpStep *step, double gain)
{
	if (gain >= FP_STEP_KEPT * step->gain)
		return step->p_value;
	return fmax(step->p_value, fp_change_p(gain, step->nbuckets));
}

/* the untold step of the greatest gain that there may be, or -1 */
static int
greatest(const double *gains, const bool *told, int n)
{
	int best = -1;

	for (int i = 0; i < n; i++)
		if (!told[i] && (best < 0 || gains[i] > gains[best]))
			best = i;
	return best;
}

/* can one more step be told? */
static bool
has_room(const Search *search)
{
	int ntold = 0;

	for (int i = 0; i < search->n; i++)
		ntold += search->told[i];
	return ntold < MAX_TOLD;
}

/* Tell what keeps its gain beside what is told; true: there was some. */
static bool
take_up(Search *search)
{
	double *gains = fp_alloc_array(search->arena, double, search->n);
	int	   *seen = fp_alloc0_array(search->arena, int, search->n);
	int		version = 1;
	bool	any = false;

	for (int i = 0; i < search->n; i++)
		gains[i] = search->steps[i].series < 0 ? 0 : search->steps[i].gain;
	for (;;)
	{
		int best = greatest(gains, search->told, search->n);

		if (best < 0 || gains[best] <= 0)
			break;
		/* it mostly has less beside what has been told since */
		if (seen[best] != version)
		{
			double gain = gain_beside(search, best, NULL);

			gains[best] = p_beside(&search->steps[best], gain) <= search->level
							  ? gain
							  : 0;
			seen[best] = version;
			continue;
		}
		if (!has_room(search))
			break;
		search->told[best] = true;
		sum_rows(search);
		version++;
		any = true;
	}
	fp_free(search->arena, gains);
	fp_free(search->arena, seen);
	return any;
}

/*
 * The told step, but for one, that is least significant beside the others; *p is
 * its p-value, or -1 where there is none.
 */
static int
weakest(const Search *search, int except, double *p)
{
	int least = -1;

	*p = -1;
	for (int i = 0; i < search->n; i++)
		if (search->told[i] && i != except)
		{
			double own =
				p_beside(&search->steps[i], gain_beside(search, i, NULL));

			if (own > *p)
			{
				*p = own;
				least = i;
			}
		}
	return least;
}

/* Give up what the others explain, the least first; true: there was some. */
static bool
give_up(Search *search)
{
	bool any = false;

	for (;;)
	{
		double p;
		int	   least = weakest(search, -1, &p);

		if (p <= search->level)
			return any;
		search->told[least] = false;
		any = true;
	}
}

/*
 * Tell one, that others explain not quite, in place of another which it then
 * explains; true: there was such a one.
 */
static bool
exchange(Search *search)
{
	for (int i = 0; i < search->n && has_room(search); i++)
	{
		double gain;
		double p;
		int	   other;

		if (search->told[i] || search->steps[i].series < 0)
			continue;
		gain = gain_beside(search, i, NULL);
		if (gain < WORTH_TRYING || gain >= search->steps[i].gain)
			continue;
		search->told[i] = true;
		sum_rows(search);
		other = weakest(search, i, &p);
		if (p > search->level)
		{
			search->told[other] = false;
			if (p_beside(&search->steps[i], gain_beside(search, i, NULL)) <=
				search->level)
				return true;
			search->told[other] = true;
		}
		search->told[i] = false;
	}
	return false;
}

void
fp_steps_merge(FpArena arena, const FpCellTable *rows, const FpStep *steps,
			   int n, double level, int *parents)
{
	Search search = {0};

	search.arena = fp_arena_create(arena, "failpat steps");
	search.sums_arena = fp_arena_create(search.arena, "failpat sums");
	search.rows = rows;
	search.steps = steps;
	search.n = n;
	search.told = fp_alloc0_array(search.arena, bool, (uint64) n + 1);
	search.level = level;
	search.members = fp_alloc_array(search.arena, int, (uint64) n + 1);
	search.member_of = fp_alloc_array(search.arena, int, (uint64) n + 1);
	index_rows(&search);
	for (int pass = 0; pass < MAX_PASSES; pass++)
	{
		bool more = take_up(&search);

		if (!give_up(&search) && !more && !exchange(&search))
			break;
	}
	for (int i = 0; i < n; i++)
	{
		double gain;

		parents[i] = FP_STEP_TOLD;
		if (search.told[i] || steps[i].series < 0)
			continue;
		gain = gain_beside(&search, i, &parents[i]);
		if (parents[i] < 0 || gain >= FP_STEP_KEPT * steps[i].gain)
			parents[i] =
				p_beside(&steps[i], gain) <= level && !has_room(&search)
					? FP_STEP_TOLD
					: FP_STEP_CHANCE;
	}
	fp_arena_delete(search.arena);
}
