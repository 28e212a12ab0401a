// Places in texts, against the plain way of counting: an array of code points.

import assert from "node:assert/strict";
import { test } from "node:test";

import { Offsets, firstEndingAfter, snap, wholeGraphemes, wordsOf } from "../assets/offsets.js";

const SCRIPTS = [
  "plain words, and no more",
  "Ann 🚀 flew 👩‍👩‍👧‍👦 to Zürich 🇳🇴",
  "e\u0301 a\u0308\u0323 combining \u0915\u094d\u0937\u093f marks",
  "في القاهرة التقت آن بوب 𐤀𐤁 שלום עולם",
  "yaar, party kal raat ko 😂😂 है न",
  "𝒜𝒷 𠮷野家 한국어 ภาษาไทย",
  "",
  "🚀",
  "\u{1f9d1}\u{1f3fd}\u200d\u{1f4bb}\r\n\ttabs\u00a0and\u2028lines",
];

/** A small generator, so that a failure comes again. */
function random(seed) {
  let state = seed >>> 0;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

function texts() {
  const pick = random(7);
  const made = Array.from({ length: 300 }, () =>
    Array.from({ length: pick(40) }, () => {
      const points = [...SCRIPTS[pick(SCRIPTS.length)]];
      return points[pick(points.length || 1)] ?? "";
    }).join(""),
  );
  return [...SCRIPTS, ...made];
}

test("code points and UTF-16 places agree with counting one by one", () => {
  for (const text of texts()) {
    const points = [...text];
    const offsets = new Offsets(text);
    assert.equal(offsets.length, points.length);
    let unit = 0;
    points.forEach((point, nth) => {
      assert.equal(offsets.unit(nth), unit, `${JSON.stringify(text)} at ${nth}`);
      assert.equal(offsets.point(unit), nth);
      if (point.length === 2) assert.equal(offsets.point(unit + 1), nth, "within a pair counts as its start");
      unit += point.length;
    });
    assert.equal(offsets.unit(points.length), text.length);
    assert.equal(offsets.point(text.length), points.length);
  }
});

test("slices are those of the array of code points", () => {
  const pick = random(11);
  for (const text of texts()) {
    const points = [...text];
    const offsets = new Offsets(text);
    for (let tried = 0; tried < 8; tried += 1) {
      const start = pick(points.length + 1);
      const end = start + pick(points.length - start + 1);
      assert.equal(offsets.slice(start, end), points.slice(start, end).join(""));
    }
  }
});

test("words cover every visible sign once, in order, and cut none", () => {
  for (const text of texts()) {
    let end = 0;
    for (const [start, stop] of wordsOf(text)) {
      assert.ok(start >= end && stop > start);
      assert.equal(text.slice(end, start).trim(), "", `${JSON.stringify(text)}: signs between words`);
      assert.deepEqual(wholeGraphemes(text, start, stop), [start, stop]);
      end = stop;
    }
    assert.equal(text.slice(end).trim(), "");
  }
});

test("a family, a flag and a letter with its marks are one", () => {
  assert.deepEqual(
    wordsOf("👩‍👩‍👧‍👦 🇳🇴").map(([start, end]) => "👩‍👩‍👧‍👦 🇳🇴".slice(start, end)),
    ["👩‍👩‍👧‍👦", "🇳🇴"],
  );
  assert.deepEqual(wholeGraphemes("ae\u0301b", 1, 2), [1, 3]);
  assert.deepEqual(wholeGraphemes("a👩‍👩‍👧‍👦b", 3, 5), [1, 12]);
});

test("a range snaps to the tokens it touches", () => {
  const tokens = [
    [0, 3],
    [4, 8],
    [8, 9],
    [10, 14],
  ];
  assert.deepEqual(snap(tokens, 1, 2), [0, 3]);
  assert.deepEqual(snap(tokens, 3, 5), [4, 8]);
  assert.deepEqual(snap(tokens, 2, 11), [0, 14]);
  assert.deepEqual(snap(tokens, 4, 8), [4, 8]);
  assert.equal(snap(tokens, 3, 4), null, "a space is no token");
  assert.equal(snap(tokens, 14, 20), null);
  assert.equal(snap([], 0, 5), null);
});

test("finding a token halves the list", () => {
  const tokens = Array.from({ length: 1000 }, (_, nth) => [nth * 3, nth * 3 + 2]);
  for (let place = 0; place < 3000; place += 1) {
    const found = firstEndingAfter(tokens, place);
    assert.equal(
      found,
      tokens.findIndex(([, end]) => end > place) < 0 ? 1000 : tokens.findIndex(([, end]) => end > place),
    );
  }
});
