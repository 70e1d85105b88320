-- Continuous integration: which test runs fail, and which of them are flaky?
--
-- Paste it into psql statement by statement, or: psql -X -a -f examples/ci.sql
-- The data are made up, so that what is wrong with them is known: see the end.
-- What comes out is in expected/example_ci.out.

CREATE EXTENSION IF NOT EXISTS failpat;

-- 60,000 test runs of 60 days, as a CI server has them. "tag" has what a test is
-- marked with: none, one or several. The random numbers are the same every time.
CREATE TABLE test_runs AS
WITH random AS MATERIALIZED (
    SELECT n, ARRAY(SELECT ('x' || left(md5(format('ci %s %s', n, k)), 8))::bit(32)::bigint / 4294967296.0
                    FROM generate_series(1, 10) AS k) AS r
    FROM generate_series(1, 60000) AS n
), run AS (
    SELECT n, r, timestamptz '2026-03-01 00:00Z' + n * interval '60 days' / 60001 AS at,
           CASE WHEN r[1] < 0.50 THEN 'main' WHEN r[1] < 0.75 THEN 'pull request' WHEN r[1] < 0.90 THEN 'release' ELSE 'nightly' END AS branch,
           CASE WHEN r[2] < 0.50 THEN 'linux' WHEN r[2] < 0.70 THEN 'linux-arm' WHEN r[2] < 0.85 THEN 'windows' ELSE 'macos' END AS runner,
           CASE WHEN r[3] < 0.80 THEN 1 WHEN r[3] < 0.95 THEN 2 ELSE 3 END AS attempt,
           ARRAY(SELECT t FROM unnest('{network,parallel,database,slow}'::text[]) WITH ORDINALITY AS u (t, i)
                 WHERE r[3 + i] < 0.3) AS tag
    FROM random
), suite AS (
    -- nightly builds run mostly end-to-end tests
    SELECT run.*, CASE WHEN r[8] < CASE branch WHEN 'nightly' THEN 0.70 ELSE 0.10 END THEN 'e2e'
                       WHEN r[8] < 0.70 THEN 'unit' WHEN r[8] < 0.85 THEN 'api' ELSE 'ui' END AS suite
    FROM run
), test AS (
    SELECT suite.*, suite || '_' || lpad((1 + floor(r[9] * 25))::text, 2, '0') AS test FROM suite
)
SELECT n AS id, at, branch, suite, test, runner, attempt, tag,
       r[10] < CASE WHEN suite = 'e2e' AND runner = 'macos' AND attempt = 1 THEN 0.30
                    WHEN suite = 'ui' AND runner = 'windows' AND at >= '2026-04-10Z' THEN 0.20
                    WHEN '{network,parallel}' <@ tag THEN 0.14
                    WHEN test = 'api_17' THEN 0.20
                    WHEN suite = 'e2e' THEN 0.08
                    ELSE 0.02 END AS failed
FROM test;

-- What one usually looks at first: nightly builds fail twice as often
SELECT branch, fp_rate_text(failure_rate_ci(failed)) AS failed FROM test_runs GROUP BY branch ORDER BY avg(failed::int) DESC;

-- Count every combination once; attempts are ordered numbers, tags are sets
CREATE TABLE test_cube AS
SELECT failure_cube(failed, d, '{attempt}') AS cube
FROM test_runs, LATERAL (SELECT branch, suite, test, runner, attempt, tag) AS d;

-- What fails, beyond chance, and is not explained by something simpler
SELECT l.* FROM test_cube, fp_pattern_list(cube) AS l;

-- Nightly builds are not among them. Why? The suites that run there explain it
SELECT e.gate, e.passed, e.against, round(e.rate::numeric, 3) AS rate, round(e.other_rate::numeric, 3) AS other_rate, e.note
FROM test_cube, fp_explain(cube, '{"branch": "nightly"}') AS e;

-- Is it worth to run it again? End-to-end tests on macOS, attempt by attempt,
-- beside all others
SELECT l.value AS attempt, l.failures, l.trials, round(100 * l.rate) AS percent, round(100 * l.other_rate) AS others
FROM test_cube, fp_ladder(cube, '{"suite": "e2e", "runner": "macos"}', 'attempt') AS l;

-- Where it is red
\pset format unaligned
SELECT fp_heatmap_text(cube, 'suite', 'runner', red_at => 0.3, colors => false) AS heatmap FROM test_cube;
\pset format aligned

-- User interface tests on Windows: since when?
SELECT c.direction, c.at::date AS since, round(100 * c.rate_before) AS percent_before, round(100 * c.rate_after) AS percent_after
FROM (SELECT change_points(date_trunc('day', at, 'UTC'), failed::int, 1) AS found
      FROM test_runs WHERE suite = 'ui' AND runner = 'windows') AS s, unnest(found) AS c;

-- The truth, as it stands in the statement that made the data: a fresh simulator
-- (end-to-end tests on macOS, at the first attempt), a runner image of the 10th
-- of April (user interface tests on Windows), a race (tests of the network that
-- run in parallel), one flaky test, and end-to-end tests, which fail more often
-- anywhere. Branches do not matter.
