// Every kind of task, from the first item to the last, once by keys alone and once by mouse alone, against the real server.

import assert from "node:assert/strict";
import { after, test } from "node:test";

import { Server, close, csv, each, folder, missing, open, press, saved, settled, text, write } from "./stage.js";

const skip = missing();
after(close);

const TICKETS = [
  ["The app crashes when I tap send.", "bug"],
  ["Thank you, that was quick!", "praise"],
  ["Great, it crashed again 🙄", "bug"],
  ["I was charged twice 💸💸", "billing"],
  ["تطبيق رائع", "praise"],
  ["yaar app to mast hai 😂", "praise"],
  ["Refund me, please.", "billing"],
  ["e\u0301coute, c'est casse\u0301", "bug"],
];
const LABELS = ["bug", "praise", "billing"];

async function project(t, name, content, ...words) {
  const where = folder(t);
  write(where, name, content);
  return Server.start(t, `${where}/${name}`, ...words);
}

function tickets() {
  return csv(TICKETS.map(([text], nth) => ({ id: `t${nth}`, text })));
}

async function said(page, server) {
  await saved(page);
  assert.deepEqual(page.faults, []);
  return server.counting();
}

const choiceOf = (name) => `.choice[name="${name}"]`;

test("one label, by keys", { skip }, async (t) => {
  const server = await project(t, "tickets.csv", tickets(), "--labels", LABELS.join(","));
  const page = await open(t, server);
  const truth = new Map(TICKETS);
  await each(page, async () => press(page, String(LABELS.indexOf(truth.get(await text(page))) + 1), "Enter"));
  const answers = await said(page, server);
  assert.deepEqual(
    [...answers].map(([item, { answer }]) => [item, answer.label]).sort(),
    TICKETS.map(([, label], nth) => [`t${nth}`, label]),
  );
  assert.ok([...answers.values()].every(({ shown, status }) => !shown && status === "answered"));
});

test("one label, by mouse", { skip }, async (t) => {
  const server = await project(t, "tickets.csv", tickets(), "--labels", LABELS.join(","));
  const page = await open(t, server);
  const truth = new Map(TICKETS);
  await each(page, async () => {
    await page.click(choiceOf(truth.get(await text(page))));
    await page.click(".bar .confirm");
  });
  const answers = await said(page, server);
  assert.deepEqual(
    [...answers].map(([item, { answer }]) => [item, answer.label]).sort(),
    TICKETS.map(([, label], nth) => [`t${nth}`, label]),
  );
});

test("a choice goes on at once where the person wishes it", { skip }, async (t) => {
  const server = await project(t, "tickets.csv", tickets(), "--labels", LABELS.join(","));
  const page = await open(t, server);
  await press(page, "a");
  const done = await each(page, () => press(page, "2"));
  assert.equal(done, TICKETS.length);
  const answers = await said(page, server);
  assert.equal(answers.size, TICKETS.length);
});

test("undo to any depth, skip, flag with a note, and history", { skip }, async (t) => {
  const server = await project(t, "tickets.csv", tickets(), "--labels", LABELS.join(","));
  const page = await open(t, server);
  const first = await text(page);
  await press(page, "1", "Enter", "2", "Enter", "s");
  await press(page, "3", "f");
  await page.keyboard.type("odd <b>one</b>");
  await press(page, "Enter");
  await saved(page);
  // Four answers back: the first item stands there as it was left.
  await press(page, "u", "u", "u", "u");
  assert.equal(await text(page), first);
  assert.equal(await page.getAttribute(choiceOf("bug"), "aria-checked"), "true");
  await saved(page);
  assert.equal((await server.counting()).size, 0);
  await press(page, "3", "Enter");
  await saved(page);
  // A page that has forgotten everything undoes what the server knows.
  await page.reload();
  await settled(page);
  await press(page, "u");
  await page.waitForFunction((words) => document.querySelector(".item .reader")?.textContent === words, first);
  await press(page, "2", "Enter");
  await saved(page);
  const answers = await server.counting();
  assert.deepEqual(
    [...answers.values()].map(({ answer }) => answer.label),
    ["praise"],
  );
  await press(page, "h");
  await page.waitForSelector(".history li a");
  const rows = await page.locator(".history li").count();
  assert.ok(rows >= 1);
  // An answer of the history opens, changes, and comes back to the history.
  await page.click(".history li:not(.gone) a");
  await page.waitForFunction((words) => document.querySelector(".item .reader")?.textContent === words, first);
  await press(page, "1", "Enter");
  await page.waitForSelector(".page .history");
  await saved(page);
  assert.deepEqual(
    [...(await server.counting()).values()].map(({ answer }) => answer.label),
    ["bug"],
  );
  assert.deepEqual(page.faults, []);
});

test("a flag keeps answer and note", { skip }, async (t) => {
  const server = await project(t, "tickets.csv", tickets(), "--labels", LABELS.join(","));
  const page = await open(t, server);
  await press(page, "2");
  await page.click(".act:has-text('Flag')");
  await page.keyboard.type("could be irony");
  await press(page, "Enter");
  await press(page, "n");
  await page.keyboard.type("see the one before");
  await press(page, "Enter", "1", "Enter");
  await page.click(".act:has-text('Skip')");
  await saved(page);
  const [flagged, noted, skipped] = await server.history();
  assert.deepEqual([flagged.status, flagged.note, flagged.answer.label], ["flagged", "could be irony", "praise"]);
  assert.deepEqual([noted.status, noted.note, noted.answer.label], ["answered", "see the one before", "bug"]);
  assert.deepEqual([skipped.status, skipped.answer], ["skipped", null]);
});

test("several labels, by keys and by mouse", { skip }, async (t) => {
  const server = await project(t, "tickets.csv", tickets(), "--labels", LABELS.join(","), "--kind", "multilabel");
  const page = await open(t, server);
  const wanted = (nth) => [["bug"], ["bug", "billing"], [], ["bug", "praise", "billing"]][nth % 4];
  await each(page, async (nth) => {
    for (const label of wanted(nth)) {
      if (nth < 4) await press(page, String(LABELS.indexOf(label) + 1));
      else await page.click(choiceOf(label));
    }
    // A second press takes a label away again.
    if (nth === 0) await press(page, "2", "2");
    if (nth < 4) await press(page, "Enter");
    else await page.click(".bar .confirm");
  });
  await saved(page);
  const history = await server.history();
  assert.deepEqual(
    history.map(({ answer }) => answer.labels),
    TICKETS.map((_, nth) => wanted(nth)),
  );
  assert.deepEqual(page.faults, []);
});

test("a scale, by digits, arrows and mouse", { skip }, async (t) => {
  const scale = ["low", "medium", "high"];
  const server = await project(t, "tickets.csv", tickets(), "--labels", scale.join(","), "--kind", "ordinal");
  const page = await open(t, server);
  await each(page, async (nth) => {
    const step = scale[nth % 3];
    if (nth < 3) await press(page, String((nth % 3) + 1), "Enter");
    else if (nth < 6) await press(page, ...Array((nth % 3) + 1).fill("ArrowRight"), "Enter");
    else {
      await page.click(choiceOf(step));
      await page.click(".bar .confirm");
    }
  });
  await saved(page);
  assert.deepEqual(
    (await server.history()).map(({ answer }) => answer.label),
    TICKETS.map((_, nth) => scale[nth % 3]),
  );
});

test("pairs, by keys and by mouse, whichever side they come on", { skip }, async (t) => {
  const rows = Array.from({ length: 12 }, (_, nth) => ({
    id: `q${nth}`,
    prompt: `Question ${nth}?`,
    left: `good answer ${nth}`,
    right: `bad answer ${nth}`,
  }));
  const server = await project(t, "pairs.csv", csv(rows), "--kind", "pairs");
  const page = await open(t, server);
  const orders = new Set();
  await each(page, async (nth) => {
    const left = await page.textContent(".side:first-child .reader");
    const good = left.startsWith("good") ? "left" : "right";
    orders.add(good);
    if (nth % 3 === 2)
      await (nth % 2 ? press(page, "3", "Enter") : page.click(".choice.tie").then(() => page.click(".bar .confirm")));
    else if (nth % 2) await press(page, good === "left" ? "1" : "2", "Enter");
    else {
      await page.click(`.side:nth-child(${good === "left" ? 1 : 2})`);
      await page.click(".bar .confirm");
    }
  });
  await saved(page);
  assert.deepEqual([...orders].sort(), ["left", "right"], "the order is drawn");
  const history = await server.history();
  assert.equal(history.length, 12);
  // The exported answers speak of the columns of the data, whatever was on which side of the screen.
  const exported = (await server.ask("GET", "/api/export?format=jsonl")).text
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
  const ties = exported.filter((line) => JSON.stringify(line).includes('"tie"')).length;
  const lefts = exported.filter((line) => JSON.stringify(line).includes('"left"')).length;
  assert.deepEqual([ties, lefts], [4, 8]);
});

const CHAT = [
  ["yaar party kal 😂", ["hi", "en", "hi", "other"]],
  ["🚀 meeting at नौ baje", ["other", "en", "en", "hi", "hi"]],
  ["so please come", ["en", "en", "en"]],
  ["kal milte hai", ["hi", "hi", "hi"]],
];
const TAGS = ["en", "hi", "other"];

test("tags, by digits and by clicks that cycle", { skip }, async (t) => {
  const rows = CHAT.map(([text], nth) => ({ id: `c${nth}`, text }));
  const server = await project(t, "chat.csv", csv(rows), "--labels", TAGS.join(","), "--kind", "tag");
  const page = await open(t, server);
  const truth = new Map(CHAT);
  await each(page, async (nth) => {
    const words = await page.evaluate(
      () =>
        document.querySelector(".tokens").dataset.text ??
        [...document.querySelectorAll(".token .word")].map((word) => word.textContent).join(" "),
    );
    const tags = truth.get(words);
    assert.ok(tags, `${words} is one of the texts`);
    if (nth % 2 === 0) await press(page, ...tags.map((tag) => String(TAGS.indexOf(tag) + 1)), "Enter");
    else {
      for (const [place, tag] of tags.entries())
        for (let clicks = 0; clicks <= TAGS.indexOf(tag); clicks += 1) await page.locator(".token").nth(place).click();
      await page.click(".bar .confirm");
    }
  });
  const answers = await said(page, server);
  CHAT.forEach(([, tags], nth) => assert.deepEqual(answers.get(`c${nth}`).answer.tags, tags));
});

test("tags, by letters on the words", { skip }, async (t) => {
  const words = Array.from({ length: 60 }, (_, nth) => `w${nth}`);
  const server = await project(
    t,
    "chat.csv",
    csv([{ id: "c0", text: words.join(" ") }]),
    "--labels",
    TAGS.join(","),
    "--kind",
    "tag",
  );
  const page = await open(t, server);
  const lettersOf = async (nth) => page.locator(".token").nth(nth).locator(".hint-letters").textContent();
  const shown = () => page.locator(".hint-letters:visible").count();
  const current = () => page.evaluate(() => document.querySelector(".token.current .word").firstChild.data);
  await press(page, "j");
  assert.equal(await shown(), 60);
  assert.equal(await lettersOf(0), "a");
  const far = await lettersOf(59);
  assert.equal(far.length, 2);
  // The letters of undo, skip and flag are letters of words now.
  for (const nth of [18, 16, 5]) {
    const letters = await lettersOf(nth);
    await press(page, ...letters);
    assert.equal(await current(), `w${nth}`);
    assert.equal(await shown(), 0);
    await press(page, "j");
  }
  // A first letter leaves the words that begin with it; Backspace brings the others back; J and Escape end it.
  await press(page, far[0]);
  assert.ok((await shown()) < 60 && (await shown()) > 0);
  await press(page, "Backspace");
  assert.equal(await shown(), 60);
  await press(page, "j");
  assert.equal(await shown(), 0);
  await press(page, "j", "Escape");
  assert.equal(await shown(), 0);
  // A digit ends it and tags as ever.
  await press(page, "j", ...far, "3", "j", "2");
  assert.equal(await page.locator(".token").nth(59).locator(".tag-name").textContent(), "other");
  assert.equal(await shown(), 0);
  assert.deepEqual(page.faults, []);
});

test("tags may stay open, after a warning", { skip }, async (t) => {
  const server = await project(
    t,
    "chat.csv",
    csv([{ id: "c0", text: CHAT[0][0] }]),
    "--labels",
    TAGS.join(","),
    "--kind",
    "tag",
  );
  const page = await open(t, server);
  await press(page, "2", "Space", "Enter");
  assert.match(await page.textContent(".hint"), /2 tokens are open/);
  await press(page, "Enter");
  const answers = await said(page, server);
  const { answer } = answers.get("c0");
  assert.equal(answer.kind, "spans");
  assert.deepEqual(
    answer.spans.map(({ label, quote }) => [label, quote]),
    [
      ["hi", "yaar"],
      ["en", "party"],
    ],
  );
});

const PLACES = "Ann 👩‍👩‍👧‍👦 flew to Oslo 🚀 today.\ne\u0301 Zu\u0308rich is far.\nفي القاهرة التقت آن";
const SPANS = ["PER", "CITY", "DATE"];

async function spansProject(t, ...words) {
  return project(
    t,
    "news.csv",
    csv([{ id: "d0", text: PLACES }]),
    "--labels",
    SPANS.join(","),
    "--kind",
    "spans",
    ...words,
  );
}

/** Where some words stand on the screen. */
async function boxOf(page, words) {
  return page.evaluate((wanted) => {
    const walker = document.createTreeWalker(document.querySelector(".reader"), NodeFilter.SHOW_TEXT);
    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
      const at = node.data.indexOf(wanted);
      if (at < 0) continue;
      const range = document.createRange();
      range.setStart(node, at);
      range.setEnd(node, at + wanted.length);
      const { left, right, top, height } = range.getBoundingClientRect();
      return { left, right, y: top + height / 2 };
    }
    return null;
  }, words);
}

async function drag(page, words) {
  const box = await boxOf(page, words);
  await page.mouse.move(box.left + 3, box.y);
  await page.mouse.down();
  await page.mouse.move((box.left + box.right) / 2, box.y, { steps: 3 });
  await page.mouse.move(box.right - 3, box.y, { steps: 3 });
  await page.mouse.up();
}

function exact(answer) {
  const points = [...PLACES];
  for (const { start, end, quote } of answer.spans) assert.equal(points.slice(start, end).join(""), quote);
  return answer.spans.map(({ label, quote }) => `${label} ${quote}`);
}

test("spans, by keys", { skip }, async (t) => {
  const server = await spansProject(t);
  const page = await open(t, server);
  const walkTo = async (words) => {
    for (let steps = 0; steps < 60; steps += 1) {
      const here = await page.evaluate(() =>
        [...document.querySelectorAll(".piece.selected")].map((piece) => piece.textContent).join(""),
      );
      if (here === words) return;
      await press(page, "ArrowRight");
    }
    assert.fail(`the walk never came to ${words}`);
  };
  await walkTo("Ann");
  await press(page, "1");
  await walkTo("Oslo");
  await press(page, "2");
  await walkTo("Zu\u0308rich");
  await press(page, "Shift+ArrowRight", "2"); // Too wide,
  await press(page, "Shift+T");
  await press(page, "Shift+ArrowLeft"); // so its end goes back by a word.
  await press(page, "Enter");
  const answers = await said(page, server);
  assert.deepEqual(exact(answers.get("d0").answer), ["PER Ann", "CITY Oslo", "CITY Zu\u0308rich"]);
});

test("words that run from right to left are walked as they are seen", { skip }, async (t) => {
  const server = await project(
    t,
    "news.csv",
    csv([{ id: "d0", text: "في القاهرة التقت آن" }]),
    "--labels",
    SPANS.join(","),
    "--kind",
    "spans",
  );
  const page = await open(t, server);
  await press(page, "ArrowLeft", "ArrowLeft", "2", "Enter");
  const answers = await said(page, server);
  assert.deepEqual(
    answers.get("d0").answer.spans.map(({ start, end, quote }) => [start, end, quote]),
    [[3, 10, "القاهرة"]],
  );
});

test("spans, by mouse: click, double click, drag, label first, relabel, resize, delete", { skip }, async (t) => {
  const server = await spansProject(t);
  const page = await open(t, server);
  const oslo = await boxOf(page, "Oslo");
  await page.mouse.click((oslo.left + oslo.right) / 2, oslo.y);
  await page.click(choiceOf("CITY"));
  // A drag that begins and ends within words takes whole ones.
  await drag(page, "nn");
  await page.click(choiceOf("PER"));
  // Label first, then as many as there are.
  await page.mouse.click((await boxOf(page, "today")).right + 200, (await boxOf(page, "today")).y);
  await page.click(choiceOf("DATE"));
  await drag(page, "today");
  await drag(page, "far");
  await page.click(choiceOf("DATE"));
  // The last one was a mistake.
  const far = await boxOf(page, "far");
  await page.mouse.click((far.left + far.right) / 2, far.y);
  await page.click(".span-tools .act");
  // Zürich is there, but one word too short at its end: the handle stretches it.
  const zurich = await boxOf(page, "Zu\u0308rich");
  await page.mouse.dblclick((zurich.left + zurich.right) / 2, zurich.y);
  await page.click(choiceOf("PER"));
  await page.mouse.click((zurich.left + zurich.right) / 2, zurich.y);
  await page.click(choiceOf("CITY"));
  const handle = await page.locator(".handle.end").boundingBox();
  const is = await boxOf(page, "is");
  await page.mouse.move(handle.x + handle.width / 2, handle.y + handle.height / 2);
  await page.mouse.down();
  await page.mouse.move(is.right - 2, is.y, { steps: 4 });
  await page.mouse.up();
  const cairo = await boxOf(page, "القاهرة");
  await page.mouse.dblclick((cairo.left + cairo.right) / 2, cairo.y);
  await page.click(choiceOf("CITY"));
  await page.click(".bar .confirm");
  const answers = await said(page, server);
  assert.deepEqual(exact(answers.get("d0").answer), [
    "PER Ann",
    "CITY Oslo",
    "DATE today",
    "CITY Zu\u0308rich is",
    "CITY القاهرة",
  ]);
});

test("a family of four is one sign, with letters selected one by one", { skip }, async (t) => {
  const server = await spansProject(t);
  const page = await open(t, server);
  await press(page, "ArrowRight", "ArrowRight", "1", "Enter");
  const answers = await said(page, server);
  const [span] = answers.get("d0").answer.spans;
  assert.deepEqual([span.start, span.end, span.quote], [4, 11, "👩‍👩‍👧‍👦"]);
});

test("a book: far offsets are exact and the page stays quick", { skip }, async (t) => {
  const line = "Line of a long book 🚀 with e\u0301 and words that go on, as books do.";
  const text = `${Array.from({ length: 8000 }, () => line).join("\n")}\nThe end is Oslo 🚀 here.`;
  const server = await project(
    t,
    "book.csv",
    csv([{ id: "b0", text }]),
    "--labels",
    SPANS.join(","),
    "--kind",
    "spans",
  );
  const page = await open(t, server);
  // What is far from the screen is laid out when it comes near, so going to the end takes a step or two.
  for (let steps = 0; steps < 3; steps += 1) {
    await page.evaluate(() => [...document.querySelectorAll(".block")].at(-1).scrollIntoView());
    await page.waitForTimeout(100);
  }
  const oslo = await boxOf(page, "Oslo");
  await page.mouse.dblclick((oslo.left + oslo.right) / 2, oslo.y);
  await press(page, "2", "Enter");
  const answers = await said(page, server);
  const [span] = answers.get("b0").answer.spans;
  assert.equal(span.quote, "Oslo");
  assert.equal([...text].slice(span.start, span.end).join(""), "Oslo");
});

const SCHEMA = {
  type: "object",
  required: ["price", "currency"],
  properties: {
    price: { type: "number", minimum: 0 },
    currency: { enum: ["EUR", "USD"] },
    used: { type: "boolean" },
    seller: { type: "object", properties: { name: { type: "string" } } },
    extras: { type: "array", items: { type: "string" } },
  },
};

async function recordProject(t) {
  const where = folder(t);
  write(where, "record.json", JSON.stringify(SCHEMA));
  write(where, "ads.csv", csv([{ id: "r0", text: "🚲 Only 1,200.50 euros, with lights. Call Jane Doe." }]));
  return Server.start(t, `${where}/ads.csv`, "--kind", "extract", "--schema", `${where}/record.json`);
}

test("records, by mouse: words in the text fill a field and prove it", { skip }, async (t) => {
  const server = await recordProject(t);
  const page = await open(t, server);
  const field = (name) => page.getByLabel(name, { exact: false }).first();
  await field("price").click();
  await drag(page, "1,200.50");
  assert.equal(await field("price").inputValue(), "1200.5");
  await page.getByLabel("currency").selectOption({ label: "EUR" });
  await page.getByLabel("used").selectOption({ label: "no" });
  await field("name").click();
  await drag(page, "Jane Doe");
  await page.click("button:has-text('Add to extras')");
  await page.keyboard.type("lights");
  await page.click(".bar .confirm");
  const answers = await said(page, server);
  assert.deepEqual(answers.get("r0").answer.fields, {
    price: 1200.5,
    currency: "EUR",
    used: false,
    seller: { name: "Jane Doe" },
    extras: ["lights"],
  });
  // The evidence comes back with the answer.
  const again = (await server.ask("POST", "/api/lease", { queue: "history", item: "r0" })).json();
  const { evidence } = again.work[0].previous;
  assert.deepEqual(Object.keys(evidence).sort(), ["price", "seller/name"]);
  assert.deepEqual(
    evidence.price.map(({ start, end, quote }) => [start, end, quote]),
    [[7, 15, "1,200.50"]],
  );
});

test("records, by keys alone", { skip }, async (t) => {
  const server = await recordProject(t);
  const page = await open(t, server);
  // The first field has the focus; Ctrl+E goes into the text, Enter takes the words and comes back.
  await press(page, "Control+e", "ArrowRight", "ArrowRight");
  const here = await page.evaluate(() => document.querySelector(".piece.selected")?.textContent);
  assert.equal(here, "1,200.50");
  await press(page, "Enter", "Enter");
  await page.keyboard.type("EUR");
  await press(page, "Control+Enter");
  const answers = await said(page, server);
  assert.deepEqual(answers.get("r0").answer.fields, { price: 1200.5, currency: "EUR" });
});

test("a record that is not whole says what is missing and loses nothing", { skip }, async (t) => {
  const server = await recordProject(t);
  const page = await open(t, server);
  await page.keyboard.type("cheap");
  await page.click(".bar .confirm");
  assert.match(await page.textContent(".hint"), /price is a number/);
  assert.equal(await page.evaluate(() => document.activeElement.value), "cheap");
  assert.equal((await server.history()).length, 0);
});

test("by finger, on a phone", { skip }, async (t) => {
  const server = await project(t, "tickets.csv", tickets(), "--labels", LABELS.join(","));
  const page = await open(t, { origin: server.origin, phone: true });
  const truth = new Map(TICKETS);
  await each(page, async () => {
    await page.tap(choiceOf(truth.get(await text(page))));
    await page.tap(".bar .confirm");
  });
  const answers = await said(page, server);
  assert.deepEqual(
    [...answers].map(([item, { answer }]) => [item, answer.label]).sort(),
    TICKETS.map(([, label], nth) => [`t${nth}`, label]),
  );
  const marking = await spansProject(t);
  const other = await open(t, { origin: marking.origin, phone: true });
  const oslo = await boxOf(other, "Oslo");
  await other.touchscreen.tap((oslo.left + oslo.right) / 2, oslo.y);
  await other.tap(choiceOf("CITY"));
  // A longer piece is selected as a finger does it: by the browser's own handles.
  await other.evaluate(() => {
    const walker = document.createTreeWalker(document.querySelector(".reader"), NodeFilter.SHOW_TEXT);
    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
      const at = node.data.indexOf("is far");
      if (at >= 0) getSelection().setBaseAndExtent(node, at, node, at + 5);
    }
  });
  await other.tap(choiceOf("DATE"));
  await other.tap(".bar .confirm");
  await saved(other);
  assert.deepEqual(exact((await marking.counting()).get("d0").answer), ["CITY Oslo", "DATE is far"]);
});
