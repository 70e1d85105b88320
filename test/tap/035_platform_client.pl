# The platform's statements as its driver sends them: prepared on the server,
# parameters and results in binary, types checked strictly (test/client/platform.c).
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('platform');
$node->init;
$node->start;
$node->safe_psql('postgres', q{
	CREATE SCHEMA failpat;
	CREATE EXTENSION failpat SCHEMA failpat;
	CREATE TABLE gates (id bigint PRIMARY KEY, workflow bigint, avatar bigint, failed boolean, at timestamptz DEFAULT now());
	CREATE VIEW seen AS SELECT id AS source_key, id AS obs_key, at AS observed_at, failed,
		CASE WHEN failed THEN '{x}'::text[] ELSE '{}' END AS failed_checks, workflow, avatar AS character FROM gates;
	SET search_path = failpat, public;
	SELECT fp_attach('segments', 'public.seen', '{"public.gates": "id"}');
	INSERT INTO public.gates SELECT g, g % 3, g % 10, g % 10 = 5 AND g % 4 > 0 OR g % 97 = 0 FROM generate_series(1, 6000) g;
	CALL fp_refresh();
});
is($node->safe_psql('postgres', 'SELECT id, pattern_key, severity FROM failpat.failure_patterns'),
	'1|c:5|high', 'the pattern that the platform will read');

# without rights of its own but those on the two tables, as it states them
$node->safe_psql('postgres', q{
	CREATE ROLE api LOGIN;
	GRANT USAGE ON SCHEMA failpat TO api;
	GRANT SELECT, INSERT, UPDATE, DELETE ON failpat.failure_patterns, failpat.pattern_fixes TO api;
	GRANT USAGE ON ALL SEQUENCES IN SCHEMA failpat TO api;
	GRANT EXECUTE ON FUNCTION failpat.fp_api_trends, failpat.fp_api_heatmap TO api;
	GRANT SELECT ON failpat.fp_cubes TO api;
	ALTER ROLE api SET search_path = failpat, public;
});
my $program = PostgreSQL::Test::Utils::tempdir() . '/platform';
my ($includes, $libraries) = map { my $path = qx(pg_config $_); chomp $path; $path } '--includedir', '--libdir';
system('gcc', '-std=gnu11', '-Wall', '-Wextra', '-Werror', "-I$includes", '-o', $program,
	"$ENV{FAILPAT_TOP}/test/client/platform.c", "-L$libraries", '-lpq') == 0
  or BAIL_OUT('test/client/platform.c does not compile');
my @lines = split /\n/, qx($program '@{[ $node->connstr('postgres') ]} user=api' 2>&1);
for (@lines)
{
	/^(ok|not ok) - (.*)/ ? ok($1 eq 'ok', $2) : diag($_);
}
is($?, 0, 'it ends well');
cmp_ok(scalar(grep { /^ok/ } @lines), '>=', 30, 'after all of its checks');
done_testing();
