// Marking pieces of a text. With the mouse: drag, or click a word, then choose a label; or choose the label first
// and drag as often as you like. With keys: arrows walk over words, Shift widens, a digit labels.

import { button, h, keycap, refill } from "./dom.js";
import { Links } from "./links.js";
import { Picker } from "./picker.js";
import { Reader } from "./reader.js";
import { Pointing } from "./pointing.js";

/** A suggested span below this confidence is doubtful. */
const DOUBTFUL = 0.8;

export function create({ work, task, labels, changed }) {
  const { text, tokens } = work.content;
  const reader = new Reader(text, { tokens: tokens ?? null });
  const { offsets } = reader;
  const picker = new Picker({ labels, mode: "act", pick, title: "Labels" });
  const tools = h("div", { class: "span-tools", hidden: true });
  const list = h("ul", { class: "hidden", "aria-label": "Spans" });
  const edits = [];
  let spans = []; // { id, start, end, label, state } in UTF-16 places.
  let made = 0;
  let active = null;
  let armed = null;

  const links = new Links({
    kinds: task.links ?? [],
    labels,
    spans: () => spans,
    words: (span, most) => shortened(text.slice(span.start, span.end), most),
    changing: remember,
    changed: () => {
      changed();
      draw();
    },
  });

  const pointing = new Pointing(reader, {
    words: true,
    // Whoever was writing a note or searching goes on in the text.
    pressed: () => document.activeElement?.blur(),
    selected: (range) => {
      active = null;
      if (armed) label(armed, range);
      draw();
    },
    clicked: (place, name) => {
      const under = spans
        .filter((span) => span.start <= place && span.end > place)
        .sort((left, right) => left.end - left.start - (right.end - right.start));
      const hit =
        name ?? under[(under.findIndex(({ id }) => id === active) + 1) % Math.max(1, under.length)]?.id ?? null;
      active = hit;
      if (hit !== null) pointing.clear();
      draw();
      return hit !== null;
    },
    moved: () => {
      active = null;
      draw();
    },
    resized: (edge, place) => resize(edge, place),
  });

  function remember() {
    edits.push({ spans: spans.map((span) => ({ ...span })), links: [...links.all], active });
    if (edits.length > 200) edits.shift();
  }

  /** Whether two spans may not stand together. */
  const clash = (left, right) =>
    left.start < right.end && left.end > right.start && (!task.overlapping || left.label === right.label);

  function label(name, range) {
    remember();
    const same = spans.find(
      (span) => span.start === range.start && span.end === range.end && (!task.overlapping || span.label === name),
    );
    const fresh = { id: (made += 1), start: range.start, end: range.end, label: name, state: "sure" };
    if (same) fresh.id = same.id;
    // What is marked last stands: it takes the place of what it may not overlap.
    spans = spans.filter((span) => span !== same && !clash(span, fresh));
    spans.push(fresh);
    pointing.passed(fresh.end);
    changed();
  }

  function pick(name) {
    const range = pointing.take();
    if (active !== null) {
      remember();
      const span = spans.find(({ id }) => id === active);
      span.label = name;
      span.state = "sure";
      spans = spans.filter((other) => other === span || !clash(other, span));
      changed();
    } else if (range) {
      label(name, range);
    } else {
      armed = armed === name ? null : name;
    }
    draw();
  }

  /** Begins a link at the chosen span. */
  function link() {
    links.start(active);
    pointing.clear();
    draw();
    // The dock has grown and may hide it.
    const span = spans.find(({ id }) => id === active);
    if (span) requestAnimationFrame(() => reader.reveal(span.start));
  }

  function remove() {
    if (active === null) return false;
    remember();
    const at = spans.find(({ id }) => id === active);
    spans = spans.filter(({ id }) => id !== active);
    active = null;
    pointing.stand(at.start);
    changed();
    draw();
    return true;
  }

  function resize(edge, place, exact = false) {
    const span = spans.find(({ id }) => id === active);
    if (!span) return;
    const range =
      edge === "start"
        ? reader.snap(Math.min(place, span.end - 1), span.end, exact)
        : reader.snap(span.start, Math.max(place, span.start + 1), exact);
    if (!range) return;
    const [start, end] = edge === "start" ? [range.start, span.end] : [span.start, range.end];
    if (start === span.start && end === span.end) return;
    remember();
    Object.assign(span, { start, end, state: "sure" });
    spans = spans.filter((other) => other === span || !clash(other, span));
    changed();
    draw();
  }

  /** Moves an edge of the active span by a token. */
  function stretch(edge, outward) {
    const span = spans.find(({ id }) => id === active);
    if (!span) return;
    if (edge === "end") {
      const next = outward ? reader.tokenAfter(span.end) : reader.tokenBefore(span.end - 1);
      if (next && next.end > span.start) resize("end", next.end);
    } else {
      const next = outward ? reader.tokenBefore(span.start) : reader.tokenAfter(span.start + 1);
      if (next && next.start < span.end) resize("start", next.start);
    }
  }

  function step(direction, doubtfulOnly = false) {
    const order = [...spans]
      .sort((left, right) => left.start - right.start || left.end - right.end)
      .filter((span) => !doubtfulOnly || span.state === "doubtful");
    if (order.length === 0) return;
    const now = order.findIndex(({ id }) => id === active);
    const here = pointing.place ?? 0;
    const next =
      now >= 0
        ? (now + direction + order.length) % order.length
        : direction > 0
          ? Math.max(
              0,
              order.findIndex((span) => span.start >= here),
            )
          : order.length - 1;
    active = order[next].id;
    pointing.clear();
    draw();
    reader.reveal(order[next].start);
  }

  function draw() {
    links.tidy();
    reader.mark(
      spans.map((span) => ({
        ...span,
        className: labels.className(span.label),
        active: span.id === active,
        notes: links.notes(span.id),
      })),
      pointing.range,
    );
    const span = spans.find(({ id }) => id === active);
    tools.hidden = !span;
    if (span) {
      const nudge = (name, sign, edge, outward) =>
        button({ class: "nudge", "aria-label": name, title: name, on: { click: () => stretch(edge, outward) } }, sign);
      refill(
        tools,
        labels.chip(span.label),
        h("q", { dir: "auto" }, shortened(text.slice(span.start, span.end))),
        h(
          "span",
          { class: "nudges" },
          nudge("Earlier start", "⇤", "start", true),
          nudge("Later start", "⇥", "start", false),
          nudge("Earlier end", "⇤", "end", false),
          nudge("Later end", "⇥", "end", true),
        ),
        links.any &&
          links.from === null &&
          button({ class: "act", on: { click: link } }, "Link", keycap("L")),
        button({ class: "act", on: { click: remove } }, "Delete"),
      );
    }
    links.draw(active);
    // While a link is made, digits are its kinds.
    picker.element.hidden = links.from !== null;
    pointing.handles(span ?? null);
    picker.show(span ? [span.label] : armed ? [armed] : []);
    list.replaceChildren(
      ...[...spans]
        .sort((left, right) => left.start - right.start)
        .map(({ id, label, start, end }) =>
          h("li", null, `${label}: ${shortened(text.slice(start, end))}${links.spoken(id)}`),
        ),
    );
  }

  return {
    reader,
    range: () => pointing.range,
    body: h("div", { class: "marking" }, reader.element, list),
    dock: h("div", null, links.bar, links.list, tools, picker.element),
    keys: [
      [["←", "→", "↑", "↓"], "walk over the words"],
      [["⇧ ←", "⇧ →"], "widen the selection, or move the end of a span"],
      [["Alt ⇧ ←", "→"], "move the start of a span"],
      [["1", "…", "0"], "label the selection; with none, keep the label for the next"],
      [["T"], "next span (⇧ the one before)"],
      [["D"], "next doubtful span"],
      [["Del"], "delete the span"],
      ...(links.any
        ? [
            [["L"], "link this span to another: choose it with T or a click, then the kind with a digit"],
            [["⇧ L"], "take its latest link away"],
          ]
        : []),
      [["Ctrl Z"], "take back the last change here"],
      [["Alt + drag"], "select letters, not words"],
    ],
    key(event, pressed) {
      if ((event.ctrlKey || event.metaKey) && pressed === "z") {
        const before = edits.pop();
        if (before) {
          ({ spans, active } = before);
          links.all = before.links;
          changed();
          draw();
        }
        return true;
      }
      if (event.ctrlKey || event.metaKey) return false;
      if (/^Arrow/.test(pressed)) {
        if (active !== null && event.shiftKey && /Left|Right/.test(pressed)) {
          const span = spans.find(({ id }) => id === active);
          const forward = (pressed === "ArrowRight") !== reader.rightToLeft(span.start);
          if (event.altKey) stretch("start", !forward);
          else stretch("end", forward);
          return true;
        }
        if (event.altKey) return false;
        const span = spans.find(({ id }) => id === active);
        active = null;
        pointing.walk(pressed, event.shiftKey, span);
        draw();
        return true;
      }
      if (event.altKey) return false;
      if (links.key(pressed, active)) return true;
      if (pressed === "l" && links.any && active !== null) {
        if (event.shiftKey) links.removeLatest(active);
        else link();
        return true;
      }
      if (pressed === "Delete" || pressed === "Backspace" || pressed === "x") return remove();
      if (pressed === "t") step(event.shiftKey ? -1 : 1);
      else if (pressed === "d") step(event.shiftKey ? -1 : 1, true);
      else if (pressed === "Escape") {
        if (links.from !== null) {
          links.stop();
          draw();
          return true;
        }
        if (active === null && armed === null && !pointing.range) return false;
        [active, armed] = [null, null];
        pointing.clear();
        draw();
      } else return picker.key(event, pressed);
      return true;
    },
    hint() {
      const unsure = spans.filter(({ state }) => state === "doubtful").length;
      const joined = links.all.length;
      return [`${spans.length} ${spans.length === 1 ? "span" : "spans"}`, joined > 0 && `${joined} ${joined === 1 ? "link" : "links"}`, unsure > 0 && `${unsure} doubtful`]
        .filter(Boolean)
        .join(", ");
    },
    answer() {
      const said = [...spans].sort((left, right) => left.start - right.start || left.end - right.end);
      const place = (id) => said.findIndex((span) => span.id === id);
      const linked = links.all.map(({ from, to, kind }) => ({ from: place(from), to: place(to), kind }));
      return {
        answer: {
          kind: "spans",
          spans: said.map(({ start, end, label }) => ({
            start: offsets.point(start),
            end: offsets.point(end),
            label,
            quote: text.slice(start, end),
          })),
          ...(linked.length > 0 ? { links: linked } : {}),
        },
      };
    },
    set(answer, _evidence, suggestion) {
      if (spans.length > 0) remember();
      spans = answer.spans.map(({ start, end, label }, nth) => {
        const confidence = suggestion ? (suggestion.confidences?.[nth] ?? suggestion.confidence) : null;
        const state = !suggestion
          ? "sure"
          : typeof confidence === "number" && confidence < DOUBTFUL
            ? "doubtful"
            : "suggested";
        return { id: (made += 1), start: offsets.unit(start), end: offsets.unit(end), label, state };
      });
      links.all = (answer.links ?? []).map(({ from, to, kind }) => ({ from: spans[from]?.id, to: spans[to]?.id, kind }));
      links.stop();
      active = null;
      changed();
      draw();
    },
    ready: draw,
    focusLabel: () => spans.find(({ id }) => id === active)?.label ?? armed,
  };
}

function shortened(words, most = 60) {
  return words.length > most ? `${words.slice(0, most - 2)}…` : words;
}
