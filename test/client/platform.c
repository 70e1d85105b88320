/*
 * platform.c
 *		Speaks to failpat as the platform's API layer does.
 *
 * The platform's driver (sqlx, host-platform.md 2.3) prepares each statement
 * on the server with the types of its own variables, asks for everything in
 * binary, and decodes strictly: an int8 where it expects int4 is an error.  So
 * does this program, with libpq: for each statement it declares the parameter
 * types, compares the described column names and types with those that the
 * platform's structs have, runs it with binary parameters, and checks lengths
 * and values of the binary result.
 *
 * usage: platform CONNINFO		the search_path and the data are the caller's
 *
 * Prints one line a check, "ok - ..." or "not ok - ...", and leaves with the
 * number of failures.
 */
#include <arpa/inet.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libpq-fe.h>

enum
{
	INT8 = 20,
	INT4 = 23,
	TEXT = 25,
	FLOAT8 = 701,
	TIMESTAMPTZ = 1184,
	JSONB = 3802
};

typedef struct Column
{
	const char *name;
	Oid			type;
	bool		nullable;
} Column;

static const Column pattern_columns[] = {
	{"id", INT8, false},
	{"pattern_key", TEXT, false},
	{"description", TEXT, true},
	{"dimension_workflow_id", INT8, true},
	{"dimension_lora_id", INT8, true},
	{"dimension_avatar_id", INT8, true},
	{"dimension_scene_type_id", INT8, true},
	{"dimension_segment_position", TEXT, true},
	{"failure_count", INT4, false},
	{"total_count", INT4, false},
	{"failure_rate", FLOAT8, false},
	{"severity", TEXT, false},
	{"last_occurrence", TIMESTAMPTZ, true},
	{"created_at", TIMESTAMPTZ, false},
	{"updated_at", TIMESTAMPTZ, false},
	{NULL, 0, false}};

#define P                                                                        \
	"id, pattern_key, description, dimension_workflow_id, dimension_lora_id, "   \
	"dimension_avatar_id, dimension_scene_type_id, dimension_segment_position, " \
	"failure_count, total_count, failure_rate, severity, last_occurrence, "      \
	"created_at, updated_at"

static const Column fix_columns[] = {{"id", INT8, false},
									 {"pattern_id", INT8, false},
									 {"fix_description", TEXT, false},
									 {"fix_parameters", JSONB, true},
									 {"effectiveness", TEXT, true},
									 {"reported_by_id", INT8, false},
									 {"created_at", TIMESTAMPTZ, false},
									 {"updated_at", TIMESTAMPTZ, false},
									 {NULL, 0, false}};

#define F                                                              \
	"id, pattern_id, fix_description, fix_parameters, effectiveness, " \
	"reported_by_id, created_at, updated_at"

static const Column json_column[] = {{NULL, JSONB, false}, {NULL, 0, false}};
static const Column nothing[] = {{NULL, 0, false}};

#define MAX_PARAMS 12

/* Parameters of one statement, in binary. */
typedef struct Params
{
	int			n;
	Oid			types[MAX_PARAMS];
	char		data[MAX_PARAMS][256];
	const char *values[MAX_PARAMS];
	int			lengths[MAX_PARAMS];
	int			formats[MAX_PARAMS];
} Params;

static PGconn *conn;
static int	   failures;

static void
check(bool good, const char *what, const char *detail)
{
	printf("%s - %s%s%s\n", good ? "ok" : "not ok", what, good ? "" : ": ",
		   good ? "" : detail);
	failures += !good;
}

static void
die(const char *what)
{
	printf("not ok - %s: %s\n", what, PQerrorMessage(conn));
	exit(failures + 1);
}

static char *
slot(Params *p, Oid type, int length)
{
	int i = p->n++;

	p->types[i] = type;
	p->values[i] = p->data[i];
	p->lengths[i] = length;
	p->formats[i] = 1;
	return p->data[i];
}

static void
big_endian(char *to, uint64_t value, int bytes)
{
	for (int i = 0; i < bytes; i++)
		to[i] = (char) (value >> (8 * (bytes - 1 - i)));
}

static uint64_t
from_big_endian(const char *from, int bytes)
{
	uint64_t value = 0;

	for (int i = 0; i < bytes; i++)
		value = value << 8 | (unsigned char) from[i];
	return value;
}

static void
add_int(Params *p, Oid type, int64_t value)
{
	int bytes = type == INT8 ? 8 : 4;

	big_endian(slot(p, type, bytes), (uint64_t) value, bytes);
}

static void
add_float(Params *p, double value)
{
	uint64_t bits;

	memcpy(&bits, &value, sizeof(bits));
	big_endian(slot(p, FLOAT8, 8), bits, 8);
}

static void
add_text(Params *p, const char *value)
{
	strcpy(slot(p, TEXT, (int) strlen(value)), value);
}

/* jsonb on the wire is a version number and text */
static void
add_json(Params *p, const char *value)
{
	char *to = slot(p, JSONB, (int) strlen(value) + 1);

	to[0] = 1;
	strcpy(to + 1, value);
}

static void
add_null(Params *p, Oid type)
{
	slot(p, type, 0);
	p->values[p->n - 1] = NULL;
}

static bool
well_formed(const PGresult *result, int row, int column, Oid type)
{
	int			length = PQgetlength(result, row, column);
	const char *value = PQgetvalue(result, row, column);

	switch (type)
	{
		case INT4:
			return length == 4;
		case INT8:
		case FLOAT8:
		case TIMESTAMPTZ:
			return length == 8;
		case JSONB:
			return length > 1 && value[0] == 1;
		default:
			return type == TEXT;
	}
}

/*
 * Prepares, describes, compares with what the platform's struct has, executes
 * and checks every value's form.  The result is the caller's.
 */
static PGresult *
run(const char *what, const char *statement, Params *p, const Column *want,
	int rows)
{
	static Params none;
	PGresult	 *result;
	char		  detail[512] = "";
	int			  columns = 0;

	if (p == NULL)
		p = &none;
	result = PQprepare(conn, "", statement, p->n, p->types);
	if (PQresultStatus(result) != PGRES_COMMAND_OK)
		die(what);
	PQclear(result);

	result = PQdescribePrepared(conn, "");
	while (want[columns].type != 0)
		columns++;
	if (PQnfields(result) != columns || PQnparams(result) != p->n)
		snprintf(detail, sizeof(detail), "%d columns, %d parameters",
				 PQnfields(result), PQnparams(result));
	for (int c = 0; c < columns && detail[0] == '\0'; c++)
		if (PQftype(result, c) != want[c].type ||
			(want[c].name != NULL &&
			 strcmp(PQfname(result, c), want[c].name) != 0))
			snprintf(detail, sizeof(detail),
					 "column %s is of type %u, not %s of %u",
					 PQfname(result, c), PQftype(result, c),
					 want[c].name ? want[c].name : "any", want[c].type);
	PQclear(result);

	result =
		PQexecPrepared(conn, "", p->n, p->values, p->lengths, p->formats, 1);
	if (PQresultStatus(result) != PGRES_TUPLES_OK &&
		PQresultStatus(result) != PGRES_COMMAND_OK)
		die(what);
	if (PQntuples(result) != rows && detail[0] == '\0')
		snprintf(detail, sizeof(detail), "%d rows, not %d", PQntuples(result),
				 rows);
	for (int r = 0; r < PQntuples(result) && detail[0] == '\0'; r++)
		for (int c = 0; c < columns; c++)
			if (PQgetisnull(result, r, c)
					? !want[c].nullable
					: !well_formed(result, r, c, want[c].type))
				snprintf(detail, sizeof(detail),
						 "row %d: bad value in column %s", r,
						 PQfname(result, c));
	check(detail[0] == '\0', what, detail);
	return result;
}

static int64_t
int_at(const PGresult *result, int row, const char *column)
{
	int		 c = PQfnumber(result, column);
	int		 length = PQgetlength(result, row, c);
	uint64_t bits = from_big_endian(PQgetvalue(result, row, c), length);

	return length == 4 ? (int32_t) bits : (int64_t) bits;
}

static double
float_at(const PGresult *result, int row, const char *column)
{
	uint64_t bits =
		from_big_endian(PQgetvalue(result, row, PQfnumber(result, column)), 8);
	double value;

	memcpy(&value, &bits, sizeof(value));
	return value;
}

static bool
text_is(const PGresult *result, int row, const char *column, const char *want)
{
	int c = PQfnumber(result, column);

	return PQgetlength(result, row, c) == (int) strlen(want) &&
		   memcmp(PQgetvalue(result, row, c), want, strlen(want)) == 0;
}

/* the six calls that answer in JSON: one jsonb, never NULL */
static void
run_json(const char *what, const char *statement, Params *p,
		 const char *contains)
{
	PGresult *result = run(what, statement, p, json_column, 1);
	char	  detail[512];

	snprintf(detail, sizeof(detail), "no %s in %.300s", contains,
			 PQgetvalue(result, 0, 0) + 1);
	check(strstr(PQgetvalue(result, 0, 0) + 1, contains) != NULL, contains,
		  detail);
	PQclear(result);
}

int
main(int argc, char **argv)
{
	PGresult *result;
	int64_t	  pattern;
	int64_t	  fix;

	if (argc != 2)
		return 2;
	setvbuf(stdout, NULL, _IOLBF, 0);
	conn = PQconnectdb(argv[1]);
	if (PQstatus(conn) != CONNECTION_OK)
		die("connect");

	/* 7: the upsert, new and again */
	for (int round = 1; round <= 2; round++)
	{
		Params p = {0};

		add_text(&p, "w:5:l:3:c:12:st:7:sp:6+");
		if (round == 1)
			add_text(&p, "by the platform");
		else
			add_null(&p, TEXT);
		add_int(&p, INT8, 5);
		add_int(&p, INT8, 3);
		add_int(&p, INT8, 12);
		add_int(&p, INT8, 7);
		add_text(&p, "6+");
		add_int(&p, INT4, 5 + round);
		add_int(&p, INT4, 10);
		add_float(&p, (5 + round) / 10.0);
		add_text(&p, "high");
		result = run(
			"7 upsert",
			"INSERT INTO failure_patterns (pattern_key, description, "
			"dimension_workflow_id, dimension_lora_id, dimension_avatar_id, "
			"dimension_scene_type_id, dimension_segment_position, failure_count, "
			"total_count, failure_rate, severity, last_occurrence) "
			"VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, now()) "
			"ON CONFLICT (pattern_key) DO UPDATE SET "
			"description = COALESCE(EXCLUDED.description, failure_patterns.description), "
			"failure_count = EXCLUDED.failure_count, total_count = EXCLUDED.total_count, "
			"failure_rate = EXCLUDED.failure_rate, severity = EXCLUDED.severity, "
			"last_occurrence = now() RETURNING " P,
			&p, pattern_columns, 1);
		pattern = int_at(result, 0, "id");
		check(int_at(result, 0, "failure_count") == 5 + round &&
				  float_at(result, 0, "failure_rate") == (5 + round) / 10.0 &&
				  int_at(result, 0, "dimension_avatar_id") == 12 &&
				  text_is(result, 0, "description", "by the platform") &&
				  text_is(result, 0, "dimension_segment_position", "6+"),
			  round == 1 ? "7 its values"
						 : "7 counts replaced, description kept",
			  "other values");
		PQclear(result);
	}

	/* 1 and 5: the list, with and without a severity */
	{
		Params p = {0};
		Params q = {0};

		add_text(&p, "high");
		add_int(&p, INT8, 100);
		add_int(&p, INT8, 0);
		result = run("1, 5 list by severity",
					 "SELECT " P " FROM failure_patterns WHERE severity = $1 "
					 "ORDER BY failure_rate DESC LIMIT $2 OFFSET $3",
					 &p, pattern_columns, 2);
		check(float_at(result, 0, "failure_rate") >=
				  float_at(result, 1, "failure_rate"),
			  "1 highest rate first", "another order");
		PQclear(result);
		add_int(&q, INT8, 20);
		add_int(&q, INT8, 0);
		PQclear(run(
			"1 list",
			"SELECT " P
			" FROM failure_patterns ORDER BY failure_rate DESC LIMIT $1 OFFSET $2",
			&q, pattern_columns, 2));
	}

	/* 2, 4: one by its id; 3: the heatmap; 6: by workflow */
	{
		Params p = {0};
		Params q = {0};

		add_int(&p, INT8, pattern);
		PQclear(run("2, 4 get",
					"SELECT " P " FROM failure_patterns WHERE id = $1", &p,
					pattern_columns, 1));
		PQclear(run(
			"3 heatmap",
			"SELECT " P
			" FROM failure_patterns WHERE dimension_workflow_id IS NOT NULL "
			"AND dimension_avatar_id IS NOT NULL ORDER BY failure_rate DESC",
			NULL, pattern_columns, 1));
		add_int(&q, INT8, 5);
		PQclear(run("6 by workflow",
					"SELECT " P
					" FROM failure_patterns WHERE dimension_workflow_id = $1 "
					"ORDER BY failure_rate DESC",
					&q, pattern_columns, 1));
	}

	/* 9 to 12: fixes */
	{
		Params p = {0};
		Params q = {0};
		Params r = {0};

		add_int(&p, INT8, pattern);
		add_text(&p, "CFG 6");
		add_json(&p, "{\"cfg\": 6}");
		add_null(&p, TEXT);
		add_int(&p, INT8, 1);
		result = run(
			"9 create a fix",
			"INSERT INTO pattern_fixes (pattern_id, fix_description, fix_parameters, "
			"effectiveness, reported_by_id) VALUES ($1, $2, $3, $4, $5) RETURNING " F,
			&p, fix_columns, 1);
		fix = int_at(result, 0, "id");
		check(strcmp(PQgetvalue(result, 0,
								PQfnumber(result, "fix_parameters")) +
						 1,
					 "{\"cfg\": 6}") == 0,
			  "9 its parameters", "others");
		PQclear(result);
		add_int(&q, INT8, pattern);
		PQclear(run(
			"10 list fixes",
			"SELECT " F
			" FROM pattern_fixes WHERE pattern_id = $1 ORDER BY created_at DESC",
			&q, fix_columns, 1));
		add_text(&r, "resolved");
		add_int(&r, INT8, fix);
		result = run(
			"11 rate a fix",
			"UPDATE pattern_fixes SET effectiveness = $1 WHERE id = $2 RETURNING " F,
			&r, fix_columns, 1);
		check(text_is(result, 0, "effectiveness", "resolved"),
			  "11 it is rated", "not");
		PQclear(result);
	}

	/* the calls that answer in the API's shapes */
	{
		Params list = {0};
		Params one = {0};
		Params alerts = {0};
		Params trends = {0};
		Params map = {0};

		add_int(&list, INT8, 20);
		add_int(&list, INT8, 0);
		add_text(&list, "high");
		run_json("fp_api_patterns", "SELECT fp_api_patterns($1, $2, $3)",
				 &list, "\"pattern_key\": \"w:5:l:3:c:12:st:7:sp:6+\"");
		add_int(&one, INT8, pattern);
		run_json("fp_api_pattern", "SELECT fp_api_pattern($1)", &one,
				 "\"dimension_avatar_id\": 12");
		run_json("fp_api_fixes", "SELECT fp_api_fixes($1)", &one,
				 "\"fix_description\": \"CFG 6\"");
		add_null(&alerts, INT8);
		add_int(&alerts, INT8, 5);
		run_json("fp_api_alerts", "SELECT fp_api_alerts($1, $2)", &alerts,
				 "\"message\": \"Character 5 fails");
		add_int(&trends, INT8, 1);
		add_int(&trends, INT4, 90);
		run_json("fp_api_trends", "SELECT fp_api_trends($1, $2)", &trends,
				 "\"sample_count\":");
		add_text(&map, "workflow");
		add_text(&map, "avatar");
		run_json("fp_api_heatmap", "SELECT fp_api_heatmap($1, $2)", &map,
				 "\"sample_count\":");
	}

	/* 12, 8: and away again */
	{
		Params p = {0};
		Params q = {0};

		add_int(&p, INT8, fix);
		result =
			run("12 delete a fix", "DELETE FROM pattern_fixes WHERE id = $1",
				&p, nothing, 0);
		check(strcmp(PQcmdTuples(result), "1") == 0, "12 one row",
			  PQcmdTuples(result));
		PQclear(result);
		add_int(&q, INT8, pattern);
		result =
			run("8 delete a pattern",
				"DELETE FROM failure_patterns WHERE id = $1", &q, nothing, 0);
		check(strcmp(PQcmdTuples(result), "1") == 0, "8 one row",
			  PQcmdTuples(result));
		PQclear(result);
	}
	PQfinish(conn);
	return failures;
}
