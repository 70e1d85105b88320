/*-------------------------------------------------------------------------
 *
 * fuzz.h
 *		What the fuzz targets share.
 *
 * A target is one C file, test/fuzz/NAME_fuzz.c, that defines fuzz(input): it
 * does what SQL can make us do with such bytes, and checks what must hold of
 * the answer.  An error that is raised is a good answer; a crash, an overrun,
 * undefined behaviour, a leak past the arena or a broken promise is not.
 * "test/run check-fuzz" compiles each with clang's libFuzzer, ASan and UBSan.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef FAILPAT_FUZZ_H
#define FAILPAT_FUZZ_H

#include "pure.h"

#include <math.h>

/* Bytes to draw from; an exhausted input draws zeros. */
typedef struct Input
{
	const uint8_t *bytes;
	size_t		   len;
} Input;

static void fuzz(Input *input, FpArena arena);

#define MUST(condition)                                                     \
	do                                                                      \
	{                                                                       \
		if (!(condition))                                                   \
		{                                                                   \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
			abort();                                                        \
		}                                                                   \
	} while (0)

static inline uint64
draw(Input *input, size_t bytes)
{
	uint64 value = 0;

	for (size_t i = 0; i < bytes && input->len > 0; i++)
	{
		value = value << 8 | *input->bytes++;
		input->len--;
	}
	return value;
}

/* 0 .. n - 1 */
static inline int
draw_below(Input *input, int n)
{
	return (int) (draw(input, n <= 256 ? 1 : 4) % (uint64) n);
}

/* any integer, small ones and the extreme ones more often */
static inline int64
draw_int64(Input *input)
{
	static const int64 extreme[] = {0,
									1,
									-1,
									INT64_MAX,
									INT64_MIN,
									INT64_MAX - 1,
									(int64) 1 << 53,
									((int64) 1 << 53) + 1,
									INT32_MAX};

	switch (draw_below(input, 4))
	{
		case 0:
			return extreme[draw_below(input, lengthof(extreme))];
		case 1:
			return (int64) draw(input, 8);
		case 2:
			return (int64) draw(input, 3);
		default:
			return (int64) draw(input, 1);
	}
}

/* any int: in three of four, one of first .. last */
static inline int
draw_int_near(Input *input, int first, int last)
{
	if (draw_below(input, 4) != 0)
		return first + draw_below(input, last - first + 1);
	return (int) draw_int64(input);
}

/* any double, with those that are none */
static inline double
draw_double(Input *input)
{
	static const double extreme[] = {
		0.0,	   -0.0,  1.0,		 0.5,
		0.05,	   0.95,  0.999999,	 1e-300,
		INFINITY,  NAN,	  2.0,		 -1.0,
		-INFINITY, 1e300, 0x1p-1074, 0x1.fffffffffffffp-1};
	double value;
	uint64 bits;

	if (draw_below(input, 2) == 0)
		return extreme[draw_below(input, lengthof(extreme))];
	bits = draw(input, 8);
	memcpy(&value, &bits, sizeof(value));
	return value;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	Input	input = {bytes, len};
	FpArena arena = fp_arena_create(NULL, "fuzz");
	jmp_buf jump;

	fp_error_jump = &jump;
	if (setjmp(jump) == 0)
		fuzz(&input, arena);
	fp_error_jump = NULL;
	fp_arena_delete(arena);
	return 0;
}

#endif /* FAILPAT_FUZZ_H */
