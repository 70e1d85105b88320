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

#include "storage/shmem.h" /* mul_size */

/* in the headers of today's minors of 15, not of the first ones */
#ifndef palloc_array
#define palloc_array(type, count) \
	((type *) palloc(mul_size(sizeof(type), (count))))
#define palloc0_array(type, count) \
	((type *) palloc0(mul_size(sizeof(type), (count))))
#endif

/* failpat.memory_limit, in kB: bounds one cube, one mining run */
extern int failpat_memory_limit;

/* failpat.require_confirmed: whether candidates are kept from alerting */
extern bool failpat_require_confirmed;

/* "what", and the share that is done as a percentage, in the process title */
extern void failpat_show_progress(const char *what, double done);

#endif /* FAILPAT_H */
