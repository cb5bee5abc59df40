/**
 * What Node.js itself has: streams for channels, AbortController and timers for contexts, AsyncLocalStorage for values, promises for
 * groups. Of its streams the fastest is taken: a Readable that is pushed to, whose read() wakes the sender.
 */
import { AsyncLocalStorage } from "node:async_hooks";
import { once } from "node:events";
import { PassThrough, Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { latenessBeside } from "../harness/lateness.mjs";

export const name = "native";

const nothing = () => {};
const soon = async () => {};

/** Without a reason, each abort makes an Error of its own, stack and all. */
const OVER = "over";

function channel(capacity = 1) {
  let wake;
  const next = () => {
    wake?.();
    wake = undefined;
  };
  const stream = new Readable({
    objectMode: true,
    highWaterMark: capacity,
    read: next,
    destroy: (error, callback) => {
      next();
      callback(error);
    },
  });
  const values = stream[Symbol.asyncIterator]();
  return {
    stream,
    values,
    send: (value) => (stream.push(value) ? undefined : new Promise((resolve) => (wake = resolve))),
    recv: () => values.next(),
    close: () => stream.push(null),
  };
}

const sendAll = async (ch, n) => {
  for (let i = 0; i < n; i++) await ch.send(i);
};

const transfer = (capacity) => async (n) => {
  const ch = channel(capacity);
  const sent = sendAll(ch, n);
  for (let i = 0; i < n; i++) await ch.recv();
  await Promise.all([sent, ch.values.return()]);
};

const iterate = (capacity) => async (n) => {
  const ch = channel(capacity);
  const sent = sendAll(ch, n).then(ch.close);
  for await (const _ of ch.values);
  await sent;
};

/** What is asked for and not received yet stays asked for, so that no value gets lost. */
const ask = (ch, which) => {
  const asked = ch.recv().then(({ value }) => ({ which, value }));
  asked.catch(nothing); // in the end its stream is destroyed
  return asked;
};
async function select(chans, pending) {
  const got = await Promise.race(pending);
  pending[got.which] = ask(chans[got.which], got.which);
  return got;
}

const destroyAll = (chans) => {
  for (const { stream } of chans) stream.destroy();
};

const selectOf = (k) => async (n) => {
  const chans = Array.from({ length: k }, () => channel());
  const pending = chans.map(ask);
  const received = (async () => {
    for (let i = 0; i < n; i++) await select(chans, pending);
  })();
  for (let i = 0; i < n; i++) await chans[i % k].send(i);
  await received;
  destroyAll(chans);
};

/** Aborted with its parent, until it is released. */
function child(parent) {
  const controller = new AbortController();
  const abort = () => controller.abort(parent.reason);
  parent.addEventListener("abort", abort);
  return {
    signal: controller.signal,
    cancel: () => {
      parent.removeEventListener("abort", abort);
      controller.abort(OVER);
    },
  };
}

const createAndCancel = ({ signal }, n) => {
  for (let i = 0; i < n; i++) child(signal).cancel();
};

/** As many children as you like: to add the next listener of a signal, all its others are looked through. */
function family(n) {
  const parent = new AbortController();
  const children = Array.from({ length: n }, () => AbortSignal.any([parent.signal, new AbortController().signal]));
  return { parent, children };
}

const abortAll = ({ parent }) => parent.abort(OVER);

const newController = () => new AbortController();
const abort = (controller) => controller.abort(OVER);

/** Returns how to end it before its time: without the abort, what goes on under the signal would go on. */
const startDeadline = (ms) => {
  const controller = new AbortController();
  const timer = setTimeout(() => controller.abort(OVER), ms);
  return () => {
    clearTimeout(timer);
    controller.abort(OVER);
  };
};

const besideDeadlines = (fixed) => ({
  before: (_, size = fixed) => Array.from({ length: size }, (__, i) => startDeadline(3_600_000 + (i % 1000))),
  run: (_, n) => {
    for (let i = 0; i < n; i++) startDeadline(3_600_000 + (i % 1000))();
  },
  after: (cancels) => cancels.forEach((cancel) => cancel()),
});

const group = (n) => Readable.from(Array.from({ length: n }, (_, i) => i)).forEach(soon, { concurrency: 10 });
const all = (n) => Promise.allSettled(Array.from({ length: n }, soon));

/** Of the depth-th store, when each run is inside the one before. */
const valueAt = (depth) => ({
  before: () => Array.from({ length: depth }, () => new AsyncLocalStorage()),
  run: (stores, n) => {
    const within = (k) => {
      if (k < depth) return stores[k].run(1, within, k + 1);
      let sum = 0;
      for (let i = 0; i < n; i++) sum += stores[0].getStore();
      if (sum !== n) throw new Error("the value was not found");
    };
    within(0);
  },
  after: (stores) => stores.forEach((store) => store.disable()),
});

function readable() {
  let controller;
  const stream = new ReadableStream({ start: (given) => void (controller = given) });
  return { controller, reader: stream.getReader() };
}

export const programs = {
  unbuffered: transfer(1),
  buffered: transfer(128),
  "buffered-try": async (n) => {
    const { stream, send } = channel(128);
    const sent = (async () => {
      for (let i = 0; i < n; i++) {
        const waiting = send(i);
        if (waiting !== undefined) await waiting;
      }
    })();
    for (let got = 0; got < n;) {
      if (stream.read() !== null) got++;
      else await once(stream, "readable");
    }
    await sent;
    stream.destroy();
  },
  "iterate-buffered": iterate(128),
  "iterate-unbuffered": iterate(1),
  "fan-in": async (n) => {
    const { readable, writable } = new TransformStream();
    const [writer, reader] = [writable.getWriter(), readable.getReader()];
    const senders = Array.from({ length: 100 }, async (_, task) => {
      for (let i = 0; i < n / 100; i++) await writer.write(task);
    });
    for (let i = 0; i < n; i++) await reader.read();
    await Promise.all(senders);
  },
  pipeline: async (n) => {
    const streams = Array.from({ length: 11 }, () => new PassThrough({ objectMode: true }));
    const sent = (async () => {
      for (let i = 0; i < n; i++) if (!streams[0].write(i)) await once(streams[0], "drain");
      streams[0].end();
    })();
    await pipeline(...streams, async (values) => {
      for await (const _ of values);
    });
    await sent;
  },
  sieve: async (n) => {
    for (let round = 0; round < n; round++) {
      const [chans, stages] = [[], []];
      const stage = (run) => {
        const to = channel();
        chans.push(to);
        stages.push(run(to).catch(nothing));
        return to;
      };
      let ch = stage(async (to) => {
        for (let i = 2; !to.stream.destroyed; i++) await to.send(i);
      });
      for (let i = 0; i < 100; i++) {
        const from = ch;
        const { value: prime } = await from.recv();
        ch = stage(async (to) => {
          for await (const value of from.values) {
            if (to.stream.destroyed) return;
            if (value % prime !== 0) await to.send(value);
          }
        });
      }
      destroyAll(chans);
      await Promise.all(stages);
    }
  },
  "make-chan": (n) => {
    const kept = [];
    for (let i = 0; i < n; i++) kept[i & 255] = channel();
  },
  "close-1000": async (n) => {
    for (let i = 0; i < n; i += 1000) {
      const { controller, reader } = readable();
      const waiting = Array.from({ length: 1000 }, () => reader.read());
      controller.close();
      await Promise.all(waiting);
    }
  },

  "select-2": selectOf(2),
  "select-10": selectOf(10),
  "select-ready": async (n) => {
    const chans = [channel(), channel()];
    const pending = chans.map(ask);
    for (let i = 0; i < n; i++) {
      void chans[0].send(i);
      await select(chans, pending);
    }
    destroyAll(chans);
  },

  child: { before: newController, run: createAndCancel, after: abort },
  children: (n) => abortAll(family(n)),
  "cancel-children": { before: family, run: abortAll },
  "cancel-chain": (n) => {
    const root = new AbortController();
    for (let i = 1, ctx = root; i < n; i++) ctx = child(ctx.signal);
    root.abort(OVER);
  },
  timeout: (n) => {
    for (let i = 0; i < n; i++) startDeadline(3_600_000)();
  },
  "timeout-crowd": besideDeadlines(100_000),
  timeouts: (n) => {
    const cancels = [];
    for (let i = 0; i < n; i++) cancels.push(startDeadline(3_600_000 + (i % 1000)));
    for (const cancel of cancels) cancel();
  },
  "after-func": {
    before: newController,
    run: ({ signal }, n) => {
      for (let i = 0; i < n; i++) {
        signal.addEventListener("abort", nothing);
        signal.removeEventListener("abort", nothing);
      }
    },
    after: abort,
  },
  signal: { before: newController, run: createAndCancel, after: abort },
  err: {
    before: newController,
    run: ({ signal }, n) => {
      let ended = 0;
      for (let i = 0; i < n; i++) if (signal.aborted) ended++;
      if (ended !== 0) throw new Error("it has not ended yet");
    },
    after: abort,
  },
  "value-1": valueAt(1),

  "group-limit": group,
  "group-all": group,
  "group-1000": all,
  waitgroup: all,

  "bytes-receiver": (n) => {
    const stream = readable();
    for (let i = 0; i < n; i++) void stream.reader.read();
    return stream;
  },
  "bytes-child": family,
  "bytes-timeout": (n) => {
    for (let i = 0; i < n; i++) startDeadline(3_600_000);
    return n;
  },
  "bytes-chan": (n) => Array.from({ length: n }, () => channel()),
  "bytes-after": (n) => {
    const parent = new AbortController();
    createAndCancel(parent, n);
    return parent;
  },

  "scale-receivers": {
    before: (_, size) => {
      const stream = readable();
      for (let i = 0; i < size; i++) void stream.reader.read();
      return stream;
    },
    run: async ({ controller, reader }, n) => {
      for (let i = 0; i < n; i++) {
        void reader.read();
        await controller.enqueue(i);
      }
    },
  },
  "scale-children": { n: "size", before: (_, size) => family(size), run: abortAll },
  "scale-siblings": {
    before: (_, size) => {
      const parent = new AbortController();
      for (let i = 0; i < size; i++) child(parent.signal);
      return parent;
    },
    run: createAndCancel,
    after: abort,
  },
  "scale-deadlines": besideDeadlines(),
  "scale-tasks": { n: "size", run: (_, n) => group(n) },
  "scale-buffer": {
    n: "size",
    run: async (_, n) => {
      const ch = channel(n);
      for (let i = 0; i < n; i++) void ch.send(i);
      for (let i = 0; i < n; i++) await ch.recv();
      await ch.values.return();
    },
  },
};

const ONE = "a stream that holds one value";
const RACE =
  "Promise.race of receives that stay asked for: never a send, and a silent channel gathers a reaction each time";
const LISTENER = "a controller that listens to its parent; AbortSignal.any takes several times as long";
const ANY = "AbortSignal.any: listeners of one signal are looked through one by one when the next is added";
const TIMER = "a controller and a timer, whose reason is made once";
const STREAM = "Readable#forEach with concurrency, an experiment of Node.js";

export const notes = {
  unbuffered: ONE,
  "iterate-unbuffered": ONE,
  "fan-in": "a TransformStream, which holds one value",
  pipeline: "stream.pipeline, whose streams hold 16 values each",
  sieve: `${ONE}; ended by destroying its streams`,
  "close-1000": "a ReadableStream",
  "select-2": RACE,
  "select-10": RACE,
  "select-ready": RACE,
  child: LISTENER,
  children: ANY,
  "cancel-children": ANY,
  "cancel-chain": LISTENER,
  timeout: TIMER,
  "timeout-crowd": TIMER,
  timeouts: TIMER,
  "after-func": "a listener, added and removed",
  signal: `${LISTENER}; its reason is made once`,
  err: "aborted of an AbortSignal",
  "value-1": "AsyncLocalStorage#getStore",
  "value-100": "left out: AsyncLocalStorage looks nothing up along a chain",
  "group-limit": STREAM,
  "group-all": STREAM,
  "group-1000": "Promise.allSettled: the tasks start in the call, and the first error is not looked for",
  waitgroup: "Promise.allSettled: the tasks start in the call, and no task can be added later",
  "bytes-receiver": "a ReadableStream",
  "bytes-child": "AbortSignal.any, and a place in an array, because it would be collected otherwise",
  "bytes-timeout": "a controller and a timer",
  "bytes-after": LISTENER,
  "scale-receivers": "a ReadableStream",
  "scale-children": ANY,
  "scale-siblings": LISTENER,
  "scale-deadlines": TIMER,
  "scale-tasks": STREAM,
};

/** The largest size that can be waited for. */
export const largest = { "scale-receivers": 10_000, "scale-children": 100_000, "scale-siblings": 1000 };

export const lateness = (ms, rounds) =>
  latenessBeside(
    async (isOver) => {
      const ch = channel(128);
      const sent = (async () => {
        while (!isOver()) await ch.send(0);
        ch.close();
      })();
      for await (const _ of ch.values);
      await sent;
    },
    ms,
    rounds,
  );
