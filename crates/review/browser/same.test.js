// The same words: one page that shows where silver marks contradict each other, and changes them together.

import assert from "node:assert/strict";
import { after, test } from "node:test";

import { Server, close, folder, missing, open, picture, press, write } from "./stage.js";

const skip = missing();
after(close);

const TEXTS = [
  ["The minister flew from Oslo to Bergen on Monday.", { Oslo: "CITY", Bergen: "CITY" }],
  ["Trains between Oslo and Bergen stood still.", { Oslo: "CITY" }],
  ["The Oslo Post wrote that Oslo was calm.", { "Oslo Post": "PAPER" }],
  ["“Oslo <b>first</b>”, said the mayor.", { Oslo: "PAPER" }],
  ["Nothing happened in Bergen.", { Bergen: "PERSON" }],
  ["Mandal lies far from Oslo 🌧.", {}],
];

async function project(t) {
  const where = folder(t);
  const items = TEXTS.map(([text], nth) => ({ id: `d${nth}`, text }));
  const marked = TEXTS.map(([text, marks], nth) => ({
    id: `d${nth}`,
    text,
    spans: Object.entries(marks).map(([quote, label]) => {
      const start = [...text.slice(0, text.indexOf(quote))].length;
      return { start, end: start + [...quote].length, label, quote, confidence: 0.9 };
    }),
  }));
  const lines = (rows) => rows.map((row) => JSON.stringify(row)).join("\n") + "\n";
  write(where, "items.jsonl", lines(items));
  write(where, "out/labels.jsonl", lines(marked));
  return Server.start(t, `${where}/items.jsonl`, "--kind", "spans", "--labels", "CITY,PAPER,PERSON");
}

async function ready(page) {
  await page.waitForSelector(".kwic li");
}

const spansOf = async (server, item) =>
  ((await server.counting()).get(item)?.answer.spans ?? []).map(({ quote, label }) => `${quote} ${label}`);

test("silver becomes gold by keys, and silver again", { skip }, async (t) => {
  const server = await project(t);
  const page = await open(t, { origin: server.origin, hash: "same" });
  await ready(page);
  assert.equal(await page.textContent(".same-head h2"), "Oslo");
  assert.equal(await page.locator(".kwic li").count(), 6);
  await picture(page, "same-words");
  // Everything that is not within a longer mark is a city.
  await press(page, "a", "1");
  await page.waitForFunction(() => /3 occurrences in 3 items become CITY/.test(document.querySelector(".same-preview").textContent));
  assert.match(await page.textContent(".same-preview"), /2 not marked, 1 PAPER\); 2 are so already/);
  await press(page, "r");
  await page.keyboard.type("the city & nothing else");
  await press(page, "Enter");
  await page.waitForSelector(".toast");
  assert.match(await page.textContent(".toast"), /3 marks in 3 items changed/);
  assert.deepEqual(await spansOf(server, "d2"), ["Oslo Post PAPER", "Oslo CITY"]);
  assert.deepEqual(await spansOf(server, "d3"), ["Oslo CITY"]);
  const notes = [...(await server.counting()).values()].map(({ note }) => note);
  assert.deepEqual(new Set(notes), new Set(["the city & nothing else"]));
  await press(page, "u");
  await page.waitForFunction(() => /Taken back in 3 items/.test(document.querySelector(".toast")?.textContent ?? ""));
  assert.equal((await server.counting()).size, 0);
  // The next words, one occurrence alone.
  await press(page, "ArrowRight");
  await page.waitForFunction(() => document.querySelector(".same-head h2").textContent === "Bergen");
  await page.waitForSelector(".kwic li .chip.c2, .kwic li .as");
  await press(page, "ArrowDown", "Space", "1");
  await page.waitForFunction(() => /1 occurrence in 1 item become/.test(document.querySelector(".same-preview").textContent));
  assert.deepEqual(page.faults, []);
});

test("the same by mouse, with the log, in the dark and on a phone", { skip }, async (t) => {
  const server = await project(t);
  const page = await open(t, { origin: server.origin, hash: "same", dark: true });
  await ready(page);
  await page.click(".same-mark:has-text('PAPER')");
  await page.click(".same-labels .choice:has-text('No mark')");
  await page.waitForFunction(() => /1 occurrence in 1 item lose/.test(document.querySelector(".same-preview").textContent));
  await page.click(".kwic li:nth-child(1)");
  await page.waitForFunction(() => /2 occurrences in 2 items lose/.test(document.querySelector(".same-preview").textContent));
  await picture(page, "same-words-dark");
  await page.click(".same-bar .confirm");
  await page.waitForSelector(".toast");
  assert.deepEqual(await spansOf(server, "d3"), []);
  assert.deepEqual(await spansOf(server, "d0"), ["Bergen CITY"]);
  await page.click(".filters button:has-text('Changes')");
  await page.waitForSelector(".same-log .same-change");
  assert.match(await page.textContent(".same-log"), /“|Oslo.*2 marks in 2 items/);
  await page.click(".same-log summary");
  await picture(page, "same-words-log");
  await page.click(".same-log button:has-text('Take back')");
  await page.waitForSelector(".same-log .gone");
  assert.equal((await server.counting()).size, 0);
  const phone = await open(t, { origin: server.origin, hash: "same", phone: true });
  await ready(phone);
  await picture(phone, "same-words-phone");
  const wide = await phone.evaluate(() => document.documentElement.scrollWidth > innerWidth);
  assert.equal(wide, false, "nothing is wider than the screen");
  assert.deepEqual([...page.faults, ...phone.faults], []);
});
