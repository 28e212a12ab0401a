// Links between marks: made by keys and by mouse, taken away, taken back, and kept by an export.

import assert from "node:assert/strict";
import { after, test } from "node:test";

import { Server, close, folder, missing, open, picture, press, saved, settled, write } from "./stage.js";

const skip = missing();
after(close);

const TEXTS = [
  "Cell A ran at 600 °C. Its power was 2 W 🔥.",
  "Stack B ran for 9 h and gave 40 W <i>at once</i>.",
];
const MARKS = [
  { "Cell A": "DEVICE", ran: "RUN", "600 °C": "VALUE", "2 W": "VALUE" },
  { "Stack B": "DEVICE", ran: "RUN", "9 h": "VALUE" },
];

async function project(t) {
  const where = folder(t);
  const lines = (rows) => rows.map((row) => JSON.stringify(row)).join("\n") + "\n";
  write(where, "items.jsonl", lines(TEXTS.map((text, nth) => ({ id: `d${nth}`, text }))));
  const marked = TEXTS.map((text, nth) => ({
    id: `d${nth}`,
    text,
    spans: Object.entries(MARKS[nth]).map(([quote, label]) => {
      const start = [...text.slice(0, text.indexOf(quote))].length;
      return { start, end: start + [...quote].length, label, quote, confidence: 0.9 };
    }),
  }));
  write(where, "out/labels.jsonl", lines(marked));
  write(
    where,
    "postil.toml",
    `[task]
kind = "spans"
labels = ["RUN", "DEVICE", "VALUE"]
links = [{ kind = "device", from = ["RUN"], to = ["DEVICE"] }, { kind = "value", from = ["RUN"], to = ["VALUE"] }, "near"]

[data]
items = "items.jsonl"
id = "id"
text = "text"

[[annotator]]
name = "people"
kind = "person"
`,
  );
  return Server.start(t, where);
}

function linked({ spans, links }) {
  return (links ?? []).map(({ from, to, kind }) => `${spans[from].quote} ${kind} ${spans[to].quote}`).sort();
}

test("links by keys, taken away and taken back", { skip }, async (t) => {
  const server = await project(t);
  const page = await open(t, { origin: server.origin, hash: "work/assisted" });
  // The second mark is the run; its device is the one before it.
  await press(page, "t", "t", "l", "Shift+T", "1");
  await page.waitForSelector(".mark-note[data-name='device → Cell A']", { state: "attached" });
  // A kind that may not join these is none: nothing happens, and the link is still being made.
  await press(page, "l", "t", "1");
  assert.equal(await page.locator(".mark-note").count(), 1);
  await press(page, "2");
  await press(page, "l", "t", "t", "3");
  await picture(page, "links");
  assert.equal(await page.locator(".mark-note").count(), 2);
  await press(page, "Control+z");
  await press(page, "Enter");
  await saved(page);
  const answers = await server.counting();
  const first = answers.get("d0").answer;
  assert.ok(linked(first).includes("ran device Cell A"), JSON.stringify(first));
  assert.match(await page.evaluate(() => document.querySelector(".marking ul").textContent), /RUN: ran/);
  assert.deepEqual(page.faults, []);
});

test("links by mouse, in the dark, back by undo, and in the exports", { skip }, async (t) => {
  const server = await project(t);
  const page = await open(t, { origin: server.origin, hash: "work/assisted", dark: true });
  const name = (label, nth = 0) => page.locator(`.mark-name[data-name="${label}"]`).nth(nth);
  await name("RUN").click();
  await page.click(".span-tools .act:has-text('Link')");
  await name("VALUE", 1).click();
  await page.click(".link-kinds .plain:has-text('value')");
  await name("RUN").click();
  await page.click(".span-tools .act:has-text('Link')");
  await name("DEVICE").click();
  await page.click(".link-kinds .plain:has-text('near')");
  await name("RUN").click();
  await page.waitForSelector(".link-badge");
  assert.equal(await page.locator(".link-badge").count(), 2);
  await picture(page, "links-dark");
  await page.click(".link-badge:has-text('near') .drop");
  assert.equal(await page.locator(".link-badge").count(), 1);
  const heard = await page.evaluate(() => document.querySelector(".marking ul").textContent);
  assert.match(heard, /RUN: ran, value: 2 W/);
  await press(page, "Enter");
  await saved(page);
  assert.deepEqual(linked((await server.counting()).get("d0").answer), ["ran value 2 W"]);
  for (const format of ["jsonl", "doccano", "label-studio"]) {
    const exported = (await server.ask("GET", `/api/export?format=${format}`)).text;
    assert.match(exported, format === "jsonl" ? /"kind":"value"/ : format === "doccano" ? /"type":"value"/ : /"relation"/, format);
  }
  await press(page, "u");
  await settled(page);
  await page.waitForSelector(".mark-note[data-name='value → 2 W']", { state: "attached" });
  await saved(page);
  assert.equal((await server.counting()).size, 0);
  const phone = await open(t, { origin: server.origin, hash: "work/assisted", phone: true });
  await picture(phone, "links-phone");
  assert.deepEqual([...page.faults, ...phone.faults], []);
});
