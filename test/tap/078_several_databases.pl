# Workers of several databases and sources at once: never two for one source,
# and each gets its turn; and a database that is dropped or copied while a
# worker is in the midst of a refresh of it.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

my $node = PostgreSQL::Test::Cluster->new('several');
$node->init;
$node->append_conf('postgresql.conf', <<CONF);
failpat.async = on
failpat.refresh_interval = 100ms
log_min_messages = debug1
CONF
$node->start;

sub sql { return $node->safe_psql($_[1] // 'postgres', $_[0]); }

# A refresh takes as many seconds as the table says.
sub create
{
	my ($db, @sources) = @_;
	sql("CREATE DATABASE $db");
	sql("CREATE EXTENSION failpat", $db);
	sql(<<SQL, $db) for @sources;
CREATE TABLE $_ (id serial PRIMARY KEY, at timestamptz DEFAULT now(), failed boolean, tool text);
CREATE VIEW seen_$_ AS SELECT id AS source_key, id AS obs_key, at AS observed_at, failed, NULL::text[] AS failed_checks, tool FROM $_;
SELECT fp_attach('$_', 'seen_$_', '{"public.$_": "id"}');
SQL
	sql(<<'SQL', $db);
CREATE TABLE slow (seconds float8);
INSERT INTO slow VALUES (0.05);
CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_catalog.pg_sleep(seconds) FROM public.slow;
    RETURN NEW;
END $$;
CREATE TRIGGER wait BEFORE UPDATE OF refresh_started_at ON fp_source_state FOR EACH ROW EXECUTE FUNCTION wait();
SQL
}

sub soon
{
	my ($query, $what, $db) = @_;
	my $end = time + 15;
	my $got = '';

	while (time < $end)
	{
		(undef, $got) = $node->psql($db // 'postgres', $query);
		return pass($what) if ($got // '') eq 't';
		sleep 0.1;
	}
	return fail($what);
}
my $settled = q{SELECT bool_and(dirty_buckets = 0 AND pending_keys = 0 AND worker = 'idle' AND error IS NULL) FROM fp_status()};

# One for each source and database, while all are written to.
create('one', 'runs', 'trials');
create('two', 'runs');
sql(<<'SQL');
CREATE PROCEDURE watch(seconds float8) LANGUAGE plpgsql AS $$
DECLARE
    until timestamptz := clock_timestamp() + make_interval(secs => seconds);
BEGIN
    CREATE TEMP TABLE found (db name, what text, n bigint);
    WHILE clock_timestamp() < until LOOP
        PERFORM pg_stat_clear_snapshot();
        INSERT INTO found SELECT datname, query, count(*) FROM pg_stat_activity
            WHERE backend_type = 'failpat refresh' AND state = 'active' AND query LIKE 'refresh of source%' GROUP BY 1, 2;
        COMMIT;
        PERFORM pg_sleep(0.002);
    END LOOP;
END $$;
SQL
my $script = $node->basedir . '/write.sql';
append_to_file($script, "INSERT INTO runs (failed, tool) VALUES (random() < 0.1, 'x' || (random() * 5)::int);\n");
my $script2 = $node->basedir . '/write2.sql';
append_to_file($script2, slurp_file($script) . slurp_file($script) =~ s/runs/trials/r);
my @writers = map {
	my ($db, $file) = @$_;
	my $out = '';
	IPC::Run::start([ 'pgbench', '-n', '-c', '2', '-R', '100', '-T', '5', '-h', $node->host, '-p', $node->port, '-f', $file, $db ], '>', \$out, '2>&1')
} [ 'one', $script2 ], [ 'two', $script ];
my $seen = sql(q{CALL watch(4.5); SELECT db, what, max(n), count(*) > 3 FROM found GROUP BY 1, 2 ORDER BY 1, 2});
$_->finish for @writers;
is($seen, qq{one|refresh of source "runs"|1|t\none|refresh of source "trials"|1|t\ntwo|refresh of source "runs"|1|t},
	'each source of each database has a worker, and never two');
for my $db ('one', 'two')
{
	soon($settled, "$db: all is counted", $db);
	is(sql("SELECT bool_and(observations > 100) AND sum(observations) = (SELECT sum(c.observations) FROM fp_cubes c) FROM fp_status()", $db), 't', "$db: each source");
}

# A worker is in the midst of a refresh of a database, for so many seconds.
sub busy
{
	my ($db, $seconds) = @_;
	sql("UPDATE slow SET seconds = $seconds", $db);
	sql("INSERT INTO runs (failed, tool) VALUES (true, 'x1')", $db);
	soon("SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'failpat refresh' AND datname = '$db' AND wait_event = 'PgSleep'",
		"$db: a worker is in the midst of a refresh");
}
my $offset = -s $node->logfile;
my $in_use = qr/database "\w+" is being accessed by other users/;
my ($rc, $out, $err);

busy('two', 600);
my $began = time;
($rc, $out, $err) = $node->psql('postgres', 'CREATE DATABASE copy TEMPLATE two');
like($err, qr/source database "two" is being accessed by other users/, 'CREATE DATABASE of a template that is refreshed for long: refused');
cmp_ok(time - $began, '>=', 4.5, 'after the server has waited its five seconds');
# as for both statements it waits in the same place, once is enough
is($node->psql('postgres', 'DROP DATABASE two WITH (FORCE)'), 0, 'WITH (FORCE) drops a database in the midst of a refresh');

create('three', 'runs');
busy('three', 2);
is($node->psql('postgres', 'CREATE DATABASE copy TEMPLATE three'), 0, 'a short refresh is waited for, by CREATE DATABASE');
busy('three', 2);
is($node->psql('postgres', 'DROP DATABASE three'), 0, 'and by DROP DATABASE');
busy('copy', 600);
($rc, $out, $err) = $node->psql('postgres', 'DROP DATABASE copy');
like($err, $in_use, 'DROP DATABASE of one that is refreshed for long: refused');
soon("SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'failpat refresh' AND datname = 'copy'", 'and its worker goes on');
is($node->psql('postgres', 'DROP DATABASE copy WITH (FORCE)'), 0, 'WITH (FORCE) drops it');

# Nobody goes on looking for what is no more, and the others are served.
soon("SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type = 'failpat refresh'", 'no worker is left');
sql("INSERT INTO runs (failed, tool) VALUES (true, 'x1')", 'one');
soon($settled, 'the other database is refreshed', 'one');
my $quiet = -s $node->logfile;
sleep 1.5; # fifteen intervals
my $log = slurp_file($node->logfile, $offset);
unlike(slurp_file($node->logfile, $quiet), qr/failpat: refresh of|does not exist|FATAL/, 'and then nothing goes on');
my @gone = $log =~ /database (?:"\w+"|\d+) does not exist/g;
cmp_ok(scalar(@gone), '<=', 2, 'of each that was dropped in the midst of it, one worker at most has looked for it: ' . @gone);
unlike($log, qr/PANIC|TRAP|terminated by signal/, 'no process crashed');
$node->stop;
done_testing();
