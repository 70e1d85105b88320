-- One planted change is told once, two are told as two: a few of the seeded
-- worlds that bench/merging.sh has by the hundred.
\set QUIET 1
\set ON_ERROR_STOP 1
\pset format unaligned
\pset tuples_only true
\pset pager off
BEGIN;
SET client_min_messages = warning;
CREATE SCHEMA failpat;
CREATE EXTENSION failpat SCHEMA failpat;
SET LOCAL search_path = failpat, public, tap;
SELECT plan(3);
-- pairs and spans are not needed
SET LOCAL session_replication_role = replica;
\i test/fixtures/merging.sql
SELECT merging_run(k, s) FROM unnest('{none,one,two}'::text[]) k, generate_series(1, 6) s \g /dev/null

SELECT ok(count(*) = 6 AND count(*) FILTER (WHERE near + elsewhere > 0) <= 1, format('nothing changed: %s of %s tell something', count(*) FILTER (WHERE near + elsewhere > 0), count(*)))
FROM merging_results WHERE kind = 'none';
SELECT ok(count(*) FILTER (WHERE near = 1 AND named = 1) >= 5, format('one value changed: told once, by itself, in %s of %s', count(*) FILTER (WHERE near = 1 AND named = 1), count(*)))
FROM merging_results WHERE kind = 'one';
SELECT ok(count(*) FILTER (WHERE near = 2 AND named = 2) >= 5, format('two values changed: told as these two in %s of %s', count(*) FILTER (WHERE near = 2 AND named = 2), count(*)))
FROM merging_results WHERE kind = 'two';
SELECT * FROM finish();
ROLLBACK;
