/*-------------------------------------------------------------------------
 *
 * predict_fit.c
 *		fp_fit_model: from cubes to a model, as one JSON object.
 *
 * The cubes, the one that is learnt from, the model and the counts of jobs are
 * in a context of the call, which goes before the function returns.  No locks, no catalog.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/lsyscache.h"

#include "combo.h"
#include "cubes.h"
#include "known.h"
#include "predict/jobs.h"
#include "predict/model.h"

PG_FUNCTION_INFO_V1(failpat_fit_model);

#define MIN_PERIOD_FAILURES 100 /* that a period needs */
#define MIN_CORRELATION 0.05	/* that is told of two effects */
#define MAX_NEIGHBOURS 48

/* conditions as parts of a term; false where the cube does not know them */
static bool
read_pattern(const FpCube *cube, Jsonb *conditions, FpModelPattern *pattern)
{
	FailpatCombo combo = {0};
	FpPart		*parts;
	int			 n = 0;

	failpat_combo_read(&combo, conditions, true, "patterns");
	parts = palloc0_array(FpPart, combo.nitems + combo.nintervals + 1);
	for (int i = 0; i < combo.nitems; i++, n++)
	{
		const FailpatItem *item = &combo.items[i];
		FpPart			  *part = &parts[n];

		part->dim = failpat_known_dim(cube, item->dim, item->dim_len);
		if (part->dim < 0)
			return false;
		part->kind = cube->dims[part->dim].kind == FP_SET ? FP_PART_MEMBER
														  : FP_PART_VALUE;
		part->code = fp_cube_find_value(&cube->dims[part->dim], item->value,
										item->value_len);
		if (part->code == 0 || (cube->dims[part->dim].kind != FP_SET &&
								cube->dims[part->dim].kind != FP_NOMINAL))
			return false;
	}
	for (int i = 0; i < combo.nintervals; i++, n++)
	{
		const FailpatInterval *interval = &combo.intervals[i];
		FpPart				  *part = &parts[n];

		part->dim = failpat_known_dim(cube, interval->dim, interval->dim_len);
		part->kind = interval->count ? FP_PART_COUNT : FP_PART_RANGE;
		part->min = interval->min;
		part->max = interval->max;
		if (part->dim < 0 || cube->dims[part->dim].kind !=
								 (interval->count ? FP_SET : FP_ORDINAL))
			return false;
	}
	pattern->nparts = n;
	pattern->parts = parts;
	/* one condition by itself is an effect that the model has anyhow */
	return n > 1;
}

/* --- the model as JSON ------------------------------------------------- */

static void
put_number(StringInfo json, const char *name, double value)
{
	appendStringInfo(json, ", \"%s\": %.9g", name,
					 isfinite(value) ? value : 0.0);
}

/* a dimension's part of the conditions, without those on time */
static void
put_part(StringInfo json, const FpCube *cube, const FpPart *part)
{
	const FpDim *dim = &cube->dims[part->dim];

	switch (part->kind)
	{
		case FP_PART_VALUE:
		case FP_PART_MEMBER:
			escape_json(json, dim->values[part->code - 1].data);
			break;
		case FP_PART_RANGE:
		case FP_PART_COUNT:
			appendStringInfoString(json, part->kind == FP_PART_COUNT
											 ? "{\"count\": {"
											 : "{");
			if (isfinite(part->min))
				appendStringInfo(json, "\"min\": %.17g%s", part->min,
								 isfinite(part->max) ? ", " : "");
			if (isfinite(part->max))
				appendStringInfo(json, "\"max\": %.17g", part->max);
			appendStringInfoString(json,
								   part->kind == FP_PART_COUNT ? "}}" : "}");
			break;
		default:
			appendStringInfoString(json, "null");
	}
}

static void
put_term(StringInfo json, const FpModel *model, uint32 t)
{
	static const char *const kinds[] = {"intercept", "value", "member",
										"count",	 "level", "recent",
										"pattern",	 "pair"};
	const FpTerm			*term = &model->terms[t];
	const FpCube			*cube = model->cube;
	int						 since = 0;
	bool					 first = true;
	bool					 open = false;

	appendStringInfo(json, "%s{\"term\": %u, \"kind\": \"%s\"", t ? ", " : "",
					 t, kinds[model->blocks[term->block].kind]);
	appendStringInfoString(json, ", \"conditions\": {");
	for (int p = 0; p < term->nparts; p++)
	{
		const FpPart *part = &term->parts[p];
		bool together = p > 0 && term->parts[p - 1].dim == part->dim &&
						part->kind == FP_PART_MEMBER;

		if (part->kind == FP_PART_SINCE)
		{
			since = (int) part->code;
			continue;
		}
		if (!together)
		{
			if (open)
				appendStringInfoChar(json, ']');
			open = part->kind == FP_PART_MEMBER && p + 1 < term->nparts &&
				   term->parts[p + 1].dim == part->dim &&
				   term->parts[p + 1].kind == FP_PART_MEMBER;
			if (!first)
				appendStringInfoString(json, ", ");
			escape_json(json, cube->dims[part->dim].name.data);
			appendStringInfoString(json, open ? ": [" : ": ");
		}
		else
			appendStringInfoString(json, ", ");
		put_part(json, cube, part);
		first = false;
	}
	appendStringInfo(json, "%s}", open ? "]" : "");
	if (since > 0)
		appendStringInfo(json, ", \"period\": %d", since);
	put_number(json, "effect", term->effect);
	put_number(json, "variance", term->variance);
	appendStringInfo(json,
					 ", \"trials\": " INT64_FORMAT
					 ", \"failures\": " INT64_FORMAT "}",
					 term->trials, term->failures);
}

/* which effects go together with one: their terms and covariances */
static void
put_neighbours(StringInfo json, const FpModel *model, uint32 i)
{
	uint32		  n = model->ndense;
	const double *row = model->covariance + (size_t) i * n;
	double		  floor = MIN_CORRELATION;
	uint32		  kept;

	for (;;)
	{
		kept = 0;
		for (uint32 j = 0; j < n; j++)
			kept += j != i && row[j] * row[j] >
								  floor * floor * row[i] *
									  model->covariance[(size_t) j * n + j];
		if (kept <= MAX_NEIGHBOURS)
			break;
		floor *= 1.2;
	}
	appendStringInfo(json, "%s{\"term\": %u, \"with\": [", i ? ", " : "",
					 model->dense[i]);
	for (int round = 0; round < 2; round++)
	{
		bool first = true;

		if (round == 1)
			appendStringInfoString(json, "], \"covariances\": [");
		for (uint32 j = 0; j < n; j++)
		{
			if (j == i ||
				row[j] * row[j] <= floor * floor * row[i] *
									   model->covariance[(size_t) j * n + j])
				continue;
			if (!first)
				appendStringInfoString(json, ", ");
			first = false;
			if (round == 0)
				appendStringInfo(json, "%u", model->dense[j]);
			else
				appendStringInfo(json, "%.6g", row[j]);
		}
	}
	appendStringInfoString(json, "]}");
}

static void
put_rho(StringInfo json, const char *name, const FpUnits *units,
		const double *weights, double shift)
{
	appendStringInfo(json,
					 ", \"%s\": {\"units\": " INT64_FORMAT
					 ", \"repeated\": " INT64_FORMAT,
					 name, units->units, units->repeated);
	put_number(json, "shift", shift);
	appendStringInfoString(json, ", \"weights\": [");
	for (int c = 0; c < FP_RHO_CELLS; c++)
		appendStringInfo(json, "%s%.6g", c ? ", " : "", weights[c]);
	appendStringInfoString(json, "]}");
}

static char *
model_json(const FpModel *model, const FpJobs *jobs, const int *first_of,
		   int nperiods)
{
	StringInfoData json;
	double		   of_jobs[FP_RHO_CELLS];
	double		   of_attempts[FP_RHO_CELLS];
	double		   prior[FP_RHO_CELLS];
	double		   shift;
	double		   sum = 0;
	bool		   first = true;

	initStringInfo(&json);
	appendStringInfo(&json,
					 "{\"trials\": " INT64_FORMAT
					 ", \"failures\": " INT64_FORMAT,
					 model->trials, model->failures);
	put_number(&json, "dispersion", model->dispersion);
	put_number(&json, "unmodelled", model->unmodelled);
	appendStringInfoString(&json, ", \"periods\": [");
	for (int p = 0; p < nperiods; p++)
		appendStringInfo(&json, "%s%d", p ? ", " : "", first_of[p] + 1);
	appendStringInfoString(&json, "], \"dimensions\": {");
	for (int d = 0; d < model->cube->ndims; d++)
	{
		const FpDimUse *use = &model->use[d];

		if (!use->used || d == model->time_dim)
			continue;
		appendStringInfoString(&json, first ? "" : ", ");
		first = false;
		escape_json(&json, model->cube->dims[d].name.data);
		appendStringInfo(&json, ": {\"kind\": \"%s\"",
						 fp_dim_kind_name(model->cube->dims[d].kind));
		put_number(&json, "mean", use->mean);
		put_number(&json, "variance", use->variance);
		put_number(&json, "spread", use->spread);
		appendStringInfoChar(&json, '}');
	}
	appendStringInfoChar(&json, '}');

	/*
	 * Attempts at the same thing in the same job are at least as alike as
	 * those at different things in it.
	 */
	fp_units_rho(&jobs->jobs, NULL, of_jobs, &shift);
	put_rho(&json, "jobs", &jobs->jobs, of_jobs, shift);
	for (int c = 0; c < FP_RHO_CELLS; c++)
	{
		sum += of_jobs[c];
		prior[c] = Max(sum, 1e-12) * (fp_rho_edges[c + 1] - fp_rho_edges[c]);
	}
	fp_units_rho(&jobs->attempts, prior, of_attempts, &shift);
	put_rho(&json, "attempts", &jobs->attempts, of_attempts, shift);

	appendStringInfoString(&json, ", \"terms\": [");
	for (uint32 t = 0; t < model->nterms; t++)
		put_term(&json, model, t);
	appendStringInfoString(&json, "], \"covariances\": [");
	for (uint32 i = 0; i < model->ndense; i++)
		put_neighbours(&json, model, i);
	appendStringInfoString(&json, "]}");
	return json.data;
}

/* fp_fit_model(cubes failure_cube[], patterns jsonb[]) -> jsonb */
Datum
failpat_fit_model(PG_FUNCTION_ARGS)
{
	ArrayType	   *array = PG_GETARG_ARRAYTYPE_P(0);
	MemoryContext	cx;
	MemoryContext	old;
	int16			typlen;
	bool			typbyval;
	char			typalign;
	Datum		   *values;
	bool		   *nulls;
	int				n;
	int			   *number; /* of a cube in the array */
	FpPackedCube   *cubes;
	int				ncubes = 0;
	FpTraining	   *training;
	FpModelPattern *patterns;
	int				npatterns = 0;
	FpModelOptions	options;
	FpModel		   *model;
	FpJobs			jobs;
	int				first_of[FP_MAX_PERIODS];
	int				nperiods;
	char		   *json;
	Datum			result;

	cx = AllocSetContextCreate(CurrentMemoryContext, "failpat fit",
							   ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(cx);
	get_typlenbyvalalign(ARR_ELEMTYPE(array), &typlen, &typbyval, &typalign);
	deconstruct_array(array, ARR_ELEMTYPE(array), typlen, typbyval, typalign,
					  &values, &nulls, &n);
	cubes = palloc_array(FpPackedCube, n + 1);
	number = palloc_array(int, n + 1);
	for (int i = 0; i < n; i++)
		if (!nulls[i])
		{
			struct varlena *bytes;

			/* what is in an array is stored as bytes */
			if (!failpat_cube_open_plain(values[i], cx, &cubes[ncubes],
										 &bytes))
				elog(ERROR, "a cube of an array is not flat");
			fp_packed_total(&cubes[ncubes]);
			number[ncubes] = i;
			if (cubes[ncubes].head->total_trials > 0)
				ncubes++;
		}
	if (ncubes == 0)
	{
		MemoryContextSwitchTo(old);
		MemoryContextDelete(cx);
		PG_RETURN_NULL();
	}
	training = fp_training(cx, cubes, ncubes, MIN_PERIOD_FAILURES, first_of,
						   &nperiods);
	for (int p = 0; p < nperiods; p++)
		first_of[p] = number[first_of[p]];

	deconstruct_array(PG_GETARG_ARRAYTYPE_P(1), JSONBOID, -1, false,
					  TYPALIGN_INT, &values, &nulls, &n);
	patterns = palloc_array(FpModelPattern, n + 1);
	for (int i = 0; i < n; i++)
		if (!nulls[i] &&
			read_pattern(training->cube, DatumGetJsonbP(values[i]),
						 &patterns[npatterns]))
			npatterns++;

	fp_model_defaults(&options);
	fp_jobs_init(&jobs, cubes, ncubes);
	options.measure = fp_jobs_measure;
	options.measure_arg = &jobs;
	model = fp_model_fit(cx, training, patterns, npatterns, &options);
	fp_jobs_count(&jobs, cx, model);
	MemoryContextSwitchTo(old);
	json = model_json(model, &jobs, first_of, nperiods);
	MemoryContextDelete(cx);
	result = DirectFunctionCall1(jsonb_in, CStringGetDatum(json));
	pfree(json);
	PG_RETURN_DATUM(result);
}
