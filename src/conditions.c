/*-------------------------------------------------------------------------
 *
 * conditions.c
 *		Conditions on one observation's dimensions, and fp_conditions_met.
 *
 * Read conditions live in the context that the caller names; for the SQL
 * function that is the query's, and they are read again only when the
 * arguments change.  Matching allocates nothing that lasts, and takes as long
 * as it takes to sort what it reads.  Takes no locks.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/numeric.h"

#include "condition_read.h"
#include "conditions.h"
#include "cube/format.h"

#if PG_VERSION_NUM >= 160000
#include "varatt.h"
#endif

/* A condition, and what is known of its dimension; values sorted, each once. */
typedef struct Asked
{
	FailpatCondition condition;
	bool			 ordinal;
	double			*numbers; /* of its values, where ordinal */
} Asked;

struct FailpatConditions
{
	int	   n;
	Asked *list;
};

static int
text_cmp(const void *a, const void *b)
{
	const FailpatText *x = a;
	const FailpatText *y = b;
	int				   cmp = memcmp(x->data, y->data, Min(x->len, y->len));

	return cmp != 0 ? cmp : x->len - y->len;
}

/* sorts texts, each once; their number */
static int
sort_texts(FailpatText *texts, int n)
{
	int kept = 0;

	qsort(texts, n, sizeof(FailpatText), text_cmp);
	for (int i = 0; i < n; i++)
		if (kept == 0 || !failpat_same_text(texts[kept - 1], texts[i]))
			texts[kept++] = texts[i];
	return kept;
}

/* --- reading ----------------------------------------------------------- */

FailpatConditions *
failpat_conditions_read(Jsonb *conditions, const char *const *ordinal,
						int nordinal, MemoryContext cx)
{
	MemoryContext	   old_cx = MemoryContextSwitchTo(cx);
	FailpatConditions *result = palloc_array(FailpatConditions, 1);
	FailpatCondition  *list =
		failpat_read_conditions(conditions, "conditions", false, &result->n);

	result->list = palloc0_array(Asked, (Size) result->n + 1);
	for (int i = 0; i < result->n; i++)
	{
		Asked			 *asked = &result->list[i];
		FailpatCondition *condition = &asked->condition;

		CHECK_FOR_INTERRUPTS();
		*condition = list[i];
		for (int j = 0; j < nordinal; j++)
			asked->ordinal |=
				(int) strlen(ordinal[j]) == condition->name.len &&
				memcmp(ordinal[j], condition->name.data,
					   condition->name.len) == 0;
		/* what is not ordinal may be a set */
		failpat_condition_check(condition,
								asked->ordinal ? FP_ORDINAL : FP_SET, false);
		condition->nvalues = sort_texts(condition->values, condition->nvalues);
		asked->numbers = palloc_array(double, (Size) condition->nvalues + 1);
		for (int v = 0; v < condition->nvalues && asked->ordinal; v++)
			(void) fp_number_parse(condition->values[v].data,
								   condition->values[v].len,
								   &asked->numbers[v]);
	}
	MemoryContextSwitchTo(old_cx);
	return result;
}

/* --- matching ---------------------------------------------------------- */

/* the number that a scalar of an observation is, if it is one */
static bool
number_of(const JsonbValue *json, double *number)
{
	if (json->type == jbvNumeric)
	{
		*number = DatumGetFloat8(
			DirectFunctionCall1(numeric_float8_no_overflow,
								NumericGetDatum(json->val.numeric)));
		return true;
	}
	return json->type == jbvString &&
		   fp_number_parse(json->val.string.val, json->val.string.len, number);
}

static bool
is_scalar(const JsonbValue *json)
{
	return json->type == jbvString || json->type == jbvNumeric ||
		   json->type == jbvBool;
}

/* Is a scalar of an observation this value? */
static bool
is_value(const Asked *asked, int v, const JsonbValue *json)
{
	double number;

	if (asked->ordinal)
		return number_of(json, &number) && number == asked->numbers[v];
	if (!is_scalar(json))
		return false;
	return failpat_same_text(failpat_scalar_text(json),
							 asked->condition.values[v]);
}

/* Has a set all of the values?  It is read once, whatever their number. */
static bool
has_all(const Asked *asked, JsonbContainer *array)
{
	const FailpatCondition *condition = &asked->condition;
	bool				   *found = palloc0(condition->nvalues);
	int						missing = condition->nvalues;
	JsonbIterator		   *it = JsonbIteratorInit(array);
	JsonbValue				json;

	(void) JsonbIteratorNext(&it, &json, true);
	while (missing > 0 && JsonbIteratorNext(&it, &json, true) == WJB_ELEM)
	{
		int v = -1;

		CHECK_FOR_INTERRUPTS();
		/* of an ordinal dimension there is one value */
		if (asked->ordinal)
			v = is_value(asked, 0, &json) ? 0 : -1;
		else if (is_scalar(&json))
		{
			FailpatText	 text = failpat_scalar_text(&json);
			FailpatText *is =
				bsearch(&text, condition->values, condition->nvalues,
						sizeof(text), text_cmp);

			if (is != NULL)
				v = (int) (is - condition->values);
			if (json.type == jbvNumeric)
				pfree((char *) text.data);
		}
		if (v >= 0 && !found[v])
		{
			found[v] = true;
			missing--;
		}
	}
	if (it != NULL)
		pfree(it);
	pfree(found);
	return missing == 0;
}

/* how many different values a set of an observation has; a scalar is one */
static int
count_values(const JsonbValue *json)
{
	MemoryContext  cx;
	MemoryContext  old;
	JsonbIterator *it;
	JsonbValue	   value;
	FailpatText	  *seen;
	int			   n = 0;

	if (json->type != jbvBinary)
		return 1;
	cx = AllocSetContextCreate(CurrentMemoryContext, "failpat members",
							   ALLOCSET_SMALL_SIZES);
	old = MemoryContextSwitchTo(cx);
	seen = palloc_array(FailpatText,
						(Size) JsonContainerSize(json->val.binary.data) + 1);
	it = JsonbIteratorInit(json->val.binary.data);
	(void) JsonbIteratorNext(&it, &value, true);
	while (JsonbIteratorNext(&it, &value, true) == WJB_ELEM)
	{
		CHECK_FOR_INTERRUPTS();
		if (is_scalar(&value))
			seen[n++] = failpat_scalar_text(&value);
	}
	n = sort_texts(seen, n);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(cx);
	return n;
}

static bool
condition_met(const Asked *asked, Jsonb *dims)
{
	const FailpatCondition *condition = &asked->condition;
	JsonbValue				buf;
	JsonbValue			   *json =
		getKeyJsonValueFromContainer(&dims->root, condition->name.data,
									 condition->name.len, &buf);
	double number;
	bool   is_array;

	if (json == NULL || json->type == jbvNull)
		return condition->test == FAILPAT_NULL;
	is_array =
		json->type == jbvBinary && JsonContainerIsArray(json->val.binary.data);
	switch (condition->test)
	{
		case FAILPAT_NULL:
			return false;
		case FAILPAT_RANGE:
			return number_of(json, &number) && number >= condition->min &&
				   number <= condition->max;
		case FAILPAT_COUNT:
			number = count_values(json);
			return number >= condition->min && number <= condition->max;
		case FAILPAT_VALUES:
			break;
	}
	if (condition->nvalues == 0)
		return is_array && JsonContainerSize(json->val.binary.data) == 0;
	if (is_array)
		return has_all(asked, json->val.binary.data);
	for (int v = 0; v < condition->nvalues; v++)
		if (!is_value(asked, v, json))
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
		/* of the copy: what is read refers to it */
		cache->read = failpat_conditions_read((Jsonb *) cache->args, names,
											  nnames, cache->cx);
	}
	met = failpat_conditions_met(cache->read, dims);
	PG_FREE_IF_COPY(dims, 0);
	PG_FREE_IF_COPY(conditions, 1);
	PG_FREE_IF_COPY(ordinal, 2);
	PG_RETURN_BOOL(met);
}
