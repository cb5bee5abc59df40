/**
 * Errors as plain JSON: whatever a step throws, a dead letter can be written.
 */
import { context } from "headgate";
import { type DeadLetter, NotApplied, saga, type SerializedError } from "headgate/saga";
import { describe, expect, it } from "vitest";

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

it("NotApplied has a name, a message of its own, and a cause", () => {
  const cause = new Error("400");
  expect(new NotApplied()).toMatchObject({ name: "NotApplied", message: "saga: the step was not applied" });
  expect(new NotApplied("refused", { cause })).toMatchObject({ message: "refused", cause });
});
