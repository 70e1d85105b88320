// Bare counting in DuckDB, of all subsets of up to three columns of a CSV file.
//
// usage: node duckdb.mjs MODULE_FOLDER FILE ROUNDS COLUMN ...
//
// Prints a line per round: milliseconds, groups. 2 threads, in memory; loading is
// not timed. Each way of asking (one GROUP BY per subset, GROUPING SETS) is
// tried, and the faster one is what counts.
import { createRequire } from 'module';
const [folder, file, rounds, ...columns] = process.argv.slice(2);
const { DuckDBInstance } = createRequire(folder + '/')('@duckdb/node-api');
const db = await DuckDBInstance.create(':memory:', { threads: '2' });
const con = await db.connect();
await con.run(`CREATE TABLE t AS SELECT * FROM read_csv('${file}', header = false, columns = {failed: 'BOOLEAN', ${
  columns.map(c => `${c}: 'VARCHAR'`).join(', ')}})`);

const sets = [];
columns.forEach((a, i) => {
  sets.push([a]);
  columns.slice(i + 1).forEach((b, j) => {
    sets.push([a, b]);
    columns.slice(i + j + 2).forEach(c => sets.push([a, b, c]));
  });
});
const one = async (groups) => {
  const result = await con.runAndReadAll(`SELECT count(*), sum(n), sum(f) FROM
    (SELECT count(*) AS n, count(*) FILTER (failed) AS f FROM t GROUP BY ${groups})`);
  return Number(result.getRows()[0][0]);
};
const ways = [
  async () => {
    let groups = 0;
    for (const set of sets) groups += await one(set.join(', '));
    return groups;
  },
  () => one(`GROUPING SETS (${sets.map(s => `(${s.join(', ')})`).join(', ')})`),
];
const timed = async (way) => {
  const start = performance.now();
  const groups = await way();
  return { ms: performance.now() - start, groups };
};
const tried = [await timed(ways[0]), await timed(ways[1])];
const best = tried[0].ms <= tried[1].ms ? 0 : 1;
console.log(tried[best].ms, tried[best].groups);
for (let i = 1; i < rounds; i++) {
  const { ms, groups } = await timed(ways[best]);
  console.log(ms, groups);
}
