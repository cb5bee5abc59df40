/**
 * Depth, width and number are limited by memory alone, and what has ended leaves nothing behind.
 */
import { describe, expect, it } from "vitest";
import { Chan, type Context, context } from "headgate";
import type { CancelCtx } from "../../src/context/cancel.ts";
import { elapse, settle, timersSet, virtualTime } from "../support/clock.ts";

const { afterFunc, background, cause, withCancel, withCancelCause, withTimeout, withValue } = context;

const N = 100_000;
const ended = (ctx: Context): boolean => ctx.err() !== undefined;

/** How many children a context holds; NaN if the links forward and back disagree. */
function childrenOf(ctx: Context): number {
  const first = (ctx as CancelCtx).children;
  let n = 0;
  for (let child = first; child !== null; child = child.next) {
    n++;
    // The first one's link back leads to the last.
    if ((child.next ?? first)!.prev !== child) return Number.NaN;
  }
  return n;
}

/** By how many bytes the heap has grown after `work`. */
async function growth(work: () => Promise<void> | void): Promise<number> {
  const used = (): number => {
    globalThis.gc!();
    return process.memoryUsage().heapUsed;
  };
  const before = used();
  await work();
  await settle();
  return used() - before;
}

describe("a hundred thousand contexts", () => {
  it("below each other end by one cancel, without recursion (C10)", () => {
    const [root, cancel] = withCancelCause(background());
    const chain: Context[] = [root];
    for (let i = 1; i < N; i++) chain.push(withCancel(chain[i - 1]!)[0]);
    const leaf = chain.at(-1)!;
    const { signal } = leaf;
    cancel("over");
    expect(chain.filter(ended).length).toBe(N);
    expect([leaf.err(), cause(leaf), signal.reason]).toEqual([root.err(), "over", root.err()]);
  });

  it("below each other end by a deadline, an afterFunc and a value between them too (C44)", async () => {
    const [root, cancel] = withCancel(background());
    let calls = 0;
    let ctx = root;
    for (let i = 0; i < N; i += 4) {
      afterFunc(ctx, () => calls++);
      ctx = withCancel(withValue(withTimeout(ctx, 3_600_000_000 - i)[0], context.lifetime, root))[0];
    }
    cancel();
    await settle();
    expect([ctx.err(), calls]).toEqual([root.err(), N / 4]);
  });

  it("below one parent end by one cancel, and are in its list no more (C10, C16)", () => {
    const [root, cancel] = withCancel(background());
    const all = Array.from({ length: N }, () => withCancel(root)[0]);
    expect(childrenOf(root)).toBe(N);
    cancel();
    expect(all.filter(ended).length).toBe(N);
    expect(all.every((ctx) => ctx.err() === root.err())).toBe(true);
    expect(childrenOf(root)).toBe(0);
  });

  it("below one parent end one by one in any order, each leaving the list at once (C12, C16)", () => {
    const [root] = withCancel(background());
    const all = Array.from({ length: N }, () => withCancel(root));
    for (let i = 0; i < N; i += 2) all[i]![1]();
    expect(childrenOf(root)).toBe(N / 2);
    for (let i = N - 1; i > 0; i -= 2) all[i]![1]();
    expect([childrenOf(root), ended(root)]).toEqual([0, false]);
  });

  it("of one signal end by one abort", () => {
    const controller = new AbortController();
    const all = Array.from({ length: N }, () => context.withSignal(background(), controller.signal)[0]);
    controller.abort();
    expect(all.filter((ctx) => ctx.done().tryRecv() !== undefined).length).toBe(N);
  });

  it("with values are looked through, and written out, in a loop (C67)", () => {
    const outermost = context.key<string>("outermost");
    const other = context.key<number>("other");
    let ctx = withValue(background(), outermost, "found");
    for (let i = 1; i < N; i++) ctx = i % 2 === 0 ? withValue(ctx, other, i) : withCancel(ctx)[0];
    expect([ctx.value(outermost), ctx.value(other), ctx.value(context.lifetime)]).toEqual(["found", N - 2, undefined]);
    expect([ctx.err(), ctx.deadline(), cause(ctx)]).toEqual([undefined, undefined, undefined]);
    const text = String(ctx);
    expect(text.slice(0, 61)).toBe("context.Background.WithValue(outermost, found).WithCancel.Wit");
    expect(text.split(".WithCancel").length - 1).toBe(N / 2);
  });
});

describe("what has ended", () => {
  virtualTime();

  it("is in no parent's list, whatever it was and however it ended (C16)", async () => {
    const [root] = withCancel(background());
    const parent = withValue(root, context.lifetime, root);
    const [, cancel] = withCancel(parent);
    const [, cancelTimed] = withTimeout(parent, 1000);
    const stop = afterFunc(parent, () => {});
    const controller = new AbortController();
    context.withSignal(parent, controller.signal);
    withTimeout(parent, 10);
    withTimeout(parent, 0);
    expect(childrenOf(root)).toBe(5);
    const counts: number[] = [];
    for (const end of [cancel, cancelTimed, stop, () => controller.abort()]) {
      end();
      counts.push(childrenOf(root));
    }
    await elapse(10);
    expect([...counts, childrenOf(root)]).toEqual([4, 3, 2, 1, 0]);
    expect(timersSet()).toBe(0);
  });

  it("holds neither its parent's list nor its own (C16)", () => {
    const [root, cancel] = withCancel(background());
    const [child] = withCancel(root);
    const [grandchild] = withCancel(child);
    cancel();
    for (const ctx of [root, child, grandchild] as CancelCtx[]) {
      expect([ctx.children, ctx.listedBy, ctx.prev, ctx.next]).toEqual([null, null, null, null]);
    }
  });
});

describe("nothing is retained", () => {
  const MB = 2 ** 20;

  it("of a million contexts made and cancelled under one parent (C16)", async () => {
    const [root] = withCancel(background());
    const churn = (times: number): void => {
      for (let i = 0; i < times; i++) {
        const [, cancel] = withCancel(root);
        cancel();
      }
    };
    churn(1000);
    expect(await growth(() => churn(1_000_000))).toBeLessThan(2 * MB);
    expect(childrenOf(root)).toBe(0);
  });

  it("of twenty thousand timeouts, afterFuncs and signals made and called off (C16)", async () => {
    const [root] = withCancel(background());
    const { signal } = new AbortController();
    const churn = (times: number): void => {
      for (let i = 0; i < times; i++) {
        const [ctx, cancel] = withTimeout(root, 3_600_000);
        const [, cancelOther] = context.withSignal(ctx, signal);
        afterFunc(ctx, () => {})();
        cancelOther();
        cancel();
      }
    };
    churn(1000);
    expect(await growth(() => churn(20_000))).toBeLessThan(2 * MB);
    expect(childrenOf(root)).toBe(0);
  });

  it("of a hundred thousand waits that were cancelled: neither on the channel nor on the context", async () => {
    const ch = new Chan<number>();
    const [root] = withCancel(background());
    const churn = async (times: number): Promise<void> => {
      let refused = 0;
      for (let done = 0; done < times; done += 1000) {
        const [ctx, cancel] = withCancel(root);
        const waits = Promise.allSettled(Array.from({ length: 1000 }, () => ch.recv(ctx)));
        cancel();
        for (const wait of await waits) if (wait.status === "rejected" && wait.reason === ctx.err()) refused++;
      }
      expect(refused).toBe(times);
    };
    await churn(1000);
    expect(await growth(() => churn(N))).toBeLessThan(2 * MB);
    expect([String(ch), childrenOf(root), String(root.done())]).toEqual(["Chan(0/0)", 0, "Chan(0/0)"]);
  });

  it("of a hundred thousand waits that were served under a context that lives on", async () => {
    const ch = new Chan<number>();
    const [ctx] = withCancel(background());
    const churn = async (times: number): Promise<void> => {
      for (let i = 0; i < times; i++) {
        const got = ch.recv(ctx);
        ch.trySend(i);
        await got;
      }
    };
    await churn(1000);
    expect(await growth(() => churn(N))).toBeLessThan(2 * MB);
    expect([String(ch), String(ctx.done())]).toEqual(["Chan(0/0)", "Chan(0/0)"]);
  });

  it("of a hundred thousand cancelled waits for one promise that never settles", async () => {
    const deaf = new Promise<never>(() => {});
    const [ctx] = withCancel(background());
    const churn = async (times: number): Promise<void> => {
      for (let done = 0; done < times; done += 1000) {
        const [each, cancel] = withCancel(ctx);
        const waits = Array.from({ length: 1000 }, () => context.wait(deaf, each));
        cancel();
        await Promise.allSettled(waits);
      }
    };
    await churn(1000);
    expect(await growth(() => churn(N))).toBeLessThan(2 * MB);
  });
});
