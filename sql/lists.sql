-- What people read: fp_percent, fp_rate_text, fp_pattern_list, fp_change_list, fp_source_list.
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS failpat CASCADE;
CREATE EXTENSION failpat;
RESET client_min_messages;
CREATE SCHEMA lists;
SET search_path = lists, public;
SET TimeZone = 'America/New_York';

SELECT fp_percent(r) AS one, fp_percent(r, 1) AS upto FROM unnest('{0, 0.0001, 0.0123, 0.5, 0.9999, 1, NULL}'::float8[]) AS r;
SELECT fp_rate_text(fp_rate_ci(f, n)) FROM (VALUES (173, 1800), (0, 40), (40, 40), (3, 4), (0, 0)) AS v (f, n);
-- as a column of a group, and none where there is no rate
CREATE TABLE runs AS
SELECT n, 1 + n % 5 AS oven, (ARRAY['oak', 'ash', 'elm'])[1 + n / 5 % 3] AS wood, 1 + n / 15 % 10 AS hour,
       abs(hashint4(n) % 100) < CASE WHEN n % 5 = 2 AND n / 5 % 3 = 2 AND n / 15 % 10 >= 5 THEN 40 ELSE 8 END AS failed
FROM generate_series(1, 9000) AS n;
SELECT wood, fp_rate_text(failure_rate_ci(failed)) AS failed FROM runs GROUP BY wood ORDER BY wood;
SELECT fp_rate_text(NULL) IS NULL AS none;

-- a row per pattern of fp_patterns, in its order, whatever is asked of it
CREATE TABLE cubes AS SELECT failure_cube(failed, d, '{hour}') AS cube FROM runs, LATERAL (SELECT oven, wood, hour) AS d;
SELECT l.* FROM cubes, fp_pattern_list(cube) AS l;
SELECT l.* FROM cubes, fp_pattern_list(cube, max_arity => 1, direction => 'both', min_risk_ratio => 1.1) AS l;
SELECT array_agg(l.pattern ORDER BY l.ordinality) = array_agg(p.description ORDER BY p.ordinality) AS same_order, count(*) > 1 AS several
FROM cubes, fp_pattern_list(cube, 1, 0.5, 20, 1.01, 'both') WITH ORDINALITY AS l
FULL JOIN LATERAL fp_patterns(cube, 1, 0.5, 20, 1.01, 'both') WITH ORDINALITY AS p ON p.ordinality = l.ordinality;
SELECT count(*) FROM fp_pattern_list(NULL);

-- what changed, by the calendar of the source: told once, the newest first
CREATE TABLE bakes AS
SELECT n AS id, timestamptz '2026-03-01 12:00Z' + n / 100 * interval '1 day' AS at, CASE WHEN n < 4000 THEN 'v1' ELSE 'v2' END AS flour,
       1 + n % 4 AS oven, abs(hashint4(n) % 100) < CASE WHEN n >= 4000 AND n % 4 = 2 THEN 30 ELSE 10 END AS failed
FROM generate_series(0, 7999) AS n;
CREATE VIEW judged AS
SELECT id AS source_key, id AS obs_key, at AS observed_at, failed, NULL::text[] AS failed_checks, flour, oven FROM bakes;
SELECT * FROM fp_change_list;
SELECT fp_attach('bakes', 'judged', dimensions => '{"oven": {"title": "Oven no."}}', refresh => 'manual', window_length => '100 years');
CALL fp_refresh('bakes');
SELECT * FROM fp_change_list;
SELECT id, pattern, failed, rate, interval, usual, severity, status, fixes, source FROM fp_pattern_list;
SELECT source, reads, refresh, observations, failed, patterns, state FROM fp_source_list;
-- a source that is detached has its changes still; its reader needs the right to read its cubes
SELECT fp_detach('bakes');
SELECT what, got, since FROM fp_change_list;
SELECT reads, state FROM fp_source_list;
CREATE ROLE regress_lists;
GRANT USAGE ON SCHEMA lists TO regress_lists;
SET ROLE regress_lists;
SELECT pattern, severity FROM fp_pattern_list;
DO $$ BEGIN
    PERFORM FROM fp_change_list;
    RAISE NOTICE 'sees changes';
EXCEPTION WHEN insufficient_privilege THEN
    RAISE NOTICE 'sees no changes';
END $$;
RESET ROLE;

-- the next step, where history is loaded by itself: what has to be called, or that nothing has
CREATE VIEW judged_later AS SELECT * FROM judged WHERE source_key < 400;
SELECT fp_attach('later', 'judged_later', refresh => 'manual', history => 'later');
CALL fp_backfill('later');
UPDATE fp_sources SET refresh = 'async' WHERE source = 'later';
SET failpat.async = off;
CALL fp_backfill('later', restart => true);
SELECT fp_next_step('nothing') IS NULL AS unknown;

SET client_min_messages = warning;
DROP OWNED BY regress_lists;
DROP ROLE regress_lists;
DROP EXTENSION failpat CASCADE;
DROP SCHEMA lists CASCADE;
