// How many keys and clicks a label takes, counted by the page itself and by the one who presses.
//
// Tokens: the languages of mixed tweets (HingLID), tagged in four ways. Spans: names in newswire (CoNLL-2003), marked with
// and without suggestions. The person of these tests knows the truth and makes no mistakes; what differs between ways is
// what the page asks of the hand.

import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { after, test } from "node:test";

import { Server, actions, close, data, each, folder, missing, open, press, root, run, saved, write } from "./stage.js";

after(close);

const TWEETS = 30;
const REPORTS = 8;
const LANGUAGES = ["HI", "EN"];
const NAMES = ["PER", "LOC", "ORG", "MISC"];

function blocks(file) {
  return fs
    .readFileSync(path.join(data, file), "utf8")
    .split(/\n\s*\n/)
    .map((block) => block.split("\n").filter(Boolean))
    .filter((lines) => lines.length > 0);
}

function tweets(file) {
  return blocks(file)
    .map((lines) => lines.map((line) => line.split("\t")))
    .filter((pairs) => pairs.every(([word, tag]) => /^\S+$/.test(word) && LANGUAGES.includes(tag)));
}

/** The words of another part that are mostly of one language: what somebody who begins would have. */
function wordLists(pairs) {
  const counts = new Map();
  for (const [word, tag] of pairs.flat()) {
    const seen = counts.get(word.toLowerCase()) ?? [0, 0];
    seen[LANGUAGES.indexOf(tag)] += 1;
    counts.set(word.toLowerCase(), seen);
  }
  return LANGUAGES.map((_, language) =>
    [...counts]
      .filter(([, seen]) => seen[language] >= 2 && seen[language] > 3 * seen[1 - language])
      .map(([word]) => word),
  );
}

class Hand {
  constructor(page) {
    this.page = page;
    this.count = 0;
  }

  async key(...keys) {
    await press(this.page, ...keys);
    this.count += keys.length;
  }

  async click(x, y) {
    await this.page.mouse.click(x, y);
    this.count += 1;
  }

  async on(selector) {
    await this.page.click(selector);
    this.count += 1;
  }

  /** Drags over a range of the text. */
  async drag(start, end) {
    const place = await placeOf(this.page, start, end);
    await this.page.mouse.move(place.from.x, place.from.y);
    await this.page.mouse.down();
    await this.page.mouse.move(place.to.x, place.to.y, { steps: 2 });
    await this.page.mouse.up();
    // The page takes a selection up after the browser has made it.
    await this.page.evaluate(() => new Promise((resolve) => setTimeout(resolve, 0)));
    this.count += 1;
  }
}

/** Where a range of the text stands, brought into view. */
async function placeOf(page, start, end) {
  return page.evaluate(
    ([start, end]) => {
      const range = document.createRange();
      const walker = document.createTreeWalker(document.querySelector(".reader"), NodeFilter.SHOW_TEXT);
      let at = 0;
      for (let node = walker.nextNode(); node; at += node.data.length, node = walker.nextNode()) {
        if (at <= start && start < at + node.data.length) range.setStart(node, start - at);
        if (at < end && end <= at + node.data.length) {
          range.setEnd(node, end - at);
          break;
        }
      }
      const home = document.querySelector(".scroll");
      const frame = home.getBoundingClientRect();
      const box = range.getBoundingClientRect();
      if (box.top < frame.top + 20 || box.bottom > frame.bottom - 20)
        home.scrollBy(0, box.top - frame.top - frame.height / 2);
      const boxes = [...range.getClientRects()].filter(({ width }) => width > 0);
      const [first, last] = [boxes[0], boxes.at(-1)];
      return {
        from: { x: first.left + 2, y: first.top + first.height / 2 },
        to: { x: last.right - 2, y: last.top + last.height / 2 },
      };
    },
    [start, end],
  );
}

function tagProject(where, kind, sample) {
  write(
    where,
    "tweets.jsonl",
    sample
      .map((pairs, nth) => JSON.stringify({ id: `h${nth}`, text: pairs.map(([word]) => word).join(" ") }))
      .join("\n"),
  );
  const annotator =
    kind === "tag"
      ? '\n[[annotator]]\nname = "words"\nkind = "list"\nmatching = { case = "ignore" }\n\n[annotator.lists]\nHI = "hi.txt"\nEN = "en.txt"\n'
      : '\n[[annotator]]\nname = "people"\nkind = "person"\n';
  write(
    where,
    "postil.toml",
    `[task]\nkind = "${kind}"\n${kind === "tag" ? 'layer = "language"\n' : ""}labels = ["HI", "EN"]\n\n[data]\nitems = "tweets.jsonl"\nid = "id"\ntext = "text"\ntokenizer = "whitespace"\n${annotator}`,
  );
}

test("actions per token on HingLID", { skip: missing("ner/hinglid/test.txt") }, async (t) => {
  const all = tweets("ner/hinglid/test.txt").filter(({ length }) => length >= 8 && length <= 40);
  const sample = Array.from({ length: TWEETS }, (_, nth) => all[Math.floor((nth * all.length) / TWEETS)]);
  const tokens = sample.flat().length;
  const lists = wordLists(tweets("ner/hinglid/validation.txt"));
  const figures = {};

  async function way(name, kind, hash, one) {
    const where = folder(t);
    tagProject(where, kind, sample);
    lists.forEach((words, nth) => write(where, `${LANGUAGES[nth].toLowerCase()}.txt`, words.join("\n")));
    if (hash === "work/assisted") await run("run", where);
    const server = await Server.start(t, where);
    const page = await open(t, { origin: server.origin, hash });
    const hand = new Hand(page);
    await each(page, async () => {
      const words = await page.evaluate(
        () =>
          [...document.querySelectorAll(".token .word")].map((word) => word.textContent).join(" ") ||
          document.querySelector(".reader").textContent,
      );
      const pairs = sample.find((pairs) => pairs.map(([word]) => word).join(" ") === words);
      await one(
        hand,
        page,
        pairs.map(([, tag]) => tag),
        pairs,
      );
    });
    await saved(page);
    const answers = await server.counting();
    sample.forEach((pairs, nth) => {
      const { answer } = answers.get(`h${nth}`);
      assert.deepEqual(
        answer.tags ?? answer.spans.map(({ label }) => label),
        pairs.map(([, tag]) => tag),
        `${name}: the answer is the truth`,
      );
    });
    const counted = Math.round(await actions(server));
    assert.equal(counted, hand.count, `${name}: the page counts what was pressed`);
    assert.deepEqual(page.faults, []);
    figures[name] = hand.count / tokens;
    await page.context().close();
    await server.kill();
  }

  const shown = (page) =>
    page.evaluate(() => [...document.querySelectorAll(".token .tag-name")].map((name) => name.textContent));
  await way("select and choose, mouse", "spans", "work/all", async (hand, page, tags, pairs) => {
    let at = 0;
    for (const [word, tag] of pairs) {
      const { from, to } = await placeOf(page, at, at + word.length);
      await hand.click((from.x + to.x) / 2, from.y);
      await hand.on(`.choice[name="${tag}"]`);
      at += word.length + 1;
    }
    await hand.on(".bar .confirm");
  });
  await way("blind, a digit each", "tag", "work/all", async (hand, _page, tags) => {
    await hand.key(...tags.map((tag) => String(LANGUAGES.indexOf(tag) + 1)), "Enter");
  });
  let wrong = 0;
  await way("pre-tagged, clicks cycle", "tag", "work/assisted", async (hand, page, tags) => {
    for (const [nth, tag] of (await shown(page)).entries()) {
      if (tag === tags[nth]) continue;
      wrong += 1;
      const token = page.locator(".token").nth(nth);
      for (let now = tag, clicks = 0; now !== tags[nth] && clicks < 4; clicks += 1) {
        await token.click();
        hand.count += 1;
        now = await token.locator(".tag-name").textContent();
      }
    }
    await hand.on(".bar .confirm");
  });
  // One who knows the keys: arrows to a word at most two away, D where it leads to a wrong one as soon, and J with the
  // letters on the word for all that is farther.
  await way("pre-tagged, by keys alone", "tag", "work/assisted", async (hand, page, tags) => {
    for (;;) {
      const { at, names, needy } = await page.evaluate(() => {
        const all = [...document.querySelectorAll(".token")];
        return {
          at: all.findIndex((token) => token.classList.contains("current")),
          names: all.map((token) => token.querySelector(".tag-name").textContent),
          needy: all.map((token) => token.matches(".doubtful, .open")),
        };
      });
      const targets = names.map((name, nth) => nth).filter((nth) => names[nth] !== tags[nth]);
      if (targets.length === 0) break;
      let target = targets.toSorted((left, right) => Math.abs(left - at) - Math.abs(right - at))[0];
      const jumps = names.map((_, nth) => (at + 1 + nth) % names.length).filter((nth) => needy[nth]);
      const hop = jumps.slice(0, 2).findIndex((nth) => targets.includes(nth));
      if (Math.abs(target - at) <= 2) {
        await hand.key(...Array(Math.abs(target - at)).fill(target > at ? "ArrowRight" : "ArrowLeft"));
      } else if (hop >= 0) {
        target = jumps[hop];
        await hand.key(...Array(hop + 1).fill("d"));
      } else {
        await hand.key("j");
        const letters = await page.locator(".token").nth(target).locator(".hint-letters").textContent();
        await hand.key(...letters);
        assert.ok(
          await page
            .locator(".token")
            .nth(target)
            .evaluate((token) => token.matches(".current")),
        );
      }
      await hand.key(String(LANGUAGES.indexOf(tags[target]) + 1));
    }
    await hand.key("Enter");
  });
  for (const [name, each_] of Object.entries(figures))
    t.diagnostic(`${name}: ${each_.toFixed(3)} actions per token (${tokens} tokens in ${TWEETS} tweets)`);
  const plain = figures["select and choose, mouse"];
  t.diagnostic(
    `pre-tags right: ${(100 - (100 * wrong) / tokens).toFixed(1)} % of the tokens; select and choose against clicks that cycle ${(plain / figures["pre-tagged, clicks cycle"]).toFixed(1)} times, against keys ${(plain / figures["pre-tagged, by keys alone"]).toFixed(1)} times`,
  );
  // What COMMENTATOR reports (five times faster) is what is aimed at, by mouse and by keys.
  assert.ok(5 * figures["pre-tagged, clicks cycle"] < plain);
  assert.ok(5 * figures["pre-tagged, by keys alone"] < plain);
});

/** Reports as texts with spans, from a file of tokens and IOB tags. */
function reports(file) {
  const found = [];
  for (const lines of blocks(file)) {
    if (lines[0].startsWith("-DOCSTART-")) {
      found.push({ text: "", spans: [] });
      continue;
    }
    const report = found.at(-1);
    let before = "O";
    lines.forEach((line, nth) => {
      const [word, , , tag] = line.split(" ");
      if (nth > 0) report.text += " ";
      const start = report.text.length;
      report.text += word;
      const label = tag.slice(2);
      if (tag !== "O") {
        if (before.slice(2) === label && !tag.startsWith("B-")) report.spans.at(-1).end = report.text.length;
        else report.spans.push({ start, end: report.text.length, label });
      }
      before = tag;
    });
    report.text += "\n";
  }
  return found
    .map(({ text, spans }) => ({ text: text.trimEnd(), spans }))
    .filter(({ text, spans }) => spans.length >= 8 && text.length < 2500);
}

test(
  "actions per span on CoNLL",
  { skip: missing("ner/conll2003/eng.testa", "ner/gazetteers/mledoze-countries.csv") },
  async (t) => {
    const all = reports("ner/conll2003/eng.testa");
    const sample = Array.from({ length: REPORTS }, (_, nth) => all[Math.floor((nth * all.length) / REPORTS)]);
    const total = sample.flatMap(({ spans }) => spans).length;
    const figures = {};

    async function way(name, hash, one) {
      const where = folder(t);
      write(
        where,
        "data/newswire.jsonl",
        sample.map(({ text }, nth) => JSON.stringify({ id: `n${nth}`, text })).join("\n"),
      );
      // The example of names without gold: lists and small programs.
      for (const lists of ["gazetteers", "gazetteers-skweak"])
        fs.symlinkSync(path.join(data, "ner", lists), path.join(where, "data", lists));
      fs.cpSync(path.join(root, "examples/newswire/programs"), path.join(where, "programs"), { recursive: true });
      write(
        where,
        "postil.toml",
        fs.readFileSync(path.join(root, "examples/newswire/postil.toml"), "utf8").replace(/^gold = .*$/m, ""),
      );
      if (hash === "work/assisted") await run("run", where);
      const server = await Server.start(t, where);
      const page = await open(t, { origin: server.origin, hash });
      const hand = new Hand(page);
      await each(page, async () => {
        const text = await page.evaluate(() => document.querySelector(".reader").textContent);
        const nth = sample.findIndex((report) => report.text === text);
        await one(
          hand,
          page,
          sample[nth].spans,
          async () =>
            (await server.ask("POST", "/api/lease", { queue: "assisted", item: `n${nth}` })).json().work[0].suggestion,
        );
      });
      await saved(page);
      const answers = await server.counting();
      sample.forEach(({ spans }, nth) => {
        const found = answers.get(`n${nth}`).answer.spans.map(({ start, end, label }) => ({ start, end, label }));
        assert.deepEqual(found, spans, `${name}: the answer is the truth`);
      });
      assert.equal(Math.round(await actions(server)), hand.count, `${name}: the page counts what was pressed`);
      assert.deepEqual(page.faults, []);
      figures[name] = hand.count / total;
      await page.context().close();
      await server.kill();
    }

    const digit = (label) => String(NAMES.indexOf(label) + 1);
    await way("drag, then a digit", "work/all", async (hand, _page, spans) => {
      for (const { start, end, label } of spans) {
        await hand.drag(start, end);
        await hand.key(digit(label));
      }
      await hand.key("Enter");
    });
    await way("a digit, then drags", "work/all", async (hand, _page, spans) => {
      for (const label of NAMES) {
        const some = spans.filter((span) => span.label === label);
        if (some.length > 0) await hand.key(digit(label));
        for (const { start, end } of some) await hand.drag(start, end);
      }
      await hand.key("Enter");
    });
    let right = 0;
    let suggested = 0;
    await way("with suggestions", "work/assisted", async (hand, page, spans, suggestion) => {
      const same = (left, other) => left.start === other.start && left.end === other.end;
      // The texts are of the basic plane: code points and the browser's units are the same here.
      let marks = (await suggestion())?.answer.spans ?? [];
      suggested += marks.length;
      right += marks.filter((one) => spans.some((span) => same(span, one) && span.label === one.label)).length;
      for (const span of spans) {
        if (marks.some((one) => same(one, span) && one.label === span.label)) continue;
        // Marking the right words takes the place of what overlaps them.
        await hand.drag(span.start, span.end);
        await hand.key(digit(span.label));
        marks = marks.filter((one) => one.end <= span.start || one.start >= span.end);
      }
      for (const extra of marks.filter((one) => !spans.some((span) => same(span, one)))) {
        const { from, to } = await placeOf(page, extra.start, extra.start + 1);
        await hand.click((from.x + to.x) / 2, from.y);
        await page.evaluate(() => new Promise((resolve) => setTimeout(resolve, 0)));
        await hand.key("Delete");
      }
      await hand.key("Enter");
    });
    for (const [name, each_] of Object.entries(figures))
      t.diagnostic(`${name}: ${each_.toFixed(2)} actions per span (${total} spans in ${REPORTS} reports)`);
    t.diagnostic(
      `suggestions: ${suggested} spans, precision ${(right / suggested).toFixed(2)}, recall ${(right / total).toFixed(2)}`,
    );
  },
);
