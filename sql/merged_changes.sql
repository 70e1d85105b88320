-- One change shows in many series: it is told once.
\set VERBOSITY terse
\set SHOW_CONTEXT never
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS failpat CASCADE;
CREATE EXTENSION failpat;
CREATE SCHEMA merging;
SET search_path = merging, public;
SET timezone = 'UTC';
RESET client_min_messages;

-- 60 days of 600 runs: LoRA a goes with character 1 in most of its runs, b with
-- any, x with character y always; 10 % fail, from day 40 more of those that a
-- condition names.
CREATE TABLE runs (id serial PRIMARY KEY, what text, at timestamptz, failed boolean, lora text[], ch text, scene text, checks text[]);
CREATE FUNCTION make(what text, plant text, rate text, base float8 DEFAULT 0.1) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('INSERT INTO runs (what, at, failed, lora, ch, scene, checks)
        SELECT %1$L, at, failed, lora, ch, scene, CASE WHEN failed THEN ''{face}'' ELSE ''{}'' END::text[]
        FROM (SELECT n, i, timestamptz ''2026-03-01'' + n * interval ''1 day'' + i * interval ''2 minutes'' AS at,
                     CASE WHEN ch = ''y'' THEN ARRAY[''x''] WHEN i %% 5 = 0 THEN ARRAY[''a''] WHEN i %% 5 = 1 THEN ARRAY[''b''] WHEN i %% 5 = 2 THEN ARRAY[''b'', ''c''] END AS lora,
                     ch, (hashint8extended(n * 1000 + i, 77) & 3)::text AS scene
              FROM generate_series(0, 59) n, generate_series(0, 599) i,
                   LATERAL (SELECT hashint8extended(n * 1000 + i, 78) & 1023 AS h) h,
                   LATERAL (SELECT CASE WHEN i %% 5 = 0 AND h %% 10 < 8 THEN ''1'' WHEN h %% 20 = 19 THEN ''y'' ELSE (1 + h %% 6)::text END AS ch) c) r,
             LATERAL (SELECT (hashint8extended(n * 1000 + i, hashtext(%2$L)) & 1023) / 1024.0 < CASE WHEN n >= 40 AND (%3$s) THEN %4$s ELSE %5$s END AS failed) f',
        what, what, plant, rate, base);
    EXECUTE format('CREATE VIEW %I AS SELECT id AS source_key, id AS obs_key, at AS observed_at, failed, checks AS failed_checks, lora, ch, scene
                    FROM runs WHERE what = %L', what, what);
    PERFORM fp_attach(what, what, window_length => '100 years', history => 'now');
    WHILE fp_refresh_cubes(what) > 0 LOOP END LOOP;
END $$;
SELECT make('one_lora', $$'a' = ANY (lora)$$, '0.4');
SELECT make('everything', 'true', '0.2');
SELECT make('together', $$ch = 'y'$$, '0.5');
SELECT make('two_causes', $$'a' = ANY (lora) OR scene = '2'$$, '0.4');
SELECT make('three_values', $$ch IN ('2', '3', '4')$$, '0.4');
SELECT make('all_and_one', $$true$$, $$CASE WHEN scene = '3' THEN 0.6 ELSE 0.2 END$$);
SELECT make('quiet', 'false', '0.1');

CREATE VIEW told AS
WITH changes AS MATERIALIZED (
    SELECT s.source, c.* FROM fp_sources s CROSS JOIN LATERAL fp_changes(s.source, all_dimensions => true) c)
SELECT c.source, c.change_key, c.direction, count(p.*) AS parts,
       string_agg(DISTINCT coalesce(p.series_dimension, 'all'), ' ' ORDER BY coalesce(p.series_dimension, 'all')) AS among
FROM changes c LEFT JOIN changes p ON p.source = c.source AND p.part_of = c.change_key
WHERE c.part_of IS NULL
GROUP BY 1, 2, 3;
SELECT * FROM told ORDER BY source COLLATE "C", change_key COLLATE "C";
-- below a LoRA: its characters, its scenes, itself
SELECT series_dimension, value, part_of FROM fp_changes('one_lora', '{"lora": "a"}', all_dimensions => true)
WHERE at = '2026-04-10' ORDER BY part_of NULLS FIRST, change_key COLLATE "C";
-- of one check
SELECT change_key FROM fp_changes('three_values', "check" => 'face', all_dimensions => true) WHERE part_of IS NULL ORDER BY change_key COLLATE "C";
SELECT * FROM fp_changes('quiet', dimension => 'ch', all_dimensions => true);

-- A refresh tells what tells it, and once: also where another series has told it.
SELECT s.source, fp_refresh_changes(s.source) AS told FROM fp_sources s WHERE s.source IN ('everything', 'two_causes', 'quiet') ORDER BY 1;
SELECT source, dimension, value, told_at FROM fp_told_changes ORDER BY 1, 2, 3;
UPDATE fp_source_state SET changes_told_at = '2026-04-10' WHERE source = 'one_lora';
SELECT fp_refresh_changes('one_lora') AS told;
SELECT fp_refresh_changes('one_lora') AS told_again;
UPDATE fp_told_changes SET dimension = 'ch', value = '1' WHERE source = 'one_lora';
SELECT fp_refresh_changes('one_lora') AS told_by_another;
DELETE FROM fp_told_changes WHERE source = 'one_lora';
SELECT fp_refresh_changes('one_lora') AS not_told_yet;

-- Values of a megabyte, of characters that JSON escapes: what is told is cut.
CREATE TABLE long_runs AS
SELECT n * 12 + i AS id, timestamptz '2026-03-01' + n * interval '1 day' + i * interval '1 hour' AS at, n >= 12 AS failed, v.v
FROM generate_series(0, 19) n, generate_series(0, 11) i, LATERAL (SELECT CASE WHEN i < 10 THEN repeat(E'\x01\u00e9"\\', 250000) ELSE 'short' END AS v) v;
UPDATE long_runs SET failed = false WHERE v = 'short';
CREATE VIEW long_view AS SELECT id AS source_key, id AS obs_key, at AS observed_at, failed, NULL::text[] AS failed_checks, v FROM long_runs;
SELECT fp_attach('long', 'long_view', window_length => '100 years', history => 'now');
UPDATE fp_source_state SET changes_told_at = '2026-03-01' WHERE source = 'long';
SELECT fp_refresh_changes('long') AS told;
SELECT error FROM fp_source_state WHERE source = 'long';
SELECT t.dimension, length(t.value), length(t.payload ->> 'value') AS told, length(t.payload ->> 'label') AS label, octet_length(t.payload::text) < 8000 AS fits
FROM fp_told_changes t WHERE t.source = 'long';
SELECT length(c.change_key), c.part_of IS NULL AS tells FROM fp_changes('long', dimension => 'v') c;
SELECT fp_refresh_changes('long') AS told_again;
SET client_min_messages = warning;
DROP EXTENSION failpat CASCADE;
DROP SCHEMA merging CASCADE;
