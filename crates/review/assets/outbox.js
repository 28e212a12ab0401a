// Answers on their way. Each is written to the browser's disk and sent at once, and forgotten when the server says that
// it is on its own disk. Until then it is sent again under the same id, which the server stores once; so neither a killed
// browser nor a killed server loses or doubles an answer.

import * as api from "./api.js";

const FIRST_WAIT = 200;
const LONGEST_WAIT = 4000;

function opened(name) {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open(name, 1);
    request.onupgradeneeded = () => request.result.createObjectStore("entries", { keyPath: "order" });
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

function finished(transaction) {
  return new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve();
    transaction.onerror = transaction.onabort = () => reject(transaction.error);
  });
}

/**
 * The answers of one person to one project that the server has not confirmed. `told` hears of every change: `saved`,
 * `refused`, `state`.
 */
export class Outbox {
  #told;
  #store = null;
  #entries = [];
  #sending = false;
  #wait = FIRST_WAIT;
  #timer = null;
  #order = 0;

  /** `waiting`: how many are unconfirmed. `trouble`: why the last attempt failed, or null. */
  waiting = 0;
  trouble = null;
  /** Those the server will never take, with its reason. */
  refused = [];

  constructor(told) {
    this.#told = told;
    addEventListener("online", () => this.hurry());
    document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && this.hurry());
  }

  /** Finds what an earlier page left. The name tells projects and people apart. */
  async open(name) {
    try {
      this.#store = await opened(`postil:${name}`);
      const request = this.#store.transaction("entries").objectStore("entries").getAll();
      const kept = await new Promise((resolve, reject) => {
        request.onsuccess = () => resolve(request.result);
        request.onerror = () => reject(request.error);
      });
      this.#entries = kept;
      this.#order = kept.at(-1)?.order ?? 0;
    } catch {
      // A private window may refuse: answers are then sent just the same, and only the second net is missing.
      this.#store = null;
    }
    this.#changed();
    this.#send();
  }

  /** Whether an item has an answer that the server has not confirmed. */
  holds(item) {
    return this.#entries.some((entry) => entry.item === item && entry.kind === "answer");
  }

  /** Takes a request. Resolves when it is on the browser's disk; nobody needs to wait for that. */
  async put(kind, request, item) {
    // Two pages of one person may write at the same time: the clock keeps their places apart.
    this.#order = Math.max(this.#order + 1, Date.now() * 1000 + Math.floor(Math.random() * 1000));
    const entry = { order: this.#order, kind, request, item };
    this.#entries.push(entry);
    const kept = this.#keep((entries) => entries.put(entry));
    this.#changed();
    this.#send();
    await kept;
  }

  /** Tries again now. */
  hurry() {
    if (!this.#sending) this.trouble = null;
    clearTimeout(this.#timer);
    this.#timer = null;
    this.#wait = FIRST_WAIT;
    this.#send();
  }

  /** Resolves once nothing is on its way, or at the first failure. */
  async settled() {
    while (this.#entries.length > 0 && !this.trouble) await new Promise((resolve) => setTimeout(resolve, 10));
    return this.#entries.length === 0;
  }

  async #send() {
    if (this.#sending || this.#timer) return;
    this.#sending = true;
    // One after the other: an undo must not overtake the answer that it takes back.
    while (this.#entries.length > 0) {
      const entry = this.#entries[0];
      try {
        const reply = await (entry.kind === "undo" ? api.undo(entry.request) : api.answer(entry.request));
        this.trouble = null;
        this.#wait = FIRST_WAIT;
        this.#done(entry);
        this.#told("saved", { entry, reply });
      } catch (refusal) {
        if (refusal.retry || refusal.status === 401) {
          this.trouble = refusal;
          this.#timer = setTimeout(() => {
            this.#timer = null;
            this.#send();
          }, this.#wait);
          this.#wait = Math.min(this.#wait * 2, LONGEST_WAIT);
          break;
        }
        this.#done(entry);
        // Taking back what is not there any more is no loss.
        if (entry.kind === "answer") {
          this.refused.push({ entry, refusal });
          this.#told("refused", { entry, refusal });
        }
      }
      this.#changed();
    }
    this.#sending = false;
    this.#changed();
  }

  #done(entry) {
    this.#entries.shift();
    this.#keep((entries) => entries.delete(entry.order));
  }

  async #keep(change) {
    if (!this.#store) return;
    try {
      const transaction = this.#store.transaction("entries", "readwrite", { durability: "strict" });
      change(transaction.objectStore("entries"));
      await finished(transaction);
    } catch {
      this.#store = null;
    }
  }

  #changed() {
    this.waiting = this.#entries.length;
    this.#told("state", this);
  }
}
