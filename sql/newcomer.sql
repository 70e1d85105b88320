-- What somebody does who is new here, and what it says then.
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS failpat CASCADE;
CREATE EXTENSION failpat;
RESET client_min_messages;
CREATE SCHEMA new;
SET search_path = new, public;
CREATE TABLE loaves (id integer PRIMARY KEY, hour integer, flour text, failed boolean);
CREATE TABLE tastings (loaf integer, bad boolean);
CREATE VIEW judged AS
SELECT l.id AS source_key, l.id AS obs_key, timestamptz '2026-01-01Z' AS observed_at,
       bool_or(t.bad) AS failed, NULL::text[] AS failed_checks, l.hour, l.flour
FROM loaves l JOIN tastings t ON t.loaf = l.id GROUP BY l.id;

-- settings of another form: the hint shows the right one
\set SHOW_CONTEXT never
SELECT fp_attach('loaves', 'judged', triggers => '["tastings"]');
SELECT fp_attach('loaves', 'judged', dimensions => '["hour"]');
SELECT fp_attach('loaves', 'judged', dimensions => '{"hour": "ordinal"}');
-- a key without an index, also one that is not the first column or partial
CREATE INDEX ON tastings (bad, loaf);
CREATE INDEX ON tastings (loaf) WHERE bad;
SELECT fp_attach('loaves', 'judged', '{"tastings": "loaf"}', '{"hour": {"kind": "ordinal"}}');
SELECT fp_attach('loaves', 'judged', '{"tastings": "loaf"}');
SELECT name, kind, title FROM fp_dimensions ORDER BY name COLLATE "C";
SELECT fp_detach('loaves');
CREATE INDEX ON tastings (loaf, bad);
SELECT fp_attach('loaves', 'judged', '{"tastings": "loaf"}', '{"hour": {"kind": "ordinal"}}');

-- names that are none
CALL fp_refresh('loafs');
SELECT fp_detach('loafs');

-- a view that was dropped: one warning for each write and each refresh, however
-- many keys wait, and no write is refused
DROP VIEW judged;
INSERT INTO loaves SELECT n, n % 5, 'rye' FROM generate_series(1, 1000) n;
INSERT INTO tastings SELECT n, n % 9 = 0 FROM generate_series(1, 1000) n;
CALL fp_refresh('loaves');
CALL fp_refresh('loaves');
SELECT observations, pending_keys, error FROM fp_status();

-- the platform attached twice
\set ECHO none
\i test/fixtures/prd49.sql
\set ECHO all
SELECT fp_attach_prd49('new');
SELECT fp_attach_prd49('new');
SELECT fp_detach('segments');

SET client_min_messages = warning;
DROP EXTENSION failpat CASCADE;
DROP SCHEMA new CASCADE;
