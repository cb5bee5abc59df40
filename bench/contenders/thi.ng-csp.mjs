/** @thi.ng/csp: a channel buffers at least one value, and yet each write waits until its value is read. */
import { channel, select } from "@thi.ng/csp";
import { latenessBeside } from "../harness/lateness.mjs";

export const name = "@thi.ng/csp";

const sendAll = async (ch, n) => {
  for (let i = 0; i < n; i++) await ch.write(i);
};

const transfer = (capacity) => async (n) => {
  const ch = channel(capacity);
  const sent = sendAll(ch, n);
  for (let i = 0; i < n; i++) await ch.read();
  await sent;
};

const iterate = (capacity) => async (n) => {
  const ch = channel(capacity);
  const sent = sendAll(ch, n).then(() => ch.close());
  for await (const _ of ch);
  await sent;
};

const chans = (k) => Array.from({ length: k }, () => channel());

const selectOf = (k) => async (n) => {
  const all = chans(k);
  const received = (async () => {
    for (let i = 0; i < n; i++) await select(...all);
  })();
  for (let i = 0; i < n; i++) await all[i % k].write(i);
  await received;
};

const inTasks = async (tasks, n, turn) => {
  await Promise.all(
    Array.from({ length: tasks }, async (_, task) => {
      for (let i = 0; i < n / tasks; i++) await turn(task);
    }),
  );
};

export const programs = {
  unbuffered: transfer(1),
  buffered: transfer(128),
  "buffered-try": async (n) => {
    const ch = channel(128);
    const sent = (async () => {
      for (let i = 0; i < n; i++) if (!ch.offer(i)) await ch.write(i);
    })();
    for (let i = 0; i < n; i++) if (ch.poll() === undefined) await ch.read();
    await sent;
  },
  "iterate-buffered": iterate(128),
  "iterate-unbuffered": iterate(1),
  "fan-in": async (n) => {
    const ch = channel();
    const sent = inTasks(100, n, (task) => ch.write(task));
    for (let i = 0; i < n; i++) await ch.read();
    await sent;
  },
  pipeline: async (n) => {
    const all = chans(11);
    const tasks = [sendAll(all[0], n).then(() => all[0].close())];
    for (let i = 0; i < 10; i++) {
      const [from, to] = [all[i], all[i + 1]];
      tasks.push(
        (async () => {
          for await (const value of from) await to.write(value);
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
        const to = channel();
        all.push(to);
        stages.push(run(to));
        return to;
      };
      let ch = stage(async (to) => {
        for (let i = 2; await to.write(i); i++);
      });
      for (let i = 0; i < 100; i++) {
        const from = ch;
        const prime = await from.read();
        ch = stage(async (to) => {
          for (let value; (value = await from.read()) !== undefined;) {
            if (value % prime !== 0 && !(await to.write(value))) return;
          }
        });
      }
      for (const each of all) each.close();
      // What was written before can be read still, and its writer waits for that.
      for (const each of all) while (!each.closed()) each.poll();
      await Promise.all(stages);
    }
  },
  "make-chan": (n) => {
    const kept = [];
    for (let i = 0; i < n; i++) kept[i & 255] = channel();
  },
  "close-1000": async (n) => {
    for (let i = 0; i < n; i += 1000) {
      const ch = channel();
      const waiting = Array.from({ length: 1000 }, () => ch.read());
      ch.close();
      await Promise.all(waiting);
    }
  },

  "select-2": selectOf(2),
  "select-10": selectOf(10),
  "select-ready": async (n) => {
    const [a, b] = chans(2);
    for (let i = 0; i < n; i++) {
      a.offer(i);
      await select(a, b);
    }
  },

  "bytes-chan": chans,

  "scale-cases": async (n, size) => {
    const all = chans(size);
    for (let i = 0; i < n; i += size) {
      const got = select(...all);
      await all[i % size].write(i);
      await got;
    }
  },
  "scale-buffer": {
    n: "size",
    run: (_, n) => {
      const ch = channel(n);
      for (let i = 0; i < n; i++) ch.offer(i);
      for (let i = 0; i < n; i++) ch.poll();
    },
  },
};

const BUFFER = "its smallest capacity is 1; each write waits for its reader all the same";
const FIRST = "of those that are ready, always the first";
const LIMIT = "left out: it keeps 1024 readers that wait, and tells more of them that the channel is closed";

export const notes = {
  unbuffered: BUFFER,
  buffered: "each write waits for its reader, though there is room",
  "iterate-buffered": "each write waits for its reader, though there is room",
  "iterate-unbuffered": BUFFER,
  "fan-in": BUFFER,
  pipeline: BUFFER,
  sieve: `${BUFFER}; ended by closing and emptying its channels`,
  "select-2": FIRST,
  "select-10": FIRST,
  "select-ready":
    "sent without waiting, as a write would wait for its reader; of those that are ready, always the first",
  "select-default": "left out: it knows no default",
  "bytes-receiver": LIMIT,
  "scale-receivers": LIMIT,
  "scale-buffer": "with offer and poll, as a write would wait for its reader",
  lateness: "starves the timer until it is stopped, after 1 s",
};

export const lateness = (ms, rounds) =>
  latenessBeside(
    async (isOver) => {
      const ch = channel(128);
      const sent = (async () => {
        while (!isOver()) await ch.write(0);
        ch.close();
      })();
      for await (const _ of ch);
      await sent;
    },
    ms,
    rounds,
  );
