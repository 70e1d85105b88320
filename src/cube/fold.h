/*-------------------------------------------------------------------------
 *
 * fold.h
 *		A cube without its strata, and where they are.
 *
 * Strata (buckets of time, jobs) are never conditions.  Patterns are counted
 * in a cube in which cells that differ in strata only are one; that is often
 * a small part of the cells, as the same combinations are used every day.
 * The cells with their strata are read again only for the combinations whose
 * strata matter (gate C, clusters).
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef FAILPAT_CUBE_FOLD_H
#define FAILPAT_CUBE_FOLD_H

#include "cube/cube.h"

typedef struct FpFold
{
	FpCube		  cube;	 /* no checks; codes of strata are not to be read */
	uint64		 *first; /* by its cells: the first of its parts; one more */
	const FpCube *parts; /* the cells as they were; codes of strata, at least,
						  * whose values need not be in order */
	const int64	 *part_fails;

	/*
	 * Where parts is NULL (so is first): who knows the counts by strata, of
	 * which there is one dimension, the last (see mine/mine.h).
	 */
	const struct FpBuckets *buckets;
} FpFold;

/*
 * Folds a cube, with fails[cell] as the failures, in arena; the cube stays in
 * use.  NULL where it has no strata, or cells that differ in them only are
 * not beside one another: then there is nothing to be gained.
 */
extern FpFold *fp_fold(const FpCube *cube, const int64 *fails, FpArena arena);

/*
 * Folds many cubes, one for each bucket of time, say, without ever having
 * them in memory at once: that of fp_cube_stack, without checks, folded.
 * What is needed meanwhile lives in an arena of the folder, a child of the one
 * given, that goes when it is finished.
 */
typedef struct FpFolder FpFolder;

/* keep_parts: to be finished by fp_folder_finish, else by fp_folder_base */
extern FpFolder *fp_folder_create(FpArena arena, bool keep_parts);

/* the cube is not needed any more on return */
extern void fp_folder_add(FpFolder *folder, const FpCube *cube);

/*
 * The fold, in arena.  stratum_name, which must be the name of no dimension
 * (FP_ERR_DATA), becomes the last one; its values are the numbers of the cubes
 * that have cells, and each has the code of its number from 1.
 */
extern FpFold *fp_folder_finish(FpFolder *folder, const char *stratum_name,
								FpArena arena);

/*
 * The same without the parts, of which the caller knows better: that of the
 * sum of the cubes, which may be of many buckets each, over so many strata.
 * The caller sets buckets.
 */
extern FpFold *fp_folder_base(FpFolder *folder, const char *stratum_name,
							  uint32 nstrata, FpArena arena);

#endif /* FAILPAT_CUBE_FOLD_H */
