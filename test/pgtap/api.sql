-- JSON for the API layer: the platform's shapes, field by field, type by type.
\set QUIET 1
\set ON_ERROR_STOP 1
\pset format unaligned
\pset tuples_only true
\pset pager off
SET client_min_messages = warning;
CREATE SCHEMA "Fail ""Pat"" ü";
CREATE EXTENSION failpat SCHEMA "Fail ""Pat"" ü";
SET search_path = "Fail ""Pat"" ü", tap;
SET timezone = 'Asia/Kolkata'; -- times are in UTC all the same

SELECT plan(42);

-- An empty house.
SELECT is(fp_api_patterns(), '[]', 'no patterns');
SELECT is(fp_api_pattern(1), 'null', 'no pattern is the JSON null');
SELECT is(fp_api_alerts(), '[]', 'no alerts');
SELECT is(fp_api_trends(1), '[]', 'no trend');
SELECT is(fp_api_fixes(1), '[]', 'no fixes');
SELECT is(fp_api_heatmap(), '{"cells": [], "row_labels": [], "col_labels": []}', 'an empty heatmap');

CREATE TABLE public.people (id bigint PRIMARY KEY, name text);
INSERT INTO public.people VALUES (5, 'Ada'), (6, 'Bruno'), (7, 'Ada');
INSERT INTO fp_sources (source) VALUES ('segments');
INSERT INTO fp_dimensions (source, name, kind, position, title, label_table, label_key, label_column) VALUES
    ('segments', 'workflow', 'nominal', 1, 'Workflow', NULL, NULL, NULL),
    ('segments', 'lora', 'set', 3, 'LoRA', NULL, NULL, NULL),
    ('segments', 'character', 'nominal', 4, 'Character', 'public.people', 'id', 'name'),
    ('segments', 'segment_position', 'ordinal', 6, 'segment', NULL, NULL, NULL);
INSERT INTO failure_patterns (id, pattern_key, description, conditions, dimension_workflow_id, dimension_lora_id,
    dimension_avatar_id, dimension_segment_position, failure_count, total_count, failure_rate, rate_lower, rate_upper,
    baseline_rate, risk_ratio, severity, last_occurrence, created_at)
VALUES (1, 'w:5:l:3:c:5:sp:6+', 'Workflow 5 + LoRA 3 + Character Ada fails at segment 6+',
        '{"workflow": "5", "lora": "3", "character": "5", "segment_position": {"min": 6}}',
        5, 3, 5, '6+', 74, 120, 0.6166, 0.53, 0.70, 0.12, 5.6, 'high', '2026-05-01 12:00:00.5+02', '2026-04-30 00:00+00');
INSERT INTO failure_patterns (id, pattern_key, description, conditions, failure_rate, total_count, severity)
SELECT 100 + g, 'l:' || 100 + g, 'LoRA ' || 100 + g || ' fails', jsonb_build_object('lora', (100 + g)::text), 0.4, 50, 'medium'
FROM generate_series(1, 120) g;
UPDATE failure_patterns SET status = 'resolved' WHERE id = 220;
INSERT INTO pattern_fixes (pattern_id, fix_description, fix_parameters, effectiveness, reported_by_id, created_at)
VALUES (1, 'older', NULL, NULL, 2, '2026-05-02 00:00+00'), (1, 'newer', '{"cfg": 6}', 'improved', 3, '2026-05-03 00:00+00');

-- Patterns.
SELECT is(fp_api_pattern(1) - '{dimension_model_id,conditions,status,rate_lower,rate_upper,baseline_rate,candidate,source,alternatives,fixes,updated_at}'::text[],
    '{"id": 1, "pattern_key": "w:5:l:3:c:5:sp:6+", "description": "Workflow 5 + LoRA 3 + Character Ada fails at segment 6+",
      "dimension_workflow_id": 5, "dimension_lora_id": 3, "dimension_avatar_id": 5, "dimension_scene_type_id": null,
      "dimension_segment_position": "6+", "failure_count": 74, "total_count": 120, "failure_rate": 0.6166, "severity": "high",
      "last_occurrence": "2026-05-01T10:00:00.500000Z", "created_at": "2026-04-30T00:00:00.000000Z"}',
    'a pattern, with each of the platform''s fields');
SELECT ok(fp_api_pattern(1) ->> 'updated_at' ~ '^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$', 'times are RFC 3339 in UTC');
SELECT is(jsonb_array_length(fp_api_patterns()), 20, 'twenty by default');
SELECT is(fp_api_patterns() -> 0 ->> 'id', '1', 'highest rate first');
SELECT is(jsonb_array_length(fp_api_patterns(1000)), 100, 'no more than a hundred');
SELECT is(jsonb_array_length(fp_api_patterns(-3)), 1, 'and one at least');
SELECT is(jsonb_array_length(fp_api_patterns(100, 100)), 20, 'the next page');
SELECT is(fp_api_patterns(2, -1), fp_api_patterns(2, 0), 'no page before the first');
SELECT is((SELECT array_agg(p ->> 'id') FROM jsonb_array_elements(fp_api_patterns(5, 0, 'medium')) p), '{101,102,103,104,105}', 'by severity, ties by id');
SELECT is(fp_api_patterns(status => 'resolved') -> 0 ->> 'id', '220', 'active ones unless asked otherwise');
SELECT is(fp_api_patterns(source => 'elsewhere'), '[]', 'of a source');

-- Fixes.
SELECT is((SELECT array_agg(f ->> 'fix_description') FROM jsonb_array_elements(fp_api_fixes(1)) f), '{newer,older}', 'fixes, newest first');
SELECT is((fp_api_fixes(1) -> 0) - '{measured,note_ids,updated_at,id}'::text[],
    '{"pattern_id": 1, "fix_description": "newer", "fix_parameters": {"cfg": 6}, "effectiveness": "improved", "reported_by_id": 3,
      "created_at": "2026-05-03T00:00:00.000000Z"}', 'a fix, with each of the platform''s fields');
SELECT is(fp_api_fixes(1) -> 1 -> 'fix_parameters', 'null', 'what is not there is null');
SELECT is(fp_api_pattern(1) -> 'fixes', fp_api_fixes(1), 'a pattern has its fixes');

-- Alerts.
SELECT is((SELECT array_agg(a ->> 'id') FROM jsonb_array_elements(fp_api_alerts()) a), '{1}', 'without parameters: what is of severity high');
SELECT is((SELECT array_agg(a ->> 'id') FROM jsonb_array_elements(fp_api_alerts(5, 5, '{"lora": [3, 110]}')) a), '{1,110}', 'of a combination: whatever is met, worst first');
SELECT is(fp_api_alerts(5, 5, '{"lora": 3}') -> 0 ->> 'message',
    'Workflow 5 + LoRA 3 + Character Ada fails at segment 6+: 62 % of 120 segments failed (53–70 %), against 11 % elsewhere.', 'with its message');
SELECT is(jsonb_array_length(fp_api_alerts(5, 5, '{"lora": 3}') -> 0 -> 'fixes'), 2, 'and its fixes');
SELECT is(fp_api_alerts(5, 6, '{"lora": 3}'), '[]', 'nothing of another avatar');
SELECT is(fp_api_alerts(5, 5, '{"lora": 3}', scene_length => 5), '[]', 'nor of a scene that is too short');
SELECT ok((fp_api_alerts(5, 5, '{"lora": 3}') -> 0) @> (fp_api_patterns(1) -> 0), 'an alert is a pattern, and more');

-- Data: two days.
INSERT INTO fp_cubes (source, bucket, cube, observations)
SELECT 'segments', d, failure_cube(f::bigint, n::bigint, j::jsonb, '{segment_position}'), sum(n)
FROM (VALUES (fp_bucket(now(), '1 day'), 6, 10, '{"workflow": "5", "lora": ["3"], "character": "5", "segment_position": 7}'),
             (fp_bucket(now(), '1 day'), 1, 50, '{"workflow": "5", "lora": ["3"], "character": "7", "segment_position": 7}'),
             (fp_bucket(now(), '1 day'), 1, 50, '{"workflow": "10", "lora": [], "character": "6", "segment_position": 10}'),
             (fp_bucket(now(), '1 day') - interval '3 days', 2, 20, '{"workflow": "5", "lora": ["3"], "character": "5", "segment_position": 6}'),
             (fp_bucket(now(), '1 day') - interval '60 days', 9, 9, '{"workflow": "5", "lora": ["3"], "character": "5", "segment_position": 6}')) x (d, f, n, j)
GROUP BY d;
SELECT is((SELECT array_agg(row(t ->> 'period', t ->> 'failure_rate', t ->> 'sample_count')::text) FROM jsonb_array_elements(fp_api_trends(1)) t),
    ARRAY[format('(%s,0.1,20)', to_char(now() AT TIME ZONE 'UTC' - interval '3 days', 'YYYY-MM-DD')),
          format('(%s,0.6,10)', to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD'))], 'a point for each day that has any, oldest first');
SELECT is(jsonb_array_length(fp_api_trends(1, 90)), 3, 'as many days as asked for');
SELECT is(fp_api_trends(99), '[]', 'an unknown pattern has none');
SELECT is((SELECT jsonb_object_agg(k, v) FROM jsonb_each(fp_api_heatmap()) x (k, v) WHERE k <> 'cells'),
    '{"row_labels": ["5", "10"], "col_labels": ["Ada (5)", "Bruno", "Ada (7)"]}', 'labels are names, and unique');
SELECT is((SELECT jsonb_agg(c - '{severity,color,lower,upper,enough_data,conditions,row_value,col_value,failure_count}'::text[])
           FROM jsonb_array_elements(fp_api_heatmap() -> 'cells') c),
    '[{"row": "5", "col": "Ada (5)", "failure_rate": 0.4358974358974359, "sample_count": 39},
      {"row": "5", "col": "Ada (7)", "failure_rate": 0.02, "sample_count": 50},
      {"row": "10", "col": "Bruno", "failure_rate": 0.02, "sample_count": 50}]', 'cells, each observation once');
SELECT ok((SELECT bool_and(c ->> 'severity' IN ('low', 'medium', 'high') AND c ->> 'color' ~ '^#') FROM jsonb_array_elements(fp_api_heatmap() -> 'cells') c),
    'with severity and colour');
SELECT throws_ok($$SELECT fp_api_heatmap('scene_typo', 'avatar')$$, '22023', 'source segments has no dimension "scene_typo"');
SELECT is(fp_api_heatmap('workflow', 'segment_position') -> 'col_labels', '["6", "7", "10"]', 'positions in the order of numbers');
-- As a role without rights, and with those that doc/ names.
CREATE ROLE api_reader;
GRANT USAGE ON SCHEMA "Fail ""Pat"" ü", tap TO api_reader;
SET ROLE api_reader;
SELECT lives_ok('SELECT fp_api_patterns(), fp_api_pattern(1), fp_api_fixes(1), fp_api_alerts(5, 5, ''{"lora": 3}'')', 'patterns, fixes and alerts are for everyone');
SELECT throws_ok('SELECT fp_api_trends(1)', '42501', NULL, 'cubes are not');
RESET ROLE;
GRANT SELECT ON fp_cubes TO api_reader;
GRANT EXECUTE ON FUNCTION fp_api_trends, fp_api_heatmap TO api_reader;
SET ROLE api_reader;
SELECT is(jsonb_array_length(fp_api_trends(1)), 2, 'trends with the rights that they need');
SELECT is(jsonb_array_length(fp_api_heatmap('workflow', 'segment_position') -> 'cells'), 3, 'heatmaps too');
RESET ROLE;
INSERT INTO fp_sources (source) VALUES ('other');
SELECT lives_ok('SELECT fp_api_heatmap()', 'of several sources, segments is meant');
DELETE FROM fp_sources WHERE source = 'segments';
INSERT INTO fp_sources (source) VALUES ('third');
SELECT throws_ok('SELECT fp_api_heatmap()', '22023', 'source must name one of several sources');
SELECT * FROM finish();
