/*-------------------------------------------------------------------------
 *
 * saved_plan.h
 *		Statements that a backend plans once.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef FAILPAT_SAVED_PLAN_H
#define FAILPAT_SAVED_PLAN_H

#include "postgres.h"

#include "executor/spi.h"

/* "=" of pg_catalog, for functions that are SECURITY DEFINER */
#define FAILPAT_EQ "OPERATOR(pg_catalog.=)"

/*
 * A plan that lives as long as the backend, generic: planning such statements
 * takes longer than running them.  Within SPI.
 */
static inline SPIPlanPtr
failpat_prepare(const char *sql, int nargs, Oid *types)
{
	SPIPlanPtr plan =
		SPI_prepare_cursor(sql, nargs, types, CURSOR_OPT_GENERIC_PLAN);

	if (plan == NULL)
		elog(ERROR, "SPI_prepare_cursor failed: %s",
			 SPI_result_code_string(SPI_result));
	SPI_keepplan(plan);
	return plan;
}

#endif /* FAILPAT_SAVED_PLAN_H */
