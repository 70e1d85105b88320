-- failure_rate_ci, fp_rate_ci, fp_compare_rates.
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS failpat CASCADE;
CREATE SCHEMA "Rates ""ü"" room";
CREATE EXTENSION failpat SCHEMA "Rates ""ü"" room";
SET search_path = "Rates ""ü"" room";
SET extra_float_digits = 0;

-- digits that do not hang on the platform's libm
CREATE FUNCTION digits(failure_rate) RETURNS text LANGUAGE sql IMMUTABLE AS $$
  SELECT format('%s/%s %s [%s, %s]', $1.failures, $1.trials, round($1.rate::numeric, 10),
    round($1.lower::numeric, 10), round($1.upper::numeric, 10))
$$;
-- the SQLSTATE and the messages of a statement that must fail
CREATE FUNCTION error_of(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE message text; detail text; hint text; result text;
BEGIN
  EXECUTE statement INTO result;
  RETURN 'no error: ' || coalesce(result, 'NULL');
EXCEPTION WHEN others THEN
  GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
  RETURN concat_ws(' | ', SQLSTATE, message, nullif(detail, ''), nullif(hint, ''));
END $$;

CREATE TABLE runs (id int, grp text, failed boolean);
-- every third of a, none of b, all of c; d is only NULL; some NULL in a
INSERT INTO runs SELECT i, 'a', i % 3 = 0 FROM generate_series(1, 30) i;
INSERT INTO runs SELECT i, 'b', false FROM generate_series(31, 40) i;
INSERT INTO runs SELECT i, 'c', true FROM generate_series(41, 44) i;
INSERT INTO runs VALUES (45, 'd', NULL), (46, 'd', NULL), (47, 'a', NULL);

-- all forms
SELECT digits(failure_rate_ci(failed)) FROM runs;
SELECT digits(failure_rate_ci(failed, 0.9)) FROM runs;
SELECT method, digits(failure_rate_ci(failed, 0.9, method))
FROM runs, unnest('{wilson,wilson-cc,clopper-pearson,jeffreys,agresti-coull,mid-p}'::text[])
  WITH ORDINALITY AS m(method, n) GROUP BY n, method ORDER BY n;
CREATE TABLE counted AS
SELECT grp, count(*) FILTER (WHERE failed) AS failures, count(failed) AS trials FROM runs GROUP BY grp;
INSERT INTO counted VALUES ('none', NULL, 5), ('none', 2, NULL), ('none', 0, 0);
SELECT digits(failure_rate_ci(failures, trials)) FROM counted;
SELECT digits(failure_rate_ci(failures, trials, 0.9)) FROM counted;
SELECT digits(failure_rate_ci(failures, trials, 0.9, 'mid-p')) FROM counted;
SELECT (failure_rate_ci(failed)).* FROM runs WHERE grp = 'b';
-- int4 counts need no cast
SELECT digits(failure_rate_ci(1, 4));

-- groups, FILTER, DISTINCT, ORDER BY, grouping sets
SELECT grp, digits(failure_rate_ci(failed)), digits(failure_rate_ci(failed) FILTER (WHERE id % 2 = 0)) AS even
FROM runs GROUP BY grp ORDER BY grp COLLATE "C";
SELECT digits(failure_rate_ci(DISTINCT failed)), digits(failure_rate_ci(failed ORDER BY id DESC)) FROM runs;
SELECT grp, digits(failure_rate_ci(failed)) FROM runs GROUP BY ROLLUP (grp) ORDER BY grp COLLATE "C" NULLS LAST;

-- no rows, or none that count: 0 to 1, and no rate, in every form
SELECT failure_rate_ci(failed), failure_rate_ci(failed, 0.9), failure_rate_ci(failed, 0.9, 'jeffreys'),
  failure_rate_ci(1, 1) FILTER (WHERE false), failure_rate_ci(NULL::bigint, 3, 0.9) FROM runs WHERE grp = 'd';
SELECT failure_rate_ci(failed) FROM runs WHERE false;
SELECT failure_rate_ci(failures, trials), failure_rate_ci(failures, trials, 0.5) FROM counted WHERE grp = 'none';
-- the settings of rows that are skipped must be right all the same, or missing as well
SELECT failure_rate_ci(NULL::boolean, 7, 'wilson');
SELECT failure_rate_ci(NULL::bigint, 3, 0.9, 'nonsense');
SELECT failure_rate_ci(NULL::boolean, NULL, NULL);

-- one pair of counts
SELECT digits(fp_rate_ci(3, 20)), digits(fp_rate_ci(3, 20, 0.99)),
  digits(fp_rate_ci(3, 20, 0.99, 'clopper-pearson')), digits(fp_rate_ci(3, 20, method => 'jeffreys'));
SELECT fp_rate_ci(0, 0), fp_rate_ci(NULL, 3) IS NULL AS null_in_null_out;
SELECT m AS method, fp_rate_ci(0, 4, 0.95, m) AS none, (fp_rate_ci(4, 4, 0.95, m)).upper AS all
FROM unnest('{wilson,wilson-cc,clopper-pearson,jeffreys,agresti-coull,mid-p}'::text[]) m WHERE (fp_rate_ci(0, 4, 0.95, m)).lower <> 0
  OR (fp_rate_ci(4, 4, 0.95, m)).upper <> 1;
-- 2^63 - 1 trials
SELECT failures, trials, lower <= rate AND rate <= upper AND upper - lower < 1e-8 AS narrow
FROM fp_rate_ci(4611686018427387904, 9223372036854775807);
-- the aggregate is the function of the sums
SELECT bool_and(a = b) FROM (
  SELECT failure_rate_ci(f, n, 0.8, 'agresti-coull') AS a, fp_rate_ci(sum(f)::bigint, sum(n)::bigint, 0.8, 'agresti-coull') AS b
  FROM (SELECT i % 17 AS g, i % 5 AS f, i % 5 + i % 3 AS n FROM generate_series(1, 500) i) t GROUP BY g) u;

-- two rates (Newcombe's own example, 56/70 and 48/80, is his 1998 table II (a))
SELECT round(difference::numeric, 4) AS difference, round(difference_lower::numeric, 4) AS lower,
  round(difference_upper::numeric, 4) AS upper FROM fp_compare_rates(56, 70, 48, 80);
SELECT key, round(value::numeric, 9) FROM fp_compare_rates(15, 100, 4, 120, 0.9) c, jsonb_each_text(to_jsonb(c)) ORDER BY key COLLATE "C";
SELECT c.* FROM fp_compare_rates(0, 0, 3, 9) c;
SELECT ratio, ratio_upper, odds_ratio, odds_ratio_upper FROM fp_compare_rates(3, 9, 0, 8);
SELECT round(log(p_value::numeric), 8) AS log10_p FROM fp_compare_rates(620, 1000, 40, 1500);
SELECT fp_compare_rates(1, 2, NULL, 3) IS NULL AS null_in_null_out;

-- moving frames equal re-aggregation: with an inverse (frames that let go of
-- rows at their start) and without (EXCLUDE), whatever the frame
SELECT setseed(0.64);
CREATE TABLE noise AS
SELECT i AS id, (random() * 5)::int AS part,
  CASE WHEN random() < 0.15 THEN NULL ELSE random() < 0.3 END AS failed,
  CASE WHEN random() < 0.1 THEN NULL ELSE (random() * 4)::bigint END AS f,
  CASE WHEN random() < 0.1 THEN NULL ELSE 4 + (random() * 4)::bigint END AS n,
  -- the same within 40 rows, and rows of no trials between
  0.9 + (i / 40) * 0.001 AS confidence
FROM generate_series(1, 400) i;
UPDATE noise SET f = 0, n = 0 WHERE id % 7 = 0;
SELECT
  count(*) FILTER (WHERE a IS DISTINCT FROM (SELECT failure_rate_ci(failed) FROM noise y WHERE y.id BETWEEN x.id - 9 AND x.id)) AS rows_bool,
  count(*) FILTER (WHERE b IS DISTINCT FROM (SELECT failure_rate_ci(f, n) FROM noise y WHERE y.id BETWEEN x.id - 3 AND x.id + 6)) AS rows_counts,
  count(*) FILTER (WHERE c IS DISTINCT FROM (SELECT failure_rate_ci(failed, 0.8) FROM noise y WHERE y.id BETWEEN x.id + 2 AND x.id + 5)) AS ahead,
  count(*) FILTER (WHERE d IS DISTINCT FROM (SELECT failure_rate_ci(f, n, 0.8, 'jeffreys') FROM noise y WHERE y.part = x.part AND y.id >= x.id)) AS to_the_end,
  count(*) FILTER (WHERE e IS DISTINCT FROM (SELECT failure_rate_ci(failed, 0.7, 'wilson-cc') FROM noise y WHERE y.id BETWEEN x.id - 12 AND x.id + 12)) AS range_frame,
  count(*) FILTER (WHERE g IS DISTINCT FROM (SELECT failure_rate_ci(failed) FROM noise y WHERE y.id BETWEEN x.id - 4 AND x.id + 4 AND y.id <> x.id)) AS excluding,
  count(*) FILTER (WHERE h IS DISTINCT FROM (SELECT failure_rate_ci(f, n, 0.6) FROM noise y WHERE y.part BETWEEN x.part - 1 AND x.part)) AS groups_frame,
  count(*) FILTER (WHERE (a).trials > 0 AND (b).trials > 0) > 300 AS not_empty
FROM (SELECT *,
    failure_rate_ci(failed) OVER (ORDER BY id ROWS 9 PRECEDING) AS a,
    failure_rate_ci(f, n) OVER (ORDER BY id ROWS BETWEEN 3 PRECEDING AND 6 FOLLOWING) AS b,
    failure_rate_ci(failed, 0.8) OVER (ORDER BY id ROWS BETWEEN 2 FOLLOWING AND 5 FOLLOWING) AS c,
    failure_rate_ci(f, n, 0.8, 'jeffreys') OVER (PARTITION BY part ORDER BY id ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING) AS d,
    failure_rate_ci(failed, 0.7, 'wilson-cc') OVER (ORDER BY id RANGE BETWEEN 12 PRECEDING AND 12 FOLLOWING) AS e,
    failure_rate_ci(failed) OVER (ORDER BY id ROWS BETWEEN 4 PRECEDING AND 4 FOLLOWING EXCLUDE CURRENT ROW) AS g,
    failure_rate_ci(f, n, 0.6) OVER (ORDER BY part GROUPS BETWEEN 1 PRECEDING AND CURRENT ROW) AS h
  FROM noise) x;
-- a confidence that changes between frames, not within one: a frame that has
-- run empty has forgotten it
SELECT count(*), count(*) FILTER (WHERE a IS DISTINCT FROM fp_rate_ci(coalesce(f * (n * 0 + 1), 0), coalesce(n * (f * 0 + 1), 0),
    CASE WHEN f IS NULL OR n IS NULL THEN 0.5 ELSE confidence END)) AS different
FROM (SELECT *, failure_rate_ci(f, n, confidence) OVER (ORDER BY id ROWS BETWEEN CURRENT ROW AND CURRENT ROW) AS a FROM noise) x;
SELECT error_of($$SELECT count(a) FROM (SELECT failure_rate_ci(f, n, confidence) OVER (ORDER BY id ROWS 1 PRECEDING) AS a FROM noise OFFSET 0) x$$);

-- parallel and partition-wise plans give what a serial one gives
CREATE TABLE many (g int, failed boolean, f int, n int) PARTITION BY RANGE (g);
CREATE TABLE many1 PARTITION OF many FOR VALUES FROM (0) TO (50);
CREATE TABLE many2 PARTITION OF many FOR VALUES FROM (50) TO (100);
INSERT INTO many SELECT i % 100, CASE i % 11 WHEN 0 THEN NULL WHEN 1 THEN true ELSE false END, i % 3, 3 FROM generate_series(1, 30000) i;
ANALYZE many;
SET max_parallel_workers_per_gather = 0;
CREATE TABLE serial AS SELECT g, failure_rate_ci(failed) AS a, failure_rate_ci(f, n) AS b, failure_rate_ci(failed, 0.9, 'mid-p') AS c,
  failure_rate_ci(f, n, 0.9) AS d FROM many GROUP BY ROLLUP (g);
SET max_parallel_workers_per_gather = 2;
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SET enable_partitionwise_aggregate = on;
CREATE FUNCTION plan_has(statement text, what text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE line text;
BEGIN
  FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) ' || statement LOOP
    IF line LIKE '%' || what || '%' THEN RETURN true; END IF;
  END LOOP;
  RETURN false;
END $$;
SELECT plan_has('SELECT failure_rate_ci(failed) FROM many', 'Partial Aggregate') AS partial,
  plan_has('SELECT failure_rate_ci(failed, 0.9, ''mid-p'') FROM many', 'Gather') AS parallel;
SELECT count(*) AS different FROM (
  SELECT g, failure_rate_ci(failed), failure_rate_ci(f, n), failure_rate_ci(failed, 0.9, 'mid-p'), failure_rate_ci(f, n, 0.9) FROM many GROUP BY g
  UNION ALL
  SELECT NULL, failure_rate_ci(failed), failure_rate_ci(f, n), failure_rate_ci(failed, 0.9, 'mid-p'), failure_rate_ci(f, n, 0.9) FROM many
  EXCEPT ALL SELECT * FROM serial) x;
-- workers that saw no row that counts
SELECT failure_rate_ci(failed), failure_rate_ci(failed, 0.9) FROM many WHERE f > 5;
SELECT error_of($$SELECT failure_rate_ci(failed, 0.9 + (g / 50) * 0.01) FROM many$$) LIKE '22023 | confidence must be the same in all rows: 0.9%' AS across_workers;
RESET max_parallel_workers_per_gather;
RESET parallel_setup_cost;
RESET parallel_tuple_cost;
RESET min_parallel_table_scan_size;
RESET enable_partitionwise_aggregate;

-- states by hand: combining, in both orders, empty and full
SELECT fp_rate_combine('{0,0}', '{5,2}'), fp_rate_combine('{5,2}', '{0,0}'), fp_rate_combine('{0,0}', '{0,0}'), fp_rate_combine('{4,1}', '{5,2}');
SELECT fp_rate_combine('{0,0,0,0,0}', s) = s AND fp_rate_combine(s, '{0,0,0,0,0}') = s AS empty_is_neutral,
  fp_rate_combine(s, s) = ARRAY[4, 2, 4, s[4], s[5]] AS adds
FROM (SELECT fp_rate_accum(fp_rate_accum('{0,0,0,0,0}', true, 0.9, 'jeffreys'), false, 0.9, 'jeffreys') AS s) x;
-- a state that SQL holds is not changed under its feet
SELECT s AS before, fp_rate_accum(s, true) AS added, fp_rate_combine(s, s) AS combined, fp_rate_accum_inv(s, false) AS removed, s AS after
FROM (SELECT ARRAY[3, 1]::bigint[] AS s OFFSET 0) x;
SELECT fp_rate_accum_inv(fp_rate_accum('{0,0,0,0,0}', 2, 3, 0.9), 2, 3, 0.9) AS forgets;
SELECT fp_rate_final('{10,3}'::bigint[]) = fp_rate_ci(3, 10) AS final;

-- hostile states: every support function, every kind of damage
CREATE TABLE hostile AS SELECT * FROM (VALUES
  ('{}'), ('{1}'), ('{1,2,3}'), ('{1,0,0,0}'), ('{1,0,1,4606281698874543309,0,0}'), ('{{1,0},{1,0}}'), ('{{1,0,0,0,0}}'),
  ('{NULL,0}'), ('{1,NULL}'), ('{1,0,1,4606281698874543309,NULL}'), ('{1,2}'), ('{-1,-2}'), ('{5,-1}'), ('{-9223372036854775808,0}'),
  ('{1,0,0,0,0}'), ('{1,0,-1,4606281698874543309,0}'), ('{1,0,1,0,0}'), ('{1,0,1,4607182418800017408,0}'), ('{1,0,1,9221120237041090560,0}'),
  ('{1,0,1,-4616189618054758400,0}'), ('{1,0,1,4606281698874543309,6}'), ('{1,0,1,4606281698874543309,-1}'), ('{1,0,1,4606281698874543309,4294967296}'),
  ('{0,0,0,4606281698874543309,0}'), ('{0,0,0,0,3}'), ('{1,2,1,4606281698874543309,0}')) v(state);
CREATE TABLE calls AS SELECT * FROM (VALUES
  ('fp_rate_accum(%L, true)'), ('fp_rate_accum_inv(%L, false)'), ('fp_rate_accum(%L, 0, 1)'), ('fp_rate_accum_inv(%L, 0, 1)'),
  ('fp_rate_accum(%L, true, 0.9)'), ('fp_rate_accum_inv(%L, false, 0.9)'), ('fp_rate_accum(%L, true, 0.9, ''wilson'')'),
  ('fp_rate_accum_inv(%L, false, 0.9, ''wilson'')'), ('fp_rate_accum(%L, 0, 1, 0.9)'), ('fp_rate_accum_inv(%L, 0, 1, 0.9)'),
  ('fp_rate_accum(%L, 0, 1, 0.9, ''wilson'')'), ('fp_rate_accum_inv(%L, 0, 1, 0.9, ''wilson'')'),
  ('fp_rate_combine(%L, ''{1,0}'')'), ('fp_rate_combine(''{1,0}'', %L)'), ('fp_rate_combine(%1$L, ''{1,0,1,4606281698874543309,0}'')'),
  ('fp_rate_combine(''{1,0,1,4606281698874543309,0}'', %L)'), ('fp_rate_combine(%1$L, %1$L)'), ('fp_rate_final(%L)')) v(call);
SELECT call, state, error FROM (SELECT call, state, error_of('SELECT ' || format(call, state)) AS error FROM calls, hostile) x
WHERE error NOT LIKE '22023 | not a state of the aggregate failure\_rate\_ci | %.';
SELECT error, count(*) FROM (SELECT error_of(format('SELECT fp_rate_final(%L)', state)) AS error FROM hostile) x
GROUP BY error ORDER BY error COLLATE "C";
SELECT error_of($$SELECT fp_rate_accum(NULL::bigint[], true, 0.9)$$), error_of($$SELECT fp_rate_accum_inv(NULL, 1, 2, 0.9, 'wilson')$$),
  fp_rate_accum(NULL::bigint[], true) IS NULL AS strict_form;
SELECT error_of($$SELECT fp_rate_accum_inv('{0,0}', false)$$);
SELECT error_of($$SELECT fp_rate_accum_inv('{5,0}', true)$$);
SELECT error_of($$SELECT fp_rate_accum_inv('{5,5}', false)$$);
SELECT error_of($$SELECT fp_rate_accum_inv('{0,0,0,0,0}', 0, 0, 0.9)$$);
SELECT error_of($$SELECT fp_rate_accum_inv('{5,5,1,4606281698874543309,0}', 1, 1, 0.9)$$);

-- counts that overflow
SELECT error_of($$SELECT failure_rate_ci(f, n) FROM (VALUES (0, 9223372036854775807), (0, 1)) v(f, n)$$);
SELECT error_of($$SELECT failure_rate_ci(f, n, 0.9) FROM (VALUES (0, 9223372036854775807), (0, 1)) v(f, n)$$);
SELECT error_of($$SELECT fp_rate_accum('{9223372036854775807,0}', true)$$);
SELECT error_of($$SELECT fp_rate_accum('{0,0,9223372036854775807,4606281698874543309,0}', 0, 0, 0.9)$$);
SELECT error_of($$SELECT fp_rate_combine('{9223372036854775807,0}', '{1,0}')$$);
SELECT error_of($$SELECT fp_compare_rates(1, 9223372036854775807, 1, 1)$$);

-- arguments that are not allowed
SELECT error_of($$SELECT fp_rate_ci(3, 2)$$);
SELECT error_of($$SELECT fp_rate_ci(-1, 2)$$);
SELECT error_of($$SELECT fp_rate_ci(0, -2)$$);
SELECT c, error_of(format('SELECT fp_rate_ci(1, 2, %L)', c)) FROM unnest('{0,1,-0.1,95,NaN,Infinity,-Infinity}'::text[]) c;
SELECT error_of($$SELECT fp_rate_ci(1, 2, 0.95, 'Wilson')$$);
SELECT error_of($$SELECT fp_rate_ci(1, 2, 0.95, '')$$);
SELECT error_of($$SELECT failure_rate_ci(3, 2)$$);
SELECT error_of($$SELECT failure_rate_ci(3, 2, 0.9, 'wilson')$$);
SELECT error_of($$SELECT failure_rate_ci(true, 1.5)$$);
SELECT error_of($$SELECT failure_rate_ci(true, NULL)$$);
SELECT error_of($$SELECT failure_rate_ci(true, 0.9, NULL)$$);
SELECT error_of($$SELECT failure_rate_ci(1, 2, NULL, 'wilson')$$);
SELECT error_of($$SELECT failure_rate_ci(true, 0.9, 'bayes')$$);
SELECT error_of($$SELECT failure_rate_ci(true, 0.8 + i * 0.1) FROM generate_series(0, 1) i$$);
SELECT error_of($$SELECT failure_rate_ci(true, 0.8 + i * 0.3) FROM generate_series(0, 1) i$$);
SELECT error_of($$SELECT failure_rate_ci(true, 0.9, (ARRAY['mid-p', 'wilson'])[i]) FROM generate_series(1, 2) i$$);
SELECT error_of($$SELECT failure_rate_ci(true, 0.9, (ARRAY['mid-p', 'nonsense'])[i]) FROM generate_series(1, 2) i$$);
SELECT error_of($$SELECT fp_rate_combine(fp_rate_accum('{0,0,0,0,0}', true, 0.5), fp_rate_accum('{0,0,0,0,0}', true, 0.75))$$);
SELECT error_of($$SELECT fp_rate_combine(fp_rate_accum('{0,0,0,0,0}', true, 0.9), fp_rate_accum('{0,0,0,0,0}', true, 0.9, 'mid-p'))$$);
SELECT error_of($$SELECT fp_compare_rates(1, 2, 4, 3)$$);
SELECT error_of($$SELECT fp_compare_rates(1, 2, 1, 3, 'NaN')$$);

-- labels: everything of this room is immutable, parallel safe and described
SELECT count(*), bool_and(provolatile = 'i'), bool_and(proparallel = 's'), bool_and(obj_description(p.oid, 'pg_proc') IS NOT NULL)
FROM pg_proc p JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
JOIN pg_extension e ON e.oid = d.refobjid AND e.extname = 'failpat' AND d.refclassid = 'pg_extension'::regclass
WHERE proname LIKE '%rate%' AND proname IN ('failure_rate_ci', 'fp_rate_ci', 'fp_compare_rates', 'fp_rate_accum', 'fp_rate_accum_inv', 'fp_rate_combine', 'fp_rate_final');

DROP SCHEMA "Rates ""ü"" room" CASCADE;
