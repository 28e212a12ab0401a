// A sentence drawn for blind gold, read in its text and marked alone.

import assert from "node:assert/strict";
import { after, test } from "node:test";

import { Server, close, each, folder, missing, open, picture, press, run, saved, text, write } from "./stage.js";

const skip = missing();
after(close);

const BEFORE = "🚲 A committee met in Rome that year. ".repeat(60);
const SENTENCE = "👩‍👩‍👧 Ann flew to Oslo.";
const AFTER = " Nobody came back to Rome.";

async function project(t) {
  const where = folder(t);
  write(where, "news.jsonl", JSON.stringify({ id: "d0", text: `${BEFORE}${SENTENCE}${AFTER}` }));
  write(
    where,
    "postil.toml",
    '[task]\nkind = "spans"\nlabels = ["PER", "CITY"]\n\n[data]\nitems = "news.jsonl"\nid = "id"\ntext = "text"\n\n[[annotator]]\nname = "people"\nkind = "person"\n',
  );
  await run("draw", "62", where, "--sentences");
  return Server.start(t, where);
}

for (const [how, options] of [
  ["wide", {}],
  ["dark", { dark: true }],
  ["phone", { phone: true }],
]) {
  test(`a sentence of gold stands in its text, which cannot be marked (${how})`, { skip }, async (t) => {
    const server = await project(t);
    const page = await open(t, { origin: server.origin, hash: "work/gold", ...options });
    let found = 0;
    await each(page, async () => {
      const words = await text(page);
      if (words !== SENTENCE) {
        await page.click(".bar .confirm");
        return;
      }
      found += 1;
      // The whole text is there in its order, and the sentence is in sight though much stands above it.
      const whole = await page.evaluate(() => document.querySelector(".in-context").innerText.replace(/\s+/g, " "));
      assert.ok(whole.includes(`that year. ${SENTENCE} Nobody came`), whole.slice(-120));
      const inSight = await page.evaluate(() => {
        const box = document.querySelector(".reader").getBoundingClientRect();
        const frame = document.querySelector(".scroll").getBoundingClientRect();
        return box.top >= frame.top && box.bottom <= frame.bottom;
      });
      assert.ok(inSight, "the sentence is in sight");
      await picture(page, `sentence-${how}`);
      assert.equal(await page.locator(".suggestion").count(), 0);
      // A click and a drag into what stands around it select nothing that could be labelled.
      const around = await page.locator(".around").last().boundingBox();
      await page.mouse.dblclick(around.x + 40, around.y + around.height / 2);
      await page.click('.choice[name="CITY"]');
      assert.match(await page.textContent(".hint"), /^0 spans/);
      // The label is kept for the next, and let go again.
      await page.click('.choice[name="CITY"]');
      await page.evaluate(() => getSelection().removeAllRanges());
      for (const [word, digit] of [
        ["Ann", "1"],
        ["Oslo", "2"],
      ]) {
        for (let steps = 0; steps < 12; steps += 1) {
          if ((await page.evaluate(() => document.querySelector(".piece.selected")?.textContent)) === word) break;
          await press(page, "ArrowRight");
        }
        await press(page, digit);
      }
      await press(page, "Enter");
    });
    assert.equal(found, 1);
    await saved(page);
    const answers = await server.counting();
    const [[name, entry]] = [...answers].filter(([, { excerpt }]) => excerpt === SENTENCE);
    const start = [...BEFORE].length;
    assert.equal(name, `d0#char=${start},${start + [...SENTENCE].length}`);
    assert.deepEqual(
      entry.answer.spans.map(({ label, quote, start, end }) => [
        label,
        quote,
        [...SENTENCE].slice(start, end).join(""),
      ]),
      [
        ["PER", "Ann", "Ann"],
        ["CITY", "Oslo", "Oslo"],
      ],
    );
    assert.ok([...answers.values()].every(({ queue, shown }) => queue === "gold" && !shown));
    assert.deepEqual(page.faults, []);
  });
}
