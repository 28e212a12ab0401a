// How the work goes, while it goes.

import { h, prose } from "./dom.js";
import { curve, interval, sparkline } from "./chart.js";
import { percent } from "./labels.js";

export class LiveView {
  #app;
  #stream = null;

  constructor(app) {
    this.#app = app;
    this.body = h("div", { class: "live" });
    this.element = h(
      "div",
      { class: "page" },
      h(
        "header",
        { class: "page-head" },
        h("h1", null, "How the work goes"),
        (this.pulse = h("span", { class: "soft pulse-mark", role: "status" })),
      ),
      this.body,
    );
  }

  enter() {
    this.#stream = new EventSource("/api/live");
    this.#stream.addEventListener("live", (event) => this.#draw(JSON.parse(event.data)));
    this.#stream.addEventListener("error", () => (this.pulse.textContent = "waiting for the server"));
    this.#stream.addEventListener("open", () => (this.pulse.textContent = ""));
  }

  leave() {
    this.#stream?.close();
    this.#stream = null;
  }

  #draw(live) {
    const titles = new Map(this.#app.session.queues.map(({ name, title }) => [name, title]));
    const share = live.items > 0 ? live.answered / live.items : 0;
    const queues = live.queues.filter(({ name, done, remaining }) => name !== "history" && done + remaining > 0);
    this.body.replaceChildren(
      h(
        "section",
        { class: "figures" },
        block(
          "Answered by people",
          h("p", { class: "big" }, live.answered.toLocaleString("en")),
          h("p", { class: "soft" }, `of ${live.items.toLocaleString("en")} items`),
          bar(share),
        ),
        this.#budget(live.budget),
        block(
          "Agreement between people",
          figure(live.agreement, (value) => value.toFixed(2).replace("-", "\u2212")),
        ),
        block("The last run against blind gold", figure(live.quality, percent, live.quality_name)),
      ),
      h(
        "section",
        null,
        h("h2", null, "Queues"),
        h(
          "ul",
          { class: "bars" },
          queues.map(({ name, done, remaining }) =>
            h(
              "li",
              null,
              h("span", null, titles.get(name) ?? name),
              bar(done / (done + remaining)),
              h(
                "span",
                { class: "number" },
                `${done.toLocaleString("en")} of ${(done + remaining).toLocaleString("en")}`,
              ),
            ),
          ),
        ),
      ),
      this.#people(live.people),
      this.#curve(live),
      this.#anchoring(live.anchoring),
    );
  }

  #budget({ person_minutes, spent_minutes, left_minutes, money, spent_money }) {
    const minutes = (value) =>
      value >= 100 ? `${(value / 60).toFixed(1)} h` : `${value.toFixed(value < 10 ? 1 : 0)} min`;
    return block(
      "Time",
      h("p", { class: "big" }, minutes(spent_minutes ?? 0)),
      h(
        "p",
        { class: "soft" },
        typeof left_minutes === "number"
          ? `${minutes(Math.max(0, left_minutes))} left of ${minutes(person_minutes)}`
          : "no limit was set",
      ),
      typeof person_minutes === "number" && person_minutes > 0 && bar(Math.min(1, spent_minutes / person_minutes)),
      (spent_money > 0 || typeof money === "number") &&
        h(
          "p",
          { class: "soft" },
          `${(spent_money ?? 0).toFixed(2)} spent on models${typeof money === "number" ? ` of ${money.toFixed(2)}` : ""}`,
        ),
    );
  }

  #people(people) {
    if (people.length === 0)
      return h("section", null, h("h2", null, "People"), h("p", { class: "soft" }, "Nobody has answered yet."));
    const cell = (value, digits = 0) =>
      typeof value === "number"
        ? value.toLocaleString("en", { maximumFractionDigits: digits, minimumFractionDigits: digits })
        : "";
    return h(
      "section",
      null,
      h("h2", null, "People"),
      h(
        "div",
        { class: "table", tabindex: "0" },
        h(
          "table",
          null,
          h(
            "thead",
            null,
            h(
              "tr",
              null,
              [
                "Name",
                "Answers",
                "Skipped",
                "Flagged",
                "Per hour",
                "Seconds each",
                "Actions each",
                "Last half hour",
              ].map((name) => h("th", { scope: "col" }, name)),
            ),
          ),
          h(
            "tbody",
            null,
            people.map((one) =>
              h(
                "tr",
                null,
                h("th", { scope: "row", dir: "auto" }, one.name),
                h("td", null, cell(one.answers)),
                h("td", null, cell(one.skipped)),
                h("td", null, cell(one.flagged)),
                h("td", null, cell(one.per_hour)),
                h("td", null, cell(one.median_seconds, 1)),
                h("td", null, cell(one.actions_per_answer, 1)),
                h("td", null, sparkline(one.recent)),
              ),
            ),
          ),
        ),
      ),
    );
  }

  #curve({ curve: points, training }) {
    const state = {
      off: "no model is trained beside the work",
      waiting: `the order of doubt rests on ${training.labels.toLocaleString("en")} answers`,
      training: "a model is being trained on the newest answers",
    }[training.state];
    const known = points.filter(({ accuracy }) => accuracy.state === "known");
    return h(
      "section",
      null,
      h("h2", null, "What a model has learned"),
      known.length > 0
        ? curve(known, training.measure)
        : h("p", { class: "soft" }, points.at(-1)?.accuracy.reason ?? "Not enough answers yet."),
      h(
        "p",
        { class: "soft" },
        `${state}.`.replace(/^./, (first) => first.toUpperCase()),
      ),
    );
  }

  #anchoring({ blind, assisted, difference }) {
    const rows = [
      ["Without seeing it", blind],
      ["With it on the screen", assisted],
    ];
    const unknown = blind.state !== "known" && assisted.state !== "known";
    return h(
      "section",
      null,
      h("h2", null, "Anchoring"),
      h(
        "p",
        { class: "lead" },
        "How often people agree with the suggestion. If they do so more often when they see it, it pulls them.",
      ),
      unknown
        ? h("p", { class: "soft" }, prose(sentence(difference.reason ?? blind.reason)))
        : h(
            "div",
            { class: "intervals" },
            rows.map(([name, one]) =>
              h(
                "div",
                null,
                h("span", null, name),
                one.state === "known" ? interval(one) : h("span", { class: "soft" }, one.reason),
                h("span", { class: "number" }, one.state === "known" ? percent(one.value) : ""),
              ),
            ),
          ),
      difference.state === "known" &&
        h(
          "p",
          null,
          `Difference ${points(difference.value)} (${points(difference.low)} to ${points(difference.high)}), from ${difference.basis}.`,
        ),
    );
  }
}

function points(share) {
  const value = Math.round(share * 100);
  return `${value > 0 ? "+" : value < 0 ? "−" : ""}${Math.abs(value)} points`;
}

function sentence(words) {
  return words ? `${words.charAt(0).toUpperCase()}${words.slice(1)}.`.replace(/\.\.$/, ".") : "";
}

function block(title, ...content) {
  return h("div", { class: "figure" }, h("h3", null, title), content);
}

function bar(share) {
  return h("span", {
    class: "bar",
    role: "img",
    "aria-label": percent(share),
    properties: { "--share": String(share) },
  });
}

function figure(one, words, name) {
  if (one.state !== "known")
    return h(
      "div",
      null,
      h("p", { class: "big unknown" }, "Not yet"),
      h("p", { class: "soft" }, prose(sentence(one.reason))),
    );
  return h(
    "div",
    null,
    h(
      "p",
      { class: "big" },
      words(one.value),
      h("span", { class: "range" }, `${words(one.low)} to ${words(one.high)}`),
    ),
    h("p", { class: "soft" }, `${[name, one.basis].filter(Boolean).join(": ")}, ${percent(one.level)} interval`),
  );
}
