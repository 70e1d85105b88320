/*-------------------------------------------------------------------------
 *
 * cross.c
 *		Sums over the rows that meet two terms, for all pairs of terms.
 *
 * Two dimensions of few values are added up by code first, so that a row costs
 * one addition for all pairs of their terms; the sums are then told by pair of
 * terms.  Otherwise, and where a term has several parts, each row is told.
 *
 * Everything is in a child of the arena given, gone on return.  No locks.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#include "predict/fit.h"

#define CHECK_EVERY 8192 /* rows between looks at interrupts */

typedef struct Cross
{
	const FpTermIndex *index;
	const FpRows	  *rows;
	const FpTwoStored *values;
	FpCrossed		   crossed;
	void			  *arg;
} Cross;

/* Two dimensions with simple terms, or one twice. */
typedef struct DimPair
{
	int	   a;
	int	   b;
	uint64 size; /* pairs of codes */
} DimPair;

static int
by_size(const void *left, const void *right)
{
	const DimPair *x = left;
	const DimPair *y = right;

	if (x->size != y->size)
		return x->size < y->size ? -1 : 1;
	if (x->a != y->a)
		return x->a < y->a ? -1 : 1;
	return x->b < y->b ? -1 : x->b > y->b;
}

/* all pairs of terms of two codes; of one dimension: also the intercept's */
static void
tell(const Cross *cross, const DimPair *pair, uint32 code_a, uint32 code_b,
	 FpTwo sum)
{
	const FpCodeTerms *a = &cross->index->simple[pair->a];
	const FpCodeTerms *b = &cross->index->simple[pair->b];

	for (uint64 i = a->offsets[code_a]; i < a->offsets[code_a + 1]; i++)
	{
		uint64 j = pair->a == pair->b ? i : b->offsets[code_b];

		if (pair->a == pair->b)
			cross->crossed(cross->arg, 0, a->terms[i], sum);
		for (; j < b->offsets[code_b + 1]; j++)
			cross->crossed(cross->arg, a->terms[i], b->terms[j], sum);
	}
}

static void
cross_dims(const Cross *cross, FpArena arena, const DimPair *pair)
{
	const FpRows *rows = cross->rows;
	const uint32 *codes_a = rows->codes[pair->a];
	const uint32 *codes_b = rows->codes[pair->b];
	bool		  one = pair->a == pair->b;
	uint32		  width = one ? 1 : cross->index->simple[pair->b].ncodes;
	FpTwoStored	 *table;

	if (pair->size > rows->n)
	{
		for (uint64 r = 0; r < rows->n; r++)
		{
			if (r % CHECK_EVERY == 0)
				FP_CHECK_INTERRUPTS();
			tell(cross, pair, codes_a[r], codes_b[r], cross->values[r]);
		}
		return;
	}
	table = fp_alloc0_array(arena, FpTwoStored, pair->size);
	for (uint64 r = 0; r < rows->n; r++)
	{
		if (r % CHECK_EVERY == 0)
			FP_CHECK_INTERRUPTS();
		table[(size_t) codes_a[r] * width + (one ? 0 : codes_b[r])] +=
			cross->values[r];
	}
	for (uint64 i = 0; i < pair->size; i++)
	{
		uint32 code_a = (uint32) (i / width);

		if (i % CHECK_EVERY == 0)
			FP_CHECK_INTERRUPTS();
		if (table[i][0] != 0 || table[i][1] != 0)
			tell(cross, pair, code_a, one ? code_a : (uint32) (i % width),
				 table[i]);
	}
	fp_free(arena, table);
}

/* terms of several parts: each with itself, with those like it, and with all
 * simple ones */
static void
cross_others(const Cross *cross, uint64 r)
{
	const FpTermIndex *index = cross->index;
	const FpRows	  *rows = cross->rows;

	for (uint64 i = rows->offsets[r]; i < rows->offsets[r + 1]; i++)
	{
		uint32 t = rows->terms[i];

		cross->crossed(cross->arg, 0, t, cross->values[r]);
		for (uint64 j = i; j < rows->offsets[r + 1]; j++)
			cross->crossed(cross->arg, t, rows->terms[j], cross->values[r]);
		for (int u = 0; u < index->nused; u++)
		{
			const FpCodeTerms *list = &index->simple[index->used[u]];
			uint32			   code = rows->codes[index->used[u]][r];

			for (uint64 j = list->offsets[code]; j < list->offsets[code + 1];
				 j++)
				cross->crossed(cross->arg, list->terms[j], t,
							   cross->values[r]);
		}
	}
}

void
fp_cross_terms(FpArena scratch, const FpTermIndex *index, const FpRows *rows,
			   bool simple, const FpTwoStored *values, FpCrossed crossed,
			   void *arg)
{
	FpArena	 arena = fp_arena_create(scratch, "failpat cross");
	Cross	 cross = {index, rows, values, crossed, arg};
	DimPair *pairs = fp_alloc_array(arena, DimPair,
									(uint64) index->nused * index->nused + 1);
	int		 n = 0;
	FpTwo	 all = {0, 0};

	for (uint64 r = 0; r < rows->n; r++)
		all += values[r];
	crossed(arg, 0, 0, all);
	for (int u = 0; u < index->nused; u++)
		for (int v = u; v < index->nused; v++)
		{
			DimPair *pair = &pairs[n++];

			pair->a = index->used[u];
			pair->b = index->used[v];
			pair->size = index->simple[pair->a].ncodes;
			if (u != v)
				pair->size *= index->simple[pair->b].ncodes;
		}
	qsort(pairs, (size_t) n, sizeof(DimPair), by_size);
	for (int i = 0; i < n; i++)
		cross_dims(&cross, arena, &pairs[i]);
	for (uint64 r = 0; r < rows->n && rows->offsets && !simple; r++)
	{
		if (r % CHECK_EVERY == 0)
			FP_CHECK_INTERRUPTS();
		cross_others(&cross, r);
	}
	fp_arena_delete(arena);
}
