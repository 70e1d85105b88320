-- Heatmaps: two dimensions against each other.

-- STABLE: the same cube and arguments give the same rows, but for severity,
-- whose thresholds are settings.
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
    LANGUAGE c STABLE PARALLEL SAFE ROWS 400
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
    colors boolean DEFAULT true,
    row_names jsonb DEFAULT NULL,
    col_names jsonb DEFAULT NULL)
    RETURNS SETOF text
    LANGUAGE c STABLE PARALLEL SAFE ROWS 30
    AS 'MODULE_PATHNAME', 'failpat_heatmap_text';
COMMENT ON FUNCTION fp_heatmap_text(failure_cube, text, text, text, integer, integer, double precision[],
                                    double precision[], text, double precision, double precision, boolean, jsonb, jsonb) IS
    'a heatmap as lines for a terminal, in ANSI colours (psql: \pset format unaligned) or without; row_names, col_names: {"value": "what to call it"}';

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
            MESSAGE = format('source %s has no dimension "%s"', quote_ident(fp_checked_conditions.source), fp_clipped(unknown)),
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
