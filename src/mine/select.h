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

#include "mine/screen.h"

/* At most so many patterns are kept in one direction. */
#define FP_MAX_PATTERNS 1024

/* Counts of the cells that a combination covers, by stratum, sparse. */
typedef struct FpTallied
{
	uint32	 n;
	uint32	*strata;
	FpCount *counts;
} FpTallied;

/* A combination with the cells that it covers. */
typedef struct FpCover
{
	FpProbe	   probe;
	FpTallied  by_class; /* by what is accepted, of class_version */
	int64	   class_version;
	FpTallied *by_dim; /* made when asked for */
} FpCover;

typedef struct FpSelected
{
	FpCandidate candidate;
	FpCover	   *cover;
	int			ngeneral;
	FpCover	  **general; /* its immediate generalisations */
	bool		dropped; /* explained by what came after it */

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
