-- Prediction: how likely a combination fails, and whether a retry helps.

CREATE TABLE fp_models (
    source text COLLATE "C" PRIMARY KEY,
    fitted_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    fit_ms double precision,
    since timestamptz NOT NULL,
    until timestamptz NOT NULL,
    trials bigint NOT NULL,
    failures bigint NOT NULL,
    seen text NOT NULL,
    dispersion double precision NOT NULL,
    unmodelled double precision NOT NULL,
    dimensions jsonb NOT NULL,
    max_items integer NOT NULL,
    jobs jsonb NOT NULL,
    attempts jsonb NOT NULL
);
COMMENT ON TABLE fp_models IS 'the model of each source by which fp_predict answers; fitted by refresh';
COMMENT ON COLUMN fp_models.source IS 'name of the source';
COMMENT ON COLUMN fp_models.fitted_at IS 'when it was fitted';
COMMENT ON COLUMN fp_models.fit_ms IS 'how long that took, in milliseconds';
COMMENT ON COLUMN fp_models.since IS 'start of the first bucket that it knows';
COMMENT ON COLUMN fp_models.until IS 'start of the last one';
COMMENT ON COLUMN fp_models.trials IS 'observations that it was fitted to';
COMMENT ON COLUMN fp_models.failures IS 'failures among them';
COMMENT ON COLUMN fp_models.seen IS 'what it was fitted to, as a hash';
COMMENT ON COLUMN fp_models.dispersion IS 'by how much jobs inflate variances, 1: not at all';
COMMENT ON COLUMN fp_models.unmodelled IS 'variance, on the log-odds, of what pairs of values do that the model has no term for';
COMMENT ON COLUMN fp_models.dimensions IS 'per dimension: kind, mean and variance of its effects over all observations, variance of a new value''s effect';
COMMENT ON COLUMN fp_models.max_items IS 'most values that a term has';
COMMENT ON COLUMN fp_models.jobs IS 'how alike observations of one job are: weights of their correlation';
COMMENT ON COLUMN fp_models.attempts IS 'how alike attempts at the same combination in one job are: weights of their correlation';

CREATE TABLE fp_model_terms (
    source text COLLATE "C" NOT NULL,
    term integer NOT NULL,
    kind text NOT NULL,
    key bigint NOT NULL,
    conditions jsonb NOT NULL,
    since timestamptz,
    label text,
    effect double precision NOT NULL,
    variance double precision NOT NULL,
    trials bigint NOT NULL,
    failures bigint NOT NULL,
    neighbours integer[] NOT NULL DEFAULT '{}',
    covariances double precision[] NOT NULL DEFAULT '{}',
    PRIMARY KEY (source, term)
);
CREATE INDEX fp_model_terms_key ON fp_model_terms (source, key);
COMMENT ON TABLE fp_model_terms IS
    'the terms of each model: their effects add up to the log-odds of a failure';
COMMENT ON COLUMN fp_model_terms.source IS 'name of the source';
COMMENT ON COLUMN fp_model_terms.term IS 'number of the term, 0 the intercept';
COMMENT ON COLUMN fp_model_terms.kind IS
    'intercept, value, member (of a set), count (of members), level (of an ordinal), recent, pattern (a known one), pair (of the kinds before)';
COMMENT ON COLUMN fp_model_terms.key IS 'hash of the values in the conditions; terms are looked up by it';
COMMENT ON COLUMN fp_model_terms.conditions IS 'what an observation must meet; null: not recorded';
COMMENT ON COLUMN fp_model_terms.since IS 'only observations since then have it';
COMMENT ON COLUMN fp_model_terms.label IS 'the conditions in words';
COMMENT ON COLUMN fp_model_terms.effect IS 'what it adds to the log-odds of a failure';
COMMENT ON COLUMN fp_model_terms.variance IS 'posterior variance of the effect';
COMMENT ON COLUMN fp_model_terms.trials IS 'observations that have it (about, above 300,000 distinct combinations)';
COMMENT ON COLUMN fp_model_terms.failures IS 'failures among them';
COMMENT ON COLUMN fp_model_terms.neighbours IS 'terms whose effects are correlated with this one''s';
COMMENT ON COLUMN fp_model_terms.covariances IS 'the covariances';

SELECT pg_catalog.pg_extension_config_dump('fp_models', '');
SELECT pg_catalog.pg_extension_config_dump('fp_model_terms', '');

CREATE FUNCTION fp_fit_model(cubes failure_cube[], patterns jsonb[] DEFAULT '{}')
    RETURNS jsonb
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 1000000 AS 'MODULE_PATHNAME', 'failpat_fit_model';
COMMENT ON FUNCTION fp_fit_model(failure_cube[], jsonb[]) IS
    'fits a model to cubes in order of time, with known patterns among its terms; NULL where there are no observations';

CREATE FUNCTION fp_save_model(source text)
    RETURNS integer
    LANGUAGE plpgsql
    SET search_path FROM CURRENT
AS $fn$
#variable_conflict use_column
DECLARE
    src fp_sources;
    started timestamptz := clock_timestamp();
    cubes failure_cube[];
    buckets timestamptz[];
    known jsonb[];
    model jsonb;
    hash text;
    n integer;
BEGIN
    SELECT * INTO src FROM fp_sources s WHERE s.source = fp_save_model.source;
    SELECT array_agg(c.cube ORDER BY c.bucket), array_agg(c.bucket ORDER BY c.bucket),
        md5(string_agg(extract(epoch FROM c.refreshed_at)::text, ' ' ORDER BY c.bucket))
    INTO cubes, buckets, hash
    FROM fp_cubes c
    WHERE c.source = src.source AND c.bucket > now() - src.window_length - src.bucket;
    known := ARRAY(SELECT p.conditions FROM failure_patterns p
                   WHERE p.source = src.source AND p.status = 'active' AND p.conditions IS NOT NULL ORDER BY p.id);
    model := fp_fit_model(coalesce(cubes, '{}'), known);
    DELETE FROM fp_models m WHERE m.source = src.source;
    DELETE FROM fp_model_terms t WHERE t.source = src.source;
    IF model IS NULL THEN
        RETURN 0;
    END IF;
    INSERT INTO fp_models (source, since, until, trials, failures, seen, dispersion, unmodelled, dimensions, max_items, jobs, attempts)
    VALUES (src.source, buckets[1], buckets[cardinality(buckets)], (model ->> 'trials')::bigint, (model ->> 'failures')::bigint, hash,
            (model ->> 'dispersion')::float8, (model ->> 'unmodelled')::float8, model -> 'dimensions', 0, model -> 'jobs', model -> 'attempts');
    INSERT INTO fp_model_terms (source, term, kind, key, conditions, since, effect, variance, trials, failures, neighbours, covariances)
    SELECT src.source, t.term, t.kind, fp_match_key(t.conditions), t.conditions, buckets[(model -> 'periods' ->> (t.period - 1))::integer],
        t.effect, t.variance, t.trials, t.failures, coalesce(c."with", '{}'), coalesce(c.covariances, '{}')
    FROM jsonb_to_recordset(model -> 'terms')
        AS t (term integer, kind text, conditions jsonb, period integer, effect float8, variance float8, trials bigint, failures bigint)
    LEFT JOIN jsonb_to_recordset(model -> 'covariances') AS c (term integer, "with" integer[], covariances float8[]) ON c.term = t.term;
    GET DIAGNOSTICS n = ROW_COUNT;
    PERFORM fp_label_terms(src.source);
    UPDATE fp_models m
    SET max_items = (SELECT max(fp_match_size(t.conditions)) FROM fp_model_terms t WHERE t.source = src.source),
        fit_ms = extract(epoch FROM clock_timestamp() - started) * 1000
    WHERE m.source = src.source;
    RETURN n;
END
$fn$;
COMMENT ON FUNCTION fp_save_model(text) IS
    'fits the model of a source to the cubes of its window and its active patterns; returns the number of terms';
REVOKE ALL ON FUNCTION fp_save_model(text) FROM PUBLIC;

-- What the terms are called, so that a prediction need not look it up.
CREATE FUNCTION fp_label_terms(source text)
    RETURNS void
    LANGUAGE plpgsql
    SET search_path FROM CURRENT
AS $fn$
#variable_conflict use_column
DECLARE
    d fp_dimensions;
    vals text[];
BEGIN
    FOR d IN SELECT * FROM fp_dimensions x WHERE x.source = fp_label_terms.source AND x.kind <> 'ordinal' LOOP
        vals := ARRAY(SELECT t.conditions ->> d.name FROM fp_model_terms t
                      WHERE t.source = d.source AND t.kind IN ('value', 'member') AND t.conditions ->> d.name IS NOT NULL);
        CONTINUE WHEN vals = '{}';
        BEGIN
            UPDATE fp_model_terms t SET label = d.title || ' ' || l.label
            FROM fp_labels(d.source, d.name, vals) l
            WHERE t.source = d.source AND t.kind IN ('value', 'member') AND t.conditions ->> d.name = l.value;
        EXCEPTION WHEN data_exception OR undefined_table OR undefined_column OR insufficient_privilege
                    OR null_value_not_allowed OR syntax_error THEN
            UPDATE fp_model_terms t SET label = d.title || ' ' || (t.conditions ->> d.name)
            WHERE t.source = d.source AND t.kind IN ('value', 'member') AND t.conditions ? d.name;
        END;
    END LOOP;
    -- the conditions of a pair, "fails" apart, and which LoRA of a pair's
    UPDATE fp_model_terms t
    SET label = regexp_replace(fp_pattern_text(t.conditions, fp_condition_words(t.source, t.conditions)), ' fails( at .*)?$', '\1')
    WHERE t.source = fp_label_terms.source AND t.label IS NULL AND t.kind IN ('pattern', 'pair', 'level') AND t.conditions <> '{}'
      AND NOT EXISTS (SELECT FROM jsonb_each(t.conditions) c WHERE c.value = 'null');
END
$fn$;
COMMENT ON FUNCTION fp_label_terms(text) IS 'writes the words for the terms of a model';
REVOKE ALL ON FUNCTION fp_label_terms(text) FROM PUBLIC;

CREATE FUNCTION fp_refresh_model(source text)
    RETURNS bigint
    LANGUAGE plpgsql
    SET search_path FROM CURRENT
AS $fn$
#variable_conflict use_column
DECLARE
    total bigint;
    hash text;
    model fp_models;
BEGIN
    PERFORM fp_refresh_lock(fp_refresh_model.source, true);
    SELECT sum(c.observations), md5(string_agg(extract(epoch FROM c.refreshed_at)::text, ' ' ORDER BY c.bucket)) INTO total, hash
    FROM fp_cubes c JOIN fp_sources s ON s.source = c.source
    WHERE c.source = fp_refresh_model.source AND c.bucket > now() - s.window_length - s.bucket;
    SELECT * INTO model FROM fp_models m WHERE m.source = fp_refresh_model.source;
    -- a few observations more change next to nothing; a day's corrections may
    IF FOUND AND (model.seen = hash OR abs(total - model.trials) < 0.01 * model.trials
                  AND model.fitted_at > clock_timestamp() - interval '1 day') THEN
        RETURN 0;
    END IF;
    RETURN fp_save_model(fp_refresh_model.source);
EXCEPTION WHEN OTHERS THEN
    PERFORM fp_refresh_error(fp_refresh_model.source, SQLERRM);
    RETURN 0;
END
$fn$;
COMMENT ON FUNCTION fp_refresh_model(text) IS
    'step of a refresh: fits the model anew where observations have grown by a hundredth, or changed and a day has passed; returns the number of its terms, 0 where it stays';
REVOKE ALL ON FUNCTION fp_refresh_model(text) FROM PUBLIC;

CREATE FUNCTION fp_predict(
    combo jsonb DEFAULT NULL,
    workflow fp_value DEFAULT NULL,
    model fp_value DEFAULT NULL,
    lora fp_value DEFAULT NULL,
    "character" fp_value DEFAULT NULL,
    scene_type fp_value DEFAULT NULL,
    segment_position double precision DEFAULT NULL,
    scene_length integer DEFAULT NULL,
    source text DEFAULT NULL,
    confidence double precision DEFAULT 0.95,
    avatar fp_value DEFAULT NULL)
    RETURNS TABLE (
        probability double precision, lower double precision, upper double precision,
        baseline_rate double precision, contributions jsonb, data jsonb,
        scene_probability double precision, expected_failures double precision)
    LANGUAGE c STABLE PARALLEL SAFE SECURITY DEFINER ROWS 1
    AS 'MODULE_PATHNAME', 'failpat_predict';
COMMENT ON FUNCTION fp_predict(jsonb, fp_value, fp_value, fp_value, fp_value, fp_value, double precision, integer, text, double precision, fp_value) IS
    'how likely a combination fails, with an interval, what drives it and what is known; averages over what is not told; no row before the first refresh';

-- Retries.

CREATE FUNCTION fp_retry_curve(
    probability double precision, lower double precision, upper double precision,
    weights double precision[], shift double precision, failures integer, more integer, cost_ratio double precision,
    OUT pass double precision, OUT pass_lower double precision, OUT pass_upper double precision,
    OUT pass_within double precision, OUT attempts_until_pass double precision, OUT stop_after integer,
    OUT correlation double precision)
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'failpat_retry_curve';
COMMENT ON FUNCTION fp_retry_curve(double precision, double precision, double precision, double precision[], double precision, integer, integer, double precision) IS
    'of something that fails with this probability (95 % interval) and has failed so often: does the next attempt pass, does one of so many more, after how many failures is a pass less likely than cost_ratio; weights and shift: as fp_models has them';

CREATE FUNCTION fp_retry_advice(
    combo jsonb DEFAULT NULL,
    workflow fp_value DEFAULT NULL,
    model fp_value DEFAULT NULL,
    lora fp_value DEFAULT NULL,
    "character" fp_value DEFAULT NULL,
    scene_type fp_value DEFAULT NULL,
    segment_position double precision DEFAULT NULL,
    failures integer DEFAULT 1,
    max_attempts integer DEFAULT 3,
    cost_ratio double precision DEFAULT 0.25,
    source text DEFAULT NULL,
    avatar fp_value DEFAULT NULL)
    RETURNS TABLE (
        verdict text, retry boolean, pass_probability double precision, lower double precision, upper double precision,
        pass_within double precision, expected_attempts double precision, stop_after integer,
        failure_probability double precision, correlation double precision, basis text, repeats bigint,
        sentence text, instead jsonb)
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path FROM CURRENT
AS $fn$
#variable_conflict use_variable
DECLARE
    p record;
    m fp_models;
    r record;
BEGIN
    IF failures IS NULL OR failures < 0 THEN
        RAISE invalid_parameter_value USING
            MESSAGE = format('failures must be 0 or more, not %s', coalesce(failures::text, 'NULL'));
    END IF;
    IF max_attempts IS NULL OR max_attempts NOT BETWEEN 1 AND 1000 THEN
        RAISE invalid_parameter_value USING
            MESSAGE = format('max_attempts must be from 1 to 1000, not %s', coalesce(max_attempts::text, 'NULL'));
    END IF;
    IF cost_ratio IS NULL OR cost_ratio <= 0 OR NOT cost_ratio < 'Infinity' THEN
        RAISE invalid_parameter_value USING
            MESSAGE = format('cost_ratio must be greater than 0 and finite, not %s', coalesce(cost_ratio::text, 'NULL')),
            DETAIL = 'It is what an attempt costs, as a share of what a pass saves.';
    END IF;
    SELECT * INTO p FROM fp_predict(combo, workflow, model, lora, "character", scene_type, segment_position, NULL, source, 0.95, avatar);
    IF NOT FOUND THEN
        RETURN;
    END IF;
    SELECT * INTO m FROM fp_models x WHERE x.source = p.data ->> 'source';
    -- what fails is tried again, so the model has seen more of it than a first attempt shows: the shift
    SELECT * INTO r FROM fp_retry_curve(p.probability, p.lower, p.upper,
        ARRAY(SELECT e.value::float8 FROM jsonb_array_elements_text(m.attempts -> 'weights') WITH ORDINALITY e ORDER BY e.ordinality),
        (m.attempts ->> 'shift')::float8, failures, greatest(max_attempts - failures, 0), cost_ratio);
    failure_probability := p.probability;
    correlation := r.correlation;
    pass_probability := r.pass;
    lower := r.pass_lower;
    upper := r.pass_upper;
    pass_within := r.pass_within;
    expected_attempts := r.attempts_until_pass;
    stop_after := r.stop_after;
    verdict := CASE WHEN upper < 0.5 THEN 'systematic' WHEN lower > 0.5 THEN 'stochastic' ELSE 'unclear' END;
    retry := failures < max_attempts AND pass_probability >= cost_ratio;
    repeats := (m.attempts ->> 'repeated')::bigint;
    basis := CASE WHEN repeats >= 20 THEN 'retries' WHEN (m.jobs ->> 'repeated')::bigint >= 20 THEN 'jobs' ELSE 'none' END;
    SELECT jsonb_agg(jsonb_build_object('pattern_id', a.pattern_id, 'message', a.message,
                                        'alternatives', a.alternatives, 'fixes', a.fixes)) INTO instead
    FROM fp_check_combo(combo, workflow, model, lora, "character", scene_type, segment_position, NULL, p.data ->> 'source', NULL, false, avatar) a;
    instead := coalesce(instead, '[]');
    sentence := CASE verdict WHEN 'systematic' THEN 'Systematic' WHEN 'stochastic' THEN 'Stochastic' ELSE 'Unclear' END
        || format(': after %s failed %s the next passes with %s (%s to %s)', failures,
                  CASE failures WHEN 1 THEN 'attempt' ELSE 'attempts' END,
                  fp_percent(pass_probability), fp_percent(lower), fp_percent(upper))
        || CASE WHEN retry THEN '; worth another try'
                WHEN failures >= max_attempts THEN '; no attempts are left'
                ELSE '; another try costs more than it saves' END
        || CASE WHEN NOT retry AND instead <> '[]' THEN ', see what to change instead.' ELSE '.' END;
    RETURN NEXT;
END
$fn$;
COMMENT ON FUNCTION fp_retry_advice(jsonb, fp_value, fp_value, fp_value, fp_value, fp_value, double precision, integer, integer, double precision, text, fp_value) IS
    'whether something that failed so often is worth another attempt with a new seed, by how alike attempts at the same thing have been; cost_ratio: what an attempt costs, as a share of what a pass saves';
