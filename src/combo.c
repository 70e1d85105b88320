/*-------------------------------------------------------------------------
 *
 * combo.c
 *		Combinations and conditions as lists of items; fp_match_key; the type
 *		fp_value, one value or some, as arguments of fp_check_combo take them.
 *
 * Everything is palloc'd in the caller's context; a cast's output function is
 * looked up once per call site (fn_mcxt).  No locks.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#include "combo.h"
#include "condition_read.h"
#include "cube/format.h"

PG_FUNCTION_INFO_V1(failpat_sql_match_key);
PG_FUNCTION_INFO_V1(failpat_sql_match_size);
PG_FUNCTION_INFO_V1(failpat_combo_meets_sql);
PG_FUNCTION_INFO_V1(failpat_value_in);
PG_FUNCTION_INFO_V1(failpat_value_out);
PG_FUNCTION_INFO_V1(failpat_value_from);

/* FNV-1a over dimension, a zero byte and value; stored, so never to change */
static uint64
hash_item(const char *dim, int dim_len, const char *value, int value_len)
{
	uint64 h = UINT64CONST(0xcbf29ce484222325);

	for (int i = 0; i < dim_len; i++)
		h = (h ^ (uint8) dim[i]) * UINT64CONST(0x100000001b3);
	h *= UINT64CONST(0x100000001b3);
	for (int i = 0; i < value_len; i++)
		h = (h ^ (uint8) value[i]) * UINT64CONST(0x100000001b3);
	/* sums of raw FNV values of similar texts would meet too easily */
	return (uint64) failpat_match_key(h);
}

static void
canonical_dim(const char **dim, int *len)
{
	if (*len == 6 && memcmp(*dim, "avatar", 6) == 0)
	{
		*dim = "character";
		*len = 9;
	}
}

static bool
same_text(const char *a, int a_len, const char *b, int b_len)
{
	return a_len == b_len && memcmp(a, b, a_len) == 0;
}

static bool
has_item(const FailpatCombo *combo, const FailpatItem *item)
{
	for (int i = 0; i < combo->nitems; i++)
		if (combo->items[i].hash == item->hash &&
			same_text(combo->items[i].value, combo->items[i].value_len,
					  item->value, item->value_len) &&
			same_text(combo->items[i].dim, combo->items[i].dim_len, item->dim,
					  item->dim_len))
			return true;
	return false;
}

void
failpat_combo_add(FailpatCombo *combo, const char *dim, int dim_len,
				  const char *value, int value_len)
{
	FailpatItem item;

	canonical_dim(&dim, &dim_len);
	item.dim = dim;
	item.dim_len = dim_len;
	item.value = value;
	item.value_len = value_len;
	item.hash = hash_item(dim, dim_len, value, value_len);
	if (has_item(combo, &item))
		return;
	if (combo->nitems == FAILPAT_COMBO_MAX_ITEMS)
		ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
						errmsg("combination has more than %d values",
							   FAILPAT_COMBO_MAX_ITEMS)));
	if (combo->nitems == combo->items_cap)
	{
		combo->items_cap = Max(8, 2 * combo->items_cap);
		combo->items = combo->items
						   ? repalloc(combo->items,
									  combo->items_cap * sizeof(FailpatItem))
						   : palloc_array(FailpatItem, combo->items_cap);
	}
	combo->items[combo->nitems++] = item;
}

static void
add_interval(FailpatCombo *combo, const char *dim, int dim_len, bool count,
			 double min, double max)
{
	FailpatInterval *interval;

	if (combo->nintervals == combo->intervals_cap)
	{
		combo->intervals_cap = Max(4, 2 * combo->intervals_cap);
		combo->intervals =
			combo->intervals
				? repalloc(combo->intervals,
						   combo->intervals_cap * sizeof(FailpatInterval))
				: palloc_array(FailpatInterval, combo->intervals_cap);
	}
	interval = &combo->intervals[combo->nintervals++];
	interval->dim = dim;
	interval->dim_len = dim_len;
	interval->count = count;
	interval->min = min;
	interval->max = max;
}

void
failpat_combo_add_interval(FailpatCombo *combo, const char *dim, int dim_len,
						   double min, double max)
{
	add_interval(combo, dim, dim_len, false, min, max);
}

void
failpat_combo_add_count(FailpatCombo *combo, const char *dim, int dim_len,
						double min, double max)
{
	add_interval(combo, dim, dim_len, true, min, max);
}

void
failpat_combo_read(FailpatCombo *combo, Jsonb *object, bool pattern,
				   const char *argument)
{
	int				  n;
	FailpatCondition *list =
		failpat_read_conditions(object, argument, true, &n);

	for (int i = 0; i < n; i++)
	{
		const FailpatCondition *condition = &list[i];
		const char			   *dim = condition->name.data;
		int						len = condition->name.len;
		bool					position = false;
		double					number;

		CHECK_FOR_INTERRUPTS();
		if (condition->test == FAILPAT_RANGE ||
			condition->test == FAILPAT_COUNT)
			add_interval(combo, dim, len, condition->test == FAILPAT_COUNT,
						 condition->min, condition->max);
		if (condition->test != FAILPAT_VALUES)
			continue;
		if (condition->nvalues == 0 && !pattern)
			failpat_combo_add_count(combo, dim, len, 0, 0);
		if (!pattern && !condition->array &&
			fp_number_parse(condition->values[0].data,
							condition->values[0].len, &number))
		{
			failpat_combo_add_interval(combo, dim, len, number, number);
			/* of a position there are ranges only: an item less to look for */
			position = same_text(dim, len, FAILPAT_POSITION,
								 strlen(FAILPAT_POSITION));
		}
		for (int v = 0; v < condition->nvalues && !position; v++)
			failpat_combo_add(combo, dim, len, condition->values[v].data,
							  condition->values[v].len);
	}
}

/*
 * An interval of a dimension, or NULL.  What was read from objects is in one
 * order: looking goes on at *next, behind what was found last, so that looking
 * for all of another combination's is not quadratic.
 */
static const FailpatInterval *
find_interval(const FailpatCombo *combo, const char *dim, int dim_len,
			  bool count, int *next)
{
	for (int tried = 0, i = *next; tried < combo->nintervals; tried++, i++)
	{
		const FailpatInterval *interval;

		if (i >= combo->nintervals)
			i = 0;
		interval = &combo->intervals[i];
		if (interval->count == count &&
			same_text(interval->dim, interval->dim_len, dim, dim_len))
		{
			*next = i + 1;
			return interval;
		}
	}
	return NULL;
}

const FailpatInterval *
failpat_combo_interval(const FailpatCombo *combo, const char *dim, int dim_len)
{
	int next = 0;

	return find_interval(combo, dim, dim_len, false, &next);
}

bool
failpat_combo_same_ranges(const FailpatCombo *a, const FailpatCombo *b)
{
	int next = 0;

	for (int i = 0; i < a->nintervals; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (find_interval(b, a->intervals[i].dim, a->intervals[i].dim_len,
						  a->intervals[i].count, &next) == NULL)
			return false;
	}
	return a->nintervals == b->nintervals;
}

/*
 * What a combination says of the dimension of a range: of a number of values
 * also what its items of that set tell, which are all that it has, or, of a
 * pattern (at_least), all that it asks for.  next: see find_interval.
 */
static bool
said_of(const FailpatCombo *combo, const FailpatInterval *range, bool at_least,
		int *next, FailpatInterval *said)
{
	const FailpatInterval *given =
		find_interval(combo, range->dim, range->dim_len, range->count, next);
	int n = 0;

	CHECK_FOR_INTERRUPTS();
	*said = *range;
	for (int i = 0; i < combo->nitems && range->count; i++)
		n += same_text(combo->items[i].dim, combo->items[i].dim_len,
					   range->dim, range->dim_len);
	if (given != NULL)
		*said = *given;
	else
	{
		said->min = n;
		said->max = at_least ? INFINITY : n;
	}
	return given != NULL || n > 0;
}

bool
failpat_combo_meets(const FailpatCombo *combo, const FailpatCombo *pattern,
					bool whole_scene)
{
	int next = 0;

	for (int i = 0; i < pattern->nitems; i++)
		if (!has_item(combo, &pattern->items[i]))
			return false;
	for (int i = 0; i < pattern->nintervals; i++)
	{
		const FailpatInterval *range = &pattern->intervals[i];
		FailpatInterval		   given;

		if (!said_of(combo, range, false, &next, &given))
		{
			if (!whole_scene ||
				!same_text(range->dim, range->dim_len, FAILPAT_POSITION,
						   strlen(FAILPAT_POSITION)))
				return false;
		}
		else if (given.min > range->max || given.max < range->min)
			return false;
	}
	return true;
}

bool
failpat_combo_says_more(const FailpatCombo *more, const FailpatCombo *less)
{
	int next = 0;

	for (int i = 0; i < less->nitems; i++)
		if (!has_item(more, &less->items[i]))
			return false;
	for (int i = 0; i < less->nintervals; i++)
	{
		const FailpatInterval *wide = &less->intervals[i];
		FailpatInterval		   narrow;

		if (!said_of(more, wide, true, &next, &narrow) ||
			narrow.min < wide->min || narrow.max > wide->max)
			return false;
	}
	return true;
}

/* fp_match_key(conditions jsonb) -> bigint */
Datum
failpat_sql_match_key(PG_FUNCTION_ARGS)
{
	FailpatCombo combo = {0};
	uint64		 sum = 0;

	failpat_combo_read(&combo, PG_GETARG_JSONB_P(0), true, "conditions");
	for (int i = 0; i < combo.nitems; i++)
		sum += combo.items[i].hash;
	PG_RETURN_INT64(failpat_match_key(sum));
}

/* fp_match_size(conditions jsonb) -> integer */
Datum
failpat_sql_match_size(PG_FUNCTION_ARGS)
{
	FailpatCombo combo = {0};

	failpat_combo_read(&combo, PG_GETARG_JSONB_P(0), true, "conditions");
	PG_RETURN_INT32(combo.nitems);
}

/* fp_combo_meets(combo jsonb, conditions jsonb) -> boolean */
Datum
failpat_combo_meets_sql(PG_FUNCTION_ARGS)
{
	FailpatCombo combo = {0};
	FailpatCombo pattern = {0};

	failpat_combo_read(&combo, PG_GETARG_JSONB_P(0), false, "combo");
	failpat_combo_read(&pattern, PG_GETARG_JSONB_P(1), true, "conditions");
	PG_RETURN_BOOL(failpat_combo_meets(&combo, &pattern, true));
}

/* --- fp_value: a text array that reads a plain text as one value -------- */

Datum
failpat_value_in(PG_FUNCTION_ARGS)
{
	char *string = PG_GETARG_CSTRING(0);
	Datum value;

	if (string[0] == '{')
	{
		Oid	   in;
		Oid	   param;
		Datum *values;
		bool  *nulls;
		int	   n;

		getTypeInputInfo(TEXTARRAYOID, &in, &param);
		value = OidInputFunctionCall(in, string, param, -1);
		deconstruct_array(DatumGetArrayTypeP(value), TEXTOID, -1, false,
						  TYPALIGN_INT, &values, &nulls, &n);
		PG_RETURN_DATUM(value);
	}
	value = CStringGetTextDatum(string);
	PG_RETURN_ARRAYTYPE_P(
		construct_array(&value, 1, TEXTOID, -1, false, TYPALIGN_INT));
}

Datum
failpat_value_out(PG_FUNCTION_ARGS)
{
	ArrayType *array = PG_GETARG_ARRAYTYPE_P(0);
	Datum	  *values;
	bool	  *nulls;
	int		   n;
	Oid		   out;
	bool	   varlena;

	deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT, &values, &nulls,
					  &n);
	if (n == 1 && !nulls[0])
	{
		char *value = TextDatumGetCString(values[0]);

		if (value[0] != '{')
			PG_RETURN_CSTRING(value);
	}
	getTypeOutputInfo(TEXTARRAYOID, &out, &varlena);
	PG_RETURN_CSTRING(OidOutputFunctionCall(out, PointerGetDatum(array)));
}

/* What a cast to fp_value knows of its argument's type. */
typedef struct ValueCast
{
	Oid		 element; /* InvalidOid: not an array */
	int16	 len;
	bool	 byval;
	char	 align;
	FmgrInfo out;
} ValueCast;

/* casts to fp_value, whatever the type: by its text */
Datum
failpat_value_from(PG_FUNCTION_ARGS)
{
	ValueCast *cast = fcinfo->flinfo->fn_extra;
	Datum	   one;
	Datum	  *values = &one;
	bool	  *nulls = NULL;
	int		   n = 1;
	int		   kept = 0;

	if (cast == NULL)
	{
		Oid	 type = get_fn_expr_argtype(fcinfo->flinfo, 0);
		Oid	 out;
		bool varlena;

		if (!OidIsValid(type))
			elog(ERROR, "could not determine the type of an argument");
		cast = MemoryContextAllocZero(fcinfo->flinfo->fn_mcxt, sizeof(*cast));
		type = getBaseType(type);
		cast->element = get_element_type(type);
		if (OidIsValid(cast->element))
		{
			type = cast->element;
			get_typlenbyvalalign(type, &cast->len, &cast->byval, &cast->align);
		}
		getTypeOutputInfo(type, &out, &varlena);
		fmgr_info_cxt(out, &cast->out, fcinfo->flinfo->fn_mcxt);
		fcinfo->flinfo->fn_extra = cast;
	}
	if (OidIsValid(cast->element))
		deconstruct_array(PG_GETARG_ARRAYTYPE_P(0), cast->element, cast->len,
						  cast->byval, cast->align, &values, &nulls, &n);
	else
		one = PG_GETARG_DATUM(0);
	for (int i = 0; i < n; i++)
		if (nulls == NULL || !nulls[i])
			values[kept++] =
				CStringGetTextDatum(OutputFunctionCall(&cast->out, values[i]));
	PG_RETURN_ARRAYTYPE_P(
		construct_array(values, kept, TEXTOID, -1, false, TYPALIGN_INT));
}
