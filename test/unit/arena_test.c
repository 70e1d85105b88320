/* Arenas and errors of the standalone build, on which all unit tests stand. */
#include "unit.h"

int
main(void)
{
	FpArena top = fp_arena_create(NULL, "top");
	FpArena child = fp_arena_create(top, "child");
	char   *data = fp_alloc(child, 10);

	memcpy(data, "123456789", 10);
	data = fp_realloc(child, data, 10, 100000);
	ok(strcmp(data, "123456789") == 0, "realloc keeps the bytes");
	ok(fp_arena_used(top) == 100000, "an arena counts its children");
	fp_arena_delete(child);
	ok(fp_arena_used(top) == 0, "deleting a child gives its memory back");
	ok(RAISES(FP_ERR_LIMIT, fp_array_size(UINT64_MAX, 16)),
	   "an array size that overflows is an error");
	fp_arena_delete(top);
	return unit_done();
}
