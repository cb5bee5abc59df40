import { Chan, go } from "headgate";
import { bubble } from "headgate/testing";
import { expect, it } from "vitest";
import { pull } from "./exercise.ts";

/** The messages that come out, if `source` has these to give. It throws where one is an error. */
async function received(...source: (string | Error)[]): Promise<string[]> {
  const messages = new Chan<string>();
  const next = async () => {
    const one = source.shift();
    if (one instanceof Error) throw one;
    return one;
  };
  go(() => pull(next, messages).catch(() => {}));
  const log: string[] = [];
  for await (const message of messages) log.push(message);
  return log;
}

it("ends when there are no more messages", () =>
  bubble(async () => {
    expect(await received("m1", "m2")).toEqual(["m1", "m2"]);
  }));

it("ends when the source fails", () =>
  bubble(async () => {
    expect(await received("m1", new Error("the source is gone"), "m2")).toEqual(["m1"]);
  }));
