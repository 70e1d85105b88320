/*-------------------------------------------------------------------------
 *
 * window.h
 *		Counts by bucket of the combinations that a window's mining asks for.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef FAILPAT_WINDOW_H
#define FAILPAT_WINDOW_H

#include "postgres.h"

#include "executor/spi.h"
#include "utils/jsonb.h"

#include "cube/dict.h"
#include "cubes.h"
#include "mine/clusters_join.h"

/* A combination that is, or was, asked for; arrays are by bucket. */
typedef struct FailpatAsked
{
	Jsonb  *conditions;
	bool	now;	/* in this run */
	int		nknown; /* buckets */
	bool   *known;
	int64  *trials;
	int64  *failures;
	int64  *clusters; /* that lie in this bucket only, */
	double *squares;  /* .. and the sum of the squares of their trials */
	bytea **shares;	  /* trials in the clusters that lie in others, too */

	/* of all buckets together, once they are known */
	bool   joined;
	int64  all_clusters;
	double all_squares;
} FailpatAsked;

typedef struct FailpatBucket
{
	Datum			 start;
	Datum			 dims;	 /* names of its cube, or 0: not looked at */
	bool			 stale;	 /* its row must be written, */
	bool			 listed; /* .. with its clusters */
	FpBucketClusters clusters;
	FpHashes		 shared; /* those that shares are of, ascending */
	uint32			*number; /* .. and their number in the window */
} FailpatBucket;

typedef struct FailpatWindow
{
	MemoryContext cx;
	MemoryContext one_cx; /* reset after each bucket */
	const char	 *home;	  /* schema, quoted */
	Datum		  source;
	Datum		  starts; /* of the buckets: an array */
	int			  n;

	FailpatBucket *buckets;
	SPIPlanPtr	   one_cube;   /* reads that of a bucket */
	FpDict		   dims;	   /* of the source */
	bool		   other_dims; /* a bucket has others */

	FpDict		  by_conditions;
	int			  nasked;
	int			  capacity;
	FailpatAsked *asked;

	/* clusters that lie in several buckets, or did */
	uint32	nshared;
	int64  *sums; /* by number; zero between uses */
	uint32 *touched;
} FailpatWindow;

static inline uint8 *
failpat_put_varint(uint8 *at, uint64 value)
{
	for (; value >= 0x80; value >>= 7)
		*at++ = (uint8) (value | 0x80);
	*at++ = (uint8) value;
	return at;
}

static inline const uint8 *
failpat_get_varint(const uint8 *at, const uint8 *end, uint64 *value)
{
	*value = 0;
	for (int shift = 0; shift < 64 && at < end; shift += 7)
	{
		uint8 byte = *at++;

		*value |= (uint64) (byte & 0x7f) << shift;
		if (byte < 0x80)
			return at;
	}
	elog(ERROR, "what is kept of the clusters of a bucket is malformed");
	return NULL;
}

/* SPI_execute_with_args; the memory context stays */
extern void failpat_window_run(const char *sql, int nargs, Oid *types,
							   Datum *args, const char *nulls);

/* the same of the source and its buckets */
extern void failpat_window_run_all(FailpatWindow *window, const char *sql);

/* that combination, which is added where it is new; the array may move */
extern FailpatAsked *failpat_window_ask(FailpatWindow *window,
										Jsonb		  *conditions);

/* Reads what is kept in fp_bucket_counts, and the source's dimensions. */
extern void failpat_window_read(FailpatWindow *window);

/*
 * Writes it: what was asked for now, and what was asked for earlier as long as
 * that is not more, so that what comes and goes is not counted again each time.
 */
extern void failpat_window_keep(FailpatWindow *window);

/*
 * Lists the clusters of buckets of which that is not kept, and joins those of
 * all; where more are shared than was known, what was counted is forgotten.
 */
extern FpClusters *failpat_window_clusters(FailpatWindow *window);

/* Counts combinations in the buckets in which they are not known. */
extern void failpat_window_count(FailpatWindow		 *window,
								 FailpatAsked *const *list, int n);

/* The clusters of all buckets together, of a combination known in all. */
extern void failpat_window_join(FailpatWindow *window, FailpatAsked *asked);

#endif /* FAILPAT_WINDOW_H */
