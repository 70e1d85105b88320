# What capture costs the writers of scores: eight clients that insert into the
# platform's tables, without ("rival") and with the triggers, at the server's
# default durability: time of a transaction (eight clients' time over the number of
# transactions) and processor time, in turn BENCH_ROUNDS times BENCH_SECONDS (5).
# Then capture alone beside capture with refresh by background workers: what asking
# for them costs (there is one refresh, then none is due), and with their work, which
# takes its share of the machine.
#
# Times mean something on an idle machine only; the processor time does on any.
# That observations are right is test/tap/020_capture_oracle.pl's to say.
# BENCH_SEGMENTS (100000) are judged before. BENCH_PARTS chooses among writers and
# refresh. Targets: 65 % of the rate for a score, 50 % for 100, that is 1.54 and 2 times
# the time; 200 us of processor time more for a score, 30 us for each of 100. Of refresh by
# workers: 1.1 times the processor time where they are asked for only, 1.3 times with their
# work (the time itself is what the disk makes of it: told, without a target).
# server: -o fsync=on
seconds=${BENCH_SECONDS:-5}
segments=${BENCH_SEGMENTS:-100000}
parts=${BENCH_PARTS:-writers refresh}
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
# run SCRIPT STEP FILE: adds to FILE.time and FILE.cpu the microseconds of a transaction
run() {
  local before after
  psql -Xq -c CHECKPOINT
  before=$(cpu)
  pgbench -n -c "$clients" -j 2 -T "$seconds" -M prepared -D i=0 -D start="$start" -f "$work/$1.sql" >"$work/out" 2>&1 ||
    { cat "$work/out"; exit 1; }
  after=$(cpu)
  start=$((start + $2))
  awk -v b="$before" -v a="$after" -v c="$clients" -v file="$3" '
    /number of transactions actually processed/ { n = $6 + 0 }
    /number of failed transactions/ { f = $5 + 0 }
    /^tps/ { tps = $3 }
    END {
      if (!n || f) { print "failed: " f; exit 1 }
      print c * 1000000 / tps >>(file ".time")
      print (a - b) * 1000 / n >>(file ".cpu")
    }' "$work/out"
}

# of numbers on lines: "225 us (220-231)"
us() { spread <"$1" | awk '{ printf "%.0f us (%.0f-%.0f)", $1, $2, $3 }'; }
# row WHAT WITH WITHOUT [CONDITION TARGET]: medians of two files beside each other; CONDITION is
# awk's, over a (with) and b (without)
row() {
  local a b target=- verdict=-
  a=$(spread <"$2" | cut -d' ' -f1)
  b=$(spread <"$3" | cut -d' ' -f1)
  [ -z "${4:-}" ] || {
    target="<= $5"
    verdict=$(awk -v a="$a" -v b="$b" "BEGIN { print ($4 ? \"ok\" : \"MISSED\") }")
  }
  figure "$1" "$(us "$2")" "$(us "$3")" "$(awk -v a="$a" -v b="$b" 'BEGIN { printf "%.2f", a / b }')" "$target" "$verdict"
}
# tell WHAT WITH WITHOUT TIMES MICROSECONDS: a row of the times and one of the processor
# times; at most so many times the time, and so many microseconds more
tell() {
  row "$1" "$2.time" "$3.time" "a <= $4 * b" "$4"
  row "$1, processor time" "$2.cpu" "$3.cpu" "a - b <= $5" "$5 us more"
}
wanted() { [[ " $parts " == *" $1 "* ]]; }

for script in single rows100 segments100; do
  wanted writers || continue
  case $script in
    single) step=5000 what='a score, a transaction' limits='1.54 200' ;;
    rows100) step=5000 what='100 scores of 17 segments, a statement' limits='2 3000' ;;
    segments100) step=15000 what='100 scores of 100 segments, a statement' limits='2 3000' ;;
  esac
  for ((r = 0; r < ROUNDS; r++)); do
    run $script $step "$work/$script-without"
    sql "SET client_min_messages = warning; SELECT failpat.fp_attach_prd49(history => 'later') \\g /dev/null"
    run $script $step "$work/$script-with"
    sql "SELECT failpat.fp_detach('segments') \\g /dev/null"
  done
  # shellcheck disable=SC2086 # two words
  tell "$what" "$work/$script-with" "$work/$script-without" $limits
done

for every in 1d 10s; do
  wanted refresh || continue
  for ((r = 0; r < ROUNDS; r++)); do
    sql "SET client_min_messages = warning; SELECT failpat.fp_attach_prd49(history => 'later', refresh => 'manual') \\g /dev/null"
    run single 5000 "$work/$every-without"
    sql "CALL failpat.fp_refresh(); SELECT failpat.fp_detach('segments') \\g /dev/null"
    sql "ALTER DATABASE $PGDATABASE SET failpat.async = on; ALTER DATABASE $PGDATABASE SET failpat.refresh_interval = '$every'"
    sql "SET client_min_messages = warning; SELECT failpat.fp_attach_prd49(history => 'later') \\g /dev/null"
    run single 5000 "$work/$every-with"
    sql "ALTER DATABASE $PGDATABASE RESET ALL"
    sql "CALL failpat.fp_refresh(); SELECT failpat.fp_detach('segments') \\g /dev/null"
  done
  case $every in
    1d) most=1.1 ;;
    10s) most=1.3 ;;
  esac
  what="a score, captured, with a refresh by workers every $every"
  row "$what" "$work/$every-with.time" "$work/$every-without.time"
  row "$what, processor time" "$work/$every-with.cpu" "$work/$every-without.cpu" "a <= $most * b" $most
done
figure 'deadlocks' "$(sql 'SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()')" - - 0 \
  "$(sql "SELECT CASE deadlocks WHEN 0 THEN 'ok' ELSE 'MISSED' END FROM pg_stat_database WHERE datname = current_database()")"
figure 'keys left to the next refresh' "$(sql 'SELECT count(*) FROM failpat.fp_pending')"
