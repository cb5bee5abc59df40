/** The rules of `pull`. */
import { context, type Context, time } from "../../index.ts";
import { monotonic } from "../../internal/runtime.ts";
import { type Bench, Fault, numbered, type Rule, texts } from "./probe.ts";
import type { Delivery } from "../source.ts";

/** How often a pull is stopped while messages arrive. */
const STOPS = 30;

export function pulls<D extends Delivery<string>>(): readonly Rule<D>[] {
  return [
    {
      name: "a pull hands over what was published, each message once",
      async check(bench) {
        const bodies = numbered(10);
        await bench.lab.publish(bodies);
        const got = await bench.take(bench.source, 10);
        bench.areExactly(got, bodies);
        for (const delivery of got) bench.attemptIs(delivery, 1);
        await bench.counts(bench.source, "ack", got);
        await bench.isEmpty();
      },
    },
    {
      name: "a body arrives as it was published: empty, in any script, with line breaks, of 100 kB",
      async check(bench) {
        const bodies = ["", "Grüße, 世界 🚀", 'line\r\nbreak\t"quoted" \\', "x".repeat(100_000), " "];
        // Some brokers take an empty message only if it has an attribute.
        await bench.lab.publish(bodies, { attributes: { kind: "odd" } });
        const got = await bench.take(bench.source, bodies.length);
        bench.areExactly(got, bodies);
        await bench.counts(bench.source, "ack", got);
      },
    },
    {
      name: "the attributes arrive as they were published",
      unless: ({ attributes }) => (attributes ? undefined : "the broker has no attributes"),
      async check(bench) {
        await bench.lab.publish(["a"], { attributes: { colour: "red", size: "10 cm" } });
        const delivery = await bench.takeOne(bench.source);
        const { colour, size } = delivery.attributes ?? {};
        if (colour !== "red" || size !== "10 cm") throw new Fault(`got ${JSON.stringify(delivery.attributes)}`);
        await bench.counts(bench.source, "ack", [delivery]);
      },
    },
    {
      name: "the ordering key arrives as it was published, and no other message has one",
      unless: ({ keys }) => (keys ? undefined : "the broker has no ordering keys"),
      async check(bench) {
        await bench.lab.publish(["with"], { key: "k 1" });
        await bench.lab.publish(["without"]);
        const got = await bench.take(bench.source, 2);
        for (const { body, key } of got) {
          if (key !== (body === "with" ? "k 1" : undefined)) throw new Fault(`the key of ${body} is ${String(key)}`);
        }
        await bench.counts(bench.source, "ack", got);
      },
    },
    {
      name: "a single consumer gets the messages in the order of publishing",
      unless: ({ ordered }) => (ordered ? undefined : "the broker keeps no order"),
      async check(bench) {
        const bodies = numbered(50);
        await bench.lab.publish(bodies);
        const got = await bench.take(bench.source, bodies.length);
        if (got.some(({ body }, i) => body !== bodies[i])) throw new Fault(`they came as ${texts(got)}`);
        await bench.counts(bench.source, "ack", got);
      },
    },
    {
      name: "a pull hands over at most max",
      async check(bench) {
        const bodies = numbered(10);
        await bench.lab.publish(bodies);
        const [ctx, cancel] = context.withTimeout(context.background(), bench.patience);
        using _ = cancel;
        const got: D[] = [];
        while (got.length < bodies.length && ctx.err() === undefined) {
          const some = await bench.pull(bench.source, 1 + (got.length % 3), ctx);
          got.push(...some);
          if (some.length === 0) await bench.pause(ctx);
        }
        bench.areExactly(got, bodies);
        await bench.counts(bench.source, "ack", got);
      },
    },
    {
      name: "a message that is published while a pull waits reaches it",
      async check(bench) {
        const pulled = bench.takeOne(bench.source);
        pulled.catch(() => {});
        await time.sleep(100);
        await bench.lab.publish(["late"]);
        const delivery = await pulled;
        bench.areExactly([delivery], ["late"]);
        await bench.counts(bench.source, "ack", [delivery]);
      },
    },
    {
      name: "a pull that waits returns an empty list soon after its ctx was cancelled",
      check: (bench) =>
        waits(bench, (ctx) => {
          const [cancelled, cancel] = context.withCancel(ctx);
          void time.sleep(100).then(cancel);
          return cancelled;
        }),
    },
    {
      name: "a pull that waits returns an empty list soon after the deadline of its ctx",
      check: (bench) => waits(bench, (ctx) => context.withTimeout(ctx, 100)[0]),
    },
    {
      name: "a pull whose ctx has ended before settles, and strands nothing",
      async check(bench) {
        const bodies = numbered(3);
        await bench.lab.publish(bodies);
        const [ctx, cancel] = context.withTimeout(context.background(), bench.patience);
        cancel();
        const begun = monotonic();
        const got = await bench.pull(bench.source, 10, ctx);
        await shares(bench, got, bodies, begun);
      },
    },
    {
      name: "a pull that is stopped while messages arrive hands over all that it was assigned",
      async check(bench) {
        // How long a message takes to arrive: the moments to stop at are spread around that.
        const begun = monotonic();
        const first = bench.takeOne(bench.source);
        first.catch(() => {});
        await bench.lab.publish(["first"]);
        await bench.counts(bench.source, "ack", [await first]);
        const arrival = Math.min(50, monotonic() - begun);
        for (let i = 0; i < STOPS; i++) {
          const bodies = numbered(3, `stop ${i}, `);
          const start = monotonic();
          const [ctx, cancel] = context.withTimeout(context.background(), bench.patience);
          using _ = cancel;
          const pulled = bench.pull(bench.source, 10, ctx);
          pulled.catch(() => {});
          const published = bench.lab.publish(bodies);
          published.catch(() => {});
          // Every fifth at the very moment at which the broker has them.
          if (i % 5 === 0) await published;
          else await time.sleep((2 * arrival * i) / STOPS);
          cancel();
          const got = await pulled;
          await published;
          await shares(bench, got, bodies, start);
        }
        await bench.isEmpty();
      },
    },
    {
      name: "two consumers never hold the same message",
      async check(bench) {
        const bodies = numbered(100);
        await bench.lab.publish(bodies);
        const [ctx, cancel] = context.withTimeout(context.background(), bench.beforeLease);
        using _ = cancel;
        const seen: D[] = [];
        const consume = async (source: typeof bench.source): Promise<void> => {
          while (seen.length < bodies.length && ctx.err() === undefined) {
            const [turn, end] = context.withTimeout(ctx, 200);
            using _ = end;
            const got = await bench.pull(source, 7, turn);
            seen.push(...got);
            if (got.length > 0) await bench.counts(source, "ack", got);
            else await bench.pause(ctx);
          }
        };
        await Promise.all([consume(bench.source), consume(bench.other)]);
        bench.areExactly(seen, bodies);
      },
    },
    {
      name: "a source has not ended while a message may come, and tells its lease",
      async check(bench) {
        if (bench.source.ended === true) throw new Fault("the queue is empty, and the source calls itself ended");
        const { lease } = bench.source;
        if (bench.hasLease && lease !== bench.traits.lease) {
          throw new Fault(`its lease should be ${bench.traits.lease} ms; got ${String(lease)}`);
        }
      },
    },
  ];
}

/** A pull on an empty queue, under a ctx that ends while it waits. */
async function waits<D extends Delivery<string>>(bench: Bench<D>, end: (ctx: Context) => Context): Promise<void> {
  const [ctx, cancel] = context.withTimeout(context.background(), bench.patience);
  using _ = cancel;
  const got = await bench.pull(bench.source, 10, end(ctx));
  if (got.length > 0) throw new Fault(`the queue is empty, and a pull returned ${texts(got)}`);
  // It is as good as new afterwards.
  await bench.lab.publish(["next"]);
  const next = await bench.takeOne(bench.source);
  bench.areExactly([next], ["next"]);
  await bench.counts(bench.source, "ack", [next]);
}

/** What one consumer got, and the other gets before a lease that began at `begun` runs out, is everything. */
async function shares<D extends Delivery<string>>(
  bench: Bench<D>,
  got: readonly D[],
  bodies: readonly string[],
  begun: number,
): Promise<void> {
  const left = bodies.length - got.length;
  const rest = left > 0 ? await bench.take(bench.other, left, begun + bench.beforeLease - monotonic()) : [];
  bench.areExactly([...got, ...rest], bodies);
  if (got.length > 0) await bench.counts(bench.source, "ack", got);
  if (rest.length > 0) await bench.counts(bench.other, "ack", rest);
}
