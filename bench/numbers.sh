# Intervals and exact tests of 100,000 pairs of counts in one statement, beside
# SciPy (python3-scipy) on the same numbers, one process each: the vectorised
# beta.ppf for intervals, fisher_exact in a loop (it takes one table at a time)
# for the test, of the first 1,000 pairs. SciPy's time is that of its calls alone,
# failpat's that of the statement. "differs" is the largest relative difference of
# any of the numbers; of p-values, of those above 1e-300. Of Clopper and
# Pearson it is SciPy's: the upper bound of one failure in 812,731 is off by 7e-12 there,
# here by 4e-16 (arithmetic of 40 digits). So it is with Fisher: of the five pairs that
# differ most SciPy (1.10) is off by 1e-10 and failpat by 1e-14 at most.
#
# Counts are of all sizes: trials up to a million, evenly on a logarithmic scale,
# rates from none to all.
# server: -o jit=off -o max_parallel_workers_per_gather=0
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python=
for candidate in python3 /usr/bin/python3; do
  if "$candidate" -c 'import scipy' 2>/dev/null; then python=$candidate; fi
done
[ -n "$python" ] || {
  echo 'bench/numbers needs SciPy: apt-get install python3-scipy'
  exit 1
}
sql "CREATE EXTENSION failpat;
SELECT setseed(0.75) \\g /dev/null
CREATE TABLE pairs AS
SELECT i, n, m, round(n * CASE WHEN i % 50 = 0 THEN 0 WHEN i % 50 = 1 THEN 1 ELSE power(random(), 3) END)::bigint AS f,
    round(m * CASE WHEN i % 70 = 0 THEN 0 ELSE power(random(), 3) END)::bigint AS g
FROM (SELECT i, round(power(10, 6 * random()))::bigint AS n, round(power(10, 6 * random()))::bigint AS m FROM generate_series(1, 100000) i OFFSET 0) c;
VACUUM (FREEZE, ANALYZE) pairs;"

# median of the rounds: numbers WHAT HOW COLUMNS FROM; HOW is what numbers_scipy.py is to do
numbers() {
  local ours rival differs
  ours=$({
    echo '\o /dev/null'
    echo "SELECT count(x) FROM (SELECT $3 AS x FROM $4 OFFSET 0) q;"
    echo '\timing on'
    for ((r = 0; r < ROUNDS; r++)); do echo "SELECT count(x) FROM (SELECT $3 AS x FROM $4 OFFSET 0) q;"; done
  } | psql -Xq -v ON_ERROR_STOP=1 | sed -n 's/^Time: \([0-9.]*\) ms.*/\1/p' | spread)
  psql -XAtq -F' ' -v ON_ERROR_STOP=1 -c "SELECT f, n, g, m, $5 FROM (SELECT *, $3 AS x FROM $4 OFFSET 0) q ORDER BY i" >"$folder/ours"
  "$python" bench/numbers_scipy.py "$2" "$folder/ours" "$ROUNDS" >"$folder/rival"
  rival=$(sed -n 1p "$folder/rival")
  differs=$(sed -n 2p "$folder/rival")
  # shellcheck disable=SC2086 # three words each
  figure "$1" "$(ms $ours)" "SciPy: $(ms $rival), differs $differs" \
    "$(awk -v a="${ours%% *}" -v b="${rival%% *}" 'BEGIN {printf "%.3f", a / b}')"
}
numbers '100,000 intervals of Clopper and Pearson' clopper-pearson "fp_rate_ci(f, n, 0.95, 'clopper-pearson')" pairs '(x).lower, (x).upper'
numbers '100,000 intervals of Jeffreys' jeffreys "fp_rate_ci(f, n, 0.95, 'jeffreys')" pairs '(x).lower, (x).upper'
numbers '100,000 intervals of Wilson' wilson "fp_rate_ci(f, n, 0.95, 'wilson')" pairs '(x).lower, (x).upper'
numbers '1,000 comparisons of two rates: Fisher, and four intervals that SciPy does not make' fisher 'fp_compare_rates(f, n, g, m)' \
  '(SELECT * FROM pairs WHERE i <= 1000) p' '(x).p_value'
