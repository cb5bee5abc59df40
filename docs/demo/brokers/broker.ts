/** A broker, as the demo uses it; and what that takes of one that is real. */
import type { Context } from "headgate";
import type { Delivery, Progress, Source } from "headgate/worker";

/** What is delivered to the gateway. The id names the message, however often it is delivered, and to whomever. */
export interface Message {
  readonly id: string;
  readonly body: unknown;
}

/** How the demo gets on with the broker. */
export interface BrokerState {
  /** Messages of this process that the broker has. */
  readonly published: number;
  /** Messages that were sent, and not confirmed: they may be there, or not, or twice. */
  readonly unconfirmed?: number;
  /** What fails now, and how. */
  readonly trouble?: string | undefined;
  /** ms for which nothing has come. */
  readonly quiet?: number;
}

export interface Broker {
  readonly source: Source<Delivery<unknown>>;
  readonly state: BrokerState;
  /** It is absent if no other process can work on the queue. */
  readonly shared?: Shared;
  /** Which message this is a delivery of. Throws `Permanent` if it is none of the demo's. */
  readonly messageOf: (delivery: Delivery<unknown>) => Message;
  /** Publishes all of them. When ctx ends before that, rejects with `ctx.err()`. */
  readonly publish: (ctx: Context, bodies: readonly unknown[]) => Promise<void>;
  /** How many messages are there; or why that is not known. */
  readonly left: () => Promise<number | string>;
  readonly close: () => Promise<void>;
}

/** What is different where other processes publish and work, too. */
export interface Shared {
  /** Where the dead messages are. */
  readonly deadLetters: string;
  /** Which of the messages that are there are not counted. */
  readonly uncounted?: string;
  /** ms before a message is delivered again. */
  readonly backoff: () => number;
  /** The source never ends. Returns when nothing more is to be expected of it. When ctx ends before that, rejects with `ctx.err()`. */
  readonly over: (ctx: Context, progress: Progress) => Promise<void>;
}

/** What differs from one real broker to the other. */
export interface Adapter extends Pick<Shared, "deadLetters" | "uncounted"> {
  /** Its bodies are the texts that were published; what else there is in a delivery is between it and the worker. */
  readonly source: Source<any>;
  /** Resolves when the broker has all of them. */
  readonly publish: (texts: readonly string[]) => Promise<unknown>;
  /** How many messages are there. Absent: the broker does not tell. */
  readonly left?: () => Promise<number>;
  readonly close: () => Promise<unknown>;
}

/** Connects, and makes what is missing of the queue. */
export type Open = (url: URL, queue: string) => Promise<Adapter>;

/** How long a message is held by a process that is no more, in ms: the shortest lease that all of the brokers can do. */
export const LEASE = 10_000;

/** The longest wait before a message is delivered again, in ms. It is short, because a person is watching. */
export const DELAY = 250;
