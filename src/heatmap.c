/*-------------------------------------------------------------------------
 *
 * heatmap.c
 *		fp_heatmap: two dimensions of a cube, or of a window of a source,
 *		against each other, as rows.
 *
 * Reads the arguments, leaves the work to cube/crosstab.c and view/heat.c, and
 * writes a row per cell.  All memory is of the call, but for what a row needs,
 * which goes with the row.  Takes no locks.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/numeric.h"

#include "cube/format.h"
#include "cubes.h"
#include "heatmap.h"

#define HEAT_COLUMNS 14

/* A row's share that depends on the member of one axis only. */
typedef struct MemberDatum
{
	Datum	   label;
	Datum	   order;
	JsonbValue value; /* of a member that is a value */
	JsonbValue min;	  /* jbvNull where there is no such bound */
	JsonbValue max;
} MemberDatum;

/* --- arguments --------------------------------------------------------- */

static void
null_argument(const char *name)
{
	ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					errmsg("argument \"%s\" must not be null", name)));
}

static text *
name_argument(FunctionCallInfo fcinfo, int arg, const char *name)
{
	if (PG_ARGISNULL(arg))
		null_argument(name);
	return PG_GETARG_TEXT_PP(arg);
}

/* an error where a cube does not know a check */
static void
know_check(const FpCube *cube, const FpText *check)
{
	StringInfoData known;

	initStringInfo(&known);
	for (uint32 c = 0; c < cube->nchecks; c++)
	{
		const FpText *name = &cube->checks[c];

		if (name->len == check->len &&
			memcmp(name->data, check->data, check->len) == 0)
			return;
		/* a thousand names are no hint */
		if (c < 20)
			appendStringInfo(&known, "%s\"%.*s\"", c ? ", " : "",
							 fp_clip(name->data, name->len), name->data);
	}
	ereport(
		ERROR,
		(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
		 errmsg("the cube knows no failures of a check \"%.*s\"",
				fp_clip(check->data, check->len), check->data),
		 cube->nchecks
			 ? errhint("Its checks are %s%s.", known.data,
					   cube->nchecks > 20 ? " and others" : "")
			 : errhint(
				   "It knows no checks: failures per check are counted where failure_cube() is given \"checks\".")));
}

static uint32
limit_argument(FunctionCallInfo fcinfo, int arg, const char *name)
{
	int32 limit;

	if (PG_ARGISNULL(arg))
		return 0;
	limit = PG_GETARG_INT32(arg);
	if (limit < 1)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("%s must be at least 1, not %d", name, limit)));
	return (uint32) limit;
}

static void
bins_argument(FunctionCallInfo fcinfo, int arg, const char *name,
			  FpAxisSpec *spec)
{
	Datum  *items;
	bool   *nulls;
	double *bounds;
	int		n;

	if (PG_ARGISNULL(arg))
		return;
	deconstruct_array(PG_GETARG_ARRAYTYPE_P(arg), FLOAT8OID, sizeof(float8),
					  FLOAT8PASSBYVAL, TYPALIGN_DOUBLE, &items, &nulls, &n);
	bounds = palloc(((Size) n + 1) * sizeof(double));
	for (int i = 0; i < n; i++)
	{
		if (nulls[i])
			ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
							errmsg("%s must not contain nulls", name)));
		bounds[i] = DatumGetFloat8(items[i]);
	}
	spec->nbounds = n;
	spec->bounds = bounds;
}

/* The scan of a cube, or NULL where it is of no rows. */
static FpScan *
scan_cube(Datum datum, text *const *names, const FpText *check)
{
	MemoryContext	cx = CurrentMemoryContext;
	FpPackedCube   *packed = palloc(sizeof(FpPackedCube));
	struct varlena *bytes;
	FpCube		   *cube;
	int				dims[FP_SCAN_DIMS];
	bool			stored = failpat_cube_open(datum, cx, packed, &bytes);

	cube = stored ? packed->head : failpat_cube_from_datum(datum, cx);
	/* the cube of no rows knows no dimensions, and need not */
	if (cube->ndims == 0 && cube->ncells == 0)
		return NULL;
	for (int i = 0; i < FP_SCAN_DIMS; i++)
		dims[i] = failpat_cube_dim(cube, VARDATA_ANY(names[i]),
								   VARSIZE_ANY_EXHDR(names[i]));
	if (check)
		know_check(cube, check);
	return stored ? fp_scan_packed(cx, packed, NULL, 0, dims, check != NULL)
				  : fp_scan_cube(cx, cube, NULL, 0, dims, check != NULL);
}

/* What is asked of the axes, and how it is to be shown. */
static void
look_arguments(FunctionCallInfo fcinfo, int first, FpAxisSpec *row,
			   FpAxisSpec *col, FpHeatOptions *options)
{
	char *palette;

	row->limit =
		limit_argument(fcinfo, first + HEAT_ARG_ROW_LIMIT, "row_limit");
	col->limit =
		limit_argument(fcinfo, first + HEAT_ARG_COL_LIMIT, "col_limit");
	bins_argument(fcinfo, first + HEAT_ARG_ROW_BINS, "row_bins", row);
	bins_argument(fcinfo, first + HEAT_ARG_COL_BINS, "col_bins", col);

	if (PG_ARGISNULL(first + HEAT_ARG_PALETTE))
		null_argument("palette");
	palette = text_to_cstring(PG_GETARG_TEXT_PP(first + HEAT_ARG_PALETTE));
	if (!fp_palette_find(palette, &options->palette))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("there is no palette \"%.*s\"",
							   fp_clip(palette, strlen(palette)), palette),
						errhint("The palettes are %s.", FP_PALETTE_NAMES)));
	if (PG_ARGISNULL(first + HEAT_ARG_CONFIDENCE))
		null_argument("confidence");
	options->confidence = PG_GETARG_FLOAT8(first + HEAT_ARG_CONFIDENCE);
	if (PG_ARGISNULL(first + HEAT_ARG_RED_AT))
		null_argument("red_at");
	options->red_at = PG_GETARG_FLOAT8(first + HEAT_ARG_RED_AT);
}

FailpatHeatmap *
failpat_heatmap_of_call(FunctionCallInfo fcinfo, FailpatHeatOf of)
{
	MemoryContext	cx = CurrentMemoryContext;
	int				first = of;
	FailpatHeatmap *heat;
	FpAxisSpec		row = {.axis = "row"};
	FpAxisSpec		col = {.axis = "col"};
	FpText			check_name;
	const FpText   *check = NULL;
	text		   *names[FP_SCAN_DIMS];
	FpScan		   *one;
	FpScan		  **scans = &one;
	int				nscans = 1;

	for (int i = 0; i < first; i++)
		if (PG_ARGISNULL(i))
			return NULL;
	names[0] = name_argument(fcinfo, first + HEAT_ARG_ROW_DIM, "row_dim");
	names[1] = name_argument(fcinfo, first + HEAT_ARG_COL_DIM, "col_dim");
	if (!PG_ARGISNULL(first + HEAT_ARG_CHECK))
	{
		text *value = PG_GETARG_TEXT_PP(first + HEAT_ARG_CHECK);

		check_name.data = VARDATA_ANY(value);
		check_name.len = VARSIZE_ANY_EXHDR(value);
		check = &check_name;
	}
	heat = palloc0(sizeof(FailpatHeatmap));
	if (of == HEAT_OF_CUBE)
		one = scan_cube(PG_GETARG_DATUM(0), names, check);
	else
	{
		FailpatWindow window = {PG_GETARG_DATUM(0),
								PG_GETARG_DATUM(1),
								PG_GETARG_DATUM(2),
								PG_GETARG_DATUM(3),
								{PointerGetDatum(names[0]),
								 PointerGetDatum(names[1])},
								check != NULL};

		if (SPI_connect() != SPI_OK_CONNECT)
			elog(ERROR, "SPI_connect failed");
		scans =
			failpat_window_scans(fcinfo->flinfo->fn_oid, &window, cx, &nscans);
		MemoryContextSwitchTo(cx);
	}
	if (nscans > 0 && scans[0] != NULL)
	{
		look_arguments(fcinfo, first, &row, &col, &heat->options);
		heat->table = fp_crosstab(cx, scans, nscans, &row, &col, check);
	}
	if (of == HEAT_OF_WINDOW)
		SPI_finish();
	if (!heat->table)
		return NULL;
	heat->cells = fp_heat_cells(cx, heat->table, &heat->options);
	return heat;
}

/* --- rows -------------------------------------------------------------- */

static JsonbValue
json_number(double number)
{
	char	   buf[FP_NUMBER_LEN];
	JsonbValue value;

	value.type = jbvNull;
	if (isinf(number))
		return value;
	fp_number_text(number, buf);
	value.type = jbvNumeric;
	value.val.numeric = DatumGetNumeric(
		DirectFunctionCall3(numeric_in, CStringGetDatum(buf),
							ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1)));
	return value;
}

static MemberDatum *
member_datums(const FpAxis *axis)
{
	MemberDatum *list =
		palloc(((Size) axis->nmembers + 1) * sizeof(MemberDatum));

	for (uint32 m = 0; m < axis->nmembers; m++)
	{
		const FpAxisMember *member = &axis->members[m];

		CHECK_FOR_INTERRUPTS();
		list[m].label = PointerGetDatum(
			cstring_to_text_with_len(member->label.data, member->label.len));
		list[m].order = Int32GetDatum((int32) m + 1);
		if (member->code > 0)
			list[m].value = failpat_cube_json_value(&axis->dim, member->code);
		else
		{
			list[m].min = json_number(member->min);
			list[m].max = json_number(member->max);
		}
	}
	return list;
}

static void
push_key(JsonbParseState **state, const char *key, size_t len)
{
	JsonbValue value;

	value.type = jbvString;
	value.val.string.val = (char *) key;
	value.val.string.len = len;
	(void) pushJsonbValue(state, WJB_KEY, &value);
}

static void
push_bound(JsonbParseState **state, const char *key, JsonbValue *bound)
{
	if (bound->type == jbvNull)
		return;
	push_key(state, key, 3);
	(void) pushJsonbValue(state, WJB_VALUE, bound);
}

/*
 * "dimension": condition.  Of a set-valued dimension, pair may add a second
 * member.
 */
static void
push_condition(JsonbParseState **state, const FpDim *dim,
			   const FpAxisMember *member, MemberDatum *datum,
			   MemberDatum *pair)
{
	push_key(state, dim->name.data, dim->name.len);
	if (member->code == 0)
	{
		(void) pushJsonbValue(state, WJB_BEGIN_OBJECT, NULL);
		push_bound(state, "min", &datum->min);
		push_bound(state, "max", &datum->max);
		(void) pushJsonbValue(state, WJB_END_OBJECT, NULL);
	}
	else if (dim->kind == FP_SET)
	{
		(void) pushJsonbValue(state, WJB_BEGIN_ARRAY, NULL);
		(void) pushJsonbValue(state, WJB_ELEM, &datum->value);
		if (pair)
			(void) pushJsonbValue(state, WJB_ELEM, &pair->value);
		(void) pushJsonbValue(state, WJB_END_ARRAY, NULL);
	}
	else
		(void) pushJsonbValue(state, WJB_VALUE, &datum->value);
}

/* What selects a cell's observations, in fp_slice and in fp_drilldown. */
static Datum
cell_conditions(const FailpatHeatmap *heat, uint32 r, uint32 c,
				MemberDatum *row, MemberDatum *col)
{
	const FpCrosstab *table = heat->table;
	JsonbParseState	 *state = NULL;

	(void) pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	if (table->one_dim)
		/* limits may differ, so members are told apart by their codes */
		push_condition(&state, &table->row.dim, &table->row.members[r], row,
					   table->row.members[r].code == table->col.members[c].code
						   ? NULL
						   : col);
	else
	{
		push_condition(&state, &table->row.dim, &table->row.members[r], row,
					   NULL);
		push_condition(&state, &table->col.dim, &table->col.members[c], col,
					   NULL);
	}
	return JsonbPGetDatum(
		JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL)));
}

/* a row per cell with trials */
static void
put_rows(FunctionCallInfo fcinfo, FailpatHeatOf of)
{
	ReturnSetInfo	 *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	FailpatHeatmap	 *heat;
	const FpCrosstab *table;
	MemberDatum		 *rows;
	MemberDatum		 *cols;
	MemoryContext	  row_cx;
	MemoryContext	  old_cx;

	InitMaterializedSRF(fcinfo, 0);
	heat = failpat_heatmap_of_call(fcinfo, of);
	if (!heat)
		return;
	table = heat->table;
	rows = member_datums(&table->row);
	cols = member_datums(&table->col);

	row_cx = AllocSetContextCreate(CurrentMemoryContext, "failpat heatmap row",
								   ALLOCSET_SMALL_SIZES);
	old_cx = MemoryContextSwitchTo(row_cx);
	for (uint32 i = 0; i < table->ncells; i++)
	{
		const FpHeatCell *cell = &heat->cells[i];
		uint32			  r = table->cell_row[i];
		uint32			  c = table->cell_col[i];
		Datum			  values[HEAT_COLUMNS];
		bool			  nulls[HEAT_COLUMNS] = {false};
		char			  color[FP_COLOR_HEX_LEN];
		int				  n = 0;

		CHECK_FOR_INTERRUPTS();
		fp_color_hex(cell->color, color);
		values[n++] = rows[r].label;
		values[n++] = cols[c].label;
		values[n++] = rows[r].order;
		values[n++] = cols[c].order;
		values[n++] = Int64GetDatum(table->trials[i]);
		values[n++] = Int64GetDatum(table->failures[i]);
		values[n++] = Float8GetDatum(cell->rate);
		values[n++] = Float8GetDatum(cell->interval.lower);
		values[n++] = Float8GetDatum(cell->interval.upper);
		values[n++] = Float8GetDatum(cell->shrunken);
		values[n++] = CStringGetTextDatum(fp_severity_name(cell->severity));
		values[n++] = CStringGetTextDatum(color);
		values[n++] = BoolGetDatum(cell->enough_data);
		values[n++] = cell_conditions(heat, r, c, &rows[r], &cols[c]);
		Assert(n == HEAT_COLUMNS);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values,
							 nulls);
		MemoryContextReset(row_cx);
	}
	MemoryContextSwitchTo(old_cx);
}

/* fp_heatmap(cube, row_dim, col_dim, ...) */
PG_FUNCTION_INFO_V1(failpat_heatmap);
Datum
failpat_heatmap(PG_FUNCTION_ARGS)
{
	put_rows(fcinfo, HEAT_OF_CUBE);
	return (Datum) 0;
}

/* fp_window_heatmap(source, first_bucket, ends, filter, row_dim, ...) */
PG_FUNCTION_INFO_V1(failpat_window_heatmap);
Datum
failpat_window_heatmap(PG_FUNCTION_ARGS)
{
	put_rows(fcinfo, HEAT_OF_WINDOW);
	return (Datum) 0;
}
