# ALTER EXTENSION UPDATE leads to what a fresh installation has, and keeps what
# was learnt: from each version that sql/upgrade leads from, and from a made-up
# 0.9 (1.0 is the first release), so that the way is trodden before it is needed.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $top = $ENV{FAILPAT_TOP};

# A stage of our own, with the made-up version beside the true one.
my $stage = PostgreSQL::Test::Utils::tempdir() . '/stage';
system('cp', '-r', $ENV{FAILPAT_STAGE}, $stage) == 0 or BAIL_OUT('no copy of the stage');
chomp(my $share = qx(pg_config --sharedir));
my $scripts = "$stage$share/extension";
my ($current) = slurp_file("$scripts/failpat.control") =~ /default_version = '(.*?)'/;
my $script = slurp_file("$scripts/failpat--$current.sql");

# 0.9 has no fp_success_metrics, another fp_rfc3339, a column less in
# fp_alert_log, and less rights for PUBLIC.
my $metrics = slurp_file("$top/sql/install/72_metrics.sql");
my ($rfc3339) = $script =~ /(CREATE FUNCTION fp_rfc3339.*?END;\n)/s;
my ($columns) = $script =~ /CREATE TABLE fp_alert_log \((.*?)\n\);/s;
ok($rfc3339 && $columns && index($script, $metrics) > 0, 'what 0.9 differs in is there');
(my $old_script = $script) =~ s/\Q$metrics\E//;
$old_script =~ s/\Q$rfc3339\E/$rfc3339 =~ s{\.US}{.MS}r/e;
$old_script =~ s/\Q$columns\E/$columns =~ s{,\s*combo jsonb}{}r/e;
$old_script =~ s/COMMENT ON COLUMN fp_alert_log.combo IS .*?;\n//s;
my ($combo_comment) = $script =~ /(COMMENT ON COLUMN fp_alert_log.combo IS .*?;\n)/s;
append_to_file("$scripts/failpat--0.9.sql", $old_script . "REVOKE SELECT ON failure_patterns FROM PUBLIC;\n");
append_to_file("$scripts/failpat--0.9--$current.sql", join "\n",
	$rfc3339 =~ s/CREATE FUNCTION/CREATE OR REPLACE FUNCTION/r,
	'ALTER TABLE fp_alert_log ADD COLUMN combo jsonb;', $combo_comment,
	'GRANT SELECT ON failure_patterns TO PUBLIC;', $metrics);

my $node = PostgreSQL::Test::Cluster->new('update');
$node->init;
my $settings = slurp_file($ENV{TEMP_CONFIG});
$settings =~ s/\Q$ENV{FAILPAT_STAGE}\E/$stage/g;
$node->append_conf('postgresql.conf', "fsync = off\n$settings");
$node->start;

sub sql { my ($db, $query) = @_; return $node->safe_psql($db, $query) }

sub catalog_of
{
	my ($db) = @_;
	return sql($db, slurp_file("$top/test/fixtures/catalog.sql"));
}

sub what_differs
{
	my ($is, $was) = @_;
	my %count;
	$count{$_}++ for split /\n/, $is;
	$count{$_}-- for split /\n/, $was;
	return join "\n", map { ($count{$_} > 0 ? '+ ' : '- ') . $_ } grep { $count{$_} } sort keys %count;
}

sql('postgres', 'CREATE DATABASE fresh');
sql('fresh', 'CREATE SCHEMA "Fail ""Pat"" ü"; CREATE EXTENSION failpat SCHEMA "Fail ""Pat"" ü"');
my $fresh = catalog_of('fresh');
cmp_ok(scalar(split /\n/, $fresh), '>', 300, 'a fresh installation has its objects');
unlike($fresh, qr/NO COMMENT/, 'and each has a comment');

my @versions = split /\n/,
  sql('postgres', "SELECT source FROM pg_extension_update_paths('failpat') WHERE target = '$current' AND path IS NOT NULL ORDER BY 1");
ok((grep { $_ eq '0.9' } @versions), 'there is a way from 0.9');
for my $version (@versions)
{
	(my $db = "from_$version") =~ tr/./_/;
	sql('postgres', "CREATE DATABASE $db");
	sql($db, qq{CREATE SCHEMA "Fail ""Pat"" ü";
		CREATE EXTENSION failpat SCHEMA "Fail ""Pat"" ü" VERSION '$version';
		SET search_path = "Fail ""Pat"" ü", public;
		CREATE TABLE public.gates (id bigint PRIMARY KEY, tool text, failed boolean);
		CREATE VIEW public.seen AS SELECT id AS source_key, id AS obs_key, now() AS observed_at, failed, '{}'::text[] AS failed_checks, tool FROM gates;
		SELECT fp_attach('gates', 'seen', '{"public.gates": "id"}', refresh => 'manual');
		INSERT INTO gates SELECT g, 'T' || g % 3, g % 3 = 0 OR g % 17 = 0 FROM generate_series(1, 600) g;
		CALL fp_refresh()});
	isnt(what_differs(catalog_of($db), $fresh), '', "$version is another version");
	my $learnt = qq{SET search_path = "Fail ""Pat"" ü"; SELECT id, pattern_key, first_detected_at, total_count FROM failure_patterns};
	my $before = sql($db, $learnt);
	# until then this library has the objects of that version, and answers as after it
	my $asked = qq{SET search_path = "Fail ""Pat"" ü", public;
		SELECT severity, message, failure_rate FROM fp_check_combo('{"tool": "T0"}', source => 'gates');
		SELECT * FROM fp_predict('{"tool": "T0"}', source => 'gates');
		SELECT trials, failures, rate FROM fp_trend(source => 'gates') WHERE trials > 0;
		SELECT p.conditions, p.failures, p.trials FROM fp_cubes c, fp_patterns(c.cube) p;
		SELECT observations, failures, error FROM fp_status()};
	my $answers = sql($db, $asked);
	like($answers, qr/Tool T0 fails: 100 % of 200 observations.*\n600\|224\|$/s, "$version, with this library: answers");
	my $session = $node->background_psql($db, on_error_stop => 0);
	$session->query("INSERT INTO gates VALUES (20000, 'U', false)");
	sql($db, "ALTER EXTENSION failpat UPDATE");
	$session->query("INSERT INTO gates VALUES (20001, 'U', false)");
	is($session->{stderr}, '', "from $version: a session goes on over it");
	$session->quit;
	is(sql($db, q{SELECT string_agg(obs_key, ' ' ORDER BY obs_key) FROM "Fail ""Pat"" ü".fp_observations WHERE obs_key LIKE '2000_';
		DELETE FROM gates WHERE id > 10000; DELETE FROM "Fail ""Pat"" ü".fp_observations WHERE obs_key LIKE '2000_'}), '20000 20001', "from $version: and captures");
	is(sql($db, $asked), $answers, "from $version: and it gives the same answers");
	is(what_differs(catalog_of($db), $fresh), '', "from $version: as a fresh installation");
	is(sql($db, $learnt), $before, "from $version: what was learnt is there");
	sql($db, q{INSERT INTO gates SELECT g, 'T' || g % 3, g % 3 = 0 OR g % 17 = 0 FROM generate_series(601, 900) g;
		CALL "Fail ""Pat"" ü".fp_refresh()});
	is(sql($db, $learnt . ' WHERE total_count = 300'), $before =~ s/200$/300/r, "from $version: capture and refresh go on");
}

# Each C function that SQL names, now or in an older version, is in the library.
my %symbols = map { $_ => 1 } map { slurp_file($_) =~ /'MODULE_PATHNAME',\s*'(\w+)'/g } glob "$scripts/failpat--*.sql";
my @missing = grep { system("nm -D '$stage'\$(pg_config --pkglibdir)/failpat.so | grep -q ' T pg_finfo_$_\$'") != 0 } sort keys %symbols;
cmp_ok(scalar(keys %symbols), '>', 50, 'SQL names functions in C');
is("@missing", '', 'each is in the library');

# This library with the objects of later versions, made up too: columns that they
# add it does not miss, as long as they may be NULL; where they take away what it writes to it says so and keeps the
# keys; and what needs a later library does not get in.
append_to_file("$scripts/failpat--$current--1.1x.sql", join '', map { "ALTER TABLE $_ ADD COLUMN later text;\n" }
	qw(fp_observations fp_dirty fp_pending fp_missed fp_sources fp_source_state fp_cubes failure_patterns));
append_to_file("$scripts/failpat--1.1x--1.2x.sql", 'ALTER TABLE fp_observations RENAME failed_checks TO checks;');
append_to_file("$scripts/failpat--1.2x--1.3x.sql", "CREATE FUNCTION fp_later() RETURNS int LANGUAGE c AS 'MODULE_PATHNAME', 'failpat_later';");
sql('postgres', 'CREATE DATABASE later');
sql('later', q{CREATE EXTENSION failpat;
	CREATE TABLE gates (id bigint PRIMARY KEY, tool text, failed boolean);
	CREATE VIEW seen AS SELECT id AS source_key, id AS obs_key, now() AS observed_at, failed, '{}'::text[] AS failed_checks, tool FROM gates;
	SELECT fp_attach('gates', 'seen', '{"gates": "id"}', refresh => 'manual');
	INSERT INTO gates SELECT g, 'T' || g % 3, g % 3 = 0 OR g % 17 = 0 FROM generate_series(1, 600) g;
	CALL fp_refresh()});
# a session that has all of it in its caches, and new ones
my $old = $node->background_psql('later', on_error_stop => 0);
my $next = 600;
sub told
{
	my ($insert) = @_;
	my $told = '';
	for my $session ($old, undef)
	{
		my $from = $next + 1;
		$next += 150;
		my $query = "INSERT INTO gates SELECT g, 'T' || g % 3, g % 3 = 0 OR g % 17 = 0 FROM generate_series($from, $next) g";
		if ($session)
		{
			$session->query($query);
			$told .= $session->{stderr};
			$session->{stderr} = '';
		}
		else
		{
			my ($rc, $out, $err) = $node->psql('later', $query, on_error_stop => 1);
			is($rc, 0, 'later objects: written');
			$told .= $err;
		}
	}
	is(sql('later', 'SELECT count(*) FROM gates'), $next, 'later objects: all of it');
	return $told;
}
my $known = q{SELECT observations, failures, pending_keys, error FROM fp_status();
	SELECT pattern_key, failure_count, total_count FROM failure_patterns;
	SELECT message FROM fp_check_combo('{"tool": "T0"}')};
my $all = 'SELECT count(*), count(*) FILTER (WHERE failed) FROM gates';
sql('later', "ALTER EXTENSION failpat UPDATE TO '1.1x'");
is(told(), '', 'more columns: captured without a word');
sql('later', 'CALL fp_refresh()');
like(sql('later', $known), qr/^\Q@{[sql('later', $all)]}\E\|0\|\n.*\|300\|300\n.*300/, 'more columns: refreshed, and found');
sql('later', "ALTER EXTENSION failpat UPDATE TO '1.2x'");
my $warned = told();
is(scalar(() = $warned =~ /WARNING:  failpat could not capture rows of source "gates": .*fp_observations is not that of this version/g), 2,
	'a column less: a warning says that versions differ') or diag($warned);
is(scalar(() = $warned =~ /kept in fp_pending/g), 2, 'a column less: and that nothing is lost');
my ($rc, $out, $err) = $node->psql('later', "SELECT message FROM fp_check_combo('{\"tool\": \"T0\"}')");
is("$rc$err", '0', 'a column less: alerts go on');
like($out, qr/300/, 'a column less: with what is known');
($rc, $out, $err) = $node->psql('later', "ALTER EXTENSION failpat UPDATE TO '1.3x'");
like($err, qr/ERROR:  could not find function "failpat_later" in file/, 'a function more: the update is refused');
is(sql('later', "SELECT extversion FROM pg_extension WHERE extname = 'failpat'"), '1.2x', 'a function more: as a whole');
sql('later', 'ALTER TABLE fp_observations RENAME checks TO failed_checks; CALL fp_refresh()');
like(sql('later', $known), qr/^\Q@{[sql('later', $all)]}\E\|0\|\n.*\|400\|400\n.*400/, 'in step again, nothing was lost');
$old->quit;
$node->stop;
done_testing();
