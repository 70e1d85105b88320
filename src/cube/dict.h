/*-------------------------------------------------------------------------
 *
 * dict.h
 *		Hash tables of the cube builder: bytes to codes, words to codes.
 *
 * Codes are 1, 2, 3, ... in order of first appearance; 0 is "absent".
 * Tables are zeroed structs at first and allocate on first use, so that a
 * builder that sees few values stays small.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef FAILPAT_CUBE_DICT_H
#define FAILPAT_CUBE_DICT_H

#include "cube/cube.h"

typedef struct FpSlot
{
	uint32 hash;
	uint32 code; /* 0: the slot is free */
} FpSlot;

/* Bytes to codes; the bytes are copied into the dictionary. */
typedef struct FpDict
{
	uint32	n;
	uint32	cap;   /* entries of texts */
	uint32	mask;  /* slots - 1, or 0 before the first use */
	FpText *texts; /* of code c: texts[c - 1] */
	FpSlot *slots;
	char   *pool; /* free bytes for copies */
	size_t	pool_left;
	size_t	pool_size; /* of the last chunk */
} FpDict;

typedef struct FpWordSlot
{
	uint64 key;
	uint32 code; /* 0: the slot is free */
} FpWordSlot;

/* 64-bit words to codes that the caller gives. */
typedef struct FpWordMap
{
	uint32		n;
	uint32		mask;
	FpWordSlot *slots;
} FpWordMap;

static inline uint64
fp_hash_word(uint64 key)
{
	key *= UINT64CONST(0x9e3779b97f4a7c15);
	key ^= key >> 32;
	key *= UINT64CONST(0xd6e8feb86659fd93);
	return key ^ (key >> 32);
}

static inline uint32
fp_hash_bytes(const char *data, size_t len)
{
	uint64 hash = (len + 1) * UINT64CONST(0x9e3779b97f4a7c15);
	uint64 word;

	for (; len > 8; data += 8, len -= 8)
	{
		memcpy(&word, data, 8);
		hash = (hash ^ word) * UINT64CONST(0xd6e8feb86659fd93);
		hash ^= hash >> 29;
	}
	/* the last 0 to 8 bytes, by loads that may overlap */
	if (len >= 4)
	{
		uint32 low;
		uint32 high;

		memcpy(&low, data, 4);
		memcpy(&high, data + len - 4, 4);
		word = (uint64) high << 32 | low;
	}
	else if (len > 0)
		word = (uint64) (uint8) data[0] << 16 |
			   (uint64) (uint8) data[len >> 1] << 8 | (uint8) data[len - 1];
	else
		word = 0;
	return (uint32) fp_hash_word(hash ^ word);
}

/* code of bytes with that hash, 0 when they are absent */
static inline uint32
fp_dict_find(const FpDict *dict, const char *data, size_t len, uint32 hash)
{
	if (unlikely(dict->mask == 0))
		return 0;
	for (uint32 i = hash & dict->mask;; i = (i + 1) & dict->mask)
	{
		const FpSlot *slot = &dict->slots[i];

		if (slot->code == 0)
			return 0;
		if (slot->hash == hash)
		{
			const FpText *text = &dict->texts[slot->code - 1];

			if (text->len == len && memcmp(text->data, data, len) == 0)
				return slot->code;
		}
	}
}

static inline uint32
fp_words_find(const FpWordMap *map, uint64 key)
{
	if (unlikely(map->mask == 0))
		return 0;
	for (uint32 i = (uint32) fp_hash_word(key) & map->mask;;
		 i = (i + 1) & map->mask)
	{
		const FpWordSlot *slot = &map->slots[i];

		if (slot->code == 0 || slot->key == key)
			return slot->code;
	}
}

/* copy bytes that are absent into the dictionary; their new code */
extern uint32 fp_dict_add(FpArena arena, FpDict *dict, const char *data,
						  size_t len, uint32 hash);
/* forget everything and give the memory of the tables back */
extern void fp_dict_clear(FpArena arena, FpDict *dict);

/* add a key that is absent */
extern void fp_words_add(FpArena arena, FpWordMap *map, uint64 key,
						 uint32 code);
extern void fp_words_clear(FpArena arena, FpWordMap *map);

#endif /* FAILPAT_CUBE_DICT_H */
