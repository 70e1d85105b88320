/*-------------------------------------------------------------------------
 *
 * instead.c
 *		Which alternatives of a pattern make sense of a combination.
 *
 * Alternatives are found by refresh in the context of their pattern.  The
 * combination that is asked about has more: a second look-up of the same kind
 * drops what, with all of it, is known to be bad.
 *
 * Everything is palloc'd in the caller's memory context.  No locks but those of
 * reading.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "utils/builtins.h"

#include "alert_lookup.h"
#include "json_member.h"

/* An alternative of a told pattern, as it would be in this combination. */
typedef struct Option
{
	FailpatCombo combo; /* with the alternative in place */
	int			 item;	/* its item there; -1: nothing takes the place */
	bool		 bad;

	/* item is -1: a range of this dimension is what would be new */
	const char *dim;
	int			dim_len;
	bool		count; /* of the number of a set's members */
} Option;

static bool
text_member(JsonbContainer *object, const char *name, const char **text,
			int *len)
{
	JsonbValue	buffer;
	JsonbValue *value = failpat_json_member(object, name, &buffer);

	if (value == NULL || value->type != jbvString)
		return false;
	*text = value->val.string.val;
	*len = value->val.string.len;
	return true;
}

/* what the combination says of a range of the option's dimension, said anew */
static void
set_interval(Option *option, double min, double max)
{
	FailpatCombo	  *combo = &option->combo;
	const FailpatCombo said = *combo;

	combo->nintervals = combo->intervals_cap = 0;
	combo->intervals = NULL;
	if (option->count)
		failpat_combo_add_count(combo, option->dim, option->dim_len, min, max);
	else
		failpat_combo_add_interval(combo, option->dim, option->dim_len, min,
								   max);
	for (int i = 0; i < said.nintervals; i++)
	{
		const FailpatInterval *one = &said.intervals[i];

		if (one->count == option->count && one->dim_len == option->dim_len &&
			memcmp(one->dim, option->dim, one->dim_len) == 0)
			continue;
		if (one->count)
			failpat_combo_add_count(combo, one->dim, one->dim_len, one->min,
									one->max);
		else
			failpat_combo_add_interval(combo, one->dim, one->dim_len, one->min,
									   one->max);
	}
}

/* an end before a range begins: false where it leaves nothing of what is meant */
static bool
make_end(Option *option, const FailpatCombo *combo, double before)
{
	const FailpatInterval *given =
		failpat_combo_interval(combo, option->dim, option->dim_len);

	if (given != NULL && given->min >= before)
		return false;
	set_interval(option, given ? given->min : -INFINITY,
				 nextafter(before, -INFINITY));
	return true;
}

static bool
has_hash(const FailpatCombo *combo, uint64 hash)
{
	for (int i = 0; i < combo->nitems; i++)
		if (combo->items[i].hash == hash)
			return true;
	return false;
}

/*
 * Another value in the place of one that is used; or none: then only what
 * else of the set the pattern asks for.
 */
static bool
make_swap(Option *option, const FailpatCombo *combo,
		  const FailpatCombo *pattern, JsonbContainer *alternative)
{
	const char *old;
	const char *new;
	int			 old_len;
	int			 new_len;
	bool		 none;
	int			 left = 0;
	FailpatCombo replaced = {0};

	if (!text_member(alternative, "instead_of", &old, &old_len))
		return false;
	none = !text_member(alternative, "value", &new, &new_len);
	failpat_combo_add(&replaced, option->dim, option->dim_len, old, old_len);
	option->combo.nitems = option->combo.items_cap = 0;
	option->combo.items = NULL;
	for (int i = 0; i < combo->nitems; i++)
	{
		const FailpatItem *item = &combo->items[i];
		bool			   same_dim = item->dim_len == option->dim_len &&
						memcmp(item->dim, option->dim, item->dim_len) == 0;

		if (item->hash == replaced.items[0].hash ||
			(none && same_dim && !has_hash(pattern, item->hash)))
			continue;
		failpat_combo_add(&option->combo, item->dim, item->dim_len,
						  item->value, item->value_len);
		left += same_dim;
	}
	if (none)
	{
		option->count = true;
		set_interval(option, left, left);
		return true;
	}
	option->item = option->combo.nitems;
	failpat_combo_add(&option->combo, option->dim, option->dim_len, new,
					  new_len);
	/* it is in use already: leaving the other out is another matter */
	return option->combo.nitems > option->item;
}

/* an alternative of a pattern; false: it makes no sense of this combination */
static bool
make_option(Option *option, const FailpatCombo *combo,
			const FailpatCombo *pattern, JsonbContainer *alternative)
{
	JsonbValue	buffer;
	JsonbValue *count;
	double		before = failpat_json_number(alternative, "before", NAN);

	option->item = -1;
	option->combo = *combo;
	if (!text_member(alternative, "dimension", &option->dim, &option->dim_len))
		return false;
	if (!isnan(before))
		return make_end(option, combo, before);
	count = failpat_json_member(alternative, "count", &buffer);
	if (count == NULL)
		return make_swap(option, combo, pattern, alternative);
	if (count->type != jbvBinary)
		return false;
	option->count = true;
	set_interval(option,
				 failpat_json_number(count->val.binary.data, "min", -INFINITY),
				 failpat_json_number(count->val.binary.data, "max", INFINITY));
	return true;
}

/* would this pattern be met through the option? */
static bool
met_through(const Option *option, const FailpatMatch *match)
{
	const FailpatCombo *pattern = &match->combo;
	bool				through = false;

	if (!match->known_bad)
		return false;
	for (int i = 0; i < pattern->nitems && option->item >= 0 && !through; i++)
		through =
			pattern->items[i].hash == option->combo.items[option->item].hash;
	for (int i = 0; i < pattern->nintervals && option->item < 0 && !through;
		 i++)
		through = pattern->intervals[i].count == option->count &&
				  pattern->intervals[i].dim_len == option->dim_len &&
				  memcmp(pattern->intervals[i].dim, option->dim,
						 option->dim_len) == 0;
	return through && failpat_combo_meets(&option->combo, pattern, true);
}

void
failpat_sift_alternatives(const FailpatCheck *check, const FailpatCombo *combo,
						  FailpatMatch **told, int ntold,
						  const FailpatMatch *all, int nall)
{
	int			  cap = 16;
	int			  n = 0;
	Option		 *options = palloc_array(Option, cap);
	int64		  nkeys = 0;
	int			  filled = 0;
	Datum		 *keys;
	FailpatMatch *others = NULL;
	int			  nothers = 0;
	int			  at = 0;

	for (int t = 0; t < ntold; t++)
	{
		JsonbContainer *list;

		if (told[t]->alternatives == NULL ||
			!JB_ROOT_IS_ARRAY(told[t]->alternatives))
			continue;
		list = &told[t]->alternatives->root;
		for (uint32 i = 0; i < JsonContainerSize(list); i++)
		{
			JsonbValue *one = getIthJsonbValueFromContainer(list, i);

			if (n == cap)
			{
				cap *= 2;
				options = repalloc(options, cap * sizeof(Option));
			}
			memset(&options[n], 0, sizeof(Option));
			if (one->type != jbvBinary ||
				!make_option(&options[n], combo, &told[t]->combo,
							 one->val.binary.data))
				options[n].bad = true;
			if (!options[n].bad && options[n].item >= 0)
				nkeys += failpat_count_subsets(options[n].combo.nitems - 1,
											   check->max_items - 1);
			n++;
		}
	}
	if (n == 0)
		return;
	if (nkeys > FAILPAT_MAX_KEYS)
		others = failpat_look_up(check, NULL, 0, &nothers);
	else if (nkeys > 0)
	{
		keys = palloc_array(Datum, nkeys);
		for (int i = 0; i < n; i++)
			if (!options[i].bad && options[i].item >= 0)
			{
				/* the new item is the last; subsets that have it */
				FailpatCombo rest = options[i].combo;

				rest.nitems--;
				failpat_add_keys(&rest, 0, check->max_items - 1,
								 options[i].combo.items[options[i].item].hash,
								 keys, &filled);
			}
		others = failpat_look_up(check, keys, filled, &nothers);
	}
	/* what would be new of a range has no other items than the combination */
	for (int i = 0; i < n; i++)
	{
		bool				new_item = options[i].item >= 0;
		const FailpatMatch *list = new_item ? others : all;

		for (int j = 0; j < (new_item ? nothers : nall) && !options[i].bad;
			 j++)
			options[i].bad = met_through(&options[i], &list[j]);
	}

	/* write the lists anew, where something is dropped */
	for (int t = 0; t < ntold; t++)
	{
		JsonbContainer	*list;
		JsonbParseState *state = NULL;
		JsonbValue		*result;
		uint32			 size;

		if (told[t]->alternatives == NULL ||
			!JB_ROOT_IS_ARRAY(told[t]->alternatives))
			continue;
		list = &told[t]->alternatives->root;
		size = JsonContainerSize(list);
		pushJsonbValue(&state, WJB_BEGIN_ARRAY, NULL);
		for (uint32 i = 0; i < size; i++, at++)
			if (!options[at].bad)
				pushJsonbValue(&state, WJB_ELEM,
							   getIthJsonbValueFromContainer(list, i));
		result = pushJsonbValue(&state, WJB_END_ARRAY, NULL);
		told[t]->alternatives = JsonbValueToJsonb(result);
	}
}
