/*-------------------------------------------------------------------------
 *
 * retry.h
 *		Does it fail again?  How alike attempts at the same thing are.
 *
 * The probability that an attempt fails varies between things of which the
 * model says the same: theta ~ Beta(p s, (1 - p) s), with p the model's
 * probability and rho = 1 / (s + 1), the correlation of two attempts at the
 * same thing.  rho = 0: every failure is bad luck, and a retry is a new draw;
 * rho = 1: what failed fails again.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef FAILPAT_PREDICT_RETRY_H
#define FAILPAT_PREDICT_RETRY_H

#include "cube/dict.h"

/* rho is one of the cells of [0, 1] between these edges, at its middle */
#define FP_RHO_CELLS 24
extern const double fp_rho_edges[FP_RHO_CELLS + 1];
extern double		fp_rho_middle(int cell);

/* Units (things tried once or more), counted by what they have in common. */
typedef struct FpUnits
{
	FpArena	  arena;
	FpWordMap at; /* trials, failures, probability -> number + 1 */
	uint32	  n;
	uint32	  cap;
	uint64	 *keys;
	int64	 *counts;
	int64	  units;
	int64	  repeated; /* units of two trials or more */
	double	  pearson;	/* sum of (f - n p)^2, and of n p (1 - p), */
	double	  variance; /* for the dispersion */
} FpUnits;

extern void fp_units_init(FpUnits *units, FpArena arena);

/* A unit whose trials fail with the probability p in (0, 1), on average. */
extern void fp_units_add(FpUnits *units, int64 trials, int64 failures,
						 double p);

/*
 * What units tell of rho: weights that add up to 1.  prior: weights to start
 * with, NULL: all of rho is as likely.  shift: by how much the model's
 * log-odds are wrong for these units, estimated along with it: attempts stop
 * at the first success, so what fails is seen more often than it is used.  The
 * likelihood of a sequence of attempts does not depend on when they stop.
 */
extern void fp_units_rho(const FpUnits *units, const double *prior,
						 double *weights, double *shift);

/* After so many failures of the same thing. */
typedef struct FpRetry
{
	double pass;  /* the next attempt passes, */
	double lower; /* with the 95 % interval that p and rho leave */
	double upper;
	double within; /* one of the next so many passes */
	double until;  /* expected number of attempts, up to the first that
					* passes; may be infinite */
	double rho;	   /* mean */
} FpRetry;

/*
 * p: of failure, with the standard error se of its log-odds; weights: of rho.
 * failures, more >= 0.
 */
extern FpRetry fp_retry(double p, double se, const double *weights,
						int failures, int more);

/* None of n of one unit fails, each of which fails with probability p. */
extern double fp_all_pass(double p, const double *weights, int n);

#endif /* FAILPAT_PREDICT_RETRY_H */
