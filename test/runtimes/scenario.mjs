/**
 * What the test kit promises, asked of the runtime that runs this: one file, without a test framework, for Node, Bun,
 * Deno and a page.
 *
 * It prints one line of JSON with the answers, which `run.mjs` compares. They must be the same everywhere, so nothing is
 * in them that may differ: no real time, no columns, no folders.
 */
import { Chan, context, errgroup, select, singleflight, sync, time } from "../../dist/index.js";
import { bubble, DeadlockError, explore, LeakError, record, ScheduleError } from "../../dist/testing/index.js";
import { memoryBroker, worker } from "../../dist/worker/index.js";

function must(isSo, what) {
  if (!isSo) throw new Error(`it is not so that ${what}`);
}

/** The error of a test that must fail. */
async function failureOf(test, Class) {
  const error = await test.then(
    () => undefined,
    (error) => error,
  );
  if (!(error instanceof Class)) throw error ?? new Error(`expected a ${Class.name}, and nothing failed`);
  return error;
}

/** The line from which this is called. */
function lineHere() {
  const [, caller] = new Error().stack.match(/scenario\.mjs:\d+/g);
  return Number(caller.split(":")[1]);
}

/** FNV-1a, of 32 bits. */
function hash(text) {
  let h = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193);
  return (h >>> 0).toString(16).padStart(8, "0");
}

/** A report without what may differ: the folder of this file, and the column, which engines count in their own ways. */
const told = (error) => `${error.name}: ${error.message}`.replace(/\S*?(scenario\.mjs:\d+):\d+/g, "$1");

const unlessCancelled = (error) => {
  if (!(error instanceof context.Canceled)) throw error;
};

/** Promises that are not headgate's: one that is there, and one of the platform's. */
const plain = (value) => Promise.resolve(value);
const platformSleep = (ms, value) => new Promise((resolve) => setTimeout(resolve, ms, value));

// ------------------------------------------------------------------------------------------------------------ a bubble

/** Two hours of tickers, deadlines and a select. */
async function hours(t, until = 7_200_000) {
  const [ctx, cancel] = context.withTimeout(t.ctx, until);
  const ticker = new time.Ticker(600_000);
  const beats = new Chan();
  const [group] = errgroup.withContext(ctx);
  void group.go(async function beat(ctx) {
    for (let n = 1; ; n++) {
      await time.sleep(900_000, ctx);
      await beats.send(n, ctx);
    }
  });
  let [ticks, last] = [0, 0];
  for (;;) {
    const got = await select({ done: ctx.done(), tick: ticker.c, beat: beats });
    if (got.case === "done") break;
    if (got.case === "tick") ticks++;
    else last = got.value;
  }
  ticker.stop();
  await group.wait().catch(() => {});
  cancel();
  return { ticks, last, error: ctx.err().message };
}

async function virtualTime() {
  let result;
  const begun = performance.now();
  await bubble(async (t) => {
    const start = t.now();
    result = { ...(await hours(t)), took: t.now() - start, trace: hash(JSON.stringify(t.trace())) };
  });
  must(performance.now() - begun < 60_000, "two hours of virtual time take less than a minute");
  must(result.took === 7_200_000, `two hours have passed, and not ${result.took}ms`);
  return result;
}

async function fiftyBubbles() {
  const alone = [];
  const traced = (i, traces) =>
    bubble(async (t) => {
      await hours(t, 600_000 * (1 + (i % 7)) + i);
      traces[i] = JSON.stringify(t.trace());
    });
  for (let i = 0; i < 50; i++) await traced(i, alone);
  const together = [];
  await Promise.all(Array.from({ length: 50 }, (_, i) => traced(i, together)));
  must(alone.join() === together.join(), "bubbles that run at once do what each does alone");
  return { bubbles: together.length, traces: hash(together.join()) };
}

// --------------------------------------------------------------------------------------------------------- the reports

async function deadlock() {
  let line = 0;
  const test = bubble(async (t) => {
    const answers = t.name(new Chan(), "answers");
    line = lineHere() + 1;
    await answers.recv();
  });
  const error = await failureOf(test, DeadlockError);
  const [main] = error.tasks;
  must(/scenario\.mjs:\d+:\d+$/.test(main.at), `a place is file:line:column, and not ${main.at}`);
  must(main.at.includes(`scenario.mjs:${line}:`), `the task waits in line ${line}, and not at ${main.at}`);
  return { told: told(error), name: main.name, blockedOn: main.blockedOn };
}

async function leak() {
  const tests = {
    task: async () => {
      const [group] = errgroup.withContext(context.background());
      void group.go(async function forgotten() {
        await new Chan().recv();
      });
    },
    context: async (t) => {
      context.withCancel(t.ctx);
      context.withCancel(context.background());
    },
    timer: async () => {
      time.afterFunc(1_000, () => {});
    },
  };
  const results = {};
  for (const [what, test] of Object.entries(tests)) results[what] = told(await failureOf(bubble(test), LeakError));
  must(/scenario\.mjs:\d+/.test(results.task), "a leak comes with a line");
  return results;
}

// ---------------------------------------------------------------------------------------------- steps, and the outside

/** Two tasks with hundreds of microtasks between two operations; a platform timer and a message arrive meanwhile. */
async function steps() {
  const log = [];
  await bubble(async () => {
    const group = new errgroup.Group();
    for (const name of ["a", "b"]) {
      void group.go(async () => {
        for (let round = 0; round < 20; round++) {
          for (let i = 0; i < 100; i++) {
            await [plain, (j) => Promise.all([plain(), plain(j)]), async (j) => plain(j)][i % 3](i);
            log.push(name);
          }
          await time.sleep(1);
        }
      });
    }
    await group.wait();
  });
  const runs = log.join("").match(/a+|b+/g);
  must(log.length === 4_000 && runs.every((run) => run.length % 100 === 0), "a step lasts until its last microtask");
  return { turns: runs.length };
}

/** The next turn of the event loop, as soon as the platform will have it. */
const turn = () =>
  new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(null);
  });

/** Somebody who is in no bubble uses headgate meanwhile, and neither notices. */
async function neighbours() {
  const channel = new Chan();
  let isOver = false;
  const stray = async () => {
    for (let n = 0; !isOver; n++) {
      await (n % 10 === 0 ? platformSleep(0) : turn());
      const answer = channel.recv();
      await turn();
      await channel.send(n);
      const [value] = await answer;
      must(value === n, "a channel outside of every bubble works as ever");
    }
  };
  const traces = new Set();
  const test = async (t) => {
    await hours(t);
    traces.add(hash(JSON.stringify(t.trace())));
  };
  const straying = stray();
  try {
    for (let i = 0; i < 50; i++) await bubble(test);
  } finally {
    isOver = true;
  }
  await straying;
  must(traces.size === 1, "a bubble does the same, whatever happens beside it");
  return [...traces];
}

async function outside() {
  const page = globalThis.document === undefined ? "data:text/plain,hello" : globalThis.location.href;
  let result;
  const test = async (t) => {
    const start = t.now();
    const text = await t.external(fetch(page).then((response) => response.text()));
    must(text.length > 0, "the page has arrived");
    const group = new errgroup.Group();
    const said = [];
    // The platform's promises settle one after the other, however slow the machine is.
    let letFirst;
    const second = platformSleep(1, "second");
    const first = new Promise((resolve) => (letFirst = resolve)).then(() => platformSleep(1, "first"));
    for (const promise of [first, second]) {
      void group.go(async () => {
        said.push(await t.external(promise));
        letFirst();
        await time.sleep(1_000);
        said.push(t.now() - start);
      });
    }
    await group.wait();
    // Without t.external, what comes after it must name an object of the bubble: pages have no AsyncLocalStorage.
    const raw = await platformSleep(1, "raw");
    await time.sleep(1_000, t.ctx);
    const failure = await t.external(platformSleep(1).then(() => Promise.reject(new Error("no")))).catch((e) => e);
    result = { said, raw, failure: failure.message, took: t.now() - start };
    result.trace = hash(JSON.stringify(t.trace()));
  };
  await bubble(test, { externalTimeout: 30_000 });
  const never = new Promise(() => {});
  const stuck = bubble(
    async (t) => {
      await t.external(never);
    },
    { externalTimeout: 50 },
  );
  // How long to wait is a matter of what the platform says of itself.
  const patience = /more than \d+ms/;
  return { ...result, stuck: told(await failureOf(stuck, DeadlockError)).replace(patience, "long") };
}

/** A loop of bare awaits is stopped, where anything can stop it, and what comes after it is as ever. */
async function endlessLoop() {
  const isV8OfNode = globalThis.process?.getBuiltinModule?.("node:v8") !== undefined && globalThis.Bun === undefined;
  if (!isV8OfNode) return "found";
  for (const find of [bubble, explore]) {
    let cleaned = false;
    const loop = async (t) => {
      const group = new errgroup.Group();
      void group.go(() => new Chan().recv(t.ctx).catch(() => (cleaned = true)));
      await t.yield();
      for (;;) await plain();
    };
    const { message } = await failureOf(find(loop), Error);
    must(/livelock: main was stopped/.test(message), "an endless loop is found");
    must(/\d+ × +at \S*scenario\.mjs:\d+/.test(message), "it is said where it is");
    must(cleaned, "the others clean up");
  }
  await platformSleep(1);
  await bubble((t) => t.sleep(1));
  return "found";
}

/** Code runs in the async context of the call that handed it over, where there is such a thing. */
async function whoseContext() {
  const hooks = globalThis.process?.getBuiltinModule?.("node:async_hooks");
  if (hooks === undefined) return ["A", "A", "A"];
  const store = new hooks.AsyncLocalStorage();
  const seen = [];
  const see = () => void seen.push(store.getStore());
  await bubble(async (t) => {
    const group = new errgroup.Group();
    group.setLimit(1);
    await store.run("B", () => group.go(() => time.sleep(10)));
    const queued = store.run("A", () => group.go(see));
    await store.run("C", () => group.wait());
    await queued;
    const [ctx, cancel] = store.run("B", () => context.withTimeout(t.ctx, 20));
    store.run("A", () => {
      context.afterFunc(ctx, see);
      time.afterFunc(40, see);
    });
    await store.run("C", () => t.sleep(100));
    cancel();
  });
  return seen;
}

/** The same in real time: tasks behind a limit, timers that somebody else sets again, functions at a deadline. */
async function whoseContextInRealTime() {
  const hooks = globalThis.process?.getBuiltinModule?.("node:async_hooks");
  if (hooks === undefined) return ["A", "A", "A", "A", "A"];
  const store = new hooks.AsyncLocalStorage();
  const seen = [];
  const see = () => void seen.push(store.getStore());
  const group = new errgroup.Group();
  group.setLimit(1);
  await store.run("B", () => group.go(() => time.sleep(10)));
  const queued = store.run("A", () => group.go(() => time.sleep(1).then(see)));
  await store.run("C", () => group.wait());
  await queued;
  const timer = store.run("A", () => time.afterFunc(10, see));
  const [ctx] = store.run("B", () => context.withTimeout(context.background(), 20));
  store.run("A", () => context.afterFunc(ctx, see));
  await store.run("C", () => time.sleep(40));
  store.run("C", () => timer.reset(1));
  await time.sleep(40);
  const flights = new singleflight.Group();
  await store.run("A", () => flights.do(1, see));
  return seen;
}

// --------------------------------------------------------------------------------------------------------- exploration

/** Workers with a bug each, and, with `fixed`, without it; each bug can only be seen by its own way of looking. */
const workers = [
  {
    name: "nacks what it has acked, if cancelled at that moment",
    make: (fixed) => async (t) => {
      const messages = new Chan(2);
      for (const id of ["m1", "m2"]) messages.trySend(id);
      messages.close();
      const settled = [];
      const [group] = errgroup.withContext(t.ctx);
      void group.go(async function pull(ctx) {
        for await (const id of messages.values(ctx)) {
          let isHeld = true;
          try {
            await time.sleep(10, ctx);
            settled.push(id);
            if (fixed) isHeld = false;
            await time.sleep(1, ctx);
            isHeld = false;
          } finally {
            if (isHeld) settled.push(id);
          }
        }
      });
      await group.wait().catch(unlessCancelled);
      if (new Set(settled).size < settled.length) throw new Error(`settled twice: ${settled.join(", ")}`);
    },
  },
  {
    name: "uses what somebody else may not have made yet",
    options: { cancel: false },
    make: (fixed) => async (t) => {
      const made = new Chan();
      const group = new errgroup.Group();
      let connection;
      void group.go(async function connect() {
        await t.yield();
        connection = "open";
        made.close();
      });
      void group.go(async function query() {
        if (fixed) await made.recv();
        for (let i = 0; i < 2; i++) await t.yield();
        if (connection === undefined) throw new Error("no connection");
      });
      await group.wait();
    },
  },
  {
    name: "looks at ctx, and acts two plain awaits later",
    make: (fixed) => async (t) => {
      await time.sleep(1, t.ctx).catch(unlessCancelled);
      if (t.ctx.err() !== undefined) return;
      await Promise.all([plain(), plain()]);
      await plain();
      if (fixed && t.ctx.err() !== undefined) return;
      if (t.ctx.err() !== undefined) throw new Error("acted after the end");
    },
  },
  {
    name: "takes the second signal for a failure",
    options: { signals: 2 },
    make: (fixed) => async (t) => {
      await time.sleep(10, t.ctx).catch(unlessCancelled);
      await time.sleep(5, t.abort).catch(fixed ? unlessCancelled : () => Promise.reject(new Error("killed")));
    },
  },
  {
    name: "keeps the lock when an operation fails",
    options: { cancel: false, fail: new Error("refused") },
    make: (fixed) => async () => {
      const lock = new sync.Mutex();
      await lock.lock();
      const refused = await time.sleep(1).catch((error) => error);
      if (fixed || refused === undefined) lock.unlock();
      if (!lock.tryLock()) throw new Error("the lock is still held");
    },
  },
];

/** What can be compared of an exploration that held. */
const counted = ({ schedules, points, complete }) => ({ schedules, points, complete });

async function brokenWorkers() {
  const results = {};
  for (const { name, make, options } of workers) {
    const found = await failureOf(explore(make(false), options), ScheduleError);
    const again = await failureOf(explore(make(false), { ...options, replay: found.replay }), ScheduleError);
    const traces = [found, again].map((error) => JSON.stringify(error.trace));
    must(traces[0] === traces[1] && told(found.cause) === told(again.cause), `${found.replay} replays "${name}"`);
    // The repaired one may end before it comes to all of the string, which `explore` would refuse.
    const { error } = await record(make(true), found.replay, options?.fail && { fail: options.fail });
    must(error === undefined, `the repaired "${name}" holds under ${found.replay}`);
    results[name] = {
      cause: told(found.cause),
      replay: found.replay,
      schedules: found.schedules,
      told: hash(told(found)),
      fixed: counted(await explore(make(true), options)),
    };
  }
  return results;
}

/** headgate's own worker, in every way it can be explored. */
async function ownWorker() {
  const scenario = async (t) => {
    const broker = memoryBroker();
    for (const ms of [3, 1, 2]) await broker.publish(ms);
    broker.end();
    // It awaits: Bun drops the frame of a function that only returns what it calls, so its line would be in no stack.
    const handle = async (ctx, { body }) => {
      await time.sleep(body, ctx);
    };
    const report = await worker(t.ctx, broker, handle, { concurrency: 2, abort: t.abort });
    const { pulled, acked, retried, released, dead, expired } = report;
    if (pulled !== acked + retried + released + dead + expired) throw new Error("the account does not add up");
  };
  const most = { bound: 1, microtasks: 1, randomRuns: 100 };
  return {
    plain: counted(await explore(scenario, most)),
    "second signal": counted(await explore(scenario, { ...most, signals: 2 })),
    "slow machine": counted(await explore(scenario, { ...most, timers: "any" })),
    refusals: counted(await explore(scenario, { ...most, fail: new Error("refused") })),
  };
}

/** Tasks that meet in channels, a lock, a select and equal timers, and one that cancels. Returns who did what when. */
async function meeting(t) {
  const [ctx, cancel] = context.withCancel(t.ctx);
  const [letters, lock, log] = [new Chan(1), new sync.Mutex(), []];
  const group = new errgroup.Group();
  for (const name of ["ann", "bob"]) {
    const visit = async () => {
      await lock.lock();
      log.push(`${name} locks`);
      await t.yield();
      lock.unlock();
      await time.sleep(5);
      await letters.send(name, ctx).catch(unlessCancelled);
      log.push(`${name} leaves`);
    };
    void group.go(t.name(visit, name));
  }
  void group.go(async function read() {
    for (;;) {
      const got = await select({ done: ctx.done(), letter: letters, late: time.after(5) });
      log.push(got.case === "letter" ? `a letter of ${got.value}` : got.case);
      if (got.case === "done") return;
    }
  });
  void group.go(async function stop() {
    await time.sleep(10);
    await t.yield();
    cancel();
  });
  await group.wait();
  return log.join(", ");
}

/** What chance makes of the meeting under each of these seeds: whatever is not the plain order counts as a failure. */
async function randomSchedules(seeds = 200) {
  let usual;
  await bubble(async (t) => {
    usual = await meeting(t);
  });
  const scenario = async (t) => {
    const other = await meeting(t);
    if (other !== usual) throw new Error(other);
  };
  const [outcomes, stories] = [new Set(), []];
  for (let seed = 1; seed <= seeds; seed++) {
    const test = explore(scenario, { cancel: false, bound: 0, randomRuns: 2, seed });
    const { cause, replay, trace, schedules } = await failureOf(test, ScheduleError);
    outcomes.add(cause.message);
    stories.push(`${schedules} ${replay} ${JSON.stringify(trace)} ${trace} ${trace.toMermaid()} ${trace.toSVG()}`);
  }
  return { seeds, outcomes: outcomes.size, stories: hash(stories.join("\n")), usual };
}

// --------------------------------------------------------------------------------------------------------- the answers

// The first is asked before the module has ever awaited anything.
const questions = {
  steps,
  virtualTime,
  fiftyBubbles,
  deadlock,
  leak,
  neighbours,
  outside,
  endlessLoop,
  whoseContext,
  whoseContextInRealTime,
  brokenWorkers,
  ownWorker,
  randomSchedules,
};
const answers = {};
for (const [name, ask] of Object.entries(questions)) {
  try {
    answers[name] = await ask();
  } catch (error) {
    const frames = error.stack.split("\n").filter((line) => /:\d+:\d+\)?$/.test(line));
    answers[name] = { failed: [`${error.name}: ${error.message}`, ...frames.slice(0, 6)].join("\n") };
  }
}
console.log(JSON.stringify(answers));
