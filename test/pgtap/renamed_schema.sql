-- Schemas that get another name while a session has plans that name them: the
-- extension's own, the one of a source's view; and others that take the names.
\set QUIET 1
\set ON_ERROR_STOP 1
\pset format unaligned
\pset tuples_only true
\pset pager off
SET client_min_messages = error;
CREATE SCHEMA fp;
CREATE EXTENSION failpat SCHEMA fp;
SET search_path = public, tap;
SELECT no_plan();

CREATE SCHEMA plat;
CREATE TABLE gates (id bigint PRIMARY KEY, lora text[], pos int, failed boolean, at timestamptz DEFAULT now() - interval '1 day');
CREATE VIEW plat.seen AS SELECT id AS source_key, id AS obs_key, at AS observed_at, failed, NULL::text[] AS failed_checks, lora, pos AS segment_position FROM gates;
SELECT fp.fp_attach('segments', 'plat.seen', '{"public.gates": "id"}', refresh => 'manual') \g /dev/null
INSERT INTO gates SELECT g, ARRAY[(g % 10)::text], g / 10 % 12 + 1, g % 10 = 9 AND g / 10 % 12 + 1 >= 6 OR g % 97 = 0 FROM generate_series(1, 3000) g;
CALL fp.fp_refresh();
SELECT fp.fp_save_model('segments') \g /dev/null

-- what the functions that keep plans tell, in this order
CREATE FUNCTION told(schema text) RETURNS text[] LANGUAGE plpgsql AS $$
DECLARE
    answers text[];
BEGIN
    EXECUTE replace($q$SELECT ARRAY[
        (SELECT string_agg(pattern_id || ' ' || message, '; ') FROM S.fp_check_combo('{"lora": "9"}'::jsonb)),
        (SELECT p::text FROM S.fp_predict('{"lora": ["9"], "segment_position": 7}'::jsonb) p),
        (SELECT sum(trials)::text FROM S.fp_window_heatmap('segments', current_date - 30, current_date + 2, '{}', 'lora', 'segment_position', NULL, 30, 30,
            NULL, NULL, 'traffic', 0.95, 0.5))]$q$, 'S.', schema || '.') INTO answers;
    RETURN answers;
END $$;
CREATE TABLE before AS SELECT told('fp') AS answers;
SELECT is(array_position(answers, NULL), NULL, 'there is something to tell: ' || answers[1]) FROM before;
-- the extension's
ALTER SCHEMA fp RENAME TO "fp 2";
SELECT is(told('"fp 2"'), answers, 'the same is told when the schema has another name') FROM before;
ALTER SCHEMA "fp 2" RENAME TO fp3;
CREATE SCHEMA fp;
CREATE SCHEMA "fp 2";
CREATE TABLE "fp 2".failure_patterns AS SELECT * FROM fp3.failure_patterns WITH NO DATA;
CREATE TABLE "fp 2".fp_model_terms AS SELECT * FROM fp3.fp_model_terms WITH NO DATA;
SELECT is(told('fp3'), answers, 'and not by what has taken its names') FROM before;
DROP SCHEMA fp, "fp 2" CASCADE;
ALTER SCHEMA fp3 RENAME TO fp;
SELECT is(told('fp'), answers, 'nor when it has its first name again') FROM before;

-- the view's
INSERT INTO gates VALUES (3001, '{1}', 1, false);
ALTER SCHEMA plat RENAME TO other;
INSERT INTO gates VALUES (3002, '{1}', 1, true);
CREATE SCHEMA plat;
CREATE VIEW plat.seen AS SELECT source_key, obs_key, observed_at, NOT failed AS failed, failed_checks, lora, segment_position FROM other.seen;
INSERT INTO gates VALUES (3003, '{1}', 1, true);
SELECT is((SELECT array_agg(failed ORDER BY obs_key) FROM fp.fp_observations WHERE obs_key > '3000' AND length(obs_key) = 4), '{f,t,t}',
    'captured by the view, whatever the name of its schema');
SELECT is((SELECT count(*) || coalesce(min(error), '') FROM fp.fp_status() WHERE pending_keys = 0), '1', 'and nothing waits');
SELECT * FROM finish();
