-- Refresh by background workers (refresh mode async).

CREATE FUNCTION fp_worker(source text, OUT state text, OUT since timestamptz,
                          OUT due timestamptz, OUT error text, OUT error_at timestamptz)
    LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'failpat_worker_state';
COMMENT ON FUNCTION fp_worker(text) IS
    'the background worker of a source: idle, waiting until it is due, or running; NULL where none was asked for since the server started';

CREATE FUNCTION fp_ask_worker(source text)
    RETURNS boolean
    LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'failpat_ask_worker';
COMMENT ON FUNCTION fp_ask_worker(text) IS
    'has a background worker refresh a source in mode async once this transaction has committed; false where no worker can be started';
REVOKE ALL ON FUNCTION fp_ask_worker(text) FROM PUBLIC;

CREATE FUNCTION fp_refresh_soon(source text DEFAULT NULL)
    RETURNS boolean
    LANGUAGE plpgsql
    SET search_path FROM CURRENT
AS $fn$
#variable_conflict use_column
DECLARE
    src fp_sources;
    asked boolean := true;
BEGIN
    FOR src IN SELECT * FROM fp_sources s
               WHERE s.source = fp_refresh_soon.source OR fp_refresh_soon.source IS NULL AND s.refresh = 'async'
               ORDER BY s.source LOOP
        IF src.refresh <> 'async' THEN
            RAISE object_not_in_prerequisite_state USING
                MESSAGE = format('source %s is in refresh mode "%s", so no worker refreshes it', quote_ident(src.source), src.refresh),
                HINT = format('CALL fp_refresh(%L) refreshes it.', src.source);
        END IF;
        asked := fp_ask_worker(src.source) AND asked;
    END LOOP;
    IF NOT FOUND AND fp_refresh_soon.source IS NOT NULL THEN
        RAISE undefined_object USING
            MESSAGE = format('there is no source %s', quote_ident(fp_refresh_soon.source));
    END IF;
    RETURN asked;
END
$fn$;
COMMENT ON FUNCTION fp_refresh_soon(text) IS
    'has background workers refresh a source (all in mode async, without one) once this transaction has committed, whatever errors there were; false where none can be started';
REVOKE ALL ON FUNCTION fp_refresh_soon(text) FROM PUBLIC;
