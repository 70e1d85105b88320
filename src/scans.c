/*-------------------------------------------------------------------------
 *
 * scans.c
 *		The cells of a cube that is a value of the server, and their sum.
 *
 * Of a cube that is stored as bytes, only the columns that are needed are
 * unpacked, while they are read.
 *
 * All memory is of the caller's context.  Takes no locks.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "cubes.h"
#include "scans.h"

PG_FUNCTION_INFO_V1(failpat_cube_sum);

FpScan *
failpat_scan(Datum datum, Jsonb *conditions, const Datum names[FP_SCAN_DIMS],
			 bool checks, MemoryContext cx)
{
	FpPackedCube   *packed = MemoryContextAlloc(cx, sizeof(FpPackedCube));
	struct varlena *bytes;
	FpCube		   *cube;
	FpCondition		list[FP_MAX_DIMS + 1];
	bool			possible;
	bool			stored = failpat_cube_open(datum, cx, packed, &bytes);
	int				dims[FP_SCAN_DIMS];
	int				n;

	cube = stored ? packed->head : failpat_cube_from_datum(datum, cx);
	conditions = failpat_known_conditions(cube, conditions, &possible);
	if (!possible)
		return NULL;
	n = failpat_cube_conditions(cube, conditions, list);
	for (int i = 0; i < FP_SCAN_DIMS; i++)
	{
		dims[i] = -1;
		if (names[i] != (Datum) 0)
		{
			text *name = DatumGetTextPP(names[i]);

			dims[i] = fp_cube_find_dim(cube, VARDATA_ANY(name),
									   VARSIZE_ANY_EXHDR(name));
		}
	}
	return stored ? fp_scan_packed(cx, packed, list, n, dims, checks)
				  : fp_scan_cube(cx, cube, list, n, dims, checks);
}

/*
 * fp_cube_sum(cube, conditions jsonb, "check" text) -> bigint[]
 *
 * {failures, trials} of what meets conditions, NULL where nothing does; the
 * failures of a check, where one is given.  Sums cannot overflow: the cube's
 * totals do not.
 */
Datum
failpat_cube_sum(PG_FUNCTION_ARGS)
{
	const Datum none[FP_SCAN_DIMS] = {0};
	int64		failures = 0;
	int64		trials = 0;
	FpText		check;
	bool		by_check = !PG_ARGISNULL(2);
	FpScan	   *scan;
	Datum		sums[2];

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		PG_RETURN_NULL();
	if (by_check)
	{
		text *name = PG_GETARG_TEXT_PP(2);

		check.data = VARDATA_ANY(name);
		check.len = VARSIZE_ANY_EXHDR(name);
	}
	scan = failpat_scan(PG_GETARG_DATUM(0), PG_GETARG_JSONB_P(1), none,
						by_check, CurrentMemoryContext);
	while (scan && fp_scan_next_of(scan, by_check ? &check : NULL))
		for (uint32 i = 0; i < scan->n; i++)
		{
			failures += scan->failures[i];
			trials += scan->trials[i];
		}
	if (trials == 0)
		PG_RETURN_NULL();
	sums[0] = Int64GetDatum(failures);
	sums[1] = Int64GetDatum(trials);
	PG_RETURN_ARRAYTYPE_P(construct_array(sums, 2, INT8OID, sizeof(int64),
										  FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
}
