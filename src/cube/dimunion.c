/*-------------------------------------------------------------------------
 *
 * dimunion.c
 *		One dimension of several cubes: all values that it has.
 *
 * The result lies in the caller's arena, all else in a child of it that is
 * gone on return.  Takes no locks.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#include "cube/dimunion.h"

#include "cube/dict.h"

/* A value on its way to its place. */
typedef struct Value
{
	FpText text;
	double number;
	uint32 found; /* as which it was found */
} Value;

static int
by_bytes(const void *a, const void *b)
{
	const FpText *x = &((const Value *) a)->text;
	const FpText *y = &((const Value *) b)->text;
	int			  cmp = memcmp(x->data, y->data, Min(x->len, y->len));

	if (cmp != 0)
		return cmp;
	return x->len < y->len ? -1 : x->len > y->len;
}

static int
by_number(const void *a, const void *b)
{
	double x = ((const Value *) a)->number;
	double y = ((const Value *) b)->number;

	return x < y ? -1 : x > y;
}

/*
 * As the builder of cubes does it: a value is a set of one where there are
 * sets, and a dimension of which nothing was ever recorded fits any other.
 */
static FpDimKind
common_kind(const FpDim *const *dims, int n)
{
	const FpDim *first = NULL;
	FpDimKind	 kind = FP_NOMINAL;

	for (int i = 0; i < n; i++)
	{
		const FpDim *dim = dims[i];

		if (!dim || (dim->kind == FP_NOMINAL && dim->nvalues == 0))
			continue;
		if (!first)
		{
			first = dim;
			kind = dim->kind;
		}
		else if (kind == FP_NOMINAL && dim->kind == FP_SET)
			kind = FP_SET;
		else if (dim->kind != kind &&
				 !(kind == FP_SET && dim->kind == FP_NOMINAL))
			fp_dim_conflict(&dim->name, kind, dim->kind);
	}
	return kind;
}

static void
add_values(FpArena scratch, FpDict *dict, Value **values, uint32 *capacity,
		   const FpDim *dim, uint32 *found)
{
	found[0] = 0;
	for (uint32 v = 1; v <= dim->nvalues; v++)
	{
		const FpText *text = &dim->values[v - 1];
		uint32		  hash = fp_hash_bytes(text->data, text->len);
		uint32		  code = fp_dict_find(dict, text->data, text->len, hash);

		if ((v & 0xfff) == 0)
			FP_CHECK_INTERRUPTS();
		if (code == 0)
		{
			code = fp_dict_add(scratch, dict, text->data, text->len, hash);
			if (code > *capacity)
			{
				uint32 more = Max(64, 2 * *capacity);

				*values = *values ? fp_realloc_array(scratch, *values, Value,
													 *capacity, more)
								  : fp_alloc_array(scratch, Value, more);
				*capacity = more;
			}
			(*values)[code - 1].text = *text;
			(*values)[code - 1].number =
				dim->numbers ? dim->numbers[v - 1] : 0;
			(*values)[code - 1].found = code;
		}
		found[v] = code;
	}
}

FpDim
fp_dim_union(FpArena arena, const FpDim *const *dims, int n, uint32 **codes)
{
	const FpDim *only = NULL;
	bool		 several = false;
	FpArena		 scratch;
	FpDim		 all;
	FpDict		 dict = {0};
	Value		*values = NULL;
	uint32		*place;
	uint32		 capacity = 0;

	for (int i = 0; i < n; i++)
	{
		codes[i] = NULL;
		several |= only && dims[i];
		only = dims[i] ? dims[i] : only;
	}
	if (!several)
		return *only;

	memset(&all, 0, sizeof(all));
	all.name = only->name;
	all.kind = common_kind(dims, n);
	scratch = fp_arena_create(arena, "failpat values");
	for (int i = 0; i < n; i++)
	{
		if (!dims[i])
			continue;
		codes[i] =
			fp_alloc_array(arena, uint32, (uint64) dims[i]->nvalues + 1);
		add_values(scratch, &dict, &values, &capacity, dims[i], codes[i]);
	}
	if (dict.n > 1)
		qsort(values, dict.n, sizeof(Value),
			  all.kind == FP_ORDINAL ? by_number : by_bytes);

	all.nvalues = dict.n;
	all.values = fp_alloc_array(arena, FpText, (uint64) dict.n + 1);
	if (all.kind == FP_ORDINAL)
		all.numbers = fp_alloc_array(arena, double, (uint64) dict.n + 1);
	place = fp_alloc_array(scratch, uint32, (uint64) dict.n + 1);
	place[0] = 0;
	for (uint32 v = 0; v < dict.n; v++)
	{
		all.values[v] = values[v].text;
		if (all.numbers)
			all.numbers[v] = values[v].number;
		place[values[v].found] = v + 1;
	}
	for (int i = 0; i < n; i++)
		for (uint32 v = 1; dims[i] && v <= dims[i]->nvalues; v++)
			codes[i][v] = place[codes[i][v]];
	fp_arena_delete(scratch);
	return all;
}
