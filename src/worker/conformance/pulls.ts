/** The rules of `pull`. */
import { context, type Context, time } from "../../index.ts";
import { monotonic } from "../../internal/runtime.ts";
import { Fault, listed, numbered, type Probe, type Rule } from "./probe.ts";
import type { Delivery } from "../source.ts";

/** Number of pulls that are stopped while messages arrive. */
const STOPS = 30;

export function pulls<D extends Delivery<string>>(): readonly Rule<D>[] {
  return [
    {
      name: "a pull hands over what was published, each message once",
      async check(probe) {
        const bodies = numbered(10);
        await probe.lab.publish(bodies);
        const got = await probe.take(probe.source, 10);
        probe.expectBodies(got, bodies);
        for (const delivery of got) probe.expectAttempt(delivery, 1);
        await probe.expectSettles(probe.source, "ack", got);
        await probe.expectDrained();
      },
    },
    {
      name: "a body arrives as it was published: empty, in any script, with line breaks, of 100 kB",
      async check(probe) {
        const bodies = ["", "Grüße, 世界 🚀", 'line\r\nbreak\t"quoted" \\', "x".repeat(100_000), " "];
        // Some brokers take an empty message only if it has an attribute.
        await probe.lab.publish(bodies, { attributes: { kind: "odd" } });
        const got = await probe.take(probe.source, bodies.length);
        probe.expectBodies(got, bodies);
        await probe.expectSettles(probe.source, "ack", got);
      },
    },
    {
      name: "the attributes arrive as they were published",
      unless: ({ attributes }) => (attributes ? undefined : "the broker has no attributes"),
      async check(probe) {
        await probe.lab.publish(["a"], { attributes: { colour: "red", size: "10 cm" } });
        const delivery = await probe.takeOne(probe.source);
        const { colour, size } = delivery.attributes ?? {};
        if (colour !== "red" || size !== "10 cm") throw new Fault(`got ${JSON.stringify(delivery.attributes)}`);
        await probe.expectSettles(probe.source, "ack", [delivery]);
      },
    },
    {
      name: "the ordering key arrives as it was published, and no other message has one",
      unless: ({ keys }) => (keys ? undefined : "the broker has no ordering keys"),
      async check(probe) {
        await probe.lab.publish(["with"], { key: "k 1" });
        await probe.lab.publish(["without"]);
        const got = await probe.take(probe.source, 2);
        for (const { body, key } of got) {
          if (key !== (body === "with" ? "k 1" : undefined)) throw new Fault(`the key of ${body} is ${String(key)}`);
        }
        await probe.expectSettles(probe.source, "ack", got);
      },
    },
    {
      name: "a single consumer gets the messages in the order of publishing",
      unless: ({ ordered }) => (ordered ? undefined : "the broker keeps no order"),
      async check(probe) {
        const bodies = numbered(50);
        await probe.lab.publish(bodies);
        const got = await probe.take(probe.source, bodies.length);
        if (got.some(({ body }, i) => body !== bodies[i]))
          throw new Fault(`the messages came in the order ${listed(got)}`);
        await probe.expectSettles(probe.source, "ack", got);
      },
    },
    {
      name: "a pull hands over at most max",
      async check(probe) {
        const bodies = numbered(10);
        await probe.lab.publish(bodies);
        const [ctx, cancel] = context.withTimeout(context.background(), probe.patience);
        using _ = cancel;
        const got: D[] = [];
        while (got.length < bodies.length && ctx.err() === undefined) {
          const some = await probe.pull(probe.source, 1 + (got.length % 3), ctx);
          got.push(...some);
          if (some.length === 0) await probe.pause(ctx);
        }
        probe.expectBodies(got, bodies);
        await probe.expectSettles(probe.source, "ack", got);
      },
    },
    {
      name: "a message that is published while a pull waits reaches it",
      async check(probe) {
        const pulled = probe.takeOne(probe.source);
        pulled.catch(() => {});
        await time.sleep(100);
        await probe.lab.publish(["late"]);
        const delivery = await pulled;
        probe.expectBodies([delivery], ["late"]);
        await probe.expectSettles(probe.source, "ack", [delivery]);
      },
    },
    {
      name: "a pull that waits returns an empty list soon after its ctx was cancelled",
      check: (probe) =>
        expectEmpty(probe, (ctx) => {
          const [cancelled, cancel] = context.withCancel(ctx);
          time.afterFunc(100, cancel);
          return cancelled;
        }),
    },
    {
      name: "a pull that waits returns an empty list soon after the deadline of its ctx",
      // oxlint-disable-next-line headgate/lost-cancel -- its deadline ends it
      check: (probe) => expectEmpty(probe, (ctx) => context.withTimeout(ctx, 100)[0]),
    },
    {
      name: "a pull whose ctx has ended before settles, and strands nothing",
      async check(probe) {
        const bodies = numbered(3);
        await probe.lab.publish(bodies);
        const [ctx, cancel] = context.withTimeout(context.background(), probe.patience);
        cancel();
        const begun = monotonic();
        const got = await probe.pull(probe.source, 10, ctx);
        await expectShared(probe, got, bodies, begun);
      },
    },
    {
      name: "a pull that is stopped while messages arrive hands over all that it was assigned",
      async check(probe) {
        // The time that a message takes to arrive. The stops are spread around it.
        const begun = monotonic();
        const first = probe.takeOne(probe.source);
        first.catch(() => {});
        await probe.lab.publish(["first"]);
        await probe.expectSettles(probe.source, "ack", [await first]);
        const arrival = Math.min(50, monotonic() - begun);
        for (let i = 0; i < STOPS; i++) {
          const bodies = numbered(3, `stop ${i}, `);
          const start = monotonic();
          const [ctx, cancel] = context.withTimeout(context.background(), probe.patience);
          using _ = cancel;
          const pulled = probe.pull(probe.source, 10, ctx);
          pulled.catch(() => {});
          const published = probe.lab.publish(bodies);
          published.catch(() => {});
          // Every fifth stop comes at the very moment at which the broker has the messages.
          if (i % 5 === 0) await published;
          else await time.sleep((2 * arrival * i) / STOPS);
          cancel();
          const got = await pulled;
          await published;
          await expectShared(probe, got, bodies, start);
        }
        await probe.expectDrained();
      },
    },
    {
      name: "two consumers never hold the same message",
      async check(probe) {
        const bodies = numbered(100);
        await probe.lab.publish(bodies);
        const [ctx, cancel] = context.withTimeout(context.background(), probe.beforeLease);
        using _ = cancel;
        const seen: D[] = [];
        const consume = async (source: typeof probe.source): Promise<void> => {
          while (seen.length < bodies.length && ctx.err() === undefined) {
            const [turn, end] = context.withTimeout(ctx, 200);
            using _ = end;
            const got = await probe.pull(source, 7, turn);
            seen.push(...got);
            if (got.length > 0) await probe.expectSettles(source, "ack", got);
            else await probe.pause(ctx);
          }
        };
        await Promise.all([consume(probe.source), consume(probe.other)]);
        probe.expectBodies(seen, bodies);
      },
    },
    {
      name: "a source has not ended while a message may come, and tells its lease",
      async check(probe) {
        if (probe.source.ended === true) throw new Fault("the queue is empty, and the source says that it has ended");
        const { lease } = probe.source;
        if (probe.hasLease && lease !== probe.traits.lease) {
          throw new Fault(`its lease should be ${probe.traits.lease} ms; got ${String(lease)}`);
        }
      },
    },
  ];
}

/** A pull on an empty queue, under a ctx that ends while it waits. */
async function expectEmpty<D extends Delivery<string>>(probe: Probe<D>, end: (ctx: Context) => Context): Promise<void> {
  const [ctx, cancel] = context.withTimeout(context.background(), probe.patience);
  using _ = cancel;
  const got = await probe.pull(probe.source, 10, end(ctx));
  if (got.length > 0) throw new Fault(`the queue is empty, and a pull returned ${listed(got)}`);
  // The queue works as before.
  await probe.lab.publish(["next"]);
  const next = await probe.takeOne(probe.source);
  probe.expectBodies([next], ["next"]);
  await probe.expectSettles(probe.source, "ack", [next]);
}

/** One consumer got some of these bodies; the other must get the rest before a lease that began at `begun` runs out. */
async function expectShared<D extends Delivery<string>>(
  probe: Probe<D>,
  got: readonly D[],
  bodies: readonly string[],
  begun: number,
): Promise<void> {
  const left = bodies.length - got.length;
  const rest = left > 0 ? await probe.take(probe.other, left, begun + probe.beforeLease - monotonic()) : [];
  probe.expectBodies([...got, ...rest], bodies);
  if (got.length > 0) await probe.expectSettles(probe.source, "ack", got);
  if (rest.length > 0) await probe.expectSettles(probe.other, "ack", rest);
}
