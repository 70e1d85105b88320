# From a table of 10 million rows to the list of patterns, beside bare counting.
#
# Six text columns, skewed (most values are rare), narrow (6 x 8 x 40 x 30 x 10 x 12
# values) and wide (12 x 20 x 400 x 200 x 24 x 16), five planted patterns. "total" is
# failure_cube and fp_patterns with all gates, up to triples, in one statement.
# DuckDB only counts trials and failures of all subsets of up to three columns, from the
# same texts, with 2 threads, in memory and loaded before, in the faster of two ways;
# so does GROUPING SETS in the same server, once, stopped after BENCH_PATIENCE (240)
# seconds, with 256 MB of work_mem. Memory is what the backend takes for itself
# at its peak, in a fresh session. Growth is the median of three, one process. Cancelled:
# time from the request to the answer, at random moments of the run. BENCH_PARTS chooses
# among speed, memory, growth and cancel; BENCH_OBSERVATIONS makes the tables smaller.
# server: -o shared_buffers=2GB -o max_wal_size=8GB -o jit=off -o fsync=off -o autovacuum=off
n=${BENCH_OBSERVATIONS:-10000000}
parts=${BENCH_PARTS:-speed memory growth cancel}
duckdb=1.5.6-r.1
cache=${XDG_CACHE_HOME:-$HOME/.cache}/failpat-bench/duckdb-$duckdb
columns='workflow model lora character scene_type segment_position'
# "character" is also a type
quoted='workflow, model, lora, "character", scene_type, segment_position'
work=$(mktemp -d)
chmod 755 "$work"
trap 'rm -rf "$work"' EXIT

wanted() { [[ " $parts " == *" $1 "* ]]; }

# milliseconds of each of ROUNDS runs of the statement, after a warm-up
timed() { # ROUNDS STATEMENT [SETUP]
  {
    echo "${3:-}"
    echo '\o /dev/null'
    echo "$2"
    # shellcheck disable=SC2028 # for psql
    echo '\timing on'
    for ((i = 0; i < $1; i++)); do echo "$2"; done
  } | psql -Xq -v ON_ERROR_STOP=1 | sed -n 's/^Time: \([0-9.]*\) ms.*/\1/p'
}

# MS LIMIT: "ok" or "MISSED"
within() { awk -v m="$1" -v t="$2" 'BEGIN {print (m <= t ? "ok" : "MISSED")}'; }
ratio() { awk -v a="$1" -v b="$2" 'BEGIN {printf (a / b < 0.1 ? "%.3f" : "%.2f"), a / b}'; }

sql "CREATE EXTENSION failpat;
CREATE FUNCTION pick(i bigint, stream int, card int, skew float8) RETURNS int
  LANGUAGE sql IMMUTABLE PARALLEL SAFE
  RETURN 1 + floor(card * power((hashint8extended(i, stream) & 1073741823) / 1073741824.0::float8, skew))::int;"

# NAME ROWS and how many workflows, models, LoRAs, characters, scene types, positions
make_table() {
  sql "CREATE UNLOGGED TABLE $1 AS
    SELECT (hashint8extended(i, 9) & 1048575) / 1048576.0::float8
        < 0.08 * CASE WHEN l = 3 AND c = 5 AND p >= 6 THEN 5 ELSE 1 END
               * CASE WHEN l = 8 THEN 1.8 ELSE 1 END
               * CASE WHEN w = 2 AND s = 4 THEN 2 ELSE 1 END
               * CASE WHEN m = 3 AND c = 9 AND s = 2 THEN 4 ELSE 1 END
               * CASE WHEN p >= 10 THEN 1.5 ELSE 1 END AS failed,
      'workflow ' || w AS workflow, 'model ' || m AS model, 'lora ' || l AS lora,
      'character ' || c AS \"character\", 'scene ' || s AS scene_type, p::text AS segment_position
    FROM (SELECT i, pick(i, 1, $3, 2) AS w, pick(i, 2, $4, 2) AS m, pick(i, 3, $5, 2) AS l,
            pick(i, 4, $6, 2) AS c, pick(i, 5, $7, 2) AS s, pick(i, 6, $8, 1.3) AS p
          FROM generate_series(1::bigint, $2) i OFFSET 0) k;
  VACUUM (FREEZE, ANALYZE) $1;"
}

cube_of() { # TABLE
  echo "SELECT failure_cube(failed, d, '{segment_position}') AS cube FROM $1, LATERAL (SELECT $quoted) d"
}

# growth has no use for the narrow one
tables='narrow wide'
[ "$parts" != growth ] || tables=wide
[ "$tables" = wide ] || make_table narrow "$n" 6 8 40 30 10 12
make_table wide "$n" 12 20 400 200 24 16
for table in $tables; do
  sql "CREATE TABLE cube_$table AS $(cube_of $table);"
  figure "$table: rows, cells, bytes of the cube" "$n" \
    "$(sql "SELECT count(*) FROM (SELECT FROM $table GROUP BY $quoted) g")" \
    "$(sql "SELECT pg_column_size(cube) FROM cube_$table")"
done

# --- speed -------------------------------------------------------------

have_duckdb() {
  command -v node >/dev/null && command -v npm >/dev/null || return 1
  [ -d "$cache/node_modules/@duckdb/node-api" ] ||
    { mkdir -p "$cache" && timeout 180 npm install --silent --no-audit --no-fund --prefix "$cache" "@duckdb/node-api@$duckdb" >&2; }
}

speed() { # TABLE
  local table=$1 total mine build rival sets
  total=$(timed 5 "SELECT p.* FROM ($(cube_of "$table")) t, fp_patterns(t.cube) p;" | spread)
  build=$(timed 5 "SELECT pg_column_size(cube) FROM ($(cube_of "$table")) t;" | spread)
  mine=$(timed 7 "SELECT p.* FROM cube_$table, fp_patterns(cube) p;" | spread)
  # shellcheck disable=SC2086 # three words each
  {
    total_ms=$(ms $total)
    mine_ms=$(ms $mine)
    figure "$table: of that, failure_cube" "$(ms $build)"
  }
  total=${total%% *}
  mine=${mine%% *}

  if have_duckdb; then
    psql -Xqc "\\copy $table to '$work/$table.csv' csv"
    # shellcheck disable=SC2086 # words
    node bench/duckdb.mjs "$cache" "$work/$table.csv" 3 $columns >"$work/duckdb"
    rm -f "$work/$table.csv"
    rival=$(cut -d' ' -f1 "$work/duckdb" | spread)
    # shellcheck disable=SC2086 # three words
    rival_ms="DuckDB $(ms $rival), 3 runs"
    rival=${rival%% *}
    figure "$table: total" "$total_ms" "$rival_ms" "$(ratio "$total" "$rival")" '<= 1' "$(within "$total" "$rival")"
    figure "$table: fp_patterns of a finished cube" "$mine_ms" "$rival_ms" \
      "$(ratio "$mine" "$rival")" '<= 0.333' "$(within "$mine" "$(awk -v r="$rival" 'BEGIN {print r / 3}')")"
  else
    figure "$table: total" "$total_ms" 'DuckDB not run: no npm' - '<= 1'
    figure "$table: fp_patterns of a finished cube" "$mine_ms" 'DuckDB not run: no npm' - '<= 0.333'
  fi

  sets=$(for a in $columns; do for b in $columns; do for c in $columns; do
    printf '%s\n' "$a" "$b" "$c" | sort -u | sed 's/.*/"&"/' | paste -sd,
  done; done; done | sort -u | sed 's/.*/(&)/' | paste -sd,)
  local patience=${BENCH_PATIENCE:-240} start=${EPOCHREALTIME/./} more=
  sql "SET work_mem = '256MB'; SET statement_timeout = '${patience}s';
    SELECT count(*), sum(n) FROM (SELECT count(*) AS n, count(*) FILTER (WHERE failed) AS f
      FROM $table GROUP BY GROUPING SETS ($sets)) g" || more='more than '
  sets=$(((${EPOCHREALTIME/./} - start) / 1000))
  figure "$table: total, beside GROUPING SETS" "$total_ms" "$more$sets ms, 1 run" \
    "$(ratio "$total" "$sets")" '<= 0.067' "$(within "$(awk -v t="$total" 'BEGIN {print 15 * t}')" "$sets")"
}

# --- memory ------------------------------------------------------------

# megabytes that a backend takes for itself at its peak, for STATEMENT after SETUP
peak() {
  psql -XAtq -v ON_ERROR_STOP=1 <<EOF
SELECT pg_backend_pid() AS pid \gset
\setenv BACKEND :pid
$2
\o /dev/null
$1
\o
\! awk '/^VmHWM/ {p = \$2} /^Rss(File|Shmem)/ {p -= \$2} END {printf "%.0f\n", p / 1024}' /proc/\$BACKEND/status
EOF
}

memory() {
  local table peak
  for table in narrow wide; do
    peak=$(peak "SELECT p.* FROM cube_$table, fp_patterns(cube) p;" '')
    figure "memory: fp_patterns, $table" "$peak MB" - - '<= 1000 MB' "$(within "$peak" 1000)"
    figure "memory: failure_cube, $table, one process" \
      "$(peak "SELECT pg_column_size(cube) FROM ($(cube_of "$table")) t;" 'SET max_parallel_workers_per_gather = 0;') MB"
  done
}

# --- growth ------------------------------------------------------------

grow() { # WHAT TABLE COLUMNS ORDINAL [ARITY]
  local cube build mine cells
  cube="SELECT failure_cube(failed, d, '{$4}') AS cube FROM $2, LATERAL (SELECT $3) d"
  sql "DROP TABLE IF EXISTS grown; SET max_parallel_workers_per_gather = 0; CREATE TABLE grown AS $cube;"
  build=$(timed 5 "SELECT pg_column_size(cube) FROM ($cube) t;" 'SET max_parallel_workers_per_gather = 0;' | spread)
  mine=$(timed 5 "SELECT p.* FROM grown, fp_patterns(cube, ${5:-3}) p;" | spread)
  cells=$(sql "SELECT count(*) FROM (SELECT FROM $2 GROUP BY $3) g")
  # shellcheck disable=SC2086 # three words each
  figure "growth: $1" "fp_patterns $(ms $mine)" "failure_cube $(ms $build), $cells cells"
}

growth() {
  local rows dims list card
  for rows in 10000 100000 1000000 10000000; do
    [ "$rows" -le "$n" ] || continue
    sql "CREATE UNLOGGED TABLE part AS SELECT * FROM wide LIMIT $rows; ANALYZE part;"
    grow "wide, $rows rows" part "$quoted" segment_position
    sql "DROP TABLE part"
  done
  sql "CREATE UNLOGGED TABLE part AS SELECT * FROM wide LIMIT $((n / 10)); ANALYZE part;"
  for arity in 1 2 3 4 5; do
    grow "wide, $((n / 10)) rows, arity $arity" part "$quoted" segment_position "$arity"
  done
  sql "CREATE UNLOGGED TABLE many AS SELECT (hashint8extended(i, 99) & 1023) < 88 AS failed,
      $(for d in $(seq 12); do echo "pick(i, $d, 20, 2) AS d$d,"; done)
      $(for card in 1000 10000 100000; do echo "pick(i, $card, $card, 2) AS c$card,"; done) i
    FROM generate_series(1::bigint, $n / 10) i; ANALYZE many;"
  for dims in 2 4 6 8 10 12; do
    list=$(seq -f 'd%g' "$dims" | paste -sd,)
    grow "$((n / 10)) rows, $dims dimensions of 20 values" many "$list" ''
  done
  for card in 1000 10000 100000; do
    grow "$((n / 10)) rows, 4 dimensions of 20 values and one of $card" many "d1, d2, d3, d4, c$card" ''
  done
}

# --- cancel ------------------------------------------------------------

cancelled() { # WHAT TIMES STATEMENT [BEFORE]
  local whole runs median most greatest at
  read -r whole runs median most greatest at <<<"$("$work/cancels" "${@:2}" 2>/dev/null)" || true
  if [ -z "${at:-}" ]; then
    figure "cancelled: $1" 'not run'
    return
  fi
  figure "cancelled: $1, after 0 to $whole ms" "median $median ms, 90 % $most ms, greatest $greatest ms" "$runs runs" - \
    '<= 100 ms' "$(within "$greatest" 100)"
}

cancel() {
  local pg_config=/usr/lib/postgresql/$PGMAJOR/bin/pg_config
  gcc -O2 -Wall -I"$("$pg_config" --includedir)" -o "$work/cancels" bench/cancels.c -lpq
  sql "CREATE TABLE daily AS SELECT day, failure_cube(failed, d, '{segment_position}') AS cube
    FROM (SELECT *, row_number() OVER () % 90 AS day FROM narrow) r, LATERAL (SELECT $quoted) d GROUP BY day;
  INSERT INTO fp_sources (source) VALUES ('bench');
  INSERT INTO fp_dimensions (source, name, kind, position, title)
  SELECT 'bench', c, CASE c WHEN 'segment_position' THEN 'ordinal' ELSE 'nominal' END, row_number() OVER (), c
  FROM unnest(string_to_array('$columns', ' ')) c;
  INSERT INTO fp_observations (source, obs_key, source_key, observed_at, failed, failed_checks, dims, changed_at)
  SELECT 'bench', i, i, date_trunc('day', now(), 'UTC') - i % 30 * interval '1 day', failed, '{}', to_jsonb(d), now()
  FROM (SELECT *, row_number() OVER () AS i FROM narrow LIMIT $((n / 20))) r, LATERAL (SELECT $quoted) d;
  VACUUM ANALYZE fp_observations;"
  cancelled 'fp_patterns, wide' 60 'SELECT count(*) FROM cube_wide, fp_patterns(cube);'
  cancelled 'fp_patterns, 90 cubes' 30 'SELECT count(*) FROM fp_patterns(ARRAY(SELECT cube FROM daily));'
  cancelled 'failure_cube, wide, one process' 40 \
    "SELECT pg_column_size(cube) FROM ($(cube_of wide)) t;" 'SET max_parallel_workers_per_gather = 0'
  cancelled 'failure_cube, wide, parallel' 30 "SELECT pg_column_size(cube) FROM ($(cube_of wide)) t;"
  cancelled 'rollup of 90 cubes' 30 'SELECT pg_column_size(rollup(cube)) FROM daily;'
  cancelled 'fp_heatmap, wide' 30 "SELECT count(*) FROM cube_wide, fp_heatmap(cube, 'lora', 'character');"
  cancelled 'fp_refresh' 30 "CALL fp_refresh('bench');" "SELECT fp_rebuild('bench')"
}

if wanted speed; then
  speed narrow
  speed wide
fi
! wanted memory || memory
! wanted growth || growth
! wanted cancel || cancel
