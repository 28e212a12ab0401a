// Makes the pictures of docs/review.md, with the example of tickets: `node pictures.js`.

import fs from "node:fs";
import os from "node:os";
import path from "node:path";

import { Server, close, open, press, root, settled } from "./stage.js";

const LABELS = ["billing", "delivery", "bug", "account", "praise", "safety"];
const size = { width: 1080, height: 640 };
const images = path.join(root, "docs/images");

const ends = [];
const run = { after: (end) => ends.unshift(end) };

function project(name, files) {
  const where = path.join(fs.mkdtempSync(path.join(os.tmpdir(), "postil-pictures-")), name);
  ends.push(() => fs.rmSync(path.dirname(where), { recursive: true, force: true }));
  for (const [file, content] of Object.entries(files)) {
    fs.mkdirSync(where, { recursive: true });
    fs.writeFileSync(path.join(where, file), content);
  }
  return where;
}

async function picture(page, name) {
  await page.waitForTimeout(150);
  await page.screenshot({ path: path.join(images, `${name}.png`) });
}

/** Somebody's answers to items whose labels are known, a few of them otherwise. */
async function answers(server, truth, items, headers, differs) {
  for (const [nth, item] of items.entries()) {
    const label = differs(nth) ? LABELS[(LABELS.indexOf(truth.get(item)) + 2) % LABELS.length] : truth.get(item);
    const request = {
      id: `${headers.Authorization ? "1" : "0"}b0e3f0c-6a0e-4c58-9d0a-${String(nth).padStart(12, "0")}`,
      item,
      queue: "all",
      status: "answered",
      answer: { kind: "class", label },
      note: differs(nth) ? "blocks a delivery" : null,
      millis: 1800 + ((nth * 487) % 2600),
      actions: 2,
    };
    const reply = await server.ask("POST", "/api/answer", request, headers);
    if (reply.status !== 200) throw new Error(reply.text);
  }
}

async function tickets() {
  const example = (name) => fs.readFileSync(path.join(root, "examples/tickets", name), "utf8");
  const truth = new Map(
    example("gold.csv")
      .trim()
      .split("\n")
      .slice(1)
      .map((line) => line.split(",").slice(0, 2)),
  );
  const labels = LABELS.map((label) => `"${label}"`).join(", ");
  const where = project("tickets", {
    "tickets.csv": example("tickets.csv"),
    "guidelines.md": example("guidelines.md"),
    "postil.toml": `[task]\nkind = "classify"\nlabels = [${labels}]\nguidelines = "guidelines.md"\n\n[data]\nitems = "tickets.csv"\nid = "id"\ntext = "body"\n\n[budget]\nperson_minutes = 30\n\n[[annotator]]\nname = "people"\nkind = "person"\n`,
  });
  const server = await Server.start(run, where, "--as", "ann", "--overlap", "2");
  let page = await open(run, { origin: server.origin, hash: "work/all", size });
  await press(page, "1");
  await picture(page, "review-first");
  await page.keyboard.press("Escape");
  await press(page, "g");
  await page.waitForSelector(".guidelines .words *");
  await picture(page, "review-guidelines");
  await page.context().close();
  const bob = (await server.ask("POST", "/api/people", { name: "bob", role: "annotate" })).json();
  const items = [...truth.keys()];
  await answers(server, truth, items.slice(0, 120), {}, () => false);
  await answers(server, truth, items.slice(0, 60), { Authorization: `Bearer ${bob.token}` }, (nth) => nth % 12 === 3);
  // The model beside the work learns in the background.
  for (let waited = 0; waited < 60; waited += 1) {
    const live = (await server.ask("GET", "/api/live")).json();
    if (
      live.curve.filter(({ accuracy }) => accuracy.state === "known").length >= 3 &&
      live.training.state !== "training"
    )
      break;
    await new Promise((resolve) => setTimeout(resolve, 1000));
  }
  page = await open(run, { origin: server.origin, hash: "work/disagreement", size });
  await page.waitForSelector(".side-by-side");
  await picture(page, "review-disagreement");
  page = await open(run, { origin: server.origin, hash: "live", size: { width: 1080, height: 1180 } });
  await page.waitForSelector(".live section");
  await picture(page, "review-live");
}

async function spans() {
  const text =
    "Ann Miller flew to Oslo on Monday. She met Bob Lund of the Oslo Opera House in Bergen, where both of them had grown up, and they agreed on a tour in May.";
  const where = project("news", { "news.csv": `id,text\n1,"${text}"\n` });
  const server = await Server.start(
    run,
    `${where}/news.csv`,
    "--labels",
    "person,place,organisation,date",
    "--kind",
    "spans",
  );
  const page = await open(run, { origin: server.origin, hash: "work/all", size });
  const walk = async (words) => {
    for (let steps = 0; steps < 60; steps += 1) {
      if ((await page.evaluate(() => document.querySelector(".piece.selected")?.textContent)) === words) return;
      await press(page, "ArrowRight");
    }
  };
  for (const [word, wider, digit] of [
    ["Ann", 1, "1"],
    ["Oslo", 0, "2"],
    ["Monday", 0, "4"],
    ["Bob", 1, "1"],
    ["Oslo", 2, "3"],
    ["Bergen", 0, "2"],
    ["May", 0, "4"],
  ]) {
    await walk(word);
    await press(page, ...Array(wider).fill("Shift+ArrowRight"), digit);
  }
  await press(page, "Shift+T", "Shift+T", "Shift+T");
  await settled(page);
  await picture(page, "review-spans");
}

fs.mkdirSync(images, { recursive: true });
try {
  await tickets();
  await spans();
} finally {
  for (const end of ends) await Promise.resolve(end()).catch(() => {});
  await close();
}
