/*-------------------------------------------------------------------------
 *
 * alternatives.c
 *		fp_find_alternatives: what to use instead, from a cube, as rows; and
 *		known patterns in the codes of a cube (known.h).
 *
 * The cube, the known patterns and the result live in a memory context of the
 * call that is deleted before it returns; the rows are in a tuplestore.  No
 * locks, no catalog.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"
#if PG_VERSION_NUM >= 160000
#include "varatt.h"
#endif

#include "combo.h"
#include "cubes.h"
#include "known.h"
#include "mine/alternatives.h"
#include "patterns.h"

PG_FUNCTION_INFO_V1(failpat_find_alternatives);
PG_FUNCTION_INFO_V1(failpat_find_alternatives_summed);

/* combinations call an avatar a character */
int
failpat_known_dim(const FpCube *cube, const char *name, int len)
{
	int d = fp_cube_find_dim(cube, name, len);

	if (d < 0 && len == 9 && memcmp(name, "character", 9) == 0)
		d = fp_cube_find_dim(cube, "avatar", 6);
	return d;
}

bool
failpat_known_read(const FpCube *cube, Jsonb *conditions,
				   FpKnownPattern *known)
{
	FailpatCombo combo = {0};

	memset(known, 0, sizeof(*known));
	/* sizes stay 0 until all of it is known */
	failpat_combo_read(&combo, conditions, true, "conditions");
	if (combo.nitems > FP_KNOWN_MAX_ITEMS ||
		combo.nintervals > FP_KNOWN_MAX_RANGES)
		return false;
	for (int i = 0; i < combo.nitems; i++)
	{
		const FailpatItem *item = &combo.items[i];
		FpKnownItem		  *to = &known->items[i];

		to->dim = failpat_known_dim(cube, item->dim, item->dim_len);
		if (to->dim < 0 || (cube->dims[to->dim].kind != FP_NOMINAL &&
							cube->dims[to->dim].kind != FP_SET))
			return false;
		to->code = fp_cube_find_value(&cube->dims[to->dim], item->value,
									  item->value_len);
		if (to->code == 0)
			return false;
		for (int j = 0; j < i; j++)
			if (known->items[j].dim == to->dim &&
				cube->dims[to->dim].kind == FP_NOMINAL)
				return false;
	}
	known->nitems = combo.nitems;
	for (int i = 0; i < combo.nintervals; i++)
	{
		FpKnownRange *to = &known->ranges[i];

		to->dim = failpat_known_dim(cube, combo.intervals[i].dim,
									combo.intervals[i].dim_len);
		to->count = combo.intervals[i].count;
		if (to->dim < 0 ||
			cube->dims[to->dim].kind != (to->count ? FP_SET : FP_ORDINAL))
			return false;
		to->min = combo.intervals[i].min;
		to->max = combo.intervals[i].max;
	}
	known->nranges = combo.nintervals;
	return true;
}

static Datum
text_datum(const FpText *text)
{
	return PointerGetDatum(cstring_to_text_with_len(text->data, text->len));
}

static Datum
jsonb_datum(const char *text)
{
	return DirectFunctionCall1(jsonb_in, CStringGetDatum(text));
}

/* a row of the result; number: of the pattern, as the caller counts */
static void
put_alternative(ReturnSetInfo *rsinfo, const FpCube *cube,
				const FpKnownPattern *known, const FpAlternative *one,
				int number)
{
	Datum row[12] = {0};
	bool  nulls[12] = {0};

	nulls[2] = nulls[3] = nulls[10] = nulls[11] = true;
	row[0] = Int32GetDatum(number);
	if (one->item >= 0)
	{
		const FpKnownItem *item = &known->items[one->item];
		const FpDim		  *dim = &cube->dims[item->dim];

		row[1] = text_datum(&dim->name);
		row[2] = text_datum(&dim->values[item->code - 1]);
		nulls[2] = false;
		nulls[3] = one->value == 0;
		if (one->value != 0)
			row[3] = text_datum(&dim->values[one->value - 1]);
	}
	else
	{
		const FpKnownRange *range = &known->ranges[one->range];

		row[1] = text_datum(&cube->dims[range->dim].name);
		if (range->count)
			row[10] = jsonb_datum(isfinite(one->max)
									  ? psprintf("{\"max\": %.0f}", one->max)
									  : psprintf("{\"min\": %.0f}", one->min));
		else
			row[11] = Float8GetDatum(one->max);
		nulls[range->count ? 10 : 11] = false;
	}
	row[4] = BoolGetDatum(one->predicted);
	row[5] = Int64GetDatum(one->failures);
	row[6] = Int64GetDatum(one->trials);
	row[7] = Float8GetDatum(one->rate);
	row[8] = Float8GetDatum(one->lower);
	row[9] = Float8GetDatum(one->upper);
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, row, nulls);
}

/*
 * fp_find_alternatives(cube, conditions jsonb[], choosable text[], keep), or
 * fp_find_alternatives_summed, of an array of cubes.
 */
static Datum
find_alternatives(FunctionCallInfo fcinfo, bool summed)
{
	ReturnSetInfo		*rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	MemoryContext		 cx;
	MemoryContext		 old;
	FpCube				*cube;
	FpAlternativeOptions options;
	FpKnownPattern		*known;
	int					*numbers; /* of a known pattern, in conditions */
	FpAlternatives		*found;
	bool				*choosable;
	Datum				*values;
	bool				*nulls;
	int					 n;
	int					 nknown = 0;

	fp_alternative_defaults(&options);
	options.keep = PG_GETARG_INT32(3);
	if (options.keep < 1)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("argument \"keep\" must be at least 1, not %d",
							   options.keep)));
	InitMaterializedSRF(fcinfo, 0);
	cx = AllocSetContextCreate(CurrentMemoryContext, "failpat alternatives",
							   ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(cx);
	if (summed)
	{
		cube = &failpat_fold_array(PG_GETARG_DATUM(0), 1, cx)->cube;
		cube->ndims--; /* the stratum, which says nothing here */
	}
	else
		cube = failpat_cube_from_datum(PG_GETARG_DATUM(0), cx);
	choosable = palloc0_array(bool, cube->ndims + 1);
	deconstruct_array(PG_GETARG_ARRAYTYPE_P(2), TEXTOID, -1, false,
					  TYPALIGN_INT, &values, &nulls, &n);
	for (int i = 0; i < n; i++)
		if (!nulls[i])
		{
			text *name = DatumGetTextPP(values[i]);
			int	  d = fp_cube_find_dim(cube, VARDATA_ANY(name),
									   VARSIZE_ANY_EXHDR(name));

			if (d >= 0)
				choosable[d] = true;
		}
	deconstruct_array(PG_GETARG_ARRAYTYPE_P(1), JSONBOID, -1, false,
					  TYPALIGN_INT, &values, &nulls, &n);
	known = palloc_array(FpKnownPattern, n + 1);
	numbers = palloc_array(int, n + 1);
	for (int i = 0; i < n; i++)
	{
		if (nulls[i] || !failpat_known_read(cube, DatumGetJsonbP(values[i]),
											&known[nknown]))
			continue;
		numbers[nknown++] = i + 1;
	}
	found = fp_alternatives(cube, known, nknown, choosable, &options, cx);
	for (int i = 0; i < found->n; i++)
		put_alternative(rsinfo, cube, &known[found->list[i].pattern],
						&found->list[i], numbers[found->list[i].pattern]);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(cx);
	PG_RETURN_NULL();
}

Datum
failpat_find_alternatives(PG_FUNCTION_ARGS)
{
	return find_alternatives(fcinfo, false);
}

Datum
failpat_find_alternatives_summed(PG_FUNCTION_ARGS)
{
	return find_alternatives(fcinfo, true);
}
