// The letters over words, without a browser.

import assert from "node:assert/strict";
import { test } from "node:test";

import { codes } from "../assets/hints.js";

test("no code begins another, short ones come first, and there are as many as asked for", () => {
  for (const count of [0, 1, 24, 25, 26, 49, 50, 300, 625]) {
    const all = codes(count);
    assert.equal(all.length, count);
    assert.equal(new Set(all).size, count);
    assert.ok(
      all.every((one) => all.every((other) => one === other || !other.startsWith(one))),
      `${count}`,
    );
    assert.deepEqual(
      all.map(({ length }) => length),
      all.map(({ length }) => length).toSorted(),
    );
    assert.ok(!all.join("").includes("j"));
  }
  assert.ok(codes(25).every(({ length }) => length === 1));
  assert.equal(codes(30).filter(({ length }) => length === 2).length, 6);
  assert.equal(codes(5000).length, 625);
});
