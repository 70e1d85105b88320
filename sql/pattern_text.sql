-- Keys and sentences of patterns.
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS failpat CASCADE;
RESET client_min_messages;
CREATE SCHEMA pattern_text;
CREATE EXTENSION failpat SCHEMA pattern_text;
SET search_path = pattern_text;

CREATE TABLE public.pattern_text_cases (n int, conditions jsonb);
INSERT INTO public.pattern_text_cases VALUES
(1, '{"segment_position": {"min": 6}, "lora": "3", "character": "12", "workflow": "5", "scene_type": "7"}'),
(2, '{"lora": ["7", "3"]}'),
(3, '{"lora": ["3", "3"], "model": 2}'),
(4, '{"segment_position": {"min": 6}}'),
(5, '{"segment_position": {"max": 4}}'),
(6, '{"segment_position": {"min": 2, "max": 5}, "avatar": "9"}'),
(7, '{"segment_position": {"min": 2, "max": 2}, "avatar": "9"}'),
(8, '{"zeta": "a:b+c%", "cfg_scale": {"min": 7.5, "max": null}}'),
(9, '{"steps": {"max": 30}, "cfg_scale": {"min": 7.5}}'),
(10, '{"sampler": "euler", "gpu_model": true}'),
(11, '{"segment_position": {"max": 4}, "lora": "3"}');
SELECT n, fp_pattern_key(conditions) FROM public.pattern_text_cases ORDER BY n;
SELECT n, fp_pattern_text(conditions) FROM public.pattern_text_cases ORDER BY n;

-- names, titles and prefixes from outside
SELECT fp_pattern_text('{"lora": ["3", "7"], "character": "5", "segment_position": {"min": 6}}', d),
       fp_pattern_key('{"lora": ["3", "7"], "character": "5", "segment_position": {"min": 6}}', d)
FROM (VALUES ('{"lora": {"title": "Style", "key": "style", "labels": {"3": "Film grain"}},
                "character": {"labels": {"5": "Anna"}}, "segment_position": {"title": "shot"}}'::jsonb)) AS v(d);
SELECT fp_pattern_text('{"lora": "3"}', direction => 'better'),
       fp_pattern_text('{"lora": "3", "segment_position": {"min": 2}}', "check" => 'face_confidence'),
       fp_pattern_text('{"lora": "3"}', NULL, 'better', 'face_confidence');

-- a value cannot pass for another condition
SELECT fp_pattern_key('{"lora": "3:c:5"}') <> fp_pattern_key('{"lora": "3", "character": "5"}') AS colon,
       fp_pattern_key('{"lora": "3+7"}') <> fp_pattern_key('{"lora": ["3", "7"]}') AS plus,
       fp_pattern_key('{"x": "6+"}') <> fp_pattern_key('{"x": {"min": 6}}') AS range,
       fp_pattern_key('{"x": "a%3Ab"}') <> fp_pattern_key('{"x": "a:b"}') AS percent;

-- what is not a pattern
SELECT fp_pattern_key(NULL), fp_pattern_text(NULL);
\set SHOW_CONTEXT never
SELECT fp_pattern_key('[]');
SELECT fp_pattern_key('{}');
SELECT fp_pattern_key('{"lora": null}');
SELECT fp_pattern_key('{"lora": []}');
SELECT fp_pattern_key('{"lora": [["3"]]}');
SELECT fp_pattern_key('{"segment_position": {}}');
SELECT fp_pattern_key('{"lora": "3"}', '[]');
SELECT fp_pattern_text('{"lora": "3"}', direction => 'both');
\echo :LAST_ERROR_SQLSTATE
DROP TABLE public.pattern_text_cases;
DROP EXTENSION failpat;
