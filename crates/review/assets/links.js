// Links between the marks of a text: from one mark to another, of a kind.

import { announce, button, h, keycap, refill } from "./dom.js";

/** The keys of the kinds that are offered; further ones are clicked. */
const KEYS = [..."1234567890"];

/**
 * `spans()` gives the marks, each with an `id`; `words(span)` what one says. A link is `{ from, to, kind }` by ids. `changing()`
 * is called before a change, so that it can be taken back, and `changed()` after it.
 */
export class Links {
  all = [];
  /** The mark that a new link begins at, while one is being made. */
  from = null;

  constructor({ kinds, labels, spans, words, changing, changed }) {
    Object.assign(this, { kinds, labels, spans, words, changing, changed });
    this.bar = h("div", { class: "link-tools", hidden: true });
    this.list = h("div", { class: "link-list", hidden: true });
  }

  get any() {
    return this.kinds.length > 0;
  }

  #span(id) {
    return this.spans().find((span) => span.id === id);
  }

  /** Forgets links of marks that are gone, or that may no longer be joined. */
  tidy() {
    const fits = ({ from, to, kind }) => {
      const [left, right] = [this.#span(from), this.#span(to)];
      return left && right && left !== right && this.#joins(kind, left.label, right.label);
    };
    this.all = this.all.filter(fits);
    if (this.from !== null && !this.#span(this.from)) this.from = null;
  }

  #joins(name, from, to) {
    const kind = this.kinds.find((one) => one.kind === name);
    const has = (labels, label) => labels.length === 0 || labels.includes(label);
    return kind !== undefined && has(kind.from, from) && has(kind.to, to);
  }

  /** The kinds in the order of their keys: always the same if there is a key for each, else those that may join the two. */
  #keyed(left, right) {
    return this.kinds.length <= KEYS.length ? this.kinds.map(({ kind }) => kind) : this.#between(left, right);
  }

  /** The kinds that may join two marks. */
  #between(left, right) {
    return this.kinds.map(({ kind }) => kind).filter((kind) => this.#joins(kind, left.label, right.label));
  }

  /** Begins a link at a mark. */
  start(id) {
    this.from = id;
    const span = this.#span(id);
    announce(`Link from ${span.label} ${this.words(span)}: choose the other mark, then a kind`);
  }

  stop() {
    this.from = null;
  }

  /** Ends a link at a mark; a link that is there already goes. */
  end(to, kind) {
    const from = this.from;
    const [left, right] = [this.#span(from), this.#span(to)];
    if (from === null || to === null || from === to || !this.#joins(kind, left?.label, right?.label)) return false;
    this.changing();
    const same = (link) => link.from === from && link.to === to && link.kind === kind;
    const gone = this.all.some(same);
    this.all = this.all.filter((link) => !same(link));
    if (!gone) this.all.push({ from, to, kind });
    this.from = null;
    announce(`${kind}: ${this.words(left)} to ${this.words(right)}${gone ? ", taken away" : ""}`);
    this.changed();
    return true;
  }

  remove(link) {
    this.changing();
    this.all = this.all.filter((one) => one !== link);
    announce(`Link ${link.kind} taken away`);
    this.changed();
  }

  /** Takes the latest link of a mark away. */
  removeLatest(id) {
    const link = this.all.findLast(({ from, to }) => from === id || to === id);
    if (!link) return false;
    this.remove(link);
    return true;
  }

  /** What stands behind the name of a mark in the text. */
  notes(id) {
    return this.all
      .filter(({ from }) => from === id)
      .map(({ kind, to }) => `${kind} → ${this.words(this.#span(to), 18)}`);
  }

  /** For screen readers. */
  spoken(id) {
    return this.all
      .filter(({ from }) => from === id)
      .map(({ kind, to }) => `, ${kind}: ${this.words(this.#span(to))}`)
      .join("");
  }

  /** Draws what can be done with the chosen mark. */
  draw(active) {
    this.bar.hidden = this.from === null;
    if (this.from !== null) {
      const left = this.#span(this.from);
      const right = active !== null && active !== this.from ? this.#span(active) : null;
      refill(
        this.bar,
        h("span", { class: "soft" }, "Link from"),
        this.labels.chip(left.label),
        h("q", { dir: "auto" }, this.words(left, 30)),
        h("span", { class: "soft" }, right ? "to" : "to which mark? Click it, or T."),
        right && this.labels.chip(right.label),
        right && h("q", { dir: "auto" }, this.words(right, 30)),
        right &&
          h(
            "span",
            { class: "link-kinds", role: "group", "aria-label": "Kind of link" },
            this.#between(left, right).map((kind) => {
              const key = KEYS[this.#keyed(left, right).indexOf(kind)];
              return button(
                { class: "plain", "aria-keyshortcuts": key ?? null, on: { click: () => this.end(active, kind) } },
                kind,
                key && keycap(key),
              );
            }),
          ),
        right && this.#between(left, right).length === 0 && h("span", { class: "soft" }, "No link joins these two."),
      );
    }
    const links = active === null ? [] : this.all.filter(({ from, to }) => from === active || to === active);
    this.list.hidden = links.length === 0 || this.from !== null;
    this.list.replaceChildren(
      ...links.map((link) => {
        const out = link.from === active;
        const other = this.words(this.#span(out ? link.to : link.from), 30);
        return h(
          "span",
          { class: "link-badge" },
          h("b", null, link.kind),
          out ? " → " : " ← ",
          h("q", { dir: "auto" }, other),
          button(
            { class: "drop", "aria-label": `Take the link ${link.kind} away`, on: { click: () => this.remove(link) } },
            "×",
          ),
        );
      }),
    );
  }

  /** A key while a link is being made; says whether it meant something. */
  key(pressed, active) {
    if (this.from === null || !/^[0-9]$/.test(pressed)) return false;
    if (active !== null && active !== this.from) {
      const kind = this.#keyed(this.#span(this.from), this.#span(active))[KEYS.indexOf(pressed)];
      if (kind) this.end(active, kind);
    }
    return true;
  }
}
