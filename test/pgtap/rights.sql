-- Who may do what, and whose rights what runs with: a walk of the catalogs, an
-- administrator who is no superuser, a superuser over tables of somebody who is
-- none, a reader, a writer, and row security.
\set QUIET 1
\set ON_ERROR_STOP 1
\pset format unaligned
\pset tuples_only true
\pset pager off
SET client_min_messages = error;
CREATE SCHEMA fp;
CREATE ROLE tap_owner;
CREATE ROLE tap_admin;
CREATE ROLE tap_reader;
CREATE ROLE tap_writer;
GRANT USAGE ON SCHEMA tap TO PUBLIC;
SET search_path = public, tap;
SELECT no_plan();
SELECT format('GRANT CREATE ON DATABASE %I TO tap_admin', current_database()) \gexec
SET ROLE tap_admin;
SELECT throws_ok($$ CREATE EXTENSION failpat $$, '42501', NULL, 'it takes a superuser to create it, as it is C');
RESET ROLE;
SELECT format('REVOKE CREATE ON DATABASE %I FROM tap_admin', current_database()) \gexec
CREATE EXTENSION failpat SCHEMA fp;

-- The catalogs.
CREATE TEMP VIEW ours AS
SELECT p.*, l.lanname, e.proc FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang
CROSS JOIN LATERAL (SELECT replace(p.oid::regprocedure::text, 'fp.', '') AS proc) e
WHERE p.oid IN (SELECT objid FROM pg_depend WHERE classid = 'pg_proc'::regclass AND deptype = 'e'
                AND refobjid = (SELECT oid FROM pg_extension WHERE extname = 'failpat'));
SELECT is((SELECT string_agg(proc, ', ') FROM ours
           WHERE lanname IN ('sql', 'plpgsql') AND prosqlbody IS NULL
             AND NOT coalesce('search_path=fp, pg_temp' = ANY (proconfig), false)), NULL,
          'names in the body of a function are bound, or looked for in our schema, with pg_temp last');
-- Each with its reason: capture_event writes events for whoever edits the
-- platform's configuration; pattern_removed, fix_removed and fix_refers keep
-- our tables in step with rows that whoever may removes; check_combo,
-- check_combos, predict and retry_advice read cubes and observations, of which
-- they tell rates; log_alert,
-- mute, unmute and record_event write one checked row, for those who are granted
-- it, without rights on the table.
SELECT is((SELECT string_agg(DISTINCT proname::text, ' ' ORDER BY proname::text) FROM ours WHERE prosecdef),
          'fp_capture_event fp_check_combo fp_check_combos fp_fix_refers fp_fix_removed fp_log_alert fp_mute '
          'fp_pattern_removed fp_predict fp_record_event fp_retry_advice fp_unmute', 'these run with the rights of our owner, and no others');
SELECT is((SELECT string_agg(proc, ', ') FROM ours
           WHERE prosecdef AND lanname <> 'c' AND NOT coalesce('search_path=fp, pg_temp' = ANY (proconfig), false)), NULL,
          'none of them with a search_path of the caller''s');
SELECT is((SELECT string_agg(proc, ', ') FROM ours
           WHERE provolatile = 'v' AND prokind <> 'a' AND has_function_privilege('public', oid, 'EXECUTE')
             AND prorettype <> 'trigger'::regtype), 'fp_worker(text)',
          'PUBLIC may execute nothing that changes anything: fp_worker looks at the state of the moment');
SELECT is((SELECT string_agg(DISTINCT proname::text, ' ' ORDER BY proname::text) FROM ours
           WHERE prosecdef AND has_function_privilege('public', oid, 'EXECUTE') AND prorettype <> 'trigger'::regtype),
          'fp_check_combo fp_check_combos fp_predict fp_retry_advice', 'of those with the rights of our owner it may ask for alerts and expectations');
SELECT is((SELECT string_agg(proc, ', ') FROM ours WHERE proparallel = 's' AND (provolatile = 'v' OR prosrc ~ 'EXCEPTION\s+WHEN')), NULL,
          'what is parallel safe neither writes nor begins subtransactions');
-- What a function calls: of a body in SQL as it was parsed (pg_depend knows nothing of the server's own functions),
-- of one in PL/pgSQL whatever has such a name; what an aggregate calls, for each of its callers.
CREATE TEMP VIEW calls AS
WITH direct AS (
    SELECT o.oid AS caller, m[1]::oid AS callee FROM ours o, regexp_matches(o.prosqlbody::text, ':(?:funcid|opfuncid|aggfnoid|winfnoid) (\d+)', 'g') m
    UNION
    SELECT o.oid, p.oprcode FROM ours o, regexp_matches(o.prosqlbody::text, ':opno (\d+)', 'g') m JOIN pg_operator p ON p.oid = m[1]::oid
    UNION
    SELECT o.oid, q.oid FROM ours o, regexp_matches(regexp_replace(o.prosrc, '--[^\n]*', '', 'g'), '\m(\w+)\s*\(', 'g') m
    JOIN pg_proc q ON q.proname = m[1] AND q.pronamespace IN ('fp'::regnamespace, 'pg_catalog'::regnamespace) WHERE o.lanname = 'plpgsql')
SELECT caller, callee FROM direct
UNION
SELECT d.caller, f FROM direct d JOIN pg_aggregate a ON a.aggfnoid = d.callee, unnest(ARRAY[a.aggtransfn, a.aggfinalfn, a.aggcombinefn]) f WHERE f <> 0;
SELECT cmp_ok((SELECT count(DISTINCT o.oid) FROM calls c JOIN ours o ON o.oid = c.caller WHERE o.provolatile = 'i'), '>=', 12::bigint,
              'what immutable functions call is known');
SELECT is((SELECT string_agg(proc, ', ') FROM ours
           WHERE provolatile = 'i' AND lanname NOT IN ('c', 'internal') AND oid NOT IN (SELECT caller FROM calls)), NULL, 'of each of them');
-- extract: an epoch is the same in any time zone; the others are labelled so because the text of a value may be, and
-- are given text, numbers and jsonb (json: whatever makes that, aggregates too).
SELECT is((SELECT string_agg(DISTINCT o.proname || ': ' || n.name, ', ' ORDER BY o.proname || ': ' || n.name)
           FROM calls c JOIN ours o ON o.oid = c.caller JOIN pg_proc q ON q.oid = c.callee
           CROSS JOIN LATERAL (SELECT CASE WHEN q.proname ~ '^(to_)?jsonb?_?' THEN 'json' ELSE q.proname END AS name) n
           WHERE o.provolatile = 'i' AND q.provolatile <> 'i'),
          'fp_bucket_number: extract, fp_check_effectiveness: format, fp_effect: format, fp_event_weight: json, fp_fail_thresholds: json, '
          'fp_instead: json, fp_pattern_identity: json, fp_rate_text: anytextcat, fp_rate_text: textanycat',
          'what is immutable calls nothing that is not, but for these');
-- CURRENT_DATE and the like are no functions; nor is a cast by way of text (here of digits to a bigint), which may
-- depend on DateStyle; nor is a table that is read.
SELECT is((SELECT string_agg(DISTINCT proname || ': ' || m[1], ', ' ORDER BY proname || ': ' || m[1])
           FROM ours, regexp_matches(coalesce(prosqlbody::text, prosrc),
                                     '(SQLVALUEFUNCTION|CURRENT_\w+|LOCALTIME\w*|COERCEVIAIO|ARRAYCOERCEEXPR|:relid [1-9]\d*)', 'g') m
           WHERE provolatile = 'i'), 'fp_condition_id: COERCEVIAIO', 'and looks at no clock, no setting and no table');
SELECT is((SELECT string_agg(DISTINCT o.proname || ': ' || q.proname, ', ' ORDER BY o.proname || ': ' || q.proname)
           FROM calls c JOIN ours o ON o.oid = c.caller JOIN pg_proc q ON q.oid = c.callee WHERE o.proparallel = 's' AND q.proparallel <> 's'),
          NULL, 'what is parallel safe calls nothing that is not');
-- internal: a state of an aggregate, but for the binary input of a type. SQL has no value of that type to give, not
-- even a NULL.
SELECT is((SELECT string_agg(proname || CASE WHEN oid IN (SELECT typreceive FROM pg_type) THEN ': input of a type'
                                             WHEN EXISTS (SELECT FROM pg_aggregate a WHERE p.oid IN (a.aggtransfn, a.aggfinalfn)) THEN ': aggregate'
                                             ELSE ': ?' END, ', ' ORDER BY proname)
           FROM ours p WHERE 'internal'::regtype = ANY (proargtypes) OR prorettype = 'internal'::regtype),
          'failure_cube_recv: input of a type, fp_merge_steps_accum: aggregate, fp_merge_steps_final: aggregate, '
          'fp_row_index_accum: aggregate, fp_row_index_final: aggregate', 'what takes or gives internal belongs to an aggregate, or reads a type');
SELECT is((SELECT string_agg(proc, ', ') FROM ours WHERE prorettype = 'internal'::regtype AND NOT 'internal'::regtype = ANY (proargtypes)), NULL,
          'none makes internal of something else');
-- Later servers (15.20, 18.6) find no function for such a NULL, earlier ones (15.18) have no way to read it.
SELECT throws_matching(format('SELECT fp.%s(%s)', proname,
                              (SELECT string_agg('NULL' || CASE WHEN t <> 'internal'::regtype THEN '::' || format_type(t, NULL) ELSE '' END, ', ' ORDER BY n)
                               FROM unnest(proargtypes::oid[]) WITH ORDINALITY AS a (t, n))),
                       '^function fp\.' || proname || '\(.*\) does not exist$|^cannot accept a value of type internal$', proname || ' is not callable by SQL')
FROM ours WHERE 'internal'::regtype = ANY (proargtypes) ORDER BY proname;
-- The planner.
SELECT is((SELECT string_agg(proc, ', ') FROM ours WHERE prosupport <> 0), NULL, 'no function has a support function for the planner');
SELECT is((SELECT string_agg(format('%s %s %s', oprname, oprrest, oprjoin), ', ' ORDER BY oprname) FROM pg_operator
           WHERE oprnamespace = 'fp'::regnamespace), '<> neqsel neqjoinsel, = eqsel eqjoinsel', 'what our operators select the server estimates itself');
SELECT is((SELECT string_agg(c.relname::text, ' ' ORDER BY c.relname::text) FROM pg_class c
           WHERE c.relnamespace = 'fp'::regnamespace AND c.relkind IN ('r', 'v', 'm', 'S')
             AND has_table_privilege('public', c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER')), NULL,
          'PUBLIC may write no table');
SELECT is((SELECT string_agg(c.relname::text, ' ' ORDER BY c.relname::text) FROM pg_class c
           WHERE c.relnamespace = 'fp'::regnamespace AND c.relkind IN ('r', 'v', 'm')
             AND has_table_privilege('public', c.oid, 'SELECT')),
          'failure_patterns fp_alternatives fp_change_list fp_dimensions fp_evidence fp_fix_effects fp_pattern_list fp_source_list fp_source_state fp_sources pattern_fixes',
          'and read what was learnt, but no observations, cubes, pending keys or events');

-- what a session has computed it keeps for as long as the index stays as it is
CREATE PROCEDURE public.fresh() LANGUAGE plpgsql AS $$
DECLARE i regclass;
BEGIN
    FOR i IN SELECT indexrelid FROM pg_index x JOIN pg_class c ON c.oid = x.indrelid
             WHERE c.relnamespace = 'plat'::regnamespace AND x.indexprs IS NOT NULL LOOP
        EXECUTE format('ALTER INDEX %s SET (fillfactor = %s)', i, 50 + (random() * 49)::int);
    END LOOP;
END $$;

-- A superuser over tables of somebody who is none. Each of them has an index
-- whose expression the planner computes, as whoever plans a query on the table.
CREATE SCHEMA plat AUTHORIZATION tap_owner;
SET ROLE tap_owner;
SET search_path = plat;
\set naming avatar
\i test/fixtures/prd49.sql
CREATE SEQUENCE plat.called;
CREATE FUNCTION plat.sly(integer) RETURNS integer IMMUTABLE LANGUAGE plpgsql AS $$
BEGIN
    IF (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN PERFORM nextval('plat.called'); END IF;
    RETURN 1;
END $$;
SET search_path = public, tap;
DO $$
DECLARE t regclass;
BEGIN
    FOR t IN SELECT oid FROM pg_class WHERE relnamespace = 'plat'::regnamespace AND relkind = 'r' LOOP
        EXECUTE format('CREATE INDEX ON %s ((plat.sly(1) + 1))', t);
    END LOOP;
END $$;
INSERT INTO plat.projects (name) VALUES ('Glass Harbour');
INSERT INTO plat.avatars (project_id, name) VALUES (1, 'Ada');
INSERT INTO plat.workflows (name, json_content) VALUES ('base', '{}');
INSERT INTO plat.workflow_versions (workflow_id, version, json_content) VALUES (1, 1, '{}');
INSERT INTO plat.assets (name, version, asset_type_id, file_path, file_size_bytes, checksum_sha256) VALUES ('lux', '1', 2, '/a', 1, '-');
INSERT INTO plat.scene_types (name, slug, workflow_id) VALUES ('walk', 'walk', 1);
INSERT INTO plat.scenes (avatar_id, scene_type_id) VALUES (1, 1);
INSERT INTO plat.segments (scene_id, sequence_index) SELECT 1, i FROM generate_series(0, 49) i;
INSERT INTO plat.quality_scores (segment_id, check_type, score, status)
SELECT i, 'face', 0.5, CASE WHEN i < 25 THEN 'fail' ELSE 'pass' END FROM generate_series(1, 40) i;
RESET ROLE;
CALL fresh();
SELECT fp.fp_attach_prd49('plat') \g /dev/null
SELECT is((SELECT relowner::regrole::text FROM pg_class WHERE oid = 'fp.fp_source_segments'::regclass), 'tap_owner',
          'a superuser''s view of the platform belongs to the owner of its tables');
CALL fresh();
CALL fp.fp_backfill('segments', restart => true);
SET ROLE tap_owner;
INSERT INTO plat.quality_scores (segment_id, check_type, score, status) SELECT 50, 'face', 0.5, 'fail';
INSERT INTO plat.workflow_versions (workflow_id, version, json_content) VALUES (1, 2, '{}');
UPDATE plat.qa_thresholds SET fail_threshold = 0.2 WHERE check_type = 'face_confidence';
RESET ROLE;
CALL fresh();
CALL fp.fp_refresh();
SELECT is((SELECT string_agg(label, ', ' ORDER BY id) FROM fp.fp_events),
          'LoRA lux version 1, Workflow base version 1, Workflow base version 2, Threshold edited: face_confidence fails below 0.2 instead of 0.4',
          'events have their names');
CALL fresh();
SELECT is((SELECT string_agg(label, ', ') FROM fp.fp_labels('segments', 'workflow', '{1}')), 'base', 'values have theirs');
SELECT is((SELECT count(*) || ' ' || sum(failed::int) FROM fp.fp_observations), '41 25', 'observations are captured');
SELECT is((SELECT error FROM fp.fp_status()), NULL, 'without an error');
SELECT is((SELECT is_called FROM plat.called), false, 'and nothing of the owner''s ran with a superuser''s rights');
CALL fresh();
SELECT count(*) FROM plat.assets \g /dev/null
SELECT is((SELECT is_called FROM plat.called), true, '(which it does where a superuser reads such a table)');
SELECT fp.fp_detach('segments', forget => true) \g /dev/null
SELECT is((SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'failpat%') + (SELECT count(*) FROM pg_class WHERE relname = 'fp_source_segments'), 0::bigint,
          'detach leaves nothing behind');

ALTER TABLE plat.assets OWNER TO CURRENT_USER;
ALTER TABLE plat.scene_types OWNER TO CURRENT_USER;
SELECT throws_ok($$ SELECT fp.fp_attach_prd49('plat') $$, '42501',
                 'role tap_owner, who owns plat.quality_scores, may not read plat.scene_types', 'unless that owner may not read them all');
ALTER TABLE plat.scene_types OWNER TO tap_owner;
ALTER TABLE plat.assets OWNER TO tap_owner;

CREATE VIEW public.judged AS SELECT segment_id AS source_key, segment_id AS obs_key, created_at AS observed_at, status = 'fail' AS failed,
    '{}'::text[] AS failed_checks, check_type FROM plat.quality_scores;
SELECT is((SELECT string_agg(relation || ' ' || owner || ' ' || superuser, ', ') FROM fp.fp_view_tables('public.judged')),
          'plat.quality_scores tap_owner false', 'fp_attach knows whose tables a view reads');
DROP VIEW public.judged;

-- An administrator who is no superuser, and may not read the platform's tables.
GRANT USAGE ON SCHEMA fp TO tap_admin;
GRANT ALL ON ALL TABLES IN SCHEMA fp TO tap_admin;
GRANT ALL ON ALL SEQUENCES IN SCHEMA fp TO tap_admin;
GRANT EXECUTE ON ALL ROUTINES IN SCHEMA fp TO tap_admin;
SET ROLE tap_owner;
CREATE VIEW plat.judged AS SELECT segment_id AS source_key, segment_id AS obs_key, created_at AS observed_at, status = 'fail' AS failed,
    '{}'::text[] AS failed_checks, check_type FROM plat.quality_scores;
GRANT USAGE ON SCHEMA plat TO tap_admin;
GRANT TRIGGER ON plat.quality_scores TO tap_admin;
RESET ROLE;
GRANT USAGE ON SCHEMA fp TO tap_owner;
SET ROLE tap_admin;
SELECT throws_ok($$ SELECT count(*) FROM plat.judged $$, '42501', NULL, 'an administrator may not read the platform''s tables');
SELECT lives_ok($$ SELECT fp.fp_attach('s', 'plat.judged', '{"plat.quality_scores": "segment_id"}') $$, 'but may attach a view of them');
SELECT is((SELECT count(*) FROM fp.fp_observations), 41::bigint, 'history is loaded as the view''s owner reads it');
SELECT lives_ok($$ DO 'BEGIN CALL fp.fp_backfill(NULL, restart => true); END' $$, 'and again');
SELECT lives_ok($$ DO 'BEGIN CALL fp.fp_refresh(); END' $$, 'and may refresh');
SELECT is(fp.fp_source_keys('s', '48', 10), '{50}', 'keys come as text, in their own order');
SELECT is(fp.fp_source_keys('s', NULL, 2), '{1,2}', 'from the first on');
SELECT is(fp.fp_source_size('s', 7), 7, 'and are counted up to a limit');
RESET ROLE;

-- A writer who has no right to anything of failpat, and a reader.
SET ROLE tap_owner;
GRANT USAGE ON SCHEMA plat TO tap_writer, tap_reader;
GRANT INSERT, UPDATE, DELETE, SELECT ON plat.quality_scores TO tap_writer;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA plat TO tap_writer;
RESET ROLE;
SET ROLE tap_writer;
SELECT lives_ok($$ INSERT INTO plat.quality_scores (segment_id, check_type, score, status) VALUES (41, 'face', 0.5, 'fail') $$, 'a writer writes');
SELECT lives_ok($$ UPDATE plat.quality_scores SET status = 'pass' WHERE segment_id = 41 $$, 'and updates');
SELECT lives_ok($$ DELETE FROM plat.quality_scores WHERE segment_id = 40 $$, 'and deletes');
SELECT throws_ok($$ SELECT count(*) FROM fp.fp_observations $$, '42501', NULL, 'without any right to failpat');
RESET ROLE;
SELECT is((SELECT string_agg(obs_key || ' ' || failed, ', ' ORDER BY obs_key) FROM fp.fp_observations WHERE obs_key IN ('40', '41')),
          '40 false, 41 false', 'and is captured');
GRANT USAGE ON SCHEMA fp TO tap_reader;
SET ROLE tap_reader;
SELECT lives_ok($$ SELECT * FROM fp.failure_patterns $$, 'a reader reads patterns');
SELECT lives_ok($$ SELECT * FROM fp.fp_check_combo('{"check_type": "face"}', source => 's') $$, 'and asks for alerts');
SELECT throws_ok($$ SELECT fp.fp_detach('s') $$, '42501', NULL, 'and detaches nothing');
SELECT throws_ok($$ SELECT fp.fp_source_keys('s', NULL, 9) $$, '42501', NULL, 'and has no view read for it');
SELECT throws_ok($$ SELECT fp.fp_read_rows('plat.quality_scores'::regclass) $$, '42501', NULL, 'nor a table');
SELECT is((SELECT count(*) FROM fp.fp_read_labels('plat.workflows'::regclass, 'id', 'name', '{1}')), 0::bigint, 'nor names that it may not read');
RESET ROLE;
GRANT SELECT (id, name) ON plat.workflows TO tap_reader;
SET ROLE tap_reader;
SELECT is((SELECT string_agg(key || name, ' ') FROM fp.fp_read_labels('plat.workflows'::regclass, 'id', 'name', '{1,2,x}')), '1base', 'but those that it may');
SELECT is((SELECT count(*) FROM fp.fp_read_labels('plat.workflows'::regclass, 'id', 'json_content', '{1}')), 0::bigint, 'no other column');
RESET ROLE;

-- Row security: what is captured is what the view's owner sees, whoever writes;
-- who reads failpat's tables sees what was captured of all.
SET ROLE tap_owner;
ALTER TABLE plat.quality_scores ENABLE ROW LEVEL SECURITY;
CREATE POLICY mine ON plat.quality_scores USING (segment_id % 2 = 0) WITH CHECK (true);
ALTER TABLE plat.workflows ENABLE ROW LEVEL SECURITY;
CREATE POLICY none ON plat.workflows FOR SELECT USING (id > 1);
RESET ROLE;
SET ROLE tap_writer;
INSERT INTO plat.quality_scores (segment_id, check_type, score, status) VALUES (43, 'face', 0.5, 'fail');
RESET ROLE;
SELECT is((SELECT failed FROM fp.fp_observations WHERE obs_key = '43'), true,
          'row security: captured is what the view''s owner sees, also where the writer does not');
ALTER TABLE plat.quality_scores FORCE ROW LEVEL SECURITY;
SET ROLE tap_writer;
INSERT INTO plat.quality_scores (segment_id, check_type, score, status) VALUES (45, 'face', 0.5, 'fail'), (46, 'face', 0.5, 'fail');
RESET ROLE;
ALTER ROLE tap_writer BYPASSRLS;
SET ROLE tap_writer;
SET row_security = off;
INSERT INTO plat.quality_scores (segment_id, check_type, score, status) VALUES (47, 'face', 0.5, 'fail'), (48, 'face', 0.5, 'fail');
RESET row_security;
RESET ROLE;
SELECT is((SELECT string_agg(obs_key, ' ' ORDER BY obs_key) FROM fp.fp_observations WHERE obs_key BETWEEN '44' AND '49'), '46 48',
          'and no more than that, where the policy is forced on the owner; a writer''s row_security = off is no error');
SELECT is((SELECT count(*) FROM fp.fp_pending), 0::bigint, 'and nothing waits');
SET ROLE tap_reader;
SELECT is((SELECT count(*) FROM fp.fp_read_labels('plat.workflows'::regclass, 'id', 'name', '{1}')), 0::bigint,
          'a name that a policy hides from the reader stays hidden');
RESET ROLE;

SELECT * FROM finish();
DROP EXTENSION failpat CASCADE;
DROP SCHEMA plat CASCADE;
DROP OWNED BY tap_owner, tap_admin, tap_reader, tap_writer;
DROP ROLE tap_owner, tap_admin, tap_reader, tap_writer;
