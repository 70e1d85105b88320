-- JSON for a dashboard: each call says what the function behind it says.
\set QUIET 1
\set ON_ERROR_STOP 1
\pset format unaligned
\pset tuples_only true
\pset pager off
SET client_min_messages = warning;
CREATE SCHEMA "Fail ""Pat"" ü";
CREATE EXTENSION failpat SCHEMA "Fail ""Pat"" ü";
SET search_path = "Fail ""Pat"" ü", tap;
SET timezone = 'Asia/Kolkata'; -- times are in UTC all the same
SELECT no_plan();

-- An empty house.
SELECT throws_ok('SELECT fp_api_dimensions()', '22023', 'there is no source');
SELECT throws_ok($$SELECT fp_api_cells('lora', 'who')$$, '22023', 'there is no source');
SELECT throws_ok('SELECT fp_api_trend()', '22023', 'there is no source');
SELECT is(fp_api_status(), '[]', 'no source has a status');
SELECT is(fp_api_known_fixes(), '[]', 'no fixes');
SELECT is(fp_api_rate_fix(1, 'improved'), 'null', 'no fix to rate');

-- Thirty days: LoRA 3 with Ada fails; Bruno (the second) since the release, ten days ago.
CREATE TABLE public.people (id bigint PRIMARY KEY, name text);
INSERT INTO public.people VALUES (1, 'Ada'), (2, 'Bruno'), (3, 'Bruno'), (4, 'Carla');
CREATE TABLE public.judged AS
SELECT n AS source_key, n::text AS obs_key,
       date_trunc('day', now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC' - n % 30 * interval '1 day' + interval '1 second' * (n / 30) AS observed_at,
       (n * 2654435761) % 1000 < CASE WHEN n / 30 % 7 = 3 AND 1 + n / 210 % 4 = 1 THEN 600
                                      WHEN 1 + n / 210 % 4 = 3 AND n % 30 < 10 THEN 500 ELSE 100 END AS failed,
       n, 5 AS workflow, CASE WHEN n / 30 % 7 > 0 THEN ARRAY[n / 30 % 7] ELSE '{}' END AS lora,
       1 + n / 210 % 4 AS who, 1 + n / 840 % 12 AS segment
FROM generate_series(1::bigint, 24000) n;
CREATE VIEW public.checked AS
SELECT source_key, obs_key, observed_at, failed, CASE WHEN failed THEN ARRAY[CASE n % 2 WHEN 0 THEN 'even' ELSE 'odd' END] ELSE '{}' END AS failed_checks,
       workflow, lora, who, segment FROM public.judged;
SELECT fp_attach('runs', 'public.checked', dimensions => '{"who": {"label_table": "public.people"}, "segment": {"kind": "ordinal"}}') \g /dev/null
SELECT is(fp_api_dimensions() - '{first,last,dimensions}'::text[], '{"source": "runs", "bucket_days": 1, "window_days": 90, "checks": []}', 'a source before its first refresh');
SELECT is(fp_api_prediction('{"who": 1}'), 'null', 'nothing is predicted then');
SELECT is(fp_api_values('who'), '[]', 'and no value was used');
SELECT is(fp_api_cells('who', 'lora'), '{"row_dimension": "who", "col_dimension": "lora", "rows": [], "cols": [], "cells": []}', 'an empty heatmap');
SELECT is(fp_api_trend(), '[]', 'no trend');
CALL fp_backfill('runs');
SELECT fp_record_event('release', 'Version 2', date_trunc('day', now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC' - interval '9 days', '{"who": "3"}', 'runs') AS event \gset
CALL fp_refresh('runs');
SELECT id AS known FROM failure_patterns WHERE conditions = '{"lora": "3", "who": "1"}' \gset

-- Dimensions and values.
SELECT is(fp_api_dimensions('runs') -> 'dimensions',
    '[{"name": "workflow", "title": "Workflow", "kind": "nominal", "choosable": true}, {"name": "lora", "title": "LoRA", "kind": "set", "choosable": true},
      {"name": "segment", "title": "segment", "kind": "ordinal", "choosable": false}, {"name": "who", "title": "Who", "kind": "nominal", "choosable": false}]',
    'dimensions, in order');
SELECT is(fp_api_dimensions() -> 'checks', '["even", "odd"]', 'its checks');
SELECT ok(fp_api_dimensions() ->> 'first' ~ 'T00:00:00.000000Z$' AND fp_api_dimensions() ->> 'last' = fp_rfc3339(date_trunc('day', now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC'),
          'its first and last bucket');
SELECT is((SELECT jsonb_agg(v -> 'label') FROM jsonb_array_elements(fp_api_values('who')) v), '["Ada", "Bruno (2)", "Bruno (3)", "Carla"]', 'values by name, told apart');
SELECT is((SELECT jsonb_agg(v -> 'value') FROM jsonb_array_elements(fp_api_values('segment')) v), (SELECT jsonb_agg(n::text ORDER BY n) FROM generate_series(1, 12) n), 'or in the order of numbers');
SELECT is((SELECT row(sum((v -> 'trials')::bigint), sum((v -> 'failures')::bigint)) FROM jsonb_array_elements(fp_api_values('who')) v)::text,
          (SELECT row(count(*), count(*) FILTER (WHERE failed)) FROM public.judged)::text, 'they count everything once');
SELECT is((SELECT jsonb_agg(v - '{label,rate,lower,upper}'::text[] ORDER BY v -> 'value') FROM jsonb_array_elements(fp_api_values('lora', filter => '{"who": "1"}', "check" => 'odd',
                  since => now() - interval '5 days')) v),
          (SELECT jsonb_agg(x.j ORDER BY x.j -> 'value') FROM (
               SELECT jsonb_build_object('value', l::text, 'trials', count(*), 'failures', count(*) FILTER (WHERE failed AND n % 2 = 1)) AS j
               FROM public.judged, unnest(lora) l WHERE who = 1 AND observed_at >= date_trunc('day', (now() - interval '5 days') AT TIME ZONE 'UTC') AT TIME ZONE 'UTC' GROUP BY l) x),
          'of a filter, a check and a period');
SELECT throws_ok($$SELECT fp_api_values('colour')$$, '22023', 'source runs has no dimension "colour"');

-- Cells.
SELECT is((SELECT jsonb_agg(c - '{lower,upper,rate,severity,color,enough_data}'::text[] || jsonb_build_object('row', x.j -> 'rows' -> (c -> 'r')::integer, 'col', x.j -> 'cols' -> (c -> 'c')::integer))
           FROM (SELECT fp_api_cells('who', 'segment', filter => '{"lora": "3"}', row_limit => 500) AS j) x, jsonb_array_elements(x.j -> 'cells') c WHERE (c -> 'r')::integer = 2 AND (c -> 'c')::integer < 2),
    (SELECT jsonb_agg(jsonb_build_object('r', 2, 'c', segment - 1, 'trials', n, 'failures', f, 'row', '{"value": "3", "label": "Bruno (3)", "condition": "3"}'::jsonb,
                                         'col', jsonb_build_object('value', segment::text, 'label', segment::text, 'condition', segment)) ORDER BY segment)
     FROM (SELECT segment, count(*) AS n, count(*) FILTER (WHERE failed) AS f FROM public.judged WHERE who = 3 AND lora = '{3}' AND segment <= 2 GROUP BY segment) s),
    'cells name their row and column by number');
SELECT is((SELECT jsonb_agg(c -> 'trials' ORDER BY c -> 'r', c -> 'c') FROM jsonb_array_elements(fp_api_cells('lora', 'lora', source => 'runs') -> 'cells') c
           WHERE c -> 'r' = '0'), (SELECT jsonb_build_array(count(*)) FROM public.judged WHERE lora = '{1}'), 'a set against itself: no LoRA was used with another');
SELECT is(fp_api_cells('lora', 'lora') -> 'rows' -> 0 -> 'condition', '"1"', 'one member is what a filter says of each side');
SELECT is(jsonb_array_length(fp_api_cells('who', 'lora', row_limit => 2) -> 'rows'), 2, 'the top rows');
SELECT throws_ok($$SELECT fp_api_cells('who', 'lora', palette => 'pastel')$$, '22023', 'there is no palette "pastel"');
SELECT ok(fp_api_cells('who', 'lora', palette => 'mono') -> 'cells' -> 0 -> 'color' <> fp_api_cells('who', 'lora') -> 'cells' -> 0 -> 'color', 'another palette has other colours');

-- Observations.
CREATE TABLE public.pages (n integer, page jsonb);
DO $$
DECLARE
    page jsonb;
    place text;
BEGIN
    FOR i IN 1 .. 200 LOOP
        page := fp_api_observations('{"lora": "3"}', page_size => 37, after => place);
        INSERT INTO public.pages VALUES (i, page);
        place := page ->> 'next';
        EXIT WHEN place IS NULL;
    END LOOP;
END $$;
SELECT is((SELECT string_agg(o ->> 'obs_key', ' ' ORDER BY p.n, place) FROM public.pages p, jsonb_array_elements(page -> 'observations') WITH ORDINALITY x (o, place)),
          (SELECT string_agg(obs_key, ' ' ORDER BY observed_at DESC, obs_key COLLATE "C" DESC) FROM public.judged WHERE failed AND lora = '{3}'),
          'failures, page by page, newest first: each once');
SELECT is(fp_api_observations('{"lora": "3"}', page_size => 1) -> 'labels',
          (SELECT jsonb_build_object('who', jsonb_build_object(who::text, CASE who WHEN 1 THEN 'Ada' WHEN 4 THEN 'Carla' ELSE 'Bruno' END))
           FROM public.judged WHERE failed AND lora = '{3}' ORDER BY observed_at DESC, obs_key COLLATE "C" DESC LIMIT 1), 'with the names of its values');
SELECT is(fp_api_observations(pattern_id => :known, page_size => 3) -> 'observations', fp_api_observations('{"lora": "3", "who": "1"}', page_size => 3) -> 'observations', 'of a pattern');
SELECT is((fp_api_observations(page_size => 1, failed_only => false) -> 'observations' -> 0) - '{observed_at,dims}'::text[],
          (SELECT to_jsonb(x) FROM (SELECT obs_key, obs_key AS source_key, failed, failed_checks, NULL::text AS job, NULL::jsonb AS scores
                                    FROM public.checked ORDER BY observed_at DESC, obs_key COLLATE "C" DESC LIMIT 1) x), 'all of an observation');
SELECT is(fp_api_observations('{"who": "99"}'), '{"observations": [], "labels": {}, "next": null}', 'none');
SELECT is(jsonb_array_length(fp_api_observations(page_size => 100000) -> 'observations'), 1000, 'no more than a thousand');
SELECT throws_ok('SELECT fp_api_observations(after => ''x'')', '22023', NULL, 'a page that there is not');
SELECT throws_ok('SELECT fp_api_observations(pattern_id => 999)', '22023', 'there is no failure pattern 999');

-- Trend.
SELECT is((SELECT jsonb_agg(jsonb_build_array(t -> 'trials', t -> 'failures', t -> 'gap')) FROM jsonb_array_elements(fp_api_trend('{"who": "3"}')) t),
          (SELECT jsonb_agg(jsonb_build_array(n, f, false) ORDER BY day) FROM (
               SELECT observed_at::date AS day, count(*) AS n, count(*) FILTER (WHERE failed) AS f FROM public.judged WHERE who = 3 GROUP BY 1) x), 'a point for each day');
SELECT is((SELECT jsonb_agg(t -> 'time') FROM jsonb_array_elements(fp_api_trend('{"who": "3"}')) t WHERE t ->> 'change' = 'regression'),
          (SELECT jsonb_build_array(fp_rfc3339(at)) FROM fp_events WHERE id = :event), 'with the change');
SELECT is(fp_api_trend(pattern_id => :known), fp_api_trend('{"lora": "3", "who": "1"}'), 'of a pattern');
SELECT ok(jsonb_array_length(fp_api_trend(bucket => '1 week')) BETWEEN 5 AND 6, 'by weeks');
SELECT is(fp_api_trend('{"who": "3"}', pattern_id => NULL, "check" => 'unheard') #> '{0,failures}', '0', 'a check that nobody made never failed');
SELECT throws_ok(format($$SELECT fp_api_trend('{"who": "3"}', %s)$$, :known), '22023', format('filter and failure pattern %s have conditions on the same dimension', :known));
SELECT lives_ok(format($$SELECT fp_api_trend('{"who": "1", "segment": {"min": 2}}', %s)$$, :known), 'the same condition is none more');
SELECT throws_ok(format($$SELECT fp_api_trend(source => 'elsewhere', pattern_id => %s)$$, :known), '22023', format('failure pattern %s is one of source runs, not of elsewhere', :known));

-- Changes and events.
CREATE TABLE public.seen AS SELECT c FROM jsonb_array_elements(fp_api_changes(dimension => 'who')) c WHERE c ->> 'value' = '3' AND c ->> 'kind' = 'shift';
SELECT is((SELECT c - (SELECT array_agg(k) FROM jsonb_object_keys(c) k WHERE k NOT IN ('source', 'dimension', 'value', 'label', 'conditions', 'direction', 'at', 'part_of')) FROM public.seen),
          (SELECT jsonb_build_object('source', 'runs', 'dimension', 'who', 'value', '3', 'label', 'Bruno', 'conditions', '{"who": "3"}'::jsonb, 'direction', 'regression',
                                     'at', fp_rfc3339(at), 'part_of', NULL) FROM fp_events WHERE id = :event), 'a change, of what, when and which way');
SELECT is((SELECT c -> 'event' -> 'id' FROM public.seen), to_jsonb(:event), 'and what most probably did it');
SELECT is((SELECT c -> 'events' -> 0 FROM public.seen), (SELECT c -> 'event' FROM public.seen), 'the most probable is the first of several');
SELECT is((SELECT (c -> 'failures_after')::bigint FROM public.seen),
          (SELECT count(*) FROM public.seen, jsonb_array_elements(fp_api_observations(change => c, page_size => 1000) -> 'observations') o), 'a change leads to its failures');
SELECT ok(fp_api_changes(all_dimensions => true) @> (SELECT jsonb_build_array(c - '{q_value,part_of}'::text[]) FROM public.seen), 'that of all dimensions has it too');
SELECT throws_ok($$SELECT fp_api_changes(dimension => 'who', all_dimensions => true)$$, '22023', NULL, 'one or all');
SELECT is((SELECT e - '{at}'::text[] FROM jsonb_array_elements(fp_api_events()) e WHERE e ->> 'origin' = 'recorded'),
          jsonb_build_object('id', :event, 'kind', 'release', 'label', 'Version 2', 'scope', '{"who": "3"}'::jsonb, 'origin', 'recorded', 'check', NULL, 'effect', NULL, 'share', 1, 'details', NULL), 'an event');
SELECT is(fp_api_events(since => now() + interval '1 day'), '[]', 'of a period');

-- Why, and how likely.
SELECT is((fp_api_explanation(pattern_id => :known) -> -1) - '{failures,trials,rate,against}'::text[],
    '{"step": 8, "gate": "result", "passed": true, "note": "it is reported", "p_value": null, "level": null, "other_failures": null, "other_trials": null, "other_rate": null, "risk_ratio": null, "rr_lower": null, "rr_upper": null}'
        || jsonb_build_object('step', jsonb_array_length(fp_api_explanation(pattern_id => :known))), 'why it is a pattern');
SELECT is(fp_api_explanation('{"who": "4"}') -> -1 -> 'passed', 'false', 'and why something is not');
SELECT throws_ok('SELECT fp_api_explanation()', '22023', NULL, 'there must be conditions');
SELECT throws_ok($$SELECT fp_api_explanation('{"colour": "4"}')$$, '22023', 'source runs has no dimension "colour"');
SELECT is((SELECT round((fp_api_prediction('{"who": "1", "lora": "3", "segment": 2}') -> 'probability')::numeric, 1)), 0.6, 'how likely it fails');
SELECT ok(fp_api_prediction('{"who": "1"}') -> 'data' ->> 'since' ~ 'T00:00:00.000000Z$', 'from data since then');

-- Fixes.
CREATE TABLE public.fix AS SELECT fp_api_record_fix(:known, 'Lower the weight', '{"weight": 0.6}', reported_by => 2) AS j;
SELECT is((SELECT j FROM public.fix), fp_api_fixes(:known) -> 0, 'a fix that is recorded is shown');
SELECT is((SELECT j - '{id,created_at,updated_at}'::text[] FROM public.fix), jsonb_build_object('pattern_id', :known, 'fix_description', 'Lower the weight', 'fix_parameters', '{"weight": 0.6}'::jsonb,
          'effectiveness', NULL, 'reported_by_id', 2, 'measured', NULL, 'note_ids', '[]'::jsonb), 'as it is');
SELECT is(fp_api_rate_fix((SELECT (j -> 'id')::bigint FROM public.fix), 'improved') -> 'effectiveness', '"improved"', 'rated');
SELECT is(fp_api_known_fixes() -> 0 -> 'description', (SELECT to_jsonb(description) FROM failure_patterns WHERE id = :known), 'and known, with what it is about');
SELECT is(fp_api_known_fixes(:known + 1), '[]', 'not of another pattern');
SELECT throws_ok('SELECT fp_api_record_fix(999, ''x'', reported_by => 2)', '22023', 'there is no failure pattern 999');
SELECT throws_ok(format('SELECT fp_api_rate_fix(%s, ''great'')', (SELECT j ->> 'id' FROM public.fix)), '22023', NULL, 'one of three words');

SELECT is((SELECT jsonb_build_array(s -> 'source', s -> 'observations', s -> 'dirty_buckets', s -> 'error') FROM jsonb_array_elements(fp_api_status()) s), '["runs", 24000, 0, null]', 'the status of a source');
SELECT is(fp_api_number('Infinity'), NULL, 'JSON has no infinite numbers');
SELECT is(fp_api_number('NaN'), NULL, 'and all are numbers');
SELECT is(fp_api_time('infinity'), NULL, 'nor infinite times');

-- Who may.
CREATE ROLE api_dashboard_reader;
GRANT USAGE ON SCHEMA "Fail ""Pat"" ü", tap TO api_dashboard_reader;
SET ROLE api_dashboard_reader;
SELECT throws_ok(q, '42501', NULL, q) FROM unnest(ARRAY['SELECT fp_api_dimensions()', 'SELECT fp_api_values(''who'')', 'SELECT fp_api_cells(''who'', ''lora'')',
    'SELECT fp_api_observations()', 'SELECT fp_api_trend()', 'SELECT fp_api_changes()', 'SELECT fp_api_events()', 'SELECT fp_api_explanation(''{"who": "4"}'')',
    'SELECT fp_api_status()', 'SELECT fp_api_record_fix(1, ''x'')', 'SELECT fp_api_rate_fix(1, ''improved'')']) q;
SELECT lives_ok('SELECT fp_api_known_fixes(), fp_api_prediction(''{"who": "1"}'')', 'what was learnt is for everyone');
RESET ROLE;
DROP OWNED BY api_dashboard_reader;
DROP ROLE api_dashboard_reader;
SELECT * FROM finish();
