/*-------------------------------------------------------------------------
 *
 * changes.h
 *		Counts of a check in a cube.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef FAILPAT_CHANGES_H
#define FAILPAT_CHANGES_H

#include "cubes.h"

/* The check's code, or -1: a check that a bucket does not know failed never. */
extern int failpat_check_code(const FpCube *cube, const text *check);

/* Failures of a cell: of all checks together, or of one. */
extern int64 failpat_cell_failures(const FpCube *cube, uint64 cell,
								   bool by_check, int check);

#endif /* FAILPAT_CHANGES_H */
