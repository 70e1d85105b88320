-- Rates: one failure rate with its interval, as an aggregate and as a
-- function, and two rates compared. C in src/rates.c.

CREATE TYPE failure_rate AS (
	failures bigint,
	trials bigint,
	rate double precision,
	lower double precision,
	upper double precision
);
COMMENT ON TYPE failure_rate IS 'a failure rate with its confidence interval; rate is null without trials';
COMMENT ON COLUMN failure_rate.failures IS 'failures';
COMMENT ON COLUMN failure_rate.trials IS 'trials, failed or not';
COMMENT ON COLUMN failure_rate.rate IS 'failures by trials; NULL without trials';
COMMENT ON COLUMN failure_rate.lower IS 'lower bound of the confidence interval; 0 without trials';
COMMENT ON COLUMN failure_rate.upper IS 'upper bound of the confidence interval; 1 without trials';

CREATE FUNCTION fp_rate_ci(failures bigint, trials bigint,
	confidence double precision DEFAULT 0.95, method text DEFAULT 'wilson')
RETURNS failure_rate AS 'MODULE_PATHNAME', 'failpat_rate_ci'
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION fp_rate_ci(bigint, bigint, double precision, text)
IS 'failure rate with its confidence interval, of a pair of counts; methods: wilson, wilson-cc, clopper-pearson, jeffreys, agresti-coull, mid-p';

CREATE FUNCTION fp_compare_rates(failures1 bigint, trials1 bigint,
	failures2 bigint, trials2 bigint, confidence double precision DEFAULT 0.95,
	OUT difference double precision, OUT difference_lower double precision,
	OUT difference_upper double precision, OUT ratio double precision,
	OUT ratio_lower double precision, OUT ratio_upper double precision,
	OUT odds_ratio double precision, OUT odds_ratio_lower double precision,
	OUT odds_ratio_upper double precision, OUT p_value double precision)
RETURNS record AS 'MODULE_PATHNAME', 'failpat_compare_rates'
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION fp_compare_rates(bigint, bigint, bigint, bigint, double precision)
IS 'the first failure rate against the second: difference (Newcombe), ratio and odds ratio (score intervals), p-value of the two-sided exact test of Fisher';

-- Support functions of the aggregates. Their states are plain arrays (see
-- src/rates.c); whatever array they are given, they check it.

CREATE FUNCTION fp_rate_accum(bigint[], boolean)
RETURNS bigint[] AS 'MODULE_PATHNAME', 'failpat_rate_accum'
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION fp_rate_accum(bigint[], boolean) IS 'transition of failure_rate_ci';

CREATE FUNCTION fp_rate_accum_inv(bigint[], boolean)
RETURNS bigint[] AS 'MODULE_PATHNAME', 'failpat_rate_accum_inv'
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION fp_rate_accum_inv(bigint[], boolean) IS 'inverse transition of failure_rate_ci';

CREATE FUNCTION fp_rate_accum(bigint[], boolean, double precision)
RETURNS bigint[] AS 'MODULE_PATHNAME', 'failpat_rate_accum_as'
LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION fp_rate_accum(bigint[], boolean, double precision) IS 'transition of failure_rate_ci';

CREATE FUNCTION fp_rate_accum_inv(bigint[], boolean, double precision)
RETURNS bigint[] AS 'MODULE_PATHNAME', 'failpat_rate_accum_as_inv'
LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION fp_rate_accum_inv(bigint[], boolean, double precision) IS 'inverse transition of failure_rate_ci';

CREATE FUNCTION fp_rate_accum(bigint[], boolean, double precision, text)
RETURNS bigint[] AS 'MODULE_PATHNAME', 'failpat_rate_accum_as'
LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION fp_rate_accum(bigint[], boolean, double precision, text) IS 'transition of failure_rate_ci';

CREATE FUNCTION fp_rate_accum_inv(bigint[], boolean, double precision, text)
RETURNS bigint[] AS 'MODULE_PATHNAME', 'failpat_rate_accum_as_inv'
LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION fp_rate_accum_inv(bigint[], boolean, double precision, text) IS 'inverse transition of failure_rate_ci';

CREATE FUNCTION fp_rate_accum(bigint[], bigint, bigint)
RETURNS bigint[] AS 'MODULE_PATHNAME', 'failpat_rate_accum_counts'
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION fp_rate_accum(bigint[], bigint, bigint) IS 'transition of failure_rate_ci';

CREATE FUNCTION fp_rate_accum_inv(bigint[], bigint, bigint)
RETURNS bigint[] AS 'MODULE_PATHNAME', 'failpat_rate_accum_counts_inv'
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION fp_rate_accum_inv(bigint[], bigint, bigint) IS 'inverse transition of failure_rate_ci';

CREATE FUNCTION fp_rate_accum(bigint[], bigint, bigint, double precision)
RETURNS bigint[] AS 'MODULE_PATHNAME', 'failpat_rate_accum_counts_as'
LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION fp_rate_accum(bigint[], bigint, bigint, double precision) IS 'transition of failure_rate_ci';

CREATE FUNCTION fp_rate_accum_inv(bigint[], bigint, bigint, double precision)
RETURNS bigint[] AS 'MODULE_PATHNAME', 'failpat_rate_accum_counts_as_inv'
LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION fp_rate_accum_inv(bigint[], bigint, bigint, double precision) IS 'inverse transition of failure_rate_ci';

CREATE FUNCTION fp_rate_accum(bigint[], bigint, bigint, double precision, text)
RETURNS bigint[] AS 'MODULE_PATHNAME', 'failpat_rate_accum_counts_as'
LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION fp_rate_accum(bigint[], bigint, bigint, double precision, text) IS 'transition of failure_rate_ci';

CREATE FUNCTION fp_rate_accum_inv(bigint[], bigint, bigint, double precision, text)
RETURNS bigint[] AS 'MODULE_PATHNAME', 'failpat_rate_accum_counts_as_inv'
LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION fp_rate_accum_inv(bigint[], bigint, bigint, double precision, text) IS 'inverse transition of failure_rate_ci';

CREATE FUNCTION fp_rate_combine(bigint[], bigint[])
RETURNS bigint[] AS 'MODULE_PATHNAME', 'failpat_rate_combine'
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION fp_rate_combine(bigint[], bigint[]) IS 'combines two states of failure_rate_ci';

CREATE FUNCTION fp_rate_final(bigint[])
RETURNS failure_rate AS 'MODULE_PATHNAME', 'failpat_rate_final'
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION fp_rate_final(bigint[]) IS 'result of failure_rate_ci';

-- The transitions of the forms without confidence are strict: rows with a null
-- are skipped. The others skip them themselves, as a null confidence or method
-- is an error.

CREATE AGGREGATE failure_rate_ci(failed boolean) (
	SFUNC = fp_rate_accum,
	STYPE = bigint[],
	INITCOND = '{0,0}',
	COMBINEFUNC = fp_rate_combine,
	FINALFUNC = fp_rate_final,
	MSFUNC = fp_rate_accum,
	MINVFUNC = fp_rate_accum_inv,
	MSTYPE = bigint[],
	MINITCOND = '{0,0}',
	MFINALFUNC = fp_rate_final,
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE failure_rate_ci(boolean) IS 'failure rate of rows, with its 95 % Wilson interval';

CREATE AGGREGATE failure_rate_ci(failed boolean, confidence double precision) (
	SFUNC = fp_rate_accum,
	STYPE = bigint[],
	INITCOND = '{0,0,0,0,0}',
	COMBINEFUNC = fp_rate_combine,
	FINALFUNC = fp_rate_final,
	MSFUNC = fp_rate_accum,
	MINVFUNC = fp_rate_accum_inv,
	MSTYPE = bigint[],
	MINITCOND = '{0,0,0,0,0}',
	MFINALFUNC = fp_rate_final,
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE failure_rate_ci(boolean, double precision) IS 'failure rate of rows, with its Wilson interval of the given confidence';

CREATE AGGREGATE failure_rate_ci(failed boolean, confidence double precision, method text) (
	SFUNC = fp_rate_accum,
	STYPE = bigint[],
	INITCOND = '{0,0,0,0,0}',
	COMBINEFUNC = fp_rate_combine,
	FINALFUNC = fp_rate_final,
	MSFUNC = fp_rate_accum,
	MINVFUNC = fp_rate_accum_inv,
	MSTYPE = bigint[],
	MINITCOND = '{0,0,0,0,0}',
	MFINALFUNC = fp_rate_final,
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE failure_rate_ci(boolean, double precision, text) IS 'failure rate of rows, with its interval of the given confidence and method';

CREATE AGGREGATE failure_rate_ci(failures bigint, trials bigint) (
	SFUNC = fp_rate_accum,
	STYPE = bigint[],
	INITCOND = '{0,0}',
	COMBINEFUNC = fp_rate_combine,
	FINALFUNC = fp_rate_final,
	MSFUNC = fp_rate_accum,
	MINVFUNC = fp_rate_accum_inv,
	MSTYPE = bigint[],
	MINITCOND = '{0,0}',
	MFINALFUNC = fp_rate_final,
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE failure_rate_ci(bigint, bigint) IS 'failure rate of counted rows, with its 95 % Wilson interval';

CREATE AGGREGATE failure_rate_ci(failures bigint, trials bigint, confidence double precision) (
	SFUNC = fp_rate_accum,
	STYPE = bigint[],
	INITCOND = '{0,0,0,0,0}',
	COMBINEFUNC = fp_rate_combine,
	FINALFUNC = fp_rate_final,
	MSFUNC = fp_rate_accum,
	MINVFUNC = fp_rate_accum_inv,
	MSTYPE = bigint[],
	MINITCOND = '{0,0,0,0,0}',
	MFINALFUNC = fp_rate_final,
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE failure_rate_ci(bigint, bigint, double precision) IS 'failure rate of counted rows, with its Wilson interval of the given confidence';

CREATE AGGREGATE failure_rate_ci(failures bigint, trials bigint, confidence double precision, method text) (
	SFUNC = fp_rate_accum,
	STYPE = bigint[],
	INITCOND = '{0,0,0,0,0}',
	COMBINEFUNC = fp_rate_combine,
	FINALFUNC = fp_rate_final,
	MSFUNC = fp_rate_accum,
	MINVFUNC = fp_rate_accum_inv,
	MSTYPE = bigint[],
	MINITCOND = '{0,0,0,0,0}',
	MFINALFUNC = fp_rate_final,
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE failure_rate_ci(bigint, bigint, double precision, text) IS 'failure rate of counted rows, with its interval of the given confidence and method';
