-- fp_ladder: a combination position by position.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS failpat;
RESET client_min_messages;

-- character 5 fails from position 6 on; all fail a little more the later it is
CREATE TEMP TABLE runs AS
SELECT (abs(hashint4(i + 3)) % 4)::text AS character, 1 + abs(hashint4(i + 9)) % 10 AS pos,
       (ARRAY['{}', '{a}', '{b}', '{a,b}', '{a,b,c}']::text[])[1 + i % 5]::text[] AS lora, i AS n, abs(hashint4(i * 31 + 7)) % 1000 AS h
FROM generate_series(1, 20000) i;
INSERT INTO runs SELECT NULL, NULL, NULL, 0, 0 FROM generate_series(1, 5);
ALTER TABLE runs ADD failed boolean, ADD checks text[];
UPDATE runs SET failed = h < 60 + 5 * pos + CASE WHEN character = '3' AND pos >= 6 THEN 200 ELSE 0 END;
UPDATE runs SET failed = false WHERE failed IS NULL;
UPDATE runs SET checks = CASE WHEN failed AND n % 2 = 0 THEN '{face}'::text[] END;
CREATE TEMP TABLE cubes AS SELECT failure_cube(failed, d, '{pos}', NULL, checks) AS cube FROM runs, LATERAL (SELECT character, pos, lora) d;

SELECT pattern_key FROM cubes, fp_patterns(cube);
SELECT value, in_range, failures, trials, round(rate::numeric, 3) AS rate, round(other_rate::numeric, 3) AS other,
       round(risk_ratio::numeric, 2) AS ratio, rr_lower < risk_ratio AND risk_ratio < rr_upper AS inside,
       p_adjusted < 0.05 AS significant, round(evidence_from::numeric, 1) AS evidence, plausible_from
FROM cubes, fp_ladder(cube, '{"character": "3", "pos": {"min": 6}}', 'pos');

-- the counts are those of the table; the others are those of the same position
SELECT count(*) AS rows, bool_and(l.failures = r.f AND l.trials = r.n AND l.other_failures = r.of AND l.other_trials = r.onn
    AND l.rate = (r.ci).rate AND l.lower = (r.ci).lower AND l.upper = (r.ci).upper) AS same
FROM cubes, fp_ladder(cube, '{"character": "3"}', 'pos') l
JOIN (SELECT pos, count(*) FILTER (WHERE failed AND character = '3') AS f, count(*) FILTER (WHERE character = '3') AS n,
             count(*) FILTER (WHERE failed AND character <> '3') AS of, count(*) FILTER (WHERE character <> '3') AS onn,
             failure_rate_ci(failed) FILTER (WHERE character = '3') AS ci
      FROM runs GROUP BY pos) r ON r.pos = l.value;
-- p is Fisher's, and Holm's is over the rows
SELECT bool_and(abs(l.p_value / c.p_value - 1) < 1e-9 AND abs(l.risk_ratio / c.ratio - 1) < 1e-12) AS same,
       bool_and(l.p_adjusted >= l.p_value AND l.p_adjusted <= 1) AS adjusted,
       round(max(l.p_adjusted / l.p_value) FILTER (WHERE place = 1)) AS factor
FROM (SELECT l.*, row_number() OVER (ORDER BY p_value) AS place FROM cubes, fp_ladder(cube, '{"character": "3"}', 'pos') l) l,
     fp_compare_rates(failures, trials, other_failures, other_trials) c;

-- by how many values of a set; a check; members stay
SELECT value, in_range, failures, trials FROM cubes, fp_ladder(cube, '{"lora": {"count": {"max": 1}}, "character": "1"}', 'lora');
SELECT value, in_range, trials FROM cubes, fp_ladder(cube, '{"lora": "a"}', 'lora');
SELECT sum(failures) = (SELECT count(*) FROM runs WHERE checks = '{face}' AND character = '1') AS of_check
FROM cubes, fp_ladder(cube, '{"character": "1"}', 'pos', 'face');
-- alone: each position against all others
SELECT bool_and(trials + other_trials = 20000) AS others FROM cubes, fp_ladder(cube, '{}', 'pos');
SELECT count(*) FROM cubes, fp_ladder(cube, '{"character": "none"}', 'pos');
SELECT count(*) FROM cubes, fp_ladder(fp_slice(cube, '{"character": "none"}'), '{}', 'pos');
SELECT count(*) FROM cubes, fp_ladder(cube, NULL, 'pos');
-- of one group there is nothing to compare with
SELECT value, other_trials, other_rate, risk_ratio, p_value, p_adjusted
FROM cubes, fp_ladder(fp_slice(cube, '{"character": "3"}'), '{"character": "3"}', 'pos') LIMIT 1;

SELECT * FROM cubes, fp_ladder(cube, '{}', 'character');
SELECT * FROM cubes, fp_ladder(cube, '{}', 'nowhere');
SELECT * FROM cubes, fp_ladder(cube, '{}', 'pos', '*');
SELECT * FROM cubes, fp_ladder(cube, '{}', 'pos', confidence => 1);
SELECT * FROM cubes, fp_ladder(cube, '{"pos": "late"}', 'pos');
SELECT * FROM cubes, fp_ladder(cube, '{"pos": {"count": 2}}', 'pos');
