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
SELECT plan(5);
-- pairs and spans are not needed
SET LOCAL session_replication_role = replica;
\i test/fixtures/merging.sql
-- of what is drawn at random, all but under valgrind
\set share 1
\getenv share FAILPAT_SHARE
SELECT ceil(6 * :share)::int AS worlds \gset
SELECT merging_run(k, s) FROM unnest('{none,one,all,two,apart}'::text[]) k, generate_series(1, :worlds) s \g /dev/null

SELECT ok(count(*) = :worlds AND count(*) FILTER (WHERE near + elsewhere > 0) <= 1, format('nothing changed: %s of %s tell something', count(*) FILTER (WHERE near + elsewhere > 0), count(*)))
FROM merging_results WHERE kind = 'none';
SELECT ok(count(*) FILTER (WHERE r.once) >= :worlds - 1, format('%s: told by its own, and nothing else is, in %s of %s', k.what, count(*) FILTER (WHERE r.once), count(*)))
FROM (VALUES ('one', 'one value changed'), ('all', 'everything changed'), ('two', 'two values changed on one day'),
             ('apart', 'two values changed, 10 to 14 days apart')) k (kind, what)
JOIN (SELECT m.*, named = planted AND near = planted AND elsewhere = 0 AS once FROM merging_results m) r ON r.kind = k.kind
GROUP BY k.kind, k.what ORDER BY k.kind;
SELECT * FROM finish();
ROLLBACK;
