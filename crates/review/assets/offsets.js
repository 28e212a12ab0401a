// Places in a text. The server counts Unicode code points, JavaScript counts UTF-16 units; they differ after every
// character beyond the basic plane (emoji, rare ideographs, historic scripts).

/** Translates between the two for one text. Texts without such characters cost nothing. */
export class Offsets {
  #text;
  #pairs; // The code point places of characters that take two units, ascending.

  constructor(text) {
    this.#text = text;
    const pairs = [];
    // A regular expression skips the plain parts faster than a loop over all units does.
    const wide = /[\u{10000}-\u{10ffff}]/gu;
    for (let found = wide.exec(text); found; found = wide.exec(text)) pairs.push(found.index - pairs.length);
    this.#pairs = Uint32Array.from(pairs);
  }

  get text() {
    return this.#text;
  }

  /** How many code points there are. */
  get length() {
    return this.#text.length - this.#pairs.length;
  }

  /** The UTF-16 place of a code point place. */
  unit(point) {
    return point + below(this.#pairs, point);
  }

  /** The code point place of a UTF-16 place; one within a pair counts as the place before it. */
  point(unit) {
    // The n-th pair starts at unit `pairs[n] + n`, so whole pairs before `unit` are those with pairs[n] + n + 1 < unit.
    let low = 0;
    let high = this.#pairs.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#pairs[middle] + middle < unit) low = middle + 1;
      else high = middle;
    }
    return unit - low;
  }

  /** The text between two code point places. */
  slice(start, end) {
    return this.#text.slice(this.unit(start), this.unit(end));
  }
}

function below(sorted, value) {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle] < value) low = middle + 1;
    else high = middle;
  }
  return low;
}

const graphemes = new Intl.Segmenter(undefined, { granularity: "grapheme" });
const words = new Intl.Segmenter(undefined, { granularity: "word" });

/**
 * The words of a piece of text as pairs of UTF-16 places, counted from `base`. Marks and symbols between spaces count
 * too, one by one; spaces do not. A mark with a joiner, such as a family emoji, is one.
 */
export function wordsOf(piece, base = 0) {
  const found = [];
  for (const part of words.segment(piece)) {
    if (!/\S/u.test(part.segment)) continue;
    if (part.isWordLike) {
      found.push([base + part.index, base + part.index + part.segment.length]);
      continue;
    }
    for (const sign of graphemes.segment(part.segment)) {
      if (!/\S/u.test(sign.segment)) continue;
      const start = base + part.index + sign.index;
      found.push([start, start + sign.segment.length]);
    }
  }
  return found;
}

/** Widens a range of UTF-16 places within a piece so that no visible character is cut. */
export function wholeGraphemes(piece, start, end) {
  const all = graphemes.segment(piece);
  const first = start < piece.length ? all.containing(start).index : start;
  if (end <= start) return [first, first];
  const last = all.containing(end - 1);
  return [first, last.index + last.segment.length];
}

/**
 * Snaps a range to tokens (ascending, apart): from the start of the first token it touches to the end of the last; null
 * if it touches none.
 */
export function snap(tokens, start, end) {
  const first = firstEndingAfter(tokens, start);
  if (first === tokens.length) return null;
  let last = first;
  while (last + 1 < tokens.length && tokens[last + 1][0] < end) last += 1;
  if (tokens[first][0] >= Math.max(end, start + 1)) return null;
  return [tokens[first][0], tokens[last][1]];
}

/** The first token that ends after a place; `tokens.length` if none does. */
export function firstEndingAfter(tokens, place) {
  let low = 0;
  let high = tokens.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (tokens[middle][1] <= place) low = middle + 1;
    else high = middle;
  }
  return low;
}
