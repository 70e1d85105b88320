-- Refresh: dirty buckets to cubes to patterns.

CREATE TABLE fp_cubes (
    source text COLLATE "C" NOT NULL,
    bucket timestamptz NOT NULL,
    cube failure_cube NOT NULL,
    observations bigint NOT NULL,
    refreshed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    rows bytea,
    failures bigint,
    PRIMARY KEY (source, bucket)
);
-- not compressed, so that a search reads parts of it
ALTER TABLE fp_cubes ALTER COLUMN rows SET STORAGE EXTERNAL;
COMMENT ON TABLE fp_cubes IS 'the observations of each time bucket, counted';
COMMENT ON COLUMN fp_cubes.source IS 'name of the source';
COMMENT ON COLUMN fp_cubes.bucket IS 'start of the bucket';
COMMENT ON COLUMN fp_cubes.cube IS 'trials and failures for each combination of values';
COMMENT ON COLUMN fp_cubes.observations IS 'how many observations it counts';
COMMENT ON COLUMN fp_cubes.refreshed_at IS 'when it was counted';
COMMENT ON COLUMN fp_cubes.failures IS 'how many of them failed; NULL: not counted, so fp_status counts the observations';
COMMENT ON COLUMN fp_cubes.rows IS 'where in time the observations of each value are, for fp_drilldown; NULL: it reads them all';

CREATE FUNCTION fp_bucket_cube_accum(state failure_cube, failed boolean, dims jsonb, ordinal text[], strata text[], checks text[], job text)
    RETURNS failure_cube
    LANGUAGE c STABLE PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'failpat_bucket_cube_accum';
COMMENT ON FUNCTION fp_bucket_cube_accum(failure_cube, boolean, jsonb, text[], text[], text[], text) IS 'transition of fp_bucket_cube';

CREATE AGGREGATE fp_bucket_cube(failed boolean, dims jsonb, ordinal text[], strata text[], checks text[], job text) (
    SFUNC = fp_bucket_cube_accum, STYPE = failure_cube, SSPACE = 16384,
    COMBINEFUNC = failure_cube_combine, FINALFUNC = failure_cube_final,
    FINALFUNC_MODIFY = READ_ONLY, PARALLEL = SAFE
);
COMMENT ON AGGREGATE fp_bucket_cube(boolean, jsonb, text[], text[], text[], text) IS
    'failure_cube of dims with a stratum job more, where that is not NULL';

CREATE FUNCTION fp_row_index_accum(internal, observed_at timestamptz, failed boolean, failed_checks text[], dims jsonb, ordinal text[])
    RETURNS internal
    LANGUAGE c IMMUTABLE PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'failpat_row_index_accum';
COMMENT ON FUNCTION fp_row_index_accum(internal, timestamptz, boolean, text[], jsonb, text[]) IS 'transition of fp_row_index';

CREATE FUNCTION fp_row_index_final(internal)
    RETURNS bytea
    LANGUAGE c IMMUTABLE PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'failpat_row_index_final';
COMMENT ON FUNCTION fp_row_index_final(internal) IS 'result of fp_row_index';

-- Its state is no SQL type: it is made of one bucket, where that is.
CREATE AGGREGATE fp_row_index(observed_at timestamptz, failed boolean, failed_checks text[], dims jsonb, ordinal text[]) (
    SFUNC = fp_row_index_accum,
    STYPE = internal,
    FINALFUNC = fp_row_index_final,
    FINALFUNC_MODIFY = READ_ONLY, PARALLEL = SAFE
);
COMMENT ON AGGREGATE fp_row_index(timestamptz, boolean, text[], jsonb, text[]) IS
    'where in time the observations of each value are, as fp_cubes.rows has it; NULL where that would not fit into failpat.memory_limit';

CREATE FUNCTION fp_rows_find(rows bytea, keys text[], dims text[], mins double precision[], maxs double precision[],
                             until timestamptz, wanted integer)
    RETURNS timestamptz[]
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'failpat_rows_find';
COMMENT ON FUNCTION fp_rows_find(bytea, text[], text[], double precision[], double precision[], timestamptz, integer) IS
    'times of the newest observations that have these keys (see src/cube/rowindex.h) and lie in these ranges, newest first; NULL where the index cannot tell';

CREATE TABLE failure_patterns (
    id bigserial PRIMARY KEY,
    source text COLLATE "C" NOT NULL DEFAULT 'segments',
    pattern_key text NOT NULL,
    description text,
    conditions jsonb,
    dimension_workflow_id bigint,
    dimension_model_id bigint,
    dimension_lora_id bigint,
    dimension_character_id bigint,
    dimension_avatar_id bigint,
    dimension_scene_type_id bigint,
    dimension_segment_position text,
    failure_count integer NOT NULL DEFAULT 0,
    total_count integer NOT NULL DEFAULT 0,
    failure_rate double precision NOT NULL DEFAULT 0,
    rate_lower double precision,
    rate_upper double precision,
    baseline_rate double precision,
    risk_ratio double precision,
    rr_lower double precision,
    rr_upper double precision,
    p_value double precision,
    q_value double precision,
    excess_per_week double precision,
    excess_per_week_lower double precision,
    severity text NOT NULL DEFAULT 'low',
    status text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'resolved', 'inactive')),
    first_detected_at timestamptz NOT NULL DEFAULT now(),
    e_value double precision,
    confirmed_at timestamptz,
    last_occurrence timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    caveat text,
    CONSTRAINT failure_patterns_key UNIQUE (pattern_key)
);
CREATE INDEX failure_patterns_source ON failure_patterns (source, status);
CREATE INDEX failure_patterns_workflow ON failure_patterns (dimension_workflow_id);
CREATE INDEX failure_patterns_severity ON failure_patterns (severity);
COMMENT ON TABLE failure_patterns IS
    'combinations of conditions that fail significantly more often; an id stays with its pattern for life';
COMMENT ON SEQUENCE failure_patterns_id_seq IS 'ids of failure_patterns';
COMMENT ON COLUMN failure_patterns.id IS 'identity, kept also while a range moves';
COMMENT ON COLUMN failure_patterns.source IS 'name of the source';
COMMENT ON COLUMN failure_patterns.pattern_key IS
    'the conditions in short, as w:5:l:3:c:12:st:7:sp:6+; with the source before it, and a slash, where that is not segments';
COMMENT ON COLUMN failure_patterns.description IS 'the conditions in words';
COMMENT ON COLUMN failure_patterns.conditions IS 'the conditions; NULL for a row that failpat did not find itself';
COMMENT ON COLUMN failure_patterns.dimension_workflow_id IS 'workflow, where it is a condition';
COMMENT ON COLUMN failure_patterns.dimension_model_id IS 'model, where it is a condition';
COMMENT ON COLUMN failure_patterns.dimension_lora_id IS 'LoRA, where one is a condition (of a pair, see conditions)';
COMMENT ON COLUMN failure_patterns.dimension_character_id IS 'character, where it is a condition';
COMMENT ON COLUMN failure_patterns.dimension_avatar_id IS 'the same as dimension_character_id, always';
COMMENT ON COLUMN failure_patterns.dimension_scene_type_id IS 'scene type, where it is a condition';
COMMENT ON COLUMN failure_patterns.dimension_segment_position IS 'range of positions, as 6+ or 1-3, where it is a condition';
COMMENT ON COLUMN failure_patterns.failure_count IS 'failures in the window';
COMMENT ON COLUMN failure_patterns.total_count IS 'observations in the window';
COMMENT ON COLUMN failure_patterns.failure_rate IS 'failure_count / total_count';
COMMENT ON COLUMN failure_patterns.rate_lower IS 'lower bound of the rate';
COMMENT ON COLUMN failure_patterns.rate_upper IS 'upper bound of the rate';
COMMENT ON COLUMN failure_patterns.baseline_rate IS 'rate of all observations of the window';
COMMENT ON COLUMN failure_patterns.risk_ratio IS 'rate against that of all others';
COMMENT ON COLUMN failure_patterns.rr_lower IS 'lower bound of the risk ratio';
COMMENT ON COLUMN failure_patterns.rr_upper IS 'upper bound of the risk ratio';
COMMENT ON COLUMN failure_patterns.p_value IS
    'how likely chance alone does this: the largest p of all tests that it had to pass (fp_explain shows each)';
COMMENT ON COLUMN failure_patterns.q_value IS 'the same, given how many combinations were looked at';
COMMENT ON COLUMN failure_patterns.excess_per_week IS
    'failures beyond those at the rate of all others, by the weeks from the first to the last bucket of the window; NULL where its data have gone';
COMMENT ON COLUMN failure_patterns.excess_per_week_lower IS 'the same at the lower bound of its rate, at least 0';
COMMENT ON COLUMN failure_patterns.severity IS 'high, medium or low';
COMMENT ON COLUMN failure_patterns.status IS
    'active; resolved: no longer elevated; inactive: its data have gone, or another pattern says it better';
COMMENT ON COLUMN failure_patterns.first_detected_at IS 'when it was first found';
COMMENT ON COLUMN failure_patterns.e_value IS 'evidence in the buckets since it was first found; may be looked at any time';
COMMENT ON COLUMN failure_patterns.confirmed_at IS 'when that evidence sufficed; NULL while a candidate';
COMMENT ON COLUMN failure_patterns.last_occurrence IS 'newest failure that it matches';
COMMENT ON COLUMN failure_patterns.created_at IS 'when the row was made';
COMMENT ON COLUMN failure_patterns.updated_at IS 'when the row last changed';
COMMENT ON COLUMN failure_patterns.caveat IS
    'what went with it so much that it may be the cause as well, in words; NULL where there is no such thing';

CREATE TABLE pattern_fixes (
    id bigserial PRIMARY KEY,
    pattern_id bigint NOT NULL,
    fix_description text NOT NULL,
    fix_parameters jsonb,
    effectiveness text,
    reported_by_id bigint NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX pattern_fixes_pattern ON pattern_fixes (pattern_id);
COMMENT ON TABLE pattern_fixes IS 'what was done about a pattern';
COMMENT ON SEQUENCE pattern_fixes_id_seq IS 'ids of pattern_fixes';
COMMENT ON COLUMN pattern_fixes.id IS 'identity';
COMMENT ON COLUMN pattern_fixes.pattern_id IS 'the pattern';
COMMENT ON COLUMN pattern_fixes.fix_description IS 'what was done';
COMMENT ON COLUMN pattern_fixes.fix_parameters IS 'with which parameters';
COMMENT ON COLUMN pattern_fixes.effectiveness IS 'as reported: resolved, improved or no_effect';
COMMENT ON COLUMN pattern_fixes.reported_by_id IS 'the application''s user who reported it';
COMMENT ON COLUMN pattern_fixes.created_at IS 'when it was reported';
COMMENT ON COLUMN pattern_fixes.updated_at IS 'when the row last changed';

SELECT pg_catalog.pg_extension_config_dump('fp_cubes', '');
SELECT pg_catalog.pg_extension_config_dump('failure_patterns', '');
SELECT pg_catalog.pg_extension_config_dump('failure_patterns_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('pattern_fixes', '');
SELECT pg_catalog.pg_extension_config_dump('pattern_fixes_id_seq', '');
GRANT SELECT ON failure_patterns, pattern_fixes TO PUBLIC;

CREATE FUNCTION fp_pattern_written() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path FROM CURRENT
AS $fn$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        IF NEW.dimension_avatar_id IS DISTINCT FROM OLD.dimension_avatar_id
           AND NEW.dimension_character_id IS NOT DISTINCT FROM OLD.dimension_character_id THEN
            NEW.dimension_character_id := NEW.dimension_avatar_id;
        ELSE
            NEW.dimension_avatar_id := NEW.dimension_character_id;
        END IF;
        NEW.updated_at := now();
    ELSE
        NEW.dimension_character_id := coalesce(NEW.dimension_character_id, NEW.dimension_avatar_id);
        NEW.dimension_avatar_id := NEW.dimension_character_id;
    END IF;
    RETURN NEW;
END
$fn$;
COMMENT ON FUNCTION fp_pattern_written() IS
    'keeps dimension_avatar_id and dimension_character_id equal, and updated_at current';
CREATE TRIGGER fp_pattern_written BEFORE INSERT OR UPDATE ON failure_patterns
    FOR EACH ROW EXECUTE FUNCTION fp_pattern_written();

CREATE FUNCTION fp_fix_written() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path FROM CURRENT
AS $fn$
BEGIN
    NEW.updated_at := now();
    RETURN NEW;
END
$fn$;
COMMENT ON FUNCTION fp_fix_written() IS 'keeps updated_at current';
CREATE TRIGGER fp_fix_written BEFORE UPDATE ON pattern_fixes
    FOR EACH ROW EXECUTE FUNCTION fp_fix_written();

CREATE FUNCTION fp_refresh_lock(source text, wait boolean)
    RETURNS boolean
    LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'failpat_refresh_lock';
COMMENT ON FUNCTION fp_refresh_lock(text, boolean) IS
    'takes the lock of a source''s refresh to the end of the transaction; false where another session has it';
REVOKE ALL ON FUNCTION fp_refresh_lock(text, boolean) FROM PUBLIC;

-- The head of a step. Not in its DECLARE: what is raised here is an error of
-- the step like any other.
CREATE FUNCTION fp_refresh_source(source text)
    RETURNS fp_sources
    LANGUAGE plpgsql
    SET search_path FROM CURRENT
AS $fn$
#variable_conflict use_column
DECLARE
    src fp_sources;
BEGIN
    PERFORM fp_refresh_lock(fp_refresh_source.source, true);
    SELECT * INTO src FROM fp_sources s WHERE s.source = fp_refresh_source.source;
    RETURN src;
END
$fn$;
COMMENT ON FUNCTION fp_refresh_source(text) IS
    'waits for the lock of a source''s refresh, and then reads the source';
REVOKE ALL ON FUNCTION fp_refresh_source(text) FROM PUBLIC;

-- How to speak of conditions: prefixes, titles, names of the values in them.
CREATE FUNCTION fp_condition_words(source text, conditions jsonb)
    RETURNS jsonb
    LANGUAGE plpgsql STABLE
    SET search_path FROM CURRENT
AS $fn$
#variable_conflict use_column
DECLARE
    d fp_dimensions;
    labels jsonb;
    words jsonb := '{}';
BEGIN
    FOR d IN SELECT * FROM fp_dimensions x
             WHERE x.source = fp_condition_words.source AND fp_condition_words.conditions ? x.name LOOP
        labels := NULL;
        IF d.label_table IS NOT NULL THEN
            SELECT jsonb_object_agg(l.value, l.label) INTO labels
            FROM fp_labels(fp_condition_words.source, d.name, CASE jsonb_typeof(conditions -> d.name)
                WHEN 'array' THEN ARRAY(SELECT DISTINCT jsonb_array_elements_text(conditions -> d.name))
                WHEN 'object' THEN '{}' ELSE ARRAY[conditions ->> d.name] END) l;
        END IF;
        words := words || jsonb_build_object(d.name, jsonb_strip_nulls(jsonb_build_object(
            'key', d.key_prefix, 'title', d.title, 'labels', labels)));
    END LOOP;
    RETURN words;
END
$fn$;
COMMENT ON FUNCTION fp_condition_words(text, jsonb) IS
    'key prefixes, titles and names of values for the conditions of a pattern of a source';

CREATE FUNCTION fp_pattern_identity(conditions jsonb)
    RETURNS jsonb
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT coalesce(jsonb_object_agg(c.key, CASE jsonb_typeof(c.value) WHEN 'object' THEN 'true'::jsonb ELSE c.value END), '{}')
    FROM jsonb_each(conditions) AS c (key, value);
END;
COMMENT ON FUNCTION fp_pattern_identity(jsonb) IS
    'what of its conditions makes a pattern the same pattern: all but the bounds of ranges';

CREATE FUNCTION fp_rebuild(source text)
    RETURNS bigint
    LANGUAGE plpgsql
    SET search_path FROM CURRENT
AS $fn$
#variable_conflict use_column
DECLARE
    marked bigint;
    late timestamptz;
BEGIN
    PERFORM fp_refresh_lock(fp_rebuild.source, true);
    late := clock_timestamp();
    -- where this server's own clock has been ahead: what it dated so is of now
    UPDATE fp_observations o SET observed_at = late WHERE o.source = fp_rebuild.source AND o.observed_at > late;
    UPDATE fp_source_state t
    SET watermark = CASE WHEN t.watermark > late THEN late ELSE t.watermark END,
        counted_through = CASE WHEN t.counted_through > late THEN late ELSE t.counted_through END
    WHERE t.source = fp_rebuild.source;
    UPDATE fp_evidence e
    SET promoted_through = CASE WHEN e.promoted_through > late THEN late ELSE e.promoted_through END,
        next_after = CASE WHEN e.next_after > late THEN late ELSE e.next_after END,
        resolved_through = CASE WHEN e.resolved_through > late THEN late ELSE e.resolved_through END
    FROM failure_patterns f
    WHERE f.id = e.pattern_id AND f.source = fp_rebuild.source
      AND greatest(e.promoted_through, e.next_after, e.resolved_through) > late;
    DELETE FROM fp_spans x WHERE x.source = fp_rebuild.source;
    DELETE FROM fp_cubes c WHERE c.source = fp_rebuild.source;
    DELETE FROM fp_pattern_buckets l USING failure_patterns f
    WHERE l.pattern_id = f.id AND f.source = fp_rebuild.source;
    INSERT INTO fp_dirty (source, bucket, at)
    SELECT DISTINCT s.source, fp_bucket(o.observed_at, s.bucket, s.bucket_zone), statement_timestamp()
    FROM fp_sources s JOIN fp_observations o ON o.source = s.source
    WHERE s.source = fp_rebuild.source;
    GET DIAGNOSTICS marked = ROW_COUNT;
    IF marked > 0 AND EXISTS (SELECT FROM fp_sources s WHERE s.source = fp_rebuild.source AND s.refresh = 'async') THEN
        PERFORM fp_ask_worker(fp_rebuild.source);
    END IF;
    RETURN marked;
END
$fn$;
COMMENT ON FUNCTION fp_rebuild(text) IS
    'throws the cubes of a source away and has the next refresh count all its observations again; needed after its bucket or dimensions changed, or where this server''s clock has been ahead: what it dated ahead of now is of now then';
REVOKE ALL ON FUNCTION fp_rebuild(text) FROM PUBLIC;

CREATE FUNCTION fp_forget(source text)
    RETURNS void
    LANGUAGE plpgsql
    SET search_path FROM CURRENT
AS $fn$
#variable_conflict use_column
BEGIN
    DELETE FROM fp_spans x WHERE x.source = fp_forget.source;
    DELETE FROM fp_cubes c WHERE c.source = fp_forget.source;
    DELETE FROM failure_patterns f WHERE f.source = fp_forget.source;
    DELETE FROM fp_models m WHERE m.source = fp_forget.source;
    DELETE FROM fp_model_terms t WHERE t.source = fp_forget.source;
    DELETE FROM fp_events e WHERE e.source = fp_forget.source;
    DELETE FROM fp_told_changes t WHERE t.source = fp_forget.source;
END
$fn$;
COMMENT ON FUNCTION fp_forget(text) IS 'removes cubes, patterns and events of a source';
REVOKE ALL ON FUNCTION fp_forget(text) FROM PUBLIC;

-- The steps of a refresh. Each takes the lock, does its part right whatever
-- was done before, and can be the last one.

CREATE FUNCTION fp_refresh_begin(source text)
    RETURNS bigint
    LANGUAGE plpgsql
    SET search_path FROM CURRENT
AS $fn$
#variable_conflict use_column
BEGIN
    PERFORM fp_refresh_lock(fp_refresh_begin.source, true);
    IF NOT EXISTS (SELECT FROM fp_sources s WHERE s.source = fp_refresh_begin.source) THEN
        RAISE undefined_object USING
            MESSAGE = format('there is no source %s', quote_ident(fp_clipped(fp_refresh_begin.source))),
            HINT = coalesce((SELECT format('The sources are %s.', string_agg(s.source, ', ' ORDER BY s.source)) FROM fp_sources s
                             HAVING count(*) > 0), 'fp_attach registers one.');
    END IF;
    INSERT INTO fp_source_state AS t (source, refresh_started_at)
    VALUES (fp_refresh_begin.source, clock_timestamp())
    ON CONFLICT (source) DO UPDATE SET refresh_started_at = clock_timestamp(), pending_listed = false, refresh_bucket = NULL,
        refresh_step = NULL, refresh_done = NULL, refresh_whole = NULL, error = NULL, error_at = NULL;
    RETURN (SELECT count(*) FROM fp_sources s
            WHERE s.source = fp_refresh_begin.source AND s.capture = 'poll' AND s.observations IS NOT NULL);
END
$fn$;
COMMENT ON FUNCTION fp_refresh_begin(text) IS 'step of a refresh: notes that it begins; 1 where it begins with a poll';
REVOKE ALL ON FUNCTION fp_refresh_begin(text) FROM PUBLIC;

CREATE FUNCTION fp_refresh_error(source text, error text)
    RETURNS void
    LANGUAGE plpgsql
    SET search_path FROM CURRENT
AS $fn$
#variable_conflict use_column
BEGIN
    fp_refresh_error.error := fp_told(fp_refresh_error.error);
    UPDATE fp_source_state t SET error = fp_refresh_error.error, error_at = clock_timestamp()
    WHERE t.source = fp_refresh_error.source AND t.error IS DISTINCT FROM fp_refresh_error.error;
    IF NOT FOUND THEN
        RETURN; -- each of many keys may say the same: once is enough for a refresh
    END IF;
    RAISE WARNING 'failpat could not refresh source %: %', quote_ident(fp_refresh_error.source), fp_refresh_error.error;
END
$fn$;
COMMENT ON FUNCTION fp_refresh_error(text, text) IS 'notes and warns of an error of a refresh';
REVOKE ALL ON FUNCTION fp_refresh_error(text, text) FROM PUBLIC;

-- The keys that a refresh reads again, in the order and the numbers in which it
-- does. Made anew by each refresh, so it need not outlive a crash. Rows may have
-- moved or gone since: who takes a batch looks at them again.
CREATE UNLOGGED TABLE fp_pending_batches (
    source text COLLATE "C" NOT NULL,
    batch bigint NOT NULL,
    source_keys text[] NOT NULL,
    rows tid[] NOT NULL,
    PRIMARY KEY (source, batch)
);
COMMENT ON TABLE fp_pending_batches IS 'what the refresh under way has yet to read of fp_pending';
COMMENT ON COLUMN fp_pending_batches.source IS 'name of the source';
COMMENT ON COLUMN fp_pending_batches.batch IS 'its place in the order';
COMMENT ON COLUMN fp_pending_batches.source_keys IS 'some keys, ascending';
COMMENT ON COLUMN fp_pending_batches.rows IS 'where all of their rows were';

-- How far a refresh is, for fp_status: what the next transaction is about to
-- do is told by the one before it, so that others see it meanwhile.
CREATE FUNCTION fp_note_progress(source text, step text, more bigint DEFAULT NULL, rest bigint DEFAULT NULL)
    RETURNS void
    LANGUAGE sql
BEGIN ATOMIC
    UPDATE fp_source_state t
    SET refresh_step = $2,
        refresh_done = CASE WHEN t.refresh_step = $2 THEN coalesce(t.refresh_done, 0) ELSE 0 END + $3,
        refresh_whole = CASE WHEN t.refresh_step = $2 THEN coalesce(t.refresh_done, 0) ELSE 0 END + $3 + $4
    WHERE t.source = $1;
END;
COMMENT ON FUNCTION fp_note_progress(text, text, bigint, bigint) IS
    'notes what a refresh is at, of which so much more is done, and so much is left';
REVOKE ALL ON FUNCTION fp_note_progress(text, text, bigint, bigint) FROM PUBLIC;

CREATE FUNCTION fp_refresh_pending(source text)
    RETURNS bigint
    LANGUAGE plpgsql
    SET search_path FROM CURRENT
AS $fn$
#variable_conflict use_column
DECLARE
    src fp_sources;
    keys text[];
    some_keys text[];
    places tid[];
    rows tid[];
    got record;
    row fp_pending;
    at timestamptz;
    problem text;
    alone boolean := false;
    ntried bigint;
    left_over bigint;
BEGIN
    src := fp_refresh_source(fp_refresh_pending.source);
    IF src.observations IS NULL THEN
        RETURN 0;
    END IF;
    UPDATE fp_source_state t SET pending_listed = true WHERE t.source = src.source AND NOT t.pending_listed;
    IF FOUND THEN
        -- what is there at first: writers who go on do not keep it from its end
        PERFORM fp_recall_missed(src.source);
        DELETE FROM fp_pending_batches b WHERE b.source = src.source;
        INSERT INTO fp_pending_batches (source, batch, source_keys, rows)
        SELECT src.source, p.nth / least(200, current_setting('failpat.max_key_locks')::integer) AS batch,
            array_agg(DISTINCT p.source_key), array_agg(p.ctid)
        FROM (SELECT p.ctid, p.source_key, dense_rank() OVER (ORDER BY p.source_key) - 1 AS nth
              FROM fp_pending p WHERE p.source = src.source) p
        GROUP BY batch;
    END IF;
    DELETE FROM fp_pending_batches b
    WHERE b.source = src.source
      AND b.batch = (SELECT min(x.batch) FROM fp_pending_batches x WHERE x.source = src.source)
    RETURNING b.source_keys, b.rows INTO keys, places;
    IF NOT FOUND THEN
        RETURN 0;
    END IF;
    ntried := cardinality(keys);
    some_keys := keys;
    LOOP
        BEGIN
            -- What is there now is answered by what is read after: a mark that
            -- comes in between stays.
            SELECT array_agg(p.ctid) INTO rows FROM fp_pending p
            WHERE p.ctid = ANY (places) AND p.source = src.source AND p.source_key = ANY (some_keys);
            SELECT c.shown, c.busy INTO got FROM fp_capture_keys(src.source, some_keys) c;
            -- Where the rows have gone: what the last to remove them found is
            -- the outcome; else what was seen of them is all there is.
            FOR row IN SELECT p.* FROM fp_pending p
                       WHERE p.ctid = ANY (rows) AND p.obs_key IS NOT NULL
                         AND p.obs_key <> ALL (got.shown) AND p.source_key <> ALL (got.busy)
                       ORDER BY p.obs_key, p.reason = 'gone', p.at LOOP
                INSERT INTO fp_observations AS o (source, obs_key, source_key, observed_at, failed, failed_checks, job, dims, changed_at)
                VALUES (row.source, row.obs_key, row.source_key, row.observed_at, row.failed, row.failed_checks, row.job, row.dims, statement_timestamp())
                ON CONFLICT (source, obs_key) DO UPDATE SET
                    failed = excluded.failed OR o.failed AND row.reason <> 'gone',
                    failed_checks = CASE WHEN row.reason = 'gone' THEN excluded.failed_checks
                        ELSE ARRAY(SELECT DISTINCT u COLLATE "C" FROM unnest(o.failed_checks || excluded.failed_checks) u ORDER BY 1) END,
                    job = coalesce(o.job, excluded.job), dims = excluded.dims || o.dims, changed_at = excluded.changed_at
                RETURNING o.observed_at INTO at;
                INSERT INTO fp_dirty (source, bucket, at)
                VALUES (src.source, fp_bucket(at, src.bucket, src.bucket_zone), statement_timestamp());
            END LOOP;
            DELETE FROM fp_pending p WHERE p.ctid = ANY (rows) AND p.source_key <> ALL (got.busy);
            UPDATE fp_pending p SET tried_at = clock_timestamp() WHERE p.ctid = ANY (rows) AND p.source_key = ANY (got.busy);
        EXCEPTION WHEN OTHERS THEN
            IF cardinality(some_keys) > 1 THEN
                alone := true; -- one of them: each by itself
                some_keys := '{}';
            ELSE
                problem := fp_told(SQLERRM);
                UPDATE fp_pending p SET tried_at = clock_timestamp(), error = problem
                WHERE p.ctid = ANY (places) AND p.source = src.source AND p.source_key = ANY (some_keys);
            END IF;
        END;
        EXIT WHEN NOT alone OR keys = '{}';
        some_keys := keys[1:1];
        keys := keys[2:];
    END LOOP;
    IF problem IS NOT NULL THEN
        PERFORM fp_refresh_error(src.source, problem);
    END IF;
    SELECT coalesce(sum(cardinality(b.source_keys)), 0) INTO left_over FROM fp_pending_batches b WHERE b.source = src.source;
    PERFORM fp_note_progress(src.source, 'pending', ntried, left_over);
    RETURN 1;
END
$fn$;
COMMENT ON FUNCTION fp_refresh_pending(text) IS
    'step of a refresh: reads keys again that capture could not settle; 0 when none is left';
REVOKE ALL ON FUNCTION fp_refresh_pending(text) FROM PUBLIC;

CREATE FUNCTION fp_refresh_cubes(source text)
    RETURNS bigint
    LANGUAGE plpgsql
    SET search_path FROM CURRENT
AS $fn$
#variable_conflict use_column
DECLARE
    src fp_sources;
    buckets timestamptz[];
    done timestamptz;
    b timestamptz;
    ends timestamptz;
    newest timestamptz;
    ordinals text[];
    counted bigint;
    failed bigint;
    made failure_cube;
    places bytea;
    before bigint;
    ncounted bigint := 0;
    rest bigint;
BEGIN
    src := fp_refresh_source(fp_refresh_cubes.source);
    -- each once: what is written meanwhile is the next refresh's, which its commit brings
    SELECT t.refresh_bucket, CASE t.refresh_step WHEN 'cubes' THEN coalesce(t.refresh_done, 0) ELSE 0 END INTO done, before
    FROM fp_source_state t WHERE t.source = src.source;
    buckets := ARRAY(SELECT DISTINCT d.bucket FROM fp_dirty d
                     WHERE d.source = src.source AND (done IS NULL OR d.bucket > done) ORDER BY 1 LIMIT 16);
    IF buckets = '{}' THEN
        RETURN 0;
    END IF;
    ordinals := ARRAY(SELECT d.name FROM fp_dimensions d WHERE d.source = src.source AND d.kind = 'ordinal' ORDER BY 1);
    -- First the marks, then the observations, each with a snapshot of its own:
    -- what is committed in between is counted, and counted again for its mark.
    WITH gone AS (DELETE FROM fp_dirty d WHERE d.source = src.source AND d.bucket = ANY (buckets) RETURNING d.at)
    SELECT max(at) INTO newest FROM gone;
    UPDATE fp_source_state t SET captured_at = greatest(t.captured_at, newest), refresh_bucket = buckets[cardinality(buckets)]
    WHERE t.source = src.source;
    SELECT count(DISTINCT d.bucket) INTO rest FROM fp_dirty d WHERE d.source = src.source AND d.bucket > buckets[cardinality(buckets)];
    FOREACH b IN ARRAY buckets LOOP
        PERFORM fp_show_progress('counting', before + ncounted, before + cardinality(buckets) + rest);
        ncounted := ncounted + 1;
        ends := fp_bucket_end(b, src.bucket, src.bucket_zone);
        SELECT fp_bucket_cube(o.failed, o.dims, ordinals, CASE WHEN src.cluster THEN '{job}'::text[] ELSE '{}' END,
                              o.failed_checks, CASE WHEN src.cluster THEN o.job END),
               count(*), count(*) FILTER (WHERE o.failed), fp_row_index(o.observed_at, o.failed, o.failed_checks, o.dims, ordinals)
        INTO made, counted, failed, places
        FROM fp_observations o
        WHERE o.source = src.source
          -- its end belongs to the next one, but for one of infinity
          AND o.observed_at BETWEEN b AND ends AND fp_bucket(o.observed_at, src.bucket, src.bucket_zone) = b;
        IF counted = 0 THEN
            DELETE FROM fp_cubes c WHERE c.source = src.source AND c.bucket = b;
            DELETE FROM fp_pattern_buckets l USING failure_patterns f
            WHERE l.pattern_id = f.id AND f.source = src.source AND l.bucket = b;
        ELSE
            INSERT INTO fp_cubes AS c (source, bucket, cube, observations, rows, failures)
            VALUES (src.source, b, made, counted, places, failed)
            ON CONFLICT (source, bucket) DO UPDATE
                SET cube = excluded.cube, observations = excluded.observations, rows = excluded.rows, failures = excluded.failures,
                    refreshed_at = clock_timestamp();
            UPDATE fp_pattern_buckets l SET stale = true FROM failure_patterns f
            WHERE l.pattern_id = f.id AND f.source = src.source AND l.bucket = b;
        END IF;
    END LOOP;
    PERFORM fp_note_progress(src.source, 'cubes', cardinality(buckets), rest);
    RETURN cardinality(buckets);
EXCEPTION WHEN OTHERS THEN
    PERFORM fp_refresh_error(fp_refresh_cubes.source, SQLERRM);
    RETURN 0;
END
$fn$;
COMMENT ON FUNCTION fp_refresh_cubes(text) IS
    'step of a refresh: counts some buckets again that capture marked; 0 when none is left';
REVOKE ALL ON FUNCTION fp_refresh_cubes(text) FROM PUBLIC;

CREATE FUNCTION fp_condition_id(conditions jsonb, name text)
    RETURNS bigint
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT CASE WHEN v ~ '^[0-9]{1,18}$' THEN v::bigint END
    FROM (SELECT CASE jsonb_typeof(conditions -> name)
                     WHEN 'array' THEN CASE jsonb_array_length(conditions -> name) WHEN 1 THEN conditions -> name ->> 0 END
                     WHEN 'object' THEN NULL ELSE conditions ->> name END AS v) AS one;
END;
COMMENT ON FUNCTION fp_condition_id(jsonb, text) IS 'the id that a condition asks for, NULL where it asks for none or for several';

CREATE FUNCTION fp_refresh_now(source text)
    RETURNS boolean
    LANGUAGE plpgsql
    SET search_path FROM CURRENT
AS $fn$
BEGIN
    IF NOT fp_refresh_lock(fp_refresh_now.source, false) THEN
        RETURN false;
    END IF;
    PERFORM fp_refresh_begin(fp_refresh_now.source);
    WHILE fp_refresh_pending(fp_refresh_now.source) > 0 LOOP
    END LOOP;
    WHILE fp_refresh_cubes(fp_refresh_now.source) > 0 LOOP
    END LOOP;
    WHILE fp_refresh_spans(fp_refresh_now.source) > 0 LOOP
    END LOOP;
    WHILE fp_refresh_look(fp_refresh_now.source) > 0 LOOP
    END LOOP;
    PERFORM fp_refresh_patterns(fp_refresh_now.source);
    PERFORM fp_refresh_model(fp_refresh_now.source);
    PERFORM fp_refresh_advice(fp_refresh_now.source);
    PERFORM fp_refresh_changes(fp_refresh_now.source);
    PERFORM fp_note_progress(fp_refresh_now.source, NULL);
    RETURN true;
END
$fn$;
COMMENT ON FUNCTION fp_refresh_now(text) IS
    'refreshes a source within this transaction; false where another session is at it';
REVOKE ALL ON FUNCTION fp_refresh_now(text) FROM PUBLIC;

CREATE PROCEDURE fp_refresh(source text DEFAULT NULL)
    LANGUAGE c AS 'MODULE_PATHNAME', 'failpat_refresh';
COMMENT ON PROCEDURE fp_refresh(text) IS
    'brings cubes and patterns of a source (of all, without one) up to date, in small transactions; waits for another session''s refresh';
REVOKE ALL ON PROCEDURE fp_refresh(text) FROM PUBLIC;

-- Whatever writes an observation marks its bucket, in the same transaction; so
-- what a cube without a mark says is so. Where many buckets are marked, reading
-- everything once is less than reading each of them. Bound to its tables, so
-- that fp_status tells also of one that somebody has renamed.
CREATE FUNCTION fp_count_observations(source text, OUT observations bigint, OUT failures bigint)
    LANGUAGE sql STABLE
BEGIN ATOMIC
    WITH marked AS MATERIALIZED (
        SELECT d.bucket FROM fp_dirty d WHERE d.source = fp_count_observations.source
        UNION SELECT c.bucket FROM fp_cubes c WHERE c.source = fp_count_observations.source AND c.failures IS NULL
    ), choice AS MATERIALIZED (
        SELECT 4 * (SELECT count(*) FROM marked)
            > (SELECT count(*) FROM fp_cubes c WHERE c.source = fp_count_observations.source) AS everything
    )
    SELECT coalesce(sum(parts.n), 0)::bigint, coalesce(sum(parts.f), 0)::bigint
    FROM (SELECT count(*) AS n, count(*) FILTER (WHERE o.failed) AS f
          FROM fp_observations o WHERE o.source = fp_count_observations.source AND (SELECT everything FROM choice)
          UNION ALL
          SELECT c.observations, c.failures FROM fp_cubes c
          WHERE c.source = fp_count_observations.source AND NOT (SELECT everything FROM choice)
            AND c.bucket NOT IN (SELECT m.bucket FROM marked m)
          UNION ALL
          SELECT o.n, o.f
          FROM fp_sources s CROSS JOIN marked m
          CROSS JOIN LATERAL (SELECT count(*) AS n, count(*) FILTER (WHERE x.failed) AS f
                              FROM fp_observations x
                              WHERE x.source = s.source
                                AND x.observed_at BETWEEN m.bucket AND fp_bucket_end(m.bucket, s.bucket, s.bucket_zone)
                                AND fp_bucket(x.observed_at, s.bucket, s.bucket_zone) = m.bucket) o
          WHERE s.source = fp_count_observations.source AND NOT (SELECT everything FROM choice)) parts;
END;
COMMENT ON FUNCTION fp_count_observations(text) IS
    'how many observations a source has, and how many of them failed: by its cubes, and by reading what a refresh has not counted yet';

CREATE FUNCTION fp_status()
    RETURNS TABLE (
        source text, attached boolean, refresh text, observations bigint, failures bigint,
        newest_observation timestamptz, last_capture timestamptz, last_refresh timestamptz, refresh_ms double precision,
        dirty_buckets bigint, pending_keys bigint, backfill_done boolean,
        active_patterns bigint, error text, error_at timestamptz,
        worker text, worker_since timestamptz, worker_due timestamptz, worker_error text, worker_error_at timestamptz,
        step text, step_done double precision,
        capture text, watermark timestamptz, last_poll timestamptz, poll_ms double precision, poll_rows bigint)
    LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT s.source, s.observations IS NOT NULL, s.refresh, o.observations, o.failures, x.newest,
        greatest(t.captured_at, d.newest), t.refreshed_at, t.refresh_ms,
        d.n, p.n, coalesce(t.backfill_done, false),
        (SELECT count(*) FROM failure_patterns f WHERE f.source = s.source AND f.status = 'active'),
        coalesce(t.error, t.poll_error, p.error, m.error), coalesce(t.error_at, t.poll_error_at, p.newest, m.newest),
        CASE s.refresh WHEN 'async' THEN coalesce(w.state, 'idle') END, w.since, w.due, w.error, w.error_at,
        CASE WHEN t.refresh_step IS NULL AND NOT t.backfill_done AND t.backfill_rows > 0 THEN 'backfill' ELSE t.refresh_step END,
        CASE WHEN t.refresh_step IS NOT NULL THEN t.refresh_done::float8 / nullif(t.refresh_whole, 0)
             WHEN NOT t.backfill_done AND t.backfill_rows > 0 THEN least(t.backfill_rows::float8 / nullif(t.backfill_size, 0), 1) END,
        s.capture, t.watermark, t.polled_at, t.poll_ms, t.poll_rows
    FROM fp_sources s
    LEFT JOIN fp_source_state t ON t.source = s.source
    CROSS JOIN LATERAL fp_count_observations(s.source) o
    CROSS JOIN LATERAL (SELECT max(x.observed_at) AS newest FROM fp_observations x WHERE x.source = s.source) x
    CROSS JOIN LATERAL (SELECT count(DISTINCT x.bucket) AS n, max(x.at) AS newest
                        FROM fp_dirty x WHERE x.source = s.source) d
    CROSS JOIN LATERAL (SELECT count(DISTINCT x.source_key) AS n,
                            (array_agg(x.error ORDER BY x.at DESC) FILTER (WHERE x.error IS NOT NULL))[1] AS error,
                            max(x.at) FILTER (WHERE x.error IS NOT NULL) AS newest
                        FROM fp_pending x WHERE x.source = s.source) p
    CROSS JOIN LATERAL (SELECT (array_agg(x.error ORDER BY x.at DESC))[1] AS error, max(x.at) AS newest
                        FROM fp_missed x WHERE x.source = s.source) m
    CROSS JOIN LATERAL fp_worker(s.source) w
    ORDER BY s.source;
END;
COMMENT ON FUNCTION fp_status() IS
    'each source: what was captured, when it was refreshed, what waits, and the last error';
