// What the views promise beside the stories, each held to the database: figures, colours, filters, the
// order of lists, marks in charts; and that keys alone, and a finger on a phone, do for all of it.
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { address, launch, open, planted, settled, shots, sql, tabTo, walkTo } from "./browser.mjs";

let browser;
before(async () => { browser = await launch(); });
after(async () => { await browser.close(); });

const grain = "source = 'segments' AND dims -> 'lora' ? '13' AND dims ->> 'character' = '102'";
const thousands = (n) => Number(n).toLocaleString("en");
/** As the page writes a rate, of what the database says. */
const points = (rate) => (100 * rate >= 9.95 || Number(rate) === 0 ? (100 * rate).toFixed(0) : (100 * rate).toFixed(1));
function counted(failed, where) {
  const [[failures, trials, rate, lower, upper]] = sql(
    `SELECT r.* FROM (SELECT count(*) FILTER (WHERE ${failed}) f, count(*) n FROM fp_observations WHERE ${where}) c, fp_rate_ci(c.f, c.n) r`);
  return { failures, trials, rate: `${points(rate)} %`, range: `${points(lower)}–${points(upper)} %`, of: `${thousands(failures)} of ${thousands(trials)}` };
}

/** What is painted in the middle of a box on the screen: the colours of 9 x 9 points. */
const painted = (page, box) => page.evaluate(([x, y]) => {
  const canvas = document.querySelector("canvas");
  const at = canvas.getBoundingClientRect();
  const scale = canvas.width / at.width;
  const { data } = canvas.getContext("2d").getImageData(Math.round((x - at.x) * scale) - 4, Math.round((y - at.y) * scale) - 4, 9, 9);
  return Array.from({ length: data.length / 4 }, (_, i) => [...data.slice(4 * i, 4 * i + 3)]);
}, [box.x + box.width / 2, box.y + box.height / 2]);
const hex = (rgb) => `#${rgb.map((v) => v.toString(16).padStart(2, "0")).join("")}`;
const data = async (path) => (await (await fetch(`${address}/api/v1${path}`)).json()).data;

describe("features", { concurrency: false }, () => {
  it("the tooltip of a cell has its rate, its interval and n, and the cell its colour", async () => {
    const page = await open(browser, "/heatmap?rows=lora&cols=character");
    const { box } = await walkTo(page, "Velvet Grain", "Bruno");
    await page.keyboard.press("Escape");
    await page.locator("[data-testid=tip]").waitFor({ state: "detached" });
    await page.mouse.move(box.x + box.width / 2, box.y + box.height / 2);
    const tip = await page.locator("[data-testid=tip]").innerText();
    const is = counted("failed", grain);
    for (const part of ["Velvet Grain", "Bruno", is.rate, is.range, `${is.of} failed`]) assert.ok(tip.includes(part), `${tip} has ${part}`);
    const map = await data("/analytics/heatmap?row_dimension=lora&col_dimension=character");
    const cell = map.cells.find((c) => map.rows[c.r].value === "13" && map.cols[c.c].value === "102");
    const colours = await painted(page, box);
    assert.ok(colours.every((rgb) => hex(rgb) === cell.color), `${hex(colours[0])} is ${cell.color}`);
    await page.screenshot({ path: `${shots}feature-tip.png` });
    await page.context().close();
  });

  it("a cell of which too little is known is grey and hatched, and says so", async () => {
    const map = await data("/analytics/heatmap?row_dimension=lora&col_dimension=character");
    const cell = map.cells.find((c) => !c.enough_data);
    assert.ok(cell, "the demo has such a cell");
    const page = await open(browser, "/heatmap?rows=lora&cols=character");
    const { text, box } = await walkTo(page, map.rows[cell.r].label, map.cols[cell.c].label);
    assert.match(text, /too little data$/);
    assert.match(await page.locator("[data-testid=tip]").innerText(), /too little data to say/);
    const colours = await painted(page, box);
    assert.ok(colours.every(([r, g, b]) => Math.max(r, g, b) - Math.min(r, g, b) <= 2), `grey: ${hex(colours[0])}`);
    assert.ok(new Set(colours.map(hex)).size > 1, "hatched");
    // the demo has names of 36 letters: they are shortened on the map, and wrapped in the tooltip
    assert.ok(map.rows[cell.r].label.length > 30, map.rows[cell.r].label);
    const edge = await page.evaluate(() => {
      const canvas = document.querySelector("canvas");
      const top = Math.round((60 * canvas.height) / canvas.clientHeight);
      const { data } = canvas.getContext("2d").getImageData(0, top, 2, canvas.height - top);
      return new Set(Array.from({ length: data.length / 4 }, (_, i) => data.slice(4 * i, 4 * i + 4).join())).size;
    });
    assert.equal(edge, 1, "no name begins outside of the map");
    const over = await page.locator("[data-testid=tip]").evaluate((e) => e.scrollWidth - e.clientWidth);
    assert.ok(over <= 0, `the tooltip's text is ${over} px wider than it`);
    await page.screenshot({ path: `${shots}feature-too-little.png` });
    await page.context().close();
  });

  it("the legend has the colours that the cells have, in each palette", async () => {
    const page = await open(browser, "/heatmap");
    for (const palette of ["traffic", "colorblind", "mono"]) {
      await page.getByLabel("Colours").selectOption(palette);
      await settled(page);
      const style = await page.locator(".legend-ramp").getAttribute("style");
      const legend = [...style.matchAll(/rgb\((\d+), (\d+), (\d+)\)/g)].map(([, ...rgb]) => hex(rgb.map(Number)));
      // cells of which so much is known that they are of pure colour
      const [cells] = sql(`SELECT string_agg(h.color, ' ' ORDER BY h.rate) FROM
        (SELECT failure_cube(f::bigint, 1000000, d) AS cube FROM (VALUES (0, '0'), (250000, '1'), (900000, '2')) v (f, x), LATERAL (SELECT v.x, 'a'::text AS y) d) c,
        fp_heatmap(c.cube, 'x', 'y', palette => '${palette}') h`);
      assert.deepEqual(legend, cells[0].split(" "), palette);
    }
    const legend = await page.locator(".legend").innerText();
    for (const part of ["Failure rate", "0 %", "50 % and more", "Too little data", "Never used together"]) assert.ok(legend.includes(part), part);
    await page.context().close();
  });

  it("period, check and conditions leave in the map what they say", async () => {
    const page = await open(browser, "/heatmap?rows=lora&cols=character");
    const holds = async (failed, where, what) => {
      await settled(page);
      const { text } = await walkTo(page, "Velvet Grain", "Bruno");
      const is = counted(failed, `${grain} AND ${where}`);
      assert.ok(Number(is.trials) > 0 && text.includes(is.of), `${what}: ${text} has ${is.of}`);
    };
    await page.getByRole("combobox", { name: "Check" }).selectOption("face_confidence");
    await holds("'face_confidence' = ANY (failed_checks)", "true", "a check");
    await page.getByRole("combobox", { name: "Check" }).selectOption("");
    await page.getByRole("combobox", { name: "Period" }).selectOption("30");
    await holds("failed", "observed_at >= date_trunc('day', now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC' - interval '29 days'", "30 days");
    const [[from, to]] = sql("SELECT (now() AT TIME ZONE 'UTC')::date - 60, (now() AT TIME ZONE 'UTC')::date - 20");
    await page.getByRole("combobox", { name: "Period" }).selectOption("custom");
    await page.getByLabel("From", { exact: true }).fill(from);
    await page.getByLabel("To", { exact: true }).fill(to);
    await holds("failed", `observed_at >= '${from} 00:00Z' AND observed_at < '${to} 00:00Z'::timestamptz + interval '1 day'`, "from and to");
    await page.getByRole("combobox", { name: "Period" }).selectOption("");
    await page.getByRole("button", { name: "Add filter" }).click();
    await page.getByLabel("Filter by").selectOption("segment_position");
    await page.locator(".add-filter").getByLabel("From", { exact: true }).fill("6");
    await page.getByRole("button", { name: "Apply" }).click();
    await holds("failed", "(dims ->> 'segment_position')::int >= 6", "a condition");
    assert.match(await page.locator(".chip").innerText(), /Segment\s6 or more/);
    await page.context().close();
  });

  it("patterns are listed with severity, status and figures; worst first, by status and by severity", async () => {
    const page = await open(browser, "/patterns");
    const listed = async (where) => {
      await settled(page);
      const rows = await page.locator(".patterns .row").allInnerTexts();
      const known = sql(`SELECT description, severity, status, failure_count, total_count, failure_rate FROM failure_patterns WHERE ${where} ORDER BY failure_rate DESC, id`);
      assert.equal(rows.length, known.length, where);
      known.forEach(([description, severity, status, failures, trials, rate], i) => {
        for (const part of [description, status, `${points(rate)} %`, `${thousands(failures)} of ${thousands(trials)}`]) assert.ok(rows[i].includes(part), `${rows[i]} has ${part}`);
        assert.ok(rows[i].toLowerCase().includes(severity), severity);
      });
    };
    await listed("status = 'active'");
    const { id } = planted();
    sql(`UPDATE failure_patterns SET status = 'resolved' WHERE id = ${id}`);
    try {
      await page.getByRole("radio", { name: "Resolved" }).check();
      await listed("status = 'resolved'");
      await page.getByRole("radio", { name: "All", exact: true }).check();
      await listed("true");
      await page.screenshot({ path: `${shots}feature-patterns.png` });
    } finally {
      sql(`UPDATE failure_patterns SET status = 'active' WHERE id = ${id}`);
    }
    await page.getByRole("radio", { name: "Active", exact: true }).check();
    for (const severity of ["high", "medium", "low"]) {
      await page.getByRole("radio", { name: severity[0].toUpperCase() + severity.slice(1), exact: true }).check();
      await settled(page);
      const [[n]] = sql(`SELECT count(*) FROM failure_patterns WHERE status = 'active' AND severity = '${severity}'`);
      assert.equal(await page.locator(".patterns .row").count(), Number(n), severity);
    }
    await page.context().close();
  });

  it("a pattern's chart has its band, its changes, the events and the fixes; its fixes what they were measured to do", async () => {
    const [[id]] = sql("SELECT id FROM failure_patterns WHERE pattern_key = 'w:22'");
    const page = await open(browser, `/patterns/${id}`);
    assert.ok((await page.locator(".trend .band").getAttribute("d")).length > 100);
    const changes = sql(`SELECT direction FROM fp_changes(pattern_id => ${id})`).flat();
    for (const direction of ["regression", "improvement"]) {
      assert.equal(await page.locator(`.trend .flag.${direction}`).count(), changes.filter((c) => c === direction).length, direction);
    }
    const fixes = sql(`SELECT id, fix_description FROM pattern_fixes WHERE pattern_id = ${id}`);
    assert.ok(fixes.length > 0);
    assert.equal(await page.locator(".mark-fix").count(), fixes.length);
    const events = await data(`/analytics/events?filter=${encodeURIComponent('{"workflow":"22"}')}`);
    const trend = await data(`/analytics/trend?pattern_id=${id}`);
    const shown = events.filter((e) => e.at >= trend[0].time);
    assert.ok(shown.length > 0);
    assert.equal(await page.locator(".mark-event").count(), shown.length);

    // what a mark is, is told where one points, and in the table
    const mark = await page.locator(".mark-fix").first().boundingBox();
    const frame = await page.locator(".trend-frame").boundingBox();
    await page.mouse.move(mark.x + mark.width / 2, frame.y + 60);
    const told = page.locator(".trend .tip-mark");
    assert.equal(await told.innerText(), fixes[0][1]);
    assert.equal(await told.evaluate((e) => `${getComputedStyle(e).borderTopWidth} ${getComputedStyle(e).paddingLeft} ${getComputedStyle(e, "::before").position}`), "0px 12px absolute", "its sign stands before it");
    await page.screenshot({ path: `${shots}feature-marks.png` });
    await page.getByText("Show as table").click();
    assert.ok((await page.getByRole("region", { name: "The trend as a table" }).innerText()).includes(fixes[0][1]));

    for (const [fix, description] of fixes) {
      const line = await page.locator(`[data-fix="${fix}"]`).innerText();
      const [[verdict, ratio]] = sql(`SELECT verdict, round(ratio::numeric, 1) FROM fp_fix_effects WHERE fix_id = ${fix}`);
      for (const part of [description, `${verdict[0].toUpperCase()}${verdict.slice(1)}`, `${ratio} ×`]) assert.ok(line.includes(part), `${line} has ${part}`);
    }
    await page.context().close();
  });

  it("by keys alone: a scene is configured, warned of, and changed to an alternative", async () => {
    const { id } = planted();
    const page = await open(browser, "/scene");
    // LoRAs and Character: typing in a list chooses
    await tabTo(page, "select");
    const labelled = () => page.evaluate(() => document.activeElement.labels?.[0]?.innerText.split("\n")[0]);
    for (const [name, typed] of [["LoRAs", "Velvet"], ["Character", "Bruno"]]) {
      for (let i = 0; i < 12 && (await labelled()) !== name; i += 1) await page.keyboard.press("Tab");
      assert.equal(await labelled(), name);
      await page.keyboard.type(typed);
      await settled(page);
    }
    const alert = page.locator(`[data-alert="${id}"]`);
    await alert.waitFor();
    const names = await alert.getByRole("button").evaluateAll((all) => all.map((b) => b.getAttribute("aria-label")));
    assert.ok(names.includes("Use: Without LoRA Velvet Grain") && names.some((n) => /^Use: LoRA (?!Velvet)/.test(n)), names.join("; "));
    await tabTo(page, `[data-alert="${id}"] button`);
    await page.keyboard.press("Enter");
    await settled(page);
    await alert.waitFor({ state: "detached" });
    assert.notEqual(new URL(page.url()).searchParams.get("s.lora"), "13");
    assert.deepEqual(page.wrong, []);
    await page.context().close();
  });

  it("by keys alone: from the list of patterns to a fix that is recorded and rated", async () => {
    const { id } = planted();
    const words = `Without film grain (${Date.now()})`;
    const page = await open(browser, "/patterns");
    await tabTo(page, `.patterns a[href="/patterns/${id}"]`);
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { level: 1, name: planted().description }).waitFor();
    await settled(page);
    await tabTo(page, ".record textarea");
    await page.keyboard.type(words);
    await tabTo(page, ".record button[type=submit]");
    await page.keyboard.press("Enter");
    const fix = page.locator(".fix", { hasText: words });
    await fix.waitFor();
    const [[fixId, pattern]] = sql(`SELECT id, pattern_id FROM pattern_fixes WHERE fix_description = '${words}'`);
    assert.equal(pattern, id);
    // backwards: the form is below the list
    for (let i = 0; i < 30 && !(await page.evaluate((n) => document.activeElement.name === n, `rating-${fixId}`)); i += 1) await page.keyboard.press("Shift+Tab");
    await page.keyboard.press("Space");
    await fix.getByText("Thank you, noted.").waitFor();
    assert.notEqual(sql(`SELECT coalesce(effectiveness, '-') FROM pattern_fixes WHERE id = ${fixId}`)[0][0], "-");
    sql(`DELETE FROM pattern_fixes WHERE id = ${fixId}`);
    assert.deepEqual(page.wrong, []);
    await page.context().close();
  });

  it("on a phone, by tapping: from a cell to the scores of a segment, and from a warning to an alternative", async () => {
    const page = await open(browser, "/heatmap?rows=lora&cols=character", { size: "phone" });
    const { box } = await walkTo(page, "Velvet Grain", "Bruno");
    await page.touchscreen.tap(box.x + box.width / 2, box.y + box.height / 2);
    await settled(page);
    const heading = page.getByRole("heading", { name: "Velvet Grain × Bruno" });
    await heading.waitFor();
    const inSight = async (locator) => {
      const at = await locator.boundingBox();
      return at.y >= 0 && at.y + at.height <= 740 / 2 && at.x >= 0 && at.x + at.width <= 360;
    };
    assert.ok(await inSight(heading), "what was opened is in sight, in the upper half");
    await page.screenshot({ path: `${shots}phone-drilldown.png` });
    await page.locator(".obs tbody .row-link").first().tap();
    await settled(page);
    const scores = page.getByRole("heading", { name: "Scores" });
    assert.ok(await inSight(scores), "so are the scores");
    await page.screenshot({ path: `${shots}phone-segment.png` });
    await page.getByRole("link", { name: "Plan a scene" }).tap();
    await settled(page);
    await page.getByRole("combobox", { name: "LoRAs" }).selectOption({ label: "Velvet Grain" });
    await page.getByRole("combobox", { name: "Character" }).selectOption({ label: "Bruno" });
    await settled(page);
    const alert = page.locator(`[data-alert="${planted().id}"]`);
    await alert.getByRole("button", { name: /^Use: / }).first().tap();
    await settled(page);
    await alert.waitFor({ state: "detached" });
    const narrow = await page.evaluate(() => [...document.querySelectorAll("button, select, .places a")].filter((e) => e.checkVisibility() && e.getBoundingClientRect().height < 24).map((e) => e.outerHTML));
    assert.deepEqual(narrow, [], "everything that is tapped is large enough");
    assert.deepEqual(page.wrong, []);
    await page.context().close();
  });
});
