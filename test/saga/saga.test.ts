/**
 * What a saga does, moment by moment. Steps take 10 virtual ms each, and so do their undos.
 */
import { context, type Context, retry, time } from "headgate";
import {
  type Call,
  type DeadLetter,
  NotApplied,
  orThrow,
  type Result,
  saga,
  SagaError,
  type SagaOptions,
  type StepOptions,
  type UndoCall,
} from "headgate/saga";
import { bubble, type Bubble } from "headgate/testing";
import { describe, expect, it } from "vitest";

const background = context.background();
const boom = new Error("boom");
const why = new Error("enough");

type Behaviour = (ctx: Context, call: Call<string, object>) => unknown;
type Undoing = ((ctx: Context, call: UndoCall<string, object, unknown>) => unknown) | "none";

interface Steps {
  readonly run?: Partial<Record<"a" | "b" | "c", Behaviour>>;
  readonly undo?: Partial<Record<"a" | "b" | "c", Undoing>>;
  readonly options?: Partial<Record<"a" | "b" | "c", StepOptions>>;
}

/** A saga of three steps, with what it calls: "a" a step, "-a" its undo. */
class Subject {
  readonly calls: string[] = [];
  readonly letters: DeadLetter[] = [];
  private readonly steps: Steps;

  constructor(steps: Steps = {}) {
    this.steps = steps;
  }

  run(ctx: Context, options: Partial<SagaOptions> = {}) {
    const step = (name: "a" | "b" | "c") => {
      const behave = this.steps.run?.[name] ?? ((ctx: Context) => time.sleep(10, ctx).then(() => name.toUpperCase()));
      const undo = this.steps.undo?.[name] ?? ((ctx: Context) => time.sleep(10, ctx));
      return [
        (ctx: Context, call: Call<string, object>) => {
          this.calls.push(name);
          return behave(ctx, call);
        },
        undo === "none"
          ? undefined
          : (ctx: Context, call: UndoCall<string, object, unknown>) => {
              this.calls.push(`-${name}`);
              return undo(ctx, call) as Promise<void>;
            },
        this.steps.options?.[name] ?? {},
      ] as const;
    };
    const deadLetter = async (_: Context, letter: DeadLetter): Promise<void> => void this.letters.push(letter);
    return saga<string>("s")
      .step("a", ...step("a"))
      .step("b", ...step("b"))
      .step("c", ...step("c"))
      .run(ctx, "input", { id: "1", deadLetter, ...options });
  }
}

/** Cancels a ctx after so many ms, with the cause {@link why}. */
function cancelledAfter(t: Bubble, ms: number, parent: Context = background): Context {
  const [ctx, cancel] = context.withCancelCause(parent);
  const end = async (): Promise<void> => {
    await time.sleep(ms, t.ctx).catch(() => {});
    cancel(why);
  };
  void end();
  return ctx;
}

/** What became of the steps. */
const outcomes = (result: Result<unknown>): string =>
  result.log.map(({ step, outcome }) => `${step}: ${outcome}`).join(", ");
const causeOf = (result: Result<unknown>): unknown => (result.status === "committed" ? "committed" : result.cause);
const deaf = (): Promise<void> => time.sleep(60_000);

/** Lets what was abandoned come to its end. */
const aftermath = (t: Bubble): Promise<void> => t.sleep(120_000);

describe("a saga of which all steps succeed", () => {
  it("is committed, with their outputs by name", () =>
    bubble(async () => {
      const subject = new Subject();
      expect(await subject.run(background)).toEqual({
        status: "committed",
        id: "1",
        output: { a: "A", b: "B", c: "C" },
        log: ["a", "b", "c"].map((step) => ({
          step,
          key: `1:${step}`,
          outcome: "done",
          attempts: 1,
          undos: 0,
          ms: 10,
        })),
      });
      expect(subject.calls).toEqual(["a", "b", "c"]);
    }));

  it("gives each step the input, its key, and what the steps before have returned", () =>
    bubble(async () => {
      const seen: unknown[] = [];
      const see: Behaviour = (_, call) => seen.push(call);
      await new Subject({ run: { a: see, b: see, c: see } }).run(background, { id: "x" });
      expect(seen).toEqual([
        { key: "x:a", input: "input", done: {}, attempt: 1 },
        { key: "x:b", input: "input", done: { a: 1 }, attempt: 1 },
        { key: "x:c", input: "input", done: { a: 1, b: 2 }, attempt: 1 },
      ]);
    }));

  it("may have no steps at all", async () => {
    const result = await saga("none").run(background, undefined, { id: "1", deadLetter: () => {} });
    expect(result).toEqual({ status: "committed", id: "1", output: {}, log: [] });
  });

  it("has an id of its own for each run that is given none", async () => {
    const run = () => saga("none").run(background, undefined, { deadLetter: () => {} });
    const ids = await Promise.all(Array.from({ length: 100 }, async () => (await run()).id));
    expect(new Set(ids).size).toBe(100);
    expect(ids.every((id) => id.length > 20 && !id.includes(":"))).toBe(true);
  });

  it("is a value: what is added to it makes another", async () => {
    const one = saga("s").step("a", () => 1);
    const two = one.step("b", () => 2);
    const options = { deadLetter: () => {} };
    expect(orThrow(await one.run(background, undefined, options))).toEqual({ a: 1 });
    expect(orThrow(await two.run(background, undefined, options))).toEqual({ a: 1, b: 2 });
  });
});

describe("a saga that is cancelled", () => {
  it("before its first step calls none, and has nothing to undo", () =>
    bubble(async () => {
      const subject = new Subject();
      const [ctx, cancel] = context.withCancelCause(background);
      cancel(why);
      expect(await subject.run(ctx)).toEqual({ status: "compensated", id: "1", cause: why, log: [] });
      expect(subject.calls).toEqual([]);
    }));

  it("between two steps does not call the second, and undoes those before", () =>
    bubble(async () => {
      const [ctx, cancel] = context.withCancelCause(background);
      const subject = new Subject({ run: { b: () => cancel(why) } });
      const result = await subject.run(ctx);
      expect(result).toMatchObject({ status: "compensated", cause: why });
      expect(subject.calls).toEqual(["a", "b", "-b", "-a"]);
    }));

  it("during a step undoes that, too, for nobody knows whether it was applied", () =>
    bubble(async (t) => {
      const undone: unknown[] = [];
      const b: Undoing = (_, call) => undone.push(call);
      const subject = new Subject({ undo: { b } });
      const result = await subject.run(cancelledAfter(t, 15));
      expect([result.status, causeOf(result), outcomes(result)]).toEqual([
        "compensated",
        why,
        "a: compensated, b: compensated",
      ]);
      expect(subject.calls).toEqual(["a", "b", "-b", "-a"]);
      expect(undone).toEqual([{ key: "1:b", input: "input", done: { a: "A" }, outcome: "unknown", attempt: 1 }]);
      expect(result.log[1]!.error).toBeInstanceOf(context.Canceled);
    }));

  it("during a step that cannot be undone writes a letter for it, and undoes the others", () =>
    bubble(async (t) => {
      const subject = new Subject({ undo: { b: "none" } });
      const result = await subject.run(cancelledAfter(t, 15));
      expect(outcomes(result)).toBe("a: compensated, b: dead-lettered");
      expect(subject.letters).toMatchObject([
        { step: "b", outcome: "unknown", reason: "cannot be undone", todo: "undo", errors: [] },
      ]);
      expect(result).toMatchObject({ status: "dead-lettered", letters: subject.letters });
    }));

  it("just as a step succeeds counts that as done", () =>
    bubble(async (t) => {
      const seen: unknown[] = [];
      const late: Behaviour = async (ctx) => {
        await ctx.done().recv();
        return "after all";
      };
      const subject = new Subject({ run: { b: late }, undo: { b: (_, call) => seen.push(call.outcome, call.output) } });
      expect(outcomes(await subject.run(cancelledAfter(t, 15)))).toBe("a: compensated, b: compensated");
      expect(seen).toEqual(["done", "after all"]);
    }));

  it("just as its last step succeeds is committed", () =>
    bubble(async (t) => {
      const late: Behaviour = async (ctx) => {
        await ctx.done().recv();
        await time.sleep(50);
        return "after all";
      };
      const subject = new Subject({ run: { c: late } });
      expect(orThrow(await subject.run(cancelledAfter(t, 25)))).toEqual({ a: "A", b: "B", c: "after all" });
    }));

  it("believes a step that knows better: it was not applied", () =>
    bubble(async (t) => {
      const b: Behaviour = (ctx) =>
        time.sleep(10, ctx).catch((cause) => Promise.reject(new NotApplied("not sent", { cause })));
      const subject = new Subject({ run: { b } });
      expect(outcomes(await subject.run(cancelledAfter(t, 15)))).toBe("a: compensated, b: not applied");
      expect(subject.calls).toEqual(["a", "b", "-a"]);
    }));

  it("undoes on a ctx that has its values, is alive, and has a deadline", () =>
    bubble(async (t) => {
      const trace = context.key<string>("trace");
      const seen: unknown[] = [];
      const a: Undoing = (ctx) => seen.push(ctx.err(), ctx.value(trace), ctx.deadline()! - t.now());
      await new Subject({ undo: { a } }).run(cancelledAfter(t, 5, context.withValue(background, trace, "t-1")));
      expect(seen).toEqual([undefined, "t-1", 5_000]);
    }));

  it("a second time, while it undoes, takes no notice", () =>
    bubble(async (t) => {
      const [ctx, cancel] = context.withCancel(background);
      const undo: Undoing = async (undoing) => {
        cancel();
        await time.sleep(100, undoing);
      };
      const subject = new Subject({ undo: { b: undo, a: undo } });
      expect((await subject.run(cancelledAfter(t, 15, ctx))).status).toBe("compensated");
    }));

  it("does not wait for a step that is deaf, but undoes it", () =>
    bubble(async (t) => {
      const begun = t.now();
      const subject = new Subject({ run: { b: deaf } });
      const result = await subject.run(cancelledAfter(t, 15));
      expect(outcomes(result)).toBe("a: compensated, b: compensated");
      expect(t.now() - begun).toBe(15 + 100 + 20);
      await aftermath(t);
      expect(subject.calls).toEqual(["a", "b", "-b", "-a"]);
    }));
});

describe("a step that fails", () => {
  it.each(["throws", "rejects"])("is undone, as it may have been applied: it %s", (how) =>
    bubble(async () => {
      const b: Behaviour = () => {
        if (how === "rejects") return Promise.reject(boom);
        throw boom;
      };
      const subject = new Subject({ run: { b } });
      const result = await subject.run(background);
      expect([result.status, causeOf(result)]).toEqual(["compensated", boom]);
      expect(subject.calls).toEqual(["a", "b", "-b", "-a"]);
    }),
  );

  it("is not undone if it throws NotApplied", () =>
    bubble(async () => {
      const subject = new Subject({ run: { b: () => Promise.reject(new NotApplied()) } });
      const result = await subject.run(background);
      expect([result.status, outcomes(result)]).toEqual(["compensated", "a: compensated, b: not applied"]);
      expect(subject.calls).toEqual(["a", "b", "-a"]);
    }));

  it("may throw what is no error", () =>
    bubble(async () => {
      const cause = causeOf(await new Subject({ run: { a: () => Promise.reject("no") } }).run(background));
      expect(cause).toEqual(new Error("no"));
      expect((cause as Error).cause).toBe("no");
    }));

  it("is tried again by its policy, with the same key", () =>
    bubble(async () => {
      const seen: unknown[] = [];
      const b: Behaviour = (_, { key, attempt }) => {
        seen.push([key, attempt]);
        return attempt < 3 ? Promise.reject(boom) : "at last";
      };
      const subject = new Subject({ run: { b }, options: { b: { retry: { tries: 3 } } } });
      const result = await subject.run(background);
      expect(orThrow(result)).toEqual({ a: "A", b: "at last", c: "C" });
      expect(result.log[1]).toMatchObject({ attempts: 3, outcome: "done" });
      expect(result.log[1]).not.toHaveProperty("error");
      expect(seen).toEqual([
        ["1:b", 1],
        ["1:b", 2],
        ["1:b", 3],
      ]);
    }));

  it("is not tried again after the cancellation", () =>
    bubble(async (t) => {
      const subject = new Subject({
        run: { a: () => Promise.reject(boom) },
        options: { a: { retry: { tries: Infinity, base: 1_000, max: 1_000 } } },
      });
      const result = await subject.run(cancelledAfter(t, 20_000));
      const called = subject.calls.length;
      expect([result.status, causeOf(result)]).toEqual(["compensated", why]);
      expect(called).toBeGreaterThan(10);
      expect(subject.calls.indexOf("-a")).toBe(called - 1);
      expect(result.log[0]!.error).toBe(boom);
    }));

  it("is unknown if only its last attempt says that it was not applied", () =>
    bubble(async () => {
      const b: Behaviour = (_, { attempt }) => Promise.reject(attempt === 1 ? boom : new NotApplied());
      const subject = new Subject({ run: { b }, options: { b: { retry: { tries: 2 } } } });
      expect(outcomes(await subject.run(background))).toBe("a: compensated, b: compensated");
    }));

  it("is not tried again if it throws Permanent, and was not applied if that is its cause", () =>
    bubble(async () => {
      const cause = new NotApplied("400");
      const b: Behaviour = () => Promise.reject(new retry.Permanent("400", { cause }));
      const subject = new Subject({ run: { b }, options: { b: { retry: { tries: 5 } } } });
      expect(outcomes(await subject.run(background))).toBe("a: compensated, b: not applied");
      expect(subject.calls).toEqual(["a", "b", "-a"]);
    }));

  it("is unknown when its time is over, whether it heeds its ctx or not", () =>
    bubble(async (t) => {
      for (const b of [(ctx: Context) => time.sleep(60_000, ctx), deaf]) {
        const subject = new Subject({ run: { b }, options: { b: { timeout: 20 } } });
        const result = await subject.run(background);
        expect([result.status, outcomes(result)]).toEqual(["compensated", "a: compensated, b: compensated"]);
        expect(causeOf(result)).toBeInstanceOf(context.DeadlineExceeded);
      }
      await aftermath(t);
    }));
});

describe("a compensation that fails", () => {
  const failing: Undoing = () => Promise.reject(boom);

  it("is tried again, five times in all; then there is a letter, and the others still run", () =>
    bubble(async () => {
      const subject = new Subject({ run: { c: () => Promise.reject(why) }, undo: { b: failing } });
      const result = await subject.run(background);
      expect(subject.calls).toEqual(["a", "b", "c", "-c", "-b", "-b", "-b", "-b", "-b", "-a"]);
      expect([result.status, outcomes(result)]).toEqual([
        "dead-lettered",
        "a: compensated, b: dead-lettered, c: compensated",
      ]);
      expect(subject.letters).toHaveLength(1);
      expect(subject.letters[0]).toMatchObject({
        saga: "s",
        id: "1",
        step: "b",
        key: "1:b",
        input: "input",
        output: "B",
        todo: "undo",
        outcome: "done",
        reason: "failed",
        cause: { name: "Error", message: "enough" },
        log: [
          { step: "a", outcome: "compensated" },
          { step: "b", outcome: "done", undos: 5, error: { message: "boom" } },
          { step: "c", outcome: "compensated" },
        ],
      });
      expect(subject.letters[0]!.errors.map(({ message }) => message)).toEqual(Array(5).fill("boom"));
      expect(subject.letters[0]!.at).toMatch(/^2000-01-01T00:00:0\d\.\d{3}Z$/);
      expect(JSON.parse(JSON.stringify(subject.letters[0]))).toEqual(subject.letters[0]);
    }));

  it("without end is told by the last of its errors", () =>
    bubble(async () => {
      const b: Undoing = (_, { attempt }) => Promise.reject(new Error(String(attempt)));
      const subject = new Subject({ run: { c: () => Promise.reject(why) }, undo: { b } });
      await subject.run(background, { compensation: { retry: { tries: 100, base: 0 } } });
      const last = Array.from({ length: 16 }, (_, i) => String(85 + i));
      expect(subject.letters[0]!.errors.map(({ message }) => message)).toEqual(last);
    }));

  it("is tried again after pauses of up to 200, 400, 800 and 1 600 ms, by chance", () =>
    bubble(async (t) => {
      const longest = [0, 0, 0, 0];
      for (let i = 0; i < 50; i++) {
        const at: number[] = [];
        const undo = { c: () => (at.push(t.now()), Promise.reject(boom)) };
        await new Subject({ run: { c: () => Promise.reject(why) }, undo }).run(background);
        for (const [n, moment] of at.slice(1).entries()) longest[n] = Math.max(longest[n]!, moment - at[n]!);
      }
      for (const [n, pause] of longest.entries()) {
        expect(pause).toBeLessThanOrEqual(200 * 2 ** n);
        expect(pause).toBeGreaterThan(150 * 2 ** n);
      }
    }));

  it("without end is given up after 30 s in all", () =>
    bubble(async (t) => {
      const heeding: Undoing = (ctx) => time.sleep(60_000, ctx);
      const subject = new Subject({ run: { c: () => Promise.reject(why) }, undo: { b: heeding, a: heeding } });
      const result = await subject.run(background);
      expect(t.now() - Date.UTC(2000, 0, 1)).toBe(20 + 30_000);
      expect(outcomes(result)).toBe("a: dead-lettered, b: dead-lettered, c: compensated");
      expect(subject.letters.at(-1)).toMatchObject({ step: "a", reason: "out of time" });
    }));

  it("once is no matter", () =>
    bubble(async () => {
      const keys: unknown[] = [];
      const b: Undoing = (_, { key, attempt }) => {
        keys.push(`${key} ${attempt}`);
        return attempt === 1 ? Promise.reject(boom) : undefined;
      };
      const subject = new Subject({ run: { c: () => Promise.reject(why) }, undo: { b } });
      expect((await subject.run(background)).status).toBe("compensated");
      expect(keys).toEqual(["1:b 1", "1:b 2"]);
    }));

  it("with Permanent is not tried again", () =>
    bubble(async () => {
      const b: Undoing = () => Promise.reject(new retry.Permanent("gone"));
      const subject = new Subject({ run: { c: () => Promise.reject(why) }, undo: { b } });
      expect((await subject.run(background)).status).toBe("dead-lettered");
      expect(subject.calls).toEqual(["a", "b", "c", "-c", "-b", "-a"]);
    }));

  it("by never returning is given up at the timeout of an attempt", () =>
    bubble(async (t) => {
      const subject = new Subject({ run: { c: () => Promise.reject(why) }, undo: { b: deaf } });
      const compensation = { timeout: 50, retry: { tries: 2, base: 0 } };
      const result = await subject.run(background, { compensation });
      expect(outcomes(result)).toBe("a: compensated, b: dead-lettered, c: compensated");
      expect(subject.letters).toMatchObject([{ step: "b", reason: "failed", errors: [{ name: "TimeoutError" }, {}] }]);
      await aftermath(t);
    }));
});

describe("when the compensation must end, what remains is dead-lettered, each step by itself,", () => {
  const fails = { c: (): Promise<never> => Promise.reject(why) };

  it.each([
    ["heeds its ctx", (ctx: Context): Promise<void> => time.sleep(60_000, ctx)],
    ["is deaf", deaf],
  ])("as out of time, if the budget is over: the undo %s", (_, b) =>
    bubble(async (t) => {
      const subject = new Subject({ run: fails, undo: { b } });
      const result = await subject.run(background, { compensation: { budget: 100 } });
      expect(t.now() - Date.UTC(2000, 0, 1)).toBe(20 + 100);
      expect(outcomes(result)).toBe("a: dead-lettered, b: dead-lettered, c: compensated");
      expect(subject.letters).toMatchObject([
        { step: "b", reason: "out of time" },
        { step: "a", reason: "out of time", errors: [] },
      ]);
      expect(subject.calls).toEqual(["a", "b", "c", "-c", "-b"]);
      await aftermath(t);
    }),
  );

  it("as out of time, if the budget is nothing", () =>
    bubble(async () => {
      const subject = new Subject({ run: fails, undo: { b: "none" } });
      const result = await subject.run(background, { compensation: { budget: 0 } });
      expect(outcomes(result)).toBe("a: dead-lettered, b: dead-lettered, c: dead-lettered");
      expect(subject.letters.map(({ step, reason }) => `${step}: ${reason}`)).toEqual([
        "c: out of time",
        "b: cannot be undone",
        "a: out of time",
      ]);
      expect(subject.calls).toEqual(["a", "b", "c"]);
      expect(result.log.map(({ error }) => error)).toEqual([undefined, undefined, why]);
    }));

  it("as aborted, if abort ends", () =>
    bubble(async (t) => {
      const abort = cancelledAfter(t, 25);
      const subject = new Subject({ run: fails });
      const result = await subject.run(background, { abort });
      expect(outcomes(result)).toBe("a: dead-lettered, b: dead-lettered, c: dead-lettered");
      expect(subject.letters.map(({ reason }) => reason)).toEqual(["aborted", "aborted", "aborted"]);
      expect([t.now() - Date.UTC(2000, 0, 1), causeOf(result)]).toEqual([25, why]);
      expect(subject.calls).toEqual(["a", "b", "c", "-c"]);
    }));

  it.each(["heeds its ctx", "is deaf"])("if abort ends while it still goes forward, and the step %s", (how) =>
    bubble(async (t) => {
      const b: Behaviour = (ctx) => (how === "is deaf" ? deaf() : time.sleep(60_000, ctx));
      const subject = new Subject({ run: { b } });
      const result = await subject.run(background, { abort: cancelledAfter(t, 15) });
      expect(outcomes(result)).toBe("a: dead-lettered, b: dead-lettered");
      expect(subject.letters.map(({ reason }) => reason)).toEqual(["aborted", "aborted"]);
      expect([causeOf(result), subject.calls, t.now() - Date.UTC(2000, 0, 1)]).toEqual([why, ["a", "b"], 15]);
      await aftermath(t);
    }),
  );

  it("as out of time, if the lifetime of its ctx ends", () =>
    bubble(async (t) => {
      const lifetime = cancelledAfter(t, 25);
      const subject = new Subject({ run: fails });
      const result = await subject.run(context.withValue(background, context.lifetime, lifetime));
      expect(outcomes(result)).toBe("a: dead-lettered, b: dead-lettered, c: dead-lettered");
      expect(subject.letters.map(({ reason }) => reason)).toEqual(["out of time", "out of time", "out of time"]);
      expect(t.now() - Date.UTC(2000, 0, 1)).toBe(25);
    }));

  it.each(["abort", "lifetime"] as const)("at once, if a step or an undo ends it, and returns: %s", (which) =>
    bubble(async () => {
      for (const [steps, calls] of [
        [(end: () => void): Steps => ({ run: { a: end } }), ["a"]],
        [(end: () => void): Steps => ({ run: fails, undo: { c: end } }), ["a", "b", "c", "-c"]],
      ] as const) {
        const [ending, end] = context.withCancelCause(background);
        const subject = new Subject(steps(() => end(why)));
        const ctx = which === "lifetime" ? context.withValue(background, context.lifetime, ending) : background;
        const result = await subject.run(ctx, which === "abort" ? { abort: ending } : {});
        expect([subject.calls, causeOf(result), result.status]).toEqual([calls, why, "dead-lettered"]);
      }
    }),
  );

  it.each(["abort", "lifetime"] as const)("at once, also if the observer ends it: %s", (which) =>
    bubble(async () => {
      for (const [type, calls] of [
        ["stepStarted", []],
        ["compensating", ["a", "b", "c"]],
        ["compensated", ["a", "b", "c", "-c"]],
      ] as const) {
        const [ending, end] = context.withCancelCause(background);
        const subject = new Subject({ run: fails });
        const ctx = which === "lifetime" ? context.withValue(background, context.lifetime, ending) : background;
        await subject.run(ctx, {
          observe: (event) => event.type === type && end(why),
          ...(which === "abort" ? { abort: ending } : {}),
        });
        expect(subject.calls).toEqual(calls);
      }
    }),
  );

  it.each(["abort", "lifetime"] as const)("and its steps and undos are told why: %s", (which) =>
    bubble(async (t) => {
      const causes: unknown[] = [];
      const tell = async (ctx: Context): Promise<void> => {
        await ctx.done().recv();
        causes.push(context.cause(ctx));
      };
      for (const steps of [{ run: { b: tell } }, { run: fails, undo: { c: tell } }]) {
        const ending = cancelledAfter(t, 25);
        const ctx = which === "lifetime" ? context.withValue(background, context.lifetime, ending) : background;
        await new Subject(steps).run(ctx, which === "abort" ? { abort: ending } : {});
      }
      expect(causes).toEqual([why, why]);
    }),
  );
});

describe("the sink", () => {
  const steps: Steps = { run: { b: () => Promise.reject(why) }, undo: { a: "none", b: "none" } };

  it("gets a ctx of its own, with the values, however the others have ended", () =>
    bubble(async (t) => {
      const trace = context.key<string>("trace");
      const seen: unknown[] = [];
      const ctx = context.withValue(background, trace, "t-1");
      const deadLetter = (ctx: Context): void => void seen.push(ctx.err(), ctx.value(trace), ctx.deadline()! - t.now());
      await new Subject(steps).run(cancelledAfter(t, 5, ctx), { abort: cancelledAfter(t, 5), deadLetter });
      expect(seen).toEqual([undefined, "t-1", 2_000]);
    }));

  it("is asked again if it fails", () =>
    bubble(async () => {
      const taken: string[] = [];
      let n = 0;
      const deadLetter = (_: Context, { step }: DeadLetter): void => {
        if (++n < 6) throw boom;
        taken.push(step);
      };
      const result = await new Subject(steps).run(background, { deadLetter });
      expect(result.status).toBe("dead-lettered");
      expect(taken.sort()).toEqual(["a", "b"]);
    }));

  it.each([
    ["fails", (): Promise<void> => Promise.reject(boom)],
    ["hangs", (ctx: Context): Promise<void> => time.sleep(60_000, ctx)],
    ["is deaf", deaf],
  ])("that %s for 5 s: the saga is lost, and the letters are in the result", (_, deadLetter) =>
    bubble(async (t) => {
      const begun = t.now();
      const result = await new Subject(steps).run(background, { deadLetter });
      expect(t.now() - begun).toBeLessThanOrEqual(10 + 5_000);
      expect(outcomes(result)).toBe("a: done, b: unknown");
      expect(result).toMatchObject({ status: "lost", cause: why, letters: [{ step: "b" }, { step: "a" }] });
      expect(result.status === "lost" && result.errors.length).toBe(2);
      await aftermath(t);
    }),
  );

  it("that takes a letter just as the time of its call is over has taken it, and is not asked again", () =>
    bubble(async (t) => {
      const taken: string[] = [];
      const deadLetter = async (ctx: Context, { step }: DeadLetter): Promise<void> => {
        await ctx.done().recv();
        await time.sleep(50);
        taken.push(step);
      };
      const begun = t.now();
      const result = await new Subject(steps).run(background, { deadLetter });
      expect([result.status, taken.sort(), t.now() - begun]).toEqual(["dead-lettered", ["a", "b"], 10 + 2_050]);
    }));

  it("that takes one letter and not the other: the one it does not take is lost", () =>
    bubble(async () => {
      const deadLetter = (_: Context, { step }: DeadLetter): void => {
        if (step === "a") throw boom;
      };
      const result = await new Subject(steps).run(background, { deadLetter });
      expect(outcomes(result)).toBe("a: done, b: dead-lettered");
      expect(result).toMatchObject({ status: "lost", letters: [{ step: "a" }], errors: [boom] });
    }));
});

describe("after a pivot", () => {
  const pivot = { b: { pivot: true } };

  it("a step is tried again until it is done", () =>
    bubble(async () => {
      const c: Behaviour = (_, { attempt }) => (attempt < 5 ? Promise.reject(boom) : "C");
      const subject = new Subject({ run: { c }, options: pivot });
      expect((await subject.run(background)).status).toBe("committed");
      expect(subject.calls).toEqual(["a", "b", "c", "c", "c", "c", "c"]);
    }));

  it("the cancellation ends no step, and begins none back", () =>
    bubble(async (t) => {
      const seen: unknown[] = [];
      const c: Behaviour = async (ctx) => {
        await time.sleep(1_000, ctx);
        seen.push(ctx.err());
      };
      const subject = new Subject({ run: { c }, options: pivot });
      expect((await subject.run(cancelledAfter(t, 25))).status).toBe("committed");
      expect(seen).toEqual([undefined]);
    }));

  it("that succeeds just as ctx ends, there is no way back either", () =>
    bubble(async (t) => {
      const b: Behaviour = (ctx) => ctx.done().recv();
      const subject = new Subject({ run: { b }, options: pivot });
      expect((await subject.run(cancelledAfter(t, 25))).status).toBe("committed");
      expect(subject.calls).toEqual(["a", "b", "c"]);
    }));

  it("the budget runs from the cancellation on, and not before; what is not done then is to be finished", () =>
    bubble(async (t) => {
      const c: Behaviour = (ctx) => time.sleep(60_000, ctx);
      const subject = new Subject({ run: { c }, options: pivot });
      const result = await subject.run(cancelledAfter(t, 40_000), { compensation: { budget: 1_000 } });
      expect(t.now() - Date.UTC(2000, 0, 1)).toBe(41_000);
      expect([result.status, causeOf(result), outcomes(result)]).toEqual([
        "dead-lettered",
        why,
        "a: done, b: done, c: dead-lettered",
      ]);
      expect(subject.letters).toMatchObject([{ step: "c", todo: "finish", outcome: "unknown", reason: "out of time" }]);
      expect(subject.calls).toEqual(["a", "b", "c"]);
    }));

  it("and cancelled as its last step returns, it leaves no timer behind", () =>
    bubble(async () => {
      const [ctx, cancel] = context.withCancel(background);
      const subject = new Subject({ run: { c: () => cancel() }, options: pivot });
      expect((await subject.run(ctx)).status).toBe("committed");
    }));

  it("another one changes nothing: the budget still runs from the cancellation on", () =>
    bubble(async (t) => {
      const slow: Behaviour = (ctx) => time.sleep(600, ctx);
      const subject = new Subject({ run: { b: slow, c: slow }, options: { a: { pivot: true }, b: { pivot: true } } });
      const result = await subject.run(cancelledAfter(t, 110), { compensation: { budget: 1_000 } });
      expect(t.now() - Date.UTC(2000, 0, 1)).toBe(1_110);
      expect(outcomes(result)).toBe("a: done, b: done, c: dead-lettered");
    }));

  it("a step that fails for good is dead-lettered to be finished, with those after it", () =>
    bubble(async () => {
      const subject = new Subject({
        run: { b: () => Promise.reject(new NotApplied("no")) },
        options: { a: { pivot: true } },
      });
      const compensation = { retry: { tries: 2, base: 1 } };
      const result = await subject.run(background, { compensation });
      expect(outcomes(result)).toBe("a: done, b: dead-lettered, c: dead-lettered");
      expect(subject.letters).toMatchObject([
        {
          step: "b",
          todo: "finish",
          outcome: "not applied",
          reason: "failed",
          errors: [{ message: "no" }, { message: "no" }],
        },
        { step: "c", todo: "finish", outcome: "not started", reason: "failed", errors: [] },
      ]);
      expect(subject.calls).toEqual(["a", "b", "b"]);
    }));

  it("what is not begun is in the log, too, also if its letter is lost", () =>
    bubble(async () => {
      const subject = new Subject({ run: { b: () => Promise.reject(boom) }, options: { a: { pivot: true } } });
      const compensation = { retry: { tries: 1 } };
      const deadLetter = (_: Context, letter: DeadLetter): void => {
        subject.letters.push(letter);
        throw boom;
      };
      const result = await subject.run(background, { compensation, deadLetter });
      expect([result.status, outcomes(result)]).toEqual(["lost", "a: done, b: unknown, c: not started"]);
      expect(subject.letters[0]!.log.map(({ step, outcome }) => `${step}: ${outcome}`).join(", ")).toBe(
        outcomes(result),
      );
    }));

  it("an abort is heeded", () =>
    bubble(async (t) => {
      const subject = new Subject({ options: pivot });
      const result = await subject.run(background, { abort: cancelledAfter(t, 25) });
      expect(outcomes(result)).toBe("a: done, b: done, c: dead-lettered");
      expect(subject.letters).toMatchObject([{ step: "c", todo: "finish", outcome: "unknown", reason: "aborted" }]);
    }));

  it("there is a way back if the pivot itself has failed", () =>
    bubble(async () => {
      const subject = new Subject({ run: { b: () => Promise.reject(boom) }, options: pivot });
      expect((await subject.run(background)).status).toBe("compensated");
      expect(subject.calls).toEqual(["a", "b", "-b", "-a"]);
    }));
});

describe("orThrow", () => {
  it("returns the output of what is committed", () => {
    expect(orThrow({ status: "committed", id: "1", output: { a: 1 }, log: [] })).toEqual({ a: 1 });
  });

  it("throws a SagaError that has everything the result has", () =>
    bubble(async () => {
      const subject = new Subject({ run: { b: () => Promise.reject(why) }, undo: { a: "none" } });
      const result = await subject.run(background);
      const error: unknown = await Promise.resolve(result)
        .then(orThrow)
        .catch((error) => error);
      expect(error).toBeInstanceOf(SagaError);
      expect(error).toMatchObject({
        name: "SagaError",
        message: "saga 1: dead-lettered: a (cannot be undone); enough",
        cause: why,
        status: "dead-lettered",
        id: "1",
        letters: subject.letters,
        errors: [],
        log: result.log,
      });
    }));

  it("throws for what is compensated or lost, too", async () => {
    const [cause, log] = [why, []];
    expect(() => orThrow({ status: "compensated", id: "1", cause, log })).toThrow("saga 1: compensated; enough");
    const lost = { status: "lost", id: "1", cause, letters: [], errors: [boom], log } as const;
    expect(() => orThrow(lost)).toThrow(expect.objectContaining({ status: "lost", errors: [boom] }));
  });
});
