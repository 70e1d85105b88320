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

typedef struct FpSelected
{
	FpCandidate candidate;
	FpCover	   *cover;
	int			ngeneral;
	FpCover	  **general;   /* its immediate generalisations */
	double		inflation; /* of variances, by clusters */
	double log_redundant;  /* the largest p of gate D, -INFINITY: not asked */
	bool   dropped;		   /* explained by what came after it, */
	int	   dropped_for;	   /* .. which is that pattern */

	/* the stratified tests of gate C, in the order of dimensions */
	int			  nconfounders;
	FpConfounder *confounders;

	/* other combinations of the same observations */
	int		 naliases;
	FpItems *aliases;

	/*
	 * Combinations that pass by themselves, and of which nothing is left but
	 * for this pattern, the strongest first
	 */
	int		 nfolded;
	FpItems *folded;
	int		 nrefused; /* of which it was asked so far whether they pass */
} FpSelected;

/* So many of them are told. */
#define FP_MAX_FOLDED 10

/* A part of a combination that an accepted pattern holds too. */
typedef struct FpOverlap
{
	int		pattern; /* its number in the selection */
	double	excess;
	FpCount count;
} FpOverlap;

/* Strata are made by so many accepted patterns at most, the strongest. */
#define FP_MAX_RELEVANT 10

typedef struct FpSelector FpSelector;

typedef struct FpSelection
{
	FpSelector	*selector; /* working memory, for explanations */
	int			 n;
	FpSelected **patterns; /* in the order of acceptance */
} FpSelection;

/*
 * Selects among the candidates of one direction (all of them must have that
 * direction), and steps the levels of the screen.  They are put in order of
 * evidence.  Result in arena.
 */
extern FpSelection *fp_select(FpScreen *screen, FpDirection direction,
							  FpCandidate *candidates, int64 ncandidates,
							  FpArena arena);

/*
 * For explanations: the accepted patterns that have a part in what cover
 * covers, and the test of gate D, of cover against whole (NULL: all) within
 * them.
 */
extern int			fp_select_relevant(FpSelection *selection, FpCover *cover,
									   FpOverlap *relevant, FpArena arena);
extern FpStrataTest fp_select_within(FpSelection  *selection,
									 const FpGate *gate, FpCover *cover,
									 FpCover *whole, const FpOverlap *relevant,
									 int nrelevant, FpArena arena);
extern FpTallier   *fp_select_tallier(FpSelection *selection,
									  FpCluster	  *cluster);

#endif /* FAILPAT_SELECT_H */
