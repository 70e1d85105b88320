-- Events: what happened, and may have moved a rate.

CREATE TABLE fp_events (
    id bigserial PRIMARY KEY,
    source text COLLATE "C",
    at timestamptz NOT NULL CHECK (isfinite(at)),
    kind text NOT NULL CHECK (kind <> ''),
    label text NOT NULL,
    scope jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(scope) = 'object'),
    "check" text,
    effect smallint CHECK (effect IN (-1, 1)),
    origin text NOT NULL DEFAULT 'recorded' CHECK (origin IN ('recorded', 'captured', 'inferred')),
    details jsonb,
    recorded_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX fp_events_time ON fp_events (source, at);
COMMENT ON TABLE fp_events IS 'releases, new versions, edits of thresholds: what may have moved a rate; fp_find_events adds what can be inferred';
COMMENT ON SEQUENCE fp_events_id_seq IS 'ids of fp_events';
COMMENT ON COLUMN fp_events.id IS 'identity';
COMMENT ON COLUMN fp_events.source IS 'the source that it concerns; NULL: all';
COMMENT ON COLUMN fp_events.at IS 'when it happened';
COMMENT ON COLUMN fp_events.kind IS 'workflow, asset, threshold (an edit moves the rate, not the quality), first_use, last_use, or any other word, such as release';
COMMENT ON COLUMN fp_events.label IS 'what happened, for people';
COMMENT ON COLUMN fp_events.scope IS 'the values that it concerns, as {"workflow": "5"}; {}: everything';
COMMENT ON COLUMN fp_events."check" IS 'the only check that it concerns, if so';
COMMENT ON COLUMN fp_events.effect IS '1: it can only raise failure rates; -1: it can only lower them';
COMMENT ON COLUMN fp_events.origin IS 'recorded: by fp_record_event; captured: by a trigger; inferred: from observations, never stored by failpat';
COMMENT ON COLUMN fp_events.details IS 'anything else';
COMMENT ON COLUMN fp_events.recorded_at IS 'when the row was made';

SELECT pg_catalog.pg_extension_config_dump('fp_events', '');
SELECT pg_catalog.pg_extension_config_dump('fp_events_id_seq', '');

CREATE FUNCTION fp_record_event(
    kind text,
    label text,
    at timestamptz DEFAULT now(),
    scope jsonb DEFAULT '{}',
    source text DEFAULT NULL,
    "check" text DEFAULT NULL,
    effect integer DEFAULT NULL,
    details jsonb DEFAULT NULL)
    RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path FROM CURRENT
AS $fn$
#variable_conflict use_column
DECLARE
    new_id bigint;
    checked text;
BEGIN
    IF fp_record_event.kind IS NULL OR fp_record_event.kind = '' OR fp_record_event.label IS NULL THEN
        RAISE invalid_parameter_value USING MESSAGE = 'an event needs a kind and a label';
    END IF;
    IF fp_record_event.at IS NULL OR NOT isfinite(fp_record_event.at) THEN
        RAISE invalid_parameter_value USING
            MESSAGE = format('an event needs a finite time, not %s', coalesce(fp_record_event.at::text, 'NULL'));
    END IF;
    IF fp_record_event.effect NOT IN (-1, 1) THEN
        RAISE invalid_parameter_value USING
            MESSAGE = format('effect must be 1, -1 or NULL, not %s', fp_record_event.effect);
    END IF;
    IF fp_record_event.scope IS NULL OR jsonb_typeof(fp_record_event.scope) <> 'object' THEN
        RAISE invalid_parameter_value USING
            MESSAGE = 'argument "scope" must be a JSON object',
            HINT = 'For example: {"workflow": "5"}';
    END IF;
    IF fp_record_event.source IS NOT NULL THEN
        PERFORM fp_checked_conditions((fp_source_named(fp_record_event.source)).source, fp_record_event.scope, 'scope');
    END IF;
    INSERT INTO fp_events (source, at, kind, label, scope, "check", effect, details)
    VALUES (fp_record_event.source, fp_record_event.at, fp_record_event.kind, fp_record_event.label,
            fp_record_event.scope, fp_record_event."check", fp_record_event.effect, fp_record_event.details)
    RETURNING id INTO new_id;
    RETURN new_id;
END
$fn$;
COMMENT ON FUNCTION fp_record_event(text, text, timestamptz, jsonb, text, text, integer, jsonb) IS
    'records that something happened that may move a failure rate; source NULL: in all sources; returns its id';
REVOKE ALL ON FUNCTION fp_record_event(text, text, timestamptz, jsonb, text, text, integer, jsonb) FROM PUBLIC;

-- Events of the platform.

CREATE FUNCTION fp_fail_thresholds("table" text, "row" jsonb)
    RETURNS jsonb
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT CASE "table"
        WHEN 'qa_thresholds' THEN
            CASE WHEN "row" -> 'is_enabled' = 'false' THEN '{}'
                 ELSE jsonb_build_object("row" ->> 'check_type', "row" -> 'fail_threshold') END
        ELSE (SELECT coalesce(jsonb_object_agg(t.key, t.value -> 'fail'), '{}')
              FROM jsonb_each(CASE jsonb_typeof(per_check.t) WHEN 'object' THEN per_check.t END) t (key, value)
              WHERE jsonb_typeof(t.value -> 'fail') = 'number') END
    FROM (SELECT "row" -> CASE "table" WHEN 'qa_profiles' THEN 'thresholds' ELSE 'custom_thresholds' END AS t) per_check;
END;
COMMENT ON FUNCTION fp_fail_thresholds(text, jsonb) IS
    'below which score each check fails, as a row of qa_thresholds, qa_profiles or scene_type_qa_overrides says';

-- Of a row of the platform's tables, old and new; no row where nothing happened
-- that can move a rate.
CREATE FUNCTION fp_platform_event(source text, "table" text, op text, old_row jsonb, new_row jsonb,
                                  OUT at timestamptz, OUT kind text, OUT label text, OUT scope jsonb,
                                  OUT "check" text, OUT effect smallint, OUT details jsonb)
    RETURNS SETOF record
    LANGUAGE plpgsql STABLE
    SET search_path FROM CURRENT
AS $fn$
#variable_conflict use_variable
DECLARE
    known text[] := ARRAY(SELECT d.name FROM fp_dimensions d WHERE d.source = fp_platform_event.source);
    limits_old jsonb;
    limits_new jsonb;
    dim text;
    stricter boolean;
    looser boolean;
    moved text[];
BEGIN
    at := statement_timestamp();
    scope := '{}';
    IF "table" = 'workflow_versions' THEN
        IF op <> 'INSERT' THEN
            RETURN;
        END IF;
        kind := 'workflow';
        at := coalesce((new_row ->> 'created_at')::timestamptz, at);
        IF 'workflow' = ANY (known) THEN
            scope := jsonb_build_object('workflow', new_row ->> 'workflow_id');
        END IF;
        label := format('Workflow %s version %s',
                        (SELECT l.label FROM fp_labels(source, 'workflow', ARRAY[new_row ->> 'workflow_id']) l),
                        new_row ->> 'version');
        details := jsonb_strip_nulls(jsonb_build_object('change_summary', new_row -> 'change_summary'));
    ELSIF "table" = 'assets' THEN
        IF op = 'DELETE' OR op = 'UPDATE'
           AND (old_row ->> 'version', old_row ->> 'checksum_sha256', old_row ->> 'file_path')
               IS NOT DISTINCT FROM (new_row ->> 'version', new_row ->> 'checksum_sha256', new_row ->> 'file_path') THEN
            RETURN;
        END IF;
        kind := 'asset';
        IF op = 'INSERT' THEN
            at := coalesce((new_row ->> 'created_at')::timestamptz, at);
        END IF;
        dim := CASE new_row ->> 'asset_type_id' WHEN '1' THEN 'model' WHEN '2' THEN 'lora' END;
        IF dim = ANY (known) THEN
            scope := jsonb_build_object(dim, new_row ->> 'id');
        END IF;
        label := format('%s %s version %s', CASE dim WHEN 'model' THEN 'Model' WHEN 'lora' THEN 'LoRA' ELSE 'Asset' END,
                        new_row ->> 'name', new_row ->> 'version');
    ELSE
        -- a profile by itself judges nothing: overrides refer to it
        IF "table" = 'qa_profiles' AND op <> 'UPDATE' THEN
            RETURN;
        END IF;
        -- a dump that is loaded brings what is known already: no edit. It says so
        -- only by what it switches off first.
        IF op = 'INSERT' AND current_setting('check_function_bodies') = 'off' AND current_setting('row_security') = 'off' THEN
            RETURN;
        END IF;
        kind := 'threshold';
        limits_old := CASE WHEN op = 'INSERT' THEN '{}' ELSE fp_fail_thresholds("table", old_row) END;
        limits_new := CASE WHEN op = 'DELETE' THEN '{}' ELSE fp_fail_thresholds("table", new_row) END;
        IF limits_old = limits_new
           AND old_row -> 'qa_profile_id' IS NOT DISTINCT FROM new_row -> 'qa_profile_id' THEN
            RETURN;
        END IF;
        SELECT array_agg(k ORDER BY k COLLATE "C"),
               bool_or((limits_new ->> k)::float8 > (limits_old ->> k)::float8),
               bool_or((limits_new ->> k)::float8 < (limits_old ->> k)::float8)
        INTO moved, stricter, looser
        FROM jsonb_object_keys(limits_old || limits_new) k
        WHERE limits_old -> k IS DISTINCT FROM limits_new -> k;
        -- what holds where there is no row any more is written elsewhere
        IF NOT EXISTS (SELECT FROM unnest(moved) k WHERE NOT (limits_old ? k AND limits_new ? k))
           AND old_row -> 'qa_profile_id' IS NOT DISTINCT FROM new_row -> 'qa_profile_id'
           AND stricter <> looser THEN
            effect := CASE WHEN stricter THEN 1 ELSE -1 END;
        END IF;
        IF cardinality(moved) = 1 THEN
            "check" := moved[1];
        END IF;
        IF "table" = 'scene_type_qa_overrides' AND 'scene_type' = ANY (known) THEN
            scope := jsonb_build_object('scene_type', coalesce(new_row, old_row) ->> 'scene_type_id');
        END IF;
        label := CASE WHEN moved IS NULL THEN 'Quality profile changed'
                      ELSE 'Threshold edited: ' || (
                          SELECT string_agg(format('%s fails below %s instead of %s', k, coalesce(limits_new ->> k, 'the default'),
                                                   coalesce(limits_old ->> k, 'the default')), ', ' ORDER BY k COLLATE "C")
                          FROM unnest(moved[1:5]) k) || CASE WHEN cardinality(moved) > 5 THEN ', ...' ELSE '' END END
                 || CASE "table"
                    WHEN 'qa_profiles' THEN format(' (profile %s)', new_row ->> 'name')
                    WHEN 'scene_type_qa_overrides' THEN format(' (scene type %s)',
                        (SELECT l.label FROM fp_labels(source, 'scene_type', ARRAY[coalesce(new_row, old_row) ->> 'scene_type_id']) l))
                    ELSE coalesce(' (project ' || (coalesce(new_row, old_row) ->> 'project_id') || ')', '') END;
        details := jsonb_build_object('old', limits_old, 'new', limits_new);
    END IF;
    details := coalesce(details, '{}') || jsonb_build_object('table', "table", 'op', op, 'id', coalesce(new_row, old_row) -> 'id');
    RETURN NEXT;
END
$fn$;
COMMENT ON FUNCTION fp_platform_event(text, text, text, jsonb, jsonb) IS
    'the event that a change of a row of the platform''s configuration is';

-- to_jsonb calls the cast to json of a type that has one. That of a type of the
-- platform's is a function of its owner's, and would run with our owner's rights;
-- so values of such types are printed.
CREATE FUNCTION fp_row_json_sql(relation oid, alias text)
    RETURNS text
    LANGUAGE c STABLE STRICT AS 'MODULE_PATHNAME', 'failpat_row_json_sql';
COMMENT ON FUNCTION fp_row_json_sql(oid, text) IS
    'the SQL expression that makes JSON of a row of a table, without calling functions of the table''s owner';
REVOKE ALL ON FUNCTION fp_row_json_sql(oid, text) FROM PUBLIC;

CREATE FUNCTION fp_read_rows(relation oid)
    RETURNS SETOF jsonb
    LANGUAGE c STABLE STRICT AS 'MODULE_PATHNAME', 'failpat_read_rows';
COMMENT ON FUNCTION fp_read_rows(oid) IS
    'the rows of a table that the caller may read, as JSON; read as the table''s owner';
REVOKE ALL ON FUNCTION fp_read_rows(oid) FROM PUBLIC;

-- A statement trigger: a partitioned table clones row triggers for each new
-- partition, which takes a right on this function that the table's owner has
-- not. The n-th old row is the n-th new row: the server appends both at once.
-- lock_timeout: below half of deadlock_timeout's default, see src/contain.c.
CREATE FUNCTION fp_capture_event()
    RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path FROM CURRENT
    SET lock_timeout = '400ms'
AS $fn$
DECLARE
    old_rows text := 'SELECT NULL::bigint AS no, NULL::jsonb AS "row" WHERE false';
    new_rows text := old_rows;
BEGIN
    -- a restore that comes to the source after this table brings its events as well
    IF NOT EXISTS (SELECT FROM fp_sources s WHERE s.source = TG_ARGV[0]) THEN
        RETURN NULL;
    END IF;
    IF TG_OP <> 'INSERT' THEN
        old_rows := format('SELECT row_number() OVER () AS no, %s AS "row" FROM failpat_old t', fp_row_json_sql(TG_RELID, 't'));
    END IF;
    IF TG_OP <> 'DELETE' THEN
        new_rows := format('SELECT row_number() OVER () AS no, %s AS "row" FROM failpat_new t', fp_row_json_sql(TG_RELID, 't'));
    END IF;
    -- rows that are restored bring events that are known
    EXECUTE format(
        'INSERT INTO fp_events (source, at, kind, label, scope, "check", effect, origin, details)
         SELECT $1, e.at, e.kind, e.label, e.scope, e."check", e.effect, ''captured'', e.details
         FROM (%s) o FULL JOIN (%s) n USING (no)
         CROSS JOIN LATERAL fp_platform_event($1, $2, $3, o."row", n."row") e
         WHERE NOT EXISTS (SELECT FROM fp_events x WHERE x.source = $1 AND x.kind = e.kind AND x.at = e.at AND x.label = e.label)
         ORDER BY no', old_rows, new_rows)
    USING TG_ARGV[0], TG_TABLE_NAME::text, TG_OP;
    RETURN NULL;
EXCEPTION WHEN OTHERS THEN
    RAISE WARNING 'failpat could not record a change of %: %', TG_TABLE_NAME, fp_told(SQLERRM);
    RETURN NULL;
END
$fn$;
COMMENT ON FUNCTION fp_capture_event() IS
    'trigger AFTER a statement on the platform''s configuration; argument: source; warns and never refuses';
REVOKE ALL ON FUNCTION fp_capture_event() FROM PUBLIC;

CREATE FUNCTION fp_watch_events(source text, schema text DEFAULT 'public')
    RETURNS integer
    LANGUAGE plpgsql
    SET search_path FROM CURRENT
AS $fn$
#variable_conflict use_column
DECLARE
    home constant text := current_schema();
    s fp_sources := fp_source_named(fp_watch_events.source);
    suffix constant text := '_' || left(md5(s.source), 8);
    tab record;
    event text;
    watched integer := 0;
BEGIN
    FOR tab IN
        SELECT c.oid, c.oid::regclass AS name, c.relname,
               EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = c.oid AND t.tgname = 'failpat_event_insert' || suffix) AS done
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        -- where no trigger captures, what remembers its past is read anew with each call
        WHERE n.nspname = fp_watch_events.schema
          AND CASE s.capture WHEN 'poll' THEN c.relkind IN ('r', 'p', 'f', 'v', 'm') AND c.relname IN ('workflow_versions', 'assets')
              ELSE c.relkind IN ('r', 'p')
                   AND c.relname IN ('workflow_versions', 'assets', 'qa_thresholds', 'qa_profiles', 'scene_type_qa_overrides') END
        ORDER BY c.relname
    LOOP
        watched := watched + 1;
        CONTINUE WHEN tab.done;
        BEGIN
            FOREACH event IN ARRAY CASE s.capture WHEN 'poll' THEN '{}' ELSE '{INSERT,UPDATE,DELETE}' END::text[] LOOP
                EXECUTE format('CREATE TRIGGER %I AFTER %s ON %s REFERENCING %s FOR EACH STATEMENT '
                               'EXECUTE FUNCTION %I.fp_capture_event(%L)',
                               'failpat_event_' || lower(event) || suffix, event, tab.name,
                               CASE event WHEN 'INSERT' THEN 'NEW TABLE AS failpat_new'
                                          WHEN 'DELETE' THEN 'OLD TABLE AS failpat_old'
                                          ELSE 'OLD TABLE AS failpat_old NEW TABLE AS failpat_new' END,
                               home, s.source);
            END LOOP;
            -- what these tables remember of their past; the others do not
            IF tab.relname IN ('workflow_versions', 'assets') THEN
                INSERT INTO fp_events (source, at, kind, label, scope, origin, details)
                SELECT s.source, e.at, e.kind, e.label, e.scope, 'captured', e.details
                FROM fp_read_rows(tab.oid) r CROSS JOIN LATERAL fp_platform_event(s.source, tab.relname::text, 'INSERT', NULL, r) e
                WHERE NOT EXISTS (SELECT FROM fp_events x WHERE x.source = s.source AND x.kind = e.kind
                                  AND x.at = e.at AND x.label = e.label)
                ORDER BY e.at;
            END IF;
        EXCEPTION WHEN insufficient_privilege OR undefined_column OR invalid_text_representation THEN
            watched := watched - 1;
            RAISE WARNING 'failpat cannot watch %: %', tab.name, fp_told(SQLERRM);
        END;
    END LOOP;
    RETURN watched;
END
$fn$;
COMMENT ON FUNCTION fp_watch_events(text, text) IS
    'records new versions of workflows and assets, and edits of thresholds, in a schema of the platform as events of a source; returns how many tables it watches';
REVOKE ALL ON FUNCTION fp_watch_events(text, text) FROM PUBLIC;

-- Events, with those that observations tell of.

CREATE FUNCTION fp_find_events(
    source text DEFAULT NULL,
    since timestamptz DEFAULT NULL,
    until timestamptz DEFAULT NULL,
    filter jsonb DEFAULT '{}',
    bucket interval DEFAULT '1 day',
    min_share double precision DEFAULT 0.05,
    dims text[] DEFAULT NULL)
    RETURNS TABLE (
        id bigint,
        at timestamptz,
        kind text,
        label text,
        scope jsonb,
        origin text,
        "check" text,
        effect smallint,
        share double precision,
        details jsonb)
    LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 50
    SET search_path FROM CURRENT
AS $fn$
#variable_conflict use_column
DECLARE
    s fp_sources := fp_source_named(fp_find_events.source);
    period record;
    d fp_dimensions;
    -- how many buckets of use say how much a value is used, and how many
    -- without it before its first use or after its last one say that it is that
    span constant integer := 7;
    quiet constant integer := 3;
    all_at timestamptz[];
    all_sum bigint[];
BEGIN
    SELECT * INTO period FROM fp_period(s.source, fp_find_events.since, fp_find_events.until, fp_find_events.bucket);
    RETURN QUERY
    SELECT e.id, e.at, e.kind, e.label, e.scope, e.origin, e."check", e.effect, 1::double precision, e.details
    FROM fp_events e
    WHERE (e.source = s.source OR e.source IS NULL) AND e.at >= period.first_bucket AND e.at < period.ends;
    SELECT array_agg(t.b ORDER BY t.b), array_agg(t.total ORDER BY t.b) INTO all_at, all_sum
    FROM (SELECT x.bucket AS b, sum(sum(x.trials)) OVER (ORDER BY x.bucket)::bigint AS total
          FROM fp_bucket_counts(s.source, coalesce(fp_find_events.filter, '{}'), NULL, period.first_bucket, period.ends,
                                fp_find_events.bucket, NULL) x GROUP BY 1) t;
    FOR d IN SELECT * FROM fp_dimensions x
             WHERE x.source = s.source AND x.kind <> 'ordinal' AND NOT coalesce(fp_find_events.filter ? x.name, false)
               AND (fp_find_events.dims IS NULL OR x.name = ANY (fp_find_events.dims))
             ORDER BY x.position LOOP
        RETURN QUERY
        WITH days AS MATERIALIZED (
            SELECT u.b, u.total, u.k::integer AS k FROM unnest(all_at, all_sum) WITH ORDINALITY u (b, total, k)
        ), used AS MATERIALIZED (
            SELECT x.value, t.k, sum(x.trials) AS n
            FROM fp_bucket_counts(s.source, coalesce(fp_find_events.filter, '{}'), d.name::text, period.first_bucket, period.ends,
                                  fp_find_events.bucket, NULL) x
            JOIN days t ON t.b = x.bucket
            WHERE x.value IS NOT NULL GROUP BY 1, 2
        ), ends AS (
            SELECT u.*, min(u.k) OVER w AS first_k, max(u.k) OVER w AS last_k, cardinality(all_at) AS newest
            FROM used u WINDOW w AS (PARTITION BY u.value)
        ), uses AS (
            SELECT e.value, 'first_use' AS what, e.first_k AS k, sum(e.n) AS n,
                   all_sum[least(e.first_k + span - 1, e.newest)] - all_sum[e.first_k - 1] AS total
            FROM ends e WHERE e.first_k > quiet AND e.k < e.first_k + span GROUP BY 1, 3, e.newest
            UNION ALL
            SELECT e.value, 'last_use', e.last_k + 1, sum(e.n),
                   all_sum[e.last_k] - coalesce(all_sum[e.last_k - span], 0)
            FROM ends e WHERE e.last_k <= e.newest - quiet AND e.k > e.last_k - span GROUP BY 1, e.last_k
        ), known AS MATERIALIZED (
            -- one value in place of another is one event
            SELECT u.* FROM uses u WHERE u.n >= fp_find_events.min_share * u.total
              AND (u.what = 'first_use' OR NOT EXISTS (
                  SELECT FROM uses x WHERE x.what = 'first_use' AND x.k = u.k AND x.n >= fp_find_events.min_share * x.total))
        )
        SELECT NULL::bigint, t.b, k.what,
               format('%s use of %s %s', CASE k.what WHEN 'first_use' THEN 'First' ELSE 'Last' END, d.title, l.label),
               jsonb_build_object(d.name, k.value), 'inferred', NULL::text, NULL::smallint,
               least(k.n / k.total::double precision, 1), NULL::jsonb
        FROM known k
        JOIN days t ON t.k = k.k
        JOIN fp_labels(s.source, d.name::text, ARRAY(SELECT DISTINCT x.value FROM known x)) l ON l.value = k.value;
    END LOOP;
END
$fn$;
COMMENT ON FUNCTION fp_find_events(text, timestamptz, timestamptz, jsonb, interval, double precision, text[]) IS
    'events of a source: recorded, captured, and inferred (first and last use of a value that at least min_share of the observations had, of these dimensions)';

CREATE FUNCTION fp_event_weight(scope jsonb, conditions jsonb)
    RETURNS double precision
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT CASE WHEN count(*) = 0 THEN 1.0
                WHEN bool_or(conditions ? x.key AND NOT x.same AND x.one) THEN 0.0
                WHEN bool_or(x.same) THEN 3.0 ELSE 0.5 END
    FROM (SELECT e.key,
                 CASE jsonb_typeof(conditions -> e.key) WHEN 'object' THEN false WHEN 'array' THEN
                     conditions -> e.key @> CASE jsonb_typeof(e.value) WHEN 'array' THEN e.value ELSE jsonb_build_array(e.value) END
                 ELSE coalesce(conditions ->> e.key = e.value ->> CASE jsonb_typeof(e.value) WHEN 'array' THEN 0 END
                               OR conditions ->> e.key = scope ->> e.key, false) END AS same,
                 coalesce(jsonb_typeof(conditions -> e.key) NOT IN ('array', 'object'), false) AS one
          FROM jsonb_each(scope) e) x;
END;
COMMENT ON FUNCTION fp_event_weight(jsonb, jsonb) IS
    'how well an event''s scope fits a series: 3 it is about it, 1 about everything, 0.5 about a part of it, 0 about something else';
