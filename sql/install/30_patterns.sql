-- Patterns: mining a cube, keys and sentences.

CREATE FUNCTION fp_pattern_key(conditions jsonb, dimensions jsonb DEFAULT NULL)
RETURNS text
AS 'MODULE_PATHNAME', 'failpat_sql_pattern_key'
LANGUAGE C IMMUTABLE PARALLEL SAFE;

COMMENT ON FUNCTION fp_pattern_key(jsonb, jsonb) IS
'The key of a pattern, as "w:5:l:3:c:12:st:7:sp:6+". dimensions may give other prefixes: {"lora": {"key": "l"}}. Different conditions have different keys.';

CREATE FUNCTION fp_pattern_text(conditions jsonb, dimensions jsonb DEFAULT NULL, direction text DEFAULT 'worse', "check" text DEFAULT NULL)
RETURNS text
AS 'MODULE_PATHNAME', 'failpat_sql_pattern_text'
LANGUAGE C IMMUTABLE PARALLEL SAFE;

COMMENT ON FUNCTION fp_pattern_text(jsonb, jsonb, text, text) IS
'The sentence for a pattern, as "LoRA X + Character Y fails at segment 6+". dimensions gives titles and names of values: {"lora": {"title": "LoRA", "labels": {"3": "X"}}}.';

-- Immutable: the same cube and arguments give the same rows. That a run may
-- fail for want of memory (failpat.memory_limit) does not change them.
CREATE FUNCTION fp_patterns(
  cube failure_cube,
  max_arity integer DEFAULT 3,
  alpha double precision DEFAULT 0.05,
  min_trials integer DEFAULT 20,
  min_risk_ratio double precision DEFAULT 1.2,
  direction text DEFAULT 'worse',
  "check" text DEFAULT NULL)
RETURNS TABLE (
  conditions jsonb,
  pattern_key text,
  description text,
  effect text,
  failed_check text,
  arity integer,
  failures bigint,
  trials bigint,
  rate double precision,
  lower double precision,
  upper double precision,
  baseline_rate double precision,
  risk_ratio double precision,
  rr_lower double precision,
  rr_upper double precision,
  p_value double precision,
  q_value double precision,
  severity text,
  q_by_value double precision,
  adjusted_ratio double precision,
  adjusted_lower double precision,
  adjusted_upper double precision,
  expected_failures double precision,
  excess_failures double precision,
  excess_bound double precision,
  confounders jsonb,
  same_as jsonb,
  inflation double precision,
  p_marginal double precision,
  folded jsonb)
AS 'MODULE_PATHNAME', 'failpat_sql_patterns'
LANGUAGE C STABLE PARALLEL SAFE COST 100000 ROWS 10;

COMMENT ON FUNCTION fp_patterns(failure_cube, integer, double precision, integer, double precision, text, text) IS
'The failure patterns of a cube, strongest evidence first: combinations of up to max_arity conditions that fail significantly more (direction worse), less (better) or either (both) often than the rest. check names the check whose failures are counted: NULL for any, * for each by itself. p_value is the largest p of all tests that the pattern had to pass (against all others, within each more general combination, within the values of other dimensions, beside the other patterns); p_marginal is that of the first of them alone. same_as: other names of the same observations; folded: what also stands out, but not without this pattern.';

CREATE FUNCTION fp_patterns(
  cubes failure_cube[],
  max_arity integer DEFAULT 3,
  alpha double precision DEFAULT 0.05,
  min_trials integer DEFAULT 20,
  min_risk_ratio double precision DEFAULT 1.2,
  direction text DEFAULT 'worse',
  "check" text DEFAULT NULL)
RETURNS TABLE (
  conditions jsonb,
  pattern_key text,
  description text,
  effect text,
  failed_check text,
  arity integer,
  failures bigint,
  trials bigint,
  rate double precision,
  lower double precision,
  upper double precision,
  baseline_rate double precision,
  risk_ratio double precision,
  rr_lower double precision,
  rr_upper double precision,
  p_value double precision,
  q_value double precision,
  severity text,
  q_by_value double precision,
  adjusted_ratio double precision,
  adjusted_lower double precision,
  adjusted_upper double precision,
  expected_failures double precision,
  excess_failures double precision,
  excess_bound double precision,
  confounders jsonb,
  same_as jsonb,
  inflation double precision,
  p_marginal double precision,
  folded jsonb)
AS 'MODULE_PATHNAME', 'failpat_sql_patterns_stacked'
LANGUAGE C STABLE PARALLEL SAFE COST 100000 ROWS 10;

COMMENT ON FUNCTION fp_patterns(failure_cube[], integer, double precision, integer, double precision, text, text) IS
'The failure patterns of several cubes taken together, one for each stratum (a bucket of time, say), which is controlled for. Columns as those of fp_patterns of one cube.';

CREATE FUNCTION fp_explain(
  cube failure_cube,
  conditions jsonb,
  max_arity integer DEFAULT 3,
  alpha double precision DEFAULT 0.05,
  min_trials integer DEFAULT 20,
  min_risk_ratio double precision DEFAULT 1.2,
  direction text DEFAULT 'worse',
  "check" text DEFAULT NULL)
RETURNS TABLE (
  step integer,
  gate text,
  passed boolean,
  against text,
  failures bigint,
  trials bigint,
  rate double precision,
  other_failures bigint,
  other_trials bigint,
  other_rate double precision,
  risk_ratio double precision,
  rr_lower double precision,
  rr_upper double precision,
  p_value double precision,
  level double precision,
  note text)
AS 'MODULE_PATHNAME', 'failpat_sql_explain'
LANGUAGE C IMMUTABLE PARALLEL SAFE COST 100000 ROWS 10;

COMMENT ON FUNCTION fp_explain(failure_cube, jsonb, integer, double precision, integer, double precision, text, text) IS
'Why a combination is, or is not, a pattern of the cube: each gate with its figures; the last row tells whether it is reported, or else the first gate that stopped it. Arguments as those of fp_patterns.';

CREATE FUNCTION fp_explain(
  cubes failure_cube[],
  conditions jsonb,
  max_arity integer DEFAULT 3,
  alpha double precision DEFAULT 0.05,
  min_trials integer DEFAULT 20,
  min_risk_ratio double precision DEFAULT 1.2,
  direction text DEFAULT 'worse',
  "check" text DEFAULT NULL)
RETURNS TABLE (
  step integer,
  gate text,
  passed boolean,
  against text,
  failures bigint,
  trials bigint,
  rate double precision,
  other_failures bigint,
  other_trials bigint,
  other_rate double precision,
  risk_ratio double precision,
  rr_lower double precision,
  rr_upper double precision,
  p_value double precision,
  level double precision,
  note text)
AS 'MODULE_PATHNAME', 'failpat_sql_explain_stacked'
LANGUAGE C IMMUTABLE PARALLEL SAFE COST 100000 ROWS 10;

COMMENT ON FUNCTION fp_explain(failure_cube[], jsonb, integer, double precision, integer, double precision, text, text) IS
'Why a combination is, or is not, a pattern of these cubes, each of which is a stratum: each gate with its figures; the last row tells whether it is reported, or else the first gate that stopped it. Arguments as those of fp_patterns.';

CREATE FUNCTION fp_ladder(
  cube failure_cube,
  conditions jsonb,
  dim text,
  "check" text DEFAULT NULL,
  confidence double precision DEFAULT 0.95)
RETURNS TABLE (
  value double precision,
  in_range boolean,
  failures bigint,
  trials bigint,
  rate double precision,
  lower double precision,
  upper double precision,
  other_failures bigint,
  other_trials bigint,
  other_rate double precision,
  risk_ratio double precision,
  rr_lower double precision,
  rr_upper double precision,
  p_value double precision,
  p_adjusted double precision,
  evidence_from double precision,
  plausible_from boolean)
AS 'MODULE_PATHNAME', 'failpat_sql_ladder'
LANGUAGE C IMMUTABLE PARALLEL SAFE COST 1000 ROWS 12;

COMMENT ON FUNCTION fp_ladder(failure_cube, jsonb, text, text, double precision) IS
'A combination position by position: its rate at each number of an ordinal dimension (of a set: how many values), beside that of the other observations there, with Fisher''s p and Holm''s over the rows; why "6+" and not "5+": plausible_from marks the cuts that the data cannot tell from the best. A range on dim itself is left aside, and told by in_range. Without other conditions a row is compared with the other rows.';
