-- Heatmaps of a source, and what a dashboard reads.

-- What refresh keeps per bucket, by pairs of dimensions: a heatmap of a long
-- window then reads small cubes. Nothing here is more than fp_cubes knows, and
-- restoring fp_cubes restores it. Sources of many dimensions do without.
CREATE TABLE fp_margins (
    source text COLLATE "C" NOT NULL,
    row_dim text COLLATE "C" NOT NULL,
    col_dim text COLLATE "C" NOT NULL,
    bucket timestamptz NOT NULL,
    cube failure_cube NOT NULL,
    PRIMARY KEY (source, row_dim, col_dim, bucket)
);
COMMENT ON TABLE fp_margins IS 'the cube of each pair of dimensions in each bucket of fp_cubes';
COMMENT ON COLUMN fp_margins.source IS 'name of the source';
COMMENT ON COLUMN fp_margins.row_dim IS 'one dimension';
COMMENT ON COLUMN fp_margins.col_dim IS 'the other one, later by name';
COMMENT ON COLUMN fp_margins.bucket IS 'start of the time bucket';
COMMENT ON COLUMN fp_margins.cube IS 'the cube of these two dimensions';

CREATE FUNCTION fp_cube_pairs(cube failure_cube, OUT row_dim text, OUT col_dim text, OUT pair failure_cube)
    RETURNS SETOF record
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE ROWS 15
    AS 'MODULE_PATHNAME', 'failpat_cube_pairs';
COMMENT ON FUNCTION fp_cube_pairs(failure_cube) IS
    'the cubes of all pairs of dimensions of a cube, but strata; the names of a pair in byte order';

CREATE FUNCTION fp_cube_dim_names(cube failure_cube)
    RETURNS text[]
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'failpat_cube_dim_names';
COMMENT ON FUNCTION fp_cube_dim_names(failure_cube) IS 'the dimensions of a cube, but strata, in the order that it has them in';

CREATE FUNCTION fp_cube_part(cube failure_cube, conditions jsonb, dims text[])
    RETURNS failure_cube
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'failpat_cube_part';
COMMENT ON FUNCTION fp_cube_part(failure_cube, jsonb, text[]) IS
    'the part of a cube that meets conditions, with these dimensions only; what the cube does not know was not recorded';

CREATE FUNCTION fp_keep_margins()
    RETURNS trigger
    LANGUAGE plpgsql
    SET search_path FROM CURRENT
AS $fn$
DECLARE
    -- the cube itself says what dimensions there are: a restore loads fp_cubes
    -- before fp_dimensions
    before text[] := CASE WHEN TG_OP <> 'INSERT' THEN fp_cube_dim_names(OLD.cube) END;
    now_is text[] := CASE WHEN TG_OP <> 'DELETE' THEN fp_cube_dim_names(NEW.cube) END;
BEGIN
    -- of the same bucket with the same dimensions, all are written anew below
    IF TG_OP = 'DELETE'
       OR TG_OP = 'UPDATE' AND (before, OLD.source, OLD.bucket) IS DISTINCT FROM (now_is, NEW.source, NEW.bucket) THEN
        DELETE FROM fp_margins m USING unnest(before) a (name), unnest(before) b (name)
        WHERE m.source = OLD.source AND m.row_dim = a.name AND m.col_dim = b.name AND m.bucket = OLD.bucket;
    END IF;
    IF cardinality(now_is) BETWEEN 2 AND 10 THEN
        INSERT INTO fp_margins AS m
        SELECT NEW.source, p.row_dim, p.col_dim, NEW.bucket, p.pair FROM fp_cube_pairs(NEW.cube) p
        ON CONFLICT (source, row_dim, col_dim, bucket) DO UPDATE SET cube = EXCLUDED.cube;
    END IF;
    RETURN NULL;
END
$fn$;
COMMENT ON FUNCTION fp_keep_margins() IS 'trigger that keeps fp_margins at what fp_cubes says';
REVOKE ALL ON FUNCTION fp_keep_margins() FROM PUBLIC;
CREATE TRIGGER fp_keep_margins AFTER INSERT OR UPDATE OR DELETE ON fp_cubes
    FOR EACH ROW EXECUTE FUNCTION fp_keep_margins();

-- Buckets that refresh has not seen to yet are read from the observations, so
-- that what is counted here is what fp_drilldown shows, always; but for what
-- refresh itself asks, which is of what it has counted.
CREATE FUNCTION fp_window_cubes(source text, first_bucket timestamptz, ends timestamptz, conditions jsonb, dims text[], current boolean)
    RETURNS SETOF failure_cube
    LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    WITH s AS MATERIALIZED (
        SELECT x.bucket, x.bucket_zone FROM fp_sources x WHERE x.source = $1
    ), known AS MATERIALIZED (
        SELECT x.name, x.kind, x.position FROM fp_dimensions x WHERE x.source = $1
    ), pair AS MATERIALIZED (
        -- the pair that holds these one or two dimensions, if pairs are kept; sets are
        -- many in every bucket, and longer spans hold them once
        SELECT a.name AS row_dim, b.name AS col_dim
        FROM known a JOIN known b ON b.name > a.name
        WHERE $4 = '{}' AND ARRAY[a.name, b.name]::text[] @> $5
          AND (SELECT count(*) FROM known) <= 10
          AND NOT EXISTS (SELECT FROM known d WHERE d.kind = 'set' AND d.name = ANY ($5))
        ORDER BY a.position, b.position LIMIT 1
    ), dirty AS MATERIALIZED (
        SELECT DISTINCT d.bucket, fp_bucket_end(d.bucket, s.bucket, s.bucket_zone) AS ends FROM fp_dirty d CROSS JOIN s
        WHERE $6 AND d.source = $1 AND d.bucket >= $2 AND d.bucket < $3
    ), longest AS MATERIALIZED (
        -- spans know no jobs, nor anything else that is no dimension
        SELECT x.* FROM fp_longest_spans($1, $2, $3 - interval '1 microsecond', ARRAY(SELECT d.bucket FROM dirty d)) x
        WHERE $5 IS NOT NULL AND NOT EXISTS (SELECT FROM pair)
    )
    SELECT x.cube FROM longest l JOIN fp_spans x ON x.source = $1 AND x.level = l.level AND x.number = l.number
    UNION ALL
    -- a bucket in which one of the pair was never recorded has no such pair
    SELECT coalesce(m.cube, c.cube)
    FROM fp_cubes c
    LEFT JOIN pair p ON true
    LEFT JOIN fp_margins m ON m.source = $1 AND m.row_dim = p.row_dim AND m.col_dim = p.col_dim AND m.bucket = c.bucket
    WHERE c.source = $1 AND c.bucket >= $2 AND c.bucket < $3
      AND c.bucket NOT IN (SELECT d.bucket FROM dirty d)
      AND NOT EXISTS (SELECT FROM longest l WHERE c.bucket BETWEEN l.span_begins AND l.span_ends)
    UNION ALL
    SELECT failure_cube(o.failed, o.dims, ARRAY(SELECT d.name::text FROM known d WHERE d.kind = 'ordinal'), '{}'::text[], o.failed_checks)
    FROM dirty d
    CROSS JOIN s
    -- OFFSET 0: one index scan per bucket, never a scan of everything
    CROSS JOIN LATERAL (SELECT x.observed_at, x.failed, x.dims, x.failed_checks FROM fp_observations x
                        WHERE x.source = $1 AND x.observed_at >= d.bucket AND x.observed_at < d.ends
                        OFFSET 0) o
    WHERE fp_bucket(o.observed_at, s.bucket, s.bucket_zone) = d.bucket
      AND ($4 = '{}' OR fp_conditions_met(o.dims, $4, ARRAY(SELECT d.name::text FROM known d WHERE d.kind = 'ordinal')))
    GROUP BY d.bucket;
END;
COMMENT ON FUNCTION fp_window_cubes(text, timestamptz, timestamptz, jsonb, text[], boolean) IS
    'cubes whose sum is that of a source over whole time buckets, as few as there are, with at least what meets conditions, and at least these dimensions (all, and jobs, where NULL); the last argument: as of now, not as of the last refresh';

CREATE FUNCTION fp_window_cube(
    source text,
    first_bucket timestamptz,
    ends timestamptz,
    conditions jsonb DEFAULT '{}',
    dims text[] DEFAULT NULL,
    current boolean DEFAULT true)
    RETURNS failure_cube
    LANGUAGE plpgsql STABLE PARALLEL SAFE
    SET search_path FROM CURRENT
AS $fn$
#variable_conflict use_variable
DECLARE
    s fp_sources := fp_source_named(fp_window_cube.source);
    result failure_cube;
BEGIN
    PERFORM fp_checked_conditions(s.source, conditions, 'filter');
    SELECT rollup(CASE WHEN dims IS NOT NULL THEN fp_cube_part(c, conditions, dims)
                       WHEN conditions = '{}' THEN c
                       ELSE fp_slice(c, conditions) END)
    INTO result
    FROM fp_window_cubes(s.source, first_bucket, ends, conditions, dims, current) c;
    RETURN result;
END
$fn$;
COMMENT ON FUNCTION fp_window_cube(text, timestamptz, timestamptz, jsonb, text[], boolean) IS
    'the cube of a source over whole time buckets; dims: the dimensions that are needed, all where NULL; current: as of now, not as of the last refresh';

CREATE FUNCTION fp_window_heatmap(
    source text,
    first_bucket timestamptz,
    ends timestamptz,
    filter jsonb,
    row_dim text,
    col_dim text,
    "check" text,
    row_limit integer,
    col_limit integer,
    row_bins double precision[],
    col_bins double precision[],
    palette text,
    confidence double precision,
    red_at double precision,
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
    AS 'MODULE_PATHNAME', 'failpat_window_heatmap';
COMMENT ON FUNCTION fp_window_heatmap(text, timestamptz, timestamptz, jsonb, text, text, text, integer, integer, double precision[],
                                      double precision[], text, double precision, double precision) IS
    'fp_heatmap of what the cubes of fp_window_cubes hold and meets a filter, without names; of checks that never failed too';

CREATE FUNCTION fp_window_heatmap_text(
    source text,
    first_bucket timestamptz,
    ends timestamptz,
    filter jsonb,
    row_dim text,
    col_dim text,
    "check" text,
    row_limit integer,
    col_limit integer,
    row_bins double precision[],
    col_bins double precision[],
    palette text,
    confidence double precision,
    red_at double precision,
    colors boolean,
    row_names jsonb,
    col_names jsonb)
    RETURNS SETOF text
    LANGUAGE c STABLE PARALLEL SAFE ROWS 30
    AS 'MODULE_PATHNAME', 'failpat_window_heatmap_text';
COMMENT ON FUNCTION fp_window_heatmap_text(text, timestamptz, timestamptz, jsonb, text, text, text, integer, integer, double precision[],
                                           double precision[], text, double precision, double precision, boolean, jsonb, jsonb) IS
    'fp_heatmap_text of what the cubes of fp_window_cubes hold and meets a filter';

CREATE FUNCTION fp_heatmap_window(
    source text, row_dim text, col_dim text, since timestamptz, until timestamptz, filter jsonb,
    OUT first_bucket timestamptz,
    OUT ends timestamptz)
    LANGUAGE plpgsql STABLE PARALLEL SAFE
    SET search_path FROM CURRENT
AS $fn$
#variable_conflict use_variable
BEGIN
    IF row_dim IS NULL OR col_dim IS NULL THEN
        RAISE null_value_not_allowed USING MESSAGE = 'arguments "row_dim" and "col_dim" must not be null';
    END IF;
    -- as conditions, so that an unknown dimension is the same error everywhere
    PERFORM fp_checked_conditions(source, jsonb_build_object(row_dim, NULL, col_dim, NULL), 'row_dim');
    IF row_dim = col_dim AND NOT EXISTS (
        SELECT FROM fp_dimensions d WHERE d.source = fp_heatmap_window.source AND d.name = row_dim AND d.kind = 'set') THEN
        RAISE invalid_parameter_value USING
            MESSAGE = format('row_dim and col_dim are both "%s"', fp_clipped(row_dim)),
            DETAIL = 'Only a set-valued dimension can be compared with itself.';
    END IF;
    PERFORM fp_checked_conditions(source, filter, 'filter');
    SELECT w.first_bucket, w.ends INTO first_bucket, ends FROM fp_window(source, since, until) w;
END
$fn$;
COMMENT ON FUNCTION fp_heatmap_window(text, text, text, timestamptz, timestamptz, jsonb) IS
    'the time buckets of a heatmap of a source; raises where there is no such heatmap';

CREATE FUNCTION fp_heatmap(
    row_dim text,
    col_dim text,
    source text DEFAULT NULL,
    since timestamptz DEFAULT NULL,
    until timestamptz DEFAULT NULL,
    filter jsonb DEFAULT NULL,
    "check" text DEFAULT NULL,
    row_limit integer DEFAULT 100,
    col_limit integer DEFAULT 100,
    row_bins double precision[] DEFAULT NULL,
    col_bins double precision[] DEFAULT NULL,
    palette text DEFAULT 'traffic',
    confidence double precision DEFAULT 0.95,
    red_at double precision DEFAULT 0.5)
    RETURNS TABLE (
        row_value text,
        col_value text,
        row_label text,
        col_label text,
        row_order integer,
        col_order integer,
        trials bigint,
        failures bigint,
        rate double precision,
        lower double precision,
        upper double precision,
        shrunken_rate double precision,
        severity text,
        color text,
        enough_data boolean,
        conditions jsonb)
    LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 400
    SET search_path FROM CURRENT
AS $fn$
#variable_conflict use_column
DECLARE
    s fp_sources := fp_source_named(fp_heatmap.source);
    axes constant text[] := ARRAY[fp_heatmap.row_dim, fp_heatmap.col_dim];
    met constant jsonb := coalesce(fp_heatmap.filter, '{}');
    w record;
BEGIN
    SELECT * INTO w FROM fp_heatmap_window(s.source, axes[1], axes[2], fp_heatmap.since, fp_heatmap.until, met);
    RETURN QUERY
    WITH cells AS MATERIALIZED (
        SELECT h.* FROM fp_window_heatmap(s.source, w.first_bucket, w.ends, met, axes[1], axes[2], fp_heatmap."check",
                                          fp_heatmap.row_limit, fp_heatmap.col_limit, fp_heatmap.row_bins, fp_heatmap.col_bins,
                                          fp_heatmap.palette, fp_heatmap.confidence, fp_heatmap.red_at) h
    ), rows AS MATERIALIZED (
        SELECT l.* FROM fp_labels(s.source, axes[1], ARRAY(SELECT DISTINCT c.row_value FROM cells c)) l
    ), cols AS MATERIALIZED (
        SELECT l.* FROM fp_labels(s.source, axes[2], ARRAY(SELECT DISTINCT c.col_value FROM cells c)) l
    )
    SELECT c.row_value, c.col_value, r.label, k.label, c.row_order, c.col_order, c.trials, c.failures, c.rate,
           c.lower, c.upper, c.shrunken_rate, c.severity, c.color, c.enough_data, c.conditions
    FROM cells c JOIN rows r ON r.value = c.row_value JOIN cols k ON k.value = c.col_value
    ORDER BY c.row_order, c.col_order;
END
$fn$;
COMMENT ON FUNCTION fp_heatmap(text, text, text, timestamptz, timestamptz, jsonb, text, integer, integer,
                               double precision[], double precision[], text, double precision, double precision) IS
    'two dimensions of a source against each other, over whole time buckets: a row per cell, with names, rate, interval, severity and colour';

CREATE FUNCTION fp_heatmap_text(
    row_dim text,
    col_dim text,
    source text DEFAULT NULL,
    since timestamptz DEFAULT NULL,
    until timestamptz DEFAULT NULL,
    filter jsonb DEFAULT NULL,
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
    LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 30
    SET search_path FROM CURRENT
AS $fn$
#variable_conflict use_column
DECLARE
    s fp_sources := fp_source_named(fp_heatmap_text.source);
    axes constant text[] := ARRAY[fp_heatmap_text.row_dim, fp_heatmap_text.col_dim];
    met constant jsonb := coalesce(fp_heatmap_text.filter, '{}');
    w record;
    names jsonb[];
BEGIN
    SELECT * INTO w FROM fp_heatmap_window(s.source, axes[1], axes[2], fp_heatmap_text.since, fp_heatmap_text.until, met);
    WITH cells AS MATERIALIZED (
        SELECT h.* FROM fp_window_heatmap(s.source, w.first_bucket, w.ends, met, axes[1], axes[2], fp_heatmap_text."check",
                                          fp_heatmap_text.row_limit, fp_heatmap_text.col_limit, fp_heatmap_text.row_bins,
                                          fp_heatmap_text.col_bins, fp_heatmap_text.palette, fp_heatmap_text.confidence,
                                          fp_heatmap_text.red_at) h
    )
    SELECT ARRAY[
        (SELECT jsonb_object_agg(l.value, l.label) FROM fp_labels(s.source, axes[1], ARRAY(SELECT DISTINCT c.row_value FROM cells c)) l),
        (SELECT jsonb_object_agg(l.value, l.label) FROM fp_labels(s.source, axes[2], ARRAY(SELECT DISTINCT c.col_value FROM cells c)) l)]
    INTO names;
    RETURN QUERY
    SELECT t FROM fp_window_heatmap_text(s.source, w.first_bucket, w.ends, met, axes[1], axes[2], fp_heatmap_text."check",
                                         fp_heatmap_text.row_limit, fp_heatmap_text.col_limit, fp_heatmap_text.row_bins,
                                         fp_heatmap_text.col_bins, fp_heatmap_text.palette, fp_heatmap_text.confidence,
                                         fp_heatmap_text.red_at, fp_heatmap_text.colors, names[1], names[2]) t;
END
$fn$;
COMMENT ON FUNCTION fp_heatmap_text(text, text, text, timestamptz, timestamptz, jsonb, text, integer, integer,
                                    double precision[], double precision[], text, double precision, double precision, boolean) IS
    'a heatmap of a source as lines for a terminal, with names, in ANSI colours (psql: \pset format unaligned) or without';

CREATE FUNCTION fp_create_dashboard_views(schema text, source text DEFAULT NULL)
    RETURNS void
    LANGUAGE plpgsql
    SET search_path FROM CURRENT
AS $fn$
#variable_conflict use_variable
DECLARE
    s fp_sources := fp_source_named(source);
BEGIN
    IF schema IS NULL OR NOT EXISTS (SELECT FROM pg_namespace n WHERE n.nspname = schema) THEN
        RAISE invalid_schema_name USING
            MESSAGE = format('there is no schema %s', coalesce(quote_ident(fp_clipped(schema)), 'NULL'));
    END IF;
    EXECUTE format(
        'CREATE MATERIALIZED VIEW %1$I.fp_dashboard_heatmaps AS
         SELECT a.name::text AS row_dim, b.name::text AS col_dim, h.*
         FROM fp_dimensions a
         JOIN fp_dimensions b ON b.source = a.source AND b.position > a.position
         CROSS JOIN LATERAL fp_heatmap(a.name::text, b.name::text, %2$L) h
         WHERE a.source = %2$L', schema, s.source);
    EXECUTE format('CREATE UNIQUE INDEX ON %I.fp_dashboard_heatmaps (row_dim, col_dim, row_value, col_value)', schema);
    EXECUTE format(
        'CREATE MATERIALIZED VIEW %1$I.fp_dashboard_values AS
         WITH t AS MATERIALIZED (
             SELECT d.name::text AS dimension, d.title, d.position, v.values ->> d.name AS value,
                    v.trials, v.failures, v.rate, v.lower, v.upper
             FROM fp_window(%2$L, NULL, NULL) w
             CROSS JOIN (SELECT * FROM fp_dimensions WHERE source = %2$L) d
             CROSS JOIN LATERAL fp_totals(fp_window_cube(%2$L, w.first_bucket, w.ends, ''{}'', ARRAY[d.name::text]), d.name::text) v
             WHERE v.values -> d.name NOT IN (''null'', ''[]''))
         SELECT t.dimension, t.title, t.value, l.label, t.trials, t.failures, t.rate, t.lower, t.upper
         FROM (SELECT DISTINCT dimension FROM t) d
         CROSS JOIN LATERAL fp_labels(%2$L, d.dimension, ARRAY(SELECT x.value FROM t x WHERE x.dimension = d.dimension)) l
         JOIN t ON t.dimension = d.dimension AND t.value = l.value', schema, s.source);
    EXECUTE format('CREATE UNIQUE INDEX ON %I.fp_dashboard_values (dimension, value)', schema);
    EXECUTE format(
        'CREATE MATERIALIZED VIEW %1$I.fp_dashboard_buckets AS
         SELECT c.bucket, t.trials, t.failures, t.rate, t.lower, t.upper
         FROM fp_cubes c CROSS JOIN LATERAL fp_totals(c.cube) t
         WHERE c.source = %2$L', schema, s.source);
    EXECUTE format('CREATE UNIQUE INDEX ON %I.fp_dashboard_buckets (bucket)', schema);
END
$fn$;
COMMENT ON FUNCTION fp_create_dashboard_views(text, text) IS
    'creates materialized views of heatmaps, values and time buckets, with the unique indexes that REFRESH ... CONCURRENTLY needs';
REVOKE ALL ON FUNCTION fp_create_dashboard_views(text, text) FROM PUBLIC;
