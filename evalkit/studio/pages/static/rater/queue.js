// Answers on their way: kept in this browser until the server says that they are saved.

import { keyOf } from "./machine.js";

const FIRST_PAUSE = 1000;
const LONGEST_PAUSE = 30000;

/** Return an identifier of 128 random bits; crypto.randomUUID is missing where the page has no TLS. */
export function newId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 15) | 64;
  bytes[8] = (bytes[8] & 63) | 128;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}

export class AnswerQueue {
  /**
   * key: of localStorage.
   * send: answers -> the server's reply; throws when there is none.
   * told: {state, changed, refused} are called with the server's state, with nothing, and with refusals.
   */
  constructor(key, send, told) {
    this.key = key;
    this.send = send;
    this.told = told;
    this.memory = [];
    this.durable = true;
    this.pause = FIRST_PAUSE;
    this.timer = null;
    this.sending = null;
    this.failed = false;
  }

  /** Return the answers that wait, oldest first; other tabs may add and remove some. */
  waiting() {
    if (!this.durable) return this.memory;
    try {
      const kept = JSON.parse(localStorage.getItem(this.key) ?? "[]");
      return Array.isArray(kept) ? kept.filter((one) => one && typeof one.id === "string") : [];
    } catch {
      return this.memory;
    }
  }

  /** Return those of them that can be sent: whose item has an id. */
  ready() {
    return this.waiting().filter((one) => one.item !== null);
  }

  keep(answers) {
    this.memory = answers;
    try {
      if (answers.length) localStorage.setItem(this.key, JSON.stringify(answers));
      else localStorage.removeItem(this.key);
      this.durable = true;
    } catch {
      this.durable = false;
    }
    this.told.changed();
  }

  /** Keep an answer, and send it. */
  add(answer) {
    this.keep([...this.waiting(), answer]);
    return this.flush();
  }

  /** Send what waits, now; returns whether the server replied. */
  flush() {
    clearTimeout(this.timer);
    this.sending ??= this.attempt().finally(() => {
      this.sending = null;
    });
    return this.sending;
  }

  async attempt() {
    for (;;) {
      const ready = this.ready();
      if (!ready.length) return true;
      let reply;
      try {
        reply = await this.send(ready.map(({ key, ...answer }) => answer));
      } catch (error) {
        this.later(error);
        return false;
      }
      const gone = new Set([...reply.saved, ...reply.refused.map((one) => one.id)]);
      if (reply.waiting?.length && !reply.state.paused) {
        this.keep(this.waiting().filter((one) => !gone.has(one.id)));
        this.later(new Error("not stored yet"));
        return false;
      }
      this.pause = FIRST_PAUSE;
      this.failed = false;
      this.keep(this.waiting().filter((one) => !gone.has(one.id)));
      if (reply.refused.length) this.told.refused(reply.refused);
      const left = this.named(reply.state);
      this.told.state(reply.state);
      if (!left || !ready.some((one) => gone.has(one.id))) return true;
    }
  }

  /**
   * Give the answers to items that were shown before their id was known the id that the server tells.
   *
   * Returns whether one can be sent now. An answer whose item the server no longer asks for was given elsewhere.
   */
  named(state) {
    const waiting = this.waiting();
    const nameless = waiting.filter((one) => one.item === null);
    if (!nameless.length || waiting.length > nameless.length) return waiting.length > 0;
    if (state.paused) return false; // nothing is asked now; the id comes when the study goes on
    const first = nameless[0];
    if (first.key === keyOf(state.item)) {
      this.keep(waiting.map((one) => (one === first ? { ...one, item: state.item.id } : one)));
      return true;
    }
    this.keep([]);
    this.told.refused(nameless.map((one) => ({ id: one.id, code: "answered" })));
    return false;
  }

  later(error) {
    this.failed = true;
    this.told.changed(error);
    const wait = this.pause * (0.75 + Math.random() / 2);
    this.pause = Math.min(LONGEST_PAUSE, this.pause * 2);
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.flush(), wait);
  }

  /** Try again at once: the connection is back. */
  hurry() {
    this.pause = FIRST_PAUSE;
    if (this.waiting().length) this.flush();
  }
}
