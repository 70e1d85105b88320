/*-------------------------------------------------------------------------
 *
 * scan.h
 *		The cells of a cube that meet conditions, some hundred at a time.
 *
 * Of each cell its codes in one or two dimensions and its counts are told, be
 * the cube in memory or straight from its bytes: then only the columns that
 * are needed are unpacked, and nothing is kept of a cell.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef FAILPAT_CUBE_SCAN_H
#define FAILPAT_CUBE_SCAN_H

#include "cube/format.h"
#include "cube/read.h"

#define FP_SCAN_CELLS 512 /* at most, at once */
#define FP_SCAN_DIMS 2

/* A column of stored codes. */
typedef struct FpColumn
{
	const uint8 *at;
	int			 bits;
	uint32		 max;
	uint64		 mask;
} FpColumn;

/* What a condition lets pass. */
typedef struct FpFilter
{
	FpColumn	  column;
	const uint32 *codes; /* of a cube in memory */
	const bool	 *meets; /* by code */
} FpFilter;

typedef struct FpScan
{
	/* whose dimensions, values and checks are meant, not its cells */
	const FpCube *cube;
	/* the dimensions that are told; NULL: the cube has no such dimension, and
	 * its codes are 0 */
	const FpDim *dims[FP_SCAN_DIMS];

	/* the cells at hand */
	uint32 n;
	uint32 codes[FP_SCAN_DIMS][FP_SCAN_CELLS];
	int64  trials[FP_SCAN_CELLS];
	int64  failures[FP_SCAN_CELLS];
	/* failures of checks of these cells, where they were asked for */
	uint32	nentries;
	uint32 *entry_cells; /* ascending */
	uint32 *entry_checks;
	int64  *entry_failures;

	/* --- for scan.c only --- */
	const FpPackedCube *packed; /* NULL: the cube is in memory */
	FpColumn			columns[FP_SCAN_DIMS];
	const uint32	   *memory[FP_SCAN_DIMS];
	int					nfilters;
	FpFilter		   *filters;
	bool				checks;
	uint64				next;
	const uint8		   *failures_begin; /* where they lie; NULL: not known */
	const uint8		   *checks_begin;
	const uint8		   *trials_at;
	const uint8		   *failures_at;
	const uint8		   *checks_at;
	int64				total;
} FpScan;

/*
 * Begin, with the cells that meet all conditions.  dims: numbers of two
 * dimensions, or -1.  checks: tell the failures of checks too.  The scan lies
 * in arena and refers to the cube, which is in memory, or packed.
 */
extern FpScan *fp_scan_cube(FpArena arena, const FpCube *cube,
							const FpCondition *conditions, int nconditions,
							const int dims[FP_SCAN_DIMS], bool checks);
extern FpScan *fp_scan_packed(FpArena arena, const FpPackedCube *packed,
							  const FpCondition *conditions, int nconditions,
							  const int dims[FP_SCAN_DIMS], bool checks);

/* the next cells; false where there are none left */
extern bool fp_scan_next(FpScan *scan);

/*
 * The same; failures are those of a check, if one is given, which needs a scan
 * that tells checks.
 */
extern bool fp_scan_next_of(FpScan *scan, const FpText *check);

/* begin anew */
extern void fp_scan_rewind(FpScan *scan);

#endif /* FAILPAT_CUBE_SCAN_H */
