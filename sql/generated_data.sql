-- The generated PRD-49 data that other tests, the demo and the benchmarks rely
-- on: the same arguments give the same data, and the truth is what is planted.
\getenv abs_srcdir PG_ABS_SRCDIR
\set prd49 :abs_srcdir '/test/fixtures/prd49.sql'
\set patterns :abs_srcdir '/test/fixtures/prd49_patterns.sql'
\set generate :abs_srcdir '/test/fixtures/generate.sql'
SET client_min_messages = warning;

CREATE SCHEMA platform;
SET search_path = platform;
\set ECHO none
\i :prd49
\i :patterns
\i :generate
\set ECHO all
SELECT plant, pattern_key, description, segments, failed
FROM prd49_demo.generate(5000, '{lora_character,pair,workflow_update,confounded,clustered}');
SELECT count(*) AS scores, count(DISTINCT segment_id) AS segments,
       count(*) FILTER (WHERE status = 'fail') AS failed
FROM quality_scores;
SELECT md5(string_agg(concat_ws(',', segment_id, check_type, score, status), ';' ORDER BY id)) AS scores
FROM quality_scores
\gset avatar_
SELECT md5(string_agg(concat_ws(',', segment_id, model_asset_id, lora_configs), ';' ORDER BY id)) AS receipts
FROM generation_receipts
\gset avatar_

-- a score of a technical check passes at exactly 1, the others by their thresholds
SELECT count(*) AS wrong
FROM quality_scores q JOIN qa_thresholds t USING (check_type)
WHERE t.project_id IS NULL AND q.status <> CASE
    WHEN q.check_type IN ('resolution', 'artifacts') THEN CASE q.score WHEN 1 THEN 'pass' ELSE 'fail' END
    WHEN q.score >= t.warn_threshold THEN 'pass'
    WHEN q.score >= t.fail_threshold THEN 'warn' ELSE 'fail' END;

-- live traffic goes on where the history ended
CALL prd49_demo.live(30);
SELECT count(*) - 5000 * 6 AS scores, max(segment_id) AS last_segment,
       bool_and(created_at >= now() - interval '1 hour') FILTER (WHERE segment_id > 5000) AS recent
FROM quality_scores;

SELECT * FROM prd49_demo.generate(5000);
DROP SCHEMA platform, prd49_demo CASCADE;

-- under the old name of avatars: the same data but for that name
CREATE SCHEMA platform;
\set naming character
\set ECHO none
\i :prd49
\i :patterns
\i :generate
\set ECHO all
SELECT * FROM prd49_demo.generate(0);
SELECT * FROM prd49_demo.generate(10, '{typo}');
SELECT count(*) AS truths FROM prd49_demo.generate(5000, '{lora_character,pair,workflow_update,confounded,clustered}');
SELECT md5(string_agg(concat_ws(',', segment_id, check_type, score, status), ';' ORDER BY id)) AS scores
FROM quality_scores
\gset character_
SELECT md5(string_agg(concat_ws(',', segment_id, model_asset_id, lora_configs), ';' ORDER BY id)) AS receipts
FROM generation_receipts
\gset character_
SELECT :'avatar_scores' = :'character_scores' AS same_scores,
       :'avatar_receipts' = :'character_receipts' AS same_receipts;
SELECT count(*) AS scenes FROM scenes JOIN characters c ON c.id = character_id;
DROP SCHEMA platform, prd49_demo CASCADE;
