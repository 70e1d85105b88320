# Input that is larger than anybody expects: memory and time are bounded, and
# what does not fit ends with an error that says what to do. BOUNDS_FULL=1 runs
# the sizes that doc/operations.md tells the figures of (minutes, gigabytes).
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use POSIX ();
use Test::More;
use Time::HiRes qw(sleep time);

my $full = $ENV{BOUNDS_FULL};
my $node = PostgreSQL::Test::Cluster->new('bounds');
$node->init;
$node->append_conf('postgresql.conf', "fsync = off\nshared_buffers = 16MB\nmax_parallel_workers_per_gather = 0\n");
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION failpat');

# Runs a query in a session of its own, with a limit on its memory, and looks
# at what came, how long it took and how much memory the backend ever had.
# What the limit does not count: the server's own share, the rows that are
# read, and the value that is detoasted.
sub bounded
{
	my ($name, $limit_mb, $query, $expected, %more) = @_;
	my $from = time();
	my ($rc, $out, $err) = $node->psql('postgres',
		"SET failpat.memory_limit = '${limit_mb}MB'; SET statement_timeout = " . ($more{timeout} // 0) . ";\n"
			. "$query;\n\\set QUIET 1\nRESET statement_timeout;\n"
			. 'SELECT \'VmHWM \' || substring(pg_read_file(\'/proc/self/status\') FROM \'VmHWM:\s+(\d+)\')',
		on_error_stop => 0);
	my $took = time() - $from;
	my ($kb) = $out =~ /VmHWM (\d+)/;
	diag(sprintf('%s: %.1f s, %d MB, limit %d MB', $name, $took, $kb / 1024, $limit_mb)) if $full;
	like("$out\n$err", $expected, "$name: the answer");
	unlike($err, qr/out of memory|invalid memory alloc|XX000/, "$name: no error of the server's");
	cmp_ok($kb / 1024, '<', $limit_mb + ($more{beside} // 64), "$name: memory");
	cmp_ok($took, '<', $full ? 600 : 20, "$name: time");
}

my $n = $full ? 1000000 : 20000;
my $cube = "SELECT failure_cube(g % 10 = 0 OR g % 7 = 3 AND g % 2 = 0, jsonb_build_object('seed', g::text, 'model', g % 7)) AS c FROM generate_series(1, $n) g";
bounded('distinct values', $full ? 1024 : 64, "SELECT conditions FROM ($cube) x, fp_patterns(c)", qr/^\{"model": "3"\}$/m);
bounded('distinct values, too little memory', $full ? 32 : 1, "SELECT conditions FROM ($cube) x, fp_patterns(c)",
	qr/ERROR:  .*\n(DETAIL.*\n)?HINT:  Raise failpat.memory_limit/);
bounded('distinct values, totals', $full ? 1024 : 64, "SELECT count(*) FROM ($cube) x, fp_totals(c, 'seed')", qr/^$n$/m);

$n = $full ? 100000 : 1000;
$cube = "SELECT failure_cube(g % 10 = 0 OR abs(hashint8(g * 41 + 5)) % 6 = 2, d.dims) AS c FROM generate_series(1, $n) g,
	LATERAL (SELECT jsonb_object_agg('d' || i, (abs(hashint8(g * 41 + i)) % 6)::text) AS dims FROM generate_series(1, 40) i) d";
bounded('40 dimensions', $full ? 1024 : 64, "SELECT conditions FROM ($cube) x, fp_patterns(c)", qr/^\{"d5": "2"\}$/m);

$n = $full ? 500 : 20;
$cube = "SELECT failure_cube(g % 3 = 0, d.dims) AS c FROM generate_series(1, $n) g,
	LATERAL (SELECT jsonb_object_agg('d' || i, s.members) AS dims FROM generate_series(1, 40) i,
		LATERAL (SELECT jsonb_agg(DISTINCT (abs(hashint8(g * 641 + i * 16 + j)) % 40)::text) AS members FROM generate_series(1, 16) j) s) d";
bounded('16 values at once in each of 40 dimensions', $full ? 1024 : 64, "SELECT 'found ' || count(*) FROM ($cube) x, fp_patterns(c)",
	qr/found \d+/);
$cube =~ s/generate_series\(1, $n\)/generate_series(1, 1200)/;
# made beforehand: on a busy machine the time would be over before the mining began
$node->safe_psql('postgres', "CREATE TABLE cancelled AS $cube");
bounded('the same, cancelled', 256, 'SELECT count(*) FROM cancelled, fp_patterns(c)', qr/NOTICE:  there are \d+ combinations.*ERROR:  canceling statement due to statement timeout/s,
	timeout => 3000);

$n = $full ? 1000000 : 10000;
$cube = "SELECT failure_cube(hashint8(h) % 20 = 0, d.dims) AS c FROM generate_series(1, $n) h,
	LATERAL (SELECT jsonb_object_agg('d' || i, (abs(hashint8(h)) >> i) & 1) AS dims FROM generate_series(0, 19) i) d";
# one of 20 is one of those in which the last two bits are 0
bounded('2^20 combinations', $full ? 1024 : 64, "SELECT string_agg(conditions::text, ' ') FROM ($cube) x, fp_patterns(c, max_arity => " . ($full ? 6 : 3) . ')',
	qr/^\{"d0": "0", "d1": "0"\}$/m);

# A cancel, at several moments of a statement that would go on for minutes: what
# the backend still does after it is counted in its own processor time, which
# does not depend on what else the machine is doing.
sub cpu
{
	my ($pid) = @_;
	my @stat = split ' ', slurp_file("/proc/$pid/stat") =~ s/^.*\) //sr;
	return ($stat[11] + $stat[12]) / POSIX::sysconf(POSIX::_SC_CLK_TCK());
}
sub cancelled
{
	my ($name, $query) = @_;
	my $session = $node->background_psql('postgres', on_error_stop => 0, timeout => 600);
	my $pid = $session->query_safe("SET failpat.memory_limit = '512MB'; SET client_min_messages = error; SELECT pg_backend_pid()");
	for my $after (0.3, 0.8, 1.5)
	{
		my $from = cpu($pid);
		my $end = time() + 120;
		$session->query_until(qr/begins/, "\\echo begins\n$query;\n\\echo ends\n");
		sleep 0.01 while cpu($pid) - $from < $after && time() < $end;
		my $at = cpu($pid);
		kill 'INT', $pid;    # as pg_cancel_backend does
		$node->poll_query_until('postgres', "SELECT state LIKE 'idle%' FROM pg_stat_activity WHERE pid = $pid");
		my $more = cpu($pid) - $at;
		cmp_ok($at - $from, '>=', $after, "$name: at work for $after s");
		cmp_ok($more, '<', 1, "$name: cancelled then, does little more");
		$session->query('SELECT 1');
		like($session->{stderr}, qr/ERROR:  canceling statement due to user request/, "$name: and says so");
		$session->{stderr} = '';
	}
	$session->quit;
	return;
}
$node->safe_psql('postgres', <<'SQL');
CREATE TABLE wide AS SELECT g AS id, g % 3 = 0 AS failed, jsonb_object_agg('d' || i, s.members) AS dims FROM generate_series(1, 1200) g, generate_series(1, 40) i,
    LATERAL (SELECT jsonb_agg(DISTINCT (abs(hashint8(g * 641 + i * 16 + j)) % 40)::text) AS members FROM generate_series(1, 16) j) s GROUP BY g;
SELECT format('CREATE VIEW wide_seen AS SELECT id AS source_key, id AS obs_key, now() AS observed_at, failed, ''{}''::text[] AS failed_checks, %s FROM wide',
    string_agg(format('ARRAY(SELECT jsonb_array_elements_text(dims -> %L)) AS %I', 'd' || i, 'd' || i), ', ')) FROM generate_series(1, 40) i \gexec
SELECT fp_attach('wide', 'wide_seen', refresh => 'manual');
SQL
cancelled('fp_patterns', 'SELECT count(*) FROM cancelled, fp_patterns(c)');
cancelled('failure_cube', 'SELECT failure_cube(w.failed, w.dims) FROM wide w, generate_series(1, 10000) g');
cancelled('fp_refresh', "CALL fp_refresh('wide')");
$node->safe_psql('postgres', "SELECT fp_detach('wide', forget => true)");

# Refreshes in one session, of data that change and do not grow: what they use
# they give back. The first hundred make plans of whatever is met now and then only
# (a pattern that ends, one that comes again), which a session keeps.
$node->safe_psql('postgres', <<'SQL');
CREATE TABLE again (id bigint PRIMARY KEY, at timestamptz, tool text, hour int, alloys text[], failed boolean);
CREATE VIEW again_seen AS SELECT id AS source_key, id AS obs_key, at AS observed_at, failed, ARRAY[]::text[] AS failed_checks, tool, hour, alloys FROM again;
SELECT fp_attach('again', 'again_seen', '{"again": "id"}', '{"hour": {"kind": "ordinal"}}', refresh => 'manual');
INSERT INTO again SELECT g, now() - g % 8 * interval '1 day', 't' || g % 7, g % 10, ARRAY['a' || g % 3, 'b' || g / 7 % 5], hashint8(g) % 9 = 0
FROM generate_series(1, 2000) g;
-- another tool fails every 20 refreshes
CREATE PROCEDURE again(n int, start int) LANGUAGE plpgsql AS $$
BEGIN
    FOR i IN start .. start + n - 1 LOOP
        UPDATE again SET failed = id % 7 = i / 20 % 7 OR hashint8(id) % 9 = 0 WHERE id % 16 = i % 16;
        COMMIT;
        CALL fp_refresh('again');
    END LOOP;
END $$;
SQL
my $anon = "SELECT 'anon ' || substring(pg_read_file('/proc/self/status') FROM 'RssAnon:\\s+(\\d+)')";
my $some = $full ? 2000 : 200;
my $grown = $node->safe_psql('postgres', "CALL again(110, 1); $anon; CALL again($some, 111); $anon; SELECT count(*) FROM failure_patterns WHERE source = 'again'");
if (like($grown, qr/^anon (\d+)\nanon (\d+)\n[1-9]\d*$/, 'refreshes in one session'))
{
	my ($before, $after) = $grown =~ /anon (\d+)\nanon (\d+)/;
	diag("RssAnon after 110 refreshes $before kB, after $some more $after kB");
	cmp_ok($after - $before, '<', 2048, "after 110 and after $some more the session has the same memory of its own (kB)");
}
$node->safe_psql('postgres', "SELECT fp_detach('again', forget => true)");

# A text of 1 MB (128 kB where not in full), which no index takes and no reader wants, from the table to
# the alert.
my $words = $full ? 32768 : 4096;
my $text = "(SELECT string_agg(md5(i::text), '') FROM generate_series(1, $words) i)";
$node->safe_psql('postgres', <<SQL);
CREATE TABLE gates (id bigint PRIMARY KEY, prompt text, failed boolean);
CREATE VIEW seen AS SELECT id AS source_key, id AS obs_key, now() AS observed_at, failed, ARRAY[]::text[] AS failed_checks, prompt FROM gates;
SELECT fp_attach('s', 'seen', '{"gates": "id"}', refresh => 'manual');
INSERT INTO gates SELECT g, CASE WHEN g % 5 = 0 THEN $text WHEN g % 5 = 1 THEN $text || 'x' ELSE 'short' || g % 3 END,
	g % 20 = 2 OR g % 5 < 2 AND g % 3 < 2 FROM generate_series(1, 150) g;
SQL
bounded('a long text', 64, "CALL fp_refresh(); SELECT 'error: ' || coalesce(error, 'none') FROM fp_status()", qr/error: none/, beside => 256);
is($node->safe_psql('postgres', 'SELECT count(*), count(DISTINCT pattern_key), max(length(pattern_key)) < 1000, max(length(description)) < 300 FROM failure_patterns'),
	'2|2|t|t', 'two such texts that differ at the end are two patterns, with short names');
is($node->safe_psql('postgres', 'SELECT count(*), max(length(message)) < 500 FROM fp_check_combo((SELECT jsonb_build_object(\'prompt\', prompt) FROM gates WHERE id = 5))'),
	'1|t', 'and alert, in short');
$node->safe_psql('postgres', 'CALL fp_refresh()');
is($node->safe_psql('postgres', 'SELECT count(*) FROM failure_patterns'), '2', 'the same at the next refresh');
$node->stop;
done_testing();
