/*-------------------------------------------------------------------------
 *
 * cube_expanded.c
 *		The two forms of a failure_cube: flat bytes, and a builder.
 *
 * Flat, it is a varlena with the bytes of cube/format.h.  Expanded, it is a
 * builder that aggregates change in place: STYPE of the aggregates is
 * failure_cube itself, and the server carries a pointer to the expanded form
 * from row to row.  Where it leaves the process or goes to disk, the server
 * has it flattened.
 *
 * Memory: an expanded cube owns one context, "failpat cube", a child of the
 * context that its maker names (an aggregate's, say), in which builder and
 * cached encoding lie and which goes with it.  No locks.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "cube/format.h"
#include "cubes.h"
#include "failpat.h"

#define CUBE_MAGIC 0x66706362

static Size cube_flat_size(ExpandedObjectHeader *eohptr);
static void cube_flatten_into(ExpandedObjectHeader *eohptr, void *result,
							  Size allocated_size);

static const ExpandedObjectMethods cube_methods = {cube_flat_size,
												   cube_flatten_into};

static size_t
memory_limit(void)
{
	return (size_t) failpat_memory_limit * 1024;
}

/* a cube as a varlena in cx */
static char *
flatten(const FpCube *cube, MemoryContext cx)
{
	size_t len;
	char  *flat = fp_cube_encode(cx, cube, VARHDRSZ, &len);

	if (len > MaxAllocSize - VARHDRSZ)
		ereport(
			ERROR,
			(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
			 errmsg("a failure cube of %zu bytes is too large to be a value",
					len),
			 errdetail("The limit is 1 GB; the cube has %llu cells.",
					   (unsigned long long) cube->ncells),
			 errhint(
				 "Aggregate fewer rows at a time, or leave out dimensions.")));
	SET_VARSIZE(flat, len + VARHDRSZ);
	return flat;
}

Datum
failpat_cube_to_datum(const FpCube *cube, MemoryContext cx)
{
	return PointerGetDatum(flatten(cube, cx));
}

/* the expanded cube behind a datum, or NULL when it is none of ours */
static FailpatCube *
expanded_from_datum(Datum d)
{
	ExpandedObjectHeader *eohptr;

	if (!VARATT_IS_EXTERNAL_EXPANDED(DatumGetPointer(d)))
		return NULL;
	eohptr = DatumGetEOHP(d);
	if (eohptr->eoh_methods != &cube_methods)
		return NULL;
	Assert(((FailpatCube *) eohptr)->magic == CUBE_MAGIC);
	return (FailpatCube *) eohptr;
}

/* make the cached encoding, if there is none */
static void
cache_flat(FailpatCube *cube)
{
	MemoryContext scratch;

	if (cube->flat)
		return;
	scratch = AllocSetContextCreate(CurrentMemoryContext, "failpat flatten",
									ALLOCSET_DEFAULT_SIZES);
	cube->flat = flatten(fp_builder_freeze(cube->builder, scratch),
						 cube->hdr.eoh_context);
	MemoryContextDelete(scratch);
}

static Size
cube_flat_size(ExpandedObjectHeader *eohptr)
{
	FailpatCube *cube = (FailpatCube *) eohptr;

	cache_flat(cube);
	return VARSIZE(cube->flat);
}

static void
cube_flatten_into(ExpandedObjectHeader *eohptr, void *result,
				  Size allocated_size)
{
	FailpatCube *cube = (FailpatCube *) eohptr;

	cache_flat(cube);
	if (allocated_size != VARSIZE(cube->flat))
		elog(ERROR, "internal error: a failure cube has changed its size");
	memcpy(result, cube->flat, allocated_size);
}

FailpatCube *
failpat_cube_expand_new(MemoryContext parent)
{
	/* small at first: an aggregate may have many groups */
	MemoryContext cx = AllocSetContextCreate(parent, "failpat cube",
											 ALLOCSET_START_SMALL_SIZES);
	FailpatCube	 *cube = MemoryContextAlloc(cx, sizeof(FailpatCube));

	EOH_init_header(&cube->hdr, &cube_methods, cx);
	cube->magic = CUBE_MAGIC;
	cube->builder = fp_builder_create(cx, memory_limit());
	cube->flat = NULL;
	return cube;
}

FailpatCube *
failpat_cube_for_change(Datum state, bool in_aggregate, MemoryContext parent)
{
	FailpatCube	 *cube = expanded_from_datum(state);
	MemoryContext scratch;

	if (cube && in_aggregate &&
		VARATT_IS_EXTERNAL_EXPANDED_RW(DatumGetPointer(state)))
	{
		if (cube->flat)
		{
			pfree(cube->flat);
			cube->flat = NULL;
		}
		return cube;
	}
	cube = failpat_cube_expand_new(parent);
	scratch = AllocSetContextCreate(CurrentMemoryContext, "failpat expand",
									ALLOCSET_DEFAULT_SIZES);
	fp_builder_merge(cube->builder, scratch,
					 failpat_cube_from_datum(state, scratch), NULL);
	MemoryContextDelete(scratch);
	return cube;
}

FpCube *
failpat_cube_from_datum(Datum d, MemoryContext cx)
{
	return failpat_cube_from_datum_limited(d, cx, memory_limit());
}

FpCube *
failpat_cube_from_datum_limited(Datum d, MemoryContext cx, size_t limit)
{
	FailpatCube	   *expanded = expanded_from_datum(d);
	struct varlena *flat;
	FpCube		   *cube;

	if (expanded)
		return fp_builder_freeze(expanded->builder, cx);
	flat = PG_DETOAST_DATUM_PACKED(d);
	if ((Pointer) flat != DatumGetPointer(d))
		limit -= Min(limit, VARSIZE_ANY(flat)); /* a copy, until below */
	cube = fp_cube_decode_limited(cx, VARDATA_ANY(flat),
								  VARSIZE_ANY_EXHDR(flat), limit);
	if ((Pointer) flat != DatumGetPointer(d))
		pfree(flat);
	return cube;
}

bool
failpat_cube_open(Datum d, MemoryContext cx, FpPackedCube *packed,
				  struct varlena **bytes)
{
	if (expanded_from_datum(d))
		return false;
	*bytes = PG_DETOAST_DATUM_PACKED(d);
	fp_cube_open(cx, VARDATA_ANY(*bytes), VARSIZE_ANY_EXHDR(*bytes),
				 memory_limit(), packed);
	return true;
}

bool
failpat_cube_open_plain(Datum d, MemoryContext cx, FpPackedCube *packed,
						struct varlena **bytes)
{
	if (expanded_from_datum(d))
		return false;
	*bytes = PG_DETOAST_DATUM_PACKED(d);
	fp_cube_open_plain(cx, VARDATA_ANY(*bytes), VARSIZE_ANY_EXHDR(*bytes),
					   memory_limit(), packed);
	return true;
}
