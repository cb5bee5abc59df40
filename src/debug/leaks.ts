/**
 * Finding leaks on demand.
 */
import { entryError } from "../internal/suspend.ts";
import type { Context } from "../types.ts";
import type { Leak } from "./leak.ts";
import { collector, pause } from "./platform.ts";
import { current } from "./watch.ts";

/** The number of collections without a new leak after which there are no more. */
const ENOUGH = 2;
/** The largest number of collections. */
const MOST = 10;

/**
 * Lets the garbage collector run, and returns what can never end any more: the leaks since {@link watch}, the oldest
 * first. Equal ones are one, with their number; those of the last 1 000 places are kept. Each of them is also passed to
 * `onLeak`, once.
 *
 * A report is never wrong: nothing can reach what is in it. Yet some leaks are not found, as in Go: those that a global
 * variable can reach, a variable of a function that is suspended elsewhere, or a closure beside them. Find these by
 * their ages in a {@link dump}. A wait whose promise no code awaits, such as the loser of a `Promise.race`, is reported
 * as well. A wait that is meant to last for ever, such as one on nil, is not.
 *
 * A full collection stops the process for about 1 s for each million objects.
 *
 * **Cancellation**: when `ctx` ends first, rejects with `ctx.err()`; what was found so far stays known.
 *
 * **Errors**: rejects with an Error if nothing is watched, and where the platform has no way to collect, such as a page.
 *
 * @see Go's [goroutineleak profile](https://pkg.go.dev/runtime/pprof#Profile)
 * @example
 * ```ts
 * import { Chan, go } from "headgate";
 * import * as debug from "headgate/debug";
 *
 * using _ = debug.watch({ onLeak: () => {} });
 * function start() {
 *   const results = debug.name(new Chan<number>(), "results");
 *   go(() => results.send(1)); // there is no receiver
 * }
 * start();
 * const leaks = await debug.leaks();
 * console.log(leaks.find(({ kind }) => kind === "wait")?.text); // => send results: nothing can wake it any more, so it never ends
 * ```
 */
export async function leaks(ctx?: Context): Promise<readonly Leak[]> {
  const mustGoOn = (): void => {
    const error = entryError(ctx);
    if (error !== undefined) throw error;
  };
  mustGoOn();
  if (current() === undefined) throw new Error("leaks: nothing is watched; call watch() before what may leak");
  const collect = await collector();
  if (collect === undefined) throw new Error("leaks: this platform has no way to run its garbage collector");
  // Tasks that were started in this turn have not begun to wait.
  await pause(0);
  for (let quiet = 0, n = 0, known = -1; quiet < ENOUGH && n < MOST; n++) {
    mustGoOn();
    const watching = current()?.watching;
    if (watching === undefined) throw new Error("leaks: the watch has ended meanwhile");
    // Young waits become old by two of them.
    watching.sweep(Infinity);
    watching.sweep(Infinity);
    // What has been looked at in this turn is alive until the next.
    await pause(1);
    collect();
    // The collector reports in turns of its own.
    await pause(1);
    watching.leaks();
    const found = watching.leaksFound;
    quiet = found === known ? quiet + 1 : 0;
    known = found;
  }
  return current()?.watching.leaks() ?? [];
}
