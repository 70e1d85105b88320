/*-------------------------------------------------------------------------
 *
 * window_counts.c
 *		Counts by bucket of the combinations that a window's mining asks for.
 *
 * Counted in the cubes of the buckets.  Where cubes have jobs, a bucket's
 * counts have two parts: those of jobs that lie in this bucket only add up;
 * of jobs that lie in several, how many trials each has is noted, so that
 * the sum over buckets can be squared.  Which these are, the lists of all
 * buckets' jobs tell.  Jobs are told apart by 64-bit hashes: that two of a
 * million are taken for one has a chance of one in thirty million.
 *
 * Memory: what lasts in window->cx, the rest in window->one_cx, which is reset
 * after each bucket.  Locks: none.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "cube/meeting.h"
#include "cube/project.h"
#include "failpat.h"
#include "window.h"

/* So many combinations are counted from the bytes of a cube, more decoded. */
#define FROM_BYTES 8

/* the stratum that holds clusters, as refresh makes cubes */
#define CLUSTERS "job"

static int
cluster_dim(const FpCube *cube)
{
	int d = fp_cube_find_dim(cube, CLUSTERS, strlen(CLUSTERS));

	return d >= 0 && cube->dims[d].kind == FP_STRATUM ? d : -1;
}

static uint64
cluster_hash(const FpText *text)
{
	return hash_bytes_extended((const unsigned char *) text->data, text->len,
							   0);
}

static int
compare_hashes(const void *a, const void *b)
{
	uint64 x = *(const uint64 *) a;
	uint64 y = *(const uint64 *) b;

	return x < y ? -1 : x > y;
}

/* its place in the list + 1, or 0 */
static uint32
find_hash(const FpHashes *list, uint64 hash)
{
	const uint64 *found = list->n == 0
							  ? NULL
							  : bsearch(&hash, list->hashes, list->n,
										sizeof(uint64), compare_hashes);

	return found == NULL ? 0 : (uint32) (found - list->hashes) + 1;
}

/* --- the cube of a bucket ---------------------------------------------- */

typedef struct OneCube
{
	SPITupleTable *table;
	Datum		   datum;
	FpPackedCube   packed; /* where from_bytes */
	bool		   from_bytes;
	FpCube		  *cube; /* decoded, or NULL */
} OneCube;

/* the names of the dimensions of a bucket, and whether all are known */
static void
look_at_dims(FailpatWindow *window, FailpatBucket *bucket, const FpCube *cube)
{
	MemoryContext old = MemoryContextSwitchTo(window->cx);
	Datum		 *names = palloc_array(Datum, cube->ndims + 1);

	for (int d = 0; d < cube->ndims; d++)
	{
		const FpText *name = &cube->dims[d].name;

		if (d == cluster_dim(cube))
			names[d] = PointerGetDatum(cstring_to_text(""));
		else if (cube->dims[d].kind == FP_STRATUM)
		{
			/* of no dimension */
			names[d] = PointerGetDatum(cstring_to_text(" "));
			window->other_dims = true;
		}
		else
		{
			names[d] = PointerGetDatum(
				cstring_to_text_with_len(name->data, name->len));
			if (fp_dict_find(&window->dims, name->data, name->len,
							 fp_hash_bytes(name->data, name->len)) == 0)
				window->other_dims = true;
		}
	}
	bucket->dims = PointerGetDatum(
		construct_array(names, cube->ndims, TEXTOID, -1, false, TYPALIGN_INT));
	MemoryContextSwitchTo(old);
}

/* in one_cx; close_cube() must follow */
static void
open_cube(FailpatWindow *window, FailpatBucket *bucket, OneCube *one)
{
	MemoryContext	old = MemoryContextSwitchTo(window->one_cx);
	Datum			args[2] = {window->source, bucket->start};
	struct varlena *bytes;
	bool			isnull;

	CHECK_FOR_INTERRUPTS();
	if (SPI_execute_plan(window->one_cube, args, NULL, false, 2) !=
			SPI_OK_SELECT ||
		SPI_processed != 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("there is no cube of a bucket that is to be mined")));
	MemoryContextSwitchTo(window->one_cx);
	one->table = SPI_tuptable;
	one->datum = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1,
							   &isnull);
	one->cube = NULL;
	one->from_bytes =
		failpat_cube_open(one->datum, window->one_cx, &one->packed, &bytes);
	if (!one->from_bytes)
		one->cube = failpat_cube_from_datum(one->datum, window->one_cx);
	if (bucket->dims == (Datum) 0)
		look_at_dims(window, bucket,
					 one->from_bytes ? one->packed.head : one->cube);
	MemoryContextSwitchTo(old);
}

static const FpCube *
decoded(FailpatWindow *window, OneCube *one)
{
	if (one->cube == NULL)
		one->cube = failpat_cube_from_datum(one->datum, window->one_cx);
	return one->cube;
}

static void
close_cube(FailpatWindow *window, OneCube *one)
{
	SPI_freetuptable(one->table);
	MemoryContextReset(window->one_cx);
}

/* --- clusters ---------------------------------------------------------- */

typedef struct HashedCluster
{
	uint64 hash;
	int64  trials;
	int64  failures;
} HashedCluster;

/* by cluster: the cells of the cube without all else */
static const FpCube *
by_cluster(FailpatWindow *window, OneCube *one, int d)
{
	FpCube *part = NULL;

	if (one->from_bytes)
		part = fp_cube_part(window->one_cx, &one->packed, NULL, 0, &d, 1);
	if (part == NULL)
		part =
			fp_cube_project(window->one_cx, decoded(window, one), NULL, &d, 1);
	return part;
}

/* Lists the clusters of a bucket. */
static void
list_clusters(FailpatWindow *window, FailpatBucket *bucket)
{
	OneCube		   one;
	HashedCluster *list;
	const FpCube  *cube;
	uint64		  *hashes;
	int64		  *trials, *failures;
	uint32		   n = 0;
	uint32		   used = 0;
	int			   d;

	open_cube(window, bucket, &one);
	bucket->stale = bucket->listed = true;
	memset(&bucket->clusters, 0, sizeof(FpBucketClusters));
	d = cluster_dim(one.from_bytes ? one.packed.head : one.cube);
	if (d < 0)
	{
		close_cube(window, &one);
		return;
	}
	cube = by_cluster(window, &one, d);
	list = fp_alloc_array(window->one_cx, HashedCluster, cube->ncells + 1);
	for (uint64 c = 0; c < cube->ncells; c++)
	{
		uint32 code = cube->codes[0][c];

		if (code == 0)
			continue;
		list[n].hash = cluster_hash(&cube->dims[0].values[code - 1]);
		list[n].trials = cube->trials[c];
		list[n++].failures = cube->failures[c];
	}
	qsort(list, n, sizeof(HashedCluster), compare_hashes);
	hashes = fp_alloc_array(window->cx, uint64, (uint64) n + 1);
	trials = fp_alloc_array(window->cx, int64, (uint64) n + 1);
	failures = fp_alloc_array(window->cx, int64, (uint64) n + 1);
	for (uint32 i = 0; i < n; i++)
	{
		/* hashes that are equal are one cluster, here as in joining */
		if (used > 0 && hashes[used - 1] == list[i].hash)
		{
			trials[used - 1] += list[i].trials;
			failures[used - 1] += list[i].failures;
			continue;
		}
		hashes[used] = list[i].hash;
		trials[used] = list[i].trials;
		failures[used++] = list[i].failures;
	}
	bucket->clusters.n = used;
	bucket->clusters.hashes = hashes;
	bucket->clusters.trials = trials;
	bucket->clusters.failures = failures;
	close_cube(window, &one);
}

/* Adds to what shares of a bucket are of; false where nothing is new. */
static bool
share_more(FailpatWindow *window, FailpatBucket *bucket, const FpHashes *more)
{
	FpHashes *shared = &bucket->shared;
	uint64	 *all =
		fp_alloc_array(window->cx, uint64, (uint64) shared->n + more->n + 1);
	uint32 n = 0, i = 0, k = 0;

	while (i < shared->n || k < more->n)
	{
		bool old = i < shared->n &&
				   (k == more->n || shared->hashes[i] <= more->hashes[k]);
		uint64 hash = old ? shared->hashes[i] : more->hashes[k];

		k += k < more->n && more->hashes[k] == hash;
		i += old;
		all[n++] = hash;
	}
	if (n == shared->n)
	{
		pfree(all);
		return false;
	}
	shared->hashes = all;
	shared->n = n;
	return true;
}

/* Numbers the shared clusters of all buckets. */
static void
number_shared(FailpatWindow *window)
{
	uint64	all = 0;
	uint64	size = 64;
	uint64 *keys;
	uint32 *numbers;

	for (int b = 0; b < window->n; b++)
		all += window->buckets[b].shared.n;
	while (size < 2 * all)
		size *= 2;
	keys = fp_alloc_array(window->cx, uint64, size);
	numbers = fp_alloc0_array(window->cx, uint32, size);
	for (int b = 0; b < window->n; b++)
	{
		FailpatBucket *bucket = &window->buckets[b];

		bucket->number =
			fp_alloc_array(window->cx, uint32, (uint64) bucket->shared.n + 1);
		for (uint32 s = 0; s < bucket->shared.n; s++)
		{
			uint64 hash = bucket->shared.hashes[s];
			uint64 i = fp_hash_word(hash) & (size - 1);

			while (numbers[i] != 0 && keys[i] != hash)
				i = (i + 1) & (size - 1);
			if (numbers[i] == 0)
			{
				keys[i] = hash;
				numbers[i] = ++window->nshared;
			}
			bucket->number[s] = numbers[i] - 1;
		}
	}
	pfree(keys);
	pfree(numbers);
	window->sums =
		fp_alloc0_array(window->cx, int64, (uint64) window->nshared + 1);
	window->touched =
		fp_alloc_array(window->cx, uint32, (uint64) window->nshared + 1);
}

FpClusters *
failpat_window_clusters(FailpatWindow *window)
{
	FpBucketClusters *lists = palloc0_array(FpBucketClusters, window->n + 1);
	FpClusters		 *joined;

	for (int b = 0; b < window->n; b++)
	{
		if (window->buckets[b].dims == (Datum) 0)
			list_clusters(window, &window->buckets[b]);
		lists[b] = window->buckets[b].clusters;
	}
	joined = fp_clusters_join(lists, (uint32) window->n, window->cx);
	for (int b = 0; b < window->n; b++)
	{
		if (!share_more(window, &window->buckets[b], &joined->shared[b]))
			continue;
		window->buckets[b].stale = true;
		for (int i = 0; i < window->nasked; i++)
		{
			window->asked[i].nknown -= window->asked[i].known[b];
			window->asked[i].known[b] = false;
		}
	}
	number_shared(window);
	return joined;
}

/* --- shares ------------------------------------------------------------ */

typedef struct Share
{
	uint32 place; /* in the bucket's list */
	int64  trials;
} Share;

static int
compare_shares(const void *a, const void *b)
{
	const Share *x = a;
	const Share *y = b;

	return x->place < y->place ? -1 : x->place > y->place;
}

/* places, each less the one before it, and trials; as varints */
static bytea *
pack_shares(FailpatWindow *window, Share *shares, uint32 n)
{
	bytea *packed;
	uint8 *at;
	uint32 before = 0;

	qsort(shares, n, sizeof(Share), compare_shares);
	packed = palloc(VARHDRSZ + (Size) n * 15 + 1);
	at = (uint8 *) VARDATA(packed);
	for (uint32 i = 0; i < n; i++)
	{
		at = failpat_put_varint(at, shares[i].place - before);
		at = failpat_put_varint(at, (uint64) shares[i].trials);
		before = shares[i].place;
	}
	SET_VARSIZE(packed, at - (uint8 *) packed);
	return memcpy(MemoryContextAlloc(window->cx, VARSIZE(packed)), packed,
				  VARSIZE(packed));
}

void
failpat_window_join(FailpatWindow *window, FailpatAsked *asked)
{
	uint32 ntouched = 0;

	if (asked->joined)
		return;
	asked->joined = true;
	asked->all_clusters = 0;
	asked->all_squares = 0;
	for (int b = 0; b < window->n; b++)
	{
		const FailpatBucket *bucket = &window->buckets[b];
		const bytea			*shares = asked->shares[b];
		const uint8			*at, *end;
		uint64				 place = 0;

		asked->all_clusters += asked->clusters[b];
		asked->all_squares += asked->squares[b];
		if (shares == NULL)
			continue;
		at = (const uint8 *) VARDATA_ANY(shares);
		end = at + VARSIZE_ANY_EXHDR(shares);
		while (at < end)
		{
			uint64 gap, trials;
			int64 *sum;

			at = failpat_get_varint(at, end, &gap);
			at = failpat_get_varint(at, end, &trials);
			place += gap;
			if (place >= bucket->shared.n)
				elog(ERROR, "a bucket has shares of clusters that it has not");
			sum = &window->sums[bucket->number[place]];
			if (*sum == 0)
				window->touched[ntouched++] = bucket->number[place];
			*sum += (int64) trials;
		}
	}
	asked->all_clusters += ntouched;
	for (uint32 i = 0; i < ntouched; i++)
	{
		int64 *sum = &window->sums[window->touched[i]];

		asked->all_squares += (double) *sum * (double) *sum;
		*sum = 0;
	}
}

/* --- counting ---------------------------------------------------------- */

static void
set_counts(FailpatAsked *asked, int b, int64 trials, int64 failures)
{
	asked->trials[b] = trials;
	asked->failures[b] = failures;
	asked->clusters[b] = 0;
	asked->squares[b] = 0;
	asked->shares[b] = NULL;
	if (!asked->known[b])
		asked->nknown++;
	asked->known[b] = true;
}

/*
 * What the clusters of a combination are: n sizes, and by each the place + 1
 * of the cluster among the shared ones, or 0; and trials without one.
 */
static void
set_clusters(FailpatWindow *window, FailpatAsked *asked, int b, int64 alone,
			 const int64 *sizes, const uint32 *places, uint64 n)
{
	Share *shares = fp_alloc_array(window->one_cx, Share,
								   (uint64) window->buckets[b].shared.n + 1);
	uint32 nshares = 0;

	asked->clusters[b] = alone;
	asked->squares[b] = (double) alone;
	for (uint64 i = 0; i < n; i++)
		if (places[i] > 0)
		{
			shares[nshares].place = places[i] - 1;
			shares[nshares++].trials = sizes[i];
		}
		else
		{
			asked->clusters[b]++;
			asked->squares[b] += (double) sizes[i] * (double) sizes[i];
		}
	if (nshares > 0)
		asked->shares[b] = pack_shares(window, shares, nshares);
}

/* from the bytes; false where that cannot be */
static bool
count_packed(FailpatWindow *window, int b, const FpPackedCube *packed,
			 FailpatAsked *asked)
{
	FpCondition list[FP_MAX_DIMS + 1];
	int		n = failpat_cube_conditions(packed->head, asked->conditions, list);
	int		d = cluster_dim(packed->head);
	FpCube *part =
		fp_cube_part(window->one_cx, packed, list, n, &d, d < 0 ? 0 : 1);
	uint64	used = 0;
	int64	alone = 0;
	int64  *sizes;
	uint32 *places;

	if (part == NULL)
		return false;
	set_counts(asked, b, part->total_trials, part->total_failures);
	if (d < 0)
	{
		set_clusters(window, asked, b, part->total_trials, NULL, NULL, 0);
		return true;
	}
	sizes = fp_alloc_array(window->one_cx, int64, part->ncells + 1);
	places = fp_alloc0_array(window->one_cx, uint32, part->ncells + 1);
	for (uint64 c = 0; c < part->ncells; c++)
	{
		uint32 code = part->codes[0][c];

		if (code == 0)
		{
			alone += part->trials[c];
			continue;
		}
		if (window->buckets[b].shared.n > 0)
			places[used] =
				find_hash(&window->buckets[b].shared,
						  cluster_hash(&part->dims[0].values[code - 1]));
		sizes[used++] = part->trials[c];
	}
	set_clusters(window, asked, b, alone, sizes, places, used);
	return true;
}

/* What is needed of a decoded cube for clusters. */
typedef struct ClusterCodes
{
	const uint32 *codes;  /* by cell, or NULL: it has none */
	uint32		 *places; /* by code: among the shared ones, + 1 */
	int64		 *sums;	  /* by code; zero between uses */
	uint32		 *touched;
	int64		 *sizes; /* scratch, as many as codes */
	uint32		 *size_places;
} ClusterCodes;

static void
prepare_clusters(FailpatWindow *window, int b, const FpCube *cube,
				 ClusterCodes *clusters)
{
	int			 d = cluster_dim(cube);
	const FpDim *dim = &cube->dims[d < 0 ? 0 : d];
	uint64		 n = (uint64) dim->nvalues + 1;

	memset(clusters, 0, sizeof(ClusterCodes));
	if (d < 0)
		return;
	clusters->codes = cube->codes[d];
	clusters->places = fp_alloc0_array(window->one_cx, uint32, n);
	clusters->sums = fp_alloc0_array(window->one_cx, int64, n);
	clusters->touched = fp_alloc_array(window->one_cx, uint32, n);
	clusters->sizes = fp_alloc_array(window->one_cx, int64, n);
	clusters->size_places = fp_alloc_array(window->one_cx, uint32, n);
	for (uint32 code = 1; code <= dim->nvalues; code++)
	{
		if ((code & 0xffff) == 0)
			CHECK_FOR_INTERRUPTS();
		if (window->buckets[b].shared.n > 0)
			clusters->places[code] =
				find_hash(&window->buckets[b].shared,
						  cluster_hash(&dim->values[code - 1]));
	}
}

static void
count_decoded(FailpatWindow *window, int b, const FpCube *cube,
			  ClusterCodes *clusters, FpMeeting *meeting, FailpatAsked *asked)
{
	FpCondition	  list[FP_MAX_DIMS + 1];
	uint32		  ncells;
	const uint32 *cells;
	int64		  trials = 0;
	int64		  failures = 0;
	int64		  alone;
	uint32		  ntouched = 0;
	uint32		  used = 0;

	cells = fp_meeting_cells(meeting, list,
							 failpat_cube_conditions(cube, asked->conditions,
													 list),
							 &ncells);
	for (uint32 i = 0; i < ncells; i++)
	{
		uint32 c = cells[i];

		trials += cube->trials[c];
		failures += cube->failures[c];
		if (clusters->codes != NULL)
		{
			uint32 code = clusters->codes[c];

			if (clusters->sums[code] == 0)
				clusters->touched[ntouched++] = code;
			clusters->sums[code] += cube->trials[c];
		}
	}
	set_counts(asked, b, trials, failures);
	alone = clusters->codes == NULL ? trials : clusters->sums[0];
	for (uint32 i = 0; i < ntouched; i++)
	{
		uint32 code = clusters->touched[i];

		if (code > 0)
		{
			clusters->sizes[used] = clusters->sums[code];
			clusters->size_places[used++] = clusters->places[code];
		}
		clusters->sums[code] = 0;
	}
	set_clusters(window, asked, b, alone, clusters->sizes,
				 clusters->size_places, used);
}

/* Counts what is not known of a bucket. */
static void
count_bucket(FailpatWindow *window, int b, FailpatAsked *const *list, int n)
{
	MemoryContext old = MemoryContextSwitchTo(window->one_cx);
	OneCube		  one;
	ClusterCodes  clusters;
	FpMeeting	 *meeting = NULL;
	int			  lacking = 0;

	for (int i = 0; i < n; i++)
		lacking += !list[i]->known[b];
	open_cube(window, &window->buckets[b], &one);
	for (int i = 0; i < n; i++)
	{
		int				  nread;
		FailpatCondition *read;

		CHECK_FOR_INTERRUPTS();
		if (list[i]->known[b])
			continue;
		read = failpat_read_conditions(list[i]->conditions, "conditions",
									   false, &nread);
		if (!failpat_conditions_fit(one.from_bytes ? one.packed.head
												   : one.cube,
									read, nread))
		{
			set_counts(list[i], b, 0, 0);
			continue;
		}
		if (lacking <= FROM_BYTES && one.from_bytes &&
			count_packed(window, b, &one.packed, list[i]))
			continue;
		(void) decoded(window, &one);
		if (meeting == NULL)
		{
			prepare_clusters(window, b, one.cube, &clusters);
			meeting = fp_meeting_create(window->one_cx, one.cube);
		}
		count_decoded(window, b, one.cube, &clusters, meeting, list[i]);
	}
	window->buckets[b].stale = true;
	close_cube(window, &one);
	MemoryContextSwitchTo(old);
}

void
failpat_window_count(FailpatWindow *window, FailpatAsked *const *list, int n)
{
	for (int b = 0; b < window->n; b++)
	{
		bool lacking = false;

		for (int i = 0; i < n; i++)
			lacking |= !list[i]->known[b];
		if (lacking)
			count_bucket(window, b, list, n);
	}
	fp_cells_check_limit(window->cx, (size_t) failpat_memory_limit * 1024, 0);
}
