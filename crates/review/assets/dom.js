// Making elements. Text goes in as text nodes only, so nothing that comes from an item can become markup.

const SVG = "http://www.w3.org/2000/svg";

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "on") {
      for (const [event, listener] of Object.entries(value)) element.addEventListener(event, listener);
    } else if (name === "properties") {
      for (const [property, to] of Object.entries(value)) element.style.setProperty(property, to);
    } else if (name === "value" || name === "checked" || name === "selected" || name === "disabled") {
      element[name] = value;
    } else {
      element.setAttribute(name, value === true ? "" : String(value));
    }
  }
  append(element, children);
  return element;
}

function append(element, children) {
  for (const child of children) {
    if (Array.isArray(child)) append(element, child);
    else if (child !== null && child !== undefined && child !== false) element.append(child);
  }
}

/** Puts these children in place of those that are there; null and false stand for nothing, as in `h`. */
export function refill(element, ...children) {
  element.replaceChildren();
  append(element, children);
}

/** An HTML element: `h("p", { class: "soft" }, "words", child)`. Strings become text. */
export function h(tag, attributes, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

/** The same for drawings. */
export function svg(tag, attributes, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

/** A button that a click does not take the keyboard's focus to, so that Enter goes on meaning "confirm". */
export function button(attributes, ...children) {
  const element = h("button", { type: "button", ...attributes }, ...children);
  element.addEventListener("pointerdown", (event) => event.preventDefault());
  element.addEventListener("mousedown", (event) => event.preventDefault());
  return element;
}

/** A key as it stands on a keyboard. Screen readers hear of keys through `aria-keyshortcuts` instead. */
export function keycap(key) {
  return h("kbd", { "aria-hidden": "true" }, key);
}

/** A message with its `commands` set as such. */
export function prose(message) {
  return message.split("`").map((part, nth) => (nth % 2 === 1 ? h("code", null, part) : part));
}

/** Says something to screen readers. */
export function announce(words) {
  const announcer = document.getElementById("announcer");
  announcer.textContent = "";
  announcer.textContent = words;
}

const ALLOWED = new Set(
  "A B BLOCKQUOTE BR CODE DD DEL DL DT EM H1 H2 H3 H4 H5 H6 HR I LI OL P PRE S STRONG TABLE TBODY TD TH THEAD TR UL".split(
    " ",
  ),
);

/** Markup that the server has rendered, rebuilt from the few elements that words need, without attributes. */
export function words(html) {
  const source = new DOMParser().parseFromString(html, "text/html").body;
  const target = document.createDocumentFragment();
  const copy = (from, to) => {
    for (const node of from.childNodes) {
      if (node.nodeType === Node.TEXT_NODE) to.append(node.data);
      else if (node.nodeType === Node.ELEMENT_NODE && ALLOWED.has(node.tagName)) {
        const element = document.createElement(node.tagName === "A" ? "span" : node.tagName);
        copy(node, element);
        to.append(element);
      } else if (node.nodeType === Node.ELEMENT_NODE) to.append(node.textContent);
    }
  };
  copy(source, target);
  return target;
}
