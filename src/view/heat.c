/*-------------------------------------------------------------------------
 *
 * heat.c
 *		What the cells of a cross-table say.
 *
 * Owns nothing; what it returns lies in the caller's arena.  Takes no locks.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#include "view/heat.h"

#include <math.h>

#include "stats/shrink.h"
#include "stats/special.h"

#define CHECK_EVERY 8192 /* cells between looks at interrupts */

FpHeatCell
fp_heat_cell(int64 failures, int64 trials, double baseline, double z,
			 const FpHeatOptions *options)
{
	FpHeatCell cell;

	cell.rate = trials > 0 ? (double) failures / (double) trials : NAN;
	cell.interval = fp_wilson_interval(failures, trials, z);
	cell.shrunken = NAN;
	cell.severity = fp_severity(trials, cell.interval.lower, baseline);
	cell.enough_data =
		trials >= FP_HEAT_MIN_TRIALS &&
		cell.interval.upper - cell.interval.lower <= FP_HEAT_MAX_WIDTH;
	cell.color =
		fp_palette_color(options->palette, cell.rate / options->red_at,
						 cell.enough_data
							 ? fp_color_strength(cell.interval.lower,
												 cell.interval.upper)
							 : 0);
	return cell;
}

FpHeatCell *
fp_heat_cells(FpArena arena, const FpCrosstab *table,
			  const FpHeatOptions *options)
{
	FpHeatCell *cells =
		fp_alloc_array(arena, FpHeatCell, (uint64) table->ncells + 1);
	double baseline =
		table->total_trials > 0
			? (double) table->total_failures / (double) table->total_trials
			: NAN;
	FpRatePrior prior;
	double		z;

	fp_check_confidence(options->confidence);
	if (!(options->red_at > 0 && options->red_at <= 1))
		fp_error(FP_ERR_DATA,
				 "It is the failure rate that gets the palette's last colour.",
				 NULL, "red_at must be greater than 0 and at most 1, not %g",
				 options->red_at);
	z = fp_normal_two_sided(options->confidence);
	prior = fp_shrink_prior(table->failures, table->trials, table->ncells);
	for (uint32 i = 0; i < table->ncells; i++)
	{
		if (i % CHECK_EVERY == 0)
			FP_CHECK_INTERRUPTS();
		cells[i] = fp_heat_cell(table->failures[i], table->trials[i], baseline,
								z, options);
		cells[i].shrunken =
			fp_shrink_rate(prior, table->failures[i], table->trials[i]);
	}
	return cells;
}
