-- What the platform does with its tables besides inserting: partitions, MERGE,
-- ON CONFLICT, COPY, TRUNCATE, columns that come and go; and the blind spots of
-- triggers, which fp_backfill makes good.
\set QUIET 1
\set ON_ERROR_STOP 1
\pset format unaligned
\pset tuples_only true
\pset pager off
SET client_min_messages = error;
CREATE SCHEMA fp;
CREATE EXTENSION failpat SCHEMA fp;
CREATE ROLE tap_owner;
GRANT USAGE ON SCHEMA tap TO PUBLIC;
SET search_path = public, tap;
SELECT no_plan();
CREATE SCHEMA plat AUTHORIZATION tap_owner;

-- A partitioned platform, whose owner is no superuser.
SET ROLE tap_owner;
SET search_path = plat, public, tap;
CREATE TABLE scenes (id bigint PRIMARY KEY, avatar_id bigint, scene_type_id bigint);
CREATE TABLE segments (id bigint PRIMARY KEY, scene_id bigint, sequence_index integer);
CREATE TABLE quality_scores (id bigserial, segment_id bigint NOT NULL, check_type text NOT NULL, status text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(), UNIQUE (segment_id, check_type)) PARTITION BY RANGE (segment_id);
CREATE TABLE low PARTITION OF quality_scores FOR VALUES FROM (0) TO (100);
CREATE TABLE assets (id bigint NOT NULL, name text, version text, asset_type_id bigint, file_path text, checksum_sha256 text, created_at timestamptz DEFAULT now())
    PARTITION BY RANGE (id);
CREATE TABLE assets_1 PARTITION OF assets FOR VALUES FROM (0) TO (100);
INSERT INTO scenes VALUES (1, 1, 1);
INSERT INTO segments SELECT g, 1, g FROM generate_series(1, 300) g;
RESET ROLE;
SELECT fp.fp_attach_prd49('plat');
CREATE VIEW tap.seen AS SELECT obs_key::int AS key, failed, failed_checks AS checks FROM fp.fp_observations;
CREATE FUNCTION tap.seen(VARIADIC int[]) RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(key || CASE WHEN failed THEN ' failed' ELSE ' passed' END, ', ' ORDER BY key) FROM tap.seen WHERE key = ANY ($1) $$;
GRANT SELECT ON tap.seen TO PUBLIC;
GRANT SELECT ON fp.fp_observations TO tap_owner;
SET ROLE tap_owner;

SELECT lives_ok($$ CREATE TABLE assets_2 PARTITION OF assets FOR VALUES FROM (100) TO (200) $$, 'the owner makes a partition of a watched table');
SELECT lives_ok($$ CREATE TABLE high PARTITION OF quality_scores FOR VALUES FROM (100) TO (200) $$, 'and of the scores');
INSERT INTO assets VALUES (1, 'lux', '1', 2, '/a', 'x'), (150, 'lux', '2', 2, '/b', 'y');
UPDATE assets SET id = id + 100, version = version || '.1', file_path = file_path || '1' WHERE id IN (1, 150) AND id < 100;
RESET ROLE;
SELECT is((SELECT string_agg(label || ' ' || (details ->> 'op'), ', ' ORDER BY id) FROM fp.fp_events),
          'LoRA lux version 1 INSERT, LoRA lux version 2 INSERT, LoRA lux version 1.1 UPDATE',
          'events come from all partitions, also where a row moves to another');
SET ROLE tap_owner;
INSERT INTO quality_scores (segment_id, check_type, status) VALUES (1, 'face', 'fail'), (101, 'face', 'pass');
SELECT is(seen(1, 101), '1 failed, 101 passed', 'scores are captured in all partitions');
UPDATE quality_scores SET segment_id = 102 WHERE segment_id = 1;
SELECT is(seen(1, 102), '1 failed, 102 failed', 'a row that moves to another partition, and segment');

-- Statements of several kinds.
INSERT INTO quality_scores (segment_id, check_type, status) VALUES (2, 'face', 'pass');
INSERT INTO quality_scores (segment_id, check_type, status) VALUES (2, 'face', 'fail'), (3, 'face', 'fail')
ON CONFLICT (segment_id, check_type) DO UPDATE SET status = excluded.status;
SELECT is(seen(2, 3), '2 failed, 3 failed', 'INSERT ... ON CONFLICT DO UPDATE');
INSERT INTO quality_scores (segment_id, check_type, status) VALUES (2, 'face', 'pass'), (4, 'face', 'fail') ON CONFLICT DO NOTHING;
SELECT is(seen(2, 4), '2 failed, 4 failed', 'ON CONFLICT DO NOTHING');
MERGE INTO quality_scores q
USING (VALUES (2, 'pass'), (3, 'gone'), (5, 'fail')) AS v (segment_id, status) ON q.segment_id = v.segment_id
WHEN MATCHED AND v.status = 'gone' THEN DELETE
WHEN MATCHED THEN UPDATE SET status = v.status
WHEN NOT MATCHED THEN INSERT (segment_id, check_type, status) VALUES (v.segment_id, 'face', v.status);
SELECT is(seen(2, 3, 5), '2 passed, 3 failed, 5 failed', 'MERGE: updated, removed (its outcome stays) and new');
COPY quality_scores (segment_id, check_type, status) FROM STDIN;
6	face	pass
6	motion	fail
7	face	pass
\.
SELECT is(seen(6, 7), '6 failed, 7 passed', 'COPY');
WITH a AS (INSERT INTO quality_scores (segment_id, check_type, status) VALUES (8, 'face', 'pass') RETURNING *),
     b AS (INSERT INTO quality_scores (segment_id, check_type, status) VALUES (8, 'motion', 'fail') RETURNING *)
SELECT count(*) FROM a, b \g /dev/null
SELECT is(seen(8), '8 failed', 'two inserts in one statement');
DELETE FROM quality_scores WHERE segment_id = 6 AND check_type = 'motion';
SELECT is(seen(6), '6 passed', 'one of two checks removed');

-- Blind spots: nothing is captured, nothing is lost that was, and reading
-- everything again catches up.
INSERT INTO low (segment_id, check_type, status) VALUES (9, 'face', 'fail');
SELECT is(seen(9), NULL, 'blind spot: written to a partition by its own name');
CREATE TABLE more (LIKE quality_scores INCLUDING ALL);
INSERT INTO more (id, segment_id, check_type, status) VALUES (1, 210, 'face', 'fail');
ALTER TABLE quality_scores ATTACH PARTITION more FOR VALUES FROM (200) TO (300);
SELECT is(seen(210), NULL, 'blind spot: a partition that is attached with its rows');
RESET ROLE;
SET session_replication_role = replica;
INSERT INTO plat.quality_scores (segment_id, check_type, status) VALUES (11, 'face', 'fail');
RESET session_replication_role;
SELECT is(seen(11), NULL, 'blind spot: session_replication_role = replica, as when rows are replicated');
ALTER TABLE plat.quality_scores DISABLE TRIGGER USER;
INSERT INTO plat.quality_scores (segment_id, check_type, status) VALUES (12, 'face', 'fail');
ALTER TABLE plat.quality_scores ENABLE TRIGGER USER;
SELECT is(seen(12), NULL, 'blind spot: triggers disabled');
CALL fp.fp_backfill('segments', restart => true);
SELECT is(seen(9, 11, 12, 210), '9 failed, 11 failed, 12 failed, 210 failed', 'fp_backfill(source, restart => true) catches up');
SET ROLE tap_owner;
ALTER TABLE quality_scores DETACH PARTITION more;
SELECT is(seen(210), '210 failed', 'DETACH takes nothing away');
DROP TABLE more;
SELECT lives_ok($$ TRUNCATE quality_scores $$, 'TRUNCATE');
SELECT is(seen(2, 3, 5), '2 passed, 3 failed, 5 failed', 'takes nothing away either');
RESET ROLE;
CALL fp.fp_refresh();
SELECT is((SELECT count(*) || coalesce(min(error), '') FROM fp.fp_status() WHERE pending_keys = 0), '1', 'and leaves nothing that waits');

-- Columns.
SET ROLE tap_owner;
SELECT throws_ok($$ ALTER TABLE scenes DROP COLUMN scene_type_id $$, '2BP01', NULL, 'a column that the view reads is not dropped behind its back');
SELECT lives_ok($$ ALTER TABLE scenes RENAME COLUMN scene_type_id TO kind_id $$, 'but may be renamed');
INSERT INTO quality_scores (segment_id, check_type, status) VALUES (20, 'face', 'fail');
SELECT is((SELECT dims ->> 'scene_type' FROM fp.fp_observations WHERE obs_key = '20'), '1', 'and is read by its new name');
ALTER TABLE scenes RENAME COLUMN kind_id TO scene_type_id;
ALTER TABLE quality_scores ADD COLUMN extra text;
INSERT INTO quality_scores (segment_id, check_type, status) VALUES (21, 'face', 'fail');
ALTER TABLE quality_scores DROP COLUMN extra;
INSERT INTO quality_scores (segment_id, check_type, status) VALUES (22, 'face', 'fail');
SELECT is(seen(21, 22), '21 failed, 22 failed', 'others come and go');
RESET ROLE;
SELECT lives_ok($$ SELECT fp.fp_detach('segments') $$, 'to drop it, detach');
SET ROLE tap_owner;
SELECT lives_ok($$ ALTER TABLE scenes DROP COLUMN scene_type_id, ADD COLUMN scene_type_id bigint DEFAULT 2 $$, 'change');
RESET ROLE;
SELECT lives_ok($$ SELECT fp.fp_attach_prd49('plat') $$, 'and attach');

-- The view dropped.
SET ROLE tap_owner;
DROP VIEW fp.fp_source_segments;
SELECT lives_ok($$ INSERT INTO quality_scores (segment_id, check_type, status) VALUES (30, 'face', 'fail') $$, 'its owner drops the view, and may write on');
RESET ROLE;
SELECT is((SELECT error FROM fp.fp_status()), 'the view of source "segments" has been dropped', 'fp_status() tells');
SELECT lives_ok($$ SELECT fp.fp_detach('segments') $$, 'detach');
SELECT lives_ok($$ SELECT fp.fp_attach_prd49('plat') $$, 'and attach');
CALL fp.fp_refresh();
SELECT is(seen(30), '30 failed', 'and it is there');
SELECT is((SELECT pending_keys || coalesce(error, '') FROM fp.fp_status()), '0', 'with nothing left to do');

-- All sources at once.
CREATE TABLE runs (id int PRIMARY KEY, failed boolean, oven int);
INSERT INTO runs VALUES (1, true, 1), (2, false, 2);
CREATE VIEW baked AS SELECT id AS source_key, id AS obs_key, now() AS observed_at, failed, '{}'::text[] AS failed_checks, oven FROM runs;
SELECT fp.fp_attach('baked', 'baked', history => 'later');
DELETE FROM fp.fp_observations;
CALL fp.fp_backfill(restart => true);
SELECT is((SELECT string_agg(source || ' ' || n, ', ' ORDER BY source) FROM (SELECT source, count(*) AS n FROM fp.fp_observations GROUP BY 1) s),
          'baked 2, segments 4', 'fp_backfill() without a source loads all');

-- DROP EXTENSION: refused where triggers need it, with their names and what the
-- server hints at; that takes the triggers too, and leaves the view.
DROP VIEW tap.seen CASCADE;
CREATE FUNCTION tap.refused() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    detail text;
    hint text;
BEGIN
    DROP EXTENSION failpat;
    RETURN 'dropped';
EXCEPTION WHEN dependent_objects_still_exist THEN
    GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
    RETURN (SELECT string_agg(regexp_replace(line, '_[0-9a-f]{8} ', ' '), ', ' ORDER BY line) FROM regexp_split_to_table(detail, E'\n') line) || '; ' || hint;
END $$;
SELECT is(tap.refused(),
    'trigger failpat_delete on table quality_scores depends on function fp.fp_capture(), '
    'trigger failpat_event_delete on table assets depends on function fp.fp_capture_event(), '
    'trigger failpat_event_insert on table assets depends on function fp.fp_capture_event(), '
    'trigger failpat_event_update on table assets depends on function fp.fp_capture_event(), '
    'trigger failpat_insert on table quality_scores depends on function fp.fp_capture(), '
    'trigger failpat_update on table quality_scores depends on function fp.fp_capture(); '
    'Use DROP ... CASCADE to drop the dependent objects too.', 'DROP EXTENSION is refused while a source has triggers');
CREATE FUNCTION tap.ours() RETURNS text LANGUAGE sql AS $$
    SELECT concat_ws(' ', (SELECT 'triggers' WHERE EXISTS (SELECT FROM pg_trigger WHERE tgname LIKE 'failpat%')),
                     (SELECT string_agg(relname, ' ') FROM pg_class WHERE relnamespace = 'fp'::regnamespace)) $$;
BEGIN; -- psql keeps what came, as pgTAP's own notes are rolled back too
SELECT sum(hashtext(q::text)) AS rows FROM plat.quality_scores q \gset
DROP EXTENSION failpat CASCADE;
SELECT ours() AS left, (SELECT sum(hashtext(q::text)) = :rows FROM plat.quality_scores q) AS same \gset
INSERT INTO plat.quality_scores (segment_id, check_type, status) VALUES (40, 'face', 'fail');
ROLLBACK;
SELECT is(concat(:'left', ', same: ', :'same'), 'fp_source_segments, same: t', 'CASCADE takes the triggers, leaves the view that failpat wrote, and every score');
SELECT fp.fp_detach('segments');
BEGIN;
SELECT tap.refused() || ', left: ' || ours() AS left \gset
ROLLBACK;
SELECT is(:'left'::text, 'dropped, left: ', 'detached, all of it goes');
SELECT fp.fp_attach_prd49('plat', refresh => 'manual', capture => 'poll');
BEGIN;
SELECT tap.refused() || ', left: ' || ours() AS left \gset
ROLLBACK;
SELECT is(:'left'::text, 'dropped, left: fp_source_segments', 'it also goes while a source is polled, but for the view');

SELECT * FROM finish();
DROP VIEW baked;
DROP EXTENSION failpat CASCADE;
DROP SCHEMA plat CASCADE;
DROP OWNED BY tap_owner;
DROP ROLE tap_owner;
