# A poll of a source that no trigger captures, beside fp_backfill of the same
# rows: 110,000 rows of one day, which is what the poll looks back on, behind
# 330,000 older ones. The view is over a table of this database, and over the
# same table through postgres_fdw (fetch_size 5000; the other end is this
# server, so there is no network between).
#
# "nothing new" is what each poll costs at least: it reads the look-back again.
# server: -o shared_buffers=512MB -o jit=off
sql "CREATE EXTENSION failpat; CREATE EXTENSION postgres_fdw;
CREATE SERVER loop FOREIGN DATA WRAPPER postgres_fdw
    OPTIONS (host '$PGHOST', port '$PGPORT', dbname '$PGDATABASE', fetch_size '5000');
CREATE USER MAPPING FOR CURRENT_USER SERVER loop OPTIONS (user '$PGUSER', password '$PGPASSWORD');
CREATE TABLE runs (id bigint PRIMARY KEY, at timestamptz NOT NULL, failed boolean NOT NULL, checks text[],
    workflow int, model int, lora int[], person int, scene int, pos int);
INSERT INTO runs SELECT i, now() - (440000 - i) * interval '1 day' / 110000, i % 12 = 0, CASE WHEN i % 12 = 0 THEN '{motion}'::text[] END,
    i % 6, i % 8, ARRAY[i % 40, 40 + i % 7], i % 30, i % 10, 1 + i % 12 FROM generate_series(1, 440000) i;
CREATE INDEX ON runs (at);
VACUUM (FREEZE, ANALYZE) runs;
CREATE FOREIGN TABLE far_runs (id bigint, at timestamptz, failed boolean, checks text[],
    workflow int, model int, lora int[], person int, scene int, pos int) SERVER loop OPTIONS (table_name 'runs');
CREATE VIEW near AS SELECT id AS source_key, id AS obs_key, at AS observed_at, failed, checks AS failed_checks, workflow, model, lora, person, scene, pos FROM runs;
CREATE VIEW far AS SELECT id AS source_key, id AS obs_key, at AS observed_at, failed, checks AS failed_checks, workflow, model, lora, person, scene, pos FROM far_runs;
SET client_min_messages = warning;
SELECT fp_attach('near', 'near', refresh => 'manual', history => 'later', capture => 'poll') \\g /dev/null
SELECT fp_attach('far', 'far', refresh => 'manual', history => 'later', capture => 'poll') \\g /dev/null"

# milliseconds that a call takes: timed STATEMENT
timed() { psql -Xq -v ON_ERROR_STOP=1 -c 'SET client_min_messages = warning' -c '\timing on' -c "$1" | sed -n 's/^Time: \([0-9.]*\) ms.*/\1/p'; }
# the source as if it were $2 keys from its end: forget SOURCE KEYS
forget() {
  sql "DELETE FROM fp_observations WHERE source = '$1'; DELETE FROM fp_dirty; VACUUM fp_observations;
  UPDATE fp_source_state SET watermark = (SELECT max(at) FROM runs), backfill_key = 440000 - $2 WHERE source = '$1';"
}
for source in near far; do
  for what in backfill new nothing changed; do : >"/tmp/poll.$$.$what"; done
  for ((i = 0; i < ROUNDS; i++)); do
    forget $source 110000
    timed "CALL fp_backfill('$source')" >>"/tmp/poll.$$.backfill"
    forget $source 110000
    timed "CALL fp_poll('$source')" >>"/tmp/poll.$$.new"
    timed "CALL fp_poll('$source')" >>"/tmp/poll.$$.nothing"
    sql "UPDATE runs SET failed = NOT failed WHERE id > 330000 AND id % 100 = $i;"
    timed "CALL fp_poll('$source')" >>"/tmp/poll.$$.changed"
  done
  read_rows=$(sql "SELECT poll_rows FROM fp_source_state WHERE source = '$source'")
  case $source in near) where='a table here' ;; far) where=postgres_fdw ;; esac
  # shellcheck disable=SC2046 # three words each
  rival=$(ms $(spread <"/tmp/poll.$$.backfill"))
  middle=$(spread <"/tmp/poll.$$.backfill")
  for what in new nothing changed; do
    case $what in new) words="all $read_rows rows new" ;; nothing) words='nothing new' ;; changed) words='1,100 outcomes changed' ;; esac
    ours=$(spread <"/tmp/poll.$$.$what")
    # shellcheck disable=SC2086 # three words each
    figure "$where: $words" "$(ms $ours)" "fp_backfill: $rival" \
      "$(awk -v a="${ours%% *}" -v b="${middle%% *}" 'BEGIN {printf "%.2f", a / b}')"
  done
  rm -f "/tmp/poll.$$".*
done
