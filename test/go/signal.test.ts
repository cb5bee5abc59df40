/** What Go's own tests of signal.NotifyContext pin, in our words. */
import { inspect } from "node:util";
import { context } from "headgate";
import { notifyContext } from "headgate/signal";
import { beforeAll, describe, expect, it } from "vitest";
import { build, run } from "../support/child.ts";

describe("signal.NotifyContext", () => {
  it("stop cancels and unregisters (N2, N4) [os/signal/signal_test.go TestNotifyContextStop]", () => {
    const before = process.listenerCount("SIGHUP");
    const [ctx, stop] = notifyContext(context.background(), "SIGHUP");
    expect(process.listenerCount("SIGHUP")).toBe(before + 1);
    expect(String(ctx)).toBe("signal.NotifyContext(context.Background, [SIGHUP])");
    expect(ctx.err()).toBeUndefined();
    stop();
    expect(ctx.done().tryRecv()).toEqual([undefined, false]);
    expect(ctx.err()).toBeInstanceOf(context.Canceled);
    expect(context.cause(ctx)).toBe(ctx.err());
    expect(process.listenerCount("SIGHUP")).toBe(before);
  });

  it("it ends with its parent (N1, N2) [os/signal/signal_test.go TestNotifyContextCancelParent]", () => {
    const [parent, cancel] = context.withCancelCause(context.background());
    const [ctx, stop] = notifyContext(parent, "SIGHUP");
    using _ = stop;
    expect(String(ctx)).toBe("signal.NotifyContext(context.Background.WithCancel, [SIGHUP])");
    const cause = new Error("parent was cancelled");
    cancel(cause);
    expect(ctx.err()).toBeInstanceOf(context.Canceled);
    expect(context.cause(ctx)).toBe(cause);
  });

  it("it may be born done (N5) [os/signal/signal_test.go TestNotifyContextPrematureCancelParent]", () => {
    const [parent, cancel] = context.withCancelCause(context.background());
    const cause = new Error("parent was cancelled");
    cancel(cause);
    const [ctx, stop] = notifyContext(parent, "SIGHUP");
    using _ = stop;
    expect(ctx.done().tryRecv()).toEqual([undefined, false]);
    expect(ctx.err()).toBeInstanceOf(context.Canceled);
    expect(context.cause(ctx)).toBe(cause);
  });

  it("may be stopped ten times (N4) [os/signal/signal_test.go TestNotifyContextSimultaneousStop]", async () => {
    const [ctx, stop] = notifyContext(context.background(), "SIGHUP");
    await Promise.all(Array.from({ length: 10 }, async () => stop()));
    expect(ctx.err()).toBeInstanceOf(context.Canceled);
    expect(context.cause(ctx)).toBe(ctx.err());
  });

  it("it prints its parent and its signals (N6) [os/signal/signal_test.go TestNotifyContextStringer]", () => {
    const [parent, cancel] = context.withCancel(context.background());
    using _ = cancel;
    const [ctx, stop] = notifyContext(parent, "SIGHUP", "SIGINT", "SIGTERM");
    using __ = stop;
    expect(inspect(ctx)).toBe("signal.NotifyContext(context.Background.WithCancel, [SIGHUP SIGINT SIGTERM])");
  });

  it("the cause of a signal is a Canceled (N2) [os/signal/signal_test.go TestNotifyContextCause]", () => {
    const [ctx, stop] = notifyContext(context.background(), "SIGHUP");
    using _ = stop;
    process.emit("SIGHUP", "SIGHUP");
    expect(context.cause(ctx)).toBeInstanceOf(context.Canceled);
    expect(context.cause(ctx)).not.toBe(ctx.err());
    expect(String(context.cause(ctx))).toBe("AbortError: SIGHUP signal received");
  });
});

describe("a process", () => {
  beforeAll(build);

  it.each([1, 10])(
    "survives SIGINT, %i times (N3) [os/signal/signal_test.go TestNotifyContextNotifications]",
    async (n) => {
      const end = await run(`
      import { context, time } from "headgate";
      import { notifyContext } from "headgate/signal";
      const [ctx, stop] = notifyContext(context.background(), "SIGINT");
      let heard = 0;
      process.on("SIGINT", () => heard++);
      const alive = setInterval(() => {}, 1000);
      while (heard < ${n}) {
        const before = heard;
        process.kill(process.pid, "SIGINT");
        while (heard === before) await time.sleep(1);
      }
      clearInterval(alive);
      console.log(heard, ctx.err().message, context.cause(ctx).message);
      stop();
    `);
      expect(end).toMatchObject({ code: 0, signal: null, lines: [`${n} context canceled SIGINT signal received`] });
    },
  );
});
