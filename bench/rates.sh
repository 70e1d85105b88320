# failure_rate_ci(failed) beside core's avg(float8) over 4 million rows.
#
# The float column comes first in the row, so the rival has the shorter way to its value.
# avg(float8) has no inverse transition, so moving frames are also compared with
# avg(bigint), which has one.
# server: -o shared_buffers=1GB -o max_parallel_workers=8 -o jit=off -o work_mem=64MB
sql "CREATE EXTENSION failpat;
CREATE TABLE runs AS
SELECT (random() * 100)::float8 AS x, random() < 0.086 AS failed, (random() * 999)::int AS g, i AS id,
  (random() * 100)::bigint AS n
FROM generate_series(1, 4000000) i;
CREATE TABLE few AS SELECT * FROM runs LIMIT 100000;
VACUUM (FREEZE, ANALYZE) runs; VACUUM (FREEZE, ANALYZE) few;"

serial='SET max_parallel_workers_per_gather = 0;'
workers='SET max_parallel_workers_per_gather = 2; SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0;'

compare 'plain' 1.3 "$serial" \
  'SELECT failure_rate_ci(failed) FROM runs;' 'SELECT avg(x) FROM runs;'
compare 'plain, with confidence' 1.3 "$serial" \
  'SELECT failure_rate_ci(failed, 0.99) FROM runs;' 'SELECT avg(x) FROM runs;'
compare 'plain, with confidence and method' 1.3 "$serial" \
  "SELECT failure_rate_ci(failed, 0.99, 'jeffreys') FROM runs;" 'SELECT avg(x) FROM runs;'
compare '1,000 groups' 1.3 "$serial" \
  'SELECT g, failure_rate_ci(failed) FROM runs GROUP BY g;' 'SELECT g, avg(x) FROM runs GROUP BY g;'
compare 'moving, frame of 1,000, 100,000 rows' 1.3 "$serial" \
  'SELECT failure_rate_ci(failed) OVER (ORDER BY id ROWS 999 PRECEDING) FROM few OFFSET 100000;' \
  'SELECT avg(x) OVER (ORDER BY id ROWS 999 PRECEDING) FROM few OFFSET 100000;'
compare 'moving, beside avg(bigint)' 1.3 "$serial" \
  'SELECT failure_rate_ci(failed) OVER (ORDER BY id ROWS 999 PRECEDING) FROM few OFFSET 100000;' \
  'SELECT avg(n) OVER (ORDER BY id ROWS 999 PRECEDING) FROM few OFFSET 100000;'
compare 'parallel, 2 workers' 1.3 "$workers" \
  'SELECT failure_rate_ci(failed) FROM runs;' 'SELECT avg(x) FROM runs;'
compare 'parallel, 1,000 groups' 1.3 "$workers" \
  'SELECT g, failure_rate_ci(failed) FROM runs GROUP BY g;' 'SELECT g, avg(x) FROM runs GROUP BY g;'
