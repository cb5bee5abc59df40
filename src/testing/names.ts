/**
 * Names for traces and reports: `ch1`, `ctx2`, `mu1`, numbered in the order of creation; and values in a few
 * characters.
 *
 * Invariants:
 * - The names of a scenario's objects do not depend on what headgate makes inside of its worker: those are numbered
 *   apart.
 * - The text of a value is the same on every platform.
 */
import { Chan, nil } from "../chan/chan.ts";
import { Canceled, DeadlineExceeded } from "../context/index.ts";
import { Group } from "../errgroup.ts";
import { Weighted } from "../semaphore.ts";
import { Group as Flights } from "../singleflight.ts";
import { Cond, Mutex, RWMutex, WaitGroup } from "../sync/index.ts";
import { Checkpoint } from "../internal/checkpoint.ts";
import { attempt, isA, isError } from "../internal/foreign.ts";
import { givenNames } from "../internal/names.ts";
import type { CallSite } from "./callsite.ts";
import { cut, errorText, nameOf, valueText } from "./format.ts";

const KINDS: readonly (readonly [new (...args: never[]) => object, string])[] = [
  [Chan, "ch"],
  [Group, "group"],
  [Mutex, "mu"],
  [RWMutex, "rw"],
  [WaitGroup, "wg"],
  [Weighted, "sem"],
  [Cond, "cond"],
  [Flights, "flight"],
  [Checkpoint, "wire"],
];

/** An object that has no name yet. */
interface Unnamed {
  readonly object: object;
  readonly parent: object | undefined;
  readonly site: CallSite;
}

/** Number of cases of a select that a report shows. */
const MAX_CASES = 20;
/** Number of objects that may wait for their names. */
const MAX_UNNAMED = 1_024;

/** The names that the kit has given. It keeps no object alive, because a long test may make any number of them. */
class Registry {
  readonly given: WeakMap<object, string> = new WeakMap();
  /** The timer that each timer channel belongs to. */
  readonly timers: WeakMap<object, object> = new WeakMap();
  /** The last number given, by prefix. */
  readonly counters: Map<string, number> = new Map();
}

export class Names {
  /** The names that the user has given in this bubble. Those given by `name` of headgate/debug come after them. */
  private readonly chosen: Pick<WeakMap<object, string>, "get" | "set" | "has">;
  private registry: Registry | null = null;
  /**
   * Number of tasks so far, by the name of their function. It grows with the functions of a program, not with its
   * tasks.
   */
  private readonly tasks: Map<string, number> = new Map();
  /** Objects that have no name yet. Most are never asked for one. */
  private unnamed: Unnamed[] = [];

  /**
   * With `isLong`, for a test that may make many objects, no object is kept alive for its name. The garbage collector
   * pays for that with each WeakMap, which is too expensive for each of some thousand schedules; those are short.
   */
  constructor(isLong: boolean) {
    this.chosen = isLong ? new WeakMap() : new Map();
  }

  /** Queues `object`, which has just been made, for a name. */
  created(object: object, parent: object | undefined, site: CallSite): void {
    if (this.unnamed.length === MAX_UNNAMED) this.nameAll();
    this.unnamed.push({ object, parent, site });
  }

  /** Names all objects that have been made so far. */
  private nameAll(): Registry {
    const registry = (this.registry ??= new Registry());
    const { unnamed } = this;
    this.unnamed = [];
    for (const { object, parent, site } of unnamed) this.name(registry, object, parent, site.within);
    return registry;
  }

  /** Names an object. `within` is the part of headgate that made it; empty for the user. */
  private name(registry: Registry, object: object, parent: object | undefined, within: string): void {
    if (parent !== undefined && isA(object, Chan)) return this.namePart(registry, object, parent, within);
    // Also if the user has named it: a name given must not change the numbers of the others.
    registry.given.set(object, next(registry, kindOf(object), within));
  }

  /** Names a channel that is a part of `parent` after it. */
  private namePart(registry: Registry, object: object, parent: object, within: string): void {
    const { given, timers } = registry;
    if (parent === nil) return void given.set(object, "nil");
    if (typeof (parent as { done?: unknown }).done === "function") {
      return void given.set(object, `${this.chosenOf(parent) ?? given.get(parent) ?? "ctx?"}.done()`);
    }
    given.set(object, next(registry, "timer", within));
    timers.set(object, parent);
  }

  /** Names the object that the kit itself has just made. It gets no number. */
  own(object: object, name: string): void {
    this.unnamed.pop();
    this.chosen.set(object, name);
  }

  /** Gives it the user's name. */
  give(object: object, name: string): void {
    this.chosen.set(object, name.replace(/\s+/g, " "));
  }

  /** The name of `object`; undefined if it has none. */
  of(object: unknown): string | undefined {
    if (object === nil) return "nil";
    if (!isObject(object)) return undefined;
    const { given, timers } = this.nameAll();
    return this.chosenOf(object) ?? this.chosenOf(timers.get(object)!) ?? given.get(object);
  }

  private chosenOf(object: object): string | undefined {
    return this.chosen.get(object) ?? givenNames.get(object);
  }

  has(object: unknown): boolean {
    return isObject(object) && (this.nameAll().given.has(object) || this.chosen.has(object));
  }

  /** A unique name for a new task that runs `fn`. */
  task(fn: unknown): string {
    const own = (isObject(fn) ? this.chosenOf(fn) : undefined) ?? nameOf(fn);
    const name = own === "" ? "task" : own;
    const number = (this.tasks.get(name) ?? 0) + 1;
    this.tasks.set(name, number);
    return name !== "task" && number === 1 ? name : `${name}${/\d$/.test(name) ? "·" : ""}${number}`;
  }

  /**
   * The target of an operation: an object, or the cases of a select. That of a sleep is only the ctx that may end it.
   */
  target(on: unknown, op: string = ""): string {
    if (op === "sleep" || on === null || on === undefined || typeof on === "function") return "";
    const name = this.of(on);
    if (name !== undefined) return name;
    // A foreign thenable may begin to work as soon as its `then` is read.
    if (op === "context.wait") return "promise";
    // It was made outside of the bubble.
    if (!isPlain(on)) return `${kindOf(on)}?`;
    const cases = (attempt(() => Object.entries(on)) ?? []).map(([key, c]) => `${key}: ${this.caseOf(c)}`);
    return cut(cases.slice(0, MAX_CASES).join(", "), 20 * MAX_CASES);
  }

  /** The name of a case of a select, by its position. */
  keyOf(cases: unknown, i: number): string {
    return (attempt(() => Object.keys(cases as object)) ?? [])[i] ?? "?";
  }

  private caseOf(c: unknown): string {
    const { chan, value } =
      attempt((): { chan?: unknown; value?: unknown } => {
        const { chan, value } = (c ?? {}) as { chan?: unknown; value?: unknown };
        return { chan, value };
      }) ?? {};
    if (chan !== undefined && chan !== null) return `${this.of(chan) ?? "?"} ← ${this.value(value)}`;
    return this.of(c) ?? (c === null || c === undefined || chan === null ? "nil" : "?");
  }

  /** A value in a few characters. */
  value(value: unknown): string {
    return cut(this.of(value) ?? unnamedText(value), 40);
  }
}

function isObject(value: unknown): value is object {
  return (typeof value === "object" && value !== null) || typeof value === "function";
}

/** True if it is a plain object or an array, as the cases of a select are. */
export function isPlain(value: unknown): value is object {
  if (typeof value !== "object" || value === null) return false;
  return attempt(() => Array.isArray(value) || Object.getPrototypeOf(value) === Object.prototype) === true;
}

function next({ counters }: Registry, kind: string, within: string): string {
  const prefix = within === "" ? kind : `${within}.${kind}`;
  const number = (counters.get(prefix) ?? 0) + 1;
  counters.set(prefix, number);
  return prefix + String(number);
}

function kindOf(object: object): string {
  return KINDS.find(([Class]) => isA(object, Class))?.[1] ?? "ctx";
}

/** The first line of a message, without escape sequences for colours. */
function firstLine(message: string): string {
  // eslint-disable-next-line no-control-regex
  return message.replace(/\u001b\[[\d;]*m/g, "").split("\n", 1)[0]!;
}

function unnamedText(value: unknown): string {
  if (isA(value, Canceled) || isA(value, DeadlineExceeded)) return attempt(() => String(value.message)) ?? "";
  return isError(value) ? firstLine(errorText(value)) : valueText(value);
}
