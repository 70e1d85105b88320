/*-------------------------------------------------------------------------
 *
 * window.c
 *		fp_mine_window: mining the buckets of a source, of which few have
 *		changed since the last time.
 *
 * Patterns are counted in the sum of the buckets, most of which fp_spans has
 * added up already.  Counts by bucket, and of jobs, are needed only of what
 * has passed all other tests, which is little, and much the same at each look:
 * they are kept in fp_bucket_counts, a row for each bucket that goes when the
 * bucket's cube changes.  What is not there is counted in the cubes of the
 * buckets, as much as possible in one pass over them: a run that lacks counts
 * goes on as if they spoke for what it asks about, and is made again when all
 * that it asked for has been counted.
 *
 * Buckets with dimensions that the source does not have (any more) are mined
 * with all cells in memory.
 *
 * Memory: a context of the call.  Locks: none of its own; the caller has that
 * of the source's refresh.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "failpat.h"
#include "patterns.h"
#include "window.h"

/*
 * In a run, so many passes over the buckets are made at once, for what comes
 * up by itself; and so many runs are made to learn what else is needed.
 */
#define PASSES_AT_ONCE 1
#define MOST_RUNS 20

typedef struct Miner
{
	FailpatWindow window;
	const FpCube *base;
	int			  npasses; /* of this run */
	int			  nruns;
	bool		  lacks; /* this run was not told all */
} Miner;

/* --- cubes ------------------------------------------------------------- */

/* an array of cubes: what the statement selects */
static Datum
cubes_of(FailpatWindow *window, const char *sql)
{
	bool  isnull;
	Datum cubes;

	failpat_window_run_all(window, sql);
	if (SPI_processed != 1)
		elog(ERROR, "the cubes of a window could not be read");
	cubes = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1,
						  &isnull);
	return isnull ? (Datum) 0 : cubes;
}

/* all cells of all buckets, with the number of the bucket */
static FpFold *
fold_all(FailpatWindow *window)
{
	/* the limit is for what it holds */
	MemoryContext cx =
		AllocSetContextCreate(window->cx, "failpat cells of a window",
							  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(cx);
	Datum		  cubes =
		cubes_of(window,
				 psprintf("SELECT pg_catalog.array_agg(c.cube ORDER BY "
						  "c.bucket) FROM %s.fp_cubes c WHERE c.source = $1 "
						  "AND c.bucket = ANY ($2)",
						  window->home));
	SPITupleTable *table = SPI_tuptable;
	FpFold		  *fold;

	if (cubes == (Datum) 0)
		elog(ERROR, "the buckets of a window have gone");
	fold = failpat_fold_array(cubes, 0, cx);
	SPI_freetuptable(table);
	MemoryContextSwitchTo(old);
	return fold;
}

/* The sum of the buckets; NULL where it is not theirs. */
static FpFold *
base_of(FailpatWindow *window, const FpBuckets *buckets)
{
	int64	trials = 0;
	int64	failures = 0;
	FpFold *fold;
	Datum	cubes =
		cubes_of(window, psprintf("SELECT %s.fp_window_parts($1, $2[1], "
								  "$2[pg_catalog.cardinality($2)])",
								  window->home));

	if (cubes == (Datum) 0)
		return NULL;
	fold = failpat_fold_array(cubes, (uint32) window->n, window->cx);
	SPI_freetuptable(SPI_tuptable);
	for (int b = 0; b < window->n; b++)
	{
		trials += buckets->total.trials[b];
		failures += buckets->total.failures[b];
	}
	if (trials != fold->cube.total_trials ||
		failures != fold->cube.total_failures)
		return NULL;
	fold->buckets = buckets;
	return fold;
}

/* --- what the miner asks for: see FpBuckets ----------------------------- */

static bool
count_names(void *arg, const FpPatternName *names, int nnames,
			FpBucketCounts *counts)
{
	Miner		  *miner = arg;
	FailpatWindow *window = &miner->window;
	MemoryContext  old = MemoryContextSwitchTo(window->cx);
	int			  *numbers = palloc_array(int, nnames + 1);
	FailpatAsked **list = palloc_array(FailpatAsked *, nnames + 1);
	int			   n = 0;
	bool		   known = true;

	/* the array may move while it grows */
	for (int i = 0; i < nnames; i++)
		numbers[i] =
			(int) (failpat_window_ask(
					   window,
					   failpat_conditions(miner->base, names[i].conditions,
										  names[i].nconditions)) -
				   window->asked);
	for (int i = 0; i < nnames; i++)
	{
		FailpatAsked *asked = &window->asked[numbers[i]];

		asked->now = true;
		if (asked->nknown < window->n)
			list[n++] = asked;
	}
	if (n > 0 && miner->nruns < MOST_RUNS && ++miner->npasses > PASSES_AT_ONCE)
	{
		miner->lacks = true;
		known = false;
	}
	else if (n > 0)
		failpat_window_count(window, list, n);
	for (int i = 0; known && i < nnames; i++)
	{
		FailpatAsked *asked = &window->asked[numbers[i]];

		failpat_window_join(window, asked);
		counts[i].trials = asked->trials;
		counts[i].failures = asked->failures;
		counts[i].clusters = asked->all_clusters;
		counts[i].squares = asked->all_squares;
	}
	pfree(numbers);
	pfree(list);
	MemoryContextSwitchTo(old);
	return known;
}

static bool
count_rest(void *arg)
{
	Miner		  *miner = arg;
	FailpatWindow *window = &miner->window;
	FailpatAsked **list;
	int			   n = 0;

	if (!miner->lacks)
		return false;
	list = fp_alloc_array(window->cx, FailpatAsked *,
						  (uint64) window->nasked + 1);
	for (int i = 0; i < window->nasked; i++)
	{
		FailpatAsked *asked = &window->asked[i];

		if (asked->now && asked->nknown < window->n)
			list[n++] = asked;
		/* the next run asks anew, for less perhaps */
		asked->now = false;
	}
	elog(DEBUG1, "counting %d combinations by bucket", n);
	failpat_window_count(window, list, n);
	pfree(list);
	miner->lacks = false;
	miner->npasses = 0;
	miner->nruns++;
	return true;
}

/* --- mining ------------------------------------------------------------ */

/* Mines the sum; false where that is not to be had. */
static bool
mine_sum(Miner *miner, FunctionCallInfo fcinfo, int first)
{
	FailpatWindow *window = &miner->window;
	FpBuckets	   buckets = {0};
	FpClusters	  *clusters;
	FailpatAsked  *all;
	FailpatAsked **list;
	FpFold		  *fold;
	Jsonb		  *everything =
		DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum("{}")));

	failpat_window_read(window);
	clusters = failpat_window_clusters(window);
	(void) failpat_window_ask(window, everything);
	list = palloc_array(FailpatAsked *, window->nasked + 1);
	for (int i = 0; i < window->nasked; i++)
		list[i] = &window->asked[i];
	failpat_window_count(window, list, window->nasked);
	all = failpat_window_ask(window, everything);
	all->now = true;
	if (window->other_dims)
	{
		failpat_window_keep(window);
		return false;
	}
	buckets.n = (uint32) window->n;
	buckets.total.trials = all->trials;
	buckets.total.failures = all->failures;
	buckets.nkinds = clusters->nkinds;
	buckets.kinds = clusters->kinds;
	buckets.count = count_names;
	buckets.count_rest = count_rest;
	buckets.arg = miner;
	fold = base_of(window, &buckets);
	if (fold == NULL)
		return false;
	miner->base = &fold->cube;
	failpat_mine(fcinfo, first, &fold->cube, fold, window->cx);
	/* the array may have moved */
	failpat_window_ask(window, everything)->now = true;
	failpat_window_keep(window);
	return true;
}

/*
 * fp_mine_window(source text, buckets timestamptz[], ...)
 *
 * Buckets in order of time: all that the source has between the first and the
 * last of them.
 */
PG_FUNCTION_INFO_V1(failpat_mine_window);
Datum
failpat_mine_window(PG_FUNCTION_ARGS)
{
	Miner		   miner = {0};
	FailpatWindow *window = &miner.window;
	Oid			   types[2] = {TEXTOID, TIMESTAMPTZOID};
	MemoryContext  old;
	Datum		  *starts;
	bool		  *nulls;

	InitMaterializedSRF(fcinfo, 0);
	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		return (Datum) 0;
	window->cx = AllocSetContextCreate(CurrentMemoryContext, "failpat window",
									   ALLOCSET_DEFAULT_SIZES);
	window->one_cx = AllocSetContextCreate(window->cx, "failpat bucket",
										   ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(window->cx);
	window->home = quote_identifier(
		get_namespace_name(get_func_namespace(fcinfo->flinfo->fn_oid)));
	window->source = PG_GETARG_DATUM(0);
	window->starts = PG_GETARG_DATUM(1);
	deconstruct_array(PG_GETARG_ARRAYTYPE_P(1), TIMESTAMPTZOID, 8,
					  FLOAT8PASSBYVAL, TYPALIGN_DOUBLE, &starts, &nulls,
					  &window->n);
	window->buckets = palloc0_array(FailpatBucket, window->n + 1);
	for (int b = 0; b < window->n; b++)
	{
		if (nulls[b])
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("argument \"buckets\" must not contain nulls")));
		window->buckets[b].start = starts[b];
	}
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	window->one_cube =
		SPI_prepare(psprintf("SELECT cube FROM %s.fp_cubes "
							 "WHERE source = $1 AND bucket = $2",
							 window->home),
					2, types);
	if (window->one_cube == NULL)
		elog(ERROR, "SPI_prepare failed");
	MemoryContextSwitchTo(window->cx);
	if (window->n > 0 && !mine_sum(&miner, fcinfo, 2))
	{
		FpFold *fold = fold_all(window);

		failpat_mine(fcinfo, 2, &fold->cube, fold, window->cx);
	}
	MemoryContextSwitchTo(window->cx);
	SPI_finish();
	MemoryContextSwitchTo(old);
	MemoryContextDelete(window->cx);
	return (Datum) 0;
}
