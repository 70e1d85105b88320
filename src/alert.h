/*-------------------------------------------------------------------------
 *
 * alert.h
 *		The setting of alerts.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef FAILPAT_ALERT_H
#define FAILPAT_ALERT_H

/* defines failpat.log_alerts */
extern void failpat_alert_init(void);

#endif /* FAILPAT_ALERT_H */
