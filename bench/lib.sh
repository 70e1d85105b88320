# Helpers for benchmarks; sourced by bench/run inside a throw-away server.
#
#   sql 'STATEMENT;'                     run it, print the result bare
#   compare WHAT TARGET SETUP OURS RIVAL time two statements alternately in one
#                                        session, after SETUP and a warm-up
#   figure WHAT VALUE [RIVAL [RATIO [TARGET [VERDICT]]]]
#                                        a row of one's own making
#   observations SOURCE N [JOBS]         N observations of 90 days, without triggers
#
# TARGET is the highest ratio of the medians that is allowed, or "".
# A statement that takes part in a timing is one line.
set -eu
ROUNDS=${BENCH_ROUNDS:-7}

sql() { psql -XAtq -v ON_ERROR_STOP=1 <<<"$1"; }

figure() {
  printf '%s\t%s\t%s\t%s\t%s\t%s\n' "$1" "$2" "${3:--}" "${4:--}" "${5:--}" "${6:--}" >>"$BENCH_ROWS"
}

# of numbers on lines: "median min max"
spread() {
  sort -n | awk '{v[NR] = $1} END {
    m = NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2
    print m, v[1], v[NR]}'
}

# milliseconds as text: "12.3 ms (12.1-13.0)"
ms() { awk -v m="$1" -v a="$2" -v b="$3" 'BEGIN {
  f = m < 10 ? "%.2f" : m < 100 ? "%.1f" : "%.0f"
  printf f " ms (" f "-" f ")", m, a, b}'; }

compare() {
  local what=$1 target=$2 setup=$3 ours=$4 rival=$5 script times a b ratio verdict=
  script=$(mktemp)
  {
    echo '\set ON_ERROR_STOP on'
    echo "$setup"
    echo '\o /dev/null'
    # the warm-up also shows an error before anything is timed
    echo "$ours"
    echo "$rival"
    echo '\timing on'
    for ((i = 0; i < ROUNDS; i++)); do
      echo "$ours"
      echo "$rival"
    done
  } >"$script"
  times=$(psql -Xq -f "$script" | sed -n 's/^Time: \([0-9.]*\) ms.*/\1/p')
  rm -f "$script"
  a=$(awk 'NR % 2 == 1' <<<"$times" | spread)
  b=$(awk 'NR % 2 == 0' <<<"$times" | spread)
  ratio=$(awk -v a="${a%% *}" -v b="${b%% *}" 'BEGIN {printf "%.2f", a / b}')
  if [ -n "$target" ]; then
    verdict=$(awk -v r="$ratio" -v t="$target" 'BEGIN {print (r <= t ? "ok" : "MISSED")}')
  fi
  # shellcheck disable=SC2086 # three words each
  figure "$what" "$(ms $a)" "$(ms $b)" "$ratio" "${target:+<= $target}" "$verdict"
}

# Observations of six dimensions (6 x 8 x 40 x 30 x 10 x 12), evenly over 90 days
# that end with today, written at once as a loaded history would be. Usage is
# uneven: of 200,000 recipes, which stay in the table recipes with the failure
# rate of each, the most frequent are used some hundred times as often as the
# median. 8.6 % fail; planted are a workflow (18 %), a model used with a scene
# type (25 %), two LoRAs together (30 %), and a LoRA with a character from
# segment 6 on (44 %). The same in every run.
#
# With JOBS (true) they are of jobs of 12 segments, as scenes are: a job has one
# of the first 16,667 recipes, its observations the positions 1 to 12 (so as many
# combinations differ), and jobs differ (sd 0.5, log odds). Every twentieth job lies in two days: its last six segments are done
# again a week later.
observations() {
  local jobs=${3:-false}
  sql "SELECT setseed(0.25) \\g /dev/null
  CREATE OR REPLACE FUNCTION recipe_rate(dims jsonb, pos int) RETURNS float8 LANGUAGE sql IMMUTABLE AS
  'SELECT CASE
      WHEN dims -> ''lora'' ? ''3'' AND dims ->> ''character'' = ''5'' AND pos >= 6 THEN 0.44
      WHEN dims -> ''lora'' ?& ''{7,11}'' THEN 0.30
      WHEN dims ->> ''model'' = ''4'' AND dims ->> ''scene_type'' = ''7'' THEN 0.25
      WHEN dims ->> ''workflow'' = ''2'' THEN 0.18 ELSE 0.086 END';
  DROP TABLE IF EXISTS recipes, made;
  CREATE TABLE recipes AS
  SELECT id, dims, recipe_rate(dims, (dims ->> 'segment_position')::int) AS rate
  FROM (SELECT i AS id, jsonb_build_object('workflow', (1 + random() * 5)::int::text, 'model', (1 + random() * 7)::int::text,
          'lora', l, 'character', (1 + random() * 29)::int::text, 'scene_type', (1 + random() * 9)::int::text,
          'segment_position', p) AS dims
      FROM (SELECT i, 1 + (random() * 11)::int AS p,
                (SELECT coalesce(jsonb_agg(DISTINCT floor(40 * power(random(), 2))::int::text), '[]')
                 FROM generate_series(1, s)) AS l
            FROM (SELECT i, floor(random() * 4)::int AS s FROM generate_series(1, 200000) i) a) b) c;
  CREATE UNIQUE INDEX ON recipes (id);
  ANALYZE recipes;
  CREATE UNLOGGED TABLE made (i int, job text, id int, pos int, shift float8, late boolean);
  INSERT INTO made SELECT i, NULL, 1 + floor(200000 * power(random(), 2))::int, NULL, 0, false
  FROM generate_series(1, $2) i WHERE NOT $jobs;
  INSERT INTO made SELECT 12 * j - 12 + p, 'job ' || j, q.id, p, shift, j % 20 = 0 AND p > 6 AND 90.0 * 12 * j < 82.0 * $2
  FROM (SELECT j, 1 + floor(16667 * power(random(), 2))::int AS id,
            0.5 * sqrt(-2 * ln(1 - random())) * cos(2 * pi() * random()) AS shift
        FROM generate_series(1, $2 / 12) j OFFSET 0) q, generate_series(1, 12) p WHERE $jobs;
  INSERT INTO fp_observations (source, obs_key, source_key, observed_at, failed, failed_checks, job, dims, changed_at)
  SELECT '$1', i, i, date_trunc('day', now(), 'UTC') + interval '1 day' - ($2 - i + 1) * interval '89.5 days' / $2 + CASE WHEN late THEN interval '7 days' ELSE '0' END,
      u < rate, CASE WHEN u < rate THEN '{face_confidence}'::text[] ELSE '{}' END, job, dims, now()
  FROM (SELECT m.i, m.job, m.late, random() AS u, CASE WHEN pos IS NULL THEN dims ELSE dims || jsonb_build_object('segment_position', pos) END AS dims,
            CASE WHEN pos IS NULL THEN rate ELSE 1 / (1 + exp(-(ln(recipe_rate(dims, pos) / (1 - recipe_rate(dims, pos))) + shift))) END AS rate
        FROM made m JOIN recipes USING (id) ORDER BY m.i) q;
  DROP TABLE made;
  VACUUM (FREEZE, ANALYZE) fp_observations;"
}
