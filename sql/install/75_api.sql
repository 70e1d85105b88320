-- JSON for the API layer, in the shapes that the platform's endpoints have.
-- What they lack is added beside their fields, none of which is changed.

CREATE FUNCTION fp_rfc3339(at timestamptz)
    RETURNS text
    LANGUAGE sql STABLE STRICT PARALLEL SAFE
BEGIN ATOMIC
    SELECT to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"');
END;
COMMENT ON FUNCTION fp_rfc3339(timestamptz) IS 'a time as the API writes it, in UTC';

CREATE FUNCTION fp_api_number(x double precision)
    RETURNS double precision
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
BEGIN ATOMIC
    SELECT CASE WHEN x > '-Infinity' AND x < 'Infinity' THEN x END;
END;
COMMENT ON FUNCTION fp_api_number(double precision) IS 'a number as JSON has one: NULL for an infinite one, or none';

CREATE FUNCTION fp_default_source(source text)
    RETURNS text
    LANGUAGE plpgsql STABLE
    SET search_path FROM CURRENT
AS $fn$
#variable_conflict use_column
DECLARE
    found_source text;
BEGIN
    IF fp_default_source.source IS NOT NULL THEN
        RETURN fp_default_source.source;
    END IF;
    -- the only one, else "segments", else it must be said
    SELECT CASE WHEN count(*) = 1 THEN min(s.source) WHEN bool_or(s.source = 'segments') THEN 'segments' END
        INTO found_source FROM fp_sources s;
    IF found_source IS NULL AND EXISTS (SELECT FROM fp_sources) THEN
        RAISE invalid_parameter_value USING
            MESSAGE = 'source must name one of several sources',
            HINT = (SELECT 'There are ' || string_agg(quote_ident(s.source), ', ' ORDER BY s.source) || '.' FROM fp_sources s);
    END IF;
    RETURN found_source;
END
$fn$;
COMMENT ON FUNCTION fp_default_source(text) IS 'the source that is meant where none is named';

CREATE FUNCTION fp_api_pattern_json(p failure_patterns)
    RETURNS jsonb
    LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT jsonb_build_object(
        'id', p.id, 'pattern_key', p.pattern_key, 'description', p.description,
        'dimension_workflow_id', p.dimension_workflow_id, 'dimension_lora_id', p.dimension_lora_id,
        'dimension_avatar_id', p.dimension_avatar_id, 'dimension_scene_type_id', p.dimension_scene_type_id,
        'dimension_segment_position', p.dimension_segment_position,
        'failure_count', p.failure_count, 'total_count', p.total_count, 'failure_rate', p.failure_rate,
        'severity', p.severity, 'last_occurrence', fp_rfc3339(p.last_occurrence),
        'created_at', fp_rfc3339(p.created_at), 'updated_at', fp_rfc3339(p.updated_at),
        'dimension_model_id', p.dimension_model_id, 'conditions', p.conditions, 'status', p.status,
        'rate_lower', p.rate_lower, 'rate_upper', p.rate_upper, 'baseline_rate', p.baseline_rate,
        'risk_ratio', fp_api_number(p.risk_ratio), 'q_value', p.q_value,
        'first_detected_at', fp_rfc3339(p.first_detected_at), 'confirmed_at', fp_rfc3339(p.confirmed_at),
        'candidate', p.confirmed_at IS NULL, 'source', p.source, 'caveat', p.caveat);
END;
COMMENT ON FUNCTION fp_api_pattern_json(failure_patterns) IS 'a pattern as the API shows it';

CREATE FUNCTION fp_api_patterns(
    row_limit bigint DEFAULT NULL, row_offset bigint DEFAULT NULL, severity text DEFAULT NULL,
    source text DEFAULT NULL, status text DEFAULT 'active')
    RETURNS jsonb
    LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT coalesce(jsonb_agg(page.json ORDER BY page.failure_rate DESC, page.id), '[]')
    FROM (SELECT fp_api_pattern_json(p) AS json, p.failure_rate, p.id
          FROM failure_patterns p
          WHERE (fp_api_patterns.severity IS NULL OR p.severity = fp_api_patterns.severity)
            AND (fp_api_patterns.source IS NULL OR p.source = fp_api_patterns.source)
            AND (fp_api_patterns.status IS NULL OR p.status = fp_api_patterns.status)
          ORDER BY p.failure_rate DESC, p.id
          LIMIT least(greatest(coalesce(row_limit, 20), 1), 100)
          OFFSET greatest(coalesce(row_offset, 0), 0)) page;
END;
COMMENT ON FUNCTION fp_api_patterns(bigint, bigint, text, text, text) IS
    'GET /analytics/failure-patterns: highest rate first; row_limit 1 to 100, 20 by default; status NULL: of any';

CREATE FUNCTION fp_api_fix_json(f pattern_fixes)
    RETURNS jsonb
    LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT jsonb_build_object(
        'id', f.id, 'pattern_id', f.pattern_id, 'fix_description', f.fix_description,
        'fix_parameters', f.fix_parameters, 'effectiveness', f.effectiveness,
        'reported_by_id', f.reported_by_id,
        'created_at', fp_rfc3339(f.created_at), 'updated_at', fp_rfc3339(f.updated_at),
        'measured', (SELECT jsonb_build_object(
            'verdict', e.verdict, 'basis', e.basis, 'ratio', e.ratio, 'lower', e.lower, 'upper', e.upper,
            'with_failures', e.with_failures, 'with_trials', e.with_trials,
            'without_failures', e.without_failures, 'without_trials', e.without_trials,
            'stopped_working', e.stopped_working) FROM fp_fix_effects e WHERE e.fix_id = f.id),
        'note_ids', f.note_ids);
END;
COMMENT ON FUNCTION fp_api_fix_json(pattern_fixes) IS
    'a fix as the API shows it; of a row of pattern_fixes, in RETURNING too';

CREATE FUNCTION fp_api_fixes(pattern_id bigint)
    RETURNS jsonb
    LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT coalesce(jsonb_agg(fp_api_fix_json(f) ORDER BY f.created_at DESC, f.id DESC), '[]')
    FROM pattern_fixes f WHERE f.pattern_id = fp_api_fixes.pattern_id;
END;
COMMENT ON FUNCTION fp_api_fixes(bigint) IS 'GET /failure-patterns/{id}/fixes: newest first';

CREATE FUNCTION fp_api_pattern(pattern_id bigint)
    RETURNS jsonb
    LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT coalesce(
        (SELECT fp_api_pattern_json(p)
                || jsonb_build_object(
                    'alternatives', coalesce((SELECT a.alternatives FROM fp_alternatives a WHERE a.pattern_id = p.id), '[]'),
                    'fixes', fp_api_fixes(p.id))
         FROM failure_patterns p WHERE p.id = fp_api_pattern.pattern_id),
        'null');
END;
COMMENT ON FUNCTION fp_api_pattern(bigint) IS
    'GET /analytics/failure-patterns/{id}: with alternatives and fixes; the JSON null where there is none';

CREATE FUNCTION fp_api_alerts(
    workflow_id bigint DEFAULT NULL, avatar_id bigint DEFAULT NULL, combo jsonb DEFAULT NULL,
    scene_length integer DEFAULT NULL, for_user bigint DEFAULT NULL, source text DEFAULT NULL)
    RETURNS jsonb
    LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT coalesce(jsonb_agg(all_of.json ORDER BY all_of.place), '[]')
    FROM (
        SELECT fp_api_pattern_json(p) || jsonb_build_object(
                   'message', c.message, 'alternatives', c.alternatives, 'fixes', c.fixes,
                   'from_segment', c.from_segment, 'folded', c.folded) AS json,
               row_number() OVER () AS place
        FROM fp_check_combo(combo => fp_api_alerts.combo, workflow => fp_api_alerts.workflow_id,
                            avatar => fp_api_alerts.avatar_id, scene_length => fp_api_alerts.scene_length,
                            for_user => fp_api_alerts.for_user, source => fp_api_alerts.source) c
        JOIN failure_patterns p ON p.id = c.pattern_id
        WHERE num_nonnulls(fp_api_alerts.workflow_id, fp_api_alerts.avatar_id, fp_api_alerts.combo) > 0
        UNION ALL
        SELECT fp_api_pattern_json(p), row_number() OVER ()
        FROM (SELECT p.* FROM failure_patterns p
              WHERE num_nonnulls(fp_api_alerts.workflow_id, fp_api_alerts.avatar_id, fp_api_alerts.combo) = 0
                AND p.status = 'active' AND p.severity = 'high'
                AND (fp_api_alerts.source IS NULL OR p.source = fp_api_alerts.source)
              ORDER BY p.failure_rate DESC, p.id LIMIT 100) p
    ) all_of;
END;
COMMENT ON FUNCTION fp_api_alerts(bigint, bigint, jsonb, integer, bigint, text) IS
    'GET /analytics/failure-alerts: what a combination is warned of, worst first; without any parameter the 100 worst patterns of severity high';

CREATE FUNCTION fp_api_trends(pattern_id bigint, period_days integer DEFAULT 30)
    RETURNS jsonb
    LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT coalesce(jsonb_agg(jsonb_build_object(
        'period', to_char(d.day, 'YYYY-MM-DD'),
        'failure_rate', d.failures / d.trials::double precision,
        'sample_count', d.trials, 'failure_count', d.failures,
        'lower', (d.ci).lower, 'upper', (d.ci).upper) ORDER BY d.day), '[]')
    FROM (
        SELECT t.day, t.failures, t.trials, fp_rate_ci(t.failures, t.trials) AS ci
        FROM (
            SELECT (c.bucket AT TIME ZONE s.bucket_zone)::date AS day,
                   sum(k.without_failures)::bigint AS failures, sum(k.without_trials)::bigint AS trials
            FROM failure_patterns p
            JOIN fp_sources s ON s.source = p.source
            JOIN fp_cubes c ON c.source = p.source
             AND c.bucket > now() - make_interval(days => greatest(coalesce(period_days, 30), 1)) - s.bucket
            CROSS JOIN LATERAL fp_fix_counts(c.cube, ARRAY[p.conditions], ARRAY[NULL]::jsonb[]) k
            WHERE p.id = fp_api_trends.pattern_id
            GROUP BY 1) t
        WHERE t.trials > 0) d;
END;
COMMENT ON FUNCTION fp_api_trends(bigint, integer) IS
    'GET /analytics/failure-trends: the rate of a pattern per day of the last period_days, days without observations left out';

CREATE FUNCTION fp_api_heatmap(
    row_dimension text DEFAULT 'workflow', col_dimension text DEFAULT 'avatar',
    period_days integer DEFAULT NULL, source text DEFAULT NULL)
    RETURNS jsonb
    LANGUAGE plpgsql STABLE
    SET search_path FROM CURRENT
AS $fn$
#variable_conflict use_column
DECLARE
    src fp_sources;
    cube failure_cube;
    dims text[];
    row_dim text;
    col_dim text;
    result jsonb;
BEGIN
    SELECT * INTO src FROM fp_sources s WHERE s.source = fp_default_source(fp_api_heatmap.source);
    -- the platform's names for the same
    SELECT array_agg(d.name) INTO dims FROM fp_dimensions d WHERE d.source = src.source;
    row_dim := coalesce(fp_api_heatmap.row_dimension, 'workflow');
    col_dim := coalesce(fp_api_heatmap.col_dimension, 'avatar');
    row_dim := CASE WHEN row_dim = 'avatar' AND row_dim <> ALL (dims) THEN 'character' ELSE row_dim END;
    col_dim := CASE WHEN col_dim = 'avatar' AND col_dim <> ALL (dims) THEN 'character' ELSE col_dim END;
    IF dims IS NOT NULL AND (row_dim <> ALL (dims) OR col_dim <> ALL (dims)) THEN
        RAISE invalid_parameter_value USING
            MESSAGE = format('source %s has no dimension "%s"', quote_ident(src.source),
                             fp_clipped(CASE WHEN row_dim <> ALL (dims) THEN row_dim ELSE col_dim END)),
            HINT = format('Its dimensions are %s.', array_to_string(dims, ', '));
    END IF;
    SELECT rollup(c.cube) INTO cube FROM fp_cubes c
    WHERE c.source = src.source
      AND c.bucket > now() - coalesce(make_interval(days => fp_api_heatmap.period_days), src.window_length) - src.bucket;
    IF cube IS NULL THEN
        RETURN '{"cells": [], "row_labels": [], "col_labels": []}';
    END IF;
    WITH cells AS MATERIALIZED (
        SELECT h.* FROM fp_heatmap(cube, row_dim, col_dim) h
        WHERE h.row_value IS NOT NULL AND h.col_value IS NOT NULL AND h.trials > 0
    ), row_names AS (
        SELECT v.value, v.place,
               -- labels are keys: two of the same name are told apart by value
               CASE WHEN count(*) OVER (PARTITION BY v.label) > 1 AND v.label <> v.value
                    THEN format('%s (%s)', v.label, v.value) ELSE v.label END AS label
        FROM (SELECT c.row_value AS value, min(c.row_order) AS place,
                     fp_value_label(src.source, row_dim, c.row_value) AS label
              FROM cells c GROUP BY c.row_value) v
    ), col_names AS (
        SELECT v.value, v.place,
               CASE WHEN count(*) OVER (PARTITION BY v.label) > 1 AND v.label <> v.value
                    THEN format('%s (%s)', v.label, v.value) ELSE v.label END AS label
        FROM (SELECT c.col_value AS value, min(c.col_order) AS place,
                     fp_value_label(src.source, col_dim, c.col_value) AS label
              FROM cells c GROUP BY c.col_value) v
    )
    SELECT jsonb_build_object(
        'cells', coalesce((
            SELECT jsonb_agg(jsonb_build_object(
                'row', r.label, 'col', k.label, 'failure_rate', c.rate, 'sample_count', c.trials,
                'severity', c.severity, 'row_value', c.row_value, 'col_value', c.col_value,
                'failure_count', c.failures, 'lower', c.lower, 'upper', c.upper, 'color', c.color,
                'enough_data', c.enough_data, 'conditions', c.conditions)
                ORDER BY c.row_order, c.col_order)
            FROM cells c JOIN row_names r ON r.value = c.row_value JOIN col_names k ON k.value = c.col_value), '[]'),
        'row_labels', coalesce((SELECT jsonb_agg(r.label ORDER BY r.place, r.value COLLATE "C") FROM row_names r), '[]'),
        'col_labels', coalesce((SELECT jsonb_agg(k.label ORDER BY k.place, k.value COLLATE "C") FROM col_names k), '[]'))
        INTO result;
    RETURN result;
END
$fn$;
COMMENT ON FUNCTION fp_api_heatmap(text, text, integer, text) IS
    'GET /analytics/failure-heatmap: two dimensions against each other, by names; labels in the order of their values';

-- The readers of JSON read tables that anyone may read (failure_patterns,
-- pattern_fixes), and cubes, which not everyone may.
REVOKE ALL ON FUNCTION fp_api_trends(bigint, integer) FROM PUBLIC;
REVOKE ALL ON FUNCTION fp_api_heatmap(text, text, integer, text) FROM PUBLIC;
