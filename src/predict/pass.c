/*-------------------------------------------------------------------------
 *
 * pass.c
 *		What a Newton step needs of all cells: sums at some effects.
 *
 * A pass adds up gradient and curvature by code of each column, not by term,
 * and looks up what a model says of a cell by column too.  Cells are taken in
 * blocks that stay in the processor's first cache, each step for all of a
 * block; logarithms are of products of many.
 *
 * Everything is in a child of the arena given, gone on return; log-odds are
 * the caller's.  No locks.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#include <math.h>

#include "predict/fit.h"

#define CHECK_EVERY 8192 /* rows, and of columns 32 blocks, between looks */
#define LARGEST 1e100	 /* product of which the logarithm is taken later */
#define FEW_TRIALS 4	 /* as many factors are multiplied one by one */

double **
fp_effect_tables(FpArena arena, const FpModel *model, const FpTermIndex *index)
{
	double **tables = fp_alloc0_array(arena, double *, index->ndims + 1);

	for (int u = 0; u < index->nused; u++)
	{
		int				   d = index->used[u];
		const FpCodeTerms *list = &index->simple[d];

		tables[d] = fp_alloc0_array(arena, double, list->ncodes);
		for (uint32 c = 0; c < list->ncodes; c++)
			for (uint64 i = list->offsets[c]; i < list->offsets[c + 1]; i++)
				tables[d][c] += model->terms[list->terms[i]].effect;
	}
	return tables;
}

void
fp_row_log_odds(FpArena scratch, const FpModel *model,
				const FpTermIndex *index, const FpRows *rows, double *log_odds)
{
	FpArena	 arena = fp_arena_create(scratch, "failpat log-odds");
	double **tables = fp_effect_tables(arena, model, index);

	for (uint64 r = 0; r < rows->n; r++)
	{
		double x = model->terms[0].effect;

		if (r % CHECK_EVERY == 0)
			FP_CHECK_INTERRUPTS();
		for (int u = 0; u < index->nused; u++)
			x += tables[index->used[u]][rows->codes[index->used[u]][r]];
		if (rows->offsets)
			for (uint64 i = rows->offsets[r]; i < rows->offsets[r + 1]; i++)
				x += model->terms[rows->terms[i]].effect;
		log_odds[r] = x;
	}
	fp_arena_delete(arena);
}

/* --- a block ----------------------------------------------------------- */

/* Numbers of the rows of a block; those behind its last are 0. */
typedef struct Block
{
	FpTwo x[FP_BLOCK_ROWS / 2]; /* log-odds */
	FpTwo trials[FP_BLOCK_ROWS / 2];
	FpTwo failures[FP_BLOCK_ROWS / 2];
	FpTwo factor[FP_BLOCK_ROWS / 2]; /* 1 + exp(-|x|) */
	FpTwo sums[FP_BLOCK_ROWS];		 /* of each row: gradient, curvature */

	uint32 nother; /* rows whose trials are not 1, */
	uint32 other[FP_BLOCK_ROWS];
} Block;

typedef struct Pass
{
	const FpModel	*model;
	const FpColumns *columns;
	double		   **effects; /* by column: of each code, */
	FpTwoStored	   **by_code; /* and its sums */
	uint64			 large;
	FpSums			*sums;
} Pass;

static void
read_block(Pass *pass, uint64 row, uint32 n, Block *block)
{
	const FpColumns *columns = pass->columns;
	double			*x = (double *) block->x;
	double			*trials = (double *) block->trials;
	double			*failures = (double *) block->failures;
	const double	 intercept = pass->model->terms[0].effect;

	for (uint32 i = 0; i < n; i++)
	{
		x[i] = intercept;
		trials[i] = columns->trials[row + i];
		failures[i] = columns->failures[row + i];
	}
	for (uint32 i = n; i < FP_BLOCK_ROWS; i++)
		x[i] = trials[i] = failures[i] = 0;
	for (; pass->large < columns->nlarge &&
		   columns->large[pass->large].row < row + n;
		 pass->large++)
	{
		const FpLargeRow *one = &columns->large[pass->large];

		trials[one->row - row] = (double) one->trials;
		failures[one->row - row] = (double) one->failures;
	}
	for (int c = 0; c < columns->ncolumns; c++)
	{
		const FpColumn *column = &columns->columns[c];
		const double   *effects = pass->effects[c];

		if (column->width == 1)
			for (uint32 i = 0; i < n; i++)
				x[i] += effects[((const uint8 *) column->codes + row)[i]];
		else if (column->width == 2)
			for (uint32 i = 0; i < n; i++)
				x[i] += effects[((const uint16 *) column->codes + row)[i]];
		else
			for (uint32 i = 0; i < n; i++)
				x[i] += effects[((const uint32 *) column->codes + row)[i]];
	}
	block->nother = 0;
	for (uint32 i = 0; i < FP_BLOCK_ROWS; i++)
	{
		block->other[block->nother] = i;
		block->nother += trials[i] != 1;
	}
	if (columns->term_starts)
		for (uint64 b = row / FP_BLOCK_ROWS, i = columns->term_starts[b];
			 i < columns->term_starts[b + 1]; i++)
			x[columns->term_rows[i]] +=
				pass->model->terms[columns->terms[i]].effect;
}

/* f x - n log(1 + exp(x)), but for the logarithms of the factors */
static double
compute_block(Block *block)
{
	const FpTwo		 zero = fp_two(0);
	const FpTwo		 one = fp_two(1);
	const FpTwoWords sign = (FpTwoWords) fp_two(-0.0);
	FpTwo			 likely = zero;

	for (int i = 0; i < FP_BLOCK_ROWS / 2; i++)
	{
		FpTwo	   x = block->x[i];
		FpTwo	   n = block->trials[i];
		FpTwoWords positive = x > zero;
		FpTwo	   e = fp_two_exp((FpTwo) ((FpTwoWords) x | sign));
		FpTwo	   factor = one + e;
		FpTwo	   larger = one / factor;
		FpTwo	   smaller = e * larger;
		FpTwo	   p = (FpTwo) (((FpTwoWords) larger & positive) |
							((FpTwoWords) smaller & ~positive));
		FpTwo	   g = block->failures[i] - n * p;
		FpTwo	   w = n * larger * smaller;

		block->factor[i] = factor;
		block->sums[2 * i] = (FpTwo){g[0], w[0]};
		block->sums[2 * i + 1] = (FpTwo){g[1], w[1]};
		likely +=
			block->failures[i] * x - n * (FpTwo) ((FpTwoWords) x & positive);
	}
	return likely[0] + likely[1];
}

/* logarithm of the product of all factors, each as often as it has trials */
static double
log_factors(const Block *block)
{
	const double *trials = (const double *) block->trials;
	const double *factors = (const double *) block->factor;
	FpTwo		  once[2] = {fp_two(1), fp_two(1)};
	double		  product = 1;
	double		  sum = 0;

	/* a factor is 2 at most, so each of the four products is below 2^64 */
	for (int i = 0; i < FP_BLOCK_ROWS / 2; i += 2)
	{
		once[0] *= block->factor[i];
		once[1] *= block->factor[i + 1];
	}
	once[0] *= once[1];
	sum = log(once[0][0] * once[0][1]);
	for (uint32 j = 0; j < block->nother; j++)
	{
		uint32 i = block->other[j];
		double more = trials[i] - 1; /* -1: there is no such row */

		if (more < 0 || more > FEW_TRIALS)
			sum += more * log(factors[i]);
		else
			for (double k = more; k > 0; k--)
				product *= factors[i];
		if (product > LARGEST)
		{
			sum += log(product);
			product = 1;
		}
	}
	return sum + log(product);
}

static void
add_block(Pass *pass, uint64 row, uint32 n, const Block *block)
{
	const FpColumns *columns = pass->columns;

	for (int c = 0; c < columns->ncolumns; c++)
	{
		const FpColumn *column = &columns->columns[c];
		FpTwoStored	   *to = pass->by_code[c];

		if (column->width == 1)
			for (uint32 i = 0; i < n; i++)
				to[((const uint8 *) column->codes + row)[i]] += block->sums[i];
		else if (column->width == 2)
			for (uint32 i = 0; i < n; i++)
				to[((const uint16 *) column->codes + row)[i]] +=
					block->sums[i];
		else
			for (uint32 i = 0; i < n; i++)
				to[((const uint32 *) column->codes + row)[i]] +=
					block->sums[i];
	}
	if (columns->term_starts)
		for (uint64 b = row / FP_BLOCK_ROWS, i = columns->term_starts[b];
			 i < columns->term_starts[b + 1]; i++)
		{
			FpTwo of = block->sums[columns->term_rows[i]];

			pass->sums->gradient[columns->terms[i]] += of[0];
			pass->sums->curvature[columns->terms[i]] += of[1];
		}
}

/* --- a pass ------------------------------------------------------------ */

static void
prepare(Pass *pass, FpArena arena, const FpTermIndex *index)
{
	const FpColumns *columns = pass->columns;
	double		   **tables = fp_effect_tables(arena, pass->model, index);

	pass->effects = fp_alloc_array(arena, double *, columns->ncolumns + 1);
	pass->by_code =
		fp_alloc_array(arena, FpTwoStored *, columns->ncolumns + 1);
	for (int c = 0; c < columns->ncolumns; c++)
	{
		pass->effects[c] =
			fp_alloc0_array(arena, double, columns->columns[c].size);
		pass->by_code[c] =
			fp_alloc0_array(arena, FpTwoStored, columns->columns[c].size);
	}
	for (int u = 0; u < index->nused; u++)
	{
		const FpPlace *place = &columns->places[index->used[u]];
		const double  *table = tables[index->used[u]];
		double		  *effects = pass->effects[place->column];

		for (uint32 j = 0; j < columns->columns[place->column].size; j++)
			effects[j] += table[j / place->stride % place->ncodes];
	}
}

/* from sums by code to sums by term */
static void
finish(Pass *pass, FpArena arena, const FpTermIndex *index)
{
	const FpColumns *columns = pass->columns;
	FpSums			*sums = pass->sums;
	uint32			 nterms = pass->model->nterms;

	/* each row is in all columns */
	for (uint32 j = 0; j < columns->columns[0].size; j++)
	{
		sums->gradient[0] += pass->by_code[0][j][0];
		sums->curvature[0] += pass->by_code[0][j][1];
	}
	for (int u = 0; u < index->nused; u++)
	{
		int				   d = index->used[u];
		const FpPlace	  *place = &columns->places[d];
		const FpCodeTerms *list = &index->simple[d];
		FpTwoStored		  *of_dim =
			fp_alloc0_array(arena, FpTwoStored, place->ncodes);

		for (uint32 j = 0; j < columns->columns[place->column].size; j++)
			of_dim[j / place->stride % place->ncodes] +=
				pass->by_code[place->column][j];
		for (uint32 c = 0; c < list->ncodes; c++)
			for (uint64 i = list->offsets[c]; i < list->offsets[c + 1]; i++)
			{
				sums->gradient[list->terms[i]] += of_dim[c][0];
				sums->curvature[list->terms[i]] += of_dim[c][1];
			}
	}
	/* in units of independent observations */
	for (uint32 t = 0; t < nterms; t++)
	{
		sums->gradient[t] /= pass->model->dispersion;
		sums->curvature[t] /= pass->model->dispersion;
	}
	sums->log_likelihood /= pass->model->dispersion;
}

void
fp_pass(FpArena scratch, const FpModel *model, const FpTermIndex *index,
		const FpColumns *columns, FpSums *sums)
{
	FpArena arena = fp_arena_create(scratch, "failpat pass");
	Pass	pass = {model, columns, NULL, NULL, 0, sums};
	Block	block;

	prepare(&pass, arena, index);
	memset(sums->gradient, 0, model->nterms * sizeof(double));
	memset(sums->curvature, 0, model->nterms * sizeof(double));
	sums->log_likelihood = 0;
	for (uint64 row = 0; row < columns->n; row += FP_BLOCK_ROWS)
	{
		uint32 n = (uint32) Min(columns->n - row, FP_BLOCK_ROWS);

		if (row % CHECK_EVERY == 0)
			FP_CHECK_INTERRUPTS();
		read_block(&pass, row, n, &block);
		sums->log_likelihood += compute_block(&block) - log_factors(&block);
		add_block(&pass, row, n, &block);
	}
	finish(&pass, arena, index);
	fp_arena_delete(arena);
}
