#!/usr/bin/env bash
# What capture costs the writers of scores: rate and processor time of inserts
# into the platform's tables without and with the triggers, and with refresh by
# background workers, at the server's default durability.
#
# Ratios mean something on an idle machine only; the processor time does on any.
# That observations are right is test/tap/020_capture_oracle.pl's to say.
#
# usage: bench/capture.sh [SECONDS [ROUNDS]]       (FAILPAT_SEGMENTS: default 100000)
set -eu
cd "$(dirname "$0")/.."
if [ -z "${FAILPAT_BENCH_INSIDE:-}" ]; then
  export FAILPAT_BENCH_INSIDE=1
  exec test/tools/with-server -o fsync=on "$0" "$@"
fi
seconds=${1:-10}
rounds=${2:-3}
segments=${FAILPAT_SEGMENTS:-100000}
clients=8
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

psql -Xq -o /dev/null -v ON_ERROR_STOP=1 <<SQL
SET client_min_messages = warning;
\i test/fixtures/prd49.sql
\i test/fixtures/generate.sql
CREATE SCHEMA failpat;
CREATE EXTENSION failpat SCHEMA failpat;
SELECT count(*) FROM prd49_demo.generate($segments);
-- segments to come, generated but not judged yet, and their receipts
CREATE SEQUENCE bench_next START 1000000000;
CREATE PROCEDURE bench_more(n integer) LANGUAGE sql AS \$\$
    INSERT INTO segments (id, scene_id, sequence_index)
    SELECT 1000000000 + g, (SELECT min(id) FROM scenes) + g % 1000, 1000 + g / 1000 FROM generate_series(0, n - 1) g;
    INSERT INTO generation_receipts (segment_id, source_media_hash, variant_media_hash, workflow_version, workflow_hash,
        model_asset_id, model_version, model_hash, lora_configs, prompt_text, cfg_scale, seed, resolution_width,
        resolution_height, steps, sampler, inputs_hash, generation_started_at)
    SELECT 1000000000 + g, 'a', 'b', '1', 'c', (SELECT min(id) FROM assets), 'v', 'h',
        jsonb_build_array(jsonb_build_object('asset_id', g % 20, 'weight', 1), jsonb_build_object('asset_id', g % 7, 'weight', 1)),
        'p', 7, g, 512, 512, 20, 's', 'i', now() FROM generate_series(0, n - 1) g;
\$\$;
CALL bench_more(400000);
CHECKPOINT;
SQL
psql -Xq -c 'VACUUM ANALYZE'

# Each client judges segments of its own, in order; start skips what earlier
# runs have judged.
cat >"$work/single.sql" <<'SQL'
\set i :i + 1
\set seg 1000000000 + :client_id * 50000 + (:start + :i / 6) % 50000
INSERT INTO quality_scores (segment_id, check_type, score, status) VALUES (:seg, 'check' || :i % 6, 0.5, CASE WHEN hashint4(:i) % 30 = 0 THEN 'fail' ELSE 'pass' END);
SQL
cat >"$work/rows100.sql" <<'SQL'
\set i :i + 1
INSERT INTO quality_scores (segment_id, check_type, score, status) SELECT 1000000000 + :client_id * 50000 + (:start + (:i * 100 + g) / 6) % 50000, 'check' || (:i * 100 + g) % 6, 0.5, CASE WHEN hashint4(g) % 30 = 0 THEN 'fail' ELSE 'pass' END FROM generate_series(0, 99) g;
SQL
cat >"$work/segments100.sql" <<'SQL'
\set i :i + 1
INSERT INTO quality_scores (segment_id, check_type, score, status) SELECT 1000000000 + :client_id * 50000 + (:start + :i * 100 + g) % 50000, 'check', 0.5, CASE WHEN hashint4(g) % 30 = 0 THEN 'fail' ELSE 'pass' END FROM generate_series(0, 99) g;
SQL

postmaster=$(psql -XAtc 'SHOW data_directory' | sed 's|$|/postmaster.pid|' | xargs head -n 1)
ticks=$(getconf CLK_TCK)
# user and system time of the server's finished processes, in ms
cpu() {
  sleep 0.3
  awk -v t="$ticks" '{ sub(/^.*\) /, ""); print ($14 - 0 + $15) * 1000 / t }' "/proc/$postmaster/stat"
}
start=0
declare -A tps ms
run() { # SCRIPT NAME
  local before after out
  psql -Xq -c CHECKPOINT
  before=$(cpu)
  out=$(pgbench -n -c "$clients" -j 2 -T "$seconds" -M prepared -D i=0 -D start="$start" -f "$work/$1.sql" 2>&1) || { echo "$out"; exit 1; }
  after=$(cpu)
  start=$((start + $3))
  awk -v b="$before" -v a="$after" '
    /number of transactions actually processed/ { n = $6 + 0 }
    /number of failed transactions/ { f = $5 + 0 }
    /^tps/ { tps = $3 }
    END { printf "%.0f %.1f %d\n", tps, (a - b) * 1000 / n, f }' <<<"$out"
}
printf '%d clients, %s s a run, %d rounds; fsync %s, synchronous_commit %s\n' "$clients" "$seconds" "$rounds" \
  "$(psql -XAtc 'SHOW fsync')" "$(psql -XAtc 'SHOW synchronous_commit')"
printf '%-12s %5s %10s %10s %7s %12s %12s %10s\n' statement round 'without/s' 'with/s' ratio 'CPU us' 'CPU us with' 'added us'
for script in single rows100 segments100; do
  case $script in single) step=5000 ;; rows100) step=5000 ;; *) step=15000 ;; esac
  for round in $(seq "$rounds"); do
    read -r t0 c0 f0 < <(run $script off $step)
    psql -Xq -c "SELECT failpat.fp_attach_prd49(history => 'later')" >/dev/null
    read -r t1 c1 f1 < <(run $script on $step)
    psql -Xq -c "SELECT failpat.fp_detach('segments')" >/dev/null
    awk -v s=$script -v r="$round" -v t0="$t0" -v t1="$t1" -v c0="$c0" -v c1="$c1" 'BEGIN {
      printf "%-12s %5d %10d %10d %7.2f %12.1f %12.1f %10.1f\n", s, r, t0, t1, t1 / t0, c0, c1, c1 - c0 }'
  done
done
# Refresh by background workers: what asking for them costs the writers (there
# is one refresh, then none is due), and what their work takes from the machine.
printf '\n%-12s %5s %10s %10s %7s %12s %12s %10s\n' 'single rows' round 'manual/s' 'async/s' ratio 'CPU us' 'CPU us async' 'added us'
for case in 1d 10s; do
  for round in $(seq "$rounds"); do
    psql -Xq -c "SELECT failpat.fp_attach_prd49(history => 'later', refresh => 'manual')" >/dev/null
    read -r t0 c0 f0 < <(run single off 5000)
    psql -Xq -c 'CALL failpat.fp_refresh()' -c "SELECT failpat.fp_detach('segments')" >/dev/null
    psql -Xq -c "ALTER DATABASE $PGDATABASE SET failpat.async = on" -c "ALTER DATABASE $PGDATABASE SET failpat.refresh_interval = '$case'"
    psql -Xq -c "SELECT failpat.fp_attach_prd49(history => 'later')" >/dev/null
    read -r t1 c1 f1 < <(run single on 5000)
    psql -Xq -c "ALTER DATABASE $PGDATABASE RESET ALL"
    psql -Xq -c 'CALL failpat.fp_refresh()' -c "SELECT failpat.fp_detach('segments')" >/dev/null
    awk -v s="every $case" -v r="$round" -v t0="$t0" -v t1="$t1" -v c0="$c0" -v c1="$c1" 'BEGIN {
      printf "%-12s %5d %10d %10d %7.2f %12.1f %12.1f %10.1f\n", s, r, t0, t1, t1 / t0, c0, c1, c1 - c0 }'
  done
done
psql -XAt -F ' ' <<'SQL'
SELECT 'deadlocks', deadlocks FROM pg_stat_database WHERE datname = current_database();
SELECT 'pending keys', count(*) FROM failpat.fp_pending;
SQL
