/*-------------------------------------------------------------------------
 *
 * alert.h
 *		The settings of alerts, and their sentence.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef FAILPAT_ALERT_H
#define FAILPAT_ALERT_H

#include "postgres.h"

/* defines failpat.log_alerts, failpat.severity_... */
extern void failpat_alert_init(void);

/*
 * "LoRA X + Character Y fails at segment 6+: 62 % of 120 segments failed
 * (53-70 %), against 11 % elsewhere.", palloc'd.  Rates and bounds from 0 to
 * 1; elsewhere NaN: not known, and left out.  caveat: a sentence that follows,
 * or NULL.
 */
extern char *failpat_alert_message(const char *description, bool resolved,
								   bool of_segments, int64 trials, double rate,
								   double lower, double upper,
								   double elsewhere, const char *caveat);

#endif /* FAILPAT_ALERT_H */
