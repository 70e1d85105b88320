/*-------------------------------------------------------------------------
 *
 * changes_merge.c
 *		The aggregate fp_merge_steps: which changes of several series are
 *		causes of their own, from the cubes of a source.
 *
 * Each cube is decoded in the memory of the row, which the aggregate frees;
 * what is kept, in a context of the state, is a row per period and combination
 * of the series.  See predict/steps.c for what is made of it.  No locks.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "changes.h"
#include "cubes.h"
#include "failpat.h"
#include "predict/steps.h"

PG_FUNCTION_INFO_V1(failpat_merge_steps_accum);
PG_FUNCTION_INFO_V1(failpat_merge_steps_final);

/* numbers that describe a step, and then its strength */
#define STEP_NUMBERS 7
#define STEP_STRENGTH 3
#define PERIOD_BITS 24
#define MAX_SERIES ((FP_MAX_DIMS - 1) * FP_STEP_SERIES)

typedef struct State
{
	MemoryContext cx;
	int			  nseries;
	Jsonb		**series; /* their conditions */
	int			  nsteps;
	FpStep		 *steps;
	double		  level;
	FpCellTable	  rows;
} State;

/* The elements of an array of a type, which must not have nulls. */
static Datum *
elements(ArrayType *array, Oid type, int16 len, bool byval, char align, int *n)
{
	Datum *items;

	if (ARR_HASNULL(array) || ARR_ELEMTYPE(array) != type)
		ereport(ERROR, (errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
						errmsg("arguments of fp_merge_steps must be arrays "
							   "without nulls")));
	deconstruct_array(array, type, len, byval, align, &items, NULL, n);
	return items;
}

/* the state of the first row, in a context below that of the aggregate */
static State *
new_state(FunctionCallInfo fcinfo, MemoryContext aggcontext)
{
	MemoryContext cx = AllocSetContextCreate(aggcontext, "failpat steps",
											 ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(cx);
	State		 *state = palloc0(sizeof(State));
	Datum		 *series;
	Datum		 *numbers;
	Datum		 *strength;
	int			  nnumbers;
	int			  nstrength;
	uint8		  bits[FP_MAX_DIMS];

	state->cx = cx;
	state->level = PG_GETARG_FLOAT8(8);
	series = elements(DatumGetArrayTypePCopy(PG_GETARG_DATUM(5)), JSONBOID, -1,
					  false, TYPALIGN_INT, &state->nseries);
	numbers = elements(DatumGetArrayTypePCopy(PG_GETARG_DATUM(6)), INT4OID, 4,
					   true, TYPALIGN_INT, &nnumbers);
	strength = elements(DatumGetArrayTypePCopy(PG_GETARG_DATUM(7)), FLOAT8OID,
						8, FLOAT8PASSBYVAL, TYPALIGN_DOUBLE, &nstrength);
	state->nsteps = nnumbers / STEP_NUMBERS;
	if (nnumbers != state->nsteps * STEP_NUMBERS ||
		nstrength != state->nsteps * STEP_STRENGTH)
		ereport(ERROR, (errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
						errmsg("fp_merge_steps takes %d integers and %d "
							   "numbers a change",
							   STEP_NUMBERS, STEP_STRENGTH)));
	state->series = palloc_array(Jsonb *, state->nseries + 1);
	for (int i = 0; i < state->nseries; i++)
		state->series[i] = DatumGetJsonbP(series[i]);
	state->steps = palloc0_array(FpStep, state->nsteps + 1);
	for (int i = 0; i < state->nsteps; i++)
	{
		FpStep *step = &state->steps[i];
		Datum  *number = numbers + i * STEP_NUMBERS;

		step->series = DatumGetInt32(number[0]);
		step->first = DatumGetInt32(number[1]);
		step->from = DatumGetInt32(number[2]);
		step->last = DatumGetInt32(number[3]);
		step->to = DatumGetInt32(number[4]);
		step->direction = DatumGetInt32(number[5]);
		step->nbuckets = DatumGetInt32(number[6]);
		step->gain = DatumGetFloat8(strength[i * STEP_STRENGTH]);
		step->p_value = DatumGetFloat8(strength[i * STEP_STRENGTH + 1]);
		step->dispersion = DatumGetFloat8(strength[i * STEP_STRENGTH + 2]);
		if (step->series < 0 || step->series >= state->nseries)
			ereport(ERROR, (errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
							errmsg("there is no series %d", step->series)));
		if (step->series >= MAX_SERIES)
			step->series = -1;
	}
	state->nseries = Min(state->nseries, MAX_SERIES);
	memset(bits, FP_STEP_SERIES, sizeof(bits));
	bits[0] = PERIOD_BITS;
	fp_cells_layout(cx, &state->rows,
					1 + (state->nseries + FP_STEP_SERIES - 1) / FP_STEP_SERIES,
					bits);
	MemoryContextSwitchTo(old);
	return state;
}

/* the cells of a cube that meet conditions; NULL: none can */
static bool *
met(const FpCube *cube, Jsonb *conditions, MemoryContext cx)
{
	bool   possible = true;
	Jsonb *known = failpat_known_conditions(cube, conditions, &possible);

	return possible ? failpat_cube_match(cube, known, cx) : NULL;
}

/*
 * fp_merge_steps_accum(state internal, period integer, cube failure_cube,
 *		filter jsonb, "check" text, series jsonb[], steps integer[],
 *		strength float8[], level float8)
 *
 * What is the same for all rows is read of the first one.  steps has a series
 * (its place in series, from 0), the periods first, from, last and to, the
 * direction and the buckets of each change; strength its gain, its p-value and
 * its dispersion.  Changes of series beyond MAX_SERIES are told.
 */
Datum
failpat_merge_steps_accum(PG_FUNCTION_ARGS)
{
	MemoryContext cx = CurrentMemoryContext;
	MemoryContext aggcontext;
	State		 *state;
	FpCube		 *cube;
	bool		 *keep;
	uint32		 *codes;
	int			  ncodes;
	int			  check = -1;
	int			  period;

	if (!AggCheckCallContext(fcinfo, &aggcontext))
		elog(ERROR, "internal error: fp_merge_steps_accum called outside of "
					"an aggregate");
	for (int i = 3; i < 9; i++)
		if (i != 4 && PG_ARGISNULL(i))
			ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
							errmsg("arguments of fp_merge_steps must not be "
								   "null")));
	state = PG_ARGISNULL(0) ? new_state(fcinfo, aggcontext)
							: (State *) PG_GETARG_POINTER(0);
	if (PG_ARGISNULL(1) || PG_ARGISNULL(2))
		PG_RETURN_POINTER(state);
	period = PG_GETARG_INT32(1);
	if (period < 0 || period >= 1 << PERIOD_BITS)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("period must be from 0 to %d, not %d",
							   (1 << PERIOD_BITS) - 1, period)));

	cube = failpat_cube_from_datum(PG_GETARG_DATUM(2), cx);
	keep = met(cube, PG_GETARG_JSONB_P(3), cx);
	if (!keep)
		PG_RETURN_POINTER(state);
	if (!PG_ARGISNULL(4))
		check = failpat_check_code(cube, PG_GETARG_TEXT_PP(4));
	ncodes = state->rows.ndims;
	codes = fp_alloc0_array(cx, uint32, cube->ncells * ncodes + 1);
	for (int s = 0; s < state->nseries; s++)
	{
		bool  *in = met(cube, state->series[s], cx);
		uint32 bit = (uint32) 1 << (s % FP_STEP_SERIES);

		CHECK_FOR_INTERRUPTS();
		if (!in)
			continue;
		for (uint64 c = 0; c < cube->ncells; c++)
			if (in[c])
				codes[c * ncodes + 1 + s / FP_STEP_SERIES] |= bit;
		pfree(in);
	}
	for (uint64 c = 0; c < cube->ncells; c++)
	{
		if ((c & 4095) == 0)
			CHECK_FOR_INTERRUPTS();
		if (!keep[c])
			continue;
		codes[c * ncodes] = (uint32) period;
		fp_cells_add(state->cx, &state->rows, codes + c * ncodes,
					 cube->trials[c],
					 failpat_cell_failures(cube, c, !PG_ARGISNULL(4), check));
	}
	fp_cells_flush(state->cx, &state->rows);
	PG_RETURN_POINTER(state);
}

/* fp_merge_steps_final(state internal) -> integer[], see fp_merge_changes */
Datum
failpat_merge_steps_final(PG_FUNCTION_ARGS)
{
	State *state;
	int	  *parents;
	Datum *items;
	bool  *nulls;
	int	   dims[1];
	int	   lower[1] = {1};

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	state = (State *) PG_GETARG_POINTER(0);
	parents = palloc_array(int, state->nsteps + 1);
	items = palloc_array(Datum, state->nsteps + 1);
	nulls = palloc_array(bool, state->nsteps + 1);
	fp_steps_merge(CurrentMemoryContext, &state->rows, state->steps,
				   state->nsteps, state->level, parents);
	for (int i = 0; i < state->nsteps; i++)
	{
		/* 0: by chance */
		items[i] = Int32GetDatum(Max(parents[i] + 1, 0));
		nulls[i] = parents[i] == FP_STEP_TOLD;
	}
	dims[0] = state->nsteps;
	PG_RETURN_ARRAYTYPE_P(
		construct_md_array(items, nulls, state->nsteps > 0 ? 1 : 0, dims,
						   lower, INT4OID, 4, true, TYPALIGN_INT));
}
