/** async-channel: what is sent may be a promise, which is why each value is wrapped in one. It knows no select and cancels all or none. */
import { Channel } from "async-channel";
import { latenessBeside } from "../harness/lateness.mjs";

export const name = "async-channel";

const nothing = () => {};

const sendAll = async (ch, n) => {
  for (let i = 0; i < n; i++) await ch.push(i);
};

const transfer = (capacity) => async (n) => {
  const ch = new Channel(capacity);
  const sent = sendAll(ch, n);
  for (let i = 0; i < n; i++) await ch.get();
  await sent;
};

const iterate = (capacity) => async (n) => {
  const ch = new Channel(capacity);
  const sent = sendAll(ch, n).then(() => ch.close());
  for await (const _ of ch);
  await sent;
};

const chans = (k) => Array.from({ length: k }, () => new Channel());

const inTasks = async (tasks, n, turn) => {
  await Promise.all(
    Array.from({ length: tasks }, async (_, task) => {
      for (let i = 0; i < n / tasks; i++) await turn(task);
    }),
  );
};

export const programs = {
  unbuffered: transfer(0),
  buffered: transfer(128),
  "iterate-buffered": iterate(128),
  "iterate-unbuffered": iterate(0),
  "fan-in": async (n) => {
    const ch = new Channel();
    const sent = inTasks(100, n, (task) => ch.push(task));
    for (let i = 0; i < n; i++) await ch.get();
    await sent;
  },
  pipeline: async (n) => {
    const all = chans(11);
    const tasks = [sendAll(all[0], n).then(() => all[0].close())];
    for (let i = 0; i < 10; i++) {
      const [from, to] = [all[i], all[i + 1]];
      tasks.push(
        (async () => {
          for await (const value of from) await to.push(value);
          to.close();
        })(),
      );
    }
    for await (const _ of all[10]);
    await Promise.all(tasks);
  },
  sieve: async (n) => {
    for (let round = 0; round < n; round++) {
      const [all, stages] = [[], []];
      const stage = (run) => {
        const to = new Channel();
        all.push(to);
        stages.push(run(to).catch(nothing));
        return to;
      };
      let ch = stage(async (to) => {
        for (let i = 2; ; i++) await to.push(i);
      });
      for (let i = 0; i < 100; i++) {
        const from = ch;
        const prime = await from.get();
        ch = stage(async (to) => {
          for (;;) {
            const value = await from.get();
            if (value % prime !== 0) await to.push(value);
          }
        });
      }
      for (const each of all) each.close(true);
      await Promise.all(stages);
    }
  },
  "make-chan": (n) => {
    const kept = [];
    for (let i = 0; i < n; i++) kept[i & 255] = new Channel();
  },
  "close-1000": async (n) => {
    for (let i = 0; i < n; i += 1000) {
      const ch = new Channel();
      const waiting = Array.from({ length: 1000 }, () => ch.get());
      ch.close();
      await Promise.allSettled(waiting);
    }
  },

  "bytes-receiver": (n) => {
    const ch = new Channel();
    for (let i = 0; i < n; i++) void ch.get();
    return ch;
  },
  "bytes-chan": chans,

  "scale-receivers": {
    before: (_, size) => {
      const ch = new Channel();
      for (let i = 0; i < size; i++) void ch.get();
      return { ch }; // a channel is thenable: to await it would receive from it
    },
    run: async ({ ch }, n) => {
      for (let i = 0; i < n; i++) {
        void ch.get();
        await ch.push(i);
      }
    },
  },
  "scale-buffer": {
    n: "size",
    run: async (_, n) => {
      const ch = new Channel(n);
      for (let i = 0; i < n; i++) await ch.push(i);
      for (let i = 0; i < n; i++) await ch.get();
    },
  },
};

/** The largest size that can be waited for: what takes the first of an array is slow beyond it. */
export const largest = { "scale-receivers": 10_000, "scale-buffer": 10_000 };

export const notes = {
  sieve: "ended by closing its channels",
  "close-1000": "the receivers that wait get an error",
  lateness: "starves the timer until it is stopped, after 1 s",
};

export const lateness = (ms, rounds) =>
  latenessBeside(
    async (isOver) => {
      const ch = new Channel(128);
      const sent = (async () => {
        while (!isOver()) await ch.push(0);
        ch.close();
      })();
      for await (const _ of ch);
      await sent;
    },
    ms,
    rounds,
  );
