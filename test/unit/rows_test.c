/* The cells of combinations, against a look at each cell. */
#include "unit.h"

#include "mine/tally.h"
#include "mine_data.h"

/* what is shown is not looked at */
static void
no_context(void *arg, bool screen, const FpNode *node, uint32 parent_id,
		   uint32 code, FpCount count)
{
	(void) arg, (void) screen, (void) node, (void) parent_id, (void) code;
	(void) count;
}

static void
no_vector(void *arg, bool screen, const FpVector *vector, uint32 id,
		  FpCount *counts)
{
	(void) arg, (void) screen, (void) vector, (void) id, (void) counts;
}

static void
no_table(void *arg, bool screen)
{
	(void) arg, (void) screen;
}

static bool
meets(const FpCube *cube, const FpPatternCondition *condition, uint64 cell)
{
	uint32 code = cube->codes[condition->dim][cell];
	uint32 of = code;

	switch (condition->kind)
	{
		case FP_COND_VALUE:
			return code == condition->code[0];
		case FP_COND_MEMBER:
			return data_has(cube, condition->dim, cell, condition->code[0]);
		case FP_COND_PAIR:
			return data_has(cube, condition->dim, cell, condition->code[0]) &&
				   data_has(cube, condition->dim, cell, condition->code[1]);
		case FP_COND_COUNT:
			of = code == 0
					 ? 0
					 : 1 + fp_set_size(&cube->dims[condition->dim], code);
			break;
		case FP_COND_RANGE:
			break;
	}
	return code != 0 && of >= condition->code[0] &&
		   (condition->code[1] == 0 || of <= condition->code[1]);
}

/* A combination of at most three conditions; contexts may be rare. */
static FpProbe
any_probe(const FpTally *tally, Random *r)
{
	FpProbe probe = {0};
	int		weight = 0;

	for (int s = 0; s < tally->nslots; s++)
		if (weight + tally->slots[s].weight <= 3 && tally->slots[s].card > 0 &&
			random_below(r, 3) == 0)
		{
			probe.slots[probe.nslots] = s;
			probe.codes[probe.nslots++] =
				1 + random_below(r, tally->slots[s].card);
			weight += tally->slots[s].weight;
		}
	for (int a = 0; a < tally->naxes; a++)
		if (weight < 3 && probe.naxes < 2 && random_below(r, 3) == 0)
		{
			uint32 nbins = tally->axes[a].nbins;

			probe.axes[probe.naxes] = a;
			probe.low[probe.naxes] = 1 + random_below(r, nbins);
			probe.high[probe.naxes] =
				probe.low[probe.naxes] +
				random_below(r, nbins - probe.low[probe.naxes] + 1);
			probe.naxes++;
			weight++;
		}
	return probe;
}

/* Is what it has of slots, but for a last one of the highest order, frequent? */
static bool
is_known(const FpTally *tally, const FpProbe *probe)
{
	int			  n = probe->nslots;
	const FpNode *node = fp_tally_node(tally, probe->slots, n);

	if (node == NULL || node->nids == 0)
		node = fp_tally_node(tally, probe->slots, n - 1);
	return fp_tally_context(tally, node, probe->codes) >= 0;
}

static void
check_rows(uint64 nrows, uint64 seed, int ntimes, size_t limit,
		   bool expect_kept)
{
	FpArena		   arena = fp_arena_create(NULL, "test");
	Random		   r = {seed};
	FpDimKind	   kinds[] = {FP_NOMINAL, FP_SET, FP_ORDINAL, FP_NOMINAL,
							  FP_ORDINAL};
	uint32		   cards[] = {5, 12, 12, 40, 7};
	FpCube		  *cube = data_cube(arena, 5, kinds, cards, nrows);
	FpTallyVisitor visitor = {NULL, no_context, no_vector, no_table};
	FpTally		  *tally;
	FpProbe		   probes[300];
	FpProbe		  *list[lengthof(probes)];
	int			   wrong = 0, nkinds[5] = {0};
	uint64		   covered = 0;
	bool		   kept;

	data_sets(arena, &cube->dims[1]);
	for (uint64 i = 0; i < nrows; i++)
		for (int d = 0; d < 5; d++)
			/* 0: not recorded */
			cube->codes[d][i] =
				random_below(&r,
							 (d == 1 ? cube->dims[1].nsets : cards[d]) + 1);
	data_finish(cube);
	tally = fp_tally_create(cube, cube->failures, NULL, 20, 3, 0, arena);
	for (int order = 1; order <= 3; order++)
		fp_tally_order(tally, order, &visitor);
	for (size_t p = 0; p < lengthof(probes); p++)
	{
		probes[p] = any_probe(tally, &r);
		list[p] = &probes[p];
	}
	memset(&probes[0], 0, sizeof(FpProbe)); /* everything */
	/* the second time bits are kept, where there is room for them */
	tally->memory_limit = limit;
	for (int times = 0; times < ntimes; times++)
		fp_tally_rows(tally, list, lengthof(probes), arena);
	kept = tally->finder != NULL;
	for (size_t p = 0; p < lengthof(probes); p++)
	{
		FpPatternName name;
		uint64		  n = 0;
		bool		  same = true;

		fp_probe_name(tally, &probes[p], &name);
		for (int i = 0; i < name.nconditions; i++)
			nkinds[name.conditions[i].kind]++;
		for (uint64 c = 0; is_known(tally, &probes[p]) && c < nrows; c++)
		{
			bool all = true;

			for (int i = 0; i < name.nconditions; i++)
				all &= meets(cube, &name.conditions[i], c);
			if (all && same)
				same = n < probes[p].nrows && probes[p].rows[n] == c;
			n += all;
		}
		wrong += !same || n != probes[p].nrows;
		covered += n;
	}
	ok(wrong == 0, "%d cells, seed %d: %d of %d combinations differ",
	   (int) nrows, (int) seed, wrong, (int) lengthof(probes));
	ok(kept == expect_kept, "... %s bits", kept ? "kept" : "new");
	ok(probes[0].nrows == nrows, "... no condition covers every cell");
	ok(covered > 5 * nrows && nkinds[FP_COND_VALUE] > 20 &&
		   nkinds[FP_COND_MEMBER] > 20 && nkinds[FP_COND_PAIR] > 20 &&
		   nkinds[FP_COND_RANGE] > 20 && nkinds[FP_COND_COUNT] > 20,
	   "... of all kinds");
	fp_arena_delete(arena);
}

int
main(void)
{
	for (uint64 seed = 1; seed <= 4; seed++)
	{
		check_rows(20000, seed, 1, 0, false);
		check_rows(20000, seed, 2, 0, true);
		check_rows(20000, seed, 3, 16 * 1024 * 1024, true);
		check_rows(20000, seed, 3, 7 * 1024 * 1024, false);
		check_rows(8192, seed, 1, 0, false);
		check_rows(8192, seed, 2, 0, true);
		check_rows(1000, seed, 1, 0, false);
	}
	return unit_done();
}
