/*-------------------------------------------------------------------------
 *
 * crosstab.h
 *		Two dimensions of cubes against each other.
 *
 * The cubes are those of stretches of time, say: what is counted is their sum,
 * which is never made.  A cell of the table counts the observations that have the row's value and
 * the column's.  A set-valued dimension counts an observation under each of
 * its members, so its cells add up to more than there are observations; the
 * same set-valued dimension on both axes gives pairs used together, with the
 * single values on the diagonal.  What is not recorded is no row and no
 * column; nor is the empty set.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef FAILPAT_CUBE_CROSSTAB_H
#define FAILPAT_CUBE_CROSSTAB_H

#include "cube/scan.h"

/* A table with more cells than this is not one that anybody looks at. */
#define FP_CROSSTAB_MAX_CELLS 1048576
#define FP_CROSSTAB_MAX_BOUNDS 1000

/* What is asked for on one axis. */
typedef struct FpAxisSpec
{
	const char *axis;  /* "row" or "col", for error messages */
	uint32		limit; /* keep so many members, by failures; 0: all */

	/*
	 * Ordinal dimensions only: where a new bin starts, ascending.  4 and 7
	 * give the bins "<4", "4-6" and "7+".
	 */
	int			  nbounds; /* 0: each number by itself */
	const double *bounds;
} FpAxisSpec;

typedef struct FpAxisMember
{
	FpText label; /* the value's text or the bin's; unique on its axis */
	uint32 code;  /* of the value in the axis' dimension; 0 for a bin */

	/*
	 * Ordinal dimensions: the smallest and largest number that belongs to it,
	 * inclusive; -INFINITY and INFINITY where it has no end on that side.
	 * The condition "min <= value <= max" selects what the member counts.
	 */
	double min, max;

	/* all observations with this value, whatever the other axis says */
	int64 trials;
	int64 failures;
} FpAxisMember;

typedef struct FpAxis
{
	/* the dimension, with the values that it has in any of the cubes; sets of
	 * them are not to be read */
	FpDim		  dim;
	uint32		  nmembers;
	FpAxisMember *members; /* numbers in their order (also numbers that are
							* values of a nominal dimension), others by
							* their bytes */
} FpAxis;

typedef struct FpCrosstab
{
	FpAxis row;
	FpAxis col;
	bool   one_dim; /* which is on both axes */

	/* cells with trials, by row, then column; indexes into members */
	uint32	ncells;
	uint32 *cell_row;
	uint32 *cell_col;
	int64  *trials;
	int64  *failures;

	/* of all that meets the conditions */
	int64 total_trials;
	int64 total_failures;
} FpCrosstab;

/*
 * Cross-tabulates the dimensions that scans tell, the first one as rows, of
 * the cells that they let pass; each is read once or twice.  check: whose failures are
 * then the failures, which needs scans that tell checks, or NULL for "failed".
 * The result lies in arena, and refers to the texts of the cubes.  NULL where
 * none of the cubes has the one dimension, or none the other.
 *
 * Errors: FP_ERR_DATA where bounds are not finite and ascending, are given
 * for a dimension that is not ordinal, where both axes are one dimension
 * that is not set-valued, or where a dimension is of different kinds;
 * FP_ERR_LIMIT where the table has too many cells.
 */
extern FpCrosstab *fp_crosstab(FpArena arena, FpScan *const *scans, int nscans,
							   const FpAxisSpec *row, const FpAxisSpec *col,
							   const FpText *check);

#endif /* FAILPAT_CUBE_CROSSTAB_H */
