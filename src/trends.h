/*-------------------------------------------------------------------------
 *
 * trends.h
 *		The state of the aggregates of trends, for other files.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef FAILPAT_TRENDS_H
#define FAILPAT_TRENDS_H

#include "pure.h"

#include "utils/array.h"

#include "stats/change_point.h"

/*
 * Search the series of a state (fp_series and its like), in arena: *all become
 * its buckets in order of time, empty ones too; *buckets those with trials,
 * which the indices of *trend count.  An array that is no state is an error of
 * class 22.
 */
extern void failpat_search_series(ArrayType *array, FpArena arena,
								  FpTrend *trend, FpBucket **all, int64 *nall,
								  FpBucket **buckets);

#endif /* FAILPAT_TRENDS_H */
