// The page: who works, what is open, what is saved.

import * as api from "./api.js";
import { button, h, svg } from "./dom.js";
import { Desk } from "./desk.js";
import { Guidelines } from "./guidelines.js";
import { HistoryView } from "./history.js";
import { Labels } from "./labels.js";
import { LiveView } from "./live.js";
import { meant, writing } from "./keys.js";
import { Outbox } from "./outbox.js";
import { PeopleView } from "./people.js";
import { chooseQueue } from "./queues.js";
import { SameView } from "./same.js";
import { SavedMark } from "./saved.js";
import { Stopwatch } from "./stopwatch.js";
import { WorkView } from "./work.js";

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
    this.views = {
      history: new HistoryView(this),
      live: new LiveView(this),
      people: new PeopleView(this),
      same: new SameView(this),
    };
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
        h(
          "p",
          null,
          stranger
            ? "This page opens with a personal link. Ask the project's owner for yours, or open it again: it may have been replaced."
            : refusal.message,
        ),
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
    if (view === "work" && first === "same") return this.go("same");
    const shut = { people: this.session.role === "annotate", same: !this.desk.count("same") };
    if (this.views[view] && !shut[view]) {
      this.desk.close();
      this.shown = this.views[view];
      this.main.replaceChildren(this.shown.element);
      this.shown.enter?.(first);
    } else {
      const known = this.session.queues.find(({ name }) => name === first);
      const queue = known ?? this.#firstQueue();
      this.main.replaceChildren(this.work.element, this.guidelines.element);
      this.guidelines.enter();
      this.desk
        .open(queue.name, queue.name === "history" ? argument : null)
        .catch((refusal) => this.work.show(null, refusal.message, refusal.retry));
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
    return (
      queues.find(({ name, remaining }) => !["history", "same"].includes(name) && remaining > 0) ??
      queues.find(({ name }) => name !== "history") ??
      queues[0]
    );
  }

  #header() {
    const { session } = this;
    this.queueButton = button({
      class: "queue",
      "aria-haspopup": "dialog",
      "aria-keyshortcuts": "Q",
      on: { click: () => chooseQueue(this) },
    });
    this.saved = new SavedMark(this.outbox);
    const link = (view, name, key) => h("a", { href: `#${view}`, "data-view": view, "aria-keyshortcuts": key }, name);
    this.progress = h("div", {
      class: "progress",
      role: "progressbar",
      "aria-label": "Done in this queue",
      "aria-valuemin": "0",
    });
    const owns = session.role !== "annotate";
    this.top.replaceChildren(
      h(
        "div",
        { class: "top" },
        h("span", { class: "project", dir: "auto", title: session.project }, session.project),
        this.queueButton,
        h("span", { class: "spread" }),
        this.saved.element,
        h(
          "nav",
          { "aria-label": "Views" },
          link("work", "Work"),
          link("history", "History", "H"),
          link("live", "Live", "L"),
          owns && link("people", session.role === "own" ? "People" : "Export"),
        ),
        button(
          {
            class: "icon",
            "aria-label": "Guidelines",
            title: "Guidelines (G)",
            "aria-keyshortcuts": "G",
            on: { click: () => this.guidelines.toggle() },
          },
          book(),
        ),
        button(
          {
            class: "icon help",
            "aria-label": "All keys",
            title: "All keys (?)",
            on: { click: () => this.work.help() },
          },
          "?",
        ),
      ),
      this.progress,
    );
  }

  #counts() {
    if (!this.queueButton) return;
    const count = this.desk.count(this.desk.queue ?? "");
    const working = this.view === "work" && count;
    const total = count ? count.done + count.remaining : 0;
    this.queueButton.replaceChildren(
      h("b", null, working ? count.title : "Queues"),
      working && count.name !== "history"
        ? h("span", { class: "number" }, `${count.done.toLocaleString("en")} of ${total.toLocaleString("en")}`)
        : "",
      svg(
        "svg",
        { class: "down", viewBox: "0 0 12 12", "aria-hidden": "true" },
        svg("path", { d: "M2.5 4.5L6 8l3.5-3.5" }),
      ),
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
      this.saved?.pulse();
    } else if (what === "refused") {
      this.toast(`Not saved: ${about.refusal.message}`, { alarm: true, act: ["Show", () => this.saved.explain()] });
    }
    this.saved?.draw();
  }

  /** The guidelines' version that is on the screen, if they are. */
  get guidelinesShown() {
    return this.guidelines.version ?? this.session.guidelines;
  }

  toast(message, { alarm = false, act = null } = {}) {
    document.querySelector(".toast")?.remove();
    const toast = h(
      "div",
      { class: `toast${alarm ? " alarm" : ""}`, role: alarm ? "alert" : "status" },
      h("span", null, message),
      act && button({ on: { click: act[1] } }, act[0]),
    );
    document.body.append(toast);
    setTimeout(() => toast.remove(), alarm ? 12_000 : 3_500);
  }

  #key(event) {
    if (event.isComposing || event.defaultPrevented || document.querySelector("dialog[open]")) return;
    if (event.key === "Escape" && document.activeElement instanceof HTMLElement) document.activeElement.blur();
    if (this.view === "work" && this.work.key(event)) {
      event.preventDefault();
      return;
    }
    if (this.shown?.key?.(event)) {
      event.preventDefault();
      return;
    }
    if (writing(event.target) || event.ctrlKey || event.metaKey || event.altKey) return;
    const run = {
      "?": () => this.work.help(),
      q: () => chooseQueue(this),
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
  return svg(
    "svg",
    { class: "line", viewBox: "0 0 20 20", "aria-hidden": "true" },
    svg("path", {
      d: "M10 5.2C8.4 4 6.2 3.6 3.5 3.7v11.6c2.7-.1 4.9.3 6.5 1.5 1.6-1.2 3.8-1.6 6.5-1.5V3.7c-2.7-.1-4.9.3-6.5 1.5zM10 5.2v11.6",
    }),
  );
}

const app = new App();
app.start();
