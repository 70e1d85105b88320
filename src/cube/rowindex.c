/*-------------------------------------------------------------------------
 *
 * rowindex.c
 *		Where in a time bucket the observations of a value are; see there.
 *
 * The bytes, numbers with the lowest byte first:
 *	2	"FR"
 *	1	version 1
 *	1	bytes of a time, w
 *	4	rows
 *	8	time of the first row
 *	4	entries of the directory
 *	4	zero
 *	the directory, in order of the hash: 8 hash of the key, 4 where its bytes
 *		begin, 4 their number, 4 rows that have it, the highest bit set where
 *		they are a bit for each row
 *	per row, in order of time, its time less that of the first: w bytes
 *	per key its rows in order: varint row less the row before it less 1 (the
 *		first: the row); of one that many rows have, a bit for each row, the
 *		lowest first
 *	but of a column: 4 numbers, the numbers as IEEE doubles in order, then the
 *		code of each row (0 not recorded) in as few bits as the largest needs,
 *		lowest bit first, and 8 bytes that stay zero
 *
 * Fixed widths wherever a part is read without the rest; the directory is
 * searched where a hash should be, so that of a large one little is read.
 *
 * Memory: what is being built lives in the builder's arena, the result in the
 * caller's.  No locks.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#include "cube/rowindex.h"

#include <math.h>

#define HEAD 24
#define ENTRY 20
#define FIRST_READ 128 /* entries that are read with the head */
#define BITS 0x80000000U

static void corrupt(void) __attribute__((noreturn));

static void
corrupt(void)
{
	fp_error(FP_ERR_CORRUPT, NULL, NULL, "invalid index of observations");
}

/* --- bytes ------------------------------------------------------------- */

static inline void
put_int(char *to, uint64 value, int bytes)
{
	for (int i = 0; i < bytes; i++)
		to[i] = (char) (value >> (8 * i));
}

static inline uint64
get_int(const uint8 *from, int bytes)
{
	uint64 value = 0;

	for (int i = 0; i < bytes; i++)
		value |= (uint64) from[i] << (8 * i);
	return value;
}

static inline int
bits_for(uint32 max)
{
	return max == 0 ? 0 : 32 - __builtin_clz(max);
}

/* by bytes, so that it is the same on every machine */
static uint64
key_hash(const char *key, size_t len)
{
	uint64 hash = UINT64CONST(0xcbf29ce484222325);

	for (size_t i = 0; i < len; i++)
		hash = (hash ^ (uint8) key[i]) * UINT64CONST(0x100000001b3);
	return fp_hash_word(hash);
}

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
	next = HEAD + nentries * ENTRY + builder->nrows * width;
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
			char *entry = to + HEAD + e * ENTRY;

			put_int(entry, entries[e].hash, 8);
			put_int(entry + 8, entries[e].begin, 4);
			put_int(entry + 12, entries[e].size, 4);
			put_int(entry + 16,
					entries[e].nrows | (entries[e].bits ? BITS : 0), 4);
		}
		for (uint64 r = 0; r < builder->nrows; r++)
			put_int(to + HEAD + nentries * ENTRY + r * width,
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

/* --- reading ----------------------------------------------------------- */

typedef struct Reader
{
	FpRowIndexRead read;
	void		  *value;
	size_t		   size;
	uint32		   nrows;
	int64		   first_at;
	int			   width;
	uint32		   nentries;
	const uint8	  *directory; /* the first entries of it */
	uint32		   nread;
} Reader;

typedef struct Found
{
	uint32 begin;
	uint32 size;
	uint32 nrows;
	bool   bits;
} Found;

static const uint8 *
read_part(const Reader *reader, uint64 offset, uint64 length)
{
	const uint8 *part;

	if (offset > reader->size || length > reader->size - offset)
		corrupt();
	part = reader->read(reader->value, offset, length);
	if (!part)
		corrupt();
	return part;
}

static void
read_head(Reader *reader)
{
	size_t		 size = Min(reader->size, HEAD + FIRST_READ * ENTRY);
	const uint8 *head;

	if (size < HEAD)
		corrupt();
	head = read_part(reader, 0, size);
	if (head[0] != 'F' || head[1] != 'R' || head[2] != 1 || head[3] < 1 ||
		head[3] > 8)
		corrupt();
	reader->width = head[3];
	reader->nrows = (uint32) get_int(head + 4, 4);
	reader->first_at = (int64) get_int(head + 8, 8);
	reader->nentries = (uint32) get_int(head + 16, 4);
	if (reader->nrows == 0 || reader->nrows >= FP_MAX_VALUES ||
		HEAD + (uint64) reader->nentries * ENTRY +
				(uint64) reader->nrows * reader->width >
			reader->size)
		corrupt();
	reader->directory = head + HEAD;
	reader->nread = Min(reader->nentries, (uint32) ((size - HEAD) / ENTRY));
}

/* a key's entry among n that were read, by halving */
static bool
search_entries(const uint8 *entries, uint32 n, uint64 hash, Found *found)
{
	uint32 low = 0;
	uint32 high = n;

	while (low < high)
	{
		uint32		 middle = low + (high - low) / 2;
		const uint8 *entry = entries + (size_t) middle * ENTRY;
		uint64		 other = get_int(entry, 8);

		if (other == hash)
		{
			found->begin = (uint32) get_int(entry + 8, 4);
			found->size = (uint32) get_int(entry + 12, 4);
			found->nrows = (uint32) get_int(entry + 16, 4);
			return true;
		}
		if (other < hash)
			low = middle + 1;
		else
			high = middle;
	}
	return false;
}

static bool
find_key(const Reader *reader, const char *key, size_t len, Found *found)
{
	uint64		 hash = key_hash(key, len);
	uint32		 n = reader->nentries;
	uint32		 guess;
	uint32		 spread;
	uint32		 low;
	uint32		 high;
	const uint8 *part;

	if (reader->nread == n)
	{
		if (!search_entries(reader->directory, n, hash, found))
			return false;
	}
	else
	{
		/* hashes are spread evenly: it is near where it should be */
		guess = (uint32) ((double) hash / 18446744073709551616.0 * n);
		spread = 64 + (uint32) (3 * sqrt(n));
		low = guess > spread ? guess - spread : 0;
		high = Min(n, guess + spread);
		part = read_part(reader, HEAD + (uint64) low * ENTRY,
						 (uint64) (high - low) * ENTRY);
		if ((low > 0 && get_int(part, 8) > hash) ||
			(high < n &&
			 get_int(part + (size_t) (high - low - 1) * ENTRY, 8) < hash))
		{
			low = 0;
			high = n;
			part = read_part(reader, HEAD, (uint64) n * ENTRY);
		}
		if (!search_entries(part, high - low, hash, found))
			return false;
	}
	found->bits = (found->nrows & BITS) != 0;
	found->nrows &= ~BITS;
	if (found->nrows > reader->nrows ||
		(found->bits && found->size != ((uint64) reader->nrows + 7) / 8))
		corrupt();
	return true;
}

/* name of the dimension in a key: its length and a colon come before it */
static FpText
key_dim_name(const FpText *key)
{
	FpText name = {NULL, 0};
	uint32 i = 1;
	uint64 len = 0;

	for (; i < key->len && key->data[i] >= '0' && key->data[i] <= '9'; i++)
		len = Min(len * 10 + (uint64) (key->data[i] - '0'), PG_UINT32_MAX);
	if (i < key->len && key->data[i] == ':' && len <= key->len - i - 1)
	{
		name.data = key->data + i + 1;
		name.len = (uint32) len;
	}
	return name;
}

/* is there something under that letter about a dimension? */
static bool
find_dim(const Reader *reader, FpArena arena, char tag, const FpText *name,
		 Found *found)
{
	char  *key = fp_alloc(arena, (size_t) name->len + 32);
	size_t n = 1;

	key[0] = tag;
	n += (size_t) snprintf(key + n, 24, "%u:", name->len);
	memcpy(key + n, name->data, name->len);
	return find_key(reader, key, n + name->len, found);
}

static inline const uint8 *
get_varint(const uint8 *from, const uint8 *end, uint64 *value)
{
	uint64 result = 0;

	for (int shift = 0; shift < 35 && from < end; shift += 7)
	{
		uint8 byte = *from++;

		result |= (uint64) (byte & 0x7f) << shift;
		if (!(byte & 0x80))
		{
			*value = result;
			return from;
		}
	}
	corrupt();
}

/* the rows of a key that come before row "end"; their number */
static uint32
read_list(const Reader *reader, const Found *found, uint32 end, uint32 *rows)
{
	const uint8 *at = read_part(reader, found->begin, found->size);
	const uint8 *stop = at + found->size;
	uint64		 row = 0;
	uint64		 step;
	uint32		 n = 0;

	if (found->bits)
	{
		for (uint32 byte = 0; byte < found->size; byte++)
			for (uint32 bits = at[byte]; bits != 0; bits &= bits - 1)
			{
				uint32 r = byte * 8 + (uint32) __builtin_ctz(bits);

				if (r >= end)
					return n;
				if (n == found->nrows)
					corrupt();
				rows[n++] = r;
			}
		return n;
	}
	for (uint32 i = 0; i < found->nrows; i++)
	{
		at = get_varint(at, stop, &step);
		row += step + (i > 0);
		if (row >= reader->nrows)
			corrupt();
		if (row >= end)
			break;
		rows[n++] = (uint32) row;
	}
	return n;
}

/* of n rows those that a key has too; their number */
static uint32
keep_common(const Reader *reader, const Found *found, uint32 *rows, uint32 n)
{
	const uint8 *at = read_part(reader, found->begin, found->size);
	const uint8 *stop = at + found->size;
	uint64		 row = 0;
	uint64		 step;
	uint32		 kept = 0;
	uint32		 next = 0;

	if (found->bits)
	{
		for (; next < n; next++)
			if (at[rows[next] >> 3] >> (rows[next] & 7) & 1)
				rows[kept++] = rows[next];
		return kept;
	}
	for (uint32 i = 0; i < found->nrows && next < n; i++)
	{
		at = get_varint(at, stop, &step);
		row += step + (i > 0);
		while (next < n && rows[next] < row)
			next++;
		if (next < n && rows[next] == row)
			rows[kept++] = rows[next++];
	}
	return kept;
}

/* What of a column is in a range. */
typedef struct Span
{
	uint32 low; /* codes from low + 1 to high */
	uint32 high;
	int	   bits;
	uint64 begin; /* of the codes */
	uint64 size;
} Span;

/* false where no number of the column is in the range */
static bool
find_span(const Reader *reader, const Found *found, const FpRowRange *range,
		  Span *span)
{
	/* few numbers are read at once, with what says how many there are */
	uint64		 first = Min(found->size, 1024);
	const uint8 *column = read_part(reader, found->begin, first);
	uint32		 nnumbers;

	if (found->size < 12)
		corrupt();
	nnumbers = (uint32) get_int(column, 4);
	span->begin = 4 + (uint64) nnumbers * 8;
	span->bits = bits_for(nnumbers);
	span->size = ((uint64) reader->nrows * span->bits + 7) / 8 + 8;
	if (found->size != span->begin + span->size)
		corrupt();
	if (span->begin > first)
		column = read_part(reader, found->begin, span->begin);
	span->begin += found->begin;
	span->low = span->high = 0;
	for (uint32 v = 0; v < nnumbers; v++)
	{
		uint64 word = get_int(column + 4 + (size_t) v * 8, 8);
		double number;

		memcpy(&number, &word, 8);
		if (number < range->min)
			span->low = v + 1;
		if (number <= range->max)
			span->high = v + 1;
	}
	return span->low < span->high;
}

/* of n rows (of the first n, where all is true) those in it; their number */
static uint32
keep_in_span(const Reader *reader, const Span *span, uint32 *rows, uint32 n,
			 bool all)
{
	const uint8 *column = read_part(reader, span->begin, span->size);
	uint64		 mask = (UINT64CONST(1) << span->bits) - 1;
	uint32		 kept = 0;

	for (uint32 i = 0; i < n; i++)
	{
		uint32 row = all ? i : rows[i];
		uint64 bit = (uint64) row * span->bits;
		uint64 code = get_int(column + (bit >> 3), 8) >> (bit & 7) & mask;

		if ((i & 0xffff) == 0)
			FP_CHECK_INTERRUPTS();
		if (code > span->low && code <= span->high)
			rows[kept++] = row;
	}
	return kept;
}

static int64
row_time(const Reader *reader, const uint8 *from)
{
	return (int64) ((uint64) reader->first_at + get_int(from, reader->width));
}

static uint64
time_offset(const Reader *reader, uint32 row)
{
	return HEAD + (uint64) reader->nentries * ENTRY +
		   (uint64) row * reader->width;
}

/* how many rows are not after that time */
static uint32
rows_until(const Reader *reader, int64 until)
{
	uint32 low = 0;
	uint32 high = reader->nrows;

	if (until == PG_INT64_MAX)
		return high;
	while (low < high)
	{
		uint32 middle = low + (high - low) / 2;

		if (row_time(reader, read_part(reader, time_offset(reader, middle),
									   reader->width)) <= until)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static int
compare_found(const void *a, const void *b)
{
	const Found *x = a;
	const Found *y = b;

	return x->nrows < y->nrows ? -1 : x->nrows > y->nrows;
}

int64
fp_rowindex_find(FpArena arena, FpRowIndexRead read, void *value, size_t size,
				 const FpText *keys, int nkeys, const FpRowRange *ranges,
				 int nranges, int64 until, int64 wanted, int64 **times)
{
	Reader		 reader = {.read = read, .value = value, .size = size};
	Found		*lists = fp_alloc_array(arena, Found, nkeys + 1);
	Span		*spans = fp_alloc_array(arena, Span, nranges + 1);
	int			 nlists = 0;
	Found		 found;
	uint32		 end;
	uint32		 n;
	uint32		*rows;
	bool		 all = true;
	int64		 ntimes = 0;
	int64		 before = 0;
	const uint8 *span = NULL;
	uint32		 span_first = 0;
	int64		*result;

	*times = NULL;
	read_head(&reader);
	for (int k = 0; k < nkeys; k++)
	{
		FpText name;

		if (find_key(&reader, keys[k].data, keys[k].len, &found))
		{
			lists[nlists++] = found;
			continue;
		}
		/* nothing has it; but of what is unknown nothing was recorded */
		name = key_dim_name(&keys[k]);
		if (keys[k].data[0] == 'n' &&
			!find_dim(&reader, arena, 'd', &name, &found))
			continue;
		if ((keys[k].data[0] == 'v' || keys[k].data[0] == 'e') && name.data &&
			find_dim(&reader, arena, 'o', &name, &found))
			return -1;
		return 0;
	}
	for (int i = 0; i < nranges; i++)
	{
		if (!find_dim(&reader, arena, 'o', &ranges[i].dim, &found))
			return find_dim(&reader, arena, 'd', &ranges[i].dim, &found) ? -1
																		 : 0;
		if (!find_span(&reader, &found, &ranges[i], &spans[i]))
			return 0;
	}
	qsort(lists, nlists, sizeof(Found), compare_found);

	end = rows_until(&reader, until);
	if (end == 0)
		return 0;
	n = nlists > 0 ? lists[0].nrows : end;
	rows = fp_alloc_array(arena, uint32, (uint64) n + 1);
	if (nlists > 0)
	{
		n = read_list(&reader, &lists[0], end, rows);
		all = false;
	}
	for (int i = 1; i < nlists && n > 0; i++)
	{
		FP_CHECK_INTERRUPTS();
		n = keep_common(&reader, &lists[i], rows, n);
	}
	for (int i = 0; i < nranges && n > 0; i++)
	{
		n = keep_in_span(&reader, &spans[i], rows, n, all);
		all = false;
	}
	if (n == 0)
		return 0;

	/* newest first, as many as are asked for; those at "until" do not count */
	result = fp_alloc_array(arena, int64, (uint64) n);
	for (uint32 i = n; i-- > 0 && before < wanted;)
	{
		uint32 row = all ? i : rows[i];
		int64  at;

		/* read some at once, those before it, where rows are close together */
		if (!span || row < span_first)
		{
			uint32 many = 4096 / reader.width;

			span_first = row + 1 > many ? row + 1 - many : 0;
			span = read_part(&reader, time_offset(&reader, span_first),
							 (uint64) (row + 1 - span_first) * reader.width);
		}
		at = row_time(&reader,
					  span + (size_t) (row - span_first) * reader.width);
		before += at < until;
		if (ntimes == 0 || result[ntimes - 1] != at)
			result[ntimes++] = at;
	}
	*times = result;
	return ntimes;
}
