/*-------------------------------------------------------------------------
 *
 * heatmap.h
 *		What the heatmap's two forms (rows, picture) share.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef FAILPAT_HEATMAP_H
#define FAILPAT_HEATMAP_H

#include "failpat.h"

#include "fmgr.h"

#include "view/heat.h"

/* The arguments that all forms have, by number, after those that say of what. */
enum
{
	HEAT_ARG_ROW_DIM,
	HEAT_ARG_COL_DIM,
	HEAT_ARG_CHECK,
	HEAT_ARG_ROW_LIMIT,
	HEAT_ARG_COL_LIMIT,
	HEAT_ARG_ROW_BINS,
	HEAT_ARG_COL_BINS,
	HEAT_ARG_PALETTE,
	HEAT_ARG_CONFIDENCE,
	HEAT_ARG_RED_AT,
	HEAT_NARGS
};

/* Of what: the value is the number of arguments that say it. */
typedef enum FailpatHeatOf
{
	HEAT_OF_CUBE = 1,  /* a cube */
	HEAT_OF_WINDOW = 4 /* source, first_bucket, ends, filter */
} FailpatHeatOf;

typedef struct FailpatHeatmap
{
	FpHeatOptions options;
	FpCrosstab	 *table;
	FpHeatCell	 *cells; /* of the table's cells */
} FailpatHeatmap;

/*
 * The heatmap that a call asks for, in the current context; NULL where there
 * is nothing to show: no cube or one of no rows, or of a window, dimensions
 * of which nothing was recorded in it.  Errors of class 22 name the argument.
 */
extern FailpatHeatmap *failpat_heatmap_of_call(FunctionCallInfo fcinfo,
											   FailpatHeatOf	of);

/*
 * Scans of the cubes that a window of a source consists of, in cx: for their
 * dimensions of these names, of the cells that meet conditions.  SPI is
 * connected, and stays so until they have been read.
 */
typedef struct FailpatWindow
{
	Datum source;
	Datum first_bucket;
	Datum ends;
	Datum filter;
	Datum names[2];
	bool  checks;
} FailpatWindow;

extern FpScan **failpat_window_scans(Oid function, const FailpatWindow *window,
									 MemoryContext cx, int *n);

#endif /* FAILPAT_HEATMAP_H */
