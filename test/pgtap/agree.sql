-- Cells of heatmaps and what lies behind them, over random histories and random
-- questions: each cell counts what a query over the observations counts, and
-- fp_drilldown shows as many, refreshed or not; and so do the days of a trend.
\set QUIET 1
\set ON_ERROR_STOP 1
\pset format unaligned
\pset tuples_only true
\pset pager off
SET client_min_messages = warning;
CREATE SCHEMA failpat;
CREATE EXTENSION failpat SCHEMA failpat;
SET search_path = failpat, public, tap;
SET timezone = 'UTC';
SELECT plan(18);
-- of what is drawn at random, all but under valgrind
\set share 1
\getenv share FAILPAT_SHARE

CREATE TABLE runs (id integer PRIMARY KEY, at timestamptz, failed boolean, checks text[], w text, lora text[], ch text, pos integer, strength numeric, tag text[]);
CREATE VIEW seen AS SELECT id AS source_key, 'r' || id AS obs_key, at AS observed_at, failed, checks AS failed_checks, w, lora, ch, pos, strength, tag FROM runs;
SELECT fp_attach('runs', 'seen', '{"runs": "id"}', '{"pos": {"kind": "ordinal"}, "strength": {"kind": "ordinal"}, "lora": {"kind": "set"}, "tag": {"kind": "set"}}',
                 window_length => '100 years', history => 'later', bucket_zone => 'Europe/Berlin') \g /dev/null

-- n runs, on 40 days over the change of clocks; on days 10 to 19 nobody records
-- LoRAs, and tags are rare and new
CREATE FUNCTION work(first int, last int) RETURNS void LANGUAGE sql AS $$
    INSERT INTO runs
    SELECT i, timestamptz '2026-03-10 00:00 Europe/Berlin' + day * interval '1 day' + floor(random() * 86400) * interval '1 second',
           f, CASE WHEN f THEN ARRAY(SELECT c FROM unnest('{face,motion,hands}'::text[]) c WHERE i > 0 AND random() < 0.5) ELSE '{}' END,
           CASE WHEN random() > 0.05 THEN floor(random() * 4)::int::text END,
           CASE WHEN day NOT BETWEEN 10 AND 19 AND random() > 0.1
                THEN ARRAY(SELECT DISTINCT floor(power(random(), 2) * 9)::int::text FROM generate_series(1, (i % 4))) END,
           'c' || floor(random() * 6)::int, CASE WHEN random() > 0.05 THEN 1 + floor(random() * 12)::int END,
           CASE WHEN random() > 0.3 THEN floor(random() * 20) / 8 END,
           CASE WHEN day > 30 THEN ARRAY['t' || i % 3] END
    FROM (SELECT i, floor(random() * 40)::int AS day, random() < 0.15 AS f FROM generate_series(first, last) i OFFSET 0) x
$$;

-- members of a cell's axis that a run has, by hand
CREATE FUNCTION members(r runs, dim text) RETURNS text[] LANGUAGE sql AS $$
    SELECT CASE dim WHEN 'w' THEN array_remove(ARRAY[r.w], NULL) WHEN 'ch' THEN ARRAY[r.ch] WHEN 'lora' THEN coalesce(r.lora, '{}')
        WHEN 'tag' THEN coalesce(r.tag, '{}') WHEN 'pos' THEN array_remove(ARRAY[r.pos::text], NULL)
        ELSE array_remove(ARRAY[trim_scale(r.strength)::text], NULL) END
$$;
CREATE FUNCTION bin(v text, bounds float8[]) RETURNS int LANGUAGE sql AS $$ SELECT width_bucket(v::float8, bounds) $$;
-- one condition by hand
CREATE FUNCTION meets(r runs, filter jsonb) RETURNS boolean LANGUAGE sql AS $$
    SELECT coalesce(bool_and(CASE
        WHEN f.value = 'null' THEN CASE f.key WHEN 'lora' THEN r.lora IS NULL WHEN 'w' THEN r.w IS NULL WHEN 'pos' THEN r.pos IS NULL WHEN 'tag' THEN r.tag IS NULL
                                              WHEN 'strength' THEN r.strength IS NULL ELSE r.ch IS NULL END
        WHEN f.value ? 'count' THEN coalesce(cardinality(CASE f.key WHEN 'lora' THEN r.lora ELSE r.tag END)
                                             BETWEEN coalesce((f.value #>> '{count,min}')::int, 0) AND coalesce((f.value #>> '{count,max}')::int, 99), false)
        WHEN jsonb_typeof(f.value) = 'object' THEN coalesce((SELECT m::float8 BETWEEN coalesce((f.value ->> 'min')::float8, '-infinity') AND coalesce((f.value ->> 'max')::float8, 'infinity')
                                                             FROM unnest(members(r, f.key)) m), false)
        WHEN f.value = '[]' THEN coalesce(CASE f.key WHEN 'lora' THEN r.lora ELSE r.tag END = '{}', false)
        WHEN jsonb_typeof(f.value) = 'array' THEN members(r, f.key) @> ARRAY(SELECT jsonb_array_elements_text(f.value))
        ELSE members(r, f.key) @> ARRAY[f.value #>> '{}'] END), true)
    FROM jsonb_each(filter) f
$$;
CREATE TABLE questions (n int, row_dim text, col_dim text, filter jsonb, "check" text, since timestamptz, until timestamptz, row_bins float8[], col_bins float8[], row_limit int);
CREATE FUNCTION ask(how_many int) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    dims text[] := '{w,lora,ch,pos,strength,tag}';
    filters text[] := ARRAY['{"w": "1"}', '{"w": "3", "ch": "c2"}', '{"lora": "0"}', '{"lora": ["0", "1"]}', '{"lora": []}', '{"lora": null}', '{"lora": {"count": {"min": 2}}}',
        '{"lora": {"count": {"max": 1}}}', '{"pos": {"min": 4, "max": 9}}', '{"pos": 3}', '{"strength": {"max": 1.25}}', '{"tag": "t1"}', '{"tag": null, "w": "0"}',
        '{"lora": "8", "pos": {"min": 6}}', '{"ch": "nobody"}', '{"lora": "99"}'];
    a text;
    b text;
BEGIN
    TRUNCATE questions;
    FOR n IN 1 .. how_many LOOP
        a := dims[1 + floor(random() * 6)];
        b := dims[1 + floor(random() * 6)];
        CONTINUE WHEN a = b AND a NOT IN ('lora', 'tag');
        INSERT INTO questions SELECT n, a, b, CASE WHEN random() < 0.7 THEN filters[1 + floor(random() * 16)]::jsonb ELSE '{}' END,
            CASE WHEN random() < 0.3 THEN (ARRAY['face', 'motion', 'hands', 'never'])[1 + floor(random() * 4)] END,
            -- bounds of whole local days, so that what is asked is what is counted
            CASE WHEN random() < 0.6 THEN (timestamp '2026-03-10' + floor(random() * 20) * interval '1 day') AT TIME ZONE 'Europe/Berlin' ELSE '-infinity' END,
            CASE WHEN random() < 0.6 THEN (timestamp '2026-04-01' + floor(random() * 20) * interval '1 day') AT TIME ZONE 'Europe/Berlin' ELSE 'infinity' END,
            CASE WHEN a = 'pos' AND random() < 0.5 THEN '{4,7,10}' WHEN a = 'strength' AND random() < 0.5 THEN '{0.5,1.3}' END::float8[],
            CASE WHEN b = 'pos' AND random() < 0.5 THEN '{2,11}' WHEN b = 'strength' AND random() < 0.5 THEN '{0.75}' END::float8[],
            CASE WHEN random() < 0.2 THEN 3 ELSE 100 END;
    END LOOP;
END $$;
-- how many cells there are, and how many of them are not those that are counted by hand
CREATE FUNCTION by_hand(OUT cells bigint, OUT wrong bigint, OUT example text) LANGUAGE sql AS $$
    SELECT count(*), count(*) FILTER (WHERE (x.trials, x.failures) IS DISTINCT FROM (x.hand_trials, x.hand_failures)),
           min(q::text || x::text) FILTER (WHERE (x.trials, x.failures) IS DISTINCT FROM (x.hand_trials, x.hand_failures))
    FROM questions q
    CROSS JOIN LATERAL (
        SELECT r, c, h.trials, h.failures, g.trials AS hand_trials, g.failures AS hand_failures
        FROM (SELECT h.trials, h.failures,
                     CASE WHEN q.row_bins IS NULL THEN h.row_value ELSE bin(coalesce(h.conditions -> q.row_dim ->> 'min', '-infinity'), q.row_bins)::text END AS r,
                     CASE WHEN q.col_bins IS NULL THEN h.col_value ELSE bin(coalesce(h.conditions -> q.col_dim ->> 'min', '-infinity'), q.col_bins)::text END AS c
              FROM fp_heatmap(q.row_dim, q.col_dim, 'runs', q.since, q.until, q.filter, q."check", q.row_limit, 100, q.row_bins, q.col_bins) h) h
        FULL JOIN (
              SELECT CASE WHEN q.row_bins IS NULL THEN a ELSE bin(a, q.row_bins)::text END AS r, CASE WHEN q.col_bins IS NULL THEN b ELSE bin(b, q.col_bins)::text END AS c,
                     count(*) AS trials, count(*) FILTER (WHERE u.failed AND (q."check" IS NULL OR q."check" = ANY (u.checks))) AS failures
              FROM runs u CROSS JOIN LATERAL unnest(members(u, q.row_dim)) a CROSS JOIN LATERAL unnest(members(u, q.col_dim)) b
              WHERE u.at >= q.since AND u.at < q.until AND meets(u, q.filter)
              GROUP BY 1, 2) g USING (r, c)
        -- of a limited axis, only what is shown
        WHERE q.row_limit = 100 OR h.trials IS NOT NULL) x
$$;
CREATE FUNCTION drilled(OUT cells bigint, OUT wrong bigint) LANGUAGE sql AS $$
    SELECT count(*), count(*) FILTER (WHERE h.trials <> (SELECT count(*) FROM fp_drilldown(h.conditions || (q.filter - q.row_dim - q.col_dim), 'runs', q.since, q.until, page_size => 10000))
        OR h.failures <> (SELECT count(*) FROM fp_drilldown(h.conditions || (q.filter - q.row_dim - q.col_dim), 'runs', q.since, q.until, true, q."check", page_size => 10000)))
    FROM questions q
    CROSS JOIN LATERAL (SELECT * FROM fp_heatmap(q.row_dim, q.col_dim, 'runs', q.since, q.until, q.filter, q."check", q.row_limit, 100, q.row_bins, q.col_bins)
                        ORDER BY random() LIMIT 6) h
    -- a cell of a dimension that the filter speaks of has two conditions on it
    WHERE NOT q.filter ?| ARRAY[q.row_dim, q.col_dim]
$$;
CREATE FUNCTION by_day(OUT days bigint, OUT wrong bigint) LANGUAGE sql AS $$
    SELECT count(*), count(*) FILTER (WHERE (x.trials, x.failures) IS DISTINCT FROM (x.hand_trials, x.hand_failures))
    FROM questions q
    CROSS JOIN LATERAL (
        SELECT t.trials, t.failures, g.trials AS hand_trials, g.failures AS hand_failures
        FROM (SELECT b.bucket, sum(b.trials) AS trials, sum(b.failures) AS failures
              FROM fp_bucket_counts('runs', q.filter, NULL, q.since, q.until, '1 day', q."check") b GROUP BY 1) t
        FULL JOIN (SELECT date_trunc('day', u.at, 'Europe/Berlin') AS bucket, count(*) AS trials,
                          count(*) FILTER (WHERE u.failed AND (q."check" IS NULL OR q."check" = ANY (u.checks))) AS failures
                   FROM runs u WHERE u.at >= q.since AND u.at < q.until AND meets(u, q.filter) GROUP BY 1) g USING (bucket)) x
$$;
CREATE FUNCTION agree(what text, share numeric) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
    h record := by_hand();
    d record := drilled();
    t record := by_day();
BEGIN
    RETURN NEXT ok(h.cells > CASE WHEN share < 1 THEN 100 ELSE 1000 END AND h.wrong = 0, format('%s: %s cells, %s not as counted by hand %s', what, h.cells, h.wrong, h.example));
    RETURN NEXT ok(d.cells > 100 * share AND d.wrong = 0, format('%s: %s cells drilled into, %s with another number behind them', what, d.cells, d.wrong));
    RETURN NEXT ok(t.days > 300 * share AND t.wrong = 0, format('%s: %s days, %s not as counted by hand', what, t.days, t.wrong));
END $$;

SELECT setseed(0.4) \g /dev/null
-- so many as are captured at once
SELECT format('SELECT work(%s, %s)', i, i + 199) FROM generate_series(1, 2801, 200) i \gexec
SELECT ask(ceil(60 * :share)::int) \g /dev/null
SELECT agree('nothing refreshed', :share);
CALL fp_refresh('runs');
SELECT is((SELECT count(*) FROM fp_dirty), 0::bigint, 'all is refreshed');
SELECT ok((SELECT count(*) FROM fp_spans) > 20, 'and added up');
SELECT agree('refreshed', :share);
SELECT work(3001, 3040) \g /dev/null
UPDATE runs SET failed = true, checks = '{motion}' WHERE id % 97 = 0;
UPDATE runs SET failed = false, checks = '{}' WHERE id % 97 = 1;
SELECT ok((SELECT count(DISTINCT bucket) FROM fp_dirty) > 20, 'many buckets are not refreshed');
SELECT ask(ceil(60 * :share)::int) \g /dev/null
SELECT agree('some dirty', :share);
CALL fp_refresh('runs');
SELECT ask(ceil(60 * :share)::int) \g /dev/null
SELECT agree('refreshed again', :share);
SELECT setseed(0.8) \g /dev/null
DELETE FROM fp_margins;
SELECT ask(ceil(60 * :share)::int) \g /dev/null
SELECT agree('without pairs', :share);
SELECT * FROM finish();
