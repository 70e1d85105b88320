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
# what a person clicks: values, members of a set, ranges, a pattern, one check, less time
map() { answer "heatmap $1" 50 "SELECT * FROM fp_heatmap($2);"; }
pair="'scene_type', 'character'"
loras="'lora', 'segment_position'"
pattern='{"lora": "3", "character": "5", "segment_position": {"min": 6}}'
map 'of one check' "$pair, \"check\" => 'face_confidence'"
map 'of a check that never failed' "$pair, \"check\" => 'motion'"
map 'of one check, lora by segment_position' "$loras, \"check\" => 'face_confidence'"
map 'with a filter' "$pair, filter => '{\"workflow\": \"3\"}'"
map 'with a filter by a member of a set' "$pair, filter => '{\"lora\": \"3\"}'"
map 'with a filter by two members' "$pair, filter => '{\"lora\": [\"3\", \"7\"]}'"
map 'with a filter by a number of members' "$loras, filter => '{\"lora\": {\"count\": {\"min\": 2}}}'"
map 'with a filter by a range' "'lora', 'character', filter => '{\"segment_position\": {\"min\": 6}}'"
map 'with a filter by two' "'lora', 'character', filter => '{\"workflow\": \"3\", \"segment_position\": {\"min\": 6}}'"
map 'with the conditions of a pattern' "$pair, filter => '$pattern'"
map 'with the conditions of a pattern, lora by model' "'lora', 'model', filter => '$pattern'"
map 'of the ten worst, lora by character' "'lora', 'character', row_limit => 10, col_limit => 10"
map 'with ranges of the segment position' "$loras, col_bins => '{4,7,10}'"
map 'of 77 days with a filter' "$pair, since => now() - interval '83 days', until => now() - interval '6 days', filter => '{\"workflow\": \"3\"}'"
map 'of 30 days, lora by character' "'lora', 'character', since => now() - interval '30 days'"
map 'of 30 days with a filter by a member of a set' "$pair, since => now() - interval '30 days', filter => '{\"lora\": \"3\"}'"
map 'of a week with a filter' "$pair, since => now() - interval '7 days', filter => '{\"workflow\": \"3\"}'"

# all 16 that there are, and each with a filter by another dimension: the slowest of the medians
slowest() { # WHAT FILTER_SQL
  local worst
  worst=$(psql -Xq -v ON_ERROR_STOP=1 <<<"SET client_min_messages = notice; DO \$\$
    DECLARE p record; t timestamptz; times float8[]; worst float8 := 0; name text;
    BEGIN
      FOR p IN SELECT a.name AS a, b.name AS b, ($2)::jsonb AS f FROM fp_dimensions a JOIN fp_dimensions b
               ON b.name >= a.name AND (b.name > a.name OR a.kind = 'set') LOOP
        times := '{}';
        FOR i IN 1 .. 5 LOOP
          t := clock_timestamp();
          PERFORM * FROM fp_heatmap(p.a, p.b, filter => p.f);
          times := times || extract(epoch FROM clock_timestamp() - t)::float8 * 1000;
        END LOOP;
        times := ARRAY(SELECT x FROM unnest(times) x ORDER BY x);
        IF times[3] > worst THEN worst := times[3]; name := p.a || ' by ' || p.b; END IF;
      END LOOP;
      RAISE NOTICE 'slowest|%|%', round(worst::numeric, 1), name;
    END \$\$;" 2>&1 | sed -n 's/.*slowest|//p')
  figure "$1" "${worst%%|*} ms, ${worst##*|}" - - '<= 50 ms' "$(awk -v m="${worst%%|*}" 'BEGIN {print (m <= 50 ? "ok" : "MISSED")}')"
}
slowest 'any heatmap, the slowest of 16' 'NULL'
slowest 'any heatmap with a filter by a value, the slowest' "SELECT jsonb_build_object(d.name, '3') FROM fp_dimensions d WHERE d.kind = 'nominal' AND d.name NOT IN (a.name, b.name) ORDER BY d.position LIMIT 1"
slowest 'any heatmap with a filter by a range, the slowest' "'{\"segment_position\": {\"min\": 3, \"max\": 8}}'"

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
