/*-------------------------------------------------------------------------
 *
 * format.c
 *		The stored bytes of a failure cube, version 1.
 *
 *	byte	magic 0xfc, byte version 1
 *	varint	dimensions, cells, checks
 *	then per dimension:
 *		byte	kind
 *		text	name
 *		varint	values
 *		the values: ordinal: 8 bytes each, IEEE double, lowest byte first;
 *					else: text each
 *		set only: varint sets; per set: varint members, then each member's
 *			code less the code before it
 *	then the names of the checks, text each
 *	then per dimension its column of codes, each in as few bits as the largest
 *		code needs, lowest bit first, filled up with zero bits to a byte
 *	then the trials - 1 of each cell, then the failures of each cell: varint
 *	then, if there are checks, for each cell with failures: varint entries,
 *		then per entry varint check less the check before it less 1 (the first:
 *		the check), varint failures - 1
 *
 * text is varint length and bytes; varint is seven bits a byte, lowest first,
 * the eighth bit says that more follow, in as few bytes as possible.  Order and
 * uniqueness are those of cube.h, and every value, set and check
 * occurs in a cell, so that equal content has one encoding only.  A change of
 * any of this needs a new version, and a decoder for the old one.
 *
 * The decoder trusts nothing.  What it allocates before it has seen the data
 * is bounded by the number of bytes that it was given, times a small number
 * per dimension; the caller can give a tighter limit.
 *
 * Memory: the result in the caller's arena, nothing else.  No locks.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#include "cube/format.h"

#include <math.h>

#define MAGIC 0xfc
#define VERSION 1

/* --- numbers ----------------------------------------------------------- */

size_t
fp_number_text(double number, char *buf)
{
	for (int digits = 15; digits <= 17; digits++)
	{
		snprintf(buf, FP_NUMBER_LEN, "%.*g", digits, number);
		if (strtod(buf, NULL) == number)
			break;
	}
	return strlen(buf);
}

static inline bool
is_blank(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static inline bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

bool
fp_number_parse(const char *text, size_t len, double *number)
{
	char   buf[512];
	size_t i = 0;
	size_t digits = 0;

	while (len > 0 && is_blank(text[0]))
	{
		text++;
		len--;
	}
	while (len > 0 && is_blank(text[len - 1]))
		len--;
	if (len == 0 || len >= sizeof(buf))
		return false;

	if (text[i] == '+' || text[i] == '-')
		i++;
	for (; i < len && is_digit(text[i]); i++)
		digits++;
	if (i < len && text[i] == '.')
		for (i++; i < len && is_digit(text[i]); i++)
			digits++;
	if (digits == 0)
		return false;
	if (i < len && (text[i] == 'e' || text[i] == 'E'))
	{
		i++;
		if (i < len && (text[i] == '+' || text[i] == '-'))
			i++;
		if (i == len)
			return false;
		while (i < len && is_digit(text[i]))
			i++;
		if (!is_digit(text[i - 1]))
			return false;
	}
	if (i != len)
		return false;

	memcpy(buf, text, len);
	buf[len] = '\0';
	*number = strtod(buf, NULL);
	if (*number == 0)
		*number = 0; /* not -0 */
	return isfinite(*number);
}

/* --- encoding ---------------------------------------------------------- */

typedef struct Writer
{
	FpArena arena;
	char   *data;
	size_t	len;
	size_t	cap;
} Writer;

/* make room for "more" bytes */
static inline void
reserve(Writer *writer, size_t more)
{
	size_t cap = writer->cap;

	if (likely(cap - writer->len >= more))
		return;
	while (cap - writer->len < more)
		cap *= 2;
	writer->data =
		fp_realloc_array(writer->arena, writer->data, char, writer->cap, cap);
	writer->cap = cap;
}

/* there must be room for 10 bytes */
static inline void
put_varint_raw(Writer *writer, uint64 value)
{
	while (value >= 0x80)
	{
		writer->data[writer->len++] = (char) (value | 0x80);
		value >>= 7;
	}
	writer->data[writer->len++] = (char) value;
}

static void
put_varint(Writer *writer, uint64 value)
{
	reserve(writer, 10);
	put_varint_raw(writer, value);
}

static void
put_text(Writer *writer, const FpText *text)
{
	put_varint(writer, text->len);
	reserve(writer, text->len);
	memcpy(writer->data + writer->len, text->data, text->len);
	writer->len += text->len;
}

static inline int
bits_for(uint32 max)
{
	return max == 0 ? 0 : 32 - __builtin_clz(max);
}

static inline uint32
max_code(const FpDim *dim)
{
	return dim->kind == FP_SET ? dim->nsets : dim->nvalues;
}

static void
put_dim(Writer *writer, const FpDim *dim)
{
	reserve(writer, 1);
	writer->data[writer->len++] = (char) dim->kind;
	put_text(writer, &dim->name);
	put_varint(writer, dim->nvalues);
	for (uint32 v = 0; v < dim->nvalues; v++)
	{
		if ((v & 0xffff) == 0)
			FP_CHECK_INTERRUPTS();
		if (dim->kind == FP_ORDINAL)
		{
			uint64 word;

			memcpy(&word, &dim->numbers[v], 8);
			reserve(writer, 8);
			for (int i = 0; i < 8; i++)
				writer->data[writer->len++] = (char) (word >> (8 * i));
		}
		else
			put_text(writer, &dim->values[v]);
	}
	if (dim->kind == FP_SET)
	{
		put_varint(writer, dim->nsets);
		for (uint32 s = 0; s < dim->nsets; s++)
		{
			uint32 before = 0;

			put_varint(writer, dim->set_offsets[s + 1] - dim->set_offsets[s]);
			for (uint64 m = dim->set_offsets[s]; m < dim->set_offsets[s + 1];
				 m++)
			{
				put_varint(writer, dim->set_members[m] - before);
				before = dim->set_members[m];
			}
		}
	}
}

static void
put_column(Writer *writer, const uint32 *codes, uint64 n, int bits)
{
	uint64 word = 0;
	int	   filled = 0;
	char  *to;

	if (bits == 0)
		return;
	reserve(writer, n * bits / 8 + 8);
	to = writer->data + writer->len;
	for (uint64 i = 0; i < n; i++)
	{
		if ((i & 0xffff) == 0)
			FP_CHECK_INTERRUPTS();
		word |= (uint64) codes[i] << filled;
		filled += bits;
		while (filled >= 8)
		{
			*to++ = (char) word;
			word >>= 8;
			filled -= 8;
		}
	}
	if (filled > 0)
		*to++ = (char) word;
	writer->len = to - writer->data;
}

char *
fp_cube_encode(FpArena arena, const FpCube *cube, size_t header, size_t *len)
{
	Writer writer = {arena, NULL, 0, 0};

	writer.cap = header + 256 + cube->ncells * 4;
	writer.data = fp_alloc(arena, writer.cap);
	writer.len = header;

	reserve(&writer, 2);
	writer.data[writer.len++] = (char) MAGIC;
	writer.data[writer.len++] = VERSION;
	put_varint(&writer, cube->ndims);
	put_varint(&writer, cube->ncells);
	put_varint(&writer, cube->nchecks);
	for (int d = 0; d < cube->ndims; d++)
		put_dim(&writer, &cube->dims[d]);
	for (uint32 k = 0; k < cube->nchecks; k++)
		put_text(&writer, &cube->checks[k]);
	for (int d = 0; d < cube->ndims; d++)
		put_column(&writer, cube->codes[d], cube->ncells,
				   bits_for(max_code(&cube->dims[d])));
	for (uint64 c = 0; c < cube->ncells; c++)
	{
		if ((c & 0xffff) == 0)
			FP_CHECK_INTERRUPTS();
		put_varint(&writer, cube->trials[c] - 1);
	}
	for (uint64 c = 0; c < cube->ncells; c++)
	{
		if ((c & 0xffff) == 0)
			FP_CHECK_INTERRUPTS();
		put_varint(&writer, cube->failures[c]);
	}
	for (uint64 c = 0; cube->nchecks > 0 && c < cube->ncells; c++)
	{
		uint32 next = 0;

		if ((c & 0xffff) == 0)
			FP_CHECK_INTERRUPTS();
		if (cube->failures[c] == 0)
			continue;
		put_varint(&writer,
				   cube->check_offsets[c + 1] - cube->check_offsets[c]);
		for (uint64 k = cube->check_offsets[c]; k < cube->check_offsets[c + 1];
			 k++)
		{
			put_varint(&writer, cube->check_codes[k] - next);
			put_varint(&writer, cube->check_failures[k] - 1);
			next = cube->check_codes[k] + 1;
		}
	}
	*len = writer.len - header;
	return writer.data;
}

/* --- decoding ---------------------------------------------------------- */

typedef struct Reader
{
	FpArena		 arena;
	const uint8 *at;
	const uint8 *end;
	size_t		 limit;	 /* bytes that may still be allocated */
	bool		 strata; /* their values are wanted */
} Reader;

static void corrupt(const char *what) __attribute__((noreturn));

static void
corrupt(const char *what)
{
	fp_error(FP_ERR_CORRUPT, NULL, NULL, "invalid failure_cube: %s", what);
}

/* memory for n items, counted against the limit */
static void *
take(Reader *reader, uint64 n, size_t item)
{
	size_t size = fp_array_size(n, item);

	if (size > reader->limit)
		fp_error(FP_ERR_LIMIT, NULL,
				 "Raise failpat.memory_limit, or use smaller cubes.",
				 "a failure cube needs more memory than is allowed");
	reader->limit -= size;
	return fp_alloc(reader->arena, size);
}

static inline size_t
left(const Reader *reader)
{
	return reader->end - reader->at;
}

static inline uint8
get_byte(Reader *reader)
{
	if (unlikely(reader->at == reader->end))
		corrupt("it ends too early");
	return *reader->at++;
}

static inline uint64
get_varint(Reader *reader)
{
	uint8  byte = get_byte(reader);
	uint64 value = byte & 0x7f;

	for (int shift = 7; byte & 0x80; shift += 7)
	{
		byte = get_byte(reader);
		if (byte == 0 || shift > 63 || (shift == 63 && byte > 1))
			corrupt("a number is malformed");
		value |= (uint64) (byte & 0x7f) << shift;
	}
	return value;
}

/*
 * A number up to max.  (A max of left(reader) is taken before the number
 * itself is read: enough to bound what is allocated, no more.)
 */
static inline uint64
get_count(Reader *reader, uint64 max, const char *what)
{
	uint64 value = get_varint(reader);

	if (value > max)
		corrupt(what);
	return value;
}

static int
compare_text(const FpText *a, const FpText *b)
{
	int cmp = memcmp(a->data, b->data, Min(a->len, b->len));

	if (cmp != 0)
		return cmp;
	return a->len < b->len ? -1 : a->len > b->len;
}

static FpText
get_text(Reader *reader)
{
	FpText text;
	uint64 len = get_varint(reader);
	char  *data;

	if (len > left(reader))
		corrupt("a text is longer than the value");
	if (memchr(reader->at, 0, len))
		corrupt("a text contains a zero byte");
	if (len >= PG_UINT32_MAX)
		corrupt("a text is too long");
	data = take(reader, len + 1, 1);
	memcpy(data, reader->at, len);
	data[len] = '\0';
	reader->at += len;
	text.data = data;
	text.len = (uint32) len;
	return text;
}

static FpText *
get_texts(Reader *reader, uint32 n)
{
	FpText *texts = take(reader, (uint64) n + 1, sizeof(FpText));

	for (uint32 i = 0; i < n; i++)
	{
		if ((i & 0xffff) == 0)
			FP_CHECK_INTERRUPTS();
		texts[i] = get_text(reader);
		if (i > 0 && compare_text(&texts[i - 1], &texts[i]) >= 0)
			corrupt("texts are not in order");
	}
	return texts;
}

static void
skip_texts(Reader *reader, uint32 n)
{
	for (uint32 i = 0; i < n; i++)
	{
		uint64 len = get_varint(reader);

		if ((i & 0xffff) == 0)
			FP_CHECK_INTERRUPTS();
		if (len > left(reader))
			corrupt("a text is longer than the value");
		reader->at += len;
	}
}

static void
get_numbers(Reader *reader, FpDim *dim)
{
	if (dim->nvalues > left(reader) / 8)
		corrupt("it ends too early");
	dim->numbers = take(reader, (uint64) dim->nvalues + 1, sizeof(double));
	dim->values = take(reader, (uint64) dim->nvalues + 1, sizeof(FpText));
	for (uint32 v = 0; v < dim->nvalues; v++)
	{
		uint64 word = 0;
		double number;
		char   buf[FP_NUMBER_LEN];
		size_t len;
		char  *data;

		if ((v & 0xfff) == 0)
			FP_CHECK_INTERRUPTS();
		for (int i = 0; i < 8; i++)
			word |= (uint64) *reader->at++ << (8 * i);
		memcpy(&number, &word, 8);
		if (!isfinite(number) || (number == 0 && word != 0))
			corrupt("a number is not finite");
		if (v > 0 && number <= dim->numbers[v - 1])
			corrupt("numbers are not in order");
		dim->numbers[v] = number;
		len = fp_number_text(number, buf);
		data = take(reader, len + 1, 1);
		memcpy(data, buf, len + 1);
		dim->values[v].data = data;
		dim->values[v].len = (uint32) len;
	}
}

static void
get_sets(Reader *reader, FpDim *dim)
{
	uint64 nmembers = 0;
	uint64 cap;
	bool  *used = take(reader, (uint64) dim->nvalues + 1, sizeof(bool));

	memset(used, 0, (size_t) dim->nvalues + 1);
	dim->nsets = (uint32) get_count(reader, Min(FP_MAX_VALUES, left(reader)),
									"too many sets");
	/* each member takes a byte at least */
	cap = Min(left(reader), (uint64) dim->nsets * FP_MAX_SET_MEMBERS);
	dim->set_offsets = take(reader, (uint64) dim->nsets + 1, sizeof(uint64));
	dim->set_members = take(reader, cap + 1, sizeof(uint32));
	dim->set_offsets[0] = 0;
	for (uint32 s = 0; s < dim->nsets; s++)
	{
		uint64 n = get_count(reader, Min(FP_MAX_SET_MEMBERS, left(reader)),
							 "a set has too many members");
		uint32 code = 0;

		if ((s & 0xffff) == 0)
			FP_CHECK_INTERRUPTS();
		for (uint64 m = 0; m < n; m++)
		{
			uint64 step = get_count(reader, dim->nvalues - code,
									"a set has a member that does not exist");

			if (step == 0)
				corrupt("a set has a member twice");
			code += (uint32) step;
			used[code] = true;
			dim->set_members[nmembers++] = code;
		}
		dim->set_offsets[s + 1] = nmembers;
		if (s > 0)
		{
			const uint32 *a = dim->set_members + dim->set_offsets[s - 1];
			const uint32 *b = dim->set_members + dim->set_offsets[s];
			uint64		  na = dim->set_offsets[s] - dim->set_offsets[s - 1];
			uint64		  i = 0;

			while (i < na && i < n && a[i] == b[i])
				i++;
			if (i == n || (i < na && a[i] > b[i]))
				corrupt("sets are not in order");
		}
	}
	for (uint32 v = 1; v <= dim->nvalues; v++)
		if (!used[v])
			corrupt("a value does not occur");
	fp_free(reader->arena, used);
	reader->limit += (size_t) dim->nvalues + 1;
}

static void
get_dim(Reader *reader, FpDim *dim)
{
	uint8 kind = get_byte(reader);

	if (kind > FP_STRATUM)
		corrupt("unknown kind of dimension");
	dim->kind = (FpDimKind) kind;
	dim->name = get_text(reader);
	dim->nvalues = (uint32) get_count(reader, Min(FP_MAX_VALUES, left(reader)),
									  "too many values");
	if (dim->kind == FP_ORDINAL)
		get_numbers(reader, dim);
	else if (dim->kind == FP_STRATUM && !reader->strata)
		skip_texts(reader, dim->nvalues);
	else
		dim->values = get_texts(reader, dim->nvalues);
	if (dim->kind == FP_SET)
		get_sets(reader, dim);
}

/* of a cell */
static inline int64
get_trials(Reader *reader)
{
	return (int64) get_count(reader, (uint64) PG_INT64_MAX - 1,
							 "too many trials") +
		   1;
}

/* a column of codes; every code but 0 must occur */
static uint32 *
get_column(Reader *reader, uint64 n, uint32 max)
{
	uint32		*codes = take(reader, n + 1, sizeof(uint32));
	int			 bits = bits_for(max);
	uint64		 mask = (UINT64CONST(1) << bits) - 1;
	size_t		 size;
	const uint8 *from = reader->at;
	const uint8 *end;
	bool		*used;
	uint64		 i = 0;

	if (bits == 0)
	{
		memset(codes, 0, n * sizeof(uint32));
		return codes;
	}
	if (n > left(reader) / bits * 8 + 8 ||
		(size = (n * bits + 7) / 8) > left(reader))
		corrupt("it ends too early");
	end = from + size;
	used = take(reader, (uint64) max + 1, sizeof(bool));
	memset(used, 0, (size_t) max + 1);

	/* while eight bytes can be read at once */
	for (; i < n; i++)
	{
		uint64 bit = i * bits;
		uint64 word = 0;
		size_t byte = bit >> 3;
		uint32 code;

		if (unlikely((i & 0xffff) == 0))
			FP_CHECK_INTERRUPTS();
		if (likely(reader->end - from >= (ptrdiff_t) byte + 8))
		{
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
			memcpy(&word, from + byte, 8);
#else
			for (int b = 0; b < 8; b++)
				word |= (uint64) from[byte + b] << (8 * b);
#endif
		}
		else
			for (int b = 0; b < 8 && from + byte + b < end; b++)
				word |= (uint64) from[byte + b] << (8 * b);
		code = (uint32) (word >> (bit & 7) & mask);
		if (unlikely(code > max))
			corrupt("a cell has a value that does not exist");
		used[code] = true;
		codes[i] = code;
	}
	if (n > 0 && (n * bits & 7) != 0 && end[-1] >> (n * bits & 7) != 0)
		corrupt("bits between columns are set");
	for (uint32 code = 1; code <= max; code++)
		if (!used[code])
			corrupt("a value does not occur");
	fp_free(reader->arena, used);
	reader->limit += (size_t) max + 1;
	reader->at = end;
	return codes;
}

static void
get_checks(Reader *reader, FpCube *cube)
{
	bool   used[FP_MAX_CHECKS] = {false};
	uint64 n = 0;
	/* an entry takes two bytes at least */
	uint64 cap = left(reader) / 2;

	cube->check_offsets = take(reader, cube->ncells + 1, sizeof(uint64));
	cube->check_codes = take(reader, cap + 1, sizeof(uint32));
	cube->check_failures = take(reader, cap + 1, sizeof(int64));
	cube->check_offsets[0] = 0;
	for (uint64 c = 0; c < cube->ncells; c++)
	{
		uint64 entries = 0;
		uint32 next = 0;

		if ((c & 0xffff) == 0)
			FP_CHECK_INTERRUPTS();
		if (cube->failures[c] > 0)
			entries = get_count(reader, Min(cube->nchecks, left(reader) / 2),
								"a cell has too many checks");
		for (uint64 k = 0; k < entries; k++)
		{
			uint64 step;
			uint64 less;

			if (next >= cube->nchecks)
				corrupt("a cell has a check that does not exist");
			step = get_count(reader, cube->nchecks - next - 1,
							 "a cell has a check that does not exist");
			less = get_count(reader, (uint64) cube->failures[c] - 1,
							 "a check has more failures than its cell");
			cube->check_codes[n] = next + (uint32) step;
			cube->check_failures[n] = (int64) less + 1;
			used[cube->check_codes[n]] = true;
			next += (uint32) step + 1;
			n++;
		}
		cube->check_offsets[c + 1] = n;
	}
	for (uint32 k = 0; k < cube->nchecks; k++)
		if (!used[k])
			corrupt("a check does not occur");
}

/* all before the columns */
static FpCube *
get_head(Reader *reader)
{
	FpCube *cube;

	if (get_byte(reader) != MAGIC)
		corrupt("the first byte is wrong");
	if (get_byte(reader) != VERSION)
		fp_error(FP_ERR_CORRUPT, NULL,
				 "It was written by another version of failpat.",
				 "failure_cube has an unknown format version");
	cube = take(reader, 1, sizeof(FpCube));
	memset(cube, 0, sizeof(FpCube));
	cube->ndims = (int) get_count(reader, FP_MAX_DIMS, "too many dimensions");
	/* trials and failures take a byte each, at least */
	cube->ncells = get_count(reader, left(reader) / 2, "too many cells");
	cube->nchecks =
		(uint32) get_count(reader, FP_MAX_CHECKS, "too many checks");
	if (cube->nchecks > 0 && cube->ncells == 0)
		corrupt("a check does not occur");

	cube->dims = take(reader, (uint64) cube->ndims + 1, sizeof(FpDim));
	memset(cube->dims, 0, (cube->ndims + 1) * sizeof(FpDim));
	for (int d = 0; d < cube->ndims; d++)
	{
		get_dim(reader, &cube->dims[d]);
		for (int e = 0; e < d; e++)
			if (compare_text(&cube->dims[e].name, &cube->dims[d].name) == 0)
				corrupt("two dimensions have one name");
	}
	if (cube->nchecks > 0)
		cube->checks = get_texts(reader, cube->nchecks);
	return cube;
}

static void
open_cube(FpArena arena, const char *bytes, size_t len, size_t limit,
		  bool strata, FpPackedCube *packed)
{
	Reader reader = {arena, (const uint8 *) bytes, (const uint8 *) bytes + len,
					 limit, strata};
	FpCube *cube = get_head(&reader);

	packed->head = cube;
	packed->end = reader.end;
	packed->limit = reader.limit;
	for (int d = 0; d < cube->ndims; d++)
	{
		int	   bits = bits_for(max_code(&cube->dims[d]));
		uint64 n = cube->ncells;
		size_t size;

		if (bits > 0 && n > left(&reader) / bits * 8 + 8)
			corrupt("it ends too early");
		size = (n * bits + 7) / 8;
		if (size > left(&reader))
			corrupt("it ends too early");
		packed->columns[d] = reader.at;
		packed->bits[d] = bits;
		reader.at += size;
	}
	packed->counts = reader.at;
	if (left(&reader) / 2 < cube->ncells)
		corrupt("it ends too early");
}

/* columns, trials and failures: all between the head and the checks */
static void
get_cells(Reader *reader, FpCube *cube)
{
	cube->codes = take(reader, (uint64) cube->ndims + 1, sizeof(uint32 *));
	for (int d = 0; d < cube->ndims; d++)
		cube->codes[d] =
			get_column(reader, cube->ncells, max_code(&cube->dims[d]));
	for (uint64 c = 1; c < cube->ncells; c++)
	{
		int d = 0;

		if ((c & 0xffff) == 0)
			FP_CHECK_INTERRUPTS();
		while (d < cube->ndims && cube->codes[d][c - 1] == cube->codes[d][c])
			d++;
		if (d == cube->ndims || cube->codes[d][c - 1] > cube->codes[d][c])
			corrupt("cells are not in order");
	}

	cube->trials = take(reader, cube->ncells + 1, sizeof(int64));
	cube->failures = take(reader, cube->ncells + 1, sizeof(int64));
	for (uint64 c = 0; c < cube->ncells; c++)
	{
		if ((c & 0xffff) == 0)
			FP_CHECK_INTERRUPTS();
		cube->trials[c] = get_trials(reader);
		if (pg_add_s64_overflow(cube->total_trials, cube->trials[c],
								&cube->total_trials))
			corrupt("too many trials");
	}
	for (uint64 c = 0; c < cube->ncells; c++)
	{
		if ((c & 0xffff) == 0)
			FP_CHECK_INTERRUPTS();
		cube->failures[c] =
			(int64) get_count(reader, (uint64) cube->trials[c],
							  "a cell has more failures than trials");
		cube->total_failures += cube->failures[c];
	}
}

void
fp_cube_open(FpArena arena, const char *bytes, size_t len, size_t limit,
			 FpPackedCube *packed)
{
	open_cube(arena, bytes, len, limit, true, packed);
}

void
fp_cube_open_plain(FpArena arena, const char *bytes, size_t len, size_t limit,
				   FpPackedCube *packed)
{
	open_cube(arena, bytes, len, limit, false, packed);
}

FpCube *
fp_cube_unpack(FpArena arena, const FpPackedCube *packed)
{
	FpCube *cube = fp_alloc_array(arena, FpCube, 1);
	Reader reader = {arena, packed->counts, packed->end, packed->limit, false};

	*cube = *packed->head;
	cube->nchecks = 0;
	cube->checks = NULL;
	cube->total_trials = cube->total_failures = 0;
	if (cube->ndims > 0)
		reader.at = packed->columns[0];
	get_cells(&reader, cube);
	return cube;
}

void
fp_packed_total(FpPackedCube *packed)
{
	Reader	reader = {NULL, packed->counts, packed->end, 0, false};
	FpCube *head = packed->head;

	head->total_trials = head->total_failures = 0;
	for (uint64 c = 0; c < head->ncells; c++)
	{
		if ((c & 0xffff) == 0)
			FP_CHECK_INTERRUPTS();
		if (pg_add_s64_overflow(head->total_trials, get_trials(&reader),
								&head->total_trials))
			corrupt("too many trials");
	}
	for (uint64 c = 0; c < head->ncells; c++)
	{
		if ((c & 0xffff) == 0)
			FP_CHECK_INTERRUPTS();
		head->total_failures += (int64) get_count(
			&reader, (uint64) (head->total_trials - head->total_failures),
			"a cell has more failures than trials");
	}
}

FpCube *
fp_cube_decode_limited(FpArena arena, const char *bytes, size_t len,
					   size_t limit)
{
	Reader reader = {arena, (const uint8 *) bytes, (const uint8 *) bytes + len,
					 limit, true};
	FpCube *cube = get_head(&reader);

	get_cells(&reader, cube);
	if (cube->nchecks > 0)
		get_checks(&reader, cube);
	if (reader.at != reader.end)
		corrupt("bytes follow its end");
	return cube;
}

FpCube *
fp_cube_decode(FpArena arena, const char *bytes, size_t len)
{
	return fp_cube_decode_limited(arena, bytes, len, SIZE_MAX);
}
