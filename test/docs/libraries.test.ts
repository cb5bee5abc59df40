/**
 * docs/libraries.md: its sample library does what the page says, for every kind of caller.
 */
import { spawnSync } from "node:child_process";
import { getEventListeners } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { gzipSync } from "node:zlib";
import { build as bundle } from "esbuild";
import { Chan, context, type Context, select, time } from "headgate";
import { bubble, explore, LeakError, ScheduleError } from "headgate/testing";
import { beforeAll, describe, expect, it } from "vitest";
import { type Carrier, delivered } from "../../docs/libraries/delivered.ts";
import figures from "../../docs/libraries/figures.json" with { type: "json" };
// Its tests are those of the page to copy: they pass for the library.
import { check, type Form } from "../../docs/libraries/delivered.test.ts";
import { build } from "../support/child.ts";
import { failure } from "../support/errors.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
/** Where the names of the package lead in a bundle: into what is published. */
const aliases = Object.fromEntries(
  ["context/index", "testing/index", "time", "index"].map((path) => [
    join("headgate", path.replace(/\/?index$/, "")).replace(/\/$/, ""),
    join(root, `dist/${path}.js`),
  ]),
);

/** A carrier that says "delivered" at this question. */
function carrierOf(last: number): Carrier & { signals: AbortSignal[] } {
  const signals: AbortSignal[] = [];
  const status = async (_: string, { signal }: { readonly signal: AbortSignal }): Promise<string> => {
    signals.push(signal);
    return signals.length === last ? "delivered" : "under way";
  };
  return { signals, status };
}
const listenersOf = (signal: AbortSignal): number => getEventListeners(signal, "abort").length;
const never = Infinity;

describe("a caller with", () => {
  it("nothing waits to the end", () =>
    bubble(async () => {
      expect(await delivered(carrierOf(3), "p1")).toBe(3);
      expect(await delivered(carrierOf(2), "p1", null)).toBe(2);
      expect(await delivered(carrierOf(1), "p1", {})).toBe(1);
      expect(await delivered(carrierOf(1), "p1", { signal: undefined })).toBe(1);
    }));

  it("a Context gets the error of that context, be it cancelled or late", () =>
    bubble(async (t) => {
      const [ctx, cancel] = context.withCancelCause(t.ctx);
      const [late, release] = context.withTimeout(t.ctx, 2_500);
      const carrier = carrierOf(never);
      const waits = [delivered(carrierOf(never), "p1", ctx), delivered(carrier, "p1", late)];
      await t.sleep(1_500);
      cancel(new Error("the user has left"));
      expect(await failure(waits[0]!)).toBe(ctx.err());
      expect(await failure(waits[1]!)).toBe(late.err());
      expect(late.err()).toBeInstanceOf(context.DeadlineExceeded);
      expect(carrier.signals).toHaveLength(3);
      release();
    }));

  it.each([
    ["an AbortSignal", (signal: AbortSignal) => signal],
    ["options", (signal: AbortSignal) => ({ signal })],
  ])("%s gets the reason of the signal", (_, form) =>
    bubble(async (t) => {
      const controller = new AbortController();
      const wait = delivered(carrierOf(never), "p1", form(controller.signal));
      await t.sleep(1_500);
      const reason = new Error("the user has left");
      controller.abort(reason);
      expect(await failure(wait)).toBe(reason);
      expect(await failure(delivered(carrierOf(1), "p1", form(controller.signal)))).toBe(reason);
    }),
  );

  it.each([undefined, null, new DOMException("too late", "TimeoutError"), "left"])(
    "a signal gets its reason, %s",
    (reason) =>
      bubble(async () => {
        const signal = AbortSignal.abort(reason);
        expect(await failure(delivered(carrierOf(1), "p1", signal))).toBe(signal.reason);
      }),
  );

  it("any of them gets the error of the carrier as it is", () =>
    bubble(async (t) => {
      const unknown = new Error("no such parcel");
      const carrier = { status: () => Promise.reject(unknown) };
      for (const until of [undefined, t.ctx, t.ctx.signal, { signal: t.ctx.signal }]) {
        expect(await failure(delivered(carrier, "p1", until))).toBe(unknown);
      }
    }));

  it("something else is refused", async () => {
    // @ts-expect-error a number is no source
    await expect(delivered(carrierOf(1), "p1", 5)).rejects.toThrow(TypeError);
    // @ts-expect-error nor is such a signal
    await expect(delivered(carrierOf(1), "p1", { signal: "stop" })).rejects.toThrow(TypeError);
  });
});

describe("the library", () => {
  it("asks nothing if its caller has ended before", () =>
    bubble(async (t) => {
      const [ctx, cancel] = context.withCancel(t.ctx);
      cancel();
      for (const until of [ctx, ctx.signal, AbortSignal.abort()]) {
        const carrier = carrierOf(1);
        await failure(delivered(carrier, "p1", until));
        expect(carrier.signals).toEqual([]);
      }
    }));

  it("ends a call of the carrier that is under way, and does not wait for one that is deaf", () =>
    bubble(async (t) => {
      const controller = new AbortController();
      let passed: AbortSignal | undefined;
      const deaf: Carrier = {
        status: (_, { signal }) => {
          passed = signal;
          return new Promise(() => {});
        },
      };
      const wait = delivered(deaf, "p1", controller.signal);
      await t.wait();
      controller.abort("left");
      expect(await failure(wait)).toBe("left");
      expect(passed!.aborted).toBe(true);
    }));

  it.each([
    ["it has succeeded", 2, undefined],
    ["it was aborted", never, "left"],
  ])("has one listener on a signal while it runs, and none when %s", (_, last, reason) =>
    bubble(async (t) => {
      const controller = new AbortController();
      const { signal } = controller;
      const wait = delivered(carrierOf(last), "p1", { signal }).catch(() => {});
      await t.sleep(500);
      expect(listenersOf(signal)).toBe(1);
      if (reason !== undefined) controller.abort(reason);
      await wait;
      expect(listenersOf(signal)).toBe(0);
    }),
  );

  it("has no listener left when the carrier has failed, nor after a hundred calls", () =>
    bubble(async (t) => {
      const { signal } = new AbortController();
      await failure(delivered({ status: () => Promise.reject(new Error("down")) }, "p1", signal));
      await Promise.all(Array.from({ length: 100 }, () => delivered(carrierOf(2), "p1", signal)));
      expect([listenersOf(signal), listenersOf(t.ctx.signal)]).toEqual([0, 0]);
    }));
});

describe("the test to copy", () => {
  async function inEveryForm(call: typeof delivered): Promise<void> {
    for (const limit of [900, 1_500, 60_000]) {
      for (const form of ["a Context", "a signal", "options"] satisfies Form[])
        await explore((t) => check(t, call, form, limit));
    }
  }

  it("runs with node:test as it is, but for the name of the runner", async () => {
    build();
    const { outputFiles } = await bundle({
      entryPoints: [join(root, "docs/libraries/delivered.test.ts")],
      alias: { vitest: "node:test", ...aliases },
      external: ["node:*"],
      bundle: true,
      write: false,
      format: "esm",
      platform: "node",
      target: "node20",
    });
    const run = spawnSync(process.execPath, ["--input-type=module", "-"], {
      input: outputFiles[0]!.text,
      encoding: "utf8",
      env: { ...process.env, NODE_OPTIONS: "" },
    });
    expect(run.stdout + run.stderr).toMatch(/^# pass 9$/m);
    expect(run.status, run.stdout + run.stderr).toBe(0);
  }, 300_000);

  it.each<[string, typeof delivered, string | typeof LeakError | typeof context.Canceled]>([
    [
      "does not release what it has derived",
      async (carrier, _, until) => {
        const [ctx] = context.from(until);
        try {
          for (let asked = 1; ; asked++) {
            if (ctx.err() !== undefined) throw ctx.err();
            if ((await context.wait(carrier.status("", ctx), ctx)) === "delivered") return asked;
            await time.sleep(1_000, ctx);
          }
        } catch (error) {
          throw context.errorFor(until, ctx, error);
        }
      },
      LeakError,
    ],
    [
      "sleeps without its context",
      async (carrier, _, until) => {
        const [ctx, release] = context.from(until);
        using _release = release;
        try {
          for (let asked = 1; ; asked++) {
            if (ctx.err() !== undefined) throw ctx.err();
            if ((await context.wait(carrier.status("", ctx), ctx)) === "delivered") return asked;
            await time.sleep(1_000);
          }
        } catch (error) {
          throw context.errorFor(until, ctx, error);
        }
      },
      "ms too late",
    ],
    [
      "waits for a carrier that is deaf",
      async (carrier, _, until) => {
        const [ctx, release] = context.from(until);
        using _release = release;
        try {
          for (let asked = 1; ; asked++) {
            if (ctx.err() !== undefined) throw ctx.err();
            if ((await carrier.status("", ctx)) === "delivered") return asked;
            await time.sleep(1_000, ctx);
          }
        } catch (error) {
          throw context.errorFor(until, ctx, error);
        }
      },
      "ms too late",
    ],
    [
      "asks once more after the end",
      async (carrier, id, until) => {
        const [ctx, release] = context.from(until);
        using _release = release;
        return await delivered(carrier, id, until).catch((error: unknown) => {
          if (ctx.err() !== undefined) void carrier.status(id, ctx);
          throw error;
        });
      },
      "asked after the end",
    ],
    [
      "always throws the cause",
      async (carrier, id, until) => {
        const [ctx, release] = context.from(until);
        using _release = release;
        return await delivered(carrier, id, until).catch((error: unknown) => {
          throw ctx.err() === undefined ? error : context.cause(ctx);
        });
      },
      "the caller has left",
    ],
    [
      "throws the error of its context to a caller with a signal",
      async (carrier, id, until) => {
        const [ctx, release] = context.from(until);
        using _release = release;
        return await delivered(carrier, id, until).catch((error: unknown) => {
          throw ctx.err() ?? error;
        });
      },
      context.Canceled,
    ],
    [
      "hides the error of its caller",
      async (carrier, id, until) =>
        delivered(carrier, id, until).catch(() => {
          throw new Error("not delivered");
        }),
      "not delivered",
    ],
  ])("fails for a library that %s", async (_, wrong, why) => {
    const error = await failure(inEveryForm(wrong));
    expect(error).toBeInstanceOf(ScheduleError);
    const { cause } = error as ScheduleError;
    if (typeof why === "string") expect(String(cause)).toContain(why);
    else expect(cause).toBeInstanceOf(why);
  });
});

describe("with two copies of headgate in one tree", () => {
  let other: typeof import("headgate");
  beforeAll(async () => {
    build();
    other = (await import(pathToFileURL(join(root, "dist/index.js")).href)) as typeof import("headgate");
  });

  it("a context of the other copy ends the library, with that context's error", async () => {
    expect(other.Chan).not.toBe(Chan);
    const [ctx, cancel] = other.context.withCancelCause(other.context.background());
    const wait = failure(delivered(carrierOf(never), "p1", ctx));
    cancel(new Error("the user has left"));
    const error = await wait;
    expect(error).toBe(ctx.err());
    expect(error).toBeInstanceOf(context.Canceled);
    expect(error).toBeInstanceOf(other.context.Canceled);
  });

  it("a select takes no channel of the other copy, and says what to do; the derived context has one of ours", async () => {
    const [ctx, cancel] = other.context.withCancel(other.context.background());
    await expect(select({ done: ctx.done() })).rejects.toThrow(/context\.withCancel\(ctx\)/);
    const [ours, release] = context.from(ctx as Context);
    cancel();
    expect(await select({ done: ours.done() })).toMatchObject({ case: "done" });
    release();
  });
});

/** The sample library with the imports of the root: `import { context, time } from "headgate"`. */
const FROM_ROOT = readFileSync(join(root, "docs/libraries/delivered.ts"), "utf8")
  .replace(/^import .* from "headgate\/context";$/m, "const { errorFor, from, wait } = context;")
  .replace(/^import .* from "headgate\/time";$/m, "const { sleep } = time;")
  .replace(/^/, 'import { context, time } from "headgate";\ntype Source = context.Source;\n');

describe("the figures of the page", () => {
  it.each([
    ["all", `export * from "headgate"`],
    ["context", `export * from "headgate/context"`],
    ["sample", `export * from "./docs/libraries/delivered.ts"`],
    ["sampleFromRoot", FROM_ROOT],
  ] as const)("say about what %s weighs, minified and gzipped, in kB", async (name, contents) => {
    build();
    const { outputFiles } = await bundle({
      stdin: { contents, resolveDir: root, loader: "ts" },
      alias: aliases,
      bundle: true,
      minify: true,
      write: false,
      format: "esm",
      target: "es2022",
    });
    const kB = gzipSync(outputFiles[0]!.contents, { level: 9 }).length / 1_000;
    expect(Math.abs(kB - figures.kB[name]), `it is ${kB} kB`).toBeLessThan(0.75);
  });
});
