-- Fixes: recorded, rated, measured; and the platform's compatibility notes.
\set QUIET 1
\set ON_ERROR_STOP 1
\pset format unaligned
\pset tuples_only true
\pset pager off
SET client_min_messages = warning;
CREATE SCHEMA "Fail ""Pat"" ü";
CREATE EXTENSION failpat SCHEMA "Fail ""Pat"" ü";
\i test/fixtures/prd49.sql
\i test/fixtures/prd49_patterns.sql
SET search_path = "Fail ""Pat"" ü", public, tap;

SELECT plan(58);

INSERT INTO users (username, email, password_hash, role_id) VALUES ('ada', 'ada@example.org', '!', 2);
INSERT INTO assets (name, version, asset_type_id, file_path, file_size_bytes, checksum_sha256)
SELECT 'asset ' || g, '1', 1 + g % 2, '/' || g, 1, '-' FROM generate_series(1, 9) g;
SELECT fp_attach_prd49('public');
INSERT INTO failure_patterns (id, pattern_key, description, conditions, failure_count, total_count, failure_rate)
SELECT id, fp_pattern_key(c), fp_pattern_text(c), c, 60, 100, 0.6
FROM (VALUES (101, '{"lora": "3", "model": "2", "character": "5", "segment_position": {"min": 6}}'::jsonb),
             (102, '{"lora": "4"}'), (103, '{"character": "5"}'), (104, '{"lora": ["3", "4"], "model": "2"}'),
             (105, '{"lora": "no id", "model": "99"}'), (106, '{"lora": "3", "model": "2", "character": "5"}')) p (id, c);
INSERT INTO failure_patterns (id, pattern_key) VALUES (107, 'w:1');

-- Recording.
SELECT fp_record_fix(101, 'Use CFG 6.5', '{"cfg": 6.5}', 2) AS fix \gset
SELECT is((SELECT row(pattern_id, fix_description, fix_parameters, effectiveness, reported_by_id)::text FROM pattern_fixes WHERE id = :fix),
          '(101,"Use CFG 6.5","{""cfg"": 6.5}",,2)', 'a fix is recorded');
SELECT throws_ok('SELECT fp_record_fix(999, ''x'', NULL, 2)', '22023', 'there is no failure pattern 999');
SELECT throws_ok('SELECT fp_record_fix(101, ''  '', NULL, 2)', '22023', 'fix_description must not be empty');
SELECT throws_ok('SELECT fp_record_fix(101, ''x'')', '22023', 'reported_by must name a user, not NULL');
SELECT throws_ok('SELECT fp_record_fix(101, ''x'', NULL, 2, ''great'')', '22023',
                 'effectiveness must be "resolved", "improved" or "no_effect", not "great"');
SELECT ok(fp_rate_fix(:fix, 'improved'), 'it is rated');
SELECT is((SELECT effectiveness FROM pattern_fixes WHERE id = :fix), 'improved', 'as told');
SELECT ok(NOT fp_rate_fix(999, 'improved'), 'a fix that is not there cannot be');
SELECT throws_ok(format('SELECT fp_rate_fix(%s, ''worse'')', :fix), '22023',
                 'effectiveness must be "resolved", "improved" or "no_effect", not "worse"');

-- Notes.
SELECT results_eq('SELECT asset_id, related_asset_id, severity, author_id FROM asset_notes ORDER BY 1',
                  $$VALUES (2::bigint, 3::bigint, 'warning', 2::bigint), (3, 2, 'warning', 2)$$,
                  'a note for each asset of the pattern, about the other, a warning by its author');
SELECT is((SELECT array_agg(DISTINCT note_text) FROM asset_notes),
          '{"Failure pattern 101: Model 2 + LoRA 3 + Character 5 fails at segment 6+. Fix: Use CFG 6.5 ({\"cfg\": 6.5})"}',
          'it names pattern and fix');
SELECT is((SELECT note_ids FROM pattern_fixes WHERE id = :fix), (SELECT array_agg(id ORDER BY asset_id) FROM asset_notes), 'and is linked from the fix');
UPDATE pattern_fixes SET fix_description = 'Use CFG 6' WHERE id = :fix;
SELECT is((SELECT array_agg(DISTINCT note_text) FROM asset_notes),
          '{"Failure pattern 101: Model 2 + LoRA 3 + Character 5 fails at segment 6+. Fix: Use CFG 6 ({\"cfg\": 6.5})"}',
          'it is edited with the fix');
SELECT is((SELECT count(*) FROM asset_notes), 2::bigint, 'not doubled');
SELECT fp_rate_fix(:fix, 'resolved');
SELECT is((SELECT count(*) FROM asset_notes), 2::bigint, 'a rating leaves it alone');
SELECT fp_record_fix(102, 'Retrain', NULL, 2) AS alone \gset
SELECT results_eq('SELECT asset_id, related_asset_id FROM asset_notes WHERE note_text LIKE ''%Retrain''', 'VALUES (4::bigint, NULL::bigint)', 'a pattern of one asset: one note');
SELECT fp_record_fix(104, 'Not together', NULL, 2) AS trio \gset
SELECT results_eq('SELECT asset_id, related_asset_id FROM asset_notes WHERE note_text LIKE ''%Not together'' ORDER BY 1',
                  'VALUES (2::bigint, NULL::bigint), (3, NULL), (4, NULL)', 'of three: one each');
SELECT fp_record_fix(103, 'Other light', NULL, 2) AS noasset \gset
SELECT is((SELECT note_ids FROM pattern_fixes WHERE id = :noasset), '{}', 'of none: no note');
SELECT lives_ok('SELECT fp_record_fix(105, ''x'', NULL, 2)', 'assets that are not there');
SELECT is((SELECT count(*) FROM asset_notes), 6::bigint, 'get no note');
SELECT lives_ok('SELECT fp_record_fix(107, ''x'', NULL, 2)', 'a pattern that failpat did not find');
DELETE FROM pattern_fixes WHERE id = :trio;
SELECT is((SELECT count(*) FROM asset_notes), 3::bigint, 'removed with the fix');
DELETE FROM failure_patterns WHERE id = 102;
SELECT is((SELECT count(*) FROM asset_notes), 2::bigint, 'and with the pattern');
DELETE FROM assets WHERE id = 3;
SELECT lives_ok(format('UPDATE pattern_fixes SET fix_description = ''y'' WHERE id = %s', :fix), 'an asset gone, and its note with it');
SELECT is((SELECT count(*) FROM asset_notes), 0::bigint, 'they do not come back (both notes named it)');
INSERT INTO pattern_fixes (pattern_id, fix_description, reported_by_id, note_ids) VALUES (106, 'restored', 2, '{77}');
SELECT is((SELECT count(*) FROM asset_notes), 0::bigint, 'a row that is restored brings its notes along');

-- As a role that may write fixes and not notes.
CREATE ROLE fix_writer;
GRANT USAGE ON SCHEMA "Fail ""Pat"" ü", public, tap TO fix_writer;
GRANT SELECT, INSERT ON pattern_fixes TO fix_writer;
GRANT USAGE ON SEQUENCE pattern_fixes_id_seq TO fix_writer;
GRANT EXECUTE ON FUNCTION fp_record_fix(bigint, text, jsonb, bigint, text) TO fix_writer;
SET ROLE fix_writer;
SELECT lives_ok('SELECT fp_record_fix(106, ''by another'', NULL, 2)', 'without the right to write notes the fix is recorded all the same');
RESET ROLE;
SELECT is((SELECT note_ids FROM pattern_fixes WHERE fix_description = 'by another'), '{}', 'without notes');
DROP TABLE asset_notes;
SELECT lives_ok('SELECT fp_record_fix(106, ''no table'', NULL, 2)', 'without the table neither');
SELECT lives_ok(format('DELETE FROM pattern_fixes WHERE id = %s', :fix), 'and a fix that had notes can be removed');

-- The platform's own statements.
PREPARE s9(bigint, text, jsonb, text, bigint) AS
    INSERT INTO pattern_fixes (pattern_id, fix_description, fix_parameters, effectiveness, reported_by_id)
    VALUES ($1, $2, $3, $4, $5)
    RETURNING id, pattern_id, fix_description, fix_parameters, effectiveness, reported_by_id, created_at, updated_at;
PREPARE s10(bigint) AS
    SELECT id, pattern_id, fix_description, fix_parameters, effectiveness, reported_by_id, created_at, updated_at
    FROM pattern_fixes WHERE pattern_id = $1 ORDER BY created_at DESC;
PREPARE s11(text, bigint) AS
    UPDATE pattern_fixes SET effectiveness = $1 WHERE id = $2
    RETURNING id, pattern_id, fix_description, fix_parameters, effectiveness, reported_by_id, created_at, updated_at;
PREPARE s12(bigint) AS DELETE FROM pattern_fixes WHERE id = $1;
EXECUTE s9(103, 'Softer light', '{"light": 1}', NULL, 2) \gset s_
SELECT is(:'s_fix_description'::text, 'Softer light', 'statement 9');
SELECT lives_ok('EXECUTE s10(103)', 'statement 10');
EXECUTE s11('improved', :s_id) \gset s_
SELECT is(:'s_effectiveness'::text, 'improved', 'statement 11');
EXECUTE s12(:s_id);
SELECT is((SELECT count(*) FROM pattern_fixes WHERE id = :s_id), 0::bigint, 'statement 12');

-- What a fix did. A verdict function first: failures, trials, expected of each.
SELECT is((fp_effect(60, 100, 10, 10, 100, 10)).verdict, 'resolved', 'as the others fail, after six times as often: resolved');
SELECT is((fp_effect(60, 100, 10, 0, 100, 10)).verdict, 'resolved', 'not one failure has a ratio and a verdict too');
SELECT is((fp_effect(60, 100, 10, 30, 100, 10)).verdict, 'improved', 'half of it: improved');
SELECT is((fp_effect(600, 1000, 100, 590, 1000, 100)).verdict, 'no_effect', 'the same: no effect');
SELECT is((fp_effect(300, 1000, 100, 590, 1000, 100)).verdict, 'worse', 'more: worse');
SELECT is((fp_effect(60, 100, 10, 5, 9, 1)).verdict, 'too early', 'nine observations: too early');
SELECT is((fp_effect(60, 100, 10, 10, 20, 2)).verdict, 'too early', 'an interval that says nothing: too early');
SELECT is((fp_effect(400, 1000, 100, 800, 1000, 200)).verdict, 'no_effect', 'everything got worse by as much: not the fix');
SELECT is((fp_effect(0, 0, 0, 10, 20, 2)).ratio, NULL, 'nothing to compare with: no ratio');

-- By time, and by parameters that can be seen; over cubes by day.
UPDATE fp_sources SET window_length = '90 days' WHERE source = 'segments';
CREATE FUNCTION pg_temp.day(day integer, failures integer, trials integer, dims jsonb) RETURNS TABLE (d timestamptz, f bigint, n bigint, j jsonb)
LANGUAGE sql AS $$ SELECT fp_bucket(now(), '1 day') - make_interval(days => $1), $2::bigint, $3::bigint, $4 $$;
CREATE TABLE public.counted AS
SELECT r.* FROM generate_series(1, 40) g, LATERAL (
    SELECT * FROM pg_temp.day(g, 10, 100, '{"lora": ["1"], "character": "1", "segment_position": 1}')
    UNION ALL SELECT * FROM pg_temp.day(g, CASE WHEN g > 20 THEN 6 ELSE 1 END, 10, '{"lora": ["8"], "character": "5", "segment_position": 7}')
    UNION ALL SELECT * FROM pg_temp.day(g, 5, 10, '{"lora": ["7"], "character": "5", "segment_position": 7}')
    UNION ALL SELECT * FROM pg_temp.day(g, 1, 10, '{"lora": ["6"], "character": "5", "segment_position": 7}')
    UNION ALL SELECT * FROM pg_temp.day(g, 3, 10, '{"lora": ["9"], "character": "5", "segment_position": 7}')
    UNION ALL SELECT * FROM pg_temp.day(g, 8, 10, '{"lora": ["10"], "character": "5", "segment_position": 7}')) r;
INSERT INTO fp_cubes (source, bucket, cube, observations)
SELECT 'segments', d, failure_cube(f, n, j, '{segment_position}'), sum(n) FROM public.counted GROUP BY d;
INSERT INTO failure_patterns (id, pattern_key, description, conditions, failure_rate)
SELECT id, fp_pattern_key(c), fp_pattern_text(c), c, 0.6
FROM (VALUES (201, '{"lora": "8", "character": "5", "segment_position": {"min": 6}}'::jsonb),
             (202, '{"lora": "7", "character": "5"}')) p (id, c);
INSERT INTO pattern_fixes (id, pattern_id, fix_description, fix_parameters, effectiveness, reported_by_id, created_at) VALUES
    (901, 201, 'CFG', '{"cfg": 6}', NULL, 2, now() - interval '20 days'),
    (902, 202, 'LoRA 6 instead', '{"lora": "6"}', NULL, 2, now() - interval '20 days'),
    (903, 202, 'Pray', NULL, 'resolved', 2, now() - interval '20 days'),
    (904, 202, 'LoRA 99 instead', '{"lora": "99"}', NULL, 2, now()),
    (905, 202, 'LoRA 9 instead', '{"lora": "9"}', NULL, 2, now()),
    (906, 202, 'LoRA 10 instead', '{"lora": "10"}', NULL, 2, now());
SELECT fp_measure_fixes('segments');
SELECT is((SELECT row(basis, without_failures, without_trials, with_failures, with_trials, verdict)::text FROM fp_fix_effects WHERE fix_id = 901),
          '(time,120,200,19,190,resolved)', 'by time: before against after, the day itself left out');
SELECT is((SELECT row(basis, without_failures, without_trials, with_failures, with_trials, verdict)::text FROM fp_fix_effects WHERE fix_id = 902),
          '(parameters,200,400,40,400,resolved)', 'by its parameters: what used them against what did not');
SELECT is((SELECT row(verdict, lower < 1, upper > 1)::text FROM fp_fix_effects WHERE fix_id = 903), '(no_effect,t,t)', 'what did nothing');
SELECT is((SELECT row(basis, with_trials, verdict, ratio)::text FROM fp_fix_effects WHERE fix_id = 904), '(parameters,0,"too early",)', 'what nobody has tried yet');
SELECT is((SELECT row(basis, with_failures, with_trials, verdict)::text FROM fp_fix_effects WHERE fix_id = 905), '(parameters,120,400,improved)', 'what helps, and leaves more than the others have');
SELECT is((SELECT row(basis, with_failures, with_trials, verdict)::text FROM fp_fix_effects WHERE fix_id = 906), '(parameters,320,400,worse)', 'what makes it worse');
SELECT is(fp_measure_fixes('segments'), 0, 'the same data, nothing written');
SELECT is((SELECT array_agg(f ->> 'id') FROM fp_check_combo(lora => 7, avatar => 5, source => 'segments') c, jsonb_array_elements(c.fixes) f
           WHERE c.pattern_id = 202), '{902,905,904,903,906}', 'alerts have what was measured to help first');
SELECT is((SELECT f ->> 'related' FROM fp_check_combo(lora => 7, avatar => 5, source => 'segments') c, jsonb_array_elements(c.fixes) f
           WHERE f ->> 'id' = '902'), NULL, 'fixes of its own are not marked');

-- A relative: the same conditions but for the range.
INSERT INTO failure_patterns (id, pattern_key, description, conditions, failure_rate, status)
VALUES (203, 'l:8:c:5:sp:1-2', 'LoRA 8 + Character 5 fails at segment 1-2', '{"lora": "8", "character": "5", "segment_position": {"min": 1, "max": 2}}', 0.5, 'active');
SELECT is((SELECT row(f ->> 'id', f ->> 'related')::text FROM fp_check_combo(lora => 8, avatar => 5, segment_position => 1, source => 'segments') c,
                  jsonb_array_elements(c.fixes) f WHERE c.pattern_id = 203), '(901,true)', 'a fix of a close relative is told, and marked');

-- It worked once, and then no more.
UPDATE fp_fix_effects SET worked_at = fp_bucket(now(), '1 day') - interval '10 days' WHERE fix_id = 901;
UPDATE public.counted SET f = 6 WHERE j ->> 'lora' = '["8"]' AND d > fp_bucket(now(), '1 day') - interval '10 days';
DELETE FROM fp_cubes;
INSERT INTO fp_cubes (source, bucket, cube, observations)
SELECT 'segments', d, failure_cube(f, n, j, '{segment_position}'), sum(n) FROM public.counted GROUP BY d;
SELECT fp_refresh_advice('segments');
SELECT ok((SELECT stopped_working FROM fp_fix_effects WHERE fix_id = 901), 'a fix that stopped working is flagged');
SELECT ok(NOT (SELECT stopped_working FROM fp_fix_effects WHERE fix_id = 902), 'one that works on is not');
SELECT throws_ok('SELECT fp_effect(1, -5, 1, 1, 5, 1)', '22023', 'trials must not be negative: -5', 'fp_effect: counts that are none');
SELECT throws_ok($$ SELECT fp_effect(1, 5, 'NaN', 1, 5, 1) $$, '22023', 'expected failures must be finite and not negative: NaN, 1', 'and expectations');
SELECT is((fp_effect(1, 5, 1, NULL, 5, 1)).ratio, NULL, 'what is not known is no error');
SELECT * FROM finish();
