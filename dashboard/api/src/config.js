// Settings, all from the environment; README.md lists them. PGHOST, PGUSER and
// the like are read by pg itself.

/** @param {string | undefined} value @param {number} otherwise @param {string} name */
function number(value, otherwise, name) {
  if (value === undefined || value === '') return otherwise;
  const result = Number(value);
  if (!Number.isInteger(result) || result < 0) throw new Error(`${name} must be a number, 0 or more, not "${value}"`);
  return result;
}

/** @param {NodeJS.ProcessEnv} env */
export function configFrom(env) {
  const host = env.DASHBOARD_HOST || '127.0.0.1';
  return {
    host,
    port: number(env.DASHBOARD_PORT, 8064, 'DASHBOARD_PORT'),
    databaseUrl: env.DATABASE_URL || undefined,
    connections: number(env.DASHBOARD_CONNECTIONS, 10, 'DASHBOARD_CONNECTIONS') || 1,
    statementTimeout: number(env.DASHBOARD_STATEMENT_TIMEOUT, 20000, 'DASHBOARD_STATEMENT_TIMEOUT'),
    // Names that a browser may reach us by. Any other is refused, so that no
    // foreign page gets here by a name of its own (DNS rebinding).
    names: ['localhost', '127.0.0.1', '[::1]', host, ...(env.DASHBOARD_NAMES || '').split(',')].map((n) => n.trim()).filter(Boolean),
    // Who writes: a header that the proxy in front of us sets, or one fixed user.
    userHeader: (env.DASHBOARD_USER_HEADER || '').toLowerCase() || undefined,
    user: number(env.DASHBOARD_USER_ID, 0, 'DASHBOARD_USER_ID') || undefined,
    log: env.DASHBOARD_LOG || 'warn',
  };
}

/** @typedef {ReturnType<typeof configFrom>} Config */
