/*-------------------------------------------------------------------------
 *
 * pattern_text.c
 *		Keys and sentences of patterns, from their conditions.
 *
 * Everything is palloc'd in the caller's memory context; no catalog, no
 * locks.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"

#include "condition_read.h"
#include "failpat.h"
#include "json_member.h"
#include "pattern_text.h"

#if PG_VERSION_NUM >= 160000
#include "varatt.h"
#endif

/* The platform's dimensions, in the order in which keys have them. */
typedef struct KnownDimension
{
	const char *name;
	const char *key;
	const char *title;
} KnownDimension;

static const KnownDimension known_dimensions[] = {
	{"workflow", "w", "Workflow"},
	{"model", "m", "Model"},
	{"lora", "l", "LoRA"},
	{"character", "c", "Character"},
	{"avatar", "c", "Character"},
	{"scene_type", "st", "Scene type"},
	{"segment_position", "sp", "segment"},
};

typedef struct TextCondition
{
	char  *name;
	int	   rank;  /* in known_dimensions; others after them */
	char  *key;	  /* prefix of the key */
	char  *title; /* NULL: to be made from the name */
	Jsonb *labels;

	int	   nvalues; /* equality: 1 or more, sorted */
	char **values;
	bool   count; /* the range is of the number of values */
	char  *min;	  /* ranges: either may be NULL */
	char  *max;
} TextCondition;

/*
 * Bytes of a key, which is indexed (an index takes 2704), and of a value in a
 * sentence.
 */
#define LONGEST_KEY 1000
#define LONGEST_KEY_BEGINNING 900
#define LONGEST_VALUE_SHOWN 200

PG_FUNCTION_INFO_V1(failpat_sql_pattern_key);
PG_FUNCTION_INFO_V1(failpat_sql_pattern_text);
PG_FUNCTION_INFO_V1(failpat_count_text);

static int
compare_strings(const void *a, const void *b)
{
	return strcmp(*(char *const *) a, *(char *const *) b);
}

/* a member of an object as a Jsonb of its own or text; NULL if absent */
static JsonbValue *
get_member(Jsonb *object, const char *name, JsonbValue *buffer)
{
	return object ? failpat_json_member(&object->root, name, buffer) : NULL;
}

static char *
get_text_member(Jsonb *object, const char *name)
{
	JsonbValue	buffer;
	JsonbValue *found = get_member(object, name, &buffer);

	if (found == NULL || found->type != jbvString)
		return NULL;
	return pnstrdup(found->val.string.val, found->val.string.len);
}

static Jsonb *
get_object_member(Jsonb *object, const char *name)
{
	JsonbValue	buffer;
	JsonbValue *found = get_member(object, name, &buffer);

	if (found == NULL || found->type != jbvBinary)
		return NULL;
	return JsonbValueToJsonb(found);
}

static void
read_condition(TextCondition *condition, const FailpatCondition *read)
{
	int distinct = 0;

	if (read->test == FAILPAT_RANGE || read->test == FAILPAT_COUNT)
	{
		condition->count = read->test == FAILPAT_COUNT;
		if (read->min_text.data != NULL)
			condition->min = failpat_text_copy(read->min_text);
		if (read->max_text.data != NULL)
			condition->max = failpat_text_copy(read->max_text);
		return;
	}
	if (read->test == FAILPAT_NULL || read->nvalues == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("condition on dimension \"%.*s\" is not one of a "
						"pattern",
						fp_clip(read->name.data, read->name.len),
						read->name.data),
				 errdetail("A pattern has values, arrays of values used "
						   "together, ranges {\"min\": ..., \"max\": ...}, "
						   "and numbers of values {\"count\": ...}.")));
	condition->values = palloc_array(char *, read->nvalues);
	for (int i = 0; i < read->nvalues; i++)
		condition->values[i] = failpat_text_copy(read->values[i]);
	qsort(condition->values, read->nvalues, sizeof(char *), compare_strings);
	for (int i = 0; i < read->nvalues; i++)
		if (i == 0 ||
			strcmp(condition->values[i], condition->values[i - 1]) != 0)
			condition->values[distinct++] = condition->values[i];
	condition->nvalues = distinct;
}

static int
compare_conditions(const void *a, const void *b)
{
	const TextCondition *x = a;
	const TextCondition *y = b;

	if (x->rank != y->rank)
		return x->rank - y->rank;
	return strcmp(x->name, y->name);
}

/* Conditions with the words for them, in the order in which keys have them. */
static TextCondition *
put_in_words(const FailpatCondition *conditions, int n, Jsonb *dimensions)
{
	TextCondition *result = palloc0_array(TextCondition, (Size) n + 1);

	if (dimensions != NULL && !JB_ROOT_IS_OBJECT(dimensions))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("dimensions must be a JSON object")));
	if (n == 0)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("a pattern has at least one condition")));
	for (int i = 0; i < n; i++)
	{
		TextCondition *condition = &result[i];
		Jsonb		  *about;

		condition->name = failpat_text_copy(conditions[i].name);
		condition->rank = lengthof(known_dimensions);
		for (int k = 0; k < lengthof(known_dimensions); k++)
			if (strcmp(condition->name, known_dimensions[k].name) == 0)
			{
				condition->rank = k;
				condition->key = pstrdup(known_dimensions[k].key);
				condition->title = pstrdup(known_dimensions[k].title);
			}
		about = get_object_member(dimensions, condition->name);
		if (about != NULL)
		{
			char *key = get_text_member(about, "key");
			char *title = get_text_member(about, "title");

			if (key != NULL)
				condition->key = key;
			if (title != NULL)
				condition->title = title;
			condition->labels = get_object_member(about, "labels");
		}
		read_condition(condition, &conditions[i]);
	}
	qsort(result, n, sizeof(TextCondition), compare_conditions);
	return result;
}

/*
 * Part of a key; the characters that have a meaning in keys are written as in
 * URLs, so that no value can be taken for another condition, and no name for
 * that of a number of values, "l#:3+".
 */
static void
append_key(StringInfo to, const char *text, bool name)
{
	for (const char *c = text; *c != '\0'; c++)
	{
		if (*c == ':' || *c == '+' || *c == '%' || (*c == '#' && name))
			appendStringInfo(to, "%%%02X", (unsigned char) *c);
		else
			appendStringInfoChar(to, *c);
	}
}

static bool
is_text(const char *text, const char *other)
{
	return text != NULL && strcmp(text, other) == 0;
}

/* "6+", "1-3", "6"; up to 4 as "4-" in keys and "up to 4" in sentences */
static void
append_range(StringInfo to, const TextCondition *condition, bool key)
{
	if (condition->count && is_text(condition->max, "0"))
		appendStringInfoString(to, "0");
	else if (condition->max == NULL)
		appendStringInfo(to, "%s+", condition->min);
	else if (condition->min == NULL)
		appendStringInfo(to, key ? "%s-" : "up to %s", condition->max);
	else if (strcmp(condition->min, condition->max) == 0)
		appendStringInfoString(to, condition->min);
	else
		appendStringInfo(to, "%s-%s", condition->min, condition->max);
}

/*
 * Of a long key the beginning is kept, and then "%~" and half its SHA-256, so
 * that no two are alike; no other key has that, as "%" is written "%25".
 */
static void
shorten_key(StringInfo key)
{
	bytea *hash;
	int	   keep;

	if (key->len <= LONGEST_KEY)
		return;
	hash = DatumGetByteaPP(DirectFunctionCall1(
		sha256_bytea,
		PointerGetDatum(cstring_to_text_with_len(key->data, key->len))));
	keep = pg_mbcliplen(key->data, key->len, LONGEST_KEY_BEGINNING);
	key->len = keep;
	key->data[keep] = '\0';
	appendStringInfoString(key, "%~");
	for (int i = 0; i < 16; i++)
		appendStringInfo(key, "%02x", (unsigned char) VARDATA_ANY(hash)[i]);
}

char *
failpat_pattern_key_read(const FailpatCondition *conditions, int n,
						 Jsonb *dimensions)
{
	TextCondition *list = put_in_words(conditions, n, dimensions);
	StringInfoData key;

	initStringInfo(&key);
	for (int i = 0; i < n; i++)
	{
		if (i > 0)
			appendStringInfoChar(&key, ':');
		append_key(&key, list[i].key ? list[i].key : list[i].name, true);
		appendStringInfoString(&key, list[i].count ? "#:" : ":");
		if (list[i].nvalues == 0)
			append_range(&key, &list[i], true);
		for (int v = 0; v < list[i].nvalues; v++)
		{
			if (v > 0)
				appendStringInfoChar(&key, '+');
			append_key(&key, list[i].values[v], false);
		}
	}
	shorten_key(&key);
	return key.data;
}

char *
failpat_pattern_key(Jsonb *conditions, Jsonb *dimensions)
{
	int				  n;
	FailpatCondition *list =
		failpat_read_conditions(conditions, "conditions", true, &n);

	return failpat_pattern_key_read(list, n, dimensions);
}

/* the name of a dimension for people: "cfg_scale" is "cfg scale" */
static char *
title_of(const TextCondition *condition)
{
	char *title;

	if (condition->title != NULL)
		return condition->title;
	title = pstrdup(condition->name);
	for (char *c = title; *c != '\0'; c++)
		if (*c == '_')
			*c = ' ';
	return title;
}

/* First letter upper; only ASCII, whatever the encoding. */
static void
capitalise(char *text)
{
	if (*text >= 'a' && *text <= 'z')
		*text += 'A' - 'a';
}

/* "3 or more LoRAs", "exactly 1 LoRA", "no LoRA"; whether it may be some */
static bool
append_count(StringInfo to, const TextCondition *condition)
{
	const char *title = title_of(condition);
	const char *last = condition->max ? condition->max : condition->min;
	bool		none = is_text(condition->max, "0");
	bool		same = is_text(condition->min, last);
	size_t		len = strlen(title);
	bool some = !none && (condition->max == NULL || !is_text(last, "1"));

	if (none)
		appendStringInfoString(to, "no");
	else if (condition->max == NULL)
		appendStringInfo(to, "%s or more", condition->min);
	else if (condition->min == NULL || is_text(condition->min, "0"))
		appendStringInfo(to, "at most %s", condition->max);
	else if (same)
		appendStringInfo(to, "exactly %s", condition->max);
	else
		appendStringInfo(to, "%s to %s", condition->min, condition->max);
	appendStringInfo(to, " %s%s", title,
					 some && len > 0 && title[len - 1] != 's' ? "s" : "");
	return some;
}

char *
failpat_pattern_text(Jsonb *conditions, Jsonb *dimensions, bool better,
					 const char *check)
{
	int				  n;
	FailpatCondition *read =
		failpat_read_conditions(conditions, "conditions", true, &n);
	TextCondition *list = put_in_words(read, n, dimensions);
	StringInfoData text;
	int			   nranges = 0;
	int			   ncounts = 0;
	int			   nvalues = 0;
	bool		   first = true;

	initStringInfo(&text);
	for (int i = 0; i < n; i++)
	{
		nranges += list[i].nvalues == 0 && !list[i].count;
		ncounts += list[i].count;
		for (int v = 0; v < list[i].nvalues; v++)
		{
			char *label = get_text_member(list[i].labels, list[i].values[v]);
			char *shown = label ? label : list[i].values[v];
			int	  len = strlen(shown);
			int	  keep = pg_mbcliplen(shown, len, LONGEST_VALUE_SHOWN);
			int	  start;

			if (nvalues++ > 0)
				appendStringInfoString(&text, " + ");
			start = text.len;
			appendStringInfo(&text, "%s %.*s%s", title_of(&list[i]), keep,
							 shown, keep < len ? "..." : "");
			capitalise(text.data + start);
		}
	}

	/*
	 * What has no value begins with a number of values, "Using 3 or more
	 * LoRAs at once fails", or else with its ranges, "Segment 6+ fails".
	 */
	for (int i = 0; i < n && nvalues == 0 && ncounts > 0; i++)
		if (list[i].count)
		{
			appendStringInfoString(&text, first ? "Using " : " and ");
			if (append_count(&text, &list[i]))
				appendStringInfoString(&text, " at once");
			first = false;
		}
	if (nvalues == 0 && ncounts == 0)
		for (int i = 0; i < n; i++)
		{
			if (i > 0)
				appendStringInfoString(&text, " and ");
			appendStringInfo(&text, "%s ", title_of(&list[i]));
			append_range(&text, &list[i], false);
		}
	appendStringInfoString(&text, " fails");
	if (check != NULL)
		appendStringInfo(&text, " %s", check);
	if (better)
		appendStringInfoString(&text, " less often");
	first = true;
	for (int i = 0; i < n && nvalues > 0; i++)
		if (list[i].count)
		{
			appendStringInfoString(&text, first ? " with " : " and ");
			(void) append_count(&text, &list[i]);
			first = false;
		}
	first = true;
	for (int i = 0; i < n && nranges < n; i++)
	{
		if (list[i].nvalues > 0 || list[i].count)
			continue;
		appendStringInfoString(&text, first ? " " : " and ");
		if (list[i].min == NULL)
			appendStringInfo(&text, "up to %s %s", title_of(&list[i]),
							 list[i].max);
		else
		{
			appendStringInfo(&text, "at %s ", title_of(&list[i]));
			append_range(&text, &list[i], false);
		}
		first = false;
	}
	capitalise(text.data);
	return text.data;
}

/* fp_count_text(count jsonb, title text) */
Datum
failpat_count_text(PG_FUNCTION_ARGS)
{
	JsonbParseState	 *state = NULL;
	JsonbValue		  name;
	JsonbValue		  count;
	FailpatCondition *read;
	TextCondition	  condition = {0};
	StringInfoData	  words;
	int				  n;

	/* {"values": {"count": ...}}, a condition */
	name.type = jbvString;
	name.val.string.val = "values";
	name.val.string.len = 6;
	JsonbToJsonbValue(PG_GETARG_JSONB_P(0), &count);
	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	pushJsonbValue(&state, WJB_KEY, &name);
	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	name.val.string.val = "count";
	name.val.string.len = 5;
	pushJsonbValue(&state, WJB_KEY, &name);
	pushJsonbValue(&state, WJB_VALUE, &count);
	pushJsonbValue(&state, WJB_END_OBJECT, NULL);
	read = failpat_read_conditions(
		JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL)),
		"count", false, &n);
	condition.title = text_to_cstring(PG_GETARG_TEXT_PP(1));
	read_condition(&condition, read);
	initStringInfo(&words);
	(void) append_count(&words, &condition);
	PG_RETURN_TEXT_P(cstring_to_text_with_len(words.data, words.len));
}

/* fp_pattern_key(conditions jsonb, dimensions jsonb) */
Datum
failpat_sql_pattern_key(PG_FUNCTION_ARGS)
{
	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(
		failpat_pattern_key(PG_GETARG_JSONB_P(0),
							PG_ARGISNULL(1) ? NULL : PG_GETARG_JSONB_P(1))));
}

/* fp_pattern_text(conditions jsonb, dimensions jsonb, direction, check) */
Datum
failpat_sql_pattern_text(PG_FUNCTION_ARGS)
{
	bool better = false;

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	if (!PG_ARGISNULL(2))
	{
		char *direction = text_to_cstring(PG_GETARG_TEXT_PP(2));

		if (strcmp(direction, "better") == 0)
			better = true;
		else if (strcmp(direction, "worse") != 0)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("unknown direction \"%.*s\"",
							fp_clip(direction, strlen(direction)), direction),
					 errhint("Directions of a pattern are worse and "
							 "better.")));
	}
	PG_RETURN_TEXT_P(cstring_to_text(failpat_pattern_text(
		PG_GETARG_JSONB_P(0), PG_ARGISNULL(1) ? NULL : PG_GETARG_JSONB_P(1),
		better,
		PG_ARGISNULL(3) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(3)))));
}
