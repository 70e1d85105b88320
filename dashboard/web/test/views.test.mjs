// Each view in light, dark and at phone width: a picture of it in build/dashboard/, no errors, nothing
// wider than the screen, and nothing that axe objects to. Then the states that are not the data.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { after, before, describe, it } from "node:test";
import { launch, open, settled, shots, sql } from "./browser.mjs";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
let browser;
before(async () => { browser = await launch(); });
after(async () => { await browser.close(); });

async function sound(page, name) {
  // the bar at the top stays where one has scrolled to, also in a picture of the whole page
  await page.evaluate(() => window.scrollTo(0, 0));
  await page.screenshot({ path: `${shots}${name}.png`, fullPage: true });
  const wider = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
  assert.ok(wider <= 0, `${name} is ${wider} px wider than the screen`);
  if (page.viewportSize().width < 500) {
    // also in the widest of the usual fonts, which is all that a bare Debian has
    for (const font of ["", "DejaVu Sans"]) {
      const cut = await page.evaluate((wide) => {
        if (wide) document.documentElement.style.setProperty("--font", wide);
        return [...document.querySelectorAll(".table:not(.gates)")]
          .map((e) => e.parentElement).filter((e) => e.scrollWidth > e.clientWidth + 1).map((e) => `${e.className} ${e.scrollWidth} > ${e.clientWidth}`);
      }, font);
      await page.evaluate(() => document.documentElement.style.removeProperty("--font"));
      assert.deepEqual(cut, [], `${name}: tables fit in ${font || "the page's font"} without moving them sideways, but for that of the gates`);
    }
    const broken = await page.evaluate(() => [...document.querySelectorAll(".table .badge")].filter((e) => e.getBoundingClientRect().height > 30).map((e) => e.innerText));
    assert.deepEqual(broken, [], `${name}: badges are not broken into lines`);
    const holes = await page.evaluate(() => [...document.querySelectorAll(".row-figures")].filter((e) => e.lastElementChild && e.getBoundingClientRect().bottom - e.lastElementChild.getBoundingClientRect().bottom > 20).map((e) => e.innerText));
    assert.deepEqual(holes, [], `${name}: no figures with a hole below them`);
  }
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => window.axe.run(document, { resultTypes: ["violations"] }));
  assert.deepEqual(violations.map((v) => `${v.id}: ${v.nodes.slice(0, 3).map((n) => n.target.join(" ")).join(", ")}`), []);
  assert.deepEqual(page.wrong, []);
}

const views = () => {
  const [[id]] = sql("SELECT id FROM failure_patterns WHERE pattern_key = 'l:13:c:102:sp:6+'");
  const [[segment]] = sql(
    `SELECT obs_key FROM fp_observations WHERE source = 'segments' AND failed AND dims -> 'lora' ? '13' AND dims ->> 'character' = '102'
     ORDER BY observed_at DESC, obs_key COLLATE "C" DESC LIMIT 1`);
  const [[workflow]] = sql("SELECT id FROM failure_patterns WHERE pattern_key = 'w:22'");
  return {
    "heatmap": "/heatmap",
    "heatmap-position": "/heatmap?rows=lora&cols=segment_position&filter=%7B%22character%22%3A%22102%22%7D",
    "heatmap-wide-cells": "/heatmap?rows=workflow&cols=model",
    "heatmap-table": "/heatmap?view=table",
    "drilldown": "/heatmap?rows=lora&cols=character&r=13&c=102",
    "segment": `/heatmap?rows=lora&cols=character&r=13&c=102&segment=${segment}`,
    "patterns": "/patterns?status=all",
    "pattern": `/patterns/${id}`,
    "pattern-fixed": `/patterns/${workflow}`,
    "changes": "/changes",
    "scene": "/scene",
    "scene-warned": "/scene?s.character=102&s.lora=13,17&length=10",
  };
};

describe("views", { concurrency: false }, () => {
  for (const [name, path] of Object.entries(views())) {
    for (const [look, options] of Object.entries({ light: {}, dark: { dark: true }, phone: { size: "phone" } })) {
      it(`${name}, ${look}`, async () => {
        const page = await open(browser, path, options);
        await sound(page, `${name}-${look}`);
        await page.context().close();
      });
    }
  }

  it("the colour-blind-safe palette is another one, and stays chosen", async () => {
    const page = await open(browser, "/heatmap");
    const color = () => page.evaluate(() => {
      const canvas = document.querySelector("canvas");
      return [...canvas.getContext("2d").getImageData(canvas.width / 2, canvas.height / 2, 1, 1).data].join();
    });
    const before = await color();
    await page.getByLabel("Colours").selectOption("colorblind");
    await settled(page);
    assert.notEqual(await color(), before);
    await page.reload();
    await settled(page);
    assert.equal(await page.getByLabel("Colours").inputValue(), "colorblind");
    await sound(page, "heatmap-colorblind");
    await page.context().close();
  });

  it("the appearance follows the system until one is chosen", async () => {
    const page = await open(browser, "/patterns", { dark: true });
    const theme = () => page.evaluate(() => document.documentElement.dataset.theme);
    assert.equal(await theme(), "dark");
    await page.emulateMedia({ colorScheme: "light" });
    await page.waitForFunction(() => document.documentElement.dataset.theme === "light");
    await page.getByRole("button", { name: /Appearance/ }).click(); // light
    await page.getByRole("button", { name: /Appearance/ }).click(); // dark
    assert.equal(await theme(), "dark");
    await page.reload();
    await settled(page);
    assert.equal(await theme(), "dark");
    await page.context().close();
  });

  it("filters are in the address, and back takes one away again", async () => {
    const page = await open(browser, "/heatmap");
    await page.getByRole("button", { name: "Add filter" }).click();
    await page.getByLabel("Filter by").selectOption("scene_type");
    await settled(page);
    const values = page.locator(".add-filter select").nth(1);
    await values.selectOption({ index: 1 });
    await settled(page);
    const filter = JSON.parse(new URL(page.url()).searchParams.get("filter"));
    assert.deepEqual(Object.keys(filter), ["scene_type"]);
    assert.equal(await page.locator(".chip").count(), 1);
    await page.getByLabel("Check").selectOption("face_confidence");
    await settled(page);
    await page.getByLabel("Period").selectOption("30");
    await settled(page);
    await page.goBack();
    await page.goBack();
    await page.goBack();
    await settled(page);
    assert.equal(await page.locator(".chip").count(), 0);
    assert.equal(await page.getByLabel("Check").inputValue(), "");
    assert.deepEqual(page.wrong, []);
    await page.context().close();
  });

  it("by keys alone: from the top of the page to the failures of a cell", async () => {
    const page = await open(browser, "/heatmap");
    await page.keyboard.press("Tab");
    assert.equal(await page.evaluate(() => document.activeElement.textContent), "Skip to the content");
    await page.keyboard.press("Enter");
    for (let i = 0; i < 20; i += 1) {
      if ((await page.evaluate(() => document.activeElement.getAttribute("role"))) === "grid") break;
      await page.keyboard.press("Tab");
    }
    await page.keyboard.press("ArrowRight");
    await page.locator("[data-testid=tip]").waitFor();
    await page.keyboard.press("Enter");
    await settled(page);
    assert.match(await page.evaluate(() => document.activeElement.textContent), / × /, "the heading of the failures has the focus");
    await page.screenshot({ path: `${shots}keys-drilldown.png` });
    await page.context().close();
  });

  it("nothing that fits: says so, and shows the way back", async () => {
    const page = await open(browser, `/heatmap?filter=${encodeURIComponent('{"character":"no such"}')}`);
    await page.getByText("Nothing was judged that fits").waitFor();
    await sound(page, "state-empty");
    await page.getByRole("link", { name: "Show everything" }).click();
    await settled(page);
    await page.getByRole("grid").waitFor();
    await page.context().close();
    const unknown = await open(browser, "/patterns/999999999");
    await unknown.getByText("There is no such pattern").waitFor();
    await unknown.context().close();
  });

  it("what the API refuses is told in its words, and an API that is away can be asked again", async () => {
    const page = await open(browser, `/heatmap?filter=${encodeURIComponent('{"flavour":"x"}')}`);
    await page.getByRole("alert").getByText("flavour").waitFor();
    await page.screenshot({ path: `${shots}state-refused.png` });
    await page.context().close();

    const other = await open(browser, "/patterns");
    await other.route("**/api/v1/analytics/heatmap*", (route) => route.abort());
    await other.getByRole("link", { name: "Heatmap", exact: true }).click();
    await other.getByText("The API did not answer.").waitFor();
    await other.screenshot({ path: `${shots}state-away.png` });
    await other.unroute("**/api/v1/analytics/heatmap*");
    await other.getByRole("button", { name: "Try again" }).click();
    await other.getByRole("grid").waitFor();
    await other.context().close();
  });
});
