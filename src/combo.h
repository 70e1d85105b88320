/*-------------------------------------------------------------------------
 *
 * combo.h
 *		Combinations and conditions as lists of items, and their match key.
 *
 * A combination {"lora": ["3", "7"], "character": "5", "segment_position": 6}
 * and the conditions of a pattern {"lora": "3", "character": "5",
 * "segment_position": {"min": 6}} are read alike: values become items
 * (dimension, value), numbers and ranges become intervals.  A pattern is met
 * when the combination has all its items, and its intervals overlap.  How many
 * values of a set a combination has, it need not say: its items tell.
 *
 * The match key of a pattern hashes its items, so that all patterns which a
 * combination may meet are found by the keys of the subsets of its items.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef FAILPAT_COMBO_H
#define FAILPAT_COMBO_H

#include "failpat.h"

#include "utils/jsonb.h"

/* The dimension that is left out when a whole scene is meant. */
#define FAILPAT_POSITION "segment_position"

/* Texts point into what was read, or are palloc'd; not zero-terminated. */
typedef struct FailpatItem
{
	const char *dim;
	int			dim_len;
	const char *value;
	int			value_len;
	uint64		hash;
} FailpatItem;

typedef struct FailpatInterval
{
	const char *dim;
	int			dim_len;
	bool		count; /* of the number of a set's members */
	double		min;   /* may be -infinity */
	double		max;   /* may be infinity */
} FailpatInterval;

typedef struct FailpatCombo
{
	int				 nitems;
	int				 items_cap;
	FailpatItem		*items;
	int				 nintervals;
	int				 intervals_cap;
	FailpatInterval *intervals;
} FailpatCombo;

/* More items than this are refused: no combination has so many. */
#define FAILPAT_COMBO_MAX_ITEMS 256

/* The dimension "avatar" is read as "character", its older name. */
extern void failpat_combo_add(FailpatCombo *combo, const char *dim,
							  int dim_len, const char *value, int value_len);
extern void failpat_combo_add_interval(FailpatCombo *combo, const char *dim,
									   int dim_len, double min, double max);

/* the set has min to max values */
extern void failpat_combo_add_count(FailpatCombo *combo, const char *dim,
									int dim_len, double min, double max);

/*
 * Read a JSON object into combo.  pattern: these are a pattern's conditions,
 * where a scalar is a value, never a number to compare with ranges; in a
 * combination it may be either.  Nulls are left out.  argument: for messages.
 *
 * Errors: ERRCODE_INVALID_PARAMETER_VALUE where it is not such an object.
 */
extern void failpat_combo_read(FailpatCombo *combo, Jsonb *object,
							   bool pattern, const char *argument);

/*
 * Does a combination meet the pattern?  whole_scene: a range of
 * FAILPAT_POSITION is met by a combination that says nothing of it.
 */
extern bool failpat_combo_meets(const FailpatCombo *combo,
								const FailpatCombo *pattern, bool whole_scene);

/* Does one pattern have all conditions of another, as narrow or narrower? */
extern bool failpat_combo_says_more(const FailpatCombo *more,
									const FailpatCombo *less);

/* Have both ranges on the same dimensions, of the same kinds? */
extern bool failpat_combo_same_ranges(const FailpatCombo *a,
									  const FailpatCombo *b);

/* the interval of an ordinal dimension, or NULL */
extern const FailpatInterval *failpat_combo_interval(const FailpatCombo *combo,
													 const char			*dim,
													 int dim_len);

/*
 * Match key of some items: of the sum of their hashes, whatever their order.
 * It is stored in an index, so it must never change.
 */
static inline int64
failpat_match_key(uint64 sum_of_hashes)
{
	uint64 h = sum_of_hashes;

	h ^= h >> 33;
	h *= UINT64CONST(0xff51afd7ed558ccd);
	h ^= h >> 33;
	h *= UINT64CONST(0xc4ceb9fe1a85ec53);
	h ^= h >> 33;
	return (int64) h;
}

#endif /* FAILPAT_COMBO_H */
