-- What every question about a source needs: which source, which time, whose names.

CREATE FUNCTION fp_clipped(value text)
    RETURNS text
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
BEGIN ATOMIC
    SELECT left(value, 60);
END;
COMMENT ON FUNCTION fp_clipped(text) IS 'as much of a value as fits into a message';

CREATE FUNCTION fp_told(error text)
    RETURNS text
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
BEGIN ATOMIC
    SELECT CASE WHEN length(error) <= 500 THEN error ELSE left(error, 500) || '...' END;
END;
COMMENT ON FUNCTION fp_told(text) IS 'an error as it is told and kept, cut short: it may have a value of any length in it';

CREATE FUNCTION fp_source_named(source text)
    RETURNS fp_sources
    LANGUAGE plpgsql STABLE PARALLEL SAFE
    SET search_path FROM CURRENT
AS $fn$
#variable_conflict use_column
DECLARE
    found_source fp_sources;
    names text[];
BEGIN
    IF fp_source_named.source IS NOT NULL THEN
        SELECT * INTO found_source FROM fp_sources s WHERE s.source = fp_source_named.source;
        IF FOUND THEN
            RETURN found_source;
        END IF;
    END IF;
    SELECT array_agg(s.source ORDER BY s.source) INTO names FROM fp_sources s;
    IF fp_source_named.source IS NULL AND cardinality(names) = 1 THEN
        SELECT * INTO found_source FROM fp_sources s;
        RETURN found_source;
    END IF;
    IF names IS NULL THEN
        RAISE invalid_parameter_value USING
            MESSAGE = CASE WHEN fp_source_named.source IS NULL THEN 'there is no source'
                           ELSE format('there is no source %s', quote_ident(fp_clipped(fp_source_named.source))) END,
            HINT = 'fp_attach registers one.';
    END IF;
    RAISE invalid_parameter_value USING
        MESSAGE = CASE WHEN fp_source_named.source IS NULL THEN 'source must be named where there are several'
                       ELSE format('there is no source %s', quote_ident(fp_clipped(fp_source_named.source))) END,
        HINT = format('The sources are %s.', array_to_string(names, ', '));
END
$fn$;
COMMENT ON FUNCTION fp_source_named(text) IS
    'the source of that name, or the only one where the name is NULL';

-- The local calendar decides where a day ends; a shorter bucket may be longer
-- than its width where clocks are put back.
CREATE FUNCTION fp_bucket_end(at timestamptz, width interval, zone text DEFAULT 'UTC')
    RETURNS timestamptz
    LANGUAGE sql STABLE STRICT PARALLEL SAFE
BEGIN ATOMIC
    SELECT CASE WHEN NOT isfinite(at) THEN at
                WHEN width >= interval '1 day'
                THEN fp_bucket(((at AT TIME ZONE zone) + width) AT TIME ZONE zone, width, zone)
                WHEN fp_bucket(fp_bucket(at, width, zone) + width, width, zone) > fp_bucket(at, width, zone)
                THEN fp_bucket(fp_bucket(at, width, zone) + width, width, zone)
                ELSE fp_bucket(fp_bucket(at, width, zone) + width + width, width, zone) END;
END;
COMMENT ON FUNCTION fp_bucket_end(timestamptz, interval, text) IS
    'where the time bucket ends that a moment lies in';

CREATE FUNCTION fp_period(source text, since timestamptz, until timestamptz, width interval,
                          OUT first_bucket timestamptz, OUT ends timestamptz)
    LANGUAGE plpgsql STABLE PARALLEL SAFE
    SET search_path FROM CURRENT
AS $fn$
#variable_conflict use_variable
DECLARE
    s fp_sources := fp_source_named(source);
BEGIN
    IF width IS NULL THEN
        RAISE null_value_not_allowed USING MESSAGE = 'argument "bucket" must not be null';
    END IF;
    IF since >= until THEN
        RAISE invalid_parameter_value USING
            MESSAGE = format('since must be before until: %s is not before %s', since, until);
    END IF;
    -- raises where the width is not usable
    PERFORM fp_bucket(now(), width, s.bucket_zone);
    first_bucket := coalesce(since, now() - s.window_length);
    IF isfinite(first_bucket) THEN
        first_bucket := fp_bucket(first_bucket, width, s.bucket_zone);
    END IF;
    ends := coalesce(until, 'infinity');
    IF isfinite(ends) AND fp_bucket(ends, width, s.bucket_zone) < ends THEN
        ends := fp_bucket_end(ends, width, s.bucket_zone);
    END IF;
END
$fn$;
COMMENT ON FUNCTION fp_period(text, timestamptz, timestamptz, interval) IS
    'the whole buckets of a width that a period touches, until exclusive; NULL: the source''s window, up to now';

CREATE FUNCTION fp_window(source text, since timestamptz, until timestamptz,
                          OUT first_bucket timestamptz, OUT ends timestamptz)
    LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT p.first_bucket, p.ends
    FROM fp_source_named(source) s CROSS JOIN LATERAL fp_period(s.source, since, until, s.bucket) p;
END;
COMMENT ON FUNCTION fp_window(text, timestamptz, timestamptz) IS
    'the whole time buckets that a period touches, until exclusive; NULL: the source''s window, up to now';

-- As the table's owner, for reasons given in src/reading.c; nobody sees by it
-- what they may not read themselves.
CREATE FUNCTION fp_read_labels(label_table oid, label_key text, label_column text, vals text[])
    RETURNS TABLE (key text, name text)
    LANGUAGE c STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'failpat_read_labels';
COMMENT ON FUNCTION fp_read_labels(oid, text, text, text[]) IS
    'the names that a table gives values; none where it is gone or the caller may not read it';

CREATE FUNCTION fp_labels(source text, dimension text, vals text[])
    RETURNS TABLE (value text, label text)
    LANGUAGE plpgsql STABLE PARALLEL SAFE
    SET search_path FROM CURRENT
AS $fn$
#variable_conflict use_column
DECLARE
    d fp_dimensions;
BEGIN
    SELECT * INTO d FROM fp_dimensions x
    WHERE x.source = fp_labels.source AND x.name = fp_labels.dimension;
    -- Two values of one name are told apart by the value, twice at most: a name
    -- that looks like a name told apart is one of those two.
    RETURN QUERY
        WITH named AS (
             SELECT v.value, v.place, coalesce(min(l.name), v.value) AS label
             FROM unnest(vals) WITH ORDINALITY v (value, place)
             LEFT JOIN fp_read_labels(d.label_table, d.label_key, d.label_column, vals) l ON l.key = v.value
             GROUP BY v.value, v.place),
         once AS (
             SELECT n.value, n.place,
                    CASE WHEN count(*) OVER (PARTITION BY n.label) > 1 THEN n.label || ' (' || n.value || ')' ELSE n.label END AS label
             FROM named n)
         SELECT o.value,
                CASE WHEN count(*) OVER (PARTITION BY o.label) > 1 THEN o.label || ' (' || o.value || ')' ELSE o.label END
         FROM once o ORDER BY o.place;
END
$fn$;
COMMENT ON FUNCTION fp_labels(text, text, text[]) IS
    'the names of values of a dimension, as fp_dimensions says where to find them: unique, and the value itself where it has none';
