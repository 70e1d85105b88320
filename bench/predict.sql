-- For bench/predict.sh: sources of one's own making, and who predicts them.

-- An observation a row of "raw" (at, failed, dims, job), before "cut" learnt.
CREATE FUNCTION learn(name text, ordinals text[], sets text[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO fp_sources (source, bucket, window_length) VALUES (name, '1 day', '20 years');
    INSERT INTO fp_source_state (source, backfill_done) VALUES (name, true);
    INSERT INTO fp_dimensions (source, name, kind, position, title, choosable)
    SELECT name, d.d, CASE WHEN d.d = ANY (ordinals) THEN 'ordinal' WHEN d.d = ANY (sets) THEN 'set' ELSE 'nominal' END,
           row_number() OVER (ORDER BY d.d), d.d, true
    FROM (SELECT DISTINCT k AS d FROM raw, jsonb_object_keys(dims) k) d;
    INSERT INTO fp_observations (source, obs_key, source_key, observed_at, failed, failed_checks, job, dims, changed_at)
    SELECT name, r.no, r.no, r.at, r.failed, '{}', r.job, r.dims, now() FROM raw r WHERE NOT r.later;
    INSERT INTO fp_dirty SELECT DISTINCT name, fp_bucket(r.at, '1 day', 'UTC'), now() FROM raw r WHERE NOT r.later;
END $$;

-- Rows for bench/predict.py, equal ones once; in order of time, roughly.
CREATE FUNCTION rows_of(for_test boolean, names text[]) RETURNS text LANGUAGE sql AS $$
    SELECT format('SELECT count(*) FILTER (WHERE failed) AS failed, count(*) AS n%s%s FROM raw WHERE %s later GROUP BY dims ORDER BY max(at)',
                  CASE WHEN for_test THEN ', (SELECT p.probability FROM fp_predict(dims, source => ''bench'') p) AS probability' ELSE '' END,
                  string_agg(format(', CASE WHEN jsonb_typeof(dims -> %1$L) = ''array'' THEN (SELECT array_agg(x ORDER BY x)::text FROM jsonb_array_elements_text(dims -> %1$L) x) ELSE dims ->> %1$L END AS %2$I',
                                    name, name), '' ORDER BY i),
                  CASE WHEN for_test THEN '' ELSE 'NOT' END)
    FROM unnest(names) WITH ORDINALITY n (name, i)
$$;

-- Number in [0, 1) of its arguments.
CREATE FUNCTION u(n bigint, salt bigint) RETURNS float8 LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN ((hashint8extended(n, salt) >> 11) & 9007199254740991)::float8 / 9007199254740992.0;
