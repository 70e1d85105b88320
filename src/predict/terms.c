/*-------------------------------------------------------------------------
 *
 * terms.c
 *		The terms of a model, and which of them a cell of a cube meets.
 *
 * Everything is in the arenas given; arrays that grow leave nothing behind
 * but what fp_realloc does.  No locks.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#include "predict/terms.h"

#include <math.h>

#define CHECK_EVERY 8192 /* cells between looks at interrupts */
#define MAX_LEVELS 32	 /* of an ordinal dimension */

static uint32
set_size(const FpDim *dim, uint32 code)
{
	return (uint32) (dim->set_offsets[code] - dim->set_offsets[code - 1]);
}

bool
fp_part_met(const FpCube *cube, const FpPart *part, uint32 code)
{
	const FpDim *dim = &cube->dims[part->dim];

	if (part->kind == FP_PART_MISSING)
		return code == 0;
	if (code == 0)
		return false;
	switch (part->kind)
	{
		case FP_PART_VALUE:
			return code == part->code;
		case FP_PART_SINCE:
			return code >= part->code;
		case FP_PART_MEMBER:
			for (uint64 m = dim->set_offsets[code - 1];
				 m < dim->set_offsets[code]; m++)
				if (dim->set_members[m] == part->code)
					return true;
			return false;
		case FP_PART_RANGE:
			return dim->numbers[code - 1] >= part->min &&
				   dim->numbers[code - 1] <= part->max;
		case FP_PART_COUNT:
			return set_size(dim, code) >= part->min &&
				   set_size(dim, code) <= part->max;
		case FP_PART_MISSING:
			break;
	}
	return false;
}

uint32
fp_add_block(FpArena arena, FpModel *model, FpBlockKind kind, int dim,
			 double spread)
{
	FpBlock *block;

	if (model->blocks == NULL)
		model->blocks = fp_alloc_array(arena, FpBlock, 2 * FP_MAX_DIMS + 8);
	block = &model->blocks[model->nblocks];
	block->kind = kind;
	block->dim = dim;
	block->first = model->nterms;
	block->n = 0;
	block->spread = spread;
	return model->nblocks++;
}

FpTerm *
fp_add_term(FpArena arena, FpModel *model, int nparts, const FpPart *parts)
{
	FpTerm *term;
	FpPart *copy = fp_alloc_array(arena, FpPart, nparts + 1);

	/* the room doubles at each power of two */
	if (model->nterms == 0)
		model->terms = fp_alloc_array(arena, FpTerm, 64);
	else if (model->nterms >= 64 && (model->nterms & (model->nterms - 1)) == 0)
		model->terms =
			fp_realloc_array(arena, model->terms, FpTerm, model->nterms,
							 (uint64) model->nterms * 2);
	term = &model->terms[model->nterms++];
	memset(term, 0, sizeof(*term));
	if (nparts > 0)
		memcpy(copy, parts, nparts * sizeof(FpPart));
	term->parts = copy;
	term->nparts = nparts;
	term->block = model->nblocks - 1;
	model->blocks[term->block].n++;
	return term;
}

static void
add_counted(FpArena arena, FpModel *model, FpPart part, int64 trials,
			int64 failures)
{
	FpTerm *term = fp_add_term(arena, model, 1, &part);

	term->trials = trials;
	term->failures = failures;
}

/* smallest number of trials that a value needs to be among the max_terms */
static int64
enough_trials(FpArena arena, const int64 *trials, uint32 n, uint32 max_terms)
{
	int64  floor = 1;
	uint32 kept = 0;

	(void) arena;
	for (uint32 v = 1; v <= n; v++)
		kept += trials[v] >= floor;
	while (kept > max_terms)
	{
		floor *= 2;
		kept = 0;
		for (uint32 v = 1; v <= n; v++)
			kept += trials[v] >= floor;
	}
	return floor;
}

static void
make_values(FpArena arena, FpModel *model, int d, const int64 *trials,
			const int64 *failures, double spread, uint32 max_terms)
{
	uint32 n = model->cube->dims[d].nvalues;
	int64  floor = enough_trials(arena, trials, n, max_terms);
	FpPart part = {FP_PART_VALUE, d, 0, 0, 0};

	fp_add_block(arena, model, FP_BLOCK_VALUES, d, spread);
	for (uint32 v = 1; v <= n; v++)
		if (trials[v] >= floor)
		{
			part.code = v;
			add_counted(arena, model, part, trials[v], failures[v]);
		}
	if (trials[0] > 0)
	{
		part.kind = FP_PART_MISSING;
		part.code = 0;
		add_counted(arena, model, part, trials[0], failures[0]);
	}
}

static void
make_members(FpArena arena, FpModel *model, int d, const int64 *trials,
			 const int64 *failures, double spread, uint32 max_terms)
{
	const FpDim *dim = &model->cube->dims[d];
	int64		*n = fp_alloc0_array(arena, int64, (uint64) dim->nvalues + 1);
	int64		*f = fp_alloc0_array(arena, int64, (uint64) dim->nvalues + 1);
	int64		 counts[FP_MAX_SET_MEMBERS + 1] = {0};
	int64		 failed[FP_MAX_SET_MEMBERS + 1] = {0};
	int64		 floor;
	FpPart		 part = {FP_PART_MEMBER, d, 0, 0, 0};

	for (uint32 s = 1; s <= dim->nsets; s++)
	{
		counts[set_size(dim, s)] += trials[s];
		failed[set_size(dim, s)] += failures[s];
		for (uint64 m = dim->set_offsets[s - 1]; m < dim->set_offsets[s]; m++)
		{
			n[dim->set_members[m]] += trials[s];
			f[dim->set_members[m]] += failures[s];
		}
	}
	floor = enough_trials(arena, n, dim->nvalues, max_terms);
	fp_add_block(arena, model, FP_BLOCK_MEMBERS, d, spread);
	for (uint32 v = 1; v <= dim->nvalues; v++)
		if (n[v] >= floor)
		{
			part.code = v;
			add_counted(arena, model, part, n[v], f[v]);
		}
	if (trials[0] > 0)
	{
		part.kind = FP_PART_MISSING;
		part.code = 0;
		add_counted(arena, model, part, trials[0], failures[0]);
	}
	fp_add_block(arena, model, FP_BLOCK_COUNTS, d, spread / 4);
	part.kind = FP_PART_COUNT;
	part.code = 0;
	for (int k = 0; k <= FP_MAX_SET_MEMBERS; k++)
		if (counts[k] > 0)
		{
			part.min = part.max = k;
			add_counted(arena, model, part, counts[k], failed[k]);
		}
}

static void
make_levels(FpArena arena, FpModel *model, int d, const int64 *trials,
			const int64 *failures, double spread)
{
	const FpDim *dim = &model->cube->dims[d];
	int64		 each = (model->trials - trials[0]) / MAX_LEVELS;
	FpPart		 part = {FP_PART_RANGE, d, 0, 0, 0};
	int64		 n = 0;
	int64		 f = 0;

	fp_add_block(arena, model, FP_BLOCK_LEVELS, d, spread / 4);
	for (uint32 v = 1; v <= dim->nvalues; v++)
	{
		if (n == 0)
			part.min = dim->numbers[v - 1];
		n += trials[v];
		f += failures[v];
		/* a value by itself where there are few, else so many observations */
		if (dim->nvalues <= MAX_LEVELS || n > each || v == dim->nvalues)
		{
			part.max = dim->numbers[v - 1];
			if (n > 0)
				add_counted(arena, model, part, n, f);
			n = f = 0;
		}
	}
	if (trials[0] > 0)
	{
		fp_add_block(arena, model, FP_BLOCK_VALUES, d, spread);
		part.kind = FP_PART_MISSING;
		add_counted(arena, model, part, trials[0], failures[0]);
	}
}

static void
make_periods(FpArena arena, FpModel *model, int d, const int64 *trials,
			 const int64 *failures, double spread)
{
	uint32 n = model->cube->dims[d].nvalues;
	FpPart part = {FP_PART_SINCE, d, 0, 0, 0};

	fp_add_block(arena, model, FP_BLOCK_RECENT, d, spread / 4);
	for (uint32 p = 2; p <= n; p++)
	{
		int64 t = 0;
		int64 f = 0;

		for (uint32 q = p; q <= n; q++)
		{
			t += trials[q];
			f += failures[q];
		}
		part.code = p;
		add_counted(arena, model, part, t, f);
	}
}

void
fp_make_terms(FpArena arena, FpModel *model, const FpColumns *rows,
			  double spread, uint32 max_terms)
{
	const FpCube *cube = model->cube;
	FpTerm		 *term;

	fp_add_block(arena, model, FP_BLOCK_INTERCEPT, -1, 100);
	term = fp_add_term(arena, model, 0, NULL);
	term->trials = model->trials;
	term->failures = model->failures;
	for (int d = 0; d < cube->ndims; d++)
	{
		const int64 *trials = rows->places[d].trials;
		const int64 *failures = rows->places[d].failures;

		if (rows->places[d].column < 0)
			continue;
		if (trials[0] == model->trials)
			continue; /* never recorded */
		switch (cube->dims[d].kind)
		{
			case FP_NOMINAL:
				make_values(arena, model, d, trials, failures, spread,
							max_terms);
				break;
			case FP_SET:
				make_members(arena, model, d, trials, failures, spread,
							 max_terms);
				break;
			case FP_ORDINAL:
				make_levels(arena, model, d, trials, failures, spread);
				break;
			case FP_STRATUM:
				make_periods(arena, model, d, trials, failures, spread);
				break;
		}
	}
}

/* --- index ------------------------------------------------------------- */

/* For each code of d, those of n terms whose part of d is met. */
static FpCodeTerms
index_codes(FpArena arena, const FpModel *model, int d, const uint32 *terms,
			const FpPart *const *parts, uint32 n)
{
	const FpCube *cube = model->cube;
	const FpDim	 *dim = &cube->dims[d];
	FpCodeTerms	  list = {0};
	uint32 *by_value; /* of a nominal dimension or a set: first term + 1 */
	uint32 *next;
	uint32 *others; /* terms that are compared with each code */
	uint32	nothers = 0;

	list.ncodes = fp_ncodes(dim);
	if (n == 0)
		return list;
	by_value = fp_alloc0_array(arena, uint32, (uint64) dim->nvalues + 1);
	next = fp_alloc0_array(arena, uint32, n);
	others = fp_alloc_array(arena, uint32, n);
	for (uint32 i = n; i-- > 0;)
		if (parts[i]->kind == FP_PART_VALUE ||
			parts[i]->kind == FP_PART_MEMBER)
		{
			next[i] = by_value[parts[i]->code];
			by_value[parts[i]->code] = i + 1;
		}
		else
			others[nothers++] = i;
	list.offsets = fp_alloc0_array(arena, uint64, (uint64) list.ncodes + 1);
	/* two rounds: count, then fill */
	for (int round = 0; round < 2; round++)
	{
		uint64 at = 0;

		for (uint32 c = 0; c < list.ncodes; c++)
		{
			uint64 m = 0;
			uint64 to = 1;

			if (c % CHECK_EVERY == 0)
				FP_CHECK_INTERRUPTS();
			list.offsets[c] = at;
			if (c > 0 && dim->kind == FP_SET)
			{
				m = dim->set_offsets[c - 1];
				to = dim->set_offsets[c];
			}
			for (; c > 0 && m < to; m++)
			{
				uint32 v = dim->kind == FP_SET ? dim->set_members[m] : c;

				for (uint32 i = by_value[v]; i != 0; i = next[i - 1])
				{
					if (round == 1)
						list.terms[at] = terms[i - 1];
					at++;
				}
			}
			for (uint32 o = 0; o < nothers; o++)
				if (fp_part_met(cube, parts[others[o]], c))
				{
					if (round == 1)
						list.terms[at] = terms[others[o]];
					at++;
				}
		}
		list.offsets[list.ncodes] = at;
		if (round == 0)
			list.terms = fp_alloc_array(arena, uint32, at + 1);
	}
	return list;
}

static bool
is_simple(const FpModel *model, const FpTerm *term)
{
	return term->nparts == 1 &&
		   model->blocks[term->block].kind < FP_BLOCK_PATTERNS;
}

FpTermIndex *
fp_index_terms(FpArena arena, const FpModel *model)
{
	const FpCube  *cube = model->cube;
	FpTermIndex	  *index = fp_alloc0(arena, sizeof(FpTermIndex));
	uint32		  *anchor = fp_alloc0_array(arena, uint32, model->nterms);
	uint32		  *terms = fp_alloc_array(arena, uint32, model->nterms);
	const FpPart **parts =
		fp_alloc_array(arena, const FpPart *, model->nterms);

	index->ndims = cube->ndims;
	index->used = fp_alloc_array(arena, int, cube->ndims + 1);
	index->anchors = fp_alloc_array(arena, int, cube->ndims + 1);
	index->simple = fp_alloc0_array(arena, FpCodeTerms, cube->ndims + 1);
	index->anchored = fp_alloc0_array(arena, FpCodeTerms, cube->ndims + 1);

	/* of the parts of a term, the rarest is its anchor */
	for (uint32 t = 0; t < model->nterms; t++)
	{
		const FpTerm *term = &model->terms[t];
		int64		  least = PG_INT64_MAX;

		for (int p = 0; p < term->nparts && !is_simple(model, term); p++)
		{
			const FpPart *part = &term->parts[p];
			int64		  trials = model->trials;

			for (uint32 s = 1; s < model->nterms; s++)
			{
				const FpTerm *other = &model->terms[s];

				if (!is_simple(model, other))
					break; /* simple ones come first */
				if (other->parts[0].dim == part->dim &&
					other->parts[0].kind == part->kind &&
					other->parts[0].code == part->code &&
					(part->kind == FP_PART_VALUE ||
					 part->kind == FP_PART_MEMBER))
					trials = other->trials;
			}
			if (trials < least)
			{
				least = trials;
				anchor[t] = (uint32) p;
			}
		}
	}
	for (int d = 0; d < cube->ndims; d++)
		for (int simple = 0; simple < 2; simple++)
		{
			uint32 n = 0;

			for (uint32 t = 1; t < model->nterms; t++)
			{
				const FpTerm *term = &model->terms[t];

				if (is_simple(model, term) == (simple == 1) &&
					term->parts[anchor[t]].dim == d)
				{
					terms[n] = t;
					parts[n++] = &term->parts[anchor[t]];
				}
			}
			if (n > 0 && simple)
				index->used[index->nused++] = d;
			else if (n > 0)
				index->anchors[index->nanchors++] = d;
			if (simple)
				index->simple[d] =
					index_codes(arena, model, d, terms, parts, n);
			else
				index->anchored[d] =
					index_codes(arena, model, d, terms, parts, n);
		}
	return index;
}

/* appends to *list those of the not simple terms that have these codes; codes:
 * by dimension */
static void
match_row(FpArena arena, const FpModel *model, const FpTermIndex *index,
		  const uint32 *codes, uint32 **list, uint64 *n, uint64 *cap)
{
	for (int a = 0; a < index->nanchors; a++)
	{
		int				   d = index->anchors[a];
		const FpCodeTerms *anchored = &index->anchored[d];

		for (uint64 i = anchored->offsets[codes[d]];
			 i < anchored->offsets[codes[d] + 1]; i++)
		{
			const FpTerm *term = &model->terms[anchored->terms[i]];
			bool		  met = true;

			for (int p = 0; p < term->nparts && met; p++)
				met = fp_part_met(model->cube, &term->parts[p],
								  codes[term->parts[p].dim]);
			if (!met)
				continue;
			if (*n == *cap)
			{
				*list = fp_realloc_array(arena, *list, uint32, *cap, *cap * 2);
				*cap *= 2;
			}
			(*list)[(*n)++] = anchored->terms[i];
		}
	}
}

void
fp_index_rows(FpArena arena, const FpModel *model, const FpTermIndex *index,
			  FpRows *rows)
{
	uint64 cap = 1024;
	uint64 n = 0;
	uint32 codes[FP_MAX_DIMS];

	rows->offsets = NULL;
	rows->terms = NULL;
	if (index->nanchors == 0)
		return;
	rows->offsets = fp_alloc_array(arena, uint64, rows->n + 1);
	rows->terms = fp_alloc_array(arena, uint32, cap);
	for (uint64 r = 0; r < rows->n; r++)
	{
		if (r % CHECK_EVERY == 0)
			FP_CHECK_INTERRUPTS();
		rows->offsets[r] = n;
		for (int d = 0; d < index->ndims; d++)
			codes[d] = rows->codes[d] ? rows->codes[d][r] : 0;
		match_row(arena, model, index, codes, &rows->terms, &n, &cap);
	}
	rows->offsets[rows->n] = n;
}

/* which codes of each column may have a term that is not simple */
static bool **
anchored_codes(FpArena arena, const FpTermIndex *index,
			   const FpColumns *columns)
{
	bool **any = fp_alloc0_array(arena, bool *, columns->ncolumns + 1);

	for (int a = 0; a < index->nanchors; a++)
	{
		int				   d = index->anchors[a];
		const FpPlace	  *place = &columns->places[d];
		const FpCodeTerms *anchored = &index->anchored[d];
		uint32			   size = columns->columns[place->column].size;

		if (any[place->column] == NULL)
			any[place->column] = fp_alloc0_array(arena, bool, size);
		for (uint32 j = 0; j < size; j++)
		{
			uint32 c = j / place->stride % place->ncodes;

			if (anchored->offsets[c] < anchored->offsets[c + 1])
				any[place->column][j] = true;
		}
	}
	return any;
}

void
fp_index_columns(FpArena arena, const FpModel *model, const FpTermIndex *index,
				 FpColumns *columns)
{
	uint64	nblocks = (columns->n + FP_BLOCK_ROWS - 1) / FP_BLOCK_ROWS;
	FpArena scratch;
	bool  **any;
	uint64	cap = 1024;
	uint64	rows_cap = 1024;
	uint64	n = 0;

	columns->term_starts = NULL;
	columns->term_rows = NULL;
	columns->terms = NULL;
	if (index->nanchors == 0)
		return;
	scratch = fp_arena_create(arena, "failpat anchors");
	any = anchored_codes(scratch, index, columns);
	columns->term_starts = fp_alloc_array(arena, uint64, nblocks + 1);
	columns->terms = fp_alloc_array(arena, uint32, cap);
	columns->term_rows = fp_alloc_array(arena, uint8, rows_cap);
	for (uint64 b = 0; b < nblocks; b++)
	{
		uint64 first = b * FP_BLOCK_ROWS;
		uint32 many = (uint32) Min(columns->n - first, FP_BLOCK_ROWS);
		bool   maybe[FP_BLOCK_ROWS] = {false};
		uint32 column[FP_BLOCK_ROWS];
		uint32 codes[FP_MAX_DIMS] = {0};

		FP_CHECK_INTERRUPTS();
		columns->term_starts[b] = n;
		for (int c = 0; c < columns->ncolumns; c++)
		{
			if (any[c] == NULL)
				continue;
			fp_columns_read(columns, c, first, many, column);
			for (uint32 i = 0; i < many; i++)
				maybe[i] |= any[c][column[i]];
		}
		for (uint32 i = 0; i < many; i++)
		{
			uint64 before = n;

			if (!maybe[i])
				continue;
			for (int d = 0; d < columns->ndims; d++)
				if (columns->places[d].column >= 0)
					codes[d] = fp_columns_code(columns, d, first + i);
			match_row(arena, model, index, codes, &columns->terms, &n, &cap);
			if (cap > rows_cap)
			{
				columns->term_rows =
					fp_realloc_array(arena, columns->term_rows, uint8,
									 rows_cap, cap);
				rows_cap = cap;
			}
			memset(columns->term_rows + before, (int) i, n - before);
		}
	}
	columns->term_starts[nblocks] = n;
	fp_arena_delete(scratch);
}

uint32
fp_row_terms(const FpTermIndex *index, const FpRows *rows, uint64 row,
			 uint32 *terms)
{
	uint32 n = 0;

	terms[n++] = 0;
	for (int u = 0; u < index->nused; u++)
	{
		int				   d = index->used[u];
		const FpCodeTerms *list = &index->simple[d];
		uint32			   code = rows->codes[d][row];

		for (uint64 i = list->offsets[code];
			 i < list->offsets[code + 1] && n < FP_ROW_TERMS; i++)
			terms[n++] = list->terms[i];
	}
	if (rows->offsets)
		for (uint64 i = rows->offsets[row];
			 i < rows->offsets[row + 1] && n < FP_ROW_TERMS; i++)
			terms[n++] = rows->terms[i];
	return n;
}
