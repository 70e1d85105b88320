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
    RETURN NULL;
END
$fn$;
COMMENT ON FUNCTION fp_drop_spans() IS 'trigger that removes what has been added up of a bucket that changes';
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
BEGIN
    s := fp_refresh_source(fp_refresh_spans.source);
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
        SELECT * FROM blocks k
        WHERE k.buckets > 1
          AND NOT EXISTS (SELECT FROM fp_spans x WHERE x.source = s.source AND x.level = k.level AND x.number = k.number)
        ORDER BY k.level, k.number
        LIMIT 32
    LOOP
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
    RETURN made;
EXCEPTION WHEN OTHERS THEN
    PERFORM fp_refresh_error(fp_refresh_spans.source, SQLERRM);
    RETURN 0;
END
$fn$;
COMMENT ON FUNCTION fp_refresh_spans(text) IS
    'step of a refresh: adds up buckets that are over, some at a time; 0 when none is left';
REVOKE ALL ON FUNCTION fp_refresh_spans(text) FROM PUBLIC;
