/**
 * A message in flight: between its pull and the source's answer to its verdict. And which of those in flight the source says it has lost.
 *
 * Invariant: what decides about a message (its id, its key, its attempt) is read once, when it comes, and is sound from then on. A source
 * may be wrong, and a handler may write to its delivery.
 */
import { kindOf } from "../internal/foreign.ts";
import type { context } from "../index.ts";
import type { Delivery, Verdict } from "./source.ts";

export interface InFlight<D extends Delivery> {
  readonly delivery: D;
  /** Its place in the order of the pulls. */
  order: number;
  readonly id: string;
  readonly key: string | undefined;
  /** As the broker counts, from 1. */
  readonly attempt: number | undefined;
  /** The count that it is in: not started, in its handler, decided and the source has not answered yet; at the end its verdict. */
  state: "waiting" | "running" | "settling" | Verdict;
  /** When its handler started, on the monotonic clock. Only if it did. */
  startedAt: number;
  /** Ends the ctx of its handler, while that runs. */
  cancel: context.CancelCauseFunc | null;
  /** Another consumer may have it by now: it must not be acked any more. */
  isLost: boolean;
  /** A call of the source with its verdict is under way. That call says whether the lease was lost. */
  inCall: boolean;
  /** Its handler has had it for `maxLease`: its lease is not extended any more. */
  isOverdue: boolean;
  verdict: Verdict;
  error: unknown;
  /** ms until the next delivery, if it is retried, or released behind one that is. */
  delay: number;
  /** Why its verdict was given up: the source has refused it. */
  refused: Error | null;
}

/**
 * The result of a pull, as messages that wait. An item with an id is a delivery; the others are left out. If it is no list, there are none.
 */
export function wrapPulled<D extends Delivery>(pulled: readonly D[]): InFlight<D>[] {
  const all: InFlight<D>[] = [];
  for (const delivery of itemsOf(pulled)) {
    const read = readOf(delivery);
    if (read === undefined) continue;
    const { id, key, attempt } = read;
    all.push({
      delivery,
      order: 0,
      id,
      key,
      attempt,
      state: "waiting",
      startedAt: 0,
      cancel: null,
      isLost: false,
      inCall: false,
      isOverdue: false,
      verdict: "released",
      error: undefined,
      delay: 0,
      refused: null,
    });
  }
  return all;
}

/** The items of a list, up to the first that cannot be read; none if it is no list. */
function* itemsOf<T>(list: readonly T[]): Iterable<T> {
  try {
    if (Array.isArray(list)) yield* list as readonly T[];
  } catch {
    // Those before it are in our hands all the same.
  }
}

function readOf(delivery: Delivery): Pick<InFlight<Delivery>, "id" | "key" | "attempt"> | undefined {
  try {
    const { id, key, attempt } = delivery;
    if (typeof id !== "string") return undefined;
    const counts = Number.isSafeInteger(attempt) && attempt! >= 1;
    return { id, key: key ?? undefined, attempt: counts ? attempt : undefined };
  } catch {
    return undefined;
  }
}

/**
 * The messages that the source says it has lost: those whose deliveries it returns. If it returns other objects, equal ones perhaps, their
 * ids tell. So if a message is in flight twice under one id, having been delivered again, the source can say which of the two it means.
 *
 * **Errors**: TypeError if the answer is no list of deliveries.
 */
export function lostOf<D extends Delivery>(
  call: string,
  all: readonly InFlight<D>[],
  answer: unknown,
): Set<InFlight<D>> {
  const lost = new Set<InFlight<D>>();
  if (answer === undefined || answer === null) return lost;
  const rule = `worker: source.${call} must resolve to a list of the deliveries whose lease was lost, or to nothing`;
  if (!Array.isArray(answer)) throw new TypeError(`${rule}; got ${kindOf(answer)}`);
  if (answer.length === 0) return lost;
  const others = new Set(answer as readonly D[]);
  for (const message of all) if (others.has(message.delivery)) lost.add(message);
  for (const { delivery } of lost) others.delete(delivery);
  const ids = new Set<string>();
  for (const other of others) {
    if (typeof other?.id !== "string") throw new TypeError(`${rule}; got a list of something else`);
    ids.add(other.id);
  }
  for (const message of all) if (ids.has(message.id)) lost.add(message);
  return lost;
}
