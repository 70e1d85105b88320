/*-------------------------------------------------------------------------
 *
 * project.h
 *		A cube with some of its dimensions only.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef FAILPAT_CUBE_PROJECT_H
#define FAILPAT_CUBE_PROJECT_H

#include "cube/cube.h"

/*
 * The cube of the same observations that knows these dimensions (numbers of
 * them, each once) and no others, in canonical order, in arena.  A set stays
 * whole, so nothing is counted twice.  keep: a flag per cell, those without it
 * are left out; NULL: all stay.
 */
extern FpCube *fp_cube_project(FpArena arena, const FpCube *cube,
							   const bool *keep, const int *dims, int ndims);

#endif /* FAILPAT_CUBE_PROJECT_H */
