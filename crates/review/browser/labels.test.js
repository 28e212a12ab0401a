// Hundreds of labels, with and without a tree above them, searched and chosen by keys; and blind gold drawn from the page.

import assert from "node:assert/strict";
import { after, test } from "node:test";

import {
  Server,
  close,
  csv,
  each,
  finished,
  folder,
  missing,
  open,
  picture,
  press,
  saved,
  settled,
  text,
  write,
} from "./stage.js";

const skip = missing();
after(close);

// 12 branches with 25 labels each; the same last word stands below several of them.
const AREAS = [
  "card",
  "cash",
  "transfer",
  "loan",
  "app",
  "branch",
  "fee",
  "tax",
  "login",
  "insurance",
  "gift",
  "travel",
];
const MATTERS = [
  "lost",
  "stolen",
  "declined",
  "delayed",
  "wrong amount",
  "limit",
  "renewal",
  "address",
  "statement",
  "refund",
  "blocked",
  "activation",
  "expired",
  "damaged",
  "duplicate",
  "missing",
  "complaint",
  "praise",
  "question",
  "upgrade",
  "closing",
  "opening",
  "security",
  "abroad",
  "été",
];
const LEAVES = AREAS.flatMap((area) => MATTERS.map((matter) => [area, `${area}: ${matter}`]));

/** A project with all these labels; a sentence says which is right. */
function project(where, { tree, kind = "classify", count = 6 }) {
  const step = Math.floor(LEAVES.length / count);
  const truth = Array.from({ length: count }, (_, nth) => LEAVES[(nth * step + 7 * nth) % LEAVES.length]);
  write(
    where,
    "calls.csv",
    csv(truth.map(([, leaf], nth) => ({ id: `c${nth}`, text: `The caller talks about ${leaf}.` }))),
  );
  const names = [...(tree ? AREAS : []), ...LEAVES.map(([, leaf]) => leaf)];
  const parents = LEAVES.map(([area, leaf]) => `${JSON.stringify(leaf)} = "${area}"`).join("\n");
  write(
    where,
    "postil.toml",
    `[task]\nkind = "${kind}"\nlabels = ${JSON.stringify(names)}\n\n${tree ? `[task.parents]\n${parents}\n\n` : ""}[task.definitions]\n"gift: lost" = "A voucher that nobody can find."\n\n[data]\nitems = "calls.csv"\nid = "id"\ntext = "text"\n\n[[annotator]]\nname = "people"\nkind = "person"\n`,
  );
  return truth.map(([, leaf]) => leaf);
}

const shownNames = (page) =>
  page.evaluate(() => [...document.querySelectorAll(".choices .choice")].map(({ name }) => name));
const active = (page) => page.evaluate(() => document.querySelector(".choice.active")?.name ?? null);
/** What is chosen; a label may stand among those chosen lately as well. */
const chosen = async (page) => [
  ...new Set(
    await page.evaluate(() =>
      [...document.querySelectorAll('.choice[aria-checked="true"], .choice[aria-pressed="true"]')].map(
        ({ name }) => name,
      ),
    ),
  ),
];

for (const tree of [false, true]) {
  test(
    `three hundred labels${tree ? " below twelve others" : ""}: searched by / and chosen by keys`,
    { skip },
    async (t) => {
      const where = folder(t);
      const truth = project(where, { tree });
      const server = await Server.start(t, where);
      const page = await open(t, server);
      const about = async () => /about (.*)\.$/.exec(await text(page))[1];
      const done = await each(page, async (nth) => {
        const leaf = await about();
        const [area, matter] = leaf.split(": ");
        // Whole, in any order of its words, in capitals, without its accent, or by its beginning and a step down the list.
        const query = [leaf, `${matter} ${area}`, leaf.toUpperCase(), leaf.normalize("NFD").replace(/\p{M}/gu, "")][
          nth % 4
        ];
        await press(page, "/");
        await page.keyboard.type(query);
        assert.equal(await active(page), leaf, `“${query}” finds it first`);
        await press(page, "Enter");
        assert.deepEqual(await chosen(page), [leaf]);
        if (nth === 1) await picture(page, `labels-${tree ? "tree" : "flat"}`);
        // The search is over: Enter confirms now.
        await press(page, "Enter");
      });
      assert.equal(done, truth.length);
      await saved(page);
      const answers = await server.counting();
      assert.deepEqual(
        truth.map((_, nth) => answers.get(`c${nth}`).answer.label),
        truth,
      );
      assert.deepEqual(page.faults, []);
    },
  );
}

test("a search narrows, walks by arrows, goes by definition, and is left by Escape", { skip }, async (t) => {
  const where = folder(t);
  project(where, { tree: true });
  const server = await Server.start(t, where);
  const page = await open(t, server);
  assert.equal((await shownNames(page)).length, AREAS.length + LEAVES.length);
  await press(page, "/");
  await page.keyboard.type("stolen");
  assert.deepEqual(
    await shownNames(page),
    AREAS.map((area) => `${area}: stolen`),
  );
  await press(page, "ArrowDown", "ArrowDown", "ArrowDown", "ArrowUp");
  assert.equal(await active(page), "transfer: stolen");
  // What is chosen by walking is in sight.
  const seen = await page.evaluate(() => {
    const box = document.querySelector(".choice.active").getBoundingClientRect();
    return box.height > 0 && box.top >= 0 && box.bottom <= innerHeight;
  });
  assert.ok(seen, "the label walked to is on the screen");
  await picture(page, "labels-search");
  await press(page, "Escape");
  assert.equal((await shownNames(page)).length, AREAS.length + LEAVES.length);
  assert.deepEqual(await chosen(page), []);
  await press(page, "/");
  await page.keyboard.type("voucher");
  assert.deepEqual(await shownNames(page), ["gift: lost"]);
  await press(page, "Escape", "/");
  await page.keyboard.type("no such words");
  assert.match(await page.textContent(".choices"), /No label has these words/);
  await press(page, "Enter");
  assert.deepEqual(await chosen(page), []);
  // A branch can be the answer as well as a leaf.
  await press(page, "/");
  await page.keyboard.type("insurance");
  assert.equal(await active(page), "insurance");
  await press(page, "Enter");
  assert.deepEqual(await chosen(page), ["insurance"]);
  // Every label has its own button name, and the branch stands before its leaves.
  const all = await shownNames(page);
  const first = all.lastIndexOf("insurance");
  assert.equal(all[first + 1], "insurance: lost");
  assert.deepEqual(page.faults, []);
});

test(
  "several of three hundred labels, each found by keys; what was chosen lately stands on top",
  { skip },
  async (t) => {
    const where = folder(t);
    project(where, { tree: true, kind: "multilabel", count: 3 });
    const server = await Server.start(t, where);
    const page = await open(t, server);
    const find = async (query) => {
      await press(page, "/");
      await page.keyboard.type(query);
      await press(page, "Enter");
    };
    await find("fee refund");
    await find("tax question");
    await find("card stolen");
    // The same again takes it away.
    await find("tax question");
    assert.deepEqual(new Set(await chosen(page)), new Set(["fee: refund", "card: stolen"]));
    await press(page, "Enter");
    await settled(page);
    assert.deepEqual((await shownNames(page)).slice(0, 3), ["tax: question", "card: stolen", "fee: refund"]);
    await press(page, "Enter", "s");
    await saved(page);
    const answers = await server.counting();
    assert.deepEqual(answers.get("c0").answer.labels, ["card: stolen", "fee: refund"]);
    assert.deepEqual(answers.get("c1").answer.labels, []);
    assert.deepEqual(page.faults, []);
  },
);

for (const [how, options] of [
  ["keys", {}],
  ["phone", { phone: true }],
]) {
  test(`blind gold is drawn from the page, by ${how}, and answered without a suggestion`, { skip }, async (t) => {
    const where = folder(t);
    const words = ["It crashed", "Thank you"];
    write(
      where,
      "tickets.csv",
      csv(Array.from({ length: 80 }, (_, nth) => ({ id: `t${nth}`, text: `${words[nth % 2]} number ${nth}` }))),
    );
    const server = await Server.start(t, `${where}/tickets.csv`, "--labels", "bug,praise");
    const page = await open(t, { origin: server.origin, hash: "work/gold", ...options });
    assert.ok(await finished(page));
    assert.match(await page.textContent(".empty"), /No items have been drawn for gold yet/);
    const field = page.getByLabel("How many items");
    assert.equal(await field.inputValue(), "80", "no more than there are");
    // No draw of nothing.
    await field.fill("0");
    await field.press("Enter");
    assert.ok(await finished(page));
    await field.fill("20");
    await picture(page, `draw-${how}`);
    if (how === "keys") await field.press("Enter");
    else await page.getByRole("button", { name: "Draw" }).click();
    await page.waitForFunction(() => document.querySelector(".item .reader"));
    assert.match(await page.textContent(".about"), /Drawn at random with probability 0\.2500/);
    const seen = new Set();
    const done = await each(page, async () => {
      assert.equal(await page.locator(".suggestion").count(), 0);
      const words = await text(page);
      seen.add(words);
      const label = words.startsWith("It") ? "bug" : "praise";
      if (how === "keys") await press(page, label === "bug" ? "1" : "2", "Enter");
      else {
        await page.tap(`.choice[name="${label}"]`);
        await page.tap(".bar .confirm");
      }
    });
    assert.deepEqual([done, seen.size], [20, 20]);
    await saved(page);
    const answers = [...(await server.counting()).values()];
    assert.equal(answers.length, 20);
    assert.ok(answers.every(({ queue, shown }) => queue === "gold" && !shown));
    // Drawing further items raises the probability of all; the queue says that it is empty before.
    assert.match(await page.textContent(".empty h1"), /Done/);
    await page.getByLabel("How many items").fill("1000");
    await page.getByRole("button", { name: "Draw" }).click();
    await page.getByText("expected at most 60 items to draw, found 1000").waitFor();
    await page.getByLabel("How many items").fill("60");
    await page.getByRole("button", { name: "Draw" }).click();
    await page.waitForFunction(() => document.querySelector(".item .reader"));
    assert.match(await page.textContent(".about"), /probability 1\.0000/);
    assert.deepEqual(page.faults, []);
  });
}
