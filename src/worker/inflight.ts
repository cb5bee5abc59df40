/**
 * A message as the worker holds it, and what the source says about those it holds.
 *
 * Invariant: what decides about a message (its id, its key, its attempt) is read once, when it comes, and makes sense from then on:
 * a source may be wrong, and a handler may write on its delivery.
 */
import type { context } from "../index.ts";
import type { Delivery, Verdict } from "./source.ts";

/** A message between its pull and its verdict. */
export interface Held<D extends Delivery> {
  readonly delivery: D;
  /** Its place in the order of the pulls. */
  order: number;
  readonly id: string;
  readonly key: string | undefined;
  /** As the broker counts, from 1. */
  readonly attempt: number | undefined;
  /** When its handler started, on the monotonic clock. */
  since: number;
  /** Ends the ctx of its handler, while that runs. */
  cancel: context.CancelCauseFunc | null;
  /** Who else may have it by now: it must not be acked any more. */
  lost: boolean;
  /** The source is being told what became of it: whether its lease was lost is for that call to say. */
  telling: boolean;
  /** Held too long: its lease is not extended any more. */
  overdue: boolean;
  verdict: Verdict;
  error: unknown;
  /** ms until the next delivery, if it is retried, or released behind one that is. */
  delay: number;
  /** Why its verdict was given up: the source has refused it. */
  refused: Error | null;
}

/** The deliveries in what a pull has brought, ready to be held. Those that are none are left out; who has an id is one. Of what is no list there are none. */
export function heldOf<D extends Delivery>(pulled: readonly D[]): Held<D>[] {
  const all: Held<D>[] = [];
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
      since: NaN,
      cancel: null,
      lost: false,
      telling: false,
      overdue: false,
      verdict: "released",
      error: undefined,
      delay: 0,
      refused: null,
    });
  }
  return all;
}

/** The items of a list, up to the first that cannot be read; of what is no list, none. */
function* itemsOf<T>(list: readonly T[]): Iterable<T> {
  try {
    if (Array.isArray(list)) yield* list as readonly T[];
  } catch {
    // Those that came before are all the same in our hands.
  }
}

function readOf(delivery: Delivery): Pick<Held<Delivery>, "id" | "key" | "attempt"> | undefined {
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
 * Which of them the source says it has lost: those whose deliveries it returns. Where it returns others, equal ones perhaps, their ids
 * tell. So if a message is held twice under one id, having been delivered again, the source can say which of the two it means.
 *
 * **Errors**: TypeError if the answer is none.
 */
export function lostOf<D extends Delivery>(call: string, all: readonly Held<D>[], answer: unknown): Set<Held<D>> {
  const lost = new Set<Held<D>>();
  if (answer === undefined || answer === null) return lost;
  const rule = `worker: source.${call} must resolve to a list of the deliveries whose lease was lost, or to nothing`;
  if (!Array.isArray(answer)) throw new TypeError(`${rule}; got ${typeof answer}`);
  if (answer.length === 0) return lost;
  const others = new Set(answer as readonly D[]);
  for (const held of all) if (others.has(held.delivery)) lost.add(held);
  for (const { delivery } of lost) others.delete(delivery);
  const ids = new Set<string>();
  for (const other of others) {
    if (typeof other?.id !== "string") throw new TypeError(`${rule}; got a list of something else`);
    ids.add(other.id);
  }
  for (const held of all) if (ids.has(held.id)) lost.add(held);
  return lost;
}
