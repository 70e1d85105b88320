-- The PRD's success metrics, from data whose answers are known.
\set QUIET 1
\set ON_ERROR_STOP 1
\pset format unaligned
\pset tuples_only true
\pset pager off
SET client_min_messages = warning;
CREATE SCHEMA "Fail ""Pat"" ü";
CREATE EXTENSION failpat SCHEMA "Fail ""Pat"" ü";
SET search_path = "Fail ""Pat"" ü", tap;

SELECT plan(11);

INSERT INTO fp_sources (source, created_at) VALUES ('segments', now() - interval '60 days');
INSERT INTO failure_patterns (id, pattern_key, description, conditions, failure_rate, baseline_rate, first_detected_at, status)
VALUES (1, 'l:3', 'LoRA 3 fails', '{"lora": "3"}', 0.5, 0.1, now() - interval '20 days', 'active'),
       (2, 'l:4', 'LoRA 4 fails', '{"lora": "4"}', 0.5, 0.1, now() - interval '20 days', 'resolved'),
       (3, 'l:5', 'LoRA 5 fails', '{"lora": "5"}', 0.5, 0.1, now() - interval '20 days', 'active'),
       (4, 'l:6', 'LoRA 6 fails', '{"lora": "6"}', 0.5, 0.1, now() - interval '20 days', 'inactive');
SELECT is((SELECT array_agg(metric) FROM fp_success_metrics()), '{detection_hours,repeat_failures_reduction,patterns_with_fix}', 'three metrics');
SELECT ok((SELECT value IS NULL AND met IS NULL AND n = 0 FROM fp_success_metrics() WHERE metric = 'detection_hours'), 'nothing is said without data');

-- LoRA 3: one observation an hour from 22 days ago, all failed: that suffices
-- with the fifth of them (min_trials), 44 hours before it was detected.
INSERT INTO fp_observations (source, obs_key, source_key, observed_at, failed, failed_checks, dims, changed_at)
SELECT 'segments', 'd' || g, 'd' || g, now() - interval '22 days' + make_interval(hours => g), true, '{}', '{"lora": ["3"]}', now()
FROM generate_series(0, 30) g;
UPDATE fp_sources SET min_trials = 5;
SELECT is((SELECT round(value::numeric, 1) FROM fp_success_metrics() WHERE metric = 'detection_hours'), 44.0, 'hours from sufficient data to detection');
SELECT ok((SELECT NOT met AND target = 24 AND n = 1 FROM fp_success_metrics() WHERE metric = 'detection_hours'), 'against the target');

-- After detection: forty unwarned jobs use it, half of them fail; of forty
-- that were warned, thirty changed their LoRA.
INSERT INTO fp_observations (source, obs_key, source_key, observed_at, failed, failed_checks, job, dims, changed_at)
SELECT 'segments', 'u' || g, 'u' || g, now() - interval '5 days', g % 2 = 0, '{}'::text[], 'unwarned ' || g, '{"lora": ["3"]}'::jsonb, now() FROM generate_series(1, 40) g
UNION ALL
SELECT 'segments', 'w' || g, 'w' || g, now() - interval '5 days', g % 8 = 0, '{}'::text[], 'warned ' || g,
       CASE WHEN g <= 30 THEN '{"lora": ["8"]}' ELSE '{"lora": ["3"]}' END::jsonb, now() FROM generate_series(1, 40) g;
SELECT is((SELECT value FROM fp_success_metrics() WHERE metric = 'repeat_failures_reduction'), NULL, 'without a log no comparison');
INSERT INTO fp_alert_log (at, pattern_id, job) SELECT now() - interval '6 days', 1, 'warned ' || g FROM generate_series(1, 40) g;
SELECT is((SELECT explanation FROM fp_success_metrics() WHERE metric = 'repeat_failures_reduction'),
          'share of failures avoided by warned against unwarned use: 5 of 40 against 20 of 40 failed', 'jobs that were warned count, whatever they then used');
SELECT ok((SELECT value BETWEEN 0.7 AND 0.75 AND lower BETWEEN 0.3 AND 0.5 AND upper < 0.9 AND met FROM fp_success_metrics() WHERE metric = 'repeat_failures_reduction'),
          'the reduction, with its interval');

INSERT INTO pattern_fixes (pattern_id, fix_description, reported_by_id) VALUES (1, 'a', 1), (1, 'b', 1), (4, 'c', 1);
SELECT is((SELECT row(round(value::numeric, 3), n, met)::text FROM fp_success_metrics() WHERE metric = 'patterns_with_fix'), '(0.333,3,f)',
          'share of active and resolved patterns with a fix');
SELECT results_eq($$SELECT lower, upper FROM fp_success_metrics() WHERE metric = 'patterns_with_fix'$$,
                  'SELECT (r).lower, (r).upper FROM fp_rate_ci(1, 3) r', 'with the interval of 1 of 3');
-- A second detection: LoRA 4, five failures at once, an hour before it was detected.
INSERT INTO fp_observations (source, obs_key, source_key, observed_at, failed, failed_checks, dims, changed_at)
SELECT 'segments', 'e' || g, 'e' || g, now() - interval '20 days 1 hour', true, '{}', '{"lora": ["4"]}', now() FROM generate_series(1, 5) g;
SELECT is((SELECT row(round(value::numeric, 2), round(lower::numeric, 2), round(upper::numeric, 2), n)::text FROM fp_success_metrics() WHERE metric = 'detection_hours'),
          '(22.50,3.15,41.85,2)', 'of two detections the median, and 5th and 95th percentile');
SELECT is((SELECT n FROM fp_success_metrics('elsewhere') WHERE metric = 'patterns_with_fix'), 0::bigint, 'of a source');
SELECT * FROM finish();
