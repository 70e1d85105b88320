-- From a cell to the observations behind it; the source, time and names of a question.
\set VERBOSITY terse
\set SHOW_CONTEXT never
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS failpat CASCADE;
DROP SCHEMA IF EXISTS failpat CASCADE;
CREATE SCHEMA failpat;
CREATE EXTENSION failpat SCHEMA failpat;
CREATE SCHEMA drill;
SET search_path = drill, failpat, public;
SET timezone = 'UTC';
RESET client_min_messages;

-- 6,000 runs at 500 moments, so that many share one
CREATE TABLE runs AS
SELECT i AS source_key, 'run ' || i AS obs_key,
       timestamptz '2026-03-01' + (i % 500) * interval '1 hour' AS observed_at,
       h < 9 AS failed, CASE WHEN h < 4 THEN '{face}'::text[] WHEN h < 9 THEN '{face,motion}' ELSE '{}' END AS failed_checks,
       CASE WHEN i % 31 > 0 THEN i * 31 % 12 END AS scene,
       CASE WHEN i % 7 > 0 THEN ARRAY[i * 17 % 5, i * 13 % 7] WHEN i % 14 = 0 THEN '{}' END::text[] AS lora,
       CASE WHEN i % 29 > 0 THEN 1 + i * 11 % 10 END AS pos,
       CASE WHEN i % 5 > 0 THEN (i % 13) / 4.0 END AS strength
FROM (SELECT i, i * 7919 % 97 AS h FROM generate_series(1, 6000) i) t;
CREATE INDEX ON runs (source_key);
CREATE VIEW judged AS SELECT * FROM runs;

SELECT * FROM fp_drilldown();
SELECT fp_attach('runs', 'judged', '{"drill.runs": "source_key"}', dimensions => '{"pos": {"kind": "ordinal"}, "strength": {"kind": "ordinal"}}', history => 'now');

-- the first page, and the next
SELECT observed_at, obs_key, source_key, failed, failed_checks, job, dims, page_cursor
FROM fp_drilldown('{"lora": ["3", "4"], "pos": {"min": 5}}', since => '-infinity', page_size => 3);
SELECT obs_key FROM fp_drilldown('{"lora": ["3", "4"], "pos": {"min": 5}}', since => '-infinity', page_size => 3,
                                 after => '1774101600000000:run 4994');

-- pages of every size, end to end, are what the table holds, in order
CREATE FUNCTION pages(conditions jsonb, page_size int, failed_only boolean DEFAULT false, "check" text DEFAULT NULL)
RETURNS TABLE (place bigint, obs_key text) LANGUAGE plpgsql AS $$
DECLARE
    cursor_of_page text;
    r record;
BEGIN
    place := 0;
    LOOP
        r := NULL;
        FOR r IN SELECT * FROM fp_drilldown(pages.conditions, 'runs', '-infinity', NULL, pages.failed_only, pages."check",
                                            pages.page_size, cursor_of_page) d LOOP
            place := place + 1;
            obs_key := r.obs_key;
            RETURN NEXT;
        END LOOP;
        EXIT WHEN r IS NULL;
        cursor_of_page := r.page_cursor;
    END LOOP;
END $$;
CREATE VIEW paged AS
SELECT q.name, p.n AS page_size, t.rows, t.wrong
FROM (VALUES
    ('all', '{}'::jsonb, 'true'),
    ('value', '{"scene": "7"}', 'scene = 7'),
    ('value as a number', '{"scene": 7}', 'scene = 7'),
    ('number', '{"pos": 7}', 'pos = 7'),
    ('number as a text', '{"pos": "7.0"}', 'pos = 7'),
    ('number in an array', '{"pos": [7]}', 'pos = 7'),
    ('fraction', '{"strength": 0.75}', 'strength = 0.75'),
    ('range', '{"pos": {"min": 3, "max": "6"}}', 'pos BETWEEN 3 AND 6'),
    ('up to', '{"strength": {"max": 0.75}}', 'strength <= 0.75'),
    ('member', '{"lora": "3"}', $$'3' = ANY (lora)$$),
    ('used together', '{"lora": ["3", "4"]}', $$lora @> '{3,4}'$$),
    ('none used', '{"lora": []}', $$lora = '{}'$$),
    ('not recorded', '{"lora": null, "scene": "1"}', 'lora IS NULL AND scene = 1'),
    ('no number', '{"pos": null, "strength": {"min": 1}}', 'pos IS NULL AND strength >= 1'),
    ('two ranges', '{"pos": {"min": 9}, "strength": {"min": 2.5}}', 'pos >= 9 AND strength >= 2.5'),
    ('two that never meet', '{"scene": "7", "pos": 99}', 'false'),
    ('several', '{"lora": ["3"], "scene": "1", "pos": {"min": 2}}', $$'3' = ANY (lora) AND scene = 1 AND pos >= 2$$),
    ('no such value', '{"scene": "x"}', 'false'),
    ('no such number', '{"pos": 999}', 'false')
) q (name, conditions, sql),
(VALUES (7), (1000)) p (n),
LATERAL (SELECT count(*) AS rows, count(*) FILTER (WHERE d.obs_key IS DISTINCT FROM e.obs_key) AS wrong
         FROM pages(q.conditions, p.n) d
         FULL JOIN (SELECT row_number() OVER (ORDER BY observed_at DESC, obs_key COLLATE "C" DESC) AS place, obs_key
                    FROM XMLTABLE('//row' PASSING query_to_xml('SELECT obs_key, observed_at FROM drill.runs WHERE ' || q.sql, false, false, '')
                                  COLUMNS obs_key text, observed_at timestamptz)) e USING (place)) t
WHERE p.n = 1000 OR q.name IN ('all', 'used together', 'range');
CREATE VIEW failures_paged AS
SELECT (SELECT count(*) FROM pages('{"scene": "7"}', 100, true)) AS failed,
       (SELECT count(*) FROM runs WHERE scene = 7 AND failed) AS failed_by_hand,
       (SELECT count(*) FROM pages('{"scene": "7"}', 100, true, 'motion')) AS of_a_check,
       (SELECT count(*) FROM runs WHERE scene = 7 AND 'motion' = ANY (failed_checks)) AS of_a_check_by_hand,
       (SELECT count(*) FROM pages('{"scene": "7"}', 100, false, 'motion')) AS trials,
       (SELECT count(*) FROM runs WHERE scene = 7) AS trials_by_hand;

-- as many as the cell says
CREATE VIEW as_many AS
WITH cube AS (
    SELECT failure_cube(failed, dims, '{pos,strength}', '{}', failed_checks) AS c FROM fp_observations),
cells AS (
    SELECT h.* FROM cube, fp_heatmap(c, 'lora', 'lora') h
    UNION ALL SELECT h.* FROM cube, fp_heatmap(c, 'scene', 'pos', col_bins => '{4,7}') h
    UNION ALL SELECT h.* FROM cube, fp_heatmap(c, 'strength', 'lora', row_bins => '{0.6,2}') h)
SELECT count(*) AS cells,
       count(*) FILTER (WHERE (SELECT count(*) FROM fp_drilldown(h.conditions, since => '-infinity', page_size => 10000)) <> trials) AS wrong_trials,
       count(*) FILTER (WHERE (SELECT count(*) FROM fp_drilldown(h.conditions, since => '-infinity', failed_only => true, page_size => 10000)) <> failures) AS wrong_failures
FROM cells h;

-- before any refresh, after it, and where some buckets have changed since
SELECT * FROM paged ORDER BY name COLLATE "C", page_size;
TABLE failures_paged;
TABLE as_many;
CALL fp_refresh('runs');
SELECT count(*) AS buckets, count(rows) AS with_index FROM fp_cubes;
SELECT sum(rows) AS rows, sum(wrong) AS wrong FROM paged;
TABLE failures_paged;
TABLE as_many;
-- what is not in the index of its bucket is seen all the same, and what has
-- changed since is not seen as it was
UPDATE runs SET failed = true, failed_checks = '{motion}' WHERE scene = 7 AND source_key % 5 = 0;
INSERT INTO runs SELECT 6000 + i, 'run ' || 6000 + i, timestamptz '2026-03-01 12:00' + i * interval '2 days', i % 2 = 0, '{}', 7, '{9}', 3, 2.5
FROM generate_series(1, 9) i;
SELECT (SELECT count(DISTINCT bucket) FROM fp_dirty) AS dirty, (SELECT sum(wrong) FROM paged) AS wrong, f.* FROM failures_paged f;
TABLE as_many;
SELECT count(*) FROM pages('{"lora": "9"}', 2);
DELETE FROM fp_dirty;
SELECT count(*) AS only_where_it_was_counted FROM pages('{"lora": "9"}', 2);
SELECT fp_rebuild('runs') > 0 AS marked;
CALL fp_refresh('runs');
SELECT count(*) FROM pages('{"lora": "9"}', 2);
-- a limit that an index does not fit into, and one of another kind: all is read
UPDATE fp_cubes SET rows = NULL WHERE extract(day FROM bucket) % 2 = 0;
SELECT (SELECT sum(wrong) FROM paged) AS wrong, f.* FROM failures_paged f;
UPDATE fp_dimensions SET kind = 'nominal' WHERE name = 'strength';
SELECT (SELECT count(*) FROM pages('{"strength": "2.5"}', 100)) AS drilled, (SELECT count(*) FROM fp_observations WHERE dims ->> 'strength' = '2.5') AS by_hand;
UPDATE fp_dimensions SET kind = 'ordinal' WHERE name = 'strength';

-- indexes of someone's own making
SELECT fp_rows_find('', '{f}', '{}', '{}', '{}', 'infinity', 10);
SELECT fp_rows_find('\x465201080100000000000000000000000100000000000000', '{f}', '{}', '{}', '{}', 'infinity', 10);
SELECT fp_rows_find(fp_row_index(now(), true, '{}', '{}', '{}'), '{f}', '{}', '{}', '{}', 'infinity', 10) = ARRAY[now()] AS one;
SELECT fp_rows_find(fp_row_index(now(), true, '{}', '{}', '{}'), '{f,""}', '{}', '{}', '{}', 'infinity', 10) AS none;
SELECT fp_rows_find(fp_row_index(now(), true, '{}', '{}', '{}'), '{f}', '{a}', '{}', '{}', 'infinity', 10);
SELECT fp_row_index(now(), true, '{}', d, '{a}') IS NULL AS none
FROM unnest('{"[]","{\"a\": \"x\"}","{\"a\": [1]}","{\"b\": {}}","{\"b\": [[1]]}","{\"b\": {\"c\": 1}}"}'::jsonb[]) d GROUP BY d ORDER BY d::text COLLATE "C";
CREATE FUNCTION refused(index bytea) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    PERFORM fp_rows_find(index, '{v1:a7,f}', '{b}', '{1}', '{3}', 'infinity', 10);
    RETURN false;
EXCEPTION WHEN invalid_binary_representation THEN
    RETURN true;
END $$;
WITH i AS MATERIALIZED (SELECT fp_row_index(now() + i * interval '1 minute', true, '{x}', jsonb_build_object('a', i % 9, 'b', i % 5), '{b}') AS bytes
                        FROM generate_series(1, 200) i)
SELECT count(*) FILTER (WHERE refused(substr(bytes, 1, n))) = max(length(bytes)) AS none_too_short_is_read,
       count(refused(set_byte(bytes, n % length(bytes), 255))) > 0 AS survives
FROM i, generate_series(0, length(bytes) - 1) n;

-- time: whole buckets, until exclusive; without since, the source's window
SELECT * FROM fp_window('runs', '2026-03-05 13:00', '2026-03-06 00:00');
SELECT * FROM fp_window('runs', '2026-03-05 13:00', '2026-03-06 00:00:01');
SELECT * FROM fp_window('runs', '-infinity', NULL);
SELECT first_bucket = date_trunc('day', now() - interval '90 days') AS since_window, ends FROM fp_window('runs', NULL, NULL);
SELECT * FROM fp_window('runs', '2026-03-05', '2026-03-05');
SELECT min(observed_at), max(observed_at), count(*) FROM fp_drilldown('{}', 'runs', '2026-03-05 13:00', '2026-03-06 01:00', page_size => 10000);
SELECT at, width, fp_bucket_end(at, width, 'Europe/Berlin')
FROM (VALUES (timestamptz '2026-03-29 00:30+01', interval '1 day'), ('2026-10-25 00:30+02', '1 day'), ('2026-10-25 23:30+01', '1 day'),
             ('2026-10-25 02:30+02', '1 hour'), ('2026-10-25 02:30+01', '1 hour'), ('2026-01-31 12:00+01', '1 month'),
             ('2026-10-25 02:30+01', '6 hours'), ('2026-03-29 00:30+01', '6 hours'), ('2026-03-25 12:00+01', '1 week'), ('infinity', '1 day')) v (at, width);

-- names: unique, and the value where there is none
CREATE TABLE scenes (id int PRIMARY KEY, name text);
INSERT INTO scenes VALUES (1, 'Beach'), (2, 'Attic'), (3, 'Beach'), (4, 'Beach (3)'), (5, NULL);
UPDATE fp_dimensions SET label_table = 'scenes', label_key = 'id', label_column = 'name' WHERE name = 'scene';
SELECT * FROM fp_labels('runs', 'scene', '{1,2,3,4,5,6,x,-,99999999999999999999}');
SELECT * FROM fp_labels('runs', 'scene', '{1,2}');
SELECT * FROM fp_labels('runs', 'pos', '{1,4-6,7+}');
SELECT * FROM fp_labels('runs', 'scene', '{}');
CREATE ROLE fp_test_reader;
GRANT USAGE ON SCHEMA failpat, drill TO fp_test_reader;
SET ROLE fp_test_reader;
SELECT * FROM fp_labels('runs', 'scene', '{1,2}');
RESET ROLE;
ALTER TABLE scenes DROP COLUMN name;
SELECT * FROM fp_labels('runs', 'scene', '{1,2}');
DROP TABLE scenes;
SELECT * FROM fp_labels('runs', 'scene', '{1,2}');

-- errors
SELECT * FROM fp_drilldown('{"character": "1"}');
SELECT * FROM fp_drilldown('[]');
SELECT * FROM fp_drilldown('{"scene": {"min": 1}}');
SELECT * FROM fp_drilldown('{"pos": {"min": "x"}}');
SELECT * FROM fp_drilldown('{"pos": {"least": 1}}');
SELECT * FROM fp_drilldown('{"pos": {}}');
SELECT * FROM fp_drilldown('{"pos": [1, 2]}');
SELECT * FROM fp_drilldown('{"lora": [["3"]]}');
SELECT * FROM fp_drilldown(after => 'next');
SELECT * FROM fp_drilldown(after => '12345678901234567890:x');
SELECT * FROM fp_drilldown(page_size => 0);
SELECT * FROM fp_drilldown(page_size => NULL);
SELECT * FROM fp_drilldown(source => 'walks');
SELECT * FROM fp_drilldown(since => '2026-03-05', until => '2026-03-04');
SELECT fp_attach('walks', 'judged', history => 'later');
SELECT * FROM fp_drilldown();
SELECT count(*) FROM fp_drilldown(source => 'walks', since => '-infinity');

SET client_min_messages = warning;
DROP SCHEMA drill CASCADE;
DROP EXTENSION failpat CASCADE;
DROP SCHEMA failpat CASCADE;
DROP ROLE fp_test_reader;
