// The mark that says whether every answer is on the server's disk.

import { button, h, svg } from "./dom.js";
import { openBox } from "./keys.js";

/** Shown only if saving takes longer than this, in milliseconds, so that the mark does not flicker. */
const PATIENCE = 400;

export class SavedMark {
  #outbox;
  #slow = null;

  constructor(outbox) {
    this.#outbox = outbox;
    this.element = button({ class: "saved", on: { click: () => this.explain() } });
    this.draw();
  }

  /** An answer has arrived. */
  pulse() {
    this.element.classList.remove("pulse");
    // Reading a size makes the browser see the class go before it comes again.
    void this.element.offsetWidth;
    this.element.classList.add("pulse");
  }

  draw() {
    const { waiting, trouble, refused } = this.#outbox;
    const mark = this.element;
    clearTimeout(this.#slow);
    const state = refused.length > 0 ? "refused" : trouble ? "trouble" : waiting > 0 ? "sending" : "saved";
    const paint = () => {
      const said = {
        refused: `${refused.length} not saved`,
        trouble: waiting === 0 ? "No connection" : `${waiting} kept here`,
        sending: "Saving",
        saved: "Saved",
      }[state];
      mark.dataset.state = state;
      mark.dataset.waiting = String(waiting);
      mark.setAttribute("aria-label", said);
      mark.replaceChildren(
        svg(
          "svg",
          { class: "tick", viewBox: "0 0 16 16", "aria-hidden": "true" },
          svg("path", {
            d: state === "saved" ? "M3.5 8.5l3 3 6-7" : state === "sending" ? "M8 3v5l3 2" : "M8 3.5v5.5M8 11.8v.7",
          }),
        ),
        h("span", null, said),
      );
    };
    mark.dataset.waiting = String(waiting);
    if (state === "sending" && mark.dataset.state === "saved") this.#slow = setTimeout(paint, PATIENCE);
    else if (mark.dataset.state !== state || state !== "saved") paint();
  }

  /** Says what waits, and what the server will not take. */
  explain() {
    const { waiting, trouble, refused } = this.#outbox;
    const lines = [];
    if (waiting === 0 && refused.length === 0) lines.push(h("p", null, "Every answer is on the server's disk."));
    if (waiting > 0)
      lines.push(
        h(
          "p",
          null,
          `${waiting} ${waiting === 1 ? "answer is" : "answers are"} kept in this browser and will be sent until the server has them, also after this page is closed and opened again.`,
        ),
      );
    if (trouble)
      lines.push(
        h("p", { class: "alarm" }, `${trouble.message}.`),
        trouble.hint && h("p", { class: "soft" }, trouble.hint),
        button({ class: "plain", on: { click: () => this.#outbox.hurry() } }, "Try now"),
      );
    for (const { entry, refusal } of refused) {
      lines.push(
        h(
          "div",
          { class: "refused" },
          h("p", null, h("b", { dir: "auto" }, entry.item), ": ", refusal.message),
          refusal.hint && h("p", { class: "soft" }, refusal.hint),
          h("pre", null, JSON.stringify(entry.request.answer, null, 1)),
        ),
      );
    }
    const box = openBox("Saving", h("div", null, lines));
    if (refused.length > 0) {
      box.addEventListener("close", () => {
        refused.length = 0;
        this.draw();
      });
    }
  }
}
