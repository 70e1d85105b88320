/*-------------------------------------------------------------------------
 *
 * rowindex.c
 *		Where in a time bucket the observations of a value are: making the
 *		index.  rowindex_bytes.h says how it lies in bytes; rowfind.c reads.
 *
 * Memory: what is being built lives in the builder's arena, the result in the
 * caller's.  No locks.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#include "cube/rowindex_bytes.h"

/* --- building ---------------------------------------------------------- */

FpRowIndexBuilder *
fp_rowindex_create(FpArena arena, size_t limit)
{
	FpRowIndexBuilder *builder = fp_alloc0(arena, sizeof(FpRowIndexBuilder));

	builder->arena = arena;
	builder->limit = limit;
	builder->buf_cap = 256;
	builder->buf = fp_alloc(arena, builder->buf_cap);
	builder->rows_cap = 256;
	builder->at = fp_alloc_array(arena, int64, builder->rows_cap);
	builder->offsets = fp_alloc_array(arena, uint64, builder->rows_cap + 1);
	builder->offsets[0] = 0;
	builder->keys_cap = 2048;
	builder->keys = fp_alloc_array(arena, uint32, builder->keys_cap);
	return builder;
}

static void
check_limit(FpRowIndexBuilder *builder, size_t more)
{
	if (builder->limit > 0 &&
		fp_arena_used(builder->arena) + more > builder->limit)
		builder->given_up = true;
}

int
fp_rowindex_dim(FpRowIndexBuilder *builder, const char *name, size_t len,
				bool ordinal)
{
	FpRowIndexDim *dim;
	char		  *copy;
	size_t		   n;

	for (int d = 0; d < builder->ndims; d++)
		if (builder->dims[d].name.len == len &&
			memcmp(builder->dims[d].name.data, name, len) == 0)
			return d;
	if (builder->given_up || builder->ndims == FP_MAX_DIMS)
	{
		builder->given_up = true;
		return -1;
	}
	dim = &builder->dims[builder->ndims];
	copy = fp_alloc(builder->arena, len + 32);
	n = (size_t) snprintf(copy, 32, "%u:", (uint32) len);
	memcpy(copy + n, name, len);
	dim->name.data = copy + n;
	dim->name.len = (uint32) len;
	dim->ref.data = copy;
	dim->ref.len = (uint32) (n + len);
	dim->ordinal = ordinal;
	return builder->ndims++;
}

void
fp_rowindex_row(FpRowIndexBuilder *builder, int64 at)
{
	if (builder->given_up)
		return;
	if (builder->nrows == builder->rows_cap)
	{
		uint64 cap = builder->rows_cap * 2;

		check_limit(builder, cap * 32);
		if (builder->given_up || cap >= FP_MAX_VALUES)
		{
			builder->given_up = true;
			return;
		}
		builder->at = fp_realloc_array(builder->arena, builder->at, int64,
									   builder->rows_cap, cap);
		builder->offsets =
			fp_realloc_array(builder->arena, builder->offsets, uint64,
							 builder->rows_cap + 1, cap + 1);
		builder->rows_cap = cap;
	}
	builder->at[builder->nrows++] = at;
	builder->offsets[builder->nrows] = builder->nkeys;
}

/* the code of a key, made of its parts; dim: with its length before it */
static uint32
key_code(FpRowIndexBuilder *builder, char tag, const FpText *dim,
		 const char *value, size_t len)
{
	size_t need = 1 + len + (dim ? dim->len : 0);
	size_t n = 0;
	uint32 hash;
	uint32 code;

	if (need > builder->buf_cap)
	{
		builder->buf = fp_realloc_array(builder->arena, builder->buf, char,
										builder->buf_cap, need);
		builder->buf_cap = need;
	}
	builder->buf[n++] = tag;
	if (dim)
	{
		memcpy(builder->buf + n, dim->data, dim->len);
		n += dim->len;
	}
	if (len > 0)
		memcpy(builder->buf + n, value, len);
	n += len;
	hash = fp_hash_bytes(builder->buf, n);
	code = fp_dict_find(&builder->names, builder->buf, n, hash);
	if (likely(code != 0))
		return code;
	check_limit(builder, n);
	return fp_dict_add(builder->arena, &builder->names, builder->buf, n, hash);
}

/* the row has that key; not twice */
static void
put_key(FpRowIndexBuilder *builder, uint32 code)
{
	uint64 first = builder->offsets[builder->nrows - 1];

	for (uint64 i = first; i < builder->nkeys; i++)
		if (builder->keys[i] == code)
			return;
	if (builder->nkeys == builder->keys_cap)
	{
		uint64 cap = builder->keys_cap * 2;

		check_limit(builder, cap * sizeof(uint32));
		if (builder->given_up)
			return;
		builder->keys = fp_realloc_array(builder->arena, builder->keys, uint32,
										 builder->keys_cap, cap);
		builder->keys_cap = cap;
	}
	builder->keys[builder->nkeys++] = code;
	builder->offsets[builder->nrows] = builder->nkeys;
}

/* the dimension of a row that is told something about; NULL: no more */
static FpRowIndexDim *
row_dim(FpRowIndexBuilder *builder, int d, bool ordinal)
{
	FpRowIndexDim *dim;

	if (builder->given_up)
		return NULL;
	dim = &builder->dims[d];
	if (dim->ordinal != ordinal)
	{
		builder->given_up = true;
		return NULL;
	}
	dim->last_row = builder->nrows;
	return dim;
}

void
fp_rowindex_value(FpRowIndexBuilder *builder, int d, const char *value,
				  size_t len)
{
	FpRowIndexDim *dim = row_dim(builder, d, false);

	if (dim)
		put_key(builder, key_code(builder, 'v', &dim->ref, value, len));
}

void
fp_rowindex_empty(FpRowIndexBuilder *builder, int d)
{
	FpRowIndexDim *dim = row_dim(builder, d, false);

	if (dim)
		put_key(builder, key_code(builder, 'e', &dim->ref, NULL, 0));
}

void
fp_rowindex_failed(FpRowIndexBuilder *builder)
{
	if (!builder->given_up)
		put_key(builder, key_code(builder, 'f', NULL, NULL, 0));
}

void
fp_rowindex_check(FpRowIndexBuilder *builder, const char *check, size_t len)
{
	if (!builder->given_up)
		put_key(builder, key_code(builder, 'c', NULL, check, len));
}

void
fp_rowindex_number(FpRowIndexBuilder *builder, int d, double number)
{
	FpRowIndexDim *dim = row_dim(builder, d, true);
	uint64		   word;
	uint32		   code;

	if (!dim)
		return;
	if (number == 0)
		number = 0; /* not -0 */
	memcpy(&word, &number, sizeof(word));
	code = fp_words_find(&dim->number_codes, word);
	if (code == 0)
	{
		if (dim->nnumbers == dim->numbers_cap)
		{
			uint32 cap = dim->numbers_cap ? dim->numbers_cap * 2 : 16;

			check_limit(builder, (size_t) cap * 32);
			if (builder->given_up)
				return;
			dim->numbers =
				dim->numbers ? fp_realloc_array(builder->arena, dim->numbers,
												double, dim->numbers_cap, cap)
							 : fp_alloc_array(builder->arena, double, cap);
			dim->numbers_cap = cap;
		}
		dim->numbers[dim->nnumbers++] = number;
		code = dim->nnumbers;
		fp_words_add(builder->arena, &dim->number_codes, word, code);
	}
	if (builder->nrows > dim->codes_cap)
	{
		uint32 *codes =
			fp_alloc0_array(builder->arena, uint32, builder->rows_cap);

		check_limit(builder, 0);
		if (dim->codes)
			memcpy(codes, dim->codes, dim->codes_cap * sizeof(uint32));
		fp_free(builder->arena, dim->codes);
		dim->codes = codes;
		dim->codes_cap = builder->rows_cap;
	}
	dim->codes[builder->nrows - 1] = code;
}

/* --- encoding ---------------------------------------------------------- */

typedef struct Entry
{
	uint64 hash;
	uint32 key;	   /* code of the key */
	uint32 nrows;  /* rows that have it */
	uint64 first;  /* its rows: rows[first .. first + nrows - 1] */
	int	   column; /* dimension whose column it is, or -1 */
	bool   bits;   /* stored as a bit for each row */
	uint64 begin;
	uint64 size;
} Entry;

typedef struct Moment
{
	int64  at;
	uint32 row;
} Moment;

static int
compare_moments(const void *a, const void *b)
{
	const Moment *x = a;
	const Moment *y = b;

	if (x->at != y->at)
		return x->at < y->at ? -1 : 1;
	return x->row < y->row ? -1 : x->row > y->row;
}

static int
compare_entries(const void *a, const void *b)
{
	const Entry *x = a;
	const Entry *y = b;

	return x->hash < y->hash ? -1 : x->hash > y->hash;
}

static int
compare_doubles(const void *a, const void *b)
{
	double x = *(const double *) a;
	double y = *(const double *) b;

	return x < y ? -1 : x > y;
}

/* rows in order of time */
static Moment *
sorted_rows(FpRowIndexBuilder *builder)
{
	Moment *rows = fp_alloc_array(builder->arena, Moment, builder->nrows + 1);
	bool	sorted = true;

	for (uint64 r = 0; r < builder->nrows; r++)
	{
		rows[r].at = builder->at[r];
		rows[r].row = (uint32) r;
		sorted &= r == 0 || rows[r - 1].at <= rows[r].at;
	}
	FP_CHECK_INTERRUPTS();
	if (!sorted)
		qsort(rows, builder->nrows, sizeof(Moment), compare_moments);
	FP_CHECK_INTERRUPTS();
	return rows;
}

static size_t
varint_size(uint64 value)
{
	size_t n = 1;

	for (; value >= 0x80; value >>= 7)
		n++;
	return n;
}

static char *
put_varint(char *to, uint64 value)
{
	for (; value >= 0x80; value >>= 7)
		*to++ = (char) (value | 0x80);
	*to++ = (char) value;
	return to;
}

static void
put_column(const FpRowIndexDim *dim, const Moment *rows, uint64 nrows,
		   FpArena arena, char *to)
{
	int		bits = bits_for(dim->nnumbers);
	double *sorted = fp_alloc_array(arena, double, dim->nnumbers + 1);
	uint32 *new_code = fp_alloc_array(arena, uint32, dim->nnumbers + 1);
	uint64	bit = 0;

	/* without a number in any row there is no array either */
	if (dim->nnumbers > 0)
		memcpy(sorted, dim->numbers, dim->nnumbers * sizeof(double));
	qsort(sorted, dim->nnumbers, sizeof(double), compare_doubles);
	new_code[0] = 0;
	for (uint32 v = 0; v < dim->nnumbers; v++)
	{
		const double *found = bsearch(&dim->numbers[v], sorted, dim->nnumbers,
									  sizeof(double), compare_doubles);

		new_code[v + 1] = (uint32) (found - sorted) + 1;
	}
	put_int(to, dim->nnumbers, 4);
	to += 4;
	for (uint32 v = 0; v < dim->nnumbers; v++, to += 8)
	{
		uint64 word;

		memcpy(&word, &sorted[v], 8);
		put_int(to, word, 8);
	}
	for (uint64 r = 0; r < nrows; r++, bit += bits)
	{
		uint32 row = rows[r].row;
		uint64 code = row < dim->codes_cap ? new_code[dim->codes[row]] : 0;

		code <<= bit & 7;
		for (int i = 0; code != 0; i++, code >>= 8)
			to[(bit >> 3) + i] |= (char) code;
	}
	fp_free(arena, sorted);
	fp_free(arena, new_code);
}

static size_t
column_size(const FpRowIndexDim *dim, uint64 nrows)
{
	return 4 + (size_t) dim->nnumbers * 8 +
		   (nrows * bits_for(dim->nnumbers) + 7) / 8 + 8;
}

/* dimension of a key of a value, -1 for those that are of none */
static int
key_dim(const FpRowIndexBuilder *builder, const FpText *key)
{
	uint32 i = 1;
	uint32 len = 0;

	if (key->data[0] != 'v' && key->data[0] != 'e')
		return -1;
	for (; key->data[i] != ':'; i++)
		len = len * 10 + (uint32) (key->data[i] - '0');
	for (int d = 0; d < builder->ndims; d++)
		if (builder->dims[d].name.len == len &&
			memcmp(builder->dims[d].name.data, key->data + i + 1, len) == 0)
			return d;
	return -1;
}

char *
fp_rowindex_encode(FpRowIndexBuilder *builder, FpArena arena, size_t header,
				   size_t *len)
{
	FpArena scratch = builder->arena;
	Moment *rows;
	uint32	nulls[FP_MAX_DIMS];
	uint32	columns[FP_MAX_DIMS];
	uint64	seen[FP_MAX_DIMS];
	int	   *dim_of;
	Entry  *entries;
	uint32 *list;
	uint64	nentries = 0;
	uint64	total = 0;
	uint64	next;
	char   *result;
	int		width = 1;

	if (builder->given_up || builder->nrows == 0)
		return NULL;
	rows = sorted_rows(builder);
	for (int d = 0; d < builder->ndims; d++)
	{
		const FpText *name = &builder->dims[d].ref;

		(void) key_code(builder, 'd', name, NULL, 0);
		nulls[d] = key_code(builder, 'n', name, NULL, 0);
		columns[d] = key_code(builder, 'o', name, NULL, 0);
	}
	entries = fp_alloc0_array(scratch, Entry, (uint64) builder->names.n + 1);
	dim_of = fp_alloc_array(scratch, int, (uint64) builder->names.n + 1);
	for (uint32 k = 0; k < builder->names.n; k++)
	{
		const FpText *key = &builder->names.texts[k];

		entries[k].key = k + 1;
		entries[k].hash = key_hash(key->data, key->len);
		entries[k].column = -1;
		dim_of[k + 1] = key_dim(builder, key);
	}

	/* how many rows each key has, those of nulls among them */
	memset(seen, 0, sizeof(seen));
	for (uint64 r = 0; r < builder->nrows; r++)
	{
		if ((r & 0xfff) == 0)
			FP_CHECK_INTERRUPTS();
		for (uint64 i = builder->offsets[r]; i < builder->offsets[r + 1]; i++)
		{
			uint32 key = builder->keys[i];

			entries[key - 1].nrows++;
			if (dim_of[key] >= 0)
				seen[dim_of[key]] = r + 1;
		}
		for (int d = 0; d < builder->ndims; d++)
		{
			const FpRowIndexDim *dim = &builder->dims[d];
			bool known = dim->ordinal ? r < dim->codes_cap && dim->codes[r] > 0
									  : seen[d] == r + 1;

			if (!known)
				entries[nulls[d] - 1].nrows++;
		}
	}
	for (uint32 k = 0; k < builder->names.n; k++)
	{
		entries[k].first = total;
		total += entries[k].nrows;
		entries[k].nrows = 0;
	}
	check_limit(builder, total * sizeof(uint32));
	if (builder->given_up)
		return NULL;
	list = fp_alloc_array(scratch, uint32, total + 1);
	memset(seen, 0, sizeof(seen));
	for (uint64 r = 0; r < builder->nrows; r++)
	{
		uint32 row = rows[r].row;

		if ((r & 0xfff) == 0)
			FP_CHECK_INTERRUPTS();
		for (uint64 i = builder->offsets[row]; i < builder->offsets[row + 1];
			 i++)
		{
			uint32 key = builder->keys[i];
			Entry *entry = &entries[key - 1];

			list[entry->first + entry->nrows++] = (uint32) r;
			if (dim_of[key] >= 0)
				seen[dim_of[key]] = r + 1;
		}
		for (int d = 0; d < builder->ndims; d++)
		{
			const FpRowIndexDim *dim = &builder->dims[d];
			Entry				*entry = &entries[nulls[d] - 1];
			bool				 known = dim->ordinal
											 ? row < dim->codes_cap && dim->codes[row] > 0
											 : seen[d] == r + 1;

			if (!known)
				list[entry->first + entry->nrows++] = (uint32) r;
		}
	}

	/* a key of no rows is found by not being there */
	for (int d = 0; d < builder->ndims; d++)
		if (builder->dims[d].ordinal)
			entries[columns[d] - 1].column = d;
	for (uint32 k = 0; k < builder->names.n; k++)
	{
		Entry entry = entries[k];
		bool  mark = builder->names.texts[k].data[0] == 'd';

		if (entry.nrows > 0 || entry.column >= 0 || mark)
			entries[nentries++] = entry;
	}
	qsort(entries, nentries, sizeof(Entry), compare_entries);
	for (uint64 e = 1; e < nentries; e++)
		if (entries[e].hash == entries[e - 1].hash)
			return NULL;

	while (width < 8 &&
		   (uint64) rows[builder->nrows - 1].at - (uint64) rows[0].at >=
			   UINT64CONST(1) << (8 * width))
		width++;
	next = FP_ROWINDEX_HEAD + nentries * FP_ROWINDEX_ENTRY +
		   builder->nrows * width;
	for (uint64 e = 0; e < nentries; e++)
	{
		Entry *entry = &entries[e];
		int64  before = -1;

		FP_CHECK_INTERRUPTS();
		entry->begin = next;
		if (entry->column >= 0)
			entry->size =
				column_size(&builder->dims[entry->column], builder->nrows);
		else
			for (uint32 i = 0; i < entry->nrows; i++)
			{
				int64 row = list[entry->first + i];

				entry->size += varint_size((uint64) (row - before - 1));
				before = row;
			}
		/* bits are read without a search, and are not much longer */
		if (entry->column < 0 && entry->nrows >= 64 &&
			(builder->nrows + 7) / 8 <= entry->size * 2)
		{
			entry->bits = true;
			entry->size = (builder->nrows + 7) / 8;
		}
		next += entry->size;
	}
	/* it must be a value, and offsets have four bytes */
	if (next > 0x3f000000 || (builder->limit > 0 && next > builder->limit))
		return NULL;

	result = fp_alloc0(arena, header + next);
	*len = next;
	{
		char *to = result + header;

		to[0] = 'F';
		to[1] = 'R';
		to[2] = 1;
		to[3] = (char) width;
		put_int(to + 4, builder->nrows, 4);
		put_int(to + 8, (uint64) rows[0].at, 8);
		put_int(to + 16, nentries, 4);
		for (uint64 e = 0; e < nentries; e++)
		{
			char *entry = to + FP_ROWINDEX_HEAD + e * FP_ROWINDEX_ENTRY;

			put_int(entry, entries[e].hash, 8);
			put_int(entry + 8, entries[e].begin, 4);
			put_int(entry + 12, entries[e].size, 4);
			put_int(entry + 16,
					entries[e].nrows |
						(entries[e].bits ? FP_ROWINDEX_BITS : 0),
					4);
		}
		for (uint64 r = 0; r < builder->nrows; r++)
			put_int(to + FP_ROWINDEX_HEAD + nentries * FP_ROWINDEX_ENTRY +
						r * width,
					(uint64) rows[r].at - (uint64) rows[0].at, width);
		for (uint64 e = 0; e < nentries; e++)
		{
			const Entry *entry = &entries[e];
			char		*at = to + entry->begin;
			int64		 before = -1;

			FP_CHECK_INTERRUPTS();
			if (entry->column >= 0)
			{
				put_column(&builder->dims[entry->column], rows, builder->nrows,
						   scratch, at);
				continue;
			}
			for (uint32 i = 0; i < entry->nrows; i++)
			{
				int64 row = list[entry->first + i];

				if (entry->bits)
					at[row >> 3] |= (char) (1 << (row & 7));
				else
					at = put_varint(at, (uint64) (row - before - 1));
				before = row;
			}
		}
	}
	return result;
}
