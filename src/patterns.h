/*-------------------------------------------------------------------------
 *
 * patterns.h
 *		What other files that talk to the server may use of the miner.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef FAILPAT_PATTERNS_H
#define FAILPAT_PATTERNS_H

#include "postgres.h"

#include "fmgr.h"
#include "utils/jsonb.h"

#include "mine/mine.h"

/*
 * Options from six arguments of an SQL function, the first of them number
 * "first": max_arity, alpha, min_trials, min_risk_ratio, direction, check.  A
 * NULL means the default; one that is out of range is an error.
 */
extern void failpat_mine_options(FunctionCallInfo fcinfo, int first,
								 const FpCube *cube, FpMineOptions *options);

/*
 * The code of a check by name, FP_EACH_CHECK for "*"; an error that lists them
 * if there is none.
 */
extern int failpat_find_check(const FpCube *cube, const char *name);

/* conditions as everywhere in failpat, palloc'd: {"lora": ["3", "7"], ...} */
extern Jsonb *failpat_conditions(const FpCube			  *cube,
								 const FpPatternCondition *conditions,
								 int					   nconditions);

/*
 * The cubes of a failure_cube[] as one, with a stratum ("time", or
 * "fp_stratum" where there is such a dimension) for each; in cx.  NULL where
 * the array has none; NULL elements have no observations.
 */
extern FpCube *failpat_cube_from_array(Datum datum, MemoryContext cx);

/*
 * The same folded, without checks; a cube at a time is in memory.  nstrata, if
 * not 0: without parts, the sum of the cubes, over so many strata.
 */
extern FpFold *failpat_fold_array(Datum datum, uint32 nstrata,
								  MemoryContext cx);

/*
 * Mines the cube, or the fold, by options as above, and puts the rows of
 * fp_patterns into the result of the function; what is allocated is cx's.
 */
extern void failpat_mine(FunctionCallInfo fcinfo, int first,
						 const FpCube *cube, const FpFold *fold,
						 MemoryContext cx);

#endif /* FAILPAT_PATTERNS_H */
