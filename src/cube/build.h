/*-------------------------------------------------------------------------
 *
 * build.h
 *		Builder of failure cubes: rows and whole cubes in, a cube out.
 *
 * A builder holds a growing dictionary per dimension and a hash table of
 * cells.  Whoever feeds it turns the values of a row into codes
 * (fp_builder_value, fp_builder_set) and then adds the row; fp_builder_freeze
 * makes the canonical cube, which does not depend on the order of the rows.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef FAILPAT_CUBE_BUILD_H
#define FAILPAT_CUBE_BUILD_H

#include "cube/celltable.h"
#include "cube/cube.h"
#include "cube/dict.h"

/*
 * A cache from the bytes of a value as the caller has it (a numeric, an array)
 * to its code, so that it is turned into text once only.
 */
typedef struct FpRawCache
{
	uint32	tag; /* what the bytes are; another tag empties the cache */
	FpDict	dict;
	uint32 *codes; /* of the dictionary's entry e: codes[e - 1] */
	uint32	cap;
} FpRawCache;

typedef struct FpBuilderDim
{
	FpText	  name;
	FpDimKind kind;
	uint32	  maxcode; /* largest code that cells have room for */

	FpDict values;

	/* ordinal: number -> code; code c stands for numbers[c - 1] */
	FpWordMap number_codes;
	uint32	  nnumbers;
	uint32	  numbers_cap;
	double	 *numbers;

	/* set: interned, code c stands for set_members[offsets[c-1]..offsets[c]) */
	uint32	nsets;
	uint32	sets_cap;
	uint64 *set_offsets;
	uint64	members_cap;
	uint32 *set_members;
	uint32	set_mask;
	FpSlot *set_slots;

	/* caches of the caller's own */
	uint32	   word_tag;
	FpWordMap  words;
	FpRawCache raw[2];
} FpBuilderDim;

typedef struct FpCubeBuilder
{
	FpArena		  arena;
	int			  ndims;
	FpBuilderDim *dims[FP_MAX_DIMS];
	int			  stratum;	   /* dimension that stays last, or -1 */
	bool		  strata_last; /* all strata come after the others */
	int			  nordered;	   /* dimensions at the last fp_builder_order */
	bool		  sorted;	   /* dimensions are ordered by name */
	bool		  relayout;	   /* a code has outgrown the cells' layout */
	FpCellTable	  cells;

	/* failures per check and cell: key = (cell << 10 | check) + 1 */
	FpDict	checks;
	uint64	ncheck_cells;
	uint64	check_mask;
	uint64 *check_keys;
	int64  *check_counts;

	/* what the caller last bound to this builder; see cube_agg.c */
	uint64 binding;
	int	   bound[FP_MAX_DIMS];
} FpCubeBuilder;

/*
 * An empty builder in arena (its own: nothing else should live there).
 * limit: bytes that the arena may hold, 0 for any; FP_ERR_LIMIT beyond it.
 */
extern FpCubeBuilder *fp_builder_create(FpArena arena, size_t limit);

/*
 * Number of the dimension of that name, which is added if it is new.  An old
 * one must be of that kind (FP_ERR_DATA), but that a nominal one
 * becomes a set dimension when asked to, stays a set dimension when asked to
 * be nominal (a scalar is a set of one), and is of any kind as long as it has
 * no values.
 */
extern int fp_builder_dim(FpCubeBuilder *builder, const char *name, size_t len,
						  FpDimKind kind);

/*
 * Tell the builder the dimensions of a source in their order.  When two
 * sources disagree, or where sort is true, the dimensions of the cube are
 * ordered by name.  Sources without dimensions do not count.
 */
extern void fp_builder_order(FpCubeBuilder *builder, const int *dims,
							 int ndims, bool sort);

/* code of a value: of the set {value} in a set dimension */
extern uint32 fp_builder_value(FpCubeBuilder *builder, int dim,
							   const char *value, size_t len);

/* code of a number in an ordinal dimension; finite */
extern uint32 fp_builder_number(FpCubeBuilder *builder, int dim,
								double number);

/*
 * code of a set of values in a set dimension; duplicates are dropped,
 * FP_ERR_DATA when more than FP_MAX_SET_MEMBERS remain
 */
extern uint32 fp_builder_set(FpCubeBuilder *builder, int dim,
							 const FpText *members, uint32 nmembers);

/* number of a check, from 0 */
extern uint32 fp_builder_check(FpCubeBuilder *builder, const char *name,
							   size_t len);

/*
 * Count a row.  codes: one per dimension of the builder, 0 = not recorded.
 * trials > 0, 0 <= failures <= trials.  Each check is counted for
 * check_failures[i], 0 < that <= failures, no check twice.
 */
extern void fp_builder_add_checks(FpCubeBuilder *builder, const uint32 *codes,
								  int64 trials, int64 failures,
								  const uint32 *checks,
								  const int64 *check_failures, int nchecks);
extern void fp_builder_relayout(FpCubeBuilder *builder);

static inline void
fp_builder_add(FpCubeBuilder *builder, const uint32 *codes, int64 trials,
			   int64 failures)
{
	if (unlikely(builder->relayout))
		fp_builder_relayout(builder);
	fp_cells_add(builder->arena, &builder->cells, codes, trials, failures);
}

/*
 * Add all cells of a cube, or those for which keep is true.  scratch is an
 * arena for what is needed meanwhile.
 */
extern void fp_builder_merge(FpCubeBuilder *builder, FpArena scratch,
							 const FpCube *cube, const bool *keep);

/* The same with all cells; those of the dimension builder->stratum, where there
 * is one, get the code "stratum". */
extern void fp_builder_merge_as(FpCubeBuilder *builder, FpArena scratch,
								const FpCube *cube, uint32 stratum);

/* the dimensions of cubes, so that their order and kinds are settled */
extern void fp_builder_dims(FpCubeBuilder *builder, FpCube *const *cubes,
							int n);

/* code, in dimension "to" of the builder, of code c of a dimension of a cube */
extern uint32 fp_builder_code(FpCubeBuilder *builder, int to, const FpDim *dim,
							  uint32 c);

/* The canonical cube of what was added, in arena.  The builder stays. */
extern FpCube *fp_builder_freeze(FpCubeBuilder *builder, FpArena arena);

/* The same; position, where it is not NULL, gets for each number that
 * fp_cells_count has returned the number of that cell in the cube. */
extern FpCube *fp_builder_freeze_cells(FpCubeBuilder *builder, FpArena arena,
									   uint32 *position);

/*
 * A cube without cells, whose dimensions have all values that the builder
 * knows, for who has cells of their own.  Dimension d of the cube is
 * dimension order[d] of the builder, whose code c is remap[d][c] in the cube.
 * order, remap: room for FP_MAX_DIMS; all results are in arena.
 */
extern FpCube *fp_builder_freeze_dims(FpCubeBuilder *builder, FpArena arena,
									  int *order, uint32 **remap);

/*
 * One cube of many.  Where stratum_name is not NULL, a dimension of that name
 * and kind FP_STRATUM is added as the last one, whose value is the ordinal
 * number of the source cube, from 1, with leading zeros so that values sort
 * by number.  The name must be that of no dimension (FP_ERR_DATA).
 */
extern FpCube *fp_cube_stack(FpArena arena, FpCube *const *cubes, int n,
							 const char *stratum_name);

/*
 * The same with numbers of one's own, strata[i] for cube i, 0 to n; cubes may
 * share one.
 */
extern FpCube *fp_cube_stack_by(FpArena arena, FpCube *const *cubes,
								const int *strata, int n,
								const char *stratum_name);

/*
 * The same up to the builder, which the caller freezes: so that the cubes'
 * memory can go before that.  arena, limit: as of fp_builder_create.
 */
extern FpCubeBuilder *fp_stack_builder(FpArena arena, size_t limit,
									   FpCube *const *cubes, const int *strata,
									   int n, const char *stratum_name);

/*
 * Caches of the caller: the code of a word (an integer, a datum passed by
 * value) or of raw bytes in a dimension; 0 when it is not known.  tag says
 * what the words or bytes are (a type); "which" is 0 or 1.
 */
static inline uint32
fp_builder_find_word(const FpBuilderDim *dim, uint32 tag, uint64 word)
{
	if (unlikely(dim->word_tag != tag))
		return 0;
	return fp_words_find(&dim->words, word);
}

extern void fp_builder_cache_word(FpCubeBuilder *builder, int dim, uint32 tag,
								  uint64 word, uint32 code);

static inline uint32
fp_builder_find_raw(const FpBuilderDim *dim, int which, uint32 tag,
					const char *data, size_t len)
{
	const FpRawCache *cache = &dim->raw[which];
	uint32			  entry;

	if (unlikely(cache->tag != tag))
		return 0;
	entry = fp_dict_find(&cache->dict, data, len, fp_hash_bytes(data, len));
	return entry ? cache->codes[entry - 1] : 0;
}

extern void fp_builder_cache_raw(FpCubeBuilder *builder, int dim, int which,
								 uint32 tag, const char *data, size_t len,
								 uint32 code);

/* code of a text in a nominal or stratum dimension, 0 when it is new */
static inline uint32
fp_builder_find_text(const FpBuilderDim *dim, const char *data, size_t len)
{
	return fp_dict_find(&dim->values, data, len, fp_hash_bytes(data, len));
}

#endif /* FAILPAT_CUBE_BUILD_H */
