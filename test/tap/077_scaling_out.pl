# Data that lie elsewhere: a view over another server's tables is polled, and
# nothing is lost whatever happens to either server; cubes are built next to the
# data (in a view of the other server, by push-down, in partitions, by parallel
# workers), and are those of all rows in one place, to the bit.
use strict;
use warnings;

use IPC::Run ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

my %node;
for my $name ('far', 'near')
{
	$node{$name} = PostgreSQL::Test::Cluster->new($name);
	$node{$name}->init;
	$node{$name}->append_conf('postgresql.conf', "fsync = off\nfailpat.async = on\nfailpat.refresh_interval = 1s\nmax_worker_processes = 16");
	$node{$name}->start;
}

sub far { return $node{far}->safe_psql('postgres', $_[0]) }
sub near { return $node{near}->safe_psql($_[1] // 'postgres', $_[0]) }

sub soon
{
	my ($query, $what) = @_;
	my $end = time + 15;

	while (time < $end)
	{
		return pass($what) if near($query) eq 't';
		sleep 0.1;
	}
	fail($what);
	diag(near("SELECT * FROM fp_status()"));
}

# The other server: runs, and who may read them.
far(<<'SQL');
CREATE EXTENSION failpat;
CREATE ROLE reader LOGIN;
CREATE TABLE runs (id bigint PRIMARY KEY, at timestamptz NOT NULL, failed boolean, checks text[], tool text, oven int, loras int[]);
CREATE INDEX ON runs (at);
GRANT SELECT ON runs TO reader;
CREATE FUNCTION make_runs(first int, last int) RETURNS void LANGUAGE sql AS $$
    INSERT INTO runs
    SELECT i, now() - (20000 - i) * interval '1 minute', f, CASE WHEN f THEN ARRAY['c' || i % 2] END,
           'T' || i % 5, i % 11, ARRAY[i % 3, 3 + i % 7]
    FROM (SELECT i, i % 9 = 0 OR i % 5 = 2 AND i % 11 < 3 AND i % 7 < 5 AS f FROM generate_series(first, last) i) r $$;
SELECT make_runs(1, 12000);
SQL
# Ours: its owner is nobody special, and needs a user mapping.
my ($host, $port) = ($node{far}->host, $node{far}->port);
near(<<"SQL");
CREATE EXTENSION failpat;
CREATE EXTENSION postgres_fdw;
CREATE SERVER far FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '$host', port '$port', dbname 'postgres', fetch_size '1000');
CREATE ROLE keeper;
CREATE SCHEMA kept AUTHORIZATION keeper;
GRANT USAGE ON FOREIGN SERVER far TO keeper;
CREATE USER MAPPING FOR keeper SERVER far OPTIONS (user 'reader', password_required 'false');
CREATE USER MAPPING FOR CURRENT_USER SERVER far OPTIONS (password_required 'false');
SET ROLE keeper;
CREATE FOREIGN TABLE kept.runs (id bigint, at timestamptz, failed boolean, checks text[], tool text, oven int, loras int[]) SERVER far OPTIONS (schema_name 'public');
CREATE VIEW kept.judged AS SELECT id AS source_key, id AS obs_key, at AS observed_at, failed, checks AS failed_checks, tool, oven, loras FROM kept.runs;
RESET ROLE;
SELECT fp_attach('runs', 'kept.judged', refresh => 'manual', look_back => '7 days', capture => 'poll');
SQL

# What was observed is what the other server has.
my $seen = q{SELECT count(*), count(*) FILTER (WHERE failed), sum(hashtextextended((obs_key, observed_at, failed, failed_checks, tool, oven, loras)::text, 0)::numeric)
	FROM (SELECT obs_key::bigint, observed_at, failed, CASE WHEN failed THEN failed_checks END AS failed_checks,
		dims ->> 'tool' AS tool, (dims ->> 'oven')::int AS oven, ARRAY(SELECT jsonb_array_elements_text(dims -> 'loras')::int) AS loras FROM fp_observations) o};
my $there = q{SELECT count(*), count(*) FILTER (WHERE failed), sum(hashtextextended((id, at, failed, checks, tool, oven, loras)::text, 0)::numeric) FROM runs};
sub same { my ($what, $db) = @_; is(near($seen, $db), far($there), $what) }

is(near("SELECT observations || ' ' || backfill_done FROM fp_status()"), '0 false', 'a long history is left to fp_backfill');
near('CALL fp_backfill()');
same('fp_backfill reads it');
near('CALL fp_refresh()');
like(near("SELECT string_agg(pattern_key, ' ') FROM failure_patterns"), qr/tool/, 'a pattern is found in it');

# What is asked of the other server is a piece of its index.
my $plan = near(q{EXPLAIN (VERBOSE, COSTS OFF) SELECT * FROM kept.judged v WHERE v.observed_at >= '2026-01-01Z' ORDER BY v.observed_at});
like($plan, qr/Remote SQL: .*WHERE .*at >= .*ORDER BY at/, 'the time and the order are for the other server to see to');

far(q{SELECT make_runs(12001, 13000); UPDATE runs SET failed = NOT failed, checks = CASE WHEN failed THEN NULL ELSE '{c9}'::text[] END WHERE id > 11900;
	UPDATE runs SET tool = 'other' WHERE id = 11999});
near('CALL fp_poll()');
far(q{UPDATE runs SET tool = 'T' || id % 5 WHERE id = 11999});
same('a poll reads what is new and what changed, and leaves parameters as they were');
far(q{CREATE TABLE gone AS SELECT * FROM runs WHERE id BETWEEN 12500 AND 12600; DELETE FROM runs WHERE id BETWEEN 12500 AND 12600});
near('CALL fp_refresh()');
far('INSERT INTO runs SELECT * FROM gone; DROP TABLE gone');
same('what is deleted there stays here');

# Polls, a backfill and refreshes at once, while the other server is written.
my $dir = PostgreSQL::Test::Utils::tempdir();
append_to_file("$dir/write", <<'SQL');
\set id random(1, 400)
INSERT INTO runs VALUES (100000 + :id, clock_timestamp(), true, '{c1}', 'T1', 1, '{1}') ON CONFLICT (id) DO UPDATE SET failed = NOT runs.failed, checks = CASE WHEN runs.failed THEN NULL ELSE '{c1}'::text[] END;
SQL
append_to_file("$dir/poll", "CALL fp_poll();\n");
append_to_file("$dir/refresh", "CALL fp_refresh();\n");
append_to_file("$dir/backfill", "CALL fp_backfill(restart => true);\n");
my $writer = IPC::Run::start([ 'pgbench', '-n', '-c', '2', '-t', '1500', '-f', "$dir/write", $node{far}->connstr('postgres') ], '>', '/dev/null', '2>', '/dev/null');
$node{near}->command_ok([ 'pgbench', '-n', '-c', '6', '-t', '12', '-f', "$dir/poll\@6", '-f', "$dir/refresh\@2", '-f', "$dir/backfill\@1", $node{near}->connstr('postgres') ],
	'six sessions poll, refresh and backfill at once, and none fails');
ok($writer->finish, 'while another writes there');
near('CALL fp_refresh()');
is(near('SELECT error FROM fp_status()'), '', 'without an error');
same('then all is as it is there');
is(near('SELECT sum((t.v).trials) FROM (SELECT fp_totals(cube) AS v FROM fp_cubes) t'), far('SELECT count(*) FROM runs'), 'and counted once');

# The other server is away: told, and made up for.
my $session = $node{near}->background_psql('postgres', on_error_stop => 0);
$session->query_safe('CALL fp_poll()');
$node{far}->stop('immediate');
my (undef, undef, $warned) = $node{near}->psql('postgres', 'CALL fp_refresh()');
like($warned, qr/WARNING:  failpat could not poll source runs: could not connect/, 'a poll that finds no server warns');
like(near("SELECT error || ' ' || dirty_buckets FROM fp_status()"), qr/^could not connect to server "far" 0$/, 'as does fp_status()');
$node{far}->start;
far('SELECT make_runs(13001, 13100)');
$session->query('CALL fp_poll()');
is($session->query_safe('SELECT error FROM fp_status()'), '', 'once it is back the next poll reads, also of a session that was connected before');
same('everything');

# A connection that ends while rows come.
near(q{SET ROLE keeper;
	CREATE FUNCTION kept.slow(int) RETURNS int STABLE LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(0.0005); RETURN $1; END';
	CREATE OR REPLACE VIEW kept.judged AS SELECT id AS source_key, id AS obs_key, at AS observed_at, failed, checks AS failed_checks, tool,
		kept.slow(oven) AS oven, loras FROM kept.runs; RESET ROLE;
	UPDATE fp_source_state SET watermark = '2000-01-01'});
my ($out, $err) = ('', '');
my $poll = IPC::Run::start([ 'psql', '-Xq', '-d', $node{near}->connstr('postgres'), '-c', 'CALL fp_poll()' ], '>', \$out, '2>', \$err);
my $end = time + 15;
sleep 0.05 until far(q{SELECT count(*) FROM pg_stat_activity WHERE application_name = 'postgres_fdw' AND query LIKE 'FETCH%' AND state = 'idle in transaction'}) > 0 || time > $end;
sleep 0.5;
far(q{SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'postgres_fdw'});
$poll->finish;
like($err, qr/terminating connection|connection to server|server closed/, 'a poll whose connection is ended says so');
near('CALL fp_poll()');
same('and the next one goes on');

# Our server crashes while it polls: the mark is where the rows are.
near(q{DELETE FROM fp_observations; UPDATE fp_source_state SET watermark = '2000-01-01'});
$poll = IPC::Run::start([ 'psql', '-Xq', '-d', $node{near}->connstr('postgres'), '-c', 'CALL fp_poll()' ], '>', \$out, '2>', \$err);
$end = time + 15;
sleep 0.1 until near('SELECT watermark > now() - interval \'20 days\' FROM fp_source_state') eq 't' || time > $end;
$node{near}->stop('immediate');
$poll->finish;
$node{near}->start;
is(near(q{SELECT (SELECT count(*) > 0 FROM fp_observations) AND watermark < now() - interval '5 days' AND watermark <= (SELECT max(observed_at) FROM fp_observations) FROM fp_source_state}), 't',
	'after a crash in the middle of a poll, there is what its pieces had read');
near(q{SET ROLE keeper; CREATE OR REPLACE VIEW kept.judged AS SELECT id AS source_key, id AS obs_key, at AS observed_at, failed, checks AS failed_checks, tool, oven, loras FROM kept.runs});
is(near(q{UPDATE fp_sources SET look_back = '0'; CALL fp_poll(); SELECT poll_rows < (SELECT count(*) FROM fp_observations) FROM fp_status()}), 't', 'and the next one does not begin anew');
same('but reads the rest');
near(q{UPDATE fp_sources SET look_back = '7 days'});

# Dumped and restored, a source is polled from its watermark on.
my $mark = near('SELECT watermark FROM fp_source_state');
near('CREATE DATABASE copy');
$node{near}->command_ok([ 'pg_dump', '-f', "$dir/dump.sql", '-d', $node{near}->connstr('postgres') ], 'dumped');
$node{near}->command_ok([ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-f', "$dir/dump.sql", '-d', $node{near}->connstr('copy') ], 'restored');
is(near(q{SELECT capture || ' ' || look_back || ' ' || watermark FROM fp_sources JOIN fp_source_state USING (source)}, 'copy'), "poll 7 days $mark", 'with its watermark');
far('SELECT make_runs(13101, 13200)');
near('CALL fp_poll()', 'copy');
same('it is polled there', 'copy');
near('DROP DATABASE copy WITH (FORCE)');

# In mode async a worker refreshes what a poll has read, and polls when it is
# asked to; by itself it polls nothing.
near(q{UPDATE fp_sources SET refresh = 'async'; CALL fp_poll()});
soon("SELECT dirty_buckets = 0 AND worker = 'idle' AND error IS NULL FROM fp_status()", 'a worker refreshes what a poll has read');
same('which is all');
far('SELECT make_runs(13201, 13300)');
is(near('SELECT fp_refresh_soon()'), 't', 'asked to');
soon("SELECT observations = " . far('SELECT count(*) FROM runs') . " AND dirty_buckets = 0 AND worker = 'idle' FROM fp_status()", 'a worker polls');
my $polled = near('SELECT last_poll FROM fp_status()');
far('SELECT make_runs(13301, 13400)');
near('CALL fp_backfill(restart => true)');
soon("SELECT dirty_buckets = 0 AND worker = 'idle' FROM fp_status()", 'what else is written is refreshed');
is(near('SELECT last_poll FROM fp_status()'), $polled, 'without a poll');
near('CALL fp_poll()');
soon("SELECT dirty_buckets = 0 AND worker = 'idle' FROM fp_status()", 'all is read');

# An fp_backfill that failed leaves the session as it was: what it captures
# then is refreshed by a worker.
near(q{CREATE TABLE bakes (id int PRIMARY KEY, failed boolean, oven text);
	CREATE VIEW judged_bakes AS SELECT id AS source_key, id AS obs_key, now() AS observed_at, failed, NULL::text[] AS failed_checks, (10 / id)::text || oven AS oven FROM bakes;
	SELECT fp_attach('bakes', 'judged_bakes', '{"bakes": "id"}')});
$node{near}->psql('postgres', q{INSERT INTO bakes VALUES (0, true, 'o'); CALL fp_backfill('bakes', restart => true)}, on_error_stop => 0);
soon("SELECT bool_and(worker = 'idle') FROM fp_status()", 'nobody is at work');
$session->quit;
$session = $node{near}->background_psql('postgres', on_error_stop => 0);
$session->query(q{CALL fp_backfill('bakes', restart => true)});
$session->query(q{DELETE FROM bakes; INSERT INTO bakes VALUES (1, true, 'o')});
soon("SELECT dirty_buckets = 0 AND observations > 0 FROM fp_status() WHERE source = 'bakes'", 'a failed fp_backfill does not keep its session from asking for workers');
$session->quit;

# Cubes from there: a view that counts, its days added up here.
far(q{CREATE TABLE gates AS SELECT id, date_trunc('day', at, 'UTC') AS day, failed, jsonb_build_object('tool', tool, 'oven', oven, 'lora', loras, 'at', to_char(at, 'HH24')::int) AS dims, checks
	FROM runs WHERE failed IS NOT NULL;
	CREATE VIEW days AS SELECT day, failure_cube(failed, dims, '{at}', '{}', checks) AS cube FROM gates GROUP BY day;
	GRANT SELECT ON gates, days TO reader});
near(q{CREATE FOREIGN TABLE days (day timestamptz, cube failure_cube) SERVER far;
	CREATE FOREIGN TABLE gates (id bigint, day timestamptz, failed boolean, dims jsonb, checks text[]) SERVER far});
my $here = q{SELECT failure_cube_send(failure_cube(failed, dims, '{at}', '{}', checks)) FROM gates};
my $whole = near($here);
cmp_ok(length $whole, '>', 1000, 'there is something to compare');
is(far($here), $whole, 'a cube of all rows is the same there');
is(near('SELECT failure_cube_send(rollup(cube)) FROM days'), $whole, 'as is the sum of the days that were counted there');
my $mined = q{SELECT string_agg(p::text, E'\n' ORDER BY pattern_key) FROM fp_patterns(%s) p};
my $patterns = near(sprintf $mined, q{(SELECT failure_cube(failed, dims, '{at}', '{}', checks) FROM gates)});
like($patterns, qr/tool/, 'there is a pattern to find');
is(near(sprintf $mined, '(SELECT rollup(cube) FROM days)'), $patterns, 'and the same are found');
is(near(sprintf $mined, '(SELECT array_agg(cube ORDER BY day) FROM days)'), far(sprintf $mined, '(SELECT array_agg(cube ORDER BY day) FROM days)'),
	'also with days as strata');

# The aggregate itself is sent there, if the server is said to have failpat.
my $by_day = q{SELECT day, failure_cube(failed, dims, '{at}', '{}', checks) AS cube FROM gates GROUP BY day};
unlike(near("EXPLAIN (VERBOSE, COSTS OFF) $by_day"), qr/Remote SQL: .*failure_cube/, 'where it is not known what the server has, rows come');
near(q{ALTER SERVER far OPTIONS (ADD extensions 'failpat')});
like(near("EXPLAIN (VERBOSE, COSTS OFF) $by_day"), qr/Remote SQL: SELECT .*failure_cube.*GROUP BY/, 'where it has failpat, cubes come');
is(near("SELECT failure_cube_send(rollup(cube)) FROM ($by_day) d"), $whole, 'and are the same');

# One table whose rows lie here and there.
near(q{CREATE TABLE parts (id bigint, day timestamptz, failed boolean, dims jsonb, checks text[]) PARTITION BY RANGE (day);
	CREATE TABLE rows_here AS SELECT * FROM gates});
my @days = split /\n/, near('SELECT DISTINCT day FROM gates ORDER BY 1');
cmp_ok(scalar @days, '>=', 8, 'there are days to cut at');
near("CREATE TABLE parts_0 PARTITION OF parts FOR VALUES FROM (MINVALUE) TO ('$days[2]');
	CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM ('$days[2]') TO ('$days[5]');
	CREATE TABLE parts_2 PARTITION OF parts FOR VALUES FROM ('$days[5]') TO (MAXVALUE);
	INSERT INTO parts SELECT * FROM rows_here; ANALYZE parts; ANALYZE rows_here");
sub aggregate { return "SELECT failure_cube_send(failure_cube(failed, dims, '{at}', '{}', checks)) FROM $_[0]" }
my %settings = (
	'partition by partition' => 'SET enable_partitionwise_aggregate = on; SET max_parallel_workers_per_gather = 0;',
	'in parallel' => 'SET max_parallel_workers_per_gather = 3; SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0;',
	'both' => 'SET enable_partitionwise_aggregate = on; SET max_parallel_workers_per_gather = 3; SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0; SET parallel_leader_participation = off;');
my %shape = (
	'partition by partition' => qr/Finalize Aggregate\n\s+->\s+Append\n\s+->\s+Partial Aggregate\n\s+->\s+Seq Scan on parts_/,
	'in parallel' => qr/Finalize Aggregate\n\s+->\s+Gather\n.*Workers Planned.*\n\s+->\s+Partial Aggregate\n\s+->\s+Parallel Append/,
	'both' => qr/Finalize Aggregate\n\s+->\s+Gather\n.*Workers Planned.*\n\s+->\s+Parallel Append\n\s+->\s+Partial Aggregate\n\s+->\s+Parallel Seq Scan on parts_/);
for my $how (sort keys %settings)
{
	like(near("$settings{$how} EXPLAIN (COSTS OFF) " . aggregate('parts')), $shape{$how}, "a partitioned table, $how: counted below Append");
	is(near("$settings{$how} " . aggregate('parts')), $whole, 'and the same to the bit');
	my $spread = $settings{$how} . q{ SELECT failure_cube_send(rollup(cube)) FROM (SELECT failure_cube(failed, dims, '{at}', '{}', checks) AS cube FROM parts GROUP BY day) d};
	is(near($spread), $whole, 'also by day');
}
# a partition on the other server: its days are counted there
far("CREATE TABLE parts_2 AS SELECT * FROM gates WHERE day >= '$days[5]'; GRANT SELECT ON parts_2 TO reader");
near("DROP TABLE parts_2; CREATE FOREIGN TABLE parts_2 PARTITION OF parts FOR VALUES FROM ('$days[5]') TO (MAXVALUE) SERVER far; ANALYZE parts_2");
my $wise = 'SET enable_partitionwise_aggregate = on;';
my $parts_by_day = $by_day =~ s/gates/parts/r;
like(near("$wise EXPLAIN (VERBOSE, COSTS OFF) $parts_by_day"), qr/Append.*Remote SQL: SELECT .*failure_cube.*GROUP BY/s, 'a partition elsewhere: counted there');
is(near("$wise SELECT failure_cube_send(rollup(cube)) FROM ($parts_by_day) d"), $whole, 'and the same to the bit');
is(near("$wise " . aggregate('parts')), $whole, 'without GROUP BY, too');

$node{near}->stop;
$node{far}->stop;
done_testing();
