/*-------------------------------------------------------------------------
 *
 * rowsearch.c
 *		The aggregate fp_row_index and fp_rows_find: which observations of a
 *		time bucket meet conditions, without reading them.
 *
 * The index is cube/rowindex.c's, made by refresh with the cube of a bucket.
 * What an aggregate gathers lives in a context of its own below that of the
 * aggregate; a search lives in that of the call, and fetches of a stored index
 * only the parts that it reads.  Takes no locks.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "access/detoast.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"

#include "cube/format.h"
#include "cube/rowindex.h"
#include "failpat.h"

#if PG_VERSION_NUM >= 160000
#include "varatt.h"
#endif

PG_FUNCTION_INFO_V1(failpat_row_index_accum);
PG_FUNCTION_INFO_V1(failpat_row_index_final);
PG_FUNCTION_INFO_V1(failpat_rows_find);

/* --- the aggregate ----------------------------------------------------- */

/* Positions and the like: there are few, and each is in many rows. */
#define KNOWN_NUMBERS 256

typedef struct State
{
	MemoryContext	   cx;
	FpRowIndexBuilder *builder;
	int				   nordinal;
	FpText			  *ordinal; /* names of the ordinal dimensions */
	/* numbers seen as they are in jsonb, the first so many; by code - 1 */
	FpDict numerics;
	double numbers[KNOWN_NUMBERS];
} State;

/* Texts of an array without nulls, zero-terminated. */
static FpText *
array_texts(ArrayType *array, const char *argument, int *n)
{
	Datum  *items;
	bool   *nulls;
	FpText *texts;

	deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT, &items, &nulls,
					  n);
	texts = palloc_array(FpText, (Size) *n + 1);
	for (int i = 0; i < *n; i++)
	{
		if (nulls[i])
			ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
							errmsg("argument \"%s\" must not contain nulls",
								   argument)));
		texts[i].data = TextDatumGetCString(items[i]);
		texts[i].len = (uint32) strlen(texts[i].data);
	}
	return texts;
}

static bool
is_ordinal(const State *state, const char *name, size_t len)
{
	for (int i = 0; i < state->nordinal; i++)
		if (state->ordinal[i].len == len &&
			memcmp(state->ordinal[i].data, name, len) == 0)
			return true;
	return false;
}

static double
number_of(State *state, Numeric numeric)
{
	struct varlena *datum = (struct varlena *) numeric;
	const char	   *bytes = VARDATA_ANY(datum);
	size_t			len = VARSIZE_ANY_EXHDR(datum);
	uint32			hash = fp_hash_bytes(bytes, len);
	uint32			code = fp_dict_find(&state->numerics, bytes, len, hash);
	double			number;

	if (likely(code != 0))
		return state->numbers[code - 1];
	number = DatumGetFloat8(DirectFunctionCall1(numeric_float8_no_overflow,
												NumericGetDatum(numeric)));
	if (state->numerics.n < KNOWN_NUMBERS)
	{
		code = fp_dict_add(state->cx, &state->numerics, bytes, len, hash);
		state->numbers[code - 1] = number;
	}
	return number;
}

/* One scalar of a dimension, as conditions compare it. */
static void
add_scalar(State *state, int d, const JsonbValue *value)
{
	FpRowIndexBuilder *builder = state->builder;
	char			  *text;
	size_t			   len;
	double			   number;

	switch (value->type)
	{
		case jbvString:
			text = value->val.string.val;
			len = value->val.string.len;
			break;
		case jbvNumeric:
			if (builder->dims[d].ordinal)
			{
				number = number_of(state, value->val.numeric);
				if (isfinite(number))
					fp_rowindex_number(builder, d, number);
				else
					builder->given_up = true;
				return;
			}
			text = DatumGetCString(
				DirectFunctionCall1(numeric_out,
									NumericGetDatum(value->val.numeric)));
			len = strlen(text);
			break;
		case jbvBool:
			text = value->val.boolean ? "true" : "false";
			len = strlen(text);
			break;
		default:
			/* what no condition can speak of is not for an index */
			builder->given_up = true;
			return;
	}
	if (!builder->dims[d].ordinal)
		fp_rowindex_value(builder, d, text, len);
	else if (fp_number_parse(text, len, &number))
		fp_rowindex_number(builder, d, number);
	else
		builder->given_up = true;
}

static void
add_dims(State *state, Jsonb *dims)
{
	FpRowIndexBuilder *builder = state->builder;
	JsonbIterator	  *it;
	JsonbValue		   key;
	JsonbValue		   value;

	if (!JB_ROOT_IS_OBJECT(dims))
	{
		builder->given_up = true;
		return;
	}
	it = JsonbIteratorInit(&dims->root);
	(void) JsonbIteratorNext(&it, &key, true);
	while (!builder->given_up && JsonbIteratorNext(&it, &key, true) == WJB_KEY)
	{
		const char *name = key.val.string.val;
		size_t		len = key.val.string.len;
		int			d;

		(void) JsonbIteratorNext(&it, &value, true);
		d = fp_rowindex_dim(builder, name, len, is_ordinal(state, name, len));
		if (d < 0 || value.type == jbvNull)
			continue;
		if (value.type != jbvBinary)
			add_scalar(state, d, &value);
		else if (!JsonContainerIsArray(value.val.binary.data) ||
				 builder->dims[d].ordinal)
			builder->given_up = true;
		else
		{
			uint32 n = JsonContainerSize(value.val.binary.data);

			if (n == 0)
				fp_rowindex_empty(builder, d);
			for (uint32 i = 0; i < n; i++)
				add_scalar(state, d,
						   getIthJsonbValueFromContainer(value.val.binary.data,
														 i));
		}
	}
}

/*
 * fp_row_index_accum(state internal, observed_at, failed, failed_checks, dims,
 * ordinal).  What does not fit into failpat.memory_limit has no index.
 */
Datum
failpat_row_index_accum(PG_FUNCTION_ARGS)
{
	MemoryContext aggcontext;
	MemoryContext old;
	State		 *state;

	if (!AggCheckCallContext(fcinfo, &aggcontext))
		elog(ERROR, "internal error: fp_row_index_accum called outside of an "
					"aggregate");
	if (PG_ARGISNULL(0))
	{
		MemoryContext cx = AllocSetContextCreate(aggcontext, "failpat rows",
												 ALLOCSET_DEFAULT_SIZES);

		old = MemoryContextSwitchTo(cx);
		state = palloc0(sizeof(State));
		state->cx = cx;
		state->builder =
			fp_rowindex_create(cx, (size_t) failpat_memory_limit * 1024);
		if (!PG_ARGISNULL(5))
			state->ordinal = array_texts(PG_GETARG_ARRAYTYPE_P(5), "ordinal",
										 &state->nordinal);
		MemoryContextSwitchTo(old);
	}
	else
		state = (State *) PG_GETARG_POINTER(0);
	if (state->builder->given_up || PG_ARGISNULL(1) || PG_ARGISNULL(2) ||
		PG_ARGISNULL(4))
		PG_RETURN_POINTER(state);

	fp_rowindex_row(state->builder, PG_GETARG_TIMESTAMPTZ(1));
	if (state->builder->given_up)
		PG_RETURN_POINTER(state);
	if (PG_GETARG_BOOL(2))
	{
		fp_rowindex_failed(state->builder);
		if (!PG_ARGISNULL(3))
		{
			Datum *items;
			bool  *nulls;
			int	   n;

			deconstruct_array(PG_GETARG_ARRAYTYPE_P(3), TEXTOID, -1, false,
							  TYPALIGN_INT, &items, &nulls, &n);
			for (int i = 0; i < n; i++)
				if (!nulls[i])
				{
					text *check = DatumGetTextPP(items[i]);

					fp_rowindex_check(state->builder, VARDATA_ANY(check),
									  VARSIZE_ANY_EXHDR(check));
				}
		}
	}
	add_dims(state, PG_GETARG_JSONB_P(4));
	PG_RETURN_POINTER(state);
}

Datum
failpat_row_index_final(PG_FUNCTION_ARGS)
{
	State *state;
	char  *result;
	size_t len;

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	state = (State *) PG_GETARG_POINTER(0);
	result = fp_rowindex_encode(state->builder, CurrentMemoryContext, VARHDRSZ,
								&len);
	if (!result)
		PG_RETURN_NULL();
	SET_VARSIZE(result, len + VARHDRSZ);
	PG_RETURN_BYTEA_P(result);
}

/* --- the search -------------------------------------------------------- */

/* A part of a stored value; only that is fetched, where it lies apart. */
static const uint8 *
read_stored(void *value, size_t offset, size_t length)
{
	struct varlena *stored = value;
	struct varlena *part;

	if (!VARATT_IS_EXTERNAL(stored) && !VARATT_IS_COMPRESSED(stored))
		return (const uint8 *) VARDATA_ANY(stored) + offset;
	part = detoast_attr_slice(stored, (int32) offset, (int32) length);
	if (VARSIZE_ANY_EXHDR(part) != length)
		return NULL;
	return (const uint8 *) VARDATA_ANY(part);
}

static float8 *
array_numbers(ArrayType *array, const char *argument, int n)
{
	if ((n > 0 && ARR_NDIM(array) != 1) || ARR_HASNULL(array) ||
		ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array)) != n)
		ereport(ERROR,
				(errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
				 errmsg("argument \"%s\" must be an array of %d elements that "
						"are not null",
						argument, n)));
	return (float8 *) ARR_DATA_PTR(array);
}

/*
 * fp_rows_find(rows bytea, keys text[], dims text[], mins float8[],
 * maxs float8[], until timestamptz, wanted int) -> timestamptz[]
 *
 * See fp_rowindex_find; NULL where the index cannot tell.
 */
Datum
failpat_rows_find(PG_FUNCTION_ARGS)
{
	MemoryContext	cx = CurrentMemoryContext;
	struct varlena *stored = PG_GETARG_RAW_VARLENA_P(0);
	FpText		   *keys;
	FpText		   *dims;
	FpRowRange	   *ranges;
	float8		   *mins;
	float8		   *maxs;
	int				nkeys;
	int				nranges;
	int64		   *times;
	int64			n;
	Datum		   *result;

	keys = array_texts(PG_GETARG_ARRAYTYPE_P(1), "keys", &nkeys);
	dims = array_texts(PG_GETARG_ARRAYTYPE_P(2), "dims", &nranges);
	mins = array_numbers(PG_GETARG_ARRAYTYPE_P(3), "mins", nranges);
	maxs = array_numbers(PG_GETARG_ARRAYTYPE_P(4), "maxs", nranges);
	ranges = palloc_array(FpRowRange, (Size) nranges + 1);
	for (int i = 0; i < nranges; i++)
	{
		ranges[i].dim = dims[i];
		ranges[i].min = mins[i];
		ranges[i].max = maxs[i];
	}
	n = fp_rowindex_find(cx, read_stored, stored,
						 toast_raw_datum_size(PointerGetDatum(stored)) -
							 VARHDRSZ,
						 keys, nkeys, ranges, nranges,
						 PG_GETARG_TIMESTAMPTZ(5), PG_GETARG_INT32(6), &times);
	if (n < 0)
		PG_RETURN_NULL();
	result = palloc_array(Datum, (Size) n + 1);
	for (int64 i = 0; i < n; i++)
		result[i] = TimestampTzGetDatum(times[i]);
	PG_RETURN_ARRAYTYPE_P(construct_array(result, (int) n, TIMESTAMPTZOID,
										  sizeof(TimestampTz), FLOAT8PASSBYVAL,
										  TYPALIGN_DOUBLE));
}
