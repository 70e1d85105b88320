-- Heatmaps of a cube, against GROUP BY on the same rows.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS failpat;
RESET client_min_messages;

-- 20,000 runs, the same everywhere: scene 4 fails in the dark; some things are not
-- recorded, and some runs use no LoRA
CREATE TEMP TABLE runs AS
SELECT i,
       CASE WHEN r1 < 0.95 THEN 1 + floor(r1 * 12)::int END AS scene,
       CASE WHEN r2 < 0.3 THEN 'night' WHEN r2 < 0.9 THEN 'day' END AS light,
       ARRAY(SELECT DISTINCT l FROM unnest(ARRAY[floor(r3 * 9)::int, floor(r4 * 9)::int, 7]) l
             WHERE l > 2 AND (l <> 7 OR r5 < 0.2) ORDER BY l) AS lora,
       CASE WHEN r6 > 0.03 THEN 1 + floor(r6 * 11)::int END AS pos,
       round((r7 * 10)::numeric, 1) AS strength,
       failed,
       CASE WHEN failed THEN CASE WHEN r7 < 0.5 THEN '{face}'::text[] ELSE '{face,motion}' END END AS checks
FROM (SELECT i, r[1] AS r1, r[2] AS r2, r[3] AS r3, r[4] AS r4, r[5] AS r5, r[6] AS r6, r[7] AS r7,
             r[8] < CASE WHEN r[1] BETWEEN 3/12.0 AND 4/12.0 AND r[2] < 0.3 THEN 0.6 ELSE 0.08 END AS failed
      FROM (SELECT i, ARRAY(SELECT ('x' || left(md5(i || '/' || j), 7))::bit(28)::int / 268435456.0
                            FROM generate_series(1, 8) j) AS r
            FROM generate_series(1, 20000) i) s) t;

CREATE TEMP TABLE cubes AS
SELECT failure_cube(failed, (SELECT d FROM (SELECT scene, light, lora, pos, strength) d),
                    '{pos,strength}', '{}', checks) AS cube
FROM runs;

-- what it looks like
SELECT row_value, col_value, row_order, col_order, trials, failures, round(rate::numeric, 4) AS rate,
       round(lower::numeric, 4) AS lower, round(upper::numeric, 4) AS upper,
       round(shrunken_rate::numeric, 4) AS shrunken, severity, color, enough_data, conditions
FROM cubes, fp_heatmap(cube, 'scene', 'light')
ORDER BY row_order, col_order;

-- the same counts as GROUP BY gives, for every pair of kinds
CREATE FUNCTION pg_temp.differences(by_hand text, heat text) RETURNS TABLE (cells bigint, wrong bigint)
LANGUAGE plpgsql AS $$
BEGIN
    RETURN QUERY EXECUTE format(
        'SELECT count(*), count(*) FILTER (WHERE (g.n, g.f) IS DISTINCT FROM (h.trials, h.failures))
         FROM (SELECT r::text, c::text, count(*) AS n, count(*) FILTER (WHERE bad) AS f
               FROM (%s) x (r, c, bad) WHERE r IS NOT NULL AND c IS NOT NULL GROUP BY 1, 2) g
         FULL JOIN (SELECT h.* FROM cubes, %s h) h ON h.row_value = g.r AND h.col_value = g.c', by_hand, heat);
END $$;
SELECT q.name, d.*
FROM (VALUES
    ('nominal by nominal', 'SELECT scene, light, failed FROM runs', $$fp_heatmap(cube, 'scene', 'light')$$),
    ('nominal by ordinal', 'SELECT light, pos, failed FROM runs', $$fp_heatmap(cube, 'light', 'pos')$$),
    ('ordinal by ordinal', 'SELECT pos, trim_scale(strength), failed FROM runs', $$fp_heatmap(cube, 'pos', 'strength')$$),
    ('set by ordinal', 'SELECT l, pos, failed FROM runs, unnest(lora) l', $$fp_heatmap(cube, 'lora', 'pos')$$),
    ('nominal by set', 'SELECT scene, l, failed FROM runs, unnest(lora) l', $$fp_heatmap(cube, 'scene', 'lora')$$),
    ('set by itself', 'SELECT a, b, failed FROM runs, unnest(lora) a, unnest(lora) b', $$fp_heatmap(cube, 'lora', 'lora')$$),
    ('a check', $$SELECT scene, l, failed AND 'motion' = ANY (checks) FROM runs, unnest(lora) l$$,
                $$fp_heatmap(cube, 'scene', 'lora', "check" => 'motion')$$),
    ('bins', $$SELECT CASE WHEN pos < 4 THEN '<4' WHEN pos < 7 THEN '4-6' WHEN pos < 8 THEN '7' ELSE '8+' END,
                      CASE WHEN strength < 0.5 THEN '<0.5' WHEN strength < 2 THEN '0.5-<2' ELSE '2+' END, failed
               FROM runs WHERE pos IS NOT NULL$$,
             $$fp_heatmap(cube, 'pos', 'strength', row_bins => '{4,7,8}', col_bins => ARRAY[0.5,2])$$),
    ('limits', $$SELECT scene, l, failed FROM runs, unnest(lora) l
                 WHERE scene IN (SELECT scene FROM runs WHERE scene IS NOT NULL
                                 GROUP BY 1 ORDER BY count(*) FILTER (WHERE failed) DESC, count(*) DESC LIMIT 4)
                   AND l IN (SELECT l FROM runs, unnest(lora) l
                             GROUP BY 1 ORDER BY count(*) FILTER (WHERE failed) DESC, count(*) DESC LIMIT 2)$$,
               $$fp_heatmap(cube, 'scene', 'lora', row_limit => 4, col_limit => 2)$$)
) q (name, by_hand, heat), pg_temp.differences(q.by_hand, q.heat) d;

-- a cell's conditions select its observations, whatever the kinds and bins
SELECT q.name, count(*) AS cells,
       count(*) FILTER (WHERE (t.trials, t.failures) IS DISTINCT FROM (h.trials, h.failures)) AS wrong
FROM cubes,
     LATERAL (SELECT 'nominal by set' AS name, x.* FROM fp_heatmap(cube, 'scene', 'lora') x
              UNION ALL SELECT 'set by itself', x.* FROM fp_heatmap(cube, 'lora', 'lora') x
              UNION ALL SELECT 'set limited', x.* FROM fp_heatmap(cube, 'lora', 'lora', row_limit => 2, col_limit => 3) x
              UNION ALL SELECT 'ordinals', x.* FROM fp_heatmap(cube, 'pos', 'strength') x
              UNION ALL SELECT 'bins', x.* FROM fp_heatmap(cube, 'pos', 'strength', row_bins => '{4,7,8}', col_bins => '{0.5,2}') x
     ) h
     CROSS JOIN LATERAL (SELECT h.name) q,
     LATERAL fp_totals(fp_slice(cube, h.conditions)) t
GROUP BY q.name ORDER BY q.name COLLATE "C";
SELECT row_value, col_value, conditions
FROM cubes, fp_heatmap(cube, 'lora', 'lora', row_limit => 1, col_limit => 2)
UNION ALL SELECT row_value, col_value, conditions
FROM cubes, fp_heatmap(cube, 'pos', 'strength', row_bins => '{4,7}', col_bins => '{9.95}')
UNION ALL SELECT row_value, col_value, conditions
FROM cubes, fp_heatmap(cube, 'light', 'pos', row_limit => 1, col_limit => 2);

-- rates and intervals are those of fp_rate_ci; values are unique on their axis
SELECT count(*) AS cells,
       count(*) FILTER (WHERE h.rate IS DISTINCT FROM (r.c).rate OR abs(h.lower - (r.c).lower) > 1e-15
                           OR abs(h.upper - (r.c).upper) > 1e-15) AS wrong,
       count(*) FILTER (WHERE h.shrunken_rate NOT BETWEEN 0 AND 1) AS outside,
       count(*) = count(DISTINCT (row_value, col_value)) AS values_unique,
       count(*) = count(DISTINCT (row_order, col_order)) AS orders_unique,
       bool_and(color ~ '^#[0-9a-f]{6}$') AS colors,
       bool_and(enough_data = (h.trials >= 5 AND h.upper - h.lower <= 0.5)) AS enough,
       bool_and(enough_data OR color = '#9e9e9e') AS grey
FROM cubes, fp_heatmap(cube, 'strength', 'scene', confidence => 0.99) h,
     LATERAL (SELECT fp_rate_ci(h.failures, h.trials, 0.99) AS c) r;

-- numbers stand in their order, also numbers that are names
SELECT string_agg(DISTINCT lpad(row_order::text, 2) || ':' || row_value, ' ' ORDER BY lpad(row_order::text, 2) || ':' || row_value) AS scenes,
       string_agg(DISTINCT lpad(col_order::text, 2) || ':' || col_value, ' ' ORDER BY lpad(col_order::text, 2) || ':' || col_value) AS positions
FROM cubes, fp_heatmap(cube, 'scene', 'pos');

-- one failure of one is not the worst
WITH few AS (
    SELECT failure_cube(f, n, (SELECT d FROM (SELECT a, b) d)) AS cube
    FROM (VALUES ('x', '1', 1, 1), ('x', '2', 400, 1000), ('y', '1', 30, 400), ('y', '2', 11, 150),
                 ('z', '1', 0, 2), ('z', '2', 20, 310)) v (a, b, f, n))
SELECT row_value, col_value, trials, failures, round(rate::numeric, 3) AS rate,
       rank() OVER (ORDER BY rate DESC) AS by_rate, rank() OVER (ORDER BY shrunken_rate DESC) AS by_shrunken,
       severity, color, enough_data
FROM few, fp_heatmap(cube, 'a', 'b');

-- palettes, and where the scale ends
SELECT palette, red_at, string_agg(color, ' ' ORDER BY row_order, col_order) AS colors
FROM (VALUES ('traffic', 0.5), ('traffic', 0.1), ('colorblind', 0.5), ('mono', 0.5)) p (palette, red_at), cubes,
     fp_heatmap(cube, 'scene', 'light', row_limit => 2, palette => p.palette, red_at => p.red_at)
GROUP BY palette, red_at ORDER BY palette COLLATE "C", red_at;

-- pictures
\pset format unaligned
\pset tuples_only on
SELECT h FROM cubes, fp_heatmap_text(cube, 'scene', 'light', colors => false) h;
SELECT h FROM cubes, fp_heatmap_text(cube, 'lora', 'pos', col_bins => '{4,7}', colors => false, row_limit => 3) h;
SELECT replace(h, E'\033', 'ESC') FROM cubes, fp_heatmap_text(cube, 'light', 'scene', col_limit => 1) h;
-- no name speaks to the terminal, long ones are cut
SELECT replace(h, E'\033', 'ESC')
FROM (SELECT failure_cube(i % 9 = 0, (SELECT d FROM (SELECT v AS "odd name", CASE WHEN i % 2 = 0 THEN 'a rather long name of a column' ELSE 'b' END AS c) d)) AS cube
      FROM generate_series(1, 90) i, (VALUES (E'\033[31mred\x07'), ('a name that is longer than the twenty-four columns it has')) n (v)) q,
     fp_heatmap_text(cube, 'odd name', 'c', colors => false) h;
-- nothing of anything: no rate
SELECT h FROM (SELECT fp_slice(cube, '{"scene": "no such"}') AS cube FROM cubes) e, fp_heatmap_text(cube, 'pos', 'light', col_limit => 1) h;
\pset tuples_only off
\pset format aligned

-- nothing to show
SELECT count(*) FROM fp_heatmap(NULL::failure_cube, 'a', 'b');
SELECT count(*) FROM (SELECT failure_cube(failed, (SELECT d FROM (SELECT scene, light) d)) AS cube FROM runs WHERE false) e,
     fp_heatmap(cube, 'scene', 'light');
SELECT count(*) FROM (SELECT fp_slice(cube, '{"scene": "no such"}') AS cube FROM cubes) e, fp_heatmap(cube, 'scene', 'light');

-- errors name the argument and what is allowed
SELECT count(*) FROM cubes, fp_heatmap(cube, 'scene', 'character');
SELECT count(*) FROM cubes, fp_heatmap(cube, NULL, 'light');
SELECT count(*) FROM cubes, fp_heatmap(cube, 'light', 'light');
SELECT count(*) FROM cubes, fp_heatmap(cube, 'scene', 'light', "check" => 'focus');
SELECT count(*) FROM cubes, fp_heatmap(cube, 'scene', 'light', row_limit => 0);
SELECT count(*) FROM cubes, fp_heatmap(cube, 'scene', 'light', col_limit => -1);
SELECT count(*) FROM cubes, fp_heatmap(cube, 'scene', 'light', row_bins => '{1,2}');
SELECT count(*) FROM cubes, fp_heatmap(cube, 'pos', 'light', row_bins => '{4,2}');
SELECT count(*) FROM cubes, fp_heatmap(cube, 'pos', 'light', row_bins => '{4,NULL}');
SELECT count(*) FROM cubes, fp_heatmap(cube, 'pos', 'light', row_bins => '{NaN}');
SELECT count(*) FROM cubes, fp_heatmap(cube, 'scene', 'light', palette => 'rainbow');
SELECT count(*) FROM cubes, fp_heatmap(cube, 'scene', 'light', confidence => 95);
SELECT count(*) FROM cubes, fp_heatmap(cube, 'scene', 'light', red_at => 0);
SELECT count(*) FROM (SELECT failure_cube(true, (SELECT d FROM (SELECT 1 AS a, 2 AS b) d)) AS cube) q,
     fp_heatmap(cube, 'a', 'b', "check" => 'face');
-- long names are cut, between characters
SELECT count(*) FROM (SELECT failure_cube(true, jsonb_build_object(n, 1)) AS cube, n FROM repeat('€', 400) n GROUP BY n) q, fp_heatmap(cube, n, n);
SELECT count(*) FROM (SELECT failure_cube(true, jsonb_build_object(n, 1, 'b', 2)) AS cube, n FROM repeat('€', 400) n GROUP BY n) q,
     fp_heatmap(cube, n, 'b', row_bins => '{1}');
