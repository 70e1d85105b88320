/*-------------------------------------------------------------------------
 *
 * window_kept.c
 *		fp_bucket_counts: what is kept of a window's buckets between looks.
 *
 * A row for each bucket, which goes when the bucket's cube changes.
 *
 * Memory: what is read lives in window->cx.  Locks: none of its own; the
 * caller has that of the source's refresh.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "storage/shmem.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "failpat.h"
#include "window.h"

void
failpat_window_run(const char *sql, int nargs, Oid *types, Datum *args,
				   const char *nulls)
{
	MemoryContext old = CurrentMemoryContext;
	int			  result =
		SPI_execute_with_args(sql, nargs, types, args, nulls, false, 0);

	if (result < 0)
		elog(ERROR, "SPI_execute_with_args failed: %s",
			 SPI_result_code_string(result));
	MemoryContextSwitchTo(old);
}

void
failpat_window_run_all(FailpatWindow *window, const char *sql)
{
	Oid	  types[2] = {TEXTOID, TIMESTAMPTZARRAYOID};
	Datum args[2] = {window->source, window->starts};

	failpat_window_run(sql, 2, types, args, NULL);
}

FailpatAsked *
failpat_window_ask(FailpatWindow *window, Jsonb *conditions)
{
	const char *bytes = VARDATA(conditions);
	size_t		len = VARSIZE(conditions) - VARHDRSZ;
	uint32		hash = fp_hash_bytes(bytes, len);
	uint32		code = fp_dict_find(&window->by_conditions, bytes, len, hash);
	uint64		n = (uint64) window->n + 1;
	FailpatAsked *asked;

	if (code > 0)
		return &window->asked[code - 1];
	(void) fp_dict_add(window->cx, &window->by_conditions, bytes, len, hash);
	if (window->nasked == window->capacity)
	{
		window->capacity = Max(64, 2 * window->capacity);
		window->asked =
			window->asked
				? repalloc(window->asked,
						   window->capacity * sizeof(FailpatAsked))
				: MemoryContextAlloc(window->cx,
									 window->capacity * sizeof(FailpatAsked));
	}
	asked = &window->asked[window->nasked++];
	memset(asked, 0, sizeof(FailpatAsked));
	asked->conditions = MemoryContextAlloc(window->cx, VARSIZE(conditions));
	memcpy(asked->conditions, conditions, VARSIZE(conditions));
	asked->known = fp_alloc0_array(window->cx, bool, n);
	asked->trials = fp_alloc0_array(window->cx, int64, n);
	asked->failures = fp_alloc0_array(window->cx, int64, n);
	asked->clusters = fp_alloc0_array(window->cx, int64, n);
	asked->squares = fp_alloc0_array(window->cx, double, n);
	asked->shares = fp_alloc0_array(window->cx, bytea *, n);
	return asked;
}

/* --- reading ----------------------------------------------------------- */

static Datum
column(uint64 row, int number, bool *isnull)
{
	return SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc,
						 number, isnull);
}

/* an array of a column, of no elements where it is NULL */
static Datum *
elements(uint64 row, int number, Oid type, int *n)
{
	bool   isnull;
	Datum  datum = column(row, number, &isnull);
	Datum *values;
	bool  *nulls;
	bool   fixed = type != JSONBOID && type != BYTEAOID;

	*n = 0;
	if (isnull)
		return NULL;
	deconstruct_array(DatumGetArrayTypeP(datum), type, fixed ? 8 : -1,
					  fixed && FLOAT8PASSBYVAL,
					  fixed ? TYPALIGN_DOUBLE : TYPALIGN_INT, &values, &nulls,
					  n);
	return values;
}

/* a copy in cx, or NULL */
static bytea *
bytes_of(MemoryContext cx, Datum datum)
{
	bytea *from = DatumGetByteaPP(datum);
	bytea *copy;

	if (VARSIZE_ANY_EXHDR(from) == 0)
		return NULL;
	copy = MemoryContextAlloc(cx, VARSIZE_ANY_EXHDR(from) + VARHDRSZ);
	SET_VARSIZE(copy, VARSIZE_ANY_EXHDR(from) + VARHDRSZ);
	memcpy(VARDATA(copy), VARDATA_ANY(from), VARSIZE_ANY_EXHDR(from));
	return copy;
}

/* n hashes, then the trials and the failures of each as varints */
static void
read_clusters(FailpatWindow *window, Datum datum, FpBucketClusters *clusters)
{
	bytea		*bytes = DatumGetByteaPP(datum);
	const uint8 *at = (const uint8 *) VARDATA_ANY(bytes);
	const uint8 *end = at + VARSIZE_ANY_EXHDR(bytes);
	uint64		 n;
	uint64		*hashes;
	int64		*counts[2];

	at = failpat_get_varint(at, end, &n);
	if (n > (uint64) (end - at) / sizeof(uint64))
		elog(ERROR, "what is kept of the clusters of a bucket is malformed");
	hashes = fp_alloc_array(window->cx, uint64, n + 1);
	memcpy(hashes, at, n * sizeof(uint64));
	at += n * sizeof(uint64);
	for (int k = 0; k < 2; k++)
	{
		counts[k] = fp_alloc_array(window->cx, int64, n + 1);
		for (uint64 i = 0; i < n; i++)
		{
			uint64 value;

			at = failpat_get_varint(at, end, &value);
			counts[k][i] = (int64) value;
		}
	}
	clusters->n = (uint32) n;
	clusters->hashes = hashes;
	clusters->trials = counts[0];
	clusters->failures = counts[1];
}

static void
read_row(FailpatWindow *window, uint64 row)
{
	bool   isnull;
	int	   b = DatumGetInt32(column(row, 1, &isnull)) - 1;
	int	   n, ntrials, nfailures, nclusters, nsquares, nshares;
	Datum *conditions = elements(row, 3, JSONBOID, &n);
	Datum *trials = elements(row, 4, INT8OID, &ntrials);
	Datum *failures = elements(row, 5, INT8OID, &nfailures);
	Datum *clusters = elements(row, 7, INT8OID, &nclusters);
	Datum *squares = elements(row, 8, FLOAT8OID, &nsquares);
	Datum *shares = elements(row, 9, BYTEAOID, &nshares);
	bool   jobs = nclusters > 0;
	Datum  datum;
	bytea *shared;

	FailpatBucket *bucket = &window->buckets[b];

	n = Min(n, Min(ntrials, nfailures));
	if (jobs)
		n = Min(n, Min(nclusters, Min(nsquares, nshares)));
	window->other_dims |= DatumGetBool(column(row, 2, &isnull));
	for (int i = 0; i < n; i++)
	{
		FailpatAsked *asked =
			failpat_window_ask(window, DatumGetJsonbP(conditions[i]));

		asked->trials[b] = DatumGetInt64(trials[i]);
		asked->failures[b] = DatumGetInt64(failures[i]);
		/* without jobs each trial stands for itself */
		asked->clusters[b] =
			jobs ? DatumGetInt64(clusters[i]) : asked->trials[b];
		asked->squares[b] =
			jobs ? DatumGetFloat8(squares[i]) : (double) asked->trials[b];
		asked->shares[b] = jobs ? bytes_of(window->cx, shares[i]) : NULL;
		asked->nknown += !asked->known[b];
		asked->known[b] = true;
	}
	bucket->stale = false;
	bucket->dims =
		PointerGetDatum(DatumGetArrayTypePCopy(column(row, 6, &isnull)));
	datum = column(row, 10, &isnull);
	if (isnull)
		return;
	read_clusters(window, datum, &bucket->clusters);
	shared = bytes_of(window->cx, column(row, 11, &isnull));
	if (shared == NULL)
		return;
	bucket->shared.n =
		(uint32) ((VARSIZE(shared) - VARHDRSZ) / sizeof(uint64));
	bucket->shared.hashes =
		fp_alloc_array(window->cx, uint64, (uint64) bucket->shared.n + 1);
	memcpy(bucket->shared.hashes, VARDATA(shared),
		   bucket->shared.n * sizeof(uint64));
	pfree(shared);
}

void
failpat_window_read(FailpatWindow *window)
{
	bool isnull;

	failpat_window_run_all(window,
						   psprintf("SELECT name FROM %s.fp_dimensions "
									"WHERE source = $1 AND $2 IS NOT NULL",
									window->home));
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		text  *name = DatumGetTextPP(column(i, 1, &isnull));
		size_t len = VARSIZE_ANY_EXHDR(name);

		(void) fp_dict_add(window->cx, &window->dims, VARDATA_ANY(name), len,
						   fp_hash_bytes(VARDATA_ANY(name), len));
	}
	SPI_freetuptable(SPI_tuptable);

	/* bucket, whether it has other dimensions, and what is kept of it */
	failpat_window_run_all(
		window,
		psprintf(
			"SELECT w.number::pg_catalog.int4, NOT "
			"pg_catalog.array_remove(k.dims, '') OPERATOR(pg_catalog.<@) ARRAY("
			"SELECT d.name FROM %s.fp_dimensions d WHERE d.source = $1), "
			"k.conditions, k.trials, k.failures, k.dims, k.clusters, "
			"k.squares, k.shares, k.jobs, coalesce(k.shared, '') "
			"FROM pg_catalog.unnest($2) WITH ORDINALITY w (bucket, number) "
			"JOIN %s.fp_bucket_counts k ON k.source = $1 AND k.bucket = "
			"w.bucket ORDER BY w.number",
			window->home, window->home));
	for (int b = 0; b < window->n; b++)
		window->buckets[b].stale = true;
	for (uint64 i = 0; i < SPI_processed; i++)
		read_row(window, i);
	SPI_freetuptable(SPI_tuptable);
}

/* --- writing ----------------------------------------------------------- */

enum
{
	ARG_SOURCE,
	ARG_BUCKET,
	ARG_DIMS,
	ARG_CONDITIONS,
	ARG_TRIALS,
	ARG_FAILURES,
	ARG_CLUSTERS,
	ARG_SQUARES,
	ARG_SHARES,
	ARG_JOBS,
	ARG_SHARED,
	NARGS
};

static Datum
array_of(Datum *values, int n, Oid type)
{
	bool fixed = type != JSONBOID && type != BYTEAOID;

	return PointerGetDatum(
		construct_array(values, n, type, fixed ? 8 : -1,
						fixed && FLOAT8PASSBYVAL,
						fixed ? TYPALIGN_DOUBLE : TYPALIGN_INT));
}

static Datum
pack_clusters(const FpBucketClusters *clusters)
{
	bytea *packed =
		MemoryContextAllocHuge(CurrentMemoryContext,
							   VARHDRSZ + 10 + (Size) clusters->n * 28);
	uint8 *at = failpat_put_varint((uint8 *) VARDATA(packed), clusters->n);

	memcpy(at, clusters->hashes, clusters->n * sizeof(uint64));
	at += clusters->n * sizeof(uint64);
	for (uint32 i = 0; i < clusters->n; i++)
		at = failpat_put_varint(at, (uint64) clusters->trials[i]);
	for (uint32 i = 0; i < clusters->n; i++)
		at = failpat_put_varint(at, (uint64) clusters->failures[i]);
	SET_VARSIZE(packed, at - (uint8 *) packed);
	return PointerGetDatum(packed);
}

/* The row of a bucket; drop: without what was not asked for now. */
static void
keep_bucket(FailpatWindow *window, const char *sql, int b, bool drop,
			Datum **columns, bytea *empty)
{
	FailpatBucket *bucket = &window->buckets[b];
	Oid			   types[NARGS] = {TEXTOID,		  TIMESTAMPTZOID, TEXTARRAYOID,
								   JSONBARRAYOID, INT8ARRAYOID,	  INT8ARRAYOID,
								   INT8ARRAYOID,  FLOAT8ARRAYOID, BYTEAARRAYOID,
								   BYTEAOID,	  BYTEAOID};
	Datum		   args[NARGS] = {window->source, bucket->start, bucket->dims};
	char		   nulls[NARGS + 1];
	bool		   jobs = bucket->clusters.n > 0;
	bytea		  *shared;
	Size		   size;
	int			   n = 0;

	memset(nulls, ' ', sizeof(nulls));
	for (int i = 0; i < window->nasked; i++)
	{
		const FailpatAsked *asked = &window->asked[i];

		if (!asked->known[b] || (drop && !asked->now))
			continue;
		columns[0][n] = JsonbPGetDatum(asked->conditions);
		columns[1][n] = Int64GetDatum(asked->trials[b]);
		columns[2][n] = Int64GetDatum(asked->failures[b]);
		columns[3][n] = Int64GetDatum(asked->clusters[b]);
		columns[4][n] = Float8GetDatum(asked->squares[b]);
		columns[5][n++] = asked->shares[b] != NULL
							  ? PointerGetDatum(asked->shares[b])
							  : PointerGetDatum(empty);
	}
	args[ARG_CONDITIONS] = array_of(columns[0], n, JSONBOID);
	args[ARG_TRIALS] = array_of(columns[1], n, INT8OID);
	args[ARG_FAILURES] = array_of(columns[2], n, INT8OID);
	if (jobs)
	{
		args[ARG_CLUSTERS] = array_of(columns[3], n, INT8OID);
		args[ARG_SQUARES] = array_of(columns[4], n, FLOAT8OID);
		args[ARG_SHARES] = array_of(columns[5], n, BYTEAOID);
		size = mul_size(bucket->shared.n, sizeof(uint64));
		shared = palloc(VARHDRSZ + size);
		SET_VARSIZE(shared, VARHDRSZ + size);
		memcpy(VARDATA(shared), bucket->shared.hashes, size);
		args[ARG_SHARED] = PointerGetDatum(shared);
	}
	else
		nulls[ARG_CLUSTERS] = nulls[ARG_SQUARES] = nulls[ARG_SHARES] =
			nulls[ARG_SHARED] = 'n';
	if (jobs && bucket->listed)
		args[ARG_JOBS] = pack_clusters(&bucket->clusters);
	else
		nulls[ARG_JOBS] = 'n';
	failpat_window_run(sql, NARGS, types, args, nulls);
}

void
failpat_window_keep(FailpatWindow *window)
{
	/* jobs are those of the cube: where the row is there, they stay */
	char *sql = psprintf(
		"INSERT INTO %s.fp_bucket_counts AS k (source, bucket, "
		"dims, conditions, trials, failures, clusters, squares, shares, "
		"jobs, shared) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) "
		"ON CONFLICT (source, bucket) DO UPDATE SET dims = excluded.dims, "
		"conditions = excluded.conditions, trials = excluded.trials, "
		"failures = excluded.failures, clusters = excluded.clusters, "
		"squares = excluded.squares, shares = excluded.shares, "
		"jobs = coalesce(excluded.jobs, k.jobs), shared = excluded.shared",
		window->home);
	Datum		 *columns[6];
	MemoryContext old = MemoryContextSwitchTo(window->one_cx);
	bytea		 *empty = MemoryContextAlloc(window->cx, VARHDRSZ);
	int			  nnow = 0;
	bool		  drop;

	SET_VARSIZE(empty, VARHDRSZ);
	for (int i = 0; i < window->nasked; i++)
		nnow += window->asked[i].now;
	drop = window->nasked - nnow > nnow;
	elog(DEBUG1, "counts by bucket of %d combinations, %d kept", nnow,
		 drop ? nnow : window->nasked);
	for (int k = 0; k < 6; k++)
		columns[k] =
			fp_alloc_array(window->cx, Datum, (uint64) window->nasked + 1);
	for (int b = 0; b < window->n; b++)
	{
		CHECK_FOR_INTERRUPTS();
		if (window->buckets[b].stale || drop)
			keep_bucket(window, sql, b, drop, columns, empty);
		MemoryContextReset(window->one_cx);
	}
	MemoryContextSwitchTo(old);
}
