-- The list over time: from what each look finds to failure_patterns.
--
-- A look mines the cubes of a window. What it finds that is new becomes a
-- candidate; buckets that begin after everything the look has seen then bear
-- evidence for or against it. Each bucket bears evidence once, when it has
-- closed, as it is then; what changes in it later (outcomes corrected,
-- history loaded late) changes counts, rates and status, never the e-value.

CREATE TABLE fp_evidence (
    pattern_id bigint PRIMARY KEY,
    rank bigint,
    promoted_through timestamptz,
    conditions jsonb NOT NULL,
    next_conditions jsonb,
    next_after timestamptz,
    inflation double precision NOT NULL DEFAULT 1,
    wealth double precision[] NOT NULL DEFAULT '{}',
    shown boolean NOT NULL,
    missed_since timestamptz,
    outside text,
    resolved_at timestamptz,
    resolved_through timestamptz
);
COMMENT ON TABLE fp_evidence IS 'evidence for each pattern since it was found';
COMMENT ON COLUMN fp_evidence.pattern_id IS 'the pattern';
COMMENT ON COLUMN fp_evidence.rank IS
    'which candidate of its source it is, 1, 2, ..., which decides what its e-value must reach; NULL while history is being loaded';
COMMENT ON COLUMN fp_evidence.promoted_through IS 'newest bucket that the look which found it had seen';
COMMENT ON COLUMN fp_evidence.conditions IS 'the conditions that are counted as evidence';
COMMENT ON COLUMN fp_evidence.next_conditions IS 'those that will be, where the range moved';
COMMENT ON COLUMN fp_evidence.next_after IS 'newest bucket that the look which moved it had seen';
COMMENT ON COLUMN fp_evidence.inflation IS 'by how much jobs inflate variances of what it covers';
COMMENT ON COLUMN fp_evidence.wealth IS 'logarithm of its e-value for each odds ratio that is bet on';
COMMENT ON COLUMN fp_evidence.shown IS 'whether it has ever been active';
COMMENT ON COLUMN fp_evidence.missed_since IS 'since when looks have not found it; NULL where the last one did';
COMMENT ON COLUMN fp_evidence.outside IS 'of which list its counts outside of what the others cover are';
COMMENT ON COLUMN fp_evidence.resolved_at IS 'when it was found to be resolved';
COMMENT ON COLUMN fp_evidence.resolved_through IS 'newest bucket that was seen then';

CREATE TABLE fp_pattern_buckets (
    pattern_id bigint,
    residual boolean,
    bucket timestamptz,
    trials bigint NOT NULL,
    failures bigint NOT NULL,
    all_trials bigint NOT NULL,
    all_failures bigint NOT NULL,
    stale boolean NOT NULL DEFAULT false,
    PRIMARY KEY (pattern_id, residual, bucket)
);
CREATE INDEX fp_pattern_buckets_bucket ON fp_pattern_buckets (bucket);
COMMENT ON TABLE fp_pattern_buckets IS 'counts of each pattern by bucket; can be counted again from fp_cubes at any time';
COMMENT ON COLUMN fp_pattern_buckets.pattern_id IS 'the pattern';
COMMENT ON COLUMN fp_pattern_buckets.residual IS 'whether observations that patterns found by the last look cover are left out';
COMMENT ON COLUMN fp_pattern_buckets.bucket IS 'start of the bucket';
COMMENT ON COLUMN fp_pattern_buckets.trials IS 'observations that meet its conditions';
COMMENT ON COLUMN fp_pattern_buckets.failures IS 'failures among them';
COMMENT ON COLUMN fp_pattern_buckets.all_trials IS 'all observations of the bucket';
COMMENT ON COLUMN fp_pattern_buckets.all_failures IS 'all failures of the bucket';
COMMENT ON COLUMN fp_pattern_buckets.stale IS 'whether the bucket has been counted anew since';

SELECT pg_catalog.pg_extension_config_dump('fp_evidence', '');
SELECT pg_catalog.pg_extension_config_dump('fp_pattern_buckets', '');
GRANT SELECT ON fp_evidence TO PUBLIC;

CREATE FUNCTION fp_pattern_counts(cube failure_cube, conditions jsonb[], outside jsonb[] DEFAULT '{}',
                                  OUT pattern integer, OUT trials bigint, OUT failures bigint,
                                  OUT all_trials bigint, OUT all_failures bigint)
    RETURNS SETOF record
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'failpat_sql_pattern_counts';
COMMENT ON FUNCTION fp_pattern_counts(failure_cube, jsonb[], jsonb[]) IS
    'counts of several combinations in a cube, by their number in the array; observations that meet one of outside are left out of all counts';

CREATE FUNCTION fp_wealth(wealth double precision[], trials bigint[], failures bigint[], all_trials bigint[],
                          all_failures bigint[], inflation double precision DEFAULT 1)
    RETURNS double precision[]
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'failpat_sql_wealth';
COMMENT ON FUNCTION fp_wealth(double precision[], bigint[], bigint[], bigint[], bigint[], double precision) IS
    'evidence so far ({} at the start) and that of further strata, by odds ratio, in logarithms; see fp_e_value';

CREATE FUNCTION fp_e_value(wealth double precision[])
    RETURNS double precision
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'failpat_sql_e_value';
COMMENT ON FUNCTION fp_e_value(double precision[]) IS
    'the e-value of evidence: without an effect it ever reaches x with probability 1/x at most';

CREATE FUNCTION fp_e_threshold(alpha double precision, rank bigint)
    RETURNS double precision
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'failpat_sql_e_threshold';
COMMENT ON FUNCTION fp_e_threshold(double precision, bigint) IS
    'what the e-value of a candidate must reach, by its rank, so that any is confirmed in error with probability alpha at most';

CREATE FUNCTION fp_course(trials bigint[], failures bigint[], all_trials bigint[], all_failures bigint[],
                          ratio double precision, inflation double precision DEFAULT 1,
                          confidence double precision DEFAULT 0.95,
                          OUT p_value double precision, OUT risk_ratio double precision,
                          OUT rr_lower double precision, OUT rr_upper double precision, OUT informative bigint,
                          OUT decline_e double precision, OUT decline_from integer, OUT decline_ratio double precision)
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'failpat_sql_course';
COMMENT ON FUNCTION fp_course(bigint[], bigint[], bigint[], bigint[], double precision, double precision, double precision) IS
    'a combination over buckets in order of time: test and risk ratio stratified by bucket, and the evidence that it has not been ratio times as likely to fail since some bucket';

CREATE FUNCTION fp_last_failure(source text, conditions jsonb, since timestamptz DEFAULT '-infinity')
    RETURNS timestamptz
    LANGUAGE plpgsql STABLE
    SET search_path FROM CURRENT
AS $fn$
#variable_conflict use_column
DECLARE
    c record;
    equal jsonb := '{}';
    ranges text := '';
    result timestamptz;
BEGIN
    FOR c IN SELECT e.key, e.value, d.kind FROM jsonb_each(conditions) e
             LEFT JOIN fp_dimensions d ON d.source = fp_last_failure.source AND d.name = e.key LOOP
        IF c.value ? 'count' AND jsonb_typeof(c.value) = 'object' THEN
            ranges := ranges || format(' AND fp_conditions_met(o.dims, %L)', jsonb_build_object(c.key, c.value));
        ELSIF jsonb_typeof(c.value) = 'object' THEN
            IF c.value ? 'min' THEN
                ranges := ranges || format(' AND (o.dims ->> %L)::numeric >= %L::numeric', c.key, c.value ->> 'min');
            END IF;
            IF c.value ? 'max' THEN
                ranges := ranges || format(' AND (o.dims ->> %L)::numeric <= %L::numeric', c.key, c.value ->> 'max');
            END IF;
        ELSIF c.kind = 'set' AND jsonb_typeof(c.value) <> 'array' THEN
            equal := equal || jsonb_build_object(c.key, jsonb_build_array(c.value));
        ELSE
            equal := equal || jsonb_build_object(c.key, c.value);
        END IF;
    END LOOP;
    EXECUTE 'SELECT o.observed_at FROM fp_observations o WHERE o.source = $1 AND o.failed AND o.dims @> $2 AND o.observed_at >= $3'
            || ranges || ' ORDER BY o.observed_at DESC LIMIT 1'
        INTO result USING fp_last_failure.source, equal, fp_last_failure.since;
    RETURN result;
END
$fn$;
COMMENT ON FUNCTION fp_last_failure(text, jsonb, timestamptz) IS 'time of the newest failure that meets the conditions';
REVOKE ALL ON FUNCTION fp_last_failure(text, jsonb, timestamptz) FROM PUBLIC;

-- Buckets that have closed and have not been counted yet: evidence. A bucket
-- is closed when its time is over and there are observations of a newer one.
CREATE FUNCTION fp_count_evidence(source text, through timestamptz)
    RETURNS void
    LANGUAGE plpgsql
    SET search_path FROM CURRENT
AS $fn$
#variable_conflict use_column
DECLARE
    src fp_sources;
    c record;
    ids bigint[];
    conds jsonb[];
    counted timestamptz;
BEGIN
    -- before the first look, and while history is being loaded, nothing counts
    IF NOT EXISTS (SELECT FROM fp_source_state t WHERE t.source = fp_count_evidence.source AND t.looked_through IS NOT NULL) THEN
        RETURN;
    END IF;
    SELECT * INTO src FROM fp_sources s WHERE s.source = fp_count_evidence.source;
    FOR c IN SELECT x.bucket, x.cube FROM fp_cubes x
             WHERE x.source = src.source AND x.bucket <= fp_count_evidence.through
               AND x.bucket > coalesce((SELECT t.counted_through FROM fp_source_state t WHERE t.source = src.source), '-infinity')
               AND x.bucket < (SELECT max(n.bucket) FROM fp_cubes n WHERE n.source = src.source)
               AND x.bucket + src.bucket <= now()
             ORDER BY x.bucket LOOP
        counted := c.bucket;
        -- what is counted was decided before the bucket began
        UPDATE fp_evidence e SET conditions = e.next_conditions, next_conditions = NULL, next_after = NULL
        FROM failure_patterns f
        WHERE f.id = e.pattern_id AND f.source = src.source AND e.next_after < c.bucket;
        SELECT array_agg(e.pattern_id ORDER BY e.pattern_id), array_agg(e.conditions ORDER BY e.pattern_id) INTO ids, conds
        FROM fp_evidence e JOIN failure_patterns f ON f.id = e.pattern_id
        WHERE f.source = src.source AND e.promoted_through < c.bucket;
        CONTINUE WHEN ids IS NULL;
        UPDATE fp_evidence e
        SET wealth = fp_wealth(e.wealth, ARRAY[n.trials], ARRAY[n.failures], ARRAY[n.all_trials], ARRAY[n.all_failures], e.inflation)
        FROM fp_pattern_counts(c.cube, conds) n
        WHERE e.pattern_id = ids[n.pattern] AND n.trials > 0;
        UPDATE failure_patterns f SET confirmed_at = clock_timestamp(), e_value = fp_e_value(e.wealth)
        FROM fp_evidence e
        WHERE e.pattern_id = f.id AND f.id = ANY (ids) AND f.confirmed_at IS NULL
          AND fp_e_value(e.wealth) >= fp_e_threshold(src.alpha, e.rank);
    END LOOP;
    IF counted IS NOT NULL THEN
        UPDATE fp_source_state t SET counted_through = counted WHERE t.source = src.source;
        UPDATE failure_patterns f SET e_value = fp_e_value(e.wealth)
        FROM fp_evidence e
        WHERE e.pattern_id = f.id AND f.source = src.source AND f.e_value IS DISTINCT FROM fp_e_value(e.wealth);
    END IF;
END
$fn$;
COMMENT ON FUNCTION fp_count_evidence(text, timestamptz) IS
    'counts the buckets that have closed as evidence for or against each candidate, each bucket once';
REVOKE ALL ON FUNCTION fp_count_evidence(text, timestamptz) FROM PUBLIC;

-- What the confounders of a pattern, as fp_patterns has them, leave open.
CREATE FUNCTION fp_caveat(source text, confounders jsonb)
    RETURNS text
    LANGUAGE plpgsql STABLE
    SET search_path FROM CURRENT
AS $fn$
#variable_conflict use_column
DECLARE
    known jsonb; -- as conditions: values that most of its observations have
    names text[];
BEGIN
    SELECT jsonb_object_agg(c.value ->> 'dimension', c.value -> 'value') INTO known
    FROM jsonb_array_elements(confounders) c
    JOIN fp_dimensions d ON d.source = fp_caveat.source AND d.name = c.value ->> 'dimension' AND d.kind <> 'ordinal'
    WHERE c.value ->> 'verdict' = 'not identifiable' AND c.value -> 'value' NOT IN ('null', '[]')
      AND (c.value ->> 'share')::double precision >= 0.5;
    IF known IS NOT NULL THEN
        names := ARRAY[regexp_replace(fp_pattern_text(known, fp_condition_words(fp_caveat.source, known)), ' fails$', '')];
    END IF;
    SELECT names || array_agg(format('certain values of %s', d.title) ORDER BY d.position) INTO names
    FROM jsonb_array_elements(confounders) c
    JOIN fp_dimensions d ON d.source = fp_caveat.source AND d.name = c.value ->> 'dimension'
    WHERE c.value ->> 'verdict' = 'not identifiable' AND NOT coalesce(known ? d.name, false);
    RETURN 'Mostly used with ' || array_to_string(nullif(names, '{}'), ' and ') || ': which of them is the cause cannot be told.';
END
$fn$;
COMMENT ON FUNCTION fp_caveat(text, jsonb) IS
    'what the confounders of a pattern, as fp_patterns has them, leave open, in words; NULL where they leave nothing open';

-- A look. The last one of a refresh (final) sees everything and sets what is
-- shown; those before it, in a replay, only promote candidates.
CREATE FUNCTION fp_look(source text, through timestamptz, final boolean)
    RETURNS bigint[]
    LANGUAGE plpgsql
    SET search_path FROM CURRENT
AS $fn$
#variable_conflict use_column
DECLARE
    src fp_sources;
    buckets timestamptz[];
    found_ids bigint[] := '{}';
    p record;
    words jsonb;
    key text;
    sentence text;
    pid bigint;
    known boolean;
    promotes boolean;
    next_rank bigint;
BEGIN
    SELECT * INTO src FROM fp_sources s WHERE s.source = fp_look.source;
    IF NOT FOUND OR fp_look.through IS NULL OR fp_look.final IS NULL THEN
        RAISE invalid_parameter_value USING
            MESSAGE = format('there is no source %s, or nothing to look through: through %s, final %s',
                             coalesce(quote_ident(fp_look.source), 'NULL'), coalesce(fp_look.through::text, 'NULL'), coalesce(fp_look.final::text, 'NULL'));
    END IF;
    -- while history is being loaded nothing is promoted: it will be replayed
    SELECT t.backfill_done OR t.looked_through IS NOT NULL, t.promoted + 1 INTO promotes, next_rank
    FROM fp_source_state t WHERE t.source = src.source;
    SELECT array_agg(c.bucket ORDER BY c.bucket) INTO buckets FROM fp_cubes c
    WHERE c.source = src.source AND c.bucket <= fp_look.through
      AND c.bucket > CASE WHEN final THEN now() - src.bucket ELSE fp_look.through END - src.window_length;
    -- a pattern that is exactly what it was comes before one whose range moved
    FOR p IN SELECT m.*, m.conditions AS cond, fp_pattern_identity(m.conditions) AS identity
             FROM fp_mine_window(src.source, coalesce(buckets, '{}'), src.max_arity, src.alpha, src.min_trials, src.min_risk_ratio) m
             ORDER BY NOT EXISTS (SELECT FROM failure_patterns f
                                  WHERE f.source = src.source AND f.conditions = m.conditions), m.p_value, m.pattern_key COLLATE "C" LOOP
        words := fp_condition_words(src.source, p.cond);
        key := CASE WHEN src.source = 'segments' THEN '' ELSE src.source || '/' END || fp_pattern_key(p.cond, words);
        sentence := fp_pattern_text(p.cond, words);
        SELECT f.id INTO pid FROM failure_patterns f
        WHERE f.source = src.source AND f.id <> ALL (found_ids)
          AND (fp_pattern_identity(f.conditions) = p.identity OR f.conditions IS NULL AND f.pattern_key = key
               -- the same observations by another name
               OR f.status = 'active' AND fp_pattern_identity(f.conditions) IN (
                   SELECT fp_pattern_identity(a.value) FROM jsonb_array_elements(p.same_as) a))
        ORDER BY f.conditions = p.cond DESC NULLS LAST, fp_pattern_identity(f.conditions) = p.identity DESC NULLS LAST,
            f.status = 'active' DESC, f.id LIMIT 1;
        known := FOUND;
        IF NOT known THEN
            pid := nextval('failure_patterns_id_seq');
        END IF;
        IF final OR NOT known THEN
            -- a key that another pattern had until its range moved
            UPDATE failure_patterns f SET pattern_key = f.pattern_key || '#' || f.id
            WHERE f.pattern_key = key AND f.id <> pid;
            DELETE FROM fp_pattern_buckets l USING failure_patterns f
            WHERE l.pattern_id = pid AND f.id = pid AND (l.residual OR f.conditions IS DISTINCT FROM p.cond);
            INSERT INTO failure_patterns AS f (id, source, pattern_key, description, conditions,
                dimension_workflow_id, dimension_model_id, dimension_lora_id, dimension_character_id, dimension_scene_type_id,
                dimension_segment_position, failure_count, total_count, failure_rate, rate_lower, rate_upper, baseline_rate,
                risk_ratio, rr_lower, rr_upper, p_value, q_value, severity, caveat, status, first_detected_at)
            VALUES (pid, src.source, key, sentence, p.cond,
                fp_condition_id(p.cond, 'workflow'), fp_condition_id(p.cond, 'model'), fp_condition_id(p.cond, 'lora'),
                coalesce(fp_condition_id(p.cond, 'character'), fp_condition_id(p.cond, 'avatar')), fp_condition_id(p.cond, 'scene_type'),
                CASE WHEN p.cond ? 'segment_position' THEN
                    regexp_replace(fp_pattern_key(jsonb_build_object('segment_position', p.cond -> 'segment_position')), '^sp:', '') END,
                least(p.failures, 2147483647), least(p.trials, 2147483647), p.rate, p.lower, p.upper, p.baseline_rate,
                p.risk_ratio, p.rr_lower, p.rr_upper, p.p_value, p.q_value, p.severity, fp_caveat(src.source, p.confounders),
                CASE WHEN final THEN 'active' ELSE 'inactive' END, clock_timestamp())
            ON CONFLICT (id) DO UPDATE SET
                pattern_key = excluded.pattern_key, description = excluded.description, conditions = excluded.conditions,
                dimension_workflow_id = excluded.dimension_workflow_id, dimension_model_id = excluded.dimension_model_id,
                dimension_lora_id = excluded.dimension_lora_id, dimension_character_id = excluded.dimension_character_id,
                dimension_scene_type_id = excluded.dimension_scene_type_id,
                dimension_segment_position = excluded.dimension_segment_position,
                failure_count = excluded.failure_count, total_count = excluded.total_count, failure_rate = excluded.failure_rate,
                rate_lower = excluded.rate_lower, rate_upper = excluded.rate_upper, baseline_rate = excluded.baseline_rate,
                risk_ratio = excluded.risk_ratio, rr_lower = excluded.rr_lower, rr_upper = excluded.rr_upper,
                p_value = excluded.p_value, q_value = excluded.q_value, severity = excluded.severity, caveat = excluded.caveat,
                status = CASE f.status WHEN 'inactive' THEN 'active' ELSE f.status END;
        END IF;
        INSERT INTO fp_evidence AS e (pattern_id, conditions, inflation, shown)
        VALUES (pid, p.cond, coalesce(p.inflation, 1), final)
        ON CONFLICT (pattern_id) DO UPDATE SET
            shown = e.shown OR final,
            missed_since = CASE WHEN final THEN NULL ELSE e.missed_since END,
            outside = CASE WHEN final THEN NULL ELSE e.outside END,
            next_conditions = CASE WHEN e.conditions <> p.cond THEN p.cond END,
            -- the earliest look that wanted these conditions
            next_after = CASE WHEN e.conditions <> p.cond THEN
                CASE WHEN e.next_conditions = p.cond THEN e.next_after ELSE fp_look.through END END;
        IF promotes THEN
            UPDATE fp_evidence e SET rank = next_rank, promoted_through = fp_look.through, inflation = coalesce(p.inflation, 1),
                conditions = p.cond, next_conditions = NULL, next_after = NULL
            WHERE e.pattern_id = pid AND e.rank IS NULL;
            IF FOUND THEN
                next_rank := next_rank + 1;
                UPDATE failure_patterns f SET e_value = 1 WHERE f.id = pid;
            END IF;
        END IF;
        found_ids := found_ids || pid;
    END LOOP;
    UPDATE fp_source_state t
    SET promoted = next_rank - 1, looked_through = CASE WHEN promotes THEN fp_look.through ELSE t.looked_through END
    WHERE t.source = src.source;
    RETURN found_ids;
END
$fn$;
COMMENT ON FUNCTION fp_look(text, timestamptz, boolean) IS
    'mines the window that ends with a bucket and puts what is found into failure_patterns; returns the ids';
REVOKE ALL ON FUNCTION fp_look(text, timestamptz, boolean) FROM PUBLIC;

CREATE FUNCTION fp_refresh_look(source text)
    RETURNS bigint
    LANGUAGE plpgsql
    SET search_path FROM CURRENT
AS $fn$
#variable_conflict use_column
DECLARE
    src fp_sources;
    state fp_source_state;
    seen numeric;
    total numeric;
    look timestamptz;
BEGIN
    src := fp_refresh_source(fp_refresh_look.source);
    SELECT * INTO state FROM fp_source_state t WHERE t.source = fp_refresh_look.source;
    IF state.looked_through IS NULL AND NOT coalesce(state.backfill_done, false) THEN
        RETURN 0;
    END IF;
    SELECT coalesce(sum(c.observations) FILTER (WHERE c.bucket <= state.looked_through), 0), coalesce(sum(c.observations), 0)
    INTO seen, total FROM fp_cubes c WHERE c.source = src.source;
    -- when as much again has come, or a third of a window has passed; not
    -- where the look at everything, which comes next, would see little more
    SELECT x.bucket INTO look
    FROM (SELECT c.bucket, sum(c.observations) OVER (ORDER BY c.bucket) AS so_far, max(c.bucket) OVER () AS newest
          FROM fp_cubes c WHERE c.source = src.source) x
    WHERE (state.looked_through IS NULL OR x.bucket > state.looked_through)
      AND x.bucket < x.newest AND x.bucket + src.bucket <= now()
      AND (x.so_far >= greatest(2 * seen, 500) AND 3 * x.so_far <= 2 * total
           OR x.bucket >= state.looked_through + src.window_length / 3)
    ORDER BY x.bucket LIMIT 1;
    IF look IS NULL THEN
        RETURN 0;
    END IF;
    PERFORM fp_count_evidence(src.source, look);
    PERFORM fp_look(src.source, look, false);
    RETURN 1;
EXCEPTION WHEN OTHERS THEN
    PERFORM fp_refresh_error(fp_refresh_look.source, SQLERRM);
    RETURN 0;
END
$fn$;
COMMENT ON FUNCTION fp_refresh_look(text) IS
    'step of a refresh: replays history, so that what it shows for long is promoted early and confirmed by the rest; 0 when there is nothing to replay';
REVOKE ALL ON FUNCTION fp_refresh_look(text) FROM PUBLIC;

CREATE FUNCTION fp_count_buckets(source text, found_ids bigint[])
    RETURNS void
    LANGUAGE plpgsql
    SET search_path FROM CURRENT
AS $fn$
#variable_conflict use_column
DECLARE
    src fp_sources;
    start timestamptz;
    others jsonb[];
    basis text;
    changed jsonb := '{}';
    c record;
    l record;
BEGIN
    SELECT * INTO src FROM fp_sources s WHERE s.source = fp_count_buckets.source;
    start := now() - src.window_length - src.bucket;
    DELETE FROM fp_pattern_buckets b USING failure_patterns f
    WHERE b.pattern_id = f.id AND f.source = src.source AND (b.bucket <= start OR f.status = 'inactive');
    others := ARRAY(SELECT f.conditions FROM failure_patterns f WHERE f.id = ANY (found_ids) ORDER BY f.id);
    basis := md5(others::text);
    DELETE FROM fp_pattern_buckets b USING failure_patterns f, fp_evidence e
    WHERE b.pattern_id = f.id AND e.pattern_id = f.id AND f.source = src.source AND b.residual
      AND e.outside IS DISTINCT FROM basis;
    UPDATE fp_evidence e SET outside = basis FROM failure_patterns f
    WHERE f.id = e.pattern_id AND f.source = src.source AND f.status = 'active' AND f.id <> ALL (found_ids)
      AND e.outside IS DISTINCT FROM basis;
    FOR c IN
        WITH wanted AS (
            SELECT f.id, f.conditions, r.residual
            FROM failure_patterns f JOIN fp_evidence e ON e.pattern_id = f.id
            CROSS JOIN (VALUES (false), (true)) AS r (residual)
            WHERE f.source = src.source AND f.status <> 'inactive'
              AND (NOT r.residual OR f.status = 'active' AND f.id <> ALL (found_ids)))
        SELECT x.bucket, w.residual, array_agg(w.id ORDER BY w.id) AS ids, array_agg(w.conditions ORDER BY w.id) AS conds
        FROM fp_cubes x CROSS JOIN wanted w
        LEFT JOIN fp_pattern_buckets b ON b.pattern_id = w.id AND b.residual = w.residual AND b.bucket = x.bucket
        WHERE x.source = src.source AND x.bucket > start AND (b.pattern_id IS NULL OR b.stale)
        GROUP BY x.bucket, w.residual
        ORDER BY x.bucket, w.residual
    LOOP
        FOR l IN
            SELECT c.ids[n.pattern] AS id, n.*, b.failures AS before
            FROM fp_cubes x
            CROSS JOIN LATERAL fp_pattern_counts(x.cube, c.conds, CASE WHEN c.residual THEN others ELSE '{}' END) n
            LEFT JOIN fp_pattern_buckets b ON b.pattern_id = c.ids[n.pattern] AND b.residual = c.residual AND b.bucket = c.bucket
            WHERE x.source = src.source AND x.bucket = c.bucket
        LOOP
            INSERT INTO fp_pattern_buckets AS b (pattern_id, residual, bucket, trials, failures, all_trials, all_failures)
            VALUES (l.id, c.residual, c.bucket, l.trials, l.failures, l.all_trials, l.all_failures)
            ON CONFLICT (pattern_id, residual, bucket) DO UPDATE SET
                trials = excluded.trials, failures = excluded.failures,
                all_trials = excluded.all_trials, all_failures = excluded.all_failures, stale = false;
            IF NOT c.residual AND l.failures > 0 AND l.failures IS DISTINCT FROM l.before THEN
                -- buckets come in order: the newest one stays
                changed := changed || jsonb_build_object(l.id::text, c.bucket);
            END IF;
        END LOOP;
    END LOOP;
    -- the day covers what clocks put back do to a bucket
    UPDATE failure_patterns f
    SET last_occurrence = fp_last_failure(src.source, f.conditions, n.bucket - interval '1 day')
    FROM (SELECT b.pattern_id, max(b.bucket) AS bucket FROM fp_pattern_buckets b
          WHERE NOT b.residual AND b.failures > 0 AND changed ? b.pattern_id::text GROUP BY b.pattern_id) n
    WHERE f.id = n.pattern_id AND n.bucket = (changed ->> f.id::text)::timestamptz;
END
$fn$;
COMMENT ON FUNCTION fp_count_buckets(text, bigint[]) IS
    'counts patterns in those buckets of the window in which they have not been counted; those not found by the last look also outside of what the found ones cover';
REVOKE ALL ON FUNCTION fp_count_buckets(text, bigint[]) FROM PUBLIC;

-- What the counts say of each pattern that has been shown: does it still hold?
CREATE FUNCTION fp_judge(source text, found_ids bigint[])
    RETURNS void
    LANGUAGE plpgsql
    SET search_path FROM CURRENT
AS $fn$
#variable_conflict use_column
DECLARE
    src fp_sources;
    newest timestamptz;
    p record;
    now_is text;
    course record;
    rest record;
BEGIN
    SELECT * INTO src FROM fp_sources s WHERE s.source = fp_judge.source;
    SELECT max(c.bucket) INTO newest FROM fp_cubes c WHERE c.source = src.source;
    FOR p IN
        SELECT f.id, f.status, f.conditions, e.inflation, e.resolved_through, f.id = ANY (found_ids) AS found,
            greatest(f.rr_lower, src.min_risk_ratio, 1.01) AS elevated, n.*, r.res_trials, r.res_failures, r.res_all_trials, r.res_all_failures,
            again.e AS again
        FROM failure_patterns f JOIN fp_evidence e ON e.pattern_id = f.id
        CROSS JOIN LATERAL (
            SELECT array_agg(b.trials ORDER BY b.bucket) AS trials, array_agg(b.failures ORDER BY b.bucket) AS failures,
                array_agg(b.all_trials ORDER BY b.bucket) AS all_trials, array_agg(b.all_failures ORDER BY b.bucket) AS all_failures,
                coalesce(sum(b.trials), 0)::bigint AS n, coalesce(sum(b.failures), 0)::bigint AS f,
                coalesce(sum(b.all_trials), 0)::bigint AS big_n, coalesce(sum(b.all_failures), 0)::bigint AS big_f
            FROM fp_pattern_buckets b WHERE b.pattern_id = f.id AND NOT b.residual) n
        CROSS JOIN LATERAL (
            SELECT array_agg(b.trials ORDER BY b.bucket) AS res_trials, array_agg(b.failures ORDER BY b.bucket) AS res_failures,
                array_agg(b.all_trials ORDER BY b.bucket) AS res_all_trials, array_agg(b.all_failures ORDER BY b.bucket) AS res_all_failures
            FROM fp_pattern_buckets b WHERE b.pattern_id = f.id AND b.residual) r
        CROSS JOIN LATERAL (
            SELECT fp_e_value(fp_wealth('{}', array_agg(b.trials ORDER BY b.bucket), array_agg(b.failures ORDER BY b.bucket),
                                        array_agg(b.all_trials ORDER BY b.bucket), array_agg(b.all_failures ORDER BY b.bucket), e.inflation)) AS e
            FROM fp_pattern_buckets b
            WHERE f.status = 'resolved' AND b.pattern_id = f.id AND NOT b.residual AND b.bucket > e.resolved_through AND b.bucket < newest) again
        WHERE f.source = src.source AND f.status <> 'inactive'
        ORDER BY f.id
    LOOP
        now_is := p.status;
        SELECT * INTO course FROM fp_course(coalesce(p.trials, '{}'), coalesce(p.failures, '{}'), coalesce(p.all_trials, '{}'),
                                            coalesce(p.all_failures, '{}'), p.elevated, p.inflation);
        IF p.status = 'resolved' THEN
            IF p.again >= 1 / src.alpha OR p.found AND p.resolved_through < now() - src.window_length - src.bucket THEN
                now_is := 'active'; -- it is back
            END IF;
        ELSIF course.decline_e >= 1 / src.alpha AND course.decline_ratio <= src.min_risk_ratio THEN
            now_is := 'resolved';
        END IF;
        IF now_is = 'active' AND NOT p.found THEN
            IF p.n < greatest(src.min_trials / 2, 1) THEN
                now_is := 'inactive'; -- its data have left the window
            ELSIF course.rr_upper < src.min_risk_ratio THEN
                now_is := 'resolved';
            ELSE
                SELECT * INTO rest FROM fp_course(coalesce(p.res_trials, '{}'), coalesce(p.res_failures, '{}'),
                    coalesce(p.res_all_trials, '{}'), coalesce(p.res_all_failures, '{}'), p.elevated, p.inflation);
                IF rest.informative = 0 OR rest.p_value > src.alpha THEN
                    now_is := 'inactive'; -- what is found says as much, or nothing is left of it
                END IF;
            END IF;
        END IF;
        IF NOT p.found THEN
            UPDATE fp_evidence e SET missed_since = clock_timestamp() WHERE e.pattern_id = p.id AND e.missed_since IS NULL;
            IF p.n > 0 THEN
                UPDATE failure_patterns f SET failure_count = least(p.f, 2147483647), total_count = least(p.n, 2147483647),
                    failure_rate = c.rate, rate_lower = c.lower, rate_upper = c.upper, baseline_rate = p.big_f::float8 / p.big_n,
                    risk_ratio = nullif(r.ratio, 'NaN'), rr_lower = r.ratio_lower, rr_upper = r.ratio_upper
                FROM fp_rate_ci(p.f, p.n) c, fp_compare_rates(p.f, p.n, p.big_f - p.f, p.big_n - p.n) r
                WHERE f.id = p.id;
            END IF;
        END IF;
        IF now_is <> p.status THEN
            UPDATE failure_patterns f SET status = now_is WHERE f.id = p.id;
            IF now_is = 'resolved' THEN
                UPDATE fp_evidence e SET resolved_at = clock_timestamp(), resolved_through = newest WHERE e.pattern_id = p.id;
            ELSIF p.status = 'resolved' THEN
                UPDATE fp_evidence e SET resolved_at = NULL, resolved_through = NULL WHERE e.pattern_id = p.id;
            END IF;
        END IF;
    END LOOP;
    -- what a replay found and what does not hold at its end has never been there
    DELETE FROM failure_patterns f USING fp_evidence e
    WHERE e.pattern_id = f.id AND f.source = src.source AND NOT e.shown AND f.status = 'inactive';
    UPDATE fp_evidence e SET shown = true FROM failure_patterns f
    WHERE f.id = e.pattern_id AND f.source = src.source AND NOT e.shown;
    -- whole buckets, so that it does not change while nothing comes in
    UPDATE failure_patterns f SET excess_per_week = x.excess, excess_per_week_lower = x.least
    FROM (SELECT p.id, (p.failure_count - p.total_count * r.rest) / w.weeks AS excess,
              greatest(p.total_count * (p.rate_lower - r.rest), 0) / w.weeks AS least
          FROM failure_patterns p
          LEFT JOIN (SELECT extract(epoch FROM max(c.bucket) + src.bucket - min(c.bucket)) / 604800.0::float8 AS weeks
                     FROM fp_cubes c
                     WHERE c.source = src.source AND c.bucket > now() - src.bucket - src.window_length) w ON p.status <> 'inactive'
          CROSS JOIN LATERAL (SELECT CASE WHEN p.risk_ratio = 'Infinity' THEN 0 WHEN p.risk_ratio > 0 THEN p.failure_rate / p.risk_ratio
                                  ELSE p.baseline_rate END AS rest) r
          WHERE p.source = src.source AND p.conditions IS NOT NULL) x
    WHERE f.id = x.id AND (f.excess_per_week, f.excess_per_week_lower) IS DISTINCT FROM (x.excess, x.least);
END
$fn$;
COMMENT ON FUNCTION fp_judge(text, bigint[]) IS
    'sets status: resolved where a pattern is no longer elevated, inactive where its data have left the window or what was found says as much, active again where it recurs; a pattern that a look merely misses stays active';
REVOKE ALL ON FUNCTION fp_judge(text, bigint[]) FROM PUBLIC;

-- What a look sees and what it found. Where that is what it was, another look
-- would find the same.
CREATE FUNCTION fp_look_state(source text, OUT state text, OUT found_ids bigint[])
    LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT md5(concat_ws(' ', s.max_arity, s.alpha, s.min_trials, s.min_risk_ratio, t.backfill_done OR t.looked_through IS NOT NULL,
            current_setting('failpat.severity_min_trials', true), current_setting('failpat.severity_high_rate', true),
            current_setting('failpat.severity_medium_rate', true), current_setting('failpat.severity_high_ratio', true),
            current_setting('failpat.severity_high_ratio_rate', true), current_setting('failpat.severity_medium_ratio', true),
            current_setting('failpat.severity_medium_ratio_rate', true),
            c.seen, f.found)), f.ids
    FROM fp_sources s JOIN fp_source_state t ON t.source = s.source
    CROSS JOIN LATERAL (
        SELECT string_agg(extract(epoch FROM x.bucket) || ':' || extract(epoch FROM x.refreshed_at), ',' ORDER BY x.bucket) AS seen
        FROM fp_cubes x WHERE x.source = s.source AND x.bucket > now() - s.bucket - s.window_length) c
    CROSS JOIN LATERAL (
        SELECT coalesce(array_agg(p.id ORDER BY p.id), '{}') AS ids, string_agg(p.id || ':' || p.conditions, ',' ORDER BY p.id) AS found
        FROM failure_patterns p JOIN fp_evidence e ON e.pattern_id = p.id
        WHERE p.source = s.source AND e.shown AND e.missed_since IS NULL AND p.status <> 'inactive') f
    WHERE s.source = fp_look_state.source;
END;
COMMENT ON FUNCTION fp_look_state(text) IS 'what a look would see now, as a hash, and the patterns that the last one found';
REVOKE ALL ON FUNCTION fp_look_state(text) FROM PUBLIC;

CREATE FUNCTION fp_refresh_patterns(source text)
    RETURNS bigint
    LANGUAGE plpgsql
    SET search_path FROM CURRENT
AS $fn$
#variable_conflict use_column
DECLARE
    newest timestamptz;
    found_ids bigint[];
    seen text;
BEGIN
    PERFORM fp_refresh_lock(fp_refresh_patterns.source, true);
    SELECT max(c.bucket) INTO newest FROM fp_cubes c WHERE c.source = fp_refresh_patterns.source;
    IF newest IS NULL THEN
        found_ids := '{}';
    ELSE
        PERFORM fp_count_evidence(fp_refresh_patterns.source, newest);
        SELECT l.state, l.found_ids INTO seen, found_ids FROM fp_look_state(fp_refresh_patterns.source) l;
        IF seen IS DISTINCT FROM (SELECT t.look_state FROM fp_source_state t WHERE t.source = fp_refresh_patterns.source) THEN
            found_ids := fp_look(fp_refresh_patterns.source, newest, true);
        END IF;
    END IF;
    -- found and confirmed in a replay, missed at its end: as if shown since
    UPDATE failure_patterns f SET status = 'active' FROM fp_evidence e
    WHERE e.pattern_id = f.id AND f.source = fp_refresh_patterns.source AND NOT e.shown AND f.confirmed_at IS NOT NULL;
    PERFORM fp_count_buckets(fp_refresh_patterns.source, found_ids);
    PERFORM fp_judge(fp_refresh_patterns.source, found_ids);
    UPDATE fp_source_state t
    SET refreshed_at = clock_timestamp(),
        refresh_ms = extract(epoch FROM clock_timestamp() - t.refresh_started_at) * 1000,
        look_state = (SELECT l.state FROM fp_look_state(fp_refresh_patterns.source) l)
    WHERE t.source = fp_refresh_patterns.source;
    RETURN cardinality(found_ids);
EXCEPTION WHEN OTHERS THEN
    PERFORM fp_refresh_error(fp_refresh_patterns.source, SQLERRM);
    RETURN 0;
END
$fn$;
COMMENT ON FUNCTION fp_refresh_patterns(text) IS
    'step of a refresh: mines the window and brings failure_patterns up to date; returns the number found';
REVOKE ALL ON FUNCTION fp_refresh_patterns(text) FROM PUBLIC;
