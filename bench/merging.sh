# Which changes fp_changes tells, of all series of all dimensions at once: one
# planted change shows in many series and is to be told once, by its own; two are
# to be told as two. Seeded worlds (test/fixtures/merging.sql), MERGING_SEEDS
# (400) of each kind.
# server: -o shared_buffers=512MB -o jit=off -o fsync=off -o synchronous_commit=off -o session_replication_role=replica
seeds=${MERGING_SEEDS:-400}
sql "CREATE EXTENSION failpat;" >/dev/null
psql -Xq -v ON_ERROR_STOP=1 -f test/fixtures/merging.sql
for kind in none one all two same apart; do
  for ((from = 1; from <= seeds; from += 50)); do
    sql "SELECT merging_run('$kind', s) FROM generate_series($from, least($from + 49, $seeds)) s \\g /dev/null"
  done
done

# WHAT CONDITION KINDS TARGET_PERCENT
share() {
  local row
  row=$(sql "SELECT round(100.0 * count(*) FILTER (WHERE $2) / nullif(count(*), 0), 1) || '|' || count(*) FROM merging_results WHERE kind IN ($3)")
  figure "$1" "${row%|*} % of ${row#*|}" - - "${4:+>= $4 %}" "${4:+$(awk -v m="${row%|*}" -v t="$4" 'BEGIN {print (m >= t ? "ok" : "MISSED")}')}"
}
share 'nothing changed: nothing told' 'near + elsewhere = 0' "'none'" 95
share 'one value changed: seen at all' 'near > 0' "'one'"
share '... where it is seen: told once' 'near = 1' "'one'" 95
share '... where it is seen: by its own series' 'named = 1' "'one'"
share 'everything changed: told once' 'near = 1' "'all'" 95
share '... by the series of everything' 'named = 1' "'all'"
share 'two values of two dimensions, one day: told as two' 'near = 2' "'two'"
share '... each by its own series' 'named = 2' "'two'"
share 'two values of one dimension, one day: told as two' 'near = 2' "'same'"
share '... each by its own series' 'named = 2' "'same'"
share 'two values, 10 to 14 days apart: told as two' 'near = 2' "'apart'"
share '... each by its own series' 'named = 2' "'apart'"
share 'planted, of any kind: nothing told elsewhere' 'elsewhere = 0' "'one', 'all', 'two', 'same', 'apart'"
