/*-------------------------------------------------------------------------
 *
 * source.c
 *		What a backend knows of each source: its configuration and plan.
 *
 * Owns a hash of sources by name, for the life of the backend.  What an entry
 * points to lives in a context of its own below CacheMemoryContext, and its
 * plan in the plan cache; both are freed when the entry is read again.  An
 * entry is marked invalid, never freed, by the relcache callback: when the
 * source view, our tables or (by the trigger on fp_sources and fp_dimensions)
 * the configuration change; and by that of schemas, as the plans name the
 * view's.  Takes no locks but those of reading catalogs and fp_sources.
 *
 * Copyright (c) 2026, the failpat authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_operator.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/typcache.h"

#include "capture.h"
#include "cube/cube.h"
#include "saved_plan.h"

static HTAB *sources = NULL;

/* relation of the configuration; a change of it invalidates every source */
static Oid config_relid = InvalidOid;

PG_FUNCTION_INFO_V1(failpat_source_changed);

/* Marks what depends on a relation as invalid; InvalidOid means all. */
static void
relcache_changed(Datum arg, Oid relid)
{
	HASH_SEQ_STATUS scan;
	FailpatSource  *source;

	if (sources == NULL)
		return;
	hash_seq_init(&scan, sources);
	while ((source = hash_seq_search(&scan)) != NULL)
	{
		if (relid == InvalidOid || relid == config_relid ||
			relid == source->view || relid == source->observations ||
			relid == source->dirty || relid == source->pending)
		{
			source->valid = false;
			source->changed = true;
		}
	}
}

/* The plans name schemas: the view's, those of operators. */
static void
schema_changed(Datum arg, int cache, uint32 hash)
{
	relcache_changed(arg, InvalidOid);
}

/* An aborted capture leaves its mark; there is none at the end. */
static void
transaction_ended(XactEvent event, void *arg)
{
	HASH_SEQ_STATUS scan;
	FailpatSource  *source;

	if (sources == NULL ||
		(event != XACT_EVENT_COMMIT && event != XACT_EVENT_ABORT &&
		 event != XACT_EVENT_PREPARE))
		return;
	hash_seq_init(&scan, sources);
	while ((source = hash_seq_search(&scan)) != NULL)
		source->in_use = 0;
}

/* The hash and its callbacks, made when the first source is asked for. */
static void
source_init(void)
{
	HASHCTL ctl;

	if (sources != NULL)
		return;
	memset(&ctl, 0, sizeof(ctl));
	ctl.keysize = NAMEDATALEN;
	ctl.entrysize = sizeof(FailpatSource);
	ctl.hcxt = CacheMemoryContext;
	sources = hash_create("failpat sources", 8, &ctl,
						  HASH_ELEM | HASH_STRINGS | HASH_CONTEXT);
	CacheRegisterRelcacheCallback(relcache_changed, (Datum) 0);
	CacheRegisterSyscacheCallback(NAMESPACEOID, schema_changed, (Datum) 0);
	RegisterXactCallback(transaction_ended, NULL);
}

/* One of our tables in the extension's schema. */
static Oid
own_table(Oid schema, const char *name)
{
	Oid relid = get_relname_relid(name, schema);

	if (!OidIsValid(relid))
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_TABLE),
						errmsg("failpat's table %s is missing", name)));
	return relid;
}

/* Owner of a relation; what names it where it is missing. */
Oid
failpat_relation_owner(Oid relid, const char *what)
{
	HeapTuple tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
	Oid		  owner;

	if (!HeapTupleIsValid(tuple))
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_TABLE),
						errmsg("%s is missing", what)));
	owner = ((Form_pg_class) GETSTRUCT(tuple))->relowner;
	ReleaseSysCache(tuple);
	return owner;
}

/*
 * Appends the expression that builds dims from the view's columns, given the
 * rows (name, kind, type) of fp_dimensions.  jsonb_build_object takes a
 * hundred arguments at most, so the object is joined from pieces.
 */
static void
append_dims(StringInfo sql, SPITupleTable *dims, uint64 ndims)
{
	const int piece = 40;

	appendStringInfoString(sql, "pg_catalog.jsonb_strip_nulls(");
	for (uint64 i = 0; i < ndims; i++)
	{
		char	   *name = SPI_getvalue(dims->vals[i], dims->tupdesc, 1);
		char	   *kind = SPI_getvalue(dims->vals[i], dims->tupdesc, 2);
		char	   *type = SPI_getvalue(dims->vals[i], dims->tupdesc, 3);
		const char *column = psprintf("v.%s", quote_identifier(name));

		if (i % piece == 0)
			appendStringInfo(sql, "%spg_catalog.jsonb_build_object(",
							 i > 0 ? ") OPERATOR(pg_catalog.||) " : "");
		else
			appendStringInfoString(sql, ", ");
		appendStringInfo(sql, "%s, ", quote_literal_cstr(name));
		if (strcmp(kind, "set") == 0)

			/*
			 * More members than a cube takes are as good as not recorded;
			 * one such row must not keep its whole bucket from being counted.
			 */
			appendStringInfo(
				sql,
				"CASE WHEN pg_catalog.cardinality(%s) "
				"OPERATOR(pg_catalog.<=) 16 THEN pg_catalog.array_remove("
				"%s::pg_catalog.text[], NULL) END",
				column, column);
		else if (strcmp(kind, "ordinal") == 0)
		{
			/* NaN and infinities have no place in a range */
			if (strcmp(type, "i") == 0)
				appendStringInfoString(sql, column);
			else
				appendStringInfo(sql,
								 "CASE WHEN %s::pg_catalog.float8 "
								 "OPERATOR(pg_catalog.>=) -1e300 AND "
								 "%s::pg_catalog.float8 "
								 "OPERATOR(pg_catalog.<=) 1e300 THEN %s END",
								 column, column, column);
		}
		else
			appendStringInfo(sql, "%s::pg_catalog.text", column);
	}
	appendStringInfoString(sql, "))");
}

/* Runs a query on our tables with a fresh snapshot; the result is in SPI_*. */
static void
read_config(const char *sql, const char *name)
{
	Oid		   types[1] = {TEXTOID};
	Datum	   args[1] = {CStringGetTextDatum(name)};
	SPIPlanPtr plan = SPI_prepare(sql, 1, types);
	Snapshot   snapshot;

	if (plan == NULL)
		elog(ERROR, "SPI_prepare failed: %s",
			 SPI_result_code_string(SPI_result));
	snapshot = RegisterSnapshot(GetLatestSnapshot());
	if (SPI_execute_snapshot(plan, args, NULL, snapshot, InvalidSnapshot, true,
							 false, 0) != SPI_OK_SELECT)
		elog(ERROR, "SPI_execute_snapshot failed");
	UnregisterSnapshot(snapshot);
	SPI_freeplan(plan);
}

/* The view's own type of a key, and all that comparing and printing needs. */
static void
load_key_type(FailpatSource *source)
{
	AttrNumber		attno = get_attnum(source->view, "source_key");
	Oid				in;
	Oid				out;
	bool			is_varlena;
	TypeCacheEntry *type;
	int32			typmod;

	if (attno == InvalidAttrNumber)
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_COLUMN),
						errmsg("source view %s has no column source_key",
							   get_rel_name(source->view))));
	get_atttypetypmodcoll(source->view, attno, &source->key_type, &typmod,
						  &source->key_collation);
	source->key_type = getBaseType(source->key_type);
	get_typlenbyvalalign(source->key_type, &source->key_len,
						 &source->key_byval, &source->key_align);
	getTypeOutputInfo(source->key_type, &out, &is_varlena);
	fmgr_info_cxt(out, &source->key_out, source->cx);
	getTypeInputInfo(source->key_type, &in, &source->key_ioparam);
	fmgr_info_cxt(in, &source->key_in, source->cx);
	type = lookup_type_cache(source->key_type, TYPECACHE_CMP_PROC);
	if (!OidIsValid(type->cmp_proc))
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_FUNCTION),
						errmsg("source_key of type %s cannot be sorted",
							   format_type_be(source->key_type))));
	fmgr_info_cxt(type->cmp_proc, &source->key_cmp, source->cx);
}

/*
 * "schema.operator" of a type that a key has: TYPECACHE_EQ_OPR or
 * TYPECACHE_GT_OPR.
 */
char *
failpat_key_operator(Oid type, int which)
{
	TypeCacheEntry	*entry = lookup_type_cache(type, which);
	Oid				 oid;
	HeapTuple		 tuple;
	Form_pg_operator op;
	char			*result;

	oid = which == TYPECACHE_GT_OPR ? entry->gt_opr : entry->eq_opr;
	if (!OidIsValid(oid))
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_FUNCTION),
						errmsg("source_key of type %s cannot be compared",
							   format_type_be(type))));
	tuple = SearchSysCache1(OPEROID, ObjectIdGetDatum(oid));
	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for operator %u", oid);
	op = (Form_pg_operator) GETSTRUCT(tuple);
	result = psprintf("%s.%s",
					  quote_identifier(get_namespace_name(op->oprnamespace)),
					  NameStr(op->oprname));
	ReleaseSysCache(tuple);
	return result;
}

/* What the outcome is told by; what else is read follows it. */
#define OUTCOME \
	"v.source_key, v.obs_key::pg_catalog.text, v.failed, v.failed_checks"

/*
 * Prepares one reading of the view, of these columns.  The current user is the
 * view's owner.
 */
static void
prepare(FailpatSource *source, FailpatPlan *result, const char *columns)
{
	StringInfoData sql;
	Oid			   array_type = get_array_type(source->key_type);

	if (!OidIsValid(array_type))
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT),
						errmsg("source_key of type %s has no array type",
							   format_type_be(source->key_type))));
	initStringInfo(&sql);
	appendStringInfo(&sql,
					 "SELECT %s FROM %s v "
					 "WHERE v.source_key OPERATOR(%s) ANY ($1)",
					 columns, failpat_relation_name(source->view),
					 failpat_key_operator(source->key_type, TYPECACHE_EQ_OPR));
	result->plan = failpat_prepare(sql.data, 1, &array_type);
	result->planned = false;
}

/* Reads the configuration of one source; SPI is connected. */
static void
load(FailpatSource *source, Oid schema)
{
	const char	  *home = quote_identifier(get_namespace_name(schema));
	StringInfoData sql;
	bool		   isnull;
	Oid			   save_user;
	int			   save_context;
	Relation	   rel;
	HeapTuple	   row;
	TupleDesc	   desc;
	SPITupleTable *dims;
	uint64		   ndims;
	StringInfoData full;

	config_relid = own_table(schema, "fp_sources");
	source->observations = own_table(schema, "fp_observations");
	source->dirty = own_table(schema, "fp_dirty");
	source->pending = own_table(schema, "fp_pending");
	failpat_check_tables(source->observations, source->dirty, source->pending);
	source->owner =
		failpat_relation_owner(source->observations, "fp_observations");
	rel = table_open(source->observations, AccessShareLock);
	source->observations_pk = RelationGetPrimaryKeyIndex(rel
#if PG_VERSION_NUM >= 180000
														 ,
														 false
#endif
	);
	table_close(rel, AccessShareLock);
	if (!OidIsValid(source->observations_pk))
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT),
						errmsg("fp_observations has lost its primary key")));

	GetUserIdAndSecContext(&save_user, &save_context);
	SetUserIdAndSecContext(source->owner, save_context |
											  SECURITY_LOCAL_USERID_CHANGE |
											  SECURITY_RESTRICTED_OPERATION);
	initStringInfo(&sql);
	appendStringInfo(&sql,
					 "SELECT observations::pg_catalog.oid, refresh, bucket, "
					 "bucket_zone FROM %s.fp_sources "
					 "WHERE source OPERATOR(pg_catalog.=) $1",
					 home);
	read_config(sql.data, source->name);
	if (SPI_processed == 0)
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT),
						errmsg("there is no source \"%.*s\"",
							   fp_clip(source->name, strlen(source->name)),
							   source->name)));
	row = SPI_tuptable->vals[0];
	desc = SPI_tuptable->tupdesc;
	source->view = DatumGetObjectId(SPI_getbinval(row, desc, 1, &isnull));
	if (isnull)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("source \"%s\" is not attached", source->name)));
	if (!SearchSysCacheExists1(RELOID, ObjectIdGetDatum(source->view)))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("the view of source \"%s\" has been dropped",
						source->name),
				 errhint("Create it again, then fp_detach and fp_attach the "
						 "source: what was learnt stays, and the keys that "
						 "wait are read then.")));
	source->sync = strcmp(SPI_getvalue(row, desc, 2), "sync") == 0;
	source->async = strcmp(SPI_getvalue(row, desc, 2), "async") == 0;
	source->bucket = *DatumGetIntervalP(SPI_getbinval(row, desc, 3, &isnull));
	{
		MemoryContext old = MemoryContextSwitchTo(source->cx);

		source->zone = cstring_to_text(SPI_getvalue(row, desc, 4));
		MemoryContextSwitchTo(old);
	}
	source->view_owner = failpat_relation_owner(
		source->view, psprintf("the view of source \"%s\"", source->name));
	load_key_type(source);

	resetStringInfo(&sql);
	appendStringInfo(
		&sql,
		"SELECT d.name, d.kind, "
		"CASE WHEN a.atttypid OPERATOR(pg_catalog.=) ANY "
		"('{int2,int4,int8}'::pg_catalog.regtype[]) THEN 'i' ELSE 'f' END "
		"FROM %s.fp_dimensions d JOIN pg_catalog.pg_attribute a "
		"ON a.attrelid OPERATOR(pg_catalog.=) %u "
		"AND a.attname OPERATOR(pg_catalog.=) d.name "
		"AND a.attnum OPERATOR(pg_catalog.>) 0 "
		"WHERE d.source OPERATOR(pg_catalog.=) $1 ORDER BY d.position, d.name",
		home, source->view);
	read_config(sql.data, source->name);
	dims = SPI_tuptable;
	ndims = SPI_processed;
	if (ndims == 0)
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT),
						errmsg("the view of source \"%s\" has none of its "
							   "dimensions",
							   source->name)));

	source->ndims = (int) ndims;
	source->has_job = get_attnum(source->view, "job") != InvalidAttrNumber;
	/* The view is read as its owner: see reading.c. */
	SetUserIdAndSecContext(source->view_owner,
						   save_context | SECURITY_LOCAL_USERID_CHANGE |
							   SECURITY_RESTRICTED_OPERATION);
	initStringInfo(&full);
	appendStringInfo(&full, OUTCOME ", v.observed_at, %s::pg_catalog.text, ",
					 source->has_job ? "v.job" : "NULL");
	append_dims(&full, dims, ndims);
	source->columns = MemoryContextStrdup(source->cx, full.data);
	prepare(source, &source->full, full.data);
	prepare(source, &source->outcome, OUTCOME);
	SetUserIdAndSecContext(save_user, save_context);
}

/*
 * The source of that name, its configuration read if need be.
 *
 * schema is the extension's.  SPI must be connected.  Raises an error where
 * the source is not attached or its view has gone.  The caller raises in_use
 * for as long as it relies on the entry.
 */
FailpatSource *
failpat_source(Oid schema, const char *name)
{
	FailpatSource *source;
	bool		   found;
	char		   key[NAMEDATALEN];

	source_init();
	if (strlen(name) >= NAMEDATALEN)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("source \"%.*s\" has too long a name",
							   fp_clip(name, strlen(name)), name)));
	memset(key, 0, sizeof(key));
	strlcpy(key, name, sizeof(key));
	source = hash_search(sources, key, HASH_ENTER, &found);
	if (!found)
	{
		memset((char *) source + NAMEDATALEN, 0,
			   sizeof(FailpatSource) - NAMEDATALEN);
	}
	if (source->valid)
		return source;

	/* A capture that still uses the old contents (a view whose functions write
	 * scores) keeps them; they are lost rather than freed under its hands. */
	if (source->in_use == 0)
	{
		if (source->full.plan != NULL)
			SPI_freeplan(source->full.plan);
		if (source->outcome.plan != NULL)
			SPI_freeplan(source->outcome.plan);
		if (source->cx != NULL)
			MemoryContextDelete(source->cx);
	}
	source->full.plan = source->outcome.plan = NULL;
	source->cx = AllocSetContextCreate(CacheMemoryContext, "failpat source",
									   ALLOCSET_SMALL_SIZES);
	source->changed = false;
	load(source, schema);
	/* what changed while we read is read the next time */
	source->valid = !source->changed;
	return source;
}

/*
 * failpat_source_changed: statement trigger of the configuration tables.
 *
 * All backends forget what they know of sources once this commits.
 */
Datum
failpat_source_changed(PG_FUNCTION_ARGS)
{
	TriggerData *trigdata = (TriggerData *) fcinfo->context;
	Oid			 relid;

	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR, (errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
						errmsg("fp_source_changed must be called as a "
							   "trigger")));
	relid = get_relname_relid("fp_sources",
							  RelationGetNamespace(trigdata->tg_relation));
	if (OidIsValid(relid))
		CacheInvalidateRelcacheByRelid(relid);
	return PointerGetDatum(NULL);
}

/*
 * Whether a source may be in refresh mode async, as far as this backend knows
 * without reading anything.
 */
bool
failpat_maybe_async(const char *name)
{
	FailpatSource *source = NULL;

	if (sources != NULL && strlen(name) < NAMEDATALEN)
		source = hash_search(sources, name, HASH_FIND, NULL);
	return source == NULL || source->cx == NULL || source->async;
}
