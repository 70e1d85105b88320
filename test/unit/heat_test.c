/* What heatmap cells say: pieces are tested apart, here what joins them. */
#include "view/heat.h"
#include "unit.h"

int
main(void)
{
	FpArena		  arena = fp_arena_create(NULL, "test");
	FpHeatOptions options = {FP_PALETTE_TRAFFIC, 0.95, 0.5};
	FpHeatOptions bad = options;
	int64		  trials[] = {1, 4, 9, 140, 5000, 5000, 5000};
	int64		  failures[] = {1, 4, 4, 62, 4000, 2500, 0};
	FpCrosstab	  table = {.ncells = 7,
						   .trials = trials,
						   .failures = failures,
						   .total_trials = 200000,
						   .total_failures = 17200};
	FpHeatCell	 *cells = fp_heat_cells(arena, &table, &options);
	FpColor		  green = fp_palette_color(FP_PALETTE_TRAFFIC, 0, 1);
	FpColor		  red = fp_palette_color(FP_PALETTE_TRAFFIC, 1, 1);
	FpColor		  grey = fp_palette_color(FP_PALETTE_TRAFFIC, 0, 0);

	ok(!cells[0].enough_data && !cells[1].enough_data &&
		   !cells[2].enough_data && memcmp(&cells[0].color, &grey, 3) == 0 &&
		   memcmp(&cells[1].color, &grey, 3) == 0 &&
		   memcmp(&cells[2].color, &grey, 3) == 0,
	   "too few trials, or too wide an interval: grey, and it says so");
	ok(cells[3].enough_data && cells[3].severity == FP_SEVERITY_HIGH,
	   "62 of 140 against 8.6 %% is high");
	ok(cells[4].severity == FP_SEVERITY_HIGH &&
		   memcmp(&cells[4].color, &red, 3) == 0 &&
		   memcmp(&cells[5].color, &red, 3) == 0,
	   "red from red_at on");
	ok(cells[6].severity == FP_SEVERITY_LOW &&
		   memcmp(&cells[6].color, &green, 3) == 0,
	   "none of many failed: green");
	ok(cells[0].rate == 1 && cells[0].shrunken < 0.7 &&
		   cells[0].shrunken < cells[4].shrunken &&
		   near(cells[4].shrunken, 0.8, 0.01),
	   "1 of 1 is not the worst (%.3f against %.3f)", cells[0].shrunken,
	   cells[4].shrunken);
	ok(near(cells[3].interval.lower, 0.36319408, 1e-7),
	   "Wilson's interval (%f)", cells[3].interval.lower);

	bad.red_at = 0;
	ok(RAISES(FP_ERR_DATA, fp_heat_cells(arena, &table, &bad)), "red_at of 0");
	bad.red_at = NAN;
	ok(RAISES(FP_ERR_DATA, fp_heat_cells(arena, &table, &bad)),
	   "red_at that is no number");
	bad = options;
	bad.confidence = 1;
	ok(RAISES(FP_ERR_DATA, fp_heat_cells(arena, &table, &bad)),
	   "confidence of 1");
	table.ncells = 0;
	table.total_trials = table.total_failures = 0;
	ok(fp_heat_cells(arena, &table, &options) != NULL, "an empty table");
	fp_arena_delete(arena);
	return unit_done();
}
