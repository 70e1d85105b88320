-- Arguments much larger than anybody needs: time that grows with their size, not
-- with its square; memory that is given back. What took ten seconds and more
-- has a few.
\set QUIET 1
\set ON_ERROR_STOP 1
\pset format unaligned
\pset tuples_only true
\pset pager off
SET client_min_messages = error;
CREATE EXTENSION failpat;
SET search_path = public, tap;
-- how long a call may take, more under valgrind
\set limit 5s
\getenv limit FAILPAT_CALL_LIMIT
SELECT plan(14);

CREATE TABLE large AS SELECT
    (SELECT jsonb_build_object('a', jsonb_agg('value number ' || i)) FROM generate_series(1, 12000) i) AS texts,
    (SELECT jsonb_build_object('a', jsonb_agg(i) || '["7", 7.0, null, [1], true]') FROM generate_series(1, 40000) i) AS numbers,
    (SELECT jsonb_object_agg('range number ' || i, '{"min": 1}'::jsonb) FROM generate_series(1, 60000) i) AS ranges,
    (SELECT jsonb_object_agg('set number ' || i, '{"count": {"min": 1}}'::jsonb) FROM generate_series(1, 60000) i) AS counts,
    (SELECT jsonb_object_agg('key number ' || i, NULL) || '{"a": "x"}' FROM generate_series(1, 10000) i) AS nulls;
SET statement_timeout = :'limit';
SELECT ok(fp_conditions_met(texts, texts), 'a set has all of its members') FROM large;
SELECT ok(NOT fp_conditions_met(texts, jsonb_set(texts, '{a,5000}', '"no such"')), 'and not one more') FROM large;
-- 7 and "7" are one value, 7.0 another, and true one
SELECT ok(fp_conditions_met(numbers, '{"a": {"count": 40002}}'), 'how many values a set has') FROM large;
SELECT ok(NOT fp_conditions_met(numbers, '{"a": {"count": 40003}}'), 'null and arrays are none') FROM large;
SELECT ok(fp_combo_meets(ranges, ranges), 'ranges') FROM large;
SELECT ok(fp_combo_meets(counts, counts), 'numbers of values') FROM large;
SELECT ok(NOT fp_combo_meets(ranges, counts), 'are not the same') FROM large;
SELECT is(fp_cube_sum(failure_cube(true, '{"a": "x"}'::jsonb), (SELECT nulls FROM large), NULL)::text,
    fp_cube_sum(failure_cube(true, '{"a": "x"}'::jsonb), '{"a": "x"}', NULL)::text, 'conditions that names which no cube has are not recorded');
RESET statement_timeout;

-- the same of what is small
SELECT is(array_agg(fp_conditions_met('{"a": ["y", 2, true, "x", 2, 10], "p": [3, "4.0"], "e": []}', c) ORDER BY n), '{t,t,t,f,t,f,t,t,f,t,f,t,f}', 'sets and values')
FROM (VALUES (1, '{"a": ["x"]}'::jsonb), (2, '{"a": ["2", "y", "x", "x", "true"]}'), (3, '{"a": 10}'), (4, '{"a": ["x", "z"]}'), (5, '{"a": {"count": 5}}'),
    (6, '{"a": {"count": {"min": 6}}}'), (7, '{"e": []}'), (8, '{"e": {"count": 0}}'), (9, '{"a": []}'), (10, '{"p": ["4.0", "3"]}'), (11, '{"p": 4}'),
    (12, '{"b": null}'), (13, '{"a": null}')) v (n, c);
SELECT ok(fp_conditions_met('{"p": [3, "4.0"]}', '{"p": 4}', '{p}'), 'numbers of an ordinal dimension');
SELECT ok(fp_conditions_met('{"a": "x"}', '{"a": ["x", "x"]}') AND NOT fp_conditions_met('{"a": "x"}', '{"a": ["x", "y"]}'), 'one value twice is one');
SELECT is(array_agg(fp_combo_meets('{"d": {"min": 2, "max": 3}, "a": ["1", "2"], "b": 5, "segment_position": 4}', c) ORDER BY n), '{t,f,t,f,t,f,t,f}', 'combinations')
FROM (VALUES (1, '{"b": {"min": 5}, "d": {"max": 2}}'::jsonb), (2, '{"b": {"min": 6}, "d": {"max": 2}}'), (3, '{"a": {"count": 2}, "segment_position": {"min": 4}}'),
    (4, '{"a": {"count": 3}}'), (5, '{"a": "1", "b": "5"}'), (6, '{"a": "1", "c": {"min": 1}}'), (7, '{}'), (8, '{"d": {"min": 4}}')) v (n, c);

-- types of rows by turns: what describes one is forgotten with the next
SELECT ok(c IS NOT NULL AND bytes BETWEEN 1 AND 100000, bytes || ' bytes describe rows, at most 100000') FROM (
    SELECT failure_cube(true, CASE WHEN i % 2 = 0 THEN ROW(i % 3) ELSE ROW(i % 3, 1) END) AS c,
        (SELECT sum(total_bytes) FROM pg_backend_memory_contexts WHERE name LIKE 'failpat cube %') AS bytes
    FROM generate_series(1, 5000) i) s;
SELECT is(failure_cube(true, CASE WHEN i % 2 = 0 THEN ROW(i % 3) ELSE ROW(i % 3, 1) END)::text,
    failure_cube(true, CASE WHEN i % 2 = 0 THEN jsonb_build_object('f1', i % 3) ELSE jsonb_build_object('f1', i % 3, 'f2', 1) END)::text, 'and the cube is right')
FROM generate_series(1, 60) i;
