-- The sum of the window, kept, so that a refresh after a few observations adds
-- up a few cubes.

-- A cache: dumps leave it out, and what it lacks is added up again.
CREATE TABLE fp_window_sums (
    source text COLLATE "C" PRIMARY KEY,
    buckets timestamptz[] NOT NULL,
    dims text[] NOT NULL,
    state text NOT NULL,
    cube failure_cube
);
COMMENT ON TABLE fp_window_sums IS 'the cubes of buckets that do not change any more, added up';
COMMENT ON COLUMN fp_window_sums.source IS 'name of the source';
COMMENT ON COLUMN fp_window_sums.buckets IS 'the buckets, in order';
COMMENT ON COLUMN fp_window_sums.dims IS 'the dimensions of the source';
COMMENT ON COLUMN fp_window_sums.state IS 'hash of when they were counted';
COMMENT ON COLUMN fp_window_sums.cube IS 'their sum, without jobs';

CREATE FUNCTION fp_window_sum(source text)
    RETURNS failure_cube
    LANGUAGE plpgsql
    SET search_path FROM CURRENT
AS $fn$
#variable_conflict use_column
DECLARE
    src fp_sources;
    kept fp_window_sums;
    started timestamptz;
    start timestamptz;
    settled timestamptz[];
    names text[];
    now_is text;
    result failure_cube;
BEGIN
    SELECT * INTO src FROM fp_sources s WHERE s.source = fp_window_sum.source;
    SELECT t.refresh_started_at INTO started FROM fp_source_state t WHERE t.source = src.source;
    start := now() - src.window_length - src.bucket;
    names := ARRAY(SELECT d.name FROM fp_dimensions d WHERE d.source = src.source ORDER BY d.position);
    -- what this refresh has counted the next one may count again
    settled := ARRAY(SELECT c.bucket FROM fp_cubes c
                     WHERE c.source = src.source AND c.bucket > start AND c.refreshed_at < started ORDER BY c.bucket);
    SELECT * INTO kept FROM fp_window_sums w WHERE w.source = src.source;
    SELECT md5(string_agg(extract(epoch FROM c.refreshed_at)::text, ' ' ORDER BY c.bucket)) INTO now_is
    FROM fp_cubes c WHERE c.source = src.source AND c.bucket = ANY (kept.buckets);
    -- it is as good as one cube more while it lacks a few that would fit
    IF kept.source IS NULL OR kept.dims <> names OR kept.state IS DISTINCT FROM now_is OR NOT kept.buckets <@ settled
       OR cardinality(kept.buckets) + 8 < cardinality(settled) THEN
        DELETE FROM fp_window_sums w WHERE w.source = src.source;
        kept := NULL;
        IF cardinality(settled) > 8 THEN
            INSERT INTO fp_window_sums AS w (source, buckets, dims, state, cube)
            SELECT src.source, settled, names, md5(string_agg(extract(epoch FROM c.refreshed_at)::text, ' ' ORDER BY c.bucket)),
                rollup(fp_cube_part(c.cube, '{}', names))
            FROM fp_cubes c WHERE c.source = src.source AND c.bucket = ANY (settled)
            RETURNING w.* INTO kept;
        END IF;
    END IF;
    SELECT rollup(parts.cube) INTO result
    FROM (SELECT kept.cube AS cube
          UNION ALL
          SELECT fp_cube_part(c.cube, '{}', names) FROM fp_cubes c
          WHERE c.source = src.source AND c.bucket > start AND c.bucket <> ALL (coalesce(kept.buckets, '{}'))) parts;
    RETURN result;
END
$fn$;
COMMENT ON FUNCTION fp_window_sum(text) IS
    'the cubes of a source''s window as one, without jobs; adds up only those that have changed since a refresh before';
REVOKE ALL ON FUNCTION fp_window_sum(text) FROM PUBLIC;
