/*-------------------------------------------------------------------------
 *
 * prediction_text.c
 *		What drives a prediction, and what is known of it, as JSON.
 *
 * Everything is palloc'd in the caller's context.  No locks, no catalog.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/fmgrprotos.h"
#include "utils/json.h"
#if PG_VERSION_NUM >= 160000
#include "varatt.h"
#endif

#include "prediction.h"

/* One thing that makes a failure more or less likely than it is on average. */
typedef struct Driver
{
	int dim; /* -1: several, or none */
	const FailpatPredictionTerm
		  *term; /* a pattern, a pair, a period; else NULL */
	double effect;
	double ratio; /* of probabilities, with it and without */
	int64  trials;
	int64  failures;
	char  *label;
} Driver;

static int
compare_drivers(const void *left, const void *right)
{
	const Driver *a = left;
	const Driver *b = right;

	if (fabs(a->effect) != fabs(b->effect))
		return fabs(a->effect) > fabs(b->effect) ? -1 : 1;
	if (a->dim != b->dim)
		return a->dim < b->dim ? -1 : 1;
	return a->term < b->term ? -1 : a->term > b->term;
}

static char *
with_since(const char *label, const FailpatPredictionTerm *term)
{
	Datum day;

	if (!term->has_since)
		return pstrdup(label);
	day = DirectFunctionCall1(timestamptz_date,
							  TimestampTzGetDatum(term->since));
	return psprintf("%s since %s", label,
					DatumGetCString(DirectFunctionCall1(date_out, day)));
}

/* a dimension that is told: the sum of its terms, against its mean */
static bool
drive_dim(const FailpatPrediction *work, int d, Driver *driver)
{
	const FailpatPredictionDim *dim = &work->dims[d];
	StringInfoData				label;

	if (!dim->told)
		return false;
	memset(driver, 0, sizeof(*driver));
	driver->dim = d;
	driver->effect = -dim->mean;
	initStringInfo(&label);
	for (int t = 0; t < work->nterms; t++)
	{
		const FailpatPredictionTerm *term = &work->terms[t];

		if (!term->met || !term->simple || term->dim != d || term->has_since)
			continue;
		driver->effect += term->effect;
		/* of several values, what is known least of */
		if ((term->combo.nitems > 0 || term->has_null || dim->ordinal) &&
			(driver->trials == 0 || term->trials < driver->trials))
		{
			driver->trials = term->trials;
			driver->failures = term->failures;
		}
		if (term->label && (term->combo.nitems > 0 || dim->ordinal))
			appendStringInfo(&label, "%s%s", label.len ? " + " : "",
							 term->label);
	}
	for (int i = 0;
		 i < work->combo.nitems && failpat_prediction_unseen(dim) > 0; i++)
	{
		const FailpatItem *item = &work->combo.items[i];
		bool			   known = false;

		for (int t = 0; t < work->nterms && !known; t++)
			known = work->terms[t].simple &&
					work->terms[t].combo.nitems == 1 &&
					work->terms[t].combo.items[0].hash == item->hash;
		if (!known && failpat_prediction_named(dim, item->dim, item->dim_len))
		{
			appendStringInfo(&label, "%s%s %.*s, never seen",
							 label.len ? " + " : "", dim->name,
							 item->value_len, item->value);
			driver->trials = driver->failures = 0;
		}
	}
	if (label.len == 0)
		appendStringInfo(&label, "%s%s", dim->name,
						 dim->missing ? " not recorded"
						 : dim->set	  ? " none"
									  : "");
	driver->label = label.data;
	return true;
}

Datum
failpat_prediction_drivers(const FailpatPrediction *work)
{
	Driver *drivers = palloc_array(Driver, work->ndims + work->nterms + 1);
	int		n = 0;
	FailpatPredictionSum sum = failpat_prediction_sum(work);
	/* of one segment, also where a whole scene was asked about */
	double with = fp_predict_from(sum.log_odds, sum.known, sum.mixed, work->z)
					  .probability;
	StringInfoData json;

	for (int d = 0; d < work->ndims; d++)
		if (drive_dim(work, d, &drivers[n]))
			n++;
	for (int t = 0; t < work->nterms; t++)
	{
		const FailpatPredictionTerm *term = &work->terms[t];

		if (!term->met || (term->simple && !term->has_since))
			continue;
		memset(&drivers[n], 0, sizeof(Driver));
		drivers[n].dim = -1;
		drivers[n].term = term;
		drivers[n].effect = term->effect;
		drivers[n].trials = term->trials;
		drivers[n].failures = term->failures;
		drivers[n].label =
			with_since(term->label ? term->label : "Everything", term);
		n++;
	}
	if (n > 1)
		qsort(drivers, n, sizeof(Driver), compare_drivers);
	initStringInfo(&json);
	appendStringInfoChar(&json, '[');
	for (int i = 0; i < n; i++)
	{
		Driver *driver = &drivers[i];
		double	without = fp_predict_from(sum.log_odds - driver->effect,
										  sum.known, sum.mixed, work->z)
							 .probability;

		driver->ratio = without > 0 ? with / without : 1;
		appendStringInfoString(&json, i ? ", {" : "{");
		if (driver->dim >= 0)
		{
			appendStringInfoString(&json, "\"dimension\": ");
			escape_json(&json, work->dims[driver->dim].name);
			appendStringInfoString(&json, ", ");
		}
		else
		{
			Jsonb *conditions = driver->term->conditions;

			appendStringInfo(&json, "\"kind\": \"%s\", \"conditions\": ",
							 driver->term->kind);
			(void) JsonbToCString(&json, &conditions->root,
								  VARSIZE(conditions));
			appendStringInfoString(&json, ", ");
		}
		appendStringInfoString(&json, "\"label\": ");
		escape_json(&json, driver->label);
		appendStringInfo(&json,
						 ", \"log_odds\": %.6g, \"risk_ratio\": %.6g"
						 ", \"trials\": " INT64_FORMAT
						 ", \"failures\": " INT64_FORMAT ", \"sentence\": ",
						 driver->effect, driver->ratio, driver->trials,
						 driver->failures);
		if (fabs(driver->ratio - 1) < 0.05)
			escape_json(&json, psprintf("%s makes next to no difference.",
										driver->label));
		else
			escape_json(&json,
						psprintf("%s makes a failure %.1f times as likely.",
								 driver->label, driver->ratio));
		appendStringInfoChar(&json, '}');
	}
	appendStringInfoChar(&json, ']');
	return DirectFunctionCall1(jsonb_in, CStringGetDatum(json.data));
}

/* of what was told: how much is known, and what is new */
void
failpat_prediction_support(StringInfo json, const FailpatPrediction *work)
{
	const FailpatPredictionTerm *least = NULL;
	bool						 first = true;

	for (int t = 0; t < work->nterms; t++)
	{
		const FailpatPredictionTerm *term = &work->terms[t];

		if (term->met && term->simple && term->combo.nitems == 1 &&
			(least == NULL || term->trials < least->trials))
			least = term;
	}
	if (least)
	{
		appendStringInfoString(json, ", \"rarest\": {\"label\": ");
		escape_json(json, least->label ? least->label : "");
		appendStringInfo(json,
						 ", \"trials\": " INT64_FORMAT
						 ", \"failures\": " INT64_FORMAT "}",
						 least->trials, least->failures);
	}
	appendStringInfoString(json, ", \"never_seen\": [");
	for (int d = 0; d < work->ndims; d++)
		if (failpat_prediction_unseen(&work->dims[d]) > 0)
		{
			appendStringInfoString(json, first ? "" : ", ");
			escape_json(json, work->dims[d].name);
			first = false;
		}
	appendStringInfoString(json, "], \"not_told\": [");
	first = true;
	for (int d = 0; d < work->ndims; d++)
		if (!work->dims[d].told)
		{
			appendStringInfoString(json, first ? "" : ", ");
			escape_json(json, work->dims[d].name);
			first = false;
		}
	appendStringInfoChar(json, ']');
}
