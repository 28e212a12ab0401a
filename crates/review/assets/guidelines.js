// The guidelines beside the item: the file that models read too.

import * as api from "./api.js";
import { button, h, keycap, words } from "./dom.js";
import { openBox } from "./keys.js";

const OPEN = "postil:guidelines";

export class Guidelines {
  #app;
  #loaded = false;

  version = null;

  constructor(app) {
    this.#app = app;
    let open = null;
    try {
      open = localStorage.getItem(OPEN);
    } catch {
      // Then they start as if never opened.
    }
    this.open = open === "yes";
    this.text = h("div", { class: "words" });
    this.labels = h("section", { class: "definitions" });
    this.examples = h("section", { class: "examples" });
    this.versions = h("p", { class: "soft versions" });
    const close = button(
      { class: "icon", "aria-label": "Close the guidelines", on: { click: () => this.toggle() } },
      "×",
    );
    const add = button(
      { class: "plain", "aria-keyshortcuts": "E", on: { click: () => app.work.example() } },
      "Add this as an example",
      keycap("E"),
    );
    this.element = h(
      "aside",
      { class: "guidelines", id: "guidelines", "aria-label": "Guidelines", hidden: !this.open },
      h("header", null, h("h2", null, "Guidelines"), close),
      this.text,
      this.labels,
      this.examples,
      app.session.role === "annotate" ? null : add,
      this.versions,
    );
  }

  enter() {
    if (this.open && !this.#loaded) this.load();
  }

  toggle() {
    this.open = !this.open;
    this.element.hidden = !this.open;
    try {
      localStorage.setItem(OPEN, this.open ? "yes" : "no");
    } catch {
      // It then lasts as long as this page.
    }
    if (this.#app.view !== "work") this.#app.go(`work/${this.#app.desk.queue ?? ""}`);
    this.enter();
  }

  async load() {
    this.#loaded = true;
    try {
      this.take(await api.guidelines());
    } catch (refusal) {
      this.#loaded = false;
      this.text.replaceChildren(h("p", { class: "soft" }, refusal.message));
    }
  }

  take({ version, html, examples, versions }) {
    this.version = version;
    const { labels } = this.#app;
    const text = words(html);
    this.text.replaceChildren(
      text.childNodes.length > 0
        ? text
        : h(
            "p",
            { class: "soft" },
            "There are no guidelines yet. What is written in the project's guidelines file stands here, and models read the same.",
          ),
    );
    const defined = labels.all.filter(({ definition }) => definition);
    this.labels.replaceChildren(
      ...(defined.length > 0
        ? [
            h("h3", null, "Labels"),
            h(
              "dl",
              null,
              defined.map(({ name, definition }) => [
                h("dt", null, labels.chip(name)),
                h("dd", { dir: "auto" }, definition),
              ]),
            ),
          ]
        : []),
    );
    this.examples.replaceChildren(
      ...(examples.length > 0
        ? [
            h("h3", null, "Examples"),
            h(
              "ul",
              null,
              examples
                .toReversed()
                .map(({ label, text, note }) =>
                  h(
                    "li",
                    null,
                    labels.chip(label),
                    h("q", { dir: "auto" }, text),
                    note && h("p", { class: "soft", dir: "auto" }, note),
                  ),
                ),
            ),
          ]
        : []),
    );
    const latest = versions[0];
    this.versions.textContent = latest
      ? [
          `Version ${latest.version.slice(0, 8)}`,
          new Date(latest.at).toLocaleDateString("en", { day: "numeric", month: "short" }),
          latest.by && `by ${latest.by}`,
          latest.why,
        ]
          .filter(Boolean)
          .join(", ")
      : "";
  }
}

/** Asks what to say about an example, and adds it. */
export function offerExample(app, work, { label, piece }) {
  const whole = work.content.text ?? "";
  const choose = h(
    "select",
    { "aria-label": "Label" },
    app.labels.all.map(({ name }) => h("option", { value: name, selected: name === label }, name)),
  );
  const text = h("textarea", { rows: "3", dir: "auto", "aria-label": "What is shown" });
  text.value = piece || (whole.length <= 400 ? whole : "");
  text.placeholder = "The whole text";
  const note = h("input", {
    type: "text",
    maxlength: "2000",
    dir: "auto",
    placeholder: "What it teaches (may stay empty)",
    "aria-label": "Note",
  });
  const fault = h("p", { class: "alarm", role: "alert" });
  const content = h(
    "form",
    { class: "ask" },
    h("label", null, h("span", null, "It is an example of"), choose),
    h("label", null, h("span", null, "Words"), text),
    h("label", null, h("span", null, "Note"), note),
    fault,
    h("div", { class: "ends" }, h("button", { type: "submit", class: "confirm" }, "Add")),
  );
  const box = openBox("Add an example", content);
  (label === null ? choose : note).focus();
  content.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) content.requestSubmit();
  });
  content.addEventListener("submit", async (event) => {
    event.preventDefault();
    const request = { item: work.item, label: choose.value };
    if (text.value.trim() !== "" && text.value !== whole) request.text = text.value;
    if (note.value.trim() !== "") request.note = note.value.trim();
    try {
      app.guidelines.take(await api.example(request));
      box.close();
      app.toast("Added to the guidelines.");
    } catch (refusal) {
      fault.textContent = [refusal.message, refusal.hint].filter(Boolean).join(". ");
    }
  });
}
