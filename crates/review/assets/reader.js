// A text to read, with marks on it. Places here are UTF-16 units; `offsets` translates them to the server's code points.
//
// The text stands in blocks of a few lines. The browser lays out those near the screen only, and a change of marks
// redraws the blocks it touches only, so a book is as quick as a sentence. Names of marks are drawn by the style sheet and
// are no text of the page, so a place is always the length of the text before it.

import { h } from "./dom.js";
import { Offsets, firstEndingAfter, snap, wholeGraphemes, wordsOf } from "./offsets.js";

const BLOCK = 1200;
const LONGEST_BLOCK = 4000;
/** With more blocks than this the browser leaves out what is far from the screen. */
const FEW_BLOCKS = 24;

function cut(text) {
  const blocks = [];
  let start = 0;
  while (start < text.length) {
    let end = text.length;
    if (end - start > BLOCK) {
      const line = text.indexOf("\n", start + BLOCK);
      end = line < 0 ? text.length : line + 1;
      if (end - start > LONGEST_BLOCK) {
        const space = text.lastIndexOf(" ", start + LONGEST_BLOCK);
        end =
          space > start + BLOCK / 2
            ? space + 1
            : wholeGraphemes(text.slice(start, start + LONGEST_BLOCK + 64), 0, LONGEST_BLOCK)[1] + start;
      }
    }
    blocks.push({ start, end });
    start = end;
  }
  return blocks;
}

export class Reader {
  /** `tokens`: pairs of code point places to snap to; words are found here if there are none. */
  constructor(text, { tokens = null, title = "Item" } = {}) {
    this.offsets = new Offsets(text);
    this.text = text;
    this.blocks = cut(text);
    this.marks = [];
    this.cursor = null;
    if (tokens) {
      const all = tokens.map(([start, end]) => [this.offsets.unit(start), this.offsets.unit(end)]);
      for (const block of this.blocks) {
        const first = firstEndingAfter(all, block.start);
        let last = first;
        while (last < all.length && all[last][0] < block.end) last += 1;
        block.tokens = all.slice(first, last);
      }
    }
    /** How large the letters are: short texts are read at a glance. */
    this.size = text.length < 240 ? "short" : text.length < 1200 ? "medium" : "long";
    for (const block of this.blocks) {
      block.element = h("div", { class: "block", dir: "auto" }, text.slice(block.start, block.end));
      block.drawn = "";
    }
    this.element = h(
      "div",
      {
        class: `reader ${this.size}${this.blocks.length > FEW_BLOCKS ? " huge" : ""}`,
        role: "document",
        "aria-label": title,
      },
      this.blocks.map((block) => block.element),
    );
  }

  /** Draws marks: `{ start, end, label, className, state, active }`, in any order, overlapping or not. */
  mark(marks, cursor = this.cursor) {
    this.cursor = cursor;
    this.marks = lanes(marks);
    for (const block of this.blocks) this.#draw(block);
  }

  #draw(block) {
    const within = this.marks.filter((mark) => mark.start < block.end && mark.end > block.start);
    const cursor = this.cursor && this.cursor.start < block.end && this.cursor.end > block.start ? this.cursor : null;
    const key = JSON.stringify([within, cursor]);
    if (key === block.drawn || (block.drawn === "" && within.length === 0 && !cursor)) return;
    block.drawn = key;
    const cuts = new Set([block.start, block.end]);
    for (const mark of cursor ? [...within, cursor] : within) {
      for (const place of [mark.start, mark.end]) if (place > block.start && place < block.end) cuts.add(place);
    }
    const places = [...cuts].sort((left, right) => left - right);
    const pieces = [];
    for (let nth = 0; nth + 1 < places.length; nth += 1) {
      const [start, end] = [places[nth], places[nth + 1]];
      const over = within.filter((mark) => mark.start <= start && mark.end >= end);
      const selected = cursor && cursor.start <= start && cursor.end >= end;
      if (over.length === 0 && !selected) {
        pieces.push(this.text.slice(start, end));
        continue;
      }
      pieces.push(piece(this.text.slice(start, end), over, selected));
      const ending = over.filter((mark) => mark.end === end).sort((left, right) => right.start - left.start);
      if (ending.length > 0) {
        // Names stand on the lines of the marks that go on below them.
        const names = piece(
          "",
          over.filter((mark) => mark.end > end),
          false,
        );
        names.append(...ending.map(nameOf));
        pieces.push(names);
      }
    }
    block.element.replaceChildren(...pieces);
  }

  /** The place of a point in the page's structure; null if it is not in the text. */
  placeOf(node, offset) {
    const element = node.nodeType === Node.TEXT_NODE ? node.parentElement : node;
    const home = element?.closest?.(".block");
    if (!home) {
      // Between blocks: the start of the one that follows.
      if (element !== this.element) return null;
      const block = this.blocks[offset];
      return block ? block.start : this.text.length;
    }
    const block = this.blocks.find((block) => block.element === home);
    if (!block) return null;
    const range = document.createRange();
    range.setStart(home, 0);
    range.setEnd(node, offset);
    return block.start + range.toString().length;
  }

  /** What the browser has selected within the text, not snapped; null if nothing. */
  selected() {
    const selection = getSelection();
    if (!selection || selection.rangeCount === 0 || selection.isCollapsed) return null;
    const range = selection.getRangeAt(0);
    if (!range.intersectsNode(this.element)) return null;
    const inside = (node) => this.element.contains(node);
    const start = inside(range.startContainer) ? this.placeOf(range.startContainer, range.startOffset) : 0;
    const end = inside(range.endContainer) ? this.placeOf(range.endContainer, range.endOffset) : this.text.length;
    return start === null || end === null || start >= end ? null : { start, end };
  }

  /** The place nearest to a point of the screen; null if there is no text. */
  placeAt(x, y) {
    let node;
    let offset;
    if (document.caretPositionFromPoint) {
      const caret = document.caretPositionFromPoint(x, y);
      [node, offset] = [caret?.offsetNode, caret?.offset];
    } else {
      const range = document.caretRangeFromPoint?.(x, y);
      [node, offset] = [range?.startContainer, range?.startOffset];
    }
    return node && this.element.contains(node) ? this.placeOf(node, offset) : null;
  }

  blockAt(place) {
    let low = 0;
    let high = this.blocks.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.blocks[middle].end <= place) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #tokens(nth) {
    const block = this.blocks[nth];
    if (!block) return [];
    block.tokens ??= wordsOf(this.text.slice(block.start, block.end), block.start);
    return block.tokens;
  }

  /** Widens a range to whole tokens, or with `exact` only to whole visible characters. */
  snap(start, end, exact = false) {
    if (exact) {
      const [from, to] = [Math.max(0, start - 64), Math.min(this.text.length, end + 64)];
      const [first, last] = wholeGraphemes(this.text.slice(from, to), start - from, end - from);
      return { start: first + from, end: last + from };
    }
    const [from, to] = [this.blockAt(start), this.blockAt(Math.max(start, end - 1))];
    const tokens = [];
    for (let nth = from; nth <= to; nth += 1) tokens.push(...this.#tokens(nth));
    const found = snap(tokens, start, end);
    return found && { start: found[0], end: found[1] };
  }

  /** The token at a place, else the next after it, else the last. */
  tokenNear(place) {
    for (let nth = this.blockAt(place); nth < this.blocks.length; nth += 1) {
      const tokens = this.#tokens(nth);
      const at = firstEndingAfter(tokens, place);
      if (at < tokens.length) return { start: tokens[at][0], end: tokens[at][1] };
    }
    return this.tokenBefore(this.text.length);
  }

  /** The first token that begins at a place or after it. */
  tokenAfter(place) {
    if (place >= this.text.length) return null;
    for (let nth = this.blockAt(place); nth < this.blocks.length; nth += 1) {
      const found = this.#tokens(nth).find(([start]) => start >= place);
      if (found) return { start: found[0], end: found[1] };
    }
    return null;
  }

  /** The last token that ends at a place or before it. */
  tokenBefore(place) {
    for (let nth = this.blockAt(Math.max(0, place - 1)); nth >= 0; nth -= 1) {
      const found = this.#tokens(nth).findLast(([, end]) => end <= place);
      if (found) return { start: found[0], end: found[1] };
    }
    return null;
  }

  /** Where a range stands on the screen: one rectangle per line. */
  rectangles(start, end) {
    const nth = this.blockAt(start);
    const block = this.blocks[nth];
    const range = document.createRange();
    const set = (place, edge) => {
      let left = place - block.start;
      const walker = document.createTreeWalker(block.element, NodeFilter.SHOW_TEXT);
      let node = walker.nextNode();
      while (node && left > node.data.length) {
        left -= node.data.length;
        node = walker.nextNode();
      }
      if (node) range[edge](node, left);
    };
    if (!block) return [];
    set(start, "setStart");
    set(Math.min(end, block.end), "setEnd");
    return [...range.getClientRects()].filter((rectangle) => rectangle.width > 0);
  }

  /** Whether the words at a place run from right to left. */
  rightToLeft(place) {
    const block = this.blocks[this.blockAt(place)];
    if (!block) return false;
    // Each line finds its own direction, by its first letter that has one.
    const line = this.text.slice(this.text.lastIndexOf("\n", place - 1) + 1, this.text.length).slice(0, 2000);
    const strong = /[\p{L}]/u.exec(line)?.[0];
    return (
      strong !== undefined &&
      /[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc\u{10800}-\u{10fff}\u{1e800}-\u{1efff}]/u.test(strong)
    );
  }

  /** Brings a place into view. */
  reveal(place) {
    const [rectangle] = this.rectangles(place, Math.min(place + 1, this.text.length));
    const home = this.element.closest(".scroll");
    if (!home) return;
    const frame = home.getBoundingClientRect();
    const box = rectangle ?? this.blocks[this.blockAt(place)]?.element.getBoundingClientRect();
    if (!box) return;
    if (box.top < frame.top + 40) home.scrollBy(0, box.top - frame.top - 80);
    else if (box.bottom > frame.bottom - 48) home.scrollBy(0, box.bottom - frame.bottom + 96);
  }
}

/** Gives every mark the lowest lane that no mark it overlaps has. */
function lanes(marks) {
  const sorted = [...marks].sort((left, right) => left.start - right.start || right.end - left.end);
  const ends = [];
  return sorted.map((mark) => {
    let lane = ends.findIndex((end) => end <= mark.start);
    if (lane < 0) lane = ends.length;
    ends[lane] = mark.end;
    return { ...mark, lane };
  });
}

const LINE = 3; // Thickness of a mark's line and the gap below it, in pixels.

function piece(text, over, selected) {
  const active = over.some((mark) => mark.active);
  const top = over.reduce(
    (shortest, mark) => (!shortest || mark.end - mark.start < shortest.end - shortest.start ? mark : shortest),
    null,
  );
  const doubtful = over.some((mark) => mark.state === "doubtful");
  const element = h(
    "span",
    {
      class: `piece${active ? " active" : ""}${selected ? " selected" : ""}${doubtful ? " doubtful" : ""} ${top?.className ?? ""}`,
    },
    text,
  );
  if (over.length > 0) {
    const height = Math.max(...over.map((mark) => mark.lane)) + 1;
    const images = [];
    const sizes = [];
    const places = [];
    for (const mark of over) {
      const colour = `var(--${mark.className})`;
      images.push(
        mark.state === "sure"
          ? `linear-gradient(${colour}, ${colour})`
          : `repeating-linear-gradient(90deg, ${colour} 0 5px, transparent 5px 8px)`,
      );
      sizes.push(`100% ${LINE - 1}px`);
      places.push(`0 calc(100% - ${(height - 1 - mark.lane) * (LINE + 1)}px)`);
    }
    element.style.setProperty("--lines", images.join(", "));
    element.style.setProperty("--sizes", sizes.join(", "));
    element.style.setProperty("--places", places.join(", "));
    element.style.setProperty("--room", `${height * (LINE + 1)}px`);
  }
  return element;
}

function nameOf(mark) {
  return h(
    "span",
    {
      class: `mark-name ${mark.className}${mark.active ? " active" : ""}${mark.state === "sure" ? "" : " unsure"}`,
      "data-name": mark.label,
      "data-mark": mark.id,
      "aria-hidden": "true",
    },
    (mark.notes ?? []).map((note) => h("span", { class: "mark-note", "data-name": note, "data-mark": mark.id })),
  );
}
