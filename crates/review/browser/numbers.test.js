// Numbers as people write them.

import assert from "node:assert/strict";
import { test } from "node:test";

globalThis.document ??= {};
const { numberOf } = await import("../assets/form.js");

test("numbers are read as they are written", () => {
  const cases = [
    ["120", 120],
    ["€120", 120],
    ["1,200.50", 1200.5],
    ["1.200,50", 1200.5],
    ["1 200,5 kr", 1200.5],
    ["1'200", 1200],
    ["3,5", 3.5],
    ["1,200", 1200],
    ["1.200.300", 1200300],
    ["-4.25", -4.25],
    ["\u22127", -7],
    ["about 12.", 12],
  ];
  for (const [words, value] of cases) assert.equal(numberOf(words), value, words);
  assert.ok(Number.isNaN(numberOf("none")));
});
