/*-------------------------------------------------------------------------
 *
 * read.h
 *		Reading a cube: which cells meet conditions, and totals.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef FAILPAT_CUBE_READ_H
#define FAILPAT_CUBE_READ_H

#include "cube/cube.h"

typedef enum FpTest
{
	FP_TEST_NEVER,	/* nothing meets it: an unknown value */
	FP_TEST_NULL,	/* not recorded */
	FP_TEST_VALUES, /* has all of these values (one, unless it is a set) */
	FP_TEST_EMPTY,	/* the empty set */
	FP_TEST_RANGE,	/* an ordinal value from min to max, both included */
	FP_TEST_COUNT	/* a set of so many members, from min to max */
} FpTest;

typedef struct FpCondition
{
	int			  dim;
	FpTest		  test;
	uint32		  nvalues;
	const uint32 *values; /* codes of values */
	double		  min;	  /* may be -infinity */
	double		  max;	  /* may be infinity */
} FpCondition;

/* a flag per code of a dimension, 0 among them: does it meet a condition? */
extern bool *fp_condition_codes(FpArena arena, const FpDim *dim,
								const FpCondition *condition);

/* a flag per cell: does it meet all conditions?  In arena. */
extern bool *fp_cube_match(FpArena arena, const FpCube *cube,
						   const FpCondition *conditions, int nconditions);

/*
 * Sums of trials and failures by some dimensions.  A cell counts once for each
 * member of a set, so sums over a set dimension can exceed the cube's.
 *
 * codes[r * ndims + i] is the value of row r in dimension dims[i]: 0 for not
 * recorded, 1..nvalues, or nvalues + 1 for the empty set.  Rows are
 * ordered by value, the empty set and "not recorded" coming last.
 */
typedef struct FpTotals
{
	uint64	n;
	uint32 *codes;
	int64  *trials;
	int64  *failures;
} FpTotals;

/* limit: bytes that the work may need, 0 for any; FP_ERR_LIMIT beyond it */
extern FpTotals *fp_cube_totals(FpArena arena, const FpCube *cube,
								const int *dims, int ndims, size_t limit);

/* code of a number of an ordinal dimension, or 0 where it does not occur */
extern uint32 fp_cube_find_number(const FpDim *dim, double number);

#endif /* FAILPAT_CUBE_READ_H */
