/**
 * What a saga refuses, before it calls anything: steps, options, contexts and journals that make no sense.
 */
import { context, type Context } from "headgate";
import { saga, type SagaEvent, type SagaOptions } from "headgate/saga";
import { describe, expect, it } from "vitest";
import { givenIn, kindIn } from "../support/errors.ts";

const background = context.background();

/** What a run rejects with. Throws if anything was called. */
async function refusal(options: unknown, ctx: unknown = background): Promise<unknown> {
  let calls = 0;
  const call = (): void => void calls++;
  const running = saga("s")
    .step("a", call, call)
    .run(ctx as Context, undefined, options as SagaOptions);
  const error = await running.then(
    (result) => result,
    (error) => error as unknown,
  );
  expect(calls).toBe(0);
  return error;
}

const deadLetter = (): void => {};

describe("a run of a saga rejects, and calls nothing,", () => {
  it.each([undefined, null, {}, "ctx", new AbortController().signal])("when its ctx is %o", async (ctx) => {
    // An argument that is undefined would be the default.
    const error = await refusal({ deadLetter }, ctx ?? null);
    expect(error).toBeInstanceOf(TypeError);
    expect(String(error)).toContain(`saga: run: expected a Context as the first argument, got ${kindIn(ctx ?? null)}`);
  });

  it.each([undefined, null, 5, "fast"])("when its options are %o", async (options) => {
    expect(await refusal(options)).toEqual(new TypeError(`saga: expected an options object, got ${givenIn(options)}`));
  });

  it("when it has no sink for dead letters", async () => {
    const message =
      "saga: deadLetter must be a function, got undefined; a step that cannot be undone must go somewhere";
    expect(await refusal({})).toEqual(new TypeError(message));
  });

  it.each<[option: string, values: readonly unknown[], rule: string]>([
    ["id", ["", 5, null], "id must be a string that is not empty"],
    ["observe", [null, 5, {}], "observe must be a function"],
    ["abort", [null, 5, {}, new AbortController().signal], "expected a Context as the option abort, got "],
    ["compensation", [null, 5, "fast"], "compensation must be an object"],
    ["resume", [null, 5, {}, ""], "resume must be a list of events"],
    ["resume", [[]], "resume needs the id"],
  ])("when %s is one of %o", async (option, values, rule) => {
    for (const value of values) {
      const error = await refusal({ deadLetter, [option]: value });
      expect(error).toBeInstanceOf(TypeError);
      expect((error as Error).message).toContain(`saga: ${rule}`);
    }
  });

  it.each<[option: string, values: readonly unknown[], rule: string]>([
    ["budget", [-1, NaN, "5", null], "must be a number of ms, 0 or more"],
    ["timeout", [0, -1, NaN, "5", null], "must be a positive number of ms"],
    ["retry", [{ tries: 0 }, { tries: 1.5 }], "policy.tries must be a whole number from 1"],
    ["retry", [{ base: -1 }], "policy.base must not be negative"],
    ["retry", [{ timeout: 0 }], "timeout must be a positive number of ms"],
    ["retry", [{ timeout: -1 }], "policy.timeout must not be negative"],
  ])("when the %s of its compensation is one of %o", async (option, values, rule) => {
    for (const value of values) {
      const error = await refusal({ deadLetter, compensation: { [option]: value } });
      expect(error).toBeInstanceOf(RangeError);
      expect((error as Error).message).toContain(`saga: compensation.${option}`);
      expect((error as Error).message).toContain(rule);
    }
  });

  it.each([
    [
      { compensate: {} },
      "saga: there is no option compensate; there are id, compensation, deadLetter, abort, observe, resume",
    ],
    [{ compensation: { buget: 5 } }, "saga: there is no option compensation.buget; there are budget, timeout, retry"],
  ])("when an option is misspelt: %o", async (options, message) => {
    expect(await refusal({ deadLetter, ...options })).toEqual(new TypeError(message));
  });

  it("when the retry of its compensation is no policy", async () => {
    const error = await refusal({ deadLetter, compensation: { retry: 5 } });
    expect(error).toEqual(new TypeError("saga: compensation.retry: expected an options object, got 5"));
  });

  it("when the lifetime that its ctx carries is no context", async () => {
    const ctx = context.withValue(background, context.lifetime, 5 as unknown as Context);
    expect(await refusal({ deadLetter }, ctx)).toEqual(new TypeError("saga: context.lifetime must be a Context"));
  });

  it("when its journal names a step that it does not have", async () => {
    const at = { saga: "s", id: "1", at: 0 };
    const resume: SagaEvent[] = [{ ...at, type: "stepStarted", step: "gone", key: "1:gone" }];
    const error = await refusal({ deadLetter, id: "1", resume });
    expect(error).toEqual(
      new TypeError("saga: resume: there is no step gone any more; keep the steps of the runs that go on"),
    );
  });
});

describe("a run of a saga is not resumed, and calls nothing, when its journal", () => {
  const at = { saga: "s", id: "1", at: 0 };
  const step = { ...at, step: "a", key: "1:a" };
  const cause = { name: "Error", message: "boom" };
  const letter = { step: "a", key: "1:a", todo: "undo", cause };
  const done = { ...step, type: "stepFinished", outcome: "done", attempts: 1, ms: 1 };

  it.each<[what: string, event: object]>([
    ["has an event of no type", at],
    ["has an event of a type that there is none of", { ...step, type: "exploded" }],
    ["does not say how a step has ended", { ...done, outcome: undefined }],
    ["has an outcome that there is none of", { ...done, outcome: "compensated" }],
    ["does not say how often a step was called", { ...done, attempts: undefined }],
    ["does not say how long a step took", { ...done, ms: "1" }],
    ["does not say why it was undone", { ...at, type: "compensating" }],
    ["says why it was undone, and that is no error", { ...at, type: "compensating", cause: null }],
    ["lacks a letter", { ...step, type: "deadLettered" }],
    ["has a letter of another step", { ...step, type: "deadLettered", letter: { ...letter, step: "b" } }],
    ["has a letter that does not say why", { ...step, type: "deadLettered", letter: { ...letter, cause: undefined } }],
  ])("%s", async (_, event) => {
    const resume = [{ ...at, type: "started", input: 0 }, event] as SagaEvent[];
    const type = String(JSON.stringify((event as SagaEvent).type));
    const message = `saga: resume: event 1, ${type}, is not as observe got it`;
    expect(await refusal({ deadLetter, id: "1", resume })).toEqual(new TypeError(message));
  });

  it.each(["compensated", "deadLettered"])("has lost what comes before an event: %s", async (type) => {
    const events: object[] = [
      { ...at, type: "started", input: 0 },
      done,
      { ...at, type: "compensating", cause },
      { ...step, type, letter },
      { ...at, type: "finished" },
    ];
    const resume = events.filter((_, i) => i !== 2) as unknown as SagaEvent[];
    const message = `saga: resume: event 2, "${type}", has no "compensating" before it; give all events, in their order`;
    expect(await refusal({ deadLetter, id: "1", resume })).toEqual(new TypeError(message));
    expect(await refusal({ deadLetter, id: "1", resume: events as SagaEvent[] })).toHaveProperty("status");
  });

  it("is of others, or of nobody, there is nothing to be resumed", async () => {
    const resume = [null, 5, "x", {}, { ...done, id: "2" }, { ...done, saga: "t" }] as unknown as SagaEvent[];
    const result = await saga("s")
      .step("a", () => "called")
      .run(background, undefined, { deadLetter, id: "1", resume });
    expect(result).toMatchObject({ output: { a: "called" } });
  });
});

describe("a saga is refused as soon as it is made", () => {
  it.each([undefined, null, 5, ""])("when its name is %o", (name) => {
    const message = `saga: the name must be a string that is not empty; got ${givenIn(name)}`;
    expect(() => saga(name as string)).toThrow(new TypeError(message));
  });

  it.each([undefined, null, 5, "", "a:b"])("when the name of a step is %o", (name) => {
    const message = `saga: the name of a step must be a string, not empty and without ":"; got ${givenIn(name)}`;
    expect(() => saga("s").step(name as string, () => {})).toThrow(new TypeError(message));
  });

  it("when a name is used twice", () => {
    const one = saga("s").step("a", () => {});
    const message = "saga: there is a step a already; its key must be its own";
    expect(() => one.step("a" as never, () => {})).toThrow(new TypeError(message));
  });

  it.each([undefined, null, 5, {}])("when what a step runs is %o", (run) => {
    const message = `saga: step a: run must be a function, got ${kindIn(run)}`;
    expect(() => saga("s").step("a", run as () => void)).toThrow(new TypeError(message));
  });

  it.each([null, 5, {}])("when what undoes a step is %o", (undo) => {
    const message = `saga: step a: compensate must be a function, got ${kindIn(undo)}`;
    expect(() => saga("s").step("a", () => {}, undo as () => void)).toThrow(new TypeError(message));
  });

  it.each<[options: unknown, message: string]>([
    [null, "saga: step a: expected an options object, got null"],
    [{ timeouts: 5 }, "saga: step a: there is no option timeouts; there are timeout, retry, pivot"],
    [{ timeout: 0 }, "saga: step a: timeout must be a positive number of ms; got 0"],
    [{ timeout: "5" }, 'saga: step a: timeout must be a positive number of ms; got the string "5"'],
    [{ pivot: 1 }, "saga: step a: pivot must be true or false; got 1"],
    [{ retry: { timeout: 0 } }, "saga: step a: retry: policy.timeout must be a positive number of ms; got 0"],
    [{ retry: { tries: 0 } }, "saga: step a: retry: policy.tries must be a whole number from 1, or Infinity; got 0"],
  ])("when the options of a step are %o", (options, message) => {
    expect(() => saga("s").step("a", () => {}, undefined, options as object)).toThrow(message);
  });
});

it("a saga keeps the options that it was given, whatever becomes of the object", async () => {
  let calls = 0;
  const fails = (): never => {
    calls++;
    throw new Error("no");
  };
  const options = { pivot: false, retry: { tries: 2, base: 0 } };
  const compensation = { retry: { tries: 3, base: 0 } };
  const made = saga("s").step("a", fails, fails, options);
  const running = made.run(background, undefined, { deadLetter, compensation });
  Object.assign(options, { retry: { tries: 7 } });
  Object.assign(compensation.retry, { tries: 7 });
  expect((await running).log).toMatchObject([{ attempts: 2, undos: 3 }]);
  const [policy, compensating] = [
    { tries: 2, base: 0 },
    { tries: 3, base: 0 },
  ];
  const other = saga("s").step("a", fails, fails, { retry: policy });
  policy.tries = 7;
  const again = other.run(background, undefined, { deadLetter, compensation: { retry: compensating } });
  compensating.tries = 7;
  expect((await again).log).toMatchObject([{ attempts: 2, undos: 3 }]);
  expect(calls).toBe(10);
});

describe("a saga accepts", () => {
  it.each(["__proto__", "constructor", "toString", "ein Schritt"])("a step that is called %s", async (name) => {
    const result = await saga("s")
      .step(name as "x", () => 1)
      .step("last", (_, { done }) => Object.entries(done))
      .run(background, undefined, { deadLetter });
    expect(result).toMatchObject({ status: "committed", output: { last: [[name, 1]] } });
  });

  it.each<SagaOptions["compensation"]>([
    {},
    { budget: Infinity, timeout: Infinity },
    { budget: 0 },
    { retry: { tries: 1, base: 0, max: 0, timeout: 5 } },
  ])("a compensation with %o", async (compensation) => {
    const options = { deadLetter, ...(compensation === undefined ? {} : { compensation }) };
    const result = await saga("s").run(background, undefined, options);
    expect(result.status).toBe("committed");
  });
});
