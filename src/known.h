/*-------------------------------------------------------------------------
 *
 * known.h
 *		Conditions from SQL, in the codes of a cube.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef FAILPAT_KNOWN_H
#define FAILPAT_KNOWN_H

#include "failpat.h"

#include "utils/jsonb.h"

#include "cube/cube.h"
#include "mine/alternatives.h"

/* dimension of a name, or -1; an "avatar" is found as "character" too */
extern int failpat_known_dim(const FpCube *cube, const char *name, int len);

/*
 * Conditions in the codes of the cube.  False where the cube does not know one
 * of their values or dimensions, or they are more than a pattern has: then
 * the cube has no data about them.
 */
extern bool failpat_known_read(const FpCube *cube, Jsonb *conditions,
							   FpKnownPattern *known);

#endif /* FAILPAT_KNOWN_H */
