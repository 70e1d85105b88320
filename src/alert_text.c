/*-------------------------------------------------------------------------
 *
 * alert_text.c
 *		The sentence of an alert; fp_percent; the settings of the log and of
 *		severity.
 *
 * Everything is palloc'd in the caller's memory context.  No locks.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <limits.h>
#include <math.h>

#include "fmgr.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/guc.h"

#include "alert.h"
#include "stats/severity.h"

PG_FUNCTION_INFO_V1(failpat_percent);

/* read by fp_log_alert, which is SQL */
static bool log_alerts = false;

/*
 * Severities that a refresh finds are kept for all, and in refresh mode sync
 * a writer's session finds them: so they are no matter of the session's own.
 */
static void
define_severity(const char *name, const char *what, double *band, double most)
{
	DefineCustomRealVariable(name, what, NULL, band, *band, 0, most, PGC_SUSET,
							 0, NULL, NULL, NULL);
}

void
failpat_alert_init(void)
{
	FpSeverityBands *bands = &fp_severity_bands;

	DefineCustomIntVariable("failpat.severity_min_trials",
							"Fewer observations are of severity low.", NULL,
							&bands->min_trials, bands->min_trials, 1, INT_MAX,
							PGC_SUSET, 0, NULL, NULL, NULL);
	define_severity("failpat.severity_high_rate",
					"Severity is high from this lower bound of the rate on.",
					&bands->high_rate, 1);
	define_severity("failpat.severity_medium_rate",
					"Severity is medium from this lower bound of the rate on.",
					&bands->medium_rate, 1);
	define_severity("failpat.severity_high_ratio",
					"Severity is high where the lower bound is so many times "
					"the rate of all, and failpat.severity_high_ratio_rate.",
					&bands->high_ratio, 1e6);
	define_severity("failpat.severity_high_ratio_rate",
					"Least lower bound for failpat.severity_high_ratio.",
					&bands->high_ratio_rate, 1);
	define_severity(
		"failpat.severity_medium_ratio",
		"Severity is medium where the lower bound is so many times "
		"the rate of all, and failpat.severity_medium_ratio_rate.",
		&bands->medium_ratio, 1e6);
	define_severity("failpat.severity_medium_ratio_rate",
					"Least lower bound for failpat.severity_medium_ratio.",
					&bands->medium_ratio_rate, 1);
	DefineCustomBoolVariable(
		"failpat.log_alerts",
		"Records the alerts that fp_log_alert is told of.",
		"fp_success_metrics() compares warned with unwarned use.", &log_alerts,
		false, PGC_USERSET, 0, NULL, NULL, NULL);
}

/* "62", "3.4", "99.8"; 0 and 100 only where it is so */
static void
append_percent(StringInfo to, double rate)
{
	double percent = rate * 100;

	if (isnan(percent))
		appendStringInfoChar(to, '?');
	else if (percent == 0 || percent == 100 ||
			 (percent >= 9.95 && percent < 99.5))
		appendStringInfo(to, "%.0f", percent);
	else if (percent < 0.05)
		appendStringInfoString(to, "<0.1");
	else if (percent >= 99.95)
		appendStringInfoString(to, ">99.9");
	else
		appendStringInfo(to, "%.1f", percent);
}

/* fp_percent(rate float8) -> text */
Datum
failpat_percent(PG_FUNCTION_ARGS)
{
	StringInfoData text;

	initStringInfo(&text);
	append_percent(&text, PG_GETARG_FLOAT8(0));
	appendStringInfoString(&text, " %");
	PG_RETURN_TEXT_P(cstring_to_text_with_len(text.data, text.len));
}

char *
failpat_alert_message(const char *description, bool resolved, bool of_segments,
					  int64 trials, double rate, double lower, double upper,
					  double elsewhere, const char *caveat)
{
	StringInfoData text;

	initStringInfo(&text);
	if (resolved)
		appendStringInfoString(&text, "Resolved: ");
	appendStringInfo(&text, "%s: ", description);
	append_percent(&text, rate);
	appendStringInfo(&text, " %% of " INT64_FORMAT " %s failed (", trials,
					 of_segments ? "segments" : "observations");
	append_percent(&text, lower);
	/* an en dash where the encoding has one for sure */
	appendStringInfoString(&text, GetDatabaseEncoding() == PG_UTF8
									  ? "\xE2\x80\x93"
									  : "-");
	append_percent(&text, upper);
	appendStringInfoString(&text, " %)");
	if (!isnan(elsewhere))
	{
		appendStringInfoString(&text, ", against ");
		append_percent(&text, elsewhere);
		appendStringInfoString(&text, " % elsewhere");
	}
	appendStringInfoChar(&text, '.');
	if (caveat != NULL)
		appendStringInfo(&text, " %s", caveat);
	return text.data;
}
