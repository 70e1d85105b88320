// What every test of the page needs: a browser (Debian's chromium, a new and empty profile each time),
// pages of a size, and the database that the page's writes end in.
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
  await page.goto(address + path);
  await settled(page);
  return page;
}

/** Everything that was asked for has come, and has been drawn. */
export async function settled(page) {
  await page.waitForFunction(() => document.querySelector("h1") !== null && document.querySelector("[aria-busy=true]") === null);
  await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
}

/** One statement, as the database's superuser; rows of text, columns parted by tabs. */
export function sql(statement) {
  const out = execFileSync("psql", ["-XqAt", "-F", "\t", "-v", "ON_ERROR_STOP=1", process.env.DATABASE_URL ?? "", "-c", statement], { encoding: "utf8" });
  return out.trimEnd().split("\n").filter((line) => line !== "").map((line) => line.split("\t"));
}
