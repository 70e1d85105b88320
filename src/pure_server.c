/*-------------------------------------------------------------------------
 *
 * pure_server.c
 *		Errors of the pure parts, as the server reports them.
 *
 * Owns the translation of an FpErrorClass into an SQLSTATE; nothing else.
 * Takes no locks; allocates only what ereport does.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#include "pure.h"

#include "mb/pg_wchar.h"

/* Raise an error of a pure part; does not return. */
void
fp_error(FpErrorClass errclass, const char *detail, const char *hint,
		 const char *msg, ...)
{
	int		sqlstate = ERRCODE_INVALID_PARAMETER_VALUE;
	char	text[512];
	va_list args;

	switch (errclass)
	{
		case FP_ERR_DATA:
			sqlstate = ERRCODE_INVALID_PARAMETER_VALUE;
			break;
		case FP_ERR_RANGE:
			sqlstate = ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE;
			break;
		case FP_ERR_CORRUPT:
			sqlstate = ERRCODE_INVALID_BINARY_REPRESENTATION;
			break;
		case FP_ERR_LIMIT:
			sqlstate = ERRCODE_PROGRAM_LIMIT_EXCEEDED;
			break;
	}

	va_start(args, msg);
	vsnprintf(text, sizeof(text), msg, args);
	va_end(args);
	/* what did not fit is not cut in the middle of a character */
	if (strlen(text) == sizeof(text) - 1)
		text[pg_mbcliplen(text, sizeof(text) - 1, sizeof(text) - 1)] = '\0';

	ereport(ERROR, (errcode(sqlstate), errmsg("%s", text),
					detail ? errdetail("%s", detail) : 0,
					hint ? errhint("%s", hint) : 0));
	pg_unreachable();
}
