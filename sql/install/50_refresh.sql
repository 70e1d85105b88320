-- Refresh: dirty buckets to cubes to patterns.

CREATE FUNCTION fp_forget(source text)
    RETURNS void
    LANGUAGE plpgsql
    SET search_path FROM CURRENT
AS $fn$
BEGIN
END
$fn$;
COMMENT ON FUNCTION fp_forget(text) IS 'removes cubes and patterns of a source';
REVOKE ALL ON FUNCTION fp_forget(text) FROM PUBLIC;
