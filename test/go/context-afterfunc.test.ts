/**
 * What Go's tests of context.AfterFunc pin, and those of contexts that have such a method themselves.
 */
import { describe, expect, it } from "vitest";
import { Chan, type Context, context, type RecvChan, select, sync } from "headgate";
import { elapse, isPending, settle, virtualTime } from "../support/clock.ts";

const { afterFunc, background, Canceled, cause, withCancel, withCancelCause, withTimeout } = context;

virtualTime();

/** A context of somebody's own that calls back when it ends. */
class CallsBack implements Context {
  readonly signal: AbortSignal = new AbortController().signal;
  readonly registered = new Set<() => void>();
  private readonly channel = new Chan<never>();
  private error: ReturnType<Context["err"]>;

  deadline(): undefined {}
  done(): RecvChan<never> {
    return this.channel;
  }
  err(): ReturnType<Context["err"]> {
    return this.error;
  }
  value(): undefined {}
  afterFunc(fn: () => void): () => boolean {
    const own = (): void => fn();
    this.registered.add(own);
    return () => this.registered.delete(own);
  }
  end(): void {
    this.error = new Canceled();
    this.channel.close();
    for (const fn of this.registered) queueMicrotask(fn);
    this.registered.clear();
  }
}

describe("afterFunc", () => {
  it("runs after the cancel (C80, C83) [context/x_test.go TestAfterFuncCalledAfterCancel]", async () => {
    const [ctx, cancel] = withCancel(background());
    const ran = new Chan<void>(1);
    const stop = afterFunc(ctx, () => ran.trySend(undefined));
    await settle();
    expect(ran.length).toBe(0);
    cancel();
    await ran.recv();
    expect(stop()).toBe(false);
  });

  it("runs after the timeout (C80) [context/x_test.go TestAfterFuncCalledAfterTimeout]", async () => {
    const [ctx] = withTimeout(background(), 10);
    const ran = new Chan<void>(1);
    afterFunc(ctx, () => ran.trySend(undefined));
    await elapse(9);
    expect(ran.length).toBe(0);
    await elapse(1);
    expect(ran.length).toBe(1);
  });

  it("runs if ctx has ended before (C81) [context/x_test.go TestAfterFuncCalledImmediately]", async () => {
    const [ctx, cancel] = withCancel(background());
    cancel();
    const ran = new Chan<void>();
    afterFunc(ctx, () => void ran.send(undefined));
    expect(await ran.recv()).toEqual([undefined, true]);
  });

  it("does not run once stopped (C82) [context/x_test.go TestAfterFuncNotCalledAfterStop]", async () => {
    const [ctx, cancel] = withCancel(background());
    let ran = false;
    const stop = afterFunc(ctx, () => (ran = true));
    expect([stop(), stop()]).toEqual([true, false]);
    cancel();
    await settle();
    expect(ran).toBe(false);
  });

  it("is not waited for by cancel (C80) [context/x_test.go TestAfterFuncCalledAsynchronously]", async () => {
    const [ctx, cancel] = withCancel(background());
    const handover = new Chan<string>();
    let finished = false;
    const blocked = async (): Promise<void> => {
      await handover.send("blocked until somebody receives");
      finished = true;
    };
    afterFunc(ctx, () => void blocked());
    cancel();
    await settle();
    expect(finished).toBe(false);
    await handover.recv();
    await settle();
    expect(finished).toBe(true);
  });
});

describe("a parent with an afterFunc method", () => {
  it("ends withCancel (C101, C103) [context/afterfunc_test.go TestCustomContextAfterFuncCancel]", async () => {
    const parent = new CallsBack();
    const [ctx] = withCancel(parent);
    expect(parent.registered.size).toBe(1);
    parent.end();
    await ctx.done().recv();
    expect([ctx.err(), cause(ctx)]).toEqual([parent.err(), parent.err()]);
  });

  it("ends withTimeout (C101, C103) [context/afterfunc_test.go TestCustomContextAfterFuncTimeout]", async () => {
    const parent = new CallsBack();
    const [ctx] = withTimeout(parent, 3_600_000);
    parent.end();
    await ctx.done().recv();
    expect(ctx.err()).toBe(parent.err());
  });

  it("starts afterFunc (C101, C103) [context/afterfunc_test.go TestCustomContextAfterFuncAfterFunc]", async () => {
    const parent = new CallsBack();
    const ran = new Chan<void>();
    afterFunc(parent, () => void ran.send(undefined));
    parent.end();
    expect(await ran.recv()).toEqual([undefined, true]);
  });

  it("forgets withCancel (C101) [context/afterfunc_test.go TestCustomContextAfterFuncUnregisterCancel]", () => {
    const parent = new CallsBack();
    const [, cancelFirst] = withCancel(parent);
    const [, cancelSecond] = withCancel(parent);
    const sizes = [parent.registered.size];
    cancelFirst();
    sizes.push(parent.registered.size);
    cancelSecond();
    expect([...sizes, parent.registered.size]).toEqual([2, 1, 0]);
  });

  it("forgets withTimeout (C101) [context/afterfunc_test.go TestCustomContextAfterFuncUnregisterTimeout]", () => {
    const parent = new CallsBack();
    const [, cancel] = withTimeout(parent, 3_600_000);
    expect(parent.registered.size).toBe(1);
    cancel();
    expect(parent.registered.size).toBe(0);
  });

  it("forgets afterFunc (C84, C101) [context/afterfunc_test.go TestCustomContextAfterFuncUnregisterAfterFunc]", () => {
    const parent = new CallsBack();
    const stop = afterFunc(parent, () => {});
    expect(parent.registered.size).toBe(1);
    expect(stop()).toBe(true);
    expect(parent.registered.size).toBe(0);
  });
});

describe("examples", () => {
  it("contexts release waiters on a Cond (C90) [context/example_test.go ExampleAfterFunc_cond]", async () => {
    const cond = new sync.Cond(new sync.Mutex());
    const waitFor = async (ctx: Context, met: () => boolean): Promise<void> => {
      await cond.mutex.lock();
      const wakeAll = async (): Promise<void> => {
        // With the lock, so that the waiter is not between its look at ctx and its wait.
        using _ = await cond.mutex.lock();
        cond.broadcast();
      };
      const stop = afterFunc(ctx, () => void wakeAll());
      try {
        while (!met()) {
          await cond.wait();
          if (ctx.err() !== undefined) throw ctx.err();
        }
      } finally {
        stop();
        cond.mutex.unlock();
      }
    };
    const waits = Array.from({ length: 4 }, () => waitFor(withTimeout(background(), 1)[0], () => false));
    const all = Promise.allSettled(waits);
    expect(await isPending(all)).toBe(true);
    await elapse(1);
    expect((await all).map((wait) => wait.status === "rejected" && (wait.reason as Error).message)).toEqual(
      Array.from({ length: 4 }, () => "context deadline exceeded"),
    );
    expect(cond.mutex.tryLock()).toBe(true);
  });

  it("a read is interrupted (C90) [context/example_test.go ExampleAfterFunc_connection]", async () => {
    class Connection {
      readonly data = new Chan<string>();
      private late = new Chan<never>();
      interruptReads(): void {
        this.late.close();
      }
      allowReads(): void {
        this.late = new Chan();
      }
      async read(): Promise<string> {
        const got = await select({ data: this.data, late: this.late });
        if (got.case === "late") throw new Error("i/o timeout");
        return got.value!;
      }
    }
    const readUnder = async (ctx: Context, connection: Connection): Promise<string> => {
      const interrupted = new Chan<never>();
      const stop = afterFunc(ctx, () => {
        connection.interruptReads();
        interrupted.close();
      });
      const result = await connection.read().catch((err: unknown) => err as Error);
      if (!stop()) {
        // The function was started: wait until it is through before the deadline is taken back.
        await interrupted.recv();
        connection.allowReads();
        throw ctx.err();
      }
      if (result instanceof Error) throw result;
      return result;
    };

    const connection = new Connection();
    const [ctx, cancel] = withCancel(background());
    const reading = readUnder(ctx, connection);
    cancel();
    await expect(reading).rejects.toBe(ctx.err());

    const [second] = withCancel(background());
    const again = readUnder(second, connection);
    await connection.data.send("hello");
    expect(await again).toBe("hello");
  });

  it("two contexts are merged (C90) [context/example_test.go ExampleAfterFunc_merge]", async () => {
    const merge = (first: Context, second: Context): readonly [Context, () => void] => {
      const [ctx, cancel] = withCancelCause(first);
      const stop = afterFunc(second, () => cancel(cause(second)));
      const end = (): void => {
        stop();
        cancel(new Canceled());
      };
      return [ctx, end];
    };
    const [first, cancelFirst] = withCancelCause(background());
    const [second, cancelSecond] = withCancelCause(background());
    const [mergedA] = merge(first, second);
    const [mergedB] = merge(second, first);
    const [mergedC, cancelC] = merge(first, second);
    cancelC();
    cancelSecond("second");
    await mergedA.done().recv();
    expect([mergedA.err()?.message, cause(mergedA), cause(mergedB)]).toEqual(["context canceled", "second", "second"]);
    cancelFirst("first");
    expect([cause(mergedA), cause(mergedC)]).toEqual(["second", expect.any(Canceled)]);
  });
});
