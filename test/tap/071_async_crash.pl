# Processes are killed while they write and refresh, and a standby takes over:
# nothing is lost that was committed, and refresh goes on by itself.
#
# FAILPAT_CRASH_ROUNDS: how many are killed (default 6)
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

my $rounds = $ENV{FAILPAT_CRASH_ROUNDS} // 6;
my $node = PostgreSQL::Test::Cluster->new('crashing');
$node->init(allows_streaming => 1);
$node->append_conf('postgresql.conf', <<CONF);
failpat.async = on
failpat.refresh_interval = 200ms
restart_after_crash = on
max_wal_senders = 4
CONF
$node->start;
$node->safe_psql('postgres', <<'SQL');
CREATE EXTENSION failpat;
CREATE TABLE runs (id bigserial PRIMARY KEY, at timestamptz DEFAULT now(), tool text, alloys text[]);
CREATE TABLE checks (run bigint REFERENCES runs ON DELETE CASCADE, name text, ok boolean);
CREATE INDEX ON checks (run);
CREATE VIEW judged AS SELECT r.id AS source_key, r.id AS obs_key, r.at AS observed_at, bool_or(NOT c.ok) AS failed,
    array_agg(c.name) FILTER (WHERE NOT c.ok) AS failed_checks, r.tool, r.alloys
FROM runs r JOIN checks c ON c.run = r.id GROUP BY r.id;
SELECT fp_attach('runs', 'judged', '{"public.checks": "run"}', bucket => '1 hour');
INSERT INTO runs (at, tool, alloys) SELECT now() - i % 30 * interval '1 hour', 'x' || i % 7, ARRAY['a' || i % 3, 'b' || i % 5] FROM generate_series(1, 20000) i;
-- waits for a worker that refreshes
CREATE FUNCTION worker(OUT pid int) LANGUAGE plpgsql AS $$
BEGIN
    FOR i IN 1 .. 1000 LOOP
        SELECT a.pid INTO pid FROM pg_stat_activity a WHERE a.backend_type = 'failpat refresh' AND a.state = 'active';
        EXIT WHEN FOUND;
        PERFORM pg_stat_clear_snapshot(), pg_sleep(0.002);
    END LOOP;
END $$;
SQL
my $script = $node->basedir . '/write.sql';
append_to_file($script, <<'SQL');
\set run random(1, 20000)
\set c random(1, 4)
\set bad random(1, 10)
INSERT INTO checks SELECT :run, 'c' || :c, :bad > 1 AND NOT (tool = 'x3' AND :bad < 8) FROM runs WHERE id = :run;
SQL

sub soon
{
	my ($node, $query, $what) = @_;
	my $end = time + 15;
	my $got = '';

	while (time < $end)
	{
		(undef, $got) = $node->psql('postgres', $query);
		return pass($what) if ($got // '') eq 't';
		sleep 0.1;
	}
	fail($what);
	diag(($node->psql('postgres', "\\x\nSELECT * FROM fp_status()"))[1]);
	return 0;
}

# What is in failpat's tables follows from the platform's.
sub complete
{
	my ($node, $what) = @_;
	is($node->safe_psql('postgres', <<'SQL'), '0', "observations are what was committed$what");
SELECT count(*) FROM judged j FULL JOIN fp_observations o ON o.obs_key = j.obs_key::text
WHERE j.failed IS DISTINCT FROM o.failed OR cardinality(o.failed_checks) IS DISTINCT FROM
    (SELECT count(DISTINCT x) FROM unnest(j.failed_checks) x)
SQL
	is($node->safe_psql('postgres', <<'SQL'), '0', "cubes are what counting the observations again gives$what");
WITH again AS (
    SELECT fp_bucket(observed_at, '1 hour') AS bucket, count(*) AS n,
        failure_cube(failed, dims, '{}'::text[], '{job}'::text[], failed_checks) AS cube
    FROM fp_observations GROUP BY 1)
SELECT count(*) FROM again a FULL JOIN fp_cubes c USING (bucket)
WHERE a.n IS DISTINCT FROM c.observations OR a.cube::text IS DISTINCT FROM c.cube::text
SQL
	return;
}

my $settled = <<'SQL';
SELECT dirty_buckets = 0 AND pending_keys = 0 AND worker = 'idle' AND error IS NULL FROM fp_status()
SQL

my %killed;
for my $round (1 .. $rounds)
{
	my $out = '';
	my $writers = IPC::Run::start([ 'pgbench', '-n', '-c', '4', '-j', '2', '-T', '4', '-h', $node->host, '-p', $node->port,
			'-f', $script, 'postgres' ], '>', \$out, '2>', \$out);
	my $what = (qw(worker backend postmaster terminated))[ $round % 4 ];
	my $pid;

	sleep rand(0.5) + 0.2;
	if ($what eq 'postmaster')
	{
		$pid = (split /\n/, slurp_file($node->data_dir . '/postmaster.pid'))[0];
	}
	else
	{
		(undef, $pid) = $node->psql('postgres', $what eq 'backend'
			? "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND query LIKE 'INSERT INTO checks%' ORDER BY random() LIMIT 1"
			: 'SELECT worker()');
	}
	if ($pid && $pid =~ /^\d+$/)
	{
		kill($what eq 'terminated' ? 'TERM' : 'KILL', $pid) and $killed{$what}++;
	}
	$writers->finish;
	if ($what eq 'postmaster')
	{
		# its children leave by themselves
		my $end = time + 30;
		until (time > $end)
		{
			last if system('pg_ctl', '-s', '-w', '-D', $node->data_dir, '-l', $node->logfile, 'start') == 0;
			sleep 0.5;
		}
		$node->_update_pid(1);
	}
	$node->poll_query_until('postgres', 'SELECT true') or BAIL_OUT('the server does not come back');
}
note(join ', ', map { "$_ $killed{$_}" } sort keys %killed);
is(join(' ', sort keys %killed), 'backend postmaster terminated worker', 'each kind was killed') if $rounds >= 4;
$node->safe_psql('postgres', "INSERT INTO checks VALUES (1, 'last', true)");
soon($node, $settled, 'after all that, a commit brings everything up to date');
complete($node, '');
cmp_ok($node->safe_psql('postgres', 'SELECT count(*) FROM checks'), '>', 100 * $rounds, 'enough was written to tell');
is($node->safe_psql('postgres', "SELECT bool_or(description = 'Tool x3 fails') FROM failure_patterns WHERE status = 'active'"),
	't', 'and the pattern is there');

#
# Single-user mode, and a server in the hands of pg_upgrade: capture, and no worker.
#
$node->stop;
my ($out, $err) = ('', '');
IPC::Run::run([ 'postgres', '--single', '-D', $node->data_dir, 'postgres' ], '<', \"INSERT INTO checks VALUES (2, 'single', false)\n",
	'>', \$out, '2>', \$err);
unlike($err, qr/ERROR|FATAL|PANIC|WARNING/, 'written in single-user mode') or diag($err);
system('pg_ctl', '-s', '-w', '-D', $node->data_dir, '-l', $node->logfile, '-o', '-b', 'start');
$node->_update_pid(1);
$node->safe_psql('postgres', "INSERT INTO checks VALUES (3, 'upgrade', false)");
sleep 1;
is($node->safe_psql('postgres', "SELECT worker || ' ' || (worker_since IS NULL) || ' ' || (dirty_buckets > 0) FROM fp_status()"),
	'idle true true', 'none starts under pg_upgrade');
$node->stop;
$node->start;
$node->safe_psql('postgres', "INSERT INTO checks VALUES (4, 'after', false)");
soon($node, $settled, 'the next commit sees to both');
complete($node, ' after single-user mode');

#
# A standby, and its promotion.
#
$node->backup('copy');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'copy', has_streaming => 1);
$standby->start;
$node->safe_psql('postgres', "INSERT INTO checks VALUES (5, 'before', false)");
soon($node, $settled, 'the primary goes on');
$node->wait_for_catchup($standby);
for my $query (
	'SELECT source, observations, failures, dirty_buckets, active_patterns, error FROM fp_status()',
	'SELECT id, description, failure_count, status FROM failure_patterns ORDER BY id',
	'SELECT pattern_id, severity, message, alternatives, fixes FROM fp_check_combo(\'{"tool": "x3"}\', source => \'runs\')',
	'SELECT count(*), sum(trials) FROM fp_heatmap(\'tool\', \'alloys\', source => \'runs\')',
	'SELECT count(*) FROM fp_drilldown(source => \'runs\')',
	'SELECT count(*), sum(failures) FROM fp_trend(source => \'runs\')',
	'SELECT p.description, p.failures FROM fp_cubes, fp_patterns(cube) p ORDER BY 1, 2 LIMIT 5')
{
	is($standby->safe_psql('postgres', $query), $node->safe_psql('postgres', $query), "on a standby: $query");
}
# a worker that waits for the end of recovery would keep its slot until then
is($standby->safe_psql('postgres', 'SELECT fp_refresh_soon()'), 'f', 'a standby says that no worker can be started');
is($standby->safe_psql('postgres', "SELECT worker || ' ' || (worker_since IS NULL) FROM fp_status()"), 'idle true', 'and none is');
my $log = slurp_file($standby->logfile);
unlike($log, qr/failpat/, 'nor a word of one in its log') or diag($log);
$node->stop('immediate');
$standby->promote;
$standby->safe_psql('postgres', "INSERT INTO checks SELECT id, 'promoted', id % 3 = 0 FROM runs WHERE id <= 300");
soon($standby, $settled, 'promoted, it captures and refreshes');
complete($standby, ' after promotion');
$standby->stop;
done_testing();
