-- Alerts: known-bad combinations, before they are used.

-- One value or some: what fp_check_combo takes for a dimension, so that 3, '3'
-- and ARRAY[3, 7] all are what they look like.
CREATE TYPE fp_value;
CREATE FUNCTION fp_value_in(cstring) RETURNS fp_value
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'failpat_value_in';
COMMENT ON FUNCTION fp_value_in(cstring) IS 'input of fp_value: a value, or an array literal of some';
CREATE FUNCTION fp_value_out(fp_value) RETURNS cstring
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'failpat_value_out';
COMMENT ON FUNCTION fp_value_out(fp_value) IS 'output of fp_value';
CREATE TYPE fp_value (
    INPUT = fp_value_in, OUTPUT = fp_value_out,
    INTERNALLENGTH = VARIABLE, ALIGNMENT = int4, STORAGE = extended);
COMMENT ON TYPE fp_value IS
    'argument of fp_check_combo: one value or some of a dimension; numbers, texts, uuids and arrays of them become it by themselves';

CREATE FUNCTION fp_value(smallint) RETURNS fp_value
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'failpat_value_from';
CREATE FUNCTION fp_value(integer) RETURNS fp_value
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'failpat_value_from';
CREATE FUNCTION fp_value(bigint) RETURNS fp_value
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'failpat_value_from';
CREATE FUNCTION fp_value(text) RETURNS fp_value
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'failpat_value_from';
CREATE FUNCTION fp_value(uuid) RETURNS fp_value
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'failpat_value_from';
CREATE FUNCTION fp_value(integer[]) RETURNS fp_value
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'failpat_value_from';
CREATE FUNCTION fp_value(bigint[]) RETURNS fp_value
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'failpat_value_from';
CREATE FUNCTION fp_value(text[]) RETURNS fp_value
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'failpat_value_from';
CREATE FUNCTION fp_value(uuid[]) RETURNS fp_value
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'failpat_value_from';
COMMENT ON FUNCTION fp_value(smallint) IS 'one value';
COMMENT ON FUNCTION fp_value(integer) IS 'one value';
COMMENT ON FUNCTION fp_value(bigint) IS 'one value';
COMMENT ON FUNCTION fp_value(text) IS 'one value';
COMMENT ON FUNCTION fp_value(uuid) IS 'one value';
COMMENT ON FUNCTION fp_value(integer[]) IS 'some values';
COMMENT ON FUNCTION fp_value(bigint[]) IS 'some values';
COMMENT ON FUNCTION fp_value(text[]) IS 'some values';
COMMENT ON FUNCTION fp_value(uuid[]) IS 'some values';
CREATE CAST (smallint AS fp_value) WITH FUNCTION fp_value(smallint) AS IMPLICIT;
CREATE CAST (integer AS fp_value) WITH FUNCTION fp_value(integer) AS IMPLICIT;
CREATE CAST (bigint AS fp_value) WITH FUNCTION fp_value(bigint) AS IMPLICIT;
CREATE CAST (text AS fp_value) WITH FUNCTION fp_value(text) AS IMPLICIT;
CREATE CAST (varchar AS fp_value) WITH FUNCTION fp_value(text) AS IMPLICIT;
CREATE CAST (uuid AS fp_value) WITH FUNCTION fp_value(uuid) AS IMPLICIT;
CREATE CAST (integer[] AS fp_value) WITH FUNCTION fp_value(integer[]) AS IMPLICIT;
CREATE CAST (bigint[] AS fp_value) WITH FUNCTION fp_value(bigint[]) AS IMPLICIT;
CREATE CAST (uuid[] AS fp_value) WITH FUNCTION fp_value(uuid[]) AS IMPLICIT;
CREATE CAST (text[] AS fp_value) WITH FUNCTION fp_value(text[]) AS IMPLICIT;
COMMENT ON CAST (smallint AS fp_value) IS 'one value';
COMMENT ON CAST (integer AS fp_value) IS 'one value';
COMMENT ON CAST (bigint AS fp_value) IS 'one value';
COMMENT ON CAST (text AS fp_value) IS 'one value';
COMMENT ON CAST (varchar AS fp_value) IS 'one value';
COMMENT ON CAST (uuid AS fp_value) IS 'one value';
COMMENT ON CAST (integer[] AS fp_value) IS 'some values';
COMMENT ON CAST (bigint[] AS fp_value) IS 'some values';
COMMENT ON CAST (uuid[] AS fp_value) IS 'some values';
COMMENT ON CAST (text[] AS fp_value) IS 'some values';

-- Patterns are found by their values; ranges are compared afterwards.
CREATE FUNCTION fp_match_key(conditions jsonb)
    RETURNS bigint
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'failpat_sql_match_key';
COMMENT ON FUNCTION fp_match_key(jsonb) IS
    'hash of the values that conditions name, without their ranges; patterns are looked up by it';
CREATE FUNCTION fp_match_size(conditions jsonb)
    RETURNS integer
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'failpat_sql_match_size';
COMMENT ON FUNCTION fp_match_size(jsonb) IS 'how many values conditions name';
CREATE INDEX failure_patterns_match_size ON failure_patterns (fp_match_size(conditions));
CREATE INDEX failure_patterns_match ON failure_patterns (fp_match_key(conditions));

CREATE FUNCTION fp_combo_meets(combo jsonb, conditions jsonb)
    RETURNS boolean
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'failpat_combo_meets_sql';
COMMENT ON FUNCTION fp_combo_meets(jsonb, jsonb) IS
    'does a combination (or the dims of an observation) meet the conditions of a pattern';

CREATE TABLE fp_alternatives (
    pattern_id bigint PRIMARY KEY,
    alternatives jsonb NOT NULL,
    computed_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE fp_alternatives IS 'what to use instead, per pattern; written by each refresh';
COMMENT ON COLUMN fp_alternatives.pattern_id IS 'the pattern';
COMMENT ON COLUMN fp_alternatives.alternatives IS
    'best first: dimension, instead_of, value (absent: none at all), count (so many values of a set), before (an end before that), label, rate, lower, upper, trials, predicted (by the model of fp_predict: the context has no data), sentence';
COMMENT ON COLUMN fp_alternatives.computed_at IS 'when they were computed';

CREATE TABLE fp_mutes (
    pattern_id bigint NOT NULL,
    user_id bigint,
    until timestamptz,
    reason text,
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE NULLS NOT DISTINCT (pattern_id, user_id)
);
COMMENT ON TABLE fp_mutes IS 'patterns that raise no alert for a time';
COMMENT ON COLUMN fp_mutes.pattern_id IS 'the pattern';
COMMENT ON COLUMN fp_mutes.user_id IS 'the application''s user who is not to be warned; NULL: nobody is';
COMMENT ON COLUMN fp_mutes.until IS 'end of the silence; NULL: for good';
COMMENT ON COLUMN fp_mutes.reason IS 'why';
COMMENT ON COLUMN fp_mutes.created_at IS 'since when';

CREATE TABLE fp_alert_log (
    at timestamptz NOT NULL DEFAULT now(),
    pattern_id bigint NOT NULL,
    user_id bigint,
    job text,
    combo jsonb
);
CREATE INDEX fp_alert_log_pattern ON fp_alert_log (pattern_id, at);
COMMENT ON TABLE fp_alert_log IS
    'alerts that were shown, as fp_log_alert wrote them while failpat.log_alerts was on';
COMMENT ON COLUMN fp_alert_log.at IS 'when it was shown';
COMMENT ON COLUMN fp_alert_log.pattern_id IS 'the pattern that it warned of';
COMMENT ON COLUMN fp_alert_log.user_id IS 'the application''s user who saw it';
COMMENT ON COLUMN fp_alert_log.job IS 'the job that was about to start, as observations name it';
COMMENT ON COLUMN fp_alert_log.combo IS 'the combination that was checked';

SELECT pg_catalog.pg_extension_config_dump('fp_alternatives', '');
SELECT pg_catalog.pg_extension_config_dump('fp_mutes', '');
SELECT pg_catalog.pg_extension_config_dump('fp_alert_log', '');

-- Alternatives.

CREATE FUNCTION fp_find_alternatives(
    cube failure_cube, conditions jsonb[], choosable text[], keep integer DEFAULT 5)
    RETURNS TABLE (pattern integer, dimension text, instead_of text, value text, predicted boolean,
                   failures bigint, trials bigint, rate double precision,
                   lower double precision, upper double precision, count jsonb, before double precision)
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 100000 AS 'MODULE_PATHNAME', 'failpat_find_alternatives';
COMMENT ON FUNCTION fp_find_alternatives(failure_cube, jsonb[], text[], integer) IS
    'values of the choosable dimensions that fail less in the same context than those of the known patterns, or what lies outside of their ranges, best first; pattern is the number in conditions; value NULL: none at all, or, with count, so many values of the set, or, with before, an end before that';

CREATE FUNCTION fp_find_alternatives_summed(
    cubes failure_cube[], conditions jsonb[], choosable text[], keep integer DEFAULT 5)
    RETURNS TABLE (pattern integer, dimension text, instead_of text, value text, predicted boolean,
                   failures bigint, trials bigint, rate double precision,
                   lower double precision, upper double precision, count jsonb, before double precision)
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 100000 AS 'MODULE_PATHNAME', 'failpat_find_alternatives_summed';
COMMENT ON FUNCTION fp_find_alternatives_summed(failure_cube[], jsonb[], text[], integer) IS
    'fp_find_alternatives in the sum of cubes, faster than in their rollup';

CREATE FUNCTION fp_count_text(count jsonb, title text)
    RETURNS text
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'failpat_count_text';
COMMENT ON FUNCTION fp_count_text(jsonb, text) IS 'a number of values as sentences have it: {"min": 3} of LoRA is "3 or more LoRAs"';

CREATE FUNCTION fp_value_label(source text, dimension text, value text)
    RETURNS text
    LANGUAGE plpgsql STABLE
    SET search_path FROM CURRENT
AS $fn$
#variable_conflict use_column
DECLARE
    dim fp_dimensions;
    label text;
BEGIN
    SELECT * INTO dim FROM fp_dimensions d
    WHERE d.source = fp_value_label.source AND d.name = fp_value_label.dimension;
    IF dim.label_table IS NULL OR fp_value_label.value IS NULL THEN
        RETURN fp_value_label.value;
    END IF;
    -- A value that is no key of the table has no label; nor has any when the
    -- table is gone or may not be read.
    BEGIN
        SELECT l.label INTO label
        FROM fp_labels(fp_value_label.source, fp_value_label.dimension, ARRAY[fp_value_label.value]) l;
    EXCEPTION WHEN data_exception OR undefined_table OR undefined_column OR insufficient_privilege
                OR null_value_not_allowed OR syntax_error THEN
        NULL;
    END;
    RETURN coalesce(label, fp_value_label.value);
END
$fn$;
COMMENT ON FUNCTION fp_value_label(text, text, text) IS
    'the name of a value of a dimension, the value itself where it has none';

CREATE FUNCTION fp_instead(conditions jsonb, dimension text, instead_of text, value text)
    RETURNS jsonb
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT CASE jsonb_typeof(conditions -> dimension)
           WHEN 'array' THEN jsonb_set(conditions, ARRAY[dimension],
               (SELECT coalesce(jsonb_agg(m.one) FILTER (WHERE m.one <> instead_of), '[]') || to_jsonb(value)
                FROM jsonb_array_elements_text(conditions -> dimension) AS m (one)))
           ELSE conditions || jsonb_build_object(dimension, value) END;
END;
COMMENT ON FUNCTION fp_instead(jsonb, text, text, text) IS
    'the conditions with another value of a dimension in the place of one of theirs';

CREATE FUNCTION fp_compute_alternatives(source text)
    RETURNS integer
    LANGUAGE plpgsql
    SET search_path FROM CURRENT
AS $fn$
#variable_conflict use_column
DECLARE
    ids bigint[];
    conds jsonb[];
    choosable text[];
    cubes failure_cube[];
    n integer;
BEGIN
    SELECT array_agg(p.id ORDER BY p.id), array_agg(p.conditions ORDER BY p.id) INTO ids, conds
    FROM failure_patterns p
    WHERE p.source = fp_compute_alternatives.source AND p.status = 'active' AND p.conditions IS NOT NULL;
    SELECT array_agg(d.name) INTO choosable
    FROM fp_dimensions d WHERE d.source = fp_compute_alternatives.source AND d.choosable;
    -- with what is added up already
    SELECT fp_window_parts(s.source, now() - s.window_length - s.bucket, 'infinity') INTO cubes
    FROM fp_sources s WHERE s.source = fp_compute_alternatives.source;
    -- only what changes is written
    WITH raw AS MATERIALIZED (
        SELECT ids[f.pattern] AS pattern_id, conds[f.pattern] AS conditions, f.pattern, f.dimension, f.instead_of, f.value, f.count, f.before,
               f.predicted, f.failures, f.trials, coalesce(m.probability, f.rate) AS rate, coalesce(m.lower, f.lower) AS lower,
               coalesce(m.upper, f.upper) AS upper,
               row_number() OVER (ORDER BY f.pattern, f.predicted, coalesce(m.upper, f.upper), f.found) AS place
        FROM (SELECT a.*, row_number() OVER () AS found FROM fp_find_alternatives_summed(cubes, conds, coalesce(choosable, '{}')) a) f
        JOIN failure_patterns p ON p.id = ids[f.pattern]
        -- where the context has no data, what the model says of it
        LEFT JOIN LATERAL (
            SELECT x.* FROM fp_predict(fp_instead(conds[f.pattern], f.dimension, f.instead_of, f.value),
                                       source => fp_compute_alternatives.source) x
            WHERE f.predicted AND f.value IS NOT NULL) m ON true
        WHERE NOT f.predicted OR m.upper IS NULL OR m.upper < p.rate_lower AND 1.2 * m.probability <= p.failure_rate
    ), named AS MATERIALIZED (
        SELECT v.dimension, v.value, fp_value_label(fp_compute_alternatives.source, v.dimension, v.value) AS label
        FROM (SELECT r.dimension, r.value FROM raw r WHERE r.value IS NOT NULL
              UNION SELECT r.dimension, r.instead_of FROM raw r WHERE r.instead_of IS NOT NULL) v
    ), found AS (
        SELECT r.*, new.label AS label, old.label AS old_label, coalesce(d.title, r.dimension) AS title,
               jsonb_typeof(r.conditions -> r.dimension) = 'array' AS of_some
        FROM raw r
        LEFT JOIN named new ON new.dimension = r.dimension AND new.value = r.value
        LEFT JOIN named old ON old.dimension = r.dimension AND old.value = r.instead_of
        LEFT JOIN fp_dimensions d ON d.source = fp_compute_alternatives.source AND d.name = r.dimension
    ), built AS (
        SELECT f.pattern_id, jsonb_agg(
            jsonb_strip_nulls(jsonb_build_object(
                'dimension', f.dimension, 'instead_of', f.instead_of, 'value', f.value,
                'count', f.count, 'before', f.before, 'label', f.label, 'rate', f.rate, 'lower', f.lower, 'upper', f.upper,
                'failures', f.failures, 'trials', f.trials, 'predicted', f.predicted,
                'sentence',
                CASE WHEN f.before IS NOT NULL AND f.dimension = 'segment_position' THEN
                         format('Consider ending the scene before %s %s', f.title, f.before)
                     WHEN f.before IS NOT NULL THEN format('Consider stopping before %s %s', f.title, f.before)
                     WHEN f.count -> 'max' = '0' THEN format('Consider going without %s', f.title)
                     WHEN f.count IS NOT NULL THEN format('Consider using %s', fp_count_text(f.count, f.title))
                     WHEN f.value IS NOT NULL THEN format('Consider using %s %s instead', f.title, f.label)
                     WHEN f.of_some THEN format('Consider leaving out %s %s', f.title, f.old_label)
                     ELSE format('Consider going without %s', f.title) END
                || CASE WHEN f.predicted THEN format(': %s expected (not yet used in this context).', fp_percent(f.rate))
                        ELSE format(': %s of %s.', fp_percent(f.rate), f.trials) END))
            ORDER BY f.place) AS alternatives
        FROM found f GROUP BY f.pattern_id
    ), gone AS (
        DELETE FROM fp_alternatives a USING failure_patterns p
        WHERE p.id = a.pattern_id AND p.source = fp_compute_alternatives.source
          AND NOT EXISTS (SELECT FROM built b WHERE b.pattern_id = a.pattern_id)
    )
    INSERT INTO fp_alternatives AS a (pattern_id, alternatives)
    SELECT b.pattern_id, b.alternatives FROM built b
    ON CONFLICT (pattern_id) DO UPDATE
        SET alternatives = excluded.alternatives, computed_at = excluded.computed_at
        WHERE a.alternatives <> excluded.alternatives;
    GET DIAGNOSTICS n = ROW_COUNT;
    RETURN n;
END
$fn$;
COMMENT ON FUNCTION fp_compute_alternatives(text) IS
    'computes what to use instead for the active patterns of a source, from the cubes of its window; part of each refresh; returns the number of patterns whose alternatives changed';
REVOKE ALL ON FUNCTION fp_compute_alternatives(text) FROM PUBLIC;

CREATE FUNCTION fp_percent(rate double precision)
    RETURNS text
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'failpat_percent';
COMMENT ON FUNCTION fp_percent(double precision) IS 'a rate for reading, "62 %"';

CREATE FUNCTION fp_percent(lower double precision, upper double precision)
    RETURNS text
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
BEGIN ATOMIC
    SELECT rtrim(fp_percent(lower), ' %') || ' - ' || fp_percent(upper);
END;
COMMENT ON FUNCTION fp_percent(double precision, double precision) IS 'an interval for reading, "56 - 68 %"';

-- The check.

CREATE FUNCTION fp_check_combo(
    combo jsonb DEFAULT NULL,
    workflow fp_value DEFAULT NULL,
    model fp_value DEFAULT NULL,
    lora fp_value DEFAULT NULL,
    "character" fp_value DEFAULT NULL,
    scene_type fp_value DEFAULT NULL,
    segment_position double precision DEFAULT NULL,
    scene_length integer DEFAULT NULL,
    source text DEFAULT NULL,
    for_user bigint DEFAULT NULL,
    include_resolved boolean DEFAULT false,
    avatar fp_value DEFAULT NULL)
    RETURNS TABLE (
        pattern_id bigint, severity text, message text, failure_rate double precision,
        lower double precision, upper double precision, trials bigint, baseline_rate double precision,
        conditions jsonb, alternatives jsonb, fixes jsonb, status text, candidate boolean,
        from_segment double precision, folded bigint[], pattern_source text)
    LANGUAGE c STABLE SECURITY DEFINER ROWS 2
    AS 'MODULE_PATHNAME', 'failpat_check_combo';
COMMENT ON FUNCTION fp_check_combo(jsonb, fp_value, fp_value, fp_value, fp_value, fp_value, double precision, integer, text, bigint, boolean, fp_value) IS
    'alerts that a combination of parameters raises, worst first; the position left out means the whole scene';

CREATE FUNCTION fp_check_combos(
    combos jsonb[],
    source text DEFAULT NULL,
    for_user bigint DEFAULT NULL,
    include_resolved boolean DEFAULT false)
    RETURNS TABLE (
        ordinality bigint,
        pattern_id bigint, severity text, message text, failure_rate double precision,
        lower double precision, upper double precision, trials bigint, baseline_rate double precision,
        conditions jsonb, alternatives jsonb, fixes jsonb, status text, candidate boolean,
        from_segment double precision, folded bigint[], pattern_source text)
    LANGUAGE c STABLE SECURITY DEFINER
    AS 'MODULE_PATHNAME', 'failpat_check_combos';
COMMENT ON FUNCTION fp_check_combos(jsonb[], text, bigint, boolean) IS
    'fp_check_combo for each of many combinations; ordinality is the number of the combination';

-- Silence.

CREATE FUNCTION fp_mute(pattern_id bigint, for_user bigint DEFAULT NULL,
                        until timestamptz DEFAULT NULL, reason text DEFAULT NULL)
    RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path FROM CURRENT
AS $fn$
#variable_conflict use_column
BEGIN
    IF NOT EXISTS (SELECT FROM failure_patterns p WHERE p.id = fp_mute.pattern_id) THEN
        RAISE invalid_parameter_value USING
            MESSAGE = format('there is no failure pattern %s', coalesce(fp_mute.pattern_id::text, 'NULL'));
    END IF;
    INSERT INTO fp_mutes AS m (pattern_id, user_id, until, reason)
    VALUES (fp_mute.pattern_id, fp_mute.for_user, fp_mute.until, fp_mute.reason)
    ON CONFLICT (pattern_id, user_id) DO UPDATE
        SET until = excluded.until, reason = excluded.reason, created_at = excluded.created_at;
END
$fn$;
COMMENT ON FUNCTION fp_mute(bigint, bigint, timestamptz, text) IS
    'a pattern raises no alert any more: for one user, or for all where for_user is NULL; until then, or for good';
REVOKE ALL ON FUNCTION fp_mute(bigint, bigint, timestamptz, text) FROM PUBLIC;

CREATE FUNCTION fp_unmute(pattern_id bigint, for_user bigint DEFAULT NULL)
    RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path FROM CURRENT
AS $fn$
#variable_conflict use_column
BEGIN
    DELETE FROM fp_mutes m
    WHERE m.pattern_id = fp_unmute.pattern_id AND m.user_id IS NOT DISTINCT FROM fp_unmute.for_user;
    RETURN FOUND;
END
$fn$;
COMMENT ON FUNCTION fp_unmute(bigint, bigint) IS 'ends what fp_mute began; false where there was nothing to end';
REVOKE ALL ON FUNCTION fp_unmute(bigint, bigint) FROM PUBLIC;

-- What was shown, and whether it helped.

CREATE FUNCTION fp_log_alert(pattern_ids bigint[], combo jsonb DEFAULT NULL,
                             job text DEFAULT NULL, for_user bigint DEFAULT NULL)
    RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path FROM CURRENT
AS $fn$
#variable_conflict use_column
DECLARE
    n integer;
BEGIN
    IF current_setting('failpat.log_alerts', true)::boolean IS NOT TRUE
       OR current_setting('transaction_read_only')::boolean THEN
        RETURN 0;
    END IF;
    INSERT INTO fp_alert_log (pattern_id, user_id, job, combo)
    SELECT p.id, fp_log_alert.for_user, fp_log_alert.job, fp_log_alert.combo
    FROM failure_patterns p WHERE p.id = ANY (fp_log_alert.pattern_ids);
    GET DIAGNOSTICS n = ROW_COUNT;
    RETURN n;
END
$fn$;
COMMENT ON FUNCTION fp_log_alert(bigint[], jsonb, text, bigint) IS
    'records that alerts were shown, where failpat.log_alerts is on; does nothing otherwise, or in a read-only transaction; returns their number';
REVOKE ALL ON FUNCTION fp_log_alert(bigint[], jsonb, text, bigint) FROM PUBLIC;
