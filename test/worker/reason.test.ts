/**
 * The reason of a dead letter: a line that the header of any broker can hold, whatever was thrown.
 */
import { describe, expect, it } from "vitest";
import { lineOf, reasonOf, wellFormed } from "../../src/worker/reason.ts";
import { odd } from "../support/foreign.ts";

const bytesOf = (text: string): number => new TextEncoder().encode(text).length;

describe("the reason", () => {
  it.each<[what: string, thrown: unknown, reason: string]>([
    ["an error", new TypeError("no such order"), "TypeError: no such order"],
    ["an error without a message", new Error(""), "Error (without a message)"],
    [
      "an error of the system without a message",
      Object.assign(new Error(""), { code: "ECONNRESET" }),
      "Error: ECONNRESET",
    ],
    ["several errors at once", new AggregateError([new Error("refused")]), "AggregateError: refused"],
    [
      "an error with causes",
      new Error("outer", { cause: new Error("inner", { cause: "the end" }) }),
      "Error: outer; caused by Error: inner; caused by the end",
    ],
    ["a text", "no use", "no use"],
    ["an empty text", "", "an empty text was thrown"],
    ["a text of blanks", " \n ", "an empty text was thrown"],
    ["nothing", undefined, "undefined was thrown"],
    ["null", null, "null was thrown"],
    ["a number", 404, "404"],
    ["an object", { code: 404 }, '{"code":404}'],
    ["an object with a text", { toString: () => "404 Not Found" }, "404 Not Found"],
    [
      "an error of several lines",
      new Error("first\r\n\tsecond\u0000\u001bthird\u2028fourth"),
      "Error: first second third fourth",
    ],
    ["half an emoji", new Error("a\ud83db"), "Error: a\ufffdb"],
  ])("of %s", (_, thrown, reason) => {
    expect(reasonOf(thrown)).toBe(reason);
  });

  it("of an error that is its own cause is told once", () => {
    const error = new Error("round");
    error.cause = error;
    expect(reasonOf(error)).toBe("Error: round");
  });

  it.each(odd)("of %s is a text that is not empty", (_, make) => {
    expect(reasonOf(make())).toMatch(/^[^\p{Cc}\p{Cs}]+$/u);
  });

  it.each(["x", "ü", "世", "🚀", "\ud83d"])(
    "of a long one, such as of many %j, has 1 000 bytes at most, and ends between two characters",
    (one) => {
      for (let before = 0; before < 5; before++) {
        const reason = reasonOf(new Error("x".repeat(before) + one.repeat(5_000)));
        expect(bytesOf(reason)).toBeLessThanOrEqual(1_000);
        expect(bytesOf(reason)).toBeGreaterThan(990);
        expect(reason).toBe(wellFormed(reason));
        expect(reason.endsWith("…")).toBe(true);
      }
    },
  );
});

describe("a line", () => {
  it("that just fits is not cut", () => {
    expect(lineOf("x".repeat(10), 10)).toBe("x".repeat(10));
    expect(lineOf("x".repeat(11), 10)).toBe(`${"x".repeat(7)}…`);
    expect(lineOf("ü".repeat(5), 10)).toBe("ü".repeat(5));
    expect(lineOf("🚀🚀🚀", 11)).toBe("🚀🚀…");
  });

  it("has no limit unless one is given", () => {
    expect(lineOf("x".repeat(10_000))).toHaveLength(10_000);
  });
});
