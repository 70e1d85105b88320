# Which changes fp_changes tells, of all series of all dimensions at once: one
# planted change shows in many series and is to be told once, by its own; two are
# to be told as two. Seeded worlds (test/fixtures/merging.sql), MERGING_SEEDS
# (400) of each kind, from MERGING_FIRST (1) on.
# server: -o shared_buffers=512MB -o jit=off -o fsync=off -o synchronous_commit=off -o session_replication_role=replica
seeds=${MERGING_SEEDS:-400}
first=${MERGING_FIRST:-1}
last=$((first + seeds - 1))
sql "CREATE EXTENSION failpat;" >/dev/null
psql -Xq -v ON_ERROR_STOP=1 -f test/fixtures/merging.sql
for kind in none one all two same apart; do
  for ((seed = first; seed <= last; seed++)); do
    sql "SELECT merging_run('$kind', $seed) \\g /dev/null"
  done
done

# WHAT CONDITION KINDS TARGET_PERCENT
share() {
  local row
  row=$(sql "SELECT round(100.0 * count(*) FILTER (WHERE $2) / nullif(count(*), 0), 1) || '|' || count(*) FROM merging_results WHERE kind IN ($3)")
  figure "$1" "${row%|*} % of ${row#*|}" - - "${4:+>= $4 %}" "${4:+$(awk -v m="${row%|*}" -v t="$4" 'BEGIN {print (m >= t ? "ok" : "MISSED")}')}"
}
once='named = planted AND near = planted AND elsewhere = 0'
share 'nothing changed: nothing told' 'near + elsewhere = 0' "'none'" 95
share 'one value changed: told by its own, and nothing else' "$once" "'one'" 95
share 'everything changed: told by everything, and nothing else' "$once" "'all'" 95
share 'two values of two dimensions, one day: told by their own, and nothing else' "$once" "'two'" 95
share 'two values of one dimension, one day: told by their own, and nothing else' "$once" "'same'" 95
share 'two values, 10 to 14 days apart: told by their own, and nothing else' "$once" "'apart'" 95
planted="'one', 'all', 'two', 'same', 'apart'"
share 'planted, of any kind: all told' 'near >= planted' "$planted"
share '... something told elsewhere' 'elsewhere > 0' "$planted"
share '... one taken for part of another' 'swallowed > 0' "$planted"
