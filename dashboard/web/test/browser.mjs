// What every test of the page needs: a browser (Debian's chromium, a new and empty profile each time),
// pages of a size, and the database that the page's writes end in.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

export const address = process.env.DASHBOARD_URL ?? "http://127.0.0.1:8064";
export const shots = fileURLToPath(new URL("../../../build/dashboard/", import.meta.url));
mkdirSync(shots, { recursive: true });

export const sizes = { desk: { width: 1320, height: 900 }, phone: { width: 360, height: 740 } };

export function launch() {
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: [
      "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
      "--disable-component-update", "--disable-sync",
    ],
  });
}

/** A page of its own: nothing is shared with the one before. What goes wrong in it is collected in `page.wrong`. */
export async function open(browser, path, { size = "desk", dark = false, palette } = {}) {
  const context = await browser.newContext({
    viewport: sizes[size],
    colorScheme: dark ? "dark" : "light",
    reducedMotion: "reduce",
    timezoneId: "UTC",
    locale: "en-GB",
    hasTouch: size === "phone",
  });
  if (palette !== undefined) await context.addInitScript((p) => window.localStorage.setItem("failpat.palette", p), palette);
  const page = await context.newPage();
  page.wrong = [];
  page.on("pageerror", (problem) => page.wrong.push(String(problem)));
  page.on("console", (message) => {
    if (message.type() === "error") page.wrong.push(message.text());
  });
  page.asked = new Set();
  page.on("request", (request) => { if (request.url().includes("/api/")) page.asked.add(request); });
  for (const end of ["requestfinished", "requestfailed"]) page.on(end, (request) => page.asked.delete(request));
  await page.goto(address + path);
  await settled(page);
  return page;
}

/** Everything that was asked for has come, and has been drawn. */
export async function settled(page) {
  do {
    while (page.asked.size > 0) await new Promise((done) => setTimeout(done, 10));
    await page.waitForFunction(() => document.querySelector("h1") !== null && document.querySelector("[aria-busy=true]") === null);
    await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
  } while (page.asked.size > 0);
}

/** One statement, as the database's superuser; rows of text, columns parted by tabs. */
export function sql(statement) {
  const out = execFileSync("psql", ["-XqAt", "-F", "\t", "-v", "ON_ERROR_STOP=1", process.env.DATABASE_URL ?? "", "-c", statement], { encoding: "utf8" });
  return out.trimEnd().split("\n").filter((line) => line !== "").map((line) => line.split("\t"));
}

/** The pattern that the demo's data was made with. */
export function planted() {
  const [row] = sql("SELECT id, description, failure_count, total_count FROM failure_patterns WHERE pattern_key = 'l:13:c:102:sp:6+'");
  assert.ok(row, "the demo's pattern is known");
  const [id, description, failures, trials] = row;
  return { id, description, failures, trials };
}

/** Walks over the map with arrow keys until it stands on what is looked for; returns the place on the screen. */
export async function walkTo(page, row, col) {
  const grid = page.getByRole("grid");
  await grid.focus();
  await page.keyboard.press("Control+Home");
  const at = () => page.locator("#heat-current").textContent();
  const step = async (key, wanted, most) => {
    for (let i = 0; i < most && !wanted(await at()); i += 1) await page.keyboard.press(key);
  };
  await step("ArrowDown", (text) => text.includes(` ${row},`), 200);
  await step("ArrowRight", (text) => text.includes(` ${col}:`), 200);
  const text = await at();
  assert.ok(text.includes(` ${row},`) && text.includes(` ${col}:`), text);
  return { text, box: await page.locator(".heat-mark").last().boundingBox() };
}

/** Keys only: tabs on until the focus is on an element that fits the selector. */
export async function tabTo(page, selector, most = 60) {
  for (let i = 0; i < most; i += 1) {
    if (await page.evaluate((s) => document.activeElement.matches(s), selector)) return;
    await page.keyboard.press("Tab");
  }
  assert.fail(`${selector} is not reached by Tab`);
}
