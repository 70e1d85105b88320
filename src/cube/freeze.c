/*-------------------------------------------------------------------------
 *
 * freeze.c
 *		From a builder to a canonical cube, and cubes into a builder.
 *
 * Freezing renumbers: only values that occur in a cell get a code, in
 * canonical order; then cells are sorted by their new codes (least significant
 * digit first, in as many bits as the codes have).
 *
 * What is needed meanwhile lives in a child arena that goes on return (with
 * its parent in case of an error); the result in the caller's arena.  No
 * locks.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#include "cube/build.h"
#include "cube/format.h"

#define CHECK_MASK 0x3ff
#define CHECK_BITS 10

/* --- sorting ----------------------------------------------------------- */

typedef struct Named
{
	FpText text;
	uint32 code;
} Named;

typedef struct Numbered
{
	double number;
	uint32 code;
} Numbered;

typedef struct Set
{
	const uint32 *members;
	uint32		  n;
	uint32		  code;
} Set;

typedef struct Key
{
	uint64 word;
	uint64 cell;
} Key;

static int
compare_text(const FpText *a, const FpText *b)
{
	int cmp = memcmp(a->data, b->data, Min(a->len, b->len));

	if (cmp != 0)
		return cmp;
	return a->len < b->len ? -1 : a->len > b->len;
}

/* comparisons of what there may be millions of can be interrupted */
static int
compare_named(const void *a, const void *b)
{
	FP_CHECK_INTERRUPTS();
	return compare_text(&((const Named *) a)->text,
						&((const Named *) b)->text);
}

static int
compare_numbered(const void *a, const void *b)
{
	double x = ((const Numbered *) a)->number;
	double y = ((const Numbered *) b)->number;

	FP_CHECK_INTERRUPTS();
	return x < y ? -1 : x > y;
}

static int
compare_codes(const void *a, const void *b)
{
	uint32 x = *(const uint32 *) a;
	uint32 y = *(const uint32 *) b;

	return x < y ? -1 : x > y;
}

static int
compare_sets(const void *a, const void *b)
{
	const Set *x = a;
	const Set *y = b;

	FP_CHECK_INTERRUPTS();
	for (uint32 i = 0; i < x->n && i < y->n; i++)
		if (x->members[i] != y->members[i])
			return x->members[i] < y->members[i] ? -1 : 1;
	return x->n < y->n ? -1 : x->n > y->n;
}

/* Stable sort of keys by the lowest "bits" of their words; *keys and *spare
 * may change places. */
static void
radix_sort(Key **keys, Key **spare, uint64 n, int bits)
{
	int	   digit = n < 4096 ? 8 : 11;
	uint64 count[2048];

	for (int shift = 0; shift < bits; shift += digit)
	{
		uint32 mask = ((uint32) 1 << Min(digit, bits - shift)) - 1;
		Key	  *from = *keys;
		Key	  *to = *spare;
		uint64 sum = 0;

		memset(count, 0, (mask + 1) * sizeof(uint64));
		for (uint64 i = 0; i < n; i++)
		{
			if ((i & 0xffff) == 0)
				FP_CHECK_INTERRUPTS();
			count[from[i].word >> shift & mask]++;
		}
		for (uint32 digit_value = 0; digit_value <= mask; digit_value++)
		{
			uint64 here = count[digit_value];

			count[digit_value] = sum;
			sum += here;
		}
		for (uint64 i = 0; i < n; i++)
		{
			if ((i & 0xffff) == 0)
				FP_CHECK_INTERRUPTS();
			to[count[from[i].word >> shift & mask]++] = from[i];
		}
		*keys = to;
		*spare = from;
	}
}

static int
bits_for(uint32 max)
{
	return max == 0 ? 0 : 32 - __builtin_clz(max);
}

/* --- dimensions -------------------------------------------------------- */

static FpText
copy_text(FpArena arena, const FpText *text)
{
	FpText copy;
	char  *data = fp_alloc(arena, (size_t) text->len + 1);

	memcpy(data, text->data, text->len);
	data[text->len] = '\0';
	copy.data = data;
	copy.len = text->len;
	return copy;
}

/*
 * Copy the texts that are used, sorted; remap[old code] becomes the new code,
 * 0 for those that are not used.  Returns their number.
 */
static uint32
freeze_texts(FpArena arena, FpArena scratch, const FpDict *dict,
			 const bool *used, FpText **texts, uint32 *remap)
{
	Named *named = fp_alloc_array(scratch, Named, (uint64) dict->n + 1);
	uint32 n = 0;

	remap[0] = 0;
	for (uint32 c = 1; c <= dict->n; c++)
	{
		remap[c] = 0;
		if (!used[c])
			continue;
		named[n].text = dict->texts[c - 1];
		named[n].code = c;
		n++;
	}
	qsort(named, n, sizeof(Named), compare_named);
	*texts = fp_alloc_array(arena, FpText, (uint64) n + 1);
	for (uint32 i = 0; i < n; i++)
	{
		if ((i & 0xfff) == 0)
			FP_CHECK_INTERRUPTS();
		(*texts)[i] = copy_text(arena, &named[i].text);
		remap[named[i].code] = i + 1;
	}
	return n;
}

static void
freeze_ordinal(FpArena arena, FpArena scratch, const FpBuilderDim *from,
			   const bool *used, FpDim *to, uint32 *remap)
{
	Numbered *numbered =
		fp_alloc_array(scratch, Numbered, (uint64) from->nnumbers + 1);
	uint32 n = 0;

	for (uint32 c = 1; c <= from->nnumbers; c++)
	{
		remap[c] = 0;
		if (!used[c])
			continue;
		numbered[n].number = from->numbers[c - 1];
		numbered[n].code = c;
		n++;
	}
	qsort(numbered, n, sizeof(Numbered), compare_numbered);
	to->nvalues = n;
	to->numbers = fp_alloc_array(arena, double, (uint64) n + 1);
	to->values = fp_alloc_array(arena, FpText, (uint64) n + 1);
	for (uint32 i = 0; i < n; i++)
	{
		char   buf[FP_NUMBER_LEN];
		FpText text = {buf, 0};

		if ((i & 0xfff) == 0)
			FP_CHECK_INTERRUPTS();
		text.len = (uint32) fp_number_text(numbered[i].number, buf);
		to->numbers[i] = numbered[i].number;
		to->values[i] = copy_text(arena, &text);
		remap[numbered[i].code] = i + 1;
	}
}

static void
freeze_set(FpArena arena, FpArena scratch, const FpBuilderDim *from,
		   const bool *used, FpDim *to, uint32 *remap)
{
	uint64	nvalues = (uint64) from->values.n + 1;
	bool   *value_used = fp_alloc0_array(scratch, bool, nvalues);
	uint32 *value_remap = fp_alloc_array(scratch, uint32, nvalues);
	Set	   *sets = fp_alloc_array(scratch, Set, (uint64) from->nsets + 1);
	uint32 *members;
	uint64	nmembers = 0;
	uint32	n = 0;

	for (uint32 c = 1; c <= from->nsets; c++)
	{
		if (!used[c])
			continue;
		for (uint64 m = from->set_offsets[c - 1]; m < from->set_offsets[c];
			 m++)
			value_used[from->set_members[m]] = true;
		nmembers += from->set_offsets[c] - from->set_offsets[c - 1];
	}
	to->nvalues = freeze_texts(arena, scratch, &from->values, value_used,
							   &to->values, value_remap);

	members = fp_alloc_array(scratch, uint32, nmembers + 1);
	for (uint32 c = 1; c <= from->nsets; c++)
	{
		if ((c & 0xfff) == 0)
			FP_CHECK_INTERRUPTS();
		remap[c] = 0;
		if (!used[c])
			continue;
		sets[n].members = members;
		sets[n].code = c;
		sets[n].n = 0;
		for (uint64 m = from->set_offsets[c - 1]; m < from->set_offsets[c];
			 m++)
			members[sets[n].n++] = value_remap[from->set_members[m]];
		qsort(members, sets[n].n, sizeof(uint32), compare_codes);
		members += sets[n].n;
		n++;
	}
	qsort(sets, n, sizeof(Set), compare_sets);

	to->nsets = n;
	to->set_offsets = fp_alloc_array(arena, uint64, (uint64) n + 1);
	to->set_members = fp_alloc_array(arena, uint32, nmembers + 1);
	to->set_offsets[0] = 0;
	for (uint32 s = 0; s < n; s++)
	{
		if (sets[s].n > 0)
			memcpy(to->set_members + to->set_offsets[s], sets[s].members,
				   sets[s].n * sizeof(uint32));
		to->set_offsets[s + 1] = to->set_offsets[s] + sets[s].n;
		remap[sets[s].code] = s + 1;
	}
}

/*
 * Order of the dimensions in the cube: by name where sources disagreed.
 */
static void
dimension_order(const FpCubeBuilder *builder, int *order)
{
	int n = 0;

	for (int last = 0; last < 2; last++)
	{
		int first = n;

		for (int d = 0; d < builder->ndims; d++)
		{
			bool stratum =
				builder->strata_last && builder->dims[d]->kind == FP_STRATUM;
			int at = n;

			if (d == builder->stratum || stratum != (last == 1))
				continue;
			if (builder->sorted)
				while (at > first &&
					   compare_text(&builder->dims[order[at - 1]]->name,
									&builder->dims[d]->name) > 0)
					at--;
			memmove(order + at + 1, order + at, (n - at) * sizeof(int));
			order[at] = d;
			n++;
		}
	}
	if (builder->stratum >= 0)
		order[n] = builder->stratum;
}

/* --- checks ------------------------------------------------------------ */

static void
freeze_checks(FpCubeBuilder *builder, FpArena arena, FpArena scratch,
			  FpCube *cube, const Key *sorted)
{
	uint64	ncells = cube->ncells;
	uint64	nslots = builder->check_mask ? builder->check_mask + 1 : 0;
	bool   *used;
	uint32 *remap;
	uint64 *new_cell;
	uint64 *fill;

	if (builder->checks.n == 0 || builder->ncheck_cells == 0)
		return;
	used = fp_alloc0_array(scratch, bool, (uint64) builder->checks.n + 1);
	remap = fp_alloc_array(scratch, uint32, (uint64) builder->checks.n + 1);
	new_cell = fp_alloc_array(scratch, uint64, ncells);
	for (uint64 i = 0; i < ncells; i++)
	{
		if ((i & 0xffff) == 0)
			FP_CHECK_INTERRUPTS();
		new_cell[sorted[i].cell] = i;
	}

	cube->check_offsets = fp_alloc0_array(arena, uint64, ncells + 1);
	for (uint64 i = 0; i < nslots; i++)
	{
		uint64 key = builder->check_keys[i];

		if ((i & 0xffff) == 0)
			FP_CHECK_INTERRUPTS();
		if (key == 0)
			continue;
		used[((key - 1) & CHECK_MASK) + 1] = true;
		cube->check_offsets[new_cell[(key - 1) >> CHECK_BITS] + 1]++;
	}
	for (uint64 i = 0; i < ncells; i++)
		cube->check_offsets[i + 1] += cube->check_offsets[i];
	cube->nchecks = freeze_texts(arena, scratch, &builder->checks, used,
								 &cube->checks, remap);
	cube->check_codes = fp_alloc_array(arena, uint32, builder->ncheck_cells);
	cube->check_failures = fp_alloc_array(arena, int64, builder->ncheck_cells);
	fill = fp_alloc_array(scratch, uint64, ncells);
	memcpy(fill, cube->check_offsets, ncells * sizeof(uint64));
	FP_CHECK_INTERRUPTS();
	for (uint64 i = 0; i < nslots; i++)
	{
		uint64 key = builder->check_keys[i];
		uint32 code;
		uint64 cell;
		uint64 at;

		if (key == 0)
			continue;
		/* insertion sort into the cell's few entries */
		code = remap[((key - 1) & CHECK_MASK) + 1] - 1;
		cell = new_cell[(key - 1) >> CHECK_BITS];
		at = fill[cell]++;
		while (at > cube->check_offsets[cell] &&
			   cube->check_codes[at - 1] > code)
		{
			cube->check_codes[at] = cube->check_codes[at - 1];
			cube->check_failures[at] = cube->check_failures[at - 1];
			at--;
		}
		cube->check_codes[at] = code;
		cube->check_failures[at] = builder->check_counts[i];
		if ((i & 0xffff) == 0)
			FP_CHECK_INTERRUPTS();
	}
}

/* --- the whole --------------------------------------------------------- */

/* the dimension of the codes in use; what they become, in "result" */
static uint32 *
freeze_dim(FpArena arena, FpArena result, FpArena scratch,
		   const FpBuilderDim *from, const bool *used, FpDim *dim)
{
	uint32 *remap =
		fp_alloc0_array(result, uint32, (uint64) from->maxcode + 1);

	dim->name = copy_text(arena, &from->name);
	dim->kind = from->kind;
	if (from->kind == FP_SET)
		freeze_set(arena, scratch, from, used, dim, remap);
	else if (from->kind == FP_ORDINAL)
		freeze_ordinal(arena, scratch, from, used, dim, remap);
	else
		dim->nvalues = freeze_texts(arena, scratch, &from->values, used,
									&dim->values, remap);
	return remap;
}

FpCube *
fp_builder_freeze_dims(FpCubeBuilder *builder, FpArena arena, int *order,
					   uint32 **remap)
{
	FpCube *cube = fp_alloc0(arena, sizeof(FpCube));
	FpArena scratch = fp_arena_create(arena, "failpat freeze");

	cube->ndims = builder->ndims;
	cube->dims = fp_alloc0_array(arena, FpDim, (uint64) builder->ndims + 1);
	cube->codes =
		fp_alloc0_array(arena, uint32 *, (uint64) builder->ndims + 1);
	dimension_order(builder, order);
	for (int to = 0; to < builder->ndims; to++)
	{
		const FpBuilderDim *from = builder->dims[order[to]];
		uint64				ncodes = 1 + (from->kind == FP_SET ? from->nsets
										  : from->kind == FP_ORDINAL ? from->nnumbers
																	 : from->values.n);
		bool			   *used =
			fp_alloc0_array(scratch, bool, (uint64) from->maxcode + 1);

		memset(used, true, Min(ncodes, (uint64) from->maxcode + 1));
		remap[to] =
			freeze_dim(arena, arena, scratch, from, used, &cube->dims[to]);
	}
	fp_arena_delete(scratch);
	return cube;
}

FpCube *
fp_builder_freeze(FpCubeBuilder *builder, FpArena arena)
{
	return fp_builder_freeze_cells(builder, arena, NULL);
}

FpCube *
fp_builder_freeze_cells(FpCubeBuilder *builder, FpArena arena,
						uint32 *position)
{
	FpCellTable *cells = &builder->cells;
	FpCube		*cube = fp_alloc0(arena, sizeof(FpCube));
	int			 ndims = builder->ndims;
	FpArena		 scratch;
	uint32		*remap[FP_MAX_DIMS];
	int			 order[FP_MAX_DIMS];
	uint64		 ncells;
	Key			*keys;
	Key			*spare;
	int			 word_end;

	if (builder->relayout)
		fp_builder_relayout(builder);
	/* the slots' memory is needed here; mostly nothing is added afterwards */
	fp_cells_rest(builder->arena, cells);
	ncells = cells->ncells;
	fp_cells_check_limit(builder->arena, cells->limit,
						 ncells * Max(2 * sizeof(Key),
									  sizeof(Key) + 2 * sizeof(int64) +
										  ndims * sizeof(uint32)));
	scratch = fp_arena_create(arena, "failpat freeze");

	cube->ndims = ndims;
	cube->dims = fp_alloc0_array(arena, FpDim, (uint64) ndims + 1);
	cube->codes = fp_alloc0_array(arena, uint32 *, (uint64) ndims + 1);
	cube->ncells = ncells;
	cube->total_trials = cells->total_trials;
	cube->total_failures = cells->total_failures;

	/* which codes occur, and what they become */
	dimension_order(builder, order);
	for (int to = 0; to < ndims; to++)
	{
		const FpBuilderDim *from = builder->dims[order[to]];
		uint64				space = (uint64) from->maxcode + 1;
		bool			   *used = fp_alloc0_array(scratch, bool, space);

		for (uint64 c = 0; c < ncells; c++)
		{
			if ((c & 0xffff) == 0)
				FP_CHECK_INTERRUPTS();
			used[fp_cell_code(cells, FP_CELL(cells, c), order[to])] = true;
		}
		remap[to] =
			freeze_dim(arena, scratch, scratch, from, used, &cube->dims[to]);
		fp_free(scratch, used);
	}

	/* sort the cells: as many dimensions at a time as fit into a word */
	keys = fp_alloc_array(scratch, Key, ncells + 1);
	spare =
		fp_alloc0_array(scratch, Key, ncells + 1); /* written out of order */
	for (uint64 c = 0; c < ncells; c++)
	{
		if ((c & 0xffff) == 0)
			FP_CHECK_INTERRUPTS();
		keys[c].cell = c;
	}
	for (word_end = ndims; word_end > 0;)
	{
		int word_start = word_end;
		int bits = 0;
		int width[FP_MAX_DIMS];

		while (word_start > 0)
		{
			const FpDim *dim = &cube->dims[word_start - 1];
			int			 need =
				bits_for(dim->kind == FP_SET ? dim->nsets : dim->nvalues);

			if (bits + need > 64)
				break;
			bits += need;
			word_start--;
			width[word_start] = need;
		}
		for (uint64 i = 0; i < ncells; i++)
		{
			const uint64 *entry = FP_CELL(cells, keys[i].cell);
			uint64		  word = 0;

			if ((i & 0xffff) == 0)
				FP_CHECK_INTERRUPTS();
			for (int to = word_start; to < word_end; to++)
				word = word << width[to] |
					   remap[to][fp_cell_code(cells, entry, order[to])];
			keys[i].word = word;
		}
		radix_sort(&keys, &spare, ncells, bits);
		word_end = word_start;
	}

	fp_free(scratch, spare);

	/* all of a cell at once: cells are read out of order */
	for (int to = 0; to < ndims; to++)
		cube->codes[to] = fp_alloc_array(arena, uint32, ncells + 1);
	cube->trials = fp_alloc_array(arena, int64, ncells + 1);
	cube->failures = fp_alloc_array(arena, int64, ncells + 1);
	for (uint64 i = 0; i < ncells; i++)
	{
		const uint64 *entry = FP_CELL(cells, keys[i].cell);

		if ((i & 0xffff) == 0)
			FP_CHECK_INTERRUPTS();
		if (i + 16 < ncells)
			__builtin_prefetch(FP_CELL(cells, keys[i + 16].cell));
		for (int to = 0; to < ndims; to++)
			cube->codes[to][i] =
				remap[to][fp_cell_code(cells, entry, order[to])];
		cube->trials[i] = FP_CELL_TRIALS(cells, entry);
		cube->failures[i] = FP_CELL_FAILURES(cells, entry);
		if (position)
			position[keys[i].cell] = (uint32) i;
	}
	freeze_checks(builder, arena, scratch, cube, keys);
	fp_arena_delete(scratch);
	return cube;
}

uint32
fp_builder_code(FpCubeBuilder *builder, int to, const FpDim *dim, uint32 c)
{
	if (dim->kind == FP_SET)
	{
		FpText members[FP_MAX_SET_MEMBERS];
		uint32 n = 0;

		for (uint64 m = dim->set_offsets[c - 1]; m < dim->set_offsets[c]; m++)
			members[n++] = dim->values[dim->set_members[m] - 1];
		return fp_builder_set(builder, to, members, n);
	}
	if (dim->kind == FP_ORDINAL)
		return fp_builder_number(builder, to, dim->numbers[c - 1]);
	return fp_builder_value(builder, to, dim->values[c - 1].data,
							dim->values[c - 1].len);
}

/*
 * As fp_builder_merge; all cells get the code "stratum" in the
 * dimension builder->stratum, where there is one.
 */
static void
merge(FpCubeBuilder *builder, FpArena scratch, const FpCube *cube,
	  const bool *keep, uint32 stratum)
{
	int		to[FP_MAX_DIMS];
	uint32 *remap[FP_MAX_DIMS];
	uint32 *check_remap = NULL;
	uint32	codes[FP_MAX_DIMS] = {0};
	uint32	checks[FP_MAX_CHECKS];
	FpArena arena = fp_arena_create(scratch, "failpat merge");

	for (int d = 0; d < cube->ndims; d++)
	{
		const FpDim *dim = &cube->dims[d];
		uint64		 n = dim->kind == FP_SET ? dim->nsets : dim->nvalues;

		to[d] =
			fp_builder_dim(builder, dim->name.data, dim->name.len, dim->kind);
		remap[d] = fp_alloc0_array(arena, uint32, n + 1);
	}
	if (builder->stratum < 0)
		fp_builder_order(builder, to, cube->ndims, false);
	else
		codes[builder->stratum] = stratum;
	if (cube->nchecks > 0)
	{
		check_remap = fp_alloc_array(arena, uint32, cube->nchecks);
		for (uint32 k = 0; k < cube->nchecks; k++)
			check_remap[k] = PG_UINT32_MAX;
	}

	for (uint64 c = 0; c < cube->ncells; c++)
	{
		uint64 first;
		uint64 end;

		if ((c & 0x3ff) == 0)
			FP_CHECK_INTERRUPTS();
		if (keep && !keep[c])
			continue;
		for (int d = 0; d < cube->ndims; d++)
		{
			uint32 code = cube->codes[d][c];

			if (code != 0 && unlikely(remap[d][code] == 0))
				remap[d][code] =
					fp_builder_code(builder, to[d], &cube->dims[d], code);
			codes[to[d]] = remap[d][code];
		}
		first = cube->nchecks ? cube->check_offsets[c] : 0;
		end = cube->nchecks ? cube->check_offsets[c + 1] : 0;
		if (first == end)
		{
			fp_builder_add(builder, codes, cube->trials[c], cube->failures[c]);
			continue;
		}
		for (uint64 k = first; k < end; k++)
		{
			uint32 check = cube->check_codes[k];

			if (check_remap[check] == PG_UINT32_MAX)
				check_remap[check] =
					fp_builder_check(builder, cube->checks[check].data,
									 cube->checks[check].len);
			checks[k - first] = check_remap[check];
		}
		fp_builder_add_checks(builder, codes, cube->trials[c],
							  cube->failures[c], checks,
							  cube->check_failures + first,
							  (int) (end - first));
	}
	fp_arena_delete(arena);
}

void
fp_builder_merge(FpCubeBuilder *builder, FpArena scratch, const FpCube *cube,
				 const bool *keep)
{
	merge(builder, scratch, cube, keep, 0);
}

void
fp_builder_merge_as(FpCubeBuilder *builder, FpArena scratch,
					const FpCube *cube, uint32 stratum)
{
	merge(builder, scratch, cube, NULL, stratum);
}

void
fp_builder_dims(FpCubeBuilder *builder, FpCube *const *cubes, int n)
{
	int to[FP_MAX_DIMS];

	for (int i = 0; i < n; i++)
	{
		for (int d = 0; d < cubes[i]->ndims; d++)
		{
			const FpText *name = &cubes[i]->dims[d].name;

			to[d] = fp_builder_dim(builder, name->data, name->len,
								   cubes[i]->dims[d].kind);
		}
		fp_builder_order(builder, to, cubes[i]->ndims, false);
	}
}

FpCubeBuilder *
fp_stack_builder(FpArena arena, size_t limit, FpCube *const *cubes,
				 const int *strata, int n, const char *stratum_name)
{
	FpCubeBuilder *builder = fp_builder_create(arena, limit);
	char		   text[16];
	int			   digits = snprintf(text, sizeof(text), "%d", n);

	/* cells that differ in strata only are then side by side (fold.h) */
	builder->strata_last = stratum_name != NULL;
	/* the dimensions first, so that their order is settled */
	fp_builder_dims(builder, cubes, n);
	if (stratum_name)
	{
		int ndims = builder->ndims;

		builder->stratum = fp_builder_dim(builder, stratum_name,
										  strlen(stratum_name), FP_STRATUM);
		if (builder->ndims == ndims)
			fp_error(FP_ERR_DATA, NULL, NULL,
					 "the cubes have a dimension \"%s\" already",
					 stratum_name);
	}
	for (int i = 0; i < n; i++)
	{
		uint32 code = 0;

		if (stratum_name && cubes[i]->ncells > 0)
		{
			snprintf(text, sizeof(text), "%0*d", digits,
					 strata ? strata[i] : i + 1);
			code = fp_builder_value(builder, builder->stratum, text,
									strlen(text));
		}
		merge(builder, arena, cubes[i], NULL, code);
	}
	return builder;
}

FpCube *
fp_cube_stack_by(FpArena arena, FpCube *const *cubes, const int *strata, int n,
				 const char *stratum_name)
{
	FpArena scratch = fp_arena_create(arena, "failpat stack");
	FpCube *result;

	result = fp_builder_freeze(fp_stack_builder(scratch, 0, cubes, strata, n,
												stratum_name),
							   arena);
	fp_arena_delete(scratch);
	return result;
}

FpCube *
fp_cube_stack(FpArena arena, FpCube *const *cubes, int n,
			  const char *stratum_name)
{
	return fp_cube_stack_by(arena, cubes, NULL, n, stratum_name);
}
