/**
 * The events of a saga, and its resumption: the process is killed after each of its events, and what the journal has by then is enough to
 * finish the saga, or to undo it, in another process.
 */
import { context, type Context, time } from "headgate";
import { type DeadLetter, NotApplied, orThrow, saga, type SagaEvent, type SagaOptions } from "headgate/saga";
import { bubble } from "headgate/testing";
import { describe, expect, it } from "vitest";

const background = context.background();
const boom = new Error("boom");

const MODES = ["commits", "fails", "fails, and an undo, too", "fails after a pivot"] as const;
type Mode = (typeof MODES)[number];

/** The world outside of the process: it outlives that. */
class World {
  readonly applied: Set<string>;
  readonly letters: DeadLetter[];
  /** As it is in a file. */
  readonly journal: string[];
  readonly calls: string[] = [];

  constructor(applied: Iterable<string> = [], letters: readonly DeadLetter[] = [], journal: readonly string[] = []) {
    this.applied = new Set(applied);
    this.letters = [...letters];
    this.journal = [...journal];
  }

  copy(): World {
    return new World(this.applied, this.letters, this.journal);
  }

  /** Starts the process. */
  async run(mode: Mode, observe: () => void = () => {}, options: Partial<SagaOptions> = {}) {
    const step = (name: string) =>
      [
        async (ctx: Context, { key }: { key: string }) => {
          this.calls.push(name);
          await time.sleep(1, ctx);
          this.applied.add(key);
          if (name === "c" && mode !== "commits") throw boom;
          return { from: name };
        },
        async (ctx: Context, { key, outcome, output }: { key: string; outcome: string; output?: { from: string } }) => {
          this.calls.push(`-${name}`);
          expect(output).toEqual(outcome === "done" ? { from: name } : undefined);
          await time.sleep(1, ctx);
          if (name === "b" && mode === "fails, and an undo, too") throw boom;
          this.applied.delete(key);
        },
        { pivot: name === "b" && mode === "fails after a pivot" },
      ] as const;
    return saga<string>("s")
      .step("a", ...step("a"))
      .step("b", ...step("b"))
      .step("c", ...step("c"))
      .run(background, "input", {
        id: "1",
        compensation: { retry: { tries: 2, base: 1 } },
        deadLetter: async (_, letter) => void this.letters.push(letter),
        observe: (event) => {
          this.journal.push(JSON.stringify(event));
          observe();
        },
        ...options,
      });
  }

  get events(): SagaEvent[] {
    return this.journal.map((line) => JSON.parse(line) as SagaEvent);
  }

  /** In short. */
  get story(): string[] {
    return this.events.map((event) => ("step" in event ? `${event.type} ${event.step}` : event.type));
  }
}

describe("the events of a saga", () => {
  it("announce each step, tell what became of it, and are plain JSON", () =>
    bubble(async () => {
      const world = new World();
      await world.run("commits");
      expect(world.story).toEqual([
        "started",
        "stepStarted a",
        "stepFinished a",
        "stepStarted b",
        "stepFinished b",
        "stepStarted c",
        "stepFinished c",
        "finished",
      ]);
      const at = { saga: "s", id: "1", at: Date.UTC(2000, 0, 1) };
      expect(world.events.slice(0, 3)).toEqual([
        { ...at, type: "started", input: "input" },
        { ...at, type: "stepStarted", step: "a", key: "1:a" },
        {
          ...at,
          at: at.at + 1,
          type: "stepFinished",
          step: "a",
          key: "1:a",
          outcome: "done",
          output: { from: "a" },
          attempts: 1,
          ms: 1,
        },
      ]);
      expect(world.events.at(-1)).toMatchObject({ type: "finished", status: "committed" });
    }));

  it("tell of failed attempts, of the way back, and of the letters", () =>
    bubble(async () => {
      const world = new World();
      await world.run("fails, and an undo, too");
      expect(world.story.slice(5)).toEqual([
        "stepStarted c",
        "attemptFailed c",
        "stepFinished c",
        "compensating",
        "compensated c",
        "attemptFailed b",
        "attemptFailed b",
        "compensated a",
        "deadLettered b",
        "finished",
      ]);
      expect(world.events[6]).toMatchObject({ call: "run", attempt: 1, error: { message: "boom" } });
      expect(world.events[7]).toMatchObject({ outcome: "unknown" });
      expect(world.events[8]).toMatchObject({ cause: { message: "boom" } });
      expect(world.events[11]).toMatchObject({ call: "compensate", attempt: 2 });
      expect(world.events[13]).toMatchObject({ letter: world.letters[0] });
    }));

  it("tell of letters that are lost", () =>
    bubble(async () => {
      const world = new World();
      await world.run("fails, and an undo, too", undefined, { deadLetter: () => Promise.reject(boom) });
      expect(world.story.slice(-2)).toEqual(["lost b", "finished"]);
      expect(world.events.at(-2)).toMatchObject({ letter: { step: "b" }, error: { message: "boom" } });
      expect(world.events.at(-1)).toMatchObject({ status: "lost" });
    }));

  it("change nothing, even if the observer throws", () =>
    bubble(async () => {
      const world = new World();
      const observe = (): void => {
        throw boom;
      };
      expect((await world.run("fails", undefined, { observe })).status).toBe("compensated");
      expect(world.applied.size).toBe(0);
    }));

  it("change nothing, even if the observer is async, and rejects: nobody is told of an unhandled rejection", async () => {
    const rejections: unknown[] = [];
    const listeners = process.listeners("unhandledRejection");
    process.removeAllListeners("unhandledRejection");
    process.on("unhandledRejection", (error) => rejections.push(error));
    try {
      const world = new World();
      const observe = () => Promise.reject(boom) as unknown as undefined;
      expect((await world.run("fails", undefined, { observe })).status).toBe("compensated");
      await new Promise((resolve) => setImmediate(resolve));
    } finally {
      process.removeAllListeners("unhandledRejection");
      for (const listener of listeners) process.on("unhandledRejection", listener);
    }
    expect(rejections).toEqual([]);
  });
});

describe("a saga that was killed after any event, and is resumed,", () => {
  /** The world after each event, and once more as it is if the call that was under way has arrived. */
  async function worlds(mode: Mode, before: World = new World()): Promise<World[]> {
    const world = before.copy();
    const found: World[] = [];
    const killed = (): void => {
      found.push(world.copy());
      const last = world.events.at(-1)!;
      if (last.type !== "stepStarted") return;
      found.push(new World([...world.applied, last.key], world.letters, world.journal));
    };
    await world.run(mode, killed, { id: "1", resume: world.events });
    return found;
  }

  it.each(MODES)("and killed again, and resumed again, ends as if nothing had been: it %s", (mode) =>
    bubble(async () => {
      const undisturbed = new World();
      const expected = await undisturbed.run(mode);
      const once = await worlds(mode);
      expect(once.length).toBeGreaterThan(8);
      const twice = await Promise.all(once.map((world) => worlds(mode, world)));
      for (const world of [...once, ...twice.flat()]) {
        const result = await world.run(mode, undefined, { resume: world.events });
        expect(result.status).toBe(expected.status);
        expect([...world.applied].sort()).toEqual([...undisturbed.applied].sort());
        expect([...new Set(world.letters.map(({ key }) => key))]).toEqual(undisturbed.letters.map(({ key }) => key));
        expect(result.log.map(({ step, outcome }) => [step, outcome])).toEqual(
          expected.log.map(({ step, outcome }) => [step, outcome]),
        );
        if (result.status === "committed") expect(result.output).toEqual(orThrow(expected));
        if (result.status === "dead-lettered") {
          expect([result.cause.message, result.letters.length]).toEqual(["boom", 1]);
        }
      }
    }),
  );

  it.each(MODES)("does not call again what the journal says is done, or undone: it %s", (mode) =>
    bubble(async () => {
      for (const world of await worlds(mode)) {
        const resume = world.events;
        const done = resume.flatMap((event) => {
          if (event.type === "stepFinished" && event.outcome === "done") return [event.step];
          return event.type === "compensated" || event.type === "deadLettered" ? [`-${event.step}`] : [];
        });
        await world.run(mode, undefined, { resume });
        for (const call of done) expect(world.calls).not.toContain(call);
        if (resume.at(-1)!.type === "finished") expect(world.calls).toEqual([]);
      }
    }),
  );

  it("skips what the journal has of other sagas and other runs", () =>
    bubble(async () => {
      const world = new World();
      await world.run("commits");
      const resume = world.events.map((event, i) => ({ ...event, ...(i % 2 === 0 ? { id: "2" } : { saga: "other" }) }));
      const again = new World();
      await again.run("commits", undefined, { resume });
      expect(again.calls).toEqual(["a", "b", "c"]);
    }));

  it("undoes a step that was under way, even if it says now that it was not applied", () =>
    bubble(async () => {
      const at = { saga: "s", id: "1", at: 0 };
      const refused = (): never => {
        throw new NotApplied("no connection");
      };
      const undone: string[] = [];
      const result = await saga("s")
        .step("a", refused, (_, { outcome }) => void undone.push(outcome))
        .run(background, undefined, {
          id: "1",
          deadLetter: () => {},
          resume: [{ ...at, type: "stepStarted", step: "a", key: "1:a" }],
        });
      expect([result.status, undone]).toEqual(["compensated", ["unknown"]]);
    }));

  it("and cancelled by now, undoes what was done before", () =>
    bubble(async () => {
      const world = new World();
      await world.run("commits");
      const resume = world.events.slice(0, 5);
      const again = new World(["1:a", "1:b"]);
      const [ctx, cancel] = context.withCancel(background);
      cancel();
      const undo = (_: Context, { key }: { key: string }): void => void again.applied.delete(key);
      const result = await saga("s")
        .step("a", () => {}, undo)
        .step("b", () => {}, undo)
        .step("c", () => {}, undo)
        .run(ctx, undefined, { id: "1", deadLetter: () => {}, resume });
      expect([result.status, again.applied.size]).toEqual(["compensated", 0]);
    }));
});
