-- Predictions: by whom, when, and what is told of what the model does not know.
-- In a schema with an awkward name, as a role with no rights but EXECUTE.
\set QUIET 1
\set ON_ERROR_STOP 1
\pset format unaligned
\pset tuples_only true
\pset pager off
SET client_min_messages = warning;
SET TIME ZONE 'UTC';
CREATE SCHEMA "Fail ""Pat"" ü";
CREATE EXTENSION failpat SCHEMA "Fail ""Pat"" ü";
SET search_path = "Fail ""Pat"" ü", tap;
CREATE ROLE predict_nobody;
GRANT USAGE ON SCHEMA "Fail ""Pat"" ü", tap TO predict_nobody;

SELECT plan(47);

-- 4,000 segments over 20 days: LoRA 3 fails three times as often as others
CREATE TABLE public.segments AS
SELECT n AS source_key, n::text AS obs_key, date_trunc('day', now()) - (1 + n / 8 % 20) * interval '1 day' AS observed_at,
       n * 2654435761 % 1000 < CASE WHEN n % 4 = 3 THEN 300 ELSE 100 END AS failed, '{}'::text[] AS failed_checks,
       n % 3 AS workflow, ARRAY[n % 4] AS lora, CASE WHEN n % 5 > 0 THEN n % 5 END AS "character", n % 8 AS segment_position, n / 8 AS job
FROM generate_series(1::bigint, 4000) n;

SELECT is((SELECT count(*) FROM fp_predict(lora => 3)), 0::bigint, 'no source: no row');
SELECT throws_ok($$SELECT * FROM fp_predict(lora => 3, source => 'segments')$$, '22023', 'there is no source "segments"', 'an unknown source is told');
SELECT fp_attach('segments', 'public.segments') \g /dev/null
SELECT is((SELECT count(*) FROM fp_predict(lora => 3)), 0::bigint, 'no model yet: no row');
SELECT is((SELECT count(*) FROM fp_retry_advice(lora => 3)), 0::bigint, 'nor advice');
CALL fp_refresh();
CREATE TEMP TABLE known AS SELECT * FROM fp_predict(workflow => 1, lora => 3, "character" => 2, segment_position => 4);
GRANT SELECT ON known TO predict_nobody;
SELECT ok((SELECT probability BETWEEN 0.2 AND 0.4 AND lower < probability AND probability < upper FROM known), 'the model knows what LoRA 3 does');

-- Anyone may ask, and only ask; reading is all that it does.
SET ROLE predict_nobody;
BEGIN READ ONLY;
SELECT results_eq($$SELECT probability, lower, upper FROM fp_predict(workflow => 1, lora => 3, "character" => 2, segment_position => 4)$$,
                  $$SELECT probability, lower, upper FROM known$$, 'a role without rights reads the same, in a read-only transaction');
SELECT is((SELECT count(*) FROM fp_retry_advice(lora => 3)), 1::bigint, 'and is advised');
COMMIT;
SELECT throws_ok($$SELECT count(*) FROM fp_models$$, '42501', NULL, 'the model itself is not for it');
SELECT throws_ok($$SELECT count(*) FROM fp_model_terms$$, '42501', NULL, 'nor are its terms');
SELECT throws_ok($$SELECT fp_save_model('segments')$$, '42501', NULL, 'it cannot fit one');
SELECT throws_ok($$SELECT fp_refresh_model('segments')$$, '42501', NULL, 'nor refresh it');
SELECT throws_ok($$SELECT fp_label_terms('segments')$$, '42501', NULL, 'nor rename its terms');
-- its own objects do not get between: names in the statements are bound
CREATE TEMP TABLE fp_models (source text, dimensions jsonb);
CREATE TEMP TABLE fp_model_terms (source text, term integer);
SELECT results_eq($$SELECT probability FROM fp_predict(workflow => 1, lora => 3, "character" => 2, segment_position => 4)$$,
                  $$SELECT probability FROM known$$, 'temporary tables of the caller are not read');
DROP TABLE pg_temp.fp_models, pg_temp.fp_model_terms;
RESET ROLE;

-- New values fall back to the average of their dimension.
SELECT results_eq($$SELECT data -> 'never_seen' FROM fp_predict('{"lora": "new", "workflow": "1"}')$$, $$VALUES ('["lora"]'::jsonb)$$,
                  'a new value is told');
SELECT ok(n.upper - n.lower > o.upper - o.lower AND abs(n.probability - o.probability) < 0.06, 'it widens the interval and changes little else')
FROM fp_predict('{"lora": ["new"], "workflow": "1"}') n, fp_predict('{"lora": ["1"], "workflow": "1"}') o;
SELECT ok(p.probability BETWEEN 0 AND 1 AND p.lower <= p.probability AND p.probability <= p.upper, 'nothing but new values')
FROM fp_predict('{"lora": ["x", "y"], "workflow": "z", "character": "q", "segment_position": 1000}') p;
SELECT is((SELECT probability FROM fp_predict(segment_position => 1000)), (SELECT probability FROM fp_predict(segment_position => 7)),
          'beyond the last position is as the last');
SELECT is((SELECT probability FROM fp_predict(segment_position => -5)), (SELECT probability FROM fp_predict(segment_position => 0)),
          'before the first as the first');
SELECT is((SELECT probability FROM fp_predict('{"nothing": "1", "lora": ["3"]}')), (SELECT probability FROM fp_predict(lora => 3)),
          'a dimension that the source does not have changes nothing');

-- NULL: an argument is not told; in JSON, it is not recorded; [] is a set that is empty.
SELECT is((SELECT probability FROM fp_predict(NULL, NULL, NULL, 3, NULL, NULL, NULL, NULL, NULL)), (SELECT probability FROM fp_predict(lora => 3)),
          'arguments that are NULL are not told');
SELECT is((SELECT count(*) FROM fp_predict(NULL)), 1::bigint, 'nor is a combination that is NULL');
SELECT results_eq($$SELECT data -> 'not_told' FROM fp_predict('{"character": null}')$$,
                  $$SELECT data -> 'not_told' FROM fp_predict("character" => 2)$$, 'null in JSON is told');
SELECT isnt((SELECT probability FROM fp_predict('{"character": null}')), (SELECT probability FROM fp_predict()), 'as a value of its own');
SELECT ok(p.upper - p.lower < 0.5 AND p.probability BETWEEN 0 AND 1, 'a set that is empty, which was never seen')
FROM fp_predict('{"lora": []}') p;
SELECT is((SELECT count(*) FROM fp_predict(confidence => NULL)), 1::bigint, 'a confidence that is NULL is the usual one');
SELECT throws_ok($$SELECT * FROM fp_retry_advice(lora => 3, failures => NULL)$$, '22023', 'failures must be 0 or more, not NULL', 'failures that are NULL');

-- Is another attempt worth it?
CREATE TEMP TABLE advice AS SELECT * FROM fp_retry_advice(lora => 3);
SELECT is((SELECT row(basis, repeats)::text FROM advice), '(jobs,0)', 'without a repeated combination: how alike other segments of a job are');
SELECT is((SELECT row(retry, verdict)::text FROM advice), '(t,unclear)', 'which does not say how alike attempts at the same thing are');
SELECT results_eq($$SELECT r.retry FROM advice a, unnest(ARRAY[0.999, 1.001]) WITH ORDINALITY c (share, n),
                         fp_retry_advice(lora => 3, cost_ratio => a.pass_probability * c.share) r ORDER BY n$$,
                  'VALUES (true), (false)', 'it is tried again while an attempt costs no more than what it promises');
SELECT ok((SELECT bool_and(less IS NULL OR stop_after <= less) AND max(stop_after) > min(stop_after) AND min(stop_after) = 0
           FROM (SELECT r.stop_after, lag(r.stop_after) OVER (ORDER BY cost) AS less
                 FROM unnest(ARRAY[0.05, 0.4, 0.6, 0.8, 1.5]) cost, fp_retry_advice(lora => 3, cost_ratio => cost) r) c),
          'the dearer an attempt, the sooner it ends');
SELECT ok((SELECT NOT retry AND pass_within = 0 AND sentence LIKE '%; no attempts are left%' FROM fp_retry_advice(lora => 3, failures => 3, max_attempts => 3)),
          'no attempt is left');
SELECT ok((SELECT pass_within > pass_probability AND expected_attempts > 1 FROM advice), 'two attempts pass rather than one');
-- the same model, had attempts had nothing in common, been as alike as can be, and had nothing been known of that
CREATE TEMP TABLE as_it_was AS SELECT source, attempts FROM fp_models;
UPDATE fp_models SET attempts = jsonb_set(attempts, '{weights}', to_jsonb(1 || array_fill(0, ARRAY[23])));
SELECT is((SELECT row(verdict, retry)::text FROM fp_retry_advice(lora => 3, failures => 1)), '(stochastic,t)', 'where attempts have nothing in common, what mostly passes passes again');
UPDATE fp_models SET attempts = jsonb_set(attempts, '{weights}', to_jsonb(array_fill(0, ARRAY[23]) || 1));
SELECT is((SELECT row(verdict, retry, stop_after)::text FROM fp_retry_advice(lora => 3, failures => 1)), '(systematic,f,1)', 'what always fails again is systematic');
UPDATE fp_models SET attempts = jsonb_set(attempts, '{weights}', to_jsonb(array_fill(1.0 / 24, ARRAY[24])));
SELECT is((SELECT verdict FROM fp_retry_advice(lora => 3, failures => 1)), 'unclear', 'where it may be either, that is said');
UPDATE fp_models m SET attempts = a.attempts FROM as_it_was a WHERE a.source = m.source;

-- Hostile combinations are refused as what they are.
SELECT throws_ok($$SELECT * FROM fp_predict('"lora"')$$, '22023', NULL, 'not an object');
SELECT throws_ok($$SELECT * FROM fp_predict('{"lora": {"min": 2, "min": {}}}')$$, '22023', NULL, 'a range of objects');
SELECT is((SELECT count(*) FROM fp_predict(jsonb_build_object('lora', repeat('ü', 5000)))), 1::bigint, 'a long value is one that was never seen');
SELECT is((SELECT probability FROM fp_predict(lora => 3, segment_position => 'NaN')), (SELECT probability FROM fp_predict(lora => 3)),
          'a position that is no number is not told');

-- Two sources: which?
INSERT INTO fp_sources (source) VALUES ('other');
SELECT is((SELECT probability FROM fp_predict(lora => 3)), (SELECT probability FROM fp_predict(lora => 3, source => 'segments')),
          'of several sources, the one with a model');
SELECT is((SELECT count(*) FROM fp_predict(lora => 3, source => 'other')), 0::bigint, 'no row for the one without');
DELETE FROM fp_sources WHERE source = 'other';

-- A detached source keeps what was learnt, a forgotten one nothing.
CREATE TEMP TABLE fitted AS SELECT fitted_at FROM fp_models;
SELECT fp_detach('segments') \g /dev/null
SELECT results_eq($$SELECT probability, lower, upper FROM fp_predict(workflow => 1, lora => 3, "character" => 2, segment_position => 4)$$,
                  $$SELECT probability, lower, upper FROM known$$, 'detached, it predicts as before');
CALL fp_refresh();
SELECT results_eq('SELECT fitted_at FROM fp_models', 'SELECT fitted_at FROM fitted', 'and is not fitted anew');
DROP TABLE public.segments;
SELECT is((SELECT count(*) FROM fp_retry_advice(lora => 3)), 1::bigint, 'nor does it need the table');
SELECT fp_detach('segments', forget => true) \g /dev/null
SELECT is((SELECT count(*) FROM fp_models) + (SELECT count(*) FROM fp_model_terms), 0::bigint, 'forgotten, no model is left');
SELECT is((SELECT count(*) FROM fp_predict(lora => 3)), 0::bigint, 'nor a prediction');
SELECT is((SELECT count(*) FROM fp_retry_advice(lora => 3)), 0::bigint, 'nor advice');
SELECT * FROM finish();
DROP OWNED BY predict_nobody;
DROP ROLE predict_nobody;
