/*-------------------------------------------------------------------------
 *
 * confound.c
 *		Does a pattern hold within the values of what it does not speak of?
 *
 * For each other dimension D the test is stratified by the values of D.
 * Where the strata leave too little to be known (a LoRA that is used with one
 * workflow only), the verdict is "not identifiable", which is not an
 * exoneration: the pattern stays and says so.  A combination is explained by
 * D where there would be enough to know, and it does not hold.
 *
 * Time (a dimension of kind stratum) is special: base rates drift and usage is
 * lumpy, so not only the pattern is tested within the buckets of time, but
 * also what it adds to each of its generalisations.  So is the one dimension
 * that takes most of the risk ratio away, if it takes a tenth or more; others
 * can hardly make a difference of min_risk_ratio, and each costs a pass over
 * all that the generalisations cover.
 *
 * Memory: results in the arena given, the rest in scratch.  No locks.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#include "mine/confound.h"

#include <math.h>

#include "stats/special.h"

/* Buckets of time are joined until they hold so many trials. */
#define MIN_BUCKET 50

/* With less than this share of the information left, it may be the reason. */
#define LITTLE_INFORMATION 0.5

/*
 * A dimension that takes this much of the risk ratio away is looked at within
 * the generalisations too.
 */
#define MUCH_TAKEN 1.1

/* The power that the strata must leave for "explained": 0.8 */
#define POWER_QUANTILE 0.8416212335729143

static FpVerdict
judge(const FpGate *gate, const FpStrataTest *plain, const FpStrataTest *test)
{
	bool   better = gate->direction == FP_BETTER;
	double lift = gate->min_risk_ratio;
	double effect;

	if (test->nstrata > 0 && test->log_p <= gate->log_level &&
		(better ? test->rr_upper * lift <= 1 : test->rr_lower >= lift))
		return FP_SUPPORTED;
	if (test->nstrata > 0 &&
		(better ? test->rr_lower * lift > 1 : test->rr_upper < lift))
		return FP_EXPLAINED;

	/*
	 * Would an effect as large as it looks without strata be seen?  Its size
	 * in hits is about effect times information.
	 */
	effect = plain->information > 0
				 ? (plain->observed - plain->expected) / plain->information
				 : 0;
	if (test->information < LITTLE_INFORMATION * plain->information &&
		effect * sqrt(test->information) <
			fp_normal_upper_quantile(gate->log_level) + POWER_QUANTILE)
		return FP_NOT_IDENTIFIABLE;
	return FP_EXPLAINED;
}

/* Joins neighbouring strata until each holds enough; returns how many. */
static uint32
join_buckets(FpCount *part, FpCount *whole, uint32 n)
{
	uint32 used = 0;
	bool   open = false;

	for (uint32 k = 0; k < n; k++)
	{
		if (whole[k].n == 0)
			continue;
		if (open)
		{
			part[used].n += part[k].n;
			part[used].f += part[k].f;
			whole[used].n += whole[k].n;
			whole[used].f += whole[k].f;
		}
		else
		{
			part[used] = part[k];
			whole[used] = whole[k];
			open = true;
		}
		if (whole[used].n >= MIN_BUCKET)
		{
			used++;
			open = false;
		}
	}
	/* what is left over goes to the last one */
	if (open && used > 0)
	{
		part[used - 1].n += part[used].n;
		part[used - 1].f += part[used].f;
		whole[used - 1].n += whole[used].n;
		whole[used - 1].f += whole[used].f;
	}
	else if (open)
		used++;
	return used;
}

static FpStrataTest
test_unstratified(const FpGate *gate, FpCount part, FpCount whole)
{
	return fp_strata_test(gate->direction, &part, &whole, 1, gate->z);
}

/* What is put through gate C, and with what. */
typedef struct Tested
{
	FpTallier	  *tallier;
	const FpGate  *gate;
	double		   refine_shift;
	uint32		   refines;
	const FpCover *cover;
	FpCover		 **general;
	int			   ngeneral;
	FpCount		   count;
	double		  *log_p;
	FpArena		   scratch;
} Tested;

/*
 * Does what it adds to each of its generalisations hold within the values of
 * dimension d as well?  The worst verdict of them goes to the confounder.
 */
static void
test_within_parts(const Tested *tested, int d, FpConfounder *confounder)
{
	const FpTally *tally = tested->tallier->tally;
	const FpGate  *gate = tested->gate;
	bool		   time = tally->cube->dims[d].kind == FP_STRATUM;
	uint32		   ncodes = tally->ncodes[d];
	FpCount		  *part, *whole;
	FpTallied	   own;

	fp_cover_tally_dim(tested->tallier, tested->cover, d, &own,
					   tested->scratch);
	part = fp_alloc_array(tested->scratch, FpCount, ncodes);
	whole = fp_alloc_array(tested->scratch, FpCount, ncodes);
	for (int g = 0; g < tested->ngeneral; g++)
	{
		bool		 refined = (tested->refines & (1u << g)) != 0;
		FpTallied	 among;
		FpStrataTest unstratified, test;
		FpCount		 all = {0, 0};
		FpVerdict	 verdict;
		FpGate		 within = *gate;
		uint32		 n = ncodes;

		fp_cover_tally_dim(tested->tallier, tested->general[g], d, &among,
						   tested->scratch);
		memset(part, 0, sizeof(FpCount) * ncodes);
		memset(whole, 0, sizeof(FpCount) * ncodes);
		for (uint32 i = 0; i < own.n; i++)
			part[own.strata[i]] = own.counts[i];
		for (uint32 i = 0; i < among.n; i++)
		{
			whole[among.strata[i]] = among.counts[i];
			all.n += among.counts[i].n;
			all.f += among.counts[i].f;
		}
		if (time)
			n = join_buckets(part, whole, n);
		unstratified = test_unstratified(gate, tested->count, all);
		test = fp_strata_test(gate->direction, part, whole, n, gate->z);
		if (refined)
			within.log_level += tested->refine_shift;
		verdict = judge(&within, &unstratified, &test);
		if (refined)
			test.log_p -= tested->refine_shift;
		if (verdict == FP_SUPPORTED)
			*tested->log_p = fmax(*tested->log_p, test.log_p);
		else
			confounder->log_p = fmax(confounder->log_p, test.log_p);
		confounder->verdict = Max(confounder->verdict, verdict);
	}
}

bool
fp_confound(FpTallier *tallier, const FpGate *gate, double refine_shift,
			uint32 refines, const FpCluster *cluster, uint64 spoken_of,
			const FpCover *cover, FpCover **general, int ngeneral,
			double *log_p, FpConfounder **out, int *nout, FpArena arena,
			FpArena scratch)
{
	const FpTally *tally = tallier->tally;
	const FpCube  *cube = tally->cube;
	FpStrataTest   plain;
	FpCount		   count = fp_cover_count(tallier->tally, cover);
	FpConfounder  *strongest = NULL;
	bool		   times_known;
	double		   most_taken = MUCH_TAKEN;
	bool		   supported = true;
	Tested		   tested = {tallier, gate,		refine_shift, refines, cover,
							 general, ngeneral, count,		  log_p,   scratch};

	*nout = 0;
	*out = fp_alloc0_array(arena, FpConfounder, cube->ndims + 1);
	plain = test_unstratified(gate, count, tally->total);
	times_known =
		fp_cover_ask(tallier, cover, general, ngeneral, NULL, scratch);

	for (int d = 0; d < cube->ndims; d++)
	{
		FpConfounder *confounder = &(*out)[*nout];
		bool		  time = cube->dims[d].kind == FP_STRATUM;
		uint32		  ncodes = tally->ncodes[d];
		FpTallied	  tallied;
		FpCount		 *part, *whole;
		FpStrataTest  test;
		uint32		  n;
		int64		  most = -1;

		if (d == cluster->dim || (spoken_of >> d & 1) != 0 || ncodes < 2 ||
			(time && !times_known))
			continue;
		FP_CHECK_INTERRUPTS();
		fp_cover_tally_dim(tallier, cover, d, &tallied, scratch);
		n = time ? ncodes : tallied.n;
		part = fp_alloc0_array(scratch, FpCount, n + 1);
		whole = fp_alloc0_array(scratch, FpCount, n + 1);
		for (uint32 i = 0; i < tallied.n; i++)
		{
			uint32 at = time ? tallied.strata[i] : i;

			part[at] = tallied.counts[i];
			if (tallied.counts[i].n > most)
			{
				most = tallied.counts[i].n;
				confounder->code = tallied.strata[i];
			}
			if (!time)
				whole[at] = tally->margins[d][tallied.strata[i]];
		}
		if (time)
		{
			memcpy(whole, tally->margins[d], sizeof(FpCount) * n);
			n = join_buckets(part, whole, n);
		}
		/* one value only, in all observations: no confounder */
		if (!time && n == 1 && whole[0].n == tally->total.n)
			continue;
		test = fp_strata_test(gate->direction, part, whole, n, gate->z);
		confounder->dim = d;
		confounder->share = (double) most / (double) count.n;
		confounder->risk_ratio = test.risk_ratio;
		confounder->rr_lower = test.rr_lower;
		confounder->rr_upper = test.rr_upper;
		confounder->information =
			plain.information > 0 ? test.information / plain.information : 0;
		confounder->verdict = judge(gate, &plain, &test);
		if (confounder->verdict == FP_SUPPORTED)
			*log_p = fmax(*log_p, test.log_p);
		confounder->log_p = test.log_p;
		(*nout)++;

		/* what it adds to its parts must hold within time as well */
		if (time)
			test_within_parts(&tested, d, confounder);
		/*
		 * What goes with another condition is told with it, but what goes
		 * with a time can always be a bad day, and there is nothing to tell.
		 */
		supported &= confounder->verdict == FP_SUPPORTED ||
					 (confounder->verdict == FP_NOT_IDENTIFIABLE && !time);
		if (!time && confounder->verdict == FP_SUPPORTED)
		{
			double taken = gate->direction == FP_BETTER
							   ? test.risk_ratio / plain.risk_ratio
							   : plain.risk_ratio / test.risk_ratio;

			if (taken >= most_taken)
			{
				most_taken = taken;
				strongest = confounder;
			}
		}
	}

	/*
	 * So must it within the values of the dimension that takes most of the
	 * ratio away: a part that fails by itself would else carry a character
	 * that only goes with a bad workflow.
	 */
	if (supported && strongest != NULL)
	{
		test_within_parts(&tested, strongest->dim, strongest);
		supported = strongest->verdict != FP_EXPLAINED;
	}
	return supported;
}
