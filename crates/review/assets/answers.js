// Answers to be read: one as a line, several side by side.

import { button, h, keycap } from "./dom.js";
import { percent } from "./labels.js";

/** An answer in a line or a few; `short` leaves out what does not fit into a row. */
export function show(answer, labels, { short = false } = {}) {
  if (!answer) return h("span", { class: "soft" }, "no answer");
  switch (answer.kind) {
    case "class":
    case "ordinal":
      return labels.chip(answer.label);
    case "set":
      return answer.labels.length === 0
        ? h("span", { class: "soft" }, "none of the labels")
        : h(
            "span",
            { class: "chips" },
            answer.labels.map((label) => labels.chip(label)),
          );
    case "preference":
      return h("span", { class: "chip" }, { left: "left", right: "right", tie: "both alike" }[answer.choice]);
    case "spans": {
      if (answer.spans.length === 0) return h("span", { class: "soft" }, "no spans");
      const some = short ? answer.spans.slice(0, 3) : answer.spans;
      return h(
        "span",
        { class: "chips" },
        some.map(({ label, quote }) =>
          h("span", { class: "quoted" }, labels.chip(label), h("q", { dir: "auto" }, quote)),
        ),
        some.length < answer.spans.length &&
          h("span", { class: "soft" }, `and ${answer.spans.length - some.length} more`),
      );
    }
    case "tags": {
      const counts = new Map();
      for (const tag of answer.tags) counts.set(tag, (counts.get(tag) ?? 0) + 1);
      return h(
        "span",
        { class: "chips" },
        [...counts].map(([tag, count]) => labels.chip(tag, { after: h("span", { class: "number" }, ` ${count}`) })),
      );
    }
    case "record":
      return h(
        "dl",
        { class: "record-shown" },
        flat(answer.fields)
          .slice(0, short ? 3 : undefined)
          .map(([name, value]) => h("div", null, h("dt", { dir: "auto" }, name), h("dd", { dir: "auto" }, value))),
      );
    default:
      return h("span", { class: "soft" }, answer.kind);
  }
}

function flat(value, path = "") {
  if (value === null || typeof value !== "object") return [[path, value === null ? "none" : String(value)]];
  return Object.entries(value).flatMap(([name, inner]) => flat(inner, path === "" ? name : `${path} ${name}`));
}

const KINDS = {
  person: "",
  consensus: "from all",
  llm: "language model",
  model: "model",
  program: "program",
  list: "list",
  replay: "earlier answers",
};

/** What everybody said, to decide between. `take(said)` takes an answer over. */
export function sideBySide(answers, app, take) {
  const card = (said, nth) =>
    h(
      "li",
      { class: `said ${said.kind}` },
      h(
        "header",
        null,
        h("b", { dir: "auto" }, said.by),
        h(
          "span",
          { class: "soft" },
          [
            KINDS[said.kind] ?? said.kind,
            said.status === "answered" ? "" : said.status,
            said.shown ? "saw a suggestion" : "",
            typeof said.confidence === "number" ? percent(said.confidence) : "",
          ]
            .filter(Boolean)
            .join(" · "),
        ),
        said.answer &&
          button(
            {
              class: "take",
              "aria-label": `Take over the answer of ${said.by}`,
              title: "Take over",
              on: { click: () => take(said) },
            },
            nth < 9 ? keycap(`⇧${nth + 1}`) : "take",
          ),
      ),
      said.answer?.kind === "tags" ? differingTags(said, answers, app.work, app.labels) : show(said.answer, app.labels),
      said.note && h("p", { class: "why", dir: "auto" }, said.note),
    );
  return h("ul", { class: "side-by-side", "aria-label": "What everybody said" }, answers.map(card));
}

/** Of tags only those that somebody else gave otherwise: the rest is agreed. */
function differingTags(said, answers, work, labels) {
  const all = answers.map(({ answer }) => answer).filter((answer) => answer?.kind === "tags");
  const differing = said.answer.tags
    .map((_, nth) => nth)
    .filter((nth) => all.some(({ tags }) => tags[nth] !== said.answer.tags[nth]));
  if (differing.length === 0) return h("span", { class: "soft" }, "as everybody");
  const content = work.current?.content;
  const points = [...(content?.text ?? "")];
  return h(
    "span",
    { class: "chips" },
    differing.slice(0, 40).map((nth) => {
      const [start, end] = content?.tokens?.[nth] ?? [0, 0];
      return h(
        "span",
        { class: "quoted" },
        h("q", { dir: "auto" }, points.slice(start, end).join("")),
        labels.chip(said.answer.tags[nth]),
      );
    }),
  );
}
