/*-------------------------------------------------------------------------
 *
 * build.c
 *		Builder of failure cubes.
 *
 * Owns the dictionaries, the interned sets and the counts per check of a
 * builder; the cells are celltable.c's, the way to a canonical cube is
 * freeze.c's.  Everything lives in the builder's arena, from its creation
 * until the arena goes.  No locks.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#include "cube/build.h"
#include "cube/format.h"

/* a cache of raw bytes starts anew beyond this: it must not outgrow its use */
#define RAW_CACHE_ENTRIES 65536
#define RAW_CACHE_LONGEST 1024

#define CHECK_BITS 10
#define FIRST_SLOTS 16

FpCubeBuilder *
fp_builder_create(FpArena arena, size_t limit)
{
	FpCubeBuilder *builder = fp_alloc0(arena, sizeof(FpCubeBuilder));

	builder->arena = arena;
	builder->stratum = -1;
	builder->cells.nwords = 1;
	builder->cells.limit = limit;
	return builder;
}

/* Large dictionaries count as well; look at them now and then. */
static inline void
check_limit(FpCubeBuilder *builder, uint32 n)
{
	if ((n & 0xfff) == 0xfff)
		fp_cells_check_limit(builder->arena, builder->cells.limit, 0);
}

/* Slot of a set of members in ascending order, or the free one for it. */
static FpSlot *
find_set(const FpBuilderDim *dim, const uint32 *members, uint32 n, uint32 hash)
{
	for (uint32 pos = hash & dim->set_mask;; pos = (pos + 1) & dim->set_mask)
	{
		FpSlot *slot = &dim->set_slots[pos];
		uint64	from;

		if (slot->code == 0)
			return slot;
		if (slot->hash != hash)
			continue;
		from = dim->set_offsets[slot->code - 1];
		if (dim->set_offsets[slot->code] - from != n)
			continue;
		if (n == 0 ||
			memcmp(dim->set_members + from, members, n * sizeof(uint32)) == 0)
			return slot;
	}
}

/* code of a set of value codes in ascending order, each once */
static uint32
intern_set(FpCubeBuilder *builder, FpBuilderDim *dim, const uint32 *members,
		   uint32 n)
{
	FpArena arena = builder->arena;
	uint32	hash = fp_hash_bytes((const char *) members, n * sizeof(uint32));
	FpSlot *slot;
	uint64	used;

	if (dim->set_mask == 0 || dim->nsets >= dim->set_mask / 2)
	{
		FpSlot *old = dim->set_slots;
		uint64	oldn = dim->set_mask ? (uint64) dim->set_mask + 1 : 0;
		uint64	nslots = oldn ? oldn * 2 : FIRST_SLOTS;

		dim->set_slots = fp_alloc0_array(arena, FpSlot, nslots);
		dim->set_mask = (uint32) (nslots - 1);
		for (uint64 i = 0; i < oldn; i++)
		{
			uint32 pos = old[i].hash & dim->set_mask;

			if (old[i].code == 0)
				continue;
			while (dim->set_slots[pos].code != 0)
				pos = (pos + 1) & dim->set_mask;
			dim->set_slots[pos] = old[i];
		}
		fp_free(arena, old);
	}
	slot = find_set(dim, members, n, hash);
	if (slot->code != 0)
		return slot->code;

	if (dim->nsets >= FP_MAX_VALUES)
		fp_error(FP_ERR_LIMIT, NULL, NULL,
				 "dimension \"%.*s\" has more than %d distinct sets",
				 fp_clip(dim->name.data, dim->name.len), dim->name.data,
				 FP_MAX_VALUES);
	if (dim->nsets + 1 >= dim->sets_cap)
	{
		uint32 cap = dim->sets_cap ? dim->sets_cap * 2 : FIRST_SLOTS;

		dim->set_offsets = dim->set_offsets
							   ? fp_realloc_array(arena, dim->set_offsets,
												  uint64, dim->sets_cap, cap)
							   : fp_alloc0_array(arena, uint64, cap);
		dim->sets_cap = cap;
	}
	used = dim->set_offsets[dim->nsets];
	if (used + n > dim->members_cap)
	{
		uint64 cap =
			dim->members_cap ? dim->members_cap * 2 : 2 * FP_MAX_SET_MEMBERS;

		dim->set_members =
			dim->set_members ? fp_realloc_array(arena, dim->set_members,
												uint32, dim->members_cap, cap)
							 : fp_alloc_array(arena, uint32, cap);
		dim->members_cap = cap;
	}
	if (n > 0)
		memcpy(dim->set_members + used, members, n * sizeof(uint32));
	dim->nsets++;
	dim->set_offsets[dim->nsets] = used + n;
	slot->hash = hash;
	slot->code = dim->nsets;
	check_limit(builder, dim->nsets);
	if (dim->nsets > dim->maxcode)
		builder->relayout = true;
	return dim->nsets;
}

/*
 * A nominal dimension becomes a set dimension.  Value v becomes the set {v},
 * under the same code, so that cells and caches stay as they are.
 */
static void
become_set(FpCubeBuilder *builder, FpBuilderDim *dim)
{
	dim->kind = FP_SET;
	for (uint32 v = 1; v <= dim->values.n; v++)
	{
		uint32 code PG_USED_FOR_ASSERTS_ONLY = intern_set(builder, dim, &v, 1);

		Assert(code == v);
	}
}

int
fp_builder_dim(FpCubeBuilder *builder, const char *name, size_t len,
			   FpDimKind kind)
{
	FpBuilderDim *dim;
	char		 *copy;

	for (int d = 0; d < builder->ndims; d++)
	{
		dim = builder->dims[d];
		if (dim->name.len != len || memcmp(dim->name.data, name, len) != 0)
			continue;
		if (dim->kind == kind || (dim->kind == FP_SET && kind == FP_NOMINAL))
			return d;
		if (dim->kind == FP_NOMINAL && kind == FP_SET)
			become_set(builder, dim);
		else if (dim->kind == FP_NOMINAL && dim->values.n == 0)
			dim->kind = kind;
		else
			fp_dim_conflict(&dim->name, dim->kind, kind);
		return d;
	}

	if (builder->ndims == FP_MAX_DIMS)
		fp_error(FP_ERR_LIMIT, NULL, NULL,
				 "a failure cube cannot have more than %d dimensions",
				 FP_MAX_DIMS);
	dim = fp_alloc0(builder->arena, sizeof(FpBuilderDim));
	copy = fp_alloc(builder->arena, len + 1);
	memcpy(copy, name, len);
	copy[len] = '\0';
	dim->name.data = copy;
	dim->name.len = (uint32) len;
	dim->kind = kind;
	builder->dims[builder->ndims] = dim;
	builder->relayout = true;
	return builder->ndims++;
}

void
fp_builder_order(FpCubeBuilder *builder, const int *dims, int ndims, bool sort)
{
	if (ndims == 0)
		return;
	if (sort || ndims != builder->ndims ||
		(builder->nordered != 0 && builder->nordered != ndims))
		builder->sorted = true;
	for (int d = 0; d < ndims; d++)
		if (dims[d] != d)
			builder->sorted = true;
	builder->nordered = builder->ndims;
}

/* bits for codes 0..max */
static inline uint8
bits_for(uint32 max)
{
	return max == 0 ? 0 : (uint8) (32 - __builtin_clz(max));
}

static uint32
codes_used(const FpBuilderDim *dim)
{
	switch (dim->kind)
	{
		case FP_SET:
			return dim->nsets;
		case FP_ORDINAL:
			return dim->nnumbers;
		default:
			return dim->values.n;
	}
}

/*
 * Give each dimension the bits that its codes need, and a spare one where it
 * does not have enough, so that cells are rewritten only as often as a
 * dictionary doubles.
 */
void
fp_builder_relayout(FpCubeBuilder *builder)
{
	uint8 bits[FP_MAX_DIMS];

	for (int d = 0; d < builder->ndims; d++)
	{
		uint32 used = codes_used(builder->dims[d]);

		bits[d] = d < builder->cells.ndims ? builder->cells.bits[d] : 0;
		if (bits_for(used) > bits[d])
			bits[d] = Min(bits_for(used) + 1, 30);
		builder->dims[d]->maxcode = (uint32) ((UINT64CONST(1) << bits[d]) - 1);
	}
	fp_cells_layout(builder->arena, &builder->cells, builder->ndims, bits);
	builder->relayout = false;
}

uint32
fp_builder_number(FpCubeBuilder *builder, int d, double number)
{
	FpBuilderDim *dim = builder->dims[d];
	uint64		  key;
	uint32		  code;

	if (number == 0)
		number = 0; /* not -0 */
	memcpy(&key, &number, sizeof(key));
	code = fp_words_find(&dim->number_codes, key);
	if (code != 0)
		return code;
	if (dim->nnumbers >= FP_MAX_VALUES)
		fp_error(FP_ERR_LIMIT, NULL, NULL,
				 "dimension \"%.*s\" has more than %d values",
				 fp_clip(dim->name.data, dim->name.len), dim->name.data,
				 FP_MAX_VALUES);
	if (dim->nnumbers == dim->numbers_cap)
	{
		uint32 cap = dim->numbers_cap ? dim->numbers_cap * 2 : FIRST_SLOTS;

		dim->numbers = dim->numbers
						   ? fp_realloc_array(builder->arena, dim->numbers,
											  double, dim->numbers_cap, cap)
						   : fp_alloc_array(builder->arena, double, cap);
		dim->numbers_cap = cap;
	}
	code = dim->nnumbers + 1;
	fp_words_add(builder->arena, &dim->number_codes, key, code);
	dim->numbers[dim->nnumbers++] = number;
	check_limit(builder, code);
	if (code > dim->maxcode)
		builder->relayout = true;
	return code;
}

/* code of a value in the dictionary of values */
static uint32
value_code(FpCubeBuilder *builder, FpBuilderDim *dim, const char *value,
		   size_t len)
{
	uint32 hash = fp_hash_bytes(value, len);
	uint32 code = fp_dict_find(&dim->values, value, len, hash);

	if (code == 0)
	{
		fp_cells_check_limit(builder->arena,
							 len > 4096 ? builder->cells.limit : 0, len);
		code = fp_dict_add(builder->arena, &dim->values, value, len, hash);
		check_limit(builder, code);
	}
	return code;
}

uint32
fp_builder_value(FpCubeBuilder *builder, int d, const char *value, size_t len)
{
	FpBuilderDim *dim = builder->dims[d];
	uint32		  code;
	double		  number;

	if (dim->kind == FP_ORDINAL)
	{
		if (!fp_number_parse(value, len, &number))
			fp_error(
				FP_ERR_DATA,
				"The values of an ordinal dimension are finite numbers.", NULL,
				"value \"%.*s\" of ordinal dimension \"%.*s\" is not a number",
				fp_clip(value, len), value,
				fp_clip(dim->name.data, dim->name.len), dim->name.data);
		return fp_builder_number(builder, d, number);
	}
	code = value_code(builder, dim, value, len);
	if (dim->kind == FP_SET)
		return intern_set(builder, dim, &code, 1);
	if (code > dim->maxcode)
		builder->relayout = true;
	return code;
}

uint32
fp_builder_set(FpCubeBuilder *builder, int d, const FpText *members,
			   uint32 nmembers)
{
	FpBuilderDim *dim = builder->dims[d];
	uint32		  codes[FP_MAX_SET_MEMBERS];
	uint32		  n = 0;

	Assert(dim->kind == FP_SET);
	for (uint32 m = 0; m < nmembers; m++)
	{
		uint32 code =
			value_code(builder, dim, members[m].data, members[m].len);
		uint32 at = n;

		/* into its place; there are 16 at most */
		while (at > 0 && codes[at - 1] > code)
			at--;
		if (at > 0 && codes[at - 1] == code)
			continue;
		if (n == FP_MAX_SET_MEMBERS)
			fp_error(FP_ERR_DATA, NULL, NULL,
					 "dimension \"%.*s\" has more than %d values at once",
					 fp_clip(dim->name.data, dim->name.len), dim->name.data,
					 FP_MAX_SET_MEMBERS);
		memmove(codes + at + 1, codes + at, (n - at) * sizeof(uint32));
		codes[at] = code;
		n++;
	}
	return intern_set(builder, dim, codes, n);
}

uint32
fp_builder_check(FpCubeBuilder *builder, const char *name, size_t len)
{
	uint32 hash = fp_hash_bytes(name, len);
	uint32 code = fp_dict_find(&builder->checks, name, len, hash);

	if (code == 0)
	{
		if (builder->checks.n == FP_MAX_CHECKS)
			fp_error(FP_ERR_LIMIT, NULL, NULL,
					 "a failure cube cannot have more than %d checks",
					 FP_MAX_CHECKS);
		code = fp_dict_add(builder->arena, &builder->checks, name, len, hash);
	}
	return code - 1;
}

static void
count_check(FpCubeBuilder *builder, uint64 cell, uint32 check, int64 failures)
{
	FpArena arena = builder->arena;
	uint64	key = (cell << CHECK_BITS | check) + 1;
	uint64	pos;

	if (builder->check_mask == 0 ||
		builder->ncheck_cells >= builder->check_mask / 2)
	{
		uint64	oldn = builder->check_mask ? builder->check_mask + 1 : 0;
		uint64	nslots = oldn ? oldn * 2 : FIRST_SLOTS;
		uint64 *keys;
		int64  *counts;

		fp_cells_check_limit(arena, builder->cells.limit,
							 nslots * (sizeof(uint64) + sizeof(int64)));
		keys = fp_alloc0_array(arena, uint64, nslots);
		counts = fp_alloc_array(arena, int64, nslots);
		for (uint64 i = 0; i < oldn; i++)
		{
			if (builder->check_keys[i] == 0)
				continue;
			pos = fp_hash_word(builder->check_keys[i]) & (nslots - 1);
			while (keys[pos] != 0)
				pos = (pos + 1) & (nslots - 1);
			keys[pos] = builder->check_keys[i];
			counts[pos] = builder->check_counts[i];
		}
		fp_free(arena, builder->check_keys);
		fp_free(arena, builder->check_counts);
		builder->check_keys = keys;
		builder->check_counts = counts;
		builder->check_mask = nslots - 1;
	}
	pos = fp_hash_word(key) & builder->check_mask;
	while (builder->check_keys[pos] != 0 && builder->check_keys[pos] != key)
		pos = (pos + 1) & builder->check_mask;
	if (builder->check_keys[pos] == 0)
	{
		builder->check_keys[pos] = key;
		builder->check_counts[pos] = 0;
		builder->ncheck_cells++;
	}
	/* never more than the failures of the cell, which did not overflow */
	builder->check_counts[pos] += failures;
}

void
fp_builder_add_checks(FpCubeBuilder *builder, const uint32 *codes,
					  int64 trials, int64 failures, const uint32 *checks,
					  const int64 *check_failures, int nchecks)
{
	uint64 cell;

	if (builder->relayout)
		fp_builder_relayout(builder);
	/* rows that wait keep waiting: the order of rows does not matter */
	cell = fp_cells_count(builder->arena, &builder->cells, codes, trials,
						  failures);
	for (int i = 0; i < nchecks; i++)
	{
		Assert(check_failures[i] > 0 && check_failures[i] <= failures);
		count_check(builder, cell, checks[i], check_failures[i]);
	}
}

void
fp_builder_cache_word(FpCubeBuilder *builder, int d, uint32 tag, uint64 word,
					  uint32 code)
{
	FpBuilderDim *dim = builder->dims[d];

	if (dim->word_tag != tag)
	{
		fp_words_clear(builder->arena, &dim->words);
		dim->word_tag = tag;
	}
	fp_words_add(builder->arena, &dim->words, word, code);
	check_limit(builder, dim->words.n);
}

void
fp_builder_cache_raw(FpCubeBuilder *builder, int d, int which, uint32 tag,
					 const char *data, size_t len, uint32 code)
{
	FpRawCache *cache = &builder->dims[d]->raw[which];
	uint32		entry;

	if (len > RAW_CACHE_LONGEST)
		return;
	if (cache->tag != tag || cache->dict.n >= RAW_CACHE_ENTRIES)
	{
		fp_dict_clear(builder->arena, &cache->dict);
		cache->tag = tag;
	}
	entry = fp_dict_add(builder->arena, &cache->dict, data, len,
						fp_hash_bytes(data, len));
	if (entry > cache->cap)
	{
		uint32 cap = cache->cap ? cache->cap * 2 : FIRST_SLOTS;

		cache->codes = cache->codes
						   ? fp_realloc_array(builder->arena, cache->codes,
											  uint32, cache->cap, cap)
						   : fp_alloc_array(builder->arena, uint32, cap);
		cache->cap = cap;
	}
	cache->codes[entry - 1] = code;
}
