/*-------------------------------------------------------------------------
 *
 * conditions.h
 *		Conditions on one observation's dimensions.
 *
 * The same language as failpat_cube_match() of cubes.h, which asks it of a
 * cube's cells: {"dimension": condition}, with what an observation's "dims"
 * hold in place of codes.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef FAILPAT_CONDITIONS_H
#define FAILPAT_CONDITIONS_H

#include "failpat.h"

#include "utils/jsonb.h"

typedef struct FailpatConditions FailpatConditions;

/*
 * Read conditions, into cx; the result refers to them.  ordinal: names of the
 * ordinal dimensions, whose values are compared as numbers.  Errors of class
 * 22.
 */
extern FailpatConditions *failpat_conditions_read(Jsonb *conditions,
												  const char *const *ordinal,
												  int				 nordinal,
												  MemoryContext		 cx);

/*
 * Do the dimensions of an observation ({"name": value, ...}, sets as arrays)
 * meet all conditions?  What is absent or null is not recorded.
 */
extern bool failpat_conditions_met(const FailpatConditions *conditions,
								   Jsonb				   *dims);

#endif /* FAILPAT_CONDITIONS_H */
