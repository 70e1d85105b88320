-- A value has one text, whoever's settings it is read with.
\set QUIET 1
\set ON_ERROR_STOP 1
\pset format unaligned
\pset tuples_only true
\pset pager off
SET client_min_messages = warning;
CREATE SCHEMA fp;
CREATE EXTENSION failpat SCHEMA fp;
SET search_path = public, tap;
SELECT plan(7);

CREATE TABLE runs (id int PRIMARY KEY, on_day date, at timestamptz, took interval, weight float8, code bytea, failed boolean);
CREATE VIEW judged AS SELECT id AS source_key, id AS obs_key, at AS observed_at, failed, '{}'::text[] AS failed_checks,
    on_day, at, took, weight, code, extract(hour FROM at)::int AS hour FROM runs;
SELECT fp.fp_attach('runs', 'judged', '{"runs": "id"}', bucket_zone => 'Asia/Tokyo');
INSERT INTO runs VALUES (1, '2026-02-01', '2026-02-01 12:00Z', '1 day 2 hours', 0.1, '\x00ff', true);
SET datestyle = 'German';
SET timezone = 'America/New_York';
SET intervalstyle = 'iso_8601';
SET extra_float_digits = -5;
SET bytea_output = 'escape';
INSERT INTO runs VALUES (2, '2026-02-01', '2026-02-01 12:00Z', '1 day 2 hours', 0.1, '\x00ff', true);
SELECT is((SELECT count(DISTINCT dims) FROM fp.fp_observations), 1::bigint, 'captured with other settings it has the same text');
SELECT is(current_setting('datestyle') || ' ' || current_setting('timezone') || ' ' || current_setting('extra_float_digits'),
          'German, DMY America/New_York -5', 'the writer''s settings are as they were');
RESET ALL;
SELECT is((SELECT dims FROM fp.fp_observations WHERE obs_key = '2'),
          '{"at": "2026-02-01 21:00:00+09", "code": "\\x00ff", "hour": "21", "took": "1 day 02:00:00", "on_day": "2026-02-01", "weight": "0.1"}'::jsonb,
          'ISO, at the time of the source''s zone');
SET datestyle = 'German';
CREATE TABLE days (day date PRIMARY KEY, name text);
INSERT INTO days VALUES ('2026-02-01', 'Sunday');
UPDATE fp.fp_dimensions SET label_table = 'days', label_key = 'day', label_column = 'name' WHERE name = 'on_day';
SELECT is((SELECT label FROM fp.fp_labels('runs', 'on_day', '{2026-02-01}')), 'Sunday', 'and has its name by that text');

-- A key whose text depends on settings: the 2nd of January is not the 1st of
-- February, whoever writes and whoever reads.
CREATE TABLE shifts (day date, tool text, failed boolean);
CREATE INDEX ON shifts (day);
CREATE VIEW shifted AS SELECT day AS source_key, day AS obs_key, min(day)::timestamptz AS observed_at, bool_or(failed) AS failed,
    '{}'::text[] AS failed_checks, min(tool) AS tool FROM shifts GROUP BY day;
SELECT fp.fp_attach('shifts', 'shifted', '{"shifts": "day"}');
CREATE VIEW found AS SELECT string_agg(source_key || ' ' || obs_key || ' ' || failed, ', ' ORDER BY obs_key) AS all
    FROM fp.fp_observations WHERE source = 'shifts';
SET datestyle = 'German';
INSERT INTO shifts VALUES ('2026-01-02', 'T', true);
DELETE FROM shifts;
BEGIN ISOLATION LEVEL SERIALIZABLE;
INSERT INTO shifts VALUES ('2026-01-03', 'T', true);
COMMIT;
ALTER TABLE fp.fp_observations RENAME TO hidden;
SET client_min_messages = error;
INSERT INTO shifts VALUES ('2026-01-04', 'T', true);
ALTER TABLE fp.hidden RENAME TO fp_observations;
SELECT is((SELECT string_agg(source_key, ', ' ORDER BY source_key) FROM fp.fp_pending), '2026-01-03, 2026-01-04', 'keys that wait are printed alike');
SET datestyle = 'SQL, DMY';
CALL fp.fp_refresh('shifts');
SELECT is((SELECT "all" FROM found), '2026-01-02 2026-01-02 true, 2026-01-03 2026-01-03 true, 2026-01-04 2026-01-04 true',
          'keys captured, removed, read by refresh are one');
UPDATE fp.fp_source_state SET backfill_done = false, backfill_key = NULL;
DELETE FROM fp.fp_observations WHERE source = 'shifts';
CALL fp.fp_backfill('shifts');
SELECT is((SELECT "all" FROM found), '2026-01-03 2026-01-03 true, 2026-01-04 2026-01-04 true', 'and loaded again');
SELECT * FROM finish();
DROP VIEW found;
DROP EXTENSION failpat CASCADE;
DROP VIEW judged, shifted;
DROP TABLE runs, days, shifts;
