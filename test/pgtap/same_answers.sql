-- Whatever plan a query gets (parallel or not, hashed or sorted, compiled or
-- not, with little memory) the answer is the same; what only reads does so in a
-- read-only transaction, and what writes says there what the server says.
-- And columns of the platform's tables that are unlike others.
\set QUIET 1
\set ON_ERROR_STOP 1
\pset format unaligned
\pset tuples_only true
\pset pager off
SET client_min_messages = warning;
CREATE EXTENSION failpat;
SET search_path = public, tap;
SELECT no_plan();
-- of the rows, all but under valgrind
\set share 1
\getenv share FAILPAT_SHARE
CREATE COLLATION any_case (PROVIDER = icu, LOCALE = 'und-u-ks-level2', DETERMINISTIC = false);
CREATE TYPE mood AS ENUM ('bright', 'dark');
CREATE DOMAIN weight AS integer CHECK (VALUE >= 0);
CREATE TABLE gates (gone int, id bigint PRIMARY KEY, "Tool ""ü""; --" text COLLATE any_case, mood mood, weight weight, gone2 text,
    a_name_that_is_sixty_three_bytes_long_no_more_and_no_less_than_63 text, alloys text[], pos int, twice int GENERATED ALWAYS AS (pos * 2) STORED,
    failed boolean, at timestamptz);
ALTER TABLE gates DROP COLUMN gone, DROP COLUMN gone2;
INSERT INTO gates (id, "Tool ""ü""; --", mood, weight, a_name_that_is_sixty_three_bytes_long_no_more_and_no_less_than_63, alloys, pos, failed, at)
SELECT g, (ARRAY['saw', 'Saw', 'drill'])[1 + g % 3], (ARRAY['bright', 'dark'])[1 + g % 2]::mood, g % 5, 'long' || g % 4,
    ARRAY['a' || g % 11, 'b' || g % 7], g / 12 % 11, g % 3 = 0 AND g % 4 > 0 OR g % 19 = 0, timestamptz '2026-05-01 12:00+00' + g % 40 * interval '1 day'
FROM generate_series(1, ceil(6000 * :share)::int) g;
CREATE VIEW seen AS SELECT id AS source_key, id AS obs_key, at AS observed_at, failed, CASE WHEN failed THEN ARRAY['x' || id % 2] END AS failed_checks,
    "Tool ""ü""; --", mood, weight, a_name_that_is_sixty_three_bytes_long_no_more_and_no_less_than_63, alloys, pos, twice FROM gates;
SELECT fp_attach('gates', 'seen', '{"public.gates": "id"}', '{"pos": {"kind": "ordinal"}}', refresh => 'manual', window_length => '3650 days', history => 'later') \g /dev/null
CALL fp_backfill('gates');
CALL fp_refresh('gates');
ANALYZE;
SELECT is((SELECT string_agg(DISTINCT dims ->> 'Tool "ü"; --', ' ' ORDER BY dims ->> 'Tool "ü"; --') FROM fp_observations), 'Saw drill saw',
          'values that a collation holds equal are values of their own');
SELECT is((SELECT count(*) FROM fp_dimensions), 7::bigint, 'columns with any name, type and place are dimensions');
SELECT ok(EXISTS (SELECT FROM failure_patterns WHERE status = 'active' AND conditions ? 'Tool "ü"; --'), 'and conditions of patterns');

CREATE TABLE questions (n int GENERATED ALWAYS AS IDENTITY, q text);
INSERT INTO questions (q) VALUES
    ('SELECT failure_rate_ci(failed) FROM gates'),
    ('SELECT mood, failure_rate_ci(failed, 0.9) FROM gates GROUP BY mood'),
    ('SELECT failure_cube(failed, r, ''{pos}'')::text FROM gates, LATERAL (SELECT mood, alloys, pos, failed AS x) r'),
    ('SELECT mood, failure_cube(failed, to_jsonb(gates) - ''id'' - ''at'', ''{pos,twice}'')::text FROM gates GROUP BY mood'),
    ('SELECT rollup(cube)::text FROM fp_cubes'),
    ('SELECT * FROM fp_patterns((SELECT rollup(cube) FROM fp_cubes))'),
    ('SELECT * FROM fp_explain((SELECT rollup(cube) FROM fp_cubes), ''{"mood": "dark"}'')'),
    ('SELECT * FROM fp_ladder((SELECT rollup(cube) FROM fp_cubes), ''{}'', ''pos'')'),
    ('SELECT * FROM fp_totals((SELECT rollup(cube) FROM fp_cubes), ''alloys'')'),
    ('SELECT * FROM fp_heatmap(''alloys'', ''pos'', ''gates'')'),
    ('SELECT * FROM fp_heatmap_text(''mood'', ''pos'', ''gates'')'),
    ('SELECT * FROM fp_drilldown(''{"mood": "dark"}'', ''gates'')'),
    ('SELECT * FROM fp_trend(source => ''gates'')'),
    ('SELECT * FROM fp_changes(''gates'', all_dimensions => true)'),
    ('SELECT change_points(at, failures, trials) FROM (SELECT date_trunc(''day'', at) AS at, count(*) FILTER (WHERE failed) AS failures, count(*) AS trials FROM gates GROUP BY 1) d'),
    ('SELECT * FROM fp_find_events(''gates'')'),
    ('SELECT * FROM fp_check_combo(''{"mood": "dark", "alloys": ["a0"]}'', source => ''gates'')'),
    ('SELECT * FROM fp_check_combos(ARRAY[''{"mood": "dark"}'', ''{"alloys": ["a0"]}'']::jsonb[], ''gates'')'),
    ('SELECT * FROM fp_predict(''{"mood": "dark"}'', source => ''gates'')'),
    ('SELECT * FROM fp_retry_advice(''{"mood": "dark"}'', source => ''gates'')'),
    ('SELECT source, observations, failures, dirty_buckets, pending_keys, active_patterns FROM fp_status()'),
    ('SELECT fp_api_patterns(source => ''gates'')'),
    ('SELECT fp_api_heatmap(''mood'', ''pos'', source => ''gates'')'),
    ('SELECT failed, fp_compare_rates(1, 10, 2 + id, 20 + id * 2) FROM gates WHERE id < 50'),
    ('SELECT id, fp_conditions_met(jsonb_build_object(''mood'', mood), ''{"mood": "dark"}'') FROM gates WHERE id < 500'),
    ('SELECT id, fp_bucket(at, ''1 week'', ''Europe/Berlin'') FROM gates WHERE id < 500'),
    ('SELECT id, fp_pattern_text(jsonb_build_object(''mood'', mood)) FROM gates WHERE id < 100');
CREATE TABLE answers (setting text, n int, answer text);
-- rows in an order of their own: plans give them in any
CREATE FUNCTION ask(what text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    one record;
    answer text;
BEGIN
    FOR one IN SELECT * FROM questions ORDER BY questions.n LOOP
        EXECUTE format('SELECT md5(string_agg(x::text, E''\n'' ORDER BY x::text COLLATE "C")) || '' '' || count(*) FROM (%s) x', one.q) INTO answer;
        INSERT INTO answers VALUES (what, one.n, answer);
    END LOOP;
END $$;
SELECT CASE WHEN current_setting('server_version_num')::int >= 160000 THEN 'debug_parallel_query' ELSE 'force_parallel_mode' END AS forced \gset
SET max_parallel_workers_per_gather = 0;
SET jit = off;
SELECT ask('plain') \g /dev/null
SET max_parallel_workers_per_gather = 2;
SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0; SET min_parallel_index_scan_size = 0;
SELECT ask('parallel') \g /dev/null
SET parallel_leader_participation = off;
SELECT ask('parallel, without the leader') \g /dev/null
RESET parallel_leader_participation;
SET :forced = on;
SELECT ask('everything in a worker') \g /dev/null
RESET :forced;
SET max_parallel_workers_per_gather = 0;
SET work_mem = '64kB';
SELECT ask('little memory') \g /dev/null
SET enable_hashagg = off; SET enable_hashjoin = off; SET enable_indexscan = off; SET enable_bitmapscan = off;
SELECT ask('sorted') \g /dev/null
RESET enable_hashagg; RESET enable_hashjoin; RESET enable_indexscan; RESET enable_bitmapscan; RESET work_mem;
SET enable_seqscan = off; SET enable_sort = off; SET enable_nestloop = off; SET enable_memoize = off;
SELECT ask('by index') \g /dev/null
RESET enable_seqscan; RESET enable_sort; RESET enable_nestloop; RESET enable_memoize;
SET jit = on; SET jit_above_cost = 0; SET jit_optimize_above_cost = 0; SET jit_inline_above_cost = 0;
SELECT ask('compiled') \g /dev/null
SET jit = off;
SET plan_cache_mode = force_generic_plan;
SELECT ask('generic plans') \g /dev/null
RESET plan_cache_mode;
SELECT is((SELECT string_agg(q.q, '; ') FROM questions q JOIN answers a USING (n)
           WHERE a.setting = 'plain' AND a.answer ~ ' 0$' AND q.q !~ 'fp_find_events|fp_changes'), NULL, 'each question has an answer');
SELECT is((SELECT string_agg(q.q, '; ') FROM questions q JOIN answers a USING (n) JOIN answers p ON p.n = a.n AND p.setting = 'plain'
           WHERE a.setting = s.setting AND a.answer IS DISTINCT FROM p.answer), NULL, s.setting || ': the same answers')
FROM (SELECT DISTINCT setting FROM answers WHERE setting <> 'plain' ORDER BY 1) s;

-- Read only.
CREATE FUNCTION ask_one(q text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('SELECT count(*) FROM (%s) x', q);
    RETURN NULL;
EXCEPTION WHEN OTHERS THEN RETURN SQLSTATE || ' ' || SQLERRM;
END $$;
CREATE FUNCTION state_of(q text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE q;
    RETURN 'done';
EXCEPTION WHEN OTHERS THEN RETURN SQLSTATE;
END $$;
CREATE TEMP TABLE refused (q text, error text);
CREATE TEMP TABLE states (q text, state text);
BEGIN READ ONLY;
INSERT INTO refused SELECT q, ask_one(q) FROM questions;
COMMIT;
SELECT is((SELECT string_agg(q || ': ' || error, '; ') FROM refused WHERE error IS NOT NULL), NULL, 'what reads does so in a read-only transaction');
BEGIN READ ONLY;
INSERT INTO states SELECT q, state_of(q) FROM unnest(ARRAY[
    'SELECT fp_detach(''gates'')', 'SELECT fp_rebuild(''gates'')', 'SELECT fp_refresh_now(''gates'')', 'CALL fp_refresh()', 'CALL fp_backfill()',
    'SELECT fp_record_fix((SELECT min(id) FROM failure_patterns), ''x'', reported_by => 1)', 'SELECT fp_mute((SELECT min(id) FROM failure_patterns))',
    'SELECT fp_record_event(''release'', ''x'', source => ''gates'')', 'SELECT fp_attach(''s'', ''seen'')', 'SELECT fp_save_model(''gates'')']) q;
COMMIT;
SELECT is((SELECT string_agg(q || ': ' || state, '; ') FROM states WHERE state <> '25006'), NULL, 'what writes fails there as the server''s own statements do (25006)');
SELECT * FROM finish();
