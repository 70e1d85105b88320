/*-------------------------------------------------------------------------
 *
 * failpat.c
 *		Module magic and settings.
 *
 * _PG_init may run in any backend, and during pg_upgrade: it defines
 * settings and does nothing else, no catalog access, no allocation that
 * lasts beyond what the settings need.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <limits.h>

#include "fmgr.h"
#include "utils/guc.h"

#include "alert.h"
#include "capture.h"
#include "failpat.h"
#include "worker.h"

#ifdef PG_MODULE_MAGIC_EXT
PG_MODULE_MAGIC_EXT(.name = "failpat", .version = "1.0");
#else
PG_MODULE_MAGIC;
#endif

void _PG_init(void);

int	 failpat_memory_limit = 1024 * 1024;
bool failpat_require_confirmed = false;

void
_PG_init(void)
{
	DefineCustomIntVariable(
		"failpat.memory_limit",
		"Memory that one cube or one mining run, its cube included, may use.",
		"More raises an error that says what to do.", &failpat_memory_limit,
		1024 * 1024, 1024, MAX_KILOBYTES, PGC_USERSET, GUC_UNIT_KB, NULL, NULL,
		NULL);

	DefineCustomBoolVariable(
		"failpat.require_confirmed",
		"Alerts speak of confirmed patterns only.",
		"Without it candidates, which observations made since they were "
		"found have not confirmed yet, alert too, marked as such.",
		&failpat_require_confirmed, false, PGC_USERSET, 0, NULL, NULL, NULL);

	failpat_capture_init();
	failpat_schedule_init();
	failpat_alert_init();

	MarkGUCPrefixReserved("failpat");
}
