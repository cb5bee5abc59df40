/**
 * Names of objects in reports: `jobs`, if the user has called it so; else its kind, and a number if one is known.
 */
import { Chan, nil } from "../chan/chan.ts";
import { CancelCtx } from "../context/cancel.ts";
import { Group } from "../errgroup.ts";
import { given, hasMethod, isA } from "../internal/foreign.ts";
import { givenNames } from "../internal/names.ts";
import { Weighted } from "../semaphore.ts";
import { Group as Flights } from "../singleflight.ts";
import { Cond, Mutex, RWMutex, WaitGroup } from "../sync/index.ts";
import { infoOf } from "./info.ts";

/**
 * Names `object` in dumps, leaks and profiles, and in the reports of `headgate/testing`. Returns it. A channel, a
 * context, a lock or a group is named; for a function it is the name of the tasks that run it. The name does not keep
 * the object alive. A second call replaces the name.
 *
 * **Errors**: TypeError if `object` is no object or function, or `text` is not a name.
 *
 * @see Go's [pprof.Do](https://pkg.go.dev/runtime/pprof#Do), whose labels serve the same end
 * @example
 * ```ts
 * import { Chan, go } from "headgate";
 * import * as debug from "headgate/debug";
 *
 * using _ = debug.watch();
 * const jobs = debug.name(new Chan<string>(), "jobs");
 * go(() => jobs.recv());
 * await Promise.resolve();
 * console.log(debug.dump().waits[0]?.what); // => recv jobs
 * ```
 */
export function name<T extends object>(object: T, text: string): T {
  if ((typeof object !== "object" || object === null) && typeof object !== "function") {
    throw new TypeError(`name: expected an object or a function to name, got ${given(object)}`);
  }
  if (typeof text !== "string" || text.trim() === "") throw new TypeError("name: expected a name");
  givenNames.set(object, text.trim().replace(/\s+/g, " "));
  return object;
}

const KINDS: readonly (readonly [Class: abstract new (...args: never[]) => object, kind: string])[] =
  /* @__PURE__ */ (() =>
    [
      [Chan, "ch"],
      [Group, "group"],
      [Mutex, "mu"],
      [RWMutex, "rw"],
      [WaitGroup, "wg"],
      [Weighted, "sem"],
      [Cond, "cond"],
      [Flights, "flight"],
      [CancelCtx, "ctx"],
    ] as const)();

/** True for an object of headgate's that can be waited on. */
export function isKnown(object: unknown): object is object {
  return KINDS.some(([Class]) => isA(object, Class));
}

/** The name of an object; empty if it has none. `owners` has the context or the timer that a channel is a part of. */
export function nameOf(object: unknown, owners?: ReadonlyMap<object, string>): string {
  if (object === nil || object === null || object === undefined) return "nil";
  if (typeof object !== "object") return "";
  const given = givenNames.get(object) ?? owners?.get(object);
  if (given !== undefined) return given;
  if (isA(object, Chan) && object.source !== null) return "timer";
  const info = infoOf(object);
  if (info?.parent === nil) return "nil";
  if (info?.parent !== undefined) return `${nameOf(info.parent)}.done()`;
  const kind = KINDS.find(([Class]) => isA(object, Class))?.[1];
  if (kind !== undefined) return info === undefined ? kind : `${kind}#${info.id}`;
  // A foreign thenable may begin to work as soon as its `then` is read.
  return isA(object, Promise) ? "a promise" : "";
}

/** An operation and its object. `value` is its waiter's: the duration of a sleep, the units of an `acquire`. */
export function operationText(op: string, on: unknown, value: unknown, owners?: ReadonlyMap<object, string>): string {
  if (op === "sleep") return `sleep ${String(value)}ms`;
  const what = op === "acquire" && value !== 1 ? `${op} ${String(value)} of` : op;
  return `${what} ${targetOf(op, on, owners)}`.trim();
}

/** The target of an operation: its object, or the cases of a select. */
function targetOf(op: string, on: unknown, owners: ReadonlyMap<object, string> | undefined): string {
  if (op === "context.wait") return (on === undefined ? undefined : givenNames.get(on as object)) ?? "a promise";
  if (op !== "select") return nameOf(on, owners);
  const cases = casesOf(on).map(([key, c]) => `${key}: ${caseText(c, owners)}`);
  return cases.length === 0
    ? "{}"
    : `{ ${cases.slice(0, MAX_CASES).join(", ")}${cases.length > MAX_CASES ? ", …" : ""} }`;
}

/** The number of cases of a select that a report shows. */
const MAX_CASES = 12;

/** The cases of a select; none if they cannot be read. */
export function casesOf(on: unknown): readonly (readonly [key: string, c: unknown])[] {
  try {
    return Object.entries((on ?? {}) as object);
  } catch {
    return [];
  }
}

function caseText(c: unknown, owners: ReadonlyMap<object, string> | undefined): string {
  if (isA(c, Chan) || !hasChan(c)) return nameOf(c, owners) || "?";
  return `${nameOf(c.chan, owners)} ←`;
}

/** True for a case that sends. */
function hasChan(c: unknown): c is { readonly chan: unknown } {
  return typeof c === "object" && c !== null && !hasMethod(c, "recv") && "chan" in c;
}
