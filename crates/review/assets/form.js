// A form from a JSON schema: the parts that records are made of. What it does not know is edited as JSON.

import { button, h } from "./dom.js";

/**
 * `value()` reads the record; `set(value)` fills it; `fields` are the plain fields by JSON pointer without its first slash.
 * `changed()` is called on every edit, `focused(field)` when the person enters a field.
 */
export function form(schema, { changed, focused }) {
  const context = { root: schema, changed, focused, fields: new Map() };
  const top = part(schema, "", "", true, context);
  return {
    element: h("div", { class: "form" }, top.element),
    fields: context.fields,
    value: () => top.value(),
    set: (value) => top.set(value ?? undefined),
    /** The first thing that is wrong, as `{ message, field }`, or null. */
    wrong: () => top.wrong(),
  };
}

function resolve(schema, root) {
  let at = schema ?? {};
  for (let hops = 0; at.$ref && hops < 16; hops += 1) {
    const path = at.$ref.startsWith("#/") ? at.$ref.slice(2).split("/") : [];
    at = path.reduce((inner, name) => inner?.[name.replaceAll("~1", "/").replaceAll("~0", "~")], root) ?? {};
  }
  const choices = at.anyOf ?? at.oneOf;
  if (choices) {
    // "This or nothing" is a part that may be left empty.
    const others = choices.filter((one) => one.type !== "null");
    if (others.length === 1)
      return {
        ...at,
        ...resolve(others[0], root),
        anyOf: undefined,
        oneOf: undefined,
        nullable: others.length < choices.length,
      };
  }
  if (Array.isArray(at.type)) {
    const types = at.type.filter((type) => type !== "null");
    return { ...at, type: types.length === 1 ? types[0] : undefined, nullable: types.length < at.type.length };
  }
  return at;
}

function part(given, pointer, name, required, context) {
  const schema = resolve(given, context.root);
  if (schema.enum) return choice(schema, pointer, name, required, context);
  switch (schema.type ?? (schema.properties ? "object" : undefined)) {
    case "object":
      return schema.properties
        ? group(schema, pointer, name, required, context)
        : raw(schema, pointer, name, required, context);
    case "array":
      return several(schema, pointer, name, required, context);
    case "string":
    case "number":
    case "integer":
      return plain(schema, pointer, name, required, context);
    case "boolean":
      return choice({ ...schema, enum: [true, false] }, pointer, name, required, context);
    default:
      return raw(schema, pointer, name, required, context);
  }
}

function escaped(name) {
  return String(name).replaceAll("~", "~0").replaceAll("/", "~1");
}

function below(pointer, name) {
  return pointer === "" ? escaped(name) : `${pointer}/${escaped(name)}`;
}

function titled(schema, name) {
  return schema.title ?? name.replaceAll("_", " ");
}

function group(schema, pointer, name, required, context) {
  const wanted = new Set(schema.required ?? []);
  const parts = Object.entries(schema.properties).map(([inner, given]) => [
    inner,
    part(given, below(pointer, inner), inner, wanted.has(inner), context),
  ]);
  const fields = parts.map(([, { element }]) => element);
  return {
    element:
      name === ""
        ? h("div", { class: "group" }, fields)
        : h(
            "fieldset",
            { class: "group" },
            h("legend", { dir: "auto" }, titled(schema, name)),
            schema.description && h("p", { class: "soft", dir: "auto" }, schema.description),
            fields,
          ),
    value() {
      const value = {};
      for (const [inner, { value: read }] of parts) {
        const found = read();
        if (found !== undefined) value[inner] = found;
      }
      return Object.keys(value).length > 0 || required ? value : undefined;
    },
    set(value) {
      for (const [inner, { set }] of parts) set(value?.[inner]);
    },
    wrong() {
      if (!required && this.value() === undefined) return null;
      for (const [, inner] of parts) {
        const found = inner.wrong();
        if (found) return found;
      }
      return null;
    },
  };
}

/** A labelled field with room for its evidence below. */
function frame(schema, pointer, name, required, input, context) {
  const evidence = h("div", { class: "evidence" });
  const id = `field-${context.fields.size}`;
  input.id = id;
  if (required) input.setAttribute("aria-required", "true");
  const title = h(
    "label",
    { for: id, dir: "auto" },
    titled(schema, name),
    required && h("span", { class: "must", title: "must be there" }, "*"),
  );
  const element = h("div", { class: "field", title: schema.description }, title, input, evidence);
  input.addEventListener("focus", () => context.focused(pointer));
  input.addEventListener("input", () => context.changed());
  const field = { pointer, schema, input, evidence, element };
  context.fields.set(pointer, field);
  return field;
}

function plain(schema, pointer, name, required, context) {
  const number = schema.type !== "string";
  const long = !number && !schema.format && (schema.maxLength ?? 0) > 200;
  const input = long
    ? h("textarea", { rows: "3", dir: "auto" })
    : h("input", {
        type: "text",
        inputmode: number ? "decimal" : null,
        dir: "auto",
        autocomplete: "off",
        spellcheck: "false",
        placeholder: schema.format === "date" ? "2026-01-31" : null,
      });
  const field = frame(schema, pointer, name, required, input, context);
  const read = () => {
    const text = input.value.trim();
    if (text === "") return schema.nullable && required ? null : undefined;
    return number ? numberOf(text) : input.value.trim();
  };
  field.put = (words) => {
    input.value = number ? String(numberOf(words) ?? words) : words;
    context.changed();
  };
  return {
    element: field.element,
    value: () => (Number.isNaN(read()) ? undefined : read()),
    set: (value) => (input.value = value === undefined || value === null ? "" : String(value)),
    wrong() {
      const value = read();
      const title = titled(schema, name);
      const fault = (message) => ({ message, field });
      if (value === undefined) return required ? fault(`${title} must be there.`) : null;
      if (value === null) return null;
      if (number && Number.isNaN(value)) return fault(`${title} is a number.`);
      if (schema.type === "integer" && !Number.isInteger(value)) return fault(`${title} is a whole number.`);
      if (number && schema.minimum !== undefined && value < schema.minimum)
        return fault(`${title} is at least ${schema.minimum}.`);
      if (number && schema.maximum !== undefined && value > schema.maximum)
        return fault(`${title} is at most ${schema.maximum}.`);
      return null;
    },
  };
}

/** "1,200.50", "1 200,5" and "€120" are numbers too. NaN if there is none. */
export function numberOf(words) {
  const found = /-?\d[\d.,'\u00a0\u202f ]*/u.exec(words.replace(/\u2212/g, "-"));
  if (!found) return NaN;
  let digits = found[0].replace(/['\u00a0\u202f ]/gu, "").replace(/[.,]+$/, "");
  const [comma, dot] = [digits.lastIndexOf(","), digits.lastIndexOf(".")];
  if (comma >= 0 && dot >= 0)
    digits = comma > dot ? digits.replaceAll(".", "").replace(",", ".") : digits.replaceAll(",", "");
  else if (comma >= 0)
    digits = /^-?\d{1,3}(,\d{3})+$/.test(digits) ? digits.replaceAll(",", "") : digits.replace(",", ".");
  else if ((digits.match(/\./g) ?? []).length > 1) digits = digits.replaceAll(".", "");
  return Number(digits);
}

function choice(schema, pointer, name, required, context) {
  const values = schema.enum.filter((value) => value !== null);
  const words = (value) => (value === true ? "yes" : value === false ? "no" : String(value));
  const input = h(
    "select",
    null,
    h("option", { value: "" }, required && !schema.nullable ? "choose" : "none"),
    values.map((value, nth) => h("option", { value: String(nth) }, words(value))),
  );
  const field = frame(schema, pointer, name, required, input, context);
  field.put = (text) => {
    const wanted = text.trim().toLocaleLowerCase();
    const nth = values.findIndex((value) => words(value).toLocaleLowerCase() === wanted);
    if (nth >= 0) input.value = String(nth);
    context.changed();
  };
  const nullable = schema.nullable || schema.enum.includes(null);
  return {
    element: field.element,
    value: () => (input.value === "" ? (required && nullable ? null : undefined) : values[Number(input.value)]),
    set(value) {
      const nth = values.indexOf(value);
      input.value = nth < 0 ? "" : String(nth);
    },
    wrong: () =>
      required && !nullable && input.value === "" ? { message: `${titled(schema, name)} must be there.`, field } : null,
  };
}

function several(schema, pointer, name, required, context) {
  const rows = h("div", { class: "rows" });
  let parts = [];
  const add = (value) => {
    const nth = parts.length;
    const inner = part(schema.items ?? {}, below(pointer, nth), `${titled(schema, name)} ${nth + 1}`, false, context);
    inner.set(value);
    parts.push(inner);
    rows.append(h("div", { class: "row" }, inner.element));
  };
  const more = button(
    {
      class: "plain more",
      on: {
        click: () => {
          add(undefined);
          rows.lastChild.querySelector("input, select, textarea")?.focus();
          context.changed();
        },
      },
    },
    `Add to ${titled(schema, name)}`,
  );
  const fewer = button(
    {
      class: "plain more",
      "aria-label": `Remove the last of ${titled(schema, name)}`,
      on: {
        click: () => {
          drop();
          context.changed();
        },
      },
    },
    "Remove last",
  );
  function drop() {
    parts.pop();
    rows.lastChild?.remove();
    const gone = below(pointer, parts.length);
    for (const key of [...context.fields.keys()])
      if (key === gone || key.startsWith(`${gone}/`)) context.fields.delete(key);
  }
  return {
    element: h(
      "fieldset",
      { class: "group list" },
      h("legend", { dir: "auto" }, titled(schema, name)),
      schema.description && h("p", { class: "soft", dir: "auto" }, schema.description),
      rows,
      h("div", { class: "row-acts" }, more, fewer),
    ),
    value() {
      const values = parts.map((inner) => inner.value()).filter((value) => value !== undefined);
      return values.length > 0 || required ? values : undefined;
    },
    set(values) {
      while (parts.length > 0) drop();
      for (const value of Array.isArray(values) ? values : []) add(value);
    },
    wrong() {
      for (const inner of parts) {
        const found = inner.value() === undefined && parts.length > 0 ? inner.wrong() : inner.wrong();
        if (found) return found;
      }
      return null;
    },
  };
}

function raw(schema, pointer, name, required, context) {
  const input = h("textarea", { rows: "3", spellcheck: "false", class: "code" });
  const field = frame(schema, pointer, name, required, input, context);
  field.put = (words) => {
    input.value = JSON.stringify(words);
    context.changed();
  };
  const read = () => {
    try {
      return input.value.trim() === "" ? undefined : JSON.parse(input.value);
    } catch {
      return NaN;
    }
  };
  return {
    element: field.element,
    value: () => (Number.isNaN(read()) ? undefined : read()),
    set: (value) => (input.value = value === undefined ? "" : JSON.stringify(value, null, 1)),
    wrong() {
      const value = read();
      if (Number.isNaN(value)) return { message: `${titled(schema, name)} is written as JSON.`, field };
      return value === undefined && required ? { message: `${titled(schema, name)} must be there.`, field } : null;
    },
  };
}
