/**
 * What the source of Pub/Sub makes of Google's client: on a client in memory, and in virtual time.
 */
import { context, time } from "headgate";
import { type Delivery, type Nack, worker } from "headgate/worker";
import {
  type PubsubCallOptions,
  type PubsubDelivery,
  type PubsubReceived,
  type PubsubSubscriber,
  pubsubSubscription,
  type PubsubSubscriptionOptions,
} from "headgate/worker/pubsub";
import { describe, expect, it } from "vitest";
import { elapse, isPending, timersSet, virtualTime } from "../support/clock.ts";
import { givenIn } from "../support/errors.ts";

const background = context.background();
const subscription = "projects/p/subscriptions/s";
const topic = "projects/p/topics/dead";

type Letter = { data: Uint8Array; attributes: { [name: string]: string }; orderingKey: string };
type Answer = () => Promise<unknown>;

const fails = (code: number, more: object = {}): Error => Object.assign(new Error(`status ${code}`), { code, ...more });
const named = (ids: Record<string, string>): Error => fails(3, { errorInfoMetadata: ids });
const message = (ackId: string, text: string, more: object = {}): PubsubReceived => {
  return { ackId, message: { data: new TextEncoder().encode(text), messageId: `id ${text}`, attributes: {}, ...more } };
};
const nacked = <D extends Delivery>(delivery: D, delay = 0, reason: Nack<D>["reason"] = "failed"): Nack<D> => {
  return { delivery, delay, reason };
};

/** A client that records its calls, and answers as the test says; OK if that says nothing. */
class Fake implements PubsubSubscriber {
  readonly said: string[] = [];
  readonly timeouts: number[] = [];
  readonly letters: Letter[] = [];
  readonly answers: Answer[] = [];
  /** What is there to be pulled; and when nothing is, what the pulls that wait are given. */
  readonly ready: PubsubReceived[] = [];
  /** How long a pull waits, if not as long as it may: ms. */
  patience = Infinity;
  private wake: (() => void)[] = [];

  offer(...messages: PubsubReceived[]): void {
    this.ready.push(...messages);
    for (const wake of this.wake.splice(0)) wake();
  }

  async pull(
    { maxMessages }: { maxMessages: number },
    options: PubsubCallOptions,
  ): Promise<[{ receivedMessages: PubsubReceived[] }]> {
    this.note(`pull ${maxMessages}`, options);
    await this.answers.shift()?.();
    if (this.ready.length === 0) {
      const [limit, cancel] = context.withTimeout(background, Math.min(options.timeout, this.patience));
      using _ = cancel;
      await context.wait(new Promise<void>((resolve) => this.wake.push(resolve)), limit).catch(() => {});
    }
    if (this.ready.length === 0 && this.patience === Infinity) throw fails(4);
    return [{ receivedMessages: this.ready.splice(0, maxMessages) }];
  }

  acknowledge({ ackIds }: { ackIds: string[] }, options: PubsubCallOptions): Promise<unknown> {
    return this.answer(`ack ${brief(ackIds)}`, options);
  }

  modifyAckDeadline(
    { ackIds, ackDeadlineSeconds }: { ackIds: string[]; ackDeadlineSeconds: number },
    options: PubsubCallOptions,
  ): Promise<unknown> {
    return this.answer(`${ackDeadlineSeconds} s ${brief(ackIds)}`, options);
  }

  async publish({ messages }: { messages: Letter[] }, options: PubsubCallOptions): Promise<unknown> {
    // The client of Google's would put it off, and together with others.
    expect(options.isBundling).toBe(false);
    await this.answer(`publish ${new TextDecoder().decode(messages[0]!.data)}`, options);
    return this.letters.push(...messages);
  }

  private async answer(what: string, options: PubsubCallOptions): Promise<unknown> {
    this.note(what, options);
    return this.answers.shift()?.();
  }

  private note(what: string, { timeout, retry }: PubsubCallOptions): void {
    expect(retry).toBe(null);
    this.said.push(what);
    this.timeouts.push(timeout);
  }
}

function brief(ids: readonly string[]): string {
  return ids.length > 5 ? `${ids.length} ids` : ids.join(" ");
}

function open(fake: Fake, options: Partial<PubsubSubscriptionOptions> = {}) {
  return pubsubSubscription(fake, { subscription, ...options } as PubsubSubscriptionOptions & { decode?: "text" });
}

/** A source that holds these, and what has been said since. */
async function holding(texts: readonly string[], options: Partial<PubsubSubscriptionOptions> = {}) {
  const fake = new Fake();
  const source = open(fake, options);
  fake.offer(...texts.map((text) => message(text, text)));
  const got = await source.pull(background, 1_000);
  fake.said.length = 0;
  return { fake, source, got };
}

/** A client that has a connection, as those of Google's have: `silent` is one on which nothing comes back. */
class Connected extends Fake {
  silent = false;
  subscriberStub: Promise<{ close(): void }> | undefined;

  constructor() {
    super();
    void this.initialize();
  }

  initialize(): Promise<unknown> {
    const number = ++this.connections;
    return (this.subscriberStub ??= Promise.resolve({ close: () => this.said.push(`closed ${number}`) }));
  }

  private connections = 0;

  async getSubscription(_: { subscription: string }, { timeout }: PubsubCallOptions): Promise<unknown> {
    this.said.push("sign of life?");
    if (!this.silent) throw fails(7);
    await time.sleep(timeout);
    throw fails(4);
  }
}

const deadLetters = (fake: Fake) => ({ deadLetters: { topic, publisher: fake } });
const never = (): Promise<never> => new Promise(() => {});
const rejects = (error: unknown) => (): Promise<never> => Promise.reject(error as Error);

describe("a pull of Pub/Sub", () => {
  virtualTime();

  it("hands over body, attempt, key and attributes, and the message as it came", async () => {
    const fake = new Fake();
    const given = message("a1", "☃", { attributes: { colour: "red" }, orderingKey: "k" });
    fake.offer({ ...given, deliveryAttempt: 3 }, message("a2", "plain", { orderingKey: "" }));
    const [first, second] = await open(fake).pull(background, 5);
    expect(first).toEqual({
      id: "a1",
      body: "☃",
      attempt: 3,
      key: "k",
      attributes: { colour: "red" },
      message: given.message,
    });
    expect(Object.keys(second!)).not.toContain("key");
  });

  it("hands over bytes if it is to decode none, also those of an empty message, or of one in base64", async () => {
    const fake = new Fake();
    const source = pubsubSubscription(fake, { subscription, decode: "bytes" });
    const bytes = new Uint8Array([0, 255, 128]);
    fake.offer(...[bytes, null, "AP+A"].map((data, i) => message(`a${i}`, "", { data })));
    const got = await source.pull(background, 5);
    expect(got.map(({ body }) => [...body])).toEqual([[...bytes], [], [...bytes]]);
  });

  it("keeps a byte order mark, which is part of the text", async () => {
    const { got } = await holding(["\uFEFFa"]);
    expect(got[0]!.body).toBe("\uFEFFa");
  });

  it("asks again when the time of a request is over, until there is something", async () => {
    const fake = new Fake();
    const pulling = open(fake).pull(background, 7);
    await elapse(5_000);
    expect(fake.said).toEqual(["pull 7", "pull 7", "pull 7"]);
    expect(fake.timeouts).toEqual([2_000, 2_000, 2_000]);
    fake.offer(message("a", "late"));
    expect((await pulling).length).toBe(1);
  });

  it("hands over what its request brings after the end of its ctx", async () => {
    const fake = new Fake();
    const [ctx, cancel] = context.withCancel(background);
    const pulling = open(fake).pull(ctx, 7);
    await elapse(100);
    cancel();
    expect(await isPending(pulling)).toBe(true);
    fake.offer(message("a", "late"));
    expect((await pulling).map(({ body }) => body)).toEqual(["late"]);
  });

  it("gives a request all its time, and begins none that would go on long after the end of ctx", async () => {
    const fake = new Fake();
    const [ctx, cancel] = context.withTimeout(background, 5_000);
    const pulling = open(fake).pull(ctx, 7);
    await elapse(4_000);
    expect(await isPending(pulling)).toBe(false);
    expect(await pulling).toEqual([]);
    cancel();
    const [short, cancelShort] = context.withTimeout(background, 10);
    const brief = open(fake).pull(short, 7);
    await elapse(1_999);
    expect(await isPending(brief)).toBe(true);
    await elapse(1);
    expect(await brief).toEqual([]);
    cancelShort();
    expect(fake.timeouts).toEqual([2_000, 2_000, 2_000]);
    expect(timersSet()).toBe(0);
  });

  it("asks for nothing when its ctx has ended before", async () => {
    const fake = new Fake();
    const [ctx, cancel] = context.withCancel(background);
    cancel();
    expect(await open(fake).pull(ctx, 7)).toEqual([]);
    expect(fake.said).toEqual([]);
  });

  it("does not ask without a pause where the server answers at once with nothing", async () => {
    const fake = new Fake();
    fake.patience = 0.001;
    const [ctx, cancel] = context.withCancel(background);
    const pulling = open(fake).pull(ctx, 7);
    await elapse(1_000);
    cancel();
    expect(await pulling).toEqual([]);
    expect(fake.said.length).toBeGreaterThan(10);
    expect(fake.said.length).toBeLessThan(25);
  });

  it("rejects when the server fails, but not when its ctx has ended by then", async () => {
    const fake = new Fake();
    const source = open(fake);
    fake.answers.push(rejects(fails(14)));
    await expect(source.pull(background, 1)).rejects.toThrow("status 14");
    const [ctx, cancel] = context.withCancel(background);
    fake.answers.push(() => time.sleep(10).then(rejects(fails(14))));
    const pulling = source.pull(ctx, 1);
    cancel();
    await elapse(10);
    expect(await pulling).toEqual([]);
  });

  it("restarts the shortest lease, which began with the request, before it hands over what came late in it", async () => {
    const fake = new Fake();
    const source = open(fake, { wait: 8_000 });
    const pulling = source.pull(background, 5);
    await elapse(7_900);
    fake.offer(message("a", "a"));
    const got = await pulling;
    await elapse(9_900);
    expect(await source.ack(background, got)).toEqual([]);
    expect(fake.said).toEqual(["pull 5", "10 s a", "ack a"]);
  });

  it("makes a lease longer than the shortest before it hands over, and leaves out what the server has lost by then", async () => {
    const fake = new Fake();
    const source = open(fake, { lease: 60_000 });
    fake.offer(message("a", "a"), message("b", "b"));
    fake.answers.push(async () => {}, rejects(named({ a: "PERMANENT_FAILURE_INVALID_ACK_ID" })));
    const got = await source.pull(background, 5);
    expect(got.map(({ id }) => id)).toEqual(["b"]);
    await elapse(59_000);
    expect(await source.ack(background, got)).toEqual([]);
    expect(fake.said).toEqual(["pull 5", "60 s a b", "ack b"]);
  });

  it("hands over what it could not make last longer, and knows that it is held for the shortest lease", async () => {
    const fake = new Fake();
    const source = open(fake, { lease: 60_000 });
    fake.offer(message("a", "a"));
    fake.answers.push(async () => {}, never);
    const pulling = source.pull(background, 5);
    await elapse(1_000);
    const got = await pulling;
    expect(got.length).toBe(1);
    await elapse(9_000);
    expect(await source.ack(background, got)).toEqual(got);
  });
});

describe("a connection of Pub/Sub on which nothing comes back", () => {
  virtualTime();

  it("is left for another within a lease, and the pull says so", async () => {
    const client = new Connected();
    client.silent = true;
    const rejected = expect(open(client).pull(background, 1)).rejects.toThrow("the server does not answer");
    await elapse(7_000);
    await rejected;
    await elapse(0);
    const signs = ["sign of life?", "sign of life?"];
    expect(client.said).toEqual(["pull 1", "pull 1", ...signs, "closed 1"]);
    // The next one is asked for a sign of life in its turn.
    client.silent = false;
    const pulling = open(client).pull(background, 1);
    client.offer(message("a", "a"));
    expect((await pulling).length).toBe(1);
  });

  it("is left, too, when the worker has room for nothing and its verdicts are not answered", async () => {
    const client = new Connected();
    const source = open(client);
    client.offer(message("a", "a"));
    const got = await source.pull(background, 1);
    client.silent = true;
    client.said.length = 0;
    client.answers.push(() => time.sleep(3_334).then(rejects(fails(4))));
    const rejected = expect(source.ack(background, got)).rejects.toThrow("the server has not answered in time");
    await elapse(3_334);
    await rejected;
    await elapse(3_000);
    await elapse(0);
    expect(client.said).toEqual(["ack a", "sign of life?", "sign of life?", "closed 1"]);
    expect(await source.ack(background, got)).toEqual([]);
  });

  it("is left, too, when an extension had nothing to send meanwhile: that is no sign of life", async () => {
    const client = new Connected();
    const source = open(client);
    client.offer(message("a", "a"));
    const got = await source.pull(background, 1);
    client.silent = true;
    client.said.length = 0;
    client.answers.push(() => time.sleep(3_334).then(rejects(fails(4))));
    const rejected = expect(source.ack(background, got)).rejects.toThrow("the server has not answered in time");
    await elapse(3_300);
    // Its verdict is under way, so it is not extended.
    expect(await source.extend!(background, got)).toEqual([]);
    await elapse(34);
    await rejected;
    await elapse(3_000);
    expect(client.said).toEqual(["ack a", "sign of life?", "sign of life?", "closed 1"]);
  });

  it("is not left where the server gives a sign of life, if only that it may not tell", async () => {
    const client = new Connected();
    const [ctx, cancel] = context.withTimeout(background, 20_000);
    const pulling = open(client).pull(ctx, 1);
    await elapse(20_000);
    expect(await pulling).toEqual([]);
    cancel();
    expect(client.said.filter((said) => said === "sign of life?").length).toBeGreaterThan(2);
    expect(client.said.filter((said) => said.startsWith("closed"))).toEqual([]);
  });

  it("does not hold up a pull whose ctx has ended", async () => {
    const client = new Connected();
    client.silent = true;
    const [ctx, cancel] = context.withCancel(background);
    const pulling = open(client).pull(ctx, 1);
    await elapse(4_500);
    cancel();
    await elapse(0);
    expect(await pulling).toEqual([]);
    await elapse(3_000);
  });
});

describe("the errors of Pub/Sub", () => {
  virtualTime();

  it("say what is wrong and what to do, and keep the client's as their cause", async () => {
    const fake = new Fake();
    const source = open(fake, deadLetters(fake));
    const cases = [
      [5, `there is no subscription ${subscription}; create it`],
      [7, "may not be used with these credentials; give them roles/pubsub.subscriber"],
      [9, "is it a pull subscription"],
      [16, "does not accept the credentials"],
    ] as const;
    for (const [code, words] of cases) {
      const cause = fails(code);
      fake.answers.push(rejects(cause));
      const error: unknown = await source.pull(background, 1).catch((error: unknown) => error);
      expect(error).toMatchObject({ code, cause });
      expect(String(error)).toContain(words);
    }
    fake.offer(message("a", "a"));
    const [delivery] = await source.pull(background, 1);
    fake.answers.push(rejects(fails(5)));
    await expect(source.ack(background, [delivery!])).rejects.toThrow(`there is no subscription ${subscription}`);
    fake.answers.push(rejects(fails(5)));
    const dead = source.deadLetter!(background, [{ delivery: delivery!, error: "no" }]);
    await expect(dead).rejects.toThrow(`there is no topic ${topic}; create it`);
  });
});

describe("the attempts, where Pub/Sub counts each delivery", () => {
  virtualTime();

  it("are without the releases that the source has made", async () => {
    const fake = new Fake();
    const source = open(fake);
    const attempts: number[] = [];
    for (const [i, how] of (["released", "failed", "released", "acked", "failed"] as const).entries()) {
      fake.offer({ ...message(`a${i}`, "a"), deliveryAttempt: i + 1 });
      const [delivery] = await source.pull(background, 1);
      attempts.push(delivery!.attempt);
      if (how === "acked") await source.ack(background, [delivery!]);
      else await source.nack(background, [nacked(delivery!, 0, how)]);
    }
    expect(attempts).toEqual([1, 1, 2, 2, 5]);
  });
});

describe("the attempts, where Pub/Sub does not count", () => {
  virtualTime();

  it("are the deliveries that were not released, and are forgotten with the ack", async () => {
    const fake = new Fake();
    const source = open(fake);
    const next = async (): Promise<PubsubDelivery> => {
      fake.offer(message(`a${time.now()}`, "a"));
      await elapse(1);
      return (await source.pull(background, 1))[0]!;
    };
    const attempts: number[] = [];
    for (const how of ["failed", "released", "failed", "acked", "failed"] as const) {
      const delivery = await next();
      attempts.push(delivery.attempt);
      if (how === "acked") await source.ack(background, [delivery]);
      else await source.nack(background, [nacked(delivery, 0, how)]);
    }
    expect(attempts).toEqual([1, 2, 2, 3, 1]);
  });

  it("end what fails always, also if each delivery has another ack id", async () => {
    const fake = new Fake();
    const source = open(fake);
    let deliveries = 0;
    fake.modifyAckDeadline = async () => fake.offer(message(`a${++deliveries}`, "poison"));
    fake.offer(message("a0", "poison"));
    const [stop, cancel] = context.withCancel(background);
    const running = worker(stop, source, () => Promise.reject(new Error("no")), { maxAttempts: 3, backoff: () => 0 });
    await elapse(100);
    cancel();
    await elapse(3_000);
    expect(await running).toMatchObject({ pulled: 3, retried: 2, dead: 1 });
  });
});

describe("a verdict of Pub/Sub", () => {
  virtualTime();

  it("is sent in one request for all, without retries and within a third of the lease", async () => {
    const { fake, source, got } = await holding(["a", "b"]);
    const [ctx, cancel] = context.withTimeout(background, 10_000);
    expect(await source.ack(ctx, got)).toEqual([]);
    cancel();
    expect(fake.said).toEqual(["ack a b"]);
    expect(fake.timeouts.at(-1)).toBe(3_334);
  });

  it("is sent in several requests for thousands", async () => {
    const fake = new Fake();
    const source = open(fake);
    fake.offer(...Array.from({ length: 2_500 }, (_, i) => message(`a${i}`, String(i))));
    const got = [];
    while (fake.ready.length > 0) got.push(...(await source.pull(background, 5_000)));
    fake.said.length = 0;
    expect(await source.ack(background, got)).toEqual([]);
    expect(fake.said).toEqual(["ack 1000 ids", "ack 1000 ids", "ack 500 ids"]);
  });

  it("is sent in several requests if the ids are so long that one could not have them all", async () => {
    const fake = new Fake();
    const source = open(fake);
    fake.offer(...Array.from({ length: 1_000 }, (_, i) => message(String(i).padEnd(1_000), String(i))));
    const got = await source.pull(background, 1_000);
    expect(await source.ack(background, got)).toEqual([]);
    expect(fake.said).toEqual(["pull 1000", "ack 500 ids", "ack 500 ids"]);
  });

  it("is nothing to tell where there is none", async () => {
    const { fake, source } = await holding(["a"], deadLetters(new Fake()));
    expect([await source.ack(background, []), await source.nack(background, [])]).toEqual([[], []]);
    expect([await source.extend!(background, []), await source.deadLetter!(background, [])]).toEqual([[], []]);
    expect(fake.said).toEqual([]);
  });

  it("of a nack is a new deadline: now, or whole seconds from now, at most 600", async () => {
    const { fake, source, got } = await holding(["a", "b", "c", "d", "e"]);
    const delays = [0, 1, 1_000, 1_001, 1e7];
    expect(
      await source.nack(
        background,
        got.map((delivery, i) => nacked(delivery, delays[i])),
      ),
    ).toEqual([]);
    expect(fake.said).toEqual(["0 s a", "1 s b c", "2 s d", "600 s e"]);
  });

  it("on a lease that has run out is not sent, but reported; and so is one on what is settled already", async () => {
    const { fake, source, got } = await holding(["a", "b"], deadLetters(new Fake()));
    await source.ack(background, [got[0]!]);
    expect(await source.ack(background, [got[0]!])).toEqual([got[0]]);
    await elapse(10_000);
    const late = [got[1]!];
    expect(await source.ack(background, late)).toEqual(late);
    expect(await source.nack(background, [nacked(late[0]!)])).toEqual(late);
    expect(await source.extend!(background, late)).toEqual(late);
    expect(await source.deadLetter!(background, [{ delivery: late[0]!, error: "no" }])).toEqual(late);
    expect(fake.said).toEqual(["ack a"]);
  });

  it("counts the lease from when the request was sent, which is before the server's begins", async () => {
    const fake = new Fake();
    const source = open(fake);
    const pulling = source.pull(background, 1);
    await elapse(1_500);
    fake.offer(message("a", "a"));
    const got = await pulling;
    await elapse(8_500);
    expect(await source.ack(background, got)).toEqual(got);
    expect(fake.said).toEqual(["pull 1"]);
  });

  it("is lost when its answer comes after the end of the lease", async () => {
    const { fake, source, got } = await holding(["a"]);
    await elapse(9_000);
    fake.answers.push(() => time.sleep(2_000));
    const acking = source.ack(background, got);
    await elapse(2_000);
    expect(await acking).toEqual(got);
  });

  it("that the server refuses for some is lost for these, and counts for the others", async () => {
    const { fake, source, got } = await holding(["a", "b", "c"]);
    fake.answers.push(rejects(named({ b: "PERMANENT_FAILURE_INVALID_ACK_ID" })));
    expect(await source.ack(background, got)).toEqual([got[1]]);
    expect(fake.said).toEqual(["ack a b c"]);
  });

  it("whose answer was lost, and that is refused when it is repeated, has counted: no other can have had it", async () => {
    const { fake, source, got } = await holding(["a", "b"]);
    const refusal = named({ a: "PERMANENT_FAILURE_INVALID_ACK_ID" });
    fake.answers.push(rejects(fails(14)), rejects(refusal));
    await expect(source.ack(background, got.slice(0, 1))).rejects.toThrow("status 14");
    expect(await source.ack(background, got.slice(0, 1))).toEqual([]);
    // One that was not sent before is lost.
    fake.answers.push(rejects(named({ b: "PERMANENT_FAILURE_INVALID_ACK_ID" })));
    expect(await source.ack(background, got.slice(1))).toEqual(got.slice(1));
  });

  it("that the server could not take for some now rejects, and is sent for these alone the next time", async () => {
    const { fake, source, got } = await holding(["a", "b", "c"]);
    const error = named({ b: "TRANSIENT_FAILURE_SERVICE_UNAVAILABLE", c: "PERMANENT_FAILURE_INVALID_ACK_ID" });
    fake.answers.push(rejects(error));
    await expect(source.ack(background, got)).rejects.toBe(error);
    expect(await source.ack(background, got)).toEqual([got[2]]);
    expect(fake.said).toEqual(["ack a b c", "ack b"]);
  });

  it("that fails rejects with the error, and can be repeated", async () => {
    const { fake, source, got } = await holding(["a"]);
    for (const error of [fails(14), fails(3, { errorInfoMetadata: { somebody: "else" } }), null]) {
      fake.answers.push(rejects(error));
      await expect(source.nack(background, [nacked(got[0]!)])).rejects.toBe(error);
    }
    expect(await source.nack(background, [nacked(got[0]!)])).toEqual([]);
    expect(fake.said).toEqual(["0 s a", "0 s a", "0 s a", "0 s a"]);
  });

  it("settles when its ctx ends, and what is confirmed later still counts", async () => {
    const { fake, source, got } = await holding(["a"]);
    fake.answers.push(() => time.sleep(1_000));
    const [ctx, cancel] = context.withCancel(background);
    const acking = source.ack(ctx, got);
    await elapse(0);
    cancel();
    await expect(acking).rejects.toThrow("context canceled");
    await elapse(1_000);
    expect(await source.ack(background, got)).toEqual([]);
    expect(fake.said).toEqual(["ack a"]);
  });

  it("is not sent under a ctx that has ended", async () => {
    const publisher = new Fake();
    const { fake, source, got } = await holding(["a"], deadLetters(publisher));
    const [ctx, cancel] = context.withCancel(background);
    cancel();
    await expect(source.ack(ctx, got)).rejects.toThrow("context canceled");
    await expect(source.deadLetter!(ctx, [{ delivery: got[0]!, error: "no" }])).rejects.toThrow("context canceled");
    expect([...fake.said, ...publisher.said]).toEqual([]);
  });
});

describe("an extension of Pub/Sub", () => {
  virtualTime();

  it("restarts the lease, from when it was sent", async () => {
    const { fake, source, got } = await holding(["a"]);
    await elapse(9_000);
    expect(await source.extend!(background, got)).toEqual([]);
    await elapse(9_000);
    expect(await source.extend!(background, got)).toEqual([]);
    await elapse(9_999);
    expect(await source.ack(background, got)).toEqual([]);
    expect(fake.said).toEqual(["10 s a", "10 s a", "ack a"]);
  });

  it("that fails restarts nothing", async () => {
    const { fake, source, got } = await holding(["a"]);
    await elapse(5_000);
    fake.answers.push(rejects(fails(14)));
    await expect(source.extend!(background, got)).rejects.toThrow("status 14");
    await elapse(5_000);
    expect(await source.ack(background, got)).toEqual(got);
  });

  it("of what the server has lost reports it, and later verdicts on it are lost without asking", async () => {
    const { fake, source, got } = await holding(["a", "b"]);
    fake.answers.push(rejects(named({ a: "PERMANENT_FAILURE_INVALID_ACK_ID" })));
    expect(await source.extend!(background, got)).toEqual([got[0]]);
    expect(await source.ack(background, got)).toEqual([got[0]]);
    expect(fake.said).toEqual(["10 s a b", "ack b"]);
  });

  it("leaves out what a verdict is on its way for: it could cut the delay of a nack short", async () => {
    const { fake, source, got } = await holding(["a", "b"]);
    fake.answers.push(() => time.sleep(100));
    const nacking = source.nack(background, [nacked(got[0]!, 60_000)]);
    await elapse(0);
    expect(await source.extend!(background, got)).toEqual([]);
    await elapse(100);
    expect(await nacking).toEqual([]);
    expect(fake.said).toEqual(["60 s a", "10 s b"]);
  });

  it("takes in again what a verdict has failed for", async () => {
    const { fake, source, got } = await holding(["a"]);
    fake.answers.push(rejects(fails(14)));
    await source.ack(background, got).catch(() => {});
    expect(await source.extend!(background, got)).toEqual([]);
    expect(fake.said).toEqual(["ack a", "10 s a"]);
  });
});

describe("a dead letter of Pub/Sub", () => {
  virtualTime();

  async function dying(options: object = {}) {
    const fake = new Fake();
    const source = open(fake, { ...deadLetters(fake), ...options });
    fake.offer(message("a", "a", { attributes: { colour: "red", googclient_x: "y" }, orderingKey: "k" }));
    fake.offer(message("b", "b"));
    const got = await source.pull(background, 5);
    fake.said.length = 0;
    const bury = (error: unknown = new RangeError("no such account")) =>
      source.deadLetter!(
        background,
        got.map((delivery) => ({ delivery, error })),
      );
    return { fake, source, got, bury };
  }

  it("is published with its body, its attributes and the reason, and then acked", async () => {
    const { fake, bury } = await dying();
    expect(await bury()).toEqual([]);
    expect(fake.said).toEqual(["publish a", "publish b", "ack a b"]);
    expect(fake.letters[0]).toEqual({
      data: new TextEncoder().encode("a"),
      orderingKey: "k",
      attributes: {
        colour: "red",
        "headgate-reason": "RangeError: no such account",
        "headgate-attempts": "1",
        "headgate-subscription": subscription,
        "headgate-message-id": "id a",
      },
    });
  });

  it("has a reason that Pub/Sub takes, however long the error is", async () => {
    const { fake, bury } = await dying();
    await bury("🚀".repeat(1_000));
    const reason = fake.letters[0]!.attributes["headgate-reason"]!;
    expect(reason).toMatch(/^(🚀){200,}/u);
    expect(Buffer.byteLength(reason)).toBeLessThanOrEqual(1_024);
  });

  it("has text that UTF-8 can write, in its reason and wherever else it is ours to write", async () => {
    const { fake, bury } = await dying();
    await bury(new Error("half \uD83D"));
    const { attributes } = fake.letters[0]!;
    expect(attributes["headgate-reason"]).toBe("Error: half \uFFFD");
  });

  it("that is refused is published in a smaller form, down to the message by itself", async () => {
    const attributesOf = (letter: Letter): string[] => Object.keys(letter.attributes);
    const ours = ["headgate-attempts", "headgate-subscription", "headgate-message-id"];
    const forms = [["colour", "headgate-reason", ...ours], ["colour", ...ours], ["headgate-reason", ...ours], ours, []];
    for (const [refused, form] of forms.entries()) {
      const fake = new Fake();
      const source = open(fake, deadLetters(fake));
      fake.offer(message("a", "a", { attributes: { colour: "red" } }));
      const got = await source.pull(background, 1);
      for (let n = 0; n < refused; n++) fake.answers.push(rejects(fails(3)));
      expect(await source.deadLetter!(background, [{ delivery: got[0]!, error: "no" }])).toEqual([]);
      expect(attributesOf(fake.letters[0]!)).toEqual(form);
    }
  });

  it("that is refused in every form rejects, and is not acked; the others are, and stay so for longer than a lease", async () => {
    const { fake, source, got, bury } = await dying();
    // Both are published at once: the answers to the first forms come in turn, and then those to the other forms of a.
    fake.answers.push(rejects(fails(3)), async () => {}, ...Array.from({ length: 4 }, () => rejects(fails(3))));
    await expect(bury()).rejects.toThrow("status 3");
    expect(fake.said.at(-1)).toBe("ack b");
    for (let n = 0; n < 4; n++) {
      await elapse(4_000);
      expect(await source.extend!(background, got)).toEqual([]);
    }
    expect(await bury()).toEqual([]);
    expect(fake.said.filter((said) => said.startsWith("ack"))).toEqual(["ack b", "ack a"]);
  });

  it("has no more attributes than Pub/Sub takes", async () => {
    const fake = new Fake();
    const source = open(fake, deadLetters(fake));
    const attributes = Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`name ${i}`, ""]));
    fake.offer(message("a", "a", { attributes }));
    const [delivery] = await source.pull(background, 1);
    await source.deadLetter!(background, [{ delivery: delivery!, error: "no" }]);
    expect(Object.keys(fake.letters[0]!.attributes).length).toBe(100);
    expect(fake.letters[0]!.attributes["headgate-reason"]).toBe("no");
  });

  it("is not published again when the ack has failed", async () => {
    const { fake, bury } = await dying();
    fake.answers.push(
      async () => {},
      async () => {},
      rejects(fails(14)),
    );
    await expect(bury()).rejects.toThrow("status 14");
    expect(await bury()).toEqual([]);
    expect(fake.said).toEqual(["publish a", "publish b", "ack a b", "ack a b"]);
  });

  it("that cannot be published rejects, and is not acked; the others are", async () => {
    const { fake, bury } = await dying();
    fake.answers.push(rejects(fails(7)));
    await expect(bury()).rejects.toThrow("status 7");
    expect(fake.said).toEqual(["publish a", "publish b", "ack b"]);
    expect(await bury()).toEqual([]);
    expect(fake.said.slice(3)).toEqual(["publish a", "ack a"]);
    expect(fake.letters.length).toBe(2);
  });

  it("is no method of a source without a topic for them", () => {
    expect(open(new Fake()).deadLetter).toBe(undefined);
  });
});

describe("the options of Pub/Sub", () => {
  it("refuse what makes no sense, by name", () => {
    const fake = new Fake();
    const make = (options: object) => () => open(fake, options);
    expect(() => pubsubSubscription({} as PubsubSubscriber, { subscription })).toThrow(
      "the client has no pull; give it a v1.SubscriberClient",
    );
    expect(() => pubsubSubscription(fake, undefined as never)).toThrow("expected an options object, got undefined");
    expect(make({ leases: 10_000 })).toThrow("there is no option leases; there are subscription, lease, wait");
    for (const name of ["s", "projects/p/topics/s", "projects/p/subscriptions/", 7])
      expect(make({ subscription: name })).toThrow(
        `must be a full name, projects/<project>/subscriptions/<name>; got ${givenIn(name)}`,
      );
    for (const lease of [9_000, 10_500, 601_000, NaN, "10000"])
      expect(make({ lease })).toThrow("lease must be whole seconds, 10 000 to 600 000 ms");
    for (const wait of [0, 99, 8_001, NaN, "1000"]) expect(make({ wait })).toThrow("wait must be 100 to 8 000 ms");
    expect(make({ decode: "json" })).toThrow('decode must be "text" or "bytes"; got the string "json"');
    expect(make({ deadLetters: { topic: "dead", publisher: fake } })).toThrow("deadLetters.topic must be a full name");
    expect(make({ deadLetters: null })).toThrow("deadLetters: expected an options object, got null");
    expect(make({ deadLetters: { name: topic } })).toThrow("no option name; there are topic, publisher");
    expect(make({ deadLetters: { topic } })).toThrow("deadLetters.publisher must be a v1.PublisherClient");
    // That of the high-level client has a publish, too, with other arguments.
    const high = { publish: () => {}, publishMessage: () => {} };
    expect(make({ deadLetters: { topic, publisher: high } })).toThrow(
      "deadLetters.publisher must be a v1.PublisherClient",
    );
  });

  it("have the shortest lease there is, where nothing is said", () => {
    expect(open(new Fake()).lease).toBe(10_000);
    expect(open(new Fake(), { lease: 600_000 }).lease).toBe(600_000);
  });
});
