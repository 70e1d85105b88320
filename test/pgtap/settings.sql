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
SELECT plan(4);

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
SELECT * FROM finish();
DROP EXTENSION failpat CASCADE;
DROP VIEW judged;
DROP TABLE runs, days;
