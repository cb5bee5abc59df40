/**
 * The mistakes of a newcomer: the error names the function, what it expected and in which place, what it got, and what to do.
 */
import { Chan, context, errgroup, go, retry, select, semaphore, sending, singleflight, sync, time } from "headgate";
import { notifyContext, shutdown } from "headgate/signal";
import { describe, expect, it } from "vitest";

const bg = context.background();
const controller = new AbortController();
const { signal } = controller;
const pair = context.withCancel(bg);
const promise = Promise.resolve(1);
const fn = (): void => {};

/** The message of the TypeError with which a call throws or rejects. */
async function mistake(call: () => unknown): Promise<string> {
  try {
    await call();
  } catch (error) {
    expect(error).toBeInstanceOf(TypeError);
    return (error as TypeError).message;
  }
  return expect.unreachable("it should have failed");
}

/** Calls with any arguments, as plain JavaScript does. */
const js = (f: unknown): ((...args: unknown[]) => unknown) => f as (...args: unknown[]) => unknown;

describe("a parent that is none", () => {
  it.each<[name: string, derive: (parent: unknown) => unknown]>([
    ["withCancel", js(context.withCancel)],
    ["withCancelCause", js(context.withCancelCause)],
    ["withDeadline", (parent) => js(context.withDeadline)(parent, 1)],
    ["withTimeout", (parent) => js(context.withTimeout)(parent, 1)],
    ["withValue", (parent) => js(context.withValue)(parent, context.key("k"), 1)],
    ["withoutCancel", js(context.withoutCancel)],
    ["withSignal", (parent) => js(context.withSignal)(parent, signal)],
    ["merge", (parent) => js(context.merge)(parent, bg)],
    ["errgroup", js(errgroup.withContext)],
    ["errgroup", (parent) => js(errgroup.run)(parent, fn)],
    ["notifyContext", js(notifyContext)],
    ["shutdown", js(shutdown)],
  ])("is refused by the name of the function: %s", async (name, derive) => {
    const rule = `${name}: expected a Context as the first argument, such as context.background(), got `;
    expect(await mistake(() => derive(5000))).toBe(`${rule}number`);
    expect(await mistake(() => derive(context.background))).toBe(`${rule}function; call it`);
    expect(await mistake(() => derive(signal))).toBe(`${rule}AbortSignal; make one by context.withSignal`);
    expect(await mistake(() => derive(controller))).toBe(`${rule}AbortController; make one by context.withSignal`);
    expect(await mistake(() => derive({ signal }))).toBe(`${rule}Object; make one by context.withSignal`);
    expect(await mistake(() => derive(pair))).toBe(`${rule}Array; write const [ctx, cancel] = …`);
  });
});

describe("an argument in the place of another", () => {
  const last = "ctx: expected a Context as the last argument, got";

  it.each<[what: string, call: () => unknown, message: string]>([
    ["withTimeout(ms)", () => js(context.withTimeout)(5000), "withTimeout: expected a Context as the first argument"],
    [
      "withSignal(signal)",
      () => js(context.withSignal)(signal),
      "withSignal: expected a Context as the first argument",
    ],
    [
      "withSignal(ctx, ctx)",
      () => js(context.withSignal)(bg, bg),
      "withSignal: expected an AbortSignal, got a Context",
    ],
    ["errgroup.run(fn)", () => js(errgroup.run)(fn), "errgroup: run(ctx, fn): expected a function, got undefined"],
    ["retry.run(fn)", () => js(retry.run)(fn), "retry: run(ctx, fn): expected a function, got undefined"],
    ["retry.run(undefined, fn)", () => js(retry.run)(undefined, fn), "retry: expected a Context as the first argument"],
    [
      "errgroup.run(fn, ctx)",
      () => js(errgroup.run)(fn, bg),
      "errgroup: run(ctx, fn): expected a function, got a Context",
    ],
    ["context.afterFunc(fn)", () => js(context.afterFunc)(fn), "afterFunc: expected a Context as the first argument"],
    ["time.afterFunc(fn)", () => js(time.afterFunc)(fn), "afterFunc(ms, fn): expected a function, got undefined"],
    [
      "do(fn)",
      () => js((f: () => 1) => new singleflight.Group().do(f as never, undefined as never))(fn),
      "singleflight: do(key, fn): expected a function, got undefined",
    ],
    ["go(f())", () => js(go)(promise), "go: expected a function, got Promise; pass f in place of f()"],
    [
      "group.go(f())",
      () => new errgroup.Group().go(promise as never),
      "errgroup: go: expected a function, got Promise; pass f in place of f()",
    ],
    ["send(ctx, value)", () => new Chan<unknown>(1).send(bg, "m1" as never), `${last} string`],
    ["context.wait(ctx, promise)", () => js(context.wait)(bg, promise), `${last} Promise`],
    ["context.wait(ctx)", () => js(context.wait)(bg), "wait: expected a promise, got a Context"],
    [
      "sleep(ctx, ms)",
      () => js(time.sleep)(bg, 10),
      "sleep: expected a number of milliseconds, got a Context, which comes last",
    ],
    [
      "acquire(ctx)",
      () => new semaphore.Weighted(1).acquire(bg as never),
      "semaphore: acquire: expected a number, got a Context, which comes last",
    ],
    ["recv(signal)", () => new Chan().recv(signal as never), `${last} AbortSignal; make one by context.withSignal`],
    ["lock([ctx, cancel])", () => new sync.Mutex().lock(pair as never), `${last} Array; write const [ctx, cancel] = …`],
    [
      "context.from([ctx, cancel])",
      () => context.from(pair as never),
      "from: expected a Context, an AbortSignal, or options with a signal; got Array",
    ],
    [
      "cause(pair)",
      () => context.cause(pair as never),
      "cause: expected a Context as the first argument, got Array; write const [ctx, cancel] = …",
    ],
    [
      "merge(ctx, signal)",
      () => context.merge(bg, signal as never),
      "merge: expected a Context as the second argument, got AbortSignal; make one",
    ],
    [
      "select({ x: ctx.done })",
      () => select({ x: Reflect.get(bg, "done") as never }),
      "got function. Call it: ctx.done()",
    ],
    [
      "sending(ctx.done, 1)",
      () => sending(Reflect.get(bg, "done") as never, 1 as never),
      "got function. Call it: ctx.done()",
    ],
  ])("is named, with the order: %s", async (_, call, message) => {
    expect(await mistake(call)).toContain(message);
  });
});
