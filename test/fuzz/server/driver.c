/*-------------------------------------------------------------------------
 *
 * driver.c
 *		libFuzzer within a server, for what reads by the server's own means:
 *		the text of a cube (its JSON parser), observations and conditions as
 *		jsonb, and options.  test/tools/fuzz links this into failpat's library, with
 *		what libFuzzer needs to see which code is reached, and calls
 *
 *			failpat_fuzz(target text, arguments text[])
 *
 *		in a server of one process, which does not return: libFuzzer ends the
 *		process.
 *
 * An error of the user's is an answer; an internal one (XX000), a failed check
 * of ASan or UBSan, a crash or a wrong answer is a finding.
 *
 * Memory: a context that is emptied before each input.  No locks.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

extern int LLVMFuzzerRunDriver(int *argc, char ***argv,
							   int (*callback)(const uint8_t *data,
											   size_t		  size));

PG_FUNCTION_INFO_V1(failpat_fuzz);

/*
 * What an input is tried with: $1 is its text.  The answer, where it is not an
 * error, must be true.
 */
static const struct
{
	const char *name;
	const char *sql;
} targets[] = {
	/* what was read and is written again is the same cube */
	{"text", "SELECT c = c::text::failure_cube FROM "
			 "(SELECT $1::failure_cube AS c OFFSET 0) x"},
	/* an observation; the cube of it is read back from its text */
	{"jsonb",
	 "SELECT c = c::text::failure_cube AND c = rollup_of.c2 FROM "
	 "(SELECT failure_cube(g > 1, $1::jsonb, '{position}', '{job}',"
	 " '{heat}') AS c FROM generate_series(1, 2) g) x, LATERAL "
	 "(SELECT rollup(y) AS c2 FROM (SELECT failure_cube(g > 1, $1::jsonb,"
	 " '{position}', '{job}', '{heat}') AS y FROM generate_series(1, 2) g"
	 " GROUP BY g) z) rollup_of"},
	/* conditions: a part of a cube is no more than the cube */
	{"conditions",
	 "SELECT coalesce((SELECT sum(trials) FROM fp_totals(fp_slice(c, $1::jsonb)))"
	 " <= (SELECT sum(trials) FROM fp_totals(c)), true)"
	 " AND (fp_conditions_met('{\"model\": \"2\", \"lora\": [\"3\", \"7\"],"
	 " \"position\": \"6\"}', $1::jsonb, '{position}') IS NOT NULL)"
	 " AND fp_pattern_text($1::jsonb) IS NOT NULL"
	 " AND fp_pattern_key($1::jsonb) IS NOT NULL FROM fuzz_cube"},
	/* what a cube is mined with, an item each: "3,0.05,20,1.2,worse,blur" */
	{"options",
	 "SELECT (SELECT count(*) >= 0 AND coalesce(bool_and(p.trials >= o[3]::int"
	 " AND p.arity <= o[1]::int), true)"
	 " FROM fp_patterns(c, o[1]::int, o[2]::float8, o[3]::int, o[4]::float8,"
	 " o[5], o[6]) p) FROM fuzz_cube, string_to_array($1, ',', '') o"},
};

static SPIPlanPtr	 plan;
static MemoryContext input_cx;

static int
one_input(const uint8_t *data, size_t size)
{
	MemoryContext outer = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	char		 *text;
	Datum		  args[1];

	/* no text of ours has another encoding, nor a zero byte */
	if (memchr(data, 0, size) != NULL ||
		!pg_verify_mbstr(GetDatabaseEncoding(), (const char *) data,
						 (int) size, true))
		return 0;
	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(input_cx);
	PG_TRY();
	{
		bool  isnull;
		Datum answer;

		text = pnstrdup((const char *) data, size);
		args[0] = CStringGetTextDatum(text);
		if (SPI_execute_plan(plan, args, NULL, true, 0) != SPI_OK_SELECT ||
			SPI_processed != 1)
			abort();
		answer = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1,
							   &isnull);
		if (!isnull && !DatumGetBool(answer))
		{
			fprintf(stderr, "a wrong answer\n");
			abort();
		}
		SPI_freetuptable(SPI_tuptable);
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		ErrorData *error;

		MemoryContextSwitchTo(input_cx);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		if (error->sqlerrcode == ERRCODE_INTERNAL_ERROR)
		{
			fprintf(stderr, "an internal error: %s\n", error->message);
			abort();
		}
	}
	PG_END_TRY();
	MemoryContextSwitchTo(outer);
	CurrentResourceOwner = owner;
	MemoryContextReset(input_cx);
	return 0;
}

/* failpat_fuzz(target text, arguments text[]) */
Datum
failpat_fuzz(PG_FUNCTION_ARGS)
{
	char  *name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	Oid	   types[1] = {TEXTOID};
	Datum *given;
	int	   ngiven;
	char **argv;
	int	   argc;

	deconstruct_array(PG_GETARG_ARRAYTYPE_P(1), TEXTOID, -1, false,
					  TYPALIGN_INT, &given, NULL, &ngiven);
	argv = palloc0_array(char *, ngiven + 2);
	argv[0] = name;
	for (argc = 1; argc <= ngiven; argc++)
		argv[argc] = TextDatumGetCString(given[argc - 1]);
	input_cx = AllocSetContextCreate(TopMemoryContext, "failpat fuzz",
									 ALLOCSET_DEFAULT_SIZES);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	for (int i = 0; i < (int) lengthof(targets); i++)
		if (strcmp(targets[i].name, name) == 0)
			plan = SPI_prepare(targets[i].sql, 1, types);
	if (plan == NULL)
		ereport(ERROR, (errmsg("there is no target %s", name)));
	LLVMFuzzerRunDriver(&argc, &argv, one_input);
	SPI_finish();
	PG_RETURN_VOID();
}
