/*-------------------------------------------------------------------------
 *
 * counthash.c
 *		Counts by a 64-bit key, where an array would be large and empty.
 *
 * Open addressing; a table that has grown leaves nothing behind.  No locks.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#include "mine/counthash.h"

uint64
fp_hash_key(uint64 key)
{
	key ^= key >> 32;
	key *= UINT64CONST(0x9E3779B97F4A7C15);
	key ^= key >> 29;
	key *= UINT64CONST(0xBF58476D1CE4E5B9);
	key ^= key >> 32;
	return key;
}

/* Fails where so many more bytes would exceed the limit of the run. */
void
fp_tally_reserve(const FpTally *tally, uint64 bytes)
{
	if (tally->memory_limit == 0)
		return;
	if (bytes > tally->memory_limit ||
		fp_arena_used(tally->arena) > tally->memory_limit - bytes)
		fp_error(
			FP_ERR_LIMIT, NULL,
			"Raise failpat.memory_limit, lower max_arity, or raise "
			"min_trials.",
			"mining needs more memory than the %zu kB that the cube leaves "
			"it",
			tally->memory_limit / 1024);
}

FpCountHash *
fp_hash_create(FpArena arena)
{
	FpCountHash *hash = fp_alloc0_array(arena, FpCountHash, 1);

	hash->mask = 1023;
	hash->keys = fp_alloc0_array(arena, uint64, hash->mask + 1);
	hash->counts = fp_alloc0_array(arena, FpCount, hash->mask + 1);
	return hash;
}

static void
hash_grow(const FpTally *tally, FpCountHash *hash, FpArena arena)
{
	uint64	 size = hash->mask + 1;
	uint64	*keys = hash->keys;
	FpCount *counts = hash->counts;

	fp_tally_reserve(tally, size * 2 * (sizeof(uint64) + sizeof(FpCount)));
	hash->mask = size * 2 - 1;
	hash->used = 0;
	hash->keys = fp_alloc0_array(arena, uint64, size * 2);
	hash->counts = fp_alloc0_array(arena, FpCount, size * 2);
	for (uint64 i = 0; i < size; i++)
	{
		if ((i & 0xffff) == 0)
			FP_CHECK_INTERRUPTS();
		if (keys[i] != 0)
			fp_hash_add(tally, hash, arena, keys[i] - 1, counts[i]);
	}
	fp_free(arena, keys);
	fp_free(arena, counts);
}

void
fp_hash_add(const FpTally *tally, FpCountHash *hash, FpArena arena, uint64 key,
			FpCount count)
{
	uint64 i = fp_hash_key(key) & hash->mask;

	while (hash->keys[i] != 0 && hash->keys[i] != key + 1)
		i = (i + 1) & hash->mask;
	if (hash->keys[i] == 0)
	{
		hash->keys[i] = key + 1;
		hash->used++;
	}
	hash->counts[i].n += count.n;
	hash->counts[i].f += count.f;
	if (hash->used * 3 > hash->mask * 2)
		hash_grow(tally, hash, arena);
}
