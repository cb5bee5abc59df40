/**
 * What Go's tests of context.Cause pin.
 */
import { describe, expect, it } from "vitest";
import { Chan, type Context, context, go, type RecvChan } from "headgate";
import { elapse, settle, virtualTime } from "../support/clock.ts";

const { background, cause, withCancel, withCancelCause, withoutCancel, withTimeout, withTimeoutCause, withValue } =
  context;

virtualTime();

/** A context of somebody's own that ends when it is told to, and not with the one inside, whose values it has. */
class OwnEnd implements Context {
  readonly signal: AbortSignal = new AbortController().signal;
  private readonly channel = new Chan<never>();
  private readonly inner: Context;
  private error: ReturnType<Context["err"]>;

  constructor(inner: Context) {
    this.inner = inner;
  }
  deadline(): number | undefined {
    return this.inner.deadline();
  }
  done(): RecvChan<never> {
    return this.channel;
  }
  err(): ReturnType<Context["err"]> {
    return this.error;
  }
  value<T>(key: context.Key<T>): T | undefined {
    return this.inner.value(key);
  }
  end(): void {
    this.error = new context.Canceled();
    this.channel.close();
  }
}

/** In a row's last column: the cause is the error itself. */
const ITSELF = Symbol("err()");

type Row = [name: string, make: () => Context | Promise<Context>, err: string | undefined, cause: unknown];

const CANCELED = "context canceled";
const EXCEEDED = "context deadline exceeded";

/** A parent and a child, ended in this order with these causes. */
function pair(first: "parent" | "child", parentCause: unknown, childCause: unknown): [parent: Context, child: Context] {
  const [parent, cancelParent] = withCancelCause(background());
  const [child, cancelChild] = withCancelCause(parent);
  if (first === "parent") cancelParent(parentCause);
  cancelChild(childCause);
  cancelParent(parentCause);
  return [parent, child];
}

/** The context, when its cancel has been called. */
function call([ctx, cancel]: readonly [Context, () => void]): Context {
  cancel();
  return ctx;
}

/** A context that has been cancelled with this cause, or with none. */
function cancelled(why: unknown): Context {
  const [ctx, cancel] = withCancelCause(background());
  cancel(why);
  return ctx;
}

/** A context with a timeout and a cause in another with a later one, under a parent that is cancelled, or is not. */
async function stacked(cancelParent: boolean): Promise<Context> {
  const [parent, cancel] = withCancel(background());
  const [ctx] = withTimeoutCause(withTimeoutCause(parent, 2000, "outer")[0], 1000, "inner");
  if (cancelParent) cancel();
  await elapse(3000);
  return ctx;
}

/** A context of somebody's own over a standard parent, ended (or not) before or after it. */
function custom(...order: ("parent" | "custom")[]): Context {
  const [parent, cancel] = withCancelCause(background());
  const own = new OwnEnd(parent);
  for (const which of order) {
    if (which === "parent") cancel("parent");
    else own.end();
  }
  return own;
}

const rows: Row[] = [
  ["background", background, undefined, undefined],
  ["todo", context.todo, undefined, undefined],
  ["withCancel, open", () => withCancel(background())[0], undefined, undefined],
  ["withCancel, cancelled", () => call(withCancel(background())), CANCELED, ITSELF],
  ["withCancelCause, cancelled with a cause", () => cancelled("why"), CANCELED, "why"],
  ["withCancelCause, cancelled without", () => cancelled(undefined), CANCELED, ITSELF],
  ["a value over a cause", () => withValue(cancelled("why"), context.key("k"), 1), CANCELED, "why"],
  ["the parent, before its child", () => pair("parent", "parent", "child")[0], CANCELED, "parent"],
  ["the child, after its parent", () => pair("parent", "parent", "child")[1], CANCELED, "parent"],
  ["the parent, after its child", () => pair("child", "parent", "child")[0], CANCELED, "parent"],
  ["the child, before its parent", () => pair("child", "parent", "child")[1], CANCELED, "child"],
  ["the child, after a parent without a cause", () => pair("parent", null, "child")[1], CANCELED, ITSELF],
  ["the child without a cause, before its parent", () => pair("child", "parent", null)[1], CANCELED, ITSELF],
  ["the child without a cause, after its parent", () => pair("parent", "parent", null)[1], CANCELED, "parent"],
  ["withTimeout, over", () => withTimeout(background(), 0)[0], EXCEEDED, ITSELF],
  ["withTimeout, cancelled", () => call(withTimeout(background(), 1000)), CANCELED, ITSELF],
  ["withTimeout, over and then cancelled", () => call(withTimeout(background(), 0)), EXCEEDED, ITSELF],
  ["withTimeoutCause, over", () => withTimeoutCause(background(), 0, "slow")[0], EXCEEDED, "slow"],
  ["withTimeoutCause, cancelled", () => call(withTimeoutCause(background(), 1000, "slow")), CANCELED, ITSELF],
  ["withTimeoutCause in another, over", () => stacked(false), EXCEEDED, "inner"],
  ["withTimeoutCause in another, cancelled above", () => stacked(true), CANCELED, ITSELF],
  ["withoutCancel", () => withoutCancel(background()), undefined, undefined],
  ["withoutCancel of a cancelled one", () => withoutCancel(cancelled("why")), undefined, undefined],
  ["withoutCancel of one that is over", () => withoutCancel(withTimeout(background(), 0)[0]), undefined, undefined],
  ["somebody's own, open under an open parent", () => custom(), undefined, undefined],
  ["somebody's own, open under a cancelled parent", () => custom("parent"), undefined, undefined],
  ["somebody's own, ended under an open parent", () => custom("custom"), CANCELED, ITSELF],
  ["somebody's own, ended after its parent", () => custom("parent", "custom"), CANCELED, "parent"],
  ["somebody's own, ended before its parent", () => custom("custom", "parent"), CANCELED, "parent"],
];

describe("cause", () => {
  it.each(rows)("of %s (C30–C36) [context/x_test.go TestCause]", async (_, make, message, why) => {
    const ctx = await make();
    expect(ctx.err()?.message).toBe(message);
    expect(cause(ctx)).toBe(why === ITSELF ? ctx.err() : why);
  });

  it("is never seen to be the plain error when one was given (C14) [context/x_test.go TestCauseRace]", async () => {
    for (let delay = 0; delay < 10; delay++) {
      const [parent, cancel] = withCancelCause(background());
      const [ctx] = withCancel(parent);
      const seen = new Set<unknown>();
      go(async () => {
        while (ctx.err() === undefined) {
          seen.add(cause(ctx));
          await Promise.resolve();
        }
        seen.add(cause(ctx));
      });
      for (let hops = delay; hops > 0; hops--) await Promise.resolve();
      cancel("given");
      await settle();
      seen.delete(undefined);
      expect([...seen]).toEqual(["given"]);
    }
  });
});
