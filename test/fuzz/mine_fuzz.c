/*-------------------------------------------------------------------------
 *
 * mine_fuzz.c
 *		A small cube of any dimensions, mined with any options, also such as
 *		no caller may give: these must be refused.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#include "fuzz.h"

#include "draw_cube.h"
#include <float.h>

#include "mine/mine.h"

static void
check_pattern(const FpPattern *pattern, const FpCube *cube,
			  const FpMineOptions *options)
{
	MUST(pattern->nconditions >= 1 && pattern->nconditions <= FP_MAX_ARITY);
	MUST(pattern->arity >= pattern->nconditions);
	MUST(pattern->arity <= options->max_arity);
	MUST(pattern->trials >= options->min_trials);
	MUST(pattern->failures >= 0 && pattern->failures <= pattern->trials);
	MUST(pattern->trials + pattern->rest_trials <= cube->total_trials);
	MUST(pattern->lower >= 0 && pattern->lower <= pattern->rate);
	MUST(pattern->rate <= pattern->upper && pattern->upper <= 1);
	MUST(pattern->p_value >= 0 &&
		 pattern->p_value <= Max(options->alpha, DBL_MIN));
	MUST(pattern->q_value >= 0 && pattern->q_value <= 1);
	MUST(!isnan(pattern->rr_lower) && pattern->rr_lower <= pattern->rr_upper);
	MUST(!isnan(pattern->expected_failures) &&
		 !isnan(pattern->excess_failures));
	for (int i = 0; i < pattern->nconditions; i++)
	{
		const FpPatternCondition *condition = &pattern->conditions[i];

		MUST(condition->dim >= 0 && condition->dim < cube->ndims);
		MUST(cube->dims[condition->dim].kind != FP_STRATUM);
		if (condition->kind == FP_COND_VALUE ||
			condition->kind == FP_COND_MEMBER)
			MUST(condition->code[0] >= 1 &&
				 condition->code[0] <= cube->dims[condition->dim].nvalues);
	}
}

static void
fuzz(Input *input, FpArena arena)
{
	FpCube			   *cube = draw_cube(input, arena);
	FpMineOptions		options;
	const FpMineResult *result;

	fp_mine_defaults(&options);
	options.max_arity = draw_int_near(input, 1, FP_MAX_ARITY);
	options.min_trials =
		draw_below(input, 8) ? 1 + draw_below(input, 64) : draw_int64(input);
	if (draw_below(input, 4) == 0)
		options.alpha = draw_double(input);
	else
		options.alpha = 0.5;
	if (draw_below(input, 4) == 0)
		options.min_risk_ratio = draw_double(input);
	if (draw_below(input, 8) == 0)
		options.confidence = draw_double(input);
	options.direction = (FpDirection) draw_int_near(input, FP_WORSE, FP_BOTH);
	options.check =
		draw_int_near(input, FP_EACH_CHECK, (int) cube->nchecks - 1);
	if (draw_below(input, 8) == 0)
		options.memory_limit = (size_t) 1 << draw_below(input, 30);

	result = fp_mine(cube, &options, arena);
	MUST(options.max_arity >= 1 && options.max_arity <= FP_MAX_ARITY);
	MUST(options.alpha > 0 && options.alpha < 1);
	MUST(options.min_trials >= 1 && options.min_risk_ratio >= 1);
	MUST(options.confidence > 0 && options.confidence < 1);
	MUST(options.check < (int) cube->nchecks);
	MUST(result->npatterns >= 0);
	for (int i = 0; i < result->npatterns; i++)
		check_pattern(&result->patterns[i], cube, &options);
}
