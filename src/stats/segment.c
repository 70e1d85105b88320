/*-------------------------------------------------------------------------
 *
 * segment.c
 *		Exact segmentation of a series of binomial counts.
 *
 * The series is cut into stretches so that the sum of their binomial
 * deviances plus a penalty per change is as small as it can be.  The optimum
 * is exact: functional pruning (Rigaill 2015; Maidstone, Hocking, Rigaill and
 * Fearnhead 2017) keeps, for every value of the rate, the last change that
 * would be best were that the rate of the current stretch.
 *
 * Everything is measured from a reference: with theta0 the share of events in
 * the whole series and v = logit(theta) - logit(theta0), a stretch with N
 * trials and F events costs
 *
 *		-2 [ F v - N L(v) ],	L(v) = log(1 + theta0 (exp(v) - 1))
 *
 * which differs from its deviance by a term linear in N and F, hence by the
 * same amount for every segmentation.  Thus no two large numbers are
 * subtracted: a billion trials per bucket lose no precision.  A difference of
 * two candidates, 2 [ A v - M L(v) ] + const, is concave in v.
 *
 * Owns: FpBucket, FpSeries, the solver.  Memory: prefix sums and the list of
 * changes in the caller's arena; the solver's tables in an arena of its own
 * that is gone on return.  No locks.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#include "stats/segment.h"

#include <math.h>

#include "stats/interval.h"

/* |v| of the log odds of any two counts below 2^63 is less than this */
#define V_MAX 100.0

/* Pieces narrower than this, relative to their place, are rounding. */
#define V_EPSILON 1e-13

static int
bucket_cmp(const void *a, const void *b)
{
	int64 x = ((const FpBucket *) a)->at;
	int64 y = ((const FpBucket *) b)->at;

	FP_CHECK_INTERRUPTS();
	return x < y ? -1 : x > y;
}

/*
 * fp_buckets_merge
 *		Order buckets by time and add up those of the same time, in place.
 *
 * Returns how many are left.  Raises FP_ERR_DATA for counts that cannot be
 * (negative, or more failures than trials), FP_ERR_RANGE where the totals
 * exceed 64 bits.
 */
int64
fp_buckets_merge(FpBucket *buckets, int64 n)
{
	int64 kept = 0;
	int64 total = 0;
	bool  sorted = true;

	for (int64 i = 0; i < n; i++)
	{
		if ((i & 1023) == 0)
			FP_CHECK_INTERRUPTS();
		fp_check_counts(buckets[i].failures, buckets[i].trials);
		if (pg_add_s64_overflow(total, buckets[i].trials, &total))
			fp_error(FP_ERR_RANGE, NULL, NULL,
					 "total number of trials out of range");
		if (i > 0 && buckets[i - 1].at > buckets[i].at)
			sorted = false;
	}
	if (!sorted)
		qsort(buckets, n, sizeof(FpBucket), bucket_cmp);
	for (int64 i = 0; i < n; i++)
	{
		if (kept > 0 && buckets[kept - 1].at == buckets[i].at)
		{
			/* cannot overflow: the total did not */
			buckets[kept - 1].failures += buckets[i].failures;
			buckets[kept - 1].trials += buckets[i].trials;
		}
		else
			buckets[kept++] = buckets[i];
	}
	return kept;
}

/*
 * fp_buckets_drop_empty
 *		Remove buckets without trials, in place; returns how many are left.
 *
 * They say nothing about a rate, and a candidate without trials would be a
 * constant function of it, which the solver does not expect.
 */
int64
fp_buckets_drop_empty(FpBucket *buckets, int64 n)
{
	int64 kept = 0;

	for (int64 i = 0; i < n; i++)
		if (buckets[i].trials > 0)
			buckets[kept++] = buckets[i];
	return kept;
}

/*
 * fp_series_init
 *		Prefix sums of n buckets, each with trials > 0 and 0 <= failures <=
 *		trials; both may be fractions (effective counts).
 */
void
fp_series_init(FpSeries *series, FpArena arena, const double *failures,
			   const double *trials, int n)
{
	double all_failures = 0;
	double all_trials = 0;

	series->n = n;
	series->trials = fp_alloc_array(arena, double, (uint64) n + 1);
	series->events = fp_alloc_array(arena, double, (uint64) n + 1);
	for (int i = 0; i < n; i++)
	{
		all_failures += failures[i];
		all_trials += trials[i];
	}
	series->flipped = all_failures > all_trials / 2;
	series->trials[0] = series->events[0] = 0;
	for (int i = 0; i < n; i++)
	{
		double events =
			series->flipped ? trials[i] - failures[i] : failures[i];

		series->trials[i + 1] = series->trials[i] + trials[i];
		series->events[i + 1] = series->events[i] + events;
	}
	series->centre = n > 0 ? series->events[n] / series->trials[n] : 0;
}

/* twice the log likelihood of N trials with F events, from the reference */
static inline double
excess(double N, double F, double centre)
{
	double expected = N * centre;
	double surplus = F - expected;
	double G = N - F;
	double sum = 0;

	if (F > 0)
		sum += F * log1p(surplus / expected);
	if (G > 0)
		sum += G * log1p(-surplus / (N - expected));
	/* rounding: it is a Kullback-Leibler divergence */
	return sum > 0 ? 2 * sum : 0;
}

/*
 * fp_segment_cost
 *		Cost of buckets from .. to - 1 as one stretch: its binomial deviance,
 *		less that of the same counts at the rate of the whole series.
 *
 * Zero or negative; only differences between divisions of the same buckets
 * mean anything.
 */
double
fp_segment_cost(const FpSeries *series, int from, int to)
{
	if (series->centre <= 0)
		return 0;
	return -excess(series->trials[to] - series->trials[from],
				   series->events[to] - series->events[from], series->centre);
}

/*
 * fp_split_gain
 *		Twice the log likelihood ratio of a change before bucket "at" against
 *		none within buckets from .. to - 1; never negative.
 */
double
fp_split_gain(const FpSeries *series, int from, int at, int to)
{
	double N1 = series->trials[at] - series->trials[from];
	double N2 = series->trials[to] - series->trials[at];
	double F1 = series->events[at] - series->events[from];
	double F2 = series->events[to] - series->events[at];
	double centre = (F1 + F2) / (N1 + N2);

	/* from the rate of both: nothing large cancels */
	if (centre <= 0 || centre >= 1)
		return 0;
	return excess(N1, F1, centre) + excess(N2, F2, centre);
}

/* ---------- the solver ---------- */

/* One stretch of the axis v, and the candidate that is best there. */
typedef struct Piece
{
	double end;	 /* right end; the left one is that of the piece before */
	double L;	 /* L(end) */
	double mean; /* rate at end: theta0 exp(v) / (1 + theta0 (exp(v) - 1)) */
	int	   tau;	 /* first bucket of the stretch */
} Piece;

typedef struct Pieces
{
	Piece *items; /* items[0] is only the left end of the axis */
	int	   count;
	int	   size;
} Pieces;

static inline double
cumulant(double v, double theta0)
{
	return log1p(theta0 * expm1(v));
}

static void
add_piece(FpArena arena, Pieces *list, Piece piece)
{
	Piece *last = list->count > 1 ? &list->items[list->count - 1] : NULL;

	if (last && last->tau == piece.tau)
	{
		*last = piece;
		return;
	}
	/* no width: rounding, or a root at an end */
	if (list->count > 0)
	{
		double left = list->items[list->count - 1].end;

		if (piece.end - left <= V_EPSILON * (1 + fabs(left)) &&
			piece.end < V_MAX)
			return;
	}
	if (list->count == list->size)
	{
		list->items = fp_realloc_array(arena, list->items, Piece, list->size,
									   (uint64) list->size * 2);
		list->size *= 2;
	}
	list->items[list->count++] = piece;
}

/*
 * The one zero of D(v) = 2 [A v - M L(v)] + constant between two points of
 * which exactly one is at or above zero; rising tells which.  The direction is
 * the caller's: at an end where D is exactly 0 its sign does not tell.  Newton
 * steps from a guess, halving the interval where they leave it.  Returns the
 * border of a piece.
 */
static Piece
crossing(double left, double right, double guess, bool rising, double A,
		 double M, double constant, double theta0, int tau)
{
	Piece  piece;
	double v = guess > left && guess < right ? guess : (left + right) / 2;

	for (int i = 0; i < 200; i++)
	{
		/* exp(v) - 1, with all digits near 0 */
		double grown = fabs(v) < 1 ? expm1(v) : exp(v) - 1;
		double L = log1p(theta0 * grown);
		double mean = theta0 * (1 + grown) / (1 + theta0 * grown);
		double value = 2 * (A * v - M * L) + constant;
		double next = v - value / (2 * (A - M * mean));

		piece.end = v;
		piece.L = L;
		piece.mean = mean;
		if ((value >= 0) == rising)
			right = v;
		else
			left = v;
		if (!(next > left && next < right))
			next = (left + right) / 2;
		/* an error here moves a border between candidates of equal cost */
		if (fabs(next - v) <= 1e-10 * (1e-5 + fabs(v)) ||
			right - left <= 1e-10 * (1e-5 + fabs(v)))
			break;
		v = next;
	}
	piece.tau = tau;
	return piece;
}

/* Lower the envelope "from" by candidate tau; the result replaces "to". */
static void
insert_candidate(FpArena arena, const FpSeries *series, const double *best,
				 const Pieces *from, Pieces *to, int tau)
{
	double theta0 = series->centre;
	double events = series->events[tau];
	double trials = series->trials[tau];

	to->count = 0;
	add_piece(arena, to, from->items[0]);
	for (int i = 1; i < from->count; i++)
	{
		const Piece *piece = &from->items[i];
		const Piece *before = &from->items[i - 1];
		double		 A = events - series->events[piece->tau];
		double		 M = trials - series->trials[piece->tau];
		double		 constant = best[tau] - best[piece->tau];
		/* cost of the new candidate less that of the old one at both ends */
		double left = 2 * (A * before->end - M * before->L) + constant;
		double right = 2 * (A * piece->end - M * piece->L) + constant;
		Piece  old = *piece;
		Piece new = *piece;
		double surplus;
		double height; /* of the difference, where it is largest */
		double top;	   /* there */
		double reach;  /* its zeroes are about so far from there */

		new.tau = tau;
		if (left >= 0 && right >= 0)
		{
			add_piece(arena, to, old);
			continue;
		}
		if (left < 0 && right < 0 &&
			(A <= M * before->mean || A >= M * piece->mean))
		{
			add_piece(arena, to, new);
			continue;
		}
		surplus = A - M * theta0;
		if (A > 0 && A < M)
		{
			double up = log1p(surplus / (M * theta0));
			double down = log1p(-surplus / (M * (1 - theta0)));

			top = Max(before->end, Min(piece->end, up - down));
			height = 2 * (A * up + (M - A) * down) + constant;
			reach = height > 0 ? sqrt(height * M / (A * (M - A))) : 0;
		}
		else
		{
			/* it rises, or falls, everywhere */
			top = A > 0 ? piece->end : before->end;
			height = Max(left, right);
			reach = INFINITY;
		}
		if (left < 0 && right < 0)
		{
			if (height <= 0)
			{
				add_piece(arena, to, new);
				continue;
			}
			add_piece(arena, to,
					  crossing(before->end, top, top - reach, true, A, M,
							   constant, theta0, tau));
			add_piece(arena, to,
					  crossing(top, piece->end, top + reach, false, A, M,
							   constant, theta0, old.tau));
			add_piece(arena, to, new);
		}
		else
		{
			bool rising = left < 0;

			add_piece(arena, to,
					  crossing(before->end, piece->end,
							   rising ? top - reach : top + reach, rising, A,
							   M, constant, theta0, rising ? tau : old.tau));
			add_piece(arena, to, rising ? old : new);
		}
	}
}

/*
 * fp_segment
 *		The best division of a series.
 *
 * penalty >= 0 is the price of one change, on the scale of deviances (twice
 * the log likelihood); min_segment >= 1 the fewest buckets of a stretch.
 * *changes becomes an ordered array, in arena, of the first bucket of every
 * stretch but the first; the result is their number.  *total_cost (may be
 * NULL) becomes the sum of fp_segment_cost over the stretches plus penalty
 * times changes.
 *
 * Takes O(n log n) steps on ordinary data, O(n^2) at worst; can be
 * interrupted.
 */
int
fp_segment(FpArena arena, const FpSeries *series, double penalty,
		   int min_segment, int **changes, double *total_cost)
{
	int		n = series->n;
	FpArena work;
	double *best; /* best[t]: cost of buckets 0 .. t - 1, changes paid for */
	int	   *last; /* last[t]: where their last stretch begins */
	Pieces	lists[2];
	int		current = 0;
	int		count = 0;
	int64	steps = 0;
	double	theta0 = series->centre;

	Assert(penalty >= 0 && min_segment >= 1);
	*changes = NULL;
	if (total_cost)
		*total_cost = 0;
	/* one outcome only, or no room for two stretches */
	if (n < 2 || theta0 <= 0 || min_segment > n / 2)
		return 0;

	work = fp_arena_create(arena, "failpat segmentation");
	best = fp_alloc_array(work, double, (uint64) n + 1);
	last = fp_alloc_array(work, int, (uint64) n + 1);
	for (int i = 0; i < 2; i++)
	{
		lists[i].size = 64;
		lists[i].count = 0;
		lists[i].items = fp_alloc_array(work, Piece, 64);
	}
	/* the axis, owned by the stretch that begins with the series */
	for (int i = 0; i < 2; i++)
	{
		Piece end;

		end.end = i == 0 ? -V_MAX : V_MAX;
		end.L = cumulant(end.end, theta0);
		end.mean = i == 0 ? 0 : 1;
		end.tau = 0;
		lists[0].items[lists[0].count++] = end;
	}
	best[0] = -penalty;

	for (int t = min_segment; t <= n; t++)
	{
		Pieces *list = &lists[current];
		double	minimum = INFINITY;
		double	tolerance = 1e-9;
		int		from = 0;

		/*
		 * A candidate enters when it has min_segment buckets behind it; two
		 * candidates differ by a function that later buckets do not change,
		 * so pruning is right whatever the minimum length.
		 */
		if (t - min_segment >= min_segment)
		{
			insert_candidate(work, series, best, list, &lists[1 - current],
							 t - min_segment);
			current = 1 - current;
			list = &lists[current];
		}
		/*
		 * Where a candidate's own optimum lies outside its piece another one
		 * is better there.  Should rounding have lost the place of every one
		 * of them, all are looked at.
		 */
		for (; minimum == INFINITY; tolerance = 2)
			for (int i = 1; i < list->count; i++)
			{
				const Piece *piece = &list->items[i];
				double N = series->trials[t] - series->trials[piece->tau];
				double F = series->events[t] - series->events[piece->tau];
				double cost;

				if (F < N * (list->items[i - 1].mean - tolerance) ||
					F > N * (piece->mean + tolerance))
					continue;
				cost = best[piece->tau] - excess(N, F, theta0);
				if (cost < minimum)
				{
					minimum = cost;
					from = piece->tau;
				}
			}
		best[t] = minimum + penalty;
		last[t] = from;
		steps += list->count;
		if (steps >= 1024)
		{
			FP_CHECK_INTERRUPTS();
			steps = 0;
		}
	}

	for (int t = last[n]; t > 0; t = last[t])
		count++;
	if (count > 0)
	{
		int i = count;

		*changes = fp_alloc_array(arena, int, count);
		for (int t = last[n]; t > 0; t = last[t])
			(*changes)[--i] = t;
	}
	if (total_cost)
		*total_cost = best[n];
	fp_arena_delete(work);
	return count;
}
