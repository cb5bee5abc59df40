/**
 * A saga: steps that change the world one after another, each with the way to undo it.
 *
 * What is easily got wrong, and is right here:
 * - Cancelling a call is not un-calling it: a step that was cancelled, or failed, may have been applied all the same. It is undone, too.
 * - The context that was cancelled is no use for undoing: compensation runs on one with the same values and a life of its own.
 * - What cannot be undone goes to a sink; if that fails, too, to the caller. It never just vanishes.
 */
import { given } from "../internal/foreign.ts";
import { context, type Context } from "../index.ts";
import { checked, checkedStep, type SagaOptions, type StepOptions } from "./options.ts";
import type { Result } from "./result.ts";
import { Execution } from "./execution.ts";
import type { Step } from "./state.ts";

/** What a step is called with. */
export interface Call<In, Done> {
  /** The idempotency key, `${id}:${step}`: the same at every attempt, and for the undo. Send it along. */
  readonly key: string;
  /** Of the saga. */
  readonly input: In;
  /** What the steps before have returned, by name. */
  readonly done: Done;
  /** From 1. */
  readonly attempt: number;
}

/** What an undo is called with. */
export interface Undo<In, Done, Out> extends Call<In, Done> {
  /** What the step has returned; absent if that is not known. */
  readonly output?: Out;
  /** `unknown`: the step was called and has not returned; it may have been applied, may not, or may be yet. */
  readonly outcome: "done" | "unknown";
}

/** Does a step. Returns: it is done. Throws NotApplied: nothing has happened. Throws anything else: nobody knows. */
export type Run<In, Done, Out> = (ctx: Context, call: Call<In, Done>) => Promise<Out> | Out;

/**
 * Undoes a step. It MUST be idempotent, MUST succeed if there is nothing to undo (`outcome` is then `unknown`), and should see to it that
 * a call of the same key that arrives after it is refused. For a step that changes nothing, give `() => {}`.
 */
export type Compensate<In, Done, Out> = (ctx: Context, call: Undo<In, Done, Out>) => Promise<unknown> | void;

/** The outputs of the steps, with one more. */
type With<Done, Name extends string, Out> = {
  readonly [K in keyof Done | Name]: K extends keyof Done ? Done[K] : Out;
};

/** A saga with the steps it has so far. It holds no state: run it as often as you like, also at once. */
export interface Saga<In, Done> {
  readonly name: string;
  /**
   * A saga with one more step. Without `compensate` the step cannot be undone, and goes to the dead letters if it would have to be.
   *
   * **Errors**: TypeError for a name that is empty, has a `:` in it, is `then`, or is used already, and for what is no function; TypeError or RangeError
   * for options that make no sense.
   */
  readonly step: <const Name extends string, Out>(
    name: Name extends keyof Done ? never : Name,
    run: Run<In, Done, Out>,
    compensate?: Compensate<In, Done, Awaited<Out>>,
    options?: StepOptions,
  ) => Saga<In, With<Done, Name, Awaited<Out>>>;
  /**
   * Calls the steps in their order, until all are done, one fails, or `ctx` ends. Then, if not all are done, undoes all that was started,
   * the last one first: also the step that failed, for its outcome is unknown unless it threw NotApplied.
   *
   * After a `pivot` step is done there is no way back. The steps after it are tried again as their policy says, also when `ctx` has ended,
   * and then for as long as the budget of the compensation. If one fails for good, it and those after it are dead-lettered, to be finished.
   *
   * **Cancellation**: the end of `ctx` ends the step that runs, and begins the compensation, which it does not touch. That ends with its
   * budget, with `options.abort`, and with `context.lifetime`, if ctx carries one; what remains is dead-lettered. When the last step, or a
   * pivot, succeeds as ctx ends, that counts. From the failure to the return pass no more than the budget, and 5 s for the dead letters.
   * A worker that stops ends the lifetime of its handlers early enough to wait for letters that are quickly taken: a quarter of its
   * `abortWindow` is for them.
   *
   * **Errors**: resolves for every outcome of the world. Rejects only for misuse: TypeError or RangeError, naming the rule, and then nothing
   * was called.
   *
   * All that the caller has given (steps, undos, sink, `observe`) runs in the asynchronous context of this call.
   *
   * **Ordering**: one call at a time. An attempt that ignores the end of its ctx is abandoned 100 ms after it, and goes on by itself.
   */
  readonly run: (ctx: Context, input: In, options: SagaOptions) => Promise<Result<Done>>;
}

/**
 * Begins a saga: `saga<Input>("transfer").step(…).step(…)`. Then {@link Saga.run} it.
 *
 * It is kept in memory: killed, the process takes it along. To have it resumed, write what `observe` is told to a file, at once, and run
 * the saga again with the same `id`, with these events as `resume`. (Without them, running it again with the same `id` repeats its calls
 * with the same keys: nothing is done twice, but the letters of a compensation that was interrupted are missing.)
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
      if (!context.isContext(ctx)) throw new TypeError("saga: the first argument must be a Context");
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
  if (typeof run !== "function") throw new TypeError(`saga: step ${name}: run must be a function, got ${typeof run}`);
  if (compensate !== undefined && typeof compensate !== "function")
    throw new TypeError(`saga: step ${name}: compensate must be a function, got ${typeof compensate}`);
  return {
    name,
    run: run as Step["run"],
    compensate: compensate as Step["compensate"],
    ...checkedStep(name, options),
  };
}
