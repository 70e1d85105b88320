// Makes the pictures of README.md from the demo's data:
//   dashboard/serve --once node dashboard/web/test/pictures.mjs
// With Debian's fonts-inter installed they look as the ones that are there.
import { statSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { launch, open, settled, sql } from "./browser.mjs";

const folder = fileURLToPath(new URL("../../../doc/images/", import.meta.url));
const [[workflow]] = sql("SELECT id FROM failure_patterns WHERE pattern_key = 'w:22'");
const pictures = [
  ["dashboard-heatmap", "/heatmap?rows=lora&cols=character&r=13&c=102", {}, 940],
  ["dashboard-pattern", `/patterns/${workflow}`, {}, 900],
  ["dashboard-scene", "/scene?s.character=102&s.lora=13&length=10", { dark: true }, 985],
];
const browser = await launch();
for (const [name, path, options, height] of pictures) {
  const page = await open(browser, path, options);
  await page.setViewportSize({ width: 1240, height });
  await page.evaluate(() => window.scrollTo(0, 0));
  await settled(page);
  const file = `${folder}${name}.png`;
  await page.screenshot({ path: file });
  const { size } = statSync(file);
  if (size >= 300_000) throw new Error(`${file} has ${size} bytes`);
  console.log(`${file}: ${Math.round(size / 1000)} kB`);
  await page.context().close();
}
await browser.close();
