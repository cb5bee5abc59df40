/**
 * Whether a {@link Source} keeps its contract: a list of tests, for any test runner, to be run against a real broker.
 *
 * They use real time, or a test bubble's, and wait for what must happen, never for longer than it must take. What a broker cannot do is
 * said in its {@link Traits}, and the tests of that are left out; the rest is the contract, and without exceptions.
 */
import { context, type Context, errgroup, time } from "../index.ts";
import type { Delivery, Source } from "./source.ts";

/** A queue of its own for one test, empty at first. */
export interface Lab<D extends Delivery = Delivery> {
  /** Two consumers of the queue, as two workers would have them. */
  readonly source: Source<D>;
  readonly other: Source<D>;
  readonly publish: (body: string, attributes: Readonly<Record<string, string>>) => Promise<unknown>;
  /** The dead letters that there are now, each with what the broker kept of its error. Absent for a source without `deadLetter`. */
  readonly deadLetters?: () => Promise<readonly { readonly body: string; readonly reason: string }[]>;
  /** Called when the test is over, however it went. */
  readonly close: () => Promise<unknown>;
}

/** What a broker can do. */
export interface Traits<D extends Delivery = Delivery> {
  /** The text that was published. The body itself */
  readonly text?: (delivery: D) => string;
  /** Whether a verdict on a lost lease is reported, and leaves alone who has the message now. true */
  readonly fenced?: boolean;
  /** Whether a nack keeps a message back for as long as it says. true */
  readonly delays?: boolean;
  /** Whether deliveries are counted. true */
  readonly attempts?: boolean;
  /** Whether a release costs no attempt. false */
  readonly freeRelease?: boolean;
  /** ms within which a pull returns after its ctx has ended, and a message that is ready is delivered. 3 000 */
  readonly patience?: number;
}

/** One test. Its name is the rule; it rejects with an Error that says how the rule was broken. */
export interface ConformanceTest {
  readonly name: string;
  readonly run: () => Promise<void>;
}

/**
 * The tests for a source. `makeLab` is called once for each, with the lease that its source should have, in ms: a short one where leases
 * run out, else one that is longer than any test; a broker that cannot have it so short gives what it can.
 *
 * **Errors**: TypeError if `makeLab` is no function.
 *
 * @example
 * ```ts
 * import { conformance } from "headgate/worker/conformance";
 * import { memoryBroker } from "headgate/worker";
 *
 * const tests = conformance(
 *   async (lease) => {
 *     const broker = memoryBroker<string>({ lease });
 *     return {
 *       source: broker,
 *       other: broker,
 *       publish: (body, attributes) => broker.publish(body, { attributes }),
 *       deadLetters: async () => broker.deadLetters.map(({ body, error }) => ({ body, reason: String(error) })),
 *       close: async () => {},
 *     };
 *   },
 *   { freeRelease: true },
 * );
 * await tests.find(({ name }) => name.startsWith("pull hands over"))!.run(); // it(name, run), in a test runner
 * ```
 */
export function conformance<D extends Delivery>(
  makeLab: (lease: number) => Promise<Lab<D>>,
  traits: Traits<D> = {},
): readonly ConformanceTest[] {
  if (typeof makeLab !== "function")
    throw new TypeError(`conformance: expected a function that makes a lab, got ${typeof makeLab}`);
  const can = { fenced: true, delays: true, attempts: true, freeRelease: false, ...traits };
  return all()
    .filter(({ needs }) => needs === undefined || can[needs])
    .map(({ name, lease, run }) => ({
      name,
      run: async () => {
        const lab = await makeLab(lease === "short" ? SHORT : LONG);
        try {
          // Each test treats the deliveries of its lab as deliveries, and gives them back to nobody else.
          await run(new Bench(name, lab, traits) as unknown as Bench<Delivery>);
        } catch (error) {
          if (error instanceof Broken) throw error;
          throw new Error(`${name}: ${String(error)}`, { cause: error });
        } finally {
          await lab.close();
        }
      },
    }));
}

/** ms. */
const SHORT = 2_000;
const LONG = 60_000;

/** A rule was broken. */
class Broken extends Error {}

/** A lab, and what the tests do with it. */
class Bench<D extends Delivery> {
  readonly source: Source<D>;
  readonly other: Source<D>;
  readonly lab: Lab<D>;
  readonly patience: number;
  private readonly rule: string;
  private readonly traits: Traits<D>;

  constructor(rule: string, lab: Lab<D>, traits: Traits<D>) {
    this.rule = rule;
    this.lab = lab;
    this.source = lab.source;
    this.other = lab.other;
    this.traits = traits;
    this.patience = traits.patience ?? 3_000;
  }

  /** The lease that the source really has. */
  get lease(): number {
    return this.source.lease ?? Infinity;
  }

  /** When a lease would be over, in ms. */
  get beyond(): number {
    return this.lease === Infinity ? 1_000 : 1.5 * this.lease;
  }

  text(delivery: D): string {
    return this.traits.text === undefined ? String(delivery.body) : this.traits.text(delivery);
  }

  fail(how: string): never {
    throw new Broken(`${this.rule}: ${how}`);
  }

  async publish(...bodies: readonly string[]): Promise<void> {
    for (const body of bodies) await this.lab.publish(body, { kind: "test" });
  }

  /** Calls with a ctx that lasts `ms`, and fails if the call takes longer than that and its patience. */
  async during<T>(ms: number, call: (ctx: Context) => Promise<T>): Promise<T> {
    const [ctx, cancel] = context.withTimeout(context.background(), ms);
    using _ = cancel;
    return await this.soon(call(ctx), ms + this.patience);
  }

  async soon<T>(promise: Promise<T>, ms: number = this.patience): Promise<T> {
    const [limit, cancel] = context.withTimeout(context.background(), ms);
    using _ = cancel;
    return await context.wait(promise, limit).catch((error: unknown) => {
      if (error === limit.err()) this.fail(`it has not settled after ${ms} ms`);
      throw error;
    });
  }

  /** Pulls until there are `n`. */
  async pull(source: Source<D>, n: number, ms: number = this.patience): Promise<D[]> {
    const got: D[] = [];
    for (const until = time.now() + ms; got.length < n;) {
      const left = until - time.now();
      if (left <= 0) this.fail(`${n} deliveries should have come within ${ms} ms; there were ${got.length}`);
      got.push(...(await this.during(left, (ctx) => source.pull(ctx, n - got.length))));
    }
    return got;
  }

  /** Nothing may come for so long. */
  async none(source: Source<D>, ms: number, why: string): Promise<void> {
    const got = await this.during(ms, (ctx) => source.pull(ctx, 10));
    if (got.length > 0) this.fail(`${why}, but it came: ${got.map((each) => this.text(each)).join(", ")}`);
  }

  async ack(source: Source<D>, deliveries: readonly D[]): Promise<number> {
    return ((await this.during(10_000, (ctx) => source.ack(ctx, deliveries))) ?? []).length;
  }

  async nack(source: Source<D>, delivery: D, delay: number, why: "failed" | "released"): Promise<number> {
    return ((await this.during(10_000, (ctx) => source.nack(ctx, [{ delivery, delay, why }]))) ?? []).length;
  }

  async keeps(source: Source<D>, deliveries: readonly D[], verdict: string): Promise<void> {
    if ((await this.ack(source, deliveries)) > 0) this.fail(`${verdict}: the lease is held, but reported as lost`);
  }
}

interface Test {
  readonly name: string;
  readonly lease?: "short";
  readonly needs?: "fenced" | "delays" | "attempts" | "freeRelease";
  readonly run: (bench: Bench<Delivery>) => Promise<void>;
}

/** Made when they are asked for, so that importing this costs nothing. */
const all = (): readonly Test[] => [
  {
    name: "pull hands over what was published, bodies and attributes intact",
    async run(b) {
      const bodies = [
        "plain",
        "",
        "snow ☃, a clef 𝄞 and a zero \u0000",
        '{"json":[1,"\\n"]}',
        "0123456789".repeat(10_000),
      ];
      await b.publish(...bodies);
      const got = await b.pull(b.source, bodies.length, 3 * b.patience);
      const texts = got.map((each) => b.text(each));
      for (const body of bodies) if (!texts.includes(body)) b.fail(`no body is ${JSON.stringify(body.slice(0, 50))}`);
      if (got.some(({ attributes }) => attributes?.["kind"] !== "test")) b.fail("an attribute is missing");
      if (new Set(got.map(({ id }) => id)).size !== got.length) b.fail("two deliveries have the same id");
      await b.keeps(b.source, got, "ack");
    },
  },
  {
    name: "pull hands over no more than it is asked for",
    async run(b) {
      await b.publish("1", "2", "3", "4", "5", "6", "7");
      const got: Delivery[] = [];
      for (let n = 0; got.length < 7 && n < 20; n++) {
        const some = await b.during(b.patience, (ctx) => b.source.pull(ctx, 3));
        if (some.length > 3) b.fail(`3 were asked for, ${some.length} came`);
        got.push(...some);
      }
      if (new Set(got.map((each) => b.text(each))).size !== 7) b.fail(`7 were published, ${got.length} came`);
      await b.keeps(b.source, got, "ack");
    },
  },
  {
    name: "pull waits for a message that is published later",
    async run(b) {
      const waiting = b.pull(b.source, 1, 2 * b.patience);
      await time.sleep(50);
      await b.publish("late");
      const got = await waiting;
      if (b.text(got[0]!) !== "late") b.fail(`it brought ${b.text(got[0]!)}`);
      await b.keeps(b.source, got, "ack");
    },
  },
  {
    name: "pull returns an empty list soon after its ctx has ended, and does not reject",
    async run(b) {
      for (const ms of [0, 1, 100]) await b.none(b.source, ms, "nothing was published");
      const [ctx, cancel] = context.withCancel(context.background());
      cancel();
      if ((await b.soon(b.source.pull(ctx, 1))).length > 0) b.fail("nothing was published");
    },
  },
  {
    name: "a stop strands no message: what a pull does not bring is there for another at once",
    async run(b) {
      const seen = new Set<string>();
      const published: string[] = [];
      for (let round = 0; round < 15; round++) {
        const bodies = [`${round} a`, `${round} b`, `${round} c`];
        published.push(...bodies);
        const [group] = errgroup.withContext(context.background());
        const [ctx, cancel] = context.withCancel(context.background());
        void group.go(() => b.publish(...bodies));
        void group.go(async () => {
          const got = await b.soon(b.source.pull(ctx, 2), 2 * b.patience);
          for (const each of got) seen.add(b.text(each));
          if (got.length > 0) await b.keeps(b.source, got, "ack");
        });
        await time.sleep(round);
        cancel();
        await group.wait();
      }
      const rest = await b.pull(b.other, published.length - seen.size, 3 * b.patience);
      for (const each of rest) seen.add(b.text(each));
      if (seen.size !== published.length) b.fail(`${published.length} were published, ${seen.size} have come`);
      await b.keeps(b.other, rest, "ack");
    },
  },
  {
    name: "two consumers never hold the same message",
    async run(b) {
      const bodies = Array.from({ length: 40 }, (_, i) => String(i));
      await b.publish(...bodies);
      const held: string[] = [];
      const consume = async (source: Source): Promise<void> => {
        while (held.length < bodies.length) {
          const got = await b.during(200, (ctx) => source.pull(ctx, 3));
          held.push(...got.map((each) => b.text(each)));
        }
      };
      await b.soon(Promise.all([consume(b.source), consume(b.other), consume(b.source)]), 5 * b.patience);
      if (new Set(held).size !== held.length) b.fail(`${held.length - bodies.length} were delivered twice`);
    },
  },
  {
    name: "what is acked is gone, also when its lease would be over",
    lease: "short",
    async run(b) {
      await b.publish("1", "2");
      await b.keeps(b.source, await b.pull(b.source, 2), "ack");
      await b.none(b.other, b.beyond, "it was acked");
    },
  },
  {
    name: "a verdict that is told twice does no harm",
    lease: "short",
    async run(b) {
      await b.publish("1");
      const got = await b.pull(b.source, 1);
      await b.ack(b.source, got);
      await b.ack(b.source, got);
      await b.nack(b.source, got[0]!, 0, "failed");
      await b.none(b.other, b.beyond, "it was acked first");
    },
  },
  {
    name: "a nack brings a message back, for whoever pulls next",
    async run(b) {
      for (const why of ["failed", "released"] as const) {
        await b.publish(why);
        const [first] = await b.pull(b.source, 1);
        if ((await b.nack(b.source, first!, 0, why)) > 0) b.fail("the lease is held, but reported as lost");
        const again = await b.pull(b.other, 1);
        if (b.text(again[0]!) !== why) b.fail(`it brought ${b.text(again[0]!)}`);
        await b.keeps(b.other, again, "ack");
      }
    },
  },
  {
    name: "a nack keeps a message back for its delay",
    needs: "delays",
    async run(b) {
      await b.publish("delayed");
      const [first] = await b.pull(b.source, 1);
      const told = time.now();
      await b.nack(b.source, first!, 700, "failed");
      const again = await b.pull(b.other, 1, 700 + 2 * b.patience);
      // A broker may count in whole ms, on a clock of its own.
      if (time.now() - told < 690) b.fail(`it came after ${time.now() - told} ms instead of 700`);
      await b.keeps(b.other, again, "ack");
    },
  },
  {
    name: "deliveries are counted from 1",
    needs: "attempts",
    async run(b) {
      await b.publish("counted");
      for (const attempt of [1, 2, 3]) {
        const [got] = await b.pull(b.source, 1);
        if (got!.attempt !== attempt) b.fail(`delivery ${attempt} says it is number ${got!.attempt}`);
        if (attempt < 3) await b.nack(b.source, got!, 0, "failed");
        else await b.keeps(b.source, [got!], "ack");
      }
    },
  },
  {
    name: "a release costs no attempt",
    needs: "freeRelease",
    async run(b) {
      await b.publish("released");
      const [first] = await b.pull(b.source, 1);
      await b.nack(b.source, first!, 0, "released");
      const [again] = await b.pull(b.source, 1);
      if (again!.attempt !== first!.attempt) b.fail(`it was attempt ${first!.attempt}, and is ${again!.attempt}`);
      await b.keeps(b.source, [again!], "ack");
    },
  },
  {
    name: "a message whose lease has run out goes to another",
    lease: "short",
    async run(b) {
      if (b.lease === Infinity) return;
      await b.publish("forgotten");
      await b.pull(b.source, 1);
      const again = await b.pull(b.other, 1, 2 * b.lease + b.patience);
      await b.keeps(b.other, again, "ack");
    },
  },
  {
    name: "a lease that is extended is kept",
    lease: "short",
    async run(b) {
      if (b.source.extend === undefined || b.lease === Infinity) return;
      await b.publish("kept");
      const got = await b.pull(b.source, 1);
      for (const until = time.now() + 2.2 * b.lease; time.now() < until;) {
        await b.none(b.other, b.lease / 4, "its lease is extended");
        const lost = await b.during(10_000, (ctx) => b.source.extend!(ctx, got));
        if ((lost ?? []).length > 0) b.fail("the lease is held, but extend reports it as lost");
      }
      await b.keeps(b.source, got, "ack");
    },
  },
  ...(["ack", "nack", "deadLetter", "extend"] as const).map((call): Test => {
    return {
      name: `${call} of a lost lease is reported, and does not touch the delivery of who has the message now`,
      lease: "short",
      needs: "fenced",
      async run(b) {
        if (b.source[call] === undefined || b.lease === Infinity) return;
        await b.publish("lost");
        const [old] = await b.pull(b.source, 1);
        const now = await b.pull(b.other, 1, 2 * b.lease + b.patience);
        const lost = await b.during(10_000, async (ctx) => {
          if (call === "nack") return b.source.nack(ctx, [{ delivery: old!, delay: 0, why: "failed" }]);
          if (call === "deadLetter") return b.source.deadLetter!(ctx, [{ delivery: old!, error: new Error("late") }]);
          return b.source[call]!(ctx, [old!]);
        });
        if (lost?.[0]?.id !== old!.id) b.fail("it does not return the delivery");
        await b.none(b.source, b.lease / 4, "another has it");
        await b.keeps(b.other, now, "ack of the other");
        if ((await b.lab.deadLetters?.())?.length) b.fail("it has become a dead letter");
      },
    };
  }),
  {
    name: "a dead letter is kept with its body and the reason, and is gone from the queue",
    lease: "short",
    async run(b) {
      if (b.source.deadLetter === undefined || b.lab.deadLetters === undefined) return;
      await b.publish("broken", "fine");
      const got = await b.pull(b.source, 2);
      const broken = got.find((each) => b.text(each) === "broken")!;
      const error = new Error("no such account");
      const lost = await b.during(10_000, (ctx) => b.source.deadLetter!(ctx, [{ delivery: broken, error }]));
      if ((lost ?? []).length > 0) b.fail("the lease is held, but reported as lost");
      await b.keeps(
        b.source,
        got.filter((each) => each !== broken),
        "ack",
      );
      const letters = await b.lab.deadLetters();
      if (letters.length !== 1) b.fail(`one is dead, and there are ${letters.length} letters`);
      if (letters[0]!.body !== "broken") b.fail(`the body is ${letters[0]!.body}`);
      if (!letters[0]!.reason.includes("no such account")) b.fail(`the reason is "${letters[0]!.reason}"`);
      await b.none(b.other, b.beyond, "it was dead-lettered, or acked");
    },
  },
  {
    name: "a verdict whose ctx has ended settles soon, and loses nothing",
    lease: "short",
    async run(b) {
      await b.publish("1");
      const got = await b.pull(b.source, 1);
      const [ctx, cancel] = context.withCancel(context.background());
      cancel();
      let told = true;
      await b.soon(Promise.resolve(b.source.ack(ctx, got))).catch(() => {
        told = false;
      });
      if (told || (await b.ack(b.source, got)) === 0) return;
      await b.keeps(b.other, await b.pull(b.other, 1, b.beyond + b.patience), "ack");
    },
  },
];
