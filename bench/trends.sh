# Changes over time. Speed of the aggregate change_points, beside R on the same
# data (package changepoint where it is installed, else PELT in plain R without
# intervals, dispersion or spikes); then what it finds in seeded series whose
# truth is known (test/tools/change_sim.c), beside a p-chart and a division by
# normal means.
# server: -o shared_buffers=512MB -o work_mem=256MB -o jit=off
series=${BENCH_SERIES:-1000}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

sql "
CREATE EXTENSION failpat;
SELECT setseed(0.64);
-- binomial counts of 50 trials at 10 %, as the number of small uniforms
CREATE FUNCTION draw() RETURNS bigint VOLATILE LANGUAGE sql AS
  'SELECT count(*) FROM generate_series(1, 50) WHERE random() < 0.1';
CREATE TABLE quiet AS SELECT timestamptz '2015-01-01Z' + i * interval '1 hour' AS bucket, draw() AS failures, 50::bigint AS trials
  FROM generate_series(1, 100000) i;
CREATE TABLE many AS SELECT s, timestamptz '2026-01-01Z' + i * interval '1 day' AS bucket, draw() AS failures, 50::bigint AS trials
  FROM generate_series(1, 10000) s, generate_series(1, 60) i;
CREATE TABLE busy AS SELECT timestamptz '2015-01-01Z' + i * interval '1 hour' AS bucket,
  draw() + CASE WHEN i / 100 % 2 = 0 THEN 0 ELSE draw() END AS failures, 100::bigint AS trials
  FROM generate_series(1, 100000) i;
VACUUM ANALYZE;
" >/dev/null

# median time of a statement: timed WHAT TARGET_MS STATEMENT [RIVAL_MS RIVAL_NAME]
timed() {
  local times m verdict target ratio=
  times=$({
    echo '\o /dev/null'
    echo "$3"
    echo '\timing on'
    for ((i = 0; i < ROUNDS; i++)); do echo "$3"; done
  } | psql -Xq -v ON_ERROR_STOP=1 | sed -n 's/^Time: \([0-9.]*\) ms.*/\1/p' | spread)
  m=${times%% *}
  verdict=${2:+$(awk -v m="$m" -v t="$2" 'BEGIN {print (m < t ? "ok" : "MISSED")}')}
  [ -z "${4:-}" ] || ratio=$(awk -v m="$m" -v r="$4" 'BEGIN {printf "%.4f", m / r}')
  target=${2:+< $2 ms}
  # shellcheck disable=SC2086 # three words
  figure "$1" "$(ms $times)" "${4:+$5: }${4:--}${4:+ ms}" "${ratio:--}" "${target:--}" "${verdict:--}"
}

# r STATEMENT: sets r_name and r_ms
r() {
  r_name= r_ms=
  command -v Rscript >/dev/null || return 0
  psql -XAtq -F, -c "$1" >"$folder/series.csv"
  IFS=$'\t' read -r r_name r_ms _ < <(Rscript bench/trends.R "$folder/series.csv")
}

timed '100,000 quiet buckets' 500 'SELECT change_points(bucket, failures, trials) FROM quiet;'
timed '100,000 buckets with 999 changes' '' 'SELECT change_points(bucket, failures, trials) FROM busy;'
timed '100,000 buckets, summed up only' '' 'SELECT sum(failures), sum(trials) FROM quiet;'
r "SELECT 1, failures, trials FROM quiet ORDER BY bucket LIMIT 10000"
timed '10,000 quiet buckets' '' 'SELECT change_points(bucket, failures, trials) FROM (SELECT * FROM quiet ORDER BY bucket LIMIT 10000) s;' "$r_ms" "$r_name"
r "SELECT s, failures, trials FROM many ORDER BY s, bucket"
timed '10,000 series of 60 buckets, false discovery rate over all' 2000 \
  'SELECT s, c.*, fp_bh(c.p_value) OVER () FROM (SELECT s, change_points(bucket, failures, trials) AS cs FROM many GROUP BY s) x LEFT JOIN LATERAL unnest(x.cs) c ON true;' \
  "$r_ms" "$r_name"

# The same of sources, from what refresh keeps of them: with the false discovery
# rate over all, causes, and which change tells which.
sql "
INSERT INTO fp_sources (source, window_length, bucket) VALUES ('many', '100 years', '1 day'), ('long', '100 years', '1 hour');
INSERT INTO fp_dimensions (source, name, kind, position, title) VALUES ('many', 's', 'nominal', 1, 'S'), ('long', 's', 'nominal', 1, 'S');
SET session_replication_role = replica; -- spans of time are not needed
INSERT INTO fp_cubes (source, bucket, cube, observations)
  SELECT 'many', bucket, failure_cube(random() < 0.1, d), 40000
  FROM many, LATERAL (SELECT s::text AS s) d, generate_series(1, 4) GROUP BY bucket;
INSERT INTO fp_cubes (source, bucket, cube, observations)
  SELECT 'long', bucket, failure_cube(i <= failures, d), 50
  FROM quiet, (SELECT '1' AS s) d, generate_series(1, 50) i GROUP BY bucket;
VACUUM ANALYZE fp_cubes;
" >/dev/null
changes_many="SELECT * FROM fp_changes('many', dimension => 's');"
timed 'fp_changes, 10,000 values over 60 days' 2000 "$changes_many"
timed 'fp_changes, 100,000 quiet hours' 500 "SELECT * FROM fp_changes('long', bucket => '1 hour');"
pg_config=/usr/lib/postgresql/$PGMAJOR/bin/pg_config
gcc -O2 -Wall -I"$("$pg_config" --includedir)" -o "$folder/cancels" bench/cancels.c -lpq
cancelled() { # WHAT STATEMENT: how soon it ends when cancelled
  local whole median most greatest=
  read -r whole _ median most greatest _ < <("$folder/cancels" 20 "$2" 2>/dev/null) || true
  figure "$1, after 0 to $whole ms" "median $median ms" "90 %: $most ms" "greatest $greatest ms" '< 100 ms' \
    "$(awk -v m="$greatest" 'BEGIN {print (m == "" ? "not run" : m < 100 ? "ok" : "MISSED")}')"
}
cancelled 'fp_changes, 10,000 values, cancelled' "$changes_many"
cancelled '100,000 buckets with 999 changes, cancelled' 'SELECT change_points(bucket, failures, trials) FROM busy;'

test/tools/change-sim "$series" '' tsv >>"$BENCH_ROWS"
