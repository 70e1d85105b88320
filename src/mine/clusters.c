/*-------------------------------------------------------------------------
 *
 * clusters.c
 *		Outcomes that are alike within clusters (the segments of one job).
 *
 * The intra-class correlation is that of a one-way analysis of variance; Rao
 * and Scott, Biometrics 48 (1992), for its use.  It is summed over the kinds
 * of clusters there are, in order of their counts: so it is the same to the
 * bit in whatever order, and in however many pieces, clusters were counted.
 *
 * Clusters of many buckets are joined by their hashes, a part of the range of
 * hashes at a time, so that the table of them stays in the processor's cache.
 *
 * Memory: results in the arena given, the rest in a child of it, or in scratch.
 * No locks.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#include "mine/clusters.h"

#include <math.h>

#include "mine/clusters_join.h"
#include "mine/counthash.h"
#include "stats/special.h"

static const char *const cluster_names[] = {"job", "job_id", "scene", "batch"};

/* So many clusters are joined at a time, about. */
#define PART_SIZE 4096

/* --- kinds ------------------------------------------------------------- */

/* (trials, failures) -> number, open addressing; number 0 is empty */
typedef struct Kinds
{
	FpArena		   arena;
	FpClusterKind *table;
	uint64		   mask;
	uint64		   used;
} Kinds;

static void
kinds_create(Kinds *kinds, FpArena arena)
{
	kinds->arena = arena;
	kinds->mask = 255;
	kinds->used = 0;
	kinds->table = fp_alloc0_array(arena, FpClusterKind, kinds->mask + 1);
}

static void
kinds_add(Kinds *kinds, int64 trials, int64 failures, int64 number)
{
	uint64 i = fp_hash_key(fp_hash_key((uint64) trials) + (uint64) failures) &
			   kinds->mask;

	while (kinds->table[i].number != 0 &&
		   (kinds->table[i].trials != trials ||
			kinds->table[i].failures != failures))
		i = (i + 1) & kinds->mask;
	if (kinds->table[i].number == 0)
	{
		kinds->table[i].trials = trials;
		kinds->table[i].failures = failures;
		kinds->used++;
	}
	kinds->table[i].number += number;
	if (kinds->used * 3 > kinds->mask * 2)
	{
		FpClusterKind *old = kinds->table;
		uint64		   size = kinds->mask + 1;

		kinds->mask = size * 2 - 1;
		kinds->used = 0;
		kinds->table = fp_alloc0_array(kinds->arena, FpClusterKind, size * 2);
		for (uint64 k = 0; k < size; k++)
		{
			if ((k & 0xffff) == 0)
				FP_CHECK_INTERRUPTS();
			if (old[k].number != 0)
				kinds_add(kinds, old[k].trials, old[k].failures,
						  old[k].number);
		}
		fp_free(kinds->arena, old);
	}
}

static int
compare_kinds(const void *a, const void *b)
{
	const FpClusterKind *x = a;
	const FpClusterKind *y = b;

	FP_CHECK_INTERRUPTS();
	if (x->trials != y->trials)
		return x->trials < y->trials ? -1 : 1;
	return x->failures < y->failures ? -1 : x->failures > y->failures;
}

/* in order; *n is how many */
static FpClusterKind *
kinds_list(const Kinds *kinds, uint32 *n, FpArena arena)
{
	FpClusterKind *list =
		fp_alloc_array(arena, FpClusterKind, kinds->used + 1);

	*n = 0;
	for (uint64 k = 0; k <= kinds->mask; k++)
		if (kinds->table[k].number != 0)
			list[(*n)++] = kinds->table[k];
	qsort(list, *n, sizeof(FpClusterKind), compare_kinds);
	return list;
}

static double
icc_of(const FpClusterKind *kinds, uint32 nkinds, FpCount total)
{
	double p = (double) total.f / (double) total.n;
	double between = 0, within = 0, squares = 0, N = 0, k = 0;
	double size, msb, msw;

	for (uint32 i = 0; i < nkinds; i++)
	{
		double number = (double) kinds[i].number;
		double n = (double) kinds[i].trials;
		double rate = (double) kinds[i].failures / n;

		between += number * (n * (rate - p) * (rate - p));
		within += number * (n * rate * (1 - rate));
		squares += number * (n * n);
		N += number * n;
		k += number;
	}
	if (k < 2 || N <= k)
		return 0;
	size = (N - squares / N) / (k - 1);
	msb = between / (k - 1);
	msw = within / (N - k);
	if (msb + (size - 1) * msw > 0)
		return fmin(fmax((msb - msw) / (msb + (size - 1) * msw), 0), 1);
	return 0;
}

FpCluster
fp_cluster_find(const FpTally *tally, FpArena scratch)
{
	const FpCube  *cube = tally->cube;
	FpCluster	   cluster = {-1, 0};
	Kinds		   kinds;
	uint32		   n;
	FpClusterKind *list;

	if (fp_counted_by_bucket(tally))
	{
		const FpBuckets *buckets = tally->fold->buckets;

		cluster.icc = icc_of(buckets->kinds, buckets->nkinds, tally->total);
		return cluster;
	}
	for (size_t i = 0; i < lengthof(cluster_names) && cluster.dim < 0; i++)
	{
		int d =
			fp_cube_find_dim(cube, cluster_names[i], strlen(cluster_names[i]));

		if (d >= 0 && cube->dims[d].kind == FP_STRATUM)
			cluster.dim = d;
	}
	if (cluster.dim < 0)
		return cluster;
	kinds_create(&kinds, scratch);
	/* code 0 is not one cluster: those trials stand for themselves */
	for (uint32 c = 1; c < tally->ncodes[cluster.dim]; c++)
	{
		FpCount count = tally->margins[cluster.dim][c];

		if ((c & 0xffff) == 0)
			FP_CHECK_INTERRUPTS();
		if (count.n > 0)
			kinds_add(&kinds, count.n, count.f, 1);
	}
	list = kinds_list(&kinds, &n, scratch);
	cluster.icc = icc_of(list, n, tally->total);
	return cluster;
}

/* --- inflation --------------------------------------------------------- */

/* ln P(T > t) of Student's t, t > 0 */
static double
student_log_upper(double t, double df)
{
	double x = df / (df + t * t);
	double log_p;

	fp_log_beta_cdf(df / 2, 0.5, x, t * t / (df + t * t), &log_p, NULL);
	return log_p - log(2);
}

/* how many times the normal quantile at that level Student's is */
static double
student_excess(double df, double log_level)
{
	double z = fp_normal_upper_quantile(log_level);
	double low = z, high = z;

	/* the more freedom, the less there is to correct */
	if (z <= 0 || df > 1e6)
		return 1;
	df = fmax(df, 1);
	while (student_log_upper(high, df) > log_level && high < 1e12)
		high *= 2;
	for (int i = 0; i < 60; i++)
	{
		double middle = (low + high) / 2;

		if (student_log_upper(middle, df) > log_level)
			low = middle;
		else
			high = middle;
	}
	return high / z;
}

double
fp_cluster_inflation(FpTallier *tallier, const FpCluster *cluster,
					 const FpCover *cover, double log_level, FpArena scratch)
{
	double n = 0, squares = 0, clusters = 0;
	double inflation, share, excess;

	if (cluster->icc <= 0)
		return 1;
	if (fp_counted_by_bucket(tallier->tally))
	{
		FpBucketCounts counts;
		FpCount		   all = {0, 0};

		if (!fp_cover_ask(tallier, cover, NULL, 0, &counts, scratch))
			return 1;
		for (uint32 b = 0; b < tallier->tally->fold->buckets->n; b++)
			all.n += counts.trials[b];
		n = (double) all.n;
		squares = counts.squares;
		clusters = (double) counts.clusters;
	}
	else
	{
		FpTallied tallied;

		/* whole numbers below 2^53: their order does not matter */
		fp_cover_tally_dim(tallier, cover, cluster->dim, &tallied, scratch);
		for (uint32 i = 0; i < tallied.n; i++)
		{
			double size = (double) tallied.counts[i].n;
			bool   alone = tallied.strata[i] == 0; /* without a cluster */

			n += size;
			squares += alone ? size : size * size;
			clusters += alone ? size : 1;
		}
	}
	inflation = 1 + (squares / n - 1) * cluster->icc;

	/*
	 * The clusters' part of the variance is known from as many clusters less
	 * one, the binomial part exactly: degrees of freedom by Satterthwaite
	 * (1946).
	 */
	share = (inflation - 1) / inflation;
	if (share <= 0)
		return 1;
	excess = student_excess((clusters - 1) / (share * share), log_level);
	return inflation * excess * excess;
}

/* --- of many buckets --------------------------------------------------- */

typedef struct Joined
{
	uint64 hash;
	int64  trials;
	int64  failures;
	uint32 buckets; /* how many it is in; 0: empty */
} Joined;

static Joined *
find_joined(Joined *table, uint64 mask, uint64 hash)
{
	uint64 i = fp_hash_key(hash) & mask;

	while (table[i].buckets != 0 && table[i].hash != hash)
		i = (i + 1) & mask;
	return &table[i];
}

FpClusters *
fp_clusters_join(const FpBucketClusters *buckets, uint32 n, FpArena arena)
{
	FpArena		scratch = fp_arena_create(arena, "failpat clusters");
	FpClusters *result = fp_alloc0_array(arena, FpClusters, 1);
	uint32	   *from = fp_alloc0_array(scratch, uint32, (uint64) n + 1);
	uint32	   *to = fp_alloc0_array(scratch, uint32, (uint64) n + 1);
	Joined	   *table = NULL;
	uint64		size = 0;
	uint64		all = 0;
	int			bits = 0; /* of a hash that tell its part */
	Kinds		kinds;

	for (uint32 b = 0; b < n; b++)
		all += buckets[b].n;
	while (bits < 32 && all >> bits > PART_SIZE)
		bits++;
	result->shared = fp_alloc0_array(arena, FpHashes, (uint64) n + 1);
	for (uint32 b = 0; b < n; b++)
		result->shared[b].hashes =
			fp_alloc_array(scratch, uint64, (uint64) buckets[b].n + 1);
	kinds_create(&kinds, scratch);
	for (uint64 part = 0; part < UINT64CONST(1) << bits; part++)
	{
		uint64 here = 0;
		uint64 mask;

		FP_CHECK_INTERRUPTS();
		for (uint32 b = 0; b < n; b++)
		{
			const uint64 *hashes = buckets[b].hashes;

			from[b] = to[b];
			while (to[b] < buckets[b].n &&
				   (bits == 0 || hashes[to[b]] >> (64 - bits) == part))
				to[b]++;
			here += to[b] - from[b];
		}
		if (size < 2 * here + 64)
		{
			for (size = 64; size < 2 * here + 64;)
				size *= 2;
			table = fp_alloc_array(scratch, Joined, size);
		}
		memset(table, 0, size * sizeof(Joined));
		mask = size - 1;
		for (uint32 b = 0; b < n; b++)
			for (uint32 i = from[b]; i < to[b]; i++)
			{
				Joined *joined =
					find_joined(table, mask, buckets[b].hashes[i]);

				joined->hash = buckets[b].hashes[i];
				joined->trials += buckets[b].trials[i];
				joined->failures += buckets[b].failures[i];
				joined->buckets++;
			}
		for (uint64 i = 0; i < size; i++)
			if (table[i].buckets != 0)
				kinds_add(&kinds, table[i].trials, table[i].failures, 1);
		for (uint32 b = 0; b < n; b++)
			for (uint32 i = from[b]; i < to[b]; i++)
				if (find_joined(table, mask, buckets[b].hashes[i])->buckets >
					1)
					result->shared[b].hashes[result->shared[b].n++] =
						buckets[b].hashes[i];
	}
	for (uint32 b = 0; b < n; b++)
	{
		uint64 *kept =
			fp_alloc_array(arena, uint64, (uint64) result->shared[b].n + 1);

		memcpy(kept, result->shared[b].hashes,
			   result->shared[b].n * sizeof(uint64));
		result->shared[b].hashes = kept;
	}
	result->kinds = kinds_list(&kinds, &result->nkinds, arena);
	fp_arena_delete(scratch);
	return result;
}
