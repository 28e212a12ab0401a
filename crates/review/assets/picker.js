// The labels to choose from: all of them as buttons while they are few, and a search above them when they are many.

import { button, h, keycap } from "./dom.js";

/** With more labels than this there is a search. */
const FEW = 10;
/** How many labels chosen before stand on top when there are many. */
const RECENT = 6;

const recent = [];

/**
 * `mode` is "one", "several" (a button tells whether it is chosen) or "act" (a button does something with its label).
 * `pick(name)` is called for every choice.
 */
export class Picker {
  constructor({ labels, mode, pick, title = "Labels", scale = false }) {
    this.labels = labels;
    this.mode = mode;
    this.pick = pick;
    this.many = labels.all.length > FEW;
    this.chosen = new Set();
    this.suggested = new Map(); // Label to confidence, which may be null.
    this.active = 0;
    this.shown = [];
    this.list = h("div", {
      class: scale ? "choices scale" : this.many ? "choices many" : "choices",
      role: mode === "one" ? "radiogroup" : "group",
      "aria-label": title,
    });
    if (!this.many && !scale) this.list.style.setProperty("--columns", String(columns(labels.all)));
    this.field = this.many ? this.#search() : null;
    this.element = h(
      "div",
      { class: "picker" },
      this.field && h("div", { class: "search" }, this.field, keycap("/")),
      this.list,
    );
    this.#draw();
  }

  /** What is chosen and what is suggested. */
  show(chosen, suggested = this.suggested) {
    this.chosen = new Set(chosen);
    this.suggested = suggested;
    for (const [name, element] of this.#buttons()) this.#state(name, element);
  }

  choose(name) {
    if (this.many) {
      const at = recent.indexOf(name);
      if (at >= 0) recent.splice(at, 1);
      recent.unshift(name);
      recent.length = Math.min(recent.length, RECENT);
    }
    this.pick(name);
  }

  /** Handles a key; true if it meant a label. */
  key(event, key) {
    if (/^[0-9]$/.test(key) && !event.altKey && !event.ctrlKey && !event.metaKey) {
      const name = this.labels.byKey.get(key);
      if (name === undefined) return false;
      this.choose(name);
      return true;
    }
    if (key === "/" && this.field) {
      this.field.focus();
      this.field.select();
      return true;
    }
    return false;
  }

  *#buttons() {
    for (const element of this.list.querySelectorAll("button")) yield [element.name, element];
  }

  #state(name, element) {
    const on = this.chosen.has(name);
    const suggested = this.suggested.has(name);
    element.setAttribute(this.mode === "one" ? "aria-checked" : "aria-pressed", String(on));
    element.classList.toggle("suggested", suggested);
  }

  #button(label) {
    const { labels } = this;
    const path = labels.above(label.name);
    const element = button(
      {
        class: `choice ${labels.className(label.name)}`,
        name: label.name,
        role: this.mode === "one" ? "radio" : null,
        title: label.definition,
        "aria-keyshortcuts": label.key,
        on: { click: () => this.choose(label.name) },
      },
      label.key && keycap(label.key),
      labels.mark(label.name),
      h(
        "span",
        { class: "name", dir: "auto" },
        path.length > 0 && !this.grouped ? h("span", { class: "path" }, `${path.join(" › ")} › `) : null,
        label.name,
      ),
    );
    this.#state(label.name, element);
    return element;
  }

  #search() {
    const field = h("input", {
      type: "search",
      placeholder: `Search ${this.labels.all.length} labels`,
      "aria-label": "Search labels",
      autocomplete: "off",
      spellcheck: "false",
      enterkeyhint: "done",
    });
    field.addEventListener("input", () => {
      this.active = 0;
      this.#draw();
    });
    field.addEventListener("keydown", (event) => this.#searching(event));
    return field;
  }

  #searching(event) {
    if (event.isComposing) return;
    const { key } = event;
    if (key === "ArrowDown" || key === "ArrowUp") {
      const step = key === "ArrowDown" ? 1 : -1;
      this.active = Math.min(Math.max(this.active + step, 0), this.shown.length - 1);
      this.#mark();
    } else if (key === "Enter") {
      const label = this.shown[this.active];
      if (this.field.value !== "" && label) {
        this.choose(label.name);
        this.field.value = "";
        this.active = 0;
        this.#draw();
      }
      this.field.blur();
    } else if (key === "Escape") {
      this.field.value = "";
      this.active = 0;
      this.#draw();
      this.field.blur();
    } else {
      return;
    }
    event.preventDefault();
    event.stopPropagation();
  }

  #draw() {
    const query = this.field?.value ?? "";
    const { labels } = this;
    this.shown = labels.search(query);
    this.grouped = labels.isTree && query === "";
    const parts = [];
    if (this.many && query === "" && recent.length > 0) {
      const names = recent.filter((name) => labels.byName.has(name));
      this.grouped = false;
      parts.push(
        h("p", { class: "group" }, "Lately"),
        names.map((name) => this.#button(labels.byName.get(name))),
      );
      this.grouped = labels.isTree;
      if (!labels.isTree) parts.push(h("p", { class: "group" }, "All"));
    }
    if (this.grouped) {
      // A label with children stands before them on a line of its own.
      const parents = new Set(labels.all.map((label) => label.parent).filter(Boolean));
      const children = new Map();
      for (const label of labels.all) {
        const siblings = children.get(label.parent ?? "") ?? [];
        siblings.push(label);
        children.set(label.parent ?? "", siblings);
      }
      const walk = (parent, path) => {
        const siblings = children.get(parent) ?? [];
        const leaves = siblings.filter((label) => !parents.has(label.name));
        if (leaves.length > 0) parts.push(leaves.map((label) => this.#button(label)));
        for (const label of siblings.filter((label) => parents.has(label.name))) {
          const above = path.length > 0 ? `${path.join(" › ")} ›` : "";
          parts.push(h("div", { class: "branch" }, above && h("span", { class: "path" }, above), this.#button(label)));
          walk(label.name, [...path, label.name]);
        }
      };
      walk("", []);
    } else {
      parts.push(this.shown.map((label) => this.#button(label)));
    }
    if (this.shown.length === 0) parts.push(h("p", { class: "soft" }, "No label has these words."));
    this.list.replaceChildren(...parts.flat());
    this.#mark();
  }

  #mark() {
    if (!this.field) return;
    const searching = this.field.value !== "";
    let nth = 0;
    for (const [, element] of this.#buttons()) {
      const active = searching && nth === this.active;
      element.classList.toggle("active", active);
      if (active) element.scrollIntoView({ block: "nearest" });
      nth += 1;
    }
  }
}

/** Full rows where the names allow it: the eye finds a place in a grid faster than in a ragged line. */
function columns(labels) {
  const longest = Math.max(...labels.map(({ name }) => name.length));
  const full = [1, 1, 2, 3, 4, 3, 3, 4, 4, 3, 4][labels.length];
  return Math.min(full, longest > 30 ? 1 : longest > 18 ? 2 : longest > 12 ? 3 : 4);
}
