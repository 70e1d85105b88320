/*-------------------------------------------------------------------------
 *
 * cover.c
 *		The cells that a combination covers, and their counts by stratum.
 *
 * Allocates in the arenas given; takes no locks.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#include "mine/cover.h"

/* of_parts: strata are by the cells that are folded, where they are */
static void
tally_by(FpTallier *tallier, const FpCover *cover, bool of_parts,
		 const uint32 *strata, uint32 nstrata, FpTallied *out, FpArena arena)
{
	const FpProbe *probe = &cover->probe;
	const FpFold  *fold = of_parts ? tallier->tally->fold : NULL;
	const FpCube  *cube = fold ? fold->parts : tallier->tally->cube;
	const int64	  *fails = fold ? fold->part_fails : tallier->tally->fails;
	uint64		   most = probe->nrows;
	uint32		   n = 0;

	if (fold)
	{
		most = 0;
		for (uint64 i = 0; i < probe->nrows; i++)
			most +=
				fold->first[probe->rows[i] + 1] - fold->first[probe->rows[i]];
	}
	most = Min(most, nstrata);

	if (nstrata > tallier->nsums)
	{
		tallier->nsums = Max(nstrata, 2 * tallier->nsums);
		tallier->sums =
			fp_alloc0_array(tallier->arena, FpCount, tallier->nsums);
	}
	out->strata = fp_alloc_array(arena, uint32, most + 1);
	out->counts = fp_alloc_array(arena, FpCount, most + 1);
	for (uint64 i = 0; i < probe->nrows; i++)
	{
		uint64 cell = probe->rows[i];
		uint64 end = cell + 1;

		if ((i & 0xfff) == 0)
			FP_CHECK_INTERRUPTS();
		if (fold)
		{
			end = fold->first[cell + 1];
			cell = fold->first[cell];
		}
		for (; cell < end; cell++)
		{
			FpCount *sum = &tallier->sums[strata[cell]];

			if (sum->n == 0)
				out->strata[n++] = strata[cell];
			sum->n += cube->trials[cell];
			sum->f += fails[cell];
		}
	}
	for (uint32 i = 0; i < n; i++)
	{
		FpCount *sum = &tallier->sums[out->strata[i]];

		out->counts[i] = *sum;
		sum->n = sum->f = 0;
	}
	out->n = n;
}

void
fp_cover_tally(FpTallier *tallier, const FpCover *cover, const uint32 *strata,
			   uint32 nstrata, FpTallied *out, FpArena arena)
{
	tally_by(tallier, cover, false, strata, nstrata, out, arena);
}

bool
fp_counted_by_bucket(const FpTally *tally)
{
	return tally->fold != NULL && tally->fold->parts == NULL;
}

/* The counts by bucket, of who knows them; they have been asked for. */
static void
tally_buckets(FpTallier *tallier, const FpCover *cover, FpTallied *out,
			  FpArena arena)
{
	const FpBuckets *buckets = tallier->tally->fold->buckets;
	FpBucketCounts	 counts;

	out->n = 0;
	out->strata = NULL;
	out->counts = NULL;
	if (!fp_cover_ask(tallier, cover, NULL, 0, &counts, arena))
		return;
	out->strata = fp_alloc_array(arena, uint32, (uint64) buckets->n + 1);
	out->counts = fp_alloc_array(arena, FpCount, (uint64) buckets->n + 1);
	for (uint32 b = 0; b < buckets->n; b++)
		if (counts.trials[b] > 0)
		{
			out->strata[out->n] = b + 1;
			out->counts[out->n].n = counts.trials[b];
			out->counts[out->n++].f = counts.failures[b];
		}
}

bool
fp_cover_ask(const FpTallier *tallier, const FpCover *cover, FpCover **others,
			 int n, FpBucketCounts *counts_of_cover, FpArena scratch)
{
	const FpTally  *tally = tallier->tally;
	FpPatternName  *names;
	FpBucketCounts *counts;

	if (!fp_counted_by_bucket(tally))
		return true;
	names = fp_alloc_array(scratch, FpPatternName, (uint64) n + 1);
	counts = fp_alloc_array(scratch, FpBucketCounts, (uint64) n + 1);
	fp_probe_name(tally, &cover->probe, &names[0]);
	for (int i = 0; i < n; i++)
		fp_probe_name(tally, &others[i]->probe, &names[i + 1]);
	if (!tally->fold->buckets->count(tally->fold->buckets->arg, names, n + 1,
									 counts))
		return false;
	if (counts_of_cover != NULL)
		*counts_of_cover = counts[0];
	return true;
}

void
fp_cover_tally_dim(FpTallier *tallier, const FpCover *cover, int d,
				   FpTallied *out, FpArena arena)
{
	const FpTally *tally = tallier->tally;
	bool		   folded =
		tally->fold != NULL && tally->cube->dims[d].kind == FP_STRATUM;
	const FpCube *cube = folded ? tally->fold->parts : tally->cube;

	if (cube == NULL)
	{
		tally_buckets(tallier, cover, out, arena);
		return;
	}
	tally_by(tallier, cover, folded, cube->codes[d], tally->ncodes[d], out,
			 arena);
}

FpCount
fp_cover_count(const FpTally *tally, const FpCover *cover)
{
	FpCount count = {0, 0};

	for (uint64 i = 0; i < cover->probe.nrows; i++)
	{
		count.n += tally->cube->trials[cover->probe.rows[i]];
		count.f += tally->fails[cover->probe.rows[i]];
	}
	return count;
}

uint64
fp_items_dims(const FpTally *tally, const FpItems *items)
{
	uint64 dims = 0;

	for (int i = 0; i < items->n; i++)
		dims |= UINT64CONST(1)
				<< (items->item[i].slot < 0
						? tally->axes[items->item[i].axis].dim
						: tally->slots[items->item[i].slot].dim);
	return dims;
}

FpCover *
fp_cover_find(FpCover **covers, int *n, const FpProbe *probe, FpArena arena)
{
	FpCover *cover;

	for (int i = 0; i < *n; i++)
	{
		const FpProbe *p = &covers[i]->probe;
		bool same = p->nslots == probe->nslots && p->naxes == probe->naxes;

		for (int s = 0; same && s < p->nslots; s++)
			same = p->slots[s] == probe->slots[s] &&
				   p->codes[s] == probe->codes[s];
		for (int x = 0; same && x < p->naxes; x++)
			same = p->axes[x] == probe->axes[x] &&
				   p->low[x] == probe->low[x] && p->high[x] == probe->high[x];
		if (same)
			return covers[i];
	}
	cover = fp_alloc0_array(arena, FpCover, 1);
	cover->probe = *probe;
	cover->class_version = -1;
	covers[(*n)++] = cover;
	return cover;
}

void
fp_cover_keep(FpCover *kept, const FpCover *cover, FpArena arena)
{
	kept->probe = cover->probe;
	kept->probe.rows = fp_alloc_array(arena, uint32, cover->probe.nrows + 1);
	memcpy(kept->probe.rows, cover->probe.rows,
		   cover->probe.nrows * sizeof(uint32));
	kept->probe.capacity = cover->probe.nrows + 1;
	kept->class_version = -1;
}
