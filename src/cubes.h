/*-------------------------------------------------------------------------
 *
 * cubes.h
 *		Failure cubes as the server's values: what other features use.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef FAILPAT_CUBES_H
#define FAILPAT_CUBES_H

#include "pure.h"

#include "fmgr.h"
#include "utils/expandeddatum.h"
#include "utils/jsonb.h"

#include "condition_read.h"
#include "cube/build.h"
#include "cube/cube.h"
#include "cube/format.h"
#include "cube/read.h"

#if PG_VERSION_NUM >= 160000
#include "varatt.h"
#endif

/*
 * The cube that a datum of type failure_cube holds, decoded and checked, in
 * cx.  It does not refer to the datum.  The memory it needs is limited by
 * failpat.memory_limit, or to so many bytes.
 */
extern FpCube *failpat_cube_from_datum(Datum d, MemoryContext cx);
extern FpCube *failpat_cube_from_datum_limited(Datum d, MemoryContext cx,
											   size_t limit);

/*
 * The head of such a datum, in cx: true where it is stored as bytes.  *bytes
 * is what it refers to, to be freed by the caller where that is not the datum.
 */
extern bool failpat_cube_open(Datum d, MemoryContext cx, FpPackedCube *packed,
							  struct varlena **bytes);

/* The same without the values of strata. */
extern bool failpat_cube_open_plain(Datum d, MemoryContext cx,
									FpPackedCube	*packed,
									struct varlena **bytes);

/* A flat datum of type failure_cube, in cx. */
extern Datum failpat_cube_to_datum(const FpCube *cube, MemoryContext cx);

/*
 * Which cells of a cube meet all conditions: a flag per cell, in cx.
 *
 * Conditions are as in condition_read.h.
 * Unknown values match nothing; an unknown dimension, or a condition that
 * does not fit the kind of its dimension, is an error of class 22.
 */
extern bool *failpat_cube_match(const FpCube *cube, Jsonb *conditions,
								MemoryContext cx);

/* the same of n conditions that have been read, on different dimensions */
extern bool *failpat_cube_match_read(const FpCube			*cube,
									 const FailpatCondition *conditions, int n,
									 MemoryContext cx);

/*
 * The same conditions, read for this cube, whose dimensions and values suffice;
 * list has room for FP_MAX_DIMS + 1.  Returns their number.
 */
extern int failpat_cube_conditions(const FpCube *cube, Jsonb *conditions,
								   FpCondition *list);

/*
 * Can the conditions be asked of this cube?  The cube of one bucket may lack a
 * dimension that nobody recorded then, or have it as of another kind, when no
 * value of it was: then nothing meets them.
 */
extern bool failpat_conditions_fit(const FpCube			  *cube,
								   const FailpatCondition *conditions, int n);

/*
 * The conditions on dimensions of which the cube has values.  Any other was not
 * recorded (of what kind it is, the cube then cannot say): that meets null, and
 * no other condition, which *possible then denies.
 */
extern Jsonb *failpat_known_conditions(const FpCube *cube, Jsonb *conditions,
									   bool *possible);

/* number of the dimension of that name; an error that lists them otherwise */
extern int failpat_cube_dim(const FpCube *cube, const char *name, size_t len);

/* a value of a dimension as JSON: a string, or a number for ordinal ones */
extern JsonbValue failpat_cube_json_value(const FpDim *dim, uint32 code);

/* --- for the files of the type itself ---------------------------------- */

/*
 * The expanded form of a failure_cube: a builder, in a context of its own.
 * "flat" caches its encoding until the builder is changed.
 */
typedef struct FailpatCube
{
	ExpandedObjectHeader hdr;
	uint32				 magic;
	FpCubeBuilder		*builder;
	char				*flat; /* a whole varlena, or NULL */
} FailpatCube;

/* a new and empty one, below parent */
extern FailpatCube *failpat_cube_expand_new(MemoryContext parent);

/*
 * The expanded cube of an aggregate's state, to be changed.  In an aggregate
 * (in_aggregate) a read-write expanded datum is taken as it is; everything
 * else is copied below parent.
 */
extern FailpatCube *failpat_cube_for_change(Datum state, bool in_aggregate,
											MemoryContext parent);

#endif /* FAILPAT_CUBES_H */
