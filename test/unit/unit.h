/*-------------------------------------------------------------------------
 *
 * unit.h
 *		A unit test in a page: each ok() prints one TAP line.
 *
 * A test is one C file, test/unit/NAME_test.c, with a main() that ends by
 * "return unit_done();".  test/run compiles it with all pure parts, warnings
 * as errors, under ASan and UBSan, and counts its lines.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef FAILPAT_UNIT_H
#define FAILPAT_UNIT_H

#include "pure.h"

#include <math.h>
#include <stdarg.h>

static int unit_count = 0;
static int unit_failed = 0;

static inline bool ok(bool condition, const char *name, ...)
	__attribute__((format(printf, 2, 3)));

static inline bool
ok(bool condition, const char *name, ...)
{
	va_list args;

	unit_count++;
	if (!condition)
		unit_failed++;
	printf("%sok %d - ", condition ? "" : "not ", unit_count);
	va_start(args, name);
	vprintf(name, args);
	va_end(args);
	printf("\n");
	return condition;
}

/* equal to a relative tolerance (absolute for an expected 0) */
static inline bool
near(double got, double expected, double tolerance)
{
	if (isnan(expected) || isinf(expected))
		return isnan(expected) ? isnan(got) : got == expected;
	if (expected == 0)
		return fabs(got) <= tolerance;
	return fabs(got - expected) <= tolerance * fabs(expected);
}

/* run statement; true if it raised an error of that class */
#define RAISES(errclass, statement)                       \
	({                                                    \
		jmp_buf		  unit_jump;                          \
		volatile bool unit_raised = false;                \
		fp_error_jump = &unit_jump;                       \
		if (setjmp(unit_jump) == 0)                       \
			statement;                                    \
		else                                              \
			unit_raised = (fp_error_class == (errclass)); \
		fp_error_jump = NULL;                             \
		unit_raised;                                      \
	})

static inline int
unit_done(void)
{
	printf("1..%d\n", unit_count);
	return unit_failed != 0;
}

#endif /* FAILPAT_UNIT_H */
