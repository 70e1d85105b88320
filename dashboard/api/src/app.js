// The HTTP server: routes, validation, errors as JSON, headers, and the page.
import fastifyStatic from '@fastify/static';
import Ajv from 'ajv';
import addFormats from 'ajv-formats';
import Fastify from 'fastify';
import { existsSync } from 'node:fs';
import { openapi } from './openapi.js';
import { routes } from './routes.js';

export const prefix = '/api/v1';

const headers = {
  'content-security-policy':
    "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; script-src 'self'; object-src 'none'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'",
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
};

// What comes as text (query and path) is made what the schema says; a body is
// what it says it is. Nothing is left out silently.
const options = { useDefaults: true, allowUnionTypes: true, strict: 'log' };
const validators = { text: addFormats(new Ajv({ ...options, coerceTypes: true })), body: addFormats(new Ajv(options)) };

/** An error that is the caller's. */
class Refused extends Error {
  /** @param {number} status @param {string} code @param {string} message */
  constructor(status, code, message) {
    super(message);
    this.statusCode = status;
    this.code = code;
  }
}

/**
 * What an error is to the caller: what failpat says of an argument is for them,
 * what went wrong here is not.
 * @param {any} error
 * @returns {[number, string, string]}
 */
function answerTo(error) {
  if (error instanceof Refused) return [error.statusCode, error.code, error.message];
  if (error.validation || error.statusCode === 400) return [400, 'BAD_REQUEST', error.message];
  if (error.statusCode >= 400 && error.statusCode < 500) return [error.statusCode, 'BAD_REQUEST', error.message];
  const state = error.severity ? error.code : undefined; // of the database
  if (/^22/.test(state ?? '')) return [400, 'BAD_REQUEST', error.hint ? `${error.message}. ${error.hint}` : error.message];
  if (state === '57014') return [504, 'TIMEOUT', 'this takes too long; ask for less, or for a shorter period'];
  if (/^(57P|53|08)/.test(state ?? '') || /ECONN|ENOENT|ENOTFOUND|timeout exceeded|terminated/.test(`${error.code} ${error.message}`)) {
    return [503, 'UNAVAILABLE', 'the database cannot be reached at the moment'];
  }
  return [500, 'INTERNAL', 'something went wrong here; the log has more'];
}

/** Query parameters that are objects come as JSON text. @param {import('./routes.js').Route} route */
function jsonParameters(route) {
  const names = Object.entries(route.query ?? {}).filter(([, schema]) => schema.type === 'object').map(([name]) => name);
  return async (request) => {
    for (const name of names) {
      const text = request.query[name];
      if (text === undefined) continue;
      try {
        request.query[name] = JSON.parse(text);
      } catch {
        throw new Refused(400, 'BAD_REQUEST', `querystring/${name} must be JSON, for example {"character": "5"}`);
      }
    }
  };
}

/** @param {import('./routes.js').Values | undefined} properties @param {string[]} [required] */
const closed = (properties, required = []) => ({ type: 'object', properties: properties ?? {}, required, additionalProperties: false });

/**
 * @param {object} parts
 * @param {import('./config.js').Config} parts.config
 * @param {Pick<import('./database.js').Database, 'call'>} parts.database
 * @param {string} [parts.page]  folder of the built page
 */
export function build({ config, database, page }) {
  const app = Fastify({
    logger: config.log === 'silent' ? false : { level: config.log },
    bodyLimit: 262144,
    requestTimeout: 30000,
  });
  const names = new Set(config.names.map((name) => name.toLowerCase()));
  const description = openapi(prefix, routes);

  app.setValidatorCompiler(({ schema, httpPart }) => validators[httpPart === 'body' ? 'body' : 'text'].compile(schema));
  app.addHook('onRequest', async (request, reply) => {
    reply.headers(headers);
    const name = (request.headers.host ?? '').replace(/:\d+$/, '').toLowerCase();
    if (!names.has(name)) throw new Refused(400, 'BAD_REQUEST', 'this server has another name; DASHBOARD_NAMES lists those that it answers to');
  });
  app.setErrorHandler((error, request, reply) => {
    const [status, code, message] = answerTo(error);
    if (status >= 500) request.log.error(error);
    reply.code(status).send({ error: message, code });
  });

  /** @param {import('fastify').FastifyRequest} request */
  const userOf = (request) => {
    const told = config.userHeader ? request.headers[config.userHeader] : undefined;
    const user = told === undefined ? (config.userHeader ? undefined : config.user) : Number(told);
    if (!Number.isSafeInteger(user) || user < 1) throw new Refused(401, 'UNAUTHORIZED', 'nobody is known to write this');
    return user;
  };

  for (const route of routes) {
    app.route({
      method: route.method,
      url: prefix + route.path.replace(/\{(\w+)\}/g, ':$1'),
      schema: {
        params: closed(route.params),
        querystring: closed(route.query, route.required),
        ...(route.body ? { body: route.body } : {}),
      },
      preValidation: jsonParameters(route),
      handler: async (request, reply) => {
        const user = route.writes ? userOf(request) : undefined;
        const json = await database.call(route.call, route.args({ params: request.params, query: request.query, body: request.body, user }));
        reply.type('application/json; charset=utf-8').header('cache-control', 'no-store');
        return `{"data":${json}}`;
      },
    });
  }
  app.get(`${prefix}/openapi.json`, async () => description);

  const built = page !== undefined && existsSync(`${page}/index.html`);
  if (built) {
    // what vite builds has its hash in its name
    app.register(fastifyStatic, {
      root: page,
      cacheControl: false,
      setHeaders: (reply, path) => {
        reply.setHeader('cache-control', path.includes('/assets/') ? 'public, max-age=31536000, immutable' : 'no-cache');
      },
    });
  }
  app.setNotFoundHandler((request, reply) => {
    const path = request.url.split('?')[0];
    // the page's own addresses
    if (built && request.method === 'GET' && path !== '/api' && !path.startsWith('/api/') && !/\.\w+$/.test(path)) {
      return reply.sendFile('index.html');
    }
    reply.code(404).send({ error: built || path.startsWith('/api') ? 'there is nothing here' : 'the page has not been built: npm run build in dashboard/web', code: 'NOT_FOUND' });
  });
  return app;
}
