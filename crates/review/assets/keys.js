// Keys. Every view says which it knows; the page shows them on `?`.

import { h } from "./dom.js";

/** The key that was meant, whatever the layout: digits of the top row, and Latin letters on other scripts' keyboards. */
export function meant(event) {
  const { key, code } = event;
  if (/^[0-9]$/.test(key)) return key;
  const digit = /^(?:Digit|Numpad)([0-9])$/.exec(code ?? "");
  if (digit && !event.shiftKey) return digit[1];
  const letter = /^Key([A-Z])$/.exec(code ?? "");
  if (letter && key.length === 1 && !/^[\x20-\x7e]$/.test(key)) return letter[1].toLowerCase();
  return key.length === 1 ? key.toLowerCase() : key;
}

/** The digit of the top row that was pressed together with Shift or Alt, if the layout has a sign there. */
export function shiftedDigit(event) {
  const digit = /^Digit([1-9])$/.exec(event.code ?? "");
  if (!digit || event.ctrlKey || event.metaKey) return null;
  return event.altKey || (event.shiftKey && !/^[0-9]$/.test(event.key)) ? Number(digit[1]) : null;
}

/** Whether the person is writing, so that letters are letters. */
export function writing(target) {
  return (
    target instanceof HTMLElement &&
    (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName)) &&
    !/^(checkbox|radio|button|submit)$/.test(target.type)
  );
}

/** A box over the page that Escape or a click beside it closes. */
export function openBox(title, content, { className = "" } = {}) {
  const box = h("dialog", { class: `box ${className}`, "aria-label": title }, h("h2", null, title), content);
  box.addEventListener("click", (event) => event.target === box && box.close());
  box.addEventListener("close", () => box.remove());
  document.body.append(box);
  box.showModal();
  return box;
}

/** All keys: groups of `[title, [[keys, what], ...]]`. */
export function showKeys(groups) {
  const row = ([keys, what]) =>
    h(
      "div",
      { class: "key-row" },
      h(
        "dt",
        null,
        keys.map((key) => h("kbd", null, key)),
      ),
      h("dd", null, what),
    );
  const box = openBox(
    "Keys",
    h(
      "div",
      { class: "key-groups" },
      groups
        .filter(([, rows]) => rows.length > 0)
        .map(([title, rows]) => h("section", null, h("h3", null, title), h("dl", null, rows.map(row)))),
    ),
    { className: "keys" },
  );
  box.addEventListener("keydown", (event) => {
    if (event.key === "?" || event.key === "Enter") {
      event.preventDefault();
      box.close();
    }
  });
}
