-- Mining a window from sums of buckets and counts that are kept: the same list,
-- to the last figure, as from all cells of all buckets.
\set QUIET 1
\set ON_ERROR_STOP 1
\pset format unaligned
\pset tuples_only true
\pset pager off
BEGIN;
SET client_min_messages = warning;
CREATE SCHEMA failpat;
CREATE EXTENSION failpat SCHEMA failpat;
SET LOCAL search_path = failpat, public, tap;
SELECT plan(37);

CREATE TABLE runs (id bigserial PRIMARY KEY);
CREATE VIEW seen AS
SELECT id AS source_key, id AS obs_key, now() AS observed_at, false AS failed, '{}'::text[] AS failed_checks,
    ''::text AS w, '{}'::text[] AS lora, ''::text AS ch, 1 AS pos, ''::text AS job FROM runs WHERE false;
CREATE FUNCTION watch(source text) RETURNS void LANGUAGE sql AS $$
    SELECT fp_attach(source, 'seen', '{}', '{"pos": {"kind": "ordinal"}}', history => 'now') $$;

-- n observations on each of some days, counted from today; a quarter of the
-- values of each of the dimensions fails more often where plant is true
CREATE FUNCTION work(wanted text, first int, last int, n int, plant text, with_job boolean DEFAULT false, more jsonb DEFAULT '{}')
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('INSERT INTO fp_observations (source, obs_key, source_key, observed_at, failed, failed_checks, job, dims, changed_at)
        SELECT %1$L, k, k, date_trunc(''day'', now(), ''UTC'') + day * interval ''1 day'' + interval ''1 second'' * i,
            random() < CASE WHEN %2$s THEN 0.5 ELSE 0.1 + CASE WHEN day %% 5 = 0 THEN 0.1 ELSE 0 END END, ''{}'',
            CASE WHEN %3$L THEN (day * 100 + i / 10)::text END,
            jsonb_build_object(''w'', w, ''lora'', ARRAY[l, m], ''ch'', ch, ''pos'', pos) || %4$L, now()
        FROM (SELECT d AS day, i, gen_random_uuid()::text AS k, floor(random() * 4)::int::text AS w, floor(random() * 6)::int::text AS l,
                  (6 + floor(random() * 3))::int::text AS m, CASE WHEN d %% 7 <> 3 THEN floor(random() * 60)::int::text END AS ch,
                  1 + floor(random() * 12)::int AS pos
              FROM generate_series(%5$s, %6$s) d, generate_series(1, %7$s) i) made',
        wanted, plant, with_job, more, first, last, n);
    INSERT INTO fp_dirty (source, bucket, at)
    SELECT wanted, date_trunc('day', now(), 'UTC') + d * interval '1 day', now() FROM generate_series(first, last) d;
END $$;
CREATE FUNCTION buckets(wanted text) RETURNS timestamptz[] LANGUAGE sql AS $$
    SELECT array_agg(c.bucket ORDER BY c.bucket) FROM fp_cubes c WHERE c.source = wanted $$;
-- Of a NaN there is none in what is compared.
CREATE FUNCTION differences(wanted text) RETURNS bigint LANGUAGE sql AS $$
    SELECT count(*) FROM fp_mine_window(wanted, buckets(wanted), 3, 0.05, 20, 1.2) x
    FULL JOIN fp_patterns((SELECT array_agg(c.cube ORDER BY c.bucket) FROM fp_cubes c WHERE c.source = wanted), 3, 0.05, 20, 1.2) y
        USING (pattern_key)
    WHERE x IS DISTINCT FROM y $$;
CREATE FUNCTION found(wanted text) RETURNS bigint LANGUAGE sql AS $$
    SELECT count(*) FROM fp_mine_window(wanted, buckets(wanted), 3, 0.05, 20, 1.2) $$;
CREATE FUNCTION kept(wanted text) RETURNS bigint LANGUAGE sql AS $$
    SELECT count(DISTINCT c) FROM fp_bucket_counts k, unnest(k.conditions) c WHERE k.source = wanted $$;

SELECT setseed(0.2);

SELECT watch('one');
SELECT work('one', -40, 0, 150, $$l = '2' AND pos >= 6$$);
SELECT ok(fp_refresh_now('one'), 'refreshed');
SELECT cmp_ok((SELECT max(level) FROM fp_spans WHERE source = 'one'), '>', 3::smallint, 'buckets have been added up');
SELECT is(cardinality(fp_window_parts('one', '-infinity', 'infinity')) < 12, true, 'so few cubes are to be read');
SELECT is((SELECT array_agg(bucket ORDER BY bucket) FROM fp_bucket_counts WHERE source = 'one'), buckets('one'), 'counts of each bucket are kept');
SELECT is(found('one'), 1::bigint, 'what is planted is found');
SELECT is(differences('one'), 0::bigint, 'the same as from all cells');
SELECT results_eq($$SELECT * FROM fp_find_alternatives_summed(fp_window_parts('one', '-infinity', 'infinity'), '{"{\"lora\": \"2\", \"pos\": {\"min\": 6}}"}', '{lora,w}')$$,
    $$SELECT * FROM fp_find_alternatives((SELECT rollup(cube) FROM fp_cubes WHERE source = 'one'), '{"{\"lora\": \"2\", \"pos\": {\"min\": 6}}"}', '{lora,w}')$$,
    'the same alternatives, too');
SELECT work('one', -12, -12, 100, 'false');
SELECT work('one', 0, 0, 100, $$w = '1'$$);
SELECT ok(fp_refresh_now('one'), 'refreshed again');
SELECT is(differences('one'), 0::bigint, 'the same after buckets have changed');
SELECT results_eq($$SELECT bucket, (SELECT p.trials FROM fp_pattern_counts(c.cube, ARRAY[k.conditions[i]]) p), (SELECT p.failures FROM fp_pattern_counts(c.cube, ARRAY[k.conditions[i]]) p)
    FROM fp_bucket_counts k JOIN fp_cubes c USING (source, bucket), generate_subscripts(k.conditions, 1) i WHERE source = 'one' ORDER BY bucket, i$$,
    $$SELECT bucket, k.trials[i], k.failures[i] FROM fp_bucket_counts k, generate_subscripts(k.conditions, 1) i WHERE source = 'one' ORDER BY bucket, i$$,
    'what is kept is what the cubes have');

-- What is there is not counted again: nobody else writes it.
UPDATE fp_bucket_counts SET trials[1] = trials[1] - 1, failures[1] = failures[1] + 1
WHERE source = 'one' AND bucket = (buckets('one'))[3] AND conditions[1] = '{}';
SELECT is(differences('one'), 0::bigint, 'counts that are not those of the sum are not trusted');
DELETE FROM fp_bucket_counts WHERE source = 'one';
SELECT is(differences('one'), 0::bigint, 'nor are they needed');
UPDATE fp_cubes SET refreshed_at = now() WHERE source = 'one' AND bucket = (buckets('one'))[4];
SELECT is((SELECT count(*) FROM fp_bucket_counts WHERE source = 'one'), 40::bigint, 'those of a bucket go with its cube');
-- what nobody asks for any more goes as soon as it is the larger part
UPDATE fp_bucket_counts SET conditions = conditions || ARRAY(SELECT jsonb_build_object('w', i::text) FROM generate_series(100, 400) i),
    trials = trials || array_fill(0::bigint, '{301}'), failures = failures || array_fill(0::bigint, '{301}') WHERE source = 'one';
SELECT cmp_ok(kept('one'), '>', 300::bigint, 'what was asked for once');
SELECT is(differences('one'), 0::bigint, '... does no harm');
SELECT cmp_ok(kept('one'), '<', 100::bigint, '... and is forgotten');

-- So many candidates that all cells are read at once.
SELECT watch('many');
SELECT work('many', -20, 0, 1500, $$ch::int % 2 = 0$$);
SELECT ok(fp_refresh_now('many'), 'refreshed where there is much to be found');
SELECT cmp_ok(found('many'), '>', 20::bigint, 'much is found');
SELECT cmp_ok(kept('many'), '>', 20::bigint, 'and asked for');
DELETE FROM fp_bucket_counts WHERE source = 'many';
SELECT is(differences('many'), 0::bigint, 'the same, counted anew');
SELECT is(differences('many'), 0::bigint, 'the same, kept');

-- Random histories with jobs: some lie in one bucket, some in two, some in all;
-- observations without a job are among them; jobs differ in how often they fail.
-- What is mined step by step is what all cells of all buckets give, to the bit.
CREATE FUNCTION work_in_jobs(wanted text, first int, last int, n int) RETURNS void LANGUAGE sql AS $$
    INSERT INTO fp_observations (source, obs_key, source_key, observed_at, failed, failed_checks, job, dims, changed_at)
    SELECT wanted, gen_random_uuid(), 'k', date_trunc('day', now(), 'UTC') + day * interval '1 day' + interval '1 second' * i,
        random() < CASE WHEN l = '2' AND pos >= 6 THEN 0.5 ELSE 0.05 END + CASE WHEN hashtext(j) % 4 = 0 THEN 0.25 ELSE 0 END, '{}', j,
        jsonb_build_object('w', hashtext(j) % 3, 'lora', ARRAY[l, m], 'ch', ch, 'pos', pos), now()
    FROM (SELECT day, i, CASE i % 20 WHEN 0 THEN NULL WHEN 1 THEN 'always ' || i / 400 WHEN 2 THEN 'twice ' || (day - 1) / 2 || ' ' || i / 100
                              WHEN 3 THEN 'again ' || floor(random() * 300) ELSE day || ' ' || i / 12 END AS j,
              floor(random() * 6)::int::text AS l, (6 + floor(random() * 3))::int::text AS m,
              floor(random() * 20)::int::text AS ch, 1 + floor(random() * 12)::int AS pos
          FROM generate_series(first, last) day, generate_series(1, n) i OFFSET 0) made;
    INSERT INTO fp_dirty (source, bucket, at)
    SELECT wanted, date_trunc('day', now(), 'UTC') + d * interval '1 day', now() FROM generate_series(first, last) d $$;
CREATE FUNCTION random_histories(n int, steps int, OUT differing bigint, OUT nfound bigint, OUT inflated bigint, OUT shared bigint) LANGUAGE plpgsql AS $$
DECLARE
    name text;
    first int;
BEGIN
    differing := 0; nfound := 0; inflated := 0; shared := 0;
    FOR h IN 1 .. n LOOP
        name := 'history' || h;
        PERFORM watch(name);
        PERFORM work_in_jobs(name, -20, -2 - h % 3, 150 + 50 * (h % 3));
        FOR step IN 1 .. steps LOOP
            PERFORM fp_refresh_now(name);
            differing := differing + differences(name);
            first := -floor(random() * 22);
            PERFORM work_in_jobs(name, first, least(first + floor(random() * 3)::int, 0), 20 + floor(random() * 100)::int);
            -- outcomes that are corrected, observations that go
            IF step = 2 THEN
                UPDATE fp_observations SET failed = NOT failed WHERE source = name AND job LIKE 'always%' AND random() < 0.1;
                DELETE FROM fp_observations WHERE source = name AND job LIKE 'twice%' AND random() < 0.2;
                INSERT INTO fp_dirty SELECT DISTINCT name, fp_bucket(observed_at, interval '1 day', 'UTC'), now() FROM fp_observations WHERE source = name;
            END IF;
        END LOOP;
        PERFORM fp_refresh_now(name);
        differing := differing + differences(name);
        nfound := nfound + found(name);
        inflated := inflated + (SELECT count(*) FROM fp_mine_window(name, buckets(name), 3, 0.05, 20, 1.2) m WHERE m.inflation > 1.05);
        shared := shared + (SELECT sum(length(k.shared) / 8) FROM fp_bucket_counts k WHERE k.source = name);
        -- whole again, from nothing
        DELETE FROM fp_bucket_counts WHERE source = name;
        differing := differing + differences(name);
    END LOOP;
END $$;
CREATE TEMP TABLE histories AS SELECT * FROM random_histories(4, 3);
SELECT is(differing, 0::bigint, 'random histories with jobs: the same as from all cells') FROM histories;
SELECT cmp_ok(nfound, '>=', 4::bigint, '... and something is found') FROM histories;
SELECT cmp_ok(inflated, '>=', 4::bigint, '... for which jobs are heeded') FROM histories;
SELECT cmp_ok(shared, '>', 300::bigint, '... and jobs lie in several buckets') FROM histories;
-- What was kept of a bucket, whose jobs come to lie in another one
SELECT watch('jobs');
SELECT work_in_jobs('jobs', -15, -1, 200);
SELECT ok(fp_refresh_now('jobs'), 'refreshed with jobs');
INSERT INTO fp_observations (source, obs_key, source_key, observed_at, failed, failed_checks, job, dims, changed_at)
SELECT source, 'again ' || obs_key, 'k', date_trunc('day', now(), 'UTC'), failed, failed_checks, job, dims, now()
FROM fp_observations WHERE source = 'jobs' AND job LIKE '-7 %';
INSERT INTO fp_dirty VALUES ('jobs', date_trunc('day', now(), 'UTC'), now());
SELECT ok(fp_refresh_now('jobs'), 'all jobs of a day came again');
SELECT is(differences('jobs'), 0::bigint, 'the same with them');
SELECT cmp_ok((SELECT length(shared) / 8 FROM fp_bucket_counts WHERE source = 'jobs' AND bucket = date_trunc('day', now(), 'UTC') - interval '7 days'), '>',
    (SELECT length(shared) / 8 FROM fp_bucket_counts WHERE source = 'jobs' AND bucket = date_trunc('day', now(), 'UTC') - interval '8 days'), '... which are known to lie in two buckets');
-- What refresh counts has the jobs in it, to the last byte as if dims had.
INSERT INTO fp_observations (source, obs_key, source_key, observed_at, failed, failed_checks, job, dims, changed_at)
SELECT 'jobs', 'bare ' || i, 'k', date_trunc('day', now(), 'UTC'), i > 2, CASE WHEN i > 2 THEN '{a,b}'::text[] ELSE '{}' END,
    CASE WHEN i > 1 THEN 'a job of its own' END, CASE WHEN i < 4 THEN '{}'::jsonb ELSE '{"w": "1"}' END, now() FROM generate_series(1, 4) i;
INSERT INTO fp_dirty VALUES ('jobs', date_trunc('day', now(), 'UTC'), now());
SELECT ok(fp_refresh_now('jobs'), 'refreshed with bare ones');
SELECT is((SELECT count(*) FROM fp_cubes c WHERE c.source = 'jobs' AND failure_cube_send(c.cube) IS DISTINCT FROM (
        SELECT failure_cube_send(failure_cube(o.failed, CASE WHEN o.job IS NULL THEN o.dims ELSE o.dims || jsonb_build_object('job', o.job) END,
                                              '{pos}', '{job}', o.failed_checks))
        FROM fp_observations o WHERE o.source = c.source AND fp_bucket(o.observed_at, '1 day') = c.bucket)), 0::bigint, 'cubes with jobs are those of observations');
-- Pairs go with a bucket's cube, also where a dimension leaves it.
CREATE FUNCTION stale_pairs(wanted text) RETURNS bigint LANGUAGE sql AS $$
    SELECT count(*) FROM (SELECT m.row_dim, m.col_dim, m.bucket, m.cube FROM fp_margins m WHERE m.source = wanted) m
    FULL JOIN (SELECT a.name AS row_dim, b.name AS col_dim, c.bucket, (
                   SELECT failure_cube(o.failed, jsonb_build_object(a.name, o.dims -> a.name, b.name, o.dims -> b.name), '{pos}', '{}', o.failed_checks)
                   FROM fp_observations o WHERE o.source = wanted AND fp_bucket(o.observed_at, '1 day') = c.bucket) AS cube
               FROM fp_cubes c, fp_cube_dims(c.cube) a, fp_cube_dims(c.cube) b
               WHERE c.source = wanted AND a.kind <> 'stratum' AND b.kind <> 'stratum' AND a.name < b.name) x USING (row_dim, col_dim, bucket)
    WHERE m.cube IS DISTINCT FROM x.cube $$;
SELECT is(stale_pairs('jobs'), 0::bigint, 'pairs are those of the observations');
UPDATE fp_observations SET dims = dims - 'ch' WHERE source = 'jobs' AND observed_at >= date_trunc('day', now(), 'UTC') - interval '3 days';
INSERT INTO fp_dirty SELECT 'jobs', b, now() FROM unnest(buckets('jobs')) b WHERE b >= date_trunc('day', now(), 'UTC') - interval '3 days';
SELECT ok(fp_refresh_now('jobs'), 'refreshed without a dimension');
SELECT is(stale_pairs('jobs'), 0::bigint, '... whose pairs have gone');
SELECT is((SELECT inflation > 1 FROM fp_mine_window('jobs', buckets('jobs'), 3, 0.05, 20, 1.2) LIMIT 1), true, 'jobs are heeded');
SELECT watch('more');
SELECT work('more', -15, -8, 200, $$l = '2' AND pos >= 6$$);
SELECT work('more', -7, 0, 200, $$l = '2' AND pos >= 6$$, false, '{"other": "1"}');
SELECT ok(fp_refresh_now('more'), 'refreshed with another dimension');
SELECT is(differences('more'), 0::bigint, 'the same with it');
SELECT * FROM finish();
ROLLBACK;
