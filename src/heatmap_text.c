/*-------------------------------------------------------------------------
 *
 * heatmap_text.c
 *		fp_heatmap_text: a heatmap as a picture for the terminal.
 *
 * One text per line: a head, a line per row of the map, margins, and what the
 * signs mean.  Colours are ANSI escape sequences of 24 bits, which psql lets
 * through in unaligned output.  Names from the data are shown with control
 * characters replaced, so that no value can speak to the terminal.
 *
 * All memory is of the call.  Takes no locks.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "funcapi.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"

#include "heatmap.h"
#include "stats/special.h"

/* after the arguments that all forms have */
#define TEXT_ARG_COLORS HEAT_NARGS
#define TEXT_ARG_ROW_NAMES (HEAT_NARGS + 1)
#define TEXT_ARG_COL_NAMES (HEAT_NARGS + 2)

#define MIN_CELL 6	/* "12.3%?" */
#define MAX_CELL 14 /* longer names of columns are cut */
#define MAX_NAME 24 /* and those of rows */
#define MARGIN "all"

typedef struct Picture
{
	const FailpatHeatmap *heat;
	bool				  colors;
	double				  baseline;
	double				  z;
	int					  name_width;
	int					 *widths; /* of the columns */
	ReturnSetInfo		 *rsinfo;
	StringInfoData		  line;
} Picture;

/* Columns that the character at s takes; control characters, shown as ?, one. */
static int
char_width(const char *s)
{
	int width = pg_encoding_dsplen(GetDatabaseEncoding(), s);

	return width < 0 ? 1 : width;
}

static int
text_width(const FpText *text)
{
	int width = 0;

	for (uint32 at = 0; at < text->len; at += pg_mblen(text->data + at))
		width += char_width(text->data + at);
	return width;
}

/* Append a name cut and padded to a width, on the left or on the right. */
static void
put_name(StringInfo line, const FpText *name, int width, bool right)
{
	int	   full = text_width(name);
	int	   room = full > width ? width - 1 : width; /* one for "~" */
	int	   used = 0;
	uint32 at = 0;

	if (right && full < width)
		appendStringInfoSpaces(line, width - full);
	while (at < name->len)
	{
		int len = pg_mblen(name->data + at);
		int w = char_width(name->data + at);

		if (used + w > room)
			break;
		if (pg_encoding_dsplen(GetDatabaseEncoding(), name->data + at) < 0)
			appendStringInfoChar(line, '?');
		else
			appendBinaryStringInfo(line, name->data + at, len);
		used += w;
		at += len;
	}
	if (at < name->len)
	{
		appendStringInfoChar(line, '~');
		used++;
	}
	if (used < width && !(right && full < width))
		appendStringInfoSpaces(line, width - used);
}

/* A name of at most MAX_NAME columns, without padding. */
static void
put_title(StringInfo line, const FpText *name)
{
	put_name(line, name, Min(text_width(name), MAX_NAME), false);
}

static void
put_words(StringInfo line, const char *words, int width, bool right)
{
	FpText text;

	text.data = words;
	text.len = strlen(words);
	put_name(line, &text, width, right);
}

static void
put_none(Picture *picture, int width)
{
	appendStringInfoChar(&picture->line, ' ');
	put_words(&picture->line, "- ", width, true);
}

/* " 44%? " in the cell's colour; without trials there is no rate */
static void
put_cell(Picture *picture, const FpHeatCell *cell, int width)
{
	char words[32];

	if (isnan(cell->rate))
	{
		put_none(picture, width);
		return;
	}
	if (cell->rate >= 0.0995)
		snprintf(words, sizeof(words), "%.0f%%", 100 * cell->rate);
	else
		snprintf(words, sizeof(words), "%.1f%%", 100 * cell->rate);
	/* a place is kept for the sign, so that figures stand below each other */
	if (!cell->enough_data)
		strcat(words, "?");
	else if (cell->severity == FP_SEVERITY_HIGH)
		strcat(words, "!");
	else
		strcat(words, " ");

	appendStringInfoChar(&picture->line, ' ');
	if (picture->colors)
	{
		int ink = fp_color_is_light(cell->color) ? 0 : 255;

		appendStringInfo(&picture->line, "\033[48;2;%d;%d;%d;38;2;%d;%d;%dm",
						 cell->color.r, cell->color.g, cell->color.b, ink, ink,
						 ink);
	}
	put_words(&picture->line, words, width, true);
	if (picture->colors)
		appendStringInfoString(&picture->line, "\033[0m");
}

static void
put_counts(Picture *picture, int64 failures, int64 trials, int width)
{
	FpHeatCell cell = fp_heat_cell(failures, trials, picture->baseline,
								   picture->z, &picture->heat->options);

	put_cell(picture, &cell, width);
}

static void
end_line(Picture *picture)
{
	StringInfo line = &picture->line;
	Datum	   value;
	bool	   null = false;

	while (line->len > 0 && line->data[line->len - 1] == ' ')
		line->data[--line->len] = '\0';
	value = PointerGetDatum(cstring_to_text_with_len(line->data, line->len));
	tuplestore_putvalues(picture->rsinfo->setResult, picture->rsinfo->setDesc,
						 &value, &null);
	pfree(DatumGetPointer(value));
	resetStringInfo(line);
}

static void
put_head(Picture *picture)
{
	const FpCrosstab *table = picture->heat->table;

	put_title(&picture->line, &table->row.dim.name);
	appendStringInfoString(&picture->line, " by ");
	put_title(&picture->line, &table->col.dim.name);
	end_line(picture);

	appendStringInfoSpaces(&picture->line, picture->name_width);
	for (uint32 c = 0; c < table->col.nmembers; c++)
	{
		appendStringInfoChar(&picture->line, ' ');
		put_name(&picture->line, &table->col.members[c].label,
				 picture->widths[c] - 1, true);
		appendStringInfoChar(&picture->line, ' ');
	}
	put_words(&picture->line, " " MARGIN, MIN_CELL, true);
	end_line(picture);
}

static void
put_rows(Picture *picture)
{
	const FpCrosstab *table = picture->heat->table;
	uint32			  next = 0;

	for (uint32 r = 0; r < table->row.nmembers; r++)
	{
		CHECK_FOR_INTERRUPTS();
		put_name(&picture->line, &table->row.members[r].label,
				 picture->name_width, false);
		for (uint32 c = 0; c < table->col.nmembers; c++)
		{
			if (next < table->ncells && table->cell_row[next] == r &&
				table->cell_col[next] == c)
				put_cell(picture, &picture->heat->cells[next++],
						 picture->widths[c]);
			else
				put_none(picture, picture->widths[c]);
		}
		put_counts(picture, table->row.members[r].failures,
				   table->row.members[r].trials, MIN_CELL);
		end_line(picture);
	}
}

static void
put_foot(Picture *picture)
{
	const FpCrosstab *table = picture->heat->table;

	put_words(&picture->line, MARGIN, picture->name_width, false);
	for (uint32 c = 0; c < table->col.nmembers; c++)
		put_counts(picture, table->col.members[c].failures,
				   table->col.members[c].trials, picture->widths[c]);
	put_counts(picture, table->total_failures, table->total_trials, MIN_CELL);
	end_line(picture);

	appendStringInfo(&picture->line,
					 INT64_FORMAT " of " INT64_FORMAT
								  " failed;  ! high severity  ? too little "
								  "data to say  - none",
					 table->total_failures, table->total_trials);
	end_line(picture);
}

/* Call the members of an axis what names, an object of strings, says. */
static void
rename_members(FpAxis *axis, Jsonb *names, const char *argument)
{
	if (!JB_ROOT_IS_OBJECT(names))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"%s\" must be a JSON object", argument)));
	for (uint32 m = 0; m < axis->nmembers; m++)
	{
		FpText	  *label = &axis->members[m].label;
		JsonbValue value;

		if (getKeyJsonValueFromContainer(&names->root, label->data,
										 (int) label->len, &value) &&
			value.type == jbvString)
		{
			label->data = value.val.string.val;
			label->len = (uint32) value.val.string.len;
		}
	}
}

static void
put_lines(FunctionCallInfo fcinfo, FailpatHeatOf of)
{
	int				  colors = of + TEXT_ARG_COLORS;
	int				  row_names = of + TEXT_ARG_ROW_NAMES;
	int				  col_names = of + TEXT_ARG_COL_NAMES;
	Picture			  picture = {0};
	FailpatHeatmap	 *heat;
	const FpCrosstab *table;

	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	heat = failpat_heatmap_of_call(fcinfo, of);
	if (!heat)
		return;
	table = heat->table;
	if (!PG_ARGISNULL(row_names))
		rename_members(&heat->table->row, PG_GETARG_JSONB_P(row_names),
					   "row_names");
	if (!PG_ARGISNULL(col_names))
		rename_members(&heat->table->col, PG_GETARG_JSONB_P(col_names),
					   "col_names");

	picture.heat = heat;
	picture.rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	picture.colors = !PG_ARGISNULL(colors) && PG_GETARG_BOOL(colors);
	picture.z = fp_normal_two_sided(heat->options.confidence);
	picture.baseline =
		table->total_trials > 0
			? (double) table->total_failures / (double) table->total_trials
			: NAN;
	initStringInfo(&picture.line);
	picture.name_width =
		Max((int) strlen(MARGIN), text_width(&table->row.dim.name));
	for (uint32 r = 0; r < table->row.nmembers; r++)
		picture.name_width =
			Max(picture.name_width, text_width(&table->row.members[r].label));
	picture.name_width = Min(picture.name_width, MAX_NAME);
	picture.widths = palloc(((Size) table->col.nmembers + 1) * sizeof(int));
	for (uint32 c = 0; c < table->col.nmembers; c++)
		picture.widths[c] =
			Min(Max(text_width(&table->col.members[c].label) + 1, MIN_CELL),
				MAX_CELL);

	put_head(&picture);
	put_rows(&picture);
	put_foot(&picture);
}

/*
 * fp_heatmap_text(cube, row_dim, col_dim, ..., colors, row_names, col_names):
 *		SETOF text
 */
PG_FUNCTION_INFO_V1(failpat_heatmap_text);
Datum
failpat_heatmap_text(PG_FUNCTION_ARGS)
{
	put_lines(fcinfo, HEAT_OF_CUBE);
	return (Datum) 0;
}

/* fp_window_heatmap_text(source, first_bucket, ends, filter, row_dim, ...) */
PG_FUNCTION_INFO_V1(failpat_window_heatmap_text);
Datum
failpat_window_heatmap_text(PG_FUNCTION_ARGS)
{
	put_lines(fcinfo, HEAT_OF_WINDOW);
	return (Datum) 0;
}
