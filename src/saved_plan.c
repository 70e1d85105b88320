/*-------------------------------------------------------------------------
 *
 * saved_plan.c
 *		Statements that a backend plans once.
 *
 * The plans live as long as the backend, or until their schema has another
 * name.  No locks.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/lsyscache.h"

#include "saved_plan.h"

SPIPlanPtr
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

static char *
schema_name(Oid schema)
{
	char *name = get_namespace_name(schema);

	if (name == NULL)
		elog(ERROR, "cache lookup failed for schema %u", schema);
	return name;
}

const char *
failpat_plans_wanted(FailpatPlans *plans, Oid schema)
{
	char *name = schema_name(schema);

	if (plans->schema == schema && strcmp(NameStr(plans->name), name) == 0)
	{
		pfree(name);
		return NULL;
	}
	plans->schema = InvalidOid;
	namestrcpy(&plans->name, name);
	for (int i = 0; i < FAILPAT_MAX_PLANS && plans->plans[i] != NULL; i++)
	{
		SPIPlanPtr plan = *plans->plans[i];

		*plans->plans[i] = NULL;
		if (plan != NULL)
			(void) SPI_freeplan(plan);
	}
	return quote_identifier(name);
}

void
failpat_plans_made(FailpatPlans *plans, Oid schema)
{
	plans->schema = schema;
}
