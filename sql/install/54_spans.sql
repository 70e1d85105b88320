-- Long stretches of time, added up: a heatmap with a filter needs whole cubes,
-- and those of many buckets hold the same combinations again and again.

-- Nothing here is more than fp_cubes knows. Spans are of 2, 4, ... 64 buckets,
-- of those that are over; who reads takes the longest that lie in its time and
-- in which nothing is dirty, and for the rest the buckets themselves.
CREATE TABLE fp_spans (
    source text COLLATE "C" NOT NULL,
    level smallint NOT NULL,
    number bigint NOT NULL,
    first_bucket timestamptz NOT NULL,
    last_bucket timestamptz NOT NULL,
    buckets integer NOT NULL,
    cube failure_cube NOT NULL,
    PRIMARY KEY (source, level, number)
);
COMMENT ON TABLE fp_spans IS 'the cubes of fp_cubes, without jobs, added up over 2 to 64 buckets; made by refresh, gone when one of them changes';
COMMENT ON COLUMN fp_spans.source IS 'name of the source';
COMMENT ON COLUMN fp_spans.level IS 'two to the power of this is how many buckets it is for';
COMMENT ON COLUMN fp_spans.number IS 'which of them, counted from 1970';
COMMENT ON COLUMN fp_spans.first_bucket IS 'first bucket in it that there is';
COMMENT ON COLUMN fp_spans.last_bucket IS 'last bucket in it that there is';
COMMENT ON COLUMN fp_spans.buckets IS 'how many buckets in it there are';
COMMENT ON COLUMN fp_spans.cube IS 'their observations, counted';
-- read often and whole
ALTER TABLE fp_spans ALTER COLUMN cube SET STORAGE EXTERNAL;

-- Counts by bucket of what the last looks have asked for (see src/window.c).
CREATE TABLE fp_bucket_counts (
    source text COLLATE "C" NOT NULL,
    bucket timestamptz NOT NULL,
    dims text[] NOT NULL,
    conditions jsonb[] NOT NULL,
    trials bigint[] NOT NULL,
    failures bigint[] NOT NULL,
    clusters bigint[],
    squares double precision[],
    shares bytea[],
    jobs bytea,
    shared bytea,
    PRIMARY KEY (source, bucket)
);
-- read whole, and of hashes mostly
ALTER TABLE fp_bucket_counts ALTER COLUMN jobs SET STORAGE EXTERNAL, ALTER COLUMN shared SET STORAGE EXTERNAL;
COMMENT ON TABLE fp_bucket_counts IS 'counts in the cubes of fp_cubes of combinations that looks asked for; made by refresh, gone when the bucket changes';
COMMENT ON COLUMN fp_bucket_counts.source IS 'name of the source';
COMMENT ON COLUMN fp_bucket_counts.bucket IS 'start of the bucket';
COMMENT ON COLUMN fp_bucket_counts.dims IS 'dimensions that its cube has; an empty name for each stratum, as jobs are';
COMMENT ON COLUMN fp_bucket_counts.conditions IS 'the combinations; {} is everything';
COMMENT ON COLUMN fp_bucket_counts.trials IS 'observations that meet each';
COMMENT ON COLUMN fp_bucket_counts.failures IS 'failures among them';
COMMENT ON COLUMN fp_bucket_counts.clusters IS 'in how many of the jobs that lie in this bucket only each is; an observation without a job is one; NULL: there are no jobs';
COMMENT ON COLUMN fp_bucket_counts.squares IS 'sum of the squares of how many observations each of these has';
COMMENT ON COLUMN fp_bucket_counts.shares IS 'how many observations the jobs that lie in other buckets too have';
COMMENT ON COLUMN fp_bucket_counts.jobs IS 'hashes of the jobs of the bucket, with observations and failures of each';
COMMENT ON COLUMN fp_bucket_counts.shared IS 'hashes of the jobs that shares are of';

-- In order, though not without gaps or doubles: months differ in length.
CREATE FUNCTION fp_bucket_number(bucket timestamptz, width interval)
    RETURNS bigint
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
BEGIN ATOMIC
    SELECT floor(extract(epoch FROM bucket) / extract(epoch FROM width))::bigint;
END;
COMMENT ON FUNCTION fp_bucket_number(timestamptz, interval) IS 'buckets since 1970, roughly';

CREATE FUNCTION fp_drop_spans()
    RETURNS trigger
    LANGUAGE plpgsql
    SET search_path FROM CURRENT
AS $fn$
DECLARE
    changed fp_cubes := coalesce(NEW, OLD);
BEGIN
    DELETE FROM fp_spans x USING fp_sources s
    WHERE s.source = changed.source AND x.source = changed.source
      AND (x.number = fp_bucket_number(changed.bucket, s.bucket) >> x.level
           OR changed.bucket BETWEEN x.first_bucket AND x.last_bucket);
    DELETE FROM fp_bucket_counts k WHERE k.source = changed.source AND k.bucket = changed.bucket;
    RETURN NULL;
END
$fn$;
COMMENT ON FUNCTION fp_drop_spans() IS 'trigger that removes what has been added up and counted of a bucket that changes';
REVOKE ALL ON FUNCTION fp_drop_spans() FROM PUBLIC;
CREATE TRIGGER fp_drop_spans AFTER INSERT OR UPDATE OR DELETE ON fp_cubes
    FOR EACH ROW EXECUTE FUNCTION fp_drop_spans();

CREATE FUNCTION fp_refresh_spans(source text)
    RETURNS bigint
    LANGUAGE plpgsql
    SET search_path FROM CURRENT
AS $fn$
#variable_conflict use_column
DECLARE
    s fp_sources;
    dims text[];
    b record;
    made bigint := 0;
    before bigint;
    lacking bigint;
BEGIN
    s := fp_refresh_source(fp_refresh_spans.source);
    SELECT CASE t.refresh_step WHEN 'spans' THEN coalesce(t.refresh_done, 0) ELSE 0 END INTO before
    FROM fp_source_state t WHERE t.source = s.source;
    dims := ARRAY(SELECT d.name FROM fp_dimensions d WHERE d.source = s.source);
    -- the lower ones first, of which the higher ones are made; a few at a time
    FOR b IN
        WITH numbers AS MATERIALIZED (
            SELECT c.bucket, fp_bucket_number(c.bucket, s.bucket) AS number FROM fp_cubes c WHERE c.source = s.source
        ), blocks AS (
            SELECT l.level, n.number >> l.level AS number, count(*)::integer AS buckets,
                   min(n.bucket) AS first_bucket, max(n.bucket) AS last_bucket
            FROM numbers n CROSS JOIN generate_series(1, 6) l (level)
            WHERE n.number >> l.level < (SELECT max(x.number) FROM numbers x) >> l.level
            GROUP BY 1, 2
        )
        SELECT k.*, count(*) OVER () AS lacking FROM blocks k
        WHERE k.buckets > 1
          AND NOT EXISTS (SELECT FROM fp_spans x WHERE x.source = s.source AND x.level = k.level AND x.number = k.number)
        ORDER BY k.level, k.number
        LIMIT 32
    LOOP
        lacking := b.lacking;
        PERFORM fp_show_progress('adding up', before + made, before + lacking);
        INSERT INTO fp_spans (source, level, number, first_bucket, last_bucket, buckets, cube)
        SELECT s.source, b.level, b.number, b.first_bucket, b.last_bucket, b.buckets, rollup(p.cube)
        FROM (SELECT x.cube FROM fp_spans x
              WHERE x.source = s.source AND x.level = b.level - 1 AND x.number IN (b.number * 2, b.number * 2 + 1)
              UNION ALL
              SELECT fp_cube_part(c.cube, '{}', dims) FROM fp_cubes c
              WHERE c.source = s.source AND c.bucket BETWEEN b.first_bucket AND b.last_bucket
                AND NOT EXISTS (SELECT FROM fp_spans x
                                WHERE x.source = s.source AND x.level = b.level - 1 AND x.number IN (b.number * 2, b.number * 2 + 1)
                                  AND c.bucket BETWEEN x.first_bucket AND x.last_bucket)) p;
        made := made + 1;
    END LOOP;
    IF made > 0 THEN
        PERFORM fp_note_progress(s.source, 'spans', made, lacking - made);
    END IF;
    RETURN made;
EXCEPTION WHEN OTHERS THEN
    PERFORM fp_refresh_error(fp_refresh_spans.source, SQLERRM);
    RETURN 0;
END
$fn$;
COMMENT ON FUNCTION fp_refresh_spans(text) IS
    'step of a refresh: adds up buckets that are over, some at a time; 0 when none is left';
REVOKE ALL ON FUNCTION fp_refresh_spans(text) FROM PUBLIC;

CREATE FUNCTION fp_longest_spans(source text, first_bucket timestamptz, last_bucket timestamptz, dirty timestamptz[] DEFAULT '{}',
                                 OUT level smallint, OUT number bigint, OUT span_begins timestamptz, OUT span_ends timestamptz)
    RETURNS SETOF record
    LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    WITH spans AS MATERIALIZED (
        SELECT x.level, x.number, x.first_bucket, x.last_bucket FROM fp_spans x
        WHERE x.source = $1 AND x.first_bucket >= $2 AND x.last_bucket <= $3
          AND NOT EXISTS (SELECT FROM unnest($4) d (bucket) WHERE d.bucket BETWEEN x.first_bucket AND x.last_bucket)
    )
    SELECT x.level, x.number, x.first_bucket, x.last_bucket FROM spans x
    WHERE NOT EXISTS (SELECT FROM spans y WHERE y.level > x.level
                      AND y.first_bucket <= x.first_bucket AND y.last_bucket >= x.last_bucket);
END;
COMMENT ON FUNCTION fp_longest_spans(text, timestamptz, timestamptz, timestamptz[]) IS
    'the longest spans of a source within these buckets and without those';

CREATE FUNCTION fp_window_parts(source text, first_bucket timestamptz, last_bucket timestamptz)
    RETURNS failure_cube[]
    LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    WITH spans AS MATERIALIZED (
        SELECT x.level, x.number, x.span_begins, x.span_ends FROM fp_longest_spans($1, $2, $3) x
    )
    SELECT array_agg(p.cube) FROM (
        SELECT x.cube FROM spans l JOIN fp_spans x ON x.source = $1 AND x.level = l.level AND x.number = l.number
        UNION ALL
        SELECT c.cube FROM fp_cubes c
        WHERE c.source = $1 AND c.bucket BETWEEN $2 AND $3
          AND NOT EXISTS (SELECT FROM spans l WHERE c.bucket BETWEEN l.span_begins AND l.span_ends)) p;
END;
COMMENT ON FUNCTION fp_window_parts(text, timestamptz, timestamptz) IS
    'cubes whose sum is that of the buckets of a source from the first to the last, as few as there are';
REVOKE ALL ON FUNCTION fp_window_parts(text, timestamptz, timestamptz) FROM PUBLIC;

CREATE FUNCTION fp_mine_window(
  source text,
  buckets timestamptz[],
  max_arity integer,
  alpha double precision,
  min_trials integer,
  min_risk_ratio double precision,
  direction text DEFAULT 'worse',
  "check" text DEFAULT NULL)
RETURNS TABLE (
  conditions jsonb,
  pattern_key text,
  description text,
  effect text,
  failed_check text,
  arity integer,
  failures bigint,
  trials bigint,
  rate double precision,
  lower double precision,
  upper double precision,
  baseline_rate double precision,
  risk_ratio double precision,
  rr_lower double precision,
  rr_upper double precision,
  p_value double precision,
  q_value double precision,
  severity text,
  q_by_value double precision,
  adjusted_ratio double precision,
  adjusted_lower double precision,
  adjusted_upper double precision,
  expected_failures double precision,
  excess_failures double precision,
  excess_bound double precision,
  confounders jsonb,
  same_as jsonb,
  inflation double precision,
  p_marginal double precision,
  folded jsonb)
AS 'MODULE_PATHNAME', 'failpat_mine_window'
LANGUAGE C VOLATILE COST 100000 ROWS 10;
COMMENT ON FUNCTION fp_mine_window(text, timestamptz[], integer, double precision, integer, double precision, text, text) IS
    'fp_patterns of the cubes of a source in these buckets, all that there are between the first and the last one, in order; keeps what it counts in them';
REVOKE ALL ON FUNCTION fp_mine_window(text, timestamptz[], integer, double precision, integer, double precision, text, text) FROM PUBLIC;
