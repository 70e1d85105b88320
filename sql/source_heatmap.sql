-- Heatmaps of a source: what refresh keeps, what is not refreshed yet, names, dashboards.
\set VERBOSITY terse
\set SHOW_CONTEXT never
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS failpat CASCADE;
DROP SCHEMA IF EXISTS "Fail ""Pat"" ü" CASCADE;
CREATE SCHEMA "Fail ""Pat"" ü";
CREATE EXTENSION failpat SCHEMA "Fail ""Pat"" ü";
CREATE SCHEMA heat;
SET search_path = heat, "Fail ""Pat"" ü", public;
SET timezone = 'UTC';
RESET client_min_messages;

CREATE TABLE runs (id int PRIMARY KEY, at timestamptz, failed boolean, checks text[], scene int, person int, lora text[], pos int, strength numeric);
CREATE TABLE people (id int PRIMARY KEY, name text);
INSERT INTO people VALUES (1, 'Ada'), (2, 'Bo'), (3, 'Ada');
CREATE FUNCTION make_runs(first int, last int) RETURNS void LANGUAGE sql AS $$
    INSERT INTO runs
    SELECT i, timestamptz '2026-03-01' + (i * 37 % 960) * interval '1 hour',
           h < 9, CASE WHEN h < 4 THEN '{face}'::text[] WHEN h < 9 THEN '{face,motion}' ELSE '{}' END,
           CASE WHEN i % 31 > 0 THEN i * 31 % 12 END, 1 + i % 3,
           CASE WHEN i % 7 > 0 THEN ARRAY[i * 17 % 5, i * 13 % 7] WHEN i % 14 = 0 THEN '{}' END::text[],
           CASE WHEN i % 29 > 0 THEN 1 + i * 11 % 10 END, CASE WHEN i % 5 > 0 THEN (i % 13) / 4.0 END
    FROM (SELECT i, i * 7919 % 97 AS h FROM generate_series(first, last) i) t
$$;
SELECT make_runs(1, 5000);
CREATE VIEW judged AS SELECT id AS source_key, 'run ' || id AS obs_key, at AS observed_at, failed, checks AS failed_checks,
                             scene, person, lora, pos, strength FROM runs;
SELECT fp_attach('runs', 'judged', '{"heat.runs": "id"}', bucket_zone => 'Europe/Berlin', history => 'now',
                 dimensions => '{"pos": {"kind": "ordinal"}, "strength": {"kind": "ordinal"},
                                 "person": {"label_table": "heat.people"}}');

-- The same cells as a cube of the observations gives, and as many observations
-- in the drill-down as each cell says: nothing refreshed, all, and some of it.
CREATE FUNCTION compare(row_dim text, col_dim text, since timestamptz, until timestamptz, filter jsonb DEFAULT '{}', "check" text DEFAULT NULL)
RETURNS TABLE (cells bigint, wrong bigint, drilled_wrong bigint) LANGUAGE sql AS $$
    WITH w AS (SELECT * FROM fp_window('runs', since, until)),
    c AS (SELECT failure_cube(o.failed, o.dims, '{pos,strength}'::text[], '{}'::text[], o.failed_checks) AS cube
          FROM w, fp_observations o
          WHERE o.observed_at >= w.first_bucket AND o.observed_at < w.ends AND fp_conditions_met(o.dims, filter, '{pos,strength}'))
    SELECT count(*),
           count(*) FILTER (WHERE (a.trials, a.failures, a.rate, a.lower, a.upper, a.shrunken_rate, a.severity, a.color, a.conditions)
                   IS DISTINCT FROM (b.trials, b.failures, b.rate, b.lower, b.upper, b.shrunken_rate, b.severity, b.color, b.conditions)),
           count(*) FILTER (WHERE a.trials <> (SELECT count(*) FROM fp_drilldown(a.conditions || filter, 'runs', since, until, page_size => 10000))
                              OR a.failures <> (SELECT count(*) FROM fp_drilldown(a.conditions || filter, 'runs', since, until, true, "check", page_size => 10000)))
    FROM fp_heatmap(row_dim, col_dim, 'runs', since, until, filter, "check") a
    FULL JOIN (SELECT h.* FROM c, fp_heatmap(c.cube, row_dim, col_dim, "check", 100, 100) h) b USING (row_value, col_value)
$$;
CREATE VIEW compared AS
SELECT q.n, c.* FROM (VALUES
    (1, 'scene', 'person', timestamptz '2026-03-02 13:00', timestamptz '2026-03-20', '{}'::jsonb, NULL),
    (2, 'lora', 'pos', '-infinity', 'infinity', '{}', NULL),
    (3, 'lora', 'lora', '-infinity', 'infinity', '{}', 'motion'),
    (4, 'pos', 'strength', '2026-03-28', '2026-03-30 05:00', '{}', NULL),
    (5, 'scene', 'lora', '2026-03-05', '2026-04-02', '{"person": "2", "pos": {"min": 4}}', 'face'),
    (6, 'scene', 'pos', '-infinity', 'infinity', '{"lora": null}', NULL),
    (7, 'scene', 'pos', '-infinity', 'infinity', '{"person": "9"}', NULL)
) q (n, r, c, since, until, filter, chk), compare(q.r, q.c, q.since, q.until, q.filter, q.chk) c;
SELECT (SELECT count(*) FROM fp_cubes) AS cubes, (SELECT count(DISTINCT bucket) FROM fp_dirty) AS dirty;
SELECT * FROM compared ORDER BY n;
CALL fp_refresh('runs');
SELECT (SELECT count(*) FROM fp_cubes) AS cubes, (SELECT count(DISTINCT bucket) FROM fp_dirty) AS dirty;
SELECT * FROM compared ORDER BY n;
SELECT make_runs(5001, 5100);
UPDATE runs SET failed = true, checks = '{motion}' WHERE id % 40 = 0;
SELECT (SELECT count(*) FROM fp_cubes) AS cubes, (SELECT count(DISTINCT bucket) FROM fp_dirty) > 0 AS dirty;
SELECT * FROM compared ORDER BY n;
-- what is added up over a longer time is gone where one of its days changes
SELECT level, count(*) FROM fp_spans GROUP BY 1 ORDER BY 1;
CALL fp_refresh('runs');
SELECT * FROM compared ORDER BY n;
SELECT level, count(*), sum(buckets) AS buckets FROM fp_spans GROUP BY 1 ORDER BY 1;
SELECT count(*) AS spans, count(*) FILTER (WHERE x.cube IS DISTINCT FROM (SELECT rollup(fp_cube_part(c.cube, '{}', ARRAY(SELECT name FROM fp_dimensions)))
                                                                         FROM fp_cubes c WHERE c.bucket BETWEEN x.first_bucket AND x.last_bucket)) AS wrong
FROM fp_spans x;
BEGIN;
DELETE FROM fp_cubes WHERE bucket = (SELECT first_bucket FROM fp_spans WHERE level = 4 LIMIT 1);
SELECT level, count(*) FROM fp_spans GROUP BY 1 ORDER BY 1;
ROLLBACK;

-- what is kept per pair is what the observations say, to the byte
SELECT count(*) AS kept, count(*) FILTER (WHERE m.cube IS DISTINCT FROM o.cube) AS wrong
FROM fp_margins m
FULL JOIN (SELECT p.row_dim, p.col_dim, fp_bucket(observed_at, '1 day', 'Europe/Berlin') AS bucket,
                  failure_cube(failed, jsonb_build_object(p.row_dim, dims -> p.row_dim, p.col_dim, dims -> p.col_dim),
                               ARRAY(SELECT unnest('{pos,strength}'::text[]) INTERSECT SELECT unnest(ARRAY[p.row_dim, p.col_dim])),
                               '{}'::text[], failed_checks) AS cube
           FROM fp_observations, (SELECT a.name AS row_dim, b.name AS col_dim FROM fp_dimensions a, fp_dimensions b WHERE a.name < b.name) p
           GROUP BY 1, 2, 3) o USING (row_dim, col_dim, bucket);
SELECT fp_rebuild('runs') > 0 AS marked;
SELECT count(*) AS kept FROM fp_margins;
CALL fp_refresh('runs');

-- names beside values, each once on its axis
SELECT DISTINCT row_value, row_label, col_label FROM fp_heatmap('person', 'pos', since => '-infinity', col_bins => '{6}') ORDER BY 1, 3;
SELECT row_label, col_label, row_order, col_order, trials, failures, round(rate::numeric, 4) AS rate, severity, color, enough_data, conditions
FROM fp_heatmap('person', 'lora', since => '-infinity', row_limit => 2, col_limit => 2);

-- a cube's part: what it never recorded is not recorded
SELECT fp_cube_part(failure_cube(true, '{"a": "1", "b": "2"}'::jsonb), '{"a": "1"}', '{b,c}')::jsonb,
       fp_cube_part(failure_cube(true, '{"a": "1", "b": "2"}'::jsonb), '{"c": null}', '{b}')::jsonb,
       fp_cube_part(failure_cube(true, '{"a": "1", "b": "2"}'::jsonb), '{"c": "3"}', '{b}')::jsonb;

-- a source of more dimensions than pairs are kept for
CREATE VIEW wide AS SELECT j.*, 1 AS d1, 2 AS d2, 3 AS d3, 4 AS d4, 5 AS d5, 6 AS d6 FROM judged j;
SELECT fp_attach('wide', 'wide', history => 'now');
CALL fp_refresh('wide');
SELECT (SELECT count(*) FROM fp_dimensions WHERE source = 'wide') AS dimensions, (SELECT count(*) FROM fp_margins WHERE source = 'wide') AS kept;
SELECT count(*), sum(trials) = (SELECT count(*) FROM runs WHERE scene IS NOT NULL) AS right FROM fp_heatmap('scene', 'd1', 'wide', since => '-infinity');
SELECT fp_detach('wide', true);

-- a dimension that was not recorded on most days: no observation of another
-- one is left out for it
CREATE VIEW partly AS SELECT source_key, obs_key, observed_at, failed, failed_checks, scene, CASE WHEN source_key < 20 THEN person END AS person, pos FROM judged;
SELECT fp_attach('partly', 'partly', history => 'now', bucket_zone => 'Europe/Berlin');
CALL fp_refresh('partly');
SELECT d, (SELECT sum(t.trials) FROM fp_totals(fp_window_cube('partly', '-infinity', 'infinity', '{}', ARRAY[d]), d) t) = (SELECT count(*) FROM runs) AS right
FROM unnest('{scene,person,pos}'::text[]) d;
SELECT sum(trials) = (SELECT count(*) FROM runs WHERE scene IS NOT NULL AND id < 20) AS right FROM fp_heatmap('scene', 'person', 'partly', since => '-infinity');

-- a check without a failure, beside others and where nothing fails at all
SELECT (sum(h.trials), sum(h.failures)) = (sum(a.trials), 0) AS right, count(DISTINCT h.severity)
FROM fp_heatmap('scene', 'pos', 'partly', since => '-infinity', "check" => 'likeness') h
JOIN fp_heatmap('scene', 'pos', 'partly', since => '-infinity') a USING (row_value, col_value);
UPDATE fp_observations SET failed = false, failed_checks = '{}' WHERE source = 'partly';
SELECT fp_rebuild('partly') > 0 AS marked;
SELECT sum(trials) > 0 AS trials, sum(failures) AS failures FROM fp_heatmap('scene', 'pos', 'partly', since => '-infinity', "check" => 'face');
CALL fp_refresh('partly');
SELECT sum(trials) > 0 AS trials, sum(failures) AS failures FROM fp_heatmap('scene', 'pos', 'partly', since => '-infinity', "check" => 'face');
SELECT fp_detach('partly', true);

-- errors
SELECT * FROM fp_heatmap('scene', 'character');
SELECT * FROM fp_heatmap('scene', NULL);
SELECT * FROM fp_heatmap('scene', 'scene');
SELECT * FROM fp_heatmap('scene', 'person', 'walks');
SELECT * FROM fp_heatmap('scene', 'person', filter => '{"character": "1"}');
SELECT * FROM fp_heatmap('scene', 'person', filter => '{"scene": {"min": 1}}');
SELECT * FROM fp_heatmap('scene', 'person', since => '2026-03-02', until => '2026-03-01');

-- views for a dashboard, refreshed while they are read
UPDATE fp_sources SET window_length = '100 years';
CREATE SCHEMA "the board";
SELECT fp_create_dashboard_views('the board');
SELECT (SELECT count(*) FROM "the board".fp_dashboard_heatmaps) AS cells,
       (SELECT count(DISTINCT (row_dim, col_dim)) FROM "the board".fp_dashboard_heatmaps) AS pairs,
       (SELECT count(*) FROM "the board".fp_dashboard_values) AS vals,
       (SELECT count(*) FROM "the board".fp_dashboard_buckets) AS buckets;
SELECT dimension, value, label, trials, failures, round(rate::numeric, 4) AS rate FROM "the board".fp_dashboard_values
WHERE dimension IN ('person', 'lora') ORDER BY dimension, value COLLATE "C";
SELECT sum(trials) FROM "the board".fp_dashboard_buckets;
SELECT make_runs(5101, 5200);
CALL fp_refresh('runs');
REFRESH MATERIALIZED VIEW CONCURRENTLY "the board".fp_dashboard_heatmaps;
REFRESH MATERIALIZED VIEW CONCURRENTLY "the board".fp_dashboard_values;
REFRESH MATERIALIZED VIEW CONCURRENTLY "the board".fp_dashboard_buckets;
SELECT sum(trials) FROM "the board".fp_dashboard_buckets;
SELECT sum(trials) = (SELECT count(*) FROM runs WHERE scene IS NOT NULL) AS right
FROM "the board".fp_dashboard_heatmaps WHERE 'scene' IN (row_dim, col_dim) AND 'person' IN (row_dim, col_dim);
SELECT fp_create_dashboard_views('no such schema');
SELECT fp_create_dashboard_views(NULL);

-- as a picture, by name; in both forms
SELECT * FROM fp_heatmap_text('person', 'pos', since => '-infinity', filter => '{"lora": "3"}', col_bins => '{4,7}', colors => false);
SELECT count(*) FROM fp_heatmap_text('lora', 'person', 'runs', '-infinity', "check" => 'no such check', colors => false) t WHERE t LIKE '%0.0%%';
SELECT t FROM fp_heatmap_text('person', 'scene', source => 'runs', since => '-infinity', col_limit => 1) t OFFSET 2 LIMIT 1;
SELECT count(*) FROM fp_heatmap_text('person', 'scene', source => 'runs', since => '-infinity', filter => '{"person": "99"}');
SELECT fp_heatmap_text('person', 'person');
SELECT fp_heatmap_text('person', 'colour');
SELECT count(t) FROM fp_cubes, fp_heatmap_text(cube, 'person', 'pos', row_names => '[]') t;

-- Clocks are put back to midnight: the day has two first hours, and both count,
-- before it is refreshed and after, for every reader.
CREATE TABLE havana AS
SELECT i AS id, timestamptz '2025-10-31 12:00Z' + i * interval '30 minutes' AS at, i % 3 = 0 AS failed, i % 2 AS scene, i % 2 AS person FROM generate_series(1, 192) i;
CREATE VIEW judged_havana AS SELECT id AS source_key, id AS obs_key, at AS observed_at, failed, NULL::text[] AS failed_checks, scene, person FROM havana;
SELECT fp_attach('havana', 'judged_havana', bucket_zone => 'America/Havana', history => 'now', window_length => '100 years');
CREATE VIEW days AS
SELECT b.bucket AT TIME ZONE 'UTC' AS bucket, b.n, t.trials AS trend, c.observations AS cube, h.n AS heatmap, d.n AS drilled
FROM (SELECT fp_bucket(at, '1 day', 'America/Havana') AS bucket, count(*) AS n FROM havana GROUP BY 1) b
LEFT JOIN fp_trend(source => 'havana') t ON t."time" = b.bucket
LEFT JOIN fp_cubes c ON c.source = 'havana' AND c.bucket = b.bucket
CROSS JOIN LATERAL (SELECT sum(x.trials) AS n FROM fp_heatmap('scene', 'person', 'havana', b.bucket, b.bucket + interval '1 second') x) h
CROSS JOIN LATERAL (SELECT count(*) AS n FROM fp_drilldown('{}', 'havana', b.bucket, b.bucket + interval '1 second', page_size => 1000)) d;
SELECT * FROM days ORDER BY 1;
CALL fp_refresh('havana');
SELECT * FROM days ORDER BY 1;

-- a source of which no check was ever recorded: its failures are counted all the same
SELECT sum(trials) AS trials, sum(failures) AS failures FROM fp_heatmap('scene', 'person', 'havana');
SELECT t FROM fp_heatmap_text('scene', 'person', 'havana', colors => false) t WHERE t LIKE '%failed%';

SET client_min_messages = warning;
DROP SCHEMA heat, "the board" CASCADE;
DROP EXTENSION failpat CASCADE;
DROP SCHEMA "Fail ""Pat"" ü" CASCADE;
