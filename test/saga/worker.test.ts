/**
 * A saga in the handler of a worker that stops: it is cancelled with the handler, and undoes what it has begun while the worker still waits;
 * what it cannot undo by then is dead-lettered, not cut off half-way. At every point at which a worker can be stopped: see `explore.test.ts`.
 */
import { context, time } from "headgate";
import { type DeadLetter, orThrow, type Result, saga, SagaError, type SagaOptions } from "headgate/saga";
import { bubble, type Bubble } from "headgate/testing";
import { memoryBroker, worker } from "headgate/worker";
import { describe, expect, it } from "vitest";

/** Handlers are cancelled 20 ms after the stop, their lifetime ends 50 ms after it, and at 60 ms they are abandoned. */
const limits = { grace: 80, abortWindow: 40, settle: 20 };

/** Runs a worker with one message, whose saga has two steps; an undo takes so many ms. */
async function play(t: Bubble, undoTakes: number, options: Partial<SagaOptions> = {}) {
  const applied = new Set<string>();
  const letters: DeadLetter[] = [];
  const results: Result<unknown>[] = [];
  const broker = memoryBroker<number>();
  await broker.publish(1);
  broker.end();
  const step = (ms: number) =>
    [
      async (ctx: context.Context, { key }: { key: string }) => {
        applied.add(key);
        await time.sleep(ms, ctx);
      },
      async (ctx: context.Context, { key }: { key: string }) => {
        await time.sleep(undoTakes, ctx);
        applied.delete(key);
      },
    ] as const;
  const transfer = saga("transfer")
    .step("debit", ...step(5))
    .step("credit", ...step(50));
  const deadLetter: SagaOptions["deadLetter"] = async (ctx, letter) => {
    await time.sleep(1, ctx);
    letters.push(letter);
  };
  let error: unknown;
  const report = await worker(
    t.ctx,
    broker,
    async (ctx) => {
      const result = await transfer.run(ctx, undefined, { id: "m1", deadLetter, ...options });
      results.push(result);
      try {
        orThrow(result);
      } catch (thrown) {
        error = thrown;
        throw thrown;
      }
    },
    limits,
  );
  const isOver = results.length === 1;
  await t.sleep(10_000);
  return { applied, letters, result: results[0], report, error, isOver };
}

/** Cancels the test's ctx after so many ms. */
function stopAfter(t: Bubble, ms: number): void {
  const stop = async (): Promise<void> => {
    await time.sleep(ms);
    t.cancel();
  };
  void stop();
}

describe("a saga in the handler of a worker that stops", () => {
  it("is committed if the worker can wait for it", () =>
    bubble(async (t) => {
      stopAfter(t, 40);
      const { result, report } = await play(t, 5);
      expect([result!.status, report.acked]).toEqual(["committed", 1]);
    }));

  it("is undone while the worker waits, and its message is released, which is no failure", () =>
    bubble(async (t) => {
      stopAfter(t, 10);
      const { result, report, applied, letters, error, isOver } = await play(t, 5);
      expect([isOver, result!.status, applied.size, letters]).toEqual([true, "compensated", 0, []]);
      expect(error).toBeInstanceOf(SagaError);
      expect([report.released, report.abandoned]).toEqual([1, 0]);
    }));

  it("is not cut off half-way when its lifetime ends: what remains is dead-lettered as out of time, and the worker waits for that", () =>
    bubble(async (t) => {
      stopAfter(t, 10);
      const { result, report, applied, letters, isOver } = await play(t, 20);
      expect(isOver).toBe(true);
      expect(result!.log.map(({ step, outcome }) => `${step}: ${outcome}`)).toEqual([
        "debit: dead-lettered",
        "credit: compensated",
      ]);
      expect(letters.map(({ step, reason }) => `${step}: ${reason}`)).toEqual(["debit: out of time"]);
      expect([...applied]).toEqual(["m1:debit"]);
      expect([report.released, report.abandoned]).toEqual([1, 0]);
    }));

  it("has ended before that, if its budget is less", () =>
    bubble(async (t) => {
      stopAfter(t, 10);
      const { isOver, letters, report } = await play(t, 30, { compensation: { budget: 30 } });
      expect([isOver, letters.length, report.abandoned]).toEqual([true, 2, 0]);
    }));
});
