/*-------------------------------------------------------------------------
 *
 * confound.h
 *		Does a pattern hold within the values of what it does not speak of?
 *		(gate C)
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef FAILPAT_CONFOUND_H
#define FAILPAT_CONFOUND_H

#include "mine/clusters.h"

/*
 * Tests cover, a combination with conditions on the dimensions
 * of the mask spoken_of, within the values
 * of each dimension that it does not speak of; and, for strata, also each of
 * its generalisations.  *out has a row for each dimension that could confound
 * it, in arena.  Clusters are dealt with by the gate given (see fp_gate_inflate).
 * Generalisations whose bit
 * is set in refines are tested at a level that is higher by refine_shift.
 * Raises *log_p to the largest of the p of dimensions with the
 * verdict "supported".  Returns whether none explains it, as far as known
 * (see FpBuckets).
 */
extern bool fp_confound(FpTallier *tallier, const FpGate *gate,
						double refine_shift, uint32 refines,
						const FpCluster *cluster, uint64 spoken_of,
						const FpCover *cover, FpCover **general, int ngeneral,
						double *log_p, FpConfounder **out, int *nout,
						FpArena arena, FpArena scratch);

#endif /* FAILPAT_CONFOUND_H */
