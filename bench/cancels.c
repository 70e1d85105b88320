/*-------------------------------------------------------------------------
 *
 * cancels.c
 *		How soon a statement ends when it is cancelled.
 *
 * usage: cancels TIMES STATEMENT [BEFORE]
 *
 * Runs the statement once to its end, in one session that lasts, and then
 * TIMES times, cancelling each at a random moment before that, as Ctrl-C in
 * psql does.  BEFORE is run before each, to its end.  Prints a line of
 *
 *	whole run in ms, cancelled runs, and of the times in ms from the request
 *	to the server's answer: median, 90 %, greatest, when in the run that was
 *
 * and the worst five to stderr.  Seeded; connects as libpq's variables say.
 * Any error but the cancellation ends it with status 1.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef struct Latency
{
	double ms;
	double at;
} Latency;

static double
now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double) t.tv_sec * 1e3 + (double) t.tv_nsec / 1e6;
}

static int
compare(const void *a, const void *b)
{
	double x = ((const Latency *) a)->ms;
	double y = ((const Latency *) b)->ms;

	return (x > y) - (x < y);
}

static void
fail(PGconn *conn)
{
	fprintf(stderr, "cancels: %s", PQerrorMessage(conn));
	exit(1);
}

/* waits for the end of what was sent; was it cancelled? */
static int
finish(PGconn *conn)
{
	int		  cancelled = 0;
	PGresult *result;

	while ((result = PQgetResult(conn)) != NULL)
	{
		if (PQresultStatus(result) == PGRES_FATAL_ERROR)
		{
			const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);

			if (state == NULL || strcmp(state, "57014") != 0)
				fail(conn);
			cancelled = 1;
		}
		PQclear(result);
	}
	return cancelled;
}

static void
before(PGconn *conn, int argc, char **argv)
{
	if (argc <= 3)
		return;
	PQsendQuery(conn, argv[3]);
	if (finish(conn))
		fail(conn);
}

static void
ignore_notice(void *arg, const PGresult *result)
{
	(void) arg;
	(void) result;
}

int
main(int argc, char **argv)
{
	PGconn	 *conn = PQconnectdb("");
	int		  times = argc > 2 ? atoi(argv[1]) : 0;
	Latency	 *all = calloc((size_t) times + 1, sizeof(Latency));
	int		  n = 0;
	double	  whole;
	PGcancel *cancel;

	if (times <= 0 || all == NULL)
		return 2;
	if (PQstatus(conn) != CONNECTION_OK)
		fail(conn);
	PQsetNoticeReceiver(conn, ignore_notice, NULL);
	cancel = PQgetCancel(conn);
	before(conn, argc, argv);
	whole = now_ms();
	PQsendQuery(conn, argv[2]);
	finish(conn);
	whole = now_ms() - whole;
	srand(1);
	for (int i = 0; i < times; i++)
	{
		double			at = whole * rand() / ((double) RAND_MAX + 1);
		struct timespec pause = {(time_t) (at / 1e3),
								 (long) (at * 1e6) % 1000000000L};
		char			error[256];
		double			start;

		before(conn, argc, argv);
		PQsendQuery(conn, argv[2]);
		nanosleep(&pause, NULL);
		start = now_ms();
		PQcancel(cancel, error, sizeof(error));
		if (finish(conn))
		{
			all[n].ms = now_ms() - start;
			all[n++].at = at;
		}
	}
	if (n == 0)
		return 1;
	qsort(all, n, sizeof(Latency), compare);
	printf("%.0f %d %.1f %.1f %.1f %.0f\n", whole, n, all[n / 2].ms,
		   all[n * 9 / 10].ms, all[n - 1].ms, all[n - 1].at);
	for (int i = n - 1; i >= 0 && i >= n - 5; i--)
		fprintf(stderr, "%.1f ms at %.0f\n", all[i].ms, all[i].at);
	PQfinish(conn);
	return 0;
}
