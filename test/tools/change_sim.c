/*-------------------------------------------------------------------------
 *
 * change_sim.c
 *		What the change-point search does on series whose truth is known.
 *
 * usage: change_sim [SERIES [KIND [tsv]]]
 *
 * Draws SERIES (400) seeded series of every kind, or of the kinds whose name
 * begins with KIND, searches them, and prints one line for each kind and
 * nominal level: the share of series with a false alarm, or recall, precision
 * and F1 of the planted shifts (found within 3 buckets), how often the
 * interval of a place holds the true one and its median width, and the share
 * of planted spikes that became a shift.  Two rivals see the same series: a
 * p-chart (three-sigma limits around the mean of the series), and the best
 * division by normal means of the rates, scaled by the median absolute
 * deviation of their differences, with the penalty MBIC (Zhang and Siegmund
 * 2007): what a careful user gets from cpt.mean of R's changepoint package by
 * default.  It is solved here by the quadratic recursion, since the package
 * is not in Debian.
 *
 * KIND "causes" shows how often the event that a change is attributed to was
 * its cause, by posterior: a step at odds of 1.4 to 2.5, with probability .7
 * caused by an event up to three buckets before, among five others.
 *
 * KIND "mix" counts right verdicts on mix shifts.
 *
 * With "tsv" the lines are those of a benchmark: what, ours, a rival's, an
 * empty field, target, verdict.  test/tools/change-sim builds it.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#include "stats/attribution.h"
#include "stats/change_point.h"
#include "stats/mix_shift.h"

#include <math.h>

#define MAX_T 1000
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
	bool		required; /* F1 of .95 */
} Kind;

static const Kind kinds[] = {
	{"quiet plain 20 x 50", 20, 50, 0.1, 1, 0, 1, 0, 1, false},
	{"quiet plain 60 x 50", 60, 50, 0.1, 1, 0, 1, 0, 1, false},
	{"quiet plain 300 x 50", 300, 50, 0.1, 1, 0, 1, 0, 1, false},
	{"quiet plain 300 x 500", 300, 500, 0.1, 1, 0, 1, 0, 1, false},
	{"quiet plain 300 x 10 rare", 300, 10, 0.01, 1, 0, 1, 0, 1, false},
	{"quiet plain 300 x 200 weekly", 300, -200, 0.1, 1, 0, 1, 0, 1, false},
	{"quiet plain 1000 x 50", 1000, 50, 0.1, 1, 0, 1, 0, 1, false},
	{"quiet phi3 20 x 50", 20, 50, 0.1, 3, 0, 1, 0, 1, false},
	{"quiet phi3 60 x 50", 60, 50, 0.1, 3, 0, 1, 0, 1, false},
	{"quiet phi3 300 x 50", 300, 50, 0.1, 3, 0, 1, 0, 1, false},
	{"quiet phi3 300 x 500", 300, 500, 0.1, 3, 0, 1, 0, 1, false},
	{"quiet phi3 300 x 200 weekly", 300, -200, 0.1, 3, 0, 1, 0, 1, false},
	{"quiet phi3 1000 x 50", 1000, 50, 0.1, 3, 0, 1, 0, 1, false},
	{"steps double 300 x 50", 300, 50, 0.1, 1, 3, -2, 0, 1, true},
	{"steps 1.5 odds 300 x 50", 300, 50, 0.1, 1, 3, 1.5, 0, 1, false},
	{"steps double 300 x 10", 300, 10, 0.1, 1, 3, -2, 0, 1, false},
	{"steps double 60 x 50", 60, 50, 0.1, 1, 1, -2, 0, 1, false},
	{"steps double phi3 300 x 50", 300, 50, 0.1, 3, 3, -2, 0, 1, false},
	{"steps rare 300 x 50", 300, 50, 0.01, 1, 3, -3, 0, 1, false},
	{"steps double with spikes 300 x 50", 300, 50, 0.1, 1, 3, -2, 3, 8, false},
	{"spikes 300 x 50", 300, 50, 0.1, 1, 0, 1, 5, 8, false},
	{"spikes huge 300 x 50", 300, 50, 0.1, 1, 0, 1, 5, 50, false},
	{"spikes phi3 300 x 50", 300, 50, 0.1, 3, 0, 1, 5, 20, false},
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

/* ---------- rivals ---------- */

/* first buckets of the runs outside three-sigma limits */
static int
p_chart(int T, int *places)
{
	double N = 0;
	double F = 0;
	bool   outside = false;
	int	   count = 0;

	for (int t = 0; t < T; t++)
	{
		N += buckets[t].trials;
		F += buckets[t].failures;
	}
	for (int t = 0; t < T; t++)
	{
		double p = F / N;
		double n = buckets[t].trials;
		bool   now =
			fabs(buckets[t].failures / n - p) > 3 * sqrt(p * (1 - p) / n);

		if (now && !outside)
			places[count++] = t;
		outside = now;
	}
	return count;
}

static int
double_cmp(const void *a, const void *b)
{
	double x = *(const double *) a;
	double y = *(const double *) b;

	return x < y ? -1 : x > y;
}

/* least sum of squares and log n per stretch, 3 log T per change */
static int
normal_mbic(int T, int *places)
{
	static double x[MAX_T], steps[MAX_T];
	static double sum[MAX_T + 1], best[MAX_T + 1];
	static int	  last[MAX_T + 1];
	double		  scale = 0;
	int			  count = 0;

	for (int t = 0; t < T; t++)
	{
		x[t] = (double) buckets[t].failures / buckets[t].trials;
		if (t > 0)
		{
			steps[t - 1] = fabs(x[t] - x[t - 1]);
			scale += (x[t] - x[t - 1]) * (x[t] - x[t - 1]);
		}
	}
	qsort(steps, T - 1, sizeof(double), double_cmp);
	scale = steps[T / 2] > 0 ? steps[T / 2] * 1.4826 : sqrt(scale / (T - 1));
	scale = scale > 0 ? scale / M_SQRT2 : 1;
	for (int t = 0; t < T; t++)
		sum[t + 1] = sum[t] + x[t] / scale;
	best[0] = -3 * log(T);
	for (int t = 1; t <= T; t++)
	{
		best[t] = INFINITY;
		for (int s = 0; s < t; s++)
		{
			double n = t - s;
			double level = sum[t] - sum[s];
			/* less the sum of all squares, the same for every division */
			double cost = best[s] + 3 * log(T) + log(n) - level * level / n;

			if (cost < best[t])
			{
				best[t] = cost;
				last[t] = s;
			}
		}
	}
	for (int t = last[T]; t > 0; t = last[t])
		places[count++] = t;
	return count;
}

typedef int (*Rival)(int T, int *places);

/* share of series with an alarm, or F1 where shifts are planted */
static double
run_rival(const Kind *kind, Rival rival, int series)
{
	static int places[MAX_T];
	int		   alarms = 0, found = 0, planted = 0, reported = 0;

	state = 20260101;
	for (int i = 0; i < series; i++)
	{
		int	 shift_at[MAX_SHIFTS], spike_at[MAX_SHIFTS];
		bool used[MAX_SHIFTS] = {false};
		int	 count;

		draw(kind, shift_at, spike_at);
		count = rival(kind->T, places);
		planted += kind->shifts;
		reported += count;
		alarms += count > 0;
		for (int c = 0; c < count; c++)
			for (int k = 0; k < kind->shifts; k++)
				if (!used[k] && abs(shift_at[k] - places[c]) <= 3)
				{
					used[k] = true;
					found++;
					break;
				}
	}
	return kind->shifts ? 2.0 * found / (planted + reported)
						: 100.0 * alarms / series;
}

static int
int_cmp(const void *a, const void *b)
{
	return *(const int *) a - *(const int *) b;
}

static bool tsv = false;

/* one row of a benchmark's table */
static void
row(const Kind *kind, const char *what, const char *ours, const char *rival,
	const char *target, const char *verdict)
{
	printf("%s, %s\t%s\t%s\t-\t%s\t%s\n", kind->name, what, ours, rival,
		   target, verdict);
}

static void
run(const Kind *kind, double alpha, int series, const char *rivals)
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
	{
		double recall = planted ? (double) found / planted : 0;
		double precision = reported ? (double) found / reported : 1;
		double F1 = recall + precision > 0
						? 2 * recall * precision / (recall + precision)
						: 0;
		double cover = placed ? 100.0 * covered / placed : 100;
		double alarm = 100.0 * alarms / series;
		double kept = spikes ? 100.0 - 100.0 * spiked / spikes : 100;
		char   ours[200], what[100], target[100];

		qsort(widths, Min(placed, series * MAX_SHIFTS), sizeof(int), int_cmp);
		if (!tsv)
		{
			printf("%-34s %2.0f%%  phi %4.2f  ", kind->name, alpha * 100,
				   phi / series);
			if (kind->shifts)
				printf("recall %.3f precision %.3f F1 %.3f  cover %.1f%% "
					   "width %d",
					   recall, precision, F1, cover,
					   placed ? widths[placed / 2] : 0);
			else
				printf("alarms %.2f%%", alarm);
			if (spikes)
				printf("  spikes: %.1f%% no shifts, %.1f%% named", kept,
					   100.0 * named / spikes);
			printf("  %s\n", rivals);
		}
		else if (kind->shifts == 0 && kind->spikes == 0)
		{
			snprintf(what, sizeof(what), "false alarms at %.0f %%",
					 100 * alpha);
			snprintf(ours, sizeof(ours), "%.2f %%", alarm);
			snprintf(target, sizeof(target), "<= %.1f %%", 150 * alpha);
			row(kind, what, ours, rivals, target,
				alarm <= 150 * alpha ? "ok" : "MISSED");
		}
		else if (kind->shifts)
		{
			snprintf(what, sizeof(what), "F1 at %.0f %%", 100 * alpha);
			snprintf(ours, sizeof(ours), "%.3f", F1);
			row(kind, what, ours, rivals, kind->required ? ">= 0.95" : "-",
				!kind->required ? "-"
				: F1 >= 0.95	? "ok"
								: "MISSED");
			snprintf(what, sizeof(what), "cover of place (median width %d)",
					 placed ? widths[placed / 2] : 0);
			snprintf(ours, sizeof(ours), "%.1f %%", cover);
			row(kind, what, ours, "-",
				kind->required ? "93 to 99 %" : ">= 93 %",
				cover >= 93 && (cover <= 99 || !kind->required) ? "ok"
																: "MISSED");
		}
		else
		{
			snprintf(ours, sizeof(ours), "%.1f %%", kept);
			snprintf(what, sizeof(what),
					 "spikes that are no shifts, at %.0f %%", 100 * alpha);
			row(kind, what, ours, "-", ">= 97 %",
				kept >= 97 ? "ok" : "MISSED");
		}
	}
	fflush(stdout);
	free(widths);
	fp_arena_delete(arena);
}

/* are posteriors what they say? */
static void
run_causes(int series)
{
	static const double edges[] = {0, 0.5, 0.8, 0.95, 1.0001};
	static const double lags[] = {0.55, 0.80, 0.92, 1};
	FpArena				arena = fp_arena_create(NULL, "simulation");
	int					said[4] = {0}, right[4] = {0};
	double				sum[4] = {0};
	double				none = 0;
	int					none_true = 0, changes = 0;

	state = 20260101;
	for (int i = 0; i < series; i++)
	{
		FpChangeOptions options = FP_CHANGE_DEFAULTS;
		FpTrend			trend;
		FpCause			causes[6];
		int				count = 0;
		int				at = 40 + (int) (uniform() * 120);
		double			odds = 1.4 + 1.1 * uniform();
		bool			caused = uniform() < 0.7;
		double			draw_lag = uniform();
		int				lag = 0;

		while (draw_lag > lags[lag])
			lag++;
		for (int t = 0; t < 200; t++)
		{
			buckets[t].at = t;
			buckets[t].trials = 50;
			buckets[t].failures =
				binomial(50, t < at ? 0.1 : 0.1 * odds / (0.9 + 0.1 * odds));
		}
		if (caused)
			causes[count++].bucket = at - lag;
		while (count < 6)
			causes[count++].bucket = (int) (uniform() * 200);
		for (int c = 0; c < count; c++)
			causes[c].weight = 1;
		fp_change_points(arena, buckets, 200, &options, &trend);
		for (int c = 0; c < trend.nchanges; c++)
		{
			const FpChange *change = &trend.changes[c];
			int			   *places;
			double		   *gains;
			int				n;
			int				best = 0;
			double			p;

			if (change->kind != FP_SHIFT || abs(change->at - at) > 20)
				continue;
			n = fp_change_profile(arena, &trend, change, &places, &gains);
			none += fp_attribute(places, gains, n, causes, count,
								 FP_NO_CAUSE_PRIOR);
			none_true += !caused;
			changes++;
			for (int k = 1; k < count; k++)
				if (causes[k].posterior > causes[best].posterior)
					best = k;
			p = causes[best].posterior;
			for (int e = 0; e < 4; e++)
				if (p >= edges[e] && p < edges[e + 1])
				{
					said[e]++;
					sum[e] += p;
					right[e] += caused && best == 0;
				}
			break;
		}
		fp_arena_reset(arena);
	}
	for (int e = 0; e < 4; e++)
	{
		if (said[e] == 0)
			continue;
		if (tsv)
			printf("attribution, posterior %.2f to %.2f: right\t%.0f %% of "
				   "%d\t-\t-\t%.0f %%\t-\n",
				   edges[e], fmin(1, edges[e + 1]), 100.0 * right[e] / said[e],
				   said[e], 100 * sum[e] / said[e]);
		else
			printf("attribution, posterior %.2f to %.2f: right %5.1f %% of "
				   "%d, mean posterior %.1f %%\n",
				   edges[e], fmin(1, edges[e + 1]), 100.0 * right[e] / said[e],
				   said[e], 100 * sum[e] / said[e]);
	}
	if (!tsv)
		printf("attribution, no cause: said %.1f %%, true %.1f %% of %d\n",
			   100 * none / changes, 100.0 * none_true / changes, changes);
	fp_arena_delete(arena);
}

/* verdicts of mix shifts of four kinds, as often as they are right */
static void
run_mix(int series)
{
	static const char *names[] = {"rate", "mix", "reversal"};
	FpArena			   arena = fp_arena_create(NULL, "simulation");

	state = 20260101;
	for (int kind = 0; kind < 3; kind++)
	{
		int right = 0;

		for (int i = 0; i < series; i++)
		{
			FpMixStratum s[3];
			FpMixShift	 m;

			for (int j = 0; j < 3; j++)
			{
				double rate = 0.05 + 0.15 * j;
				double after = kind == 0   ? rate * 1.4
							   : kind == 1 ? rate
										   : rate * 0.75;
				/* from mostly the first stratum to mostly the last */
				int64 n0 = kind == 0 ? 2000 : j == 0 ? 4000 : 1000;
				int64 n1 = kind == 0 ? 2000 : j == 2 ? 4000 : 1000;

				s[j].trials_before = n0;
				s[j].trials_after = n1;
				s[j].failures_before = binomial(n0, rate);
				s[j].failures_after = binomial(n1, after);
			}
			fp_mix_shift(arena, s, 3, 1, 0.01, &m);
			right += strcmp(fp_mix_verdict_name(m.verdict), names[kind]) == 0;
			fp_arena_reset(arena);
		}
		if (tsv)
			printf("mix shift, verdict \"%s\" where it is so\t%.1f "
				   "%%\t-\t-\t>= 98 %%\t%s\n",
				   names[kind], 100.0 * right / series,
				   right >= 0.98 * series ? "ok" : "MISSED");
		else
			printf("mix shift, verdict \"%s\" where it is so: %.1f %%\n",
				   names[kind], 100.0 * right / series);
	}
	fp_arena_delete(arena);
}

int
main(int argc, char **argv)
{
	int			series = argc > 1 ? atoi(argv[1]) : 400;
	const char *only = argc > 2 ? argv[2] : "";

	tsv = argc > 3 && strcmp(argv[3], "tsv") == 0;
	for (size_t k = 0; k < lengthof(kinds); k++)
		if (strncmp(kinds[k].name, only, strlen(only)) == 0)
		{
			char rivals[100];
			/* the rivals' time is quadratic */
			int fewer = kinds[k].T > 500 ? series / 8 + 1 : series;

			snprintf(rivals, sizeof(rivals),
					 kinds[k].shifts ? "p-chart %.3f, normal MBIC %.3f"
									 : "p-chart %.0f %%, normal MBIC %.1f %%",
					 run_rival(&kinds[k], p_chart, fewer),
					 run_rival(&kinds[k], normal_mbic, fewer));
			run(&kinds[k], 0.05, series, rivals);
			run(&kinds[k], 0.01, series, rivals);
		}
	if (strncmp("causes", only, strlen(only)) == 0)
		run_causes(series);
	if (strncmp("mix", only, strlen(only)) == 0)
		run_mix(series);
	return 0;
}
