# Eight SERIALIZABLE clients write checks of 400 segments of the platform, in
# their own order: none fails with 40001 because of failpat, also while
# refreshes run, in a database where SERIALIZABLE is the default.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $seconds = $ENV{FAILPAT_SERIALIZABLE_SECONDS} // 4;
my $top = $ENV{FAILPAT_TOP};
my $node = PostgreSQL::Test::Cluster->new('serializable');
$node->init;
$node->append_conf('postgresql.conf', "fsync = off\ndefault_transaction_isolation = serializable\n");
$node->start;
$node->safe_psql('postgres', "\\set naming avatar\n\\i $top/test/fixtures/prd49.sql\n" . <<'SQL');
CREATE EXTENSION failpat;
INSERT INTO projects (name) VALUES ('Glass Harbour');
INSERT INTO avatars (project_id, name) VALUES (1, 'Ada');
INSERT INTO scene_types (name, slug) SELECT 'type ' || g, 'type' || g FROM generate_series(1, 20) g;
INSERT INTO scenes (avatar_id, scene_type_id) SELECT 1, g FROM generate_series(1, 20) g;
INSERT INTO segments (scene_id, sequence_index) SELECT s, i FROM generate_series(1, 20) s, generate_series(0, 19) i;
SQL
append_to_file($node->basedir . '/one.sql', <<'SQL');
\set s random(1, 400)
\set c random(1, 6)
INSERT INTO quality_scores (segment_id, check_type, score, status) VALUES (:s, 'check' || :c, 0.5, CASE WHEN :c = 6 THEN 'fail' ELSE 'pass' END);
SQL
append_to_file($node->basedir . '/two.sql', <<'SQL');
\set s random(1, 400)
\set t random(1, 400)
BEGIN;
INSERT INTO quality_scores (segment_id, check_type, score, status) VALUES (:s, 'face', 0.5, 'pass');
INSERT INTO quality_scores (segment_id, check_type, score, status) VALUES (:t, 'face', 0.5, 'fail');
COMMIT;
SQL

sub failures
{
	my ($name) = @_;
	my $dir = $node->basedir;
	my ($out, $err) = ('', '');
	my $refresh = $name =~ /refresh/ ? IPC::Run::start([ 'pgbench', '-n', '-c', '1', '-T', $seconds, '-h', $node->host, '-p', $node->port,
		'-f', $dir . '/refresh.sql', 'postgres' ], '>', \my $o, '2>', \my $e) : undef;
	IPC::Run::run([ 'pgbench', '-n', '-c', '8', '-j', '2', '-T', $seconds, '-h', $node->host, '-p', $node->port,
		'-f', "$dir/one.sql", '-f', "$dir/two.sql", 'postgres' ], '>', \$out, '2>', \$err) or diag($err);
	if ($refresh)
	{
		$refresh->finish;
		unlike($e, qr/ERROR/, 'nor does a refresh fail');
	}
	my ($done) = $out =~ /transactions actually processed: (\d+)/;
	my ($failed) = $out =~ /number of failed transactions: (\d+)/;
	cmp_ok($done, '>', 500, "$name: enough was written to tell");
	note("$name: $done done, $failed failed");
	return $failed;
}

append_to_file($node->basedir . '/refresh.sql', "CALL fp_refresh();\n\\sleep 200 ms\n");
is(failures('without failpat'), '0', 'without failpat no transaction fails');
$node->safe_psql('postgres', 'SELECT fp_attach_prd49()');
is(failures('with failpat'), '0', 'nor with it');
is(failures('with failpat, while refreshes run'), '0', 'nor while refreshes run');
$node->safe_psql('postgres', 'CALL fp_refresh()');
is($node->safe_psql('postgres', <<'SQL'), '0', 'observations are what the scores say');
SELECT count(*) FROM (SELECT segment_id::text AS key, bool_or(status = 'fail') AS failed FROM quality_scores GROUP BY 1) q
FULL JOIN fp_observations o ON o.obs_key = q.key WHERE q.failed IS DISTINCT FROM o.failed
SQL
$node->stop;
done_testing();
