# Alerts, predictions and the API's answers on a hot standby; patterns with their
# fixes, notes and mutes through dump and restore.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $primary = PostgreSQL::Test::Cluster->new('primary');
$primary->init(allows_streaming => 1);
$primary->start;
$primary->safe_psql('postgres', q{
	CREATE SCHEMA "Fail ""Pat"" ü";
	CREATE EXTENSION failpat SCHEMA "Fail ""Pat"" ü";
	CREATE ROLE reader LOGIN;
	GRANT USAGE ON SCHEMA "Fail ""Pat"" ü" TO reader;
	SET search_path = "Fail ""Pat"" ü", public;
	CREATE TABLE public.assets (id bigint PRIMARY KEY, name text);
	CREATE TABLE public.asset_notes (id bigserial PRIMARY KEY, asset_id bigint REFERENCES public.assets ON DELETE CASCADE,
		related_asset_id bigint, note_text text, severity text, author_id bigint);
	INSERT INTO public.assets VALUES (2, 'two'), (3, 'three');
	INSERT INTO fp_sources (source) VALUES ('segments');
	INSERT INTO fp_dimensions (source, name, kind, position, title, label_table, label_key, label_column)
	VALUES ('segments', 'lora', 'set', 1, 'LoRA', 'public.assets', 'id', 'name'),
		('segments', 'model', 'nominal', 2, 'Model', 'public.assets', 'id', 'name');
	INSERT INTO failure_patterns (id, pattern_key, description, conditions, total_count, failure_rate)
	VALUES (1, 'm:2:l:3', 'Model two + LoRA three fails', '{"lora": "3", "model": "2"}', 100, 0.5),
		(2, 'l:3', 'LoRA three fails', '{"lora": "3"}', 100, 0.4), (3, 'l:9', 'LoRA 9 fails', '{"lora": "9"}', 100, 0.4);
	SELECT fp_record_fix(1, 'CFG 6', NULL, 7);
	SELECT fp_mute(3, 11);
	CREATE TABLE public.runs AS SELECT n AS source_key, n::text AS obs_key, now() - n / 4 % 20 * interval '1 day' AS observed_at,
		n * 2654435761 % 1000 < CASE WHEN n % 4 = 3 THEN 400 ELSE 100 END AS failed, '{}'::text[] AS failed_checks,
		n % 4 AS tool, n % 5 AS "character", n / 4 AS job FROM generate_series(1::bigint, 3000) n;
	SELECT setval('failure_patterns_id_seq', 100); -- beyond those made by hand
	SELECT fp_attach('runs', 'public.runs');
	CALL fp_refresh('runs');
});
my $check = q{SELECT string_agg(c.pattern_id || ' ' || jsonb_array_length(c.fixes), ',')
	FROM "Fail ""Pat"" ü".fp_check_combo(lora => ARRAY[3, 9], model => 2, for_user => 11) c};
is($primary->safe_psql('postgres', $check, extra_params => [ '-U', 'reader' ]),
	'1 1', 'the alert, as a role without rights');

# the same on a standby
$primary->backup('copy');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'copy', has_streaming => 1);
$standby->start;
$primary->wait_for_catchup($standby);
is($standby->safe_psql('postgres', $check, extra_params => [ '-U', 'reader' ]),
	'1 1', 'the same on a hot standby');
my $ask = q{SET search_path = "Fail ""Pat"" ü";
	SELECT probability, lower, upper, contributions FROM fp_predict('{"tool": 3}', source => 'runs');
	SELECT pass_probability, verdict, instead FROM fp_retry_advice('{"tool": 3}', source => 'runs');
	SELECT fp_api_patterns(), fp_api_pattern(1), fp_api_fixes(1), fp_api_alerts(combo => '{"tool": 3}'), fp_api_alerts();
	SELECT fp_api_trends(id), fp_api_heatmap('tool', 'avatar', source => 'runs') FROM failure_patterns WHERE source = 'runs';};
my $answers = $primary->safe_psql('postgres', $ask);
like($answers, qr/^0\.[34].*Tool 3 fails: .*"sample_count"/s, 'predictions, advice and the answers of the API');
is($standby->safe_psql('postgres', $ask), $answers, 'the same on a hot standby');
is($standby->safe_psql('postgres',
		q{SET failpat.log_alerts = on; SELECT "Fail ""Pat"" ü".fp_log_alert('{1}')}),
	'0', 'which logs nothing and raises nothing');

# All that can be asked, and all that changes something.
$primary->safe_psql('postgres', 'CREATE DATABASE asked');
$primary->safe_psql('asked', 'CREATE EXTENSION failpat');
$primary->command_ok([ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-d', $primary->connstr('asked'), '-f', "$ENV{FAILPAT_TOP}/test/fixtures/questions.sql" ],
	'a source to be asked about');
my $all = q{SELECT n || ' ' || answer(q) || ' ' || q FROM questions ORDER BY n};
my $said = $primary->safe_psql('asked', $all);
$primary->wait_for_catchup($standby);
cmp_ok(scalar(() = $said =~ /^\d+ [0-9a-f]{32} [1-9]/mg), '>=', 25, 'answers') or diag($said);
is($standby->safe_psql('asked', $all), $said, 'the standby answers each question as the primary does');
is($standby->safe_psql('asked', q{SELECT count(*) > 9, string_agg(q || ': ' || state, E'\n') FILTER (WHERE state <> '25006')
		FROM (SELECT q, state_of(q) AS state FROM changes) c}), 't|', 'what changes anything fails as the server\'s own statements do (25006)');
$standby->stop;

# dump and restore: no note is written twice, none is lost
my $dump = $primary->basedir . '/dump.sql';
$primary->command_ok([ 'pg_dump', '-f', $dump, '-d', $primary->connstr('postgres') ], 'dump');
$primary->safe_psql('postgres', 'CREATE DATABASE restored');
$primary->command_ok([ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-d', $primary->connstr('restored'), '-f', $dump ], 'restore');
is($primary->safe_psql('restored', $check, extra_params => [ '-U', 'reader' ]),
	'1 1', 'patterns, fixes and mutes are there');
is( $primary->safe_psql('restored',
		'SELECT string_agg(asset_id || note_text, E\'\n\' ORDER BY id) FROM asset_notes'),
	$primary->safe_psql('postgres',
		'SELECT string_agg(asset_id || note_text, E\'\n\' ORDER BY id) FROM asset_notes'),
	'and the notes, each once');
$primary->safe_psql('restored', q{DELETE FROM "Fail ""Pat"" ü".pattern_fixes});
is($primary->safe_psql('restored', 'SELECT count(*) FROM asset_notes'),
	'0', 'which are still linked to the fix');
$primary->stop;

done_testing();
