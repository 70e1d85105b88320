/*-------------------------------------------------------------------------
 *
 * json_member.h
 *		Members of what may be an object.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef FAILPAT_JSON_MEMBER_H
#define FAILPAT_JSON_MEMBER_H

#include "postgres.h"

#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/numeric.h"

/*
 * The member of that name; NULL where there is none, or container is an array:
 * the server's function relies on being given an object.
 */
static inline JsonbValue *
failpat_json_member(JsonbContainer *container, const char *name,
					JsonbValue *buffer)
{
	if (!JsonContainerIsObject(container))
		return NULL;
	return getKeyJsonValueFromContainer(container, name, strlen(name), buffer);
}

/* a member that is a number; else what is given for an absent one */
static inline double
failpat_json_number(JsonbContainer *container, const char *name, double absent)
{
	JsonbValue	buffer;
	JsonbValue *value = failpat_json_member(container, name, &buffer);

	if (value == NULL || value->type != jbvNumeric)
		return absent;
	return DatumGetFloat8(
		DirectFunctionCall1(numeric_float8_no_overflow,
							NumericGetDatum(value->val.numeric)));
}

#endif /* FAILPAT_JSON_MEMBER_H */
