# Heatmaps and drill-down over 90 days of 10 million observations of six dimensions,
# some 200,000 distinct combinations; BENCH_OBSERVATIONS makes it smaller.
#
# "cold" is the first call of a new session: plans are made, catalogs read.
# server: -o shared_buffers=4GB -o max_wal_size=16GB -o jit=off -o work_mem=64MB -o fsync=off -o autovacuum=off
n=${BENCH_OBSERVATIONS:-10000000}
sql "CREATE EXTENSION failpat;
INSERT INTO fp_sources (source) VALUES ('bench');
INSERT INTO fp_dimensions (source, name, kind, position, title)
SELECT 'bench', n, k, row_number() OVER (), n
FROM (VALUES ('workflow', 'nominal'), ('model', 'nominal'), ('lora', 'set'), ('character', 'nominal'),
             ('scene_type', 'nominal'), ('segment_position', 'ordinal')) v (n, k);"
observations bench "$n"
sql "SELECT fp_rebuild('bench');
DO \$\$ BEGIN WHILE fp_refresh_cubes('bench') > 0 LOOP END LOOP; WHILE fp_refresh_spans('bench') > 0 LOOP END LOOP; END \$\$;
VACUUM ANALYZE;"

figure 'observations' "$(sql 'SELECT count(*) FROM fp_observations')"
figure 'size of cubes' "$(sql 'SELECT pg_size_pretty(sum(pg_column_size(cube))) FROM fp_cubes')"
figure 'size of pairs beside them' "$(sql 'SELECT pg_size_pretty(sum(pg_column_size(cube))) FROM fp_margins')"
figure 'size of longer spans of time' "$(sql 'SELECT pg_size_pretty(sum(pg_column_size(cube))) FROM fp_spans')"
figure 'size of the index of observations' "$(sql 'SELECT pg_size_pretty(sum(pg_column_size(rows))) FROM fp_cubes')"
figure 'size of observations' "$(sql "SELECT pg_size_pretty(pg_relation_size('fp_observations'))")"
day="FROM fp_observations WHERE source = 'bench' AND observed_at >= date_trunc('day', now(), 'UTC') - interval '9 days' AND observed_at < date_trunc('day', now(), 'UTC') - interval '8 days';"
ROUNDS=3 compare 'index of a day, 112,000 observations, beside its cube' '' '' "SELECT length(fp_row_index(observed_at, failed, failed_checks, dims, '{segment_position}')) $day" \
  "SELECT length(failure_cube_send(failure_cube(failed, dims, '{segment_position}', '{}', failed_checks))) $day"

answer() { # WHAT TARGET_MS STATEMENT: cold once, then warm
  local times warm cold verdict
  times=$({
    echo '\o /dev/null'
    echo '\timing on'
    for ((i = 0; i < ROUNDS + 3; i++)); do echo "$3"; done
  } | psql -Xq -v ON_ERROR_STOP=1 | sed -n 's/^Time: \([0-9.]*\) ms.*/\1/p')
  cold=$(head -n 1 <<<"$times")
  warm=$(tail -n +4 <<<"$times" | spread)
  verdict=$(awk -v m="${warm%% *}" -v t="$2" 'BEGIN {print (t == "" ? "-" : m <= t ? "ok" : "MISSED")}')
  # shellcheck disable=SC2086 # three words
  figure "$1" "$(ms $warm)" "cold $cold ms" - "${2:+<= $2 ms}" "$verdict"
}

for pair in "scene_type character" "lora segment_position" "lora character" "workflow model" "lora lora"; do
  # shellcheck disable=SC2086 # two words
  set -- $pair
  answer "heatmap $1 by $2" 50 "SELECT * FROM fp_heatmap('$1', '$2');"
done
answer 'heatmap of one check' 50 "SELECT * FROM fp_heatmap('scene_type', 'character', \"check\" => 'face_confidence');"
answer 'heatmap with a filter' 50 "SELECT * FROM fp_heatmap('scene_type', 'character', filter => '{\"workflow\": \"3\"}');"
answer 'heatmap with a filter by two' 50 "SELECT * FROM fp_heatmap('lora', 'character', filter => '{\"workflow\": \"3\", \"segment_position\": {\"min\": 6}}');"
answer 'heatmap of 77 days with a filter' 50 "SELECT * FROM fp_heatmap('scene_type', 'character', since => now() - interval '83 days', until => now() - interval '6 days', filter => '{\"workflow\": \"3\"}');"
answer 'heatmap of a week with a filter' 50 "SELECT * FROM fp_heatmap('scene_type', 'character', since => now() - interval '7 days', filter => '{\"workflow\": \"3\"}');"

cell='{"scene_type": "3", "character": "7"}'
rare='{"lora": ["7"], "character": "3", "segment_position": {"min": 6}}'
answer 'drill-down, a cell of 0.4 %' 10 "SELECT * FROM fp_drilldown('$cell');"
answer 'the same, its failures' 10 "SELECT * FROM fp_drilldown('$cell', failed_only => true);"
answer 'the same, a page of a month ago' 10 "SELECT * FROM fp_drilldown('$cell', after => (extract(epoch FROM now() - interval '30 days') * 1000000)::bigint || ':');"
answer 'drill-down, a rare combination' 10 "SELECT * FROM fp_drilldown('$rare');"
answer 'the same, its failures' 10 "SELECT * FROM fp_drilldown('$rare', failed_only => true);"
answer 'drill-down, nothing there' 10 "SELECT * FROM fp_drilldown('{\"workflow\": \"99\"}');"
answer 'drill-down, nothing that meets seven conditions' 10 "SELECT * FROM fp_drilldown('{\"lora\": [\"7\"], \"character\": \"3\", \"workflow\": \"2\", \"model\": \"5\", \"scene_type\": \"4\", \"segment_position\": 11}', failed_only => true);"
answer 'drill-down, newest failures of all' 10 "SELECT * FROM fp_drilldown(failed_only => true);"
answer 'drill-down, a check that never failed' 10 "SELECT * FROM fp_drilldown(failed_only => true, \"check\" => 'motion');"

sql "INSERT INTO fp_dirty SELECT 'bench', max(bucket), now() FROM fp_cubes;"
answer 'heatmap, newest day not refreshed' '' "SELECT * FROM fp_heatmap('scene_type', 'character');"
answer 'drill-down, its failures, newest day not refreshed' '' "SELECT * FROM fp_drilldown('$cell', failed_only => true);"
sql "DELETE FROM fp_dirty;"
ROUNDS=1 compare 'heatmap scene_type by character, beside GROUP BY' '' '' "SELECT * FROM fp_heatmap('scene_type', 'character');" \
  "SELECT dims ->> 'scene_type', dims ->> 'character', count(*), count(*) FILTER (WHERE failed) FROM fp_observations GROUP BY 1, 2;"
