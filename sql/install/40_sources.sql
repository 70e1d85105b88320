-- Sources: where observations come from, what is kept of them, and capture.

-- Configuration. Nothing here changes while rows are captured: what changes
-- (progress, times, errors) is in fp_source_state, and a change here makes
-- every backend forget its plans.
CREATE TABLE fp_sources (
    source text COLLATE "C" PRIMARY KEY
        CHECK (source <> '' AND octet_length(source) <= 63),
    observations regclass,
    refresh text NOT NULL DEFAULT 'async'
        CHECK (refresh IN ('async', 'sync', 'manual')),
    capture text NOT NULL DEFAULT 'trigger'
        CHECK (capture IN ('trigger', 'poll')),
    look_back interval NOT NULL DEFAULT '1 day' CHECK (look_back >= interval '0'),
    bucket interval NOT NULL DEFAULT '1 day',
    bucket_zone text NOT NULL DEFAULT 'UTC',
    window_length interval NOT NULL DEFAULT '90 days',
    triggers jsonb NOT NULL DEFAULT '{}',
    own_view boolean NOT NULL DEFAULT false,
    cluster boolean NOT NULL DEFAULT true,
    max_arity integer NOT NULL DEFAULT 3 CHECK (max_arity BETWEEN 1 AND 6),
    alpha double precision NOT NULL DEFAULT 0.05 CHECK (alpha > 0 AND alpha < 1),
    min_trials integer NOT NULL DEFAULT 20 CHECK (min_trials >= 1),
    min_risk_ratio double precision NOT NULL DEFAULT 1.2
        CHECK (min_risk_ratio >= 1 AND min_risk_ratio < 'Infinity'),
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT fp_sources_polled CHECK (capture = 'trigger' OR refresh <> 'sync' AND triggers = '{}')
);
COMMENT ON TABLE fp_sources IS
    'sources of observations, as fp_attach registered them; settings may be changed by UPDATE';
COMMENT ON COLUMN fp_sources.source IS 'name of the source';
COMMENT ON COLUMN fp_sources.observations IS
    'the source view; NULL after fp_detach, which keeps what was learnt';
COMMENT ON COLUMN fp_sources.refresh IS
    'async: by a background worker, soon after the commit; sync: at the end of each writing statement, all but what it left in fp_pending; manual: CALL fp_refresh()';
COMMENT ON COLUMN fp_sources.capture IS
    'trigger: what is written is captured at once; poll: CALL fp_poll() or fp_refresh() reads what is new';
COMMENT ON COLUMN fp_sources.look_back IS 'how late a row may come, or its outcome change, for a poll to see it';
COMMENT ON COLUMN fp_sources.bucket IS 'width of the time buckets that cubes are kept by';
COMMENT ON COLUMN fp_sources.bucket_zone IS 'time zone in which buckets of a day or more begin';
COMMENT ON COLUMN fp_sources.window_length IS 'how far back patterns are looked for';
COMMENT ON COLUMN fp_sources.triggers IS 'tables with capture triggers, and the key column of each';
COMMENT ON COLUMN fp_sources.own_view IS 'whether failpat wrote the source view, and fp_detach drops it';
COMMENT ON COLUMN fp_sources.cluster IS 'whether cubes keep the job of each observation, so that failures that come in lumps do not count as many';
COMMENT ON COLUMN fp_sources.max_arity IS 'most conditions that a pattern may have';
COMMENT ON COLUMN fp_sources.alpha IS 'error rate that patterns are held to';
COMMENT ON COLUMN fp_sources.min_trials IS 'fewest observations behind a pattern';
COMMENT ON COLUMN fp_sources.min_risk_ratio IS 'smallest risk ratio that matters';
COMMENT ON COLUMN fp_sources.created_at IS 'when the source was first attached';

CREATE TABLE fp_source_state (
    source text COLLATE "C" PRIMARY KEY,
    backfill_key text,
    backfill_count bigint NOT NULL DEFAULT 0,
    backfill_done boolean NOT NULL DEFAULT false,
    backfill_rows bigint NOT NULL DEFAULT 0,
    backfill_size bigint,
    captured_at timestamptz,
    watermark timestamptz,
    poll_started_at timestamptz,
    polled_at timestamptz,
    poll_ms double precision,
    poll_rows bigint,
    poll_error text,
    poll_error_at timestamptz,
    refresh_started_at timestamptz,
    refresh_step text,
    refresh_done bigint,
    refresh_whole bigint,
    pending_listed boolean NOT NULL DEFAULT false,
    refresh_bucket timestamptz,
    refreshed_at timestamptz,
    refresh_ms double precision,
    looked_through timestamptz,
    counted_through timestamptz,
    promoted bigint NOT NULL DEFAULT 0,
    look_state text,
    error text,
    error_at timestamptz
);
COMMENT ON TABLE fp_source_state IS
    'progress, times and errors of each source; written by backfill, polls and refresh, never by triggers';
COMMENT ON COLUMN fp_source_state.source IS 'name of the source';
COMMENT ON COLUMN fp_source_state.backfill_key IS 'last key that fp_backfill has loaded';
COMMENT ON COLUMN fp_source_state.backfill_count IS 'keys that fp_backfill has loaded';
COMMENT ON COLUMN fp_source_state.backfill_done IS 'whether all history is loaded';
COMMENT ON COLUMN fp_source_state.backfill_rows IS 'rows of the view that it has loaded';
COMMENT ON COLUMN fp_source_state.backfill_size IS 'rows that the view had when it began';
COMMENT ON COLUMN fp_source_state.captured_at IS 'newest capture that a refresh has seen';
COMMENT ON COLUMN fp_source_state.watermark IS
    'observed_at of the newest row, of those not dated ahead, that a poll has seen, or when the source was attached to be polled; polls begin look_back before it, and where it is NULL with the oldest row';
COMMENT ON COLUMN fp_source_state.poll_started_at IS 'when the last poll began';
COMMENT ON COLUMN fp_source_state.polled_at IS 'when the last poll ended that saw all there was';
COMMENT ON COLUMN fp_source_state.poll_ms IS 'how long that poll took, in milliseconds';
COMMENT ON COLUMN fp_source_state.poll_rows IS 'rows that the last poll has read';
COMMENT ON COLUMN fp_source_state.poll_error IS 'error of the last poll, NULL when it had none';
COMMENT ON COLUMN fp_source_state.poll_error_at IS 'when that error occurred';
COMMENT ON COLUMN fp_source_state.refresh_started_at IS 'when the last refresh began';
COMMENT ON COLUMN fp_source_state.refresh_step IS 'what a refresh does, or did when it was interrupted; NULL when it has got through';
COMMENT ON COLUMN fp_source_state.refresh_done IS 'how much of that step is done';
COMMENT ON COLUMN fp_source_state.refresh_whole IS '... of how much';
COMMENT ON COLUMN fp_source_state.pending_listed IS 'whether this refresh has listed the keys put off that it reads; those that come later are left to the next';
COMMENT ON COLUMN fp_source_state.refresh_bucket IS 'last bucket that this refresh has counted; it counts each once, however often that is written meanwhile';
COMMENT ON COLUMN fp_source_state.refreshed_at IS 'when the last refresh ended';
COMMENT ON COLUMN fp_source_state.refresh_ms IS 'how long the last refresh took, in milliseconds';
COMMENT ON COLUMN fp_source_state.looked_through IS 'newest bucket that patterns have been looked for in';
COMMENT ON COLUMN fp_source_state.counted_through IS 'newest bucket that has been counted as evidence';
COMMENT ON COLUMN fp_source_state.promoted IS 'how many candidates there have been';
COMMENT ON COLUMN fp_source_state.look_state IS 'what the last look saw, as a hash';
COMMENT ON COLUMN fp_source_state.error IS 'error of the last refresh, NULL when it had none';
COMMENT ON COLUMN fp_source_state.error_at IS 'when that error occurred';

CREATE TABLE fp_dimensions (
    source text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL CHECK (name <> '' AND octet_length(name) <= 63),
    kind text NOT NULL CHECK (kind IN ('nominal', 'set', 'ordinal')),
    position integer NOT NULL,
    title text NOT NULL,
    key_prefix text,
    label_table regclass,
    label_key text,
    label_column text,
    choosable boolean NOT NULL DEFAULT false,
    PRIMARY KEY (source, name),
    CHECK ((label_table IS NULL) = (label_key IS NULL)
       AND (label_table IS NULL) = (label_column IS NULL))
);
COMMENT ON TABLE fp_dimensions IS 'the dimensions of each source, and how to speak of them';
COMMENT ON COLUMN fp_dimensions.source IS 'name of the source';
COMMENT ON COLUMN fp_dimensions.name IS 'the column of the source view';
COMMENT ON COLUMN fp_dimensions.kind IS 'nominal, set (an array column) or ordinal (ranges such as 6+)';
COMMENT ON COLUMN fp_dimensions.position IS 'order in keys and descriptions';
COMMENT ON COLUMN fp_dimensions.title IS 'what a description calls it';
COMMENT ON COLUMN fp_dimensions.key_prefix IS 'its letters in a pattern key; the name where NULL';
COMMENT ON COLUMN fp_dimensions.label_table IS 'table that gives a value its name';
COMMENT ON COLUMN fp_dimensions.label_key IS 'column of label_table that is compared with the value';
COMMENT ON COLUMN fp_dimensions.label_column IS 'column of label_table with the name';
COMMENT ON COLUMN fp_dimensions.choosable IS
    'whether another value can be offered as an alternative; of an ordinal dimension: whether one can stop before a range without an upper end (a scene before segment 6)';

-- Columns are written by number from C: an upgrade may only append some.
-- observed_at never changes, so no update touches an index (HOT).
CREATE TABLE fp_observations (
    source text COLLATE "C" NOT NULL,
    obs_key text COLLATE "C" NOT NULL,
    source_key text COLLATE "C" NOT NULL,
    observed_at timestamptz NOT NULL,
    failed boolean NOT NULL,
    failed_checks text[] NOT NULL,
    job text,
    dims jsonb NOT NULL,
    changed_at timestamptz NOT NULL,
    PRIMARY KEY (source, obs_key)
) WITH (fillfactor = 85);
CREATE INDEX fp_observations_time ON fp_observations (source, observed_at, obs_key);
COMMENT ON TABLE fp_observations IS
    'one row per judged thing: what was used, did it fail; outlives the rows that it was read from';
COMMENT ON COLUMN fp_observations.source IS 'name of the source';
COMMENT ON COLUMN fp_observations.obs_key IS 'identity of the observation';
COMMENT ON COLUMN fp_observations.source_key IS 'key of the rows that it was read from';
COMMENT ON COLUMN fp_observations.observed_at IS 'time of the observation, as first captured';
COMMENT ON COLUMN fp_observations.failed IS 'outcome, as last captured';
COMMENT ON COLUMN fp_observations.failed_checks IS 'the checks that failed';
COMMENT ON COLUMN fp_observations.job IS 'the job that it belongs to; observations of one job are not independent';
COMMENT ON COLUMN fp_observations.dims IS
    'the value of each dimension, as first recorded; absent = not recorded';
COMMENT ON COLUMN fp_observations.changed_at IS 'when capture last wrote the row';

-- Append-only for capture: no key, so no two writers ever meet here.
CREATE TABLE fp_dirty (
    source text COLLATE "C" NOT NULL,
    bucket timestamptz NOT NULL,
    at timestamptz NOT NULL
);
COMMENT ON TABLE fp_dirty IS
    'time buckets with observations that their cube does not know yet; emptied by refresh';
COMMENT ON COLUMN fp_dirty.source IS 'name of the source';
COMMENT ON COLUMN fp_dirty.bucket IS 'start of the bucket';
COMMENT ON COLUMN fp_dirty.at IS 'when it was marked';

CREATE TABLE fp_pending (
    source text COLLATE "C" NOT NULL,
    source_key text COLLATE "C" NOT NULL,
    obs_key text COLLATE "C",
    observed_at timestamptz,
    failed boolean,
    failed_checks text[],
    job text,
    dims jsonb,
    reason text NOT NULL,
    error text,
    at timestamptz NOT NULL,
    tried_at timestamptz
);
COMMENT ON TABLE fp_pending IS
    'keys that capture could not settle, with what it saw; refresh reads them again';
COMMENT ON COLUMN fp_pending.source IS 'name of the source';
COMMENT ON COLUMN fp_pending.source_key IS 'the key to read again';
COMMENT ON COLUMN fp_pending.obs_key IS 'identity of the observation that was seen, if any was';
COMMENT ON COLUMN fp_pending.observed_at IS 'its time';
COMMENT ON COLUMN fp_pending.failed IS 'its outcome, as seen';
COMMENT ON COLUMN fp_pending.failed_checks IS 'its failed checks, as seen';
COMMENT ON COLUMN fp_pending.job IS 'its job';
COMMENT ON COLUMN fp_pending.dims IS 'its dimensions, as seen';
COMMENT ON COLUMN fp_pending.reason IS
    'locked: another transaction had the key; many: too many keys in one transaction; serializable: written by a SERIALIZABLE transaction, which captures nothing itself; gone: its rows were removed, this was their outcome; error: see there';
COMMENT ON COLUMN fp_pending.error IS 'the error that kept capture from settling the key';
COMMENT ON COLUMN fp_pending.at IS 'when it was put here';
COMMENT ON COLUMN fp_pending.tried_at IS 'when a refresh last failed to settle it';

CREATE TABLE fp_missed (
    source text COLLATE "C" NOT NULL,
    source_keys text[],
    error text NOT NULL,
    at timestamptz NOT NULL
);
COMMENT ON TABLE fp_missed IS
    'what capture could not put into fp_pending either, because that was locked or missing, say; refresh moves it there';
COMMENT ON COLUMN fp_missed.source IS 'name of the source';
COMMENT ON COLUMN fp_missed.source_keys IS
    'the keys to read again; NULL where they are not known: fp_backfill(source, restart => true) reads all';
COMMENT ON COLUMN fp_missed.error IS 'the error that kept capture from settling the keys';
COMMENT ON COLUMN fp_missed.at IS 'when it occurred';

SELECT pg_catalog.pg_extension_config_dump('fp_sources', '');
SELECT pg_catalog.pg_extension_config_dump('fp_source_state', '');
SELECT pg_catalog.pg_extension_config_dump('fp_dimensions', '');
SELECT pg_catalog.pg_extension_config_dump('fp_observations', '');
SELECT pg_catalog.pg_extension_config_dump('fp_dirty', '');
SELECT pg_catalog.pg_extension_config_dump('fp_pending', '');
SELECT pg_catalog.pg_extension_config_dump('fp_missed', '');

GRANT SELECT ON fp_sources, fp_source_state, fp_dimensions TO PUBLIC;

-- What the triggers call.

CREATE FUNCTION fp_capture() RETURNS trigger
    LANGUAGE c AS 'MODULE_PATHNAME', 'failpat_capture';
COMMENT ON FUNCTION fp_capture() IS
    'trigger AFTER a statement, with transition tables; arguments: source, key column';

CREATE FUNCTION fp_source_changed() RETURNS trigger
    LANGUAGE c AS 'MODULE_PATHNAME', 'failpat_source_changed';
COMMENT ON FUNCTION fp_source_changed() IS
    'trigger that makes all backends read the configuration of sources again';
-- Who may create a trigger with fp_capture may put keys into fp_pending by it,
-- also such as no refresh can read. A trigger that is there needs no right.
REVOKE ALL ON FUNCTION fp_capture() FROM PUBLIC;
REVOKE ALL ON FUNCTION fp_source_changed() FROM PUBLIC;

CREATE TRIGGER fp_source_changed
    AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON fp_sources
    FOR EACH STATEMENT EXECUTE FUNCTION fp_source_changed();
CREATE TRIGGER fp_source_changed
    AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON fp_dimensions
    FOR EACH STATEMENT EXECUTE FUNCTION fp_source_changed();

CREATE FUNCTION fp_capture_keys(source text, keys text[], take_locks boolean DEFAULT true,
                                OUT shown text[], OUT busy text[])
    LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'failpat_capture_keys';
COMMENT ON FUNCTION fp_capture_keys(text, text[], boolean) IS
    'reads the source view for these keys and records what it shows; returns the obs_keys that it showed, and the keys that other transactions hold';
REVOKE ALL ON FUNCTION fp_capture_keys(text, text[], boolean) FROM PUBLIC;

CREATE FUNCTION fp_bucket(at timestamptz, width interval, zone text DEFAULT 'UTC')
    RETURNS timestamptz
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'failpat_bucket';
COMMENT ON FUNCTION fp_bucket(timestamptz, interval, text) IS
    'start of the time bucket that a moment lies in; buckets of a day or more begin at local midnight, weeks on Monday, months on the 1st';

-- The view as its owner reads it: whoever calls these may have no right to the
-- tables below it, and what their owner put into them must not run with the
-- caller's rights.

CREATE FUNCTION fp_source_keys(source text, after text, at_most integer)
    RETURNS text[]
    LANGUAGE c AS 'MODULE_PATHNAME', 'failpat_source_keys';
COMMENT ON FUNCTION fp_source_keys(text, text, integer) IS
    'the next keys of a source''s view after this one (NULL: the first), ascending, with repeats; read as the view''s owner';
REVOKE ALL ON FUNCTION fp_source_keys(text, text, integer) FROM PUBLIC;

CREATE FUNCTION fp_source_size(source text, at_most integer)
    RETURNS integer
    LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'failpat_source_size';
COMMENT ON FUNCTION fp_source_size(text, integer) IS
    'how many rows a source''s view has, counted up to at_most; read as the view''s owner';
REVOKE ALL ON FUNCTION fp_source_size(text, integer) FROM PUBLIC;

CREATE FUNCTION fp_show_progress(what text, done bigint, whole bigint)
    RETURNS void
    LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'failpat_show_progress_sql';
COMMENT ON FUNCTION fp_show_progress(text, bigint, bigint) IS
    'puts how far something is into the title of this process';
REVOKE ALL ON FUNCTION fp_show_progress(text, bigint, bigint) FROM PUBLIC;

-- Set-up.

CREATE FUNCTION fp_view_tables(view regclass)
    RETURNS TABLE (relation regclass, owner name, superuser boolean)
    LANGUAGE sql STABLE
BEGIN ATOMIC
    WITH RECURSIVE below (relid) AS (
        SELECT fp_view_tables.view::oid
        UNION
        SELECT d.refobjid
        FROM below b JOIN pg_rewrite w ON w.ev_class = b.relid
        JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = w.oid
            AND d.refclassid = 'pg_class'::regclass AND d.refobjid <> b.relid)
    SELECT c.oid::regclass, r.rolname, r.rolsuper
    FROM below b JOIN pg_class c ON c.oid = b.relid JOIN pg_roles r ON r.oid = c.relowner
    WHERE c.oid <> fp_view_tables.view AND c.relkind IN ('r', 'p', 'f', 'm', 'v')
    ORDER BY c.oid::regclass::text COLLATE "C";
END;
COMMENT ON FUNCTION fp_view_tables(regclass) IS 'what a view reads, directly or through other views, and whose it is';

CREATE FUNCTION fp_next_step(source text)
    RETURNS text
    LANGUAGE plpgsql STABLE
    SET search_path FROM CURRENT
AS $fn$
DECLARE
    list constant text := format('SELECT * FROM %I.fp_pattern_list;', current_schema());
BEGIN
    RETURN (SELECT CASE CASE s.capture WHEN 'poll' THEN 'poll' ELSE s.refresh END
                   WHEN 'poll' THEN 'What fails is found by each poll and refresh: ' || list
                   WHEN 'async' THEN 'What fails is found in the background, in seconds after a commit: ' || list
                   WHEN 'sync' THEN 'What fails is found at the end of each writing statement: ' || list
                   ELSE format('CALL %I.fp_refresh(%L); finds what fails: %s', current_schema(), s.source, list) END
            FROM fp_sources s WHERE s.source = fp_next_step.source);
END
$fn$;
COMMENT ON FUNCTION fp_next_step(text) IS 'where what fails will be found, once observations are loaded; NULL for an unknown source';

CREATE FUNCTION fp_attach(
    source text,
    observations regclass,
    triggers jsonb DEFAULT '{}',
    dimensions jsonb DEFAULT NULL,
    refresh text DEFAULT 'async',
    bucket interval DEFAULT '1 day',
    bucket_zone text DEFAULT 'UTC',
    window_length interval DEFAULT '90 days',
    history text DEFAULT 'auto',
    capture text DEFAULT 'trigger',
    look_back interval DEFAULT '1 day')
    RETURNS void
    LANGUAGE plpgsql
    SET search_path FROM CURRENT
AS $fn$
#variable_conflict use_column
DECLARE
    home constant text := current_schema();
    seen record;
    tab record;
    target regclass;
    event text;
    pos integer := 0;
    found_dims integer := 0;
    known jsonb;
    own jsonb;
    what text;
    given record;
BEGIN
    -- The arguments.
    IF fp_attach.source IS NULL OR fp_attach.source = '' OR octet_length(fp_attach.source) > 63 THEN
        RAISE invalid_parameter_value USING
            MESSAGE = 'source must be a name of 1 to 63 bytes';
    END IF;
    IF fp_attach.observations IS NULL THEN
        RAISE invalid_parameter_value USING MESSAGE = 'observations must name a view';
    END IF;
    IF fp_attach.refresh IS NULL OR fp_attach.refresh NOT IN ('async', 'sync', 'manual') THEN
        RAISE invalid_parameter_value USING
            MESSAGE = format('refresh must be "async", "sync" or "manual", not %s', coalesce(quote_ident(fp_clipped(fp_attach.refresh)), 'NULL'));
    END IF;
    IF fp_attach.history IS NULL OR fp_attach.history NOT IN ('auto', 'now', 'later') THEN
        RAISE invalid_parameter_value USING
            MESSAGE = 'history must be "auto", "now" or "later"';
    END IF;
    IF fp_attach.window_length IS NULL OR fp_attach.window_length <= interval '0' THEN
        RAISE invalid_parameter_value USING MESSAGE = 'window_length must be greater than 0';
    END IF;
    IF fp_attach.capture IS NULL OR fp_attach.capture NOT IN ('trigger', 'poll') THEN
        RAISE invalid_parameter_value USING
            MESSAGE = format('capture must be "trigger" or "poll", not %s', coalesce(quote_ident(fp_clipped(fp_attach.capture)), 'NULL'));
    END IF;
    -- also raises where that is before the beginning of time
    IF fp_attach.look_back IS NULL OR now() - fp_attach.look_back > now() THEN
        RAISE invalid_parameter_value USING MESSAGE = 'look_back must be 0 or more';
    END IF;
    IF fp_attach.triggers IS NULL OR jsonb_typeof(fp_attach.triggers) <> 'object' THEN
        RAISE invalid_parameter_value USING
            MESSAGE = 'triggers must be a JSON object of table names and key columns',
            HINT = 'For example: {"public.quality_scores": "segment_id"}';
    END IF;
    IF fp_attach.capture = 'poll' AND fp_attach.triggers <> '{}' THEN
        RAISE invalid_parameter_value USING
            MESSAGE = 'triggers must be empty where a source is polled';
    END IF;
    IF fp_attach.capture = 'poll' AND fp_attach.refresh = 'sync' THEN
        RAISE invalid_parameter_value USING
            MESSAGE = 'refresh must be "async" or "manual" where a source is polled, as no statement of a writer is seen';
    END IF;
    IF fp_attach.dimensions IS NOT NULL AND jsonb_typeof(fp_attach.dimensions) <> 'object' THEN
        RAISE invalid_parameter_value USING
            MESSAGE = 'dimensions must be a JSON object of dimension names and their settings',
            HINT = 'For example: {"segment_position": {"kind": "ordinal"}}';
    END IF;
    -- raises where width or zone are not usable
    PERFORM fp_bucket(now(), fp_attach.bucket, fp_attach.bucket_zone);
    IF fp_attach.bucket IS NULL OR fp_attach.bucket_zone IS NULL THEN
        RAISE invalid_parameter_value USING MESSAGE = 'bucket and bucket_zone must not be NULL';
    END IF;
    IF EXISTS (SELECT FROM fp_sources s WHERE s.source = fp_attach.source AND s.observations IS NOT NULL) THEN
        RAISE duplicate_object USING
            MESSAGE = format('source %s is attached already', quote_ident(fp_attach.source)),
            HINT = 'Use fp_detach first; what was learnt stays.';
    END IF;

    -- The view's columns.
    FOR given IN
        SELECT need.name, need.type, a.atttypid::regtype AS is_type
        FROM (VALUES ('source_key', NULL::regtype), ('obs_key', NULL),
                     ('observed_at', 'timestamptz'), ('failed', 'boolean'),
                     ('failed_checks', 'text[]')) AS need (name, type)
        LEFT JOIN pg_attribute a ON a.attrelid = fp_attach.observations
            AND a.attname = need.name AND a.attnum > 0 AND NOT a.attisdropped
    LOOP
        IF given.is_type IS NULL THEN
            RAISE undefined_column USING
                MESSAGE = format('%s has no column %s', fp_attach.observations, given.name),
                HINT = 'A source view needs source_key, obs_key, observed_at timestamptz, failed boolean and failed_checks text[].';
        ELSIF given.is_type <> given.type THEN
            RAISE datatype_mismatch USING
                MESSAGE = format('column %s of %s must be of type %s, not %s',
                                 given.name, fp_attach.observations, given.type, given.is_type);
        END IF;
    END LOOP;

    -- Whose rights the view has.
    SELECT min(t.owner::text) AS owner,
           string_agg(DISTINCT format('%s (%s)', t.relation, t.owner), ', ') AS tables
    INTO given
    FROM fp_view_tables(fp_attach.observations) t
    WHERE NOT t.superuser AND EXISTS (SELECT FROM pg_class c JOIN pg_roles r ON r.oid = c.relowner
                                      WHERE c.oid = fp_attach.observations AND r.rolsuper);
    IF given.tables IS NOT NULL THEN
        RAISE WARNING '% belongs to a superuser, and reads tables of others: %', fp_attach.observations, given.tables
            USING DETAIL = 'What their owners put into those tables, an index on an expression say, runs as the view''s owner whenever it is read.',
                  HINT = format('ALTER VIEW %s OWNER TO %I;', fp_attach.observations, given.owner);
    END IF;

    -- Who may create beside our functions could have them call something else.
    SELECT string_agg(DISTINCT CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(r.rolname) END, ', ') AS names
    INTO given
    FROM pg_namespace n CROSS JOIN aclexplode(n.nspacl) a LEFT JOIN pg_roles r ON r.oid = a.grantee
    WHERE n.nspname = home AND a.privilege_type = 'CREATE' AND a.grantee <> n.nspowner AND r.rolsuper IS NOT TRUE
      AND a.grantee <> (SELECT c.relowner FROM pg_class c WHERE c.oid = 'fp_sources'::regclass);
    IF given.names IS NOT NULL THEN
        RAISE WARNING 'failpat is in schema %, in which others may create objects: %', quote_ident(home), given.names
            USING DETAIL = 'A function or an operator of theirs can fit a call of failpat''s better than the one that is meant, and run with the rights of whoever calls failpat.',
                  HINT = format('REVOKE CREATE ON SCHEMA %I FROM %s;', home, given.names);
    END IF;

    INSERT INTO fp_sources AS s (source, observations, refresh, capture, look_back, bucket, bucket_zone, window_length)
    VALUES (fp_attach.source, fp_attach.observations, fp_attach.refresh, fp_attach.capture, fp_attach.look_back,
            fp_attach.bucket, fp_attach.bucket_zone, fp_attach.window_length)
    ON CONFLICT (source) DO UPDATE
        SET observations = excluded.observations, refresh = excluded.refresh, capture = excluded.capture,
            look_back = excluded.look_back, bucket = excluded.bucket,
            bucket_zone = excluded.bucket_zone, window_length = excluded.window_length;
    -- Polls read what is new from now on, and what came since the last one
    -- where the source was polled before; what is there is fp_backfill's.
    INSERT INTO fp_source_state AS t (source, watermark)
    VALUES (fp_attach.source, CASE fp_attach.capture WHEN 'poll' THEN now() END)
    ON CONFLICT (source) DO UPDATE
        SET backfill_key = NULL, backfill_count = 0, backfill_done = false, backfill_rows = 0, backfill_size = NULL,
            watermark = CASE fp_attach.capture WHEN 'poll' THEN coalesce(t.watermark, now()) END,
            poll_error = NULL, poll_error_at = NULL;

    -- One dimension per other column.
    DELETE FROM fp_dimensions d WHERE d.source = fp_attach.source;
    known := '{"workflow": {"position": 1, "prefix": "w", "choosable": true},
               "model": {"position": 2, "prefix": "m", "choosable": true},
               "lora": {"position": 3, "prefix": "l", "title": "LoRA", "choosable": true},
               "character": {"position": 4, "prefix": "c"},
               "avatar": {"position": 4, "prefix": "c", "title": "Character"},
               "scene_type": {"position": 5, "prefix": "st"},
               "segment_position": {"position": 6, "prefix": "sp", "title": "segment", "kind": "ordinal", "choosable": true}}';
    FOR seen IN
        SELECT a.attname::text AS name, t.typcategory, a.atttypid::regtype AS type
        FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
        WHERE a.attrelid = fp_attach.observations AND a.attnum > 0 AND NOT a.attisdropped
          AND a.attname NOT IN ('source_key', 'obs_key', 'observed_at', 'failed', 'failed_checks', 'job')
        ORDER BY (known -> a.attname::text ->> 'position')::integer NULLS LAST, a.attname COLLATE "C"
    LOOP
        pos := pos + 1;
        own := fp_attach.dimensions -> seen.name;
        IF own IS NOT NULL AND jsonb_typeof(own) <> 'object' THEN
            RAISE invalid_parameter_value USING
                MESSAGE = format('dimensions: the settings of %s must be a JSON object', quote_ident(seen.name)),
                HINT = 'For example: {"kind": "ordinal", "title": "segment"}';
        END IF;
        SELECT k INTO what FROM jsonb_object_keys(own) k
        WHERE k <> ALL ('{kind,title,prefix,label_table,label_key,label_column,choosable}') LIMIT 1;
        IF FOUND THEN
            RAISE invalid_parameter_value USING
                MESSAGE = format('dimensions: %s has the unknown setting "%s"', quote_ident(seen.name), fp_clipped(what)),
                HINT = 'Known are kind, title, prefix, label_table, label_key, label_column and choosable.';
        END IF;
        IF seen.name <> ALL ('{segment_position}') OR seen.typcategory = 'N' THEN
            own := coalesce(known -> seen.name, '{}') || coalesce(own, '{}');
        END IF;
        IF seen.type IN ('json'::regtype, 'jsonb'::regtype) OR seen.typcategory = 'C' THEN
            RAISE datatype_mismatch USING
                MESSAGE = format('dimension %s cannot be of type %s', quote_ident(seen.name), seen.type),
                HINT = 'Give the view a column for each value in it, and for several values at once an array, as ARRAY(SELECT jsonb_array_elements_text(x)).';
        END IF;
        own := jsonb_build_object('kind', CASE seen.typcategory WHEN 'A' THEN 'set' ELSE 'nominal' END)
            || coalesce(own, '{}');
        IF own ->> 'kind' NOT IN ('nominal', 'set', 'ordinal') THEN
            RAISE invalid_parameter_value USING
                MESSAGE = format('dimensions: the kind of %s must be nominal, set or ordinal, not "%s"',
                                 quote_ident(seen.name), fp_clipped(own ->> 'kind'));
        END IF;
        IF (own ->> 'kind' = 'set') <> (seen.typcategory = 'A')
           OR (own ->> 'kind' = 'ordinal' AND seen.typcategory <> 'N') THEN
            RAISE datatype_mismatch USING
                MESSAGE = format('dimension %s cannot be of kind "%s": its column is of another type',
                                 quote_ident(seen.name), own ->> 'kind'),
                DETAIL = 'A set is an array column, and an ordinal dimension a numeric one.';
        END IF;
        IF own ->> 'label_table' IS NOT NULL AND to_regclass(own ->> 'label_table') IS NULL THEN
            RAISE undefined_table USING
                MESSAGE = format('dimensions: there is no table "%s", the label_table of %s',
                                 fp_clipped(own ->> 'label_table'), quote_ident(seen.name)),
                HINT = 'Name its schema, as in {"label_table": "public.workflows"}.';
        END IF;
        INSERT INTO fp_dimensions (source, name, kind, position, title, key_prefix,
                                   label_table, label_key, label_column, choosable)
        VALUES (fp_attach.source, seen.name, own ->> 'kind', pos,
                -- "Wood elm fails at hour 6+": an ordinal one stands within a sentence
                coalesce(own ->> 'title',
                         CASE own ->> 'kind' WHEN 'ordinal' THEN left(seen.name, 1) ELSE upper(left(seen.name, 1)) END
                         || replace(substr(seen.name, 2), '_', ' ')),
                own ->> 'prefix',
                (own ->> 'label_table')::regclass,
                CASE WHEN own ? 'label_table' THEN coalesce(own ->> 'label_key', 'id') END,
                CASE WHEN own ? 'label_table' THEN coalesce(own ->> 'label_column', 'name') END,
                coalesce((own ->> 'choosable')::boolean, false));
        found_dims := found_dims + 1;
    END LOOP;
    SELECT k INTO what FROM jsonb_object_keys(fp_attach.dimensions) k
    WHERE NOT EXISTS (SELECT FROM fp_dimensions d WHERE d.source = fp_attach.source AND d.name = k) LIMIT 1;
    IF FOUND THEN
        RAISE invalid_parameter_value USING
            MESSAGE = format('dimensions: %s has no column "%s"', fp_attach.observations, fp_clipped(what));
    END IF;
    IF found_dims = 0 OR found_dims > 64 THEN
        RAISE invalid_parameter_value USING
            MESSAGE = format('%s must have 1 to 64 dimensions, not %s', fp_attach.observations, found_dims),
            HINT = 'Every column but source_key, obs_key, observed_at, failed, failed_checks and job is a dimension.';
    END IF;

    -- The triggers. No DELETE loses an observation, but one that leaves some
    -- rows of a key changes its outcome; a TRUNCATE leaves none.
    FOR tab IN SELECT key AS name, value AS key_column FROM jsonb_each_text(fp_attach.triggers) LOOP
        target := to_regclass(tab.name);
        IF target IS NULL THEN
            -- unqualified names are looked for beside the view, then in public
            SELECT c.oid INTO target
            FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
            WHERE quote_ident(c.relname) = tab.name AND c.relkind IN ('r', 'p')
              AND (n.nspname = 'public'
                   OR n.oid = (SELECT v.relnamespace FROM pg_class v WHERE v.oid = fp_attach.observations))
            ORDER BY n.nspname = 'public' LIMIT 1;
        END IF;
        IF target IS NULL THEN
            RAISE undefined_table USING
                MESSAGE = format('triggers: there is no table "%s"', fp_clipped(tab.name)),
                HINT = 'Write the name as it is quoted in SQL, with its schema.';
        END IF;
        IF EXISTS (SELECT FROM pg_class c WHERE c.oid = target AND c.relkind NOT IN ('r', 'p')) THEN
            RAISE wrong_object_type USING
                MESSAGE = format('triggers: %s is no table of this database that could have them', target),
                HINT = 'With capture => ''poll'' the view is read at intervals instead, and needs no triggers.';
        END IF;
        IF NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = target AND a.attname = tab.key_column
                       AND a.attnum > 0 AND NOT a.attisdropped) THEN
            RAISE undefined_column USING
                MESSAGE = format('triggers: %s has no column "%s"', target, fp_clipped(tab.key_column));
        END IF;
        IF NOT EXISTS (SELECT FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
                       WHERE i.indrelid = target AND a.attname = tab.key_column AND i.indisvalid AND i.indpred IS NULL) THEN
            RAISE WARNING '% has no index that begins with %', target, quote_ident(tab.key_column)
                USING DETAIL = 'Whatever is written there is read again by that column.',
                      HINT = format('CREATE INDEX ON %s (%I);', target, tab.key_column);
        END IF;
        FOREACH event IN ARRAY '{INSERT,UPDATE,DELETE}'::text[] LOOP
            EXECUTE format('CREATE TRIGGER %I AFTER %s ON %s REFERENCING %s FOR EACH STATEMENT '
                           'EXECUTE FUNCTION %I.fp_capture(%L, %L)',
                           'failpat_' || lower(event) || '_' || left(md5(fp_attach.source), 8),
                           event, target,
                           CASE event WHEN 'INSERT' THEN 'NEW TABLE AS failpat_new'
                                      WHEN 'DELETE' THEN 'OLD TABLE AS failpat_old'
                                      ELSE 'OLD TABLE AS failpat_old NEW TABLE AS failpat_new' END,
                           home, fp_attach.source, tab.key_column);
        END LOOP;
        UPDATE fp_sources s SET triggers = s.triggers || jsonb_build_object(
            (SELECT format('%I.%I', n.nspname, c.relname)
             FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = target),
            tab.key_column)
        WHERE s.source = fp_attach.source;
    END LOOP;

    -- History. The triggers' locks keep writers out until this commits, so
    -- only what is loaded in a moment is loaded here.
    IF fp_attach.history = 'now'
       OR (fp_attach.history = 'auto' AND fp_source_size(fp_attach.source, 10001) <= 10000) THEN
        WHILE fp_backfill_step(fp_attach.source, false) > 0 LOOP
        END LOOP;
        -- What was committed while this waited for the tables' locks is not in
        -- the snapshot of such a transaction.
        IF fp_attach.triggers <> '{}' AND current_setting('transaction_isolation') IN ('repeatable read', 'serializable') THEN
            UPDATE fp_source_state t
            SET backfill_key = NULL, backfill_count = 0, backfill_done = false, backfill_rows = 0, backfill_size = NULL
            WHERE t.source = fp_attach.source;
            RAISE NOTICE 'source % is attached; what others wrote since this transaction began may not be loaded', quote_ident(fp_attach.source)
                USING HINT = format('CALL %I.fp_backfill(%L) after the commit loads it; READ COMMITTED needs no such call.',
                                    home, fp_attach.source);
        ELSE
            RAISE NOTICE 'source % is attached; % of its keys are loaded', quote_ident(fp_attach.source),
                (SELECT t.backfill_count FROM fp_source_state t WHERE t.source = fp_attach.source)
                USING HINT = fp_next_step(fp_attach.source);
        END IF;
    ELSIF fp_attach.history = 'auto' THEN
        RAISE NOTICE 'source % is attached; its history is not loaded yet', quote_ident(fp_attach.source)
            USING HINT = format('CALL %I.fp_backfill(%L) loads it while writers write; it can be cancelled and called again.',
                                home, fp_attach.source);
    END IF;
    IF fp_attach.capture = 'poll' THEN
        RAISE NOTICE 'source % is polled: nothing is read by itself', quote_ident(fp_attach.source)
            USING HINT = format('Have a scheduler CALL %I.fp_refresh(%L) every minute, say: it reads what is new, and refreshes.',
                                home, fp_attach.source);
    END IF;
END
$fn$;
COMMENT ON FUNCTION fp_attach(text, regclass, jsonb, jsonb, text, interval, text, interval, text, text, interval) IS
    'registers a source view, creates the capture triggers on its tables (or has it polled), and loads a short history';
REVOKE ALL ON FUNCTION fp_attach(text, regclass, jsonb, jsonb, text, interval, text, interval, text, text, interval) FROM PUBLIC;

CREATE FUNCTION fp_backfill_step(source text, take_locks boolean DEFAULT true)
    RETURNS integer
    LANGUAGE plpgsql
    SET search_path FROM CURRENT
AS $fn$
#variable_conflict use_column
DECLARE
    after text;
    keys text[];
    size bigint;
    loaded bigint;
BEGIN
    SELECT t.backfill_key, t.backfill_size INTO after, size
    FROM fp_sources s JOIN fp_source_state t ON t.source = s.source
    WHERE s.source = fp_backfill_step.source AND s.observations IS NOT NULL
    FOR UPDATE OF t;
    IF NOT FOUND THEN
        RAISE undefined_object USING
            MESSAGE = format('there is no attached source %s', coalesce(quote_ident(fp_clipped(fp_backfill_step.source)), 'NULL'));
    END IF;
    keys := fp_source_keys(fp_backfill_step.source, after,
                           least(250, current_setting('failpat.max_key_locks')::integer));
    IF keys = '{}' THEN
        UPDATE fp_source_state t SET backfill_done = true WHERE t.source = fp_backfill_step.source;
        RETURN 0;
    END IF;
    IF size IS NULL THEN
        size := fp_source_size(fp_backfill_step.source, 2147483647);
    END IF;
    -- what another transaction is writing is left for the next refresh
    WITH got AS MATERIALIZED (
        SELECT c.shown, c.busy FROM fp_capture_keys(fp_backfill_step.source, keys, coalesce(fp_backfill_step.take_locks, true)) c
    ), busy AS (
        INSERT INTO fp_pending (source, source_key, reason, at)
        SELECT fp_backfill_step.source, b, 'locked', statement_timestamp() FROM got c, unnest(c.busy) b
    )
    SELECT cardinality(c.shown) INTO loaded FROM got c;
    UPDATE fp_source_state t
    SET backfill_key = keys[cardinality(keys)], backfill_count = t.backfill_count + cardinality(keys),
        backfill_rows = t.backfill_rows + loaded, backfill_size = size
    WHERE t.source = fp_backfill_step.source
    RETURNING t.backfill_rows INTO loaded;
    PERFORM fp_show_progress('loading', loaded, size);
    RETURN cardinality(keys);
END
$fn$;
COMMENT ON FUNCTION fp_backfill_step(text, boolean) IS
    'loads the next few keys of a source''s history; returns their number, 0 at the end';
REVOKE ALL ON FUNCTION fp_backfill_step(text, boolean) FROM PUBLIC;

CREATE PROCEDURE fp_backfill(source text DEFAULT NULL, restart boolean DEFAULT false)
    LANGUAGE c AS 'MODULE_PATHNAME', 'failpat_backfill';
COMMENT ON PROCEDURE fp_backfill(text, boolean) IS
    'loads the history of a source (of all, without one) in small transactions while writers write; cancelled, it goes on where it was; restart reads everything again';
REVOKE ALL ON PROCEDURE fp_backfill(text, boolean) FROM PUBLIC;

CREATE FUNCTION fp_detach(source text, forget boolean DEFAULT false)
    RETURNS void
    LANGUAGE plpgsql
    SET search_path FROM CURRENT
AS $fn$
#variable_conflict use_column
DECLARE
    src fp_sources;
    tab text;
    trg record;
BEGIN
    -- first: who refreshes holds it and then reads the tables
    PERFORM fp_refresh_lock(fp_detach.source, true);
    SELECT * INTO src FROM fp_sources s WHERE s.source = fp_detach.source FOR UPDATE;
    IF NOT FOUND THEN
        RAISE undefined_object USING
            MESSAGE = format('there is no source %s', coalesce(quote_ident(fp_clipped(fp_detach.source)), 'NULL')),
            HINT = coalesce((SELECT format('The sources are %s.', string_agg(s.source, ', ' ORDER BY s.source)) FROM fp_sources s
                             HAVING count(*) > 0), 'fp_attach registers one.');
    END IF;
    FOR trg IN
        SELECT t.tgname, t.tgrelid::regclass AS tab
        FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid
        WHERE p.proname IN ('fp_capture', 'fp_capture_event') AND p.pronamespace = quote_ident(current_schema())::regnamespace
          AND t.tgparentid = 0 AND NOT t.tgisinternal
          -- the arguments are stored with a zero byte after each
          AND position(convert_to(src.source, getdatabaseencoding()::name) || '\x00'::bytea IN t.tgargs) = 1
        ORDER BY t.tgrelid, t.tgname
    LOOP
        EXECUTE format('DROP TRIGGER %I ON %s', trg.tgname, trg.tab);
    END LOOP;
    -- What capture left to a refresh was written before this, and can be read
    -- as long as there is a view.
    IF src.observations IS NOT NULL AND fp_detach.forget IS NOT TRUE
       AND (EXISTS (SELECT FROM fp_pending p WHERE p.source = src.source)
            OR EXISTS (SELECT FROM fp_missed m WHERE m.source = src.source)) THEN
        BEGIN
            PERFORM fp_refresh_begin(src.source);
            WHILE fp_refresh_pending(src.source) > 0 LOOP
            END LOOP;
        EXCEPTION WHEN OTHERS THEN
            RAISE WARNING 'source % is detached, but keys that waited could not be read: %', quote_ident(src.source), fp_told(SQLERRM)
                USING HINT = 'They stay in fp_pending and are read once it is attached again.';
        END;
    END IF;
    UPDATE fp_sources s SET observations = NULL, own_view = false, triggers = '{}'
    WHERE s.source = src.source;
    IF src.own_view AND EXISTS (SELECT FROM pg_class c WHERE c.oid = src.observations) THEN
        EXECUTE format('DROP VIEW %s', src.observations);
    END IF;
    IF fp_detach.forget THEN
        DELETE FROM fp_observations o WHERE o.source = src.source;
        DELETE FROM fp_dirty d WHERE d.source = src.source;
        DELETE FROM fp_pending p WHERE p.source = src.source;
        DELETE FROM fp_pending_batches b WHERE b.source = src.source;
        DELETE FROM fp_missed m WHERE m.source = src.source;
        PERFORM fp_forget(src.source);
        DELETE FROM fp_dimensions d WHERE d.source = src.source;
        DELETE FROM fp_source_state t WHERE t.source = src.source;
        DELETE FROM fp_sources s WHERE s.source = src.source;
    END IF;
END
$fn$;
COMMENT ON FUNCTION fp_detach(text, boolean) IS
    'removes the triggers of a source, and its view if failpat wrote it; keeps what was learnt unless told to forget';
REVOKE ALL ON FUNCTION fp_detach(text, boolean) FROM PUBLIC;

CREATE FUNCTION fp_backfill_restart(source text)
    RETURNS integer
    LANGUAGE plpgsql
    SET search_path FROM CURRENT
AS $fn$
#variable_conflict use_column
BEGIN
    UPDATE fp_source_state t
    SET backfill_key = NULL, backfill_count = 0, backfill_done = false, backfill_rows = 0, backfill_size = NULL
    WHERE t.source = fp_backfill_restart.source;
    -- what was missed without a trace is among what is read now
    DELETE FROM fp_missed m WHERE m.source = fp_backfill_restart.source AND m.source_keys IS NULL;
    RETURN 0;
END
$fn$;
COMMENT ON FUNCTION fp_backfill_restart(text) IS 'makes the next fp_backfill read everything again';
REVOKE ALL ON FUNCTION fp_backfill_restart(text) FROM PUBLIC;

CREATE FUNCTION fp_recall_missed(source text)
    RETURNS void
    LANGUAGE sql
BEGIN ATOMIC
    WITH m AS (DELETE FROM fp_missed m WHERE m.source = fp_recall_missed.source AND m.source_keys IS NOT NULL
               RETURNING m.source, m.source_keys, m.error, m.at)
    INSERT INTO fp_pending (source, source_key, reason, error, at)
    SELECT m.source, k, 'error', m.error, m.at FROM m, unnest(m.source_keys) k;
END;
COMMENT ON FUNCTION fp_recall_missed(text) IS
    'moves the keys in fp_missed to fp_pending, where a refresh reads them';
REVOKE ALL ON FUNCTION fp_recall_missed(text) FROM PUBLIC;
