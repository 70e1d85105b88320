# failpat broken in many ways: what the platform writes is written all the same,
# in a bounded time; the failure is seen in a warning and in fp_status(), and
# what was missed is caught up once the cause has gone.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

my $node = PostgreSQL::Test::Cluster->new('broken');
$node->init;
$node->append_conf('postgresql.conf', <<CONF);
fsync = off
failpat.lock_wait = 200ms
CONF
$node->start;
my $space = $node->basedir . '/space';
mkdir $space;
$node->safe_psql('postgres', <<SQL);
CREATE TABLESPACE other LOCATION '$space';
CREATE EXTENSION failpat;
CREATE ROLE keeper;
CREATE TABLE parts (id int PRIMARY KEY, tool text DEFAULT 'T', divisor int DEFAULT 1, nap float8 DEFAULT 0);
INSERT INTO parts SELECT g FROM generate_series(1, 200) g;
CREATE TABLE scores (id bigserial PRIMARY KEY, part int, ok boolean, at timestamptz DEFAULT now());
CREATE INDEX ON scores (part);
CREATE VIEW judged AS
SELECT q.part AS source_key, q.part AS obs_key, q.observed_at, q.failed, '{}'::text[] AS failed_checks,
    p.tool, (p.id / p.divisor)::text || left(pg_sleep(p.nap)::text, 0) AS ratio, 12345 AS number
FROM (SELECT part, min(at) AS observed_at, bool_or(NOT ok) AS failed FROM scores GROUP BY part) q
LEFT JOIN parts p ON p.id = q.part;
GRANT SELECT ON parts, scores TO keeper;
ALTER VIEW judged OWNER TO keeper;
CREATE FUNCTION attach() RETURNS void LANGUAGE sql AS \$\$ SELECT fp_attach('parts', 'judged', '{"public.scores": "part"}') \$\$;
SELECT attach();
SQL

my $part = 0;
my $psql = sub { return $node->psql('postgres', shift, on_error_stop => 1) };

# The next part is judged; it must be written, soon.  Returns what psql was told.
sub judge
{
	my ($name, $settings) = @_;
	$part++;
	my $from = time();
	my ($rc, $out, $err) = $psql->(($settings // '') . "INSERT INTO scores (part, ok) VALUES ($part, false)");
	is($rc, 0, "$name: the platform's insert is committed") or diag($err);
	cmp_ok(time() - $from, '<', 5, "$name: soon");
	is($node->safe_psql('postgres', "SELECT count(*) FROM scores WHERE part = $part"), '1', "$name: and there");
	return $err;
}

sub status { return $node->safe_psql('postgres', 'SELECT error FROM fp_status()') }

sub captured
{
	my ($name, @parts) = @_;
	is($node->safe_psql('postgres', 'SELECT obs_key FROM fp_observations WHERE obs_key IN (\''
				. join("', '", @parts) . '\') AND failed ORDER BY obs_key::int'),
		join("\n", @parts), "$name: what was missed is caught up");
	is($node->safe_psql('postgres', 'SELECT concat((SELECT count(*) FROM fp_pending), (SELECT count(*) FROM fp_missed), (SELECT error FROM fp_status()))'),
		'00', "$name: and nothing is left of it");
}

# One way to break it: what breaks it, what mends it, the error that is told,
# and where the keys are kept until then.
sub broken
{
	my ($name, $break, $mend, $error, %more) = @_;
	$node->safe_psql('postgres', $break) if $break;
	$more{broken}->() if $more{broken};
	my $err = judge($name, $more{settings});
	like($err, qr/WARNING:  failpat could not capture rows of source "parts": .*$error/, "$name: a warning says so");
	like($err, $more{told} // qr/kept in fp_pending/, "$name: and what becomes of the keys");
	$more{mended}->() if $more{mended};
	like(status(), qr/$error/, "$name: fp_status() tells");
	$node->safe_psql('postgres', $mend) if $mend;
	$node->safe_psql('postgres', $more{catch_up} // 'CALL fp_refresh()');
	captured($name, $part);
}

judge('whole');
captured('whole', 1);

broken('table missing', 'ALTER TABLE fp_observations RENAME TO hidden', 'ALTER TABLE hidden RENAME TO fp_observations',
	'fp_observations is missing');
broken('pending keys cannot be kept', 'ALTER TABLE fp_observations RENAME TO hidden; ALTER TABLE fp_pending RENAME TO hidden2',
	'ALTER TABLE hidden RENAME TO fp_observations; ALTER TABLE hidden2 RENAME TO fp_pending', 'is missing', told => qr/kept in fp_missed/);
broken('rights of the view', 'REVOKE SELECT ON parts FROM keeper', 'GRANT SELECT ON parts TO keeper', 'permission denied for');
broken('rights of failpat', 'REVOKE ALL ON fp_sources FROM CURRENT_USER, PUBLIC; CREATE ROLE poor; ALTER TABLE fp_observations OWNER TO poor',
	'ALTER TABLE fp_observations OWNER TO CURRENT_USER; GRANT ALL ON fp_sources TO CURRENT_USER; GRANT SELECT ON fp_sources TO PUBLIC',
	'permission denied for');
broken('corrupt row', 'UPDATE parts SET divisor = 0 WHERE id = ' . ($part + 1), 'UPDATE parts SET divisor = 1', 'division by zero');
broken('tablespace that cannot be read', 'ALTER TABLE fp_observations SET TABLESPACE other', '', 'Permission denied',
	broken => sub { chmod(0, $space) or die }, mended => sub { chmod(0700, $space) or die });
$node->safe_psql('postgres', 'ALTER TABLE fp_observations SET TABLESPACE pg_default');
broken('disk full', <<'SQL', 'DROP FUNCTION full_disk CASCADE', 'no space left');
CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE disk_full USING MESSAGE = 'no space left on device'; END $$;
CREATE TRIGGER full_disk BEFORE INSERT ON fp_observations FOR EACH ROW EXECUTE FUNCTION full_disk();
SQL
broken('a column of another type', 'ALTER VIEW judged RENAME failed_checks TO old; ALTER VIEW judged RENAME number TO failed_checks',
	'ALTER VIEW judged RENAME failed_checks TO number; ALTER VIEW judged RENAME old TO failed_checks',
	'column failed_checks of the view of source "parts" must be of type text\[\], not integer');
my $definition = $node->safe_psql('postgres', "SELECT pg_get_viewdef('judged')");
broken('view dropped', 'DROP VIEW judged', "CREATE VIEW judged AS $definition ALTER VIEW judged OWNER TO keeper; SELECT fp_detach('parts'), attach();",
	'the view of source "parts" has been dropped');
broken('half updated', 'ALTER TABLE fp_observations RENAME failed_checks TO checks', 'ALTER TABLE fp_observations RENAME checks TO failed_checks',
	'fp_observations is not that of this version');
broken('half updated, all of it',
	'ALTER TABLE fp_observations RENAME failed_checks TO checks; ALTER TABLE fp_pending RENAME failed_checks TO checks',
	'ALTER TABLE fp_observations RENAME checks TO failed_checks; ALTER TABLE fp_pending RENAME checks TO failed_checks',
	'is not that of this version', told => qr/kept in fp_missed/);
# a column that is renamed: which keys were written cannot be told
{
	$node->safe_psql('postgres', 'ALTER TABLE scores RENAME part TO piece');
	for (1 .. 3)
	{
		$part++;
		my ($rc, $out, $err) = $psql->("INSERT INTO scores (piece, ok) VALUES ($part, false)");
		is($rc, 0, 'key column renamed: written');
		like($err, qr/has no column part.*\n.*fp_missed notes it/, 'key column renamed: told');
	}
	is($node->safe_psql('postgres', 'SELECT count(*) FROM fp_missed'), '1', 'key column renamed: noted once');
	like(status(), qr/has no column part/, 'key column renamed: fp_status() tells');
	$node->safe_psql('postgres', "ALTER TABLE scores RENAME piece TO part; CALL fp_backfill(restart => true)");
	captured('key column renamed', $part - 2 .. $part);
}

# more keys than may be locked at once
{
	my $first = $part + 1;
	$part += 5;
	my ($rc, $out, $err) = $psql->("SET failpat.max_key_locks = 2; INSERT INTO scores (part, ok) SELECT g, false FROM generate_series($first, $part) g");
	is($rc . $err, '0', 'too many keys: written, without a word');
	is($node->safe_psql('postgres', "SELECT count(*), min(reason) FROM fp_pending"), '3|many', 'too many keys: the rest waits');
	$node->safe_psql('postgres', 'CALL fp_refresh()');
	captured('too many keys', $first .. $part);
}

# Locks that somebody holds; the writer's own sessions know the source or not.
my $writer = $node->background_psql('postgres', on_error_stop => 0);
$writer->query_safe('INSERT INTO scores (part, ok) VALUES (200, false)');
for my $locked ('fp_observations', 'fp_dirty', 'fp_sources', 'fp_dimensions', 'parts', 'fp_observations, fp_pending')
{
	for my $mode ('ACCESS EXCLUSIVE', $locked eq 'fp_observations' ? 'SHARE' : ())
	{
		my $holder = $node->background_psql('postgres');
		$holder->query_safe("BEGIN; LOCK TABLE $locked IN $mode MODE");
		my $name = "$locked locked in $mode mode";
		my $err = judge($name);
		like($err, qr/could not capture.*lock timeout/, "$name: a warning says so");
		like($err, $locked =~ /pending/ ? qr/kept in fp_missed/ : qr/kept in fp_pending/, "$name: and where the keys are");
		$holder->query_safe('COMMIT');
		$holder->quit;
		like(status(), qr/lock timeout/, "$name: fp_status() tells");
		$node->safe_psql('postgres', 'CALL fp_refresh()');
		captured($name, $part);
	}
}
{
	my $holder = $node->background_psql('postgres');
	$holder->query_safe('BEGIN; LOCK TABLE fp_observations, fp_pending, fp_missed');
	my @parts;
	for (1 .. 3)
	{
		push @parts, ++$part;
		my $from = time();
		$writer->query("INSERT INTO scores (part, ok) VALUES ($part, false)");
		cmp_ok(time() - $from, '<', 5, 'all locked: the writer goes on');
		like($writer->{stderr}, qr/by this session, until it writes again/, 'all locked: a warning says so');
		$writer->{stderr} = '';
	}
	$holder->query_safe('COMMIT');
	$holder->quit;
	# what is undone is put down again
	push @parts, $part + 2;
	$writer->query_safe('BEGIN; INSERT INTO scores (part, ok) VALUES (' . ++$part . ', false); ROLLBACK');
	$writer->query_safe('BEGIN; SAVEPOINT a; INSERT INTO scores (part, ok) VALUES (' . $part . ', false); ROLLBACK TO a;'
			. 'INSERT INTO scores (part, ok) VALUES (' . ++$part . ', false); COMMIT');
	like(status(), qr/lock timeout/, 'all locked: fp_status() tells, once the session has written again');
	is($node->safe_psql('postgres', 'SELECT count(*) FROM fp_pending'), '3', 'all locked: the keys are kept, each once');
	$node->safe_psql('postgres', 'CALL fp_refresh()');
	captured('all locked', @parts);
}
$writer->quit;

# Time. The part's row makes the view slow.
$node->safe_psql('postgres', 'UPDATE parts SET nap = 30 WHERE id = ' . ($part + 1));
broken('statement_timeout', '', 'UPDATE parts SET nap = 0', 'canceling statement due to statement timeout',
	settings => 'SET statement_timeout = 500; ');
$node->safe_psql('postgres', 'UPDATE parts SET nap = 30 WHERE id = ' . ($part + 1));
broken('capture_timeout', '', 'UPDATE parts SET nap = 0', 'it took longer than failpat.capture_timeout \(500 ms\)',
	settings => 'SET failpat.capture_timeout = 500; ');
{
	# after a capture that was in time its timer does nothing any more
	$part++;
	my ($rc, $out, $err) = $psql->("SET failpat.capture_timeout = 200; INSERT INTO scores (part, ok) VALUES ($part, false); SELECT pg_sleep(0.5)");
	is($rc . $err, '0', 'the timer ends with the capture');
}
{
	# but whoever wants the statement to end, ends it
	$node->safe_psql('postgres', 'UPDATE parts SET nap = 30 WHERE id = ' . ($part + 1));
	my ($out, $err) = ('', '');
	my $from = time();
	my $run = IPC::Run::start([ 'psql', '-X', '-d', $node->connstr('postgres'), '-c', 'INSERT INTO scores (part, ok) VALUES (' . ($part + 1) . ', false)' ],
		'>', \$out, '2>', \$err);
	$node->poll_query_until('postgres', "SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep'") or die;
	$node->safe_psql('postgres', "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'PgSleep'");
	$run->finish;
	like($err, qr/ERROR:  canceling statement due to user request/, "a user's cancel in a capture cancels the statement");
	is($node->safe_psql('postgres', 'SELECT count(*) FROM scores WHERE part = ' . ($part + 1)), '0', 'and nothing is written');
	$node->safe_psql('postgres', 'UPDATE parts SET nap = 0');
}

# On purpose.
{
	$node->safe_psql('postgres', 'ALTER TABLE fp_observations RENAME TO hidden');
	my ($rc, $out, $err) = $psql->('SET failpat.capture_errors = raise; INSERT INTO scores (part, ok) VALUES (' . ($part + 1) . ', false)');
	isnt($rc, 0, 'failpat.capture_errors = raise: the statement fails');
	like($err, qr/ERROR:  failpat's table fp_observations is missing/, 'with the error of capture');
	is($node->safe_psql('postgres', 'SELECT count(*) FROM scores WHERE part = ' . ($part + 1)), '0', 'and nothing is written');
	$node->safe_psql('postgres', 'ALTER TABLE hidden RENAME TO fp_observations');
}

$node->safe_psql('postgres', 'CALL fp_refresh()');
is($node->safe_psql('postgres', <<'SQL'), '0', 'in the end the observations are what the view shows');
SELECT count(*) FROM judged v FULL JOIN fp_observations o ON o.obs_key = v.obs_key::text
WHERE v.failed IS DISTINCT FROM o.failed OR o.dims IS DISTINCT FROM jsonb_build_object('tool', v.tool, 'ratio', v.ratio, 'number', v.number::text)
SQL

# An error of the view may have something in it that the writer may not read: it
# is told as the server words it, of what length it may be, and nothing beside it.
$node->safe_psql('postgres', <<'SQL');
CREATE ROLE outsider;
CREATE TABLE recipes (id int PRIMARY KEY, secret text);
INSERT INTO recipes SELECT g, 'saffron' || repeat('ü', 100000) FROM generate_series(1, 3) g;
CREATE TABLE dishes (id int PRIMARY KEY, name text);
CREATE FUNCTION grams(id int, secret text) RETURNS int LANGUAGE plpgsql AS $$
BEGIN
    IF id % 3 = 1 THEN
        RETURN secret::int;
    END IF;
    RAISE 'not %', id USING DETAIL = 'detail ' || secret, HINT = 'hint ' || secret;
END $$;
CREATE VIEW cooked AS SELECT d.id AS source_key, d.id AS obs_key, now() AS observed_at, d.id % 2 = 0 AS failed, '{}'::text[] AS failed_checks,
    grams(d.id, r.secret) AS grams FROM dishes d JOIN recipes r ON r.id = d.id;
GRANT SELECT ON recipes, dishes TO keeper;
ALTER VIEW cooked OWNER TO keeper;
GRANT INSERT ON dishes TO outsider;
SELECT fp_attach('dishes', 'cooked', '{"public.dishes": "id"}', refresh => 'manual');
SQL
my $outsider = sub { return $node->psql('postgres', 'SET ROLE outsider; ' . shift, on_error_stop => 1) };
{
	my ($rc, $out, $err) = $outsider->('SELECT * FROM recipes');
	like($err, qr/permission denied for table recipes/, 'who writes may not read what the view reads');
	($rc, $out, $err) = $outsider->('INSERT INTO dishes VALUES (1)');
	is($rc, 0, 'writes it');
	like($err, qr/WARNING:  failpat could not capture rows of source "dishes": (invalid input syntax for type integer: "saffron.*?\.\.\.)$/m,
		"and is told the view's error as the server words it");
	cmp_ok(length($1 // ''), '<=', 503, 'cut short');
	cmp_ok(length($err), '<', 1000, 'with little else') or diag(substr($err, 0, 3000));
	is($node->safe_psql('postgres', "SELECT max(octet_length(error)) BETWEEN 400 AND 503 FROM fp_status() WHERE source = 'dishes'"), 't', 'no more of it stands in fp_status()');
	is($node->safe_psql('postgres', "SELECT max(octet_length(error)) BETWEEN 400 AND 503 FROM fp_pending WHERE source = 'dishes'"), 't', 'and in fp_pending');
	($rc, $out, $err) = $outsider->('INSERT INTO dishes VALUES (2)');
	like($err, qr/WARNING:  failpat could not capture rows of source "dishes": not 2\n/, 'a second error');
	unlike($err, qr/detail saffron/, 'of whose details nothing is told');
	cmp_ok(length($err), '<', 1000, 'and its hint is cut short') or diag(substr($err, 0, 3000));
	($rc, $out, $err) = $node->psql('postgres', "CALL fp_refresh('dishes')");
	like($err, qr/WARNING:  failpat could not refresh source dishes: /, 'a refresh warns');
	cmp_ok(length($err), '<', 3000, 'in short as well');
	is($node->safe_psql('postgres', "SELECT count(*) || ' ' || (max(length(error)) <= 503) FROM fp_pending WHERE source = 'dishes'"), '2 true', 'and keeps no more of it');
	is($node->safe_psql('postgres', "SELECT length(error) <= 503 FROM fp_status() WHERE source = 'dishes'"), 't', 'nor does fp_status()');
}
$node->stop;
done_testing();
