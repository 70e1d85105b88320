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

SELECT plan(75);

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
SELECT is(fp_api_pattern(1) - '{dimension_model_id,conditions,status,rate_lower,rate_upper,baseline_rate,candidate,caveat,confirmed_at,first_detected_at,q_value,risk_ratio,source,alternatives,fixes,updated_at}'::text[],
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

-- Shapes: each of the platform's fields, in the order of host-platform.md 2.1,
-- with its type; and which there are besides.
CREATE FUNCTION pg_temp.shape(object jsonb, keys text[]) RETURNS text[]
LANGUAGE sql AS $$
    SELECT array_agg(k || ' ' || coalesce(CASE WHEN jsonb_typeof(object -> k) <> 'number' THEN jsonb_typeof(object -> k)
                                               WHEN object ->> k ~ '^-?\d+$' THEN 'integer' ELSE 'float' END, 'missing') ORDER BY place)
    FROM unnest(keys) WITH ORDINALITY u (k, place)
$$;
CREATE FUNCTION pg_temp.besides(object jsonb, keys text[]) RETURNS text[]
LANGUAGE sql AS $$ SELECT array_agg(k ORDER BY k COLLATE "C") FROM jsonb_object_keys(object - keys) k $$;
\set pattern_keys '{id,pattern_key,description,dimension_workflow_id,dimension_lora_id,dimension_avatar_id,dimension_scene_type_id,dimension_segment_position,failure_count,total_count,failure_rate,severity,last_occurrence,created_at,updated_at}'
\set pattern_types '{"id integer","pattern_key string","description string","dimension_workflow_id integer","dimension_lora_id integer","dimension_avatar_id integer","dimension_scene_type_id null","dimension_segment_position string","failure_count integer","total_count integer","failure_rate float","severity string","last_occurrence string","created_at string","updated_at string"}'
\set fix_keys '{id,pattern_id,fix_description,fix_parameters,effectiveness,reported_by_id,created_at,updated_at}'
\set fix_types '{"id integer","pattern_id integer","fix_description string","fix_parameters object","effectiveness string","reported_by_id integer","created_at string","updated_at string"}'
SELECT is(pg_temp.shape(fp_api_patterns(1) -> 0, :'pattern_keys'), :'pattern_types', 'Pattern, in a list');
SELECT is(pg_temp.shape(fp_api_pattern(1), :'pattern_keys'), :'pattern_types', 'Pattern, by its id');
SELECT is(pg_temp.shape(fp_api_alerts(5, 5, '{"lora": 3}') -> 0, :'pattern_keys'), :'pattern_types', 'Pattern, as an alert');
SELECT is(pg_temp.shape(fp_api_alerts() -> 0, :'pattern_keys'), :'pattern_types', 'Pattern, as one of the worst');
SELECT is(pg_temp.besides(fp_api_patterns(1) -> 0, :'pattern_keys'),
    '{baseline_rate,candidate,caveat,conditions,confirmed_at,dimension_model_id,first_detected_at,q_value,rate_lower,rate_upper,risk_ratio,source,status}', 'what a pattern has besides');
SELECT is(pg_temp.besides(fp_api_alerts(5, 5, '{"lora": 3}') -> 0, :'pattern_keys'),
    '{alternatives,baseline_rate,candidate,caveat,conditions,confirmed_at,dimension_model_id,first_detected_at,fixes,folded,from_segment,message,q_value,rate_lower,rate_upper,risk_ratio,source,status}', 'what an alert has besides');
SELECT is(pg_temp.shape(fp_api_fixes(1) -> 0, :'fix_keys'), :'fix_types', 'Fix');
SELECT is(pg_temp.shape(fp_api_fixes(1) -> 1, '{fix_parameters,effectiveness}'), '{"fix_parameters null","effectiveness null"}', 'what a fix does not have is null');
SELECT is(pg_temp.besides(fp_api_fixes(1) -> 0, :'fix_keys'), '{measured,note_ids}', 'what a fix has besides');
SELECT is(pg_temp.shape(fp_api_heatmap(), '{cells,row_labels,col_labels}'), '{"cells array","row_labels array","col_labels array"}', 'Heatmap');
SELECT is(pg_temp.besides(fp_api_heatmap(), '{cells,row_labels,col_labels}'), NULL, 'and nothing besides');
SELECT is((SELECT array_agg(DISTINCT s) FROM jsonb_array_elements(fp_api_heatmap() -> 'cells') c,
                  unnest(pg_temp.shape(c, '{row,col,failure_rate,sample_count,severity}')) s),
    '{"col string","failure_rate float","row string","sample_count integer","severity string"}', 'cells of it');
SELECT is(pg_temp.besides(fp_api_heatmap() -> 'cells' -> 0, '{row,col,failure_rate,sample_count,severity}'),
    '{col_value,color,conditions,enough_data,failure_count,lower,row_value,upper}', 'and what they have besides');
SELECT is((SELECT array_agg(DISTINCT s) FROM jsonb_array_elements(fp_api_trends(1)) t, unnest(pg_temp.shape(t, '{period,failure_rate,sample_count}')) s),
    '{"failure_rate float","period string","sample_count integer"}', 'TrendPoint');
SELECT is(pg_temp.besides(fp_api_trends(1) -> 0, '{period,failure_rate,sample_count}'), '{failure_count,lower,upper}', 'what it has besides');
SELECT ok((SELECT bool_and(fp_api_heatmap() -> 'row_labels' ? (c ->> 'row') AND fp_api_heatmap() -> 'col_labels' ? (c ->> 'col'))
           FROM jsonb_array_elements(fp_api_heatmap() -> 'cells') c), 'a cell is found by its labels');
SELECT is(fp_api_patterns(100, 120), '[]', 'beyond the last page: an empty array');
SELECT is(fp_api_alerts(99), '[]', 'a workflow of which nothing is known: an empty array');
SELECT is(fp_api_patterns(NULL, NULL, NULL), fp_api_patterns(), 'NULL is left out');
SELECT is(fp_api_heatmap(NULL, NULL), fp_api_heatmap(), 'of a heatmap too');
SELECT is(fp_api_trends(1, NULL), fp_api_trends(1), 'and of a trend');

-- Each endpoint is one statement: those that doc/ shows, prepared as they are.
\set page `cat doc/alerts-and-fixes.md`
CREATE TABLE public.endpoints AS
SELECT r[1] AS endpoint, r[2] AS statement, n
FROM regexp_matches(:'page', '^\| ((?:GET|POST|PATCH) \S+) \| `([^`]+)` \|', 'gn') WITH ORDINALITY m (r, n);
CREATE FUNCTION pg_temp.answer(wanted text, arguments text) RETURNS jsonb
LANGUAGE plpgsql AS $$
DECLARE
    answer jsonb;
BEGIN
    EXECUTE 'PREPARE shown AS ' || (SELECT statement FROM public.endpoints WHERE endpoint = wanted);
    EXECUTE format('EXECUTE shown(%s)', arguments) INTO answer;
    DEALLOCATE shown;
    RETURN answer;
END
$$;
SELECT is((SELECT count(*) FROM public.endpoints), 8::bigint, 'doc/ shows the eight endpoints');
SELECT is(pg_temp.answer('GET /analytics/failure-patterns', '5, 0, ''medium'''), fp_api_patterns(5, 0, 'medium'), 'patterns');
SELECT is(pg_temp.answer('GET /analytics/failure-patterns/{id}', '1'), fp_api_pattern(1), 'a pattern');
SELECT is(pg_temp.answer('GET /analytics/failure-patterns/{id}', '99999'), 'null', 'none: null');
SELECT is(pg_temp.answer('GET /analytics/failure-heatmap', 'NULL, ''segment_position'''), fp_api_heatmap('workflow', 'segment_position'), 'a heatmap');
SELECT is(pg_temp.answer('GET /analytics/failure-trends', '1, 90'), fp_api_trends(1, 90), 'a trend');
SELECT is(pg_temp.answer('GET /analytics/failure-alerts', 'NULL, NULL'), fp_api_alerts(), 'alerts');
SELECT is(pg_temp.answer('GET /failure-patterns/{id}/fixes', '1'), fp_api_fixes(1), 'fixes');
SELECT is(pg_temp.shape(pg_temp.answer('POST /failure-patterns/{id}/fixes', '101, ''CFG 6'', ''{"cfg": 6}'', ''improved'', 2'), :'fix_keys'),
    :'fix_types', 'a new fix, as it is then');
SELECT is(fp_api_fixes(101) -> 0 ->> 'fix_description', 'CFG 6', 'it is there');
SELECT is(pg_temp.answer('PATCH /failure-patterns/fixes/{id}/effectiveness', format('''resolved'', %s', fp_api_fixes(101) -> 0 ->> 'id')) ->> 'effectiveness',
    'resolved', 'a rating');
SELECT is(pg_temp.answer('PATCH /failure-patterns/fixes/{id}/effectiveness', '''resolved'', 99999'), NULL, 'of a fix that is not there: no row');
DELETE FROM pattern_fixes WHERE pattern_id = 101;

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
