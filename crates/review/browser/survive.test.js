// Nothing is lost and nothing is doubled, whatever is killed.

import assert from "node:assert/strict";
import { after, test } from "node:test";

import { chromium } from "playwright-core";

import {
  Server,
  browserOptions,
  close,
  csv,
  each,
  folder,
  missing,
  open,
  press,
  saved,
  settled,
  text,
  watch,
  write,
} from "./stage.js";

const skip = missing();
after(close);

const LABELS = ["bug", "praise", "billing"];
const ITEMS = 200;
const labelOf = (words) => LABELS[Number(/\d+/.exec(words)[0]) % LABELS.length];

function project(t, count = ITEMS) {
  const where = folder(t);
  write(
    where,
    "tickets.csv",
    csv(Array.from({ length: count }, (_, nth) => ({ id: `t${nth}`, text: `Ticket ${nth} says something.` }))),
  );
  return `${where}/tickets.csv`;
}

/** Every item has exactly one answer, it is the right one, and the ledger holds no other. */
async function whole(server, count = ITEMS) {
  const history = await server.history();
  assert.equal(history.length, count, "as many answers as items: none lost, none doubled");
  assert.equal(new Set(history.map(({ item }) => item)).size, count);
  assert.equal(new Set(history.map(({ id }) => id)).size, count);
  for (const { item, answer, counts } of history) {
    assert.ok(counts);
    assert.equal(answer.label, labelOf(item));
  }
}

test("200 items while the server is killed three times", { skip }, async (t) => {
  const server = await Server.start(t, project(t), "--labels", LABELS.join(","));
  const page = await open(t, server);
  const killAt = new Set([37, 100, 163]);
  let revived = null;
  const done = await each(page, async (nth) => {
    await press(page, String(LABELS.indexOf(labelOf(await text(page))) + 1), "Enter");
    if (killAt.has(nth)) {
      // In the middle of it: the last answer may or may not have reached the disk.
      await server.kill();
      revived = new Promise((resolve) => setTimeout(resolve, 300)).then(() => server.start());
    }
  });
  await revived;
  await saved(page);
  assert.equal(done, ITEMS);
  await whole(server);
  // What was read back from the disk is the same.
  await server.kill();
  await server.start();
  await whole(server);
  assert.deepEqual(page.faults, []);
});

test("the browser is killed while the server is down", { skip }, async (t) => {
  const server = await Server.start(t, project(t, 24), "--labels", LABELS.join(","));
  const profile = folder(t);
  const start = async () => {
    const context = await chromium.launchPersistentContext(profile, {
      ...browserOptions(),
      viewport: { width: 1280, height: 800 },
    });
    const page = context.pages()[0] ?? (await context.newPage());
    watch(page);
    await page.goto(`${server.origin}/`);
    await settled(page);
    return { context, page };
  };
  let { context, page } = await start();
  await each(page, async () => press(page, String(LABELS.indexOf(labelOf(await text(page))) + 1), "Enter"), 4);
  await saved(page);
  await server.kill();
  // These go to the browser's own disk only: eight were fetched before, so there is work without a server.
  await each(page, async () => press(page, String(LABELS.indexOf(labelOf(await text(page))) + 1), "Enter"), 5);
  await page.waitForFunction(() => document.querySelector(".saved").dataset.state === "trouble");
  assert.equal(await page.getAttribute(".saved", "data-waiting"), "5");
  const kept = await page.evaluate(
    () =>
      new Promise((resolve) => {
        indexedDB.databases().then(([{ name }]) => {
          const request = indexedDB.open(name);
          request.onsuccess = () => {
            const all = request.result.transaction("entries").objectStore("entries").getAllKeys();
            all.onsuccess = () => resolve(all.result.length);
          };
        });
      }),
  );
  assert.equal(kept, 5);
  await killBrowser(profile);
  await context.close().catch(() => {});
  await server.start();
  ({ context, page } = await start());
  t.after(() => context.close());
  await saved(page);
  assert.equal((await server.history()).length, 9, "what the killed browser had kept has arrived");
  await each(page, async () => press(page, String(LABELS.indexOf(labelOf(await text(page))) + 1), "Enter"));
  await saved(page);
  await whole(server, 24);
});

/** Kills the processes of one profile, and no others. */
async function killBrowser(profile) {
  const { readFileSync, readdirSync } = await import("node:fs");
  for (const process_ of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    try {
      const words = readFileSync(`/proc/${process_}/cmdline`, "utf8").split("\0");
      if (words.includes(`--user-data-dir=${profile}`)) process.kill(Number(process_), "SIGKILL");
    } catch {
      // It has ended by itself.
    }
  }
  await new Promise((resolve) => setTimeout(resolve, 300));
}

test("two pages of one person store no answer twice", { skip }, async (t) => {
  const server = await Server.start(t, project(t, 30), "--labels", LABELS.join(","));
  const [first, second] = [await open(t, server), await open(t, server)];
  // The second page sends what the first has sent already: the same id is stored once.
  const request = {
    id: "0b0e3f0c-6a0e-4c58-9d0a-0d3b6f0a8a11",
    item: "t29",
    queue: "all",
    status: "answered",
    answer: { kind: "class", label: labelOf("t29") },
    millis: 1,
    actions: 1,
  };
  const replies = await Promise.all([1, 2, 3, 4].map(() => server.ask("POST", "/api/answer", request)));
  assert.equal(new Set(replies.map((reply) => reply.json().seq)).size, 1);
  assert.deepEqual([first.faults, second.faults], [[], []]);
  assert.equal((await server.history()).length, 1);
});

test("from key to next item", { skip }, async (t) => {
  const server = await Server.start(t, project(t), "--labels", LABELS.join(","));
  const page = await open(t, server);
  const times = await page.evaluate(async () => {
    const reader = () => document.querySelector(".item .reader")?.textContent;
    const found = [];
    const key = (name, code) =>
      document.body.dispatchEvent(new KeyboardEvent("keydown", { key: name, code, bubbles: true, cancelable: true }));
    for (let nth = 0; nth < 60; nth += 1) {
      const before = reader();
      key("1", "Digit1");
      const start = performance.now();
      key("Enter", "Enter");
      while (reader() === before || reader() === undefined) await new Promise((resolve) => setTimeout(resolve, 0));
      // Painted, too.
      await new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve, 0)));
      found.push(performance.now() - start);
      await new Promise((resolve) => setTimeout(resolve, 60));
    }
    return found.sort((left, right) => left - right);
  });
  const at = (share) => times[Math.min(times.length - 1, Math.floor(times.length * share))].toFixed(1);
  t.diagnostic(
    `key to next item painted, ${times.length} items: median ${at(0.5)} ms, 95 % ${at(0.95)} ms, worst ${at(1)} ms`,
  );
  await saved(page);
  assert.equal((await server.history()).length, 60);
});
