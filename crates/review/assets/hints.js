// Letters over words: J shows them, one or two letters go to any word on the screen.

import { h } from "./dom.js";

// In the order of the alphabet, so that the eye knows what comes next; without J, which shows the letters and hides them.
const LETTERS = [..."abcdefghiklmnopqrstuvwxyz"];

/** So many codes, none the beginning of another, as many of one letter as can be; fewer if there are not so many. */
export function codes(count) {
  const all = LETTERS.length;
  let heads = 0;
  while (heads < all && all - heads + heads * all < count) heads += 1;
  const pairs = LETTERS.slice(all - heads).flatMap((first) => LETTERS.map((second) => first + second));
  return [...LETTERS.slice(0, all - heads), ...pairs].slice(0, count);
}

export class Hints {
  #shown = []; // What can be gone to: `[code, place, sign]`.
  #typed = "";
  #elements;
  #go;

  /** `elements()` are the words in their order, `go(place)` goes to one. */
  constructor(elements, go) {
    this.#elements = elements;
    this.#go = go;
  }

  show() {
    this.hide();
    const elements = this.#elements();
    const frame = elements[0]?.closest(".scroll")?.getBoundingClientRect();
    if (!frame) return;
    const seen = [...elements.keys()].filter((place) => {
      const { top, bottom } = elements[place].getBoundingClientRect();
      return bottom > frame.top && top < frame.bottom;
    });
    const all = codes(seen.length);
    this.#shown = all.map((code, nth) => {
      const sign = h("kbd", { class: "hint-letters", "aria-hidden": "true" }, code);
      elements[seen[nth]].prepend(sign);
      return [code, seen[nth], sign];
    });
  }

  hide() {
    for (const [, , sign] of this.#shown) sign.remove();
    this.#shown = [];
    this.#typed = "";
  }

  /** Handles a key; true if it meant a letter over a word, or the letters themselves. */
  key(event, pressed) {
    if (event.ctrlKey || event.metaKey || event.altKey) return false;
    if (this.#shown.length === 0) {
      if (pressed !== "j") return false;
      this.show();
      return true;
    }
    if (pressed === "Backspace") this.#narrow("");
    else if (LETTERS.includes(pressed)) {
      const found = this.#shown.find(([code]) => code === this.#typed + pressed);
      if (found) {
        this.hide();
        this.#go(found[1]);
      } else if (this.#shown.some(([code]) => code.startsWith(this.#typed + pressed)))
        this.#narrow(this.#typed + pressed);
    } else {
      // Any other key ends it, and does what it always does.
      this.hide();
      return pressed === "j" || pressed === "Escape";
    }
    return true;
  }

  /** Shows what is left once a first letter is typed. */
  #narrow(typed) {
    this.#typed = typed;
    for (const [code, , sign] of this.#shown) sign.classList.toggle("out", !code.startsWith(typed));
  }
}
