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
