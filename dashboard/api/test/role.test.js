// The role that role.sql makes: it can do what the API does (the other tests run
// as it), and write nothing but fixes, their ratings, and notes on assets.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { data, database } from './client.js';

const role = 'failpat_dashboard';
let db;
before(async () => {
  db = await database();
});
after(() => db.end());
const list = async (sql) => (await db.query(sql, [role])).rows.map((r) => Object.values(r).join(' '));

test('the API runs as it', async () => {
  await data('/analytics/status'); // a statement that failed took its connection along
  const users = await db.query("SELECT DISTINCT usename FROM pg_stat_activity WHERE application_name = 'failpat-dashboard'");
  assert.deepEqual(users.rows, [{ usename: role }]);
});

test('it is nobody', async () => {
  const { rows } = await db.query('SELECT rolsuper, rolcreatedb, rolcreaterole, rolreplication, rolbypassrls FROM pg_roles WHERE rolname = $1', [role]);
  assert.deepEqual(Object.values(rows[0]), [false, false, false, false, false]);
  assert.deepEqual(await list('SELECT roleid::regrole FROM pg_auth_members WHERE member = $1::regrole'), []);
  assert.deepEqual(await list("SELECT nspname FROM pg_namespace WHERE has_schema_privilege($1, oid, 'CREATE')"), []);
});

test('what it may write, of all tables that there are', async () => {
  const tables = "FROM pg_class c WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND c.relnamespace NOT IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)";
  assert.deepEqual(await list(`SELECT c.oid::regclass ${tables} AND has_table_privilege($1, c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER')`), [], 'no table as a whole');
  assert.deepEqual(
    await list(`SELECT c.relname, p.right, string_agg(a.attname, ', ' ORDER BY a.attname)
      FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
      CROSS JOIN unnest('{INSERT,UPDATE,REFERENCES}'::text[]) p ("right")
      WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND c.relnamespace NOT IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)
        AND has_column_privilege($1, c.oid, a.attnum, p.right) GROUP BY 1, 2 ORDER BY 1, 2`),
    [
      'asset_notes INSERT asset_id, author_id, note_text, related_asset_id, severity',
      'pattern_fixes INSERT effectiveness, fix_description, fix_parameters, pattern_id, reported_by_id',
      'pattern_fixes UPDATE effectiveness',
    ],
  );
});

test('of functions that change anything it may call those for fixes', async () => {
  const found = await list(`SELECT DISTINCT p.proname FROM pg_proc p JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
    WHERE d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'failpat') AND p.provolatile = 'v' AND p.prokind <> 'a'
      AND p.prorettype <> 'trigger'::regtype AND has_function_privilege($1, p.oid, 'EXECUTE') ORDER BY 1`);
  assert.deepEqual(found, ['fp_api_rate_fix', 'fp_api_record_fix', 'fp_rate_fix', 'fp_record_fix', 'fp_worker']);
});

test('of the platform it reads names and scores, and no more', async () => {
  const found = await list(`SELECT c.relname, string_agg(a.attname, ', ' ORDER BY a.attnum)
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    WHERE c.relkind IN ('r', 'p') AND c.relnamespace = 'public'::regnamespace AND has_column_privilege($1, c.oid, a.attnum, 'SELECT') GROUP BY 1 ORDER BY 1`);
  assert.deepEqual(found, ['asset_notes id', 'assets id, name', 'avatars id, name', 'quality_scores id, segment_id, check_type, score', 'scene_types id, name', 'workflows id, name']);
});
