-- The list over time: candidates, confirmation, what keeps its identity, what
-- leaves and what comes back; incremental = full over random histories.
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
SELECT plan(80);

-- Days are counted from the newest complete one, day 0, back: -1, -2, ...
CREATE TABLE runs (
    id bigserial PRIMARY KEY, what text NOT NULL, day int NOT NULL, failed boolean NOT NULL,
    w text, lora text[], ch text, pos int);
CREATE INDEX ON runs (what, day);
CREATE FUNCTION day_start(day int) RETURNS timestamptz LANGUAGE sql STABLE AS
$$ SELECT date_trunc('day', now(), 'UTC') + (day - 1) * interval '1 day' $$;
CREATE VIEW seen AS
SELECT id AS source_key, id AS obs_key, day_start(day) + interval '1 hour' AS observed_at, failed,
    '{}'::text[] AS failed_checks, w, lora, ch, pos FROM runs WHERE false;

-- What capture does (tested elsewhere), for the runs called what; and refresh.
-- Those of some histories are in jobs, of which each lies in two days.
CREATE FUNCTION refresh(wanted text, called text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    WITH fed AS (
        INSERT INTO fp_observations AS o (source, obs_key, source_key, observed_at, failed, failed_checks, job, dims, changed_at)
        SELECT wanted, id::text, id::text, day_start(day) + interval '1 hour', failed, '{}',
            CASE WHEN called ~ '^h[246]$' THEN day / 2 || ' ' || id % 9 END,
            jsonb_build_object('w', w, 'lora', lora, 'ch', ch, 'pos', pos), now()
        FROM runs WHERE what = called
        ON CONFLICT (source, obs_key) DO UPDATE SET failed = excluded.failed WHERE o.failed <> excluded.failed
        RETURNING observed_at)
    INSERT INTO fp_dirty (source, bucket, at) SELECT DISTINCT wanted, fp_bucket(observed_at, '1 day'), now() FROM fed;
    PERFORM fp_refresh_now(wanted);
END $$;
CREATE FUNCTION refresh(wanted text) RETURNS void LANGUAGE sql AS $$ SELECT refresh(wanted, wanted) $$;
CREATE FUNCTION watch(source text) RETURNS void LANGUAGE sql AS $$
    SELECT fp_attach(source, 'seen', '{}', '{"pos": {"kind": "ordinal"}}', history => 'now') $$;
-- n runs on each of some days; those that meet the condition fail at rate
CREATE FUNCTION work(called text, first int, last int, n int, plant text DEFAULT 'false', rate float8 DEFAULT 0, base float8 DEFAULT 0.1)
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('INSERT INTO runs (what, day, failed, w, lora, ch, pos)
        SELECT %L, day, random() < CASE WHEN %s THEN %s ELSE %s END, w, ARRAY[l], ch, pos
        FROM (SELECT d AS day, floor(random() * 4)::int::text AS w, floor(random() * 5)::int::text AS l,
                  floor(random() * 5)::int::text AS ch, 1 + floor(random() * 12)::int AS pos
              FROM generate_series(%s, %s) d, generate_series(1, %s) i ORDER BY d, i) made',
        called, plant, rate, base, first, last, n);
END $$;
CREATE FUNCTION errors() RETURNS text LANGUAGE sql AS $$ SELECT string_agg(source || ': ' || error, ', ') FROM fp_source_state WHERE error IS NOT NULL $$;
CREATE FUNCTION state(wanted text, key text) RETURNS text LANGUAGE sql AS $$
    SELECT f.status || CASE WHEN f.confirmed_at IS NULL THEN ' candidate' ELSE ' confirmed' END || CASE WHEN e.missed_since IS NULL THEN '' ELSE ', missed' END
    FROM failure_patterns f JOIN fp_evidence e ON e.pattern_id = f.id
    WHERE f.source = wanted AND f.pattern_key = wanted || '/' || key $$;

SELECT setseed(0.1);

-- A first load: what has been so for long is confirmed at once.
SELECT work('old', -79, 0, 150, $$l = '3' AND ch = '2'$$, 0.4);
SELECT watch('old');
SELECT refresh('old');
SELECT is(errors(), NULL, 'no errors');
SELECT results_eq($$SELECT pattern_key, status, confirmed_at IS NOT NULL FROM failure_patterns WHERE source = 'old' ORDER BY pattern_key COLLATE "C"$$,
    $$VALUES ('old/l:3:ch:2', 'active', true)$$, 'an old pattern is confirmed by a first load, and nothing else is listed');
SELECT cmp_ok((SELECT promoted_through FROM fp_evidence JOIN failure_patterns f ON f.id = pattern_id WHERE f.source = 'old'), '<', day_start(-40),
    'it was promoted at an early look of the replay');
SELECT is((SELECT counted_through FROM fp_source_state WHERE source = 'old'), day_start(-1), 'buckets count once they have closed');
-- the e-value is that of the buckets since then, by the counts there
SELECT is(round(ln(f.e_value)::numeric, 6),
    (SELECT round(ln(fp_e_value(fp_wealth('{}', array_agg(n ORDER BY day), array_agg(x ORDER BY day), array_agg(alln ORDER BY day), array_agg(allx ORDER BY day))))::numeric, 6)
     FROM (SELECT day, count(*) FILTER (WHERE '3' = ANY (lora) AND ch = '2') AS n, count(*) FILTER (WHERE '3' = ANY (lora) AND ch = '2' AND failed) AS x,
               count(*) AS alln, count(*) FILTER (WHERE failed) AS allx
           FROM runs WHERE what = 'old' AND day_start(day) > e.promoted_through AND day < 0 GROUP BY day) d),
    'the e-value is that of the closed buckets after promotion')
FROM failure_patterns f JOIN fp_evidence e ON e.pattern_id = f.id WHERE f.source = 'old';
-- excess: what fails beyond the rate of all others, by the weeks of the window
CREATE FUNCTION excess(called text, since int) RETURNS numeric LANGUAGE sql AS $$
    SELECT round((x - n * (allx - x)::numeric / (alln - n)) / (1 - since) * 7, 6)
    FROM (SELECT count(*) FILTER (WHERE '3' = ANY (lora) AND ch = '2') AS n, count(*) FILTER (WHERE '3' = ANY (lora) AND ch = '2' AND failed) AS x,
              count(*) AS alln, count(*) FILTER (WHERE failed) AS allx
          FROM runs WHERE what = called AND day >= since) d $$;
SELECT is((SELECT round(excess_per_week::numeric, 6) FROM failure_patterns WHERE source = 'old'), excess('old', -79), 'excess failures per week');
SELECT ok((SELECT excess_per_week_lower > 0 AND excess_per_week_lower < excess_per_week FROM failure_patterns WHERE source = 'old'), 'at least so many');
SELECT is((SELECT last_occurrence FROM failure_patterns WHERE source = 'old'),
    (SELECT max(day_start(day) + interval '1 hour') FROM runs WHERE what = 'old' AND failed AND '3' = ANY (lora) AND ch = '2'), 'last occurrence');
CREATE TEMP TABLE before AS SELECT f.*, e.wealth, f.ctid AS at FROM failure_patterns f JOIN fp_evidence e ON e.pattern_id = f.id WHERE f.source = 'old';
SELECT fp_refresh_now('old');
SELECT results_eq($$SELECT f.ctid, f.e_value, f.id, f.first_detected_at, f.confirmed_at FROM failure_patterns f WHERE source = 'old'$$,
    'SELECT at, e_value, id, first_detected_at, confirmed_at FROM before', 'refreshed again with nothing new, nothing is written');
SAVEPOINT deleted;
DELETE FROM failure_patterns WHERE source = 'old';
SELECT fp_refresh_now('old');
SELECT is(state('old', 'l:3:ch:2'), 'active candidate', 'a pattern that was deleted is found again');
UPDATE fp_sources SET min_trials = 100000 WHERE source = 'old';
SELECT fp_refresh_now('old');
SELECT is((SELECT status FROM failure_patterns WHERE source = 'old'), 'inactive', '... and settings that change are heeded');
ROLLBACK TO deleted;
UPDATE fp_sources SET window_length = '28 days' WHERE source = 'old';
SELECT fp_refresh_now('old');
SELECT is((SELECT round(excess_per_week::numeric, 6) FROM failure_patterns WHERE source = 'old'),
    excess('old', (SELECT min(day) FROM runs WHERE day_start(day) > now() - interval '29 days')), 'those of the weeks of the window only');
ROLLBACK TO deleted;
SELECT is((SELECT count(*) FROM fp_pattern_buckets b JOIN failure_patterns f ON f.id = b.pattern_id WHERE f.source = 'old'), 80::bigint,
    'counted in each bucket of the window');

-- While history is being loaded, nothing is promoted.
SELECT work('later', -59, 0, 150, $$l = '3' AND ch = '2'$$, 0.5);
SELECT watch('later');
UPDATE fp_source_state SET backfill_done = false WHERE source = 'later';
SELECT refresh('later');
SELECT is(state('later', 'l:3:ch:2'), 'active candidate', 'found while history is loaded: a candidate');
SELECT is((SELECT count(*) FROM fp_evidence e JOIN failure_patterns f ON f.id = e.pattern_id WHERE f.source = 'later' AND e.rank IS NULL), 1::bigint, '... of no rank yet');
UPDATE fp_source_state SET backfill_done = true WHERE source = 'later';
SELECT refresh('later');
SELECT is(state('later', 'l:3:ch:2'), 'active confirmed', 'once it is loaded, it is replayed');

-- New evidence only.
SELECT watch('live');
SELECT work('live', -60, -60, 2000, $$l = '3' AND ch = '2'$$, 0.6);
SELECT refresh('live');
SELECT is(state('live', 'l:3:ch:2'), 'active candidate', 'a new pattern is a candidate');
SELECT is((SELECT e_value FROM failure_patterns WHERE source = 'live'), 1::float8, '... with an e-value of 1');
SELECT results_eq($$SELECT candidate, pattern_id FROM fp_check_combo('{"lora": ["3"], "ch": "2"}', source => 'live')$$,
    $$SELECT true, id FROM failure_patterns WHERE source = 'live'$$, 'a candidate alerts, marked so');
SET LOCAL failpat.require_confirmed = on;
SELECT is_empty($$SELECT * FROM fp_check_combo('{"lora": ["3"], "ch": "2"}', source => 'live')$$, '... unless confirmation is required');
SELECT work('live', -59, -59, 150, $$l = '3' AND ch = '2'$$, 0.6);
SELECT refresh('live');
SELECT is((SELECT e_value FROM failure_patterns WHERE source = 'live'), 1::float8, 'an open bucket does not count');
SELECT work('live', -58, -58, 150, $$l = '3' AND ch = '2'$$, 0.6);
SELECT refresh('live');
SELECT isnt((SELECT e_value FROM failure_patterns WHERE source = 'live'), 1::float8, 'a closed one does');
SELECT work('live', -57, -15, 150, $$l = '3' AND ch = '2'$$, 0.6);
SELECT refresh('live');
SELECT is(state('live', 'l:3:ch:2'), 'active confirmed', 'confirmed by what came since');
SELECT is((SELECT count(*) FROM failure_patterns WHERE source = 'live'), 1::bigint, 'nothing else came up');
-- late: outcomes of a counted bucket change
SELECT results_eq($$SELECT candidate, pattern_id FROM fp_check_combo('{"lora": ["3"], "ch": "2"}', source => 'live')$$,
    $$SELECT false, id FROM failure_patterns WHERE source = 'live'$$, '... and alerts also where that is required');
CREATE TEMP TABLE live AS SELECT * FROM failure_patterns WHERE source = 'live';
UPDATE runs SET failed = false WHERE what = 'live' AND day = -30;
SELECT refresh('live');
SELECT results_eq($$SELECT e_value, confirmed_at, id FROM failure_patterns WHERE source = 'live'$$, 'SELECT e_value, confirmed_at, id FROM live',
    'a late change leaves the e-value as it is');
SELECT cmp_ok((SELECT failure_count FROM failure_patterns WHERE source = 'live'), '<', (SELECT failure_count FROM live), '... and changes the counts');
SELECT is((SELECT sum(failures)::int FROM fp_pattern_buckets b JOIN failure_patterns f ON f.id = b.pattern_id WHERE f.source = 'live' AND NOT residual),
    (SELECT failure_count FROM failure_patterns WHERE source = 'live'), '... also by bucket');

-- It is mended: resolved, though the window still shows it; then it is back.
SELECT work('live', -14, -6, 150);
SELECT refresh('live');
SELECT is(state('live', 'l:3:ch:2'), 'resolved confirmed', 'mended nine days ago: resolved, though mining still finds it');
SELECT is((SELECT count(*) FROM failure_patterns WHERE source = 'live' AND status = 'active'), 0::bigint, '... and nothing came in its place');
SELECT refresh('live');
SELECT is(state('live', 'l:3:ch:2'), 'resolved confirmed', '... and stays so');
SELECT work('live', -5, 0, 150, $$l = '3' AND ch = '2'$$, 0.7);
SELECT refresh('live');
SELECT is(state('live', 'l:3:ch:2'), 'active confirmed', 'it is back');
SELECT results_eq($$SELECT id, first_detected_at FROM failure_patterns WHERE source = 'live' AND status = 'active'$$, 'SELECT id, first_detected_at FROM live', '... with its id');
SELECT is(errors(), NULL, 'no errors');

-- A pattern's own changes and its status: a load of 90 days, bad for 80 of them
-- and mended for ten, is one that is resolved; by its whole window it is not.
SELECT work('mended', -89, -13, 300, $$l = '3' AND ch = '2'$$, 0.4);
SELECT work('mended', -12, -3, 300);
SELECT watch('mended');
SELECT refresh('mended');
SELECT is(state('mended', 'l:3:ch:2'), 'resolved confirmed', 'mended ten days ago, when it is first loaded: resolved');
SELECT cmp_ok((SELECT rr_lower FROM failure_patterns WHERE source = 'mended' AND status = 'resolved'), '>', 2::float8,
    '... though by its whole window it fails more often');
SELECT results_eq($$SELECT c.direction, c.at BETWEEN day_start(-14) AND day_start(-10), c.rate_after_lower < f.baseline_rate
    FROM failure_patterns f CROSS JOIN LATERAL fp_pattern_changes(f.id) c WHERE f.source = 'mended'$$,
    $$VALUES ('improvement', true, true)$$, '... as its own changes say');
CREATE TEMP TABLE mended AS SELECT id FROM failure_patterns WHERE source = 'mended';
SELECT work('mended', -2, 0, 300, $$l = '3' AND ch = '2'$$, 0.8);
SELECT refresh('mended');
SELECT is(state('mended', 'l:3:ch:2'), 'active confirmed', 'it recurs: active');
SELECT results_eq($$SELECT id FROM failure_patterns WHERE source = 'mended'$$, 'SELECT id FROM mended', '... with its id');

-- The range moves: the same pattern.
SELECT watch('range');
SELECT work('range', -60, -41, 150, $$l = '3' AND pos >= 9$$, 0.5);
SELECT refresh('range');
SELECT is((SELECT pattern_key FROM failure_patterns WHERE source = 'range' AND status = 'active'), 'range/l:3:pos:9+', 'from 9 on');
CREATE TEMP TABLE range AS SELECT * FROM failure_patterns WHERE source = 'range' AND status = 'active';
SELECT work('range', -40, 0, 150, $$l = '3' AND pos >= 5$$, 0.6);
SELECT refresh('range');
SELECT is((SELECT pattern_key FROM failure_patterns WHERE source = 'range' AND status = 'active'), 'range/l:3:pos:5+', 'from 5 on');
SELECT results_eq($$SELECT id, first_detected_at FROM failure_patterns WHERE source = 'range' AND status = 'active'$$, 'SELECT id, first_detected_at FROM range', 'the same pattern');
SELECT is((SELECT sum(b.trials)::int FROM fp_pattern_buckets b JOIN failure_patterns f ON f.id = b.pattern_id WHERE f.source = 'range' AND f.status = 'active' AND NOT residual),
    (SELECT total_count FROM failure_patterns WHERE source = 'range' AND status = 'active'), 'counted anew in all buckets');
SELECT is((SELECT confirmed_at IS NOT NULL FROM failure_patterns WHERE source = 'range' AND status = 'active'), true,
    'evidence went on with the range that was known when each bucket began');

-- Missed by a hair: it stays. Clearly gone: it goes.
SELECT watch('hair');
SELECT work('hair', -60, 0, 60, $$ch = '2' AND w = '1'$$, 0.32);
SELECT refresh('hair');
SELECT is(state('hair', 'ch:2:w:1') IN ('active candidate', 'active confirmed'), true, 'found: ' || coalesce(state('hair', 'ch:2:w:1'), 'not'));
-- take failures away, evenly over time, until it is not found any more
DO $$
BEGIN
    FOR i IN 1..60 LOOP
        EXIT WHEN state('hair', 'ch:2:w:1') LIKE '%missed' OR state('hair', 'ch:2:w:1') LIKE 'inactive%';
        UPDATE runs SET failed = false WHERE id IN (
            SELECT id FROM runs WHERE what = 'hair' AND ch = '2' AND w = '1' AND failed ORDER BY md5(id::text) LIMIT 2);
        PERFORM refresh('hair');
    END LOOP;
END $$;
SELECT is(regexp_replace(state('hair', 'ch:2:w:1'), 'candidate|confirmed', 'x'), 'active x, missed', 'missed by a hair: it stays active');
SELECT is((SELECT count(*) FROM fp_patterns((SELECT array_agg(cube ORDER BY bucket) FROM fp_cubes WHERE source = 'hair'))), 0::bigint, '... though mining finds nothing');
SELECT is((SELECT failure_count FROM failure_patterns WHERE source = 'hair' AND status = 'active'),
    (SELECT count(*)::int FROM runs WHERE what = 'hair' AND ch = '2' AND w = '1' AND failed), '... with its present counts');
UPDATE runs SET failed = false WHERE what = 'hair' AND ch = '2' AND w = '1' AND failed AND id % 4 <> 0;
SELECT refresh('hair');
SELECT is((SELECT status FROM failure_patterns WHERE source = 'hair'), 'resolved', 'clearly no longer elevated: resolved');

-- A better name takes its place: LoRA 3 was only ever used with character 2.
SELECT watch('spec');
SELECT work('spec', -80, -61, 60, $$l = '3'$$, 0.5);
UPDATE runs SET ch = CASE WHEN lora = '{3}' THEN '2' WHEN ch = '2' THEN '0' ELSE ch END WHERE what = 'spec';
SELECT refresh('spec');
CREATE TEMP TABLE spec AS SELECT * FROM failure_patterns WHERE source = 'spec' AND status = 'active';
SELECT is((SELECT array_agg(pattern_key IN ('spec/l:3', 'spec/ch:2')) FROM spec), '{t}', 'one of two names');
SELECT work('spec', -60, 0, 150, $$l = '3' AND ch = '2'$$, 0.5);
SELECT refresh('spec');
SELECT results_eq($$SELECT pattern_key FROM failure_patterns WHERE source = 'spec' AND status = 'active'$$, $$VALUES ('spec/l:3:ch:2')$$, 'a better one is found');
SELECT is((SELECT status FROM failure_patterns WHERE id = (SELECT id FROM spec)), 'inactive', '... and takes its place');

-- Two names of the same observations: the pattern stays the same when the other becomes the better one.
SELECT watch('alias');
SELECT work('alias', -60, -31, 60, $$l = '3'$$, 0.5);
UPDATE runs SET ch = CASE WHEN lora = '{3}' THEN '2' WHEN ch = '2' THEN '0' ELSE ch END WHERE what = 'alias';
SELECT refresh('alias');
CREATE TEMP TABLE alias AS SELECT * FROM failure_patterns WHERE source = 'alias' AND status = 'active';
SELECT is((SELECT caveat FROM alias), (SELECT 'Mostly used with ' || CASE pattern_key WHEN 'alias/l:3' THEN 'Ch 2' ELSE 'LoRA 3' END
                                              || ': which of them is the cause cannot be told.' FROM alias), 'which of two names it is cannot be told, and that is said');
SELECT ok(message LIKE '% elsewhere. Mostly used with %', 'in alerts too') FROM fp_check_combo('{"lora": "3", "ch": "2"}', source => 'alias');
SELECT is((SELECT caveat FROM range), NULL, 'where nothing is open, nothing is said');
INSERT INTO runs (what, day, failed, w, lora, ch, pos)
SELECT 'alias', -40, false, '1', CASE pattern_key WHEN 'alias/l:3' THEN '{3}' ELSE '{0}' END::text[], CASE pattern_key WHEN 'alias/l:3' THEN '0' ELSE '2' END, 5
FROM alias, generate_series(1, 3);
SELECT refresh('alias');
SELECT results_eq($$SELECT f.id, f.pattern_key <> a.pattern_key FROM failure_patterns f, alias a WHERE f.source = 'alias' AND f.status = 'active'$$,
    'SELECT id, true FROM alias', 'its name changes, its id does not');

-- Its data leave the window.
UPDATE fp_sources SET window_length = '10 days' WHERE source = 'old';
DELETE FROM fp_observations WHERE source = 'old' AND observed_at >= day_start(-12);
SELECT fp_rebuild('old');
SELECT fp_refresh_now('old');
SELECT is(state('old', 'l:3:ch:2'), 'inactive confirmed, missed', 'its data have left the window');
UPDATE fp_sources SET window_length = '90 days' WHERE source = 'old';
SELECT fp_refresh_now('old');
SELECT is(state('old', 'l:3:ch:2'), 'active confirmed', 'they are in it again, and so is the pattern');
SELECT is((SELECT id FROM failure_patterns WHERE source = 'old' AND status = 'active'), (SELECT id FROM before), '... with its id');

-- Incremental = full. Each history comes in random pieces, some late, some
-- outcomes corrected; one source is refreshed after each piece, one at the end.
CREATE TEMP TABLE ids (source text, identity jsonb, id bigint, first_detected_at timestamptz);
CREATE FUNCTION note_ids(wanted text) RETURNS void LANGUAGE sql AS $$
    INSERT INTO ids SELECT source, fp_pattern_identity(conditions), id, first_detected_at FROM failure_patterns WHERE source = wanted $$;
CREATE FUNCTION found(wanted text) RETURNS SETOF text LANGUAGE sql AS $$
    SELECT (to_jsonb(f) - '{id,source,status,first_detected_at,e_value,confirmed_at,created_at,updated_at}'::text[]
            || jsonb_build_object('pattern_key', split_part(pattern_key, '/', 2)))::text
    FROM failure_patterns f JOIN fp_evidence e ON e.pattern_id = f.id
    WHERE f.source = wanted AND f.status <> 'inactive' AND e.missed_since IS NULL $$;
CREATE FUNCTION history(name text, seed float8) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    plants text[] := '{"l = ''3'' AND ch = ''2''", "w = ''1''", "pos >= 8", "l = ''1'' AND pos >= 6", "ch = ''4'' AND w = ''2'' AND pos <= 3", "false"}';
    plant text;
    d int := -70;
    step int;
BEGIN
    PERFORM setseed(seed);
    plant := plants[1 + floor(random() * 6)::int];
    PERFORM watch(name || '_step');
    WHILE d <= 0 LOOP
        step := 1 + floor(random() * 20)::int;
        IF random() < 0.25 THEN
            plant := plants[1 + floor(random() * 6)::int];
        END IF;
        PERFORM work(name, d, least(d + step - 1, 0), 80, plant, 0.15 + 0.4 * random());
        IF random() < 0.5 THEN -- late
            PERFORM work(name, d - 5, d - 3, 30, plant, 0.5);
        END IF;
        IF random() < 0.5 THEN -- corrected
            UPDATE runs SET failed = NOT failed WHERE what = name AND day > d - 10 AND id % 37 = 0;
        END IF;
        d := d + step;
        PERFORM refresh(name || '_step', name);
        PERFORM note_ids(name || '_step');
    END LOOP;
    PERFORM watch(name || '_full');
    PERFORM refresh(name || '_full', name);
END $$;
SELECT history('h' || i, i / 90.0) FROM generate_series(1, 6) i;
SELECT is(errors(), NULL, 'no errors');
SELECT bag_eq(format('SELECT * FROM found(%L)', 'h' || i || '_step'), format('SELECT * FROM found(%L)', 'h' || i || '_full'),
    format('history %s: refreshed in steps or at once, the same list (of %s)', i, (SELECT count(*) FROM found('h' || i || '_full'))))
FROM generate_series(1, 6) i;
SELECT cmp_ok((SELECT count(*) FROM generate_series(1, 6) i, found('h' || i || '_full')), '>', 3::bigint, '... and not an empty one');
SELECT is_empty($$SELECT source, identity FROM ids GROUP BY 1, 2 HAVING count(DISTINCT (id, first_detected_at)) > 1$$, 'no pattern ever changed its id or its first detection');

-- This server's own clock was far ahead, and was put back: fp_rebuild puts back
-- what it has dated.
SELECT setseed(0.2);
SELECT watch('ahead');
INSERT INTO runs (what, day, failed, w, lora, ch, pos) VALUES ('ahead', 20000, true, '1', '{3}', '2', 5);
SELECT work('ahead', -60, -1, 150, $$l = '3' AND ch = '2'$$, 0.6);
SELECT refresh('ahead');
UPDATE fp_source_state SET watermark = day_start(20000), counted_through = day_start(20000) WHERE source = 'ahead';
UPDATE fp_evidence e SET promoted_through = day_start(20000), next_after = day_start(20000), resolved_through = day_start(20000)
FROM failure_patterns f WHERE f.id = e.pattern_id AND f.source = 'ahead';
SELECT cmp_ok((SELECT count(*) FROM fp_trend(source => 'ahead')), '>', 10000::bigint, 'a trend reaches into the far future');
SELECT is((SELECT looked_through FROM fp_source_state WHERE source = 'ahead'), day_start(20000), 'into which looks have seen');
SELECT fp_rebuild('ahead');
SELECT is_empty($$SELECT e.pattern_id FROM failure_patterns f JOIN fp_evidence e ON e.pattern_id = f.id
                  WHERE f.source = 'ahead' AND greatest(e.promoted_through, e.next_after, e.resolved_through) >= day_start(2)$$,
    'once rebuilt no evidence waits for what is to come');
SELECT fp_refresh_now('ahead');
SELECT is(errors(), NULL, 'no errors');
SELECT is((SELECT count(*) FROM fp_source_state WHERE source = 'ahead' AND greatest(watermark, looked_through, counted_through) < day_start(2)), 1::bigint, 'refreshed, it has looked up to now');
SELECT cmp_ok((SELECT count(*) FROM failure_patterns WHERE source = 'ahead'), '>', 0::bigint, '... and has patterns');
SELECT is_empty($$SELECT id FROM failure_patterns WHERE source = 'ahead' AND last_occurrence >= day_start(2)$$, '... of which none is still to come');
SELECT is_empty($$SELECT c.bucket FROM fp_cubes c WHERE c.source = 'ahead' AND c.bucket > now()$$, '... nor is anything counted');
SELECT is((SELECT row(sum(t.trials), sum(t.failures))::text FROM fp_cubes c, fp_totals(c.cube) t WHERE c.source = 'ahead'),
    (SELECT row(count(*), count(*) FILTER (WHERE failed))::text FROM runs WHERE what = 'ahead'), '... and each observation is, once');
SELECT is((SELECT count(*) FROM fp_observations WHERE source = 'ahead' AND observed_at > day_start(2)), 0::bigint, '... as of now');
SELECT cmp_ok((SELECT count(*) FROM fp_trend(source => 'ahead')), '<', 200::bigint, '... which a trend reaches to');
SELECT throws_like('SELECT fp_look(NULL, NULL, NULL)', 'there is no source NULL%', 'a look at nothing says so');
SELECT * FROM finish();
ROLLBACK;
