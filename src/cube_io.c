/*-------------------------------------------------------------------------
 *
 * cube_io.c
 *		Text, binary and jsonb form of failure_cube.
 *
 * Text is JSON that a person can read and write:
 *
 *	{"dims": [{"name": "model", "kind": "nominal"},
 *			  {"name": "lora", "kind": "set"}],
 *	 "cells": [["2", ["3", "7"], 10, 4, {"hands": 3}], ...]}
 *
 * where a cell has its values in the order of the dimensions (null: not
 * recorded), trials, failures and, if there are any, failures per check.
 * A cube of many cells is written shorter: then each dimension has its
 * "values" and the cells have their numbers, from 1.  The reader takes either,
 * per dimension, cells in any order, and adds up cells that are alike.
 *
 * It reads with the server's streaming JSON parser, since a value of jsonb
 * has a limit that a cube in pg_dump's output must not meet.
 *
 * A cube that was stored must be dumped and restored under any settings: so
 * writing text ignores failpat.memory_limit, and reading it may at least use
 * 16 times the bytes of the text.
 *
 * Binary is the canonical bytes of cube/format.h, with texts in the database's
 * encoding.
 *
 * Everything lives in the context of the call; no locks.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/jsonapi.h"
#include "libpq/pqformat.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/jsonb.h"
#include "utils/jsonfuncs.h"
#include "utils/memutils.h"
#include "utils/numeric.h"

#include "cube/format.h"
#include "cubes.h"
#include "failpat.h"

/* from so many cells on, values are written once, and by their numbers then */
#define MANY_CELLS 100000

/* --- text out ---------------------------------------------------------- */

static void
put_value(StringInfo out, const FpDim *dim, uint32 value, bool numbered)
{
	if (numbered)
		appendStringInfo(out, "%u", value);
	else if (dim->kind == FP_ORDINAL)
		appendBinaryStringInfo(out, dim->values[value - 1].data,
							   dim->values[value - 1].len);
	else
		escape_json(out, dim->values[value - 1].data);
}

static void
put_code(StringInfo out, const FpDim *dim, uint32 code, bool numbered)
{
	if (code == 0)
		appendStringInfoString(out, "null");
	else if (dim->kind == FP_SET)
	{
		appendStringInfoChar(out, '[');
		for (uint64 m = dim->set_offsets[code - 1]; m < dim->set_offsets[code];
			 m++)
		{
			if (m > dim->set_offsets[code - 1])
				appendStringInfoString(out, ", ");
			put_value(out, dim, dim->set_members[m], numbered);
		}
		appendStringInfoChar(out, ']');
	}
	else
		put_value(out, dim, code, numbered);
}

PG_FUNCTION_INFO_V1(failpat_cube_out);
Datum
failpat_cube_out(PG_FUNCTION_ARGS)
{
	MemoryContext cx =
		AllocSetContextCreate(CurrentMemoryContext, "failpat cube out",
							  ALLOCSET_DEFAULT_SIZES);
	FpCube *cube =
		failpat_cube_from_datum_limited(PG_GETARG_DATUM(0), cx, SIZE_MAX);
	bool		   numbered = cube->ncells > MANY_CELLS;
	StringInfoData out;

	initStringInfo(&out);
	appendStringInfoString(&out, "{\"dims\": [");
	for (int d = 0; d < cube->ndims; d++)
	{
		const FpDim *dim = &cube->dims[d];

		appendStringInfoString(&out, d ? ", {\"name\": " : "{\"name\": ");
		escape_json(&out, dim->name.data);
		appendStringInfo(&out, ", \"kind\": \"%s\"",
						 fp_dim_kind_name(dim->kind));
		if (numbered)
		{
			appendStringInfoString(&out, ", \"values\": [");
			for (uint32 v = 1; v <= dim->nvalues; v++)
			{
				if (v > 1)
					appendStringInfoString(&out, ", ");
				put_value(&out, dim, v, false);
			}
			appendStringInfoChar(&out, ']');
		}
		appendStringInfoChar(&out, '}');
	}
	appendStringInfoString(&out, "], \"cells\": [");
	for (uint64 c = 0; c < cube->ncells; c++)
	{
		CHECK_FOR_INTERRUPTS();
		appendStringInfoString(&out, c ? ", [" : "[");
		for (int d = 0; d < cube->ndims; d++)
		{
			put_code(&out, &cube->dims[d], cube->codes[d][c], numbered);
			appendStringInfoString(&out, ", ");
		}
		appendStringInfo(&out, INT64_FORMAT ", " INT64_FORMAT, cube->trials[c],
						 cube->failures[c]);
		if (cube->nchecks > 0 &&
			cube->check_offsets[c] < cube->check_offsets[c + 1])
		{
			for (uint64 k = cube->check_offsets[c];
				 k < cube->check_offsets[c + 1]; k++)
			{
				appendStringInfoString(&out, k > cube->check_offsets[c]
												 ? ", "
												 : ", {");
				escape_json(&out, cube->checks[cube->check_codes[k]].data);
				appendStringInfo(&out, ": " INT64_FORMAT,
								 cube->check_failures[k]);
			}
			appendStringInfoChar(&out, '}');
		}
		appendStringInfoChar(&out, ']');
	}
	appendStringInfoString(&out, "]}");
	MemoryContextDelete(cx);
	PG_RETURN_CSTRING(out.data);
}

/* --- text in ----------------------------------------------------------- */

typedef enum Place
{
	AT_START,
	IN_TOP,	   /* {"dims": ..., "cells": ...} */
	IN_DIMS,   /* [ of dimensions */
	IN_DIM,	   /* {"name": ..., "kind": ..., "values": ...} */
	IN_VALUES, /* [ of values of a dimension */
	IN_CELLS,  /* [ of cells */
	IN_CELL,   /* [values..., trials, failures, checks] */
	IN_SET,	   /* [ of members */
	IN_CHECKS, /* {"check": failures, ...} */
	AT_END
} Place;

/* "values" of a dimension, and their codes in the builder once used */
typedef struct Numbered
{
	bool	given;
	uint32	n;
	uint32	cap;
	FpText *texts;
} Numbered;

typedef struct Parse
{
	Place place;
	char *field; /* the last field's name of an object, palloc'd */
	bool  has_dims;
	bool  has_cells;

	FpCubeBuilder *builder;
	Numbered	   numbered[FP_MAX_DIMS];

	/* the dimension being read */
	char	*name;
	int		 kind; /* -1: not yet */
	Numbered values;

	/* the cell being read */
	int	   at; /* which of its elements comes */
	uint32 codes[FP_MAX_DIMS];
	int64  trials;
	int64  failures;
	int	   nchecks;
	uint32 checks[FP_MAX_CHECKS];
	int64  counts[FP_MAX_CHECKS];
	bool   seen[FP_MAX_CHECKS];

	/* the set being read */
	uint32 nmembers;
	FpText members[FP_MAX_SET_MEMBERS];
} Parse;

/* semantic actions return an error code from 16 on */
#if PG_VERSION_NUM >= 160000
#define ACTION static JsonParseErrorType
#define ACTION_DONE return JSON_SUCCESS
#else
#define ACTION static void
#define ACTION_DONE return
#endif

static void bad_text(const char *detail) __attribute__((noreturn));

static void
bad_text(const char *detail)
{
	ereport(ERROR, (errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
					errmsg("invalid input syntax for type failure_cube"),
					errdetail("%s", detail)));
	pg_unreachable();
}

static int64
read_count(const char *token, JsonTokenType type)
{
	char *end;
	int64 count;

	errno = 0;
	count = strtoll(token, &end, 10);
	if (type != JSON_TOKEN_NUMBER || *end != '\0' || errno != 0 || count < 0)
		bad_text(
			"A count in a cell is not a whole number from 0 to 9223372036854775807.");
	return count;
}

/* the text of a value that a token stands for; false for null */
static bool
read_value(Parse *parse, int d, const char *token, JsonTokenType type,
		   FpText *text)
{
	if (type == JSON_TOKEN_NULL)
		return false;
	if (parse->numbered[d].given)
	{
		int64 number = read_count(token, type);

		if (number < 1 || number > parse->numbered[d].n)
			bad_text(
				"A cell has the number of a value that its dimension does not have.");
		*text = parse->numbered[d].texts[number - 1];
		return true;
	}
	text->data = token;
	text->len = strlen(token);
	return true;
}

ACTION
object_start(void *state)
{
	Parse *parse = state;

	if (parse->place == AT_START)
		parse->place = IN_TOP;
	else if (parse->place == IN_DIMS)
	{
		parse->place = IN_DIM;
		parse->name = NULL;
		parse->kind = -1;
		memset(&parse->values, 0, sizeof(parse->values));
	}
	else if (parse->place == IN_CELL && parse->at == parse->builder->ndims + 2)
		parse->place = IN_CHECKS;
	else
		bad_text("An object stands where none is expected.");
	ACTION_DONE;
}

ACTION
object_end(void *state)
{
	Parse *parse = state;
	int	   ndims = parse->builder->ndims;

	if (parse->place == IN_TOP)
	{
		if (!parse->has_dims || !parse->has_cells)
			bad_text("\"dims\" and \"cells\" are needed.");
		parse->place = AT_END;
	}
	else if (parse->place == IN_DIM)
	{
		if (parse->name == NULL || parse->kind < 0)
			bad_text("A dimension needs \"name\" and \"kind\".");
		if (fp_builder_dim(parse->builder, parse->name, strlen(parse->name),
						   (FpDimKind) parse->kind) != ndims)
			bad_text("Two dimensions have one name.");
		parse->numbered[ndims] = parse->values;
		parse->place = IN_DIMS;
	}
	else
	{
		parse->at++;
		parse->place = IN_CELL;
	}
	ACTION_DONE;
}

ACTION
array_start(void *state)
{
	Parse *parse = state;

	if (parse->place == IN_TOP && strcmp(parse->field, "dims") == 0)
	{
		if (parse->has_dims)
			bad_text("\"dims\" occurs twice.");
		parse->has_dims = true;
		parse->place = IN_DIMS;
	}
	else if (parse->place == IN_TOP && strcmp(parse->field, "cells") == 0)
	{
		if (!parse->has_dims || parse->has_cells)
			bad_text("\"cells\" must come once, after \"dims\".");
		parse->has_cells = true;
		parse->place = IN_CELLS;
	}
	else if (parse->place == IN_DIM && strcmp(parse->field, "values") == 0 &&
			 !parse->values.given)
	{
		parse->values.given = true;
		parse->place = IN_VALUES;
	}
	else if (parse->place == IN_CELLS)
	{
		CHECK_FOR_INTERRUPTS();
		parse->place = IN_CELL;
		parse->at = 0;
		parse->nchecks = 0;
	}
	else if (parse->place == IN_CELL && parse->at < parse->builder->ndims &&
			 parse->builder->dims[parse->at]->kind == FP_SET)
	{
		parse->place = IN_SET;
		parse->nmembers = 0;
	}
	else
		bad_text("An array stands where none is expected.");
	ACTION_DONE;
}

static void
end_cell(Parse *parse)
{
	if (parse->at < parse->builder->ndims + 2)
		bad_text(
			"A cell needs a value for each dimension, trials and failures.");
	if (parse->trials == 0 || parse->failures > parse->trials)
		bad_text(
			"A cell needs at least one trial, and not more failures than trials.");
	for (int k = 0; k < parse->nchecks; k++)
	{
		if (parse->counts[k] == 0 || parse->counts[k] > parse->failures)
			bad_text(
				"A check needs at least one failure, and not more than its cell.");
		parse->seen[parse->checks[k]] = false;
	}
	if (parse->nchecks > 0)
		fp_builder_add_checks(parse->builder, parse->codes, parse->trials,
							  parse->failures, parse->checks, parse->counts,
							  parse->nchecks);
	else
		fp_builder_add(parse->builder, parse->codes, parse->trials,
					   parse->failures);
}

ACTION
array_end(void *state)
{
	Parse *parse = state;

	switch (parse->place)
	{
		case IN_DIMS:
		case IN_CELLS:
			parse->place = IN_TOP;
			break;
		case IN_VALUES:
			parse->place = IN_DIM;
			break;
		case IN_SET:
			parse->codes[parse->at] =
				fp_builder_set(parse->builder, parse->at, parse->members,
							   parse->nmembers);
			for (uint32 m = 0; m < parse->nmembers; m++)
				if (!parse->numbered[parse->at].given)
					pfree((char *) parse->members[m].data);
			parse->at++;
			parse->place = IN_CELL;
			break;
		default:
			end_cell(parse);
			parse->place = IN_CELLS;
	}
	ACTION_DONE;
}

ACTION
field_start(void *state, char *name, bool isnull)
{
	Parse *parse = state;

	if (parse->field)
		pfree(parse->field);
	parse->field = name;
	if (parse->place == IN_TOP && strcmp(name, "dims") != 0 &&
		strcmp(name, "cells") != 0)
		bad_text("The fields of a failure_cube are \"dims\" and \"cells\".");
	if (parse->place == IN_DIM && strcmp(name, "name") != 0 &&
		strcmp(name, "kind") != 0 && strcmp(name, "values") != 0)
		bad_text(
			"The fields of a dimension are \"name\", \"kind\" and \"values\".");
	ACTION_DONE;
}

static void
scalar_in_dim(Parse *parse, const char *token, JsonTokenType type)
{
	if (type != JSON_TOKEN_STRING || strcmp(parse->field, "values") == 0)
		bad_text("A field of a dimension is not of the right type.");
	if (strcmp(parse->field, "name") == 0)
	{
		parse->name = pstrdup(token);
		return;
	}
	for (int kind = FP_NOMINAL; kind <= FP_STRATUM; kind++)
		if (strcmp(token, fp_dim_kind_name(kind)) == 0)
			parse->kind = kind;
	if (parse->kind < 0)
		bad_text(
			"The kind of a dimension is \"nominal\", \"set\", \"ordinal\" or \"stratum\".");
}

static void
scalar_in_cell(Parse *parse, const char *token, JsonTokenType type)
{
	int	   ndims = parse->builder->ndims;
	FpText text;

	if (parse->at == ndims)
		parse->trials = read_count(token, type);
	else if (parse->at == ndims + 1)
		parse->failures = read_count(token, type);
	else if (parse->at > ndims + 1)
		bad_text("A cell has too many elements.");
	else if (!read_value(parse, parse->at, token, type, &text))
		parse->codes[parse->at] = 0;
	else
		parse->codes[parse->at] =
			fp_builder_value(parse->builder, parse->at, text.data, text.len);
	parse->at++;
}

static void
scalar_in_checks(Parse *parse, const char *token, JsonTokenType type)
{
	uint32 check =
		fp_builder_check(parse->builder, parse->field, strlen(parse->field));

	if (parse->seen[check])
		bad_text("A cell has a check twice.");
	parse->seen[check] = true;
	parse->checks[parse->nchecks] = check;
	parse->counts[parse->nchecks++] = read_count(token, type);
}

/* token is palloc'd and ours */
ACTION
scalar(void *state, char *token, JsonTokenType type)
{
	Parse	 *parse = state;
	Numbered *values = &parse->values;

	switch (parse->place)
	{
		case IN_DIM:
			scalar_in_dim(parse, token, type);
			break;
		case IN_VALUES:
			if (type == JSON_TOKEN_NULL)
				bad_text("A value of a dimension is null.");
			if (values->n == values->cap)
			{
				uint32 cap = values->cap ? values->cap * 2 : 16;

				values->texts =
					values->texts
						? repalloc_huge(values->texts,
										fp_array_size(cap, sizeof(FpText)))
						: palloc(cap * sizeof(FpText));
				values->cap = cap;
			}
			values->texts[values->n].data = token;
			values->texts[values->n++].len = strlen(token);
			ACTION_DONE;
		case IN_CELL:
			scalar_in_cell(parse, token, type);
			break;
		case IN_SET:
			if (parse->nmembers == FP_MAX_SET_MEMBERS)
				bad_text("A set has more than 16 members.");
			if (!read_value(parse, parse->at, token, type,
							&parse->members[parse->nmembers]))
				bad_text("A member of a set is null.");
			if (parse->members[parse->nmembers++].data == token)
				ACTION_DONE;
			break;
		case IN_CHECKS:
			scalar_in_checks(parse, token, type);
			break;
		default:
			bad_text("A value stands where none is expected.");
	}
	pfree(token);
	ACTION_DONE;
}

PG_FUNCTION_INFO_V1(failpat_cube_in);
Datum
failpat_cube_in(PG_FUNCTION_ARGS)
{
	char		   *text = PG_GETARG_CSTRING(0);
	MemoryContext	caller = CurrentMemoryContext;
	MemoryContext	cx = AllocSetContextCreate(caller, "failpat cube in",
											   ALLOCSET_DEFAULT_SIZES);
	Parse		   *parse;
	JsonLexContext *lex;
	JsonSemAction	actions = {0};
	Datum			result;

	MemoryContextSwitchTo(cx);
	parse = palloc0(sizeof(Parse));
	parse->place = AT_START;
	parse->builder = fp_builder_create(
		AllocSetContextCreate(cx, "failpat cube in", ALLOCSET_DEFAULT_SIZES),
		Max((size_t) failpat_memory_limit * 1024, 16 * (size_t) strlen(text)));
#if PG_VERSION_NUM >= 170000
	lex = makeJsonLexContextCstringLen(NULL, text, strlen(text),
									   GetDatabaseEncoding(), true);
#else
	lex = makeJsonLexContextCstringLen(text, strlen(text),
									   GetDatabaseEncoding(), true);
#endif
	actions.semstate = parse;
	actions.object_start = object_start;
	actions.object_end = object_end;
	actions.array_start = array_start;
	actions.array_end = array_end;
	actions.object_field_start = field_start;
	actions.scalar = scalar;
	pg_parse_json_or_ereport(lex, &actions);
	result =
		failpat_cube_to_datum(fp_builder_freeze(parse->builder, cx), caller);
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(cx);
	return result;
}

/* --- binary ------------------------------------------------------------ */

static void
verify_text(const FpText *text)
{
	(void) pg_verifymbstr(text->data, text->len, false);
}

PG_FUNCTION_INFO_V1(failpat_cube_recv);
Datum
failpat_cube_recv(PG_FUNCTION_ARGS)
{
	StringInfo	  message = (StringInfo) PG_GETARG_POINTER(0);
	int			  len = message->len - message->cursor;
	const char	 *bytes = pq_getmsgbytes(message, len);
	MemoryContext cx =
		AllocSetContextCreate(CurrentMemoryContext, "failpat cube recv",
							  ALLOCSET_DEFAULT_SIZES);
	FpCube *cube =
		fp_cube_decode_limited(cx, bytes, len,
							   (size_t) failpat_memory_limit * 1024);
	struct varlena *result;

	for (int d = 0; d < cube->ndims; d++)
	{
		verify_text(&cube->dims[d].name);
		for (uint32 v = 0; v < cube->dims[d].nvalues; v++)
			verify_text(&cube->dims[d].values[v]);
	}
	for (uint32 k = 0; k < cube->nchecks; k++)
		verify_text(&cube->checks[k]);
	MemoryContextDelete(cx);

	/* what was decoded is canonical, so the bytes are kept as they came */
	result = palloc((Size) len + VARHDRSZ);
	SET_VARSIZE(result, len + VARHDRSZ);
	memcpy(VARDATA(result), bytes, len);
	PG_RETURN_POINTER(result);
}

PG_FUNCTION_INFO_V1(failpat_cube_send);
Datum
failpat_cube_send(PG_FUNCTION_ARGS)
{
	struct varlena *cube = PG_GETARG_VARLENA_PP(0);
	StringInfoData	out;

	pq_begintypsend(&out);
	pq_sendbytes(&out, VARDATA_ANY(cube), VARSIZE_ANY_EXHDR(cube));
	PG_RETURN_BYTEA_P(pq_endtypsend(&out));
}

/* --- jsonb ------------------------------------------------------------- */

static void
push_key(JsonbParseState **state, const char *name, size_t len)
{
	JsonbValue value;

	value.type = jbvString;
	value.val.string.val = (char *) name;
	value.val.string.len = len;
	(void) pushJsonbValue(state, WJB_KEY, &value);
}

static void
push_count(JsonbParseState **state, const char *name, int64 count)
{
	JsonbValue value;

	push_key(state, name, strlen(name));
	value.type = jbvNumeric;
	value.val.numeric = int64_to_numeric(count);
	(void) pushJsonbValue(state, WJB_VALUE, &value);
}

/*
 * {"kinds": {"model": "nominal", ...}, "trials": n, "failures": n, "cells":
 * [{"dims": {"model": "2", ...}, "trials": n, "failures": n, "checks":
 * {"hands": n, ...}}, ...]}, dims as observations have them: what is not
 * recorded is absent.
 */
PG_FUNCTION_INFO_V1(failpat_cube_to_jsonb);
Datum
failpat_cube_to_jsonb(PG_FUNCTION_ARGS)
{
	FpCube *cube =
		failpat_cube_from_datum(PG_GETARG_DATUM(0), CurrentMemoryContext);
	JsonbParseState *state = NULL;
	JsonbValue		 value;

	(void) pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	push_key(&state, "kinds", 5);
	(void) pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	for (int d = 0; d < cube->ndims; d++)
	{
		push_key(&state, cube->dims[d].name.data, cube->dims[d].name.len);
		value.type = jbvString;
		value.val.string.val = (char *) fp_dim_kind_name(cube->dims[d].kind);
		value.val.string.len = strlen(value.val.string.val);
		(void) pushJsonbValue(&state, WJB_VALUE, &value);
	}
	(void) pushJsonbValue(&state, WJB_END_OBJECT, NULL);
	push_count(&state, "trials", cube->total_trials);
	push_count(&state, "failures", cube->total_failures);
	push_key(&state, "cells", 5);
	(void) pushJsonbValue(&state, WJB_BEGIN_ARRAY, NULL);
	for (uint64 c = 0; c < cube->ncells; c++)
	{
		CHECK_FOR_INTERRUPTS();
		(void) pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
		push_key(&state, "dims", 4);
		(void) pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
		for (int d = 0; d < cube->ndims; d++)
		{
			const FpDim *dim = &cube->dims[d];
			uint32		 code = cube->codes[d][c];

			if (code == 0)
				continue;
			push_key(&state, dim->name.data, dim->name.len);
			if (dim->kind != FP_SET)
			{
				value = failpat_cube_json_value(dim, code);
				(void) pushJsonbValue(&state, WJB_VALUE, &value);
				continue;
			}
			(void) pushJsonbValue(&state, WJB_BEGIN_ARRAY, NULL);
			for (uint64 m = dim->set_offsets[code - 1];
				 m < dim->set_offsets[code]; m++)
			{
				value = failpat_cube_json_value(dim, dim->set_members[m]);
				(void) pushJsonbValue(&state, WJB_ELEM, &value);
			}
			(void) pushJsonbValue(&state, WJB_END_ARRAY, NULL);
		}
		(void) pushJsonbValue(&state, WJB_END_OBJECT, NULL);
		push_count(&state, "trials", cube->trials[c]);
		push_count(&state, "failures", cube->failures[c]);
		if (cube->nchecks > 0 &&
			cube->check_offsets[c] < cube->check_offsets[c + 1])
		{
			push_key(&state, "checks", 6);
			(void) pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
			for (uint64 k = cube->check_offsets[c];
				 k < cube->check_offsets[c + 1]; k++)
				push_count(&state, cube->checks[cube->check_codes[k]].data,
						   cube->check_failures[k]);
			(void) pushJsonbValue(&state, WJB_END_OBJECT, NULL);
		}
		(void) pushJsonbValue(&state, WJB_END_OBJECT, NULL);
	}
	(void) pushJsonbValue(&state, WJB_END_ARRAY, NULL);
	PG_RETURN_JSONB_P(
		JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL)));
}
