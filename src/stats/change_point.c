/*-------------------------------------------------------------------------
 *
 * change_point.c
 *		Changes of a failure rate: how many, where, how large, how sure.
 *
 * The steps: trials of one bucket are alike (they share a day, a machine, a
 * load), so their number is first reduced to the effective one; the series is
 * divided exactly (segment.c) at a price per change that holds the chance of
 * any false change in the whole series at alpha; stretches of a bucket or two
 * between equal rates are taken out as spikes and the rest divided again;
 * what is left between stretches of different rates are shifts.
 *
 * Owns: the penalty, the p-values, the estimate of overdispersion, the report
 * of a change.  Memory: everything that is returned lives in the caller's
 * arena; work in an arena that is gone on return.  No locks.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#include "stats/change_point.h"

#include <math.h>

#include "stats/interval.h"
#include "stats/special.h"

/* how often spikes are taken out before the rest is accepted as it is */
#define SPIKE_ROUNDS 4

/* buckets to each side over which a local rate is taken */
#define LOCAL_HALF_WIDTH 8

/*
 * Squared differences of neighbours beyond this quantile are cut back to it;
 * the mean of a chi-square variable of one degree after such a cut.
 */
#define CUT_QUANTILE 0.95
#define CUT_MEAN 0.9130

/* ---------- significance ---------- */

/*
 * fp_change_pair_p
 *		Chance that a quiet series of T buckets holds a pair of changes with
 *		half the joint gain (twice the log likelihood ratio) of at least
 *		"gain"; 1 for a gain of no more than 2.
 *
 * The pair bounds a short stretch that differs by chance.  Its tail has the
 * shape T g exp(-g) of a maximum over all starts and lengths; the constant is
 * fitted to simulated quiet series.
 */
double
fp_change_pair_p(double gain, int nbuckets)
{
	if (!(gain > 2))
		return 1;
	return fmin(1, 0.18 * nbuckets * gain * exp(-gain));
}

/*
 * fp_change_p
 *		Chance that a quiet series of T buckets shows any change of at least
 *		this gain.
 *
 * The maximum of the standardised split statistic over all places (Miller and
 * Siegmund 1982, with the extremes at 1/T and 1 - 1/T), and that of a pair of
 * changes.  Falls with the gain, rises with T; 1 for a gain of no more than 2.
 */
double
fp_change_p(double gain, int nbuckets)
{
	double x = sqrt(gain);
	double density = exp(-gain / 2) / sqrt(2 * M_PI);
	double T = Max(nbuckets, 2);
	double p;

	if (!(gain > 2))
		return 1;
	p = 4 * density / x + density * (x - 1 / x) * 2 * log(T - 1);
	return fmin(1, p + fp_change_pair_p(gain, nbuckets));
}

/*
 * fp_change_penalty
 *		The gain whose fp_change_p is alpha (0 < alpha < 1).
 */
double
fp_change_penalty(double alpha, int nbuckets)
{
	double low = 2;
	double high = 1500; /* exp(-high / 2) is the smallest double */

	while (high - low > 1e-10 * high)
	{
		double middle = (low + high) / 2;

		if (fp_change_p(middle, nbuckets) > alpha)
			low = middle;
		else
			high = middle;
	}
	return high;
}

/* ---------- overdispersion ---------- */

static int
double_cmp(const void *a, const void *b)
{
	double x = *(const double *) a;
	double y = *(const double *) b;

	return x < y ? -1 : x > y;
}

/*
 * fp_bucket_correlation
 *		Correlation rho of two trials of one bucket, from neighbours.
 *
 * A bucket of n trials at rate p varies by p q (1 + (n - 1) rho) / n.
 * Differences of neighbours do not see level shifts, but for one pair each;
 * their largest fiftieth is cut back to bound what spikes do.  Pairs are
 * weighted by their expected size (as in Williams 1982), so that buckets of
 * few trials do not drown the others.
 *
 * Returns 0 .. 1; 0 where there is nothing to learn from.
 */
double
fp_bucket_correlation(FpArena arena, const FpBucket *buckets, int n)
{
	FpArena work;
	double *square; /* squared differences in units of p q */
	double *chance; /* their expectation is chance + rho * shared */
	double *shared;
	double *sorted;
	double	rho = 0;
	double	local_trials = 0;
	double	local_failures = 0;
	int		from = 0; /* the local sums cover from .. to - 1 */
	int		to = 0;
	int		pairs = 0;

	if (n < 3)
		return 0;
	work = fp_arena_create(arena, "failpat dispersion");
	square = fp_alloc_array(work, double, n);
	chance = fp_alloc_array(work, double, n);
	shared = fp_alloc_array(work, double, n);
	sorted = fp_alloc_array(work, double, n);
	for (int t = 0; t + 1 < n; t++)
	{
		double n0 = buckets[t].trials;
		double n1 = buckets[t + 1].trials;
		double difference =
			buckets[t].failures / n0 - buckets[t + 1].failures / n1;
		double p;

		if ((t & 1023) == 0)
			FP_CHECK_INTERRUPTS();
		for (; to < n && to <= t + 1 + LOCAL_HALF_WIDTH; to++)
		{
			local_trials += buckets[to].trials;
			local_failures += buckets[to].failures;
		}
		for (; from < t - LOCAL_HALF_WIDTH; from++)
		{
			local_trials -= buckets[from].trials;
			local_failures -= buckets[from].failures;
		}
		p = local_failures / local_trials;
		if (p <= 0 || p >= 1)
			continue;
		square[pairs] = difference * difference / (p * (1 - p));
		chance[pairs] = 1 / n0 + 1 / n1;
		shared[pairs] = 2 - chance[pairs];
		pairs++;
	}
	for (int round = 0; round < 4 && pairs > 0; round++)
	{
		double excess = 0;
		double weight = 0;
		double cap;

		for (int i = 0; i < pairs; i++)
			sorted[i] = square[i] / (chance[i] + rho * shared[i]);
		FP_CHECK_INTERRUPTS();
		qsort(sorted, pairs, sizeof(double), double_cmp);
		cap = sorted[(int) ceil(CUT_QUANTILE * pairs) - 1];
		for (int i = 0; i < pairs; i++)
		{
			double expected = chance[i] + rho * shared[i];
			double ratio = Min(square[i] / expected, cap) / CUT_MEAN;

			excess += ratio - chance[i] / expected;
			weight += shared[i] / expected;
		}
		rho = weight > 0 ? excess / weight : 0;
		rho = Max(0, Min(rho, 1));
		if (rho == 0)
			break;
	}
	fp_arena_delete(work);
	return rho;
}

/* ---------- search ---------- */

/* What the search works on. */
typedef struct Search
{
	FpArena				   arena;
	FpArena				   division; /* series and cuts */
	const FpBucket		  *buckets;
	int					   n;
	const FpChangeOptions *options;
	double				   penalty;
	double				  *weight; /* effective trials per trial, per bucket */
	double				  *failures; /* effective counts of active buckets */
	double				  *trials;
	int					  *active; /* buckets that are no spike */
	int					   nactive;
	FpSeries			   series; /* over the active ones */
	int					  *cuts;   /* 0, changes, nactive */
	int					   nstretches;
	FpChange			  *spikes;
	int					   nspikes;
	int					   spikes_size;
} Search;

/*
 * No change of the best division gains less than its price.  Where 10^16
 * trials and more make a cost too large to resolve a price, rounding adds some
 * that do; gains are free of it.
 */
static void
drop_weak(Search *s)
{
	while (s->nstretches > 1)
	{
		double least = INFINITY;
		int	   weakest = 0;

		for (int i = 1; i < s->nstretches; i++)
		{
			double gain = fp_split_gain(&s->series, s->cuts[i - 1], s->cuts[i],
										s->cuts[i + 1]);

			if (gain < least)
			{
				least = gain;
				weakest = i;
			}
		}
		if (least >= s->penalty * (1 - 1e-6))
			return;
		FP_CHECK_INTERRUPTS();
		for (int i = weakest; i < s->nstretches; i++)
			s->cuts[i] = s->cuts[i + 1];
		s->nstretches--;
	}
}

static void
divide(Search *s)
{
	int *changes;
	int	 count;

	for (int i = 0; i < s->nactive; i++)
	{
		const FpBucket *b = &s->buckets[s->active[i]];

		s->failures[i] = b->failures * s->weight[s->active[i]];
		s->trials[i] = b->trials * s->weight[s->active[i]];
	}
	fp_arena_reset(s->division);
	fp_series_init(&s->series, s->division, s->failures, s->trials,
				   s->nactive);
	count = s->n < 3 ? 0
					 : fp_segment(s->division, &s->series, s->penalty,
								  s->options->min_segment, &changes, NULL);
	s->cuts = fp_alloc_array(s->division, int, count + 2);
	s->cuts[0] = 0;
	for (int i = 0; i < count; i++)
		s->cuts[i + 1] = changes[i];
	s->cuts[count + 1] = s->nactive;
	s->nstretches = count + 1;
	drop_weak(s);
}

/* cost of the stretches from .. middle - 1 and rest .. to - 1 as one */
static double
cost_around(const FpSeries *series, int from, int middle, int rest, int to)
{
	double	 trials[3] = {0};
	double	 events[3] = {0};
	FpSeries both = *series;

	trials[1] = series->trials[middle] - series->trials[from] +
				series->trials[to] - series->trials[rest];
	events[1] = series->events[middle] - series->events[from] +
				series->events[to] - series->events[rest];
	both.trials = trials;
	both.events = events;
	return fp_segment_cost(&both, 0, 1);
}

/* Is the rate of i .. j - 1 above, or below, those on both its sides? */
static bool
beyond_both(const FpSeries *series, int from, int i, int j, int to)
{
	const double *N = series->trials;
	const double *F = series->events;
	double		  left = (F[i] - F[from]) / (N[i] - N[from]);
	double		  inside = (F[j] - F[i]) / (N[j] - N[i]);
	double		  right = (F[to] - F[j]) / (N[to] - N[j]);

	return (inside > left && inside > right) ||
		   (inside < left && inside < right);
}

/*
 * Chance of a spike of that gain anywhere: Chernoff's bound on the tail of a
 * stretch of counts, over all stretches that long.
 */
static double
spike_p(const Search *s, double gain)
{
	return fmin(1, 2.0 * s->n * s->options->max_spike * exp(-gain / 2));
}

/* Note that the active buckets from .. to - 1 are a spike. */
static void
add_spike(Search *s, int from, int to, double gain, double p)
{
	FpChange *spike;

	if (s->nspikes == s->spikes_size)
	{
		s->spikes = fp_realloc_array(s->arena, s->spikes, FpChange,
									 s->spikes_size, s->spikes_size * 2);
		s->spikes_size *= 2;
	}
	spike = &s->spikes[s->nspikes++];
	memset(spike, 0, sizeof(*spike));
	spike->kind = FP_SPIKE;
	spike->at = spike->at_lower = s->active[from];
	spike->at_upper = s->active[to - 1];
	spike->gain = gain;
	spike->p_value = p;
}

/*
 * Take out the stretches of at most max_spike buckets around which the rate
 * is the same, or that stick out from both sides; and one at the very start,
 * where a window of time has cut a transient.  Returns whether there were any.
 */
static bool
take_spikes_out(Search *s)
{
	const FpSeries *series = &s->series;
	int			   *cuts = s->cuts;
	int				kept = 0;
	int				next = 0; /* first active bucket not yet kept */
	bool			found = false;

	if (s->nstretches > 1 && s->active[0] == 0 &&
		cuts[1] <= s->options->max_spike &&
		cuts[2] - cuts[1] > 2 * s->options->max_spike)
	{
		double gain = fp_split_gain(series, 0, cuts[1], cuts[2]);
		double p = spike_p(s, gain);

		if (p <= s->options->alpha)
		{
			add_spike(s, 0, cuts[1], gain, p);
			next = cuts[1];
			found = true;
		}
	}
	for (int i = 1; i + 1 < s->nstretches; i++)
	{
		FP_CHECK_INTERRUPTS();
		/* a transient may itself be of more than one stretch */
		for (int j = i; j + 1 < s->nstretches &&
						cuts[j + 1] - cuts[i] <= s->options->max_spike;
			 j++)
		{
			int	   from = cuts[i - 1];
			int	   to = cuts[j + 2];
			double left = fp_segment_cost(series, from, cuts[i]);
			double inside = fp_segment_cost(series, cuts[i], cuts[j + 1]);
			double right = fp_segment_cost(series, cuts[j + 1], to);
			double around =
				cost_around(series, from, cuts[i], cuts[j + 1], to);
			double gain;
			double p;

			if (around - left - right <= s->penalty)
				gain = fp_segment_cost(series, from, to) - around - inside;
			else if (beyond_both(series, from, cuts[i], cuts[j + 1], to))
			{
				/* a spike where a shift is: it belongs to neither side */
				double with_left = fp_segment_cost(series, from, cuts[j + 1]);
				double with_right = fp_segment_cost(series, cuts[i], to);

				gain = Min(with_left - left, with_right - right) - inside;
			}
			else
				continue;

			p = spike_p(s, gain);
			if (p <= s->options->alpha)
				add_spike(s, cuts[i], cuts[j + 1], gain, p);
			while (next < cuts[i])
				s->active[kept++] = s->active[next++];
			next = cuts[j + 1];
			found = true;
			i = j + 1; /* what follows is its surroundings */
			break;
		}
	}
	if (!found)
		return false;
	while (next < s->nactive)
		s->active[kept++] = s->active[next++];
	s->nactive = kept;
	return true;
}

/* Divide at a given correlation of the trials of a bucket. */
static void
search(Search *s, double rho)
{
	double given = s->options->dispersion;

	for (int t = 0; t < s->n; t++)
	{
		s->weight[t] =
			given > 0 ? 1 / given
					  : 1 / (1 + ((double) s->buckets[t].trials - 1) * rho);
		s->active[t] = t;
	}
	s->nactive = s->n;
	s->nspikes = 0;
	divide(s);
	for (int round = 0; round < SPIKE_ROUNDS && take_spikes_out(s); round++)
		divide(s);
}

static double
correlation_without_spikes(const Search *s)
{
	FpArena	  work = fp_arena_create(s->arena, "failpat dispersion");
	FpBucket *rest = fp_alloc_array(work, FpBucket, s->nactive);
	double	  rho;

	for (int k = 0; k < s->nactive; k++)
		rest[k] = s->buckets[s->active[k]];
	rho = fp_bucket_correlation(work, rest, s->nactive);
	fp_arena_delete(work);
	return rho;
}

/*
 * Correlation rho from what the stretches leave unexplained.  Disturbances
 * that last for several buckets make neighbours look alike, and only show
 * here.
 */
static double
residual_correlation(const Search *s)
{
	double excess = 0;
	double weight = 0;

	for (int i = 0; i < s->nstretches; i++)
	{
		double N = 0;
		double F = 0;
		double p;

		for (int k = s->cuts[i]; k < s->cuts[i + 1]; k++)
		{
			N += s->buckets[s->active[k]].trials;
			F += s->buckets[s->active[k]].failures;
		}
		p = F / N;
		if (p <= 0 || p >= 1)
			continue;
		for (int k = s->cuts[i]; k < s->cuts[i + 1]; k++)
		{
			double n = s->buckets[s->active[k]].trials;
			double residual = s->buckets[s->active[k]].failures - n * p;
			double c = 1 - n / N;

			excess += residual * residual / (n * p * (1 - p)) - c;
			weight += (n - 1) * c;
		}
	}
	return weight > 0 ? Max(0, Min(excess / weight, 1)) : 0;
}

/* ---------- report ---------- */

/* counts of some buckets, and how far their sum varies */
typedef struct Counts
{
	int64  failures;
	int64  trials;
	double factor; /* variance as a multiple of the binomial one */
} Counts;

static void
add_counts(const Search *s, Counts *sum, int bucket)
{
	/* the factor is a sum until finish_counts */
	sum->factor += s->buckets[bucket].trials / s->weight[bucket];
	sum->failures += s->buckets[bucket].failures;
	sum->trials += s->buckets[bucket].trials;
}

static void
finish_counts(Counts *sum)
{
	sum->factor = sum->trials > 0 ? sum->factor / sum->trials : 1;
}

static Counts
count_active(const Search *s, int from, int to)
{
	Counts sum = {0, 0, 0};

	for (int k = from; k < to; k++)
		add_counts(s, &sum, s->active[k]);
	finish_counts(&sum);
	return sum;
}

/* Wilson's interval knows n / z^2 only: dispersion widens z. */
static FpEstimate
rate_of(const Counts *c, double z)
{
	FpInterval interval =
		fp_wilson_interval(c->failures, c->trials, z * sqrt(c->factor));
	FpEstimate rate = {(double) c->failures / c->trials, interval.lower,
					   interval.upper};

	return rate;
}

/*
 * Compare the rates of two sides.  The intervals of two_by_two.h are those of
 * plain counts; dispersion enters as a higher confidence, and where that would
 * come too near to 1 to be told from it, as smaller counts for the rest.
 */
static void
compare(FpChange *change, const Counts *before, const Counts *after,
		double confidence)
{
	double	   z = fp_normal_two_sided(confidence);
	double	   n1 = before->trials;
	double	   n2 = after->trials;
	double	   factor;
	double	   by_confidence;
	double	   wider;
	int64	   f[2];
	int64	   n[2];
	FpEstimate r1 = rate_of(before, z);
	FpEstimate r2 = rate_of(after, z);

	change->failures_before = before->failures;
	change->trials_before = before->trials;
	change->failures_after = after->failures;
	change->trials_after = after->trials;
	change->before = r1;
	change->after = r2;
	change->low_counts = before->failures < 5 || after->failures < 5 ||
						 before->trials - before->failures < 5 ||
						 after->trials - after->failures < 5;

	/* of the variance of the difference, were the rates equal */
	factor = (before->factor / n1 + after->factor / n2) / (1 / n1 + 1 / n2);
	by_confidence = Min(factor, Max(1, 36 / (z * z)));
	wider = by_confidence > 1
				? fmax(confidence, erf(z * sqrt(by_confidence) / M_SQRT2))
				: confidence;
	factor /= by_confidence;
	f[0] = llround(before->failures / factor);
	n[0] = Max(llround(before->trials / factor), Max(f[0], 1));
	f[1] = llround(after->failures / factor);
	n[1] = Max(llround(after->trials / factor), Max(f[1], 1));
	if (factor <= 1)
	{
		f[0] = before->failures;
		n[0] = before->trials;
		f[1] = after->failures;
		n[1] = after->trials;
	}
	change->difference = fp_risk_difference(f[1], n[1], f[0], n[0], wider);
	change->ratio = fp_risk_ratio(f[1], n[1], f[0], n[0], wider);
	change->odds_ratio = fp_odds_ratio(f[1], n[1], f[0], n[0], wider);
	change->difference.estimate = r2.estimate - r1.estimate;
	change->ratio.estimate = r2.estimate / r1.estimate;
	change->odds_ratio.estimate =
		r2.estimate / (1 - r2.estimate) / (r1.estimate / (1 - r1.estimate));
}

/*
 * Places that the data does not rule out: those whose gain is not below the
 * best by more than a quantile of Hansen's (2000) limit.
 */
static void
locate(const Search *s, FpChange *change, int from, int at, int to)
{
	double best = fp_split_gain(&s->series, from, at, to);
	double limit = best + 2 * log(1 - sqrt(s->options->confidence));
	int	   lower = at;
	int	   upper = at;

	for (int t = from + 1; t < to; t++)
	{
		if ((t & 1023) == 0)
			FP_CHECK_INTERRUPTS();
		if (fp_split_gain(&s->series, from, t, to) >= limit)
		{
			lower = Min(lower, t);
			upper = t > upper ? t : upper;
		}
	}
	change->at_lower = s->active[lower];
	change->at_upper = s->active[upper];
}

static int
change_cmp(const void *a, const void *b)
{
	return ((const FpChange *) a)->at - ((const FpChange *) b)->at;
}

static void
report(Search *s, FpArena arena, FpTrend *trend)
{
	double	confidence = s->options->confidence;
	double	z = fp_normal_two_sided(confidence);
	int		shifts = s->nstretches - 1;
	int		home = 0;
	Counts *counts = fp_alloc_array(s->division, Counts, s->nstretches);

	trend->nstretches = s->nstretches;
	trend->stretches = fp_alloc0_array(arena, FpStretch, s->nstretches);
	for (int i = 0; i < s->nstretches; i++)
	{
		FpStretch *stretch = &trend->stretches[i];
		Counts	   c = count_active(s, s->cuts[i], s->cuts[i + 1]);

		counts[i] = c;
		stretch->from = s->active[s->cuts[i]];
		stretch->to = s->active[s->cuts[i + 1] - 1];
		stretch->buckets = s->cuts[i + 1] - s->cuts[i];
		stretch->failures = c.failures;
		stretch->trials = c.trials;
		stretch->rate = rate_of(&c, z);
	}

	trend->nchanges = shifts + s->nspikes;
	trend->changes = fp_alloc0_array(arena, FpChange, trend->nchanges + 1);
	for (int i = 0; i < shifts; i++)
	{
		FpChange *change = &trend->changes[i];
		int		  from = s->cuts[i];
		int		  at = s->cuts[i + 1];
		int		  to = s->cuts[i + 2];

		change->kind = FP_SHIFT;
		change->at = s->active[at];
		change->last_before = s->active[at - 1];
		change->window_from = s->active[from];
		change->window_to = s->active[to - 1] + 1;
		compare(change, &counts[i], &counts[i + 1], confidence);
		locate(s, change, from, at, to);
		change->gain = fp_split_gain(&s->series, from, at, to);
		change->p_value = fp_change_p(change->gain, s->n);
		change->provisional =
			i == shifts - 1 && to - at <= s->options->max_spike;
	}

	/*
	 * A chance bump makes two changes, each of which looks indispensable
	 * given the other: the gain of both together must be convincing too.
	 */
	for (int i = 0; i + 1 < shifts; i++)
	{
		int		 *c = &s->cuts[i];
		FpSeries *series = &s->series;
		double	  gain = fp_segment_cost(series, c[0], c[3]) -
					  fp_segment_cost(series, c[0], c[1]) -
					  fp_segment_cost(series, c[1], c[2]) -
					  fp_segment_cost(series, c[2], c[3]);
		double p = fp_change_pair_p(gain / 2, s->n);

		for (int k = i; k <= i + 1; k++)
			trend->changes[k].p_value = Max(trend->changes[k].p_value, p);
	}

	qsort(s->spikes, s->nspikes, sizeof(FpChange), change_cmp);
	for (int i = 0; i < s->nspikes; i++)
	{
		FpChange *change = &trend->changes[shifts + i];
		Counts	  after = {0, 0, 0};

		*change = s->spikes[i];
		/* the stretch that it interrupts, or ends */
		while (home + 1 < s->nstretches &&
			   trend->stretches[home + 1].from < change->at)
			home++;
		for (int t = change->at; t <= change->at_upper; t++)
			add_counts(s, &after, t);
		finish_counts(&after);
		change->last_before = change->at - 1;
		change->window_from = trend->stretches[home].from;
		change->window_to = trend->stretches[home].to + 1;
		compare(change, &counts[home], &after, confidence);
	}
	qsort(trend->changes, trend->nchanges, sizeof(FpChange), change_cmp);
}

/*
 * fp_change_points
 *		Find and describe the changes of a series.
 *
 * buckets: n of them, ordered, distinct, none empty (fp_buckets_merge,
 * fp_buckets_drop_empty).  Fewer than 3 have no changes.
 */
void
fp_change_points(FpArena arena, const FpBucket *buckets, int n,
				 const FpChangeOptions *options, FpTrend *trend)
{
	Search s = {0};
	double rho = 0;
	double sum = 0;

	memset(trend, 0, sizeof(*trend));
	trend->nbuckets = n;
	trend->dispersion = 1;
	if (n == 0)
		return;
	s.arena = arena;
	s.buckets = buckets;
	s.n = n;
	s.options = options;
	s.penalty = fp_change_penalty(options->alpha, n);
	s.weight = fp_alloc_array(arena, double, n);
	s.failures = fp_alloc_array(arena, double, n);
	s.trials = fp_alloc_array(arena, double, n);
	s.active = fp_alloc_array(arena, int, n);
	s.spikes_size = 8;
	s.spikes = fp_alloc_array(arena, FpChange, s.spikes_size);
	s.division = fp_arena_create(arena, "failpat division");

	if (options->dispersion == 0)
		rho = fp_bucket_correlation(arena, buckets, n);
	search(&s, rho);
	if (options->dispersion == 0)
	{
		double residual;

		/* Spikes look like dispersion, and hide other spikes behind it. */
		for (int round = 0; round < SPIKE_ROUNDS && s.nactive < n; round++)
		{
			double without = correlation_without_spikes(&s);

			if (without > 0.9 * rho)
				break;
			rho = without;
			search(&s, rho);
		}
		residual = residual_correlation(&s);
		if (residual > 1.25 * rho)
		{
			rho = residual;
			search(&s, rho);
		}
	}
	report(&s, arena, trend);

	trend->correlation = rho;
	for (int t = 0; t < n; t++)
		sum += 1 / s.weight[t];
	trend->dispersion = sum / n;
	trend->series = s.series;
	trend->bucket = s.active;
}

/*
 * fp_change_profile
 *		The gain of every place that a shift could have in its window.
 *
 * Returns how many; *buckets become their indices (first bucket of the new
 * rate), *gains twice the log likelihood ratio of a change there.
 */
int
fp_change_profile(FpArena arena, const FpTrend *trend, const FpChange *change,
				  int **buckets, double **gains)
{
	int from = 0;
	int to;
	int count = 0;

	while (from < trend->series.n && trend->bucket[from] < change->window_from)
		from++;
	to = from;
	while (to < trend->series.n && trend->bucket[to] < change->window_to)
		to++;
	*buckets = fp_alloc_array(arena, int, to - from + 1);
	*gains = fp_alloc_array(arena, double, to - from + 1);
	for (int t = from + 1; t < to; t++)
	{
		if ((t & 1023) == 0)
			FP_CHECK_INTERRUPTS();
		(*buckets)[count] = trend->bucket[t];
		(*gains)[count++] = fp_split_gain(&trend->series, from, t, to);
	}
	return count;
}
