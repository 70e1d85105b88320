/*-------------------------------------------------------------------------
 *
 * select.h
 *		From candidates to the list: what is already explained is left out.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef FAILPAT_SELECT_H
#define FAILPAT_SELECT_H

#include "mine/confound.h"
#include "mine/cover.h"

/* At most so many patterns are kept in one direction. */
#define FP_MAX_PATTERNS 1024

typedef struct FpSelected
{
	FpCandidate candidate;
	FpCover	   *cover;
	int			ngeneral;
	FpCover	  **general;   /* its immediate generalisations */
	double		inflation; /* of variances, by clusters */
	bool		dropped;   /* explained by what came after it */

	/* the stratified tests of gate C, in the order of dimensions */
	int			  nconfounders;
	FpConfounder *confounders;

	/* other combinations of the same observations */
	int		 naliases;
	FpItems *aliases;
} FpSelected;

typedef struct FpSelection
{
	int			 n;
	FpSelected **patterns; /* in the order of acceptance */
} FpSelection;

/*
 * Selects among the candidates of one direction (all of them must have that
 * direction).  They are put in order of evidence.  Result in arena.
 */
extern FpSelection *fp_select(const FpScreen *screen, FpCandidate *candidates,
							  int64 ncandidates, FpArena arena);

#endif /* FAILPAT_SELECT_H */
