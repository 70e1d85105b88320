# failure_cube beside GROUP BY on the same six columns, 10 million rows (BENCH_OBSERVATIONS).
#
# Six dimensions, 200,000 distinct combinations (uniform, in random order: the worst
# case for caches), 8.6 % failures; columns of int and of text. The rival counts
# rows and failures per combination by count(*) and count(*) FILTER. "default" is the
# server as initdb makes it, parallel plans included. The size is that of a stored
# cube beside a table of the same counts; a rollup adds up 365 daily cubes.
sql "CREATE EXTENSION failpat;
CREATE TABLE ints AS
SELECT (hashint8extended(i, 9) & 1023) < 88 AS failed, (hashint8extended(k, 1) & 7)::int AS workflow,
  (hashint8extended(k, 2) & 65535)::int % 12 AS model, (hashint8extended(k, 3) & 65535)::int % 60 AS lora,
  (hashint8extended(k, 4) & 65535)::int % 100 AS person, (hashint8extended(k, 5) & 65535)::int % 25 AS scene,
  (hashint8extended(k, 6) & 65535)::int % 12 AS segment, (hashint8extended(i, 10) & 65535)::int % 365 AS day
FROM (SELECT i, (hashint8extended(i, 7) & 1073741823) % 200000 AS k FROM generate_series(1, ${BENCH_OBSERVATIONS:-10000000}) i) s;
CREATE TABLE texts AS
SELECT failed, 'workflow ' || workflow AS workflow, 'model ' || model AS model, 'lora ' || lora AS lora,
  'person ' || person AS person, 'scene ' || scene AS scene, segment::text AS segment FROM ints;
VACUUM (FREEZE, ANALYZE) ints; VACUUM (FREEZE, ANALYZE) texts;"

columns='workflow, model, lora, person, scene, segment'
for table in ints texts; do
  ours="SELECT pg_column_size(failure_cube(failed, r)) FROM (SELECT failed, $columns FROM $table) r;"
  ours_row="SELECT pg_column_size(failure_cube(failed, ROW($columns))) FROM $table;"
  rival="SELECT $columns, count(*), count(*) FILTER (WHERE failed) FROM $table GROUP BY $columns OFFSET 1000000;"
  compare "build, $table, default" 1.5 '' "$ours_row" "$rival"
  compare "build, $table, one process" 1.5 'SET max_parallel_workers_per_gather = 0;' "$ours_row" "$rival"
  compare "build, $table, one process, jit off, work_mem 1 GB" '' \
    "SET max_parallel_workers_per_gather = 0; SET jit = off; SET work_mem = '1GB';" "$ours_row" "$rival"
  compare "build, $table, a subquery's row, default" '' '' "$ours" "$rival"
done
json="jsonb_build_object('workflow', workflow, 'model', model, 'lora', lora, 'person', person, 'scene', scene, 'segment', segment)"
sql "CREATE TABLE documents AS SELECT failed, $json AS dims FROM texts; VACUUM (FREEZE, ANALYZE) documents;"
compare 'build, stored jsonb, default' '' '' \
  'SELECT pg_column_size(failure_cube(failed, dims)) FROM documents;' \
  'SELECT dims, count(*), count(*) FILTER (WHERE failed) FROM documents GROUP BY dims OFFSET 1000000;'

for table in ints texts; do
  sql "CREATE TABLE cube_$table AS SELECT failure_cube(failed, r) FROM (SELECT failed, $columns FROM $table) r;
    CREATE TABLE counts_$table AS SELECT $columns, count(*) AS trials, count(*) FILTER (WHERE failed) AS failures
      FROM $table GROUP BY $columns;"
  IFS='|' read -r a b ratio verdict <<<"$(sql "SELECT a, b, round(a / b::numeric, 3), CASE WHEN a * 5 <= b THEN 'ok' ELSE 'MISSED' END
    FROM (SELECT pg_table_size('cube_$table') AS a, pg_table_size('counts_$table') AS b) s")"
  figure "stored size, $table, bytes" "$a" "$b" "$ratio" '<= 0.2' "$verdict"
done

sql "CREATE TABLE daily AS SELECT day, failure_cube(failed, ROW($columns)) AS cube FROM ints GROUP BY day;"
cells=$(sql "SELECT sum((SELECT count(*) FROM fp_totals(cube, 'f1', 'f2', 'f3', 'f4', 'f5', 'f6'))) FROM daily")
time=$(for ((i = 0; i < ROUNDS; i++)); do
  psql -XAtq -c 'SET max_parallel_workers_per_gather = 0' -c '\timing on' -c 'SELECT pg_column_size(rollup(cube)) FROM daily' |
    sed -n 's/^Time: \([0-9.]*\) ms.*/\1/p'
done | spread)
# shellcheck disable=SC2086 # three words
figure "rollup of 365 daily cubes, $cells cells" "$(ms $time)"
figure 'cells per second in rollup' "$(awk -v c="$cells" -v t="${time%% *}" 'BEGIN {printf "%.1f million", c / t / 1000}')"
