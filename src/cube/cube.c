/*-------------------------------------------------------------------------
 *
 * cube.c
 *		Look-ups in a cube in memory.
 *
 * Owns nothing, allocates nothing, takes no locks.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#include "cube/cube.h"

static const char *const kind_names[] = {"nominal", "set", "ordinal",
										 "stratum"};

const char *
fp_dim_kind_name(FpDimKind kind)
{
	return kind_names[kind];
}

void
fp_dim_conflict(const FpText *name, FpDimKind kind, FpDimKind other)
{
	fp_error(
		FP_ERR_DATA, NULL,
		"Name it in the same of the arguments \"ordinal\" and \"strata\" wherever it is used.",
		"dimension \"%.*s\" is both %s and %s", fp_clip(name->data, name->len),
		name->data, fp_dim_kind_name(kind), fp_dim_kind_name(other));
}

/*
 * Bytes of a text that fit into a message, without cutting a UTF-8 character
 * in two.
 */
int
fp_clip(const char *data, size_t len)
{
	size_t clip = 60;

	if (len <= clip)
		return (int) len;
	while (clip > 0 && ((uint8) data[clip] & 0xc0) == 0x80)
		clip--;
	return (int) clip;
}

static int
text_cmp(const FpText *a, const char *b, size_t blen)
{
	int cmp = memcmp(a->data, b, Min((size_t) a->len, blen));

	if (cmp != 0)
		return cmp;
	return a->len < blen ? -1 : a->len > blen;
}

size_t
fp_cube_bytes(const FpCube *cube)
{
	size_t cell = cube->ndims * sizeof(uint32) + 2 * sizeof(int64);

	if (cube->nchecks == 0)
		return cube->ncells * cell;
	return cube->ncells * (cell + sizeof(uint64)) +
		   cube->check_offsets[cube->ncells] *
			   (sizeof(uint32) + sizeof(int64));
}

int
fp_cube_find_dim(const FpCube *cube, const char *name, size_t len)
{
	for (int d = 0; d < cube->ndims; d++)
		if (text_cmp(&cube->dims[d].name, name, len) == 0)
			return d;
	return -1;
}

/*
 * Values of ordinal dimensions are ordered by number, so they are searched
 * one by one; the others by bisection.
 */
uint32
fp_cube_find_value(const FpDim *dim, const char *value, size_t len)
{
	uint32 low = 0;
	uint32 high = dim->nvalues;

	if (dim->kind == FP_ORDINAL)
	{
		for (uint32 v = 0; v < dim->nvalues; v++)
			if (text_cmp(&dim->values[v], value, len) == 0)
				return v + 1;
		return 0;
	}
	while (low < high)
	{
		uint32 mid = low + (high - low) / 2;
		int	   cmp = text_cmp(&dim->values[mid], value, len);

		if (cmp == 0)
			return mid + 1;
		if (cmp < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return 0;
}
