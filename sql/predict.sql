-- Prediction: the model, fp_predict, fp_retry_advice.
SET client_min_messages = warning;
CREATE EXTENSION failpat;
SET TIME ZONE 'UTC';
CREATE FUNCTION u(n bigint, salt bigint) RETURNS float8 LANGUAGE sql IMMUTABLE
RETURN ((hashint8extended(n, salt) >> 11) & 9007199254740991)::float8 / 9007199254740992.0;

-- 12,000 segments over 40 days: LoRA 3 fails more, LoRA 3 + character 5 much more,
-- later positions a little; every segment that fails is tried again, up to
-- three times, and one job in five is bad through and through.
CREATE TABLE seen AS
WITH s AS (
    SELECT n, current_date - 41 + floor(n / 300.0)::int AS day, 1 + floor(3 * u(n / 6, 1))::int AS w,
        CASE floor(4 * u(n / 6, 2))::int WHEN 0 THEN '{}'::text[] WHEN 1 THEN '{3}' WHEN 2 THEN '{7}' ELSE '{3,7}' END AS l,
        1 + floor(6 * u(n / 6, 3))::int AS c, 1 + n % 6 AS p
    FROM generate_series(0, 11999) n), r AS (
    SELECT *, 1 / (1 + exp(2.6 - 0.6 * ('3' = ANY (l))::int - 1.5 * ('3' = ANY (l) AND c = 5)::int - 0.1 * p)) AS q FROM s), t AS (
    SELECT r.*, a, bool_and(u(n, 10 + a) < CASE WHEN u(n, 5) < 0.2 THEN (u(n, 6) < q)::int ELSE q END) OVER (PARTITION BY n ORDER BY a) AS failed_all
    FROM r, generate_series(1, 3) a)
SELECT n || '-' || a AS key, day + time '12:00' AT TIME ZONE 'UTC' AS at, (n / 6)::text AS job,
    u(n, 10 + a) < CASE WHEN u(n, 5) < 0.2 THEN (u(n, 6) < q)::int ELSE q END AS failed,
    jsonb_build_object('workflow', w::text, 'lora', l, 'character', c::text, 'segment_position', p) AS dims
FROM t WHERE a = 1 OR EXISTS (SELECT FROM t x WHERE x.n = t.n AND x.a = t.a - 1 AND x.failed_all);

-- before there is a model
SELECT count(*) FROM fp_predict('{"workflow": "1"}');
INSERT INTO fp_sources (source) VALUES ('segments');
INSERT INTO fp_source_state (source, backfill_done) VALUES ('segments', true);
INSERT INTO fp_dimensions (source, name, kind, position, title, choosable) VALUES
    ('segments', 'workflow', 'nominal', 1, 'Workflow', true), ('segments', 'lora', 'set', 2, 'LoRA', true),
    ('segments', 'character', 'nominal', 3, 'Character', false), ('segments', 'segment_position', 'ordinal', 4, 'segment', false);
INSERT INTO fp_observations (source, obs_key, source_key, observed_at, failed, failed_checks, job, dims, changed_at)
SELECT 'segments', key, key, at, failed, '{}', job, dims, now() FROM seen;
INSERT INTO fp_dirty SELECT DISTINCT 'segments', fp_bucket(at, '1 day', 'UTC'), now() FROM seen;
SELECT count(*) FROM fp_predict('{"workflow": "1"}');
SELECT count(*) FROM fp_retry_advice('{"workflow": "1"}');
CALL fp_refresh();
SELECT error FROM fp_status();

-- the model: what it has, and that it knows all that was observed
SELECT m.trials = (SELECT count(*) FROM seen) AS all_of_them, m.dispersion >= 1 AS dispersion, m.jobs ? 'weights' AS jobs,
    (m.attempts ->> 'repeated')::int > 200 AS repeated
FROM fp_models m;
SELECT kind, count(*) > 0 AS any FROM fp_model_terms WHERE kind NOT IN ('pair', 'recent') GROUP BY kind ORDER BY kind COLLATE "C";
SELECT label, sign(effect) FROM fp_model_terms WHERE kind = 'member' AND conditions = '{"lora": "3"}';

-- predictions: near the truth, and it inside the interval
WITH truth AS (
    SELECT v.*, (SELECT avg(failed::int) FROM seen WHERE (dims - '{workflow,segment_position}'::text[]) @> v.combo AND (dims -> 'lora' = v.combo -> 'lora' OR NOT v.combo ? 'lora')) AS rate
    FROM (VALUES (1, '{"lora": ["3"], "character": "5"}'::jsonb), (2, '{"lora": ["7"]}'), (3, '{"character": "5"}')) v (no, combo))
SELECT no, abs(p.probability - rate) < 0.04 AS near, p.lower < p.probability AND p.probability < p.upper AS inside, p.upper - p.lower < 0.25 AS narrow
FROM truth, fp_predict(combo) p ORDER BY no;
SELECT p.probability > 2 * p.baseline_rate AS high, p.contributions -> 0 ->> 'label' AS what, p.contributions -> 0 ? 'sentence' AS told
FROM fp_predict(lora => 3, "character" => 5, segment_position => 4) p;
-- a model of another shape than failpat's
BEGIN;
UPDATE fp_models SET dimensions = '{"lora": {"kind": 7, "mean": [1]}, "character": ["kind"], "workflow": {"kind": ""}}', jobs = '["weights"]';
SELECT probability BETWEEN 0 AND 1 AS answers FROM fp_predict('{"lora": "3", "character": "5"}', scene_length => 4);
UPDATE fp_models SET dimensions = '[{"kind": 7}]';
SELECT probability BETWEEN 0 AND 1 AS answers FROM fp_predict('{"lora": "3", "character": "5"}', scene_length => 4);
ROLLBACK;
-- a risk ratio lies between 1 and the odds ratio, also where a pattern is met by chance only, and of a whole scene
SELECT count(*) > 2 AS some, bool_and((c ->> 'risk_ratio')::float8 BETWEEN least(1, exp((c ->> 'log_odds')::float8)) - 0.001 AND greatest(1, exp((c ->> 'log_odds')::float8)) + 0.001) AS ratios_fit
FROM (VALUES ('{"character": "5", "workflow": "1"}'::jsonb, NULL::int), ('{"character": "5", "workflow": "2"}', 6)) v (combo, length),
     fp_predict(combo, scene_length => length) p, jsonb_array_elements(p.contributions) c;
SELECT a.probability = b.probability AS same
FROM fp_predict(workflow => 2, lora => ARRAY[3, 7], "character" => 5) a,
     fp_predict('{"workflow": "2", "lora": [7, 3], "avatar": 5}') b;
SELECT (SELECT probability FROM fp_predict(segment_position => 6)) > (SELECT probability FROM fp_predict(segment_position => 1)) AS later_is_worse,
    (SELECT probability FROM fp_predict(segment_position => 60)) = (SELECT probability FROM fp_predict(segment_position => 6)) AS beyond_is_last;

-- new values: wider, near the rest; nothing told: about the base rate
SELECT p.data -> 'never_seen' AS never_seen, p.upper - p.lower > o.upper - o.lower AS wider, abs(p.probability - o.probability) < 0.05 AS near
FROM fp_predict('{"workflow": "new", "lora": ["7"]}') p, fp_predict('{"workflow": "1", "lora": ["7"]}') o;
SELECT abs(probability - baseline_rate) < 0.02 AS base, jsonb_array_length(data -> 'not_told') AS not_told FROM fp_predict();
SELECT (SELECT probability FROM fp_predict('{"lora": []}')) < (SELECT probability FROM fp_predict('{"lora": ["3"]}')) AS without_is_better;
SELECT data -> 'not_told' AS not_told FROM fp_predict('{"workflow": null, "nothing": 1}');

-- a scene
SELECT scene_probability > probability AS more, scene_probability <= expected_failures AS at_most, round((expected_failures / probability)::numeric) AS segments
FROM fp_predict(lora => 3, scene_length => 6);

-- a few observations more: the model stays; many: it is fitted anew
CREATE TEMP TABLE before AS SELECT fitted_at FROM fp_models;
UPDATE fp_observations SET failed = NOT failed WHERE obs_key = '5-1';
INSERT INTO fp_dirty SELECT 'segments', fp_bucket(at, '1 day', 'UTC'), now() FROM seen WHERE key = '5-1';
CALL fp_refresh();
SELECT m.fitted_at = b.fitted_at AS same_model FROM fp_models m, before b;
DELETE FROM fp_observations WHERE obs_key LIKE '%7-1';
INSERT INTO fp_dirty SELECT DISTINCT 'segments', fp_bucket(at, '1 day', 'UTC'), now() FROM seen;
CALL fp_refresh();
SELECT m.fitted_at > b.fitted_at AS fitted_anew FROM fp_models m, before b;

-- what an alternative is predicted for
SELECT fp_instead('{"lora": ["3", "5"], "character": "1"}', 'lora', '3', '7') AS of_some, fp_instead('{"lora": "3"}', 'lora', '3', '7') AS of_one;
-- a range is averaged over
SELECT a.probability < r.probability AND r.probability < b.probability AS between
FROM fp_predict(segment_position => 1) a, fp_predict('{"segment_position": {"min": 1, "max": 6}}') r, fp_predict(segment_position => 6) b;

-- retries: what failed fails again more often than a first attempt
SELECT verdict, retry, pass_probability < 1 - failure_probability AS worse_than_first, lower < pass_probability AND pass_probability < upper AS inside,
    correlation BETWEEN 0.05 AND 0.4 AS correlation, basis, stop_after IS NULL AS always_pays, pass_within > pass_probability AS two_are_better
FROM fp_retry_advice(lora => 7, "character" => 2);
SELECT a.pass_probability > b.pass_probability AS each_failure_tells, b.retry
FROM fp_retry_advice(lora => 7, failures => 1) a, fp_retry_advice(lora => 7, failures => 3) b;
SELECT retry, stop_after, right(sentence, 41) AS sentence FROM fp_retry_advice(lora => 3, "character" => 5, cost_ratio => 2);
SELECT jsonb_array_length(instead) > 0 AS told_what_to_change FROM fp_retry_advice(lora => 3, "character" => 5, segment_position => 5);
-- without any correlation, and with nothing but
SELECT round(pass::numeric, 2) AS pass, round(attempts_until_pass::numeric, 1) AS attempts
FROM fp_retry_curve(0.2, 0.2, 0.2, ARRAY[1] || array_fill(0, ARRAY[23]), 0, 2, 3, 0.1);
SELECT pass < 0.03 AS never, attempts_until_pass, stop_after
FROM fp_retry_curve(0.2, 0.2, 0.2, array_fill(0, ARRAY[23]) || 1, 0, 1, 3, 0.1);

-- read only, and by anyone
CREATE ROLE predict_reader;
SET ROLE predict_reader;
BEGIN READ ONLY;
SELECT count(*) FROM fp_predict(lora => 3);
SELECT count(*) FROM fp_retry_advice(lora => 3);
COMMIT;
RESET ROLE;
DROP ROLE predict_reader;

-- errors
SELECT * FROM fp_predict('[1]');
SELECT * FROM fp_predict('{"lora": {"middle": 1}}');
SELECT * FROM fp_predict(source => 'nowhere');
SELECT * FROM fp_predict(confidence => 1);
SELECT * FROM fp_predict(scene_length => 0);
SELECT * FROM fp_retry_advice(failures => -1);
SELECT * FROM fp_retry_advice(max_attempts => 0);
SELECT * FROM fp_retry_advice(cost_ratio => 'NaN');
SELECT * FROM fp_retry_curve(0.2, 0.1, 0.3, '{1}', 0, 1, 1, 0.1);
SELECT * FROM fp_retry_curve(1.2, 0.1, 0.3, array_fill(0, ARRAY[24]), 0, 1, 1, 0.1);
INSERT INTO fp_sources (source) VALUES ('other');
SELECT count(*) FROM fp_predict(lora => 3);
INSERT INTO fp_models (source, since, until, trials, failures, seen, dispersion, unmodelled, dimensions, max_items, jobs, attempts)
SELECT 'other', since, until, trials, failures, seen, dispersion, unmodelled, dimensions, max_items, jobs, attempts FROM fp_models;
SELECT count(*) FROM fp_predict(lora => 3);
SELECT fp_fit_model('{}'), fp_fit_model(ARRAY[NULL]::failure_cube[]);

-- forgotten with its source
SELECT fp_detach('segments', forget => true);
SELECT count(*) FROM fp_model_terms;
DROP TABLE seen;
DROP EXTENSION failpat;
DROP FUNCTION u(bigint, bigint);
