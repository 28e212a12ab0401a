// Labels: one mark per label, the same on every page and in the report: a colour, a shape, full or hollow. Colour is never the only
// difference, and a mark always stands beside its name.

import { h, svg } from "./dom.js";

const COLOURS = 8;
const SHAPES = [
  "M6 1a5 5 0 0 1 0 10a5 5 0 0 1 0-10z",
  "M1.5 1.5h9v9h-9z",
  "M6 .5L11.5 6L6 11.5L.5 6z",
  "M6 1L11.5 11H.5z",
  "M.5 1h11L6 11z",
  "M4 1h4v3h3v4h-3v3h-4v-3h-3v-4h3z",
];

/** The task's labels, by name, with their place in the tree. */
export class Labels {
  constructor(labels) {
    this.all = labels;
    this.byName = new Map();
    this.byKey = new Map();
    const within = new Map(); // How many labels of a hue came before.
    for (const label of labels) {
      const nth = within.get(label.hue) ?? 0;
      within.set(label.hue, nth + 1);
      const round = Math.floor(label.hue / COLOURS) + nth;
      this.byName.set(label.name, {
        ...label,
        colour: label.hue % COLOURS,
        shape: ((label.hue % COLOURS) + round) % SHAPES.length,
        hollow: Math.floor(round / SHAPES.length) % 2 === 1,
      });
      if (label.key) this.byKey.set(label.key, label.name);
    }
    this.isTree = labels.some((label) => label.parent);
  }

  /** The names above a label, the topmost first. */
  above(name) {
    const path = [];
    let parent = this.byName.get(name)?.parent;
    while (parent && !path.includes(parent)) {
      path.unshift(parent);
      parent = this.byName.get(parent)?.parent;
    }
    return path;
  }

  /** The colour's class in the style sheet. */
  className(name) {
    const label = this.byName.get(name);
    return label ? `c${label.colour}` : "c-none";
  }

  mark(name) {
    const label = this.byName.get(name);
    if (!label) return null;
    return svg(
      "svg",
      { class: label.hollow ? "mark hollow" : "mark", viewBox: "0 0 12 12", "aria-hidden": "true" },
      svg("path", { d: SHAPES[label.shape] }),
    );
  }

  /** A label with its mark, to be read. */
  chip(name, { after = null } = {}) {
    return h("span", { class: `chip ${this.className(name)}`, dir: "auto" }, this.mark(name), name, after);
  }

  /** Labels whose path or definition has every word of a query; those whose own name begins with it come first. */
  search(query) {
    const words = fold(query).split(/\s+/).filter(Boolean);
    if (words.length === 0) return this.all;
    const ranked = [];
    for (const label of this.all) {
      const name = fold(label.name);
      const text = fold([...this.above(label.name), label.name].join(" "));
      const all = `${text} ${fold(label.definition ?? "")}`;
      if (!words.every((word) => all.includes(word))) continue;
      const rank =
        name === words.join(" ")
          ? 0
          : name.startsWith(words[0])
            ? 1
            : words.every((word) => name.includes(word))
              ? 2
              : words.every((word) => text.includes(word))
                ? 3
                : 4;
      ranked.push([rank, ranked.length, label]);
    }
    return ranked.sort((left, right) => left[0] - right[0] || left[1] - right[1]).map(([, , label]) => label);
  }
}

function fold(text) {
  return text
    .normalize("NFKD")
    .replace(/\p{M}/gu, "")
    .toLocaleLowerCase()
    .replace(/[_\-./]+/g, " ");
}

/** A share as people read it. */
export function percent(share) {
  return `${Math.round(share * 100)} %`;
}
