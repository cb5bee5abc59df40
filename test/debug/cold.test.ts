/**
 * What is written about a program in which nothing was watched, at a signal and at its end: each runs in a process of
 * its own.
 */
import { beforeAll, describe, expect, it } from "vitest";
import { build, run } from "../support/child.ts";

beforeAll(build);

/** Programs end by themselves; a timer keeps them alive until they have sent the signal and got the dump. */
const program = (body: string): string => `
  import { Chan, context, errgroup, go, select, semaphore, singleflight, sync, time } from "./dist/index.js";
  import * as debug from "./dist/debug/index.js";
  const alive = setTimeout(() => {}, 50_000);
  const turn = () => new Promise((resolve) => setImmediate(resolve));
  const signal = async () => {
    const written = new Promise((resolve) => debug.onSignal("SIGQUIT", resolve));
    await turn();
    process.kill(process.pid, "SIGQUIT");
    return await written;
  };
  ${body}
`;

describe("a signal", () => {
  it("writes what waits, and on what, though nothing was enabled", async () => {
    const { lines, errors } = await run(
      program(`
        const jobs = debug.name(new Chan(10), "jobs");
        const mu = debug.name(new sync.Mutex(), "balance");
        const [app, stop] = context.withCancel(context.background());
        debug.name(app, "app");
        const [request, cancel] = context.withTimeout(app, 60_000);
        debug.name(request, "request");
        const [wg, sem, flights] = [new sync.WaitGroup(), new semaphore.Weighted(1), new singleflight.Group()];
        const [rw, cond, group] = [new sync.RWMutex(), new sync.Cond(mu), new errgroup.Group()];
        globalThis.keep = [wg, sem, flights, rw, cond, group];
        for (let i = 0; i < 3; i++) void jobs.recv();
        await mu.lock();
        void cond.wait();
        await mu.lock();
        void mu.lock();
        wg.add(1);
        void wg.wait();
        void sem.acquire(1);
        void sem.acquire(1);
        void flights.do("key", () => new Promise(() => {}));
        rw.tryLock();
        void rw.lock();
        void rw.rLock();
        group.setLimit(1);
        void group.go(() => new Promise(() => {}));
        void group.go(() => {});
        void group.wait();
        void select({ job: jobs, stop: app.done() });
        void time.sleep(60_000, request);
        void context.wait(new Promise((resolve) => (globalThis.resolve = resolve)), request);
        void new Chan().recv(request);
        console.log(await signal());
        process.exit();
      `),
    );
    expect(errors).toBe("");
    const text = lines.join("\n");
    expect(text).toMatch(/^headgate: \d+ waits, 2 contexts; nothing is watched, so there are no lines and ages/);
    const blocks = text.split("\n\n").map((block) => block.split("\n")[0]!);
    expect(blocks.slice(1).sort()).toEqual(
      [
        "3 × recv jobs",
        "acquire sem",
        "cond.wait cond",
        "contexts",
        "2 × context.wait a promise, or an object that is gone",
        "group.go group",
        "group.wait group",
        "lock balance",
        "lock rw",
        "rLock rw",
        "select { job: jobs, stop: app.done() }",
        "singleflight.do flight",
        "sleep 60000ms",
        "wg.wait wg",
      ].sort(),
    );
    expect(text).toContain("    on      Chan(0/10, 4 receivers waiting)");
    expect(text).toMatch(
      /\n {4}app: WithCancel, 1 waiting\n {8}request: WithDeadline, deadline in \d+[\dms.]*, 3 waiting/,
    );
  });

  it("says that what nothing can wake cannot be found, if it finds nothing", async () => {
    const { lines } = await run(
      program(`
        (() => void new Chan().recv())();
        await turn();
        console.log(await signal());
        process.exit();
      `),
    );
    expect(lines[0]).toMatch(/^headgate: 0 waits, 0 contexts; nothing is watched/);
    expect(lines[1]).toBe(
      "What nothing can wake cannot be found any more: call debug.watch() when the program starts.",
    );
  });

  it("counts all that waits, though it lists the first ones alone", async () => {
    const { lines } = await run(
      program(`
        const jobs = (globalThis.jobs = new Chan());
        for (let i = 0; i < 5; i++) void jobs.recv();
        const dump = debug.dump({ most: 2 });
        console.log(dump.waits.length, dump.counts.waits);
        console.log(String(dump));
        process.exit();
      `),
    );
    expect(lines.slice(0, 2)).toEqual(["2 5", expect.stringMatching(/^headgate: 5 waits, 0 contexts;/)]);
    expect(lines).toContain("and 3 waits more");
  });

  it("counts the waiters of an object once, however many wait for it", async () => {
    const { lines } = await run(
      program(`
        const jobs = (globalThis.jobs = new Chan());
        for (let i = 0; i < 50; i++) void jobs.recv();
        let asked = 0;
        const { toString } = Chan.prototype;
        Chan.prototype.toString = function () {
          asked++;
          return toString.call(this);
        };
        console.log((await signal()).match(/50 receivers waiting/g).length, asked);
        process.exit();
      `),
    );
    expect(lines).toEqual(["1 1"]);
  });

  it("is written to stderr, again at each one, and no more once it is stopped", async () => {
    const { code, errors } = await run(
      program(`
        const jobs = debug.name(new Chan(), "jobs");
        void jobs.recv();
        const stop = debug.onSignal();
        let arrived = 0;
        process.on("SIGQUIT", () => arrived++);
        for (let n = 1; n <= 3; n++) {
          await turn();
          process.kill(process.pid, "SIGQUIT");
          while (arrived < n) await turn();
          if (n === 2) stop();
        }
        process.exit();
      `),
    );
    expect(code).toBe(0);
    expect(errors.match(/^recv jobs$/gm)).toHaveLength(2);
  });

  it("shows the lines of a deadlock and who holds each lock, if the program is watched", async () => {
    const { lines, errors } = await run(
      program(`
        debug.watch();
        const accounts = ["a", "b"].map((id) => debug.name(new sync.Mutex(), id));
        const met = new sync.WaitGroup();
        met.add(2);
        async function transfer(from, to) {
          await from.lock();
          met.done();
          await met.wait();
          await to.lock();
        }
        go(() => transfer(accounts[0], accounts[1]));
        go(() => transfer(accounts[1], accounts[0]));
        await met.wait();
        await turn();
        console.log(await signal());
        process.exit();
      `),
    );
    expect(errors).toBe("");
    const text = lines.join("\n");
    for (const id of ["a", "b"]) {
      const block = text.split("\n\n").find((part) => part.startsWith(`lock ${id}`))!;
      expect(block).toMatch(/held by transfer \(\S*:\d+:22\)/);
      expect(block).toMatch(/at {6}transfer \(\S*:\d+:20\)/);
    }
  });
});

describe("onExit", () => {
  it("has Go's words and the lines if the main module waits, and the program is watched", async () => {
    const { code, errors } = await run(
      program(`
        clearTimeout(alive);
        debug.watch();
        debug.onExit();
        const letters = debug.name(new Chan(), "letters");
        await letters.send("a letter");
      `),
    );
    expect(code).toBe(13);
    expect(errors).toMatch(/^headgate: all goroutines are asleep - deadlock!/m);
    expect(errors).toMatch(/^send letters, \d+ms$/m);
  });

  it("counts what waits if the program ends with 0, also without a watch", async () => {
    const { code, errors } = await run(
      program(`
        clearTimeout(alive);
        debug.onExit();
        globalThis.letters = debug.name(new Chan(), "letters");
        go(() => letters.send("a letter"));
      `),
    );
    expect(code).toBe(0);
    expect(errors).toContain("headgate: the program has ended, and 1 operation still waited.");
    expect(errors).toContain("send letters\n");
  });

  it("says what to do if the collector has taken what the main module awaits", async () => {
    const { code, errors } = await run(
      program(`
        clearTimeout(alive);
        debug.onExit();
        async function main() {
          await new Chan().recv();
        }
        await main();
      `),
    );
    expect(code).toBe(13);
    expect(errors).toContain("all goroutines are asleep");
    expect(errors).toMatch(/What it waits for cannot be found any more: call debug\.watch\(\)/);
  });

  it.each([
    ["nothing waits", "await new Chan(1).send(1);", 0],
    ["it was stopped", "void globalThis.ch.recv(); stop();", 0],
    ["the program calls process.exit", "void globalThis.ch.recv(); process.exit(13);", 13],
    ["an error ends it", "void globalThis.ch.recv(); throw new Error('mine');", 1],
  ])("writes nothing if %s", async (_, body, expected) => {
    const { code, errors } = await run(
      program(`clearTimeout(alive); globalThis.ch = new Chan(); const stop = debug.onExit(); ${body}`),
    );
    expect(code).toBe(expected);
    expect(errors).not.toContain("headgate:");
  });
});
