-- Fixes: what helped, what it really did, and the notes that tell of it.

ALTER TABLE pattern_fixes ADD COLUMN note_ids bigint[], ADD COLUMN note_table regclass;
COMMENT ON COLUMN pattern_fixes.note_table IS 'the table of these notes';
COMMENT ON COLUMN pattern_fixes.note_ids IS
    'the compatibility notes (asset_notes) that tell of the fix, one per asset; NULL only before it was looked for assets';

CREATE TABLE fp_fix_effects (
    fix_id bigint PRIMARY KEY,
    basis text NOT NULL CHECK (basis IN ('parameters', 'time')),
    without_failures bigint NOT NULL,
    without_trials bigint NOT NULL,
    with_failures bigint NOT NULL,
    with_trials bigint NOT NULL,
    ratio double precision,
    lower double precision,
    upper double precision,
    verdict text NOT NULL CHECK (verdict IN ('resolved', 'improved', 'no_effect', 'worse', 'too early')),
    worked_at timestamptz,
    stopped_working boolean NOT NULL DEFAULT false,
    measured_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE fp_fix_effects IS 'what each fix did to the failure rate; written by each refresh';
COMMENT ON COLUMN fp_fix_effects.fix_id IS 'the fix';
COMMENT ON COLUMN fp_fix_effects.basis IS
    'parameters: observations that used what the fix says, against those of the pattern; time: of the pattern, after against before the fix';
COMMENT ON COLUMN fp_fix_effects.without_failures IS 'failures without the fix';
COMMENT ON COLUMN fp_fix_effects.without_trials IS 'observations without the fix';
COMMENT ON COLUMN fp_fix_effects.with_failures IS 'failures with the fix';
COMMENT ON COLUMN fp_fix_effects.with_trials IS 'observations with the fix';
COMMENT ON COLUMN fp_fix_effects.ratio IS
    'failure rate with the fix over that without, each relative to what is of no such pattern in the same time buckets';
COMMENT ON COLUMN fp_fix_effects.lower IS 'lower end of its 95 % interval';
COMMENT ON COLUMN fp_fix_effects.upper IS 'upper end of its 95 % interval';
COMMENT ON COLUMN fp_fix_effects.verdict IS
    'resolved: improved, and no worse than the rest any more; improved, worse: the interval excludes 1; no_effect: it excludes a useful effect; too early: nothing can be said yet';
COMMENT ON COLUMN fp_fix_effects.worked_at IS 'when it was first seen to work';
COMMENT ON COLUMN fp_fix_effects.stopped_working IS 'it worked once, and what came after that shows that it does no more';
COMMENT ON COLUMN fp_fix_effects.measured_at IS 'when it was measured';

SELECT pg_catalog.pg_extension_config_dump('fp_fix_effects', '');

GRANT SELECT ON fp_alternatives, fp_fix_effects TO PUBLIC;

-- Compatibility notes of the platform (PRD-17). They are read by asset only, so
-- a note is written for each asset of the pattern. This runs with the rights of
-- who writes the fix: triggers on asset_notes are not ours.

CREATE FUNCTION fp_note_targets(pattern_id bigint, OUT notes regclass, OUT asset_id bigint)
    RETURNS SETOF record
    LANGUAGE plpgsql STABLE
    SET search_path FROM CURRENT
AS $fn$
#variable_conflict use_column
DECLARE
    side record;
    found_asset boolean;
    key_column text;
BEGIN
    FOR side IN
        SELECT DISTINCT d.label_table, d.label_key, n.nspname, v.value::bigint AS id
        FROM failure_patterns p
        JOIN fp_dimensions d ON d.source = p.source
        JOIN pg_class c ON c.oid = d.label_table AND c.relname = 'assets'
        JOIN pg_namespace n ON n.oid = c.relnamespace
        CROSS JOIN LATERAL jsonb_array_elements_text(
            CASE jsonb_typeof(p.conditions -> d.name)
                WHEN 'array' THEN p.conditions -> d.name
                WHEN 'string' THEN jsonb_build_array(p.conditions -> d.name)
                WHEN 'number' THEN jsonb_build_array(p.conditions -> d.name)
                ELSE '[]' END) AS v (value)
        WHERE p.id = fp_note_targets.pattern_id AND v.value ~ '^[0-9]{1,18}$'
        ORDER BY 4
    LOOP
        notes := to_regclass(format('%I.asset_notes', side.nspname));
        CONTINUE WHEN notes IS NULL OR (
            SELECT count(*) FROM pg_attribute a
            WHERE a.attrelid = notes AND NOT a.attisdropped
              AND a.attname IN ('id', 'asset_id', 'related_asset_id', 'note_text', 'severity', 'author_id')) < 6;
        EXECUTE format('SELECT EXISTS (SELECT FROM %s WHERE %I = $1)', side.label_table, side.label_key)
            INTO found_asset USING side.id;
        IF found_asset THEN
            asset_id := side.id;
            RETURN NEXT;
        END IF;
    END LOOP;
END
$fn$;
COMMENT ON FUNCTION fp_note_targets(bigint) IS
    'the assets that a pattern names, and the table of notes on them; nothing where there is no such table';

CREATE FUNCTION fp_note_text(pattern_id bigint, fix_description text, fix_parameters jsonb)
    RETURNS text
    LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT pg_catalog.format('Failure pattern %s: %s. Fix: %s', p.id, coalesce(p.description, p.pattern_key), $2)
           || CASE WHEN $3 IS NULL THEN '' ELSE pg_catalog.format(' (%s)', $3) END
    FROM failure_patterns p WHERE p.id = $1;
END;
COMMENT ON FUNCTION fp_note_text(bigint, text, jsonb) IS 'the text of the notes that tell of a fix';

CREATE FUNCTION fp_fix_notes() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path FROM CURRENT
AS $fn$
DECLARE
    target record;
    other bigint;
    note bigint;
BEGIN
    IF TG_OP = 'INSERT' THEN
        -- a restore brings its notes along
        IF NEW.note_ids IS NOT NULL THEN
            RETURN NEW;
        END IF;
        NEW.note_ids := '{}';
        SELECT min(t.notes::oid)::regclass INTO NEW.note_table FROM fp_note_targets(NEW.pattern_id) t;
        FOR target IN SELECT * FROM fp_note_targets(NEW.pattern_id) t WHERE t.notes = NEW.note_table LOOP
            -- the other asset where there is just one
            SELECT CASE WHEN count(*) = 1 THEN min(t.asset_id) END INTO other
            FROM fp_note_targets(NEW.pattern_id) t WHERE t.asset_id <> target.asset_id;
            EXECUTE format('INSERT INTO %s (asset_id, related_asset_id, note_text, severity, author_id) '
                           'VALUES ($1, $2, $3, ''warning'', $4) RETURNING id', target.notes)
                INTO note
                USING target.asset_id, other,
                      fp_note_text(NEW.pattern_id, NEW.fix_description, NEW.fix_parameters), NEW.reported_by_id;
            NEW.note_ids := NEW.note_ids || note;
        END LOOP;
    ELSIF cardinality(OLD.note_ids) > 0 AND EXISTS (SELECT FROM pg_class c WHERE c.oid = OLD.note_table) THEN
        IF TG_OP = 'DELETE' THEN
            EXECUTE format('DELETE FROM %s WHERE id = ANY ($1)', OLD.note_table) USING OLD.note_ids;
        ELSE
            EXECUTE format('UPDATE %s SET note_text = $2, author_id = $3 WHERE id = ANY ($1)', OLD.note_table)
                USING OLD.note_ids, fp_note_text(NEW.pattern_id, NEW.fix_description, NEW.fix_parameters),
                      NEW.reported_by_id;
        END IF;
    END IF;
    RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
EXCEPTION WHEN insufficient_privilege OR undefined_table OR undefined_column OR foreign_key_violation THEN
    RAISE WARNING 'the compatibility notes of a fix were not written: %', fp_told(SQLERRM);
    IF TG_OP = 'INSERT' THEN
        NEW.note_ids := '{}';
    END IF;
    RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
END
$fn$;
COMMENT ON FUNCTION fp_fix_notes() IS
    'trigger of pattern_fixes: writes a compatibility note per asset of the pattern, edits them with the fix, removes them with it';

CREATE TRIGGER fp_fix_notes BEFORE INSERT ON pattern_fixes
    FOR EACH ROW EXECUTE FUNCTION fp_fix_notes();
CREATE TRIGGER fp_fix_notes_edit BEFORE UPDATE OF fix_description, fix_parameters, reported_by_id ON pattern_fixes
    FOR EACH ROW WHEN ((OLD.fix_description, OLD.fix_parameters, OLD.reported_by_id)
                       IS DISTINCT FROM (NEW.fix_description, NEW.fix_parameters, NEW.reported_by_id))
    EXECUTE FUNCTION fp_fix_notes();
CREATE TRIGGER fp_fix_notes_remove AFTER DELETE ON pattern_fixes
    FOR EACH ROW EXECUTE FUNCTION fp_fix_notes();

-- Recording and rating.

CREATE FUNCTION fp_record_fix(pattern_id bigint, fix_description text,
                              fix_parameters jsonb DEFAULT NULL, reported_by bigint DEFAULT NULL,
                              effectiveness text DEFAULT NULL)
    RETURNS bigint
    LANGUAGE plpgsql
    SET search_path FROM CURRENT
AS $fn$
#variable_conflict use_column
DECLARE
    new_id bigint;
BEGIN
    IF fp_record_fix.fix_description IS NULL OR btrim(fp_record_fix.fix_description) = '' THEN
        RAISE invalid_parameter_value USING MESSAGE = 'fix_description must not be empty';
    END IF;
    IF fp_record_fix.reported_by IS NULL THEN
        RAISE invalid_parameter_value USING
            MESSAGE = 'reported_by must name a user, not NULL',
            HINT = 'It is the id of the application''s user who found the fix.';
    END IF;
    PERFORM fp_check_effectiveness(fp_record_fix.effectiveness);
    IF NOT EXISTS (SELECT FROM failure_patterns p WHERE p.id = fp_record_fix.pattern_id) THEN
        RAISE invalid_parameter_value USING
            MESSAGE = format('there is no failure pattern %s', coalesce(fp_record_fix.pattern_id::text, 'NULL'));
    END IF;
    INSERT INTO pattern_fixes (pattern_id, fix_description, fix_parameters, effectiveness, reported_by_id)
    VALUES (fp_record_fix.pattern_id, fp_record_fix.fix_description, fp_record_fix.fix_parameters,
            fp_record_fix.effectiveness, fp_record_fix.reported_by)
    RETURNING id INTO new_id;
    RETURN new_id;
END
$fn$;
COMMENT ON FUNCTION fp_record_fix(bigint, text, jsonb, bigint, text) IS
    'records a fix of a pattern, and where the pattern names assets a compatibility note on each; returns its id';
REVOKE ALL ON FUNCTION fp_record_fix(bigint, text, jsonb, bigint, text) FROM PUBLIC;

CREATE FUNCTION fp_check_effectiveness(effectiveness text)
    RETURNS void
    LANGUAGE plpgsql IMMUTABLE
    SET search_path FROM CURRENT
AS $fn$
BEGIN
    IF fp_check_effectiveness.effectiveness NOT IN ('resolved', 'improved', 'no_effect') THEN
        RAISE invalid_parameter_value USING
            MESSAGE = format('effectiveness must be "resolved", "improved" or "no_effect", not "%s"',
                             fp_clipped(fp_check_effectiveness.effectiveness));
    END IF;
END
$fn$;
COMMENT ON FUNCTION fp_check_effectiveness(text) IS 'an error unless it is one of the three words, or NULL';

CREATE FUNCTION fp_rate_fix(fix_id bigint, effectiveness text)
    RETURNS boolean
    LANGUAGE plpgsql
    SET search_path FROM CURRENT
AS $fn$
#variable_conflict use_column
BEGIN
    PERFORM fp_check_effectiveness(fp_rate_fix.effectiveness);
    UPDATE pattern_fixes f SET effectiveness = fp_rate_fix.effectiveness WHERE f.id = fp_rate_fix.fix_id;
    RETURN FOUND;
END
$fn$;
COMMENT ON FUNCTION fp_rate_fix(bigint, text) IS
    'what a user says that a fix did: resolved, improved or no_effect, NULL takes it back; false where there is no such fix';
REVOKE ALL ON FUNCTION fp_rate_fix(bigint, text) FROM PUBLIC;

-- What a fix did.

CREATE FUNCTION fp_fix_counts(
    cube failure_cube, conditions jsonb[], parameters jsonb[])
    RETURNS TABLE (fix integer, visible boolean,
                   without_failures bigint, without_trials bigint,
                   with_failures bigint, with_trials bigint,
                   rest_failures bigint, rest_trials bigint)
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 10000 AS 'MODULE_PATHNAME', 'failpat_fix_counts';
COMMENT ON FUNCTION fp_fix_counts(failure_cube, jsonb[], jsonb[]) IS
    'observations of each pattern without and with the parameters of its fix, and (rest) those of none of them; visible: the parameters are dimensions';

CREATE FUNCTION fp_effect(
    failures1 bigint, trials1 bigint, expected1 double precision,
    failures2 bigint, trials2 bigint, expected2 double precision,
    OUT ratio double precision, OUT lower double precision, OUT upper double precision, OUT verdict text)
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    SET search_path FROM CURRENT
AS $fn$
-- Ratio of two standardised failure ratios, observed over expected, where
-- expected is what all others failed at the same time. Half a failure is added
-- to each, so that none at all has a ratio too; log-normal interval, with the
-- binomial variance of each observed count (Breslow and Day 1987, ch. 2).
DECLARE
    excess1 double precision;
    excess2 double precision;
    var1 double precision;
    var2 double precision;
    half double precision;
BEGIN
    PERFORM fp_rate_ci(failures1, trials1), fp_rate_ci(failures2, trials2); -- raise where these are no counts
    IF expected1 NOT BETWEEN 0 AND 1e300 OR expected2 NOT BETWEEN 0 AND 1e300 THEN
        RAISE invalid_parameter_value USING
            MESSAGE = format('expected failures must be finite and not negative: %s, %s', expected1, expected2);
    END IF;
    excess1 := (failures1 + 0.5) / (expected1 + 0.5);
    excess2 := (failures2 + 0.5) / (expected2 + 0.5);
    var1 := greatest(1 - (failures1 + 0.5) / (trials1 + 1.0), 0) / (failures1 + 0.5);
    var2 := greatest(1 - (failures2 + 0.5) / (trials2 + 1.0), 0) / (failures2 + 0.5);
    half := 1.959963984540054 * sqrt(var1 + var2);
    ratio := excess2 / excess1;
    lower := ratio * exp(-half);
    upper := ratio * exp(half);
    half := 1.959963984540054 * sqrt(var2);
    verdict := CASE
        WHEN trials1 < 10 OR trials2 < 10 THEN 'too early'
        WHEN lower > 1 THEN 'worse'
        WHEN upper < 1 AND excess2 <= 1.2 AND excess2 * exp(-half) <= 1 AND excess2 * exp(half) < 2 THEN 'resolved'
        WHEN upper < 1 THEN 'improved'
        WHEN lower > 0.67 THEN 'no_effect'
        ELSE 'too early' END;
    IF trials1 = 0 OR trials2 = 0 THEN
        ratio := NULL;
        lower := NULL;
        upper := NULL;
    END IF;
END
$fn$;
COMMENT ON FUNCTION fp_effect(bigint, bigint, double precision, bigint, bigint, double precision) IS
    'failure rate of the second over that of the first, each relative to what was expected, with 95 % interval and verdict';

CREATE FUNCTION fp_measure_fixes(source text)
    RETURNS integer
    LANGUAGE plpgsql
    SET search_path FROM CURRENT
AS $fn$
#variable_conflict use_column
DECLARE
    ids bigint[];
    conds jsonb[];
    params jsonb[];
    oldest timestamptz;
    src fp_sources;
    n integer;
BEGIN
    SELECT * INTO src FROM fp_sources s WHERE s.source = fp_measure_fixes.source;
    SELECT array_agg(f.id ORDER BY f.id), array_agg(p.conditions ORDER BY f.id),
           array_agg(f.fix_parameters ORDER BY f.id), min(f.created_at)
        INTO ids, conds, params, oldest
    FROM pattern_fixes f JOIN failure_patterns p ON p.id = f.pattern_id
    WHERE p.source = src.source AND p.conditions IS NOT NULL;
    IF ids IS NULL THEN
        RETURN 0;
    END IF;
    WITH counted AS MATERIALIZED (
        SELECT ids[k.fix] AS fix_id, c.bucket, k.visible,
               k.without_failures, k.without_trials, k.with_failures, k.with_trials,
               k.rest_failures / nullif(k.rest_trials, 0)::double precision AS rest_rate
        FROM fp_cubes c CROSS JOIN LATERAL fp_fix_counts(c.cube, conds, params) k
        WHERE c.source = src.source
          AND c.bucket > oldest - src.window_length - src.bucket
    ), basis AS (
        SELECT c.fix_id, bool_or(c.visible) AS visible FROM counted c GROUP BY c.fix_id
    ), arms AS (
        -- by time, the bucket in which the fix was recorded is of neither arm
        SELECT c.fix_id, c.bucket, b.visible, c.rest_rate, e.worked_at,
               CASE WHEN b.visible OR c.bucket < at.bucket THEN c.without_failures ELSE 0 END AS f1,
               CASE WHEN b.visible OR c.bucket < at.bucket THEN c.without_trials ELSE 0 END AS n1,
               CASE WHEN b.visible THEN c.with_failures
                    WHEN c.bucket > at.bucket THEN c.without_failures ELSE 0 END AS f2,
               CASE WHEN b.visible THEN c.with_trials
                    WHEN c.bucket > at.bucket THEN c.without_trials ELSE 0 END AS n2
        FROM counted c
        JOIN basis b ON b.fix_id = c.fix_id
        JOIN pattern_fixes f ON f.id = c.fix_id
        LEFT JOIN fp_fix_effects e ON e.fix_id = c.fix_id
        CROSS JOIN LATERAL (SELECT fp_bucket(f.created_at, src.bucket, src.bucket_zone) AS bucket) at
        WHERE c.rest_rate IS NOT NULL
    ), sums AS (
        SELECT a.fix_id, bool_or(a.visible) AS visible, max(a.worked_at) AS worked_at,
               sum(a.f1)::bigint AS f1, sum(a.n1)::bigint AS n1, sum(a.n1 * a.rest_rate) AS e1,
               sum(a.f2)::bigint AS f2, sum(a.n2)::bigint AS n2, sum(a.n2 * a.rest_rate) AS e2,
               -- since it was seen to work, and until then
               coalesce(sum(a.f2) FILTER (WHERE a.bucket > a.worked_at), 0)::bigint AS f3,
               coalesce(sum(a.n2) FILTER (WHERE a.bucket > a.worked_at), 0)::bigint AS n3,
               coalesce(sum(a.n2 * a.rest_rate) FILTER (WHERE a.bucket > a.worked_at), 0) AS e3,
               coalesce(sum(a.f2) FILTER (WHERE a.bucket <= a.worked_at), 0)::bigint AS f4,
               coalesce(sum(a.n2) FILTER (WHERE a.bucket <= a.worked_at), 0)::bigint AS n4,
               coalesce(sum(a.n2 * a.rest_rate) FILTER (WHERE a.bucket <= a.worked_at), 0) AS e4
        FROM arms a GROUP BY a.fix_id
    )
    INSERT INTO fp_fix_effects AS e (fix_id, basis, without_failures, without_trials, with_failures, with_trials,
                                     ratio, lower, upper, verdict, worked_at, stopped_working)
    SELECT s.fix_id, CASE WHEN s.visible THEN 'parameters' ELSE 'time' END, s.f1, s.n1, s.f2, s.n2,
           whole.ratio, whole.lower, whole.upper, whole.verdict,
           coalesce(s.worked_at, CASE WHEN whole.verdict IN ('resolved', 'improved')
                                      THEN fp_bucket(now(), src.bucket, src.bucket_zone) END),
           coalesce(recent.verdict IN ('no_effect', 'worse') OR (s.n3 >= 10 AND s.n4 >= 10 AND since.lower > 1.2), false)
    FROM sums s
    CROSS JOIN LATERAL fp_effect(s.f1, s.n1, s.e1, s.f2, s.n2, s.e2) whole
    CROSS JOIN LATERAL fp_effect(s.f1, s.n1, s.e1, s.f3, s.n3, s.e3) recent
    CROSS JOIN LATERAL fp_effect(s.f4, s.n4, s.e4, s.f3, s.n3, s.e3) since
    ON CONFLICT (fix_id) DO UPDATE
        SET basis = excluded.basis,
            without_failures = excluded.without_failures, without_trials = excluded.without_trials,
            with_failures = excluded.with_failures, with_trials = excluded.with_trials,
            ratio = excluded.ratio, lower = excluded.lower, upper = excluded.upper,
            verdict = excluded.verdict, worked_at = excluded.worked_at,
            stopped_working = excluded.stopped_working, measured_at = excluded.measured_at
        WHERE (e.basis, e.without_failures, e.without_trials, e.with_failures, e.with_trials,
               e.verdict, e.worked_at, e.stopped_working)
              IS DISTINCT FROM
              (excluded.basis, excluded.without_failures, excluded.without_trials, excluded.with_failures,
               excluded.with_trials, excluded.verdict, excluded.worked_at, excluded.stopped_working);
    GET DIAGNOSTICS n = ROW_COUNT;
    RETURN n;
END
$fn$;
COMMENT ON FUNCTION fp_measure_fixes(text) IS
    'measures what the fixes of a source did, from its cubes; part of each refresh; returns the number of fixes whose figures changed';
REVOKE ALL ON FUNCTION fp_measure_fixes(text) FROM PUBLIC;

-- Fixes for alerts: of the told patterns, and of their relatives.
CREATE FUNCTION fp_fixes_told(told bigint[], relatives bigint[])
    RETURNS TABLE (told bigint, fixes jsonb)
    LANGUAGE sql STABLE ROWS 5
BEGIN ATOMIC
    SELECT u.told, jsonb_agg(
        jsonb_strip_nulls(jsonb_build_object(
            'id', f.id, 'pattern_id', f.pattern_id, 'fix_description', f.fix_description,
            'fix_parameters', f.fix_parameters, 'effectiveness', f.effectiveness,
            'measured', e.verdict, 'ratio', e.ratio, 'lower', e.lower, 'upper', e.upper,
            'trials', e.with_trials, 'stopped_working', nullif(e.stopped_working, false),
            'related', nullif(u.relative <> u.told, false),
            'reported_by_id', f.reported_by_id, 'created_at', f.created_at))
        ORDER BY CASE
                WHEN e.stopped_working THEN 6
                WHEN e.verdict = 'resolved' THEN 0
                WHEN e.verdict = 'improved' THEN 1
                WHEN e.verdict = 'no_effect' THEN 5
                WHEN e.verdict = 'worse' THEN 7
                WHEN f.effectiveness = 'resolved' THEN 2
                WHEN f.effectiveness = 'improved' THEN 3
                WHEN f.effectiveness = 'no_effect' THEN 5
                ELSE 4 END,
            u.relative <> u.told, e.upper, f.created_at DESC, f.id DESC)
    FROM ROWS FROM (unnest($1), unnest($2)) AS u (told, relative)
    JOIN pattern_fixes f ON f.pattern_id = u.relative
    LEFT JOIN fp_fix_effects e ON e.fix_id = f.id
    GROUP BY u.told;
END;
COMMENT ON FUNCTION fp_fixes_told(bigint[], bigint[]) IS
    'the fixes of some patterns (told) and of relatives of theirs, as alerts show them, what helped first';

CREATE FUNCTION fp_refresh_advice(source text)
    RETURNS bigint
    LANGUAGE plpgsql
    SET search_path FROM CURRENT
AS $fn$
BEGIN
    PERFORM fp_refresh_lock(fp_refresh_advice.source, true);
    RETURN fp_compute_alternatives(fp_refresh_advice.source) + fp_measure_fixes(fp_refresh_advice.source);
EXCEPTION WHEN OTHERS THEN
    PERFORM fp_refresh_error(fp_refresh_advice.source, SQLERRM);
    RETURN 0;
END
$fn$;
COMMENT ON FUNCTION fp_refresh_advice(text) IS
    'step of a refresh: what to use instead, and what the fixes did; returns how much of it changed';
REVOKE ALL ON FUNCTION fp_refresh_advice(text) FROM PUBLIC;
