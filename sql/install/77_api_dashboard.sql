-- JSON for a dashboard: what the platform's endpoints do not ask for. Thin: each
-- asks one function of failpat and writes what it answers as JSON.

-- Times may be infinite where a caller's are.
CREATE FUNCTION fp_api_time(at timestamptz)
    RETURNS text
    LANGUAGE sql STABLE STRICT PARALLEL SAFE
BEGIN ATOMIC
    SELECT CASE WHEN isfinite(at) THEN fp_rfc3339(at) END;
END;
COMMENT ON FUNCTION fp_api_time(timestamptz) IS 'a time as the API writes it, NULL for an infinite one';

-- A question is about conditions, or a pattern, or both.
CREATE FUNCTION fp_api_asked(filter jsonb, pattern_id bigint, in_source text, OUT source text, OUT conditions jsonb)
    LANGUAGE plpgsql STABLE
    SET search_path FROM CURRENT
AS $fn$
#variable_conflict use_variable
DECLARE
    p record;
BEGIN
    conditions := coalesce(filter, '{}');
    IF pattern_id IS NULL THEN
        source := (fp_source_named(fp_default_source(in_source))).source;
        RETURN;
    END IF;
    SELECT * INTO p FROM fp_pattern_question(pattern_id);
    IF in_source <> p.source THEN
        RAISE invalid_parameter_value USING
            MESSAGE = format('failure pattern %s is one of source %s, not of %s', pattern_id,
                             quote_ident(p.source), quote_ident(fp_clipped(in_source)));
    END IF;
    IF jsonb_typeof(conditions) = 'object'
       AND EXISTS (SELECT FROM jsonb_object_keys(p.conditions) k WHERE conditions ? k AND conditions -> k <> p.conditions -> k) THEN
        RAISE invalid_parameter_value USING
            MESSAGE = format('filter and failure pattern %s have conditions on the same dimension', pattern_id);
    END IF;
    source := p.source;
    conditions := conditions || p.conditions;
END
$fn$;
COMMENT ON FUNCTION fp_api_asked(jsonb, bigint, text) IS
    'the source and the conditions that a question of the API is about';

CREATE FUNCTION fp_api_dimensions(source text DEFAULT NULL)
    RETURNS jsonb
    LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT jsonb_build_object(
        'source', s.source,
        'bucket_days', extract(epoch FROM s.bucket)::double precision / 86400,
        'window_days', extract(epoch FROM s.window_length)::double precision / 86400,
        'first', (SELECT fp_rfc3339(min(c.bucket)) FROM fp_cubes c WHERE c.source = s.source),
        'last', (SELECT fp_rfc3339(max(c.bucket)) FROM fp_cubes c WHERE c.source = s.source),
        'checks', coalesce((SELECT jsonb_agg(k."check" ORDER BY k."check" COLLATE "C")
                            FROM fp_cube_checks(fp_window_cube(s.source, w.first_bucket, w.ends, '{}',
                                 ARRAY(SELECT d.name::text FROM fp_dimensions d WHERE d.source = s.source
                                       ORDER BY d.kind = 'set', d.position LIMIT 1))) k), '[]'),
        'dimensions', coalesce((SELECT jsonb_agg(jsonb_build_object('name', d.name, 'title', d.title, 'kind', d.kind,
                                                                    'choosable', d.choosable) ORDER BY d.position)
                                FROM fp_dimensions d WHERE d.source = s.source), '[]'))
    FROM fp_source_named(fp_default_source(fp_api_dimensions.source)) s
    CROSS JOIN LATERAL fp_window(s.source, NULL, NULL) w;
END;
COMMENT ON FUNCTION fp_api_dimensions(text) IS
    'what a source can be looked at by: its dimensions in order, its checks, its first and last bucket';

CREATE FUNCTION fp_api_values(
    dimension text, source text DEFAULT NULL, since timestamptz DEFAULT NULL, until timestamptz DEFAULT NULL,
    filter jsonb DEFAULT '{}', "check" text DEFAULT NULL)
    RETURNS jsonb
    LANGUAGE sql STABLE
BEGIN ATOMIC
    WITH counted AS MATERIALIZED (
        SELECT s.source, c.value, c.failures, c.trials
        FROM fp_source_named(fp_default_source(fp_api_values.source)) s
        CROSS JOIN LATERAL fp_checked_conditions(s.source, jsonb_build_object(dimension, NULL), 'dimension')
        CROSS JOIN LATERAL fp_window(s.source, since, until) w
        CROSS JOIN LATERAL fp_cube_counts(
            fp_window_cube(s.source, w.first_bucket, w.ends, coalesce(filter, '{}'), ARRAY[dimension]),
            '{}', dimension, "check") c
        WHERE c.value IS NOT NULL
    )
    SELECT coalesce(jsonb_agg(jsonb_build_object(
        'value', c.value, 'label', l.label, 'failures', c.failures, 'trials', c.trials,
        'rate', r.rate, 'lower', r.lower, 'upper', r.upper)
        ORDER BY CASE WHEN d.kind = 'ordinal' THEN c.value::double precision END, l.label COLLATE "C"), '[]')
    FROM (SELECT min(c.source) AS source FROM counted c) s
    JOIN fp_dimensions d ON d.source = s.source AND d.name = dimension
    CROSS JOIN LATERAL fp_labels(s.source, dimension, ARRAY(SELECT c.value FROM counted c)) l
    JOIN counted c ON c.value = l.value
    CROSS JOIN LATERAL fp_rate_ci(c.failures, c.trials) r;
END;
COMMENT ON FUNCTION fp_api_values(text, text, timestamptz, timestamptz, jsonb, text) IS
    'the values of a dimension that were used, by name, with the rate of each';

-- Cells name their row and column by number, so that many of them stay small.
CREATE FUNCTION fp_api_cells(
    row_dimension text, col_dimension text, source text DEFAULT NULL,
    since timestamptz DEFAULT NULL, until timestamptz DEFAULT NULL, filter jsonb DEFAULT '{}', "check" text DEFAULT NULL,
    row_limit integer DEFAULT 100, col_limit integer DEFAULT 100, palette text DEFAULT 'traffic')
    RETURNS jsonb
    LANGUAGE sql STABLE
BEGIN ATOMIC
    WITH h AS MATERIALIZED (
        SELECT x.*, x.row_order - 1 AS r, x.col_order - 1 AS c
        FROM fp_heatmap(row_dimension, col_dimension, fp_default_source(fp_api_cells.source), since, until, filter, "check",
                        row_limit, col_limit, palette => fp_api_cells.palette) x
    )
    SELECT jsonb_build_object(
        'row_dimension', row_dimension, 'col_dimension', col_dimension,
        'rows', coalesce((SELECT jsonb_agg(jsonb_build_object('value', x.row_value, 'label', x.row_label, 'condition',
                                           CASE WHEN row_dimension = col_dimension THEN to_jsonb(x.row_value)
                                                ELSE x.conditions -> row_dimension END) ORDER BY x.r)
                          FROM (SELECT DISTINCT ON (h.r) h.* FROM h ORDER BY h.r, h.c) x), '[]'),
        'cols', coalesce((SELECT jsonb_agg(jsonb_build_object('value', x.col_value, 'label', x.col_label, 'condition',
                                           CASE WHEN row_dimension = col_dimension THEN to_jsonb(x.col_value)
                                                ELSE x.conditions -> col_dimension END) ORDER BY x.c)
                          FROM (SELECT DISTINCT ON (h.c) h.* FROM h ORDER BY h.c, h.r) x), '[]'),
        'cells', coalesce((SELECT jsonb_agg(jsonb_build_object(
            'r', h.r, 'c', h.c, 'failures', h.failures, 'trials', h.trials, 'rate', h.rate, 'lower', h.lower, 'upper', h.upper,
            'severity', h.severity, 'color', h.color, 'enough_data', h.enough_data) ORDER BY h.r, h.c)
            FROM h WHERE h.trials > 0), '[]'));
END;
COMMENT ON FUNCTION fp_api_cells(text, text, text, timestamptz, timestamptz, jsonb, text, integer, integer, text) IS
    'fp_heatmap: rows and cols, and cells that name them by number, from 0 on; those without observations are left out';

CREATE FUNCTION fp_api_observations(
    filter jsonb DEFAULT '{}', pattern_id bigint DEFAULT NULL, change jsonb DEFAULT NULL, source text DEFAULT NULL,
    since timestamptz DEFAULT NULL, until timestamptz DEFAULT NULL, failed_only boolean DEFAULT true, "check" text DEFAULT NULL,
    page_size integer DEFAULT 50, after text DEFAULT NULL)
    RETURNS jsonb
    LANGUAGE sql STABLE
BEGIN ATOMIC
    WITH asked AS MATERIALIZED (
        SELECT coalesce(
            (SELECT p.source FROM fp_pattern_question(fp_api_observations.pattern_id) p WHERE fp_api_observations.pattern_id IS NOT NULL),
            (SELECT q.source FROM fp_change_question(change) q WHERE change IS NOT NULL),
            fp_default_source(fp_api_observations.source)) AS source
    ), found AS MATERIALIZED (
        SELECT d.*, row_number() OVER () AS place
        FROM asked a
        CROSS JOIN LATERAL fp_drilldown(
            coalesce(filter, '{}'), coalesce(fp_api_observations.source, a.source), since, until, failed_only, "check",
            least(greatest(coalesce(page_size, 50), 1), 1000) + 1, after, fp_api_observations.pattern_id, change) d
    ), page AS MATERIALIZED (
        SELECT f.* FROM found f WHERE f.place <= least(greatest(coalesce(page_size, 50), 1), 1000)
    )
    SELECT jsonb_build_object(
        'observations', coalesce((SELECT jsonb_agg(jsonb_build_object(
            'observed_at', fp_rfc3339(p.observed_at), 'obs_key', p.obs_key, 'source_key', p.source_key, 'failed', p.failed,
            'failed_checks', p.failed_checks, 'job', p.job, 'dims', p.dims, 'scores', p.scores) ORDER BY p.place) FROM page p), '[]'),
        'labels', coalesce((
            SELECT jsonb_object_agg(d.name, n.names)
            FROM asked a
            JOIN fp_dimensions d ON d.source = a.source AND d.label_table IS NOT NULL
            CROSS JOIN LATERAL (
                SELECT jsonb_object_agg(l.value, l.label) AS names
                FROM fp_labels(a.source, d.name::text, ARRAY(
                    SELECT DISTINCT v.value FROM page p
                    CROSS JOIN LATERAL jsonb_array_elements_text(CASE jsonb_typeof(p.dims -> d.name) WHEN 'array' THEN p.dims -> d.name
                                                                 ELSE jsonb_build_array(p.dims -> d.name) END) v
                    WHERE v.value IS NOT NULL)) l) n
            WHERE n.names IS NOT NULL), '{}'),
        -- there is more where one more than the page was found
        'next', (SELECT p.page_cursor FROM page p
                 WHERE (SELECT count(*) FROM found) > (SELECT count(*) FROM page)
                 ORDER BY p.place DESC LIMIT 1));
END;
COMMENT ON FUNCTION fp_api_observations(jsonb, bigint, jsonb, text, timestamptz, timestamptz, boolean, text, integer, text) IS
    'fp_drilldown, a page of at most 1000: observations, newest first, the names of their values, and where the next page begins';

CREATE FUNCTION fp_api_trend(
    filter jsonb DEFAULT '{}', pattern_id bigint DEFAULT NULL, bucket interval DEFAULT '1 day', source text DEFAULT NULL,
    since timestamptz DEFAULT NULL, until timestamptz DEFAULT NULL, "check" text DEFAULT NULL)
    RETURNS jsonb
    LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT coalesce(jsonb_agg(jsonb_build_object(
        'time', fp_rfc3339(t."time"), 'failures', t.failures, 'trials', t.trials, 'rate', t.rate, 'lower', t.lower, 'upper', t.upper,
        'level', t.level, 'level_lower', t.level_lower, 'level_upper', t.level_upper, 'gap', t.gap, 'change', t.change)
        ORDER BY t."time"), '[]')
    FROM fp_api_asked(filter, fp_api_trend.pattern_id, fp_api_trend.source) a
    CROSS JOIN LATERAL fp_trend(a.conditions, fp_api_trend.bucket, a.source, since, until, "check") t;
END;
COMMENT ON FUNCTION fp_api_trend(jsonb, bigint, interval, text, timestamptz, timestamptz, text) IS
    'fp_trend of conditions or of a pattern: a point per bucket of time, those without observations too';

CREATE FUNCTION fp_api_changes(
    filter jsonb DEFAULT '{}', pattern_id bigint DEFAULT NULL, dimension text DEFAULT NULL, all_dimensions boolean DEFAULT false,
    bucket interval DEFAULT '1 day', source text DEFAULT NULL, since timestamptz DEFAULT NULL, until timestamptz DEFAULT NULL,
    "check" text DEFAULT NULL)
    RETURNS jsonb
    LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT coalesce(jsonb_agg(jsonb_build_object(
        'source', a.source, 'dimension', c.series_dimension, 'value', c.value, 'label', c.label, 'conditions', c.conditions,
        'kind', c.kind, 'direction', c.direction, 'at', fp_rfc3339(c.at), 'at_lower', fp_api_time(c.at_lower),
        'at_upper', fp_api_time(c.at_upper), 'last_before', fp_api_time(c.last_before),
        'failures_before', c.failures_before, 'trials_before', c.trials_before, 'rate_before', c.rate_before,
        'rate_before_lower', c.rate_before_lower, 'rate_before_upper', c.rate_before_upper,
        'failures_after', c.failures_after, 'trials_after', c.trials_after, 'rate_after', c.rate_after,
        'rate_after_lower', c.rate_after_lower, 'rate_after_upper', c.rate_after_upper,
        'difference', c.difference, 'difference_lower', c.difference_lower, 'difference_upper', c.difference_upper,
        'ratio', fp_api_number(c.ratio), 'ratio_lower', fp_api_number(c.ratio_lower), 'ratio_upper', fp_api_number(c.ratio_upper),
        'p_value', c.p_value, 'q_value', c.q_value)
        -- no more than a hundred arguments each
        || jsonb_build_object(
        'gap', c.gap, 'low_counts', c.low_counts, 'provisional', c.provisional,
        'event', CASE WHEN c.event_at IS NOT NULL THEN jsonb_build_object(
            'id', c.event_id, 'at', fp_api_time(c.event_at), 'kind', c.event_kind, 'label', c.event_label,
            'origin', c.event_origin, 'posterior', c.posterior) END,
        'none_posterior', c.none_posterior,
        'events', coalesce((SELECT jsonb_agg(e.value || jsonb_build_object('at', fp_api_time((e.value ->> 'at')::timestamptz))
                                             ORDER BY e.ordinality)
                            FROM jsonb_array_elements(c.events) WITH ORDINALITY e), '[]'),
        'threshold_edit', c.threshold_edit, 'mix_verdict', c.mix_verdict, 'mix_dimension', c.mix_dimension, 'reading', c.reading,
        'before_since', fp_api_time(c.before_since), 'after_until', fp_api_time(c.after_until),
        'change_key', c.change_key, 'part_of', c.part_of)
        ORDER BY c.at DESC, c.p_value, c.series_dimension COLLATE "C", c.value COLLATE "C"), '[]')
    FROM fp_api_asked(filter, fp_api_changes.pattern_id, fp_api_changes.source) a
    CROSS JOIN LATERAL fp_changes(a.source, a.conditions, fp_api_changes.dimension, NULL, since, until, fp_api_changes.bucket, "check",
                                  all_dimensions => coalesce(fp_api_changes.all_dimensions, false)) c;
END;
COMMENT ON FUNCTION fp_api_changes(jsonb, bigint, text, boolean, interval, text, timestamptz, timestamptz, text) IS
    'fp_changes, newest first; each is what fp_api_observations takes as a change';

CREATE FUNCTION fp_api_events(
    source text DEFAULT NULL, since timestamptz DEFAULT NULL, until timestamptz DEFAULT NULL, filter jsonb DEFAULT '{}')
    RETURNS jsonb
    LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT coalesce(jsonb_agg(jsonb_build_object(
        'id', e.id, 'at', fp_api_time(e.at), 'kind', e.kind, 'label', e.label, 'scope', e.scope, 'origin', e.origin,
        'check', e."check", 'effect', e.effect, 'share', e.share, 'details', e.details)
        ORDER BY e.at, e.id, e.label COLLATE "C"), '[]')
    FROM fp_find_events(fp_default_source(fp_api_events.source), since, until, coalesce(filter, '{}')) e;
END;
COMMENT ON FUNCTION fp_api_events(text, timestamptz, timestamptz, jsonb) IS
    'fp_find_events: what was recorded, captured or inferred, oldest first';

CREATE FUNCTION fp_api_known_fixes(pattern_id bigint DEFAULT NULL, source text DEFAULT NULL)
    RETURNS jsonb
    LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT coalesce(jsonb_agg(fp_api_fix_json(f) || jsonb_build_object('description', p.description) ORDER BY f.created_at, f.id), '[]')
    FROM pattern_fixes f JOIN failure_patterns p ON p.id = f.pattern_id
    WHERE (fp_api_known_fixes.pattern_id IS NULL OR p.id = fp_api_known_fixes.pattern_id)
      AND (fp_api_known_fixes.source IS NULL OR p.source = fp_api_known_fixes.source);
END;
COMMENT ON FUNCTION fp_api_known_fixes(bigint, text) IS
    'fixes of one pattern, of a source, or all, oldest first, with what the pattern is called';

CREATE FUNCTION fp_api_explanation(
    filter jsonb DEFAULT NULL, pattern_id bigint DEFAULT NULL, "check" text DEFAULT NULL, source text DEFAULT NULL)
    RETURNS jsonb
    LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT coalesce(jsonb_agg(jsonb_build_object(
        'step', e.step, 'gate', e.gate, 'passed', e.passed, 'against', e.against,
        'failures', e.failures, 'trials', e.trials, 'rate', fp_api_number(e.rate),
        'other_failures', e.other_failures, 'other_trials', e.other_trials, 'other_rate', fp_api_number(e.other_rate),
        'risk_ratio', fp_api_number(e.risk_ratio), 'rr_lower', fp_api_number(e.rr_lower), 'rr_upper', fp_api_number(e.rr_upper),
        'p_value', e.p_value, 'level', e.level, 'note', e.note) ORDER BY e.step), '[]')
    FROM fp_api_asked(filter, fp_api_explanation.pattern_id, fp_api_explanation.source) a
    JOIN fp_sources s ON s.source = a.source
    CROSS JOIN LATERAL fp_checked_conditions(a.source, a.conditions, 'filter')
    -- what the last refresh looked at
    CROSS JOIN LATERAL fp_explain(
        ARRAY(SELECT c.cube FROM fp_cubes c
              WHERE c.source = a.source AND c.bucket > now() - s.window_length - s.bucket ORDER BY c.bucket),
        a.conditions, s.max_arity, s.alpha, s.min_trials, s.min_risk_ratio, "check" => fp_api_explanation."check") e;
END;
COMMENT ON FUNCTION fp_api_explanation(jsonb, bigint, text, text) IS
    'fp_explain of a pattern, or of conditions, over the window of the source, with its settings: the gates in order';

CREATE FUNCTION fp_api_prediction(
    combo jsonb, scene_length integer DEFAULT NULL, confidence double precision DEFAULT 0.95, source text DEFAULT NULL)
    RETURNS jsonb
    LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT coalesce((
        SELECT to_jsonb(p) || jsonb_build_object('data', p.data || jsonb_build_object(
                   'since', fp_api_time((p.data ->> 'since')::timestamptz), 'until', fp_api_time((p.data ->> 'until')::timestamptz),
                   'fitted_at', fp_api_time((p.data ->> 'fitted_at')::timestamptz)))
        FROM fp_predict(combo => fp_api_prediction.combo, scene_length => fp_api_prediction.scene_length,
                        source => fp_default_source(fp_api_prediction.source), confidence => fp_api_prediction.confidence) p), 'null');
END;
COMMENT ON FUNCTION fp_api_prediction(jsonb, integer, double precision, text) IS
    'fp_predict of a combination; the JSON null before the first refresh';

CREATE FUNCTION fp_api_status()
    RETURNS jsonb
    LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT coalesce(jsonb_agg(jsonb_build_object(
        'source', s.source, 'attached', s.attached, 'refresh', s.refresh, 'observations', s.observations, 'failures', s.failures,
        'newest_observation', fp_rfc3339(s.newest_observation), 'last_capture', fp_rfc3339(s.last_capture),
        'last_refresh', fp_rfc3339(s.last_refresh), 'refresh_ms', s.refresh_ms,
        'dirty_buckets', s.dirty_buckets, 'pending_keys', s.pending_keys, 'backfill_done', s.backfill_done,
        'active_patterns', s.active_patterns, 'error', s.error, 'error_at', fp_rfc3339(s.error_at), 'worker', s.worker)
        ORDER BY s.source), '[]')
    FROM fp_status() s;
END;
COMMENT ON FUNCTION fp_api_status() IS 'fp_status: each source, and what waits there';

-- What is written.

CREATE FUNCTION fp_api_record_fix(
    pattern_id bigint, fix_description text, fix_parameters jsonb DEFAULT NULL, effectiveness text DEFAULT NULL,
    reported_by bigint DEFAULT NULL)
    RETURNS jsonb
    LANGUAGE plpgsql
    SET search_path FROM CURRENT
AS $fn$
DECLARE
    new_id constant bigint := fp_record_fix(fp_api_record_fix.pattern_id, fp_api_record_fix.fix_description,
        fp_api_record_fix.fix_parameters, fp_api_record_fix.reported_by, fp_api_record_fix.effectiveness);
BEGIN
    RETURN (SELECT fp_api_fix_json(f) FROM pattern_fixes f WHERE f.id = new_id);
END
$fn$;
COMMENT ON FUNCTION fp_api_record_fix(bigint, text, jsonb, text, bigint) IS
    'POST /failure-patterns/{id}/fixes: records a fix as fp_record_fix does, and shows it';

CREATE FUNCTION fp_api_rate_fix(fix_id bigint, effectiveness text)
    RETURNS jsonb
    LANGUAGE plpgsql
    SET search_path FROM CURRENT
AS $fn$
BEGIN
    IF fp_rate_fix(fp_api_rate_fix.fix_id, fp_api_rate_fix.effectiveness) THEN
        RETURN (SELECT fp_api_fix_json(f) FROM pattern_fixes f WHERE f.id = fp_api_rate_fix.fix_id);
    END IF;
    RETURN 'null';
END
$fn$;
COMMENT ON FUNCTION fp_api_rate_fix(bigint, text) IS
    'PATCH /failure-patterns/fixes/{id}/effectiveness: rates a fix as fp_rate_fix does, and shows it; the JSON null where there is none';

-- They read, or write, what not everyone may.
REVOKE ALL ON FUNCTION fp_api_dimensions(text) FROM PUBLIC;
REVOKE ALL ON FUNCTION fp_api_values(text, text, timestamptz, timestamptz, jsonb, text) FROM PUBLIC;
REVOKE ALL ON FUNCTION fp_api_cells(text, text, text, timestamptz, timestamptz, jsonb, text, integer, integer, text) FROM PUBLIC;
REVOKE ALL ON FUNCTION fp_api_observations(jsonb, bigint, jsonb, text, timestamptz, timestamptz, boolean, text, integer, text) FROM PUBLIC;
REVOKE ALL ON FUNCTION fp_api_trend(jsonb, bigint, interval, text, timestamptz, timestamptz, text) FROM PUBLIC;
REVOKE ALL ON FUNCTION fp_api_changes(jsonb, bigint, text, boolean, interval, text, timestamptz, timestamptz, text) FROM PUBLIC;
REVOKE ALL ON FUNCTION fp_api_events(text, timestamptz, timestamptz, jsonb) FROM PUBLIC;
REVOKE ALL ON FUNCTION fp_api_explanation(jsonb, bigint, text, text) FROM PUBLIC;
REVOKE ALL ON FUNCTION fp_api_status() FROM PUBLIC;
REVOKE ALL ON FUNCTION fp_api_record_fix(bigint, text, jsonb, text, bigint) FROM PUBLIC;
REVOKE ALL ON FUNCTION fp_api_rate_fix(bigint, text) FROM PUBLIC;
