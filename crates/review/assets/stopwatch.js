// How long a person worked on an item, and with how many actions.

/** Counts time between signs of life, each gap for at most `idle` milliseconds, and none while the page is hidden. */
export class Stopwatch {
  #idle;
  #spent = 0;
  #last;
  actions = 0;

  constructor(idleSeconds = 120) {
    this.#idle = idleSeconds * 1000;
    this.#last = performance.now();
    addEventListener("keydown", (event) => this.#key(event), { capture: true });
    addEventListener("pointerdown", () => this.#act(), { capture: true });
    addEventListener("pointermove", () => this.#alive(), { capture: true, passive: true });
    addEventListener("wheel", () => this.#alive(), { capture: true, passive: true });
    document.addEventListener("visibilitychange", () => this.#alive(document.visibilityState === "visible"));
  }

  /** A new item is on the screen. */
  start() {
    this.#spent = 0;
    this.#last = performance.now();
    this.actions = 0;
  }

  get millis() {
    this.#alive();
    return Math.round(this.#spent);
  }

  #key(event) {
    if (/^(Shift|Control|Alt|Meta|AltGraph|CapsLock)$/.test(event.key)) this.#alive();
    else this.#act();
  }

  #act() {
    this.actions += 1;
    this.#alive();
  }

  #alive(back = false) {
    const now = performance.now();
    if (!back) this.#spent += Math.min(now - this.#last, this.#idle);
    this.#last = now;
  }
}
