/**
 * The public types of a worker's output: live counters and events while it runs, and at the end the report, an account of every message.
 */
import type { Delivery, Source, Verdict } from "./source.ts";

/**
 * Live counters of messages. At every moment pulled is the sum of the others. You make the object, which may be empty, and may read it at
 * any time. The worker sets all counters to 0 when it starts, and it alone writes to them: give each worker an object of its own.
 *
 * @example
 * ```ts
 * import { context } from "headgate";
 * import { memoryBroker, type Progress, worker } from "headgate/worker";
 *
 * const broker = memoryBroker<string>();
 * await broker.publish("hello");
 * broker.end();
 * const progress = {} as Progress;
 * await worker(context.background(), broker, () => console.log(progress.running), { progress }); // => 1
 * console.log(progress.running, progress.acked); // => 0 1
 * ```
 */
export interface Progress {
  /** Deliveries that were pulled. */
  pulled: number;
  /** Pulled; the handler has not started yet. */
  waiting: number;
  /** In a handler. */
  running: number;
  /** Decided; the broker has not answered yet. */
  settling: number;
  /** Handled, and acked. */
  acked: number;
  /** Failed, and nacked with a delay. */
  retried: number;
  /** Given back without a failure. */
  released: number;
  /** Given up: dead-lettered, or dropped if the source has no `deadLetter`. */
  dead: number;
  /** The lease ended first, or the broker did not get the verdict. */
  expired: number;
}

/** A message whose verdict did not reach the broker, or that was given up without a place to put it. */
export interface Leftover<D extends Delivery> {
  /** The delivery. */
  readonly delivery: D;
  /** The verdict that it would have had. */
  readonly verdict: Verdict;
  /** The reason why the verdict came to nothing; for a dead message, what its handler threw. */
  readonly error?: unknown;
}

/** The errors of a source. */
export interface SourceErrors {
  /** Calls that have failed. */
  readonly count: number;
  /** The last of them, */
  readonly call: keyof Source;
  /** and what it rejected with. */
  readonly error: unknown;
  /**
   * A sentence for a person, with what to do. It is about a call that had only failed for some seconds when the worker stopped, a pull
   * that never succeeded, or dead letters that were refused. Absent: the failures have passed. A program should print it, and end with an
   * exit code other than 0.
   */
  readonly trouble?: string;
}

/** The account: acked + retried + released + dead + expired = pulled. */
export interface Report<D extends Delivery = Delivery> {
  /** Deliveries that were pulled. */
  readonly pulled: number;
  /** Handlers that were started. */
  readonly started: number;
  /** Deliveries that were not the first of their message. */
  readonly redelivered: number;
  /** Handled, and acked. */
  readonly acked: number;
  /** Failed, and nacked with a delay. */
  readonly retried: number;
  /** Given back without a failure. */
  readonly released: number;
  /** Given up: dead-lettered, or dropped if the source has no `deadLetter`. */
  readonly dead: number;
  /** The lease ended first, or the broker did not get the verdict. */
  readonly expired: number;
  /** Handlers that ignored the end of their ctx. Their messages are counted in `released`. */
  readonly abandoned: number;
  /** The expired messages, and the dead ones if the source has no `deadLetter`: the last ones, as many as the option `leftovers` says. */
  readonly leftovers: readonly Leftover<D>[];
  /** The number of further leftovers. `observe` got each of them. Absent: none. */
  readonly unnamed?: number;
  /** Absent: no call of the source has failed. */
  readonly sourceErrors?: SourceErrors;
  /** The reason of the end. */
  readonly stopped: "source ended" | "cancelled" | "aborted" | "failed";
  /** The cause of the context that ended, or the error of the source. */
  readonly cause?: unknown;
  /** The length of each phase, in ms. */
  readonly phaseMs: { readonly draining: number; readonly aborting: number; readonly settling: number };
  /**
   * The report for a log: `JSON.stringify` calls it, and so does every logger. Each error is one line, with its causes. Messages are named
   * by the id of their delivery; there is no body, key or attribute of any.
   */
  readonly toJSON?: () => object;
}

/** The phases of a worker, in this order. */
export type Phase = "running" | "draining" | "aborting" | "settling" | "done";

/**
 * An event in the life of a worker, as it happens. Times are in ms.
 *
 * - `phase`: the worker goes on to the next phase of its stop; some may be left out.
 * - `pulled`, `started`: so many messages have come; the handler of one begins.
 * - `finished`: a handler has ended, or was abandoned: its verdict, how long it took, and what it threw. A message that was never started
 *   has no such event.
 * - `settled`: the source has taken `count` verdicts, in a call of `ms`; or cannot take them any more (`expired`, 0 ms). Every message is
 *   in one of these events.
 * - `extended`: `count` leases were restarted, and `lost` turned out to be lost.
 * - `sourceError`: a call has failed, and is made again in `retryIn` ms; Infinity: not again.
 * - `trouble`: a call has done nothing but fail for some seconds, and a person should know: `message` is a sentence with what to do. It
 *   comes once, until the call succeeds.
 * - `leftover`: a message that is named in the report, if it is among the last ones. It is in a `settled`, too.
 * - `late`: a handler that was abandoned has ended after all, perhaps after the worker's return. It changes nothing.
 *
 * **Ordering**: `started`, `finished` and `settled` of a message come in this order. `done` is the last event except for `late`, and for
 * what becomes of a pull that was given up.
 */
export type WorkerEvent<D extends Delivery = Delivery> =
  | { readonly type: "phase"; readonly from: Phase; readonly to: Phase }
  | { readonly type: "pulled"; readonly count: number }
  | { readonly type: "started"; readonly delivery: D }
  | {
      readonly type: "finished";
      readonly delivery: D;
      readonly verdict: Verdict;
      readonly ms: number;
      readonly error?: unknown;
    }
  | { readonly type: "settled"; readonly verdict: Verdict; readonly count: number; readonly ms: number }
  | { readonly type: "extended"; readonly count: number; readonly lost: number }
  | { readonly type: "sourceError"; readonly call: keyof Source; readonly error: unknown; readonly retryIn: number }
  | {
      readonly type: "trouble";
      readonly call: keyof Source;
      readonly error: unknown;
      readonly failures: number;
      readonly ms: number;
      readonly message: string;
    }
  | ({ readonly type: "leftover" } & Leftover<D>)
  | { readonly type: "late"; readonly delivery: D };
