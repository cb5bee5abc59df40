import { inspect } from "node:util";
import { context } from "headgate";
import { notifyContext, shutdown } from "headgate/signal";
import { afterEach, beforeAll, describe, expect, it } from "vitest";
import { type CancelCtx } from "../src/context/cancel.ts";
import { build, run } from "./support/child.ts";

/** What the process is told when a signal arrives, in this process, where nothing else listens for these two. */
const arrive = (signal: "SIGUSR2" | "SIGHUP"): boolean => process.emit(signal, signal);
const listeners = (): number => process.listenerCount("SIGUSR2") + process.listenerCount("SIGHUP");

afterEach(() => expect(listeners()).toBe(0));

describe("notifyContext", () => {
  it("ends its context when one of the signals arrives; the cause is a Canceled that names it (N1, N2)", () => {
    for (const signal of ["SIGUSR2", "SIGHUP"] as const) {
      const [ctx, stop] = notifyContext(context.background(), "SIGUSR2", "SIGHUP");
      using _ = stop;
      expect(ctx.err()).toBeUndefined();
      expect(arrive(signal)).toBe(true);
      expect(ctx.err()).toBeInstanceOf(context.Canceled);
      expect(ctx.err()?.message).toBe("context canceled");
      const cause = context.cause(ctx);
      expect(cause).toBeInstanceOf(context.Canceled);
      expect(cause).toMatchObject({ message: `${signal} signal received`, name: "AbortError" });
      expect(ctx.err()?.cause).toBe(cause);
    }
  });

  it("swallows further signals until it is stopped, and the first one stays the cause (N3)", () => {
    const [ctx, stop] = notifyContext(context.background(), "SIGUSR2", "SIGHUP");
    for (const signal of ["SIGUSR2", "SIGHUP", "SIGUSR2"] as const) expect(arrive(signal)).toBe(true);
    expect(context.cause(ctx)).toMatchObject({ message: "SIGUSR2 signal received" });
    stop();
    expect(arrive("SIGUSR2")).toBe(false);
  });

  it("hears again, with those made before, when somebody had taken all listeners away", () => {
    const [before, stopBefore] = notifyContext(context.background(), "SIGUSR2");
    using _before = stopBefore;
    process.removeAllListeners("SIGUSR2");
    const [after, stopAfter] = notifyContext(context.background(), "SIGUSR2");
    using _after = stopAfter;
    expect(process.listenerCount("SIGUSR2")).toBe(1);
    expect(arrive("SIGUSR2")).toBe(true);
    expect([before.err(), after.err()].map((err) => err?.message)).toEqual(["context canceled", "context canceled"]);
  });

  it("is cancelled by stop, with Canceled as the cause, and may be stopped again (N1, N2, N4)", () => {
    const [ctx, stop] = notifyContext(context.background(), "SIGUSR2");
    stop();
    stop();
    expect(ctx.err()).toBeInstanceOf(context.Canceled);
    expect(context.cause(ctx)).toBe(ctx.err());
    expect(listeners()).toBe(0);
  });

  it("ends with its parent, by the parent's cause, and a later signal changes nothing (N1, N2)", () => {
    const [parent, cancel] = context.withCancelCause(context.background());
    const [ctx, stop] = notifyContext(parent, "SIGUSR2");
    using _ = stop;
    const boom = new Error("boom");
    cancel(boom);
    expect(ctx.err()).toBe(parent.err());
    arrive("SIGUSR2");
    expect(context.cause(ctx)).toBe(boom);
  });

  it("under a parent that has ended is born done (N5)", () => {
    const [parent, cancel] = context.withCancelCause(context.background());
    cancel(new Error("boom"));
    const [ctx, stop] = notifyContext(parent, "SIGUSR2");
    using _ = stop;
    expect([ctx.err(), context.cause(ctx)]).toEqual([parent.err(), new Error("boom")]);
  });

  it("ends what is derived from it, and nothing else", () => {
    const [parent, cancel] = context.withCancel(context.background());
    const [ctx, stop] = notifyContext(parent, "SIGUSR2");
    using _ = stop;
    const [child, cancelChild] = context.withTimeout(ctx, 60_000);
    arrive("SIGUSR2");
    expect(child.err()).toBe(ctx.err());
    expect(parent.err()).toBeUndefined();
    for (const end of [cancel, cancelChild]) end();
  });

  it("shares one listener per signal among all contexts, removed with the last stop", () => {
    const contexts = Array.from({ length: 20 }, () => notifyContext(context.background(), "SIGUSR2", "SIGHUP"));
    expect([process.listenerCount("SIGUSR2"), process.listenerCount("SIGHUP")]).toEqual([1, 1]);
    const [first, ...rest] = contexts;
    first![1]();
    first![1]();
    arrive("SIGHUP");
    expect(context.cause(first![0])).toBe(first![0].err());
    for (const [ctx, stop] of rest) {
      expect(context.cause(ctx)).toMatchObject({ message: "SIGHUP signal received" });
      expect(process.listenerCount("SIGHUP")).toBe(1);
      stop();
    }
    expect(listeners()).toBe(0);
  });

  it("may name a signal twice", () => {
    const [ctx, stop] = notifyContext(context.background(), "SIGUSR2", "SIGUSR2");
    expect(String(ctx)).toBe("signal.NotifyContext(context.Background, [SIGUSR2])");
    stop();
    expect(listeners()).toBe(0);
  });

  it("means SIGINT and SIGTERM when no signal is named (N1)", () => {
    const counts = () => ["SIGINT", "SIGTERM"].map((signal) => process.listenerCount(signal));
    const before = counts();
    const [ctx, stop] = notifyContext(context.background());
    expect(counts()).toEqual(before.map((n) => n + 1));
    expect(String(ctx)).toBe("signal.NotifyContext(context.Background, [SIGINT SIGTERM])");
    stop();
    expect(counts()).toEqual(before);
  });

  it("prints as Go's does, and so does what is derived from it (N6)", () => {
    const [parent, cancel] = context.withCancel(context.background());
    const [ctx, stop] = notifyContext(parent, "SIGHUP", "SIGUSR2");
    const text = "signal.NotifyContext(context.Background.WithCancel, [SIGHUP SIGUSR2])";
    expect([String(ctx), inspect(ctx)]).toEqual([text, text]);
    expect(String(context.withoutCancel(ctx))).toBe(`${text}.WithoutCancel`);
    stop();
    expect([String(ctx), inspect(ctx)]).toEqual([text, `${text} (canceled)`]);
    cancel();
  });

  it("passes on values and the deadline of its parent, and has a signal of its own", () => {
    const user = context.key<string>("user");
    const [parent, cancel] = context.withTimeout(context.withValue(context.background(), user, "ada"), 60_000);
    const [ctx, stop] = notifyContext(parent, "SIGUSR2");
    expect([ctx.value(user), ctx.deadline()]).toEqual(["ada", parent.deadline()]);
    const { signal } = ctx;
    arrive("SIGUSR2");
    expect(signal.reason).toBe(ctx.err());
    for (const end of [stop, cancel]) end();
  });
});

describe("in a worker thread", () => {
  beforeAll(build);

  it("both say that no signal comes there", async () => {
    const program = `import { Worker } from "node:worker_threads";
      new Worker(\`(async () => {
        const { context } = await import("headgate");
        for (const listen of Object.values(await import("headgate/signal"))) {
          try { listen(context.background(), "SIGTERM"); } catch (error) { console.log(error.message); }
        }
        console.log(process.listenerCount("SIGTERM"));
      })()\`, { eval: true });`;
    const { lines, errors } = await run(program);
    expect(errors).toBe("");
    expect(lines).toEqual([
      "notifyContext: a signal never comes to a worker thread; listen in the main thread, and tell this one",
      "shutdown: a signal never comes to a worker thread; listen in the main thread, and tell this one",
      "0",
    ]);
  });
});

describe("shutdown", () => {
  it("ends stop with the first signal and abort with the second, each naming its own, then lets go", () => {
    const [stop, abort, release] = shutdown(context.background(), "SIGUSR2", "SIGHUP");
    using _ = release;
    arrive("SIGUSR2");
    expect(context.cause(stop)).toMatchObject({ message: "SIGUSR2 signal received" });
    expect(context.cause(stop)).toBeInstanceOf(context.Canceled);
    expect(abort.err()).toBeUndefined();
    expect(listeners()).toBe(2);
    arrive("SIGHUP");
    expect(abort.err()).toBeInstanceOf(context.Canceled);
    expect(context.cause(abort)).toMatchObject({ message: "SIGHUP signal received" });
    expect(context.cause(stop)).toMatchObject({ message: "SIGUSR2 signal received" });
    expect([arrive("SIGUSR2"), arrive("SIGHUP")]).toEqual([false, false]);
  });

  it("release ends both contexts and lets go of the signals, at any stage and repeatedly", () => {
    for (const signals of [0, 1, 2]) {
      const [stop, abort, release] = shutdown(context.background(), "SIGUSR2");
      for (let i = 0; i < signals; i++) arrive("SIGUSR2");
      release();
      release();
      expect(stop.err()).toBeInstanceOf(context.Canceled);
      expect(abort.err()).toBeInstanceOf(context.Canceled);
      expect(listeners()).toBe(0);
    }
  });

  it("ends both contexts with their parent", () => {
    const [parent, cancel] = context.withCancelCause(context.background());
    const [stop, abort, release] = shutdown(parent, "SIGUSR2");
    using _ = release;
    cancel("over");
    expect([context.cause(stop), context.cause(abort)]).toEqual(["over", "over"]);
  });

  it("goes on in its own stages beside others who listen", () => {
    const [ctx, stopListening] = notifyContext(context.background(), "SIGUSR2");
    const [stop, abort, release] = shutdown(context.background(), "SIGUSR2");
    arrive("SIGUSR2");
    const [late, lateAbort, lateRelease] = shutdown(context.background(), "SIGUSR2");
    expect([ctx, stop, abort, late].map((c) => c.err() !== undefined)).toEqual([true, true, false, false]);
    arrive("SIGUSR2");
    expect([abort, late, lateAbort].map((c) => c.err() !== undefined)).toEqual([true, true, false]);
    arrive("SIGUSR2");
    expect(lateAbort.err()).toBeDefined();
    expect(arrive("SIGUSR2")).toBe(true);
    for (const end of [stopListening, release, lateRelease]) end();
  });
});

describe("bad input", () => {
  it.each([
    ["no signal's name", TypeError, "TERM"],
    ["a name in small letters", TypeError, "sigterm"],
    ["a name that is misspelt", TypeError, "SIGTEM"],
    ["a name that only looks like one", TypeError, "SIGNAL"],
    ["a number", TypeError, 15],
    ["undefined", TypeError, undefined],
    ["a list", TypeError, ["SIGTERM"]],
    ["a context", TypeError, context.background()],
    ["SIGKILL, which cannot be caught", RangeError, "SIGKILL"],
    ["SIGSTOP, which cannot be caught", RangeError, "SIGSTOP"],
  ])("%s is refused, and nothing listens", (_, kind, name) => {
    for (const start of [notifyContext, shutdown]) {
      expect(() => start(context.background(), "SIGUSR2", name as never)).toThrow(kind);
    }
    expect(listeners()).toBe(0);
  });

  it("a parent that is missing or none is refused, and nothing listens", () => {
    for (const start of [notifyContext, shutdown]) {
      expect(() => start(null as never, "SIGUSR2")).toThrow("cannot create context from nil parent");
      expect(() => start("SIGUSR2" as never)).toThrow(TypeError);
    }
    expect(listeners()).toBe(0);
  });

  it("a platform without a process says so, and leaves nothing with the parent", () => {
    const real = globalThis.process;
    const [parent, cancel] = context.withCancel(context.background());
    try {
      globalThis.process = undefined as never;
      expect(() => notifyContext(parent, "SIGUSR2")).toThrow("no process");
      expect(() => shutdown(parent, "SIGUSR2")).toThrow("no process");
    } finally {
      globalThis.process = real;
    }
    expect((parent as CancelCtx).children).toBeNull();
    cancel();
  });
});

describe("a process", () => {
  beforeAll(build);

  // A signal does not keep Node alive, as little as somebody who listens for it.
  const alive = "const alive = setInterval(() => {}, 1000);";

  it("that is sent SIGTERM ends by itself when its work has ended (N1, N2)", async () => {
    const end = await run(`
      import { context } from "headgate";
      import { notifyContext } from "headgate/signal";
      ${alive}
      const [ctx, stop] = notifyContext(context.background());
      process.kill(process.pid, "SIGTERM");
      await ctx.done().recv();
      stop();
      console.log(ctx.err().message, "/", context.cause(ctx).message);
      clearInterval(alive);
    `);
    expect(end).toMatchObject({ code: 0, signal: null, errors: "" });
    expect(end.lines).toEqual(["context canceled / SIGTERM signal received"]);
  });

  it("that has stopped listening is killed by the next signal (N4)", async () => {
    const end = await run(`
      import { context } from "headgate";
      import { notifyContext } from "headgate/signal";
      ${alive}
      const contexts = [1, 2].map(() => notifyContext(context.background(), "SIGINT"));
      for (const [ctx, stop] of contexts) {
        process.kill(process.pid, "SIGINT");
        await ctx.done().recv();
        console.log(context.cause(ctx).message);
        stop();
      }
      process.kill(process.pid, "SIGINT");
    `);
    expect(end).toMatchObject({ code: null, signal: "SIGINT" });
    expect(end.lines).toEqual(["SIGINT signal received", "SIGINT signal received"]);
  });

  it("that shuts down stops at the first signal, aborts at the second, and is killed by the third", async () => {
    const end = await run(`
      import { context } from "headgate";
      import { shutdown } from "headgate/signal";
      ${alive}
      const [stop, abort] = shutdown(context.background());
      process.kill(process.pid, "SIGINT");
      await stop.done().recv();
      console.log("stop:", context.cause(stop).message, "abort:", abort.err());
      process.kill(process.pid, "SIGTERM");
      await abort.done().recv();
      console.log("abort:", context.cause(abort).message);
      process.kill(process.pid, "SIGTERM");
    `);
    expect(end.lines).toEqual(["stop: SIGINT signal received abort: undefined", "abort: SIGTERM signal received"]);
    expect(end).toMatchObject({ code: null, signal: "SIGTERM" });
  });

  it("that shuts down survives the third signal where somebody else listens for it", async () => {
    const end = await run(`
      import { context } from "headgate";
      import { shutdown } from "headgate/signal";
      ${alive}
      const [stop, abort] = shutdown(context.background(), "SIGTERM");
      process.kill(process.pid, "SIGTERM");
      await stop.done().recv();
      process.kill(process.pid, "SIGTERM");
      await abort.done().recv();
      process.once("SIGTERM", () => {
        console.log("heard by somebody else");
        clearInterval(alive);
      });
      process.kill(process.pid, "SIGTERM");
    `);
    expect(end).toMatchObject({ code: 0, signal: null, lines: ["heard by somebody else"] });
  });

  it("is kept alive neither by a listener nor by a lost timer channel (T6)", async () => {
    const end = await run(`
      import { Chan, context, select, time } from "headgate";
      import { notifyContext } from "headgate/signal";
      notifyContext(context.background());
      const jobs = new Chan(1);
      jobs.trySend("dig");
      console.log((await select({ job: jobs, idle: time.after(60_000) })).case);
      const late = select({ job: jobs, idle: time.after(60_000) });
      await jobs.send("rest");
      console.log((await late).value);
      new time.Ticker(10);
    `);
    expect(end).toMatchObject({ code: 0, signal: null, lines: ["job", "rest"] });
  });

  it("is kept alive by a pending timer, as Go's is by a sleeping goroutine", async () => {
    const end = await run(`
      import { context, go, time } from "headgate";
      const [ctx] = context.withTimeout(context.background(), 30);
      context.afterFunc(ctx, () => console.log("deadline"));
      time.afterFunc(20, () => console.log("function"));
      go(async () => {
        await time.sleep(10);
        console.log("slept");
      });
    `);
    // In whichever order: on a busy machine more than 10 ms may pass between two of these lines.
    expect({ ...end, lines: [...end.lines].sort() }).toMatchObject({
      code: 0,
      lines: ["deadline", "function", "slept"],
    });
  });

  it("ends with an error that nobody can catch: of a go, of an afterFunc, of a timer's function", async () => {
    const programs = [
      `go(() => { throw new Error("boom"); });`,
      `go(async () => { throw new Error("boom"); });`,
      `context.afterFunc(context.withTimeout(context.background(), 0)[0], () => { throw new Error("boom"); });`,
      `time.afterFunc(0, () => { throw new Error("boom"); });`,
    ];
    const ends = await Promise.all(
      programs.map((program) => run(`import { context, go, time } from "headgate"; ${alive} ${program}`)),
    );
    for (const end of ends) {
      expect(end).toMatchObject({ code: 1, signal: null });
      expect(end.errors).toContain("Error: boom");
    }
  });
});
