/*-------------------------------------------------------------------------
 *
 * contexts.c
 *		Memory contexts of which each piece is a malloc of its own, so that
 *		ASan sees what is read or written past it, or after it was given back.
 *		test/tools/fuzz compiles failpat so that it makes these instead of the
 *		server's, which cut their pieces from larger ones.  Only up to
 *		PostgreSQL 15: since 16 the server knows all kinds of contexts.
 *
 * Memory: the context itself and its pieces, by malloc; a ring holds them until
 * the context is emptied.  No locks.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/ilist.h"
#include "nodes/memnodes.h"
#include "utils/memutils.h"

#if PG_VERSION_NUM < 160000

typedef struct Context
{
	MemoryContextData header;
	dlist_head		  pieces;
} Context;

/* what lies before a piece; the server looks for the context at its end */
typedef struct Piece
{
	dlist_node	  node;
	Size		  size;
	MemoryContext context;
} Piece;

static Piece *
piece_of(void *pointer)
{
	return (Piece *) pointer - 1;
}

static void *
piece_alloc(MemoryContext context, Size size)
{
	Piece *piece = malloc(sizeof(Piece) + size);

	StaticAssertStmt(sizeof(Piece) % 16 == 0 &&
						 offsetof(Piece, context) ==
							 sizeof(Piece) - sizeof(MemoryContext),
					 "the context does not lie next to the piece");
	if (piece == NULL)
		return NULL;
	piece->size = size;
	piece->context = context;
	dlist_push_tail(&((Context *) context)->pieces, &piece->node);
	context->mem_allocated += size;
	return piece + 1;
}

static void
piece_free(MemoryContext context, void *pointer)
{
	Piece *piece = piece_of(pointer);

	context->mem_allocated -= piece->size;
	dlist_delete(&piece->node);
	free(piece);
}

/* always elsewhere, so that who kept the old pointer is seen */
static void *
piece_realloc(MemoryContext context, void *pointer, Size size)
{
	void *moved = piece_alloc(context, size);

	if (moved == NULL)
		return NULL;
	memcpy(moved, pointer, Min(size, piece_of(pointer)->size));
	piece_free(context, pointer);
	return moved;
}

static void
context_reset(MemoryContext context)
{
	dlist_mutable_iter i;

	dlist_foreach_modify(i, &((Context *) context)->pieces)
		free(dlist_container(Piece, node, i.cur));
	dlist_init(&((Context *) context)->pieces);
	context->mem_allocated = 0;
}

static void
context_delete(MemoryContext context)
{
	context_reset(context);
	free(context);
}

static Size
piece_space(MemoryContext context, void *pointer)
{
	return piece_of(pointer)->size + sizeof(Piece);
}

static bool
context_is_empty(MemoryContext context)
{
	return dlist_is_empty(&((Context *) context)->pieces);
}

static void
context_stats(MemoryContext context, MemoryStatsPrintFunc printfunc,
			  void *passthru, MemoryContextCounters *totals,
			  bool print_to_stderr)
{
	if (totals)
		totals->totalspace += context->mem_allocated;
}

#ifdef MEMORY_CONTEXT_CHECKING
/* ASan checks each access when it is made */
static void
context_check(MemoryContext context)
{
}
#endif

static const MemoryContextMethods methods = {
	.alloc = piece_alloc,
	.free_p = piece_free,
	.realloc = piece_realloc,
	.reset = context_reset,
	.delete_context = context_delete,
	.get_chunk_space = piece_space,
	.is_empty = context_is_empty,
	.stats = context_stats,
#ifdef MEMORY_CONTEXT_CHECKING
	.check = context_check,
#endif
};

/* in place of AllocSetContextCreateInternal */
MemoryContext
failpat_fuzz_context(MemoryContext parent, const char *name,
					 Size min_context_size, Size init_block_size,
					 Size max_block_size)
{
	Context *context = malloc(sizeof(Context));

	if (context == NULL)
		elog(ERROR, "out of memory");
	dlist_init(&context->pieces);
	/* the server asks whether it is one that it knows */
	MemoryContextCreate(&context->header, T_AllocSetContext, &methods, parent,
						name);
	return &context->header;
}

#endif
