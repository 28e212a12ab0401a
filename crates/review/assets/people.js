// Who works here, and how work comes in and goes out.

import * as api from "./api.js";
import { button, h, prose } from "./dom.js";

const ROLES = {
  annotate: "answers, sees own work",
  review: "also decides, sees all answers, exports",
  own: "also people, draws, imports",
};
const FORMATS = [
  ["jsonl", "JSON lines"],
  ["csv", "CSV"],
  ["label-studio", "Label Studio"],
  ["doccano", "doccano"],
  ["prodigy", "Prodigy"],
];

export class PeopleView {
  #app;

  constructor(app) {
    this.#app = app;
    const owner = app.session.role === "own";
    this.list = h("tbody");
    this.made = h("div", { class: "made", role: "status" });
    this.element = h(
      "div",
      { class: "page" },
      h("header", { class: "page-head" }, h("h1", null, owner ? "People" : "Export")),
      owner && this.#inviting(),
      owner && this.made,
      owner &&
        h(
          "div",
          { class: "table" },
          h(
            "table",
            { class: "people" },
            h(
              "thead",
              null,
              h(
                "tr",
                null,
                ["Name", "Role", "Link made", "Last seen", ""].map((name) => h("th", { scope: "col" }, name)),
              ),
            ),
            this.list,
          ),
        ),
      this.#exporting(),
      owner && this.#importing(),
    );
  }

  enter() {
    if (this.#app.session.role === "own") this.#load();
  }

  async #load() {
    try {
      const people = await api.people();
      this.list.replaceChildren(...people.map((one) => this.#row(one)));
      if (people.length === 0)
        this.list.append(
          h("tr", null, h("td", { colspan: "5", class: "soft" }, "Nobody has a link yet. You work here without one.")),
        );
    } catch (refusal) {
      this.#app.toast(refusal.message, { alarm: true });
    }
  }

  #row({ name, role, made, revoked, seen }) {
    const date = (at) =>
      at ? new Date(at).toLocaleDateString("en", { day: "numeric", month: "short", year: "numeric" }) : "never";
    const end = button({ class: "plain", on: { click: () => this.#revoke(name, end) } }, "Take away");
    return h(
      "tr",
      { class: revoked ? "gone" : "" },
      h("th", { scope: "row", dir: "auto" }, name),
      h("td", null, role),
      h("td", null, date(made)),
      h("td", null, date(seen)),
      h("td", null, revoked ? h("span", { class: "soft" }, "taken away") : end),
    );
  }

  async #revoke(name, end) {
    if (end.dataset.sure !== "yes") {
      end.dataset.sure = "yes";
      end.textContent = "Really?";
      setTimeout(() => {
        end.dataset.sure = "";
        end.textContent = "Take away";
      }, 4000);
      return;
    }
    try {
      await api.revoke(name);
    } catch (refusal) {
      this.#app.toast(refusal.message, { alarm: true });
    }
    this.#load();
  }

  #inviting() {
    const name = h("input", { type: "text", required: true, maxlength: "80", autocomplete: "off" });
    const role = h(
      "select",
      null,
      Object.keys(ROLES).map((one) => h("option", { value: one }, one)),
    );
    const about = h("p", { class: "soft" }, ROLES.annotate);
    role.addEventListener("change", () => (about.textContent = ROLES[role.value]));
    const form = h(
      "form",
      { class: "line-form" },
      h("label", null, h("span", null, "Name"), name),
      h("label", null, h("span", null, "Role"), role),
      h("button", { type: "submit", class: "confirm" }, "Make a link"),
      about,
    );
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      try {
        const made = await api.invite(name.value.trim(), role.value);
        const link = new URL(made.link, location.href).href;
        const field = h("input", { type: "text", readonly: true, value: link, "aria-label": `Link of ${made.name}` });
        const copy = button(
          {
            class: "plain",
            on: {
              click: async () => {
                field.select();
                try {
                  await navigator.clipboard.writeText(link);
                } catch {
                  document.execCommand("copy");
                }
                this.#app.toast("Copied.");
              },
            },
          },
          "Copy",
        );
        this.made.replaceChildren(
          h(
            "p",
            null,
            "The link of ",
            h("b", { dir: "auto" }, made.name),
            ". It is shown here once: whoever opens it works under this name.",
          ),
          h("div", { class: "link" }, field, copy),
        );
        name.value = "";
        this.#load();
      } catch (refusal) {
        this.#app.toast(refusal.message, { alarm: true });
      }
    });
    return form;
  }

  #exporting() {
    return h(
      "section",
      null,
      h("h2", null, "Export"),
      h("p", { class: "soft" }, "What people said, one answer per person and item."),
      h(
        "p",
        { class: "downloads" },
        FORMATS.map(([format, name]) =>
          h("a", { class: "plain", href: `/api/export?format=${format}`, download: "" }, name),
        ),
      ),
    );
  }

  #importing() {
    const file = h("input", { type: "file", accept: ".json,.jsonl,.ndjson,.txt", required: true });
    const format = h(
      "select",
      null,
      [["auto", "Find out"], ...FORMATS.filter(([name]) => name !== "csv")].map(([value, name]) =>
        h("option", { value }, name),
      ),
    );
    const person = h("input", { type: "text", maxlength: "80", placeholder: "if the file does not say" });
    const result = h("div", { role: "status" });
    const form = h(
      "form",
      { class: "line-form" },
      h("label", null, h("span", null, "File"), file),
      h("label", null, h("span", null, "From"), format),
      h("label", null, h("span", null, "Answers of"), person),
      h("button", { type: "submit", class: "confirm" }, "Take over"),
    );
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      result.replaceChildren(h("p", { class: "soft" }, "Reading…"));
      try {
        const taken = await api.takeOver(format.value, person.value.trim(), file.files[0]);
        const counts = [
          `${taken.answers} ${taken.answers === 1 ? "answer" : "answers"} taken over`,
          taken.people.length > 0 && `of ${taken.people.join(", ")}`,
          taken.known > 0 && `${taken.known} there already`,
          taken.blank > 0 && `${taken.blank} without an answer`,
          taken.unmatched > 0 && `${taken.unmatched} about no item of this project`,
          taken.refused > 0 && `${taken.refused} not fitting the task`,
        ];
        // The first is always there.
        const nothing = taken.answers === 0 && counts.filter(Boolean).length === 1;
        result.replaceChildren(
          h("p", null, nothing ? "The file holds no answers." : `${counts.filter(Boolean).join("; ")}.`),
          (taken.remarks.length > 0 &&
            h(
              "ul",
              { class: "soft" },
              taken.remarks.map((remark) => h("li", null, prose(remark))),
            )) ||
            "",
        );
      } catch (refusal) {
        result.replaceChildren(h("p", { class: "alarm" }, [refusal.message, refusal.hint].filter(Boolean).join(". ")));
      }
    });
    return h(
      "section",
      null,
      h("h2", null, "Import"),
      h(
        "p",
        { class: "soft" },
        "People's answers from Label Studio, doccano, Prodigy or JSON lines. Doing it again changes nothing.",
      ),
      form,
      result,
    );
  }
}
