// A tag for every token. Tags stand there already where somebody suggested them; a click or a key goes on to the next
// tag, and only the doubtful tokens stand out.

import { h } from "./dom.js";
import { Hints } from "./hints.js";
import { Offsets } from "./offsets.js";
import { Picker } from "./picker.js";

/** A suggested tag below this confidence is doubtful. */
const DOUBTFUL = 0.8;

export function create({ work, task, labels, changed }) {
  const { text, tokens } = work.content;
  const offsets = new Offsets(text);
  const names = labels.all.map(({ name }) => name);
  const chosen = new Array(tokens.length).fill(null);
  const doubtful = new Array(tokens.length).fill(false);
  const confidences = work.suggestion?.confidences ?? null;
  const edits = []; // For Ctrl+Z within the item.
  let at = 0;
  let moved = false;

  const buttons = tokens.map(([start, end], nth) => {
    const element = h(
      "button",
      { type: "button", class: "token", tabindex: nth === 0 ? "0" : "-1" },
      h("bdi", { class: "word" }, offsets.slice(start, end)),
      h("span", { class: "tag-name" }),
    );
    element.addEventListener("click", (event) => {
      hints.hide();
      go(nth, false);
      cycle(nth, event.shiftKey ? -1 : 1);
    });
    return element;
  });
  const line = h("div", { class: "tokens", dir: "auto", role: "group", "aria-label": task.layer ?? "Tokens" });
  let end = 0;
  tokens.forEach(([start, stop], nth) => {
    // What stands between tokens: spaces, mostly.
    if (start > end) line.append(offsets.slice(end, start));
    line.append(buttons[nth]);
    end = stop;
  });
  line.append(offsets.slice(end, offsets.length));
  const hints = new Hints(
    () => buttons,
    (nth) => go(nth),
  );
  const picker = new Picker({ labels, mode: "act", pick: (name) => put(name), title: "Tags" });

  function draw(nth) {
    const element = buttons[nth];
    const tag = chosen[nth];
    element.className = `token ${tag === null ? "open" : labels.className(tag)}${doubtful[nth] ? " doubtful" : ""}${nth === at && moved ? " current" : ""}`;
    const mark = tag === null ? null : labels.mark(tag);
    element.lastChild.replaceChildren(...[mark, tag ?? "·"].filter(Boolean));
    element.setAttribute(
      "aria-label",
      `${offsets.slice(...tokens[nth])}: ${tag ?? "open"}${doubtful[nth] ? ", doubtful" : ""}`,
    );
    element.tabIndex = nth === at ? 0 : -1;
  }

  function go(nth, focus = true) {
    if (nth < 0 || nth >= tokens.length) return;
    const before = at;
    at = nth;
    moved = true;
    draw(before);
    draw(at);
    picker.show(chosen[at] === null ? [] : [chosen[at]]);
    if (focus) buttons[at].scrollIntoView({ block: "nearest" });
  }

  function change(nth, tag) {
    edits.push([nth, chosen[nth], doubtful[nth]]);
    chosen[nth] = tag;
    doubtful[nth] = false;
    draw(nth);
    picker.show(chosen[at] === null ? [] : [chosen[at]]);
    changed();
  }

  function cycle(nth, step) {
    const now = names.indexOf(chosen[nth]);
    change(nth, names[now < 0 ? (step > 0 ? 0 : names.length - 1) : (now + step + names.length) % names.length]);
  }

  /** Tags the current token and goes to the next that needs somebody, else to the next. */
  function put(name) {
    if (tokens.length === 0) return;
    change(at, name);
    const wanting = needy(at, 1);
    if (wanting !== null) go(wanting);
    else if (confidences === null && at + 1 < tokens.length && chosen[at + 1] === null) go(at + 1);
    else draw(at);
  }

  /** The next token in a direction, around the end, that is open or doubtful. */
  function needy(from, step) {
    for (let tried = 1; tried <= tokens.length; tried += 1) {
      const nth = (from + step * tried + tokens.length * 2) % tokens.length;
      if (chosen[nth] === null || doubtful[nth]) return nth === from ? null : nth;
    }
    return null;
  }

  const count = (test) => chosen.reduce((sum, tag, nth) => sum + (test(tag, nth) ? 1 : 0), 0);

  return {
    reader: { size: text.length < 160 ? "short" : text.length < 600 ? "medium" : "long", selected: () => null },
    body: line,
    dock: picker.element,
    keys: [
      [["1", "…", "0"], "tag the token and go to the next that needs it"],
      [["Space", "C"], "go on to the next tag (⇧ back)"],
      [["J"], "letters on the tokens: typing one goes there"],
      [["←", "→", "↑", "↓"], "the token beside it"],
      [["D"], "the next doubtful or open one (⇧ the one before)"],
      [["Ctrl Z"], "take back the last change here"],
    ],
    ready() {
      const first = needy(tokens.length - 1, 1);
      go(first ?? 0, false);
    },
    jumping: (event, pressed) => hints.key(event, pressed),
    key(event, pressed) {
      if ((event.ctrlKey || event.metaKey) && pressed === "z") {
        const edit = edits.pop();
        if (edit) {
          const [nth, tag, doubt] = edit;
          chosen[nth] = tag;
          doubtful[nth] = doubt;
          go(nth);
          changed();
        }
        return true;
      }
      if (event.ctrlKey || event.metaKey || event.altKey) return false;
      const back = getComputedStyle(line).direction === "rtl" ? "ArrowRight" : "ArrowLeft";
      if (pressed === "ArrowLeft" || pressed === "ArrowRight") go(at + (pressed === back ? -1 : 1));
      else if (pressed === "ArrowUp" || pressed === "ArrowDown") go(beside(pressed === "ArrowUp" ? -1 : 1));
      else if (pressed === "Home") go(0);
      else if (pressed === "End") go(tokens.length - 1);
      else if (pressed === " " || pressed === "c") cycle(at, event.shiftKey ? -1 : 1);
      else if (pressed === "d") go(needy(at, event.shiftKey ? -1 : 1) ?? at);
      else return picker.key(event, pressed);
      return true;
    },
    hint() {
      const unsure = count((_, nth) => doubtful[nth]);
      const open = count((tag) => tag === null);
      return [unsure > 0 && `${unsure} doubtful`, open > 0 && `${open} open`].filter(Boolean).join(", ");
    },
    missed() {
      const open = chosen.indexOf(null);
      if (open >= 0) go(open);
    },
    answer() {
      const open = count((tag) => tag === null);
      if (open === 0) return { answer: { kind: "tags", tags: [...chosen] } };
      const spans = chosen.flatMap((label, nth) =>
        label === null
          ? []
          : [{ start: tokens[nth][0], end: tokens[nth][1], label, quote: offsets.slice(...tokens[nth]) }],
      );
      if (spans.length === 0) return { missing: "No token has a tag yet." };
      return {
        missing: `${open} ${open === 1 ? "token is" : "tokens are"} open. Enter again leaves ${open === 1 ? "it" : "them"} so.`,
        settledFor: { answer: { kind: "spans", spans } },
      };
    },
    set(answer, _evidence, suggestion) {
      chosen.fill(null);
      if (answer.kind === "tags") answer.tags.forEach((tag, nth) => nth < chosen.length && (chosen[nth] = tag));
      else {
        const place = new Map(tokens.map(([start], nth) => [start, nth]));
        for (const { start, label } of answer.spans) if (place.has(start)) chosen[place.get(start)] = label;
      }
      const whole = suggestion?.confidence;
      chosen.forEach((_, nth) => {
        const confidence = suggestion?.confidences?.[nth] ?? (suggestion && !suggestion.confidences ? whole : null);
        doubtful[nth] = typeof confidence === "number" && confidence < DOUBTFUL;
      });
      for (let nth = 0; nth < tokens.length; nth += 1) draw(nth);
      picker.show(chosen[at] ? [chosen[at]] : []);
      changed();
    },
    focusLabel: () => chosen[at],
  };

  /** The token above or below the current one on the screen. */
  function beside(step) {
    const here = buttons[at].getBoundingClientRect();
    const middle = here.left + here.width / 2;
    let best = null;
    for (let nth = at + step; nth >= 0 && nth < tokens.length; nth += step) {
      const there = buttons[nth].getBoundingClientRect();
      if (Math.abs(there.top - here.top) < here.height / 2) continue;
      if (best && Math.abs(there.top - best.top) > here.height / 2) break;
      const far = Math.abs(there.left + there.width / 2 - middle);
      if (!best || far < best.far) best = { nth, far, top: there.top };
    }
    return best?.nth ?? at;
  }
}
