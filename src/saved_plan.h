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

#define FAILPAT_MAX_PLANS 4

/*
 * Plans whose statements name the extension's schema.  They are for it by its
 * OID and by the name that they were made with: a schema can be renamed, and
 * another one take its name.
 */
typedef struct FailpatPlans
{
	SPIPlanPtr *plans[FAILPAT_MAX_PLANS]; /* where they are kept */
	Oid			schema;					  /* InvalidOid: one is missing */
	NameData	name;
} FailpatPlans;

/*
 * The name of the schema, quoted, where the plans are to be made with it, and
 * failpat_plans_made to be called then; NULL where they are there.  Frees what
 * is of another schema or name.  Within SPI.
 */
extern const char *failpat_plans_wanted(FailpatPlans *plans, Oid schema);
extern void		   failpat_plans_made(FailpatPlans *plans, Oid schema);

/*
 * A plan that lives as long as the backend, generic: planning such statements
 * takes longer than running them.  Within SPI.
 */
extern SPIPlanPtr failpat_prepare(const char *sql, int nargs, Oid *types);

#endif /* FAILPAT_SAVED_PLAN_H */
