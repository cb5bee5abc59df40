/**
 * The rules of `ack`, `nack`, `deadLetter` and `extend`. Each of them leaves the queue empty, so that nothing stays
 * unseen.
 */
import { isA } from "../../internal/foreign.ts";
import { context, time } from "../../index.ts";
import { monotonic } from "../../internal/runtime.ts";
import { Fault, listed, numbered, type Probe, type Rule, type Verb } from "./probe.ts";
import type { Traits } from "./types.ts";
import type { Delivery } from "../source.ts";

const needsLease = ({ lease }: Traits): string | undefined =>
  lease < Infinity ? undefined : "a delivery is held until the connection ends";
const needsFence = (traits: Traits): string | undefined =>
  needsLease(traits) ?? (traits.fenced ? undefined : "the broker does not tell whether a lease was lost");
const needsDeadLetters = ({ deadLetters }: Traits): string | undefined =>
  deadLetters ? undefined : "the source has no dead letters";

/** Things that a handler may throw, whose texts a header cannot always hold as they are. */
function oddErrors(): readonly unknown[] {
  const [emoji, half] = ["\u{1F680}", "\uD83D"];
  return [
    undefined,
    "",
    new Error(""),
    new Error("first\r\nsecond: \u0000\u001b"),
    new Error(`${emoji.repeat(499)}${half}`),
    new Error(`x${emoji.repeat(2_500)}`),
    { code: 404 },
  ];
}

export function verdicts<D extends Delivery<string>>(): readonly Rule<D>[] {
  return [
    {
      name: "an acked message is gone",
      async check(probe) {
        await probe.lab.publish(["a"]);
        await probe.expectSettles(probe.source, "ack", [await probe.takeOne(probe.source)]);
        await probe.expectDrained();
      },
    },
    {
      name: "a verdict on many counts for all of them",
      async check(probe) {
        await probe.lab.publish(numbered(250));
        await probe.expectSettles(probe.source, "ack", await probe.take(probe.source, 250, probe.beforeLease));
        await probe.expectDrained();
      },
    },
    {
      name: "a verdict on none settles",
      async check(probe) {
        for (const verb of verbsOf(probe)) await probe.expectSettles(probe.source, verb, []);
      },
    },
    {
      name: "a nacked message comes back at once, to the next pull",
      async check(probe) {
        await probe.lab.publish(["a"]);
        await probe.expectSettles(probe.source, "nack", [await probe.takeOne(probe.source)]);
        const again = await probe.takeOne(probe.other, probe.beforeLease);
        probe.expectBodies([again], ["a"]);
        await probe.expectSettles(probe.other, "ack", [again]);
        await probe.expectDrained();
      },
    },
    {
      name: "a message that is nacked while a pull waits reaches it",
      async check(probe) {
        await probe.lab.publish(["a"]);
        const first = await probe.takeOne(probe.source);
        const again = probe.takeOne(probe.other, probe.beforeLease);
        again.catch(() => {});
        await time.sleep(50);
        await probe.expectSettles(probe.source, "nack", [first]);
        await probe.expectSettles(probe.other, "ack", [await again]);
      },
    },
    {
      name: "a message that is nacked with a delay comes back after it, and not before",
      unless: ({ delayed }) => (delayed ? undefined : "the broker cannot delay a delivery"),
      // Shorter than the lease, whose end would bring the message back anyway. And no half second or quarter of the
      // lease, after which a source is likely to ask again. One broker forgets the attempts of a message that is due in
      // that moment.
      check: (probe) => expectDelayed(probe, Math.min(400, probe.traits.lease / 5), probe.beforeLease),
    },
    {
      name: "a delay may be longer than the lease",
      unless: (traits) => needsLease(traits) ?? (traits.delayed ? undefined : "the broker cannot delay a delivery"),
      check: (probe) => expectDelayed(probe, probe.traits.lease * 1.5, probe.traits.lease * 1.5 + probe.patience),
    },
    {
      name: "a message that is nacked with a delay comes back, whether the broker can delay it or not",
      async check(probe) {
        await probe.lab.publish(["a"]);
        await probe.expectSettles(probe.source, "nack", [await probe.takeOne(probe.source)], 200);
        const again = await probe.takeOne(probe.other, 200 + probe.patience);
        await probe.expectSettles(probe.other, "ack", [again]);
      },
    },
    {
      name: "the attempt counts the deliveries from 1",
      unless: ({ attempts }) => (attempts ? undefined : "the broker does not count attempts"),
      async check(probe) {
        await probe.lab.publish(["a"]);
        for (let attempt = 1; attempt <= 3; attempt++) {
          const delivery = await probe.takeOne(probe.source);
          if (delivery.attempt !== attempt) throw new Fault(`delivery ${attempt} has the attempt ${delivery.attempt}`);
          await probe.expectSettles(probe.source, attempt < 3 ? "nack" : "ack", [delivery]);
        }
      },
    },
    {
      name: "a released message comes back at once",
      async check(probe) {
        await probe.lab.publish(["a", "b"]);
        await probe.expectSettles(probe.source, "release", await probe.take(probe.source, 2));
        const again = await probe.take(probe.other, 2, probe.beforeLease);
        probe.expectBodies(again, ["a", "b"]);
        await probe.expectSettles(probe.other, "ack", again);
        await probe.expectDrained();
      },
    },
    {
      name: "a release costs no attempt, and a failure after it costs one",
      unless: (traits) =>
        traits.attempts && traits.releaseIsFree ? undefined : "the broker counts a release like any other delivery",
      async check(probe) {
        await probe.lab.publish(["a"]);
        for (let i = 0; i < 2; i++) {
          const delivery = await probe.takeOne(probe.source);
          probe.expectAttempt(delivery, 1);
          await probe.expectSettles(probe.source, "release", [delivery]);
        }
        await probe.expectSettles(probe.source, "nack", [await probe.takeOne(probe.source)]);
        const failed = await probe.takeOne(probe.other);
        probe.expectAttempt(failed, 2);
        await probe.expectSettles(probe.other, "release", [failed]);
        const last = await probe.takeOne(probe.source);
        probe.expectAttempt(last, 2);
        await probe.expectSettles(probe.source, "ack", [last]);
      },
    },
    {
      name: "a message whose lease ran out goes to the next pull, and not before",
      unless: needsLease,
      async check(probe) {
        await probe.lab.publish(["a"]);
        const begun = monotonic();
        await probe.takeOne(probe.source);
        const again = await probe.takeOne(probe.other, probe.traits.lease + probe.patience);
        const after = Math.round(monotonic() - begun);
        if (after < probe.traits.lease * 0.6) throw new Fault(`it came back after ${after} ms`);
        probe.expectBodies([again], ["a"]);
        probe.expectAttempt(again, 2);
        await probe.expectSettles(probe.other, "ack", [again]);
        await probe.expectDrained();
      },
    },
    {
      name: "a message whose lease is extended goes to no other consumer",
      unless: needsLease,
      async check(probe) {
        await probe.lab.publish(["a", "b"]);
        const held = await probe.take(probe.source, 2);
        for (let i = 0; i < 6; i++) {
          await probe.expectNothing(probe.other, probe.traits.lease / 3);
          await probe.expectSettles(probe.source, "extend", held);
        }
        await probe.expectSettles(probe.source, "ack", held);
        await probe.expectDrained();
      },
    },
    ...(["ack", "nack", "release", "deadLetter", "extend"] as const).map((verb): Rule<D> => ({
      name: `${verb} after a lost lease is reported, and does not touch the next holder's delivery`,
      unless: (traits) => needsFence(traits) ?? (verb === "deadLetter" ? needsDeadLetters(traits) : undefined),
      async check(probe) {
        await probe.lab.publish(["a"]);
        const old = await probe.takeOne(probe.source);
        const current = await probe.takeOne(probe.other, probe.traits.lease + probe.patience);
        expectReported(await probe.send(probe.source, verb, [old]), [old]);
        if (verb === "deadLetter" && (await probe.lab.deadLetters()).length > 0) {
          throw new Fault("the message is among the dead letters all the same");
        }
        await probe.expectNothing(probe.source, probe.traits.lease * 0.4);
        await probe.expectSettles(probe.other, "ack", [current]);
        await probe.expectDrained();
      },
    })),
    {
      name: "a verdict on several counts for those that are held, and reports exactly the others",
      unless: needsFence,
      async check(probe) {
        await probe.lab.publish(["old"]);
        const old = await probe.takeOne(probe.source);
        const current = await probe.takeOne(probe.other, probe.traits.lease + probe.patience);
        await probe.lab.publish(["b", "c"]);
        const [b, c] = await probe.take(probe.source, 2, probe.beforeLease);
        expectReported(await probe.send(probe.source, "ack", [b!, old, c!]), [old]);
        await probe.expectSettles(probe.other, "ack", [current]);
        await probe.expectDrained();
      },
    },
    {
      name: "a dead letter is put aside with its body and the reason, and is gone from the queue",
      unless: needsDeadLetters,
      async check(probe) {
        const bodies = ["bad", "Grüße 🚀"];
        await probe.lab.publish(bodies);
        await probe.expectSettles(probe.source, "deadLetter", await probe.take(probe.source, 2));
        const letters = await probe.eventually("the dead letters", probe.lab.deadLetters, (list) => list.length >= 2);
        for (const body of bodies) {
          const found = letters.filter((letter) => letter.body === body);
          // The headers of some brokers hold ASCII only.
          if (found.length === 1 && found[0]!.reason.includes("poison: ")) continue;
          throw new Fault(
            `the dead letter of "${body}", whose reason is "poison: ${body}", is ${JSON.stringify(found)}`,
          );
        }
        await probe.expectDrained();
      },
    },
    {
      name: "a dead letter keeps the attributes of its message, so that its trace goes on",
      unless: (traits) => needsDeadLetters(traits) ?? (traits.attributes ? undefined : "the broker has no attributes"),
      async check(probe) {
        const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        await probe.lab.publish(["a"], { attributes: { traceparent } });
        await probe.expectSettles(probe.source, "deadLetter", await probe.take(probe.source, 1));
        const [letter] = await probe.eventually("the dead letter", probe.lab.deadLetters, (list) => list.length >= 1);
        const { attributes } = letter!;
        if (attributes !== undefined && attributes?.["traceparent"] !== traceparent)
          throw new Fault(`the attributes of the dead letter are ${JSON.stringify(attributes)}`);
        await probe.expectDrained();
      },
    },
    {
      name: "a dead letter is put aside whatever was thrown, also what no header can hold",
      unless: needsDeadLetters,
      async check(probe) {
        const errors = oddErrors();
        const bodies = numbered(errors.length);
        await probe.lab.publish(bodies);
        const got = await probe.take(probe.source, bodies.length);
        const error = ({ body }: D): unknown => errors[bodies.indexOf(body)];
        const lost = await probe.send(probe.source, "deadLetter", got, { error });
        if (lost.length > 0) throw new Fault(`these were reported as lost: ${listed(lost)}`);
        const letters = await probe.eventually(
          "the dead letters",
          probe.lab.deadLetters,
          (list) => list.length >= bodies.length,
        );
        const kept = letters.map(({ body }) => body).sort();
        if (kept.join() !== [...bodies].sort().join()) throw new Fault(`the dead letters are ${kept.join(", ")}`);
        await probe.expectDrained();
      },
    },
    {
      name: "verdicts of all kinds at the same time each count",
      async check(probe) {
        await probe.lab.publish(["acked", "nacked", "released", "dead"]);
        const got = await probe.take(probe.source, 4);
        const by = (body: string): readonly D[] => got.filter((delivery) => delivery.body === body);
        await Promise.all([
          probe.expectSettles(probe.source, "ack", by("acked")),
          probe.expectSettles(probe.source, "nack", by("nacked")),
          probe.expectSettles(probe.source, "release", by("released")),
          probe.expectSettles(probe.source, probe.traits.deadLetters ? "deadLetter" : "ack", by("dead")),
        ]);
        const again = await probe.take(probe.other, 2, probe.beforeLease);
        probe.expectBodies(again, ["nacked", "released"]);
        await probe.expectSettles(probe.other, "ack", again);
        await probe.expectDrained();
      },
    },
    {
      name: "a verdict that is sent twice does no harm",
      async check(probe) {
        await probe.lab.publish(["acked", "nacked", "dead", "held"]);
        const got = await probe.take(probe.source, 4);
        const by = (body: string): readonly D[] => got.filter((delivery) => delivery.body === body);
        const twice = async (verb: Verb, body: string): Promise<void> => {
          await probe.expectSettles(probe.source, verb, by(body));
          // The source may report it as lost, or as settled: both are true.
          await probe.send(probe.source, verb, by(body));
        };
        await twice("ack", "acked");
        await twice("nack", "nacked");
        if (probe.traits.deadLetters) await twice("deadLetter", "dead");
        else await probe.expectSettles(probe.source, "ack", by("dead"));
        const again = await probe.takeOne(probe.other, probe.beforeLease);
        probe.expectBodies([again], ["nacked"]);
        await probe.expectSettles(probe.other, "ack", [again]);
        await probe.expectSettles(probe.source, "ack", by("held"));
        await probe.expectDrained();
        if (!probe.traits.deadLetters) return;
        const letters = await probe.lab.deadLetters();
        if (letters.length !== 1) throw new Fault(`one message was dead-lettered; there are ${letters.length} letters`);
      },
    },
    {
      name: "a verdict whose ctx has ended settles or rejects, and can be sent again",
      async check(probe) {
        for (const verb of verbsOf(probe)) {
          await probe.lab.publish([verb]);
          const delivery = await probe.takeOne(probe.source);
          const [ctx, cancel] = context.withTimeout(context.background(), probe.patience);
          cancel();
          const settled = await probe.send(probe.source, verb, [delivery], { ctx }).then(
            () => true,
            (error: unknown) => {
              if (isA(error, Fault)) throw error;
              return false;
            },
          );
          // A verdict that has settled must not be sent again here: that one need not count.
          if (!settled) await probe.send(probe.source, verb, [delivery]);
          if (verb === "nack" || verb === "release") {
            const again = await probe.takeOne(probe.other, probe.beforeLease);
            probe.expectBodies([again], [verb]);
            await probe.expectSettles(probe.other, "ack", [again]);
          } else if (verb === "extend") await probe.expectSettles(probe.source, "ack", [delivery]);
        }
        await probe.expectDrained();
      },
    },
  ];
}

/** The calls that this source has. */
function verbsOf<D extends Delivery<string>>(probe: Probe<D>): readonly Verb[] {
  const verbs: Verb[] = ["ack", "nack", "release"];
  if (probe.traits.deadLetters) verbs.push("deadLetter");
  if (probe.source.extend !== undefined) verbs.push("extend");
  return verbs;
}

async function expectDelayed<D extends Delivery<string>>(
  probe: Probe<D>,
  delay: number,
  within: number,
): Promise<void> {
  await probe.lab.publish(["a"]);
  const first = await probe.takeOne(probe.source);
  const begun = monotonic();
  await probe.expectSettles(probe.source, "nack", [first], delay);
  const again = await probe.takeOne(probe.other, within);
  const after = Math.round(monotonic() - begun);
  // The clocks of two machines, and their rounding, may differ a little.
  if (after < delay - 20) throw new Fault(`the delay is ${delay} ms, and the message came back after ${after} ms`);
  probe.expectBodies([again], ["a"]);
  probe.expectAttempt(again, 2);
  await probe.expectSettles(probe.other, "ack", [again]);
  await probe.expectDrained();
}

function expectReported<D extends Delivery<string>>(reported: readonly D[], lost: readonly D[]): void {
  const ids = reported.map(({ id }) => id).sort();
  const expected = lost.map(({ id }) => id).sort();
  if (ids.length === expected.length && ids.every((id, i) => id === expected[i])) return;
  throw new Fault(`the lease of ${listed(lost)} was lost; reported was ${listed(reported)}`);
}
