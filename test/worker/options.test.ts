/**
 * What a worker refuses: misuse rejects with an error that names the rule, before anything is pulled.
 */
import { context, type Context } from "headgate";
import { type Delivery, memoryBroker, type Source, worker, type WorkerOptions } from "headgate/worker";
import { describe, expect, it } from "vitest";
import { elapse, timersSet, virtualTime } from "../support/clock.ts";
import { givenIn, kindIn } from "../support/errors.ts";

const background = context.background();

/** A source that would end at once, and counts its pulls. */
function counting(change: object = {}): Source & { pulls: number } {
  const source = {
    pulls: 0,
    get ended() {
      return source.pulls > 0;
    },
    pull: async (): Promise<readonly Delivery[]> => {
      source.pulls++;
      return [];
    },
    ack: async () => {},
    nack: async () => {},
  };
  return Object.assign(source, change);
}

/** What a worker rejects with, if it does so by itself. */
async function refusal(ctx: unknown, source: unknown, handle: unknown, options?: unknown): Promise<unknown> {
  let outcome: unknown = "it goes on";
  worker(ctx as Context, source as Source, handle as () => void, options as WorkerOptions).then(
    (report) => (outcome = report),
    (error) => (outcome = error),
  );
  await elapse(100);
  return outcome;
}

describe("a worker rejects, and pulls nothing,", () => {
  virtualTime();

  it.each([undefined, null, {}, "ctx", new AbortController().signal])("when its ctx is %o", async (ctx) => {
    const source = counting();
    const error = await refusal(ctx, source, () => undefined);
    expect(error).toBeInstanceOf(TypeError);
    expect(String(error)).toContain(`worker: expected a Context as the first argument, got ${kindIn(ctx)}`);
    expect(source.pulls).toBe(0);
  });

  it.each([undefined, null, {}, "source", []])("when its source is %o", async (source) => {
    expect(await refusal(background, source, () => undefined)).toEqual(new TypeError("worker: the source has no pull"));
  });

  it.each(["pull", "ack", "nack"])("when its source has no %s", async (name) => {
    const source = counting({ [name]: undefined });
    expect(await refusal(background, source, () => undefined)).toEqual(
      new TypeError(`worker: the source has no ${name}`),
    );
    expect(source.pulls).toBe(0);
  });

  it.each(["deadLetter", "extend"])("when its source's %s is no function", async (name) => {
    for (const value of [null, 5, {}]) {
      const source = counting({ [name]: value });
      expect(await refusal(background, source, () => undefined)).toEqual(
        new TypeError(`worker: the source's ${name} must be a function, or be left out; got ${kindIn(value)}`),
      );
      expect(source.pulls).toBe(0);
    }
  });

  it.each([0, -1, NaN, "30s"])("when its source has leases of %o ms", async (lease) => {
    const source = counting({ lease, extend: async () => {} });
    const error = await refusal(background, source, () => undefined);
    expect(error).toBeInstanceOf(Error);
    expect(String(error)).toMatch(/lease/);
    expect(source.pulls).toBe(0);
  });

  it.each([undefined, null, {}, "handle"])("when its handler is %o", async (handle) => {
    const source = counting();
    const message = `worker: the handler must be a function, got ${kindIn(handle)}`;
    expect(await refusal(background, source, handle)).toEqual(new TypeError(message));
    expect(source.pulls).toBe(0);
  });

  it.each<[option: string, values: readonly unknown[], rule: string]>([
    ["concurrency", [0, -1, 1.5, NaN, Infinity, "2", true, [], {}, 2n], "must be a whole number from 1"],
    ["prefetch", [-1, 0.5, NaN, Infinity, "2"], "must be a whole number from 0"],
    ["batch", [0, -1, 1.5, NaN, "2"], "must be a whole number from 1"],
    ["maxAttempts", [0, -1, 1.5, NaN, "2"], "must be a whole number from 1"],
    ["grace", [-1, NaN, "2"], "must be a number of ms, 0 or more"],
    ["abortWindow", [-1, NaN, "2"], "must be a number of ms, 0 or more"],
    ["settle", [-1, NaN, "2"], "must be a number of ms, 0 or more"],
    ["callTimeout", [0, -1, NaN, "2"], "must be a positive number of ms"],
    ["maxLease", [0, -1, NaN, "2"], "must be a positive number of ms"],
  ])("when %s is one of %o", async (option, values, rule) => {
    const source = counting();
    for (const value of values) {
      const error = await refusal(background, source, () => undefined, { [option]: value });
      expect(error).toBeInstanceOf(RangeError);
      // An object by its class: what is in it is nobody's business, and its own text may throw.
      expect((error as Error).message).toBe(`worker: ${option} ${rule}; got ${givenIn(value)}`);
    }
    expect(source.pulls).toBe(0);
  });

  it.each(["backoff", "observe"])("when %s is no function", async (option) => {
    const source = counting();
    for (const value of [null, 5, {}]) {
      const error = await refusal(background, source, () => undefined, { [option]: value });
      expect(error).toEqual(new TypeError(`worker: ${option} must be a function, got ${kindIn(value)}`));
    }
    expect(source.pulls).toBe(0);
  });

  it.each([null, {}, 5, new AbortController().signal])("when abort is %o", async (abort) => {
    const source = counting();
    const error = await refusal(background, source, () => undefined, { abort });
    expect(error).toBeInstanceOf(TypeError);
    expect(String(error)).toContain(`worker: expected a Context as the option abort, got ${kindIn(abort)}`);
    expect(source.pulls).toBe(0);
  });

  it.each([null, 5, "fast", Object.freeze({ pulled: 0 })])("when its progress is %o", async (progress) => {
    const source = counting();
    const error = await refusal(background, source, () => undefined, { progress });
    expect(error).toEqual(new TypeError("worker: progress must be an object that the worker can write to"));
    expect(source.pulls).toBe(0);
  });

  it.each([null, 5, "fast"])("when its options are %o", async (options) => {
    const source = counting();
    const error = await refusal(background, source, () => undefined, options);
    expect(error).toEqual(new TypeError(`worker: expected an options object, got ${givenIn(options)}`));
    expect(source.pulls).toBe(0);
  });

  it("when an option is misspelt, naming those there are", async () => {
    const source = counting();
    const error = await refusal(background, source, () => undefined, { concurency: 5 });
    expect(error).toBeInstanceOf(TypeError);
    expect((error as Error).message).toMatch(
      /^worker: there is no option concurency; there are concurrency, prefetch,/,
    );
    expect(source.pulls).toBe(0);
  });

  it.each<WorkerOptions>([
    { grace: 100, abortWindow: 60, settle: 41 },
    { grace: 10, settle: 11 },
    { grace: 10, abortWindow: 11 },
  ])("when %o leaves no room for the stop", async (options) => {
    const source = counting();
    const error = await refusal(background, source, () => undefined, options);
    expect(error).toBeInstanceOf(RangeError);
    expect((error as Error).message).toContain("abortWindow + settle must fit into grace");
    expect(source.pulls).toBe(0);
  });
});

describe("a worker accepts", () => {
  virtualTime();

  it.each<WorkerOptions>([
    {},
    { concurrency: 1, prefetch: 0, batch: 1, maxAttempts: 1 },
    { grace: 100, abortWindow: 60, settle: 40 },
    { grace: Infinity, callTimeout: Infinity, maxLease: Infinity, maxAttempts: Infinity },
    { grace: 0 },
  ])("%o", async (options) => {
    const broker = memoryBroker<number>();
    await broker.publish(1);
    broker.end();
    const running = worker(background, broker, () => undefined, options);
    await elapse(0);
    expect(await running).toMatchObject({ pulled: 1, acked: 1, stopped: "source ended" });
    expect(timersSet()).toBe(0);
  });

  it("a grace without end: a stop waits for the handlers, however long they take, and an abort does not", async () => {
    const broker = memoryBroker<number>();
    await broker.publish(1);
    const [ctx, stop] = context.withCancel(background);
    const [aborted, abort] = context.withCancel(background);
    const running = worker(ctx, broker, (ctx) => ctx.done().recv(), {
      grace: Infinity,
      abort: aborted,
      callTimeout: 1e6,
    });
    await elapse(10);
    stop();
    const start = Date.now();
    let returned = NaN;
    void running.then(() => (returned = Date.now() - start));
    await elapse(1e6);
    expect(returned).toBeNaN();
    abort();
    await elapse(0);
    expect(returned).toBe(1e6);
    expect(await running).toMatchObject({ acked: 1, stopped: "aborted" });
  });
});
