-- What the dashboard shows when it is tried: the platform's tables with 50,000
-- judged segments of the last 90 days, three things wrong with them, a release
-- that has nothing to do with it, and two fixes, of which one worked. psql runs
-- it at the top of the repository.
--
-- segments   how many, set by -v
\set ON_ERROR_STOP 1
\i test/fixtures/prd49.sql
\i test/fixtures/generate.sql
SELECT FROM prd49_demo.generate(:segments, '{lora_character,pair,workflow_update}') \g /dev/null

-- What was done about the workflow twelve days ago took away most of its failures.
UPDATE quality_scores q SET status = 'pass', score = 0.95
FROM prd49_demo.segment_plan p
WHERE p.id = q.segment_id AND q.status = 'fail' AND p.plant = 'workflow_update'
  AND p.started > now() - interval '12 days' AND prd49_demo.u(p.id, 7) < 0.75;

CREATE SCHEMA failpat;
CREATE EXTENSION failpat SCHEMA failpat;
SELECT format('ALTER DATABASE %I SET search_path = public, failpat', current_database()) \gexec
SET search_path = public, failpat;
SET client_min_messages = warning;
SELECT fp_attach_prd49('public') \g /dev/null
CALL fp_backfill('segments');
SELECT fp_record_event('release', 'Pipeline 3.2', now() - interval '60 days') \g /dev/null
CALL fp_refresh('segments');

-- Recorded by fp_record_fix they would be of today.
INSERT INTO pattern_fixes (pattern_id, fix_description, fix_parameters, effectiveness, reported_by_id, created_at)
SELECT p.id, f.description, f.parameters, f.effectiveness, f.by, now() - f.ago
FROM failure_patterns p
JOIN (VALUES ('w:22', 'The sampler of version 1 in version 2', '{"sampler": "euler"}'::jsonb, 'resolved', 2, interval '12 days'),
             ('l:13:c:102:sp:6+', 'More steps from segment 6 on', '{"steps": 40}', NULL, 3, interval '45 days'))
     AS f (pattern_key, description, parameters, effectiveness, by, ago) ON f.pattern_key = p.pattern_key;
CALL fp_refresh('segments');
