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
	sql($db, "ALTER EXTENSION failpat UPDATE");
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
done_testing();
