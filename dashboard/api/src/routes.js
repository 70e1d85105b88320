// The routes: what each takes, which function of failpat it calls with it, and
// what that gives. Nothing else is computed here.
import { input, listOf, object, ref, refOrNull } from './schemas.js';

/**
 * @typedef {Record<string, any>} Values
 * @typedef {object} Request  what a route reads of a request, validated
 * @property {Values} params
 * @property {Values} query
 * @property {Values} body
 * @property {number} [user]  who writes
 * @typedef {object} Route
 * @property {'GET' | 'POST' | 'PATCH'} method
 * @property {string} path       below /api/v1, with {name} for parameters
 * @property {string} summary
 * @property {Values} [params]
 * @property {Values} [query]
 * @property {string[]} [required]  of the query
 * @property {Values} [body]     a schema
 * @property {Values} answer     a schema, of what is in "data"
 * @property {string} call       the function
 * @property {(request: Request) => Values} args  its arguments, undefined: its default
 * @property {boolean} [writes]  needs a user
 */

const { source, since, until, check, filter } = input;
const period = { since, until };
const asked = { pattern_id: input.pattern_id, filter, check, source, ...period };
/** @param {Values} q */
const interval = (q) => `1 ${q.bucket}`;

/** @type {Route[]} */
export const routes = [
  // --- As the platform has them.
  {
    method: 'GET', path: '/analytics/failure-patterns', summary: 'Patterns, highest rate first',
    query: { limit: input.limit_patterns, offset: input.offset, severity: input.severity, status: input.status, source },
    answer: listOf(ref('Pattern')), call: 'fp_api_patterns',
    args: ({ query: q }) => ({
      row_limit: q.limit, row_offset: q.offset, severity: q.severity, source: q.source, status: q.status === 'all' ? null : q.status,
    }),
  },
  {
    method: 'GET', path: '/analytics/failure-patterns/{id}', summary: 'A pattern with alternatives and fixes; null where there is none',
    params: { id: input.id },
    answer: refOrNull('PatternDetail'), call: 'fp_api_pattern',
    args: ({ params }) => ({ pattern_id: params.id }),
  },
  {
    method: 'GET', path: '/analytics/failure-heatmap', summary: 'Two dimensions against each other, by names',
    query: { row_dimension: input.dimension, col_dimension: input.dimension, period_days: input.period_days, source },
    answer: ref('Heatmap'), call: 'fp_api_heatmap',
    args: ({ query }) => query,
  },
  {
    method: 'GET', path: '/analytics/failure-trends', summary: 'The rate of a pattern by day',
    query: { pattern_id: input.pattern_id, period_days: input.period_days }, required: ['pattern_id'],
    answer: listOf(ref('TrendPoint')), call: 'fp_api_trends',
    args: ({ query }) => query,
  },
  {
    method: 'GET', path: '/analytics/failure-alerts', summary: 'What a combination is warned of; without one, the 100 worst patterns',
    query: { workflow_id: input.workflow_id, avatar_id: input.avatar_id, source },
    answer: listOf(ref('Alert')), call: 'fp_api_alerts',
    args: ({ query }) => query,
  },
  {
    method: 'POST', path: '/analytics/failure-alerts', summary: 'What a scene configuration is warned of, worst first',
    body: { ...object({ combo: input.combo, 'scene_length?': input.scene_length, 'user_id?': input.user_id, 'source?': source }) },
    answer: listOf(ref('Alert')), call: 'fp_api_alerts',
    args: ({ body }) => ({ combo: body.combo, scene_length: body.scene_length, for_user: body.user_id, source: body.source }),
  },
  {
    method: 'POST', path: '/failure-patterns/{id}/fixes', summary: 'Records a fix of a pattern', writes: true,
    params: { id: input.id },
    body: object({
      fix_description: input.fix_description, 'fix_parameters?': input.fix_parameters, 'effectiveness?': input.effectiveness,
    }),
    answer: ref('Fix'), call: 'fp_api_record_fix',
    args: ({ params, body, user }) => ({
      pattern_id: params.id, fix_description: body.fix_description,
      // text and numbers are JSON too
      fix_parameters: body.fix_parameters == null ? undefined : JSON.stringify(body.fix_parameters),
      effectiveness: body.effectiveness, reported_by: user,
    }),
  },
  {
    method: 'GET', path: '/failure-patterns/{id}/fixes', summary: 'Fixes of a pattern, newest first',
    params: { id: input.id },
    answer: listOf(ref('Fix')), call: 'fp_api_fixes',
    args: ({ params }) => ({ pattern_id: params.id }),
  },
  {
    method: 'PATCH', path: '/failure-patterns/fixes/{id}/effectiveness', summary: 'Rates a fix; null where there is none', writes: true,
    params: { id: input.id },
    body: object({ effectiveness: input.effectiveness }),
    answer: refOrNull('Fix'), call: 'fp_api_rate_fix',
    args: ({ params, body }) => ({ fix_id: params.id, effectiveness: body.effectiveness }),
  },

  // --- What a dashboard asks beside them.
  {
    method: 'GET', path: '/analytics/dimensions', summary: 'What a source can be looked at by',
    query: { source },
    answer: ref('Dimensions'), call: 'fp_api_dimensions',
    args: ({ query }) => query,
  },
  {
    method: 'GET', path: '/analytics/dimensions/{name}/values', summary: 'The values of a dimension that were used, by name',
    params: { name: input.dimension }, query: { filter, check, source, ...period },
    answer: listOf(ref('Value')), call: 'fp_api_values',
    args: ({ params, query }) => ({ dimension: params.name, ...query }),
  },
  {
    method: 'GET', path: '/analytics/heatmap', summary: 'Two dimensions against each other, with intervals; a set against itself: pairs',
    query: {
      row_dimension: input.dimension, col_dimension: input.dimension, filter, check, palette: input.palette,
      row_limit: input.axis_limit, col_limit: input.axis_limit, source, ...period,
    },
    required: ['row_dimension', 'col_dimension'],
    answer: ref('Cells'), call: 'fp_api_cells',
    args: ({ query }) => query,
  },
  {
    method: 'GET', path: '/analytics/observations', summary: 'What is behind a cell, a pattern or a change, newest first, by pages',
    query: { ...asked, change: input.change, failed_only: input.failed_only, limit: input.limit, after: input.after },
    answer: ref('Observations'), call: 'fp_api_observations',
    args: ({ query: { limit, ...query } }) => ({ ...query, page_size: limit }),
  },
  {
    method: 'GET', path: '/analytics/trend', summary: 'The rate of a pattern, or of what meets a filter, over time',
    query: { ...asked, bucket: input.bucket },
    answer: listOf(ref('Point')), call: 'fp_api_trend',
    args: ({ query }) => ({ ...query, bucket: interval(query) }),
  },
  {
    method: 'GET', path: '/analytics/changes', summary: 'Where rates changed, and what most probably changed them, newest first',
    query: { ...asked, dimension: input.dimension, all: input.all, bucket: input.bucket },
    answer: listOf(ref('Change')), call: 'fp_api_changes',
    args: ({ query: { all, ...query } }) => ({ ...query, all_dimensions: all, bucket: interval(query) }),
  },
  {
    method: 'GET', path: '/analytics/events', summary: 'Releases, new versions, edits of thresholds, first uses, oldest first',
    query: { filter, source, ...period },
    answer: listOf(ref('Event')), call: 'fp_api_events',
    args: ({ query }) => query,
  },
  {
    method: 'GET', path: '/analytics/fixes', summary: 'Fixes of one pattern or of all, oldest first, with what they did',
    query: { pattern_id: input.pattern_id, source },
    answer: listOf(ref('KnownFix')), call: 'fp_api_known_fixes',
    args: ({ query }) => query,
  },
  {
    method: 'GET', path: '/analytics/explanation', summary: 'Why something is, or is not, a pattern: each gate with its figures',
    query: { pattern_id: input.pattern_id, filter, check, source },
    answer: listOf(ref('Gate')), call: 'fp_api_explanation',
    args: ({ query }) => query,
  },
  {
    method: 'POST', path: '/analytics/predictions', summary: 'How likely a combination fails; null before the first refresh',
    body: object({ combo: input.combo, 'scene_length?': input.scene_length, 'confidence?': input.confidence, 'source?': source }),
    answer: refOrNull('Prediction'), call: 'fp_api_prediction',
    args: ({ body }) => body,
  },
  {
    method: 'GET', path: '/analytics/status', summary: 'Each source: what was captured, and what waits',
    answer: listOf(ref('Status')), call: 'fp_api_status',
    args: () => ({}),
  },
];
