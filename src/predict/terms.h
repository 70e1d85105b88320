/*-------------------------------------------------------------------------
 *
 * terms.h
 *		The terms of a model, and which of them a cell of a cube meets.
 *
 * Shared by the files of this folder.  A term of one part whose block has a
 * dimension is "simple"; the cells that meet it are those with certain codes
 * of that dimension, so simple terms are summed by code.  All others are
 * found by the codes of one of their parts, the rarest, and then compared.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef FAILPAT_PREDICT_TERMS_H
#define FAILPAT_PREDICT_TERMS_H

#include "predict/model.h"

/* For each code of a dimension, some numbers of terms. */
typedef struct FpCodeTerms
{
	uint32	ncodes;	 /* codes are 0 .. ncodes - 1 */
	uint64 *offsets; /* ncodes + 1; NULL: no code has any */
	uint32 *terms;
} FpCodeTerms;

typedef struct FpTermIndex
{
	int			 ndims; /* of the cube */
	int			 nused; /* dimensions with simple terms */
	int			*used;
	FpCodeTerms *simple;   /* by dimension */
	FpCodeTerms *anchored; /* the same, other terms by their anchor */
	int			 nanchors; /* dimensions with anchored terms */
	int			*anchors;
} FpTermIndex;

/* Cells, or a sample of them. */
typedef struct FpRows
{
	uint64		 n;
	uint32	   **codes; /* by dimension of the cube */
	const int64 *trials;
	const int64 *failures;
	double		 share;	  /* of all observations */
	uint64		*offsets; /* not simple terms of a row, or NULL: none */
	uint32		*terms;
} FpRows;

/*
 * The intercept and the simple terms of a cube, with their counts; spread is
 * that of all blocks.  max_terms: of a block; the rarest have none.
 */
extern void fp_make_terms(FpArena arena, FpModel *model, const FpColumns *rows,
						  double spread, uint32 max_terms);

/* append a block, without terms; its number */
extern uint32 fp_add_block(FpArena arena, FpModel *model, FpBlockKind kind,
						   int dim, double spread);

/* append a term to the last block */
extern FpTerm *fp_add_term(FpArena arena, FpModel *model, int nparts,
						   const FpPart *parts);

/* of the terms as they are */
extern FpTermIndex *fp_index_terms(FpArena arena, const FpModel *model);

/* find the terms of each row that are not simple */
extern void fp_index_rows(FpArena arena, const FpModel *model,
						  const FpTermIndex *index, FpRows *rows);

/* the same of columns */
extern void fp_index_columns(FpArena arena, const FpModel *model,
							 const FpTermIndex *index, FpColumns *columns);

/* terms of a row, the intercept first; at most FP_ROW_TERMS */
#define FP_ROW_TERMS 512
extern uint32 fp_row_terms(const FpTermIndex *index, const FpRows *rows,
						   uint64 row, uint32 *terms);

#endif /* FAILPAT_PREDICT_TERMS_H */
