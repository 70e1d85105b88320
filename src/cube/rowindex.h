/*-------------------------------------------------------------------------
 *
 * rowindex.h
 *		Where in a time bucket the observations of a value are.
 *
 * A cube knows how many observations meet conditions; this knows which.  It
 * is made with the cube of a bucket, of the same rows, and is read in small
 * pieces: per value the rows that have it, newest last, per ordinal dimension
 * a column of codes, and the time of each row.  It finds times, not rows:
 * rows are read, and judged again, by whoever asks.
 *
 * A key names what a row has, and is as short as a text can be:
 *	v<len>:<dim><value>	 a value of a dimension, or a member of a set
 *	e<len>:<dim>		 the empty set
 *	n<len>:<dim>		 not recorded
 *	o<len>:<dim>		 the column of an ordinal dimension
 *	d<len>:<dim>		 the dimension is known; stands for no rows
 *	f					 it failed
 *	c<check>			 it failed this check
 * with <len> the bytes of <dim>, as decimal digits.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef FAILPAT_CUBE_ROWINDEX_H
#define FAILPAT_CUBE_ROWINDEX_H

#include "cube/dict.h"

typedef struct FpRowIndexDim
{
	FpText name;
	FpText ref; /* its length, a colon, and its name, as keys have it */
	bool   ordinal;
	uint64 last_row; /* newest row that has it, plus 1 */
	uint32 null_key; /* made when it is known to be needed */
	/* ordinal only: of row r codes[r], 0 = not recorded, and their numbers */
	uint64	  codes_cap;
	uint32	 *codes;
	double	 *numbers;
	uint32	  nnumbers;
	uint32	  numbers_cap;
	FpWordMap number_codes;
} FpRowIndexDim;

typedef struct FpRowIndexBuilder
{
	FpArena arena;
	size_t	limit;
	bool	given_up; /* too large, or not to be had this way */
	uint64	nrows;
	uint64	rows_cap;
	int64  *at;
	uint64 *offsets; /* keys of row r: keys[offsets[r]] to [offsets[r + 1]] */
	uint64	nkeys;
	uint64	keys_cap;
	uint32 *keys;
	FpDict	names; /* of keys; codes from 1 */
	int		ndims;
	FpRowIndexDim dims[FP_MAX_DIMS];
	char		 *buf; /* where keys are put together */
	size_t		  buf_cap;
} FpRowIndexBuilder;

/*
 * An empty builder in arena.  limit: bytes that the arena may hold, 0 for any;
 * beyond it, and where rows cannot be told apart by keys, it gives up: then
 * there is no index, which is never an error.
 */
extern FpRowIndexBuilder *fp_rowindex_create(FpArena arena, size_t limit);

/* number of a dimension, -1 where the builder has given up */
extern int fp_rowindex_dim(FpRowIndexBuilder *builder, const char *name,
						   size_t len, bool ordinal);

/* begin a row; then tell what it has */
extern void fp_rowindex_row(FpRowIndexBuilder *builder, int64 at);
extern void fp_rowindex_value(FpRowIndexBuilder *builder, int dim,
							  const char *value, size_t len);
extern void fp_rowindex_empty(FpRowIndexBuilder *builder, int dim);
extern void fp_rowindex_number(FpRowIndexBuilder *builder, int dim,
							   double number);
extern void fp_rowindex_failed(FpRowIndexBuilder *builder);
extern void fp_rowindex_check(FpRowIndexBuilder *builder, const char *check,
							  size_t len);

/*
 * The bytes of the index, in arena, after "header" bytes that are left to the
 * caller; NULL where the builder has given up.  *len counts without them.
 */
extern char *fp_rowindex_encode(FpRowIndexBuilder *builder, FpArena arena,
								size_t header, size_t *len);

/*
 * Reads length bytes from offset; returns them, or NULL where the value ends
 * before.
 */
typedef const uint8 *(*FpRowIndexRead)(void *value, size_t offset,
									   size_t length);

typedef struct FpRowRange
{
	FpText dim; /* its name */
	double min; /* may be -infinity */
	double max; /* may be infinity */
} FpRowRange;

/*
 * The times of the newest rows that have all keys and lie in all ranges, the
 * newest first, up to "until": at least "wanted" before it, if there are so
 * many, and perhaps some that are at it.  -1 where the index cannot tell:
 * a dimension is of another kind there.  FP_ERR_CORRUPT where the bytes are
 * not those of an index; keys as above.
 */
extern int64 fp_rowindex_find(FpArena arena, FpRowIndexRead read, void *value,
							  size_t size, const FpText *keys, int nkeys,
							  const FpRowRange *ranges, int nranges,
							  int64 until, int64 wanted, int64 **times);

#endif /* FAILPAT_CUBE_ROWINDEX_H */
