/*-------------------------------------------------------------------------
 *
 * pure.h
 *		What the pure parts (src/stats, src/cube, src/mine) may use.
 *
 * The pure parts know no catalog, no SPI and no fmgr.  Inside the server
 * they allocate from memory contexts, raise errors by ereport and can be
 * cancelled; compiled with -DFAILPAT_STANDALONE they run without a server
 * (unit tests, fuzzing, sanitizers, benchmarks), with the same names backed
 * by malloc, a jump to the caller's handler and nothing.
 *
 * Memory: everything is allocated in an FpArena and goes with it; only what
 * grows by leaving an old copy behind (hash tables) frees that by hand.  An
 * FpArena is a MemoryContext inside the server.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef FAILPAT_PURE_H
#define FAILPAT_PURE_H

#ifndef FAILPAT_STANDALONE

#include "postgres.h"

#ifndef WIN32
#include <sys/mman.h>
#endif

#include "common/int.h"
#include "miscadmin.h"
#include "utils/memutils.h"

typedef MemoryContext FpArena;

#define fp_arena_create(parent, name) \
	AllocSetContextCreate((parent), (name), ALLOCSET_DEFAULT_SIZES)
#define fp_arena_reset(arena) MemoryContextReset(arena)
#define fp_arena_delete(arena) MemoryContextDelete(arena)
/* bytes that the arena holds, its children included */
#define fp_arena_used(arena) \
	((size_t) MemoryContextMemAllocated((arena), true))

/*
 * Asks for huge pages for what is large.  Where the system leaves that to the
 * program ("madvise", as Debian and others do), tables of hundreds of
 * megabytes then come, are looked up and go in pages of 2 MB, not of 4 kB;
 * that is also what a cancelled run waits for.  A wish: nothing depends on it.
 */
static inline void *
fp_huge_pages(void *memory, size_t size)
{
#ifdef MADV_HUGEPAGE
	const uintptr_t page = (uintptr_t) 2 * 1024 * 1024;

	if (size >= 4 * page)
	{
		uintptr_t first = TYPEALIGN(page, (uintptr_t) memory);
		uintptr_t end = TYPEALIGN_DOWN(page, (uintptr_t) memory + size);

		(void) madvise((void *) first, end - first, MADV_HUGEPAGE);
	}
#endif
	return memory;
}

/* More than 1 GB may be asked for; fails with "out of memory", never NULL. */
#define fp_alloc(arena, size) \
	fp_huge_pages(MemoryContextAllocHuge((arena), (size)), (size))

/*
 * Pages come when they are first written, and may take milliseconds each: what
 * is large is written in steps of so many bytes, between which it can be
 * interrupted.
 */
#define FP_MEMORY_STEP ((size_t) 4 * 1024 * 1024)

/*
 * The same, zeroed.  Also for what is going to be written out of order, which
 * would otherwise wait for all of its pages within a few cells.
 */
static inline void *
fp_alloc0(FpArena arena, size_t size)
{
	char *memory;

	if (size <= FP_MEMORY_STEP)
		return MemoryContextAllocExtended(arena, size,
										  MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	memory = fp_alloc(arena, size);
	for (size_t done = 0; done < size; done += FP_MEMORY_STEP)
	{
		CHECK_FOR_INTERRUPTS();
		memset(memory + done, 0, Min(FP_MEMORY_STEP, size - done));
	}
	return memory;
}

/*
 * ptr must come from fp_alloc or fp_alloc0 and not be NULL.  What has been
 * advised to be huge pages is several mappings, which realloc() cannot move:
 * it would copy them, in small pages and in one go.
 */
static inline void *
fp_realloc(FpArena arena, void *ptr, size_t oldsize, size_t newsize)
{
	char *memory;

	if (newsize <= FP_MEMORY_STEP)
		return repalloc_huge(ptr, newsize);
	memory = fp_alloc(arena, newsize);
	oldsize = Min(oldsize, newsize);
	for (size_t done = 0; done < oldsize; done += FP_MEMORY_STEP)
	{
		CHECK_FOR_INTERRUPTS();
		memcpy(memory + done, (char *) ptr + done,
			   Min(FP_MEMORY_STEP, oldsize - done));
	}
	pfree(ptr);
	return memory;
}
/* ptr must come from this arena; NULL is allowed */
#define fp_free(arena, ptr) \
	do                      \
	{                       \
		if (ptr)            \
			pfree(ptr);     \
	} while (0)

#define FP_CHECK_INTERRUPTS() CHECK_FOR_INTERRUPTS()

#else /* FAILPAT_STANDALONE */

#include <assert.h>
#include <setjmp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef int8_t	 int8;
typedef int16_t	 int16;
typedef int32_t	 int32;
typedef int64_t	 int64;
typedef uint8_t	 uint8;
typedef uint16_t uint16;
typedef uint32_t uint32;
typedef uint64_t uint64;
typedef float	 float4;
typedef double	 float8;
typedef size_t	 Size;

#define Assert(condition) assert(condition)
#define Min(x, y) ((x) < (y) ? (x) : (y))
#define Max(x, y) ((x) > (y) ? (x) : (y))
#define lengthof(array) (sizeof(array) / sizeof((array)[0]))
#define PG_USED_FOR_ASSERTS_ONLY __attribute__((unused))
#define unlikely(x) __builtin_expect((x) != 0, 0)
#define likely(x) __builtin_expect((x) != 0, 1)
#define INT64CONST(x) (x##L)
#define UINT64CONST(x) (x##UL)
#define PG_INT64_MAX INT64_MAX
#define PG_INT64_MIN INT64_MIN
#define PG_UINT32_MAX UINT32_MAX

static inline bool
pg_add_s64_overflow(int64 a, int64 b, int64 *result)
{
	return __builtin_add_overflow(a, b, result);
}

static inline bool
pg_sub_s64_overflow(int64 a, int64 b, int64 *result)
{
	return __builtin_sub_overflow(a, b, result);
}

static inline bool
pg_mul_s64_overflow(int64 a, int64 b, int64 *result)
{
	return __builtin_mul_overflow(a, b, result);
}

typedef struct FpArenaData *FpArena;

extern FpArena fp_arena_create(FpArena parent, const char *name);
extern void	   fp_arena_reset(FpArena arena);
extern void	   fp_arena_delete(FpArena arena);
extern size_t  fp_arena_used(FpArena arena);
extern void	  *fp_alloc(FpArena arena, size_t size);
extern void	  *fp_alloc0(FpArena arena, size_t size);
extern void	  *fp_realloc(FpArena arena, void *ptr, size_t oldsize,
						  size_t newsize);
extern void	   fp_free(FpArena arena, void *ptr);

/* A test may set this to see that loops can be interrupted. */
extern void (*fp_interrupt_hook)(void);
#define FP_CHECK_INTERRUPTS()    \
	do                           \
	{                            \
		if (fp_interrupt_hook)   \
			fp_interrupt_hook(); \
	} while (0)

#endif /* FAILPAT_STANDALONE */

/*
 * Errors of the pure parts.  They name the class; inside the server it
 * becomes the SQLSTATE, standalone fp_error jumps to fp_error_jump (with the
 * message in fp_error_message), or aborts where no test has set one.
 */
typedef enum FpErrorClass
{
	FP_ERR_DATA,	/* 22023: an argument that is not allowed */
	FP_ERR_RANGE,	/* 22003: a count or size that overflows */
	FP_ERR_CORRUPT, /* 22P03: bytes or text that is not a value of ours */
	FP_ERR_LIMIT	/* 54000: more than a stated limit allows */
} FpErrorClass;

#ifdef FAILPAT_STANDALONE
extern jmp_buf	   *fp_error_jump;
extern char			fp_error_message[512];
extern FpErrorClass fp_error_class;
#endif

/* detail and hint may be NULL; msg is a printf format for the errmsg only */
extern void fp_error(FpErrorClass errclass, const char *detail,
					 const char *hint, const char *msg, ...)
	__attribute__((noreturn, format(printf, 4, 5)));

/* n items of a size, checked for overflow of size_t */
static inline size_t
fp_array_size(uint64 n, size_t item)
{
	size_t size;

	if (__builtin_mul_overflow((size_t) n, item, &size))
		fp_error(FP_ERR_LIMIT, NULL, NULL, "array of %llu items is too large",
				 (unsigned long long) n);
	return size;
}

#define fp_alloc_array(arena, type, n) \
	((type *) fp_alloc((arena), fp_array_size((n), sizeof(type))))
#define fp_alloc0_array(arena, type, n) \
	((type *) fp_alloc0((arena), fp_array_size((n), sizeof(type))))
#define fp_realloc_array(arena, ptr, type, oldn, newn)                        \
	((type *) fp_realloc((arena), (ptr), fp_array_size((oldn), sizeof(type)), \
						 fp_array_size((newn), sizeof(type))))

#endif /* FAILPAT_PURE_H */
