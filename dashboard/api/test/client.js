// What the tests share: requests to the server at DASHBOARD_URL, the database
// behind it, and schemas to hold answers to.
import addFormats from 'ajv-formats';
import Ajv2020 from 'ajv/dist/2020.js';
import assert from 'node:assert/strict';
import pg from 'pg';

export const url = process.env.DASHBOARD_URL;
if (!url) throw new Error('DASHBOARD_URL is not set: run this by dashboard/serve --once');
export const base = `${url}/api/v1`;

/** @param {string} path @param {{ method?: string, body?: unknown, headers?: Record<string, string> }} [options] */
export async function ask(path, { method = 'GET', body, headers = {} } = {}) {
  const response = await fetch(base + path, {
    method,
    headers: body === undefined ? headers : { 'content-type': 'application/json', ...headers },
    body: body === undefined ? undefined : typeof body === 'string' ? body : JSON.stringify(body),
  });
  const text = await response.text();
  return { status: response.status, headers: response.headers, json: text === '' ? undefined : JSON.parse(text) };
}

/** The data of an answer, which must be one. @param {string} path @param {object} [options] */
export async function data(path, options) {
  const { status, json } = await ask(path, options);
  assert.equal(status, 200, `${path}: ${JSON.stringify(json)}`);
  await valid(path, options?.method ?? 'GET', 200, json);
  return json.data;
}

/** @param {Record<string, unknown>} parameters objects as JSON text */
export const query = (parameters) =>
  '?' + new URLSearchParams(Object.entries(parameters).map(([k, v]) => [k, typeof v === 'object' ? JSON.stringify(v) : String(v)]));

let described;
export async function description() {
  described ??= (await ask('/openapi.json')).json;
  return described;
}

/** Which operations have answered what was described. @type {Set<string>} */
export const answered = new Set();
const validators = new Map();
const ajv = addFormats(new Ajv2020({ strict: false, allErrors: true }));

/** @param {string} path @param {string} method @param {number} status @param {unknown} json */
export async function valid(path, method, status, json) {
  const { paths, components } = await description();
  const plain = `/api/v1${path.split('?')[0]}`;
  // what is written out goes before what is a parameter
  const template = Object.keys(paths)
    .sort((a, b) => a.split('{').length - b.split('{').length)
    .find((p) => new RegExp(`^${p.replace(/\{\w+\}/g, '[^/]+')}$`).test(plain));
  assert.ok(template, `${plain} is not described`);
  const operation = paths[template][method.toLowerCase()];
  assert.ok(operation, `${method} ${template} is not described`);
  const schema = operation.responses[status]?.content['application/json'].schema;
  assert.ok(schema, `${method} ${template} is not described to answer ${status}`);
  const key = `${method} ${template} ${status}`;
  if (!validators.has(key)) validators.set(key, ajv.compile({ ...schema, components }));
  const validate = validators.get(key);
  assert.ok(validate(json), `${key}: ${ajv.errorsText(validate.errors)}\n${JSON.stringify(json).slice(0, 2000)}`);
  answered.add(`${method} ${template}`);
}

/** A connection of the server's superuser, or of another role. @param {object} [as] */
export async function database(as) {
  const client = new pg.Client({ ...(as ? {} : { connectionString: process.env.DATABASE_URL }), ...as });
  await client.connect();
  return client;
}
