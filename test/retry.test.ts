import { context, retry, time } from "headgate";
import { afterEach, describe, expect, it, vi } from "vitest";
import { elapse, isPending, settle, timersSet, virtualTime } from "./support/clock.ts";
import { failure } from "./support/errors.ts";

virtualTime();

afterEach(() => {
  vi.restoreAllMocks();
  expect(timersSet()).toBe(0);
});

const background = context.background();

/** Makes every pause as long as it can be, or the given part of that. */
const jitter = (part = 1): void => void vi.spyOn(Math, "random").mockReturnValue(part);

/** A function that fails as often as told, with "failure 1", "failure 2" …, and then returns the number of its runs. */
function failing(times: number) {
  const attempts: number[] = [];
  const fn = (_: context.Context, attempt: number): Promise<number> => {
    attempts.push(attempt);
    if (attempts.length <= times) throw new Error(`failure ${attempts.length}`);
    return Promise.resolve(attempts.length);
  };
  return { attempts, fn };
}

describe("run", () => {
  it("returns what the function returns, at the first try if that succeeds", async () => {
    const { fn, attempts } = failing(0);
    expect(await retry.run(background, fn)).toBe(1);
    expect(await retry.run(background, () => "plain value")).toBe("plain value");
    expect(attempts).toEqual([1]);
  });

  it("counts attempts from 1, and tries until it succeeds", async () => {
    const { fn, attempts } = failing(3);
    const result = retry.run(background, fn);
    await elapse(60_000);
    expect(await result).toBe(4);
    expect(attempts).toEqual([1, 2, 3, 4]);
  });

  it("tries five times by default, and rejects with the last error", async () => {
    for (const [policy, tries] of [
      [undefined, 5],
      [{}, 5],
      [{ tries: 2 }, 2],
      [{ tries: 1 }, 1],
    ] as const) {
      const { fn, attempts } = failing(Infinity);
      const result = failure(retry.run(background, fn, policy));
      await elapse(60_000);
      expect(await result).toEqual(new Error(`failure ${tries}`));
      expect(attempts).toHaveLength(tries);
    }
  });

  it("tries for ever with Infinity", async () => {
    const { fn, attempts } = failing(1000);
    const result = retry.run(background, fn, { tries: Infinity, base: 1, max: 1 });
    await elapse(2000);
    expect(await result).toBe(1001);
    expect(attempts).toHaveLength(1001);
  });

  it("pauses between two tries, longer each time, up to the maximum", async () => {
    jitter();
    const began: number[] = [];
    const result = failure(
      retry.run(background, () => Promise.reject(began.push(performance.now())), { tries: 6, base: 100, max: 500 }),
    );
    await elapse(10_000);
    await result;
    expect(began.map((at, i) => at - (began[i - 1] ?? at))).toEqual([0, 100, 200, 400, 500, 500]);
  });

  it("does not pause after the last try", async () => {
    jitter();
    const result = failure(retry.run(background, failing(9).fn, { tries: 2, base: 100 }));
    await elapse(100);
    expect(await isPending(result)).toBe(false);
  });

  it("never has two tries under way at a time", async () => {
    let running = 0;
    const result = failure(
      retry.run(background, async () => {
        expect(++running).toBe(1);
        await time.sleep(10_000);
        running--;
        throw new Error("busy");
      }),
    );
    await elapse(120_000);
    expect(await result).toEqual(new Error("busy"));
  });

  it("takes whatever is thrown as a failure, and passes it on as it is", async () => {
    for (const thrown of [undefined, null, 0, "text"]) {
      const result = failure(retry.run(background, () => Promise.reject(thrown), { base: 0 }));
      await elapse(0);
      expect(await result).toBe(thrown);
    }
  });
});

describe("Permanent", () => {
  it("stops at once; it comes out as it was thrown, with the real error as its cause", async () => {
    const error = new retry.Permanent("no such user", { cause: new Error("404") });
    let tries = 0;
    const fn = () => {
      tries++;
      throw error;
    };
    expect(await failure(retry.run(background, fn, { tries: Infinity }))).toBe(error);
    expect(tries).toBe(1);
    expect(error).toMatchObject({ name: "Permanent", message: "no such user", cause: new Error("404") });
  });

  it("stops also when it comes later, or from a subclass, or from another copy of the package", async () => {
    class NotFound extends retry.Permanent {}
    const foreign = Object.assign(new Error("foreign"), { [Symbol.for("headgate.error")]: "Permanent" });
    for (const error of [new NotFound("gone"), foreign]) {
      let tries = 0;
      const result = failure(
        retry.run(background, () => Promise.reject(++tries < 3 ? new Error("busy") : error), { tries: 9 }),
      );
      await elapse(60_000);
      expect(await result).toBe(error);
      expect(tries).toBe(3);
    }
    expect(foreign).toBeInstanceOf(retry.Permanent);
    expect(foreign).not.toBeInstanceOf(NotFound);
    expect(new Error("busy")).not.toBeInstanceOf(retry.Permanent);
  });
});

describe("a context", () => {
  it("that has ended before keeps the function from being called", async () => {
    const [ctx, cancel] = context.withCancel(background);
    cancel();
    const { fn, attempts } = failing(0);
    expect(await failure(retry.run(ctx, fn))).toBe(ctx.err());
    expect(attempts).toEqual([]);
  });

  it("that ends in a pause ends the pause, and the last error of the function comes out", async () => {
    const [ctx, cancel] = context.withCancel(background);
    const { fn, attempts } = failing(Infinity);
    const result = failure(retry.run(ctx, fn, { base: 60_000 }));
    await settle();
    expect(timersSet()).toBe(1);
    cancel();
    expect(timersSet()).toBe(0);
    expect(await result).toEqual(new Error("failure 1"));
    expect(attempts).toEqual([1]);
  });

  it("that ends by its deadline stops the tries as well", async () => {
    jitter();
    const [ctx, cancel] = context.withTimeout(background, 250);
    using _ = cancel;
    const { fn, attempts } = failing(Infinity);
    const result = failure(retry.run(ctx, fn, { base: 100, tries: Infinity }));
    await elapse(250);
    expect(await result).toEqual(new Error("failure 2"));
    expect(attempts).toEqual([1, 2]);
  });

  it("that ends during a try lets that try end: its result counts, its error is the last", async () => {
    for (const [end, expected] of [
      [() => "late result", "late result"],
      [
        () => {
          throw new Error("late");
        },
        "late",
      ],
    ] as const) {
      const [ctx, cancel] = context.withCancel(background);
      let tries = 0;
      const result = retry
        .run(ctx, async () => {
          tries++;
          await time.sleep(10);
          return end();
        })
        .catch((error: Error) => error.message);
      cancel();
      expect(await isPending(result)).toBe(true);
      await elapse(10);
      expect(await result).toBe(expected);
      expect(tries).toBe(1);
    }
  });

  it("is what the function gets, where the policy names no timeout", async () => {
    expect(await retry.run(background, (ctx) => ctx)).toBe(background);
  });

  it("leaves no waiter on itself when the tries are over", async () => {
    const [ctx, cancel] = context.withCancel(background);
    using _ = cancel;
    const result = retry.run(ctx, failing(3).fn, { timeout: 5 });
    await elapse(60_000);
    await result;
    expect(String(ctx.done())).toBe("Chan(0/0)");
  });
});

describe("a timeout", () => {
  it("is the deadline of each try, counted from its beginning", async () => {
    jitter();
    const began = Date.now();
    const deadlines: number[] = [];
    const result = failure(
      retry.run(
        background,
        async (ctx) => {
          deadlines.push(ctx.deadline()! - began);
          await time.sleep(60_000, ctx);
        },
        { tries: 3, base: 100, timeout: 30 },
      ),
    );
    await elapse(1000);
    expect(await result).toBeInstanceOf(context.DeadlineExceeded);
    expect(deadlines).toEqual([30, 160, 390]);
  });

  it("ends with its try: the context a try has had is cancelled, and no timer is left", async () => {
    let given: context.Context | undefined;
    expect(await retry.run(background, (ctx) => (given = ctx), { timeout: 60_000 })).toBe(given);
    expect(given!.err()).toBeInstanceOf(context.Canceled);
    expect(timersSet()).toBe(0);
  });

  it("is not imposed on a try that ignores it", async () => {
    const result = retry.run(background, () => time.sleep(500).then(() => "deaf"), { timeout: 10 });
    await elapse(499);
    expect(await isPending(result)).toBe(true);
    await elapse(1);
    expect(await result).toBe("deaf");
  });

  it("does not outlast the context it is derived from", async () => {
    const [ctx, cancel] = context.withTimeout(background, 20);
    using _ = cancel;
    expect(await retry.run(ctx, (inner) => inner.deadline() === ctx.deadline(), { timeout: 60_000 })).toBe(true);
  });
});

describe("backoff", () => {
  it("is a random part of the base, doubled with each attempt, up to the maximum: full jitter", () => {
    for (const part of [0, 0.25, 1]) {
      jitter(part);
      for (const [attempt, ceiling] of [
        [1, 500],
        [2, 1000],
        [3, 2000],
        [7, 32_000],
        [8, 60_000],
        [50, 60_000],
      ] as const) {
        expect(retry.backoff(attempt)).toBe(part * ceiling);
      }
      expect(retry.backoff(3, { base: 7, max: 20 })).toBe(part * 20);
      expect(retry.backoff(2, { base: 7, max: 20 })).toBe(part * 14);
      expect(retry.backoff(1, { base: 70, max: 20 })).toBe(part * 20);
    }
  });

  it("spreads over the whole range, from 0 to the ceiling", () => {
    const parts = Array.from({ length: 10_000 }, () => retry.backoff(1, { base: 100 }));
    expect(Math.min(...parts)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...parts)).toBeLessThan(100);
    for (let tenth = 0; tenth < 10; tenth++) {
      const n = parts.filter((ms) => Math.floor(ms / 10) === tenth).length;
      // 1000 are expected, with a standard deviation of 30.
      expect(Math.abs(n - 1000)).toBeLessThan(300);
    }
  });

  it("is a number for any attempt, however large, and any policy", () => {
    for (const part of [0, 1 - 2 ** -53]) {
      jitter(part);
      for (const attempt of [1, 1024, 1025, 5000, Number.MAX_SAFE_INTEGER]) {
        expect(retry.backoff(attempt)).toBeLessThanOrEqual(60_000);
        expect(retry.backoff(attempt, { base: 0 })).toBe(0);
        expect(retry.backoff(attempt, { base: 0, max: Infinity })).toBe(0);
        expect(retry.backoff(attempt, { max: 0 })).toBe(0);
        expect(retry.backoff(attempt, { max: Infinity })).toBeGreaterThanOrEqual(0);
        expect(retry.backoff(attempt, { base: Infinity })).toBeLessThanOrEqual(60_000);
      }
    }
  });

  it.each([0, -1, 1.5, Number.NaN, Infinity, "1", undefined, null])("of attempt %s is an error", (attempt) => {
    expect(() => retry.backoff(attempt as never)).toThrow(/attempt/);
  });
});

describe("bad input", () => {
  it.each([
    { tries: 0 },
    { tries: -1 },
    { tries: 1.5 },
    { tries: Number.NaN },
    { tries: -Infinity },
    { tries: "3" },
    { base: -1 },
    { base: Number.NaN },
    { base: "1" },
    { base: null },
    { max: -1 },
    { max: Number.NaN },
    { max: "1" },
    { timeout: Number.NaN },
    { timeout: "1" },
    { timeout: context.background() },
    null,
    5,
  ])("the policy %j is refused, and the function is not called", async (policy) => {
    const { fn, attempts } = failing(0);
    await expect(retry.run(background, fn, policy as never)).rejects.toThrow(/policy|options object/);
    expect(attempts).toEqual([]);
  });

  it.each([undefined, null, 5, {}, new AbortController().signal])(
    "%s in the place of the context is a TypeError",
    async (ctx) => {
      const { fn, attempts } = failing(0);
      await expect(retry.run(ctx as never, fn)).rejects.toThrow(TypeError);
      expect(attempts).toEqual([]);
    },
  );

  it.each([undefined, null, 5, {}])("a function that is %j is a TypeError", async (fn) => {
    await expect(retry.run(background, fn as never)).rejects.toThrow(TypeError);
  });
});
