# Helpers for benchmarks; sourced by bench/run inside a throw-away server.
#
#   sql 'STATEMENT;'                     run it, print the result bare
#   compare WHAT TARGET SETUP OURS RIVAL time two statements alternately in one
#                                        session, after SETUP and a warm-up
#   figure WHAT VALUE [RIVAL [RATIO [TARGET [VERDICT]]]]
#                                        a row of one's own making
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
