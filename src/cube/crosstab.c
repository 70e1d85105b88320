/*-------------------------------------------------------------------------
 *
 * crosstab.c
 *		Two dimensions of cubes against each other.
 *
 * Where the axes have few values, in one pass over the cells of each cube, into
 * a grid of all values: of the row's against the column's, and of each against
 * everything.  From what it holds come the members of each axis, in order and
 * cut to its limit, and then the table.
 *
 * Else in two passes.  In the first the cells are added up per code of either
 * dimension (a set counts as a whole), and these by value, over all cubes: of
 * that are the members made.  In the second the cells are added into the table,
 * a flat one where it is small, else a hash table.  Of a dimension against
 * itself the sums per set say all, and there is no second pass.
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

/* So may a grid of all values; more would be slower than a second pass. */
#define GRID_SLOTS 262144

#define CHECK_EVERY 8192 /* cells between looks at interrupts */

#define NOT_SHOWN UINT32_MAX

typedef struct Counts
{
	int64 trials;
	int64 failures;
} Counts;

/*
 * One axis of one cube.  A cell's code on the axis stands for the places
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
	uint32		 *place;	/* of each member on the axis, or NOT_SHOWN */
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

/*
 * All values of one axis against all of the other.  On each axis, place 0 is
 * for what is not recorded, the places after it for the values and, of a
 * set-valued one, the last for everything: what has it or not.
 */
typedef struct Grid
{
	Counts *slots; /* NULL: there is none */
	uint32	nrows;
	uint32	ncols;
} Grid;

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
				 "%s_bins does not go with dimension \"%.*s\", which is not "
				 "ordinal",
				 spec->axis, fp_clip(dim->name.data, dim->name.len),
				 dim->name.data);
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
	}
}

static void
begin_sums(FpArena scratch, Part *part)
{
	part->by_code =
		fp_alloc0_array(scratch, Counts, (uint64) part->ncodes + 1);
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

static inline void
add_total(FpCrosstab *table, int64 trials, int64 failures)
{
	table->total_failures += failures;
	if (pg_add_s64_overflow(table->total_trials, trials, &table->total_trials))
		fp_error(FP_ERR_RANGE, NULL, NULL,
				 "there are more trials than can be counted");
}

/* First of two passes: sums per code of either axis, and over all. */
static void
add_up(FpScan *scan, const FpText *check, Part *row, Part *col,
	   FpCrosstab *table)
{
	while (fp_scan_next_of(scan, check))
		for (uint32 i = 0; i < scan->n; i++)
		{
			Counts *r = &row->by_code[scan->codes[0][i]];
			Counts *c = &col->by_code[scan->codes[1][i]];

			add_total(table, scan->trials[i], scan->failures[i]);
			r->trials += scan->trials[i];
			r->failures += scan->failures[i];
			if (table->one_dim)
				continue;
			c->trials += scan->trials[i];
			c->failures += scan->failures[i];
		}
}

/* --- the grid ---------------------------------------------------------- */

static inline uint32
grid_places(const FpDim *dim)
{
	return dim->nvalues + (dim->kind == FP_SET ? 2 : 1);
}

/* Which places of the grid each code of a cube stands for, times so many. */
static void
map_to_grid(FpArena scratch, const FpDim *axis, uint32 times, Part *part)
{
	const FpDim *dim = part->dim;
	bool		 is_set = dim && dim->kind == FP_SET;
	uint64		 most = is_set ? dim->set_offsets[dim->nsets] : part->ncodes;
	uint64		 n = 0;

	part->offsets = fp_alloc_array(scratch, uint64, (uint64) part->ncodes + 2);
	part->items = fp_alloc_array(scratch, uint32, most + part->ncodes + 1);
	for (uint32 code = 0; code <= part->ncodes; code++)
	{
		part->offsets[code] = n;
		if (code > 0 && is_set)
			for (uint64 m = dim->set_offsets[code - 1];
				 m < dim->set_offsets[code]; m++)
				part->items[n++] =
					axis_value(part, dim->set_members[m]) * times;
		else if (code > 0 || axis->kind != FP_SET)
			part->items[n++] = axis_value(part, code) * times;
		if (axis->kind == FP_SET)
			part->items[n++] = (axis->nvalues + 1) * times;
	}
	part->offsets[part->ncodes + 1] = n;
}

/*
 * The only pass.  What is the same for all cells is in variables of its own: the
 * compiler cannot know that counting does not change it.
 */
static void
add_to_grid(FpScan *scan, const FpText *check, const Part *row,
			const Part *col, const Grid *grid, FpCrosstab *table)
{
	const uint64 *const rfirst = row->offsets;
	const uint64 *const cfirst = col->offsets;
	const uint32 *const ritems = row->items;
	const uint32 *const citems = col->items;
	Counts *const		slots = grid->slots;

	while (fp_scan_next_of(scan, check))
	{
		const uint32 ncells = scan->n;

		for (uint32 n = 0; n < ncells; n++)
			add_total(table, scan->trials[n], scan->failures[n]);
		for (uint32 n = 0; n < ncells; n++)
		{
			const int64	 trials = scan->trials[n];
			const int64	 failures = scan->failures[n];
			const uint64 rend = rfirst[scan->codes[0][n] + 1];
			const uint64 cbegin = cfirst[scan->codes[1][n]];
			const uint64 cend = cfirst[scan->codes[1][n] + 1];

			for (uint64 i = rfirst[scan->codes[0][n]]; i < rend; i++)
			{
				Counts *const at = slots + ritems[i];
				uint64		  j = cbegin;

				/* one at least */
				do
				{
					at[citems[j]].trials += trials;
					at[citems[j]].failures += failures;
				} while (++j < cend);
			}
		}
	}
}

/* sums per value of an axis: each against everything on the other axis */
static void
values_of_grid(FpArena scratch, const Grid *grid, bool of_rows, Work *work,
			   const FpDim *other)
{
	uint32 nother = of_rows ? grid->ncols : grid->nrows;
	uint32 step = of_rows ? 1 : grid->ncols;
	uint32 value_step = of_rows ? grid->ncols : 1;
	uint32 first = other->kind == FP_SET ? nother - 1 : 0;

	work->by_value =
		fp_alloc0_array(scratch, Counts, (uint64) work->dim->nvalues + 1);
	for (uint32 v = 1; v <= work->dim->nvalues; v++)
		for (uint32 o = first; o < nother; o++)
		{
			const Counts *counts = &grid->slots[v * value_step + o * step];

			work->by_value[v].trials += counts->trials;
			work->by_value[v].failures += counts->failures;
		}
}

static inline uint32
place_of(const Work *work, uint32 value)
{
	return work->place[work->bin_of ? work->bin_of[value] : value - 1];
}

/* from what is in the grid the table */
static void
fill_from_grid(const Grid *grid, const Work *row, const Work *col,
			   uint32 ncols, Counts *flat)
{
	for (uint32 v = 1; v <= row->dim->nvalues; v++)
	{
		uint32 r = place_of(row, v);

		for (uint32 w = 1; r != NOT_SHOWN && w <= col->dim->nvalues; w++)
		{
			const Counts *from = &grid->slots[v * grid->ncols + w];
			uint32		  c = place_of(col, w);
			Counts		 *to = &flat[r * ncols + c];

			if (c == NOT_SHOWN)
				continue;
			to->trials += from->trials;
			to->failures += from->failures;
		}
	}
}

/* --- axes -------------------------------------------------------------- */

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

/* Cut the members to the limit and put them in order; fill the axis. */
static void
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
	work->place = place;
}

/* Which places of the axis each code of a cube stands for. */
static void
map_codes(FpArena scratch, const Work *work, Part *part)
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
			uint32 at =
				place_of(work, axis_value(part, is_set ? dim->set_members[m]
													   : code));

			if (at != NOT_SHOWN)
				part->items[n++] = at;
		}
		part->offsets[code + 1] = n;
	}
}

/* from the sums per value the axis */
static void
make_axis(FpArena arena, FpArena scratch, const FpAxisSpec *spec, Work *work,
		  FpAxis *axis)
{
	if (spec->nbounds > 0)
		make_bins(arena, scratch, spec, work);
	else
		make_values(scratch, work);
	place_members(arena, scratch, spec, work, axis);
}

/* --- the table --------------------------------------------------------- */

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

/* counts of two codes into the table; flat or, where that is NULL, hash */
static inline void
add_to_table(const Part *row, const Part *col, uint32 rcode, uint32 ccode,
			 int64 trials, int64 failures, uint64 ncols, Counts *flat,
			 Hash *hash)
{
	for (uint64 i = row->offsets[rcode]; i < row->offsets[rcode + 1]; i++)
		for (uint64 j = col->offsets[ccode]; j < col->offsets[ccode + 1]; j++)
		{
			uint64	key = row->items[i] * ncols + col->items[j];
			Counts *counts = flat ? &flat[key] : hash_counts(hash, key + 1);

			counts->trials += trials;
			counts->failures += failures;
		}
}

/* Second pass. */
static void
fill(FpScan *scan, const FpText *check, const Part *row, const Part *col,
	 uint64 ncols, Counts *flat, Hash *hash)
{
	fp_scan_rewind(scan);
	while (fp_scan_next_of(scan, check))
		for (uint32 n = 0; n < scan->n; n++)
			add_to_table(row, col, scan->codes[0][n], scan->codes[1][n],
						 scan->trials[n], scan->failures[n], ncols, flat,
						 hash);
}

/* a dimension against itself: from the sums per set */
static void
fill_from_sets(const Part *row, const Part *col, uint64 ncols, Counts *flat,
			   Hash *hash)
{
	for (uint32 code = 1; code <= row->ncodes; code++)
	{
		const Counts *counts = &row->by_code[code];

		if (code % CHECK_EVERY == 0)
			FP_CHECK_INTERRUPTS();
		if (counts->trials > 0)
			add_to_table(row, col, code, code, counts->trials,
						 counts->failures, ncols, flat, hash);
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
	Grid		grid = {0};
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
				 NULL, "row_dim and col_dim are both \"%.*s\"",
				 fp_clip(rwork.dim->name.data, rwork.dim->name.len),
				 rwork.dim->name.data);
	check_spec(rwork.dim, row);
	check_spec(cwork.dim, col);

	grid.nrows = grid_places(rwork.dim);
	grid.ncols = grid_places(cwork.dim);
	nslots = (uint64) grid.nrows * grid.ncols;
	if (!table->one_dim && nslots <= GRID_SLOTS)
		grid.slots = fp_alloc0_array(scratch, Counts, nslots);
	for (int i = 0; i < nscans; i++)
	{
		Part *r = &rwork.parts[i];
		Part *c = &cwork.parts[i];

		if (grid.slots)
		{
			map_to_grid(scratch, rwork.dim, grid.ncols, r);
			map_to_grid(scratch, cwork.dim, 1, c);
			add_to_grid(scans[i], check, r, c, &grid, table);
			continue;
		}
		begin_sums(scratch, r);
		if (table->one_dim)
			c->by_code = r->by_code;
		else
			begin_sums(scratch, c);
		add_up(scans[i], check, r, c, table);
	}
	if (grid.slots)
	{
		values_of_grid(scratch, &grid, true, &rwork, cwork.dim);
		values_of_grid(scratch, &grid, false, &cwork, rwork.dim);
	}
	else
	{
		add_values(scratch, &rwork);
		add_values(scratch, &cwork);
	}
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
	if (grid.slots)
		fill_from_grid(&grid, &rwork, &cwork, table->col.nmembers, flat);
	for (int i = 0; !grid.slots && i < nscans; i++)
	{
		Part *r = &rwork.parts[i];
		Part *c = &cwork.parts[i];

		map_codes(scratch, &rwork, r);
		map_codes(scratch, &cwork, c);
		if (table->one_dim)
			fill_from_sets(r, c, table->col.nmembers, flat, &hash);
		else
			fill(scans[i], check, r, c, table->col.nmembers, flat, &hash);
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
