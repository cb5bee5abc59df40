/**
 * `explore`: one scenario under many schedules. How they are chosen and run is in `exploration.ts`.
 */
import { mustBeFunction } from "../internal/args.ts";
import { type Bubble, mustBeOutside } from "./bubble.ts";
import { warn } from "./copies.ts";
import { Exploration, type ExploreReport } from "./exploration.ts";
import { type ExploreOptions, exploreSettings } from "./options.ts";
import { install, uninstall } from "./seam.ts";

/**
 * Runs a scenario, a test for a bubble, under many schedules: cancelled at every point, in every order of its tasks up
 * to a bound, and in random orders. They are the same ones every time. See {@link bubble} for what a scenario may do.
 * In addition it must be repeatable, so make everything it uses inside of it.
 *
 * **Cancellation**: takes no ctx. `explore` cancels `t.ctx`. A scenario that rejects because of it has failed; catch
 * the error if you expect it.
 *
 * **Errors**: rejects with a {@link ScheduleError} for the first schedule that fails. Rejects with a {@link
 * NondeterminismError} if the same schedule does not do the same twice, and with a TypeError or a RangeError for
 * invalid options.
 *
 * **Ordering**: none is guaranteed. That tasks resume in the order in which they became ready is not promised, so
 * `explore` permutes it. A schedule that it finds may be one that today's event loop never produces.
 *
 * @example
 * ```ts
 * import { Chan, errgroup } from "headgate";
 * import { explore, ScheduleError } from "headgate/testing";
 *
 * try {
 *   await explore(async (t) => {
 *     const [group] = errgroup.withContext(t.ctx);
 *     const jobs = new Chan<number>();
 *     void group.go(async () => {
 *       for (const n of [1, 2, 3]) await jobs.send(n); // without a ctx
 *       jobs.close();
 *     });
 *     void group.go(async (ctx) => {
 *       for await (const n of jobs.values(ctx)) if (n === 4) return;
 *     });
 *     await group.wait().catch(() => {});
 *   });
 * } catch (error) {
 *   if (error instanceof ScheduleError) console.log(error.replay, String(error.cause).split(":")[0]); // => 0!c1 DeadlockError
 * }
 * ```
 */
export async function explore(
  scenario: (t: Bubble) => PromiseLike<void> | void,
  options: ExploreOptions = {},
): Promise<ExploreReport> {
  mustBeFunction(scenario, "explore");
  mustBeOutside("explore");
  const settings = exploreSettings(options);
  install();
  const exploration = new Exploration(scenario, settings);
  try {
    return await exploration.run();
  } finally {
    if (exploration.usesOther) warn("explore");
    uninstall();
  }
}
