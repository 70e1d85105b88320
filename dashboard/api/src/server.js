// Starts the API: node src/server.js
import { fileURLToPath } from 'node:url';
import { build } from './app.js';
import { configFrom } from './config.js';
import { connect } from './database.js';

const config = configFrom(process.env);
const database = connect(config);
const app = build({ config, database, page: fileURLToPath(new URL('../../web/dist', import.meta.url)) });

for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, async () => {
    await app.close();
    await database.end();
    process.exit(0);
  });
}

try {
  await database.failpat();
  const address = await app.listen({ host: config.host, port: config.port });
  console.log(`failpat dashboard: ${address}/`);
} catch (error) {
  console.error(`dashboard: ${error.message}`);
  process.exit(1);
}
