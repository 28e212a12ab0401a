// The page's files among themselves.

import assert from "node:assert/strict";
import fs from "node:fs";
import { test } from "node:test";

const assets = new URL("../assets/", import.meta.url);
const read = (name) => fs.readFileSync(new URL(name, assets), "utf8");
const names = fs.readdirSync(assets);
const modules = names.filter((name) => name.endsWith(".js"));

test("every module is fetched at once and not one after the other", () => {
  const shell = read("index.html");
  const asked = [...shell.matchAll(/(?:modulepreload" href|module" src)="\/assets\/([^"]+)"/g)].map(([, name]) => name);
  assert.deepEqual(asked.toSorted(), modules.toSorted());
});

test("nothing is written in the page that its policy forbids, and nothing comes from elsewhere", () => {
  const shell = read("index.html");
  assert.doesNotMatch(shell, / style=|<style|<script(?![^>]* src=)| on[a-z]+=/);
  for (const name of names) {
    const text = read(name);
    const foreign = [...text.matchAll(/https?:\/\/[^\s"'`)]+/g)]
      .map(([address]) => address)
      .filter((address) => !address.startsWith("http://www.w3.org/"));
    assert.deepEqual(foreign, [], name);
    if (name.endsWith(".js"))
      assert.doesNotMatch(
        text,
        /innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|setAttribute\("style"/,
        `${name} makes markup of text`,
      );
    if (name.endsWith(".css")) assert.doesNotMatch(text, /@import|url\(/, name);
  }
});

test("every module that is asked for is there", () => {
  for (const name of modules) {
    for (const [, wanted] of read(name).matchAll(/from "\.\/([^"]+)"/g))
      assert.ok(modules.includes(wanted), `${name} asks for ${wanted}`);
  }
});
