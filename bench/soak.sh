# Eight clients of mixed work for ten minutes (SOAK_SECONDS): scores inserted one
# by one, scenes started again (their scores deleted, then judged anew), outcomes
# updated, alerts, heatmaps, predictions, drill-down and trends read, fixes
# recorded, while background workers refresh every second. At the end the
# observations are what the source view says, the cubes what the observations
# say, to the last byte, what is mined step by step what all cells say, the list
# what is mined; no statement failed, the server's log has no complaint, and the
# memory of none of the server's processes grew.
#
# server: -o fsync=on -o failpat.async=on -o failpat.refresh_interval=1s
seconds=${SOAK_SECONDS:-600}
work=$(mktemp -d)
chmod 755 "$work"
psql -Xq -o /dev/null -v ON_ERROR_STOP=1 <<SQL
SET client_min_messages = warning;
\i test/fixtures/prd49.sql
\i test/fixtures/generate.sql
CREATE EXTENSION failpat;
SELECT prd49_demo.generate(${SOAK_SEGMENTS:-50000});
SELECT fp_attach_prd49();
CALL fp_backfill();
CALL fp_refresh();
-- segments to come, generated but not judged yet
INSERT INTO segments (id, scene_id, sequence_index)
SELECT 1000000000 + g, (SELECT min(id) FROM scenes) + g % 1000, 1000 + g / 1000 FROM generate_series(0, 99999) g;
SQL
psql -Xq -c 'VACUUM ANALYZE'

# a quarter of the avatars fail more often: something is there to be found
cat >"$work/insert.sql" <<'SQL'
\set seg random(0, 99999)
INSERT INTO quality_scores (segment_id, check_type, score, status)
SELECT s.id, 'check' || :seg % 6, 0.5, CASE WHEN random() < CASE WHEN c.avatar_id % 4 = 1 THEN 0.5 ELSE 0.08 END THEN 'fail' ELSE 'pass' END
FROM segments s JOIN scenes c ON c.id = s.scene_id WHERE s.id = 1000000000 + :seg;
SQL
cat >"$work/again.sql" <<'SQL'
\set scene random(1, 1000)
BEGIN;
DELETE FROM quality_scores WHERE segment_id IN (SELECT id FROM segments WHERE scene_id = (SELECT min(id) FROM scenes) + :scene AND id >= 1000000000 ORDER BY id LIMIT 10);
INSERT INTO quality_scores (segment_id, check_type, score, status) SELECT id, 'motion', 0.5, CASE WHEN random() < 0.1 THEN 'fail' ELSE 'pass' END FROM segments WHERE scene_id = (SELECT min(id) FROM scenes) + :scene AND id >= 1000000000 ORDER BY id LIMIT 10;
COMMIT;
SQL
cat >"$work/update.sql" <<'SQL'
\set seg random(0, 99999)
UPDATE quality_scores SET status = CASE WHEN status = 'fail' THEN 'pass' ELSE 'fail' END WHERE segment_id = 1000000000 + :seg;
SQL
cat >"$work/read.sql" <<'SQL'
\set l random(1, 24)
\set c random(1, 20)
SELECT count(*) FROM fp_check_combo(lora => ARRAY[:l, 3], "character" => :c);
SELECT count(*) FROM fp_predict(lora => ARRAY[:l], "character" => :c);
SELECT count(*) FROM fp_heatmap('scene_type', 'character');
SELECT count(*) FROM fp_drilldown(jsonb_build_object('character', (:c)::text));
SELECT count(*) FROM fp_status();
SQL
cat >"$work/fix.sql" <<'SQL'
SELECT fp_rate_fix(fp_record_fix(id, 'soak', NULL, 1), 'improved') FROM failure_patterns ORDER BY random() LIMIT 1;
DELETE FROM pattern_fixes WHERE id IN (SELECT id FROM pattern_fixes ORDER BY id DESC OFFSET 50);
SELECT count(*) FROM fp_trend('{}');
SQL
data=$(sql 'SHOW data_directory')
postmaster=$(head -n 1 "$data/postmaster.pid")
# own-server says where its log is; pg_virtualenv keeps data and log side by side
serverlog=${FAILPAT_SERVER_LOG:-$(ls "${data%/data/*}"/log/*.log)}
lines=$(wc -l <"$serverlog")
pgbench -n -c 8 -j 2 -T "$seconds" -P $((seconds / 6 > 0 ? seconds / 6 : 1)) -f "$work/insert.sql@60" -f "$work/again.sql@8" -f "$work/update.sql@12" \
  -f "$work/read.sql@15" -f "$work/fix.sql@5" >"$work/out" 2>&1 &
bench=$!

# What each process of the server holds by itself, in kB: "seconds kind pid kB",
# once a second. A worker lives for one refresh.
sample() {
  local began=$SECONDS at pid kb what
  while kill -0 "$bench" 2>/dev/null; do
    at=$((SECONDS - began)) # one moment, however long the look takes
    for pid in $(pgrep -P "$postmaster"); do
      what=$(cat "/proc/$pid/cmdline" 2>/dev/null | tr '\0' ' ')
      kb=$(awk '/^RssAnon/ {print $2}' "/proc/$pid/status" 2>/dev/null) || true
      case $what in
        *'failpat refresh'*) what=worker ;;
        *"$PGUSER $PGDATABASE"*) what=client ;;
        *) what=other ;;
      esac
      [ -z "$kb" ] || echo "$at $what $pid $kb"
    done
    sleep 1
  done >"$work/memory"
}
sample
wait $bench || { cat "$work/out"; exit 1; }
if grep -E 'ERROR|aborted' "$work/out"; then exit 1; fi
# KIND: of the largest process of a kind, or of "all" together, the median over
# the last sixth of the time and over the one before the first third: "late early"
held() {
  awk -v kind="$1" -v t="$seconds" '
    kind == "all" {now[$1] += $4}
    $2 == kind && $4 > now[$1] {now[$1] = $4}
    function median(from, to,   s, v, n, i, j, x) {
      for (s in now)
        if (s + 0 >= from && s + 0 < to) {
          x = now[s]
          for (j = n++; j > 0 && v[j - 1] > x; j--) v[j] = v[j - 1]
          v[j] = x
        }
      return n ? v[int(n / 2)] : 0
    }
    END {print median(t * 5 / 6, t), median(t / 6, t / 3)}' "$work/memory"
}
read -r ago took <<<"$(sql "SELECT round(extract(epoch FROM now() - last_refresh)) || ' ' || round(refresh_ms) FROM fp_status();")"
told=$(sql "SELECT count(*) FROM fp_status() WHERE error IS NOT NULL OR worker_error IS NOT NULL;")
# whatever a worker is at, this one comes after it
for _ in $(seq 60); do
  sql "CALL fp_refresh();"
  waiting=$(sql "SELECT sum(dirty_buckets + pending_keys + (worker = 'running')::int) FROM fp_status();")
  [ "$waiting" != 0 ] || break
  sleep 1
done
# Time and parameters are those of the first capture: parameters did not change
# here, and no segment was judged anew before it was judged.
wrong=$(sql "SELECT count(*) FROM (
    SELECT v.obs_key::text, v.source_key::text, v.failed, v.job::text, v.observed_at,
      ARRAY(SELECT DISTINCT c COLLATE \"C\" FROM unnest(v.failed_checks) c ORDER BY 1) AS failed_checks,
      (SELECT jsonb_object_agg(d.key, CASE WHEN d.key = 'segment_position' THEN d.value
           WHEN d.key = 'lora' THEN to_jsonb(ARRAY(SELECT l FROM jsonb_array_elements_text(d.value) l ORDER BY l COLLATE \"C\"))
           ELSE to_jsonb(d.value #>> '{}') END)
       FROM jsonb_each(to_jsonb(v) - '{source_key,obs_key,observed_at,failed,failed_checks,job}'::text[]) d WHERE d.value <> 'null') AS dims
    FROM fp_source_segments v) v
  FULL JOIN fp_observations o USING (obs_key)
  WHERE v.source_key IS DISTINCT FROM o.source_key OR v.failed IS DISTINCT FROM o.failed OR v.failed_checks IS DISTINCT FROM o.failed_checks
    OR v.job IS DISTINCT FROM o.job OR v.dims IS DISTINCT FROM o.dims OR o.observed_at > v.observed_at + interval '1 minute' OR o.source <> 'segments';")
observed=$(sql "SELECT count(*) FROM fp_observations;")
cubes=$(sql "WITH again AS (
    SELECT fp_bucket(o.observed_at, s.bucket, s.bucket_zone) AS bucket, count(*) AS n, count(*) FILTER (WHERE o.failed) AS f,
      failure_cube(o.failed, o.dims || CASE WHEN o.job IS NULL THEN '{}' ELSE jsonb_build_object('job', o.job) END,
        '{segment_position}'::text[], '{job}'::text[], o.failed_checks) AS cube
    FROM fp_observations o JOIN fp_sources s USING (source) GROUP BY 1)
  SELECT count(*) FROM again a FULL JOIN fp_cubes c USING (bucket)
  WHERE a.n IS DISTINCT FROM c.observations OR a.f IS DISTINCT FROM c.failures
    OR failure_cube_send(a.cube) IS DISTINCT FROM failure_cube_send(c.cube);")
# as refresh mines, step by step, and all cells of all buckets at once
psql -Xq -v ON_ERROR_STOP=1 <<'SQL'
CREATE TABLE mined AS
SELECT m.* FROM fp_sources s, fp_mine_window(s.source, (SELECT array_agg(c.bucket ORDER BY c.bucket) FROM fp_cubes c WHERE c.bucket > now() - s.bucket - s.window_length), s.max_arity, s.alpha, s.min_trials, s.min_risk_ratio) m;
CREATE TABLE mined_anew AS
SELECT m.* FROM fp_sources s, fp_patterns((SELECT array_agg(c.cube ORDER BY c.bucket) FROM fp_cubes c WHERE c.bucket > now() - s.bucket - s.window_length), s.max_arity, s.alpha, s.min_trials, s.min_risk_ratio) m;
SQL
found=$(sql "SELECT count(*) FROM mined_anew;")
differ=$(sql "SELECT count(*) FROM mined x FULL JOIN mined_anew y USING (pattern_key) WHERE x IS DISTINCT FROM y;")
listed=$(sql "SELECT count(*) FROM mined_anew y JOIN failure_patterns f USING (conditions)
  WHERE f.status <> 'inactive' AND (f.failure_count, f.total_count) = (y.failures, y.trials);")
complaints=$(tail -n +$((lines + 1)) "$serverlog" | grep -cE '(WARNING|ERROR|FATAL|PANIC):  ' || true)
tail -n +$((lines + 1)) "$serverlog" | grep -E '(WARNING|ERROR|FATAL|PANIC):  ' | head -n 20 || true
transactions=$(awk '/transactions actually processed/ {print $6}' "$work/out")
# what must be: WHAT VALUE EXPECTED
must() { figure "$1" "$2" - - "$3" "$([ "$2" = "$3" ] && echo ok || echo WRONG)"; }
figure "8 clients for $seconds s: transactions, none failed" "$transactions"
must "warnings and errors in the server's log" "$complaints" 0
must "buckets, keys and workers that wait at the end" "$waiting" 0
must "of $observed observations: other than the source view says (outcome, checks, job, parameters)" "$wrong" 0
must "cubes that are not, to the byte, what counting the observations again gives" "$cubes" 0
figure "patterns found by mining all cells" "$found" - - '>= 1' "$([ "$found" -ge 1 ] && echo ok || echo WRONG)"
must "... that mining step by step has not, or not the same, or has besides" "$differ" 0
must "... of which are listed, with the same counts" "$listed" "$found"
figure "a worker's last refresh: how long it took, how long ago it ended" "$took ms, $ago s" - - "<= 15 s" "$([ "$ago" -le 15 ] && echo ok || echo MISSED)"
must "errors that fp_status tells" "$told" 0
memory() { # WHAT KIND
  local late early
  read -r late early <<<"$(held "$2")"
  figure "$1, at the end and after a third of the time" "$late kB" "$early kB" \
    "$(awk -v a="$late" -v b="$early" 'BEGIN {printf "%.2f", a / (b ? b : 1)}')" "<= 1.3" \
    "$(awk -v a="$late" -v b="$early" 'BEGIN {print (a > 0 && b > 0 && a <= 1.3 * b ? "ok" : "MISSED")}')"
}
memory "largest client's server process" client
memory "largest refresh worker" worker
memory "all processes of the server together" all
rm -rf "$work"
