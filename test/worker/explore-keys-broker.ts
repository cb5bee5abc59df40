/**
 * The broker of the worker that is explored for its keys and leases. It keeps the order of each key, as those do that know
 * keys, but hands over several messages of one key at once: the line in the worker is put to the test, not the broker's.
 */
import { Chan, type Context, nil, select, time } from "headgate";
import type { Delivery, Nack } from "headgate/worker";

/** In virtual ms: a worker extends every 8. */
export const LEASE = 24;

export interface D extends Delivery<string> {
  readonly seq: number;
}

interface Message {
  readonly body: string;
  readonly seq: number;
  readonly key?: string;
  attempts: number;
  /** The delivery that has it, and the end of its lease; or the moment from which on it may be delivered. */
  holder: D | null;
  until: number;
}

export interface KeyedBroker {
  readonly ended: boolean;
  /** The bodies of those that are settled for good, in order. */
  readonly settled: readonly string[];
  /** Is called for each lease that runs out. */
  onLapse: (delivery: D) => void;
  readonly pull: (ctx: Context, max: number) => Promise<D[]>;
  /** These settle, give back or extend what is held, and return what is not. */
  readonly settle: (deliveries: readonly D[]) => D[];
  readonly giveBack: (items: readonly Nack<D>[]) => D[];
  readonly extend: (deliveries: readonly D[]) => D[];
  /** Takes the message away from its holder. */
  readonly revoke: (delivery: D | undefined) => void;
  readonly close: () => void;
}

/** A broker with these messages. `later` are the ms after which a message comes. */
export function keyedBroker(bodies: readonly string[], later: Readonly<Record<string, number>> = {}): KeyedBroker {
  const messages = bodies.map((body, i): Message => ({
    body,
    seq: i + 1,
    ...(body.startsWith("x") ? {} : { key: body[0]! }),
    attempts: 0,
    holder: null,
    until: body in later ? time.now() + later[body]! : 0,
  }));
  const settled: string[] = [];
  let news = new Chan<never>();
  let open = true;
  const tell = (): void => {
    const old = news;
    news = new Chan();
    old.close();
  };
  const lapse = (): void => {
    for (const message of messages) {
      if (message.holder === null || message.until > time.now()) continue;
      broker.onLapse(message.holder);
      message.holder = null;
    }
  };
  const heldBy = (delivery: D): Message | undefined => {
    lapse();
    return messages.find(({ holder }) => holder === delivery);
  };
  /** One that may not be delivered keeps back those of its key that come after it. */
  const deliverable = (): Message[] => {
    const blocked = new Set<string>();
    return messages.filter(({ key, holder, until }) => {
      if (holder !== null || (key !== undefined && blocked.has(key))) return false;
      if (until <= time.now()) return true;
      if (key !== undefined) blocked.add(key);
      return false;
    });
  };
  const broker: KeyedBroker = {
    get ended() {
      return messages.length === 0;
    },
    settled,
    onLapse() {},
    async pull(ctx, max) {
      for (;;) {
        lapse();
        const ready = deliverable().slice(0, max);
        if (ready.length > 0) {
          return ready.map((message) => {
            const { body, seq, key } = message;
            const attempt = ++message.attempts;
            const delivery = { id: `${body}#${attempt}`, body, seq, attempt, ...(key === undefined ? {} : { key }) };
            message.holder = delivery;
            message.until = time.now() + LEASE;
            return delivery;
          });
        }
        const next = Math.min(...messages.map(({ until }) => until).filter((until) => until > time.now()));
        if (ctx.err() !== undefined || messages.length === 0 || !open) return [];
        await select({ news, done: ctx.done(), due: next < Infinity ? time.after(next - time.now()) : nil });
      }
    },
    settle: (deliveries) =>
      deliveries.filter((delivery) => {
        const message = heldBy(delivery);
        if (message === undefined) return true;
        messages.splice(messages.indexOf(message), 1);
        settled.push(message.body);
        tell();
        return false;
      }),
    giveBack: (items) =>
      items
        .filter(({ delivery, delay, reason }) => {
          const message = heldBy(delivery);
          if (message === undefined) return true;
          message.holder = null;
          message.until = time.now() + delay;
          if (reason === "released") message.attempts--;
          tell();
          return false;
        })
        .map(({ delivery }) => delivery),
    extend: (deliveries) =>
      deliveries.filter((delivery) => {
        const message = heldBy(delivery);
        if (message === undefined) return true;
        message.until = time.now() + LEASE;
        return false;
      }),
    revoke(delivery) {
      const message = delivery === undefined ? undefined : heldBy(delivery);
      if (message === undefined) return;
      message.holder = null;
      message.until = 0;
      tell();
    },
    close() {
      open = false;
      tell();
    },
  };
  return broker;
}
