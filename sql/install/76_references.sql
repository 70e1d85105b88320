-- What belongs to a pattern, and to a fix, goes with it.
--
-- These are no foreign keys: pg_restore -j loads the tables of an extension
-- side by side in any order (the archive does not tell which refers to which),
-- and a foreign key between two of them then fails. So a row that goes takes
-- along what refers to it, by trigger, and only pattern_fixes, which others
-- write too, has its references checked. Both run with the rights of failpat's
-- owner, as foreign keys do.

CREATE FUNCTION fp_pattern_removed() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path FROM CURRENT
AS $fn$
BEGIN
    IF TG_OP = 'TRUNCATE' THEN
        DELETE FROM pattern_fixes;
        DELETE FROM fp_evidence;
        DELETE FROM fp_pattern_buckets;
        DELETE FROM fp_alternatives;
        DELETE FROM fp_mutes;
        DELETE FROM fp_alert_log;
    ELSE
        DELETE FROM pattern_fixes t USING gone WHERE t.pattern_id = gone.id;
        DELETE FROM fp_evidence t USING gone WHERE t.pattern_id = gone.id;
        DELETE FROM fp_pattern_buckets t USING gone WHERE t.pattern_id = gone.id;
        DELETE FROM fp_alternatives t USING gone WHERE t.pattern_id = gone.id;
        DELETE FROM fp_mutes t USING gone WHERE t.pattern_id = gone.id;
        DELETE FROM fp_alert_log t USING gone WHERE t.pattern_id = gone.id;
    END IF;
    RETURN NULL;
END
$fn$;
COMMENT ON FUNCTION fp_pattern_removed() IS 'trigger: what belongs to a pattern goes with it';
REVOKE ALL ON FUNCTION fp_pattern_removed() FROM PUBLIC;
CREATE TRIGGER fp_pattern_removed AFTER DELETE ON failure_patterns
    REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION fp_pattern_removed();
CREATE TRIGGER fp_patterns_removed AFTER TRUNCATE ON failure_patterns
    FOR EACH STATEMENT EXECUTE FUNCTION fp_pattern_removed();

CREATE FUNCTION fp_pattern_kept() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path FROM CURRENT
AS $fn$
BEGIN
    RAISE integrity_constraint_violation USING
        MESSAGE = format('the id of failure pattern %s cannot be changed', OLD.id),
        HINT = 'Fixes, evidence and alerts refer to it.';
END
$fn$;
COMMENT ON FUNCTION fp_pattern_kept() IS 'trigger: a pattern keeps its id';
REVOKE ALL ON FUNCTION fp_pattern_kept() FROM PUBLIC;
CREATE TRIGGER fp_pattern_kept BEFORE UPDATE OF id ON failure_patterns
    FOR EACH ROW WHEN (OLD.id <> NEW.id) EXECUTE FUNCTION fp_pattern_kept();

CREATE FUNCTION fp_fix_refers() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path FROM CURRENT
AS $fn$
BEGIN
    PERFORM FROM failure_patterns p WHERE p.id = NEW.pattern_id FOR KEY SHARE;
    -- In a restore the patterns may follow, all at once: where there is none at
    -- all, this cannot tell. By one snapshot, as they may come just now.
    IF NOT FOUND AND (SELECT count(*) > 0 AND count(*) FILTER (WHERE p.id = NEW.pattern_id) = 0 FROM failure_patterns p) THEN
        RAISE foreign_key_violation USING
            MESSAGE = format('there is no failure pattern %s', NEW.pattern_id),
            TABLE = 'pattern_fixes', COLUMN = 'pattern_id';
    END IF;
    RETURN NULL;
END
$fn$;
COMMENT ON FUNCTION fp_fix_refers() IS 'trigger: a fix is of a pattern that exists';
REVOKE ALL ON FUNCTION fp_fix_refers() FROM PUBLIC;
CREATE TRIGGER fp_fix_refers AFTER INSERT ON pattern_fixes
    FOR EACH ROW EXECUTE FUNCTION fp_fix_refers();
CREATE TRIGGER fp_fix_refers_edit AFTER UPDATE OF pattern_id ON pattern_fixes
    FOR EACH ROW EXECUTE FUNCTION fp_fix_refers();

CREATE FUNCTION fp_fix_removed() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path FROM CURRENT
AS $fn$
BEGIN
    IF TG_OP = 'TRUNCATE' THEN
        DELETE FROM fp_fix_effects;
    ELSE
        DELETE FROM fp_fix_effects e USING gone WHERE e.fix_id = gone.id;
    END IF;
    RETURN NULL;
END
$fn$;
COMMENT ON FUNCTION fp_fix_removed() IS 'trigger: what was measured of a fix goes with it';
REVOKE ALL ON FUNCTION fp_fix_removed() FROM PUBLIC;
CREATE TRIGGER fp_fix_removed AFTER DELETE ON pattern_fixes
    REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION fp_fix_removed();
CREATE TRIGGER fp_fixes_removed AFTER TRUNCATE ON pattern_fixes
    FOR EACH STATEMENT EXECUTE FUNCTION fp_fix_removed();
