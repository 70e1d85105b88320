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
\i test/fixtures/questions.sql
SELECT is((SELECT string_agg(DISTINCT dims ->> 'Tool "ü"; --', ' ' ORDER BY dims ->> 'Tool "ü"; --') FROM fp_observations), 'Saw drill saw',
          'values that a collation holds equal are values of their own');
SELECT is((SELECT count(*) FROM fp_dimensions), 7::bigint, 'columns with any name, type and place are dimensions');
SELECT ok(EXISTS (SELECT FROM failure_patterns WHERE status = 'active' AND conditions ? 'Tool "ü"; --'), 'and conditions of patterns');

CREATE TABLE answers (setting text, n int, answer text);
CREATE FUNCTION ask(what text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    one record;
BEGIN
    FOR one IN SELECT * FROM questions ORDER BY n LOOP
        INSERT INTO answers VALUES (what, one.n, answer(one.q));
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
CREATE TEMP TABLE refused (q text, error text);
CREATE TEMP TABLE states (q text, state text);
BEGIN READ ONLY;
INSERT INTO refused SELECT q, ask_one(q) FROM questions;
COMMIT;
SELECT is((SELECT string_agg(q || ': ' || error, '; ') FROM refused WHERE error IS NOT NULL), NULL, 'what reads does so in a read-only transaction');
BEGIN READ ONLY;
INSERT INTO states SELECT q, state_of(q) FROM changes;
COMMIT;
SELECT is((SELECT string_agg(q || ': ' || state, '; ') FROM states WHERE state <> '25006'), NULL, 'what writes fails there as the server''s own statements do (25006)');
SELECT * FROM finish();
