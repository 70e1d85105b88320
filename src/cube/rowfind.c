/*-------------------------------------------------------------------------
 *
 * rowfind.c
 *		Where in a time bucket the observations of a value are: reading the
 *		index, a small piece at a time.  rowindex_bytes.h says how it lies in
 *		bytes; rowindex.c makes it.
 *
 * Memory: the result and what is needed to find it live in the caller's arena.
 * No locks.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#include "cube/rowindex_bytes.h"

#include <math.h>

#define FIRST_READ 128 /* entries that are read with the head */
#define NEAR 4096	   /* bytes so far from one another are read at once */

static void corrupt(void) __attribute__((noreturn));

static void
corrupt(void)
{
	fp_error(FP_ERR_CORRUPT, NULL, NULL, "invalid index of observations");
}
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
	size_t size =
		Min(reader->size, FP_ROWINDEX_HEAD + FIRST_READ * FP_ROWINDEX_ENTRY);
	const uint8 *head;

	if (size < FP_ROWINDEX_HEAD)
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
		FP_ROWINDEX_HEAD + (uint64) reader->nentries * FP_ROWINDEX_ENTRY +
				(uint64) reader->nrows * reader->width >
			reader->size)
		corrupt();
	reader->directory = head + FP_ROWINDEX_HEAD;
	reader->nread = Min(reader->nentries, (uint32) ((size - FP_ROWINDEX_HEAD) /
													FP_ROWINDEX_ENTRY));
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
		const uint8 *entry = entries + (size_t) middle * FP_ROWINDEX_ENTRY;
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
		part = read_part(reader,
						 FP_ROWINDEX_HEAD + (uint64) low * FP_ROWINDEX_ENTRY,
						 (uint64) (high - low) * FP_ROWINDEX_ENTRY);
		if ((low > 0 && get_int(part, 8) > hash) ||
			(high < n &&
			 get_int(part + (size_t) (high - low - 1) * FP_ROWINDEX_ENTRY, 8) <
				 hash))
		{
			low = 0;
			high = n;
			part = read_part(reader, FP_ROWINDEX_HEAD,
							 (uint64) n * FP_ROWINDEX_ENTRY);
		}
		if (!search_entries(part, high - low, hash, found))
			return false;
	}
	found->bits = (found->nrows & FP_ROWINDEX_BITS) != 0;
	found->nrows &= ~FP_ROWINDEX_BITS;
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

	if (likely(from < end && *from < 0x80))
	{
		*value = *from;
		return from + 1;
	}
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
	uint64		 row = UINT64_MAX; /* the one before the first */
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
		row += step + 1;
		if (row >= reader->nrows)
			corrupt();
		if (row >= end)
			break;
		rows[n++] = (uint32) row;
	}
	return n;
}

/*
 * Of n rows those that a key has too, which has a bit for each; their number.
 * Where few rows are left, few of its bytes are read.
 */
static uint32
keep_marked(const Reader *reader, const Found *found, uint32 *rows, uint32 n)
{
	uint32 kept = 0;
	uint32 end;

	for (uint32 i = 0; i < n; i = end)
	{
		uint32		 first = rows[i] >> 3;
		const uint8 *at;

		for (end = i + 1;
			 end < n && (rows[end] >> 3) - (rows[end - 1] >> 3) < NEAR;)
			end++;
		at = read_part(reader, (uint64) found->begin + first,
					   (rows[end - 1] >> 3) - first + 1);
		for (uint32 k = i; k < end; k++)
			if (at[(rows[k] >> 3) - first] >> (rows[k] & 7) & 1)
				rows[kept++] = rows[k];
	}
	return kept;
}

/*
 * Of n rows, 1 at least, those that a key has too; their number.  There is room
 * for one more; marks is a bit per row, all of them zero before and after.
 */
static uint32
keep_common(const Reader *reader, const Found *found, uint8 *marks,
			uint32 *rows, uint32 n)
{
	const uint8 *at;
	const uint8 *stop;
	uint64		 row = UINT64_MAX;
	uint64		 step;
	uint32		 last = rows[n - 1];
	uint32		 kept = 0;

	if (found->bits)
		return keep_marked(reader, found, rows, n);
	at = read_part(reader, found->begin, found->size);
	stop = at + found->size;
	/* rows of the one and the other come in no order that could be foretold, so
	 * each of the key's is looked up, without a branch */
	for (uint32 i = 0; i < n; i++)
		marks[rows[i] >> 3] |= (uint8) (1 << (rows[i] & 7));
	for (uint32 i = 0; i < found->nrows; i++)
	{
		at = get_varint(at, stop, &step);
		row += step + 1;
		if (row > last)
			break;
		rows[kept] = (uint32) row;
		kept += marks[row >> 3] >> (row & 7) & 1;
	}
	memset(marks, 0, ((size_t) last >> 3) + 1);
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
	return FP_ROWINDEX_HEAD + (uint64) reader->nentries * FP_ROWINDEX_ENTRY +
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
	Found		*columns = fp_alloc_array(arena, Found, nranges + 1);
	int			 nlists = 0;
	Found		 found;
	uint32		 end;
	uint32		 n;
	uint32		*rows;
	uint8		*marks;
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
		if (!find_dim(&reader, arena, 'o', &ranges[i].dim, &columns[i]))
			return find_dim(&reader, arena, 'd', &ranges[i].dim, &found) ? -1
																		 : 0;
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
	marks = fp_alloc0_array(arena, uint8, ((uint64) reader.nrows >> 3) + 1);
	for (int i = 1; i < nlists && n > 0; i++)
	{
		FP_CHECK_INTERRUPTS();
		n = keep_common(&reader, &lists[i], marks, rows, n);
	}
	for (int i = 0; i < nranges && n > 0; i++)
	{
		Span in_range;

		if (!find_span(&reader, &columns[i], &ranges[i], &in_range))
			return 0;
		n = keep_in_span(&reader, &in_range, rows, n, all);
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
		/* rows are in the order of their times */
		if (ntimes > 0 && result[ntimes - 1] < at)
			corrupt();
		if (ntimes == 0 || result[ntimes - 1] != at)
			result[ntimes++] = at;
	}
	*times = result;
	return ntimes;
}
