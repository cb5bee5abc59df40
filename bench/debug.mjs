/**
 * The price of `headgate/debug`: CPU time of a service and of single operations, not watched, watched by default, and with other budgets.
 *
 *     npm run build && node bench/debug.mjs [ROUNDS]
 *
 * The variants take turns in one process, so that all see the same machine; what is printed is the median of the ratios to "not watched".
 * A second column, "base", compares with another build: `node bench/debug.mjs 21 PATH_TO_dist/index.js` says what the probe costs where
 * nothing is watched.
 */
import process from "node:process";
import { pathToFileURL } from "node:url";
import { resolve } from "node:path";
import * as headgate from "../dist/index.js";
import * as debug from "../dist/debug/index.js";

const [rounds = "15", other] = process.argv.slice(2);
const base = other === undefined ? undefined : await import(pathToFileURL(resolve(other)).href);

const cpu = () => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000;
};

const body = JSON.stringify(Array.from({ length: 60 }, (_, id) => ({ id, name: `item ${id}`, tags: ["a", "b"] })));

/** Programs of one copy of headgate. */
const programsOf = ({ Chan, context, errgroup, go, select, sync }) => ({
  /** A request: 3 tasks, 2 contexts, 13 operations, and JSON for about 0.1 ms. */
  async service(n) {
    const lock = new sync.Mutex();
    const [app, stop] = context.withCancel(context.background());
    for (let i = 0; i < n; i++) {
      const [request, cancel] = context.withTimeout(app, 60_000);
      await errgroup.run(request, (group) => {
        const parts = new Chan();
        void group.go(async (ctx) => {
          for (let part = 0; part < 4; part++) await parts.send(part, ctx);
          parts.close();
        });
        void group.go(async (ctx) => {
          for await (const part of parts.values(ctx)) void part;
        });
        void group.go(async (ctx) => {
          const guard = await lock.lock(ctx);
          JSON.stringify(JSON.parse(body));
          guard[Symbol.dispose]();
        });
      });
      cancel();
    }
    stop();
  },
  async transfer(n) {
    const ch = new Chan();
    go(async () => {
      for (let i = 0; i < n; i++) await ch.send(i);
      ch.close();
    });
    for await (const value of ch) void value;
  },
  async select(n) {
    const [a, b] = [new Chan(), new Chan()];
    go(async () => {
      for (let i = 0; i < n; i++) await (i % 2 === 0 ? a : b).send(i);
    });
    for (let i = 0; i < n; i++) await select({ a, b });
  },
  async mutex(n) {
    const mu = new sync.Mutex();
    const wg = new sync.WaitGroup();
    for (let task = 0; task < 4; task++) {
      wg.go(async () => {
        for (let i = 0; i < n / 4; i++) {
          const guard = await mu.lock();
          await undefined;
          guard[Symbol.dispose]();
        }
      });
    }
    await wg.wait();
  },
  async cancel(n) {
    const [app, stop] = context.withCancel(context.background());
    for (let i = 0; i < n; i++) context.withCancel(app)[1]();
    stop();
  },
  async go(n) {
    const wg = new sync.WaitGroup();
    for (let i = 0; i < n; i++) {
      wg.go(async () => {});
      if (i % 100 === 0) await wg.wait();
    }
    await wg.wait();
  },
});

const TIMES = { service: 400, transfer: 40_000, select: 30_000, mutex: 40_000, cancel: 100_000, go: 60_000 };

const variants = {
  ...(base === undefined ? {} : { base: { library: base } }),
  "not watched": { library: headgate },
  "waits only": { library: headgate, watch: { stacks: 0, samples: 0, tasks: false } },
  default: { library: headgate, watch: {} },
  "1000 stacks": { library: headgate, watch: { stacks: 1_000 } },
};

/** CPU time of a variant in a round, in ms. */
const LEAST = 1_000;

const median = (numbers) => [...numbers].sort((a, b) => a - b)[numbers.length >> 1];
const samples = {};
for (let round = -2; round < Number(rounds); round++) {
  for (const name of Object.keys(TIMES)) {
    for (const [variant, { library, watch }] of Object.entries(variants)) {
      const program = programsOf(library)[name];
      const watching = watch === undefined ? undefined : debug.watch({ onLeak: () => {}, ...watch });
      const before = cpu();
      let times = 0;
      // For several sweeps, because a budget is so much a second.
      do {
        await program(TIMES[name]);
        times++;
      } while (cpu() - before < LEAST);
      const took = (cpu() - before) / times;
      watching?.[Symbol.dispose]();
      // The first rounds warm up.
      if (round >= 0) ((samples[name] ??= {})[variant] ??= []).push(took);
    }
  }
}

console.log(["", ...Object.keys(variants)].map((text) => text.padStart(12)).join(" "));
for (const [name, of] of Object.entries(samples)) {
  const ratio = (variant) => median(of[variant].map((ms, i) => ms / of["not watched"][i])).toFixed(2);
  console.log([name, ...Object.keys(variants).map(ratio)].map((text) => text.padStart(12)).join(" "));
}
process.exit();
