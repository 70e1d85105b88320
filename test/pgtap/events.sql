-- Events of the platform: new versions and edited thresholds, for a writer who
-- has no rights on failpat, whatever state failpat is in.
\set QUIET 1
\set ON_ERROR_STOP 1
\pset format unaligned
\pset tuples_only true
\pset pager off
SET client_min_messages = warning;
CREATE SCHEMA "Fail ""Pat"" ü";
CREATE EXTENSION failpat SCHEMA "Fail ""Pat"" ü";
\set naming avatar
\i test/fixtures/prd49.sql
SET search_path = public, tap;
SELECT plan(27);

INSERT INTO projects (name) VALUES ('Glass Harbour');
INSERT INTO avatars (project_id, name) VALUES (1, 'Ada');
INSERT INTO workflows (name, json_content) VALUES ('base', '{}'), ('fine', '{}');
INSERT INTO workflow_versions (workflow_id, version, json_content, created_at) VALUES (1, 1, '{}', '2026-01-05'), (1, 2, '{}', '2026-02-05');
INSERT INTO assets (name, version, asset_type_id, file_path, file_size_bytes, checksum_sha256) VALUES ('lux', '1', 2, '/a', 1, '-');
INSERT INTO scene_types (name, slug, workflow_id) VALUES ('walk', 'walk', 1), ('talk', 'talk', 1);
CREATE VIEW events AS SELECT * FROM "Fail ""Pat"" ü".fp_events;
SELECT "Fail ""Pat"" ü".fp_attach_prd49(window_length => '100 years');

SELECT results_eq($$ SELECT kind, label, scope, origin, at::date FROM events ORDER BY at LIMIT 2 $$,
    $$ VALUES ('workflow', 'Workflow base version 1', '{"workflow": "1"}'::jsonb, 'captured', date '2026-01-05'),
              ('workflow', 'Workflow base version 2', '{"workflow": "1"}', 'captured', '2026-02-05') $$, 'history: versions of workflows');
SELECT is((SELECT label FROM events WHERE kind = 'asset'), 'LoRA lux version 1', 'history: assets');
DELETE FROM events;

-- one who may write the platform's tables, and no more
CREATE ROLE fp_test_writer;
GRANT USAGE ON SCHEMA public, tap TO fp_test_writer;
GRANT ALL ON ALL TABLES IN SCHEMA public TO fp_test_writer;
REVOKE ALL ON events FROM fp_test_writer;
GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO fp_test_writer;
SET ROLE fp_test_writer;
INSERT INTO workflow_versions (workflow_id, version, json_content) VALUES (2, 7, '{}');
INSERT INTO assets (name, version, asset_type_id, file_path, file_size_bytes, checksum_sha256) VALUES ('lux', '2', 2, '/b', 1, '-'), ('base', '1', 1, '/c', 1, '-');
UPDATE assets SET description = 'nice' WHERE name = 'lux';
UPDATE assets SET file_path = '/d' WHERE name = 'base';
UPDATE qa_thresholds SET fail_threshold = 0.5 WHERE check_type = 'face_confidence';
UPDATE qa_thresholds SET fail_threshold = 0.55 WHERE check_type = 'likeness_drift';
UPDATE qa_thresholds SET warn_threshold = 0.9 WHERE check_type = 'motion';
UPDATE qa_thresholds SET is_enabled = false WHERE check_type = 'motion';
INSERT INTO qa_thresholds (project_id, check_type, warn_threshold, fail_threshold) VALUES (1, 'motion', 0.4, 0.2);
INSERT INTO qa_profiles (name, thresholds) VALUES ('mine', '{"motion": {"warn": 0.3, "fail": 0.1}, "artifacts": {"warn": 0.8, "fail": 0.5}}');
UPDATE qa_profiles SET description = 'of mine' WHERE name = 'mine';
UPDATE qa_profiles SET thresholds = '{"motion": {"warn": 0.3, "fail": 0.2}, "artifacts": {"warn": 0.8, "fail": 0.4}}' WHERE name = 'mine';
UPDATE qa_profiles SET thresholds = '[1, "odd"]' WHERE name = 'mine';
INSERT INTO scene_type_qa_overrides (scene_type_id, qa_profile_id) SELECT 1, id FROM qa_profiles WHERE name = 'mine';
UPDATE scene_type_qa_overrides SET custom_thresholds = '{"motion": {"fail": 0.3}}';
UPDATE scene_type_qa_overrides SET custom_thresholds = '{"motion": {"fail": 0.4}}';
UPDATE scene_type_qa_overrides SET updated_at = now();
DELETE FROM qa_profiles WHERE name = 'mine';
DELETE FROM scene_type_qa_overrides;
-- by a clock that is behind: an edit as any other
INSERT INTO qa_thresholds (project_id, check_type, warn_threshold, fail_threshold, created_at) VALUES (1, 'artifacts', 0.9, 0.6, now() - interval '1 day');
-- from a dump: known, no edit
SET check_function_bodies = off;
SET row_security = off;
INSERT INTO qa_thresholds (project_id, check_type, warn_threshold, fail_threshold) VALUES (1, 'likeness_drift', 0.9, 0.7);
RESET row_security;
-- by somebody who has switched off one of the two
INSERT INTO qa_thresholds (project_id, check_type, warn_threshold, fail_threshold) VALUES (1, 'flicker', 0.9, 0.3);
RESET check_function_bodies;
RESET ROLE;

SELECT results_eq($$ SELECT label, scope FROM events WHERE kind = 'workflow' $$,
    $$ VALUES ('Workflow fine version 7', '{"workflow": "2"}'::jsonb) $$, 'a new version of a workflow');
SELECT results_eq($$ SELECT label, scope ->> 'lora', scope ->> 'model', details ->> 'op' FROM events WHERE kind = 'asset' ORDER BY id $$,
    $$ VALUES ('LoRA lux version 2', '2', NULL, 'INSERT'), ('Model base version 1', NULL, '3', 'INSERT'), ('Model base version 1', NULL, '3', 'UPDATE') $$,
    'new assets, and one replaced; not its description');
CREATE TEMP VIEW edits AS SELECT row_number() OVER (ORDER BY id) AS n, label, scope, "check", effect, details FROM events WHERE kind = 'threshold';
SELECT is((SELECT count(*) FROM edits), 13::bigint, 'edits of thresholds, of those that judge; not what a dump brings');
SELECT results_eq($$ SELECT label, "check", effect FROM edits WHERE n = 1 $$,
    $$ VALUES ('Threshold edited: face_confidence fails below 0.5 instead of 0.4', 'face_confidence', 1::smallint) $$, 'a stricter one');
SELECT results_eq($$ SELECT label, "check", effect FROM edits WHERE n = 2 $$,
    $$ VALUES ('Threshold edited: likeness_drift fails below 0.55 instead of 0.6', 'likeness_drift', -1::smallint) $$, 'a looser one');
SELECT results_eq($$ SELECT label, effect FROM edits WHERE n = 3 $$,
    $$ VALUES ('Threshold edited: motion fails below the default instead of 0.1', NULL::smallint) $$, 'disabled: what judges now is elsewhere');
SELECT is((SELECT label FROM edits WHERE n = 4), 'Threshold edited: motion fails below 0.2 instead of the default (project 1)', 'of a project');
SELECT results_eq($$ SELECT label, "check", effect FROM edits WHERE n = 5 $$,
    $$ VALUES ('Threshold edited: artifacts fails below 0.4 instead of 0.5, motion fails below 0.2 instead of 0.1 (profile mine)', NULL, NULL::smallint) $$,
    'of a profile, in both directions');
SELECT ok((SELECT label LIKE '%the default%' FROM edits WHERE n = 6), 'thresholds of an odd shape are none');
SELECT results_eq($$ SELECT label, scope FROM edits WHERE n = 7 $$,
    $$ VALUES ('Quality profile changed (scene type walk)', '{"scene_type": "1"}'::jsonb) $$, 'another profile for a scene type');
SELECT results_eq($$ SELECT effect, scope, "check" FROM edits WHERE n IN (8, 9) $$,
    $$ VALUES (NULL::smallint, '{"scene_type": "1"}'::jsonb, 'motion'), (1::smallint, '{"scene_type": "1"}', 'motion') $$, 'thresholds of its own');
SELECT is((SELECT label FROM edits WHERE n = 12), 'Threshold edited: artifacts fails below 0.6 instead of the default (project 1)', 'dated back');
SELECT matches((SELECT label FROM edits WHERE n = 13), '^Threshold edited: flicker ', 'one setting alone is no dump');

-- in nobody's way
ALTER TABLE "Fail ""Pat"" ü".fp_events ADD CONSTRAINT broken CHECK (kind <> 'threshold') NOT VALID;
SET client_min_messages = error;
SELECT lives_ok($$ UPDATE qa_thresholds SET fail_threshold = 0.45 WHERE check_type = 'face_confidence' $$, 'a failpat that is broken refuses no edit');
SET client_min_messages = warning;
SELECT is((SELECT fail_threshold FROM qa_thresholds WHERE check_type = 'face_confidence'), 0.45::float8, 'which is made');
SELECT is((SELECT count(*) FROM edits), 13::bigint, 'and not recorded');
ALTER TABLE "Fail ""Pat"" ü".fp_events DROP CONSTRAINT broken;

-- The whole way: a threshold is edited, the rate rises, and that is said.
DELETE FROM events;
INSERT INTO scenes (avatar_id, scene_type_id) VALUES (1, 1);
INSERT INTO segments (scene_id, sequence_index) SELECT 1, i FROM generate_series(0, 2999) i;
INSERT INTO quality_scores (segment_id, check_type, score, status, created_at)
SELECT s.id, 'face_confidence', x.score, CASE WHEN x.score < CASE WHEN i < 1500 THEN 0.3 ELSE 0.6 END THEN 'fail' ELSE 'pass' END,
       timestamptz '2026-03-01' + i / 50 * interval '1 day'
FROM segments s, LATERAL (SELECT s.sequence_index AS i, (hashint8extended(s.sequence_index, 1) & 1023) / 1024.0 AS score) x;
INSERT INTO events (source, at, kind, label, origin, "check", effect) VALUES ('segments', '2026-03-30 22:00', 'threshold', 'edit', 'captured', 'face_confidence', 1);
CALL "Fail ""Pat"" ü".fp_refresh();
SELECT results_eq($$ SELECT at, direction, event_label, threshold_edit FROM "Fail ""Pat"" ü".fp_changes() $$,
    $$ VALUES (timestamptz '2026-03-31', 'regression', 'edit', true) $$, 'the rate moved, quality did not');
SELECT ok((SELECT reading LIKE '%quality did not.%' FROM "Fail ""Pat"" ü".fp_changes()), 'in words too');

-- attached again, history is not doubled; detached, nothing is watched
SELECT is((SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'failpat_event_%'), 15::bigint, 'five tables are watched');
SELECT is("Fail ""Pat"" ü".fp_watch_events('segments'), 5, 'and not twice');
SELECT is((SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'failpat_event_%'), 15::bigint, 'not even when asked to');
SELECT "Fail ""Pat"" ü".fp_detach('segments');
SELECT is((SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'failpat%'), 0::bigint, 'fp_detach removes the triggers');
SELECT "Fail ""Pat"" ü".fp_attach_prd49();
CREATE TEMP TABLE n AS SELECT count(*) AS n FROM events;
SELECT "Fail ""Pat"" ü".fp_detach('segments');
SELECT "Fail ""Pat"" ü".fp_attach_prd49();
SELECT is((SELECT count(*) FROM events), (SELECT n FROM n), 'history is loaded once');
SELECT "Fail ""Pat"" ü".fp_detach('segments', true);
SELECT is((SELECT count(*) FROM events WHERE source = 'segments'), 0::bigint, 'forgotten, if asked to');
DROP TABLE workflow_versions, qa_profiles CASCADE;
SELECT "Fail ""Pat"" ü".fp_attach_prd49();
SELECT is((SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'failpat_event_%'), 9::bigint, 'tables that are missing are not missed');
SELECT * FROM finish();
