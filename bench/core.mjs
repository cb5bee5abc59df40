/**
 * How fast the core is, each row as a multiple of h: one await of a promise that is resolved already, in the same process.
 *
 *   npm run bench [-- --quick] [-- --only ROW]
 *
 * Each row runs in a process of its own, in slices that alternate with slices of h; of both the lower quartile counts, so that what the
 * neighbours do shows as little as possible. Compare the multiples, not the nanoseconds.
 */
import { spawnSync } from "node:child_process";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { Chan, context, errgroup, select, semaphore, sync } from "../dist/index.js";
import { memoryBroker, worker } from "../dist/worker/index.js";

const background = context.background();

const sendAll = async (ch, n) => {
  for (let i = 0; i < n; i++) await ch.send(i);
};

const transfer = (capacity) => async (n) => {
  const ch = new Chan(capacity);
  const sent = sendAll(ch, n);
  for (let i = 0; i < n; i++) await ch.recv();
  await sent;
};

const iterate = (capacity) => async (n) => {
  const ch = new Chan(capacity);
  const sent = sendAll(ch, n).then(() => ch.close());
  for await (const _ of ch);
  await sent;
};

const selectOf = (k) => async (n) => {
  const cases = Object.fromEntries(Array.from({ length: k }, (_, i) => [`c${i}`, new Chan()]));
  const each = Math.floor(n / k);
  const sent = Promise.all(Object.values(cases).map((ch) => sendAll(ch, each)));
  for (let i = 0; i < each * k; i++) await select(cases);
  await sent;
};

/** [target as a multiple of h, or a note; what one operation is; the program, which is given the number of operations] */
const rows = {
  unbuffered: [4.0, "send + recv", transfer(0)],
  "buffered 128": [2.6, "send + recv", transfer(128)],
  "buffered, try first": [
    0.8,
    "send + recv",
    async (n) => {
      const ch = new Chan(128);
      const sent = (async () => {
        for (let i = 0; i < n; i++) if (!ch.trySend(i)) await ch.send(i);
      })();
      for (let i = 0; i < n; i++) if (ch.tryRecv() === undefined) await ch.recv();
      await sent;
    },
  ],
  "for await, buffered": [3.0, "value", iterate(128)],
  "for await, unbuffered": [4.5, "value", iterate(0)],
  "fan-in 100 × 1": [
    4.0,
    "value",
    async (n) => {
      const ch = new Chan();
      const sent = Promise.all(Array.from({ length: 100 }, () => sendAll(ch, n / 100)));
      for (let i = 0; i < n; i++) await ch.recv();
      await sent;
    },
  ],
  "pipeline of 10 stages": [
    48,
    "item",
    async (n) => {
      const first = new Chan();
      let last = first;
      const stages = [sendAll(first, n / 10).then(() => first.close())];
      for (let i = 0; i < 10; i++) {
        const [from, to] = [last, new Chan()];
        stages.push(
          (async () => {
            for await (const value of from) await to.send(value);
            to.close();
          })(),
        );
        last = to;
      }
      for await (const _ of last);
      await Promise.all(stages);
    },
    0.1,
  ],
  "select of 2": [8, "select", selectOf(2)],
  "select of 10": [8, "select", selectOf(10)],
  "recv(ctx), unbuffered": [
    undefined,
    "send + recv",
    async (n) => {
      const [ctx, cancel] = context.withCancel(background);
      const ch = new Chan();
      const sent = sendAll(ch, n);
      for (let i = 0; i < n; i++) await ch.recv(ctx);
      await sent;
      cancel();
    },
  ],
  "errgroup, limit 10": [
    4.5,
    "task",
    async (n) => {
      const group = new errgroup.Group();
      group.setLimit(10);
      for (let i = 0; i < n; i++) await group.go(async () => {});
      await group.wait();
    },
  ],
  "errgroup, limit 10, all at once": [
    25,
    "task",
    async (n) => {
      const group = new errgroup.Group();
      group.setLimit(10);
      for (let i = 0; i < n; i++) void group.go(async () => {});
      await group.wait();
    },
  ],
  "child context, create, cancelled together": [
    10,
    "context",
    async (n) => {
      const [parent, cancel] = context.withCancel(background);
      for (let i = 0; i < n; i++) context.withCancel(parent);
      cancel();
    },
  ],
  "child context, create + cancel": [
    2,
    "context",
    async (n) => {
      const [parent] = context.withCancel(background);
      for (let i = 0; i < n; i++) context.withCancel(parent)[1]();
    },
  ],
  "withTimeout, create + cancel": [
    undefined,
    "context",
    async (n) => {
      for (let i = 0; i < n; i++) context.withTimeout(background, 60_000)[1]();
    },
  ],
  "mutex, uncontended": [
    undefined,
    "lock + unlock",
    async (n) => {
      const mutex = new sync.Mutex();
      for (let i = 0; i < n; i++) {
        await mutex.lock();
        mutex.unlock();
      }
    },
  ],
  "semaphore, uncontended": [
    undefined,
    "acquire + release",
    async (n) => {
      const weighted = new semaphore.Weighted(1);
      for (let i = 0; i < n; i++) {
        await weighted.acquire();
        weighted.release();
      }
    },
  ],
};

const RESOLVED = Promise.resolve();
const h = async (n) => {
  for (let i = 0; i < n; i++) await RESOLVED;
};

async function ns(program, n, share = 1) {
  const begun = performance.now();
  await program(n);
  return ((performance.now() - begun) * 1e6) / (n * share);
}

const quartile = (all) =>
  all.toSorted?.((a, b) => a - b)[all.length >> 2] ?? [...all].sort((a, b) => a - b)[all.length >> 2];

async function measure([, , program, share], slices) {
  const [ours, unit] = [[], []];
  for (let i = 0; i < slices + 8; i++) {
    const u = await ns(h, 20_000);
    const o = await ns(program, 20_000, share);
    if (i >= 8) {
      unit.push(u);
      ours.push(o);
    }
  }
  return { ns: quartile(ours), h: quartile(unit) };
}

function bytesPerChild() {
  const [parent, cancel] = context.withCancel(background);
  globalThis.gc?.();
  const before = process.memoryUsage().heapUsed;
  for (let i = 0; i < 300_000; i++) context.withCancel(parent);
  globalThis.gc?.();
  const held = process.memoryUsage().heapUsed - before;
  cancel();
  return held / 300_000;
}

async function messagesPerSecond(n) {
  const broker = memoryBroker();
  for (let i = 0; i < n; i++) await broker.publish(i);
  broker.end();
  const begun = performance.now();
  await worker(background, broker, async () => {}, { concurrency: 100 });
  return (n / (performance.now() - begun)) * 1000;
}

const args = process.argv.slice(2);
if (args[0] === "--row") {
  const result =
    args[1] === "bytes"
      ? bytesPerChild()
      : args[1] === "worker"
        ? await messagesPerSecond(200_000)
        : await measure(rows[args[1]], Number(args[2]));
  console.log(JSON.stringify(result));
} else {
  const only = args.includes("--only") ? args[args.indexOf("--only") + 1] : undefined;
  const slices = args.includes("--quick") ? 16 : 60;
  const run = (...row) =>
    JSON.parse(
      spawnSync(process.execPath, ["--expose-gc", fileURLToPath(import.meta.url), "--row", ...row], {
        encoding: "utf8",
      }).stdout,
    );
  console.log(
    `node ${process.version}\n${"row".padEnd(42)}${"ns".padStart(8)}${"× h".padStart(8)}${"target".padStart(8)}  per`,
  );
  for (const [name, [target, unit]] of Object.entries(rows)) {
    if (only !== undefined && name !== only) continue;
    const result = run(name, String(slices));
    const cells = [
      result.ns.toFixed(0).padStart(8),
      (result.ns / result.h).toFixed(2).padStart(8),
      String(target ?? "–").padStart(8),
    ];
    console.log(`${name.padEnd(42)}${cells.join("")}  ${unit}`);
  }
  if (only === undefined) {
    console.log(`memory of a held child context        ${run("bytes").toFixed(0)} bytes (target 120)`);
    console.log(
      `worker, broker in memory, no-op       ${Math.round(run("worker") / 1000)} 000 messages a second (target 150 000)`,
    );
  }
}
