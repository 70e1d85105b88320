/*-------------------------------------------------------------------------
 *
 * prediction.c
 *		A combination, the terms of a model that it may meet, and their sum.
 *
 * What is told decides which terms are met.  What is not told is averaged
 * over: by the mean and the variance of a dimension's effects, and by the
 * chance with which a pattern is met that needs something of it.
 *
 * Allocates nothing; no locks, no catalog.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "utils/builtins.h"
#include "utils/numeric.h"

#include "json_member.h"
#include "prediction.h"
#include "predict/retry.h"

bool
failpat_prediction_named(const FailpatPredictionDim *dim, const char *name,
						 int len)
{
	if (len == 6 && memcmp(name, "avatar", 6) == 0)
		return failpat_prediction_named(dim, "character", 9);
	return dim->len == len && memcmp(dim->name, name, len) == 0;
}

int
failpat_prediction_dim(const FailpatPrediction *work, const char *name,
					   int len)
{
	for (int d = 0; d < work->ndims; d++)
		if (failpat_prediction_named(&work->dims[d], name, len))
			return d;
	return -1;
}

bool
failpat_prediction_told(const FailpatPrediction *work, const FailpatItem *item)
{
	for (int i = 0; i < work->combo.nitems; i++)
		if (work->combo.items[i].hash == item->hash)
			return true;
	return false;
}

/* the simple term of a value, or NULL */
static const FailpatPredictionTerm *
item_term(const FailpatPrediction *work, const FailpatItem *item)
{
	for (int t = 0; t < work->nterms; t++)
		if (work->terms[t].simple && !work->terms[t].has_since &&
			work->terms[t].combo.nitems == 1 &&
			work->terms[t].combo.items[0].hash == item->hash)
			return &work->terms[t];
	return NULL;
}

/* trials of the levels, or counts, of a dimension in a range */
static double
range_trials(const FailpatPrediction *work, int d, double min, double max)
{
	double in = 0;

	for (int t = 0; t < work->nterms; t++)
	{
		const FailpatPredictionTerm *term = &work->terms[t];

		if (term->simple && term->dim == d && term->combo.nintervals == 1 &&
			term->combo.intervals[0].min >= min &&
			term->combo.intervals[0].max <= max)
			in += (double) term->trials;
	}
	return in;
}

/*
 * Whether a term is met by what is told; where it is not ruled out, but asks
 * for something that is not told, how often it is met by observations that
 * have what is told (exactly so where that is one thing).
 */
static void
weigh_term(const FailpatPrediction *work, FailpatPredictionTerm *term)
{
	double told = work->trials; /* trials that have what is told of it */
	bool   open = false;

	term->met = false;
	term->chance = 0;
	if (term->simple && term->dim >= 0)
	{
		const FailpatPredictionDim *dim = &work->dims[term->dim];

		if (!dim->told)
			return; /* the mean of the dimension is taken instead */
		if (term->has_null)
		{
			term->met = dim->missing;
			return;
		}
	}
	else if (term->has_null)
		return;
	for (int i = 0; i < term->combo.nitems; i++)
	{
		const FailpatItem *item = &term->combo.items[i];
		int	 d = failpat_prediction_dim(work, item->dim, item->dim_len);
		bool has = failpat_prediction_told(work, item);

		if (!has && (d < 0 || work->dims[d].told))
			return;
		if (has)
		{
			const FailpatPredictionTerm *own = item_term(work, item);

			told *= own ? (double) own->trials / work->trials : 1;
		}
		else
			open = true;
	}
	for (int i = 0; i < term->combo.nintervals; i++)
	{
		const FailpatInterval *range = &term->combo.intervals[i];
		int d = failpat_prediction_dim(work, range->dim, range->dim_len);
		const FailpatPredictionDim *dim;
		double						at;

		if (d < 0 || work->dims[d].missing)
			return;
		dim = &work->dims[d];
		if (!dim->told)
		{
			if (dim->ranged)
			{
				if (range->max < dim->min || range->min > dim->max)
					return;
				/* observations in the range are all there are */
				told *= Min(range_trials(work, d, dim->min, dim->max) /
								work->trials,
							1);
				if (range->min <= dim->min && range->max >= dim->max)
					continue;
			}
			open = true;
			continue;
		}
		/* of the levels and counts one is chosen, by choose() */
		at = dim->set ? dim->nitems : dim->number;
		if (!term->simple && (at < range->min || at > range->max))
			return;
		if (!term->simple)
			told *= Min(range_trials(work, d, range->min, range->max) /
							work->trials,
						1);
	}
	term->met = !open;
	if (open && told > 0)
		term->chance = Min((double) term->trials / told, 1);
}

/*
 * Of the levels (or counts) of a dimension, the one that the number lies in;
 * of a number that was never seen, the next below, or the lowest.
 */
static void
choose(FailpatPrediction *work, int d)
{
	const FailpatPredictionDim *dim = &work->dims[d];
	double						at = dim->set ? dim->nitems : dim->number;
	FailpatPredictionTerm	   *best = NULL;

	for (int t = 0; t < work->nterms; t++)
	{
		FailpatPredictionTerm *term = &work->terms[t];
		double				   min;

		if (!term->simple || term->dim != d || term->combo.nintervals != 1 ||
			!dim->told || dim->missing)
			continue;
		term->met = false;
		min = term->combo.intervals[0].min;
		if (best == NULL)
			best = term;
		else if (best->combo.intervals[0].min > at
					 ? min < best->combo.intervals[0].min
					 : min <= at && min > best->combo.intervals[0].min)
			best = term;
	}
	if (best)
		best->met = true;
}

/* mean and variance of the levels of a dimension in a range; else of all */
static void
use_range(FailpatPrediction *work, FailpatPredictionDim *dim, int d)
{
	double n = 0;
	double sum = 0;
	double square = 0;

	for (int t = 0; t < work->nterms && dim->ranged; t++)
	{
		const FailpatPredictionTerm *term = &work->terms[t];
		double						 trials = (double) term->trials;

		if (!term->simple || term->dim != d || term->combo.nintervals != 1 ||
			term->combo.intervals[0].min < dim->min ||
			term->combo.intervals[0].max > dim->max)
			continue;
		n += trials;
		sum += trials * term->effect;
		square += trials * term->effect * term->effect;
	}
	if (n > 0)
	{
		dim->mean = sum / n;
		dim->variance = Max(square / n - dim->mean * dim->mean, 0);
	}
}

void
failpat_prediction_weigh(FailpatPrediction *work)
{
	for (int d = 0; d < work->ndims; d++)
		work->dims[d].nknown = 0;
	for (int t = 0; t < work->nterms; t++)
	{
		FailpatPredictionTerm *term = &work->terms[t];

		weigh_term(work, term);
		if (term->met && term->simple && term->dim >= 0 &&
			(term->combo.nitems == 1 || term->has_null))
			work->dims[term->dim].nknown++;
	}
	for (int d = 0; d < work->ndims; d++)
	{
		choose(work, d);
		use_range(work, &work->dims[d], d);
	}
}

/* values of a dimension that have no term */
int
failpat_prediction_unseen(const FailpatPredictionDim *dim)
{
	if (!dim->told || dim->ordinal)
		return 0;
	return Max(dim->nitems + dim->missing - dim->nknown, 0);
}

FailpatPredictionSum
failpat_prediction_sum(const FailpatPrediction *work)
{
	FailpatPredictionSum sum = {0, work->unmodelled, 0};

	for (int t = 0; t < work->nterms; t++)
	{
		const FailpatPredictionTerm *term = &work->terms[t];

		if (!term->met)
			continue;
		sum.log_odds += term->effect;
		sum.known += term->variance;
		for (int i = 0; i < term->nneighbours; i++)
		{
			int number = DatumGetInt32(term->neighbours[i]);

			/* terms are in order, and each pair of them is there twice */
			for (int o = 0; o < work->nterms; o++)
				if (work->terms[o].number == number && work->terms[o].met)
					sum.known += DatumGetFloat8(term->covariances[i]);
		}
	}
	for (int d = 0; d < work->ndims; d++)
	{
		const FailpatPredictionDim *dim = &work->dims[d];

		if (!dim->told)
		{
			sum.log_odds += dim->mean;
			sum.mixed += dim->variance;
		}
		sum.known += failpat_prediction_unseen(dim) * dim->spread;
	}
	sum.known = Max(sum.known, 0);
	return sum;
}

/*
 * What is told is certain; a pattern that what is not told may meet is met
 * with its chance, in which its effect comes in whole.
 */
FpPrediction
failpat_prediction(const FailpatPrediction *work)
{
	FailpatPredictionSum sum = failpat_prediction_sum(work);
	FpPrediction		 result =
		fp_predict_from(sum.log_odds, sum.known, sum.mixed, work->z);

	for (int t = 0; t < work->nterms; t++)
	{
		const FailpatPredictionTerm *term = &work->terms[t];
		FpPrediction				 with;
		FpPrediction				 without;
		FailpatPredictionSum		 here = sum;

		if (term->chance == 0)
			continue;
		/* where it is met, what it asks for is there */
		for (int i = 0; i < term->combo.nitems; i++)
		{
			const FailpatItem *item = &term->combo.items[i];
			int d = failpat_prediction_dim(work, item->dim, item->dim_len);
			const FailpatPredictionTerm *own = item_term(work, item);

			if (d < 0 || work->dims[d].told || own == NULL)
				continue;
			here.log_odds += own->effect - work->dims[d].mean;
			here.mixed = Max(here.mixed - work->dims[d].variance, 0);
		}
		without =
			fp_predict_from(here.log_odds, here.known, here.mixed, work->z);
		with =
			fp_predict_from(here.log_odds + term->effect,
							here.known + term->variance, here.mixed, work->z);
		result.probability +=
			term->chance * (with.probability - without.probability);
		result.lower += term->chance * (with.lower - without.lower);
		result.upper += term->chance * (with.upper - without.upper);
	}
	result.probability = Min(Max(result.probability, 0), 1);
	result.lower = Min(Max(result.lower, 0), result.probability);
	result.upper = Max(Min(result.upper, 1), result.probability);
	return result;
}

static void
read_weights(Jsonb *units, double *weights)
{
	JsonbValue	buffer;
	JsonbValue *list = failpat_json_member(&units->root, "weights", &buffer);
	JsonbContainer *array;

	memset(weights, 0, sizeof(double) * FP_RHO_CELLS);
	weights[0] = 1;
	if (list == NULL || list->type != jbvBinary)
		return;
	array = list->val.binary.data;
	for (uint32 i = 0; i < JsonContainerSize(array) && i < FP_RHO_CELLS; i++)
	{
		JsonbValue *one = getIthJsonbValueFromContainer(array, i);

		if (one->type == jbvNumeric)
			weights[i] = DatumGetFloat8(
				DirectFunctionCall1(numeric_float8_no_overflow,
									NumericGetDatum(one->val.numeric)));
	}
}

/*
 * Segments 1 .. length of a scene: the expected number of failures, and the
 * probability of any, failures of one job being alike as jobs have shown.
 */
void
failpat_prediction_scene(FailpatPrediction *work, int length, Jsonb *jobs,
						 double *any, double *expected)
{
	int					 d = failpat_prediction_dim(work, FAILPAT_POSITION,
													strlen(FAILPAT_POSITION));
	double				 weights[FP_RHO_CELLS];
	FailpatPredictionDim before;

	if (d < 0 || !work->dims[d].ordinal)
	{
		*expected = length * failpat_prediction(work).probability;
	}
	else
	{
		before = work->dims[d];
		*expected = 0;
		work->dims[d].told = true;
		for (int at = 1; at <= length; at++)
		{
			CHECK_FOR_INTERRUPTS();
			work->dims[d].number = at;
			failpat_prediction_weigh(work);
			*expected += failpat_prediction(work).probability;
		}
		work->dims[d] = before;
		failpat_prediction_weigh(work);
	}
	read_weights(jobs, weights);
	/* none fails: as if none of so many attempts did */
	*any = 1 - fp_all_pass(*expected / length, weights, length);
}
