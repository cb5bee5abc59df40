/**
 * The platform's own clock and timers, whoever has taken their place.
 *
 * A test runner's fake timers replace globals: some of them, now and then, before this is loaded or after. Fairness must not hang on a
 * fake, and a timer must not be measured by the clock of another.
 *
 * Invariants:
 * - What is here is the platform's own, taken when this is loaded. Where a fake stood in its place then, the fake is asked what it
 *   replaces; where it does not say, the own one is taken as soon as it is back.
 * - Nothing of it is ever called as a method of another object, which browsers refuse.
 */

/** What setTimeout returns: an object on Node and Bun, a number elsewhere. */
export type Handle = { ref?(): void; unref?(): void } | number | undefined;

/** A clock, and the timers that follow it. */
export interface Timers {
  readonly setTimeout: (fn: () => void, ms: number) => Handle;
  readonly clearTimeout: (handle: Handle) => void;
  /** Milliseconds on a clock that nobody can set. */
  readonly now: () => number;
  /** Whether the timers follow another clock than this, which cannot be read: they are taken at their word. */
  readonly isBlind?: boolean;
}

interface Globals {
  readonly setTimeout: Timers["setTimeout"];
  readonly clearTimeout: Timers["clearTimeout"];
  readonly setImmediate?: (task: () => void) => unknown;
  readonly queueMicrotask: (task: () => void) => void;
  readonly performance: { readonly now: (this: unknown) => number; readonly timeOrigin?: number };
}

const world = globalThis as unknown as Globals;

/** Fake timers show themselves: those of sinon, jest and vitest by their `clock`, those of node:test as bound functions. */
function isFake(value: unknown): boolean {
  return (
    Object.hasOwn(value as object, "clock") ||
    (value as { name?: unknown }).name?.toString().startsWith("bound ") === true
  );
}

/** The platform's own `name`; undefined where there is none, or a fake hides it. */
function genuine<K extends keyof Globals>(name: K): Globals[K] | undefined {
  try {
    const value = world[name];
    if (value === undefined || value === null) return undefined;
    if (!isFake(value)) return value;
    const replaced = (value as unknown as { clock?: Record<string, Globals[K]> }).clock?.[`_${name}`];
    // The fake may be a part of the platform's own object.
    return replaced === undefined || (replaced !== value && isFake(replaced)) ? undefined : replaced;
  } catch {
    return undefined;
  }
}

interface Own extends Partial<Timers>, Partial<Pick<Globals, "setImmediate" | "queueMicrotask">> {
  /** `performance.now`, by which it can be told from another. */
  readonly read?: () => number;
  readonly isPerRequest?: boolean;
}

/** The clock's own reading: that of its class, for a fake may have been put on the object. */
function readingOf(performance: Globals["performance"]): Globals["performance"]["now"] | undefined {
  const { now } = Object.getPrototypeOf(performance) as Partial<Globals["performance"]>;
  return now ?? (isFake(performance.now) ? undefined : performance.now);
}

function learn(): Own {
  const performance = genuine("performance");
  const read = performance && readingOf(performance);
  const clearTimeout = genuine("clearTimeout");
  // Without the one the other is of no use.
  const setTimeout = clearTimeout === undefined ? undefined : genuine("setTimeout");
  const setImmediate = genuine("setImmediate");
  const queueMicrotask = genuine("queueMicrotask");
  return {
    ...(setTimeout && clearTimeout ? { setTimeout, clearTimeout } : {}),
    ...(setImmediate ? { setImmediate } : {}),
    ...(queueMicrotask ? { queueMicrotask } : {}),
    ...(performance && read ? { read, now: read.bind(performance), isPerRequest: performance.timeOrigin === 0 } : {}),
  };
}

let own: Own = /* @__PURE__ */ learn();

/** Whether something of it is still missing, and was not there when it was looked for again. */
function isIncomplete(): boolean {
  if (own.setTimeout !== undefined && own.now !== undefined) return false;
  own = { ...learn(), ...own };
  return own.setTimeout === undefined || own.now === undefined;
}

/** Milliseconds on the platform's own clock. */
export function ownNow(): number {
  return own.now !== undefined ? own.now() : world.performance.now();
}

/** The platform's own clock and timers. */
export const OWN: Timers = {
  setTimeout(fn, ms) {
    const { setTimeout = world.setTimeout } = own;
    return setTimeout(fn, ms);
  },
  clearTimeout(handle) {
    const { clearTimeout = world.clearTimeout } = own;
    clearTimeout(handle);
  },
  now: ownNow,
};

/**
 * The clock and the timers that have taken the place of the platform's own; undefined: its own are to be used. They are where both have
 * been replaced, for a timer by a clock that is not its own would come too early, or never.
 */
export function replacement(): Timers | undefined {
  if (world.setTimeout === own.setTimeout) return undefined;
  const { setTimeout, clearTimeout, performance } = world;
  if (isIncomplete()) {
    if (own.setTimeout !== undefined) return undefined;
  } else if (setTimeout === own.setTimeout || performance.now === own.read) return undefined;
  if (replaced?.setTimeout !== setTimeout || replaced.performance !== performance) {
    const isBlind = performance.now === own.read;
    replaced = { setTimeout, clearTimeout, performance, now: () => performance.now(), isBlind };
  }
  return replaced;
}

/** The last that was seen, so that all timers of one fake have one clock. */
let replaced: (Timers & Pick<Globals, "performance">) | undefined;

/**
 * Whether a timer belongs to the request that armed it, as on servers that run one in isolation of all others: it then never fires for
 * another, and nothing can be shared. There the clock stands still while code runs, and counts from no origin.
 */
export function isPerRequest(): boolean {
  return own.isPerRequest === true;
}

/** Calls `task` on a microtask, outside of everything that could catch what it throws. */
export function onMicrotask(task: () => void): void {
  const { queueMicrotask = world.queueMicrotask } = own;
  queueMicrotask(task);
}

/** Calls `task` on a later turn of the event loop; false where there is no way to. */
export function nextTurn(task: () => void): boolean {
  const { setImmediate, setTimeout } = own;
  if (setImmediate !== undefined) {
    setImmediate(task);
  } else if (typeof MessageChannel !== "undefined") {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      task();
    };
    port2.postMessage(null);
  } else if (setTimeout !== undefined) {
    setTimeout(task, 0);
  } else {
    return false;
  }
  return true;
}
