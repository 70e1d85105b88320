-- Manufacturing: which parts are scrap, and what did they have in common?
--
-- Paste it into psql statement by statement, or: psql -X -a -f examples/manufacturing.sql
-- The data are made up, so that what is wrong with them is known: see the end.
-- What comes out is in expected/example_manufacturing.out.

CREATE EXTENSION IF NOT EXISTS failpat;

-- 40,000 moulded parts in lots of 40, as the shop floor records them, with the
-- defects that were seen. The random numbers are the same every time.
CREATE TABLE parts AS
WITH lot AS MATERIALIZED (
    SELECT lot, r, timestamptz '2026-03-02 06:00Z' + lot * interval '1 hour' AS at,
           'M' || 1 + floor(r[1] * 6) AS machine,
           (ARRAY['PA66', 'PA66', 'POM', 'POM', 'ABS'])[1 + floor(r[2] * 5)] AS material,
           1 + (lot - 1) % 8 AS hour_of_shift, 242 + floor(r[3] * 12) AS set_to
    FROM (SELECT lot, ARRAY(SELECT ('x' || left(md5(format('lot %s %s', lot, k)), 8))::bit(32)::bigint / 4294967296.0
                            FROM generate_series(1, 6) AS k) AS r
          FROM generate_series(1, 1000) AS lot) AS x
), crew AS (
    -- machine 4 is mostly Weber's
    SELECT lot.*, CASE WHEN machine = 'M4' AND r[4] < 0.7 THEN 'Weber'
                       ELSE (ARRAY['Aksoy', 'Brandt', 'Costa', 'Weber', 'Nowak', 'Okafor'])[1 + floor(r[5] * 6)] END AS operator
    FROM lot
), part AS MATERIALIZED (
    SELECT crew.lot, at + n * interval '90 seconds' AS at, machine, operator, material, hour_of_shift,
           (set_to + floor(p[1] * 7) - 3)::integer AS temperature, crew.r[6] < 0.02 AS bad_lot, p
    FROM crew, generate_series(0, 39) AS n,
         LATERAL (SELECT ARRAY(SELECT ('x' || left(md5(format('part %s %s %s', lot, n, k)), 8))::bit(32)::bigint / 4294967296.0
                               FROM generate_series(1, 5) AS k) AS p) AS x
), judged AS (
    SELECT part.*, array_remove(ARRAY[
               CASE WHEN p[2] < CASE WHEN machine = 'M4' AND material = 'PA66' AND temperature >= 250 THEN 0.20 ELSE 0.005 END THEN 'warp' END,
               CASE WHEN p[3] < CASE WHEN machine = 'M2' AND hour_of_shift = 1 THEN 0.15 ELSE 0.005 END THEN 'short shot' END,
               CASE WHEN p[4] < CASE WHEN bad_lot THEN 0.30 ELSE 0.005 END THEN 'crack' END,
               CASE WHEN p[5] < CASE WHEN machine = 'M3' AND at >= '2026-03-20Z' THEN 0.06 ELSE 0.010 END THEN 'flash' END], NULL) AS defects
    FROM part
)
SELECT row_number() OVER (ORDER BY at, lot) AS id, lot, at, machine, operator, material, hour_of_shift, temperature,
       defects <> '{}' AS failed, defects
FROM judged;

-- What one usually looks at first: it seems to be Weber
SELECT operator, fp_rate_text(failure_rate_ci(failed)) AS scrap FROM parts GROUP BY operator ORDER BY avg(failed::int) DESC;

-- What makes scrap? Count every combination once (hours and degrees are ordered
-- numbers), and look for what is beyond chance
SELECT * FROM fp_pattern_list((
    SELECT failure_cube(failed, d, '{hour_of_shift,temperature}')
    FROM parts, LATERAL (SELECT machine, operator, material, hour_of_shift, temperature) AS d));

-- It is not Weber. But Nowak, in the third hour? Parts of a lot are alike: forty parts
-- of one bad lot are one piece of bad luck, not forty. A stratum that is called
-- batch (or job) tells failpat which parts belong together, and defects are told apart
CREATE TABLE part_cube AS
SELECT failure_cube(failed, d, '{hour_of_shift,temperature}', '{batch}', defects) AS cube
FROM parts, LATERAL (SELECT lot AS batch, machine, operator, material, hour_of_shift, temperature) AS d;
SELECT l.* FROM part_cube, fp_pattern_list(cube) AS l;

-- And by defect: each has its own cause
SELECT l.* FROM part_cube, fp_pattern_list(cube, "check" => '*') AS l;

-- Why is it not Weber? Because of what Weber works with
SELECT e.gate, e.passed, e.against, round(e.rate::numeric, 3) AS rate, round(e.other_rate::numeric, 3) AS other_rate, e.note
FROM part_cube, fp_explain(cube, '{"operator": "Weber"}') AS e;

-- From which temperature on? Warped parts of machine 4 and PA66, degree by degree,
-- beside all others
SELECT l.value AS temperature, l.failures AS warped, l.trials AS parts, round(100 * l.rate) AS percent,
       round(100 * l.other_rate::numeric, 1) AS others, l.plausible_from AS may_begin_here
FROM part_cube, fp_ladder(cube, '{"machine": "M4", "material": "PA66"}', 'temperature', "check" => 'warp') AS l
WHERE l.value BETWEEN 246 AND 253;

-- Where it is red
\pset format unaligned
SELECT fp_heatmap_text(cube, 'machine', 'hour_of_shift', red_at => 0.2, colors => false) AS heatmap FROM part_cube;
\pset format aligned

-- Which machine changed for good, and when?
SELECT machine, c.direction, c.at::date AS since, c.at_lower::date AS earliest, c.at_upper::date AS latest, round(100 * c.rate_before::numeric, 1) AS percent_before,
       round(100 * c.rate_after::numeric, 1) AS percent_after
FROM (SELECT machine, change_points(date_trunc('day', at, 'UTC'), failed::int, 1) AS found FROM parts GROUP BY machine) AS m,
     unnest(found) AS c
WHERE c.kind = 'shift';

-- The truth, as it stands in the statement that made the data: machine 4 warps
-- PA66 from 250 degrees on, machine 2 is cold in the first hour of a shift, the
-- tool of machine 3 leaves flash since the 20th of March, and now and then there
-- is a lot of bad granulate. Operators do not matter.
