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

/* The arguments that both forms begin with, by number. */
enum
{
	HEAT_ARG_CUBE,
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

typedef struct FailpatHeatmap
{
	FpCube		 *cube;
	FpHeatOptions options;
	FpCrosstab	 *table;
	FpHeatCell	 *cells; /* of the table's cells */
} FailpatHeatmap;

/*
 * The heatmap that a call asks for, in the current context; NULL where its
 * cube is NULL or of no rows.  Errors of class 22 name the argument.
 */
extern FailpatHeatmap *failpat_heatmap_of_call(FunctionCallInfo fcinfo);

#endif /* FAILPAT_HEATMAP_H */
