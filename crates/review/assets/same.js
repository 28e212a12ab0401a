// The same words, marked in different ways: all their occurrences, to be marked alike at once.

import { call } from "./api.js";
import { newId } from "./desk.js";
import { announce, button, h, keycap, prose } from "./dom.js";
import { meant, showKeys, writing } from "./keys.js";

const PAGE = 50;
/** The most occurrences that are held one by one; more are chosen by their mark alone. */
const MOST_HELD = 2000;
const SURFACES = 100;

const ask = (path, body) => call("POST", `/api/same${path}`, body);
const keyOf = ({ item, start, end }) => `${start} ${end} ${item}`;
const nameOf = (marked) =>
  marked === null
    ? "(within)"
    : marked.kind === "label"
      ? marked.label
      : marked.kind === "nothing"
        ? "(nothing)"
        : "(in part)";
const WORDS = { "(nothing)": "not marked", "(in part)": "marked in part", "(within)": "within a longer mark" };
const plural = (count, one, several = `${one}s`) => `${count.toLocaleString("en")} ${count === 1 ? one : several}`;

export class SameView {
  #app;
  #surfaces = [];
  #total = 0;
  #at = 0;
  #lines = [];
  #shown = null;
  #current = 0;
  #chosen = new Map(); // Places that were chosen one by one.
  #groups = new Set(); // Marks of which all occurrences are chosen.
  #label = undefined; // A label, null for none, undefined while nothing was chosen.
  #done = new Map(); // Words that were changed here, with how many marks.
  #last = null; // The latest change, which can be taken back.
  #asked = 0;
  #timer = null;
  #since = Date.now();
  #busy = false;

  constructor(app) {
    this.#app = app;
    const { task } = app.session;
    this.tags = task.kind === "tag";
    this.search = h("input", {
      type: "search",
      placeholder: "Find words",
      "aria-label": "Find words",
      on: { change: () => this.#load(false), keydown: (event) => event.key === "Enter" && this.search.blur() },
    });
    this.tabs = h(
      "div",
      { class: "filters", role: "group", "aria-label": "What" },
      ["Words", "Changes"].map((name, nth) =>
        button({ "aria-pressed": String(nth === 0), on: { click: () => this.#tab(nth) } }, name),
      ),
    );
    this.words = h("h2", { dir: "auto" });
    this.place = h("span", { class: "number" });
    this.marks = h("div", { class: "same-marks", role: "group", "aria-label": "Choose all that are marked so" });
    this.list = h("ol", { class: "kwic", role: "listbox", "aria-multiselectable": "true", tabindex: "0" });
    this.more = button({ class: "plain", on: { click: () => this.#further() } }, "More");
    this.reason = h("input", {
      type: "text",
      class: "reason",
      "aria-label": "Reason",
      maxlength: "2000",
      on: { keydown: (event) => this.#reasonKey(event) },
    });
    this.labels = h("div", { class: "same-labels", role: "radiogroup", "aria-label": "Mark as" });
    this.preview = h("p", { class: "same-preview", role: "status" });
    this.apply = button({ class: "plain confirm", disabled: true, on: { click: () => this.#apply() } }, "Change", keycap("↵"));
    this.undo = button({ class: "plain", disabled: true, on: { click: () => this.#undo() } }, "Undo", keycap("U"));
    this.body = h(
      "div",
      { class: "same-body" },
      h(
        "div",
        { class: "same-head" },
        button(
          { class: "icon", "aria-label": "Words before", title: "Words before (←)", on: { click: () => this.#go(-1) } },
          "‹",
        ),
        this.words,
        this.place,
        button(
          { class: "icon", "aria-label": "Next words", title: "Next words (→)", on: { click: () => this.#go(1) } },
          "›",
        ),
      ),
      this.marks,
      this.list,
      this.more,
      h(
        "footer",
        { class: "same-bar" },
        this.labels,
        h("label", { class: "same-reason" }, h("span", { class: "soft" }, "Reason"), this.reason),
        this.preview,
        h("span", { class: "same-acts" }, this.undo, this.apply),
      ),
    );
    this.nothing = h("p", { class: "soft nothing", hidden: true });
    this.log = h("ol", { class: "history same-log", hidden: true });
    this.element = h(
      "div",
      { class: "page same" },
      h("header", { class: "page-head" }, h("h1", null, "Same words"), this.search, this.tabs),
      this.nothing,
      this.body,
      this.log,
    );
    this.#drawLabels();
  }

  async enter() {
    await this.#app.outbox.settled();
    this.#tab(0, false);
    await this.#load(true);
  }

  leave() {
    clearTimeout(this.#timer);
    this.#asked += 1;
  }

  async #load(fresh) {
    const asked = (this.#asked += 1);
    try {
      const found = await ask("", { limit: SURFACES, fresh, search: this.search.value.trim() });
      if (asked !== this.#asked) return;
      this.#surfaces = found.surfaces;
      this.#total = found.total;
      this.nothing.hidden = found.empty === null;
      this.nothing.replaceChildren(...prose(found.empty ?? ""));
      this.body.hidden = found.empty !== null;
      const count = this.#app.desk.count("same");
      if (count && this.search.value.trim() === "") count.remaining = found.total;
      if (found.empty === null) await this.#open(0);
    } catch (refusal) {
      this.#failed(refusal);
    }
  }

  #failed(refusal) {
    this.nothing.hidden = false;
    this.nothing.replaceChildren(...prose(`${refusal.message}${refusal.hint ? `: ${refusal.hint}` : ""}`));
    this.body.hidden = this.#surfaces.length === 0;
  }

  async #go(step) {
    const to = this.#at + step;
    if (to < 0 || to >= this.#total) return;
    if (to >= this.#surfaces.length) {
      try {
        const request = { offset: this.#surfaces.length, limit: SURFACES, search: this.search.value.trim() };
        this.#surfaces.push(...(await ask("", request)).surfaces);
      } catch (refusal) {
        this.#failed(refusal);
      }
      if (to >= this.#surfaces.length) return;
    }
    await this.#open(to);
  }

  /** Shows some words; the choice begins anew. */
  async #open(at) {
    this.#at = at;
    this.#chosen.clear();
    this.#groups.clear();
    this.#label = undefined;
    this.#current = 0;
    this.#since = Date.now();
    this.reason.value = "";
    await this.#read();
    this.list.scrollTop = 0;
    announce(`${this.#shown?.words}: ${plural(this.#shown?.total ?? 0, "occurrence")}`);
  }

  async #read() {
    const { words } = this.#surfaces[this.#at];
    const asked = (this.#asked += 1);
    try {
      const found = await ask("/occurrences", { words, limit: Math.max(PAGE, Math.min(200, this.#lines.length)) });
      if (asked !== this.#asked) return;
      this.#shown = found;
      this.#lines = found.occurrences;
      this.#draw();
    } catch (refusal) {
      this.#failed(refusal);
    }
  }

  async #further() {
    const { words } = this.#shown;
    try {
      const found = await ask("/occurrences", { words, offset: this.#lines.length, limit: 200 });
      this.#lines.push(...found.occurrences);
      this.#draw();
    } catch (refusal) {
      this.#failed(refusal);
    }
  }

  #isChosen(line) {
    return line.marked !== null && (this.#groups.has(nameOf(line.marked)) || this.#chosen.has(keyOf(line)));
  }

  #chip(name, after = null) {
    return WORDS[name]
      ? h("span", { class: "chip c-none" }, WORDS[name], after)
      : this.#app.labels.chip(name, { after });
  }

  #draw() {
    const { words, marks, total, within } = this.#shown;
    const done = this.#done.get(words);
    this.words.replaceChildren(words);
    this.place.replaceChildren(
      `${(this.#at + 1).toLocaleString("en")} of ${this.#total.toLocaleString("en")}`,
      done ? ` · ${plural(done, "mark")} changed` : "",
    );
    const number = (count) => h("span", { class: "number" }, ` ${count.toLocaleString("en")}`);
    this.marks.replaceChildren(
      ...marks.map(({ marked, count }) => {
        const name = nameOf(marked);
        return button(
          { class: "same-mark", "aria-pressed": String(this.#groups.has(name)), on: { click: () => this.#group(name) } },
          this.#chip(name, number(count)),
        );
      }),
      within > 0 ? h("span", { class: "soft" }, `${within.toLocaleString("en")} within longer marks`) : "",
    );
    this.list.replaceChildren(...this.#lines.map((line, nth) => this.#line(line, nth)));
    this.list.setAttribute("aria-label", `${words}: ${plural(total, "occurrence")}`);
    this.more.hidden = this.#lines.length >= total;
    this.more.replaceChildren(`${(total - this.#lines.length).toLocaleString("en")} more`);
    this.#drawLabels();
    this.#ahead();
  }

  #line(line, nth) {
    const chosen = this.#isChosen(line);
    const name = nameOf(line.marked);
    return h(
      "li",
      {
        role: "option",
        id: `kwic-${nth}`,
        "aria-selected": String(chosen),
        "aria-disabled": line.marked === null ? "true" : null,
        "aria-label": `${line.before} ${line.here} ${line.after}, ${WORDS[name] ?? name}`,
        class: nth === this.#current ? "current" : "",
        title: `${line.item} · ${line.by}`,
        on: { click: () => ((this.#current = nth), this.#toggle(line)) },
      },
      h("span", { class: "pick", "aria-hidden": "true" }, chosen ? "✓" : ""),
      h("bdi", { class: "lead", dir: "auto" }, h("span", null, line.before)),
      h("b", { class: `here ${WORDS[name] ? "c-none" : this.#app.labels.className(name)}`, dir: "auto" }, line.here),
      h("bdi", { class: "trail", dir: "auto" }, line.after),
      h("span", { class: "as" }, this.#chip(name)),
    );
  }

  #drawLabels() {
    const { labels } = this.#app;
    const one = (name, key, content) =>
      button(
        {
          class: "choice",
          role: "radio",
          "aria-checked": String(this.#label === name),
          "aria-keyshortcuts": key,
          on: { click: () => this.#as(name) },
        },
        content,
        key && keycap(key === "Delete" ? "⌫" : key),
      );
    this.labels.replaceChildren(
      ...labels.all.map(({ name, key }) =>
        one(name, key, [labels.mark(name), h("span", { class: `name ${labels.className(name)}` }, name)]),
      ),
      ...(this.tags ? [] : [one(null, "Delete", h("span", { class: "name soft" }, "No mark"))]),
    );
    labels.all.forEach(({ name }, nth) => this.labels.children[nth].classList.add(labels.className(name)));
  }

  #as(name) {
    this.#label = this.#label === name ? undefined : name;
    const { words } = this.#shown;
    this.reason.placeholder =
      this.#label === undefined ? "" : `“${words}” is ${this.#label ?? "not marked"} here as elsewhere`;
    this.#drawLabels();
    this.#ahead();
  }

  #group(name) {
    if (this.#groups.has(name)) this.#groups.delete(name);
    else this.#groups.add(name);
    for (const line of this.#lines) if (nameOf(line.marked) === name) this.#chosen.delete(keyOf(line));
    this.#draw();
  }

  async #toggle(line) {
    if (line.marked === null) {
      this.#app.toast("These words lie within a longer mark: open the text to change it.");
      this.#draw();
      return;
    }
    const name = nameOf(line.marked);
    if (this.#groups.has(name)) {
      // All but this one: the others are chosen one by one from here on.
      if (!(await this.#single(name))) return;
      this.#chosen.delete(keyOf(line));
    } else if (this.#chosen.has(keyOf(line))) this.#chosen.delete(keyOf(line));
    else this.#chosen.set(keyOf(line), line);
    this.#draw();
  }

  async #single(name) {
    const { words, marks } = this.#shown;
    const count = marks.find(({ marked }) => nameOf(marked) === name)?.count ?? 0;
    if (count > MOST_HELD) {
      this.#app.toast(`More than ${MOST_HELD} are marked so: they go together.`);
      return false;
    }
    const all = [];
    try {
      while (all.length < count) {
        const { occurrences } = await ask("/occurrences", { words, marked: name, offset: all.length, limit: 200 });
        if (occurrences.length === 0) break;
        all.push(...occurrences);
      }
    } catch (refusal) {
      this.#failed(refusal);
      return false;
    }
    this.#groups.delete(name);
    for (const line of all) this.#chosen.set(keyOf(line), line);
    return true;
  }

  #all() {
    const names = this.#shown.marks.map(({ marked }) => nameOf(marked));
    const whole = names.every((name) => this.#groups.has(name));
    this.#chosen.clear();
    this.#groups = new Set(whole ? [] : names);
    this.#draw();
  }

  #request(preview) {
    return {
      id: newId(),
      words: this.#shown.words,
      label: this.#label,
      places: [...this.#chosen.values()].map(({ item, start, end }) => ({ item, start, end })),
      marked: [...this.#groups],
      reason: this.reason.value.trim(),
      preview,
      millis: preview ? 0 : Math.min(Date.now() - this.#since, 1_800_000),
    };
  }

  /** Says what Enter would do. */
  #ahead() {
    clearTimeout(this.#timer);
    this.apply.disabled = true;
    this.undo.disabled = this.#last === null;
    const any = this.#groups.size > 0 || this.#chosen.size > 0;
    if (!any || this.#label === undefined) {
      this.preview.replaceChildren(
        any ? "Now choose what they are." : "Choose occurrences: click them, or a mark above for all that are marked so.",
      );
      return;
    }
    const asked = this.#asked;
    this.#timer = setTimeout(async () => {
      try {
        const would = await ask("/change", this.#request(true));
        if (asked !== this.#asked) return;
        this.preview.replaceChildren(...this.#told(would));
        this.apply.disabled = would.marks === 0;
      } catch (refusal) {
        this.preview.replaceChildren(refusal.message);
      }
    }, 100);
  }

  #told({ items, marks, from, already }) {
    const rest = already > 0 ? `; ${already.toLocaleString("en")} are so already` : "";
    if (marks === 0) return [`Nothing changes${rest}.`];
    const parts = from.map(({ marked, count }) => {
      const name = nameOf(marked);
      return `${count.toLocaleString("en")} ${WORDS[name] ?? name}`;
    });
    const to = this.#label === null ? "lose their mark" : `become ${this.#label}`;
    return [h("b", null, `${plural(marks, "occurrence")} in ${plural(items, "item")}`), ` ${to} (${parts.join(", ")})${rest}.`];
  }

  async #apply() {
    if (this.apply.disabled || this.#busy) return;
    this.#busy = true;
    this.apply.disabled = true;
    const request = this.#request(false);
    try {
      const done = await ask("/change", request);
      const { words } = request;
      this.#done.set(words, (this.#done.get(words) ?? 0) + done.marks);
      this.#last = { change: done.id, words, marks: done.marks };
      this.#app.desk.recount(done.queues);
      this.#app.toast(`${plural(done.marks, "mark")} in ${plural(done.items, "item")} changed.`, {
        act: ["Undo", () => this.#undo()],
      });
      announce(`${plural(done.marks, "mark")} changed`);
      this.#chosen.clear();
      this.#groups.clear();
      this.#label = undefined;
      this.#since = Date.now();
      this.reason.value = "";
      this.reason.placeholder = "";
      await this.#read();
    } catch (refusal) {
      this.#app.toast(refusal.message, { alarm: true });
      this.#ahead();
    } finally {
      this.#busy = false;
    }
  }

  async #undo(change = this.#last?.change) {
    if (!change || this.#busy) return;
    this.#busy = true;
    try {
      const { items } = await ask("/undo", { id: newId(), change });
      this.#app.toast(`Taken back in ${plural(items, "item")}.`);
      if (this.#last?.change === change) {
        const left = (this.#done.get(this.#last.words) ?? 0) - this.#last.marks;
        if (left > 0) this.#done.set(this.#last.words, left);
        else this.#done.delete(this.#last.words);
        this.#last = null;
      }
      if (this.log.hidden) await this.#read();
      else await this.#drawLog();
    } catch (refusal) {
      this.#app.toast(refusal.message, { alarm: true });
    } finally {
      this.#busy = false;
    }
  }

  #tab(nth, load = true) {
    [...this.tabs.children].forEach((element, at) => element.setAttribute("aria-pressed", String(at === nth)));
    this.log.hidden = nth === 0;
    this.search.hidden = nth === 1;
    this.body.hidden = nth === 1 || this.#surfaces.length === 0;
    this.nothing.hidden = true;
    if (nth === 1) this.#drawLog();
    else if (load) this.#load(true);
  }

  async #drawLog() {
    try {
      const changes = await call("GET", "/api/same/log");
      this.log.replaceChildren(...changes.map((change) => this.#change(change)));
      if (changes.length === 0) this.log.replaceChildren(h("li", { class: "soft nothing" }, "Nothing was changed yet."));
    } catch (refusal) {
      this.#failed(refusal);
    }
  }

  #change({ id, at, by, own, words, label, reason, items, marks, undone, differences }) {
    const when = new Date(at).toLocaleString("en", { dateStyle: "medium", timeStyle: "short", hour12: false });
    const was = (spans) => (spans.length === 0 ? "not marked" : spans.map((span) => span.label).join(", "));
    return h(
      "li",
      { class: undone ? "gone" : "" },
      h(
        "div",
        { class: "same-change" },
        h("b", { dir: "auto", class: "excerpt" }, words),
        h("span", { class: "what" }, "→ ", this.#chip(label ?? "(nothing)")),
        h("span", { class: "why", dir: "auto" }, reason),
        h(
          "span",
          { class: "facts" },
          [
            `${plural(marks, "mark")} in ${plural(items, "item")}`,
            by,
            when,
            undone ? "taken back" : null,
          ]
            .filter(Boolean)
            .join(" · "),
        ),
        own && !undone && button({ class: "plain", on: { click: () => this.#undo(id) } }, "Take back"),
        h(
          "details",
          null,
          h("summary", null, "Differences"),
          h(
            "ul",
            null,
            differences.map((one) =>
              h("li", null, `${one.item} ${one.start}–${one.end}: `, h("del", null, was(one.was)), " → ", h("ins", null, one.now ?? "not marked")),
            ),
          ),
        ),
      ),
    );
  }

  #reasonKey(event) {
    if (event.isComposing) return;
    if (event.key === "Enter") {
      event.preventDefault();
      this.reason.blur();
      this.#apply();
    } else if (event.key === "Escape") this.reason.blur();
  }

  #move(step) {
    this.#current = Math.max(0, Math.min(this.#lines.length - 1, this.#current + step));
    [...this.list.children].forEach((element, nth) => element.classList.toggle("current", nth === this.#current));
    this.list.setAttribute("aria-activedescendant", `kwic-${this.#current}`);
    this.list.children[this.#current]?.scrollIntoView({ block: "nearest" });
  }

  /** Takes a key; says whether it meant something here. */
  key(event) {
    if (writing(event.target) || event.ctrlKey || event.metaKey || event.altKey) return false;
    if (!this.log.hidden || !this.#shown) return false;
    const key = meant(event);
    const line = this.#lines[this.#current];
    const label = this.#app.labels.byKey.get(key);
    const run =
      label !== undefined
        ? () => this.#as(label)
        : {
            ArrowDown: () => this.#move(1),
            ArrowUp: () => this.#move(-1),
            ArrowRight: () => this.#go(1),
            ArrowLeft: () => this.#go(-1),
            n: () => this.#go(1),
            p: () => this.#go(-1),
            " ": () => line && this.#toggle(line),
            a: () => this.#all(),
            m: () => line?.marked && this.#group(nameOf(line.marked)),
            Delete: () => this.tags || this.#as(null),
            Backspace: () => this.tags || this.#as(null),
            Enter: () => this.#apply(),
            u: () => this.#undo(),
            r: () => this.reason.focus(),
            "/": () => this.search.focus(),
            "?": () => this.#help(),
          }[key];
    if (!run) return false;
    run();
    return true;
  }

  #help() {
    showKeys([
      [
        "Occurrences",
        [
          [["↑", "↓"], "walk"],
          [["Space"], "choose this one, or not"],
          [["M"], "choose all that are marked like this one"],
          [["A"], "choose all, or none"],
        ],
      ],
      [
        "Marks",
        [
          [["1", "…"], "what they are"],
          ...(this.tags ? [] : [[["⌫"], "no mark"]]),
          [["R"], "write the reason"],
          [["↵"], "change them"],
          [["U"], "take the last change back"],
        ],
      ],
      [
        "Words",
        [
          [["→", "N"], "next words"],
          [["←", "P"], "words before"],
          [["/"], "find words"],
          [["Q"], "queues"],
        ],
      ],
    ]);
  }
}
