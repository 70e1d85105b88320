-- failure_patterns and pattern_fixes: the platform's own statements run on them
-- unchanged, and patterns keep their ids while they change.
\set QUIET 1
\set ON_ERROR_STOP 1
\pset format unaligned
\pset tuples_only true
\pset pager off
SET client_min_messages = warning;
CREATE SCHEMA failpat;
CREATE EXTENSION failpat SCHEMA failpat;
SET search_path = failpat, public, tap;
SELECT plan(42);

-- The types that the platform's driver decodes, strictly.
SELECT col_type_is('failpat', 'failure_patterns', c, t, c || ' is ' || t)
FROM (VALUES ('id', 'bigint'), ('pattern_key', 'text'), ('description', 'text'), ('dimension_workflow_id', 'bigint'),
    ('dimension_lora_id', 'bigint'), ('dimension_avatar_id', 'bigint'), ('dimension_scene_type_id', 'bigint'),
    ('dimension_segment_position', 'text'), ('failure_count', 'integer'), ('total_count', 'integer'),
    ('failure_rate', 'double precision'), ('severity', 'text'), ('last_occurrence', 'timestamp with time zone')) AS x (c, t);

-- Its twelve statements (host-platform.md 2.3).
\set P 'id, pattern_key, description, dimension_workflow_id, dimension_lora_id, dimension_avatar_id, dimension_scene_type_id, dimension_segment_position, failure_count, total_count, failure_rate, severity, last_occurrence, created_at, updated_at'
\set F 'id, pattern_id, fix_description, fix_parameters, effectiveness, reported_by_id, created_at, updated_at'
PREPARE upsert(text, text, bigint, bigint, bigint, bigint, text, integer, integer, double precision, text) AS
INSERT INTO failure_patterns (pattern_key, description, dimension_workflow_id, dimension_lora_id, dimension_avatar_id,
    dimension_scene_type_id, dimension_segment_position, failure_count, total_count, failure_rate, severity, last_occurrence)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, now())
ON CONFLICT (pattern_key) DO UPDATE SET description = coalesce(excluded.description, failure_patterns.description),
    failure_count = excluded.failure_count, total_count = excluded.total_count, failure_rate = excluded.failure_rate,
    severity = excluded.severity, last_occurrence = now()
RETURNING id, pattern_key, description, dimension_workflow_id, dimension_lora_id, dimension_avatar_id, dimension_scene_type_id,
    dimension_segment_position, failure_count, total_count, failure_rate, severity, last_occurrence, created_at, updated_at;
\o /dev/null
EXECUTE upsert('w:5:l:3:c:12:st:7:sp:6+', 'by hand', 5, 3, 12, 7, '6+', 6, 10, 0.6, 'high');
EXECUTE upsert('w:5:l:3:c:12:st:7:sp:6+', NULL, 5, 3, 12, 7, '6+', 7, 10, 0.7, 'high');
EXECUTE upsert('l:9', 'mine', NULL, 9, NULL, NULL, NULL, 1, 10, 0.1, 'low');
\o
SELECT is((SELECT failure_count || ' ' || description || ' ' || dimension_character_id FROM failure_patterns WHERE pattern_key LIKE 'w:5%'),
          '7 by hand 12', 'the upsert runs twice on one row; both names of the character');
PREPARE list(text) AS SELECT :P FROM failure_patterns WHERE severity = $1 ORDER BY failure_rate DESC LIMIT 20 OFFSET 0;
SELECT isnt_empty('EXECUTE list(''high'')', 'list by severity');
SELECT isnt_empty('SELECT id FROM failure_patterns WHERE dimension_workflow_id IS NOT NULL AND dimension_avatar_id IS NOT NULL ORDER BY failure_rate DESC', 'heatmap');
SELECT isnt_empty('SELECT id FROM failure_patterns WHERE dimension_workflow_id = 5 ORDER BY failure_rate DESC', 'by workflow');
INSERT INTO pattern_fixes (pattern_id, fix_description, fix_parameters, effectiveness, reported_by_id)
SELECT id, 'another seed', '{"seed": 1}', NULL, 1 FROM failure_patterns WHERE pattern_key LIKE 'w:5%' RETURNING :F \g /dev/null
UPDATE pattern_fixes SET effectiveness = 'resolved' WHERE id = 1 RETURNING :F \g /dev/null
SELECT is((SELECT effectiveness FROM pattern_fixes ORDER BY created_at DESC), 'resolved', 'a fix is made, and rated');
UPDATE failure_patterns SET dimension_avatar_id = 13 WHERE pattern_key LIKE 'w:5%';
SELECT is((SELECT dimension_character_id FROM failure_patterns WHERE pattern_key LIKE 'w:5%'), 13::bigint, 'one name follows the other');
UPDATE failure_patterns SET dimension_character_id = 14 WHERE pattern_key LIKE 'w:5%';
SELECT is((SELECT dimension_avatar_id FROM failure_patterns WHERE pattern_key LIKE 'w:5%'), 14::bigint, 'and back');
DELETE FROM failure_patterns WHERE pattern_key LIKE 'w:5%';
SELECT is((SELECT count(*) FROM pattern_fixes), 0::bigint, 'a pattern''s fixes go with it');
-- References without foreign keys, which a parallel restore does not bear.
SELECT is_empty($$SELECT conname FROM pg_constraint WHERE contype = 'f' AND connamespace = 'failpat'::regnamespace$$,
    'no foreign key that would depend on the order of a restore');
SELECT throws_ok($$INSERT INTO pattern_fixes (pattern_id, fix_description, reported_by_id) VALUES (4711, 'x', 1)$$,
    '23503', 'there is no failure pattern 4711', 'a fix is of a pattern that exists');
INSERT INTO failure_patterns (id, pattern_key) VALUES (501, 'x:1'), (502, 'x:2');
INSERT INTO pattern_fixes (id, pattern_id, fix_description, reported_by_id) VALUES (601, 501, 'x', 1), (602, 502, 'y', 1);
INSERT INTO fp_fix_effects (fix_id, basis, without_failures, without_trials, with_failures, with_trials, verdict) VALUES (601, 'time', 1, 2, 1, 2, 'too early'), (602, 'time', 1, 2, 1, 2, 'too early');
SELECT fp_mute(501), fp_mute(502) \g /dev/null
SELECT throws_ok($$UPDATE pattern_fixes SET pattern_id = 4711$$, '23503', NULL, 'also after an update');
SELECT throws_ok($$UPDATE failure_patterns SET id = 503 WHERE id = 501$$, '23000', NULL, 'a pattern keeps its id');
CREATE FUNCTION left_over() RETURNS text LANGUAGE sql AS $$
    SELECT concat_ws(' ', (SELECT string_agg(id::text, ',') FROM pattern_fixes), (SELECT string_agg(fix_id::text, ',') FROM fp_fix_effects),
                     (SELECT string_agg(pattern_id::text, ',') FROM fp_mutes)) $$;
DELETE FROM failure_patterns WHERE id = 501;
SELECT is(left_over(), '602 602 502', 'what belongs to one pattern goes with it, and nothing else');
DELETE FROM pattern_fixes;
SELECT is(left_over(), '502', 'effects go with their fix');
INSERT INTO pattern_fixes (id, pattern_id, fix_description, reported_by_id) VALUES (602, 502, 'y', 1);
INSERT INTO fp_fix_effects (fix_id, basis, without_failures, without_trials, with_failures, with_trials, verdict) VALUES (602, 'time', 1, 2, 1, 2, 'too early');
DELETE FROM failure_patterns WHERE pattern_key = 'l:9';
TRUNCATE failure_patterns;
SELECT is(left_over(), '', 'all go with all');
DROP FUNCTION left_over();
INSERT INTO failure_patterns (pattern_key, description, dimension_lora_id, failure_count, total_count, failure_rate, severity)
VALUES ('l:9', 'mine', 9, 1, 10, 0.1, 'low');

-- A source whose pattern moves, goes and comes back.
CREATE TABLE public.gates (id bigint PRIMARY KEY, lora text[], pos int, failed boolean, at timestamptz DEFAULT now());
CREATE VIEW public.seen AS SELECT id AS source_key, id AS obs_key, at AS observed_at, failed, CASE WHEN failed THEN '{x}'::text[] ELSE '{}' END AS failed_checks,
    lora, pos AS segment_position FROM gates;
CREATE TABLE public.loras (id int PRIMARY KEY, name text);
INSERT INTO loras VALUES (9, 'Velvet');
SELECT fp_attach('segments', 'seen', '{"public.gates": "id"}', '{"lora": {"label_table": "public.loras"}}') \g /dev/null
INSERT INTO gates SELECT g, ARRAY[(g % 10)::text], g / 10 % 12 + 1, g % 10 = 9 AND g / 10 % 12 + 1 >= 6 OR g % 97 = 0 FROM generate_series(1, 6000) g;
CALL fp_refresh();
SELECT is((SELECT string_agg(pattern_key || ' ' || description, '; ') FROM failure_patterns WHERE status = 'active' AND conditions IS NOT NULL),
          'l:9:sp:6+ LoRA Velvet fails at segment 6+', 'the pattern that is there, by its names');
SELECT is((SELECT (dimension_lora_id, dimension_segment_position, failure_count, total_count, failure_rate)::text FROM failure_patterns WHERE pattern_key = 'l:9:sp:6+'),
          '(9,6+,350,350,1)', 'its typed columns');
SELECT is((SELECT last_occurrence FROM failure_patterns WHERE pattern_key = 'l:9:sp:6+'), (SELECT max(at) FROM gates WHERE failed AND lora = '{9}' AND pos >= 6), 'its last occurrence is a failure''s time');
CREATE TEMP TABLE was AS SELECT * FROM failure_patterns WHERE pattern_key = 'l:9:sp:6+';
CALL fp_refresh();
SELECT is((SELECT to_jsonb(f) - 'updated_at' FROM failure_patterns f WHERE f.id = w.id), to_jsonb(w) - 'updated_at', 'refreshed again, the same') FROM was w;
INSERT INTO gates SELECT g, ARRAY[(g % 10)::text], g / 10 % 12 + 1, g % 10 = 9 AND g / 10 % 12 + 1 >= 8 OR g % 97 = 0 FROM generate_series(10001, 90000) g;
UPDATE gates SET failed = id % 97 = 0 WHERE pos < 8;
CALL fp_refresh();
SELECT is((SELECT pattern_key || ' ' || (f.id = w.id) || ' ' || (f.first_detected_at = w.first_detected_at) FROM failure_patterns f WHERE f.status = 'active' AND f.conditions IS NOT NULL),
          'l:9:sp:8+ true true', 'its range moves, its id stays') FROM was w;
UPDATE gates SET failed = id % 97 = 0;
CALL fp_refresh();
SELECT is((SELECT status FROM failure_patterns f WHERE f.id = w.id), 'resolved', 'no longer elevated: resolved, not deleted') FROM was w;
SELECT is((SELECT status FROM failure_patterns WHERE pattern_key = 'l:9'), 'active', 'a row that the platform wrote is left alone');
UPDATE gates SET failed = lora = '{9}' OR id % 97 = 0;
CALL fp_refresh();
SELECT is((SELECT (conditions, description, id)::text FROM failure_patterns WHERE pattern_key = 'l:9'),
          (SELECT ('{"lora": "9"}'::jsonb, 'LoRA Velvet fails', id)::text FROM failure_patterns WHERE pattern_key = 'l:9'),
          'unless failpat finds the same pattern, which takes it over');
SELECT is((SELECT count(*) FROM failure_patterns WHERE status = 'active'), 1::bigint, 'and nothing else');
-- a refresh inside a transaction, and one that is undone: as many keys as one
-- transaction locks; more are left to a refresh in a later one
CREATE TABLE public.few (id bigint PRIMARY KEY, tool text, failed boolean);
CREATE VIEW public.seen_few AS SELECT id AS source_key, id AS obs_key, now() AS observed_at, failed, '{}'::text[] AS failed_checks, tool FROM few;
SELECT fp_attach('few', 'seen_few', '{"public.few": "id"}') \g /dev/null
BEGIN;
INSERT INTO few SELECT g, 'T' || g % 3, g % 3 = 0 OR g % 17 = 0 FROM generate_series(1, 240) g;
CALL fp_refresh('few');
SELECT is((SELECT pattern_key || ' ' || status FROM failure_patterns WHERE source = 'few'), 'few/tool:T0 active', 'inside a transaction');
ROLLBACK;
SELECT is((SELECT count(*) FROM failure_patterns WHERE source = 'few'), 0::bigint, 'undone with it');
-- at the end of the writing statement
UPDATE fp_sources SET refresh = 'sync' WHERE source = 'few';
INSERT INTO few SELECT g, 'T' || g % 3, g % 3 = 0 OR g % 17 = 0 FROM generate_series(1, 240) g;
SELECT is((SELECT pattern_key || ' ' || status FROM failure_patterns WHERE source = 'few'), 'few/tool:T0 active', 'sync: as soon as the statement ends');
-- a parallel restore may load fixes before there is any pattern, whatever the
-- session that does it is called
SELECT throws_ok($$INSERT INTO pattern_fixes (pattern_id, fix_description, reported_by_id) VALUES (4711, 'x', 1)$$, '23503', NULL, 'still refused');
DELETE FROM failure_patterns;
SELECT lives_ok($$INSERT INTO pattern_fixes (pattern_id, fix_description, reported_by_id) VALUES (4711, 'x', 1)$$, 'where there is no pattern at all a fix is taken as it comes');
SELECT * FROM finish();
