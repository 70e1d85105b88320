# fp_check_combo as a role without rights, pgbench with prepared statements on
# one connection, beside 10,000 active patterns, and beside 10 to 100,000
# (BENCH_PATTERNS). A check never reads observations, so their number does not matter.
#
# A combination has a workflow, a model, a character, a scene type, a position
# and two LoRAs; the more patterns there are, the more of them it meets: "found"
# are those whose values it has, of all or but for the range. "a hit" is always
# the same combination: five patterns of which two are told, with alternatives
# and fixes, however many others there are. "nothing" tells what connection and
# machine take: with other work on the machine, the p99 is that work's. The
# target is that of 10,000 patterns.
# server: -o shared_buffers=1GB -o jit=off
scripts=$(mktemp -d)
seconds=${BENCH_SECONDS:-8}
sql "CREATE EXTENSION failpat; CREATE ROLE alert_reader LOGIN PASSWORD 'x';
INSERT INTO fp_sources (source) VALUES ('segments');
INSERT INTO fp_dimensions (source, name, kind, position, title, choosable)
SELECT 'segments', n, k, row_number() OVER (), n, n IN ('workflow', 'model', 'lora')
FROM (VALUES ('workflow', 'nominal'), ('model', 'nominal'), ('lora', 'set'), ('character', 'nominal'),
             ('scene_type', 'nominal'), ('segment_position', 'ordinal')) v (n, k);"

patterns() { # N active patterns of one to three conditions
  sql "SET client_min_messages = warning; TRUNCATE failure_patterns CASCADE;
  SELECT setseed(0.5) \\g /dev/null

  INSERT INTO failure_patterns (pattern_key, description, conditions, failure_count, total_count, failure_rate,
                                rate_lower, rate_upper, baseline_rate, risk_ratio, severity)
  SELECT 'k' || row_number() OVER (), 'LoRA X + Character Y fails at segment 6+', c, 74, 120, 0.62, 0.53, 0.70, 0.12, 5.6, 'high'
  FROM (SELECT DISTINCT c FROM (
      SELECT jsonb_strip_nulls(jsonb_build_object(
          'lora', CASE WHEN a IN (0, 1, 2) THEN to_jsonb((random() * 400)::int::text)
                       WHEN a = 3 THEN jsonb_build_array((random() * 200)::int::text, (200 + random() * 200)::int::text) END,
          'character', CASE WHEN a IN (0, 1, 4) THEN (random() * 400)::int::text END,
          'workflow', CASE WHEN a IN (2, 5) THEN (random() * 40)::int::text END,
          'model', CASE WHEN a IN (1, 5) THEN (random() * 40)::int::text END,
          'scene_type', CASE WHEN a = 4 THEN (random() * 60)::int::text END,
          'segment_position', CASE WHEN b = 0 THEN jsonb_build_object('min', (1 + random() * 8)::int) END)) AS c
      FROM (SELECT (random() * 5)::int AS a, (random() * 2)::int AS b FROM generate_series(1, $1 * 2)) d) e LIMIT $1) f;
  INSERT INTO failure_patterns (pattern_key, description, conditions, failure_count, total_count, failure_rate,
                                rate_lower, rate_upper, baseline_rate, risk_ratio, severity)
  SELECT 'hit ' || c::text, 'hit', c, 74, 120, 0.62, 0.53, 0.70, 0.12, 5.6, 'high'
  FROM jsonb_array_elements('[{\"lora\": \"900\"}, {\"character\": \"900\"}, {\"lora\": \"900\", \"character\": \"900\"},
                              {\"lora\": \"900\", \"model\": \"900\"}, {\"model\": \"900\"}]') c;
  INSERT INTO fp_alternatives SELECT id, (SELECT jsonb_agg(jsonb_build_object('dimension', 'lora', 'instead_of', conditions ->> 'lora',
      'value', (1000 + g)::text, 'rate', 0.12, 'lower', 0.08, 'upper', 0.16, 'trials', 240, 'failures', 29, 'predicted', false,
      'sentence', 'Consider using LoRA Y instead: 12 % of 240.')) FROM generate_series(1, 5) g)
  FROM failure_patterns WHERE jsonb_typeof(conditions -> 'lora') = 'string';
  INSERT INTO pattern_fixes (pattern_id, fix_description, reported_by_id) SELECT id, 'Use CFG 6', 1 FROM failure_patterns WHERE id % 2 = 0 OR pattern_key LIKE 'hit%';
  VACUUM ANALYZE;"
}

cat >"$scripts/mixed" <<'S'
\set w random(0, 40)
\set m random(0, 40)
\set c random_zipfian(1, 400, 1.2)
\set s random(0, 60)
\set p random(1, 12)
\set a random_zipfian(1, 400, 1.2)
\set b random(0, 400)
SELECT * FROM fp_check_combo(workflow => :w::bigint, model => :m::bigint, lora => ARRAY[:a::bigint, :b::bigint], avatar => :c::bigint, scene_type => :s::bigint, segment_position => :p);
S
cat >"$scripts/hit" <<'S'
SELECT * FROM fp_check_combo(workflow => 7, model => 900, lora => 900, avatar => 900, scene_type => 5, segment_position => 7);
S
cat >"$scripts/loras" <<'S'
SELECT * FROM fp_check_combo(workflow => 7, model => 3, lora => ARRAY[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16], avatar => 9, scene_type => 5, segment_position => 7);
S

echo 'SELECT 1;' >"$scripts/nothing"

check() { # WHAT SCRIPT [TARGET_MEDIAN TARGET_P99 (ms)]
  local log p verdict
  log=$(mktemp -d)
  PGUSER=alert_reader PGPASSWORD=x pgbench -n -M prepared -T 2 -f "$scripts/$2" >/dev/null 2>&1
  (cd "$log" && PGUSER=alert_reader PGPASSWORD=x pgbench -n -M prepared -T "$seconds" -l -f "$scripts/$2" >/dev/null 2>&1)
  # latency in microseconds is the third field
  p=$(cat "$log"/pgbench_log.* | awk '{print $3}' | sort -n | awk '{v[NR] = $1} END {
    printf "%.3f %.3f %.3f %d %.3f", v[int((NR + 1) / 2)] / 1000, v[int(NR * 0.99) + 1] / 1000, v[NR] / 1000, NR, v[int(NR * 0.9) + 1] / 1000}')
  rm -rf "$log"
  # shellcheck disable=SC2086 # five words
  set -- "$1" "${3:-}" "${4:-}" $p
  verdict=$(awk -v m="$4" -v q="$5" -v a="$2" -v b="$3" 'BEGIN {print (a == "" ? "-" : m <= a && q <= b ? "ok" : "MISSED")}')
  figure "$1" "$4 ms" "p90 $8 ms, p99 $5 ms, longest $6 ms of $7" - "${2:+<= $2, p99 <= $3 ms}" "$verdict"
}

check 'nothing (SELECT 1)' nothing
for n in ${BENCH_PATTERNS:-10 100 1000 10000 100000}; do
  patterns "$n"
  targets=
  [ "$n" != 10000 ] || targets='0.5 2'
  found=$(sql "SELECT round(avg(coalesce(cardinality(met), 0)), 1) || ' met of ' || round(avg(found), 1) FROM (SELECT (SELECT array_agg(x) FROM fp_check_combo(combo) c, unnest(c.folded || c.pattern_id) x) AS met,
      (SELECT count(*) FROM failure_patterns p WHERE fp_combo_meets(combo - 'segment_position', p.conditions)) AS found
    FROM (SELECT jsonb_build_object('workflow', w, 'model', m, 'lora', ARRAY[a, b], 'avatar', c, 'scene_type', s, 'segment_position', p) AS combo
          FROM (SELECT (random() * 40)::int w, (random() * 40)::int m, (1 + 399 * power(random(), 4))::int a, (random() * 400)::int b,
            (1 + 399 * power(random(), 4))::int c, (random() * 60)::int s, (1 + random() * 11)::int p FROM generate_series(1, 50) OFFSET 0) q) r) t")
  # shellcheck disable=SC2086 # two words or none
  check "a combination, $n patterns, on average $found found" mixed $targets
  # shellcheck disable=SC2086
  check "a hit, $n patterns" hit $targets
done
patterns 10000
figure 'combinations of the mix that are warned' "$(sql "SELECT round(avg((EXISTS (SELECT FROM fp_check_combo(combo =>
    jsonb_build_object('workflow', w, 'model', m, 'lora', ARRAY[a, b], 'avatar', c, 'scene_type', s, 'segment_position', p))))::int) * 100) || ' %'
  FROM (SELECT (random() * 40)::int w, (random() * 40)::int m, (1 + 399 * power(random(), 4))::int a, (random() * 400)::int b,
        (1 + 399 * power(random(), 4))::int c, (random() * 60)::int s, (1 + random() * 11)::int p FROM generate_series(1, 2000) OFFSET 0) q")"
check 'sixteen LoRAs at once' loras
figure 'a batch of 1000 combinations' "$(sql "SELECT round(extract(epoch FROM clock_timestamp() - t) * 1000) || ' ms, ' || n || ' alerts' FROM (SELECT statement_timestamp() AS t,
    (SELECT count(*) FROM fp_check_combos((SELECT array_agg(jsonb_build_object('workflow', g % 40, 'model', g % 40, 'lora', ARRAY[g % 400, g % 399], 'avatar', g % 398, 'segment_position', g % 12))
     FROM generate_series(1, 1000) g))) AS n OFFSET 0) q")"
