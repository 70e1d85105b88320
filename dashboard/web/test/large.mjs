// A heatmap of 100 x 200 values: how long from an interaction to the picture that answers it.
// Called by bench/page.sh; prints a line a kind of interaction: KIND, then milliseconds, parted by tabs.
import { launch, open, settled, shots, sql } from "./browser.mjs";

sql(`SET client_min_messages = warning;
  CREATE TABLE wide_runs AS
  SELECT n AS source_key, n::text AS obs_key, now() - n % 30 * interval '1 day' AS observed_at,
         (n * 2654435761) % 1000 < 60 + n % 100 * 4 AS failed, '{}'::text[] AS failed_checks,
         'M' || n % 100 AS machine, 'P' || n / 100 % 200 AS part
  FROM generate_series(1::bigint, 240000) n;
  ALTER TABLE wide_runs ADD PRIMARY KEY (source_key)`);
sql("SELECT fp_attach('wide', 'wide_runs')");
sql("CALL fp_backfill('wide')");
sql("CALL fp_refresh('wide')");

const browser = await launch();
const opened = performance.now();
const page = await open(browser, "/heatmap?source=wide&rows=machine&cols=part");
const took = { "opened, with its data": [performance.now() - opened] };
const grid = page.getByRole("grid");
const size = [await grid.getAttribute("aria-rowcount"), await grid.getAttribute("aria-colcount")].join(" x ");
if (size !== "100 x 200") throw new Error(`the grid is ${size}`);

// from the event to the end of the frame that shows what it did
await page.evaluate(() => {
  window.took = { pointermove: [], scroll: [], keydown: [], click: [] };
  for (const kind of Object.keys(window.took)) {
    document.addEventListener(kind, (event) => {
      requestAnimationFrame(() => {
        const { port1, port2 } = new MessageChannel();
        port1.onmessage = () => window.took[kind].push(performance.now() - event.timeStamp);
        port2.postMessage(null);
      });
    }, { capture: true });
  }
});
const after = async (kind, act) => {
  const n = await page.evaluate((k) => window.took[k].length, kind);
  await act();
  await page.waitForFunction(([k, m]) => window.took[k].length > m, [kind, n]);
};

const box = await grid.boundingBox();
for (let i = 0; i < 40; i += 1) {
  await after("pointermove", () => page.mouse.move(box.x + 120 + ((i * 137) % (box.width - 160)), box.y + 60 + ((i * 71) % (box.height - 80))));
}
await page.locator("[data-testid=tip]").waitFor();
// there and back, so that something moves each time
for (let i = 0; i < 30; i += 1) await after("scroll", () => page.mouse.wheel(0, i % 2 ? -120 : 120));
await page.screenshot({ path: `${shots}large.png` });
await grid.focus();
for (let i = 0; i < 40; i += 1) await after("keydown", () => page.keyboard.press(i % 2 ? "ArrowRight" : "PageDown"));
for (let i = 0; i < 24; i += 1) {
  const now = await grid.boundingBox();
  await after("click", () => page.mouse.click(now.x + 200 + (i * 20) % 400, now.y + 160 + (i * 17) % 200));
  await settled(page);
}
await page.screenshot({ path: `${shots}large-open.png` });
Object.assign(took, await page.evaluate(() => window.took));
await browser.close();
if (page.wrong.length > 0) throw new Error(page.wrong.join("\n"));
for (const [kind, times] of Object.entries(took)) console.log([kind, ...times.map((ms) => ms.toFixed(1))].join("\t"));
