/**
 * Errors as plain JSON: whatever a step throws, a dead letter can be written.
 */
import { context, retry } from "headgate";
import { type DeadLetter, NotApplied, orThrow, saga, SagaError, type SerializedError } from "headgate/saga";
import { describe, expect, it, vi } from "vitest";

/** What a dead letter says of something that was thrown. */
async function written(thrown: unknown): Promise<SerializedError> {
  const letters: DeadLetter[] = [];
  const result = await saga("s")
    .step("a", () => Promise.reject(thrown))
    .run(context.background(), undefined, { deadLetter: (_, letter) => void letters.push(letter) });
  expect(result.status).toBe("dead-lettered");
  const [letter] = letters;
  // It is plain JSON as it is.
  expect(JSON.parse(JSON.stringify(letter))).toEqual(letter);
  return letter!.cause;
}

describe("a dead letter tells of what was thrown", () => {
  it("the name, the message, the stack and the code", async () => {
    const error = Object.assign(new TypeError("bad"), { code: "ECONNRESET" });
    expect(await written(error)).toEqual({
      name: "TypeError",
      message: "bad",
      stack: error.stack,
      code: "ECONNRESET",
    });
  });

  it("the causes, one in another", async () => {
    const error = new Error("a", { cause: new RangeError("b", { cause: "c" }) });
    expect(await written(error)).toMatchObject({
      message: "a",
      cause: { name: "RangeError", message: "b", cause: { name: "string", message: "c" } },
    });
  });

  it("a cause that comes back to itself, once", async () => {
    const [a, b] = [new Error("a"), new Error("b")];
    a.cause = b;
    b.cause = a;
    const { message, cause } = await written(a);
    expect([message, cause!.message, cause!.cause]).toEqual(["a", "b", undefined]);
  });

  it("a chain of a hundred thousand causes, the beginning", async () => {
    let error = new Error("last");
    for (let i = 0; i < 100_000; i++) error = new Error(String(i), { cause: error });
    let length = 0;
    for (let at: SerializedError | undefined = await written(error); at !== undefined; at = at.cause) length++;
    expect(length).toBe(16);
  });

  it.each<[thrown: unknown, message: string]>([
    ["text", "text"],
    [undefined, "undefined"],
    [null, "null"],
    [5n, "5"],
    [Symbol("s"), "Symbol(s)"],
    [Object.create(null), "[object Object]"],
    [{ code: 5 }, "[object Object]"],
  ])("what is no error, as text: %o", async (thrown, message) => {
    expect(await written(thrown)).toMatchObject({ name: "Error", message });
  });

  it("an error whose properties throw, what there is", async () => {
    const error = new Error("message");
    const trap = (): never => {
      throw new Error("trap");
    };
    for (const name of ["stack", "name", "code", "cause"]) Object.defineProperty(error, name, { get: trap });
    expect(await written(error)).toMatchObject({ message: "message" });
  });

  it("an error of another realm, and one with a code that is no code", async () => {
    const foreign = Object.assign(Object.create({ name: "Foreign" }), { message: "m", [Symbol.toStringTag]: "Error" });
    expect(await written(foreign)).toMatchObject({ name: "Foreign", message: "m" });
    expect(await written(Object.assign(new Error("m"), { code: NaN }))).not.toHaveProperty("code");
    expect(await written(Object.assign(new Error("m"), { code: 5 }))).toHaveProperty("code", 5);
  });
});

/** What cannot be asked anything. */
const revoked = (): object => {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  return proxy;
};
const trap = (): never => {
  throw new Error("trap");
};
const trapped = (error: Error, name: string): Error => Object.defineProperty(error, name, { get: trap });

const hostile: readonly (readonly [what: string, thrown: () => unknown])[] = [
  ["a proxy that was revoked", revoked],
  [
    "an object whose tag throws",
    () => ({
      [Symbol.toStringTag]: "",
      toString: trap,
      get [Symbol.toPrimitive]() {
        return trap();
      },
    }),
  ],
  [
    "an object whose tag and text throw",
    () => Object.defineProperty(Object.create(null), Symbol.toStringTag, { get: trap }),
  ],
  ["an error whose message throws", () => trapped(new Error("x"), "message")],
  ["a Permanent whose cause throws", () => trapped(new retry.Permanent("x"), "cause")],
  ["an error with a cause that was revoked", () => new Error("x", { cause: revoked() })],
  ["an error that nothing can be asked", () => new Proxy(new Error("x"), { get: trap, getPrototypeOf: trap })],
];

/** What says nothing of whether to try again. */
const mendable = hostile.filter(([what]) => !what.startsWith("a Permanent"));

describe("what was thrown may be anything:", () => {
  it.each(hostile)("a step that throws %s is undone, as its outcome is unknown", async (_, thrown) => {
    const undone: string[] = [];
    const letters: DeadLetter[] = [];
    const result = await saga("s")
      .step("a", () => {}, undefined)
      .step(
        "b",
        () => Promise.reject(thrown()),
        (_, { outcome }) => void undone.push(outcome),
      )
      .run(context.background(), undefined, { deadLetter: (_, letter) => void letters.push(letter) });
    expect([result.status, undone]).toEqual(["dead-lettered", ["unknown"]]);
    expect(JSON.parse(JSON.stringify(letters))).toEqual(letters);
    expect(() => orThrow(result)).toThrow(SagaError);
  });

  it.each(mendable)("an undo that throws %s is tried again", async (_, thrown) => {
    let n = 0;
    const result = await saga("s")
      .step(
        "a",
        () => Promise.reject(new Error("no")),
        () => (++n < 3 ? Promise.reject(thrown()) : undefined),
      )
      .run(context.background(), undefined, { deadLetter: () => {}, compensation: { retry: { base: 0 } } });
    expect([result.status, n]).toEqual(["compensated", 3]);
  });

  it.each(mendable)("a sink that throws %s is asked again", async (_, thrown) => {
    let n = 0;
    const deadLetter = async (): Promise<void> => {
      if (++n < 2) throw thrown();
    };
    const result = await saga("s")
      .step("a", () => Promise.reject(new Error("no")))
      .run(context.background(), undefined, { deadLetter });
    expect([result.status, n]).toEqual(["dead-lettered", 2]);
  });
});

describe("the errors of a saga", () => {
  const log: [] = [];
  const make = { id: "1", status: "compensated", cause: new Error("no"), log } as const;

  it("are known across two copies of the package, in both directions", async () => {
    vi.resetModules();
    const other = await import("headgate/saga");
    expect(other.NotApplied).not.toBe(NotApplied);
    expect(new other.NotApplied() instanceof NotApplied).toBe(true);
    expect(new NotApplied() instanceof other.NotApplied).toBe(true);
    expect(new other.SagaError(make) instanceof SagaError).toBe(true);
    expect(new SagaError(make) instanceof other.SagaError).toBe(true);
    expect(new NotApplied() instanceof SagaError).toBe(false);
    const undone: string[] = [];
    const result = await saga("s")
      .step(
        "a",
        () => Promise.reject(new other.NotApplied()),
        () => void undone.push("a"),
      )
      .run(context.background(), undefined, { deadLetter: () => {} });
    expect([result.status, undone]).toEqual(["compensated", []]);
  });

  it("may be derived from: a subclass is one of them, but they are none of it", async () => {
    class Refused extends NotApplied {}
    expect([new Refused() instanceof Refused, new Refused() instanceof NotApplied]).toEqual([true, true]);
    expect(new NotApplied() instanceof Refused).toBe(false);
  });

  it("say in their stack what they are", () => {
    expect(new NotApplied("400").stack).toMatch(/^NotApplied: 400\n/);
    expect(new SagaError(make).stack).toMatch(/^SagaError: saga 1: compensated; no\n/);
  });
});

it("NotApplied has a name, a message of its own, and a cause", () => {
  const cause = new Error("400");
  expect(new NotApplied()).toMatchObject({ name: "NotApplied", message: "saga: the step was not applied" });
  expect(new NotApplied("refused", { cause })).toMatchObject({ message: "refused", cause });
});

describe("as JSON", () => {
  const boom = Object.assign(new Error("boom", { cause: new Error("inner") }), { code: "E1" });
  const serialized = { name: "Error", message: "boom", code: "E1", cause: { name: "Error", message: "inner" } };
  const transfer = saga("t")
    .step(
      "a",
      () => 1,
      () => Promise.reject(new Error("no undo")),
    )
    .step(
      "b",
      () => Promise.reject(boom),
      () => {},
    );
  const run = (deadLetter: () => Promise<void>) =>
    transfer.run(context.background(), 5, { id: "x", deadLetter, compensation: { retry: { tries: 1 } } });
  const log = [
    { step: "a", outcome: "dead-lettered", error: { message: "no undo" } },
    { step: "b", outcome: "compensated", error: serialized },
  ];

  it("a result has the texts of its errors, and its letters as they are", async () => {
    const result = await run(async () => {});
    const json = JSON.parse(JSON.stringify({ result })) as object;
    expect(json).toMatchObject({
      result: {
        status: "dead-lettered",
        id: "x",
        cause: serialized,
        letters: [{ step: "a", input: 5, output: 1 }],
        log,
      },
    });
    expect({ ...result }).toEqual(result);
    expect(Object.keys(result)).not.toContain("toJSON");
  });

  it("a result that was lost has the errors of the sink, too; and what orThrow throws has the same", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance", "Date"] });
    const running = run(() => Promise.reject(new Error("disk full")));
    await vi.advanceTimersByTimeAsync(10_000);
    vi.useRealTimers();
    const result = await running;
    expect(JSON.parse(JSON.stringify(result))).toMatchObject({ status: "lost", errors: [{ message: "disk full" }] });
    const error = await Promise.resolve(result)
      .then(orThrow)
      .catch((error: unknown) => error);
    expect(JSON.parse(JSON.stringify(error))).toMatchObject({
      name: "SagaError",
      message: "saga x: lost: a (failed); boom",
      status: "lost",
      cause: serialized,
      errors: [{ message: "disk full" }],
      letters: [{ step: "a" }],
    });
  });

  it("a result that was committed has its output", async () => {
    const result = await saga("s")
      .step(
        "a",
        () => 1,
        () => {},
      )
      .run(context.background(), 0, { id: "y", deadLetter: async () => {} });
    expect(JSON.parse(JSON.stringify(result))).toMatchObject({ status: "committed", output: { a: 1 } });
  });
});

describe("the letters of a saga of a thousand steps", () => {
  it("have a log of 100 each: the step itself and its neighbours; the result has all", async () => {
    let many = saga("s") as ReturnType<typeof saga<number>>;
    for (let i = 0; i < 1_000; i++) {
      const fail = (): never => {
        throw new Error(`no undo of ${i}`);
      };
      many = many.step(
        `s${i}` as never,
        () => {
          if (i === 999) throw new Error("the last");
        },
        fail,
      );
    }
    const letters: DeadLetter[] = [];
    const result = await many.run(context.background(), 0, {
      deadLetter: (_, letter) => void letters.push(letter),
      compensation: { retry: { tries: 1 } },
    });
    expect([result.status, result.log.length, letters.length]).toEqual(["dead-lettered", 1_000, 1_000]);
    for (const { step, log, omitted } of letters) {
      expect([log.length, omitted]).toEqual([100, 900]);
      expect(log.map((entry) => entry.step)).toContain(step);
    }
    expect(JSON.stringify(letters).length).toBeLessThan(30e6);
  });

  it("have all of the log where there are no more than that", async () => {
    const letters: DeadLetter[] = [];
    await saga("s")
      .step("a", () => 1)
      .step("b", () => Promise.reject(new NotApplied()))
      .run(context.background(), 0, { deadLetter: (_, letter) => void letters.push(letter) });
    expect(letters[0]!.log.map(({ step }) => step)).toEqual(["a", "b"]);
    expect(letters[0]).not.toHaveProperty("omitted");
  });
});
