-- Who owns the platform's tables is not to be trusted by failpat's owner: what
-- they may hang on their own tables must not run with the rights of another.
\set QUIET 1
\set ON_ERROR_STOP 1
\pset format unaligned
\pset tuples_only true
\pset pager off
SET client_min_messages = error;
CREATE SCHEMA fp;
CREATE EXTENSION failpat SCHEMA fp;
CREATE ROLE tap_platform;
CREATE ROLE tap_nobody;
GRANT USAGE ON SCHEMA tap, fp TO tap_platform, tap_nobody;
CREATE SCHEMA plat AUTHORIZATION tap_platform;

SET search_path = public, tap;
SELECT plan(8);

-- A type whose casts tell, by a sequence, that somebody else called them.
SET ROLE tap_platform;
SET search_path = plat, public, tap;
CREATE SEQUENCE called;
CREATE TYPE sly AS ENUM ('one', 'two');
CREATE FUNCTION sly_json(sly) RETURNS json LANGUAGE plpgsql AS $$
BEGIN
    IF current_user <> 'tap_platform' THEN PERFORM nextval('plat.called'); END IF;
    RETURN '1';
END $$;
CREATE FUNCTION sly_text(sly) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    IF current_user <> 'tap_platform' THEN PERFORM nextval('plat.called'); END IF;
    RETURN 'cast';
END $$;
CREATE CAST (sly AS json) WITH FUNCTION sly_json(sly);
CREATE CAST (sly AS text) WITH FUNCTION sly_text(sly);
CREATE TABLE workflows (id bigint PRIMARY KEY, name sly NOT NULL);
INSERT INTO workflows VALUES (1, 'one'), (2, 'two');
CREATE TABLE workflow_versions (workflow_id bigint, version integer, mood sly);
CREATE TABLE scores (id bigint PRIMARY KEY, workflow bigint, failed boolean);
CREATE VIEW seen AS
    SELECT id AS source_key, id AS obs_key, now() - id % 7 * interval '1 day' AS observed_at, failed,
           '{}'::text[] AS failed_checks, workflow FROM scores;
INSERT INTO workflow_versions VALUES (1, 1, 'one');
INSERT INTO scores SELECT i, 1 + i % 2, i % 2 = 0 OR i % 10 = 1 FROM generate_series(1, 400) i;
RESET ROLE;
SET search_path = public, tap;
SELECT fp.fp_attach('s', 'plat.seen', '{"plat.scores": "id"}',
                    '{"workflow": {"label_table": "plat.workflows"}}') \g /dev/null
SELECT fp.fp_watch_events('s', 'plat') \g /dev/null
CALL fp.fp_refresh('s');

SELECT is((SELECT string_agg(label, ', ' ORDER BY value) FROM fp.fp_labels('s', 'workflow', '{1,2,3}')), 'one, two, 3',
          'a name of the platform''s own type is printed');
SELECT is((SELECT string_agg(description, ', ') FROM fp.failure_patterns), 'Workflow one fails',
          'and stands in the description of a pattern');
SELECT is(fp.fp_value_label('s', 'workflow', '1') || ', ' || fp.fp_value_label('s', 'workflow', 'x'), 'one, x',
          'and in an alternative');

SET ROLE tap_platform;
INSERT INTO plat.workflow_versions VALUES (2, 7, 'two');
RESET ROLE;
SELECT is((SELECT string_agg(label, ', ' ORDER BY label) FROM fp.fp_events),
          'Workflow one version 1, Workflow two version 7', 'events are recorded');
SELECT is((SELECT is_called FROM plat.called), false,
          'no function of the platform''s owner ran with the rights of another');

SET ROLE tap_nobody;
CREATE TEMP TABLE mine (k text);
SELECT throws_ok($$CREATE TRIGGER t AFTER INSERT ON mine REFERENCING NEW TABLE AS n
                   FOR EACH STATEMENT EXECUTE FUNCTION fp.fp_capture('s', 'k')$$, '42501', NULL,
                 'who may not attach a source cannot put keys into it by a trigger of their own');
RESET ROLE;
GRANT INSERT ON plat.scores TO tap_nobody;
GRANT USAGE ON SCHEMA plat TO tap_nobody;
SET ROLE tap_nobody;
INSERT INTO plat.scores VALUES (1000, 1, true);
RESET ROLE;
SELECT is((SELECT failed FROM fp.fp_observations WHERE obs_key = '1000'), true,
          'and who may insert scores is captured without any right on fp_capture');

-- An operator in failpat's schema fits the statements in C better than the
-- server's own, which is for arrays of any type.
GRANT CREATE ON SCHEMA fp TO tap_platform;
SET ROLE tap_platform;
CREATE FUNCTION plat.sly_in(text[], text[]) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    IF current_user <> 'tap_platform' THEN PERFORM nextval('plat.called'); END IF;
    RETURN NOT EXISTS (SELECT unnest($1) EXCEPT SELECT unnest($2));
END $$;
CREATE OPERATOR fp.<@ (FUNCTION = plat.sly_in, LEFTARG = text[], RIGHTARG = text[]);
RESET ROLE;
INSERT INTO plat.scores SELECT 7 * i, 1 + i % 2, i % 3 = 0 FROM generate_series(2001, 2100) i;
CALL fp.fp_refresh('s');
SELECT is((SELECT is_called FROM plat.called), false,
          'no refresh takes an operator of the same name for the server''s');
DROP OPERATOR fp.<@ (text[], text[]);

SELECT * FROM finish();
DROP EXTENSION failpat CASCADE;
DROP SCHEMA plat CASCADE;
DROP OWNED BY tap_platform, tap_nobody;
DROP ROLE tap_platform, tap_nobody;
