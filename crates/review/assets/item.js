// What stands around an item: why it is here, what is known of it, what was suggested; or that there is none.

import { button, h, prose } from "./dom.js";
import { percent } from "./labels.js";
import { drawing } from "./queues.js";

/** Why the item is here, its further columns, and whether it was answered before. */
export function about(work) {
  const context = Object.entries(work.context ?? {});
  const before = work.previous;
  return h(
    "div",
    { class: "about" },
    work.reason && h("p", { class: "reason", dir: "auto" }, capital(work.reason)),
    before &&
      h(
        "p",
        { class: "before" },
        before.status === "skipped"
          ? "You skipped this before."
          : "You have answered this before: it is as you left it.",
      ),
    context.length > 0 &&
      h(
        "dl",
        { class: "context" },
        context.map(([name, value]) => h("div", null, h("dt", { dir: "auto" }, name), h("dd", { dir: "auto" }, value))),
      ),
  );
}

/** A part of a text between what stands around it, which is there to be read and cannot be marked. */
export function inContext({ before, after }, body) {
  const calm = (words) => words.trim() !== "" && h("p", { class: "around", dir: "auto" }, words.trim());
  return h("div", { class: "in-context" }, calm(before), body, calm(after));
}

/** Who suggests an answer, and how sure it is. */
export function suggested({ suggestion }) {
  if (!suggestion) return null;
  const { source, confidence } = suggestion;
  const meter =
    typeof confidence === "number"
      ? h("span", { class: "meter", "aria-hidden": "true", properties: { "--share": String(confidence) } })
      : null;
  return h(
    "p",
    { class: "suggestion" },
    h("span", null, "Suggested by ", h("b", { dir: "auto" }, source)),
    meter,
    typeof confidence === "number" && h("span", { class: "number" }, percent(confidence)),
  );
}

/** Why there is no item, and what else there is to do. */
export function emptiness(app, empty, failed) {
  const { session } = app;
  const queue = app.desk.count(app.desk.queue);
  const others = session.queues.filter(
    ({ name, remaining }) => name !== queue?.name && name !== "history" && remaining > 0,
  );
  const draws = !failed && session.role === "own" && queue?.name === "gold";
  return h(
    "div",
    { class: failed ? "empty failed" : "empty" },
    h("h1", null, failed ? "No connection" : queue?.done > 0 ? "Done" : "Nothing here yet"),
    h("p", null, prose(sentence(empty))),
    failed && button({ class: "plain", on: { click: () => app.desk.retry() } }, "Try again"),
    draws && drawing(app),
    others.length > 0 && h("h2", null, "Go on with"),
    others.length > 0 &&
      h(
        "ul",
        { class: "others" },
        others.map(({ name, title, about, remaining }) =>
          h(
            "li",
            null,
            h(
              "a",
              { href: `#work/${name}` },
              h("b", null, title),
              h("span", { class: "number" }, remaining.toLocaleString("en")),
            ),
            h("p", null, about),
          ),
        ),
      ),
  );
}

function capital(words) {
  return words.charAt(0).toUpperCase() + words.slice(1);
}

function sentence(words) {
  if (!words) return "";
  const text = capital(words);
  return /[.!?]$/.test(text) ? text : `${text}.`;
}
