/**
 * What the source of RabbitMQ makes of a broker that pushes, on a channel in memory and in virtual time.
 */
import { EventEmitter } from "node:events";
import { context } from "headgate";
import {
  type RabbitConnection,
  type RabbitMessage,
  rabbitQueue,
  type RabbitQueueOptions,
} from "headgate/worker/rabbitmq";
import { describe, expect, it } from "vitest";
import { elapse, virtualTime } from "../support/clock.ts";

const background = context.background();

/** A channel, and its listeners. */
interface Open {
  readonly events: EventEmitter;
  receive: (message: RabbitMessage | null) => void;
  tag: number;
  prefetch: number;
}

/** A broker: it delivers what the test says on the channel that consumes, and records the commands it gets. */
class Fake {
  readonly said: string[] = [];
  channels = 0;
  window = 0;
  noDelay = false;
  /** Whether requests are answered. */
  mute = false;
  /** Whether publishes are confirmed; what waits for that. */
  confirms = true;
  readonly unconfirmed: (() => void)[] = [];
  /** What happens instead when a queue is declared, or a channel opened. */
  refusal: Error | undefined;
  /** What is delivered between a cancel and its answer. */
  late: string[] = [];
  /** The headers of the messages. */
  headers: Record<string, unknown> = { "x-delivery-count": 2, "headgate-attempts": 3 };
  redelivered = false;
  readonly published: Record<string, unknown>[] = [];
  /** Runs when a consumer begins, before its answer is heard. */
  begins = (): void => {};
  readonly events: EventEmitter = new EventEmitter();
  private consumer: Open | undefined;
  /** Its socket; and what it was destroyed with. */
  readonly stream = {
    bytesRead: 0,
    setNoDelay: (noDelay: boolean): void => void (this.noDelay = noDelay),
    destroy: (error: Error): void => void this.destroyed.push(error),
  };
  readonly destroyed: Error[] = [];
  /** The body that a queue for copies refuses; the error of a nack; whether the queue answers nothing. */
  refuses: string | undefined;
  broken: Error | undefined;
  deaf = false;
  /** How often it was asked by a consumer without credit; what it delivers to such a one, as RabbitMQ 4 may. */
  asked = 0;
  surplus: string[] = [];

  private asks(channel: Open, receive: (message: RabbitMessage | null) => void): Promise<{ consumerTag: string }> {
    this.asked++;
    if (this.deaf) return new Promise(() => {});
    for (const body of this.surplus.splice(0)) receive(this.message(channel, body));
    return Promise.resolve({ consumerTag: "asks" });
  }

  readonly connection: RabbitConnection = {
    on: (event, listener) => this.events.on(event, listener as () => void),
    connection: { stream: this.stream },
    close: async () => {
      if (this.mute) await new Promise(() => {});
      this.said.push("close the connection");
    },
    createConfirmChannel: async () => {
      if (this.refusal !== undefined) throw this.refusal;
      this.channels++;
      const channel: Open = { events: new EventEmitter(), receive: () => {}, tag: 0, prefetch: 0 };
      return {
        connection: { stream: this.stream },
        on: (event, listener) => channel.events.on(event, listener as () => void),
        prefetch: async (count) => {
          channel.prefetch = count;
          if (this.mute) await new Promise(() => {});
        },
        consume: async (_, receive, options) => {
          if (this.mute) await new Promise(() => {});
          if (options?.arguments?.["x-credit"] !== undefined) return this.asks(channel, receive);
          this.window = channel.prefetch;
          this.consumer = channel;
          channel.receive = receive;
          this.begins();
          return { consumerTag: "t" };
        },
        cancel: async (tag) => {
          if (this.mute) await new Promise(() => {});
          if (tag !== "t") return;
          this.deliver(...this.late);
          this.said.push("cancel");
        },
        assertQueue: async (queue) => {
          if (this.refusal !== undefined) {
            channel.events.emit("error", this.refusal);
            channel.events.emit("close");
            throw this.refusal;
          }
          this.said.push(`declare ${queue}`);
        },
        sendToQueue: (queue, content, options, confirmed) => {
          this.said.push(`publish ${queue} ${String(options["expiration"])} ${new TextDecoder().decode(content)}`);
          this.published.push(options["headers"] as Record<string, unknown>);
          if (this.refuses === new TextDecoder().decode(content)) confirmed(new Error("message nacked"));
          else if (this.confirms) confirmed(null);
          else this.unconfirmed.push(() => confirmed(null));
        },
        ack: ({ fields }, upTo) => this.said.push(`ack ${fields.deliveryTag}${upTo === true ? " and before" : ""}`),
        nack: ({ fields }, _, requeue) => {
          if (this.broken !== undefined) throw this.broken;
          this.said.push(`${requeue ? "requeue" : "reject"} ${fields.deliveryTag}`);
        },
        close: async () => void channel.events.emit("close"),
      };
    },
  };

  deliver(...bodies: string[]): void {
    const channel = this.consumer!;
    for (const body of bodies) channel.receive(this.message(channel, body));
  }

  private message(channel: Open, body: string): RabbitMessage {
    return {
      content: new TextEncoder().encode(body),
      fields: { deliveryTag: ++channel.tag, redelivered: this.redelivered },
      properties: { headers: this.headers },
    };
  }

  /** The broker cancels the consumer. */
  cancels(): void {
    this.consumer!.receive(null);
  }

  cut(): void {
    this.consumer!.events.emit("close");
  }
}

function open(options: Partial<RabbitQueueOptions> = {}): [Fake, ReturnType<typeof rabbitQueue>] {
  const fake = new Fake();
  return [fake, rabbitQueue(fake.connection, { queue: "q", ...options })];
}

describe("a queue of RabbitMQ", () => {
  virtualTime();

  it("lets the broker assign as many messages as there is room for", async () => {
    const [fake, source] = open();
    const pulling = source.pull(background, 7, 20);
    await elapse(1);
    fake.deliver("a");
    expect((await pulling).map(({ body }) => body)).toEqual(["a"]);
    expect(fake.window).toBe(20);
  });

  it("lets the broker assign more when all that it may assign is held, and there is room for more", async () => {
    const [fake, source] = open();
    const first = source.pull(background, 2);
    await elapse(1);
    fake.deliver("a", "b");
    const held = await first;
    const second = source.pull(background, 3);
    await elapse(1);
    expect([fake.said, fake.window]).toEqual([["cancel"], 3]);
    fake.deliver("c");
    expect((await second).map(({ body }) => body)).toEqual(["c"]);
    // The broker may assign two more, so it is left alone.
    const third = source.pull(background, 2);
    await source.ack(background, held);
    expect(fake.said).toEqual(["cancel", "ack 2 and before"]);
    fake.deliver("d");
    expect((await third).length).toBe(1);
  });

  it("holds no more than prefetch", async () => {
    const [fake, source] = open({ prefetch: 2 });
    const first = source.pull(background, 5);
    await elapse(1);
    expect(fake.window).toBe(2);
    fake.deliver("a", "b");
    const held = await first;
    const second = source.pull(background, 5);
    await elapse(1_000);
    expect(fake.said).toEqual([]);
    await source.ack(background, held);
    fake.deliver("c");
    expect((await second).length).toBe(1);
    expect(fake.said).toEqual(["ack 2 and before"]);
  });

  it("does not let an ack wait for the next packet", async () => {
    const [fake, source] = open();
    const [ctx, cancel] = context.withCancel(background);
    const pulling = source.pull(ctx, 1);
    await elapse(1);
    cancel();
    await pulling;
    expect(fake.noDelay).toBe(true);
  });

  it("counts the failures of a message, and no releases", async () => {
    const [fake, source] = open();
    const pulling = source.pull(background, 1);
    await elapse(1);
    fake.redelivered = true;
    fake.deliver("a");
    expect((await pulling)[0]!.attempt).toBe(4);
  });

  it("counts every delivery of a message that is too large to be copied with the count of its failures", async () => {
    const [fake, source] = open();
    fake.headers = { "x-delivery-count": 2, "headgate-attempts": 3, large: "x".repeat(64_500) };
    fake.redelivered = true;
    const pulling = source.pull(background, 1);
    await elapse(1);
    fake.deliver("a");
    expect((await pulling)[0]!.attempt).toBe(6);
  });

  it("hands over what arrives until a cancelled pull has stopped the consumer", async () => {
    const [fake, source] = open();
    const [ctx, cancel] = context.withCancel(background);
    const pulling = source.pull(ctx, 2);
    await elapse(1);
    fake.late = ["a", "b", "c"];
    cancel();
    expect((await pulling).map(({ body }) => body)).toEqual(["a", "b"]);
    expect(fake.said).toEqual(["cancel", "requeue 3"]);
  });

  it("gives back what is buffered after a second without a pull, and not what was handed over", async () => {
    const [fake, source] = open();
    const pulling = source.pull(background, 1);
    await elapse(1);
    fake.deliver("a", "b", "c");
    await pulling;
    await elapse(999);
    expect(fake.said).toEqual([]);
    await elapse(10);
    expect(fake.said).toEqual(["cancel", "requeue 2", "requeue 3"]);
  });

  it("keeps its buffer as long as there are pulls", async () => {
    const [fake, source] = open();
    const pulling = source.pull(background, 1, 9);
    await elapse(1);
    fake.deliver("a", "b", "c", "d");
    await pulling;
    for (const body of ["b", "c"]) {
      await elapse(600);
      expect((await source.pull(background, 1)).map((delivery) => delivery.body)).toEqual([body]);
    }
    expect(fake.said).toEqual([]);
  });

  it("stops a consumer that had not begun yet when the pull was cancelled", async () => {
    const [fake, source] = open();
    const [ctx, cancel] = context.withCancel(background);
    const pulling = source.pull(ctx, 5);
    cancel();
    fake.begins = () => fake.deliver("a");
    expect((await pulling).map(({ body }) => body)).toEqual(["a"]);
    expect(fake.said).toEqual(["cancel"]);
  });

  it("begins again when the broker has cancelled the consumer, even before it was heard to begin", async () => {
    const [fake, source] = open();
    fake.begins = () => {
      fake.begins = () => {};
      fake.cancels();
    };
    const pulling = source.pull(background, 5);
    await elapse(1);
    fake.deliver("a");
    expect((await pulling).length).toBe(1);
    expect(fake.channels).toBe(1);
  });

  it("reports every delivery of a closed channel as lost, rejects the pull, and opens another channel", async () => {
    const [fake, source] = open();
    const first = source.pull(background, 5);
    await elapse(1);
    fake.deliver("a");
    const held = await first;
    const second = source.pull(background, 5);
    const rejected = expect(second).rejects.toThrow("the channel was closed");
    await elapse(1);
    fake.cut();
    await rejected;
    expect(await source.extend!(background, held)).toEqual(held);
    expect(await source.ack(background, held)).toEqual(held);
    expect(await source.nack(background, [{ delivery: held[0]!, delay: 0, reason: "failed" }])).toEqual(held);
    expect(fake.said).toEqual([]);
    const third = source.pull(background, 5);
    await elapse(1);
    fake.deliver("a");
    const again = await third;
    expect(fake.channels).toBe(2);
    expect(await source.extend!(background, again)).toEqual([]);
    expect(await source.ack(background, again)).toEqual([]);
  });

  it("does not tell the broker of a tag twice when the first call got no answer", async () => {
    const [fake, source] = open();
    const pulling = source.pull(background, 5);
    await elapse(1);
    fake.deliver("a", "b", "c");
    const held = await pulling;
    fake.mute = true;
    const [ctx] = context.withTimeout(background, 100);
    const rejected = expect(source.ack(ctx, [held[1]!, held[0]!])).rejects.toThrow("deadline");
    await elapse(200);
    await rejected;
    fake.mute = false;
    expect(await source.ack(background, [held[1]!, held[0]!])).toEqual([]);
    expect(fake.said).toEqual(["ack 2 and before"]);
  });

  it("acks one by one what is younger than a message without a verdict", async () => {
    const [fake, source] = open();
    const pulling = source.pull(background, 5);
    await elapse(1);
    fake.deliver("a", "b", "c");
    const held = await pulling;
    await source.ack(background, held.slice(1));
    expect(fake.said).toEqual(["ack 2", "ack 3"]);
  });

  it("lets a message wait in the queue of its delay, and acks it when it is there", async () => {
    const [fake, source] = open();
    const pulling = source.pull(background, 5);
    await elapse(1);
    fake.deliver("a", "b");
    const held = await pulling;
    await source.nack(background, [
      { delivery: held[0]!, delay: 300, reason: "failed" },
      { delivery: held[1]!, delay: 0, reason: "released" },
    ]);
    expect(fake.said).toEqual(["requeue 2", "declare q.delay.500", "publish q.delay.500 300 a", "ack 1"]);
  });

  it("acks a moved message once, though the verdict was repeated before the copy was safe", async () => {
    const [fake, source] = open();
    const pulling = source.pull(background, 5);
    await elapse(1);
    fake.deliver("a");
    const [delivery] = await pulling;
    const item = { delivery: delivery!, delay: 300, reason: "failed" } as const;
    fake.confirms = false;
    const [ctx] = context.withTimeout(background, 100);
    const rejected = expect(source.nack(ctx, [item])).rejects.toThrow("deadline");
    await elapse(200);
    await rejected;
    const again = source.nack(background, [item]);
    await elapse(1);
    for (const confirm of fake.unconfirmed) confirm();
    expect(await again).toEqual([]);
    expect(fake.said).toEqual(["declare q.delay.500", "publish q.delay.500 300 a", "ack 1"]);
  });

  it("loses no delivery over a queue that cannot be declared, and tries that again", async () => {
    const [fake, source] = open();
    const pulling = source.pull(background, 5);
    await elapse(1);
    fake.deliver("a");
    const [delivery] = await pulling;
    const item = { delivery: delivery!, delay: 300, reason: "failed" } as const;
    fake.refusal = new Error("inequivalent arg");
    await expect(source.nack(background, [item])).rejects.toThrow("inequivalent arg");
    fake.refusal = undefined;
    expect(await source.nack(background, [item])).toEqual([]);
    expect(fake.said).toEqual(["declare q.delay.500", "publish q.delay.500 300 a", "ack 1"]);
  });

  it("copies what a message says of itself, not what the broker says of the copy, nor where else that was sent", async () => {
    const [fake, source] = open({ deadLetters: { queue: "dead" } });
    fake.headers = {
      colour: "red",
      CC: ["x"],
      BCC: ["y"],
      "x-death": [],
      "x-delivery-count": 1,
      "x-first-death-queue": "z",
    };
    const pulling = source.pull(background, 5);
    await elapse(1);
    fake.deliver("a");
    const [delivery] = await pulling;
    const error: unknown = Object.create(null);
    expect(await source.deadLetter!(background, [{ delivery: delivery!, error }])).toEqual([]);
    expect(fake.published).toEqual([
      {
        colour: "red",
        "headgate-reason": "an error that cannot be shown",
        "headgate-attempts": 1,
        "headgate-queue": "q",
        "headgate-copy": 1,
      },
    ]);
  });

  it("delivers a message without a key if the option throws, and every body as it is", async () => {
    const key = ({ content }: RabbitMessage): string =>
      (JSON.parse(new TextDecoder().decode(content)) as { key: string }).key;
    const [fake, source] = open({ key });
    const pulling = source.pull(background, 2);
    await elapse(1);
    fake.deliver('{"key":"k"}', "\uFEFF{");
    expect((await pulling).map((delivery) => [delivery.body, delivery.key])).toEqual([
      ['{"key":"k"}', "k"],
      ["\uFEFF{", undefined],
    ]);
  });

  it("closes a connection that it has made and that gives it no channel", async () => {
    const fake = new Fake();
    const source = rabbitQueue(async () => fake.connection, { queue: "q" });
    fake.refusal = new Error("no more channels");
    await expect(source.pull(background, 1)).rejects.toThrow("no more channels");
    expect(fake.said).toEqual(["close the connection"]);
  });

  it("listens once to a connection that it was given, however many channels it opens", async () => {
    const [fake, source] = open();
    for (let i = 0; i < 3; i++) {
      const pulling = expect(source.pull(background, 1)).rejects.toThrow("closed");
      await elapse(1);
      fake.cut();
      await pulling;
    }
    expect([fake.channels, fake.events.listenerCount("error")]).toEqual([3, 1]);
  });

  it("is closed within five seconds, though the broker does not answer", async () => {
    const [fake, source] = open();
    const pulling = source.pull(background, 1);
    await elapse(1);
    fake.deliver("a");
    await pulling;
    fake.mute = true;
    const closing = source.close();
    await elapse(5_000);
    await closing;
    await expect(source.pull(background, 1)).rejects.toThrow("pull after close()");
  });

  it("asks the queue before it says that acks count which the channel may keep back", async () => {
    const [fake, source] = open();
    const pulling = source.pull(background, 40);
    await elapse(1);
    fake.deliver(...Array.from({ length: 40 }, (_, i) => `m${i}`));
    const held = await pulling;
    await source.ack(background, held.slice(37));
    expect(fake.asked).toBe(0);
    fake.deaf = true;
    const [ctx] = context.withTimeout(background, 100);
    const rejected = expect(source.ack(ctx, held.slice(1, 37))).rejects.toThrow("deadline");
    await elapse(200);
    await rejected;
    expect(fake.asked).toBe(1);
    fake.deaf = false;
    fake.cut();
    // It is not known whether they count, so they do not.
    expect(await source.ack(background, held.slice(1, 37))).toEqual(held.slice(1, 37));
  });

  it("asks the queue for the acks of few messages, too, when it is closed", async () => {
    const [fake, source] = open();
    const pulling = source.pull(background, 1);
    await elapse(1);
    fake.deliver("a");
    await source.ack(background, await pulling);
    expect(fake.asked).toBe(0);
    await source.close();
    expect(fake.asked).toBe(2);
  });

  it("gives back what comes to a consumer that only asks", async () => {
    const [fake, source] = open();
    const pulling = source.pull(background, 1);
    await elapse(1);
    fake.deliver("a");
    await source.ack(background, await pulling);
    fake.surplus = ["b"];
    await source.close();
    expect(fake.said).toContain("requeue 1");
  });

  it("rejects nothing unheard when it is closed while the buffer is given back", async () => {
    const unheard: unknown[] = [];
    const listen = (error: unknown): void => void unheard.push(error);
    process.on("unhandledRejection", listen);
    const [fake, source] = open();
    const pulling = source.pull(background, 1);
    await elapse(1);
    fake.deliver("a", "b", "c");
    await pulling;
    await elapse(999);
    fake.broken = new Error("Channel closing");
    fake.mute = true;
    await elapse(1);
    const closing = source.close();
    // It was on its way, and is given back with the channel.
    fake.deliver("d");
    await elapse(10_000);
    await closing;
    process.off("unhandledRejection", listen);
    expect(unheard).toEqual([]);
  });

  it("settles the others of a batch of which one is refused, and they stay settled when the channel is cut", async () => {
    const [fake, source] = open({ deadLetters: { queue: "dead" } });
    const pulling = source.pull(background, 3);
    await elapse(1);
    fake.deliver("a", "b", "c");
    const held = await pulling;
    const items = held.map((delivery) => ({ delivery, error: new Error("no") }));
    fake.refuses = "b";
    await expect(source.deadLetter!(background, items)).rejects.toThrow("1 of 3 messages could not be settled");
    expect(fake.said.filter((what) => what.startsWith("ack"))).toEqual(["ack 1", "ack 3"]);
    fake.cut();
    expect(await source.deadLetter!(background, items)).toEqual([held[1]]);
  });

  it("publishes a letter that was refused on another channel the next time", async () => {
    const [fake, source] = open({ deadLetters: { queue: "dead" } });
    const pulling = source.pull(background, 3);
    await elapse(1);
    fake.deliver("b");
    const [delivery] = await pulling;
    fake.refuses = "b";
    const items = [{ delivery: delivery!, error: new Error("no") }];
    await expect(source.deadLetter!(background, items)).rejects.toThrow("has not taken a message");
    expect(fake.channels).toBe(2);
    fake.refuses = undefined;
    expect(await source.deadLetter!(background, items)).toEqual([]);
    expect(fake.channels).toBe(3);
  });

  it("writes a letter without its reason, or without the message's headers, where they are too large", async () => {
    const [fake, source] = open({ deadLetters: { queue: "dead" } });
    const letters: unknown[] = [];
    for (const size of [10, 64_000, 65_000]) {
      fake.headers = { large: "x".repeat(size) };
      const pulling = source.pull(background, 1);
      await elapse(1);
      fake.deliver("a");
      const [delivery] = await pulling;
      await source.deadLetter!(background, [{ delivery: delivery!, error: new Error("no".repeat(1_000)) }]);
      const headers = fake.published.at(-1)!;
      letters.push([headers["headgate-left-out"], "large" in headers, "headgate-reason" in headers]);
    }
    expect(letters).toEqual([
      [undefined, true, true],
      ["reason", true, false],
      ["headers", false, true],
    ]);
  });

  it("leaves a connection of its own on which nothing comes any more, and not one that it was given", async () => {
    for (const isOwned of [true, false]) {
      const fake = new Fake();
      const source = rabbitQueue(isOwned ? async () => fake.connection : fake.connection, { queue: "q" });
      const pulling = source.pull(background, 1);
      const rejected = expect(pulling).rejects.toThrow(isOwned ? "said nothing for 6 s" : "pull after close()");
      await elapse(1);
      for (let i = 0; i < 5; i++) {
        fake.stream.bytesRead++;
        await elapse(2_000);
      }
      expect(fake.destroyed).toEqual([]);
      await elapse(8_000);
      expect(fake.destroyed.length).toBe(isOwned ? 1 : 0);
      await source.close();
      await rejected;
    }
  });

  it("cuts a connection of its own that does not answer its goodbye", async () => {
    const fake = new Fake();
    const source = rabbitQueue(async () => fake.connection, { queue: "q", closeTimeout: 300 });
    const pulling = source.pull(background, 1);
    await elapse(1);
    fake.deliver("a");
    await source.ack(background, await pulling);
    fake.mute = true;
    const closing = source.close();
    await elapse(300);
    await closing;
    expect(fake.destroyed.length).toBe(1);
  });

  it("refuses arguments that keep no order", () => {
    const { connection } = new Fake();
    const single = { "x-queue-type": "quorum", "x-single-active-consumer": true };
    for (const ordered of [{}, single, { ...single, "x-delivery-limit": 0 }]) {
      expect(() => rabbitQueue(connection, { queue: "q", ordered })).toThrow('an "x-delivery-limit"');
    }
  });

  it("with ordered, lets what has failed wait here with those of its key, and gives nothing back but by closing the channel", async () => {
    const ordered = { "x-queue-type": "quorum", "x-single-active-consumer": true, "x-delivery-limit": 9 };
    const key = ({ content }: RabbitMessage): string => new TextDecoder().decode(content)[0]!;
    const [fake, source] = open({ ordered, key });
    fake.headers = {};
    const bodies = async (): Promise<unknown> =>
      (await source.pull(background, 9)).map(({ body, attempt }) => `${body} ${attempt}`);
    const pulling = source.pull(background, 9);
    await elapse(1);
    fake.deliver("a1", "a2", "b1");
    const [a1, a2, b1] = await pulling;
    const nacks = [
      { delivery: a1!, delay: 500, reason: "failed" },
      { delivery: a2!, delay: 500, reason: "released" },
    ] as const;
    expect(await source.nack(background, nacks)).toEqual([]);
    fake.deliver("a3", "b2");
    expect(await bodies()).toEqual(["b2 1"]);
    expect(await source.ack(background, [b1!])).toEqual([]);
    await elapse(500);
    expect(await bodies()).toEqual(["a1 2", "a2 1", "a3 1"]);
    expect(fake.said.filter((what) => !what.startsWith("declare"))).toEqual(["ack 3"]);
  });

  it("refuses options that make no sense", () => {
    const { connection } = new Fake();
    expect(() => rabbitQueue({} as RabbitConnection, { queue: "q" })).toThrow("connection of amqplib");
    expect(() => rabbitQueue(connection, { queue: "" })).toThrow("name of a queue");
    expect(() => rabbitQueue(connection, { queue: "q", prefetch: 0 })).toThrow("from 1 to 65535; got 0");
    expect(() => rabbitQueue(connection, { queue: "q", deadLetters: "x" as "broker" })).toThrow(
      '{ queue } or "broker"',
    );
  });
});
