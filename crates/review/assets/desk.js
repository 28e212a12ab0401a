// The working place: which item is on the screen, which come next, and what happens to an answer.

import * as api from "./api.js";

/** How long to wait before asking for work again after the server did not answer, in milliseconds. */
const AGAIN = 700;

/** A random (version 4) UUID; `crypto.randomUUID` does not exist on plain HTTP beyond this machine. */
export function newId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const digits = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return digits.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

/** `show(work | null, empty)` puts something on the screen; `counted()` says that counts have changed. */
export class Desk {
  #show;
  #counted;
  #ahead = [];
  #trail = []; // What was answered on this page, for an undo that does not wait for the server.
  #asking = null;
  #asked = 0;
  #renewal = null;
  #again = null;

  current = null;

  constructor({ session, outbox, stopwatch, show, counted }) {
    this.session = session;
    this.outbox = outbox;
    this.stopwatch = stopwatch;
    this.#show = show;
    this.#counted = counted;
    this.undoable = session.settings.undo;
    document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && this.#renew());
  }

  count(queue) {
    return this.session.queues.find(({ name }) => name === queue);
  }

  /** Opens a queue, or one's own answer to an item again. */
  async open(queue, item = null) {
    this.queue = queue;
    this.single = item;
    this.#ahead = [];
    this.current = null;
    const asked = (this.#asked += 1);
    this.#asking = null;
    this.#show(undefined);
    clearInterval(this.#renewal);
    this.#renewal = setInterval(() => this.#renew(), (this.session.settings.lease_seconds * 1000) / 3);
    // What an earlier page left unsent is answered: it must not come back as work.
    await this.outbox.settled();
    if (asked !== this.#asked) return;
    if (item !== null) {
      const { work, empty } = await api.lease({ queue, item });
      if (asked === this.#asked) this.#put(work[0] ?? null, empty);
      return;
    }
    // If this fails, so does the next attempt, which says so.
    await this.#fetch(true).catch(() => {});
    if (asked === this.#asked) this.#next();
  }

  /** Leaves the queue; what is leased is kept until it expires. */
  close() {
    this.#asked += 1;
    clearInterval(this.#renewal);
    this.current = null;
  }

  async #fetch(resume = false) {
    if (this.#asking) return this.#asking;
    const asked = this.#asked;
    const held = this.current ? [this.current, ...this.#ahead] : [...this.#ahead];
    const want = this.session.settings.prefetch;
    const request = {
      queue: this.queue,
      count: Math.max(0, Math.min(50, want - this.#ahead.length)),
      have: held.map(({ item }) => item),
    };
    if (resume) request.resume = true;
    this.#asking = api.lease(request);
    try {
      const leased = await this.#asking;
      if (asked !== this.#asked) return null;
      this.#take(leased);
      return leased;
    } finally {
      if (asked === this.#asked) this.#asking = null;
    }
  }

  #take({ work, lost, remaining, empty }) {
    const gone = new Set(lost);
    this.#ahead = this.#ahead.filter(({ item }) => !gone.has(item));
    for (const one of work) {
      const known = this.current?.item === one.item || this.#ahead.some(({ item }) => item === one.item);
      if (!known && !this.outbox.holds(one.item)) this.#ahead.push(one);
    }
    this.empty = empty;
    const count = this.count(this.queue);
    if (count && this.outbox.waiting === 0) count.remaining = remaining;
    this.#counted();
  }

  async #renew() {
    if (!this.current || this.single !== null) return;
    const have = [this.current, ...this.#ahead].map(({ item }) => item);
    try {
      const { lost } = await api.lease({ queue: this.queue, count: 0, have });
      const gone = new Set(lost);
      this.#ahead = this.#ahead.filter(({ item }) => !gone.has(item));
    } catch {
      // The next answer says what is wrong.
    }
  }

  #put(work, empty = null) {
    this.current = work;
    this.stopwatch.start();
    this.#show(work, empty);
  }

  async #next(quietly = false) {
    clearTimeout(this.#again);
    const asked = this.#asked;
    if (this.#ahead.length > 0) {
      this.#put(this.#ahead.shift());
      if (this.#ahead.length < this.session.settings.prefetch / 2) this.#fetch().catch(() => {});
      return;
    }
    if (!quietly) this.#show(undefined);
    try {
      // The server counts what is on its way as work to do, so wait for it before believing that nothing is left.
      await this.#fetch();
      if (this.#ahead.length === 0 && this.outbox.waiting > 0 && asked === this.#asked) {
        this.outbox.hurry();
        if (!(await this.outbox.settled())) throw this.outbox.trouble;
        if (asked === this.#asked) await this.#fetch();
      }
    } catch (refusal) {
      if (asked !== this.#asked) return;
      this.#show(null, `${refusal.message}${refusal.hint ? `: ${refusal.hint}` : ""}`, true);
      // It goes on by itself once the server is back.
      if (refusal.retry)
        this.#again = setTimeout(() => asked === this.#asked && !this.current && this.#next(true), AGAIN);
      return;
    }
    if (asked !== this.#asked) return;
    if (this.#ahead.length > 0) this.#put(this.#ahead.shift());
    else this.#put(null, this.empty ?? "everything here is done");
  }

  /** Tries to get work again. */
  retry() {
    return this.#next();
  }

  /** Keeps an answer and goes on. */
  answer(status, said, { note = null, shown = false, guidelines = null } = {}) {
    const work = this.current;
    if (!work) return;
    const request = {
      id: newId(),
      item: work.item,
      queue: work.queue,
      status,
      answer: said?.answer ?? null,
      note,
      millis: this.stopwatch.millis,
      actions: this.stopwatch.actions,
      shown,
      guidelines,
    };
    if (said?.evidence) request.evidence = said.evidence;
    this.outbox.put("answer", request, work.item);
    this.#trail.push({ work, request });
    this.undoable += 1;
    const count = this.count(work.queue);
    if (count && work.queue !== "history") {
      count.done += 1;
      count.remaining = Math.max(0, count.remaining - 1);
    }
    this.#counted();
    this.current = null;
    if (this.single !== null) return "back";
    this.#next();
    return "next";
  }

  /** Takes the latest answer back and puts its item on the screen again. */
  async undo() {
    const last = this.#trail.pop();
    if (last) {
      this.#lay();
      this.undoable = Math.max(0, this.undoable - 1);
      const { work, request } = last;
      this.outbox.put("undo", { id: newId(), answer: request.id }, work.item);
      const previous = {
        id: request.id,
        status: request.status,
        answer: request.answer,
        note: request.note,
        at: Date.now(),
        evidence: request.evidence,
      };
      const count = this.count(work.queue);
      if (count && work.queue !== "history") {
        count.done = Math.max(0, count.done - 1);
        count.remaining += 1;
      }
      this.#counted();
      this.#put({ ...work, previous });
      return true;
    }
    // Answers of an earlier page: the server knows which is the latest.
    await this.outbox.settled();
    let reply;
    try {
      reply = await api.undo({ id: newId() });
    } catch (refusal) {
      if (refusal.status === 404) this.undoable = 0;
      this.#counted();
      throw refusal;
    }
    this.#lay();
    this.undoable = reply.undo;
    this.recount(reply.queues);
    this.#put(reply.work);
    return true;
  }

  /** What is on the screen goes back on top of what comes next. */
  #lay() {
    if (this.current && this.single === null) this.#ahead.unshift(this.current);
    this.current = null;
  }

  /** Takes over the server's counts. */
  recount(queues) {
    for (const { name, done, remaining } of queues ?? []) {
      const count = this.count(name);
      if (count) Object.assign(count, { done, remaining });
    }
    this.#counted();
  }
}
