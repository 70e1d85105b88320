/*-------------------------------------------------------------------------
 *
 * heatmap_window.c
 *		The cubes that a heatmap of a source is counted from.
 *
 * fp_window_cubes says which they are.
 *
 * The scans live in the caller's context, with the bytes that they refer to,
 * but for short ones, which are SPI's.  Takes no locks.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"

#include "cube/celltable.h"
#include "heatmap.h"
#include "saved_plan.h"
#include "scans.h"

static SPIPlanPtr plan_cubes;

static FailpatPlans plans = {.plans = {&plan_cubes}};

static void
make_plan(Oid schema)
{
	const char *s = failpat_plans_wanted(&plans, schema);
	Oid			types[] = {TEXTOID, TIMESTAMPTZOID, TIMESTAMPTZOID, JSONBOID,
						   TEXTARRAYOID};

	if (s == NULL)
		return;
	plan_cubes =
		failpat_prepare(psprintf("SELECT c FROM %s.fp_window_cubes($1, $2, "
								 "$3, $4, $5, true) c",
								 s),
						lengthof(types), types);
	failpat_plans_made(&plans, schema);
}

FpScan **
failpat_window_scans(Oid function, const FailpatWindow *window,
					 MemoryContext cx, int *n)
{
	Datum	 args[5] = {window->source, window->first_bucket, window->ends,
						window->filter};
	FpScan **scans;

	args[4] =
		PointerGetDatum(construct_array((Datum *) window->names, 2, TEXTOID,
										-1, false, TYPALIGN_INT));
	make_plan(get_func_namespace(function));
	if (SPI_execute_plan(plan_cubes, args, NULL, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "the cubes of a window could not be read");
	MemoryContextSwitchTo(cx);
	scans = palloc_array(FpScan *, SPI_processed + 1);
	*n = 0;
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		bool  isnull;
		Datum datum = SPI_getbinval(SPI_tuptable->vals[i],
									SPI_tuptable->tupdesc, 1, &isnull);

		CHECK_FOR_INTERRUPTS();
		/* a failure_cube of no rows at all is none */
		if (isnull)
			continue;
		scans[*n] = failpat_scan(datum, DatumGetJsonbP(window->filter),
								 window->names, window->checks, cx);
		if (scans[*n])
			(*n)++;
		fp_cells_check_limit(cx, (size_t) failpat_memory_limit * 1024, 0);
	}
	return scans;
}
