-- The same observations give the same list, to the last bit of each figure, in
-- whatever order and pieces they are counted: rows shuffled, partitions,
-- parallel plans, batches; with jobs and days, too.
\set QUIET 1
\set ON_ERROR_STOP 1
\pset format unaligned
\pset tuples_only true
\pset pager off
BEGIN;
SET client_min_messages = warning;
CREATE SCHEMA failpat;
CREATE EXTENSION failpat SCHEMA failpat;
SET LOCAL search_path = failpat, public, tap;
SELECT plan(12);
SELECT setseed(0.4);

CREATE TABLE runs (n int, day int, job text, failed boolean, dims jsonb) PARTITION BY HASH (n);
CREATE TABLE runs_0 PARTITION OF runs FOR VALUES WITH (MODULUS 3, REMAINDER 0);
CREATE TABLE runs_1 PARTITION OF runs FOR VALUES WITH (MODULUS 3, REMAINDER 1);
CREATE TABLE runs_2 PARTITION OF runs FOR VALUES WITH (MODULUS 3, REMAINDER 2);
-- jobs differ in how often they fail; some lie in several days
INSERT INTO runs
SELECT n, day, job, random() < 0.05 + CASE WHEN w = '2' THEN 0.1 ELSE 0 END + CASE WHEN l = '2' AND pos >= 6 THEN 0.3 ELSE 0 END
        + CASE WHEN l = '4' AND m = '7' THEN 0.2 ELSE 0 END + CASE WHEN hashtext(job) % 4 = 0 THEN 0.15 ELSE 0 END,
    jsonb_build_object('w', w, 'lora', ARRAY[l, m], 'ch', ch, 'pos', pos, 'job', job)
FROM (SELECT n, n / 1500 AS day, CASE n % 10 WHEN 0 THEN 'long ' || n / 4000 ELSE 'job ' || n / 12 END AS job,
          floor(random() * 4)::int::text AS w, floor(random() * 6)::int::text AS l, (6 + floor(random() * 3))::int::text AS m,
          floor(random() * 20)::int::text AS ch, 1 + floor(random() * 12)::int AS pos
      FROM generate_series(0, 29999) n OFFSET 0) made;
CREATE TABLE shuffled AS SELECT * FROM runs ORDER BY random();
ANALYZE runs;
ANALYZE shuffled;

CREATE FUNCTION told(cube failure_cube) RETURNS text LANGUAGE sql AS $$ SELECT string_agg(p::text, E'\n') FROM fp_patterns(cube, direction => 'both') p $$;
CREATE FUNCTION told(cubes failure_cube[]) RETURNS text LANGUAGE sql AS $$ SELECT string_agg(p::text, E'\n') FROM fp_patterns(cubes, direction => 'both') p $$;
CREATE FUNCTION plan_of(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE line text; whole text := '';
BEGIN
    FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) ' || query LOOP whole := whole || line; END LOOP;
    RETURN whole;
END $$;
SET max_parallel_workers_per_gather = 0;

-- as they were written, one after the other
CREATE TABLE expected AS SELECT told(cube) AS whole, (SELECT count(*) FROM fp_patterns(cube, direction => 'both')) AS n,
    (SELECT max(inflation) FROM fp_patterns(cube, direction => 'both')) AS inflation
FROM (SELECT failure_cube(failed, dims, '{pos}', '{job}') AS cube FROM (SELECT * FROM runs ORDER BY n) r) c;
SELECT cmp_ok(n, '>=', 3::bigint, 'there is something to find') FROM expected;
SELECT cmp_ok(inflation, '>', 1.01::float8, '... and jobs are heeded') FROM expected;
SELECT is(told(failure_cube(failed, dims, '{pos}', '{job}')), whole, 'rows in no order') FROM shuffled, expected GROUP BY whole;
SELECT is(told(rollup(cube ORDER BY hashint4(batch))), whole, 'in batches')
FROM (SELECT n * 7 % 31 AS batch, failure_cube(failed, dims, '{pos}', '{job}') AS cube FROM shuffled GROUP BY 1) b, expected GROUP BY whole;
SELECT is(told(rollup(cube)), whole, 'in one batch for each job')
FROM (SELECT job, failure_cube(failed, dims, '{pos}', '{job}') AS cube FROM shuffled GROUP BY 1) b, expected GROUP BY whole;

SET max_parallel_workers_per_gather = 2;
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SELECT ok(plan_of($$SELECT failure_cube(failed, dims, '{pos}', '{job}') FROM shuffled$$) LIKE '%Gather%', 'a parallel plan');
CREATE TABLE parallel_cube AS SELECT failure_cube(failed, dims, '{pos}', '{job}') AS cube FROM shuffled;
SELECT is(told(cube), whole, '... gives the same') FROM parallel_cube, expected;
SET enable_partitionwise_aggregate = on;
SELECT ok(plan_of($$SELECT failure_cube(failed, dims, '{pos}', '{job}') FROM runs$$) LIKE '%Partial Aggregate%runs_2%', 'one of partitions');
CREATE TABLE partition_cube AS SELECT failure_cube(failed, dims, '{pos}', '{job}') AS cube FROM runs;
SELECT is(told(cube), whole, '... gives the same') FROM partition_cube, expected;

-- days as strata
RESET enable_partitionwise_aggregate;
CREATE TABLE days AS SELECT day, failure_cube(failed, dims, '{pos}', '{job}') AS cube FROM shuffled GROUP BY day;
SET max_parallel_workers_per_gather = 0;
CREATE TABLE pieces AS SELECT day, rollup(cube ORDER BY hashint4(batch)) AS cube
FROM (SELECT day, n * 5 % 13 AS batch, failure_cube(failed, dims, '{pos}', '{job}') AS cube FROM runs GROUP BY 1, 2) b GROUP BY day;
SELECT is((SELECT told(array_agg(cube ORDER BY day)) FROM days), (SELECT told(array_agg(cube ORDER BY day)) FROM pieces), 'days as strata, in batches and in parallel');
SELECT cmp_ok((SELECT count(*) FROM fp_patterns((SELECT array_agg(cube ORDER BY day) FROM days), direction => 'both')), '>=', 3::bigint, '... with something to find');
SELECT is((SELECT count(DISTINCT told(c.cubes)) FROM (SELECT (SELECT array_agg(cube ORDER BY day) FROM days) AS cubes
           UNION ALL SELECT (SELECT array_agg((SELECT rollup(p.cube) FROM (VALUES (d.cube)) p (cube)) ORDER BY day) FROM pieces d)) c), 1::bigint, '... and again');
SELECT * FROM finish();
ROLLBACK;
