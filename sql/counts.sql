-- The number of values of a set-valued dimension as a condition.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS failpat;
RESET client_min_messages;

-- Up to four LoRAs at once, of twelve; from three on they fail four times as often.
CREATE TEMP TABLE runs AS
SELECT i, n, jsonb_build_object('model', (abs(hashint4(i + 5)) % 7)::text, 'lora', l.lora,
                                'segment_position', 1 + abs(hashint4(i + 9)) % 10) AS dims,
       h < CASE WHEN n >= 3 THEN 40 ELSE 10 END AS failed
FROM (SELECT i, (ARRAY[0, 1, 1, 1, 1, 2, 2, 3, 3, 4])[1 + abs(hashint4(i)) % 10] AS n,
             abs(hashint4(i * 31 + 7)) % 100 AS h FROM generate_series(1, 8000) i) x
CROSS JOIN LATERAL (SELECT coalesce(jsonb_agg(k::text), '[]') AS lora
                    FROM (SELECT k FROM generate_series(1, 12) k ORDER BY hashint8(i * 100::bigint + k) LIMIT n) m) l;
INSERT INTO runs SELECT 0, NULL, '{"model": "1"}', false FROM generate_series(1, 10);
CREATE TEMP TABLE cubes AS SELECT failure_cube(failed, dims, '{segment_position}') AS cube FROM runs;

SELECT conditions, pattern_key, description, arity, failures, trials, round(rate::numeric, 3) AS rate, same_as
FROM cubes, fp_patterns(cube);
SELECT count(*) FILTER (WHERE failed) AS failures, count(*) AS trials FROM runs WHERE n >= 3;
SELECT gate, passed, against, note FROM cubes, fp_explain(cube, '{"lora": {"count": {"min": 3}}}');
SELECT passed, note, against FROM cubes, fp_explain(cube, '{"lora": {"count": {"min": 2}}}') WHERE gate = 'result';
SELECT passed, note, against FROM cubes, fp_explain(cube, '{"lora": "3"}') WHERE gate = 'result';

-- wherever conditions are read: a number, a range, both ends, none
CREATE TEMP TABLE asked (n int, conditions jsonb);
INSERT INTO asked VALUES
  (1, '{"lora": {"count": {"min": 3}}}'), (2, '{"lora": {"count": {"max": 0}}}'), (3, '{"lora": {"count": 0}}'),
  (4, '{"lora": {"count": "2"}}'), (5, '{"lora": {"count": {"min": 1, "max": 2}}}'), (6, '{"lora": []}'), (7, '{"lora": null}'),
  (8, '{"lora": {"count": {"min": 17}}}'), (9, '{"lora": {"count": {"min": 0}}, "model": "1"}');
SELECT a.n, (SELECT trials FROM fp_totals(fp_slice(cube, a.conditions))) AS in_cube,
       count(*) FILTER (WHERE fp_conditions_met(dims, a.conditions)) AS met
FROM asked a, cubes, runs GROUP BY a.n, a.conditions, cube ORDER BY a.n;

-- what an observation holds need not be tidy
SELECT dims, fp_conditions_met(dims, '{"lora": {"count": 2}}')
FROM (VALUES ('{"lora": ["3", "7", 3, null]}'::jsonb), ('{"lora": ["3", "7"]}'), ('{"lora": "3"}'), ('{}'), ('{"lora": null}')) v (dims);

-- combinations
SELECT combo, fp_combo_meets(combo, '{"lora": {"count": {"min": 3}}}') AS three,
       fp_combo_meets(combo, '{"lora": {"count": {"max": 0}}}') AS without
FROM (VALUES ('{"lora": ["1", "2", "3"]}'::jsonb), ('{"lora": ["1", "2", "2"]}'), ('{"lora": "5"}'), ('{"lora": []}'), ('{}'),
             ('{"lora": {"count": 4}}')) v (combo);

-- keys and sentences
SELECT fp_pattern_key(c), fp_pattern_text(c) FROM (VALUES ('{"lora": {"count": {"min": 3}}}'::jsonb),
  ('{"lora": {"count": {"max": 0}}}'), ('{"lora": {"count": 1}}'), ('{"lora": {"count": {"max": 2}}}'),
  ('{"lora": {"count": {"min": 2, "max": 4}}}'), ('{"lora": {"count": {"min": 3}}, "character": "5"}'),
  ('{"lora": {"count": {"max": 0}}, "character": "5", "segment_position": {"min": 6}}'),
  ('{"lora": {"count": {"min": 2}}, "segment_position": {"min": 6}}'), ('{"tags": {"count": {"min": 2}}}'), ('{"l#": "3"}')) v (c);
SELECT fp_pattern_text('{"lora": {"count": {"min": 3}}}', direction => 'better', "check" => 'face_match');

-- what is no such condition
SELECT fp_slice(cube, '{"model": {"count": 1}}') FROM cubes;
SELECT fp_slice(cube, '{"segment_position": {"count": {"min": 1}}}') FROM cubes;
SELECT fp_slice(cube, '{"lora": {"min": 3}}') FROM cubes;
SELECT fp_slice(cube, '{"lora": {"count": {"min": 3}, "max": 4}}') FROM cubes;
SELECT fp_slice(cube, '{"lora": {"count": {}}}') FROM cubes;
SELECT fp_slice(cube, '{"lora": {"count": "many"}}') FROM cubes;
SELECT fp_slice(cube, '{"lora": {"count": [3]}}') FROM cubes;
