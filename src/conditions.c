/*-------------------------------------------------------------------------
 *
 * conditions.c
 *		Conditions on one observation's dimensions, and fp_conditions_met.
 *
 * Read conditions live in the context that the caller names; for the SQL
 * function that is the query's, and they are read again only when the
 * arguments change.  Matching allocates nothing that lasts.  Takes no locks.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/numeric.h"

#include "conditions.h"
#include "cube/cube.h"
#include "cube/format.h"

#if PG_VERSION_NUM >= 160000
#include "varatt.h"
#endif

typedef enum Test
{
	TEST_NULL,	 /* not recorded */
	TEST_VALUES, /* has all of the values */
	TEST_EMPTY,	 /* the empty set */
	TEST_RANGE	 /* from min to max */
} Test;

typedef struct Value
{
	const char *text;
	int			len;
	bool		is_number; /* of an ordinal dimension, and it is one */
	double		number;
} Value;

typedef struct Condition
{
	const char *name;
	int			len;
	bool		ordinal;
	Test		test;
	int			nvalues;
	Value	   *values;
	double		min;
	double		max;
} Condition;

struct FailpatConditions
{
	int		   n;
	Condition *list;
};

static void
bad_condition(const Condition *condition, const char *what)
{
	ereport(
		ERROR,
		(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
		 errmsg("condition on dimension \"%.*s\" %s",
				fp_clip(condition->name, condition->len), condition->name,
				what),
		 errhint(
			 "A condition is a value, an array of values used together, or for an ordinal dimension a number or {\"min\": ..., \"max\": ...}.")));
}

/* --- reading ----------------------------------------------------------- */

static char *
scalar_text(const JsonbValue *value, int *len)
{
	char *text;

	if (value->type == jbvString)
	{
		*len = value->val.string.len;
		return pnstrdup(value->val.string.val, value->val.string.len);
	}
	if (value->type == jbvNumeric)
		text = DatumGetCString(
			DirectFunctionCall1(numeric_out,
								NumericGetDatum(value->val.numeric)));
	else
		text = pstrdup(value->val.boolean ? "true" : "false");
	*len = strlen(text);
	return text;
}

static void
add_value(Condition *condition, const JsonbValue *json)
{
	Value *value = &condition->values[condition->nvalues++];

	if (json->type != jbvString && json->type != jbvNumeric &&
		json->type != jbvBool)
		bad_condition(condition, "has a member that is not a value");
	value->text = scalar_text(json, &value->len);
	if (condition->ordinal &&
		!fp_number_parse(value->text, value->len, &value->number))
		bad_condition(condition, "has a value that is not a number");
	value->is_number = condition->ordinal;
}

static void
read_range(Condition *condition, JsonbContainer *object)
{
	JsonbIterator *it = JsonbIteratorInit(object);
	JsonbValue	   key;
	JsonbValue	   json;
	int			   bounds = 0;

	if (!condition->ordinal)
		bad_condition(condition, "cannot be a range");
	condition->test = TEST_RANGE;
	condition->min = -INFINITY;
	condition->max = INFINITY;
	(void) JsonbIteratorNext(&it, &key, true);
	while (JsonbIteratorNext(&it, &key, true) == WJB_KEY)
	{
		double	bound;
		char   *text;
		int		len;
		double *side;

		(void) JsonbIteratorNext(&it, &json, true);
		if (key.val.string.len == 3 &&
			memcmp(key.val.string.val, "min", 3) == 0)
			side = &condition->min;
		else if (key.val.string.len == 3 &&
				 memcmp(key.val.string.val, "max", 3) == 0)
			side = &condition->max;
		else
		{
			bad_condition(condition,
						  "has a key other than \"min\" and \"max\"");
			return; /* not reached */
		}
		if (json.type != jbvString && json.type != jbvNumeric)
			bad_condition(condition, "has a bound that is not a number");
		text = scalar_text(&json, &len);
		if (!fp_number_parse(text, len, &bound))
			bad_condition(condition, "has a bound that is not a number");
		*side = bound;
		bounds++;
	}
	if (bounds == 0)
		bad_condition(condition, "has neither \"min\" nor \"max\"");
}

static void
read_array(Condition *condition, JsonbContainer *array)
{
	int n = JsonContainerSize(array);

	if (condition->ordinal && n != 1)
		bad_condition(condition, "must name one value");
	condition->test = n ? TEST_VALUES : TEST_EMPTY;
	condition->values = palloc(((Size) n + 1) * sizeof(Value));
	for (int i = 0; i < n; i++)
		add_value(condition, getIthJsonbValueFromContainer(array, i));
}

FailpatConditions *
failpat_conditions_read(Jsonb *conditions, const char *const *ordinal,
						int nordinal, MemoryContext cx)
{
	MemoryContext	   old_cx = MemoryContextSwitchTo(cx);
	FailpatConditions *result = palloc(sizeof(FailpatConditions));
	JsonbIterator	  *it;
	JsonbValue		   key;
	JsonbValue		   json;

	if (!JB_ROOT_IS_OBJECT(conditions))
		ereport(
			ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("argument \"conditions\" must be a JSON object"),
			 errhint(
				 "For example: {\"character\": \"5\", \"lora\": [\"3\", \"7\"], \"segment_position\": {\"min\": 6}}")));
	result->n = 0;
	result->list =
		palloc(((Size) JB_ROOT_COUNT(conditions) + 1) * sizeof(Condition));
	it = JsonbIteratorInit(&conditions->root);
	(void) JsonbIteratorNext(&it, &key, true);
	while (JsonbIteratorNext(&it, &key, true) == WJB_KEY)
	{
		Condition *condition = &result->list[result->n++];

		memset(condition, 0, sizeof(*condition));
		condition->name = pnstrdup(key.val.string.val, key.val.string.len);
		condition->len = key.val.string.len;
		for (int i = 0; i < nordinal; i++)
			condition->ordinal |= strcmp(ordinal[i], condition->name) == 0;
		(void) JsonbIteratorNext(&it, &json, true);
		if (json.type == jbvNull)
			condition->test = TEST_NULL;
		else if (json.type != jbvBinary)
		{
			condition->test = TEST_VALUES;
			condition->values = palloc(sizeof(Value));
			add_value(condition, &json);
		}
		else if (JsonContainerIsObject(json.val.binary.data))
			read_range(condition, json.val.binary.data);
		else
			read_array(condition, json.val.binary.data);
	}
	MemoryContextSwitchTo(old_cx);
	return result;
}

/* --- matching ---------------------------------------------------------- */

/* Is a scalar of an observation this value? */
static bool
is_value(const Value *value, const JsonbValue *json, bool ordinal)
{
	char *text;
	int	  len;

	if (json->type == jbvString && !ordinal)
		return json->val.string.len == value->len &&
			   memcmp(json->val.string.val, value->text, value->len) == 0;
	if (json->type == jbvNumeric && ordinal)
		return value->is_number &&
			   DatumGetFloat8(
				   DirectFunctionCall1(numeric_float8_no_overflow,
									   NumericGetDatum(json->val.numeric))) ==
				   value->number;
	if (json->type != jbvString && json->type != jbvNumeric &&
		json->type != jbvBool)
		return false;
	text = scalar_text(json, &len);
	if (ordinal)
	{
		double number;

		return value->is_number && fp_number_parse(text, len, &number) &&
			   number == value->number;
	}
	return len == value->len && memcmp(text, value->text, len) == 0;
}

static bool
has_all(const Condition *condition, JsonbContainer *array)
{
	int n = JsonContainerSize(array);

	for (int v = 0; v < condition->nvalues; v++)
	{
		bool found = false;

		for (int i = 0; i < n && !found; i++)
			found = is_value(&condition->values[v],
							 getIthJsonbValueFromContainer(array, i), false);
		if (!found)
			return false;
	}
	return true;
}

static bool
in_range(const Condition *condition, const JsonbValue *json)
{
	double number;

	if (json->type == jbvNumeric)
		number = DatumGetFloat8(
			DirectFunctionCall1(numeric_float8_no_overflow,
								NumericGetDatum(json->val.numeric)));
	else if (json->type != jbvString ||
			 !fp_number_parse(json->val.string.val, json->val.string.len,
							  &number))
		return false;
	return number >= condition->min && number <= condition->max;
}

static bool
condition_met(const Condition *condition, Jsonb *dims)
{
	JsonbValue	buf;
	JsonbValue *json =
		getKeyJsonValueFromContainer(&dims->root, condition->name,
									 condition->len, &buf);
	bool is_array;

	if (json == NULL || json->type == jbvNull)
		return condition->test == TEST_NULL;
	is_array =
		json->type == jbvBinary && JsonContainerIsArray(json->val.binary.data);
	switch (condition->test)
	{
		case TEST_NULL:
			return false;
		case TEST_EMPTY:
			return is_array && JsonContainerSize(json->val.binary.data) == 0;
		case TEST_RANGE:
			return !is_array && in_range(condition, json);
		case TEST_VALUES:
			break;
	}
	if (is_array)
		return has_all(condition, json->val.binary.data);
	for (int v = 0; v < condition->nvalues; v++)
		if (!is_value(&condition->values[v], json, condition->ordinal))
			return false;
	return true;
}

bool
failpat_conditions_met(const FailpatConditions *conditions, Jsonb *dims)
{
	if (!JB_ROOT_IS_OBJECT(dims))
		return false;
	for (int i = 0; i < conditions->n; i++)
		if (!condition_met(&conditions->list[i], dims))
			return false;
	return true;
}

/* --- fp_conditions_met(dims, conditions, ordinal) ---------------------- */

/* The arguments that were read last, and what came of them. */
typedef struct Cache
{
	MemoryContext	   cx;
	Size			   len;
	char			  *args; /* conditions and ordinal, end to end */
	FailpatConditions *read;
} Cache;

PG_FUNCTION_INFO_V1(failpat_conditions_met_sql);
Datum
failpat_conditions_met_sql(PG_FUNCTION_ARGS)
{
	Jsonb	  *dims = PG_GETARG_JSONB_P(0);
	Jsonb	  *conditions = PG_GETARG_JSONB_P(1);
	ArrayType *ordinal = PG_GETARG_ARRAYTYPE_P(2);
	Cache	  *cache = fcinfo->flinfo->fn_extra;
	Size	   first = VARSIZE(conditions);
	Size	   second = VARSIZE(ordinal);
	bool	   met;

	if (!cache)
	{
		cache = MemoryContextAllocZero(fcinfo->flinfo->fn_mcxt, sizeof(Cache));
		cache->cx =
			AllocSetContextCreate(fcinfo->flinfo->fn_mcxt,
								  "failpat conditions", ALLOCSET_SMALL_SIZES);
		fcinfo->flinfo->fn_extra = cache;
	}
	if (cache->read == NULL || cache->len != first + second ||
		memcmp(cache->args, conditions, first) != 0 ||
		memcmp(cache->args + first, ordinal, second) != 0)
	{
		const char **names;
		Datum		*items;
		bool		*nulls;
		int			 n;
		int			 nnames = 0;

		cache->read = NULL;
		MemoryContextReset(cache->cx);
		deconstruct_array(ordinal, TEXTOID, -1, false, TYPALIGN_INT, &items,
						  &nulls, &n);
		names = palloc(((Size) n + 1) * sizeof(char *));
		for (int i = 0; i < n; i++)
			if (!nulls[i])
				names[nnames++] = TextDatumGetCString(items[i]);
		cache->len = first + second;
		cache->args = MemoryContextAlloc(cache->cx, cache->len);
		memcpy(cache->args, conditions, first);
		memcpy(cache->args + first, ordinal, second);
		cache->read =
			failpat_conditions_read(conditions, names, nnames, cache->cx);
	}
	met = failpat_conditions_met(cache->read, dims);
	PG_FREE_IF_COPY(dims, 0);
	PG_FREE_IF_COPY(conditions, 1);
	PG_FREE_IF_COPY(ordinal, 2);
	PG_RETURN_BOOL(met);
}
