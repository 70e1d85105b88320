-- What fp_status tells is so at every moment, and is had by reading what a
-- refresh has not counted yet, not everything; and keys that were put off are
-- read again in the order of their number, not of its square.
\set QUIET 1
\set ON_ERROR_STOP 1
\pset format unaligned
\pset tuples_only true
\pset pager off
SET client_min_messages = warning;
CREATE EXTENSION failpat;
SET search_path = public, tap;
SELECT plan(23);
CREATE TABLE gates (id bigint PRIMARY KEY, tool text, failed boolean, at timestamptz);
CREATE VIEW seen AS SELECT id AS source_key, id AS obs_key, at AS observed_at, failed, '{}'::text[] AS failed_checks, tool FROM gates;
SELECT fp_attach('gates', 'seen', '{"public.gates": "id"}', refresh => 'manual', window_length => '3650 days') \g /dev/null

-- NULL where fp_status is right, else what is wrong.
CREATE FUNCTION wrong() RETURNS text LANGUAGE sql AS $$
    SELECT format('fp_status: %s %s %s, counted: %s %s %s', s.observations, s.failures, s.newest_observation, o.n, o.f, o.newest)
    FROM fp_status() s, (SELECT count(*) AS n, count(*) FILTER (WHERE failed) AS f, max(observed_at) AS newest FROM fp_observations) o
    WHERE (s.observations, s.failures, s.newest_observation) IS DISTINCT FROM (o.n, o.f, o.newest) $$;
-- Rows that a statement reads of a table, so or so.
CREATE FUNCTION rows_read(t regclass, statement text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    before bigint := (SELECT seq_tup_read + coalesce(idx_tup_fetch, 0) FROM pg_stat_xact_user_tables WHERE relid = t);
BEGIN
    EXECUTE statement;
    RETURN (SELECT seq_tup_read + coalesce(idx_tup_fetch, 0) FROM pg_stat_xact_user_tables WHERE relid = t) - coalesce(before, 0);
END $$;

SELECT is(wrong(), NULL, 'nothing yet');
INSERT INTO gates SELECT g, 'T' || g % 3, g % 3 = 0 OR g % 17 = 0, timestamptz '2026-05-01 12:00+00' + g % 40 * interval '1 day' FROM generate_series(1, 8000) g;
SELECT is(wrong(), NULL, 'nothing refreshed yet');
CALL fp_refresh('gates');
SELECT is(wrong(), NULL, 'refreshed');
SELECT is((SELECT sum(failures) FROM fp_cubes), (SELECT count(*)::numeric FROM gates WHERE failed), 'each cube knows its failures');
ANALYZE fp_observations, fp_cubes;
SELECT cmp_ok(rows_read('fp_observations', 'SELECT count(*) FROM fp_status()'), '<=', 10::bigint, 'fp_status reads no observations that are counted');
INSERT INTO gates SELECT g, 'T1', true, timestamptz '2026-05-03 12:00+00' FROM generate_series(8001, 8050) g;
UPDATE gates SET failed = NOT failed WHERE id BETWEEN 1 AND 3;
INSERT INTO gates VALUES (9000, 'T1', false, '2030-01-01'), (9001, 'T1', true, '2027-01-01'), (9002, 'T1', true, '2025-01-01');
-- as where this server's own clock has been ahead
UPDATE fp_observations SET observed_at = '2030-01-01' WHERE obs_key = '9000';
INSERT INTO fp_dirty (source, bucket, at) VALUES ('gates', '2030-01-01', now());
SELECT is(wrong(), NULL, 'written, not refreshed');
SELECT cmp_ok(rows_read('fp_observations', 'SELECT count(*) FROM fp_status()'), '<=', 4000::bigint, 'which reads the buckets that were written to');
DELETE FROM gates WHERE id IN (4, 8002);
SELECT is(wrong(), NULL, 'rows removed');
BEGIN;
UPDATE gates SET failed = true WHERE id % 100 = 0;
SELECT is(wrong(), NULL, 'within the transaction that writes');
ROLLBACK;
SELECT is(wrong(), NULL, 'and after it was rolled back');
UPDATE fp_cubes SET failures = NULL WHERE bucket < '2026-05-05';
SELECT is(wrong(), NULL, 'cubes that do not know their failures');
CALL fp_refresh('gates');
SELECT is(wrong(), NULL, 'refreshed again');
SELECT fp_rebuild('gates') \g /dev/null
SELECT is(wrong(), NULL, 'cubes thrown away');
CALL fp_refresh('gates');
SELECT fp_detach('gates') \g /dev/null
SELECT is(wrong(), NULL, 'detached');
SELECT fp_attach('gates', 'seen', '{"public.gates": "id"}', refresh => 'manual') \g /dev/null

-- Keys that were put off
CALL fp_refresh('gates');
INSERT INTO fp_pending (source, source_key, reason, at) SELECT 'gates', g::text, 'many', now() FROM generate_series(1, 4000) g, generate_series(1, 2);
INSERT INTO fp_missed VALUES ('gates', '{9001,9002,99999}', 'made up', now());
ANALYZE fp_pending;
BEGIN;
CALL fp_refresh('gates');
SELECT is((SELECT count(*) FROM fp_pending WHERE source_key IN ('1', '10')), 0::bigint, 'a transaction reads some of the keys again');
ROLLBACK;
BEGIN;
SELECT fp_refresh_begin('gates') \g /dev/null
SELECT cmp_ok(rows_read('fp_pending', 'SELECT fp_refresh_pending(''gates'') FROM generate_series(1, 20)'), '<=', 6 * 8000::bigint, 'a refresh reads fp_pending a few times, however many keys there are');
ROLLBACK;
CALL fp_refresh('gates');
SELECT is((SELECT count(*) FROM fp_pending), 0::bigint, 'a refresh reads them all');
SELECT is((SELECT count(*) FROM fp_pending_batches), 0::bigint, 'and leaves no list');
SELECT is(wrong(), NULL, 'and fp_status is right');

-- A list that another refresh made before this one holds places of rows that
-- have gone or are others' by now: they are looked at again.
INSERT INTO fp_pending (source, source_key, reason, at) SELECT 'gates', g::text, 'many', now() FROM generate_series(1, 300) g;
SELECT fp_refresh_begin('gates') \g /dev/null
SELECT fp_refresh_pending('gates') \g /dev/null
DELETE FROM fp_pending;
VACUUM fp_pending;
INSERT INTO fp_pending (source, source_key, reason, at) SELECT 'gates', 'later' || g, 'many', now() FROM generate_series(1, 300) g;
SELECT fp_refresh_pending('gates') FROM generate_series(1, 3) \g /dev/null
SELECT is((SELECT count(*) FROM fp_pending WHERE source_key LIKE 'later%'), 300::bigint, 'a key that has taken the place of another is not lost');

-- A time that is none does not stop a source's refreshes.
DELETE FROM fp_pending;
CALL fp_refresh('gates');
INSERT INTO gates VALUES (9100, 'T1', true, 'infinity'), (9101, 'T1', true, '-infinity'), (9102, 'T1', true, NULL), (9103, 'T1', true, '290000-01-01'), (9104, 'T1', true, now() + interval '1 hour');
CALL fp_refresh('gates');
SELECT is((SELECT count(*) FROM fp_observations WHERE obs_key IN ('9100', '9101', '9102', '9103', '9104') AND now() - observed_at BETWEEN '0' AND '1 hour'), 5::bigint,
          'what was observed at no time, an infinite one or one to come, was observed when it was captured');
SELECT lives_ok($$ SELECT * FROM fp_trend(source => 'gates') $$, 'so that a trend does not reach until then');
SELECT is((SELECT error FROM fp_status()), NULL, 'and is refreshed');
SELECT * FROM finish();
