// The platform's own routes, as its front end knows them: each field under the
// platform's name and of its type, whatever else an answer has beside them.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { ask, database } from './client.js';

const is = {
  int: (x) => Number.isSafeInteger(x),
  i32: (x) => Number.isInteger(x) && Math.abs(x) < 2 ** 31,
  f64: (x) => typeof x === 'number',
  text: (x) => typeof x === 'string',
  time: (x) => typeof x === 'string' && /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/.test(x),
  day: (x) => /^\d{4}-\d\d-\d\d$/.test(x) || x === 'current',
  severity: (x) => ['high', 'medium', 'low'].includes(x),
  any: (x) => x !== undefined,
};
// "?": may be null
const pattern = {
  id: 'int', pattern_key: 'text', description: 'text?', dimension_workflow_id: 'int?', dimension_lora_id: 'int?', dimension_avatar_id: 'int?',
  dimension_scene_type_id: 'int?', dimension_segment_position: 'text?', failure_count: 'i32', total_count: 'i32', failure_rate: 'f64',
  severity: 'severity', last_occurrence: 'time?', created_at: 'time', updated_at: 'time',
};
const fix = {
  id: 'int', pattern_id: 'int', fix_description: 'text', fix_parameters: 'any?', effectiveness: 'text?', reported_by_id: 'int', created_at: 'time', updated_at: 'time',
};
const cell = { row: 'text', col: 'text', failure_rate: 'f64', sample_count: 'i32', severity: 'severity' };
const point = { period: 'day', failure_rate: 'f64', sample_count: 'i32' };

function holds(contract, object, what) {
  for (const [name, type] of Object.entries(contract)) {
    assert.ok(name in object, `${what} has ${name}`);
    const fits = is[type.replace('?', '')](object[name]) || (type.endsWith('?') && object[name] === null);
    assert.ok(fits, `${what}: ${name} is ${type}, not ${JSON.stringify(object[name])}`);
  }
}
async function data(path, options) {
  const { status, json } = await ask(path, options);
  assert.equal(status, 200, `${path}: ${JSON.stringify(json)}`);
  assert.deepEqual(Object.keys(json), ['data']);
  return json.data;
}
/** A list, and one that is not empty. */
async function listOf(contract, path, options) {
  const rows = await data(path, options);
  assert.ok(Array.isArray(rows) && rows.length > 0, path);
  rows.forEach((row, i) => holds(contract, row, `${path} ${i}`));
  return rows;
}

let db;
let id;
before(async () => {
  db = await database();
  id = Number((await db.query("SELECT id FROM failure_patterns WHERE pattern_key = 'l:13:c:102:sp:6+'")).rows[0].id);
});
after(() => db.end());

test('GET /analytics/failure-patterns', async () => {
  const all = await listOf(pattern, '/analytics/failure-patterns');
  assert.deepEqual(await data('/analytics/failure-patterns?limit=1&offset=1'), [all[1]]);
  // what is outside is taken as the nearest that is allowed, as the platform takes it
  assert.deepEqual(await data('/analytics/failure-patterns?limit=0&offset=-5'), [all[0]]);
  assert.ok((await data('/analytics/failure-patterns?limit=1000&status=all')).length >= all.length);
  assert.ok((await listOf(pattern, '/analytics/failure-patterns?severity=high')).every((p) => p.severity === 'high'));
  assert.deepEqual(all.map((p) => p.failure_rate), all.map((p) => p.failure_rate).sort((a, b) => b - a), 'highest rate first');
});

test('GET /analytics/failure-patterns/{id}', async () => {
  holds(pattern, await data(`/analytics/failure-patterns/${id}`), 'the pattern');
  assert.equal(await data('/analytics/failure-patterns/999999'), null);
});

test('GET /analytics/failure-heatmap', async () => {
  for (const asked of ['', ...['workflow', 'avatar', 'scene_type', 'lora'].map((d) => `?row_dimension=${d}&col_dimension=segment_position`)]) {
    const map = await data(`/analytics/failure-heatmap${asked}`);
    map.cells.forEach((c) => holds(cell, c, `a cell of ${asked}`));
    for (const [axis, name] of [['row_labels', 'row'], ['col_labels', 'col']]) {
      assert.equal(new Set(map[axis]).size, map[axis].length, `${axis} are unique, they are keys of the front end`);
      assert.ok(map.cells.length > 0 && map.cells.every((c) => map[axis].includes(c[name])), `each cell is found by its ${name}`);
    }
  }
});

test('GET /analytics/failure-trends', async () => {
  const points = await listOf(point, `/analytics/failure-trends?pattern_id=${id}&period_days=90`);
  assert.equal(new Set(points.map((p) => p.period)).size, points.length, 'periods are keys of the front end');
  assert.ok((await data(`/analytics/failure-trends?pattern_id=${id}`)).length <= 31, '30 days unless told otherwise');
  assert.deepEqual(await data('/analytics/failure-trends?pattern_id=999999'), []);
  assert.equal((await ask('/analytics/failure-trends')).status, 400);
});

test('GET /analytics/failure-alerts', async () => {
  await listOf(pattern, '/analytics/failure-alerts');
  await listOf(pattern, '/analytics/failure-alerts?workflow_id=22');
  await listOf(pattern, '/analytics/failure-alerts?workflow_id=22&avatar_id=102');
});

test('fixes: POST, GET, PATCH', async () => {
  const path = `/failure-patterns/${id}/fixes`;
  const made = await data(path, { method: 'POST', body: { fix_description: 'as the front end sends it' } });
  try {
    holds(fix, made, 'what was made');
    assert.deepEqual([made.pattern_id, made.fix_parameters, made.effectiveness], [id, null, null]);
    await listOf(fix, path);
    for (const effectiveness of ['resolved', 'improved', 'no_effect']) {
      const rated = await data(`/failure-patterns/fixes/${made.id}/effectiveness`, { method: 'PATCH', body: { effectiveness } });
      holds(fix, rated, 'what was rated');
      assert.equal(rated.effectiveness, effectiveness);
    }
    assert.equal(await data('/failure-patterns/fixes/999999/effectiveness', { method: 'PATCH', body: { effectiveness: 'improved' } }), null);
  } finally {
    await db.query('DELETE FROM pattern_fixes WHERE id = $1', [made.id]);
  }
});

test('errors: "error" and "code", and nothing else', async () => {
  for (const path of ['/analytics/failure-trends', '/analytics/failure-heatmap?row_dimension=colour', '/nowhere']) {
    const { status, json } = await ask(path);
    assert.ok(status >= 400 && status < 500, path);
    assert.deepEqual(Object.keys(json).sort(), ['code', 'error']);
    assert.ok(is.text(json.error) && /^[A-Z_]+$/.test(json.code));
  }
});
