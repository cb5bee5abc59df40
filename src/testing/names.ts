/**
 * How reports call things: `ch1`, `ctx2`, `mu1`, in the order of their making, and values in a few characters.
 *
 * Invariants:
 * - The names of what a scenario makes do not depend on what headgate makes inside of its worker: that is numbered apart.
 * - The text of a value is the same on every platform.
 */
import { Chan, nil } from "../chan/chan.ts";
import { Canceled, DeadlineExceeded } from "../context/index.ts";
import { Group } from "../errgroup.ts";
import { Weighted } from "../semaphore.ts";
import { Group as Flights } from "../singleflight.ts";
import { Cond, Mutex, RWMutex, WaitGroup } from "../sync/index.ts";
import type { Place } from "./callsite.ts";
import { Checkpoint } from "../internal/checkpoint.ts";
import { isA, isError } from "../internal/foreign.ts";
import { cut, errorText, nameOf, tried, valueText } from "./plain.ts";

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

interface Made {
  readonly object: object;
  readonly parent: object | undefined;
  readonly made: Place;
}

/** How many cases of a select are told, at most. */
const CASES = 20;
/** How many objects wait for their names at most. */
const UNNAMED = 1_024;

/** The names that the kit has given. It keeps no object alive: a long test may make any number of them. */
class Register {
  readonly given: WeakMap<object, string> = new WeakMap();
  /** To whom the channels of timers belong. */
  readonly timers: WeakMap<object, object> = new WeakMap();
  /** How many there have been, by kind. */
  readonly counters: Map<string, number> = new Map();
}

export class Names {
  /** The names that the user has given. */
  private readonly chosen: Pick<WeakMap<object, string>, "get" | "set" | "has">;
  private register: Register | null = null;
  /** How many tasks there have been, by the name of their function: one entry a function, as long as none makes names by itself. */
  private readonly tasks: Map<string, number> = new Map();
  /** What has been made and has no name yet: mostly nobody asks. */
  private unnamed: Made[] = [];

  /**
   * Whether it may be for long: then no object is kept alive for its name. That is dear to tidy up, too dear for each of some thousand
   * schedules, which are short.
   */
  constructor(isLong: boolean) {
    this.chosen = isLong ? new WeakMap() : new Map();
  }

  /** Takes note of `object`, which has just been made. */
  created(object: object, parent: object | undefined, made: Place): void {
    if (this.unnamed.length === UNNAMED) this.all();
    this.unnamed.push({ object, parent, made });
  }

  /** The names of all that has been made so far. */
  private all(): Register {
    const register = (this.register ??= new Register());
    const made = this.unnamed;
    this.unnamed = [];
    for (const { object, parent, made: place } of made) this.name(register, object, parent, place.within);
    return register;
  }

  /** `within` is the part of headgate that made it, if it was not the user. */
  private name(register: Register, object: object, parent: object | undefined, within: string): void {
    if (parent !== undefined && isA(object, Chan)) return this.part(register, object, parent, within);
    // It gets its number even if the user calls it otherwise, so that a name given does not change the others.
    register.given.set(object, next(register, kindOf(object), within));
  }

  /** A channel that is a part of `parent` is called after it. */
  private part(register: Register, object: object, parent: object, within: string): void {
    const { given, timers } = register;
    if (parent === nil) return void given.set(object, "nil");
    if (typeof (parent as { done?: unknown }).done === "function") {
      return void given.set(object, `${this.chosen.get(parent) ?? given.get(parent) ?? "ctx?"}.done()`);
    }
    given.set(object, next(register, "timer", within));
    timers.set(object, parent);
  }

  /** The name of what the kit itself has just made. It has no number. */
  own(object: object, name: string): void {
    this.unnamed.pop();
    this.chosen.set(object, name);
  }

  /** The user's name for it. */
  give(object: object, name: string): void {
    this.chosen.set(object, name.replace(/\s+/g, " "));
  }

  /** The name of `object`; undefined for what has none. */
  of(object: unknown): string | undefined {
    if (object === nil) return "nil";
    if (!isObject(object)) return undefined;
    const { given, timers } = this.all();
    return this.chosen.get(object) ?? this.chosen.get(timers.get(object)!) ?? given.get(object);
  }

  has(object: unknown): boolean {
    return isObject(object) && (this.all().given.has(object) || this.chosen.has(object));
  }

  /** The name for a task that runs `fn`. */
  task(fn: unknown): string {
    const own = (isObject(fn) ? this.chosen.get(fn) : undefined) ?? nameOf(fn);
    const name = own === "" ? "task" : own;
    const number = (this.tasks.get(name) ?? 0) + 1;
    this.tasks.set(name, number);
    return name !== "task" && number === 1 ? name : `${name}${/\d$/.test(name) ? "·" : ""}${number}`;
  }

  /** What an operation is made on: an object, or the cases of a select. A sleep's is only the ctx that may end it. */
  target(on: unknown, op: string = ""): string {
    if (op === "sleep" || on === null || on === undefined || typeof on === "function") return "";
    const name = this.of(on);
    if (name !== undefined) return name;
    // It is somebody's, and may begin to work when its `then` is looked at.
    if (op === "context.wait") return "promise";
    // It was made outside of the bubble.
    if (!isPlain(on)) return `${kindOf(on)}?`;
    const cases = tried(() => Object.entries(on), []).map(([key, c]) => `${key}: ${this.caseOf(c)}`);
    return cut(cases.slice(0, CASES).join(", "), 20 * CASES);
  }

  private caseOf(c: unknown): string {
    const { chan, value } = tried((): { chan?: unknown; value?: unknown } => {
      const { chan, value } = (c ?? {}) as { chan?: unknown; value?: unknown };
      return { chan, value };
    }, {});
    if (chan !== undefined && chan !== null) return `${this.of(chan) ?? "?"} ← ${this.value(value)}`;
    return this.of(c) ?? (c === null || c === undefined || chan === null ? "nil" : "?");
  }

  /** A value in a few characters. */
  value(value: unknown): string {
    return cut(this.of(value) ?? plain(value), 40);
  }
}

function isObject(value: unknown): value is object {
  return (typeof value === "object" && value !== null) || typeof value === "function";
}

/** Whether it is written with braces or brackets, as the cases of a select are. */
export function isPlain(value: unknown): value is object {
  if (typeof value !== "object" || value === null) return false;
  return tried(() => Array.isArray(value) || Object.getPrototypeOf(value) === Object.prototype, false);
}

function next({ counters }: Register, kind: string, within: string): string {
  const prefix = within === "" ? kind : `${within}.${kind}`;
  const number = (counters.get(prefix) ?? 0) + 1;
  counters.set(prefix, number);
  return prefix + String(number);
}

function kindOf(object: object): string {
  return KINDS.find(([Class]) => isA(object, Class))?.[1] ?? "ctx";
}

/** The first line of a message, without the colours that some put in. */
function lineOf(message: string): string {
  // eslint-disable-next-line no-control-regex
  return message.replace(/\u001b\[[\d;]*m/g, "").split("\n", 1)[0]!;
}

function plain(value: unknown): string {
  if (isA(value, Canceled) || isA(value, DeadlineExceeded)) return tried(() => String(value.message), "");
  return isError(value) ? lineOf(errorText(value)) : valueText(value);
}
