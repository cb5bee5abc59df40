/** medium: channels after core.async, with put, take and any. */
import { any, chan, close, CLOSED, put, take } from "medium";
import { latenessBeside } from "../harness/lateness.mjs";

export const name = "medium";

const sendAll = async (ch, n) => {
  for (let i = 0; i < n; i++) await put(ch, i);
};

const transfer = (capacity) => async (n) => {
  const ch = chan(capacity);
  const sent = sendAll(ch, n);
  for (let i = 0; i < n; i++) await take(ch);
  await sent;
};

const iterate = (capacity) => async (n) => {
  const ch = chan(capacity);
  const sent = sendAll(ch, n).then(() => void close(ch));
  while ((await take(ch)) !== CLOSED);
  await sent;
};

const chans = (k) => Array.from({ length: k }, () => chan());

const inTasks = async (tasks, n, turn) => {
  await Promise.all(
    Array.from({ length: tasks }, async (_, task) => {
      for (let i = 0; i < n / tasks; i++) await turn(task);
    }),
  );
};

export const programs = {
  unbuffered: transfer(),
  buffered: transfer(128),
  "iterate-buffered": iterate(128),
  "iterate-unbuffered": iterate(),
  "fan-in": async (n) => {
    const ch = chan();
    const sent = inTasks(100, n, (task) => put(ch, task));
    for (let i = 0; i < n; i++) await take(ch);
    await sent;
  },
  pipeline: async (n) => {
    const all = chans(11);
    const tasks = [sendAll(all[0], n).then(() => void close(all[0]))];
    for (let i = 0; i < 10; i++) {
      const [from, to] = [all[i], all[i + 1]];
      tasks.push(
        (async () => {
          for (let value; (value = await take(from)) !== CLOSED;) await put(to, value);
          close(to);
        })(),
      );
    }
    while ((await take(all[10])) !== CLOSED);
    await Promise.all(tasks);
  },
  sieve: async (n) => {
    for (let round = 0; round < n; round++) {
      const [all, stages] = [[], []];
      const stage = (run) => {
        const to = chan();
        all.push(to);
        stages.push(run(to));
        return to;
      };
      let ch = stage(async (to) => {
        for (let i = 2; await put(to, i); i++);
      });
      for (let i = 0; i < 100; i++) {
        const from = ch;
        const prime = await take(from);
        ch = stage(async (to) => {
          for (let value; (value = await take(from)) !== CLOSED;) {
            if (value % prime !== 0 && !(await put(to, value))) return;
          }
        });
      }
      for (const each of all) close(each);
      // The put before this one waits until its value is taken.
      for (const each of all) void take(each);
      await Promise.all(stages);
    }
  },
  "make-chan": (n) => {
    const kept = [];
    for (let i = 0; i < n; i++) kept[i & 255] = chan();
  },
  "close-1000": async (n) => {
    for (let i = 0; i < n; i += 1000) {
      const ch = chan();
      const waiting = Array.from({ length: 1000 }, () => take(ch));
      close(ch);
      await Promise.all(waiting);
    }
  },

  "select-ready": async (n) => {
    const [a, b] = [chan(1), chan(1)];
    for (let i = 0; i < n; i++) {
      await put(a, i);
      await any(a, b);
    }
  },

  "bytes-receiver": (n) => {
    const ch = chan();
    for (let i = 0; i < n; i++) void take(ch);
    return ch;
  },
  "bytes-chan": chans,

  "scale-receivers": {
    before: (_, size) => {
      const ch = chan();
      for (let i = 0; i < size; i++) void take(ch);
      return { ch }; // a channel is thenable: to await it would take from it
    },
    run: async ({ ch }, n) => {
      for (let i = 0; i < n; i++) {
        void take(ch);
        await put(ch, i);
      }
    },
  },
  "scale-buffer": {
    n: "size",
    run: async (_, n) => {
      const ch = chan(n);
      for (let i = 0; i < n; i++) await put(ch, i);
      for (let i = 0; i < n; i++) await take(ch);
    },
  },
};

/** The largest size that can be waited for: what takes the first of an array is slow beyond it. */
export const largest = { "scale-receivers": 10_000, "scale-buffer": 10_000 };

const LOOP = "a loop of take until CLOSED: it knows no for await";
const LOST = "left out: any leaves its takes in the channels that did not win, and what is put there next is lost";

export const notes = {
  "iterate-buffered": LOOP,
  "iterate-unbuffered": LOOP,
  pipeline: LOOP,
  sieve: "ended by closing and emptying its channels",
  "select-2": LOST,
  "select-10": LOST,
  "select-sends": LOST,
  "scale-cases": LOST,
  lateness: "starves the timer until it is stopped, after 1 s",
};

export const lateness = (ms, rounds) =>
  latenessBeside(
    async (isOver) => {
      const ch = chan(128);
      const sent = (async () => {
        while (!isOver()) await put(ch, 0);
        close(ch);
      })();
      while ((await take(ch)) !== CLOSED);
      await sent;
    },
    ms,
    rounds,
  );
