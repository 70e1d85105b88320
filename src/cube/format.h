/*-------------------------------------------------------------------------
 *
 * format.h
 *		The stored bytes of a failure cube.
 *
 * The bytes are canonical: equal content gives equal bytes, however and in
 * whatever order it was gathered, and the decoder accepts nothing else.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef FAILPAT_CUBE_FORMAT_H
#define FAILPAT_CUBE_FORMAT_H

#include "cube/cube.h"

/*
 * Encode a cube, which must be in canonical order (as fp_builder_freeze and
 * fp_cube_decode make it).  The result lies in arena, after "header" bytes
 * that are left to the caller (a varlena header, say); *len counts the
 * encoding without them.
 */
extern char *fp_cube_encode(FpArena arena, const FpCube *cube, size_t header,
							size_t *len);

/*
 * Decode bytes from anywhere into a cube that lies in arena and does not
 * refer to the bytes.  Everything is checked: FP_ERR_CORRUPT where the bytes
 * are not exactly what fp_cube_encode writes.
 *
 * The second form refuses (FP_ERR_LIMIT) a cube that would need more than
 * about "limit" bytes of memory.
 */
extern FpCube *fp_cube_decode(FpArena arena, const char *bytes, size_t len);
extern FpCube *fp_cube_decode_limited(FpArena arena, const char *bytes,
									  size_t len, size_t limit);

/*
 * A cube of which only the head has been read: its dimensions, their values,
 * the names of its checks; no codes, no counts.  The rest refers to the bytes.
 */
typedef struct FpPackedCube
{
	FpCube		*head; /* codes, trials and failures are NULL */
	const uint8 *columns[FP_MAX_DIMS];
	int			 bits[FP_MAX_DIMS]; /* of a code */
	const uint8 *counts;			/* trials, failures, checks */
	const uint8 *end;
	size_t		 limit; /* bytes that the rest may need in memory */
} FpPackedCube;

extern void fp_cube_open(FpArena arena, const char *bytes, size_t len,
						 size_t limit, FpPackedCube *packed);

/* The same, but that the values of strata are NULL: who does not name a job
 * need not pay for a million of them. */
extern void fp_cube_open_plain(FpArena arena, const char *bytes, size_t len,
							   size_t limit, FpPackedCube *packed);

/* The cube in full, but for its checks; its dimensions are the head's. */
extern FpCube *fp_cube_unpack(FpArena arena, const FpPackedCube *packed);

/* total_trials and total_failures of the head, which are 0 before */
extern void fp_packed_total(FpPackedCube *packed);

/*
 * The cube of some of its dimensions (numbers of them, each once), of the cells
 * that meet all conditions, as fp_cube_project() makes it; reading no more of
 * the cells than that takes.  NULL where this is not the way: more than two
 * dimensions, or of too many values.
 */
struct FpCondition;
extern FpCube *fp_cube_part(FpArena arena, const FpPackedCube *packed,
							const struct FpCondition *conditions,
							int nconditions, const int *dims, int ndims);

/*
 * A double as the shortest of "%.15g", "%.16g", "%.17g" that reads back the
 * same; buf has FP_NUMBER_LEN bytes.  Returns the length.
 */
#define FP_NUMBER_LEN 32
extern size_t fp_number_text(double number, char *buf);

/*
 * The number that a text stands for: an optional sign, digits with an
 * optional point, an optional exponent, blanks around it; false when it is
 * anything else (hexadecimal, NaN, Infinity, out of range).  -0 becomes 0.
 */
extern bool fp_number_parse(const char *text, size_t len, double *number);

#endif /* FAILPAT_CUBE_FORMAT_H */
