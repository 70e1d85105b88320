// The four stories of PRD-64, section 4, each from the first click to what the database says.
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { launch, open, planted, settled, shots, sql, walkTo } from "./browser.mjs";

let browser;
before(async () => { browser = await launch(); });
after(async () => { await browser.close(); });

describe("stories", { concurrency: false }, () => {
  it("a creator sees which LoRA and character fail together, down to the scores of a segment", async () => {
    const page = await open(browser, "/heatmap?rows=lora&cols=character");
    const { text, box } = await walkTo(page, "Velvet Grain", "Bruno");
    const [[failures, trials]] = sql(
      `SELECT count(*) FILTER (WHERE failed), count(*) FROM fp_observations
       WHERE source = 'segments' AND dims -> 'lora' ? '13' AND dims ->> 'character' = '102'`);
    assert.ok(text.includes(`${failures} of ${trials}`), `${text} tells ${failures} of ${trials}`);
    assert.match(text, /\d+ % \(\d+(\.\d)?–\d+(\.\d)? %\)/, "with an interval");

    await page.mouse.click(box.x + box.width / 2, box.y + box.height / 2);
    await settled(page);
    await page.getByRole("heading", { name: "Velvet Grain × Bruno" }).waitFor();
    const newest = sql(
      `SELECT obs_key FROM fp_observations WHERE source = 'segments' AND failed AND dims -> 'lora' ? '13' AND dims ->> 'character' = '102'
       ORDER BY observed_at DESC, obs_key COLLATE "C" DESC LIMIT 200`).map(([key]) => key);
    const keys = await page.locator(".obs tbody .row-link").allTextContents();
    assert.equal(keys.length, 12);
    assert.ok(keys.every((key) => newest.includes(key)), "the failures of that cell, newest first");

    await page.getByRole("link", { name: "Older" }).click();
    await settled(page);
    const older = await page.locator(".obs tbody .row-link").allTextContents();
    assert.ok(older.length > 0 && older.every((key) => newest.includes(key) && !keys.includes(key)), "another page");
    await page.goBack();
    await settled(page);

    await page.locator(".obs tbody .row-link").first().click();
    await settled(page);
    await page.getByRole("heading", { name: `Segment ${keys[0]}` }).waitFor();
    const scores = sql(`SELECT replace(check_type, '_', ' '), to_char(score, 'FM0.00'), status FROM quality_scores WHERE segment_id = ${keys[0]}`);
    assert.ok(scores.length >= 6);
    for (const [check, score, status] of scores) {
      const line = page.locator(".scores tbody tr", { has: page.getByRole("rowheader", { name: check, exact: true }) });
      // a half may be rounded either way
      assert.ok(Math.abs(Number(await line.locator("td").first().textContent()) - Number(score)) <= 0.011, check);
      assert.equal(await line.locator("td").last().textContent(), status === "fail" ? "failed" : "ok", check);
    }
    await page.screenshot({ path: `${shots}story-1-segment.png` });

    // the address holds all of it: somebody else sees the same
    const link = page.url();
    const other = await open(browser, new URL(link).pathname + new URL(link).search);
    await other.getByRole("heading", { name: `Segment ${keys[0]}` }).waitFor();
    assert.deepEqual([...page.wrong, ...other.wrong], []);
    await page.context().close();
    await other.context().close();
  });

  it("a creator is warned while picking, and takes an alternative at a click", async () => {
    const { id, description } = planted();
    const page = await open(browser, "/scene");
    await page.getByRole("combobox", { name: "LoRAs" }).selectOption({ label: "Velvet Grain" });
    await page.getByRole("combobox", { name: "Character" }).selectOption({ label: "Bruno" });
    await settled(page);
    const alert = page.locator(`[data-alert="${id}"]`);
    await alert.waitFor();
    assert.ok((await alert.textContent()).includes(description), "the pattern of the database is what is told");
    assert.equal(await page.getByRole("region", { name: "Warnings" }).getAttribute("aria-live"), "polite");
    const told = sql(
      `SELECT round(100 * probability) FROM fp_predict('{"lora": ["13"], "character": "102"}')`)[0][0];
    assert.match(await page.getByTestId("probability").textContent(), new RegExp(`^${told} %`), "the predicted probability");
    await page.screenshot({ path: `${shots}story-2-warned.png` });

    const [[value, label]] = sql(
      `SELECT a ->> 'value', a ->> 'label' FROM fp_check_combo('{"lora": ["13"], "character": "102"}') c, jsonb_array_elements(c.alternatives) a
       WHERE c.pattern_id = ${id} AND a ->> 'dimension' = 'lora' AND a ? 'value' LIMIT 1`);
    await alert.getByRole("button", { name: `Use: LoRA ${label}`, exact: true }).click();
    await settled(page);
    await alert.waitFor({ state: "detached" });
    assert.equal(new URL(page.url()).searchParams.get("s.lora"), value);
    await page.goBack();
    await settled(page);
    await alert.waitFor();
    assert.deepEqual(page.wrong, []);
    await page.context().close();
  });

  it("an admin sees whether an update made it worse, since when, and what did it", async () => {
    const [[key, reading, event, day]] = sql(
      `SELECT change_key, reading, event_label, to_char(at AT TIME ZONE 'UTC', 'FMDD Mon YYYY') FROM fp_changes('segments', all_dimensions => true)
       WHERE direction = 'regression' AND part_of IS NULL AND event_kind = 'workflow' LIMIT 1`);
    const page = await open(browser, "/changes");
    await page.getByRole("radio", { name: "Regressions" }).check();
    await settled(page);
    const row = page.locator(".changes .row", { hasText: reading });
    await row.waitFor();
    const text = await row.textContent();
    assert.ok(text.includes(event) && text.includes(day.replace("Sep ", "Sept ")), text);
    assert.equal(await page.locator(".changes .badge.better").count(), 0, "only what was asked for");
    await row.getByRole("link").first().click();
    await settled(page);
    assert.equal(new URL(page.url()).searchParams.get("change"), key);
    assert.ok((await page.locator(".trend .change.regression").count()) >= 1, "the change is in the chart");
    assert.ok((await page.locator(".mark-event").count()) >= 1, "the event is in the chart");
    const chart = page.getByRole("slider");
    await chart.focus();
    await page.keyboard.press("End");
    assert.match(await chart.getAttribute("aria-valuetext"), /\d{4}: (no data|\d.* % \(.* %\), [\d,]+ of [\d,]+)/);
    await page.screenshot({ path: `${shots}story-3-change.png` });
    assert.deepEqual(page.wrong, []);
    await page.context().close();
  });

  it("a creator records a fix, the next one is told it, and says whether it helped", async () => {
    const { id, description } = planted();
    const words = `LoRA weight 0.6 instead of 0.9 (${Date.now()})`;
    const page = await open(browser, "/patterns");
    await page.getByRole("link", { name: description }).click();
    await settled(page);
    await page.getByRole("heading", { level: 1, name: description }).waitFor();
    await page.getByLabel("What fixed it").fill(words);
    await page.getByLabel("Parameters, one per line (optional)").fill("lora_weight");
    await page.getByRole("button", { name: "Record fix" }).click();
    await page.getByText("is not of the form name = value").waitFor();
    assert.equal(sql(`SELECT count(*) FROM pattern_fixes WHERE fix_description = '${words}'`)[0][0], "0");
    await page.getByLabel("Parameters, one per line (optional)").fill("lora_weight = 0.6");
    await page.getByRole("button", { name: "Record fix" }).click();
    const fix = page.locator(".fix", { hasText: words });
    await fix.waitFor();
    const [[fixId, pattern, parameters, by, effect]] = sql(
      `SELECT id, pattern_id, fix_parameters, reported_by_id, coalesce(effectiveness, '-') FROM pattern_fixes WHERE fix_description = '${words}'`);
    assert.deepEqual([pattern, parameters, by, effect], [id, '{"lora_weight": 0.6}', "2", "-"]);
    assert.equal(await fix.getAttribute("data-fix"), fixId);

    const next = await open(browser, "/scene?s.character=102&s.lora=13");
    await next.locator(`[data-alert="${id}"] .alert-fixes`, { hasText: words }).waitFor();
    await next.screenshot({ path: `${shots}story-4-told.png` });

    await fix.getByRole("radio", { name: "Improved" }).check();
    await fix.getByText("Thank you, noted.").waitFor();
    assert.equal(sql(`SELECT effectiveness FROM pattern_fixes WHERE id = ${fixId}`)[0][0], "improved");
    await page.evaluate(() => window.scrollTo(0, 0));
    await page.screenshot({ path: `${shots}story-4-recorded.png`, fullPage: true });
    assert.deepEqual([...page.wrong, ...next.wrong], []);
    sql(`DELETE FROM pattern_fixes WHERE id = ${fixId}`);
    await page.context().close();
    await next.context().close();
  });
});
