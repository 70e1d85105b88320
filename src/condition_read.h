/*-------------------------------------------------------------------------
 *
 * condition_read.h
 *		The language of conditions, read.
 *
 * Conditions are an object {"dimension": condition}.  A condition is
 *	- a scalar: the value equals it (an ordinal one as a number), or the set
 *	  has it as a member;
 *	- an array: the set has all of them as members; []: the empty set;
 *	- {"min": ..., "max": ...}, one or both: an ordinal value between them,
 *	  both included;
 *	- {"count": number or {"min": ..., "max": ...}}: the set has so many
 *	  members;
 *	- null: it is not recorded.
 *
 * This is all that reads it; whether a condition fits a dimension is for
 * those to say who know the dimension (failpat_condition_fits).
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef FAILPAT_CONDITION_READ_H
#define FAILPAT_CONDITION_READ_H

#include "failpat.h"

#include "utils/jsonb.h"

#include "cube/cube.h"

/* Not terminated by a zero; points into what was read, or is palloc'd. */
typedef struct FailpatText
{
	const char *data;
	int			len;
} FailpatText;

typedef enum FailpatTest
{
	FAILPAT_NULL,	/* not recorded */
	FAILPAT_VALUES, /* has all of the values; without any, the empty set */
	FAILPAT_RANGE,	/* from min to max, both included */
	FAILPAT_COUNT	/* the same of the number of a set's members */
} FailpatTest;

typedef struct FailpatCondition
{
	FailpatText	 name;
	FailpatTest	 test;
	bool		 array; /* the values were written as an array */
	int			 nvalues;
	FailpatText *values;

	/* bounds as written, data NULL where there is none, and as numbers */
	FailpatText min_text;
	FailpatText max_text;
	double		min; /* may be -infinity */
	double		max; /* may be infinity */
} FailpatCondition;

/*
 * Read conditions: an array of *n of them, in the order of the object.  The
 * result is palloc'd, and refers to the object.
 *
 * lenient: nulls in arrays and as bounds say nothing, and are left out; without
 * it they are errors.  argument names the object in the message where it is
 * none.  Errors of class 22.
 */
extern FailpatCondition *failpat_read_conditions(Jsonb		*object,
												 const char *argument,
												 bool lenient, int *n);

/*
 * An error of class 22 where the condition cannot be one on a dimension of
 * that kind.  Values of ordinal dimensions must be numbers.  The message names
 * the kind where it is known, and not only what may be assumed.
 */
extern void failpat_condition_check(const FailpatCondition *condition,
									FpDimKind kind, bool known);

/* the same as a question, but for whether values are numbers */
extern bool failpat_condition_fits(const FailpatCondition *condition,
								   FpDimKind			   kind);

/* a JSON string, number or boolean as the text that an observation would have */
extern FailpatText failpat_scalar_text(const JsonbValue *value);

/* a zero-terminated copy */
extern char *failpat_text_copy(FailpatText text);

static inline bool
failpat_same_text(FailpatText a, FailpatText b)
{
	return a.len == b.len && memcmp(a.data, b.data, a.len) == 0;
}

/* names the condition in an error of class 22: "condition on ... <what>" */
extern void failpat_bad_condition(FailpatText name, const char *kind,
								  const char *what);

#endif /* FAILPAT_CONDITION_READ_H */
