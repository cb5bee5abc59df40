/** The rules of `ack`, `nack`, `deadLetter` and `extend`. */
import { isA } from "../../internal/foreign.ts";
import { context, time } from "../../index.ts";
import { monotonic } from "../../internal/runtime.ts";
import { type Bench, Fault, numbered, type Rule, texts, type Verb } from "./probe.ts";
import type { Traits } from "./index.ts";
import type { Delivery } from "../source.ts";

const needsLease = ({ lease }: Traits): string | undefined =>
  lease < Infinity ? undefined : "a delivery is held until the connection ends";
const needsFence = (traits: Traits): string | undefined =>
  needsLease(traits) ?? (traits.fenced ? undefined : "the broker does not tell whether a lease was lost");
const needsDead = ({ deadLetters }: Traits): string | undefined =>
  deadLetters ? undefined : "the source has no dead letters";

/** What may have been thrown, and is told as a reason that a header may have to hold. */
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
      async check(bench) {
        await bench.lab.publish(["a"]);
        await bench.counts(bench.source, "ack", [await bench.takeOne(bench.source)]);
        await bench.isEmpty();
      },
    },
    {
      name: "a verdict on many counts for all of them",
      async check(bench) {
        await bench.lab.publish(numbered(250));
        await bench.counts(bench.source, "ack", await bench.take(bench.source, 250, bench.beforeLease));
        await bench.isEmpty();
      },
    },
    {
      name: "a verdict on none settles",
      async check(bench) {
        for (const verb of verbsOf(bench)) await bench.counts(bench.source, verb, []);
      },
    },
    {
      name: "a nacked message comes back at once, to whoever pulls",
      async check(bench) {
        await bench.lab.publish(["a"]);
        await bench.counts(bench.source, "nack", [await bench.takeOne(bench.source)]);
        const again = await bench.takeOne(bench.other, bench.beforeLease);
        bench.areExactly([again], ["a"]);
        await bench.counts(bench.other, "ack", [again]);
        await bench.isEmpty();
      },
    },
    {
      name: "a message that is nacked while a pull waits reaches it",
      async check(bench) {
        await bench.lab.publish(["a"]);
        const first = await bench.takeOne(bench.source);
        const again = bench.takeOne(bench.other, bench.beforeLease);
        again.catch(() => {});
        await time.sleep(50);
        await bench.counts(bench.source, "nack", [first]);
        await bench.counts(bench.other, "ack", [await again]);
      },
    },
    {
      name: "a message that is nacked with a delay comes back after it, and not before",
      unless: ({ delayed }) => (delayed ? undefined : "the broker cannot delay a delivery"),
      // Before the end of the lease, which would bring it back anyway; and at no time at which a source is likely to ask anew, such as half a
      // second or a quarter of the lease: there is a broker that forgets the attempts of what is due in that moment.
      check: (bench) => isDelayed(bench, Math.min(400, bench.traits.lease / 5), bench.beforeLease),
    },
    {
      name: "a delay may be longer than the lease",
      unless: (traits) => needsLease(traits) ?? (traits.delayed ? undefined : "the broker cannot delay a delivery"),
      check: (bench) => isDelayed(bench, bench.traits.lease * 1.5, bench.traits.lease * 1.5 + bench.patience),
    },
    {
      name: "a message that is nacked with a delay comes back, whether the broker can delay it or not",
      async check(bench) {
        await bench.lab.publish(["a"]);
        await bench.counts(bench.source, "nack", [await bench.takeOne(bench.source)], 200);
        const again = await bench.takeOne(bench.other, 200 + bench.patience);
        await bench.counts(bench.other, "ack", [again]);
      },
    },
    {
      name: "the attempt counts the deliveries from 1",
      unless: ({ attempts }) => (attempts ? undefined : "the broker does not count attempts"),
      async check(bench) {
        await bench.lab.publish(["a"]);
        for (let attempt = 1; attempt <= 3; attempt++) {
          const delivery = await bench.takeOne(bench.source);
          if (delivery.attempt !== attempt) throw new Fault(`delivery ${attempt} has the attempt ${delivery.attempt}`);
          await bench.counts(bench.source, attempt < 3 ? "nack" : "ack", [delivery]);
        }
      },
    },
    {
      name: "a released message comes back at once",
      async check(bench) {
        await bench.lab.publish(["a", "b"]);
        await bench.counts(bench.source, "release", await bench.take(bench.source, 2));
        const again = await bench.take(bench.other, 2, bench.beforeLease);
        bench.areExactly(again, ["a", "b"]);
        await bench.counts(bench.other, "ack", again);
        await bench.isEmpty();
      },
    },
    {
      name: "a release costs no attempt, and a failure after it costs one",
      unless: (traits) =>
        traits.attempts && traits.releaseIsFree ? undefined : "the broker counts a release like any other delivery",
      async check(bench) {
        await bench.lab.publish(["a"]);
        for (let i = 0; i < 2; i++) {
          const delivery = await bench.takeOne(bench.source);
          bench.attemptIs(delivery, 1);
          await bench.counts(bench.source, "release", [delivery]);
        }
        await bench.counts(bench.source, "nack", [await bench.takeOne(bench.source)]);
        const failed = await bench.takeOne(bench.other);
        bench.attemptIs(failed, 2);
        await bench.counts(bench.other, "release", [failed]);
        const last = await bench.takeOne(bench.source);
        bench.attemptIs(last, 2);
        await bench.counts(bench.source, "ack", [last]);
      },
    },
    {
      name: "a message whose lease ran out goes to whoever pulls, and not before",
      unless: needsLease,
      async check(bench) {
        await bench.lab.publish(["a"]);
        const begun = monotonic();
        await bench.takeOne(bench.source);
        const again = await bench.takeOne(bench.other, bench.traits.lease + bench.patience);
        const after = Math.round(monotonic() - begun);
        if (after < bench.traits.lease * 0.6) throw new Fault(`it came again after ${after} ms`);
        bench.areExactly([again], ["a"]);
        bench.attemptIs(again, 2);
        await bench.counts(bench.other, "ack", [again]);
        await bench.isEmpty();
      },
    },
    {
      name: "a message whose lease is extended goes to nobody else",
      unless: needsLease,
      async check(bench) {
        await bench.lab.publish(["a", "b"]);
        const held = await bench.take(bench.source, 2);
        for (let i = 0; i < 6; i++) {
          await bench.nothing(bench.other, bench.traits.lease / 3);
          await bench.counts(bench.source, "extend", held);
        }
        await bench.counts(bench.source, "ack", held);
        await bench.isEmpty();
      },
    },
    ...(["ack", "nack", "release", "deadLetter", "extend"] as const).map((verb): Rule<D> => ({
      name: `${verb} after a lost lease is reported, and does not touch the next holder's delivery`,
      unless: (traits) => needsFence(traits) ?? (verb === "deadLetter" ? needsDead(traits) : undefined),
      async check(bench) {
        await bench.lab.publish(["a"]);
        const old = await bench.takeOne(bench.source);
        const current = await bench.takeOne(bench.other, bench.traits.lease + bench.patience);
        isReported(await bench.tell(bench.source, verb, [old]), [old]);
        if (verb === "deadLetter" && (await bench.lab.deadLetters()).length > 0) {
          throw new Fault("it is among the dead letters all the same");
        }
        await bench.nothing(bench.source, bench.traits.lease * 0.4);
        await bench.counts(bench.other, "ack", [current]);
        await bench.isEmpty();
      },
    })),
    {
      name: "a verdict on several counts for those that are held, and reports exactly the others",
      unless: needsFence,
      async check(bench) {
        await bench.lab.publish(["old"]);
        const old = await bench.takeOne(bench.source);
        const current = await bench.takeOne(bench.other, bench.traits.lease + bench.patience);
        await bench.lab.publish(["b", "c"]);
        const [b, c] = await bench.take(bench.source, 2, bench.beforeLease);
        isReported(await bench.tell(bench.source, "ack", [b!, old, c!]), [old]);
        await bench.counts(bench.other, "ack", [current]);
        await bench.isEmpty();
      },
    },
    {
      name: "a dead letter is put aside with its body and the reason, and is gone from the queue",
      unless: needsDead,
      async check(bench) {
        const bodies = ["bad", "Grüße 🚀"];
        await bench.lab.publish(bodies);
        await bench.counts(bench.source, "deadLetter", await bench.take(bench.source, 2));
        const letters = await bench.until("the dead letters", bench.lab.deadLetters, (list) => list.length >= 2);
        for (const body of bodies) {
          const found = letters.filter((letter) => letter.body === body);
          // A header of some brokers holds no more than ASCII.
          if (found.length === 1 && found[0]!.reason.includes("poison: ")) continue;
          throw new Fault(
            `the dead letter of "${body}", whose reason is "poison: ${body}", is ${JSON.stringify(found)}`,
          );
        }
        await bench.isEmpty();
      },
    },
    {
      name: "a dead letter is put aside whatever was thrown, also what no header can hold",
      unless: needsDead,
      async check(bench) {
        const errors = oddErrors();
        const bodies = numbered(errors.length);
        await bench.lab.publish(bodies);
        const got = await bench.take(bench.source, bodies.length);
        const error = ({ body }: D): unknown => errors[bodies.indexOf(body)];
        const lost = await bench.tell(bench.source, "deadLetter", got, { error });
        if (lost.length > 0) throw new Fault(`these were called lost: ${texts(lost)}`);
        const letters = await bench.until(
          "the dead letters",
          bench.lab.deadLetters,
          (list) => list.length >= bodies.length,
        );
        const kept = letters.map(({ body }) => body).sort();
        if (kept.join() !== [...bodies].sort().join()) throw new Fault(`put aside are ${kept.join(", ")}`);
        await bench.isEmpty();
      },
    },
    {
      name: "verdicts of all kinds at the same time each count",
      async check(bench) {
        await bench.lab.publish(["acked", "nacked", "released", "dead"]);
        const got = await bench.take(bench.source, 4);
        const by = (body: string): readonly D[] => got.filter((delivery) => delivery.body === body);
        await Promise.all([
          bench.counts(bench.source, "ack", by("acked")),
          bench.counts(bench.source, "nack", by("nacked")),
          bench.counts(bench.source, "release", by("released")),
          bench.counts(bench.source, bench.traits.deadLetters ? "deadLetter" : "ack", by("dead")),
        ]);
        const again = await bench.take(bench.other, 2, bench.beforeLease);
        bench.areExactly(again, ["nacked", "released"]);
        await bench.counts(bench.other, "ack", again);
        await bench.isEmpty();
      },
    },
    {
      name: "a verdict that is told twice does no harm",
      async check(bench) {
        await bench.lab.publish(["acked", "nacked", "dead", "held"]);
        const got = await bench.take(bench.source, 4);
        const by = (body: string): readonly D[] => got.filter((delivery) => delivery.body === body);
        const twice = async (verb: Verb, body: string): Promise<void> => {
          await bench.counts(bench.source, verb, by(body));
          // That it is lost, or that it is settled, are both true.
          await bench.tell(bench.source, verb, by(body));
        };
        await twice("ack", "acked");
        await twice("nack", "nacked");
        if (bench.traits.deadLetters) await twice("deadLetter", "dead");
        else await bench.counts(bench.source, "ack", by("dead"));
        const again = await bench.takeOne(bench.other, bench.beforeLease);
        bench.areExactly([again], ["nacked"]);
        await bench.counts(bench.other, "ack", [again]);
        await bench.counts(bench.source, "ack", by("held"));
        await bench.isEmpty();
        if (!bench.traits.deadLetters) return;
        const letters = await bench.lab.deadLetters();
        if (letters.length !== 1) throw new Fault(`one message was dead-lettered; there are ${letters.length} letters`);
      },
    },
    {
      name: "a verdict whose ctx has ended settles or rejects, and can be told again",
      async check(bench) {
        for (const verb of verbsOf(bench)) {
          await bench.lab.publish([verb]);
          const delivery = await bench.takeOne(bench.source);
          const [ctx, cancel] = context.withTimeout(context.background(), bench.patience);
          cancel();
          const settled = await bench.tell(bench.source, verb, [delivery], { ctx }).then(
            () => true,
            (error: unknown) => {
              if (isA(error, Fault)) throw error;
              return false;
            },
          );
          // What has settled may be told again, but then it does not count.
          if (!settled) await bench.tell(bench.source, verb, [delivery]);
          if (verb === "nack" || verb === "release") {
            const again = await bench.takeOne(bench.other, bench.beforeLease);
            bench.areExactly([again], [verb]);
            await bench.counts(bench.other, "ack", [again]);
          } else if (verb === "extend") await bench.counts(bench.source, "ack", [delivery]);
        }
        await bench.isEmpty();
      },
    },
  ];
}

/** What this source can be told. */
function verbsOf<D extends Delivery<string>>(bench: Bench<D>): readonly Verb[] {
  const verbs: Verb[] = ["ack", "nack", "release"];
  if (bench.traits.deadLetters) verbs.push("deadLetter");
  if (bench.source.extend !== undefined) verbs.push("extend");
  return verbs;
}

async function isDelayed<D extends Delivery<string>>(bench: Bench<D>, delay: number, within: number): Promise<void> {
  await bench.lab.publish(["a"]);
  const first = await bench.takeOne(bench.source);
  const begun = monotonic();
  await bench.counts(bench.source, "nack", [first], delay);
  const again = await bench.takeOne(bench.other, within);
  const after = Math.round(monotonic() - begun);
  // The clocks of two machines, and their ways of rounding, may differ a little.
  if (after < delay - 20) throw new Fault(`the delay is ${delay} ms, and it came back after ${after}`);
  bench.areExactly([again], ["a"]);
  bench.attemptIs(again, 2);
  await bench.counts(bench.other, "ack", [again]);
  await bench.isEmpty();
}

function isReported<D extends Delivery<string>>(reported: readonly D[], lost: readonly D[]): void {
  const ids = reported.map(({ id }) => id).sort();
  const expected = lost.map(({ id }) => id).sort();
  if (ids.length === expected.length && ids.every((id, i) => id === expected[i])) return;
  throw new Fault(`the lease of ${texts(lost)} was lost; what was reported is ${texts(reported)}`);
}
