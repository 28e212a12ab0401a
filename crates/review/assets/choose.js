// One label, several labels, or a step of a scale.

import { h } from "./dom.js";
import { Reader } from "./reader.js";
import { Picker } from "./picker.js";

const KINDS = { classify: "class", multilabel: "set", ordinal: "ordinal" };

export function create({ work, task, labels, changed, settle }) {
  const several = task.kind === "multilabel";
  const ordinal = task.kind === "ordinal";
  let chosen = [];

  const suggested = new Map();
  const suggestion = work.suggestion?.answer;
  if (suggestion) {
    for (const name of namesOf(suggestion)) suggested.set(name, work.suggestion.confidence);
  }
  const picker = new Picker({
    labels,
    mode: several ? "several" : "one",
    pick,
    scale: ordinal && labels.all.length <= 10,
    title: ordinal ? "Scale" : "Labels",
  });
  const reader = new Reader(work.content.text);
  picker.show(chosen, suggested);

  function pick(name) {
    if (several) chosen = chosen.includes(name) ? chosen.filter((other) => other !== name) : [...chosen, name];
    else chosen = [name];
    picker.show(chosen);
    changed();
    if (!several) settle();
  }

  function key(event, pressed) {
    if (picker.key(event, pressed)) return true;
    if (ordinal && /^Arrow(Left|Right|Up|Down)$/.test(pressed)) {
      const names = labels.all.map((label) => label.name);
      const step = pressed === "ArrowRight" || pressed === "ArrowUp" ? 1 : -1;
      const at = names.indexOf(chosen[0]);
      const next = at < 0 ? (step > 0 ? 0 : names.length - 1) : Math.min(Math.max(at + step, 0), names.length - 1);
      chosen = [names[next]];
      picker.show(chosen);
      changed();
      return true;
    }
    return false;
  }

  return {
    body: reader.element,
    dock: picker.element,
    reader,
    key,
    keys: [
      [["1", "…", "0"], several ? "choose or drop a label" : ordinal ? "choose a step" : "choose a label"],
      ...(ordinal ? [[["←", "→"], "one step down or up"]] : []),
      ...(picker.many ? [[["/"], "search the labels"]] : []),
    ],
    answer() {
      if (several) return { answer: { kind: "set", labels: chosen } };
      if (chosen.length === 0) return { missing: "Choose a label first." };
      return { answer: { kind: KINDS[task.kind], label: chosen[0] } };
    },
    hint: () => (several && chosen.length === 0 ? "none of the labels" : null),
    set(answer) {
      chosen = namesOf(answer);
      picker.show(chosen);
      changed();
    },
    focusLabel: () => chosen[0] ?? null,
  };
}

function namesOf(answer) {
  return answer.kind === "set" ? [...answer.labels] : [answer.label];
}
