# Refresh mode async: what is committed is in failure_patterns soon after, with
# nobody calling anything; what can keep a worker from starting or from ending
# well loses nothing, goes round in no circle, and can be seen in fp_status().
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

my $node = PostgreSQL::Test::Cluster->new('async');
$node->init;
$node->append_conf('postgresql.conf', <<CONF);
failpat.async = on
failpat.refresh_interval = 1s
max_prepared_transactions = 4
max_worker_processes = 4
log_min_messages = debug1
restart_after_crash = on
CONF
$node->start;

sub sql { return $node->safe_psql($_[1] // 'postgres', $_[0]); }

# A source with a pattern in it as soon as enough is written.
my $schema = <<'SQL';
CREATE EXTENSION failpat;
CREATE TABLE runs (id serial PRIMARY KEY, at timestamptz DEFAULT now(), failed boolean, tool text);
CREATE VIEW judged AS SELECT id AS source_key, id AS obs_key, at AS observed_at, failed, NULL::text[] AS failed_checks, tool FROM runs;
CREATE FUNCTION make_runs(bad text, n int) RETURNS void LANGUAGE sql AS $$
    INSERT INTO runs (failed, tool)
    SELECT i % 20 = 0 OR tool = bad AND i % 3 > 0, tool FROM (SELECT i, 'x' || i / 20 % 7 AS tool FROM generate_series(1, n) i) r $$;
SELECT fp_attach('runs', 'judged', '{"public.runs": "id"}');
SQL
sql($schema);

# Waits until a query says t; fails after 15 s, which is what is promised.
sub soon
{
	my ($query, $what, $database) = @_;
	my $end = time + 15;
	my $got = '';

	while (time < $end)
	{
		(undef, $got) = $node->psql($database // 'postgres', $query);
		return pass($what) if ($got // '') eq 't';
		sleep 0.1;
	}
	fail($what);
	diag(($node->psql($database // 'postgres', "\\x\nSELECT * FROM fp_status()"))[1]);
	return 0;
}

# All that was written is counted, and no worker is there any more.
sub settled { return soon(<<'SQL', $_[0], $_[1]); }
SELECT dirty_buckets = 0 AND pending_keys = 0 AND worker = 'idle'
    AND (SELECT count(*) FROM runs) = (SELECT coalesce(sum(observations), 0) FROM fp_cubes)
FROM fp_status()
SQL

my $workers = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'failpat refresh'";

# How often a refresh has begun, by the server's log from an offset on.
sub refreshes
{
	my $log = slurp_file($node->logfile, $_[0]);
	return scalar(() = $log =~ /DEBUG:\s+failpat: refresh of source/g);
}

#
# It works.
#
is(sql('SELECT worker FROM fp_status()'), 'idle', 'nobody is at work');
# The first at once, though the next would have to wait for an hour.
my $began = time;
sql("SET failpat.refresh_interval = '1h'; SELECT make_runs('x3', 3000)");
soon("SELECT bool_or(description = 'Tool x3 fails') FROM failure_patterns WHERE status = 'active'",
	'a pattern is there without anybody calling anything');
note(sprintf 'after %.1f s', time - $began);
settled('everything is counted');
is(sql($workers), '0', 'no worker stays');

# Debounced: while commits go on, refreshes begin an interval (1 s) apart or more.
# fp_worker() says when one began, to the microsecond; but some are over before
# anybody asks. The log has them all, each line a moment after the beginning.
my $offset = -s $node->logfile;
my %begun;
my $end = time + 30;
while (refreshes($offset) < 5 && time < $end)
{
	my $since = sql("INSERT INTO runs (failed, tool) VALUES (true, 'x1'); SELECT extract(epoch FROM since) FROM fp_worker('runs') WHERE state = 'running'");
	$begun{$since} = 1 if $since ne '';
	sleep 0.01;
}
settled('so it is after many commits');
my @begun = sort keys %begun;
my @early = grep { $begun[$_] - $begun[ $_ - 1 ] < 0.999999 } 1 .. $#begun;
is(scalar(@early), 0, 'no refresh begins before the interval is over') or diag("@begun");
my @logged = map { /^\S+ (\d+):(\d+):([\d.]+) .*DEBUG:\s+failpat: refresh of source/ ? $1 * 3600 + $2 * 60 + $3 : () } split /\n/, slurp_file($node->logfile, $offset);
my $span = $logged[-1] - $logged[0];
$span += 86400 if $span < 0;
cmp_ok(scalar(@logged), '>=', 5, 'refreshed again and again');
cmp_ok($span, '>=', @logged - 1.5, sprintf('%d refreshes begin within %.2f s, none early', scalar(@logged), $span));

# A transaction, or part of one, that does not commit starts nothing of note.
$offset = -s $node->logfile;
sql("BEGIN; INSERT INTO runs (failed, tool) VALUES (true, 'x1'); ROLLBACK");
sleep 1.5;
is(refreshes($offset), 0, 'a rollback starts no worker');
sql("BEGIN; SAVEPOINT a; INSERT INTO runs (failed, tool) VALUES (true, 'x1'); ROLLBACK TO a; COMMIT");
settled('a subtransaction that is rolled back does no harm');

# A worker that is due later has no connection meanwhile.
sql("SET failpat.refresh_interval = '5s'; INSERT INTO runs (failed, tool) VALUES (true, 'x1')");
settled('one at once');
sql("SET failpat.refresh_interval = '5s'; INSERT INTO runs (failed, tool) VALUES (true, 'x1')");
is(sql("SELECT worker || ' ' || (worker_due > clock_timestamp()) FROM fp_status()"), 'waiting true', 'the next one waits');
is(sql("SELECT count(*) FROM pg_stat_activity WHERE datname = 'postgres' AND pid <> pg_backend_pid()"), '0', 'without a connection');
is(sql("SELECT dirty_buckets FROM fp_status()"), '1', 'and the mark is there');
sql("INSERT INTO runs (failed, tool) VALUES (true, 'x1')");
settled('a shorter interval brings it forward');

#
# Who works, and how it looks.
#
sql('CREATE ROLE writer LOGIN; GRANT INSERT ON runs TO writer; GRANT USAGE ON SEQUENCE runs_id_seq TO writer');
sql(<<'SQL');
CREATE ROLE keeper;
GRANT CREATE, USAGE ON SCHEMA public TO keeper;
CREATE DATABASE owned;
SQL
sql($schema, 'owned');
sql(<<'SQL', 'owned');
DO $$ DECLARE r record; BEGIN
    FOR r IN SELECT c.oid::regclass AS t FROM pg_class c JOIN pg_depend d ON d.objid = c.oid AND d.classid = 'pg_class'::regclass
        WHERE d.deptype = 'e' AND c.relkind = 'r' LOOP
        EXECUTE format('ALTER TABLE %s OWNER TO keeper', r.t);
    END LOOP;
END $$;
GRANT ALL ON SCHEMA public TO keeper;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA public TO keeper;
CREATE TABLE seen (who text, session text, sets text);
GRANT INSERT, SELECT ON seen TO PUBLIC;
ALTER TABLE seen OWNER TO keeper;
-- the view's code looks who runs it, and tries to get at more rights
CREATE FUNCTION look() RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE result text := 'kept';
BEGIN
    BEGIN
        RESET SESSION AUTHORIZATION;
        SET ROLE postgres;
        result := 'got ' || current_user;
    EXCEPTION WHEN OTHERS THEN result := SQLERRM;
    END;
    IF current_setting('application_name') = 'failpat refresh' THEN
        INSERT INTO public.seen VALUES (current_user, session_user, result);
    END IF;
    RETURN false;
END $$;
CREATE ROLE viewer;
CREATE OR REPLACE VIEW judged AS SELECT id AS source_key, id AS obs_key, at AS observed_at, failed, NULL::text[] AS failed_checks,
    tool || CASE WHEN look() THEN '' ELSE '' END AS tool FROM runs;
ALTER VIEW judged OWNER TO viewer;
GRANT SELECT ON runs TO viewer;
CREATE ROLE writer2 LOGIN; GRANT INSERT ON runs TO writer2; GRANT USAGE ON SEQUENCE runs_id_seq TO writer2;
SQL
$node->safe_psql('owned', "SET failpat.max_key_locks = 1; SET failpat.lock_wait = 0; SELECT make_runs('x3', 1500)");
settled('a role that may not log in owns the tables', 'owned');
is(sql("SELECT DISTINCT who, session FROM seen", 'owned'), 'viewer|keeper', 'view code runs as its owner, in a session of the tables\' owner');
like(sql("SELECT DISTINCT sets FROM seen", 'owned'), qr/^cannot set parameter "session_authorization" within security-/, 'and cannot become somebody else');
$node->safe_psql('owned', "INSERT INTO runs (failed, tool) VALUES (true, 'x1')", extra_params => [ '-U', 'writer2' ]);
settled('a writer without any other right', 'owned');

# Another owner
sql('CREATE ROLE heir', 'owned');
sql('GRANT ALL ON SCHEMA public TO heir; GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA public TO heir', 'owned');
sql("SET failpat.refresh_interval = '3s'; INSERT INTO runs (failed, tool) VALUES (true, 'x1'); INSERT INTO runs (failed, tool) VALUES (true, 'x1'); REASSIGN OWNED BY keeper TO heir", 'owned');
settled('the owner changes while a worker waits', 'owned');
sql('DROP OWNED BY keeper', 'owned');
sql('DROP OWNED BY keeper; DROP ROLE keeper; ALTER ROLE heir RENAME TO heiress');
sql("INSERT INTO runs (failed, tool) VALUES (true, 'x1')", 'owned');
settled('the old owner is dropped and the new one renamed', 'owned');

#
# Limits on connections. Newer minor releases exempt background workers from
# them; the others tell, and come again.
#
sql('ALTER ROLE heiress LOGIN');
my $session = $node->background_psql('postgres', extra_params => [ '-U', 'heiress' ]);
$session->query_safe('SELECT 1');
sql('ALTER ROLE heiress CONNECTION LIMIT 0');
sql("INSERT INTO runs (failed, tool) VALUES (true, 'x1')", 'owned');
soon("SELECT worker_error LIKE 'too many connections for role%' OR dirty_buckets = 0 FROM fp_status()", 'a role with too many connections', 'owned');
$session->quit;
settled('and with less', 'owned');
$session = $node->background_psql('owned');
$session->query_safe('SELECT 1');
sql('ALTER DATABASE owned CONNECTION LIMIT 0');
sql("INSERT INTO runs (failed, tool) VALUES (true, 'x1')", 'owned');
soon("SELECT worker_error LIKE 'too many connections for database%' OR dirty_buckets = 0 FROM fp_status()", 'a database with too many connections', 'owned');
sql('ALTER DATABASE owned CONNECTION LIMIT -1');
$session->quit;
settled('and with less', 'owned');
sql('REVOKE CONNECT ON DATABASE owned FROM PUBLIC');
sql("INSERT INTO runs (failed, tool) VALUES (true, 'x1')", 'owned');
soon("SELECT worker_error LIKE 'permission denied for database%' FROM fp_status()", 'an owner that may not connect is told of', 'owned');
sql('GRANT CONNECT ON DATABASE owned TO heiress');
sql("SELECT fp_refresh_soon('runs')", 'owned');
settled('fp_refresh_soon does not wait for the next attempt', 'owned');

# datallowconn
my $inside = $node->background_psql('owned');
$inside->query_safe("SELECT 1");
sql('UPDATE pg_database SET datallowconn = false WHERE datname = $$owned$$');
$inside->query_safe("INSERT INTO runs (failed, tool) VALUES (true, 'x1')");
my $told = '';
for (1 .. 100)
{
	$told = $inside->query_safe('SELECT worker_error FROM fp_status()');
	last if $told =~ /not currently accepting connections/;
	sleep 0.1;
}
like($told, qr/not currently accepting connections/, 'a database that accepts no connections is told of');
sql('UPDATE pg_database SET datallowconn = true WHERE datname = $$owned$$');
$inside->query_safe("SELECT fp_refresh_soon('runs')");
$inside->quit;
settled('and served when it accepts them', 'owned');

#
# A database is dropped, or is a template.
#
sql("SET failpat.refresh_interval = '10s'; INSERT INTO runs (failed, tool) VALUES (true, 'x1')", 'owned');
settled('nothing to do', 'owned');
sql("SET failpat.refresh_interval = '10s'; INSERT INTO runs (failed, tool) VALUES (true, 'x1')", 'owned');
$began = time;
is($node->psql('postgres', 'CREATE DATABASE copy TEMPLATE owned'), 0, 'a worker that waits does not keep others from copying its database');
is($node->psql('postgres', 'DROP DATABASE owned'), 0, 'nor from dropping it');
cmp_ok(time - $began, '<', 8, 'in no long time');
is(sql('SELECT dirty_buckets FROM fp_status()', 'copy'), '1', 'the copy has what was to be done');
sql("SELECT fp_refresh_soon('runs')", 'copy');
settled('which is done', 'copy');
sql('DROP DATABASE copy');

#
# No free slot.
#
$node->append_conf('postgresql.conf', 'max_worker_processes = 0');
$node->restart;
sql("INSERT INTO runs (failed, tool) VALUES (true, 'x1')");
is(sql("SELECT worker || ': ' || worker_error || ', ' || dirty_buckets FROM fp_status()"),
	'idle: no free slot for a background worker (max_worker_processes), 1', 'no slot for a worker: told, nothing lost');
# one is the launcher's of logical replication
$node->append_conf('postgresql.conf', 'max_worker_processes = 2');
$node->restart;
sql(<<'SQL');
CREATE TABLE trials (id serial PRIMARY KEY, at timestamptz DEFAULT now(), failed boolean, tool text);
CREATE VIEW tried AS SELECT id AS source_key, id AS obs_key, at AS observed_at, failed, NULL::text[] AS failed_checks, tool FROM trials;
SELECT fp_attach('trials', 'tried', '{"public.trials": "id"}');
INSERT INTO trials (failed, tool) VALUES (true, 'x1');
INSERT INTO runs (failed, tool) VALUES (true, 'x1');
SQL
soon("SELECT bool_and(dirty_buckets = 0 AND worker = 'idle') FROM fp_status()", 'one slot serves two sources, and what was left by a restart');
for (1 .. 30)
{
	sql("INSERT INTO runs (failed, tool) VALUES (true, 'x1'); INSERT INTO trials (failed, tool) VALUES (true, 'x1')");
	sleep 0.1;
}
soon("SELECT bool_and(dirty_buckets = 0 AND worker = 'idle') FROM fp_status()", 'also while both are written');
sql("SELECT fp_detach('trials', forget => true); DROP VIEW tried; DROP TABLE trials");
$node->append_conf('postgresql.conf', 'max_worker_processes = 4');
$node->restart;

#
# Errors.
#
sql("CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''not today''; END'");
sql('CREATE TRIGGER refuse BEFORE UPDATE OF refresh_started_at ON fp_source_state FOR EACH ROW EXECUTE FUNCTION refuse()');
$offset = -s $node->logfile;
sql("INSERT INTO runs (failed, tool) VALUES (true, 'x1')");
soon("SELECT worker_error = 'not today' AND error = 'not today' FROM fp_status()", 'an error of a refresh is told');
for (1 .. 40)
{
	sql("INSERT INTO runs (failed, tool) VALUES (true, 'x1')");
	sleep 0.1;
}
cmp_ok(refreshes($offset), '<=', 4, 'and not met again at each interval: ' . refreshes($offset));
sql('DROP TRIGGER refuse ON fp_source_state');
sql("SELECT fp_refresh_soon('runs')");
settled('mended, it goes on');
is(sql('SELECT error IS NULL AND worker_error IS NULL FROM fp_status()'), 't', 'and the error is gone');

# Somebody in the way
my $blocker = $node->background_psql('postgres');
$blocker->query_safe('BEGIN');
$blocker->query_safe('LOCK failure_patterns IN ACCESS EXCLUSIVE MODE');
sql("INSERT INTO runs (failed, tool) VALUES (true, 'x1')");
sleep 2;
is($node->safe_psql('postgres', "SELECT count(*) FROM pg_locks WHERE NOT granted AND pid <> pg_backend_pid()
	AND now() - waitstart > interval '0.9 s'"), '0', 'a worker does not stand in the queue for a lock for long');
$blocker->query_safe('COMMIT');
$blocker->quit;
settled('it comes again');
sql("BEGIN; SELECT fp_refresh_lock('runs', true); INSERT INTO runs (failed, tool) VALUES (true, 'x1'); SELECT pg_sleep(1.5); COMMIT");
settled('a refresh by hand at the same time');

# A key that an open transaction holds is read when that has ended, however it ends.
my $holder = $node->background_psql('postgres');
$holder->query_safe('BEGIN');
$holder->query_safe("UPDATE runs SET tool = 'x2' WHERE id = 1");
sql("SET failpat.lock_wait = 0; UPDATE runs SET failed = NOT failed WHERE id IN (2)");
sql("BEGIN; SET LOCAL failpat.lock_wait = 0; UPDATE judged SET failed = true WHERE source_key = 2; COMMIT");
$holder->query_safe('ROLLBACK');
$holder->quit;
settled('no key stays pending');

# Prepared transactions
sql("BEGIN; INSERT INTO runs (failed, tool) VALUES (true, 'x6'); PREPARE TRANSACTION 'p'");
sleep 1;
is(sql("SELECT worker <> 'idle' FROM fp_status()"), 't', 'a prepared transaction is not forgotten');
sql("COMMIT PREPARED 'p'");
settled('what a prepared transaction captured is refreshed once it has committed');

# What cannot be asked for
is(sql('SELECT fp_refresh_soon()'), 't', 'all sources can be asked for');
my $refused;
(undef, undef, $refused) = $node->psql('postgres', "SELECT fp_refresh_soon('rums')");
like($refused, qr/there is no source rums/, 'but none that is not there');
sql("UPDATE fp_sources SET refresh = 'manual'");
(undef, undef, $refused) = $node->psql('postgres', "SELECT fp_refresh_soon('runs')");
like($refused, qr/source runs is in refresh mode "manual"/, 'nor one that no worker refreshes');
sql("UPDATE fp_sources SET refresh = 'async'");
is(sql("SET failpat.async = off; SELECT fp_refresh_soon('runs')"), 'f', 'turned off, nothing starts');

# DDL of the extension's life
sql("SET failpat.refresh_interval = '2s'; INSERT INTO runs (failed, tool) VALUES (true, 'x1')");
sql("UPDATE fp_sources SET refresh = 'manual'");
soon("SELECT worker IS NULL AND (SELECT state = 'idle' OR state IS NULL FROM fp_worker('runs')) FROM fp_status()", 'a source that is no longer async is left alone');
sql("UPDATE fp_sources SET refresh = 'async'; SELECT fp_refresh_soon('runs')");
settled('and async again');
$offset = -s $node->logfile;
sql("INSERT INTO runs (failed, tool) VALUES (true, 'x1'); INSERT INTO runs (failed, tool) VALUES (true, 'x1'); SELECT fp_detach('runs'); DROP EXTENSION failpat");
sleep 2.5;
is(sql($workers), '0', 'dropped, no worker stays');
unlike(slurp_file($node->logfile, $offset), qr/(FATAL|PANIC)/, 'and none complains');
sql('CREATE EXTENSION failpat; ' . "SELECT fp_attach('runs', 'judged', '{\"public.runs\": \"id\"}')");
settled('made again, it loads and refreshes');
is(sql("SELECT bool_or(description = 'Tool x3 fails') FROM failure_patterns"), 't', 'with its patterns');

# DROP EXTENSION against refreshes: no statement is the victim of a deadlock; a
# worker may be, which gives way and comes again
for my $round (1 .. 3)
{
	sql("SELECT make_runs('x3', 300)");
	sleep 0.02 * $round;
	is($node->psql('postgres', "SELECT fp_detach('runs'); DROP EXTENSION failpat; CREATE EXTENSION failpat; SELECT fp_attach('runs', 'judged', '{\"public.runs\": \"id\"}')"),
		0, 'dropped while a worker is at it');
}
settled('the last one is complete');
unlike(slurp_file($node->logfile), qr/ERROR:.*deadlock detected/, 'no deadlock is told');

$node->stop;
my $log = slurp_file($node->logfile);
unlike($log, qr/TRAP|PANIC|terminated by signal/, 'no process crashed');
done_testing();
