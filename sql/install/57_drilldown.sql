-- From a cell, a pattern or a change to the observations behind it.

-- What an index of observations (fp_cubes.rows) is asked, for conditions that
-- fp_checked_conditions has let pass.
CREATE FUNCTION fp_row_keys(conditions jsonb, ordinal text[], failed_only boolean, "check" text,
                            OUT keys text[], OUT dims text[], OUT mins double precision[], OUT maxs double precision[])
    LANGUAGE plpgsql STABLE PARALLEL SAFE
    SET search_path FROM CURRENT
AS $fn$
#variable_conflict use_column
BEGIN
    WITH c AS (
        SELECT x.key, x.value, jsonb_typeof(x.value) AS type, x.key = ANY (fp_row_keys.ordinal) AS is_number,
               octet_length(x.key) || ':' || x.key AS dim
        FROM jsonb_each(fp_row_keys.conditions) x (key, value)
    ), k AS (
        SELECT 'n' || c.dim AS key FROM c WHERE c.type = 'null'
        UNION ALL
        SELECT 'v' || c.dim || (c.value #>> '{}') FROM c
        WHERE NOT c.is_number AND c.type NOT IN ('null', 'array', 'object')
        UNION ALL
        SELECT 'v' || c.dim || a.v
        FROM c CROSS JOIN LATERAL jsonb_array_elements_text(CASE c.type WHEN 'array' THEN c.value ELSE '[]' END) a (v)
        WHERE NOT c.is_number
        UNION ALL
        SELECT 'e' || c.dim FROM c WHERE c.value = '[]'
        UNION ALL
        SELECT 'f' WHERE fp_row_keys.failed_only
        UNION ALL
        SELECT 'c' || fp_row_keys."check" WHERE fp_row_keys.failed_only AND fp_row_keys."check" IS NOT NULL
    ), r AS (
        SELECT c.key, coalesce(c.value ->> 'min', '-infinity')::double precision AS low,
               coalesce(c.value ->> 'max', 'infinity')::double precision AS high
        FROM c WHERE c.type = 'object'
        UNION ALL
        SELECT c.key, n.v::double precision, n.v::double precision
        FROM c CROSS JOIN LATERAL (SELECT CASE c.type WHEN 'array' THEN c.value ->> 0 ELSE c.value #>> '{}' END AS v) n
        WHERE c.is_number AND c.type NOT IN ('null', 'object')
    )
    SELECT ARRAY(SELECT k.key FROM k), ARRAY(SELECT r.key FROM r ORDER BY r.key COLLATE "C"),
           ARRAY(SELECT r.low FROM r ORDER BY r.key COLLATE "C"), ARRAY(SELECT r.high FROM r ORDER BY r.key COLLATE "C")
    INTO keys, dims, mins, maxs;
END
$fn$;
COMMENT ON FUNCTION fp_row_keys(jsonb, text[], boolean, text) IS
    'conditions as fp_rows_find takes them: keys that an observation must have, and ranges of ordinal dimensions';

-- Only of a table, and of columns of types that the server itself defines, so
-- that nothing of its owner's runs with the rights of whoever reads; and only
-- where that role may read it.
CREATE FUNCTION fp_scores_table(source text)
    RETURNS regclass
    LANGUAGE plpgsql STABLE PARALLEL SAFE
    SET search_path FROM CURRENT
AS $fn$
BEGIN
    RETURN (
        SELECT c.oid::regclass
        FROM fp_sources s
        CROSS JOIN LATERAL jsonb_each_text(s.triggers) t (tab, key)
        JOIN pg_class c ON c.oid = to_regclass(t.tab) AND c.relkind IN ('r', 'p') AND c.relname = 'quality_scores'
        WHERE s.source = fp_scores_table.source AND s.own_view AND t.key = 'segment_id'
          AND (SELECT count(*) FROM pg_attribute a
               WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
                 AND a.atttypid = CASE WHEN a.attname IN ('id', 'segment_id') THEN 'bigint'::regtype
                                       WHEN a.attname = 'check_type' THEN 'text'::regtype
                                       WHEN a.attname = 'score' THEN 'double precision'::regtype END
                 AND has_column_privilege(c.oid, a.attnum, 'SELECT')) = 4
          AND has_schema_privilege(c.relnamespace, 'USAGE')
        LIMIT 1);
END
$fn$;
COMMENT ON FUNCTION fp_scores_table(text) IS
    'the platform''s table of scores behind a source, NULL where there is none that may be read';

CREATE FUNCTION fp_drilldown(
    conditions jsonb DEFAULT '{}',
    source text DEFAULT NULL,
    since timestamptz DEFAULT NULL,
    until timestamptz DEFAULT NULL,
    failed_only boolean DEFAULT false,
    "check" text DEFAULT NULL,
    page_size integer DEFAULT 50,
    after text DEFAULT NULL,
    pattern_id bigint DEFAULT NULL,
    change jsonb DEFAULT NULL)
    RETURNS TABLE (
        observed_at timestamptz,
        obs_key text,
        source_key text,
        failed boolean,
        failed_checks text[],
        job text,
        dims jsonb,
        scores jsonb,
        page_cursor text)
    LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 50
    SET search_path FROM CURRENT
AS $fn$
#variable_conflict use_column
DECLARE
    wanted jsonb := coalesce(fp_drilldown.conditions, '{}');
    in_source text := fp_drilldown.source;
    only_failed constant boolean := coalesce(fp_drilldown.failed_only, false);
    more record;
    s fp_sources;
    ordinal text[];
    bounds record;
    after_at timestamptz;
    after_key text;
    query text;
    newest_first constant text := ' ORDER BY o.observed_at DESC, o.obs_key DESC LIMIT $9';
    key record;
    b record;
    hits timestamptz[];
    times timestamptz[] := '{}';
    hit_count integer := 0;
    remaining integer := fp_drilldown.page_size;
    got bigint;
    -- buckets without an index that follow one another
    scan_from timestamptz;
    scan_to timestamptz;
    oldest timestamptz;
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
    IF fp_drilldown.pattern_id IS NOT NULL OR fp_drilldown.change IS NOT NULL THEN
        FOR more IN
            SELECT 'pattern_id' AS argument, p.source, p.conditions
            FROM fp_pattern_question(fp_drilldown.pattern_id) p WHERE fp_drilldown.pattern_id IS NOT NULL
            UNION ALL
            SELECT 'change', c.source, c.conditions FROM fp_change_question(fp_drilldown.change) c WHERE fp_drilldown.change IS NOT NULL
        LOOP
            IF in_source <> more.source THEN
                RAISE invalid_parameter_value USING
                    MESSAGE = format('argument "%s" is of source %s, not of %s', more.argument,
                                     quote_ident(more.source), quote_ident(in_source));
            END IF;
            in_source := coalesce(more.source, in_source);
            IF EXISTS (SELECT FROM jsonb_each(more.conditions) k WHERE wanted ? k.key AND wanted -> k.key <> k.value) THEN
                RAISE invalid_parameter_value USING
                    MESSAGE = format('conditions and argument "%s" have conditions on the same dimension', more.argument);
            END IF;
            wanted := wanted || more.conditions;
        END LOOP;
    END IF;
    s := fp_source_named(in_source);
    ordinal := fp_checked_conditions(s.source, wanted, 'conditions');
    SELECT * INTO bounds FROM fp_window(s.source, fp_drilldown.since, fp_drilldown.until);
    IF fp_drilldown.change IS NOT NULL THEN
        -- its own buckets, which may be shorter than the source's
        SELECT greatest(c.first_bucket, CASE WHEN fp_drilldown.since IS NOT NULL THEN bounds.first_bucket END) AS first_bucket,
               least(c.ends, CASE WHEN fp_drilldown.until IS NOT NULL THEN bounds.ends END) AS ends
        INTO bounds FROM fp_change_question(fp_drilldown.change) c;
    END IF;

    query := 'SELECT o.observed_at, o.obs_key::text, o.source_key::text, o.failed, o.failed_checks, o.job, o.dims, '
        || coalesce('CASE WHEN o.obs_key ~ ''^[0-9]{1,18}$'' THEN (SELECT jsonb_object_agg(q.check_type, q.score ORDER BY q.id) FROM '
                    || fp_scores_table(s.source)
                    || ' q WHERE q.segment_id = o.obs_key::bigint AND q.check_type IS NOT NULL) END', 'NULL::jsonb')
        || ', (extract(epoch FROM o.observed_at) * 1000000)::bigint || '':'' || o.obs_key
         FROM fp_observations o WHERE o.source = $1 AND o.observed_at >= $2 AND o.observed_at < $3'
        || CASE WHEN after_key IS NOT NULL THEN ' AND (o.observed_at, o.obs_key) < ($4, $5)' ELSE '' END
        || CASE WHEN NOT only_failed THEN '' WHEN fp_drilldown."check" IS NULL THEN ' AND o.failed'
                ELSE ' AND o.failed AND $6 = ANY (o.failed_checks)' END
        || CASE WHEN wanted <> '{}' THEN ' AND fp_conditions_met(o.dims, $7, $8)' ELSE '' END;
    IF wanted = '{}' AND NOT only_failed THEN
        RETURN QUERY EXECUTE query || newest_first
        USING s.source, bounds.first_bucket, bounds.ends, after_at, after_key, fp_drilldown."check", wanted, ordinal, remaining;
        RETURN;
    END IF;

    -- Bucket by bucket, the newest first: one whose index is there, and is that
    -- of what was observed (nothing was captured since), tells the times of
    -- what is looked for. Others are read, those beside each other at once.
    oldest := CASE WHEN isfinite(bounds.first_bucket) THEN fp_bucket(bounds.first_bucket, s.bucket, s.bucket_zone)
                   ELSE bounds.first_bucket END;
    SELECT * INTO key FROM fp_row_keys(wanted, ordinal, only_failed, fp_drilldown."check");
    FOR b IN
        SELECT x.bucket, x.rows FROM (
            SELECT coalesce(c.bucket, d.bucket) AS bucket, CASE WHEN d.bucket IS NULL THEN c.rows END AS rows
            FROM (SELECT y.bucket, y.rows FROM fp_cubes y WHERE y.source = s.source) c
            FULL JOIN (SELECT DISTINCT y.bucket FROM fp_dirty y WHERE y.source = s.source) d ON d.bucket = c.bucket) x
        WHERE x.bucket < bounds.ends AND (after_at IS NULL OR x.bucket <= after_at + interval '1 day')
          AND x.bucket >= oldest
        UNION ALL
        SELECT NULL, NULL
        ORDER BY 1 DESC NULLS LAST
    LOOP
        hits := NULL;
        IF b.rows IS NOT NULL THEN
            hits := fp_rows_find(b.rows, key.keys, key.dims, key.mins, key.maxs,
                                 least(after_at, bounds.ends - interval '1 microsecond'), remaining - hit_count);
        END IF;
        IF scan_to IS NOT NULL AND (hits IS NOT NULL OR b.bucket IS NULL) THEN
            RETURN QUERY EXECUTE query || newest_first
            USING s.source, greatest(scan_from, bounds.first_bucket), least(scan_to, bounds.ends), after_at, after_key,
                  fp_drilldown."check", wanted, ordinal, remaining;
            GET DIAGNOSTICS got = ROW_COUNT;
            remaining := remaining - got;
            EXIT WHEN remaining <= 0;
            scan_to := NULL;
        END IF;
        IF hits IS NOT NULL THEN
            times := times || hits;
            hit_count := hit_count + cardinality(array_remove(hits, after_at));
        END IF;
        IF times <> '{}' AND (hits IS NULL OR hit_count >= remaining) THEN
            RETURN QUERY EXECUTE query || ' AND o.observed_at = ANY ($10)' || newest_first
            USING s.source, bounds.first_bucket, bounds.ends, after_at, after_key, fp_drilldown."check", wanted, ordinal,
                  remaining, times;
            GET DIAGNOSTICS got = ROW_COUNT;
            remaining := remaining - got;
            EXIT WHEN remaining <= 0;
            times := '{}';
            hit_count := 0;
        END IF;
        IF hits IS NULL AND b.bucket IS NOT NULL THEN
            IF scan_to IS NULL THEN
                scan_to := fp_bucket_end(b.bucket, s.bucket, s.bucket_zone);
            END IF;
            scan_from := b.bucket;
        END IF;
    END LOOP;
END
$fn$;
COMMENT ON FUNCTION fp_drilldown(jsonb, text, timestamptz, timestamptz, boolean, text, integer, text, bigint, jsonb) IS
    'the observations behind a cell, a pattern (pattern_id) or a change (to_jsonb of a row of fp_changes, or a message of channel failpat), newest first, with the platform''s scores where there are some; the next page comes after the last row''s page_cursor';

CREATE FUNCTION fp_pattern_question(pattern_id bigint, OUT source text, OUT conditions jsonb)
    LANGUAGE plpgsql STABLE PARALLEL SAFE
    SET search_path FROM CURRENT
AS $fn$
#variable_conflict use_variable
DECLARE
    p failure_patterns;
BEGIN
    SELECT * INTO p FROM failure_patterns f WHERE f.id = fp_pattern_question.pattern_id;
    IF NOT FOUND OR p.conditions IS NULL THEN
        RAISE invalid_parameter_value USING
            MESSAGE = format(CASE WHEN FOUND THEN 'failure pattern %s has no conditions'
                                  ELSE 'there is no failure pattern %s' END, pattern_id);
    END IF;
    source := p.source;
    conditions := p.conditions;
END
$fn$;
COMMENT ON FUNCTION fp_pattern_question(bigint) IS 'what a pattern is about; an error where there is no such pattern';

CREATE FUNCTION fp_change_question(change jsonb, OUT source text, OUT conditions jsonb,
                                   OUT first_bucket timestamptz, OUT ends timestamptz)
    LANGUAGE plpgsql STABLE PARALLEL SAFE
    SET search_path FROM CURRENT
AS $fn$
#variable_conflict use_variable
DECLARE
    told record;
BEGIN
    IF change ? 'event' AND jsonb_typeof(change -> 'id') = 'number' THEN
        SELECT * INTO told FROM fp_told_changes t WHERE t.id = (change ->> 'id')::numeric;
        IF NOT FOUND THEN
            RAISE invalid_parameter_value USING
                MESSAGE = format('there is no change %s that was told', change ->> 'id');
        END IF;
        source := told.source;
        conditions := told.conditions;
        first_bucket := told.at;
        ends := 'infinity';
        RETURN;
    END IF;
    IF jsonb_typeof(change -> 'conditions') IS DISTINCT FROM 'object' OR jsonb_typeof(change -> 'at') IS DISTINCT FROM 'string' THEN
        RAISE invalid_parameter_value USING
            MESSAGE = 'argument "change" must be a row of fp_changes, or a message of channel failpat, as JSON',
            HINT = 'For example: FROM fp_changes() c CROSS JOIN LATERAL fp_drilldown(change => to_jsonb(c)) d';
    END IF;
    source := change ->> 'source';
    conditions := change -> 'conditions';
    first_bucket := (change ->> 'at')::timestamptz;
    ends := coalesce((change ->> 'after_until')::timestamptz, 'infinity');
END
$fn$;
COMMENT ON FUNCTION fp_change_question(jsonb) IS
    'what a change is about, and when its new rate began and ended';
