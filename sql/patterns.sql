-- fp_patterns: what is surfaced, on made and on real data.
\set SHOW_CONTEXT never
\getenv abs_srcdir PG_ABS_SRCDIR
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS failpat CASCADE;
RESET client_min_messages;
CREATE SCHEMA pat;
CREATE EXTENSION failpat SCHEMA pat;
SET search_path = pat;

-- LoRA 3 + Character 5 at segment 6+, and nothing else: no echo of it either
CREATE TABLE pat.runs AS
SELECT g AS n, (g % 6)::text AS workflow, (g / 6 % 8)::text AS model,
       CASE WHEN g % 11 = 0 THEN '{}' WHEN g % 7 = 0 THEN ARRAY[(g / 48 % 20)::text, ((g / 48 + 1 + g % 5) % 20)::text]
            ELSE ARRAY[(g / 48 % 20)::text] END AS lora,
       (g / 960 % 15)::text AS character, hashint4(g) % 12 + 12 AS noise, abs(hashint8(g * 7919::bigint)) % 12 + 1 AS segment_position
FROM generate_series(1, 60000) g;
ALTER TABLE pat.runs ADD failed boolean, ADD checks text[];
UPDATE pat.runs SET failed = abs(hashint8(n * 104729::bigint)) % 1000 <
       CASE WHEN '3' = ANY (lora) AND character = '5' AND segment_position >= 6 THEN 600 ELSE 80 END;
UPDATE pat.runs SET checks = CASE WHEN failed THEN ARRAY[CASE WHEN '3' = ANY (lora) THEN 'face' ELSE 'sharpness' END] END;
CREATE TABLE pat.cubes AS
SELECT failure_cube(failed, to_jsonb(r) - 'n' - 'noise' - 'failed' - 'checks', ARRAY['segment_position'], NULL, checks) AS cube
FROM pat.runs r;
SELECT conditions, pattern_key, description, effect, arity, failures, trials,
       round(rate::numeric, 3) AS rate, round(baseline_rate::numeric, 3) AS baseline, severity
FROM pat.cubes, fp_patterns(cube);
SELECT lower < rate AND rate < upper AS rate_inside, rr_lower < risk_ratio AND risk_ratio < rr_upper AS ratio_inside,
       rr_lower >= 1.2 AS lifted, p_value < 1e-10 AS significant, q_value >= p_value AS q
FROM pat.cubes, fp_patterns(cube);

-- the counts are those of the table
SELECT p.failures = count(*) FILTER (WHERE failed) AND p.trials = count(*) AS same
FROM pat.cubes, fp_patterns(cube) p, pat.runs
WHERE '3' = ANY (lora) AND character = '5' AND segment_position >= 6 GROUP BY p.failures, p.trials;

-- the other figures
SELECT round(risk_ratio::numeric, 1) AS ratio, round(adjusted_ratio::numeric, 1) AS adjusted, adjusted_lower < adjusted_ratio AS lower,
       round(expected_failures) AS expected, round(excess_failures) AS excess, round(excess_bound) AS bound, q_by_value >= q_value AS by_larger, same_as
FROM pat.cubes, fp_patterns(cube);
SELECT c->>'dimension' AS dimension, c->>'verdict' AS verdict FROM pat.cubes, fp_patterns(cube) p, jsonb_array_elements(p.confounders) c;

-- always together: one pattern, which says so, and which of the two it is cannot be told
CREATE TABLE pat.together AS SELECT r.*, CASE WHEN workflow = '2' THEN 'x' WHEN n % 3 = 0 THEN 'y' ELSE 'z' END AS sampler FROM pat.runs r;
SELECT p.description, p.failures, p.trials, same_as, c->>'dimension' AS dimension, c->>'verdict' AS verdict, c->>'value' AS value
FROM (SELECT failure_cube(abs(hashint8(n * 15485863::bigint)) % 1000 < CASE WHEN workflow = '2' THEN 300 ELSE 80 END,
                          jsonb_build_object('workflow', workflow, 'model', model, 'sampler', sampler)) AS cube FROM pat.together) t,
     fp_patterns(t.cube) p, jsonb_array_elements(p.confounders) c WHERE c->>'verdict' <> 'supported';

-- one check
SELECT pattern_key, description, failed_check FROM pat.cubes, fp_patterns(cube, "check" => 'face', max_arity => 1) ORDER BY pattern_key COLLATE "C";

-- each check by itself, and all that was tested counted
SELECT pattern_key, description, failed_check FROM pat.cubes, fp_patterns(cube, "check" => '*') ORDER BY failed_check COLLATE "C", pattern_key COLLATE "C";
SELECT a.q_value > b.q_value AS counted FROM pat.cubes, fp_patterns(cube, "check" => '*') a, fp_patterns(cube, "check" => 'face') b
WHERE a.pattern_key = b.pattern_key AND a.failed_check = b.failed_check AND a.pattern_key = 'l:3:c:5:sp:6+';

-- in pieces: the same patterns with the pieces as strata
SELECT p.pattern_key, p.failures, p.trials
FROM (SELECT array_agg(c ORDER BY piece) AS cubes
      FROM (SELECT n % 10 AS piece, failure_cube(failed, to_jsonb(r) - 'n' - 'noise' - 'failed' - 'checks', ARRAY['segment_position']) AS c
            FROM pat.runs r GROUP BY 1) s) t, fp_patterns(t.cubes) p;

-- the same however it was gathered
SELECT count(*) = 0 AS same FROM (
  SELECT p FROM pat.cubes, fp_patterns(cube) p
  EXCEPT
  SELECT p FROM (SELECT rollup(c) AS cube FROM (
      SELECT failure_cube(failed, to_jsonb(r) - 'n' - 'noise' - 'failed' - 'checks', ARRAY['segment_position'], NULL, checks) AS c
      FROM (SELECT * FROM pat.runs ORDER BY hashint4(n)) r GROUP BY n % 7) s) t, fp_patterns(t.cube) p) d;

-- UCB admissions: the department, and no gender that fails more often; what
-- is known of department A, where women were refused less often, is found
CREATE TABLE pat.ucb (department text, gender text, failures int, trials int);
\copy pat.ucb FROM 'test/fixtures/ucb_admissions.csv' CSV HEADER
SELECT d AS asked, p.description, p.effect, p.failures, p.trials
FROM (SELECT failure_cube(failures, trials, jsonb_build_object('gender', gender, 'department', department)) AS cube
      FROM pat.ucb) t, unnest(ARRAY['worse', 'both']) d, fp_patterns(t.cube, direction => d) p ORDER BY d COLLATE "C" DESC, p.failures;

-- Titanic
CREATE TABLE pat.titanic (class text, sex text, age text, failures int, trials int);
\copy pat.titanic FROM 'test/fixtures/titanic.csv' CSV HEADER
SELECT p.description, p.effect, p.failures, p.trials
FROM (SELECT failure_cube(failures, trials, jsonb_build_object('class', class, 'sex', sex, 'age', age)) AS cube
      FROM pat.titanic) t, fp_patterns(t.cube, direction => 'both') p;

-- nothing to find: no rows, no errors
SELECT count(*) FROM fp_patterns(NULL::failure_cube);
SELECT count(*) FROM fp_patterns(NULL::failure_cube[]);
SELECT count(*) FROM fp_patterns('{}'::failure_cube[]);
SELECT count(*) FROM (SELECT failure_cube(true, '{"a": 1}'::jsonb) AS cube WHERE false) t, fp_patterns(t.cube);
SELECT count(*) FROM pat.cubes, fp_patterns(cube, direction => 'better');

-- why is it one, why are others not
SELECT step, gate, passed, against, failures, trials, other_failures, other_trials, round(risk_ratio::numeric, 1) AS ratio, p_value <= level AS significant, note
FROM pat.cubes, fp_explain(cube, '{"lora": ["3"], "character": "5", "segment_position": {"min": 6}}') ORDER BY step;
SELECT e.n, gate, passed, against, note
FROM pat.cubes, (VALUES (1, '{"character": "5"}'::jsonb), (2, '{"lora": "3", "character": "5"}'), (3, '{"lora": ["3", "4"]}'),
  (4, '{"segment_position": {"min": 6, "max": 9}, "lora": "3", "character": "5"}'), (5, '{"character": "none"}'),
  (6, '{"model": "1", "lora": "3", "character": "5", "segment_position": {"min": 6}}')) e(n, c), fp_explain(cube, e.c)
WHERE NOT passed OR gate = 'result' ORDER BY e.n, step;

-- with strata, time is a confounder like others
SELECT gate, passed, against, note
FROM (SELECT array_agg(c ORDER BY piece) AS cubes
      FROM (SELECT n % 10 AS piece, failure_cube(failed, to_jsonb(r) - 'n' - 'noise' - 'failed' - 'checks', ARRAY['segment_position']) AS c
            FROM pat.runs r GROUP BY 1) s) t, fp_explain(t.cubes, '{"lora": ["3"], "character": "5", "segment_position": {"min": 6}}')
WHERE gate = 'confounder' ORDER BY step;
SELECT count(*) FROM fp_explain('{}'::failure_cube[], '{"lora": "3"}');

-- bad arguments
SELECT count(*) FROM pat.cubes, fp_patterns(cube, max_arity => 0);
\echo :LAST_ERROR_SQLSTATE
SELECT count(*) FROM pat.cubes, fp_patterns(cube, max_arity => 7);
SELECT count(*) FROM pat.cubes, fp_patterns(cube, max_arity => 2147483647);
SELECT count(*) FROM pat.cubes, fp_patterns(cube, alpha => 1.5);
SELECT count(*) FROM pat.cubes, fp_patterns(cube, alpha => 'NaN');
SELECT count(*) FROM pat.cubes, fp_patterns(cube, min_trials => 0);
SELECT count(*) FROM pat.cubes, fp_patterns(cube, min_risk_ratio => 0.5);
SELECT count(*) FROM pat.cubes, fp_patterns(cube, direction => 'sideways');
SELECT count(*) FROM pat.cubes, fp_patterns(cube, "check" => 'smell');
\echo :LAST_ERROR_SQLSTATE

SELECT count(*) FROM pat.cubes, fp_explain(cube, '{}');
SELECT count(*) FROM pat.cubes, fp_explain(cube, '{"lora": []}');
SELECT count(*) FROM pat.cubes, fp_explain(cube, '{"lora": null}');
SELECT count(*) FROM pat.cubes, fp_explain(cube, '{"lora": ["1", "2", "3", "4", "5", "6", "7"]}');
SELECT count(*) FROM pat.cubes, fp_explain(cube, '{"colour": "red"}');
SELECT count(*) FROM pat.cubes, fp_explain(cube, '{"lora": {"min": 3}}');
SELECT count(*) FROM pat.cubes, fp_explain(cube, '{"lora": "3"}', direction => 'both');

-- memory: less of it makes more passes over the cells, and the same list; cube and mining share one limit
CREATE TABLE many_cells AS
SELECT failure_cube(i % 11 = 0 OR (i % 40 = 3 AND i / 40 % 30 = 4 AND i % 3 > 0), d, '{z}') AS cube
FROM generate_series(1, 40000) AS i,
     LATERAL (SELECT i % 40 AS x, i / 40 % 30 AS y, abs(hashint4(i)) % 12 AS z, abs(hashint4(i + 1)) % 50 AS u) AS d;
CREATE TABLE with_room AS SELECT p.* FROM many_cells, fp_patterns(cube) AS p;
SELECT count(*) > 0 AS found FROM with_room;
SET failpat.memory_limit = '4MB';
SELECT count(*) AS other_rows
FROM (SELECT p::text FROM many_cells, fp_patterns(cube) AS p EXCEPT ALL SELECT w::text FROM with_room AS w) AS d;
SET failpat.memory_limit = '2200kB';
SELECT count(*) FROM many_cells, fp_patterns(cube);
SELECT count(*) FROM many_cells, fp_patterns(ARRAY[cube, cube]);
RESET failpat.memory_limit;
DROP TABLE many_cells, with_room;

-- a lot to count is announced
SELECT count(*)
FROM (SELECT failure_cube(i % 3 = 0, o.dims) AS cube
      FROM generate_series(1, 500) AS i,
           LATERAL (SELECT jsonb_object_agg('d' || d, (i + d) % 7 + i / 7) AS dims FROM generate_series(1, 60) AS d) AS o) AS c,
     fp_patterns(c.cube, max_arity => 6, min_trials => 1000);

RESET search_path;
SET client_min_messages = warning;
DROP SCHEMA pat CASCADE;
