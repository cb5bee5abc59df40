/**
 * The platform's own clock and timers, as of import, even if fakes have replaced them.
 *
 * The fake timers of a test runner replace globals: some of them, before this file is loaded or after, for a while.
 * Fairness must not depend on a fake, and a timer must be measured by the clock that it follows.
 *
 * Invariants:
 * - Timers and clock are the platform's own. A fake that was installed before import is asked for the one it replaces.
 *   If it does not say, the platform's own is taken as soon as it is back.
 * - None is called as a method of another object, which browsers reject.
 */

/** The result of setTimeout: an object on Node and Bun, a number elsewhere. */
export type Handle = { ref?(): void; unref?(): void } | number | undefined;

/** A clock, and the timers that follow it. */
export interface Timers {
  readonly setTimeout: (fn: () => void, ms: number) => Handle;
  readonly clearTimeout: (handle: Handle) => void;
  /** Milliseconds on a clock that cannot be set. */
  readonly now: () => number;
  /**
   * True if the timers follow another clock, which cannot be read. So a timer that fires is due, whatever `now` says.
   */
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

/** True for a fake timer: those of sinon, jest and vitest have a `clock`, those of node:test are bound functions. */
function isFake(value: unknown): boolean {
  return (
    Object.hasOwn(value as object, "clock") ||
    (value as { name?: unknown }).name?.toString().startsWith("bound ") === true
  );
}

/** The platform's own `name`; undefined if there is none, or a fake hides it. */
function genuine<K extends keyof Globals>(name: K): Globals[K] | undefined {
  try {
    const value = world[name];
    if (value === undefined || value === null) return undefined;
    if (!isFake(value)) return value;
    const replaced = (value as unknown as { clock?: Record<string, Globals[K]> }).clock?.[`_${name}`];
    // The fake may be a method on the platform's own object.
    return replaced === undefined || (replaced !== value && isFake(replaced)) ? undefined : replaced;
  } catch {
    return undefined;
  }
}

interface Own extends Partial<Timers>, Partial<Pick<Globals, "setImmediate" | "queueMicrotask">> {
  /** `performance.now` as it was found, to recognise a fake by. */
  readonly read?: () => number;
  readonly isPerRequest?: boolean;
}

/** `performance.now` of the class, because a fake may have been put on the object. */
function readingOf(performance: Globals["performance"]): Globals["performance"]["now"] | undefined {
  const { now } = Object.getPrototypeOf(performance) as Partial<Globals["performance"]>;
  return now ?? (isFake(performance.now) ? undefined : performance.now);
}

function learn(): Own {
  const performance = genuine("performance");
  const read = performance && readingOf(performance);
  const clearTimeout = genuine("clearTimeout");
  // One is of no use without the other.
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

var own: Own = /* @__PURE__ */ learn();

/** True if the timers or the clock are still missing. Looks for them again. */
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
 * The fake clock and timers to use; undefined: use the platform's own. Fakes are used only if both have been replaced,
 * because a timer would fire too early, or never, by a clock that it does not follow.
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

/** The fake that was seen last, so that all its timers have one clock. */
var replaced: (Timers & Pick<Globals, "performance">) | undefined;

/**
 * True if a timer belongs to the request that set it, as on servers that isolate requests. It never fires for another
 * request, so none can be shared. Such a platform is recognised by its clock, which has the origin 0 (and stands still
 * while code runs).
 */
export function isPerRequest(): boolean {
  return own.isPerRequest === true;
}

/** Calls `task` on a microtask, where no caller can catch what it throws. */
export function onMicrotask(task: () => void): void {
  const { queueMicrotask = world.queueMicrotask } = own;
  queueMicrotask(task);
}

/** Calls `task` on a later turn of the event loop. False if the platform has no way to. */
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
