/*-------------------------------------------------------------------------
 *
 * columns.h
 *		Cells to learn from, in few bytes each.
 *
 * A fit reads all cells several times, so they are kept small: dimensions of
 * few values share a column, whose code stands for one value of each of them;
 * a code takes one, two or four bytes, a count one.  What a model says of a
 * cell is then looked up once for several dimensions.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef FAILPAT_PREDICT_COLUMNS_H
#define FAILPAT_PREDICT_COLUMNS_H

#include "cube/cube.h"

#define FP_BLOCK_ROWS 256 /* rows that are looked at together */

typedef struct FpColumn
{
	uint32 size;  /* codes are 0 .. size - 1 */
	int	   width; /* bytes of a code */
	void  *codes;
} FpColumn;

/* Where a dimension is: its code is code / stride % ncodes of the column. */
typedef struct FpPlace
{
	int	   column; /* -1: nowhere */
	uint32 stride;
	uint32 ncodes;
	int64 *trials; /* by code, once fp_columns_total has been called */
	int64 *failures;
} FpPlace;

/* A row whose trials do not fit into a byte. */
typedef struct FpLargeRow
{
	uint64 row;
	int64  trials;
	int64  failures;
} FpLargeRow;

typedef struct FpColumns
{
	FpArena		arena;
	int			ndims; /* of the cube */
	FpPlace	   *places;
	int			ncolumns;
	FpColumn   *columns;
	uint32	   *last; /* codes of the last row */
	uint64		n;
	uint8	   *trials; /* 0: it is one of large[], which are in order */
	uint8	   *failures;
	uint64		nlarge;
	uint64		large_cap;
	FpLargeRow *large;

	/*
	 * Terms of rows that are not told by one dimension: of block b, entries
	 * term_starts[b] .. term_starts[b + 1] - 1.  NULL: there are none.
	 */
	uint64 *term_starts;
	uint8  *term_rows; /* within the block */
	uint32 *terms;
} FpColumns;

/* codes that a dimension has in cells, 0 included */
static inline uint32
fp_ncodes(const FpDim *dim)
{
	return (dim->kind == FP_SET ? dim->nsets : dim->nvalues) + 1;
}

/*
 * Room for "cap" rows of cells of a cube; strata other than the dimension
 * time_dim have no place.
 */
extern FpColumns *fp_columns_create(FpArena arena, const FpCube *cube,
									int time_dim, uint64 cap);

/* Cells that are added, by dimension of the cube. */
typedef struct FpCells
{
	uint64		   n;
	uint32 *const *codes; /* NULL: the dimension is fixed[] in all of them */
	uint32 *const *remap; /* NULL, or NULL of a dimension: codes as they are */
	const uint32  *fixed;
	const int64	  *trials;
	const int64	  *failures;
} FpCells;

/* fold: a cell that is like the one before it is added to it */
extern void fp_columns_add(FpColumns *columns, const FpCells *cells,
						   bool fold);

/* sums of trials and failures, in the places */
extern void fp_columns_total(FpColumns *columns);

/* code of a dimension, which must have a place */
static inline uint32
fp_columns_code(const FpColumns *columns, int d, uint64 row)
{
	const FpPlace  *place = &columns->places[d];
	const FpColumn *column = &columns->columns[place->column];
	uint32 code = column->width == 1   ? ((const uint8 *) column->codes)[row]
				  : column->width == 2 ? ((const uint16 *) column->codes)[row]
									   : ((const uint32 *) column->codes)[row];

	return code / place->stride % place->ncodes;
}

/* codes of n rows from "row" on, of a column */
extern void fp_columns_read(const FpColumns *columns, int column, uint64 row,
							uint32 n, uint32 *codes);

/*
 * Trials and failures of n rows from "row" on.  *large is the first of the
 * large rows that may be among them, and then the first behind them: 0 for row
 * 0, and the same variable for ascending rows.
 */
extern void fp_columns_counts(const FpColumns *columns, uint64 row, uint32 n,
							  uint64 *large, int64 *trials, int64 *failures);

#endif /* FAILPAT_PREDICT_COLUMNS_H */
