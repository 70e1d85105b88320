-- What people read: no wider than a terminal, rates rounded and in words. For
-- programs there are the numbers: failure_rate, fp_patterns(), failure_patterns,
-- fp_changes(), fp_status() and the fp_api_ functions. The views show what their
-- reader may read of the tables behind them.

CREATE FUNCTION fp_rate_text(rate failure_rate)
    RETURNS text
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
BEGIN ATOMIC
    SELECT (rate).failures || ' of ' || (rate).trials
           || coalesce(', ' || fp_percent((rate).rate) || ' (' || fp_percent((rate).lower, (rate).upper) || ')', '');
END;
COMMENT ON FUNCTION fp_rate_text(failure_rate) IS 'a failure rate for reading: "173 of 1800, 9.6 % (8.3 - 11 %)"';

CREATE FUNCTION fp_pattern_list(
    cube failure_cube,
    max_arity integer DEFAULT 3,
    alpha double precision DEFAULT 0.05,
    min_trials integer DEFAULT 20,
    min_risk_ratio double precision DEFAULT 1.2,
    direction text DEFAULT 'worse',
    "check" text DEFAULT NULL)
    RETURNS TABLE (pattern text, failed text, rate text, "interval" text, usual text, severity text)
    LANGUAGE sql STABLE PARALLEL SAFE ROWS 10
BEGIN ATOMIC
    SELECT p.description, p.failures || ' of ' || p.trials, fp_percent(p.rate), fp_percent(p.lower, p.upper),
           fp_percent(p.baseline_rate), p.severity
    FROM fp_patterns(cube, max_arity, alpha, min_trials, min_risk_ratio, direction, "check") WITH ORDINALITY AS p
    ORDER BY p.ordinality;
END;
COMMENT ON FUNCTION fp_pattern_list(failure_cube, integer, double precision, integer, double precision, text, text) IS
    'fp_patterns for reading';

CREATE VIEW fp_pattern_list AS
SELECT p.id, p.description AS pattern,
       p.failure_count || ' of ' || p.total_count AS failed,
       fp_percent(p.failure_rate) AS rate,
       fp_percent(p.rate_lower, p.rate_upper) AS interval,
       fp_percent(p.baseline_rate) AS usual,
       p.severity,
       CASE WHEN p.status = 'active' AND p.confirmed_at IS NULL THEN 'candidate' ELSE p.status END AS status,
       CAST(p.first_detected_at AS date) AS found,
       (SELECT count(*) FROM pattern_fixes f WHERE f.pattern_id = p.id) AS fixes,
       p.source
FROM failure_patterns p
ORDER BY p.status <> 'active', p.severity <> 'high', p.severity <> 'medium', p.failure_rate DESC, p.id;
COMMENT ON VIEW fp_pattern_list IS 'failure_patterns for reading, the worst first';
COMMENT ON COLUMN fp_pattern_list.id IS 'identity, as other functions take it';
COMMENT ON COLUMN fp_pattern_list.pattern IS 'the conditions in words';
COMMENT ON COLUMN fp_pattern_list.failed IS 'failures and observations in the window';
COMMENT ON COLUMN fp_pattern_list.rate IS 'share that failed';
COMMENT ON COLUMN fp_pattern_list.interval IS 'confidence interval of the rate';
COMMENT ON COLUMN fp_pattern_list.usual IS 'rate of all observations of the window';
COMMENT ON COLUMN fp_pattern_list.severity IS 'high, medium or low';
COMMENT ON COLUMN fp_pattern_list.status IS
    'candidate: active, but not confirmed yet by what came after it was found; active, resolved, inactive: as in failure_patterns';
COMMENT ON COLUMN fp_pattern_list.found IS 'day on which it was first found';
COMMENT ON COLUMN fp_pattern_list.fixes IS 'how many fixes have been recorded';
COMMENT ON COLUMN fp_pattern_list.source IS 'name of the source';

CREATE VIEW fp_change_list AS
SELECT CASE WHEN c.series_dimension IS NULL THEN 'everything'
            ELSE coalesce(d.title, c.series_dimension) || ' ' || coalesce(c.label, 'not recorded') END AS what,
       CASE c.direction WHEN 'regression' THEN 'worse' ELSE 'better' END AS got,
       CAST(c.at AT TIME ZONE s.bucket_zone AS date) AS since,
       c.reading,
       s.source
FROM fp_sources s CROSS JOIN LATERAL fp_changes(s.source, all_dimensions => true) c
LEFT JOIN fp_dimensions d ON d.source = s.source AND d.name = c.series_dimension
WHERE c.part_of IS NULL
ORDER BY c.at DESC, s.source, c.change_key;
COMMENT ON VIEW fp_change_list IS 'what got worse or better in each source, the newest first: fp_changes of all dimensions for reading, without what only shows a change that another row tells';
COMMENT ON COLUMN fp_change_list.what IS 'everything, or the value whose rate changed';
COMMENT ON COLUMN fp_change_list.got IS 'worse or better';
COMMENT ON COLUMN fp_change_list.since IS 'first day of the new rate, by the calendar of the source''s time buckets';
COMMENT ON COLUMN fp_change_list.reading IS 'from which rate to which, and why, in a sentence or two';
COMMENT ON COLUMN fp_change_list.source IS 'name of the source';

CREATE VIEW fp_source_list AS
SELECT s.source,
       CASE WHEN t.attached THEN CAST(s.observations AS text) ELSE 'detached' END AS reads,
       s.refresh,
       t.observations, fp_percent(CAST(t.failures AS double precision) / nullif(t.observations, 0)) AS failed,
       t.active_patterns AS patterns,
       CAST(t.last_refresh AS timestamptz(0)) AS refreshed,
       CASE WHEN coalesce(t.error, t.worker_error) IS NOT NULL THEN 'error: ' || coalesce(t.error, t.worker_error)
            WHEN t.attached AND NOT t.backfill_done THEN 'its history is not loaded: CALL fp_backfill'
            WHEN t.worker = 'running' THEN 'is being refreshed'
            WHEN t.last_refresh IS NULL OR t.dirty_buckets > 0 OR t.pending_keys > 0 THEN 'waits for a refresh'
            ELSE 'up to date' END AS state
FROM fp_sources s JOIN fp_status() t ON t.source = s.source
ORDER BY s.source;
COMMENT ON VIEW fp_source_list IS 'fp_status() for reading: each source, and what it waits for';
COMMENT ON COLUMN fp_source_list.source IS 'name of the source';
COMMENT ON COLUMN fp_source_list.reads IS 'the view that is read; detached where there is none any more';
COMMENT ON COLUMN fp_source_list.refresh IS 'async, sync or manual';
COMMENT ON COLUMN fp_source_list.observations IS 'how many are known';
COMMENT ON COLUMN fp_source_list.failed IS 'share of them that failed';
COMMENT ON COLUMN fp_source_list.patterns IS 'how many patterns are active';
COMMENT ON COLUMN fp_source_list.refreshed IS 'when the last refresh ended';
COMMENT ON COLUMN fp_source_list.state IS 'what it waits for, or the last error';

GRANT SELECT ON fp_pattern_list, fp_change_list, fp_source_list TO PUBLIC;
