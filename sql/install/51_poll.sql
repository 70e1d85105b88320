-- Polling: what is new in a source that no trigger captures (capture mode poll).

CREATE FUNCTION fp_poll_read(source text, since timestamptz, work_ms integer,
                             OUT through timestamptz, OUT newest timestamptz, OUT seen bigint, OUT more boolean)
    LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'failpat_poll_read';
COMMENT ON FUNCTION fp_poll_read(text, timestamptz, integer) IS
    'records what a source''s view shows from a time on, in order of observed_at, for about so many milliseconds (0: as few rows as can be); returns how far it came, the newest of the rows that are not ahead of now, how many they were, and whether there are more';
REVOKE ALL ON FUNCTION fp_poll_read(text, timestamptz, integer) FROM PUBLIC;

CREATE FUNCTION fp_poll_begin(source text)
    RETURNS bigint
    LANGUAGE plpgsql
    SET search_path FROM CURRENT
AS $fn$
#variable_conflict use_column
DECLARE
    src fp_sources := fp_source_named(fp_poll_begin.source);
BEGIN
    IF src.observations IS NULL THEN
        RAISE undefined_object USING
            MESSAGE = format('source %s is not attached', quote_ident(src.source));
    END IF;
    IF src.capture <> 'poll' THEN
        RAISE object_not_in_prerequisite_state USING
            MESSAGE = format('source %s is captured by triggers, not polled', quote_ident(src.source)),
            HINT = 'fp_detach it and fp_attach it with capture => ''poll''; what was learnt stays.';
    END IF;
    RETURN 0;
END
$fn$;
COMMENT ON FUNCTION fp_poll_begin(text) IS 'raises an error where a source is not polled';
REVOKE ALL ON FUNCTION fp_poll_begin(text) FROM PUBLIC;

CREATE FUNCTION fp_poll_error(source text, error text)
    RETURNS void
    LANGUAGE plpgsql
    SET search_path FROM CURRENT
AS $fn$
#variable_conflict use_column
BEGIN
    fp_poll_error.error := fp_told(fp_poll_error.error);
    UPDATE fp_source_state t SET poll_error = fp_poll_error.error, poll_error_at = clock_timestamp()
    WHERE t.source = fp_poll_error.source;
    RAISE WARNING 'failpat could not poll source %: %', quote_ident(fp_poll_error.source), fp_poll_error.error
        USING HINT = 'Nothing is lost: the next poll begins where this one ended.';
END
$fn$;
COMMENT ON FUNCTION fp_poll_error(text, text) IS 'notes and warns of an error of a poll';
REVOKE ALL ON FUNCTION fp_poll_error(text, text) FROM PUBLIC;

-- A row may come late, so a poll begins look_back before the newest row that
-- one has seen. Clocks of other servers may be ahead of ours: what they date so
-- does not move the mark.
CREATE FUNCTION fp_refresh_poll(source text, since timestamptz DEFAULT NULL, work_ms integer DEFAULT 1000)
    RETURNS timestamptz
    LANGUAGE plpgsql
    SET search_path FROM CURRENT
AS $fn$
#variable_conflict use_column
DECLARE
    src fp_sources;
    mark timestamptz;
    got record;
BEGIN
    src := fp_refresh_source(fp_refresh_poll.source);
    IF src.observations IS NULL OR src.capture <> 'poll' THEN
        RETURN NULL;
    END IF;
    -- the row is fp_backfill's too: it stays out while this writes
    UPDATE fp_source_state t
    SET poll_started_at = CASE WHEN since IS NULL THEN clock_timestamp() ELSE t.poll_started_at END,
        poll_rows = CASE WHEN since IS NULL THEN 0 ELSE t.poll_rows END
    WHERE t.source = src.source
    RETURNING t.watermark INTO mark;
    SELECT * INTO got FROM fp_poll_read(src.source, coalesce(since, mark - src.look_back, '-infinity'), work_ms);
    UPDATE fp_source_state t
    SET watermark = greatest(t.watermark, got.newest),
        poll_rows = t.poll_rows + got.seen
    WHERE t.source = src.source;
    IF NOT got.more THEN
        UPDATE fp_source_state t
        SET polled_at = clock_timestamp(), poll_error = NULL, poll_error_at = NULL,
            poll_ms = extract(epoch FROM clock_timestamp() - t.poll_started_at) * 1000
        WHERE t.source = src.source;
        RETURN NULL;
    END IF;
    RETURN got.through;
EXCEPTION
    -- somebody being in the way is no error of the source
    WHEN lock_not_available OR deadlock_detected THEN
        RAISE;
    WHEN OTHERS THEN
        PERFORM fp_poll_error(fp_refresh_poll.source, SQLERRM);
        RETURN NULL;
END
$fn$;
COMMENT ON FUNCTION fp_refresh_poll(text, timestamptz, integer) IS
    'step of a refresh of a source that is polled: records what its view shows from there on (NULL: from the watermark less look_back); returns where the next step goes on, NULL after the last';
REVOKE ALL ON FUNCTION fp_refresh_poll(text, timestamptz, integer) FROM PUBLIC;

CREATE PROCEDURE fp_poll(source text DEFAULT NULL)
    LANGUAGE c AS 'MODULE_PATHNAME', 'failpat_poll';
COMMENT ON PROCEDURE fp_poll(text) IS
    'records what is new in a source that is polled (in all, without one), in small transactions; fp_refresh does so too, and refreshes';
REVOKE ALL ON PROCEDURE fp_poll(text) FROM PUBLIC;
