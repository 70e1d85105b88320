/*-------------------------------------------------------------------------
 *
 * dict.c
 *		Hash tables of the cube builder: the slow halves.
 *
 * Open addressing with linear probing, at most half full; slots keep the
 * hash, so a table grows without touching the bytes.  All memory comes from
 * the arena that the caller names, always the same for one table.  No locks.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#include "cube/dict.h"

#define FIRST_SLOTS 16
#define FIRST_POOL 256
#define LAST_POOL (64 * 1024)

/* a chunk of the pool begins with the address of the chunk before it */
#define CHUNK_HEADER sizeof(char *)

static void
dict_grow(FpArena arena, FpDict *dict)
{
	uint64	nslots = dict->mask ? ((uint64) dict->mask + 1) * 2 : FIRST_SLOTS;
	uint32	mask = (uint32) (nslots - 1);
	FpSlot *slots = fp_alloc0_array(arena, FpSlot, nslots);

	if (dict->mask)
	{
		for (uint64 i = 0; i <= dict->mask; i++)
		{
			FpSlot *old = &dict->slots[i];
			uint32	pos;

			if (old->code == 0)
				continue;
			for (pos = old->hash & mask; slots[pos].code != 0;
				 pos = (pos + 1) & mask)
				;
			slots[pos] = *old;
		}
	}
	fp_free(arena, dict->slots);
	dict->slots = slots;
	dict->mask = mask;
}

/* room for len bytes; long ones get a chunk of their own */
static char *
dict_room(FpArena arena, FpDict *dict, size_t len)
{
	char *data;

	if (len > dict->pool_left)
	{
		size_t size =
			dict->pool_size ? Min(dict->pool_size * 2, LAST_POOL) : FIRST_POOL;
		char *chunk;

		if (size < len + CHUNK_HEADER)
			size = len + CHUNK_HEADER;
		chunk = fp_alloc(arena, size);
		/*
		 * The newest chunk is found from the free bytes: they always reach to
		 * its end, and its size is known.
		 */
		data =
			dict->pool ? dict->pool + dict->pool_left - dict->pool_size : NULL;
		memcpy(chunk, &data, sizeof(data));
		dict->pool = chunk + CHUNK_HEADER;
		dict->pool_left = size - CHUNK_HEADER;
		dict->pool_size = size;
	}
	data = dict->pool;
	dict->pool += len;
	dict->pool_left -= len;
	return data;
}

uint32
fp_dict_add(FpArena arena, FpDict *dict, const char *data, size_t len,
			uint32 hash)
{
	uint32 pos;
	char  *copy;

	if (dict->n >= FP_MAX_VALUES)
		fp_error(FP_ERR_LIMIT, NULL, NULL,
				 "a dimension of a failure cube has more than %d values",
				 FP_MAX_VALUES);
	if (len >= PG_UINT32_MAX)
		fp_error(FP_ERR_LIMIT, NULL, NULL,
				 "a value of %zu bytes is too long for a failure cube", len);
	if (dict->mask == 0 || dict->n >= dict->mask / 2)
		dict_grow(arena, dict);
	if (dict->n == dict->cap)
	{
		uint32 cap = dict->cap ? dict->cap * 2 : FIRST_SLOTS / 2;

		dict->texts = dict->texts ? fp_realloc_array(arena, dict->texts,
													 FpText, dict->cap, cap)
								  : fp_alloc_array(arena, FpText, cap);
		dict->cap = cap;
	}
	copy = dict_room(arena, dict, len + 1);
	memcpy(copy, data, len);
	copy[len] = '\0';
	dict->texts[dict->n].data = copy;
	dict->texts[dict->n].len = (uint32) len;
	dict->n++;

	for (pos = hash & dict->mask; dict->slots[pos].code != 0;
		 pos = (pos + 1) & dict->mask)
		;
	dict->slots[pos].hash = hash;
	dict->slots[pos].code = dict->n;
	return dict->n;
}

void
fp_dict_clear(FpArena arena, FpDict *dict)
{
	char *chunk =
		dict->pool ? dict->pool + dict->pool_left - dict->pool_size : NULL;

	while (chunk)
	{
		char *before;

		memcpy(&before, chunk, sizeof(before));
		fp_free(arena, chunk);
		chunk = before;
	}
	fp_free(arena, dict->texts);
	fp_free(arena, dict->slots);
	memset(dict, 0, sizeof(*dict));
}

void
fp_words_add(FpArena arena, FpWordMap *map, uint64 key, uint32 code)
{
	uint32 pos;

	Assert(code != 0);
	if (map->mask == 0 || map->n >= map->mask / 2)
	{
		uint64 nslots = map->mask ? ((uint64) map->mask + 1) * 2 : FIRST_SLOTS;
		uint32 mask = (uint32) (nslots - 1);
		FpWordSlot *slots;

		if (nslots > (uint64) FP_MAX_VALUES * 4)
			fp_error(FP_ERR_LIMIT, NULL, NULL,
					 "a dimension of a failure cube has too many values");
		slots = fp_alloc0_array(arena, FpWordSlot, nslots);
		if (map->mask)
		{
			for (uint64 i = 0; i <= map->mask; i++)
			{
				FpWordSlot *old = &map->slots[i];

				if (old->code == 0)
					continue;
				for (pos = (uint32) fp_hash_word(old->key) & mask;
					 slots[pos].code != 0; pos = (pos + 1) & mask)
					;
				slots[pos] = *old;
			}
		}
		fp_free(arena, map->slots);
		map->slots = slots;
		map->mask = mask;
	}
	for (pos = (uint32) fp_hash_word(key) & map->mask;
		 map->slots[pos].code != 0; pos = (pos + 1) & map->mask)
		;
	map->slots[pos].key = key;
	map->slots[pos].code = code;
	map->n++;
}

void
fp_words_clear(FpArena arena, FpWordMap *map)
{
	fp_free(arena, map->slots);
	memset(map, 0, sizeof(*map));
}
