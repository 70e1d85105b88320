-- Trends and changes of a source: its rate over time, where it changed, and why.
-- C in src/changes.c.

-- Which regressions have been told, so that each is told once.
CREATE TABLE fp_told_changes (
    id bigserial PRIMARY KEY,
    source text COLLATE "C" NOT NULL,
    dimension text COLLATE "C",
    value text COLLATE "C",
    at timestamptz NOT NULL,
    at_lower timestamptz NOT NULL,
    at_upper timestamptz NOT NULL,
    told_at timestamptz,
    payload jsonb NOT NULL,
    conditions jsonb NOT NULL
);
-- not by value, which may be longer than an index takes
CREATE INDEX fp_told_changes_source ON fp_told_changes (source, dimension, at);
COMMENT ON TABLE fp_told_changes IS 'regressions that a refresh has told on channel failpat';
COMMENT ON SEQUENCE fp_told_changes_id_seq IS 'ids of fp_told_changes';
COMMENT ON COLUMN fp_told_changes.id IS 'identity';
COMMENT ON COLUMN fp_told_changes.source IS 'name of the source';
COMMENT ON COLUMN fp_told_changes.dimension IS 'dimension of the series; NULL: everything';
COMMENT ON COLUMN fp_told_changes.value IS 'its value';
COMMENT ON COLUMN fp_told_changes.at IS 'first bucket of the new rate';
COMMENT ON COLUMN fp_told_changes.at_lower IS 'earliest place of that bucket; a change that overlaps is the same one';
COMMENT ON COLUMN fp_told_changes.at_upper IS 'latest place of it';
COMMENT ON COLUMN fp_told_changes.told_at IS 'when it was told; NULL: it was old already when the first refresh saw it';
COMMENT ON COLUMN fp_told_changes.payload IS 'what was told';
COMMENT ON COLUMN fp_told_changes.conditions IS 'the observations that the series is of';

ALTER TABLE fp_source_state ADD COLUMN changes_told_at timestamptz;
COMMENT ON COLUMN fp_source_state.changes_told_at IS 'when a refresh last looked for new regressions';

SELECT pg_catalog.pg_extension_config_dump('fp_told_changes', '');
SELECT pg_catalog.pg_extension_config_dump('fp_told_changes_id_seq', '');

-- Series of a source.

CREATE FUNCTION fp_cube_counts(cube failure_cube, conditions jsonb, dimension text, "check" text,
                               OUT value text, OUT failures bigint, OUT trials bigint)
    RETURNS SETOF record
    LANGUAGE c IMMUTABLE PARALLEL SAFE ROWS 20
    AS 'MODULE_PATHNAME', 'failpat_cube_counts';
COMMENT ON FUNCTION fp_cube_counts(failure_cube, jsonb, text, text) IS
    'the counts of a cube under conditions: a row per value of a dimension, NULL for not recorded; one row where dimension is NULL';

-- One row per cube is what long series are of: no set-returning function.
CREATE FUNCTION fp_cube_sum(cube failure_cube, conditions jsonb, "check" text)
    RETURNS bigint[]
    LANGUAGE c IMMUTABLE PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'failpat_cube_sum';
COMMENT ON FUNCTION fp_cube_sum(failure_cube, jsonb, text) IS
    'failures and trials in a cube of what meets conditions, as an array; NULL where nothing does; with check, failures are those of it';

CREATE AGGREGATE fp_series(bucket timestamptz, failures bigint, trials bigint, options jsonb) (
    SFUNC = fp_series_accum,
    STYPE = bigint[],
    SSPACE = 1500,
    COMBINEFUNC = fp_series_combine,
    PARALLEL = SAFE
);
COMMENT ON AGGREGATE fp_series(timestamptz, bigint, bigint, jsonb) IS
    'a series as fp_change_points_final, fp_segments_final and fp_change_causes read it; options as those of change_points';

-- What is counted here is what fp_drilldown shows, always: buckets that refresh
-- has not seen to yet are read from the observations, and everything is where
-- buckets are asked for that the cubes cannot tell apart.
CREATE FUNCTION fp_bucket_counts(
    source text,
    conditions jsonb,
    dimension text,
    first_bucket timestamptz,
    ends timestamptz,
    width interval,
    "check" text)
    RETURNS TABLE (bucket timestamptz, value text, failures bigint, trials bigint)
    LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 1000
    SET search_path FROM CURRENT
AS $fn$
#variable_conflict use_column
DECLARE
    s fp_sources := fp_source_named(fp_bucket_counts.source);
    ordinal text[] := fp_checked_conditions(s.source, fp_bucket_counts.conditions, 'filter');
    need text[] := ARRAY(SELECT jsonb_object_keys(fp_bucket_counts.conditions)) || fp_bucket_counts.dimension;
    whole boolean := fp_bucket_counts.width = s.bucket;
    pair text[];
BEGIN
    need := array_remove(need, NULL);
    IF NOT whole THEN
        whole := NOT EXISTS (
            SELECT FROM (SELECT c.bucket FROM fp_cubes c WHERE c.source = s.source
                           AND c.bucket >= fp_bucket_counts.first_bucket AND c.bucket < fp_bucket_counts.ends
                         UNION ALL
                         SELECT DISTINCT d.bucket FROM fp_dirty d WHERE d.source = s.source
                           AND d.bucket >= fp_bucket_counts.first_bucket AND d.bucket < fp_bucket_counts.ends) b
            WHERE fp_bucket(b.bucket, fp_bucket_counts.width, s.bucket_zone)
               <> fp_bucket(fp_bucket_end(b.bucket, s.bucket, s.bucket_zone) - interval '1 microsecond',
                            fp_bucket_counts.width, s.bucket_zone));
    END IF;
    IF NOT whole THEN
        RETURN QUERY
        WITH parts AS MATERIALIZED (
            SELECT fp_bucket(o.observed_at, fp_bucket_counts.width, s.bucket_zone) AS bucket,
                   failure_cube(o.failed, d.dims, ordinal, '{}'::text[], o.failed_checks) AS cube
            FROM fp_observations o
            CROSS JOIN LATERAL (SELECT coalesce(jsonb_object_agg(n, o.dims -> n) FILTER (WHERE o.dims ? n), '{}') AS dims
                                FROM unnest(need) n) d
            WHERE o.source = s.source
              AND o.observed_at >= fp_bucket_counts.first_bucket AND o.observed_at < fp_bucket_counts.ends
            GROUP BY 1)
        SELECT p.bucket, c.value, c.failures, c.trials
        FROM parts p CROSS JOIN LATERAL fp_cube_counts(p.cube, fp_bucket_counts.conditions, fp_bucket_counts.dimension,
                                                       fp_bucket_counts."check") c;
        RETURN;
    END IF;
    -- A pair that holds all that is needed, if pairs are kept: one that there is
    -- in the period. A bucket in which one of the two was never recorded has no
    -- such pair, and its whole cube is read.
    SELECT ARRAY[a.name, b.name] INTO pair
    FROM fp_dimensions a JOIN fp_dimensions b ON b.source = a.source AND b.name > a.name
    WHERE a.source = s.source AND ARRAY[a.name, b.name]::text[] @> need
      AND EXISTS (SELECT FROM fp_margins m WHERE m.source = s.source AND m.row_dim = a.name AND m.col_dim = b.name
                    AND m.bucket >= fp_bucket_counts.first_bucket AND m.bucket < fp_bucket_counts.ends)
    ORDER BY a.position, b.position LIMIT 1;
    RETURN QUERY
    WITH dirty AS MATERIALIZED (
        SELECT DISTINCT d.bucket, fp_bucket_end(d.bucket, s.bucket, s.bucket_zone) AS ends FROM fp_dirty d
        WHERE d.source = s.source AND d.bucket >= fp_bucket_counts.first_bucket AND d.bucket < fp_bucket_counts.ends
    ), parts AS NOT MATERIALIZED (
        -- apart, so that without a pair nothing is looked for in each bucket
        SELECT c.bucket, c.cube FROM fp_cubes c
        WHERE pair IS NULL AND c.source = s.source
          AND c.bucket >= fp_bucket_counts.first_bucket AND c.bucket < fp_bucket_counts.ends
          AND c.bucket NOT IN (SELECT x.bucket FROM dirty x)
        UNION ALL
        SELECT c.bucket, coalesce(m.cube, c.cube)
        FROM fp_cubes c
        LEFT JOIN fp_margins m ON m.source = s.source AND m.row_dim = pair[1] AND m.col_dim = pair[2] AND m.bucket = c.bucket
        WHERE pair IS NOT NULL AND c.source = s.source
          AND c.bucket >= fp_bucket_counts.first_bucket AND c.bucket < fp_bucket_counts.ends
          AND c.bucket NOT IN (SELECT x.bucket FROM dirty x)
        UNION ALL
        SELECT d.bucket, failure_cube(o.failed, o.dims, ordinal, '{}'::text[], o.failed_checks)
        FROM dirty d
        -- OFFSET 0: one index scan per bucket, never a scan of everything
        CROSS JOIN LATERAL (SELECT x.* FROM fp_observations x
                            WHERE x.source = s.source AND x.observed_at >= d.bucket AND x.observed_at < d.ends
                            OFFSET 0) o
        WHERE fp_bucket(o.observed_at, s.bucket, s.bucket_zone) = d.bucket
        GROUP BY d.bucket
    ), counts AS (
        SELECT p.bucket, c.value, c.failures, c.trials
        FROM parts p CROSS JOIN LATERAL fp_cube_counts(p.cube, fp_bucket_counts.conditions, fp_bucket_counts.dimension,
                                                       fp_bucket_counts."check") c
        WHERE fp_bucket_counts.dimension IS NOT NULL
        UNION ALL
        SELECT x.bucket, NULL, x.counts[1], x.counts[2]
        FROM (SELECT p.bucket, fp_cube_sum(p.cube, fp_bucket_counts.conditions, fp_bucket_counts."check") AS counts
              FROM parts p WHERE fp_bucket_counts.dimension IS NULL OFFSET 0) x
        WHERE x.counts IS NOT NULL
    )
    SELECT CASE WHEN fp_bucket_counts.width = s.bucket THEN c.bucket
                ELSE fp_bucket(c.bucket, fp_bucket_counts.width, s.bucket_zone) END,
           c.value, c.failures, c.trials
    FROM counts c;
END
$fn$;
COMMENT ON FUNCTION fp_bucket_counts(text, jsonb, text, timestamptz, timestamptz, interval, text) IS
    'counts of a source per time bucket (perhaps in several rows) and per value of a dimension';

CREATE FUNCTION fp_trend(
    filter jsonb DEFAULT '{}',
    bucket interval DEFAULT '1 day',
    source text DEFAULT NULL,
    since timestamptz DEFAULT NULL,
    until timestamptz DEFAULT NULL,
    "check" text DEFAULT NULL,
    options jsonb DEFAULT '{}')
    RETURNS TABLE (
        "time" timestamptz,
        value double precision,
        trials bigint,
        failures bigint,
        rate double precision,
        lower double precision,
        upper double precision,
        level double precision,
        level_lower double precision,
        level_upper double precision,
        gap boolean,
        change text)
    LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 100
    SET search_path FROM CURRENT
AS $fn$
#variable_conflict use_column
DECLARE
    s fp_sources := fp_source_named(fp_trend.source);
    zone constant text := s.bucket_zone;
    width constant interval := fp_trend.bucket;
    period record;
    data_first timestamptz;
    data_last timestamptz;
    series bigint[];
    at timestamptz[];
    f bigint[];
    n bigint[];
BEGIN
    SELECT * INTO period FROM fp_period(s.source, fp_trend.since, fp_trend.until, width);
    SELECT min(c.b), max(c.b), array_agg(c.b ORDER BY c.b), array_agg(c.f ORDER BY c.b), array_agg(c.n ORDER BY c.b),
           fp_series(c.b, c.f, c.n, coalesce(fp_trend.options, '{}') ORDER BY c.b)
    INTO data_first, data_last, at, f, n, series
    FROM (SELECT x.bucket AS b, sum(x.failures)::bigint AS f, sum(x.trials)::bigint AS n
          FROM fp_bucket_counts(s.source, coalesce(fp_trend.filter, '{}'), NULL, period.first_bucket, period.ends,
                                width, fp_trend."check") x
          GROUP BY 1) c;
    -- Where the caller gave bounds, empty buckets up to them are rows too; but
    -- not those that are still to come.
    data_first := CASE WHEN isfinite(fp_trend.since) THEN least(period.first_bucket, data_first) ELSE data_first END;
    data_last := CASE WHEN isfinite(fp_trend.until)
        THEN greatest(data_last, fp_bucket(least(period.ends - interval '1 microsecond', now()), width, zone)) ELSE data_last END;
    IF data_first IS NULL OR data_last IS NULL THEN
        RETURN;
    END IF;
    IF extract(epoch FROM data_last - data_first) / extract(epoch FROM width) > 1000000 THEN
        RAISE program_limit_exceeded USING
            MESSAGE = format('a trend from %s to %s has more than 1000000 buckets', data_first, data_last),
            HINT = 'Use wider buckets of time.';
    END IF;
    RETURN QUERY
    WITH grid AS (
        -- days, weeks and months by the calendar, which knows what clocks do
        SELECT fp_bucket(g AT TIME ZONE zone, width, zone) AS b
        FROM generate_series(data_first AT TIME ZONE zone, data_last AT TIME ZONE zone, width) g
        WHERE width >= interval '1 day'
        UNION ALL
        SELECT g FROM generate_series(data_first, data_last, width) g WHERE width < interval '1 day'
    ), counts AS (
        SELECT u.b, u.f, u.n FROM unnest(at, f, n) u (b, f, n)
    ), steps AS MATERIALIZED (
        SELECT x.* FROM unnest(fp_segments_final(series)) x
    ), moves AS MATERIALIZED (
        SELECT x.at, string_agg(CASE x.kind WHEN 'spike' THEN 'spike' ELSE x.direction END, ' ') AS what
        FROM unnest(fp_change_points_final(series)) x GROUP BY x.at
    )
    SELECT g.b, c.f / c.n::double precision, coalesce(c.n, 0), coalesce(c.f, 0),
           c.f / c.n::double precision, r.lower, r.upper, x.rate, x.lower, x.upper, c.n IS NULL, m.what
    FROM grid g
    LEFT JOIN counts c ON c.b = g.b
    LEFT JOIN LATERAL fp_rate_ci(c.f, c.n) r ON c.n IS NOT NULL
    LEFT JOIN steps x ON g.b BETWEEN x.first_bucket AND x.last_bucket
    LEFT JOIN moves m ON m.at = g.b
    ORDER BY g.b;
END
$fn$;
COMMENT ON FUNCTION fp_trend(jsonb, interval, text, timestamptz, timestamptz, text, jsonb) IS
    'the failure rate of a source over time: a row per bucket (time and value as Grafana likes them), empty ones too (gap), with the level between changes';

CREATE FUNCTION fp_change_causes(series bigint[], at timestamptz[], weights double precision[], directions integer[],
                                 OUT change integer, OUT cause integer, OUT posterior double precision)
    RETURNS SETOF record
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE ROWS 10
    AS 'MODULE_PATHNAME', 'failpat_change_causes';
COMMENT ON FUNCTION fp_change_causes(bigint[], timestamptz[], double precision[], integer[]) IS
    'for each change of a series, the posterior of each event as its cause, and (cause 0) of none of them';

CREATE FUNCTION fp_mix_shift(failures_before bigint[], trials_before bigint[], failures_after bigint[], trials_after bigint[],
                             dispersion double precision DEFAULT 1, alpha double precision DEFAULT 0.01,
                             OUT verdict text, OUT difference double precision, OUT rate_effect double precision,
                             OUT rate_error double precision, OUT mix_effect double precision, OUT p_value double precision)
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'failpat_mix_shift';
COMMENT ON FUNCTION fp_mix_shift(bigint[], bigint[], bigint[], bigint[], double precision, double precision) IS
    'a difference of rates over strata, divided into what moved within them and what their shares did: rate, mix, both or reversal';

-- One change shows in many series: that of a LoRA in the series of everything
-- and in those of the characters it is used with, one of everything in all.
-- It is told once.
CREATE TYPE fp_found_change AS (
    dimension text,
    value text,
    point change_point,
    n integer,
    q_value double precision,
    since timestamptz,
    until timestamptz,
    points change_point[],
    series bigint[]
);
COMMENT ON TYPE fp_found_change IS 'a change as fp_changes finds it, before it looks for its causes';
COMMENT ON COLUMN fp_found_change.dimension IS 'dimension of the series; NULL: everything';
COMMENT ON COLUMN fp_found_change.value IS 'its value';
COMMENT ON COLUMN fp_found_change.point IS 'the change';
COMMENT ON COLUMN fp_found_change.n IS 'its number among the changes of the series';
COMMENT ON COLUMN fp_found_change.q_value IS 'false discovery rate';
COMMENT ON COLUMN fp_found_change.since IS 'begin of the rate before';
COMMENT ON COLUMN fp_found_change.until IS 'end of the rate after';
COMMENT ON COLUMN fp_found_change.points IS 'all changes of the series; with the first of them that is told only, as series';
COMMENT ON COLUMN fp_found_change.series IS 'the series';

CREATE FUNCTION fp_merge_steps_accum(internal, period integer, cube failure_cube, filter jsonb, "check" text,
                                     series jsonb[], steps integer[], strength double precision[], level double precision)
    RETURNS internal
    LANGUAGE c IMMUTABLE PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'failpat_merge_steps_accum';
COMMENT ON FUNCTION fp_merge_steps_accum(internal, integer, failure_cube, jsonb, text, jsonb[], integer[], double precision[], double precision) IS
    'transition of fp_merge_steps';

CREATE FUNCTION fp_merge_steps_final(internal)
    RETURNS integer[]
    LANGUAGE c IMMUTABLE PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'failpat_merge_steps_final';
COMMENT ON FUNCTION fp_merge_steps_final(internal) IS 'result of fp_merge_steps';

CREATE AGGREGATE fp_merge_steps(period integer, cube failure_cube, filter jsonb, "check" text,
                                series jsonb[], steps integer[], strength double precision[], level double precision) (
    SFUNC = fp_merge_steps_accum,
    STYPE = internal,
    FINALFUNC = fp_merge_steps_final,
    FINALFUNC_MODIFY = READ_ONLY, PARALLEL = SAFE
);
COMMENT ON AGGREGATE fp_merge_steps(integer, failure_cube, jsonb, text, jsonb[], integer[], double precision[], double precision) IS
    'which of several changes the others explain, from the cubes of the periods between them: the number of the one that explains most of it, NULL for one of its own, 0 for chance';

CREATE FUNCTION fp_merge_changes(source text, filter jsonb, "check" text, changes fp_found_change[], level double precision)
    RETURNS integer[]
    LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    WITH c AS MATERIALIZED (
        SELECT f.ordinality AS i, f.since, f.until, (f.point).at AS at,
               CASE WHEN (f.point).kind = 'spike' THEN f.until END AS ends,
               CASE (f.point).direction WHEN 'regression' THEN 1 ELSE -1 END AS direction,
               (f.point).gain, (f.point).p_value, (f.point).dispersion, (f.point).buckets,
               CASE WHEN f.dimension IS NULL THEN '{}' ELSE jsonb_build_object(f.dimension, f.value) END AS conditions,
               f.dimension
        FROM unnest(fp_merge_changes.changes) WITH ORDINALITY f
    ), series AS MATERIALIZED (
        SELECT x.conditions, row_number() OVER (ORDER BY x.gain DESC, x.i) - 1 AS number
        FROM (SELECT c.conditions, max(c.gain) AS gain, min(c.i) AS i FROM c GROUP BY c.conditions) x
    ), cuts AS MATERIALIZED (
        -- a period ends where something changes
        SELECT x.cut, row_number() OVER (ORDER BY x.cut) - 1 AS period, lead(x.cut) OVER (ORDER BY x.cut) AS until
        FROM (SELECT c.since AS cut FROM c UNION SELECT c.at FROM c UNION SELECT c.until FROM c) x
    ), steps AS MATERIALIZED (
        SELECT array_agg(ARRAY[s.number, b.period, a.period, e.period,
                               CASE WHEN c.ends IS NULL THEN 2147483647 ELSE e.period END, c.direction, c.buckets]::integer[] ORDER BY c.i) AS steps,
               array_agg(ARRAY[c.gain, c.p_value, c.dispersion] ORDER BY c.i) AS strength,
               array_agg(DISTINCT c.dimension) FILTER (WHERE c.dimension IS NOT NULL) AS dims
        FROM c
        JOIN series s ON s.conditions = c.conditions
        JOIN cuts b ON b.cut = c.since
        JOIN cuts a ON a.cut = c.at
        JOIN cuts e ON e.cut = c.until
    )
    SELECT fp_merge_steps(p.period::integer, x.cube, fp_merge_changes.filter, fp_merge_changes."check",
                          (SELECT array_agg(s.conditions ORDER BY s.number) FROM series s), t.steps, t.strength, fp_merge_changes.level)
    FROM steps t
    CROSS JOIN cuts p
    CROSS JOIN LATERAL fp_window_cubes(fp_merge_changes.source, p.cut, p.until, fp_merge_changes.filter,
                                       coalesce(t.dims, '{}') || ARRAY(SELECT jsonb_object_keys(fp_merge_changes.filter)), true) x (cube)
    WHERE p.until IS NOT NULL;
END;
COMMENT ON FUNCTION fp_merge_changes(text, jsonb, text, fp_found_change[], double precision) IS
    'which changes of several series have one cause, by their numbers: for each the one that tells it, NULL for itself, 0 where it is too weak for as many as were looked at';

-- Changes.

CREATE FUNCTION fp_changes(
    source text DEFAULT NULL,
    filter jsonb DEFAULT '{}',
    dimension text DEFAULT NULL,
    pattern_id bigint DEFAULT NULL,
    since timestamptz DEFAULT NULL,
    until timestamptz DEFAULT NULL,
    bucket interval DEFAULT '1 day',
    "check" text DEFAULT NULL,
    options jsonb DEFAULT '{}',
    alpha double precision DEFAULT 0.01,
    all_dimensions boolean DEFAULT false)
    RETURNS TABLE (
        value text,
        label text,
        conditions jsonb,
        kind text,
        direction text,
        at timestamptz,
        at_lower timestamptz,
        at_upper timestamptz,
        last_before timestamptz,
        failures_before bigint,
        trials_before bigint,
        rate_before double precision,
        rate_before_lower double precision,
        rate_before_upper double precision,
        failures_after bigint,
        trials_after bigint,
        rate_after double precision,
        rate_after_lower double precision,
        rate_after_upper double precision,
        difference double precision,
        difference_lower double precision,
        difference_upper double precision,
        ratio double precision,
        ratio_lower double precision,
        ratio_upper double precision,
        odds_ratio double precision,
        odds_ratio_lower double precision,
        odds_ratio_upper double precision,
        gain double precision,
        p_value double precision,
        dispersion double precision,
        buckets integer,
        gap boolean,
        low_counts boolean,
        provisional boolean,
        q_value double precision,
        event_id bigint,
        event_at timestamptz,
        event_kind text,
        event_label text,
        event_origin text,
        posterior double precision,
        none_posterior double precision,
        events jsonb,
        threshold_edit boolean,
        mix_verdict text,
        mix_dimension text,
        rate_effect double precision,
        mix_effect double precision,
        mix_p_value double precision,
        reading text,
        before_since timestamptz,
        after_until timestamptz,
        series_dimension text,
        change_key text,
        part_of text)
    LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 10
    SET search_path FROM CURRENT
AS $fn$
#variable_conflict use_column
DECLARE
    s fp_sources;
    in_source text := fp_changes.source;
    base jsonb := coalesce(fp_changes.filter, '{}');
    pattern record;
    dim fp_dimensions;
    width constant interval := fp_changes.bucket;
    settings constant jsonb := jsonb_build_object('alpha', fp_changes.alpha) || coalesce(fp_changes.options, '{}');
    period record;
    seen fp_found_change[];
    keys text[];
    all_tests bigint;
    parents integer[];
    r fp_found_change;
    -- of the series at hand
    series_label text;
    series_conditions jsonb;
    cause_change integer[];
    cause_event integer[];
    cause_posterior double precision[];
    -- events, as arrays beside each other
    ev record;
    strata text[];
    -- of the change at hand
    best record;
    mix record;
    none double precision;
    listed jsonb;
    is_threshold boolean;
    sentence text;
BEGIN
    IF fp_changes.all_dimensions AND fp_changes.dimension IS NOT NULL THEN
        RAISE invalid_parameter_value USING MESSAGE = 'arguments "dimension" and "all_dimensions" exclude each other';
    END IF;
    IF fp_changes.pattern_id IS NOT NULL THEN
        SELECT * INTO pattern FROM fp_pattern_question(fp_changes.pattern_id);
        IF fp_changes.source <> pattern.source THEN
            RAISE invalid_parameter_value USING
                MESSAGE = format('failure pattern %s is one of source %s, not of %s', fp_changes.pattern_id,
                                 quote_ident(pattern.source), quote_ident(fp_changes.source));
        END IF;
        IF EXISTS (SELECT FROM jsonb_object_keys(pattern.conditions) k WHERE base ? k) THEN
            RAISE invalid_parameter_value USING
                MESSAGE = format('filter and failure pattern %s have conditions on the same dimension', fp_changes.pattern_id);
        END IF;
        base := base || pattern.conditions;
        in_source := pattern.source;
    END IF;
    s := fp_source_named(in_source);
    PERFORM fp_checked_conditions(s.source, base, 'filter');
    IF fp_changes.dimension IS NOT NULL THEN
        -- as a condition, so that an unknown dimension is the same error everywhere
        PERFORM fp_checked_conditions(s.source, jsonb_build_object(fp_changes.dimension, NULL), 'dimension');
        SELECT * INTO dim FROM fp_dimensions d WHERE d.source = s.source AND d.name = fp_changes.dimension;
        IF base ? fp_changes.dimension AND dim.kind <> 'set' THEN
            RAISE invalid_parameter_value USING
                MESSAGE = format('dimension "%s" has a condition already', fp_changes.dimension);
        END IF;
    END IF;
    IF fp_changes.alpha IS NULL OR NOT (fp_changes.alpha > 0 AND fp_changes.alpha < 1) THEN
        RAISE invalid_parameter_value USING
            MESSAGE = format('alpha must be between 0 and 1, not %s', coalesce(fp_changes.alpha::text, 'NULL'));
    END IF;
    SELECT * INTO period FROM fp_period(s.source, fp_changes.since, fp_changes.until, width);

    WITH dims AS (
        SELECT fp_changes.dimension AS name, 0 AS place
        UNION ALL
        SELECT d.name, d.position FROM fp_dimensions d
        WHERE fp_changes.all_dimensions AND d.source = s.source AND (NOT base ? d.name OR d.kind = 'set')
    ), series AS MATERIALIZED (
        SELECT d.name, d.place, c.value,
               fp_series(c.bucket, c.failures, c.trials, settings) AS state
        FROM dims d
        CROSS JOIN LATERAL fp_bucket_counts(s.source, base, d.name, period.first_bucket, period.ends, width, fp_changes."check") c
        WHERE d.name IS NULL OR c.value IS NOT NULL
        GROUP BY d.name, d.place, c.value
    ), searched AS MATERIALIZED (
        SELECT x.*, fp_change_points_final(x.state) AS points FROM series x
    ), tests AS (
        -- a series without a change is a test that found nothing
        SELECT f.name, f.place, f.value, f.points, CASE WHEN f.points <> '{}' THEN f.state END AS state, p.n, p.point,
               fp_bh((p.point).p_value) OVER () AS q, count(*) OVER () AS all_tests
        FROM searched f
        LEFT JOIN LATERAL (SELECT g.n, f.points[g.n] AS point FROM generate_subscripts(f.points, 1) g (n)) p ON true
    ), kept AS (
        SELECT t.*, row_number() OVER (PARTITION BY t.place, t.value COLLATE "C" ORDER BY t.n) = 1 AS leads, l.since, l.until
        FROM tests t
        -- from the change before to the next one
        CROSS JOIN LATERAL (
            SELECT max(x.at) FILTER (WHERE x.at < (t.point).at) AS since, min(x.at) FILTER (WHERE x.at > (t.point).at) AS until
            FROM unnest(t.points) x WHERE x.kind = 'shift') l
        WHERE t.point IS NOT NULL AND t.q <= fp_changes.alpha
    )
    SELECT coalesce(array_agg(ROW(k.name, k.value, k.point, k.n, k.q, coalesce(k.since, period.first_bucket),
                                  CASE (k.point).kind WHEN 'spike' THEN fp_bucket_end((k.point).at_upper, width, s.bucket_zone)
                                       ELSE coalesce(k.until, period.ends) END,
                                  CASE WHEN k.leads THEN k.points END, CASE WHEN k.leads THEN k.state END)::fp_found_change
                              ORDER BY k.place, k.value COLLATE "C", k.n), '{}'), max(k.all_tests)
    INTO seen, all_tests
    FROM kept k;
    IF seen = '{}' THEN
        RETURN;
    END IF;
    -- Of all series: any is told in error with probability alpha. Where one asks
    -- for a dimension: that share of them, as above; and only the values of a set
    -- have observations in common.
    IF fp_changes.all_dimensions OR dim.kind = 'set' THEN
        parents := fp_merge_changes(s.source, base, fp_changes."check", seen, fp_changes.alpha / all_tests
                                    * CASE WHEN fp_changes.all_dimensions THEN 1 ELSE cardinality(seen) END);
    END IF;
    keys := ARRAY(SELECT CASE WHEN f.dimension IS NULL THEN 'all' WHEN octet_length(f.value) <= 200 THEN f.dimension || ':' || f.value
                              ELSE f.dimension || ':' || left(f.value, 100) || '#' || md5(f.value) END
                         || '@' || to_char((f.point).at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI"Z"')
                  FROM unnest(seen) WITH ORDINALITY f ORDER BY f.ordinality);
    -- what is the same for all series
    SELECT array_agg(e.id) AS id, coalesce(array_agg(e.at), '{}') AS at, array_agg(e.kind) AS kind,
           array_agg(e.label) AS label, array_agg(e.scope) AS scope, array_agg(e.origin) AS origin,
           array_agg(e.share) AS share,
           coalesce(array_agg(coalesce(e.effect, 0)::integer), '{}') AS effect,
           coalesce(array_agg(fp_bucket(e.at, width, s.bucket_zone)), '{}') AS bucket
    INTO ev
    FROM (SELECT e.* FROM fp_find_events(s.source,
                                         CASE WHEN isfinite(period.first_bucket) THEN period.first_bucket - 3 * width
                                              ELSE period.first_bucket END,
                                         fp_changes.until, base, width,
                                         -- a value's own first use is where its series begins
                                         dims => ARRAY(SELECT d.name FROM fp_dimensions d
                                                       WHERE d.source = s.source
                                                         AND d.name IS DISTINCT FROM fp_changes.dimension)) e
          WHERE fp_changes."check" IS NULL OR e."check" IS NULL OR e."check" = fp_changes."check"
          ORDER BY e.at, e.id, e.label COLLATE "C") e;

    FOR i IN 1 .. cardinality(seen) LOOP
        r := seen[i];
        IF r.series IS NOT NULL THEN
            -- Strata are what the work was; what can be chosen (a model, say, but
            -- for where to stop) is a cause. A set belongs to several strata at once.
            strata := ARRAY(SELECT d.name FROM fp_dimensions d
                            WHERE d.source = s.source AND d.kind <> 'set' AND (d.kind = 'ordinal' OR NOT d.choosable)
                              AND d.name IS DISTINCT FROM r.dimension
                              AND coalesce(jsonb_typeof(base -> d.name), 'object') = 'object'
                            ORDER BY d.position);
            series_label := NULL;
            series_conditions := base;
            IF r.dimension IS NOT NULL THEN
                SELECT l.label INTO series_label FROM fp_labels(s.source, r.dimension, ARRAY[r.value]) l;
                series_conditions := base || jsonb_build_object(r.dimension,
                    CASE WHEN base ? r.dimension AND base ->> r.dimension <> r.value
                         THEN jsonb_build_array() || (base -> r.dimension) || to_jsonb(r.value)
                         ELSE to_jsonb(r.value) END);
            END IF;
            SELECT array_agg(c.change), array_agg(c.cause), array_agg(c.posterior)
            INTO cause_change, cause_event, cause_posterior
            FROM fp_change_causes(r.series, ev.bucket, coalesce((
                -- a value's own first use is where its series begins
                SELECT array_agg(CASE WHEN u.origin = 'inferred' AND u.scope ? r.dimension THEN 0
                                      ELSE fp_event_weight(u.scope, series_conditions) * u.share END ORDER BY u.i)
                FROM unnest(ev.scope, ev.share, ev.origin) WITH ORDINALITY u (scope, share, origin, i)), '{}'), ev.effect) c;
        END IF;

        CONTINUE WHEN parents[i] = 0;
        SELECT c.cause, c.posterior INTO best
        FROM unnest(cause_change, cause_event, cause_posterior) c (change, cause, posterior)
        WHERE c.change = r.n AND c.cause > 0 AND c.posterior >= 0.05 ORDER BY c.posterior DESC, c.cause LIMIT 1;
        SELECT c.posterior INTO none
        FROM unnest(cause_change, cause_event, cause_posterior) c (change, cause, posterior)
        WHERE c.change = r.n AND c.cause = 0;
        SELECT coalesce(jsonb_agg(jsonb_build_object('id', ev.id[c.cause], 'at', ev.at[c.cause], 'kind', ev.kind[c.cause],
                                            'label', ev.label[c.cause], 'origin', ev.origin[c.cause],
                                            'posterior', c.posterior) ORDER BY c.posterior DESC, c.cause), '[]') INTO listed
        FROM unnest(cause_change, cause_event, cause_posterior) c (change, cause, posterior)
        WHERE c.change = r.n AND c.cause > 0 AND c.posterior >= 0.01;

        -- the dimension by which the mix explains most of the change
        SELECT m.* INTO mix
        FROM unnest(strata) WITH ORDINALITY d (name, place)
        CROSS JOIN LATERAL (
            SELECT array_agg(x.f0) AS f0, array_agg(x.n0) AS n0, array_agg(x.f1) AS f1, array_agg(x.n1) AS n1,
                   sum(x.n1) FILTER (WHERE x.n0 > 0) AS known, sum(x.n1) AS all_n1
            FROM (SELECT coalesce(sum(c.failures) FILTER (WHERE NOT c.after), 0)::bigint AS f0,
                         coalesce(sum(c.trials) FILTER (WHERE NOT c.after), 0)::bigint AS n0,
                         coalesce(sum(c.failures) FILTER (WHERE c.after), 0)::bigint AS f1,
                         coalesce(sum(c.trials) FILTER (WHERE c.after), 0)::bigint AS n1
                  FROM (SELECT b.*, CASE (r.point).kind WHEN 'spike'
                                    THEN b.bucket BETWEEN (r.point).at_lower AND (r.point).at_upper
                                    ELSE b.bucket >= (r.point).at END AS after
                        FROM fp_bucket_counts(s.source, series_conditions, d.name, r.since, r.until,
                            width, fp_changes."check") b) c
                  GROUP BY c.value) x) k
        CROSS JOIN LATERAL (SELECT d.name, d.place, f.*
                            FROM fp_mix_shift(k.f0, k.n0, k.f1, k.n1, greatest((r.point).dispersion, 1)) f) m
        -- where most of the work is new, there is nothing to compare it with
        WHERE m.verdict IS NOT NULL AND k.known * 2 >= k.all_n1
        ORDER BY m.rate_effect * sign(m.difference), m.place LIMIT 1;

        is_threshold := coalesce(ev.kind[best.cause] = 'threshold' AND best.posterior >= 0.5, false);
        sentence := format('Failure rate %s from %s %% to %s %%%s.',
            CASE (r.point).direction WHEN 'regression' THEN 'rose' ELSE 'fell' END,
            round(((r.point).rate_before * 100)::numeric, 1), round(((r.point).rate_after * 100)::numeric, 1),
            CASE (r.point).kind WHEN 'spike' THEN ' and came back' ELSE '' END);
        IF is_threshold THEN
            sentence := sentence || ' A threshold was edited: the rate moved, quality did not.';
        ELSIF best.posterior >= 0.5 THEN
            sentence := sentence || format(' Probable cause: %s.', ev.label[best.cause]);
        ELSIF best.posterior > none THEN
            sentence := sentence || format(' Perhaps because of: %s.', ev.label[best.cause]);
        ELSE
            sentence := sentence || ' No known event explains it.';
        END IF;
        IF mix.verdict IN ('mix', 'both', 'reversal') THEN
            sentence := sentence || ' ' || CASE mix.verdict
                WHEN 'mix' THEN format('The mix by %s changed, not the rates within it.', mix.name)
                WHEN 'both' THEN format('Part of it is another mix by %s.', mix.name)
                ELSE format('Within %s the rates moved the other way.', mix.name) END;
        END IF;

        RETURN QUERY SELECT r.value::text, series_label, series_conditions, (r.point).*, r.q_value,
            ev.id[best.cause], ev.at[best.cause], ev.kind[best.cause], ev.label[best.cause], ev.origin[best.cause],
            best.posterior::double precision, none, listed, is_threshold,
            mix.verdict::text, mix.name::text, mix.rate_effect::double precision, mix.mix_effect::double precision,
            mix.p_value::double precision, sentence,
            r.since, r.until, r.dimension, keys[i], keys[parents[i]];
    END LOOP;
END
$fn$;
COMMENT ON FUNCTION fp_changes(text, jsonb, text, bigint, timestamptz, timestamptz, interval, text, jsonb, double precision, boolean) IS
    'changes of the failure rate of a source, of a pattern, of every value of a dimension, or of all of these (all_dimensions; part_of names the change that tells what a row only shows too): place, size, false discovery rate (at most alpha), probable event, and whether the mix or the rate moved';

CREATE FUNCTION fp_pattern_changes(
    pattern_id bigint,
    since timestamptz DEFAULT NULL,
    until timestamptz DEFAULT NULL,
    bucket interval DEFAULT '1 day',
    alpha double precision DEFAULT 0.01)
    RETURNS SETOF change_point
    LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 5
    SET search_path FROM CURRENT
AS $fn$
#variable_conflict use_column
DECLARE
    p failure_patterns;
    period record;
BEGIN
    SELECT * INTO p FROM failure_patterns f WHERE f.id = fp_pattern_changes.pattern_id;
    IF NOT FOUND OR p.conditions IS NULL THEN
        RETURN;
    END IF;
    SELECT * INTO period FROM fp_period(p.source, fp_pattern_changes.since, fp_pattern_changes.until, fp_pattern_changes.bucket);
    RETURN QUERY
    SELECT u.* FROM (
        SELECT change_points(c.bucket, c.failures, c.trials,
                             jsonb_build_object('alpha', fp_pattern_changes.alpha)) AS points
        FROM fp_bucket_counts(p.source, p.conditions, NULL, period.first_bucket, period.ends,
                              fp_pattern_changes.bucket, NULL) c) x
    CROSS JOIN LATERAL unnest(x.points) u;
END
$fn$;
COMMENT ON FUNCTION fp_pattern_changes(bigint, timestamptz, timestamptz, interval, double precision) IS
    'the changes of a pattern''s own rate, in order of time, without their causes (fp_changes names those)';

CREATE FUNCTION fp_refresh_changes(source text)
    RETURNS bigint
    LANGUAGE plpgsql
    SET search_path FROM CURRENT
AS $fn$
#variable_conflict use_column
DECLARE
    s fp_sources;
    first_time boolean;
    last_time timestamptz;
    recent timestamptz;
    r record;
    message jsonb;
    news boolean;
    told_id bigint;
    told bigint := 0;
BEGIN
    s := fp_refresh_source(fp_refresh_changes.source);
    SELECT t.changes_told_at INTO last_time FROM fp_source_state t WHERE t.source = s.source;
    first_time := last_time IS NULL;
    -- In a writer's transaction: one that notifies cannot be prepared; and not
    -- every statement need wait for this.
    IF s.refresh = 'sync' AND (current_setting('max_prepared_transactions')::integer > 0
                               OR last_time > clock_timestamp() - interval '1 minute') THEN
        RETURN 0;
    END IF;
    SELECT max(c.bucket) - 14 * s.bucket INTO recent FROM fp_cubes c WHERE c.source = s.source;
    FOR r IN
        WITH c AS MATERIALIZED (
            SELECT x.* FROM fp_changes(s.source, bucket => s.bucket, all_dimensions => true) x
            WHERE x.kind = 'shift' AND x.direction = 'regression')
        SELECT c.* FROM c
        WHERE c.part_of IS NULL
          -- the same change may move a little with what came since, and another
          -- series may have become the one that tells it
          AND NOT EXISTS (SELECT FROM c g
                          JOIN fp_told_changes t ON t.source = s.source AND t.dimension IS NOT DISTINCT FROM g.series_dimension
                            AND t.value IS NOT DISTINCT FROM g.value
                            AND t.at_lower <= g.at_upper AND t.at_upper >= g.at_lower
                          WHERE g.change_key = c.change_key OR g.part_of = c.change_key)
        ORDER BY c.q_value, c.at, c.series_dimension COLLATE "C" NULLS FIRST, c.value COLLATE "C"
        -- the others with the next refresh
        LIMIT CASE WHEN first_time THEN NULL ELSE 20 END
    LOOP
        told_id := nextval('fp_told_changes_id_seq');
        message := jsonb_build_object(
            'event', 'regression', 'id', told_id, 'source', s.source, 'dimension', r.series_dimension, 'value', left(r.value, 200),
            'label', left(r.label, 200), 'at', r.at, 'at_lower', r.at_lower, 'at_upper', r.at_upper,
            'rate_before', r.rate_before, 'rate_after', r.rate_after, 'trials_after', r.trials_after,
            'q_value', r.q_value, 'provisional', r.provisional, 'cause', left(r.event_label, 200),
            'posterior', r.posterior, 'threshold_edit', r.threshold_edit, 'mix_verdict', r.mix_verdict,
            'text', left(r.reading, 400));
        -- what a long history held when it was loaded is no news
        news := (NOT first_time OR r.at >= recent) AND told < 20;
        INSERT INTO fp_told_changes (id, source, dimension, value, at, at_lower, at_upper, told_at, payload, conditions)
        VALUES (told_id, s.source, r.series_dimension, r.value, r.at, r.at_lower, r.at_upper,
                CASE WHEN news THEN now() END, message, r.conditions);
        IF news THEN
            -- the limit is 8000 bytes; control characters take six each
            IF octet_length(message::text) > 7900 THEN
                message := message - '{text,cause,label}'::text[];
                IF octet_length(message::text) > 7900 THEN
                    message := message - '{source,dimension,value}'::text[];
                END IF;
            END IF;
            PERFORM pg_notify('failpat', message::text);
            told := told + 1;
        END IF;
    END LOOP;
    UPDATE fp_source_state t SET changes_told_at = clock_timestamp()
    WHERE t.source = s.source AND EXISTS (SELECT FROM fp_cubes c WHERE c.source = s.source);
    RETURN told;
EXCEPTION WHEN OTHERS THEN
    PERFORM fp_refresh_error(fp_refresh_changes.source, SQLERRM);
    RETURN 0;
END
$fn$;
COMMENT ON FUNCTION fp_refresh_changes(text) IS
    'step of a refresh: tells new regressions, each once, by NOTIFY failpat with a JSON object (in mode sync at most once a minute, and never where transactions may be prepared); returns their number';
REVOKE ALL ON FUNCTION fp_refresh_changes(text) FROM PUBLIC;
