/**
 * What holds under fake timers, whoever's: each test runner registers these with its own.
 *
 * The rules: fairness depends on no fake; under any subset of fakes nothing hangs for ever; after they are gone all is as before; a sleep
 * or deadline follows the fake clock if both its timer and its clock are faked, else the real one, never a mix.
 *
 * `fakes` is `{ install, advance, uninstall, fakesClock, runAll?, count? }`: `install()` is the runner's default, `install(names)` fakes only
 * these globals; `advance(ms)` resolves when what that has started has had its turn; `fakesClock`: whether the default fakes `performance`.
 */
import { Chan, context, errgroup, go, select, time } from "headgate";
import { bubble } from "headgate/testing";

const bg = context.background();
/** The platform's own, unless this is imported under fakes: no test waits by a clock that it has faked. */
const { setTimeout: realTimeout, performance: realPerformance } = globalThis;
const realNow = realPerformance.now.bind(realPerformance);
const realSleep = (ms) => new Promise((resolve) => realTimeout(resolve, ms));

function must(isSo, what) {
  if (!isSo) throw new Error(`it is not so that ${what}`);
}

/** A promise, and whether it is settled. */
function watched(promise) {
  const state = { settled: false, promise };
  const settle = () => (state.settled = true);
  promise.then(settle, settle);
  return state;
}

/** Operations that are always ready, for longer than one turn of the event loop may last. */
async function loop() {
  const ch = new Chan(1);
  for (let n = 0; n < 20_000; n++) {
    await ch.send(n);
    await ch.recv();
  }
}

/** Without fakes: loops end, a sleep lasts, a deadline comes, and two tasks meet. */
async function allIsAsBefore() {
  await loop();
  const begun = realNow();
  await time.sleep(5);
  must(realNow() - begun >= 4, "a sleep lasts as long as it is said to");
  const [ctx, cancel] = context.withTimeout(bg, 5);
  await ctx.done().recv();
  cancel();
  const ch = new Chan();
  go(() => ch.send("it"));
  must((await select({ ch, late: time.after(60_000) })).value === "it", "two tasks meet");
}

/** A sleep and a deadline that come by the real clock, and do not if only the fakes move. */
async function followTheRealClock(fakes) {
  const [ctx, cancel] = context.withTimeout(bg, 60_000);
  const late = watched(time.sleep(60_000, ctx));
  await fakes.advance(60_000);
  await realSleep(5);
  must(!late.settled && ctx.err() === undefined, "no timer comes by a clock that is not its own");
  cancel();
  const begun = realNow();
  await time.sleep(10);
  must(realNow() - begun >= 9, "a sleep lasts 10 ms, and is not over at once");
  const [soon, release] = context.withTimeout(bg, 10);
  await soon.done().recv();
  release();
}

async function followTheFakeClock(fakes) {
  const sleep = watched(time.sleep(500));
  const [ctx, cancel] = context.withTimeout(bg, 500);
  await fakes.advance(499);
  must(!sleep.settled && ctx.err() === undefined, "nothing comes 1 ms early");
  await fakes.advance(1);
  await sleep.promise;
  must(ctx.err() !== undefined, "the deadline has passed");
  cancel();
}

/** Pairs of a name and a test. */
export function behaviours(fakes) {
  const under = (names, body) => async () => {
    await fakes.install(names);
    try {
      await body();
    } finally {
      await fakes.uninstall();
    }
    await allIsAsBefore();
  };
  const tests = {
    "loops that are always ready end under fakes, and when these are gone": under(undefined, async () => {
      await fakes.advance(50);
      await loop();
      await fakes.advance(50);
      await loop();
    }),
    "loops that run while the fakes come and go end": async () => {
      const running = [loop(), loop()];
      await fakes.install();
      running.push(loop());
      await fakes.advance(50);
      await Promise.resolve();
      await fakes.uninstall();
      await Promise.all(running);
      await allIsAsBefore();
    },
    "a sleep and a deadline follow the fake clock if it is whole, else the real one": under(undefined, () =>
      fakes.fakesClock ? followTheFakeClock(fakes) : followTheRealClock(fakes),
    ),
    "a group of tasks goes on under fakes": under(undefined, async () => {
      const [group, ctx] = errgroup.withContext(bg);
      const ch = new Chan();
      void group.go(async () => {
        for (let n = 0; n < 100; n++) await ch.send(n, ctx);
        ch.close();
      });
      let sum = 0;
      for await (const n of ch) sum += n;
      await group.wait();
      must(sum === 4950, "all have come");
    }),
    "a sleep that began before the fakes is over by the real clock": async () => {
      const sleep = time.sleep(10);
      await fakes.install();
      try {
        await sleep;
      } finally {
        await fakes.uninstall();
      }
      await allIsAsBefore();
    },
    "with fake timers and a real clock all follows the real one": under(["setTimeout", "clearTimeout"], async () => {
      await loop();
      await followTheRealClock(fakes);
    }),
    "a bubble has its own time under fakes": under(undefined, () =>
      bubble(async (t) => {
        const begun = t.now();
        await time.sleep(3_600_000);
        must(t.now() - begun === 3_600_000, "an hour has passed in the bubble");
      }),
    ),
  };
  if (fakes.fakesClock) {
    tests["with a fake clock and real timers all follows the real ones"] = under(["performance", "Date"], async () => {
      await loop();
      await followTheRealClock(fakes);
    });
    tests["a select, a timer and a ticker follow the fake clock"] = under(undefined, async () => {
      const ticker = new time.Ticker(10);
      const first = watched(select({ tick: ticker.c, late: time.after(60_000) }));
      await fakes.advance(9);
      must(!first.settled, "no tick comes early");
      await fakes.advance(1);
      must((await first.promise).case === "tick", "the tick has come");
      ticker.stop();
    });
  }
  if (fakes.runAll !== undefined) {
    tests["running all timers ends, and ends all sleeps"] = under(undefined, async () => {
      const sleeps = Promise.all([10, 20, 30_000].map((ms) => time.sleep(ms)));
      await fakes.runAll();
      await sleeps;
    });
  }
  if (fakes.count !== undefined) {
    tests["a deadline that was cancelled leaves no timer"] = under(undefined, async () => {
      for (let n = 0; n < 10; n++) context.withTimeout(bg, 60_000)[1]();
      must(fakes.count() === 0, `no timer is left, and not ${fakes.count()}`);
    });
  }
  return Object.entries(tests);
}

/** What is asked of a headgate that was imported when the fakes were there already, which are never taken away. */
export async function bornUnderFakes(fakes) {
  await loop();
  await fakes.advance(50);
  await loop();
  // Where its own clock is not known, it goes by that of the fakes.
  const sleep = watched(time.sleep(500));
  for (let n = 0; n < 10 && !sleep.settled; n++) await fakes.advance(100);
  await sleep.promise;
  const [ctx, cancel] = context.withTimeout(bg, 100);
  for (let n = 0; n < 10 && ctx.err() === undefined; n++) await fakes.advance(100);
  await ctx.done().recv();
  cancel();
  await loop();
}

/** The answers of `everything()` that are neither "ok" nor a refusal that is foreseen. */
export function faultsOf(answers) {
  const faults = Object.entries(answers).filter(([, answer]) => answer !== "ok" && !answer.startsWith("refuses: "));
  if (faults.length > 0) throw new Error(faults.map(([name, answer]) => `${name} ${answer}`).join("\n"));
  if (Object.keys(answers).length < 50) throw new Error("hardly anything was used");
}
