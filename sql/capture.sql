-- Sources and capture: attach, what each kind of statement does, errors, detach.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS failpat CASCADE;
CREATE SCHEMA failpat;
CREATE EXTENSION failpat SCHEMA failpat;
RESET client_min_messages;
CREATE SCHEMA cap;
SET search_path = cap, failpat, public;
CREATE TABLE parts (id bigint PRIMARY KEY, tool text, alloys text[], station int);
CREATE TABLE scores (id bigserial PRIMARY KEY, part bigint NOT NULL, check_name text, ok boolean,
                     at timestamptz DEFAULT '2026-03-01 12:00+00');
CREATE INDEX ON scores (part);
INSERT INTO parts SELECT g, 'T' || g % 3, CASE WHEN g % 4 > 0 THEN ARRAY['x', 'y'] END, g % 10
FROM generate_series(1, 40) g;
CREATE VIEW judged AS
SELECT p.id AS source_key, 'part ' || p.id AS obs_key, q.observed_at, q.failed, q.failed_checks,
       p.id / 10 AS job, p.tool, p.alloys, p.station
FROM parts p CROSS JOIN LATERAL (
    SELECT min(s.at) AS observed_at, bool_or(NOT s.ok) AS failed,
           coalesce(array_agg(DISTINCT s.check_name) FILTER (WHERE NOT s.ok), '{}') AS failed_checks
    FROM scores s WHERE s.part = p.id HAVING count(*) > 0) q;
CREATE VIEW seen AS
SELECT obs_key, failed, failed_checks, job, dims FROM fp_observations WHERE source = 'parts';

-- What cannot be attached.
SELECT fp_attach('', 'judged');
SELECT fp_attach('parts', NULL);
SELECT fp_attach('parts', 'judged', refresh => 'often');
SELECT fp_attach('parts', 'judged', bucket => '1 day 1 hour');
SELECT fp_attach('parts', 'judged', bucket_zone => 'Mars/Olympus');
SELECT fp_attach('parts', 'judged', window_length => '0');
SELECT fp_attach('parts', 'judged', triggers => '[]');
SELECT fp_attach('parts', 'judged', triggers => '{"cap.nothing": "part"}');
SELECT fp_attach('parts', 'judged', triggers => '{"cap.scores": "segment"}');
SELECT fp_attach('parts', 'judged', dimensions => '{"colour": {}}');
SELECT fp_attach('parts', 'judged', dimensions => '{"tool": {"knid": "set"}}');
SELECT fp_attach('parts', 'judged', dimensions => '{"tool": {"kind": "set"}}');
SELECT fp_attach('parts', 'judged', dimensions => '{"tool": {"kind": "ordinal"}}');
SELECT fp_attach('parts', 'judged', dimensions => '{"tool": {"kind": "fuzzy"}}');
SELECT fp_attach('parts', 'judged', dimensions => '{"tool": {"label_table": "tools"}}');
SELECT fp_attach('parts', 'parts');
SELECT fp_attach('parts', 'judged', history => 'some');
SELECT count(*) FROM fp_sources;

-- Attach loads a short history.
INSERT INTO scores (part, check_name, ok) VALUES (1, 'fit', true), (2, 'fit', false);
SELECT fp_attach('parts', 'judged', '{"scores": "part"}',
                 '{"station": {"kind": "ordinal", "title": "station", "prefix": "s"},
                   "tool": {"choosable": true}}');
SELECT source, observations, refresh, bucket, bucket_zone, triggers FROM fp_sources;
SELECT name, kind, position, title, key_prefix, choosable FROM fp_dimensions ORDER BY position;
SELECT * FROM seen ORDER BY obs_key COLLATE "C";
SELECT fp_attach('parts', 'judged');

-- Statements of every kind.
INSERT INTO scores (part, check_name, ok) VALUES (1, 'weight', false), (1, 'size', false), (3, 'fit', true);
SELECT * FROM seen ORDER BY obs_key COLLATE "C";
INSERT INTO scores (part, check_name, ok) SELECT 4, 'fit', false WHERE false;
UPDATE scores SET ok = true WHERE part = 1 AND check_name = 'weight';
SELECT * FROM seen WHERE obs_key = 'part 1';
UPDATE scores SET part = 5 WHERE part = 1 AND check_name = 'size';
SELECT * FROM seen WHERE obs_key IN ('part 1', 'part 5') ORDER BY obs_key COLLATE "C";
-- a delete of some rows changes the outcome, one of all changes nothing
DELETE FROM scores WHERE part = 2;
INSERT INTO scores (part, check_name, ok) VALUES (6, 'fit', true), (6, 'size', false);
DELETE FROM scores WHERE part = 6 AND NOT ok;
SELECT * FROM seen WHERE obs_key IN ('part 2', 'part 6') ORDER BY obs_key COLLATE "C";
TRUNCATE scores;
SELECT count(*) FROM seen;
-- rows that were never captured are, when they are removed
SET session_replication_role = replica;
INSERT INTO scores (part, check_name, ok) VALUES (35, 'fit', false), (36, 'fit', true);
RESET session_replication_role;
DELETE FROM scores WHERE part = 35;
UPDATE scores SET part = 37;
SELECT * FROM seen WHERE obs_key LIKE 'part 3_' ORDER BY obs_key COLLATE "C";
DELETE FROM fp_observations WHERE source_key IN ('35', '36', '37');
TRUNCATE scores;
-- a run again: the outcome is the newest
INSERT INTO scores (part, check_name, ok) VALUES (2, 'fit', true);
SELECT * FROM seen WHERE obs_key = 'part 2';
COPY scores (part, check_name, ok) FROM stdin;
7	fit	f
8	fit	t
\.
MERGE INTO scores s USING (VALUES (7, true), (9, false)) AS n (part, ok) ON s.part = n.part
WHEN MATCHED THEN UPDATE SET ok = n.ok
WHEN NOT MATCHED THEN INSERT (part, check_name, ok) VALUES (n.part, 'fit', n.ok);
SELECT * FROM seen WHERE obs_key IN ('part 7', 'part 8', 'part 9') ORDER BY obs_key COLLATE "C";

-- What was recorded stays; what was not is completed.
UPDATE parts SET tool = 'other', alloys = '{z}' WHERE id IN (4, 8);
INSERT INTO parts VALUES (50, NULL, NULL, NULL);
INSERT INTO scores (part, check_name, ok) VALUES (4, 'fit', true), (8, 'size', true), (50, 'fit', true);
UPDATE parts SET tool = 'T9', alloys = '{}' WHERE id = 50;
UPDATE scores SET ok = ok WHERE part IN (4, 8, 50);
SELECT * FROM seen WHERE obs_key IN ('part 4', 'part 8', 'part 50') ORDER BY obs_key COLLATE "C";

-- Buckets are marked once per statement, and only where something changed.
TRUNCATE fp_dirty;
INSERT INTO scores (part, check_name, ok, at) VALUES
    (11, 'fit', true, '2026-03-01 00:00+00'), (12, 'fit', true, '2026-03-01 23:59:59+00'),
    (13, 'fit', true, '2026-03-02 00:00+00');
UPDATE scores SET ok = ok;
SELECT source, bucket AT TIME ZONE 'UTC' AS bucket FROM fp_dirty ORDER BY bucket;

-- Rolled back with the statement, and with the savepoint.
BEGIN;
INSERT INTO scores (part, check_name, ok) VALUES (14, 'fit', false);
SAVEPOINT s;
INSERT INTO scores (part, check_name, ok) VALUES (15, 'fit', false);
ROLLBACK TO s;
COMMIT;
SELECT obs_key FROM seen WHERE obs_key IN ('part 14', 'part 15');

-- Beyond so many keys, a transaction takes no more locks.
SET failpat.max_key_locks = 2;
INSERT INTO scores (part, check_name, ok) SELECT g, 'fit', false FROM generate_series(21, 24) g;
SELECT source_key, obs_key, failed, failed_checks, dims, reason, error FROM fp_pending ORDER BY source_key;
SELECT obs_key FROM seen WHERE obs_key LIKE 'part 2_' ORDER BY obs_key;
RESET failpat.max_key_locks;
TRUNCATE fp_pending;

-- Errors: the writer's statement goes on, or not if so set.
ALTER TABLE parts ADD weight numeric DEFAULT 1;
CREATE OR REPLACE VIEW judged AS
SELECT p.id AS source_key, 'part ' || p.id AS obs_key, q.observed_at, q.failed AND 1 / p.weight > 0 AS failed, q.failed_checks,
       p.id / 10 AS job, p.tool, p.alloys, p.station
FROM parts p CROSS JOIN LATERAL (
    SELECT min(s.at) AS observed_at, bool_or(NOT s.ok) AS failed,
           coalesce(array_agg(DISTINCT s.check_name) FILTER (WHERE NOT s.ok), '{}') AS failed_checks
    FROM scores s WHERE s.part = p.id HAVING count(*) > 0) q;
UPDATE parts SET weight = 0 WHERE id = 31;
INSERT INTO scores (part, check_name, ok) VALUES (30, 'fit', false);
INSERT INTO scores (part, check_name, ok) VALUES (31, 'fit', false), (32, 'fit', false);
SELECT part FROM scores WHERE part > 29 ORDER BY part;
SELECT obs_key FROM seen WHERE obs_key LIKE 'part 3_' ORDER BY obs_key;
SELECT source_key, obs_key, reason, error FROM fp_pending ORDER BY source_key;
SET failpat.capture_errors = 'raise';
INSERT INTO scores (part, check_name, ok) VALUES (31, 'size', false);
RESET failpat.capture_errors;
BEGIN;
ALTER TABLE fp_pending RENAME TO gone;
INSERT INTO scores (part, check_name, ok) VALUES (31, 'size', false);
ROLLBACK;
BEGIN;
ALTER TABLE fp_observations RENAME TO gone;
INSERT INTO scores (part, check_name, ok) VALUES (33, 'fit', false);
SELECT source_key, error FROM fp_pending WHERE source_key = '33';
ROLLBACK;
BEGIN;
ALTER TABLE scores RENAME part TO piece;
INSERT INTO scores (piece, check_name, ok) VALUES (33, 'fit', false);
ROLLBACK;
UPDATE parts SET weight = 1;

-- Backfill reads everything again; it can be repeated.
DELETE FROM fp_observations WHERE source = 'parts';
CALL fp_backfill('parts', restart => true);
CALL fp_backfill('parts');
SELECT count(*), count(*) FILTER (WHERE failed) AS failed FROM seen;
SELECT backfill_key, backfill_count, backfill_done FROM fp_source_state WHERE source = 'parts';
CALL fp_backfill('nothing');
CALL fp_backfill(NULL);

-- Buckets.
SELECT w, z, fp_bucket(t, w, z) AT TIME ZONE z AS bucket
FROM (VALUES ('2026-03-29 03:30+00'::timestamptz)) AS m (t),
     (VALUES ('1 hour'::interval), ('1 day'), ('7 days'), ('1 month'), ('3 months'), ('1 year')) AS b (w),
     (VALUES ('UTC'), ('America/New_York')) AS zones (z)
ORDER BY z, w;
SELECT fp_bucket('1999-02-28 12:00+00', '7 days') AT TIME ZONE 'UTC' AS monday,
       fp_bucket('1999-02-28 12:00+00', '3 months') AT TIME ZONE 'UTC' AS quarter,
       fp_bucket('infinity', '1 day') AS infinite;
SELECT fp_bucket(now(), '-1 day');
SELECT fp_bucket(now(), '0');

-- Detach keeps what was learnt.
SELECT fp_detach('nothing');
SELECT fp_detach('parts');
INSERT INTO scores (part, check_name, ok) VALUES (40, 'fit', false);
SELECT count(*) FROM seen;
SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'failpat%';
SELECT observations, triggers FROM fp_sources;
SELECT fp_attach('parts', 'judged', '{"cap.scores": "part"}', history => 'later');
SELECT count(*) FROM seen;
SELECT fp_detach('parts', forget => true);
SELECT (SELECT count(*) FROM fp_sources) + (SELECT count(*) FROM fp_observations)
     + (SELECT count(*) FROM fp_dimensions) + (SELECT count(*) FROM fp_pending) AS left;

-- A superuser's view over the tables of somebody who is none.
CREATE ROLE fp_test_owner;
ALTER TABLE scores OWNER TO fp_test_owner;
SELECT fp_attach('parts', 'judged', history => 'later');
SELECT fp_detach('parts', forget => true);
GRANT SELECT ON parts TO fp_test_owner;
GRANT USAGE, CREATE ON SCHEMA cap TO fp_test_owner;
-- and a schema of failpat's that others may create in
GRANT CREATE ON SCHEMA failpat TO fp_test_owner, PUBLIC;
ALTER VIEW judged OWNER TO fp_test_owner;
SELECT fp_attach('parts', 'judged', history => 'later');
REVOKE CREATE ON SCHEMA failpat FROM PUBLIC, fp_test_owner;
SELECT fp_detach('parts', forget => true);
SELECT fp_attach('parts', 'judged', history => 'later');
SELECT fp_detach('parts', forget => true);
RESET search_path;
SET client_min_messages = warning;
DROP SCHEMA cap CASCADE;
DROP OWNED BY fp_test_owner;
DROP ROLE fp_test_owner;
DROP EXTENSION failpat;
DROP SCHEMA failpat;
