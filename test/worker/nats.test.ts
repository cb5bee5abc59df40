/**
 * The source of NATS and JetStream's protocol, on a connection in memory and in virtual time.
 */
import { Chan, context } from "headgate";
import {
  type NatsConnection,
  natsConsumer,
  type NatsConsumerOptions,
  type NatsDelivery,
  type NatsHeaders,
  type NatsMessage,
  type NatsStatus,
} from "headgate/worker/nats";
import { describe, expect, it } from "vitest";
import { elapse, virtualTime } from "../support/clock.ts";

const background = context.background();
const NEXT = "$JS.API.CONSUMER.MSG.NEXT.s.w";

/** A server that notes what is published, and whose answers a test can change. */
class Fake implements NatsConnection {
  readonly said: string[] = [];
  config: object = { ack_policy: "explicit", ack_wait: 30e9 };
  /** Whether verdicts are confirmed. */
  confirms = true;
  /** The headers of the dead letters. */
  readonly letters: Record<string, string>[] = [];
  /** Where the last request for messages wants them. */
  inbox = "";
  /** Whether pings are answered. */
  pongs = true;
  /** The refusal of a dead letter: an error that the client throws, or an error of the server; `undefined` if both take it. */
  refuses: (size: number, headers: NatsHeaders | undefined) => Error | object | undefined = () => undefined;
  /** The log of releases: the last record of each subject. */
  readonly lines: Map<string, string> = new Map();
  streams: readonly string[] = ["released.>"];
  reconnects = 0;
  /** Sends more before the answer to a ping. */
  beforePong = (): void => {};
  private readonly events: Chan<NatsStatus> = new Chan(9);
  private readonly listeners: { subject: string; callback: (error: null, message: NatsMessage) => void }[] = [];

  subscribe(
    subject: string,
    { callback }: { callback: (error: null, message: NatsMessage) => void },
  ): { unsubscribe(): void } {
    this.listeners.push({ subject: subject.replace("*", ""), callback });
    return { unsubscribe: () => this.said.push(`unsubscribe ${subject}`) };
  }

  publish(subject: string, payload: Uint8Array, options: { reply?: string; headers?: NatsHeaders } = {}): void {
    if (subject.startsWith("$JS.API.CONSUMER.INFO")) this.send(options.reply!, JSON.stringify({ config: this.config }));
    else if (subject === NEXT) this.inbox = options.reply!;
    if (subject === NEXT) this.said.push(`next ${new TextDecoder().decode(payload)}`);
    if (subject.startsWith("dead")) this.bury(payload, options.reply!, options.headers);
    if (subject === "$JS.API.STREAM.INFO.released") {
      this.send(options.reply!, JSON.stringify({ config: { subjects: this.streams } }));
    }
    if (subject === "$JS.API.STREAM.MSG.GET.released") this.answerReleases(payload, options.reply!);
    if (subject.startsWith("released.")) {
      this.lines.set(subject, new TextDecoder().decode(payload));
      this.send(options.reply!, "{}");
    }
    if (!subject.startsWith("$JS.ACK")) return;
    const asks = options.reply === undefined ? "" : "?";
    if (asks === "?") this.replies.push(options.reply!);
    this.said.push(`${new TextDecoder().decode(payload)}${asks} ${subject.split(".").slice(4, 6).join(" ")}`);
    if (this.confirms && asks === "?") this.send(options.reply!, "");
  }

  private bury(payload: Uint8Array, reply: string, headers: NatsHeaders | undefined): void {
    const refusal = this.refuses(payload.length, headers);
    if (refusal instanceof Error) throw refusal;
    if (refusal !== undefined) return this.send(reply, JSON.stringify({ error: refusal }));
    this.letters.push(Object.fromEntries([...(headers?.keys() ?? [])].map((name) => [name, headers!.get(name)])));
    this.send(reply, "{}");
  }

  private answerReleases(payload: Uint8Array, reply: string): void {
    const { last_by_subj: subject } = JSON.parse(new TextDecoder().decode(payload)) as { last_by_subj: string };
    this.said.push(`releases? ${subject}`);
    const line = this.lines.get(subject);
    this.send(reply, JSON.stringify(line === undefined ? { error: { code: 404 } } : { message: { data: btoa(line) } }));
  }

  async reconnect(): Promise<void> {
    this.reconnects++;
    this.cut();
  }

  /** The server reports a missing permission. */
  deny(operation: string, subject: string): void {
    this.events.trySend({ type: "error", error: { operation, subject } });
  }

  async flush(): Promise<void> {
    this.said.push("ping");
    this.beforePong();
    await Promise.resolve();
    if (!this.pongs) await new Promise(() => {});
  }

  async *status(): AsyncGenerator<NatsStatus> {
    for await (const event of this.events) yield event;
  }

  /** The connection breaks: what was published is dropped. */
  cut(): void {
    this.events.trySend({ type: "disconnect" });
  }

  private delivered = 0;
  /** The reply subjects of verdicts. */
  readonly replies: string[] = [];

  /** Sends to an inbox: a message of the stream if it has an ack subject, else an answer or a status. */
  send(inbox: string, body: string, more: Partial<NatsMessage> = {}): void {
    const data = new TextEncoder().encode(body);
    const listener = this.listeners.find(({ subject }) => inbox.startsWith(subject))!;
    queueMicrotask(() => listener.callback(null, { subject: inbox, data, ...more }));
  }

  /** Sends this very object to the inbox: its properties may throw. */
  sendAsItIs(message: object): void {
    const listener = this.listeners.find(({ subject }) => this.inbox.startsWith(subject))!;
    const data = new TextEncoder().encode("odd");
    queueMicrotask(() => listener.callback(null, Object.assign(message, { data }) as NatsMessage));
  }

  deliver(body: string, count: number, sequence: number, inbox: string = this.inbox): void {
    this.send(inbox, body, { subject: "s.m", reply: `$JS.ACK.s.w.${count}.${sequence}.${++this.delivered}.1700.0` });
  }

  refuse(code: number, description: string): void {
    this.send(this.inbox, "", { headers: headersOf(code, description) });
  }
}

function headersOf(code: number = 0, description: string = ""): NatsHeaders {
  const all = new Map<string, string>();
  return {
    code,
    description,
    keys: () => all.keys(),
    get: (key) => all.get(key) ?? "",
    set: (key, value) => void all.set(key, value),
  };
}

function open(fake: Fake, options: Partial<NatsConsumerOptions> = {}): ReturnType<typeof natsConsumer> {
  return natsConsumer(fake, { stream: "s", consumer: "w", ...options });
}

/** Pulls `count` messages, with the sequences 1, 2, …; asks for `max`. */
async function held(
  fake: Fake,
  source: Awaited<ReturnType<typeof open>>,
  count: number,
  max: number = count,
): Promise<readonly NatsDelivery[]> {
  const pulling = source.pull(background, max);
  await elapse(1);
  for (let n = 1; n <= count; n++) fake.deliver(`m${n}`, 1, n);
  fake.refuse(408, "Request Timeout");
  return pulling;
}

describe("a consumer of NATS", () => {
  virtualTime();

  it("has the ack_wait of the consumer as its lease, in ms", async () => {
    expect((await open(new Fake())).lease).toBe(30_000);
  });

  it("requests once, and hands over all that the server had when there was one", async () => {
    const fake = new Fake();
    const source = await open(fake);
    const pulling = source.pull(background, 5);
    await elapse(100);
    fake.deliver("a", 1, 7);
    fake.deliver("b", 3, 8);
    fake.refuse(408, "Request Timeout");
    const got = await pulling;
    expect(got.map(({ id, body, attempt }) => [id, body, attempt])).toEqual([
      ["7.1", "a", 1],
      ["8.2", "b", 3],
    ]);
    expect(fake.said).toEqual(['next {"batch":5,"expires":500000000,"no_wait":true}']);
  });

  it("hands over what comes after its ctx has ended, because the request is still under way", async () => {
    const fake = new Fake();
    const source = await open(fake);
    const [ctx, cancel] = context.withCancel(background);
    const pulling = source.pull(ctx, 5);
    await elapse(100);
    cancel();
    await elapse(100);
    fake.deliver("a", 1, 7);
    fake.refuse(408, "Request Timeout");
    expect((await pulling).length).toBe(1);
  });

  it("does not send a verdict on a lease that has run out, because the server would settle the next delivery with it", async () => {
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

  it("gives two deliveries of a message different ids, even if the server counts both as the first", async () => {
    const fake = new Fake();
    const source = await open(fake);
    const deliver = async (): Promise<readonly NatsDelivery[]> => {
      const pulling = source.pull(background, 1);
      await elapse(1);
      fake.deliver("a", 1, 7);
      return pulling;
    };
    const first = await deliver();
    await elapse(30_000);
    const second = await deliver();
    expect(await source.ack(background, first)).toEqual(first);
    expect(await source.ack(background, second)).toEqual([]);
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
    expect(await source.nack(background, [{ delivery: got[0]!, delay: 5, reason: "failed" }])).toEqual([]);
    expect(fake.said.slice(1)).toEqual(["+WPI? 1 7", '-NAK {"delay":5000000}? 1 7']);
  });

  it("delays a nack by a century at most: the server could not read more", async () => {
    const fake = new Fake();
    const source = await open(fake);
    const got = await held(fake, source, 2);
    const delays = [1e15, Number.MAX_VALUE];
    await source.nack(
      background,
      got.map((delivery, i) => ({ delivery, delay: delays[i]!, reason: "failed" })),
    );
    expect(fake.said.slice(1)).toEqual([1, 2].map((n) => `-NAK {"delay":3200000000000000000}? 1 ${n}`));
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
    // Before it sends them again, the server must answer a ping.
    expect(fake.said.slice(1)).toEqual(["+ACK? 1 7", "ping", "+ACK? 1 7"]);
  });

  it("asks the server to confirm the first and the last verdict of a batch, because it handles them in order", async () => {
    const fake = new Fake();
    const source = await open(fake);
    const got = await held(fake, source, 3);
    expect(await source.ack(background, got)).toEqual([]);
    expect(fake.said.slice(1)).toEqual(["+ACK? 1 1", "+ACK 1 2", "+ACK? 1 3"]);
  });

  it("rejects a verdict when the connection is cut, and sends it again when the server answers", async () => {
    const fake = new Fake();
    const source = await open(fake);
    const got = await held(fake, source, 2);
    fake.confirms = false;
    const rejected = expect(source.ack(background, got)).rejects.toThrow("cut before the server has answered");
    await elapse(10);
    fake.cut();
    await rejected;
    fake.confirms = true;
    fake.pongs = false;
    const unreachable = expect(source.ack(background, got)).rejects.toThrow("the server does not answer");
    await elapse(900);
    await unreachable;
    fake.pongs = true;
    expect(await source.ack(background, got)).toEqual([]);
    expect(fake.said.slice(1)).toEqual(["+ACK? 1 1", "+ACK? 1 2", "ping", "ping", "+ACK? 1 1", "+ACK? 1 2"]);
  });

  it("reports a verdict that was sent in time and confirmed too late as lost, because another consumer may have the message", async () => {
    for (const verb of ["ack", "extend"] as const) {
      const fake = new Fake();
      const source = await open(fake);
      const [delivery] = await held(fake, source, 1);
      await elapse(29_000);
      fake.confirms = false;
      const telling = source[verb]!(background, [delivery!]);
      await elapse(2_000);
      fake.send(fake.replies.at(-1)!, "");
      expect(await telling).toEqual([delivery]);
    }
  });

  it("does not report as lost a message that got a verdict while it was extended", async () => {
    const fake = new Fake();
    const source = await open(fake);
    const got = await held(fake, source, 2);
    fake.confirms = false;
    const extending = source.extend!(background, got);
    await elapse(1);
    const extended = [...fake.replies];
    fake.confirms = true;
    expect(await source.ack(background, got.slice(1))).toEqual([]);
    for (const reply of extended) fake.send(reply, "");
    expect(await extending).toEqual([]);
  });

  it("rejects a pull that the server does not answer, or answers with an error", async () => {
    const fake = new Fake();
    const source = await open(fake);
    fake.pongs = false;
    const silent = expect(source.pull(background, 1)).rejects.toThrow("the server does not answer");
    await elapse(1_800);
    await silent;
    fake.pongs = true;
    const refused = expect(source.pull(background, 1)).rejects.toThrow("409 Consumer Deleted");
    await elapse(1);
    fake.refuse(409, "Consumer Deleted");
    await refused;
    const gone = expect(source.pull(background, 1)).rejects.toThrow("is there still such a consumer?");
    await elapse(900);
    await gone;
  });

  it("releases the messages of a lost request, and uses its inbox no more", async () => {
    const fake = new Fake();
    const source = await open(fake);
    const pulling = source.pull(background, 5);
    await elapse(1);
    const { inbox } = fake;
    fake.deliver("a", 1, 7);
    await elapse(1);
    fake.cut();
    expect((await pulling).map(({ body }) => body)).toEqual(["a"]);
    fake.deliver("b", 1, 8, inbox);
    await elapse(1);
    const next = source.pull(background, 5);
    await elapse(1);
    fake.deliver("b", 2, 8);
    fake.deliver("c", 1, 9, inbox);
    fake.refuse(408, "Request Timeout");
    expect((await next).map(({ id }) => id)).toEqual(["8.3"]);
    const request = 'next {"batch":5,"expires":500000000,"no_wait":true}';
    expect(fake.said).toEqual([request, "-NAK 1 8", "ping", request, "-NAK 1 9"]);
  });

  it("goes on waiting while messages come, and for those that the server sent before it answered a ping", async () => {
    const fake = new Fake();
    const source = await open(fake);
    const pulling = source.pull(background, 3);
    await elapse(800);
    fake.deliver("a", 1, 7);
    await elapse(800);
    fake.deliver("b", 1, 8);
    // The process was busy: what has come long ago it hears only now.
    fake.beforePong = () => fake.deliver("c", 1, 9);
    await elapse(1_100);
    expect((await pulling).map(({ body }) => body)).toEqual(["a", "b", "c"]);
  });

  it("hands over the messages that came before the server fell silent, when the pull is cancelled", async () => {
    const fake = new Fake();
    const source = await open(fake);
    const [ctx, cancel] = context.withCancel(background);
    const pulling = source.pull(ctx, 5);
    await elapse(1);
    cancel();
    fake.deliver("a", 1, 7);
    fake.pongs = false;
    await elapse(1_800);
    expect((await pulling).length).toBe(1);
    const [cancelled, stop] = context.withCancel(background);
    stop();
    expect(await source.pull(cancelled, 5)).toEqual([]);
  });

  it("requests no more messages, for no longer, than the consumer and its lease allow", async () => {
    const asked = async (config: object): Promise<string | undefined> => {
      const fake = new Fake();
      fake.config = { ack_policy: "explicit", ack_wait: 30e9, ...config };
      const source = await open(fake);
      await held(fake, source, 1, 100);
      return fake.said[0];
    };
    expect(await asked({ ack_wait: 1e9 })).toBe('next {"batch":100,"expires":250000000,"no_wait":true}');
    expect(await asked({ backoff: [400e6, 9e9] })).toBe('next {"batch":100,"expires":100000000,"no_wait":true}');
    expect(await asked({ max_batch: 7, max_expires: 50e6 })).toBe('next {"batch":7,"expires":50000000,"no_wait":true}');
    expect(await asked({ max_ack_pending: 5 })).toBe('next {"batch":5,"expires":500000000,"no_wait":true}');
  });

  it("does not hold messages back for long if the server may not deliver all that were requested", async () => {
    const fake = new Fake();
    const source = await open(fake);
    const pull = async (count: number, after: number): Promise<void> => {
      const pulling = source.pull(background, 3);
      await elapse(1);
      for (let n = 0; n < count; n++) fake.deliver("m", 1, n);
      await elapse(after);
      if (count < 3) fake.refuse(408, "Request Timeout");
      expect((await pulling).length).toBe(count);
    };
    await pull(2, 500);
    await pull(2, 50);
    await pull(3, 50);
    await pull(1, 0);
    await pull(1, 500);
    const idle = source.pull(background, 3);
    for (const ms of [50, 100]) {
      await elapse(ms);
      fake.refuse(408, "Request Timeout");
      await elapse(1);
    }
    fake.deliver("m", 1, 9);
    fake.refuse(408, "Request Timeout");
    await idle;
    const waits = fake.said.map((said) => (JSON.parse(said.slice(5)) as { expires: number }).expires / 1e6);
    expect(waits).toEqual([500, 50, 50, 500, 500, 50, 100, 200]);
  });

  it("publishes a dead letter under an id that no other message has, whatever its error is", async () => {
    const fake = new Fake();
    const source = await open(fake, { deadLetters: { subject: "dead", headers: headersOf } });
    const [delivery] = await held(fake, source, 1);
    const error: unknown = Object.create(null);
    expect(await source.deadLetter!(background, [{ delivery: delivery!, error }])).toEqual([]);
    expect(fake.letters).toEqual([
      {
        "Nats-Msg-Id": "dead.s.w.1.1700",
        "Headgate-Reason": "an error that cannot be shown",
        "Headgate-Attempts": "1",
        "Headgate-Subject": "s.m",
      },
    ]);
    expect(fake.said.at(-1)).toBe("+TERM? 1 1");
  });

  it("publishes a dead letter in a smaller form if it is too long, down to the message by itself", async () => {
    const tooLong = new Error("'payload' max_payload size exceeded");
    const ours = ["Nats-Msg-Id", "Headgate-Attempts", "Headgate-Subject"];
    const forms = [["Headgate-Reason", ...ours], ours, ["Headgate-Reason", ...ours], ours, []];
    for (const refusal of [
      tooLong,
      { description: "too long", err_code: 10_054 },
      { description: "", err_code: 10_097 },
    ]) {
      for (const [taken, form] of forms.entries()) {
        const fake = new Fake();
        let letters = 0;
        fake.refuses = () => (letters++ < taken ? refusal : undefined);
        const source = await open(fake, { deadLetters: { subject: "dead", headers: headersOf } });
        const [delivery] = await held(fake, source, 1);
        expect(await source.deadLetter!(background, [{ delivery: delivery!, error: "no" }])).toEqual([]);
        expect(fake.letters.map((letter) => Object.keys(letter))).toEqual([form]);
      }
    }
  });

  it("settles messages whose letters are taken beside one that is refused, and they stay settled for longer than a lease", async () => {
    const fake = new Fake();
    const source = await open(fake, { deadLetters: { subject: "dead", headers: headersOf } });
    const got = await held(fake, source, 3);
    const isSecond = (headers: NatsHeaders | undefined): boolean =>
      headers?.get("Nats-Msg-Id").includes(".2.") === true;
    fake.refuses = (_, headers) => (isSecond(headers) ? { description: "maximum messages exceeded" } : undefined);
    const bury = () =>
      source.deadLetter!(
        background,
        got.map((delivery) => ({ delivery, error: "no" })),
      );
    await expect(bury()).rejects.toThrow("no dead letter to dead: maximum messages exceeded");
    expect(fake.said.filter((said) => said.startsWith("+TERM"))).toEqual(["+TERM? 1 1", "+TERM? 1 3"]);
    for (let n = 0; n < 4; n++) {
      await elapse(20_000);
      expect(await source.extend!(background, got)).toEqual([]);
    }
    expect(fake.said.filter((said) => said.startsWith("+WPI"))).toEqual(Array(4).fill("+WPI? 1 2"));
    fake.refuses = () => undefined;
    expect(await bury()).toEqual([]);
    expect(fake.said.filter((said) => said.startsWith("+TERM")).at(-1)).toBe("+TERM? 1 2");
    expect(fake.letters.length).toBe(3);
  });

  it("has no line breaks in the headers of a dead letter, and omits those that the client refuses", async () => {
    const fake = new Fake();
    const strict = (): NatsHeaders => {
      const all = headersOf();
      const set = (name: string, value: string): void => {
        if (!/^[\w-]+$/.test(name) || /[\r\n]/.test(value)) throw new Error("invalid header");
        all.set(name, value);
      };
      return { ...all, set };
    };
    const source = await open(fake, { deadLetters: { subject: "dead", headers: strict } });
    const pulling = source.pull(background, 1);
    await elapse(1);
    const headers = headersOf();
    for (const [name, value] of [
      ["colour", "re\r\nd"],
      ["bad name", "x"],
    ] as const)
      headers.set(name, value);
    fake.send(fake.inbox, "a", { subject: "s.m", reply: "$JS.ACK.s.w.1.1.1.1700.0", headers });
    const [delivery] = await pulling;
    await source.deadLetter!(background, [{ delivery: delivery!, error: new Error("no\r\nNats-Msg-Id: x") }]);
    expect(fake.letters[0]).toMatchObject({ colour: "re d", "Headgate-Reason": "Error: no Nats-Msg-Id: x" });
    expect(fake.letters[0]).not.toHaveProperty("bad name");
  });

  it("hands over deliveries that a log can show, though the client's message refers to its connection", async () => {
    const fake = new Fake();
    const source = await open(fake, { key: () => "k" });
    const pulling = source.pull(background, 1);
    await elapse(1);
    const circular: { subject: string; reply: string; publisher?: object } = {
      subject: "s.m",
      reply: "$JS.ACK.s.w.2.1.1.1700.0",
    };
    circular.publisher = { circular };
    fake.sendAsItIs(circular);
    const [delivery] = await pulling;
    const shown = '{"id":"1.1","body":"odd","attempt":2,"attributes":{},"key":"k","subject":"s.m"}';
    expect(JSON.stringify(delivery)).toBe(shown);
    await source.nack(background, [{ delivery: delivery!, delay: 0, reason: "released" }]);
  });

  it("delivers a message whose headers the client cannot read", async () => {
    const fake = new Fake();
    const source = await open(fake);
    const pulling = source.pull(background, 1);
    await elapse(1);
    const odd = { subject: "s.m", reply: "$JS.ACK.s.w.1.1.1.1700.0" };
    Object.defineProperty(odd, "headers", {
      enumerable: true,
      get: () => {
        throw new Error("invalid header");
      },
    });
    fake.sendAsItIs(odd);
    expect((await pulling).map(({ body, attributes }) => [body, attributes])).toEqual([["odd", {}]]);
  });

  it("asks for another connection when two pings in a row are not answered, and not again before the next two", async () => {
    const fake = new Fake();
    const source = await open(fake);
    fake.pongs = false;
    for (const reconnects of [0, 1, 1, 2]) {
      const rejected = expect(source.pull(background, 1)).rejects.toThrow("the server does not answer");
      await elapse(1_800);
      await rejected;
      expect(fake.reconnects).toBe(reconnects);
    }
  });

  it("notices by a verdict alone that no answers come: a worker without room does not pull", async () => {
    const fake = new Fake();
    const source = await open(fake);
    const got = await held(fake, source, 1);
    fake.pongs = false;
    fake.confirms = false;
    const rejected = expect(source.ack(background, got)).rejects.toThrow("cut before the server has answered");
    await elapse(3_000);
    await rejected;
    expect(fake.reconnects).toBe(1);
  });

  it("waits for a slow answer while the server answers pings", async () => {
    const fake = new Fake();
    const source = await open(fake);
    const got = await held(fake, source, 1);
    fake.confirms = false;
    const acking = source.ack(background, got);
    await elapse(8_000);
    fake.send(fake.replies.at(-1)!, "");
    expect(await acking).toEqual([]);
    expect(fake.reconnects).toBe(0);
  });

  it("names a missing permission at once, and what to do", async () => {
    const fake = new Fake();
    const source = await open(fake, { deadLetters: { subject: "dead", headers: headersOf } });
    const got = await held(fake, source, 1);
    const pulling = expect(source.pull(background, 1)).rejects.toThrow(
      `may not publish to ${NEXT}; give it the permission`,
    );
    await elapse(1);
    fake.deny("publish", NEXT);
    await pulling;
    fake.confirms = false;
    const acking = expect(source.ack(background, got)).rejects.toThrow("may not publish to $JS.ACK.s.w.>; give it");
    await elapse(1);
    fake.deny("publish", got[0]!.message.reply!);
    await acking;
  });

  it("names a subject without responders, and asks the right question", async () => {
    const fake = new Fake();
    const source = await open(fake);
    const pulling = expect(source.pull(background, 1)).rejects.toThrow("is there still such a consumer");
    await elapse(1);
    fake.refuse(503, "");
    await pulling;
  });

  it("does not count its own releases as attempts, and forgets them with the ack", async () => {
    const fake = new Fake();
    const source = await open(fake);
    const attempts: number[] = [];
    for (const [i, reason] of (["released", "failed", "released", "acked", "failed"] as const).entries()) {
      const pulling = source.pull(background, 1);
      await elapse(1);
      fake.deliver("a", i + 1, 7);
      const [delivery] = await pulling;
      attempts.push(delivery!.attempt);
      if (reason === "acked") await source.ack(background, [delivery!]);
      else await source.nack(background, [{ delivery: delivery!, delay: 0, reason }]);
    }
    expect(attempts).toEqual([1, 1, 2, 2, 5]);
  });

  it("records a release in the stream for that before it gives the message back, and once, however often the nack is sent", async () => {
    const fake = new Fake();
    const source = await open(fake, { releases: "released" });
    const pulling = source.pull(background, 1);
    await elapse(1);
    fake.deliver("a", 1, 7);
    const [delivery] = await pulling;
    const release = (ctx: context.Context) => source.nack(ctx, [{ delivery: delivery!, delay: 0, reason: "released" }]);
    fake.confirms = false;
    const [ctx] = context.withTimeout(background, 10);
    const rejected = expect(release(ctx)).rejects.toThrow("deadline");
    await elapse(10);
    await rejected;
    fake.confirms = true;
    expect(await release(background)).toEqual([]);
    expect([...fake.lines]).toEqual([["released.s.w.7.1700", "1"]]);
  });

  it("reads the releases of other processes when a message comes again, and counts on from there", async () => {
    const fake = new Fake();
    fake.lines.set("released.s.w.7.1700", "3");
    const source = await open(fake, { releases: "released" });
    const pulling = source.pull(background, 2);
    await elapse(1);
    fake.said.length = 0;
    fake.deliver("a", 5, 7);
    fake.deliver("b", 1, 8);
    const [a, b] = await pulling;
    expect([a!.attempt, b!.attempt]).toEqual([2, 1]);
    expect(fake.said).toEqual(["releases? released.s.w.7.1700"]);
    await source.nack(
      background,
      [a!, b!].map((delivery) => ({ delivery, delay: 0, reason: "released" })),
    );
    expect([...fake.lines]).toEqual([
      ["released.s.w.7.1700", "4"],
      ["released.s.w.8.1700", "1"],
    ]);
  });

  it("counts on from there even if the stop came before it could read", async () => {
    const fake = new Fake();
    fake.lines.set("released.s.w.7.1700", "3");
    const source = await open(fake, { releases: "released" });
    const [ctx, cancel] = context.withCancel(background);
    const pulling = source.pull(ctx, 1);
    await elapse(1);
    cancel();
    fake.deliver("a", 5, 7);
    const [delivery] = await pulling;
    await source.nack(background, [{ delivery: delivery!, delay: 0, reason: "released" }]);
    expect([...fake.lines]).toEqual([["released.s.w.7.1700", "4"]]);
  });

  it("refuses a stream of releases that does not exist, or takes other subjects", async () => {
    const fake = new Fake();
    fake.streams = ["released.*"];
    await expect(open(fake, { releases: "released" })).rejects.toThrow(
      "needs a stream released with the subject released.>",
    );
    await expect(open(fake, { releases: "a.b" })).rejects.toThrow("releases must be a name without spaces, dots");
    await expect(open(fake, { release: "released" } as object)).rejects.toThrow("there is no option release");
  });

  it("delivers a message whose key throws without one, and every body as it is", async () => {
    const fake = new Fake();
    const key = ({ data }: NatsMessage): string => (JSON.parse(new TextDecoder().decode(data)) as { key: string }).key;
    const source = await open(fake, { key });
    const pulling = source.pull(background, 2);
    await elapse(1);
    fake.deliver('{"key":"k"}', 1, 1);
    fake.deliver("\uFEFF{", 1, 2);
    expect((await pulling).map((delivery) => [delivery.body, delivery.key])).toEqual([
      ['{"key":"k"}', "k"],
      ["\uFEFF{", undefined],
    ]);
  });

  it("refuses invalid options, and consumers that it cannot use", async () => {
    const fake = new Fake();
    await expect(open(fake, { consumer: "a.b" })).rejects.toThrow("consumer must be a name without spaces, dots");
    await expect(natsConsumer({} as NatsConnection, { stream: "s", consumer: "w" })).rejects.toThrow("no publish");
    await expect(open(fake, { deadLetters: { subject: "dead.>", headers: headersOf } })).rejects.toThrow("wildcards");
    fake.config = { ack_policy: "none", ack_wait: 1 };
    await expect(open(fake)).rejects.toThrow("must have the ack_policy explicit, not none");
    fake.config = { ack_policy: "explicit", ack_wait: 1, deliver_subject: "x" };
    await expect(open(fake)).rejects.toThrow("is a push consumer");
  });
});
