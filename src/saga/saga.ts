/**
 * A saga: steps that change the world one after another, each with the way to undo it.
 *
 * Three mistakes are easy to make by hand, and are excluded here:
 * - Cancelling a call does not take it back. A step that failed or was cancelled may have been applied, so it is undone, too.
 * - An undo on the cancelled context fails at once. Compensation runs on a context of its own, with the same values.
 * - A step that cannot be undone must not vanish. It goes to a sink, and if the sink fails, to the caller.
 */
import { notAContext } from "../internal/args.ts";
import { argKind, given } from "../internal/foreign.ts";
import { context, type Context } from "../index.ts";
import { checked, checkedStep, type SagaOptions, type StepOptions } from "./options.ts";
import { Execution } from "./execution.ts";
import type { Step } from "./state.ts";
import type { Compensate, Result, Run } from "./types.ts";

/** The outputs of the steps, and that of one more. */
export type With<Done, Name extends string, Out> = {
  readonly [K in keyof Done | Name]: K extends keyof Done ? Done[K] : Out;
};

/** A saga with the steps it has so far. It holds no state: run it as often as you like, also several times at once. */
export interface Saga<In, Done> {
  /** The name that its steps and errors carry. */
  readonly name: string;
  /**
   * Returns a saga with one more step. A step without `compensate` cannot be undone: it is dead-lettered instead.
   *
   * **Errors**: TypeError for a name that is empty, contains `:`, is `then`, or is used already, and for an argument that is no function.
   * TypeError or RangeError for an option that makes no sense.
   */
  readonly step: <const Name extends string, Out>(
    name: Name extends keyof Done ? never : Name,
    run: Run<In, Done, Out>,
    compensate?: Compensate<In, Done, Awaited<Out>>,
    options?: StepOptions,
  ) => Saga<In, With<Done, Name, Awaited<Out>>>;
  /**
   * Calls the steps in order, until all are done, one fails, or `ctx` ends. If not all are done, it undoes every step that was started, the
   * last one first. The step that failed is undone, too: its outcome is unknown, unless it threw NotApplied.
   *
   * After a `pivot` step is done there is no way back. The steps after it are retried by their policy, and go on when `ctx` has ended,
   * for as long as the budget of the compensation. If one of them fails for good, it and those after it are dead-lettered, to be finished.
   *
   * **Cancellation**: the end of `ctx` ends the running step and begins the compensation, which `ctx` does not touch. The compensation
   * ends with its budget, with `options.abort`, and with `context.lifetime` if ctx carries one. The steps that remain are dead-lettered.
   * A last step, or a pivot, that succeeds as ctx ends counts. From the failure to the return it takes at most the budget, and 5 s for
   * the dead letters. A worker that stops ends the lifetime of its handlers a quarter of its `abortWindow` early: that time is for
   * the letters.
   *
   * **Errors**: resolves whatever happens outside. Rejects only for misuse, with a TypeError or RangeError that names the rule. Nothing
   * was called then.
   *
   * The functions of the caller (steps, undos, sink, `observe`) run in the async context of this call.
   *
   * **Ordering**: one call at a time. An attempt that ignores the end of its ctx is abandoned after 100 ms. It goes on alone.
   */
  readonly run: (ctx: Context, input: In, options: SagaOptions) => Promise<Result<Done>>;
}

/**
 * Begins a saga: `saga<Input>("transfer").step(…).step(…)`. Then {@link Saga.run} it.
 *
 * Its state is in memory, and ends with the process. To resume a killed run, write each event of `observe` to a file at once. Then run the
 * saga again with the same `id` and these events as `resume`. Without the events, a second run with the same `id` repeats its calls with
 * the same keys: nothing is done twice, but the letters of an interrupted compensation are missing.
 *
 * **Errors**: TypeError for a name that is empty.
 *
 * @example
 * ```ts
 * import { context } from "headgate";
 * import { saga } from "headgate/saga";
 *
 * const trip = saga<{ city: string }>("trip")
 *   .step(
 *     "hotel",
 *     async (ctx, { input, key }) => `room in ${input.city} (${key})`,
 *     async (ctx, { output }) => console.log("cancel", output),
 *   )
 *   .step("flight", async (): Promise<string> => {
 *     throw new Error("no seats");
 *   }, async (ctx, { outcome }) => console.log("cancel a flight whose booking is", outcome));
 *
 * const result = await trip.run(context.background(), { city: "Oslo" }, {
 *   id: "t-1",
 *   deadLetter: (ctx, letter) => console.error(letter),
 * });
 * // => cancel a flight whose booking is unknown
 * // => cancel room in Oslo (t-1:hotel)
 * console.log(result.status); // => compensated
 * ```
 *
 * @example
 * A run is killed, and resumed from its journal:
 *
 * ```ts
 * import { context } from "headgate";
 * import { orThrow, saga } from "headgate/saga";
 *
 * const order = saga<string>("order")
 *   .step("reserve", (ctx, { key }) => console.log("reserve", key))
 *   .step("pay", (ctx, { key }) => console.log("pay", key));
 * const file = [
 *   '{"saga":"order","id":"7","at":0,"type":"started","input":"tea"}',
 *   '{"saga":"order","id":"7","at":1,"type":"stepStarted","step":"reserve","key":"7:reserve"}',
 *   '{"saga":"order","id":"7","at":2,"type":"stepFinished","step":"reserve","key":"7:reserve","outcome":"done","attempts":1,"ms":1}',
 *   '{"saga":"order","id":"7","at":2,"type":"stepStarted","step":"pay","key":"7:pay"}',
 * ];
 * await order.run(context.background(), "tea", {
 *   id: "7",
 *   deadLetter: (ctx, letter) => console.error(letter),
 *   observe: (event) => file.push(JSON.stringify(event)), // appendFileSync
 *   resume: file.map((line) => JSON.parse(line)),
 * }).then(orThrow); // => pay 7:pay
 * ```
 */
export function saga<In>(name: string): Saga<In, Record<never, never>> {
  if (typeof name !== "string" || name === "")
    throw new TypeError(`saga: the name must be a string that is not empty; got ${given(name)}`);
  return sagaOf<In, Record<never, never>>(name, []);
}

function sagaOf<In, Done>(name: string, steps: readonly Step[]): Saga<In, Done> {
  return {
    name,
    step: (stepName: string, run: unknown, compensate?: unknown, options: StepOptions = {}) =>
      sagaOf(name, [...steps, checkedNewStep(steps, stepName, run, compensate, options)]),
    async run(ctx, input, options) {
      if (!context.isContext(ctx)) throw notAContext(ctx, "saga: run", "first argument");
      return new Execution(name, steps, ctx, input, checked(options)).run() as Promise<Result<Done>>;
    },
  };
}

function checkedNewStep(
  steps: readonly Step[],
  name: string,
  run: unknown,
  compensate: unknown,
  options: StepOptions,
): Step {
  if (typeof name !== "string" || name === "" || name.includes(":"))
    throw new TypeError(`saga: the name of a step must be a string, not empty and without ":"; got ${given(name)}`);
  if (name === "then")
    throw new TypeError("saga: a step cannot be called then: the outputs would be taken for a promise, and awaited");
  if (steps.some((step) => step.name === name))
    throw new TypeError(`saga: there is a step ${name} already; its key must be its own`);
  if (typeof run !== "function") throw new TypeError(`saga: step ${name}: run must be a function, got ${argKind(run)}`);
  if (compensate !== undefined && typeof compensate !== "function")
    throw new TypeError(`saga: step ${name}: compensate must be a function, got ${argKind(compensate)}`);
  return {
    name,
    run: run as Step["run"],
    compensate: compensate as Step["compensate"],
    ...checkedStep(name, options),
  };
}
