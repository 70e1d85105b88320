# What a background refresh leaves behind is taken up again by itself, or by
# the next commit, whoever made it: after refreshes that steady writers kept
# from their end, where a waiting worker's time is brought forward, and where
# a worker is told to end. And it is not tried for ever.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

my $node = PostgreSQL::Test::Cluster->new('left_over');
$node->init;
$node->append_conf('postgresql.conf', <<CONF);
failpat.async = on
failpat.refresh_interval = 200ms
deadlock_timeout = 100ms
log_min_messages = debug1
CONF
$node->start;
$node->safe_psql('postgres', <<'SQL');
CREATE EXTENSION failpat;
CREATE TABLE runs (id serial PRIMARY KEY, at timestamptz DEFAULT now(), failed boolean, tool text);
CREATE VIEW judged AS SELECT id AS source_key, id AS obs_key, at AS observed_at, failed, NULL::text[] AS failed_checks, tool FROM runs;
SELECT fp_attach('runs', 'judged', '{"public.runs": "id"}');
SQL
my $insert = "INSERT INTO runs (at, failed, tool) SELECT now() - i * interval '1 day', i % 3 = 0, 'x' FROM generate_series(1, 30) i";

# Nobody commits anything that captures while this waits.
sub soon
{
	my ($query, $what) = @_;
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
my $settled = "SELECT dirty_buckets = 0 AND pending_keys = 0 AND worker = 'idle' AND error IS NULL FROM fp_status()";

# The processes of workers, also of those that wait and have no connection.
sub workers
{
	my @pids;

	for my $file (glob '/proc/[0-9]*/cmdline')
	{
		open my $in, '<', $file or next;
		my $title = <$in> // '';
		push @pids, $1 if $title =~ /left_over: failpat refresh of runs/ && $file =~ m{(\d+)};
	}
	return @pids;
}

sub refreshes
{
	my $log = slurp_file($node->logfile, $_[0]);
	return scalar(() = $log =~ /DEBUG:\s+failpat: refresh of source/g);
}

$node->safe_psql('postgres', $insert);
soon($settled, 'refreshed');

# Many refreshes in a row that leave something while others go on writing, and
# then one that leaves something when they have stopped.
my $blocker = $node->background_psql('postgres');
$blocker->query_safe('BEGIN; LOCK failure_patterns IN ACCESS EXCLUSIVE MODE');
my $offset = -s $node->logfile;
my $end = time + 30;
while (refreshes($offset) < 12 && time < $end)
{
	$node->safe_psql('postgres', $insert);
}
cmp_ok(refreshes($offset), '>=', 12, 'refreshes that did not get to their end');
$offset = -s $node->logfile;
$end = time + 15;
sleep 0.1 while refreshes($offset) < 3 && time < $end;
cmp_ok(refreshes($offset), '>=', 3, 'they go on when nobody writes any more');
$node->safe_psql('postgres', $insert);
$blocker->query_safe('COMMIT');
soon($settled, 'what they left is taken up by itself');

# Nobody is in the way for ever: it is not tried for ever, and the next commit is enough.
$blocker->query_safe('BEGIN; LOCK failure_patterns IN ACCESS EXCLUSIVE MODE');
$node->safe_psql('postgres', "SET failpat.refresh_interval = '100ms'; $insert");
$offset = -s $node->logfile;
$end = time + 40;
# fp_status waits for that lock, too
sleep 0.2 until time > $end || $node->safe_psql('postgres', "SELECT state = 'idle' FROM fp_worker('runs')") eq 't';
is($node->safe_psql('postgres', "SELECT state FROM fp_worker('runs')"), 'idle', 'no worker tries for ever');
cmp_ok(refreshes($offset), '<=', 12, 'nor often');
$blocker->query_safe('COMMIT');
is($node->safe_psql('postgres', "SELECT worker || ' ' || (dirty_buckets + pending_keys > 0 OR worker_error IS NOT NULL) FROM fp_status()"),
	'idle true', 'and something is left');
$node->safe_psql('postgres', $insert);
soon($settled, 'the next commit takes it up');

# A session that was told that a later refresh sees to it, and then one came earlier.
my $writer = $node->background_psql('postgres');
$writer->query_safe("SET failpat.refresh_interval = '1h'");
$writer->query_safe($insert);
is($node->safe_psql('postgres', "SELECT worker_due > now() + interval '30 minutes' FROM fp_status()"), 't', 'a worker waits for an hour');
$writer->query_safe($insert);
$node->safe_psql('postgres', $insert);
soon("SELECT dirty_buckets = 0 AND worker = 'idle' FROM fp_status()", 'another session brings it forward');
$writer->query_safe("SET failpat.refresh_interval = '200ms'");
$writer->query_safe($insert);
soon($settled, 'and what the first one commits then is not left for the hour');

# A worker that waits is told to end.  Its process comes some moments after the commit.
$writer->query_safe("SET failpat.refresh_interval = '5s'");
$writer->query_safe($insert);
my @waiting;
$end = time + 10;
sleep 0.02 until (@waiting = workers()) || time > $end;
is(scalar(@waiting), 1, 'a worker waits');
kill 'TERM', @waiting;
$end = time + 5;
sleep 0.05 while time < $end && grep { kill 0, $_ } @waiting;
is(scalar(grep { kill 0, $_ } @waiting), 0, 'it ends when it is told to');
soon($settled, 'another one comes for what it was to do');

# A worker that works is told to end, when somebody has committed since it began.
$blocker->query_safe('BEGIN; LOCK failure_patterns IN ACCESS EXCLUSIVE MODE');
$node->safe_psql('postgres', "ALTER SYSTEM SET deadlock_timeout = '10s'; SELECT pg_reload_conf()");
sleep 0.5;
$node->safe_psql('postgres', $insert);
soon("SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'failpat refresh' AND wait_event_type = 'Lock'", 'a worker is at it');
$node->safe_psql('postgres', $insert);
$node->safe_psql('postgres', "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE backend_type = 'failpat refresh'");
like($node->safe_psql('postgres', "SELECT error FROM fp_worker('runs')"), qr/terminating background worker/, 'that it was ended is told');
$blocker->query_safe('COMMIT');
soon($settled, 'another one comes for what it left, and for what was committed meanwhile');
$blocker->quit;
$writer->quit;

# With a worker waiting, the server stops at once, and none is left.
$node->safe_psql('postgres', "SET failpat.refresh_interval = '1h'; $insert");
my $began = time;
$node->stop('fast');
cmp_ok(time - $began, '<', 20, 'the server stops with a worker waiting');
is(scalar(workers()), 0, 'and no worker is left');
$node->start;
$node->safe_psql('postgres', "INSERT INTO runs (failed, tool) VALUES (true, 'x')");
soon($settled, 'what it was to do is done after the next commit');

# A commit that changes nothing that is to be counted is one, too: after the
# server lost all it knew, and after a worker that could not get through.
$node->safe_psql('postgres', "SET failpat.refresh_interval = '1h'; $insert");
$node->stop('immediate');
$node->start;
is($node->safe_psql('postgres', "SELECT worker || ' ' || (dirty_buckets > 0) FROM fp_status()"), 'idle true', 'after a crash nobody is at it');
$node->safe_psql('postgres', 'UPDATE runs SET failed = failed WHERE id = 1');
soon($settled, 'until somebody commits, though that changes nothing');
$node->safe_psql('postgres', "ALTER SYSTEM SET max_worker_processes = 0");
$node->restart;
$writer = $node->background_psql('postgres');
$writer->query_safe($insert);
is($node->safe_psql('postgres', "SELECT worker || ' ' || (dirty_buckets > 0) FROM fp_status()"), 'idle true', 'no slot for a worker');
$writer->quit;
$node->safe_psql('postgres', "ALTER SYSTEM RESET max_worker_processes");
$node->restart;
$offset = -s $node->logfile;
$node->safe_psql('postgres', 'UPDATE runs SET failed = failed WHERE id = 1');
soon($settled, 'the next commit, though it changes nothing');
sleep 0.5;
my $began_so_often = refreshes($offset);
$node->safe_psql('postgres', 'UPDATE runs SET failed = failed WHERE id = 1') for 1 .. 5;
sleep 1;
is(refreshes($offset), $began_so_often, 'where nothing is left such commits start nothing');
$node->stop;
unlike(slurp_file($node->logfile), qr/TRAP|PANIC|terminated by signal/, 'no process crashed');
done_testing();
