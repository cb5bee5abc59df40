/**
 * The bed of the worker's scenarios, chapters 5 to 7: a broker with some messages, the rules, and the books that say what became of each.
 *
 * A design is a worker. It is stopped by `ctx`, takes messages from `broker`, does the `work` of each, and acks it.
 */
import { context, type Context, time } from "headgate";
import type { Bubble } from "headgate/testing";
import { type Delivery, memoryBroker, type Nack, type Source, type WorkerOptions } from "headgate/worker";

/** A message, as it was delivered this time. */
export type Message = Delivery<string>;

/** The broker, as a design sees it. */
export type Broker = Source<Message>;

/** The work for one message. */
export type Work = (message: Message) => Promise<void>;

/** Names an object for the trace. */
export type Name = <O extends object>(object: O, name: string) => O;

/** What only `headgate/worker` takes: the context of a second signal, and a function that sees what happens. */
export type More = Pick<WorkerOptions<Message>, "abort" | "observe">;

/** A worker. It returns or throws when it has ended. */
export type Design = (ctx: Context, broker: Broker, work: Work, name: Name, more: More) => Promise<unknown>;

/** A scenario is varied by it: by the page that shows these programs. The chapters use the defaults. */
export interface Setting {
  /**
   * The number of messages, at least 1.
   *
   * @default 3
   */
  readonly messages?: number;
  /**
   * What fails, once: the second pull, the work on the second message, or its ack. With one message, it is the first.
   *
   * @default undefined
   */
  readonly fails?: "pull" | "handle" | "ack" | undefined;
}

/** What became of the messages so far, by their names, in the order in which it happened. A name occurs again if it happens again. */
export interface Books {
  /** They were handed over by the broker, to the worker or to the next one. */
  readonly pulled: string[];
  /** Their work is done. */
  readonly handled: string[];
  /** The broker took their ack. */
  readonly acked: string[];
  /** The broker got them back. */
  readonly released: string[];
  /** What has failed, by the setting: `pull`, `handle m2` or `ack m2`. */
  readonly failed: string[];
  /** The next worker gets them, when the leases of the first one have run out. */
  readonly next: string[];
}

/** The messages of a scenario. */
export const messagesOf = ({ messages = 3 }: Setting): readonly string[] =>
  Array.from({ length: messages }, (_, i) => `m${i + 1}`);
/** How long a delivery belongs to the worker that pulled it, in ms. */
export const LEASE = 1_000;
/** How long the work takes, in ms. */
export const WORK = 10;
/** How long the request of an ack takes, in ms. */
export const REQUEST = 2;

export const newBooks = (): Books => ({ pulled: [], handled: [], acked: [], released: [], failed: [], next: [] });

/** The error of what fails by the setting. */
class Failure extends Error {}

/** Returns the function that throws at the operation of the setting, the first time. */
function failing({ messages = 3, fails }: Setting, books: Books) {
  const nth = Math.min(2, messages);
  let pulls = 0;
  let isDue = fails !== undefined;
  return (operation: "pull" | "handle" | "ack", bodies: readonly string[]): void => {
    if (!isDue || operation !== fails) return;
    if (operation === "pull" ? ++pulls !== nth : !bodies.includes(`m${nth}`)) return;
    isDue = false;
    const what = operation === "pull" ? "pull" : `${operation} m${nth}`;
    books.failed.push(what);
    throw new Failure(`${what} has failed`);
  };
}

type Fail = ReturnType<typeof failing>;

/** A broker in memory that names its messages for the trace, takes a while for an ack, and keeps the books. */
async function openBroker(
  name: Name,
  books: Books,
  fail: Fail,
  setting: Setting,
): Promise<{ broker: Broker; next: () => Promise<readonly Message[]> }> {
  const memory = memoryBroker<string>({ lease: LEASE });
  for (const body of messagesOf(setting)) await memory.publish(body);
  memory.end();

  const note = (list: string[], all: readonly Message[], lost: readonly Message[] | void) => {
    list.push(...all.filter((message) => !lost?.includes(message)).map(({ body }) => body));
    return lost;
  };
  const broker: Broker = {
    lease: LEASE,
    get ended() {
      return memory.ended;
    },
    async pull(ctx: Context, max: number) {
      fail("pull", []);
      const messages = await memory.pull(ctx, max);
      for (const message of messages) books.pulled.push(name(message, message.body).body);
      return messages;
    },
    async ack(ctx: Context, messages: readonly Message[]) {
      await time.sleep(REQUEST, ctx);
      fail(
        "ack",
        messages.map(({ body }) => body),
      );
      return note(books.acked, messages, await memory.ack(ctx, messages));
    },
    async nack(ctx: Context, items: readonly Nack<Message>[]) {
      const lost = await memory.nack(ctx, items);
      const all = items.map(({ delivery }) => delivery);
      return note(books.released, all, lost);
    },
    extend: memory.extend,
  };
  /** What the next worker gets, if it asks now. */
  const next = async () => {
    const [ctx, cancel] = context.withTimeout(context.background(), 1);
    using _ = cancel;
    return memory.pull(ctx, messagesOf(setting).length);
  };
  return { broker, next };
}

/** Runs a worker until it has ended. That it was stopped, or ends by what the setting lets fail, breaks no rule. */
async function finish(running: Promise<unknown>): Promise<void> {
  await running.catch((error: unknown) => {
    if (!(error instanceof context.Canceled || error instanceof Failure)) throw error;
  });
}

/** The work: it takes a while, and keeps the books. */
const workFor =
  (books: Books, fail: Fail): Work =>
  async ({ body }) => {
    await time.sleep(WORK);
    fail("handle", [body]);
    books.handled.push(body);
  };

/** The scenario of a design, with the rule: a message that was handled is not delivered again. */
export const handledOnce =
  (design: Design) =>
  async (t: Bubble, books: Books = newBooks(), more: More = {}, setting: Setting = {}): Promise<void> => {
    const fail = failing(setting, books);
    const { broker, next } = await openBroker(t.name, books, fail, setting);
    await finish(design(t.ctx, broker, workFor(books, fail), t.name, { abort: t.abort, ...more }));
    await time.sleep(2 * LEASE); // the leases of forgotten messages run out
    for (const { body } of await next()) books.next.push(body);
    for (const body of books.next) {
      if (books.handled.includes(body)) throw new Error(`${body} was handled, and is delivered again`);
    }
  };

/** The scenario of a design, with a stricter rule: at its end, each message that it pulled is acked or given back. None waits for its lease. */
export const leavesNothing =
  (design: Design) =>
  async (t: Bubble, books: Books = newBooks(), more: More = {}, setting: Setting = {}): Promise<void> => {
    const fail = failing(setting, books);
    const { broker } = await openBroker(t.name, books, fail, setting);
    await finish(design(t.ctx, broker, workFor(books, fail), t.name, { abort: t.abort, ...more }));
    const settled = [...books.acked, ...books.released];
    const stuck = books.pulled.find((body) => !settled.includes(body));
    if (stuck !== undefined) throw new Error(`${stuck} was pulled, and neither acked nor given back`);
  };
