/*-------------------------------------------------------------------------
 *
 * cube_agg.c
 *		The aggregates failure_cube and rollup.
 *
 * A row goes from SQL to codes here, one dimension at a time, and then into
 * the builder (cube/build.h).  This is the hot path: the type of the record
 * is looked up once per call site, and a value that was seen before is
 * found by its bytes or its datum, without making text of it.
 *
 * Values become text as SQL's casts write them, but for date and time types,
 * which are written as JSON does, those with time zone in UTC: so a cube does
 * not depend on DateStyle and TimeZone.
 *
 * Memory: the state is an expanded cube below the aggregate's context (see
 * cube_expanded.c).  What is known about a call site lives in fn_mcxt, as
 * long as the statement.  Everything else is per row, in the short-lived
 * context in which transition functions are called.  No locks.
 *
 * Called outside of an aggregate, the functions copy their state instead of
 * changing it, and return a flat cube.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/tupdesc.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/json.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/numeric.h"
#include "utils/typcache.h"

#include "cube/format.h"
#include "cubes.h"
#include "failpat.h"

/* tags of cached jsonb values; types have larger numbers (bool is 16) */
#define TAG_JSON_NUMERIC 1
#define TAG_JSON_ARRAY 2

/* how a column of a record becomes a code */
typedef enum ColumnClass
{
	COLUMN_TEXT,  /* its bytes are its text */
	COLUMN_WORD,  /* by value: looked up by its datum */
	COLUMN_BYTES, /* by reference: looked up by its bytes */
	COLUMN_ARRAY  /* the same, a set of elements */
} ColumnClass;

typedef struct Column
{
	int attno; /* from 0 */
	ColumnClass class;
	FpDimKind kind;
	Oid		  type; /* base type of a domain; of an array its own */
	int16	  typlen;
	/* the type of which text is made: of an array its elements' */
	Oid		 element;
	int16	 elmlen;
	bool	 elmbyval;
	char	 elmalign;
	FmgrInfo output;
} Column;

/* what is known about a call site */
typedef struct Source
{
	uint64		  id; /* of the binding of its dimensions to a builder's */
	MemoryContext cx;

	/* names of ordinal and stratum dimensions, as given */
	ArrayType *ordinal;
	ArrayType *strata;
	Datum	  *ordinal_names;
	Datum	  *strata_names;
	int		   nordinal;
	int		   nstrata;

	/* record only; what follows desc lives in record_cx, and desc does */
	MemoryContext record_cx;
	Oid			  type;
	int32		  typmod;
	TupleDesc	  desc;
	int			  ncolumns;
	Column		 *columns;
	Datum		 *values;
	bool		 *nulls;
} Source;

static uint64 next_source_id = 1;

/* --- the kinds of dimensions ------------------------------------------- */

/* has the argument with names changed since it was remembered? */
static bool
names_changed(FunctionCallInfo fcinfo, int argno, const ArrayType *known)
{
	struct varlena *now;

	if (argno >= PG_NARGS() || PG_ARGISNULL(argno))
		return known != NULL;
	if (known == NULL)
		return true;
	now = PG_DETOAST_DATUM(PG_GETARG_DATUM(argno));
	return VARSIZE(now) != VARSIZE(known) ||
		   memcmp(now, known, VARSIZE(known)) != 0;
}

static ArrayType *
remember_names(FunctionCallInfo fcinfo, int argno, const char *argname,
			   MemoryContext cx, Datum **names, int *nnames)
{
	MemoryContext old;
	ArrayType	 *array;
	bool		 *nulls;

	*names = NULL;
	*nnames = 0;
	if (argno >= PG_NARGS() || PG_ARGISNULL(argno))
		return NULL;
	old = MemoryContextSwitchTo(cx);
	array = DatumGetArrayTypePCopy(PG_GETARG_DATUM(argno));
	deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT, names, &nulls,
					  nnames);
	MemoryContextSwitchTo(old);
	for (int i = 0; i < *nnames; i++)
		if (nulls[i])
			ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
							errmsg("argument \"%s\" must not contain nulls",
								   argname)));
	return array;
}

static bool
has_name(const Datum *names, int nnames, const char *name, size_t len)
{
	for (int i = 0; i < nnames; i++)
	{
		text *t = DatumGetTextPP(names[i]);

		if (VARSIZE_ANY_EXHDR(t) == len &&
			memcmp(VARDATA_ANY(t), name, len) == 0)
			return true;
	}
	return false;
}

/* kind of a dimension that the arguments name, else nominal */
static FpDimKind
declared_kind(const Source *source, const char *name, size_t len)
{
	if (has_name(source->ordinal_names, source->nordinal, name, len))
		return FP_ORDINAL;
	if (has_name(source->strata_names, source->nstrata, name, len))
		return FP_STRATUM;
	return FP_NOMINAL;
}

static void
refuse_array(const char *name, size_t len, FpDimKind kind)
{
	ereport(
		ERROR,
		(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
		 errmsg("%s dimension \"%.*s\" cannot be an array",
				fp_dim_kind_name(kind), fp_clip(name, len), name),
		 errhint(
			 "Only a nominal dimension can have several values at once.")));
}

/* what is known about this call site, up to date for this row's arguments */
static Source *
get_source(FunctionCallInfo fcinfo, int first_name_arg)
{
	Source *source = fcinfo->flinfo->fn_extra;

	if (source == NULL)
	{
		source =
			MemoryContextAllocZero(fcinfo->flinfo->fn_mcxt, sizeof(Source));
		fcinfo->flinfo->fn_extra = source;
	}
	else if (likely(
				 PG_NARGS() <= first_name_arg ||
				 (!names_changed(fcinfo, first_name_arg, source->ordinal) &&
				  !names_changed(fcinfo, first_name_arg + 1, source->strata))))
		return source;

	/* forget all that depends on them */
	if (source->cx)
		MemoryContextDelete(source->cx);
	memset(source, 0, sizeof(Source));
	source->cx =
		AllocSetContextCreate(fcinfo->flinfo->fn_mcxt, "failpat cube source",
							  ALLOCSET_SMALL_SIZES);
	source->id = next_source_id++;
	source->ordinal =
		remember_names(fcinfo, first_name_arg, "ordinal", source->cx,
					   &source->ordinal_names, &source->nordinal);
	source->strata =
		remember_names(fcinfo, first_name_arg + 1, "strata", source->cx,
					   &source->strata_names, &source->nstrata);
	for (int i = 0; i < source->nordinal; i++)
	{
		text *name = DatumGetTextPP(source->ordinal_names[i]);

		if (has_name(source->strata_names, source->nstrata, VARDATA_ANY(name),
					 VARSIZE_ANY_EXHDR(name)))
			ereport(
				ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg(
					 "dimension \"%s\" is named in both \"ordinal\" and \"strata\"",
					 text_to_cstring(name))));
	}
	return source;
}

/* --- text of values ---------------------------------------------------- */

/* the text of a value whose type is column->element; palloc'd */
static char *
value_text(Column *column, Datum value)
{
	char *buf;
	int	  utc = 0;

	switch (column->element)
	{
		case BOOLOID:
			return pstrdup(DatumGetBool(value) ? "true" : "false");
		case DATEOID:
		case TIMEOID:
		case TIMESTAMPOID:
		case TIMESTAMPTZOID:
			buf = palloc(MAXDATELEN + 1);
			JsonEncodeDateTime(buf, value, column->element,
							   column->element == TIMESTAMPTZOID ? &utc
																 : NULL);
			return buf;
		default:
			return OutputFunctionCall(&column->output, value);
	}
}

/* --- records ----------------------------------------------------------- */

static void
describe_column(Source *source, Form_pg_attribute att, Column *column)
{
	const char *name = NameStr(att->attname);
	Oid			base = getBaseType(att->atttypid);
	Oid			element = get_base_element_type(att->atttypid);
	bool		byval;
	Oid			out;
	bool		varlena;

	column->attno = att->attnum - 1;
	column->type = base;
	column->kind = declared_kind(source, name, strlen(name));
	get_typlenbyval(base, &column->typlen, &byval);
	if (OidIsValid(element))
	{
		if (column->kind != FP_NOMINAL)
			refuse_array(name, strlen(name), column->kind);
		column->kind = FP_SET;
		column->class = COLUMN_ARRAY;
		/* of a domain over an element, its base */
		column->element = getBaseType(element);
	}
	else
	{
		column->element = base;
		if (base == TEXTOID || base == VARCHAROID || base == BPCHAROID)
			column->class = COLUMN_TEXT;
		else
			column->class = byval ? COLUMN_WORD : COLUMN_BYTES;
	}
	get_typlenbyvalalign(column->element, &column->elmlen, &column->elmbyval,
						 &column->elmalign);
	getTypeOutputInfo(column->element, &out, &varlena);
	fmgr_info_cxt(out, &column->output, source->record_cx);
}

/* remember the columns of a type of records, and those of no other */
static void
describe_record(Source *source, Oid type, int32 typmod)
{
	TupleDesc	  desc;
	MemoryContext old;

	source->desc = NULL;
	if (source->record_cx)
		MemoryContextReset(source->record_cx);
	else
		source->record_cx =
			AllocSetContextCreate(source->cx, "failpat cube record",
								  ALLOCSET_SMALL_SIZES);
	desc = lookup_rowtype_tupdesc(type, typmod);
	old = MemoryContextSwitchTo(source->record_cx);
	source->desc = CreateTupleDescCopy(desc);
	ReleaseTupleDesc(desc);
	desc = source->desc;
	source->columns = palloc0((desc->natts + 1) * sizeof(Column));
	source->values = palloc((desc->natts + 1) * sizeof(Datum));
	source->nulls = palloc((desc->natts + 1) * sizeof(bool));
	source->ncolumns = 0;
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);

		if (att->attisdropped)
			continue;
		if (source->ncolumns == FP_MAX_DIMS)
			ereport(
				ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("a failure cube cannot have more than %d dimensions",
						FP_MAX_DIMS)));
		for (int j = 0; j < source->ncolumns; j++)
			if (strcmp(NameStr(TupleDescAttr(desc, source->columns[j].attno)
								   ->attname),
					   NameStr(att->attname)) == 0)
				ereport(
					ERROR,
					(errcode(ERRCODE_DUPLICATE_COLUMN),
					 errmsg("dimension \"%s\" occurs twice in the record",
							NameStr(att->attname)),
					 errhint(
						 "Give the columns distinct names, in a subquery for example.")));
		describe_column(source, att, &source->columns[source->ncolumns++]);
	}
	MemoryContextSwitchTo(old);

	/* names that are no column are a slip of the pen */
	for (int i = 0; i < source->nordinal + source->nstrata; i++)
	{
		char *name = TextDatumGetCString(
			i < source->nordinal ? source->ordinal_names[i]
								 : source->strata_names[i - source->nordinal]);
		bool found = false;

		for (int j = 0; j < source->ncolumns && !found; j++)
			found =
				strcmp(NameStr(TupleDescAttr(desc, source->columns[j].attno)
								   ->attname),
					   name) == 0;
		if (!found)
			ereport(
				ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"%.*s\" is named in \"%s\", but is no dimension",
						fp_clip(name, strlen(name)), name,
						i < source->nordinal ? "ordinal" : "strata"),
				 errhint(
					 "ROW(a, b) calls its columns f1, f2; a subquery's row (SELECT s FROM (SELECT a, b) s) keeps their names.")));
	}
	source->type = type;
	source->typmod = typmod;
	source->id = next_source_id++;
}

/* find or make the dimensions of a record in a builder */
static void
bind_record(const Source *source, FpCubeBuilder *builder)
{
	for (int i = 0; i < source->ncolumns; i++)
	{
		const Column *column = &source->columns[i];
		const char	 *name =
			NameStr(TupleDescAttr(source->desc, column->attno)->attname);

		builder->bound[i] =
			fp_builder_dim(builder, name, strlen(name), column->kind);
	}
	fp_builder_order(builder, builder->bound, source->ncolumns, false);
	builder->binding = source->id;
}

/* text of a scalar to a code */
static inline uint32
text_code(FpCubeBuilder *builder, int d, const char *data, size_t len)
{
	const FpBuilderDim *dim = builder->dims[d];

	if (likely(dim->kind == FP_NOMINAL || dim->kind == FP_STRATUM))
	{
		uint32 code = fp_builder_find_text(dim, data, len);

		if (likely(code != 0))
			return code;
	}
	return fp_builder_value(builder, d, data, len);
}

/* a value of a record that no cache knows */
static uint32
new_value(FpCubeBuilder *builder, int d, Column *column, Datum value)
{
	ArrayType *array;
	Datum	  *elements;
	bool	  *nulls;
	int		   nelements;
	FpText	  *members;
	uint32	   n = 0;

	if (column->class != COLUMN_ARRAY)
	{
		char *text = value_text(column, value);

		return fp_builder_value(builder, d, text, strlen(text));
	}
	array = DatumGetArrayTypeP(value);
	deconstruct_array(array, column->element, column->elmlen, column->elmbyval,
					  column->elmalign, &elements, &nulls, &nelements);
	members = palloc((nelements + 1) * sizeof(FpText));
	for (int i = 0; i < nelements; i++)
	{
		if (nulls[i])
			continue;
		members[n].data = value_text(column, elements[i]);
		members[n].len = strlen(members[n].data);
		n++;
	}
	return fp_builder_set(builder, d, members, n);
}

/* code of a value of a record that is not null */
static inline uint32
column_code(FpCubeBuilder *builder, int d, Column *column, Datum value)
{
	const FpBuilderDim *dim = builder->dims[d];
	struct varlena	   *data;
	const char		   *bytes;
	size_t				len;
	uint32				code;
	int					which = column->class == COLUMN_ARRAY;

	if (column->class == COLUMN_WORD)
	{
		code = fp_builder_find_word(dim, column->type, (uint64) value);
		if (likely(code != 0))
			return code;
		code = new_value(builder, d, column, value);
		fp_builder_cache_word(builder, d, column->type, (uint64) value, code);
		return code;
	}

	if (column->typlen == -1)
	{
		data = (struct varlena *) DatumGetPointer(value);
		if (unlikely(VARATT_IS_COMPRESSED(data) || VARATT_IS_EXTERNAL(data)))
			data = PG_DETOAST_DATUM_PACKED(value);
		bytes = VARDATA_ANY(data);
		len = VARSIZE_ANY_EXHDR(data);
		value = PointerGetDatum(data);
	}
	else
	{
		bytes = DatumGetPointer(value);
		len = column->typlen == -2 ? strlen(bytes) : column->typlen;
	}
	if (column->class == COLUMN_TEXT && dim->kind != FP_ORDINAL)
		return text_code(builder, d, bytes, len);
	code = fp_builder_find_raw(dim, which, column->type, bytes, len);
	if (likely(code != 0))
		return code;
	if (column->class == COLUMN_TEXT)
		code = fp_builder_value(builder, d, bytes, len);
	else
		code = new_value(builder, d, column, value);
	fp_builder_cache_raw(builder, d, which, column->type, bytes, len, code);
	return code;
}

/* the codes of a record, one per dimension of the builder */
static void
record_codes(Source *source, FpCubeBuilder *builder, HeapTupleHeader header,
			 uint32 *codes)
{
	Oid			  type = HeapTupleHeaderGetTypeId(header);
	int32		  typmod = HeapTupleHeaderGetTypMod(header);
	HeapTupleData tuple;

	if (unlikely(source->desc == NULL || type != source->type ||
				 typmod != source->typmod))
		describe_record(source, type, typmod);
	if (unlikely(builder->binding != source->id))
		bind_record(source, builder);

	tuple.t_len = HeapTupleHeaderGetDatumLength(header);
	ItemPointerSetInvalid(&tuple.t_self);
	tuple.t_tableOid = InvalidOid;
	tuple.t_data = header;
	heap_deform_tuple(&tuple, source->desc, source->values, source->nulls);

	if (unlikely(builder->ndims != source->ncolumns))
		memset(codes, 0, builder->ndims * sizeof(uint32));
	for (int i = 0; i < source->ncolumns; i++)
	{
		Column *column = &source->columns[i];
		int		d = builder->bound[i];

		codes[d] = source->nulls[column->attno]
					   ? 0
					   : column_code(builder, d, column,
									 source->values[column->attno]);
	}
}

/* --- jsonb ------------------------------------------------------------- */

static void
refuse_json(const FpBuilderDim *dim, const char *what)
{
	ereport(
		ERROR,
		(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
		 errmsg("dimension \"%.*s\" %s",
				fp_clip(dim->name.data, dim->name.len), dim->name.data, what),
		 errhint(
			 "A dimension is a string, number, boolean or null, or an array of these.")));
}

/* code of a JSON array */
static uint32
json_set_code(FpCubeBuilder *builder, int d, JsonbContainer *array, size_t len)
{
	FpBuilderDim *dim = builder->dims[d];
	uint32		  nelements = JsonContainerSize(array);
	FpText		 *members;
	uint32		  n = 0;
	uint32		  code =
		fp_builder_find_raw(dim, 1, TAG_JSON_ARRAY, (const char *) array, len);

	if (likely(code != 0))
		return code;
	if (dim->kind == FP_ORDINAL || dim->kind == FP_STRATUM)
		refuse_array(dim->name.data, dim->name.len, dim->kind);
	if (dim->kind != FP_SET)
		(void) fp_builder_dim(builder, dim->name.data, dim->name.len, FP_SET);

	members = palloc(((Size) nelements + 1) * sizeof(FpText));
	for (uint32 i = 0; i < nelements; i++)
	{
		JsonbValue *value = getIthJsonbValueFromContainer(array, i);

		switch (value->type)
		{
			case jbvNull:
				continue;
			case jbvString:
				members[n].data = value->val.string.val;
				members[n].len = value->val.string.len;
				break;
			case jbvNumeric:
				members[n].data = DatumGetCString(
					DirectFunctionCall1(numeric_out,
										NumericGetDatum(value->val.numeric)));
				members[n].len = strlen(members[n].data);
				break;
			case jbvBool:
				members[n].data = value->val.boolean ? "true" : "false";
				members[n].len = strlen(members[n].data);
				break;
			default:
				refuse_json(dim, "has an array with objects or arrays in it");
		}
		n++;
	}
	code = fp_builder_set(builder, d, members, n);
	fp_builder_cache_raw(builder, d, 1, TAG_JSON_ARRAY, (const char *) array,
						 len, code);
	return code;
}

/* code of a JSON number */
static uint32
json_number_code(FpCubeBuilder *builder, int d, Numeric number)
{
	size_t len = VARSIZE_ANY_EXHDR((struct varlena *) number);
	char  *bytes = VARDATA_ANY((struct varlena *) number);
	char  *text;
	uint32 code =
		fp_builder_find_raw(builder->dims[d], 0, TAG_JSON_NUMERIC, bytes, len);

	if (likely(code != 0))
		return code;
	text = DatumGetCString(
		DirectFunctionCall1(numeric_out, NumericGetDatum(number)));
	code = fp_builder_value(builder, d, text, strlen(text));
	fp_builder_cache_raw(builder, d, 0, TAG_JSON_NUMERIC, bytes, len, code);
	return code;
}

/*
 * The codes of an object, one per dimension of the builder.  Its keys lie
 * before its values, both in the same order; which is, row after row, mostly
 * the same: bound[] remembers the dimension of the i-th key.
 */
static void
json_codes(Source *source, FpCubeBuilder *builder, Jsonb *jsonb, uint32 *codes)
{
	JsonbContainer *root = &jsonb->root;
	int				n = JsonContainerSize(root);
	const JEntry   *entries = root->children;
	char		   *base;
	uint32			offset = 0;
	int				dims[FP_MAX_DIMS];

	if (!JsonContainerIsObject(root))
		ereport(
			ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("argument \"dims\" must be a JSON object"),
			 errhint(
				 "For example: {\"model\": \"2\", \"lora\": [\"3\", \"7\"], \"segment_position\": 6}")));
	if (JsonContainerSize(root) > FP_MAX_DIMS)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("a failure cube cannot have more than %d dimensions",
						FP_MAX_DIMS)));
	if (unlikely(builder->binding != source->id))
	{
		for (int i = 0; i < FP_MAX_DIMS; i++)
			builder->bound[i] = -1;
		builder->binding = source->id;
	}

	base = (char *) (entries + 2 * n);
	for (int i = 0; i < n; i++)
	{
		uint32		start = offset;
		const char *name = base + start;
		size_t		len;
		int			d = builder->bound[i];

		JBE_ADVANCE_OFFSET(offset, entries[i]);
		len = offset - start;
		if (unlikely(d < 0 || builder->dims[d]->name.len != len ||
					 memcmp(builder->dims[d]->name.data, name, len) != 0))
		{
			d = fp_builder_dim(builder, name, len,
							   declared_kind(source, name, len));
			builder->bound[i] = d;
		}
		dims[i] = d;
	}
	if (n > 0)
		builder->sorted = true;
	memset(codes, 0, builder->ndims * sizeof(uint32));
	for (int i = 0; i < n; i++)
	{
		JEntry		  entry = entries[n + i];
		uint32		  start = offset;
		int			  d = dims[i];
		FpBuilderDim *dim = builder->dims[d];

		JBE_ADVANCE_OFFSET(offset, entry);
		if (JBE_ISSTRING(entry))
			codes[d] = text_code(builder, d, base + start, offset - start);
		else if (JBE_ISNUMERIC(entry))
			codes[d] = json_number_code(builder, d,
										(Numeric) (base + INTALIGN(start)));
		else if (JBE_ISBOOL_TRUE(entry))
			codes[d] = text_code(builder, d, "true", 4);
		else if (JBE_ISBOOL_FALSE(entry))
			codes[d] = text_code(builder, d, "false", 5);
		else if (!JBE_ISNULL(entry))
		{
			JsonbContainer *child =
				(JsonbContainer *) (base + INTALIGN(start));

			if (!JsonContainerIsArray(child))
				refuse_json(dim, "is an object");
			codes[d] =
				json_set_code(builder, d, child, offset - INTALIGN(start));
		}
	}
}

/* --- transition -------------------------------------------------------- */

/* failed checks of a row; their number */
static int
row_checks(FpCubeBuilder *builder, Datum datum, int64 failures, uint32 *checks,
		   int64 *counts)
{
	bool   seen[FP_MAX_CHECKS] = {false};
	Datum *names;
	bool  *nulls;
	int	   nnames;
	int	   n = 0;

	deconstruct_array(DatumGetArrayTypeP(datum), TEXTOID, -1, false,
					  TYPALIGN_INT, &names, &nulls, &nnames);
	for (int i = 0; i < nnames; i++)
	{
		text  *name;
		uint32 check;

		if (nulls[i])
			continue;
		name = DatumGetTextPP(names[i]);
		check = fp_builder_check(builder, VARDATA_ANY(name),
								 VARSIZE_ANY_EXHDR(name));
		if (seen[check])
			continue;
		seen[check] = true;
		checks[n] = check;
		counts[n++] = failures;
	}
	return n;
}

static inline Datum
accumulate(FunctionCallInfo fcinfo, bool counted, bool json, bool with_job)
{
	int			  dims_arg = counted ? 3 : 2;
	int			  checks_arg = dims_arg + 3;
	MemoryContext aggcontext;
	bool		  in_aggregate = AggCheckCallContext(fcinfo, &aggcontext) != 0;
	int64		  trials = 1;
	int64		  failures;
	FailpatCube	 *cube;
	FpCubeBuilder *builder;
	uint32		   codes[FP_MAX_DIMS];

	/* a row without outcome is no trial */
	if (PG_ARGISNULL(1) || (counted && PG_ARGISNULL(2)))
		goto unchanged;
	if (counted)
	{
		failures = PG_GETARG_INT64(1);
		trials = PG_GETARG_INT64(2);
		if (failures < 0 || failures > trials)
			ereport(
				ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%lld failures in %lld trials are impossible",
						(long long) failures, (long long) trials),
				 errdetail(
					 "The number of failures must be from 0 to that of trials.")));
		if (trials == 0)
			goto unchanged;
	}
	else
		failures = PG_GETARG_BOOL(1) ? 1 : 0;

	if (!in_aggregate)
		aggcontext = CurrentMemoryContext;
	if (PG_ARGISNULL(0))
		cube = failpat_cube_expand_new(aggcontext);
	else
		cube = failpat_cube_for_change(PG_GETARG_DATUM(0), in_aggregate,
									   aggcontext);
	builder = cube->builder;

	if (PG_ARGISNULL(dims_arg))
		memset(codes, 0, builder->ndims * sizeof(uint32));
	else if (json)
		json_codes(get_source(fcinfo, dims_arg + 1), builder,
				   PG_GETARG_JSONB_P(dims_arg), codes);
	else
		record_codes(get_source(fcinfo, dims_arg + 1), builder,
					 PG_GETARG_HEAPTUPLEHEADER(dims_arg), codes);

	/* as if dims had it */
	if (with_job && !PG_ARGISNULL(checks_arg + 1))
	{
		text *job = PG_GETARG_TEXT_PP(checks_arg + 1);
		int	  d = fp_builder_dim(builder, "job", 3, FP_STRATUM);

		builder->sorted = true;
		codes[d] =
			text_code(builder, d, VARDATA_ANY(job), VARSIZE_ANY_EXHDR(job));
	}

	if (failures > 0 && PG_NARGS() > checks_arg && !PG_ARGISNULL(checks_arg))
	{
		uint32 checks[FP_MAX_CHECKS];
		int64  counts[FP_MAX_CHECKS];
		int	   n = row_checks(builder, PG_GETARG_DATUM(checks_arg), failures,
							  checks, counts);

		if (n > 0)
			fp_builder_add_checks(builder, codes, trials, failures, checks,
								  counts, n);
		else
			fp_builder_add(builder, codes, trials, failures);
	}
	else
		fp_builder_add(builder, codes, trials, failures);

	if (in_aggregate)
		return EOHPGetRWDatum(&cube->hdr);
	return failpat_cube_to_datum(fp_builder_freeze(builder, aggcontext),
								 aggcontext);

unchanged:
	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	return PG_GETARG_DATUM(0);
}

/* failure_cube_accum(state, failed boolean, dims record, ...) */
PG_FUNCTION_INFO_V1(failpat_cube_accum_record);
Datum
failpat_cube_accum_record(PG_FUNCTION_ARGS)
{
	return accumulate(fcinfo, false, false, false);
}

/* failure_cube_accum(state, failed boolean, dims jsonb, ...) */
PG_FUNCTION_INFO_V1(failpat_cube_accum_jsonb);
Datum
failpat_cube_accum_jsonb(PG_FUNCTION_ARGS)
{
	return accumulate(fcinfo, false, true, false);
}

/* failure_cube_accum(state, failures bigint, trials bigint, dims record, ...) */
PG_FUNCTION_INFO_V1(failpat_cube_accum_counts_record);
Datum
failpat_cube_accum_counts_record(PG_FUNCTION_ARGS)
{
	return accumulate(fcinfo, true, false, false);
}

/* failure_cube_accum(state, failures bigint, trials bigint, dims jsonb, ...) */
PG_FUNCTION_INFO_V1(failpat_cube_accum_counts_jsonb);
Datum
failpat_cube_accum_counts_jsonb(PG_FUNCTION_ARGS)
{
	return accumulate(fcinfo, true, true, false);
}

/* fp_bucket_cube_accum(state, failed, dims jsonb, ..., checks, job text) */
PG_FUNCTION_INFO_V1(failpat_bucket_cube_accum);
Datum
failpat_bucket_cube_accum(PG_FUNCTION_ARGS)
{
	return accumulate(fcinfo, false, true, true);
}

/*
 * failure_cube_combine(failure_cube, failure_cube) -> their sum.  The combine
 * function of failure_cube, and the transition of rollup.
 */
PG_FUNCTION_INFO_V1(failpat_cube_combine);
Datum
failpat_cube_combine(PG_FUNCTION_ARGS)
{
	MemoryContext aggcontext;
	bool		  in_aggregate = AggCheckCallContext(fcinfo, &aggcontext) != 0;
	MemoryContext scratch;
	FailpatCube	 *cube;

	if (PG_ARGISNULL(1))
	{
		if (PG_ARGISNULL(0))
			PG_RETURN_NULL();
		return PG_GETARG_DATUM(0);
	}
	if (!in_aggregate)
		aggcontext = CurrentMemoryContext;
	if (PG_ARGISNULL(0))
		cube = failpat_cube_expand_new(aggcontext);
	else
		cube = failpat_cube_for_change(PG_GETARG_DATUM(0), in_aggregate,
									   aggcontext);
	scratch = AllocSetContextCreate(CurrentMemoryContext, "failpat combine",
									ALLOCSET_DEFAULT_SIZES);
	fp_builder_merge(cube->builder, scratch,
					 failpat_cube_from_datum(PG_GETARG_DATUM(1), scratch),
					 NULL);
	MemoryContextDelete(scratch);
	if (in_aggregate)
		return EOHPGetRWDatum(&cube->hdr);
	return failpat_cube_to_datum(fp_builder_freeze(cube->builder, aggcontext),
								 aggcontext);
}

/*
 * failure_cube_final(failure_cube) -> the same, flat; of nothing, the empty
 * cube.
 */
PG_FUNCTION_INFO_V1(failpat_cube_final);
Datum
failpat_cube_final(PG_FUNCTION_ARGS)
{
	FpCubeBuilder *empty;

	if (!PG_ARGISNULL(0))
		PG_RETURN_DATUM(PointerGetDatum(PG_GETARG_VARLENA_PP(0)));
	empty = fp_builder_create(CurrentMemoryContext, 0);
	return failpat_cube_to_datum(fp_builder_freeze(empty,
												   CurrentMemoryContext),
								 CurrentMemoryContext);
}
