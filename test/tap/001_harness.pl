# The TAP harness itself: a server of our own starts, loads failpat from the
# stage, and survives an immediate stop.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION failpat');
$node->stop('immediate');
$node->start;
is( $node->safe_psql(
		'postgres',
		"SELECT count(*) FROM pg_extension WHERE extname = 'failpat'"),
	'1',
	'the extension is there after a crash');
$node->stop;

done_testing();
