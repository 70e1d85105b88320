/*-------------------------------------------------------------------------
 *
 * cube.h
 *		A failure cube in memory, ready to be read.
 *
 * The exact multiset "combination of parameter values -> (trials, failures,
 * failures per check)", dictionary-encoded and columnar.  This is what the
 * miner, the heatmap and the totals read; it is made from the stored bytes
 * (format.h) or by hand in tests.  Read-only once made.
 *
 * Canonical order, so that equal content is equal to the bit:
 *	- dimensions in the order in which they were given (the operators that
 *	  compare cubes put them in the order of their names);
 *	- values of nominal, set and stratum dimensions by their bytes (strcmp
 *	  order, as COLLATE "C"), of ordinal dimensions by number;
 *	- sets by their members, lexicographically, the empty set first;
 *	- cells by their codes, first dimension first; no two cells alike, no cell
 *	  with trials = 0.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef FAILPAT_CUBE_H
#define FAILPAT_CUBE_H

#include "pure.h"

/* Limits, each checked where input comes in. */
#define FP_MAX_DIMS 64
#define FP_MAX_SET_MEMBERS 16	 /* values of a set-valued dimension at once */
#define FP_MAX_CHECKS 1024		 /* distinct check names in a cube */
#define FP_MAX_VALUES 0x3fffffff /* distinct values (or sets) per dim */

typedef enum FpDimKind
{
	FP_NOMINAL = 0,
	FP_SET = 1,		/* 0 to 16 values at once */
	FP_ORDINAL = 2, /* numbers; conditions are ranges */
	FP_STRATUM = 3	/* never a condition: stratifies or clusters */
} FpDimKind;

typedef struct FpText
{
	const char *data; /* bytes in the database's encoding, and a
								 * terminating zero that len does not count */
	uint32		len;
} FpText;

typedef struct FpDim
{
	FpText	  name;
	FpDimKind kind;

	/*
	 * Values; code 0 means NULL, "not recorded", and codes 1..nvalues stand
	 * for values[code - 1].  For an ordinal dimension, numbers[code - 1] is
	 * the value as a number (finite) and values its shortest text.
	 */
	uint32	nvalues;
	FpText *values;
	double *numbers; /* ordinal dimensions only, else NULL */

	/*
	 * Set dimensions only: a cell's code is a set number, 0 for NULL,
	 * 1..nsets for sets[]; set s has the members
	 * set_members[set_offsets[s - 1] .. set_offsets[s] - 1], value codes in
	 * ascending order, each once.  The empty set ("none used", which is known)
	 * is a set like any other.
	 */
	uint32	nsets;
	uint64 *set_offsets; /* nsets + 1 entries, the first 0 */
	uint32 *set_members;
} FpDim;

typedef struct FpCube
{
	int	   ndims;
	FpDim *dims;

	uint64	 ncells;
	uint32 **codes;	   /* codes[dim][cell] */
	int64	*trials;   /* > 0 */
	int64	*failures; /* 0 <= failures <= trials */
	int64	 total_trials;
	int64	 total_failures;

	/*
	 * Failures per check, sparse: cell c has the entries check_offsets[c] ..
	 * check_offsets[c + 1] - 1 of (check_codes, check_failures), codes
	 * ascending, each 0 <= code < nchecks, 1 <= check_failures <= failures.
	 * All NULL where nchecks = 0.
	 */
	uint32	nchecks;
	FpText *checks;		   /* by their bytes */
	uint64 *check_offsets; /* ncells + 1 entries */
	uint32 *check_codes;
	int64  *check_failures;
} FpCube;

/* members of a set of a set dimension, by its code (1..nsets) */
static inline uint32
fp_set_size(const FpDim *dim, uint32 code)
{
	return (uint32) (dim->set_offsets[code] - dim->set_offsets[code - 1]);
}

/* "nominal", "set", "ordinal", "stratum" */
extern const char *fp_dim_kind_name(FpDimKind kind);

/* the error that a dimension is of two kinds */
extern void fp_dim_conflict(const FpText *name, FpDimKind kind,
							FpDimKind other) __attribute__((noreturn));

/* bytes of a text that fit into a message: "%.*s", fp_clip(data, len), data */
extern int fp_clip(const char *data, size_t len);

/* bytes that the cells of a cube take in memory */
extern size_t fp_cube_bytes(const FpCube *cube);

/* number of the dimension of that name, or -1 */
extern int fp_cube_find_dim(const FpCube *cube, const char *name, size_t len);

/* code (1..nvalues) of a value of a dimension, or 0 where it does not occur */
extern uint32 fp_cube_find_value(const FpDim *dim, const char *value,
								 size_t len);

#endif /* FAILPAT_CUBE_H */
