// One decision on the screen: the item, what is known about it, the choices, and what can be done.

import { announce, button, h, keycap } from "./dom.js";
import { meant, shiftedDigit, showKeys, writing } from "./keys.js";
import { about, emptiness, inContext, suggested } from "./item.js";
import { sideBySide } from "./answers.js";
import { offerExample } from "./guidelines.js";
import * as choose from "./choose.js";
import * as pairs from "./pairs.js";
import * as record from "./record.js";
import * as spans from "./spans.js";
import * as tags from "./tags.js";

const EDITORS = { classify: choose, multilabel: choose, ordinal: choose, tag: tags, spans, pairs, extract: record };
/** Kinds in which one choice is the whole answer. */
const ONE_CHOICE = new Set(["classify", "ordinal", "pairs"]);
const SIZES = ["short", "medium", "long"];
const AT_ONCE = "postil:at-once";

function stored(name) {
  try {
    return localStorage.getItem(name);
  } catch {
    return null;
  }
}

export class WorkView {
  #app;
  #editor = null;
  #work = null;
  #note = "";
  #flagging = false;
  #hint;
  // The room grows with the longest text so far and never shrinks, so that the choices stay where the hand knows them.
  #size = 0;
  #armed = false; // Whether Enter has been told that something is missing and confirms all the same now.

  constructor(app) {
    this.#app = app;
    this.atOnce = stored(AT_ONCE) === "yes";
    this.item = h("article", { class: "item", id: "item" });
    this.scroll = h("div", { class: "scroll", tabindex: "-1" }, this.item);
    this.choices = h("div", { class: "choose" });
    this.note = h("textarea", { rows: "1", maxlength: "10000", enterkeyhint: "done" });
    this.noteTitle = h("span", null, "Note");
    this.noteBox = h("label", { class: "note", hidden: true }, this.noteTitle, this.note);
    this.note.addEventListener("keydown", (event) => this.#noting(event));
    this.note.addEventListener("input", () => (this.#note = this.note.value));
    this.#hint = h("p", { class: "hint", role: "status" });
    const act = (name, key, run, className = "") =>
      button(
        { class: `act ${className}`, "aria-keyshortcuts": key, on: { click: run } },
        h("span", null, name),
        keycap(key),
      );
    this.undoButton = act("Undo", "U", () => this.undo());
    this.skipButton = act("Skip", "S", () => this.finish("skipped"));
    this.flagButton = act("Flag", "F", () => this.#openNote(true));
    this.noteButton = act("Note", "N", () => this.#openNote(false));
    this.confirmButton = button(
      { class: "confirm", "aria-keyshortcuts": "Enter", on: { click: () => this.confirm() } },
      h("span", null, "Confirm"),
      keycap("↵"),
    );
    this.bar = h(
      "div",
      { class: "bar" },
      h("div", { class: "acts" }, this.undoButton, this.skipButton, this.flagButton, this.noteButton),
      this.#hint,
      this.confirmButton,
    );
    this.dock = h("div", { class: "dock" }, this.choices, this.noteBox, this.bar);
    this.element = h("section", { class: "work", "aria-label": "Work" }, this.scroll, this.dock);
  }

  get session() {
    return this.#app.session;
  }

  get current() {
    return this.#work;
  }

  get editor() {
    return this.#editor;
  }

  /** Puts work on the screen: an item, nothing (`null`, with the reason), or a wait (`undefined`). */
  show(work, empty = null, failed = false) {
    this.#work = work ?? null;
    this.#editor = null;
    this.#armed = false;
    this.#closeNote();
    this.#note = "";
    this.element.classList.toggle("waiting", work === undefined);
    this.dock.hidden = !work;
    this.undoButton.disabled = this.#app.desk.undoable === 0;
    if (work === undefined) return;
    this.scroll.scrollTop = 0;
    if (work === null) {
      this.item.replaceChildren(emptiness(this.#app, empty, failed));
      return;
    }
    const { task } = this.session;
    const adjudicating = work.answers !== null && work.answers !== undefined;
    const editor = EDITORS[task.kind].create({
      work,
      task,
      labels: this.#app.labels,
      changed: () => this.#changed(),
      settle: () => this.atOnce && ONE_CHOICE.has(task.kind) && !adjudicating && this.confirm(),
    });
    this.#editor = editor;
    this.#size = Math.max(
      this.#size,
      adjudicating || editor.wide || work.around ? 2 : SIZES.indexOf(editor.reader?.size ?? "medium"),
      this.#app.labels.all.length > 10 ? 1 : 0,
    );
    this.element.className = `work kind-${task.kind} ${SIZES[this.#size]}${editor.wide ? " wide" : ""}`;
    this.item.replaceChildren(
      about(work),
      ...[
        work.around ? inContext(work.around, editor.body) : editor.body,
        suggested(work),
        adjudicating ? sideBySide(work.answers, this.#app, (said) => this.#takeOver(said)) : null,
      ].filter(Boolean),
    );
    this.choices.replaceChildren(...(editor.dock ? [editor.dock] : []));
    const before = work.previous;
    if (before?.answer) editor.set(before.answer, before.evidence);
    else if (work.suggestion && !before) editor.set(work.suggestion.answer, work.suggestion.evidence, work.suggestion);
    this.#note = before?.note ?? "";
    this.note.value = this.#note;
    if (this.#note !== "" || adjudicating) this.#openNote(false, false, adjudicating ? "Reason" : "Note");
    this.#changed();
    editor.ready?.();
    // Far down in a long text the part that is asked about would be out of sight.
    if (work.around) editor.body.scrollIntoView({ block: "center" });
    announce(`New item. ${work.reason ?? ""}`);
  }

  #changed() {
    this.#armed = false;
    const editor = this.#editor;
    if (!editor) return;
    const { missing } = editor.answer();
    this.confirmButton.classList.toggle("idle", Boolean(missing));
    this.say(editor.hint?.() ?? "");
  }

  say(words, alarm = false) {
    this.#hint.textContent = words;
    this.#hint.classList.toggle("alarm", alarm);
  }

  confirm() {
    const editor = this.#editor;
    if (!editor) return;
    const { missing, refused, settledFor } = editor.answer();
    if (refused || (missing && !(settledFor && this.#armed))) {
      this.say(refused ?? missing, true);
      editor.missed?.();
      this.#armed = true;
      return;
    }
    this.finish(this.#flagging ? "flagged" : "answered");
  }

  finish(status) {
    const work = this.#work;
    const editor = this.#editor;
    if (!work || !editor) return;
    let said = null;
    if (status !== "skipped") {
      const { missing, refused, settledFor, ...answer } = editor.answer();
      said = refused || (missing && !settledFor) ? null : (settledFor ?? answer);
    }
    const note = this.#note.trim() === "" ? null : this.#note.trim();
    const where = this.#app.desk.answer(status, said, {
      note,
      shown: Boolean(work.suggestion),
      guidelines: this.#app.guidelinesShown,
    });
    if (where === "back") this.#app.go("history");
  }

  async undo() {
    try {
      await this.#app.desk.undo();
    } catch (refusal) {
      this.#app.toast(refusal.status === 404 ? "There is nothing left to take back." : refusal.message);
    }
  }

  #takeOver(said) {
    if (!said.answer) return;
    this.#editor?.set(said.answer, said.evidence);
    this.say(`As ${said.by} said`);
  }

  #openNote(flagging, focus = true, title = flagging ? "Flag with a note" : "Note") {
    if (!this.#editor) return;
    this.#flagging = flagging;
    this.noteTitle.textContent = title;
    this.note.placeholder = flagging
      ? "What is odd about it? Enter keeps it and goes on."
      : title === "Reason"
        ? "Why this answer"
        : "Kept with the answer";
    this.noteBox.hidden = false;
    this.noteBox.classList.toggle("flagging", flagging);
    if (focus) this.note.focus();
  }

  #closeNote() {
    this.#flagging = false;
    this.noteBox.hidden = true;
    this.note.blur();
    this.note.value = "";
  }

  #noting(event) {
    if (event.isComposing) return;
    if (event.key === "Enter" && !event.shiftKey) {
      event.preventDefault();
      event.stopPropagation();
      if (this.#flagging) this.finish("flagged");
      else this.note.blur();
    } else if (event.key === "Escape") {
      event.preventDefault();
      event.stopPropagation();
      this.note.blur();
      if (this.#flagging) {
        this.#flagging = false;
        this.noteBox.classList.remove("flagging");
        this.noteTitle.textContent = "Note";
      }
      if (this.#note.trim() === "" && !this.#work?.answers) this.noteBox.hidden = true;
    }
  }

  /** Handles a key; true if it meant something. */
  key(event) {
    const key = meant(event);
    const editor = this.#editor;
    if (writing(event.target)) {
      if (key === "Enter" && (event.ctrlKey || event.metaKey)) {
        this.confirm();
        return true;
      }
      return editor?.writing?.(event, key) ?? false;
    }
    // Letters that stand over words mean those words and nothing else.
    if (editor?.jumping?.(event, key)) return true;
    if (key === "u" && plain(event)) {
      this.undo();
      return true;
    }
    if (!editor) return false;
    const nth = shiftedDigit(event);
    if (nth !== null && this.#work.answers) {
      const said = this.#work.answers[nth - 1];
      if (said) this.#takeOver(said);
      return Boolean(said);
    }
    if (editor.key?.(event, key)) return true;
    if (!plain(event)) return false;
    if (key === "Enter") {
      const focus = document.activeElement;
      const own = focus?.closest?.("button, a, summary");
      // A button that the keyboard stands on does its own thing, save the choices: there Enter means "confirm".
      if (own && !own.classList.contains("choice")) return false;
      this.confirm();
    } else if (key === "s") this.finish("skipped");
    else if (key === "f") this.#openNote(true);
    else if (key === "n") this.#openNote(false);
    else if (key === "a") this.setAtOnce(!this.atOnce);
    else if (key === "e") this.example();
    else return false;
    return true;
  }

  setAtOnce(on) {
    if (!ONE_CHOICE.has(this.session.task.kind)) return;
    this.atOnce = on;
    try {
      localStorage.setItem(AT_ONCE, on ? "yes" : "no");
    } catch {
      // It then lasts as long as this page.
    }
    this.#app.toast(on ? "A choice goes on at once; U takes it back." : "Enter confirms a choice.");
  }

  /** Offers the item, or what is selected in it, as an example of the guidelines. */
  example() {
    const work = this.#work;
    if (!work) return;
    if (this.session.role === "annotate")
      return void this.#app.toast("Examples are added by people with the role review or own.");
    if (work.queue === "gold") return void this.#app.toast("Blind gold stays out of the guidelines: models read them.");
    const reader = this.#editor.reader;
    const range = this.#editor.range?.() ?? reader?.selected() ?? null;
    offerExample(this.#app, work, {
      label: this.#editor.focusLabel?.() ?? null,
      piece: range ? reader.text.slice(range.start, range.end).trim() : "",
    });
  }

  help() {
    const one = ONE_CHOICE.has(this.session.task.kind);
    showKeys([
      [
        "This item",
        [...(this.#editor?.keys ?? []), ...(this.#work?.answers ? [[["⇧ 1", "…"], "take over an answer"]] : [])],
      ],
      [
        "Going on",
        [
          [["Enter"], "confirm and go on"],
          [["S"], "skip"],
          [["F"], "flag with a note"],
          [["N"], "note"],
          [["U"], "undo, as often as you like"],
          ...(one ? [[["A"], this.atOnce ? "wait for Enter after a choice" : "go on at once after a choice"]] : []),
        ],
      ],
      [
        "The page",
        [
          [["Q"], "another queue"],
          [["G"], "guidelines"],
          [["E"], "add this as an example"],
          [["H"], "my history"],
          [["L"], "how the work goes"],
          [["?"], "these keys"],
          [["Esc"], "leave a field"],
        ],
      ],
    ]);
  }
}

function plain(event) {
  return !event.ctrlKey && !event.metaKey && !event.altKey;
}
