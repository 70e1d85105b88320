/*-------------------------------------------------------------------------
 *
 * failpat.h
 *		Settings, and what every file that talks to the server shares.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef FAILPAT_H
#define FAILPAT_H

#include "pure.h"

/* failpat.memory_limit, in kB: bounds one cube, one mining run */
extern int failpat_memory_limit;

#endif /* FAILPAT_H */
