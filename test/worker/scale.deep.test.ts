/**
 * A worker that runs for long: what it is done with, it lets go of.
 */
import { context } from "headgate";
import { type Delivery, type Source, worker } from "headgate/worker";
import { describe, expect, it } from "vitest";

const MANY = 36_000;
const FIRST = 12_000;

/** A source of so many messages, each with an id of half a kilobyte. What is nacked goes to somebody else. */
function stream(attempt: number | undefined): Source {
  let given = 0;
  return {
    get ended() {
      return given >= MANY;
    },
    pull: async (_, max) =>
      Array.from({ length: Math.min(max, MANY - given) }, (): Delivery => {
        const id = `${++given}`.padStart(500, "0");
        return { id, body: given, ...(attempt === undefined ? {} : { attempt }) };
      }),
    ack: async () => {},
    nack: async () => {},
  };
}

function heap(): number {
  globalThis.gc!();
  return process.memoryUsage().heapUsed;
}

describe("the heap of a worker does not grow with the messages it has handled", () => {
  it.each<[what: string, attempt: number | undefined, error: Error | undefined]>([
    ["are acked", 1, undefined],
    ["are acked, where the broker does not count", undefined, undefined],
    ["fail", 1, new Error("boom")],
    ["fail, where the broker does not count", undefined, new Error("boom")],
  ])("when they %s", async (_, attempt, error) => {
    let handled = 0;
    let before = NaN;
    let after = NaN;
    const report = await worker(context.background(), stream(attempt), async () => {
      if (++handled === FIRST) before = heap();
      if (handled === MANY) after = heap();
      if (error !== undefined) throw error;
    });
    expect([report.pulled, report.acked + report.retried]).toEqual([MANY, MANY]);
    expect((after - before) / (MANY - FIRST)).toBeLessThan(100);
  });
});
