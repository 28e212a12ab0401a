// Text that wants to be a script stays text, wherever it comes from.

import assert from "node:assert/strict";
import { after, test } from "node:test";

import { Server, close, csv, folder, missing, open, press, saved, settled, write } from "./stage.js";

const skip = missing();
after(close);

const EVIL = [
  "<script>window.hit=1</script>",
  "<img src=x onerror=window.hit=1>",
  '"><svg onload=window.hit=1>',
  "javascript:window.hit=1",
  "</textarea><iframe srcdoc='<script>parent.hit=1</script>'>",
  "{{constructor.constructor('window.hit=1')()}}",
  "\u202e<b onmouseover=window.hit=1>x</b>\u0000",
];
const LABELS = ["<img src=x onerror=window.hit=1>", '"onclick=window.hit=1 x="', "plain"];

async function harmless(page, where) {
  assert.equal(await page.evaluate(() => window.hit), undefined, `${where}: a script ran`);
  const strangers = await page.evaluate(() =>
    [
      ...document.querySelectorAll(
        "img, iframe, object, embed, script:not([src^='/assets/']), [onerror], [onload], [onclick], [onmouseover], [style*='url']",
      ),
    ].map((element) => element.outerHTML),
  );
  assert.deepEqual(strangers, [], where);
  assert.deepEqual(page.faults, [], where);
}

test("items, contexts, labels, notes, guidelines and file names", { skip }, async (t) => {
  const where = `${folder(t)}/<img src=x onerror=window.hit=1>`;
  write(
    where,
    "evil<svg onload=hit=1>.csv",
    csv(EVIL.map((text, nth) => ({ id: `<b onload=hit=1>${nth}`, text, "<i onload=hit=1>": text }))),
  );
  write(
    where,
    "guidelines.md",
    `# ${EVIL[1]}\n\n${EVIL.join("\n\n")}\n\n[a](javascript:window.hit=1) ![b](x) <script>window.hit=1</script>\n`,
  );
  const quoted = LABELS.map((label) => JSON.stringify(label)).join(", ");
  write(
    where,
    "postil.toml",
    `[task]\nkind = "classify"\nlabels = [${quoted}]\nguidelines = "guidelines.md"\n\n[task.definitions]\n${LABELS.map((label) => `${JSON.stringify(label)} = ${JSON.stringify(EVIL[1])}`).join("\n")}\n\n[data]\nitems = "evil<svg onload=hit=1>.csv"\nid = "id"\ntext = "text"\n\n[[annotator]]\nname = "people"\nkind = "person"\n`,
  );
  const server = await Server.start(t, where);
  const page = await open(t, server);
  await press(page, "g");
  await page.waitForSelector(".guidelines .words *");
  await harmless(page, "guidelines");
  assert.match(await page.textContent(".guidelines"), /onerror=window\.hit=1/, "it can be read");
  for (const [nth, evil] of EVIL.entries()) {
    await settled(page);
    await press(page, "1", "f");
    await page.keyboard.insertText(evil.replaceAll("\u0000", ""));
    await harmless(page, `item ${nth}`);
    await press(page, "Enter");
  }
  await saved(page);
  await press(page, "?");
  await press(page, "Escape", "q");
  await harmless(page, "queues");
  await press(page, "Escape", "h");
  await page.waitForSelector(".history li a");
  await harmless(page, "history");
  await page.click(".history li a");
  await settled(page);
  await harmless(page, "an answer opened again");
  await press(page, "e");
  await page.waitForSelector("dialog[open] textarea");
  await page.fill("dialog[open] input", EVIL[1]);
  await page.click("dialog[open] .confirm");
  await page.waitForFunction((evil) => document.querySelector(".examples")?.textContent.includes(evil), EVIL[1]);
  await harmless(page, "examples");
  await press(page, "l");
  await page.waitForSelector(".live section");
  await harmless(page, "live");
  await page.goto(`${server.origin}/#people`);
  await page.waitForSelector(".line-form input");
  await page.fill(".line-form input", "<img src=x onerror=hit=1>");
  await page.click(".line-form .confirm");
  await page.waitForTimeout(200);
  await harmless(page, "people");
  const reply = await fetch(`${server.origin}/`);
  const policy = reply.headers.get("content-security-policy");
  assert.match(policy, /default-src 'none'/);
  assert.doesNotMatch(policy, /unsafe/);
});

test("spans, tags, records and what others said", { skip }, async (t) => {
  const where = folder(t);
  const text = `${EVIL[0]} ${EVIL[1]}`;
  write(where, "evil.csv", csv([{ id: "x", text }]));
  const server = await Server.start(
    t,
    `${where}/evil.csv`,
    "--labels",
    "<img src=x onerror=window.hit=1>,B",
    "--kind",
    "spans",
    "--overlap",
    "2",
  );
  const page = await open(t, server);
  await press(page, "ArrowRight", "Shift+ArrowRight", "Shift+ArrowRight", "1", "n");
  await page.keyboard.type(EVIL[1]);
  await press(page, "Enter", "Enter");
  await saved(page);
  await harmless(page, "spans");
  const [{ answer }] = await server.history();
  assert.equal([...text].slice(answer.spans[0].start, answer.spans[0].end).join(""), answer.spans[0].quote);
  // Somebody else says something else: both stand side by side.
  const invited = (await server.ask("POST", "/api/people", { name: "<svg onload=hit=1>", role: "annotate" })).json();
  if (invited.token) {
    const headers = { Authorization: `Bearer ${invited.token}` };
    const request = {
      id: "0b0e3f0c-6a0e-4c58-9d0a-0d3b6f0a8a12",
      item: "x",
      queue: "all",
      status: "answered",
      answer: { kind: "spans", spans: [] },
      note: EVIL[2],
      millis: 1,
      actions: 1,
    };
    assert.equal((await server.ask("POST", "/api/answer", request, headers)).status, 200);
    await page.goto(`${server.origin}/#work/disagreement`);
    await page.waitForSelector(".side-by-side");
    await harmless(page, "side by side");
  }
});
