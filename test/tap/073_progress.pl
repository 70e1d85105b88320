# How far a long refresh or backfill is can be seen while it runs: in fp_status(),
# as of the last transaction, and in the title of the process. It is stopped in
# the middle, by triggers that wait, and looked at.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

my $node = PostgreSQL::Test::Cluster->new('progress');
$node->init;
$node->append_conf('postgresql.conf', "failpat.async = off\nautovacuum = off\n");
$node->start;

sub sql { return $node->safe_psql('postgres', $_[0]); }

sql(<<'SQL');
CREATE EXTENSION failpat;
CREATE TABLE runs (id int PRIMARY KEY, at timestamptz, failed boolean, tool text);
INSERT INTO runs SELECT i, date_trunc('day', now(), 'UTC') - i % 40 * interval '1 day', i % 7 = 0, 'x' || i % 3
FROM generate_series(1, 2000) i;
CREATE VIEW judged AS SELECT id AS source_key, id AS obs_key, at AS observed_at, failed, NULL::text[] AS failed_checks, tool FROM runs;
SELECT fp_attach('runs', 'judged', '{"public.runs": "id"}', refresh => 'manual', history => 'later');
-- waits at the row that the condition of its trigger names (not for the lock
-- itself: such waits are bounded in a capture)
CREATE FUNCTION wait_here() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    WHILE NOT pg_catalog.pg_try_advisory_xact_lock_shared(4711) LOOP
        PERFORM pg_catalog.pg_sleep(0.05);
    END LOOP;
    RETURN NULL;
END $$;
SQL

my $holder = $node->background_psql('postgres', on_error_die => 1);
$holder->query_safe('SELECT 1');

# Runs a command until a trigger stops it, and looks; then lets it go on.
sub stopped_in
{
	my ($command, $looks) = @_;
	$holder->query_safe('SELECT pg_advisory_lock(4711)');
	my $worker = $node->background_psql('postgres', on_error_die => 1);
	my $pid = $worker->query_safe('SELECT pg_backend_pid()');
	$pid =~ s/\D//g;
	$worker->query_until(qr/^started/m, "\\echo started\n$command;\n\\echo over\n");
	my $waits = "SELECT coalesce(wait_event = 'PgSleep', false) FROM pg_stat_activity WHERE pid = $pid";
	$node->poll_query_until('postgres', $waits) or die "it did not stop";
	$looks->($pid);
	$holder->query_safe('SELECT pg_advisory_unlock(4711)');
	$worker->query_until(qr/^over/m, '');
	$worker->quit;
	return;
}

sub title
{
	my $title = slurp_file("/proc/$_[0]/cmdline");
	$title =~ s/[\0 ]+$//;
	return $title;
}

my $status = q{SELECT coalesce(step, '-') || ' ' || coalesce(round(step_done::numeric, 3)::text, '-') FROM fp_status()};
is(sql($status), '- -', 'nothing is going on');

# 250 keys at a time, in their order
sql(q{CREATE TRIGGER wait_here AFTER INSERT ON fp_observations FOR EACH ROW WHEN (NEW.obs_key = '100') EXECUTE FUNCTION wait_here()});
stopped_in('CALL fp_backfill()', sub {
	is(sql($status), '- -', 'a backfill has not got far');
});
sql(q{DROP TRIGGER wait_here ON fp_observations;
CREATE TRIGGER wait_here AFTER INSERT OR UPDATE ON fp_observations FOR EACH ROW WHEN (NEW.obs_key = '1100') EXECUTE FUNCTION wait_here();
DELETE FROM fp_observations;});
stopped_in('CALL fp_backfill(restart => true)', sub {
	is(sql($status), 'backfill 0.500', 'a backfill: how much is loaded');
	like(title($_[0]), qr/ loading 50%$/, '... in the process title');
});
sql('DROP TRIGGER wait_here ON fp_observations');
is(sql($status), '- -', 'all is loaded');
is(sql('SELECT backfill_rows, backfill_size FROM fp_source_state'), '2000|2000', '... by rows');

# 40 buckets, 16 in a transaction
sql(q{CREATE TRIGGER wait_here AFTER INSERT ON fp_cubes FOR EACH ROW
WHEN (NEW.bucket = date_trunc('day', now(), 'UTC') - interval '20 days') EXECUTE FUNCTION wait_here()});
stopped_in('CALL fp_refresh()', sub {
	is(sql($status), 'cubes 0.400', 'a refresh counts buckets: 16 of 40');
	like(title($_[0]), qr/ counting 47%$/, '... and is at the twentieth');
});
is(sql($status), '- -', 'it got through');
is(sql('SELECT count(*) FROM fp_cubes'), '40', 'and counted all');

# all spans, 32 in a transaction
my $spans = sql('SELECT count(*) FROM fp_spans');
cmp_ok($spans, '>', 32, 'there are spans');
sql(q{DROP TRIGGER wait_here ON fp_cubes; DELETE FROM fp_spans;
CREATE TRIGGER wait_here AFTER INSERT ON fp_spans FOR EACH ROW WHEN (NEW.level = 4) EXECUTE FUNCTION wait_here()});
stopped_in('CALL fp_refresh()', sub {
	like(sql($status), qr/^spans (?:0\.\d+|1\.000)$/, 'a refresh adds buckets up');
	like(title($_[0]), qr/ adding up \d+%$/, '... in the process title');
});
sql('DROP TRIGGER wait_here ON fp_spans');
is(sql('SELECT count(*) FROM fp_spans'), $spans, 'all are there again');

# what comes next is told before it is begun
sql(q{CREATE TRIGGER wait_here AFTER INSERT OR UPDATE ON fp_models FOR EACH ROW EXECUTE FUNCTION wait_here(); DELETE FROM fp_models;});
stopped_in('CALL fp_refresh()', sub { is(sql($status), 'model -', 'a model is being fitted'); });
sql('DROP TRIGGER wait_here ON fp_models');

# one that is interrupted leaves where it was
sql(q{CREATE FUNCTION fail_here() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_catalog.pg_cancel_backend(pg_catalog.pg_backend_pid()); PERFORM pg_catalog.pg_sleep(1); RETURN NULL; END $$;
CREATE TRIGGER fail_here AFTER UPDATE ON fp_cubes FOR EACH ROW WHEN (NEW.bucket = date_trunc('day', now(), 'UTC') - interval '20 days') EXECUTE FUNCTION fail_here();
UPDATE runs SET failed = NOT failed});
my ($code) = $node->psql('postgres', 'CALL fp_refresh()');
isnt($code, 0, 'cancelled');
is(sql($status), 'cubes 0.400', '... at 16 of 40 buckets');
sql(q{DROP TRIGGER fail_here ON fp_cubes; CALL fp_refresh()});
is(sql($status), '- -', '... and then done');
$holder->quit;
$node->stop;
done_testing();
