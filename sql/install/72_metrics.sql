-- Whether it all helps: the PRD's success metrics, from data.

CREATE FUNCTION fp_success_metrics(
    source text DEFAULT NULL, since timestamptz DEFAULT NULL)
    RETURNS TABLE (metric text, value double precision, lower double precision, upper double precision,
                   n bigint, target double precision, met boolean, explanation text)
    LANGUAGE plpgsql STABLE
    SET search_path FROM CURRENT
AS $fn$
#variable_conflict use_column
DECLARE
    from_then timestamptz := coalesce(fp_success_metrics.since, now() - interval '90 days');
    uses record;
    r record;
BEGIN
    -- Detection. Sufficient is what the first observations of the pattern show
    -- when their lower bound at 99.9 % lies above the baseline by min_risk_ratio.
    RETURN QUERY
    WITH pat AS (
        SELECT p.id, p.source, p.conditions, p.baseline_rate, p.first_detected_at, s.min_trials,
               s.min_risk_ratio, s.created_at AS attached_at, s.window_length
        FROM failure_patterns p JOIN fp_sources s ON s.source = p.source
        WHERE p.first_detected_at >= from_then
          AND (fp_success_metrics.source IS NULL OR p.source = fp_success_metrics.source)
    ), running AS (
        SELECT p.id, o.observed_at,
               sum(o.failed::integer) OVER w AS f, count(*) OVER w AS n
        FROM pat p JOIN fp_observations o
          ON o.source = p.source AND o.observed_at <= p.first_detected_at
         AND o.observed_at >= p.first_detected_at - p.window_length
         AND fp_combo_meets(o.dims, p.conditions)
        WINDOW w AS (PARTITION BY p.id ORDER BY o.observed_at, o.obs_key)
    ), enough AS (
        SELECT g.id, min(g.observed_at) AS at
        FROM running g JOIN pat p ON p.id = g.id
        WHERE g.n >= p.min_trials
          AND (fp_rate_ci(g.f, g.n, 0.999)).lower > p.baseline_rate * p.min_risk_ratio
        GROUP BY g.id
    ), delay AS (
        SELECT greatest(extract(epoch FROM p.first_detected_at - greatest(e.at, p.attached_at)) / 3600, 0)::double precision AS hours
        FROM enough e JOIN pat p ON p.id = e.id
    )
    SELECT 'detection_hours', percentile_cont(0.5) WITHIN GROUP (ORDER BY d.hours),
           percentile_cont(0.05) WITHIN GROUP (ORDER BY d.hours),
           percentile_cont(0.95) WITHIN GROUP (ORDER BY d.hours),
           count(*), 24::double precision,
           percentile_cont(0.95) WITHIN GROUP (ORDER BY d.hours) <= 24,
           'hours from sufficient data to detection: median, and 5th and 95th percentile over the patterns detected'
    FROM delay d;

    -- Warned use: what a job that was warned of the pattern went on to do,
    -- whether or not it heeded the warning; without jobs, use of the logged
    -- combination within a week. Unwarned: use of the pattern by others, after
    -- it was detected.
    WITH pat AS (
        SELECT p.id, p.source, p.conditions, p.first_detected_at FROM failure_patterns p
        WHERE (fp_success_metrics.source IS NULL OR p.source = fp_success_metrics.source)
          AND EXISTS (SELECT FROM fp_alert_log l WHERE l.pattern_id = p.id AND l.at >= from_then)
    ), used AS (
        SELECT o.failed,
               EXISTS (SELECT FROM fp_alert_log l
                       WHERE l.pattern_id = p.id AND l.at <= o.observed_at AND l.at >= from_then
                         AND CASE WHEN l.job IS NOT NULL AND o.job IS NOT NULL THEN l.job = o.job
                                  WHEN l.combo IS NOT NULL THEN l.at > o.observed_at - interval '7 days'
                                       AND fp_combo_meets(o.dims, p.conditions)
                                       AND fp_combo_meets(l.combo, p.conditions)
                                  ELSE false END) AS warned,
               fp_combo_meets(o.dims, p.conditions) AS met
        FROM pat p JOIN fp_observations o
          ON o.source = p.source AND o.observed_at >= greatest(p.first_detected_at, from_then)
    )
    SELECT count(*) FILTER (WHERE u.warned) AS n1, count(*) FILTER (WHERE u.warned AND u.failed) AS f1,
           count(*) FILTER (WHERE NOT u.warned AND u.met) AS n0,
           count(*) FILTER (WHERE NOT u.warned AND u.met AND u.failed) AS f0
        INTO uses FROM used u;
    metric := 'repeat_failures_reduction';
    n := uses.n1;
    target := 0.3;
    value := NULL;
    lower := NULL;
    upper := NULL;
    IF uses.n1 > 0 AND uses.f0 > 0 THEN
        SELECT e.* INTO r FROM fp_effect(uses.f0, uses.n0, uses.n0, uses.f1, uses.n1, uses.n1) e;
        value := 1 - r.ratio;
        lower := 1 - r.upper;
        upper := 1 - r.lower;
    END IF;
    met := value > 0.3;
    explanation := format('share of failures avoided by warned against unwarned use: %s of %s against %s of %s failed',
                          uses.f1, uses.n1, uses.f0, uses.n0);
    RETURN NEXT;

    RETURN QUERY
    SELECT 'patterns_with_fix', (c.rate).rate, (c.rate).lower, (c.rate).upper, (c.rate).trials, 0.5::double precision,
           (c.rate).rate > 0.5, 'share of active and resolved patterns that have a fix'
    FROM (SELECT failure_rate_ci(EXISTS (SELECT FROM pattern_fixes f WHERE f.pattern_id = p.id)) AS rate
          FROM failure_patterns p
          WHERE p.status IN ('active', 'resolved')
            AND (fp_success_metrics.source IS NULL OR p.source = fp_success_metrics.source)) c;
END
$fn$;
COMMENT ON FUNCTION fp_success_metrics(text, timestamptz) IS
    'detection delay, repeat failures of warned against unwarned use, share of patterns with a fix, each with interval and target; reads the observations since then (90 days)';
REVOKE ALL ON FUNCTION fp_success_metrics(text, timestamptz) FROM PUBLIC;
