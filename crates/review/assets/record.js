// A record: a form beside the text, and for each field the words that show its value. Standing in a field, select words in
// the text: they fill the field and become its evidence.

import { button, h } from "./dom.js";
import { form } from "./form.js";
import { Pointing } from "./pointing.js";
import { Reader } from "./reader.js";

export function create({ work, task, changed }) {
  const reader = new Reader(work.content.text, { tokens: work.content.tokens ?? null });
  const { offsets } = reader;
  let evidence = new Map(); // Pointer to ranges in UTF-16 places.
  let focused = null;
  let walking = false;

  const sheet = form(task.schema ?? { type: "object", properties: {} }, {
    changed: () => changed(),
    focused(pointer) {
      focused = pointer;
      draw();
    },
  });
  const pointing = new Pointing(reader, {
    selected: (range) => take(range),
    clicked: () => false,
    moved: () => draw(),
    resized: () => {},
  });

  function take(range) {
    const field = sheet.fields.get(focused);
    if (!field) {
      draw();
      return;
    }
    const places = evidence.get(focused) ?? [];
    const words = reader.text.slice(range.start, range.end);
    // The first words fill the field; further ones are further evidence for it.
    if (field.input.value.trim() === "" || places.length === 0) field.put(words);
    evidence.set(focused, [...places, range]);
    pointing.clear();
    walking = false;
    draw();
    changed();
    field.input.focus();
  }

  function drop(pointer, nth) {
    const places = evidence.get(pointer).filter((_, other) => other !== nth);
    if (places.length > 0) evidence.set(pointer, places);
    else evidence.delete(pointer);
    draw();
    changed();
  }

  function draw() {
    const order = [...sheet.fields.keys()];
    const marks = [];
    for (const [pointer, places] of evidence) {
      const colour = `c${Math.max(0, order.indexOf(pointer)) % 8}`;
      places.forEach(({ start, end }, nth) =>
        marks.push({
          id: `${pointer}#${nth}`,
          start,
          end,
          label: pointer.replaceAll("/", " "),
          className: colour,
          state: "sure",
          active: pointer === focused,
        }),
      );
    }
    reader.mark(marks, pointing.range);
    for (const [pointer, field] of sheet.fields) {
      const places = evidence.get(pointer) ?? [];
      field.element.classList.toggle("focused", pointer === focused);
      field.element.classList.toggle("shown", places.length > 0);
      field.element.classList.remove(...[0, 1, 2, 3, 4, 5, 6, 7].map((colour) => `c${colour}`));
      field.element.classList.add(`c${order.indexOf(pointer) % 8}`);
      field.evidence.replaceChildren(
        ...places.map(({ start, end }, nth) => {
          const words = reader.text.slice(start, end);
          return h(
            "span",
            { class: "proof" },
            h("q", { dir: "auto" }, words.length > 48 ? `${words.slice(0, 46)}…` : words),
            button(
              {
                class: "drop",
                "aria-label": `Drop the evidence ${words.slice(0, 30)}`,
                on: { click: () => drop(pointer, nth) },
              },
              "×",
            ),
          );
        }),
      );
    }
  }

  return {
    wide: true,
    reader,
    range: () => pointing.range,
    body: h("div", { class: "sheet" }, h("div", { class: "source" }, reader.element), sheet.element),
    dock: null,
    keys: [
      [["Tab"], "the next field"],
      [["Select"], "words in the text: they fill the field and prove it"],
      [["Ctrl E"], "from a field into the text: arrows walk, ⇧ widens, Enter takes"],
      [["Ctrl Enter"], "confirm from within a field"],
    ],
    ready() {
      const first = sheet.fields.values().next().value;
      first?.input.focus({ preventScroll: true });
      draw();
    },
    writing(event, key) {
      if (key === "e" && (event.ctrlKey || event.metaKey)) {
        walking = true;
        document.activeElement.blur();
        const last = (evidence.get(focused) ?? []).at(-1);
        pointing.stand(last?.start ?? pointing.place ?? 0);
        draw();
        return true;
      }
      // Enter in a line of its own means "next", as Tab does; the last field confirms.
      if (key === "Enter" && !event.shiftKey && event.target.tagName !== "TEXTAREA" && !event.altKey) {
        const inputs = [...sheet.fields.values()].map(({ input }) => input);
        const next = inputs[inputs.indexOf(event.target) + 1];
        if (next) next.focus();
        else event.target.blur();
        return true;
      }
      return false;
    },
    key(event, pressed) {
      if (!walking && !/^Arrow/.test(pressed)) return false;
      if (/^Arrow/.test(pressed) && !event.ctrlKey && !event.metaKey && !event.altKey) {
        walking = true;
        pointing.walk(pressed, event.shiftKey);
        draw();
        return true;
      }
      if (pressed === "Enter" && walking && pointing.range && focused !== null) {
        take(pointing.range);
        return true;
      }
      if (pressed === "Escape" && walking) {
        walking = false;
        pointing.clear();
        draw();
        sheet.fields.get(focused)?.input.focus();
        return true;
      }
      return false;
    },
    missed() {
      sheet.wrong()?.field.input.focus();
    },
    answer() {
      const wrong = sheet.wrong();
      if (wrong) return { refused: wrong.message, missing: wrong.message };
      const shown = {};
      for (const [pointer, places] of evidence) {
        if (sheet.fields.has(pointer))
          shown[pointer] = places.map(({ start, end }) => ({
            start: offsets.point(start),
            end: offsets.point(end),
            quote: reader.text.slice(start, end),
          }));
      }
      return {
        answer: { kind: "record", fields: sheet.value() ?? {} },
        evidence: Object.keys(shown).length > 0 ? shown : null,
      };
    },
    set(answer, shown) {
      sheet.set(answer.fields);
      evidence = new Map(
        Object.entries(shown ?? {}).map(([pointer, places]) => [
          pointer,
          places.map(({ start, end }) => ({ start: offsets.unit(start), end: offsets.unit(end) })),
        ]),
      );
      draw();
      changed();
    },
  };
}
