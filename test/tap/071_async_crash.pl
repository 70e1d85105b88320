# Processes are killed while they write and refresh, and a standby takes over
# from a primary that is being written to: nothing is lost that was committed,
# and refresh goes on by itself.
#
# FAILPAT_CRASH_ROUNDS: how many are killed (default 6)
#
# Gates, advisory locks that are looked at in the source view and in triggers on
# tables that a refresh writes, hold a process in mid-capture or mid-refresh, so
# that it is there when it, or the postmaster, is killed.
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
CREATE TABLE checks (run bigint REFERENCES runs ON DELETE CASCADE, name text, ok boolean, id bigserial);
CREATE INDEX ON checks (run);
-- stays while somebody holds the lock
CREATE FUNCTION gate(lock int) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    WHILE NOT pg_try_advisory_lock_shared(lock) LOOP
        PERFORM pg_sleep(0.002);
    END LOOP;
    PERFORM pg_advisory_unlock_shared(lock);
    RETURN true;
END $$;
CREATE VIEW judged AS SELECT r.id AS source_key, r.id AS obs_key, r.at AS observed_at, bool_or(NOT c.ok) AS failed,
    array_agg(c.name) FILTER (WHERE NOT c.ok) AS failed_checks, r.tool, r.alloys
FROM runs r JOIN checks c ON c.run = r.id WHERE (SELECT gate(1)) GROUP BY r.id;
SELECT fp_attach('runs', 'judged', '{"public.checks": "run"}', bucket => '1 hour');
INSERT INTO runs (at, tool, alloys) SELECT now() - i % 30 * interval '1 hour', 'x' || i % 7, ARRAY['a' || i % 3, 'b' || i % 5] FROM generate_series(1, 20000) i;
CREATE FUNCTION gate_of_table() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM public.gate(TG_ARGV[0]::int);
    RETURN NEW;
END $$;
CREATE TRIGGER gate BEFORE INSERT OR UPDATE ON fp_cubes FOR EACH ROW EXECUTE FUNCTION gate_of_table(2);
CREATE TRIGGER gate BEFORE INSERT OR UPDATE ON failure_patterns FOR EACH ROW EXECUTE FUNCTION gate_of_table(3);
-- waits for a process at work: one that a gate holds, or any
CREATE FUNCTION at_work(kind text, held boolean, OUT pid int) LANGUAGE plpgsql AS $$
BEGIN
    FOR i IN 1 .. 5000 LOOP
        SELECT a.pid INTO pid FROM pg_stat_activity a
        WHERE a.backend_type = kind AND a.state = 'active' AND (kind <> 'client backend' OR a.query LIKE 'INSERT INTO checks%')
            AND (NOT held OR a.wait_event = 'PgSleep')
        ORDER BY random() LIMIT 1;
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
WHERE j.failed IS DISTINCT FROM o.failed OR j.source_key::text IS DISTINCT FROM o.source_key OR j.observed_at IS DISTINCT FROM o.observed_at
    OR o.failed_checks IS DISTINCT FROM ARRAY(SELECT DISTINCT x COLLATE "C" FROM unnest(j.failed_checks) x ORDER BY 1)
    OR o.dims IS DISTINCT FROM jsonb_build_object('tool', j.tool, 'alloys', j.alloys)
SQL
	is($node->safe_psql('postgres', <<'SQL'), '0', "cubes are what counting the observations again gives$what");
WITH again AS (
    SELECT fp_bucket(observed_at, '1 hour') AS bucket, count(*) AS n,
        failure_cube(failed, dims, '{}'::text[], '{job}'::text[], failed_checks) AS cube
    FROM fp_observations GROUP BY 1)
SELECT count(*) FROM again a FULL JOIN fp_cubes c USING (bucket)
WHERE a.n IS DISTINCT FROM c.observations OR a.cube::text IS DISTINCT FROM c.cube::text
SQL
	# as refresh mines, from sums and counts that are kept, and from all cells
	is($node->safe_psql('postgres', <<'SQL'), 't 0 0', "patterns, found step by step, are those of all cells, and listed$what");
WITH given AS (SELECT s.*, array_agg(c.bucket ORDER BY c.bucket) AS buckets, array_agg(c.cube ORDER BY c.bucket) AS cubes
               FROM fp_sources s JOIN fp_cubes c USING (source) GROUP BY s.source),
    x AS (SELECT m AS found, m.pattern_key FROM given g, fp_mine_window(g.source, g.buckets, g.max_arity, g.alpha, g.min_trials, g.min_risk_ratio) m),
    y AS (SELECT m AS found, m.* FROM given g, fp_patterns(g.cubes, g.max_arity, g.alpha, g.min_trials, g.min_risk_ratio) m)
SELECT concat_ws(' ', (SELECT count(*) > 0 FROM y),
    (SELECT count(*) FROM x FULL JOIN y USING (pattern_key) WHERE x.found IS DISTINCT FROM y.found),
    (SELECT count(*) FROM y WHERE NOT EXISTS (
        SELECT FROM failure_patterns f
        WHERE f.conditions = y.conditions AND f.status <> 'inactive' AND (f.failure_count, f.total_count) = (y.failures, y.trials))))
SQL
	return;
}

my $settled = <<'SQL';
SELECT dirty_buckets = 0 AND pending_keys = 0 AND worker = 'idle' AND error IS NULL FROM fp_status()
SQL

# Four clients that write until they are stopped, or their server.
sub writers
{
	my ($node, $out) = @_;
	return IPC::Run::start([ 'pgbench', '-n', '-c', '4', '-j', '2', '-T', '60', '-h', $node->host, '-p', $node->port,
			'-f', $script, 'postgres' ], '>', $out, '2>', $out);
}

# What is killed, and when: in mid-capture or in mid-refresh, held there, or at
# any moment. The first five are each of which some are wanted.
my @strikes = (
	[ 'backend', 'capture' ], [ 'worker', 'refresh' ], [ 'postmaster', 'capture' ], [ 'postmaster', 'refresh' ],
	[ 'terminated', 'refresh' ], [ 'backend', 'any' ], [ 'worker', 'any' ], [ 'postmaster', 'any' ]);
my %killed;
my ($refreshes, $interrupted) = (0, 0);
for my $round (1 .. $rounds)
{
	my $out = '';
	my ($what, $moment) = @{ $strikes[($round - 1) % @strikes] };
	my $running = writers($node, \$out);
	my $held = $moment eq 'any' ? 'false' : 'true';
	my $kind = $what eq 'backend' || $moment eq 'capture' ? 'client backend' : 'failpat refresh';
	my $commands = '';

	sleep rand(0.5) + 0.3;
	# the one who kills holds the gate until it is done
	my $gate = $moment eq 'capture' ? 1 : $moment eq 'refresh' ? 2 + $refreshes++ % 2 : 0;
	$commands .= "SELECT pg_advisory_lock($gate) \\g /dev/null\n" if $moment ne 'any';
	$commands .= "SELECT at_work('$kind', $held) AS pid \\gset\n\\setenv VICTIM :pid\n" if $what ne 'postmaster' || $moment ne 'any';
	if ($what eq 'postmaster')
	{
		my $pid = (split /\n/, slurp_file($node->data_dir . '/postmaster.pid'))[0];

		$commands .= ($moment eq 'any' ? '\\! ' : '\\! test -n "$VICTIM" && ') . "kill -KILL $pid && echo killed\n";
	}
	else
	{
		$commands .= '\\! kill -' . ($what eq 'terminated' ? 'TERM' : 'KILL') . " \"\$VICTIM\" && echo killed\n";
	}
	my (undef, $answer) = $node->psql('postgres', $commands);
	$killed{"$what $moment"}++ if ($answer // '') =~ /^killed$/m;
	sleep 0.3;
	$running->kill_kill(grace => 5);
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
	# nobody writes, so nobody has gone on
	$interrupted++ if $what ne 'terminated' && $moment eq 'refresh' &&
		$node->safe_psql('postgres', 'SELECT refresh_step IS NOT NULL FROM fp_source_state') eq 't';
}
my $kills = 0;
$kills += $_ for values %killed;
note(join ', ', map { "$_ $killed{$_}" } sort keys %killed);
is($kills, $rounds, 'each round has killed what it was to kill');
for my $strike (@strikes[0 .. 4])
{
	cmp_ok($killed{"@$strike"} // 0, '>=', int($rounds / @strikes) || 1, "of which some: @$strike") if $rounds >= 5;
}
cmp_ok($interrupted, '>=', 1, "a refresh stood where it was interrupted ($interrupted did)") if $rounds >= 5;
$node->safe_psql('postgres', "INSERT INTO checks VALUES (1, 'last', true)");
soon($node, $settled, 'after all that, a commit brings everything up to date');
complete($node, '');
cmp_ok($node->safe_psql('postgres', 'SELECT count(*) FROM checks'), '>', 100 * $rounds, 'enough was written to tell');
is($node->safe_psql('postgres', "SELECT bool_or(description = 'Tool x3 fails') FROM failure_patterns WHERE status = 'active'"),
	't', 'and the pattern is there');

#
# A source that is an unlogged table, which a crash empties: what was captured of
# it stays. So does what an interrupted refresh had yet to read, though the list
# that it made of it is unlogged as well.
#
$node->safe_psql('postgres', <<'SQL');
CREATE UNLOGGED TABLE trials (id bigint PRIMARY KEY, tool text, ok boolean);
CREATE VIEW tried AS SELECT id AS source_key, id AS obs_key, now() AS observed_at, NOT ok AS failed, '{}'::text[] AS failed_checks, tool FROM trials;
SELECT fp_attach('trials', 'tried', '{"public.trials": "id"}', refresh => 'manual');
INSERT INTO trials SELECT g, 't' || g % 3, g % 6 > 0 FROM generate_series(1, 600) g;
CALL fp_refresh('trials');
INSERT INTO trials SELECT g, 't' || g % 3, g % 6 > 0 FROM generate_series(601, 660) g;
INSERT INTO fp_pending (source, source_key, reason, at) SELECT 'trials', g::text, 'many', now() FROM generate_series(1, 600) g;
SELECT fp_refresh_begin('trials');
SELECT fp_refresh_pending('trials');
SQL
my $kept = "SELECT (SELECT count(*) FROM trials), (SELECT count(*) > 0 FROM fp_pending_batches),
	observations, failures, dirty_buckets > 0, pending_keys > 0, active_patterns, error FROM fp_status() WHERE source = 'trials'";
is($node->safe_psql('postgres', $kept), '660|t|660|110|t|t|1|', 'an unlogged source, captured, in the middle of a refresh');
$node->stop('immediate');
$node->start;
is($node->safe_psql('postgres', $kept), '0|f|660|110|t|t|1|', 'after a crash it is empty, and what was captured of it is there');
is($node->safe_psql('postgres', "SELECT count(*), count(*) FILTER (WHERE failed), count(*) FILTER (WHERE dims ->> 'tool' = 't0') FROM fp_observations WHERE source = 'trials'"),
	'660|110|220', 'with its outcome and parameters');
my ($rc, $told, $warned) = $node->psql('postgres', "CALL fp_refresh('trials')");
is("$rc$warned", '0', 'a refresh goes on without a word');
is($node->safe_psql('postgres', $kept), '0|f|660|110|f|f|1|', 'and leaves nothing to do, nor an error');
is($node->safe_psql('postgres', "SELECT description, failure_count, total_count FROM failure_patterns WHERE source = 'trials'"), 'Tool t0 fails|110|220',
	'the pattern is that of all that was captured');
$node->safe_psql('postgres', "INSERT INTO trials SELECT g, 't0', false FROM generate_series(661, 670) g; CALL fp_refresh('trials')");
is($node->safe_psql('postgres', $kept), '10|f|670|120|f|f|1|', 'what is written to it again is captured');
$node->safe_psql('postgres', "SELECT fp_detach('trials', forget => true); DROP VIEW tried; DROP TABLE trials");

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
# The standby takes over while the primary is being written to. What was there
# and had been replayed is kept in a table.
my $out1 = '';
my $running = writers($node, \$out1);
sleep 1;
$node->safe_psql('postgres', 'CREATE TABLE committed AS SELECT id FROM checks');
$node->wait_for_catchup($standby, 'replay', $node->lsn('insert'));
my $before = $node->safe_psql('postgres', 'SELECT max(id) FROM checks');
$standby->promote;
my $out2 = '';
my $going_on = writers($standby, \$out2);
cmp_ok($node->safe_psql('postgres', 'SELECT max(id) FROM checks'), '>', $before, 'the primary was written to meanwhile');
$running->kill_kill(grace => 5);
$node->stop('immediate');
sleep 1;
$standby->safe_psql('postgres', "INSERT INTO checks SELECT id, 'promoted', id % 3 = 0 FROM runs WHERE id <= 300");
$going_on->kill_kill(grace => 5);
is($standby->safe_psql('postgres', 'SELECT count(*) FROM committed LEFT JOIN checks USING (id) WHERE checks.run IS NULL'), '0',
	'nothing is lost that was committed and replayed');
cmp_ok($standby->safe_psql('postgres', "SELECT count(*) FROM checks LEFT JOIN committed USING (id) WHERE committed.id IS NULL AND name <> 'promoted'"),
	'>', 50, 'and writers went on');
soon($standby, $settled, 'promoted, it captures and refreshes');
complete($standby, ' after promotion');
$standby->stop;
done_testing();
