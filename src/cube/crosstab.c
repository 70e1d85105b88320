/*-------------------------------------------------------------------------
 *
 * crosstab.c
 *		Two dimensions of cubes against each other.
 *
 * Two passes over the cells of each cube.  In the first they are added up per
 * code of either dimension (a set counts as a whole), and these by value, over
 * all cubes; from that come the members of each axis, in order and cut to its
 * limit.  In the second the cells are added into the table, a flat one where
 * it is small, else a hash table.
 *
 * Owns nothing that lasts: the result lies in the caller's arena, all else in
 * a child of it that is gone on return.  Takes no locks.  Counts cannot
 * overflow: each sum here is over distinct observations, whose number, of all
 * cubes, is seen to fit into an int64.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#include "cube/crosstab.h"

#include <math.h>

#include "cube/dimunion.h"

/* A flat table may have so many slots (16 bytes each). */
#define FLAT_SLOTS 1048576

#define CHECK_EVERY 8192 /* cells between looks at interrupts */

#define NOT_SHOWN UINT32_MAX

typedef struct Counts
{
	int64 trials;
	int64 failures;
} Counts;

/*
 * One axis of one cube.  A cell's code on the axis stands for the members
 * items[offsets[code]] .. items[offsets[code + 1] - 1]: none or one, or for a
 * set any number.
 */
typedef struct Part
{
	const FpDim *dim;	  /* NULL: all codes are 0 */
	uint32		 ncodes;  /* codes are 0 .. ncodes */
	Counts		*by_code; /* sums per code */
	uint32		*values;  /* the axis' codes of its values; NULL: the same */
	uint64		*offsets;
	uint32		*items;
} Part;

/* One axis at work. */
typedef struct Work
{
	const FpDim	 *dim;
	Part		 *parts; /* by cube */
	int			  nparts;
	Counts		 *by_value; /* sums per value of the axis */
	bool		  whole;	/* all numbers and bounds are whole */
	uint32		 *bin_of;	/* value code to bin, where there are bins */
	FpAxisMember *members;
	uint32		  nmembers;
} Work;

typedef struct Slot
{
	uint64 key; /* row * columns + column, plus 1; 0: free */
	Counts counts;
} Slot;

/* A hash table that doubles; nothing is ever taken out. */
typedef struct Hash
{
	FpArena arena;
	Slot   *slots;
	uint64	mask;
	uint64	used;
} Hash;

static bool
is_whole(double number)
{
	return fabs(number) < 1e15 && floor(number) == number;
}

static void
check_spec(const FpDim *dim, const FpAxisSpec *spec)
{
	if (spec->nbounds == 0)
		return;
	if (dim->kind != FP_ORDINAL)
		fp_error(FP_ERR_DATA, "Bins are ranges of an ordinal dimension.", NULL,
				 "%s_bins does not go with dimension \"%s\", which is not "
				 "ordinal",
				 spec->axis, dim->name.data);
	if (spec->nbounds > FP_CROSSTAB_MAX_BOUNDS)
		fp_error(FP_ERR_DATA, NULL, NULL,
				 "%s_bins has %d bounds, more than %d", spec->axis,
				 spec->nbounds, FP_CROSSTAB_MAX_BOUNDS);
	for (int b = 0; b < spec->nbounds; b++)
	{
		if (!isfinite(spec->bounds[b]))
			fp_error(FP_ERR_DATA, NULL, NULL,
					 "%s_bins has a bound that is not a finite number",
					 spec->axis);
		if (b > 0 && !(spec->bounds[b] > spec->bounds[b - 1]))
			fp_error(FP_ERR_DATA,
					 "Each bound starts a bin, which ends below the next.",
					 NULL, "%s_bins is not in ascending order: %g after %g",
					 spec->axis, spec->bounds[b], spec->bounds[b - 1]);
	}
}

static void
begin_axis(FpArena arena, FpArena scratch, FpScan *const *scans, int nscans,
		   int d, FpAxis *axis, Work *work)
{
	const FpDim **dims = fp_alloc_array(scratch, const FpDim *, nscans);
	uint32		**codes = fp_alloc_array(scratch, uint32 *, nscans);

	work->nparts = nscans;
	work->parts = fp_alloc0_array(scratch, Part, nscans);
	for (int i = 0; i < nscans; i++)
		dims[i] = scans[i]->dims[d];
	axis->dim = fp_dim_union(arena, dims, nscans, codes);
	work->dim = &axis->dim;
	for (int i = 0; i < nscans; i++)
	{
		Part *part = &work->parts[i];

		part->dim = dims[i];
		part->values = codes[i];
		if (dims[i])
			part->ncodes =
				dims[i]->kind == FP_SET ? dims[i]->nsets : dims[i]->nvalues;
		part->by_code =
			fp_alloc0_array(scratch, Counts, (uint64) part->ncodes + 1);
	}
}

static inline uint32
axis_value(const Part *part, uint32 value)
{
	return part->values ? part->values[value] : value;
}

/* from sums per code those per value */
static void
add_values(FpArena scratch, Work *work)
{
	work->by_value =
		fp_alloc0_array(scratch, Counts, (uint64) work->dim->nvalues + 1);
	for (int i = 0; i < work->nparts; i++)
	{
		const Part	*part = &work->parts[i];
		const FpDim *dim = part->dim;
		bool		 is_set = dim && dim->kind == FP_SET;

		for (uint32 code = 1; code <= part->ncodes; code++)
		{
			uint64 first = is_set ? dim->set_offsets[code - 1] : code;
			uint64 end = is_set ? dim->set_offsets[code] : first + 1;

			if (code % CHECK_EVERY == 0)
				FP_CHECK_INTERRUPTS();
			for (uint64 m = first; m < end; m++)
			{
				uint32	value = is_set ? dim->set_members[m] : code;
				Counts *counts = &work->by_value[axis_value(part, value)];

				counts->trials += part->by_code[code].trials;
				counts->failures += part->by_code[code].failures;
			}
		}
	}
}

/* code of a check in a cube, -1 where it never failed there */
static int
find_check(const FpCube *cube, const FpText *check)
{
	for (uint32 c = 0; c < cube->nchecks; c++)
		if (cube->checks[c].len == check->len &&
			memcmp(cube->checks[c].data, check->data, check->len) == 0)
			return (int) c;
	return -1;
}

/* the next cells of a scan; failures are those of a check, if one is given */
static bool
next_cells(FpScan *scan, const FpText *check)
{
	int code;

	if (!fp_scan_next(scan))
		return false;
	if (!check)
		return true;
	memset(scan->failures, 0, scan->n * sizeof(int64));
	code = find_check(scan->cube, check);
	for (uint32 e = 0; e < scan->nentries; e++)
		if ((int) scan->entry_checks[e] == code)
			scan->failures[scan->entry_cells[e]] = scan->entry_failures[e];
	return true;
}

/* First pass: sums per code of either axis, and over all. */
static void
add_up(FpScan *scan, const FpText *check, Part *row, Part *col,
	   FpCrosstab *table)
{
	while (next_cells(scan, check))
		for (uint32 i = 0; i < scan->n; i++)
		{
			Counts *r = &row->by_code[scan->codes[0][i]];
			Counts *c = &col->by_code[scan->codes[1][i]];

			r->trials += scan->trials[i];
			r->failures += scan->failures[i];
			c->trials += scan->trials[i];
			c->failures += scan->failures[i];
			table->total_failures += scan->failures[i];
			if (pg_add_s64_overflow(table->total_trials, scan->trials[i],
									&table->total_trials))
				fp_error(FP_ERR_RANGE, NULL, NULL,
						 "there are more trials than can be counted");
		}
}

/* "<4", "4-6", "7+"; of numbers that are not whole "4-<7" */
static FpText
bin_label(FpArena arena, const FpAxisSpec *spec, uint32 bin, bool whole)
{
	char   buf[80];
	char  *data;
	int	   len;
	FpText label;

	if (bin == 0)
		len = snprintf(buf, sizeof(buf), "<%.15g", spec->bounds[0]);
	else if (bin == (uint32) spec->nbounds)
		len = snprintf(buf, sizeof(buf), "%.15g+", spec->bounds[bin - 1]);
	else if (!whole)
		len = snprintf(buf, sizeof(buf), "%.15g-<%.15g", spec->bounds[bin - 1],
					   spec->bounds[bin]);
	else if (spec->bounds[bin] - spec->bounds[bin - 1] == 1)
		len = snprintf(buf, sizeof(buf), "%.15g", spec->bounds[bin - 1]);
	else
		len = snprintf(buf, sizeof(buf), "%.15g-%.15g", spec->bounds[bin - 1],
					   spec->bounds[bin] - 1);
	data = fp_alloc(arena, len + 1);
	memcpy(data, buf, len + 1);
	label.data = data;
	label.len = len;
	return label;
}

/*
 * Members that are bins.  A bin's bounds as a condition are inclusive: the
 * upper one is the next whole number down or, where numbers are not whole, the
 * largest one that occurs below the next bin.
 */
static void
make_bins(FpArena arena, FpArena scratch, const FpAxisSpec *spec, Work *work)
{
	const FpDim *dim = work->dim;
	uint32		 bin = 0;

	work->whole = true;
	for (int b = 0; b < spec->nbounds; b++)
		work->whole = work->whole && is_whole(spec->bounds[b]);
	for (uint32 v = 0; v < dim->nvalues; v++)
		work->whole = work->whole && is_whole(dim->numbers[v]);

	work->nmembers = spec->nbounds + 1;
	work->members = fp_alloc0_array(scratch, FpAxisMember, work->nmembers);
	work->bin_of = fp_alloc0_array(scratch, uint32, (uint64) dim->nvalues + 1);
	for (uint32 b = 0; b < work->nmembers; b++)
	{
		FpAxisMember *member = &work->members[b];

		member->label = bin_label(arena, spec, b, work->whole);
		member->min = b == 0 ? -INFINITY : spec->bounds[b - 1];
		member->max = INFINITY;
		if (work->whole && b < (uint32) spec->nbounds)
			member->max = spec->bounds[b] - 1;
	}
	for (uint32 v = 1; v <= dim->nvalues; v++)
	{
		FpAxisMember *member;

		while (bin < (uint32) spec->nbounds &&
			   dim->numbers[v - 1] >= spec->bounds[bin])
			bin++;
		member = &work->members[bin];
		work->bin_of[v] = bin;
		member->trials += work->by_value[v].trials;
		member->failures += work->by_value[v].failures;
		if (!work->whole && bin < (uint32) spec->nbounds)
			member->max = dim->numbers[v - 1];
	}
}

static void
make_values(FpArena scratch, Work *work)
{
	const FpDim *dim = work->dim;

	work->nmembers = dim->nvalues;
	work->members =
		fp_alloc0_array(scratch, FpAxisMember, (uint64) work->nmembers + 1);
	for (uint32 v = 1; v <= dim->nvalues; v++)
	{
		FpAxisMember *member = &work->members[v - 1];

		member->label = dim->values[v - 1];
		member->code = v;
		member->trials = work->by_value[v].trials;
		member->failures = work->by_value[v].failures;
		if (dim->kind == FP_ORDINAL)
			member->min = member->max = dim->numbers[v - 1];
	}
}

/* A whole number as an id is written: no blanks, no sign but -, no zeros. */
static bool
parse_id(const FpText *text, double *id)
{
	uint32 at = text->len > 0 && text->data[0] == '-';
	double number = 0;

	if (text->len - at < 1 || text->len - at > 15 ||
		(text->data[at] == '0' && text->len > 1))
		return false;
	for (uint32 i = at; i < text->len; i++)
	{
		if (text->data[i] < '0' || text->data[i] > '9')
			return false;
		number = number * 10 + (text->data[i] - '0');
	}
	*id = at ? -number : number;
	return true;
}

/* A member on its way to its place. */
typedef struct Ranked
{
	uint32 member;
	double order;
	int64  failures;
	int64  trials;
} Ranked;

static int
worst_first(const void *a, const void *b)
{
	const Ranked *x = a;
	const Ranked *y = b;

	if (x->failures != y->failures)
		return x->failures > y->failures ? -1 : 1;
	if (x->trials != y->trials)
		return x->trials > y->trials ? -1 : 1;
	return x->member < y->member ? -1 : x->member > y->member;
}

static int
in_order(const void *a, const void *b)
{
	const Ranked *x = a;
	const Ranked *y = b;

	if (x->order != y->order)
		return x->order < y->order ? -1 : 1;
	return x->member < y->member ? -1 : x->member > y->member;
}

/*
 * Cut the members to the limit and put them in order; fill the axis and
 * tell which place each old member has got (NOT_SHOWN: none).
 */
static uint32 *
place_members(FpArena arena, FpArena scratch, const FpAxisSpec *spec,
			  Work *work, FpAxis *axis)
{
	uint32 *place =
		fp_alloc_array(scratch, uint32, (uint64) work->nmembers + 1);
	Ranked *ranked =
		fp_alloc_array(scratch, Ranked, (uint64) work->nmembers + 1);
	uint32 n = 0;
	bool   ids = work->dim->kind != FP_ORDINAL;

	for (uint32 m = 0; m < work->nmembers; m++)
	{
		Ranked *r = &ranked[n];

		place[m] = NOT_SHOWN;
		if (work->members[m].trials == 0)
			continue;
		r->member = m;
		r->order = 0;
		r->failures = work->members[m].failures;
		r->trials = work->members[m].trials;
		if (ids && !parse_id(&work->members[m].label, &r->order))
			ids = false;
		n++;
	}
	/* members are by their bytes, or by number, already */
	if (!ids)
		for (uint32 i = 0; i < n; i++)
			ranked[i].order = 0;
	if (spec->limit > 0 && n > spec->limit)
	{
		qsort(ranked, n, sizeof(Ranked), worst_first);
		n = spec->limit;
	}
	qsort(ranked, n, sizeof(Ranked), in_order);

	axis->nmembers = n;
	axis->members = fp_alloc_array(arena, FpAxisMember, (uint64) n + 1);
	for (uint32 i = 0; i < n; i++)
	{
		axis->members[i] = work->members[ranked[i].member];
		place[ranked[i].member] = i;
	}
	return place;
}

/* Which places of the axis each code of a cube stands for. */
static void
map_codes(FpArena scratch, const uint32 *place, const uint32 *bin_of,
		  Part *part)
{
	const FpDim *dim = part->dim;
	bool		 is_set = dim && dim->kind == FP_SET;
	uint64		 most = is_set ? dim->set_offsets[dim->nsets] : part->ncodes;
	uint64		 n = 0;

	part->offsets = fp_alloc_array(scratch, uint64, (uint64) part->ncodes + 2);
	part->items = fp_alloc_array(scratch, uint32, most + 1);
	part->offsets[0] = part->offsets[1] = 0;
	for (uint32 code = 1; code <= part->ncodes; code++)
	{
		uint64 first = is_set ? dim->set_offsets[code - 1] : code;
		uint64 end = is_set ? dim->set_offsets[code] : first + 1;

		for (uint64 m = first; m < end; m++)
		{
			uint32 value =
				axis_value(part, is_set ? dim->set_members[m] : code);
			uint32 at = place[bin_of ? bin_of[value] : value - 1];

			if (at != NOT_SHOWN)
				part->items[n++] = at;
		}
		part->offsets[code + 1] = n;
	}
}

static void
make_axis(FpArena arena, FpArena scratch, const FpAxisSpec *spec, Work *work,
		  FpAxis *axis)
{
	uint32 *place;

	add_values(scratch, work);
	if (spec->nbounds > 0)
		make_bins(arena, scratch, spec, work);
	else
		make_values(scratch, work);
	place = place_members(arena, scratch, spec, work, axis);
	for (int i = 0; i < work->nparts; i++)
		map_codes(scratch, place, work->bin_of, &work->parts[i]);
}

static inline uint64
mix(uint64 key)
{
	/* the finaliser of splitmix64 (Steele, Lea, Flood 2014) */
	key = (key ^ (key >> 30)) * UINT64CONST(0xbf58476d1ce4e5b9);
	key = (key ^ (key >> 27)) * UINT64CONST(0x94d049bb133111eb);
	return key ^ (key >> 31);
}

static Slot *
hash_find(Slot *slots, uint64 mask, uint64 key)
{
	uint64 at = mix(key) & mask;

	while (slots[at].key != 0 && slots[at].key != key)
		at = (at + 1) & mask;
	return &slots[at];
}

static Counts *
hash_counts(Hash *hash, uint64 key)
{
	Slot *slot = hash_find(hash->slots, hash->mask, key);

	if (slot->key != 0)
		return &slot->counts;
	if (hash->used == FP_CROSSTAB_MAX_CELLS)
		fp_error(FP_ERR_LIMIT, NULL,
				 "Limit the axes by row_limit and col_limit.",
				 "the table has more than %d cells", FP_CROSSTAB_MAX_CELLS);
	if (2 * (hash->used + 1) > hash->mask)
	{
		uint64 mask = 2 * hash->mask + 1;
		Slot  *slots = fp_alloc0_array(hash->arena, Slot, mask + 1);

		for (uint64 i = 0; i <= hash->mask; i++)
			if (hash->slots[i].key != 0)
				*hash_find(slots, mask, hash->slots[i].key) = hash->slots[i];
		hash->slots = slots;
		hash->mask = mask;
		slot = hash_find(slots, mask, key);
	}
	hash->used++;
	slot->key = key;
	return &slot->counts;
}

static int
by_key(const void *a, const void *b)
{
	const Slot *x = a;
	const Slot *y = b;

	return x->key < y->key ? -1 : x->key > y->key;
}

/* Second pass: cells into the table; flat or hash, one is NULL. */
static void
fill(FpScan *scan, const FpText *check, const Part *row, const Part *col,
	 uint64 ncols, Counts *flat, Hash *hash)
{
	while (next_cells(scan, check))
		for (uint32 n = 0; n < scan->n; n++)
		{
			uint32 rcode = scan->codes[0][n];
			uint32 ccode = scan->codes[1][n];

			for (uint64 i = row->offsets[rcode]; i < row->offsets[rcode + 1];
				 i++)
				for (uint64 j = col->offsets[ccode];
					 j < col->offsets[ccode + 1]; j++)
				{
					uint64	key = row->items[i] * ncols + col->items[j];
					Counts *counts =
						flat ? &flat[key] : hash_counts(hash, key + 1);

					counts->trials += scan->trials[n];
					counts->failures += scan->failures[n];
				}
		}
}

static void
emit(FpCrosstab *table, uint64 key, const Counts *counts)
{
	uint32 n = table->ncells++;

	table->cell_row[n] = (uint32) (key / table->col.nmembers);
	table->cell_col[n] = (uint32) (key % table->col.nmembers);
	table->trials[n] = counts->trials;
	table->failures[n] = counts->failures;
}

static bool
same_name(const FpDim *a, const FpDim *b)
{
	return a->name.len == b->name.len &&
		   memcmp(a->name.data, b->name.data, a->name.len) == 0;
}

FpCrosstab *
fp_crosstab(FpArena arena, FpScan *const *scans, int nscans,
			const FpAxisSpec *row, const FpAxisSpec *col, const FpText *check)
{
	FpArena		scratch;
	FpCrosstab *table;
	Work		rwork = {0};
	Work		cwork = {0};
	uint64		nslots;
	uint64		n = 0;
	Counts	   *flat = NULL;
	Hash		hash = {0};
	bool		known[2] = {false, false};

	for (int i = 0; i < nscans; i++)
		for (int d = 0; d < 2; d++)
			known[d] |= scans[i]->dims[d] != NULL;
	if (!known[0] || !known[1])
		return NULL;
	table = fp_alloc0(arena, sizeof(FpCrosstab));
	scratch = fp_arena_create(arena, "failpat crosstab");
	begin_axis(arena, scratch, scans, nscans, 0, &table->row, &rwork);
	begin_axis(arena, scratch, scans, nscans, 1, &table->col, &cwork);
	table->one_dim = same_name(rwork.dim, cwork.dim);
	if (table->one_dim && rwork.dim->kind != FP_SET)
		fp_error(FP_ERR_DATA,
				 "Only a set-valued dimension can be compared with itself.",
				 NULL, "row_dim and col_dim are both \"%s\"",
				 rwork.dim->name.data);
	check_spec(rwork.dim, row);
	check_spec(cwork.dim, col);

	for (int i = 0; i < nscans; i++)
		add_up(scans[i], check, &rwork.parts[i], &cwork.parts[i], table);
	make_axis(arena, scratch, row, &rwork, &table->row);
	make_axis(arena, scratch, col, &cwork, &table->col);

	nslots = (uint64) table->row.nmembers * table->col.nmembers;
	if (nslots <= FLAT_SLOTS)
		flat = fp_alloc0_array(scratch, Counts, nslots + 1);
	else
	{
		hash.arena = scratch;
		hash.mask = 1023;
		hash.slots = fp_alloc0_array(scratch, Slot, hash.mask + 1);
	}
	for (int i = 0; i < nscans; i++)
	{
		fp_scan_rewind(scans[i]);
		fill(scans[i], check, &rwork.parts[i], &cwork.parts[i],
			 table->col.nmembers, flat, &hash);
	}

	if (flat)
	{
		for (uint64 i = 0; i < nslots; i++)
			n += flat[i].trials > 0;
	}
	else
	{
		for (uint64 i = 0; i <= hash.mask; i++)
			if (hash.slots[i].key != 0)
				hash.slots[n++] = hash.slots[i];
		qsort(hash.slots, n, sizeof(Slot), by_key);
	}
	table->cell_row = fp_alloc_array(arena, uint32, n + 1);
	table->cell_col = fp_alloc_array(arena, uint32, n + 1);
	table->trials = fp_alloc_array(arena, int64, n + 1);
	table->failures = fp_alloc_array(arena, int64, n + 1);
	if (flat)
	{
		for (uint64 i = 0; i < nslots; i++)
			if (flat[i].trials > 0)
				emit(table, i, &flat[i]);
	}
	else
		for (uint64 i = 0; i < n; i++)
			emit(table, hash.slots[i].key - 1, &hash.slots[i].counts);
	fp_arena_delete(scratch);
	return table;
}
