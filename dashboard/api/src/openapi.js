// The OpenAPI description of the routes, from the schemas that they validate by.
import { components, object, ref } from './schemas.js';

/** @typedef {import('./routes.js').Route} Route */

/** @param {Route} route */
function parameters(route) {
  const of = (where, schemas, required) =>
    Object.entries(schemas).map(([name, { description, ...schema }]) => ({
      name, in: where, description, required: required.includes(name),
      // objects come as JSON text
      ...(schema.type === 'object' ? { content: { 'application/json': { schema } } } : { schema }),
    }));
  return [...of('path', route.params ?? {}, Object.keys(route.params ?? {})), ...of('query', route.query ?? {}, route.required ?? [])];
}

/** @param {string} description */
const failure = (description) => ({ description, content: { 'application/json': { schema: ref('Error') } } });

/** @param {Route} route */
function operation(route) {
  return {
    operationId: `${route.method.toLowerCase()}${route.path.replace(/[/{}-]+(\w?)/g, (_, letter) => letter.toUpperCase())}`,
    summary: route.summary,
    parameters: parameters(route),
    ...(route.body ? { requestBody: { required: true, content: { 'application/json': { schema: route.body } } } } : {}),
    responses: {
      200: { description: 'the answer', content: { 'application/json': { schema: object({ data: route.answer }) } } },
      400: failure('what was asked makes no sense, and why'),
      ...(route.writes ? { 401: failure('nobody is known to write') } : {}),
      500: failure('the server failed'),
      503: failure('the database is not there'),
      504: failure('it took too long'),
    },
  };
}

/** @param {string} prefix @param {Route[]} routes */
export function openapi(prefix, routes) {
  /** @type {Record<string, Record<string, unknown>>} */
  const paths = {};
  for (const route of routes) {
    (paths[prefix + route.path] ??= {})[route.method.toLowerCase()] = operation(route);
  }
  paths[`${prefix}/openapi.json`] = {
    get: {
      operationId: 'getOpenapi',
      summary: 'This description',
      responses: { 200: { description: 'OpenAPI 3.1', content: { 'application/json': { schema: { type: 'object' } } } } },
    },
  };
  return {
    openapi: '3.1.0',
    info: { title: 'failpat', version: '1.0.0', description: 'Which combinations of parameters fail: each route is one call of the extension failpat.' },
    paths,
    components: { schemas: components },
  };
}
