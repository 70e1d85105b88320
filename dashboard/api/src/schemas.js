// JSON schemas of what comes in and what goes out. The routes refer to them, and
// the OpenAPI description shows them.

/** @typedef {Record<string, any>} Schema */

const text = { type: 'string' };
const integer = { type: 'integer' };
const number = { type: 'number' };
const boolean = { type: 'boolean' };
const any = {};
/** @param {Schema} schema @returns {Schema} */
const orNull = (schema) => (schema.$ref ? { anyOf: [schema, { type: 'null' }] } : { ...schema, type: [].concat(schema.type, 'null') });
/** @param {Schema} items @returns {Schema} */
export const listOf = (items) => ({ type: 'array', items });
/** @param {string} name @returns {Schema} */
export const ref = (name) => ({ $ref: `#/components/schemas/${name}` });
/** @param {string} name @returns {Schema} */
export const refOrNull = (name) => orNull(ref(name));
const time = { type: 'string', format: 'date-time' };
const rate = { type: 'number', minimum: 0, maximum: 1 };
const count = { type: 'integer', minimum: 0 };
const severity = { type: 'string', enum: ['high', 'medium', 'low'] };
const effectiveness = { type: 'string', enum: ['resolved', 'improved', 'no_effect'] };
const verdict = { type: 'string', enum: ['resolved', 'improved', 'no_effect', 'worse', 'too early'] };

/**
 * An object with these fields and no others; those whose name ends in "?" may be missing.
 * @param {Record<string, Schema>} fields
 */
export function object(fields) {
  const names = Object.keys(fields);
  return {
    type: 'object',
    required: names.filter((name) => !name.endsWith('?')),
    properties: Object.fromEntries(names.map((name) => [name.replace(/\?$/, ''), fields[name]])),
    additionalProperties: false,
  };
}

// --- What comes in.

const id = { type: 'integer', minimum: 1, maximum: Number.MAX_SAFE_INTEGER };
const name = { type: 'string', minLength: 1, maxLength: 63 };
const moment = { anyOf: [{ type: 'string', format: 'date-time' }, { type: 'string', format: 'date' }] };
const value = { type: ['string', 'number', 'boolean'], maxLength: 1000 };
const filter = {
  type: 'object',
  maxProperties: 20,
  additionalProperties: {
    type: ['string', 'number', 'null', 'array', 'object'],
    maxLength: 1000,
    items: { type: ['string', 'number'] },
    maxItems: 50,
    properties: {
      min: { type: ['number', 'string'] },
      max: { type: ['number', 'string'] },
      count: { type: 'object', properties: { min: integer, max: integer }, additionalProperties: false },
    },
    additionalProperties: false,
  },
};
const combo = {
  type: 'object',
  maxProperties: 20,
  additionalProperties: { type: ['string', 'number', 'boolean', 'null', 'array'], maxLength: 1000, items: value, maxItems: 200 },
};
/** @param {Schema} schema @param {string} description */
const said = (schema, description) => ({ ...schema, description });

/** An integer that JavaScript holds exactly. @type {Schema} */
const int64 = { type: 'integer', minimum: Number.MIN_SAFE_INTEGER, maximum: Number.MAX_SAFE_INTEGER };

/** Parameters by name, as routes use them. @type {Record<string, Schema>} */
export const input = {
  id: said(id, 'identity'),
  pattern_id: said(id, 'a pattern'),
  // The platform takes what is outside as the nearest that is allowed; so does fp_api_patterns.
  limit_patterns: said({ ...int64, default: 20 }, 'how many at most: below 1 is taken as 1, above 100 as 100'),
  limit: said({ type: 'integer', minimum: 1, maximum: 500, default: 50 }, 'how many at most'),
  offset: said(int64, 'how many to leave out: below 0 is taken as 0'),
  severity: said(severity, 'only those of this severity'),
  status: said({ type: 'string', enum: ['active', 'resolved', 'inactive', 'all'], default: 'active' }, 'only those of this status'),
  source: said(name, 'name of the source; the only one, or "segments", where it is left out'),
  dimension: said(name, 'name of a dimension'),
  period_days: said({ type: 'integer', minimum: 1, maximum: 36500 }, 'how many days back'),
  since: said(moment, 'from when on, whole buckets of time; the window of the source where it is left out'),
  until: said(moment, 'until when, exclusive'),
  check: said({ type: 'string', minLength: 1, maxLength: 200 }, 'failures of this check only'),
  filter: said(filter, 'conditions: a value, an array of values used together, or a range {"min": 6}'),
  palette: said({ type: 'string', enum: ['traffic', 'colorblind', 'mono'] }, 'colours of the cells'),
  axis_limit: said({ type: 'integer', minimum: 1, maximum: 500 }, 'how many at most (100); those with most failures are kept'),
  bucket: said({ type: 'string', enum: ['hour', 'day', 'week', 'month'], default: 'day' }, 'width of a bucket of time'),
  all: said({ ...boolean, default: false }, 'of every value of every dimension'),
  failed_only: said({ ...boolean, default: true }, 'failures only'),
  after: said({ type: 'string', pattern: '^-?[0-9]{1,18}:', maxLength: 1000 }, 'the next page: "next" of the one before'),
  change: said({ type: 'object' }, 'a change as /analytics/changes gives it, or a message of channel failpat'),
  workflow_id: said(id, 'a workflow'),
  avatar_id: said(id, 'an avatar'),
  combo: said(combo, 'what is about to be used: values of dimensions, one or an array'),
  scene_length: said({ type: 'integer', minimum: 1, maximum: 10000 }, 'how many segments, where no position is named'),
  user_id: said(id, 'whose mutes apply'),
  confidence: said({ type: 'number', exclusiveMinimum: 0, exclusiveMaximum: 1 }, 'of the interval (0.95)'),
  fix_description: said({ type: 'string', minLength: 1, maxLength: 10000, pattern: '\\S' }, 'what was done'),
  fix_parameters: said(any, 'with which parameters'),
  effectiveness: said(effectiveness, 'what it did, as far as is known'),
};

// --- What goes out.

const pattern = {
  id: integer, pattern_key: text, description: orNull(text),
  dimension_workflow_id: orNull(integer), dimension_lora_id: orNull(integer), dimension_avatar_id: orNull(integer),
  dimension_scene_type_id: orNull(integer), dimension_segment_position: orNull(text),
  failure_count: count, total_count: count, failure_rate: rate, severity,
  last_occurrence: orNull(time), created_at: time, updated_at: time,
  dimension_model_id: orNull(integer), conditions: orNull({ type: 'object' }),
  status: { type: 'string', enum: ['active', 'resolved', 'inactive'] },
  rate_lower: orNull(rate), rate_upper: orNull(rate), baseline_rate: orNull(rate), risk_ratio: orNull(number), q_value: orNull(number),
  first_detected_at: time, confirmed_at: orNull(time), candidate: boolean, source: text, caveat: orNull(text),
};
const fix = {
  id: integer, pattern_id: integer, fix_description: text, fix_parameters: any, effectiveness: orNull(text), reported_by_id: integer,
  created_at: time, updated_at: time, measured: refOrNull('Measured'), note_ids: orNull(listOf(integer)),
};
const bounds = { lower: orNull(rate), upper: orNull(rate) };
const event = {
  id: orNull(integer), at: orNull(time), kind: text, label: text, origin: { type: 'string', enum: ['recorded', 'captured', 'inferred'] },
};
/** @param {string} side */
const beside = (side) => ({
  [`failures_${side}`]: count, [`trials_${side}`]: count, [`rate_${side}`]: rate,
  [`rate_${side}_lower`]: orNull(number), [`rate_${side}_upper`]: orNull(number),
});
/** @param {string} axis */
const axis = (axis) => said(listOf(object({ value: text, label: text, condition: any })), `the ${axis}, in order; condition: what a filter says of it`);

/** @type {Record<string, Schema>} */
export const components = {
  Error: object({ error: text, code: text }),
  Pattern: object(pattern),
  PatternDetail: object({ ...pattern, alternatives: listOf(ref('Alternative')), fixes: listOf(ref('Fix')) }),
  Alert: object({
    ...pattern, 'message?': text, 'alternatives?': listOf(ref('Alternative')), 'fixes?': listOf(ref('AlertFix')),
    'from_segment?': orNull(number), 'folded?': orNull(listOf(integer)),
  }),
  Alternative: object({
    dimension: text, 'instead_of?': text, 'value?': text, 'count?': { type: 'object' }, 'before?': number, 'label?': text, rate, lower: rate, upper: rate,
    'failures?': count, 'trials?': count, predicted: boolean, sentence: text,
  }),
  AlertFix: object({
    id: integer, pattern_id: integer, fix_description: text, 'fix_parameters?': any, 'effectiveness?': text, 'measured?': verdict,
    'ratio?': number, 'lower?': number, 'upper?': number, 'trials?': count, 'stopped_working?': boolean, 'related?': boolean,
    reported_by_id: integer, created_at: time,
  }),
  Fix: object(fix),
  KnownFix: object({ ...fix, description: orNull(text) }),
  Measured: object({
    verdict, basis: { type: 'string', enum: ['parameters', 'time'] }, ratio: orNull(number), lower: orNull(number), upper: orNull(number),
    with_failures: count, with_trials: count, without_failures: count, without_trials: count, stopped_working: boolean,
  }),
  Heatmap: object({
    cells: listOf(object({
      row: text, col: text, failure_rate: rate, sample_count: count, severity, row_value: text, col_value: text, failure_count: count,
      lower: rate, upper: rate, color: text, enough_data: boolean, conditions: { type: 'object' },
    })),
    row_labels: listOf(text), col_labels: listOf(text),
  }),
  TrendPoint: object({ period: text, failure_rate: rate, sample_count: count, failure_count: count, lower: rate, upper: rate }),
  Dimensions: object({
    source: text, bucket_days: number, window_days: number, first: orNull(time), last: orNull(time), checks: listOf(text),
    dimensions: listOf(object({ name: text, title: text, kind: { type: 'string', enum: ['nominal', 'set', 'ordinal'] }, choosable: boolean })),
  }),
  Value: object({ value: text, label: text, failures: count, trials: count, rate: orNull(rate), ...bounds }),
  Cells: object({
    row_dimension: text, col_dimension: text, rows: axis('rows'), cols: axis('columns'),
    cells: listOf(object({ r: count, c: count, failures: count, trials: count, rate, lower: rate, upper: rate, severity, color: text, enough_data: boolean })),
  }),
  Observations: object({
    observations: listOf(object({
      observed_at: time, obs_key: text, source_key: text, failed: boolean, failed_checks: listOf(text), job: orNull(text),
      dims: { type: 'object' }, scores: orNull({ type: 'object', additionalProperties: number }),
    })),
    labels: { type: 'object', additionalProperties: { type: 'object', additionalProperties: text } }, next: orNull(text),
  }),
  Point: object({
    time, failures: count, trials: count, rate: orNull(rate), ...bounds, level: orNull(rate), level_lower: orNull(number),
    level_upper: orNull(number), gap: boolean, change: orNull(text),
  }),
  Change: object({
    source: text, dimension: orNull(text), value: orNull(text), label: orNull(text), conditions: { type: 'object' },
    kind: { type: 'string', enum: ['shift', 'spike'] }, direction: { type: 'string', enum: ['regression', 'improvement'] },
    at: time, at_lower: orNull(time), at_upper: orNull(time), last_before: orNull(time), ...beside('before'), ...beside('after'),
    difference: number, difference_lower: orNull(number), difference_upper: orNull(number),
    ratio: orNull(number), ratio_lower: orNull(number), ratio_upper: orNull(number), p_value: number, q_value: number,
    gap: boolean, low_counts: boolean, provisional: boolean, event: refOrNull('Cause'), none_posterior: orNull(number),
    events: listOf(ref('Cause')), threshold_edit: boolean, mix_verdict: orNull(text), mix_dimension: orNull(text), reading: text,
    before_since: orNull(time), after_until: orNull(time), change_key: orNull(text), part_of: orNull(text),
  }),
  Cause: object({ ...event, posterior: number }),
  Event: object({ ...event, scope: { type: 'object' }, check: orNull(text), effect: orNull(integer), share: number, details: any }),
  Gate: object({
    step: integer, gate: text, passed: orNull(boolean), against: orNull(text), failures: orNull(count), trials: orNull(count), rate: orNull(number),
    other_failures: orNull(count), other_trials: orNull(count), other_rate: orNull(number), risk_ratio: orNull(number), rr_lower: orNull(number),
    rr_upper: orNull(number), p_value: orNull(number), level: orNull(number), note: orNull(text),
  }),
  Prediction: object({
    probability: rate, lower: rate, upper: rate, baseline_rate: rate, contributions: listOf({ type: 'object' }), data: { type: 'object' },
    scene_probability: orNull(rate), expected_failures: orNull(number),
  }),
  Status: object({
    source: text, attached: boolean, refresh: text, observations: count, failures: count, newest_observation: orNull(time),
    last_capture: orNull(time), last_refresh: orNull(time), refresh_ms: orNull(number), dirty_buckets: count, pending_keys: count,
    backfill_done: boolean, active_patterns: count, error: orNull(text), error_at: orNull(time), worker: orNull(text),
  }),
};
