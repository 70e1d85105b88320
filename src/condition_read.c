/*-------------------------------------------------------------------------
 *
 * condition_read.c
 *		The language of conditions, read; see condition_read.h.
 *
 * Everything is palloc'd in the caller's context and refers to the object
 * that was read.  No locks, no catalog.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/numeric.h"

#include "condition_read.h"
#include "cube/format.h"

FailpatText
failpat_scalar_text(const JsonbValue *value)
{
	FailpatText text;

	if (value->type == jbvString)
	{
		text.data = value->val.string.val;
		text.len = value->val.string.len;
		return text;
	}
	if (value->type == jbvNumeric)
		text.data = DatumGetCString(
			DirectFunctionCall1(numeric_out,
								NumericGetDatum(value->val.numeric)));
	else
		text.data = value->val.boolean ? "true" : "false";
	text.len = (int) strlen(text.data);
	return text;
}

char *
failpat_text_copy(FailpatText text)
{
	return pnstrdup(text.data, text.len);
}

void
failpat_bad_condition(FailpatText name, const char *kind, const char *what)
{
	ereport(
		ERROR,
		(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
		 errmsg("condition on %s%sdimension \"%.*s\" %s", kind ? kind : "",
				kind ? " " : "", fp_clip(name.data, name.len), name.data,
				what),
		 errhint(
			 "A condition is a value, an array of values used together, {\"min\": ..., \"max\": ...} for an ordinal dimension, or {\"count\": {\"min\": ..., \"max\": ...}} for the number of values of a set.")));
}

static void
bad_syntax(const FailpatCondition *condition, const char *what)
{
	failpat_bad_condition(condition->name, NULL, what);
}

static bool
is_scalar(const JsonbValue *value)
{
	return value->type == jbvString || value->type == jbvNumeric ||
		   value->type == jbvBool;
}

static bool
is_key(const JsonbValue *key, const char *name)
{
	return key->val.string.len == (int) strlen(name) &&
		   memcmp(key->val.string.val, name, key->val.string.len) == 0;
}

static void
read_bound(const FailpatCondition *condition, const JsonbValue *value,
		   FailpatText *text, double *bound)
{
	if (value->type != jbvString && value->type != jbvNumeric)
		bad_syntax(condition, "has a bound that is not a number");
	*text = failpat_scalar_text(value);
	if (!fp_number_parse(text->data, text->len, bound))
		bad_syntax(condition, "has a bound that is not a number");
}

static void
read_bounds(FailpatCondition *condition, JsonbContainer *object, bool lenient)
{
	JsonbIterator *it = JsonbIteratorInit(object);
	JsonbValue	   key;
	JsonbValue	   value;

	(void) JsonbIteratorNext(&it, &key, true);
	while (JsonbIteratorNext(&it, &key, true) == WJB_KEY)
	{
		bool is_min = is_key(&key, "min");

		(void) JsonbIteratorNext(&it, &value, true);
		if (!is_min && !is_key(&key, "max"))
			bad_syntax(condition, "has a key other than \"min\" and \"max\"");
		if (lenient && value.type == jbvNull)
			continue;
		if (is_min)
			read_bound(condition, &value, &condition->min_text,
					   &condition->min);
		else
			read_bound(condition, &value, &condition->max_text,
					   &condition->max);
	}
	if (condition->min_text.data == NULL && condition->max_text.data == NULL)
		bad_syntax(condition, "has neither \"min\" nor \"max\"");
}

static void
read_range(FailpatCondition *condition, JsonbContainer *object, bool lenient)
{
	JsonbValue	buffer;
	JsonbValue *count =
		getKeyJsonValueFromContainer(object, "count", 5, &buffer);

	if (count == NULL)
	{
		condition->test = FAILPAT_RANGE;
		read_bounds(condition, object, lenient);
		return;
	}
	condition->test = FAILPAT_COUNT;
	if (JsonContainerSize(object) > 1)
		bad_syntax(condition, "has a key besides \"count\"");
	if (count->type == jbvBinary &&
		JsonContainerIsObject(count->val.binary.data))
	{
		read_bounds(condition, count->val.binary.data, lenient);
		return;
	}
	/* one number is the range from it to itself */
	read_bound(condition, count, &condition->min_text, &condition->min);
	condition->max_text = condition->min_text;
	condition->max = condition->min;
}

static void
read_array(FailpatCondition *condition, JsonbContainer *array, bool lenient)
{
	uint32 n = JsonContainerSize(array);

	condition->array = true;
	condition->values = palloc_array(FailpatText, (Size) n + 1);
	for (uint32 i = 0; i < n; i++)
	{
		JsonbValue *value = getIthJsonbValueFromContainer(array, i);

		if (lenient && value->type == jbvNull)
			continue;
		if (!is_scalar(value))
			bad_syntax(condition, "has a member that is not a value");
		condition->values[condition->nvalues++] = failpat_scalar_text(value);
	}
}

FailpatCondition *
failpat_read_conditions(Jsonb *object, const char *argument, bool lenient,
						int *n)
{
	FailpatCondition *list;
	JsonbIterator	 *it;
	JsonbValue		  key;
	JsonbValue		  value;

	if (!JB_ROOT_IS_OBJECT(object))
		ereport(
			ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("argument \"%s\" must be a JSON object", argument),
			 errhint(
				 "For example: {\"character\": \"5\", \"lora\": [\"3\", \"7\"], \"segment_position\": {\"min\": 6}}")));
	list = palloc0_array(FailpatCondition, (Size) JB_ROOT_COUNT(object) + 1);
	*n = 0;
	it = JsonbIteratorInit(&object->root);
	(void) JsonbIteratorNext(&it, &key, true);
	while (JsonbIteratorNext(&it, &key, true) == WJB_KEY)
	{
		FailpatCondition *condition = &list[(*n)++];

		condition->name.data = key.val.string.val;
		condition->name.len = key.val.string.len;
		condition->test = FAILPAT_VALUES;
		condition->min = -INFINITY;
		condition->max = INFINITY;
		(void) JsonbIteratorNext(&it, &value, true);
		if (value.type == jbvNull)
			condition->test = FAILPAT_NULL;
		else if (is_scalar(&value))
		{
			condition->nvalues = 1;
			condition->values = palloc_array(FailpatText, 1);
			condition->values[0] = failpat_scalar_text(&value);
		}
		else if (JsonContainerIsObject(value.val.binary.data))
			read_range(condition, value.val.binary.data, lenient);
		else
			read_array(condition, value.val.binary.data, lenient);
	}
	return list;
}

/* what of it does not fit the kind, or NULL */
static const char *
misfit(const FailpatCondition *condition, FpDimKind kind)
{
	if (condition->test == FAILPAT_RANGE && kind != FP_ORDINAL)
		return "cannot be a range";
	if (condition->test == FAILPAT_COUNT && kind != FP_SET)
		return "cannot be a number of values";
	if (condition->test == FAILPAT_VALUES && condition->nvalues != 1 &&
		kind != FP_SET)
		return "must name one value";
	return NULL;
}

bool
failpat_condition_fits(const FailpatCondition *condition, FpDimKind kind)
{
	return misfit(condition, kind) == NULL;
}

void
failpat_condition_check(const FailpatCondition *condition, FpDimKind kind,
						bool known)
{
	const char *what = misfit(condition, kind);
	double		number;

	for (int i = 0; i < condition->nvalues && kind == FP_ORDINAL; i++)
		if (!fp_number_parse(condition->values[i].data,
							 condition->values[i].len, &number))
			what = "has a value that is not a number";
	if (what != NULL)
		failpat_bad_condition(condition->name,
							  known ? fp_dim_kind_name(kind) : NULL, what);
}
