-- The number of LoRAs as a condition, from refresh to the alert.
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
SELECT plan(24);

-- 40 days of 150 observations: up to four LoRAs of twelve; from three on they fail
CREATE TABLE runs (id int PRIMARY KEY, day timestamptz NOT NULL, lora text[], model text, segment_position int, failed boolean NOT NULL);
CREATE VIEW seen AS
SELECT id AS source_key, id AS obs_key, day AS observed_at, failed, '{}'::text[] AS failed_checks, lora, model, segment_position
FROM runs;
INSERT INTO runs
SELECT i, date_trunc('day', now(), 'UTC') - (i % 40) * interval '1 day' - interval '12 hours', l.lora, abs(hashint4(i + 5)) % 7,
       1 + abs(hashint4(i + 9)) % 10, abs(hashint4(i * 31 + 7)) % 100 < CASE WHEN n >= 3 THEN 40 ELSE 10 END
FROM (SELECT i, (ARRAY[0, 1, 1, 1, 1, 2, 2, 3, 3, 4])[1 + abs(hashint4(i)) % 10] AS n FROM generate_series(1, 6000) i) x
CROSS JOIN LATERAL (SELECT coalesce(array_agg(k::text), '{}') AS lora
                    FROM (SELECT k FROM generate_series(1, 12) k ORDER BY hashint8(i * 100::bigint + k) LIMIT n) m) l;
SELECT fp_attach('runs', 'seen', '{}', '{"segment_position": {"kind": "ordinal"}, "lora": {"kind": "set", "choosable": true}}');
CALL fp_refresh('runs');

SELECT results_eq($$SELECT pattern_key, description, conditions, status, dimension_lora_id::text FROM failure_patterns$$,
    $$VALUES ('runs/l#:3+', 'Using 3 or more LoRAs at once fails', '{"lora": {"count": {"min": 3}}}'::jsonb, 'active', NULL::text)$$,
    'refresh finds the number of LoRAs, and nothing else');
SELECT results_eq('SELECT failure_count::bigint, total_count::bigint FROM failure_patterns',
    'SELECT count(*) FILTER (WHERE failed), count(*) FROM runs WHERE cardinality(lora) >= 3', 'its counts are those of the table');
SELECT is((SELECT last_occurrence FROM failure_patterns), (SELECT max(day) FROM runs WHERE failed AND cardinality(lora) >= 3), 'last occurrence');
SELECT is((SELECT sum(b.trials) FROM fp_pattern_buckets b), (SELECT count(*) FROM runs WHERE cardinality(lora) >= 3)::numeric, 'counted by day');

SELECT is((SELECT count(*) FROM fp_check_combo(lora => ARRAY[3, 7, 9])), 1::bigint, 'three LoRAs alert');
SELECT is((SELECT count(*) FROM fp_check_combo(lora => ARRAY[3, 7, 9, 11], segment_position => 2)), 1::bigint, 'so do four, anywhere');
SELECT is((SELECT count(*) FROM fp_check_combo(lora => ARRAY[3, 7])), 0::bigint, 'two do not');
SELECT is((SELECT count(*) FROM fp_check_combo(lora => ARRAY[3, 3, 3])), 0::bigint, 'nor does one, said three times');
SELECT is((SELECT count(*) FROM fp_check_combo(lora => 3)), 0::bigint, 'nor one of that number');
SELECT is((SELECT count(*) FROM fp_check_combo(model => 3)), 0::bigint, 'what is not said is not known');
SELECT is((SELECT count(*) FROM fp_check_combo('{"lora": ["3", "7", "9"]}')), 1::bigint, 'as JSON');
SELECT is((SELECT count(*) FROM fp_check_combo('{"lora": {"count": 5}}')), 1::bigint, 'as a number only');
SELECT is((SELECT count(*) FROM fp_check_combos(ARRAY['{"lora": ["3", "7", "9"]}', '{"lora": []}']::jsonb[])), 1::bigint, 'in a batch');
SELECT results_eq($$SELECT a ->> 'sentence' LIKE 'Consider using at most 2 LoRAs: %', a -> 'count', (a ->> 'trials')::bigint, (a ->> 'failures')::bigint
    FROM fp_check_combo(lora => ARRAY[3, 7, 9]), jsonb_array_elements(alternatives) a$$,
    $$SELECT true, '{"max": 2}'::jsonb, count(*), count(*) FILTER (WHERE failed) FROM runs WHERE cardinality(lora) < 3$$,
    'the alternative is to use fewer, with the counts of the table');

SELECT is((SELECT count(*) FROM fp_drilldown('{"lora": {"count": {"min": 3}}, "model": "2"}', 'runs', page_size => 1000)),
    (SELECT count(*) FROM runs WHERE cardinality(lora) >= 3 AND model = '2'), 'the drill-down counts');
SELECT is((SELECT sum(trials) FROM fp_trend('{"lora": {"count": {"min": 3}}}', source => 'runs')),
    (SELECT count(*) FROM runs WHERE cardinality(lora) >= 3)::numeric, 'the trend counts');
SELECT throws_ok($$SELECT * FROM fp_trend('{"model": {"count": 3}}', source => 'runs')$$, '22023',
    'dimension "model" of source runs is not a set: it has no number of values');

CREATE VIEW more AS SELECT *, '{"a": 1}'::jsonb AS settings FROM seen;
SELECT throws_ok($$SELECT fp_attach('more', 'more')$$, '42804', 'dimension settings cannot be of type jsonb');

-- without LoRA, with a model
UPDATE runs SET failed = abs(hashint4(id * 31 + 7)) % 100 < CASE WHEN lora = '{}' AND model = '4' THEN 60 ELSE 10 END;
SELECT fp_attach('none', 'seen', '{}', '{"segment_position": {"kind": "ordinal"}, "lora": {"kind": "set", "choosable": true}}');
CALL fp_refresh('none');
SELECT is((SELECT string_agg(description, '; ') FROM failure_patterns WHERE source = 'none'), 'Model 4 fails with no LoRA', 'no LoRA');
SELECT is((SELECT count(*) FROM fp_check_combo(model => 4, lora => '{}', source => 'none')), 1::bigint, 'none is known to be none');
SELECT is((SELECT count(*) FROM fp_check_combo(model => 4, source => 'none')), 0::bigint, '... and left out is not');
SELECT is((SELECT a -> 'count' FROM fp_check_combo(model => 4, lora => '{}', source => 'none'), jsonb_array_elements(alternatives) a
           WHERE a ? 'count'), '{"min": 1}'::jsonb, 'the alternative is to use one');

-- a pair that fails is a pair
UPDATE runs SET lora = CASE WHEN id % 5 = 0 THEN '{3,7}' ELSE lora END;
UPDATE runs SET failed = abs(hashint4(id * 31 + 7)) % 100 < CASE WHEN lora @> '{3,7}' THEN 40 ELSE 10 END;
SELECT fp_attach('pair', 'seen', '{}', '{"segment_position": {"kind": "ordinal"}, "lora": {"kind": "set", "choosable": true}}');
CALL fp_refresh('pair');
SELECT is((SELECT string_agg(pattern_key, '; ') FROM failure_patterns WHERE source = 'pair'), 'pair/l:3+7', 'a pair is no number');
SELECT is((SELECT string_agg(error, '; ') FROM fp_source_state), NULL, 'no errors');
SELECT * FROM finish();
ROLLBACK;
