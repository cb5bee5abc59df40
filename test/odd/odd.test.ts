/**
 * Odd values in every place of every call: each call returns, rejects or throws an error of headgate's, and everything works afterwards.
 */
import { getEventListeners } from "node:events";
import { inspect } from "node:util";
import * as headgate from "headgate";
import { Chan, type Context, context, time } from "headgate";
import * as chan from "headgate/chan";
import * as signal from "headgate/signal";
import { describe, expect, it } from "vitest";
import { handed, ODD, Odd, type OddValue } from "./odd.ts";
import { type Call, type Row, TABLE, World } from "./table.ts";
import { fault, gatherUncaught, show, turn, uncaught } from "./trial.ts";

gatherUncaught();

/** Uses what has been returned as its caller would; it must bear that. Ends it. */
function use(result: unknown, check: (act: () => unknown) => void): void {
  if (isList(result) && result.length === 2 && typeof result[1] === "function" && Symbol.dispose in result[1]) {
    const [ctx, cancel] = result as [Context, () => void];
    useContext(ctx, check);
    check(cancel);
    check(() => {
      if (ctx.err() === undefined) throw new Odd("it has not ended by its cancel");
    });
    useContext(ctx, check);
  } else if (isOurContext(result)) {
    useContext(result, check);
  } else if (isTimer(result)) {
    check(() => result.stop());
  } else if (typeof result === "function" && !handed.has(result)) {
    check(result as () => void);
  }
}

function isTimer(value: unknown): value is time.Timer | time.Ticker {
  try {
    return value instanceof time.Timer || value instanceof time.Ticker;
  } catch {
    return false;
  }
}

function isList(value: unknown): value is unknown[] {
  try {
    return Array.isArray(value);
  } catch {
    return false;
  }
}

function isOurContext(value: unknown): value is Context {
  try {
    return (value as { parent?: unknown }).parent !== undefined && "known" in (value as object);
  } catch {
    return false;
  }
}

function useContext(ctx: Context, check: (act: () => unknown) => void): void {
  const key = context.key<unknown>("used");
  for (const act of [
    () => ctx.err(),
    () => ctx.done(),
    () => ctx.deadline(),
    () => ctx.value(key),
    () => ctx.signal,
    () => context.cause(ctx),
    () => String(ctx),
    () => JSON.stringify(ctx),
    () => inspect(ctx),
    () => context.withCancel(ctx)[1](),
    () => context.withTimeout(ctx, 1e6)[1](),
    () => context.withValue(ctx, key, 1).value(key),
    () => context.withoutCancel(ctx).value(key),
    () => context.afterFunc(ctx, () => {})(),
  ]) {
    check(act);
  }
}

// -------------------------------------------------------------------------------------------------------------------- calls

const PENDING = Symbol("pending");

/** Makes one call, and says what was wrong. */
async function tried(name: string, place: string, row: Row, call: Call, { make, isDeaf }: OddValue): Promise<string[]> {
  const faults: string[] = [];
  const short = name.split(".").at(-1)!.replace(/^new /, "");
  const says = [row.says ?? /^\b$/, new RegExp(`\\b${short}\\b`)];
  const isResult = row.results?.includes(place) === true;
  const isReported = row.reports?.includes(place) === true;
  // nil is never ready: only an odd context would end the wait.
  const isForever = name.startsWith("nil.") ? place === "ctx" : isDeaf && row.waits?.includes(place) === true;
  const judge = (error: unknown, what: string, allowed: boolean = isResult): void => {
    const found = fault(error, says, allowed);
    if (found !== undefined) faults.push(`${what} ${found}`);
  };
  const check = (act: () => unknown): void => {
    try {
      act();
    } catch (error) {
      const found = fault(error, [...says, /^(ctx|parent): /], false);
      if (found !== undefined) faults.push(`${act}: ${found}`);
    }
  };

  uncaught.length = 0;
  const world = new World();
  world.isDeaf = isDeaf;
  let odd: unknown;
  let result: unknown;
  try {
    odd = make();
    result = call(odd, world);
  } catch (error) {
    if (row.isAsync === true) faults.push(`it throws instead of rejecting: ${show(error)}`);
    judge(error, "it throws");
  }
  let outcome: unknown = PENDING;
  if (row.isAsync === true) {
    if (result instanceof Promise) {
      result.then(
        () => (outcome = undefined),
        (error: unknown) => {
          outcome = error;
          judge(error, "it rejects with");
        },
      );
    } else if (result !== undefined) faults.push("it returns no promise");
  } else if (result !== odd) use(result, check);
  await turn();
  check(() => world.release());
  await turn();
  // Those who have got what they waited for may have handed it on to others.
  check(() => world.release());
  await turn();
  if (row.isAsync === true && outcome === PENDING && !isForever) {
    // A timer, perhaps.
    await new Promise((resolve) => setTimeout(resolve, 2));
    await turn();
    if (outcome === PENDING) faults.push("it hangs");
  }
  try {
    await world.works();
  } catch (error) {
    faults.push(show(error));
  }
  if (!isReported) for (const error of uncaught) faults.push(`uncaught: ${show(error)}`);
  return faults;
}

// -------------------------------------------------------------------------------------------------------------- completeness

/** Public to us alone, or private. */
const INTERNAL = new Set([
  ...["canSend", "give", "hasValue", "canReceive", "holdsValue", "take"].map((name) => `Chan.${name}`),
  "nil.never",
  ...["setContext", "fail", "start", "admit"].map((name) => `errgroup.Group.${name}`),
  ...["take", "grant"].map((name) => `semaphore.Weighted.${name}`),
  "singleflight.Group.join",
  ...["take", "acquired", "relock", "unlockIf"].map((name) => `sync.Mutex.${name}`),
  ...["write", "read", "mayRead", "admitReaders", "admitWriter", "leave", "unlockIf", "rUnlockIf"].map(
    (name) => `sync.RWMutex.${name}`,
  ),
  "sync.Cond.wakeFirst",
  "new Chan(owner)",
  "new time.Timer(fn)",
]);

/** The names of the parameters of a function, from its text. */
function parametersOf(text: string): string[] {
  const names: string[] = [];
  let depth = 0;
  let name = "";
  for (const char of text.slice(text.indexOf("("))) {
    if ("([{".includes(char)) depth++;
    else if (")]}".includes(char)) depth--;
    if (depth === 0) break;
    if (depth === 1 && char !== "(" && char !== ",") name += char;
    if (depth === 1 && char === ",") {
      names.push(name);
      name = "";
    }
  }
  return [...names, name]
    .map((each) => each.replace(/=.*/s, "").replace("...", "").trim())
    .filter((each) => each !== "");
}

/** All that can be called, as `name(parameter)`, and as `name` if it has none. */
function publicNames(module: object, prefix: string): string[] {
  return Object.entries(module).flatMap(([name, value]: [string, unknown]) => {
    const full = prefix + name;
    const listed = (name: string, text: string): string[] =>
      INTERNAL.has(name) ? [] : [name, ...parametersOf(text).map((parameter) => `${name}(${parameter})`)];
    const methods = (proto: object): string[] =>
      Object.entries(Object.getOwnPropertyDescriptors(proto)).flatMap(([method, { value: fn }]) =>
        method === "constructor" || typeof fn !== "function" ? [] : listed(`${full}.${method}`, String(fn)),
      );
    if (typeof value === "function" && String(value).startsWith("class")) {
      const [text = ""] = /\bconstructor\([^]*/.exec(String(value)) ?? [];
      return [
        ...listed(prefix + name, text)
          .map((each) => `new ${each}`)
          .filter((each) => !INTERNAL.has(each)),
        ...methods(value.prototype as object),
      ];
    }
    if (typeof value === "function") return listed(full, String(value));
    if (value instanceof Object && "withCancel" in value && prefix === "") return publicNames(value, `${full}.`);
    if (typeof value === "object" && value !== null) {
      return Object.prototype.toString.call(value) === "[object Module]"
        ? publicNames(value, `${full}.`)
        : methods(Object.getPrototypeOf(value) as object);
    }
    return [];
  });
}

describe("the table of odd calls", () => {
  it("has every public function, constructor and method of the core, with each parameter", () => {
    const known = Object.entries(TABLE).flatMap(([name, { calls }]) => [
      name,
      ...Object.keys(calls).map((place) => `${name}(${place})`),
    ]);
    const names = [...publicNames(headgate, ""), ...publicNames(signal, "signal."), ...publicNames(chan, "")];
    // Those without a parameter have no place for anything odd.
    const wanted = names.filter((name) => name.endsWith(")") || name.startsWith("new "));
    expect(wanted.length).toBeGreaterThan(80);
    expect(wanted.filter((name) => !known.includes(name))).toEqual([]);
  });

  it("has no name that is not exported", () => {
    const names = [...publicNames(headgate, ""), ...publicNames(signal, "signal.")];
    expect(Object.keys(TABLE).filter((name) => !name.startsWith("a ") && !names.includes(name))).toEqual([]);
  });
});

describe("an odd value does no harm", () => {
  for (const [name, row] of Object.entries(TABLE)) {
    for (const [place, call] of Object.entries(row.calls)) {
      it(`${name}: ${place}`, async () => {
        const faults: string[] = [];
        for (const odd of ODD) {
          for (const found of await tried(name, place, row, call, odd)) faults.push(`${odd.name}: ${found}`);
        }
        if (faults.length > 0) expect.fail(`${faults.length} faults\n${faults.join("\n")}`);
      });
    }
  }
});

describe("after all that", () => {
  it("a timer fires, a select selects, a channel passes a value on", async () => {
    const ch = new Chan<string>();
    await time.sleep(1);
    const got = headgate.select({ got: ch, late: new time.Timer(60_000).c });
    await ch.send("value");
    expect(await got).toEqual({ case: "got", value: "value", ok: true });
  });

  it("no signal of the process is listened to, and nothing is left on the end of the root", () => {
    expect(getEventListeners(process, "SIGUSR2")).toEqual([]);
    expect(getEventListeners(process, "SIGTERM")).toEqual([]);
    expect(context.background().done()).toBe(headgate.nil);
  });
});
