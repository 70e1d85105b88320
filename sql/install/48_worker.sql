-- Refresh by background workers (refresh mode async).

CREATE FUNCTION fp_worker(source text, OUT state text, OUT since timestamptz,
                          OUT due timestamptz, OUT error text, OUT error_at timestamptz)
    LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'failpat_worker_state';
COMMENT ON FUNCTION fp_worker(text) IS
    'the background worker of a source: idle, waiting until it is due, or running; NULL where none was asked for since the server started';

CREATE FUNCTION fp_refresh_soon(source text)
    RETURNS boolean
    LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'failpat_refresh_soon';
COMMENT ON FUNCTION fp_refresh_soon(text) IS
    'has a background worker refresh a source in mode async once this transaction has committed, whatever errors there were; false where no worker can be started';
REVOKE ALL ON FUNCTION fp_refresh_soon(text) FROM PUBLIC;
