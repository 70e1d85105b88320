-- Trends of a source: series, levels, changes, what caused them, what is told.
\set VERBOSITY terse
\set SHOW_CONTEXT never
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS failpat CASCADE;
DROP SCHEMA IF EXISTS "Fail ""Pat"" ü" CASCADE;
CREATE SCHEMA "Fail ""Pat"" ü";
CREATE EXTENSION failpat SCHEMA "Fail ""Pat"" ü";
CREATE SCHEMA shifts;
SET search_path = shifts, "Fail ""Pat"" ü", public;
SET timezone = 'UTC';
RESET client_min_messages;

-- 89 days in Berlin, clocks put forward on March 29, 99 runs a day, none on
-- four days of February. Scene 3 fails 10 %, from March 20 50 %, from April 10
-- again 10 %; of all others 10 % fail, whatever is noise.
CREATE TABLE scenes (id int, name text);
INSERT INTO scenes SELECT i, 'Scene ' || chr(65 + i) FROM generate_series(0, 5) i;
CREATE TABLE runs (id serial PRIMARY KEY, at timestamptz, failed boolean, checks text[], model int, scene int, noise int, lora text[], pos numeric);
CREATE VIEW judged AS SELECT id AS source_key, 'run ' || id AS obs_key, at AS observed_at, failed, checks AS failed_checks,
                             model, scene, noise, lora, pos FROM runs;
SELECT fp_attach('runs', 'judged', '{"shifts.runs": "id"}', bucket_zone => 'Europe/Berlin', window_length => '100 years',
                 dimensions => '{"pos": {"kind": "ordinal"}, "model": {"choosable": true}, "scene": {"label_table": "shifts.scenes"}}');
CREATE FUNCTION make_runs(first int, last int, since timestamptz DEFAULT '2026-03-20 00:00 Europe/Berlin', until timestamptz DEFAULT '2026-04-10 00:00 Europe/Berlin')
RETURNS void LANGUAGE sql AS $$
    INSERT INTO runs (at, failed, checks, model, scene, noise, lora, pos)
    SELECT at, failed, CASE WHEN failed THEN CASE WHEN scene = 3 OR i % 2 = 0 THEN '{face}' ELSE '{face,motion}' END ELSE '{}' END::text[],
           CASE WHEN n > 5 THEN 1 + (at >= '2026-04-10 00:00 Europe/Berlin')::int END, scene, nullif((i * 7 + n * 13) % 61, 60),
           CASE WHEN i % 11 > 0 THEN ARRAY['a' || i % 4, 'b' || i % 3] END, 1 + i % 10
    FROM (SELECT n, i, i % 6 AS scene, day + i * interval '14 minutes' AS at
          FROM generate_series(first, last) n, generate_series(0, 98) i,
               LATERAL (SELECT (timestamp '2026-02-01' + n * interval '1 day') AT TIME ZONE 'Europe/Berlin' AS day) d
          WHERE n NOT BETWEEN 12 AND 15) r,
        LATERAL (SELECT (hashint8extended(n * 1000 + i, 5) & 1023) / 1024.0
                        < CASE WHEN scene = 3 AND at >= since AND at < until THEN 0.5 ELSE 0.1 END AS failed) f
$$;
SELECT make_runs(0, 60);
CALL fp_refresh('runs');
SELECT make_runs(61, 61);
UPDATE runs SET pos = pos WHERE id % 300 = 0;

-- Every bucket is what the observations say, whatever its width, where some are
-- refreshed and some are not, and after that.
CREATE FUNCTION compare(bucket interval, filter jsonb, "check" text DEFAULT NULL, since timestamptz DEFAULT NULL, until timestamptz DEFAULT NULL)
RETURNS TABLE (buckets bigint, empty bigint, trials bigint, failures bigint, wrong bigint) LANGUAGE sql AS $$
    SELECT count(*), count(*) FILTER (WHERE t.gap), sum(t.trials), sum(t.failures),
           count(*) FILTER (WHERE (t.trials, t.failures) IS DISTINCT FROM (coalesce(o.n, 0), coalesce(o.f, 0))
                               OR t.rate IS DISTINCT FROM o.f::float8 / o.n OR t.value IS DISTINCT FROM t.rate
                               OR t.gap <> (o.n IS NULL))
    FROM fp_trend(filter, bucket, 'runs', since, until, "check") t
    FULL JOIN (SELECT CASE WHEN bucket >= '1 day' THEN date_trunc(CASE bucket WHEN '1 day' THEN 'day' WHEN '7 days' THEN 'week' ELSE 'month' END, observed_at, 'Europe/Berlin')
                           ELSE date_bin(bucket, observed_at, '2001-01-01 00:00 Europe/Berlin') END AS at,
                      count(*) AS n, count(*) FILTER (WHERE failed AND ("check" IS NULL OR "check" = ANY (failed_checks))) AS f
               FROM fp_observations
               WHERE fp_conditions_met(dims, filter, '{pos}') AND (since IS NULL OR observed_at >= date_trunc('day', since, 'Europe/Berlin'))
                 AND (until IS NULL OR observed_at < until)
               GROUP BY 1) o ON o.at = t."time"
$$;
CREATE VIEW compared AS
SELECT q.n, c.* FROM (VALUES
    (1, interval '1 day', '{}'::jsonb, NULL, NULL::timestamptz, NULL::timestamptz),
    (2, '7 days', '{"scene": "3"}', NULL, NULL, NULL),
    (3, '1 month', '{"scene": "3", "lora": "a1", "pos": {"min": 3}}', 'face', NULL, NULL),
    (4, '1 hour', '{"lora": ["a1", "b2"]}', NULL, NULL, NULL),
    (5, '1 day', '{"noise": null, "model": "1"}', 'motion', NULL, NULL),
    (6, '1 day', '{"scene": "2"}', 'no such check', '2026-03-27 15:00', '2026-03-31 00:00 Europe/Berlin'),
    (7, '6 hours', '{"scene": "2"}', NULL, '2026-03-28 00:00 Europe/Berlin', '2026-03-31 01:00 Europe/Berlin')
) q (n, bucket, filter, chk, since, until), compare(q.bucket, q.filter, q.chk, q.since, q.until) c;
SELECT * FROM compared ORDER BY n;
SELECT (SELECT count(*) FROM fp_cubes) AS cubes, (SELECT count(DISTINCT bucket) FROM fp_dirty) AS dirty, (SELECT count(*) FROM fp_pending) AS pending;
SELECT make_runs(62, 88);
CALL fp_refresh('runs');
SELECT * FROM compared ORDER BY n;
-- each local day is one bucket, that of 23 hours too; so is one of 25
SELECT "time", "time" AT TIME ZONE 'Europe/Berlin' AS local, trials, round(level::numeric, 3) AS level, gap, change
FROM fp_trend('{"scene": "3"}', since => '2026-03-27 12:00', until => '2026-03-31');
INSERT INTO runs (at, failed, model, scene, pos) SELECT timestamptz '2025-10-25 22:30' + i * interval '1 hour', false, 1, 1, 1 FROM generate_series(0, 26) i;
SELECT "time", trials, gap FROM fp_trend(since => '2025-10-25 12:00', until => '2025-10-28 12:00');
SELECT "time", trials, gap FROM fp_trend(bucket => '1 hour', since => '2025-10-25 23:00', until => '2025-10-26 02:00');
DELETE FROM fp_observations WHERE observed_at < '2026-01-01';
SELECT fp_rebuild('runs') > 0 AS marked;
CALL fp_refresh('runs');
-- the gap of February, and the levels around the changes; nothing beyond them
SELECT "time", trials, rate IS NULL AS no_rate, round(level::numeric, 3) AS level, gap FROM fp_trend() WHERE "time" BETWEEN '2026-02-11' AND '2026-02-17' ORDER BY 1;
SELECT min("time"), max("time"), round(level::numeric, 3) AS level, string_agg(change, ' ') AS change FROM fp_trend('{"scene": "3"}') GROUP BY level ORDER BY 1;
SELECT count(*) FROM fp_trend('{"scene": "77"}');
SELECT count(*), bool_and(gap) AS gap FROM fp_trend('{"scene": "77"}', since => '2026-03-01', until => '2026-03-11');
SELECT count(*) FROM fp_trend(since => '2026-06-01', until => '2026-06-03 00:00 Europe/Berlin');

-- Changes: the right bucket, the right event, among events of other things.
SELECT fp_record_event('release', 'Release 7', '2026-03-19 23:30') AS id;
SELECT fp_record_event('release', 'Release 6', '2026-03-06 12:00') AS id;
SELECT fp_record_event('scene', 'Scene C reworked', '2026-03-20 08:00', '{"scene": "2"}', 'runs') AS id;
SELECT fp_record_event('machine', 'New machine', '2026-04-26', '{}', 'runs') AS id;
SELECT value, label, kind, direction, at, failures_before, trials_before, failures_after, trials_after, q_value < 1e-20 AS certain,
       event_label, event_origin, posterior > 0.9 AS sure, mix_verdict, reading
FROM fp_changes(dimension => 'scene') ORDER BY at;
SELECT value, at, event_label, round(posterior::numeric, 1) AS posterior, round(none_posterior::numeric, 1) AS none, mix_verdict,
       round((posterior + none_posterior)::numeric, 2) <= 1 AS whole
FROM fp_changes() ORDER BY at;
SELECT e ->> 'label' AS label, e ->> 'origin' AS origin FROM fp_changes('runs', '{"scene": "3"}') c, jsonb_array_elements(c.events) WITH ORDINALITY x (e, place)
WHERE c.direction = 'improvement' ORDER BY place;
SELECT id, at, kind, label, scope, origin, round(share::numeric, 2) AS share FROM fp_find_events() ORDER BY at, label;
-- what change_points says of the same series, and fp_trend and fp_pattern_changes
SELECT count(*) AS same FROM fp_changes(filter => '{"scene": "3"}') c
JOIN (SELECT (unnest(change_points("time", failures, trials))).* FROM fp_trend('{"scene": "3"}') WHERE NOT gap) p
  ON (p.kind, p.at, p.at_lower, p.at_upper, p.gain, p.p_value, p.difference_lower) = (c.kind, c.at, c.at_lower, c.at_upper, c.gain, c.p_value, c.difference_lower);
INSERT INTO failure_patterns (source, pattern_key, conditions) VALUES ('runs', 'test', '{"scene": "3"}') RETURNING id AS pattern \gset
SELECT direction, at FROM fp_pattern_changes(:pattern);
SELECT direction, at, event_label, conditions FROM fp_changes(pattern_id => :pattern);
SELECT value, direction, at FROM fp_changes(pattern_id => :pattern, dimension => 'model');
SELECT count(*) FROM fp_pattern_changes(-1);
DELETE FROM failure_patterns WHERE id = :pattern;
-- as many observations behind a change as it says, and none without it
SELECT c.value, c.at, c.trials_after = t.n AS trials, c.failures_after = t.f AS failures, c.trials_before = b.n AS trials_before, t.first >= c.at AND t.last < c.after_until AS time
FROM fp_changes(dimension => 'scene') c
CROSS JOIN LATERAL (SELECT count(*) AS n, count(*) FILTER (WHERE d.failed) AS f, min(observed_at) AS first, max(observed_at) AS last
                    FROM fp_drilldown(change => to_jsonb(c), page_size => 10000) d) t
CROSS JOIN LATERAL (SELECT count(*) AS n FROM fp_drilldown(c.conditions, since => c.before_since, until => c.at, page_size => 10000)) b
ORDER BY c.at;
SELECT count(*) AS shorter_buckets_than_the_source FROM fp_changes(dimension => 'scene', bucket => '6 hours') c
WHERE c.trials_after = (SELECT count(*) FROM fp_drilldown(change => to_jsonb(c), page_size => 10000))
  AND c.failures_after = (SELECT count(*) FROM fp_drilldown(change => to_jsonb(c), failed_only => true, page_size => 10000))
  AND c.trials_after > (SELECT count(*) FROM fp_drilldown(change => to_jsonb(c), since => c.at + interval '2 days', page_size => 10000));
-- behind a pattern
INSERT INTO failure_patterns (source, pattern_key, conditions) VALUES ('runs', 'test', '{"scene": "3", "pos": {"min": 6}}') RETURNING id AS pattern \gset
SELECT count(*) AS drilled, (SELECT count(*) FROM runs WHERE scene = 3 AND pos >= 6) AS by_hand FROM fp_drilldown(pattern_id => :pattern, page_size => 10000);
SELECT count(*) AS drilled, (SELECT count(*) FROM runs WHERE scene = 3 AND pos >= 6 AND model = 1 AND failed) AS by_hand
FROM fp_drilldown('{"model": "1"}', pattern_id => :pattern, failed_only => true, page_size => 10000);
SELECT count(*) FROM fp_drilldown('{"scene": "2"}', pattern_id => :pattern);
SELECT count(*) FROM fp_drilldown(pattern_id => -1);
SELECT count(*) FROM fp_drilldown(source => 'walks', pattern_id => :pattern);
SELECT count(*) FROM fp_drilldown(change => '{}');
SELECT count(*) FROM fp_drilldown(change => '{"event": "regression", "id": -1}');
SELECT count(*) FROM fp_drilldown(change => '{"at": "some day", "conditions": {}}');
DELETE FROM failure_patterns WHERE id = :pattern;
-- nothing in noise: 60 values, an ordinal, every check
SELECT count(*) FROM fp_changes(dimension => 'noise', filter => '{"scene": "1"}');
SELECT count(*) FROM fp_changes(filter => '{"scene": "1"}'), fp_trend();
SELECT d, count(c.*) FROM unnest('{noise,pos,lora,model}'::text[]) d LEFT JOIN LATERAL fp_changes(dimension => d, filter => '{"scene": "4"}') c ON true GROUP BY d ORDER BY d;
SELECT count(*) AS motion FROM fp_changes("check" => 'motion', dimension => 'scene');
SELECT direction, at FROM fp_changes("check" => 'face', dimension => 'scene') ORDER BY at;
SELECT value, direction, at FROM fp_changes(dimension => 'scene', bucket => '7 days', alpha => 0.05) ORDER BY at;

-- The threshold of a check: the rate moved, quality did not. An event of
-- another check, or one that can only do the opposite, is not it.
SELECT fp_record_event('threshold', 'face fails below 0.5 instead of 0.4', '2026-03-20 06:00', '{"scene": "3"}', 'runs', 'face', 1) AS id;
SELECT fp_record_event('threshold', 'motion fails below 0.5 instead of 0.4', '2026-04-10 00:00', '{"scene": "3"}', 'runs', 'motion', -1) AS id;
SELECT fp_record_event('threshold', 'face fails below 0.6 instead of 0.5', '2026-04-10 00:00', '{"scene": "3"}', 'runs', 'face', 1) AS id;
SELECT direction, event_kind, event_label, posterior > 0.5 AS probable, threshold_edit, reading FROM fp_changes(dimension => 'scene', "check" => 'face') ORDER BY at;

-- Told once, and only what is new.
SELECT dimension, value, at, told_at IS NOT NULL AS told FROM fp_told_changes WHERE dimension IS NULL OR dimension = 'scene' ORDER BY 1, 2, 3;
SELECT count(*) AS before FROM fp_told_changes \gset
CALL fp_refresh('runs');
SELECT count(*) - :before AS more FROM fp_told_changes;
SELECT make_runs(89, 96, '2026-05-01 00:00 Europe/Berlin', '2027-01-01');
SELECT make_runs(97, 98, '2026-05-01 00:00 Europe/Berlin', '2027-01-01');
CALL fp_refresh('runs');
SELECT dimension, value, payload ->> 'label' AS label, at, told_at IS NOT NULL AS told, octet_length(payload::text) < 2000 AS small, payload ->> 'text' AS text
FROM fp_told_changes WHERE dimension = 'scene' AND at > '2026-04-15';
-- from the message to what it is about
SELECT count(*) > 100 AS many, bool_and(d.dims ->> 'scene' = '3' AND d.observed_at >= t.at) AS right
FROM fp_told_changes t CROSS JOIN LATERAL fp_drilldown(change => t.payload, page_size => 10000) d WHERE dimension = 'scene' AND at > '2026-04-15';
SELECT count(*) AS before FROM fp_told_changes \gset
CALL fp_refresh('runs');
SELECT make_runs(99, 100, '2026-05-01 00:00 Europe/Berlin', '2027-01-01');
CALL fp_refresh('runs');
SELECT count(*) AS again FROM fp_told_changes a JOIN fp_told_changes b USING (source, dimension, value)
WHERE a.ctid < b.ctid AND a.at_lower <= b.at_upper AND b.at_lower <= a.at_upper;

-- Mix: more of what always failed more. And Simpson's paradox.
CREATE TABLE mixed (id serial PRIMARY KEY, at timestamptz, failed boolean, kind text, job text, model text);
INSERT INTO mixed (at, failed, kind, model)
SELECT timestamptz '2026-03-01' + n * interval '1 day', i % 100 < CASE WHEN hard THEN 40 ELSE 10 END, CASE WHEN hard THEN 'hard' ELSE 'easy' END, 'm'
FROM generate_series(0, 59) n, generate_series(0, 199) i, LATERAL (SELECT (i + n) % 10 < CASE WHEN n < 30 THEN 2 ELSE 8 END AS hard) h;
CREATE VIEW mixed_view AS SELECT id AS source_key, id AS obs_key, at AS observed_at, failed, NULL::text[] AS failed_checks, kind, model FROM mixed;
SELECT fp_attach('mixed', 'mixed_view', window_length => '100 years', history => 'now');
SELECT at, direction, mix_verdict, mix_dimension, abs(difference - rate_effect - mix_effect) < 1e-9 AS adds_up, reading FROM fp_changes('mixed', options => '{"overdispersion": "none"}');
-- what the history held when it was loaded is no news
CALL fp_refresh('mixed');
SELECT source, dimension, value, at, told_at FROM fp_told_changes WHERE source = 'mixed' ORDER BY dimension NULLS FIRST, value;
SELECT verdict, round(difference::numeric, 3) AS difference, round(rate_effect::numeric, 3) AS rate_effect, p_value < 0.001 AS sure
FROM fp_mix_shift('{10,400}', '{100,900}', '{270,120}', '{1800,200}');
SELECT fp_detach('mixed', true);
SELECT count(*) FROM fp_told_changes WHERE source = 'mixed';

-- What is not allowed says so.
SELECT fp_record_event(NULL, 'x');
SELECT fp_record_event('x', 'x', 'infinity');
SELECT fp_record_event('x', 'x', effect => 3);
SELECT fp_record_event('x', 'x', scope => '[]');
SELECT fp_record_event('x', 'x', scope => '{"colour": "red"}', source => 'runs');
SELECT fp_record_event('x', 'x', source => 'walks');
SELECT * FROM fp_trend('{"colour": "red"}');
SELECT * FROM fp_trend('[]');
SELECT * FROM fp_trend(bucket => '0');
SELECT * FROM fp_trend(bucket => NULL);
SELECT * FROM fp_trend(bucket => '1 second', since => '2000-01-01', until => '2026-01-01');
SELECT * FROM fp_trend(since => '2026-03-02', until => '2026-03-01');
SELECT * FROM fp_trend(options => '{"alhpa": 1}');
SELECT * FROM fp_changes('walks');
SELECT * FROM fp_changes(dimension => 'colour');
SELECT * FROM fp_changes(dimension => 'scene', filter => '{"scene": "1"}');
SELECT * FROM fp_changes(pattern_id => -1);
SELECT * FROM fp_changes(alpha => 1);
SELECT * FROM fp_changes(alpha => 'NaN');
SELECT * FROM fp_change_causes('{1}', '{}', '{}', '{}');
SELECT * FROM fp_change_causes(NULL::bigint[] || '{}', '{2026-01-01}', '{1,2}', '{0}');
SELECT * FROM fp_mix_shift('{1}', '{2,3}', '{1}', '{2}');
SELECT * FROM fp_mix_shift('{3}', '{2}', '{1}', '{2}');
SELECT * FROM fp_mix_shift('{1}', '{2}', '{1}', '{2}', 0);
SELECT * FROM fp_mix_shift('{}', '{}', '{}', '{}');

-- A reader without rights reads what it is allowed to, and writes nothing.
CREATE ROLE fp_test_reader;
GRANT USAGE ON SCHEMA "Fail ""Pat"" ü", shifts TO fp_test_reader;
SET ROLE fp_test_reader;
SELECT count(*) FROM fp_changes();
SELECT fp_record_event('x', 'x');
SELECT fp_refresh_changes('runs');
SELECT fp_watch_events('runs');
RESET ROLE;
GRANT SELECT ON fp_observations, fp_cubes, fp_margins, fp_dirty, fp_events TO fp_test_reader;
SET ROLE fp_test_reader;
BEGIN READ ONLY;
SELECT value, label, direction, at, event_label FROM fp_changes(dimension => 'scene') ORDER BY at;
SELECT count(*) FROM fp_trend(bucket => '1 hour');
COMMIT;
RESET ROLE;
SET client_min_messages = warning;
DROP SCHEMA shifts CASCADE;
DROP EXTENSION failpat CASCADE;
DROP SCHEMA "Fail ""Pat"" ü" CASCADE;
DROP ROLE fp_test_reader;
