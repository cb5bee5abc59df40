/** The job of all contenders: its messages, and the count of those that were handled. */
import { setTimeout as sleep } from "node:timers/promises";

/** Messages `0` to `count - 1`, of 110 bytes each as JSON. */
export const messagesOf = (count) =>
  Array.from({ length: count }, (_, n) => {
    const message = { n, customer: `customer-${n % 997}`, total: 1999, note: "" };
    message.note = "x".repeat(110 - JSON.stringify(message).length);
    return message;
  });

/** In lots of `size`, because no client takes all of them at once. */
export const lots = (all, size) =>
  Array.from({ length: Math.ceil(all.length / size) }, (_, i) => all.slice(i * size, (i + 1) * size));

/** Counts the messages whose handler has returned, and knows which. */
export class Tally {
  constructor(expected) {
    this.seen = new Uint8Array(expected);
    this.distinct = 0;
    this.handled = 0;
    /** Resolves when each was handled. */
    this.all = new Promise((resolve) => {
      this.resolve = resolve;
    });
  }

  /** The handler: async, as every handler is, and with nothing to do. */
  handle = async ({ n }) => {
    this.handled++;
    if (this.seen[n]++ > 0) return;
    if (++this.distinct === this.seen.length) this.resolve();
  };
}

/** The handlers of a worker that is stopped: each takes 20 to 220 ms, and what was begun and what came to its end is kept. */
export class Log {
  constructor(expected) {
    this.begun = new Uint8Array(expected);
    this.done = new Uint8Array(expected);
    /** When the last one began or ended. */
    this.last = performance.now();
  }

  /** The handler of one worker, with `running`, how many of it run. */
  handler() {
    const handle = async ({ n }) => {
      this.begun[n]++;
      handle.running++;
      this.last = performance.now();
      await sleep(20 + ((n * 7919) % 201));
      this.done[n] = 1;
      handle.running--;
      this.last = performance.now();
    };
    handle.running = 0;
    return handle;
  }

  get twice() {
    return this.begun.filter((times) => times > 1).length;
  }

  get undone() {
    return this.done.filter((done) => done === 0).length;
  }
}

/** Asks every ms, as often as needed. */
export async function until(isSo) {
  while (!(await isSo())) await sleep(1);
}

/** Lets no more than `limit` run at once: for clients that leave that to their user. */
export class Gate {
  constructor(limit) {
    this.free = limit;
    this.waiting = [];
  }

  /** Undefined if there is room, else a promise of it. */
  enter() {
    if (this.free > 0) this.free--;
    else return new Promise((resolve) => this.waiting.push(resolve));
  }

  leave = () => {
    const next = this.waiting.shift();
    if (next === undefined) this.free++;
    else next();
  };
}
