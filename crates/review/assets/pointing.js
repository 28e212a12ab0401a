// Selecting pieces of a text by mouse, finger and keys: a range that snaps to words, a walk over words, and handles at the
// ends of a span.

import { h } from "./dom.js";

const SLIP = 4; // Pixels a pointer may move in a click.

export class Pointing {
  #reader;
  #on;
  #anchor = null; // The word a widened selection began with.
  #focus = null; // The word it has reached.
  #down = null;
  #handles;

  /** What is selected, in UTF-16 places, or the word the keys stand on. */
  range = null;

  /**
   * `on.words`: whether a click takes a word. `on.pressed()`, `on.selected(range)`, `on.clicked(place, mark)` (true if it meant a mark), `on.moved()`,
   * `on.resized(edge, place)`.
   */
  constructor(reader, on) {
    this.#reader = reader;
    this.#on = on;
    const { element } = reader;
    element.addEventListener("mousedown", (event) => this.#pressed(event));
    element.addEventListener("pointerdown", (event) => (this.#touch = event.pointerType === "touch"));
    element.addEventListener("click", (event) => this.#touch && this.#clicked(event, event.target));
    const move = (event) => this.#dragged(event);
    const up = (event) => this.#released(event);
    element.addEventListener("mousedown", () => {
      // A drag may leave the text, so it is followed over the whole page.
      document.addEventListener("mousemove", move);
      document.addEventListener(
        "mouseup",
        (event) => {
          document.removeEventListener("mousemove", move);
          up(event);
        },
        { once: true },
      );
    });
    const copy = (event) => (element.isConnected ? this.#copy(event) : document.removeEventListener("copy", copy));
    document.addEventListener("copy", copy);
    this.#handles = ["start", "end"].map((edge) => this.#handle(edge));
    element.append(...this.#handles);
  }

  /** The mouse is followed here rather than by the browser's own selection: whole words light up while it moves. */
  #pressed(event) {
    this.#down = null;
    if (event.button !== 0 || this.#touch) return;
    event.preventDefault();
    getSelection().removeAllRanges();
    this.#on.pressed?.();
    const under = this.#under(event.clientX, event.clientY);
    this.#down = { x: event.clientX, y: event.clientY, under, target: event.target, moved: false };
    if (event.detail === 2 && under) {
      this.#down.moved = true;
      this.#extend(under, event);
    }
  }

  #dragged(event) {
    const down = this.#down;
    if (!down) return;
    down.moved ||= Math.hypot(event.clientX - down.x, event.clientY - down.y) > SLIP;
    if (!down.moved) return;
    const frame = this.#reader.element.closest(".scroll");
    const edges = frame?.getBoundingClientRect();
    if (edges && event.clientY > edges.bottom - 12) frame.scrollBy(0, 24);
    if (edges && event.clientY < edges.top + 12) frame.scrollBy(0, -24);
    const under = this.#under(event.clientX, event.clientY);
    down.under ??= under;
    if (under) this.#extend(under, event);
  }

  #extend(under, event) {
    const from = this.#down.under;
    const range = this.#reader.snap(Math.min(from.start, under.start), Math.max(from.end, under.end), event.altKey);
    if (!range || (range.start === this.range?.start && range.end === this.range?.end && this.#down.ranged)) return;
    this.#down.ranged = true;
    this.range = range;
    this.#anchor = this.#focus = null;
    this.#on.moved();
  }

  #released(event) {
    const down = this.#down;
    this.#down = null;
    if (!down) return;
    if (down.moved) {
      if (!down.ranged || !this.range) return;
      this.#at = this.range.end;
      this.#on.selected(this.range);
    } else {
      this.#clicked(event, down.target);
    }
  }

  #clicked(event, target) {
    const mark = target.dataset?.mark;
    const under = this.#under(event.clientX, event.clientY);
    if (this.#on.clicked(under?.start ?? -1, mark === undefined ? null : Number(mark))) return;
    const word = this.#on.words && under?.over ? this.#reader.snap(under.start, under.end) : null;
    this.clear();
    if (under) this.#at = under.start;
    this.range = word;
    if (word) this.#on.selected(word);
    else this.#on.moved();
  }

  /** The sign under a point of the screen, or the nearest in its line. */
  #under(x, y) {
    const reader = this.#reader;
    const place = reader.placeAt(x, y);
    if (place === null) return null;
    // The place is the gap next to the point: the sign is on either side of it, or neither if the point is beside the line.
    const shows = (start, end) =>
      reader.rectangles(start, end).some((box) => box.left <= x && x <= box.right && box.top <= y && y <= box.bottom);
    if (place > 0 && shows(place - 1, place)) return { start: place - 1, end: place, over: true };
    const [start, end] = [Math.min(place, reader.text.length - 1), Math.min(place + 1, reader.text.length)];
    return { start, end, over: shows(start, end) };
  }

  #copy(event) {
    if (!this.range || !getSelection().isCollapsed) return;
    event.clipboardData.setData("text/plain", this.#reader.text.slice(this.range.start, this.range.end));
    event.preventDefault();
  }

  #touch = false;
  #at = null;

  /** The selection, for a label to take; on a touch screen the browser's own, which has no end to wait for. */
  take() {
    const raw = this.#reader.selected();
    if (raw) {
      const range = this.#reader.snap(raw.start, raw.end);
      getSelection().removeAllRanges();
      return range;
    }
    return this.range;
  }

  get place() {
    return this.range?.start ?? this.#at;
  }

  clear() {
    this.range = null;
    this.#anchor = this.#focus = null;
  }

  /** A span was made that ends here: the walk goes on after it. */
  passed(place) {
    const walking = this.#focus !== null;
    this.clear();
    this.#at = place;
    if (walking) {
      const next = this.#reader.tokenAfter(place);
      if (next) this.#stand(next);
    }
  }

  /** Puts the walk on the word at a place. */
  stand(place) {
    const word = this.#reader.tokenNear(place);
    if (word) this.#stand(word);
  }

  #stand(word) {
    this.#anchor = this.#focus = word;
    this.range = word;
    this.#at = word.start;
  }

  /** Walks by a word or a line; `widen` keeps where the selection began. `from`: a span that was active. */
  walk(arrow, widen, from = null) {
    const reader = this.#reader;
    if (!this.#focus) {
      const begin = from ?? this.range;
      if (begin && widen) {
        this.#anchor = reader.tokenNear(begin.start);
        this.#focus = reader.tokenNear(begin.end - 1);
      } else if (begin) {
        this.#focus = reader.tokenNear(begin.start);
      } else {
        // The first arrow stands on a word: the one clicked on, else the first that can be seen.
        const word = reader.tokenNear(this.#at ?? this.#topmost());
        if (word) this.#stand(word);
        return;
      }
    }
    const next = this.#next(this.#focus, arrow);
    if (next) {
      this.#focus = next;
      if (!widen) this.#anchor = next;
    }
    this.#anchor ??= this.#focus;
    this.range = {
      start: Math.min(this.#anchor.start, this.#focus.start),
      end: Math.max(this.#anchor.end, this.#focus.end),
    };
    this.#at = this.#focus.start;
    reader.reveal(this.#focus.start);
  }

  #next(word, arrow) {
    const reader = this.#reader;
    if (arrow === "ArrowLeft" || arrow === "ArrowRight") {
      const forward = (arrow === "ArrowRight") !== reader.rightToLeft(word.start);
      return forward ? reader.tokenAfter(word.end) : reader.tokenBefore(word.start);
    }
    const down = arrow === "ArrowDown";
    const [here] = reader.rectangles(word.start, word.end);
    if (!here) return null;
    const middle = here.left + here.width / 2;
    let best = null;
    let candidate = word;
    // Words of the next line, the nearest of them to the left or right; a line has no more words than this.
    for (let tried = 0; tried < 400; tried += 1) {
      candidate = down ? reader.tokenAfter(candidate.end) : reader.tokenBefore(candidate.start);
      if (!candidate) break;
      const [there] = reader.rectangles(candidate.start, candidate.end);
      if (!there || Math.abs(there.top - here.top) < here.height / 2) continue;
      if (best && Math.abs(there.top - best.top) > here.height / 2) break;
      const far = Math.abs(there.left + there.width / 2 - middle);
      if (!best || far < best.far) best = { far, top: there.top, word: candidate };
    }
    return best?.word ?? null;
  }

  #topmost() {
    const home = this.#reader.element.closest(".scroll");
    const frame = home?.getBoundingClientRect();
    const box = this.#reader.element.getBoundingClientRect();
    if (!frame || box.top >= frame.top) return 0;
    return this.#reader.placeAt(box.left + 8, frame.top + 16) ?? 0;
  }

  #handle(edge) {
    const element = h("span", { class: `handle ${edge}`, hidden: true, "aria-hidden": "true" });
    element.addEventListener("pointerdown", (event) => {
      event.preventDefault();
      event.stopPropagation();
      element.setPointerCapture(event.pointerId);
      element.classList.add("held");
    });
    element.addEventListener("pointermove", (event) => {
      if (!element.classList.contains("held")) return;
      const place = this.#reader.placeAt(event.clientX, event.clientY);
      if (place !== null) this.#on.resized(edge, place);
    });
    for (const end of ["pointerup", "pointercancel"]) {
      element.addEventListener(end, (event) => {
        event.stopPropagation();
        element.classList.remove("held");
      });
    }
    return element;
  }

  /** Puts the handles at the ends of a span, or away. */
  handles(span) {
    const rectangles = span ? this.#reader.rectangles(span.start, span.end) : [];
    const frame = this.#reader.element.getBoundingClientRect();
    this.#handles.forEach((element, nth) => {
      const box = nth === 0 ? rectangles[0] : rectangles.at(-1);
      element.hidden = !box;
      if (!box) return;
      const backwards = this.#reader.rightToLeft(span.start);
      const left = (nth === 0) !== backwards ? box.left : box.right;
      element.style.setProperty("--x", `${left - frame.left}px`);
      element.style.setProperty("--y", `${box.top - frame.top}px`);
      element.style.setProperty("--h", `${box.height}px`);
    });
  }
}
