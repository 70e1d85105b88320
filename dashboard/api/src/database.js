// The one way to the database: a call of a function of failpat by name, its
// arguments as parameters.
import pg from 'pg';

/** @param {string} name */
const quoted = (name) => `"${name.replaceAll('"', '""')}"`;

/** @param {import('./config.js').Config} config */
export function connect(config) {
  const pool = new pg.Pool({
    ...(config.databaseUrl ? { connectionString: config.databaseUrl } : {}),
    application_name: 'failpat-dashboard',
    max: config.connections,
    connectionTimeoutMillis: 5000,
    idleTimeoutMillis: 300000,
    options: `-c TimeZone=UTC -c statement_timeout=${config.statementTimeout}`,
  });
  // a connection that the server closes while it idles is no error of ours
  pool.on('error', () => {});
  /** @type {string | undefined} */
  let schema;

  /** In which schema failpat lives: it never moves. */
  async function failpat() {
    if (schema === undefined) {
      const found = await pool.query("SELECT nspname FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace WHERE extname = 'failpat'");
      if (found.rowCount === 0) throw new Error('this database has no extension failpat: CREATE EXTENSION failpat');
      schema = quoted(found.rows[0].nspname);
    }
    return schema;
  }

  /**
   * Calls a function and gives the JSON text that it returns. Arguments that are
   * undefined are left out, so that the function's defaults hold.
   * @param {string} name  a name of ours, never one of a request
   * @param {Record<string, unknown>} args  names of ours, values of anybody
   * @returns {Promise<string>}
   */
  async function call(name, args) {
    const given = Object.entries(args).filter(([, value]) => value !== undefined);
    const list = given.map(([key], i) => `${quoted(key)} => $${i + 1}`).join(', ');
    const values = given.map(([, value]) => (typeof value === 'object' && value !== null ? JSON.stringify(value) : value));
    const result = await pool.query({
      text: `SELECT ${await failpat()}.${quoted(name)}(${list})::text AS json`,
      values,
    });
    return result.rows[0].json;
  }

  return { call, failpat, end: () => pool.end() };
}

/** @typedef {ReturnType<typeof connect>} Database */
