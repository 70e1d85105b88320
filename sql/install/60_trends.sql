-- Trends: changes of a failure rate over time, with their place, size and
-- significance. C in src/trends.c.

CREATE TYPE change_point AS (
	kind text,
	direction text,
	at timestamptz,
	at_lower timestamptz,
	at_upper timestamptz,
	last_before timestamptz,
	failures_before bigint,
	trials_before bigint,
	rate_before double precision,
	rate_before_lower double precision,
	rate_before_upper double precision,
	failures_after bigint,
	trials_after bigint,
	rate_after double precision,
	rate_after_lower double precision,
	rate_after_upper double precision,
	difference double precision,
	difference_lower double precision,
	difference_upper double precision,
	ratio double precision,
	ratio_lower double precision,
	ratio_upper double precision,
	odds_ratio double precision,
	odds_ratio_lower double precision,
	odds_ratio_upper double precision,
	gain double precision,
	p_value double precision,
	dispersion double precision,
	buckets integer,
	gap boolean,
	low_counts boolean,
	provisional boolean
);
COMMENT ON TYPE change_point IS 'one change of a failure rate over time';
COMMENT ON COLUMN change_point.kind IS 'shift: the rate stays where it went; spike: it came back at once';
COMMENT ON COLUMN change_point.direction IS 'regression or improvement';
COMMENT ON COLUMN change_point.at IS 'first bucket of the new rate';
COMMENT ON COLUMN change_point.at_lower IS 'the first bucket of the new rate may be this one or later; of a spike, its first bucket';
COMMENT ON COLUMN change_point.at_upper IS 'the first bucket of the new rate may be this one or earlier; of a spike, its last bucket';
COMMENT ON COLUMN change_point.last_before IS 'last bucket of the old rate: the change came after it';
COMMENT ON COLUMN change_point.failures_before IS 'failures behind rate_before';
COMMENT ON COLUMN change_point.trials_before IS 'trials behind rate_before';
COMMENT ON COLUMN change_point.rate_before IS 'failure rate from the change before to this one; of a spike, what surrounds it';
COMMENT ON COLUMN change_point.rate_before_lower IS 'lower bound of its interval';
COMMENT ON COLUMN change_point.rate_before_upper IS 'upper bound of its interval';
COMMENT ON COLUMN change_point.failures_after IS 'failures behind rate_after';
COMMENT ON COLUMN change_point.trials_after IS 'trials behind rate_after';
COMMENT ON COLUMN change_point.rate_after IS 'failure rate from this change to the next one; of a spike, its own';
COMMENT ON COLUMN change_point.rate_after_lower IS 'lower bound of its interval';
COMMENT ON COLUMN change_point.rate_after_upper IS 'upper bound of its interval';
COMMENT ON COLUMN change_point.difference IS 'rate after less rate before';
COMMENT ON COLUMN change_point.difference_lower IS 'lower bound of its interval';
COMMENT ON COLUMN change_point.difference_upper IS 'upper bound of its interval';
COMMENT ON COLUMN change_point.ratio IS 'rate after by rate before';
COMMENT ON COLUMN change_point.ratio_lower IS 'lower bound of its interval';
COMMENT ON COLUMN change_point.ratio_upper IS 'upper bound of its interval';
COMMENT ON COLUMN change_point.odds_ratio IS 'odds of failure after by those before';
COMMENT ON COLUMN change_point.odds_ratio_lower IS 'lower bound of its interval';
COMMENT ON COLUMN change_point.odds_ratio_upper IS 'upper bound of its interval';
COMMENT ON COLUMN change_point.gain IS 'twice the logarithm of the likelihood ratio of the change, dispersion allowed for';
COMMENT ON COLUMN change_point.p_value IS 'chance of any such change in a series of so many buckets whose rate never changed';
COMMENT ON COLUMN change_point.dispersion IS 'variance of the series as a multiple of the binomial one';
COMMENT ON COLUMN change_point.buckets IS 'buckets with trials in the series';
COMMENT ON COLUMN change_point.gap IS 'no trials for a while just before the new rate: it may have come at any time after last_before';
COMMENT ON COLUMN change_point.low_counts IS 'fewer than five failures or successes on a side: figures are rough';
COMMENT ON COLUMN change_point.provisional IS 'a shift so new that it may yet turn out to be a spike';

CREATE TYPE fp_segment AS (
	first_bucket timestamptz,
	last_bucket timestamptz,
	buckets integer,
	failures bigint,
	trials bigint,
	rate double precision,
	lower double precision,
	upper double precision
);
COMMENT ON TYPE fp_segment IS 'a stretch of time of one failure rate, between two changes; buckets counts those with trials that are no spike';
COMMENT ON COLUMN fp_segment.first_bucket IS 'its first bucket with trials';
COMMENT ON COLUMN fp_segment.last_bucket IS 'its last bucket with trials';
COMMENT ON COLUMN fp_segment.buckets IS 'buckets with trials that are no spike';
COMMENT ON COLUMN fp_segment.failures IS 'failures in them';
COMMENT ON COLUMN fp_segment.trials IS 'trials in them';
COMMENT ON COLUMN fp_segment.rate IS 'failures by trials';
COMMENT ON COLUMN fp_segment.lower IS 'lower bound of its confidence interval, dispersion allowed for';
COMMENT ON COLUMN fp_segment.upper IS 'upper bound of its confidence interval, dispersion allowed for';

-- Support functions of the aggregates. Their state is a plain array (see
-- src/trends.c); whatever array they are given, they check it.

CREATE FUNCTION fp_series_accum(bigint[], timestamptz, bigint, bigint)
RETURNS bigint[] AS 'MODULE_PATHNAME', 'failpat_series_accum'
LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION fp_series_accum(bigint[], timestamptz, bigint, bigint) IS 'transition of change_points and fp_segments';

CREATE FUNCTION fp_series_accum(bigint[], timestamptz, bigint, bigint, jsonb)
RETURNS bigint[] AS 'MODULE_PATHNAME', 'failpat_series_accum'
LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION fp_series_accum(bigint[], timestamptz, bigint, bigint, jsonb) IS 'transition of change_points and fp_segments';

CREATE FUNCTION fp_series_combine(bigint[], bigint[])
RETURNS bigint[] AS 'MODULE_PATHNAME', 'failpat_series_combine'
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION fp_series_combine(bigint[], bigint[]) IS 'combines states of change_points and fp_segments';

CREATE FUNCTION fp_change_points_final(bigint[])
RETURNS change_point[] AS 'MODULE_PATHNAME', 'failpat_change_points_final'
LANGUAGE C IMMUTABLE PARALLEL SAFE COST 10000;
COMMENT ON FUNCTION fp_change_points_final(bigint[]) IS 'result of change_points';

CREATE FUNCTION fp_segments_final(bigint[])
RETURNS fp_segment[] AS 'MODULE_PATHNAME', 'failpat_segments_final'
LANGUAGE C IMMUTABLE PARALLEL SAFE COST 10000;
COMMENT ON FUNCTION fp_segments_final(bigint[]) IS 'result of fp_segments';

CREATE AGGREGATE change_points(bucket timestamptz, failures bigint, trials bigint) (
	SFUNC = fp_series_accum,
	STYPE = bigint[],
	SSPACE = 1500,
	COMBINEFUNC = fp_series_combine,
	FINALFUNC = fp_change_points_final,
	FINALFUNC_MODIFY = READ_ONLY,
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE change_points(timestamptz, bigint, bigint) IS 'changes of the failure rate of a series of buckets, in order of time';

CREATE AGGREGATE change_points(bucket timestamptz, failures bigint, trials bigint, options jsonb) (
	SFUNC = fp_series_accum,
	STYPE = bigint[],
	SSPACE = 1500,
	COMBINEFUNC = fp_series_combine,
	FINALFUNC = fp_change_points_final,
	FINALFUNC_MODIFY = READ_ONLY,
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE change_points(timestamptz, bigint, bigint, jsonb)
IS 'changes of the failure rate of a series of buckets; options: alpha (0.01), confidence (0.95), overdispersion ("auto", "none" or a factor), max_spike (2), min_segment (1)';

CREATE AGGREGATE fp_segments(bucket timestamptz, failures bigint, trials bigint) (
	SFUNC = fp_series_accum,
	STYPE = bigint[],
	SSPACE = 1500,
	COMBINEFUNC = fp_series_combine,
	FINALFUNC = fp_segments_final,
	FINALFUNC_MODIFY = READ_ONLY,
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE fp_segments(timestamptz, bigint, bigint) IS 'the stretches between the changes that change_points finds, as step lines of a plot';

CREATE AGGREGATE fp_segments(bucket timestamptz, failures bigint, trials bigint, options jsonb) (
	SFUNC = fp_series_accum,
	STYPE = bigint[],
	SSPACE = 1500,
	COMBINEFUNC = fp_series_combine,
	FINALFUNC = fp_segments_final,
	FINALFUNC_MODIFY = READ_ONLY,
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE fp_segments(timestamptz, bigint, bigint, jsonb) IS 'the stretches between the changes that change_points finds; options as there';

CREATE FUNCTION fp_bh(p double precision)
RETURNS double precision AS 'MODULE_PATHNAME', 'failpat_bh'
LANGUAGE C WINDOW IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION fp_bh(double precision)
IS 'window function: p-values of the partition adjusted for the false discovery rate (Benjamini and Hochberg); NULL counts as a test that found nothing';
