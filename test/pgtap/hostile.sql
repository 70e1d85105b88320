-- Every function of failpat, called with what nobody should call it with: NULL,
-- empty, extreme, not a number, infinite, huge, wrong names. An error of the
-- right class is a good answer; an internal error (class XX), a crash, a
-- statement that does not end or an error without a class of its own is not.
\set QUIET 1
\set ON_ERROR_STOP 1
\pset format unaligned
\pset tuples_only true
\pset pager off
SET client_min_messages = error;
CREATE EXTENSION failpat;
SET search_path = public, tap;
-- how long a call may take, more under valgrind
\set limit 20s
\getenv limit FAILPAT_CALL_LIMIT
SET statement_timeout = :'limit';
SELECT plan(7);

-- something to be wrong about
CREATE TABLE gates (id bigint PRIMARY KEY, lora text[], pos int, failed boolean, at timestamptz DEFAULT now() - interval '1 day');
CREATE VIEW seen AS SELECT id AS source_key, id AS obs_key, at AS observed_at, failed, CASE WHEN failed THEN '{x}'::text[] ELSE '{}' END AS failed_checks,
    lora, pos AS segment_position FROM gates;
SELECT fp_attach('segments', 'seen', '{"public.gates": "id"}', refresh => 'manual') \g /dev/null
INSERT INTO gates SELECT g, ARRAY[(g % 10)::text], g / 10 % 12 + 1, g % 10 = 9 AND g / 10 % 12 + 1 >= 6 OR g % 97 = 0 FROM generate_series(1, 3000) g;
CALL fp_refresh();
CREATE TABLE cubes AS SELECT cube FROM fp_cubes LIMIT 1;
SELECT fp_record_fix((SELECT id FROM failure_patterns), 'another LoRA', '{"lora": "8"}', 1) \g /dev/null

-- what a type is called with: text that stands for the value
CREATE FUNCTION samples(type regtype) RETURNS text[] LANGUAGE sql AS $$
    SELECT ARRAY['NULL'] || CASE type::text
        WHEN 'boolean' THEN '{true,false}'
        WHEN 'smallint' THEN ARRAY['0::smallint', '-1::smallint', '32767::smallint']
        WHEN 'integer' THEN ARRAY['0', '1', '-1', '3', '2147483647', '(-2147483648)']
        WHEN 'bigint' THEN ARRAY['0::bigint', '1::bigint', '-1::bigint', '9223372036854775807', '(-9223372036854775808)', '4503599627370497']
        WHEN 'real' THEN ARRAY['''NaN''::real', '0::real']
        WHEN 'double precision' THEN ARRAY['0::float8', '0.5::float8', '0.95::float8', '1::float8', '-1::float8', '''NaN''::float8', '''Infinity''::float8', '''-Infinity''::float8', '1e308::float8', '5e-324::float8']
        WHEN 'numeric' THEN ARRAY['''NaN''::numeric', '1e300::numeric']
        WHEN 'text' THEN ARRAY['''''', '''segments''', '''lora''', '''segment_position''', '''no such''', 'repeat(''x'', 100000)', 'E''\u00fc"; --''', '''x''', '''worse''', '''wilson''']
        WHEN 'name' THEN ARRAY['''public''::name', '''no such''::name']
        WHEN '"char"' THEN ARRAY['''x''::"char"']
        WHEN 'text[]' THEN ARRAY['''{}''::text[]', '''{NULL}''::text[]', '''{lora}''::text[]', '''{lora,lora,segment_position}''::text[]', '''{{a,b},{c,d}}''::text[]',
            '(SELECT array_agg(g::text) FROM generate_series(1, 20000) g)', '''[5:6]={a,b}''::text[]']
        WHEN 'bigint[]' THEN ARRAY['''{}''::bigint[]', '''{NULL,1}''::bigint[]', '''{9223372036854775807,-1}''::bigint[]', '''{{1},{2}}''::bigint[]']
        WHEN 'integer[]' THEN ARRAY['''{}''::int[]', '''{NULL}''::int[]', '''{1,-1}''::int[]']
        WHEN 'boolean[]' THEN ARRAY['''{}''::boolean[]', '''{NULL,t}''::boolean[]']
        WHEN 'double precision[]' THEN ARRAY['''{}''::float8[]', '''{NULL}''::float8[]', '''{NaN}''::float8[]', '''{3,2,1}''::float8[]', '''{Infinity}''::float8[]', '''{4,7}''::float8[]']
        WHEN 'jsonb' THEN ARRAY['''{}''::jsonb', '''null''::jsonb', '''[]''::jsonb', '''1''::jsonb', '''{"lora": "9"}''::jsonb', '''{"lora": ["9", "8"], "segment_position": {"min": 6}}''::jsonb',
            '''{"lora": {"min": 1e400}}''::jsonb', '''{"segment_position": {"min": "x"}}''::jsonb', '''{"no such": "1"}''::jsonb', '''{"lora": {"a": {"b": [null]}}}''::jsonb',
            '(SELECT jsonb_object_agg(g::text, g) FROM generate_series(1, 2000) g)', 'jsonb_build_object(''lora'', repeat(''x'', 1000000))',
            '(''{"lora": '' || repeat(''['', 1000) || repeat('']'', 1000) || ''}'')::jsonb']
        WHEN 'jsonb[]' THEN ARRAY['''{}''::jsonb[]', '''{NULL}''::jsonb[]', 'ARRAY[''{"lora": "9"}'', ''[]'', ''null'']::jsonb[]']
        WHEN 'json' THEN ARRAY['''{}''::json', '''[1, null]''::json']
        WHEN 'timestamp with time zone' THEN ARRAY['''infinity''::timestamptz', '''-infinity''::timestamptz', '''4713-01-01 BC''::timestamptz', '''294276-12-31''::timestamptz', '''2026-05-01 12:00+00''::timestamptz']
        WHEN 'timestamp with time zone[]' THEN ARRAY['''{}''::timestamptz[]', '''{NULL,infinity}''::timestamptz[]']
        WHEN 'interval' THEN ARRAY['''0''::interval', '''-1 day''::interval', '''1 day''::interval', '''1 month''::interval', '''178000000 years''::interval', '''1 microsecond''::interval']
        WHEN 'bytea' THEN ARRAY['''''::bytea', '''\x00''::bytea', '''\xffffffffffffffffffffffff''::bytea']
        WHEN 'regclass' THEN ARRAY['''public.gates''::regclass', '0::regclass', '''pg_class''::regclass']
        WHEN 'regprocedure' THEN ARRAY['0::regprocedure']
        WHEN 'oid' THEN ARRAY['0::oid', '4294967295::oid', '''public.gates''::regclass::oid']
        WHEN 'record' THEN ARRAY['ROW()', 'ROW(1, NULL, ''x''::text)', 'ROW(''NaN''::float8, ARRAY[1, 2])']
        WHEN 'cstring' THEN ARRAY['''''::cstring', '''{}''::cstring', '''x''::cstring']
        WHEN 'failure_cube' THEN ARRAY['(SELECT cube FROM cubes)', '(SELECT failure_cube(true, ''{}''::jsonb) FROM generate_series(1, 3))', '(SELECT failure_cube(true, ''{"lora": "1"}''::jsonb) FROM generate_series(1, 3))']
        WHEN 'failure_cube[]' THEN ARRAY['ARRAY(SELECT cube FROM cubes, generate_series(1, 3))', '''{}''::failure_cube[]', 'ARRAY[NULL]::failure_cube[]', 'ARRAY[[NULL, NULL]]::failure_cube[]']
        WHEN 'fp_value' THEN ARRAY['''x''::fp_value', '''''::fp_value', '7::fp_value']
        WHEN 'fp_value[]' THEN ARRAY['''{}''::fp_value[]', '''{NULL,x}''::fp_value[]']
        WHEN 'anyelement' THEN ARRAY['1', '''x''::text', 'ARRAY[1]']
        WHEN 'anyarray' THEN ARRAY['''{}''::int[]']
        WHEN 'anycompatible' THEN ARRAY['1']
        ELSE '{}' END
$$;

-- what an argument is well called with, so that another one beside it is looked at
CREATE FUNCTION good(name text, type regtype) RETURNS text LANGUAGE sql AS $$
    SELECT CASE type::text
        WHEN 'failure_cube' THEN '(SELECT cube FROM cubes)'
        WHEN 'text' THEN quote_literal(CASE WHEN name ~ 'source' THEN 'segments' WHEN name ~ 'description' THEN 'another LoRA' WHEN name ~ '^col' THEN 'segment_position' WHEN name ~ 'dim' THEN 'lora'
            WHEN name ~ 'check' THEN 'x' WHEN name = 'effectiveness' THEN 'improved' ELSE '9' END)
        WHEN 'text[]' THEN quote_literal(CASE WHEN name ~ 'ordinal' THEN '{segment_position}' WHEN name ~ 'check' THEN '{x}' WHEN name ~ 'key|val' THEN '{9}' ELSE '{lora}' END) || '::text[]'
        WHEN 'jsonb' THEN '''{"lora": "9"}''::jsonb'
        WHEN 'jsonb[]' THEN 'ARRAY[''{"lora": "9"}'', ''{"segment_position": {"min": 6}}'']::jsonb[]'
        WHEN 'bigint' THEN CASE WHEN name ~ 'pattern_id' THEN '(SELECT min(id) FROM failure_patterns)' WHEN name ~ 'trials' THEN '100' ELSE '10' END || '::bigint'
        WHEN 'bigint[]' THEN CASE WHEN name ~ 'trials' THEN '''{100,200}''::bigint[]' WHEN name ~ 'failures' THEN '''{10,40}''::bigint[]' ELSE 'ARRAY(SELECT id FROM failure_patterns)' END
        WHEN 'integer' THEN '3'
        WHEN 'double precision' THEN '0.5::float8'
        WHEN 'double precision[]' THEN '''{4,7}''::float8[]'
        WHEN 'boolean' THEN 'true'
        WHEN 'timestamp with time zone' THEN CASE WHEN name ~ 'last|until|through|ends' THEN 'now()' ELSE 'now() - interval ''3 days''' END
        WHEN 'interval' THEN '''1 day''::interval'
        ELSE (samples(type))[2] END
$$;
CREATE FUNCTION argument(value text, type oid) RETURNS text LANGUAGE sql AS $$
    SELECT value || CASE WHEN type::regtype::text IN ('anyelement', 'anyarray', 'record', 'cstring', 'anycompatible') THEN '' ELSE '::' || type::regtype END
$$;

-- One row a call, the same in every run. Aggregates and window functions have
-- tests of their own; triggers and what takes "internal" refuse.
CREATE VIEW own AS
SELECT p.oid, p.proname, p.prokind, p.proargtypes::oid[] AS types, p.pronargs AS n, p.pronargdefaults AS d, p.provariadic <> 0 AS variadic,
       (p.proargnames)[1:p.pronargs] AS names -- OUT arguments come after them
FROM pg_proc p JOIN pg_depend x ON x.classid = 'pg_proc'::regclass AND x.objid = p.oid AND x.deptype = 'e'
    JOIN pg_extension e ON e.oid = x.refobjid AND e.extname = 'failpat'
WHERE p.prokind IN ('f', 'p') AND p.prorettype NOT IN ('trigger'::regtype, 'internal'::regtype, 'event_trigger'::regtype)
  AND NOT 'internal'::regtype = ANY (p.proargtypes::oid[])
  -- what ends or starts work in other backends is tested elsewhere
  AND p.proname !~ '_(in|out|recv|send)$';

-- of what is drawn at random, all but under valgrind
\set share 1
\getenv share FAILPAT_SHARE
CREATE TABLE calls AS
-- all arguments at random
SELECT o.oid, o.proname, o.prokind, o.n, seed, (
        SELECT string_agg(argument(v.samples[1 + (hashint8extended(a.i, seed * 7919 + hashtext(o.proname)) & 2147483647) % array_length(v.samples, 1)], o.types[a.i - 1]),
                          ', ' ORDER BY a.i)
        FROM generate_series(1, o.n) a (i) CROSS JOIN LATERAL (SELECT samples(o.types[a.i - 1]::regtype) AS samples) v) AS args
FROM own o CROSS JOIN generate_series(1, ceil(25 * :share)::int) seed
UNION ALL
-- each sample of each argument, beside good ones, or none where there is a default
SELECT o.oid, o.proname, o.prokind, o.n, 1000 + k * 100 + v, (
        SELECT string_agg(CASE WHEN o.variadic AND a.i = o.n THEN 'VARIADIC ' WHEN o.variadic OR o.names IS NULL THEN '' ELSE quote_ident(o.names[a.i]) || ' => ' END
                          || argument(CASE WHEN a.i = k THEN (samples(o.types[k - 1]::regtype))[v] ELSE good(coalesce(o.names[a.i], ''), o.types[a.i - 1]::regtype) END,
                                      o.types[a.i - 1]), ', ' ORDER BY a.i)
        FROM generate_series(1, o.n) a (i) WHERE a.i = k OR a.i <= o.n - o.d OR o.variadic OR o.names IS NULL)
FROM own o CROSS JOIN LATERAL generate_series(1, o.n) k CROSS JOIN LATERAL generate_series(1, array_length(samples(o.types[k - 1]::regtype), 1)) v;

CREATE TABLE answers (oid oid, seed bigint, proname text, call text, state text, message text, took interval);
CREATE FUNCTION probe(c calls) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    call text := format(CASE c.prokind WHEN 'p' THEN 'CALL %s(%s)' ELSE 'SELECT count(*) FROM %s(%s)' END, c.oid::regproc, coalesce(c.args, ''));
    began timestamptz := clock_timestamp();
    state text := '00000';
    message text;
BEGIN
    BEGIN
        EXECUTE call;
        RAISE EXCEPTION SQLSTATE 'FP000'; -- undo what it did
    EXCEPTION WHEN OTHERS OR query_canceled OR assert_failure THEN
        IF SQLSTATE <> 'FP000' THEN
            state := SQLSTATE;
            message := SQLERRM;
        END IF;
    END;
    INSERT INTO answers VALUES (c.oid, c.seed, c.proname, left(call, 500), state, left(message, 300), clock_timestamp() - began);
END $$;
-- a statement a call, so that the time limit is a call's
SELECT format('SELECT probe(c) FROM calls c WHERE oid = %s AND seed = %s', oid, seed) FROM calls WHERE n > 0 OR seed = 1 ORDER BY proname, oid, seed
\o /dev/null
\gexec
\o

SELECT cmp_ok((SELECT count(*)::int FROM answers WHERE seed < 1000), '>', (3000 * :share)::int, 'that many calls');
SELECT cmp_ok((SELECT count(*)::int FROM answers WHERE seed > 1000 AND state = '00000'), '>', 2000, '... and of one argument that was taken');
SELECT is((SELECT string_agg(DISTINCT call || ': ' || state || ' ' || message, E'\n') FROM answers WHERE state LIKE 'XX%' OR state IN ('57P01', '57P02', '53200')),
    NULL, 'none ends in an internal error');
SELECT is((SELECT string_agg(call, E'\n') FROM answers WHERE state = '57014'), NULL, 'each ends within ' || :'limit');
-- data exceptions, constraints, syntax and names, limits, wrong state, features,
-- transactions: all that a caller can act on
SELECT is((SELECT string_agg(DISTINCT state || ' ' || call || ' ' || message, E'\n') FROM answers WHERE left(state, 2) NOT IN ('00', '22', '42', '54', '55', '0A', '25', '2D', '23')
    AND state <> '3F000'), NULL, 'each error is of a class that tells what to do');
-- NULL keys and the like are said by us, not by a constraint of a table of ours
SELECT is((SELECT string_agg(DISTINCT state || ' ' || call || ' ' || message, E'\n') FROM answers WHERE left(state, 2) = '23' AND message ~ 'fp_|failure_patterns'), NULL,
    'no constraint of failpat''s own tables has to say it');
-- the rest wants a state of an aggregate, an event, the platform's tables, or a source of another kind
SELECT is((SELECT string_agg(oid::regproc::text, ', ' ORDER BY oid::regproc::text COLLATE "C")
           FROM (SELECT oid FROM answers WHERE seed > 1000 GROUP BY oid HAVING bool_and(state <> '00000')) never),
    'fp_attach, fp_attach_prd49, fp_change_question, fp_create_dashboard_views, fp_poll_begin, public.fp_rate_accum, public.fp_rate_accum, public.fp_series_accum, public.fp_series_accum',
    'each function but these took what it was called with at least once');
SELECT * FROM finish();
