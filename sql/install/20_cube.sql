-- The cube: type failure_cube, its aggregates, and what reads it.

CREATE TYPE failure_cube;

-- In and out. Text is the same whatever the settings, so all is immutable.
CREATE FUNCTION failure_cube_in(cstring) RETURNS failure_cube
  LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'failpat_cube_in';
CREATE FUNCTION failure_cube_out(failure_cube) RETURNS cstring
  LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'failpat_cube_out';
CREATE FUNCTION failure_cube_recv(internal) RETURNS failure_cube
  LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'failpat_cube_recv';
CREATE FUNCTION failure_cube_send(failure_cube) RETURNS bytea
  LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'failpat_cube_send';

CREATE TYPE failure_cube (
  INPUT = failure_cube_in,
  OUTPUT = failure_cube_out,
  RECEIVE = failure_cube_recv,
  SEND = failure_cube_send,
  INTERNALLENGTH = VARIABLE,
  ALIGNMENT = int4,
  STORAGE = extended
);

COMMENT ON TYPE failure_cube IS 'trials and failures per combination of parameter values, with the names and kinds of the parameters';
COMMENT ON FUNCTION failure_cube_in(cstring) IS 'I/O';
COMMENT ON FUNCTION failure_cube_out(failure_cube) IS 'I/O';
COMMENT ON FUNCTION failure_cube_recv(internal) IS 'I/O';
COMMENT ON FUNCTION failure_cube_send(failure_cube) IS 'I/O';

CREATE FUNCTION failure_cube_to_jsonb(cube failure_cube) RETURNS jsonb
  LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'failpat_cube_to_jsonb';
COMMENT ON FUNCTION failure_cube_to_jsonb(failure_cube) IS 'a cube as readable JSON';
CREATE CAST (failure_cube AS jsonb) WITH FUNCTION failure_cube_to_jsonb(failure_cube);
COMMENT ON CAST (failure_cube AS jsonb) IS 'a cube as readable JSON';

-- Comparison: equal content is equal to the byte.
CREATE FUNCTION failure_cube_eq(failure_cube, failure_cube) RETURNS boolean
  LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'failpat_cube_eq';
CREATE FUNCTION failure_cube_ne(failure_cube, failure_cube) RETURNS boolean
  LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'failpat_cube_ne';
CREATE FUNCTION failure_cube_hash(failure_cube) RETURNS integer
  LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'failpat_cube_hash';
CREATE FUNCTION failure_cube_hash_extended(failure_cube, bigint) RETURNS bigint
  LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'failpat_cube_hash_extended';
COMMENT ON FUNCTION failure_cube_eq(failure_cube, failure_cube) IS 'implementation of = operator';
COMMENT ON FUNCTION failure_cube_ne(failure_cube, failure_cube) IS 'implementation of <> operator';
COMMENT ON FUNCTION failure_cube_hash(failure_cube) IS 'hash';
COMMENT ON FUNCTION failure_cube_hash_extended(failure_cube, bigint) IS 'hash';

CREATE OPERATOR = (
  LEFTARG = failure_cube, RIGHTARG = failure_cube, FUNCTION = failure_cube_eq,
  COMMUTATOR = =, NEGATOR = <>, RESTRICT = eqsel, JOIN = eqjoinsel, HASHES
);
CREATE OPERATOR <> (
  LEFTARG = failure_cube, RIGHTARG = failure_cube, FUNCTION = failure_cube_ne,
  COMMUTATOR = <>, NEGATOR = =, RESTRICT = neqsel, JOIN = neqjoinsel
);
COMMENT ON OPERATOR = (failure_cube, failure_cube) IS 'equal';
COMMENT ON OPERATOR <> (failure_cube, failure_cube) IS 'not equal';
CREATE OPERATOR CLASS failure_cube_hash_ops DEFAULT FOR TYPE failure_cube USING hash AS
  OPERATOR 1 =,
  FUNCTION 1 failure_cube_hash(failure_cube),
  FUNCTION 2 failure_cube_hash_extended(failure_cube, bigint);
COMMENT ON OPERATOR CLASS failure_cube_hash_ops USING hash IS 'equality of cubes';
COMMENT ON OPERATOR FAMILY failure_cube_hash_ops USING hash IS 'equality of cubes';

-- The aggregates. The state is a failure_cube itself (within a process a
-- pointer to its expanded form), so that it travels as it is between
-- parallel workers and the nodes of a distributed PostgreSQL. The functions
-- are not strict: a NULL state is the empty cube, a NULL "dims" a trial of which
-- nothing is recorded. Stable at most, since values become text by the output
-- functions of their types.
CREATE FUNCTION failure_cube_combine(failure_cube, failure_cube) RETURNS failure_cube
  LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'failpat_cube_combine';
COMMENT ON FUNCTION failure_cube_combine(failure_cube, failure_cube) IS 'aggregate combine function: the sum of two cubes';
CREATE FUNCTION failure_cube_final(failure_cube) RETURNS failure_cube
  LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'failpat_cube_final';
COMMENT ON FUNCTION failure_cube_final(failure_cube) IS 'aggregate final function: the empty cube for no rows';

CREATE FUNCTION failure_cube_accum(state failure_cube, failed boolean, dims record) RETURNS failure_cube
  LANGUAGE c STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'failpat_cube_accum_record';
COMMENT ON FUNCTION failure_cube_accum(failure_cube, boolean, record) IS 'aggregate transition function';
CREATE FUNCTION failure_cube_accum(state failure_cube, failed boolean, dims record, ordinal text[]) RETURNS failure_cube
  LANGUAGE c STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'failpat_cube_accum_record';
COMMENT ON FUNCTION failure_cube_accum(failure_cube, boolean, record, text[]) IS 'aggregate transition function';
CREATE FUNCTION failure_cube_accum(state failure_cube, failed boolean, dims record, ordinal text[], strata text[]) RETURNS failure_cube
  LANGUAGE c STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'failpat_cube_accum_record';
COMMENT ON FUNCTION failure_cube_accum(failure_cube, boolean, record, text[], text[]) IS 'aggregate transition function';
CREATE FUNCTION failure_cube_accum(state failure_cube, failed boolean, dims record, ordinal text[], strata text[], checks text[]) RETURNS failure_cube
  LANGUAGE c STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'failpat_cube_accum_record';
COMMENT ON FUNCTION failure_cube_accum(failure_cube, boolean, record, text[], text[], text[]) IS 'aggregate transition function';
CREATE FUNCTION failure_cube_accum(state failure_cube, failed boolean, dims jsonb) RETURNS failure_cube
  LANGUAGE c STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'failpat_cube_accum_jsonb';
COMMENT ON FUNCTION failure_cube_accum(failure_cube, boolean, jsonb) IS 'aggregate transition function';
CREATE FUNCTION failure_cube_accum(state failure_cube, failed boolean, dims jsonb, ordinal text[]) RETURNS failure_cube
  LANGUAGE c STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'failpat_cube_accum_jsonb';
COMMENT ON FUNCTION failure_cube_accum(failure_cube, boolean, jsonb, text[]) IS 'aggregate transition function';
CREATE FUNCTION failure_cube_accum(state failure_cube, failed boolean, dims jsonb, ordinal text[], strata text[]) RETURNS failure_cube
  LANGUAGE c STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'failpat_cube_accum_jsonb';
COMMENT ON FUNCTION failure_cube_accum(failure_cube, boolean, jsonb, text[], text[]) IS 'aggregate transition function';
CREATE FUNCTION failure_cube_accum(state failure_cube, failed boolean, dims jsonb, ordinal text[], strata text[], checks text[]) RETURNS failure_cube
  LANGUAGE c STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'failpat_cube_accum_jsonb';
COMMENT ON FUNCTION failure_cube_accum(failure_cube, boolean, jsonb, text[], text[], text[]) IS 'aggregate transition function';
CREATE FUNCTION failure_cube_accum(state failure_cube, failures bigint, trials bigint, dims record) RETURNS failure_cube
  LANGUAGE c STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'failpat_cube_accum_counts_record';
COMMENT ON FUNCTION failure_cube_accum(failure_cube, bigint, bigint, record) IS 'aggregate transition function';
CREATE FUNCTION failure_cube_accum(state failure_cube, failures bigint, trials bigint, dims record, ordinal text[]) RETURNS failure_cube
  LANGUAGE c STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'failpat_cube_accum_counts_record';
COMMENT ON FUNCTION failure_cube_accum(failure_cube, bigint, bigint, record, text[]) IS 'aggregate transition function';
CREATE FUNCTION failure_cube_accum(state failure_cube, failures bigint, trials bigint, dims record, ordinal text[], strata text[]) RETURNS failure_cube
  LANGUAGE c STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'failpat_cube_accum_counts_record';
COMMENT ON FUNCTION failure_cube_accum(failure_cube, bigint, bigint, record, text[], text[]) IS 'aggregate transition function';
CREATE FUNCTION failure_cube_accum(state failure_cube, failures bigint, trials bigint, dims record, ordinal text[], strata text[], checks text[]) RETURNS failure_cube
  LANGUAGE c STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'failpat_cube_accum_counts_record';
COMMENT ON FUNCTION failure_cube_accum(failure_cube, bigint, bigint, record, text[], text[], text[]) IS 'aggregate transition function';
CREATE FUNCTION failure_cube_accum(state failure_cube, failures bigint, trials bigint, dims jsonb) RETURNS failure_cube
  LANGUAGE c STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'failpat_cube_accum_counts_jsonb';
COMMENT ON FUNCTION failure_cube_accum(failure_cube, bigint, bigint, jsonb) IS 'aggregate transition function';
CREATE FUNCTION failure_cube_accum(state failure_cube, failures bigint, trials bigint, dims jsonb, ordinal text[]) RETURNS failure_cube
  LANGUAGE c STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'failpat_cube_accum_counts_jsonb';
COMMENT ON FUNCTION failure_cube_accum(failure_cube, bigint, bigint, jsonb, text[]) IS 'aggregate transition function';
CREATE FUNCTION failure_cube_accum(state failure_cube, failures bigint, trials bigint, dims jsonb, ordinal text[], strata text[]) RETURNS failure_cube
  LANGUAGE c STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'failpat_cube_accum_counts_jsonb';
COMMENT ON FUNCTION failure_cube_accum(failure_cube, bigint, bigint, jsonb, text[], text[]) IS 'aggregate transition function';
CREATE FUNCTION failure_cube_accum(state failure_cube, failures bigint, trials bigint, dims jsonb, ordinal text[], strata text[], checks text[]) RETURNS failure_cube
  LANGUAGE c STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'failpat_cube_accum_counts_jsonb';
COMMENT ON FUNCTION failure_cube_accum(failure_cube, bigint, bigint, jsonb, text[], text[], text[]) IS 'aggregate transition function';

CREATE AGGREGATE failure_cube(failed boolean, dims record) (
  SFUNC = failure_cube_accum, STYPE = failure_cube, SSPACE = 16384,
  COMBINEFUNC = failure_cube_combine, FINALFUNC = failure_cube_final,
  FINALFUNC_MODIFY = READ_ONLY, PARALLEL = SAFE
);
COMMENT ON AGGREGATE failure_cube(boolean, record) IS 'the cube of outcomes';
CREATE AGGREGATE failure_cube(failed boolean, dims record, ordinal text[]) (
  SFUNC = failure_cube_accum, STYPE = failure_cube, SSPACE = 16384,
  COMBINEFUNC = failure_cube_combine, FINALFUNC = failure_cube_final,
  FINALFUNC_MODIFY = READ_ONLY, PARALLEL = SAFE
);
COMMENT ON AGGREGATE failure_cube(boolean, record, text[]) IS 'the cube of outcomes';
CREATE AGGREGATE failure_cube(failed boolean, dims record, ordinal text[], strata text[]) (
  SFUNC = failure_cube_accum, STYPE = failure_cube, SSPACE = 16384,
  COMBINEFUNC = failure_cube_combine, FINALFUNC = failure_cube_final,
  FINALFUNC_MODIFY = READ_ONLY, PARALLEL = SAFE
);
COMMENT ON AGGREGATE failure_cube(boolean, record, text[], text[]) IS 'the cube of outcomes';
CREATE AGGREGATE failure_cube(failed boolean, dims record, ordinal text[], strata text[], checks text[]) (
  SFUNC = failure_cube_accum, STYPE = failure_cube, SSPACE = 16384,
  COMBINEFUNC = failure_cube_combine, FINALFUNC = failure_cube_final,
  FINALFUNC_MODIFY = READ_ONLY, PARALLEL = SAFE
);
COMMENT ON AGGREGATE failure_cube(boolean, record, text[], text[], text[]) IS 'the cube of outcomes';
CREATE AGGREGATE failure_cube(failed boolean, dims jsonb) (
  SFUNC = failure_cube_accum, STYPE = failure_cube, SSPACE = 16384,
  COMBINEFUNC = failure_cube_combine, FINALFUNC = failure_cube_final,
  FINALFUNC_MODIFY = READ_ONLY, PARALLEL = SAFE
);
COMMENT ON AGGREGATE failure_cube(boolean, jsonb) IS 'the cube of outcomes';
CREATE AGGREGATE failure_cube(failed boolean, dims jsonb, ordinal text[]) (
  SFUNC = failure_cube_accum, STYPE = failure_cube, SSPACE = 16384,
  COMBINEFUNC = failure_cube_combine, FINALFUNC = failure_cube_final,
  FINALFUNC_MODIFY = READ_ONLY, PARALLEL = SAFE
);
COMMENT ON AGGREGATE failure_cube(boolean, jsonb, text[]) IS 'the cube of outcomes';
CREATE AGGREGATE failure_cube(failed boolean, dims jsonb, ordinal text[], strata text[]) (
  SFUNC = failure_cube_accum, STYPE = failure_cube, SSPACE = 16384,
  COMBINEFUNC = failure_cube_combine, FINALFUNC = failure_cube_final,
  FINALFUNC_MODIFY = READ_ONLY, PARALLEL = SAFE
);
COMMENT ON AGGREGATE failure_cube(boolean, jsonb, text[], text[]) IS 'the cube of outcomes';
CREATE AGGREGATE failure_cube(failed boolean, dims jsonb, ordinal text[], strata text[], checks text[]) (
  SFUNC = failure_cube_accum, STYPE = failure_cube, SSPACE = 16384,
  COMBINEFUNC = failure_cube_combine, FINALFUNC = failure_cube_final,
  FINALFUNC_MODIFY = READ_ONLY, PARALLEL = SAFE
);
COMMENT ON AGGREGATE failure_cube(boolean, jsonb, text[], text[], text[]) IS 'the cube of outcomes';
CREATE AGGREGATE failure_cube(failures bigint, trials bigint, dims record) (
  SFUNC = failure_cube_accum, STYPE = failure_cube, SSPACE = 16384,
  COMBINEFUNC = failure_cube_combine, FINALFUNC = failure_cube_final,
  FINALFUNC_MODIFY = READ_ONLY, PARALLEL = SAFE
);
COMMENT ON AGGREGATE failure_cube(bigint, bigint, record) IS 'the cube of counted trials and failures';
CREATE AGGREGATE failure_cube(failures bigint, trials bigint, dims record, ordinal text[]) (
  SFUNC = failure_cube_accum, STYPE = failure_cube, SSPACE = 16384,
  COMBINEFUNC = failure_cube_combine, FINALFUNC = failure_cube_final,
  FINALFUNC_MODIFY = READ_ONLY, PARALLEL = SAFE
);
COMMENT ON AGGREGATE failure_cube(bigint, bigint, record, text[]) IS 'the cube of counted trials and failures';
CREATE AGGREGATE failure_cube(failures bigint, trials bigint, dims record, ordinal text[], strata text[]) (
  SFUNC = failure_cube_accum, STYPE = failure_cube, SSPACE = 16384,
  COMBINEFUNC = failure_cube_combine, FINALFUNC = failure_cube_final,
  FINALFUNC_MODIFY = READ_ONLY, PARALLEL = SAFE
);
COMMENT ON AGGREGATE failure_cube(bigint, bigint, record, text[], text[]) IS 'the cube of counted trials and failures';
CREATE AGGREGATE failure_cube(failures bigint, trials bigint, dims record, ordinal text[], strata text[], checks text[]) (
  SFUNC = failure_cube_accum, STYPE = failure_cube, SSPACE = 16384,
  COMBINEFUNC = failure_cube_combine, FINALFUNC = failure_cube_final,
  FINALFUNC_MODIFY = READ_ONLY, PARALLEL = SAFE
);
COMMENT ON AGGREGATE failure_cube(bigint, bigint, record, text[], text[], text[]) IS 'the cube of counted trials and failures';
CREATE AGGREGATE failure_cube(failures bigint, trials bigint, dims jsonb) (
  SFUNC = failure_cube_accum, STYPE = failure_cube, SSPACE = 16384,
  COMBINEFUNC = failure_cube_combine, FINALFUNC = failure_cube_final,
  FINALFUNC_MODIFY = READ_ONLY, PARALLEL = SAFE
);
COMMENT ON AGGREGATE failure_cube(bigint, bigint, jsonb) IS 'the cube of counted trials and failures';
CREATE AGGREGATE failure_cube(failures bigint, trials bigint, dims jsonb, ordinal text[]) (
  SFUNC = failure_cube_accum, STYPE = failure_cube, SSPACE = 16384,
  COMBINEFUNC = failure_cube_combine, FINALFUNC = failure_cube_final,
  FINALFUNC_MODIFY = READ_ONLY, PARALLEL = SAFE
);
COMMENT ON AGGREGATE failure_cube(bigint, bigint, jsonb, text[]) IS 'the cube of counted trials and failures';
CREATE AGGREGATE failure_cube(failures bigint, trials bigint, dims jsonb, ordinal text[], strata text[]) (
  SFUNC = failure_cube_accum, STYPE = failure_cube, SSPACE = 16384,
  COMBINEFUNC = failure_cube_combine, FINALFUNC = failure_cube_final,
  FINALFUNC_MODIFY = READ_ONLY, PARALLEL = SAFE
);
COMMENT ON AGGREGATE failure_cube(bigint, bigint, jsonb, text[], text[]) IS 'the cube of counted trials and failures';
CREATE AGGREGATE failure_cube(failures bigint, trials bigint, dims jsonb, ordinal text[], strata text[], checks text[]) (
  SFUNC = failure_cube_accum, STYPE = failure_cube, SSPACE = 16384,
  COMBINEFUNC = failure_cube_combine, FINALFUNC = failure_cube_final,
  FINALFUNC_MODIFY = READ_ONLY, PARALLEL = SAFE
);
COMMENT ON AGGREGATE failure_cube(bigint, bigint, jsonb, text[], text[], text[]) IS 'the cube of counted trials and failures';

CREATE AGGREGATE rollup(cube failure_cube) (
  SFUNC = failure_cube_combine, STYPE = failure_cube, SSPACE = 16384,
  COMBINEFUNC = failure_cube_combine, FINALFUNC = failure_cube_final,
  FINALFUNC_MODIFY = READ_ONLY, PARALLEL = SAFE
);
COMMENT ON AGGREGATE rollup(failure_cube) IS 'the sum of cubes';

-- Reading.
CREATE FUNCTION fp_slice(cube failure_cube, conditions jsonb) RETURNS failure_cube
  LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'failpat_slice';
COMMENT ON FUNCTION fp_slice(failure_cube, jsonb) IS 'the part of a cube that meets conditions';

CREATE FUNCTION fp_totals(cube failure_cube,
    OUT "values" jsonb, OUT trials bigint, OUT failures bigint, OUT rate float8, OUT lower float8, OUT upper float8)
  RETURNS SETOF record
  LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE ROWS 1 AS 'MODULE_PATHNAME', 'failpat_totals';
COMMENT ON FUNCTION fp_totals(failure_cube) IS 'the grand total of a cube, with a 95 % interval (Wilson)';
CREATE FUNCTION fp_totals(cube failure_cube, VARIADIC dims text[],
    OUT "values" jsonb, OUT trials bigint, OUT failures bigint, OUT rate float8, OUT lower float8, OUT upper float8)
  RETURNS SETOF record
  LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE ROWS 100 AS 'MODULE_PATHNAME', 'failpat_totals';
COMMENT ON FUNCTION fp_totals(failure_cube, text[]) IS 'totals of a cube by dimensions, with 95 % intervals (Wilson); a set counts under each of its members';

CREATE FUNCTION fp_cube_dims(cube failure_cube,
    OUT name text, OUT kind text, OUT "values" bigint, OUT sets bigint, OUT recorded bigint)
  RETURNS SETOF record
  LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE ROWS 6 AS 'MODULE_PATHNAME', 'failpat_cube_dims';
COMMENT ON FUNCTION fp_cube_dims(failure_cube) IS 'the dimensions of a cube: kind, number of distinct values and sets, trials in which it is recorded';

CREATE FUNCTION fp_cube_checks(cube failure_cube, OUT "check" text, OUT failures bigint)
  RETURNS SETOF record
  LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE ROWS 10 AS 'MODULE_PATHNAME', 'failpat_cube_checks';
COMMENT ON FUNCTION fp_cube_checks(failure_cube) IS 'the checks of a cube, and how many failures each had a part in';
