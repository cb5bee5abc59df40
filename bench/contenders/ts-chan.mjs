/** ts-chan as it comes: every operation gives way to timers and I/O. ts-chan-unsafe.mjs runs the same programs without that. */
import { Chan, recv, Select, send } from "ts-chan";
import { latenessBeside } from "../harness/lateness.mjs";

export const name = "ts-chan";

const nothing = () => {};

export function contender(unsafe) {
  const make = (capacity) => new Chan(capacity).setUnsafe(unsafe);
  const choose = (cases) => new Select(cases).setUnsafe(unsafe);

  const sendAll = async (ch, n, signal) => {
    for (let i = 0; i < n; i++) await ch.send(i, signal);
  };

  const transfer = (capacity) => async (n) => {
    const ch = make(capacity);
    const sent = sendAll(ch, n);
    for (let i = 0; i < n; i++) await ch.recv();
    await sent;
  };

  const iterate = (capacity) => async (n) => {
    const ch = make(capacity);
    const sent = sendAll(ch, n).then(() => ch.close());
    for await (const _ of ch);
    await sent;
  };

  const chans = (k, capacity) => Array.from({ length: k }, () => make(capacity));

  const selectOf = (k, guarded) => async (n) => {
    const signal = guarded ? new AbortController().signal : undefined;
    const all = chans(k);
    const select = choose(all.map((ch) => recv(ch)));
    const received = (async () => {
      for (let i = 0; i < n; i++) select.recv(select.cases[await select.wait(signal)]);
    })();
    for (let i = 0; i < n; i++) await all[i % k].send(i);
    await received;
  };

  const withSignal = (sender, receiver) => async (n) => {
    const { signal } = new AbortController();
    const ch = make();
    const sent = sendAll(ch, n, sender ? signal : undefined);
    for (let i = 0; i < n; i++) await ch.recv(receiver ? signal : undefined);
    await sent;
  };

  const inTasks = async (tasks, n, turn) => {
    await Promise.all(
      Array.from({ length: tasks }, async (_, task) => {
        for (let i = 0; i < n / tasks; i++) await turn(task);
      }),
    );
  };

  const programs = {
    unbuffered: transfer(0),
    buffered: transfer(128),
    "buffered-try": async (n) => {
      const ch = make(128);
      const sent = (async () => {
        for (let i = 0; i < n; i++) if (!ch.trySend(i)) await ch.send(i);
      })();
      for (let i = 0; i < n; i++) if (ch.tryRecv() === undefined) await ch.recv();
      await sent;
    },
    "iterate-buffered": iterate(128),
    "iterate-unbuffered": iterate(0),
    "fan-in": async (n) => {
      const ch = make();
      const sent = inTasks(100, n, (task) => ch.send(task));
      for (let i = 0; i < n; i++) await ch.recv();
      await sent;
    },
    pipeline: async (n) => {
      const all = chans(11);
      const tasks = [sendAll(all[0], n).then(() => all[0].close())];
      for (let i = 0; i < 10; i++) {
        const [from, to] = [all[i], all[i + 1]];
        tasks.push(
          (async () => {
            for await (const value of from) await to.send(value);
            to.close();
          })(),
        );
      }
      for await (const _ of all[10]);
      await Promise.all(tasks);
    },
    "recv-ctx": withSignal(false, true),
    "both-ctx": withSignal(true, true),
    sieve: async (n) => {
      for (let round = 0; round < n; round++) {
        const [all, stages] = [[], []];
        const stage = (run) => {
          const to = make();
          all.push(to);
          stages.push(run(to).catch(nothing));
          return to;
        };
        let ch = stage(async (to) => {
          for (let i = 2; ; i++) await to.send(i);
        });
        for (let i = 0; i < 100; i++) {
          const from = ch;
          const { value: prime } = await from.recv();
          ch = stage(async (to) => {
            for (let got; !(got = await from.recv()).done;) if (got.value % prime !== 0) await to.send(got.value);
          });
        }
        for (const each of all) each.close();
        await Promise.all(stages);
      }
    },
    "make-chan": (n) => {
      const kept = [];
      for (let i = 0; i < n; i++) kept[i & 255] = make();
    },
    "close-1000": async (n) => {
      for (let i = 0; i < n; i += 1000) {
        const ch = make();
        const waiting = Array.from({ length: 1000 }, () => ch.recv());
        ch.close();
        await Promise.all(waiting);
      }
    },

    "select-2": selectOf(2),
    "select-10": selectOf(10),
    "select-sends": async (n) => {
      const all = chans(2);
      const received = inTasks(2, n, (task) => all[task].recv());
      let value = 0;
      const select = choose(all.map((ch) => send(ch, () => value)));
      for (; value < n; value++) await select.wait();
      await received;
    },
    "select-ready": async (n) => {
      const all = chans(2, 1);
      const select = choose(all.map((ch) => recv(ch)));
      for (let i = 0; i < n; i++) {
        await all[0].send(i);
        select.recv(select.cases[await select.wait()]);
      }
    },
    "select-default": (n) => {
      const select = choose(chans(2).map((ch) => recv(ch)));
      for (let i = 0; i < n; i++) select.poll();
    },
    "select-ctx": selectOf(2, true),

    "bytes-receiver": (n) => {
      const ch = make();
      for (let i = 0; i < n; i++) void ch.recv();
      return ch;
    },
    "bytes-chan": (n) => chans(n),

    "scale-receivers": {
      before: (_, size) => {
        const ch = make();
        for (let i = 0; i < size; i++) void ch.recv();
        return ch;
      },
      run: async (ch, n) => {
        for (let i = 0; i < n; i++) {
          void ch.recv();
          await ch.send(i);
        }
      },
    },
    "scale-withdraw": {
      n: "size",
      before: (_, size) => {
        const ch = make();
        const controllers = Array.from({ length: size }, () => {
          const controller = new AbortController();
          ch.recv(controller.signal).catch(nothing);
          return controller;
        });
        for (let i = size - 1; i > 0; i--) {
          const j = Math.floor(Math.random() * (i + 1));
          [controllers[i], controllers[j]] = [controllers[j], controllers[i]];
        }
        return controllers;
      },
      run: (controllers) => {
        for (const controller of controllers) controller.abort("over");
      },
    },
    "scale-cases": async (n, size) => {
      const all = chans(size);
      const select = choose(all.map((ch) => recv(ch)));
      for (let i = 0; i < n; i += size) {
        const got = select.wait();
        await all[i % size].send(i);
        select.recv(select.cases[await got]);
      }
    },
    "scale-buffer": {
      n: "size",
      run: async (_, n) => {
        const ch = make(n);
        for (let i = 0; i < n; i++) await ch.send(i);
        for (let i = 0; i < n; i++) await ch.recv();
      },
    },
  };

  const lateness = (ms, rounds) =>
    latenessBeside(
      async (isOver) => {
        const ch = make(128);
        const sent = (async () => {
          while (!isOver()) await ch.send(0);
          ch.close();
        })();
        for await (const _ of ch);
        await sent;
      },
      ms,
      rounds,
    );

  return { programs, lateness };
}

export const { programs, lateness } = contender(false);

const SIGNAL = "with an AbortSignal";

export const notes = {
  "recv-ctx": SIGNAL,
  "both-ctx": SIGNAL,
  sieve: "ended by closing its channels",
  "select-ctx": SIGNAL,
  "scale-withdraw": SIGNAL,
};

/** The largest size that can be waited for: what takes the first of an array, or searches it, is slow beyond it. */
export const largest = { "scale-receivers": 10_000, "scale-withdraw": 10_000, "scale-cases": 10_000 };
