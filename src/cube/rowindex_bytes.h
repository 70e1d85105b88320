/*-------------------------------------------------------------------------
 *
 * rowindex_bytes.h
 *		How an index of observations lies in bytes: what its writer
 *		(rowindex.c) and its reader (rowfind.c) share.
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
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef FAILPAT_CUBE_ROWINDEX_BYTES_H
#define FAILPAT_CUBE_ROWINDEX_BYTES_H

#include "cube/rowindex.h"

#define FP_ROWINDEX_HEAD 24
#define FP_ROWINDEX_ENTRY 20
#define FP_ROWINDEX_BITS 0x80000000U

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
static inline uint64
key_hash(const char *key, size_t len)
{
	uint64 hash = UINT64CONST(0xcbf29ce484222325);

	for (size_t i = 0; i < len; i++)
		hash = (hash ^ (uint8) key[i]) * UINT64CONST(0x100000001b3);
	return fp_hash_word(hash);
}

#endif /* FAILPAT_CUBE_ROWINDEX_BYTES_H */
