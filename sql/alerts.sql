-- Alerts as a user sees them, and the platform's statements with their types.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS failpat CASCADE;
CREATE SCHEMA failpat;
CREATE EXTENSION failpat SCHEMA failpat;
RESET client_min_messages;
SET search_path = failpat, public;
CREATE SCHEMA story;
CREATE TABLE story.loras (id bigint PRIMARY KEY, name text);
INSERT INTO story.loras VALUES (3, 'Velvet Grain'), (4, 'Slow Pan'), (6, 'Neon Sign');
INSERT INTO fp_sources (source) VALUES ('segments');
INSERT INTO fp_dimensions (source, name, kind, position, title, key_prefix, choosable, label_table, label_key, label_column) VALUES
    ('segments', 'lora', 'set', 3, 'LoRA', 'l', true, 'story.loras', 'id', 'name'),
    ('segments', 'character', 'nominal', 4, 'Character', 'c', false, NULL, NULL, NULL),
    ('segments', 'segment_position', 'ordinal', 6, 'segment', 'sp', true, NULL, NULL, NULL);
-- A month of work: LoRA 3 with character 5 fails from segment 6 on. Jobs and hours go with nothing, so that it does not
-- matter at what time of the day this runs.
INSERT INTO fp_observations (source, obs_key, source_key, observed_at, failed, failed_checks, job, dims, changed_at)
SELECT 'segments', g, g, now() - make_interval(hours => job % 700),
       g % 100 < CASE WHEN lora = '["3"]' AND who = 5 AND pos >= 6 THEN 62 ELSE 11 END, '{}', job,
       jsonb_build_object('lora', lora, 'character', who::text, 'segment_position', pos), now()
FROM (SELECT g, abs(hashint4(g) % 1600) AS job, (ARRAY['["3"]', '["4"]', '["6"]', '[]'])[1 + g / 100 % 4]::jsonb AS lora,
             4 + g / 400 % 4 AS who, 1 + g / 1600 % 10 AS pos
      FROM generate_series(0, 15999) g) d;
SELECT fp_rebuild('segments') > 0 AS marked;
CALL fp_refresh();
SELECT pattern_key, description, failure_count, total_count, severity FROM failure_patterns ORDER BY id;

-- Thresholds of severity can be set, and hold from the next refresh on.
SET failpat.severity_high_rate = 0.7;
SET failpat.severity_high_ratio = 20;
CALL fp_refresh();
SELECT severity FROM fp_check_combo(lora => 3, avatar => 5);
RESET failpat.severity_high_rate;
RESET failpat.severity_high_ratio;
CALL fp_refresh();

-- On scene configuration: before the first segment.
SELECT severity, message, from_segment FROM fp_check_combo(lora => 3, avatar => 5);
SELECT a ->> 'sentence' AS alternative FROM fp_check_combo(lora => 3, avatar => 5), jsonb_array_elements(alternatives) a;
SELECT message FROM fp_check_combo(lora => 3, avatar => 5, scene_length => 5);
SELECT message FROM fp_check_combo(lora => 4, avatar => 5);

-- Somebody finds a fix; the next one is told.
SELECT fp_record_fix(id, 'Lower the LoRA''s weight to 0.6', '{"weight": 0.6}', 7) AS fix FROM failure_patterns;
SELECT f ->> 'fix_description' AS known_fix, f ->> 'measured' AS measured
FROM fp_check_combo(lora => 3, avatar => 5), jsonb_array_elements(fixes) f;
CALL fp_refresh();
SELECT f ->> 'fix_description' AS known_fix, f ->> 'measured' AS measured
FROM fp_check_combo(lora => 3, avatar => 5), jsonb_array_elements(fixes) f;

-- What cannot be asked for.
SELECT * FROM fp_check_combo('"lora"');
SELECT * FROM fp_check_combo('{"segment_position": {"from": 6}}');
SELECT * FROM fp_check_combo('{"segment_position": {"min": "six"}}');
SELECT * FROM fp_check_combo('{"lora": [["3"]]}');
SELECT * FROM fp_check_combo('{"lora": {}}');
SELECT fp_find_alternatives(NULL, '{}', '{}');
SELECT fp_find_alternatives(cube, '{}', '{}', 0) FROM fp_cubes LIMIT 1;
SELECT fp_fix_counts(cube, '{NULL}', '{NULL}') FROM fp_cubes LIMIT 1;
SELECT fp_fix_counts(cube, '{}', '{NULL}') FROM fp_cubes LIMIT 1;

-- The types that the platform's driver decodes: of its statements 1 to 12.
SELECT id, pattern_key, description, dimension_workflow_id, dimension_lora_id, dimension_avatar_id,
    dimension_scene_type_id, dimension_segment_position, failure_count, total_count, failure_rate, severity,
    last_occurrence, created_at, updated_at FROM failure_patterns
WHERE severity = 'high' ORDER BY failure_rate DESC LIMIT 20 OFFSET 0 \gdesc
PREPARE upsert(text, text, bigint, bigint, bigint, bigint, text, integer, integer, double precision, text) AS
    INSERT INTO failure_patterns (pattern_key, description, dimension_workflow_id, dimension_lora_id, dimension_avatar_id,
        dimension_scene_type_id, dimension_segment_position, failure_count, total_count, failure_rate, severity, last_occurrence)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, now())
    ON CONFLICT (pattern_key) DO UPDATE SET description = COALESCE(EXCLUDED.description, failure_patterns.description),
        failure_count = EXCLUDED.failure_count, total_count = EXCLUDED.total_count, failure_rate = EXCLUDED.failure_rate,
        severity = EXCLUDED.severity, last_occurrence = now()
    RETURNING pattern_key, dimension_avatar_id, dimension_segment_position, failure_count, failure_rate;
EXECUTE upsert('w:5:c:12:sp:6+', 'by hand', 5, NULL, 12, NULL, '6+', 3, 4, 0.75, 'high');
EXECUTE upsert('w:5:c:12:sp:6+', NULL, 5, NULL, 12, NULL, '6+', 4, 5, 0.8, 'high');
-- a pattern that failpat did not find raises no alert and disturbs none
SELECT count(*) FROM fp_check_combo(workflow => 5, avatar => 12);
-- also where there are more subsets of values than keys to look for, so that all patterns are looked at
SELECT severity, message FROM fp_check_combo((SELECT jsonb_object_agg('d' || i, 'v') FROM generate_series(1, 150) i) || '{"lora": "3", "character": "5"}');
-- nor do alternatives and predictions of another shape than failpat's
BEGIN;
UPDATE fp_alternatives SET alternatives = '[[1], 2, {"dimension": "lora", "count": [3]}, {"dimension": "lora", "instead_of": {}, "value": ["9"]}]';
SELECT severity, message, alternatives FROM fp_check_combo(lora => 3, avatar => 5);
UPDATE fp_alternatives SET alternatives = '{"dimension": "lora"}';
SELECT severity, alternatives FROM fp_check_combo(lora => 3, avatar => 5);
ROLLBACK;
DELETE FROM failure_patterns WHERE pattern_key = 'w:5:c:12:sp:6+';
SELECT id, pattern_id, fix_description, fix_parameters, effectiveness, reported_by_id, created_at, updated_at
FROM pattern_fixes WHERE pattern_id = 1 ORDER BY created_at DESC \gdesc
SET client_min_messages = warning;
DROP EXTENSION failpat CASCADE;
DROP SCHEMA failpat, story CASCADE;
