/*-------------------------------------------------------------------------
 *
 * fixes.c
 *		fp_fix_counts: observations with and without each of some fixes.
 *
 * The cube and the fixes live in a memory context of the call that is deleted
 * before it returns; the rows are in a tuplestore.  No locks, no catalog.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "combo.h"
#include "cubes.h"
#include "known.h"
#include "mine/effects.h"

PG_FUNCTION_INFO_V1(failpat_fix_counts);

/*
 * The conditions without the dimensions that a fix sets, in the codes of the
 * cube: false where it does not know them.  They are read by themselves, as
 * the cube may have lost what the fix replaced.  instead: any were left out.
 */
static bool
read_context(const FpCube *cube, Jsonb *conditions, const bool *set,
			 FpKnownPattern *context, bool *instead)
{
	JsonbParseState *state = NULL;
	JsonbIterator	*it;
	JsonbValue		 key;
	JsonbValue		 value;

	*instead = false;
	if (!JB_ROOT_IS_OBJECT(conditions))
		return false;
	it = JsonbIteratorInit(&conditions->root);
	(void) JsonbIteratorNext(&it, &key, true);
	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	while (JsonbIteratorNext(&it, &key, true) == WJB_KEY)
	{
		int d =
			failpat_known_dim(cube, key.val.string.val, key.val.string.len);

		(void) JsonbIteratorNext(&it, &value, true);
		if (d >= 0 && set[d])
		{
			*instead = true;
			continue;
		}
		pushJsonbValue(&state, WJB_KEY, &key);
		pushJsonbValue(&state, WJB_VALUE, &value);
	}
	return failpat_known_read(
		cube, JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL)),
		context);
}

/*
 * Read a fix.  Parameters that name no dimension of the cube cannot be seen;
 * with none that can, there is only before and after.
 */
static void
read_fix(const FpCube *cube, Jsonb *conditions, Jsonb *parameters, FpFix *fix)
{
	bool		  *set = palloc0_array(bool, cube->ndims + 1);
	JsonbIterator *it;
	JsonbValue	   key;
	JsonbValue	   value;

	memset(fix, 0, sizeof(*fix));
	fix->pattern_known = failpat_known_read(cube, conditions, &fix->pattern);
	if (parameters == NULL || !JB_ROOT_IS_OBJECT(parameters))
		return;
	fix->with_known = true;
	it = JsonbIteratorInit(&parameters->root);
	(void) JsonbIteratorNext(&it, &key, true);
	while (JsonbIteratorNext(&it, &key, true) == WJB_KEY)
	{
		int d =
			failpat_known_dim(cube, key.val.string.val, key.val.string.len);
		bool			 empty;
		Jsonb			*one;
		JsonbParseState *state = NULL;
		FpKnownPattern	 known;

		(void) JsonbIteratorNext(&it, &value, true);
		if (d < 0 || cube->dims[d].kind == FP_STRATUM)
			continue;
		fix->visible = set[d] = true;
		empty = value.type == jbvNull ||
				(value.type == jbvBinary &&
				 JsonContainerIsArray(value.val.binary.data) &&
				 JsonContainerSize(value.val.binary.data) == 0);
		if (empty && cube->dims[d].kind == FP_SET &&
			fix->nempty < FP_KNOWN_MAX_ITEMS)
		{
			fix->empty[fix->nempty++] = d;
			continue;
		}
		if (cube->dims[d].kind == FP_ORDINAL && value.type != jbvBinary)
		{
			/* one number is the range from it to itself */
			FailpatCombo combo = {0};

			pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
			pushJsonbValue(&state, WJB_KEY, &key);
			pushJsonbValue(&state, WJB_VALUE, &value);
			one = JsonbValueToJsonb(
				pushJsonbValue(&state, WJB_END_OBJECT, NULL));
			failpat_combo_read(&combo, one, false, "fix_parameters");
			if (combo.nintervals != 1 ||
				fix->with.nranges == FP_KNOWN_MAX_RANGES)
			{
				fix->with_known = false;
				continue;
			}
			fix->with.ranges[fix->with.nranges].dim = d;
			fix->with.ranges[fix->with.nranges].min = combo.intervals[0].min;
			fix->with.ranges[fix->with.nranges++].max = combo.intervals[0].max;
			continue;
		}
		pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
		pushJsonbValue(&state, WJB_KEY, &key);
		pushJsonbValue(&state, WJB_VALUE, &value);
		one = JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
		if (empty || !failpat_known_read(cube, one, &known) ||
			fix->with.nitems + known.nitems > FP_KNOWN_MAX_ITEMS ||
			fix->with.nranges + known.nranges > FP_KNOWN_MAX_RANGES)
		{
			fix->with_known = false;
			continue;
		}
		for (int i = 0; i < known.nitems; i++)
			fix->with.items[fix->with.nitems++] = known.items[i];
		for (int i = 0; i < known.nranges; i++)
			fix->with.ranges[fix->with.nranges++] = known.ranges[i];
	}
	if (!read_context(cube, conditions, set, &fix->context, &fix->instead))
		fix->with_known = false;
}

/* fp_fix_counts(cube, conditions jsonb[], parameters jsonb[]) */
Datum
failpat_fix_counts(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	MemoryContext  cx;
	MemoryContext  old;
	FpCube		  *cube;
	FpFix		  *fixes;
	FpFixCounts	  *counts;
	FpFixCounts	   rest;
	Datum		  *conditions;
	bool		  *no_conditions;
	Datum		  *parameters;
	bool		  *no_parameters;
	int			   n;
	int			   nparameters;

	InitMaterializedSRF(fcinfo, 0);
	cx = AllocSetContextCreate(CurrentMemoryContext, "failpat fixes",
							   ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(cx);
	cube = failpat_cube_from_datum(PG_GETARG_DATUM(0), cx);
	deconstruct_array(PG_GETARG_ARRAYTYPE_P(1), JSONBOID, -1, false,
					  TYPALIGN_INT, &conditions, &no_conditions, &n);
	deconstruct_array(PG_GETARG_ARRAYTYPE_P(2), JSONBOID, -1, false,
					  TYPALIGN_INT, &parameters, &no_parameters, &nparameters);
	if (n != nparameters)
		ereport(
			ERROR,
			(errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
			 errmsg("arguments \"conditions\" and \"parameters\" differ in "
					"length: %d and %d",
					n, nparameters)));
	fixes = palloc_array(FpFix, n + 1);
	counts = palloc_array(FpFixCounts, n + 1);
	for (int i = 0; i < n; i++)
	{
		if (no_conditions[i])
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg(
						 "argument \"conditions\" must not contain nulls")));
		read_fix(cube, DatumGetJsonbP(conditions[i]),
				 no_parameters[i] ? NULL : DatumGetJsonbP(parameters[i]),
				 &fixes[i]);
	}
	fp_fix_counts(cube, fixes, n, counts, &rest);
	for (int i = 0; i < n; i++)
	{
		Datum row[8];
		bool  nulls[8] = {0};

		row[0] = Int32GetDatum(i + 1);
		row[1] = BoolGetDatum(fixes[i].visible);
		row[2] = Int64GetDatum(counts[i].without_failures);
		row[3] = Int64GetDatum(counts[i].without_trials);
		row[4] = Int64GetDatum(counts[i].with_failures);
		row[5] = Int64GetDatum(counts[i].with_trials);
		row[6] = Int64GetDatum(rest.without_failures);
		row[7] = Int64GetDatum(rest.without_trials);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, row, nulls);
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(cx);
	PG_RETURN_NULL();
}
