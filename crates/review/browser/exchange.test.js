// Answers that come from other tools and go to them, by the buttons of the page People.

import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { after, test } from "node:test";

import { Server, close, csv, folder, missing, open, picture, press, saved, settled, write } from "./stage.js";

const skip = missing();
after(close);

// Before every name stands a sign of two UTF-16 units, so that whoever counts other units than code points is found out.
const NEWS = [
  [
    "n0",
    "🚀 Ann flew to Oslo.",
    [
      ["PER", "Ann"],
      ["CITY", "Oslo"],
    ],
  ],
  [
    "n1",
    "👩‍👩‍👧 Zoë met Bob.",
    [
      ["PER", "Zoë"],
      ["PER", "Bob"],
    ],
  ],
  ["n2", "Nobody went anywhere.", []],
  [
    "n3",
    "في القاهرة 🌙 sat Cleo",
    [
      ["CITY", "القاهرة"],
      ["PER", "Cleo"],
    ],
  ],
];
const TICKETS = [
  ["t0", "It crashed 💥 again", "bug"],
  ["t1", '"Great", she said', "praise"],
  ["t2", "Thanks, all of you", "praise"],
  ["t3", "Nothing works", "bug"],
];

/** What Bob marked, as each tool would write it. */
const SPANS_OF = {
  "label-studio": () =>
    JSON.stringify(
      NEWS.map(([, text, spans], nth) => ({
        id: 40 + nth,
        data: { text },
        annotations: [
          {
            id: 900 + nth,
            completed_by: { id: 3, email: "bob@example.org", first_name: "Bob" },
            lead_time: 4.5,
            result: spans.map(([label, quote], region) => ({
              id: `r${nth}${region}`,
              from_name: "label",
              to_name: "text",
              type: "labels",
              // Label Studio counts as a browser does: UTF-16 units.
              value: {
                start: text.indexOf(quote),
                end: text.indexOf(quote) + quote.length,
                text: quote,
                labels: [label],
              },
            })),
          },
        ],
      })),
    ),
  doccano: () =>
    NEWS.map(([, text, spans], nth) =>
      JSON.stringify({
        id: 70 + nth,
        text,
        label: spans.map(([label, quote]) => [points(text, quote), points(text, quote) + [...quote].length, label]),
        Comments: [],
        user: "bob@example.org",
      }),
    ).join("\n"),
  prodigy: () =>
    NEWS.map(([, text, spans], nth) =>
      JSON.stringify({
        text,
        _input_hash: 1000 + nth,
        _task_hash: -2000 - nth,
        spans: spans.map(([label, quote]) => ({
          start: points(text, quote),
          end: points(text, quote) + [...quote].length,
          label,
        })),
        answer: "accept",
        _annotator_id: "bob@example.org",
        _session_id: "bob@example.org",
        _timestamp: 1_700_000_000 + nth,
      }),
    ).join("\n"),
};

const CLASSES_OF = {
  "label-studio": () =>
    JSON.stringify(
      TICKETS.map(([, text, label], nth) => ({
        id: 5 + nth,
        data: { text },
        annotations: [
          {
            id: 50 + nth,
            completed_by: { id: 3, email: "bob@example.org" },
            result: [
              { id: `c${nth}`, from_name: "kind", to_name: "text", type: "choices", value: { choices: [label] } },
            ],
          },
        ],
      })),
    ),
  doccano: () =>
    TICKETS.map(([, text, label], nth) =>
      JSON.stringify({ id: nth, text, label: [label], user: "bob@example.org" }),
    ).join("\n"),
  prodigy: () =>
    TICKETS.map(([, text, label], nth) =>
      JSON.stringify({
        text,
        options: ["bug", "praise"].map((id) => ({ id, text: id })),
        accept: [label],
        answer: "accept",
        _task_hash: nth,
        _annotator_id: "bob@example.org",
      }),
    ).join("\n"),
};

/** Where some words begin, in code points. */
function points(text, words) {
  return [...text.slice(0, text.indexOf(words))].length;
}

async function newsServer(t) {
  const where = folder(t);
  write(where, "news.csv", csv(NEWS.map(([id, text]) => ({ id, text }))));
  return Server.start(
    t,
    `${where}/news.csv`,
    "--labels",
    "PER,CITY",
    "--kind",
    "spans",
    "--as",
    "ann",
    "--overlap",
    "2",
  );
}

async function ticketsServer(t) {
  const where = folder(t);
  write(where, "tickets.csv", csv(TICKETS.map(([id, text]) => ({ id, text }))));
  return Server.start(t, `${where}/tickets.csv`, "--labels", "bug,praise", "--as", "ann", "--overlap", "2");
}

/** Gives a file to the page as somebody does who picks it; what the page then says. */
async function takeOver(page, file, { from = "auto", person = "", name = null } = {}) {
  const form = page.locator("form", { has: page.locator("input[type=file]") });
  await form.locator("input[type=file]").setInputFiles(file);
  await form.getByLabel("From").selectOption(from);
  await form.getByLabel("Answers of").fill(person);
  await form.getByRole("button", { name: "Take over" }).click();
  const status = page.locator("section", { hasText: "Import" }).getByRole("status");
  await status.locator("p:not(.soft)").first().waitFor();
  const said = await status.textContent();
  if (name) await picture(page, name);
  // The next file must not find this one's words.
  await status.evaluate((element) => element.replaceChildren());
  return said;
}

/** Clicks a format and keeps what the browser is given. */
async function download(page, where, name) {
  const [loading] = await Promise.all([
    page.waitForEvent("download"),
    page.getByRole("link", { name, exact: true }).click(),
  ]);
  const file = path.join(where, `${name}-${loading.suggestedFilename()}`);
  await loading.saveAs(file);
  return file;
}

const NAMES = {
  "label-studio": "Label Studio",
  doccano: "doccano",
  prodigy: "Prodigy",
  jsonl: "JSON lines",
  csv: "CSV",
};

/** What counts, by item and person, out of Postil's own form. */
function said(file) {
  const lines = fs
    .readFileSync(file, "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
  const of = ({ said: answer, item }) => {
    if (answer.kind !== "spans") return answer.label;
    const text = [...NEWS.find(([id]) => id === item)[1]];
    return answer.spans.map(({ start, end, label, quote }) => {
      assert.equal(text.slice(start, end).join(""), quote);
      return [label, quote];
    });
  };
  return Object.fromEntries(lines.map((line) => [`${line.item} ${line.annotator}`, of(line)]));
}

/** The same out of the file of another tool, read by this test and not by Postil. */
function marks(format, file) {
  const content = fs.readFileSync(file, "utf8");
  const rows =
    format === "label-studio"
      ? JSON.parse(content)
      : content
          .trim()
          .split("\n")
          .map((line) => JSON.parse(line));
  const found = [];
  const idOf = (text) => [...NEWS, ...TICKETS].find(([, one]) => one === text)[0];
  for (const row of rows) {
    const text = row.text ?? row.data.text;
    const units = (start, end) => text.slice(start, end);
    const characters = (start, end) => [...text].slice(start, end).join("");
    if (format === "label-studio")
      for (const { completed_by, result } of row.annotations) {
        const spans = result
          .filter(({ type }) => type === "labels")
          .map(({ value }) => {
            assert.equal(units(value.start, value.end), value.text);
            return [value.labels[0], value.text];
          });
        const choice = result.find(({ type }) => type === "choices")?.value.choices[0];
        found.push([`${idOf(text)} ${completed_by.first_name}`, choice ?? spans]);
      }
    else if (format === "doccano") {
      const plain = typeof row.label[0] === "string";
      found.push([
        `${idOf(text)} ${row.annotator}`,
        plain ? row.label[0] : row.label.map(([start, end, name]) => [name, characters(start, end)]),
      ]);
    } else {
      const spans = (row.spans ?? []).map(({ start, end, label }) => [label, characters(start, end)]);
      found.push([`${idOf(text)} ${row._annotator_id}`, row.accept?.[0] ?? row.label ?? spans]);
    }
  }
  return Object.fromEntries(found);
}

for (const format of ["label-studio", "doccano", "prodigy"]) {
  test(`spans of ${NAMES[format]} come in, are seen, and go out as they were`, { skip }, async (t) => {
    const server = await newsServer(t);
    const where = folder(t);
    const file = path.join(where, format === "label-studio" ? "project.json" : "project.jsonl");
    fs.writeFileSync(file, SPANS_OF[format]());
    let page = await open(t, { origin: server.origin, hash: "people" });
    assert.match(await takeOver(page, file), /^4 answers taken over; of bob@example\.org\./);
    // Again, and with the format named: nothing new.
    assert.match(await takeOver(page, file, { from: format }), /^0 answers taken over; 4 there already/);
    // Ann marks the first otherwise, by keys: only the city.
    await page.goto(`${server.origin}/#work/all`);
    await settled(page);
    for (let steps = 0; steps < 20; steps += 1) {
      if ((await page.evaluate(() => document.querySelector(".piece.selected")?.textContent)) === "Oslo") break;
      await press(page, "ArrowRight");
    }
    await press(page, "2", "Enter");
    await saved(page);
    // Both stand side by side where somebody decides.
    await page.goto(`${server.origin}/#work/disagreement`);
    await page.waitForSelector(".side-by-side");
    const beside = await page.textContent(".side-by-side");
    assert.match(beside, /ann/);
    assert.match(beside, /bob@example\.org/);
    assert.match(beside, /Ann/);
    // What goes out, read by this test.
    await page.goto(`${server.origin}/#people`);
    await page.waitForSelector(".downloads a");
    const expected = Object.fromEntries(NEWS.map(([id, , spans]) => [`${id} bob@example.org`, spans]));
    expected["n0 ann"] = [["CITY", "Oslo"]];
    assert.deepEqual(said(await download(page, where, NAMES.jsonl)), expected);
    const out = await download(page, where, NAMES[format]);
    assert.deepEqual(marks(format, out), expected);
    // And Postil takes over what it wrote itself, in a project that knows nothing.
    const other = await newsServer(t);
    page = await open(t, { origin: other.origin, hash: "people" });
    assert.match(await takeOver(page, out), /^5 answers taken over; of ann, bob@example\.org\./);
    assert.deepEqual(said(await download(page, folder(t), NAMES.jsonl)), expected);
    assert.deepEqual(page.faults, []);
  });

  test(`classes of ${NAMES[format]} come in and go out as they were`, { skip }, async (t) => {
    const server = await ticketsServer(t);
    const where = folder(t);
    const file = path.join(where, format === "label-studio" ? "project.json" : "project.jsonl");
    fs.writeFileSync(file, CLASSES_OF[format]());
    const page = await open(t, { origin: server.origin, hash: "people" });
    assert.match(await takeOver(page, file), /^4 answers taken over; of bob@example\.org\./);
    const expected = Object.fromEntries(TICKETS.map(([id, , label]) => [`${id} bob@example.org`, label]));
    assert.deepEqual(said(await download(page, where, NAMES.jsonl)), expected);
    assert.deepEqual(marks(format, await download(page, where, NAMES[format])), expected);
    const rows = fs
      .readFileSync(await download(page, where, NAMES.csv), "utf8")
      .trim()
      .split("\n");
    assert.deepEqual(
      rows.slice(1).map((row) => row.split(",").slice(0, 3).join(",")),
      TICKETS.map(([id, , label]) => `${id},bob@example.org,${label}`),
    );
    // Whose answers they are shows where the work is watched.
    await page.goto(`${server.origin}/#live`);
    await page.getByRole("rowheader", { name: "bob@example.org" }).waitFor();
    assert.deepEqual(page.faults, []);
  });
}

test("a file that fits nothing is refused with what was expected, and takes nothing over", { skip }, async (t) => {
  const server = await ticketsServer(t);
  const where = folder(t);
  const page = await open(t, { origin: server.origin, hash: "people" });
  const give = (name, content, options) => {
    fs.writeFileSync(path.join(where, name), content);
    return takeOver(page, path.join(where, name), options);
  };
  // No JSON at all; another format than was said; nothing in it; a row without a text.
  assert.match(
    await give("words.jsonl", "these are words\n"),
    /^0 answers taken over; 1 not fitting the task.*item these:/,
  );
  assert.match(
    await give("some.jsonl", CLASSES_OF.doccano(), { from: "label-studio" }),
    /^0 answers taken over; 4 without an answer\.$/,
  );
  assert.equal(await give("none.json", "[]"), "The file holds no answers.");
  const refused = await give("odd.jsonl", '{"a": 1}');
  assert.match(refused, /^line 1: expected the field `text`, found none\. name the tool/i);
  // Marks in a text are no labels of it.
  assert.match(await give("marks.jsonl", SPANS_OF.doccano()), /^0 answers taken over; 4 not fitting the task/);
  // Labels and texts of another project, two labels where one is asked for, and nobody named.
  const strange = [
    { text: TICKETS[0][1], label: ["spam"] },
    { text: "a text of another project", label: ["bug"] },
    { text: TICKETS[1][1], label: ["praise"] },
    { text: TICKETS[2][1], label: ["praise", "bug"] },
  ];
  const outcome = await give("strange.jsonl", strange.map((row) => JSON.stringify(row)).join("\n"), {
    person: "cleo",
    name: "import-refused",
  });
  assert.match(outcome, /^1 answer taken over; of cleo; 1 about no item of this project; 2 not fitting the task/);
  assert.match(outcome, /spam/);
  assert.deepEqual(said(await download(page, where, NAMES.jsonl)), { "t1 cleo": "praise" });
  assert.deepEqual(page.faults, []);
});
