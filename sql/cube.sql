-- failure_cube: all forms of the aggregate, kinds of dimensions, reading, text
-- and binary form, errors. Random data is compared with GROUP BY.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS failpat;
RESET client_min_messages;
\pset null '(null)'

-- By hand: a cube of four observations, in two combinations.
CREATE TEMP TABLE small (failed boolean, model int, lora text[], segment numeric, checks text[]);
INSERT INTO small VALUES
  (true, 2, '{7,3,7,NULL}', 10, '{hands,face,hands}'),
  (false, 2, '{3,7}', 10.0, '{hands}'),
  (true, 2, '{3,7}', 10, NULL),
  (false, 1, '{}', NULL, '{}'),
  (NULL, 9, '{9}', 9, '{nine}');
SELECT failure_cube(failed, s, '{segment}', '{}', checks)
FROM (SELECT model, lora, segment, failed, checks FROM small) t, LATERAL (SELECT model, lora, segment) s;
SELECT jsonb_pretty(failure_cube(failed, s, '{segment}', NULL, checks)::jsonb)
FROM small, LATERAL (SELECT model, lora, segment) s;

-- No rows, or only rows without outcome: the empty cube, which is neutral.
SELECT failure_cube(failed, s) FROM small, LATERAL (SELECT model) s WHERE false;
SELECT failure_cube(NULL, '{"model": 1}'::jsonb);
SELECT rollup(c) FROM (VALUES (NULL::failure_cube)) v(c);
CREATE TEMP TABLE empty AS SELECT failure_cube(NULL, '{}'::jsonb) AS c;
SELECT t.* FROM empty, fp_totals(c) t;
SELECT t.* FROM empty, fp_totals(c, 'model') t;
SELECT fp_slice(c, '{"model": 1}') FROM empty;
SELECT count(*) FROM empty, fp_cube_dims(c);
SELECT (SELECT rollup(u.c) FROM (SELECT c FROM empty UNION ALL SELECT k UNION ALL SELECT c FROM empty) u) = k AS neutral FROM (SELECT failure_cube(failed, s) AS k FROM small, LATERAL (SELECT model, lora) s) t;

-- NULL dims: a trial of which nothing is recorded. Absent and null are the same.
SELECT failure_cube(f, d) FROM (VALUES (true, '{"b": 1}'::jsonb), (false, NULL), (true, '{}'),
  (false, '{"b": null}'), (true, '{"a": "x"}')) v(f, d);
SELECT failure_cube(f, d) FROM (VALUES (true, NULL::small), (false, NULL)) v(f, d);

-- Kinds of JSON values: strings, numbers as written, booleans; a scalar beside
-- arrays is a set of one, in whatever order they come.
SELECT failure_cube(true, d) FROM (VALUES ('{"x": "1"}'::jsonb), ('{"x": 1}'), ('{"x": 1.0}'), ('{"x": true}')) v(d);
WITH v(n, d) AS (VALUES (1, '{"x": "1"}'::jsonb), (2, '{"x": ["2", 1]}'), (3, '{"x": []}'), (4, '{"x": [null]}'), (5, '{"x": ["1"]}'), (6, '{"x": null}'))
SELECT (SELECT failure_cube(true, d ORDER BY n) FROM v) = (SELECT failure_cube(true, d ORDER BY n DESC) FROM v) AS same,
  (SELECT failure_cube(true, d) FROM v);

-- Types of columns: text as a cast writes it, but for times, which do not
-- depend on settings.
CREATE DOMAIN pg_temp.loras AS int[];
CREATE DOMAIN pg_temp.tag AS text;
CREATE TYPE pg_temp.mood AS ENUM ('sad', 'ok');
CREATE FUNCTION pg_temp.many_types() RETURNS failure_cube LANGUAGE sql AS $$
SELECT failure_cube(true, r) FROM (SELECT true AS "bool", 1::smallint AS "int2", 1.5::float8 AS "float8", 2.50::numeric AS "numeric",
  'x'::char(3) AS "bpchar", 'n'::name AS "name", 'ok'::pg_temp.mood AS "enum", 't'::pg_temp.tag AS "domain", '{2,1}'::pg_temp.loras AS "array domain",
  '{{a,b},{b,c}}'::varchar[] AS "matrix", '1 day'::interval AS "interval", '2026-01-02'::date AS "date", '2026-01-02 03:04:05'::timestamp AS "timestamp",
  '2026-01-02 03:04:05+02'::timestamptz AS "timestamptz", '{2026-01-02 03:04:05+02}'::timestamptz[] AS "timestamptz[]",
  '0b9c3f6e-4f7e-4f0e-8e0b-0d3d3b2d2f11'::uuid AS "uuid", '[1,2]'::jsonb AS "jsonb", (1, 'a') AS "row", ''::text AS "empty") r $$;
SELECT d.d->>'name' AS name, d.d->>'kind' AS kind, c.c->(d.n::int - 1) AS value
FROM (SELECT pg_temp.many_types()::text::jsonb AS j) j, jsonb_array_elements(j.j->'dims') WITH ORDINALITY d(d, n), (VALUES (0)) z(z), LATERAL (SELECT j.j->'cells'->0) c(c);
CREATE TEMP TABLE made AS SELECT pg_temp.many_types() AS c;
SET DateStyle = 'SQL, DMY'; SET TimeZone = 'Asia/Tokyo'; SET IntervalStyle = postgres;
SELECT c = pg_temp.many_types() AS "settings do not matter" FROM made;
RESET DateStyle; RESET TimeZone; RESET IntervalStyle;

-- A toasted and compressed value; dropped columns; a named row type.
CREATE TEMP TABLE wide (gone int, long text, more text[]);
ALTER TABLE wide DROP COLUMN gone;
INSERT INTO wide VALUES (repeat('long ', 20000), array_fill(repeat('y', 5000), ARRAY[1]) || array_fill('z'::text, ARRAY[40]));
INSERT INTO wide SELECT * FROM wide;
SELECT d.* FROM (SELECT failure_cube(true, w) AS c FROM wide w) t, fp_cube_dims(c) d;
SELECT c::text::failure_cube = c AS same, length(c::text) > 100000 AS long FROM (SELECT failure_cube(true, w) AS c FROM wide w) t;

-- Random data: 5,000 observations.
CREATE TEMP TABLE runs AS
SELECT i, (hashint8extended(i, 1) & 7) = 0 AS failed,
  NULLIF((hashint8extended(i, 2) & 7)::int, 7) AS model,
  CASE (hashint8extended(i, 3) & 15)::int WHEN 0 THEN NULL WHEN 1 THEN '{}'::int[]
    ELSE ARRAY[(hashint8extended(i, 4) & 7)::int, (hashint8extended(i, 5) & 3)::int] END AS lora,
  'person ' || (hashint8extended(i, 6) & 15) AS person,
  NULLIF((hashint8extended(i, 7) & 15)::int, 0) AS segment,
  'day ' || i / 500 AS day,
  CASE (hashint8extended(i, 8) & 3)::int WHEN 0 THEN '{hands}'::text[] WHEN 1 THEN '{face,hands}' WHEN 2 THEN '{}' END AS checks
FROM generate_series(1, 5000) i;
CREATE TEMP TABLE cubes AS
SELECT failure_cube(failed, r, '{segment}', '{day}', checks) AS by_record,
  failure_cube(failed, to_jsonb(r), '{segment}', '{day}', checks) AS by_jsonb,
  failure_cube(failed, jsonb_strip_nulls(to_jsonb(r)), '{segment}', '{day}', checks) AS by_stripped
FROM runs, LATERAL (SELECT day, lora, model, person, segment) r;
SELECT by_record = by_jsonb AS "record = jsonb", by_jsonb = by_stripped AS "null = absent",
  by_record <> by_jsonb AS "<>", hashtext(by_record::text) = hashtext(by_jsonb::text) AS text FROM cubes;
SELECT d.* FROM cubes, fp_cube_dims(by_record) d;
SELECT k.* FROM cubes, fp_cube_checks(by_record) k;
SELECT k AS "check", count(DISTINCT i) AS failures FROM runs, unnest(checks) k WHERE failed GROUP BY k ORDER BY k COLLATE "C";
SELECT trials, failures, round(rate::numeric, 6) AS rate, round(lower::numeric, 6) AS lower, round(upper::numeric, 6) AS upper
FROM cubes, fp_totals(by_record);
SELECT count(*), count(*) FILTER (WHERE failed) FROM runs;

-- Totals equal GROUP BY, whatever the dimensions; a set counts under each
-- member, the empty set and NULL stay apart.
CREATE FUNCTION pg_temp.differences(totals text, groups text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE n bigint;
BEGIN
  EXECUTE format('SELECT count(*) FROM (SELECT v, t, f FROM (%s) a FULL JOIN (%s) b USING (v, t, f) WHERE a.v IS NULL OR b.v IS NULL) d', totals, groups) INTO n;
  RETURN n;
END $$;
SELECT pg_temp.differences(
  $$SELECT "values" AS v, trials AS t, failures AS f FROM cubes, fp_totals(by_record, 'model', 'person')$$,
  $$SELECT jsonb_build_object('model', model::text, 'person', person) AS v, count(*) AS t, count(*) FILTER (WHERE failed) AS f FROM runs GROUP BY 1$$);
SELECT pg_temp.differences(
  $$SELECT "values" AS v, trials AS t, failures AS f FROM cubes, fp_totals(by_record, 'segment', 'lora')$$,
  $$SELECT jsonb_build_object('segment', segment, 'lora', l) AS v, count(*) AS t, count(*) FILTER (WHERE failed) AS f
    FROM runs, LATERAL (SELECT DISTINCT to_jsonb(l::text) FROM unnest(lora) l UNION ALL SELECT '[]' WHERE lora = '{}' UNION ALL SELECT 'null' WHERE lora IS NULL) s(l) GROUP BY 1$$);
SELECT pg_temp.differences(
  $$SELECT "values" AS v, trials AS t, failures AS f FROM cubes, fp_totals(by_record, VARIADIC '{day,lora,model,person,segment}')$$,
  $$SELECT v || jsonb_build_object('lora', l) AS v, t, f FROM (SELECT jsonb_build_object('day', day, 'model', model::text, 'person', person, 'segment', segment) AS v, l, count(*) AS t, count(*) FILTER (WHERE failed) AS f
    FROM runs, LATERAL (SELECT DISTINCT to_jsonb(l::text) FROM unnest(lora) l UNION ALL SELECT '[]' WHERE lora = '{}' UNION ALL SELECT 'null' WHERE lora IS NULL) s(l) GROUP BY 1, 2) g$$);
SELECT "values", trials, failures FROM cubes, fp_totals(by_record, 'lora');
SELECT "values", trials FROM cubes, fp_totals(by_record, VARIADIC '{}');
-- the sums of a dimension are the cube's
SELECT d.name, sum(t.trials), sum(t.failures) FROM cubes, fp_cube_dims(by_record) d, fp_totals(by_record, d.name) t WHERE d.kind <> 'set' GROUP BY d.name ORDER BY d.name COLLATE "C";

-- Slices equal WHERE.
CREATE FUNCTION pg_temp.sliced(conditions jsonb) RETURNS text LANGUAGE sql AS $$
  SELECT trials || ' trials, ' || failures || ' failures' FROM cubes, fp_totals(fp_slice(by_record, conditions)) $$;
SELECT pg_temp.sliced(c::jsonb) AS slice, (SELECT count(*) || ' trials, ' || count(*) FILTER (WHERE failed) || ' failures' FROM runs WHERE
  CASE n WHEN 1 THEN true WHEN 2 THEN model = 3 WHEN 3 THEN 2 = ANY (lora) WHEN 4 THEN lora @> '{1,3}' WHEN 5 THEN segment >= 6 WHEN 6 THEN segment BETWEEN 2 AND 3
    WHEN 7 THEN lora = '{}' WHEN 8 THEN model IS NULL WHEN 9 THEN person = 'person 4' AND segment = 7 WHEN 10 THEN day = 'day 3' AND segment <= 1 WHEN 11 THEN false WHEN 12 THEN false WHEN 13 THEN lora IS NULL END) AS "where", c AS conditions
FROM (VALUES (1, '{}'), (2, '{"model": 3}'), (3, '{"lora": "2"}'), (4, '{"lora": ["3", 1]}'), (5, '{"segment": {"min": 6}}'), (6, '{"segment": {"min": "2", "max": 3.5}}'), (7, '{"lora": []}'),
  (8, '{"model": null}'), (9, '{"person": ["person 4"], "segment": "7.0"}'), (10, '{"day": "day 3", "segment": {"max": 1}}'), (11, '{"model": "none", "segment": 1}'), (12, '{"segment": 99}'), (13, '{"lora": null}')) v(n, c)
ORDER BY n;
-- a row of fp_totals is a condition; a slice keeps the dimensions and drops unused values
SELECT bool_and((SELECT s.trials = t.trials AND s.failures = t.failures FROM fp_totals(fp_slice(by_record, t."values")) s))
FROM cubes, fp_totals(by_record, 'lora', 'model') t;
SELECT d.* FROM cubes, fp_cube_dims(fp_slice(by_record, '{"model": "1", "lora": ["1", "3"]}')) d;
SELECT d.* FROM cubes, fp_cube_dims(fp_slice(by_record, '{"model": "none"}')) d;

-- Pieces: by FILTER and GROUP BY, in parallel, and in a window.
SELECT rollup(c) = (SELECT by_record FROM cubes) AS "sum of pieces"
FROM (SELECT failure_cube(failed, r, '{segment}', '{day}', checks) AS c FROM runs, LATERAL (SELECT day, lora, model, person, segment) r GROUP BY i % 37) p;
SELECT rollup(rollup) = (SELECT by_record FROM cubes) AS "sum of sums"
FROM (SELECT rollup(c ORDER BY n DESC) FROM (SELECT i % 37 AS n, failure_cube(failed, r, '{segment}', '{day}', checks) AS c FROM runs, LATERAL (SELECT day, lora, model, person, segment) r GROUP BY i % 37) p GROUP BY n % 5) q;
SELECT failure_cube(failed, r) FILTER (WHERE i <= 100) = (SELECT failure_cube(failed, r) FROM runs, LATERAL (SELECT model, person) r WHERE i <= 100) AS filter,
  failure_cube(failed, r ORDER BY i DESC) = failure_cube(failed, r) AS "order"
FROM runs, LATERAL (SELECT model, person) r;
SELECT failure_cube(DISTINCT failed, r) AS distinct FROM runs, LATERAL (SELECT model % 2 AS odd) r WHERE model IS NOT NULL;
SELECT count(*) AS windows, count(*) FILTER (WHERE c = (SELECT failure_cube(failed, r) FROM runs, LATERAL (SELECT model, person) r WHERE i BETWEEN w.i - 2 AND w.i)) AS right
FROM (SELECT i, failure_cube(failed, r) OVER (ORDER BY i ROWS 2 PRECEDING) AS c FROM runs, LATERAL (SELECT model, person) r WHERE i <= 50) w;
SELECT count(*), count(DISTINCT c::text), sum(t.trials) FROM (SELECT failure_cube(failed, r) AS c FROM runs, LATERAL (SELECT model, person) r GROUP BY i % 1000) p, fp_totals(c) t;
SET work_mem = '64kB';
CREATE TEMP TABLE hashed AS SELECT i % 1000 AS n, failure_cube(failed, r) AS c FROM runs, LATERAL (SELECT model, person, lora) r GROUP BY 1;
SET enable_hashagg = off;
CREATE TEMP TABLE sorted AS SELECT i % 1000 AS n, failure_cube(failed, r) AS c FROM runs, LATERAL (SELECT model, person, lora) r GROUP BY 1;
RESET work_mem; RESET enable_hashagg;
SELECT count(*), count(*) FILTER (WHERE h.c = s.c) AS same, rollup(h.c) = (SELECT failure_cube(failed, r) FROM runs, LATERAL (SELECT model, person, lora) r) AS whole FROM hashed h JOIN sorted s USING (n);
CREATE TABLE runs_stored AS SELECT * FROM runs;
ANALYZE runs_stored;
SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0; SET max_parallel_workers_per_gather = 2;
SET parallel_leader_participation = off;
EXPLAIN (COSTS OFF) SELECT failure_cube(failed, ROW(model, person)) FROM runs_stored;
SELECT failure_cube(failed, ROW(day, lora, model, person, segment), '{f5}', '{f1}', checks) = (SELECT failure_cube(failed, ROW(day, lora, model, person, segment), '{f5}', '{f1}', checks) FROM runs) AS "parallel, record",
  failure_cube(failed, jsonb_strip_nulls(to_jsonb(runs_stored) - 'i' - 'failed' - 'checks'), '{segment}', '{day}', checks) = (SELECT by_jsonb FROM cubes) AS "parallel, jsonb",
  (SELECT count(*) FROM (SELECT i % 10, failure_cube(failed, ROW(model)) FROM runs_stored GROUP BY 1) g) AS groups
FROM runs_stored;
RESET parallel_setup_cost; RESET parallel_tuple_cost; RESET min_parallel_table_scan_size; RESET max_parallel_workers_per_gather; RESET parallel_leader_participation;
DROP TABLE runs_stored;

-- Counts instead of rows.
SELECT (SELECT by_record FROM cubes) = failure_cube(f, n, r, '{segment}', '{day}', checks) AS counted
FROM (SELECT day, lora, model, person, segment, checks, count(*) FILTER (WHERE failed) AS f, count(*) AS n FROM runs GROUP BY 1, 2, 3, 4, 5, 6) g,
  LATERAL (SELECT day, lora, model, person, segment) r;
SELECT (SELECT by_jsonb FROM cubes) = failure_cube(f, n, r, '{segment}', '{day}', checks) AS counted
FROM (SELECT to_jsonb(r) AS r, checks, count(*) FILTER (WHERE failed) AS f, count(*) AS n FROM runs, LATERAL (SELECT day, lora, model, person, segment) r GROUP BY 1, 2) g;
SELECT failure_cube(f, n, '{"a": 1}'::jsonb, NULL, NULL, '{x}') FROM (VALUES (0, 0), (NULL, 5), (5, NULL), (0, 3), (4, 9000000000)) v(f, n);

-- Dimensions that differ between pieces: by name; the same order stays.
SELECT rollup(c) FROM (SELECT failure_cube(true, r) AS c FROM (SELECT 1 AS b, 2 AS a) r UNION ALL SELECT failure_cube(true, r) FROM (SELECT 1 AS c, 2 AS b) r) p;
SELECT rollup(c) FROM (SELECT failure_cube(true, r) AS c FROM (SELECT 1 AS b, 2 AS a) r UNION ALL SELECT failure_cube(true, r) FROM (SELECT 1 AS b, 2 AS a) r UNION ALL SELECT failure_cube(false, NULL::jsonb)) p;
SELECT rollup(c) FROM (SELECT failure_cube(true, '{"x": "1"}'::jsonb) AS c UNION ALL SELECT failure_cube(true, '{"x": ["1", "2"]}'::jsonb)) p;

-- Text and binary; what is written reads back the same.
SELECT by_record::text::failure_cube = by_record AS text, by_jsonb::text::failure_cube = by_jsonb AS text2 FROM cubes;
SELECT '{"dims": [{"name": "ä\"\u00e4", "kind": "set"}, {"name": "p", "kind": "ordinal", "values": [5, 1e3]}], "cells": [[["b", "a", "b"], 2, 3, 1, {"hands": 1}], [null, 1, 1, 0], [["a", "b"], 2, 1, 1], ["c", null, 1, 0]]}'::failure_cube;
CREATE TEMP TABLE numbered AS SELECT failure_cube(i % 3 = 0, r, '{a}', '{}', CASE WHEN i % 2 = 0 THEN '{k}'::text[] END) AS c
FROM generate_series(1, 100001) i, LATERAL (SELECT i AS a, ARRAY[i % 3, i % 5] AS b, i % 7 AS c) r;
SELECT left(c::text, 60), c::text::failure_cube = c AS same, length(c::text) FROM numbered;
CREATE TEMP TABLE copied (c failure_cube);
CREATE FUNCTION pg_temp.there_and_back(fmt text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE file text := current_setting('data_directory') || '/cube_copy_' || pg_backend_pid();
BEGIN
  TRUNCATE copied;
  EXECUTE format('COPY (SELECT by_record FROM cubes UNION ALL SELECT c FROM numbered) TO %L (FORMAT %s)', file, fmt);
  EXECUTE format('COPY copied FROM PROGRAM %L (FORMAT %s)', format('cat "%1$s" && rm "%1$s"', file), fmt);
  RETURN (SELECT count(*) = 2 FROM copied WHERE c = (SELECT by_record FROM cubes) OR c = (SELECT c FROM numbered));
END $$;
SELECT pg_temp.there_and_back('binary') AS binary, pg_temp.there_and_back('text') AS text, pg_temp.there_and_back('csv') AS csv;
SELECT failure_cube_send(failure_cube(true, '{"a": ["x"]}'::jsonb, NULL, NULL, '{k}'));
SELECT count(*) FROM (SELECT DISTINCT c FROM (SELECT c FROM copied UNION ALL SELECT c FROM copied) u) d;
SELECT count(*) FROM copied a JOIN copied b ON a.c = b.c;

-- Hostile binary input: every byte of a cube changed, and every truncation;
-- accepted or refused with class 22, never anything else.
CREATE FUNCTION pg_temp.try_bytes(bytes bytea) RETURNS text LANGUAGE plpgsql AS $$
DECLARE file text := current_setting('data_directory') || '/cube_bytes_' || pg_backend_pid(); oid oid;
BEGIN
  oid := lo_from_bytea(0, '\x5047434f50590aff0d0a0000000000000000000001'::bytea || int4send(length(bytes)) || bytes || '\xffff'::bytea);
  PERFORM lo_export(oid, file);
  PERFORM lo_unlink(oid);
  EXECUTE format('COPY copied FROM PROGRAM %L (FORMAT binary)', format('cat "%1$s" && rm "%1$s"', file));
  RETURN 'accepted';
EXCEPTION WHEN OTHERS THEN
  RETURN left(SQLSTATE, 2);
END $$;
TRUNCATE copied;
SET client_min_messages = error;
WITH c AS (SELECT failure_cube_send(failure_cube(i % 3 = 0, r, '{p}', '{}', CASE WHEN i % 2 = 0 THEN '{k,l}'::text[] END)) AS b
  FROM generate_series(1, 12) i, LATERAL (SELECT i % 4 AS p, CASE WHEN i % 3 > 0 THEN ARRAY[i % 3, i % 2] END AS l, 'ä' || i % 2 AS m) r)
SELECT pg_temp.try_bytes(b) AS whole,
  (SELECT string_agg(DISTINCT pg_temp.try_bytes(substr(b, 1, n)), ', ') FROM generate_series(0, length(b) - 1) n) AS truncated,
  (SELECT string_agg(DISTINCT pg_temp.try_bytes(set_byte(b, n, (get_byte(b, n) + d) % 256)), ', ' ) FROM generate_series(0, length(b) - 1) n, (VALUES (1), (128), (255)) v(d)) AS changed
FROM c;
RESET client_min_messages;
-- what was accepted can be read
SELECT bool_and(c::text::failure_cube = c) FROM copied;

-- Errors of text input.
CREATE FUNCTION pg_temp.try(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE m text; d text; h text;
BEGIN
  EXECUTE statement;
  RETURN 'no error';
EXCEPTION WHEN OTHERS THEN
  GET STACKED DIAGNOSTICS m = MESSAGE_TEXT, d = PG_EXCEPTION_DETAIL, h = PG_EXCEPTION_HINT;
  RETURN concat_ws(' | ', SQLSTATE, m, NULLIF(d, ''), NULLIF(h, ''));
END $$;
SELECT t AS input, pg_temp.try(format('SELECT %L::failure_cube', t)) AS error FROM (VALUES (1, ''), (2, '{'), (3, '[]'), (4, '1'), (5, '{}'), (6, '{"cells": [], "dims": []}'), (7, '{"dims": 1}'),
  (8, '{"dims": [1], "cells": []}'), (9, '{"dims": [{"name": "a"}], "cells": []}'), (10, '{"dims": [{"name": "a", "kind": "odd"}], "cells": []}'),
  (11, '{"dims": [{"name": "a", "kind": "set"}, {"name": "a", "kind": "set"}], "cells": []}'), (12, '{"dims": [{"name": "a", "kind": "set", "more": 1}], "cells": []}'),
  (13, '{"dims": [], "cells": [[1]]}'), (14, '{"dims": [], "cells": [[1, 2]]}'), (15, '{"dims": [], "cells": [[0, 0]]}'), (16, '{"dims": [], "cells": [[1, 0, {}, 1]]}'), (17, '{"dims": [], "cells": [[1.5, 0]]}'),
  (18, '{"dims": [], "cells": [[-1, 0]]}'), (19, '{"dims": [], "cells": [[9223372036854775808, 0]]}'), (20, '{"dims": [], "cells": [[9223372036854775807, 0], [1, 0]]}'), (21, '{"dims": [], "cells": [[2, 1, {"a": 2}]]}'),
  (22, '{"dims": [], "cells": [[2, 1, {"a": 0}]]}'), (23, '{"dims": [], "cells": [[2, 1, {"a": 1, "a": 1}]]}'), (24, '{"dims": [], "cells": [[2, 1, {"a": [1]}]]}'), (25, '{"dims": [{"name": "a", "kind": "nominal"}], "cells": [[["x"], 1, 1]]}'),
  (26, '{"dims": [{"name": "a", "kind": "ordinal"}], "cells": [["x", 1, 1]]}'), (27, '{"dims": [{"name": "a", "kind": "ordinal"}], "cells": [["NaN", 1, 1]]}'), (28, '{"dims": [{"name": "a", "kind": "set"}], "cells": [[[null], 1, 1]]}'),
  (29, '{"dims": [{"name": "a", "kind": "nominal", "values": ["x"]}], "cells": [[2, 1, 1]]}'), (30, '{"dims": [{"name": "a", "kind": "nominal", "values": ["x"]}], "cells": [["x", 1, 1]]}'),
  (31, '{"dims": [{"name": "a", "kind": "nominal", "values": [null]}], "cells": []}'), (32, '{"dims": [], "cells": [], "cells": []}'), (33, '{"dims": [{"name": "a\u0000", "kind": "nominal"}], "cells": []}'),
  (34, '{"dims": [{"name": "a", "kind": "set"}], "cells": [[[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17], 1, 1]]}'), (35, '{"dims": [{"name": {}, "kind": "set"}], "cells": []}')) v(n, t) ORDER BY n;
SELECT pg_temp.try($$SELECT repeat('[', 100000)::failure_cube$$) LIKE '54001%' OR pg_temp.try($$SELECT repeat('[', 100000)::failure_cube$$) LIKE '22P02%' AS "deep nesting is refused";

-- Errors of the aggregate and of the readers.
SELECT s AS statement, pg_temp.try('SELECT ' || s) AS error FROM (VALUES
  (1, $$failure_cube(true, ROW('six'), '{f1}')$$),
  (2, $$failure_cube(true, ROW('NaN'::float8), '{f1}')$$),
  (3, $$failure_cube(true, '{"p": "Infinity"}'::jsonb, '{p}')$$),
  (4, $$failure_cube(true, ROW(1), '{p}')$$),
  (5, $$failure_cube(true, ROW(1), '{f1}', '{f1}')$$),
  (6, $$failure_cube(true, ROW(1), '{NULL}')$$),
  (7, $$failure_cube(true, ROW('{1}'::int[]), '{f1}')$$),
  (8, $$failure_cube(true, '{"a": [1]}'::jsonb, NULL, '{a}')$$),
  (9, $$failure_cube(true, '{"a": {"b": 1}}'::jsonb)$$),
  (10, $$failure_cube(true, '{"a": [[1]]}'::jsonb)$$),
  (11, $$failure_cube(true, '[1]'::jsonb)$$),
  (12, $$failure_cube(true, '1'::jsonb)$$),
  (13, $$failure_cube(true, ROW(array(SELECT generate_series(1, 17))))$$),
  (14, $$failure_cube(true, jsonb_build_object('a', array(SELECT generate_series(1, 17))))$$),
  (15, $$failure_cube(true, r) FROM (SELECT 1 AS a, 2 AS a) r$$),
  (16, $$failure_cube(2, 1, ROW(1))$$),
  (17, $$failure_cube(-1, 1, ROW(1))$$),
  (18, $$failure_cube(0, n, ROW(1)) FROM (VALUES (9223372036854775807), (1)) v(n)$$),
  (19, $$failure_cube(true, ROW(1), NULL, '{f2}')$$),
  (20, $$failure_cube(true, d) FROM (SELECT jsonb_object_agg('d' || i, i) AS d FROM generate_series(1, 65) i) s$$),
  (21, $$failure_cube(true, '{}'::jsonb, NULL, NULL, array(SELECT 'check ' || i FROM generate_series(1, 1025) i))$$),
  (22, $$rollup(c) FROM (SELECT failure_cube(true, '{"a": 1}'::jsonb, o) AS c FROM (VALUES ('{a}'::text[]), ('{}')) v(o) GROUP BY o) s$$),
  (23, $$rollup(c) FROM (SELECT failure_cube(true, '{"a": 1}'::jsonb, '{}', o) AS c FROM (VALUES ('{a}'::text[]), ('{}')) v(o) GROUP BY o) s$$),
  (24, $$fp_slice(by_record, '{"modle": 1}') FROM cubes$$),
  (25, $$fp_slice(by_record, '[]') FROM cubes$$),
  (26, $$fp_slice(by_record, '{"model": {"min": 1}}') FROM cubes$$),
  (27, $$fp_slice(by_record, '{"segment": {"from": 1}}') FROM cubes$$),
  (28, $$fp_slice(by_record, '{"segment": {}}') FROM cubes$$),
  (37, $$fp_slice(by_record, '{"segment": "6+"}') FROM cubes$$),
  (29, $$fp_slice(by_record, '{"segment": {"min": "x"}}') FROM cubes$$),
  (30, $$fp_slice(by_record, '{"segment": {"min": null}}') FROM cubes$$),
  (31, $$fp_slice(by_record, '{"model": ["1", "2"]}') FROM cubes$$),
  (32, $$fp_slice(by_record, '{"lora": [["1"]]}') FROM cubes$$),
  (33, $$fp_totals(by_record, 'model', 'nothing') FROM cubes$$),
  (34, $$fp_totals(by_record, 'model', 'model') FROM cubes$$),
  (35, $$fp_totals(by_record, NULL) FROM cubes$$),
  (36, $$fp_slice(failure_cube(true, ROW(1)), '{"x": 1}')$$)) v(n, s) ORDER BY n;

-- Memory has a limit, in building, merging and reading.
SET failpat.memory_limit = '1MB';
SELECT pg_temp.try('SELECT failure_cube(true, ROW(i)) FROM generate_series(1, 100000) i');
SELECT pg_temp.try('SELECT fp_totals(c) FROM numbered');
SELECT c::text::failure_cube = c AS "but dump and restore work" FROM numbered;
SELECT pg_temp.try('SELECT rollup(c) FROM numbered');
SELECT pg_temp.try($$SELECT '{"dims": [], "cells": []}'::failure_cube$$);
RESET failpat.memory_limit;

-- Called by hand the functions of the aggregate leave their state alone.
SELECT failure_cube_accum(NULL, true, ROW(1), NULL::text[]);
WITH one AS MATERIALIZED (SELECT failure_cube(true, ROW(1)) AS c)
SELECT failure_cube_accum(c, false, ROW(1)) AS more, failure_cube_combine(c, c) AS twice, failure_cube_combine(c, NULL) AS same, failure_cube_combine(NULL, NULL) AS nothing, c AS untouched FROM one;
DO $$
DECLARE a failure_cube; b failure_cube;
BEGIN
  a := failure_cube_accum(NULL, true, ROW(1));
  b := failure_cube_combine(a, a);
  a := failure_cube_accum(a, false, ROW(2));
  RAISE NOTICE '% %', a, b;
END $$;

-- Every function of the cube is parallel safe.
SELECT count(*) AS unsafe FROM pg_depend d JOIN pg_proc p ON d.objid = p.oid AND d.classid = 'pg_proc'::regclass
WHERE d.refclassid = 'pg_extension'::regclass AND p.proname ~ '^(failure_cube.*|rollup|fp_slice|fp_totals|fp_cube_dims|fp_cube_checks)$' AND p.proparallel <> 's';
