# More sources at a time than the table of jobs has places for, on a server
# with as many worker slots: what finds no place is told, and is refreshed all
# the same.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

my $n = 70;
my $node = PostgreSQL::Test::Cluster->new('many');
$node->init;
$node->append_conf('postgresql.conf', <<CONF);
failpat.async = on
failpat.refresh_interval = 1h
max_worker_processes = 80
CONF
$node->start;
$node->safe_psql('postgres', <<SQL);
CREATE EXTENSION failpat;
CREATE TABLE runs (id serial PRIMARY KEY, at timestamptz DEFAULT now(), failed boolean, tool text);
CREATE VIEW judged AS SELECT id AS source_key, id AS obs_key, at AS observed_at, failed, NULL::text[] AS failed_checks, tool FROM runs;
INSERT INTO runs (failed, tool) VALUES (true, 'x'), (false, 'y');
SELECT fp_attach('s' || i, 'judged', CASE WHEN i = $n THEN '{"public.runs": "id"}' ELSE '{}' END::jsonb) FROM generate_series(1, $n) i;
SQL

sub soon
{
	my ($query, $what) = @_;
	my $end = time + 30;

	while (time < $end)
	{
		return pass($what) if $node->safe_psql('postgres', $query) eq 't';
		sleep 0.1;
	}
	fail($what);
	diag($node->safe_psql('postgres', 'SELECT worker, worker_error, count(*) FROM fp_status() GROUP BY 1, 2'));
	return 0;
}

# each that has been refreshed waits for an hour if it is asked for again
soon("SELECT count(*) FILTER (WHERE fp_refresh_soon(source)) = 0 FROM fp_status() WHERE worker = 'idle' AND source <> 's$n'
	AND (SELECT count(*) < 64 FROM fp_status() WHERE worker = 'waiting')", 'all places are taken');
is($node->safe_psql('postgres', "SELECT count(*) FROM fp_status() WHERE worker = 'waiting'"), '64', 'which are 64');
my ($out, $err);
$node->psql('postgres', "INSERT INTO runs (failed, tool) VALUES (true, 'x')", stdout => \$out, stderr => \$err);
is($err, '', 'a writer of one more notices nothing');
is($node->safe_psql('postgres', "SELECT worker || ': ' || worker_error FROM fp_status() WHERE source = 's$n'"),
	'idle: workers are at as many other sources of this server as can be kept track of', 'fp_status() says why nobody comes');
$node->safe_psql('postgres', "ALTER SYSTEM SET failpat.refresh_interval = '100ms'; SELECT pg_reload_conf()");
$node->safe_psql('postgres', "SELECT fp_refresh_soon(source) FROM fp_status() WHERE worker = 'waiting' LIMIT 1");
soon("SELECT dirty_buckets = 0 AND pending_keys = 0 AND observations = 3 AND worker_error IS NULL FROM fp_status() WHERE source = 's$n'", 'where a worker ends it takes that up');
$node->stop;
done_testing();
