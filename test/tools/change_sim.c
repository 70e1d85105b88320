/*-------------------------------------------------------------------------
 *
 * change_sim.c
 *		What the change-point search does on series whose truth is known.
 *
 * usage: change_sim [SERIES [KIND]]
 *
 * Draws SERIES (400) seeded series of every kind, or of the kinds whose name
 * begins with KIND, searches them, and prints one line for each kind and
 * nominal level: the share of series with a false alarm, or recall, precision
 * and F1 of the planted shifts (found within 3 buckets), how often the
 * interval of a place holds the true one and its median width, and the share
 * of planted spikes that became a shift.  test/tools/change-sim builds it.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#include "stats/change_point.h"

#include <math.h>

#define MAX_T 100000
#define MAX_SHIFTS 16

static uint64 state;

static double
uniform(void)
{
	uint64 z = (state += 0x9E3779B97F4A7C15ULL);

	z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
	z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
	return (((z ^ (z >> 31)) >> 11) + 0.5) * 0x1p-53;
}

static double
normal(void)
{
	return sqrt(-2 * log(uniform())) * cos(2 * M_PI * uniform());
}

/* Marsaglia and Tsang 2000 */
static double
gamma_draw(double shape)
{
	double d, c;

	if (shape < 1)
		return gamma_draw(shape + 1) * pow(uniform(), 1 / shape);
	d = shape - 1.0 / 3;
	c = 1 / sqrt(9 * d);
	for (;;)
	{
		double x = normal();
		double v = 1 + c * x;

		if (v <= 0)
			continue;
		v = v * v * v;
		if (log(uniform()) < x * x / 2 + d - d * v + d * log(v))
			return d * v;
	}
}

/* by the waiting times between successes */
static int64
binomial(int64 n, double p)
{
	int64  k = 0;
	double i = 0;
	double scale;

	if (p > 0.5)
		return n - binomial(n, 1 - p);
	if (p <= 0)
		return 0;
	scale = 1 / log1p(-p);
	for (;;)
	{
		i += floor(log(uniform()) * scale) + 1;
		if (i > n)
			return k;
		k++;
	}
}

static int64
beta_binomial(int64 n, double p, double rho)
{
	double a, b;

	if (rho <= 0)
		return binomial(n, p);
	a = gamma_draw(p * (1 - rho) / rho);
	b = gamma_draw((1 - p) * (1 - rho) / rho);
	return binomial(n, a / (a + b));
}

typedef struct Kind
{
	const char *name;
	int			T;
	int			n;		/* trials per bucket; negative: 5 on weekends */
	double		p;		/* rate at first */
	double		phi;	/* variance factor of a bucket */
	int			shifts; /* planted */
	double		factor; /* odds go up by it, or down again */
	int			spikes; /* single buckets with spike odds */
	double		spike;
} Kind;

static const Kind kinds[] = {
	{"quiet plain 20 x 50", 20, 50, 0.1, 1, 0, 1, 0, 1},
	{"quiet plain 60 x 50", 60, 50, 0.1, 1, 0, 1, 0, 1},
	{"quiet plain 300 x 50", 300, 50, 0.1, 1, 0, 1, 0, 1},
	{"quiet plain 300 x 500", 300, 500, 0.1, 1, 0, 1, 0, 1},
	{"quiet plain 300 x 10 rare", 300, 10, 0.01, 1, 0, 1, 0, 1},
	{"quiet plain 300 x 200 weekly", 300, -200, 0.1, 1, 0, 1, 0, 1},
	{"quiet plain 1000 x 50", 1000, 50, 0.1, 1, 0, 1, 0, 1},
	{"quiet phi3 20 x 50", 20, 50, 0.1, 3, 0, 1, 0, 1},
	{"quiet phi3 60 x 50", 60, 50, 0.1, 3, 0, 1, 0, 1},
	{"quiet phi3 300 x 50", 300, 50, 0.1, 3, 0, 1, 0, 1},
	{"quiet phi3 300 x 500", 300, 500, 0.1, 3, 0, 1, 0, 1},
	{"quiet phi3 300 x 200 weekly", 300, -200, 0.1, 3, 0, 1, 0, 1},
	{"quiet phi3 1000 x 50", 1000, 50, 0.1, 3, 0, 1, 0, 1},
	{"steps double 300 x 50", 300, 50, 0.1, 1, 3, -2, 0, 1},
	{"steps 1.5 odds 300 x 50", 300, 50, 0.1, 1, 3, 1.5, 0, 1},
	{"steps double 300 x 10", 300, 10, 0.1, 1, 3, -2, 0, 1},
	{"steps double 60 x 50", 60, 50, 0.1, 1, 1, -2, 0, 1},
	{"steps double phi3 300 x 50", 300, 50, 0.1, 3, 3, -2, 0, 1},
	{"steps rare 300 x 50", 300, 50, 0.01, 1, 3, -3, 0, 1},
	{"steps double with spikes 300 x 50", 300, 50, 0.1, 1, 3, -2, 3, 8},
	{"spikes 300 x 50", 300, 50, 0.1, 1, 0, 1, 5, 8},
	{"spikes huge 300 x 50", 300, 50, 0.1, 1, 0, 1, 5, 50},
	{"spikes phi3 300 x 50", 300, 50, 0.1, 3, 0, 1, 5, 20},
};

static FpBucket buckets[MAX_T];

/* fill buckets; places of the planted shifts and spikes */
static void
draw(const Kind *kind, int *shifts, int *spikes)
{
	int	   n0 = abs(kind->n);
	double p = kind->p;
	int	   next = 0;
	int	   gap = Max(5, kind->T / (4 * (kind->shifts + 1)));

	/* shifts apart from one another and from the ends */
	for (int i = 0; i < kind->shifts;)
	{
		int at = gap + (int) (uniform() * (kind->T - 2 * gap));

		shifts[i] = at;
		i++;
		for (int k = 0; k + 1 < i; k++)
			if (abs(shifts[k] - at) < gap)
			{
				i = 0;
				break;
			}
	}
	for (int i = 1; i < kind->shifts; i++)
		for (int k = i; k > 0 && shifts[k - 1] > shifts[k]; k--)
		{
			int swap = shifts[k];

			shifts[k] = shifts[k - 1];
			shifts[k - 1] = swap;
		}
	/* spikes stand alone, but may be the first bucket, or the last */
	for (int i = 0; i < kind->spikes; i++)
	{
		bool again = false;

		spikes[i] = (int) (uniform() * kind->T);
		for (int k = 0; k < i; k++)
			again |= abs(spikes[k] - spikes[i]) < 10;
		i -= again;
	}
	for (int t = 0; t < kind->T; t++)
	{
		int64  n = kind->n < 0 && t % 7 >= 5 ? 5 : n0;
		double rho;
		double q = p;

		if (next < kind->shifts && shifts[next] == t)
		{
			/* up and down in turn; a negative factor is one of the rate */
			if (next % 2)
				p = kind->p;
			else if (kind->factor < 0)
				p = kind->p * -kind->factor;
			else
				p = kind->p * kind->factor /
					(1 - kind->p + kind->p * kind->factor);
			next++;
			q = p;
		}
		for (int i = 0; i < kind->spikes; i++)
			if (spikes[i] == t)
				q = p * kind->spike / (1 - p + p * kind->spike);
		rho = (kind->phi - 1) / (n0 - 1.0);
		buckets[t].at = t;
		buckets[t].trials = n;
		buckets[t].failures = beta_binomial(n, q, rho);
	}
}

static int
int_cmp(const void *a, const void *b)
{
	return *(const int *) a - *(const int *) b;
}

static void
run(const Kind *kind, double alpha, int series)
{
	FpArena arena = fp_arena_create(NULL, "simulation");
	int		alarms = 0, found = 0, planted = 0, reported = 0;
	int		placed = 0, covered = 0;
	int		spikes = 0, spiked = 0, named = 0;
	double	phi = 0;
	int	   *widths = calloc((size_t) series * MAX_SHIFTS, sizeof(int));

	state = 20260101;
	for (int i = 0; i < series; i++)
	{
		FpChangeOptions options = FP_CHANGE_DEFAULTS;
		FpTrend			trend;
		int				shift_at[MAX_SHIFTS], spike_at[MAX_SHIFTS];
		bool			used[MAX_SHIFTS] = {false};
		bool			alarm = false;

		options.alpha = alpha;
		draw(kind, shift_at, spike_at);
		fp_change_points(arena, buckets, kind->T, &options, &trend);
		phi += trend.dispersion;
		planted += kind->shifts;
		for (int c = 0; c < trend.nchanges; c++)
		{
			const FpChange *change = &trend.changes[c];

			if (change->kind != FP_SHIFT)
				continue;
			reported++;
			alarm = true;
			for (int k = 0; k < kind->shifts; k++)
				if (!used[k] && abs(shift_at[k] - change->at) <= 3)
				{
					used[k] = true;
					found++;
					break;
				}
			for (int k = 0; k < kind->shifts; k++)
				if (abs(shift_at[k] - change->at) <= 20)
				{
					if (shift_at[k] >= change->at_lower &&
						shift_at[k] <= change->at_upper)
						covered++;
					if (placed < series * MAX_SHIFTS)
						widths[placed] =
							change->at_upper - change->at_lower + 1;
					placed++;
					break;
				}
		}
		alarms += alarm;
		for (int k = 0; k < kind->spikes; k++)
		{
			bool hit = false, name = false;

			for (int c = 0; c < trend.nchanges; c++)
			{
				const FpChange *change = &trend.changes[c];

				if (change->kind == FP_SPIKE)
					name |= spike_at[k] >= change->at &&
							spike_at[k] <= change->at_upper;
				else if (kind->shifts == 0)
					hit |= abs(change->at - spike_at[k]) <= 1;
			}
			spikes++;
			spiked += hit;
			named += name;
		}
		fp_arena_reset(arena);
	}
	printf("%-34s %4.0f%%  phi %4.2f", kind->name, alpha * 100, phi / series);
	if (kind->shifts == 0)
		printf("  alarms %5.2f%%", 100.0 * alarms / series);
	else
	{
		double recall = (double) found / planted;
		double precision = reported ? (double) found / reported : 1;

		qsort(widths, Min(placed, series * MAX_SHIFTS), sizeof(int), int_cmp);
		printf("  recall %.3f precision %.3f F1 %.3f", recall, precision,
			   recall + precision > 0
				   ? 2 * recall * precision / (recall + precision)
				   : 0);
		printf("  cover %5.1f%% width %d",
			   placed ? 100.0 * covered / placed : 0,
			   placed ? widths[placed / 2] : 0);
	}
	if (spikes)
		printf("  spikes: %.1f%% shifts, %.1f%% named",
			   100.0 * spiked / spikes, 100.0 * named / spikes);
	printf("\n");
	fflush(stdout);
	free(widths);
	fp_arena_delete(arena);
}

int
main(int argc, char **argv)
{
	int			series = argc > 1 ? atoi(argv[1]) : 400;
	const char *only = argc > 2 ? argv[2] : "";

	for (size_t k = 0; k < lengthof(kinds); k++)
		if (strncmp(kinds[k].name, only, strlen(only)) == 0)
		{
			run(&kinds[k], 0.05, series);
			run(&kinds[k], 0.01, series);
		}
	return 0;
}
