/*-------------------------------------------------------------------------
 *
 * heat.h
 *		What the cells of a cross-table say: rates, how sure, how bad, in
 *		which colour.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef FAILPAT_VIEW_HEAT_H
#define FAILPAT_VIEW_HEAT_H

#include "cube/crosstab.h"
#include "stats/interval.h"
#include "stats/severity.h"
#include "view/palette.h"

/* A cell says enough to be coloured: so many trials, at most so wide. */
#define FP_HEAT_MIN_TRIALS 5
#define FP_HEAT_MAX_WIDTH 0.5

typedef struct FpHeatOptions
{
	FpPalette palette;
	double	  confidence; /* of the intervals, in (0, 1) */
	double	  red_at;	  /* the rate that is fully red, in (0, 1] */
} FpHeatOptions;

typedef struct FpHeatCell
{
	double	   rate;
	FpInterval interval; /* Wilson */
	double	   shrunken; /* drawn towards the other cells of the table */
	FpSeverity severity; /* against the rate of the whole cube */
	bool	   enough_data;
	FpColor	   color; /* by rate, fading to grey as the interval widens */
} FpHeatCell;

/*
 * A cell for each of the table's, in arena.  Errors: FP_ERR_DATA where an
 * option is out of its range.
 */
extern FpHeatCell *fp_heat_cells(FpArena arena, const FpCrosstab *table,
								 const FpHeatOptions *options);

/* The same for a single pair of counts, without a shrunken rate (NaN). */
extern FpHeatCell fp_heat_cell(int64 failures, int64 trials, double baseline,
							   double z, const FpHeatOptions *options);

#endif /* FAILPAT_VIEW_HEAT_H */
