/*-------------------------------------------------------------------------
 *
 * window.c
 *		fp_mine_window: mining the buckets of a source, of which few have
 *		changed since the last time.
 *
 * Patterns are counted in the sum of the buckets, most of which fp_spans has
 * added up already.  Counts by bucket are needed only of what has passed all
 * other tests, which is little, and much the same at each look: they are kept
 * in fp_bucket_counts, a row for each bucket that goes when the bucket's cube
 * changes.  What is not there is counted in the cubes of the buckets.
 *
 * Sources with clusters (jobs) need all cells with their jobs; they, and
 * buckets with dimensions that the source does not have (any more), are mined
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

#include "cube/dict.h"
#include "cubes.h"
#include "failpat.h"
#include "patterns.h"

/* So many combinations are counted from the bytes of a cube, more decoded. */
#define FROM_BYTES 8

/* After so many passes over the buckets all of their cells are read at once. */
#define MANY_PASSES 16

/* A combination that is, or was, asked for. */
typedef struct Asked
{
	Jsonb *conditions;
	bool   now;	   /* in this run */
	int	   nknown; /* buckets */
	bool  *known;  /* by bucket */
	int64 *trials;
	int64 *failures;
} Asked;

typedef struct Window
{
	MemoryContext cx;
	MemoryContext one_cx; /* reset after each bucket */
	const char	 *home;	  /* schema, quoted */
	Datum		  source;
	Datum		  starts; /* of the buckets: an array */
	int			  n;
	Datum		 *buckets;
	const FpCube *base;

	SPIPlanPtr	  one_cube; /* reads that of a bucket */
	int			  npasses;
	const FpFold *whole; /* all cells, where that is the better way */

	FpDict dims;		/* of the source */
	bool   other_dims;	/* a bucket has others */
	Datum *bucket_dims; /* names by bucket, or 0: not looked at */
	bool  *stale;		/* by bucket: its row must be written */

	FpDict by_conditions;
	int	   nasked;
	int	   capacity;
	Asked *asked;
} Window;

/* --- the server's side ------------------------------------------------- */

/*
 * Runs a statement with the source and up to two arrays or values as its
 * parameters; the memory context stays.
 */
static void
run(Window *window, const char *sql, int nargs, Oid *types, Datum *args,
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

/* the same of the source and its buckets */
static void
run_window(Window *window, const char *sql)
{
	Oid	  types[2] = {TEXTOID, TIMESTAMPTZARRAYOID};
	Datum args[2] = {window->source, window->starts};

	run(window, sql, 2, types, args, NULL);
}

static Datum
column(uint64 row, int number, bool *isnull)
{
	return SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc,
						 number, isnull);
}

/* an array of cubes: what the statement selects */
static Datum
cubes_of(Window *window, const char *sql)
{
	bool  isnull;
	Datum cubes;

	run_window(window, sql);
	if (SPI_processed != 1)
		elog(ERROR, "the cubes of a window could not be read");
	cubes = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1,
						  &isnull);
	return isnull ? (Datum) 0 : cubes;
}

/* all cells of all buckets, with the number of the bucket */
static FpFold *
fold_all(Window *window)
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

/* --- what is asked for ------------------------------------------------- */

static Asked *
find_asked(Window *window, Jsonb *conditions)
{
	const char *bytes = VARDATA(conditions);
	size_t		len = VARSIZE(conditions) - VARHDRSZ;
	uint32		hash = fp_hash_bytes(bytes, len);
	uint32		code = fp_dict_find(&window->by_conditions, bytes, len, hash);
	Asked	   *asked;

	if (code > 0)
		return &window->asked[code - 1];
	(void) fp_dict_add(window->cx, &window->by_conditions, bytes, len, hash);
	if (window->nasked == window->capacity)
	{
		window->capacity = Max(64, 2 * window->capacity);
		window->asked =
			window->asked
				? repalloc(window->asked, window->capacity * sizeof(Asked))
				: MemoryContextAlloc(window->cx,
									 window->capacity * sizeof(Asked));
	}
	asked = &window->asked[window->nasked++];
	memset(asked, 0, sizeof(Asked));
	asked->conditions = MemoryContextAlloc(window->cx, VARSIZE(conditions));
	memcpy(asked->conditions, conditions, VARSIZE(conditions));
	asked->known = fp_alloc0_array(window->cx, bool, window->n + 1);
	asked->trials = fp_alloc0_array(window->cx, int64, window->n + 1);
	asked->failures = fp_alloc0_array(window->cx, int64, window->n + 1);
	return asked;
}

static void
set_counts(Asked *asked, int bucket, int64 trials, int64 failures)
{
	asked->trials[bucket] = trials;
	asked->failures[bucket] = failures;
	if (!asked->known[bucket])
		asked->nknown++;
	asked->known[bucket] = true;
}

/* the source's dimensions, and the counts that are kept */
static void
read_kept(Window *window)
{
	int64 *kept;
	int	   nnumbers;
	Datum *values;
	bool  *nulls;
	bool   isnull;

	run_window(window, psprintf("SELECT name FROM %s.fp_dimensions "
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
	run_window(
		window,
		psprintf(
			"SELECT w.number::pg_catalog.int4, NOT k.dims <@ ARRAY("
			"SELECT d.name FROM %s.fp_dimensions d WHERE d.source = $1), "
			"k.conditions, k.trials, k.failures, k.dims "
			"FROM pg_catalog.unnest($2) WITH ORDINALITY w (bucket, number) "
			"JOIN %s.fp_bucket_counts k ON k.source = $1 AND k.bucket = "
			"w.bucket ORDER BY w.number",
			window->home, window->home));
	for (int b = 0; b < window->n; b++)
		window->stale[b] = true;
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		int	   b = DatumGetInt32(column(i, 1, &isnull)) - 1;
		int	   n;
		int64 *numbers[2];

		window->other_dims |= DatumGetBool(column(i, 2, &isnull));
		for (int k = 0; k < 2; k++)
		{
			deconstruct_array(DatumGetArrayTypeP(column(i, 4 + k, &isnull)),
							  INT8OID, 8, FLOAT8PASSBYVAL, TYPALIGN_DOUBLE,
							  &values, &nulls, &nnumbers);
			kept = palloc_array(int64, nnumbers + 1);
			for (int j = 0; j < nnumbers; j++)
				kept[j] = DatumGetInt64(values[j]);
			numbers[k] = kept;
		}
		deconstruct_array(DatumGetArrayTypeP(column(i, 3, &isnull)), JSONBOID,
						  -1, false, TYPALIGN_INT, &values, &nulls, &n);
		for (int j = 0; j < Min(n, nnumbers); j++)
			set_counts(find_asked(window, DatumGetJsonbP(values[j])), b,
					   numbers[0][j], numbers[1][j]);
		window->stale[b] = false;
		window->bucket_dims[b] =
			PointerGetDatum(DatumGetArrayTypePCopy(column(i, 6, &isnull)));
	}
	SPI_freetuptable(SPI_tuptable);
}

/* --- counting ---------------------------------------------------------- */

/* the names of the dimensions of a bucket, and whether all are known */
static void
look_at_dims(Window *window, int bucket, const FpCube *cube)
{
	MemoryContext old = MemoryContextSwitchTo(window->cx);
	Datum		 *names = palloc_array(Datum, cube->ndims + 1);

	for (int d = 0; d < cube->ndims; d++)
	{
		const FpText *name = &cube->dims[d].name;
		bool		  stratum = cube->dims[d].kind == FP_STRATUM;

		names[d] = PointerGetDatum(
			cstring_to_text_with_len(name->data, stratum ? 0 : name->len));
		if (stratum || fp_dict_find(&window->dims, name->data, name->len,
									fp_hash_bytes(name->data, name->len)) == 0)
			window->other_dims = true;
	}
	window->bucket_dims[bucket] = PointerGetDatum(
		construct_array(names, cube->ndims, TEXTOID, -1, false, TYPALIGN_INT));
	MemoryContextSwitchTo(old);
}

static void
count_packed(Window *window, int bucket, const FpPackedCube *packed,
			 Asked *asked)
{
	FpCondition list[FP_MAX_DIMS + 1];
	int		n = failpat_cube_conditions(packed->head, asked->conditions, list);
	FpCube *part = fp_cube_part(window->one_cx, packed, list, n, NULL, 0);

	set_counts(asked, bucket, part->total_trials, part->total_failures);
}

static void
count_decoded(int bucket, const FpCube *cube, Asked *asked,
			  const FailpatCondition *read, int nread, MemoryContext cx)
{
	bool *met = failpat_cube_match_read(cube, read, nread, cx);
	int64 trials = 0;
	int64 failures = 0;

	for (uint64 c = 0; c < cube->ncells; c++)
	{
		trials += met[c] ? cube->trials[c] : 0;
		failures += met[c] ? cube->failures[c] : 0;
	}
	pfree(met);
	set_counts(asked, bucket, trials, failures);
}

/* Counts what is not known of a bucket. */
static void
count_bucket(Window *window, int bucket, Asked *const *list, int n)
{
	MemoryContext	old = MemoryContextSwitchTo(window->one_cx);
	Datum			args[2] = {window->source, window->buckets[bucket]};
	FpPackedCube	packed;
	struct varlena *bytes;
	FpCube		   *cube = NULL;
	SPITupleTable  *table;
	bool			isnull;
	Datum			datum;

	CHECK_FOR_INTERRUPTS();
	if (SPI_execute_plan(window->one_cube, args, NULL, false, 2) !=
			SPI_OK_SELECT ||
		SPI_processed != 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("there is no cube of a bucket that is to be mined")));
	MemoryContextSwitchTo(window->one_cx);
	table = SPI_tuptable;
	datum = column(0, 1, &isnull);
	if (n > FROM_BYTES ||
		!failpat_cube_open(datum, window->one_cx, &packed, &bytes))
		packed.head = cube = failpat_cube_from_datum(datum, window->one_cx);
	if (window->bucket_dims[bucket] == (Datum) 0)
		look_at_dims(window, bucket, packed.head);
	for (int i = 0; i < n; i++)
	{
		int				  nread;
		FailpatCondition *read;

		CHECK_FOR_INTERRUPTS();
		if (list[i]->known[bucket])
			continue;
		read = failpat_read_conditions(list[i]->conditions, "conditions",
									   false, &nread);
		if (!failpat_conditions_fit(packed.head, read, nread))
			set_counts(list[i], bucket, 0, 0);
		else if (cube != NULL)
			count_decoded(bucket, cube, list[i], read, nread, window->one_cx);
		else
			count_packed(window, bucket, &packed, list[i]);
	}
	SPI_freetuptable(table);
	window->stale[bucket] = true;
	MemoryContextSwitchTo(old);
	MemoryContextReset(window->one_cx);
}

/* Counts combinations in all cells of all buckets. */
static void
count_whole(Window *window, Asked *const *list, int n)
{
	const FpCube *cube = &window->whole->cube;
	const FpCube *parts = window->whole->parts;
	const uint32 *buckets = parts->codes[parts->ndims - 1];
	MemoryContext old = MemoryContextSwitchTo(window->one_cx);

	for (int i = 0; i < n; i++)
	{
		int				  nread;
		FailpatCondition *read =
			failpat_read_conditions(list[i]->conditions, "conditions", false,
									&nread);
		bool *met = failpat_cube_match_read(cube, read, nread, window->one_cx);
		int64 *trials = palloc0_array(int64, window->n + 1);
		int64 *failures = palloc0_array(int64, window->n + 1);

		for (uint64 c = 0; c < cube->ncells; c++)
		{
			if ((c & 0xffff) == 0)
				CHECK_FOR_INTERRUPTS();
			for (uint64 p = window->whole->first[c];
				 met[c] && p < window->whole->first[c + 1]; p++)
			{
				trials[buckets[p] - 1] += parts->trials[p];
				failures[buckets[p] - 1] += parts->failures[p];
			}
		}
		for (int b = 0; b < window->n; b++)
			if (!list[i]->known[b])
			{
				set_counts(list[i], b, trials[b], failures[b]);
				window->stale[b] = true;
			}
		MemoryContextReset(window->one_cx);
	}
	MemoryContextSwitchTo(old);
}

/* Counts combinations in the buckets in which they are not known. */
static void
count_all(Window *window, Asked *const *list, int n)
{
	if (window->base != NULL && window->whole == NULL &&
		++window->npasses > MANY_PASSES)
		window->whole = fold_all(window);
	if (window->whole != NULL)
	{
		count_whole(window, list, n);
		return;
	}
	for (int b = 0; b < window->n; b++)
	{
		bool lacking = false;

		for (int i = 0; i < n; i++)
			lacking |= !list[i]->known[b];
		if (lacking)
			count_bucket(window, b, list, n);
	}
}

/* the miner asks: see FpBuckets */
static void
count_names(void *arg, const FpPatternName *names, int nnames,
			FpBucketCounts *counts)
{
	Window		 *window = arg;
	MemoryContext old = MemoryContextSwitchTo(window->cx);
	int			 *numbers = palloc_array(int, nnames + 1);
	Asked		**list = palloc_array(Asked *, nnames + 1);
	int			  n = 0;

	/* the array may move while it grows */
	for (int i = 0; i < nnames; i++)
		numbers[i] =
			(int) (find_asked(window,
							  failpat_conditions(window->base,
												 names[i].conditions,
												 names[i].nconditions)) -
				   window->asked);
	for (int i = 0; i < nnames; i++)
	{
		Asked *asked = &window->asked[numbers[i]];

		asked->now = true;
		if (asked->nknown < window->n)
			list[n++] = asked;
	}
	if (n > 0)
		count_all(window, list, n);
	for (int i = 0; i < nnames; i++)
	{
		counts[i].trials = window->asked[numbers[i]].trials;
		counts[i].failures = window->asked[numbers[i]].failures;
	}
	pfree(numbers);
	pfree(list);
	MemoryContextSwitchTo(old);
}

/* --- keeping ----------------------------------------------------------- */

/*
 * Keeps what was asked for, and what was asked for earlier as long as that is
 * not more: so that what comes and goes is not counted again each time.
 */
static void
keep(Window *window)
{
	Oid	  types[6] = {TEXTOID,		 TIMESTAMPTZOID, TEXTARRAYOID,
					  JSONBARRAYOID, INT8ARRAYOID,	 INT8ARRAYOID};
	char *sql =
		psprintf("INSERT INTO %s.fp_bucket_counts AS k (source, bucket, "
				 "dims, conditions, trials, failures) VALUES ($1, $2, "
				 "$3, $4, $5, $6) ON CONFLICT (source, bucket) DO "
				 "UPDATE SET dims = coalesce(excluded.dims, k.dims), "
				 "conditions = excluded.conditions, trials = "
				 "excluded.trials, failures = excluded.failures",
				 window->home);
	Datum *columns[3];
	int	   nnow = 0;
	bool   drop;

	for (int i = 0; i < window->nasked; i++)
		nnow += window->asked[i].now;
	drop = window->nasked - nnow > nnow;
	elog(DEBUG1, "counts by bucket of %d combinations, %d kept", nnow,
		 drop ? nnow : window->nasked);
	for (int k = 0; k < 3; k++)
		columns[k] = palloc_array(Datum, window->nasked + 1);
	for (int b = 0; b < window->n; b++)
	{
		Datum args[6] = {window->source, window->buckets[b],
						 window->bucket_dims[b]};
		char  nulls[7] = "      ";
		int	  n = 0;

		CHECK_FOR_INTERRUPTS();
		if (!window->stale[b] && !drop)
			continue;
		for (int i = 0; i < window->nasked; i++)
		{
			const Asked *asked = &window->asked[i];

			if (!asked->known[b] || (drop && !asked->now))
				continue;
			columns[0][n] = JsonbPGetDatum(asked->conditions);
			columns[1][n] = Int64GetDatum(asked->trials[b]);
			columns[2][n++] = Int64GetDatum(asked->failures[b]);
		}
		/* where the row is there, its dimensions are known */
		nulls[2] = window->bucket_dims[b] == (Datum) 0 ? 'n' : ' ';
		args[3] = PointerGetDatum(
			construct_array(columns[0], n, JSONBOID, -1, false, TYPALIGN_INT));
		for (int k = 1; k < 3; k++)
			args[3 + k] = PointerGetDatum(
				construct_array(columns[k], n, INT8OID, 8, FLOAT8PASSBYVAL,
								TYPALIGN_DOUBLE));
		run(window, sql, 6, types, args, nulls);
	}
}

/* --- mining ------------------------------------------------------------ */

/* The sum of the buckets; NULL where it is not theirs. */
static FpFold *
base_of(Window *window, const FpBuckets *buckets)
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

/* Mines the sum; false where that is not to be had. */
static bool
mine_sum(Window *window, FunctionCallInfo fcinfo, int first)
{
	FpBuckets buckets = {(uint32) window->n,
						 {NULL, NULL},
						 count_names,
						 window};
	Asked	 *all;
	Asked	**list;
	FpFold	 *fold;

	read_kept(window);
	all =
		find_asked(window,
				   DatumGetJsonbP(
					   DirectFunctionCall1(jsonb_in, CStringGetDatum("{}"))));
	all->now = true;
	list = palloc_array(Asked *, window->nasked + 1);
	for (int i = 0; i < window->nasked; i++)
		list[i] = &window->asked[i];
	count_all(window, list, window->nasked);
	if (window->other_dims)
	{
		keep(window);
		return false;
	}
	buckets.total.trials = all->trials;
	buckets.total.failures = all->failures;
	fold = base_of(window, &buckets);
	if (fold == NULL)
		return false;
	window->base = &fold->cube;
	failpat_mine(fcinfo, first, &fold->cube, fold, window->cx);
	keep(window);
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
	Window		  window = {0};
	Oid			  types[2] = {TEXTOID, TIMESTAMPTZOID};
	MemoryContext old;
	bool		 *nulls;

	InitMaterializedSRF(fcinfo, 0);
	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		return (Datum) 0;
	window.cx = AllocSetContextCreate(CurrentMemoryContext, "failpat window",
									  ALLOCSET_DEFAULT_SIZES);
	window.one_cx = AllocSetContextCreate(window.cx, "failpat bucket",
										  ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(window.cx);
	window.home = quote_identifier(
		get_namespace_name(get_func_namespace(fcinfo->flinfo->fn_oid)));
	window.source = PG_GETARG_DATUM(0);
	window.starts = PG_GETARG_DATUM(1);
	deconstruct_array(PG_GETARG_ARRAYTYPE_P(1), TIMESTAMPTZOID, 8,
					  FLOAT8PASSBYVAL, TYPALIGN_DOUBLE, &window.buckets,
					  &nulls, &window.n);
	for (int b = 0; b < window.n; b++)
		if (nulls[b])
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("argument \"buckets\" must not contain nulls")));
	window.bucket_dims = palloc0_array(Datum, window.n + 1);
	window.stale = palloc0_array(bool, window.n + 1);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	window.one_cube = SPI_prepare(psprintf("SELECT cube FROM %s.fp_cubes "
										   "WHERE source = $1 AND bucket = $2",
										   window.home),
								  2, types);
	if (window.one_cube == NULL)
		elog(ERROR, "SPI_prepare failed");
	MemoryContextSwitchTo(window.cx);
	if (window.n > 0 && !mine_sum(&window, fcinfo, 2))
	{
		FpFold *fold = fold_all(&window);

		failpat_mine(fcinfo, 2, &fold->cube, fold, window.cx);
	}
	MemoryContextSwitchTo(window.cx);
	SPI_finish();
	MemoryContextSwitchTo(old);
	MemoryContextDelete(window.cx);
	return (Datum) 0;
}
