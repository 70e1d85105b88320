# A refresh after 1,000 new observations on top of 10 million of six dimensions in
# 90 buckets of a day (see "observations" in lib.sh); BENCH_OBSERVATIONS makes it
# smaller. New observations come through the capture trigger.
# The same of 10 million in jobs of 12, of which a twentieth lie in two buckets.
#
# "today": all in one bucket, that of today, which holds 110,000 before; "spread":
# over the 90 days, so that every bucket is counted anew. A line per step; the
# steps of nothing to do are not shown. "first" is that of a loaded history.
# server: -o shared_buffers=4GB -o max_wal_size=16GB -o jit=off -o work_mem=64MB -o fsync=off -o autovacuum=off
n=${BENCH_OBSERVATIONS:-10000000}
sql "CREATE EXTENSION failpat;
CREATE TABLE runs (id bigint PRIMARY KEY, at timestamptz, failed boolean, failed_checks text[], job text, workflow text, model text,
                   lora text[], \"character\" text, scene_type text, segment_position int);
CREATE VIEW runs_observed AS SELECT id AS source_key, id AS obs_key, at AS observed_at, failed, failed_checks, job,
                                    workflow, model, lora, \"character\", scene_type, segment_position FROM runs;"

steps='pending cubes spans look patterns model advice changes'
refresh() { # the milliseconds of each step, on lines "STEP MS"
  {
    echo '\o /dev/null'
    echo "SELECT fp_refresh_begin('bench');"
    echo '\timing on'
    for step in $steps; do
      echo "\\echo $step"
      # the first four until there is nothing left to do
      echo "DO \$\$ DECLARE n bigint; BEGIN LOOP n := fp_refresh_$step('bench'); COMMIT; EXIT WHEN n = 0 OR '$step' NOT IN ('pending', 'cubes', 'spans', 'look'); END LOOP; END \$\$;"
    done
  } | psql -Xq -v ON_ERROR_STOP=1 | sed -n 's/^Time: \([0-9.]*\) ms.*/\1/p; /^[a-z]/p' | paste -d' ' - -
}
add() { # DAYS: 1,000 observations of the last so many days, with jobs in jobs of 12
  sql "INSERT INTO runs SELECT 20000000 + (SELECT count(*) FROM runs) + i, now() - late * least(interval '$1 days', now() - date_trunc('day', now(), 'UTC') + interval '$1 days' - interval '1 day'),
      u < rate, CASE WHEN u < rate THEN '{face_confidence}'::text[] ELSE '{}' END,
      CASE WHEN $jobs THEN 'new ' || (SELECT count(*) FROM runs) + i - pos END, dims ->> 'workflow', dims ->> 'model',
      ARRAY(SELECT jsonb_array_elements_text(dims -> 'lora')), dims ->> 'character', dims ->> 'scene_type',
      CASE WHEN $jobs THEN pos ELSE (dims ->> 'segment_position')::int END
  FROM (SELECT i, id, pos, late, random() AS u FROM (
            SELECT 12 * j + pos AS i, id, pos, CASE WHEN $jobs THEN jlate ELSE random() END AS late
            FROM (SELECT j, 1 + floor(16667 * power(random(), 2))::int AS id, random() AS jlate FROM generate_series(0, 83) j OFFSET 0) y,
                generate_series(1, 12) pos WHERE $jobs
            UNION ALL
            SELECT i, 1 + floor(200000 * power(random(), 2))::int, NULL, random() FROM generate_series(1, 1000) i WHERE NOT $jobs) z
        WHERE i <= 1000 OFFSET 0) q JOIN recipes USING (id);"
}
tell() { # WHAT LOG TARGET_MS ROUNDS: medians of the rounds after the first two
  local total verdict
  total=$(awk '{sum += $2} $1 == "changes" {print sum; sum = 0}' "$2" | tail -n "$4" | spread)
  verdict=$(awk -v m="${total%% *}" -v t="$3" 'BEGIN {print (t == "" ? "-" : m <= t ? "ok" : "MISSED")}')
  # shellcheck disable=SC2086 # three words
  figure "$1" "$(ms $total)" - - "${3:+<= $3 ms}" "$verdict"
  for step in $steps; do
    # shellcheck disable=SC2046 # three words
    set -- "$1" "$2" "$3" "$4" $(awk -v s="$step" '$1 == s {print $2}' "$2" | tail -n "$4" | spread)
    awk -v m="$5" 'BEGIN {exit m < 1}' && figure "... of which $step" "$(ms "$5" "$6" "$7")"
    set -- "$1" "$2" "$3" "$4"
  done
}


measure() { # JOBS WHAT: all of it, of a source with jobs (true) or without
  jobs=$1
  sql "SELECT fp_attach('bench', 'runs_observed', '{\"runs\": \"id\"}', refresh => 'manual', history => 'now');"
  observations bench "$n" "$jobs"
  sql "SELECT fp_rebuild('bench');"
  log=$(mktemp -d)
  refresh >"$log/first"
  tell "first refresh$2" "$log/first" '' 1
  figure "cells in the cubes$2" "$(sql "SELECT sum(jsonb_array_length((cube::jsonb) -> 'cells')) FROM (SELECT cube FROM fp_cubes ORDER BY bucket DESC OFFSET 1 LIMIT 1) c") in a day"
  figure "size of cubes$2" "$(sql 'SELECT pg_size_pretty(sum(pg_column_size(cube))) FROM fp_cubes')"
  figure "patterns found$2, of 4 planted" "$(sql "SELECT count(*) FROM failure_patterns WHERE status = 'active'")"
  # the first two make the sum of the window, and warm up
  for ((i = 0; i < ROUNDS + 2; i++)); do
    add 1
    refresh >>"$log/today"
  done
  tell "1,000 new observations, today$2" "$log/today" 1000 "$ROUNDS"
  add 88
  refresh >>"$log/spread"
  tell "1,000 new observations, spread$2" "$log/spread" '' 1
  sql "INSERT INTO fp_dirty SELECT 'bench', max(bucket), now() FROM fp_cubes;"
  refresh >>"$log/none"
  tell "a bucket counted again, nothing changed$2" "$log/none" '' 1
  sql "SELECT fp_detach('bench', forget => true); TRUNCATE runs, fp_observations;"
}
for variant in ${BENCH_JOBS:-false true}; do
  measure "$variant" "$([ "$variant" = false ] || echo ', with jobs')"
done
