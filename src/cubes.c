/*-------------------------------------------------------------------------
 *
 * cubes.c
 *		Reading failure cubes from SQL: fp_slice, fp_totals, fp_cube_dims,
 *		fp_cube_checks, comparison.
 *
 * Arguments in, tuples out; the work is cube/read.c's.  Everything lives in
 * the context of the call; no locks.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "funcapi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"
#include "utils/numeric.h"
#include "utils/tuplestore.h"

#include "condition_read.h"
#include "cube/format.h"
#include "cube/project.h"
#include "cube/read.h"
#include "cubes.h"
#include "failpat.h"
#include "stats/interval.h"

/* --- conditions -------------------------------------------------------- */

/* number of a dimension of that name; an error that lists them otherwise */
int
failpat_cube_dim(const FpCube *cube, const char *name, size_t len)
{
	int			   d = fp_cube_find_dim(cube, name, len);
	StringInfoData list;

	if (d >= 0)
		return d;
	initStringInfo(&list);
	for (int i = 0; i < cube->ndims; i++)
		appendStringInfo(&list, "%s\"%.*s\"", i ? ", " : "",
						 fp_clip(cube->dims[i].name.data,
								 cube->dims[i].name.len),
						 cube->dims[i].name.data);
	ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					errmsg("the cube has no dimension \"%.*s\"",
						   fp_clip(name, len), name),
					cube->ndims ? errhint("Its dimensions are %s.", list.data)
								: errhint("It has no dimensions.")));
	return -1; /* not reached */
}

/* code of a value of a dimension, 0 for one that it does not have */
static uint32
value_code(const FpDim *dim, FailpatText value)
{
	double number;

	if (dim->kind != FP_ORDINAL)
		return fp_cube_find_value(dim, value.data, value.len);
	/* it is one: failpat_condition_check has seen to it */
	if (!fp_number_parse(value.data, value.len, &number))
		return 0;
	return fp_cube_find_number(dim, number);
}

/* a condition in the codes of the cube */
static void
encode_condition(const FpCube *cube, const FailpatCondition *condition,
				 FpCondition *out)
{
	const FpDim *dim;
	uint32		*codes;

	memset(out, 0, sizeof(*out));
	out->dim =
		failpat_cube_dim(cube, condition->name.data, condition->name.len);
	dim = &cube->dims[out->dim];
	failpat_condition_check(condition, dim->kind, true);
	switch (condition->test)
	{
		case FAILPAT_NULL:
			out->test = FP_TEST_NULL;
			return;
		case FAILPAT_RANGE:
		case FAILPAT_COUNT:
			out->test = condition->test == FAILPAT_COUNT ? FP_TEST_COUNT
														 : FP_TEST_RANGE;
			out->min = condition->min;
			out->max = condition->max;
			return;
		case FAILPAT_VALUES:
			break;
	}
	codes = palloc_array(uint32, (Size) condition->nvalues + 1);
	out->test = condition->nvalues ? FP_TEST_VALUES : FP_TEST_EMPTY;
	out->values = codes;
	out->nvalues = condition->nvalues;
	for (int i = 0; i < condition->nvalues; i++)
	{
		codes[i] = value_code(dim, condition->values[i]);
		if (codes[i] == 0)
			out->test = FP_TEST_NEVER;
	}
}

bool *
failpat_cube_match_read(const FpCube *cube, const FailpatCondition *conditions,
						int n, MemoryContext cx)
{
	FpCondition list[FP_MAX_DIMS + 1];

	/* the cube of no rows knows no dimensions, and need not */
	if (cube->ndims == 0 && cube->ncells == 0)
		return MemoryContextAllocZero(cx, sizeof(bool));
	/* names differ, and one more than there are dimensions is an error */
	for (int i = 0; i < n; i++)
		encode_condition(cube, &conditions[i], &list[i]);
	return fp_cube_match(cx, cube, list, n);
}

int
failpat_cube_conditions(const FpCube *cube, Jsonb *conditions,
						FpCondition *list)
{
	int				  n;
	FailpatCondition *read =
		failpat_read_conditions(conditions, "conditions", false, &n);

	for (int i = 0; i < n; i++)
		encode_condition(cube, &read[i], &list[i]);
	return n;
}

bool *
failpat_cube_match(const FpCube *cube, Jsonb *conditions, MemoryContext cx)
{
	int				  n;
	FailpatCondition *list =
		failpat_read_conditions(conditions, "conditions", false, &n);

	return failpat_cube_match_read(cube, list, n, cx);
}

/* fp_slice(cube, conditions jsonb) -> the cube of the cells that meet them */
PG_FUNCTION_INFO_V1(failpat_slice);
Datum
failpat_slice(PG_FUNCTION_ARGS)
{
	MemoryContext  cx = CurrentMemoryContext;
	FpCube		  *cube = failpat_cube_from_datum(PG_GETARG_DATUM(0), cx);
	bool		  *keep = failpat_cube_match(cube, PG_GETARG_JSONB_P(1), cx);
	FpCubeBuilder *builder = fp_builder_create(
		AllocSetContextCreate(cx, "failpat slice", ALLOCSET_DEFAULT_SIZES), 0);

	fp_builder_merge(builder, cx, cube, keep);
	return failpat_cube_to_datum(fp_builder_freeze(builder, cx), cx);
}

/* --- totals ------------------------------------------------------------ */

static JsonbValue
json_text(const FpText *text)
{
	JsonbValue value;

	value.type = jbvString;
	value.val.string.val = (char *) text->data;
	value.val.string.len = text->len;
	return value;
}

/* a value of a dimension as JSON: ordinal ones are numbers */
JsonbValue
failpat_cube_json_value(const FpDim *dim, uint32 code)
{
	JsonbValue value;

	if (dim->kind != FP_ORDINAL)
		return json_text(&dim->values[code - 1]);
	value.type = jbvNumeric;
	value.val.numeric = DatumGetNumeric(
		DirectFunctionCall3(numeric_in,
							CStringGetDatum(dim->values[code - 1].data),
							ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1)));
	return value;
}

/* {"dimension": value, ...}, which is a condition for fp_slice as well */
static Datum
totals_values(const FpCube *cube, const int *dims, int ndims,
			  const uint32 *codes)
{
	JsonbParseState *state = NULL;
	JsonbValue		*object;

	(void) pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	for (int i = 0; i < ndims; i++)
	{
		const FpDim *dim = &cube->dims[dims[i]];
		JsonbValue	 value = json_text(&dim->name);

		(void) pushJsonbValue(&state, WJB_KEY, &value);
		if (codes[i] > dim->nvalues)
		{
			(void) pushJsonbValue(&state, WJB_BEGIN_ARRAY, NULL);
			(void) pushJsonbValue(&state, WJB_END_ARRAY, NULL);
			continue;
		}
		if (codes[i] == 0)
			value.type = jbvNull;
		else
			value = failpat_cube_json_value(dim, codes[i]);
		(void) pushJsonbValue(&state, WJB_VALUE, &value);
	}
	object = pushJsonbValue(&state, WJB_END_OBJECT, NULL);
	return JsonbPGetDatum(JsonbValueToJsonb(object));
}

/*
 * fp_totals(cube [, VARIADIC dims text[]]) -> a row per combination of their
 * values; without dims one row, the grand total
 */
PG_FUNCTION_INFO_V1(failpat_totals);
Datum
failpat_totals(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	MemoryContext  cx = CurrentMemoryContext;
	MemoryContext  row_cx;
	FpCube		  *cube;
	FpTotals	  *totals;
	int			   dims[FP_MAX_DIMS];
	int			   ndims = 0;

	InitMaterializedSRF(fcinfo, 0);
	cube = failpat_cube_from_datum(PG_GETARG_DATUM(0), cx);
	if (PG_NARGS() > 1)
	{
		Datum *names;
		bool  *nulls;
		int	   n;

		deconstruct_array(PG_GETARG_ARRAYTYPE_P(1), TEXTOID, -1, false,
						  TYPALIGN_INT, &names, &nulls, &n);
		/* the cube of no rows knows no dimensions, and need not */
		if (n > 0 && cube->ndims == 0 && cube->ncells == 0)
			return (Datum) 0;
		for (int i = 0; i < n; i++)
		{
			text *name;
			int	  d;

			if (nulls[i])
				ereport(ERROR,
						(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
						 errmsg("argument \"dims\" must not contain nulls")));
			name = DatumGetTextPP(names[i]);
			d = failpat_cube_dim(cube, VARDATA_ANY(name),
								 VARSIZE_ANY_EXHDR(name));
			for (int j = 0; j < ndims; j++)
				if (dims[j] == d)
					ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
									errmsg("dimension \"%.*s\" is named twice",
										   fp_clip(cube->dims[d].name.data,
												   cube->dims[d].name.len),
										   cube->dims[d].name.data)));
			/* no dimension twice, so there is room */
			dims[ndims++] = d;
		}
	}

	totals = fp_cube_totals(cx, cube, dims, ndims,
							(size_t) failpat_memory_limit * 1024);
	row_cx =
		AllocSetContextCreate(cx, "failpat totals row", ALLOCSET_SMALL_SIZES);
	for (uint64 r = 0; r < totals->n; r++)
	{
		Datum	   values[6];
		bool	   nulls[6] = {false};
		int64	   trials = totals->trials[r];
		int64	   failures = totals->failures[r];
		FpInterval interval;

		CHECK_FOR_INTERRUPTS();
		MemoryContextSwitchTo(row_cx);
		interval = fp_binomial_interval(failures, trials,
										FP_DEFAULT_CONFIDENCE, FP_WILSON);
		values[0] =
			totals_values(cube, dims, ndims, totals->codes + r * ndims);
		values[1] = Int64GetDatum(trials);
		values[2] = Int64GetDatum(failures);
		values[3] = Float8GetDatum(trials ? (double) failures / trials : 0);
		nulls[3] = trials == 0;
		values[4] = Float8GetDatum(interval.lower);
		values[5] = Float8GetDatum(interval.upper);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values,
							 nulls);
		MemoryContextSwitchTo(cx);
		MemoryContextReset(row_cx);
	}
	return (Datum) 0;
}

/* --- what is in a cube ------------------------------------------------- */

/* fp_cube_dims(cube) -> (name, kind, values, sets, recorded) */
PG_FUNCTION_INFO_V1(failpat_cube_dims);
Datum
failpat_cube_dims(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	FpCube		  *cube;

	InitMaterializedSRF(fcinfo, 0);
	cube = failpat_cube_from_datum(PG_GETARG_DATUM(0), CurrentMemoryContext);
	for (int d = 0; d < cube->ndims; d++)
	{
		const FpDim *dim = &cube->dims[d];
		Datum		 values[5];
		bool		 nulls[5] = {false};
		int64		 recorded = 0;

		CHECK_FOR_INTERRUPTS();
		for (uint64 c = 0; c < cube->ncells; c++)
			if (cube->codes[d][c] != 0)
				recorded += cube->trials[c];
		values[0] = PointerGetDatum(
			cstring_to_text_with_len(dim->name.data, dim->name.len));
		values[1] = CStringGetTextDatum(fp_dim_kind_name(dim->kind));
		values[2] = Int64GetDatum(dim->nvalues);
		values[3] = Int64GetDatum(dim->nsets);
		nulls[3] = dim->kind != FP_SET;
		values[4] = Int64GetDatum(recorded);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values,
							 nulls);
	}
	return (Datum) 0;
}

/* fp_cube_checks(cube) -> (check, failures) */
PG_FUNCTION_INFO_V1(failpat_cube_checks);
Datum
failpat_cube_checks(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	FpCube		  *cube;
	int64		  *failures;

	InitMaterializedSRF(fcinfo, 0);
	cube = failpat_cube_from_datum(PG_GETARG_DATUM(0), CurrentMemoryContext);
	failures = palloc0(((Size) cube->nchecks + 1) * sizeof(int64));
	if (cube->nchecks > 0)
		for (uint64 k = 0; k < cube->check_offsets[cube->ncells]; k++)
			failures[cube->check_codes[k]] += cube->check_failures[k];
	for (uint32 k = 0; k < cube->nchecks; k++)
	{
		Datum values[2];
		bool  nulls[2] = {false};

		values[0] =
			PointerGetDatum(cstring_to_text_with_len(cube->checks[k].data,
													 cube->checks[k].len));
		values[1] = Int64GetDatum(failures[k]);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values,
							 nulls);
	}
	return (Datum) 0;
}

/* --- comparison -------------------------------------------------------- */

static int
compare_dims(const void *a, const void *b, void *cube)
{
	const FpDim *dims = ((const FpCube *) cube)->dims;

	/* names have no zero bytes */
	return strcmp(dims[*(const int *) a].name.data,
				  dims[*(const int *) b].name.data);
}

/*
 * The same cube with its dimensions in the order of their names, as bytes.
 * What is not in their order need not differ in anything else: a record has
 * columns in its own order, a JSON object its keys in another.
 */
static struct varlena *
in_order_of_names(struct varlena *flat)
{
	MemoryContext cx = CurrentMemoryContext;
	FpCube		 *cube = failpat_cube_from_datum(PointerGetDatum(flat), cx);
	int			  dims[FP_MAX_DIMS];
	bool		  sorted = true;

	for (int d = 0; d < cube->ndims; d++)
	{
		dims[d] = d;
		sorted &= d == 0 || strcmp(cube->dims[d - 1].name.data,
								   cube->dims[d].name.data) < 0;
	}
	if (sorted)
		return flat;
	qsort_arg(dims, cube->ndims, sizeof(int), compare_dims, cube);
	cube = fp_cube_project(cx, cube, NULL, dims, cube->ndims);
	return (struct varlena *) DatumGetPointer(failpat_cube_to_datum(cube, cx));
}

static bool
same_bytes(const struct varlena *a, const struct varlena *b)
{
	return VARSIZE_ANY_EXHDR(a) == VARSIZE_ANY_EXHDR(b) &&
		   memcmp(VARDATA_ANY(a), VARDATA_ANY(b), VARSIZE_ANY_EXHDR(a)) == 0;
}

static bool
same_cube(FunctionCallInfo fcinfo)
{
	struct varlena *a = PG_GETARG_VARLENA_PP(0);
	struct varlena *b = PG_GETARG_VARLENA_PP(1);
	bool			same = same_bytes(a, b);

	if (!same)
	{
		MemoryContext cx =
			AllocSetContextCreate(CurrentMemoryContext, "failpat comparison",
								  ALLOCSET_DEFAULT_SIZES);
		MemoryContext old = MemoryContextSwitchTo(cx);

		same = same_bytes(in_order_of_names(a), in_order_of_names(b));
		MemoryContextSwitchTo(old);
		MemoryContextDelete(cx);
	}
	PG_FREE_IF_COPY(a, 0);
	PG_FREE_IF_COPY(b, 1);
	return same;
}

/* equal content is equal to the byte, but for the order of dimensions */
PG_FUNCTION_INFO_V1(failpat_cube_eq);
Datum
failpat_cube_eq(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(same_cube(fcinfo));
}

PG_FUNCTION_INFO_V1(failpat_cube_ne);
Datum
failpat_cube_ne(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(!same_cube(fcinfo));
}

static uint64
hash_cube(FunctionCallInfo fcinfo, uint64 seed)
{
	struct varlena *a = PG_GETARG_VARLENA_PP(0);
	MemoryContext	cx =
		AllocSetContextCreate(CurrentMemoryContext, "failpat hash",
							  ALLOCSET_DEFAULT_SIZES);
	MemoryContext	old = MemoryContextSwitchTo(cx);
	struct varlena *ordered = in_order_of_names(a);
	uint64			hash = DatumGetUInt64(
				 hash_any_extended((unsigned char *) VARDATA_ANY(ordered),
								   VARSIZE_ANY_EXHDR(ordered), seed));

	MemoryContextSwitchTo(old);
	MemoryContextDelete(cx);
	PG_FREE_IF_COPY(a, 0);
	return hash;
}

PG_FUNCTION_INFO_V1(failpat_cube_hash);
Datum
failpat_cube_hash(PG_FUNCTION_ARGS)
{
	/* the low half of the extended hash, as a seed of 0 must give */
	PG_RETURN_INT32((int32) hash_cube(fcinfo, 0));
}

PG_FUNCTION_INFO_V1(failpat_cube_hash_extended);
Datum
failpat_cube_hash_extended(PG_FUNCTION_ARGS)
{
	PG_RETURN_UINT64(hash_cube(fcinfo, (uint64) PG_GETARG_INT64(1)));
}
