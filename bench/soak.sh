# Eight clients of mixed work for ten minutes (SOAK_SECONDS): scores inserted one
# by one, scenes started again (their scores deleted, then judged anew), outcomes
# updated, alerts, heatmaps, predictions, drill-down and trends read, fixes
# recorded, while background workers refresh every second. At the end the
# observations are what the tables say, the cubes what the observations say, no
# statement failed, and the servers' memory did not grow.
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

cat >"$work/insert.sql" <<'SQL'
\set seg random(0, 99999)
INSERT INTO quality_scores (segment_id, check_type, score, status) VALUES (1000000000 + :seg, 'check' || :seg % 6, 0.5, CASE WHEN random() < 0.1 THEN 'fail' ELSE 'pass' END);
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
pgbench -n -c 8 -j 2 -T "$seconds" -P $((seconds / 6 > 0 ? seconds / 6 : 1)) -f "$work/insert.sql@60" -f "$work/again.sql@8" -f "$work/update.sql@12" \
  -f "$work/read.sql@15" -f "$work/fix.sql@5" >"$work/out" 2>&1 &
bench=$!
# what the clients' servers hold privately, in kB: the largest of them
largest() {
  local kb largest=0
  for pid in $(sql "SELECT pid FROM pg_stat_activity WHERE application_name = 'pgbench';"); do
    kb=$(awk '/^RssAnon/ {print $2}' "/proc/$pid/status" 2>/dev/null || echo 0)
    [ "${kb:-0}" -le "$largest" ] || largest=$kb
  done
  echo "$largest"
}
sleep $((seconds / 3))
early=$(largest)
sleep $((seconds * 2 / 3 - 5 > 0 ? seconds * 2 / 3 - 5 : 1))
late=$(largest)
wait $bench || { cat "$work/out"; exit 1; }
if grep -E 'ERROR|aborted' "$work/out"; then exit 1; fi
workers=$(sql "SELECT count(*) FROM fp_status() WHERE last_refresh > now() - interval '15 seconds';")
told=$(sql "SELECT count(*) FROM fp_status() WHERE error IS NOT NULL OR worker_error IS NOT NULL;")
sql "CALL fp_refresh();"
wrong=$(sql "SELECT count(*) FROM (SELECT obs_key::text, failed FROM fp_source_segments) v FULL JOIN (SELECT obs_key, failed FROM fp_observations) o
  USING (obs_key) WHERE v.failed IS NOT NULL AND v.failed IS DISTINCT FROM o.failed;")
cells=$(sql "SELECT (SELECT (count(*), count(*) FILTER (WHERE failed))::text FROM fp_observations)
  = (SELECT (sum((t).trials), sum((t).failures))::text FROM (SELECT fp_totals(cube) t FROM fp_cubes) x);")
transactions=$(awk '/transactions actually processed/ {print $6}' "$work/out")
figure "8 clients for $seconds s: transactions, none failed" "$transactions"
figure "observations that are not what the tables say" "$wrong" - - 0 "$([ "$wrong" = 0 ] && echo ok || echo MISSED)"
figure "cubes are what the observations say" "$cells" - - t "$([ "$cells" = t ] && echo ok || echo MISSED)"
figure "largest client server, after a third and at the end" "$late kB" "$early kB" \
  "$(awk -v a="$late" -v b="$early" 'BEGIN {printf "%.2f", a / (b ? b : 1)}')" "<= 1.3" \
  "$(awk -v a="$late" -v b="$early" 'BEGIN {print (b > 0 && a <= 1.3 * b ? "ok" : "MISSED")}')"
figure "sources refreshed by a worker within the last 15 s" "$workers" - - 1 "$([ "$workers" = 1 ] && echo ok || echo MISSED)"
figure "errors that fp_status tells" "$told" - - 0 "$([ "$told" = 0 ] && echo ok || echo MISSED)"
rm -rf "$work"
