/* Cells that meet conditions, many times, against fp_cube_match. */
#include "unit.h"

#include "cube/meeting.h"
#include "mine_data.h"

static const uint32 *
values(FpArena arena, Random *r, uint32 n, uint32 most)
{
	uint32 *list = fp_alloc_array(arena, uint32, n + 1);

	list[0] = 1 + random_below(r, most);
	for (uint32 i = 1; i < n; i++)
		list[i] = 1 + (list[0] + i * (most / 2)) % most;
	return list;
}

/* Any conditions on different dimensions. */
static int
any_conditions(FpArena arena, Random *r, const FpCube *cube, FpCondition *list)
{
	int n = 0;

	for (int d = 0; d < cube->ndims; d++)
	{
		FpCondition *one = &list[n];
		bool		 set = cube->dims[d].kind == FP_SET;

		if (random_below(r, 2) == 0)
			continue;
		memset(one, 0, sizeof(FpCondition));
		one->dim = d;
		one->nvalues = set ? 1 + random_below(r, 2) : 1;
		one->values = values(arena, r, one->nvalues, cube->dims[d].nvalues);
		one->min = random_below(r, 3) == 0 ? -INFINITY : random_below(r, 4);
		one->max = random_below(r, 3) == 0 ? INFINITY : random_below(r, 9);
		one->test = FP_TEST_VALUES;
		switch (random_below(r, 8))
		{
			case 0:
				one->test = FP_TEST_NULL;
				break;
			case 1:
				one->test = FP_TEST_NEVER;
				break;
			case 2:
				if (set)
					one->test = FP_TEST_EMPTY;
				break;
			case 3:
			case 4:
				if (set)
					one->test = FP_TEST_COUNT;
				else if (cube->dims[d].kind == FP_ORDINAL)
					one->test = FP_TEST_RANGE;
				break;
		}
		n++;
	}
	return n;
}

static void
check_cells(uint64 ncells, uint64 seed)
{
	FpArena	   arena = fp_arena_create(NULL, "test");
	Random	   r = {seed};
	FpDimKind  kinds[] = {FP_NOMINAL, FP_SET, FP_ORDINAL, FP_NOMINAL};
	uint32	   cards[] = {30, 12, 12, 400};
	FpCube	  *cube = data_cube(arena, 4, kinds, cards, ncells);
	FpMeeting *meeting;
	int		   wrong = 0;
	uint64	   found = 0;

	data_sets(arena, &cube->dims[1]);
	for (uint64 i = 0; i < ncells; i++)
		for (int d = 0; d < 4; d++)
			cube->codes[d][i] =
				random_below(&r,
							 (d == 1 ? cube->dims[1].nsets : cards[d]) + 1);
	meeting = fp_meeting_create(arena, cube);
	/* more conditions than are kept */
	for (int times = 0; times < 2000; times++)
	{
		FpCondition	  list[4];
		int			  n = any_conditions(arena, &r, cube, list);
		bool		 *match = fp_cube_match(arena, cube, list, n);
		uint32		  ncovered;
		const uint32 *cells = fp_meeting_cells(meeting, list, n, &ncovered);
		uint32		  k = 0;
		bool		  same = true;

		for (uint64 c = 0; c < ncells; c++)
			if (match[c])
			{
				same = same && k < ncovered && cells[k] == c;
				k++;
			}
		wrong += !same || k != ncovered;
		found += k;
		fp_free(arena, match);
	}
	ok(wrong == 0, "%d cells: %d of 2000 combinations differ", (int) ncells,
	   wrong);
	ok(found > 50 * ncells, "... which some cells meet");
	fp_arena_delete(arena);
}

int
main(void)
{
	check_cells(1000, 1);
	check_cells(1024, 2);
	check_cells(1, 3);
	return unit_done();
}
