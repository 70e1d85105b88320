-- Evidence: counts of patterns in a cube, e-values, courses over time.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS failpat;
RESET client_min_messages;

-- Counts of several combinations at once; what a cube does not know, nothing meets.
CREATE TABLE cubes AS
SELECT failure_cube(f, d, '{pos}') AS cube FROM (VALUES
    (true, '{"lora": ["1", "2"], "ch": "5", "pos": 7}'::jsonb), (true, '{"lora": ["1"], "ch": "5", "pos": 2}'),
    (false, '{"lora": ["2"], "ch": "6", "pos": 7}'), (false, '{"lora": [], "ch": null, "pos": 9}'), (true, '{"lora": ["2", "1"], "ch": "6", "pos": 1}')) v (f, d);
SELECT n.* FROM cubes, fp_pattern_counts(cube, ARRAY['{}', '{"lora": "1"}', '{"lora": ["1", "2"]}', '{"ch": "5", "pos": {"min": 3}}', '{"pos": {"min": 3, "max": 8}}',
    '{"ch": "7"}', '{"model": "1"}', '{"ch": ["5", "6"]}', '{"ch": {"min": 1}}']::jsonb[]) n ORDER BY pattern;
SELECT n.* FROM cubes, fp_pattern_counts(cube, '{"{}", "{\"lora\": \"1\"}"}', '{"{\"pos\": {\"min\": 3}}", "{\"model\": \"1\"}"}') n ORDER BY pattern;
SELECT count(*) FROM cubes, fp_pattern_counts(cube, '{}');
SELECT fp_pattern_counts(cube, '{null}') FROM cubes;
SELECT fp_pattern_counts(cube, '{"3"}') FROM cubes;

-- The e-value: the likelihood ratio of Fisher's noncentral distribution. One of
-- two trials drawn, one of two failed, and it was the drawn one: r / ((1 + r) / 2).
SELECT i, round(exp(e)::numeric, 12) AS e, round((r / ((1 + r) / 2))::numeric, 12) AS expected
FROM unnest(fp_wealth('{}', '{1}', '{1}', '{2}', '{1}')) WITH ORDINALITY AS w (e, i)
JOIN (VALUES (1, 1.25), (2, 1.5), (3, 2), (4, 3), (5, 5), (6, 10)) AS x (j, r) ON j = i ORDER BY i;
SELECT round(fp_e_value(fp_wealth('{}', '{1}', '{1}', '{2}', '{1}'))::numeric, 12) AS mean;
-- strata one by one or at once; nothing to tell, nothing told
SELECT fp_wealth(fp_wealth('{}', '{10}', '{4}', '{100}', '{12}'), '{8}', '{3}', '{90}', '{9}') = fp_wealth('{}', '{10,8}', '{4,3}', '{100,90}', '{12,9}') AS same;
SELECT fp_e_value('{}'), fp_wealth('{}', '{0,5,5,3}', '{0,0,5,3}', '{10,9,9,3}', '{4,0,9,3}');
-- inflated: the logarithm is divided
SELECT bool_and(abs(a * 2 - b) < 1e-12) FROM unnest(fp_wealth('{}', '{10}', '{4}', '{100}', '{12}', 2), fp_wealth('{}', '{10}', '{4}', '{100}', '{12}')) AS u (a, b);
SELECT fp_e_value('{800,800,800,800,800,800}') = 1.7976931348623157e308 AS finite;
SELECT fp_e_value('{Infinity,-Infinity,Infinity,0,-Infinity,Infinity}') = 1.7976931348623157e308 AS mean_of_infinities, fp_e_value(array_fill('-Infinity'::float8, '{6}')) AS nothing;
SELECT fp_wealth('{}', '{1}', '{2}', '{3}', '{2}');
SELECT fp_wealth('{}', '{1,2}', '{1}', '{3}', '{2}');
SELECT fp_wealth('{}', '{null}', '{1}', '{3}', '{2}');
SELECT fp_wealth('{1}', '{1}', '{1}', '{3}', '{2}');
SELECT fp_wealth('{}', '{1}', '{1}', '{3}', '{2}', 0.5);
SELECT fp_e_value('{1,2,3,4,5,NaN}');

-- Thresholds: the i-th candidate has 6 / (pi i)^2 of alpha.
SELECT i, round(fp_e_threshold(0.05, i)::numeric, 6) AS threshold FROM generate_series(1, 3) i;
SELECT fp_e_threshold(0, 1);
SELECT fp_e_threshold(0.05, 0);

-- A course: elevated for ten buckets, then not.
SELECT round(p_value::numeric, 9) AS p, round(risk_ratio::numeric, 4) AS rr, round(rr_lower::numeric, 4) AS lower, round(rr_upper::numeric, 4) AS upper, informative,
    round(decline_e::numeric, 4) AS decline_e, decline_from, round(decline_ratio::numeric, 4) AS since_then
FROM (SELECT array_agg(20::bigint) AS n, array_agg(CASE WHEN b <= 10 THEN 8 ELSE 2 END::bigint ORDER BY b) AS a,
          array_agg(200::bigint) AS alln, array_agg(CASE WHEN b <= 10 THEN 26 ELSE 20 END::bigint ORDER BY b) AS allf FROM generate_series(1, 20) b) s, fp_course(n, a, alln, allf, 2);
-- still elevated
SELECT decline_e, decline_from, decline_ratio FROM fp_course('{20,20}', '{8,9}', '{200,200}', '{26,26}', 2);
SELECT * FROM fp_course('{}', '{}', '{}', '{}', 2);
SELECT fp_course('{1}', '{1}', '{2}', '{1}', 1);
SELECT fp_course('{1}', '{1}', '{2}', '{1}', 2, confidence => 1);

DROP TABLE cubes;
