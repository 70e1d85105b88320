// What has nothing to do with data: headers, names, users, the page, a database
// that is slow, or gone. Servers of its own, made of the same parts.
import assert from 'node:assert/strict';
import { mkdtempSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { build } from '../src/app.js';
import { configFrom } from '../src/config.js';
import { connect } from '../src/database.js';

let page;
before(() => {
  page = mkdtempSync(join(tmpdir(), 'failpat-page-'));
  mkdirSync(join(page, 'assets'));
  writeFileSync(join(page, 'index.html'), '<!doctype html><title>page</title>');
  writeFileSync(join(page, 'assets', 'index-1.js'), 'void 0;');
});
after(() => rmSync(page, { recursive: true }));

const config = (env = {}) => configFrom({ DASHBOARD_LOG: 'silent', ...env });
/** A database that answers what it was asked. */
const echo = { call: async (name, args) => JSON.stringify({ name, args }) };
const app = (env, database = echo) => build({ config: config(env), database, page });
const write = { method: 'POST', url: '/api/v1/failure-patterns/1/fixes', payload: { fix_description: 'x' } };

test('binds to this machine only, unless told otherwise', () => {
  assert.equal(config().host, '127.0.0.1');
  assert.throws(() => config({ DASHBOARD_PORT: 'x' }), /DASHBOARD_PORT must be a number/);
});

test('each answer has the security headers', async () => {
  const a = app();
  for (const url of ['/', '/api/v1/analytics/status', '/api/v1/nowhere', '/assets/index-1.js']) {
    const { headers } = await a.inject(url);
    assert.match(headers['content-security-policy'], /script-src 'self';/, url);
    assert.doesNotMatch(headers['content-security-policy'], /script-src[^;]*unsafe/);
    assert.equal(headers['x-content-type-options'], 'nosniff', url);
    assert.equal(headers['access-control-allow-origin'], undefined);
  }
});

test('answers to its own names only', async () => {
  const asked = (host, env) => app(env).inject({ url: '/api/v1/analytics/status', headers: { host } });
  assert.equal((await asked('localhost:8064')).statusCode, 200);
  assert.equal((await asked('[::1]:8064')).statusCode, 200);
  assert.equal((await asked('evil.example:8064')).statusCode, 400);
  assert.equal((await asked('failures.example', { DASHBOARD_NAMES: 'failures.example' })).statusCode, 200);
});

test('who writes is what the server knows, never what the request says', async () => {
  const by = async (env, headers = {}) => {
    const answer = await app(env).inject({ ...write, headers });
    return answer.statusCode === 200 ? answer.json().data.args.reported_by : answer.json().code;
  };
  assert.equal(await by({}), 'UNAUTHORIZED');
  assert.equal(await by({ DASHBOARD_USER_ID: '2' }), 2);
  assert.equal(await by({ DASHBOARD_USER_ID: '2' }, { 'x-user': '7' }), 2);
  assert.equal(await by({ DASHBOARD_USER_HEADER: 'X-User' }, { 'x-user': '7' }), 7);
  assert.equal(await by({ DASHBOARD_USER_HEADER: 'X-User', DASHBOARD_USER_ID: '2' }), 'UNAUTHORIZED');
  assert.equal(await by({ DASHBOARD_USER_HEADER: 'X-User' }, { 'x-user': '7 or 1' }), 'UNAUTHORIZED');
  const rate = await app().inject({ method: 'PATCH', url: '/api/v1/failure-patterns/fixes/1/effectiveness', payload: { effectiveness: 'improved' } });
  assert.equal(rate.statusCode, 401);
});

test('one call of failpat for each request, with what was left out left out', async () => {
  const asked = async (url) => (await app().inject(`/api/v1${url}`)).json().data;
  assert.deepEqual(await asked('/analytics/failure-heatmap'), { name: 'fp_api_heatmap', args: {} });
  assert.deepEqual(await asked('/analytics/trend?filter={"lora":"3"}'), { name: 'fp_api_trend', args: { filter: { lora: '3' }, bucket: '1 day' } });
  assert.deepEqual(await asked('/analytics/failure-patterns?status=all'), { name: 'fp_api_patterns', args: { row_limit: 20, status: null } });
});

test('the page: its files, and index.html for its own addresses', async () => {
  const a = app();
  assert.match((await a.inject('/')).body, /<title>page/);
  assert.match((await a.inject('/patterns/12?x=1')).body, /<title>page/);
  const file = await a.inject('/assets/index-1.js');
  assert.equal(file.body, 'void 0;');
  assert.match(file.headers['cache-control'], /immutable/);
  assert.equal((await a.inject('/assets/gone.js')).statusCode, 404);
  assert.equal((await a.inject('/../package.json')).statusCode, 404);
  assert.equal((await a.inject('/api/v2/x')).json().code, 'NOT_FOUND');
  const bare = await build({ config: config(), database: echo }).inject('/');
  assert.match(bare.json().error, /has not been built/);
});

test('a statement that takes too long is ended, and said to be', async () => {
  const database = connect(config({ DATABASE_URL: process.env.DATABASE_URL, DASHBOARD_STATEMENT_TIMEOUT: '1' }));
  const answer = await app({}, { call: async () => (await database.call('fp_api_changes', { all_dimensions: true })) }).inject('/api/v1/analytics/status');
  assert.deepEqual([answer.statusCode, answer.json().code], [504, 'TIMEOUT']);
  await database.end();
});

test('a database that is not there', async () => {
  const database = connect(config({ DATABASE_URL: 'postgresql://nobody@127.0.0.1:1/none' }));
  const answer = await app({}, database).inject('/api/v1/analytics/status');
  assert.deepEqual([answer.statusCode, answer.json().code], [503, 'UNAVAILABLE']);
  await database.end();
});

test('an error of ours tells nothing but that it is one', async () => {
  const answer = await app({}, { call: async () => { throw new Error('secret'); } }).inject('/api/v1/analytics/status');
  assert.deepEqual([answer.statusCode, answer.json()], [500, { error: 'something went wrong here; the log has more', code: 'INTERNAL' }]);
});
