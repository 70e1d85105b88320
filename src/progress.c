/*-------------------------------------------------------------------------
 *
 * progress.c
 *		How far long work is, where the system shows what processes do.
 *
 * What is done, and a percentage, becomes the last part of the process title,
 * until the session does something else.  Nothing is allocated; no locks.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/ps_status.h"

#include "failpat.h"

PG_FUNCTION_INFO_V1(failpat_show_progress_sql);

void
failpat_show_progress(const char *what, double done)
{
	char text[80];

	if (!update_process_title)
		return;
	snprintf(text, sizeof(text), "%s %d%%", what,
			 (int) (fmin(fmax(done, 0), 1) * 100));
	set_ps_display(text);
}

/* fp_show_progress(what text, done bigint, whole bigint) */
Datum
failpat_show_progress_sql(PG_FUNCTION_ARGS)
{
	char  *what = text_to_cstring(PG_GETARG_TEXT_PP(0));
	double whole = (double) PG_GETARG_INT64(2);

	failpat_show_progress(what,
						  whole > 0 ? (double) PG_GETARG_INT64(1) / whole : 1);
	PG_RETURN_VOID();
}
