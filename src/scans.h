/*-------------------------------------------------------------------------
 *
 * scans.h
 *		The cells of a cube that is a value of the server.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef FAILPAT_SCANS_H
#define FAILPAT_SCANS_H

#include "pure.h"

#include "utils/jsonb.h"

#include "cube/scan.h"

/*
 * A scan of a datum of type failure_cube, in cx: for its dimensions of these
 * names (texts, 0 for none), of the cells that meet conditions; checks: tell
 * failures of checks too.  It refers to the datum.  What the cube does not know
 * was not recorded; NULL where no cell can meet the conditions.
 */
extern FpScan *failpat_scan(Datum cube, Jsonb *conditions,
							const Datum names[FP_SCAN_DIMS], bool checks,
							MemoryContext cx);

#endif /* FAILPAT_SCANS_H */
