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

CREATE FUNCTION fp_cube_part(cube failure_cube, conditions jsonb, dims text[])
    RETURNS failure_cube
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'failpat_cube_part';
COMMENT ON FUNCTION fp_cube_part(failure_cube, jsonb, text[]) IS
    'the part of a cube that meets conditions, with these dimensions only; what the cube does not know was not recorded';

CREATE FUNCTION fp_cube_unfailed(cube failure_cube)
    RETURNS failure_cube
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'failpat_cube_unfailed';
COMMENT ON FUNCTION fp_cube_unfailed(failure_cube) IS
    'the trials of a cube without failures: what a check that never failed has';

CREATE FUNCTION fp_keep_margins()
    RETURNS trigger
    LANGUAGE plpgsql
    SET search_path FROM CURRENT
AS $fn$
BEGIN
    IF TG_OP <> 'INSERT' THEN
        DELETE FROM fp_margins m USING fp_cube_dims(OLD.cube) a, fp_cube_dims(OLD.cube) b
        WHERE m.source = OLD.source AND m.row_dim = a.name AND m.col_dim = b.name AND m.bucket = OLD.bucket;
    END IF;
    -- the cube itself says how many dimensions there are: a restore loads
    -- fp_cubes before fp_dimensions
    IF TG_OP <> 'DELETE'
       AND (SELECT count(*) FROM fp_cube_dims(NEW.cube) d WHERE d.kind <> 'stratum') BETWEEN 2 AND 10 THEN
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
#variable_conflict use_column
DECLARE
    s fp_sources := fp_source_named(fp_window_cube.source);
    ordinal text[] := fp_checked_conditions(s.source, fp_window_cube.conditions, 'filter');
    pair text[];
    result failure_cube;
BEGIN
    -- the pair that holds these one or two dimensions, if pairs are kept; sets are
    -- many in every bucket, and longer spans hold them once
    IF fp_window_cube.conditions = '{}' AND NOT EXISTS (
        SELECT FROM fp_dimensions d WHERE d.source = s.source AND d.kind = 'set' AND d.name = ANY (fp_window_cube.dims)) THEN
        SELECT ARRAY[a.name, b.name] INTO pair
        FROM fp_dimensions a JOIN fp_dimensions b ON b.source = a.source AND b.name > a.name
        WHERE a.source = s.source AND ARRAY[a.name, b.name]::text[] @> fp_window_cube.dims
          AND (SELECT count(*) FROM fp_dimensions d WHERE d.source = s.source) <= 10
        ORDER BY a.position, b.position LIMIT 1;
    END IF;
    WITH dirty AS MATERIALIZED (
        SELECT DISTINCT d.bucket, fp_bucket_end(d.bucket, s.bucket, s.bucket_zone) AS ends FROM fp_dirty d
        WHERE fp_window_cube.current AND d.source = s.source
          AND d.bucket >= fp_window_cube.first_bucket AND d.bucket < fp_window_cube.ends
    ), longest AS MATERIALIZED (
        SELECT x.* FROM fp_longest_spans(s.source, fp_window_cube.first_bucket, fp_window_cube.ends - interval '1 microsecond',
                                         ARRAY(SELECT d.bucket FROM dirty d)) x
        WHERE pair IS NULL AND fp_window_cube.dims IS NOT NULL
    ), clean AS (
        SELECT fp_cube_part(x.cube, fp_window_cube.conditions, fp_window_cube.dims) AS cube
        FROM longest l JOIN fp_spans x ON x.source = s.source AND x.level = l.level AND x.number = l.number
        UNION ALL
        -- a bucket in which one of the pair was never recorded has no such pair
        SELECT coalesce(m.cube, fp_cube_part(c.cube, '{}', fp_window_cube.dims)) AS cube
        FROM fp_cubes c
        LEFT JOIN fp_margins m ON m.source = s.source AND m.row_dim = pair[1] AND m.col_dim = pair[2] AND m.bucket = c.bucket
        WHERE pair IS NOT NULL AND c.source = s.source
          AND c.bucket >= fp_window_cube.first_bucket AND c.bucket < fp_window_cube.ends
          AND c.bucket NOT IN (SELECT bucket FROM dirty)
        UNION ALL
        SELECT CASE WHEN fp_window_cube.dims IS NULL AND fp_window_cube.conditions = '{}' THEN c.cube
                    WHEN fp_window_cube.dims IS NULL THEN fp_slice(c.cube, fp_window_cube.conditions)
                    ELSE fp_cube_part(c.cube, fp_window_cube.conditions, fp_window_cube.dims) END
        FROM fp_cubes c
        WHERE pair IS NULL AND c.source = s.source
          AND c.bucket >= fp_window_cube.first_bucket AND c.bucket < fp_window_cube.ends
          AND c.bucket NOT IN (SELECT bucket FROM dirty)
          AND NOT EXISTS (SELECT FROM longest l WHERE c.bucket BETWEEN l.span_begins AND l.span_ends)
    ), fresh AS (
        SELECT failure_cube(o.failed, o.dims, ordinal, '{}'::text[], o.failed_checks) AS cube
        FROM dirty d
        -- OFFSET 0: one index scan per bucket, never a scan of everything
        CROSS JOIN LATERAL (SELECT x.* FROM fp_observations x
                            WHERE x.source = s.source AND x.observed_at >= d.bucket AND x.observed_at < d.ends
                            OFFSET 0) o
        WHERE fp_bucket(o.observed_at, s.bucket, s.bucket_zone) = d.bucket
          AND (fp_window_cube.conditions = '{}' OR fp_conditions_met(o.dims, fp_window_cube.conditions, ordinal))
    )
    SELECT rollup(cube) INTO result FROM (SELECT cube FROM clean UNION ALL SELECT cube FROM fresh) parts;
    RETURN result;
END
$fn$;
COMMENT ON FUNCTION fp_window_cube(text, timestamptz, timestamptz, jsonb, text[], boolean) IS
    'the cube of a source over whole time buckets; dims: the dimensions that are needed, all where NULL; current: as of now, not as of the last refresh';

CREATE FUNCTION fp_heatmap_cube(
    source text, row_dim text, col_dim text, since timestamptz, until timestamptz, filter jsonb, "check" text,
    OUT cube failure_cube,
    OUT counted text)
    LANGUAGE plpgsql STABLE PARALLEL SAFE
    SET search_path FROM CURRENT
AS $fn$
#variable_conflict use_column
DECLARE
    axes constant text[] := ARRAY[fp_heatmap_cube.row_dim, fp_heatmap_cube.col_dim];
    bounds record;
BEGIN
    IF array_position(axes, NULL) IS NOT NULL THEN
        RAISE null_value_not_allowed USING MESSAGE = 'arguments "row_dim" and "col_dim" must not be null';
    END IF;
    -- as conditions, so that an unknown dimension is the same error everywhere
    PERFORM fp_checked_conditions(fp_heatmap_cube.source, jsonb_build_object(axes[1], NULL, axes[2], NULL), 'row_dim');
    IF axes[1] = axes[2] AND NOT EXISTS (
        SELECT FROM fp_dimensions d WHERE d.source = fp_heatmap_cube.source AND d.name = axes[1] AND d.kind = 'set') THEN
        RAISE invalid_parameter_value USING
            MESSAGE = format('row_dim and col_dim are both "%s"', fp_clipped(axes[1])),
            DETAIL = 'Only a set-valued dimension can be compared with itself.';
    END IF;
    SELECT * INTO bounds FROM fp_window(fp_heatmap_cube.source, fp_heatmap_cube.since, fp_heatmap_cube.until);
    cube := fp_window_cube(fp_heatmap_cube.source, bounds.first_bucket, bounds.ends, coalesce(fp_heatmap_cube.filter, '{}'), axes);
    -- never recorded: no row
    IF NOT axes <@ ARRAY(SELECT d.name FROM fp_cube_dims(cube) d) THEN
        cube := NULL;
    END IF;
    counted := fp_heatmap_cube."check";
    -- a check that never failed, in a source that knows it or not, failed 0 times
    IF counted <> ALL (ARRAY(SELECT k."check" FROM fp_cube_checks(cube) k)) THEN
        cube := fp_cube_unfailed(cube);
        counted := NULL;
    END IF;
END
$fn$;
COMMENT ON FUNCTION fp_heatmap_cube(text, text, text, timestamptz, timestamptz, jsonb, text) IS
    'what a heatmap of a source counts: a cube, NULL where there is nothing, and the check whose failures are to be counted in it';

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
    asked record;
BEGIN
    SELECT * INTO asked FROM fp_heatmap_cube(s.source, axes[1], axes[2], fp_heatmap.since, fp_heatmap.until, fp_heatmap.filter, fp_heatmap."check");
    IF asked.cube IS NULL THEN
        RETURN;
    END IF;
    RETURN QUERY
    WITH cells AS MATERIALIZED (
        SELECT h.* FROM fp_heatmap(asked.cube, axes[1], axes[2], asked.counted, fp_heatmap.row_limit, fp_heatmap.col_limit,
                                   fp_heatmap.row_bins, fp_heatmap.col_bins, fp_heatmap.palette,
                                   fp_heatmap.confidence, fp_heatmap.red_at) h
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
    asked record;
    names jsonb[];
BEGIN
    SELECT * INTO asked FROM fp_heatmap_cube(s.source, axes[1], axes[2], fp_heatmap_text.since, fp_heatmap_text.until, fp_heatmap_text.filter,
                                             fp_heatmap_text."check");
    IF asked.cube IS NULL THEN
        RETURN;
    END IF;
    WITH cells AS MATERIALIZED (
        SELECT h.* FROM fp_heatmap(asked.cube, axes[1], axes[2], asked.counted, fp_heatmap_text.row_limit, fp_heatmap_text.col_limit,
                                   fp_heatmap_text.row_bins, fp_heatmap_text.col_bins) h
    )
    SELECT ARRAY[
        (SELECT jsonb_object_agg(l.value, l.label) FROM fp_labels(s.source, axes[1], ARRAY(SELECT DISTINCT c.row_value FROM cells c)) l),
        (SELECT jsonb_object_agg(l.value, l.label) FROM fp_labels(s.source, axes[2], ARRAY(SELECT DISTINCT c.col_value FROM cells c)) l)]
    INTO names;
    RETURN QUERY
    SELECT t FROM fp_heatmap_text(asked.cube, axes[1], axes[2], asked.counted, fp_heatmap_text.row_limit, fp_heatmap_text.col_limit,
                                  fp_heatmap_text.row_bins, fp_heatmap_text.col_bins, fp_heatmap_text.palette, fp_heatmap_text.confidence,
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
