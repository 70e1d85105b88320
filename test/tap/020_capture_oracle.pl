# Random writers of few segments at once, at all isolation levels, with few
# locks and little patience, while refreshes run: in the end the observations
# are what a plain query over a log of the same events says, and the cubes are
# what counting the observations again gives.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $seconds = $ENV{FAILPAT_ORACLE_SECONDS} // 8;
my $node = PostgreSQL::Test::Cluster->new('oracle');
$node->init;
$node->append_conf('postgresql.conf', <<CONF);
fsync = off
deadlock_timeout = 200ms
failpat.lock_wait = 1ms
failpat.max_key_locks = 8
CONF
$node->start;
$node->safe_psql('postgres', <<'SQL');
CREATE EXTENSION failpat;
CREATE TABLE parts (id int PRIMARY KEY, tool text, alloys text[], station int);
INSERT INTO parts SELECT g, 'T' || g % 3, CASE g % 4 WHEN 0 THEN NULL WHEN 1 THEN '{}' ELSE ARRAY['x', 'a' || g % 2] END, g % 10
FROM generate_series(1, 60) g;
CREATE TABLE scores (id bigserial PRIMARY KEY, part int REFERENCES parts, writer int, check_name text, ok boolean, at timestamptz DEFAULT now());
CREATE INDEX ON scores (part);
CREATE VIEW judged AS
SELECT q.part AS source_key, q.part AS obs_key, q.observed_at, q.failed, q.failed_checks, p.tool, p.alloys, p.station, p.id / 7 AS job
FROM (SELECT part, min(at) AS observed_at, bool_or(NOT ok) AS failed, array_agg(check_name) FILTER (WHERE NOT ok) AS failed_checks
      FROM scores GROUP BY part) q LEFT JOIN parts p ON p.id = q.part;
-- ev is taken under the part's lock: shared to write rows, exclusive to remove
-- them all, so that it orders what must be ordered
CREATE TABLE log (ev bigserial, part int, score bigint, kind text, check_name text, ok boolean);
SELECT fp_attach('parts', 'judged', '{"public.scores": "part"}',
    '{"station": {"kind": "ordinal"}}', bucket => '1 second');

CREATE FUNCTION hold(VARIADIC p int[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock_shared(x) FROM (SELECT DISTINCT x FROM unnest(p) x ORDER BY x) s;
END $$;
CREATE FUNCTION put(p int, w int, c int, o boolean) RETURNS void LANGUAGE sql AS $$
    WITH i AS (INSERT INTO scores (part, writer, check_name, ok) VALUES (p, w, 'c' || c, o) RETURNING id, part, check_name, ok)
    INSERT INTO log (part, score, kind, check_name, ok) SELECT part, id, 'set', check_name, ok FROM i $$;
SQL

my $dir = $node->basedir;
sub script
{
	my ($name, $text) = @_;
	append_to_file("$dir/$name.sql", $text);
	return "$dir/$name.sql";
}
my $vars = "\\set p random(1, 60)\n\\set c random(1, 4)\n\\set o random(1, 3)\n";
my @scripts;
for my $level ('READ COMMITTED', 'REPEATABLE READ', 'SERIALIZABLE')
{
	(my $name = lc $level) =~ s/ /_/;
	push @scripts, '-f', script($name, $vars . <<SQL) . '@10';
BEGIN ISOLATION LEVEL $level;
SELECT hold(:p);
SELECT put(:p, :client_id, :c, :o > 1);
COMMIT;
SQL
}
push @scripts, '-f', script('many', $vars . <<'SQL') . '@4';
\set n random(2, 20)
BEGIN;
SELECT hold(VARIADIC ARRAY(SELECT least(60, :p + g) FROM generate_series(0, :n) g));
WITH i AS (INSERT INTO scores (part, writer, check_name, ok)
    SELECT least(60, :p + g), :client_id, 'c' || (:c + g) % 4, (g + :o) % 3 > 0 FROM generate_series(0, :n) g RETURNING *)
INSERT INTO log (part, score, kind, check_name, ok) SELECT part, id, 'set', check_name, ok FROM i;
COMMIT;
SQL
push @scripts, '-f', script('two', $vars . <<'SQL') . '@4';
\set p2 random(1, 60)
BEGIN;
SELECT hold(:p, :p2);
SELECT put(:p, :client_id, :c, :o > 1);
SELECT put(:p2, :client_id, :c, :o > 1);
COMMIT;
SQL
push @scripts, '-f', script('back', $vars . <<'SQL') . '@3';
BEGIN;
SELECT hold(:p);
SAVEPOINT a;
SELECT put(:p, :client_id, :c, false);
ROLLBACK TO a;
SELECT put(:p, :client_id, :c, true);
SAVEPOINT b;
SELECT put(:p, :client_id, :c, :o > 1);
RELEASE b;
COMMIT;
SQL
push @scripts, '-f', script('undone', $vars . <<'SQL') . '@2';
BEGIN;
SELECT hold(:p);
SELECT put(:p, :client_id, :c, false);
ROLLBACK;
SQL
push @scripts, '-f', script('update', $vars . <<'SQL') . '@6';
BEGIN;
SELECT hold(:p);
WITH u AS (UPDATE scores SET ok = :o > 1
    WHERE id = (SELECT max(id) FROM scores WHERE part = :p AND writer = :client_id) RETURNING *)
INSERT INTO log (part, score, kind, check_name, ok) SELECT part, id, 'set', check_name, ok FROM u;
COMMIT;
SQL
push @scripts, '-f', script('remove', $vars . <<'SQL') . '@3';
BEGIN;
SELECT pg_advisory_xact_lock(:p);
DELETE FROM scores WHERE part = :p;
INSERT INTO log (part, kind) VALUES (:p, 'remove');
COMMIT;
SQL
push @scripts, '-f', script('refresh', "CALL fp_refresh('parts');\n") . '@1';

my ($out, $err);
my $ok = IPC::Run::run([ 'pgbench', '-n', '-c', '8', '-j', '2', '-T', $seconds,
	'--max-tries=20', '-h', $node->host, '-p', $node->port, @scripts, 'postgres' ], '>', \$out, '2>', \$err);
ok($ok, 'writers and refreshes ran') or diag($err);
note($out);
unlike($err, qr/deadlock/, 'no deadlock');
unlike($err, qr/could not capture(?!.*could not serialize)/, "no capture failed, but where the transaction itself must");
is($node->safe_psql('postgres', 'SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()'), '0',
	'no deadlock counted');
cmp_ok($node->safe_psql('postgres', 'SELECT count(*) FROM log'), '>', 500, 'enough was written to tell');
note('pending before the last refresh: ' . $node->safe_psql('postgres',
	"SELECT string_agg(reason || ' ' || n, ', ') FROM (SELECT reason, count(*) AS n FROM fp_pending GROUP BY 1) r"));
$node->safe_psql('postgres', 'CALL fp_refresh()');

# The plain query: a part's life is cut by its removals; the last piece with any
# row decides, each row by the last event of its own.
$node->safe_psql('postgres', <<'SQL');
CREATE VIEW expected AS
WITH pieces AS (SELECT *, count(*) FILTER (WHERE kind = 'remove') OVER (PARTITION BY part ORDER BY ev) AS piece FROM log),
     rows AS (SELECT DISTINCT ON (part, piece, score) * FROM pieces WHERE kind = 'set' ORDER BY part, piece, score, ev DESC),
     last AS (SELECT *, max(piece) OVER (PARTITION BY part) AS last_piece FROM rows)
SELECT part::text AS obs_key, bool_or(NOT ok) AS failed,
    coalesce(array_agg(DISTINCT check_name COLLATE "C" ORDER BY check_name COLLATE "C") FILTER (WHERE NOT ok), '{}') AS failed_checks
FROM last WHERE piece = last_piece GROUP BY part;
SQL
is($node->safe_psql('postgres', <<'SQL'), '', 'observations are what the log says');
SELECT * FROM (
    (SELECT 'expected', * FROM (TABLE expected EXCEPT SELECT obs_key, failed, failed_checks FROM fp_observations) a)
    UNION ALL
    (SELECT 'found', * FROM (SELECT obs_key, failed, failed_checks FROM fp_observations EXCEPT TABLE expected) b)) d ORDER BY 2, 1
SQL
is($node->safe_psql('postgres', <<'SQL'), '0', 'parameters are those of the parts');
SELECT count(*) FROM fp_observations o JOIN parts p ON p.id::text = o.obs_key
WHERE o.dims <> jsonb_strip_nulls(jsonb_build_object('tool', p.tool, 'alloys', p.alloys, 'station', p.station))
SQL
is($node->safe_psql('postgres', 'SELECT count(*) FROM fp_pending'), '0', 'nothing is pending');
is($node->safe_psql('postgres', 'SELECT count(*) FROM fp_dirty'), '0', 'no bucket is dirty');
is($node->safe_psql('postgres', <<'SQL'), '0', 'cubes are what counting the observations again gives');
WITH again AS (
    SELECT fp_bucket(observed_at, '1 second') AS bucket, count(*) AS n,
        failure_cube(failed, dims || jsonb_build_object('job', job), '{station}'::text[], '{job}'::text[], failed_checks) AS cube
    FROM fp_observations GROUP BY 1)
SELECT count(*) FROM again a FULL JOIN fp_cubes c USING (bucket)
WHERE a.n IS DISTINCT FROM c.observations OR a.cube::text IS DISTINCT FROM c.cube::text
SQL
$node->stop;
done_testing();
