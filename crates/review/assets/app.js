// The page: who works, what is open, what is saved.

import * as api from "./api.js";
import { button, h, keycap, svg } from "./dom.js";
import { Desk } from "./desk.js";
import { Guidelines } from "./guidelines.js";
import { HistoryView } from "./history.js";
import { Labels } from "./labels.js";
import { LiveView } from "./live.js";
import { meant, openBox, writing } from "./keys.js";
import { Outbox } from "./outbox.js";
import { PeopleView } from "./people.js";
import { Stopwatch } from "./stopwatch.js";
import { WorkView } from "./work.js";

/** Shown only if saving takes longer than this, so that the mark does not flicker. */
const PATIENCE = 400;

class App {
  async start() {
    this.main = document.getElementById("main");
    this.top = document.getElementById("top");
    try {
      this.session = await api.session();
    } catch (refusal) {
      this.#refused(refusal);
      return;
    }
    const { session } = this;
    document.title = `${session.project} · Postil`;
    this.labels = new Labels(session.task.labels);
    this.stopwatch = new Stopwatch(session.settings.idle_seconds);
    this.outbox = new Outbox((what, about) => this.#told(what, about));
    this.desk = new Desk({
      session,
      outbox: this.outbox,
      stopwatch: this.stopwatch,
      show: (work, empty, failed) => this.work.show(work, empty, failed),
      counted: () => this.#counts(),
    });
    this.work = new WorkView(this);
    this.guidelines = new Guidelines(this);
    this.views = { history: new HistoryView(this), live: new LiveView(this), people: new PeopleView(this) };
    this.#header();
    addEventListener("keydown", (event) => this.#key(event));
    addEventListener("hashchange", () => this.#route());
    await this.outbox.open(`${session.project_id ?? session.project}:${session.person}`);
    this.#route();
  }

  #refused(refusal) {
    const stranger = refusal.status === 401;
    this.main.replaceChildren(
      h(
        "div",
        { class: "empty page" },
        h("h1", null, stranger ? "A link is needed" : "The server does not answer"),
        h("p", null, stranger ? "This page opens with a personal link. Ask the project's owner for yours, or open it again: it may have been replaced." : refusal.message),
        refusal.hint && h("p", { class: "soft" }, refusal.hint),
        button({ class: "plain", on: { click: () => location.reload() } }, "Try again"),
      ),
    );
  }

  go(where) {
    if (location.hash === `#${where}`) this.#route();
    else location.hash = where;
  }

  #route() {
    const [view, first, ...rest] = location.hash.slice(1).split("/");
    const argument = rest.length > 0 ? decodeURIComponent(rest.join("/")) : null;
    this.shown?.leave?.();
    this.shown = null;
    if (this.views[view] && !(view === "people" && this.session.role === "annotate")) {
      this.desk.close();
      this.shown = this.views[view];
      this.main.replaceChildren(this.shown.element);
      this.shown.enter?.(first);
    } else {
      const known = this.session.queues.find(({ name }) => name === first);
      const queue = known ?? this.#firstQueue();
      this.main.replaceChildren(this.work.element, this.guidelines.element);
      this.guidelines.enter();
      this.desk.open(queue.name, queue.name === "history" ? argument : null).catch((refusal) => this.work.show(null, refusal.message, refusal.retry));
      if (queue.name === "history" && argument === null) return this.go("history");
    }
    this.view = this.shown ? view : "work";
    this.#counts();
    for (const link of this.top.querySelectorAll("a[data-view]")) {
      if (link.dataset.view === this.view) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    }
    document.body.dataset.view = this.view;
    return undefined;
  }

  #firstQueue() {
    const { queues } = this.session;
    return queues.find(({ name, remaining }) => name !== "history" && remaining > 0) ?? queues.find(({ name }) => name !== "history") ?? queues[0];
  }

  #header() {
    const { session } = this;
    this.queueButton = button({ class: "queue", "aria-haspopup": "dialog", "aria-keyshortcuts": "Q", on: { click: () => this.chooseQueue() } });
    this.savedMark = button({ class: "saved", on: { click: () => this.#explainSaved() } });
    const link = (view, name, key) => h("a", { href: `#${view}`, "data-view": view, "aria-keyshortcuts": key }, name);
    this.progress = h("div", { class: "progress", role: "progressbar", "aria-label": "Done in this queue", "aria-valuemin": "0" });
    const owns = session.role !== "annotate";
    this.top.replaceChildren(
      h(
        "div",
        { class: "top" },
        h("span", { class: "project", dir: "auto", title: session.project }, session.project),
        this.queueButton,
        h("span", { class: "spread" }),
        this.savedMark,
        h("nav", { "aria-label": "Views" }, link("work", "Work"), link("history", "History", "H"), link("live", "Live", "L"), owns && link("people", session.role === "own" ? "People" : "Export")),
        button({ class: "icon", "aria-label": "Guidelines", title: "Guidelines (G)", "aria-keyshortcuts": "G", on: { click: () => this.guidelines.toggle() } }, book()),
        button({ class: "icon help", "aria-label": "All keys", title: "All keys (?)", on: { click: () => this.work.help() } }, "?"),
      ),
      this.progress,
    );
    this.#savedState();
  }

  #counts() {
    if (!this.queueButton) return;
    const count = this.desk.count(this.desk.queue ?? "");
    const working = this.view === "work" && count;
    const total = count ? count.done + count.remaining : 0;
    this.queueButton.replaceChildren(
      h("b", null, working ? count.title : "Queues"),
      working && count.name !== "history" ? h("span", { class: "number" }, `${count.done.toLocaleString("en")} of ${total.toLocaleString("en")}`) : "",
      svg("svg", { class: "down", viewBox: "0 0 12 12", "aria-hidden": "true" }, svg("path", { d: "M2.5 4.5L6 8l3.5-3.5" })),
    );
    const share = working && total > 0 ? count.done / total : 0;
    this.progress.style.setProperty("--share", String(share));
    this.progress.setAttribute("aria-valuemax", String(total));
    this.progress.setAttribute("aria-valuenow", String(count?.done ?? 0));
    this.progress.classList.toggle("off", !working);
    if (this.work) this.work.undoButton.disabled = this.desk.undoable === 0;
  }

  #told(what, about) {
    if (what === "saved") {
      if (this.outbox.waiting === 0) {
        this.desk.recount(about.reply.queues);
        this.desk.undoable = about.reply.undo;
        this.#counts();
      }
      this.savedMark?.classList.remove("pulse");
      // Reading a size makes the browser see the class go before it comes again.
      void this.savedMark?.offsetWidth;
      this.savedMark?.classList.add("pulse");
      this.views?.history.stale?.();
    } else if (what === "refused") {
      this.toast(`Not saved: ${about.refusal.message}`, { alarm: true, act: ["Show", () => this.#explainSaved()] });
    }
    this.#savedState();
  }

  #savedState() {
    const { waiting, trouble, refused } = this.outbox;
    const mark = this.savedMark;
    if (!mark) return;
    clearTimeout(this.slow);
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
        svg("svg", { class: "tick", viewBox: "0 0 16 16", "aria-hidden": "true" }, svg("path", { d: state === "saved" ? "M3.5 8.5l3 3 6-7" : state === "sending" ? "M8 3v5l3 2" : "M8 3.5v5.5M8 11.8v.7" })),
        h("span", null, said),
      );
    };
    mark.dataset.waiting = String(waiting);
    if (state === "sending" && mark.dataset.state === "saved") this.slow = setTimeout(paint, PATIENCE);
    else if (mark.dataset.state !== state || state !== "saved") paint();
  }

  #explainSaved() {
    const { waiting, trouble, refused } = this.outbox;
    const lines = [];
    if (waiting === 0 && refused.length === 0) lines.push(h("p", null, "Every answer is on the server's disk."));
    if (waiting > 0)
      lines.push(h("p", null, `${waiting} ${waiting === 1 ? "answer is" : "answers are"} kept in this browser and will be sent until the server has them, also after this page is closed and opened again.`));
    if (trouble) lines.push(h("p", { class: "alarm" }, `${trouble.message}.`), trouble.hint && h("p", { class: "soft" }, trouble.hint), button({ class: "plain", on: { click: () => this.outbox.hurry() } }, "Try now"));
    for (const { entry, refusal } of refused) {
      lines.push(h("div", { class: "refused" }, h("p", null, h("b", { dir: "auto" }, entry.item), ": ", refusal.message), refusal.hint && h("p", { class: "soft" }, refusal.hint), h("pre", null, JSON.stringify(entry.request.answer, null, 1))));
    }
    const box = openBox("Saving", h("div", null, lines));
    if (refused.length > 0) {
      box.addEventListener("close", () => {
        refused.length = 0;
        this.#savedState();
      });
    }
  }

  chooseQueue() {
    const { queues } = this.session;
    const box = openBox(
      "Queues",
      h(
        "ol",
        { class: "queues" },
        queues.map(({ name, title, about, remaining, done, empty }, nth) =>
          h(
            "li",
            null,
            h(
              "a",
              {
                href: name === "history" ? "#history" : `#work/${name}`,
                class: remaining === 0 && name !== "history" ? "bare" : null,
                "aria-current": this.view === "work" && name === this.desk.queue ? "true" : null,
                on: { click: () => box.close() },
              },
              keycap(String(nth + 1)),
              h("span", { class: "title" }, h("b", null, title), h("span", { class: "soft" }, remaining === 0 && empty && name !== "history" ? empty : about)),
              h("span", { class: "number" }, name === "history" ? done.toLocaleString("en") : remaining.toLocaleString("en")),
            ),
          ),
        ),
      ),
      { className: "menu" },
    );
    // On a phone the top line has no room for the other pages.
    const elsewhere = [...this.top.querySelectorAll("nav a")].map((link) => h("a", { href: link.getAttribute("href"), on: { click: () => box.close() } }, link.textContent));
    box.append(h("p", { class: "elsewhere" }, elsewhere));
    box.addEventListener("keydown", (event) => {
      const key = meant(event);
      if (/^[1-9]$/.test(key) && queues[key - 1]) {
        event.preventDefault();
        box.querySelectorAll("a")[key - 1].click();
      } else if (key === "ArrowDown" || key === "ArrowUp") {
        event.preventDefault();
        const links = [...box.querySelectorAll("a")];
        const at = links.indexOf(document.activeElement);
        links[(at + (key === "ArrowDown" ? 1 : links.length - 1)) % links.length]?.focus();
      }
    });
    box.querySelector("a[aria-current]")?.focus();
    // Counts of the other queues change while others work.
    api.session().then((session) => this.desk.recount(session.queues), () => {});
  }

  drawing() {
    const field = h("input", { type: "number", min: "1", value: "100", "aria-label": "How many items" });
    const form = h("form", { class: "drawing" }, h("span", null, "Draw"), field, h("span", null, "items at random"), h("button", { type: "submit", class: "plain" }, "Draw"));
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      try {
        const { drawn, queues } = await api.draw(Number(field.value));
        this.desk.recount(queues);
        this.toast(`${drawn} items drawn.`);
        this.go("work/gold");
      } catch (refusal) {
        this.toast(refusal.message, { alarm: true });
      }
    });
    return form;
  }

  /** The guidelines' version that is on the screen, if they are. */
  get guidelinesShown() {
    return this.guidelines.version ?? this.session.guidelines;
  }

  toast(message, { alarm = false, act = null } = {}) {
    document.querySelector(".toast")?.remove();
    const toast = h("div", { class: `toast${alarm ? " alarm" : ""}`, role: alarm ? "alert" : "status" }, h("span", null, message), act && button({ on: { click: act[1] } }, act[0]));
    document.body.append(toast);
    setTimeout(() => toast.remove(), alarm ? 12_000 : 3_500);
  }

  #key(event) {
    if (event.isComposing || event.defaultPrevented || document.querySelector("dialog[open]")) return;
    if (event.key === "Escape" && document.activeElement instanceof HTMLElement && !this.work.editor?.keepsFocus) document.activeElement.blur();
    if (this.view === "work" && this.work.key(event)) {
      event.preventDefault();
      return;
    }
    if (writing(event.target) || event.ctrlKey || event.metaKey || event.altKey) return;
    const run = {
      "?": () => this.work.help(),
      q: () => this.chooseQueue(),
      g: () => this.guidelines.toggle(),
      h: () => this.go("history"),
      l: () => this.go("live"),
      w: () => this.go(`work/${this.desk.queue ?? ""}`),
    }[meant(event)];
    if (!run) return;
    event.preventDefault();
    run();
  }
}

function book() {
  return svg("svg", { class: "line", viewBox: "0 0 20 20", "aria-hidden": "true" }, svg("path", { d: "M10 5.2C8.4 4 6.2 3.6 3.5 3.7v11.6c2.7-.1 4.9.3 6.5 1.5 1.6-1.2 3.8-1.6 6.5-1.5V3.7c-2.7-.1-4.9.3-6.5 1.5zM10 5.2v11.6" }));
}

const app = new App();
app.start();
