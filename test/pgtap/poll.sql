-- A source that is polled: what a poll reads, what it leaves as it is, how far
-- it looks back, what becomes of errors, and whose rights it has.
\set QUIET 1
\set ON_ERROR_STOP 1
\pset format unaligned
\pset tuples_only true
\pset pager off
SET client_min_messages = error;
CREATE SCHEMA fp;
CREATE EXTENSION failpat SCHEMA fp;
CREATE ROLE tap_owner;
CREATE ROLE tap_admin;
GRANT USAGE ON SCHEMA tap TO tap_owner, tap_admin;
GRANT USAGE ON SCHEMA fp TO tap_admin;
CREATE SCHEMA plat AUTHORIZATION tap_owner;
SET ROLE tap_owner;
CREATE TABLE plat.runs (id bigint PRIMARY KEY, at timestamptz, failed boolean, tool text, oven text, bad text[] DEFAULT '{}');
CREATE INDEX ON plat.runs (at);
CREATE VIEW plat.judged AS
    SELECT id AS source_key, id AS obs_key, at AS observed_at, failed, bad AS failed_checks, tool, oven FROM plat.runs;
INSERT INTO plat.runs SELECT g, now() - interval '10 days' + g * interval '10 minutes', g % 7 = 0, 'T' || g % 3, 'o'
FROM generate_series(1, 1000) g;
RESET ROLE;
SET search_path = public, tap;
SELECT no_plan();

CREATE FUNCTION attach(VARIADIC how text[]) RETURNS text LANGUAGE sql AS $$
    SELECT 'SELECT fp.fp_attach(''runs'', ''plat.judged'', ' || array_to_string(how, ', ') || ')' $$;

-- What fp_attach takes.
SELECT throws_ok(attach('capture => ''often'''), '22023', 'capture must be "trigger" or "poll", not often', 'an unknown capture mode');
SELECT throws_ok(attach('capture => NULL'), '22023', 'capture must be "trigger" or "poll", not NULL', 'none');
SELECT throws_ok(attach('capture => ''poll''', 'look_back => ''-1 s'''), '22023', 'look_back must be 0 or more', 'a negative look-back');
SELECT throws_ok(attach('capture => ''poll''', 'look_back => NULL'), '22023', 'look_back must be 0 or more', 'none');
SELECT throws_ok(attach('capture => ''poll''', 'look_back => ''9000 years'''), '22008', NULL, 'a look-back to before the beginning of time');
SELECT throws_ok(attach('''{"plat.runs": "id"}''', 'capture => ''poll'''), '22023', 'triggers must be empty where a source is polled', 'triggers and polls');
SELECT throws_ok(attach('capture => ''poll''', 'refresh => ''sync'''), '22023', NULL, 'polls without a writer''s statement');
SELECT throws_ok(attach('''{"plat.judged": "source_key"}'''), '42809', 'triggers: plat.judged is no table of this database that could have them',
                 'triggers on a view');

SELECT lives_ok(attach('refresh => ''manual''', 'capture => ''poll''', 'look_back => ''2 hours'''), 'attached');
SELECT is((SELECT row(capture, observations, last_poll, backfill_done, watermark > now() - interval '1 hour')::text FROM fp.fp_status()),
          '(poll,1000,,t,t)', 'the history is loaded, and polls read from now on');
SELECT is((SELECT count(*) FROM pg_trigger WHERE tgrelid = 'plat.runs'::regclass), 0::bigint, 'without any trigger');
SELECT throws_ok('UPDATE fp.fp_sources SET refresh = ''sync''', '23514', NULL, 'the mode stays one that a polled source can have');
CALL fp.fp_refresh();

-- What a poll reads.
CREATE FUNCTION seen() RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(concat_ws(' ', o.obs_key, o.failed, o.failed_checks, o.dims ->> 'tool', o.dims ->> 'oven'), ', ' ORDER BY o.obs_key::bigint)
    FROM fp.fp_observations o WHERE o.obs_key::bigint > 1000 $$;
CREATE FUNCTION status() RETURNS text LANGUAGE sql AS $$
    SELECT concat_ws(' ', poll_rows, watermark - (SELECT max(at) FROM plat.runs WHERE at <= now()), dirty_buckets, error) FROM fp.fp_status() $$;
INSERT INTO plat.runs VALUES (1001, clock_timestamp(), false, 'T1', NULL), (1002, clock_timestamp(), NULL, 'T2', 'o'),
    (1003, clock_timestamp() - interval '1 hour', true, 'T3', 'o');
CALL fp.fp_poll('runs');
SELECT is(seen(), '1001 f {} T1, 1003 t {} T3 o', 'what is new is read, what is not judged yet is not');
SELECT is(status(), '3 00:00:00 ' || (SELECT count(DISTINCT fp.fp_bucket(at, '1 day')) FROM plat.runs WHERE id IN (1001, 1003)), 'the watermark is at the newest row, and its bucket is marked (two in the first hour of a day)');
CALL fp.fp_poll();
SELECT is(status(), '3 00:00:00 ' || (SELECT count(DISTINCT fp.fp_bucket(at, '1 day')) FROM plat.runs WHERE id IN (1001, 1003)), 'a second poll reads what it looks back on, and changes nothing');

UPDATE plat.runs SET failed = true, tool = 'T9', oven = 'p', bad = '{b,a,b}' WHERE id = 1001;
UPDATE plat.runs SET failed = true WHERE id = 1002;
CALL fp.fp_poll('runs');
SELECT is(seen(), '1001 t {a,b} T1 p, 1002 t {} T2 o, 1003 t {} T3 o',
          'an outcome is the newest, parameters stay those of the first capture, and what was not recorded is added');
DELETE FROM plat.runs WHERE id IN (1001, 7);
CALL fp.fp_refresh('runs');
SELECT is((SELECT row(observations, failures, dirty_buckets, capture)::text FROM fp.fp_status()), '(1003,145,0,poll)',
          'what is deleted stays; fp_refresh polls and refreshes');
SELECT is((SELECT sum((t.v).trials) FROM (SELECT fp.fp_totals(cube) AS v FROM fp.fp_cubes) t), 1003::numeric, 'cubes count it');

-- What comes late.
INSERT INTO plat.runs VALUES (1004, now() - interval '119 minutes', true, 'T4', 'o'), (1005, now() - interval '3 hours', true, 'T5', 'o');
INSERT INTO plat.runs VALUES (1006, now(), true, 'T6', 'o');
CALL fp.fp_refresh('runs');
SELECT is(seen(), '1001 t {a,b} T1 p, 1002 t {} T2 o, 1003 t {} T3 o, 1004 t {} T4 o, 1006 t {} T6 o', 'a late row within the look-back is read, one beyond it is not');
UPDATE plat.runs SET failed = NOT failed WHERE id = 20;
CALL fp.fp_poll('runs');
SELECT is((SELECT failed FROM fp.fp_observations WHERE obs_key = '20'), false, 'nor is an outcome beyond it');
CALL fp.fp_backfill('runs', restart => true);
SELECT is(seen(), '1001 t {a,b} T1 p, 1002 t {} T2 o, 1003 t {} T3 o, 1004 t {} T4 o, 1005 t {} T5 o, 1006 t {} T6 o', 'fp_backfill finds the row');
SELECT is((SELECT failed FROM fp.fp_observations WHERE obs_key = '20'), true, 'and the outcome');
UPDATE plat.runs SET failed = NOT failed WHERE id = 20;
UPDATE fp.fp_sources SET look_back = '12 days';
CALL fp.fp_poll('runs');
SELECT is((SELECT failed FROM fp.fp_observations WHERE obs_key = '20'), false, 'so does a longer look-back');
UPDATE fp.fp_sources SET look_back = '0';

-- What is dated ahead leaves the watermark at the newest row that is not.
CREATE TEMP TABLE mark AS SELECT watermark FROM fp.fp_status();
INSERT INTO plat.runs VALUES (1016, now() + interval '50 years', false, 'T1', 'o');
CALL fp.fp_poll('runs');
SELECT is((SELECT watermark FROM fp.fp_status()), (SELECT watermark FROM mark), 'a row that is dated ahead is not the newest');
INSERT INTO plat.runs SELECT 1017, watermark + interval '1 microsecond', false, 'T1', 'o' FROM mark;
CALL fp.fp_poll('runs');
SELECT is((SELECT observed_at FROM fp.fp_observations WHERE obs_key = '1017'), (SELECT watermark + interval '1 microsecond' FROM mark), 'so that what comes after that one is read');
SELECT is((SELECT observed_at <= now() FROM fp.fp_observations WHERE obs_key = '1016'), true, 'the one ahead was observed when it was read');
CREATE TEMP TABLE first_read AS SELECT observed_at FROM fp.fp_observations WHERE obs_key = '1016';
UPDATE plat.runs SET failed = true WHERE id = 1016;
DELETE FROM plat.runs WHERE id = 1017;
UPDATE fp.fp_source_state SET watermark = now() - interval '1 microsecond';
CREATE TEMP TABLE alone AS SELECT watermark FROM fp.fp_status();
CALL fp.fp_poll('runs');
SELECT is((SELECT row(observed_at, failed)::text FROM fp.fp_observations WHERE obs_key = '1016'), (SELECT row(observed_at, true)::text FROM first_read),
          'and stays there with a new outcome');
SELECT is((SELECT row(watermark, poll_rows)::text FROM fp.fp_status()), (SELECT row(watermark, 1)::text FROM alone), 'a poll that reads nothing else leaves the watermark');
DELETE FROM fp.fp_observations WHERE obs_key IN ('1016', '1017');
BEGIN;
-- one statement, which may take hours
DO $$ BEGIN
    PERFORM pg_sleep(0.05);
    PERFORM fp.fp_poll_read('runs', clock_timestamp(), 1000);
END $$;
SELECT is((SELECT observed_at > now() + interval '50 milliseconds' FROM fp.fp_observations WHERE obs_key = '1016'), true, 'when it was read, not when the statement began');
ROLLBACK;
CALL fp.fp_backfill('runs', restart => true);
SELECT is((SELECT observed_at BETWEEN now() - interval '1 minute' AND now() FROM fp.fp_observations WHERE obs_key = '1016'), true, 'so it is in a backfill');
DELETE FROM plat.runs WHERE id = 1016;
DELETE FROM fp.fp_observations WHERE obs_key = '1016';

-- Times that are not: ahead of ours, without an end, none at all.
INSERT INTO plat.runs VALUES (1010, now() + interval '1 year', false, 'T1', 'o'), (1011, 'infinity', false, 'T1', 'o'),
    (1012, '-infinity', false, 'T1', 'o'), (1013, NULL, false, 'T1', 'o'), (1014, now(), false, 'T1', 'o');
CALL fp.fp_poll('runs');
SELECT is((SELECT string_agg(obs_key, ' ' ORDER BY obs_key) FROM fp.fp_observations WHERE obs_key::int > 1009), '1010 1011 1014', 'rows of the future are read');
SELECT ok((SELECT watermark <= now() FROM fp.fp_status()), 'and do not move the watermark beyond now');
INSERT INTO plat.runs VALUES (1015, clock_timestamp(), true, 'T1', 'o');
CALL fp.fp_poll('runs');
SELECT is((SELECT failed FROM fp.fp_observations WHERE obs_key = '1015'), true, 'so that what comes after them is read');
UPDATE fp.fp_source_state SET watermark = NULL;
CALL fp.fp_poll('runs');
SELECT is((SELECT string_agg(obs_key, ' ' ORDER BY obs_key) FROM fp.fp_observations WHERE obs_key::int > 1009), '1010 1011 1012 1014 1015',
          'without a watermark all is read that has a time');
SELECT is((SELECT poll_rows FROM fp.fp_status()), (SELECT count(*) FROM plat.runs WHERE at IS NOT NULL), 'once');
SELECT ok((SELECT watermark BETWEEN now() - interval '1 minute' AND now() FROM fp.fp_status()), 'and there is one again');
CALL fp.fp_refresh('runs');
SELECT is((SELECT row(error, dirty_buckets, (SELECT sum((t.v).trials) FROM (SELECT fp.fp_totals(cube) AS v FROM fp.fp_cubes) t) = observations)::text
           FROM fp.fp_status()), '(,0,t)', 'a refresh counts them all');
DELETE FROM plat.runs WHERE id >= 1010;

-- In pieces: each is bounded in time, goes on where the last one ended, and is
-- not stopped by rows of one time.
UPDATE fp.fp_sources SET look_back = '1 day';
INSERT INTO plat.runs SELECT g, '2026-01-01 00:00Z', false, 'T1', 'o' FROM generate_series(2000, 3999) g;
INSERT INTO plat.runs SELECT g, '2026-01-01 00:00Z'::timestamptz + (g - 4000) * interval '1 second', g % 2 = 0, 'T1', 'o' FROM generate_series(4000, 6999) g;
CREATE FUNCTION pieces(work integer) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE n integer := 0; at timestamptz;
BEGIN
    DELETE FROM fp.fp_observations WHERE obs_key::int >= 2000;
    UPDATE fp.fp_source_state SET watermark = '2026-01-01 00:00Z';
    LOOP
        at := fp.fp_refresh_poll('runs', at, work);
        n := n + 1;
        EXIT WHEN at IS NULL;
    END LOOP;
    RETURN n;
END $$;
SELECT cmp_ok(pieces(0), '>=', 4, 'a poll is made of pieces');
SELECT is((SELECT row(count(*), count(*) FILTER (WHERE failed))::text FROM fp.fp_observations WHERE obs_key::int >= 2000), '(5000,1500)', 'that read each row');
SELECT is(pieces(60000), 1, 'as many as it takes');
SELECT is((SELECT row(count(*), count(*) FILTER (WHERE failed))::text FROM fp.fp_observations WHERE obs_key::int >= 2000), '(5000,1500)', 'and each reads the same');
SELECT is((SELECT poll_rows FROM fp.fp_status()), (SELECT count(*) FROM plat.runs WHERE at >= '2025-12-31 00:00Z'), 'counted');
DELETE FROM plat.runs WHERE id >= 2000;

-- Errors: told, and nothing is lost.
UPDATE fp.fp_sources SET look_back = '1 hour';
UPDATE fp.fp_source_state SET watermark = now();
INSERT INTO plat.runs VALUES (7001, now(), true, 'T1', 'o');
SET ROLE tap_owner;
CREATE OR REPLACE VIEW plat.judged AS
    SELECT id AS source_key, id AS obs_key, at AS observed_at, failed, bad AS failed_checks, tool, (1 / (id - 7001))::text || oven AS oven FROM plat.runs;
RESET ROLE;
CALL fp.fp_refresh('runs');
SELECT is((SELECT error || ' ' || (error_at > now() - interval '1 minute') FROM fp.fp_status()), 'division by zero true', 'an error of the view is told');
SELECT is((SELECT dirty_buckets FROM fp.fp_status()), 0::bigint, 'what was there is refreshed all the same');
INSERT INTO plat.runs VALUES (7002, now() + interval '2 hours', true, 'T1', 'o');
CALL fp.fp_poll('runs');
SELECT is((SELECT count(*) FROM fp.fp_observations WHERE obs_key::int > 7000), 0::bigint, 'nothing is read past it');
SET ROLE tap_owner;
CREATE OR REPLACE VIEW plat.judged AS
    SELECT id AS source_key, id AS obs_key, at AS observed_at, failed, bad AS failed_checks, tool, oven FROM plat.runs;
RESET ROLE;
CALL fp.fp_poll('runs');
SELECT is((SELECT row(error, error_at, (SELECT count(*) FROM fp.fp_observations WHERE obs_key::int > 7000))::text FROM fp.fp_status()), '(,,2)',
          'once it is mended all is read, and the error is gone');
DELETE FROM plat.runs WHERE id > 7000;
SET ROLE tap_owner;
CREATE OR REPLACE VIEW plat.judged AS
    SELECT id AS source_key, 5::bigint AS obs_key, at AS observed_at, failed, bad AS failed_checks, tool, oven FROM plat.runs;
RESET ROLE;
INSERT INTO plat.runs VALUES (7003, now(), true, 'T1', 'o'), (7004, now(), true, 'T1', 'o');
CALL fp.fp_poll('runs');
SELECT is((SELECT error FROM fp.fp_status()), 'the view of source "runs" shows an obs_key more than once', 'as is one of its keys');
DELETE FROM plat.runs WHERE id > 7000;
SET ROLE tap_owner;
CREATE OR REPLACE VIEW plat.judged AS
    SELECT id AS source_key, id AS obs_key, at AS observed_at, failed, bad AS failed_checks, tool, oven FROM plat.runs;
RESET ROLE;
CALL fp.fp_poll();
SELECT is((SELECT error FROM fp.fp_status()), NULL, 'mended');

-- Other modes, and back: what was learnt stays, nothing is read twice over.
SELECT throws_ok('CALL fp.fp_poll(''walks'')', '22023', NULL, 'an unknown source is not polled');
SELECT fp.fp_detach('runs') \g /dev/null
SELECT throws_ok('CALL fp.fp_poll(''runs'')', '42704', 'source runs is not attached', 'nor is one that is detached');
INSERT INTO plat.runs VALUES (8001, now() - interval '10 minutes', true, 'T1', 'o');
SELECT throws_ok('CALL fp.fp_refresh(''none'')', '42704', NULL, 'nor refreshed');
CALL fp.fp_refresh('runs');
SELECT is((SELECT count(*) FROM fp.fp_observations WHERE obs_key = '8001'), 0::bigint, 'a refresh of it reads nothing');
SELECT lives_ok(attach('refresh => ''manual''', 'history => ''later''', 'capture => ''poll'''), 'attached again');
CALL fp.fp_poll('runs');
SELECT is((SELECT count(*) FROM fp.fp_observations WHERE obs_key = '8001'), 1::bigint, 'what came meanwhile is read by the next poll');
SELECT fp.fp_detach('runs') \g /dev/null
SELECT lives_ok(attach('''{"plat.runs": "id"}''', 'refresh => ''manual''', 'history => ''later'''), 'with triggers');
SELECT throws_ok('CALL fp.fp_poll(''runs'')', '55000', 'source runs is captured by triggers, not polled', 'it is not polled');
SELECT throws_ok('UPDATE fp.fp_sources SET capture = ''poll''', '23514', NULL, 'also not by an update');
CALL fp.fp_poll();
INSERT INTO plat.runs VALUES (8002, now() - interval '3 days', true, 'T1', 'o');
SELECT is((SELECT row(capture, watermark, (SELECT count(*) FROM fp.fp_observations WHERE obs_key = '8002'))::text FROM fp.fp_status()),
          '(trigger,,1)', 'but captured at once');
SELECT fp.fp_detach('runs') \g /dev/null
SELECT lives_ok(attach('refresh => ''manual''', 'history => ''later''', 'capture => ''poll'''), 'and back');
CALL fp.fp_refresh('runs');
SELECT is((SELECT count(*) FROM fp.fp_observations), (SELECT sum((t.v).trials)::bigint FROM (SELECT fp.fp_totals(cube) AS v FROM fp.fp_cubes) t),
          'each observation counts once');

-- Whose rights: the view is read as its owner, also what it calls; who polls
-- needs none on it.
GRANT ALL ON ALL TABLES IN SCHEMA fp TO tap_admin;
GRANT ALL ON ALL SEQUENCES IN SCHEMA fp TO tap_admin;
GRANT EXECUTE ON ALL ROUTINES IN SCHEMA fp TO tap_admin;
SET ROLE tap_owner;
CREATE TABLE plat.called (who text, path text);
CREATE FUNCTION plat.tell(text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    IF current_user <> 'tap_owner' OR current_setting('search_path') NOT LIKE 'pg_catalog%' THEN
        RAISE 'called as %', current_user;
    END IF;
    BEGIN
        SET ROLE tap_owner;
        RAISE 'it may change roles';
    EXCEPTION WHEN insufficient_privilege THEN NULL;
    END;
    RETURN $1;
END $$;
CREATE OR REPLACE VIEW plat.judged AS
    SELECT id AS source_key, id AS obs_key, at AS observed_at, failed, bad AS failed_checks, plat.tell(tool) AS tool, oven FROM plat.runs;
RESET ROLE;
INSERT INTO plat.runs VALUES (8003, now(), true, 'T1', 'o');
SET ROLE tap_admin;
SELECT throws_ok('SELECT * FROM plat.judged', '42501', NULL, 'who polls may not read the view');
CALL fp.fp_poll('runs');
SELECT is((SELECT row(error, (SELECT count(*) FROM fp.fp_observations WHERE obs_key = '8003'))::text FROM fp.fp_status()), '(,1)',
          'but the poll reads it, as its owner, with a path of its own');
RESET ROLE;
REVOKE ALL ON plat.runs FROM tap_owner;
INSERT INTO plat.runs VALUES (8004, now(), true, 'T1', 'o');
SET ROLE tap_admin;
CALL fp.fp_poll('runs');
SELECT is((SELECT error FROM fp.fp_status()), 'permission denied for table runs', 'and with no more rights than that owner has');
RESET ROLE;
SELECT is((SELECT count(*) FROM fp.fp_observations WHERE obs_key = '8004'), 0::bigint, 'nothing is read then');
CREATE ROLE tap_nobody;
GRANT USAGE ON SCHEMA fp TO tap_nobody;
GRANT USAGE ON SCHEMA tap TO tap_nobody;
SET ROLE tap_nobody;
SELECT throws_ok('CALL fp.fp_poll(''runs'')', '42501', NULL, 'not everybody may poll');
SELECT throws_ok('SELECT fp.fp_poll_read(''runs'', now(), 1)', '42501', NULL, 'or read what polls read');
RESET ROLE;

-- The platform's tables where they are not tables.
\i test/fixtures/prd49.sql
\i test/fixtures/generate.sql
SELECT prd49_demo.generate(600) \g /dev/null
SET search_path = public, tap;
CREATE SCHEMA far;
SELECT format('CREATE VIEW far.%I AS SELECT * FROM public.%1$I', relname) FROM pg_class
WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' \gexec
SELECT throws_ok('SELECT fp.fp_attach_prd49(''far'')', '42703', NULL, 'views cannot have triggers');
SELECT lives_ok('SELECT fp.fp_attach_prd49(''far'', refresh => ''manual'', capture => ''poll'', look_back => ''2 days'')', 'but be polled');
SELECT is((SELECT row(capture, look_back, triggers, own_view)::text FROM fp.fp_sources WHERE source = 'segments'), '(poll,"2 days",{},t)', 'as they were told to');
SELECT is((SELECT count(*) FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
           WHERE c.relnamespace IN ('public'::regnamespace, 'far'::regnamespace) AND NOT t.tgisinternal AND t.tgname LIKE 'failpat%'), 0::bigint, 'no trigger is made');
INSERT INTO quality_scores (segment_id, check_type, score, status)
SELECT max(id), 'motion', 0.01, 'fail' FROM segments;
UPDATE fp.fp_sources SET look_back = '200 days' WHERE source = 'segments';
CALL fp.fp_refresh('segments');
SELECT is((SELECT row(count(*), count(*) FILTER (WHERE o.failed))::text FROM fp.fp_observations o WHERE o.source = 'segments'),
          (SELECT row(count(*), count(*) FILTER (WHERE v.failed))::text FROM fp.fp_source_segments v), 'what polls read is what the view shows');
SELECT fp.fp_detach('segments', forget => true) \g /dev/null
SELECT is((SELECT to_regclass('fp.fp_source_segments')), NULL, 'and away again');

SELECT * FROM finish();
DROP EXTENSION failpat CASCADE;
DROP SCHEMA plat CASCADE;
DROP OWNED BY tap_owner, tap_admin, tap_nobody;
DROP ROLE tap_owner, tap_admin, tap_nobody;
