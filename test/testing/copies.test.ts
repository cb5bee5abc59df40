/**
 * Two copies of headgate in one process, as they come of two versions in one tree: the kit of one sees nothing of what is done with the
 * other, and says so.
 */
import { cp, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { Chan, context, go, select, time } from "headgate";
import { type Bubble, bubble, DeadlockError, explore, ScheduleError } from "headgate/testing";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { build, run } from "../support/child.ts";
import { failureOf } from "../support/errors.ts";

type Library = Pick<typeof import("headgate"), "Chan" | "context" | "go" | "select" | "sync" | "time" | "errgroup">;

const ADVICE = /another copy of headgate is used in this bubble.*npm ls headgate.*peerDependencies/;

let folder: string;
let other: Library;
/** What the process was warned of. */
const warned: string[] = [];
const listen = (warning: Error): void => void (warning.name === "HeadgateWarning" && warned.push(warning.message));

beforeAll(async () => {
  build();
  folder = await mkdtemp(join(tmpdir(), "headgate-"));
  await cp(fileURLToPath(new URL("../../dist", import.meta.url)), join(folder, "dist"), { recursive: true });
  await cp(fileURLToPath(new URL("../../package.json", import.meta.url)), join(folder, "package.json"));
  other = (await import(pathToFileURL(join(folder, "dist/index.js")).href)) as Library;
  process.on("warning", listen);
});
afterAll(async () => {
  process.off("warning", listen);
  await rm(folder, { recursive: true });
});

/** Two tasks that hand over three values. */
const transfer = (library: Pick<Library, "Chan" | "go">) => async (): Promise<void> => {
  const ch = new library.Chan<number>();
  library.go(async () => {
    for (let n = 0; n < 3; n++) await ch.send(n);
    ch.close();
  });
  let sum = 0;
  for await (const n of ch) sum += n;
  expect(sum).toBe(3);
};

describe("explore", () => {
  it("is complete with its own copy, though there is another in the process that was used before", async () => {
    await transfer(other)();
    const report = await explore(transfer({ Chan, go }));
    expect(report).toMatchObject({ complete: true });
    expect(report.warning).toBeUndefined();
    expect(report.points).toBeGreaterThan(5);
  });

  it("is not complete if the scenario uses another, and says what to do", async () => {
    const report = await explore(transfer(other));
    expect(report.complete).toBe(false);
    expect(report.warning).toMatch(ADVICE);
  });

  it.each<[string, (library: Library, t: Bubble) => Promise<unknown> | void]>([
    ["a channel", ({ Chan }) => void new Chan()],
    ["a channel made before, with room", async () => await roomy.send(1)],
    ["a sleep", ({ time }) => time.sleep(1)],
    ["a timer", ({ time }) => void new time.Timer(1).stop()],
    ["the clock", ({ time }) => void time.now()],
    ["a task", ({ go }) => go(() => {})],
    ["a lock", ({ sync }) => new sync.Mutex().lock().then(() => {})],
    ["a group", ({ errgroup }) => new errgroup.Group().wait()],
    ["a context of its own", ({ context }) => context.withCancel(context.background())[1]()],
    ["a context made of t.ctx", ({ context }, t) => context.withCancel(t.ctx)[1]()],
    ["a channel, waited for with t.ctx", ({ Chan }, t) => new Chan().recv(t.ctx).catch(() => {})],
    ["a select", ({ select, Chan }, t) => select({ a: new Chan(), b: new Chan() }, t.ctx).catch(() => {})],
  ])("sees that another is used by %s", async (_, use) => {
    const scenario = async (t: Bubble): Promise<void> => {
      roomy = new other.Chan<number>(1);
      t.cancel();
      await use(other, t);
    };
    expect(await explore(scenario, { cancel: false, randomRuns: 0 })).toMatchObject({ complete: false });
  });

  it("says so in its failures", async () => {
    const stuck = async (): Promise<void> => {
      await new other.Chan().recv();
    };
    const { message } = await failureOf(explore(stuck, { externalTimeout: 10 }), ScheduleError);
    expect(message).toMatch(new RegExp(`^Beware: ${ADVICE.source}`, "m"));
  });
});

let roomy: Chan<number>;

describe("a bubble", () => {
  it("says in its failures that another copy was used", async () => {
    const stuck = async (t: Bubble): Promise<void> => {
      other.go(() => {});
      await new Chan().recv(t.ctx);
    };
    const { message } = await failureOf(bubble(stuck), DeadlockError);
    expect(message).toMatch(/^deadlock: /);
    expect(message).toMatch(new RegExp(`\nBeware: ${ADVICE.source}`));
    expect(
      (
        await failureOf(
          bubble(() => new Chan().recv().then(() => {})),
          DeadlockError,
        )
      ).message,
    ).not.toMatch(ADVICE);
  });

  it("lets the other copy work, and does not take for its own what goes on outside of it", async () => {
    let rounds = 0;
    const outside = (async () => {
      const ch = new other.Chan<number>(1);
      for (; rounds < 50; rounds++) {
        await ch.send(rounds);
        await ch.recv();
        await new Promise((resolve) => setImmediate(resolve));
      }
    })();
    expect(await explore(transfer({ Chan, go }), { randomRuns: 5 })).toMatchObject({ complete: true });
    await bubble(async (t) => {
      await t.external(outside);
      const [ctx, cancel] = context.withCancel(t.ctx);
      go(() => cancel());
      const library = new other.Chan<number>();
      expect(await library.recv(ctx).catch((error: unknown) => error)).toBe(ctx.err());
      expect(await select({ done: ctx.done() })).toMatchObject({ case: "done" });
      await time.sleep(1);
    });
    expect(rounds).toBe(50);
  });

  it("warns once in a process, and tells nobody who uses one copy", async () => {
    // It has been warned of above.
    expect(warned).toHaveLength(1);
    expect(warned[0]).toMatch(ADVICE);
    const program = `
      import { Chan, go } from "headgate";
      import { bubble, explore } from "headgate/testing";
      const scenario = async () => {
        const ch = new Chan();
        go(() => ch.send(1));
        await ch.recv();
      };
      await bubble(scenario);
      console.log((await explore(scenario)).complete);
    `;
    expect(await run(program)).toEqual({ code: 0, signal: null, lines: ["true"], errors: "" });
  });
});

describe("a copy", () => {
  it("makes itself known when it is used, and not when it is imported", async () => {
    const program = `
      const known = () => globalThis[Symbol.for("headgate.copies")]?.length ?? 0;
      const { Chan, context, errgroup, go, sync, time } = await import("headgate");
      await import("headgate/worker");
      await import("headgate/saga");
      await import("headgate/testing");
      console.log(known());
      await time.sleep(1);
      console.log(known());
      new Chan();
      console.log(known());
    `;
    expect(await run(program)).toMatchObject({ code: 0, lines: ["0", "1", "1"] });
  });

  it("works in a world that takes nothing", async () => {
    const program = `
      import { Chan, go } from "headgate";
      Object.freeze(globalThis);
      const ch = new Chan();
      go(() => ch.send("sent"));
      console.log((await ch.recv())[0]);
    `;
    expect(await run(program)).toMatchObject({ code: 0, lines: ["sent"] });
  });
});
