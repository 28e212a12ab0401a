// Which of two is better. The sides come in the order to be shown; the server has drawn and recorded it.

import { button, h, keycap } from "./dom.js";
import { Reader } from "./reader.js";

export function create({ work, task, changed, settle }) {
  const { left, right, prompt } = work.content;
  const suggested = work.suggestion?.answer.choice ?? null;
  let chosen = null;

  const sides = new Map();
  const side = (name, text, key) => {
    const element = h(
      "section",
      {
        class: "side",
        role: "radio",
        "aria-checked": "false",
        tabindex: "0",
        "aria-label": name === "left" ? "Left" : "Right",
        "aria-keyshortcuts": key,
      },
      h(
        "header",
        null,
        keycap(key),
        h("span", null, name === "left" ? "Left" : "Right"),
        suggested === name && h("span", { class: "soft" }, "suggested"),
      ),
      new Reader(text, { title: name }).element,
    );
    element.addEventListener("click", () => getSelection().isCollapsed && choose(name));
    element.addEventListener("keydown", (event) => {
      if (event.key !== " ") return;
      event.preventDefault();
      choose(name);
    });
    sides.set(name, element);
    return element;
  };
  const tie = task.ties
    ? button(
        {
          class: "choice tie",
          role: "radio",
          "aria-checked": "false",
          "aria-keyshortcuts": "3",
          on: { click: () => choose("tie") },
        },
        keycap("3"),
        h("span", { class: "name" }, "Both alike"),
      )
    : null;
  if (tie) sides.set("tie", tie);

  function draw() {
    for (const [name, element] of sides) element.setAttribute("aria-checked", String(name === chosen));
  }

  function choose(name) {
    chosen = name;
    draw();
    changed();
    settle();
  }

  return {
    wide: true,
    body: h(
      "div",
      { class: "pair" },
      prompt && h("div", { class: "prompt" }, new Reader(prompt, { title: "Prompt" }).element),
      h(
        "div",
        { class: "sides", role: "radiogroup", "aria-label": "Which is better" },
        side("left", left, "1"),
        side("right", right, "2"),
      ),
    ),
    dock: tie && h("div", { class: "choices" }, tie),
    keys: [[["1", "←"], "left"], [["2", "→"], "right"], ...(task.ties ? [[["3", "="], "both alike"]] : [])],
    key(event, pressed) {
      if (event.ctrlKey || event.metaKey || event.altKey) return false;
      const name = {
        1: "left",
        ArrowLeft: "left",
        2: "right",
        ArrowRight: "right",
        3: "tie",
        0: "tie",
        "=": "tie",
        ArrowUp: "tie",
        ArrowDown: null,
      }[pressed];
      if (!name || !sides.has(name)) return false;
      choose(name);
      return true;
    },
    answer: () => (chosen ? { answer: { kind: "preference", choice: chosen } } : { missing: "Choose a side first." }),
    set(answer) {
      chosen = answer.choice;
      draw();
      changed();
    },
  };
}
