# failpat through pg_dump in each of its forms, and through pg_upgrade: what was
# learnt is all there, nothing is counted twice, and capture and refresh go on.
#
# FAILPAT_OLD, FAILPAT_OLD_CONFIG: where an older major is installed, and the
# settings with which its servers find failpat; then all but the upgraded
# cluster is of that major (see test/tools/upgrade-majors).
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $top = $ENV{FAILPAT_TOP};
my $old = $ENV{FAILPAT_OLD};
my $bin = qx(pg_config --bindir);
chomp $bin;
my $node;
{
	local $ENV{TEMP_CONFIG} = $old ? $ENV{FAILPAT_OLD_CONFIG} : $ENV{TEMP_CONFIG};
	$node = PostgreSQL::Test::Cluster->new('main', $old ? (install_path => $old) : ());
	# what initdb does by itself differs from major to major
	$node->init(extra => ['--data-checksums']);
}
# however slow the machine
$node->append_conf('postgresql.conf', "fsync = off\nfailpat.capture_timeout = 0");
$node->start;

sub file
{
	my ($db, @files) = @_;
	$node->command_ok([ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr($db), map { ('-f', $_) } @files ],
		"$db: " . join(' ', map { s/.*\///r } @files));
}

sub sql
{
	my ($db, $query) = @_;
	return $node->safe_psql($db, $query);
}

# A schema that sorts before the platform's tables, one that sorts after them,
# and theirs: pg_dump loads data in that order where no foreign key orders it.
# In theirs, background workers refresh whatever is committed, at once.
my %schema = (early => 'failpat', late => 'zz "Fail" ü', open => 'public');

sub create
{
	my ($db, $like) = @_;
	sql('postgres', "CREATE DATABASE $db");
	sql('postgres', "ALTER DATABASE $db SET failpat.async = on; ALTER DATABASE $db SET failpat.refresh_interval = '100ms'") if $like eq 'open';
}

# Waits for workers to come to an end with all that there is.
sub settled
{
	my ($db, $schema, $what) = @_;
	ok($node->poll_query_until($db, qq{SELECT bool_and(dirty_buckets = 0 AND pending_keys = 0 AND worker = 'idle') FROM "$schema".fp_status()}), $what);
}

# Everything that failpat keeps, as one number a table, and what is read of it.
# what fp_spans has added up, and fp_bucket_counts counted, is not dumped: the
# next refresh does it again
sub state_of
{
	my ($db, $schema, @without) = @_;
	my $quoted = '"' . ($schema =~ s/"/""/gr) . '"';
	my $without = join ', ', map { "'$_'" } @without, 'fp_spans', 'fp_bucket_counts';
	my $tables = sql($db, qq{
		SELECT string_agg(format('SELECT %L, count(*), coalesce(sum(hashtextextended(to_jsonb(t)::text, 0)::numeric), 0) FROM %s t',
			c.relname, c.oid::regclass), ' UNION ALL ' ORDER BY c.relname)
		FROM pg_class c WHERE c.relnamespace = '$quoted'::regnamespace AND c.relkind = 'r' AND c.relname NOT IN ($without)
			AND EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')});
	return sql($db, "$tables ORDER BY 1") . "\n"
	  . sql($db, qq{SET search_path = $quoted, public;
		SELECT 'heatmap', count(*), sum(trials), sum(failures) FROM fp_heatmap('scene_type', 'character', 'segments');
		SELECT 'alerts', string_agg(message, ';') FROM fp_check_combo(lora => ARRAY[3], "character" => 2, source => 'segments');
		SELECT 'triggers', count(*) FROM pg_trigger WHERE NOT tgisinternal AND tgrelid::regclass::text !~ 'fp_|failure_patterns|pattern_fixes';
		SELECT 'sequences', failure_patterns_id_seq.last_value, pattern_fixes_id_seq.last_value
		FROM failure_patterns_id_seq, pattern_fixes_id_seq});
}

# New scores are captured, and a refresh says what a count of all says.
sub goes_on
{
	my ($db, $schema, $how) = @_;
	my $quoted = '"' . ($schema =~ s/"/""/gr) . '"';
	my $async = sql($db, "SELECT refresh = 'async' FROM $quoted.fp_sources") eq 't';
	sql($db, qq{INSERT INTO quality_scores (segment_id, check_type, score, status)
		SELECT id, 'motion', 0.01, 'fail' FROM segments ORDER BY id LIMIT 50});
	settled($db, $schema, "$how: a worker comes") if $async;
	sql($db, "CALL $quoted.fp_refresh()") if !$async;
	is(sql($db, "SELECT error, worker_error FROM $quoted.fp_status()"), '|', "$how: refreshed without an error");
	is(sql($db, qq{SET search_path = $quoted, public;
		SELECT (SELECT (count(*), count(*) FILTER (WHERE failed))::text FROM fp_observations)
			= (SELECT (count(*), count(*) FILTER (WHERE failed))::text FROM fp_source_segments)
			AND (SELECT (count(*), count(*) FILTER (WHERE failed))::text FROM fp_observations)
			= (SELECT (sum((t).trials), sum((t).failures))::text FROM (SELECT fp_totals(cube) t FROM fp_cubes) x)}), 't',
		"$how: capture and refresh go on, and each observation counts once");
}

for my $db (sort keys %schema)
{
	my $quoted = '"' . ($schema{$db} =~ s/"/""/gr) . '"';
	my $attach = $db eq 'open' ? '' : "refresh => 'manual'";
	create($db, $db);
	file($db, "$top/test/fixtures/prd49.sql", "$top/test/fixtures/generate.sql");
	sql($db, qq{SELECT prd49_demo.generate(40000);
		CREATE SCHEMA IF NOT EXISTS $quoted;
		CREATE EXTENSION failpat SCHEMA $quoted;
		SET search_path = $quoted, public;
		SELECT fp_attach_prd49($attach);
		CALL fp_backfill('segments');
		CALL fp_refresh();
		SELECT fp_record_fix(id, 'CFG 6', '{"cfg": 6}', 1) FROM failure_patterns ORDER BY id LIMIT 1;
		SELECT fp_mute(id, 1) FROM failure_patterns ORDER BY id DESC LIMIT 1;
		INSERT INTO fp_events (source, kind, at, label) VALUES ('segments', 'release', now() - interval '3 days', 'new drivers');
		CALL fp_refresh()});
	settled($db, $schema{$db}, "$db: workers have done") if $db eq 'open';
	cmp_ok(sql($db, "SELECT count(*) FROM $quoted.failure_patterns WHERE status = 'active'"), '>=', 1, "$db: there is a pattern to keep");
	my $before = state_of($db, $schema{$db});
	my $dir = $node->basedir;
	my %forms = (
		plain => [ [ 'pg_dump', '-f', "$dir/$db.sql" ], [ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-f', "$dir/$db.sql" ] ],
		custom => [ [ 'pg_dump', '-Fc', '-f', "$dir/$db.custom" ], [ 'pg_restore', '-e', "$dir/$db.custom" ] ],
		parallel => [ [ 'pg_dump', '-Fd', '-j2', '-f', "$dir/$db.dir" ], [ 'pg_restore', '-e', '-j2', "$dir/$db.dir" ] ]);
	delete $forms{parallel} if $db eq 'open';
	for my $form (sort keys %forms)
	{
		my ($dump, $restore) = @{ $forms{$form} };
		my $target = "${db}_$form";
		$node->command_ok([ @$dump, '-d', $node->connstr($db) ], "$target: dumped");
		create($target, $db);
		$node->command_ok([ @$restore, '-d', $node->connstr($target) ], "$target: restored");
		is(state_of($target, $schema{$db}), $before, "$target: all is as it was");
		goes_on($target, $schema{$db}, $target);
		sql('postgres', "DROP DATABASE $target");
	}

	# section by section, as a large restore is done
	create("${db}_sections", $db);
	$node->command_ok([ 'pg_restore', '-e', "--section=$_", '-d', $node->connstr("${db}_sections"), "$dir/$db.custom" ], "section $_")
	  for 'pre-data', 'data', 'post-data';
	is(state_of("${db}_sections", $schema{$db}), $before, "$db by section: all is as it was");

	# the data alone into a database that has the schema and live triggers
	create("${db}_data", $db);
	$node->command_ok([ 'pg_restore', '-e', '--schema-only', '-d', $node->connstr("${db}_data"), "$dir/$db.custom" ], "$db: the schema alone");
	$node->command_ok([ 'pg_restore', '-e', '--data-only', '--disable-triggers', '-d', $node->connstr("${db}_data"), "$dir/$db.custom" ],
		"$db: then the data, as the manual says, with triggers off");
	# a trigger on fp_cubes keeps fp_margins; without it, reading does with fp_cubes
	is(state_of("${db}_data", $schema{$db}, 'fp_margins') =~ s/^heatmap.*\n//mr, $before =~ s/^(fp_margins|heatmap).*\n//mgr, "$db, data alone: all is as it was");
	goes_on("${db}_data", $schema{$db}, "$db, data alone");

	# And without switching triggers off. Failpat's tables come first, or, with the
	# schema's name last, after the platform's: what is captured by then waits.
	{
		my $live = "${db}_live";
		my $observed = "SELECT count(*), count(*) FILTER (WHERE failed), sum(hashtextextended((obs_key, observed_at, failed, dims)::text, 0)::numeric) FROM $quoted.fp_observations";
		my ($out, $err);
		create($live, $db);
		$node->command_ok([ 'pg_restore', '-e', '--schema-only', '-d', $node->connstr($live), "$dir/$db.custom" ], "$db: the schema alone");
		# dumped by itself, data is in the order that the platform's foreign keys need
		$node->command_ok([ 'pg_dump', '--data-only', '-f', "$dir/$db.data.sql", '-d', $node->connstr($db) ], "$db: the data dumped");
		($out, $err) = run_command([ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr($live), '-f', "$dir/$db.data.sql" ]);
		unlike($err, qr/ERROR/, "$live: the data under live triggers, without an error");
		if ($db eq 'late')
		{
			like($err, qr/there is no source "segments".*Their keys are kept in fp_pending/s, "$live: what came before its source is kept for later, with a warning");
			unlike($err, qr/could not record/, "$live: and events come with the dump");
		}
		else
		{
			unlike($err, qr/WARNING/, "$live: nor a warning");
		}
		# what is beyond failpat.max_key_locks waits, too
		if ($db eq 'open') { settled($live, $schema{$db}, "$live: workers have done") }
		else { sql($live, "CALL $quoted.fp_refresh()") }
		is(sql($live, $observed), sql($db, $observed), "$live: each observation is there once");
		# a refresh says when it was
		my @stamped = ('fp_margins', 'fp_source_state');
		is(state_of($live, $schema{$db}, @stamped) =~ s/^heatmap.*\n//mr, $before =~ s/^(fp_margins|fp_source_state|heatmap).*\n//mgr, "$live: all is as it was");
		goes_on($live, $schema{$db}, $live);
		sql('postgres', "DROP DATABASE $live");
	}

	# the platform's tables alone, emptied and loaded again under live triggers
	$node->command_ok([ 'pg_dump', '--data-only', '-t', 'public.quality_scores', '-f', "$dir/$db.scores.sql", '-d', $node->connstr($db) ],
		"$db: the scores alone");
	sql("${db}_sections", 'TRUNCATE quality_scores');
	file("${db}_sections", "$dir/$db.scores.sql");
	my ($is, $was) = map {
		sql($_, "SELECT count(*), count(*) FILTER (WHERE failed), sum(hashtextextended((obs_key, observed_at, failed, dims)::text, 0)::numeric) FROM $quoted.fp_observations")
	} "${db}_sections", $db;
	is($is, $was, "$db: scores loaded again under live triggers change no observation");
	goes_on("${db}_sections", $schema{$db}, "$db, scores loaded again");

	# away again: the platform's own objects are as if failpat had never been there
	my $platform = q{SELECT string_agg(x, E'\n' ORDER BY x) FROM (
		SELECT format('%s %s', tgrelid::regclass, tgname) x FROM pg_trigger t JOIN pg_class c ON c.oid = tgrelid
			WHERE c.relnamespace = 'public'::regnamespace AND NOT tgisinternal
		UNION ALL SELECT format('%s %s %s', relkind, relname, relacl) FROM pg_class WHERE relnamespace = 'public'::regnamespace
		UNION ALL SELECT oid::regprocedure::text FROM pg_proc WHERE pronamespace = 'public'::regnamespace) x};
	my $rows = sql("${db}_data", q{SELECT string_agg(format('SELECT %L, count(*), sum(hashtextextended(t::text, 0)::numeric) FROM public.%I t', c.relname, c.relname), ' UNION ALL ')
		FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r'
			AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')}) . ' ORDER BY 1';
	my $written = sql("${db}_data", $rows);
	like($written, qr/^quality_scores\|\d{6}\|-?\d+$/m, "$db: the platform's rows are told");
	sql("${db}_data", 'DROP EXTENSION failpat CASCADE');
	is(sql("${db}_data", $rows), $written, "$db: dropped, the platform's rows are as they were");
	sql('postgres', "CREATE DATABASE ${db}_bare");
	file("${db}_bare", "$top/test/fixtures/prd49.sql", "$top/test/fixtures/generate.sql");
	is(sql("${db}_data", $platform), sql("${db}_bare", $platform), "$db: dropped, the platform's tables are as they were");
	sql('postgres', "DROP DATABASE $_") for "${db}_data", "${db}_sections", "${db}_bare";
}

# pg_upgrade, to a new cluster of the same version where no other is given
my %before = map { $_ => state_of($_, $schema{$_}) } keys %schema;
my $from = $node->safe_psql('postgres', 'SHOW server_version');
$node->stop;
my $new = PostgreSQL::Test::Cluster->new('new');
$new->init(extra => ['--data-checksums']);
$new->append_conf('postgresql.conf', 'fsync = off');
chdir $node->basedir;
command_ok([ 'pg_upgrade', '--no-sync', '-d', $node->data_dir, '-D', $new->data_dir, '-b', $old ? "$old/bin" : $bin, '-B', $bin, '-s', $new->host,
		'-p', $node->port, '-P', $new->port, '-O', '', '-o', '' ], 'pg_upgrade');
# it keeps them only where it failed; what is wrong stands at the end
for my $log (glob $new->data_dir . '/pg_upgrade_output.d/*/log/pg_upgrade_dump_*.log')
{
	my @lines = grep { !/^command: |^pg_restore: (?:creating|executing|connecting|restoring)/ } split /\n/, slurp_file($log);
	diag($log =~ s|.*/||r, ": $_") for @lines > 12 ? @lines[-12 .. -1] : @lines;
}
$node = $new;
$node->start;
my $to = $node->safe_psql('postgres', 'SHOW server_version');
note("from $from to $to");
cmp_ok($from =~ s/\D.*//r, '<', $to =~ s/\D.*//r, 'to a later major') if $old;
for my $db (sort keys %schema)
{
	is(state_of($db, $schema{$db}), $before{$db}, "$db, upgraded: all is as it was");
	goes_on($db, $schema{$db}, "$db, upgraded");
}
done_testing();
