/**
 * What the conformance suite finds: a source that breaks one rule is found out, by the name of that rule.
 */
import { context, type Context, time } from "headgate";
import { type DeadLetter, type MemoryBroker, type Nack, type Source } from "headgate/worker";
import { type Traits } from "headgate/worker/conformance";
import { describe, expect, it } from "vitest";
import { type D, failures, lab, traits } from "./conformance-lab.ts";

describe("a source that breaks a rule fails:", () => {
  const never = new Promise<never>(() => {});
  const ended = async (ctx: Context): Promise<void> => {
    await time.sleep(Infinity, ctx).catch(() => {});
  };
  const all = (ctx: Context, source: Source<D>, list: readonly D[]): Promise<readonly D[] | void> =>
    source.ack(ctx, list);

  /** The bug, how it is made, and the rules that must be among those that are broken. */
  const bugs: readonly [
    what: string,
    change: (source: Source<D>) => Partial<Source<D>>,
    rules: readonly string[],
    but?: Partial<Traits>,
  ][] = [
    [
      "it loses one message of each pull",
      (source) => ({ pull: async (ctx, max) => (await source.pull(ctx, max)).slice(1) }),
      ["a pull hands over what was published"],
    ],
    [
      "it hands a message over twice",
      (source) => ({ pull: async (ctx, max) => (await source.pull(ctx, max)).flatMap((d) => [d, d]).slice(0, max) }),
      ["two deliveries of one pull have the same id"],
    ],
    [
      "it hands over more than it was asked for",
      (source) => ({ pull: (ctx, max) => source.pull(ctx, max + 1) }),
      ["a pull hands over at most max"],
    ],
    [
      "it rejects when the ctx of a pull ends",
      (source) => ({
        pull: async (ctx, max) => {
          const got = await source.pull(ctx, max);
          if (got.length === 0) throw ctx.err();
          return got;
        },
      }),
      [
        "a pull that waits returns an empty list soon after its ctx was cancelled",
        "a pull that waits returns an empty list soon after the deadline of its ctx",
        "a pull whose ctx has ended before settles",
      ],
    ],
    [
      "it is deaf to the ctx of a pull",
      (source) => ({ pull: (ctx, max) => source.pull(context.withoutCancel(ctx), max) }),
      ["a pull that waits returns an empty list soon after its ctx was cancelled"],
    ],
    [
      "it drops what was assigned when the ctx of a pull ends",
      (source) => ({
        pull: async (ctx, max) => {
          const got = await source.pull(ctx, max);
          await time.sleep(1);
          return ctx.err() === undefined ? got : [];
        },
      }),
      ["a pull that is stopped while messages arrive hands over all that it was assigned"],
    ],
    [
      "it drops the attributes of a dead letter",
      (source) => ({
        deadLetter: async (ctx, items) => {
          const lost = await source.deadLetter!(ctx, items);
          const letters = (source as MemoryBroker<string>).deadLetters as DeadLetter<string>[];
          for (const [i, { attributes: _, ...letter }] of letters.entries()) letters[i] = letter;
          return lost;
        },
      }),
      ["a dead letter keeps the attributes of its message"],
    ],
    [
      "it looks only once",
      (source) => ({
        pull: async (ctx, max) => {
          const [now, cancel] = context.withTimeout(ctx, 1);
          const got = await source.pull(now, max);
          cancel();
          if (got.length === 0) await ended(ctx);
          return got;
        },
      }),
      ["a message that is published while a pull waits reaches it"],
    ],
    [
      "it changes bodies",
      (source) => ({
        pull: async (ctx, max) => (await source.pull(ctx, max)).map((d) => ({ ...d, body: d.body.trim() })),
      }),
      ["a body arrives as it was published"],
    ],
    [
      "it forgets keys and attributes",
      (source) => ({
        pull: async (ctx, max) =>
          (await source.pull(ctx, max)).map(({ id, body, attempt }) => ({ id, body, attempt: attempt! })),
      }),
      ["the attributes arrive", "the ordering key arrives"],
    ],
    [
      "it turns the order round",
      (source) => ({ pull: async (ctx, max) => [...(await source.pull(ctx, max))].reverse() }),
      ["a single consumer gets the messages in the order of publishing"],
    ],
    [
      "it hands out again what is held",
      (source) => ({
        pull: async (ctx, max) => {
          const got = await source.pull(ctx, max);
          if (got.length > 1) await source.nack(ctx, [{ delivery: got[0]!, delay: 0, reason: "released" }]);
          return got;
        },
      }),
      ["two consumers never hold the same message"],
    ],
    [
      "it calls itself ended while it is empty",
      () => ({ ended: true }),
      ["a source has not ended while a message may come"],
    ],
    ["it has no lease", () => ({ lease: undefined as never }), ["tells its lease: its lease should be 2000"]],
    ["its ack does nothing", () => ({ ack: async () => {} }), ["an acked message is gone"]],
    [
      "its ack counts for the first alone",
      (source) => ({ ack: async (ctx, list) => source.ack(ctx, list.slice(0, 1)) }),
      ["a verdict on many counts for all of them"],
    ],
    [
      "it has no answer to an empty list",
      (source) => ({
        ack: async (ctx, list) => {
          if (list.length === 0) throw new Error("wrong number of arguments");
          return source.ack(ctx, list);
        },
      }),
      ["a verdict on none settles"],
    ],
    ["its verdicts hang", () => ({ nack: () => never }), ["the nack ended, and it has not settled 2000 ms later"]],
    [
      "its nack waits for the end of the lease",
      () => ({ nack: async () => {} }),
      ["a nacked message comes back at once", "a released message comes back at once"],
    ],
    [
      "its nack ignores the delay",
      (source) => ({
        nack: (ctx, items) =>
          source.nack(
            ctx,
            items.map((item) => ({ ...item, delay: 0 })),
          ),
      }),
      [
        "a message that is nacked with a delay comes back after it, and not before",
        "a delay may be longer than the lease",
      ],
    ],
    [
      "its delays end with the lease",
      (source) => ({
        nack: (ctx, items) =>
          source.nack(
            ctx,
            items.map((item) => ({ ...item, delay: Math.min(item.delay, 2_000) })),
          ),
      }),
      ["a delay may be longer than the lease"],
    ],
    [
      "its releases cost an attempt",
      (source) => ({
        nack: (ctx, items) =>
          source.nack(
            ctx,
            items.map((item) => ({ ...item, reason: "failed" }) as Nack<D>),
          ),
      }),
      ["a release costs no attempt"],
    ],
    [
      "its failures cost no attempt",
      (source) => ({
        nack: (ctx, items) =>
          source.nack(
            ctx,
            items.map((item) => ({ ...item, reason: "released" }) as Nack<D>),
          ),
      }),
      ["the attempt counts the deliveries from 1", "and a failure after it costs one"],
    ],
    [
      "its leases never run out",
      (source) => ({ pull: (ctx, max) => hold(source, ctx, max) }),
      ["a message whose lease ran out goes to the next pull"],
    ],
    [
      "its leases run out early",
      (source) => ({
        pull: async (ctx, max) => {
          const got = await source.pull(ctx, max);
          await source.nack(
            ctx,
            got.map((delivery) => ({ delivery, delay: 1_000, reason: "failed" })),
          );
          return got;
        },
      }),
      ["a message whose lease ran out goes to the next pull, and not before: it came back after 1000 ms"],
    ],
    [
      "its extend does nothing",
      () => ({ extend: async () => {} }),
      ["a message whose lease is extended goes to no other consumer"],
    ],
    [
      "it does not report lost leases",
      (source) => ({
        ack: async (ctx, list) => void (await source.ack(ctx, list)),
        nack: async (ctx, list) => void (await source.nack(ctx, list)),
        deadLetter: async (ctx, list) => void (await source.deadLetter!(ctx, list)),
        extend: async (ctx, list) => void (await source.extend!(ctx, list)),
      }),
      [
        "ack after a lost lease is reported",
        "nack after a lost lease is reported",
        "release after a lost lease is reported",
        "deadLetter after a lost lease is reported",
        "extend after a lost lease is reported",
        "a verdict on several counts for those that are held, and reports exactly the others",
      ],
    ],
    [
      "it reports what it has settled",
      (source) => ({
        ack: async (ctx, list) => {
          await source.ack(ctx, list);
          return list;
        },
      }),
      ["an acked message is gone: the ack of deliveries that are held reported these as lost"],
    ],
    [
      "its dead letters vanish",
      (source) => ({
        deadLetter: (ctx, items) =>
          all(
            ctx,
            source,
            items.map(({ delivery }) => delivery),
          ),
      }),
      ["a dead letter is put aside"],
    ],
    [
      "its dead letters say no reason",
      (source) => ({
        deadLetter: (ctx, items) =>
          source.deadLetter!(
            ctx,
            items.map((item) => ({ ...item, error: "" })),
          ),
      }),
      ["a dead letter is put aside with its body and the reason"],
    ],
    [
      "it refuses a dead letter whose reason it cannot write into a header",
      (source) => ({
        async deadLetter(ctx, items) {
          const reasons = items.map(({ error }) => String(error));
          // eslint-disable-next-line no-control-regex
          if (reasons.some((reason) => /[\u0000-\u001f]/.test(reason))) throw new Error("invalid header");
          return source.deadLetter!(ctx, items);
        },
      }),
      ["a dead letter is put aside whatever was thrown"],
    ],
    [
      "it refuses a dead letter that dies of nothing",
      (source) => ({
        async deadLetter(ctx, items) {
          if (items.some(({ error }) => error === undefined)) throw new TypeError("no error");
          return source.deadLetter!(ctx, items);
        },
      }),
      ["a dead letter is put aside whatever was thrown"],
    ],
    [
      "it has no dead letters, although it should",
      () => ({ deadLetter: undefined as never }),
      ["the source has no deadLetter"],
    ],
    [
      "it forgets a verdict whose ctx has ended, and takes it for settled",
      (source) => {
        const seen = new Set<string>();
        return {
          nack: async (ctx, items) => {
            const fresh = items.filter(({ delivery }) => !seen.has(delivery.id));
            for (const { delivery } of fresh) seen.add(delivery.id);
            return source.nack(ctx, fresh);
          },
        };
      },
      ["a verdict whose ctx has ended settles or rejects, and can be sent again"],
    ],
  ];

  /** Pulls, and extends what it gets for ever. */
  async function hold(source: Source<D>, ctx: Context, max: number): Promise<readonly D[]> {
    const got = await source.pull(ctx, max);
    const extend = async (): Promise<void> => {
      for (let i = 0; i < 10; i++) {
        await time.sleep(1_000);
        await source.extend!(context.background(), got);
      }
    };
    void extend();
    return got;
  }

  it.each(bugs)("%s", async (_, change, rules) => {
    const found = await failures(lab(change), traits);
    for (const rule of rules) expect(found).toContainEqual(expect.stringContaining(rule));
  });
});
