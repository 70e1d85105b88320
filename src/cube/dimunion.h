/*-------------------------------------------------------------------------
 *
 * dimunion.h
 *		One dimension of several cubes: all values that it has.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef FAILPAT_CUBE_DIMUNION_H
#define FAILPAT_CUBE_DIMUNION_H

#include "cube/cube.h"

/*
 * A dimension with the values of n that have its name, in their order, and the
 * kind that the sum of their cubes has; without sets.  *codes[i] tells the code
 * of each value of dims[i] in it, 0 that of 0; NULL where they are the same.
 * Some of dims, not all, may be NULL.  All lies in arena, but for the texts.
 * FP_ERR_DATA where the kinds do not go together.
 */
extern FpDim fp_dim_union(FpArena arena, const FpDim *const *dims, int n,
						  uint32 **codes);

#endif /* FAILPAT_CUBE_DIMUNION_H */
