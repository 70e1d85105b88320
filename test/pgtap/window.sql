-- The sum of the window that refresh keeps: always what adding up all of its
-- cubes gives, and kept while that is of use.
\set QUIET 1
\set ON_ERROR_STOP 1
\pset format unaligned
\pset tuples_only true
\pset pager off
BEGIN;
SET client_min_messages = warning;
CREATE SCHEMA "Fail ""Pat"" ü";
CREATE EXTENSION failpat SCHEMA "Fail ""Pat"" ü";
SET LOCAL search_path = "Fail ""Pat"" ü", public, tap;
SELECT plan(17);

CREATE TABLE runs (id bigserial PRIMARY KEY, at timestamptz, failed boolean, checks text[], job text, a text, l text[], p int);
CREATE VIEW seen AS SELECT id AS source_key, id AS obs_key, at AS observed_at, failed, checks AS failed_checks, job, a, l, p FROM runs;
CREATE FUNCTION work(first int, last int, n int) RETURNS void LANGUAGE sql AS $$
    INSERT INTO runs (at, failed, checks, job, a, l, p)
    SELECT date_trunc('day', now(), 'UTC') + d * interval '1 day' + interval '1 second', i % 7 = 0, CASE WHEN i % 7 = 0 THEN '{c}'::text[] ELSE '{}' END,
        'job ' || d || '/' || i / 10, 'a' || (i + d) % 4, CASE WHEN abs(d) % 3 > 0 THEN ARRAY['l' || i % 3] END, 1 + i % 5
    FROM generate_series(first, last) d, generate_series(1, n) i $$;
-- that of everything in the window, by a way of its own
CREATE FUNCTION truth() RETURNS failure_cube LANGUAGE sql AS $$
    SELECT failure_cube(o.failed, o.dims, '{p}'::text[], '{}'::text[], o.failed_checks)
    FROM fp_observations o, fp_sources s WHERE o.observed_at > now() - s.window_length - s.bucket $$;
CREATE FUNCTION is_true() RETURNS boolean LANGUAGE sql AS $$
    SELECT (SELECT jsonb_object_agg(t.values::text, ARRAY[t.trials, t.failures]) FROM fp_totals(fp_window_sum('runs'), 'a', 'l', 'p') t)
         = (SELECT jsonb_object_agg(t.values::text, ARRAY[t.trials, t.failures]) FROM fp_totals(truth(), 'a', 'l', 'p') t) $$;
CREATE FUNCTION kept() RETURNS int LANGUAGE sql AS $$ SELECT cardinality(buckets) FROM fp_window_sums $$;

SELECT work(-40, -1, 30);
SELECT fp_attach('runs', 'seen', '{"runs": "id"}', '{"p": {"kind": "ordinal"}}', history => 'now', window_length => '50 days');
SELECT is((SELECT sum(trials) FROM fp_totals(fp_window_sum('runs'))), 0::numeric, 'nothing counted: nothing in the sum');
SELECT fp_refresh_now('runs');
SELECT is(kept(), NULL, 'nothing is kept of what was counted just now');
SELECT ok(is_true(), 'the sum is that of all cubes');
SELECT work(0, 0, 10);
SELECT fp_refresh_now('runs');
SELECT is(kept(), 40, 'the next refresh keeps the sum of what it did not count again');
SELECT ok(is_true(), 'the sum is that of all cubes');
CREATE TEMP TABLE was AS SELECT ctid AS place FROM fp_window_sums;
SELECT work(0, 0, 10), work(-41, -41, 5);
SELECT fp_refresh_now('runs');
SELECT is((SELECT ctid FROM fp_window_sums), (SELECT place FROM was), 'it stays while buckets beside it change');
SELECT ok(is_true(), 'and the sum is right');
UPDATE runs SET failed = NOT failed WHERE at < now() - interval '20 days' AND at > now() - interval '22 days';
SELECT fp_refresh_now('runs');
SELECT cmp_ok(kept(), '<', 41, 'a bucket that changes leaves it');
SELECT ok(is_true(), 'and the sum is right');
UPDATE fp_sources SET window_length = '20 days';
SELECT ok(is_true(), 'buckets that have left the window leave it');
SELECT is(kept(), 20, '... all of them');
UPDATE fp_sources SET window_length = '50 days';
SELECT ok(is_true(), 'and come back');
DELETE FROM fp_cubes WHERE bucket = (SELECT min(bucket) FROM fp_cubes);
SELECT ok(is_true() IS DISTINCT FROM true, 'a cube that has gone is missing: the sum is of cubes');
SELECT fp_rebuild('runs') > 0;
SELECT fp_refresh_now('runs');
SELECT ok(is_true(), 'counted again');
SELECT is((SELECT count(*) FROM fp_cube_dims(fp_window_sum('runs')) WHERE name = 'job'), 0::bigint, 'jobs are not in it');

-- a refresh that adds a few writes what a first one over all would
SELECT work(-30, -1, 200);
UPDATE runs SET failed = true WHERE id % 2 = 0 AND a = 'a1' AND p >= 3;
UPDATE fp_dimensions SET choosable = true WHERE name IN ('a', 'l');
SELECT fp_refresh_now('runs');
SELECT work(0, 0, 10);
SELECT fp_refresh_now('runs');
CREATE TEMP TABLE stepwise AS SELECT pattern_id, alternatives FROM fp_alternatives;
DELETE FROM fp_window_sums;
DELETE FROM fp_alternatives;
SELECT fp_compute_alternatives('runs') > 0;
SELECT cmp_ok((SELECT count(*) FROM stepwise), '>', 0::bigint, 'there are alternatives');
SELECT set_eq('SELECT pattern_id, alternatives FROM fp_alternatives', 'SELECT * FROM stepwise', 'the same alternatives, step by step or at once');
SELECT * FROM finish();
ROLLBACK;
