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
import { elapse, virtualTime } from "../clock.ts";

const background = context.background();

/** A broker with one channel at a time: it delivers what it is told to, and notes what is said to it. */
class Fake extends EventEmitter {
  readonly said: string[] = [];
  channels = 0;
  window = 0;
  /** Whether requests are answered. */
  mute = false;
  /** What is delivered between a cancel and its answer. */
  late: string[] = [];
  private tag = 0;
  private receive: (message: RabbitMessage | null) => void = () => {};

  readonly connection: RabbitConnection = {
    on: () => {},
    close: async () => {},
    createConfirmChannel: async () => {
      this.channels++;
      this.tag = 0;
      this.removeAllListeners();
      return {
        on: (event, listener) => this.on(event, listener as () => void),
        prefetch: async (count) => {
          this.window = count;
          if (this.mute) await new Promise(() => {});
        },
        consume: async (_, receive) => {
          this.receive = receive;
          return { consumerTag: "t" };
        },
        cancel: async () => {
          this.deliver(...this.late);
          this.said.push("cancel");
        },
        assertQueue: async (queue) => this.said.push(`declare ${queue}`),
        sendToQueue: (queue, content, options, confirmed) => {
          this.said.push(`publish ${queue} ${String(options["expiration"])} ${new TextDecoder().decode(content)}`);
          confirmed(null);
        },
        ack: ({ fields }, upTo) => this.said.push(`ack ${fields.deliveryTag}${upTo === true ? " and before" : ""}`),
        nack: ({ fields }, _, requeue) => this.said.push(`${requeue ? "requeue" : "reject"} ${fields.deliveryTag}`),
        close: async () => this.cut(),
      };
    },
  };

  deliver(...bodies: string[]): void {
    for (const body of bodies) {
      this.receive({
        content: new TextEncoder().encode(body),
        fields: { deliveryTag: ++this.tag, redelivered: false },
        properties: { headers: { "x-delivery-count": 2, "headgate-attempts": 3 } },
      });
    }
  }

  cut(): void {
    this.emit("close");
  }
}

function open(options: Partial<RabbitQueueOptions> = {}): [Fake, ReturnType<typeof rabbitQueue>] {
  const fake = new Fake();
  return [fake, rabbitQueue(fake.connection, { queue: "q", ...options })];
}

describe("a queue of RabbitMQ", () => {
  virtualTime();

  it("lets the broker assign as many messages as the first pull asks for", async () => {
    const [fake, source] = open();
    const pulling = source.pull(background, 7);
    await elapse(1);
    fake.deliver("a");
    expect((await pulling).map(({ body }) => body)).toEqual(["a"]);
    expect(fake.window).toBe(7);
  });

  it("counts the attempts of all copies of a message", async () => {
    const [fake, source] = open();
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

  it("gives back what is buffered when nobody pulls for a second, and not what was handed over", async () => {
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

  it("keeps its buffer as long as somebody pulls", async () => {
    const [fake, source] = open({ prefetch: 9 });
    const pulling = source.pull(background, 1);
    await elapse(1);
    fake.deliver("a", "b", "c", "d");
    await pulling;
    for (const body of ["b", "c"]) {
      await elapse(600);
      expect((await source.pull(background, 1)).map((delivery) => delivery.body)).toEqual([body]);
    }
    expect(fake.said).toEqual([]);
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
    expect(await source.ack(background, held)).toEqual(held);
    expect(await source.nack(background, [{ delivery: held[0]!, delay: 0, why: "failed" }])).toEqual(held);
    expect(fake.said).toEqual([]);
    const third = source.pull(background, 5);
    await elapse(1);
    fake.deliver("a");
    const again = await third;
    expect(fake.channels).toBe(2);
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
      { delivery: held[0]!, delay: 300, why: "failed" },
      { delivery: held[1]!, delay: 0, why: "released" },
    ]);
    expect(fake.said).toEqual(["declare q.delay.500", "requeue 2", "publish q.delay.500 300 a", "ack 1"]);
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
