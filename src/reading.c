/*-------------------------------------------------------------------------
 *
 * reading.c
 *		Reads what belongs to others, as its owner: views of sources, names.
 *
 * What a view and the tables below it contain is their owners' to decide, and
 * some of it runs when it is read: functions in the view, policies, and what
 * the planner computes beforehand (expressions of indexes, of statistics).
 * None of that may run with the rights of whoever writes a score, calls
 * fp_backfill or refreshes, so every reading is done as the view's owner, with
 * the restrictions that keep a function from outliving it, and with a safe
 * search_path.  The same goes for the tables that values have their names
 * from and that events are read from; of those nobody learns more by it than
 * what they may read themselves.
 *
 * Memory: the caller's context, and SPI's for the rows.
 * Locks: those of reading the view.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/relation.h"
#include "access/transam.h"
#include "access/xact.h"
#include "catalog/pg_class.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "pgtime.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/bytea.h"
#include "utils/float.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/rls.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/tuplestore.h"
#include "utils/typcache.h"

#include "capture.h"

PG_FUNCTION_INFO_V1(failpat_source_keys);
PG_FUNCTION_INFO_V1(failpat_source_size);
PG_FUNCTION_INFO_V1(failpat_read_labels);
PG_FUNCTION_INFO_V1(failpat_read_rows);
PG_FUNCTION_INFO_V1(failpat_row_json_sql);

static void
set_for_reading(const char *name, const char *value)
{
	(void) set_config_option(name, value, PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
}

/*
 * Sets what decides how values are printed, to the end of the subtransaction
 * or level of settings, so that a date that is a dimension or a key has one
 * text, whoever reads it.  zone: that of the source's buckets, or NULL.
 */
void
failpat_print_alike(text *zone)
{
	if (DateStyle != USE_ISO_DATES)
		set_for_reading("datestyle", "ISO");
	if (IntervalStyle != INTSTYLE_POSTGRES)
		set_for_reading("intervalstyle", "postgres");
	if (extra_float_digits != 1)
		set_for_reading("extra_float_digits", "1");
	if (bytea_output != BYTEA_OUTPUT_HEX)
		set_for_reading("bytea_output", "hex");
	if (zone != NULL)
	{
		const char *is = pg_get_timezone_name(session_timezone);

		if (strlen(is) != VARSIZE_ANY_EXHDR(zone) ||
			memcmp(is, VARDATA_ANY(zone), VARSIZE_ANY_EXHDR(zone)) != 0)
			set_for_reading("timezone", text_to_cstring(zone));
	}
}

/* Becomes the owner of something, with settings under which that is safe. */
void
failpat_become_owner(Oid owner, text *zone, FailpatCaller *caller)
{
	GetUserIdAndSecContext(&caller->user, &caller->context);
	SetUserIdAndSecContext(owner, caller->context |
									  SECURITY_LOCAL_USERID_CHANGE |
									  SECURITY_RESTRICTED_OPERATION);
	caller->nest = NewGUCNestLevel();
	set_for_reading("search_path", "pg_catalog, pg_temp");
	/* "off" makes an error of a reading that a policy restricts */
	if (!row_security)
		set_for_reading("row_security", "on");
	failpat_print_alike(zone);
}

/* The caller again, with the settings from before. */
void
failpat_become_caller(FailpatCaller *caller)
{
	AtEOXact_GUC(false, caller->nest);
	SetUserIdAndSecContext(caller->user, caller->context);
}

/*
 * Reads the view for some keys; sets SPI_tuptable.  The current user is the
 * view's owner.  Before: as if this transaction had done nothing yet.
 */
static void
read_view(FailpatSource *source, FailpatPlan *plan, Datum *keys, int n,
		  bool before)
{
	Datum	   array;
	Snapshot   snapshot;
	ArrayType *built;

	built = construct_array(keys, n, source->key_type, source->key_len,
							source->key_byval, source->key_align);
	array = PointerGetDatum(built);
	if (!plan->planned || !SPI_plan_is_valid(plan->plan))
	{
		/*
		 * The plan is made for a few keys and kept: it must go by indexes,
		 * also when it is made while the tables are small or have no
		 * statistics yet.
		 */
		static const char *const off[] = {"enable_seqscan", "enable_hashjoin",
										  "enable_mergejoin", "enable_memoize",
										  "jit"};

		for (int i = 0; i < lengthof(off); i++)
			set_for_reading(off[i], "off");
		plan->planned = true;
	}
	CommandCounterIncrement();
	snapshot = RegisterSnapshot(GetLatestSnapshot());
	if (before)
		snapshot->curcid = FirstCommandId; /* a copy, and ours */
	if (SPI_execute_snapshot(plan->plan, &array, NULL, snapshot,
							 InvalidSnapshot, true, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "SPI_execute_snapshot failed");
	UnregisterSnapshot(snapshot);
}

/* failed_checks in one form: by their bytes, each once, none NULL */
static Datum
canonical_checks(Datum array)
{
	ArrayType *checks = DatumGetArrayTypeP(array);
	Datum	  *texts;
	bool	  *nulls;
	int		   n;
	int		   kept = 0;

	if (ARR_NDIM(checks) == 0)
		return PointerGetDatum(construct_empty_array(TEXTOID));
	deconstruct_array(checks, TEXTOID, -1, false, TYPALIGN_INT, &texts, &nulls,
					  &n);
	for (int i = 0; i < n; i++)
		if (!nulls[i])
			texts[kept++] = texts[i];
	return failpat_text_set(texts, kept);
}

/*
 * The columns that a query of the source has selected are of the types that
 * they had when it was attached: whoever alters the view may have put others
 * under their names.
 */
static void
check_columns(FailpatSource *source, TupleDesc desc)
{
	static const char *const names[] = {"source_key",  "obs_key",
										"failed",	   "failed_checks",
										"observed_at", "job",
										"dims"};
	const Oid types[] = {source->key_type, TEXTOID, BOOLOID, TEXTARRAYOID,
						 TIMESTAMPTZOID,   TEXTOID, JSONBOID};

	for (int i = 0; i < desc->natts; i++)
	{
		Oid type = SPI_gettypeid(desc, i + 1);

		if (type != types[i] && (i > 0 || getBaseType(type) != types[i]))
			ereport(
				ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("column %s of the view of source \"%s\" must be of "
						"type %s, not %s",
						names[i], source->name, format_type_be(types[i]),
						format_type_be(type)),
				 errhint("Give it that type again, or fp_detach and "
						 "fp_attach the source: what was learnt stays, "
						 "and what waits is read then.")));
	}
}

/*
 * Adds rows of the view, as a source's plans select them, to the n in seen,
 * which has room for all; returns the new number.  Values stay where they are,
 * in the rows.  The current user is the view's owner.
 */
int
failpat_take_rows(FailpatSource *source, SPITupleTable *rows, uint64 nrows,
				  bool outcome_only, FailpatSeen *seen, int n)
{
	/* not the statement's: it may be a CALL or a COPY of hours */
	TimestampTz now = GetCurrentTimestamp();

	check_columns(source, rows->tupdesc);
	for (uint64 i = 0; i < nrows; i++)
	{
		FailpatSeen *row = &seen[n];
		Datum		 values[7];
		bool		 isnull[7];

		heap_deform_tuple(rows->vals[i], rows->tupdesc, values, isnull);
		/* no identity, or not judged yet */
		if (isnull[0] || isnull[1] || isnull[2])
			continue;
		row->source_key = CStringGetTextDatum(
			OutputFunctionCall(&source->key_out, values[0]));
		row->obs_key = values[1];
		row->failed = DatumGetBool(values[2]);
		row->failed_checks =
			isnull[3] ? PointerGetDatum(construct_empty_array(TEXTOID))
					  : canonical_checks(values[3]);
		row->outcome_only = outcome_only;
		row->job_isnull = true;
		if (!outcome_only)
		{
			/*
			 * One at no time, or at an infinite one, is of now.  So is one
			 * that a clock has dated ahead: nothing has been judged yet that
			 * is still to come, and a single one in fifty years would be the
			 * newest of all until then.
			 */
			row->observed_at =
				isnull[4] ||
						TIMESTAMP_NOT_FINITE(DatumGetTimestampTz(values[4])) ||
						DatumGetTimestampTz(values[4]) > now
					? TimestampTzGetDatum(now)
					: values[4];
			row->job_isnull = isnull[5];
			row->job = isnull[5] ? (Datum) 0 : values[5];
			row->dims = PointerGetDatum(PG_DETOAST_DATUM(values[6]));
		}
		row->settled = true;
		n++;
	}
	return n;
}

/*
 * Adds the rows of the view for some keys to the n in *result, and the SPI
 * result that they point into to *tables; returns the new number.
 *
 * plan is one of the source's two.  Before: as the rows were before this
 * transaction.  SPI is connected.  Raises whatever the view raises.
 */
int
failpat_see(FailpatSource *source, FailpatPlan *plan, Datum *keys, int nkeys,
			FailpatSeen **result, int n, bool before, List **tables)
{
	FailpatSeen	 *seen;
	FailpatCaller caller;

	failpat_become_owner(source->view_owner, source->zone, &caller);
	read_view(source, plan, keys, nkeys, before);
	*tables = lappend(*tables, SPI_tuptable);
	seen = palloc_array(FailpatSeen, n + SPI_processed + 1);
	if (n > 0)
		memcpy(seen, *result, n * sizeof(FailpatSeen));
	n = failpat_take_rows(source, SPI_tuptable, SPI_processed,
						  plan == &source->outcome, seen, n);
	failpat_become_caller(&caller);
	*result = seen;
	return n;
}

/* "schema.relation" */
char *
failpat_relation_name(Oid relid)
{
	return quote_qualified_identifier(get_namespace_name(
										  get_rel_namespace(relid)),
									  get_rel_name(relid));
}

/*
 * fp_source_keys(source text, after text, at_most integer) -> text[]
 *
 * The next keys of the view, ascending, with repeats; NULL after starts with
 * the first.
 */
Datum
failpat_source_keys(PG_FUNCTION_ARGS)
{
	MemoryContext	 cx = CurrentMemoryContext;
	Oid				 schema = get_func_namespace(fcinfo->flinfo->fn_oid);
	ArrayBuildState *keys = initArrayResult(TEXTOID, cx, false);
	FailpatSource	*source;
	StringInfoData	 sql;
	Oid				 types[1];
	Datum			 args[1] = {(Datum) 0};
	bool			 first = PG_ARGISNULL(1);
	FailpatCaller	 caller;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(2))
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
						errmsg("source and at_most must not be NULL")));
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	source = failpat_source(schema, text_to_cstring(PG_GETARG_TEXT_PP(0)));
	source->in_use++;
	failpat_become_owner(source->view_owner, source->zone, &caller);
	types[0] = source->key_type;
	initStringInfo(&sql);
	appendStringInfo(&sql,
					 "SELECT v.source_key FROM %s v WHERE v.source_key %s "
					 "ORDER BY v.source_key LIMIT %d",
					 failpat_relation_name(source->view),
					 first ? "IS NOT NULL"
						   : psprintf("OPERATOR(%s) $1",
									  failpat_key_operator(source->key_type,
														   TYPECACHE_GT_OPR)),
					 Max(PG_GETARG_INT32(2), 0));
	if (!first)
		args[0] = InputFunctionCall(&source->key_in,
									text_to_cstring(PG_GETARG_TEXT_PP(1)),
									source->key_ioparam, -1);
	if (SPI_execute_with_args(sql.data, first ? 0 : 1, types, args, NULL, true,
							  0) != SPI_OK_SELECT)
		elog(ERROR, "SPI_execute_with_args failed");
	check_columns(source, SPI_tuptable->tupdesc);
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		bool  isnull;
		Datum key = SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc,
								  1, &isnull);

		keys = accumArrayResult(keys,
								CStringGetTextDatum(
									OutputFunctionCall(&source->key_out, key)),
								false, TEXTOID, cx);
	}
	failpat_become_caller(&caller);
	source->in_use--;
	SPI_finish();
	PG_RETURN_DATUM(makeArrayResult(keys, cx));
}

/*
 * fp_source_size(source text, at_most integer) -> integer
 *
 * How many rows the view has; no more than at_most are looked at.
 */
Datum
failpat_source_size(PG_FUNCTION_ARGS)
{
	Oid			   schema = get_func_namespace(fcinfo->flinfo->fn_oid);
	FailpatSource *source;
	FailpatCaller  caller;
	bool		   isnull;
	int64		   size;

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	source = failpat_source(schema, text_to_cstring(PG_GETARG_TEXT_PP(0)));
	source->in_use++;
	failpat_become_owner(source->view_owner, source->zone, &caller);
	if (SPI_execute(psprintf("SELECT pg_catalog.count(*) FROM "
							 "(SELECT FROM %s LIMIT %d) part",
							 failpat_relation_name(source->view),
							 Max(PG_GETARG_INT32(1), 0)),
					true, 0) != SPI_OK_SELECT)
		elog(ERROR, "SPI_execute failed");
	size = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0],
									   SPI_tuptable->tupdesc, 1, &isnull));
	failpat_become_caller(&caller);
	source->in_use--;
	SPI_finish();
	PG_RETURN_INT32((int32) size);
}

static bool
may_use_schema(Oid schema, Oid user)
{
#if PG_VERSION_NUM >= 160000
	return object_aclcheck(NamespaceRelationId, schema, user, ACL_USAGE) ==
		   ACLCHECK_OK;
#else
	return pg_namespace_aclcheck(schema, user, ACL_USAGE) == ACLCHECK_OK;
#endif
}

/*
 * Becomes the owner of a table to read these columns of it (0 ends them; none
 * means all); false, and nothing is changed, where that is not to be: where it
 * is missing, or where the caller may not read them.  Where policies restrict
 * what the caller sees, the caller stays.
 */
static bool
become_reader(Oid relid, const AttrNumber *columns, FailpatCaller *caller)
{
	Oid		  user = GetUserId();
	HeapTuple tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
	Oid		  owner;
	Oid		  schema;

	if (!HeapTupleIsValid(tuple))
		return false;
	owner = ((Form_pg_class) GETSTRUCT(tuple))->relowner;
	schema = ((Form_pg_class) GETSTRUCT(tuple))->relnamespace;
	ReleaseSysCache(tuple);
	if (!may_use_schema(schema, user) || !may_use_schema(schema, owner))
		return false;
	if (pg_class_aclcheck(relid, user, ACL_SELECT) != ACLCHECK_OK)
	{
		if (columns[0] == 0)
			return false;
		for (; *columns != 0; columns++)
			if (pg_attribute_aclcheck(relid, *columns, user, ACL_SELECT) !=
				ACLCHECK_OK)
				return false;
	}
	if (check_enable_rls(relid, InvalidOid, true) == RLS_ENABLED)
		owner = user;
	failpat_become_owner(owner, NULL, caller);
	return true;
}

/*
 * fp_read_labels(label_table oid, label_key text, label_column text,
 *				  vals text[]) -> (key text, name text)
 *
 * The names of some values; none where the table cannot be read.  They are
 * printed, not cast: a cast of a type of the platform's is a function of its
 * owner's, too.
 */
Datum
failpat_read_labels(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	Oid			   relid = PG_GETARG_OID(0);
	char		  *key = text_to_cstring(PG_GETARG_TEXT_PP(1));
	char		  *name = text_to_cstring(PG_GETARG_TEXT_PP(2));
	AttrNumber columns[3] = {get_attnum(relid, key), get_attnum(relid, name),
							 0};
	Oid		   types[1] = {TEXTARRAYOID};
	Datum	   args[1] = {PG_GETARG_DATUM(3)};
	FailpatCaller caller;
	const char	 *k = quote_identifier(key);
	const char	 *sql;

	InitMaterializedSRF(fcinfo, 0);
	if (columns[0] == 0 || columns[1] == 0 ||
		!become_reader(relid, columns, &caller))
		return (Datum) 0;
	switch (get_atttype(relid, columns[0]))
	{
		case INT2OID:
		case INT4OID:
		case INT8OID:
			sql = psprintf("t.%s = ANY (ARRAY(SELECT v::bigint FROM unnest($1)"
						   " v WHERE v ~ '^-?[0-9]{1,18}$'))",
						   k);
			break;
		default:
			sql = psprintf("format('%%s', t.%s) = ANY ($1)", k);
	}
	sql =
		psprintf("SELECT format('%%s', t.%s), "
				 "nullif(format('%%s', t.%s), '') FROM %s t WHERE %s",
				 k, quote_identifier(name), failpat_relation_name(relid), sql);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	if (SPI_execute_with_args(sql, 1, types, args, NULL, true, 0) !=
		SPI_OK_SELECT)
		elog(ERROR, "SPI_execute_with_args failed");
	for (uint64 i = 0; i < SPI_processed; i++)
		tuplestore_puttuple(result->setResult, SPI_tuptable->vals[i]);
	SPI_finish();
	failpat_become_caller(&caller);
	return (Datum) 0;
}

/*
 * The SQL expression that makes JSON of a row: columns of the server's own
 * types as to_jsonb does, others printed, for the reason given above.
 */
static char *
row_json_sql(Oid relid, const char *alias)
{
	Relation	   rel = try_relation_open(relid, AccessShareLock);
	TupleDesc	   desc;
	StringInfoData sql;
	const char	  *separator = "";

	if (rel == NULL)
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_TABLE),
						errmsg("there is no relation with OID %u", relid)));
	desc = RelationGetDescr(rel);
	alias = quote_identifier(alias);
	initStringInfo(&sql);
	appendStringInfoString(
		&sql, "(SELECT pg_catalog.jsonb_object_agg(c.k, c.v) FROM (VALUES ");
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute attr = TupleDescAttr(desc, i);
		const char		 *column;

		if (attr->attisdropped)
			continue;
		column =
			psprintf("%s.%s", alias, quote_identifier(NameStr(attr->attname)));
		appendStringInfo(&sql, "%s(%s::pg_catalog.text, ", separator,
						 quote_literal_cstr(NameStr(attr->attname)));
		if (attr->atttypid < FirstNormalObjectId)
			appendStringInfo(&sql, "pg_catalog.to_jsonb(%s))", column);
		else
			appendStringInfo(&sql,
							 "CASE WHEN %s IS NOT NULL THEN pg_catalog."
							 "to_jsonb(pg_catalog.format('%%s', %s)) END)",
							 column, column);
		separator = ", ";
	}
	appendStringInfoString(&sql, ") c (k, v))");
	relation_close(rel, NoLock);
	return sql.data;
}

/* fp_row_json_sql(relation oid, alias text) -> text */
Datum
failpat_row_json_sql(PG_FUNCTION_ARGS)
{
	char *alias = text_to_cstring(PG_GETARG_TEXT_PP(1));

	PG_RETURN_TEXT_P(cstring_to_text(row_json_sql(PG_GETARG_OID(0), alias)));
}

/*
 * fp_read_rows(relation oid) -> setof jsonb
 *
 * All rows of a table that the caller may read.
 */
Datum
failpat_read_rows(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	Oid			   relid = PG_GETARG_OID(0);
	AttrNumber	   all[1] = {0};
	FailpatCaller  caller;
	const char	  *sql;

	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	if (!become_reader(relid, all, &caller))
		ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
						errmsg("permission denied for table %s",
							   get_rel_name(relid))));
	sql = psprintf("SELECT %s FROM %s t", row_json_sql(relid, "t"),
				   failpat_relation_name(relid));
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	if (SPI_execute(sql, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "SPI_execute failed");
	for (uint64 i = 0; i < SPI_processed; i++)
		tuplestore_puttuple(result->setResult, SPI_tuptable->vals[i]);
	SPI_finish();
	failpat_become_caller(&caller);
	return (Datum) 0;
}
