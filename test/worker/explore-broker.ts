/**
 * Where the messages of the explored worker come from: a broker as simple as can be, written for this, and
 * `memoryBroker`.
 */
import { Chan, select, time } from "headgate";
import { type Delivery, memoryBroker, type Nack, type Source } from "headgate/worker";

export type D = Delivery<number>;

export interface Broker {
  readonly source: Source<D> & Required<Pick<Source<D>, "deadLetter">>;
  /** It will not be asked for anything any more. */
  readonly close: () => void;
}

/** A pile of messages: knows no leases, counts no attempts, and a message has the same id at each delivery. */
export function pileOf(bodies: readonly number[]): Broker {
  const pile = new Chan<number>(bodies.length);
  const held = new Set<D>();
  const delayed = new Map<D, time.Timer>();
  let open = bodies.length;
  for (const body of bodies) pile.trySend(body);
  const gone = (): void => {
    if (--open === 0) pile.close();
  };
  const again = ({ delivery, delay }: Nack<D>): void => {
    const back = (): void => void pile.trySend(delivery.body);
    if (delay === 0) back();
    else delayed.set(delivery, time.afterFunc(delay, back));
  };
  /** Returns those that are not held any more. */
  const settle = <I>(items: readonly I[], of: (item: I) => D, then: (item: I) => void): D[] => {
    const lost = items.filter((item) => !held.delete(of(item)));
    for (const item of items) if (!lost.includes(item)) then(item);
    return lost.map(of);
  };
  return {
    close() {
      for (const timer of delayed.values()) timer.stop();
    },
    source: {
      get ended() {
        return open === 0;
      },
      async pull(ctx, max) {
        const got = await select({ message: pile, done: ctx.done() });
        if (got.case === "done" || !got.ok) return [];
        const taken = [got.value];
        while (taken.length < max && pile.length > 0) taken.push(pile.tryRecv()![0]!);
        return taken.map((body) => {
          const delivery = { id: `m${body}`, body };
          held.add(delivery);
          return delivery;
        });
      },
      ack: async (_, deliveries) => settle(deliveries, (delivery) => delivery, gone),
      nack: async (_, items) => settle(items, ({ delivery }) => delivery, again),
      deadLetter: async (_, items) => settle(items, ({ delivery }) => delivery, gone),
    },
  };
}

/** Counts attempts, and hands out leases that are shorter than the grace. */
export async function memoryOf(bodies: readonly number[]): Promise<Broker> {
  const source = memoryBroker<number>({ lease: 60 });
  for (const body of bodies) await source.publish(body);
  source.end();
  return { source, close() {} };
}
