-- A tour of failpat in psql: what fails, where, why that is believed, since when,
-- what to use instead, what fixed it, and what is to be expected.
--
-- In the checkout, on an empty database of its own:
--
--   createdb tour && psql -X -d tour -f examples/tour.sql
--
-- It makes the platform's tables (PRD-49) with 50,000 generated segments and
-- attaches failpat to them. Where that has been done already, as in "make demo",
-- it only looks. -v colors=false leaves out the colours.

\set QUIET 1
\set ON_ERROR_STOP 1
\pset pager off
\pset footer off
\if :{?colors} \else \set colors true \endif
SET client_min_messages = warning;
SELECT to_regclass('prd49_demo.truth') IS NULL AS fresh \gset
\if :fresh
\echo 'The platform''s tables, 50,000 generated segments with scores; failpat is attached to them ...'
\i test/fixtures/prd49.sql
\i test/fixtures/generate.sql
SELECT FROM prd49_demo.generate(50000, '{lora_character,workflow_update}') \g /dev/null
CREATE SCHEMA failpat;
CREATE EXTENSION failpat SCHEMA failpat;
SELECT failpat.fp_attach_prd49('public', refresh => 'manual') \g /dev/null
CALL failpat.fp_backfill('segments');
CALL failpat.fp_refresh('segments');
\endif
SET search_path = public, failpat;
-- ids, for those who know names only
SELECT min(id) FILTER (WHERE name = 'Velvet Grain') AS velvet_grain FROM assets \gset
SELECT min(id) AS bruno FROM avatars WHERE name = 'Bruno' \gset
SELECT min(id) FILTER (WHERE dimension_lora_id = :velvet_grain) AS pattern FROM failure_patterns WHERE status = 'active' \gset
\set ECHO queries

\if :fresh
\echo
\echo '--- What fails, and is neither chance nor explained by something simpler?'
\echo
SELECT id, pattern, failed, rate, interval, usual, severity, status FROM fp_pattern_list;
\endif

\echo '--- Where is it red? Bruno''s segments, by LoRA and position'
\echo
\pset format unaligned
\pset tuples_only on
SELECT fp_heatmap_text('lora', 'segment_position', filter => jsonb_build_object('character', :'bruno'), row_limit => 8, col_limit => 10, colors => :colors);
\pset tuples_only off
\pset format aligned

\echo
\echo '--- Why is that believed? Every gate that it had to pass'
\echo
SELECT e.gate, e.passed, e.against, e.failures || ' of ' || e.trials AS failed, e.other_failures || ' of ' || e.other_trials AS others, to_char(e.p_value, '9.9EEEE') AS p_value
FROM failure_patterns p,
     fp_explain((SELECT array_agg(cube ORDER BY bucket) FROM fp_cubes), p.conditions) e
WHERE p.id = :pattern;

\echo '--- Which segments were that? The newest failures behind it'
\echo
SELECT observed_at::timestamp(0), obs_key AS segment, failed_checks, dims ->> 'model' AS model, dims ->> 'workflow' AS workflow, dims ->> 'segment_position' AS position
FROM fp_drilldown(pattern_id => :pattern, failed_only => true, page_size => 3);

\echo '--- Did the last update make it better or worse?'
\echo
SELECT what, got, since, reading FROM fp_change_list;

\echo '--- Am I about to repeat a known mistake, and what do I use instead?'
\echo
SELECT severity, message FROM fp_check_combo(lora => :velvet_grain, "character" => :bruno);
SELECT a ->> 'sentence' AS instead
FROM fp_check_combo(lora => :velvet_grain, "character" => :bruno), jsonb_array_elements(alternatives) AS a LIMIT 3;

\echo '--- What fixed it? Somebody found out; the next one to ask is told'
\echo
SELECT fp_record_fix(:pattern, 'LoRA weight 0.6 instead of 0.9', '{"lora_weight": 0.6}', reported_by => 1) AS fix;
SELECT f ->> 'fix_description' AS known_fix, coalesce(f ->> 'measured', 'not measured yet') AS effect
FROM fp_check_combo(lora => :velvet_grain, "character" => :bruno), jsonb_array_elements(fixes) AS f;

\echo '--- How likely does it fail, and is a retry worth it?'
\echo
SELECT fp_percent(probability) AS fails, fp_percent(lower, upper) AS interval, fp_percent(baseline_rate) AS usual,
       contributions -> 0 ->> 'label' AS driven_by
FROM fp_predict(lora => :velvet_grain, "character" => :bruno, segment_position => 8);
SELECT verdict, retry, fp_percent(pass_probability) AS next_passes, fp_percent(pass_within) AS any_passes, instead -> 0 -> 'alternatives' -> 0 ->> 'sentence' AS instead
FROM fp_retry_advice(lora => :velvet_grain, "character" => :bruno, segment_position => 8, failures => 2);
\set ECHO none
