-- Capture on the platform's tables: each trap of its schema and habits, under
-- both names (avatar, character), with and without the optional tables, in a
-- schema with an awkward name, for a role that may insert scores and no more.
\set QUIET 1
\set ON_ERROR_STOP 1
\pset format unaligned
\pset tuples_only true
\pset pager off
SET client_min_messages = warning;
CREATE SCHEMA "Fail ""Pat"" ü";
CREATE EXTENSION failpat SCHEMA "Fail ""Pat"" ü";
-- the tests speak of the extension's objects by short names
CREATE SCHEMA short;
CREATE VIEW short.obs AS SELECT obs_key::bigint AS segment, failed, failed_checks AS checks, observed_at, job, dims
    FROM "Fail ""Pat"" ü".fp_observations;

-- Two worlds of the same kind, one under each name.
\set naming avatar
\i test/fixtures/prd49.sql
CREATE SCHEMA old;
SET search_path = old;
\set naming character
\i test/fixtures/prd49.sql
RESET search_path;
SET search_path = public, tap, short;

SELECT plan(54);

INSERT INTO projects (name) VALUES ('Glass Harbour');
INSERT INTO avatars (project_id, name) VALUES (1, 'Ada'), (1, 'Bruno');
INSERT INTO workflows (name, json_content) VALUES ('base', '{}'), ('track', '{}'), ('later', '{}');
INSERT INTO assets (name, version, asset_type_id, file_path, file_size_bytes, checksum_sha256)
SELECT 'asset ' || g, '1', 1 + g % 2, '/' || g, 1, '-' FROM generate_series(1, 20) g;
INSERT INTO scene_types (name, slug, workflow_id, lora_config) VALUES
    ('walk', 'walk', 1, '[{"lora_id": 4, "weight": 1}, {"lora_id": 2}]'),
    ('talk', 'talk', 1, '{"lora": "an object"}'),
    ('none', 'none', NULL, '[]');
INSERT INTO scene_type_track_configs (scene_type_id, track_id, is_clothes_off, workflow_id) VALUES
    (1, 1, false, 2), (1, 1, true, 3), (1, 2, false, NULL);
INSERT INTO scenes (avatar_id, scene_type_id, track_id) VALUES (1, 1, 1), (1, 1, 2), (2, 1, NULL), (1, 2, 1), (2, 3, 1);
INSERT INTO segments (scene_id, sequence_index) SELECT s, i FROM generate_series(1, 5) s, generate_series(0, 19) i ORDER BY s, i;
CREATE FUNCTION receipt(segment bigint, model bigint, loras jsonb, at timestamptz DEFAULT now(), version text DEFAULT 'v1', hash text DEFAULT 'h1')
RETURNS void LANGUAGE sql AS $$
    INSERT INTO generation_receipts (segment_id, source_media_hash, variant_media_hash, workflow_version, workflow_hash, model_asset_id,
        model_version, model_hash, lora_configs, prompt_text, cfg_scale, seed, resolution_width, resolution_height, steps, sampler,
        inputs_hash, generation_started_at, created_at)
    VALUES (segment, '-', '-', '1', '-', model, version, hash, loras, '-', 7, 1, 512, 512, 20, '-', '-', now(), at) $$;
CREATE FUNCTION score(segment bigint, check_type text, status text) RETURNS void LANGUAGE sql AS $$
    INSERT INTO quality_scores (segment_id, check_type, score, status) VALUES (segment, check_type, 0.5, status) $$;
CREATE FUNCTION dim(segment bigint, name text) RETURNS text LANGUAGE sql AS $$
    SELECT dims ->> name FROM obs o WHERE o.segment = dim.segment $$;

-- History that was there before.
SELECT score(1, 'face_confidence', 'fail');
SELECT "Fail ""Pat"" ü".fp_attach_prd49();
SELECT is((SELECT count(*) FROM obs), 1::bigint, 'attach loads what was there');
SELECT is((SELECT failed FROM obs WHERE segment = 1), true, 'with its outcome');

-- Checks, one INSERT each.
SELECT score(2, 'face_confidence', 'pass');
SELECT is((SELECT failed FROM obs WHERE segment = 2), false, 'a first check that passes');
SELECT score(2, 'motion', 'warn');
SELECT is((SELECT failed FROM obs WHERE segment = 2), false, 'a warning is no failure');
SELECT score(2, 'artifacts', 'fail');
SELECT is((SELECT failed FROM obs WHERE segment = 2), true, 'one check of several fails');
SELECT score(2, 'resolution', 'pass');
SELECT is((SELECT failed FROM obs WHERE segment = 2), true, 'a later pass does not mend it');
SELECT score(2, 'artifacts', 'fail');
SELECT score(2, 'a check by a hook script', 'fail');
SELECT is((SELECT checks FROM obs WHERE segment = 2), '{"a check by a hook script",artifacts}'::text[],
          'failed checks once each, unknown ones too');
SELECT is((SELECT observed_at FROM obs WHERE segment = 2), (SELECT min(created_at) FROM quality_scores WHERE segment_id = 2),
          'time is that of the first score');
SELECT is((SELECT count(*) FROM obs WHERE segment = 2), 1::bigint, 'one observation for all checks of a segment');
SELECT is((SELECT job FROM obs WHERE segment = 2), '1', 'the job is the scene');
UPDATE quality_scores SET score = 0.25 WHERE id = (SELECT max(id) FROM quality_scores WHERE segment_id = 2 AND check_type = 'artifacts');
SELECT is((SELECT scores FROM "Fail ""Pat"" ü".fp_drilldown(failed_only => true) WHERE obs_key = '2'),
          '{"motion": 0.5, "artifacts": 0.25, "resolution": 0.5, "face_confidence": 0.5, "a check by a hook script": 0.5}'::jsonb,
          'drill-down has the scores, of a check that ran twice the newest');
BEGIN;
DELETE FROM segments WHERE id = 2;
SELECT is((SELECT count(*) || ' ' || count(scores) FROM "Fail ""Pat"" ü".fp_drilldown('{"segment_position": 2}') WHERE obs_key = '2'), '1 0',
          'of a segment that is gone, none');
ROLLBACK;
BEGIN;
CREATE ROLE regress_failpat_reader;
GRANT USAGE ON SCHEMA "Fail ""Pat"" ü" TO regress_failpat_reader;
GRANT SELECT ON ALL TABLES IN SCHEMA "Fail ""Pat"" ü" TO regress_failpat_reader;
GRANT USAGE ON SCHEMA tap TO regress_failpat_reader;
SET LOCAL ROLE regress_failpat_reader;
SELECT is((SELECT count(*) || ' ' || count(scores) FROM "Fail ""Pat"" ü".fp_drilldown() WHERE obs_key = '2'), '1 0',
          'nor for who may not read them');
RESET ROLE;
ALTER TABLE quality_scores ALTER COLUMN score TYPE numeric;
SELECT is((SELECT count(*) || ' ' || count(scores) FROM "Fail ""Pat"" ü".fp_drilldown() WHERE obs_key = '2'), '1 0',
          'nor where the column is of another type');
ROLLBACK;
INSERT INTO quality_scores (segment_id, check_type, score, status)
SELECT s, c, 1, CASE WHEN s = 4 AND c = 'motion' THEN 'fail' ELSE 'pass' END
FROM generate_series(3, 5) s, unnest('{face_confidence,motion,artifacts}'::text[]) c;
SELECT is((SELECT array_agg(segment ORDER BY segment) FROM obs WHERE segment BETWEEN 3 AND 5 AND failed), '{4}'::bigint[],
          'several segments in one statement');

-- Positions, characters, scene types.
SELECT is(dim(1, 'segment_position'), '1', 'positions are shown from 1');
SELECT is(dim(1, 'character') || dim(1, 'scene_type'), '11', 'avatar and scene type of the scene');

-- Workflow: track configuration, then scene type, at the time of capture.
SELECT is(dim(1, 'workflow'), '2', 'workflow of the track configuration');
SELECT score(21, 'motion', 'pass');
SELECT is(dim(21, 'workflow'), '1', 'a track configuration without one: the scene type''s');
SELECT score(41, 'motion', 'pass');
SELECT is(dim(41, 'workflow'), '1', 'a scene without a track: the scene type''s');
SELECT score(81, 'motion', 'pass');
SELECT is(dim(81, 'workflow'), NULL, 'no workflow: not recorded');
UPDATE scene_types SET workflow_id = 3;
UPDATE scene_type_track_configs SET workflow_id = 3;
SELECT score(1, 'motion', 'pass');
SELECT score(41, 'artifacts', 'fail');
SELECT is(dim(1, 'workflow') || dim(41, 'workflow'), '21', 'configuration that changes later changes nothing');
SELECT score(81, 'artifacts', 'pass');
SELECT is(dim(81, 'workflow'), '3', 'what was not recorded is completed');

-- LoRAs: configuration, receipts, with and without asset ids.
SELECT is(dim(1, 'lora'), '["2", "4"]', 'no receipt: the scene type''s configuration');
SELECT score(61, 'motion', 'pass');
SELECT is(dim(61, 'lora'), NULL, 'a configuration that is no array: not recorded');
SELECT is(dim(81, 'lora'), '[]', 'an empty one: none used, which is known');
SELECT is(dim(61, 'model'), NULL, 'no receipt: no model');
SELECT receipt(61, 7, '[{"asset_id": 9, "version": "1", "hash": "x", "weight": 0.5}]');
SELECT is(dim(61, 'lora') || dim(61, 'model'), '["9"]7', 'a receipt that comes after the scores completes');
SELECT receipt(61, 8, '[{"asset_id": 10}]', now() + interval '1 hour');
SELECT score(61, 'artifacts', 'fail');
SELECT is(dim(61, 'lora') || dim(61, 'model'), '["9"]7', 'a later receipt changes nothing');
SELECT receipt(62, 5, '[]', now() - interval '2 days');
SELECT receipt(62, 6, '[{"asset_id": 3}, {"asset_id": 3}]', now() - interval '1 day');
SELECT receipt(62, 7, '[{"asset_id": 11}]', now() - interval '3 days');
SELECT score(62, 'motion', 'pass');
SELECT is(dim(62, 'lora') || dim(62, 'model'), '["3"]6', 'of several receipts the newest');
SELECT receipt(63, NULL, '[]', version => 'flux', hash => 'abc');
SELECT score(63, 'motion', 'pass');
SELECT is(dim(63, 'lora') || dim(63, 'model'), '[]flux@abc', 'no LoRAs; a model without id is told by version and hash');
SELECT receipt(64, 1, '[{"asset_id": null, "version": "2", "hash": "ff"}, {"asset_id": 5, "version": "", "hash": ""}, {"version": "", "hash": "e"}]');
SELECT score(64, 'motion', 'pass');
SELECT is(dim(64, 'lora'), '["2@ff", "5", "e"]', 'LoRAs without asset ids');
SELECT receipt(65, 1, '[{"weight": 1}]');
SELECT score(65, 'motion', 'pass');
SELECT is(dim(65, 'lora'), NULL, 'LoRAs of which none can be told: not recorded');
SELECT receipt(66, 1, (SELECT jsonb_agg(jsonb_build_object('asset_id', g)) FROM generate_series(1, 16) g));
SELECT score(66, 'motion', 'pass');
SELECT is(jsonb_array_length((SELECT dims -> 'lora' FROM obs WHERE segment = 66)), 16, 'sixteen LoRAs');
SELECT receipt(67, 1, (SELECT jsonb_agg(jsonb_build_object('asset_id', g)) FROM generate_series(1, 17) g));
SELECT score(67, 'motion', 'fail');
SELECT is(dim(67, 'lora') IS NULL AND (SELECT failed FROM obs WHERE segment = 67), true, 'seventeen: not recorded, the rest is');
SELECT receipt(68, 1, '"text"');
SELECT score(68, 'motion', 'pass');
SELECT is(dim(68, 'lora'), NULL, 'a receipt with something else for LoRAs');
SELECT receipt(69, 1, '[]');
SELECT is((SELECT count(*) FROM obs WHERE segment = 69), 0::bigint, 'a receipt alone is no observation');

-- Scores that go, and segments that go.
DELETE FROM quality_scores WHERE segment_id = 2;
SELECT is((SELECT failed FROM obs WHERE segment = 2), true, 'deleting all scores changes nothing');
SELECT score(2, 'artifacts', 'pass');
SELECT is((SELECT (failed, checks)::text FROM obs WHERE segment = 2), '(f,{})', 'scores inserted again decide anew');
DELETE FROM quality_scores WHERE segment_id = 4 AND check_type = 'motion';
SELECT is((SELECT failed FROM obs WHERE segment = 4), false, 'deleting some leaves the outcome to the others');
UPDATE quality_scores SET status = 'fail' WHERE segment_id = 5 AND check_type = 'motion';
SELECT is((SELECT checks FROM obs WHERE segment = 5), '{motion}'::text[], 'an update decides anew');
CREATE TEMP TABLE before AS SELECT * FROM obs WHERE segment BETWEEN 1 AND 20;
DELETE FROM segments WHERE scene_id = 1;
SELECT is((SELECT count(*) FROM quality_scores WHERE segment_id BETWEEN 1 AND 20), 0::bigint, 'a scene is started again: its scores go');
SELECT results_eq('SELECT * FROM obs WHERE segment BETWEEN 1 AND 20 ORDER BY 1', 'SELECT * FROM before ORDER BY 1', 'its observations stay');
DELETE FROM projects;
SELECT is((SELECT count(*) FROM scenes), 0::bigint, 'a project is deleted, and all below it');
SELECT results_eq('SELECT * FROM obs WHERE segment BETWEEN 1 AND 20 ORDER BY 1', 'SELECT * FROM before ORDER BY 1', 'its observations stay too');
SELECT is((SELECT count(*) FROM "Fail ""Pat"" ü".fp_pending), 0::bigint, 'nothing was left unsettled');
TRUNCATE quality_scores;
SELECT "Fail ""Pat"" ü".fp_detach('segments');
SELECT is((SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'failpat%'), 0::bigint, 'detached: no trigger is left');
SELECT hasnt_view('Fail "Pat" ü'::name, 'fp_source_segments'::name, 'nor the view');
SELECT is((SELECT count(*) FROM obs WHERE segment = 1), 1::bigint, 'what was learnt is');

-- The other name, positions from 0, and a writer without any right of ours.
SET search_path = old, public, tap, short;
INSERT INTO projects (name) VALUES ('Old Harbour');
INSERT INTO characters (project_id, name) VALUES (1, 'Ada');
INSERT INTO scene_types (name, slug) VALUES ('walk', 'walk');
INSERT INTO scenes (character_id, scene_type_id) VALUES (1, 1);
INSERT INTO segments (id, scene_id, sequence_index) SELECT 1000 + i, 1, i FROM generate_series(0, 19) i;
DROP TABLE generation_receipts, scene_type_track_configs, asset_notes, assets CASCADE;
SELECT "Fail ""Pat"" ü".fp_attach_prd49('old', source => 'old "one"', position_base => 0);
CREATE ROLE regress_failpat_writer;
GRANT USAGE ON SCHEMA old TO regress_failpat_writer;
GRANT INSERT, DELETE ON quality_scores TO regress_failpat_writer;
GRANT SELECT (segment_id) ON quality_scores TO regress_failpat_writer;
GRANT USAGE ON SEQUENCE quality_scores_id_seq TO regress_failpat_writer;
SELECT ok(NOT has_schema_privilege('regress_failpat_writer', 'Fail "Pat" ü', 'USAGE'), 'a writer without any right of ours');
SET ROLE regress_failpat_writer;
INSERT INTO quality_scores (segment_id, check_type, score, status) VALUES (1000, 'motion', 0, 'fail'), (1001, 'motion', 1, 'pass');
DELETE FROM quality_scores WHERE segment_id = 1001;
RESET ROLE;
SELECT is((SELECT string_agg(segment || ':' || failed || ':' || (dims ->> 'segment_position') || ':' || (dims ->> 'character'), ' ' ORDER BY segment) FROM obs WHERE segment >= 1000),
          '1000:true:0:1 1001:false:1:1', 'what it writes is captured; positions from 0; characters by their old name');
SELECT is((SELECT count(*) FROM "Fail ""Pat"" ü".fp_pending), 0::bigint, 'without errors');

-- Two sources side by side, refreshed; and how a pattern is named.
INSERT INTO quality_scores (segment_id, check_type, score, status)
SELECT 1000 + i, 'artifacts', 0, CASE WHEN i >= 10 THEN 'fail' ELSE 'pass' END FROM generate_series(0, 19) i;
INSERT INTO scenes (character_id, scene_type_id, media_variant_id) SELECT 1, 1, g FROM generate_series(1, 20) g;
INSERT INTO segments (id, scene_id, sequence_index) SELECT 10000 + s * 100 + i, s, i FROM scenes, LATERAL (SELECT id AS s) x, generate_series(0, 19) i WHERE id > 1;
INSERT INTO quality_scores (segment_id, check_type, score, status)
SELECT id, 'artifacts', 0, CASE WHEN sequence_index >= 10 THEN 'fail' ELSE 'pass' END FROM segments WHERE id >= 10000;
CALL "Fail ""Pat"" ü".fp_refresh();
SELECT is((SELECT string_agg(pattern_key || ' ' || description, '; ') FROM "Fail ""Pat"" ü".failure_patterns WHERE status = 'active'),
          'old "one"/sp:10+ Segment 10+ fails', 'a pattern of another source, by its name');
SELECT is((SELECT string_agg(source || ' ' || attached || ' ' || dirty_buckets || ' ' || pending_keys || ' ' || coalesce(error, '-'), '; ' ORDER BY source)
           FROM "Fail ""Pat"" ü".fp_status()),
          'old "one" true 0 0 -; segments false 0 0 -', 'status of both');
DROP OWNED BY regress_failpat_writer;
DROP ROLE regress_failpat_writer;
SELECT * FROM finish();
