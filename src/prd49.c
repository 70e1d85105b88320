/*-------------------------------------------------------------------------
 *
 * prd49.c
 *		Names in the platform's JSON arrays, for the view of its tables.
 *
 * Part of the source view's every reading, so in C: as SQL it would be a
 * sub-plan with an aggregate that costs more than the rest of the row.
 * Memory: the caller's context.  Takes no locks.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"

#include "capture.h"

PG_FUNCTION_INFO_V1(failpat_names);

/* Appends a member of an object as text; false where it has none to show. */
static bool
append_member(StringInfo name, JsonbContainer *object, const char *key,
			  size_t len)
{
	JsonbValue	want;
	JsonbValue *value;

	want.type = jbvString;
	want.val.string.val = (char *) key;
	want.val.string.len = (int) len;
	value = findJsonbValueFromContainer(object, JB_FOBJECT, &want);
	if (value == NULL)
		return false;
	switch (value->type)
	{
		case jbvString:
			appendBinaryStringInfo(name, value->val.string.val,
								   value->val.string.len);
			return value->val.string.len > 0;
		case jbvNumeric:
			appendStringInfoString(name,
								   DatumGetCString(DirectFunctionCall1(
									   numeric_out,
									   NumericGetDatum(value->val.numeric))));
			return true;
		default:
			return false;
	}
}

/*
 * fp_names(items jsonb, VARIADIC keys text[]) -> text[]
 *
 * One name for each object in a JSON array: the first of the keys that the
 * object has a text or number for; a key "a@b" joins those of a and b.  Sorted
 * by bytes, without repeats.  An empty array gives an empty one; NULL where
 * items is no array, or no name can be told.
 */
Datum
failpat_names(PG_FUNCTION_ARGS)
{
	Jsonb			  *items = PG_GETARG_JSONB_P(0);
	ArrayType		  *keys_array = PG_GETARG_ARRAYTYPE_P(1);
	Datum			  *keys;
	bool			  *nulls;
	int				   nkeys;
	Datum			  *names;
	int				   nnames = 0;
	JsonbIterator	  *iterator;
	JsonbValue		   item;
	JsonbIteratorToken token;
	uint32			   nitems;

	if (!JB_ROOT_IS_ARRAY(items) || JB_ROOT_IS_SCALAR(items))
		PG_RETURN_NULL();
	nitems = JB_ROOT_COUNT(items);
	if (nitems == 0)
		PG_RETURN_ARRAYTYPE_P(construct_empty_array(TEXTOID));
	deconstruct_array(keys_array, TEXTOID, -1, false, TYPALIGN_INT, &keys,
					  &nulls, &nkeys);
	names = palloc_array(Datum, nitems);
	iterator = JsonbIteratorInit(&items->root);
	(void) JsonbIteratorNext(&iterator, &item, true); /* the array itself */
	while ((token = JsonbIteratorNext(&iterator, &item, true)) == WJB_ELEM)
	{
		if (item.type != jbvBinary ||
			!JsonContainerIsObject(item.val.binary.data))
			continue;
		for (int k = 0; k < nkeys; k++)
		{
			StringInfoData name;
			char		  *part;
			bool		   any = false;

			if (nulls[k])
				continue;
			initStringInfo(&name);
			for (part = TextDatumGetCString(keys[k]); part != NULL;)
			{
				char  *at = strchr(part, '@');
				size_t len = at ? (size_t) (at - part) : strlen(part);
				int	   before = name.len;

				if (any)
					appendStringInfoChar(&name, '@');
				if (append_member(&name, item.val.binary.data, part, len))
					any = true;
				else
				{
					name.len = before;
					name.data[before] = '\0';
				}
				part = at ? at + 1 : NULL;
			}
			if (any)
			{
				names[nnames++] = PointerGetDatum(
					cstring_to_text_with_len(name.data, name.len));
				break;
			}
		}
	}
	if (nnames == 0)
		PG_RETURN_NULL();
	PG_RETURN_DATUM(failpat_text_set(names, nnames));
}
