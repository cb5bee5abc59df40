/// <reference lib="esnext.disposable" preserve="true" />
/**
 * Watching a program while it runs.
 *
 * Invariant: there is at most one Watching, and its probe is installed exactly while a handle on it is not disposed of.
 */
import { mustBeFunction, onlyKnown, positive } from "../internal/args.ts";
import { given } from "../internal/foreign.ts";
import { emit } from "../internal/observe.ts";
import { isPerRequest } from "../internal/platform.ts";
import { installProbe } from "../internal/runtime.ts";
import { generic, type Leak } from "./leak.ts";
import { createStorage, isStorageCheap, measureLoop, warn } from "./platform.ts";
import { Watching } from "./watching.ts";

/** The options of {@link watch}. Each is a price. */
export interface WatchOptions {
  /**
   * The largest number of stacks that are taken in a second: of waits, and of what is made, started and locked. Below
   * it each wait has its line. Above it each kind of operation has a share, and what is seen rarely is preferred. `Infinity`: every wait has, which makes an operation some ten
   * times as expensive. 0: none has.
   *
   * @default 200
   */
  readonly stacks?: number;
  /**
   * The largest number of waits that are timed in a second, for {@link profile}. 0: there is no profile.
   *
   * @default 50
   */
  readonly samples?: number;
  /**
   * Whether each wait is to name its task. That takes an AsyncLocalStorage.
   *
   * @default true on Node from 24 on, where it costs an `await` nothing; else false
   */
  readonly tasks?: boolean;
  /**
   * The time between two looks at what waits, in ms: above 0, at most 60 000. A wait is known by its age after one or
   * two of them.
   *
   * @default 250
   */
  readonly sweep?: number;
  /**
   * Called with each leak that the garbage collector finds, some time after it has become one: seconds in a busy
   * process, hours in an idle one. An error that it throws is ignored.
   *
   * @default a warning of the process, of the type HeadgateLeakWarning, once for each place; or console.error where
   * there are none
   */
  readonly onLeak?: (leak: Leak) => void;
}

/** The handles share it. */
interface Watch {
  readonly watching: Watching;
  readonly loop: ReturnType<typeof measureLoop>;
  /** What is called with a leak, by handle. */
  readonly observers: Map<Disposable, (leak: Leak) => void>;
}

let watched: Watch | undefined;

/** What is watched; undefined: nothing. */
export function current(): Watch | undefined {
  return watched;
}

/**
 * Begins to watch the operations of headgate, until the result is disposed of. From then on a {@link dump} has lines,
 * ages, lock holders and tasks, leaks are reported, and {@link profile} knows where time goes. It does not know what
 * began to wait before.
 *
 * A second call returns another handle on the same watch: its options are checked, and of them only `onLeak` counts.
 * Watching ends with the last handle. Inside a bubble of `headgate/testing` nothing is seen, because the kit sees it.
 *
 * **Errors**: TypeError or RangeError, naming the option and the rule. Error on a platform where a timer belongs to a
 * request, such as workerd.
 *
 * @example
 * ```ts
 * import { sync } from "headgate";
 * import * as debug from "headgate/debug";
 *
 * using _ = debug.watch();
 * const balance = debug.name(new sync.Mutex(), "balance");
 * await balance.lock();
 * void balance.lock(); // waits for ever
 * const { waits } = debug.dump();
 * console.log(waits.some(({ what }) => what === "lock balance")); // => true
 * ```
 */
export function watch(options: WatchOptions = {}): Disposable {
  const { stacks, samples, tasks, sweep, onLeak } = checked(options);
  if (isPerRequest()) {
    throw new Error("watch: a timer belongs to a request here, so no part of the program can watch all of it");
  }
  const observers = watched?.observers ?? new Map<Disposable, (leak: Leak) => void>();
  if (watched === undefined) {
    const watching = new Watching({ stacks, samples, tasks, sweep }, (leak) => {
      for (const observer of observers.values()) emit(observer, leak);
    });
    watched = { watching, loop: measureLoop(), observers };
    installProbe(watching);
  }
  const handle: Disposable = {
    [Symbol.dispose]() {
      if (observers.delete(handle) && observers.size === 0) unwatch();
    },
  };
  observers.set(handle, onLeak);
  return handle;
}

function unwatch(): void {
  installProbe(null);
  watched?.watching.stop();
  watched?.loop?.stop();
  watched = undefined;
}

/** The longest time between two sweeps, in ms. */
const LONGEST_SWEEP = 60_000;

function checked(options: WatchOptions): Required<WatchOptions> {
  const known = { stacks: true, samples: true, tasks: true, sweep: true, onLeak: true };
  const { stacks = 200, samples = 50, tasks, sweep = 250, onLeak = warner() } = onlyKnown("watch", options, known);
  for (const [name, value] of Object.entries({ stacks, samples })) {
    if (typeof value !== "number" || Number.isNaN(value) || value < 0)
      throw new RangeError(`watch: ${name} must be a number a second, 0 or more; got ${given(value)}`);
  }
  if (tasks !== undefined && typeof tasks !== "boolean")
    throw new TypeError(`watch: tasks must be true or false; got ${given(tasks)}`);
  if (tasks === true && createStorage() === null)
    throw new Error("watch: tasks take an AsyncLocalStorage, and this platform has none");
  if (positive("watch: sweep", sweep) > LONGEST_SWEEP)
    throw new RangeError(`watch: sweep must be at most ${LONGEST_SWEEP} ms; got ${sweep}`);
  mustBeFunction(onLeak, "watch: onLeak");
  return { stacks, samples, tasks: tasks ?? isStorageCheap(), sweep, onLeak };
}

/** Returns an observer that warns of a leak, once for each kind and place. Of those without a place, once for each text. */
function warner(): (leak: Leak) => void {
  const warned = new Set<string>();
  return ({ kind, text, at }) => {
    const key = `${kind} ${at === "" ? generic(text) : at}`;
    if (warned.has(key) || warned.size >= MOST_WARNINGS) return;
    warned.add(key);
    warn(at === "" ? text : `${text}; at ${at}`, "HeadgateLeakWarning");
  };
}

const MOST_WARNINGS = 1_000;
