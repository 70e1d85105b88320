-- Changes of a failure rate over time: the aggregates change_points and
-- fp_segments, and fp_bh.
\set VERBOSITY default
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS failpat;
RESET client_min_messages;
SET timezone = 'UTC';
SET datestyle = 'ISO';

-- Daily buckets: 12 % until day 49, 26 % from day 50 on.
CREATE TEMP VIEW days AS
SELECT i, timestamptz '2026-01-01Z' + i * interval '1 day' AS day,
	(CASE WHEN i < 50 THEN 5 ELSE 12 END + (i * 7) % 3)::bigint AS failures,
	50::bigint AS trials
FROM generate_series(1, 100) i;

-- what a person looks at first
CREATE FUNCTION pg_temp.brief(c change_point[]) RETURNS TABLE (kind text,
	direction text, at text, place text, before text, after text, diff text,
	sure boolean)
LANGUAGE sql AS $$
SELECT kind, direction, to_char(at, 'MM-DD'),
	to_char(at_lower, 'MM-DD') || '..' || to_char(at_upper, 'MM-DD'),
	failures_before || '/' || trials_before,
	failures_after || '/' || trials_after,
	format('%s (%s..%s)', round(difference::numeric, 3),
		round(difference_lower::numeric, 3), round(difference_upper::numeric, 3)),
	p_value < 0.001
FROM unnest(c) WITH ORDINALITY x ORDER BY ordinality
$$;

\x on
SELECT kind, direction, at, at_lower, at_upper, last_before, failures_before,
	trials_before, failures_after, trials_after,
	round(rate_before::numeric, 4) AS rate_before,
	round(rate_before_lower::numeric, 4) AS rate_before_lower,
	round(rate_before_upper::numeric, 4) AS rate_before_upper,
	round(rate_after::numeric, 4) AS rate_after,
	round(rate_after_lower::numeric, 4) AS rate_after_lower,
	round(rate_after_upper::numeric, 4) AS rate_after_upper,
	round(difference::numeric, 4) AS difference,
	round(difference_lower::numeric, 4) AS difference_lower,
	round(difference_upper::numeric, 4) AS difference_upper,
	round(ratio::numeric, 3) AS ratio,
	round(ratio_lower::numeric, 3) AS ratio_lower,
	round(ratio_upper::numeric, 3) AS ratio_upper,
	round(odds_ratio::numeric, 3) AS odds_ratio,
	round(odds_ratio_lower::numeric, 3) AS odds_ratio_lower,
	round(odds_ratio_upper::numeric, 3) AS odds_ratio_upper,
	round(gain::numeric, 2) AS gain, p_value < 1e-30 AS sure, dispersion,
	buckets, gap, low_counts, provisional
FROM (SELECT change_points(day, failures, trials) AS c FROM days) s, unnest(s.c);
\x off

-- The figures are those of fp_compare_rates and fp_rate_ci.
SELECT abs(c.difference_lower - r.difference_lower) < 1e-12 AS difference,
	abs(c.ratio_upper - r.ratio_upper) < 1e-12 AS ratio,
	abs(c.odds_ratio_lower - r.odds_ratio_lower) < 1e-12 AS odds_ratio,
	abs(c.rate_after_upper - (fp_rate_ci(c.failures_after, c.trials_after)).upper) < 1e-12 AS rate
FROM (SELECT change_points(day, failures, trials) AS c FROM days) s,
	unnest(s.c) c,
	fp_compare_rates(c.failures_after, c.trials_after, c.failures_before, c.trials_before) r;

-- Swapping failures and successes, or the direction of time, mirrors it.
SELECT brief.* FROM (SELECT change_points(day, trials - failures, trials) AS c FROM days) s, pg_temp.brief(s.c);
SELECT brief.* FROM (SELECT change_points(timestamptz '2026-01-01Z' + (101 - i) * interval '1 day', failures, trials) AS c FROM days) s,
	pg_temp.brief(s.c);

-- The same result from any order of rows, from rows that are not yet added
-- up, from every plan.
CREATE TEMP TABLE expected AS SELECT change_points(day, failures, trials) AS c,
	fp_segments(day, failures, trials) AS s FROM days;
SELECT (SELECT change_points(day, failures, trials ORDER BY i DESC) FROM days) = c AS descending,
	(SELECT change_points(day, failures, trials ORDER BY (i * 37) % 101) FROM days) = c AS shuffled,
	(SELECT change_points(day, failures * k / 12, trials * k / 12 ORDER BY k, i)
		FROM (SELECT i, day, failures * 12 AS failures, trials * 12 AS trials FROM days) d,
			(VALUES (0), (5), (7)) v(k))
		= (SELECT change_points(day, failures * 12, trials * 12) FROM days) AS in_pieces,
	(SELECT change_points(day, (j <= failures)::int, 1)
		FROM days, generate_series(1, trials) j) = c AS row_by_row
FROM expected;

CREATE TABLE series_rows AS
SELECT g, day + random() * interval '0' AS day, (j <= failures)::int::bigint AS failures, 1::bigint AS trials
FROM days, generate_series(1, trials) j, generate_series(1, 4) g;
ALTER TABLE series_rows SET (parallel_workers = 2);
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SET max_parallel_workers_per_gather = 2;
SET enable_hashagg = on;
EXPLAIN (COSTS off) SELECT change_points(day, failures, trials) FROM series_rows WHERE g = 1;
SELECT (SELECT change_points(day, failures, trials) FROM series_rows WHERE g = 1) = c AS parallel,
	(SELECT change_points(day, failures, trials, '{}') FROM series_rows WHERE g = 1) = c AS with_options,
	(SELECT bool_and(x.c = expected.c)
		FROM (SELECT change_points(day, failures, trials) AS c FROM series_rows GROUP BY g) x) AS groups,
	(SELECT bool_and(x.c = expected.c)
		FROM (SELECT g, change_points(day, failures, trials) OVER (PARTITION BY g) AS c FROM series_rows) x) AS over_partitions
FROM expected;
RESET parallel_setup_cost;
RESET parallel_tuple_cost;
RESET min_parallel_table_scan_size;
RESET max_parallel_workers_per_gather;
DROP TABLE series_rows;

-- States can be kept and combined by hand, either way round.
CREATE TEMP TABLE states AS
SELECT (SELECT max(a) FROM (SELECT fp_series_accum(NULL, day, failures, trials) AS a FROM days WHERE i = 1) x) AS one;
SELECT fp_change_points_final(fp_series_combine(one, one)) = '{}' AS still_one_bucket, cardinality(one) AS size FROM states;
SELECT fp_change_points_final(NULL) = '{}' AS nothing;

-- Step lines, one row per stretch.
SELECT s.first_bucket, s.last_bucket, s.buckets, s.failures, s.trials, round(s.rate::numeric, 3) AS rate,
	round(s.lower::numeric, 3) AS lower, round(s.upper::numeric, 3) AS upper
FROM expected, unnest(expected.s) s;

-- A spike is no shift; the newest bucket is only provisionally one.
SELECT brief.* FROM (SELECT change_points(day, CASE WHEN i = 30 THEN 30 WHEN i IN (70, 71) THEN 35 ELSE 5 + i % 2 END, 50) AS c
	FROM days) s, pg_temp.brief(s.c);
SELECT kind, to_char(at, 'MM-DD') AS at, provisional
FROM (SELECT change_points(day, CASE WHEN i = 100 THEN 30 ELSE 5 + i % 2 END, 50) AS c FROM days) s, unnest(s.c);
SELECT kind, to_char(at, 'MM-DD') AS at FROM (SELECT change_points(day, CASE WHEN i = 30 THEN 30 ELSE 5 + i % 2 END, 50, '{"max_spike": 0}') AS c
	FROM days) s, unnest(s.c);
-- five days are no stretch where none may be shorter than 20
SELECT count(*) AS shorter_than_20 FROM unnest((SELECT fp_segments(day, CASE WHEN i BETWEEN 30 AND 34 THEN 25 ELSE 5 + i % 2 END, 50,
	'{"min_segment": 20}') FROM days)) s WHERE s.buckets < 20;

-- Overdispersion: days of 4 % and 20 % in a pattern of no meaning.
CREATE TEMP VIEW restless AS
SELECT timestamptz '2026-01-01Z' + i * interval '1 day' AS day,
	CASE WHEN ((i * i * 31 + i * 17) % 101) % 2 = 0 THEN 8 ELSE 40 END AS failures, 200 AS trials
FROM generate_series(1, 300) i;
SELECT cardinality(change_points(day, failures, trials)) AS auto,
	cardinality(change_points(day, failures, trials, '{"overdispersion": "auto"}')) AS auto_by_name,
	cardinality(change_points(day, failures, trials, '{"overdispersion": "none"}')) > 50 AS none,
	cardinality(change_points(day, failures, trials, '{"overdispersion": 20}')) AS given
FROM restless;
SELECT dispersion, round(gain::numeric, 2) AS gain FROM (SELECT change_points(day, failures, trials, '{"overdispersion": 4}') AS c FROM days) s, unnest(s.c);
-- confidence moves the intervals only, alpha what is reported
SELECT conf, round((c[1]).difference_lower::numeric, 3) AS lower, round((c[1]).difference_upper::numeric, 3) AS upper
FROM (VALUES (0.8), (0.999)) v(conf),
	LATERAL (SELECT change_points(day, failures, trials, jsonb_build_object('confidence', conf)) AS c FROM days) s;
SELECT a, cardinality((SELECT change_points(day, CASE WHEN i < 50 THEN 5 ELSE 7 END + i % 2, 50, jsonb_build_object('alpha', a)) FROM days)) AS changes
FROM (VALUES (0.1), (1e-9)) v(a);

-- Little or nothing to see.
SELECT change_points(day, failures, trials) AS no_rows, fp_segments(day, failures, trials) AS no_segments FROM days WHERE i < 0;
SELECT change_points(day, failures, trials) AS one_bucket FROM days WHERE i = 1;
SELECT change_points(day, CASE i WHEN 1 THEN 0 ELSE 1000 END, 1000) AS two_buckets FROM days WHERE i < 3;
SELECT change_points(day, 0, 50) AS no_failures, change_points(day, 50, 50) AS only_failures, change_points(day, 0, 0) AS no_trials FROM days;
SELECT s.buckets, s.rate, s.lower > 0.999 AS lower, s.upper FROM (SELECT fp_segments(day, 50, 50) AS s FROM days) x, unnest(x.s) s;
SELECT brief.*, c[1].ratio, c[1].odds_ratio, c[1].low_counts
FROM (SELECT change_points(day, CASE WHEN i < 50 THEN 0 ELSE 50 END, 50) AS c FROM days) s, pg_temp.brief(s.c);
SELECT brief.* FROM (SELECT change_points(day, CASE WHEN i < 50 THEN 100000000 ELSE 100200000 END, 1000000000) AS c FROM days) s, pg_temp.brief(s.c);
SELECT brief.* FROM (SELECT change_points(day, CASE WHEN i < 50 THEN 9000000000000000 ELSE 27000000000000000 END, 90000000000000000) AS c FROM days) s,
	pg_temp.brief(s.c);

-- Empty buckets and missing ones: the place of a change is known up to the gap.
SELECT to_char(at, 'MM-DD') AS at, to_char(last_before, 'MM-DD') AS last_before, gap, buckets
FROM (SELECT change_points(day, CASE WHEN i BETWEEN 45 AND 52 THEN 0 ELSE failures END,
	CASE WHEN i BETWEEN 45 AND 52 THEN 0 ELSE trials END) AS c FROM days) s, unnest(s.c);
SELECT to_char(at, 'MM-DD') AS at, to_char(last_before, 'MM-DD') AS last_before, gap, buckets
FROM (SELECT change_points(day, failures, trials) AS c FROM days WHERE i NOT BETWEEN 45 AND 52) s, unnest(s.c);
-- no gap: a day of 25 hours, a month of 31 days after one of 28
SELECT at, last_before, gap FROM (SELECT change_points(date_trunc('day', timestamptz '2026-10-01 00:00 Europe/Berlin' + i * interval '24 hours' + interval '2 hours', 'Europe/Berlin'),
	CASE WHEN i < 25 THEN 5 ELSE 15 END, 50) AS c FROM generate_series(0, 50) i) s, unnest(s.c);
SELECT at, last_before, gap FROM (SELECT change_points(timestamptz '2025-01-01Z' + i * interval '1 month', CASE WHEN i < 14 THEN 50 ELSE 100 END, 500) AS c
	FROM generate_series(0, 30) i) s, unnest(s.c);
-- Daily buckets of a time zone with summer time, from hourly rows: the autumn
-- day has 25 of them, the spring day 23, and every day is one bucket.
SELECT s.buckets, s.trials FROM (SELECT fp_segments(date_trunc('day', t, 'America/New_York'), 1, 2) AS s
	FROM generate_series(timestamptz '2026-01-01 00:00 America/New_York', timestamptz '2026-12-31 23:00 America/New_York', '1 hour') t) x, unnest(x.s) s;

-- What is not allowed says so.
SELECT change_points(NULL, 1, 2);
SELECT change_points(now(), NULL, 2);
SELECT change_points(now(), 1, NULL);
SELECT change_points(now(), -1, 2);
SELECT change_points(now(), 3, 2);
SELECT change_points(now(), -3, -2);
SELECT change_points('infinity', 1, 2);
SELECT change_points(day, 1, 9223372036854775807) FROM days;
SELECT change_points(now(), 1, 9223372036854775807) FROM days;
SELECT change_points(now(), 1, 2, '[]');
SELECT change_points(now(), 1, 2, '3');
SELECT change_points(now(), 1, 2, '{"alhpa": 0.05}');
SELECT change_points(now(), 1, 2, jsonb_build_object(repeat('ü', 100), 1));
SELECT change_points(now(), 1, 2, '{"alpha": 0}');
SELECT change_points(now(), 1, 2, '{"alpha": "0.05"}');
SELECT change_points(now(), 1, 2, '{"alpha": null}');
SELECT change_points(now(), 1, 2, '{"alpha": 1e400}');
SELECT change_points(now(), 1, 2, '{"confidence": 1}');
SELECT change_points(now(), 1, 2, '{"confidence": [0.9]}');
SELECT change_points(now(), 1, 2, '{"overdispersion": 0.5}');
SELECT change_points(now(), 1, 2, '{"overdispersion": "some"}');
SELECT change_points(now(), 1, 2, '{"max_spike": 1.5}');
SELECT change_points(now(), 1, 2, '{"max_spike": -1}');
SELECT change_points(now(), 1, 2, '{"min_segment": 0}');
SELECT change_points(now(), 1, 2, '{"min_segment": true}');
SELECT change_points(now(), 1, 2, '{"min_segment": {"a": 1}}');
SELECT change_points(day, 1, 2, jsonb_build_object('max_spike', i)) FROM days;
SELECT cardinality(change_points(day, failures, trials, NULL)) AS null_options FROM days;

-- States of someone's own making.
CREATE FUNCTION pg_temp.refused(statement text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE statement;
	RETURN 'accepted';
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE || ' ' || SQLERRM;
END $$;
SELECT s.state, pg_temp.refused(format('SELECT fp_change_points_final(%L)', s.state)) AS final
FROM (VALUES ('{}'), ('{1}'), ('{{1,2},{3,4}}'), ('{1,0,0,0,0,2,1}'), ('{2,0,4576918229304087675,4606732058837280358,0,2,1}'),
	('{1,0,4576918229304087675,4606732058837280358,0,2,1}'), ('{1,1,4576918229304087675,4606732058837280358,0,2,1}'),
	('{1,-1,4576918229304087675,4606732058837280358,0,2,1}'),
	('{1,1,4576918229304087675,4606732058837280358,0,2,1,5,2,3}'),
	('{1,1,4576918229304087675,4606732058837280358,0,2,1,5,3,2}'),
	('{1,1,4576918229304087675,4606732058837280358,0,2,1,5,-1,2}'),
	('{1,1,4576918229304087675,4606732058837280358,0,2,1,9223372036854775807,1,2}'),
	('{1,1,4576918229304087675,4606732058837280358,0,2,1,5,2}'),
	('{1,1,4576918229304087675,4606732058837280358,0,2,1,5,2,NULL}'),
	('{1,1,4576918229304087675,4606732058837280358,0,2000,1,5,2,3}'),
	('{1,1,4576918229304087675,4606732058837280358,0,2,0,5,2,3}'),
	('{1,1,9221120237041090560,4606732058837280358,0,2,1,5,2,3}'),
	('{1,1,4576918229304087675,4606732058837280358,4602678819172646912,2,1,5,2,3}')) s(state);
SELECT pg_temp.refused(format('SELECT fp_series_accum(%L, now(), 1, 2)', s.state)) AS accum,
	pg_temp.refused(format('SELECT fp_series_combine(%L, %L)', s.state, '{1,0,4576918229304087675,4606732058837280358,0,2,1}')) AS combine,
	pg_temp.refused(format('SELECT fp_series_combine(%L, %L)', '{1,0,4576918229304087675,4606732058837280358,0,2,1}', s.state)) AS combine_second
FROM (VALUES ('{}'), ('{1,5,0,0,0,2,1}'), ('{1,0,0,0,0,2,1}'), ('{1,0,4576918229304087675,4606732058837280358,0,2,1}')) s(state);
-- a state is a value: accumulating into it does not change it
WITH s AS MATERIALIZED (SELECT one AS state FROM states)
SELECT fp_series_accum(state, '2026-03-03Z', 1, 2) <> state AS differs, state = (SELECT one FROM states) AS unchanged FROM s;

-- Cancelled at once: the search itself, its input being ready.
CREATE TEMP TABLE long AS SELECT ARRAY[1, n, 4576918229304087675, 4606732058837280358, 4607182418800017408, 2, 1]
	|| ARRAY(SELECT x FROM generate_series(1::bigint, n) i, LATERAL (VALUES (i), ((i * i + i / 3) % 7), (50)) v(x)) AS state
FROM (VALUES (1000000)) v(n);
SET statement_timeout = '100ms';
SELECT fp_change_points_final(state) FROM long;
RESET statement_timeout;

-- False discovery rate across series; NULL is a series without a change.
SELECT p, round(fp_bh(p) OVER ()::numeric, 4) AS q FROM (VALUES (0.01), (0.04), (0.03), (0.005), (NULL), (1)) v(p) ORDER BY p;
SELECT g, p, round(fp_bh(p) OVER (PARTITION BY g)::numeric, 4) AS q FROM (VALUES (1, 0.01), (1, 0.02), (2, 0.01), (2, NULL), (3, NULL)) v(g, p) ORDER BY g, p;
SELECT fp_bh(p) OVER () FROM (VALUES (0.5), (1.5)) v(p);
SELECT fp_bh(p) OVER () FROM (VALUES (0.5), ('NaN'::float8)) v(p);
SELECT fp_bh(0.5);
SELECT s, min_p < 1e-6 AS found, q < 0.01 AS kept
FROM (SELECT s, min_p, fp_bh(min_p) OVER () AS q
	FROM (SELECT s, (SELECT min(p_value) FROM unnest(c)) AS min_p
		FROM (SELECT s, change_points(day, CASE WHEN s = 3 THEN failures ELSE 5 + i % 2 END, trials) AS c
			FROM days, generate_series(1, 4) s GROUP BY s) a) b) d
ORDER BY s;
