/**
 * Errors that break who awaits or asks them come out as they were thrown.
 */
import { context, errgroup, retry, singleflight } from "headgate";
import { bubble, explore, ScheduleError } from "headgate/testing";
import { describe, expect, it } from "vitest";
import { odd } from "../support/foreign.ts";

/** What a promise rejects with, in a list: a bare one would be awaited. */
async function rejection(promise: Promise<unknown>): Promise<readonly [error: unknown] | "none"> {
  return promise.then(
    () => "none" as const,
    (error) => [error] as const,
  );
}

/** Whether it is that very one; `toBe` would look into it. */
function isIt(got: readonly [unknown] | "none", error: unknown): boolean {
  return got !== "none" && Object.is(got[0], error);
}

describe.each(odd)("when what is thrown is %s,", (_, make) => {
  const error = make();
  const fail = (): never => {
    throw error;
  };

  it("retry tries again, and rejects with it in the end", async () => {
    let attempts = 0;
    const failing = retry.run(
      context.background(),
      () => {
        attempts++;
        throw error;
      },
      { tries: 3, base: 0 },
    );
    expect(isIt(await rejection(failing), error)).toBe(true);
    expect(attempts).toBe(3);
  });

  it("retry with a timeout does the same", async () => {
    const failing = retry.run(context.background(), fail, { tries: 2, base: 0, timeout: 1_000 });
    expect(isIt(await rejection(failing), error)).toBe(true);
  });

  it("a group ends with it, and so does its context", async () => {
    const [group, ctx] = errgroup.withContext(context.background());
    void group.go(fail);
    expect(isIt(await rejection(group.wait()), error)).toBe(true);
    expect(Object.is(context.cause(ctx), error) || error === undefined).toBe(true);
  });

  it("errgroup.run rejects with it, whether the body throws it or a task", async () => {
    expect(isIt(await rejection(errgroup.run(context.background(), fail)), error)).toBe(true);
    const scope = errgroup.run(context.background(), (group) => void group.go(fail));
    expect(isIt(await rejection(scope), error)).toBe(true);
  });

  it("singleflight gives it to all who wait", async () => {
    const group = new singleflight.Group<string, number>();
    const calls = [group.do("k", fail), group.do("k", fail)];
    for (const call of calls) expect(isIt(await rejection(call), error)).toBe(true);
    const [result] = await group.doChan("k", fail).recv();
    expect(Object.is(result!.error, error)).toBe(true);
  });

  it("context.wait rejects with it", async () => {
    const promise = new Promise((_, reject) => reject(error as Error));
    expect(isIt(await rejection(context.wait(promise, context.background())), error)).toBe(true);
  });

  it("explore says by which schedule, and has it as the cause", async () => {
    const found = await rejection(explore(() => fail(), { cancel: false, bound: 0, randomRuns: 0 }));
    expect(found[0]).toBeInstanceOf(ScheduleError);
    expect(Object.is((found[0] as ScheduleError).cause, error)).toBe(true);
  });

  it("a bubble rejects with it", async () => {
    expect(isIt(await rejection(bubble(() => fail())), error)).toBe(true);
    const external = bubble(async (t) => t.external(new Promise((_, reject) => reject(error as Error))));
    expect(isIt(await rejection(external), error)).toBe(true);
  });

  it("it is no instance of an error class of ours, and may be asked", () => {
    for (const Class of [retry.Permanent, context.Canceled, context.DeadlineExceeded]) {
      expect(error instanceof Class).toBe(false);
    }
  });
});
