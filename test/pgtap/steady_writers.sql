-- A refresh ends although writers go on: what they write meanwhile is left to
-- the next one. Triggers on failpat's own tables stand for the writers here, who
-- write whenever a refresh has done a piece.
\set QUIET 1
\set ON_ERROR_STOP 1
\pset format unaligned
\pset tuples_only true
\pset pager off
SET client_min_messages = warning;
CREATE EXTENSION failpat;
SET search_path = public, tap;
SELECT plan(6);
CREATE TABLE gates (id bigint PRIMARY KEY, tool text, failed boolean, at timestamptz DEFAULT '2026-05-01 12:00+00');
CREATE VIEW seen AS SELECT id AS source_key, id AS obs_key, at AS observed_at, failed, '{}'::text[] AS failed_checks, tool FROM gates;
SELECT fp_attach('gates', 'seen', '{"public.gates": "id"}', refresh => 'manual', window_length => '3650 days') \g /dev/null
INSERT INTO gates SELECT g, 'T' || g % 3, g % 3 = 0 OR g % 17 = 0, timestamptz '2026-05-01 12:00+00' + g % 4 * interval '1 day' FROM generate_series(1, 900) g;

CREATE FUNCTION write_again() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO fp_dirty (source, bucket, at) VALUES (NEW.source, NEW.bucket, clock_timestamp());
    RETURN NULL;
END $$;
CREATE TRIGGER write_again AFTER INSERT OR UPDATE ON fp_cubes FOR EACH ROW EXECUTE FUNCTION write_again();
SET statement_timeout = '30s';
SELECT lives_ok('CALL fp_refresh(''gates'')', 'buckets that are written while they are counted do not keep a refresh from its end');
SELECT is((SELECT count(DISTINCT bucket) FROM fp_dirty), 4::bigint, 'what came meanwhile waits for the next');
SELECT is((SELECT pattern_key FROM failure_patterns WHERE status = 'active'), 'gates/tool:T0', 'and patterns were looked for');
DROP TRIGGER write_again ON fp_cubes;
CALL fp_refresh('gates');
SELECT is((SELECT count(*) FROM fp_dirty), 0::bigint, 'which sees to it');

-- the same of keys that were put off
CREATE SEQUENCE put_off START 1000;
CREATE FUNCTION put_off_again() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO fp_pending (source, source_key, reason, at) VALUES (OLD.source, nextval('put_off')::text, 'serializable', clock_timestamp());
    RETURN NULL;
END $$;
CREATE TRIGGER put_off_again AFTER DELETE ON fp_pending FOR EACH ROW EXECUTE FUNCTION put_off_again();
INSERT INTO fp_pending (source, source_key, reason, at) SELECT 'gates', g::text, 'serializable', clock_timestamp() FROM generate_series(1, 300) g;
SELECT lives_ok('CALL fp_refresh(''gates'')', 'keys that are put off while others are read do not either');
SELECT is((SELECT count(*) FROM fp_pending), 300::bigint, 'as many as came are left');
SELECT * FROM finish();
