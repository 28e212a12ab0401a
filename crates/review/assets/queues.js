// Which queue is worked on, and how blind gold is drawn.

import * as api from "./api.js";
import { h, keycap, prose } from "./dom.js";
import { meant, openBox } from "./keys.js";

/** Offers the queues; digits and arrows choose. */
export function chooseQueue(app) {
  const { queues } = app.session;
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
              href: name === "history" || name === "same" ? `#${name}` : `#work/${name}`,
              class: remaining === 0 && name !== "history" ? "bare" : null,
              "aria-current": app.view === "work" && name === app.desk.queue ? "true" : null,
              on: { click: () => box.close() },
            },
            keycap(String(nth + 1)),
            h(
              "span",
              { class: "title" },
              h("b", null, title),
              h("span", { class: "soft" }, prose(remaining === 0 && empty && name !== "history" ? empty : about)),
            ),
            h(
              "span",
              { class: "number" },
              name === "history" ? done.toLocaleString("en") : remaining.toLocaleString("en"),
            ),
          ),
        ),
      ),
    ),
    { className: "menu" },
  );
  // On a phone the top line has no room for the other pages.
  const elsewhere = [...app.top.querySelectorAll("nav a")].map((link) =>
    h("a", { href: link.getAttribute("href"), on: { click: () => box.close() } }, link.textContent),
  );
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
  api.session().then(
    (session) => app.desk.recount(session.queues),
    () => {},
  );
}

/** What draws blind gold, for the owner. */
export function drawing(app) {
  const usual = String(Math.min(100, app.session.items || 100));
  const field = h("input", { type: "number", min: "1", value: usual, "aria-label": "How many items" });
  const form = h(
    "form",
    { class: "drawing" },
    h("span", null, "Draw"),
    field,
    h("span", null, "items at random"),
    h("button", { type: "submit", class: "plain" }, "Draw"),
  );
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    try {
      const { drawn, queues } = await api.draw(Number(field.value));
      app.desk.recount(queues);
      app.toast(`${drawn} items drawn.`);
      app.go("work/gold");
    } catch (refusal) {
      app.toast(refusal.message, { alarm: true });
    }
  });
  return form;
}
