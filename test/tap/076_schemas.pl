# The main paths with failpat in public, in a schema of its name, and in one
# whose name needs every kind of quoting; called by a session whose search_path
# leads to none of them. With the default settings, a pattern is there within
# 15 seconds of the commit that made it significant.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

my $node = PostgreSQL::Test::Cluster->new('schemas');
$node->init;
$node->append_conf('postgresql.conf', "failpat.async = on\nfsync = off\n");
$node->start;
my $db;
my $schema;

# A query whose S is the schema.
sub sql
{
	my ($query) = @_;
	$query =~ s/\bS\./$schema./g;
	return $node->safe_psql($db, "SET search_path = pg_catalog; $query");
}

# Waits until a query says t, and how long that was.
sub soon
{
	my ($query, $what) = @_;
	my $began = time;

	while (time - $began < 15)
	{
		if (sql($query) eq 't')
		{
			note(sprintf '%.1f s', time - $began);
			return pass($what);
		}
		sleep 0.2;
	}
	fail($what);
	diag(sql('SELECT to_jsonb(s) FROM S.fp_status() s'));
	diag(sql('SELECT description FROM S.failure_patterns ORDER BY id'));
	return 0;
}

# 700 runs of seven tools, one of which fails more often than the others.
sub runs
{
	my ($bad) = @_;
	return qq{INSERT INTO plat.runs (at, tool, alloys, weight, failed, job)
		SELECT now() - i % 20 * interval '1 day', 1 + i % 7, ARRAY['a' || i % 4, 'b' || i % 5], i % 9, i % 20 = 0 OR 1 + i % 7 = $bad AND i % 11 > 3, 'j' || i
		FROM generate_series(1, 700) i};
}

my @schemas = ('public', 'failpat', 'Fail "Pat" ü');
for my $n (0 .. 2)
{
	my $at = "in $schemas[$n]";

	$db = "in_$n";
	$schema = '"' . ($schemas[$n] =~ s/"/""/gr) . '"';
	$node->safe_psql('postgres', "CREATE DATABASE $db");
	$node->safe_psql($db, "CREATE SCHEMA IF NOT EXISTS $schema; CREATE EXTENSION failpat SCHEMA $schema");
	sql(<<'SQL');
CREATE SCHEMA plat;
CREATE TABLE plat.tools (id int PRIMARY KEY, name text);
INSERT INTO plat.tools SELECT i, 'Tool no. ' || i FROM generate_series(1, 7) i;
CREATE TABLE plat.runs (id bigserial PRIMARY KEY, at timestamptz, tool int, alloys text[], weight int, failed boolean, job text);
CREATE VIEW plat.judged AS SELECT id AS source_key, id AS obs_key, at AS observed_at, failed, CASE WHEN failed THEN '{heat}'::text[] END AS failed_checks,
    job, tool, alloys, weight FROM plat.runs;
SELECT S.fp_attach('runs', 'plat.judged', '{"plat.runs": "id"}',
    '{"tool": {"label_table": "plat.tools", "title": "tool"}, "weight": {"kind": "ordinal"}}');
SQL
	# by the worker
	sql(runs(3));
	soon("SELECT bool_or(description ILIKE 'tool Tool no. 3 fails') FROM S.failure_patterns WHERE status = 'active'", "$at: a pattern, by the worker");
	# committed just after a refresh began: the worker waits for failpat.refresh_interval
	sql(runs(5));
	soon("SELECT bool_or(description ILIKE 'tool Tool no. 5 fails') FROM S.failure_patterns WHERE status = 'active'", "$at: the next one, at most 15 s after its commit");
	soon("SELECT worker = 'idle' AND dirty_buckets = 0 AND error IS NULL AND worker_error IS NULL AND observations = 1400 AND failures = (SELECT count(*) FROM plat.runs WHERE failed) FROM S.fp_status()",
		"$at: all is counted");

	# what reads
	my $id = sql("SELECT id FROM S.failure_patterns WHERE description ILIKE 'tool Tool no. 3 fails'");
	my $combo = q{'{"tool": 3}'};
	my %reads = (
		'failure_rate_ci' => [ "SELECT (S.failure_rate_ci(failed)).trials FROM plat.runs", 1400 ],
		'fp_patterns' => [ "SELECT bool_or(p.conditions = '{\"tool\": \"3\"}') FROM S.fp_patterns((SELECT S.rollup(c.cube) FROM S.fp_cubes c)) p", 't' ],
		'fp_explain' => [ "SELECT count(*) > 3 FROM S.fp_explain((SELECT S.rollup(c.cube) FROM S.fp_cubes c), $combo)", 't' ],
		'fp_ladder' => [ "SELECT count(*) > 3 FROM S.fp_ladder((SELECT S.rollup(c.cube) FROM S.fp_cubes c), '{}', 'weight')", 't' ],
		'fp_check_combo' => [ "SELECT pattern_id = $id AND message LIKE '%Tool no. 3%' FROM S.fp_check_combo($combo, source => 'runs')", 't' ],
		'fp_check_combos' => [ "SELECT count(*) FROM S.fp_check_combos(ARRAY[$combo, '{\"tool\": 1}']::jsonb[], 'runs')", 1 ],
		'fp_heatmap' => [ "SELECT sum(trials) || ' ' || max(row_label) FROM S.fp_heatmap('tool', 'weight', 'runs')", '1400 Tool no. 7' ],
		'fp_heatmap_text' => [ "SELECT count(*) > 7 AND string_agg(t, '') LIKE '%Tool no. 3%' FROM S.fp_heatmap_text('tool', 'weight', 'runs', colors => false) t", 't' ],
		'fp_drilldown' => [ "SELECT count(*) FROM S.fp_drilldown($combo, 'runs', page_size => 7)", 7 ],
		'fp_drilldown of a pattern' => [ "SELECT count(*) > 0 FROM S.fp_drilldown(pattern_id => $id)", 't' ],
		'fp_trend' => [ "SELECT sum(trials) FROM S.fp_trend(source => 'runs')", 1400 ],
		'fp_changes' => [ "SELECT count(*) >= 0 FROM S.fp_changes('runs', all_dimensions => true)", 't' ],
		'fp_find_events' => [ "SELECT count(*) >= 0 FROM S.fp_find_events('runs')", 't' ],
		'fp_pattern_changes' => [ "SELECT count(*) >= 0 FROM S.fp_pattern_changes($id)", 't' ],
		'fp_predict' => [ "SELECT count(*) > 0 FROM S.fp_predict($combo, source => 'runs')", 't' ],
		'fp_retry_advice' => [ "SELECT count(*) > 0 FROM S.fp_retry_advice($combo, source => 'runs')", 't' ],
		'fp_labels' => [ "SELECT label FROM S.fp_labels('runs', 'tool', '{3}')", 'Tool no. 3' ],
		'fp_success_metrics' => [ "SELECT count(*) > 0 FROM S.fp_success_metrics('runs')", 't' ],
		'fp_api_patterns' => [ "SELECT jsonb_array_length(coalesce(p -> 'patterns', p -> 'items', p)) FROM S.fp_api_patterns(source => 'runs') p", 2 ],
		'fp_api_pattern' => [ "SELECT S.fp_api_pattern($id) IS NOT NULL", 't' ],
		'fp_api_heatmap' => [ "SELECT S.fp_api_heatmap('tool', 'weight', source => 'runs') IS NOT NULL", 't' ],
		'fp_api_trends' => [ "SELECT S.fp_api_trends($id) IS NOT NULL", 't' ],
		'fp_api_alerts' => [ "SELECT S.fp_api_alerts(combo => $combo, source => 'runs')::text LIKE '%Tool no. 3%'", 't' ],
		'fp_api_fixes' => [ "SELECT S.fp_api_fixes($id) IS NOT NULL", 't' ],
		'a session without a search_path' => [ "SET search_path = ''; SELECT count(*) FROM S.fp_check_combo($combo, source => 'runs')", 1 ],
	);
	is(sql($reads{$_}->[0]), $reads{$_}->[1], "$at: $_") for sort keys %reads;

	# what writes
	is(sql("SELECT S.fp_rate_fix(S.fp_record_fix($id, 'colder', '{\"heat\": 6}', 1), 'improved')"), 't', "$at: a fix");
	is(sql("SELECT S.fp_mute($id, 1) IS NOT NULL; SELECT count(*) FROM S.fp_check_combo($combo, source => 'runs', for_user => 1)"), "t\n0", "$at: muted");
	is(sql("SELECT S.fp_unmute($id, 1); SELECT count(*) FROM S.fp_check_combo($combo, source => 'runs', for_user => 1)"), "t\n1", "$at: and no more");
	is(sql("SET failpat.log_alerts = on; SELECT S.fp_log_alert(ARRAY[$id]::bigint[], $combo)"), '1', "$at: an alert is logged");
	is(sql("SELECT S.fp_record_event('release', 'new drivers', source => 'runs') > 0"), 't', "$at: an event");
	sql("SELECT S.fp_create_dashboard_views('plat', 'runs'); REFRESH MATERIALIZED VIEW CONCURRENTLY plat.fp_dashboard_heatmaps");
	is(sql("SELECT sum(trials) FROM plat.fp_dashboard_buckets"), '1400', "$at: views for a dashboard");
	sql("SET failpat.max_key_locks = 1000; UPDATE S.fp_sources SET refresh = 'sync'; " . runs(2));
	is(sql("SELECT status FROM S.failure_patterns WHERE description ILIKE 'tool Tool no. 2 fails'"), 'active', "$at: refreshed by the writer");
	sql("BEGIN ISOLATION LEVEL SERIALIZABLE; UPDATE S.fp_sources SET refresh = 'manual'; COMMIT");
	sql('BEGIN ISOLATION LEVEL SERIALIZABLE; ' . runs(2) . '; COMMIT');
	is(sql("SELECT pending_keys FROM S.fp_status()"), '700', "$at: what a serializable transaction wrote waits");
	sql("CALL S.fp_refresh('runs')");
	is(sql("SELECT observations || ' ' || pending_keys || ' ' || dirty_buckets FROM S.fp_status()"), '2800 0 0', "$at: and is read by fp_refresh");
	is(sql("SELECT S.fp_rebuild('runs') > 0"), 't', "$at: marked to be counted again");
	sql("CALL S.fp_backfill('runs', restart => true); CALL S.fp_refresh()");
	is(sql("SELECT observations || ' ' || (SELECT sum(c.observations) FROM S.fp_cubes c) FROM S.fp_status()"), '2800 2800', "$at: loaded and counted again");
	is(sql("SELECT count(*) FROM S.failure_patterns WHERE source = 'runs' AND status = 'active'"), '3', "$at: with its patterns");

	# an error of a capture is one of the statement only where that is asked for
	sql('ALTER TABLE S.fp_observations ADD CONSTRAINT no CHECK (dims ->> \'tool\' <> \'6\') NOT VALID');
	is(sql("INSERT INTO plat.runs (at, tool, failed) VALUES (now(), 6, true); SELECT error LIKE '%\"no\"%' AND pending_keys = 1 FROM S.fp_status()"), 't',
		"$at: an error of a capture is not one of the statement");
	my ($rc, $out, $err) = $node->psql($db, "SET failpat.capture_errors = 'raise'; INSERT INTO plat.runs (at, tool, failed) VALUES (now(), 6, true)");
	like($err, qr/violates check constraint "no"/, "$at: failpat.capture_errors = 'raise' makes it one");
	is(sql('SELECT count(*) FROM plat.runs WHERE tool = 6'), sql('SELECT count(*) FROM S.fp_observations WHERE dims ->> \'tool\' = \'6\'') + 1, "$at: and that statement wrote nothing");
	sql("ALTER TABLE S.fp_observations DROP CONSTRAINT no; CALL S.fp_refresh()");
	is(sql("SELECT error IS NULL AND pending_keys = 0 AND observations = 2801 FROM S.fp_status()"), 't', "$at: caught up");

	# and away
	sql("SELECT S.fp_detach('runs'); DROP MATERIALIZED VIEW plat.fp_dashboard_heatmaps, plat.fp_dashboard_values, plat.fp_dashboard_buckets; DROP EXTENSION failpat");
	is(sql("SELECT count(*) FROM pg_trigger t WHERE NOT t.tgisinternal"), '0', "$at: no trigger is left");
	sql(runs(1));
}
$node->stop;
unlike(slurp_file($node->logfile), qr/TRAP|PANIC|terminated by signal/, 'no process crashed');
done_testing();
