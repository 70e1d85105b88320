-- Alerts: what is told of a combination, to whom, and what never is. In a
-- schema with an awkward name, as a role with no rights but EXECUTE.
\set QUIET 1
\set ON_ERROR_STOP 1
\pset format unaligned
\pset tuples_only true
\pset pager off
SET client_min_messages = warning;
CREATE SCHEMA "Fail ""Pat"" ü";
CREATE EXTENSION failpat SCHEMA "Fail ""Pat"" ü";
SET search_path = "Fail ""Pat"" ü", tap;
CREATE ROLE alert_nobody;
GRANT USAGE ON SCHEMA "Fail ""Pat"" ü", tap TO alert_nobody;

SELECT plan(72);

INSERT INTO fp_sources (source) VALUES ('segments'), ('press');
INSERT INTO fp_dimensions (source, name, kind, position, title, choosable) VALUES
    ('segments', 'workflow', 'nominal', 1, 'Workflow', true),
    ('segments', 'model', 'nominal', 2, 'Model', true),
    ('segments', 'lora', 'set', 3, 'LoRA', true),
    ('segments', 'character', 'nominal', 4, 'Character', false),
    ('segments', 'scene_type', 'nominal', 5, 'Scene type', false),
    ('segments', 'segment_position', 'ordinal', 6, 'segment', true),
    ('press', 'tool', 'nominal', 1, 'Tool', true);
CREATE FUNCTION pg_temp.pattern(id bigint, conditions jsonb, rate double precision, severity text,
                                status text DEFAULT 'active', source text DEFAULT 'segments') RETURNS void
LANGUAGE sql AS $$
    INSERT INTO failure_patterns (id, source, pattern_key, description, conditions, failure_count, total_count,
                                  failure_rate, rate_lower, rate_upper, baseline_rate, risk_ratio, severity, status)
    VALUES ($1, $6, fp_pattern_key($2), fp_pattern_text($2), $2, round($3 * 120), 120,
            $3, $3 - 0.09, $3 + 0.08, 0.12, $3 / 0.11, $4, $5)
$$;
SELECT pg_temp.pattern(1, '{"lora": "3", "character": "5", "segment_position": {"min": 6}}', 0.62, 'high');
SELECT pg_temp.pattern(2, '{"lora": "3"}', 0.30, 'medium');
SELECT pg_temp.pattern(3, '{"lora": ["3", "7"]}', 0.50, 'high');
SELECT pg_temp.pattern(4, '{"workflow": "5"}', 0.25, 'medium');
SELECT pg_temp.pattern(5, '{"segment_position": {"max": 1}}', 0.20, 'medium');
SELECT pg_temp.pattern(6, '{"model": "2"}', 0.40, 'high', 'resolved');
SELECT pg_temp.pattern(7, '{"model": "3"}', 0.40, 'high', 'inactive');
SELECT pg_temp.pattern(8, '{"tool": "drill"}', 0.30, 'medium', 'active', 'press');
SELECT pg_temp.pattern(9, '{"character": "5", "segment_position": {"min": 2, "max": 4}}', 0.31, 'medium');

CREATE FUNCTION pg_temp.told(combo jsonb, source text DEFAULT 'segments', for_user bigint DEFAULT NULL,
                             include_resolved boolean DEFAULT false) RETURNS bigint[]
LANGUAGE sql AS $$
    SELECT array_agg(c.pattern_id) FROM fp_check_combo($1, source => $2, for_user => $3, include_resolved => $4) c
$$;

-- Arguments of any natural type.
SELECT is((SELECT array_agg(pattern_id) FROM fp_check_combo(lora => 3, "character" => 5, segment_position => 8)),
          '{1}', 'ids as integers');
SELECT is((SELECT array_agg(pattern_id) FROM fp_check_combo(lora => '3', "character" => '5', segment_position => '8')),
          '{1}', 'ids as literals');
SELECT is((SELECT array_agg(pattern_id) FROM fp_check_combo(lora => '3'::text, "character" => 5::bigint, segment_position => 8)),
          '{1}', 'ids as texts and bigints');
SELECT is((SELECT array_agg(pattern_id) FROM fp_check_combo(lora => ARRAY[3, 7], segment_position => 9)), '{3}', 'LoRAs as an integer array');
SELECT is((SELECT array_agg(pattern_id) FROM fp_check_combo(lora => ARRAY['7', '3'], segment_position => 9)), '{3}', 'LoRAs as a text array, in any order');
SELECT is((SELECT array_agg(pattern_id) FROM fp_check_combo(lora => '{3,7}', segment_position => 9)), '{3}', 'LoRAs as an array literal');
SELECT is((SELECT array_agg(pattern_id) FROM fp_check_combo(lora => ARRAY[3, 7]::bigint[], segment_position => 9)), '{3}', 'LoRAs as bigints');
SELECT is((SELECT array_agg(pattern_id) FROM fp_check_combo(lora => 3::smallint, avatar => 5::bigint, segment_position => 8)),
          '{1}', 'an avatar is a character');
SELECT is(pg_temp.told('{"lora": [3], "avatar": 5, "segment_position": 8}'), '{1}', 'JSON with numbers');
SELECT is(pg_temp.told('{"lora": "3", "character": "5", "segment_position": "8"}'), '{1}', 'JSON with texts');
SELECT is((SELECT array_agg(pattern_id) FROM fp_check_combo(avatar => x.a, lora => x.l, segment_position => 7)),
          '{1}', 'columns of a query') FROM (VALUES (5, '3'::varchar)) x (a, l);

-- What is told.
SELECT is(message, 'LoRA 3 + Character 5 fails at segment 6+: 62 % of 120 segments failed (53–70 %), against 11 % elsewhere.',
          'the message') FROM fp_check_combo(lora => 3, avatar => 5, segment_position => 6);
SELECT is(message, 'Tool drill fails: 30 % of 120 observations failed (21–38 %), against 11 % elsewhere.',
          'the message where there are no segments') FROM fp_check_combo('{"tool": "drill"}', source => 'press');
SELECT is((SELECT row(severity, failure_rate, lower, upper, trials, baseline_rate, status, candidate, pattern_source)::text
           FROM fp_check_combo(lora => 3, avatar => 5, segment_position => 6)),
          '(high,0.62,0.53,0.7,120,0.12,active,t,segments)', 'its figures');
SELECT is(conditions, '{"lora": "3", "character": "5", "segment_position": {"min": 6}}', 'its conditions')
FROM fp_check_combo(lora => 3, avatar => 5, segment_position => 6);
SELECT is(folded, '{2}', 'the pattern that says less is folded into the one that says more')
FROM fp_check_combo(lora => 3, avatar => 5, segment_position => 6);
SELECT is(pg_temp.told('{"lora": ["3", "7"], "avatar": "5", "segment_position": 6}'), '{1,3}',
          'of two that partly overlap both are told, worst first');
SELECT is(pg_temp.told('{"lora": ["3"], "workflow": 5, "segment_position": 0}'), '{2,4,5}', 'worst first');
SELECT is(pg_temp.told('{"lora": "4", "segment_position": 3}'), NULL, 'nothing where nothing is known');
SELECT is(pg_temp.told('{}'), '{5}', 'the whole scene: what happens to any scene');

-- Position.
SELECT is(pg_temp.told('{"lora": "3", "avatar": "5", "segment_position": 5}'), '{2}', 'not before the range');
SELECT is((SELECT array_agg(row(pattern_id, from_segment)::text) FROM fp_check_combo(lora => 3, avatar => 5)),
          '{"(1,6)","(9,2)","(5,)"}', 'without a position the whole scene is meant: from which segment on');
SELECT is((SELECT array_agg(row(pattern_id, from_segment)::text) FROM fp_check_combo(lora => 3, avatar => 5, scene_length => 5)),
          '{"(9,2)","(2,)","(5,)"}', 'but not beyond its length');
SELECT is(pg_temp.told('{"avatar": "5", "segment_position": {"min": 3, "max": 9}}'), '{9}', 'a part of the scene');
SELECT is(pg_temp.told('{"avatar": "5", "segment_position": {"min": 5}}'), NULL, 'a part of the scene that is safe');

-- Nothing is raised for what nobody knows.
SELECT lives_ok($$SELECT * FROM fp_check_combo('{"colour": "red", "lora": ["x''y", "\\", "nothing"], "n": null, "b": true}')$$,
                'unknown dimensions and values');
SELECT lives_ok($$SELECT * FROM fp_check_combo(NULL, workflow => NULL, source => 'nowhere')$$, 'nothing at all, and an unknown source');
SELECT lives_ok(format($$SELECT * FROM fp_check_combo(%L)$$,
                       jsonb_build_object('lora', (SELECT jsonb_agg(g) FROM generate_series(1, 200) g))),
                'two hundred LoRAs at once');
SELECT is(pg_temp.told(jsonb_build_object('lora', (SELECT jsonb_agg(g) FROM generate_series(1, 200) g))), '{3,5}',
          'which are compared all the same');
SELECT throws_ok($$SELECT * FROM fp_check_combo('[]')$$, '22023', 'argument "combo" must be a JSON object');
SELECT throws_ok($$SELECT * FROM fp_check_combo('{"lora": {"above": 3}}')$$, '22023',
                 'condition on dimension "lora" has a key other than "min" and "max"');

-- Status.
SELECT is(pg_temp.told('{"model": "2", "segment_position": 9}'), NULL, 'a resolved pattern raises no alert');
SELECT is(pg_temp.told('{"model": "2", "workflow": "5", "segment_position": 9}', include_resolved => true), '{4,6}',
          'it is told when asked for, after the active ones');
SELECT ok((SELECT message LIKE 'Resolved: Model 2 fails: %' FROM fp_check_combo(model => 2, segment_position => 9, include_resolved => true)),
          'and marked');
SELECT is(pg_temp.told('{"model": "3", "segment_position": 9}', include_resolved => true), NULL, 'an inactive one is not told');
SELECT is(pg_temp.told('{"tool": "drill", "segment_position": 9}'), NULL, 'one source alone, if it is named');

-- Batches.
SELECT is((SELECT array_agg(row(ordinality, pattern_id)::text) FROM fp_check_combos(ARRAY[
              '{"lora": "3", "segment_position": 5}', NULL, '{"segment_position": 9}', '{"workflow": "5", "segment_position": 0}']::jsonb[])),
          '{"(1,2)","(4,4)","(4,5)"}', 'a batch, by ordinal number');

-- Mutes.
SELECT fp_mute(4, for_user => 11, until => now() + interval '1 day', reason => 'known');
SELECT is(pg_temp.told('{"workflow": "5", "segment_position": 9}', for_user => 11), NULL, 'muted for one user');
SELECT is(pg_temp.told('{"workflow": "5", "segment_position": 9}', for_user => 12), '{4}', 'not for another');
SELECT is(pg_temp.told('{"workflow": "5", "segment_position": 9}'), '{4}', 'nor for nobody in particular');
SELECT fp_mute(4, for_user => 11, until => now() - interval '1 day');
SELECT is(pg_temp.told('{"workflow": "5", "segment_position": 9}', for_user => 11), '{4}', 'until then only');
SELECT fp_mute(4);
SELECT is(pg_temp.told('{"workflow": "5", "segment_position": 9}', for_user => 12), NULL, 'muted for all');
SELECT ok(fp_unmute(4) AND NOT fp_unmute(4), 'the end of it');
SELECT throws_ok('SELECT fp_mute(99)', '22023', 'there is no failure pattern 99');

-- Alternatives, from data.
INSERT INTO fp_cubes (source, bucket, cube, observations)
SELECT 'segments', fp_bucket(now(), '1 day'),
       failure_cube(failures::bigint, trials::bigint, dims::jsonb, '{segment_position}'), sum(trials)
FROM (VALUES
    (31, 340, '{"lora": ["3"], "character": "5", "model": "1", "segment_position": 2}'),
    (74, 120, '{"lora": ["3"], "character": "5", "model": "1", "segment_position": 6}'),
    (29, 240, '{"lora": ["4"], "character": "5", "model": "1", "segment_position": 7}'),
    (20, 240, '{"lora": ["6"], "character": "5", "model": "1", "segment_position": 7}'),
    (10, 100, '{"lora": [], "character": "5", "model": "1", "segment_position": 6}'),
    (40, 400, '{"lora": ["3"], "character": "6", "model": "1", "segment_position": 1}')) x (failures, trials, dims);
SELECT pg_temp.pattern(20, '{"lora": "6", "workflow": "9"}', 0.5, 'high');
SELECT isnt(fp_compute_alternatives('segments'), 0, 'alternatives are computed');
SELECT is((SELECT array_agg(a ->> 'sentence') FROM fp_check_combo(lora => 3, avatar => 5, segment_position => 6) c,
                  jsonb_array_elements(c.alternatives) a),
          '{"Consider using LoRA 6 instead: 8.3 % of 240.","Consider using LoRA 4 instead: 12 % of 240.","Consider going without LoRA: 10 % of 100."}',
          'what to use instead, best first');
SELECT is((SELECT array_agg(a ->> 'value') FROM fp_check_combo(lora => 3, avatar => 5, workflow => 9, segment_position => 6) c,
                  jsonb_array_elements(c.alternatives) a WHERE c.pattern_id = 1),
          '{4,NULL}', 'never what is known to be bad with the rest of the combination');
SELECT is(fp_compute_alternatives('segments'), 0, 'the same data, nothing written');

-- An end of the scene before the range, where what is left is not bad itself.
CREATE FUNCTION pg_temp.instead(combo jsonb, scene_length integer DEFAULT NULL) RETURNS text[]
LANGUAGE sql AS $$
    SELECT array_agg(CASE WHEN a ? 'before' THEN a ->> 'sentence' ELSE coalesce(a ->> 'value', 'none') END)
    FROM fp_check_combo($1, scene_length => $2) c, jsonb_array_elements(c.alternatives) a WHERE c.pattern_id = 1
$$;
SELECT is(pg_temp.instead('{"lora": "3", "avatar": "5"}'), '{6,4,none}', 'no end before a range where what is left is known to be bad');
UPDATE failure_patterns SET status = 'resolved' WHERE id IN (5, 9);
SELECT is(pg_temp.instead('{"lora": "3", "avatar": "5"}'), '{6,4,none}', 'alternatives are those of the last refresh');
SELECT is(fp_compute_alternatives('segments'), 1, 'the next one');
SELECT is(pg_temp.instead('{"lora": "3", "avatar": "5"}'), '{6,"Consider ending the scene before segment 6: 9.1 % of 340.",4,none}',
          'offers an end before it, by upper bound among the others');
SELECT results_eq($$SELECT a - '{lower,upper,rate}'::text[] FROM fp_check_combo(lora => 3, avatar => 5) c, jsonb_array_elements(c.alternatives) a WHERE a ? 'before'$$,
    $$VALUES ('{"dimension": "segment_position", "before": 6, "failures": 31, "trials": 340, "predicted": false,
               "sentence": "Consider ending the scene before segment 6: 9.1 % of 340."}'::jsonb)$$, 'with its figures');
SELECT is(cardinality(pg_temp.instead('{"lora": "3", "avatar": "5"}', 8)), 4, 'of a scene whose length is told');
SELECT is(cardinality(pg_temp.instead('{"lora": "3", "avatar": "5", "segment_position": {"min": 3, "max": 9}}')), 4, 'and of a part that begins before');
SELECT is(pg_temp.instead('{"lora": "3", "avatar": "5", "segment_position": {"min": 6}}'), '{6,4,none}', 'not of a part that begins there');
SELECT is(pg_temp.instead('{"lora": "3", "avatar": "5", "segment_position": 8}'), '{6,4,none}', 'nor of a segment');
UPDATE failure_patterns SET status = 'active' WHERE id = 9;
SELECT is(pg_temp.instead('{"lora": "3", "avatar": "5"}'), '{6,4,none}', 'nor, at once, where a part of what is left has become known to be bad');
SELECT is(cardinality(pg_temp.instead('{"lora": "3", "avatar": "5", "segment_position": {"min": 5}}')), 4, 'unless that is not meant');
UPDATE failure_patterns SET status = 'resolved' WHERE id = 9;
UPDATE fp_dimensions SET choosable = false WHERE name = 'segment_position';
SELECT fp_compute_alternatives('segments');
SELECT is(pg_temp.instead('{"lora": "3", "avatar": "5"}'), '{6,4,none}', 'nor where fp_dimensions says that the end cannot be chosen');

-- What is known to be bad: by itself, or with the rest, seen by the check at once and by the next refresh.
SELECT pg_temp.pattern(21, '{"lora": "4", "character": "5"}', 0.2, 'medium');
SELECT pg_temp.pattern(22, '{"lora": "6"}', 0.2, 'medium');
SELECT is((SELECT jsonb_path_query_array(alternatives, '$[*].value') FROM fp_alternatives WHERE pattern_id = 1), '["6", "4"]', 'the alternatives of the last refresh');
SELECT is(pg_temp.instead('{"lora": "3", "avatar": "5"}'), '{none}', 'are not told once they are known to be bad');
SELECT fp_compute_alternatives('segments');
SELECT is((SELECT jsonb_path_query_array(alternatives, '$[*].sentence') FROM fp_alternatives WHERE pattern_id = 1),
          '["Consider going without LoRA: 10 % of 100."]', 'nor kept by the next one');
SELECT pg_temp.pattern(23, '{"lora": {"count": {"max": 0}}, "character": "5"}', 0.2, 'medium');
SELECT is(pg_temp.instead('{"lora": "3", "avatar": "5"}'), NULL, 'using none can be known to be bad too');
SELECT is(pg_temp.instead('{"lora": ["3", "11"], "avatar": "5"}'), NULL, 'in the place of two as well');
SELECT fp_compute_alternatives('segments');
SELECT is((SELECT count(*) FROM fp_alternatives WHERE pattern_id = 1), 0::bigint, 'then nothing is kept');
DELETE FROM failure_patterns WHERE id IN (21, 22, 23);
SET failpat.require_confirmed = on;
UPDATE failure_patterns SET confirmed_at = now() WHERE id = 1;
SELECT fp_compute_alternatives('segments');
SELECT pg_temp.pattern(21, '{"lora": "4", "character": "5"}', 0.2, 'medium');
SELECT is(pg_temp.told('{"lora": "4", "avatar": "5", "segment_position": 9}'), NULL, 'a candidate raises no alert where that is asked for');
SELECT is(pg_temp.instead('{"lora": "3", "avatar": "5"}'), '{6,none}', 'but is not recommended either');
RESET failpat.require_confirmed;

-- The log.
SELECT is(fp_log_alert('{1,2}', '{"lora": "3"}', 'job 1', 11), 0, 'alerts are not logged unless asked to');
SET failpat.log_alerts = on;
SELECT is(fp_log_alert('{1,2,99}', '{"lora": "3"}', 'job 1', 11), 2, 'then they are, those that exist');

-- Against the same by SQL, over random patterns and combinations.
DELETE FROM failure_patterns;
INSERT INTO failure_patterns (id, source, pattern_key, description, conditions, failure_count, total_count,
                              failure_rate, rate_lower, rate_upper, baseline_rate, risk_ratio, severity)
SELECT row_number() OVER (), 'segments', fp_pattern_key(c), fp_pattern_text(c), c, 1, 2, 0.5, 0.4, 0.6, 0.1, 5, 'high'
FROM (SELECT DISTINCT jsonb_strip_nulls(jsonb_build_object(
          'lora', CASE hashint4extended(g, 1) & 3 WHEN 0 THEN to_jsonb((hashint4extended(g, 2) & 7)::text)
                       WHEN 1 THEN jsonb_build_array((hashint4extended(g, 2) & 3)::text, (4 + (hashint4extended(g, 3) & 3))::text) END,
          'character', CASE WHEN hashint4extended(g, 4) & 1 = 0 THEN (hashint4extended(g, 5) & 7)::text END,
          'model', CASE WHEN hashint4extended(g, 6) & 3 = 0 THEN (hashint4extended(g, 7) & 3)::text END,
          'segment_position', CASE hashint4extended(g, 8) & 3 WHEN 0 THEN jsonb_build_object('min', hashint4extended(g, 9) & 7)
                              WHEN 1 THEN jsonb_build_object('min', hashint4extended(g, 9) & 3, 'max', 3 + (hashint4extended(g, 10) & 3)) END)) AS c
      FROM generate_series(1, 800) g) r WHERE c <> '{}';
CREATE TEMP TABLE combos AS
SELECT g AS n, jsonb_build_object(
    'lora', (SELECT coalesce(jsonb_agg(l::text), '[]') FROM generate_series(0, 7) l WHERE hashint4extended(g * 8 + l, 11) & 3 = 0),
    'character', (hashint4extended(g, 12) & 7)::text, 'model', (hashint4extended(g, 13) & 3)::text,
    'segment_position', hashint4extended(g, 14) & 7) AS combo
FROM generate_series(1, 300) g;
SELECT results_eq(
    $$SELECT n, array_agg(DISTINCT id ORDER BY id)::text FROM combos, fp_check_combo(combo) c,
             unnest(c.folded || c.pattern_id) id GROUP BY n ORDER BY n$$,
    $$SELECT n, array_agg(p.id ORDER BY p.id)::text FROM combos, failure_patterns p
      WHERE coalesce(CASE jsonb_typeof(p.conditions -> 'lora') WHEN 'string' THEN combo -> 'lora' ? (p.conditions ->> 'lora')
                          ELSE combo -> 'lora' @> (p.conditions -> 'lora') END, true)
        AND coalesce(combo ->> 'character' = p.conditions ->> 'character', true)
        AND coalesce(combo ->> 'model' = p.conditions ->> 'model', true)
        AND (combo ->> 'segment_position')::integer >= coalesce((p.conditions -> 'segment_position' ->> 'min')::integer, 0)
        AND (combo ->> 'segment_position')::integer <= coalesce((p.conditions -> 'segment_position' ->> 'max')::integer, 99)
      GROUP BY n ORDER BY n$$,
    'every pattern that is met is told or folded, and no other');

-- Who may.
SET ROLE alert_nobody;
SET default_transaction_read_only = on;
SELECT cmp_ok((SELECT count(*) FROM fp_check_combo(lora => 3, avatar => 5)), '>', 0::bigint,
          'a role without rights, in a read-only transaction');
RESET ROLE;
SELECT * FROM finish();
