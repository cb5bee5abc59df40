/**
 * What the source of NATS makes of JetStream's protocol, on a connection in memory and in virtual time.
 */
import { context } from "headgate";
import { type NatsConnection, type NatsMessage, natsConsumer, type NatsConsumerOptions } from "headgate/worker/nats";
import { describe, expect, it } from "vitest";
import { elapse, virtualTime } from "../clock.ts";

const background = context.background();
const NEXT = "$JS.API.CONSUMER.MSG.NEXT.s.w";

/** A server that notes what is published, and answers it when told to. */
class Fake implements NatsConnection {
  readonly said: string[] = [];
  config: object = { ack_policy: "explicit", ack_wait: 30e9 };
  /** Whether verdicts are confirmed. */
  confirms = true;
  /** Where the last request for messages wants them. */
  inbox = "";
  private readonly listeners: { subject: string; callback: (error: null, message: NatsMessage) => void }[] = [];

  subscribe(subject: string, { callback }: { callback: (error: null, message: NatsMessage) => void }): void {
    this.listeners.push({ subject: subject.replace("*", ""), callback });
  }

  publish(subject: string, payload?: Uint8Array | string, options: { reply?: string } = {}): void {
    if (subject.startsWith("$JS.API.CONSUMER.INFO")) this.send(options.reply!, JSON.stringify({ config: this.config }));
    else if (subject === NEXT) this.inbox = options.reply!;
    if (subject === NEXT) this.said.push(`next ${String(payload)}`);
    if (!subject.startsWith("$JS.ACK")) return;
    this.said.push(`${String(payload)} ${subject.split(".").slice(4, 6).join(" ")}`);
    if (this.confirms) this.send(options.reply!, "");
  }

  async flush(): Promise<void> {}

  /** Sends to an inbox: a message of the stream, if it has a delivery count and a sequence; else an answer or a status. */
  send(inbox: string, body: string, more: Partial<NatsMessage> = {}): void {
    const data = new TextEncoder().encode(body);
    const listener = this.listeners.find(({ subject }) => inbox.startsWith(subject))!;
    queueMicrotask(() => listener.callback(null, { subject: inbox, data, ...more }));
  }

  deliver(body: string, count: number, sequence: number): void {
    this.send(this.inbox, body, { subject: "s.m", reply: `$JS.ACK.s.w.${count}.${sequence}.9.9.0` });
  }

  status(code: number, description: string): void {
    const headers = { code, description, keys: () => [], get: () => "", set: () => {} };
    this.send(this.inbox, "", { headers });
  }
}

function open(fake: Fake, options: Partial<NatsConsumerOptions> = {}): ReturnType<typeof natsConsumer> {
  return natsConsumer(fake, { stream: "s", consumer: "w", ...options });
}

describe("a consumer of NATS", () => {
  virtualTime();

  it("has the ack_wait of the consumer as its lease, in ms", async () => {
    expect((await open(new Fake())).lease).toBe(30_000);
  });

  it("asks once, and hands over all that the server had when there was one", async () => {
    const fake = new Fake();
    const source = await open(fake);
    const pulling = source.pull(background, 5);
    await elapse(100);
    fake.deliver("a", 1, 7);
    fake.deliver("b", 3, 8);
    fake.status(408, "Request Timeout");
    const got = await pulling;
    expect(got.map(({ id, body, attempt }) => [id, body, attempt])).toEqual([
      ["7.1", "a", 1],
      ["8.3", "b", 3],
    ]);
    expect(fake.said).toEqual(['next {"batch":5,"expires":500000000,"no_wait":true}']);
  });

  it("hands over what comes after its ctx has ended, for the request is still under way", async () => {
    const fake = new Fake();
    const source = await open(fake);
    const [ctx, cancel] = context.withCancel(background);
    const pulling = source.pull(ctx, 5);
    await elapse(100);
    cancel();
    await elapse(100);
    fake.deliver("a", 1, 7);
    fake.status(408, "Request Timeout");
    expect((await pulling).length).toBe(1);
  });

  it("does not send a verdict on a lease that has run out, for the server would settle the next delivery with it", async () => {
    const fake = new Fake();
    const source = await open(fake);
    const pulling = source.pull(background, 1);
    await elapse(1);
    fake.deliver("a", 1, 7);
    const got = await pulling;
    await elapse(30_000);
    expect(await source.ack(background, got)).toEqual(got);
    expect(await source.extend!(background, got)).toEqual(got);
    expect(fake.said.length).toBe(1);
  });

  it("restarts a lease that is extended", async () => {
    const fake = new Fake();
    const source = await open(fake);
    const pulling = source.pull(background, 1);
    await elapse(1);
    fake.deliver("a", 1, 7);
    const got = await pulling;
    await elapse(20_000);
    expect(await source.extend!(background, got)).toEqual([]);
    await elapse(20_000);
    expect(await source.nack(background, [{ delivery: got[0]!, delay: 5, why: "failed" }])).toEqual([]);
    expect(fake.said.slice(1)).toEqual(["+WPI 1 7", '-NAK {"delay":5000000} 1 7']);
  });

  it("rejects a verdict that the server does not confirm in time, and sends it again", async () => {
    const fake = new Fake();
    const source = await open(fake);
    const pulling = source.pull(background, 1);
    await elapse(1);
    fake.deliver("a", 1, 7);
    const got = await pulling;
    fake.confirms = false;
    const [ctx] = context.withTimeout(background, 100);
    const rejected = expect(source.ack(ctx, got)).rejects.toThrow("deadline");
    await elapse(100);
    await rejected;
    fake.confirms = true;
    expect(await source.ack(background, got)).toEqual([]);
    expect(fake.said.slice(1)).toEqual(["+ACK 1 7", "+ACK 1 7"]);
  });

  it("rejects a pull that the server does not answer, or answers with an error", async () => {
    const fake = new Fake();
    const source = await open(fake);
    const silent = expect(source.pull(background, 1)).rejects.toThrow("did not answer within 900 ms");
    await elapse(900);
    await silent;
    const refused = expect(source.pull(background, 1)).rejects.toThrow("409 Consumer Deleted");
    await elapse(1);
    fake.status(409, "Consumer Deleted");
    await refused;
  });

  it("refuses options that make no sense, and consumers that it cannot use", async () => {
    const fake = new Fake();
    await expect(open(fake, { consumer: "a.b" })).rejects.toThrow("consumer must be a name without spaces, dots");
    await expect(natsConsumer({} as NatsConnection, { stream: "s", consumer: "w" })).rejects.toThrow("no publish");
    fake.config = { ack_policy: "none", ack_wait: 1 };
    await expect(open(fake)).rejects.toThrow("must have the ack_policy explicit, not none");
    fake.config = { ack_policy: "explicit", ack_wait: 1, deliver_subject: "x" };
    await expect(open(fake)).rejects.toThrow("is a push consumer");
  });
});
