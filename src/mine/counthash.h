/*-------------------------------------------------------------------------
 *
 * counthash.h
 *		Counts by a 64-bit key, where an array would be large and empty.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef FAILPAT_COUNTHASH_H
#define FAILPAT_COUNTHASH_H

#include "mine/tally.h"

/* (key -> count), open addressing; a key is stored + 1, 0 is empty */
typedef struct FpCountHash
{
	uint64	*keys;
	FpCount *counts;
	uint64	 mask;
	uint64	 used;
} FpCountHash;

extern uint64		fp_hash_key(uint64 key);
extern FpCountHash *fp_hash_create(FpArena arena);

/* adds to the count of key; grown tables are allocated in arena */
extern void fp_hash_add(const FpTally *tally, FpCountHash *hash, FpArena arena,
						uint64 key, FpCount count);

/* fails where so many more bytes would exceed the limit of the run */
extern void fp_tally_reserve(const FpTally *tally, uint64 bytes);

#endif /* FAILPAT_COUNTHASH_H */
