/**
 * Mistakes that are easily made: each is refused at once, in words that say what to do.
 */
import { Chan, context, errgroup, retry, select, sending, singleflight, sync, trySelect } from "headgate";
import { orThrow, saga } from "headgate/saga";
import { bubble, explore, record } from "headgate/testing";
import { memoryBroker, worker } from "headgate/worker";
import { describe, expect, it } from "vitest";
import { failure } from "../support/errors.ts";

const bg = context.background();
const [ended] = context.withCancel(bg);
const nothing = (): void => {};
/** What `act` throws or rejects with. */
const refusal = (act: () => unknown): Promise<unknown> => failure((async () => act())());

describe("options", () => {
  const broker = memoryBroker();
  const places: Record<string, (options: never) => unknown> = {
    "retry.run": (options) => retry.run(bg, nothing, options),
    "retry.backoff": (options) => retry.backoff(1, options),
    worker: (options) => worker(bg, broker, nothing, options),
    memoryBroker: (options) => memoryBroker(options),
    "publish of a memoryBroker": (options) => broker.publish(1, options),
    "run of a saga": (options) => saga("a").run(bg, undefined, options),
    "step of a saga": (options) => saga("a").step("b", nothing, undefined, options),
    "retry of a step": (retry) => saga("a").step("b", nothing, undefined, { retry }),
    bubble: (options) => bubble(nothing, options),
    explore: (options) => explore(nothing, options),
    record: (options) => record(nothing, "0", options),
  };

  for (const [name, call] of Object.entries(places)) {
    it(`of ${name} that are unknown are refused, and the known ones named`, async () => {
      expect(await refusal(() => call({ attempst: 3 } as never))).toMatchObject({
        name: "TypeError",
        message: expect.stringMatching(/: there is no option (\w+\.)?attempst; there are \w+/),
      });
    });

    it.each([
      ["a Promise", () => Promise.resolve({})],
      ["a Map", () => new Map()],
      ["a Set", () => new Set()],
      ["an AbortSignal", () => new AbortController().signal],
      ["a list", () => []],
      ["a Date", () => new Date()],
    ])(`of ${name} are not taken from %s, which has none`, async (_, make) => {
      const error = await refusal(() => call(make() as never));
      expect(error).toBeInstanceOf(TypeError);
      expect((error as Error).message).toMatch(/expected an options object, got |there is no option/);
    });

    it.each([bg, ended])(`of ${name} are not taken from a Context`, async (ctx) => {
      const error = await refusal(() => call(ctx as never));
      expect(error).toMatchObject({
        message: expect.stringContaining("expected an options object, got a Context"),
      });
    });
  }

  it("may be inherited, and be those of a class", async () => {
    class Settings {
      get tries(): number {
        return 1;
      }
    }
    for (const policy of [new Settings(), Object.create({ tries: 1 }) as retry.Policy]) {
      let tried = 0;
      const fail = (): never => {
        throw new Error(`try ${++tried}`);
      };
      expect(await failure(retry.run(bg, fail, policy))).toMatchObject({ message: "try 1" });
    }
    expect(await retry.run(bg, () => 1, Object.create(null) as retry.Policy)).toBe(1);
  });

  it.each([
    [{ timeout: -1 }, "retry: policy.timeout must not be negative; got -1"],
    [{ base: -1 }, "retry: policy.base must not be negative; got -1"],
    [{ max: NaN }, "retry: policy.max: NaN is no duration; pass a number of milliseconds (Infinity = never)"],
    [{ tries: 0 }, "retry: policy.tries must be a whole number from 1, or Infinity; got 0"],
  ])("of a policy such as %o are refused, and the rule is named", async (policy, message) => {
    expect(await failure(retry.run(bg, nothing, policy))).toMatchObject({ name: "RangeError", message });
  });
});

describe("cases", () => {
  const ch = new Chan<number>();
  it.each([
    ["a promise", Promise.resolve(1), "a promise is not a case"],
    ["a Map", new Map([["a", ch]]), "got Map"],
    ["a Set", new Set([ch]), "got Set"],
    ["a Date", new Date(0), "got Date"],
    ["an AbortController", new AbortController(), "got AbortController"],
    ["a channel", ch, "got a channel; put it into a list or an object: "],
    ["a Context", ended, "got a Context. The end of a context is a case by its ctx.done()"],
    ["the background context", bg, "got a Context. The end of a context is a case by its ctx.done()"],
  ])("are not %s, for which a select would wait for ever", async (_, cases, words) => {
    for (const [name, call] of [
      ["select", select],
      ["trySelect", trySelect],
    ] as const) {
      const error = await refusal(() => call(cases as never));
      expect(error).toBeInstanceOf(TypeError);
      expect((error as Error).message).toContain(words);
      expect((error as Error).message).toMatch(new RegExp(`^${name}: `));
    }
  });

  it("are a list: a second channel is no ctx", async () => {
    const error = await failure(select([ch], ch as never));
    expect(error).toMatchObject({ message: expect.stringContaining("put it into a list") });
  });

  it("may be none, and then a select waits for its ctx", async () => {
    const [ctx, cancel] = context.withCancel(bg);
    for (const cases of [{}, [], Object.create(null) as Record<string, never>, [null, undefined]]) {
      expect(trySelect(cases)).toBeUndefined();
      const waiting = failure(select(cases, ctx));
      cancel();
      expect(await waiting).toBe(ctx.err());
    }
  });

  it("may be the fields of an object of a class", async () => {
    class Cases {
      sent = sending(new Chan<number>(1), 1);
    }
    expect(await select(new Cases() as never)).toEqual({ case: "sent" });
  });

  it("are no Context: its class is not named", async () => {
    for (const ctx of [bg, ended]) {
      const error = await failure(select([ctx as never]));
      expect((error as Error).message).toContain("got a Context. The end of a context is a case by its ctx.done()");
    }
  });
});

describe("constructors that take nothing", () => {
  it.each([
    ["errgroup.Group", errgroup.Group, "for a group with a context, errgroup.withContext(ctx)"],
    ["singleflight.Group", singleflight.Group, "takes no argument"],
    ["sync.WaitGroup", sync.WaitGroup, "call add(n)"],
    ["sync.Mutex", sync.Mutex, "takes no argument"],
    ["sync.RWMutex", sync.RWMutex, "takes no argument"],
  ])("%s refuses what it would ignore", (_, Class, words) => {
    for (const x of [bg, 3, {}, undefined]) expect(() => Reflect.construct(Class, [x]) as unknown).toThrow(words);
  });
});

describe("a wrong value is refused where it is passed", () => {
  it.each([5, null, {}, new AbortController().signal])("values(%s) throws before the first next", (ctx) => {
    expect(() => new Chan().values(ctx as never)).toThrow(/expected a Context/);
  });

  it("an invalid Date is no deadline: the error speaks of a time, not of a duration", () => {
    for (const at of [new Date(NaN), NaN]) {
      expect(() => context.withDeadline(bg, at)).toThrow(RangeError);
      expect(() => context.withDeadlineCause(bg, at, 1)).toThrow(/time is invalid.*epoch ms or a Date/);
    }
    return expect(bubble(nothing, { start: new Date(NaN) })).rejects.toThrow(/options\.start must be a time/);
  });

  it("no limit is -1, as in Go", () => {
    expect(() => new errgroup.Group().setLimit(Infinity)).toThrow("pass -1 for no limit");
  });

  it.each([undefined, null, {}, "committed", Promise.resolve()])("orThrow(%s) says what it takes", (result) => {
    expect(() => orThrow(result as never)).toThrow(/orThrow: expected the result of a saga/);
  });
});
