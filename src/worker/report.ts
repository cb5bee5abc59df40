/**
 * What a worker tells: while it runs by events and live counters, at the end by the account of every message.
 */
import type { Delivery, Source, Verdict } from "./source.ts";

/** Live counters, in messages. The caller makes the object and may read it at any time; the worker alone writes to it. */
export interface Progress {
  pulled: number;
  /** Pulled, and not started yet. */
  waiting: number;
  /** In a handler. */
  running: number;
  /** Decided, and the broker not yet told. */
  settling: number;
  acked: number;
  retried: number;
  released: number;
  dead: number;
  expired: number;
}

/** A message whose verdict did not reach the broker, or that was given up without a place to put it. */
export interface Leftover<D extends Delivery> {
  readonly delivery: D;
  /** What it would have been. */
  readonly was: Verdict;
  /** Why it came to nothing; for a dead message, the error that killed it. */
  readonly error?: unknown;
}

/** The account: acked + retried + released + dead + expired = pulled. */
export interface Report<D extends Delivery = Delivery> {
  readonly pulled: number;
  /** Handlers that were started. */
  readonly started: number;
  /** Deliveries that were not the first of their message. */
  readonly redelivered: number;
  readonly acked: number;
  readonly retried: number;
  readonly released: number;
  readonly dead: number;
  readonly expired: number;
  /** Handlers that ignored the end of their ctx. Their messages are counted in `released`. */
  readonly abandoned: number;
  /** The expired messages by name, and why; and the dead ones if the source has no `deadLetter`. */
  readonly leftovers: readonly Leftover<D>[];
  readonly stopped: "source ended" | "cancelled" | "aborted" | "failed";
  /** Why: the cause of the context that ended, or the error of the source. */
  readonly cause?: unknown;
  /** How long each phase took, in ms. */
  readonly took: { readonly draining: number; readonly aborting: number; readonly settling: number };
}

/** How far the worker is in stopping. */
export type Phase = "running" | "draining" | "aborting" | "settling" | "done";

/** What happens in a worker, as it happens. */
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
  | { readonly type: "late"; readonly delivery: D };
