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

-- Equal content is equal, in whatever order its dimensions came.
CREATE TEMP TABLE orders AS
SELECT failure_cube(failed, d, '{pos}', NULL, checks) AS one, failure_cube(failed, e, '{pos}', NULL, checks) AS other,
       failure_cube(failed, to_jsonb(d), '{pos}', NULL, checks) AS json,
       failure_cube(failed AND x.v <> 'x1', d, '{pos}', NULL, checks) AS less
FROM (SELECT i % 7 = 0 AS failed, CASE WHEN i % 7 = 0 THEN '{a}'::text[] END AS checks, 'x' || i % 5 AS v, i % 4 AS pos,
             ARRAY['p', 'q' || i % 3] AS tags FROM generate_series(1, 200) i) x,
     LATERAL (SELECT x.v, x.tags, x.pos) d, LATERAL (SELECT x.pos, x.tags, x.v) e;
SELECT one = other AS same, one <> other AS differ, one = json AS same_json, one = less AS less,
       failure_cube_hash(one) = failure_cube_hash(other) AS hash,
       failure_cube_hash_extended(one, 7) = failure_cube_hash_extended(other, 7) AS extended,
       one::text = other::text AS text FROM orders;
SELECT count(DISTINCT h) FROM orders, LATERAL (SELECT hash_array(ARRAY[one]) UNION ALL SELECT hash_array(ARRAY[other]) UNION ALL SELECT hash_array(ARRAY[json])) x (h);

-- the outcome among the dimensions is noticed
SELECT pattern_key FROM (SELECT failure_cube(failed, r) AS cube FROM (SELECT i % 9 = 0 AS failed, i % 4 AS x FROM generate_series(1, 900) i) r) t, fp_patterns(cube);

-- messages are short, whatever they are told
DO $$
DECLARE
    long text := repeat('long', 10000);
    statement text;
    message text;
    hint text;
BEGIN
    FOREACH statement IN ARRAY ARRAY[
        format('fp_pattern_text(%L, direction => %L)', '{"lora": "3"}', long),
        format('fp_slice(cube, %L)', jsonb_build_object(long, 1)), format('fp_slice(cube, %L)', jsonb_build_object('lora', jsonb_build_object(long, 1))),
        format('fp_patterns(cube, direction => %L)', long), format('fp_patterns(cube, "check" => %L)', long),
        format('fp_totals(cube, %L)', long), format('fp_trend(source => %L)', long), format('fp_detach(%L)', long),
        format('fp_ladder(cube, %L, %L)', '{}', long)] LOOP
        BEGIN
            EXECUTE format('SELECT %s FROM cubes', statement);
            RAISE NOTICE 'no error: %', left(statement, 40);
        EXCEPTION WHEN OTHERS THEN
            GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, hint = PG_EXCEPTION_HINT;
            IF length(message) + length(hint) > 500 THEN
                RAISE NOTICE 'too long: % %', left(statement, 40), left(message, 80);
            END IF;
        END;
    END LOOP;
END
$$;
