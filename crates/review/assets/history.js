// What the person has said, newest first.

import * as api from "./api.js";
import { button, h } from "./dom.js";
import { show } from "./answers.js";

const ONLY = [
  [null, "All"],
  ["flagged", "Flagged"],
  ["skipped", "Skipped"],
];

export class HistoryView {
  #app;
  #next = null;
  #only = null;

  constructor(app) {
    this.#app = app;
    this.list = h("ol", { class: "history" });
    this.more = button(
      { class: "plain", hidden: true, on: { click: () => this.#load(this.#next) } },
      "Earlier answers",
    );
    this.filters = h(
      "div",
      { class: "filters", role: "group", "aria-label": "Which" },
      ONLY.map(([only, name]) =>
        button({ "aria-pressed": String(only === null), on: { click: () => this.#filter(only) } }, name),
      ),
    );
    this.element = h(
      "div",
      { class: "page" },
      h("header", { class: "page-head" }, h("h1", null, "My history"), this.filters),
      this.list,
      this.more,
    );
  }

  async enter() {
    await this.#app.outbox.settled();
    this.#load(null);
  }

  #filter(only) {
    this.#only = only;
    [...this.filters.children].forEach((element, nth) =>
      element.setAttribute("aria-pressed", String(ONLY[nth][0] === only)),
    );
    this.#load(null);
  }

  async #load(before) {
    let page;
    try {
      page = await api.history({ before, only: this.#only });
    } catch (refusal) {
      this.list.replaceChildren(h("li", { class: "soft" }, refusal.message));
      return;
    }
    const rows = page.entries.map((entry) => this.#row(entry));
    if (before === null) this.list.replaceChildren(...rows);
    else this.list.append(...rows);
    if (before === null && rows.length === 0)
      this.list.replaceChildren(h("li", { class: "soft nothing" }, "Nothing yet."));
    this.#next = page.next;
    this.more.hidden = page.next === null;
  }

  #row(entry) {
    const titles = new Map(this.#app.session.queues.map(({ name, title }) => [name, title]));
    const facts = [
      titles.get(entry.queue) ?? entry.queue,
      entry.status === "answered" ? null : entry.status,
      entry.shown ? "saw a suggestion" : null,
      `${(entry.millis / 1000).toFixed(1)} s`,
      when(entry.at),
      entry.counts ? null : "does not count any more",
    ];
    return h(
      "li",
      { class: entry.counts ? "" : "gone" },
      h(
        "a",
        { href: `#work/history/${encodeURIComponent(entry.item)}` },
        h("span", { class: "excerpt", dir: "auto" }, entry.excerpt || entry.item),
        h("span", { class: "what" }, show(entry.answer, this.#app.labels, { short: true })),
        entry.note && h("span", { class: "why", dir: "auto" }, entry.note),
        h("span", { class: "facts" }, facts.filter(Boolean).join(" · ")),
      ),
    );
  }
}

function when(at) {
  const date = new Date(at);
  const today = new Date().toDateString() === date.toDateString();
  return date.toLocaleString(
    "en",
    today
      ? { hour: "2-digit", minute: "2-digit", hour12: false }
      : { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", hour12: false },
  );
}
