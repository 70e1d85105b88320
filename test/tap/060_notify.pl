# New regressions arrive on channel failpat, each once; and a writer's
# transaction can be prepared whatever a refresh within it would like to tell.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('notify');
$node->init;
$node->append_conf('postgresql.conf', 'max_prepared_transactions = 2');
$node->start;
$node->safe_psql('postgres', <<'SQL');
CREATE EXTENSION failpat;
CREATE TABLE runs (id serial PRIMARY KEY, at timestamptz, failed boolean, tool text);
CREATE VIEW judged AS SELECT id AS source_key, id AS obs_key, at AS observed_at, failed, NULL::text[] AS failed_checks, tool FROM runs;
SELECT fp_attach('runs', 'judged', '{"public.runs": "id"}', window_length => '100 years');
CREATE FUNCTION make_runs(first int, last int, rate int) RETURNS void LANGUAGE sql AS $$
    INSERT INTO runs (at, failed, tool)
    SELECT timestamptz '2026-01-01' + n * interval '1 day', (i * 37 + n * 11) % 100 < rate, 'x' || repeat('ü', 3000)
    FROM generate_series(first, last) n, generate_series(0, 99) i $$;
SELECT make_runs(0, 30, 10);
CALL fp_refresh();
SQL

sub told
{
	my $out = $node->safe_psql('postgres', "LISTEN failpat; $_[0]; SELECT 1");
	return grep { /"failpat" with payload/ } split /\n/, $out;
}

is(scalar(told('CALL fp_refresh()')), 0, 'nothing to tell');
my @told = told('SELECT make_runs(31, 36, 50); CALL fp_refresh()');
is(scalar(@told), 1, 'a regression of everything, and of its only value, is told once');
like($told[0], qr/"event": "regression"/, 'as JSON');
like($told[0], qr/2026-02-01/, 'with its place');
is(scalar(grep { length > 8500 } @told), 0, 'and short, however long the value');
is(scalar(told('CALL fp_refresh()')), 0, 'once');
is(scalar(told('SELECT make_runs(37, 38, 50); CALL fp_refresh()')), 0, 'and not again while it lasts');
is(scalar(told('SELECT make_runs(39, 50, 5); CALL fp_refresh()')), 0, 'an improvement is not told');
is(scalar(told('SELECT make_runs(51, 60, 60); CALL fp_refresh()')), 1, 'the next regression is');

$node->safe_psql('postgres', "UPDATE fp_sources SET refresh = 'sync'");
$node->safe_psql('postgres', "BEGIN; INSERT INTO runs (at, failed, tool) SELECT timestamptz '2026-03-03' + i * interval '1 minute', true, 'y' FROM generate_series(1, 90) i; PREPARE TRANSACTION 'p'");
$node->safe_psql('postgres', "COMMIT PREPARED 'p'");
is($node->safe_psql('postgres', "SELECT count(*) FROM runs WHERE tool = 'y'"), '90', 'a prepared writer is not refused');

# a background worker tells too
my $ear = $node->background_psql('postgres');
my $heard = $ear->query_safe('LISTEN failpat');
$node->safe_psql('postgres', "UPDATE fp_sources SET refresh = 'async'; SET failpat.async = on; SELECT make_runs(61, 72, 5)");
$node->safe_psql('postgres', "SET failpat.async = on; SET failpat.refresh_interval = '1s'; SELECT make_runs(73, 84, 60)");
for (1 .. 150)
{
	last if ($heard .= $ear->query_safe('SELECT pg_sleep(0.1)')) =~ /"failpat" with payload/;
}
like($heard, qr/"event": "regression"/, 'a regression that a background worker finds');
$ear->quit;
$node->stop;
done_testing();
