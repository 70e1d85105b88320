-- Heatmaps: two dimensions against each other.

-- IMMUTABLE: the same cube and arguments give the same rows.
CREATE FUNCTION fp_heatmap(
    cube failure_cube,
    row_dim text,
    col_dim text,
    "check" text DEFAULT NULL,
    row_limit integer DEFAULT NULL,
    col_limit integer DEFAULT NULL,
    row_bins double precision[] DEFAULT NULL,
    col_bins double precision[] DEFAULT NULL,
    palette text DEFAULT 'traffic',
    confidence double precision DEFAULT 0.95,
    red_at double precision DEFAULT 0.5,
    OUT row_value text,
    OUT col_value text,
    OUT row_order integer,
    OUT col_order integer,
    OUT trials bigint,
    OUT failures bigint,
    OUT rate double precision,
    OUT lower double precision,
    OUT upper double precision,
    OUT shrunken_rate double precision,
    OUT severity text,
    OUT color text,
    OUT enough_data boolean,
    OUT conditions jsonb)
    RETURNS SETOF record
    LANGUAGE c IMMUTABLE PARALLEL SAFE ROWS 400
    AS 'MODULE_PATHNAME', 'failpat_heatmap';
COMMENT ON FUNCTION fp_heatmap(failure_cube, text, text, text, integer, integer, double precision[],
                               double precision[], text, double precision, double precision) IS
    'two dimensions of a cube against each other: a row per cell, with rate, interval, severity and colour';

CREATE FUNCTION fp_heatmap_text(
    cube failure_cube,
    row_dim text,
    col_dim text,
    "check" text DEFAULT NULL,
    row_limit integer DEFAULT 30,
    col_limit integer DEFAULT 12,
    row_bins double precision[] DEFAULT NULL,
    col_bins double precision[] DEFAULT NULL,
    palette text DEFAULT 'traffic',
    confidence double precision DEFAULT 0.95,
    red_at double precision DEFAULT 0.5,
    colors boolean DEFAULT true)
    RETURNS SETOF text
    LANGUAGE c IMMUTABLE PARALLEL SAFE ROWS 30
    AS 'MODULE_PATHNAME', 'failpat_heatmap_text';
COMMENT ON FUNCTION fp_heatmap_text(failure_cube, text, text, text, integer, integer, double precision[],
                                    double precision[], text, double precision, double precision, boolean) IS
    'a heatmap as lines for a terminal, in ANSI colours (psql: \pset format unaligned) or without';

-- From a cell to what is behind it.

CREATE FUNCTION fp_conditions_met(dims jsonb, conditions jsonb, ordinal text[] DEFAULT '{}')
    RETURNS boolean
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'failpat_conditions_met_sql';
COMMENT ON FUNCTION fp_conditions_met(jsonb, jsonb, text[]) IS
    'whether the dimensions of an observation meet conditions; those named in ordinal are compared as numbers, and any other may be a set';

CREATE FUNCTION fp_checked_conditions(source text, conditions jsonb, argument text)
    RETURNS text[]
    LANGUAGE plpgsql STABLE PARALLEL SAFE
    SET search_path FROM CURRENT
AS $fn$
#variable_conflict use_column
DECLARE
    ordinal text[];
    known text[];
    unknown text;
BEGIN
    IF jsonb_typeof(fp_checked_conditions.conditions) <> 'object' THEN
        RAISE invalid_parameter_value USING
            MESSAGE = format('argument "%s" must be a JSON object', fp_checked_conditions.argument),
            HINT = 'For example: {"character": "5", "lora": ["3", "7"], "segment_position": {"min": 6}}';
    END IF;
    SELECT coalesce(array_agg(d.name ORDER BY d.position) FILTER (WHERE d.kind = 'ordinal'), '{}'),
           array_agg(d.name ORDER BY d.position)
    INTO ordinal, known
    FROM fp_dimensions d WHERE d.source = fp_checked_conditions.source;
    SELECT k INTO unknown FROM jsonb_object_keys(fp_checked_conditions.conditions) k
    WHERE k <> ALL (coalesce(known, '{}')) LIMIT 1;
    IF FOUND THEN
        RAISE invalid_parameter_value USING
            MESSAGE = format('source %s has no dimension "%s"', quote_ident(fp_checked_conditions.source), unknown),
            HINT = format('Its dimensions are %s.', array_to_string(known, ', '));
    END IF;
    SELECT e.key INTO unknown FROM jsonb_each(fp_checked_conditions.conditions) e
    JOIN fp_dimensions d ON d.source = fp_checked_conditions.source AND d.name = e.key AND d.kind <> 'set'
    WHERE jsonb_typeof(e.value) = 'object' AND e.value ? 'count' LIMIT 1;
    IF FOUND THEN
        RAISE invalid_parameter_value USING
            MESSAGE = format('dimension "%s" of source %s is not a set: it has no number of values', unknown,
                             quote_ident(fp_checked_conditions.source));
    END IF;
    -- raises where a condition is none
    PERFORM fp_conditions_met('{}', fp_checked_conditions.conditions, ordinal);
    RETURN ordinal;
END
$fn$;
COMMENT ON FUNCTION fp_checked_conditions(text, jsonb, text) IS
    'raises where conditions do not fit a source; returns the names of its ordinal dimensions';

-- One page by one index scan, newest first; the plan is made for the arguments.
CREATE FUNCTION fp_drilldown(
    conditions jsonb DEFAULT '{}',
    source text DEFAULT NULL,
    since timestamptz DEFAULT NULL,
    until timestamptz DEFAULT NULL,
    failed_only boolean DEFAULT false,
    "check" text DEFAULT NULL,
    page_size integer DEFAULT 50,
    after text DEFAULT NULL)
    RETURNS TABLE (
        observed_at timestamptz,
        obs_key text,
        source_key text,
        failed boolean,
        failed_checks text[],
        job text,
        dims jsonb,
        page_cursor text)
    LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 50
    SET search_path FROM CURRENT
AS $fn$
#variable_conflict use_column
DECLARE
    s fp_sources := fp_source_named(fp_drilldown.source);
    ordinal text[] := fp_checked_conditions(s.source, coalesce(fp_drilldown.conditions, '{}'), 'conditions');
    bounds record;
    after_at timestamptz;
    after_key text;
BEGIN
    IF fp_drilldown.page_size IS NULL OR fp_drilldown.page_size NOT BETWEEN 1 AND 10000 THEN
        RAISE invalid_parameter_value USING
            MESSAGE = format('page_size must be from 1 to 10000, not %s', coalesce(fp_drilldown.page_size::text, 'NULL'));
    END IF;
    IF fp_drilldown.after IS NOT NULL THEN
        IF fp_drilldown.after !~ '^-?[0-9]{1,18}:' THEN
            RAISE invalid_parameter_value USING
                MESSAGE = format('after is no page_cursor of fp_drilldown: "%s"', left(fp_drilldown.after, 60));
        END IF;
        after_at := timestamptz 'epoch'
            + split_part(fp_drilldown.after, ':', 1)::bigint * interval '1 microsecond';
        after_key := substr(fp_drilldown.after, position(':' IN fp_drilldown.after) + 1);
    END IF;
    SELECT * INTO bounds FROM fp_window(s.source, fp_drilldown.since, fp_drilldown.until);
    RETURN QUERY EXECUTE
        'SELECT o.observed_at, o.obs_key::text, o.source_key::text, o.failed, o.failed_checks, o.job, o.dims,
                (extract(epoch FROM o.observed_at) * 1000000)::bigint || '':'' || o.obs_key
         FROM fp_observations o
         WHERE o.source = $1 AND o.observed_at >= $2 AND o.observed_at < $3'
        || CASE WHEN after_key IS NOT NULL THEN ' AND (o.observed_at, o.obs_key) < ($4, $5)' ELSE '' END
        || CASE WHEN fp_drilldown.failed_only AND fp_drilldown."check" IS NULL THEN ' AND o.failed'
                WHEN fp_drilldown.failed_only THEN ' AND o.failed AND $6 = ANY (o.failed_checks)'
                ELSE '' END
        || ' AND fp_conditions_met(o.dims, $7, $8)
         ORDER BY o.observed_at DESC, o.obs_key DESC
         LIMIT $9'
    USING s.source, bounds.first_bucket, bounds.ends, after_at, after_key,
          fp_drilldown."check", coalesce(fp_drilldown.conditions, '{}'), ordinal, fp_drilldown.page_size;
END
$fn$;
COMMENT ON FUNCTION fp_drilldown(jsonb, text, timestamptz, timestamptz, boolean, text, integer, text) IS
    'the observations behind a cell, a pattern or a change, newest first; the next page comes after the last row''s page_cursor';
