/**
 * The contract between the worker and a message broker. Write one of these for a broker, and the worker does the rest.
 *
 * Lessons of real brokers:
 * - Never end a waiting pull by breaking the connection: the server may have assigned messages to it already, and they would sit out
 *   their lease. Ask the server to end it, or let it run out.
 * - Fence the verdicts: an ack after a lost lease must not settle the next holder's delivery, and must be reported as lost.
 * - A client that pushes needs stop-then-drain in its adapter: what arrives between the two is still handed over by `pull`.
 * - The count of attempts is the broker's. A broker that cannot tell a release from a failure counts both: set its own limit above the
 *   worker's `maxAttempts`.
 */
import type { Context } from "../index.ts";

/** One message, as it was delivered this time. */
export interface Delivery<T = unknown> {
  /** The id of this delivery (an ack id, a stream id, a delivery tag), not of the message: the next delivery may have another. */
  readonly id: string;
  /** The body of the message. */
  readonly body: T;
  /**
   * The attempt number, from 1: how often the message has been delivered. Absent, or no such number: the worker counts the failures that
   * it has seen, by the id.
   */
  readonly attempt?: number;
  /** The ordering key: messages with the same key are handled one at a time, in the order of their pull. Absent: in any order. */
  readonly key?: string;
  /** The attributes that it was published with. */
  readonly attributes?: Readonly<Record<string, string>>;
}

/**
 * A delivery to be delivered again. Those of one key come in the order of their pull: first the one that failed, then the later ones, which
 * are released with its delay. A broker that keeps an order delivers them in this one.
 */
export interface Nack<D extends Delivery> {
  /** The delivery. */
  readonly delivery: D;
  /** Not before this many ms from now. */
  readonly delay: number;
  /** A release is the worker's doing and no failure: it costs no attempt if the broker allows that. */
  readonly reason: "failed" | "released";
}

/** A delivery for which no further attempt is made. */
export interface Dead<D extends Delivery> {
  /** The delivery. */
  readonly delivery: D;
  /** The error that the handler threw: anything, `undefined` and very long texts too. `String(error)` works, and so do the properties of an Error. */
  readonly error: unknown;
}

/**
 * A broker, as the worker sees it. Each verdict (`ack`, `nack`, `deadLetter`) and `extend` settles or extends all it was given, except
 * those whose lease was lost. It returns these: the same objects, or others with their ids. The worker makes one call with a verdict at a
 * time; a pull and an `extend` may be under way beside it.
 *
 * **Cancellation**: the end of `ctx` is the request to return. The worker does not wait for a call that goes on after it; for a pull it
 * waits a while. Every ctx has the values of the worker's own, and a deadline. It ends as DeadlineExceeded when the call has taken
 * `callTimeout` ms (an `extend`, a third of a lease) or the grace is over. The ctx of a pull also ends when the stop begins, with the
 * worker's ctx or its abort, and as Canceled if that was cancelled.
 *
 * **Errors**: a call rejects only if it cannot say what became of all of it. A rejected verdict is retried with all or some of the same
 * messages, so verdicts must be idempotent. A pull is made again after a pause. A verdict that is refused for one message alone is given
 * up after some tries: a dead letter is nacked then, with a delay of a minute.
 *
 * **Ordering**: see {@link Nack} for messages with a key. All others may be settled in any order.
 *
 * @see docs/brokers/writing-a-source.md, and the suite `headgate/worker/conformance`, which a source should pass
 */
export interface Source<D extends Delivery = Delivery> {
  /**
   * Waits for at least one message, or for the end of ctx, and hands over at most `max`. MUST hand over everything that the broker
   * assigned to this call, even when ctx has ended. MUST NOT reject because of ctx, but return an empty list. MUST return soon after
   * ctx has ended, or the worker gives it up and stops as failed. There is one pull at a time, and none while the worker has no room.
   * `room` is how many messages the worker has room for in all, of which this call may bring `max`. A client that pushes may buffer
   * as many.
   */
  readonly pull: (ctx: Context, max: number, room?: number) => Promise<readonly D[]>;
  /** True when no further message will ever come. The worker reads it before each pull. */
  readonly ended?: boolean;
  /** Settles deliveries that were handled. */
  readonly ack: (ctx: Context, deliveries: readonly D[]) => Promise<readonly D[] | void>;
  /** Gives deliveries back, each with its delay. */
  readonly nack: (ctx: Context, items: readonly Nack<D>[]) => Promise<readonly D[] | void>;
  /** Puts the messages where a person finds them. Absent: a dead message is acked, and named in the report. */
  readonly deadLetter?: (ctx: Context, items: readonly Dead<D>[]) => Promise<readonly D[] | void>;
  /** Restarts leases: those of all messages in flight, in one call, three times a lease. Absent: leases last as long as the connection. */
  readonly extend?: (ctx: Context, deliveries: readonly D[]) => Promise<readonly D[] | void>;
  /** The duration of a lease, in ms, from the pull or the last `extend`. Absent: nothing is extended. */
  readonly lease?: number;
}

/**
 * The function that handles one message. `ctx` ends when the handler should stop; its cause is `Stopping`, `LeaseLost` or
 * `LeaseExpired`. It has no deadline. It carries the values of the worker's ctx, and `context.lifetime`: the context that ends when three
 * quarters of the `abortWindow` after `Stopping` are over. A cleanup derives from `context.withoutCancel(ctx)` and watches the lifetime.
 * It has the last quarter to record what it leaves undone.
 *
 * - Returns, whatever it returns and whether or not its ctx has ended: the message is acked.
 * - Throws `Permanent`: the message is dead-lettered now. One that is the `cause` of another error, or one of several, does not count.
 * - Throws anything else: the message is delivered again after a pause; at the last attempt it is dead-lettered.
 * - Throws, a `Permanent` too, when its ctx was ended by the worker's own stop: the message is released, which is no failure.
 * - Has not returned when the `abortWindow` is over: the handler is abandoned, and the message is released.
 *
 * @example
 * ```ts
 * import { context, retry } from "headgate";
 * import { type Delivery, type Handler, memoryBroker, Permanent, worker } from "headgate/worker";
 *
 * const handle: Handler<Delivery<string>> = async (ctx, { body }) => {
 *   const order = await Promise.resolve(body).then(JSON.parse).catch((error) => {
 *     throw new Permanent("not an order", { cause: error });
 *   });
 *   await retry.run(ctx, () => console.log("charged", order.total));
 * };
 * const broker = memoryBroker<string>();
 * for (const body of ['{ "total": 5 }', "{"]) await broker.publish(body);
 * broker.end();
 * const report = await worker(context.background(), broker, handle); // => charged 5
 * console.log(report.acked, report.dead); // => 1 1
 * ```
 */
export type Handler<D extends Delivery = Delivery> = (ctx: Context, delivery: D) => unknown;

/** The end of a message that was pulled; each gets exactly one. `expired`: its verdict did not reach the broker, or its lease was lost. */
export type Verdict = "acked" | "retried" | "released" | "dead" | "expired";
