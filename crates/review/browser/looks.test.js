// Pictures of every page, and what can be checked of their looks: contrast, names for screen readers, nothing cut off.

import assert from "node:assert/strict";
import { after, test } from "node:test";

import { Server, close, csv, folder, missing, open, picture, press, saved, write } from "./stage.js";

const skip = missing();
after(close);

/** Texts whose contrast with what lies behind them is below WCAG AA. */
function faint() {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = 1;
  const context = canvas.getContext("2d", { willReadFrequently: true });
  const over = (colours) => {
    context.clearRect(0, 0, 1, 1);
    for (const colour of colours) {
      context.fillStyle = colour;
      context.fillRect(0, 0, 1, 1);
    }
    return [...context.getImageData(0, 0, 1, 1).data].slice(0, 3);
  };
  const luminance = (colour) => {
    const [red, green, blue] = colour.map((part) =>
      part / 255 <= 0.04045 ? part / 255 / 12.92 : ((part / 255 + 0.055) / 1.055) ** 2.4,
    );
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const found = [];
  for (const element of document.querySelectorAll("body *")) {
    const own = [...element.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.data.trim() !== "");
    if (
      !own ||
      element.closest(":disabled, [aria-hidden=true], .hidden, noscript, .skip-link") ||
      !element.checkVisibility?.({ opacityProperty: true, visibilityProperty: true })
    )
      continue;
    const style = getComputedStyle(element);
    const behind = [];
    for (let at = element; at; at = at.parentElement) behind.unshift(getComputedStyle(at).backgroundColor);
    const ground = over(["Canvas", ...behind]);
    const ink = over([`rgb(${ground.join(",")})`, style.color]);
    const [light, dark] = [luminance(ink), luminance(ground)].sort((left, right) => right - left);
    const ratio = (light + 0.05) / (dark + 0.05);
    const large =
      parseFloat(style.fontSize) >= 24 || (parseFloat(style.fontSize) >= 18.66 && Number(style.fontWeight) >= 700);
    if (ratio < (large ? 3 : 4.5))
      found.push(
        `${ratio.toFixed(2)} ${element.className || element.tagName}: ${element.textContent.trim().slice(0, 30)}`,
      );
  }
  return found;
}

/** Things to press or fill in that have no name. */
function nameless() {
  const named = (element) =>
    element.getAttribute("aria-label") ||
    element.textContent.trim() ||
    element.title ||
    element.labels?.length > 0 ||
    element.getAttribute("placeholder");
  return [...document.querySelectorAll("button, a, input, select, textarea")]
    .filter((element) => element.checkVisibility() && !named(element))
    .map((element) => element.outerHTML.slice(0, 80));
}

async function look(page, name) {
  await page.waitForTimeout(80);
  await picture(page, name);
  assert.deepEqual(await page.evaluate(faint), [], `${name}: contrast`);
  assert.deepEqual(await page.evaluate(nameless), [], `${name}: names`);
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  assert.ok(wide <= 0, `${name}: ${wide} pixels wider than the screen`);
  assert.deepEqual(page.faults, [], name);
}

const TEXTS = [
  "The app crashes when I tap send.",
  "Thank you so much, support was quick and kind.",
  "I was charged twice for June.",
  "How can I change my address?",
  "Great, it crashed again.",
];
const tickets = csv(
  Array.from({ length: 40 }, (_, nth) => ({
    id: `t${nth}`,
    text: TEXTS[nth % TEXTS.length],
    channel: ["mail", "app"][nth % 2],
  })),
);
const schema = {
  type: "object",
  required: ["price"],
  properties: {
    price: { type: "number" },
    currency: { enum: ["EUR", "USD"] },
    seller: { type: "object", properties: { name: { type: "string" }, city: { type: "string" } } },
  },
};

const PROJECTS = {
  classify: [tickets, ["--labels", "bug,praise,billing,question"], ["2"]],
  multilabel: [tickets, ["--labels", "bug,praise,billing,question,urgent", "--kind", "multilabel"], ["1", "5"]],
  ordinal: [tickets, ["--labels", "very low,low,medium,high,very high", "--kind", "ordinal"], ["4"]],
  many: [
    tickets,
    ["--labels", Array.from({ length: 150 }, (_, nth) => `${["card", "cash", "transfer"][nth % 3]} ${nth}`).join(",")],
    ["/"],
  ],
  tag: [
    csv([{ id: "c", text: "yaar party kal raat ko Sharma ji ke ghar pe hai so please come on time" }]),
    ["--labels", "hi,en,name", "--kind", "tag"],
    ["1", "2", "1"],
  ],
  letters: [
    csv([
      {
        id: "c",
        text: "yaar party kal raat ko Sharma ji ke ghar pe hai so please come on time and do not forget to bring a cake kyunki Priya ka birthday hai",
      },
    ]),
    ["--labels", "hi,en,name", "--kind", "tag"],
    ["1", "2", "j"],
  ],
  spans: [
    csv([
      {
        id: "d",
        text: "Ann Miller flew to Oslo today. She met Bob of the Oslo Opera House on 3 May.\n\nفي القاهرة التقت آن بوب مرة أخرى.",
      },
    ]),
    ["--labels", "PER,CITY,ORG,DATE", "--kind", "spans"],
    ["ArrowRight", "Shift+ArrowRight", "1", "ArrowRight", "ArrowRight", "2", "Shift+T"],
  ],
  pairs: [
    csv([
      {
        id: "q",
        prompt: "Why is the sky blue?",
        left: "Because air scatters short waves of light more than long ones.",
        right: "Because it mirrors the sea, which is blue.",
      },
    ]),
    ["--kind", "pairs"],
    ["1"],
  ],
  extract: [
    csv([
      {
        id: "r",
        text: "Only for 120 euros! A good bicycle, hardly used, with lights. Fetch it from Jane Doe in Bergen.",
      },
    ]),
    ["--kind", "extract"],
    [],
  ],
};

for (const [name, [data, words, keys]] of Object.entries(PROJECTS)) {
  test(`the page of ${name}`, { skip }, async (t) => {
    const where = folder(t);
    write(where, "tickets.csv", data);
    write(where, "schema.json", JSON.stringify(schema));
    const server = await Server.start(
      t,
      `${where}/tickets.csv`,
      ...words,
      ...(name === "extract" ? ["--schema", `${where}/schema.json`] : []),
    );
    for (const [kind, options] of [
      ["wide", {}],
      ["dark", { dark: true }],
      ["phone", { phone: true }],
      ["phone-dark", { phone: true, dark: true }],
    ]) {
      const page = await open(t, { origin: server.origin, ...options });
      await press(page, ...keys);
      await look(page, `${name}-${kind}`);
      await page.context().close();
    }
  });
}

test("guidelines, keys, queues, history, live, people", { skip }, async (t) => {
  const where = folder(t);
  write(where, "tickets.csv", tickets);
  write(
    where,
    "guidelines.md",
    "# Tickets\n\nA *bug* is anything that does not work as it should, whether or not the person is polite about it.\n\n- Irony counts as what is meant.\n- Two complaints: take the one that blocks the person.\n",
  );
  write(
    where,
    "postil.toml",
    '[task]\nkind = "classify"\nlabels = ["bug", "praise", "billing", "question"]\nguidelines = "guidelines.md"\n\n[task.definitions]\nbug = "Something does not work."\npraise = "Somebody likes it."\n\n[data]\nitems = "tickets.csv"\nid = "id"\ntext = "text"\n\n[[annotator]]\nname = "people"\nkind = "person"\n',
  );
  const server = await Server.start(t, where, "--overlap", "2");
  // Bob answers half of them otherwise, so that there is something to decide.
  const bob = (await server.ask("POST", "/api/people", { name: "bob", role: "annotate" })).json();
  const page = await open(t, { origin: server.origin, hash: "work/all" });
  for (let nth = 0; nth < 20; nth += 1) await press(page, "1", "Enter");
  await press(page, "2", "f");
  await page.keyboard.type("irony?");
  await press(page, "Enter", "s");
  await saved(page);
  for (let nth = 0; nth < 20; nth += 1) {
    const request = {
      id: `0b0e3f0c-6a0e-4c58-9d0a-0d3b6f0a8a${nth + 10}`,
      item: `t${nth}`,
      queue: "all",
      status: "answered",
      answer: { kind: "class", label: nth % 3 ? "bug" : "praise" },
      note: nth % 3 ? null : "they are happy",
      millis: 2000 + nth,
      actions: 2,
    };
    await server.ask("POST", "/api/answer", request, { Authorization: `Bearer ${bob.token}` });
  }
  await page.context().close();
  const visits = [
    ["queues", "work/all", async (page) => page.click(".queue")],
    ["guidelines", "work/all", async (page) => page.click("[aria-label=Guidelines]")],
    ["history", "history", async (page) => page.waitForSelector(".history li a")],
    ["live", "live", async (page) => page.waitForSelector(".live section")],
    ["people", "people", async (page) => page.waitForSelector(".people tbody tr")],
    ["empty", "work/suspects", async () => {}],
    ["disagreement", "work/disagreement", async (page) => page.waitForSelector(".side-by-side")],
  ];
  for (const [name, hash, go] of visits) {
    for (const [kind, options] of [
      ["wide", {}],
      ["dark", { dark: true }],
      ["phone", { phone: true }],
    ]) {
      const page = await open(t, { origin: server.origin, hash, ...options });
      await go(page);
      await look(page, `${name}-${kind}`);
      if (name === "queues" && kind === "wide") {
        await press(page, "Escape", "?");
        await look(page, "keys-wide");
      }
      await page.context().close();
    }
  }
});
