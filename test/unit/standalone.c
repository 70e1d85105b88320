/*-------------------------------------------------------------------------
 *
 * standalone.c
 *		What pure.h promises where there is no server: arenas over malloc, and
 *		errors that jump to the test.
 *
 * Every block is a malloc of its own, so that valgrind and ASan see each
 * overrun.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#include "pure.h"

#include <stdarg.h>

typedef struct Block
{
	struct Block *next;
	struct Block *prev;
	size_t		  size;
	size_t		  pad; /* keep what follows aligned to 16 bytes */
} Block;

struct FpArenaData
{
	FpArena parent;
	FpArena children;
	FpArena sibling;
	Block	blocks; /* head of a ring */
	size_t	used;
};

jmp_buf		*fp_error_jump = NULL;
char		 fp_error_message[512];
FpErrorClass fp_error_class;
void (*fp_interrupt_hook)(void) = NULL;

static void *
checked(void *ptr)
{
	if (ptr == NULL)
	{
		fprintf(stderr, "out of memory\n");
		abort();
	}
	return ptr;
}

FpArena
fp_arena_create(FpArena parent, const char *name)
{
	FpArena arena = checked(calloc(1, sizeof(struct FpArenaData)));

	(void) name;
	arena->blocks.next = arena->blocks.prev = &arena->blocks;
	arena->parent = parent;
	if (parent)
	{
		arena->sibling = parent->children;
		parent->children = arena;
	}
	return arena;
}

void
fp_arena_reset(FpArena arena)
{
	while (arena->children)
		fp_arena_delete(arena->children);
	while (arena->blocks.next != &arena->blocks)
	{
		Block *block = arena->blocks.next;

		arena->blocks.next = block->next;
		free(block);
	}
	arena->blocks.prev = &arena->blocks;
	arena->used = 0;
}

void
fp_arena_delete(FpArena arena)
{
	fp_arena_reset(arena);
	if (arena->parent)
	{
		FpArena *link = &arena->parent->children;

		while (*link != arena)
			link = &(*link)->sibling;
		*link = arena->sibling;
	}
	free(arena);
}

size_t
fp_arena_used(FpArena arena)
{
	size_t used = arena->used;

	for (FpArena child = arena->children; child; child = child->sibling)
		used += fp_arena_used(child);
	return used;
}

void *
fp_alloc(FpArena arena, size_t size)
{
	Block *block = checked(malloc(sizeof(Block) + size));

	block->size = size;
	block->next = &arena->blocks;
	block->prev = arena->blocks.prev;
	block->prev->next = block;
	arena->blocks.prev = block;
	arena->used += size;
	return block + 1;
}

void *
fp_alloc0(FpArena arena, size_t size)
{
	return memset(fp_alloc(arena, size), 0, size);
}

void *
fp_realloc(FpArena arena, void *ptr, size_t oldsize, size_t newsize)
{
	Block *block = (Block *) ptr - 1;

	Assert(block->size == oldsize);
	block->prev->next = block->next;
	block->next->prev = block->prev;
	arena->used -= oldsize;
	block = checked(realloc(block, sizeof(Block) + newsize));
	block->size = newsize;
	block->next = &arena->blocks;
	block->prev = arena->blocks.prev;
	block->prev->next = block;
	arena->blocks.prev = block;
	arena->used += newsize;
	return block + 1;
}

void
fp_free(FpArena arena, void *ptr)
{
	Block *block;

	if (ptr == NULL)
		return;
	block = (Block *) ptr - 1;
	block->prev->next = block->next;
	block->next->prev = block->prev;
	arena->used -= block->size;
	free(block);
}

void
fp_error(FpErrorClass errclass, const char *detail, const char *hint,
		 const char *msg, ...)
{
	va_list args;

	(void) detail;
	(void) hint;
	va_start(args, msg);
	vsnprintf(fp_error_message, sizeof(fp_error_message), msg, args);
	va_end(args);
	fp_error_class = errclass;
	if (fp_error_jump)
		longjmp(*fp_error_jump, 1);
	fprintf(stderr, "error: %s\n", fp_error_message);
	abort();
}
