// Every route, on the demo's data: what it says is what is in the database, and
// is what the OpenAPI description says of it.
import { Validator } from '@seriousme/openapi-schema-validator';
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { routes } from '../src/routes.js';
import { answered, ask, data, database, description, query, valid } from './client.js';

let db;
let known; // the pattern of LoRA and character
before(async () => {
  db = await database();
  known = (await db.query("SELECT * FROM failure_patterns WHERE pattern_key = 'l:13:c:102:sp:6+'")).rows[0];
});
after(() => db.end());
const rows = async (sql, values) => (await db.query(sql, values)).rows;

test('patterns: all of the platform\'s fields, highest rate first', async () => {
  const patterns = await data('/analytics/failure-patterns');
  assert.deepEqual(patterns.map((p) => Number(p.id)), (await rows("SELECT id FROM failure_patterns WHERE status = 'active' ORDER BY failure_rate DESC")).map((r) => Number(r.id)));
  const p = patterns.find((x) => x.id === Number(known.id));
  for (const name of ['description', 'pattern_key', 'dimension_segment_position', 'failure_count', 'total_count', 'failure_rate', 'severity', 'rate_lower', 'rate_upper', 'baseline_rate']) {
    assert.equal(p[name], known[name], name);
  }
  for (const name of ['dimension_workflow_id', 'dimension_lora_id', 'dimension_avatar_id', 'dimension_scene_type_id', 'dimension_model_id']) {
    assert.equal(p[name], known[name] === null ? null : Number(known[name]), name);
  }
  assert.equal(new Date(p.last_occurrence).getTime(), known.last_occurrence.getTime());
  assert.deepEqual(p.conditions, { lora: '13', character: '102', segment_position: { min: 6 } });
});

test('patterns: pages, severity, status', async () => {
  const all = await data('/analytics/failure-patterns?status=all');
  assert.deepEqual(await data('/analytics/failure-patterns?status=all&limit=1&offset=1'), [all[1]]);
  const high = await data('/analytics/failure-patterns?severity=high');
  assert.ok(high.length > 0 && high.every((p) => p.severity === 'high'));
  assert.deepEqual(await data('/analytics/failure-patterns?status=resolved'), []);
});

test('a pattern with alternatives and fixes; null where there is none', async () => {
  const p = await data(`/analytics/failure-patterns/${known.id}`);
  assert.equal(p.description, known.description);
  assert.ok(p.alternatives.some((a) => a.dimension === 'lora' && a.instead_of === '13' && a.rate < p.failure_rate), JSON.stringify(p.alternatives));
  assert.ok(p.fixes.length >= 1);
  assert.equal(await data('/analytics/failure-patterns/99999'), null);
});

test('the platform\'s heatmap, trend and alerts', async () => {
  const map = await data('/analytics/failure-heatmap?row_dimension=lora&col_dimension=segment_position');
  assert.equal(map.cells.find((c) => c.row === 'Velvet Grain' && c.col === '6').row_value, '13');
  assert.ok((await data('/analytics/failure-heatmap')).row_labels.includes('Talking head'), 'workflow by avatar where none is named');
  const points = await data(`/analytics/failure-trends?pattern_id=${known.id}&period_days=90`);
  assert.equal(points.reduce((sum, x) => sum + x.sample_count, 0), known.total_count);
  assert.deepEqual((await data('/analytics/failure-alerts')).map((p) => p.id), (await rows("SELECT id FROM failure_patterns WHERE severity = 'high'")).map((r) => Number(r.id)));
  assert.deepEqual((await data('/analytics/failure-alerts?workflow_id=22')).map((p) => p.pattern_key), ['w:22']);
  assert.deepEqual(await data('/analytics/failure-alerts?avatar_id=103'), []);
});

test('alerts of a scene configuration, with alternatives and fixes', async () => {
  const alerts = await data('/analytics/failure-alerts', { method: 'POST', body: { combo: { lora: ['11', '13'], character: 102, workflow: '22' } } });
  assert.deepEqual(new Set(alerts.map((a) => a.pattern_key)), new Set(['l:13:c:102:sp:6+', 'w:22']));
  const alert = alerts.find((a) => a.id === Number(known.id));
  assert.equal(alert.from_segment, 6);
  assert.match(alert.message, /^LoRA Velvet Grain \+ Character Bruno fails at segment 6\+: 46 %/);
  assert.match(alert.alternatives[0].sentence, /^Consider /);
  assert.ok(alert.fixes.some((f) => f.fix_description === 'More steps from segment 6 on'));
  const none = { method: 'POST', body: { combo: { lora: ['13'], character: '102' }, scene_length: 5 } };
  assert.deepEqual(await data('/analytics/failure-alerts', none), [], 'a scene that ends before');
  assert.deepEqual(await data('/analytics/failure-alerts', { method: 'POST', body: { combo: { lora: 'unheard', colour: ['1'] } } }), [], 'unknown values are fine');
});

test('dimensions and their values', async () => {
  const d = await data('/analytics/dimensions');
  assert.deepEqual(d.dimensions.map((x) => x.name), ['workflow', 'model', 'lora', 'character', 'scene_type', 'segment_position']);
  assert.ok(d.checks.includes('face_confidence'));
  const people = await data('/analytics/dimensions/character/values');
  assert.equal(people.find((v) => v.value === '102').label, 'Bruno');
  assert.equal(people.reduce((sum, v) => sum + v.trials, 0), 50000);
  assert.deepEqual((await data('/analytics/dimensions/segment_position/values')).map((v) => Number(v.value)).slice(0, 10), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  const some = await data(`/analytics/dimensions/character/values${query({ filter: { lora: '13' } })}`);
  assert.ok(some.every((v) => v.trials < people.find((w) => w.value === v.value).trials));
});

test('a heatmap of any two dimensions, filtered; its cells lead to their failures', async () => {
  const asked = { row_dimension: 'lora', col_dimension: 'segment_position', filter: { character: '102' } };
  const map = await data(`/analytics/heatmap${query(asked)}`);
  const r = map.rows.findIndex((x) => x.value === '13');
  const c = map.cols.findIndex((x) => x.value === '7');
  const cell = map.cells.find((x) => x.r === r && x.c === c);
  const conditions = { ...asked.filter, lora: map.rows[r].condition, segment_position: map.cols[c].condition };
  const behind = await data(`/analytics/observations${query({ filter: conditions, limit: 500 })}`);
  assert.equal(behind.observations.length, cell.failures);
  assert.equal((await data(`/analytics/observations${query({ filter: conditions, limit: 500, failed_only: false })}`)).observations.length, cell.trials);
  assert.ok(behind.observations.every((o) => o.dims.lora.includes('13') && o.dims.segment_position === 7));
  const motion = await data(`/analytics/heatmap${query({ ...asked, check: 'motion' })}`);
  assert.ok(motion.cells.reduce((sum, x) => sum + x.failures, 0) < map.cells.reduce((sum, x) => sum + x.failures, 0));
  assert.equal((await data(`/analytics/heatmap${query({ ...asked, row_limit: 3, palette: 'colorblind' })}`)).rows.length, 3);
  const later = await data(`/analytics/heatmap${query({ ...asked, since: '2999-01-01' })}`);
  assert.deepEqual(later.cells, []);
  const pairs = await data(`/analytics/heatmap${query({ row_dimension: 'lora', col_dimension: 'lora' })}`);
  assert.ok(pairs.cells.length > 0);
});

test('observations: pages, names, scores', async () => {
  const seen = [];
  let next;
  do {
    const page = await data(`/analytics/observations${query({ pattern_id: known.id, limit: 20, ...(next ? { after: next } : {}) })}`);
    seen.push(...page.observations);
    next = page.next;
  } while (next && seen.length < 1000);
  assert.equal(seen.length, known.failure_count);
  assert.equal(new Set(seen.map((o) => o.obs_key)).size, seen.length);
  const page = await data(`/analytics/observations${query({ pattern_id: known.id, limit: 1 })}`);
  assert.equal(page.labels.character['102'], 'Bruno');
  const scores = await rows('SELECT check_type, score FROM quality_scores WHERE segment_id = $1', [page.observations[0].obs_key]);
  assert.deepEqual(page.observations[0].scores, Object.fromEntries(scores.map((s) => [s.check_type, s.score])));
});

test('trends, changes and what is behind a change', async () => {
  const trend = await data(`/analytics/trend${query({ filter: { workflow: '22' } })}`);
  const turns = Object.fromEntries(trend.filter((t) => t.change).map((t) => [t.change, t.time]));
  assert.deepEqual(Object.keys(turns).sort(), ['improvement', 'regression']);
  const changes = await data(`/analytics/changes${query({ filter: { workflow: '22' } })}`);
  assert.deepEqual(changes.map((c) => [c.direction, c.at]), [['improvement', turns.improvement], ['regression', turns.regression]], 'newest first');
  assert.match(changes[1].event.label, /^Workflow Talking head version 2/);
  const every = await data('/analytics/changes?all=true');
  assert.ok(every.some((c) => c.dimension === 'workflow' && c.value === '22' && c.direction === 'regression' && c.part_of === null));
  const since = await data(`/analytics/observations${query({ change: changes[1], limit: 500 })}`);
  assert.ok(since.observations.length > 100 && since.observations.every((o) => o.dims.workflow === '22' && o.observed_at >= changes[1].at && o.observed_at < changes[1].after_until));
  assert.ok((await data('/analytics/trend?bucket=week')).length < 20);
  assert.ok((await data(`/analytics/trend${query({ pattern_id: known.id, check: 'face_confidence' })}`)).some((t) => t.failures > 0));
  assert.ok((await data(`/analytics/changes${query({ pattern_id: known.id, bucket: 'week' })}`)).length >= 0);
});

test('events, explanations, predictions, status', async () => {
  const events = await data('/analytics/events');
  assert.ok(events.some((e) => e.kind === 'release' && e.label === 'Pipeline 3.2' && e.origin === 'recorded'));
  assert.ok(events.some((e) => e.origin === 'captured' && e.kind === 'workflow'));
  assert.ok((await data(`/analytics/events${query({ filter: { workflow: '22' } })}`)).length > 0);
  const why = await data(`/analytics/explanation?pattern_id=${known.id}`);
  assert.deepEqual([why.at(-1).gate, why.at(-1).passed], ['result', true]);
  const whyNot = await data(`/analytics/explanation${query({ filter: { character: '103' } })}`);
  assert.equal(whyNot.at(-1).passed, false);
  const combo = { lora: ['13'], character: '102', segment_position: 8 };
  const likely = await data('/analytics/predictions', { method: 'POST', body: { combo } });
  assert.ok(likely.probability > 0.3 && likely.lower < likely.probability && likely.upper > likely.probability, JSON.stringify(likely));
  const [status] = await data('/analytics/status');
  assert.deepEqual([status.source, status.observations, status.error], ['segments', 50000, null]);
});

test('a fix is recorded, with notes on its assets, rated, and told by the next alert', async () => {
  const body = { fix_description: 'LoRA weight 0.6 instead of 0.9', fix_parameters: { lora_weight: 0.6 } };
  const fix = await data(`/failure-patterns/${known.id}/fixes`, { method: 'POST', body });
  const [row] = await rows('SELECT * FROM pattern_fixes WHERE id = $1', [fix.id]);
  assert.deepEqual([row.fix_description, row.fix_parameters, row.effectiveness, Number(row.reported_by_id)], [body.fix_description, body.fix_parameters, null, 2]);
  assert.deepEqual((await rows('SELECT id, asset_id, author_id FROM asset_notes WHERE id = ANY ($1)', [fix.note_ids])).map((n) => [Number(n.asset_id), Number(n.author_id)]), [[13, 2]]);
  const rated = await data(`/failure-patterns/fixes/${fix.id}/effectiveness`, { method: 'PATCH', body: { effectiveness: 'improved' } });
  assert.equal(rated.effectiveness, 'improved');
  assert.equal((await rows('SELECT effectiveness FROM pattern_fixes WHERE id = $1', [fix.id]))[0].effectiveness, 'improved');
  assert.equal((await data(`/failure-patterns/${known.id}/fixes`))[0].id, fix.id, 'newest first');
  const [alert] = await data('/analytics/failure-alerts', { method: 'POST', body: { combo: { lora: ['13'], character: '102' } } });
  assert.ok(alert.fixes.some((f) => f.id === fix.id));
  assert.equal(await data('/failure-patterns/fixes/99999/effectiveness', { method: 'PATCH', body: { effectiveness: 'improved' } }), null);
  const worked = (await data('/analytics/fixes')).find((f) => f.description === 'Workflow Talking head fails');
  assert.equal(worked.measured.verdict, 'resolved');
  assert.ok((await data(`/analytics/fixes?pattern_id=${known.id}`)).every((f) => f.pattern_id === Number(known.id)));
  for (const odd of ['text', 3, [1, 'two'], false, null]) {
    const kept = await data(`/failure-patterns/${known.id}/fixes`, { method: 'POST', body: { fix_description: 'any JSON', fix_parameters: odd } });
    assert.deepEqual(kept.fix_parameters, odd);
  }
});

const wrong = [
  ['GET', '/analytics/failure-patterns?limit=1.5'], ['GET', '/analytics/failure-patterns?limit=1e30'], ['GET', '/analytics/failure-patterns?severity=awful'],
  ['GET', '/analytics/failure-patterns?severity=high&severity=low'], ['GET', '/analytics/failure-patterns?colour=red'],
  ['GET', "/analytics/failure-patterns?source=x'%20OR%20''='&limit=a"], ['GET', '/analytics/failure-patterns/one'],
  ['GET', '/analytics/failure-patterns/99999999999999999999'], ['GET', '/analytics/failure-trends'], ['GET', '/analytics/dimensions/colour/values'],
  ['GET', '/analytics/heatmap'], ['GET', '/analytics/heatmap?row_dimension=lora&col_dimension=colour'], ['GET', '/analytics/heatmap?row_dimension=character&col_dimension=character'],
  ['GET', '/analytics/heatmap?row_dimension=lora&col_dimension=model&since=yesterday'], ['GET', '/analytics/heatmap?row_dimension=lora&col_dimension=model&since=2026-02-01&until=2026-01-01'],
  ['GET', '/analytics/heatmap?row_dimension=lora&col_dimension=model&palette=pastel'],
  ['GET', '/analytics/observations?filter={'], ['GET', '/analytics/observations?filter=[]'], ['GET', `/analytics/observations${query({ filter: { colour: '1' } })}`],
  ['GET', `/analytics/observations${query({ filter: { lora: { above: 3 } } })}`], ['GET', '/analytics/observations?after=x'], ['GET', '/analytics/observations?after=1:x&limit=501'],
  ['GET', '/analytics/observations?pattern_id=99999'], ['GET', '/analytics/observations?change={}'], ['GET', '/analytics/trend?bucket=year'],
  ['GET', '/analytics/changes?all=true&dimension=lora'], ['GET', '/analytics/explanation'], ['GET', '/analytics/status?x=1'], ['GET', '/analytics/events?source=elsewhere'],
  ['POST', '/analytics/failure-alerts', {}], ['POST', '/analytics/failure-alerts', { combo: [] }], ['POST', '/analytics/failure-alerts', { combo: { lora: { min: 1 } } }],
  ['POST', '/analytics/failure-alerts', { combo: {}, scene_length: '8' }], ['POST', '/analytics/failure-alerts', { combo: {}, more: 1 }], ['POST', '/analytics/failure-alerts', '{"combo": '],
  ['POST', '/analytics/predictions', { combo: { lora: '13' }, confidence: 1 }], ['POST', '/failure-patterns/1/fixes', {}], ['POST', '/failure-patterns/1/fixes', { fix_description: ' ' }],
  ['POST', '/failure-patterns/1/fixes', { fix_description: 'x', reported_by_id: 1 }], ['POST', '/failure-patterns/99999/fixes', { fix_description: 'x' }],
  ['POST', '/failure-patterns/1/fixes', { fix_description: 'x', effectiveness: 'great' }], ['PATCH', '/failure-patterns/fixes/1/effectiveness', { effectiveness: null }],
];
test('what makes no sense is refused, as JSON, and changes nothing', async (t) => {
  const before = await rows('SELECT count(*) FROM pattern_fixes');
  for (const [method, path, body] of wrong) {
    await t.test(`${method} ${path} ${body === undefined ? '' : JSON.stringify(body)}`, async () => {
      const answer = await ask(path, { method, body });
      assert.equal(answer.status, 400, JSON.stringify(answer.json));
      assert.equal(answer.json.code, 'BAD_REQUEST');
      await valid(path, method, 400, answer.json);
    });
  }
  assert.deepEqual(await rows('SELECT count(*) FROM pattern_fixes'), before);
});

test('values are never SQL', async () => {
  const odd = `'"; DROP TABLE failure_patterns; --`;
  assert.deepEqual(await data(`/analytics/failure-patterns${query({ source: odd.slice(0, 60) })}`), []);
  assert.deepEqual((await data(`/analytics/observations${query({ filter: { character: odd } })}`)).observations, []);
  assert.ok(Number((await rows('SELECT count(*) FROM failure_patterns'))[0].count) > 0);
});

test('addresses that there are not', async () => {
  const answer = await ask('/nowhere');
  assert.deepEqual([answer.status, answer.json.code], [404, 'NOT_FOUND']);
  assert.equal((await ask('/analytics/failure-patterns', { method: 'DELETE' })).status, 404);
});

test('other media types and too much are refused', async () => {
  const xml = await ask('/analytics/failure-alerts', { method: 'POST', body: '<x/>', headers: { 'content-type': 'text/xml' } });
  assert.equal(xml.status, 415);
  const much = await ask('/failure-patterns/1/fixes', { method: 'POST', body: { fix_description: 'x', fix_parameters: 'y'.repeat(300000) } });
  assert.equal(much.status, 413);
  assert.equal(much.json.code, 'BAD_REQUEST');
});

test('the description is OpenAPI, has every route, and every route answered as it says', async () => {
  const result = await new Validator().validate(JSON.parse(JSON.stringify(await description())));
  assert.ok(result.valid, JSON.stringify(result.errors));
  const described = Object.entries((await description()).paths).flatMap(([path, operations]) => Object.keys(operations).map((m) => `${m.toUpperCase()} ${path}`));
  assert.deepEqual(described.filter((d) => !d.endsWith('/openapi.json')).sort(), routes.map((r) => `${r.method} /api/v1${r.path}`).sort());
  assert.deepEqual([...answered].sort(), routes.map((r) => `${r.method} /api/v1${r.path}`).sort());
});
