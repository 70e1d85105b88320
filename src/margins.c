/*-------------------------------------------------------------------------
 *
 * margins.c
 *		fp_cube_pairs, fp_cube_part: cubes with less in them;
 *		fp_cube_dim_names.
 *
 * A heatmap needs two dimensions of a cube only.  Kept beside the cube of each
 * time bucket, its pairs make a heatmap of a long window a matter of reading
 * small values; and where a filter needs the whole cubes, a part of each is
 * all that has to be added up.
 *
 * All memory is of the call, but for what a pair needs, which goes with it.
 * Takes no locks.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"

#include "cube/project.h"
#include "cubes.h"
#include "failpat.h"

/* fp_cube_pairs(cube) -> (row_dim, col_dim, cube), the names in byte order */
PG_FUNCTION_INFO_V1(failpat_cube_pairs);
Datum
failpat_cube_pairs(PG_FUNCTION_ARGS)
{
	ReturnSetInfo  *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	MemoryContext	cx = CurrentMemoryContext;
	MemoryContext	pair_cx;
	FpPackedCube	packed;
	struct varlena *bytes;
	bool			from_bytes;
	FpCube		   *cube = NULL;
	const FpCube   *head;

	InitMaterializedSRF(fcinfo, 0);
	from_bytes = failpat_cube_open(PG_GETARG_DATUM(0), cx, &packed, &bytes);
	if (!from_bytes)
		cube = failpat_cube_from_datum(PG_GETARG_DATUM(0), cx);
	head = from_bytes ? packed.head : cube;
	pair_cx =
		AllocSetContextCreate(cx, "failpat pair", ALLOCSET_DEFAULT_SIZES);
	for (int a = 0; a < head->ndims; a++)
		for (int b = 0; b < head->ndims; b++)
		{
			const FpDim *row = &head->dims[a];
			const FpDim *col = &head->dims[b];
			FpCube		*part = NULL;
			int			 pair[2] = {a, b};
			Datum		 values[3];
			bool		 nulls[3] = {false};

			CHECK_FOR_INTERRUPTS();
			/* names have no zero bytes */
			if (row->kind == FP_STRATUM || col->kind == FP_STRATUM ||
				strcmp(row->name.data, col->name.data) >= 0)
				continue;
			MemoryContextSwitchTo(pair_cx);
			values[0] = CStringGetTextDatum(row->name.data);
			values[1] = CStringGetTextDatum(col->name.data);
			if (from_bytes)
				part = fp_cube_part(pair_cx, &packed, NULL, 0, pair, 2);
			if (part == NULL)
			{
				if (cube == NULL)
					cube = failpat_cube_from_datum(PG_GETARG_DATUM(0), cx);
				part = fp_cube_project(pair_cx, cube, NULL, pair, 2);
			}
			values[2] = failpat_cube_to_datum(part, pair_cx);
			tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values,
								 nulls);
			MemoryContextSwitchTo(cx);
			MemoryContextReset(pair_cx);
		}
	return (Datum) 0;
}

/* fp_cube_dim_names(cube): those of its dimensions that are no strata */
PG_FUNCTION_INFO_V1(failpat_cube_dim_names);
Datum
failpat_cube_dim_names(PG_FUNCTION_ARGS)
{
	FpPackedCube	packed;
	struct varlena *bytes;
	const FpCube   *head;
	Datum			names[FP_MAX_DIMS];
	int				n = 0;

	if (failpat_cube_open(PG_GETARG_DATUM(0), CurrentMemoryContext, &packed,
						  &bytes))
		head = packed.head;
	else
		head =
			failpat_cube_from_datum(PG_GETARG_DATUM(0), CurrentMemoryContext);
	for (int d = 0; d < head->ndims; d++)
		if (head->dims[d].kind != FP_STRATUM)
			names[n++] = CStringGetTextDatum(head->dims[d].name.data);
	PG_RETURN_ARRAYTYPE_P(
		construct_array(names, n, TEXTOID, -1, false, TYPALIGN_INT));
}

Jsonb *
failpat_known_conditions(const FpCube *cube, Jsonb *conditions, bool *possible)
{
	JsonbIterator	*it;
	JsonbValue		 key;
	JsonbValue		 value;
	JsonbParseState *rest = NULL;
	bool			 all = true;

	*possible = true;
	/* what is no object is an error, raised where conditions are read */
	if (!JB_ROOT_IS_OBJECT(conditions))
		return conditions;
	it = JsonbIteratorInit(&conditions->root);
	(void) JsonbIteratorNext(&it, &key, true);
	(void) pushJsonbValue(&rest, WJB_BEGIN_OBJECT, NULL);
	while (JsonbIteratorNext(&it, &key, true) == WJB_KEY)
	{
		int d;

		CHECK_FOR_INTERRUPTS();
		(void) JsonbIteratorNext(&it, &value, true);
		d = fp_cube_find_dim(cube, key.val.string.val, key.val.string.len);
		if (d >= 0 &&
			(cube->dims[d].kind != FP_NOMINAL || cube->dims[d].nvalues > 0))
		{
			(void) pushJsonbValue(&rest, WJB_KEY, &key);
			(void) pushJsonbValue(&rest, WJB_VALUE, &value);
			continue;
		}
		all = false;
		if (value.type != jbvNull)
			*possible = false;
	}
	if (all)
		return conditions;
	return JsonbValueToJsonb(pushJsonbValue(&rest, WJB_END_OBJECT, NULL));
}

/* numbers of the dimensions of a cube that are named; there is room for all */
static int
named_dims(const FpCube *cube, ArrayType *array, int *dims)
{
	Datum *names;
	bool  *nulls;
	int	   n;
	int	   ndims = 0;

	deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT, &names, &nulls,
					  &n);
	for (int d = 0; d < cube->ndims; d++)
	{
		const FpText *name = &cube->dims[d].name;

		for (int i = 0; i < n; i++)
		{
			text *wanted;

			if (nulls[i])
				continue;
			wanted = DatumGetTextPP(names[i]);
			if (VARSIZE_ANY_EXHDR(wanted) == name->len &&
				memcmp(VARDATA_ANY(wanted), name->data, name->len) == 0)
			{
				dims[ndims++] = d;
				break;
			}
		}
	}
	return ndims;
}

/* fp_cube_part(cube, conditions, dims): the cells that meet, dims only */
PG_FUNCTION_INFO_V1(failpat_cube_part);
Datum
failpat_cube_part(PG_FUNCTION_ARGS)
{
	MemoryContext	cx = CurrentMemoryContext;
	FpPackedCube	packed;
	struct varlena *bytes;
	FpCube		   *cube;
	FpCube		   *part;
	Jsonb		   *conditions = PG_GETARG_JSONB_P(1);
	Jsonb		   *known;
	bool		   *keep = NULL;
	bool			possible;
	int				dims[FP_MAX_DIMS];
	int				ndims;

	if (failpat_cube_open(PG_GETARG_DATUM(0), cx, &packed, &bytes))
	{
		FpCondition list[FP_MAX_DIMS + 1];

		cube = packed.head;
		known = failpat_known_conditions(cube, conditions, &possible);
		if (possible)
		{
			int n = failpat_cube_conditions(cube, known, list);

			ndims = named_dims(cube, PG_GETARG_ARRAYTYPE_P(2), dims);
			part = fp_cube_part(cx, &packed, list, n, dims, ndims);
			if ((Pointer) bytes != DatumGetPointer(PG_GETARG_DATUM(0)))
				pfree(bytes);
			if (part)
				PG_RETURN_DATUM(failpat_cube_to_datum(part, cx));
		}
	}
	cube = failpat_cube_from_datum(PG_GETARG_DATUM(0), cx);
	known = failpat_known_conditions(cube, conditions, &possible);
	if (!possible)
		keep = palloc0(cube->ncells + 1);
	else if (!JB_ROOT_IS_OBJECT(known) || JB_ROOT_COUNT(known) > 0)
		keep = failpat_cube_match(cube, known, cx);
	ndims = named_dims(cube, PG_GETARG_ARRAYTYPE_P(2), dims);
	PG_RETURN_DATUM(
		failpat_cube_to_datum(fp_cube_project(cx, cube, keep, dims, ndims),
							  cx));
}
